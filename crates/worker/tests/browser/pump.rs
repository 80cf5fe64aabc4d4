//! Single turns of the run loop, on a disk that fails.

use std::cell::{Cell, RefCell};
use std::iter;
use std::rc::Rc;

use cluster::batch::Batch;
use cluster::clock::{Clock, ClockSetting};
use cluster::codec;
use cluster::disk::{RawFile, Refusal};
use cluster::host::{FromNode, Reply, Request, RequestId, ToNode};
use cluster::node::{Node, NodeConfig, NodeOutbox};
use cluster::record::{Piece, Step};
use js_sys::Uint8Array;
use raft_core::{Instant, NodeId, Role, Term};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::{MessageChannel, MessageEvent};
use worker::port::Ports;
use worker::pump::{Arrival, NextTurn, Pump};
use worker::room::{ROOM_PAUSE_MS, Room};
use worker::scope;
use worker::storage::{Disk, MemoryLog};

use crate::seat;

/// A file that can be flushed so often, each of which takes so long, and that may be full.
struct SmallFile {
    file: MemoryLog,
    flushes: Rc<Cell<u32>>,
    is_full: Rc<Cell<bool>>,
    flush_ms: f64,
}

impl RawFile for SmallFile {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> Result<f64, Refusal> {
        self.file.write_at(at, bytes)
    }

    fn read_at(&mut self, at: u64, into: &mut [u8]) -> Result<f64, Refusal> {
        self.file.read_at(at, into)
    }

    fn size(&mut self) -> Result<f64, Refusal> {
        self.file.size()
    }

    fn truncate(&mut self, bytes: u64) -> Result<(), Refusal> {
        self.file.truncate(bytes)
    }

    fn flush(&mut self, end: u64) -> Result<(), Refusal> {
        let failed = || Refusal::Failed("a cable".to_owned());
        let left = self.flushes.get().checked_sub(1).ok_or_else(failed)?;
        if self.is_full.get() {
            return Err(Refusal::NoRoom("the disk is full".to_owned()));
        }
        self.flushes.set(left);
        let until = scope::wall_ms() + self.flush_ms;
        while scope::wall_ms() < until {}
        self.file.flush(end)
    }
}

#[wasm_bindgen_test]
async fn nothing_is_said_that_rests_on_a_flush_that_failed() {
    // Room for the vote and the first entry of the term, and no more.
    let flushes = Rc::new(Cell::new(2));
    let mut pump = pump(&flushes, 0.0);
    let said = RefCell::new(Vec::new());
    let say = |batch: Batch<FromNode>| said.borrow_mut().extend(batch.messages);
    while flushes.get() > 0 {
        pump.turn(iter::empty(), &say).expect("there is room");
        scope::sleep(10).await;
    }
    let leads = |message: &FromNode| matches!(message, FromNode::Leading { .. });
    assert!(said.borrow().iter().any(leads), "{said:?}");
    said.borrow_mut().clear();
    let message = ToNode::Request {
        request: RequestId(1),
        body: Request::OpenSession { nonce: 1 },
    };
    let failed = pump.turn(iter::once(Arrival::Page(Box::new(message), None)), &say);
    assert_eq!(
        failed.unwrap_err().to_string(),
        "the browser refused to flush the log: a cable"
    );
    assert!(said.borrow().is_empty(), "{said:?}");
}

