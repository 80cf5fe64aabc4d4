//! A seat for one node in the Worker that runs the tests, with the test in the place of the page.

use std::cell::RefCell;
use std::rc::Rc;

use cluster::Epoch;
use cluster::batch::Batch;
use cluster::clock::ClockSetting;
use cluster::codec;
use cluster::host::{Boot, FromNode, Recovery, Reply, Report, Request, RequestId, Storage, ToNode};
use ftqueue::{Answer, Label, QueueId, Sequence, SessionId, Write};
use js_sys::Reflect;
use netem::LinkSettings;
use raft_core::{COMPACT_AFTER_ENTRIES, Instant, NodeId, Rules, Term, Timing};
use web_sys::{MessageChannel, MessagePort};
use worker::host::Host;
use worker::storage::{self, Disk, MemoryLog};
use worker::{port, scope};

/// How long a test waits for what must come.
const PATIENCE_MS: f64 = 5_000.0;

/// Why a node of a test has its log in memory.
pub(crate) const IN_MEMORY: &str = "a test keeps nothing";

/// A node and what it has said.
pub(crate) struct Seat {
    pub(crate) id: NodeId,
    host: Rc<Host>,
    heard: Rc<RefCell<Vec<FromNode>>>,
    requests: RefCell<u64>,
}

impl Seat {
    /// A host that has not been told what it is.
    pub(crate) fn vacant(id: u8) -> Seat {
        let heard: Rc<RefCell<Vec<FromNode>>> = Rc::default();
        let ear = Rc::clone(&heard);
        let host = Host::new(move |batch| ear.borrow_mut().extend(batch.messages));
        Seat {
            id: NodeId(id),
            host,
            heard,
            requests: RefCell::default(),
        }
    }

    /// A node of a cluster of `members`, told to boot.
    pub(crate) fn boot(id: u8, members: u8, directory: Option<&str>) -> Seat {
        let seat = Seat::vacant(id);
        seat.say(&ToNode::Boot(Box::new(boot(id, members, directory))));
        seat
    }

    pub(crate) fn say(&self, message: &ToNode) {
        self.post(&bytes(message), None);
    }

    pub(crate) fn connect(&self, peer: NodeId, port: MessagePort) {
        self.post(&bytes(&ToNode::Connect { peer }), Some(port));
    }

    pub(crate) fn post(&self, bytes: &[u8], port: Option<MessagePort>) {
        let parcel = port::parcel(bytes);
        if let Some(port) = port {
            Reflect::set(&parcel, &"port".into(), &port).unwrap();
        }
        self.host.hear(&parcel);
    }

    /// The first thing heard, ever, of which `find` makes something; waits for it.
    pub(crate) async fn hears<T>(&self, what: &str, find: impl Fn(&FromNode) -> Option<T>) -> T {
        let started = scope::wall_ms();
        loop {
            if let Some(found) = self.heard.borrow().iter().find_map(&find) {
                return found;
            }
            let waited = scope::wall_ms() - started;
            assert!(
                waited < PATIENCE_MS,
                "{} said no {what}, but {:?}",
                self.id,
                self.heard.borrow()
            );
            scope::sleep(2).await;
        }
    }

    pub(crate) fn has_heard(&self, find: impl Fn(&FromNode) -> Option<()>) -> bool {
        self.heard.borrow().iter().any(|message| find(message).is_some())
    }

    /// Everything heard so far, for good.
    pub(crate) fn forget(&self) -> Vec<FromNode> {
        self.heard.take()
    }

    pub(crate) async fn booted(&self) -> (Storage, Recovery) {
        self.hears("Booted", |message| match message {
            FromNode::Booted { storage, recovery } => Some((storage.clone(), recovery.clone())),
            _ => None,
        })
        .await
    }

    pub(crate) async fn refused(&self) -> String {
        self.hears("Refused", |message| match message {
            FromNode::Refused { why, .. } => Some(why.clone()),
            _ => None,
        })
        .await
    }

