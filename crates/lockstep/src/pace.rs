//! Work that is done a little at a time: it pauses at places of its own choice, and says how far it is.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// How far some work is.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    done: Cell<f64>,
}

impl Pace {
    /// Such a part of it is done, from 0 to 1.
    pub(crate) fn done(&self) -> f64 {
        self.done.get()
    }

    /// Such a part of it is done: whoever has it done may do something else first.
    pub(crate) async fn pause(&self, done: f64) {
        self.done.set(done);
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

/// Does some of it, up to its next pause. Gives what came of it, if that was the rest.
pub(crate) fn go_on<T>(work: Pin<&mut dyn Future<Output = T>>) -> Option<T> {
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
