//! The run loop: what one turn of a node does.

use std::mem;

use cluster::clock::Clock;
use cluster::host::{FromNode, REPORT_INTERVAL_MS, ToNode};
use cluster::node::{Node, NodeInput, NodeOutbox, WriteId};
use cluster::record::Piece;
use raft_core::{Instant, NodeId};
use web_sys::MessagePort;

use crate::port::{self, Ports};
use crate::room::Room;
use crate::scope;
use crate::storage::{Disk, StorageError};

/// Something that reached the Worker and that the node has not taken yet.
pub enum Arrival {
    /// From the page, with the port that was transferred along.
    Page(Box<ToNode>, Option<MessagePort>),
    /// From a peer.
    Frame(NodeId, Vec<u8>),
}

/// A flush that took longer than this, in wall microseconds, stalled the Worker: messages have piled up meanwhile.
const STALL_US: u64 = 8_000;

/// When the run loop is to run again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NextTurn {
    /// After all that has arrived by now.
    AtOnce {
        /// Whether so much time has passed that messages have to be given time to come in.
        stalled: bool,
    },
    /// At this wall time, in milliseconds; none: when something arrives.
    At(Option<f64>),
}

/// A node that runs: the node, its time, its disk, its network.
pub struct Pump {
    /// The node.
    pub node: Node,
    /// Its time.
    pub clock: Clock,
    /// Its disk.
    pub disk: Disk,
    /// What is to be flushed there.
    pub room: Room,
    /// Its network.
    pub ports: Ports,
    /// Where what goes into the node is kept, if it is.
    pub tape: Option<MessagePort>,
    /// What the last steps asked for and has not been done yet.
    pub outbox: NodeOutbox,
    /// The flush that the node has not been told of, and how long it took, in wall microseconds.
    pub synced: Option<(WriteId, u64)>,
    /// When it reported last, in wall milliseconds.
    pub reported_wall_ms: f64,
}

impl Pump {
    /// Takes everything that has arrived and then the flush of the turn before, steps the node for all of it, writes and flushes
    /// once, sends what may be sent, and reports. Says when the next turn is due.
    ///
    /// A turn flushes once, and what follows from that comes with the next, after what has arrived meanwhile: a disk may be so slow
    /// that a node which only flushed would never hear anything. The timer comes last: a Worker that was stalled must not stand for
    /// election while its leader's heartbeats wait in its queue.
    ///
    /// # Errors
    /// The disk failed. What is durable is unknown then, and the node must not go on.
    pub fn turn(
        &mut self,
        arrivals: impl Iterator<Item = Arrival>,
        say: &dyn Fn(FromNode),
    ) -> Result<NextTurn, StorageError> {
        let now = self.now();
        for arrival in arrivals {
            self.take(now, arrival, say);
        }
        if let Some((write, wall_us)) = self.synced.take() {
            let synced = NodeInput::Synced { write, wall_us };
            self.node.take(now, synced, &mut self.outbox);
        }
        self.pass_time();
        self.node.flush(&mut self.outbox);
        self.carry_out(say)?;
        let report_due = self.report(say);
        Ok(match self.synced {
            Some((_, wall_us)) => NextTurn::AtOnce {
                stalled: wall_us > STALL_US,
            },
            None => NextTurn::At(earlier(earlier(report_due, self.deadline()), self.room.due())),
        })
    }

    /// Does what the outbox asks. The node learns of the flush in the next turn; without room on the disk, in a later one.
    ///
    /// # Errors
    /// The disk failed.
    pub fn carry_out(&mut self, say: &dyn Fn(FromNode)) -> Result<(), StorageError> {
        let mut todo = mem::take(&mut self.outbox);
        let is_seen = !todo.frames.is_empty() || !todo.replies.is_empty() || todo.leading.is_some();
        if is_seen || !todo.disk.is_empty() || todo.open_disk.is_some() || todo.switch_disk {
            self.tell_tape();
        }
        if let Some(open) = &todo.open_disk {
            self.disk.go_on(open)?;
        }
        if todo.switch_disk {
            self.disk.switch()?;
        }
        if !todo.disk.is_empty() {
            self.disk.append(&todo.disk)?;
        }
        self.talk(&todo, say);
        if let Some(write) = todo.sync {
            self.room.ask(write);
        }
        self.synced = self.room.flush(&mut self.disk, say)?;
        todo.clear();
        self.outbox = todo;
        Ok(())
    }

