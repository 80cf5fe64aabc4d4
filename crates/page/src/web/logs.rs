//! The logs side by side: a column for each place, a row for each node. Only what is in view is drawn.

use cluster::host::Status;
use ftqueue::{Command, Write};
use leptos::html::{Canvas, Div};
use leptos::prelude::*;
use raft_core::{CommitHold, Entry, Instant, LogIndex, NodeId, Payload, Progress, Role, Term};
use trace::lockstep::ToLockstep;
use web_sys::{CanvasRenderingContext2d, Event, HtmlCanvasElement, HtmlElement, MouseEvent};

use super::app::{App, Selection, app};
use super::canvas::{self, Palette, dashes};
use super::markup::Markup;
use super::view;
use super::wall::wall_ms;
use crate::model::{Model, Node};

/// Where the names of nodes end.
const LEFT: f64 = 78.0;
/// From one place of the log to the next.
const COLUMN: f64 = 65.0;
/// How wide an entry is.
const CELL: f64 = 62.0;
/// From one node to the next.
const ROW: f64 = 30.0;
/// How high an entry is.
const CELL_HEIGHT: f64 = 26.0;
/// Where the first node's row begins.
const TOP: f64 = 28.0;
/// How many letters fit into an entry as they are, and how many if they are small.
const LETTERS: usize = 9;
const LETTERS_MAX: usize = 11;
const FONT: &str = "11px ui-monospace, 'DejaVu Sans Mono', monospace";
const SMALL: &str = "9px ui-monospace, 'DejaVu Sans Mono', monospace";
/// Browsers make nothing wider than this that scrolls. Logs that are longer scroll faster.
const SCROLL_PX_MAX: f64 = 16_000_000.0;
/// An entry is not said to be held before it has been for as long, in wall milliseconds: else the line would flicker.
const HELD_MS_MIN: f64 = 250.0;
/// How long ago a refusal may be that explains a held entry, in virtual microseconds.
const REFUSAL_US_MAX: u64 = 2_000_000;

#[derive(Clone, Copy)]
struct Handle {
    scroller: NodeRef<Div>,
    canvas: NodeRef<Canvas>,
    follows: StoredValue<bool>,
    drawn: StoredValue<Drawn, LocalStorage>,
    /// Where the picture was scrolled to by itself: left of it, a person has scrolled away.
    placed: StoredValue<i32>,
}

/// What the last drawing rested on.
#[derive(Clone, PartialEq, Default)]
struct Drawn {
    scroll_left: i32,
    size: (i32, i32),
    theme: String,
    version: u64,
}

/// Why the last entry is not committed, or that all is well.
struct Why {
    held: bool,
    term: Term,
    title: String,
    text: String,
    paper: &'static str,
}

/// The panel.
#[component]
pub(super) fn Logs() -> impl IntoView {
    let handle = Handle {
        scroller: NodeRef::new(),
        canvas: NodeRef::new(),
        follows: StoredValue::new(true),
        drawn: StoredValue::new_local(Drawn::default()),
        placed: StoredValue::new(0),
    };
    app().on_frame(move || handle.paint());
    let width = view::text(|app| format!("{}px", spacer_px(Span::of(&app.scene())) as u64));
    let follows = view::flag(move |_| handle.follows.get_value());
    view! {
        <section class="panel logs" aria-label="Logs">
            <h2>
                "Logs" <span>"filled: committed · underlined: applied · dashed: not yet · ▴ match, ▵ next of the leader"</span>
                <span class="grow"></span>
                <button hidden=follows on:click=view::act(move || handle.latest())>"latest"</button>
            </h2>
            <p class="sr-only">{view::text(summary)}</p>
            <div class="logs-view" tabindex="0" role="group" aria-label="Entries of the logs" node_ref=handle.scroller
                on:scroll=view::on(move |_: Event| handle.scrolled())>
                <div class="logs-spacer" style:width=width>
                    <canvas node_ref=handle.canvas aria-hidden="true" on:click=view::on(move |event: MouseEvent| handle.click(&event))></canvas>
                </div>
            </div>
            <div inner_html=why_not()></div>
        </section>
    }
}

/// Why the last entry is not committed, as a paragraph.
fn why_not() -> view::Text {
    let since = StoredValue::new((LogIndex::ZERO, f64::MIN));
    view::text(move |app| {
        let model = app.scene();
        let committed = model.commit_index();
        since.update_value(|since| {
            if since.0 != committed {
                *since = (committed, wall_ms());
            }
        });
        let settled = wall_ms() - since.get_value().1 >= HELD_MS_MIN;
        match why(&model, app.shown_at()).filter(|why| settled || !why.held) {
            Some(why) => why.html(),
            None => "<p class=\"why calm\">Entries are on their way.</p>".to_owned(),
        }
    })
}

