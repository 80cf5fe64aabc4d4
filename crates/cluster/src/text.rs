//! What is said between nodes and what happens in one, each in a line of English that tests, logs and the page share.

use std::fmt;

use ftqueue::Command;
use netem::Fate;
use raft_core::{AppendOutcome, InstallOutcome, Instant, LogIndex, Message, NodeId};

use crate::host::{DropReason, Fact, MessageId, MessageSummary, Reply, RequestId, Surgery};

/// One line of a node's activity log.
#[derive(Clone, Copy, Debug)]
pub struct ActivityLine<'a> {
    /// When it happened.
    pub at: Instant,
    /// Which node.
    pub node: NodeId,
    /// What happened.
    pub fact: &'a Fact,
}

impl fmt::Display for ActivityLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}  {}", self.at, self.node, self.fact)
    }
}

impl From<&Message<Command>> for MessageSummary {
    fn from(message: &Message<Command>) -> MessageSummary {
        match message {
            Message::RequestVote(request) => MessageSummary::RequestVote {
                term: request.term,
                last_log_index: request.last_log_index,
                last_log_term: request.last_log_term,
            },
            Message::RequestVoteReply(reply) => MessageSummary::Vote {
                term: reply.term,
                granted: reply.granted,
            },
            Message::AppendEntries(append) if append.entries.is_empty() => MessageSummary::Heartbeat {
                term: append.term,
                prev_log_index: append.prev_log_index,
                leader_commit: append.leader_commit,
            },
            Message::AppendEntries(append) => MessageSummary::Append {
                term: append.term,
                first: append.prev_log_index.next(),
                last: LogIndex(append.prev_log_index.0.saturating_add(append.entries.len() as u64)),
                leader_commit: append.leader_commit,
            },
            Message::AppendEntriesReply(reply) => match reply.outcome {
                AppendOutcome::Matched { match_index } => MessageSummary::Matched {
                    term: reply.term,
                    match_index,
                },
                AppendOutcome::Conflict {
                    prev_log_index,
                    conflict_index,
                    ..
                } => MessageSummary::Refused {
                    term: reply.term,
                    prev_log_index,
                    conflict_index,
                },
                AppendOutcome::StaleTerm => MessageSummary::StaleTerm { term: reply.term },
            },
            Message::InstallSnapshot(part) => MessageSummary::Snapshot {
                term: part.term,
                last_included_index: part.last_included_index,
                bytes: part.data.len() as u64,
                done: part.done,
            },
            Message::InstallSnapshotReply(reply) => match reply.outcome {
                InstallOutcome::Received { bytes, .. } => MessageSummary::SnapshotReceived {
                    term: reply.term,
                    last_included_index: reply.last_included_index,
                    bytes,
                },
                InstallOutcome::Installed => MessageSummary::Matched {
                    term: reply.term,
                    match_index: reply.last_included_index,
                },
                InstallOutcome::StaleTerm => MessageSummary::StaleTerm { term: reply.term },
            },
        }
    }
}

impl fmt::Display for MessageSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MessageSummary::RequestVote {
                term,
                last_log_index,
                last_log_term,
            } => {
                write!(
                    f,
                    "RequestVote of {term}, log up to index {last_log_index} of {last_log_term}"
                )
            }
            MessageSummary::Vote { term, granted: true } => write!(f, "vote granted for {term}"),
            MessageSummary::Vote { term, granted: false } => write!(f, "vote refused in {term}"),
            MessageSummary::Heartbeat {
                term,
                prev_log_index,
                leader_commit,
            } => {
                write!(
                    f,
                    "heartbeat of {term} after index {prev_log_index}, committed up to {leader_commit}"
                )
            }
            MessageSummary::Append {
                term,
                first,
                last,
                leader_commit,
            } => {
                write!(f, "AppendEntries of {term} with {}", Places(*first, *last))?;
                write!(f, ", committed up to {leader_commit}")
            }
            MessageSummary::Matched { term, match_index } => {
                write!(f, "log matches up to index {match_index} in {term}")
            }
            MessageSummary::Refused {
                term,
                prev_log_index,
                conflict_index,
            } => {
                write!(
                    f,
                    "AppendEntries after index {prev_log_index} refused in {term}, try from {conflict_index}"
                )
            }
            MessageSummary::StaleTerm { term } => write!(f, "AppendEntries of an older term refused in {term}"),
            MessageSummary::Snapshot {
                term,
                last_included_index,
                bytes: 0,
                done: false,
            } => write!(
                f,
                "InstallSnapshot of {term} up to index {last_included_index}: how far has it come?"
            ),
            MessageSummary::Snapshot {
                term,
                last_included_index,
                bytes,
                done,
            } => {
                let part = if *done { "the last" } else { "the next" };
                write!(
                    f,
                    "InstallSnapshot of {term} up to index {last_included_index}, {part} {bytes} bytes"
                )
            }
            MessageSummary::SnapshotReceived {
                term,
                last_included_index,
                bytes,
            } => write!(
                f,
                "{bytes} bytes of the snapshot up to index {last_included_index} received in {term}"
            ),
        }
    }
}

