//! The state of the page, and everything that happens to it: what a person does, and what nodes say.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use cluster::ActivityLine;
use cluster::client::Failure;
use cluster::clock::{Clock, ClockSetting};
use cluster::host::{Boot, Fact, FromNode, Storage, ToNode};
use ftqueue::{Answer, Operation, QueueError, Read, Write};
use js_sys::Promise;
use leptos::prelude::*;
use raft_core::{Duration, Event, Instant, NodeId, Rules};
use wasm_bindgen::prelude::*;

use super::clients::{Clients, Returned};
use super::fleet::{self, Fleet, no_such_node};
use super::home::{self, Home};
use super::settings::Settings;
use super::wall::{self, wall_ms};
use super::{announce, console, keys, view};
use crate::model::{ClientOperation, Model, Power};

/// How far a single step of time goes.
pub(super) const STEP: Duration = Duration::from_millis(10);
/// How fast a single step runs at most, so that it can be seen, in virtual seconds a wall second.
const STEP_RATE_MAX: f64 = 0.05;
/// How many lines of results are kept.
const RESULTS_MAX: usize = 500;

/// The state of the page.
pub(super) struct App {
    /// Where the cluster lives.
    pub(super) home: Home,
    /// What is known of it.
    pub(super) model: RefCell<Model>,
    pub(super) fleet: RefCell<Fleet>,
    pub(super) clients: RefCell<Clients>,
    clock: RefCell<Clock>,
    /// What a person has set.
    pub(super) settings: RwSignal<Settings>,
    /// Whether time has been stopped by hand.
    pub(super) stopped: RwSignal<bool>,
    /// Counts the changes of what is known; what is drawn follows it.
    pub(super) version: RwSignal<u64>,
    /// What came of operations, newest last.
    pub(super) results: RwSignal<Vec<ResultLine>>,
    /// What the person looks at.
    pub(super) selected: RwSignal<Selection>,
    /// What could not be done, until it is dismissed.
    pub(super) notices: RwSignal<Vec<String>>,
    changed: Cell<bool>,
    clients_wake: Cell<u32>,
    painters: RefCell<Vec<Box<dyn Fn()>>>,
}

/// What the person looks at.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Selection {
    /// Whoever leads.
    #[default]
    Leader,
    /// One node.
    Node(NodeId),
    /// Something on the timeline: its title, and lines that explain it.
    Event { title: String, lines: Vec<String> },
}

/// What came of one operation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ResultLine {
    /// Counts them.
    pub(super) number: u64,
    /// What was typed.
    pub(super) line: String,
    /// What came of it; nothing yet while it is under way.
    pub(super) outcome: Option<ResultOutcome>,
}

/// What came of an operation, in words and numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ResultOutcome {
    pub(super) ok: bool,
    pub(super) text: String,
    pub(super) value: Option<i128>,
    pub(super) tries: u32,
    pub(super) leaders: Vec<u8>,
    pub(super) wall_ms: f64,
    pub(super) virtual_ms: f64,
}

thread_local! {
    static APP: OnceCell<Rc<App>> = const { OnceCell::new() };
}

/// The page's state. There is one, from the moment the page has opened.
pub(super) fn app() -> Rc<App> {
    APP.with(|app| app.get().cloned()).expect("the page has opened")
}

/// Opens the page: finds its cluster a home, shows it, starts it. Says so where it cannot.
pub(super) async fn open() {
    if let Err(why) = try_open().await {
        view::show_failure(&why);
    }
}

async fn try_open() -> Result<(), String> {
    let home = Home::take().await;
    let settings = Settings::load(home.slot);
    let members: Vec<NodeId> = (1..=settings.nodes as u8).map(NodeId).collect();
    let fleet = Fleet::prepare(&members, settings.link()).await?;
    let app = Rc::new(App {
        home,
        model: RefCell::new(Model::new(members.iter().copied())),
        fleet: RefCell::new(fleet),
        clients: RefCell::new(Clients::new(members.clone())),
        clock: RefCell::new(Clock::new(ClockSetting {
            rate: settings.rate,
            ..ClockSetting::starting_at(wall_ms())
        })),
        settings: RwSignal::new(settings),
        stopped: RwSignal::new(false),
        version: RwSignal::new(0),
        results: RwSignal::new(Vec::new()),
        selected: RwSignal::new(Selection::Leader),
        notices: RwSignal::new(Vec::new()),
        changed: Cell::new(true),
        clients_wake: Cell::new(0),
        painters: RefCell::new(Vec::new()),
    });
    APP.with(|cell| cell.set(app.clone()).map_err(|_| "the page was opened twice".to_owned()))?;
    console::install();
    view::mount();
    keys::install();
    app.draw();
    if settings.start_all {
        app.start_all();
    }
    Ok(())
}

