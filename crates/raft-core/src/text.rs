//! One line of English for everything that a person reads: on the page, in log files, in golden scripts.

use std::fmt::{self, Display, Formatter};

use crate::{
    AppendOutcome, AppendRefusal, BootError, CommitHold, Entry, Event, FollowReason, IgnoreReason, InstallOutcome,
    LogIndex, Malformed, Message, NodeId, Outcome, Payload, ReadRound, Role, Term, VoteRefusal,
};

/// A place in the log with the term of what stands there, as traces write it: `7@2`.
struct Place(LogIndex, Term);

/// A run of places: `7` or `7 to 9`.
struct Span(LogIndex, LogIndex);

/// Nodes as a list: `Node 1, Node 2 and Node 5`.
struct Nodes<'a>(&'a [NodeId]);

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.0.0, self.1.0)
    }
}

impl Display for Span {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0 == self.1 {
            write!(f, "{}", self.0)
        } else {
            write!(f, "{} to {}", self.0, self.1)
        }
    }
}

impl Display for Nodes<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (place, node) in self.0.iter().enumerate() {
            let before = match place {
                0 => "",
                _ if place + 1 == self.0.len() => " and ",
                _ => ", ",
            };
            write!(f, "{before}{node}")?;
        }
        Ok(())
    }
}

/// `entry 7` or `entries 7 to 9`.
fn entries(first: LogIndex, last: LogIndex) -> String {
    let noun = if first == last { "entry" } else { "entries" };
    format!("{noun} {}", Span(first, last))
}

fn copies(count: u8) -> &'static str {
    if count == 1 { "copy" } else { "copies" }
}

impl Display for ReadRound {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "round {}", self.0)
    }
}

impl Display for Role {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Follower => "follower",
            Role::Candidate => "candidate",
            Role::Leader => "leader",
        })
    }
}

impl Display for BootError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BootError::Members => "the members are none, too many, not in rising order, or lack this node",
            BootError::Timing(error) => return write!(f, "{error}"),
            BootError::Log => "the terms in the log fall, are 0, or exceed the node's own term",
            BootError::Snapshot => "the snapshot holds no state of the machine",
        })
    }
}

impl std::error::Error for BootError {}

impl<C: Display> Display for Entry<C> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.payload {
            Payload::NoOp => f.write_str("no-op"),
            Payload::Command(command) => write!(f, "{command}"),
        }
    }
}

impl<C> Display for Message<C> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Message::RequestVote(m) => {
                write!(
                    f,
                    "RequestVote {}, log ends at {}",
                    m.term,
                    Place(m.last_log_index, m.last_log_term)
                )
            }
            Message::RequestVoteReply(m) => {
                write!(
                    f,
                    "RequestVote reply {}: {}",
                    m.term,
                    if m.granted { "granted" } else { "refused" }
                )
            }
            Message::AppendEntries(m) => {
                let prev = Place(m.prev_log_index, m.prev_log_term);
                if m.entries.is_empty() {
                    write!(f, "Heartbeat {}, at {prev}", m.term)?;
                } else {
                    let last = LogIndex(m.prev_log_index.0.saturating_add(m.entries.len() as u64));
                    let span = entries(m.prev_log_index.next(), last);
                    write!(f, "AppendEntries {}, {span} after {prev}", m.term)?;
                }
                write!(f, ", commit {}", m.leader_commit)?;
                write_round(f, m.read_round)
            }
            Message::AppendEntriesReply(m) => {
                write!(f, "AppendEntries reply {}: {}", m.term, m.outcome)?;
                write_round(f, m.read_round)
            }
            Message::InstallSnapshot(m) => {
                let place = Place(m.last_included_index, m.last_included_term);
                write!(f, "InstallSnapshot {}, up to {place}, ", m.term)?;
                match m.offset.saturating_add(m.data.len() as u64) {
                    from if m.data.is_empty() && !m.done => write!(f, "asks for what follows byte {from}")?,
                    to => write!(
                        f,
                        "bytes {} to {to}{}",
                        m.offset,
                        if m.done { ", the last" } else { "" }
                    )?,
                }
                write_round(f, m.read_round)
            }
            Message::InstallSnapshotReply(m) => {
                write!(f, "InstallSnapshot reply {}: ", m.term)?;
                match m.outcome {
                    InstallOutcome::Received { bytes, .. } => write!(f, "has {bytes} bytes")?,
                    InstallOutcome::Installed => write!(f, "installed up to {}", m.last_included_index)?,
                    InstallOutcome::StaleTerm => f.write_str("stale term")?,
                }
                write_round(f, m.read_round)
            }
        }
    }
}

