//! What is made of a run for others: files, links, what scripts ask for. It is made a little at a time, of what there was when it was asked
//! for, while the runs go on; whoever waits sees how far it is, and may let it be.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::rc::Rc;

use picture::Svg;
use raft_core::{Instant, NodeId};
use trace::export::Format;
use trace::lockstep::{FromLockstep, RunId};

use super::Desk;
use super::files::{file_name, test_of};
use crate::keep::{self, KeepError, LINK_LETTERS_MAX, RUN_BYTES_MAX};
use crate::made;
use crate::pace::{Pace, Task};
use crate::panel::Product;
use crate::run::Run;
use crate::story::Story;

/// How long a link's run is at most before the instant that it shows, in microseconds; shorter, where that does not fit.
const LINK_US: [u64; 5] = [60_000_000, 8_000_000, 3_000_000, 1_000_000, 250_000];
/// How many things may be asked for while others are being made.
const MAKING_MAX: usize = 16;
/// How often less is tried where a run is more than a file holds.
const TRIES_MAX: usize = 8;
/// What is written is given on in parts of about so many bytes.
const PART_BYTES: usize = 1 << 20;

/// A part of a file that is made a little at a time.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    /// What comes next in it.
    Bytes(Vec<u8>),
    /// It is whole.
    End {
        /// What to call it.
        name: String,
        /// Its kind, as browsers name it.
        mime: &'static str,
    },
    /// Nothing comes of it: what there was of it is let go.
    Nothing,
}

/// What is being made.
pub(super) struct Making {
    title: String,
    what: What,
    written: Written,
    task: Task<Result<(), Failure>>,
}

/// What becomes of it.
enum What {
    /// It is a file.
    File {
        name: String,
        mime: &'static str,
        /// From when on it tells of the run.
        begins: Instant,
        /// The run that is saved in it, if it is one: which, what is shown of it, from when on, and how often it was tried.
        saves: Option<(RunId, Instant, Instant, usize)>,
    },
    /// It is a link.
    Link,
    /// A script waits for it under this name. Its facts come part by part.
    Answer { name: &'static str, head: String },
}

/// Why it is not made.
pub(super) enum Failure {
    TooLarge,
    Other(String),
}

impl From<io::Error> for Failure {
    fn from(why: io::Error) -> Failure {
        Failure::Other(why.to_string())
    }
}

impl From<KeepError> for Failure {
    fn from(why: KeepError) -> Failure {
        match why {
            KeepError::TooLarge | KeepError::TooLong { .. } => Failure::TooLarge,
            why => Failure::Other(why.to_string()),
        }
    }
}

/// What is written so far.
#[derive(Clone, Default)]
struct Written(Rc<RefCell<Vec<u8>>>);

impl Written {
    fn take(&self) -> Vec<u8> {
        self.0.take()
    }

