//! Draws the timeline. What is out of view is not looked at; what would lie within a pixel of another of its kind is found by search and not
//! drawn; and no more is drawn than can be told apart.

use std::collections::VecDeque;

use raft_core::{Instant, LogIndex, NodeId, Role, Term};

use crate::axis::Axis;
use crate::causes::{self, Cone};
use crate::layout::{CLIENT_ROW, CLIENT_ROWS, FAULT_ROW, FAULT_ROWS, LEFT, Layout, OVERVIEW, RIGHT};
use crate::record::{ClientOperation, Flight, FlightEnd, Mark, MarkKind, Record, Span};
use crate::scene::{Outline, Scene};
use crate::subject::{Subject, seconds};
use crate::surface::{Line, Palette, Pen, Surface};

/// How many messages are drawn as arrows; of more, a part.
const ARROWS_MAX: usize = 1_000;
/// Up to how many arrows in view have heads.
const HEADED_MAX: usize = 500;
/// Up to how many arrows in view carry their names.
const LABELLED_MAX: usize = 160;
/// Up to how many appends and flushes in view are drawn.
const FINE_MAX: usize = 800;
/// Up to how many client operations in view are drawn one by one.
const OPERATIONS_MAX: usize = 600;
/// The width of a letter of a label, near enough to see whether there is room.
const LETTER_PX: f64 = 5.4;
/// The same for what is written in bars.
const BAR_LETTER_PX: f64 = 6.0;
/// How many hues terms have.
const TERM_HUES: u64 = 5;
/// How wide a bar of a strip of densities is.
const BIN_PX: f64 = 3.0;
/// What lies outside of a lit cone.
const UNLIT: f64 = 0.13;
/// Marks of one kind on one node that would stand closer are drawn once, in pixels.
const APART_PX: f64 = 2.0;

/// Draws everything, and notes in the scene what is where.
pub fn paint(
    surface: &mut impl Surface,
    palette: &Palette,
    record: &Record,
    scene: &mut Scene,
    width: f64,
    now: Instant,
) {
    scene.viewport.set_width(width - LEFT - RIGHT);
    let axis = Axis::new(scene.mode, scene.viewport, record, now);
    let mut shapes = std::mem::take(&mut scene.shapes);
    shapes.clear();
    let (from, until) = axis.ends();
    let mut painter = Painter {
        surface,
        palette,
        record,
        scene,
        layout: Layout::new(record.members()),
        axis: &axis,
        from,
        until,
        now,
        width,
        cone: scene.cone(record),
        shapes,
        diamonds: Vec::new(),
    };
    let brush = painter.overview();
    painter.axis_lines();
    painter.names();
    let height = painter.layout.height;
    painter
        .surface
        .clip(Some([LEFT, 0.0, (width - LEFT - RIGHT).max(0.0), height]));
    painter.terms();
    let left_out = painter.clients();
    painter.lanes();
    let arrows_left_out = painter.messages();
    painter.marks();
    painter.draw_diamonds();
    painter.faults();
    painter.violations();
    painter.not_kept();
    painter.chosen();
    painter.draw_diamonds();
    painter.lines_of_time();
    painter.surface.clip(None);
    if left_out > 0 {
        let y = painter.layout.clients + 12.0 + CLIENT_ROW;
        let pen = Pen::new(&palette.faint);
        painter.surface.text(pen, &format!("+ {left_out} more"), 10.0, y);
    }
    if arrows_left_out > 0 {
        let y = painter.layout.heartbeats + 9.0;
        let pen = Pen::new(&palette.faint);
        let text = format!("{arrows_left_out} arrows more");
        painter.surface.text(pen, &text, LEFT + 6.0, y - 16.0);
    }
    let shapes = painter.shapes;
    scene.shapes = shapes;
    scene.brush = brush;
    scene.axis = Some(axis);
}

