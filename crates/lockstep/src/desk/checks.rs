//! States that nodes say they are in, held against what the tape makes of the same instant.

use cluster::host::Recorded;
use raft_core::NodeId;
use trace::lockstep::LIVE;

use super::Desk;
use crate::made;

/// How long the tape may take to come there, in wall milliseconds: what a Worker took just before its end never comes.
const PATIENCE_MS: f64 = 30_000.0;

/// A state that a node says it is in.
pub(super) struct Check {
    pub(super) node: NodeId,
    pub(super) recorded: Recorded,
    pub(super) request: u64,
    /// Since when it waits, in wall milliseconds, once a frame has told.
    pub(super) since_ms: Option<f64>,
}

impl Desk {
    /// Answers those who asked about states that have been recorded by now.
    pub(super) fn check(&mut self) {
        let Some(live) = self.runs.get(&LIVE) else { return };
        let tape = &live.chronicle.tape;
        let is_there =
            |check: &mut Check| tape.steps_done(check.node, check.recorded.boot) as u64 >= check.recorded.steps;
        let answers: Vec<(u64, Vec<u8>)> = self
            .checks
            .extract_if(.., is_there)
            .map(
                |Check {
                     node,
                     recorded,
                     request,
                     ..
                 }| {
                    let Recorded {
                        boot,
                        steps,
                        fingerprint,
                    } = recorded;
                    let again = tape.node_after(node, boot, steps as usize);
                    (
                        request,
                        made::check(steps, fingerprint, again.map(|node| node.fingerprint())),
                    )
                },
            )
            .collect();
        for (request, bytes) in answers {
            self.answer(&format!("check {request}"), bytes);
        }
    }

    /// Answers those who have waited too long.
    pub(super) fn give_up_checks(&mut self, wall_ms: f64) {
        self.refuse_checks(
            "the recorder was not told all that this node took, and cannot make it again",
            |check| wall_ms - *check.since_ms.get_or_insert(wall_ms) >= PATIENCE_MS,
        );
    }

    /// Answers those for whom nothing can come any more.
    pub(super) fn refuse_checks(&mut self, why: &str, which: impl FnMut(&mut Check) -> bool) {
        let refused: Vec<u64> = self.checks.extract_if(.., which).map(|check| check.request).collect();
        for request in refused {
            self.answer(&format!("check {request}"), made::refused(why));
        }
    }
}
