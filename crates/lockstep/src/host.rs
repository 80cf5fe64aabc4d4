//! The Worker: what the page says and what nodes post goes to the [`Desk`], and what the desk has to say goes to the page.
//!
//! It is given what the nodes do and is in nobody's way. When there is much to do it does a little at a time and leaves the processor
//! to the nodes in between: it may fall behind, and says so.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use cluster::batch::Ahead;
use cluster::clock::Clock;
use cluster::codec;
use js_sys::{Object, Reflect, Uint8Array};
use raft_core::NodeId;
use trace::lockstep::{FromLockstep, ToLockstep};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, DedicatedWorkerGlobalScope, MessageEvent, MessagePort, OffscreenCanvas};

use crate::BUILD;
use crate::canvas::Sheet;
use crate::clusters;
use crate::desk::{Desk, Order, Part};
use crate::saving::Saving;

/// How long it works at once, in wall milliseconds, and how long it leaves the processor to others then.
const WORK_MS: f64 = 4.0;
const REST_MS: i32 = 8;
const GATHER_MS: i32 = 12;
/// How long it works at once while somebody waits for a file or an answer.
const BUSY_MS: f64 = 40.0;
/// How long at least lies between two pictures of a run that goes on by itself.
const FRAME_MS: i32 = 60;
/// How long a frame of the screen is waited for.
const NO_FRAME_MS: i32 = 250;
/// How many times as long as a picture took nothing is painted after it.
const PAINT_REST: f64 = 12.0;
/// How many steps it takes between two looks at the clock.
const STEPS: usize = 256;
/// How long it waits for members that may never be started.
const OPEN_AFTER_MS: i32 = 2_500;
/// How often clients are judged.
const JUDGE_EVERY_MS: i32 = 1_000;
/// What a node said just before its end may still be on its way: so many turns, so long each.
const LAST_WORDS_TURNS: u32 = 10;
const LAST_WORDS_MS: i32 = 30;

/// The Worker's entry.
#[wasm_bindgen]
#[allow(unreachable_pub, reason = "JavaScript calls it")]
pub fn start_lockstep() {
    console_error_panic_hook::set_once();
    let host = Rc::new(Host {
        scope: js_sys::global().unchecked_into(),
        ahead_ms: Cell::new(0.0),
        desk: RefCell::new(None),
        orders: RefCell::default(),
        obeying: Cell::new(false),
        working: Cell::new(false),
        framed: Cell::new(false),
        no_frame: Cell::new(None),
        sheet: RefCell::new(None),
        saving: Saving::default(),
        ports: RefCell::new(Vec::new()),
        ending: RefCell::default(),
        held: RefCell::default(),
    });
    let hearing = Rc::clone(&host);
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| hearing.hear(&event.data()));
    host.scope.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    on_message.forget();
    host.say(&FromLockstep::Ready {
        build: BUILD.to_owned(),
        wall_ms: host.wall_ms(),
    });
}

/// A port to which a life of a node posts, and what hears it.
struct Port {
    life: (NodeId, u32),
    port: MessagePort,
    _hears: Closure<dyn FnMut(MessageEvent)>,
}

struct Host {
    scope: DedicatedWorkerGlobalScope,
    /// How far the Worker's wall clock is taken to be ahead of the page's.
    ahead_ms: Cell<f64>,
    desk: RefCell<Option<Desk>>,
    /// What is to be done with files yet.
    orders: RefCell<VecDeque<Order>>,
    obeying: Cell<bool>,
    working: Cell<bool>,
    /// Whether a frame of the screen is waited for, and the timer for the case that none comes.
    framed: Cell<bool>,
    no_frame: Cell<Option<i32>>,
    /// What the timeline is painted on.
    sheet: RefCell<Option<Sheet>>,
    /// What there is of a file that is being made.
    saving: Saving,
    ports: RefCell<Vec<Port>>,
    /// Lives that are over, and whose last words are waited for.
    ending: RefCell<Vec<(NodeId, u32)>>,
    /// What their successors say meanwhile: a life that began while the one before was not over would seem to have taken its place at that instant.
    held: RefCell<Vec<(NodeId, u32, Vec<u8>)>>,
}

