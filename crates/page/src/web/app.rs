//! The state of the page, how time runs, and when the page is drawn. What happens to it is below: what a person does to nodes
//! ([`acts`]), what becomes of operations ([`operations`]), what nodes say ([`hearing`]).

mod acts;
mod back;
mod hearing;
mod operations;

use std::cell::{Cell, OnceCell, Ref, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use cluster::clock::{Clock, ClockSetting};
use cluster::host::{Resume, ToNode};
use leptos::prelude::*;
use raft_core::{Duration, Instant, NodeId};
use trace::lockstep::ToLockstep;

use super::clients::Clients;
use super::fleet::Fleet;
use super::home::Home;
use super::past::Past;
use super::recorder::Recorder;
use super::results::{ResultLine, Results};
use super::room::Room;
use super::wall::{self, Alarm, wall_ms};
use super::{before, builds, console, keys, settings, timeline, timepanel, view};
use crate::model::lateness::Lateness;
use crate::model::settings::Settings;
use crate::model::{Model, Power};

/// How far a single step of time goes.
pub(super) const STEP: Duration = Duration::from_millis(10);
/// How fast a single step runs at most, so that it can be seen, in virtual seconds a wall second.
const STEP_RATE_MAX: f64 = 0.05;

/// How long what nodes have posted meanwhile may take to be heard after a leap of the page's clock, in wall milliseconds.
const LEAP_SETTLES_MS: f64 = 200.0;

/// How long a frame of the screen lasts, in wall milliseconds.
const FRAME_MS: f64 = 16.0;
/// How many times as long as a frame took nothing is drawn after it, while clients wait for answers and else.
const REST_WHILE_ASKED: f64 = 4.0;
const REST_WHILE_IDLE: f64 = 1.0;
/// For how long nothing is drawn at most, in wall milliseconds.
const REST_MS_MAX: f64 = 250.0;

/// The state of the page.
pub(super) struct App {
    /// Where the cluster lives.
    pub(super) home: Home,
    /// What is known of it.
    pub(super) model: RefCell<Model>,
    pub(super) fleet: RefCell<Fleet>,
    pub(super) clients: RefCell<Clients>,
    pub(super) recorder: RefCell<Recorder>,
    /// The instant that is shown, if it is not the present.
    pub(super) past: RefCell<Option<Past>>,
    /// How many members that has which is shown: a run from a file or a link may have more or fewer than the page's own cluster.
    pub(super) shown_members: RwSignal<usize>,
    /// From where nodes go on at their next start, if not from their disks.
    pub(super) resumes: RefCell<Vec<(NodeId, Resume)>>,
    /// The nodes that ran when the Workers were ended to go back, until they are started again.
    pub(super) going_back: RefCell<Option<Vec<NodeId>>>,
    /// Nodes that go on from the past and are not there yet: time waits for them.
    pub(super) awaited: RefCell<Vec<NodeId>>,
    pub(super) clock: RefCell<Clock>,
    /// What a person has set.
    pub(super) settings: RwSignal<Settings>,
    /// Whether time has been stopped by hand.
    pub(super) stopped: RwSignal<bool>,
    /// Counts the changes of what is known; what is drawn follows it.
    pub(super) version: RwSignal<u64>,
    /// What came of operations, newest last.
    pub(super) results: RefCell<Results>,
    /// The same, as they are shown.
    pub(super) lines: RwSignal<Vec<Arc<ResultLine>>>,
    /// How many errors are no longer among the results, for want of room.
    pub(super) errors_let_go: RwSignal<u64>,
    /// What the person looks at.
    pub(super) selected: RwSignal<Selection>,
    /// What could not be done, until it is dismissed.
    pub(super) notices: RwSignal<Vec<String>>,
    /// What is known of what the browser keeps.
    pub(super) room: Room,
    /// Whether it has been said that disks are too slow for the timers.
    slow_disks_told: Cell<bool>,
    /// How late the Workers' timers ran.
    pub(super) lateness: RefCell<Lateness>,
    /// How what was set last in the dialog had to be changed, in words, if it had to be.
    pub(super) corrected: RwSignal<Option<String>>,
    changed: Cell<bool>,
    /// Whether clients are about to be served.
    serving: Cell<bool>,
    /// What wakes the clients next.
    clients_alarm: Alarm,
    /// What looks for who else stood still when the page did.
    leap_alarm: Alarm,
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
    let (home, refused) = Home::take().await;
    let before = before::ended(&home, refused.is_some());
    let (mut settings, changed) = settings::load(&home.settings_key(), home.beside.is_some() || refused.is_some());
    if let Some((_, nodes)) = home.beside {
        settings.nodes = nodes;
    }
    let found = home.find_epoch(settings.nodes).await;
    let members: Vec<NodeId> = (1..=settings.nodes as u8).map(NodeId).collect();
    let fleet = Fleet::new(&members, settings.link());
    let app = Rc::new(App {
        home,
        model: RefCell::new(Model::new(members.iter().copied())),
        fleet: RefCell::new(fleet),
        clients: RefCell::new(Clients::new(members.clone())),
        recorder: RefCell::default(),
        past: RefCell::new(None),
        shown_members: RwSignal::new(members.len()),
        resumes: RefCell::default(),
        going_back: RefCell::default(),
        awaited: RefCell::default(),
        clock: RefCell::new(Clock::new(ClockSetting {
            rate: settings.rate,
            ..ClockSetting::starting_at(wall_ms())
        })),
        settings: RwSignal::new(settings),
        stopped: RwSignal::new(false),
        version: RwSignal::new(0),
        results: RefCell::default(),
        lines: RwSignal::new(Vec::new()),
        errors_let_go: RwSignal::new(0),
        selected: RwSignal::new(Selection::Leader),
        notices: RwSignal::new(Vec::new()),
        room: Room::default(),
        slow_disks_told: Cell::new(false),
        lateness: RefCell::default(),
        corrected: RwSignal::new(None),
        changed: Cell::new(true),
        serving: Cell::new(false),
        clients_alarm: Alarm::default(),
        leap_alarm: Alarm::default(),
        painters: RefCell::new(Vec::new()),
    });
    APP.with(|cell| {
        cell.set(app.clone())
            .map_err(|_| "the page was opened twice".to_owned())
    })?;
    console::install();
    view::mount();
    timeline::watch_size();
    timepanel::take_drops();
    keys::install();
    come_back();
    app.draw();
    if settings::address_says("record", "no") {
        app.refuse_recorder();
    }
    app.start_recorder_soon();
    app.watch_files();
    for said in [before, refused, changed].into_iter().flatten() {
        app.notify(said);
    }
    match found {
        // Nodes that would be started now might begin with nothing and forget what they promised.
        Err(why) => app.notify(format!("No node is started: {why}.")),
        Ok(()) if settings.start_all => app.start_those_not_down(),
        Ok(()) => {}
    }
    Ok(())
}

/// Whenever a person comes back to the page, from another tab, or because the browser had frozen it or kept it aside: what was due is done, and what
/// is there by now is looked for. Clocks that stood go on from where they were.
fn come_back() {
    let back = || {
        if !wall::document().hidden() {
            app().now();
            app().serve_clients();
            app().touch();
            builds::look();
        }
    };
    wall::on(&wall::document(), "visibilitychange", back);
    wall::on(&wall::document(), "resume", back);
    wall::on(&wall::window(), "pageshow", back);
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
            // Nobody was waited for meanwhile.
            self.clients.borrow_mut().stood_still();
            self.leap_alarm.set(LEAP_SETTLES_MS, || app().settle_leap());
        }
        now
    }

    /// The page's clock has leapt a moment ago. If it was the page alone that stood still, a dialog of the browser's perhaps, nodes have been
    /// heard since, and it has caught up with them. Else the computer slept: every clock goes on from here together.
    fn settle_leap(&self) {
        let setting = self.clock.borrow_mut().setting(wall_ms());
        if self.clock.borrow().lag() > Duration(0) {
            self.set_clock(setting);
        }
    }

    /// The time of what is posted to a node now. Nobody is told anything by finding it out, as [`App::now`] may after a sleep.
    pub(super) fn posts_at(&self) -> Instant {
        self.clock.borrow_mut().now(wall_ms())
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
            let setting = ClockSetting {
                rate: 0.0,
                until: None,
                ..self.clock.borrow_mut().setting(wall_ms())
            };
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
        self.set_clock(ClockSetting {
            rate,
            until: Some(now.virtual_now + STEP),
            ..now
        });
    }

    fn run(&self) {
        let rate = self.settings.get_untracked().rate;
        let setting = ClockSetting {
            rate,
            until: None,
            ..self.clock.borrow_mut().setting(wall_ms())
        };
        self.set_clock(setting);
    }

    /// Sets time, back or forth, while no node runs. It stands until [`App::arrived`] has been told of all that are awaited.
    pub(super) fn set_time(&self, at: Instant) {
        let setting = ClockSetting {
            virtual_now: at,
            rate: 0.0,
            until: None,
            ..self.clock.borrow_mut().setting(wall_ms())
        };
        *self.clock.borrow_mut() = Clock::new(setting);
        self.set_clock(setting);
    }

    /// A node that time waits for takes part, or never will.
    pub(super) fn arrived(&self, id: NodeId) {
        let mut awaited = self.awaited.borrow_mut();
        let was_awaited = awaited.contains(&id);
        awaited.retain(|node| *node != id);
        drop(awaited);
        if was_awaited {
            self.run_unless_awaiting();
        }
    }

    /// Lets time run, unless a person has stopped it or a node is awaited. Where none is to be started, none is waited for.
    pub(super) fn run_unless_awaiting(&self) {
        if self.awaited.borrow().is_empty() && !self.stopped.get_untracked() {
            self.run();
        }
    }

    fn set_clock(&self, setting: ClockSetting) {
        self.clock.borrow_mut().set(setting);
        self.fleet.borrow().broadcast(&ToNode::SetClock(setting));
        self.tell_recorder(&ToLockstep::Clock(setting));
        self.wake_clients();
        self.touch();
    }
}

