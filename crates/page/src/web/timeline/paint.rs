//! Draws the timeline. Only what is in view is looked at, and no more arrows are drawn than can be told apart.

use raft_core::{Instant, MEMBERS_MAX, NodeId, Role, Term};
use web_sys::CanvasRenderingContext2d;

use super::hit::{Shapes, Subject};
use super::layout::{CLIENT_ROW, CLIENT_ROWS, FAULT_ROW, FAULT_ROWS, LEFT, Layout, RIGHT};
use crate::model::{ClientOperation, Fault, Flight, FlightEnd, MarkKind, Model, Span, Viewport};
use crate::web::canvas::{Palette, dashes, line};

/// How many messages are drawn as arrows; where more are in view, of those that would touch one another some are left out.
const ARROWS_MAX: usize = 3_000;
/// Up to how many arrows in view carry their names.
const LABELLED_MAX: usize = 160;
/// The width of a letter of a label, near enough to see whether there is room.
const LETTER_PX: f64 = 5.4;
/// The same for what is written in bars.
const BAR_LETTER_PX: f64 = 6.0;
/// How many hues terms have.
const TERM_HUES: u64 = 5;
/// More than any member's number.
const LANES: usize = MEMBERS_MAX + 1;
/// How many shapes marks have.
const MARK_SHAPES: usize = 5;
/// How wide a bar of the heartbeats' strip is.
const BIN_PX: f64 = 3.0;

const FONT: &str = "11px system-ui, sans-serif";
const SMALL: &str = "10px system-ui, sans-serif";

/// One drawing of the timeline.
pub(super) struct Painter<'a> {
    pub(super) context: &'a CanvasRenderingContext2d,
    pub(super) palette: &'a Palette,
    pub(super) model: &'a Model,
    /// What clients wait for.
    pub(super) under_way: &'a [ClientOperation],
    pub(super) layout: &'a Layout,
    pub(super) viewport: &'a Viewport,
    pub(super) now: Instant,
    pub(super) width: f64,
    pub(super) shapes: &'a mut Shapes,
}

