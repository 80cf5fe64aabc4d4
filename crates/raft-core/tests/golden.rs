//! Golden scripts: each file in `scripts` is a story of a small cluster, told by commands and what came of them.
//!
//! `UPDATE_GOLDENFILES=1 cargo test -p raft-core --test golden` writes the outcomes anew; read them before you keep them.
//!
//! A trace has a line for each decision of a node (`1   Became candidate in term 1`), each group of messages it sends
//! (`1→2,3 RequestVote …`; `1×2` if the way is cut or the receiver down), each message that a `deliver` hands over (`2←1 …`).
//! Disks complete their writes at once, unless held. Time passes for one node at a time, when its timer is to run out.

mod support;

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};

use goldenscript::{Argument, Command, Context, Runner};
use raft_core::{
    AppendEntries, AppendEntriesReply, AppendOutcome, Duration, Entry, HardState, Input, InstallSnapshot, LogIndex,
    Message, NodeId, Payload, PersistId, ReadRound, RequestVote, RequestVoteReply, Role, Rule, Rules, Snapshot, Term,
    Timing,
};
use support::checker::Violation;
use support::world::{Disk, Packet, World, entry_text};

#[test]
fn scripts() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("scripts")
        .map(|file| file.expect("a file").path())
        .collect();
    paths.sort();
    assert!(paths.len() >= 30, "the scripts are where they should be");
    let failed = paths.into_iter().filter(|path| {
        let run = AssertUnwindSafe(|| goldenscript::run(&mut Script::default(), path).expect("the script runs"));
        catch_unwind(run).is_err()
    });
    assert_eq!(failed.collect::<Vec<_>>(), Vec::<std::path::PathBuf>::new());
}

type Outcome = Result<(), Box<dyn Error>>;

/// A script under way.
#[derive(Default)]
struct Script {
    world: Option<World>,
    /// Messages that are late: put aside by `hold`, under way again with `release`.
    held: Vec<Packet>,
    violations: usize,
}

impl Runner for Script {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Result<String, Box<dyn Error>> {
        let mut lines = Vec::new();
        if let Err(error) = self.perform(command, &mut lines) {
            match error.downcast::<Violation>() {
                Ok(violation) => {
                    self.violations += 1;
                    lines.push(format!("!!! {violation}"));
                }
                Err(error) => return Err(error),
            }
        }
        let trace = self
            .world
            .as_mut()
            .and_then(|world| world.trace.replace(Vec::new()))
            .unwrap_or_default();
        Ok([trace, lines].concat().join("\n"))
    }

    /// With all rules on, nothing is ever violated. Without one, something is; a missing no-op only costs time.
    fn end_script(&mut self) -> Outcome {
        let ablated = self.world.as_ref().map_or(Vec::new(), |world| world.rules.ablated());
        match (&ablated[..], self.violations) {
            ([], 1..) => Err("a property was violated with all rules on".into()),
            ([rule], 0) if *rule != Rule::NoOpOnElection => Err("a rule was off, and nothing came of it".into()),
            _ => Ok(()),
        }
    }
}

