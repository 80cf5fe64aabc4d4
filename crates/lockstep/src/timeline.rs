//! What a person does to the timeline, and what it tells. Nothing here draws.

use picture::{AxisMode, Hit, Jump, Kinds, LEFT, Layout, Palette, Record, Scene, Subject};
use raft_core::{Instant, LogIndex, NodeId};
use trace::lockstep::{Gesture, Tip};

/// How far a key moves the picture, as part of its width.
const PAN_PART: f64 = 0.2;
/// How far an arrow key moves the playhead, in pixels.
const STEP_PX: f64 = 12.0;
/// How much closer a key or button goes.
const ZOOM_STEP: f64 = 1.6;
/// How much closer a pixel of the wheel goes.
const ZOOM_PER_WHEEL_PX: f64 = 0.0016;
/// A pointer that moves less than this between down and up has clicked.
const CLICK_PX: f64 = 4.0;

/// The view, its size and colours, and the fingers on it.
pub(crate) struct Timeline {
    pub(crate) scene: Scene,
    pub(crate) palette: Palette,
    /// Its width and height in pixels, and how many dots a pixel is.
    pub(crate) size: (f64, f64, f64),
    /// Whether a person has chosen the scale; until then it suits the speed of time.
    scaled: bool,
    pointers: Vec<Pointer>,
    searched: String,
    /// The picture is not as it was painted.
    pub(crate) stale: bool,
}

/// A finger, or the mouse with its button down.
struct Pointer {
    id: i32,
    x: f64,
    travelled_px: f64,
    drags: Drag,
}

/// What a pointer has hold of.
#[derive(Clone, Copy, PartialEq)]
enum Drag {
    Playhead,
    Brush,
    BrushStart,
    BrushEnd,
}

/// What follows from what a person did, for the rest of the host.
#[derive(Debug, PartialEq)]
pub(crate) enum Wish {
    /// Show this instant, or the present.
    Look(Option<Instant>),
    /// This was chosen, or nothing is any more.
    Choose(Option<Subject>),
    /// A node was.
    ChooseNode(NodeId),
    /// Say this at the pointer, or nothing.
    Tip(Option<Tip>),
    /// Something that was looked for is not there.
    NotFound(String),
}

impl Timeline {
    pub(crate) fn new() -> Timeline {
        Timeline {
            scene: Scene::new(),
            palette: Palette::default(),
            size: (800.0, 0.0, 1.0),
            scaled: false,
            pointers: Vec::new(),
            searched: String::new(),
            stale: true,
        }
    }

    /// Time has come to `now`, and runs at a rate.
    pub(crate) fn come(&mut self, now: Instant, rate: f64) {
        if !self.scaled && self.scene.viewport.follows() && rate > 0.0 {
            self.scene.viewport.suit(rate);
        }
        if self.scene.viewport.follows() {
            self.scene.viewport.come(now);
        }
    }

    /// The instant that is shown has changed: it is brought into view.
    pub(crate) fn show(&mut self, at: Option<Instant>, now: Instant) {
        self.scene.playhead = at;
        match at {
            Some(at) => {
                self.scene.viewport.stay();
                self.scene.viewport.show(at, now);
            }
            None => self.scene.viewport.follow(now),
        }
        self.stale = true;
    }

