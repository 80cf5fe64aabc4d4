//! All runs, and what is shown of them.

mod back;
mod bounds;
mod branches;
mod checks;
mod coming;
mod deleted;
mod files;
mod lost;
mod making;
mod opening;
mod shown;
mod timeline;

pub use back::{Order, carry_over};
pub use files::{OPENED_BYTES_MAX, Repeated};
pub use making::Part;

use std::collections::{BTreeMap, VecDeque};

use cluster::clock::Clock;
use cluster::host::{MessageId, ToNode};
use raft_core::{Instant, NodeId};
use sim::chronicle::Chronicle;
use trace::lockstep::{FromLockstep, LIVE, RunId, Shown, ShownNode, ToLockstep};
use trace::tape::{BeginError, Piece, TAPE_BYTES_MAX};
use trace::{Act, Asked};

use self::checks::Check;
use crate::ledger::Ledger;
use crate::panel::{Comparison, Request};
use crate::run::Run;
use crate::timeline::Timeline;

/// After how many judgements a run begins without the members that were not told of: they may never start.
const OPENS_AFTER: u32 = 3;
/// How many runs there may be.
const RUNS_MAX: usize = 32;
/// How much is kept of the live run, in bytes, unless a desk is told otherwise; and as much of all other runs together.
pub const KEPT_BYTES_MAX: usize = TAPE_BYTES_MAX;
/// The longest name of a run, and the longest note, in bytes.
const TEXT_BYTES_MAX: usize = 400;

/// What a page's lockstep host keeps and does.
pub struct Desk {
    members: Vec<NodeId>,
    clock: Clock,
    runs: BTreeMap<RunId, Run>,
    next_run: u32,
    shown: RunId,
    /// The instant that is shown; none for the present.
    at: Option<Instant>,
    compared: Option<RunId>,
    /// What was deleted, last of all what was deleted last.
    deleted: Vec<deleted::Deleted>,
    /// What was shown last, to tell what has changed since.
    before: Option<(RunId, Vec<ShownNode>)>,
    /// How much is kept of the live run at most, in bytes.
    bytes_max: usize,
    /// From when on the live run was kept when it was looked at last.
    let_go_before: Instant,
    /// What clients of the live run did, for who keeps it.
    asked: Ledger<(u16, Asked)>,
    faults: Vec<(Instant, String, Option<String>)>,
    stale: bool,
    panel_stale: bool,
    comparison: Option<Comparison>,
    /// What is shown, as it was told last.
    told_shown: Option<Shown>,
    /// The panel as it was told last.
    panel: String,
    /// How many runs beside the live one were told of last.
    told_beside: u32,
    /// The timeline's tools as they were told last.
    tools: String,
    timeline: Timeline,
    /// The present, at the last frame, and how fast time runs.
    now: Instant,
    rate: f64,
    /// When it was said last what the timeline shows, in virtual time.
    spoken_at: Instant,
    wants_png: Option<String>,
    /// How often the live run was judged since it began.
    judged: u32,
    /// States that nodes say they are in, to be compared with the tape.
    checks: Vec<Check>,
    /// How long the host's last pictures and looks took, in microseconds, oldest first.
    took: BTreeMap<&'static str, VecDeque<u64>>,
    /// The message that a person has hold of, and its receiver.
    grabbed: Option<(NodeId, MessageId)>,
    /// Going back in time, live.
    back: back::Back,
    /// What waits for the instant that is shown to be known.
    coming: coming::Coming,
    /// What is being opened.
    opening: Option<opening::Opening>,
    /// What is being made, first what was asked for first; and what came of it.
    making: VecDeque<making::Making>,
    parts: Vec<Part>,
    /// Whether files are opened and made a little at a time.
    takes_time: bool,
    out: Vec<FromLockstep>,
}

impl Desk {
    /// The host of a cluster of which nothing is told yet.
    pub fn new(members: Vec<NodeId>, clock: Clock) -> Desk {
        Desk::keeping(members, clock, KEPT_BYTES_MAX)
    }

    /// The same, where no more than so many bytes are kept of the live run, and as many of all others together.
    pub fn keeping(members: Vec<NodeId>, clock: Clock, bytes_max: usize) -> Desk {
        let live = Run::live(&members, LIVE, bytes_max);
        Desk {
            members,
            clock,
            runs: BTreeMap::from([(LIVE, live)]),
            next_run: 1,
            shown: LIVE,
            at: None,
            compared: None,
            deleted: Vec::new(),
            before: None,
            bytes_max,
            let_go_before: Instant(0),
            asked: Ledger::default(),
            faults: Vec::new(),
            stale: false,
            panel_stale: true,
            comparison: None,
            told_shown: None,
            panel: String::new(),
            told_beside: 0,
            tools: String::new(),
            timeline: Timeline::new(),
            now: Instant(0),
            rate: 1.0,
            spoken_at: Instant(0),
            wants_png: None,
            judged: 0,
            checks: Vec::new(),
            took: BTreeMap::new(),
            grabbed: None,
            back: back::Back::default(),
            coming: coming::Coming::default(),
            opening: None,
            making: VecDeque::new(),
            parts: Vec::new(),
            takes_time: false,
            out: Vec::new(),
        }
    }