fn write_round(f: &mut Formatter<'_>, round: ReadRound) -> fmt::Result {
    if round == ReadRound(0) {
        Ok(())
    } else {
        write!(f, ", {round}")
    }
}

impl Display for AppendOutcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            AppendOutcome::Matched { match_index } => write!(f, "matched to {match_index}"),
            AppendOutcome::Conflict {
                prev_log_index,
                conflict_term: Some(term),
                conflict_index,
            } => {
                write!(f, "conflict at {prev_log_index}, {term} begins at {conflict_index}")
            }
            AppendOutcome::Conflict {
                prev_log_index,
                conflict_term: None,
                conflict_index,
            } => {
                write!(f, "nothing at {prev_log_index}, next wanted {conflict_index}")
            }
            AppendOutcome::StaleTerm => f.write_str("stale term"),
        }
    }
}

impl<O: Display> Display for Outcome<O> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Accepted { index, term } => write!(f, "accepted as {}", Place(*index, *term)),
            Outcome::Applied { index, output } => write!(f, "applied at {index}: {output}"),
            Outcome::ReadReady { applied } => write!(f, "read ready, applied to {applied}"),
            Outcome::NotLeader { leader: Some(leader) } => write!(f, "not the leader, {leader} is"),
            Outcome::NotLeader { leader: None } => f.write_str("not the leader, none is known"),
            Outcome::Lost { leader: Some(leader) } => write!(f, "lost, {leader} leads now"),
            Outcome::Lost { leader: None } => f.write_str("lost, no leader is known"),
            Outcome::Busy => f.write_str("busy"),
        }
    }
}

/// What happened, told of the node that it happened to, which is not named: whoever shows the line has said whose it is.
impl Event {
    /// That an append was refused, or learned to be, in words; nothing for what is something else.
    pub fn refusal(&self) -> Option<String> {
        match self {
            Event::AppendRefused { leader, reason } => Some(format!("Refuses an append of {leader}: {reason}")),
            Event::Backtracked {
                follower,
                refused,
                next_index,
                conflict_term,
            } => {
                let has = match conflict_term {
                    Some(term) => format!("another entry at {refused}, of {term}"),
                    None => format!("no entry at {refused}"),
                };
                Some(format!("{follower} has {has}: goes back to send it {next_index} next"))
            }
            _ => None,
        }
    }
}