impl Host {
    fn hear(self: &Rc<Self>, data: &JsValue) {
        let Some(bytes) = bytes_of(data) else { return };
        let message = match codec::decode::<ToLockstep>(&bytes) {
            Ok(message) => message,
            Err(why) => {
                return self.say(&FromLockstep::Notice(format!(
                    "The page and its recorder are not of one version ({why}). Reload the page."
                )));
            }
        };
        match message {
            ToLockstep::Begin {
                members,
                clock,
                ahead_ms_least,
                home,
                link,
            } => {
                let ahead = Ahead {
                    least_ms: ahead_ms_least,
                    most_ms: self.wall_ms() - clock.wall_ms,
                };
                self.ahead_ms.set(ahead.estimate_ms());
                let canvas = Reflect::get(data, &"canvas".into()).ok();
                let sheet = canvas.and_then(|canvas| Sheet::new(canvas.dyn_into().ok()?));
                if sheet.is_none() {
                    self.say(&FromLockstep::Notice(
                        "This browser draws no pictures in a Worker, so the timeline is empty. All else works, and its SVG can be saved.".to_owned(),
                    ));
                }
                *self.sheet.borrow_mut() = sheet;
                self.begin(members, Clock::new(clock), link);
                self.find(home);
            }
            ToLockstep::Attach { node, boot } => {
                let port = Reflect::get(data, &"port".into())
                    .ok()
                    .and_then(|port| port.dyn_into().ok());
                if let Some(port) = port {
                    self.attach(node, boot, port);
                }
            }
            ToLockstep::Ended { node, boot, at } => {
                self.with(|desk| desk.ends_soon(node, boot, at));
                self.ending.borrow_mut().push((node, boot));
                self.end_after_turns(LAST_WORDS_TURNS, (node, boot), message);
            }
            ToLockstep::Do(what) if self.does_with_clusters(&what) => {}
            message => self.tell(message),
        }
    }

    /// Tells which clusters no tab has open, or deletes them, if that is what is asked.
    fn does_with_clusters(self: &Rc<Self>, what: &str) -> bool {
        let (what, own) = what.split_once(' ').unwrap_or((what, ""));
        let own = own.to_owned();
        let host = Rc::clone(self);
        match what {
            "unused" => wasm_bindgen_futures::spawn_local(async move {
                let unused = clusters::unused(&own).await;
                let unused = unused
                    .iter()
                    .map(|(name, bytes)| format!("{{\"name\":\"{name}\",\"bytes\":{bytes}}}"));
                let json = format!("[{}]", unused.collect::<Vec<_>>().join(","));
                host.say(&FromLockstep::Made {
                    name: "unused".to_owned(),
                    mime: String::new(),
                    bytes: json.into_bytes(),
                });
            }),
            "delete-unused" => wasm_bindgen_futures::spawn_local(async move {
                let (own, doomed) = own.split_once(' ').unwrap_or((&own, ""));
                let doomed: Vec<&str> = doomed.split(", ").collect();
                if let Err(why) = clusters::delete_unused(own, &doomed).await {
                    host.say(&FromLockstep::Notice(format!(
                        "Not every other cluster was deleted: {why}."
                    )));
                }
                let beside = clusters::beside().await;
                host.with(|desk| desk.deleted(Ok(()), beside));
            }),
            _ => return false,
        }
        true
    }

    /// A life is over, after so many turns of the event loop, a moment each: what is posted by now is heard before, however long the recorder
    /// was busy. Then what its successors said meanwhile is heard.
    fn end_after_turns(self: &Rc<Self>, turns: u32, life: (NodeId, u32), ended: ToLockstep) {
        let host = Rc::clone(self);
        self.after(LAST_WORDS_MS, move || {
            if turns > 1 {
                return host.end_after_turns(turns - 1, life, ended);
            }
            host.tell(ended);
            host.ending.borrow_mut().retain(|known| *known != life);
            // Nothing comes from there any more. What is called just now is not let go of: this is a timer's turn.
            for over in host.ports.borrow_mut().extract_if(.., |known| known.life == life) {
                over.port.set_onmessage(None);
                over.port.close();
            }
            for (node, boot, bytes) in host.held.take() {
                host.hear_piece(node, boot, bytes);
            }
        });
    }

