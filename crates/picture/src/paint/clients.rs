//! Operations of clients.

use raft_core::Instant;

use super::{BAR_LETTER_PX, OPERATIONS_MAX, Painter};
use crate::layout::{CLIENT_ROW, CLIENT_ROWS, LEFT};
use crate::record::ClientOperation;
use crate::subject::Subject;
use crate::surface::{Pen, Surface};

impl<S: Surface> Painter<'_, S> {
    /// Client operations, packed into few rows; what finds no room is counted.
    pub(super) fn clients(&mut self) -> usize {
        if self.scene.hidden.clients {
            return 0;
        }
        /// One that took longer is not found by an instant before its last minute.
        const LONGEST_US: u64 = 60_000_000;
        let record = self.record;
        let list = &record.operations;
        let first = list.before(self.from);
        let end = list.until(Instant(self.until.0.saturating_add(LONGEST_US)));
        let stride = (end.saturating_sub(first) / OPERATIONS_MAX).max(1);
        let mut left_out = 0;
        let mut operations: Vec<ClientOperation> = Vec::new();
        let mut place = first;
        while place < end {
            let operation = list.get(place);
            if operation.invoked <= self.until && self.scene.client.is_none_or(|client| client == operation.client) {
                operations.push(operation);
                left_out += stride.min(end - place) - 1;
            }
            place += stride;
        }
        operations.extend(record.waiting.values().copied().filter(|operation| {
            operation.invoked <= self.until && self.scene.client.is_none_or(|client| client == operation.client)
        }));
        operations.sort_by_key(|operation| operation.invoked);
        let mut taken = [f64::MIN; CLIENT_ROWS];
        for operation in operations {
            let (a, b) = (self.x(operation.invoked), self.x(operation.end(self.now)));
            let Some(row) = taken.iter().position(|&end| end <= a) else {
                left_out += 1;
                continue;
            };
            taken[row] = b.max(a + 2.0) + 1.0;
            self.operation(
                &operation,
                a,
                b.max(a + 2.0),
                self.layout.clients + row as f64 * CLIENT_ROW,
            );
        }
        left_out
    }

    pub(super) fn operation(&mut self, operation: &ClientOperation, a: f64, b: f64, y: f64) {
        let palette = self.palette;
        let colour = if operation.is_well() {
            &palette.accent
        } else {
            &palette.dim
        };
        let pen = Pen::new(colour);
        if b - a < 4.0 {
            // Too thin for two ends, a tick and a text.
            self.surface.rectangle(pen.faded(0.6), [a, y, b - a, 16.0]);
            return self.area([a, y, b - a, 16.0], Subject::Operation(*operation));
        }
        self.surface.rectangle(pen.faded(0.18), [a, y, b - a, 16.0]);
        self.surface.rectangle(pen, [a, y, 1.5, 16.0]);
        // An operation that has had no answer has no end either.
        if let Some(returned) = operation.returned {
            self.surface.rectangle(pen, [b - 1.5, y, 1.5, 16.0]);
            self.commit_tick(operation, returned, y);
        }
        let left = a.max(LEFT);
        if b - left > 34.0 {
            // What was asked goes first where there is no room for both.
            let room = b - left - 10.0;
            let text = operation.text();
            let fits = text.chars().count() as f64 * BAR_LETTER_PX <= room;
            let text = if fits { text } else { operation.operation.to_string() };
            self.text_within(pen, &text, left + 6.0, y + 12.0, room);
        }
        self.area([a, y, b - a, 16.0], Subject::Operation(*operation));
    }

    /// A tick where the write was committed: the last commit before its answer.
    pub(super) fn commit_tick(&mut self, operation: &ClientOperation, returned: Instant, y: f64) {
        if !matches!(operation.operation, ftqueue::Operation::Write(_)) {
            return;
        }
        let commits = &self.record.commits;
        let commit = commits
            .until(returned)
            .checked_sub(1)
            .map(|place| commits.get(place).at);
        if let Some(at) = commit.filter(|at| *at >= operation.invoked) {
            let x = self.x(at);
            self.surface
                .rectangle(Pen::new(&self.palette.ok), [x - 0.75, y + 10.0, 1.5, 6.0]);
        }
    }
}
