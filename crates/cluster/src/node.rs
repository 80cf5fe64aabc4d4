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

use std::collections::VecDeque;
use std::fmt;

use ftqueue::{Command, FtQueue, Output};
use netem::{Fate, LinkSettings};
use raft_core::{
    Config, Event, HardState, Input, Instant, LogIndex, Message, NodeId, PENDING_REQUESTS_MAX, Persist, PersistId,
    Raft, Snapshot, Term, Timing, View,
};
use serde::{Deserialize, Serialize};

use crate::Epoch;
use crate::arrivals::Arrivals;
use crate::codec::{self, DecodeError, Envelope};
use crate::host::{
    Arriving, Boot, Description, DropReason, Fact, MessageId, MessageSummary, QueuesSummary, Recorded, Recovery, Reply,
    Report, Request, RequestId, Status, Surgery,
};
use crate::journal::Journal;
use crate::links::Links;
use crate::record::{Recorder, Step};
use crate::replica::Replica;
use crate::requests::Requests;
use crate::state;
use crate::wal::{self, Files, Identity, Writer};

/// What a node is told at boot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeConfig {
    /// What its core is told.
    pub raft: Config,
    /// Counts the boots of this member, so that messages of two boots are told apart.
    pub boot: u32,
    /// Which history of the cluster it takes part in: its log and its peers' frames must be of the same.
    pub epoch: Epoch,
    /// How each direction from this node behaves. A direction that is not named is perfect.
    pub links: Vec<(NodeId, LinkSettings)>,
}

/// Names one flush that a node asks for. Counts them from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WriteId(pub u64);

/// Something that happens to a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum NodeInput {
    /// Time has passed: messages arrive whose time has come, and then timers run out. Has an effect only at or after
    /// [`Node::deadline`].
    Tick,
    /// Bytes came from a peer. The node itself keeps them until their time.
    Arrive {
        /// The peer whose port they came from.
        from: NodeId,
        /// The bytes, as that peer's outbox held them.
        bytes: Vec<u8>,
    },
    /// All bytes up to this write are flushed.
    Synced {
        /// The write.
        write: WriteId,
        /// How long the flush took, in wall microseconds; only told on.
        wall_us: u64,
    },
    /// A client asks for something.
    Request {
        /// Names the request in its reply.
        request: RequestId,
        /// What it asks.
        body: Request,
    },
    /// The direction to a peer behaves like this from now on.
    SetLink {
        /// The peer.
        peer: NodeId,
        /// How it behaves.
        settings: LinkSettings,
    },
    /// Whether the direction from a peer is cut: what is on the way does not arrive then.
    SetInbound {
        /// The peer.
        peer: NodeId,
        /// Whether it is cut.
        cut: bool,
    },
    /// Timers have been changed by hand.
    SetTiming(Timing),
    /// Stand still, as a stopped process does, or go on. Frames and requests wait meanwhile.
    SetPaused(bool),
    /// Somebody lays hands on a message that is on its way to this node.
    Operate {
        /// The message. If it is not on its way any more, nothing happens.
        message: MessageId,
        /// What is done to it.
        surgery: Surgery,
    },
    /// The timer runs out now, whenever it was to: a follower stands for election, a leader sends heartbeats.
    FireTimer,
}

/// What a step asks of its host. Fields are appended to, so that one outbox can serve many steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeOutbox {
    /// Go on in this one of the two log files. Asked for at boot only, and before anything is appended.
    pub open_disk: Option<OpenDisk>,
    /// Go on in the other log file: empty it, and put `disk` there.
    pub switch_disk: bool,
    /// Bytes to append to the log file in use.
    pub disk: Vec<u8>,
    /// Flush the log file once they are appended, then empty the one that is not in use, and say so by
    /// [`NodeInput::Synced`].
    pub sync: Option<WriteId>,
    /// Bytes for peers, to be posted at once: the links have decided already.
    pub frames: Vec<(NodeId, Vec<u8>)>,
    /// Answers to requests.
    pub replies: Vec<(RequestId, Reply)>,
    /// The node has become leader of this term.
    pub leading: Option<Term>,
    /// The latest time at which a peer is known to have been, for a clock that has fallen behind.
    pub witnessed: Option<Instant>,
}

/// Which log file to go on in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenDisk {
    /// The file, 0 or 1.
    pub file: usize,
    /// How much of it to keep, in bytes.
    pub keep: u64,
    /// The last of the bytes to keep, to be written once more in their place: a flush of them may have failed, and another would
    /// not make durable what only a cache shows.
    pub again: Vec<u8>,
}

