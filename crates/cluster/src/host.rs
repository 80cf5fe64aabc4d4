//! What a page and a Worker say to each other: the whole surface between the cluster and those who watch it.
//!
//! Both directions are postcard bytes with [`PROTOCOL_VERSION`] in front (see [`crate::codec`]). A `MessagePort` that
//! goes with a message is transferred beside its bytes.

use ftqueue::{Answer, Command, Label, Operation, QueueError, QueueId, Read, Sequence, SessionId, Write};
use netem::{Fate, LinkSettings};
use raft_core::{Duration, Entry, Event, HardState, Instant, LogIndex, NodeId, Progress, Role, Rules, Term, Timing};
use serde::{Deserialize, Serialize};

use crate::Epoch;
use crate::clock::ClockSetting;

/// The version of everything that travels between a page and a Worker, or between two Workers.
pub const PROTOCOL_VERSION: u8 = 3;

/// From the page to a Worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToNode {
    /// Be this node. Said once, after [`FromNode::Ready`]. If a port comes along, everything that goes into the node is posted there,
    /// before anything that follows from it leaves the node.
    Boot(Box<Boot>),
    /// Here is a port to a peer (transferred along). Replaces an earlier port to the same peer.
    Connect {
        /// The node at its other end.
        peer: NodeId,
    },
    /// How the direction of the link from this node to `peer` behaves from now on.
    SetLink {
        /// Where it leads.
        peer: NodeId,
        /// How it behaves.
        settings: LinkSettings,
    },
    /// Whether the direction from `peer` to this node is cut: what is on the way does not arrive then.
    SetInbound {
        /// Where it comes from.
        peer: NodeId,
        /// Whether it is cut.
        cut: bool,
    },
    /// How virtual time runs from now on. Said to all nodes alike.
    SetClock(ClockSetting),
    /// Timers have been changed by hand.
    SetTiming(Timing),
    /// Stand still, as a stopped process does, or go on. Messages wait meanwhile.
    SetPaused(bool),
    /// Lay hands on a message that is on its way to this node.
    Operate {
        /// The message.
        message: MessageId,
        /// What to do to it.
        surgery: Surgery,
    },
    /// Let the timer run out now.
    FireTimer,
    /// A client's request.
    Request {
        /// Names it in the reply.
        request: RequestId,
        /// What the client asks.
        body: Request,
    },
    /// Say which state you are in (see [`FromNode::Recorded`]).
    Describe {
        /// Names it in the answer.
        request: RequestId,
    },
}

/// From a Worker to the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromNode {
    /// The Worker's code runs. The page compares `build` with its own and says [`ToNode::Boot`].
    Ready {
        /// A hash of the sources it was built from.
        build: String,
        /// Its wall clock.
        wall_ms: f64,
    },
    /// The node has recovered and takes part.
    Booted {
        /// Where it keeps its log.
        storage: Storage,
        /// What it found there.
        recovery: Recovery,
    },
    /// The node cannot take part: its disk is damaged, or its configuration is wrong. It says nothing to its peers.
    Refused {
        /// What is wrong, and where.
        why: String,
        /// What helps.
        remedy: Remedy,
    },
    /// What happened since the last report. At most one every [`REPORT_INTERVAL_MS`], unless the node was quiet before.
    Report(Box<Report>),
    /// The answer to a client's request.
    Reply {
        /// The request.
        request: RequestId,
        /// The answer.
        reply: Reply,
    },
    /// The answer to [`ToNode::Describe`].
    Recorded {
        /// The request.
        request: RequestId,
        /// The state.
        recorded: Recorded,
    },
    /// This node leads a new term: clients need not search.
    Leading {
        /// The term.
        term: Term,
    },
    /// The node is about to die of a panic.
    Died {
        /// The panic's message and place.
        message: String,
    },
    /// The Worker's timer ran late, though the Worker had nothing else to do: the computer is busy.
    Late {
        /// How late, in wall microseconds.
        wall_us: u64,
    },
    /// Whether there is room for what the node writes. While there is none it takes part and promises nothing that rests on a write.
    Room {
        /// Why there is none; none, if there is some again.
        lacking: Option<String>,
    },
    /// The browser gives the node no files. It takes no part: whether a log in memory will do is for the page to decide.
    NoFiles {
        /// What the browser said.
        why: String,
    },
}