/// What is drawn.
impl App {
    /// What panels show: the present, or the instant under the playhead.
    pub(super) fn scene(&self) -> Ref<'_, Model> {
        match Ref::filter_map(self.past.borrow(), |past| past.as_ref().map(|past| &past.model)) {
            Ok(past) => past,
            Err(_) => self.model.borrow(),
        }
    }

    /// Shows an instant of some run; the present, without one.
    pub(super) fn show(&self, past: Option<Past>) {
        before::shows_past(past.is_some());
        *self.past.borrow_mut() = past;
        let count = self.members_shown().len();
        if self.shown_members.get_untracked() != count {
            self.shown_members.set(count);
            if matches!(self.selected.get_untracked(), Selection::Node(id) if usize::from(id.0) > count) {
                self.selected.set(Selection::Leader);
            }
        }
        self.touch();
    }

    /// The members of what is shown, in rising order.
    pub(super) fn members_shown(&self) -> Vec<NodeId> {
        self.scene().nodes().map(|node| node.id).collect()
    }

    /// The instant that panels show.
    pub(super) fn shown_at(&self) -> Instant {
        let past = self.past.borrow().as_ref().map(|past| past.shown.at);
        past.unwrap_or_else(|| self.now())
    }

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
        /// Of more, the oldest go: nobody reads as many.
        const NOTICES_MAX: usize = 50;
        self.notices.update(|notices| {
            if !notices.contains(&text) {
                notices.drain(..notices.len().saturating_sub(NOTICES_MAX - 1));
                notices.push(text);
            }
        });
    }

    pub(super) fn report(&self, outcome: Result<(), String>) {
        if let Err(why) = outcome {
            self.notify(why);
        }
    }

    /// Draws a frame, if there is anything new, and asks for the next. A hidden page is asked for none.
    fn draw(self: &Rc<Self>) {
        let began_wall_ms = wall_ms();
        let moving = !self.stands() && self.model.borrow().nodes().any(|node| node.power == Power::On);
        if let Some((lines, errors_let_go)) = self.results.borrow_mut().take_changed() {
            self.lines.set(lines);
            self.errors_let_go.set(errors_let_go);
        }
        if self.changed.replace(false) {
            self.version.update(|version| *version += 1);
        } else if !moving {
            let app = self.clone();
            return wall::next_frame(move || app.draw());
        }
        for paint in self.painters.borrow().iter() {
            paint();
        }
        let app = self.clone();
        wall::after_frame(move || app.draw_next(wall_ms() - began_wall_ms));
    }

    /// Draws the next frame. Where one costs much, and what the browser does with it is the most of that, there are fewer of them: what nodes
    /// and clients say comes through the same thread.
    fn draw_next(self: Rc<Self>, took_ms: f64) {
        let rest = if self.clients.borrow().are_idle() {
            REST_WHILE_IDLE
        } else {
            REST_WHILE_ASKED
        };
        let draw = move || wall::next_frame(move || self.draw());
        let rest_ms = (took_ms * rest).min(REST_MS_MAX);
        if rest_ms < FRAME_MS {
            draw();
        } else {
            wall::after(rest_ms as i32, draw);
        }
    }
}
