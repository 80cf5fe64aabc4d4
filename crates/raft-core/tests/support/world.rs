//! A world of cores: each with a disk that keeps what was made durable, joined by a network in which a message stays until
//! the test delivers or drops it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use raft_core::{
    Config, Duration, Entry, Event, HardState, Input, Instant, LogIndex, Machine, Message, NodeId, Outbox, Outcome,
    Payload, Persist, Raft, Recovered, Role, Rules, Snapshot, Ticket, Timing,
};

use super::checker::{Checker, Violation};

/// A machine that remembers all it has applied.
#[derive(Debug, Default)]
pub struct Journal {
    pub applied: Vec<(LogIndex, String)>,
}

impl Machine for Journal {
    type Command = String;
    type Output = String;

    fn apply(&mut self, index: LogIndex, command: &String) -> String {
        self.applied.push((index, command.clone()));
        format!("{} is number {}", shortened(command), self.applied.len())
    }

    fn snapshot(&self) -> Vec<u8> {
        let line = |(index, command): &(LogIndex, String)| format!("{} {command}\n", index.0);
        self.applied.iter().map(line).collect::<String>().into_bytes()
    }

    fn restored(&self, snapshot: &[u8]) -> Option<Journal> {
        let lines = std::str::from_utf8(snapshot).ok()?.lines();
        let entry = |line: &str| {
            let (index, command) = line.split_once(' ')?;
            Some((LogIndex(index.parse().ok()?), command.to_owned()))
        };
        let applied = lines.map(entry).collect::<Option<Vec<_>>>()?;
        Some(Journal { applied })
    }

    fn wire_bytes(command: &String) -> usize {
        command.len()
    }
}

/// A command as a trace shows it: long ones by their beginning and length.
pub fn shortened(command: &str) -> String {
    if command.len() <= 12 {
        command.into()
    } else {
        format!("{}…({} bytes)", &command[..4], command.len())
    }
}

pub type Core = Raft<Journal>;
pub type Out = Outbox<String, String>;

/// What survives a crash.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Disk {
    pub hard_state: HardState,
    pub snapshot: Option<Snapshot>,
    /// The whole log: what the snapshot stands for, and what the disk has behind it.
    pub log: Vec<Entry<String>>,
}

impl Disk {
    /// The part of the log that the disk has.
    pub fn entries(&self) -> &[Entry<String>] {
        let base = self
            .snapshot
            .as_ref()
            .map_or(0, |snapshot| snapshot.last_included_index.0);
        &self.log[base as usize..]
    }

    /// Carries out a write. A snapshot stands for what is committed.
    fn write(&mut self, write: Persist<String>, checker: &Checker) {
        if let Some(snapshot) = write.snapshot {
            self.log = checker.committed_to(snapshot.last_included_index);
            self.snapshot = Some(snapshot);
        }
        if let Some(hard_state) = write.hard_state {
            self.hard_state = hard_state;
        }
        if let Some(from) = write.truncate_from {
            self.log.truncate(from.0 as usize - 1);
        }
        self.log.extend(write.append);
        assert_eq!(
            self.log.len() as u64,
            write.id.last_index.0,
            "a write names where the log ends"
        );
    }
}

/// One node: a core while it is up, a disk always.
#[derive(Debug)]
pub struct Host {
    pub core: Option<Core>,
    pub disk: Disk,
    /// Writes asked for and not done, oldest first.
    pub writes: VecDeque<Persist<String>>,
    /// Whether writes wait for the test to complete them.
    pub disk_held: bool,
    pub now: Instant,
    pub boots: u64,
}

/// A message on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Packet {
    pub from: NodeId,
    pub to: NodeId,
    pub message: Message<String>,
}

#[derive(Debug)]
pub struct World {
    pub hosts: BTreeMap<NodeId, Host>,
    pub network: VecDeque<Packet>,
    /// Directions in which nothing gets through.
    pub cuts: BTreeSet<(NodeId, NodeId)>,
    pub checker: Checker,
    pub rules: Rules,
    pub compact_after: u64,
    pub timing: Timing,
    pub seed: u64,
    pub tickets: u64,
    /// Names of requests, for traces.
    pub names: BTreeMap<Ticket, String>,
    /// Whether disks that are not held complete each write as soon as it is asked for.
    pub disks_at_once: bool,
    /// What happened since someone looked, a line each, if someone wants to look.
    pub trace: Option<Vec<String>>,
    members: Vec<NodeId>,
}

impl World {
    pub fn new(size: u8, rules: Rules, seed: u64) -> World {
        World::with_disks((0..size).map(|_| Disk::default()).collect(), rules, seed)
    }

    /// A world whose nodes begin with these disks, all down.
    pub fn with_disks(disks: Vec<Disk>, rules: Rules, seed: u64) -> World {
        let members: Vec<NodeId> = (1..=disks.len() as u8).map(NodeId).collect();
        let host = |disk| Host {
            core: None,
            disk,
            writes: VecDeque::new(),
            disk_held: false,
            now: Instant(0),
            boots: 0,
        };
        World {
            hosts: members.iter().copied().zip(disks.into_iter().map(host)).collect(),
            network: VecDeque::new(),
            cuts: BTreeSet::new(),
            checker: Checker::new(members.len()),
            rules,
            compact_after: u64::MAX,
            timing: Timing::default(),
            seed,
            tickets: 0,
            names: BTreeMap::new(),
            disks_at_once: false,
            trace: None,
            members,
        }
    }