impl Painter<'_> {
    /// Draws everything; `chosen` is lit.
    pub(super) fn paint(&mut self, chosen: Option<&Subject>) {
        self.shapes.clear();
        self.context.set_text_baseline("alphabetic");
        self.context.set_font(FONT);
        self.axis();
        self.names();
        self.context.save();
        self.context.begin_path();
        self.context
            .rect(LEFT, 0.0, (self.width - LEFT - RIGHT).max(0.0), self.layout.height);
        self.context.clip();
        self.terms();
        let left_out = self.clients();
        self.lanes();
        self.flights();
        self.marks();
        self.faults();
        self.not_kept();
        if let Some(chosen) = chosen {
            self.chosen(chosen);
        }
        self.now_line();
        self.context.restore();
        if left_out > 0 {
            self.fill(&self.palette.faint);
            self.text(
                &format!("+ {left_out} more"),
                10.0,
                self.layout.clients + 12.0 + CLIENT_ROW,
            );
        }
    }

    fn x(&self, at: Instant) -> f64 {
        LEFT + self.viewport.x(at)
    }

    fn fill(&self, colour: &str) {
        self.context.set_fill_style_str(colour);
    }

    fn stroke(&self, colour: &str, width: f64) {
        self.context.set_stroke_style_str(colour);
        self.context.set_line_width(width);
    }

    fn text(&self, text: &str, x: f64, y: f64) {
        let _ = self.context.fill_text(text, x, y);
    }

    /// Writes where there is room for it, and leaves out what does not fit.
    fn text_within(&self, text: &str, x: f64, y: f64, room: f64) {
        let letters = (room / BAR_LETTER_PX).floor();
        if letters >= text.chars().count() as f64 {
            self.text(text, x, y);
        } else if letters >= 5.0 {
            let short: String = text.chars().take(letters as usize - 1).collect();
            self.text(&format!("{short}…"), x, y);
        }
    }

    fn axis(&self) {
        let bottom = self.layout.height - 4.0;
        for tick in self.viewport.ticks(86.0) {
            let x = LEFT + tick.x;
            self.fill(&self.palette.line);
            self.context
                .fill_rect(x.round(), self.layout.axis - 4.0, 1.0, bottom - self.layout.axis);
            self.fill(&self.palette.faint);
            let width = tick.label.len() as f64 * 6.0;
            if x - width / 2.0 > LEFT - 30.0 {
                self.text(&tick.label, x - width / 2.0, self.layout.axis - 8.0);
            }
        }
    }

    fn names(&self) {
        self.fill(&self.palette.dim);
        let layout = self.layout;
        self.text("seconds", 10.0, layout.axis - 8.0);
        self.text("term", 10.0, layout.term + 11.0);
        self.text("clients", 10.0, layout.clients + 12.0);
        self.text("heartbeats", 10.0, layout.heartbeats + 9.0);
        self.text("faults", 10.0, layout.faults + 10.0);
        for &node in layout.members() {
            self.text(&node.to_string(), 10.0, layout.lane(node) + 4.0);
        }
    }

    /// The band of terms: who led when, and when nobody did.
    fn terms(&mut self) {
        let (from, until) = (self.viewport.start(), self.viewport.end());
        let mut reigns: Vec<(NodeId, Span)> = Vec::new();
        for &node in self.layout.members() {
            let led = self
                .model
                .history
                .spans_between(node, from, until)
                .filter(|span| span.role == Role::Leader);
            reigns.extend(led.map(|span| (node, *span)));
        }
        by_time(&mut reigns, |(_, span)| span.from);
        let y = self.layout.term;
        let mut free_from = self.model.history.first().max(from);
        for (node, span) in reigns {
            let (a, b) = (self.x(span.from), self.x(span.until.unwrap_or(self.now)));
            self.gap(free_from, span.from);
            free_from = free_from.max(span.until.unwrap_or(self.now));
            self.fill(self.palette.term(span.term));
            self.context.set_global_alpha(0.22);
            self.context.fill_rect(a, y, (b - a).max(1.0), 14.0);
            self.context.set_global_alpha(1.0);
            let left = a.max(LEFT);
            self.text_within(
                &format!("{} · {node}", span.term),
                left + 6.0,
                y + 11.0,
                b - left - 10.0,
            );
            self.shapes.area(a, y, b - a, 14.0, Subject::Span(node, span));
        }
        self.gap(free_from, self.now.min(until));
    }

    fn gap(&self, from: Instant, until: Instant) {
        let (a, b) = (self.x(from).max(LEFT), self.x(until));
        if b - a > 60.0 && until > from {
            self.fill(&self.palette.dim);
            let text = format!("no leader, {:.0} ms", until.since(from).as_millis_f64());
            self.text_within(&text, a + 6.0, self.layout.term + 11.0, b - a - 10.0);
        }
    }

    /// Client operations, packed into few rows; what finds no room is counted.
    fn clients(&mut self) -> usize {
        let (from, until) = (self.viewport.start(), self.viewport.end());
        let (model, waiting) = (self.model, self.under_way);
        let mut operations: Vec<&ClientOperation> = model.history.operations_between(from, until).collect();
        operations.extend(
            waiting
                .iter()
                .filter(|operation| operation.invoked <= until && operation.returned >= from),
        );
        by_time(&mut operations, |operation| operation.invoked);
        let mut taken = [f64::MIN; CLIENT_ROWS];
        let mut left_out = 0;
        for operation in operations {
            let (a, b) = (self.x(operation.invoked), self.x(operation.returned));
            let Some(row) = taken.iter().position(|&end| end <= a) else {
                left_out += 1;
                continue;
            };
            taken[row] = b.max(a + 2.0) + 1.0;
            self.operation(
                operation,
                a,
                b.max(a + 2.0),
                self.layout.clients + row as f64 * CLIENT_ROW,
            );
        }
        left_out
    }

    fn operation(&mut self, operation: &ClientOperation, a: f64, b: f64, y: f64) {
        let colour = if operation.ok {
            &self.palette.accent
        } else {
            &self.palette.dim
        };
        self.fill(colour);
        self.context.set_global_alpha(0.18);
        self.context.fill_rect(a, y, b - a, 16.0);
        self.context.set_global_alpha(1.0);
        self.context.fill_rect(a, y, 1.5, 16.0);
        // An operation that has had no answer has no end either.
        if operation.tries > 0 {
            self.context.fill_rect(b - 1.5, y, 1.5, 16.0);
        }
        let left = a.max(LEFT);
        if b - left > 34.0 {
            // The answer goes first where there is no room for both.
            let room = b - left - 10.0;
            let fits = operation.text.chars().count() as f64 * BAR_LETTER_PX <= room;
            let asked = operation.text.split(" → ").next().unwrap_or_default();
            self.text_within(if fits { &operation.text } else { asked }, left + 6.0, y + 12.0, room);
        }
        self.shapes
            .area(a, y, b - a, 16.0, Subject::Operation(operation.clone()));
    }

    /// Each node's lane: its role by thickness, its term by hue; dashed while it is down.
    fn lanes(&mut self) {
        let (from, until) = (self.viewport.start(), self.viewport.end());
        for &node in self.layout.members() {
            let y = self.layout.lane(node);
            let spans: Vec<Span> = self.model.history.spans_between(node, from, until).copied().collect();
            self.down(node, y, &spans);
            let mut drawn_to = f64::MIN;
            for span in spans {
                let (a, b) = (
                    self.x(span.from),
                    self.x(span.until.unwrap_or(self.now)).max(self.x(span.from) + 1.0),
                );
                // Where many elections share a pixel, the first stands for all.
                if b <= drawn_to + 0.5 {
                    continue;
                }
                drawn_to = b;
                let (height, alpha) = match span.role {
                    Role::Leader => (11.0, 0.95),
                    Role::Candidate => (7.0, 0.75),
                    Role::Follower => (3.0, 0.55),
                };
                self.fill(self.palette.term(span.term));
                self.context.set_global_alpha(alpha);
                self.context.fill_rect(a, y - height / 2.0, b - a, height);
                self.context.set_global_alpha(1.0);
                self.shapes
                    .area(a, y - height / 2.0, b - a, height, Subject::Span(node, span));
            }
        }
    }

    fn down(&self, node: NodeId, y: f64, spans: &[Span]) {
        let up = |at: Instant| {
            spans
                .iter()
                .any(|span| span.from <= at && span.until.is_none_or(|until| until > at))
        };
        self.stroke(&self.palette.faint, 1.0);
        dashes(self.context, &[3.0, 4.0]);
        let mut free_from = self.viewport.start();
        for span in spans {
            if span.from > free_from && !up(free_from) {
                line(self.context, (self.x(free_from), y), (self.x(span.from), y));
            }
            free_from = free_from.max(span.until.unwrap_or(self.now));
        }
        let end = self.now.min(self.viewport.end());
        let lasts = spans.last().is_some_and(|span| span.until.is_none());
        if !lasts && free_from < end && self.model.node(node).is_some() {
            line(self.context, (self.x(free_from), y), (self.x(end), y));
        }
        dashes(self.context, &[]);
    }

    /// Messages: the ones that say something as arrows, heartbeats as a strip of how many there were.
    fn flights(&mut self) {
        let (from, until) = (self.viewport.start(), self.viewport.end());
        let bins = ((self.width - LEFT) / BIN_PX).ceil().max(1.0) as usize;
        let mut beats = vec![0_u32; bins];
        let mut telling: Vec<Flight> = Vec::new();
        for flight in self.model.history.flights(from, until) {
            if flight.is_heartbeat() {
                let bin = (self.viewport.x(flight.sent) / BIN_PX).floor();
                if bin >= 0.0 && (bin as usize) < bins {
                    beats[bin as usize] += 1;
                }
            } else {
                telling.push(*flight);
            }
        }
        self.heartbeats(&beats);
        self.arrows(&telling);
    }

    fn heartbeats(&self, beats: &[u32]) {
        let most = beats.iter().copied().max().unwrap_or(0).max(4) as f64;
        self.fill(&self.palette.faint);
        self.context.set_global_alpha(0.7);
        for (bin, &count) in beats.iter().enumerate().filter(|(_, count)| **count > 0) {
            let height = (f64::from(count) / most * 11.0).max(2.0);
            let y = self.layout.heartbeats + 10.0 - height;
            self.context
                .fill_rect(LEFT + bin as f64 * BIN_PX, y, BIN_PX - 1.0, height);
        }
        self.context.set_global_alpha(1.0);
    }

    fn arrows(&mut self, flights: &[Flight]) {
        let drawn = self.thinned(flights);
        let alpha = if drawn.len() > 900 { 0.45 } else { 0.95 };
        for hue in 0..TERM_HUES {
            let of_hue = |flight: &&Flight| flight.term().0 % TERM_HUES == hue;
            let colour = self.palette.term(Term(hue));
            self.stroke(colour, 1.2);
            self.fill(colour);
            self.context.set_global_alpha(alpha);
            self.context.begin_path();
            for flight in drawn.iter().filter(of_hue) {
                self.trace(flight);
            }
            self.context.stroke();
            self.context.begin_path();
            for flight in drawn
                .iter()
                .filter(of_hue)
                .filter(|flight| flight.end == FlightEnd::Arrives)
            {
                self.head(flight);
            }
            self.context.fill();
        }
        self.context.set_global_alpha(1.0);
        for flight in &drawn {
            let (from, to) = self.ends(flight);
            self.shapes.line(from, to, Subject::Flight(*flight));
        }
        if drawn.len() <= LABELLED_MAX {
            self.labels(&drawn);
        }
    }

    /// The messages to draw: where there are too many, one of those between the same two nodes within a few pixels.
    fn thinned(&self, flights: &[Flight]) -> Vec<Flight> {
        if flights.len() <= ARROWS_MAX {
            return flights.to_vec();
        }
        let pairs = (self.layout.members().len() * 4).max(4) as f64;
        let apart_px = ((self.width - LEFT) * pairs / ARROWS_MAX as f64).max(1.0);
        let mut last = vec![f64::MIN; LANES * LANES * 2];
        let stands_apart = |flight: &&Flight| {
            let pair = lane_number(flight.id.from) * LANES + lane_number(flight.to);
            let key = pair * 2 + usize::from(flight.end == FlightEnd::Arrives);
            let x = self.viewport.x(flight.sent);
            let apart = x - last[key] >= apart_px;
            if apart {
                last[key] = x;
            }
            apart
        };
        flights.iter().filter(stands_apart).copied().collect()
    }

    /// Where an arrow begins and ends; a message that does not arrive ends half-way.
    fn ends(&self, flight: &Flight) -> ((f64, f64), (f64, f64)) {
        let from = (self.x(flight.sent), self.layout.lane(flight.id.from));
        let to = (self.x(flight.ends), self.layout.lane(flight.to));
        let part = match flight.end {
            FlightEnd::Arrives => 1.0,
            FlightEnd::Down => 0.86,
            FlightEnd::Lost | FlightEnd::Cut => 0.55,
        };
        (from, (from.0 + (to.0 - from.0) * part, from.1 + (to.1 - from.1) * part))
    }

    fn trace(&self, flight: &Flight) {
        let (from, to) = self.ends(flight);
        self.context.move_to(from.0, from.1);
        self.context.line_to(to.0, to.1);
        if flight.end != FlightEnd::Arrives {
            const ARM: f64 = 3.5;
            self.context.move_to(to.0 - ARM, to.1 - ARM);
            self.context.line_to(to.0 + ARM, to.1 + ARM);
            self.context.move_to(to.0 + ARM, to.1 - ARM);
            self.context.line_to(to.0 - ARM, to.1 + ARM);
        }
    }

    fn head(&self, flight: &Flight) {
        let (from, to) = self.ends(flight);
        let (ux, uy, _) = direction(from, to);
        self.context.move_to(to.0, to.1);
        for side in [-1.0, 1.0] {
            let (back, across) = (6.4, 2.7 * side);
            self.context
                .line_to(to.0 - back * ux + across * uy, to.1 - back * uy - across * ux);
        }
        self.context.close_path();
    }

    /// Names along the arrows, where an arrow is long enough and no other name is in the way.
    fn labels(&self, flights: &[Flight]) {
        self.context.set_font(SMALL);
        self.context.set_text_align("center");
        self.stroke(&self.palette.panel, 4.0);
        self.fill(&self.palette.dim);
        let mut taken: Vec<(f64, f64, f64)> = Vec::new();
        for flight in flights {
            let label = flight.label();
            let (from, to) = self.ends(flight);
            let (ux, uy, length) = direction(from, to);
            let need = label.chars().count() as f64 * LETTER_PX;
            let middle = ((from.0 + to.0) / 2.0, (from.1 + to.1) / 2.0);
            let clear = |&(x, y, reach): &(f64, f64, f64)| direction((x, y), middle).2 > reach.max(need) * 0.5 + 9.0;
            let room = length >= need + 18.0 && ux.abs() * length >= 5.0;
            if label.is_empty() || !room || !taken.iter().all(clear) {
                continue;
            }
            taken.push((middle.0, middle.1, need));
            self.context.save();
            // All messages arrive after they left, so that no label stands on its head.
            let _ = self.context.transform(ux, uy, -uy, ux, middle.0, middle.1);
            let _ = self.context.stroke_text(&label, 0.0, -4.0);
            self.text(&label, 0.0, -4.0);
            self.context.restore();
        }
        self.context.set_text_align("left");
        self.context.set_font(FONT);
    }

    /// Elections, commits, crashes, boots.
    fn marks(&mut self) {
        let (from, until) = (self.viewport.start(), self.viewport.end());
        let mut last = vec![f64::MIN; LANES * MARK_SHAPES];
        let model = self.model;
        for mark in model.history.marks_between(from, until) {
            let (x, y) = (self.x(mark.at), self.layout.lane(mark.node));
            let kind = shape_of(mark.kind);
            // Marks of one kind that would cover one another are drawn once.
            let before = std::mem::replace(&mut last[lane_number(mark.node) * MARK_SHAPES + kind as usize], x);
            if x - before < 1.5 {
                continue;
            }
            self.mark(kind, x, y);
            self.shapes
                .area(x - 3.0, y - 9.0, 6.0, 12.0, Subject::Mark(mark.clone()));
        }
    }

    fn mark(&self, shape: Shape, x: f64, y: f64) {
        match shape {
            Shape::Commit => {
                self.fill(&self.palette.ok);
                self.polygon(&[(x, y - 11.0), (x + 4.0, y - 7.0), (x, y - 3.0), (x - 4.0, y - 7.0)]);
            }
            Shape::Election => {
                self.fill(&self.palette.ink);
                self.polygon(&[(x - 4.0, y - 6.0), (x + 4.0, y), (x - 4.0, y + 6.0)]);
            }
            Shape::Crash => {
                self.stroke(&self.palette.ink, 1.8);
                line(self.context, (x - 4.0, y - 4.0), (x + 4.0, y + 4.0));
                line(self.context, (x + 4.0, y - 4.0), (x - 4.0, y + 4.0));
            }
            Shape::Boot => {
                self.stroke(&self.palette.ink, 1.4);
                line(self.context, (x, y - 6.0), (x, y + 6.0));
            }
            Shape::Truncation => {
                self.fill(&self.palette.dim);
                self.polygon(&[(x - 4.0, y + 3.0), (x + 4.0, y + 3.0), (x, y + 9.0)]);
            }
        }
    }

    fn polygon(&self, corners: &[(f64, f64)]) {
        self.context.begin_path();
        for (place, corner) in corners.iter().enumerate() {
            match place {
                0 => self.context.move_to(corner.0, corner.1),
                _ => self.context.line_to(corner.0, corner.1),
            }
        }
        self.context.fill();
    }

    /// The rail of faults, packed into few rows.
    fn faults(&mut self) {
        let (from, until) = (self.viewport.start(), self.viewport.end());
        let in_view = |fault: &&Fault| fault.from <= until && fault.until.is_none_or(|end| end >= from);
        let faults: Vec<Fault> = self.model.history.faults.iter().filter(in_view).cloned().collect();
        let mut taken = [f64::MIN; FAULT_ROWS];
        for fault in faults {
            let (a, b) = (
                self.x(fault.from),
                self.x(fault.until.unwrap_or(self.now)).max(self.x(fault.from) + 2.0),
            );
            let free = taken.iter().position(|&end| end <= a);
            let row = free.unwrap_or(FAULT_ROWS - 1);
            taken[row] = b + 1.0;
            let y = self.layout.faults + row as f64 * FAULT_ROW;
            self.fill(&self.palette.faint);
            self.context.set_global_alpha(0.35);
            self.context.fill_rect(a, y, b - a, 12.0);
            self.context.set_global_alpha(1.0);
            self.fill(&self.palette.ink);
            let left = a.max(LEFT);
            if free.is_some() {
                self.text_within(&fault.text, left + 6.0, y + 10.0, b - left - 8.0);
            }
            self.shapes.area(a, y, b - a, 12.0, Subject::Fault(fault));
        }
    }

    /// Where the oldest of what happened is not kept any more: it does not look as if nothing had happened.
    fn not_kept(&self) {
        let dropped = self.model.history.dropped;
        let until = self.x(dropped.until);
        if dropped.count == 0 || until <= LEFT {
            return;
        }
        let top = self.layout.axis;
        self.fill(&self.palette.faint);
        self.context.set_global_alpha(0.18);
        self.context
            .fill_rect(LEFT, top, until - LEFT, self.layout.height - top);
        self.context.set_global_alpha(1.0);
        self.fill(&self.palette.dim);
        let text = format!("not kept whole: the oldest {} events were let go", dropped.count);
        self.text_within(&text, LEFT + 6.0, self.layout.clients + 12.0, until - LEFT - 10.0);
    }

    fn chosen(&self, subject: &Subject) {
        self.stroke(&self.palette.ink, 2.2);
        match subject {
            Subject::Flight(flight) => {
                let (from, to) = self.ends(flight);
                line(self.context, from, to);
            }
            Subject::Mark(mark) => {
                let (x, y) = (self.x(mark.at), self.layout.lane(mark.node));
                self.context.begin_path();
                let _ = self.context.arc(x, y - 3.0, 9.0, 0.0, std::f64::consts::TAU);
                self.context.stroke();
            }
            Subject::Span(node, span) => {
                let y = self.layout.lane(*node) + 9.0;
                line(
                    self.context,
                    (self.x(span.from), y),
                    (self.x(span.until.unwrap_or(self.now)), y),
                );
            }
            Subject::Operation(_) | Subject::Fault(_) => {
                let x = self.x(subject.at());
                line(self.context, (x, self.layout.axis), (x, self.layout.height - 4.0));
            }
        }
    }

    fn now_line(&self) {
        let x = self.x(self.now).round();
        self.fill(&self.palette.ink);
        self.context
            .fill_rect(x, self.layout.axis - 2.0, 1.5, self.layout.height - self.layout.axis);
        self.polygon(&[
            (x - 5.0, self.layout.axis - 8.0),
            (x + 6.5, self.layout.axis - 8.0),
            (x + 0.75, self.layout.axis),
        ]);
    }
}

