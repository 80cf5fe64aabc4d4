//! What the browser keeps for the cluster: whether it does, whether there is room, and whether it is still there. Said in notices that go
//! away by themselves when they are no longer true.

use std::cell::{Cell, RefCell};

use cluster::host::{Remedy, Storage};
use js_sys::{Function, Promise};
use leptos::prelude::*;
use raft_core::NodeId;
use trace::lockstep::ToLockstep;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::app::{App, app};
use super::view::{act, flag, text};
use super::{announce, dialogs, home, timepanel, wall};
use crate::model::Node;

/// How often it is looked whether the files are still there, and how much room there is, in wall milliseconds.
const LOOK_EVERY_MS: i32 = 2_000;

/// What is known of it.
#[derive(Default)]
pub(super) struct Room {
    /// What is said of nodes that have no room, and of such whose files are gone; nothing, where all is well.
    full: RwSignal<String>,
    cleared: RwSignal<String>,
    /// What can be deleted, as a button says it.
    delete: RwSignal<String>,
    /// What a person is asked before it is, and the clusters that this is about: what is found meanwhile was not asked.
    pub(super) question: RwSignal<String>,
    pub(super) doomed: RwSignal<String>,
    /// What a person can have the browser asked, as a button says it.
    ask: RwSignal<String>,
    /// Whether somebody looks how much room there is.
    watched: Cell<bool>,
    /// The names of the clusters that no tab has open, as the recorder said last; and whether it is being asked.
    unused: RefCell<String>,
    asking: Cell<bool>,
    /// Whether the browser has been asked to keep the site's data.
    asked: Cell<bool>,
}

impl Room {
    /// What is to be said.
    fn text(&self) -> String {
        self.full.with(|full| {
            self.cleared
                .with(|cleared| format!("{full} {cleared}").trim().to_owned())
        })
    }
}

/// The notice: one for all nodes.
#[component]
pub(super) fn StorageNotice() -> impl IntoView {
    view! {
        <div class="notice bad storage-notice" hidden=flag(|app| app.room.text().is_empty())>
            <span>{text(|app| app.room.text())}</span>
            <button hidden=flag(|app| app.room.full.get().is_empty() || app.room.delete.get().is_empty()) on:click=act(ask_to_delete)>
                {text(|app| app.room.delete.get())}
            </button>
            <button hidden=flag(|app| app.room.ask.get().is_empty()) on:click=act(ask_a_person)>{text(|app| app.room.ask.get())}</button>
        </div>
    }
}

/// Sets what is said. What is said already is not said again: a screen reader would repeat it.
fn say(place: RwSignal<String>, text: String) {
    if place.with_untracked(|said| *said != text) {
        place.set(text);
    }
}

impl App {
    /// A node was given no files. If no node of the cluster has any, all go on in memory; else this one must not begin without its log.
    pub(super) fn no_files(&self, id: NodeId, boot: u32, why: String) {
        let directory = self.home.directory(self.members().len());
        wall::spawn(async move {
            let app = app();
            let keeps = |node: &Node| node.storage == Some(Storage::Opfs);
            let mut is_begun = app.model.borrow().nodes().any(keeps);
            for member in app.members() {
                if let Some(directory) = &directory {
                    is_begun |= home::log_bytes(directory, member).await > Some(0.0);
                }
            }
            if !app.fleet.borrow().is_current(id, boot) {
                return; // Another has been quicker to say so.
            }
            is_begun |= app.model.borrow().nodes().any(keeps);
            if is_begun {
                let why = format!(
                    "{why}. What the cluster has promised is in files here, and without its own it would forget its part"
                );
                return app.node_died(id, boot, why, Remedy::Restart);
            }
            app.home.move_to_memory(why);
            for id in app.members() {
                let boot = app.fleet.borrow().boot_number(id);
                if app.fleet.borrow_mut().terminate(id) {
                    let at = app.now();
                    app.tell_recorder(&ToLockstep::Ended { node: id, boot, at });
                    app.report(app.start(id));
                }
            }
        });
    }

