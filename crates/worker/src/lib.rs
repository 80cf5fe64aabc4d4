//! One FTQueue node in one dedicated Web Worker.
//!
//! The Worker decides nothing: it carries bytes between ports, a log file and [`cluster::node::Node`], and tells it the
//! time. [`pump`] is the run loop; [`storage`] the log file; [`port`] the ports to the peers; [`wake`] what makes the loop run;
//! [`room`] what is to be flushed when there is room; [`host`] puts a node's life together, from the first word of the page to its end.

pub mod host;
pub mod port;
pub mod pump;
pub mod room;
pub mod scope;
pub mod storage;
pub mod wake;

use std::panic;
use std::rc::Rc;

use cluster::batch::Batch;
use cluster::host::FromNode;
use raft_core::Instant;
use wasm_bindgen::prelude::*;
use web_sys::MessageEvent;

use crate::host::Host;

/// What the sources of this build hash to; the page compares it with its own.
pub const BUILD: &str = match option_env!("FTQUEUE_BUILD") {
    Some(build) => build,
    None => "development",
};

/// Makes this Worker a node that waits for [`cluster::host::ToNode::Boot`]. Called once, by `worker.js`.
#[wasm_bindgen]
pub fn start_node() {
    panic::set_hook(Box::new(|panic| {
        console_error_panic_hook::hook(panic);
        let message = panic.to_string();
        say(&Batch::of(Instant(0), FromNode::Died { message }));
        scope::global().close();
    }));
    let host = Host::new(|batch| say(&batch));
    listen(host);
    let ready = FromNode::Ready {
        build: BUILD.to_string(),
        wall_ms: scope::own_wall_ms(),
    };
    say(&Batch::of(Instant(0), ready));
}

/// Hears the page for as long as the Worker lives.
fn listen(host: Rc<Host>) {
    let hear = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| host.hear(&event.data()));
    scope::global().set_onmessage(Some(hear.as_ref().unchecked_ref()));
    hear.forget();
}

fn say(batch: &Batch<FromNode>) {
    let parcel = port::parcel(&cluster::codec::encode(batch));
    // A Worker that is being terminated may find its page gone: there is nobody left to tell.
    let _ = scope::global().post_message(&parcel);
}
