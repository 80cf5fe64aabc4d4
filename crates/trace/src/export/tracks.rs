//! A run on tracks, as viewers of traces show it: slices, marks, and arrows between them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use cluster::host::{Fact, MessageId, MessageSummary};
use netem::Fate;
use raft_core::{Event, Instant, NodeId};

use super::Exporter;
use super::on_the_way::{Missed, OnTheWay, arrived};
use crate::{CallNumber, Happening, What};

/// How wide a message is on the track of its sender and on that of its receiver, in microseconds.
pub const MESSAGE_US: u64 = 1;

/// How many things of one kind may be under way at once.
pub const LANES_MAX: u16 = 10_000;

/// A line in a viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Track {
    /// What a node is, and what it decided.
    Node(NodeId),
    /// The messages that a node sends and takes.
    Messages(NodeId),
    /// The messages that a node should have taken.
    Missed(NodeId),
    /// What a client asks. Its second lane is for what it asks while the first is taken.
    Client {
        /// The client.
        client: u16,
        /// Counts from 0.
        lane: u16,
    },
    /// Faults. Those that are there at the same time have lanes of their own.
    Fault {
        /// Counts from 0.
        lane: u16,
    },
}

impl Track {
    /// What a viewer shows beside it.
    pub fn name(self) -> String {
        match self {
            Track::Node(node) => node.to_string(),
            Track::Messages(node) => format!("{node}, messages"),
            Track::Missed(node) => format!("{node}, messages not taken"),
            Track::Client { client, lane: 0 } => format!("Client {client}"),
            Track::Client { client, lane } => format!("Client {client} ({})", lane + 1),
            Track::Fault { lane } => format!("Faults {}", lane + 1),
        }
    }

    /// What its slices and marks are about, in a word.
    pub fn category(self) -> &'static str {
        match self {
            Track::Node(_) => "node",
            Track::Messages(_) | Track::Missed(_) => "message",
            Track::Client { .. } => "client",
            Track::Fault { .. } => "fault",
        }
    }

    /// The group that it stands in.
    pub fn group(self) -> Group {
        match self {
            Track::Node(_) | Track::Messages(_) | Track::Missed(_) => Group::Nodes,
            Track::Client { .. } => Group::Clients,
            Track::Fault { .. } => Group::Faults,
        }
    }
}

/// Tracks come in groups; viewers call one a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// The cluster's nodes.
    Nodes,
    /// Its clients.
    Clients,
    /// What befalls it.
    Faults,
}

impl Group {
    /// What a viewer shows beside it.
    pub fn name(self) -> &'static str {
        match self {
            Group::Nodes => "Cluster",
            Group::Clients => "Clients",
            Group::Faults => "Faults",
        }
    }
}

/// A message at one of its ends: a slice of [`MESSAGE_US`].
#[derive(Debug)]
pub struct End<'a> {
    /// Where.
    pub track: Track,
    /// When the slice begins. Slices of one track do not overlap: of several messages at one instant, each begins a little later.
    pub at: Instant,
    /// What it says, and what became of it.
    pub name: &'a str,
    /// The arrows that leave here: one for each copy that is to arrive.
    pub leaves: &'a [u64],
    /// The arrow that ends here.
    pub ends: Option<u64>,
    /// More about it, by name.
    pub notes: &'a [(&'static str, String)],
}

/// Writes tracks. They are used in the order of time, each for itself; a slice ends before the next of its track begins.
pub trait TrackWriter {
    /// A track is used for the first time.
    ///
    /// # Errors
    /// The output's.
    fn name(&mut self, track: Track) -> io::Result<()>;

    /// A slice begins.
    ///
    /// # Errors
    /// The output's.
    fn begin(&mut self, track: Track, at: Instant, name: &str) -> io::Result<()>;