    /// A node's host has posted this. It waits for the end of the life before.
    fn hear_piece(self: &Rc<Self>, node: NodeId, boot: u32, bytes: Vec<u8>) {
        let is_before = |(of, latest): &(NodeId, u32)| *of == node && *latest < boot;
        if self.ending.borrow().iter().any(is_before) {
            return self.held.borrow_mut().push((node, boot, bytes));
        }
        if let Some(desk) = self.desk.borrow_mut().as_mut() {
            desk.piece_bytes(node, boot, &bytes);
        }
        self.work();
    }

    fn begin(self: &Rc<Self>, members: Vec<NodeId>, clock: Clock, link: Option<String>) {
        let mut desk = Desk::new(members, clock);
        desk.take_time();
        if let Some(letters) = link {
            desk.open_link(&letters);
        }
        *self.desk.borrow_mut() = Some(desk);
        let host = Rc::clone(self);
        self.after(OPEN_AFTER_MS, move || {
            host.with(Desk::open);
            host.work();
        });
        self.judge();
        self.work();
        self.frame();
    }

    /// Finds out what stands of the page's cluster, and which there are beside.
    fn find(self: &Rc<Self>, home: Option<String>) {
        let host = Rc::clone(self);
        wasm_bindgen_futures::spawn_local(async move {
            // Where there are no files the nodes have none, either.
            let home = if clusters::are_possible().await { home } else { None };
            host.with(|desk| desk.live_at(home.clone()));
            let Some(home) = home else { return };
            let standing = clusters::standing(&home).await;
            let beside = clusters::beside().await;
            host.with(|desk| desk.found(standing, beside));
            host.frame();
        });
    }

    /// Carries out what the desk has ordered, one after the other.
    fn obey(self: &Rc<Self>, orders: Vec<Order>) {
        self.orders.borrow_mut().extend(orders);
        if self.obeying.replace(true) {
            return;
        }
        let host = Rc::clone(self);
        wasm_bindgen_futures::spawn_local(async move {
            loop {
                let next = host.orders.borrow_mut().pop_front();
                let Some(order) = next else { break };
                host.carry_out(order).await;
            }
            host.obeying.set(false);
            host.frame();
        });
    }

    async fn carry_out(self: &Rc<Self>, order: Order) {
        match order {
            Order::Prepare {
                home,
                standing,
                epoch,
                logs,
            } => {
                let outcome = clusters::prepare(&home, standing, epoch, logs).await;
                self.with(|desk| desk.prepared(outcome));
            }
            Order::Commit { home, from, to } => {
                let outcome = clusters::commit(&home, from, to).await;
                self.with(|desk| desk.committed(outcome));
            }
            Order::Begin { title, standing, logs } => {
                let outcome = clusters::begin(&title, standing, logs).await;
                self.with(|desk| desk.begun(outcome));
            }
            Order::Delete { cluster } => {
                let outcome = clusters::delete(&cluster).await;
                let beside = clusters::beside().await;
                self.with(|desk| desk.deleted(outcome, beside));
            }
            Order::Tidy { home, standing } => clusters::tidy(&home, standing).await,
        }
    }

    /// Judges now, and again and again.
    fn judge(self: &Rc<Self>) {
        let since_ms = self.wall_ms();
        self.with(Desk::judge);
        self.note("judge", since_ms);
        self.frame();
        let host = Rc::clone(self);
        self.after(JUDGE_EVERY_MS, move || host.judge());
    }

