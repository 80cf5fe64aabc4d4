//! A node's life in its Worker: it waits to be told who it is, opens its log, recovers, runs, and ends.

use std::cell::{Cell, RefCell};
use std::mem;
use std::rc::{Rc, Weak};

use cluster::batch::{Ahead, Batch};
use cluster::clock::Clock;
use cluster::codec;
use cluster::host::{Boot, FromNode, Recovery, Remedy, Storage, ToNode};
use cluster::node::{Node, NodeConfig, NodeOutbox};
use cluster::record::{Durability, Origin, Piece};
use raft_core::{Instant, NodeId};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;
use web_sys::MessagePort;

use crate::port::{self, Ports};
use crate::pump::{Arrival, NextTurn, Pump};
use crate::room::{ROOM_PAUSE_MS, Room};
use crate::scope;
use crate::storage::{self, StorageError};
use crate::wake::Waker;

/// One node's host. A Worker has one; tests have several.
pub struct Host {
    this: Weak<Host>,
    arrivals: RefCell<Vec<Arrival>>,
    stage: RefCell<Stage>,
    waker: Waker,
    /// Whether the last turn flushed.
    flushed: Cell<bool>,
    say: Box<dyn Fn(Batch<FromNode>)>,
}

enum Stage {
    /// Nobody has said which node this is.
    Waiting,
    /// The log is being opened. What arrives meanwhile waits.
    Opening,
    /// The node takes part.
    Running(Box<Pump>),
    /// The node was refused or failed. It says nothing any more. The ports are closed: a message that came through one of them may have ended it.
    Ended(Option<Ports>),
}

impl Host {
    /// A host that waits for [`ToNode::Boot`] and tells the page things through `say`.
    pub fn new(say: impl Fn(Batch<FromNode>) + 'static) -> Rc<Host> {
        Rc::new_cyclic(|this: &Weak<Host>| {
            let woken = this.clone();
            let run = move || {
                if let Some(host) = woken.upgrade() {
                    host.turn();
                }
            };
            Host {
                this: this.clone(),
                arrivals: RefCell::default(),
                stage: RefCell::new(Stage::Waiting),
                waker: Waker::new(run),
                flushed: Cell::new(false),
                say: Box::new(say),
            }
        })
    }

    /// Takes what the page posted. A page that cannot be understood is of another version: the node does not take part.
    pub fn hear(&self, data: &JsValue) {
        let Some((bytes, port)) = port::unpack(data) else {
            return self.refuse("the page sent something that is not bytes".into(), Remedy::Reload);
        };
        let batch = match codec::decode::<Batch<ToNode>>(&bytes) {
            Ok(batch) => batch,
            Err(error) => {
                return self.refuse(
                    format!("the page and this Worker are not of one version: {error}"),
                    Remedy::Reload,
                );
            }
        };
        let mut port = port;
        let mut arrivals = vec![Arrival::Time(batch.sent_at)];
        for message in batch.messages {
            match message {
                ToNode::Boot(boot) => self.boot(*boot, port.take()),
                message => arrivals.push(Arrival::Page(Box::new(message), port.take())),
            }
        }
        self.arrive(arrivals);
    }

    /// Becomes the node that `boot` describes. Said once; a second time changes nothing.
    fn boot(&self, boot: Boot, tape: Option<MessagePort>) {
        if !matches!(*self.stage.borrow(), Stage::Waiting) {
            return;
        }
        *self.stage.borrow_mut() = Stage::Opening;
        scope::agree(Ahead {
            least_ms: boot.ahead_ms_least,
            most_ms: scope::own_wall_ms() - boot.clock.wall_ms,
        });
        let this = self.this.clone();
        spawn_local(async move {
            let mut recovered = recover(&boot, this.clone(), tape).await;
            loop {
                // A host that was dropped meanwhile wants no node.
                let Some(host) = this.upgrade() else { return };
                match recovered {
                    Ok(recovered) if recovered.pump.room.due().is_none() => return host.run(recovered),
                    Ok(_) => {}
                    Err(Unable::Refused(why, remedy)) => return host.refuse(why, remedy),
                    Err(Unable::NoFiles(why)) => return host.give_up(why),
                }
                drop(host);
                // What was found is not promised anew before it is flushed.
                scope::sleep(ROOM_PAUSE_MS).await;
                recovered = recovered.and_then(|recovered| recovered.write(&this));
            }
        });
    }