    /// A node has no room on its disk, or has some again.
    pub(super) fn room_changed(&self, id: NodeId, lacking: Option<String>) {
        let has_room = lacking.is_none();
        self.model.borrow_mut().set(id, |node| node.lacks_room = lacking);
        if has_room {
            // The flush that waited took long, but not because the disk is slow.
            self.forget_slow_disks();
        }
        self.touch();
        if !has_room && !self.room.watched.replace(true) {
            announce::say("There is no room for the logs");
            wall::spawn(watch_room());
        }
    }

    /// Somebody pushes: what is kept here is of worth to them. Asks the browser not to let go of it, where it decides that by itself. Firefox
    /// asks a person, who is asked only where there is something to decide ([`look_whom_to_ask`]).
    pub(super) fn ask_to_keep(&self) {
        if self.home.in_memory().is_none() && !self.room.asked.replace(true) && !asks_a_person() {
            wall::spawn(async {
                let _ = storage("persist").await;
            });
        }
    }

    /// Looks now and then, and when the page is seen again, whether the files of the nodes that run are still there.
    pub(super) fn watch_files(&self) {
        if self.home.in_memory().is_some() {
            return;
        }
        wall::on(&wall::document(), "visibilitychange", || wall::spawn(look_for_files()));
        wall::spawn(async {
            loop {
                wall::sleep(LOOK_EVERY_MS).await;
                look_for_files().await;
            }
        });
    }
}

/// Looks until every node has room, and says how things are meanwhile.
async fn watch_room() {
    let app = app();
    loop {
        let lacking: Vec<(NodeId, String)> = {
            let model = app.model.borrow();
            let lacking = model
                .nodes()
                .filter_map(|node| Some((node.id, node.lacks_room.clone()?)));
            lacking.collect()
        };
        let Some((_, why)) = lacking.first() else {
            app.room.watched.set(false);
            return say(app.room.full, String::new());
        };
        let who = names(lacking.iter().map(|(id, _)| *id));
        let estimate = storage("estimate").await.unwrap_or(JsValue::UNDEFINED);
        let size = |name: &str| wall::get(&estimate, name).as_f64().map(megabytes);
        let share = match (size("quota"), size("usage")) {
            (Some(quota), Some(usage)) => format!(" The browser lets this site keep {quota}, and {usage} are in use."),
            _ => String::new(),
        };
        if !app.room.asking.replace(true) {
            // The recorder may take its time, and the page has something to say now.
            wall::spawn(find_unused());
        }
        let unused = app.room.unused.borrow().clone();
        let help = if unused.is_empty() {
            "There is no other cluster here to delete: delete other data of this site in the browser's settings, or free space on the computer's disk, of which the browser gives a site a part.".to_owned()
        } else {
            format!("Clusters that no tab has open take some of it: {unused}.")
        };
        let text = format!(
            "There is no room: {who} cannot write to the log ({why}).{share} Nothing that was acknowledged is lost. What is asked now waits, and goes on by itself when there is room. {help}"
        );
        look_whom_to_ask().await;
        say(app.room.full, text);
        wall::sleep(LOOK_EVERY_MS / 2).await;
    }
}

/// Looks whether the files of the nodes that run are still there.
async fn look_for_files() {
    let app = app();
    let Some(directory) = app.home.directory(app.members().len()) else {
        return;
    };
    let running = || -> Vec<(NodeId, u32)> {
        let model = app.model.borrow();
        let keeps = model
            .nodes()
            .filter(|node| node.is_up() && node.storage == Some(Storage::Opfs));
        keeps.map(|node| (node.id, node.boot)).collect()
    };
    let mut gone = Vec::new();
    for life in running() {
        if home::log_bytes(&directory, life.0).await.is_none() {
            gone.push(life);
        }
    }
    // A node that was wiped or went back meanwhile has its files elsewhere.
    let still = running();
    gone.retain(|life| still.contains(life));
    if app.home.directory(app.members().len()).as_ref() != Some(&directory) {
        return;
    }
    if gone.is_empty() {
        return say(app.room.cleared, String::new());
    }
    let who = names(gone.iter().map(|(id, _)| *id));
    let text = format!(
        "The site's data was cleared while the cluster ran: the log files of {who} are gone. Such a node runs on, but what it acknowledges from now on is on no disk, and a crash or a reload makes it forget all it has promised. Restart them one after the other, each when the one before has caught up: whoever starts anew has files again and gets the log from the others."
    );
    look_whom_to_ask().await;
    say(app.room.cleared, text);
}