    /// Does what a gesture is for.
    pub(crate) fn take(&mut self, gesture: Gesture, record: &Record, now: Instant) -> Vec<Wish> {
        self.stale = true;
        match gesture {
            Gesture::Size { width, height, ratio } => {
                self.size = (width, height, ratio);
                Vec::new()
            }
            Gesture::Colours(colours) => {
                self.palette = Palette::of(&colours);
                Vec::new()
            }
            Gesture::Press { pointer, x, y } => {
                self.press(pointer, x, y, record);
                vec![Wish::Tip(None)]
            }
            Gesture::Move { pointer, x, y } => self.moved(pointer, x, y, record, now),
            Gesture::Release { pointer, x, y, whole } => self.release(pointer, x, y, whole, record, now),
            Gesture::Leave => {
                self.scene.hovered = None;
                vec![Wish::Tip(None)]
            }
            Gesture::Wheel { dx, dy, x, pans, .. } => {
                if pans || dx.abs() > dy.abs() {
                    self.pan(if dx == 0.0 { dy } else { dx }, now);
                } else {
                    self.zoom((dy * ZOOM_PER_WHEEL_PX).exp(), x - LEFT, now);
                }
                vec![Wish::Tip(None)]
            }
            Gesture::Key(key) => self.key(&key, record, now),
        }
    }

    /// Does what a tool is for; says nothing, if it is none.
    pub(crate) fn tool(&mut self, said: &str, record: &Record, now: Instant) -> Option<Vec<Wish>> {
        let (word, rest) = said.split_once(' ').unwrap_or((said, ""));
        self.stale = true;
        match word {
            "key" => return Some(self.key(rest, record, now)),
            "axis" => {
                self.scene.mode = match rest {
                    "warped" => AxisMode::Warped,
                    "order" => AxisMode::Order,
                    _ => AxisMode::Real,
                }
            }
            "client" => self.scene.client = rest.parse().ok(),
            "heartbeats" => self.scene.heartbeats = rest == "true",
            "show" if rest.contains(' ') => {
                let (kind, shown) = rest.split_once(' ')?;
                let hidden = shown != "true";
                if let Ok(node) = kind.parse() {
                    self.scene.hidden_nodes.retain(|known| *known != NodeId(node));
                    if hidden {
                        self.scene.hidden_nodes.push(NodeId(node));
                    }
                } else {
                    *kind_of(&mut self.scene.hidden, kind)? = hidden;
                }
            }
            "search" => {
                self.searched = rest.to_owned();
                return Some(self.search(record, now));
            }
            "entry" => {
                let index = LogIndex(rest.parse().ok()?);
                let life = picture::life(record, index);
                let at = life.first().map_or(now, |mark| mark.at);
                return Some(self.choose(Subject::Entry(index, at), now));
            }
            // The entry is explained elsewhere: here only its way through the nodes is lit.
            "life" => {
                let index = LogIndex(rest.parse().ok()?);
                let at = self.scene.playhead.unwrap_or(now);
                self.scene.chosen = Some(Subject::Entry(index, at));
            }
            "inspect" => {
                let node = rest.parse().ok().map(NodeId);
                return Some(vec![node.map_or(Wish::Choose(None), Wish::ChooseNode)]);
            }
            _ => return None,
        }
        Some(Vec::new())
    }

