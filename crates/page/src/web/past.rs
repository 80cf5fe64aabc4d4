//! An instant that is not the present, in the shape in which panels show the present.

use cluster::host::LogPatch;
use raft_core::{Instant, LogIndex};
use trace::lockstep::Shown;

use crate::model::{Flight, Model, Power};

/// An instant of some run.
pub(super) struct Past {
    /// What the host told of it.
    pub(super) shown: Shown,
    /// The same, as panels read it.
    pub(super) model: Model,
}

impl Past {
    /// What was shown; where nodes keep their logs, `live` knows.
    pub(super) fn new(shown: Shown, live: &Model) -> Past {
        let mut model = Model::new(shown.nodes.iter().map(|node| node.id));
        for node in &shown.nodes {
            let storage = live.node(node.id).and_then(|node| node.storage.clone());
            model.set(node.id, |seat| {
                seat.power = if node.status.is_some() { Power::On } else { Power::Off };
                seat.boot = node.boot;
                seat.storage = storage;
                seat.status = node.status.clone();
                let LogPatch { from, entries } = &node.log;
                seat.snapshot_index = LogIndex(from.0 - 1);
                seat.log.clone_from(entries);
                seat.queues = node.queues.clone();
            });
            for arriving in node
                .arriving
                .iter()
                .filter(|arriving| arriving.arrives < Instant::NEVER)
            {
                model.flights.insert(Flight {
                    id: arriving.message,
                    to: node.id,
                    sent: arriving.sent,
                    ends: arriving.arrives,
                    arrives: true,
                    summary: arriving.summary,
                });
            }
        }
        Past { shown, model }
    }
}