impl Display for Event {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Event::ElectionTimerSet { timeout } => write!(f, "Election timer set to {timeout}"),
            Event::ElectionTimedOut { timeout } => {
                write!(
                    f,
                    "Election timer ran out: no leader was heard and no vote given for {timeout}"
                )
            }
            Event::ElectionPutOff { timeout } => write!(
                f,
                "Election timer ran out after {timeout}, while a write is under way: waits for the disk"
            ),
            Event::BecameFollower { term, leader, reason } => {
                match leader {
                    Some(leader) => write!(f, "Follows {leader} in {term}: ")?,
                    None => write!(f, "Became follower in {term}: ")?,
                }
                write!(f, "{reason}")
            }
            Event::BecameCandidate { term } => write!(f, "Became candidate in {term}"),
            Event::BecameLeader { term, votes } => {
                write!(f, "Became leader of {term} with the votes of {}", Nodes(votes))
            }
            Event::VoteGranted { candidate, term } => write!(f, "Votes for {candidate} in {term}"),
            Event::VoteRefused {
                candidate,
                term,
                reason,
            } => {
                write!(f, "Refuses {candidate} its vote in {term}: {reason}")
            }
            Event::VoteCounted {
                voter,
                term,
                granted: true,
                votes,
                needed,
            } => {
                write!(f, "Has the vote of {voter} in {term}: {votes} of {needed} needed")
            }
            Event::VoteCounted {
                voter,
                term,
                granted: false,
                votes,
                needed,
            } => {
                write!(
                    f,
                    "Was refused the vote of {voter} in {term}: still {votes} of {needed} needed"
                )
            }
            Event::Appended { first, last, term } => {
                write!(f, "Appended {} of {term} to the log", entries(*first, *last))
            }
            Event::Truncated {
                from,
                last,
                our_term,
                leader_term,
            } if our_term == leader_term => {
                write!(f, "Dropped {} of {our_term} without a conflict", entries(*from, *last))
            }
            Event::Truncated {
                from,
                last,
                our_term,
                leader_term,
            } => {
                let span = entries(*from, *last);
                write!(
                    f,
                    "Dropped {span}: the entry at {from} is of {our_term}, the leader's is of {leader_term}"
                )
            }
            Event::AppendRefused { .. } | Event::Backtracked { .. } => f.write_str(&self.refusal().unwrap_or_default()),
            Event::Matched { follower, match_index } => write!(f, "{follower} has the log up to {match_index}"),
            Event::CommitAdvanced { from, to, copies } => {
                write!(f, "Committed {}", entries(from.next(), *to))?;
                if copies.is_empty() {
                    f.write_str(", says the leader")
                } else {
                    write!(f, ": {} have it", Nodes(copies))
                }
            }
            Event::CommitHeld { index, reason } => write!(f, "Entry {index} is not committed: {reason}"),
            Event::Applied { first, last } => write!(f, "Applied {}", entries(*first, *last)),
            Event::SnapshotTaken {
                last_included_index,
                bytes,
            } => write!(
                f,
                "Took a snapshot of what the entries up to {last_included_index} have led to: {bytes} bytes"
            ),
            Event::Compacted { first, last } => {
                write!(f, "Dropped {}: the snapshot stands for them", entries(*first, *last))
            }
            Event::SnapshotNeeded {
                follower,
                next_index,
                last_included_index,
            } => write!(
                f,
                "{follower} needs entry {next_index}, which is dropped: sends it the snapshot up to {last_included_index}"
            ),
            Event::SnapshotInstalled {
                leader,
                last_included_index,
                last_included_term,
                dropped_to,
            } => {
                let place = Place(*last_included_index, *last_included_term);
                write!(
                    f,
                    "Installed the snapshot of {leader} up to {place}, in the place of a log up to {dropped_to}"
                )
            }
            Event::PersistRequested { sequence } => write!(f, "Write {sequence} asked for"),
            Event::PersistCompleted {
                sequence,
                durable_index,
            } => {
                write!(f, "Write {sequence} is done: the log is durable up to {durable_index}")
            }
            Event::PersistStale { sequence } => {
                write!(
                    f,
                    "Write {sequence} is done, but what it wrote was overwritten since and does not count"
                )
            }
            Event::WriteOutlastedTimeout { sequence, took } => {
                write!(f, "Write {sequence} took {took}, longer than an election timer may run")
            }
            Event::ReadStarted { round, read_index } => {
                write!(f, "A read waits for {round}, and for entry {read_index} to be applied")
            }
            Event::ReadConfirmed { round } => write!(f, "A majority has answered {round}: this node still led then"),
            Event::Ignored { from, reason } => write!(f, "Ignored word from {from}: {reason}"),
        }
    }
}

impl Display for FollowReason {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            FollowReason::Booted => f.write_str("it booted"),
            FollowReason::NewerTerm { from } => write!(f, "{from} is in that newer term"),
            FollowReason::LeaderAppeared => f.write_str("it leads the term"),
        }
    }
}

impl Display for VoteRefusal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            VoteRefusal::StaleTerm { ours } => write!(f, "it is {ours} already"),
            VoteRefusal::AlreadyVoted { voted_for } => write!(f, "the vote of the term went to {voted_for}"),
            VoteRefusal::Leading => f.write_str("this node leads the term itself"),
            VoteRefusal::LogBehind {
                our_last_term,
                our_last_index,
                their_last_term,
                their_last_index,
            } => {
                let (ours, theirs) = (
                    Place(*our_last_index, *our_last_term),
                    Place(*their_last_index, *their_last_term),
                );
                let why = if our_last_term == their_last_term {
                    "longer"
                } else {
                    "of a later term"
                };
                write!(f, "the log here ends at {ours}, which is {why} than {theirs}")
            }
        }
    }
}

impl Display for AppendRefusal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            AppendRefusal::StaleTerm { ours } => write!(f, "it is {ours} already"),
            AppendRefusal::Gap {
                prev_log_index,
                last_index,
            } => {
                write!(f, "the log ends at {last_index}, and entry {prev_log_index} is missing")
            }
            AppendRefusal::Mismatch {
                prev_log_index,
                prev_log_term,
                our_term,
            } => {
                write!(
                    f,
                    "the entry at {prev_log_index} is of {our_term} here, of {prev_log_term} there"
                )
            }
        }
    }
}