impl Script {
    fn perform(&mut self, command: &Command, lines: &mut Vec<String>) -> Outcome {
        let arguments = Arguments(&command.args);
        if command.name == "cluster" {
            self.world = Some(cluster(&arguments)?);
            return Ok(());
        }
        let world = self.world.as_mut().ok_or("a script begins with `cluster`")?;
        match command.name.as_str() {
            "campaign" => run_out(world, arguments.node()?, false)?,
            "heartbeat" => run_out(world, arguments.node()?, true)?,
            "run" => world.run(Duration::from_millis(arguments.number("ms", 1000)?))?,
            "stabilize" => world.settle(1000)?,
            "deliver" => deliver(world, &arguments)?,
            "drop" => select(world, &arguments)?
                .into_iter()
                .rev()
                .for_each(|place| drop(world.network.remove(place))),
            "duplicate" => {
                let copies: Vec<_> = select(world, &arguments)?
                    .into_iter()
                    .map(|place| world.network[place].clone())
                    .collect();
                world.network.extend(copies);
            }
            "hold" => {
                for place in select(world, &arguments)?.into_iter().rev() {
                    self.held.extend(world.network.remove(place));
                }
            }
            "release" => world.network.extend(self.held.drain(..).rev()),
            "network" => lines.extend(
                world
                    .network
                    .iter()
                    .map(|packet| format!("{}→{} {}", packet.from.0, packet.to.0, packet.message)),
            ),
            "propose" => {
                let commands: Vec<String> = arguments.words().skip(1).map(String::from).collect();
                propose(world, arguments.node()?, commands)?;
            }
            "fill" => {
                let (count, bytes) = (arguments.number("count", 1)?, arguments.number("bytes", 1)? as usize);
                let commands = (0..count).map(|number| format!("{number:0>4}") + &"x".repeat(bytes.max(4) - 4));
                propose(world, arguments.node()?, commands.collect())?;
            }
            "read" => {
                let inputs = arguments.words().skip(1).map(|name| {
                    let ticket = world.ticket(name);
                    world.checker.read_asked(ticket);
                    Input::Read { ticket }
                });
                let inputs = inputs.collect();
                world.step(arguments.node()?, inputs)?;
            }
            "hold-disk" => arguments
                .nodes()?
                .iter()
                .for_each(|id| world.host(*id).disk_held = true),
            "free-disk" => {
                for id in arguments.nodes()? {
                    world.host(id).disk_held = false;
                    world.complete_writes(id, usize::MAX)?;
                }
            }
            "persist" => {
                let count = arguments.number("count", u64::MAX)?;
                world.complete_writes(arguments.node()?, usize::try_from(count).unwrap_or(usize::MAX))?;
            }
            "persisted" => {
                let id = PersistId {
                    sequence: arguments.number("sequence", 0)?,
                    term: Term(arguments.number("term", 0)?),
                    last_index: LogIndex(0),
                    last_term: Term(0),
                };
                world.step(arguments.node()?, vec![Input::Persisted(id)])?;
            }
            "partition" => world.partition(&arguments.nodes()?),
            "cut" => drop(
                world
                    .cuts
                    .insert((arguments.key_node("from")?, arguments.key_node("to")?)),
            ),
            "heal" => world.cuts.clear(),
            "crash" => {
                for id in arguments.nodes()? {
                    world.crash(id, arguments.number("kept", 0)? as usize);
                }
            }
            "restart" => {
                for id in arguments.nodes()? {
                    world.start(id)?;
                }
            }
            "wipe" => {
                world.host(arguments.node()?).disk = Disk::default();
                world.checker.wiped(arguments.node()?);
            }
            "receive" => {
                let (from, message) = (arguments.key_node("from")?, message(&arguments)?);
                world.step(arguments.node()?, vec![Input::Receive { from, message }])?;
            }
            "timing" => {
                let of = |key| arguments.number(key, 0).map(Duration::from_millis);
                let timing = Timing {
                    election_min: of("min")?,
                    election_max: of("max")?,
                    heartbeat: of("heartbeat")?,
                };
                world.step(arguments.node()?, vec![Input::SetTiming(timing)])?;
            }
            "status" => lines.extend(world.members().into_iter().map(|id| status(world, id))),
            "log" => lines.extend(world.members().into_iter().map(|id| log(world, id))),
            "disk" => lines.extend(world.members().into_iter().map(|id| disk(world, id))),
            other => return Err(format!("no command {other}").into()),
        }
        Ok(())
    }
}

/// `cluster n=3`, or the logs the nodes begin with, by terms: `cluster 1.1.2 1.1 -`. `off=` names a rule to switch off,
/// `compact=` says after how many applied entries snapshots are taken.
fn cluster(arguments: &Arguments) -> Result<World, Box<dyn Error>> {
    let named = |name: &str| {
        Rule::ALL
            .iter()
            .find(|rule| rule.name() == name)
            .ok_or_else(|| format!("no rule {name}"))
    };
    let rules = arguments
        .key("off")
        .map(named)
        .transpose()?
        .map_or(Rules::default(), |rule| Rules::without(*rule));
    let mut disks = vec![Disk::default(); arguments.number("n", 0)? as usize];
    for word in arguments.words() {
        let log = entries(word)?;
        let term = log
            .last()
            .map_or(Term(0), |entry| entry.term)
            .max(Term(arguments.number("term", 0)?));
        disks.push(Disk {
            hard_state: HardState { term, voted_for: None },
            snapshot: None,
            log,
        });
    }
    let mut world = World::with_disks(disks, rules, arguments.number("seed", 1)?);
    world.compact_after = arguments.number("compact", u64::MAX)?;
    world.disks_at_once = true;
    for id in world.members() {
        world.start(id)?;
    }
    world.trace = Some(Vec::new());
    Ok(world)
}