    fn take(&mut self, now: Instant, arrival: Arrival, say: &dyn Fn(FromNode)) {
        let input = match arrival {
            Arrival::Frame(from, bytes) => NodeInput::Arrive { from, bytes },
            Arrival::Page(message, port) => match *message {
                // A node is booted once; the page starts a new Worker for each boot.
                ToNode::Boot(_) => return,
                ToNode::Connect { peer } => {
                    if let Some(port) = port {
                        self.ports.connect(peer, port);
                    }
                    return;
                }
                ToNode::SetClock(setting) => return self.clock.set(setting),
                ToNode::Describe { request } => {
                    let recorded = self.node.recorded();
                    return say(FromNode::Recorded { request, recorded });
                }
                ToNode::SetLink { peer, settings } => NodeInput::SetLink { peer, settings },
                ToNode::SetInbound { peer, cut } => NodeInput::SetInbound { peer, cut },
                ToNode::Operate { message, surgery } => NodeInput::Operate { message, surgery },
                ToNode::FireTimer => NodeInput::FireTimer,
                ToNode::SetTiming(timing) => NodeInput::SetTiming(timing),
                ToNode::SetPaused(paused) => NodeInput::SetPaused(paused),
                ToNode::Request { request, body } => NodeInput::Request { request, body },
            },
        };
        self.node.take(now, input, &mut self.outbox);
    }

    /// Lets the node's timers run out. A clock that fell behind is first put where the peers say that they are: else the
    /// heartbeats that came from there would seem to arrive later than the timer that they are to hold off.
    fn pass_time(&mut self) {
        if let Some(instant) = self.outbox.witnessed.take() {
            self.clock.witness(instant);
        }
        let now = self.now();
        self.node.take(now, NodeInput::Tick, &mut self.outbox);
    }

    /// Posts what went into the node: with each report, and before anything that follows from it leaves the node or is written. No message
    /// is to be seen that nobody sent; and should the Worker be terminated in the middle of a write, nothing is to be found on the disk that
    /// nobody knows of.
    fn tell_tape(&mut self) {
        if let Some(tape) = &self.tape {
            let steps = self.node.take_steps();
            if !steps.is_empty() {
                port::post(tape, &Piece::Steps(steps));
            }
        }
    }

    /// Sends what rests on nothing that this turn has yet to flush.
    fn talk(&mut self, todo: &NodeOutbox, say: &dyn Fn(FromNode)) {
        for (peer, frame) in &todo.frames {
            self.ports.send(*peer, frame);
        }
        for (request, reply) in &todo.replies {
            say(FromNode::Reply {
                request: *request,
                reply: *reply,
            });
        }
        if let Some(term) = todo.leading {
            say(FromNode::Leading { term });
        }
    }

    /// Reports if there is news and the last report is long enough ago; else says when to.
    fn report(&mut self, say: &dyn Fn(FromNode)) -> Option<f64> {
        if !self.node.has_news() {
            return None;
        }
        let wall_ms = scope::wall_ms();
        let due = self.reported_wall_ms + f64::from(REPORT_INTERVAL_MS);
        if wall_ms < due {
            return Some(due);
        }
        self.reported_wall_ms = wall_ms;
        self.tell_tape();
        let now = self.now();
        if let Some(report) = self.node.take_report(now) {
            say(FromNode::Report(Box::new(report)));
        }
        None
    }

    /// The wall time of the node's deadline; earlier, where the clock wants to be looked at again.
    fn deadline(&self) -> Option<f64> {
        let wall_ms = scope::wall_ms();
        self.clock
            .wall_delay_ms(self.node.deadline(), wall_ms)
            .map(|delay_ms| wall_ms + delay_ms)
    }

    fn now(&mut self) -> Instant {
        self.clock.now(scope::wall_ms())
    }
}

fn earlier(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