    fn attach(self: &Rc<Self>, node: NodeId, boot: u32, port: MessagePort) {
        let host = Rc::clone(self);
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            let bytes = event.data().dyn_ref::<Uint8Array>().map(Uint8Array::to_vec);
            host.hear_piece(node, boot, bytes.unwrap_or_default());
        });
        port.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        self.ports.borrow_mut().push(Port {
            life: (node, boot),
            port,
            _hears: on_message,
        });
    }

    fn tell(self: &Rc<Self>, message: ToLockstep) {
        self.with(|desk| desk.hear(message));
        self.make_png();
        self.work();
        self.frame();
    }

    fn with(self: &Rc<Self>, act: impl FnOnce(&mut Desk)) {
        let mut orders = Vec::new();
        if let Some(desk) = self.desk.borrow_mut().as_mut() {
            act(desk);
            orders = desk.take_orders();
        }
        self.speak();
        if !orders.is_empty() {
            self.obey(orders);
        }
    }

    /// Carries out what nodes did, a little at a time.
    fn work(self: &Rc<Self>) {
        if self.working.replace(true) {
            return;
        }
        // What comes within a moment is carried out together.
        let host = Rc::clone(self);
        self.after(GATHER_MS, move || host.work_on());
    }

    fn work_on(self: &Rc<Self>) {
        let is_busy = self.desk.borrow().as_ref().is_some_and(Desk::is_busy);
        let until = self.wall_ms() + if is_busy { BUSY_MS } else { WORK_MS };
        let more = loop {
            let more = self.desk.borrow_mut().as_mut().is_some_and(|desk| desk.work(STEPS));
            if !more || self.wall_ms() >= until {
                break more;
            }
        };
        self.speak();
        let host = Rc::clone(self);
        if more {
            self.after(REST_MS, move || host.work_on());
        } else {
            self.working.set(false);
        }
        self.frame();
    }

    /// Shows what has changed and paints it, before the next frame of the screen. While the page is hidden there is none: after a moment what
    /// has changed is told all the same, so that who asked is answered, and nothing is painted.
    fn frame(self: &Rc<Self>) {
        if !self.framed.replace(true) {
            let host = Rc::clone(self);
            let draw = Closure::once_into_js(move || {
                host.framed.set(false);
                if let Some(timer) = host.no_frame.take() {
                    host.scope.clear_timeout_with_handle(timer);
                }
                host.show();
                host.paint();
            });
            let _ = self.scope.request_animation_frame(draw.unchecked_ref());
        }
        if self.no_frame.get().is_none() {
            let host = Rc::clone(self);
            let timer = self.after(NO_FRAME_MS, move || {
                host.no_frame.set(None);
                host.show();
            });
            self.no_frame.set(Some(timer));
        }
    }

    fn show(self: &Rc<Self>) {
        let wall_ms = self.wall_ms();
        let looks = self.desk.borrow().as_ref().is_some_and(Desk::wants_look);
        self.with(|desk| desk.frame(wall_ms));
        if looks {
            self.note("look", wall_ms);
        }
    }

    /// Paints the timeline, if it is not as it was painted.
    fn paint(self: &Rc<Self>) {
        let sheet = self.sheet.borrow();
        let mut desk = self.desk.borrow_mut();
        let (Some(sheet), Some(desk)) = (sheet.as_ref(), desk.as_mut()) else {
            return;
        };
        if !desk.wants_paint() {
            return;
        }
        let started = self.wall_ms();
        if let Some(mut surface) = sheet.ready(desk.size()) {
            desk.paint(&mut surface);
        }
        let took_ms = self.wall_ms() - started;
        desk.took("paint", (took_ms * 1_000.0) as u64);
        if desk.wants_paint() {
            let host = Rc::clone(self);
            // Where a picture takes long, the nodes need the processor more.
            self.after(FRAME_MS.max((took_ms * PAINT_REST) as i32), move || host.frame());
        }
    }

    /// The timeline as a file, if one is wanted: drawn at once, on a canvas of its own. The page's is drawn anew only when something
    /// changes on it, and never while the page is hidden.
    fn make_png(self: &Rc<Self>) {
        let Some(name) = self.desk.borrow_mut().as_mut().and_then(Desk::take_wanted_png) else {
            return;
        };
        let host = Rc::clone(self);
        wasm_bindgen_futures::spawn_local(async move {
            match host.png().await {
                Ok(blob) => host.say_with(
                    &FromLockstep::Made {
                        name: format!("{name}.png"),
                        mime: "image/png".to_owned(),
                        bytes: Vec::new(),
                    },
                    Some(&blob),
                ),
                Err(_) => host.say(&FromLockstep::Notice(
                    "The browser made no PNG of the timeline: it may be too large for it. Take the SVG.".to_owned(),
                )),
            }
        });
    }

    async fn png(&self) -> Result<Blob, JsValue> {
        let blob = {
            let desk = self.desk.borrow();
            let desk = desk.as_ref().ok_or(JsValue::NULL)?;
            let (width, height, ratio) = desk.picture_size();
            let canvas = OffscreenCanvas::new((width * ratio) as u32, (height * ratio) as u32)?;
            let sheet = Sheet::new(canvas).ok_or(JsValue::NULL)?;
            let mut surface = sheet.ready((width, height, ratio)).ok_or(JsValue::NULL)?;
            desk.paint_picture(&mut surface);
            sheet.canvas().convert_to_blob()?
        };
        Ok(JsFuture::from(blob).await?.unchecked_into())
    }

    /// Notes how long something took that was started then.
    fn note(&self, what: &'static str, started_ms: f64) {
        let took_us = ((self.wall_ms() - started_ms) * 1_000.0) as u64;
        if let Some(desk) = self.desk.borrow_mut().as_mut() {
            desk.took(what, took_us);
        }
    }

    /// Says to the page what there is to say.
    fn speak(&self) {
        let (said, parts) = match self.desk.borrow_mut().as_mut() {
            Some(desk) => (desk.take_out(), desk.take_parts()),
            None => return,
        };
        for message in said {
            match message {
                FromLockstep::Made { name, mime, bytes } if !name.is_empty() && !mime.is_empty() => {
                    let file = Saving::default();
                    file.put(&bytes);
                    self.save(name, &mime, &file);
                }
                message => self.say(&message),
            }
        }
        for part in parts {
            match part {
                Part::Bytes(bytes) => self.saving.put(&bytes),
                Part::End { name, mime } => self.save(name, mime, &self.saving),
                Part::Nothing => self.saving.let_go(),
            }
        }
    }

    /// Gives the page a file to save.
    fn save(&self, name: String, mime: &str, file: &Saving) {
        match file.end(mime) {
            Ok(blob) => self.say_with(
                &FromLockstep::Made {
                    name,
                    mime: mime.to_owned(),
                    bytes: Vec::new(),
                },
                Some(&blob),
            ),
            Err(_) => self.say(&FromLockstep::Notice(format!(
                "{name} is not saved: the browser has no room for it."
            ))),
        }
    }

    fn say(&self, message: &FromLockstep) {
        self.say_with(message, None);
    }

    /// Says something, with a file that goes along.
    fn say_with(&self, message: &FromLockstep, file: Option<&Blob>) {
        let parcel = Object::new();
        let bytes = Uint8Array::from(codec::encode(message).as_slice());
        let _ = Reflect::set(&parcel, &"bytes".into(), &bytes);
        if let Some(file) = file {
            let _ = Reflect::set(&parcel, &"file".into(), file);
        }
        let _ = self.scope.post_message(&parcel);
    }

    /// Does it once, after so many wall milliseconds. Gives the timer's handle.
    fn after(&self, ms: i32, act: impl FnOnce() + 'static) -> i32 {
        let act = Closure::once_into_js(act);
        self.scope
            .set_timeout_with_callback_and_timeout_and_arguments_0(act.unchecked_ref(), ms)
            .expect("a timer with a function can always be set")
    }

    /// The wall time in milliseconds, by the page's clock as far as it is known.
    fn wall_ms(&self) -> f64 {
        let own_ms = self
            .scope
            .performance()
            .map_or(0.0, |performance| performance.time_origin() + performance.now());
        own_ms - self.ahead_ms.get()
    }
}

fn bytes_of(data: &JsValue) -> Option<Vec<u8>> {
    let bytes = Reflect::get(data, &"bytes".into()).ok()?;
    Some(bytes.dyn_into::<Uint8Array>().ok()?.to_vec())
}