/// Time.
impl App {
    /// Virtual time.
    pub(super) fn now(&self) -> Instant {
        let (now, lag) = {
            let mut clock = self.clock.borrow_mut();
            (clock.now(wall_ms()), clock.lag())
        };
        if lag > Duration(0) {
            // The computer slept: every clock goes on from here together.
            let setting = self.clock.borrow_mut().setting(wall_ms());
            self.set_clock(setting);
        }
        now
    }

    /// Whether time stands.
    pub(super) fn stands(&self) -> bool {
        self.clock.borrow().stands()
    }

    /// How fast time runs when it runs.
    pub(super) fn set_rate(&self, rate: f64) {
        self.change_settings(|settings| settings.rate = rate);
        if !self.stopped.get_untracked() {
            self.run();
        }
    }

    /// Stops time, or lets it run.
    pub(super) fn set_stopped(&self, stopped: bool) {
        self.stopped.set(stopped);
        if stopped {
            let setting = ClockSetting { rate: 0.0, until: None, ..self.clock.borrow_mut().setting(wall_ms()) };
            self.set_clock(setting);
        } else {
            self.run();
        }
    }

    /// Lets time run for [`STEP`], then stops it.
    pub(super) fn step_time(&self) {
        self.stopped.set(true);
        let rate = self.settings.get_untracked().rate.min(STEP_RATE_MAX);
        let now = self.clock.borrow_mut().setting(wall_ms());
        self.set_clock(ClockSetting { rate, until: Some(now.virtual_now + STEP), ..now });
    }

    fn run(&self) {
        let rate = self.settings.get_untracked().rate;
        let setting = ClockSetting { rate, until: None, ..self.clock.borrow_mut().setting(wall_ms()) };
        self.set_clock(setting);
    }

    fn set_clock(&self, setting: ClockSetting) {
        self.clock.borrow_mut().set(setting);
        self.fleet.borrow().broadcast(&ToNode::SetClock(setting));
        self.wake_clients();
        self.touch();
    }
}

/// What a person does to nodes and links.
impl App {
    /// Starts every node that does not run.
    pub(super) fn start_all(&self) {
        for id in self.members() {
            if !self.fleet.borrow().is_running(id) {
                self.report(self.start(id));
            }
        }
    }

    /// Every member, in rising order.
    pub(super) fn members(&self) -> Vec<NodeId> {
        self.fleet.borrow().members()
    }

    /// Starts a node that does not run.
    pub(super) fn start(&self, id: NodeId) -> Result<(), String> {
        let boot = self.fleet.borrow_mut().start(id)?;
        let now = self.now();
        let mut model = self.model.borrow_mut();
        model.starting(id, boot);
        model.history.end_fault(&crash_key(id), now);
        drop(model);
        self.touch();
        Ok(())
    }

    /// The same, as a promise that settles when the node has booted, or cannot.
    pub(super) fn start_and_wait(&self, id: NodeId) -> Promise {
        match self.start(id) {
            Ok(()) => self.fleet.borrow_mut().booted(id),
            Err(why) => Promise::reject(&js_sys::Error::new(&why)),
        }
    }

    /// Crashes a node: its Worker is gone at once, and with it everything that it had not written down.
    pub(super) fn crash(&self, id: NodeId) -> Result<(), String> {
        if !self.members().contains(&id) {
            return Err(no_such_node(id, self.members().len()));
        }
        if !self.fleet.borrow_mut().terminate(id) {
            return Err(format!("{id} is not running; restart it first"));
        }
        self.gone(id, None);
        Ok(())
    }

    /// A Worker died by itself, or the node cannot take part.
    pub(super) fn node_died(&self, id: NodeId, boot: u32, why: String) {
        if !self.fleet.borrow().is_current(id, boot) {
            return;
        }
        self.fleet.borrow_mut().terminate(id);
        let why = if why.contains("unreachable") {
            format!("the Worker trapped; it may have run out of memory ({why})")
        } else if why.is_empty() {
            "the Worker's script did not load; reload the page".to_owned()
        } else {
            why
        };
        self.gone(id, Some(why));
    }

