//! Marks on the lanes, the rail of faults, and broken promises.

use raft_core::NodeId;

use super::{OPERATIONS_MAX, Painter};
use crate::layout::{FAULT_ROW, FAULT_ROWS, LEFT, RIGHT};
use crate::record::{Filed, Mark, MarkKind};
use crate::subject::Subject;
use crate::surface::{Pen, Surface};

/// Up to how many appends and flushes in view are drawn.
const FINE_MAX: usize = 800;
/// Marks of one kind on one node that would stand closer are drawn once, in pixels.
const APART_PX: f64 = 2.0;

impl<S: Surface> Painter<'_, S> {
    pub(super) fn marks(&mut self) {
        let record = self.record;
        let (from, until) = (self.from, self.until);
        let within = |list: &Filed<Mark>| {
            let first = list.before(from);
            first..list.until(until).max(first)
        };
        let fine = within(&record.fine);
        if fine.len() <= FINE_MAX {
            for mark in record.fine.range(fine) {
                self.mark(&mark);
            }
        }
        for list in [&record.commits, &record.rare] {
            let window = within(list);
            let mut place = window.start;
            let mut drawn: Vec<(NodeId, std::mem::Discriminant<MarkKind>, f64)> = Vec::new();
            while place < window.end {
                let mark = list.get(place);
                let x = self.x(mark.at);
                let key = (mark.node, std::mem::discriminant(&mark.kind));
                // Marks of one kind that would cover one another are drawn once.
                let known = drawn.iter_mut().find(|(node, kind, _)| (*node, *kind) == key);
                match known {
                    Some((_, _, last)) if x - *last < APART_PX => {}
                    Some((_, _, last)) => {
                        *last = x;
                        self.mark(&mark);
                    }
                    None => {
                        drawn.push((key.0, key.1, x));
                        self.mark(&mark);
                    }
                }
                // With very many, the next that is looked at is a pixel on.
                place = if window.len() > 4 * FINE_MAX {
                    let next = self.axis.at(x - LEFT + APART_PX / 2.0);
                    list.before(next).max(place + 1)
                } else {
                    place + 1
                };
            }
        }
    }

    /// The commits that were marked, all at once: there are many.
    pub(super) fn draw_diamonds(&mut self) {
        let diamonds = std::mem::take(&mut self.diamonds);
        if diamonds.len() > FINE_MAX / 2 {
            // So many are a row of ticks.
            let ticks: Vec<[f64; 4]> = diamonds
                .iter()
                .map(|[top, right, ..]| [top.0 - 0.6, right.1 - 3.0, 1.2, 6.0])
                .collect();
            return self.surface.rectangles(Pen::new(&self.palette.ok), &ticks);
        }
        let polygons: Vec<&[(f64, f64)]> = diamonds.iter().map(|diamond| &diamond[..]).collect();
        self.surface.polygons(Pen::new(&self.palette.ok), &polygons);
    }

    pub(super) fn mark(&mut self, mark: &Mark) {
        if !self.scene.shows(mark) {
            return;
        }
        let (x, y) = (self.x(mark.at), self.layout.lane(mark.node));
        let lit = self.cone.as_ref().is_none_or(|cone| cone.has(mark.node, mark.at));
        let alpha = if lit { 1.0 } else { 0.25 };
        let palette = self.palette;
        let ink = Pen::new(&palette.ink).faded(alpha);
        match mark.kind {
            MarkKind::Committed { .. } if lit => {
                self.diamonds
                    .push([(x, y - 11.0), (x + 4.0, y - 7.0), (x, y - 3.0), (x - 4.0, y - 7.0)]);
            }
            MarkKind::Committed { .. } => {
                let diamond = [(x, y - 11.0), (x + 4.0, y - 7.0), (x, y - 3.0), (x - 4.0, y - 7.0)];
                self.surface.polygons(Pen::new(&palette.ok).faded(alpha), &[&diamond]);
            }
            MarkKind::Learned { .. } => {
                let diamond = [(x, y - 9.0), (x + 2.4, y - 6.6), (x, y - 4.2), (x - 2.4, y - 6.6)];
                self.surface
                    .polygons(Pen::new(&palette.ok).faded(alpha * 0.7), &[&diamond]);
            }
            MarkKind::Elected { .. } | MarkKind::Candidate { .. } | MarkKind::Deposed { .. } => {
                let triangle = [(x - 4.0, y - 6.0), (x + 4.0, y), (x - 4.0, y + 6.0)];
                let pen = if matches!(mark.kind, MarkKind::Elected { .. }) {
                    ink
                } else {
                    ink.faded(alpha * 0.55)
                };
                self.surface.polygons(pen, &[&triangle]);
            }
            MarkKind::Crashed | MarkKind::Lost => {
                let arms = [
                    [x - 4.0, y - 4.0, x + 4.0, y + 4.0],
                    [x + 4.0, y - 4.0, x - 4.0, y + 4.0],
                ];
                self.surface.lines(ink.wide(1.8), &arms);
            }
            MarkKind::Booted { .. } => self.surface.lines(ink.wide(1.4), &[[x, y - 6.0, x, y + 6.0]]),
            MarkKind::Truncated { .. } => {
                let triangle = [(x - 4.0, y + 3.0), (x + 4.0, y + 3.0), (x, y + 9.0)];
                self.surface.polygons(Pen::new(&palette.dim).faded(alpha), &[&triangle]);
            }
            MarkKind::Appended { .. } => self
                .surface
                .rectangle(ink.faded(alpha * 0.55), [x - 0.7, y + 3.0, 1.4, 5.0]),
            MarkKind::Synced { .. } => {
                self.surface
                    .rectangle(Pen::new(&palette.dim).faded(alpha * 0.8), [x - 1.5, y + 8.0, 3.0, 2.0]);
            }
        }
        let low = matches!(
            mark.kind,
            MarkKind::Appended { .. } | MarkKind::Synced { .. } | MarkKind::Truncated { .. }
        );
        let top = if low { y + 2.0 } else { y - 9.0 };
        self.area([x - 3.0, top, 6.0, if low { 8.0 } else { 12.0 }], Subject::Mark(*mark));
    }

    /// The rail of faults, packed into few rows.
    pub(super) fn faults(&mut self) {
        if self.scene.hidden.faults {
            return;
        }
        let record = self.record;
        let (from, until) = (self.from, self.until);
        let in_view = record
            .faults
            .iter()
            .filter(|fault| fault.from <= until && fault.until.is_none_or(|end| end >= from));
        let mut taken = [f64::MIN; FAULT_ROWS];
        let mut drawn = 0;
        for fault in in_view {
            let a = self.x(fault.from);
            let b = self.x(fault.until.unwrap_or(self.now)).max(a + 2.0);
            let free = taken.iter().position(|&end| end <= a);
            let row = free.unwrap_or(FAULT_ROWS - 1);
            // What would cover another within a pixel is not drawn again.
            if (free.is_none() && b <= taken[row]) || drawn >= OPERATIONS_MAX {
                continue;
            }
            drawn += 1;
            taken[row] = taken[row].max(b + 1.0);
            let y = self.layout.faults + row as f64 * FAULT_ROW;
            let palette = self.palette;
            self.surface
                .rectangle(Pen::new(&palette.warn).faded(0.2), [a, y, b - a, 12.0]);
            let left = a.max(LEFT);
            if free.is_some() {
                self.text_within(
                    Pen::new(&palette.ink),
                    &fault.text,
                    left + 6.0,
                    y + 10.0,
                    b - left - 8.0,
                );
            }
            self.area([a, y, b - a, 12.0], Subject::Fault(fault.clone()));
        }
    }

    pub(super) fn violations(&mut self) {
        let record = self.record;
        let (from, until) = (self.from, self.until);
        let y = self.layout.violations;
        let palette = self.palette;
        let inside = record.violations.iter().filter(|(at, _)| (from..=until).contains(at));
        let mut any = false;
        for (at, text) in inside {
            any = true;
            let x = self.x(*at);
            let pen = Pen::new(&palette.bad);
            self.surface
                .rectangle(pen.faded(0.5), [x - 0.75, self.layout.axis, 1.5, y - self.layout.axis]);
            self.surface.rectangle(pen, [x - 4.0, y, 8.0, 13.0]);
            self.text_within(pen, text, x + 8.0, y + 10.0, self.width - RIGHT - x - 12.0);
            self.area([x - 4.0, y, 8.0, 13.0], Subject::Violation(*at, text.clone()));
        }
        if !any {
            let left = self.x(self.record.first()).max(LEFT);
            let right = self.x(self.now).min(self.width - RIGHT);
            if right > left {
                self.surface
                    .rectangle(Pen::new(&palette.ok).faded(0.35), [left, y + 6.0, right - left, 1.5]);
            }
        }
    }
}
