//! What goes into a node and what comes out of it: what its host tells it, and what it asks of its host.

use std::fmt;

use netem::LinkSettings;
use raft_core::{Config, Instant, NodeId, Term, Timing};
use serde::{Deserialize, Serialize};

use crate::Epoch;
use crate::host::{Boot, MessageId, Reply, Request, RequestId, Surgery};
use crate::wal;

/// What a node is told at boot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeConfig {
    /// What its core is told.
    pub raft: Config,
    /// Counts the boots of this member, so that messages of two boots are told apart.
    pub boot: u32,
    /// Which history of the cluster it takes part in: its log and its peers' frames must be of the same.
    pub epoch: Epoch,
    /// How each direction from this node behaves. A direction that is not named is perfect.
    pub links: Vec<(NodeId, LinkSettings)>,
}

/// Names one flush that a node asks for. Counts them from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WriteId(pub u64);

/// Something that happens to a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum NodeInput {
    /// Time has passed: messages arrive whose time has come, and then timers run out. Has an effect only at or after
    /// [`Node::deadline`](super::Node::deadline).
    Tick,
    /// Bytes came from a peer. The node itself keeps them until their time.
    Arrive {
        /// The peer whose port they came from.
        from: NodeId,
        /// The bytes, as that peer's outbox held them.
        bytes: Vec<u8>,
    },
    /// All bytes up to this write are flushed.
    Synced {
        /// The write.
        write: WriteId,
        /// How long the flush took, in wall microseconds; only told on.
        wall_us: u64,
    },
    /// A client asks for something.
    Request {
        /// Names the request in its reply.
        request: RequestId,
        /// What it asks.
        body: Request,
    },
    /// The direction to a peer behaves like this from now on.
    SetLink {
        /// The peer.
        peer: NodeId,
        /// How it behaves.
        settings: LinkSettings,
    },
    /// Whether the direction from a peer is cut: what is on the way does not arrive then.
    SetInbound {
        /// The peer.
        peer: NodeId,
        /// Whether it is cut.
        cut: bool,
    },
    /// Timers have been changed by hand.
    SetTiming(Timing),
    /// Stand still, as a stopped process does, or go on. Frames and requests wait meanwhile.
    SetPaused(bool),
    /// Somebody lays hands on a message that is on its way to this node.
    Operate {
        /// The message. If it is not on its way any more, nothing happens.
        message: MessageId,
        /// What is done to it.
        surgery: Surgery,
    },
    /// The timer runs out now, whenever it was to: a follower stands for election, a leader sends heartbeats.
    FireTimer,
}

/// What a step asks of its host. Fields are appended to, so that one outbox can serve many steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeOutbox {
    /// Go on in this one of the two log files. Asked for at boot only, and before anything is appended.
    pub open_disk: Option<OpenDisk>,
    /// Go on in the other log file: empty it, and put `disk` there.
    pub switch_disk: bool,
    /// Bytes to append to the log file in use.
    pub disk: Vec<u8>,
    /// Flush the log file once they are appended, then empty the one that is not in use, and say so by
    /// [`NodeInput::Synced`].
    pub sync: Option<WriteId>,
    /// Bytes for peers, to be posted at once: the links have decided already.
    pub frames: Vec<(NodeId, Vec<u8>)>,
    /// Answers to requests.
    pub replies: Vec<(RequestId, Reply)>,
    /// The node has become leader of this term.
    pub leading: Option<Term>,
    /// The latest time at which a peer is known to have been, for a clock that has fallen behind.
    pub witnessed: Option<Instant>,
}

/// Which log file to go on in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenDisk {
    /// The file, 0 or 1.
    pub file: usize,
    /// How much of it to keep, in bytes.
    pub keep: u64,
    /// The last of the bytes to keep, to be written once more in their place: a flush of them may have failed, and another would
    /// not make durable what only a cache shows.
    pub again: Vec<u8>,
}

impl NodeOutbox {
    /// Empties the outbox, keeping its memory.
    pub fn clear(&mut self) {
        let NodeOutbox {
            open_disk,
            switch_disk,
            disk,
            sync,
            frames,
            replies,
            leading,
            witnessed,
        } = self;
        disk.clear();
        frames.clear();
        replies.clear();
        (*open_disk, *switch_disk) = (None, false);
        (*sync, *leading, *witnessed) = (None, None, None);
    }
}

/// Why a node cannot boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootError {
    /// Its log is damaged, or another's.
    Log(wal::Damage),
    /// Its core refuses what it was told, or what the log holds.
    Core(raft_core::BootError),
}

impl From<&Boot> for NodeConfig {
    fn from(boot: &Boot) -> NodeConfig {
        let raft = Config {
            id: boot.id,
            members: boot.members.clone(),
            timing: boot.timing,
            seed: boot.seed,
            rules: boot.rules,
            compact_after: boot.compact_after,
        };
        NodeConfig {
            raft,
            boot: boot.boot,
            epoch: boot.epoch,
            links: boot.links.clone(),
        }
    }
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BootError::Log(damage) => write!(f, "{damage}"),
            BootError::Core(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for BootError {}
