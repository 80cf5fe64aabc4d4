//! Dialogs: settings, the list of keys, and the questions before a disk is wiped and before clusters are deleted.

use std::cell::Cell;

use leptos::prelude::*;
use raft_core::{MEMBERS_MAX, NodeId};
use wasm_bindgen::JsCast;
use web_sys::HtmlDialogElement;

use super::app::app;
use super::keys::KEYS;
use super::view::{self, act, flag, text};
use super::{field, room, wall};
use crate::model::settings::{NUMBERS, Settings};

thread_local! {
    /// The node whose disk the person is asked about.
    static WIPING: Cell<Option<RwSignal<NodeId>>> = const { Cell::new(None) };
}

/// Opens the settings.
pub(super) fn open_settings() {
    open("settings-dialog");
}

/// Opens the list of keys.
pub(super) fn open_help() {
    open("help-dialog");
}

fn open(id: &str) {
    if let Some(dialog) = dialog(id)
        && !dialog.open()
    {
        let _ = dialog.show_modal();
    }
}

/// Whether a dialog is open.
pub(super) fn is_open() -> bool {
    wall::document().query_selector("dialog[open]").ok().flatten().is_some()
}

/// Asks whether a node's disk is to be wiped, and does it.
pub(super) fn ask_to_wipe(id: NodeId) {
    if let Some(node) = WIPING.get() {
        node.set(id);
        open("wipe-dialog");
    }
}

/// Asks whether clusters are to be deleted.
pub(super) fn open_question() {
    open("delete-dialog");
}

fn close(id: &str) {
    if let Some(dialog) = dialog(id) {
        dialog.close();
    }
}

fn dialog(id: &str) -> Option<HtmlDialogElement> {
    wall::document().get_element_by_id(id)?.dyn_into().ok()
}

/// All dialogs, closed.
#[component]
pub(super) fn Dialogs() -> impl IntoView {
    view! {
        <SettingsDialog />
        <HelpDialog />
        <WipeDialog />
        <DeleteDialog />
    }
}

#[component]
fn WipeDialog() -> impl IntoView {
    let node = RwSignal::new(NodeId(1));
    WIPING.set(Some(node));
    view! {
        <dialog id="wipe-dialog" aria-labelledby="wipe-title">
            <h2 id="wipe-title">{text(move |_| format!("Wipe the disk of {}?", node.get()))}</h2>
            <p>"The node is crashed and its log is deleted: its term, its vote, and every entry that it has acknowledged."</p>
            <p><strong>"This breaks the promise of stable storage that Raft rests on."</strong>
                " A node that has forgotten its vote may vote twice in one term, and entries that were committed on its word may be "
                "lost. No crash does this; a real cluster would take such a node out and add it as a new member."</p>
            <div class="dialog-buttons">
                <button autofocus on:click=act(|| close("wipe-dialog"))>"Cancel"</button>
                <button class="danger" on:click=act(move || { close("wipe-dialog"); app().wipe(node.get_untracked()); })>"Wipe disk"</button>
            </div>
        </dialog>
    }
}

#[component]
fn DeleteDialog() -> impl IntoView {
    view! {
        <dialog id="delete-dialog" aria-labelledby="delete-title">
            <h2 id="delete-title">{text(|app| app.room.question.get())}</h2>
            <p>{text(|app| format!("Of {} everything is deleted that its nodes hold. This cannot be undone.", app.room.doomed.get()))}</p>
            <div class="dialog-buttons">
                <button autofocus on:click=act(|| close("delete-dialog"))>"Cancel"</button>
                <button class="danger" on:click=act(|| { close("delete-dialog"); room::delete_doomed(); })>"Delete"</button>
            </div>
        </dialog>
    }
}

#[component]
fn HelpDialog() -> impl IntoView {
    view! {
        <dialog id="help-dialog" class="help" aria-labelledby="help-title">
            <h2 id="help-title">"Keys"</h2>
            <div class="key-lists">
                {KEYS.iter().map(|(place, keys)| view! {
                    <section>
                        <h3>{*place}</h3>
                        <dl>{keys.iter().map(|(key, what)| view! { <dt><kbd>{*key}</kbd></dt><dd>{*what}</dd> }).collect_view()}</dl>
                    </section>
                }).collect_view()}
            </div>
            <p class="hint">"Letters, digits and signs act while the cluster or the timeline has the focus: click into it. One switch in the settings turns them all off, " <code>"/"</code> " and " <code>"?"</code> ", too."</p>
            <p class="hint">"Scripts and the browser's console have " <code>"window.ftqueue"</code> ": status(), submit(\"push 1 42\"), crash(3), restart(3), trace()."</p>
            <div class="dialog-buttons"><button autofocus on:click=act(|| close("help-dialog"))>"Close"</button></div>
        </dialog>
    }
}

