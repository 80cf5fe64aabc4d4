//! Five nodes, their disks, their links and some clients under one virtual clock.
//!
//! Flushing takes time here, and a crash takes whatever was not flushed, or tears it: the least that a disk may do.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::collections::{BTreeMap, VecDeque};

use cluster::Epoch;
use cluster::client::{Client, Done, Failure};
use cluster::host::{Recovery, Reply, Request, RequestId};
use cluster::node::{BootError, Node, NodeConfig, NodeInput, NodeOutbox, WriteId};
use cluster::record::Life;
use cluster::wal::{Identity, recover};
use ftqueue::{Answer, Operation, QueueError};
use netem::LinkSettings;
use raft_core::{COMPACT_AFTER_ENTRIES, Config, Duration, Instant, NodeId, Role, Rules, Term, Timing};

pub(crate) const LINK: LinkSettings = LinkSettings {
    delay_us: 8_000,
    jitter_us: 4_000,
    loss: 0.0,
    duplicate: 0.0,
    reorder: false,
    cut: false,
};
/// How often the world moves on within one wait, at most: a test that waits in vain fails, and does not hang.
const INSTANTS_MAX: usize = 200_000;
/// The number of the clients that [`World::ask`] speaks for; real clients count from 0.
const NOBODY: u64 = 1000;

/// What of the unflushed end of a file outlives a crash.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unflushed {
    Lost,
    /// So many bytes are left, if there are so many.
    TornAfter(usize),
    Kept,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    seed: u64,
    members: Vec<NodeId>,
    nodes: BTreeMap<NodeId, Node>,
    disks: BTreeMap<NodeId, Disk>,
    boots: BTreeMap<NodeId, u32>,
    flushes: VecDeque<Flush>,
    inputs: VecDeque<(NodeId, NodeInput)>,
    pub(crate) clients: Vec<Client>,
    pub(crate) done: Vec<Vec<Done>>,
    /// Replies to [`World::ask`].
    pub(crate) replies: Vec<(NodeId, RequestId, Reply)>,
    asked: u64,
    /// Every leader of every term, as announced.
    pub(crate) leaders: Vec<(Term, NodeId)>,
    cut: Vec<(NodeId, NodeId)>,
    /// The direction in which frames are late, if there is one: they are put aside until [`World::release`].
    pub(crate) late: Option<(NodeId, NodeId)>,
    late_frames: Vec<(NodeId, NodeId, Vec<u8>)>,
    pub(crate) rules: Rules,
    pub(crate) link: LinkSettings,
    /// How long a flush takes.
    pub(crate) flush: Duration,
    pub(crate) compact_after: u64,
    /// Everything that went into each node that runs, if it is kept.
    pub(crate) lives: Option<BTreeMap<NodeId, Life>>,
}

/// A flush under way.
struct Flush {
    done_at: Instant,
    id: NodeId,
    boot: u32,
    write: WriteId,
    /// Which file is flushed with it, and up to where.
    file: usize,
    end: usize,
}

#[derive(Default)]
pub(crate) struct Disk {
    /// The file in use.
    pub(crate) file: Vec<u8>,
    pub(crate) flushed: usize,
    /// The one that was in use before, until what took its place is flushed.
    before: Vec<u8>,
    before_flushed: usize,
    /// Which of the two is in use.
    current: usize,
}

impl Disk {
    fn files(&self) -> [&[u8]; 2] {
        match self.current {
            0 => [&self.file, &self.before],
            _ => [&self.before, &self.file],
        }
    }

    /// Goes on in the other file, as it is.
    fn swap(&mut self) {
        std::mem::swap(&mut self.before, &mut self.file);
        std::mem::swap(&mut self.before_flushed, &mut self.flushed);
        self.current = 1 - self.current;
    }

    /// Goes on in the other file, from its beginning.
    fn switch(&mut self) {
        self.swap();
        self.file.clear();
        self.flushed = 0;
    }

    /// The file in use is flushed up to here.
    fn flush(&mut self, current: usize, end: usize) {
        if current == self.current {
            self.flushed = self.flushed.max(end);
            self.before.clear();
            self.before_flushed = 0;
        } else {
            self.before_flushed = self.before_flushed.max(end);
        }
    }
}

impl World {
    /// A cluster of which no node runs yet.
    pub(crate) fn new(members: u8, seed: u64) -> World {
        let members: Vec<NodeId> = (1..=members).map(NodeId).collect();
        World {
            now: Instant(0),
            seed,
            nodes: BTreeMap::new(),
            disks: members.iter().map(|id| (*id, Disk::default())).collect(),
            boots: members.iter().map(|id| (*id, 0)).collect(),
            members,
            flushes: VecDeque::new(),
            inputs: VecDeque::new(),
            clients: Vec::new(),
            done: Vec::new(),
            replies: Vec::new(),
            asked: 0,
            leaders: Vec::new(),
            cut: Vec::new(),
            late: None,
            late_frames: Vec::new(),
            rules: Rules::default(),
            link: LINK,
            flush: Duration(700),
            compact_after: COMPACT_AFTER_ENTRIES,
            lives: None,
        }
    }

