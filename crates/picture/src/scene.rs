//! Which part of a run is looked at, and how; and what is where in the picture that was painted last.

use raft_core::{Instant, NodeId};
use serde::{Deserialize, Serialize};

use crate::axis::{Axis, AxisMode};
use crate::causes::Cone;
use crate::layout::{LEFT, Layout, OVERVIEW};
use crate::record::{Filed, Flight, Mark, MarkKind, Record};
use crate::subject::{Subject, seconds};
use crate::viewport::Viewport;

/// How far from a thin thing the pointer may be, in pixels.
const REACH_PX: f64 = 6.0;
/// How near to an end of the brush a pointer has it.
const HANDLE_PX: f64 = 7.0;

/// The view.
#[derive(Debug)]
pub struct Scene {
    /// Which stretch of time.
    pub viewport: Viewport,
    /// How it is laid out.
    pub mode: AxisMode,
    /// What is left out.
    pub hidden: Kinds,
    /// Nodes whose lanes are drawn without messages and marks.
    pub hidden_nodes: Vec<NodeId>,
    /// Whose operations alone are drawn; all clients', if nobody's.
    pub client: Option<u16>,
    /// Whether heartbeats are drawn one by one.
    pub heartbeats: bool,
    /// The instant that is shown elsewhere, if it is not the present.
    pub playhead: Option<Instant>,
    /// What was chosen.
    pub chosen: Option<Subject>,
    /// What the pointer is over.
    pub hovered: Option<Subject>,
    pub(crate) shapes: Vec<(Outline, Subject)>,
    pub(crate) axis: Option<Axis>,
    pub(crate) brush: [f64; 2],
}

/// What a link holds of a view.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// The first instant in view, and the last.
    pub span: (Instant, Instant),
    /// How time is laid out.
    pub mode: AxisMode,
    /// What is left out.
    pub hidden: Kinds,
    /// Whose messages and marks are.
    pub hidden_nodes: Vec<NodeId>,
    /// Whose operations alone are drawn.
    pub client: Option<u16>,
    /// Whether heartbeats are drawn one by one.
    pub heartbeats: bool,
}

/// Kinds of what happens, for those who do not want to see all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kinds {
    /// Messages.
    pub messages: bool,
    /// Elections and terms.
    pub elections: bool,
    /// Appends, commits and truncations.
    pub log: bool,
    /// Flushes.
    pub flushes: bool,
    /// Clients.
    pub clients: bool,
    /// Faults, crashes and boots.
    pub faults: bool,
}

/// Where to jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jump {
    /// To anything that is drawn as a mark but commits, which are many.
    Event,
    /// To an election.
    Election,
    /// To a crash or a boot.
    Crash,
    /// To a commit.
    Commit,
    /// To a message that says something.
    Message,
    /// To a broken promise.
    Violation,
}

/// What is at a place.
#[derive(Clone, Debug, PartialEq)]
pub enum Hit {
    /// Something.
    Subject(Subject),
    /// A node's name.
    Node(NodeId),
    /// The left end of the overview's brush.
    BrushStart,
    /// The right end.
    BrushEnd,
    /// The overview, at this instant.
    Overview(Instant),
    /// Nothing in particular, at this instant.
    Time(Instant),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Outline {
    Line([f64; 4]),
    Area([f64; 4]),
}

impl Scene {
    /// Everything is shown, and now is followed.
    pub fn new() -> Scene {
        Scene {
            viewport: Viewport::new(),
            mode: AxisMode::Real,
            hidden: Kinds::default(),
            hidden_nodes: Vec::new(),
            client: None,
            heartbeats: false,
            playhead: None,
            chosen: None,
            hovered: None,
            shapes: Vec::new(),
            axis: None,
            brush: [0.0; 2],
        }
    }

    /// What a link holds of it.
    pub fn look(&self) -> Look {
        Look {
            span: (self.viewport.start(), self.viewport.end()),
            mode: self.mode,
            hidden: self.hidden,
            hidden_nodes: self.hidden_nodes.clone(),
            client: self.client,
            heartbeats: self.heartbeats,
        }
    }

    /// Looks like this from now on.
    pub fn set_look(&mut self, look: Look, now: Instant) {
        self.viewport.span(look.span.0, look.span.1, now);
        self.mode = look.mode;
        self.hidden = look.hidden;
        self.hidden_nodes = look.hidden_nodes;
        self.client = look.client;
        self.heartbeats = look.heartbeats;
    }

