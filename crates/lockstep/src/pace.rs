//! Work that is done a little at a time: it pauses at places of its own choice, and says how far it is.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// How far some work is.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    done: Cell<f64>,
    /// What was done before the part of it that is being done.
    before: Cell<f64>,
}

impl Pace {
    /// Such a part of it is done, from 0 to 1.
    pub(crate) fn done(&self) -> f64 {
        self.done.get()
    }

    /// Such a part of it is done: what is said of what follows is counted from there.
    pub(crate) fn goes_on_from(&self, before: f64) {
        self.before.set(before);
    }

    /// Such a part of it is done: whoever has it done may do something else first.
    pub(crate) async fn pause(&self, done: f64) {
        self.done.set(self.before.get() + done);
        let mut paused = false;
        std::future::poll_fn(|_| {
            if std::mem::replace(&mut paused, true) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

/// So many parts of some work are done at once, before anybody sees how far it is: what is short is done then.
const AT_ONCE: usize = 16;

/// Work that is done a little at a time.
pub(crate) struct Task<T> {
    pace: Rc<Pace>,
    work: Pin<Box<dyn Future<Output = T>>>,
}

impl<T> Task<T> {
    /// This work, which says how far it is by its pace.
    pub(crate) fn new<F: Future<Output = T> + 'static>(work: impl FnOnce(Rc<Pace>) -> F) -> Task<T> {
        let pace = Rc::new(Pace::default());
        let work = Box::pin(work(Rc::clone(&pace)));
        Task { pace, work }
    }

    /// Begins with it: does as much as nobody minds, or all of it. Gives what came of it, if that was all.
    pub(crate) fn begin(&mut self, whole: bool) -> Option<T> {
        let mut parts = 0..AT_ONCE;
        loop {
            let made = self.go_on();
            if made.is_some() || (!whole && parts.next().is_none()) {
                return made;
            }
        }
    }

    /// Does some of it, up to its next pause. Gives what came of it, if that was the rest.
    pub(crate) fn go_on(&mut self) -> Option<T> {
        go_on(self.work.as_mut())
    }

    /// How many hundredths of it are done.
    pub(crate) fn percent(&self) -> u32 {
        (self.pace.done() * 100.0) as u32
    }
}

/// Does some of it, up to its next pause. Gives what came of it, if that was the rest.
fn go_on<T>(work: Pin<&mut dyn Future<Output = T>>) -> Option<T> {
    match work.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(made) => Some(made),
        Poll::Pending => None,
    }
}

/// Does all of it at once.
pub(crate) fn at_once<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        if let Some(made) = go_on(work.as_mut()) {
            return made;
        }
    }
}
