//! The protocol: the node's state, and what each input does to it. Each part of the protocol has a module of its own.

mod chance;
mod election;
mod following;
mod log;
mod malformed;
mod persistence;
mod proposals;
mod reads;
mod replication;
mod snapshots;
mod sound;

use std::collections::VecDeque;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{
    AppendEntries, Config, Duration, Entry, Event, FollowReason, HardState, IgnoreReason, Input, InstallSnapshot,
    Instant, LogIndex, MEMBERS_MAX, Machine, Message, NodeId, Outbox, Role, Snapshot, Term, Timing, TimingError, View,
};
use election::{Candidate, Timer};
use log::Log;
use persistence::{Disk, Withheld};
use proposals::Proposal;
use replication::Leader;
use snapshots::Incoming;

/// The last term a node takes part in. One more would leave no room to count on.
const TERM_MAX: Term = Term(u64::MAX - 1);
/// The last place that a snapshot stands for. No log gets so far by its own; behind it there is room for all that can come.
const SNAPSHOT_INDEX_MAX: LogIndex = LogIndex(u64::MAX / 2);

/// One member of a Raft cluster. See the crate's documentation for how it works, and how to drive it.
///
/// What always holds, whatever the inputs (with all [`crate::Rules`] on):
/// - `commit_index` and `last_applied` never fall, and `last_applied <= commit_index <=` the end of the log.
/// - Nothing at or below `commit_index` is ever changed; a snapshot stands for a part of it and no more.
/// - The term never falls; in one term the vote goes from nobody to one node, and stays.
/// - The terms in the log never fall from one entry to the next, and none exceeds the node's own term.
/// - What is said to be durable, is: on the disk in the same place, whatever was overwritten on the way.
///
/// All of it can be written and read again: a node that is read goes on as the one that was written would have, to the last random
/// number. What is read is believed, as the inputs of a life are: it is no way around a node's disk.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound(
    serialize = "M: Serialize, M::Command: Serialize",
    deserialize = "M: Deserialize<'de>, M::Command: Deserialize<'de>"
))]
pub struct Raft<M: Machine> {
    config: Config,
    machine: M,
    /// The latest instant the host has told.
    now: Instant,
    #[serde(with = "chance")]
    rng: ChaCha8Rng,
    hard_state: HardState,
    log: Log<M::Command>,
    /// What stands in the place of the log's beginning, up to its base.
    snapshot: Option<Snapshot>,
    /// A newer one, which will take its place.
    next_snapshot: Option<Snapshot>,
    /// One that a leader is sending.
    incoming: Option<Incoming>,
    role: RoleState,
    /// Who leads the present term, as far as this node knows.
    leader: Option<NodeId>,
    timer: Timer,
    commit_index: LogIndex,
    last_applied: LogIndex,
    disk: Disk,
    /// Messages that wait for the disk.
    withheld: Vec<Withheld<M::Command>>,
    /// Messages that wait for nothing any more, and leave with the next flush.
    released: Vec<(NodeId, Message<M::Command>)>,
    /// Proposals of this node's clients, in the order of their places in the log.
    proposals: VecDeque<Proposal>,
}

/// What a node must know in the role it plays, and forgets with it.
#[derive(Debug, Serialize, Deserialize)]
enum RoleState {
    Follower,
    Candidate(Candidate),
    Leader(Leader),
}

/// The outbox that fits a machine.
type Out<M> = Outbox<<M as Machine>::Command, <M as Machine>::Output>;

/// What a node found on its disk at boot, all of it durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered<C> {
    /// The term and vote.
    pub hard_state: HardState,
    /// What stands in the place of the log's beginning.
    pub snapshot: Option<Snapshot>,
    /// The log behind the snapshot; without one, the entry at index 1 comes first.
    pub log: Vec<Entry<C>>,
}

/// Why a node cannot boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootError {
    /// The members are none, too many, not in rising order, or lack this node.
    Members,
    /// With these timers no leader is elected, or none stays one.
    Timing(TimingError),
    /// The terms in the log fall, are 0, or exceed the node's own.
    Log,
    /// The snapshot holds no state of the machine.
    Snapshot,
}