    /// The slice of a track ends. `note` says more about it, if it is not empty.
    ///
    /// # Errors
    /// The output's.
    fn end(&mut self, track: Track, at: Instant, note: (&'static str, &str)) -> io::Result<()>;

    /// Something that takes no time.
    ///
    /// # Errors
    /// The output's.
    fn mark(&mut self, track: Track, at: Instant, name: &str, note: (&'static str, &str)) -> io::Result<()>;

    /// Something that takes no time and concerns all.
    ///
    /// # Errors
    /// The output's.
    fn mark_all(&mut self, at: Instant, name: &str) -> io::Result<()>;

    /// A message leaves or arrives.
    ///
    /// # Errors
    /// The output's.
    fn message(&mut self, end: &End<'_>) -> io::Result<()>;

    /// Nothing more comes.
    ///
    /// # Errors
    /// The output's.
    fn finish(&mut self) -> io::Result<()>;
}

/// Puts a run on tracks: a node's roles are slices with its decisions as marks in them, its messages are slices with arrows between them,
/// clients' operations and faults are slices.
///
/// Every arrow has both ends. A message that its link loses is a slice without an arrow, which says so; one that nobody takes ends on a
/// track of its own.
#[derive(Debug)]
pub struct Tracks<T> {
    writer: T,
    named: BTreeSet<Track>,
    roles: BTreeSet<NodeId>,
    on_the_way: OnTheWay<Flight>,
    arrows: u64,
    /// Where the next message of a track has room.
    free_from: BTreeMap<Track, Instant>,
    calls: BTreeMap<CallNumber, Track>,
    faults: BTreeMap<usize, Track>,
    /// The lanes of clients and of faults in which something is under way.
    taken: BTreeSet<Track>,
    last: Instant,
}

/// What is remembered of a message on its way.
#[derive(Clone, Debug)]
struct Flight {
    summary: MessageSummary,
    /// When its slice at its sender ends.
    left: Instant,
    /// The arrows whose ends are to come.
    arrows: Vec<u64>,
}

const NO_NOTE: (&str, &str) = ("", "");

impl<T: TrackWriter> Tracks<T> {
    /// Writes by `writer`.
    pub fn new(writer: T) -> Tracks<T> {
        Tracks {
            writer,
            named: BTreeSet::new(),
            roles: BTreeSet::new(),
            on_the_way: OnTheWay::new(),
            arrows: 0,
            free_from: BTreeMap::new(),
            calls: BTreeMap::new(),
            faults: BTreeMap::new(),
            taken: BTreeSet::new(),
            last: Instant(0),
        }
    }

    /// Names a track, the first time that it is used.
    fn name(&mut self, track: Track) -> io::Result<Track> {
        if self.named.insert(track) {
            self.writer.name(track)?;
        }
        Ok(track)
    }

    fn mark(&mut self, node: NodeId, at: Instant, name: &str, note: (&'static str, &str)) -> io::Result<()> {
        let track = self.name(Track::Node(node))?;
        self.writer.mark(track, at, name, note)
    }

    /// A node plays another role from now on, or none.
    fn role(&mut self, node: NodeId, at: Instant, role: Option<String>) -> io::Result<()> {
        let track = self.name(Track::Node(node))?;
        if self.roles.remove(&node) {
            self.writer.end(track, at, NO_NOTE)?;
        }
        if let Some(role) = role {
            self.roles.insert(node);
            self.writer.begin(track, at, &role)?;
        }
        Ok(())
    }

    fn told(&mut self, at: Instant, node: NodeId, fact: &Fact) -> io::Result<()> {
        match fact {
            Fact::Raft(event) => {
                let role = match event {
                    Event::BecameFollower { term, .. } => Some(format!("follower, {term}")),
                    Event::BecameCandidate { term } => Some(format!("candidate, {term}")),
                    Event::BecameLeader { term, .. } => Some(format!("leader, {term}")),
                    _ => None,
                };
                if role.is_some() {
                    self.role(node, at, role)?;
                }
                self.mark(node, at, &event.to_string(), ("paper", event.paper()))
            }
            Fact::Sent {
                message,
                to,
                summary,
                fate,
            } => self.sent(at, *message, *to, *summary, *fate),
            fact => match arrived(fact) {
                Some(message) => self.arrived(at, node, message, fact),
                None => {
                    if let Fact::Altered { message, surgery } = fact {
                        self.on_the_way.alter(*message, *surgery, at);
                    }
                    self.mark(node, at, &fact.to_string(), NO_NOTE)
                }
            },
        }
    }

    fn sent(
        &mut self,
        at: Instant,
        message: MessageId,
        to: NodeId,
        summary: MessageSummary,
        fate: Fate,
    ) -> io::Result<()> {
        let (copies, became) = match fate {
            Fate::Arrives { again_at_us: None, .. } => (1, ""),
            Fate::Arrives { .. } => (2, "arrives twice: "),
            Fate::Lost => (0, "lost on the way: "),
            Fate::Cut => (0, "kept back by a cut: "),
        };
        let arrows: Vec<u64> = (1..=copies).map(|copy| self.arrows + copy).collect();
        self.arrows += copies;
        let name = format!("{became}{summary}");
        let mut notes = vec![
            ("message", name_of(message)),
            ("to", to.to_string()),
            ("sent_at_us", at.0.to_string()),
        ];
        match fate {
            Fate::Arrives { at_us, .. } => notes.push(("arrives_at_us", at_us.to_string())),
            Fate::Lost => notes.push(("fate", "lost".to_owned())),
            Fate::Cut => notes.push(("fate", "cut".to_owned())),
        }
        let left = self.message(Track::Messages(message.from), at, &name, (&arrows, None), &notes)?;
        let flight = Flight { summary, left, arrows };
        self.on_the_way.send(message, to, fate, flight);
        while let Some(missed) = self.on_the_way.trim(at) {
            self.missed(&missed)?;
        }
        Ok(())
    }

    fn arrived(&mut self, at: Instant, node: NodeId, message: MessageId, fact: &Fact) -> io::Result<()> {
        let arrow = self
            .on_the_way
            .carried(message)
            .and_then(|flight| (!flight.arrows.is_empty()).then(|| flight.arrows.remove(0)));
        let flight = self.on_the_way.arrive(message);
        let mut name = match fact {
            Fact::Dropped { why, .. } => format!("dropped, {why}: "),
            _ => String::new(),
        };
        match &flight {
            Some(flight) => name += &flight.summary.to_string(),
            None => name += "a message of long ago, which is not told again, or of before this begins",
        }
        let notes = [
            ("message", name_of(message)),
            ("from", message.from.to_string()),
            ("taken_at_us", at.0.to_string()),
        ];
        // An arrow that points back in time would be drawn the other way round.
        let not_before = flight.map_or(at, |flight| flight.left.max(at));
        self.message(Track::Messages(node), not_before, &name, (&[], arrow), &notes)?;
        Ok(())
    }

    /// Nobody takes this message any more.
    fn missed(&mut self, missed: &Missed<Flight>) -> io::Result<()> {
        let Flight { summary, left, arrows } = &missed.carried;
        let name = format!("not taken: {summary}");
        let notes = [
            ("message", name_of(missed.message)),
            ("from", missed.message.from.to_string()),
            ("fate", "not taken".to_owned()),
        ];
        for arrow in arrows {
            let at = missed.arrives.min(self.last).max(*left);
            self.message(Track::Missed(missed.to), at, &name, (&[], Some(*arrow)), &notes)?;
        }
        Ok(())
    }

    /// One end of a message, where its track has room. Says where it ends.
    fn message(
        &mut self,
        track: Track,
        at: Instant,
        name: &str,
        (leaves, ends): (&[u64], Option<u64>),
        notes: &[(&'static str, String)],
    ) -> io::Result<Instant> {
        self.name(track)?;
        let free_from = self.free_from.entry(track).or_insert(at);
        let at = at.max(*free_from);
        *free_from = Instant(at.0 + MESSAGE_US);
        let end = End {
            track,
            at,
            name,
            leaves,
            ends,
            notes,
        };
        self.writer.message(&end)?;
        Ok(Instant(at.0 + MESSAGE_US))
    }

    /// Begins a slice in the first free lane.
    fn take_lane(&mut self, at: Instant, lane: impl Fn(u16) -> Track, name: &str) -> io::Result<Track> {
        let free = (0..LANES_MAX).map(lane).find(|track| !self.taken.contains(track));
        let track = free.ok_or_else(|| io::Error::other("more is under way at once than there are lanes"))?;
        self.taken.insert(track);
        self.name(track)?;
        self.writer.begin(track, at, name)?;
        Ok(track)
    }

    fn leave_lane(&mut self, track: Track, at: Instant, note: (&'static str, &str)) -> io::Result<()> {
        self.taken.remove(&track);
        self.writer.end(track, at, note)
    }

    /// An operation is over, or the run is.
    fn call(&mut self, call: CallNumber, until: Instant, answer: &str) -> io::Result<()> {
        match self.calls.remove(&call) {
            Some(track) => self.leave_lane(track, until, ("answer", answer)),
            None => Ok(()),
        }
    }

    fn fault(&mut self, fault: usize, until: Instant) -> io::Result<()> {
        match self.faults.remove(&fault) {
            Some(track) => self.leave_lane(track, until, NO_NOTE),
            None => Ok(()),
        }
    }

    fn crashed(&mut self, at: Instant, node: NodeId, what: &What) -> io::Result<()> {
        self.role(node, at, None)?;
        self.mark(node, at, &what.to_string(), NO_NOTE)?;
        for missed in self.on_the_way.crash(node, at) {
            self.missed(&missed)?;
        }
        Ok(())
    }
}

impl<T: TrackWriter> Exporter for Tracks<T> {
    fn take(&mut self, happening: &Happening) -> io::Result<()> {
        let at = happening.at;
        self.last = self.last.max(at);
        match &happening.what {
            What::Told { node, fact } => self.told(at, *node, fact),
            What::Started {
                node, recovery, role, ..
            } => {
                self.mark(*node, at, &happening.what.to_string(), NO_NOTE)?;
                self.role(*node, at, Some(format!("{role}, {}", recovery.hard_state.term)))
            }
            What::Crashed { node } | What::Lost { node } => self.crashed(at, *node, &happening.what),
            What::FaultBegan { fault, text } => {
                self.fault(*fault, at)?;
                let track = self.take_lane(at, |lane| Track::Fault { lane }, text)?;
                self.faults.insert(*fault, track);
                Ok(())
            }
            What::FaultEnded { fault } => self.fault(*fault, at),
            What::Invoked {
                client,
                call,
                operation,
            } => {
                self.call(*call, at, "none")?;
                let client = *client;
                let track = self.take_lane(at, |lane| Track::Client { client, lane }, &operation.to_string())?;
                self.calls.insert(*call, track);
                Ok(())
            }
            What::Returned { call, result, .. } => {
                let answer = match result {
                    Ok(answer) => answer.to_string(),
                    Err(error) => error.to_string(),
                };
                self.call(*call, at, &answer)
            }
            What::GaveUp { call, .. } => self.call(*call, at, "none: it may have happened, or may yet"),
            What::Violated { text } => self.writer.mark_all(at, text),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        let end = self.last;
        for missed in self.on_the_way.drain() {
            self.missed(&missed)?;
        }
        while let Some(node) = self.roles.first().copied() {
            self.role(node, end, None)?;
        }
        while let Some(call) = self.calls.keys().next().copied() {
            self.call(call, end, "none yet")?;
        }
        while let Some(fault) = self.faults.keys().next().copied() {
            self.fault(fault, end)?;
        }
        self.writer.finish()
    }
}

/// A message's name: its sender, the sender's boot, and its number.
fn name_of(message: MessageId) -> String {
    format!("{}-{}-{}", message.from.0, message.boot, message.number)
}
