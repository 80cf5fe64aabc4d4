//! Raft consensus as a pure function: inputs and instants go in; messages, writes, answers and reasons come out.
//!
//! # The protocol
//!
//! A cluster keeps one log of commands on several nodes, and each node applies the log, in order, to a copy of a state
//! machine. Since the machine is deterministic, all copies pass through the same states. The protocol sees to it that
//! the logs agree, though nodes crash and come back and the network loses, delays, repeats and reorders messages. As
//! long as a majority of the nodes is up and connected, the cluster goes on. References are to Ongaro and Ousterhout,
//! *In Search of an Understandable Consensus Algorithm (extended version)*.
//!
//! **Terms and elections (§5.1, §5.2).** Time is cut into terms, numbered upwards, each with one leader at most. A node that
//! hears of a newer term moves to it, and leads or stands for election no longer. A follower that hears from no leader for
//! a random while opens a new term and asks all others for their vote. A node votes once a term, and only for a candidate
//! whose log is at least as up to date as its own (§5.4.1): last terms are compared first, then lengths. A majority of votes
//! makes a leader. If votes are split, timers run out at different times and someone tries again.
//!
//! **Replication (§5.3).** Only the leader takes commands. It appends each to its log as an entry of its term and sends it
//! on in AppendEntries, together with the place and term of the entry before. A follower whose log differs there refuses, and
//! the leader goes back, a whole term at a time, until both logs agree; from there on the follower's log is made like the
//! leader's. Two logs that hold an entry of the same term in the same place are therefore equal up to it.
//!
//! **Commitment (§5.3, §5.4.2).** An entry of the leader's own term that is durable on a majority is committed, and with it
//! all before it: every later leader has them, for it needs the vote of someone who does. Entries of older terms are never
//! committed by counting (figure 8 shows why), so a leader opens its term with an entry that does nothing, and does not wait
//! for a client to send one. Followers learn of the commit index from the next AppendEntries.
//!
//! **Reads (§8).** A read needs no entry. The leader notes its commit index, has a majority confirm that it still leads, and
//! answers once the machine has applied as much. Until it has committed an entry of its own term, it waits.
//!
//! **Snapshots (§7).** A log would grow for ever. Every so often a node keeps its machine's state and drops the entries that led
//! to it. A follower that needs what its leader has dropped gets the state instead, and begins anew behind it.
//!
//! **Durability (figure 2).** A vote, an acknowledgement, and the node's own copy of an entry are worth something only if they
//! survive a crash. The core asks for a write and goes on working; what rests on the write is withheld until the host
//! says that it is done. A leader does send entries before they are durable on its own disk, but does not count itself.
//!
//! # How to drive it
//!
//! [`Raft::boot`] takes what the disk holds. Then the host calls [`Raft::step`] for everything that happens, with the
//! present instant, and a tick whenever [`Raft::deadline`] is reached; and carries out what it finds in the [`Outbox`]. It
//! reports each finished write as [`Input::Persisted`]. A host that has many inputs at hand calls [`Raft::take`] for each
//! and [`Raft::flush`] once, so that they share a write and a message for each peer.
//!
//! The core has no clock, thread, I/O or randomness but the seed in its [`Config`]: the same calls give the same results,
//! on every platform. Instants decide when it acts, never what is true: a wrong clock costs leaders, not entries.
//! Whatever arrives, it does not panic: a message that no correct node can have sent is refused before it changes anything.
//! Every decision is reported as an [`Event`] with its reason, and [`Raft::view`] shows the whole state.
//!
//! A cluster of one, whose disk is a vector:
//!
//! ```
//! use raft_core::*;
//!
//! #[derive(Debug)]
//! struct Sum(u64);
//!
//! impl Machine for Sum {
//!     type Command = u64;
//!     type Output = u64;
//!
//!     fn apply(&mut self, _: LogIndex, command: &u64) -> u64 {
//!         self.0 += command;
//!         self.0
//!     }
//!
//!     fn snapshot(&self) -> Vec<u8> {
//!         self.0.to_le_bytes().into()
//!     }
//!
//!     fn restored(&self, snapshot: &[u8]) -> Option<Sum> {
//!         snapshot.try_into().ok().map(|bytes| Sum(u64::from_le_bytes(bytes)))
//!     }
//!
//!     fn wire_bytes(_: &u64) -> usize {
//!         8
//!     }
//! }
//!
//! let id = NodeId(1);
//! let config = Config {
//!     id,
//!     members: vec![id],
//!     timing: Timing::default(),
//!     seed: 1,
//!     rules: Rules::default(),
//!     compact_after: COMPACT_AFTER_ENTRIES,
//! };
//! let recovered = Recovered { hard_state: HardState::default(), snapshot: None, log: Vec::new() };
//! let mut out = Outbox::default();
//! let mut raft = Raft::boot(config, recovered, Sum(0), Instant(0), &mut out)?;
//!
//! let mut disk = Vec::new();
//! let mut write = |raft: &mut Raft<Sum>, out: &mut Outbox<u64, u64>| {
//!     for persist in std::mem::take(&mut out.persist) {
//!         disk.extend(persist.append);
//!         raft.step(Instant(0), Input::Persisted(persist.id), out);
//!     }
//! };
//! raft.step(raft.deadline(), Input::Tick, &mut out); // Nobody leads, so it stands for election, and writes down its vote,
//! write(&mut raft, &mut out); // which is a majority,
//! write(&mut raft, &mut out); // and opens its term with an entry that does nothing.
//! raft.step(Instant(0), Input::Propose { ticket: Ticket(7), command: 42 }, &mut out);
//! write(&mut raft, &mut out);
//! let applied = Outcome::Applied { index: LogIndex(2), output: 42 };
//! assert_eq!(out.outcomes.last(), Some(&(Ticket(7), applied)));
//! assert_eq!(disk.len(), 2);
//! # Ok::<(), BootError>(())
//! ```
//!
//! # Caveats
//!
//! - The set of members is fixed.
//! - There is no pre-vote. Whoever hears no leader stands for election in a greater term, and each such term that the others
//!   hear of deposes their leader. A node that comes back from isolation does so until it hears the leader of that term. A *deaf*
//!   follower, which hears nobody but is heard, does it at every timeout, for as long as it is deaf: leaders come and go, and the
//!   cluster commits only between them. The same holds for a follower that hears all but the leader.
//! - There is no check-quorum. A leader that hears no majority goes on believing that it leads, though it can neither commit nor
//!   answer a read. If the others do not hear it either, they elect another. If they still do, it is a *deaf* leader: its
//!   heartbeats keep them from standing for election, and nothing is committed until it hears a majority again, or falls. It is for
//!   clients to give up waiting and to ask elsewhere.
//! - Both are to come later. Neither is about what is true: what is committed stays committed, however many leaders fall.
//! - A command whose leader crashed may be committed later. A client that asks again may have it applied twice, unless the
//!   machine recognises it.
//! - Nodes are trusted to follow the protocol. Malformed messages are refused, lies are not found out; and a disk that
//!   forgets what it acknowledged breaks the promise on which all the above rests.
//! - [`Rules`] can switch parts of the protocol off, to show what they are for. Nothing above holds then, except that
//!   the core does not panic.

#![deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros)]

mod config;
mod event;
mod ids;
mod io;
mod machine;
mod message;
mod raft;
mod text;
mod timing;
mod view;

pub use config::*;
pub use event::*;
pub use ids::*;
pub use io::*;
pub use machine::*;
pub use message::*;
pub use raft::*;
pub use timing::*;
pub use view::*;
