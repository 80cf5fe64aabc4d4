//! The Workers: one a node, joined pairwise by message channels that the page makes and gives away.

use cluster::batch::Batch;
use cluster::codec;
use cluster::host::{Boot, FromNode, Remedy, ToNode};
use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use netem::LinkSettings;
use raft_core::{NodeId, Rules};
use wasm_bindgen::prelude::*;
use web_sys::{ErrorEvent, MessageChannel, MessageEvent, MessagePort, Worker, WorkerOptions, WorkerType};

use super::app::app;
use super::pledge::Pledge;
use super::wall;

/// The Workers of a cluster.
pub(super) struct Fleet {
    /// The nodes' code, which is the page's own module, so nothing has to be fetched or compiled again.
    module: JsValue,
    /// One for each member, in rising order. A handful: a map would be more to fetch than it is worth.
    seats: Vec<Seat>,
    /// How each direction of each link behaves.
    links: Vec<((NodeId, NodeId), LinkSettings)>,
}

/// A place for one node.
struct Seat {
    id: NodeId,
    boot: u32,
    running: Option<Running>,
    paused: bool,
    /// Whether a person has isolated the node, and not yet let it rejoin.
    isolated: bool,
    /// Whom to tell when the node has booted, or cannot.
    waiting: Vec<Pledge>,
}

struct Running {
    worker: Worker,
    /// It has said that it is ready, so it can be joined to others.
    ready: bool,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_error: Closure<dyn FnMut(ErrorEvent)>,
}

impl Fleet {
    /// Seats for these members, all empty.
    pub(super) fn new(members: &[NodeId], link: LinkSettings) -> Fleet {
        let mut links = Vec::new();
        for &from in members {
            links.extend(members.iter().filter(|&&to| to != from).map(|&to| ((from, to), link)));
        }
        Fleet {
            module: wasm_bindgen::module(),
            seats: members.iter().map(|&id| Seat::empty(id)).collect(),
            links,
        }
    }

    /// Every member, in rising order.
    pub(super) fn members(&self) -> Vec<NodeId> {
        self.seats.iter().map(|seat| seat.id).collect()
    }

    /// Whether a Worker runs for the node.
    pub(super) fn is_running(&self, id: NodeId) -> bool {
        self.seat(id).is_some_and(|seat| seat.running.is_some())
    }

    /// Whether the node has been made to stand still.
    pub(super) fn is_paused(&self, id: NodeId) -> bool {
        self.seat(id).is_some_and(|seat| seat.paused && seat.running.is_some())
    }

