//! Single turns of the run loop, on a disk that fails.

use std::cell::RefCell;
use std::iter;

use cluster::clock::Clock;
use cluster::host::{FromNode, Request, RequestId, ToNode};
use cluster::node::{Node, NodeConfig, NodeOutbox};
use raft_core::{Instant, NodeId};
use wasm_bindgen_test::wasm_bindgen_test;
use worker::port::Ports;
use worker::pump::{Arrival, Pump};
use worker::scope;
use worker::storage::{Disk, LogFile, MemoryLog, StorageError};

use crate::seat;

/// A disk with room for so many flushes.
struct SmallDisk {
    flushes: u32,
}

impl LogFile for SmallDisk {
    fn append(&mut self, _bytes: &[u8]) -> Result<(), StorageError> {
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        self.flushes = self
            .flushes
            .checked_sub(1)
            .ok_or(StorageError("the disk is full".into()))?;
        Ok(())
    }

    fn truncate(&mut self, _bytes: u64) -> Result<(), StorageError> {
        Ok(())
    }

    fn read_all(&mut self) -> Result<Vec<u8>, StorageError> {
        Ok(Vec::new())
    }
}

#[wasm_bindgen_test]
async fn nothing_is_said_that_rests_on_a_flush_that_failed() {
    // Room for the vote and the first entry of the term, and no more.
    let mut pump = pump(SmallDisk { flushes: 2 });
    let said = RefCell::new(Vec::new());
    let say = |message: FromNode| said.borrow_mut().push(message);
    while !said
        .borrow()
        .iter()
        .any(|message| matches!(message, FromNode::Leading { .. }))
    {
        pump.turn(iter::empty(), &say).expect("there is room");
        scope::sleep(10).await;
    }
    said.borrow_mut().clear();
    let message = ToNode::Request {
        request: RequestId(1),
        body: Request::OpenSession { nonce: 1 },
    };
    let failed = pump.turn(iter::once(Arrival::Page(Box::new(message), None)), &say);
    assert_eq!(failed.unwrap_err().0, "the disk is full");
    assert!(said.borrow().is_empty(), "{said:?}");
}

fn pump(disk: SmallDisk) -> Pump {
    let boot = seat::boot(1, 1, None);
    let mut outbox = NodeOutbox::default();
    let (node, _) =
        Node::boot(NodeConfig::from(&boot), [&[], &[]], Instant(0), &mut outbox).expect("a good configuration");
    let ports = Ports::new(|_: NodeId, _: Vec<u8>| {});
    Pump {
        node,
        clock: Clock::new(boot.clock),
        disk: Disk::new([Box::new(disk), Box::new(MemoryLog::default())]),
        ports,
        tape: None,
        outbox,
        reported_wall_ms: 0.0,
    }
}
