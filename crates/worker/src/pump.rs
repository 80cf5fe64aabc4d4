//! The run loop: what one turn of a node does.

use std::mem;

use cluster::batch::Batch;
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
    /// The page was at this time when it posted what comes next.
    Time(Instant),
    /// From the page, with the port that was transferred along.
    Page(Box<ToNode>, Option<MessagePort>),
    /// From a peer.
    Frame(NodeId, Vec<u8>),
}

/// A flush that took longer than this, in wall microseconds, stalled the Worker: messages have piled up meanwhile.
const STALL_US: u64 = 8_000;

/// How long a marker that vouches for what is flushed waits for the next write, in wall milliseconds. Nobody waits for it; and the first write after
/// a flush may take as long as the flush.
const MARKER_MS: f64 = 20.0;

/// When the run loop is to run again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NextTurn {
    /// After all that has arrived by now.
    AtOnce {
        /// Whether so much time has passed that messages have to be given time to come in.
        stalled: bool,
    },
    /// When something arrives, or before.
    At {
        /// At this wall time, in milliseconds; none: only when something arrives.
        due_wall_ms: Option<f64>,
        /// Whether this turn flushed: then much may have arrived meanwhile, and is to be taken together.
        flushed: bool,
    },
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
    /// What is to be said to the page and was not posted yet.
    pub said: Vec<FromNode>,
    /// The flush that the node has not been told of, and how long it took, in wall microseconds.
    pub synced: Option<(WriteId, u64)>,
    /// When it reported last, in wall milliseconds.
    pub reported_wall_ms: f64,
    /// Since when a marker waits in the outbox, in wall milliseconds, if one does.
    pub marker_wall_ms: Option<f64>,
}

impl Pump {
    /// Takes everything that has arrived and the flush of the turn before, steps the node for all of it, writes and flushes
    /// once, sends what may be sent, and reports. Says when the next turn is due.
    ///
    /// A turn flushes once. What follows from a quick flush is sent at once; from a slow one, with the next turn, after what has arrived
    /// meanwhile: a disk may be so slow that a node which only flushed would never hear anything. The timer comes last: a Worker that was
    /// stalled must not stand for election while its leader's heartbeats wait in its queue.
    ///
    /// # Errors
    /// The disk failed. What is durable is unknown then, and the node must not go on.
    pub fn turn(
        &mut self,
        arrivals: impl Iterator<Item = Arrival>,
        say: &dyn Fn(Batch<FromNode>),
    ) -> Result<NextTurn, StorageError> {
        let mut now = self.now();
        for arrival in arrivals {
            if let Arrival::Time(at) = arrival {
                self.clock.witness(scope::wall_ms(), at);
                now = self.now();
            }
            self.take(now, arrival);
        }
        self.take_synced();
        self.pass_time();
        self.node.flush(&mut self.outbox);
        self.carry_out(say)?;
        let took_us = self.synced.map(|(_, wall_us)| wall_us);
        let stalled = took_us.is_some_and(|wall_us| wall_us > STALL_US);
        if took_us.is_some() && !stalled {
            self.take_synced();
            self.node.flush(&mut self.outbox);
            self.talk(say);
        }
        let report_due = self.report();
        self.post(say);
        if stalled || self.outbox.sync.is_some() {
            return Ok(NextTurn::AtOnce { stalled });
        }
        let due = [report_due, self.deadline(), self.room.due(), self.marker_due()];
        Ok(NextTurn::At {
            due_wall_ms: due.into_iter().flatten().reduce(f64::min),
            flushed: took_us.is_some(),
        })
    }

    /// Whether a timer has run out: then what has arrived is to be taken before that is looked at.
    pub fn is_due(&mut self) -> bool {
        self.node.deadline() <= self.now()
    }

    /// Does what the outbox asks. The node learns of the flush in the next turn; without room on the disk, in a later one.
    ///
    /// # Errors
    /// The disk failed.
    pub fn carry_out(&mut self, say: &dyn Fn(Batch<FromNode>)) -> Result<(), StorageError> {
        let marker_waits = self.marker_due().is_some_and(|due| scope::wall_ms() < due);
        if !marker_waits {
            self.write()?;
        }
        self.talk(say);
        if let Some(write) = self.outbox.sync {
            self.room.ask(write);
        }
        self.synced = self.room.flush(&mut self.disk, &mut self.said)?;
        if !marker_waits {
            self.outbox.clear();
        }
        self.post(say);
        Ok(())
    }

    /// Until when a marker may wait for more to write, in wall milliseconds, if it is all that is to be written. It waits from now on, if it
    /// did not.
    fn marker_due(&mut self) -> Option<f64> {
        let todo = &self.outbox;
        let is_all = todo.sync.is_none() && todo.open_disk.is_none() && !todo.switch_disk;
        let waits = is_all && !todo.disk.is_empty();
        waits.then(|| *self.marker_wall_ms.get_or_insert_with(scope::wall_ms) + MARKER_MS)
    }

    /// Writes what is to be written.
    fn write(&mut self) -> Result<(), StorageError> {
        self.marker_wall_ms = None;
        if self.outbox.disk.is_empty() && self.outbox.open_disk.is_none() && !self.outbox.switch_disk {
            return Ok(());
        }
        self.tell_tape();
        if let Some(open) = &self.outbox.open_disk {
            self.disk.go_on(open)?;
        }
        if self.outbox.switch_disk {
            self.disk.switch()?;
        }
        if !self.outbox.disk.is_empty() {
            self.disk.append(&self.outbox.disk)?;
        }
        Ok(())
    }

    /// Tells the node of the flush that it has not been told of.
    fn take_synced(&mut self) {
        if let Some((write, wall_us)) = self.synced.take() {
            let now = self.now();
            let synced = NodeInput::Synced { write, wall_us };
            self.node.take(now, synced, &mut self.outbox);
        }
    }

    fn take(&mut self, now: Instant, arrival: Arrival) {
        let input = match arrival {
            Arrival::Time(_) => return,
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
                    return self.said.push(FromNode::Recorded { request, recorded });
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
            self.clock.witness(scope::wall_ms(), instant);
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

    /// Sends what the outbox has for peers and clients: it rests on nothing that is yet to be flushed. Answers are posted at once: a report, which is
    /// much more to take in, comes in a batch of its own after them.
    fn talk(&mut self, say: &dyn Fn(Batch<FromNode>)) {
        if self.outbox.frames.is_empty() && self.outbox.replies.is_empty() && self.outbox.leading.is_none() {
            return;
        }
        self.tell_tape();
        for (peer, frame) in self.outbox.frames.drain(..) {
            self.ports.send(peer, &frame);
        }
        let replies = self.outbox.replies.drain(..);
        self.said
            .extend(replies.map(|(request, reply)| FromNode::Reply { request, reply }));
        if let Some(term) = self.outbox.leading.take() {
            self.said.push(FromNode::Leading { term });
        }
        self.post(say);
    }

    /// Posts to the page what is to be said to it.
    fn post(&mut self, say: &dyn Fn(Batch<FromNode>)) {
        if !self.said.is_empty() {
            say(Batch {
                sent_at: self.now(),
                messages: mem::take(&mut self.said),
            });
        }
    }

    /// Reports if there is news and the last report is long enough ago; else says when to.
    fn report(&mut self) -> Option<f64> {
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
            self.said.push(FromNode::Report(Box::new(report)));
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
