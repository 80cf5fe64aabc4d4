//! The ports to the peers, and how bytes travel through ports.

use std::collections::BTreeMap;
use std::rc::Rc;

use cluster::codec;
use js_sys::{Object, Reflect, Uint8Array};
use raft_core::NodeId;
use serde::Serialize;
use wasm_bindgen::prelude::*;
use web_sys::{MessageEvent, MessagePort};

/// The ports to the peers that are up. Frames to others are dropped, as a network drops what nobody receives.
pub struct Ports {
    receive: Rc<dyn Fn(NodeId, Vec<u8>)>,
    peers: BTreeMap<NodeId, Port>,
}

impl Ports {
    /// No port yet. Every frame that arrives is handed to `receive` with the peer whose port it came from.
    pub fn new(receive: impl Fn(NodeId, Vec<u8>) + 'static) -> Ports {
        Ports {
            receive: Rc::new(receive),
            peers: BTreeMap::new(),
        }
    }

    /// From now on `port` leads to `peer`. An earlier port to it is closed.
    pub fn connect(&mut self, peer: NodeId, port: MessagePort) {
        let receive = Rc::clone(&self.receive);
        self.peers
            .insert(peer, Port::open(port, move |bytes| receive(peer, bytes)));
    }

    /// Hears nothing and sends nothing any more. What hears may be what runs right now, so it is not dropped with this.
    pub fn close(&mut self) {
        for port in self.peers.values() {
            port.close();
        }
    }

    /// Posts a frame to a peer.
    pub fn send(&self, peer: NodeId, frame: &[u8]) {
        if let Some(port) = self.peers.get(&peer) {
            // A copy: a transfer gains nothing at the size of these frames. Posting bytes cannot fail.
            let _ = port.port.post_message(&Uint8Array::from(frame));
        }
    }
}

/// A port with its receiver; closed when dropped.
struct Port {
    port: MessagePort,
    _receiver: Closure<dyn FnMut(MessageEvent)>,
}

impl Port {
    fn open(port: MessagePort, receive: impl Fn(Vec<u8>) + 'static) -> Port {
        let receiver = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            // What is no byte array becomes an empty frame, which does not decode: the node counts and reports it.
            let bytes = event.data().dyn_ref::<Uint8Array>().map(Uint8Array::to_vec);
            receive(bytes.unwrap_or_default());
        });
        port.set_onmessage(Some(receiver.as_ref().unchecked_ref()));
        Port {
            port,
            _receiver: receiver,
        }
    }
}

impl Port {
    fn close(&self) {
        self.port.set_onmessage(None);
        self.port.close();
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.close();
    }
}

/// Posts a value as bytes. Posting bytes cannot fail.
pub fn post<T: Serialize>(port: &MessagePort, value: &T) {
    let _ = port.post_message(&Uint8Array::from(codec::encode(value).as_slice()));
}

/// The object in which bytes travel between a page and a Worker.
pub fn parcel(bytes: &[u8]) -> Object {
    let parcel = Object::new();
    Reflect::set(&parcel, &"bytes".into(), &Uint8Array::from(bytes)).expect("a new object takes properties");
    parcel
}

/// The bytes in a [`parcel`], and the port that was transferred with them.
pub fn unpack(parcel: &JsValue) -> Option<(Vec<u8>, Option<MessagePort>)> {
    let bytes = Reflect::get(parcel, &"bytes".into())
        .ok()?
        .dyn_into::<Uint8Array>()
        .ok()?
        .to_vec();
    let port = Reflect::get(parcel, &"port".into())
        .ok()?
        .dyn_into::<MessagePort>()
        .ok();
    Some((bytes, port))
}
