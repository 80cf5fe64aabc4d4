//! What stands above the timeline: the runs, the instant that is shown, what is known of the promises. Text of HTML, which the page shows
//! as it is; what its buttons and fields say comes back as a [`Request`].

mod html;
#[cfg(test)]
mod tests;

use cluster::host::{Arriving, MessageId, Surgery};
use raft_core::{Instant, NodeId};
use trace::lockstep::{LIVE, RunId};

use self::html::Html;
use crate::beside::Beside;

/// Two runs at one instant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Comparison {
    /// The other run.
    pub(crate) run: RunId,
    /// What it is called.
    pub(crate) name: String,
    /// The instant.
    pub(crate) at: Instant,
    /// For each member: what is looked at, how it is in the run that is shown, and how in the other.
    pub(crate) rows: Vec<(NodeId, String, String, String)>,
}

/// A run, in short.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RunInfo {
    /// Which.
    pub(crate) id: RunId,
    /// What it is called.
    pub(crate) name: String,
    /// The run it leaves, and where.
    pub(crate) leaves: Option<(RunId, Instant)>,
    /// What was done in it.
    pub(crate) acts: Vec<String>,
    /// The first instant that can be looked at, and the last.
    pub(crate) first: Instant,
    /// The last.
    pub(crate) end: Instant,
    /// Whether something was before the first, and was let go.
    pub(crate) has_let_go: bool,
    /// How many bytes are kept.
    pub(crate) bytes: u64,
    /// How many there may be, before the oldest is let go.
    pub(crate) bytes_max: u64,
    /// Notes.
    pub(crate) notes: Vec<(Instant, String)>,
    /// Whether it is shown.
    pub(crate) shown: bool,
}

/// What is known of a run's promises.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Why it cannot be judged, if it cannot.
    pub(crate) unjudged: Option<String>,
    /// The promises that were broken: when, and how.
    pub(crate) violations: Vec<(Instant, String)>,
    /// How many calls of clients were judged to be answered in some order of plain queues.
    pub(crate) judged: u64,
    /// The last of them returned then.
    pub(crate) upto: Instant,
    /// Why others were not, if they should have been.
    pub(crate) calls_unjudged: Option<String>,
    /// How many entries are committed.
    pub(crate) committed: u64,
    /// How far the checkers are behind what the Workers do, in virtual microseconds.
    pub(crate) behind_us: u64,
}

/// What can be made of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    /// A link that opens the page on this view.
    Link,
    /// A file that does.
    File,
    /// JSON Lines.
    JsonLines,
    /// A log for ShiViz.
    Shiviz,
    /// Chrome trace events.
    Chrome,
    /// A history of clients.
    History,
    /// The timeline as a vector picture.
    Svg,
    /// The timeline as a picture of dots.
    Png,
    /// A Rust test that repeats the run.
    Test,
}

/// What a button or a field of the panel asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Request {
    /// Show a run.
    Show(RunId),
    /// Delete one, and its branches.
    Delete(RunId),
    /// Let be what is being opened.
    CancelOpening,
    /// Let be what is being made.
    CancelMaking,
    /// Bring back what was deleted last.
    Undelete,
    /// Let go of all that was deleted.
    LetGo,
    /// Show one beside the one that is shown, or none any more.
    Compare(Option<RunId>),
    /// Let the branch that is shown go on.
    Extend,
    /// Have the Workers go on from here.
    GoLive {
        /// Whether it was said what that takes back.
        sure: bool,
    },
    /// Take the last step back.
    Undo {
        /// Whether it was said what that takes back.
        sure: bool,
    },
    /// Do not do what was asked for.
    Unask,
    /// Open the page on a cluster; on its own, without a name.
    Cluster(String),
    /// Delete a cluster that was begun beside.
    DeleteCluster {
        /// Which.
        name: String,
        /// Whether it was said what that does.
        sure: bool,
    },
    /// Show the present.
    Now,
    /// Show the instant before at which anything happened, or the one after.
    Step {
        /// Whether it is the one after.
        later: bool,
    },
    /// Call the run that is shown this.
    Name(String),
    /// Pin this to the instant that is shown.
    Note(String),
    /// Show this instant.
    At(Instant),
    /// Make something.
    Make(Product),
    /// Take hold of a message on its way.
    Grab(NodeId, MessageId),
    /// Do this to the message that is held in the hand.
    Operate(Surgery),
    /// Let a node's timer run out.
    Fire(NodeId),
}