/// How long a Worker collects what happens before it reports, in wall milliseconds.
pub const REPORT_INTERVAL_MS: u32 = 16;

/// What a Worker is told to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Boot {
    /// Which member.
    pub id: NodeId,
    /// Every member, in rising order.
    pub members: Vec<NodeId>,
    /// How fast timers run.
    pub timing: Timing,
    /// Which rules hold.
    pub rules: Rules,
    /// After how many applied entries it takes a snapshot.
    pub compact_after: u64,
    /// Counts the boots of this member in this tab, so that messages of two boots are told apart.
    pub boot: u32,
    /// Which history of the cluster the node takes part in.
    pub epoch: Epoch,
    /// Seeds the node's random numbers; fresh at every boot.
    pub seed: u64,
    /// How virtual time runs, by the page's wall clock.
    pub clock: ClockSetting,
    /// How far the Worker's wall clock is ahead of the page's at least, in milliseconds: see [`crate::batch::Ahead`].
    pub ahead_ms_least: f64,
    /// The directory in the Origin Private File System in which the node keeps `node-ID.wal`; or why its log is to be in memory. All
    /// nodes of a cluster are told the same: one that forgets among others that do not is no member to count on.
    pub directory: Result<String, String>,
    /// How each direction from this node behaves.
    pub links: Vec<(NodeId, LinkSettings)>,
    /// Go on from here, and not from what the directory holds.
    pub resume: Option<Resume>,
}

/// Where a node goes on from, in place of what its directory holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// What its disk is to hold: one log file. None, if that is written already.
    pub file: Option<Vec<u8>>,
    /// The state that it was in, as [`crate::node::Node::save`] wrote it; none for one that did not run, and boots.
    pub state: Option<Vec<u8>>,
}

/// A place in what is recorded of a node, and what the node was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Which of the member's boots.
    pub boot: u32,
    /// After how many steps.
    pub steps: u64,
    /// The fingerprint of the whole state.
    pub fingerprint: u32,
}

/// What a person can do about a node that does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Remedy {
    /// Start it again.
    Restart,
    /// Empty its disk: another start would find the same damage.
    Wipe,
    /// Reload the page: its parts are not of one version.
    Reload,
}

/// Where a node keeps its log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Storage {
    /// In the Origin Private File System: it survives a crash and a reload.
    Opfs,
    /// In memory: it is gone with the Worker. Says why.
    Memory {
        /// Why it is not kept for longer.
        why: String,
    },
}

/// What a node found at boot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recovery {
    /// The term and vote.
    pub hard_state: HardState,
    /// What the snapshot stands for.
    pub snapshot_index: LogIndex,
    /// Where the log ends.
    pub last_index: LogIndex,
    /// Bytes read.
    pub bytes: u64,
    /// Bytes of an unacknowledged tail that were dropped.
    pub dropped_bytes: u64,
    /// How long it took to open and read, in wall milliseconds.
    pub wall_ms: f64,
}

/// Names a client's request on the page that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// What a client asks of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Open a session.
    OpenSession {
        /// Drawn at random by the client for this request alone: a part of the session's id.
        nonce: u64,
    },
    /// A write of a session.
    Write {
        /// The session.
        session: SessionId,
        /// Which of the session's writes it is; the same in every try.
        sequence: Sequence,
        /// What to do.
        write: Write,
    },
    /// A linearizable read.
    Read(Read),
}

