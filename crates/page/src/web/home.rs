//! Where this tab's cluster lives: two tabs never share one.
//!
//! Where the browser keeps nothing for the page, the whole cluster is in memory from its beginning. That is decided here or when the first
//! node is given no files ([`super::room`]), and never for one node alone: a member that forgets among others that do not could break what
//! they promised together.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use cluster::Epoch;
use cluster::standing::{STANDING_FILE, Standing, directory_of};
use js_sys::{Function, Object, Promise, Reflect};
use raft_core::{MEMBERS_MAX, NodeId};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{FileSystemDirectoryHandle, MessageEvent};
use worker::storage::file_names;

use super::wall;

/// How many tabs may have a cluster each.
const SLOTS_MAX: u32 = 32;
/// After how long it is said what is waited for, in wall milliseconds: the page that was here before a reload gives its lock up in a moment,
/// which load makes long.
const QUIET_MS: i32 = 600;
/// How long a lock is waited for whose holder does not answer. A page that lives answers at once, and nothing is waited for.
const PATIENCE_MS: i32 = 30_000;
/// How often the lock is asked for meanwhile, and its holder whether it lives.
const AGAIN_MS: i32 = 100;

/// Where pages ask each other, by the names of clusters.
const CHANNEL: &str = "ftqueue-home";
/// Under which name a tab keeps, for its next page, which slot it has.
const SLOT_KEY: &str = "ftqueue-slot";

#[wasm_bindgen]
extern "C" {
    /// What all pages of the site hear.
    #[derive(Clone)]
    type BroadcastChannel;
    #[wasm_bindgen(constructor, catch)]
    fn new(name: &str) -> Result<BroadcastChannel, JsValue>;
    #[wasm_bindgen(method, catch, js_name = postMessage)]
    fn post(this: &BroadcastChannel, message: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(method, setter, js_name = onmessage)]
    fn set_heard(this: &BroadcastChannel, heard: &JsValue);
    #[wasm_bindgen(method)]
    fn close(this: &BroadcastChannel);
}

/// Where this tab's cluster lives.
#[derive(Clone, Debug)]
pub(super) struct Home {
    /// The slot whose Web Lock this tab holds, from 0.
    pub(super) slot: u32,
    /// The cluster that the address names, if it is one that was begun beside, and how many nodes it has.
    pub(super) beside: Option<(String, usize)>,
    /// Why the cluster is in memory, if it is.
    in_memory: RefCell<Option<String>>,
    /// The epoch of the cluster that stands.
    pub(super) epoch: Cell<Epoch>,
}

impl Home {
    /// Takes the cluster that the address names, or the first slot that no other tab has. Says why, where it does not take what is named.
    pub(super) async fn take() -> (Home, Option<String>) {
        let home = |slot, in_memory| Home {
            slot,
            beside: None,
            in_memory: RefCell::new(in_memory),
            epoch: Cell::new(Epoch(0)),
        };
        if let Err(why) = gives_files().await {
            return (home(0, Some(why)), None);
        }
        let mut refused = None;
        if let Some(beside) = named() {
            match take_beside(&beside.0).await {
                Ok(()) => {
                    let beside = Some(beside);
                    return (
                        Home {
                            beside,
                            ..home(0, None)
                        },
                        None,
                    );
                }
                Err(why) => refused = Some(why),
            }
        }
        // What was this tab's before it was loaded again is its own.
        let before = remembered();
        let own = before.unwrap_or(0);
        match take_when_free(&format!("cluster-{own}"), before.is_some()).await {
            Ok(Taken::Yes) => {
                remember(own);
                return (home(own, None), refused);
            }
            Ok(Taken::Lives) if before.is_some() => {
                refused = Some(format!(
                    "This tab's cluster {} is open in another tab by now, so this is another one.",
                    own + 1
                ));
            }
            Ok(Taken::Silent) => {
                refused = Some(format!(
                    "A page that does not answer still has cluster {}, so this is another one. Once it is closed, a new tab has that cluster again.",
                    own + 1
                ));
            }
            Ok(Taken::Lives | Taken::NotWanted) => {}
            Err(why) => return (home(0, Some(why)), refused),
        }
        for slot in (0..SLOTS_MAX).filter(|slot| *slot != own) {
            let name = format!("cluster-{slot}");
            match lock(&name).await {
                Ok(true) => {
                    answer_for(name);
                    remember(slot);
                    return (home(slot, None), refused);
                }
                Ok(false) => {}
                Err(why) => return (home(0, Some(why)), refused),
            }
        }
        let why = format!("{SLOTS_MAX} tabs have a cluster each, and there are no more places for files");
        (home(SLOTS_MAX, Some(why)), refused)
    }

