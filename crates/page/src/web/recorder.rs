//! The lockstep host: the Worker that records every node, judges what they do, shows any instant again, and goes on from it in
//! branches. It is fetched when the cluster runs; what is said to it before that waits.

use cluster::codec;
use js_sys::{Array, Object, Reflect, Uint8Array};
use leptos::prelude::Set;
use raft_core::{Instant, NodeId};
use trace::lockstep::{FromLockstep, ToLockstep};
use trace::{Act, Asked};
use wasm_bindgen::prelude::*;
use web_sys::{ErrorEvent, MessageEvent, MessagePort, Worker, WorkerOptions, WorkerType};

use super::app::{App, Selection, app};
use super::past::Past;
use super::{before, builds, timeline, timepanel, wall};

/// How long what clients do is collected before it is told, in wall milliseconds.
const COLLECTED_MS: i32 = 20;
/// How long the page waits for a first leader before it fetches the host all the same, in wall milliseconds.
const PATIENCE_MS: i32 = 3_000;
/// How long those who ask wait for the host to start, in wall milliseconds.
const START_MS_MAX: i32 = 30_000;
/// What is said when it has failed.
const STOPPED: &str = "The recorder has stopped. The cluster runs on; reload the page to record it again.";

/// The way to the host.
#[derive(Default)]
pub(super) struct Recorder {
    worker: Option<Worker>,
    /// Its code runs.
    ready: bool,
    /// Why nothing is recorded, or is recorded no more.
    failed: Option<&'static str>,
    waiting: Vec<(Object, Array)>,
    asked: Vec<(Instant, u16, Asked)>,
}

impl Recorder {
    /// Tells it something.
    fn tell(&mut self, message: &ToLockstep, transferred: Option<(&str, &JsValue)>) {
        if self.failed.is_some() {
            return;
        }
        let parcel = Object::new();
        let bytes = Uint8Array::from(codec::encode(message).as_slice());
        let _ = Reflect::set(&parcel, &"bytes".into(), &bytes);
        let list = Array::new();
        if let Some((name, value)) = transferred {
            let _ = Reflect::set(&parcel, &name.into(), value);
            list.push(value);
        }
        match self.worker.as_ref().filter(|_| self.ready) {
            Some(worker) => {
                let _ = worker.post_message_with_transfer(&parcel, &list);
            }
            None => self.waiting.push((parcel, list)),
        }
    }
}

impl App {
    /// Nothing is recorded: asked for in the address, by who wants to know what recording costs.
    pub(super) fn refuse_recorder(&self) {
        self.recorder.borrow_mut().failed =
            Some("nothing is recorded: the address says record=no; take that out of it and reload");
        if link().is_some() {
            self.notify(
                "The run in this address is not opened: with record=no there is no recorder. Take that out of the address to see it.".to_owned(),
            );
        }
    }

    /// Whether what nodes do is recorded.
    pub(super) fn records(&self) -> bool {
        self.recorder.borrow().failed.is_none()
    }

    /// Asks the host for what a person or a script waits for, and has it fetched if it is not there yet.
    ///
    /// # Errors
    /// Nobody would answer; says why.
    pub(super) fn ask_recorder(&self, message: &ToLockstep) -> Result<(), String> {
        self.may_ask_recorder()?;
        self.tell_recorder(message);
        Ok(())
    }

    /// Has the host fetched if it is not there yet.
    ///
    /// # Errors
    /// There is none; says why.
    pub(super) fn may_ask_recorder(&self) -> Result<(), String> {
        self.start_recorder();
        let recorder = self.recorder.borrow();
        recorder.failed.map_or(Ok(()), |why| Err(why.to_owned()))
    }

    /// Has the host fetched soon: when there is a leader, or when there has been none for a while.
    pub(super) fn start_recorder_soon(&self) {
        wall::after(PATIENCE_MS, || app().start_recorder());
    }