impl<M: Machine> Raft<M> {
    /// Boots a node with what its disk holds and a fresh machine. The commit index starts with the snapshot, or at 0 without
    /// one, and is learned again.
    ///
    /// # Errors
    /// Says what is wrong with the configuration, the snapshot or the log.
    pub fn boot(
        config: Config,
        recovered: Recovered<M::Command>,
        machine: M,
        now: Instant,
        out: &mut Outbox<M::Command, M::Output>,
    ) -> Result<Raft<M>, BootError> {
        let members = &config.members;
        let rising = members.windows(2).all(|pair| pair[0] < pair[1]);
        if members.is_empty() || members.len() > MEMBERS_MAX || !rising || !members.contains(&config.id) {
            return Err(BootError::Members);
        }
        config.timing.check().map_err(BootError::Timing)?;
        // An ablated run may have left any log behind, and is to be seen to its end.
        if config.rules.ablated().is_empty() && !log_is_sound(&recovered) {
            return Err(BootError::Log);
        }
        let (base, base_term) = recovered.base();
        let machine = match &recovered.snapshot {
            Some(snapshot) => machine.restored(&snapshot.data).ok_or(BootError::Snapshot)?,
            None => machine,
        };
        let log = Log::new(base, base_term, recovered.log);
        let mut raft = Raft {
            machine,
            now,
            rng: ChaCha8Rng::seed_from_u64(config.seed),
            hard_state: recovered.hard_state,
            role: RoleState::Follower,
            leader: None,
            timer: Timer::default(),
            commit_index: base,
            last_applied: base,
            snapshot: recovered.snapshot,
            next_snapshot: None,
            incoming: None,
            disk: Disk::new(recovered.hard_state, log.last_index()),
            withheld: Vec::new(),
            released: Vec::new(),
            proposals: VecDeque::new(),
            log,
            config,
        };
        let term = raft.hard_state.term;
        out.events.push(Event::BecameFollower {
            term,
            leader: None,
            reason: FollowReason::Booted,
        });
        raft.start_election_timer(out);
        Ok(raft)
    }

    /// Takes one input at `now` and says in `out` what is to be done: [`Raft::take`], then [`Raft::flush`].
    ///
    /// Total: any input in any state is taken or refused with a reason, and never panics. Instants that fall are taken
    /// as the latest one seen.
    pub fn step(&mut self, now: Instant, input: Input<M::Command>, out: &mut Outbox<M::Command, M::Output>) {
        self.take(now, input, out);
        self.flush(out);
    }

    /// The first half of a step: takes one input, and puts off what can be done once for many of them.
    ///
    /// A host that finds much to do at once takes it all, then calls [`Raft::flush`]: a hundred proposals then make one
    /// write and one append for each follower. `out` gets events and outcomes, but no writes and no messages. Without
    /// a flush nothing leaves the node, which is safe and no more.
    pub fn take(&mut self, now: Instant, input: Input<M::Command>, out: &mut Outbox<M::Command, M::Output>) {
        self.now = self.now.max(now);
        match input {
            Input::Tick => self.tick(out),
            Input::Expire => {
                self.timer.deadline = self.timer.deadline.min(self.now);
                self.tick(out);
            }
            Input::Receive { from, message } => self.receive(from, message, out),
            Input::Persisted(id) => self.persisted(id, out),
            Input::Propose { ticket, command } => self.propose(ticket, command, out),
            Input::Read { ticket } => self.read(ticket, out),
            Input::SetTiming(timing) => self.set_timing(timing, out),
        }
        self.settle(out);
    }

    /// The second half of a step: asks for at most one write for all that the inputs since the last flush have changed,
    /// and sends what is due and rests on nothing that is not durable yet.
    pub fn flush(&mut self, out: &mut Outbox<M::Command, M::Output>) {
        self.compact(out);
        self.take_snapshot(out);
        self.request_write(out);
        self.send_appends(out);
        self.explain_hold(out);
        self.release_withheld(out);
    }

    /// When to call `step(Tick)` next; at once, if it is not after the instant of the last step. Answers may change with
    /// every step.
    pub fn deadline(&self) -> Instant {
        if self.last_applied < self.commit_index {
            self.now
        } else {
            self.timer.deadline
        }
    }