fn run_out(world: &mut World, id: NodeId, leads: bool) -> Outcome {
    let role = world.role(id).ok_or("the node is down")?;
    if (role == Role::Leader) != leads {
        return Err(format!("{id} is {role}").into());
    }
    world.tick(id)?;
    Ok(())
}

fn propose(world: &mut World, id: NodeId, commands: Vec<String>) -> Outcome {
    let inputs = commands
        .into_iter()
        .map(|command| Input::Propose {
            ticket: world.ticket(&command),
            command,
        })
        .collect();
    world.step(id, inputs)?;
    Ok(())
}

/// The places of the messages under way that `from=`, `to=`, `count=` and `order=last` select.
fn select(world: &World, arguments: &Arguments) -> Result<Vec<usize>, Box<dyn Error>> {
    let matches = |key, id: NodeId| {
        arguments
            .key_node(key)
            .map_or(arguments.key(key).is_none(), |wanted| wanted == id)
    };
    let mut places: Vec<usize> = (0..world.network.len())
        .filter(|&place| matches("from", world.network[place].from) && matches("to", world.network[place].to))
        .collect();
    let count = arguments.number("count", u64::MAX)? as usize;
    if arguments.key("order") == Some("last") {
        places = places.split_off(places.len().saturating_sub(count));
    } else {
        places.truncate(count);
    }
    if places.is_empty() {
        Err("there is no such message under way".into())
    } else {
        Ok(places)
    }
}

fn deliver(world: &mut World, arguments: &Arguments) -> Outcome {
    let mut places = select(world, arguments)?;
    if arguments.key("order") == Some("last") {
        places.reverse();
    }
    for turn in 0..places.len() {
        let place = places[turn];
        let packet = &world.network[place];
        let line = format!("{}←{} {}", packet.to.0, packet.from.0, packet.message);
        if world.core(packet.to).is_some() {
            world.trace.get_or_insert_default().push(line);
        }
        world.deliver(place)?;
        places
            .iter_mut()
            .filter(|later| **later > place)
            .for_each(|later| *later -= 1);
    }
    Ok(())
}

fn status(world: &World, id: NodeId) -> String {
    let Some(core) = world.core(id) else {
        return format!("{}   crashed", id.0);
    };
    let view = core.view();
    let name = |id: Option<NodeId>| id.map_or("–".into(), |id| id.0.to_string());
    let mut line = format!(
        "{}   {:9} term {}, vote {}, leader {}, log to {}, durable {}, committed {}, applied {}",
        id.0,
        view.role.to_string(),
        view.term.0,
        name(view.voted_for),
        name(view.leader),
        view.last_index(),
        view.durable_index,
        view.commit_index,
        view.last_applied
    );
    for progress in view.progress {
        let (next, matched) = (progress.next_index, progress.match_index);
        line += &format!("; {} next {next} match {matched}", progress.id.0);
        if progress.inflight_bytes > 0 {
            line += &format!(" with {} bytes under way", progress.inflight_bytes);
        }
    }
    line
}

/// A node's log: committed entries, a bar, the rest.
fn log(world: &World, id: NodeId) -> String {
    match world.core(id) {
        Some(core) => {
            let view = core.view();
            let base = view.snapshot_index();
            let (committed, rest) = view.log.split_at((view.commit_index.0 - base.0) as usize);
            format!(
                "{}   {}{}|{}",
                id.0,
                snapshot_text(view.snapshot),
                texts(committed),
                texts(rest)
            )
        }
        None => format!("{}   crashed", id.0),
    }
}

fn disk(world: &World, id: NodeId) -> String {
    let disk = &world.hosts[&id].disk;
    let vote = disk.hard_state.voted_for.map_or("–".into(), |id| id.0.to_string());
    format!(
        "{}   term {}, vote {vote}, {}{}",
        id.0,
        disk.hard_state.term.0,
        snapshot_text(disk.snapshot.as_ref()),
        texts(disk.entries())
    )
}

fn snapshot_text(snapshot: Option<&Snapshot>) -> String {
    let place = |snapshot: &Snapshot| {
        let (index, term) = (snapshot.last_included_index, snapshot.last_included_term);
        format!("[snapshot up to {index}@{}] ", term.0)
    };
    snapshot.map_or(String::new(), place)
}