    fn gone(&self, id: NodeId, failure: Option<String>) {
        let now = self.now();
        let text = match &failure {
            None => format!("{id} crashed"),
            Some(why) => format!("{id} failed: {why}"),
        };
        announce::say(&text);
        if failure.is_some() {
            self.notify(format!("{text}. Click it to start it again."));
        }
        let why = failure.clone().unwrap_or_else(|| format!("{id} was crashed before it had booted"));
        {
            let mut model = self.model.borrow_mut();
            model.stopped(id, now, failure);
            model.history.begin_fault(&crash_key(id), now, text);
            model.history.end_fault(&pause_key(id), now);
        }
        self.fleet.borrow_mut().settle(id, Err(&why));
        self.clients.borrow_mut().node_down(now, id);
        self.serve_clients();
        self.touch();
    }

    /// Crashes a node that runs; starts one that does not.
    pub(super) fn toggle(&self, id: NodeId) {
        if self.fleet.borrow().is_running(id) {
            self.report(self.crash(id));
        } else {
            self.report(self.start(id));
        }
    }

    /// Makes a node stand still, or go on.
    pub(super) fn set_paused(&self, id: NodeId, paused: bool) {
        self.fleet.borrow_mut().set_paused(id, paused);
        let now = self.now();
        let mut model = self.model.borrow_mut();
        if paused {
            model.history.begin_fault(&pause_key(id), now, format!("{id} paused"));
        } else {
            model.history.end_fault(&pause_key(id), now);
        }
        drop(model);
        announce::say(&format!("{id} {}", if paused { "paused" } else { "resumed" }));
        self.touch();
    }

    /// Whether every link of the node is cut, both ways.
    pub(super) fn is_isolated(&self, id: NodeId) -> bool {
        let fleet = self.fleet.borrow();
        let members = fleet.members();
        let cut = |from, to| fleet.link(from, to).is_some_and(|link| link.cut);
        members.len() > 1 && members.iter().filter(|&&peer| peer != id).all(|&peer| cut(id, peer) && cut(peer, id))
    }

    /// Cuts every link of a node, or mends them all.
    pub(super) fn set_isolated(&self, id: NodeId, isolated: bool) {
        for peer in self.members() {
            if peer != id {
                self.set_cut(id, peer, isolated);
                self.set_cut(peer, id, isolated);
            }
        }
        announce::say(&format!("{id} {}", if isolated { "isolated" } else { "rejoined" }));
    }