    /// Starts a Worker for a node that has none. Returns the number of the boot.
    pub(super) fn start(&mut self, id: NodeId) -> Result<u32, String> {
        let module = self.module.clone();
        let members = self.seats.len();
        let seat = self.seat_mut(id).ok_or_else(|| no_such_node(id, members))?;
        if seat.running.is_some() {
            return Err(format!("{id} is running already"));
        }
        seat.boot += 1;
        seat.paused = false;
        let boot = seat.boot;
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        options.set_name(&id.to_string());
        let worker = Worker::new_with_options("worker.js", &options)
            .map_err(|error| format!("the browser started no Worker for {id}: {}", wall::words(&error)))?;
        let on_message =
            Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| app().hear(id, boot, &event.data()));
        let on_error = Closure::<dyn FnMut(ErrorEvent)>::new(move |event: ErrorEvent| {
            event.prevent_default();
            // A script that did not load is told by an event without a message.
            let message = wall::get(&event, "message").as_string().unwrap_or_default();
            app().node_died(id, boot, message, Remedy::Restart);
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        let parcel = Object::new();
        let _ = Reflect::set(&parcel, &"module".into(), &module);
        worker.post_message(&parcel).map_err(|error| wall::words(&error))?;
        seat.running = Some(Running {
            worker,
            ready: false,
            _on_message: on_message,
            _on_error: on_error,
        });
        Ok(boot)
    }

    /// Terminates a node's Worker. Says whether there was one.
    pub(super) fn terminate(&mut self, id: NodeId) -> bool {
        let running = self.seat_mut(id).and_then(|seat| seat.running.take());
        let was_running = running.is_some();
        if let Some(running) = running {
            running.worker.set_onmessage(None);
            running.worker.set_onerror(None);
            running.worker.terminate();
            // The closures may be running right now; they are dropped when they are not.
            wall::after(0, move || drop(running));
        }
        was_running
    }

    /// Whether this is the present boot of a node that runs: what an earlier one had still to say is of no interest.
    pub(super) fn is_current(&self, id: NodeId, boot: u32) -> bool {
        self.seat(id)
            .is_some_and(|seat| seat.boot == boot && seat.running.is_some())
    }

    /// Which boot of a node is the latest.
    pub(super) fn boot_number(&self, id: NodeId) -> u32 {
        self.seat(id).map_or(0, |seat| seat.boot)
    }

    /// A Worker's code runs: tells it what to be, and joins it to every other that is ready.
    /// Gives the other end of the port to which the node posts what goes into it.
    pub(super) fn boot(&mut self, id: NodeId, build: &str, mut boot: Boot) -> Result<Option<MessagePort>, String> {
        if build != worker::BUILD {
            return Err(format!(
                "the page is of build {} and the nodes' code of build {build}. Reload the page without its cache.",
                worker::BUILD
            ));
        }
        boot.boot = self.seat(id).map_or(0, |seat| seat.boot);
        boot.members = self.members();
        boot.rules = Rules::default();
        boot.links = self
            .links
            .iter()
            .filter(|((from, _), _)| *from == id)
            .map(|((_, to), link)| (*to, *link))
            .collect();
        let tape = if app().records() {
            MessageChannel::new().ok()
        } else {
            None
        };
        if let Some(running) = self.seat(id).and_then(|seat| seat.running.as_ref()) {
            let parcel = parcel(vec![ToNode::Boot(Box::new(boot))]);
            let transferred = Array::new();
            if let Some(tape) = &tape {
                let _ = Reflect::set(&parcel, &"port".into(), &tape.port1());
                transferred.push(&tape.port1());
            }
            let _ = running.worker.post_message_with_transfer(&parcel, &transferred);
        }
        let cut_towards: Vec<NodeId> = self
            .links
            .iter()
            .filter(|((_, to), link)| *to == id && link.cut)
            .map(|((from, _), _)| *from)
            .collect();
        for peer in cut_towards {
            self.send(id, ToNode::SetInbound { peer, cut: true });
        }
        if let Some(running) = self.seat_mut(id).and_then(|seat| seat.running.as_mut()) {
            running.ready = true;
        }
        let peers: Vec<NodeId> = self
            .seats
            .iter()
            .filter(|seat| seat.id != id && seat.running.as_ref().is_some_and(|running| running.ready))
            .map(|seat| seat.id)
            .collect();
        for peer in peers {
            self.join(id, peer).map_err(|error| wall::words(&error))?;
        }
        Ok(tape.map(|tape| tape.port2()))
    }

    fn join(&self, one: NodeId, other: NodeId) -> Result<(), JsValue> {
        let channel = MessageChannel::new()?;
        for (id, peer, port) in [(one, other, channel.port1()), (other, one, channel.port2())] {
            let Some(running) = self.seat(id).and_then(|seat| seat.running.as_ref()) else {
                continue;
            };
            let parcel = parcel(vec![ToNode::Connect { peer }]);
            Reflect::set(&parcel, &"port".into(), &port)?;
            running.worker.post_message_with_transfer(&parcel, &Array::of1(&port))?;
        }
        Ok(())
    }

    /// Says something to a node; nothing, if it does not run.
    pub(super) fn send(&self, id: NodeId, message: ToNode) {
        self.send_all(id, vec![message]);
    }

    /// Says several things to a node at once; nothing, if it does not run.
    pub(super) fn send_all(&self, id: NodeId, messages: Vec<ToNode>) {
        if let Some(running) = self.seat(id).and_then(|seat| seat.running.as_ref()) {
            // A Worker that has just died takes no messages; its end is told by its error event.
            let _ = running.worker.post_message(&parcel(messages));
        }
    }

    /// Says something to every node that runs.
    pub(super) fn broadcast(&self, message: &ToNode) {
        for id in self.members() {
            self.send(id, message.clone());
        }
    }

    /// Makes a node stand still, or go on.
    pub(super) fn set_paused(&mut self, id: NodeId, paused: bool) {
        if let Some(seat) = self.seat_mut(id) {
            seat.paused = paused;
        }
        self.send(id, ToNode::SetPaused(paused));
    }

    /// Whether the node has been isolated.
    pub(super) fn is_isolated(&self, id: NodeId) -> bool {
        self.seat(id).is_some_and(|seat| seat.isolated)
    }

    /// Notes that the node has been isolated, or is no longer.
    pub(super) fn set_isolated(&mut self, id: NodeId, isolated: bool) {
        if let Some(seat) = self.seat_mut(id) {
            seat.isolated = isolated;
        }
    }

    /// How one direction of a link behaves.
    pub(super) fn link(&self, from: NodeId, to: NodeId) -> Option<&LinkSettings> {
        self.links
            .iter()
            .find(|(ends, _)| *ends == (from, to))
            .map(|(_, link)| link)
    }

    /// Cuts one direction of a link, or mends it. Tells both ends.
    pub(super) fn set_cut(&mut self, from: NodeId, to: NodeId, cut: bool) {
        let Some((_, link)) = self.links.iter_mut().find(|(ends, _)| *ends == (from, to)) else {
            return;
        };
        link.cut = cut;
        let settings = *link;
        self.send(from, ToNode::SetLink { peer: to, settings });
        self.send(to, ToNode::SetInbound { peer: from, cut });
    }

    /// Changes how every link behaves, except for what is cut.
    pub(super) fn set_links(&mut self, settings: LinkSettings) {
        for (_, link) in &mut self.links {
            *link = LinkSettings {
                cut: link.cut,
                ..settings
            };
        }
        for &((from, to), settings) in &self.links {
            self.send(from, ToNode::SetLink { peer: to, settings });
        }
    }

    /// A promise that settles when the node has booted, or cannot.
    pub(super) fn booted(&mut self, id: NodeId) -> Promise {
        let (promise, pledge) = Pledge::new();
        if let Some(seat) = self.seat_mut(id) {
            seat.waiting.push(pledge);
        }
        promise
    }

    /// Settles the promises of those who wait for a node.
    pub(super) fn settle(&mut self, id: NodeId, outcome: Result<(), &str>) {
        let waiting = self.seat_mut(id).map(|seat| std::mem::take(&mut seat.waiting));
        for pledge in waiting.unwrap_or_default() {
            match outcome {
                Ok(()) => pledge.keep(&id.0.into()),
                Err(why) => pledge.refuse(why),
            }
        }
    }

    fn seat(&self, id: NodeId) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.id == id)
    }

    fn seat_mut(&mut self, id: NodeId) -> Option<&mut Seat> {
        self.seats.iter_mut().find(|seat| seat.id == id)
    }
}

impl Seat {
    fn empty(id: NodeId) -> Seat {
        Seat {
            id,
            boot: 0,
            running: None,
            paused: false,
            isolated: false,
            waiting: Vec::new(),
        }
    }
}

/// What a Worker's message says, if it decodes.
pub(super) fn read(data: &JsValue) -> Result<Batch<FromNode>, String> {
    let bytes = wall::get(data, "bytes")
        .dyn_into::<Uint8Array>()
        .map_err(|_| "not bytes".to_owned())?;
    codec::decode(&bytes.to_vec()).map_err(|error| error.to_string())
}

/// What to say about a node that is not there.
pub(super) fn no_such_node(id: NodeId, members: usize) -> String {
    format!("there is no node {}; nodes are numbered from 1 to {members}", id.0)
}

fn parcel(messages: Vec<ToNode>) -> Object {
    let batch = Batch {
        sent_at: app().posts_at(),
        messages,
    };
    let parcel = Object::new();
    let _ = Reflect::set(
        &parcel,
        &"bytes".into(),
        &Uint8Array::from(codec::encode(&batch).as_slice()),
    );
    parcel
}
