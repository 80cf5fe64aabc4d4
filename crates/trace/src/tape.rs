//! What went into every node of a run, kept so that the run can be looked at as it was at any instant.
//!
//! A node is a function of its inputs, so the tape keeps inputs: of each life of each node its beginning and the pieces that its
//! host sent since. It carries them out itself, which gives all that the nodes told, and writes down the whole state of
//! a node now and then. Any instant is such a state, and at most a second of inputs after it.
//!
//! What is kept has a limit. When it is reached, the oldest is let go.
//!
//! *Architecture Invariant:* a tape decides nothing. It gives nodes what they were given, in an order in which no message is taken
//! before it was sent.

mod life;
mod store;
mod telling;

use cluster::codec::{self, DecodeError};
use cluster::host::{Fact, Recovery};
use cluster::node::{BootError, Node, NodeInput, WriteId};
use cluster::record::Step;
pub use cluster::record::{Durability, Origin, Piece, Told};
use raft_core::{Duration, Instant, NodeId};
use std::fmt;
pub use telling::Telling;

use crate::cut_from;

use self::life::Life;
use self::store::Store;

/// How much a tape keeps unless it is told otherwise, in bytes.
pub const TAPE_BYTES_MAX: usize = 192 * 1024 * 1024;

/// How many bytes of a node wait at most for what they follow from. Beyond it they are taken as they are: what they wait for was
/// lost with the node that said it.
const WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How long a member that runs says nothing before it is not waited for. Elections are sooner, and heartbeats much sooner.
const SILENT_FOR: Duration = Duration::from_millis(2_000);

/// Why a life cannot be begun.
#[derive(Debug)]
pub enum BeginError {
    /// The node refused to boot.
    Boot(BootError),
    /// The state is none.
    State(DecodeError),
}

impl fmt::Display for BeginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BeginError::Boot(why) => write!(f, "it refused to boot: {why}"),
            BeginError::State(why) => write!(f, "its state cannot be read: {why}"),
        }
    }
}

impl std::error::Error for BeginError {}

/// The lives of all members.
#[derive(Debug)]
pub struct Tape {
    seats: Vec<Seat>,
    store: Store,
    bytes_max: usize,
    /// Before this, nothing can be looked at any more.
    kept_from: Instant,
    reached: Instant,
    /// Whether a member of which nothing has been told is taken for one that does not run.
    has_opened: bool,
}

#[derive(Debug)]
struct Seat {
    id: NodeId,
    lives: Vec<Life>,
    /// The first of them that is not over.
    current: usize,
}

/// Something that was carried out.
#[derive(Debug)]
pub struct Turn {
    /// The member.
    pub node: NodeId,
    /// When, in its own time.
    pub at: Instant,
    /// What.
    pub what: TurnKind,
}

/// What was carried out.
#[derive(Debug)]
pub enum TurnKind {
    /// A life has begun.
    Began {
        /// Counts the member's boots.
        boot: u32,
        /// What it found on its disk; none for one that goes on from a state.
        recovery: Option<Recovery>,
        /// What became of what its earlier boots had promised.
        durability: Durability,
    },
    /// A flush is done: what it wrote is durable.
    Synced(WriteId),
    /// The node has taken an input, or flushed what came of those before.
    Stepped {
        /// Whether it has flushed.
        flushed: bool,
        /// The write that it has asked for.
        wrote: Option<WriteId>,
    },
    /// The life is over.
    Ended,
}

/// The nodes at one instant.
#[derive(Debug)]
pub struct Moment {
    /// The instant.
    pub at: Instant,
    /// Each member's node, if it ran.
    pub nodes: Vec<(NodeId, Option<Node>)>,
}

impl Moment {
    /// To whom the direction of the link from a member is cut; `last` is what it was when it ran last (see [`cut_from`]).
    pub fn cut_from(&self, id: NodeId, last: Option<&Node>) -> Vec<NodeId> {
        let runs = |id| self.nodes.iter().find(|(of, _)| *of == id)?.1.as_ref();
        cut_from(id, self.nodes.iter().map(|(id, _)| *id), runs, last)
    }
}

impl Tape {
    /// A tape on which nothing is.
    pub fn new(members: &[NodeId], bytes_max: usize) -> Tape {
        Tape::with(members, bytes_max, true)
    }