    /// Its tools, as HTML.
    pub(crate) fn tools(&self, record: &Record) -> String {
        let members = record.members();
        let mut html = String::from(
            "<select data-say=\"inspect\" aria-label=\"Inspect\" title=\"A node's state, durable and volatile\">",
        );
        html.push_str("<option value=\"\">inspect</option>");
        for node in members {
            html.push_str(&format!("<option value=\"{}\">{node}</option>", node.0));
        }
        html.push_str("</select>");
        for (key, label, title, sign) in [
            (",", "Event before", "Event before (,)", "‹"),
            (".", "Next event", "Next event (.)", "›"),
            (
                "e",
                "Next election",
                "Next election (E; with Shift the one before)",
                "▸ election",
            ),
            (
                "c",
                "Next commit",
                "Next commit (C; with Shift the one before)",
                "◆ commit",
            ),
            (
                "m",
                "Next message",
                "Next message (M, but on a node; with Shift the one before)",
                "→ message",
            ),
            (
                "x",
                "Next crash",
                "Next crash or start (X; with Shift the one before)",
                "✕ crash",
            ),
            (
                "v",
                "Next violation",
                "Next broken promise (V; with Shift the one before)",
                "✗ violation",
            ),
            ("w", "Zoom in", "Zoom in (W)", "+"),
            ("s", "Zoom out", "Zoom out (S)", "−"),
            ("f", "Show everything", "Show everything (F)", "fit"),
        ] {
            html.push_str(&format!(
                "<button data-do=\"key {key}\" aria-label=\"{label}\" title=\"{title}\">{sign}</button>"
            ));
        }
        let follows = self.scene.viewport.follows() && self.scene.playhead.is_none();
        html.push_str(&format!(
            "<button data-do=\"key End\" title=\"Follow now (End)\" aria-pressed=\"{follows}\">follow</button>"
        ));
        html.push_str("<select data-say=\"axis\" aria-label=\"Time axis\" title=\"How time is laid out\">");
        for (value, label, mode) in [
            ("real", "real time", AxisMode::Real),
            ("warped", "warped time", AxisMode::Warped),
            ("order", "order of events", AxisMode::Order),
        ] {
            let selected = if self.scene.mode == mode { " selected" } else { "" };
            html.push_str(&format!("<option value=\"{value}\"{selected}>{label}</option>"));
        }
        html.push_str("</select><details class=\"filters\"><summary>Filter</summary><div class=\"files-menu\">");
        let tick = |html: &mut String, says: &str, label: &str, checked: bool| {
            let checked = if checked { " checked" } else { "" };
            html.push_str(&format!(
                "<label><input type=\"checkbox\" data-say=\"{says}\"{checked}> {label}</label>"
            ));
        };
        let mut hidden = self.scene.hidden;
        for kind in KINDS {
            let shown = kind_of(&mut hidden, kind).is_some_and(|hidden| !*hidden);
            tick(&mut html, &format!("show {kind}"), kind, shown);
        }
        tick(&mut html, "heartbeats", "each heartbeat", self.scene.heartbeats);
        for node in members {
            tick(
                &mut html,
                &format!("show {}", node.0),
                &node.to_string(),
                self.scene.shows_node(*node),
            );
        }
        html.push_str("<select data-say=\"client\" aria-label=\"Client\"><option value=\"\">every client</option>");
        for client in record.clients() {
            let selected = if self.scene.client == Some(client) {
                " selected"
            } else {
                ""
            };
            html.push_str(&format!(
                "<option value=\"{client}\"{selected}>client {client}</option>"
            ));
        }
        html.push_str("</select>");
        html.push_str("</div></details><input type=\"search\" data-say=\"search\" aria-label=\"Search\" placeholder=\"search\" title=\"Find a word in what happened; N finds the next\">");
        html
    }

    /// How high it wants to be, in pixels.
    pub(crate) fn height(members: &[NodeId]) -> f64 {
        Layout::new(members).height
    }

    fn pan(&mut self, px: f64, now: Instant) {
        if self.scene.mode == AxisMode::Real {
            self.scene.viewport.pan(px, now);
        } else {
            let begins = self.scene.at(LEFT + px);
            self.scene.viewport.begin_at(begins, now);
        }
    }

    fn zoom(&mut self, factor: f64, x: f64, now: Instant) {
        self.scaled = true;
        self.scene.viewport.zoom(factor, x, now);
    }