    pub fn members(&self) -> Vec<NodeId> {
        self.members.clone()
    }

    pub fn core(&self, id: NodeId) -> Option<&Core> {
        self.hosts[&id].core.as_ref()
    }

    pub fn host(&mut self, id: NodeId) -> &mut Host {
        self.hosts.get_mut(&id).expect("a member")
    }

    pub fn role(&self, id: NodeId) -> Option<Role> {
        self.core(id).map(|core| core.view().role)
    }

    /// The nodes that believe that they lead.
    pub fn leaders(&self) -> Vec<NodeId> {
        self.members()
            .into_iter()
            .filter(|&id| self.role(id) == Some(Role::Leader))
            .collect()
    }

    pub fn start(&mut self, id: NodeId) -> Result<Out, Violation> {
        let mut out = Out::default();
        let host = self.hosts.get_mut(&id).expect("a member");
        host.boots += 1;
        host.writes.clear();
        let config = Config {
            id,
            members: self.members.clone(),
            timing: self.timing,
            seed: self.seed ^ (u64::from(id.0) << 32) ^ host.boots,
            rules: self.rules,
            compact_after: self.compact_after,
        };
        let recovered = Recovered {
            hard_state: host.disk.hard_state,
            snapshot: host.disk.snapshot.clone(),
            log: host.disk.entries().to_vec(),
        };
        let core = Raft::boot(config, recovered, Journal::default(), host.now, &mut out);
        host.core = Some(core.expect("a disk that a core has written boots"));
        self.checker.booted(id);
        self.tell(id, &out);
        self.check(id, &out)?;
        Ok(out)
    }

    /// A crash: what was not durable is gone, but for the first `kept` of the writes under way.
    pub fn crash(&mut self, id: NodeId, kept: usize) {
        let host = self.hosts.get_mut(&id).expect("a member");
        host.core = None;
        for write in std::mem::take(&mut host.writes).into_iter().take(kept) {
            host.disk.write(write, &self.checker);
        }
    }

    /// Gives a node its inputs, all in one run, at its own time.
    pub fn step(&mut self, id: NodeId, inputs: Vec<Input<String>>) -> Result<Out, Violation> {
        let mut out = Out::default();
        let host = self.hosts.get_mut(&id).expect("a member");
        let Some(core) = &mut host.core else { return Ok(out) };
        for input in inputs {
            core.take(host.now, input, &mut out);
        }
        core.flush(&mut out);
        assert!(out.persist.len() <= 1, "at most one write for a run of inputs");
        let at_once = self.disks_at_once && !host.disk_held;
        host.writes.extend(out.persist.iter().cloned());
        self.tell(id, &out);
        for (to, message) in out.messages.iter().cloned() {
            self.checker.sent(id, to, &message)?;
            if !self.cuts.contains(&(id, to)) {
                self.network.push_back(Packet { from: id, to, message });
            }
        }
        self.check(id, &out)?;
        if at_once {
            self.complete_writes(id, usize::MAX)?;
        }
        Ok(out)
    }

    /// Delivers the message at `place`, unless its way has been cut or its receiver is down.
    pub fn deliver(&mut self, place: usize) -> Result<Out, Violation> {
        let Some(packet) = self.network.remove(place) else {
            return Ok(Out::default());
        };
        if self.cuts.contains(&(packet.from, packet.to)) || self.core(packet.to).is_none() {
            let Packet { from, to, message } = packet;
            self.note(|| format!("{}×{} {message}", from.0, to.0));
            return Ok(Out::default());
        }
        self.step(
            packet.to,
            vec![Input::Receive {
                from: packet.from,
                message: packet.message,
            }],
        )
    }

    /// Completes the oldest `count` writes of a node; it hears of the last of them.
    pub fn complete_writes(&mut self, id: NodeId, count: usize) -> Result<Out, Violation> {
        let host = self.hosts.get_mut(&id).expect("a member");
        let mut last = None;
        for _ in 0..count.min(host.writes.len()) {
            let Some(write) = host.writes.pop_front() else { break };
            last = Some(write.id);
            host.disk.write(write, &self.checker);
        }
        match last {
            Some(write) => self.step(id, vec![Input::Persisted(write)]),
            None => Ok(Out::default()),
        }
    }

    /// Lets a node's timer run out: its clock moves to the deadline.
    pub fn tick(&mut self, id: NodeId) -> Result<Out, Violation> {
        let host = self.hosts.get_mut(&id).expect("a member");
        if let Some(core) = &host.core {
            host.now = host.now.max(core.deadline());
        }
        self.step(id, vec![Input::Tick])
    }

