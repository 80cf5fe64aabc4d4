//! Draws the timeline. What is out of view is not looked at; what would lie within a pixel of another of its kind is found by search and not
//! drawn; and no more is drawn than can be told apart.

mod clients;
mod marks;
mod messages;
mod shapes;

use raft_core::{Instant, LogIndex, NodeId, Role};

use shapes::densities;

use crate::axis::Axis;
use crate::causes::{self, Cone};
use crate::layout::{CLIENT_ROW, LEFT, Layout, OVERVIEW, RIGHT};
use crate::record::{Mark, MarkKind, Record, Span};
use crate::scene::{Outline, Scene};
use crate::subject::{Subject, seconds};
use crate::surface::{Line, Palette, Pen, Surface};

/// Up to how many client operations in view are drawn one by one.
const OPERATIONS_MAX: usize = 600;
/// The width of a letter in a bar, near enough to see whether there is room.
const BAR_LETTER_PX: f64 = 6.0;
/// How wide a bar of a strip of densities is.
const BIN_PX: f64 = 3.0;

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
            self.record.telling.before(at) + self.record.commits.before(at)
        });
        let bottom = OVERVIEW - 4.0;
        self.bars(&counts, bottom, 14.0, Pen::new(&palette.accent).faded(0.45));
        let mut seldom = f64::MIN;
        for mark in self.record.rare.iter() {
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
            reigns.extend(led.map(|span| (node, span)));
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

    /// Each node's lane: its role by thickness, its term by hue; dashed while it is down.
    fn lanes(&mut self) {
        for &node in self.layout.clone().members() {
            let y = self.layout.lane(node);
            let spans: Vec<Span> = self.record.spans(node, self.from, self.until).collect();
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