    /// Has it fetched now.
    pub(super) fn start_recorder(&self) {
        let mut recorder = self.recorder.borrow_mut();
        if recorder.worker.is_some() || recorder.failed.is_some() {
            return;
        }
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        options.set_name("lockstep");
        let Ok(worker) = Worker::new_with_options("lockstep-worker.js", &options) else {
            recorder.failed = Some("the browser started no Worker for the recorder, so nothing is recorded");
            return;
        };
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(|event: MessageEvent| {
            app().hear_recorder(&event.data());
            wall::catch_up();
        });
        let on_error = Closure::<dyn FnMut(ErrorEvent)>::new(|event: ErrorEvent| {
            event.prevent_default();
            app().recorder_stopped();
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        // It lasts as long as the page.
        on_message.forget();
        on_error.forget();
        recorder.worker = Some(worker);
        wall::after(START_MS_MAX, || {
            if !app().recorder.borrow().ready {
                timepanel::refuse_all("the recorder has not started yet; ask again in a moment");
            }
        });
    }

    /// Tells the host something. What a person asks is answered with all that their clients were answered before.
    pub(super) fn tell_recorder(&self, message: &ToLockstep) {
        if matches!(message, ToLockstep::Do(_)) {
            self.tell_asked_now();
        }
        self.recorder.borrow_mut().tell(message, None);
    }

    /// Gives the host the other end of what a node posts to.
    pub(super) fn attach_recorder(&self, node: NodeId, boot: u32, port: &MessagePort) {
        let message = ToLockstep::Attach { node, boot };
        self.recorder.borrow_mut().tell(&message, Some(("port", port)));
    }

    /// Tells the host, soon, what a client did.
    pub(super) fn tell_asked(&self, asked: impl IntoIterator<Item = (Instant, u16, Asked)>) {
        let mut recorder = self.recorder.borrow_mut();
        let was_empty = recorder.asked.is_empty();
        recorder.asked.extend(asked);
        if was_empty && !recorder.asked.is_empty() {
            wall::after(COLLECTED_MS, || app().tell_asked_now());
        }
    }

    /// Tells the host now what clients did and it was not told yet.
    pub(super) fn tell_asked_now(&self) {
        let mut recorder = self.recorder.borrow_mut();
        let asked = std::mem::take(&mut recorder.asked);
        if !asked.is_empty() {
            recorder.tell(&ToLockstep::Asked(asked), None);
        }
    }

    /// Does something at the instant that is shown, if that is not the present. Says whether it is not.
    pub(super) fn acts_in_past(&self, act: impl FnOnce() -> Act) -> bool {
        let is_past = self.past.borrow().is_some();
        if is_past {
            self.tell_recorder(&ToLockstep::Act(act()));
        }
        is_past
    }

    fn hear_recorder(&self, data: &JsValue) {
        let bytes = wall::get(data, "bytes").dyn_into::<Uint8Array>();
        let Ok(message) = bytes
            .map_err(|_| ())
            .and_then(|bytes| codec::decode(&bytes.to_vec()).map_err(|_| ()))
        else {
            return self.recorder_stopped();
        };
        match message {
            FromLockstep::Ready { build, wall_ms } => self.recorder_is_ready(&build, wall_ms),
            FromLockstep::Shown(shown) => {
                let past = shown.map(|shown| Past::new(*shown, &self.model.borrow()));
                self.show(past);
            }
            FromLockstep::Panel(html) => timepanel::show(&html),
            FromLockstep::Holds { runs } => before::holds_runs(runs),
            FromLockstep::Made { name, mime, bytes } => self.take_product(&name, &mime, &bytes, data),
            FromLockstep::More { name, bytes } => timepanel::answered_in_part(&name, &String::from_utf8_lossy(&bytes)),
            FromLockstep::Notice(text) => self.notify(text),
            FromLockstep::Tell(node, message) => self.fleet.borrow().send(node, message),
            FromLockstep::Stop { to } => self.stop_to_go_back(to),
            FromLockstep::Resume { at, epoch, nodes } => self.resume(at, epoch, nodes),
            FromLockstep::Stays { why } => self.stay(why),
            FromLockstep::Open { cluster, down } => self.open_cluster(&cluster, &down),
            FromLockstep::Spoken { first, last, at, text } => timeline::speak(first, last, at, &text),
            FromLockstep::Tip(tip) => timeline::show_tip(tip),
            FromLockstep::Chosen(chosen) => self.selected.set(match chosen {
                Some((title, lines)) => Selection::Event { title, lines },
                None => Selection::Leader,
            }),
            FromLockstep::ChosenNode(node) => self.selected.set(Selection::Node(node)),
            FromLockstep::Layout { height, tools } => timeline::lay_out(height, &tools),
        }
    }

    fn recorder_is_ready(&self, build: &str, of_worker_ms: f64) {
        if build != worker::BUILD {
            return self.lose_recorder(
                "The recorder is of another build, so nothing is recorded. Reload the page without its cache.",
            );
        }
        let clock = self.clock.borrow_mut().setting(wall::wall_ms());
        let begin = ToLockstep::Begin {
            members: self.members(),
            clock,
            ahead_ms_least: of_worker_ms - clock.wall_ms,
            home: self.home.root(self.members().len()),
            link: link(),
        };
        let canvas = timeline::offscreen();
        let mut recorder = self.recorder.borrow_mut();
        recorder.ready = true;
        recorder.tell(&begin, canvas.as_ref().map(|canvas| ("canvas", canvas.as_ref())));
        let waiting = std::mem::take(&mut recorder.waiting);
        if let Some(worker) = &recorder.worker {
            for (parcel, list) in waiting {
                let _ = worker.post_message_with_transfer(&parcel, &list);
            }
        }
    }

    fn recorder_stopped(&self) {
        // If it was a link that ended it, a reload is not to meet it again.
        let _ = wall::window().location().set_hash("");
        self.lose_recorder(STOPPED);
    }

    /// Nothing is recorded any more, and nobody is answered.
    fn lose_recorder(&self, why: &'static str) {
        let mut recorder = self.recorder.borrow_mut();
        if let Some(worker) = recorder.worker.take() {
            worker.terminate();
        }
        *recorder = Recorder {
            failed: Some(why),
            ..Recorder::default()
        };
        drop(recorder);
        self.show(None);
        timepanel::refuse_all(why);
        self.stay_or_go();
        builds::look();
        self.notify(why.to_owned());
    }

    /// A file to save; or a link, which goes to the address and the clipboard.
    fn take_product(&self, name: &str, mime: &str, bytes: &[u8], data: &JsValue) {
        if mime.is_empty() {
            return timepanel::answered(name, &String::from_utf8_lossy(bytes));
        }
        if !name.is_empty() {
            let saved = wall::download(name, &wall::get(data, "file"));
            return self.report(saved.map_err(|error| format!("the file was not saved: {}", wall::words(&error))));
        }
        let letters = String::from_utf8_lossy(bytes);
        let location = wall::window().location();
        let _ = location.set_hash(&format!("{LINK}{letters}"));
        let href = location.href().unwrap_or_default();
        let _ = wall::window().navigator().clipboard().write_text(&href);
        self.notify("The link is in the address line and on the clipboard.".to_owned());
    }
}

/// What stands before a run in an address.
const LINK: &str = "run=";

/// The run that the page's address holds, if it holds one. What chats did to it, the recorder mends.
fn link() -> Option<String> {
    let hash = wall::window().location().hash().ok()?;
    let link = hash.strip_prefix('#')?.trim_start_matches("%20");
    Some(link.strip_prefix(LINK).or(link.strip_prefix("run%3D"))?.to_owned())
}