    /// What it was told at boot, with the timing as it is now.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The state, for those who look.
    pub fn view(&self) -> View<'_, M> {
        View {
            id: self.config.id,
            role: self.role(),
            term: self.hard_state.term,
            voted_for: self.hard_state.voted_for,
            leader: self.leader,
            snapshot: self.snapshot.as_ref(),
            log: self.log.entries(),
            commit_index: self.commit_index,
            last_applied: self.last_applied,
            durable_index: self.disk.durable_index,
            durable_hard_state: self.disk.durable_hard_state,
            deadline: self.timer.deadline,
            timeout: self.timer.timeout,
            last_write_took: self.disk.last_took,
            votes: match &self.role {
                RoleState::Follower => &[],
                RoleState::Candidate(candidate) => &candidate.votes,
                RoleState::Leader(leader) => &leader.votes,
            },
            progress: match &self.role {
                RoleState::Leader(leader) => &leader.progress,
                _ => &[],
            },
            machine: &self.machine,
        }
    }

    /// How long the last write took, or the oldest that is under way has taken by `now`, whichever is longer.
    pub fn write_takes(&self, now: Instant) -> Duration {
        let since = self.disk.writing_since();
        since
            .map_or(Duration(0), |since| now.since(since))
            .max(self.disk.last_took)
    }

    fn role(&self) -> Role {
        match self.role {
            RoleState::Follower => Role::Follower,
            RoleState::Candidate(_) => Role::Candidate,
            RoleState::Leader(_) => Role::Leader,
        }
    }

    /// How many members make a majority, under the rules in force.
    fn majority(&self) -> usize {
        if self.config.rules.full_majority {
            self.config.majority()
        } else {
            (self.config.members.len() / 2).max(1)
        }
    }

    fn tick(&mut self, out: &mut Out<M>) {
        if self.now < self.timer.deadline {
            return;
        }
        match &mut self.role {
            RoleState::Leader(leader) => {
                leader.heartbeat_due = true;
                self.start_heartbeat_timer();
            }
            _ => self.election_timed_out(out),
        }
    }

    fn receive(&mut self, from: NodeId, message: Message<M::Command>, out: &mut Out<M>) {
        if from == self.config.id || !self.config.members.contains(&from) {
            return self.ignore(from, IgnoreReason::NotAMember, out);
        }
        if let Err(what) = self.check(from, &message) {
            return self.ignore(from, IgnoreReason::Malformed { what }, out);
        }
        let contradiction = match &message {
            Message::AppendEntries(append) => self.contradiction(append),
            Message::InstallSnapshot(part) => self.contradicted_by(part),
            _ => None,
        };
        if let Some(index) = contradiction {
            return self.ignore(from, IgnoreReason::ContradictsCommitted { index }, out);
        }
        if message.term() > self.hard_state.term {
            self.adopt_term(message.term(), from, out);
        }
        match message {
            Message::RequestVote(request) => self.request_vote(from, &request, out),
            Message::RequestVoteReply(reply) => self.request_vote_reply(from, &reply, out),
            Message::AppendEntries(append) => self.append_entries(from, append, out),
            Message::AppendEntriesReply(reply) => self.append_entries_reply(from, &reply, out),
            Message::InstallSnapshot(part) => self.install_snapshot(from, part, out),
            Message::InstallSnapshotReply(reply) => self.install_snapshot_reply(from, &reply, out),
        }
    }

    /// The first committed entry that an append would change, were it taken. Looked for before anything else is done with
    /// the message, since a node that contradicts what is committed is not to be followed in its term either.
    fn contradiction(&self, append: &AppendEntries<M::Command>) -> Option<LogIndex> {
        if append.term < self.hard_state.term && self.config.rules.refuse_stale_append {
            return None; // It is refused for its term.
        }
        let differs = |index: LogIndex, term: Term| self.is_committed_otherwise(index, term);
        if differs(append.prev_log_index, append.prev_log_term) {
            return Some(append.prev_log_index);
        }
        let mut index = append.prev_log_index;
        append.entries.iter().find_map(|entry| {
            index = index.next();
            differs(index, entry.term).then_some(index)
        })
    }

    /// The last entry of a snapshot, if another is committed in its place.
    fn contradicted_by(&self, part: &InstallSnapshot) -> Option<LogIndex> {
        let (index, term) = (part.last_included_index, part.last_included_term);
        let stale = part.term < self.hard_state.term;
        (!stale && self.is_committed_otherwise(index, term)).then_some(index)
    }

    /// Whether an entry of another term is committed at `index`.
    fn is_committed_otherwise(&self, index: LogIndex, term: Term) -> bool {
        index <= self.commit_index && self.log.term_at(index).is_some_and(|ours| ours != term)
    }

    fn set_timing(&mut self, timing: Timing, out: &mut Out<M>) {
        if timing.check().is_err() {
            let what = crate::Malformed::Timing;
            return self.ignore(self.config.id, IgnoreReason::Malformed { what }, out);
        }
        self.config.timing = timing;
        match self.role {
            RoleState::Leader(_) => self.start_heartbeat_timer(),
            _ => self.start_election_timer(out),
        }
    }

    /// Draws the consequences of what an input has changed.
    fn settle(&mut self, out: &mut Out<M>) {
        self.count_own_vote(out);
        self.advance_commit(out);
        self.apply(out);
        self.serve_reads(out);
        debug_assert!(self.last_applied <= self.commit_index && self.commit_index <= self.log.last_index());
        debug_assert!(self.disk.durable_index <= self.log.last_index());
    }

    fn ignore(&mut self, from: NodeId, reason: IgnoreReason, out: &mut Out<M>) {
        out.events.push(Event::Ignored { from, reason });
    }
}

impl<C> Recovered<C> {
    /// The place before the log, and the term of the entry that was there.
    fn base(&self) -> (LogIndex, Term) {
        let included = |snapshot: &Snapshot| (snapshot.last_included_index, snapshot.last_included_term);
        self.snapshot.as_ref().map_or((LogIndex::ZERO, Term(0)), included)
    }
}

/// Whether a node that kept all rules can have left this behind.
fn log_is_sound<C>(recovered: &Recovered<C>) -> bool {
    let (base, base_term) = recovered.base();
    let terms = || std::iter::once(base_term).chain(recovered.log.iter().map(|entry| entry.term));
    (base == LogIndex::ZERO) == (base_term == Term(0))
        && base <= SNAPSHOT_INDEX_MAX
        && terms().skip(1).all(|term| term > Term(0))
        && terms().zip(terms().skip(1)).all(|(earlier, later)| earlier <= later)
        && terms().next_back().is_none_or(|last| last <= recovered.hard_state.term)
}
