//! What a person does to a cluster, as data: in the present, in a branch of the past, in a link, in a test.

use std::fmt;

use cluster::host::{MessageId, Surgery};
use ftqueue::Operation;
use netem::LinkSettings;
use raft_core::{NodeId, Timing};
use serde::{Deserialize, Serialize};

/// Something that is done to a cluster at an instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Act {
    /// A node loses power.
    Crash(NodeId),
    /// It starts again, with what its disk holds.
    Start(NodeId),
    /// Its disk is emptied; it runs no longer, if it ran.
    Wipe(NodeId),
    /// It stands still, or goes on.
    SetPaused(NodeId, bool),
    /// The direction of a link behaves like this from now on.
    SetLink {
        /// Where it begins.
        from: NodeId,
        /// Where it leads.
        to: NodeId,
        /// How it behaves.
        settings: LinkSettings,
    },
    /// Every node has these timers from now on.
    SetTiming(Timing),
    /// Hands are laid on a message on its way to `to`.
    Operate {
        /// Its receiver.
        to: NodeId,
        /// Which message.
        message: MessageId,
        /// What is done to it.
        surgery: Surgery,
    },
    /// A node's timer runs out.
    FireTimer(NodeId),
    /// A client is to do this.
    Submit(Operation),
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Act::Crash(node) => write!(f, "crash {node}"),
            Act::Start(node) => write!(f, "start {node}"),
            Act::Wipe(node) => write!(f, "wipe {node}"),
            Act::SetPaused(node, true) => write!(f, "pause {node}"),
            Act::SetPaused(node, false) => write!(f, "resume {node}"),
            Act::SetLink { from, to, settings } if settings.cut => write!(f, "cut {from} → {to}"),
            Act::SetLink { from, to, .. } => write!(f, "open {from} → {to}"),
            Act::SetTiming(timing) => write!(
                f,
                "elections after {:.0}–{:.0} ms",
                timing.election_min.as_millis_f64(),
                timing.election_max.as_millis_f64()
            ),
            Act::Operate { to, message, surgery } => {
                let done = match surgery {
                    Surgery::Drop => "drop",
                    Surgery::Hold => "hold",
                    Surgery::Release => "release",
                    Surgery::Duplicate => "duplicate",
                    Surgery::Deliver => "deliver",
                };
                write!(f, "{done} a message {} → {to}", message.from)
            }
            Act::FireTimer(node) => write!(f, "fire the timer of {node}"),
            Act::Submit(operation) => write!(f, "{operation}"),
        }
    }
}
