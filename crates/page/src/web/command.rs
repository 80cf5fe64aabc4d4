//! The command line, its buttons, and what came of each operation.

use std::cell::{Cell, RefCell};
use std::iter;
use std::rc::Rc;
use std::sync::Arc;

use cluster::command_line::{self, History};
use ftqueue::{Argument, LABEL_MAX, Label, Operation, OperationHelp, QueueId};
use leptos::html::{Input, Ol};
use leptos::prelude::*;

use super::app::{App, app};
use super::load::Load;
use super::results::ResultLine;
use super::view::{self, act, flag, text};
use super::wall::wall_ms;
use super::{keys, settings};

/// Where the history of commands is kept for the next visit.
const HISTORY_KEY: &str = "ftqueue-history";

/// After this long without an answer a person is offered to give up, in wall milliseconds.
const PATIENCE_MS: f64 = 2_000.0;
/// This near to its end, a list of results follows what comes, in pixels.
const END_REACH_PX: i32 = 24;
/// How many completions are shown at once.
const COMPLETIONS_SHOWN_MAX: usize = 6;

/// Results, command line, buttons.
#[component]
pub(super) fn Commands() -> impl IntoView {
    let input = NodeRef::<Input>::new();
    let line = RwSignal::new(String::new());
    let history = StoredValue::new_local(Rc::new(RefCell::new(restored())));
    let at_end = StoredValue::new(true);
    let focus = move || {
        if let Some(input) = input.get_untracked() {
            let _ = input.focus();
        }
    };
    let run = move || {
        let text = line.get_untracked();
        if text.trim().is_empty() {
            return focus();
        }
        let history = history.get_value();
        history.borrow_mut().enter(text.trim());
        store(&history.borrow());
        line.set(String::new());
        at_end.set_value(true);
        app().enter(&text, |_| {});
        focus();
    };
    let on_key = move |event: web_sys::KeyboardEvent| {
        // Enter and Escape that end a composition are the input method's.
        if keys::composes(&event) {
            return;
        }
        let history = history.get_value();
        match event.key().as_str() {
            "Enter" if event.repeat() => event.prevent_default(),
            "Enter" => run(),
            "ArrowUp" => {
                event.prevent_default();
                let before = history.borrow_mut().up(&line.get_untracked()).map(str::to_owned);
                if let Some(before) = before {
                    line.set(before);
                }
            }
            "ArrowDown" => {
                event.prevent_default();
                let after = history.borrow_mut().down().map(str::to_owned);
                if let Some(after) = after {
                    line.set(after);
                }
            }
            "Tab" if !event.shift_key() => {
                let now = line.get_untracked();
                let found = command_line::completions(&now, &queues(&app()));
                if let Some(longer) = command_line::complete(&now, &found).filter(|longer| *longer != now) {
                    event.prevent_default();
                    line.set(longer);
                }
            }
            "Escape" => line.set(String::new()),
            _ => {}
        }
    };
    // It is written to only where a key or a button has put something else there than what is typed.
    let shown: Box<dyn FnMut() + Send> = Box::new(move || {
        let text = line.get();
        if let Some(input) = input.get().filter(|input| input.value() != text) {
            input.set_value(&text);
        }
    });
    let hint = text(move |_| match line.with(|line| command_line::operation(line)) {
        Some(help) => format!("{} — {}", help.usage, help.help),
        None => "Tab completes, ↑ goes back".to_owned(),
    });
    view! {
        <Results at_end />
        <UnderWay />
        <Load />
        <div class="op-buttons" role="group" aria-label="Operations">
            {Operation::HELP.iter().map(|help| view! {
                <button title=format!("{} — {}", help.usage, help.help) on:click=act(move || { line.set(example(help)); focus(); })>{help.name}</button>
            }).collect_view()}
        </div>
        <div class="cmd">
            <input node_ref=input aria-label="Command" placeholder="push 1 42" autocomplete="off" autocapitalize="off"
                spellcheck="false" aria-describedby="command-hint"
                on:input=view::on(move |event| line.set(event_target_value(&event))) on:keydown=view::on(on_key) />
            {shown}
            <button on:click=act(run)>"Run"</button>
        </div>
        <p class="hint" id="command-hint">{hint}</p>
        <Completions line focus />
    }
}

/// Operations that have waited for an answer for a while, and the way to give them up.
#[component]
fn UnderWay() -> impl IntoView {
    let waiting = |app: &App| app.clients.borrow().waiting_since(wall_ms() - PATIENCE_MS);
    view! {
        <p class="under-way" role="status" hidden=flag(move |app| waiting(app) == 0)>
            {text(move |app| format!("{} under way: no answer yet", waiting(app)))}
            <button on:click=act(|| app().give_up())>"Give up"</button>
        </p>
    }
}