    fn len(&self) -> usize {
        self.0.borrow().len()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Desk {
    /// What came of files that are made, in order.
    pub fn take_parts(&mut self) -> Vec<Part> {
        std::mem::take(&mut self.parts)
    }

    /// Makes something of the run that is shown.
    pub(super) fn make(&mut self, product: Product) {
        let Some((run, at)) = self.place() else {
            return self.say("Nothing is shown.".to_owned());
        };
        let rests_on_its_root = matches!(product, Product::Link | Product::File | Product::Test);
        if rests_on_its_root && self.has_lost_its_root(run) {
            return self.say(LOST_ITS_ROOT.to_owned());
        }
        let name = file_name(&run.name);
        let (id, title) = (run.id, title(product));
        let begins = self.story_begins(run);
        let exports = |format: Format, suffix: &str, mime: &'static str| {
            let story = self.story(run);
            let work = move |out: Written, pace: Rc<Pace>| async move {
                let mut exporter = format.exporter(out);
                story.tell(&pace, |happening| exporter.take(happening)).await?;
                Ok(exporter.finish()?)
            };
            let name = format!("{}.{suffix}", beginning(&name, begins));
            Making::new(title, file(name, mime, begins), work)
        };
        let making = match product {
            Product::Link => self.link(run, at),
            Product::File => return self.save(id, at, Instant(0), 0),
            Product::JsonLines => exports(Format::JsonLines, "jsonl", "application/jsonl"),
            Product::Shiviz => exports(Format::Shiviz, "shiviz.txt", "text/plain"),
            Product::Chrome => exports(Format::Chrome, "chrome.json", "application/json"),
            Product::History => exports(Format::History, "edn", "application/edn"),
            Product::Test => {
                let test = test_of(&format!("{name}.ftqr"));
                return self.made(format!("{name}.rs"), "text/rust", test.into_bytes());
            }
            Product::Svg => {
                let (width, height, _) = self.picture_size();
                let mut svg = Svg::new(width, height);
                self.paint_picture(&mut svg);
                return self.made(format!("{name}.svg"), "image/svg+xml", svg.finish().into_bytes());
            }
            Product::Png => {
                // The host has canvases.
                self.wants_png = Some(name);
                return;
            }
        };
        self.begin_making(making);
    }

    /// What happened, as JSON: the page's own scripts read it.
    pub(super) fn trace(&mut self) {
        let Some(run) = self.runs.get(&self.shown) else {
            return self.answer("trace", made::refused("no run is shown"));
        };
        let (story, head) = (self.story(run), made::trace_head(run.chronicle.tape.kept_from()));
        let work = |mut out: Written, pace: Rc<Pace>| async move {
            let facts = story.tell(&pace, |happening| {
                let Some(fact) = made::fact(happening) else {
                    return Ok(());
                };
                if out.len() > 0 {
                    out.write_all(b",")?;
                }
                out.write_all(&fact)
            });
            Ok(facts.await?)
        };
        let what = What::Answer { name: "trace", head };
        self.begin_making(Making::new("the trace", what, work));
    }

    /// What a node did, one line an event.
    pub(super) fn activity(&mut self, node: &str) {
        let (Some(run), Ok(node)) = (self.runs.get(&self.shown), node.parse().map(NodeId)) else {
            return;
        };
        let story = self.story(run);
        let work = move |mut out: Written, pace: Rc<Pace>| async move {
            let lines = story.tell(&pace, |happening| made::activity(happening, node, &mut out));
            Ok(lines.await?)
        };
        let begins = self.story_begins(run);
        let name = format!("{}.txt", beginning(&format!("node-{}-activity", node.0), begins));
        let title = format!("what {node} did");
        self.begin_making(Making::new(&title, file(name, "text/plain", begins), work));
    }

    /// What happened in a run: in a branch, what happened before in the run that it leaves, too.
    fn story(&self, run: &Run) -> Story {
        let (mut run, mut until) = (run, Instant::NEVER);
        let mut chapters = Vec::new();
        loop {
            let leaves = run
                .leaves
                .and_then(|(parent, left)| Some((self.runs.get(&parent)?, left)));
            let from = leaves.map_or(Instant(0), |(_, left)| left);
            chapters.push(run.chapter(from, until));
            let Some((parent, left)) = leaves else { break };
            (run, until) = (parent, until.min(left));
        }
        chapters.reverse();
        Story::of(chapters)
    }

    /// From when on that is told. A scenario takes place anew, and all of it is.
    fn story_begins(&self, run: &Run) -> Instant {
        match run.scenario {
            Some(_) => Instant(0),
            None => self.let_go_of(run.id),
        }
    }

    /// A link that opens the page on this view.
    fn link(&self, run: &Run, at: Instant) -> Making {
        // The root's tape from a while before the instant; up to where the first branch leaves it, or a moment after.
        let root_at = self.root_at(run, at);
        let until = Instant(root_at.0.saturating_add(500_000));
        let tries = LINK_US
            .iter()
            .filter_map(|us| self.kept(Instant(root_at.0.saturating_sub(*us)), until));
        let mut tries: VecDeque<_> = tries.collect();
        // A scenario has no parts.
        if tries.front().is_some_and(keep::Kept::is_scenario) {
            tries.truncate(1);
        }
        let count = tries.len() as f64;
        let work = move |mut out: Written, pace: Rc<Pace>| async move {
            for (place, kept) in tries.into_iter().enumerate() {
                pace.goes_on_from(place as f64 / count);
                let Ok(bytes) = keep::write_slowly(kept, &pace, 1.0 / count).await else {
                    continue;
                };
                let letters = keep::to_letters(&bytes);
                if letters.len() <= LINK_LETTERS_MAX {
                    return Ok(out.write_all(letters.as_bytes())?);
                }
            }
            Err(Failure::TooLarge)
        };
        Making::new("the link", What::Link, work)
    }

    /// Saves a run as a file: all of it, or as much of its end as a file holds.
    fn save(&mut self, id: RunId, at: Instant, mut from: Instant, mut tries: usize) {
        let kept = loop {
            let kept = self
                .runs
                .get(&id)
                .and_then(|run| self.kept_of(run, at, from, Instant::NEVER));
            let Some(kept) = kept else {
                return self.say("The run cannot be saved: it is gone.".to_owned());
            };
            if kept.bytes() <= RUN_BYTES_MAX {
                break kept;
            }
            from = self.later(id, at, from);
            tries += 1;
            if tries >= TRIES_MAX {
                return self.say(TOO_LARGE_FOR_A_FILE.to_owned());
            }
        };
        let Some(run) = self.runs.get(&id) else { return };
        let begins = from.max(self.story_begins(run));
        let what = What::File {
            name: format!("{}.ftqr", beginning(&file_name(&run.name), begins)),
            mime: "application/octet-stream",
            begins,
            saves: Some((id, at, from, tries)),
        };
        let work = move |mut out: Written, pace: Rc<Pace>| async move {
            Ok(out.write_all(&keep::write_slowly(kept, &pace, 1.0).await?)?)
        };
        self.begin_making(Making::new(title(Product::File), what, work));
    }

    /// Half of what lies before the instant that is shown is left out.
    fn later(&self, id: RunId, at: Instant, from: Instant) -> Instant {
        let root_at = self.runs.get(&id).map_or(at, |run| self.root_at(run, at));
        Instant(from.0 + root_at.0.saturating_sub(from.0) / 2)
    }

    /// Makes this, after all that was asked for before: what is short at once.
    fn begin_making(&mut self, mut making: Making) {
        if self.making.is_empty()
            && let Some(outcome) = making.task.begin(!self.takes_time)
        {
            return self.end_making(making, outcome);
        }
        if self.making.len() == MAKING_MAX {
            let why = format!(
                "so much is being made that {} is not: wait until that is made, or cancel it",
                making.title
            );
            return match making.what {
                What::Answer { name, .. } => self.answer(name, made::refused(&why)),
                _ => self.say(format!("Nothing was begun: {why}.")),
            };
        }
        self.making.push_back(making);
        self.panel_stale = true;
    }

    /// Makes a little more of what was asked for first. Says whether there is more.
    pub(super) fn work_on_making(&mut self) -> bool {
        let Some(mut making) = self.making.pop_front() else {
            return false;
        };
        let before = making.task.percent();
        let outcome = making.task.go_on();
        self.panel_stale |= making.task.percent() != before;
        match outcome {
            Some(outcome) => self.end_making(making, outcome),
            None => {
                if making.written.len() >= PART_BYTES {
                    self.give_part(&making);
                }
                self.making.push_front(making);
            }
        }
        !self.making.is_empty()
    }

    /// Gives on what is written so far.
    fn give_part(&mut self, making: &Making) {
        match &making.what {
            What::File { .. } => self.parts.push(Part::Bytes(making.written.take())),
            What::Link => {}
            What::Answer { name, .. } => self.out.push(FromLockstep::More {
                name: (*name).to_owned(),
                bytes: [b"[", &making.written.take()[..], b"]"].concat(),
            }),
        }
    }

    fn end_making(&mut self, making: Making, outcome: Result<(), Failure>) {
        self.panel_stale = true;
        let written = making.written.take();
        match (outcome, making.what) {
            (Ok(()), What::File { name, mime, begins, .. }) => {
                if begins > Instant(0) {
                    let seconds = begins.0 as f64 / 1e6;
                    self.say(format!(
                        "{name} begins at {seconds:.3} s of the run: what was before is not kept any more, or does not fit."
                    ));
                }
                if self.takes_time {
                    self.parts.extend([Part::Bytes(written), Part::End { name, mime }]);
                } else {
                    self.made(name, mime, written);
                }
            }
            (Ok(()), What::Link) => self.made(String::new(), "text/plain", written),
            (Ok(()), What::Answer { name, head }) => {
                self.answer(name, [head.as_bytes(), &written, b"]}"].concat());
            }
            (Err(why), What::File { saves, .. }) => {
                self.parts.push(Part::Nothing);
                match (why, saves) {
                    (Failure::TooLarge, Some((id, at, from, tries))) if tries + 1 < TRIES_MAX => {
                        let later = self.later(id, at, from);
                        self.save(id, at, later, tries + 1);
                    }
                    (Failure::TooLarge, _) => self.say(TOO_LARGE_FOR_A_FILE.to_owned()),
                    (Failure::Other(why), Some(_)) => self.say(format!("The run cannot be saved: {why}.")),
                    (Failure::Other(why), None) => self.say(format!("It cannot be made: {why}.")),
                }
            }
            (Err(_), What::Link) => self.say(
                "The logs at this instant are too long for a link. Save the run as a file and send that.".to_owned(),
            ),
            (Err(_), What::Answer { name, .. }) => self.answer(name, made::refused("it cannot be written")),
        }
    }

    /// Lets be what is being made, of several what was asked for first: nothing is left of it, and who waits for it is told.
    pub(super) fn cancel_making(&mut self) {
        let Some(making) = self.making.pop_front() else { return };
        match making.what {
            What::File { .. } => self.parts.push(Part::Nothing),
            What::Link => {}
            What::Answer { name, .. } => {
                self.answer(
                    name,
                    made::refused(&format!("{} was cancelled on the page", making.title)),
                );
            }
        }
        self.panel_stale = true;
    }

    /// What is being made, and how many hundredths of it are.
    pub(super) fn being_made(&self) -> Option<(&str, u32)> {
        let making = self.making.front()?;
        Some((&making.title, making.task.percent()))
    }

    fn made(&mut self, name: String, mime: &str, bytes: Vec<u8>) {
        let mime = mime.to_owned();
        self.out.push(FromLockstep::Made { name, mime, bytes });
    }
}

impl Making {
    fn new<F: Future<Output = Result<(), Failure>> + 'static>(
        title: &str,
        what: What,
        work: impl FnOnce(Written, Rc<Pace>) -> F,
    ) -> Making {
        let written = Written::default();
        let out = written.clone();
        Making {
            title: title.to_owned(),
            what,
            written,
            task: Task::new(|pace| work(out, pace)),
        }
    }
}

const TOO_LARGE_FOR_A_FILE: &str = "The run cannot be saved: its logs at this instant are longer than a file may be.";

const LOST_ITS_ROOT: &str = "This branch cannot be made again elsewhere: what it leaves was let go, to keep within the limit of memory. All that \
     happened in it can be exported.";

fn file(name: String, mime: &'static str, begins: Instant) -> What {
    What::File {
        name,
        mime,
        begins,
        saves: None,
    }
}

/// A file's name, which says from when on it tells of the run, if not from its beginning.
fn beginning(name: &str, begins: Instant) -> String {
    match begins {
        Instant(0) => name.to_owned(),
        begins => format!("{name}-from-{}s", begins.0.div_ceil(1_000_000)),
    }
}

/// What is being made, in words.
fn title(product: Product) -> &'static str {
    match product {
        Product::Link => "the link",
        Product::File => "the run's file",
        Product::JsonLines => "JSON Lines",
        Product::Shiviz => "the ShiViz log",
        Product::Chrome => "the Chrome trace",
        Product::History => "the client history",
        Product::Svg | Product::Png => "the picture",
        Product::Test => "the test",
    }
}