    /// Whether one direction of a link is cut.
    pub(super) fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.fleet.borrow().link(from, to).is_some_and(|link| link.cut)
    }

    /// Cuts one direction of a link, or mends it.
    pub(super) fn set_cut(&self, from: NodeId, to: NodeId, cut: bool) {
        self.fleet.borrow_mut().set_cut(from, to, cut);
        let now = self.now();
        let (low, high) = (from.min(to), from.max(to));
        let key = format!("link {} {}", low.0, high.0);
        let text = match (self.is_cut(low, high), self.is_cut(high, low)) {
            (false, false) => None,
            (true, true) => Some(format!("link {} – {} cut", low.0, high.0)),
            (true, false) => Some(format!("link {} → {} cut", low.0, high.0)),
            (false, true) => Some(format!("link {} → {} cut", high.0, low.0)),
        };
        let mut model = self.model.borrow_mut();
        match text {
            Some(text) => model.history.begin_fault(&key, now, text),
            None => model.history.end_fault(&key, now),
        }
        drop(model);
        self.touch();
    }

    /// Crashes a node and empties its disk. It then starts as if it had never been a member, and may break what it promised.
    pub(super) fn wipe(self: &Rc<Self>, id: NodeId) {
        if self.fleet.borrow().is_running(id) {
            self.report(self.crash(id));
        }
        let directory = self.home.directory(self.members().len());
        let app = self.clone();
        wasm_bindgen_futures::spawn_local(async move {
            let wiped = match directory {
                Some(directory) => home::wipe(&directory, id.0).await,
                None => Ok(()),
            };
            if wiped.is_ok() {
                let now = app.now();
                app.model.borrow_mut().wiped(id, now);
                announce::say(&format!("the disk of {id} is empty"));
            }
            app.report(wiped);
            app.touch();
        });
    }

    /// Offers a node's state as JSON.
    pub(super) fn download_state(self: &Rc<Self>, id: NodeId) {
        if !self.model.borrow().node(id).is_some_and(crate::model::Node::is_up) {
            return self.notify(format!("{id} is not running, so it cannot say its state. Start it first."));
        }
        let described = self.fleet.borrow_mut().describe(id);
        let app = self.clone();
        wasm_bindgen_futures::spawn_local(async move {
            if let Ok(json) = wasm_bindgen_futures::JsFuture::from(described).await {
                let text = json.as_string().unwrap_or_default();
                let saved = wall::download(&format!("node-{}-state.json", id.0), "application/json", &text);
                app.report(saved.map_err(|error| format!("the file was not saved: {}", wall::words(&error))));
            }
        });
    }

    /// Offers what a node has done as text, one line an event.
    pub(super) fn download_activity(&self, id: NodeId) {
        let model = self.model.borrow();
        let mut text = String::new();
        for record in model.history.facts.iter().filter(|record| record.node == id) {
            let line = ActivityLine { at: record.at, node: record.node, fact: &record.fact };
            text.push_str(&format!("{line}\n"));
        }
        let saved = wall::download(&format!("node-{}-activity.txt", id.0), "text/plain", &text);
        drop(model);
        self.report(saved.map_err(|error| format!("the file was not saved: {}", wall::words(&error))));
    }

    /// Opens the page anew with another number of nodes. That is another cluster, with logs of its own; this one's are kept.
    pub(super) fn change_members(&self, nodes: usize) {
        Settings { nodes, ..self.settings.get_untracked() }.clamped().store(self.home.slot);
        // The address may name a number too, and would have the last word.
        let location = wall::window().location();
        let search = location.search().unwrap_or_default();
        let moved = match web_sys::UrlSearchParams::new_with_str(&search) {
            Ok(query) if query.has("nodes") => {
                query.delete("nodes");
                location.set_search(&query.to_string().as_string().unwrap_or_default())
            }
            _ => location.reload(),
        };
        self.report(moved.map_err(|error| format!("the page could not be opened anew: {}", wall::words(&error))));
    }

    /// Changes what is set, tells the nodes, and keeps it.
    pub(super) fn change_settings(&self, change: impl FnOnce(&mut Settings)) {
        let before = self.settings.get_untracked();
        let mut settings = before;
        change(&mut settings);
        let settings = settings.clamped();
        if settings == before {
            return;
        }
        self.settings.set(settings);
        settings.store(self.home.slot);
        if settings.timing() != before.timing() {
            self.fleet.borrow().broadcast(&ToNode::SetTiming(settings.timing()));
        }
        if settings.link() != before.link() {
            self.fleet.borrow_mut().set_links(settings.link());
        }
        self.touch();
    }
}

/// What clients do.
impl App {
    /// Carries out what a person typed. The line stands among the results at once, and its outcome follows.
    pub(super) fn enter(self: &Rc<Self>, line: &str, then: impl FnOnce(ResultOutcome) + 'static) {
        let number = self.results.with_untracked(|results| results.last().map_or(0, |last| last.number) + 1);
        let line = line.trim().to_owned();
        self.results.update(|results| {
            results.push(ResultLine { number, line: line.clone(), outcome: None });
            if results.len() > RESULTS_MAX {
                results.remove(0);
            }
        });
        let app = self.clone();
        let finish = move |outcome: ResultOutcome| {
            app.results.update(|results| {
                if let Some(line) = results.iter_mut().find(|line| line.number == number) {
                    line.outcome = Some(outcome.clone());
                }
            });
            then(outcome);
        };
        match line.parse::<Operation>() {
            Ok(operation) => self.submit(operation, move |returned| {
                let mut outcome = outcome_of(&returned);
                if let Err(Failure::Queue(error)) = &returned.done.result {
                    outcome.text = self::app().explain(&operation, error).unwrap_or(outcome.text);
                }
                finish(outcome);
            }),
            Err(error) => finish(ResultOutcome {
                ok: false,
                text: error.to_string(),
                value: None,
                tries: 0,
                leaders: Vec::new(),
                wall_ms: 0.0,
                virtual_ms: 0.0,
            }),
        }
    }

    /// Gives an operation to a client.
    pub(super) fn submit(self: &Rc<Self>, operation: Operation, then: impl FnOnce(Returned) + 'static) {
        let app = self.clone();
        let taken = self.clients.borrow_mut().submit(operation, move |returned| {
            app.file_operation(&returned);
            then(returned);
        });
        if !taken {
            self.notify("Too many operations wait in line; this one was not sent.".to_owned());
        }
        self.serve_clients();
    }