impl Request {
    /// Whether it is asked of the very instant that is shown.
    pub(crate) fn is_about_the_instant(&self) -> bool {
        matches!(
            self,
            Request::Make(_)
                | Request::GoLive { .. }
                | Request::Note(_)
                | Request::Grab(..)
                | Request::Operate(_)
                | Request::Fire(_)
        )
    }

    /// What was said, if it is any of this.
    pub(crate) fn read(said: &str) -> Option<Request> {
        let (word, rest) = said.split_once(' ').unwrap_or((said, ""));
        let run = || rest.parse().ok().map(RunId);
        Some(match word {
            "show" => Request::Show(run()?),
            "delete" => Request::Delete(run()?),
            "compare" => Request::Compare(run()),
            "extend" => Request::Extend,
            "go-live" => Request::GoLive { sure: rest == "now" },
            "undo" => Request::Undo { sure: rest == "now" },
            "unask" => Request::Unask,
            "cancel-opening" => Request::CancelOpening,
            "cancel-making" => Request::CancelMaking,
            "undelete" => Request::Undelete,
            "let-go" => Request::LetGo,
            "cluster" => Request::Cluster(rest.to_owned()),
            "drop-cluster" | "delete-cluster" => Request::DeleteCluster {
                name: rest.to_owned(),
                sure: word == "delete-cluster",
            },
            "now" => Request::Now,
            "before" => Request::Step { later: false },
            "after" => Request::Step { later: true },
            "name" => Request::Name(rest.to_owned()),
            "note" => Request::Note(rest.to_owned()),
            "grab" => {
                let mut numbers = rest.split(' ');
                let to = NodeId(numbers.next()?.parse().ok()?);
                let from = NodeId(numbers.next()?.parse().ok()?);
                let (boot, number) = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
                Request::Grab(to, MessageId { from, boot, number })
            }
            "operate" => Request::Operate(OPERATIONS.iter().find(|(_, name, _)| *name == rest)?.0),
            "fire" => Request::Fire(NodeId(rest.parse().ok()?)),
            "at" => Request::At(Instant(rest.parse().ok()?)),
            "make" => {
                let (product, ..) = PRODUCTS.iter().find(|(_, name, _)| *name == rest)?;
                Request::Make(*product)
            }
            _ => return None,
        })
    }
}

/// What can be made, by its name in a request, and what its button says.
const PRODUCTS: [(Product, &str, &str); 9] = [
    (Product::Link, "link", "Copy link"),
    (Product::File, "file", "Save run"),
    (Product::JsonLines, "jsonl", "JSON Lines"),
    (Product::Shiviz, "shiviz", "ShiViz"),
    (Product::Chrome, "chrome", "Chrome trace"),
    (Product::History, "history", "Client history"),
    (Product::Svg, "svg", "SVG"),
    (Product::Png, "png", "PNG"),
    (Product::Test, "test", "Rust test"),
];

/// What can be done to a message, by its name in a request, and what its button says.
const OPERATIONS: [(Surgery, &str, &str); 5] = [
    (Surgery::Drop, "drop", "Drop it"),
    (Surgery::Hold, "hold", "Hold it"),
    (Surgery::Release, "release", "Release it"),
    (Surgery::Duplicate, "duplicate", "Duplicate it"),
    (Surgery::Deliver, "deliver", "Deliver it now"),
];

/// How many messages on their way are named.
const ON_THE_WAY_MAX: usize = 14;

/// The clusters of this browser.
#[derive(Clone, Copy)]
pub(crate) struct Clusters<'a> {
    /// The name of the one that the page is opened on, if it is not its own.
    pub(crate) beside: Option<&'a str>,
    /// Those that were begun beside: name and title.
    pub(crate) all: &'a [Beside],
}