    /// A tape that keeps nothing: what it is told is carried out, and forgotten. For whoever wants to see once more what happened.
    pub fn passing(members: &[NodeId]) -> Tape {
        Tape::with(members, usize::MAX, false)
    }

    fn with(members: &[NodeId], bytes_max: usize, keeps: bool) -> Tape {
        Tape {
            seats: members
                .iter()
                .map(|&id| Seat {
                    id,
                    lives: Vec::new(),
                    current: 0,
                })
                .collect(),
            store: Store::new(keeps),
            bytes_max,
            kept_from: Instant(0),
            reached: Instant(0),
            has_opened: false,
        }
    }

    /// The members.
    pub fn members(&self) -> impl Iterator<Item = NodeId> {
        self.seats.iter().map(|seat| seat.id)
    }

    /// A life begins. It is carried out when its turn comes ([`Tape::turn`]).
    ///
    /// # Errors
    /// The node refuses, or the state is none: nothing is kept then.
    pub fn begin(&mut self, id: NodeId, boot: u32, origin: Origin, at: Instant) -> Result<(), BeginError> {
        let life = Life::begin(boot, origin, at, &mut self.store)?;
        if let Some(seat) = self.seats.iter_mut().find(|seat| seat.id == id) {
            if let Some(last) = seat.lives.last_mut() {
                last.end(at);
            }
            seat.lives.push(life);
        }
        Ok(())
    }

    /// The member's latest life was told this.
    pub fn append(&mut self, id: NodeId, boot: u32, steps: Vec<Step>) {
        let bytes = codec::encode(&steps);
        self.append_read(id, boot, steps, bytes);
    }

    /// The same, where the steps were read from these bytes.
    fn append_read(&mut self, id: NodeId, boot: u32, steps: Vec<Step>, bytes: Vec<u8>) {
        let seat = self.seats.iter_mut().find(|seat| seat.id == id);
        let life = seat.and_then(|seat| seat.lives.iter_mut().rev().find(|life| life.boot() == boot));
        if let Some(life) = life {
            life.append(steps, bytes, &mut self.store);
        }
        self.forget();
    }

    /// What a node's host said, as the bytes of a [`Piece`].
    ///
    /// # Errors
    /// As [`Tape::begin`]; or the bytes spell none.
    pub fn read(&mut self, id: NodeId, boot: u32, bytes: &[u8]) -> Result<(), BeginError> {
        // The version, and which variant it is: the rest are the steps as they are kept.
        const HEAD_BYTES: usize = 2;
        match codec::decode(bytes).map_err(BeginError::State)? {
            Piece::Steps(steps) => {
                let kept = [&bytes[..1], bytes.get(HEAD_BYTES..).unwrap_or_default()].concat();
                self.append_read(id, boot, steps, kept);
                Ok(())
            }
            piece => self.take(id, boot, piece),
        }
    }

    /// What a node's host said.
    ///
    /// # Errors
    /// As [`Tape::begin`].
    pub fn take(&mut self, id: NodeId, boot: u32, piece: Piece) -> Result<(), BeginError> {
        match piece {
            Piece::Began { origin, at } => return self.begin(id, boot, origin, at),
            Piece::Steps(steps) => self.append(id, boot, steps),
            Piece::Ended { at } => self.end(id, boot, at),
        }
        Ok(())
    }

    /// The life is over.
    pub fn end(&mut self, id: NodeId, boot: u32, at: Instant) {
        if let Some(life) = self.life_mut(id, boot) {
            life.end(at);
        }
    }

    /// Carries out what comes next, if it is there: of all members the one that is furthest behind and has taken no message that is
    /// not sent yet. [`Tape::node`] is its node then, and `facts` is what it told.
    pub fn turn(&mut self, facts: &mut Vec<(Instant, Fact)>) -> Option<Turn> {
        facts.clear();
        let mut next: Option<(Instant, usize)> = None;
        for (place, seat) in self.seats.iter().enumerate() {
            let Some(at) = seat.current().and_then(Life::next_at) else {
                continue;
            };
            if next.is_none_or(|(earliest, _)| at < earliest) && !self.is_ahead(seat) {
                next = Some((at, place));
            }
        }
        let (at, place) = next?;
        let seat = &mut self.seats[place];
        let life = seat.lives.get_mut(seat.current)?;
        let what = life.turn(&mut self.store, facts);
        seat.current += usize::from(life.is_over());
        self.reached = self.reached.max(at);
        Some(Turn {
            node: seat.id,
            at,
            what,
        })
    }