    /// The cluster is in memory from here on. No node of it has promised anything yet.
    pub(super) fn move_to_memory(&self, why: String) {
        self.in_memory.replace(Some(why));
    }

    /// Why the cluster is in memory, if it is.
    pub(super) fn in_memory(&self) -> Option<String> {
        self.in_memory.borrow().clone()
    }

    /// Under which name its settings are kept.
    pub(super) fn settings_key(&self) -> String {
        match &self.beside {
            Some((name, _)) => format!("ftqueue-settings-{name}"),
            None => Home::own_settings_key(self.slot),
        }
    }

    /// Under which name the settings of a slot's own cluster are kept.
    pub(super) fn own_settings_key(slot: u32) -> String {
        format!("ftqueue-settings-{slot}")
    }

    /// The cluster's name.
    pub(super) fn cluster(&self, nodes: usize) -> String {
        match &self.beside {
            Some((name, _)) => name.clone(),
            None => format!("cluster-{}-n{nodes}", self.slot),
        }
    }

    /// The directory of the cluster's files, if they may be kept: its record, and the logs of each epoch.
    pub(super) fn root(&self, nodes: usize) -> Option<String> {
        let is_kept = self.in_memory.borrow().is_none();
        is_kept.then(|| format!("ftqueue/{}", self.cluster(nodes)))
    }

    /// The directory of the logs of the epoch that stands, if they may be kept.
    pub(super) fn directory(&self, nodes: usize) -> Option<String> {
        Some(directory_of(&self.root(nodes)?, self.epoch.get()))
    }

    /// Finds out which epoch of the cluster stands.
    ///
    /// # Errors
    /// The record is damaged, so that this cannot be known.
    pub(super) async fn find_epoch(&self, nodes: usize) -> Result<(), String> {
        if let Some(root) = self.root(nodes) {
            let standing = standing(&root).await?.unwrap_or_default();
            self.epoch.set(standing.present);
        }
        Ok(())
    }
}

/// The cluster beside that the address names, and how many nodes it has.
fn named() -> Option<(String, usize)> {
    let search = wall::window().location().search().ok()?;
    let name = web_sys::UrlSearchParams::new_with_str(&search).ok()?.get("cluster")?;
    let (number, nodes) = name.strip_prefix("beside-")?.split_once("-n")?;
    let is_number = |text: &str| !text.is_empty() && text.len() < 9 && text.bytes().all(|byte| byte.is_ascii_digit());
    let nodes = (is_number(number) && is_number(nodes)).then(|| nodes.parse().ok())??;
    (1..=MEMBERS_MAX).contains(&nodes).then_some((name, nodes))
}

async fn take_beside(name: &str) -> Result<(), String> {
    match standing(&format!("ftqueue/{name}")).await? {
        None => Err(format!(
            "There is no cluster {name} here any more, so the page shows its own."
        )),
        Some(_) if take_when_free(name, true).await? == Taken::Yes => Ok(()),
        Some(_) => Err(format!(
            "The cluster {name} is open in another tab, so the page shows its own."
        )),
    }
}

/// What stands of a cluster, if its record was ever written.
async fn standing(root: &str) -> Result<Option<Standing>, String> {
    let read = async {
        let file = JsFuture::from(directory(root).await?.get_file_handle(STANDING_FILE)).await?;
        let file: web_sys::FileSystemFileHandle = file.unchecked_into();
        let file: web_sys::File = JsFuture::from(file.get_file()).await?.unchecked_into();
        JsFuture::from(file.array_buffer()).await
    };
    match read.await {
        Ok(bytes) => Standing::read(&js_sys::Uint8Array::new(&bytes).to_vec()).map_err(|damage| damage.to_string()),
        // It is not there, or there are no files at all: then the nodes have none, either.
        Err(_) => Ok(None),
    }
}

/// The slot that this tab had before the page was loaded.
fn remembered() -> Option<u32> {
    let storage = wall::window().session_storage().ok()??;
    let slot = storage.get_item(SLOT_KEY).ok()??.parse().ok()?;
    (slot < SLOTS_MAX).then_some(slot)
}

fn remember(slot: u32) {
    // Without such a storage the next page of this tab begins at the first slot.
    if let Ok(Some(storage)) = wall::window().session_storage() {
        let _ = storage.set_item(SLOT_KEY, &slot.to_string());
    }
}