    /// A cluster of which all nodes run.
    pub(crate) fn running(members: u8, seed: u64) -> World {
        let mut world = World::new(members, seed);
        world.start_all();
        world
    }

    pub(crate) fn members(&self) -> Vec<NodeId> {
        self.members.clone()
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        self.nodes.get(&id).unwrap_or_else(|| panic!("{id} does not run"))
    }

    pub(crate) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        self.nodes.get_mut(&id).unwrap_or_else(|| panic!("{id} does not run"))
    }

    /// All that went into a node since it booted.
    pub(crate) fn life(&mut self, id: NodeId) -> &Life {
        let steps = self.node_mut(id).take_steps();
        let life = self.lives.as_mut().and_then(|lives| lives.get_mut(&id));
        let life = life.expect("this world keeps what went into its nodes");
        life.steps.extend(steps);
        life
    }

    pub(crate) fn running_nodes(&self) -> Vec<NodeId> {
        self.nodes.keys().copied().collect()
    }

    pub(crate) fn disk(&mut self, id: NodeId) -> &mut Disk {
        self.disks.get_mut(&id).expect("every member has a disk")
    }

    pub(crate) fn file_bytes(&self, id: NodeId) -> usize {
        self.disks[&id].file.len()
    }

    pub(crate) fn start_all(&mut self) {
        for id in self.members() {
            if !self.nodes.contains_key(&id) {
                self.start(id).unwrap_or_else(|error| panic!("{id}: {error}"));
            }
        }
    }

    pub(crate) fn start(&mut self, id: NodeId) -> Result<Recovery, BootError> {
        let boot = self
            .boots
            .get_mut(&id)
            .expect("every member has booted some number of times");
        *boot += 1;
        let boot = *boot;
        let raft = Config {
            id,
            members: self.members.clone(),
            timing: Timing::default(),
            seed: self
                .seed
                .wrapping_mul(1_000_003)
                .wrapping_add(u64::from(id.0) * 1000 + u64::from(boot)),
            rules: self.rules,
            compact_after: self.compact_after,
        };
        let link = |peer| LinkSettings {
            cut: self.cut.contains(&(id, peer)),
            ..self.link
        };
        let links = self.members.iter().map(|peer| (*peer, link(*peer))).collect();
        let mut out = NodeOutbox::default();
        let config = NodeConfig {
            raft,
            boot,
            epoch: Epoch::default(),
            links,
        };
        let disk = self.disks[&id].files();
        let (mut node, recovery) = Node::boot(config.clone(), disk, self.now, &mut out)?;
        if let Some(lives) = &mut self.lives {
            node.record();
            lives.insert(id, Life::new(config, disk.map(<[u8]>::to_vec), self.now));
        }
        self.nodes.insert(id, node);
        let disk = self.disk(id);
        let open = out.open_disk.take().expect("a node that boots says where it goes on");
        if open.file != disk.current {
            disk.swap();
        }
        disk.file.truncate(open.keep as usize);
        disk.file.append(&mut out.disk);
        disk.flush(open.file, disk.file.len());
        if let Some(write) = out.sync.take() {
            self.inputs.push_back((id, NodeInput::Synced { write, wall_us: 0 }));
        }
        self.carry_out(id, out);
        for (from, to) in self.cut.clone() {
            if to == id {
                self.inputs
                    .push_back((id, NodeInput::SetInbound { peer: from, cut: true }));
            }
        }
        for client in &mut self.clients {
            client.node_up(self.now, id);
        }
        self.settle();
        Ok(recovery)
    }

    pub(crate) fn crash(&mut self, id: NodeId, unflushed: Unflushed) {
        assert!(self.nodes.remove(&id).is_some(), "{id} does not run");
        let disk = self.disk(id);
        for (file, flushed) in [
            (&mut disk.file, &mut disk.flushed),
            (&mut disk.before, &mut disk.before_flushed),
        ] {
            let left = match unflushed {
                Unflushed::Lost => *flushed,
                Unflushed::TornAfter(bytes) => flushed.saturating_add(bytes).min(file.len()),
                Unflushed::Kept => file.len(),
            };
            file.truncate(left);
            *flushed = left;
        }
        self.inputs.retain(|(to, _)| *to != id);
        for client in &mut self.clients {
            client.node_down(self.now, id);
        }
        self.settle();
    }

    pub(crate) fn crash_all(&mut self, unflushed: Unflushed) {
        for id in self.running_nodes() {
            self.crash(id, unflushed);
        }
    }

    /// Cuts both directions of every link of a node.
    pub(crate) fn isolate(&mut self, id: NodeId) {
        self.set_cut_around(id, true);
    }

    /// Joins them again.
    pub(crate) fn rejoin(&mut self, id: NodeId) {
        self.set_cut_around(id, false);
    }

    fn set_cut_around(&mut self, id: NodeId, cut: bool) {
        for peer in self.members() {
            for (from, to) in [(id, peer), (peer, id)] {
                if from == to {
                    continue;
                }
                self.cut.retain(|link| *link != (from, to));
                if cut {
                    self.cut.push((from, to));
                }
                let settings = LinkSettings { cut, ..self.link };
                self.inputs.push_back((from, NodeInput::SetLink { peer: to, settings }));
                self.inputs.push_back((to, NodeInput::SetInbound { peer: from, cut }));
            }
        }
        self.settle();
    }

    pub(crate) fn step(&mut self, id: NodeId, input: NodeInput) {
        self.inputs.push_back((id, input));
        self.settle();
    }

    /// The frames that were late arrive.
    pub(crate) fn release(&mut self) {
        let late = self.late_frames.drain(..);
        self.inputs
            .extend(late.map(|(from, to, bytes)| (to, NodeInput::Arrive { from, bytes })));
        self.settle();
    }

    /// Has a node stand for election, and waits until it leads.
    pub(crate) fn elect(&mut self, id: NodeId) {
        self.step(id, NodeInput::FireTimer);
        self.run_until(self.now + Duration::from_millis(140), |world| {
            world.leader() == Some(id)
        });
        assert_eq!(self.leader(), Some(id), "{:?}", self.roles());
    }

    /// Adds a client.
    pub(crate) fn client(&mut self) -> usize {
        let number = self.clients.len();
        self.clients
            .push(Client::new(number as u16, self.seed + number as u64, self.members()));
        self.done.push(Vec::new());
        number
    }

    /// Has a client begin an operation.
    pub(crate) fn submit(&mut self, client: usize, line: &str) {
        let operation: Operation = line.parse().unwrap_or_else(|error| panic!("{line:?}: {error}"));
        self.clients[client]
            .submit(self.now, operation)
            .expect("the client is free");
        self.settle();
    }

    /// The same, unless it is busy.
    pub(crate) fn submit_if_free(&mut self, client: usize, line: &str) {
        if !self.clients[client].is_busy() {
            self.submit(client, line);
        }
    }

    /// How often a node has booted.
    pub(crate) fn boots(&self, id: NodeId) -> u32 {
        self.boots[&id]
    }

    /// Has a client carry out an operation, and waits for its end.
    pub(crate) fn call(&mut self, client: usize, line: &str) -> Done {
        let before = self.done[client].len();
        self.submit(client, line);
        let deadline = self.now + Duration::from_millis(60_000);
        self.run_until(deadline, |world| world.done[client].len() > before);
        self.done[client]
            .last()
            .filter(|_| self.done[client].len() > before)
            .cloned()
            .unwrap_or_else(|| {
                panic!("no end of {line:?} at {}: roles {:?}", self.now, self.roles());
            })
    }

    pub(crate) fn answer(&mut self, client: usize, line: &str) -> Answer {
        self.call(client, line)
            .result
            .unwrap_or_else(|failure| panic!("{line:?}: {failure}"))
    }

    pub(crate) fn error(&mut self, client: usize, line: &str) -> QueueError {
        match self.call(client, line).result {
            Err(Failure::Queue(error)) => error,
            other => panic!("{line:?}: {other:?}"),
        }
    }

    /// Asks one node one thing, without a client's patience.
    pub(crate) fn ask(&mut self, id: NodeId, body: Request) -> RequestId {
        self.asked += 1;
        let request = RequestId((NOBODY << 40) + self.asked);
        self.step(id, NodeInput::Request { request, body });
        request
    }

    pub(crate) fn reply(&self, request: RequestId) -> Option<Reply> {
        self.replies
            .iter()
            .find(|(_, replied, _)| *replied == request)
            .map(|(_, _, reply)| *reply)
    }

    /// The leader that a majority of the running nodes follows.
    pub(crate) fn leader(&self) -> Option<NodeId> {
        let majority = self.members.len() / 2 + 1;
        self.nodes.iter().find_map(|(id, node)| {
            let view = node.view();
            let follows = |other: &&Node| other.view().leader == Some(*id) && other.view().term == view.term;
            (view.role == Role::Leader && self.nodes.values().filter(follows).count() >= majority).then_some(*id)
        })
    }

    /// What each running node would find on its disk is the log that it has.
    pub(crate) fn assert_disks_hold_logs(&self) {
        for (id, node) in &self.nodes {
            let identity = Identity {
                node: *id,
                members: self.members.len() as u8,
                epoch: Epoch::default(),
            };
            let found = recover(identity, self.disks[id].files()).unwrap_or_else(|damage| panic!("{id}: {damage}"));
            assert_eq!(found.dropped_bytes, 0, "{id}");
            assert_eq!(found.log, node.view().log, "{id}");
        }
    }

    pub(crate) fn wait_for_leader(&mut self) -> NodeId {
        let deadline = self.now + Duration::from_millis(10_000);
        self.run_until(deadline, |world| world.leader().is_some());
        self.leader()
            .unwrap_or_else(|| panic!("no leader at {}: {:?}", self.now, self.roles()))
    }

    pub(crate) fn roles(&self) -> Vec<(NodeId, Role, Term)> {
        self.nodes
            .iter()
            .map(|(id, node)| (*id, node.view().role, node.view().term))
            .collect()
    }

    /// The items of a queue as a node has applied them.
    pub(crate) fn items(&self, id: NodeId, qid: u64) -> Vec<i64> {
        let queues = self.node(id).queues();
        queues
            .queues()
            .find(|queue| queue.qid.0 == qid)
            .map_or(Vec::new(), |queue| queue.items.iter().copied().collect())
    }

    pub(crate) fn run_for(&mut self, span: Duration) {
        self.run_until(self.now + span, |_| false);
    }

    /// Runs until `done`, but no longer than `until`.
    pub(crate) fn run_until(&mut self, until: Instant, done: impl Fn(&World) -> bool) {
        for _ in 0..INSTANTS_MAX {
            let next = self.next_event();
            if done(self) {
                return;
            }
            if next > until {
                self.now = self.now.max(until);
                return;
            }
            self.now = self.now.max(next);
            self.happen();
            self.settle();
        }
        panic!("something happens all the time at {}", self.now);
    }

    fn next_event(&self) -> Instant {
        let flush = self.flushes.front().map_or(Instant::NEVER, |flush| flush.done_at);
        let nodes = self.nodes.values().map(Node::deadline);
        let clients = self.clients.iter().map(Client::deadline);
        nodes.chain(clients).fold(flush, Instant::min)
    }

    fn happen(&mut self) {
        while let Some(flush) = self.flushes.pop_front_if(|flush| flush.done_at <= self.now) {
            let Flush { id, write, .. } = flush;
            if self.boots[&id] == flush.boot && self.nodes.contains_key(&id) {
                let disk = self.disk(id);
                disk.flush(flush.file, flush.end);
                self.inputs.push_back((id, NodeInput::Synced { write, wall_us: 0 }));
            }
        }
        let due = self
            .nodes
            .iter()
            .filter(|(_, node)| node.deadline() <= self.now)
            .map(|(id, _)| *id);
        self.inputs.extend(due.map(|id| (id, NodeInput::Tick)));
        for client in &mut self.clients {
            client.tick(self.now);
        }
    }

    /// Steps nodes and clients until nothing more happens at this instant.
    fn settle(&mut self) {
        loop {
            self.collect_from_clients();
            let Some((id, input)) = self.inputs.pop_front() else {
                return;
            };
            if let Some(node) = self.nodes.get_mut(&id) {
                let mut out = NodeOutbox::default();
                node.step(self.now, input, &mut out);
                self.carry_out(id, out);
            }
        }
    }

    fn carry_out(&mut self, id: NodeId, mut out: NodeOutbox) {
        let boot = self.boots[&id];
        let at = self.now + self.flush;
        let disk = self.disk(id);
        if out.switch_disk {
            disk.switch();
        }
        disk.file.append(&mut out.disk);
        let (file, end) = (disk.current, disk.file.len());
        if let Some(write) = out.sync {
            self.flushes.push_back(Flush {
                done_at: at,
                id,
                boot,
                write,
                file,
                end,
            });
        }
        for (to, bytes) in out.frames {
            if self.late == Some((id, to)) {
                self.late_frames.push((id, to, bytes));
                continue;
            }
            self.inputs.push_back((to, NodeInput::Arrive { from: id, bytes }));
        }
        for (request, reply) in out.replies {
            match self.clients.get_mut((request.0 >> 40) as usize) {
                Some(client) => client.receive(self.now, id, request, reply),
                None => self.replies.push((id, request, reply)),
            }
        }
        if let Some(term) = out.leading {
            self.leaders.push((term, id));
            for client in &mut self.clients {
                client.leading(self.now, id, term);
            }
        }
    }

    fn collect_from_clients(&mut self) {
        for (client, done) in self.clients.iter_mut().zip(&mut self.done) {
            for (id, request, body) in client.take_requests() {
                self.inputs.push_back((id, NodeInput::Request { request, body }));
            }
            done.extend(client.take_done());
        }
    }
}
