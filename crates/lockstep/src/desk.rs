//! All runs, and what is shown of them.

use std::collections::{BTreeMap, VecDeque};

use cluster::clock::Clock;
use cluster::host::{Arriving, Fact, MessageId, Recorded, Resume, ToNode};
use picture::{Scene, Subject, Surface, Svg};
use raft_core::{Instant, NodeId};
use sim::Scenario;
use trace::export::Format;
use trace::lockstep::{FromLockstep, Gesture, LIVE, RunId, Shown, ShownNode, ToLockstep};
use trace::tape::{Piece, Told};
use trace::{Act, Asked, Happening, What};

use crate::keep::{self, Kept, KeptBranch, LINK_LETTERS_MAX, Root};
use crate::panel::{Comparison, Panel, Product, Request, RunInfo, Verdict};
use crate::run::{GOES_ON, Run};
use crate::timeline::{Timeline, Wish};
use crate::{made, view};

/// After how many judgements a run begins without the members that were not told of: they may never start.
const OPENS_AFTER: u32 = 3;
/// How many runs there may be.
const RUNS_MAX: usize = 32;
/// How long a link's run is at most before the instant that it shows, in microseconds; shorter, where that does not fit.
const LINK_US: [u64; 5] = [60_000_000, 8_000_000, 3_000_000, 1_000_000, 250_000];
/// How many events of a branch that was kept are carried out, at most.
const BRANCH_EVENTS_MAX: u64 = 1_000_000;
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
    /// What was shown last, to tell what has changed since.
    before: Option<(RunId, Vec<ShownNode>)>,
    /// What clients of the live run did, for who keeps it.
    asked: Vec<(Instant, u16, Asked)>,
    faults: Vec<(Instant, String, Option<String>)>,
    stale: bool,
    panel_stale: bool,
    comparison: Option<Comparison>,
    /// What is shown, as it was told last.
    told_shown: Option<Shown>,
    /// The panel as it was told last.
    panel: String,
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
    checks: Vec<(NodeId, Recorded)>,
    /// How long the host's last pictures and looks took, in microseconds, oldest first.
    took: BTreeMap<&'static str, VecDeque<u64>>,
    /// The message that a person has hold of, and its receiver.
    grabbed: Option<(NodeId, MessageId)>,
    out: Vec<FromLockstep>,
}