/// All that the panel says.
pub(crate) struct Panel<'a> {
    pub(crate) clusters: Clusters<'a>,
    /// What a person is asked, and what says yes.
    pub(crate) question: Option<(&'a str, &'a str)>,
    /// Whether the last step back can be undone.
    pub(crate) undoes: bool,
    /// What is being opened, and how many hundredths of it are; and what is being made.
    pub(crate) opening: Option<(&'a str, u32)>,
    pub(crate) making: Option<(&'a str, u32)>,
    /// What was deleted last, if anything was.
    pub(crate) deleted: Option<&'a str>,
    pub(crate) runs: &'a [RunInfo],
    pub(crate) members: &'a [NodeId],
    /// The instant that is shown, if it is not the present; and the note that is pinned there.
    pub(crate) at: Option<(Instant, String)>,
    pub(crate) verdict: &'a Verdict,
    pub(crate) comparison: Option<&'a Comparison>,
    /// The messages on their way, each with its receiver; and the one that is held in the hand.
    pub(crate) on_the_way: &'a [(NodeId, Arriving)],
    pub(crate) grabbed: Option<MessageId>,
    /// What has changed since the instant that was shown before.
    pub(crate) changed: &'a [String],
}

impl Panel<'_> {
    /// Its HTML.
    pub(crate) fn html(&self) -> String {
        let mut html = Html::default();
        html.raw("<div class=\"runs\" role=\"group\" aria-label=\"Runs\">");
        for run in self.runs {
            html.run(run);
        }
        html.raw("</div>");
        self.clusters(&mut html);
        self.instant(&mut html);
        self.question(&mut html);
        self.deleted(&mut html);
        html.progress(
            "opening",
            "Opening",
            self.opening,
            "Open nothing, and leave everything as it is",
        );
        html.progress(
            "making",
            "Making",
            self.making,
            "Make nothing of it, and leave everything as it is",
        );
        self.verdict(&mut html);
        self.files(&mut html);
        self.kept(&mut html);
        self.surgery(&mut html);
        if let Some(comparison) = self.comparison {
            html.comparison(comparison);
        }
        html.0
    }

    /// The choice between the page's own cluster and those beside it, if there are any.
    fn clusters(&self, html: &mut Html) {
        let Clusters { beside, all } = self.clusters;
        if all.is_empty() && beside.is_none() {
            return;
        }
        html.raw("<div class=\"runs clusters\" role=\"group\" aria-label=\"Clusters\">");
        html.choice(
            "cluster",
            "Your cluster",
            "Open the page on its own cluster",
            beside.is_none(),
        );
        for cluster in all {
            let is_open = beside == Some(cluster.name.as_str());
            let label = format!("Beside: {}", cluster.title);
            html.choice(
                &format!("cluster {}", cluster.name),
                &label,
                "Open the page on this cluster",
                is_open,
            );
            if !is_open {
                html.button(
                    &format!("drop-cluster {}", cluster.name),
                    "×",
                    &format!("Delete {}", cluster.title),
                );
            }
        }
        html.raw("</div>");
    }

    /// What will be done, said before it is.
    fn question(&self, html: &mut Html) {
        if let Some((yes, text)) = self.question {
            html.raw("<div class=\"instant question\" role=\"alert\"><span>");
            html.text(text);
            html.raw("</span>");
            let label = match yes.split_once(' ') {
                Some(("undo", _)) => "Undo",
                Some(("delete-cluster", _)) => "Delete",
                _ => "Go on live",
            };
            html.button(yes, label, "");
            html.button("unask", "Cancel", "Leave everything as it is");
            html.raw("</div>");
        } else if self.undoes && self.at.is_none() {
            html.raw("<div class=\"instant\"><span>The cluster has gone back in time.</span>");
            html.button(
                "undo",
                "Undo",
                "Let what was taken back stand again, and drop what came since",
            );
            html.raw("</div>");
        }
    }

    /// What was deleted, and the way back.
    fn deleted(&self, html: &mut Html) {
        if let Some(text) = self.deleted {
            html.raw("<div class=\"instant\" role=\"status\"><span>");
            html.text(text);
            html.raw("</span>");
            html.button("undelete", "Undo", "Bring back what was deleted");
            html.button("let-go", "Let go", "Let go of what was deleted, for good");
            html.raw("</div>");
        }
    }

    fn instant(&self, html: &mut Html) {
        let Some(run) = self.runs.iter().find(|run| run.shown) else {
            return;
        };
        html.raw("<div class=\"instant\" role=\"group\" aria-label=\"Instant\">");
        let Some((at, note)) = &self.at else {
            html.raw("<span class=\"now\">now</span>");
            html.button(
                "before",
                "Go back",
                "Look at the instant before: drag on the timeline, or press the comma",
            );
            html.raw("</div>");
            return;
        };
        html.button("before", "‹", "The instant before at which anything happened");
        html.raw("<b class=\"num\">");
        html.text(format_args!("{:.6} s", at.0 as f64 / 1e6));
        html.raw("</b>");
        html.button("after", "›", "The instant after at which anything happens");
        if run.id == LIVE {
            html.button("now", "Back to now", "Show what the Workers do");
        } else {
            html.button("extend", "+ 2 s", "Let this branch go on for two seconds");
            let parent = run.leaves.map_or(LIVE, |(parent, _)| parent);
            // It stays where it is while the comparison is open: what stands behind it deletes.
            html.choice(
                &format!("compare {}", parent.0),
                "Compare",
                "Show how it differs from the run that it leaves",
                self.comparison.is_some_and(|shown| shown.run == parent),
            );
            html.button(
                &format!("delete {}", run.id.0),
                "Delete",
                "Delete this run and its branches; it can be undone",
            );
            html.field("name", "Name of this run", &run.name);
        }
        html.field("note", "Note at this instant", note);
        html.button(
            "go-live",
            "Go on live",
            "Have the Workers go on from the states of this instant",
        );
        html.raw("</div>");
        if !run.notes.is_empty() {
            html.raw("<div class=\"notes\" role=\"group\" aria-label=\"Notes\">");
            for (at, note) in &run.notes {
                let label = format!("{:.3} s: {note}", at.0 as f64 / 1e6);
                html.button(&format!("at {}", at.0), &label, "Show this instant");
            }
            html.raw("</div>");
        }
    }

    /// Messages on their way, to be grabbed; what can be done to the one in the hand; timers.
    fn surgery(&self, html: &mut Html) {
        if self.at.is_none() && self.on_the_way.is_empty() {
            return;
        }
        html.raw(
            "<div class=\"surgery\" role=\"group\" aria-label=\"On the way\"><span class=\"now\">on the way</span>",
        );
        for (to, arriving) in self.on_the_way.iter().take(ON_THE_WAY_MAX) {
            let MessageId { from, boot, number } = arriving.message;
            let held = if arriving.arrives == Instant::NEVER {
                " (held)"
            } else {
                ""
            };
            let label = match arriving.summary.label() {
                label if label.is_empty() => "heartbeat".to_owned(),
                label => label,
            };
            html.raw("<button");
            html.attribute("data-do", &format!("grab {} {} {boot} {number}", to.0, from.0));
            html.attribute(
                "aria-pressed",
                if self.grabbed == Some(arriving.message) {
                    "true"
                } else {
                    "false"
                },
            );
            html.attribute("title", &format!("{from} → {to}: {}", arriving.summary));
            html.raw(">");
            html.text(format_args!("{} → {} {label}{held}", from.0, to.0));
            html.raw("</button>");
        }
        match self.on_the_way.len() {
            0 => html.raw("<span class=\"now\">nothing</span>"),
            count if count > ON_THE_WAY_MAX => {
                html.raw("<span class=\"now\">");
                html.text(format_args!("and {} more", count - ON_THE_WAY_MAX));
                html.raw("</span>");
            }
            _ => {}
        }
        let grabbed = self
            .on_the_way
            .iter()
            .find(|(_, arriving)| self.grabbed == Some(arriving.message));
        if let Some((_, arriving)) = grabbed {
            let is_held = arriving.arrives == Instant::NEVER;
            for (surgery, name, label) in OPERATIONS {
                let fits = match surgery {
                    Surgery::Hold | Surgery::Duplicate => !is_held,
                    Surgery::Release => is_held,
                    Surgery::Drop | Surgery::Deliver => true,
                };
                if fits {
                    html.button(&format!("operate {name}"), label, "");
                }
            }
        }
        html.raw(
            "<select data-say=\"fire\" aria-label=\"Fire a timer\"><option value=\"\">fire the timer of…</option>",
        );
        for node in self.members {
            html.raw("<option");
            html.attribute("value", &node.0.to_string());
            html.raw(">");
            html.text(node);
            html.raw("</option>");
        }
        html.raw("</select></div>");
        if !self.changed.is_empty() {
            html.raw("<div class=\"changed\" role=\"status\"><span class=\"now\">changed</span>");
            for change in self.changed {
                html.raw("<span>");
                html.text(change);
                html.raw("</span>");
            }
            html.raw("</div>");
        }
    }

    fn verdict(&self, html: &mut Html) {
        let verdict = self.verdict;
        if let (Some(why), true) = (&verdict.unjudged, verdict.violations.is_empty()) {
            html.pill("", &format!("not judged: {}", short(why)), why);
        } else if let Some((at, text)) = verdict.violations.first() {
            html.raw("<span class=\"verdict bad\" role=\"alert\">");
            html.button(
                &format!("at {}", at.0),
                &format!("✗ {text}"),
                "Show the instant at which it was broken",
            );
            html.raw("</span>");
        } else {
            let title = format!(
                "Every promise of Raft was held against what the nodes did, after each step: {} entries committed. The answers of {} calls \
                 are explained by one order of plain queues.",
                verdict.committed, verdict.judged
            );
            match &verdict.calls_unjudged {
                Some(why) => {
                    html.pill("ok", "✓ safe", &title);
                    html.pill("", &format!("calls not judged: {}", short(why)), why);
                }
                None if verdict.judged == 0 => html.pill("ok", "✓ safe · no call has been answered yet", &title),
                None => {
                    let upto = verdict.upto.0 as f64 / 1e6;
                    let text = format!("✓ safe · linearizable: {} up to {upto:.1} s", calls(verdict.judged));
                    html.pill("ok", &text, &title);
                }
            }
        }
        const BEHIND_US: u64 = 1_500_000;
        if verdict.behind_us > BEHIND_US && verdict.committed > 0 {
            let text = format!("checked up to {:.0} s ago", verdict.behind_us as f64 / 1e6);
            html.pill("", &text, "The checkers leave the processor to the nodes, and catch up");
        }
    }

    /// What is kept of the run that is shown, and how much that takes. It stands on a line of its own, so that nothing moves when it grows.
    fn kept(&self, html: &mut Html) {
        let Some(run) = self.runs.iter().find(|run| run.shown) else {
            return;
        };
        html.raw("<div class=\"kept\" role=\"note\"");
        html.attribute(
            "title",
            "So much of this run can be looked at, in so much memory: its tape, its timeline, what clients did. When all of that is taken, the \
             oldest is let go",
        );
        html.raw(">");
        html.text(kept(run));
        html.raw("</div>");
    }

    fn files(&self, html: &mut Html) {
        html.raw("<details class=\"files\" id=\"files\"><summary>Share</summary><div class=\"files-menu\">");
        for (_, name, label) in PRODUCTS {
            html.button(&format!("make {name}"), label, "");
        }
        html.raw("<button data-open>Open a run…</button></div></details>");
    }
}

/// The first words of a reason; the whole stands in the title.
fn short(why: &str) -> &str {
    why.split([':', ';']).next().unwrap_or(why)
}

/// What is kept of a run, in a line. It changes every ten seconds, not with each of them: who is about to press something near it can.
fn kept(run: &RunInfo) -> String {
    const STEP_SECONDS: u64 = 10;
    const MEGABYTE: u64 = 1_000_000;
    let room = format!("{} of {} MB", run.bytes.div_ceil(MEGABYTE), run.bytes_max / MEGABYTE);
    if run.has_let_go {
        let from = run.first.0.div_ceil(1_000_000);
        return format!("kept from {from} s on, {room}; what was before is let go");
    }
    let seconds = run.end.since(run.first).0 / 1_000_000 / STEP_SECONDS * STEP_SECONDS;
    let long = match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0) => "all".to_owned(),
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    };
    format!("kept: {long}, {room}")
}

/// So many calls, in groups of three digits.
fn calls(count: u64) -> String {
    if count == 1 {
        return "1 call".to_owned();
    }
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + " calls"
}