/// What the last word may become, to be clicked.
#[component]
fn Completions(line: RwSignal<String>, focus: impl Fn() + Copy + Send + Sync + 'static) -> impl IntoView {
    view! {
        <div class="completions" aria-hidden="true">
            {move || {
                let typed = line.get();
                let found =
                    if typed.is_empty() { Vec::new() } else { command_line::completions(&typed, &queues(&app())) };
                found.into_iter().filter(|found| found.line != typed).take(COMPLETIONS_SHOWN_MAX).map(|found| view! {
                    <button tabindex="-1" title=found.help on:click=act(move || { line.set(found.line.clone()); focus(); })>
                        {found.word}
                    </button>
                }).collect_view()
            }}
        </div>
    }
}

/// What came of operations; it follows what comes while `at_end`.
#[component]
fn Results(at_end: StoredValue<bool>) -> impl IntoView {
    let list = NodeRef::<Ol>::new();
    let results = app().lines;
    // The newest line is in sight, unless the person reads an older one.
    let shown = Cell::new(0);
    app().on_frame(move || {
        let state = results
            .with_untracked(|results| results.iter().filter(|line| line.outcome.is_some()).count() + 2 * results.len());
        if let Some(list) = list.get_untracked().filter(|_| shown.replace(state) != state) {
            // By then, a person's scrolling of this very moment is known.
            super::wall::next_frame(move || {
                if at_end.get_value() {
                    list.set_scroll_top(list.scroll_height());
                }
            });
        }
    });
    // The list may have grown since it was scrolled to its end; a person who wants to read goes up.
    let was_at = Cell::new(0);
    let scrolled = view::on(move |_: web_sys::Event| {
        if let Some(list) = list.get_untracked() {
            let top = list.scroll_top();
            let near_end = list.scroll_height() - top - list.client_height() < END_REACH_PX;
            let went_up = top < was_at.replace(top);
            at_end.set_value(near_end || (at_end.get_value() && !went_up));
        }
    });
    view! {
        <ol class="results num" role="log" aria-label="Results" tabindex="0" node_ref=list on:scroll=scrolled>
            <li class="empty" hidden=flag(move |_| results.with(|results| !results.is_empty()))>
                "Nothing yet. Type " <code>"create_queue 7"</code> " below, then " <code>"push 1 42"</code> "."
            </li>
            <li class="empty" hidden=flag(|app| app.errors_let_go.get() == 0)>
                {text(|app| format!("{} older errors are not kept", app.errors_let_go.get()))}
            </li>
            <For each=move || results.get() key=|line| (line.number, line.outcome.is_some()) let:line>
                <Line line />
            </For>
        </ol>
    }
}

#[component]
fn Line(line: Arc<ResultLine>) -> impl IntoView {
    let (class, text, meta) = match &line.outcome {
        None => ("res-line waiting", "…".to_owned(), "under way".to_owned()),
        Some(outcome) => {
            let class = if outcome.ok { "res-line ok" } else { "res-line err" };
            let mut meta = String::new();
            if outcome.tries > 0 {
                meta = format!("{:.1} ms", outcome.wall_ms);
            }
            if outcome.tries > 1 {
                let leaders: Vec<String> = outcome.leaders.iter().map(u8::to_string).collect();
                meta = format!("{} tries, Node {} · {meta}", outcome.tries, leaders.join(" → "));
            }
            (class, outcome.text.clone(), meta)
        }
    };
    view! {
        <li class=class><span class="line">{line.line.clone()}</span><span class="text">{text}</span><span class="meta">{meta}</span></li>
    }
}

/// The queues that completion knows of: those of the leader, or of whoever has applied most.
fn queues(app: &App) -> Vec<(Label, QueueId)> {
    let model = app.model.borrow();
    let applied = |node: &&crate::model::Node| node.status.as_ref().map(|status| status.last_applied);
    let knows_most = model.leader().or_else(|| model.nodes().max_by_key(applied));
    knows_most
        .map(|node| {
            node.queues
                .queues
                .iter()
                .map(|queue| (queue.label, queue.qid))
                .collect()
        })
        .unwrap_or_default()
}

/// A line that does something with the queues there are: Enter runs it as it stands.
fn example(help: &OperationHelp) -> String {
    let queues = queues(&app());
    let Some(&(label, qid)) = queues.last() else {
        return help.example.to_owned();
    };
    let words = help.arguments.iter().map(|argument| match argument {
        Argument::Label if help.name == "create_queue" => {
            let unused = (label.0..=LABEL_MAX).find(|&next| queues.iter().all(|(taken, _)| taken.0 != next));
            unused.unwrap_or(label.0).to_string()
        }
        Argument::Label => label.0.to_string(),
        Argument::Qid => qid.0.to_string(),
        Argument::Item => "42".to_owned(),
    });
    iter::once(help.name.to_owned())
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}

fn restored() -> History {
    let stored = settings::storage()
        .and_then(|storage| storage.get_item(HISTORY_KEY).ok().flatten())
        .unwrap_or_default();
    History::restore(stored.lines().map(str::to_owned))
}

fn store(history: &History) {
    if let Some(storage) = settings::storage() {
        let lines: Vec<&str> = history.lines().collect();
        let _ = storage.set_item(HISTORY_KEY, &lines.join("\n"));
    }
}