/// One entry or several, by their places.
struct Places(LogIndex, LogIndex);

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Places(first, last) = self;
        if first == last {
            write!(f, "entry {first}")
        } else {
            write!(f, "entries {first} to {last}")
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fact::Raft(event) => write!(f, "{event}"),
            Fact::Sent {
                message,
                to,
                summary,
                fate,
            } => {
                write!(f, "Sent {message} to {to}: {summary}")?;
                match fate {
                    Fate::Arrives {
                        at_us,
                        again_at_us: None,
                    } => write!(f, " (arrives at {})", Instant(*at_us)),
                    Fate::Arrives {
                        at_us,
                        again_at_us: Some(again_us),
                    } => {
                        write!(
                            f,
                            " (arrives at {} and again at {})",
                            Instant(*at_us),
                            Instant(*again_us)
                        )
                    }
                    Fate::Lost => write!(f, " (lost on the way)"),
                    Fate::Cut => write!(f, " (the link is cut)"),
                }
            }
            Fact::Received { message } => write!(f, "Received {message} from {}", message.from),
            Fact::Dropped {
                message: Some(message),
                from,
                why,
            } => write!(f, "Dropped {message} from {from}: {why}"),
            Fact::Dropped {
                message: None,
                from,
                why,
            } => write!(f, "Dropped a message from {from}: {why}"),
            Fact::Requested {
                request,
                operation: Some(operation),
            } => write!(f, "Took {request}: {operation}"),
            Fact::Requested {
                request,
                operation: None,
            } => write!(f, "Took {request}: open a session"),
            Fact::Replied { request, reply } => write!(f, "Answered {request}: {reply}"),
            Fact::Altered { message, surgery } => write!(f, "Somebody {} {message}", done(*surgery)),
            Fact::Synced { bytes, wall_us: 0 } => write!(f, "Made {bytes} bytes durable"),
            Fact::Synced { bytes, wall_us } => {
                write!(
                    f,
                    "Made {bytes} bytes durable in {:.3} ms of wall time",
                    *wall_us as f64 / 1000.0
                )
            }
            Fact::Omitted { count } => write!(f, "Did {count} more things than a report has room for"),
        }
    }
}

fn done(surgery: Surgery) -> &'static str {
    match surgery {
        Surgery::Drop => "took away",
        Surgery::Hold => "holds",
        Surgery::Release => "let go of",
        Surgery::Duplicate => "made a copy of",
        Surgery::Deliver => "delivered at once",
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {}-{}-{}", self.from.0, self.boot, self.number)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request {}", self.0)
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DropReason::Cut => write!(f, "the link was cut while it was on the way"),
            DropReason::BadFrame(how) => write!(f, "the frame does not decode: {how}"),
            DropReason::NotAMember => write!(f, "its sender is not another member"),
            DropReason::OtherEpoch => write!(f, "its sender is in another epoch of the cluster"),
            DropReason::WrongSender { claimed } => write!(f, "it claims to come from {claimed}"),
            DropReason::Full => write!(f, "too much of that node's is on the way already"),
            DropReason::ByHand => write!(f, "somebody took it away"),
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::SessionOpened(session) => write!(f, "session {session} is open"),
            Reply::Answered(Ok(answer)) => write!(f, "{answer}"),
            Reply::Answered(Err(error)) => write!(f, "{error}"),
            Reply::SessionExpired => write!(f, "the session has expired"),
            Reply::OutOfSequence { next } => write!(f, "out of sequence: the session's next write is {next}"),
            Reply::NotLeader { leader: Some(leader) } => write!(f, "does not lead, {leader} does"),
            Reply::NotLeader { leader: None } => write!(f, "does not lead and knows no leader"),
            Reply::Lost { leader: Some(leader) } => write!(f, "lost the lead to {leader} meanwhile"),
            Reply::Lost { leader: None } => write!(f, "lost the lead meanwhile"),
            Reply::Busy => write!(f, "too much is under way"),
        }
    }
}