/// What became of a lock that was wanted.
#[derive(Clone, Copy, PartialEq)]
enum Taken {
    /// This page has it.
    Yes,
    /// Another page has it and lives.
    Lives,
    /// The person did not want to wait.
    NotWanted,
    /// Who has it neither answers nor gives it up.
    Silent,
}

/// Takes a cluster's lock as soon as it is free. The page that was here before may not have given it up yet, but it answers nothing any more.
/// Nor does one that is frozen, and that may be for hours: it lives, for who was not here before.
async fn take_when_free(name: &str, was_here: bool) -> Result<Taken, String> {
    if lock(name).await? {
        answer_for(name.to_owned());
        return Ok(Taken::Yes);
    }
    if !was_here && is_frozen(name) {
        return Ok(Taken::Lives);
    }
    let enough = Rc::new(Cell::new(None));
    let channel = BroadcastChannel::new(CHANNEL).ok();
    let (lives, answered) = (format!("{name} lives"), enough.clone());
    let heard = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        if event.data().as_string().as_deref() == Some(&lives) {
            answered.set(Some(Taken::Lives));
        }
    });
    if let Some(channel) = &channel {
        channel.set_heard(heard.as_ref());
    }
    let mut waited_ms = 0;
    let taken = loop {
        if let Some(channel) = &channel {
            let _ = channel.post(name);
        }
        wall::sleep(AGAIN_MS).await;
        waited_ms += AGAIN_MS;
        if lock(name).await? {
            answer_for(name.to_owned());
            break Taken::Yes;
        }
        if let Some(enough) = enough.get() {
            break enough;
        }
        if waited_ms >= PATIENCE_MS {
            break Taken::Silent;
        }
        if waited_ms == QUIET_MS {
            offer_another(enough.clone());
        }
    };
    if let Some(channel) = &channel {
        channel.close();
    }
    Ok(taken)
}

/// Says what is waited for, where the page will be, and offers not to.
fn offer_another(enough: Rc<Cell<Option<Taken>>>) {
    let document = wall::document();
    let (Some(message), Ok(button)) = (
        document.get_element_by_id("start-message"),
        document.create_element("button"),
    ) else {
        return;
    };
    message.set_text_content(Some(
        "This tab's cluster is still held by the page that was here before, or by one that does not answer. It opens as soon as it is free.",
    ));
    button.set_text_content(Some("Begin another cluster"));
    let clicked = Closure::once_into_js(move || enough.set(Some(Taken::NotWanted)));
    let _ = button.add_event_listener_with_callback("click", clicked.unchecked_ref());
    // In place of the advice for a page that does not come: this one has come.
    if let Some(late) = message.next_element_sibling() {
        let _ = late.replace_with_with_node_1(&button);
    }
}

/// Tells pages that ask for this cluster that it is in use, as long as this page is not being left; and leaves a note while it is frozen, for
/// then it answers nothing.
fn answer_for(name: String) {
    note_frozen(&name, false);
    let Ok(channel) = BroadcastChannel::new(CHANNEL) else {
        return;
    };
    let left = Rc::new(Cell::new(false));
    for (event, leaves) in [("pagehide", true), ("pageshow", false)] {
        let left = left.clone();
        wall::on(&wall::window(), event, move || left.set(leaves));
    }
    for (event, frozen) in [("freeze", true), ("resume", false)] {
        let name = name.clone();
        wall::on(&wall::document(), event, move || note_frozen(&name, frozen));
    }
    let answering = channel.clone();
    let asked = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        if !left.get() && event.data().as_string().as_deref() == Some(&name) {
            let _ = answering.post(&format!("{name} lives"));
        }
    });
    channel.set_heard(asked.as_ref());
    asked.forget();
}

/// Where a page says that it is frozen with this cluster.
fn frozen_key(name: &str) -> String {
    format!("ftqueue-frozen-{name}")
}

fn note_frozen(name: &str, frozen: bool) {
    if let Ok(Some(storage)) = wall::window().local_storage() {
        let key = frozen_key(name);
        let _ = if frozen {
            storage.set_item(&key, "1")
        } else {
            storage.remove_item(&key)
        };
    }
}

/// Whether the page that has this cluster said that it is frozen. One that was ended since has no lock any more.
fn is_frozen(name: &str) -> bool {
    let storage = wall::window().local_storage();
    storage
        .is_ok_and(|storage| storage.is_some_and(|storage| matches!(storage.get_item(&frozen_key(name)), Ok(Some(_)))))
}