    pub(crate) async fn leading(&self) -> Term {
        self.hears("Leading", |message| match message {
            FromNode::Leading { term } => Some(*term),
            _ => None,
        })
        .await
    }

    pub(crate) async fn reports<T>(&self, what: &str, find: impl Fn(&Report) -> Option<T>) -> T {
        self.hears(what, |message| match message {
            FromNode::Report(report) => find(report),
            _ => None,
        })
        .await
    }

    pub(crate) fn ask(&self, body: Request) -> RequestId {
        let number = *self.requests.borrow() + 1;
        self.requests.replace(number);
        let request = RequestId(number);
        self.say(&ToNode::Request { request, body });
        request
    }

    pub(crate) async fn reply_to(&self, asked: RequestId) -> Reply {
        self.hears("Reply", |message| match message {
            FromNode::Reply { request, reply } if *request == asked => Some(*reply),
            _ => None,
        })
        .await
    }

    pub(crate) async fn open_session(&self) -> SessionId {
        let asked = self.ask(Request::OpenSession { nonce: 0 });
        match self.reply_to(asked).await {
            Reply::SessionOpened(session) => session,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn write(&self, session: SessionId, sequence: u64, write: Write) -> Answer {
        let asked = self.ask(Request::Write {
            session,
            sequence: Sequence(sequence),
            write,
        });
        match self.reply_to(asked).await {
            Reply::Answered(Ok(answer)) => answer,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn create_queue(&self, session: SessionId, sequence: u64, label: i64) -> QueueId {
        match self
            .write(session, sequence, Write::CreateQueue { label: Label(label) })
            .await
        {
            Answer::Qid(qid) => qid,
            other => panic!("{other:?}"),
        }
    }
}

/// What a page posts to say this.
pub(crate) fn bytes(message: &ToNode) -> Vec<u8> {
    codec::encode(&Batch::of(Instant(0), message.clone()))
}

/// What a node is told at boot: links that take a millisecond, real time.
pub(crate) fn boot(id: u8, members: u8, directory: Option<&str>) -> Boot {
    Boot {
        id: NodeId(id),
        members: (1..=members).map(NodeId).collect(),
        timing: Timing::default(),
        rules: Rules::default(),
        compact_after: COMPACT_AFTER_ENTRIES,
        boot: 1,
        epoch: Epoch::default(),
        seed: u64::from(id),
        clock: clock(),
        ahead_ms_least: 0.0,
        directory: directory.map(String::from).ok_or_else(|| IN_MEMORY.into()),
        links: (1..=members)
            .filter(|peer| *peer != id)
            .map(|peer| (NodeId(peer), quick()))
            .collect(),
        resume: None,
    }
}

pub(crate) fn clock() -> ClockSetting {
    ClockSetting {
        wall_ms: scope::wall_ms(),
        virtual_now: Instant(0),
        rate: 1.0,
        until: None,
    }
}

pub(crate) fn quick() -> LinkSettings {
    LinkSettings {
        delay_us: 1_000,
        jitter_us: 0,
        loss: 0.0,
        duplicate: 0.0,
        reorder: false,
        cut: false,
    }
}

/// Joins two nodes by a channel, as the page does.
pub(crate) fn join(one: &Seat, other: &Seat) {
    let channel = MessageChannel::new().unwrap();
    one.connect(other.id, channel.port1());
    other.connect(one.id, channel.port2());
}

/// A directory that no test had before.
pub(crate) fn fresh(name: &str) -> String {
    format!("ftqueue-test/{name}-{}", scope::wall_ms())
}

/// The first log file of a node, with nothing beside it.
pub(crate) async fn first_file(directory: &str, id: u8) -> Disk {
    let storage::OpenedFile { log, storage, .. } = storage::open_file(Ok(directory), &format!("node-{id}.wal"))
        .await
        .expect("the log opens");
    assert_eq!(storage, Storage::Opfs, "this browser has private files");
    Disk::new([log, Box::new(MemoryLog::default())]).expect("a file knows how long it is")
}
