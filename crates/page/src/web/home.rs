//! Where this tab's cluster lives: two tabs never share one.

use js_sys::{Function, Object, Promise, Reflect};
use raft_core::NodeId;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use worker::storage::file_names;

use super::wall;

/// How many tabs may have a cluster each.
const SLOTS_MAX: u32 = 32;
/// How long the first slot is asked for before the next is taken, in wall milliseconds: after a reload, the lock of the page
/// that was here may take a moment to be given up.
const FIRST_SLOT_PATIENCE_MS: i32 = 600;

/// Where this tab's cluster lives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Home {
    /// The slot whose Web Lock this tab holds, from 0.
    pub(super) slot: u32,
    /// Whether the browser has locks and a file system to go with them.
    pub(super) durable: bool,
}

impl Home {
    /// Takes the first slot that no other tab has.
    pub(super) async fn take() -> Home {
        let navigator = wall::window().navigator();
        if wall::get(&navigator, "locks").is_undefined() {
            return Home {
                slot: 0,
                durable: false,
            };
        }
        let mut waited_ms = 0;
        while waited_ms < FIRST_SLOT_PATIENCE_MS {
            if lock(0).await {
                return Home { slot: 0, durable: true };
            }
            wall::sleep(50).await;
            waited_ms += 50;
        }
        for slot in 1..SLOTS_MAX {
            if lock(slot).await {
                return Home { slot, durable: true };
            }
        }
        Home {
            slot: SLOTS_MAX,
            durable: false,
        }
    }

    /// The cluster's name.
    pub(super) fn cluster(&self, nodes: usize) -> String {
        format!("cluster-{}-n{nodes}", self.slot)
    }

    /// The directory of its files, if they may be kept.
    pub(super) fn directory(&self, nodes: usize) -> Option<String> {
        self.durable.then(|| format!("ftqueue/{}", self.cluster(nodes)))
    }
}

/// Takes a slot's lock, if nobody has it, for as long as this page lives.
async fn lock(slot: u32) -> bool {
    // Not in web-sys yet, but in every browser.
    let locks = wall::get(&wall::window().navigator(), "locks");
    let options = Object::new();
    let _ = Reflect::set(&options, &"ifAvailable".into(), &JsValue::TRUE);
    let Ok(request) = wall::get(&locks, "request").dyn_into::<Function>() else {
        return false;
    };
    let granted = Promise::new(&mut |resolve, _| {
        let callback = Closure::once_into_js(move |lock: JsValue| -> JsValue {
            let _ = resolve.call1(&JsValue::NULL, &JsValue::from_bool(!lock.is_null()));
            if lock.is_null() {
                return JsValue::UNDEFINED;
            }
            // A promise that never settles holds the lock until the page is gone.
            Promise::new(&mut |_, _| {}).into()
        });
        let _ = request.call3(&locks, &format!("ftqueue-cluster-{slot}").into(), &options, &callback);
    });
    JsFuture::from(granted).await.is_ok_and(|granted| granted.is_truthy())
}

/// Removes a node's files. Waits for a terminated Worker to give it up, as long as that may take.
pub(super) async fn wipe(directory: &str, node: u8) -> Result<(), String> {
    const TRIES_MAX: u32 = 60;
    let mut names = file_names(NodeId(node)).into_iter().peekable();
    let mut last = String::new();
    for _ in 0..TRIES_MAX {
        while let Some(name) = names.peek() {
            match remove(directory, name).await {
                Err(error) if wall::get(&error, "name").as_string().as_deref() != Some("NotFoundError") => {
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

async fn remove(directory: &str, name: &str) -> Result<(), JsValue> {
    let storage = wall::window().navigator().storage();
    let mut place: web_sys::FileSystemDirectoryHandle = JsFuture::from(storage.get_directory()).await?.unchecked_into();
    for part in directory.split('/') {
        place = JsFuture::from(place.get_directory_handle(part)).await?.unchecked_into();
    }
    JsFuture::from(place.remove_entry(name)).await.map(|_| ())
}