    /// Lets every member whose life has been told of begin, whenever that was. Nobody waits for the others: they may never start.
    pub fn open(&mut self, facts: &mut Vec<(Instant, Fact)>) -> Vec<Turn> {
        let mut turns = Vec::new();
        self.has_opened = true;
        for seat in &mut self.seats {
            let Some(life) = seat.lives.get_mut(seat.current).filter(|life| !life.has_begun()) else {
                continue;
            };
            let at = life.started();
            let what = life.turn(&mut self.store, facts);
            self.reached = self.reached.max(at);
            turns.push(Turn {
                node: seat.id,
                at,
                what,
            });
        }
        turns
    }

    /// Whether every member has been told of.
    pub fn is_complete(&self) -> bool {
        self.seats.iter().all(|seat| !seat.lives.is_empty())
    }

    /// Whether the next that a member takes is a message that its sender has yet to send.
    fn is_ahead(&self, seat: &Seat) -> bool {
        let Some(life) = seat.current() else { return false };
        let Some(message) = life.next_message() else {
            return false;
        };
        let Some(sender) = self.seats.iter().find(|seat| seat.id == message.from) else {
            return false;
        };
        if life.waiting_bytes() > WAITING_BYTES_MAX {
            return false;
        }
        match sender.lives.iter().find(|life| life.boot() == message.boot) {
            // What a life that is over had still to say was lost with it, if it is not here.
            Some(sender) => sender.messages_sent() < message.number && !sender.is_over(),
            // Of a part of a run, a member that was down all the while is missing, and its old messages still arrive.
            None => match sender.lives.last() {
                Some(last) => last.boot() < message.boot,
                None => !self.has_opened,
            },
        }
    }

