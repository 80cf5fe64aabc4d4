//! What makes the run loop run: a message to oneself, and a timer.
//!
//! A message to oneself comes after every message that is queued already. So the loop that it starts finds all of
//! them, steps the node for all, and writes and flushes once. Where nothing was queued a moment ago, a message is taken as it comes.

use std::cell::Cell;
use std::rc::Rc;

use wasm_bindgen::prelude::*;
use web_sys::{MessageChannel, MessageEvent, MessagePort};

use crate::scope;

/// A timer that runs out this much late, in wall milliseconds, means that the Worker was stalled and that messages have
/// piled up meanwhile. They get a second round to come in before the loop looks at its deadlines.
const STALL_MS: f64 = 8.0;
/// A timer that runs out less late than this, in wall milliseconds, does no harm to any election timeout that can be set in real time.
const LATE_MS: f64 = 3.0;

/// What waited in the Worker's queue for the end of a turn comes within this, in wall milliseconds. Browsers round their clocks to as much, or more.
const JUST_MS: f64 = 0.1;

/// Calls the run loop, soon or at a wall time.
pub struct Waker {
    bell: Rc<Bell>,
    run_out: Closure<dyn Fn()>,
    _ring: Closure<dyn Fn(MessageEvent)>,
}

/// A channel from the Worker to itself, and a timer.
struct Bell {
    push: MessagePort,
    answer: MessagePort,
    /// How often a message to oneself has yet to come before the loop runs.
    rounds: Cell<u8>,
    timer: Cell<Option<Timer>>,
    /// When the loop ended its last turn, in wall milliseconds: until then it was busy itself.
    turned_wall_ms: Cell<f64>,
    /// How late the latest timer ran that nobody has been told of, in wall milliseconds.
    late_ms: Cell<f64>,
}

#[derive(Clone, Copy)]
struct Timer {
    handle: i32,
    due_wall_ms: f64,
}

impl Waker {
    /// Something that calls `run` when it is woken.
    pub fn new(run: impl Fn() + 'static) -> Waker {
        let channel = MessageChannel::new().expect("every Worker can make a channel");
        let bell = Rc::new(Bell {
            push: channel.port2(),
            answer: channel.port1(),
            rounds: Cell::new(0),
            timer: Cell::new(None),
            turned_wall_ms: Cell::new(0.0),
            late_ms: Cell::new(0.0),
        });
        let rung = Rc::clone(&bell);
        let ring = Closure::<dyn Fn(MessageEvent)>::new(move |_| {
            if rung.is_last_round() {
                run();
            }
        });
        bell.answer.set_onmessage(Some(ring.as_ref().unchecked_ref()));
        let timed = Rc::clone(&bell);
        let run_out = Closure::<dyn Fn()>::new(move || timed.run_out());
        Waker {
            bell,
            run_out,
            _ring: ring,
        }
    }

    /// Runs the loop after all messages that have arrived by now.
    pub fn wake(&self) {
        self.bell.push(1);
    }

    /// Whether the loop is about to run.
    pub fn is_awake(&self) -> bool {
        self.bell.rounds.get() > 0
    }

    /// The same, where the Worker could hear nothing for a while: what has piled up gets a second round to come in.
    pub fn wake_after_stall(&self) {
        self.bell.push(2);
    }

    /// Whether the loop ended its last turn just now, as finely as the clock tells.
    pub fn has_just_turned(&self) -> bool {
        scope::wall_ms() - self.bell.turned_wall_ms.get() < JUST_MS
    }

    /// The loop has ended a turn. Gives how late its latest timer ran since the last time, in wall milliseconds, if that is worth a word.
    pub fn turned(&self) -> Option<f64> {
        self.bell.turned_wall_ms.set(scope::wall_ms());
        Some(self.bell.late_ms.take()).filter(|late_ms| *late_ms >= LATE_MS)
    }

    /// Runs the loop at a wall time, or a little later. Replaces what was asked before; None: only when woken.
    ///
    /// A timer that is set for earlier is left alone: the loop runs then, finds nothing due and asks again. Most calls only
    /// put a deadline off, and cost nothing by that.
    pub fn wake_at(&self, due_wall_ms: Option<f64>) {
        let Some(due_wall_ms) = due_wall_ms else {
            return self.bell.disarm();
        };
        if self
            .bell
            .timer
            .get()
            .is_some_and(|timer| timer.due_wall_ms <= due_wall_ms)
        {
            return;
        }
        self.bell.disarm();
        let delay_ms = due_wall_ms - scope::wall_ms();
        if delay_ms <= 0.0 {
            return self.wake();
        }
        let handle = scope::set_timeout(self.run_out.as_ref().unchecked_ref(), delay_ms);
        self.bell.timer.set(Some(Timer { handle, due_wall_ms }));
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        self.bell.disarm();
        self.bell.answer.set_onmessage(None);
        self.bell.answer.close();
        self.bell.push.close();
    }
}

impl Bell {
    /// Has the loop run after this many rounds, unless it is about to anyhow.
    fn push(&self, rounds: u8) {
        if self.rounds.get() == 0 {
            self.post();
        }
        self.rounds.set(self.rounds.get().max(rounds));
    }

    fn is_last_round(&self) -> bool {
        self.rounds.set(self.rounds.get().saturating_sub(1));
        if self.rounds.get() > 0 {
            self.post();
        }
        self.rounds.get() == 0
    }

    fn run_out(&self) {
        if let Some(timer) = self.timer.take() {
            let now_wall_ms = scope::wall_ms();
            let stalled = now_wall_ms - timer.due_wall_ms > STALL_MS;
            self.push(if stalled { 2 } else { 1 });
            // What the loop itself took, a slow disk perhaps, is not the computer's.
            let late_ms = now_wall_ms - timer.due_wall_ms.max(self.turned_wall_ms.get());
            self.late_ms.set(self.late_ms.get().max(late_ms));
        }
    }

    fn disarm(&self) {
        if let Some(timer) = self.timer.take() {
            scope::global().clear_timeout_with_handle(timer.handle);
        }
    }

    fn post(&self) {
        self.push
            .post_message(&JsValue::NULL)
            .expect("null can always be posted");
    }
}