impl Display for CommitHold {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            CommitHold::LacksCopies { copies: count, needed } => {
                write!(f, "{count} durable {} of {needed} needed", copies(*count))
            }
            CommitHold::OlderTerm { term } => {
                write!(
                    f,
                    "a majority has it, but it is of {term}, and only entries of the leader's own term count"
                )
            }
        }
    }
}

impl Display for IgnoreReason {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            IgnoreReason::NotAMember => f.write_str("not another member of this cluster"),
            IgnoreReason::StaleTerm { theirs, ours } => write!(f, "it is of {theirs}, and it is {ours} already"),
            IgnoreReason::NotAsked => f.write_str("it answers nothing that was asked"),
            IgnoreReason::Outdated => f.write_str("nothing new"),
            IgnoreReason::Malformed { what } => write!(f, "{what}"),
            IgnoreReason::UnreadableSnapshot => f.write_str("the snapshot holds no state of the machine"),
            IgnoreReason::ContradictsCommitted { index } => {
                write!(f, "it would change entry {index}, which is committed")
            }
            IgnoreReason::SecondLeader { leader } => write!(f, "{leader} leads this term"),
        }
    }
}

impl Display for Malformed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Malformed::EntryTerms => "malformed, the terms of its entries fall or exceed its own",
            Malformed::PreviousEntry => "malformed, a place and a term that do not go together",
            Malformed::TooLarge => "malformed, larger than a message may be",
            Malformed::MatchBeyondLog => "malformed, it acknowledges more than there is",
            Malformed::NeverAsked => "malformed, it answers what was never asked",
            Malformed::Term => "malformed, no term to act in",
            Malformed::Timing => "malformed, timers cannot run so",
        })
    }
}

impl Event {
    /// Where the paper (Ongaro and Ousterhout, *In Search of an Understandable Consensus Algorithm*, extended version)
    /// treats of it.
    pub fn paper(&self) -> &'static str {
        match self {
            Event::ElectionTimerSet { .. } | Event::ElectionTimedOut { .. } => "§5.2",
            Event::ElectionPutOff { .. } | Event::WriteOutlastedTimeout { .. } => "§5.6",
            Event::BecameFollower {
                reason: FollowReason::NewerTerm { .. },
                ..
            } => "§5.1",
            Event::BecameFollower { .. } | Event::BecameCandidate { .. } | Event::BecameLeader { .. } => {
                "§5.2, figure 4"
            }
            Event::VoteGranted { .. } => "§5.2, §5.4.1",
            Event::VoteRefused {
                reason: VoteRefusal::LogBehind { .. },
                ..
            } => "§5.4.1",
            Event::VoteRefused {
                reason: VoteRefusal::StaleTerm { .. },
                ..
            } => "§5.1",
            Event::VoteRefused { .. } | Event::VoteCounted { .. } => "§5.2",
            Event::AppendRefused {
                reason: AppendRefusal::StaleTerm { .. },
                ..
            } => "§5.1",
            Event::Appended { .. } | Event::Matched { .. } => "§5.3",
            Event::Truncated { .. } | Event::AppendRefused { .. } | Event::Backtracked { .. } => "§5.3, figure 7",
            Event::CommitHeld {
                reason: CommitHold::OlderTerm { .. },
                ..
            } => "§5.4.2, figure 8",
            Event::CommitAdvanced { .. } | Event::CommitHeld { .. } => "§5.3, §5.4.2",
            Event::Applied { .. } => "§5.3, figure 2",
            Event::SnapshotTaken { .. } | Event::Compacted { .. } => "§7, figure 12",
            Event::SnapshotNeeded { .. } | Event::SnapshotInstalled { .. } => "§7, figure 13",
            Event::PersistRequested { .. } | Event::PersistCompleted { .. } | Event::PersistStale { .. } => "figure 2",
            Event::ReadStarted { .. } | Event::ReadConfirmed { .. } => "§8",
            Event::Ignored {
                reason: IgnoreReason::StaleTerm { .. },
                ..
            } => "§5.1",
            Event::Ignored { .. } => "figure 2",
        }
    }
}