/// F18: a node that finds no room goes on, says so once, tries again now and then, and promises what it wrote when it is flushed.
#[wasm_bindgen_test]
async fn a_node_whose_disk_is_full_goes_on_and_promises_when_there_is_room() {
    let (flushes, is_full) = (Rc::new(Cell::new(u32::MAX)), Rc::new(Cell::new(false)));
    let mut pump = pump_on(&flushes, 0.0, &is_full);
    let said = RefCell::new(Vec::new());
    let say = |batch: Batch<FromNode>| {
        let news = batch.messages.into_iter();
        said.borrow_mut()
            .extend(news.filter(|message| !matches!(message, FromNode::Report(_))));
    };
    let leads = |said: &[FromNode]| said.iter().any(|message| matches!(message, FromNode::Leading { .. }));
    while !leads(&said.borrow()) || pump.synced.is_some() || pump.outbox.sync.is_some() {
        pump.turn(iter::empty(), &say).expect("the disk is sound");
        scope::sleep(10).await;
    }
    said.borrow_mut().clear();
    is_full.set(true);
    let ask = |number, body| {
        let request = RequestId(number);
        Arrival::Page(Box::new(ToNode::Request { request, body }), None)
    };
    let open_session = |number| ask(number, Request::OpenSession { nonce: number });
    let started = scope::wall_ms();
    let mut turns = 0;
    while scope::wall_ms() < started + 2.5 * f64::from(ROOM_PAUSE_MS) {
        turns += 1;
        let next = pump
            .turn(iter::once(open_session(turns)), &say)
            .expect("a full disk is no failure");
        assert!(
            matches!(next, NextTurn::At { due_wall_ms: Some(due), .. } if due <= scope::wall_ms() + f64::from(ROOM_PAUSE_MS)),
            "it looks again soon: {next:?}"
        );
        scope::sleep(20).await;
    }
    let lacking = Some("the disk is full".to_owned());
    assert_eq!(
        *said.borrow(),
        [FromNode::Room { lacking }],
        "said once, and nothing promised"
    );
    said.borrow_mut().clear();
    // What is committed is there to be read all the while.
    let label = ftqueue::Label(7);
    let read = ask(1_000, Request::Read(ftqueue::Read::GetQid { label }));
    pump.turn(iter::once(read), &say).expect("a full disk is no failure");
    let answered = |message: &FromNode| {
        matches!(
            message,
            FromNode::Reply {
                request: RequestId(1_000),
                ..
            }
        )
    };
    assert!(said.borrow().iter().any(answered), "{:?}", said.borrow());
    said.borrow_mut().clear();

    is_full.set(false);
    let started = scope::wall_ms();
    while said.borrow().len() <= turns as usize {
        pump.turn(iter::empty(), &say).expect("the disk is sound");
        assert!(scope::wall_ms() < started + 5_000.0, "{:?}", said.borrow());
        scope::sleep(10).await;
    }
    let said = said.borrow();
    assert_eq!(said[0], FromNode::Room { lacking: None });
    let opened = |message: &FromNode| {
        matches!(
            message,
            FromNode::Reply {
                reply: Reply::SessionOpened(_),
                ..
            }
        )
    };
    assert_eq!(said.iter().filter(|message| opened(message)).count(), turns as usize);
}

/// The marker that vouches for a flush is nobody's business: it goes with the next write, or a little later by itself.
#[wasm_bindgen_test]
async fn a_marker_waits_for_the_next_write_but_not_for_long() {
    let mut pump = pump(&Rc::new(Cell::new(u32::MAX)), 0.0);
    let say = |_: Batch<FromNode>| {};
    let written = |pump: &mut Pump| {
        pump.disk.files_mut()[0]
            .size()
            .expect("files in memory know how long they are")
    };
    while pump.node.view().role != Role::Leader || !pump.outbox.disk.is_empty() || pump.synced.is_some() {
        pump.turn(iter::empty(), &say).expect("the disk is sound");
        scope::sleep(10).await;
    }
    let before = written(&mut pump);
    let request = RequestId(1);
    let body = Request::OpenSession { nonce: 1 };
    let message = ToNode::Request { request, body };
    let arrival = Arrival::Page(Box::new(message), None);
    let next = pump.turn(iter::once(arrival), &say).expect("the disk is sound");
    let with_the_session = written(&mut pump);
    assert!(with_the_session > before);
    assert!(!pump.outbox.disk.is_empty(), "the marker waits");
    let is_due_soon =
        matches!(next, NextTurn::At { due_wall_ms: Some(due), flushed: true } if due <= scope::wall_ms() + 30.0);
    assert!(is_due_soon, "{next:?}");
    scope::sleep(30).await;
    pump.turn(iter::empty(), &say).expect("the disk is sound");
    assert_eq!(written(&mut pump), pump.node.status().disk_bytes as f64);
    assert!(written(&mut pump) > with_the_session && pump.outbox.disk.is_empty());
}