    /// An error about a queue that is not there, with what there is instead.
    fn explain(&self, operation: &Operation, error: &QueueError) -> Option<String> {
        const NAMED_MAX: usize = 8;
        let model = self.model.borrow();
        let queues = &model.leader()?.queues;
        let (what, asked, there): (_, _, Vec<String>) = match (operation, error) {
            (
                Operation::Write(Write::Push { qid, .. } | Write::Pop { qid }) | Operation::Read(Read::Top { qid } | Read::Qsize { qid }),
                QueueError::NoSuchQueue,
            ) => ("id", qid.to_string(), queues.queues.iter().map(|queue| queue.qid.to_string()).collect()),
            (Operation::Read(Read::GetQid { label }), QueueError::NoSuchLabel) => {
                ("label", label.to_string(), queues.queues.iter().map(|queue| queue.label.to_string()).collect())
            }
            _ => return None,
        };
        let more = if queues.count as usize > NAMED_MAX { ", …" } else { "" };
        Some(match there.len() {
            0 => format!("no queue has {what} {asked}; there is none yet: create_queue makes one"),
            1 => format!("no queue has {what} {asked}; the only one has {}", there[0]),
            _ => format!("no queue has {what} {asked}; {what}s are {}{more}", there[..there.len().min(NAMED_MAX)].join(", ")),
        })
    }

    /// Gives up every operation that has no answer yet. What was sent may have been applied, or may be yet.
    pub(super) fn give_up(&self) {
        let now = self.now();
        let cancelled = self.clients.borrow_mut().cancel(now);
        for (answer, returned) in cancelled {
            answer(returned);
        }
        self.serve_clients();
        self.touch();
    }

    fn file_operation(&self, returned: &Returned) {
        let done = &returned.done;
        self.model.borrow_mut().history.operation(ClientOperation {
            client: returned.client,
            invoked: done.invoked,
            returned: done.returned,
            text: format!("{} → {}", done.operation, answer_text(&done.result)),
            ok: done.result.is_ok(),
            tries: done.tries,
        });
    }

    /// Posts what clients have to say, and gives the answers they have got.
    pub(super) fn serve_clients(&self) {
        let now = self.now();
        let work = self.clients.borrow_mut().work(now);
        {
            let fleet = self.fleet.borrow();
            for (node, request, body) in work.requests {
                fleet.send(node, &ToNode::Request { request, body });
            }
        }
        let answered = !work.answers.is_empty();
        for (answer, returned) in work.answers {
            answer(returned);
        }
        if answered {
            self.touch();
            // An answer may have let another operation out of the line.
            return self.serve_clients();
        }
        self.wake_clients();
    }

    fn wake_clients(&self) {
        let wake = self.clients_wake.get().wrapping_add(1);
        self.clients_wake.set(wake);
        let deadline = self.clients.borrow().deadline();
        if deadline == Instant::NEVER {
            return;
        }
        if let Some(delay_ms) = self.clock.borrow().wall_delay_ms(deadline, wall_ms()) {
            wall::after(delay_ms.ceil() as i32 + 1, move || {
                let app = app();
                if app.clients_wake.get() == wake {
                    app.serve_clients();
                }
            });
        }
    }
}

/// What nodes say.
impl App {
    /// A Worker has said something.
    pub(super) fn hear(&self, id: NodeId, boot: u32, data: &JsValue) {
        if !self.fleet.borrow().is_current(id, boot) {
            return;
        }
        match fleet::read(data) {
            Ok(message) => self.take(id, boot, message),
            Err(why) => self.node_died(id, boot, format!("its Worker said something that does not decode: {why}")),
        }
    }