impl Desk {
    /// The host of a cluster of which nothing is told yet.
    pub fn new(members: Vec<NodeId>, clock: Clock) -> Desk {
        let live = Run::live(&members, LIVE);
        Desk {
            members,
            clock,
            runs: BTreeMap::from([(LIVE, live)]),
            next_run: 1,
            shown: LIVE,
            at: None,
            compared: None,
            before: None,
            asked: Vec::new(),
            faults: Vec::new(),
            stale: false,
            panel_stale: true,
            comparison: None,
            told_shown: None,
            panel: String::new(),
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
        let Some(live) = self.runs.get_mut(&LIVE) else { return };
        if let Err(why) = live.chronicle.take(node, boot, piece) {
            self.say(format!("What {node} does cannot be recorded: {why}"));
        }
    }

    /// The same, as bytes.
    pub fn piece_bytes(&mut self, node: NodeId, boot: u32, bytes: &[u8]) {
        let Some(live) = self.runs.get_mut(&LIVE) else { return };
        if let Err(why) = live.chronicle.read(node, boot, bytes) {
            self.say(format!("What {node} does cannot be recorded: {why}"));
        }
    }

    /// Carries out what the Workers did, up to so many steps. Says whether there is more.
    pub fn work(&mut self, steps_max: usize) -> bool {
        let more = self.runs.get_mut(&LIVE).is_some_and(|live| live.work(steps_max));
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
        match message {
            ToLockstep::Begin { .. } | ToLockstep::Attach { .. } => {}
            ToLockstep::Timeline(gesture) => self.gesture(gesture),
            ToLockstep::Ended { node, boot, at } => self.piece(node, boot, Piece::Ended { at }),
            ToLockstep::Wiped { node, .. } => {
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
                self.asked.extend(asked);
            }
            ToLockstep::Clock(setting) => {
                self.clock.set(setting);
                self.rate = setting.rate;
                self.panel_stale = true;
            }
            ToLockstep::Look(at) => self.look(at),
            ToLockstep::Do(said) => {
                if let Some(request) = Request::read(&said) {
                    self.carry_out(request);
                } else {
                    self.tool(&said);
                }
            }
            ToLockstep::Act(act) => self.act(&act),
            ToLockstep::OpenFile { name, bytes } => self.open_file(&name, &bytes),
            ToLockstep::Check { node, recorded } => self.checks.push((node, recorded)),
        }
    }

    /// Opens what a link holds.
    pub fn open_link(&mut self, letters: &str) {
        let opened = match keep::from_letters(letters) {
            Some(bytes) => keep::read(&bytes).map(|kept| self.open_kept(kept)),
            None => Err(keep::KeepError::Damaged),
        };
        if let Err(why) = opened {
            self.say(format!(
                "The link cannot be opened: {why}. The cluster of this page runs as if there were none."
            ));
        }
    }

    /// Before a frame: tells what is shown, if that has changed.
    pub fn frame(&mut self, wall_ms: f64) {
        let now = self.clock.now(wall_ms);
        self.now = now;
        self.timeline.come(now, self.rate);
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
    }

    fn tell_tools(&mut self) {
        let members = self.runs.get(&self.shown).map(|run| run.record.members().to_vec());
        let members = members.unwrap_or_default();
        let tools = self.timeline.tools(&members);
        if tools != self.tools {
            self.tools.clone_from(&tools);
            let height = Timeline::height(&members);
            self.out.push(FromLockstep::Layout { height, tools });
        }
    }

    fn tell_panel(&mut self, now: Instant) {
        let runs: Vec<RunInfo> = self.runs.values().map(|run| self.info(run)).collect();
        let verdict = self.verdict(now);
        let on_the_way = self.on_the_way();
        let changed = self.changed();
        let at = self
            .at
            .or((self.shown != LIVE).then_some(Instant::NEVER))
            .and_then(|at| {
                let run = self.runs.get(&self.shown)?;
                let at = at.min(run.end());
                Some((at, run.notes.get(&at).cloned().unwrap_or_default()))
            });
        let panel = Panel {
            runs: &runs,
            at,
            verdict: &verdict,
            comparison: self.comparison.as_ref(),
            on_the_way: &on_the_way,
            grabbed: self.grabbed.map(|(_, message)| message),
            changed: &changed,
            members: &self.members,
        };
        let html = panel.html();
        if html != self.panel {
            self.panel.clone_from(&html);
            self.out.push(FromLockstep::Panel(html));
        }
    }

    fn carry_out(&mut self, request: Request) {
        match request {
            Request::Show(run) => self.show(run),
            Request::Delete(run) => self.delete(run),
            Request::Compare(run) => {
                self.compared = run.filter(|run| self.runs.contains_key(run));
                self.stale = true;
            }
            Request::Extend => self.extend(),
            Request::GoLive => self.go_live(),
            Request::Now => self.look(None),
            Request::At(at) => self.look(Some(at)),
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

    /// Does something to a node: to its Worker, in the present; else in a branch.
    fn lay_hands(&mut self, node: NodeId, live: ToNode, act: Act) {
        if self.shown == LIVE && self.at.is_none() {
            self.out.push(FromLockstep::Tell(node, live));
            self.panel_stale = true;
        } else {
            self.act(&act);
        }
    }

    /// The messages on their way at the instant that is shown; of the present, while time stands, for else nobody could grab one.
    fn on_the_way(&self) -> Vec<(NodeId, Arriving)> {
        let mut shown: Vec<(NodeId, Arriving)> = match &self.told_shown {
            Some(shown) => {
                let nodes = shown.nodes.iter();
                nodes
                    .flat_map(|node| node.arriving.iter().map(|arriving| (node.id, *arriving)))
                    .collect()
            }
            None if self.rate == 0.0 => {
                let Some(live) = self.runs.get(&LIVE) else {
                    return Vec::new();
                };
                let nodes = self.members.iter().filter_map(|id| live.chronicle.tape.node(*id));
                nodes
                    .flat_map(|node| node.arriving().map(|arriving| (node.view().id, arriving)))
                    .collect()
            }
            None => Vec::new(),
        };
        // What says something comes first.
        shown.sort_by_key(|(_, arriving)| (arriving.summary.label().is_empty(), arriving.sent));
        shown
    }

    /// What has changed since the instant that was shown before.
    fn changed(&self) -> Vec<String> {
        const TOLD_MAX: usize = 8;
        let Some(shown) = &self.told_shown else {
            return Vec::new();
        };
        let changes = shown
            .nodes
            .iter()
            .flat_map(|node| node.changed.iter().map(move |text| (node.id, text)));
        changes
            .take(TOLD_MAX)
            .map(|(node, text)| format!("{node} {text}"))
            .collect()
    }

    /// Shows the nearest instant, after or before the one that is shown, at which anything happened to a node.
    fn step(&mut self, later: bool) {
        let Some((run, at)) = self.place() else { return };
        // Before what a branch leaves, the run that it leaves knows.
        let asked = if later { at } else { Instant(at.0.saturating_sub(1)) };
        let Some(knows) = self.run_at(run.id, asked) else {
            return;
        };
        if let Some(next) = knows.chronicle.tape.neighbour(at, later) {
            self.look(Some(next.min(run.end())));
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

    fn verdict(&self, now: Instant) -> Verdict {
        let Some(run) = self.runs.get(&self.shown) else {
            return Verdict::default();
        };
        let judgement = run.chronicle.judgement();
        let mut violations: Vec<(Instant, String)> = judgement
            .violations
            .iter()
            .map(|violation| (violation.at, violation.to_string()))
            .collect();
        if run.is_judged_elsewhere {
            violations = run.judged_elsewhere.clone();
        }
        Verdict {
            unjudged: judgement.unjudged.map(str::to_owned),
            violations,
            judged: judgement.judged,
            committed: judgement.committed.0,
            behind_us: if run.id == LIVE {
                now.since(run.chronicle.tape.reached()).0
            } else {
                0
            },
        }
    }

    fn say(&mut self, text: String) {
        self.out.push(FromLockstep::Notice(text));
    }

    fn info(&self, run: &Run) -> RunInfo {
        let acts = run.branch.as_ref().map(|branch| {
            let said = |(at, act): &(Instant, Act)| format!("{at}: {act}");
            branch.acts.iter().map(said).collect()
        });
        RunInfo {
            id: run.id,
            name: run.name.clone(),
            leaves: run.leaves,
            acts: acts.unwrap_or_default(),
            first: run.first(),
            end: run.end(),
            bytes: run.chronicle.tape.bytes() as u64,
            notes: run.notes.iter().map(|(at, note)| (*at, note.clone())).collect(),
            shown: run.id == self.shown,
        }
    }

    fn look(&mut self, at: Option<Instant>) {
        self.at = at;
        self.stale = true;
    }

    /// Something was done to the timeline.
    fn gesture(&mut self, gesture: Gesture) {
        let Some(run) = self.runs.get(&self.shown) else { return };
        let end = self.end_of(run);
        let wishes = self.timeline.take(gesture, &run.record, end);
        self.grant(wishes);
    }

    fn tool(&mut self, said: &str) {
        let Some(run) = self.runs.get(&self.shown) else { return };
        let end = self.end_of(run);
        if let Some(wishes) = self.timeline.tool(said, &run.record, end) {
            self.grant(wishes);
            return;
        }
        match said.split_once(' ').unwrap_or((said, "")) {
            ("trace", _) => self.trace(),
            ("past", _) => {
                let bytes = made::past(self.told_shown.as_ref());
                self.answer("past", bytes);
            }
            ("timings", _) => {
                let events = self.runs.get(&self.shown).map_or(0, |run| run.record.len());
                let bytes = self.runs.values().map(|run| run.chronicle.tape.bytes()).sum();
                let answer = made::timings(&self.took, events, bytes);
                self.took.clear();
                self.answer("timings", answer);
            }
            ("activity", node) => self.activity(node),
            ("state", node) => self.state(node),
            _ => {}
        }
    }

    /// The present of a run: of the live one, now.
    fn end_of(&self, run: &Run) -> Instant {
        if run.id == LIVE {
            self.now.max(run.end())
        } else {
            run.end()
        }
    }

    fn grant(&mut self, wishes: Vec<Wish>) {
        for wish in wishes {
            match wish {
                Wish::Look(at) => {
                    self.at = at;
                    self.stale = true;
                }
                Wish::Choose(subject) => self.choose(subject),
                Wish::ChooseNode(node) => self.out.push(FromLockstep::ChosenNode(node)),
                Wish::Tip(tip) => self.out.push(FromLockstep::Tip(tip)),
                Wish::NotFound(text) => self.speak(text),
            }
        }
    }

    /// Something on the timeline is chosen: told with its reasons, which are the nodes' own words.
    fn choose(&mut self, subject: Option<Subject>) {
        let lines = subject.as_ref().map(|subject| {
            let mut lines = vec![subject.when()];
            lines.extend(subject.meaning());
            if let Some((node, at)) = subject.place() {
                lines.extend(self.reasons(node, at));
            }
            if let Subject::Mark(mark) = subject {
                let quorum = self.runs.get(&self.shown).map(|run| picture::quorum(&run.record, mark));
                let copies: Vec<String> = quorum
                    .into_iter()
                    .flatten()
                    .map(|copy| copy.id.from.to_string())
                    .collect();
                if !copies.is_empty() {
                    lines.push(format!("Its quorum: {} itself, and {}", mark.node, copies.join(", ")));
                }
            }
            if let Subject::Entry(index, _) = subject
                && let Some(run) = self.runs.get(&self.shown)
            {
                let life = picture::life(&run.record, *index);
                lines.extend(life.into_iter().map(|mark| {
                    let mark = Subject::Mark(mark);
                    format!("{}: {}", picture::seconds(mark.at()), mark.title())
                }));
            }
            (subject.title(), lines)
        });
        if let Some(Subject::Flight(flight)) = &subject {
            self.grabbed = Some((flight.to, flight.id));
        }
        self.timeline.scene.chosen = subject;
        self.timeline.stale = true;
        self.out.push(FromLockstep::Chosen(lines));
        self.stale = true;
    }

    /// What a node decided at an instant, in its own words, each with its place in the paper.
    fn reasons(&self, node: NodeId, at: Instant) -> Vec<String> {
        const SHOWN_MAX: usize = 12;
        let Some(run) = self.run_at(self.shown, at) else {
            return Vec::new();
        };
        let happened = run.happenings(Instant(at.0.saturating_sub(1)), at);
        let decided = happened.iter().filter_map(|happening| match &happening.what {
            What::Told {
                node: who,
                fact: Fact::Raft(event),
            } if *who == node && happening.at == at => Some(format!("{node}: {event} (Raft {})", event.paper())),
            _ => None,
        });
        decided.take(SHOWN_MAX).collect()
    }

    /// Whether the timeline is to be painted again.
    pub fn wants_paint(&self) -> bool {
        self.timeline.stale || (self.shown == LIVE && self.rate > 0.0 && self.at.is_none())
    }

    /// The size of the timeline, in pixels, and how many dots a pixel is.
    pub fn size(&self) -> (f64, f64, f64) {
        self.timeline.size
    }

    /// Paints the timeline.
    pub fn paint(&mut self, surface: &mut impl Surface) {
        let Some(run) = self.runs.get(&self.shown) else { return };
        let end = self.end_of(run);
        let width = self.timeline.size.0;
        let palette = self.timeline.palette.clone();
        picture::paint(surface, &palette, &run.record, &mut self.timeline.scene, width, end);
        self.timeline.stale = false;
    }

    fn speak(&mut self, text: String) {
        let Some(run) = self.runs.get(&self.shown) else { return };
        let end = self.end_of(run);
        self.spoken_at = self.now;
        self.out.push(FromLockstep::Spoken {
            first: run.record.first(),
            last: end,
            at: self.at.unwrap_or(end),
            text,
        });
    }

    fn speak_view(&mut self) {
        let Some(run) = self.runs.get(&self.shown) else { return };
        let text = self.timeline.scene.spoken(&run.record, self.end_of(run));
        self.speak(text);
    }

    /// What happened, as JSON: the page's own scripts read it.
    fn trace(&mut self) {
        let Some(run) = self.runs.get(&self.shown) else { return };
        let bytes = made::trace(&self.happenings(run), run.chronicle.tape.kept_from());
        self.answer("trace", bytes);
    }

    /// A node's state, for a person to keep.
    fn state(&mut self, node: &str) {
        let (Some((run, at)), Ok(node)) = (self.place(), node.parse().map(NodeId)) else {
            return;
        };
        let Some(knows) = self.run_at(run.id, at) else { return };
        let moment = knows.chronicle.tape.moment(at);
        let found = moment
            .nodes
            .into_iter()
            .find(|(id, _)| *id == node)
            .and_then(|(_, node)| node);
        let Some(bytes) = found.map(|node| made::state(&node, moment.at)) else {
            return;
        };
        self.out.push(FromLockstep::Made {
            name: format!("node-{}-state.json", node.0),
            mime: "application/json".to_owned(),
            bytes,
        });
    }

    /// What a node did, one line an event.
    fn activity(&mut self, node: &str) {
        let (Some(run), Ok(node)) = (self.runs.get(&self.shown), node.parse().map(NodeId)) else {
            return;
        };
        let bytes = made::activity(&self.happenings(run), node);
        self.out.push(FromLockstep::Made {
            name: format!("node-{}-activity.txt", node.0),
            mime: "text/plain".to_owned(),
            bytes,
        });
    }

    fn show(&mut self, run: RunId) {
        if self.runs.contains_key(&run) {
            self.shown = run;
            self.compared = self.compared.filter(|other| *other != run);
            self.stale = true;
        }
    }

    /// The run that is shown, and the instant.
    fn place(&self) -> Option<(&Run, Instant)> {
        let run = self.runs.get(&self.shown)?;
        let at = self.at.unwrap_or(Instant::NEVER).min(run.end());
        Some((run, at))
    }

    /// The run that knows an instant: the one itself, or that which it leaves.
    fn run_at(&self, id: RunId, at: Instant) -> Option<&Run> {
        let run = self.runs.get(&id)?;
        match run.leaves {
            Some((parent, left)) if at < left => self.run_at(parent, at),
            _ => Some(run),
        }
    }

    fn tell_shown(&mut self) {
        let end = self.runs.get(&self.shown).map_or(Instant(0), |run| self.end_of(run));
        if self.shown == LIVE && self.at.is_none() {
            self.timeline.show(None, end);
            (self.before, self.comparison, self.told_shown) = (None, None, None);
            self.out.push(FromLockstep::Shown(None));
            return;
        }
        let Some((run, at)) = self.place() else { return };
        let (id, name, end) = (run.id, run.name.clone(), run.end());
        let note = run.notes.get(&at).cloned().unwrap_or_default();
        let of_run = self.end_of(run);
        self.timeline.show(Some(at), of_run);
        let Some(run) = self.runs.get(&id) else { return };
        let _ = run;
        let Some(knows) = self.run_at(id, at) else { return };
        let moment = knows.chronicle.tape.moment(at);
        let before = self.before.as_ref().filter(|(of, _)| *of == id);
        let nodes = view::nodes(&moment, before.map(|(_, nodes)| nodes.as_slice()));
        self.before = Some((id, nodes.clone()));
        self.comparison = self.compared.and_then(|other| self.comparison(other, at, &nodes));
        let shown = Shown {
            run: id,
            name,
            at: moment.at,
            end,
            nodes,
            hash: moment.hash(),
            note,
        };
        self.told_shown = Some(shown.clone());
        self.out.push(FromLockstep::Shown(Some(Box::new(shown))));
    }

    fn comparison(&self, other: RunId, at: Instant, nodes: &[ShownNode]) -> Option<Comparison> {
        let run = self.run_at(other, at)?;
        let moment = run.chronicle.tape.moment(at.min(run.end()));
        let others = view::nodes(&moment, None);
        let rows = nodes.iter().zip(&others).flat_map(|(here, there)| {
            let rows = view::differences(here, there).into_iter();
            rows.map(|(what, here_is, there_is)| (here.id, what, here_is, there_is))
        });
        Some(Comparison {
            run: other,
            name: self.runs.get(&other)?.name.clone(),
            at,
            rows: rows.collect(),
        })
    }

    /// Does something at the instant that is shown, in a branch.
    fn act(&mut self, act: &Act) {
        let Some((run, at)) = self.place() else { return };
        let (id, end) = (run.id, run.end());
        let goes_on = run.branch.is_some() && at >= end;
        let id = if goes_on {
            id
        } else {
            let Some(branch) = self.branch_at(id, at) else { return };
            branch
        };
        let Some(run) = self.runs.get_mut(&id) else { return };
        run.act(act);
        run.extend(at + GOES_ON);
        (self.shown, self.at) = (id, Some(at));
        self.stale = true;
    }

    /// A new branch of a run at an instant.
    fn branch_at(&mut self, id: RunId, at: Instant) -> Option<RunId> {
        if self.runs.len() >= RUNS_MAX {
            self.say(format!(
                "There are {RUNS_MAX} runs, which is the most: delete a branch that is not needed, and do it again."
            ));
            return None;
        }
        let parent = self.run_at(id, at)?;
        let branch = RunId(self.next_run);
        let seed = at.0 ^ (u64::from(branch.0) << 48);
        let mut run = Run::branch(parent, branch, at, seed);
        run.extend(at);
        self.next_run += 1;
        self.runs.insert(branch, run);
        Some(branch)
    }

    fn extend(&mut self) {
        if let Some(run) = self.runs.get_mut(&self.shown) {
            let until = run.end() + GOES_ON;
            run.extend(until);
            self.at = None;
            self.stale = true;
        }
    }

    fn name(&mut self, run: RunId, name: &str) {
        if let Some(run) = self.runs.get_mut(&run)
            && !name.trim().is_empty()
        {
            run.name = cut(name.trim());
            self.stale = true;
        }
    }

    fn delete(&mut self, run: RunId) {
        if run == LIVE {
            return self.say("The live run cannot be deleted: it is what the Workers do.".to_owned());
        }
        let leaves = |known: &Run| known.leaves.filter(|(parent, _)| *parent == run).map(|_| known.id);
        let hanging: Vec<RunId> = self.runs.values().filter_map(leaves).collect();
        for branch in hanging {
            self.delete(branch);
        }
        let parent = self.runs.remove(&run).and_then(|run| run.leaves);
        if self.shown == run {
            self.shown = parent.map_or(LIVE, |(parent, _)| parent);
        }
        self.compared = self.compared.filter(|other| *other != run);
        self.stale = true;
    }

    fn note(&mut self, text: &str) {
        let Some((run, at)) = self.place() else { return };
        let (id, end) = (run.id, run.end());
        let at = at.min(end);
        if let Some(run) = self.runs.get_mut(&id) {
            if text.trim().is_empty() {
                run.notes.remove(&at);
            } else {
                run.notes.insert(at, cut(text.trim()));
            }
            self.stale = true;
        }
    }

    /// Has the Workers go on from the instant that is shown. What they did so far is kept as a run of its own.
    fn go_live(&mut self) {
        let Some((run, at)) = self.place() else { return };
        let (id, name) = (run.id, run.name.clone());
        if self.runs.len() >= RUNS_MAX {
            return self.say(format!(
                "There are {RUNS_MAX} runs, which is the most: delete one first."
            ));
        }
        let Some(knows) = self.run_at(id, at) else { return };
        let tape = &knows.chronicle.tape;
        let moment = tape.moment(at);
        let resume = |(id, node)| {
            let ran = matches!(node, Some(_));
            let mut node: cluster::node::Node = match node {
                Some(node) => node,
                None => match tape.last_of(id, at) {
                    Some(node) => node,
                    None => {
                        return (
                            id,
                            Resume {
                                file: Vec::new(),
                                state: None,
                            },
                        );
                    }
                },
            };
            let file = node.move_to_new_disk();
            let state = ran.then(|| node.save());
            (id, Resume { file, state })
        };
        let record = Some(knows.record.until(at));
        let nodes: Vec<(NodeId, Resume)> = moment.nodes.into_iter().map(resume).collect();
        let before = RunId(self.next_run);
        self.next_run += 1;
        if let Some(mut live) = self.runs.remove(&LIVE) {
            live.id = before;
            live.name = "Live, before".to_owned();
            for run in self.runs.values_mut() {
                if let Some((parent, _)) = run.leaves.as_mut().filter(|(parent, _)| *parent == LIVE) {
                    *parent = before;
                }
            }
            self.runs.insert(before, live);
        }
        let mut live = Run::live(&self.members, LIVE);
        live.leaves = Some((if id == LIVE { before } else { id }, at));
        live.name = format!("Live, from {name}");
        if let Some(record) = record {
            live.record = record;
        }
        self.runs.insert(LIVE, live);
        (self.shown, self.at, self.compared) = (LIVE, None, None);
        self.asked.clear();
        self.faults.clear();
        self.judged = 0;
        self.stale = true;
        self.out.push(FromLockstep::Resume { at, nodes });
    }

    /// Answers those who asked about states that have been recorded by now.
    fn check(&mut self) {
        let Some(live) = self.runs.get(&LIVE) else { return };
        let tape = &live.chronicle.tape;
        let mut answers = Vec::new();
        self.checks.retain(|(node, recorded)| {
            let Recorded {
                boot,
                steps,
                fingerprint,
            } = *recorded;
            if (tape.steps_done(*node, boot) as u64) < steps {
                return true;
            }
            let again = tape
                .node_after(*node, boot, steps as usize)
                .map(|node| node.fingerprint());
            answers.push(made::check(steps, fingerprint, again));
            false
        });
        for bytes in answers {
            self.answer("check", bytes);
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

/// Files and links.
impl Desk {
    fn open_file(&mut self, name: &str, bytes: &[u8]) {
        let opened = match keep::read(bytes) {
            Err(keep::KeepError::Foreign) => match sim::file::read(bytes) {
                Ok(scenario) => self.open_scenario(name, &scenario),
                Err(sim::file::FileError::Foreign) => Err(keep::KeepError::Foreign),
                Err(why) => Err(keep::KeepError::Scenario(why.to_string())),
            },
            Ok(kept) => {
                self.open_kept(kept);
                Ok(())
            }
            Err(why) => Err(why),
        };
        if let Err(why) = opened {
            self.say(format!("{name} cannot be opened: {why}. Everything is as it was."));
        }
    }

    /// Carries out a scenario, and shows where it fails.
    fn open_scenario(&mut self, name: &str, scenario: &Scenario) -> Result<(), keep::KeepError> {
        if self.runs.len() >= RUNS_MAX {
            self.say(format!(
                "There are {RUNS_MAX} runs, which is the most: delete one first."
            ));
            return Ok(());
        }
        let members: Vec<NodeId> = (1..=scenario.settings.nodes).map(NodeId).collect();
        let id = RunId(self.next_run);
        self.next_run += 1;
        let run = Run::of_scenario(&members, id, cut(name), scenario.clone());
        let failed = run.judged_elsewhere.first().map(|(at, _)| *at);
        self.runs.insert(id, run);
        (self.shown, self.at) = (id, Some(failed.unwrap_or(Instant(0))));
        self.stale = true;
        Ok(())
    }

    fn open_kept(&mut self, kept: Kept) {
        if self.runs.len() + 1 + kept.branches.len() > RUNS_MAX {
            return self.say(format!(
                "There are {RUNS_MAX} runs, which is the most: delete some first."
            ));
        }
        let first = RunId(self.next_run);
        self.next_run += 1;
        let mut run = match kept.root {
            Root::Told(told) => Run::opened(&kept.members, first, cut(&kept.name), told),
            Root::Scenario(bytes) => match sim::file::read(&bytes) {
                Ok(scenario) => Run::of_scenario(&kept.members, first, cut(&kept.name), scenario),
                Err(why) => return self.say(format!("The run cannot be opened: {why}. Everything is as it was.")),
            },
        };
        while run.work(1 << 16) {}
        for (at, client, asked) in kept.asked {
            run.asked(at, client, asked);
        }
        for (at, key, text) in kept.faults {
            run.fault(at, key, text);
        }
        run.judge();
        run.notes = kept.notes.into_iter().map(|(at, note)| (at, cut(&note))).collect();
        self.runs.insert(first, run);
        let mut names = vec![first];
        for branch in kept.branches {
            let Some(parent) = names.get(branch.leaves.0 as usize) else {
                self.say("One of its branches leaves a run that is not there; it was left out.".to_owned());
                break;
            };
            let Some(parent) = self.runs.get(parent) else { break };
            let id = RunId(self.next_run);
            self.next_run += 1;
            let mut run = Run::branch(parent, id, branch.at, branch.seed);
            for (at, act) in &branch.acts {
                if run.events() > BRANCH_EVENTS_MAX {
                    self.out.push(FromLockstep::Notice(
                        "More happens in its branches than is opened; what comes later is left out.".to_owned(),
                    ));
                    break;
                }
                run.extend(bounded(*at, branch.at));
                run.act(act);
            }
            run.extend(bounded(branch.end, branch.at));
            run.name = cut(&branch.name);
            run.notes = branch.notes.into_iter().map(|(at, note)| (at, cut(&note))).collect();
            self.runs.insert(id, run);
            names.push(id);
        }
        self.shown = names.get(kept.shown.0 as usize).copied().unwrap_or(first);
        self.at = Some(kept.at);
        self.stale = true;
        let end = self.runs.get(&self.shown).map_or(kept.at, Run::end);
        self.timeline.scene.set_look(kept.look, end);
    }

    /// What reopens the run that is shown, and all it hangs from, between two instants.
    fn kept(&self, from: Instant, until: Instant) -> Option<Kept> {
        let (shown, at) = self.place()?;
        let mut chain = vec![shown];
        while let Some(parent) = chain.last()?.leaves.and_then(|(parent, _)| self.runs.get(&parent)) {
            chain.push(parent);
        }
        let root = chain.pop()?;
        // A live run that left another is a root of its own: its nodes' states are on its tape.
        let place = |id: RunId, chain: &[&Run]| -> u32 {
            let among = chain.iter().rev().position(|run| run.id == id);
            among.map_or(0, |place| place as u32 + 1)
        };
        let branches = chain.iter().rev().filter_map(|run| {
            let (parent, left) = run.leaves?;
            let branch = run.branch.as_ref()?;
            Some(KeptBranch {
                name: run.name.clone(),
                leaves: RunId(place(parent, &chain)),
                at: left,
                seed: branch.seed,
                acts: branch.acts.clone(),
                end: run.end(),
                notes: run.notes.iter().map(|(at, note)| (*at, note.clone())).collect(),
            })
        });
        let inside = |at: Instant| (from..=until).contains(&at);
        let is_live = root.id == LIVE;
        Some(Kept {
            members: root.chronicle.tape.members().collect(),
            name: root.name.clone(),
            root: match root
                .scenario
                .as_ref()
                .and_then(|scenario| sim::file::write(scenario).ok())
            {
                Some(bytes) => Root::Scenario(bytes),
                None => Root::Told(root.chronicle.tape.told(from, until)),
            },
            asked: self
                .asked
                .iter()
                .filter(|(at, ..)| is_live && inside(*at))
                .copied()
                .collect(),
            faults: self
                .faults
                .iter()
                .filter(|(at, ..)| is_live && inside(*at))
                .cloned()
                .collect(),
            notes: root.notes.iter().map(|(at, note)| (*at, note.clone())).collect(),
            branches: branches.collect(),
            shown: RunId(place(shown.id, &chain)),
            at,
            look: self.timeline.scene.look(),
        })
    }

    fn make(&mut self, product: Product) {
        match self.made(product) {
            Ok((name, mime, bytes)) => self.out.push(FromLockstep::Made {
                name,
                mime: mime.to_owned(),
                bytes,
            }),
            Err(why) if why.is_empty() => {
                self.wants_png = Some(self.place().map_or(String::new(), |(run, _)| file_name(&run.name)))
            }
            Err(why) => self.say(why),
        }
    }

    /// The name under which a picture of the canvas is wanted, if one is.
    pub fn take_wanted_png(&mut self) -> Option<String> {
        self.wants_png.take()
    }

    fn made(&self, product: Product) -> Result<(String, &'static str, Vec<u8>), String> {
        let (run, at) = self.place().ok_or("Nothing is shown.")?;
        let (first, end) = (Instant(0), Instant::NEVER);
        let end_of_view = self.end_of(run);
        let name = file_name(&run.name);
        let exported = |format: Format, suffix: &str, mime: &'static str| {
            let mut bytes = Vec::new();
            let mut exporter = format.exporter(&mut bytes);
            for happening in self.happenings(run) {
                exporter.take(&happening).map_err(|error| error.to_string())?;
            }
            exporter.finish().map_err(|error| error.to_string())?;
            drop(exporter);
            Ok((format!("{name}.{suffix}"), mime, bytes))
        };
        match product {
            Product::Link => {
                // The root's tape from a while before the instant; up to where the first branch leaves it, or a moment after.
                let root_at = self.root_at(run, at);
                let until = Instant(root_at.0.saturating_add(500_000));
                let letters = LINK_US.iter().find_map(|us| {
                    let kept = self.kept(Instant(root_at.0.saturating_sub(*us)), until)?;
                    let letters = keep::to_letters(&keep::write(&kept));
                    (letters.len() <= LINK_LETTERS_MAX).then_some(letters)
                });
                let letters = letters
                    .ok_or("The logs at this instant are too long for a link. Save the run as a file and send that.")?;
                Ok((String::new(), "text/plain", letters.into_bytes()))
            }
            Product::File => {
                let kept = self.kept(first, end).ok_or("Nothing is shown.")?;
                Ok((format!("{name}.ftqr"), "application/octet-stream", keep::write(&kept)))
            }
            Product::JsonLines => exported(Format::JsonLines, "jsonl", "application/jsonl"),
            Product::Shiviz => exported(Format::Shiviz, "shiviz.txt", "text/plain"),
            Product::Chrome => exported(Format::Chrome, "chrome.json", "application/json"),
            Product::History => exported(Format::History, "edn", "application/edn"),
            Product::Test => {
                let kept = self.kept(first, end).ok_or("Nothing is shown.")?;
                let file = format!("{name}.ftqr");
                let knows = self.run_at(run.id, at).ok_or("Nothing is shown.")?;
                let hash = knows.chronicle.tape.moment(at).hash();
                let test = test_of(&file, &kept, at, hash);
                Ok((format!("{name}.rs"), "text/rust", test.into_bytes()))
            }
            Product::Svg => {
                let (width, _, _) = self.timeline.size;
                let members = run.record.members();
                let mut svg = Svg::new(width, Timeline::height(members), &self.timeline.palette.panel);
                let mut scene = Scene::new();
                scene.set_look(self.timeline.scene.look(), end_of_view);
                (scene.playhead, scene.chosen) = (self.timeline.scene.playhead, self.timeline.scene.chosen.clone());
                picture::paint(
                    &mut svg,
                    &self.timeline.palette,
                    &run.record,
                    &mut scene,
                    width,
                    end_of_view,
                );
                Ok((format!("{name}.svg"), "image/svg+xml", svg.finish().into_bytes()))
            }
            // The host has the canvas.
            Product::Png => Err(String::new()),
        }
    }

    /// The instant of the first run that an instant of one that hangs from it rests on.
    fn root_at(&self, run: &Run, at: Instant) -> Instant {
        match run
            .leaves
            .and_then(|(parent, left)| Some((self.runs.get(&parent)?, left)))
        {
            Some((parent, left)) if run.branch.is_some() => self.root_at(parent, left.min(at)),
            _ => at,
        }
    }

    /// All that happened in a run: in a branch, what happened before in the run that it leaves, too.
    fn happenings(&self, run: &Run) -> Vec<Happening> {
        match run
            .leaves
            .and_then(|(parent, left)| Some((self.runs.get(&parent)?, left)))
        {
            Some((parent, left)) => {
                let mut all = self.happenings(parent);
                all.retain(|happening| happening.at <= left);
                all.extend(run.happenings(left, Instant::NEVER));
                all
            }
            None => run.happenings(Instant(0), Instant::NEVER),
        }
    }
}

/// A Rust test that repeats what a file holds.
fn test_of(file: &str, kept: &Kept, at: Instant, hash: u64) -> String {
    let steps: usize = match &kept.root {
        Root::Told(told) => told.iter().map(steps_of).sum(),
        Root::Scenario(_) => 0,
    };
    format!(
        "//! Repeats a run that was kept from the page: {} nodes, {steps} steps, {} branches.\n\
         //! Save the run as `{file}` beside this file, in `crates/lockstep/tests`.\n\n\
         use lockstep::Repeated;\n\n\
         #[test]\n\
         fn the_run_is_the_same_again() {{\n\
         \x20   let run = Repeated::of(include_bytes!(\"{file}\")).unwrap();\n\
         \x20   assert_eq!(run.hash_at({}), {hash:#018x});\n\
         }}\n",
        kept.members.len(),
        kept.branches.len(),
        at.0,
    )
}

fn steps_of(told: &Told) -> usize {
    match &told.piece {
        Piece::Steps(steps) => steps.len(),
        _ => 0,
    }
}

/// An instant of a branch that somebody else wrote down: no earlier than where it leaves, and no later than a run lasts.
fn bounded(at: Instant, left: Instant) -> Instant {
    const BRANCH_US_MAX: u64 = 600_000_000;
    at.clamp(left, Instant(left.0.saturating_add(BRANCH_US_MAX)))
}

fn cut(text: &str) -> String {
    let end = (0..=TEXT_BYTES_MAX.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text[..end.unwrap_or(0)].to_owned()
}

fn file_name(name: &str) -> String {
    let safe = |letter: char| {
        if letter.is_ascii_alphanumeric() {
            letter.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let name: String = name.chars().map(safe).take(40).collect();
    format!("ftqueue-{}", name.trim_matches('-'))
}

/// A kept run, made again: what a test of it looks at.
pub struct Repeated {
    desk: Desk,
}

impl Repeated {
    /// Makes the run of a file again.
    ///
    /// # Errors
    /// The file holds none.
    pub fn of(bytes: &[u8]) -> Result<Repeated, keep::KeepError> {
        let kept = keep::read(bytes)?;
        let clock = Clock::new(cluster::clock::ClockSetting::starting_at(0.0));
        let mut desk = Desk::new(kept.members.clone(), clock);
        desk.open_kept(kept);
        Ok(Repeated { desk })
    }

    /// A fingerprint of every node at an instant, in microseconds, of the run that the file shows.
    pub fn hash_at(&self, at_us: u64) -> u64 {
        let at = Instant(at_us);
        let run = self.desk.run_at(self.desk.shown, at);
        run.map_or(0, |run| run.chronicle.tape.moment(at).hash())
    }

    /// What it breaks, if it breaks a promise.
    pub fn violations(&self) -> Vec<String> {
        let verdict = self.desk.verdict(Instant(0));
        verdict.violations.into_iter().map(|(_, text)| text).collect()
    }
}
