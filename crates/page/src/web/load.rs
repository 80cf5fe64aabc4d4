//! The load generator: so many operations a second on a queue of its own, and how fast they come back.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use cluster::client::Failure;
use ftqueue::{Answer, Label, Operation, QueueError, QueueId, Read, Write};
use leptos::prelude::*;

use super::app::app;
use super::clients::Returned;
use super::field;
use super::view::{self, act, text};
use super::wall::{self, wall_ms};
use crate::model::settings::Range;

/// The label of the queue that the load goes to.
const LABEL: Label = Label(1_000_000);
/// How often operations are submitted, in wall milliseconds.
const TICK_MS: i32 = 20;
/// How often the numbers on the panel are renewed, in wall milliseconds.
const NUMBERS_MS: f64 = 250.0;
/// The span over which rate and latency are taken, in wall milliseconds.
const WINDOW_MS: f64 = 2_000.0;
/// The most operations that are under way at once: what a slow cluster cannot take is not piled up.
const UNDER_WAY_MAX: u32 = 1_024;
/// How many operations a second.
const RATE: Range = Range {
    label: "Operations per second",
    unit: "ops/s",
    least: 1.0,
    most: 5_000.0,
    whole: true,
};
/// How many operations in a batch.
const BATCH: Range = Range {
    label: "Batch",
    unit: "at once",
    most: 500.0,
    ..RATE
};

/// Which operations the load consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mix {
    Pushes,
    PushesAndPops,
    HalfReads,
}

impl Mix {
    const ALL: [(Mix, &'static str); 3] = [
        (Mix::Pushes, "push only"),
        (Mix::PushesAndPops, "push and pop"),
        (Mix::HalfReads, "half reads"),
    ];

    /// The `number`th operation.
    fn operation(self, number: u64, qid: QueueId) -> Operation {
        let item = i64::try_from(number).unwrap_or(i64::MAX);
        let push = Operation::Write(Write::Push { qid, item });
        match (self, number % 4) {
            (Mix::Pushes, _) | (_, 0) => push,
            (Mix::PushesAndPops, 2) => push,
            (Mix::PushesAndPops, _) | (Mix::HalfReads, 2) => Operation::Write(Write::Pop { qid }),
            (Mix::HalfReads, 1) => Operation::Read(Read::Top { qid }),
            (Mix::HalfReads, _) => Operation::Read(Read::Qsize { qid }),
        }
    }
}

/// What the panel says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Numbers {
    rate: f64,
    p50_ms: f64,
    p95_ms: f64,
    failed: u64,
}

/// A run of the generator.
#[derive(Default)]
struct Run {
    /// Tells this run from the one before: answers to operations of an earlier run are not counted.
    number: u64,
    running: bool,
    qid: Option<QueueId>,
    submitted: u64,
    under_way: u32,
    /// Operations that are due but not submitted, with the fraction of the next.
    due: f64,
    ticked_wall_ms: f64,
    shown_wall_ms: f64,
    /// When operations returned, and how long they had taken.
    returned: VecDeque<(f64, f64)>,
    failed: u64,
}

thread_local! {
    static RUN: RefCell<Run> = RefCell::default();
    /// What the panel's owner set, once the load was started.
    static PANEL: Cell<Option<Panel>> = const { Cell::new(None) };
}

/// What a person has set and what they are shown.
#[derive(Clone, Copy)]
struct Panel {
    running: RwSignal<bool>,
    rate: RwSignal<u32>,
    batch: RwSignal<u32>,
    mix: RwSignal<Mix>,
    numbers: RwSignal<Numbers>,
}

/// The panel of the generator.
#[component]
pub(super) fn Load() -> impl IntoView {
    let panel = Panel {
        running: RwSignal::new(false),
        rate: RwSignal::new(100),
        batch: RwSignal::new(1),
        mix: RwSignal::new(Mix::PushesAndPops),
        numbers: RwSignal::new(Numbers::default()),
    };
    let Panel {
        running,
        rate,
        batch,
        mix,
        numbers,
    } = panel;
    let number = move |range: Range, value: RwSignal<u32>| {
        field::number(
            range,
            Box::new(move || f64::from(value.get())),
            Box::new(move |typed| value.set(typed as u32)),
        )
    };
    view! {
        <details class="load">
            <summary>"Load" <span class="num">{text(move |_| if running.get() { summary(&numbers.get()) } else { String::new() })}</span></summary>
            <div class="load-row">
                {number(RATE, rate)}
                {number(BATCH, batch)}
                <select aria-label="Mix" on:change=view::on(move |event| {
                    let chosen = event_target_value(&event).parse::<usize>().ok().and_then(|place| Mix::ALL.get(place));
                    mix.set(chosen.map_or(Mix::Pushes, |(mix, _)| *mix));
                })>
                    {Mix::ALL.iter().enumerate().map(|(place, (this, name))| view! {
                        <option value=place selected=*this == mix.get_untracked()>{*name}</option>
                    }).collect_view()}
                </select>
                <button class=text(move |_| if running.get() { "on" } else { "" }.to_owned()) on:click=act(move || toggle(panel))>
                    {text(move |_| if running.get() { "Stop load" } else { "Start load" }.to_owned())}
                </button>
            </div>
        </details>
    }
}