impl Why {
    fn html(&self) -> String {
        let mut html = Markup::default();
        let class = if self.held {
            format!("why hue-{}", self.term.0 % 5)
        } else {
            "why calm".to_owned()
        };
        html.open("p", &class);
        html.element("b", "", &self.title);
        html.text(format_args!(" {} ", self.text));
        html.element("small", "", self.paper);
        html.close("p");
        html.finish()
    }
}

/// What the picture shows, for those who do not see it.
fn summary(app: &App) -> String {
    let model = app.scene();
    let said = model.nodes().map(|node| match &node.status {
        Some(status) => format!(
            "{}: {} entries, {} committed, {} applied.",
            node.label(),
            status.last_index,
            status.commit_index,
            status.last_applied
        ),
        None => format!("{}: its log is not known.", node.label()),
    });
    said.collect::<Vec<String>>().join(" ")
}

impl Handle {
    /// Goes to the end of the logs and stays there.
    fn latest(self) {
        self.follows.set_value(true);
        app().touch();
    }

    fn scrolled(self) {
        if let Some(scroller) = self.scroller.get_untracked() {
            let end = scroller.scroll_width() - scroller.client_width();
            // The end may have moved on since the picture was put there, so only a step back is a person's.
            let at_end = if self.follows.get_value() {
                end.min(self.placed.get_value())
            } else {
                end
            };
            let follows = scroller.scroll_left() >= at_end - 4;
            if follows != self.follows.get_value() {
                self.follows.set_value(follows);
            }
        }
        app().touch();
    }

    fn click(self, event: &MouseEvent) {
        let (Some(scroller), Some(canvas)) = (self.scroller.get_untracked(), self.canvas.get_untracked()) else {
            return;
        };
        let app = app();
        let model = app.scene();
        let (x, y) = (f64::from(event.offset_x()), f64::from(event.offset_y()));
        let span = Span::of(&model);
        let offset = offset_px(&scroller, &canvas, span);
        let Some(node) = model
            .nodes()
            .nth(((y - TOP) / ROW).max(0.0) as usize)
            .filter(|_| y >= TOP)
        else {
            return;
        };
        let index = LogIndex(span.first + ((x - LEFT + offset).max(0.0) / COLUMN) as u64 + 1);
        let chosen = if x < LEFT {
            Some(Selection::Node(node.id))
        } else {
            let entry = node.entry(index).map(|entry| about(&model, node, index, entry));
            // Its way through the nodes is lit on the timeline.
            app.tell_recorder(&ToLockstep::Do(format!("life {index}")));
            entry.or_else(|| (index <= node.snapshot_index).then(|| about_snapshot(node)))
        };
        drop(model);
        if let Some(selection) = chosen {
            app.selected.set(selection);
            app.touch();
        }
    }

    fn paint(self) {
        let (Some(scroller), Some(canvas)) = (self.scroller.get_untracked(), self.canvas.get_untracked()) else {
            return;
        };
        let app = app();
        if self.follows.get_value() {
            let end = scroller.scroll_width() - scroller.client_width();
            if scroller.scroll_left() < end {
                scroller.set_scroll_left(end);
                self.placed.set_value(scroller.scroll_left());
            }
        }
        let next = Drawn {
            scroll_left: scroller.scroll_left(),
            size: (scroller.client_width(), scroller.client_height()),
            theme: canvas::theme(),
            version: app.version.get_untracked(),
        };
        if self.drawn.with_value(|drawn| *drawn == next) {
            return;
        }
        let model = app.scene();
        let height = TOP + model.nodes().count() as f64 * ROW + 4.0;
        let style = HtmlElement::style(&canvas);
        let _ = style.set_property("width", &format!("{}px", next.size.0));
        let _ = style.set_property("height", &format!("{height}px"));
        let Some((context, width, _)) = canvas::ready(&canvas) else {
            return;
        };
        let palette = Palette::read();
        let span = Span::of(&model);
        Painter {
            context: &context,
            palette: &palette,
            width,
            offset: offset_px(&scroller, &canvas, span),
            span,
        }
        .paint(&model);
        self.drawn.set_value(next);
    }
}

/// The places of the log that have a column, counted from 0: from `first` to before `end`.
#[derive(Clone, Copy, PartialEq)]
struct Span {
    first: u64,
    end: u64,
}