/// What a node answers a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The session is open.
    SessionOpened(SessionId),
    /// The operation was done, or could not be: either way this is final.
    Answered(Result<Answer, QueueError>),
    /// The session is not known any more. Whether an earlier try of the same write was applied is unknown.
    SessionExpired,
    /// The session has moved on past this write.
    OutOfSequence {
        /// The write it takes next.
        next: Sequence,
    },
    /// This node does not lead. Nothing was done.
    NotLeader {
        /// The leader it knows.
        leader: Option<NodeId>,
    },
    /// This node led when it took the request but may not now. Ask again: a write is applied once.
    Lost {
        /// The leader it knows.
        leader: Option<NodeId>,
    },
    /// Too much is under way. Nothing was done.
    Busy,
}

/// What happened in a Worker since its last report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The node's virtual time when it reported.
    pub now: Instant,
    /// The node's state then.
    pub status: Status,
    /// What happened, in order.
    pub facts: Vec<(Instant, Fact)>,
    /// How the log changed, if it did.
    pub log: Option<LogPatch>,
    /// The queues as the node has applied them, if they changed.
    pub queues: Option<QueuesSummary>,
}

/// The log from `from` on is now `entries`, and ends there. What is before the status's snapshot index is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPatch {
    /// The first index that changed.
    pub from: LogIndex,
    /// What stands from there on.
    pub entries: Vec<Entry<Command>>,
}

/// A node's state, small enough to send often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The role it plays.
    pub role: Role,
    /// Its term.
    pub term: Term,
    /// Its vote in that term.
    pub voted_for: Option<NodeId>,
    /// The leader it knows.
    pub leader: Option<NodeId>,
    /// The last entry that its snapshot stands for.
    pub snapshot_index: LogIndex,
    /// Where its log ends.
    pub last_index: LogIndex,
    /// How far its log is durable.
    pub durable_index: LogIndex,
    /// The term and vote on its disk.
    pub durable_hard_state: HardState,
    /// How far it knows the log to be committed.
    pub commit_index: LogIndex,
    /// How far it has applied the log.
    pub last_applied: LogIndex,
    /// When its timer runs out.
    pub deadline: Instant,
    /// How long the timer was set for.
    pub timeout: Duration,
    /// The votes it has, as candidate or leader.
    pub votes: Vec<NodeId>,
    /// What it knows of its followers, as leader.
    pub progress: Vec<Progress>,
    /// Whether it stands still.
    pub paused: bool,
    /// Open sessions.
    pub sessions: u32,
    /// Bytes in its write-ahead log.
    pub disk_bytes: u64,
    /// Frames that did not decode, since boot.
    pub bad_frames: u64,
}

/// The queues, shortened for display.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuesSummary {
    /// How many queues there are.
    pub count: u64,
    /// The first [`QUEUES_SHOWN_MAX`] of them by id.
    pub queues: Vec<QueueSummary>,
}

/// One queue, shortened for display.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueSummary {
    /// Its label.
    pub label: Label,
    /// Its id.
    pub qid: QueueId,
    /// How many items it has.
    pub size: u64,
    /// The first [`ITEMS_SHOWN_MAX`] of them.
    pub items: Vec<i64>,
}

/// How many queues a summary shows.
pub const QUEUES_SHOWN_MAX: usize = 50;
/// How many items of a queue a summary shows.
pub const ITEMS_SHOWN_MAX: usize = 24;

/// Names a message between nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MessageId {
    /// Its sender.
    pub from: NodeId,
    /// Which boot of the sender.
    pub boot: u32,
    /// Counts that boot's messages.
    pub number: u64,
}