fn summary(numbers: &Numbers) -> String {
    let failed = if numbers.failed > 0 {
        format!(" · {} failed", numbers.failed)
    } else {
        String::new()
    };
    format!(
        "{:.0} ops/s · p50 {:.0} · p95 {:.0} ms{failed}",
        numbers.rate, numbers.p50_ms, numbers.p95_ms
    )
}

fn toggle(panel: Panel) {
    if panel.running.get_untracked() {
        RUN.with_borrow_mut(|run| run.running = false);
        panel.running.set(false);
    } else {
        start(panel);
    }
}

fn start(panel: Panel) {
    panel.running.set(true);
    panel.numbers.set(Numbers::default());
    let now = wall_ms();
    let number = RUN.with_borrow_mut(|run| {
        *run = Run {
            number: run.number + 1,
            running: true,
            ticked_wall_ms: now,
            ..Run::default()
        };
        run.number
    });
    PANEL.set(Some(panel));
    find_queue(panel, number);
    tick(panel, number);
}

/// The cluster has gone back in time: the queue may not be there any more, and its id may be another's.
pub(super) fn went_back() {
    let number = RUN.with_borrow_mut(|run| {
        run.qid = None;
        run.running.then_some(run.number)
    });
    if let (Some(panel), Some(number)) = (PANEL.get(), number) {
        find_queue(panel, number);
    }
}

/// Makes the queue of the load, or finds it.
fn find_queue(panel: Panel, number: u64) {
    app().submit(Operation::Write(Write::CreateQueue { label: LABEL }), move |returned| {
        let qid = match returned.done.result {
            Ok(Answer::Qid(qid)) | Err(Failure::Queue(QueueError::LabelTaken { qid })) => qid,
            // Then it is asked for anew.
            _ if returned.went_back.is_some() => return,
            other => {
                panel.running.set(false);
                let why = other.map_or_else(|failure| failure.to_string(), |answer| answer.to_string());
                return app().notify(format!("The load did not start: {why}."));
            }
        };
        RUN.with_borrow_mut(|run| {
            if run.number == number {
                run.qid = Some(qid);
                run.ticked_wall_ms = wall_ms();
            }
        });
    });
}

/// Submits what is due, and comes back until the run is stopped.
fn tick(panel: Panel, number: u64) {
    let (rate, batch, mix) = (
        panel.rate.get_untracked(),
        panel.batch.get_untracked(),
        panel.mix.get_untracked(),
    );
    let operations = RUN.with_borrow_mut(|run| {
        if run.number != number || !run.running {
            return None;
        }
        Some(run.due_operations(wall_ms(), rate, batch, mix))
    });
    let Some(operations) = operations else { return };
    for operation in operations {
        app().submit(operation, move |returned| count(number, &returned));
    }
    let numbers = RUN.with_borrow_mut(|run| run.numbers(wall_ms()));
    if let Some(numbers) = numbers {
        panel.numbers.set(numbers);
    }
    wall::after(TICK_MS, move || tick(panel, number));
}

fn count(number: u64, returned: &Returned) {
    RUN.with_borrow_mut(|run| {
        if run.number != number {
            return;
        }
        run.under_way = run.under_way.saturating_sub(1);
        // A pop from the empty queue is an answer like any other.
        if !matches!(returned.done.result, Ok(_) | Err(Failure::Queue(QueueError::Empty))) {
            run.failed += 1;
        }
        run.returned.push_back((wall_ms(), returned.wall_ms));
    });
}

impl Run {
    fn due_operations(&mut self, now_wall_ms: f64, rate: u32, batch: u32, mix: Mix) -> Vec<Operation> {
        let Some(qid) = self.qid else { return Vec::new() };
        let batch = f64::from(batch.max(1));
        self.due += (now_wall_ms - self.ticked_wall_ms).max(0.0) * f64::from(rate) / 1000.0;
        self.ticked_wall_ms = now_wall_ms;
        // What could not be submitted for a second is let go: load is so much a second, not a debt.
        self.due = self.due.min(f64::from(rate).max(batch));
        let whole = (self.due / batch).floor() * batch;
        let room = f64::from(UNDER_WAY_MAX.saturating_sub(self.under_way));
        let count = whole.min(room) as u64;
        self.due -= count as f64;
        let first = self.submitted;
        self.submitted += count;
        self.under_way += count as u32;
        (first..first + count)
            .map(|number| mix.operation(number, qid))
            .collect()
    }

    fn numbers(&mut self, now_wall_ms: f64) -> Option<Numbers> {
        if now_wall_ms - self.shown_wall_ms < NUMBERS_MS {
            return None;
        }
        self.shown_wall_ms = now_wall_ms;
        while self
            .returned
            .front()
            .is_some_and(|(at, _)| *at < now_wall_ms - WINDOW_MS)
        {
            self.returned.pop_front();
        }
        let mut took: Vec<f64> = self.returned.iter().map(|(_, took_ms)| *took_ms).collect();
        took.sort_unstable_by(f64::total_cmp);
        let part = |part: f64| took.get((took.len() as f64 * part) as usize).copied().unwrap_or(0.0);
        let oldest = self.returned.front().map_or(now_wall_ms, |(at, _)| *at);
        let span_ms = (now_wall_ms - oldest).max(NUMBERS_MS);
        Some(Numbers {
            rate: took.len() as f64 * 1000.0 / span_ms,
            p50_ms: part(0.5),
            p95_ms: part(0.95),
            failed: self.failed,
        })
    }
}