fn texts(entries: &[Entry<String>]) -> String {
    entries.iter().map(|entry| entry_text(entry) + " ").collect()
}

/// `receive 2 append from=1 term=3 prev=5@2 entries=2.3 commit=5` and its like.
fn message(arguments: &Arguments) -> Result<Message<String>, Box<dyn Error>> {
    let kind = arguments.words().nth(1).ok_or("which kind of message?")?;
    let number = |key| arguments.number(key, 0);
    let (term, read_round) = (Term(number("term")?), ReadRound(number("round")?));
    let (place, place_term) = match arguments
        .key("prev")
        .or(arguments.key("last"))
        .map(|place| place.split_once('@'))
    {
        Some(Some((index, term))) => (LogIndex(parse(index)?), Term(parse(term)?)),
        Some(None) => return Err("a place is written 5@2".into()),
        None => (LogIndex(0), Term(0)),
    };
    let reply = |outcome| {
        Message::AppendEntriesReply(AppendEntriesReply {
            term,
            outcome,
            read_round,
        })
    };
    Ok(match kind {
        "request-vote" => Message::RequestVote(RequestVote {
            term,
            last_log_index: place,
            last_log_term: place_term,
        }),
        "vote" => Message::RequestVoteReply(RequestVoteReply { term, granted: true }),
        "append" => Message::AppendEntries(AppendEntries {
            term,
            prev_log_index: place,
            prev_log_term: place_term,
            entries: entries(arguments.key("entries").unwrap_or("-"))?,
            leader_commit: LogIndex(number("commit")?),
            read_round,
        }),
        "snapshot" => Message::InstallSnapshot(InstallSnapshot {
            term,
            last_included_index: place,
            last_included_term: place_term,
            offset: number("offset")?,
            data: arguments
                .key("data")
                .unwrap_or_default()
                .replace(';', "\n")
                .into_bytes(),
            done: true,
            question: 0,
            read_round,
        }),
        "matched" => reply(AppendOutcome::Matched {
            match_index: LogIndex(number("match")?),
        }),
        "conflict" => reply(AppendOutcome::Conflict {
            prev_log_index: LogIndex(number("refused")?),
            conflict_term: None,
            conflict_index: LogIndex(number("conflict")?),
        }),
        other => return Err(format!("no kind of message {other}").into()),
    })
}

/// A log by the terms of its entries, `1.1.2`, or `-` for none. `1x2000` stands for two thousand of them.
fn entries(word: &str) -> Result<Vec<Entry<String>>, Box<dyn Error>> {
    let mut log = Vec::new();
    for part in word.split('.').filter(|part| *part != "-") {
        let (term, count) = part.split_once('x').unwrap_or((part, "1"));
        let entry = Entry {
            term: Term(parse(term)?),
            payload: Payload::Command("x".into()),
        };
        log.extend(std::iter::repeat_n(entry, parse(count)? as usize));
    }
    Ok(log)
}

fn parse(word: &str) -> Result<u64, Box<dyn Error>> {
    if word == "max" { Ok(u64::MAX) } else { Ok(word.parse()?) }
}

/// The arguments of a command.
struct Arguments<'a>(&'a [Argument]);

impl<'a> Arguments<'a> {
    fn words(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter_map(|argument| match argument {
            Argument::Positional(word) => Some(word.as_str()),
            _ => None,
        })
    }

    fn key(&self, wanted: &str) -> Option<&'a str> {
        self.0.iter().find_map(|argument| match argument {
            Argument::KeyValue(key, value) if key == wanted => Some(value.as_str()),
            _ => None,
        })
    }

    fn number(&self, key: &str, otherwise: u64) -> Result<u64, Box<dyn Error>> {
        self.key(key).map_or(Ok(otherwise), parse)
    }

    fn key_node(&self, key: &str) -> Result<NodeId, Box<dyn Error>> {
        Ok(NodeId(
            self.key(key).ok_or_else(|| format!("{key}= names a node"))?.parse()?,
        ))
    }

    /// The node that the first word names.
    fn node(&self) -> Result<NodeId, Box<dyn Error>> {
        Ok(NodeId(self.words().next().ok_or("which node?")?.parse()?))
    }

    fn nodes(&self) -> Result<Vec<NodeId>, Box<dyn Error>> {
        self.words().map(|word| Ok(NodeId(word.parse()?))).collect()
    }
}