    fn run(&self, recovered: Recovered) {
        let Recovered {
            mut pump,
            storage,
            recovery,
        } = recovered;
        pump.said.push(FromNode::Booted { storage, recovery });
        *self.stage.borrow_mut() = Stage::Running(pump);
        self.turn();
    }

    /// Takes what has arrived: at once, if nothing else is about to happen.
    fn arrive(&self, arrivals: impl IntoIterator<Item = Arrival>) {
        let mut waiting = self.arrivals.borrow_mut();
        for arrival in arrivals {
            // A node that cannot boot for want of room hears its peers all the same. It loses what a network may lose.
            if waiting.len() < ARRIVALS_MAX || !matches!(arrival, Arrival::Frame(..)) {
                waiting.push(arrival);
            }
        }
        drop(waiting);
        let is_due = match &mut *self.stage.borrow_mut() {
            Stage::Running(pump) => pump.is_due(),
            _ => return,
        };
        // During a flush much may have arrived: what comes right after it is taken together.
        let is_one_of_many = self.flushed.get() && self.waker.has_just_turned();
        if is_due || is_one_of_many || self.waker.is_awake() {
            self.waker.wake();
        } else {
            self.turn();
        }
    }

    fn turn(&self) {
        let turned = match &mut *self.stage.borrow_mut() {
            Stage::Running(pump) => {
                let mut arrivals = self.arrivals.take();
                let turned = pump.turn(arrivals.drain(..), &self.say);
                // Nothing arrives during a turn, so the room can be used again.
                self.arrivals.replace(arrivals);
                turned
            }
            _ => return,
        };
        if let Some(late_ms) = self.waker.turned() {
            let wall_us = (late_ms * 1000.0) as u64;
            (self.say)(Batch::of(Instant(0), FromNode::Late { wall_us }));
        }
        match turned {
            Ok(NextTurn::AtOnce { stalled: false }) => self.waker.wake(),
            Ok(NextTurn::AtOnce { stalled: true }) => self.waker.wake_after_stall(),
            Ok(NextTurn::At { due_wall_ms, flushed }) => {
                self.flushed.set(flushed);
                self.waker.wake_at(due_wall_ms);
            }
            Err(error) => self.fail(error),
        }
    }

    fn refuse(&self, why: String, remedy: Remedy) {
        self.end();
        self.say_last(FromNode::Refused { why, remedy });
    }

    fn give_up(&self, why: String) {
        self.end();
        self.say_last(FromNode::NoFiles { why });
    }

    /// A disk that failed once has lost nobody knows what. Only a restart, which reads it again, can tell.
    fn fail(&self, error: StorageError) {
        self.end();
        let message = format!("the node's disk failed: {error}");
        self.say_last(FromNode::Died { message });
    }

    /// Says why the node has ended: not when, for the page has heard later things of it.
    fn say_last(&self, message: FromNode) {
        (self.say)(Batch::of(Instant(0), message));
    }

    fn end(&self) {
        let mut stage = self.stage.borrow_mut();
        let ports = match mem::replace(&mut *stage, Stage::Ended(None)) {
            Stage::Running(pump) => {
                let Pump { mut ports, .. } = *pump;
                ports.close();
                Some(ports)
            }
            Stage::Ended(ports) => ports,
            Stage::Waiting | Stage::Opening => None,
        };
        *stage = Stage::Ended(ports);
        drop(stage);
        self.arrivals.borrow_mut().clear();
        self.waker.wake_at(None);
    }
}

/// How many messages wait for a node that boots, or for a turn, before frames are lost.
const ARRIVALS_MAX: usize = 65_536;

/// Why a node cannot take part.
enum Unable {
    /// What is wrong, and what helps.
    Refused(String, Remedy),
    /// The browser gives it no files.
    NoFiles(String),
}

/// What recovery gives.
struct Recovered {
    pump: Box<Pump>,
    storage: Storage,
    recovery: Recovery,
}