/// Looks whether the browser would ask a person whether it is to keep the site's data, and has not been told to.
async fn look_whom_to_ask() {
    let keeps = storage("persisted").await.is_ok_and(|keeps| keeps.is_truthy());
    let ask = if asks_a_person() && !keeps {
        "Ask the browser to keep this site's data"
    } else {
        ""
    };
    say(app().room.ask, ask.to_owned());
}

fn ask_a_person() {
    wall::spawn(async {
        if storage("persist").await.is_ok_and(|keeps| keeps.is_falsy()) {
            app().notify("The browser does not promise to keep this site's data.".to_owned());
        }
        look_whom_to_ask().await;
    });
}

/// Whether `persist()` has the browser ask a person: Firefox does. No query says so of all browsers.
fn asks_a_person() -> bool {
    !wall::get(&wall::window(), "mozInnerScreenX").is_undefined()
}

/// Calls a method of the browser's store. Whether there is one depends on the browser and on what a person blocks.
async fn storage(method: &str) -> Result<JsValue, JsValue> {
    let storage = wall::get(&wall::window().navigator(), "storage");
    let method = wall::get(&storage, method).dyn_into::<Function>()?;
    let called = method.call0(&storage)?;
    JsFuture::from(Promise::resolve(&called)).await
}

/// Finds the clusters that no tab has open: the recorder knows.
async fn find_unused() {
    let app = app();
    let asked = ToLockstep::Do(format!("unused {}", app.home.cluster(app.members().len())));
    let answer = JsFuture::from(timepanel::answer("unused", &asked)).await;
    let list = answer.ok().and_then(|list| list.dyn_into::<js_sys::Array>().ok());
    let (mut names, mut bytes) = (Vec::new(), 0.0);
    for unused in list.iter().flat_map(|list| list.iter()) {
        names.extend(wall::get(&unused, "name").as_string());
        bytes += wall::get(&unused, "bytes").as_f64().unwrap_or(0.0);
    }
    let label = match names.len() {
        0 => String::new(),
        1 => format!("Delete 1 cluster and free {}", megabytes(bytes)),
        count => format!("Delete {count} clusters and free {}", megabytes(bytes)),
    };
    say(app.room.delete, label);
    app.room.unused.replace(names.join(", "));
    app.room.asking.set(false);
}

/// Asks whether the clusters are to be deleted that no tab has open.
fn ask_to_delete() {
    let room = &app().room;
    room.question.set(format!("{}?", room.delete.get_untracked()));
    room.doomed.set(room.unused.borrow().clone());
    dialogs::open_question();
}

/// Deletes those that the person was asked about.
pub(super) fn delete_doomed() {
    let app = app();
    let own = app.home.cluster(app.members().len());
    let doomed = app.room.doomed.get_untracked();
    app.tell_recorder(&ToLockstep::Do(format!("delete-unused {own} {doomed}")));
}

fn names(nodes: impl Iterator<Item = NodeId>) -> String {
    let mut names: Vec<String> = nodes.map(|id| id.to_string()).collect();
    match (names.pop(), names.is_empty()) {
        (Some(last), false) => format!("{} and {last}", names.join(", ")),
        (last, _) => last.unwrap_or_default(),
    }
}

fn megabytes(bytes: f64) -> String {
    if bytes < 5e4 {
        "less than 0.1 MB".to_owned()
    } else if bytes < 1e9 {
        format!("{:.1} MB", bytes / 1e6)
    } else {
        format!("{:.1} GB", bytes / 1e9)
    }
}