    /// Whether the next frame shows another instant.
    pub fn wants_look(&self) -> bool {
        self.stale
    }

    /// The host has spent so many microseconds on something: a picture, an instant.
    pub fn took(&mut self, what: &'static str, us: u64) {
        const KEPT_MAX: usize = 1_000;
        let took = self.took.entry(what).or_default();
        if took.len() == KEPT_MAX {
            took.pop_front();
        }
        took.push_back(us);
    }

    /// What is to be told to the page.
    pub fn take_out(&mut self) -> Vec<FromLockstep> {
        std::mem::take(&mut self.out)
    }

    /// A node's host has posted this.
    pub fn piece(&mut self, node: NodeId, boot: u32, piece: Piece) {
        self.take(node, boot, |chronicle| chronicle.take(node, boot, piece));
    }

    /// The same, as bytes.
    pub fn piece_bytes(&mut self, node: NodeId, boot: u32, bytes: &[u8]) {
        self.take(node, boot, |chronicle| chronicle.read(node, boot, bytes));
    }

    /// A node's Worker is gone. What it did last is still to come, and its end after that; nobody is to see it running until then.
    pub fn ends_soon(&mut self, node: NodeId, boot: u32, at: Instant) {
        if let Some(run) = self.run_of(node, boot) {
            run.record.ends_soon(node, at);
        }
    }

    fn take(&mut self, node: NodeId, boot: u32, take: impl FnOnce(&mut Chronicle) -> Result<(), BeginError>) {
        let Some(run) = self.run_of(node, boot) else { return };
        let (id, taken) = (run.id, take(&mut run.chronicle));
        if let Err(why) = taken {
            self.say(format!("What {node} does cannot be recorded: {why}"));
        } else if id == LIVE && self.back.was_last_to_start(node) {
            self.open();
        }
    }

    /// Carries out what the Workers did, up to so many steps. Says whether there is more.
    pub fn work(&mut self, steps_max: usize) -> bool {
        let more = self.work_on_opening()
            | self.work_on_making()
            | self.runs.get_mut(&LIVE).is_some_and(|live| live.work(steps_max))
            | self.work_on_last_words(steps_max);
        self.bound();
        if !self.checks.is_empty() {
            self.check();
        }
        more
    }

    /// Begins the live run with the members that were told of, for those that are missing may never start.
    pub fn open(&mut self) {
        let Some(live) = self.runs.get_mut(&LIVE) else { return };
        if !live.chronicle.has_opened() {
            let record = &mut live.record;
            live.chronicle.open(&mut |happening| record.happen(&happening));
        }
    }

    /// The page has said something.
    pub fn hear(&mut self, message: ToLockstep) {
        if !self.waits(&message) {
            self.hear_now(message);
        }
    }

    fn hear_now(&mut self, message: ToLockstep) {
        match message {
            ToLockstep::Begin { .. } | ToLockstep::Attach { .. } => {}
            ToLockstep::Timeline(gesture) => self.gesture(gesture),
            ToLockstep::Ended { node, boot, at } => self.piece(node, boot, Piece::Ended { at }),
            ToLockstep::Stopped { boots } => self.stopped(boots),
            ToLockstep::Wiped { node, .. } => {
                self.forget_disk(node);
                if let Some(live) = self.runs.get_mut(&LIVE) {
                    live.chronicle.wiped(node);
                }
            }
            ToLockstep::Fault { at, key, text } => {
                self.faults.push((at, key.clone(), text.clone()));
                if let Some(live) = self.runs.get_mut(&LIVE) {
                    live.fault(at, key, text);
                }
            }
            ToLockstep::Asked(asked) => {
                if let Some(live) = self.runs.get_mut(&LIVE) {
                    for &(at, client, asked) in &asked {
                        live.asked(at, client, asked);
                    }
                }
                for (at, client, asked) in asked {
                    self.asked.push(at, (client, asked));
                }
                self.ask_again();
            }
            ToLockstep::Clock(setting) => {
                self.set_clock(setting);
                self.rate = setting.rate;
                self.panel_stale = true;
            }
            ToLockstep::Look(at) => self.look_and_answer(at),
            ToLockstep::Do(said) => {
                if let Some(request) = Request::read(&said) {
                    self.carry_out(request);
                } else {
                    self.tool(&said);
                }
            }
            ToLockstep::Act(act) => self.act(&act),
            ToLockstep::OpenFile { name, bytes } => self.open_file(&name, bytes),
            ToLockstep::Check {
                node,
                recorded,
                request,
            } => self.checks.push(Check {
                node,
                recorded,
                request,
                since_ms: None,
            }),
        }
    }

