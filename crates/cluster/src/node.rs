//! One node, whole but for a clock, a network and a disk.
//!
//! A [`Node`] joins the core, the queues, the write-ahead log, the links to its peers and the requests of its clients.
//! Like the core it is a function: [`Node::step`] takes one [`NodeInput`] and says in a [`NodeOutbox`] what its host is
//! to do. A Web Worker and the simulator host the same node.
//!
//! A host's turn: [`Node::take`] all that has arrived and then a tick, with one outbox, and [`Node::flush`]. Append the
//! outbox's `disk` to the file; post its `frames` and `replies`; if it asks for a `sync`, flush the file, take
//! [`NodeInput::Synced`] and carry out what that asks for in turn. Frames and replies may go before the file is flushed,
//! for none of them rests on bytes that the same outbox still asks to flush.

mod inputs;
mod io;
mod outputs;

use std::collections::VecDeque;

use ftqueue::{Command, FtQueue, Output};
use netem::LinkSettings;
use raft_core::{Config, Duration, HardState, Input, Instant, LogIndex, NodeId, PersistId, Raft, View};
use serde::{Deserialize, Serialize};

use crate::Epoch;
use crate::arrivals::Arrivals;
use crate::codec::{self, DecodeError};
use crate::host::{Arriving, Description, Fact, QueuesSummary, Recorded, Recovery, Report, Status};
use crate::journal::Journal;
use crate::links::Links;
use crate::record::{Recorder, Step};
use crate::replica::Replica;
use crate::requests::Requests;
use crate::state;
use crate::wal::{self, Files, Identity, Writer};

pub use io::{BootError, NodeConfig, NodeInput, NodeOutbox, OpenDisk, WriteId};

/// One node.
///
/// All of it can be written ([`Node::save`]) but what is not its own: what it has not reported yet, and what is recorded.
#[derive(Debug, Serialize, Deserialize)]
pub struct Node {
    id: NodeId,
    members: Vec<NodeId>,
    boot: u32,
    now: Instant,
    raft: Raft<Replica>,
    /// Empty between two inputs.
    #[serde(skip, default = "CoreOutbox::default")]
    core_outbox: CoreOutbox,
    writer: Writer,
    /// Whether vote and term are written one after the other: only in a run that shows why not.
    splits_hard_state: bool,
    /// Whether it takes messages of any epoch: only in a run that shows why not.
    takes_any_epoch: bool,
    writes: VecDeque<PendingWrite>,
    writes_asked: u64,
    synced_bytes: u64,
    links: Links,
    messages_sent: u64,
    arrivals: Arrivals,
    bad_frames: u64,
    requests: Requests,
    paused: bool,
    held: Vec<NodeInput>,
    #[serde(skip)]
    journal: Journal,
    #[serde(skip)]
    recorder: Recorder,
}

type CoreOutbox = raft_core::Outbox<Command, Output>;

/// A write that the host has not flushed yet.
#[derive(Debug, Serialize, Deserialize)]
struct PendingWrite {
    id: WriteId,
    /// The core's name for it; none for the flush at boot.
    persist: Option<PersistId>,
    /// The file it goes to, and where that ends with it.
    generation: u8,
    end: u64,
}