    /// The member's node as it is after the last turn, if it runs.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        let seat = self.seats.iter().find(|seat| seat.id == id)?;
        seat.lives.iter().rev().find_map(Life::head)
    }

    /// How many lives have begun and are not carried out to their ends.
    pub fn lives_under_way(&self) -> usize {
        self.seats.iter().map(|seat| seat.lives.len() - seat.current).sum()
    }

    /// The latest instant that was carried out.
    pub fn reached(&self) -> Instant {
        self.reached
    }

    /// Up to this instant everything was carried out that will be: of every member that runs, and of those whose lives are over.
    /// A member that is silent for long while the others go on (it is paused, or its host hangs) holds nothing back.
    pub fn covered(&self) -> Instant {
        let behind = self.seats.iter().filter_map(|seat| {
            let life = seat.current()?;
            let waits = life.next_at();
            let now = waits.or(life.head().map(Node::now))?;
            (waits.is_some() || self.reached.since(now) < SILENT_FOR).then_some(now)
        });
        behind.min().unwrap_or(self.reached).min(self.reached)
    }

    /// The first instant that can be looked at.
    pub fn kept_from(&self) -> Instant {
        self.kept_from
    }

    /// Keeps no more than so many bytes from now on.
    pub fn limit(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
        self.forget();
    }

    /// How many bytes are kept.
    pub fn bytes(&self) -> usize {
        self.store.bytes()
    }

    /// Every node as it was at an instant, all that it took at that very instant included.
    pub fn moment(&self, at: Instant) -> Moment {
        let at = at.max(self.kept_from);
        let node = |seat: &Seat| {
            let life = seat.lives.iter().rev().find(|life| life.started() <= at);
            (seat.id, life.and_then(|life| life.node_at(at)))
        };
        Moment {
            at,
            nodes: self.seats.iter().map(node).collect(),
        }
    }

    /// What there is between two instants, told so that another tape can be made of it: it begins with the states at the first. Member by
    /// member.
    pub fn told(&self, from: Instant, until: Instant) -> Vec<Told> {
        self.telling(from, until).by_member()
    }

    /// The same by time, to be told little by little, while the tape goes on.
    pub fn telling(&self, from: Instant, until: Instant) -> Telling {
        let from = from.max(self.kept_from);
        let mut telling = Telling::default();
        for seat in &self.seats {
            let lives = seat.lives.iter().filter_map(|life| life.telling(from, until));
            telling.add(seat.id, lives.collect());
        }
        telling
    }

    /// Nothing that was told and is still to be carried out happened before this; none, if all is carried out.
    pub fn not_before(&self) -> Option<Instant> {
        let lives = self.seats.iter().filter_map(Seat::current);
        lives.filter_map(Life::not_before).min()
    }

    /// The node of a member's last life before `at`, as that life ended. Where there is none, but a later one, the node as the
    /// first of these began: what it found on its disk had been there since before `at`.
    pub fn last_of(&self, id: NodeId, at: Instant) -> Option<Node> {
        let seat = self.seats.iter().find(|seat| seat.id == id)?;
        match seat.lives.iter().rev().find(|life| life.started() <= at) {
            Some(life) => life.node_after(usize::MAX),
            None => seat.lives.first()?.node_after(0),
        }
    }

    /// One node as it was after so many steps of a life.
    pub fn node_after(&self, id: NodeId, boot: u32, steps: usize) -> Option<Node> {
        let seat = self.seats.iter().find(|seat| seat.id == id)?;
        let life = seat.lives.iter().find(|life| life.boot() == boot)?;
        life.node_after(steps)
    }

    /// How many steps of a life were carried out.
    pub fn steps_done(&self, id: NodeId, boot: u32) -> usize {
        let seat = self.seats.iter().find(|seat| seat.id == id);
        let life = seat.and_then(|seat| seat.lives.iter().find(|life| life.boot() == boot));
        life.map_or(0, Life::done)
    }

    /// The nearest instant after `at`, or before it, at which anything happened to a node.
    pub fn neighbour(&self, at: Instant, later: bool) -> Option<Instant> {
        let near = self.seats.iter().flat_map(|seat| &seat.lives);
        let near = near.filter_map(|life| life.neighbour(at, later));
        if later { near.min() } else { near.max() }
    }

    /// The frames that had left their senders at `at` and had not reached their receivers' doors, as far as the tape shows it.
    pub fn between_doors(&self, at: Instant) -> Vec<(NodeId, NodeId, Vec<u8>)> {
        let mut frames = Vec::new();
        for seat in &self.seats {
            let Some(life) = seat.lives.iter().rev().find(|life| life.started() <= at) else {
                continue;
            };
            life.arriving_after(at, |from, bytes| {
                if cluster::codec::decode_envelope(bytes).is_ok_and(|envelope| envelope.sent_at <= at) {
                    frames.push((from, seat.id, bytes.to_vec()));
                }
            });
        }
        frames
    }

    fn life_mut(&mut self, id: NodeId, boot: u32) -> Option<&mut Life> {
        let seat = self.seats.iter_mut().find(|seat| seat.id == id)?;
        seat.lives.iter_mut().rev().find(|life| life.boot() == boot)
    }

    /// Lets the oldest go until there is room again.
    fn forget(&mut self) {
        if self.store.bytes() <= self.bytes_max {
            return;
        }
        /// How much of the time that is kept goes at once.
        const PART: u64 = 16;
        let until = Instant(self.kept_from.0 + (self.reached.0.saturating_sub(self.kept_from.0) / PART).max(1));
        let mut kept_from = self.kept_from;
        for seat in &mut self.seats {
            let over = |life: &Life| life.is_over() && life.ended().is_some_and(|ended| ended < until);
            while seat.lives.len() > 1 && over(&seat.lives[0]) {
                kept_from = kept_from.max(seat.lives[1].started().min(until));
                seat.lives.remove(0).let_go(&mut self.store);
                seat.current -= 1;
            }
            for life in &mut seat.lives {
                kept_from = kept_from.max(life.forget_before(until, &mut self.store));
            }
        }
        self.kept_from = kept_from.max(until);
        self.store.sweep();
    }
}

impl Seat {
    fn current(&self) -> Option<&Life> {
        self.lives.get(self.current)
    }
}

impl Moment {
    /// A fingerprint of the whole: of every node, durable and volatile state alike, and what is at its door.
    pub fn hash(&self) -> u64 {
        // FNV-1a, over the nodes' own fingerprints.
        let words = self.nodes.iter().flat_map(|(id, node)| {
            let print = node.as_ref().map_or(0, |node| u64::from(node.fingerprint()) | 1 << 32);
            [u64::from(id.0), print]
        });
        words.fold(0xcbf2_9ce4_8422_2325, |hash, word| {
            word.to_le_bytes().into_iter().fold(hash, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
            })
        })
    }
}

/// The write that an input says is done.
fn synced(input: &NodeInput) -> Option<WriteId> {
    match input {
        NodeInput::Synced { write, .. } => Some(*write),
        _ => None,
    }
}