    /// The instant at a place, in the picture that was painted last.
    pub fn at(&self, x: f64) -> Instant {
        let x = x - LEFT;
        self.axis
            .as_ref()
            .map_or_else(|| self.viewport.at(x), |axis| axis.at(x))
    }

    /// Where an instant stands in it.
    pub fn x(&self, at: Instant) -> f64 {
        LEFT + self
            .axis
            .as_ref()
            .map_or_else(|| self.viewport.x(at), |axis| axis.x(at))
    }

    /// What is at a place.
    pub fn hit(&self, record: &Record, x: f64, y: f64) -> Hit {
        let layout = Layout::new(record.members());
        if y < OVERVIEW && x >= LEFT {
            let [start, end] = self.brush;
            if (x - start).abs() <= HANDLE_PX && (end - start) > 3.0 * HANDLE_PX {
                return Hit::BrushStart;
            }
            if (x - end).abs() <= HANDLE_PX && (end - start) > 3.0 * HANDLE_PX {
                return Hit::BrushEnd;
            }
            return Hit::Overview(self.overview_at(record, x));
        }
        if x < LEFT
            && let Some(node) = layout.node_at(y)
        {
            return Hit::Node(node);
        }
        let near = self
            .shapes
            .iter()
            .map(|(outline, subject)| (outline.distance(x, y), subject));
        let found =
            near.filter(|(distance, _)| *distance <= REACH_PX)
                .fold(None, |best: Option<(f64, &Subject)>, found| match best {
                    Some(best) if best.0 < found.0 => Some(best),
                    _ => Some(found),
                });
        match found {
            Some((_, subject)) => Hit::Subject(subject.clone()),
            None => Hit::Time(self.at(x)),
        }
    }

    /// The instant at a place of the overview.
    pub fn overview_at(&self, record: &Record, x: f64) -> Instant {
        let part = ((x - LEFT) / self.viewport.width_px()).clamp(0.0, 1.0);
        let all = record.last().since(record.first()).0 as f64;
        Instant(record.first().0 + (all * part) as u64)
    }

    /// The causes and consequences of what is chosen, or hovered over.
    pub fn cone(&self, record: &Record) -> Option<Cone> {
        match self.hovered.as_ref().or(self.chosen.as_ref())? {
            Subject::Flight(flight) => Some(Cone::of(
                record,
                (flight.id.from, flight.sent),
                (flight.to, flight.ends),
            )),
            Subject::Mark(mark) => Some(Cone::of(record, (mark.node, mark.at), (mark.node, mark.at))),
            _ => None,
        }
    }

    /// Whether a node's messages and marks are drawn.
    pub fn shows_node(&self, node: NodeId) -> bool {
        !self.hidden_nodes.contains(&node)
    }

    pub(crate) fn shows(&self, mark: &Mark) -> bool {
        let hidden = match mark.kind {
            MarkKind::Booted { .. } | MarkKind::Crashed | MarkKind::Lost => self.hidden.faults,
            MarkKind::Candidate { .. } | MarkKind::Elected { .. } | MarkKind::Deposed { .. } => self.hidden.elections,
            MarkKind::Synced { .. } => self.hidden.flushes,
            _ => self.hidden.log,
        };
        !hidden && self.shows_node(mark.node)
    }

    pub(crate) fn shows_flight(&self, flight: &Flight) -> bool {
        !self.hidden.messages && (self.shows_node(flight.id.from) || self.shows_node(flight.to))
    }

    /// What there is of a kind next to an instant, of what is shown.
    pub fn jump(&self, record: &Record, jump: Jump, from: Instant, later: bool) -> Option<Subject> {
        if jump == Jump::Violation {
            let all = record.violations.iter();
            let found = if later {
                all.clone().find(|(at, _)| *at > from)
            } else {
                all.rev().find(|(at, _)| *at < from)
            };
            return found.map(|(at, text)| Subject::Violation(*at, text.clone()));
        }
        if jump == Jump::Message {
            let list = &record.telling;
            let wanted = |flight: &Flight| self.shows_flight(flight);
            let found = if later {
                list.from(list.until(from)).find(wanted)
            } else {
                list.range(0..list.before(from)).rev().find(wanted)
            };
            return found.map(Subject::Flight);
        }
        let wanted = |mark: &Mark| {
            let fits = match jump {
                Jump::Event => true,
                Jump::Election => matches!(
                    mark.kind,
                    MarkKind::Candidate { .. } | MarkKind::Elected { .. } | MarkKind::Deposed { .. }
                ),
                Jump::Crash => matches!(mark.kind, MarkKind::Crashed | MarkKind::Booted { .. } | MarkKind::Lost),
                Jump::Commit => matches!(mark.kind, MarkKind::Committed { .. }),
                Jump::Message | Jump::Violation => false,
            };
            fits && self.shows(mark)
        };
        let list = if jump == Jump::Commit {
            &record.commits
        } else {
            &record.rare
        };
        let found = if later {
            list.from(list.until(from)).find(wanted)
        } else {
            list.range(0..list.before(from)).rev().find(wanted)
        };
        found.map(Subject::Mark)
    }

