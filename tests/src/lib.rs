//! A page of the built site in a browser of its own, with the few things that tests do with it, each waiting until it
//! is done. `cargo xtask test --only browser` builds the site and runs the tests in
//! Chromium; `FTQUEUE_ENGINE=firefox` or `webkit` chooses another engine.

mod browser;
mod page;
mod site;

pub use page::{Node, Outcome, Page, Queue, Status, Tab};
pub use site::Site;

use browser::Manners;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// One browser at a time: elections are timed, and two browsers would take each other's processor.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Opens the page with this query, such as `?nodes=3`, and runs a test with it.
pub fn drive(query: &str, test: impl FnOnce(&Page)) {
    drive_site(&Site::built(), query, test);
}

/// The same with a site that differs from the built one.
pub fn drive_site(site: &Site, query: &str, test: impl FnOnce(&Page)) {
    drive_in(Manners::Usual, site, query, test);
}

/// The same as [`drive`] in a browser in which a person has blocked all site data.
pub fn drive_without_site_data(query: &str, test: impl FnOnce(&Page)) {
    drive_in(Manners::KeepsNothing, &Site::built(), query, test);
}

/// The same as [`drive`] in a Chromium that spares hidden pages no processor from the beginning, as it does after some minutes else.
pub fn drive_sparing(query: &str, test: impl FnOnce(&Page)) {
    drive_in(Manners::Sparing, &Site::built(), query, test);
}

fn drive_in(manners: Manners, site: &Site, query: &str, test: impl FnOnce(&Page)) {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let page = Page::open(manners, site, query);
    let outcome = catch_unwind(AssertUnwindSafe(|| test(&page)));
    if outcome.is_err() {
        page.say_what_is_there();
    }
    page.close();
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

/// Waits until there is a value; panics with `what` if there is none in time.
#[track_caller]
pub fn eventually<T>(seconds_max: f64, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            started.elapsed().as_secs_f64() < seconds_max,
            "not within {seconds_max} s: {what}"
        );
        std::thread::sleep(Duration::from_millis(25));
    }
}

/// Looks again and again for so long. What must never be is asserted in `look`.
#[track_caller]
pub fn throughout(seconds: f64, mut look: impl FnMut()) {
    let started = Instant::now();
    while started.elapsed().as_secs_f64() < seconds {
        look();
        std::thread::sleep(Duration::from_millis(25));
    }
}