impl Node {
    /// Boots a node with the bytes of its two log files. What the outbox asks for, the flush above all, is to be done before
    /// the first step: the core takes for durable what was found.
    ///
    /// # Errors
    /// As [`BootError`] says; the node must take no part then.
    pub fn boot(
        config: NodeConfig,
        disk: Files<'_>,
        now: Instant,
        out: &mut NodeOutbox,
    ) -> Result<(Node, Recovery), BootError> {
        let NodeConfig {
            raft: config,
            boot,
            epoch,
            links,
        } = config;
        let (id, members) = (config.id, config.members.clone());
        let identity = Identity {
            node: id,
            members: u8::try_from(members.len()).unwrap_or(u8::MAX),
            epoch,
        };
        let rules = config.rules;
        let identity = if rules.refuse_other_epoch {
            identity
        } else {
            in_its_own_epoch(identity, disk)
        };
        let found = match wal::recover(identity, disk) {
            Err(damage) if !rules.refuse_damaged_log => wal::recover_before(identity, disk, &damage),
            found => found,
        }
        .map_err(BootError::Log)?;
        let recovery = Recovery {
            hard_state: found.hard_state,
            snapshot_index: found.snapshot_index(),
            last_index: LogIndex(found.snapshot_index().0 + found.log.len() as u64),
            bytes: disk.iter().map(|file| file.len() as u64).sum(),
            dropped_bytes: found.dropped_bytes,
            wall_ms: 0.0,
        };
        let unsure = if rules.rewrite_after_failed_flush {
            found.vouched_bytes as usize..found.valid_bytes as usize
        } else {
            0..0
        };
        let open_disk = OpenDisk {
            file: found.file,
            keep: found.valid_bytes,
            again: disk[found.file].get(unsure).unwrap_or_default().to_vec(),
        };
        let writer = Writer::new(identity, found.generation, found.valid_bytes);
        let recovered = raft_core::Recovered {
            hard_state: found.hard_state,
            snapshot: found.snapshot,
            log: found.log,
        };
        let links = Links::new(id, &members, &links, config.seed);
        let mut core_outbox = CoreOutbox::default();
        let raft =
            Raft::boot(config, recovered, Replica::new(&rules), now, &mut core_outbox).map_err(BootError::Core)?;
        let mut node = Node {
            id,
            members,
            boot,
            now,
            raft,
            core_outbox,
            writer,
            splits_hard_state: !rules.hard_state_in_one_record,
            takes_any_epoch: !rules.refuse_other_epoch,
            writes: VecDeque::new(),
            writes_asked: 0,
            synced_bytes: 0,
            links,
            messages_sent: 0,
            arrivals: Arrivals::default(),
            bad_frames: 0,
            requests: Requests::default(),
            paused: false,
            held: Vec::new(),
            recorder: Recorder::default(),
            journal: Journal::after_boot(recovery.last_index),
        };
        if open_disk.keep > 0 {
            // What was found may still lie in a cache of the operating system, written by a boot that crashed.
            node.ask_for_sync(None, out);
        }
        out.open_disk = Some(open_disk);
        node.flush(out);
        Ok((node, recovery))
    }

    /// Takes one input at `now`, and whatever has come due by then, and says what is to be done. Total: any input in
    /// any state is taken or refused. Instants that fall are taken as the latest one seen.
    pub fn step(&mut self, now: Instant, input: NodeInput, out: &mut NodeOutbox) {
        self.take(now, input, out);
        self.take(now, NodeInput::Tick, out);
        self.flush(out);
    }

    /// Takes one input: the first part of [`Node::step`], for a host that takes all that has arrived, then a tick, and
    /// then flushes once. One write and one append a follower serve for all of it.
    pub fn take(&mut self, now: Instant, input: NodeInput, out: &mut NodeOutbox) {
        if input == NodeInput::Tick && now < self.deadline() {
            return; // Nothing is due: nothing happens, and nothing is recorded.
        }
        self.recorder.took(now, &input);
        self.input(now, input, out);
    }

    fn input(&mut self, now: Instant, input: NodeInput, out: &mut NodeOutbox) {
        self.now = self.now.max(now);
        match input {
            NodeInput::Tick if self.paused => {}
            NodeInput::Tick => self.catch_up(out),
            NodeInput::Arrive { from, bytes } => self.arrive(from, &bytes, out),
            NodeInput::SetLink { peer, settings } => self.links.set(peer, settings),
            NodeInput::SetInbound { peer, cut } => self.arrivals.set_cut(peer, cut),
            NodeInput::Operate { message, surgery } => self.operate(message, surgery),
            NodeInput::FireTimer if self.paused => {}
            NodeInput::FireTimer => self.take_core(Input::Expire, out),
            NodeInput::SetTiming(timing) => self.take_core(Input::SetTiming(timing), out),
            NodeInput::SetPaused(paused) => self.set_paused(paused, out),
            NodeInput::Synced { write, wall_us } if self.paused => self.held.push(NodeInput::Synced { write, wall_us }),
            NodeInput::Synced { write, wall_us } => self.synced(write, wall_us, out),
            NodeInput::Request { request, body } if self.paused => self.hold_request(request, body, out),
            NodeInput::Request { request, body } => self.request(request, body, out),
        }
    }