    fn key(&mut self, key: &str, record: &Record, now: Instant) -> Vec<Wish> {
        let width = self.scene.viewport.width_px();
        let at = self.scene.playhead.unwrap_or(now);
        let earlier = key.len() == 1 && key.chars().all(char::is_uppercase);
        match key.to_lowercase().as_str() {
            "a" => self.pan(-PAN_PART * width, now),
            "d" => self.pan(PAN_PART * width, now),
            "pageup" => self.pan(-0.9 * width, now),
            "pagedown" => self.pan(0.9 * width, now),
            "w" | "arrowup" => self.zoom(1.0 / ZOOM_STEP, width / 2.0, now),
            "s" | "arrowdown" => self.zoom(ZOOM_STEP, width / 2.0, now),
            "f" => {
                self.scaled = true;
                self.scene.viewport.fit(record.first(), now);
                if self.scene.playhead.is_some() {
                    self.scene.viewport.stay();
                }
            }
            "arrowleft" => return vec![Wish::Look(Some(self.scene.at(self.scene.x(at) - STEP_PX)))],
            "arrowright" => {
                let later = self.scene.at(self.scene.x(at) + STEP_PX);
                return vec![Wish::Look(Some(later).filter(|later| *later < now))];
            }
            "home" => return vec![Wish::Look(Some(record.first()))],
            "end" => return vec![Wish::Choose(None), Wish::Look(None)],
            "escape" if self.scene.chosen.is_some() => return vec![Wish::Choose(None)],
            "escape" => return vec![Wish::Look(None)],
            "," => return self.jump(Jump::Event, false, record, now),
            "." => return self.jump(Jump::Event, true, record, now),
            "e" => return self.jump(Jump::Election, !earlier, record, now),
            "c" => return self.jump(Jump::Commit, !earlier, record, now),
            "x" => return self.jump(Jump::Crash, !earlier, record, now),
            "m" => return self.jump(Jump::Message, !earlier, record, now),
            "v" => return self.jump(Jump::Violation, !earlier, record, now),
            "n" | "enter" => return self.search(record, now),
            _ => {}
        }
        Vec::new()
    }

    fn jump(&mut self, jump: Jump, later: bool, record: &Record, now: Instant) -> Vec<Wish> {
        let from = self.scene.playhead.unwrap_or(now);
        // From the present, there is nothing later: it begins with the first.
        let is_present = self.scene.playhead.is_none();
        let found = self.scene.jump(record, jump, from, later);
        let around = || {
            (later && is_present)
                .then(|| self.scene.jump(record, jump, Instant(0), true))
                .flatten()
        };
        match found.or_else(around) {
            Some(subject) => self.choose(subject, now),
            None => vec![Wish::NotFound(match jump {
                Jump::Violation => "No promise was broken.".to_owned(),
                _ => "There is none.".to_owned(),
            })],
        }
    }

    fn search(&mut self, record: &Record, now: Instant) -> Vec<Wish> {
        if self.searched.trim().is_empty() {
            return Vec::new();
        }
        let from = self.scene.chosen.as_ref().map_or(Instant(0), Subject::at);
        match self.scene.search(record, &self.searched, from) {
            Some(subject) => self.choose(subject, now),
            None => vec![Wish::NotFound(format!(
                "Nothing that happened has “{}” in it.",
                self.searched
            ))],
        }
    }

    /// Something is chosen, and its instant shown.
    fn choose(&mut self, subject: Subject, now: Instant) -> Vec<Wish> {
        let at = subject.at();
        self.scene.viewport.stay();
        self.scene.viewport.show(at, now);
        vec![Wish::Choose(Some(subject)), Wish::Look(Some(at))]
    }

    fn press(&mut self, id: i32, x: f64, y: f64, record: &Record) {
        let drags = match self.scene.hit(record, x, y) {
            Hit::BrushStart => Drag::BrushStart,
            Hit::BrushEnd => Drag::BrushEnd,
            Hit::Overview(_) => Drag::Brush,
            _ => Drag::Playhead,
        };
        self.pointers.push(Pointer {
            id,
            x,
            travelled_px: 0.0,
            drags,
        });
    }