impl Span {
    /// All places that stand in any log; and where snapshots stand for the first of them, one more to say so.
    fn of(model: &Model) -> Span {
        let first = model.nodes().map(|node| node.snapshot_index.0).min().unwrap_or(0);
        let end = model.nodes().map(|node| node.last_index().0).max().unwrap_or(0);
        Span {
            first: first.saturating_sub(1),
            end,
        }
    }
}

/// How wide all entries are together.
fn content_px(span: Span) -> f64 {
    LEFT + (span.end - span.first) as f64 * COLUMN + 10.0
}

/// How wide that is made which scrolls.
fn spacer_px(span: Span) -> f64 {
    content_px(span).min(SCROLL_PX_MAX)
}

/// How far the entries are scrolled.
fn offset_px(scroller: &HtmlElement, canvas: &HtmlCanvasElement, span: Span) -> f64 {
    let view = f64::from(canvas.client_width());
    let room = spacer_px(span) - view;
    if room <= 0.0 {
        return 0.0;
    }
    let part = (f64::from(scroller.scroll_left()) / room).min(1.0);
    part * (content_px(span) - view)
}

struct Painter<'a> {
    context: &'a CanvasRenderingContext2d,
    palette: &'a Palette,
    width: f64,
    offset: f64,
    span: Span,
}