impl NodeOutbox {
    /// Empties the outbox, keeping its memory.
    pub fn clear(&mut self) {
        let NodeOutbox {
            open_disk,
            switch_disk,
            disk,
            sync,
            frames,
            replies,
            leading,
            witnessed,
        } = self;
        disk.clear();
        frames.clear();
        replies.clear();
        (*open_disk, *switch_disk) = (None, false);
        (*sync, *leading, *witnessed) = (None, None, None);
    }
}

/// Why a node cannot boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootError {
    /// Its log is damaged, or another's.
    Log(wal::Damage),
    /// Its core refuses what it was told, or what the log holds.
    Core(raft_core::BootError),
}

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

    /// The peers to whom its direction of the link is cut.
    pub fn cut_off(&self) -> Vec<NodeId> {
        self.links
            .settings()
            .filter(|(_, link)| link.cut)
            .map(|(peer, _)| peer)
            .collect()
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

    fn operate(&mut self, message: MessageId, surgery: Surgery) {
        if !self.arrivals.operate(self.now, message, surgery) {
            return;
        }
        let fact = match surgery {
            Surgery::Drop => Fact::Dropped {
                message: Some(message),
                from: message.from,
                why: DropReason::ByHand,
            },
            _ => Fact::Altered { message, surgery },
        };
        self.journal.tell(self.now, fact);
    }

    /// Takes the messages whose time has come, and then lets the core's timer run out: a host that was late must not
    /// make a node believe that nobody spoke.
    fn catch_up(&mut self, out: &mut NodeOutbox) {
        while let Some(due) = self.arrivals.take_due(self.now) {
            if due.cut {
                self.drop_frame(Some(due.message), due.from, DropReason::Cut);
                continue;
            }
            self.journal.tell(self.now, Fact::Received { message: due.message });
            self.take_core(
                Input::Receive {
                    from: due.from,
                    message: due.frame,
                },
                out,
            );
        }
        if self.raft.deadline() <= self.now {
            self.take_core(Input::Tick, out);
        }
    }

    fn arrive(&mut self, from: NodeId, bytes: &[u8], out: &mut NodeOutbox) {
        if from == self.id || !self.members.contains(&from) {
            return self.drop_frame(None, from, DropReason::NotAMember);
        }
        let envelope = match codec::decode_envelope(bytes) {
            Ok(envelope) => envelope,
            Err(error) => {
                self.bad_frames = self.bad_frames.saturating_add(1);
                return self.drop_frame(None, from, DropReason::BadFrame(error.to_string()));
            }
        };
        let message = envelope.message;
        if message.from != from {
            return self.drop_frame(Some(message), from, DropReason::WrongSender { claimed: message.from });
        }
        if envelope.epoch != self.epoch() && !self.takes_any_epoch {
            return self.drop_frame(Some(message), from, DropReason::OtherEpoch);
        }
        out.witnessed = out.witnessed.max(Some(envelope.sent_at));
        if let Err(reason) = self.arrivals.keep(envelope, bytes.len()) {
            self.drop_frame(Some(message), from, reason);
        }
    }

    fn drop_frame(&mut self, message: Option<MessageId>, from: NodeId, why: DropReason) {
        self.journal.tell(self.now, Fact::Dropped { message, from, why });
    }

    fn set_paused(&mut self, paused: bool, out: &mut NodeOutbox) {
        self.paused = paused;
        self.journal.changed();
        if !paused {
            for input in std::mem::take(&mut self.held) {
                self.input(self.now, input, out);
            }
        }
    }

    fn hold_request(&mut self, request: RequestId, body: Request, out: &mut NodeOutbox) {
        if self.held.len() < PENDING_REQUESTS_MAX {
            self.held.push(NodeInput::Request { request, body });
        } else {
            self.reply(request, Reply::Busy, out);
        }
    }

    fn request(&mut self, request: RequestId, body: Request, out: &mut NodeOutbox) {
        self.journal.tell(
            self.now,
            Fact::Requested {
                request,
                operation: body.operation(),
            },
        );
        let ticket = self.requests.open(request, body);
        let input = match body.command() {
            Some(command) => Input::Propose { ticket, command },
            None => Input::Read { ticket },
        };
        self.take_core(input, out);
    }

    fn reply(&mut self, request: RequestId, reply: Reply, out: &mut NodeOutbox) {
        self.journal.tell(self.now, Fact::Replied { request, reply });
        out.replies.push((request, reply));
    }

    /// Tells the core of the last write that is durable now; it stands for those before it.
    fn synced(&mut self, write: WriteId, wall_us: u64, out: &mut NodeOutbox) {
        let mut persisted = None;
        let mut end = self.synced_bytes;
        while let Some(done) = self.writes.pop_front_if(|pending| pending.id <= write) {
            persisted = done.persist.or(persisted);
            if done.generation == self.writer.generation() {
                end = done.end;
            }
        }
        if end > self.synced_bytes {
            self.journal.tell(
                self.now,
                Fact::Synced {
                    bytes: end - self.synced_bytes,
                    wall_us,
                },
            );
            self.synced_bytes = end;
            self.writer.acknowledge(end, &mut out.disk);
        }
        if let Some(id) = persisted {
            self.take_core(Input::Persisted(id), out);
        }
    }

    fn take_core(&mut self, input: Input<Command>, out: &mut NodeOutbox) {
        self.raft.take(self.now, input, &mut self.core_outbox);
        self.carry_out(out);
    }

    /// Turns what the core asks for into bytes, frames and replies.
    fn carry_out(&mut self, out: &mut NodeOutbox) {
        if self.core_outbox.is_empty() {
            return;
        }
        let mut asked = std::mem::take(&mut self.core_outbox);
        for event in asked.events.drain(..) {
            if let Event::BecameLeader { term, .. } = event {
                out.leading = Some(term);
            }
            self.journal.tell(self.now, Fact::Raft(event));
        }
        for persist in asked.persist.drain(..) {
            if let Some(snapshot) = &persist.snapshot {
                self.begin_anew(snapshot, &persist, out);
                continue;
            }
            if let (true, Some(hard_state)) = (self.splits_hard_state, persist.hard_state) {
                let term = self.raft.view().durable_hard_state.term;
                let vote_alone = HardState { term, ..hard_state };
                self.writer.batch(Some(vote_alone), None, &[], &mut out.disk);
            }
            self.writer.batch(
                persist.hard_state,
                persist.truncate_from,
                &persist.append,
                &mut out.disk,
            );
            self.ask_for_sync(Some(persist.id), out);
        }
        for (to, message) in asked.messages.drain(..) {
            self.send(to, message, out);
        }
        for (ticket, outcome) in asked.outcomes.drain(..) {
            if let Some((request, reply)) = self.requests.settle(ticket, outcome, self.raft.view().machine.queues()) {
                self.reply(request, reply, out);
            }
        }
        self.core_outbox = asked;
    }

    /// Writes a snapshot, and all that is to be kept behind it, to the other file. What this outbox had for the first is not
    /// needed any more: the core has asked for all of it again.
    fn begin_anew(&mut self, snapshot: &Snapshot, persist: &Persist<Command>, out: &mut NodeOutbox) {
        out.disk.clear();
        // One switch twice over is none.
        debug_assert!(
            !out.switch_disk,
            "the core waits until a snapshot is written before it asks for another"
        );
        out.switch_disk = true;
        let hard_state = persist.hard_state.unwrap_or_default();
        self.writer
            .begin_anew(snapshot, hard_state, &persist.append, &mut out.disk);
        self.synced_bytes = 0;
        self.ask_for_sync(Some(persist.id), out);
    }

    fn ask_for_sync(&mut self, persist: Option<PersistId>, out: &mut NodeOutbox) {
        out.sync = Some(self.queue_write(persist));
    }

    fn queue_write(&mut self, persist: Option<PersistId>) -> WriteId {
        self.writes_asked += 1;
        let id = WriteId(self.writes_asked);
        self.writes.push_back(PendingWrite {
            id,
            persist,
            generation: self.writer.generation(),
            end: self.writer.written(),
        });
        id
    }

    fn send(&mut self, to: NodeId, frame: Message<Command>, out: &mut NodeOutbox) {
        self.messages_sent += 1;
        let message = MessageId {
            from: self.id,
            boot: self.boot,
            number: self.messages_sent,
        };
        let fate = self.links.send(to, self.now);
        let summary = MessageSummary::from(&frame);
        self.journal.tell(
            self.now,
            Fact::Sent {
                message,
                to,
                summary,
                fate,
            },
        );
        let Fate::Arrives { at_us, again_at_us } = fate else {
            return;
        };
        let mut envelope = Envelope {
            message,
            epoch: self.epoch(),
            sent_at: self.now,
            deliver_at: Instant(at_us),
            frame,
        };
        out.frames.push((to, codec::encode(&envelope)));
        if let Some(again_us) = again_at_us {
            envelope.deliver_at = Instant(again_us);
            out.frames.push((to, codec::encode(&envelope)));
        }
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

impl From<&Boot> for NodeConfig {
    fn from(boot: &Boot) -> NodeConfig {
        let raft = Config {
            id: boot.id,
            members: boot.members.clone(),
            timing: boot.timing,
            seed: boot.seed,
            rules: boot.rules,
            compact_after: boot.compact_after,
        };
        NodeConfig {
            raft,
            boot: boot.boot,
            epoch: boot.epoch,
            links: boot.links.clone(),
        }
    }
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BootError::Log(damage) => write!(f, "{damage}"),
            BootError::Core(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for BootError {}