    /// The next thing whose words have this text in them, after `from` or from the beginning on.
    pub fn search(&self, record: &Record, text: &str, from: Instant) -> Option<Subject> {
        let text = text.trim().to_lowercase();
        if text.is_empty() {
            return None;
        }
        let has = |subject: &Subject| subject.title().to_lowercase().contains(&text);
        let first_of = |after: Option<Instant>| {
            let follows = |at: Instant| after.is_none_or(|after| at > after);
            let marks = [&record.rare, &record.commits, &record.fine];
            let marks = marks.into_iter().filter_map(|list| {
                let first = after.map_or(0, |after| list.until(after));
                list.from(first).map(Subject::Mark).find(has)
            });
            let first = after.map_or(0, |after| record.telling.until(after));
            let flight = record.telling.from(first).map(Subject::Flight).find(has);
            let all = record.operations.iter().chain(record.waiting.values().copied());
            let operations = all.filter(|operation| follows(operation.invoked));
            let operation = operations.map(Subject::Operation).find(has);
            let faults = record.faults.iter().filter(|fault| follows(fault.from));
            let fault = faults.map(|fault| Subject::Fault(fault.clone())).find(has);
            let violations = record.violations.iter().filter(|(at, _)| follows(*at));
            let violation = violations
                .map(|(at, text)| Subject::Violation(*at, text.clone()))
                .find(has);
            marks
                .chain(flight)
                .chain(operation)
                .chain(fault)
                .chain(violation)
                .min_by_key(Subject::at)
        };
        first_of(Some(from)).or_else(|| first_of(None))
    }

    /// What the picture shows, for those who do not see it.
    pub fn spoken(&self, record: &Record, now: Instant) -> String {
        if let Some(chosen) = &self.chosen {
            return format!("{}: {}, {}", seconds(chosen.at()), chosen.title(), chosen.when());
        }
        let at = self.playhead.unwrap_or(now);
        let place = if self.playhead.is_none() { ", now" } else { "" };
        let who = match record.leader(at) {
            Some((term, node)) => format!("{node} leads {term}"),
            None => "no leader".to_owned(),
        };
        let (from, until) = match &self.axis {
            Some(axis) => axis.ends(),
            None => (self.viewport.start(), self.viewport.end()),
        };
        let count = |list: &Filed<Mark>, wanted: fn(&MarkKind) -> bool| {
            let inside = list.range(list.before(from)..list.until(until));
            inside.filter(|mark| wanted(&mark.kind)).count()
        };
        let commits = record.commits.until(until).saturating_sub(record.commits.before(from));
        let elections = count(&record.rare, |kind| matches!(kind, MarkKind::Elected { .. }));
        let crashes = count(&record.rare, |kind| matches!(kind, MarkKind::Crashed));
        let violations = record
            .violations
            .iter()
            .filter(|(at, _)| (from..=until).contains(at))
            .count();
        let broken = if violations > 0 {
            format!(", {violations} broken promises")
        } else {
            String::new()
        };
        format!(
            "{}{place}: {who}; in view {commits} commits, {elections} elections, {crashes} crashes{broken}",
            seconds(at)
        )
    }
}

impl Default for Scene {
    fn default() -> Scene {
        Scene::new()
    }
}

impl Outline {
    fn distance(&self, x: f64, y: f64) -> f64 {
        match *self {
            Outline::Line([x0, y0, x1, y1]) => {
                let (dx, dy) = (x1 - x0, y1 - y0);
                let length = (dx * dx + dy * dy).max(1e-9);
                let part = (((x - x0) * dx + (y - y0) * dy) / length).clamp(0.0, 1.0);
                length_of(x - x0 - part * dx, y - y0 - part * dy)
            }
            Outline::Area([left, top, width, height]) => {
                let across = (left - x).max(x - left - width).max(0.0);
                let down = (top - y).max(y - top - height).max(0.0);
                // A bar behind a line gives way to it.
                length_of(across, down) + 2.0
            }
        }
    }
}

fn length_of(dx: f64, dy: f64) -> f64 {
    (dx * dx + dy * dy).sqrt()
}