#[component]
fn SettingsDialog() -> impl IntoView {
    let settings = app().settings;
    let corrected = app().corrected;
    let warning = move || corrected.get().or_else(|| settings.with(Settings::warning));
    view! {
        <dialog id="settings-dialog" class="settings" aria-labelledby="settings-title">
            <h2 id="settings-title">"Settings"</h2>
            <ClusterSettings />
            <h3>"Timers"</h3>
            <Number name="election_min" />
            <Number name="election_max" />
            <Number name="heartbeat" />
            <div class="presets" role="group" aria-label="Presets of timers">
                <button on:click=act(|| preset((150, 300), 50))>"150–300 ms, as in the paper"</button>
                <button on:click=act(|| preset((1_000, 5_000), 250))>"1–5 s, to watch"</button>
            </div>
            <h3>"Logs"</h3>
            <Number name="snapshot" />
            <p class="hint">"From a node's next start on. What a snapshot stands for is dropped from its log (Raft §7)."</p>
            <h3>"Every link that is not cut"</h3>
            <Number name="delay" />
            <Number name="jitter" />
            <Number name="loss" />
            <h3>"Keys"</h3>
            <label class="row"><span>"Single-letter keys"</span>
                <input type="checkbox" aria-label="Single-letter keys" prop:checked=move || settings.with(|settings| settings.single_keys)
                    on:change=view::on(|event| {
                        let on = event_target_checked(&event);
                        app().change_settings(|settings| settings.single_keys = on);
                    }) />
            </label>
            <p class="hint">"Off, no letter, digit or sign does anything, whatever a button's hint says; arrows, Enter, Space and Escape stay."</p>
            <p class="notice settings-warning" role="status" hidden=flag(move |_| warning().is_none())>{text(move |_| warning().unwrap_or_default())}</p>
            <div class="dialog-buttons">
                <button on:click=act(|| app().change_settings(|settings| {
                    let Settings { nodes, start_all, single_keys, .. } = *settings;
                    *settings = Settings { nodes, start_all, single_keys, ..Settings::default() };
                }))>"Defaults"</button>
                <button autofocus on:click=act(|| close("settings-dialog"))>"Close"</button>
            </div>
        </dialog>
    }
}

#[component]
fn ClusterSettings() -> impl IntoView {
    let settings = app().settings;
    let here = app().members().len();
    let chosen = RwSignal::new(here);
    view! {
        <h3>"Cluster"</h3>
        <label class="row"><span>"Nodes"</span>
            <select aria-label="Nodes" on:change=view::on(move |event| {
                chosen.set(event_target_value(&event).parse().unwrap_or(here));
            })>
                {(1..=MEMBERS_MAX).map(|count| view! { <option value=count selected=count == here>{count}</option> }).collect_view()}
            </select>
            <button disabled=flag(move |_| chosen.get() == here) on:click=act(move || app().change_members(chosen.get_untracked()))>"Change"</button>
        </label>
        <p class="hint">"Each number of nodes has a cluster of its own; the one you leave keeps its logs. The page is opened anew."</p>
        <label class="row"><span>"When the page opens"</span>
            <select aria-label="When the page opens" on:change=view::on(|event| {
                let all = event_target_value(&event) == "all";
                app().change_settings(|settings| settings.start_all = all);
            })>
                <option value="all" selected=move || settings.with(|settings| settings.start_all)>"start all nodes"</option>
                <option value="none" selected=move || settings.with(|settings| !settings.start_all)>"start none"</option>
            </select>
        </label>
    }
}

/// A field for the number that the address calls this.
#[component]
fn Number(name: &'static str) -> impl IntoView {
    let settings = app().settings;
    NUMBERS.iter().find(|known| known.name == name).map(|known| {
        field::number(
            known.range,
            Box::new(move || settings.with(known.read)),
            Box::new(|value| app().change_settings(|settings| (known.write)(settings, value))),
        )
    })
}

fn preset(election_ms: (u64, u64), heartbeat_ms: u64) {
    app().change_settings(|settings| {
        settings.election_ms = election_ms;
        settings.heartbeat_ms = heartbeat_ms;
    });
}