impl Painter<'_> {
    fn paint(&self, model: &Model) {
        let first = self.span.first + (self.offset / COLUMN).floor() as u64;
        let last = self.span.first + ((self.offset + self.width - LEFT) / COLUMN).ceil().max(0.0) as u64;
        self.context.set_text_baseline("middle");
        self.names(model);
        self.context.save();
        self.context.begin_path();
        self.context.rect(LEFT, 0.0, (self.width - LEFT).max(0.0), 4_000.0);
        self.context.clip();
        self.context.set_font(FONT);
        self.context.set_fill_style_str(&self.palette.faint);
        for place in first..last.min(self.span.end) {
            let _ = self
                .context
                .fill_text(&(place + 1).to_string(), self.x(place) + 1.0, 13.0);
        }
        self.context.set_text_align("center");
        for (row, node) in model.nodes().enumerate() {
            self.log(node, TOP + row as f64 * ROW, first, last);
        }
        self.context.set_text_align("left");
        self.positions(model);
        self.context.restore();
    }

    fn x(&self, place: u64) -> f64 {
        LEFT + (place as f64 - self.span.first as f64) * COLUMN - self.offset
    }

    fn names(&self, model: &Model) {
        self.context.set_font("11px system-ui, sans-serif");
        self.context.set_fill_style_str(&self.palette.faint);
        for (row, node) in model.nodes().enumerate() {
            let sign = match node.role() {
                Some(Role::Leader) => " ★",
                Some(Role::Candidate) => " ?",
                None => " ✕",
                _ => "",
            };
            let _ = self.context.fill_text(
                &format!("{}{sign}", node.id),
                12.0,
                TOP + row as f64 * ROW + CELL_HEIGHT / 2.0,
            );
        }
        if self.span.end == 0 {
            let _ = self.context.fill_text("The logs are empty.", LEFT, 13.0);
        }
    }

    fn log(&self, node: &Node, y: f64, first: u64, last: u64) {
        let (commit, applied) = node
            .status
            .as_ref()
            .map_or((0, 0), |status| (status.commit_index.0, status.last_applied.0));
        let alpha = if node.is_up() { 1.0 } else { 0.45 };
        self.context.set_global_alpha(alpha);
        self.context.set_line_width(1.4);
        let base = node.snapshot_index.0;
        if first < base {
            self.snapshot(base, y);
        }
        let (skipped, end) = (first.saturating_sub(base), last.saturating_sub(base));
        for (place, entry) in (base..).zip(&node.log).take(end as usize).skip(skipped as usize) {
            let (x, index) = (self.x(place), place + 1);
            let colour = self.palette.term(entry.term);
            self.context.begin_path();
            if index <= commit {
                let _ = self.context.round_rect_with_f64(x, y, CELL, CELL_HEIGHT, 4.0);
                self.context.set_fill_style_str(colour);
                self.context.fill();
                if index <= applied {
                    self.context.set_fill_style_str(&self.palette.panel);
                    self.context.set_global_alpha(alpha * 0.55);
                    self.context.fill_rect(x + 2.0, y + CELL_HEIGHT - 4.0, CELL - 4.0, 2.5);
                    self.context.set_global_alpha(alpha);
                }
                self.context.set_fill_style_str(&self.palette.panel);
            } else {
                let _ = self
                    .context
                    .round_rect_with_f64(x + 0.7, y + 0.7, CELL - 1.4, CELL_HEIGHT - 1.4, 4.0);
                dashes(self.context, &[4.0, 3.0]);
                self.context.set_stroke_style_str(colour);
                self.context.stroke();
                dashes(self.context, &[]);
                self.context.set_fill_style_str(colour);
            }
            let text = short(entry);
            let small = text.chars().count() > LETTERS;
            if small {
                self.context.set_font(SMALL);
            }
            let _ = self.context.fill_text(&text, x + CELL / 2.0, y + CELL_HEIGHT / 2.0);
            if small {
                self.context.set_font(FONT);
            }
        }
        self.context.set_global_alpha(1.0);
    }

    /// What a snapshot stands for, as one bar that ends with its last entry.
    fn snapshot(&self, base: u64, y: f64) {
        let (left, end) = (self.x(self.span.first).max(LEFT), self.x(base) - COLUMN + CELL);
        let width = end - left;
        self.context.begin_path();
        let _ = self
            .context
            .round_rect_with_f64(left, y, width.max(0.0), CELL_HEIGHT, 4.0);
        self.context.set_fill_style_str(&self.palette.line);
        self.context.fill();
        self.context.set_fill_style_str(&self.palette.ink);
        let text = if width < 2.0 * CELL {
            format!("1–{base}")
        } else {
            format!("snapshot of 1–{base}")
        };
        self.context.set_font(SMALL);
        let middle = left + width.min(self.width - left) / 2.0;
        let _ = self.context.fill_text(&text, middle, y + CELL_HEIGHT / 2.0);
        self.context.set_font(FONT);
    }

    /// What the leader knows of each follower: a full triangle below what matches, an open one below what is sent next.
    fn positions(&self, model: &Model) {
        let Some(Status { progress, .. }) = model.leader().and_then(|leader| leader.status.as_ref()) else {
            return;
        };
        self.context.set_fill_style_str(&self.palette.ink);
        self.context.set_stroke_style_str(&self.palette.ink);
        self.context.set_line_width(1.0);
        for (row, node) in model.nodes().enumerate() {
            let Some(known) = progress.iter().find(|progress| progress.id == node.id) else {
                continue;
            };
            let y = TOP + row as f64 * ROW + CELL_HEIGHT - 3.0;
            let matched = self.x(known.match_index.0) - 3.0 - 6.0;
            let next = self.x(known.next_index.0.saturating_sub(1)) + 6.0;
            for (x, full) in [(matched, true), (next, false)] {
                if x < LEFT || x > self.width {
                    continue;
                }
                self.context.begin_path();
                self.context.move_to(x - 4.0, y + 6.0);
                self.context.line_to(x, y);
                self.context.line_to(x + 4.0, y + 6.0);
                self.context.close_path();
                if full {
                    self.context.fill();
                } else {
                    self.context.set_fill_style_str(&self.palette.panel);
                    self.context.fill();
                    self.context.stroke();
                    self.context.set_fill_style_str(&self.palette.ink);
                }
            }
        }
    }
}

/// An entry in a word or two.
fn short(entry: &Entry<Command>) -> String {
    let text = match &entry.payload {
        Payload::NoOp => return "no-op".to_owned(),
        Payload::Command(Command::OpenSession { .. }) => return "session".to_owned(),
        Payload::Command(Command::Write {
            write: Write::CreateQueue { label },
            ..
        }) => format!("create {label}"),
        Payload::Command(Command::Write { write, .. }) => write.to_string(),
    };
    if text.chars().count() <= LETTERS_MAX {
        return text;
    }
    let kept: String = text.chars().take(LETTERS_MAX - 1).collect();
    format!("{kept}…")
}

/// All there is to say about a snapshot.
fn about_snapshot(node: &Node) -> Selection {
    Selection::Event {
        title: format!("The snapshot of {}", node.id),
        lines: vec![
            format!(
                "It stands for the entries 1 to {}, which are committed, applied, and dropped (§7).",
                node.snapshot_index
            ),
            "A follower that lacks some of them gets the state that they led to instead (figure 13).".to_owned(),
        ],
    }
}