/// Takes a cluster's lock, if nobody has it, for as long as this page lives. Gives why it may have none at all.
async fn lock(name: &str) -> Result<bool, String> {
    // Not in web-sys yet, but in every browser.
    let locks = wall::get(&wall::window().navigator(), "locks");
    let options = Object::new();
    let _ = Reflect::set(&options, &"ifAvailable".into(), &JsValue::TRUE);
    let Ok(request) = wall::get(&locks, "request").dyn_into::<Function>() else {
        return Err("this browser has no locks, by which two tabs could be kept from sharing files".to_owned());
    };
    let granted = Promise::new(&mut |resolve, reject| {
        let callback = Closure::once_into_js(move |lock: JsValue| -> JsValue {
            let _ = resolve.call1(&JsValue::NULL, &JsValue::from_bool(!lock.is_null()));
            if lock.is_null() {
                return JsValue::UNDEFINED;
            }
            // A promise that never settles holds the lock until the page is gone.
            Promise::new(&mut |_, _| {}).into()
        });
        // Who blocks a site's data is refused locks, too: at once or later.
        match request.call3(&locks, &format!("ftqueue-{name}").into(), &options, &callback) {
            Ok(asked) => wall::otherwise(&asked, &reject),
            Err(error) => drop(reject.call1(&JsValue::NULL, &error)),
        }
    });
    let granted = JsFuture::from(granted).await;
    granted
        .map(|granted| granted.is_truthy())
        .map_err(|error| refused("locks", &error))
}

/// Whether the browser gives this page files at all; why, if not.
async fn gives_files() -> Result<(), String> {
    if !wall::window().is_secure_context() {
        return Err(
            "the page came over plain http, and browsers keep files only for https and for localhost".to_owned(),
        );
    }
    match root().await {
        Ok(_) => Ok(()),
        Err(error) if error.is_undefined() => Err("this browser has no private file system here".to_owned()),
        Err(error) => Err(refused("private files", &error)),
    }
}

fn refused(what: &str, error: &JsValue) -> String {
    format!("the browser refuses this page {what}: {}", wall::words(error))
}

/// What the browser keeps for the page; undefined, if it does not know of such a thing.
async fn root() -> Result<FileSystemDirectoryHandle, JsValue> {
    let storage = wall::get(&wall::window().navigator(), "storage");
    let get_directory = wall::get(&storage, "getDirectory")
        .dyn_into::<Function>()
        .map_err(|_| JsValue::UNDEFINED)?;
    let opened = get_directory.call0(&storage)?;
    Ok(JsFuture::from(Promise::resolve(&opened)).await?.unchecked_into())
}

/// How long a node's log files are; none, if neither is there. What cannot be seen counts as there, and empty.
pub(super) async fn log_bytes(place: &str, node: NodeId) -> Option<f64> {
    let [first, second] = file_names(node);
    let mut bytes = None;
    for name in [first, second] {
        let read = async {
            let file = JsFuture::from(directory(place).await?.get_file_handle(&name)).await?;
            let file: web_sys::FileSystemFileHandle = file.unchecked_into();
            let file: web_sys::File = JsFuture::from(file.get_file()).await?.unchecked_into();
            Ok::<f64, JsValue>(file.size())
        };
        match read.await {
            Ok(length) => bytes = Some(bytes.unwrap_or(0.0) + length),
            Err(error) if is_missing(&error) => {}
            Err(_) => bytes = bytes.or(Some(0.0)),
        }
    }
    bytes
}

fn is_missing(error: &JsValue) -> bool {
    wall::get(error, "name").as_string().as_deref() == Some("NotFoundError")
}

/// Removes a node's files. Waits for a terminated Worker to give it up, as long as that may take.
pub(super) async fn wipe(directory: &str, node: u8) -> Result<(), String> {
    const TRIES_MAX: u32 = 60;
    let mut names = file_names(NodeId(node)).into_iter().peekable();
    let mut last = String::new();
    for _ in 0..TRIES_MAX {
        while let Some(name) = names.peek() {
            match remove(directory, name).await {
                Err(error) if !is_missing(&error) => {
                    last = wall::words(&error);
                    break;
                }
                _ => drop(names.next()),
            }
        }
        if names.peek().is_none() {
            return Ok(());
        }
        wall::sleep(50).await;
    }
    Err(format!("the files of node {node} could not be removed: {last}"))
}

async fn remove(path: &str, name: &str) -> Result<(), JsValue> {
    JsFuture::from(directory(path).await?.remove_entry(name))
        .await
        .map(|_| ())
}

/// A directory that is there.
async fn directory(path: &str) -> Result<FileSystemDirectoryHandle, JsValue> {
    let mut place = root().await?;
    for part in path.split('/') {
        place = JsFuture::from(place.get_directory_handle(part)).await?.unchecked_into();
    }
    Ok(place)
}