    fn moved(&mut self, id: i32, x: f64, y: f64, record: &Record, now: Instant) -> Vec<Wish> {
        let others: Vec<f64> = self
            .pointers
            .iter()
            .filter(|pointer| pointer.id != id)
            .map(|pointer| pointer.x)
            .collect();
        let Some(pointer) = self.pointers.iter_mut().find(|pointer| pointer.id == id) else {
            return self.hover(x, y, record);
        };
        let before = pointer.x;
        pointer.x = x;
        pointer.travelled_px += (x - before).abs();
        let (drags, travelled_px) = (pointer.drags, pointer.travelled_px);
        if let Some(&other) = others.first() {
            let factor = (before - other).abs().max(1.0) / (x - other).abs().max(1.0);
            self.zoom(factor, (x + other) / 2.0 - LEFT, now);
            return Vec::new();
        }
        if travelled_px < CLICK_PX {
            return Vec::new();
        }
        let (start, end) = (self.scene.viewport.start(), self.scene.viewport.end());
        match drags {
            Drag::Playhead => {
                let at = self.scene.at(x);
                return vec![Wish::Look(Some(at).filter(|at| *at < now))];
            }
            Drag::Brush => {
                let (from, to) = (
                    self.scene.overview_at(record, before),
                    self.scene.overview_at(record, x),
                );
                let begins = Instant((start.0 + to.0).saturating_sub(from.0));
                self.scene.viewport.begin_at(begins, now);
            }
            Drag::BrushStart => {
                let at = self.scene.overview_at(record, x);
                self.scaled = true;
                self.scene.viewport.span(at.min(end), end, now);
            }
            Drag::BrushEnd => {
                let at = self.scene.overview_at(record, x);
                self.scaled = true;
                self.scene.viewport.span(start, at.max(start), now);
            }
        }
        Vec::new()
    }

    fn release(&mut self, id: i32, x: f64, y: f64, whole: bool, record: &Record, now: Instant) -> Vec<Wish> {
        let Some(place) = self.pointers.iter().position(|pointer| pointer.id == id) else {
            return Vec::new();
        };
        let pointer = self.pointers.remove(place);
        if !whole || pointer.travelled_px >= CLICK_PX {
            return Vec::new();
        }
        match self.scene.hit(record, x, y) {
            Hit::Node(node) => vec![Wish::ChooseNode(node)],
            // A message that has arrived is shown half-way, where it can be grabbed.
            Hit::Subject(Subject::Flight(flight)) if flight.ends < now => {
                let half_way = Instant(flight.sent.0 + flight.ends.since(flight.sent).0 / 2);
                vec![Wish::Choose(Some(Subject::Flight(flight))), Wish::Look(Some(half_way))]
            }
            Hit::Subject(subject) => vec![Wish::Choose(Some(subject))],
            Hit::Time(at) => vec![Wish::Choose(None), Wish::Look(Some(at).filter(|at| *at < now))],
            Hit::Overview(at) => {
                let span = self.scene.viewport.end().since(self.scene.viewport.start()).0;
                self.scene
                    .viewport
                    .begin_at(Instant(at.0.saturating_sub(span / 2)), now);
                Vec::new()
            }
            Hit::BrushStart | Hit::BrushEnd => Vec::new(),
        }
    }

    fn hover(&mut self, x: f64, y: f64, record: &Record) -> Vec<Wish> {
        let subject = match self.scene.hit(record, x, y) {
            Hit::Subject(subject) => Some(subject),
            _ => None,
        };
        let tip = subject.as_ref().map(|subject| Tip {
            title: subject.title(),
            when: subject.when(),
            x,
            y,
        });
        self.scene.hovered = subject;
        vec![Wish::Tip(tip)]
    }
}

/// The names of the kinds that can be left out.
const KINDS: [&str; 6] = ["messages", "elections", "log", "flushes", "clients", "faults"];

fn kind_of<'a>(kinds: &'a mut Kinds, name: &str) -> Option<&'a mut bool> {
    Some(match name {
        "messages" => &mut kinds.messages,
        "elections" => &mut kinds.elections,
        "log" => &mut kinds.log,
        "flushes" => &mut kinds.flushes,
        "clients" => &mut kinds.clients,
        "faults" => &mut kinds.faults,
        _ => return None,
    })
}