    /// Before a frame: tells what is shown, if that has changed.
    pub fn frame(&mut self, wall_ms: f64) {
        // What has been heard of has been.
        if let Some(live) = self.runs.get(&LIVE) {
            self.clock.witness(wall_ms, live.end());
        }
        let now = self.clock.now(wall_ms);
        self.now = now;
        self.timeline.come(now, self.rate);
        self.come(wall_ms);
        self.give_up_checks(wall_ms);
        let was_stale = std::mem::take(&mut self.stale);
        if was_stale {
            self.tell_shown();
        }
        // While it follows now, those who do not see it are told now and then, not with each frame.
        const SPOKEN_EVERY_US: u64 = 5_000_000;
        if was_stale || now.0 >= self.spoken_at.0.saturating_add(SPOKEN_EVERY_US) {
            self.speak_view();
        }
        self.tell_tools();
        if std::mem::take(&mut self.panel_stale) || was_stale {
            self.tell_panel(now);
        }
        self.has_come();
    }

    fn carry_out(&mut self, request: Request) {
        match request {
            Request::Show(run) => self.show(run),
            Request::Delete(run) => self.delete(run),
            Request::CancelOpening => self.cancel_opening(),
            Request::CancelMaking => self.cancel_making(),
            Request::Undelete => self.undelete(),
            Request::LetGo => {
                self.deleted.clear();
                self.panel_stale = true;
            }
            Request::Compare(run) => {
                self.compared = run.filter(|run| self.runs.contains_key(run));
                self.stale = true;
            }
            Request::Extend => self.extend(),
            Request::GoLive { sure: false } => self.ask_go_live(),
            Request::GoLive { sure: true } => self.go_live(),
            Request::Undo { sure: false } => self.ask_undo(),
            Request::Undo { sure: true } => self.undo(),
            Request::Unask => {
                self.back.question = None;
                self.panel_stale = true;
            }
            Request::Cluster(name) => self.open_cluster(&name),
            Request::DeleteCluster { name, sure: false } => self.ask_delete(&name),
            Request::DeleteCluster { name, sure: true } => self.delete_cluster(&name),
            Request::Now => self.look(None),
            Request::At(at) => match self.not_kept(at) {
                Some(why) => self.say(why),
                None => self.look(Some(at)),
            },
            Request::Step { later } => self.step(later),
            Request::Name(name) => self.name(self.shown, &name),
            Request::Note(text) => self.note(&text),
            Request::Make(product) => self.make(product),
            Request::Grab(to, message) => {
                self.grabbed = Some((to, message));
                self.panel_stale = true;
            }
            Request::Operate(surgery) => {
                if let Some((to, message)) = self.grabbed {
                    self.lay_hands(
                        to,
                        ToNode::Operate { message, surgery },
                        Act::Operate { to, message, surgery },
                    );
                }
            }
            Request::Fire(node) => self.lay_hands(node, ToNode::FireTimer, Act::FireTimer(node)),
        }
    }

    /// Judges what clients of the live run were answered.
    pub fn judge(&mut self) {
        if let Some(live) = self.runs.get_mut(&LIVE) {
            live.judge();
        }
        self.judged += 1;
        if self.judged == OPENS_AFTER {
            self.open();
        }
        self.panel_stale = true;
    }

    fn say(&mut self, text: String) {
        self.out.push(FromLockstep::Notice(text));
    }

    fn look(&mut self, at: Option<Instant>) {
        self.at = at;
        // What was asked was about another instant.
        self.back.question = None;
        self.stale = true;
    }

    /// The present of a run: of the live one, now.
    fn end_of(&self, run: &Run) -> Instant {
        if run.id == LIVE {
            self.now.max(run.end())
        } else {
            run.end()
        }
    }

    fn show(&mut self, run: RunId) {
        if self.runs.contains_key(&run) {
            self.shown = run;
            self.back.question = None;
            self.compared = self.compared.filter(|other| *other != run);
            self.stale = true;
        }
    }

    /// The run that is shown, and the instant.
    fn place(&self) -> Option<(&Run, Instant)> {
        let run = self.runs.get(&self.shown)?;
        let at = self.at.unwrap_or(Instant::NEVER).min(run.end());
        Some((run, at.max(self.first_known(run))))
    }

    /// The first instant that is known of a run: of what it leaves, if that was not let go.
    fn first_known(&self, run: &Run) -> Instant {
        let before = run.leaves.and_then(|(parent, left)| {
            let known = self.first_known(self.runs.get(&parent)?);
            // Where all that was before it was let go, or its own beginning, nothing leads there any more.
            (known <= left && run.first() <= left).then_some(known)
        });
        before.unwrap_or_else(|| run.first())
    }

    /// The run that knows an instant: the one itself, or that which it leaves.
    fn run_at(&self, id: RunId, at: Instant) -> Option<&Run> {
        let run = self.runs.get(&id)?;
        match run.leaves {
            Some((parent, left)) if at < left => self.run_at(parent, at),
            _ => Some(run),
        }
    }

    fn answer(&mut self, name: &str, bytes: Vec<u8>) {
        self.out.push(FromLockstep::Made {
            name: name.to_owned(),
            mime: String::new(),
            bytes,
        });
    }
}

fn cut(text: &str) -> String {
    let end = (0..=TEXT_BYTES_MAX.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text[..end.unwrap_or(0)].to_owned()
}