/// Sorts what is nearly in order by time already.
fn by_time<T>(items: &mut [T], at: impl Fn(&T) -> Instant) {
    for end in 1..items.len() {
        let mut place = end;
        while place > 0 && at(&items[place - 1]) > at(&items[place]) {
            items.swap(place - 1, place);
            place -= 1;
        }
    }
}

/// A node's number, as a place in a table.
fn lane_number(node: NodeId) -> usize {
    usize::from(node.0).min(LANES - 1)
}

/// A direction of length 1, and the length.
fn direction(from: (f64, f64), to: (f64, f64)) -> (f64, f64, f64) {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = (dx * dx + dy * dy).sqrt().max(1e-6);
    (dx / length, dy / length, length)
}

/// How marks look.
#[derive(Clone, Copy)]
enum Shape {
    Commit,
    Election,
    Crash,
    Boot,
    Truncation,
}

fn shape_of(kind: MarkKind) -> Shape {
    match kind {
        MarkKind::Committed { .. } => Shape::Commit,
        MarkKind::Elected { .. } | MarkKind::Candidate { .. } | MarkKind::Deposed { .. } => Shape::Election,
        MarkKind::Crashed | MarkKind::Wiped => Shape::Crash,
        MarkKind::Booted { .. } => Shape::Boot,
        MarkKind::Truncated { .. } => Shape::Truncation,
    }
}