/// F6: the loop went from flush to flush and heard nothing in between, not even that time was slowed down.
#[wasm_bindgen_test]
async fn a_node_hears_what_arrives_between_two_slow_flushes() {
    let flushes = Rc::new(Cell::new(u32::MAX));
    let mut pump = pump(&flushes, 320.0);
    let say = |_: Batch<FromNode>| {};
    while flushes.get() == u32::MAX {
        pump.turn(iter::empty(), &say).expect("the disk is sound");
        scope::sleep(10).await;
    }
    // It is a candidate, and its vote is durable. Before it hears so, time is stopped.
    let stopped = ClockSetting {
        rate: 0.0,
        ..seat::clock()
    };
    let message = ToNode::SetClock(stopped);
    let arrival = Arrival::Page(Box::new(message), None);
    let next = pump.turn(iter::once(arrival), &say).expect("the disk is sound");
    assert_eq!(flushes.get(), u32::MAX - 2, "one flush a turn");
    assert_eq!(
        next,
        NextTurn::AtOnce { stalled: true },
        "and the next turn comes at once"
    );
    let now = pump.clock.now(scope::wall_ms());
    scope::sleep(30).await;
    assert_eq!(pump.clock.now(scope::wall_ms()), now, "it has heard that time stands");
    assert!(
        pump.synced.is_some(),
        "what was flushed is told to the node after what has arrived"
    );
}

/// A Worker may be terminated while its disk works. A recorder that did not know of the write would find more on the disk at the next boot than
/// the node was seen to write, and call it a broken promise.
#[wasm_bindgen_test]
async fn what_is_written_was_told_to_the_recorder_before() {
    let mut pump = pump(&Rc::new(Cell::new(0)), 0.0);
    pump.node.record();
    let channel = MessageChannel::new().expect("a channel");
    pump.tape = Some(channel.port2());
    let told = Rc::new(RefCell::new(Vec::new()));
    let hear = {
        let told = Rc::clone(&told);
        Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            let bytes = event.data().unchecked_into::<Uint8Array>().to_vec();
            told.borrow_mut().push(codec::decode::<Piece>(&bytes).expect("a piece"));
        })
    };
    channel.port1().set_onmessage(Some(hear.as_ref().unchecked_ref()));
    // It stands for election, writes its vote, and is gone in the middle of the flush.
    while pump.turn(iter::empty(), &|_| {}).is_ok() {
        scope::sleep(10).await;
    }
    assert_eq!(pump.node.view().term, Term(1), "it has written that it stands");
    // What was posted arrives a moment later.
    for _ in 0..1_000 {
        if told.borrow().is_empty() {
            scope::sleep(1).await;
        }
    }
    let told = told.borrow();
    let steps = told.iter().flat_map(|piece| match piece {
        Piece::Steps(steps) => steps.as_slice(),
        _ => &[],
    });
    let mut recorder = self::pump(&Rc::new(Cell::new(0)), 0.0).node;
    let mut outbox = NodeOutbox::default();
    for step in steps.cloned() {
        match step {
            Step::Take(at, input) => recorder.take(at, input, &mut outbox),
            Step::Flush => recorder.flush(&mut outbox),
        }
    }
    assert_eq!(recorder.view().term, Term(1), "and the recorder knows it");
    assert!(outbox.sync.is_some(), "with the write that it is in");
}

fn pump(flushes: &Rc<Cell<u32>>, flush_ms: f64) -> Pump {
    pump_on(flushes, flush_ms, &Rc::default())
}

fn pump_on(flushes: &Rc<Cell<u32>>, flush_ms: f64, is_full: &Rc<Cell<bool>>) -> Pump {
    let disk = SmallFile {
        file: MemoryLog::default(),
        flushes: Rc::clone(flushes),
        is_full: Rc::clone(is_full),
        flush_ms,
    };
    let boot = seat::boot(1, 1, None);
    let mut outbox = NodeOutbox::default();
    let (node, _) =
        Node::boot(NodeConfig::from(&boot), [&[], &[]], Instant(0), &mut outbox).expect("a good configuration");
    let ports = Ports::new(|_: NodeId, _: Vec<u8>| {});
    Pump {
        node,
        clock: Clock::new(boot.clock),
        disk: Disk::new([Box::new(disk), Box::new(MemoryLog::default())])
            .expect("files in memory know how long they are"),
        room: Room::default(),
        ports,
        tape: None,
        outbox,
        said: Vec::new(),
        synced: None,
        reported_wall_ms: 0.0,
        marker_wall_ms: None,
    }
}