    pub fn ticket(&mut self, name: impl Into<String>) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.names.insert(ticket, name.into());
        ticket
    }

    /// Cuts every direction between a node of `group` and a node outside it.
    pub fn partition(&mut self, group: &[NodeId]) {
        for a in self.members() {
            for b in self.members() {
                if group.contains(&a) != group.contains(&b) {
                    self.cuts.insert((a, b));
                }
            }
        }
    }

    /// Runs fairly, with nothing lost and no disk late, until nothing moves or `rounds_max` is reached. Time stands still.
    pub fn settle(&mut self, rounds_max: usize) -> Result<(), Violation> {
        for _ in 0..rounds_max {
            let mut moved = false;
            for _ in 0..self.network.len() {
                moved = true;
                self.deliver(0)?;
            }
            for id in self.members() {
                let host = &self.hosts[&id];
                if !host.writes.is_empty() && !host.disk_held {
                    moved = true;
                    let count = self.hosts[&id].writes.len();
                    self.complete_writes(id, count)?;
                }
                if self.core(id).is_some_and(|core| core.deadline() <= self.hosts[&id].now) {
                    moved = true;
                    self.step(id, vec![Input::Tick])?;
                }
            }
            if !moved {
                break;
            }
        }
        Ok(())
    }

    /// Runs fairly for a while of virtual time that all nodes share.
    pub fn run(&mut self, span: Duration) -> Result<(), Violation> {
        let begin = self.hosts.values().map(|host| host.now).max().unwrap_or_default();
        self.hosts.values_mut().for_each(|host| host.now = begin);
        let end = begin + span;
        loop {
            self.settle(1000)?;
            let due = |host: &Host| host.core.as_ref().map(|core| core.deadline());
            let Some(next) = self.hosts.values().filter_map(due).min().filter(|&next| next <= end) else {
                break;
            };
            for id in self.members() {
                let host = self.hosts.get_mut(&id).expect("a member");
                host.now = host.now.max(next);
                if due(host).is_some_and(|deadline| deadline <= host.now) {
                    self.step(id, vec![Input::Tick])?;
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(line());
        }
    }

    /// Adds to the trace what came of a step.
    fn tell(&mut self, id: NodeId, out: &Out) {
        let Some(mut trace) = self.trace.take() else { return };
        let waits = !self.disks_at_once || self.hosts[&id].disk_held;
        let told = out.events.iter().filter(|event| match event {
            Event::ElectionTimerSet { .. } | Event::PersistRequested { .. } => false,
            Event::PersistCompleted { .. } => waits,
            _ => true,
        });
        trace.extend(told.map(|event| format!("{}   {event}", id.0)));
        for (ticket, outcome) in &out.outcomes {
            trace.push(format!(
                "{}   answers {}: {outcome}",
                id.0,
                shortened(&self.names[ticket])
            ));
        }
        for write in &out.persist {
            let when = if waits { "begins to write" } else { "writes" };
            trace.push(format!("{}   {when} {}", id.0, write_text(write)));
        }
        let mut messages = out.messages.iter().peekable();
        while let Some((to, message)) = messages.next() {
            let text = message.to_string();
            let arrow = |to: &NodeId| if self.cuts.contains(&(id, *to)) { "×" } else { "→" };
            let mut line = format!("{}{}{}", id.0, arrow(to), to.0);
            let alike = |next: &&(NodeId, Message<String>)| arrow(&next.0) == arrow(to) && next.1.to_string() == text;
            while let Some((also, _)) = messages.next_if(alike) {
                line += &format!(",{}", also.0);
            }
            trace.push(format!("{line} {text}"));
        }
        self.trace = Some(trace);
    }

    fn check(&mut self, id: NodeId, out: &Out) -> Result<(), Violation> {
        for (ticket, outcome) in &out.outcomes {
            if let Outcome::ReadReady { applied } = outcome {
                self.checker.read_answered(*ticket, *applied)?;
            }
        }
        self.checker.look(id, &self.hosts)
    }
}

/// What a write does, as a trace shows it.
fn write_text(write: &Persist<String>) -> String {
    let mut parts = Vec::new();
    if let Some(snapshot) = &write.snapshot {
        let (index, term) = (snapshot.last_included_index, snapshot.last_included_term);
        parts.push(format!("the snapshot up to {index}@{}", term.0));
    }
    if let Some(HardState { term, voted_for }) = write.hard_state {
        let vote = voted_for.map_or("no vote".into(), |id| format!("vote for {id}"));
        parts.push(format!("{term}, {vote}"));
    }
    if let Some(from) = write.truncate_from {
        parts.push(format!("drop from {from}"));
    }
    if !write.append.is_empty() {
        let first = write.id.last_index.0 + 1 - write.append.len() as u64;
        parts.push(format!("entries {first} to {}", write.id.last_index));
    }
    format!("#{}: {}", write.id.sequence, parts.join("; "))
}

/// An entry as a trace shows it: its term and what it holds.
pub fn entry_text(entry: &Entry<String>) -> String {
    match &entry.payload {
        Payload::NoOp => format!("{}:–", entry.term.0),
        Payload::Command(command) => format!("{}:{}", entry.term.0, shortened(command)),
    }
}