/// Something that happened, with its time beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// The core decided something.
    Raft(Event),
    /// A message was sent, and the link has decided its fate.
    Sent {
        /// The message.
        message: MessageId,
        /// Where it goes.
        to: NodeId,
        /// What it says.
        summary: MessageSummary,
        /// When it arrives, if it does.
        fate: Fate,
    },
    /// A message arrived and was taken.
    Received {
        /// The message.
        message: MessageId,
    },
    /// A message reached this node but not its core.
    Dropped {
        /// The message, if that much is known.
        message: Option<MessageId>,
        /// The node it came from.
        from: NodeId,
        /// Why.
        why: DropReason,
    },
    /// A client's request arrived.
    Requested {
        /// The request.
        request: RequestId,
        /// What was asked; none where a client opens a session.
        operation: Option<Operation>,
    },
    /// A client's request was answered.
    Replied {
        /// The request.
        request: RequestId,
        /// The answer.
        reply: Reply,
    },
    /// Somebody laid hands on a message on its way to this node.
    Altered {
        /// The message.
        message: MessageId,
        /// What was done.
        surgery: Surgery,
    },
    /// Bytes were made durable.
    Synced {
        /// How many.
        bytes: u64,
        /// How long that took, in wall microseconds.
        wall_us: u64,
    },
    /// More happened before this than one report carries; so many facts are not told.
    Omitted {
        /// How many.
        count: u64,
    },
}

/// A message at its receiver's door, before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arriving {
    /// Its name.
    pub message: MessageId,
    /// When it was sent.
    pub sent: Instant,
    /// When it arrives; never, while somebody holds it.
    pub arrives: Instant,
    /// What it says.
    pub summary: MessageSummary,
}

/// What a person does to a message on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Surgery {
    /// It never arrives.
    Drop,
    /// It does not arrive until it is released.
    Hold,
    /// It goes on, and arrives when it was to, or now if that is past.
    Release,
    /// It arrives twice.
    Duplicate,
    /// It arrives now.
    Deliver,
}

/// Why a message that reached a node did not reach its core.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DropReason {
    /// The link was cut while it was on the way.
    Cut,
    /// The frame did not decode; says how.
    BadFrame(String),
    /// It came from a node that is not a member, or is this node itself.
    NotAMember,
    /// Its sender is in another history of the cluster: one of the two has yet to be brought over.
    OtherEpoch,
    /// It says that another node than the one it came from sent it.
    WrongSender {
        /// That node.
        claimed: NodeId,
    },
    /// Too many bytes from that node wait for their time already.
    Full,
    /// Somebody took it away.
    ByHand,
}

/// What a message says, without its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessageSummary {
    /// A candidate asks for a vote.
    RequestVote {
        /// The candidate's term.
        term: Term,
        /// Where its log ends.
        last_log_index: LogIndex,
        /// The term of its last entry.
        last_log_term: Term,
    },
    /// The answer.
    Vote {
        /// The voter's term.
        term: Term,
        /// Whether it gave its vote.
        granted: bool,
    },
    /// A heartbeat: an append without entries.
    Heartbeat {
        /// The leader's term.
        term: Term,
        /// The place that the follower is to compare.
        prev_log_index: LogIndex,
        /// How far the leader knows the log to be committed.
        leader_commit: LogIndex,
    },
    /// An append with entries, `last` included.
    Append {
        /// The leader's term.
        term: Term,
        /// The place of its first entry.
        first: LogIndex,
        /// The place of its last entry.
        last: LogIndex,
        /// How far the leader knows the log to be committed.
        leader_commit: LogIndex,
    },
    /// An append or heartbeat matched.
    Matched {
        /// The follower's term.
        term: Term,
        /// Up to here.
        match_index: LogIndex,
    },
    /// An append was refused: the logs differ.
    Refused {
        /// The follower's term.
        term: Term,
        /// The place where they differ.
        prev_log_index: LogIndex,
        /// Where the leader should try next.
        conflict_index: LogIndex,
    },
    /// An append, or a part of a snapshot, of an older term was refused.
    StaleTerm {
        /// The follower's term.
        term: Term,
    },
    /// A part of a snapshot; without bytes, the question how far the follower has come.
    Snapshot {
        /// The leader's term.
        term: Term,
        /// The last entry it stands for.
        last_included_index: LogIndex,
        /// How many bytes.
        bytes: u64,
        /// Whether it ends with this part.
        done: bool,
    },
    /// So much of a snapshot is here.
    SnapshotReceived {
        /// The follower's term.
        term: Term,
        /// The last entry the snapshot stands for.
        last_included_index: LogIndex,
        /// How many bytes.
        bytes: u64,
    },
}