    fn take(&self, id: NodeId, boot: u32, message: FromNode) {
        match message {
            FromNode::Ready { build } => {
                let booting = self.boot_message(id);
                let told = self.fleet.borrow_mut().boot(id, &build, booting);
                if let Err(why) = told {
                    self.node_died(id, boot, why);
                }
            }
            FromNode::Booted { storage, recovery } => self.node_booted(id, storage, recovery),
            FromNode::Refused { why } => self.node_died(id, boot, why),
            FromNode::Died { message } => self.node_died(id, boot, message),
            FromNode::Report(report) => self.node_reports(id, *report),
            FromNode::Reply { request, reply } => {
                let now = self.now();
                self.clients.borrow_mut().receive(now, id, request, reply);
                self.serve_clients();
            }
            FromNode::Description { request, description } => {
                let json = serde_json::to_string_pretty(&description).unwrap_or_else(|error| error.to_string());
                self.fleet.borrow_mut().described(request.0, &json);
            }
            FromNode::Leading { term } => {
                let now = self.now();
                self.clients.borrow_mut().leading(now, id, term);
                self.serve_clients();
            }
        }
    }

    fn boot_message(&self, id: NodeId) -> Boot {
        let settings = self.settings.get_untracked();
        Boot {
            id,
            members: Vec::new(),
            timing: settings.timing(),
            rules: Rules::default(),
            boot: 0,
            seed: wall::seed(),
            clock: self.clock.borrow_mut().setting(wall_ms()),
            directory: self.home.directory(settings.nodes),
            links: Vec::new(),
        }
    }

    fn node_booted(&self, id: NodeId, storage: Storage, recovery: cluster::host::Recovery) {
        let now = self.now();
        self.model.borrow_mut().booted(id, now, storage, recovery);
        self.fleet.borrow_mut().settle(id, Ok(()));
        self.clients.borrow_mut().node_up(now, id);
        self.serve_clients();
        announce::say(&format!("{id} started"));
        self.touch();
    }

    fn node_reports(&self, id: NodeId, report: cluster::host::Report) {
        self.clock.borrow_mut().witness(report.now);
        for (_, fact) in &report.facts {
            if let Fact::Raft(event) = fact {
                match event {
                    Event::BecameLeader { term, .. } => announce::say(&format!("{id} leads {term}")),
                    Event::CommitAdvanced { to, copies, .. } if !copies.is_empty() => announce::committed(*to),
                    _ => {}
                }
            }
        }
        self.model.borrow_mut().report(id, report);
        self.touch();
    }
}

/// What is drawn.
impl App {
    /// Something has changed that may be seen.
    pub(super) fn touch(&self) {
        self.changed.set(true);
    }

    /// Calls `paint` before each frame in which there may be something new to see.
    pub(super) fn on_frame(&self, paint: impl Fn() + 'static) {
        self.painters.borrow_mut().push(Box::new(paint));
    }

    /// Says something that a person must not miss, until they dismiss it.
    pub(super) fn notify(&self, text: String) {
        self.notices.update(|notices| {
            if !notices.contains(&text) {
                notices.push(text);
            }
        });
    }

    fn report(&self, outcome: Result<(), String>) {
        if let Err(why) = outcome {
            self.notify(why);
        }
    }

    /// Draws a frame, if there is anything new, and asks for the next. A hidden page is asked for none.
    fn draw(self: &Rc<Self>) {
        let moving = !self.stands() && self.model.borrow().nodes().any(|node| node.power == Power::On);
        if self.changed.replace(false) {
            self.version.update(|version| *version += 1);
        } else if !moving {
            return self.draw_next();
        }
        for paint in self.painters.borrow().iter() {
            paint();
        }
        self.draw_next();
    }

    fn draw_next(self: &Rc<Self>) {
        let app = self.clone();
        wall::next_frame(move || app.draw());
    }
}

fn crash_key(id: NodeId) -> String {
    format!("crash {}", id.0)
}

fn pause_key(id: NodeId) -> String {
    format!("pause {}", id.0)
}

fn answer_text(result: &Result<Answer, Failure>) -> String {
    match result {
        Ok(answer) => answer.to_string(),
        Err(failure) => failure.to_string(),
    }
}

fn outcome_of(returned: &Returned) -> ResultOutcome {
    let done = &returned.done;
    let value = match &done.result {
        Ok(Answer::Qid(qid)) => Some(i128::from(qid.0)),
        Ok(Answer::Item(item)) => Some(i128::from(*item)),
        Ok(Answer::Size(size)) => Some(i128::from(*size)),
        Ok(Answer::Pushed) | Err(_) => None,
    };
    ResultOutcome {
        ok: done.result.is_ok(),
        text: answer_text(&done.result),
        value,
        tries: done.tries,
        leaders: done.leaders.iter().map(|leader| leader.0).collect(),
        wall_ms: returned.wall_ms,
        virtual_ms: done.returned.since(done.invoked).as_millis_f64(),
    }
}