struct Painter<'a, S> {
    surface: &'a mut S,
    palette: &'a Palette,
    record: &'a Record,
    scene: &'a Scene,
    layout: Layout,
    axis: &'a Axis,
    /// The first instant in view, and the last.
    from: Instant,
    until: Instant,
    now: Instant,
    width: f64,
    cone: Option<Cone>,
    shapes: Vec<(Outline, Subject)>,
    diamonds: Vec<[(f64, f64); 4]>,
}

impl<S: Surface> Painter<'_, S> {
    fn x(&self, at: Instant) -> f64 {
        LEFT + self.axis.x(at)
    }

    fn area(&mut self, rectangle: [f64; 4], subject: Subject) {
        self.shapes.push((Outline::Area(rectangle), subject));
    }

    /// Writes where there is room for it, and leaves out what does not fit.
    fn text_within(&mut self, pen: Pen<'_>, text: &str, x: f64, y: f64, room: f64) {
        let letters = (room / BAR_LETTER_PX).floor();
        if letters >= text.chars().count() as f64 {
            self.surface.text(pen, text, x, y);
        } else if letters >= 5.0 {
            let short: String = text.chars().take(letters as usize - 1).collect();
            self.surface.text(pen, &format!("{short}…"), x, y);
        }
    }

    /// The whole run in a strip: how much happened when, and what must not be missed. Says where the view lies in it.
    fn overview(&mut self) -> [f64; 2] {
        let (first, last) = (self.record.first(), self.record.last());
        let all = last.since(first).0.max(1) as f64;
        let room = (self.width - LEFT - RIGHT).max(1.0);
        let x = |at: Instant| LEFT + (at.since(first).0 as f64 / all).min(1.0) * room;
        let palette = self.palette;
        self.surface.text(Pen::new(&palette.dim), "whole run", 10.0, 15.0);
        let bins = (room / BIN_PX).ceil() as usize;
        let counts = densities(bins, |bin| {
            let at = Instant(first.0 + (all * (bin as f64 / bins as f64)) as u64);
            let telling = self.record.telling.partition_point(|flight| flight.sent < at);
            telling + self.record.commits.partition_point(|mark| mark.at < at)
        });
        let bottom = OVERVIEW - 4.0;
        self.bars(&counts, bottom, 14.0, Pen::new(&palette.accent).faded(0.45));
        let mut seldom = f64::MIN;
        for mark in &self.record.rare {
            let at = x(mark.at);
            if at - seldom < 1.0 {
                continue;
            }
            seldom = at;
            let colour = match mark.kind {
                MarkKind::Crashed | MarkKind::Lost => &palette.warn,
                _ => &palette.ink,
            };
            self.surface
                .rectangle(Pen::new(colour).faded(0.7), [at, bottom, 1.0, 3.0]);
        }
        for (at, _) in &self.record.violations {
            self.surface
                .rectangle(Pen::new(&palette.bad), [x(*at) - 1.0, 2.0, 2.5, OVERVIEW - 4.0]);
        }
        let (start, end) = (x(self.from), x(self.until).max(x(self.from) + 3.0));
        let pen = Pen::new(&palette.ink);
        self.surface
            .rectangle(pen.faded(0.08), [start, 1.0, end - start, OVERVIEW - 2.0]);
        let edges = [
            [start, 1.0, start, OVERVIEW - 1.0],
            [end, 1.0, end, OVERVIEW - 1.0],
            [start, 1.0, end, 1.0],
            [start, OVERVIEW - 1.0, end, OVERVIEW - 1.0],
        ];
        self.surface.lines(pen.faded(0.45), &edges);
        if let Some(playhead) = self.scene.playhead {
            self.surface.rectangle(
                Pen::new(&palette.accent),
                [x(playhead) - 0.75, 1.0, 1.5, OVERVIEW - 2.0],
            );
        }
        [start, end]
    }

    /// A strip of bars, as high as there is much; the highest as high as it may be.
    fn bars(&mut self, counts: &[usize], bottom: f64, most_px: f64, pen: Pen<'_>) {
        let most = counts.iter().copied().max().unwrap_or(0).max(4) as f64;
        let bars = counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let rectangles: Vec<[f64; 4]> = bars
            .map(|(bin, &count)| {
                let height = (count as f64 / most * most_px).max(1.5);
                [LEFT + bin as f64 * BIN_PX, bottom - height, BIN_PX - 1.0, height]
            })
            .collect();
        self.surface.rectangles(pen, &rectangles);
    }

    fn axis_lines(&mut self) {
        let palette = self.palette;
        let (top, bottom) = (self.layout.axis, self.layout.height - 4.0);
        for tick in self.axis.ticks(86.0) {
            let x = LEFT + tick.x;
            self.surface
                .rectangle(Pen::new(&palette.line), [x.round(), top - 4.0, 1.0, bottom - top]);
            let width = tick.label.len() as f64 * 6.0;
            if x - width / 2.0 > LEFT - 30.0 {
                self.surface
                    .text(Pen::new(&palette.faint), &tick.label, x - width / 2.0, top - 8.0);
            }
        }
    }

    fn names(&mut self) {
        let palette = self.palette;
        let layout = self.layout.clone();
        let pen = Pen::new(&palette.dim);
        for (name, y) in [
            ("seconds", layout.axis - 8.0),
            ("term", layout.term + 11.0),
            ("clients", layout.clients + 12.0),
            ("heartbeats", layout.heartbeats + 9.0),
            ("faults", layout.faults + 10.0),
            ("promises", layout.violations + 11.0),
        ] {
            self.surface.text(pen, name, 10.0, y);
        }
        for &node in layout.members() {
            let pen = if self.scene.shows_node(node) {
                pen
            } else {
                pen.faded(0.4)
            };
            self.surface.text(pen, &node.to_string(), 10.0, layout.lane(node) + 4.0);
        }
    }

    /// The band of terms: who led when, and when nobody did.
    fn terms(&mut self) {
        let mut reigns: Vec<(NodeId, Span)> = Vec::new();
        for &node in self.layout.members() {
            let led = self
                .record
                .spans(node, self.from, self.until)
                .filter(|span| span.role == Role::Leader);
            reigns.extend(led.map(|span| (node, *span)));
        }
        reigns.sort_by_key(|(_, span)| span.from);
        let y = self.layout.term;
        let mut free_from = self.record.first().max(self.from);
        let mut drawn_to = f64::MIN;
        for (node, span) in reigns {
            let (a, b) = (self.x(span.from), self.x(span.until.unwrap_or(self.now)));
            self.gap(free_from, span.from);
            free_from = free_from.max(span.until.unwrap_or(self.now));
            if b <= drawn_to + 0.5 {
                continue;
            }
            drawn_to = b;
            let palette = self.palette;
            let rectangle = [a, y, (b - a).max(1.0), 14.0];
            self.surface
                .rectangle(Pen::new(palette.term(span.term)).faded(0.22), rectangle);
            let left = a.max(LEFT);
            let text = format!("{} · {node}", span.term);
            self.text_within(
                Pen::new(palette.term(span.term)),
                &text,
                left + 6.0,
                y + 11.0,
                b - left - 10.0,
            );
            self.area(rectangle, Subject::Span(node, span));
        }
        self.gap(free_from, self.now.min(self.until));
    }

    fn gap(&mut self, from: Instant, until: Instant) {
        let (a, b) = (self.x(from).max(LEFT), self.x(until));
        if b - a > 60.0 && until > from {
            let pen = Pen::new(&self.palette.dim);
            let text = format!("no leader, {:.0} ms", until.since(from).as_millis_f64());
            self.text_within(pen, &text, a + 6.0, self.layout.term + 11.0, b - a - 10.0);
        }
    }

    /// Client operations, packed into few rows; what finds no room is counted.
    fn clients(&mut self) -> usize {
        if self.scene.hidden.clients {
            return 0;
        }
        /// One that took longer is not found by an instant before its last minute.
        const LONGEST_US: u64 = 60_000_000;
        let record = self.record;
        let list = &record.operations;
        let first = list.partition_point(|operation| operation.returned < Some(self.from));
        let end = list
            .partition_point(|operation| operation.returned <= Some(Instant(self.until.0.saturating_add(LONGEST_US))));
        let stride = (end.saturating_sub(first) / OPERATIONS_MAX).max(1);
        let mut left_out = 0;
        let mut operations: Vec<&ClientOperation> = Vec::new();
        let mut place = first;
        while place < end {
            let operation = &list[place];
            if operation.invoked <= self.until && self.scene.client.is_none_or(|client| client == operation.client) {
                operations.push(operation);
                left_out += stride.min(end - place) - 1;
            }
            place += stride;
        }
        operations.extend(record.waiting.values().filter(|operation| {
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
                operation,
                a,
                b.max(a + 2.0),
                self.layout.clients + row as f64 * CLIENT_ROW,
            );
        }
        left_out
    }

    fn operation(&mut self, operation: &ClientOperation, a: f64, b: f64, y: f64) {
        let palette = self.palette;
        let colour = if operation.ok { &palette.accent } else { &palette.dim };
        let pen = Pen::new(colour);
        if b - a < 4.0 {
            // Too thin for two ends, a tick and a text.
            self.surface.rectangle(pen.faded(0.6), [a, y, b - a, 16.0]);
            return self.area([a, y, b - a, 16.0], Subject::Operation(operation.clone()));
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
        self.area([a, y, b - a, 16.0], Subject::Operation(operation.clone()));
    }

    /// A tick where the write was committed: the last commit before its answer.
    fn commit_tick(&mut self, operation: &ClientOperation, returned: Instant, y: f64) {
        if !matches!(operation.operation, ftqueue::Operation::Write(_)) {
            return;
        }
        let place = self.record.commits.partition_point(|mark| mark.at <= returned);
        let commit = place.checked_sub(1).map(|place| self.record.commits[place].at);
        if let Some(at) = commit.filter(|at| *at >= operation.invoked) {
            let x = self.x(at);
            self.surface
                .rectangle(Pen::new(&self.palette.ok), [x - 0.75, y + 10.0, 1.5, 6.0]);
        }
    }

    /// Each node's lane: its role by thickness, its term by hue; dashed while it is down.
    fn lanes(&mut self) {
        for &node in self.layout.clone().members() {
            let y = self.layout.lane(node);
            let spans: Vec<Span> = self.record.spans(node, self.from, self.until).copied().collect();
            self.down(y, &spans);
            let alpha_of = |scene: &Scene| if scene.shows_node(node) { 1.0 } else { 0.35 };
            let visible = alpha_of(self.scene);
            let mut drawn_to = f64::MIN;
            for span in spans {
                let start = self.x(span.from);
                let end = self.x(span.until.unwrap_or(self.now)).max(start + 1.0);
                // Where many elections share a pixel, the first stands for all.
                if end <= drawn_to + 0.5 {
                    continue;
                }
                drawn_to = end;
                let (height, alpha) = match span.role {
                    Role::Leader => (11.0, 0.95),
                    Role::Candidate => (7.0, 0.75),
                    Role::Follower => (3.0, 0.55),
                };
                let rectangle = [start, y - height / 2.0, end - start, height];
                let pen = Pen::new(self.palette.term(span.term)).faded(alpha * visible);
                self.surface.rectangle(pen, rectangle);
                self.area(rectangle, Subject::Span(node, span));
            }
            self.lit_lane(node, y);
        }
    }

    /// Which part of a lane led to what is hovered over, and which follows from it.
    fn lit_lane(&mut self, node: NodeId, y: f64) {
        let Some(cone) = &self.cone else { return };
        let (past, future) = (cone.past(node), cone.future(node));
        let left = past.map(|past| [LEFT, y, self.x(past).max(LEFT), y]);
        let right = future.map(|future| [self.x(future), y, self.width - RIGHT, y]);
        let lines: Vec<Line> = left.into_iter().chain(right).collect();
        self.surface
            .lines(Pen::new(&self.palette.ink).wide(1.2).faded(0.6), &lines);
    }

    fn down(&mut self, y: f64, spans: &[Span]) {
        let up = |at: Instant| {
            spans
                .iter()
                .any(|span| span.from <= at && span.until.is_none_or(|until| until > at))
        };
        let mut lines: Vec<Line> = Vec::new();
        let mut free_from = self.from.max(self.record.first());
        for span in spans {
            if span.from > free_from && !up(free_from) {
                lines.push([self.x(free_from), y, self.x(span.from), y]);
            }
            free_from = free_from.max(span.until.unwrap_or(self.now));
        }
        let end = self.now.min(self.until);
        let lasts = spans.last().is_some_and(|span| span.until.is_none());
        if !lasts && free_from < end {
            lines.push([self.x(free_from), y, self.x(end), y]);
        }
        let pen = Pen::new(&self.palette.faint).wide(1.0).dashed();
        self.surface.lines(pen, &lines);
    }

    /// Messages: those that say something as arrows, heartbeats as a strip of how many there were. Says how many arrows were left out.
    fn messages(&mut self) -> usize {
        let bins = ((self.width - LEFT - RIGHT) / BIN_PX).ceil().max(1.0) as usize;
        let routine = &self.record.routine;
        let counts = densities(bins, |bin| {
            let at = self.axis.at(bin as f64 * BIN_PX);
            routine.partition_point(|flight| flight.sent < at)
        });
        let bottom = self.layout.heartbeats + 10.0;
        let pen = Pen::new(&self.palette.faint).faded(0.7);
        self.bars(&counts, bottom, 11.0, pen);
        if self.scene.hidden.messages {
            return 0;
        }
        let mut left_out = 0;
        if self.scene.heartbeats {
            let (flights, more) = self.sampled(routine);
            left_out += more;
            self.arrows(&flights, 0.5);
        }
        let (flights, more) = self.sampled(&self.record.telling);
        let alpha = if flights.len() > ARROWS_MAX / 2 { 0.5 } else { 0.95 };
        self.arrows(&flights, alpha);
        if flights.len() <= LABELLED_MAX {
            self.labels(&flights);
        }
        left_out + more
    }

    /// The messages in view; where they are too many, one of so many. What was lost is never left out.
    fn sampled(&self, list: &VecDeque<Flight>) -> (Vec<Flight>, usize) {
        /// How many messages are looked at for those that were lost, at most.
        const LOOKED_AT_MAX: usize = 12_000;
        let window = self.record.window(list, self.from, self.until);
        let stride = window.len().div_ceil(ARROWS_MAX).max(1);
        let looked_at = stride.div_ceil((LOOKED_AT_MAX / ARROWS_MAX).max(1)).max(1);
        let mut flights = Vec::with_capacity(window.len().min(ARROWS_MAX * 2));
        let mut left_out = 0;
        let mut place = window.start;
        while place < window.end {
            let flight = &list[place];
            let is_in_view = flight.again.unwrap_or(flight.ends) >= self.from && self.scene.shows_flight(flight);
            let is_sample = (place - window.start) % stride < looked_at;
            if is_in_view && (is_sample || flight.end != FlightEnd::Arrives) {
                flights.push(*flight);
            } else if is_in_view {
                left_out += looked_at;
            }
            place += looked_at;
        }
        (flights, left_out)
    }

    /// Where an arrow begins and ends; a message that does not arrive ends on the way.
    fn ends(&self, flight: &Flight, ends: Instant) -> Line {
        let (x0, y0) = (self.x(flight.sent), self.layout.lane(flight.id.from));
        let (x1, y1) = (self.x(ends), self.layout.lane(flight.to));
        let part = match flight.end {
            FlightEnd::Arrives => 1.0,
            FlightEnd::Down => 0.94,
            FlightEnd::Held => 0.75,
            FlightEnd::Lost => 0.55,
            FlightEnd::Cut => 0.5,
        };
        [x0, y0, x0 + (x1 - x0) * part, y0 + (y1 - y0) * part]
    }

    fn arrows(&mut self, flights: &[Flight], alpha: f64) {
        for hue in 0..TERM_HUES {
            let (mut lit, mut unlit, mut dashed) = (Vec::new(), Vec::new(), Vec::new());
            let mut heads: Vec<[(f64, f64); 3]> = Vec::new();
            for flight in flights
                .iter()
                .filter(|flight| flight.summary.term().0 % TERM_HUES == hue)
            {
                let line = self.ends(flight, flight.ends);
                if self.cone.as_ref().is_some_and(|cone| !cone.has_flight(flight)) {
                    unlit.push(line);
                    continue;
                }
                lit.push(line);
                match flight.end {
                    // Where there are so many, nobody sees their heads.
                    FlightEnd::Arrives if flights.len() > HEADED_MAX => {}
                    FlightEnd::Arrives => heads.push(head(line)),
                    FlightEnd::Cut => lit.push(barrier(line)),
                    _ => lit.extend(cross(line)),
                }
                if let Some(again) = flight.again {
                    let line = self.ends(flight, again);
                    dashed.push(line);
                    heads.push(head(line));
                }
            }
            let pen = Pen::new(self.palette.term(Term(hue))).faded(alpha);
            self.surface.lines(pen, &lit);
            self.surface.lines(pen.faded(UNLIT), &unlit);
            self.surface.lines(pen.dashed(), &dashed);
            let polygons: Vec<&[(f64, f64)]> = heads.iter().map(|head| &head[..]).collect();
            self.surface.polygons(pen, &polygons);
        }
        for flight in flights {
            let line = self.ends(flight, flight.ends);
            self.shapes.push((Outline::Line(line), Subject::Flight(*flight)));
        }
    }

    /// Names along the arrows, where an arrow is long enough and no other name is in the way.
    fn labels(&mut self, flights: &[Flight]) {
        let mut taken: Vec<(f64, f64, f64)> = Vec::new();
        for flight in flights {
            if self.cone.as_ref().is_some_and(|cone| !cone.has_flight(flight)) {
                continue;
            }
            let label = flight.summary.label();
            let [x0, y0, x1, y1] = self.ends(flight, flight.ends);
            let (ux, uy, length) = direction((x0, y0), (x1, y1));
            let need = label.chars().count() as f64 * LETTER_PX;
            let middle = ((x0 + x1) / 2.0, (y0 + y1) / 2.0);
            let clear = |&(x, y, reach): &(f64, f64, f64)| direction((x, y), middle).2 > reach.max(need) * 0.5 + 9.0;
            let room = length >= need + 18.0 && ux.abs() * length >= 5.0;
            if label.is_empty() || !room || !taken.iter().all(clear) {
                continue;
            }
            taken.push((middle.0, middle.1, need));
            // All messages arrive after they left, so that no label stands on its head.
            let pen = Pen::new(&self.palette.dim);
            self.surface
                .text_along(pen, &self.palette.panel, &label, middle, (ux, uy));
        }
    }

    fn marks(&mut self) {
        let record = self.record;
        let (from, until) = (self.from, self.until);
        let within = |list: &VecDeque<Mark>| {
            let first = list.partition_point(|mark| mark.at < from);
            first..list.partition_point(|mark| mark.at <= until).max(first)
        };
        let fine = within(&record.fine);
        if fine.len() <= FINE_MAX {
            for place in fine {
                self.mark(&record.fine[place]);
            }
        }
        for list in [&record.commits, &record.rare] {
            let window = within(list);
            let mut place = window.start;
            let mut drawn: Vec<(NodeId, std::mem::Discriminant<MarkKind>, f64)> = Vec::new();
            while place < window.end {
                let mark = &list[place];
                let x = self.x(mark.at);
                let key = (mark.node, std::mem::discriminant(&mark.kind));
                // Marks of one kind that would cover one another are drawn once.
                let known = drawn.iter_mut().find(|(node, kind, _)| (*node, *kind) == key);
                match known {
                    Some((_, _, last)) if x - *last < APART_PX => {}
                    Some((_, _, last)) => {
                        *last = x;
                        self.mark(mark);
                    }
                    None => {
                        drawn.push((key.0, key.1, x));
                        self.mark(mark);
                    }
                }
                // With very many, the next that is looked at is a pixel on.
                place = if window.len() > 4 * FINE_MAX {
                    let next = self.axis.at(x - LEFT + APART_PX / 2.0);
                    list.partition_point(|mark| mark.at < next).max(place + 1)
                } else {
                    place + 1
                };
            }
        }
    }

    /// The commits that were marked, all at once: there are many.
    fn draw_diamonds(&mut self) {
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

    fn mark(&mut self, mark: &Mark) {
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
    fn faults(&mut self) {
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

    fn violations(&mut self) {
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

    /// Where the oldest of what happened is not kept any more: it does not look as if nothing had happened.
    fn not_kept(&mut self) {
        let kept_from = self.record.kept_from();
        let until = self.x(kept_from);
        if kept_from == Instant(0) || until <= LEFT {
            return;
        }
        let top = self.layout.axis;
        let palette = self.palette;
        let rectangle = [LEFT, top, until - LEFT, self.layout.height - top];
        self.surface.rectangle(Pen::new(&palette.faint).faded(0.18), rectangle);
        let text = "not kept: the oldest was let go";
        self.text_within(
            Pen::new(&palette.dim),
            text,
            LEFT + 6.0,
            self.layout.clients + 12.0,
            until - LEFT - 10.0,
        );
    }

    fn chosen(&mut self) {
        let Some(chosen) = self.scene.chosen.clone() else {
            return;
        };
        let pen = Pen::new(&self.palette.ink).wide(2.2);
        match &chosen {
            Subject::Flight(flight) => {
                let line = self.ends(flight, flight.ends);
                self.surface.lines(pen, &[line]);
            }
            Subject::Mark(mark) => {
                self.ring(mark);
                if let MarkKind::Committed { .. } = mark.kind {
                    let acknowledged = causes::quorum(self.record, mark);
                    let lines: Vec<Line> = acknowledged
                        .iter()
                        .map(|flight| self.ends(flight, flight.ends))
                        .collect();
                    self.surface.lines(Pen::new(&self.palette.ok).wide(2.6), &lines);
                }
            }
            Subject::Span(node, span) => {
                let y = self.layout.lane(*node) + 9.0;
                let line = [self.x(span.from), y, self.x(span.until.unwrap_or(self.now)), y];
                self.surface.lines(pen, &[line]);
            }
            Subject::Entry(index, _) => self.life(*index),
            Subject::Operation(_) | Subject::Fault(_) | Subject::Violation(..) => {
                let x = self.x(chosen.at());
                self.surface
                    .lines(pen, &[[x, self.layout.axis, x, self.layout.height - 4.0]]);
            }
        }
    }

    /// An entry's way through the nodes: its marks, joined on each.
    fn life(&mut self, index: LogIndex) {
        let life = causes::life(self.record, index);
        let mut lines: Vec<Line> = Vec::new();
        for &node in self.layout.clone().members() {
            let of_node: Vec<&Mark> = life.iter().filter(|mark| mark.node == node).collect();
            let y = self.layout.lane(node) + 9.0;
            for pair in of_node.windows(2) {
                lines.push([self.x(pair[0].at), y, self.x(pair[1].at), y]);
            }
        }
        self.surface.lines(Pen::new(&self.palette.accent).wide(2.4), &lines);
        for mark in &life {
            self.mark(mark);
            self.ring(mark);
        }
    }

    fn ring(&mut self, mark: &Mark) {
        const SIDES: usize = 12;
        let (x, y) = (self.x(mark.at), self.layout.lane(mark.node) - 3.0);
        let corner = |side: usize| {
            let angle = side as f64 / SIDES as f64 * std::f64::consts::TAU;
            (x + 8.0 * angle.cos(), y + 8.0 * angle.sin())
        };
        let lines: Vec<Line> = (0..SIDES)
            .map(|side| {
                let (from, to) = (corner(side), corner(side + 1));
                [from.0, from.1, to.0, to.1]
            })
            .collect();
        self.surface.lines(Pen::new(&self.palette.ink).wide(1.6), &lines);
    }

    /// Now, and the instant that is shown elsewhere.
    fn lines_of_time(&mut self) {
        let palette = self.palette;
        let (top, height) = (self.layout.axis, self.layout.height);
        let pointer = |x: f64| [(x - 5.0, top - 8.0), (x + 6.5, top - 8.0), (x + 0.75, top)];
        let now = self.x(self.now).round();
        let Some(playhead) = self.scene.playhead else {
            let pen = Pen::new(&palette.ink);
            self.surface.rectangle(pen, [now, top - 2.0, 1.5, height - top]);
            return self.surface.polygons(pen, &[&pointer(now)]);
        };
        self.surface
            .rectangle(Pen::new(&palette.ink).faded(0.35), [now, top - 2.0, 1.5, height - top]);
        let x = self.x(playhead).round();
        let pen = Pen::new(&palette.accent);
        let later = [x + 1.5, top, (self.width - RIGHT - x - 1.5).max(0.0), height - top];
        self.surface.rectangle(Pen::new(&palette.panel).faded(0.45), later);
        self.surface.rectangle(pen, [x, top - 2.0, 1.5, height - top]);
        self.surface.polygons(pen, &[&pointer(x)]);
        let text = seconds(playhead);
        let width = text.len() as f64 * 6.0 + 8.0;
        let left = (x + 9.0).min(self.width - RIGHT - width);
        self.surface
            .rectangle(Pen::new(&palette.panel), [left - 2.0, top - 18.0, width, 14.0]);
        self.surface.text(pen, &text, left + 2.0, top - 8.0);
    }
}

/// How many there are in each bin, where `before` says how many there are before a bin.
fn densities(bins: usize, before: impl Fn(usize) -> usize) -> Vec<usize> {
    let mut counts = Vec::with_capacity(bins);
    let mut last = before(0);
    for bin in 1..=bins {
        let next = before(bin);
        counts.push(next.saturating_sub(last));
        last = next;
    }
    counts
}

fn head([x0, y0, x1, y1]: Line) -> [(f64, f64); 3] {
    let (ux, uy, _) = direction((x0, y0), (x1, y1));
    let (back, across) = (6.4, 2.7);
    [
        (x1, y1),
        (x1 - back * ux - across * uy, y1 - back * uy + across * ux),
        (x1 - back * ux + across * uy, y1 - back * uy - across * ux),
    ]
}

/// Where a message was lost.
fn cross([_, _, x, y]: Line) -> [Line; 2] {
    const ARM: f64 = 3.5;
    [
        [x - ARM, y - ARM, x + ARM, y + ARM],
        [x + ARM, y - ARM, x - ARM, y + ARM],
    ]
}

/// Where a cut link stopped one: a bar across its way.
fn barrier([x0, y0, x1, y1]: Line) -> Line {
    const ARM: f64 = 5.0;
    let (ux, uy, _) = direction((x0, y0), (x1, y1));
    [x1 - ARM * uy, y1 + ARM * ux, x1 + ARM * uy, y1 - ARM * ux]
}

/// A direction of length 1, and the length.
fn direction(from: (f64, f64), to: (f64, f64)) -> (f64, f64, f64) {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = (dx * dx + dy * dy).sqrt().max(1e-6);
    (dx / length, dy / length, length)
}