/// Everything about a node, for a person to keep. Its JSON is meant to be read: terms and places are plain numbers,
/// commands are spelt as a person types them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Which node.
    pub node: NodeId,
    /// When, in virtual microseconds.
    pub at_us: Instant,
    /// The role it plays.
    pub role: Role,
    /// Its term.
    pub term: Term,
    /// Its vote in that term.
    pub voted_for: Option<NodeId>,
    /// The leader it knows.
    pub leader: Option<NodeId>,
    /// How far it knows the log to be committed.
    pub commit_index: LogIndex,
    /// How far it has applied the log.
    pub last_applied: LogIndex,
    /// What its disk holds.
    pub durable: DurableState,
    /// What it knows of its followers, as leader.
    pub followers: Vec<Progress>,
    /// Open sessions.
    pub sessions: u32,
    /// Its queues, whole.
    pub queues: Vec<QueueSummary>,
    /// The last entry that its snapshot stands for.
    pub snapshot_index: LogIndex,
    /// Its log behind the snapshot, whole.
    pub log: Vec<DescribedEntry>,
}

/// What a node would remember if it crashed now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DurableState {
    /// The term.
    pub term: Term,
    /// The vote in that term.
    pub voted_for: Option<NodeId>,
    /// Where the log ends.
    pub last_index: LogIndex,
    /// Bytes in the write-ahead log.
    pub disk_bytes: u64,
}

/// One entry of a log, for a person to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DescribedEntry {
    /// Its place.
    pub index: LogIndex,
    /// The term of the leader that made it.
    pub term: Term,
    /// `push 1 42`, `open_session`, `no-op`.
    pub command: String,
    /// The session that wrote it, if one did, as people read it.
    pub session: Option<String>,
    /// Which of the session's writes it is.
    pub sequence: Option<Sequence>,
    /// Whether the node knows it to be committed.
    pub committed: bool,
}

impl MessageSummary {
    /// Its sender's term.
    pub fn term(&self) -> Term {
        match *self {
            MessageSummary::RequestVote { term, .. }
            | MessageSummary::Vote { term, .. }
            | MessageSummary::Heartbeat { term, .. }
            | MessageSummary::Append { term, .. }
            | MessageSummary::Matched { term, .. }
            | MessageSummary::Refused { term, .. }
            | MessageSummary::StaleTerm { term }
            | MessageSummary::Snapshot { term, .. }
            | MessageSummary::SnapshotReceived { term, .. } => term,
        }
    }

    /// A word or two for a picture; nothing for a heartbeat.
    pub fn label(&self) -> String {
        match *self {
            MessageSummary::RequestVote { .. } => "RequestVote".into(),
            MessageSummary::Vote { granted: true, .. } => "granted".into(),
            MessageSummary::Vote { granted: false, .. } | MessageSummary::Refused { .. } => "refused".into(),
            MessageSummary::Heartbeat { .. } => String::new(),
            MessageSummary::Append { first, last, .. } if first == last => format!("append {first}"),
            MessageSummary::Append { first, last, .. } => format!("append {first}–{last}"),
            MessageSummary::Matched { match_index, .. } => format!("has {match_index}"),
            MessageSummary::StaleTerm { .. } => "stale term".into(),
            MessageSummary::Snapshot {
                bytes: 0, done: false, ..
            } => "how far?".into(),
            MessageSummary::Snapshot { bytes, .. } => format!("snapshot, {bytes} B"),
            MessageSummary::SnapshotReceived { bytes, .. } => format!("has {bytes} B"),
        }
    }
}
