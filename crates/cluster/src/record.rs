//! What went into a node, from its boot on: enough to make the same node again, as it was at any instant.
//!
//! A node is a function of its inputs, so it is not its states that are kept but what it was told, and when. Whoever wants to see
//! an instant boots a node with the same bytes on its disk and tells it the same.

use std::fmt;

use raft_core::{Instant, NodeId};
use serde::{Deserialize, Serialize};

use crate::node::{BootError, Node, NodeConfig, NodeInput, NodeOutbox};

/// One life of a node: its boot, and what it was told after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Life {
    /// What it was told at boot.
    pub config: NodeConfig,
    /// What its disk held then: both files of its log.
    pub disk: [Vec<u8>; 2],
    /// When it booted.
    pub started: Instant,
    /// What it was told since, in order.
    pub steps: Vec<Step>,
}

/// One call of a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Step {
    /// [`Node::take`], at this instant.
    Take(Instant, NodeInput),
    /// [`Node::flush`].
    Flush,
}

impl Step {
    /// When, if it says so: a flush is of the same instant as what was taken before it.
    pub fn at(&self) -> Option<Instant> {
        match self {
            Step::Take(at, _) => Some(*at),
            Step::Flush => None,
        }
    }
}

/// What a node's host sends while it runs, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Piece {
    /// The node has begun to run.
    Began {
        /// As what.
        origin: Origin,
        /// When.
        at: Instant,
    },
    /// It was told this.
    Steps(Vec<Step>),
    /// It runs no longer.
    Ended {
        /// Since when.
        at: Instant,
    },
}

/// What a life begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Origin {
    /// A boot.
    Disk {
        /// What the node was told.
        config: NodeConfig,
        /// What its disk held: both files of its log.
        files: [Vec<u8>; 2],
        /// What became of what the member's earlier boots had promised.
        durability: Durability,
    },
    /// A state that was saved, of another life.
    State(Vec<u8>),
}

/// What a node's storage did with what its earlier boots had promised. Whoever judges a run must know it: a node that forgets by design
/// or by a person's hand breaks no rule by that, and yet what it had promised is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Durability {
    /// It is kept in files that outlive the node: all that was acknowledged is to be found again.
    #[default]
    Kept,
    /// It was kept in memory, and is gone with the boot before: every boot begins with nothing, by design.
    Memory,
    /// The files were there for an earlier boot and are gone: the disk was wiped by hand, or the site's data was cleared.
    Cleared,
}

impl Durability {
    /// Whether this boot may lack what an earlier one had promised, with nobody at fault.
    pub fn forgets(self) -> bool {
        self != Durability::Kept
    }
}

/// A piece, and whose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// The member.
    pub node: NodeId,
    /// Which of its boots.
    pub boot: u32,
    /// What it tells.
    pub piece: Piece,
}

impl Life {
    /// A life that begins, of a node that is booted with the same.
    pub fn new(config: NodeConfig, disk: [Vec<u8>; 2], started: Instant) -> Life {
        Life {
            config,
            disk,
            started,
            steps: Vec::new(),
        }
    }

    /// How many steps there were up to `until`, those at that very instant included.
    pub fn steps_until(&self, until: Instant) -> usize {
        let later = |step: &Step| matches!(step, Step::Take(at, _) if *at > until);
        self.steps.iter().position(later).unwrap_or(self.steps.len())
    }

    /// The node as it was after so many steps.
    ///
    /// # Errors
    /// It refuses to boot, as it did then.
    pub fn replay(&self, steps: usize) -> Result<Node, BootError> {
        let mut out = NodeOutbox::default();
        let disk = [&self.disk[0][..], &self.disk[1]];
        let (mut node, _) = Node::boot(self.config.clone(), disk, self.started, &mut out)?;
        for step in self.steps.iter().take(steps) {
            match step {
                Step::Take(at, input) => node.take(*at, input.clone(), &mut out),
                Step::Flush => node.flush(&mut out),
            }
            out.clear();
        }
        Ok(node)
    }
}

/// Where a node keeps what it is told, until its host takes it away. Nobody's state: two nodes that differ in this only are the
/// same.
#[derive(Clone, Default)]
pub(crate) struct Recorder {
    steps: Option<Vec<Step>>,
    /// How many steps were taken away.
    taken: u64,
    /// Whether anything was taken since the last flush.
    unflushed: bool,
}

impl Recorder {
    pub(crate) fn begin(&mut self) {
        self.steps.get_or_insert_default();
    }

    pub(crate) fn took(&mut self, at: Instant, input: &NodeInput) {
        if let Some(steps) = &mut self.steps {
            steps.push(Step::Take(at, input.clone()));
            self.unflushed = true;
        }
    }

    pub(crate) fn flushed(&mut self) {
        // A flush after which nothing was taken does nothing more.
        if let (Some(steps), true) = (&mut self.steps, std::mem::take(&mut self.unflushed)) {
            steps.push(Step::Flush);
        }
    }

    /// How many steps there were in all.
    pub(crate) fn count(&self) -> u64 {
        self.taken + self.steps.as_ref().map_or(0, Vec::len) as u64
    }

    pub(crate) fn take(&mut self) -> Vec<Step> {
        let steps = self.steps.as_mut().map(std::mem::take).unwrap_or_default();
        self.taken += steps.len() as u64;
        steps
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recorder")
    }
}