/// All there is to say about an entry.
fn about(model: &Model, node: &Node, index: LogIndex, entry: &Entry<Command>) -> Selection {
    let same = |other: &Node| other.entry(index).is_some_and(|theirs| theirs == entry);
    let holders: Vec<String> = model
        .nodes()
        .filter(|other| same(other))
        .map(|other| other.id.to_string())
        .collect();
    let mut lines = vec![entry.to_string(), format!("made by the leader of {}", entry.term)];
    if let Some(status) = &node.status {
        let says = |yes: bool, what: &str| format!("{} {what}", if yes { "✓" } else { "not" });
        lines.push(says(index <= status.durable_index, "durable here (figure 2)"));
        lines.push(says(
            index <= status.commit_index,
            "known to be committed here (§5.3, §5.4.2)",
        ));
        lines.push(says(index <= status.last_applied, "applied here (§5.3)"));
    }
    lines.push(format!("in the logs of {}", holders.join(", ")));
    Selection::Event {
        title: format!("Entry {index} of {}", node.id),
        lines,
    }
}

/// Why the last entry of the leader is not committed, from what nodes have said.
fn why(model: &Model, now: Instant) -> Option<Why> {
    let Some(leader) = model.leader() else {
        return Some(leaderless(model));
    };
    let status = leader.status.as_ref()?;
    if status.commit_index >= status.last_index {
        return Some(Why {
            held: false,
            term: status.term,
            title: format!("All {} entries are committed.", status.last_index),
            text: format!(
                "Each is on the disks of a majority, and the last is of {}, which {} leads.",
                status.term, leader.id
            ),
            paper: "Raft §5.3, §5.4.2",
        });
    }
    let index = status.commit_index.next();
    let hold = leader.hold.filter(|(held, _)| *held > status.commit_index);
    let (index, reason) = hold.unwrap_or((index, counted(model, status, index)));
    let mut text = match reason {
        CommitHold::LacksCopies { copies, needed } => {
            format!(
                "{} has it durably on {copies} of the {needed} nodes that a majority needs.",
                leader.id
            )
        }
        CommitHold::OlderTerm { .. } => format!("{}: {reason}.", leader.id),
    };
    text.push_str(&down(model));
    for node in model.nodes().filter(|node| node.is_up()) {
        text.push_str(&lacking(node, status, index, now));
    }
    Some(Why {
        held: true,
        term: status.term,
        title: format!("Why is entry {index} not committed?"),
        text,
        paper: match reason {
            CommitHold::OlderTerm { .. } => "Raft §5.4.2, figure 8",
            CommitHold::LacksCopies { .. } => "Raft §5.3, §5.4.2",
        },
    })
}

/// Nobody leads: nothing can be committed.
fn leaderless(model: &Model) -> Why {
    let (all, up) = (model.nodes().count(), model.nodes().filter(|node| node.is_up()).count());
    let majority = all / 2 + 1;
    let text = if up < majority {
        format!("{up} of {all} nodes run, and a majority is {majority}: none of them can be elected.")
    } else {
        "A candidate needs the votes of a majority first.".to_owned()
    };
    Why {
        held: true,
        term: model.term(),
        title: "No leader, so nothing is committed.".to_owned(),
        text,
        paper: "Raft §5.2",
    }
}

fn counted(model: &Model, status: &Status, index: LogIndex) -> CommitHold {
    let followers = status
        .progress
        .iter()
        .filter(|progress| progress.match_index >= index)
        .count();
    let own = usize::from(status.durable_index >= index);
    CommitHold::LacksCopies {
        copies: (followers + own) as u8,
        needed: (model.nodes().count() / 2 + 1) as u8,
    }
}

/// Who is down, in a sentence.
fn down(model: &Model) -> String {
    let down: Vec<String> = model
        .nodes()
        .filter(|node| !node.is_up())
        .map(|node| node.id.to_string())
        .collect();
    match down.split_last() {
        None => String::new(),
        Some((only, [])) => format!(" {only} is down."),
        Some((last, others)) => format!(" {} and {last} are down.", others.join(", ")),
    }
}

/// What keeps a node that runs from having an entry.
fn lacking(node: &Node, leader: &Status, index: LogIndex, now: Instant) -> String {
    let id: NodeId = node.id;
    let behind = |progress: &&Progress| progress.id == id && progress.match_index < index;
    match (leader.progress.iter().find(behind), &node.refusal) {
        (None, _) => String::new(),
        (Some(_), Some((at, words, _))) if now.since(*at).0 < REFUSAL_US_MAX => format!(" {id}: {words}."),
        (Some(known), _) => format!(" {id} is known to have it up to {}.", known.match_index),
    }
}