impl Recovered {
    /// Writes what the node asks for at boot; not all of it, if there is no room.
    fn write(mut self, host: &Weak<Host>) -> Result<Recovered, Unable> {
        let say = |batch: Batch<FromNode>| {
            if let Some(host) = host.upgrade() {
                (host.say)(batch);
            }
        };
        self.pump.carry_out(&say).map_err(unreadable)?;
        Ok(self)
    }
}

fn unreadable(error: impl Into<StorageError>) -> Unable {
    match error.into() {
        StorageError::NotGiven(why) => Unable::NoFiles(why),
        error => Unable::Refused(error.to_string(), Remedy::Restart),
    }
}

/// Opens the disk, with what it is to hold if the node goes on from the past. Waits for room as long as it takes.
async fn open(boot: &Boot, host: &Weak<Host>) -> Result<storage::Opened, StorageError> {
    let directory = boot.directory.as_ref().map(String::as_str).map_err(String::as_str);
    let resumes_from = boot.resume.as_ref().and_then(|resume| resume.file.as_ref());
    loop {
        let opened = storage::open(directory, boot.id).await.and_then(|mut opened| {
            resumes_from.map_or(Ok(()), |file| opened.disk.replace(file))?;
            Ok(opened)
        });
        match (opened, host.upgrade()) {
            (Err(StorageError::NoRoom(why)), Some(host)) => {
                let lacking = Some(why);
                (host.say)(Batch::of(Instant(0), FromNode::Room { lacking }));
            }
            (opened, _) => return opened,
        }
        scope::sleep(ROOM_PAUSE_MS).await;
    }
}

/// Opens and reads the disk and boots the node from it, or goes on from where it is told to.
async fn recover(boot: &Boot, host: Weak<Host>, tape: Option<MessagePort>) -> Result<Recovered, Unable> {
    let refused = |why: String, remedy| Unable::Refused(why, remedy);
    let started = scope::wall_ms();
    let storage::Opened {
        mut disk,
        storage,
        files_were_missing,
    } = open(boot, &host).await.map_err(unreadable)?;
    let [first, second] = disk.read_all().map_err(unreadable)?;
    let mut clock = Clock::new(boot.clock);
    let mut outbox = NodeOutbox::default();
    let now = clock.now(scope::wall_ms());
    let config = NodeConfig::from(boot);
    let booted = Node::boot(config.clone(), [&first, &second], now, &mut outbox);
    let (mut node, mut recovery) = booted.map_err(|error| refused(error.to_string(), Remedy::Wipe))?;
    recovery.wall_ms = scope::wall_ms() - started;
    let mut origin = Origin::Disk {
        config,
        files: [first, second],
        durability: match &storage {
            Storage::Memory { .. } => Durability::Memory,
            Storage::Opfs if files_were_missing && boot.boot > 1 => Durability::Cleared,
            Storage::Opfs => Durability::Kept,
        },
    };
    if let Some(state) = boot.resume.as_ref().and_then(|resume| resume.state.as_ref()) {
        node = Node::load(state).map_err(|error| refused(error.to_string(), Remedy::Reload))?;
        if node.epoch() != boot.epoch {
            return Err(refused(
                format!(
                    "the state it is to go on from belongs to {}, and this is {}",
                    node.epoch(),
                    boot.epoch
                ),
                Remedy::Reload,
            ));
        }
        node.begin_boot(boot.boot);
        origin = Origin::State(node.save());
        // The file is as the state wants it; what waits for a flush is in there.
        outbox = NodeOutbox {
            open_disk: outbox.open_disk.take(),
            sync: node.awaited(),
            ..NodeOutbox::default()
        };
    }
    if let Some(port) = &tape {
        node.record();
        port::post(port, &Piece::Began { origin, at: now });
    }
    let (this, receiver) = (host.clone(), host);
    let receive = move |from: NodeId, bytes: Vec<u8>| {
        if let Some(host) = receiver.upgrade() {
            host.arrive([Arrival::Frame(from, bytes)]);
        }
    };
    let pump = Pump {
        node,
        clock,
        disk,
        room: Room::default(),
        ports: Ports::new(receive),
        tape,
        outbox,
        said: Vec::new(),
        synced: None,
        reported_wall_ms: 0.0,
        marker_wall_ms: None,
    };
    let recovered = Recovered {
        pump: Box::new(pump),
        storage,
        recovery,
    };
    recovered.write(&this)
}