    /// The last part of [`Node::step`]: asks for the writes and sends the messages that the inputs taken give rise
    /// to.
    pub fn flush(&mut self, out: &mut NodeOutbox) {
        self.recorder.flushed();
        if !self.paused {
            self.raft.flush(&mut self.core_outbox);
            self.carry_out(out);
        }
    }

    /// When to call `step(Tick)` next. Answers may change with every step.
    pub fn deadline(&self) -> Instant {
        if self.paused {
            Instant::NEVER
        } else {
            self.raft.deadline().min(self.arrivals.next())
        }
    }

    /// The core's state.
    pub fn view(&self) -> View<'_, Replica> {
        self.raft.view()
    }

    /// How long the last write took, or the oldest that is under way has taken by `now`, whichever is longer.
    pub fn write_takes(&self, now: Instant) -> Duration {
        self.raft.write_takes(now)
    }

    /// The queues as this node has applied them.
    pub fn queues(&self) -> &FtQueue {
        self.raft.view().machine.queues()
    }

    /// The node's state, small enough to send often.
    pub fn status(&self) -> Status {
        state::status(&self.view(), self.paused, self.writer.written(), self.bad_frames)
    }

    /// The queues, shortened for display.
    pub fn queues_summary(&self) -> QueuesSummary {
        state::queues_summary(self.queues())
    }

    /// Everything, for a person to keep.
    pub fn describe(&self, now: Instant) -> Description {
        state::describe(&self.view(), now, self.writer.written())
    }

    /// Which of the states that are recorded it is in.
    pub fn recorded(&self) -> Recorded {
        Recorded {
            boot: self.boot,
            steps: self.recorder.count(),
            fingerprint: self.fingerprint(),
        }
    }

    /// Whether a report would tell anything. Cheap.
    pub fn has_news(&self) -> bool {
        self.journal.has_news()
    }

    /// What happened since the last report, if anything did.
    pub fn take_report(&mut self, now: Instant) -> Option<Report> {
        if !self.journal.has_news() {
            return None;
        }
        let news = self.journal.take();
        let log = news.log_changed_from.map(|from| state::log_patch(&self.view(), from));
        let queues = news.queues_changed.then(|| self.queues_summary());
        Some(Report {
            now,
            status: self.status(),
            facts: news.facts,
            log,
            queues,
        })
    }

    /// Moves what happened since the last report to the end of `facts`, for a host that looks at the node itself for the
    /// rest.
    pub fn take_facts(&mut self, facts: &mut Vec<(Instant, Fact)>) {
        self.journal.take_facts(facts);
    }

    /// Keeps from now on what the node is told, for [`Node::take_steps`]. Begun right after the boot, it is a whole
    /// [`crate::record::Life`].
    pub fn record(&mut self) {
        self.recorder.begin();
    }

    /// What the node was told since the last time, if it is recorded.
    pub fn take_steps(&mut self) -> Vec<Step> {
        self.recorder.take()
    }

    /// The node as bytes, from which [`Node::load`] makes one that goes on the same.
    pub fn save(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// The node that was saved. Its first report tells everything.
    ///
    /// # Errors
    /// The bytes spell no state that a node can be in. Bytes that somebody made up may still give a node that breaks Raft's promises.
    pub fn load(bytes: &[u8]) -> Result<Node, DecodeError> {
        let node: Node = codec::decode(bytes)?;
        if node.is_sound() {
            Ok(node)
        } else {
            Err(DecodeError::Unsound)
        }
    }

    /// The cluster's members, in rising order.
    pub fn members(&self) -> &[NodeId] {
        &self.members
    }

    /// Whether its parts fit one another.
    fn is_sound(&self) -> bool {
        let config = self.raft.config();
        self.raft.is_sound() && self.id == config.id && self.members == config.members
    }

    /// Goes on upon another disk: gives the bytes of a whole log file that holds all that this node's does and is to. What was
    /// asked for and is not flushed yet is in there, and is to be told flushed as if it came to its end in time.
    pub fn move_to_new_disk(&mut self) -> Vec<u8> {
        // What the core would ask for only once other writes are done is in the file, too. Asked for later, it would stand there twice.
        let unasked = self.raft.write_all();
        let mut file = Vec::new();
        let view = self.raft.view();
        let hard_state = HardState {
            term: view.term,
            voted_for: view.voted_for,
        };
        match view.snapshot {
            Some(snapshot) => self.writer.begin_anew(snapshot, hard_state, view.log, &mut file),
            None => {
                self.writer = Writer::new(self.writer.identity(), 0, 0);
                self.writer.batch(Some(hard_state), None, view.log, &mut file);
            }
        }
        // All of it was acknowledged by the log before. Without a mark that vouches for it, damage in here would pass for a write that was
        // never flushed, and the node would begin with nothing.
        self.writer.acknowledge(self.writer.written(), &mut file);
        if unasked.is_some() {
            self.queue_write(unasked);
        }
        let (generation, end) = (self.writer.generation(), self.writer.written());
        for write in &mut self.writes {
            (write.generation, write.end) = (generation, end);
        }
        self.synced_bytes = if self.writes.is_empty() { end } else { 0 };
        file
    }

    /// Its messages are those of this boot from now on: it goes on in another host.
    pub fn begin_boot(&mut self, boot: u32) {
        self.boot = boot;
        self.messages_sent = 0;
    }

    /// It belongs to this history of the cluster from now on. Its log file is still of the old one until
    /// [`Node::move_to_new_disk`] gives a file of the new.
    pub fn begin_epoch(&mut self, epoch: Epoch) {
        self.writer.set_epoch(epoch);
    }

    /// Which history of the cluster it takes part in.
    pub fn epoch(&self) -> Epoch {
        self.writer.identity().epoch
    }

    /// Whether it has been made to stand still.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// How its direction of the link to each peer behaves.
    pub fn links(&self) -> impl Iterator<Item = (NodeId, LinkSettings)> {
        self.links.settings()
    }

    /// The peers to whom its direction of the link is cut.
    pub fn cut_off(&self) -> Vec<NodeId> {
        self.links()
            .filter(|(_, link)| link.cut)
            .map(|(peer, _)| peer)
            .collect()
    }

    /// The peers from whom the direction of the link to it is cut.
    pub fn deaf_to(&self) -> impl Iterator<Item = NodeId> {
        self.arrivals.cut()
    }

    /// The flush that it waits for last, if it waits for one.
    pub fn awaited(&self) -> Option<WriteId> {
        self.writes.back().map(|write| write.id)
    }

    /// What it was told at boot, with the timing and the links as they are now: what another boot of this member is to be told, under
    /// its own number and seed.
    pub fn config_for(&self, boot: u32, seed: u64) -> NodeConfig {
        let raft = Config {
            seed,
            ..self.raft.config().clone()
        };
        NodeConfig {
            raft,
            boot,
            epoch: self.epoch(),
            links: self.links.settings().collect(),
        }
    }

    /// A fingerprint of the whole state: that of what [`Node::save`] gives.
    pub fn fingerprint(&self) -> u32 {
        crc32fast::hash(&self.save())
    }

    /// The latest instant that it has been told.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// How many messages it has sent since its boot. They are numbered from 1.
    pub fn messages_sent(&self) -> u64 {
        self.messages_sent
    }

    /// Which of its member's boots this is.
    pub fn boot_number(&self) -> u32 {
        self.boot
    }

    /// The messages that have reached this node's door before their time.
    pub fn arriving(&self) -> impl Iterator<Item = Arriving> {
        self.arrivals.waiting()
    }
}

/// Who a node is that takes part in whatever epoch its log is of.
fn in_its_own_epoch(identity: Identity, disk: Files<'_>) -> Identity {
    match wal::recover(identity, disk).map_err(|damage| damage.what) {
        Err(wal::Flaw::OtherEpoch { found, .. }) => Identity {
            epoch: found,
            ..identity
        },
        _ => identity,
    }
}
