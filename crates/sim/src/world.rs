//! The world: nodes, disks, links and clients under one clock, and what goes wrong among them.
//!
//! Nodes are told that their own links are perfect; the links of the world decide when a frame arrives, so that it may
//! arrive after its receiver has crashed and started again. A clock that runs fast or slow is a node whose timers do: nothing else
//! in a node depends on its clock.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use cluster::host::{Fact, Reply, Request, RequestId};
use cluster::node::{Node, NodeConfig, NodeInput, NodeOutbox};
use ftqueue::QueueId;
use netem::{Fate, Link, LinkSettings};
use raft_core::{Config, Duration, Instant, LogIndex, NodeId, Role, Term, Timing};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use crate::check::{Checker, History, Violation};
use crate::clients::Caller;
use crate::coverage::Coverage;
use crate::disk::{Disk, Harm};
use crate::hash::Hash;
use crate::plan::{Fault, Scenario, Tail, What};
use crate::settings::{FaultKind, FaultKinds, Settings};

/// Sets the random numbers of disks and of the way to clients apart from those of the plan.
const WORLD_STREAM: u64 = 2;
/// What a seed is multiplied with, so that seeds that follow one another have nothing in common.
const SEED_STRIDE: u64 = 0x9e37_79b9_7f4a_7c15;
/// The longest that a message between a client and a node takes, in microseconds, unless it is lost.
const CLIENT_DELAY_US_MAX: u64 = 2_000;

/// A cluster and all around it, at one instant.
#[derive(Debug)]
pub struct World<'a> {
    scenario: &'a Scenario,
    now: Instant,
    seats: Vec<Seat>,
    /// From each node to each other.
    links: Vec<Link>,
    /// When the latest of the messages on each link arrives, in microseconds.
    latest_us: Vec<u64>,
    callers: Vec<Caller>,
    /// What is on its way, by when it happens.
    coming: BinaryHeap<Reverse<Coming>>,
    sequence: u64,
    next_fault: usize,
    next_operation: usize,
    /// Faults that have begun and are not over, by their places in the scenario.
    active: Vec<usize>,
    /// No fault begins any more.
    healed: bool,
    random: ChaCha8Rng,
    outbox: NodeOutbox,
    facts: Vec<(Instant, Fact)>,
    /// The node that the last event happened to.
    touched: Option<NodeId>,
    requests: Vec<(NodeId, RequestId, Request)>,
    trace: Hash,
    events: u64,
    answered: u64,
    faults: u64,
    pub(crate) checker: Checker,
    pub(crate) history: History,
    pub(crate) coverage: Coverage,
}

/// One member's place.
#[derive(Debug)]
struct Seat {
    id: NodeId,
    node: Option<Node>,
    disk: Disk,
    boot: u32,
    /// It will never run again.
    lost: bool,
    /// It crashes at its next write.
    doomed: Option<Tail>,
}

/// Something that happens at a known time.
#[derive(Debug)]
struct Coming {
    at: Instant,
    sequence: u64,
    event: Event,
}

#[derive(Debug)]
enum Event {
    Frame {
        from: NodeId,
        to: NodeId,
        bytes: Vec<u8>,
        again: bool,
        overtakes: bool,
    },
    Request {
        to: NodeId,
        request: RequestId,
        body: Request,
    },
    Reply {
        from: NodeId,
        request: RequestId,
        reply: Reply,
    },
    Leading {
        node: NodeId,
        term: Term,
    },
    Boot {
        node: NodeId,
    },
    FaultEnds {
        fault: usize,
    },
    /// A flapping link turns.
    Flap {
        fault: usize,
    },
}

/// What is to happen next.
enum Next {
    Coming,
    FaultBegins,
    Operation,
    Flushed(usize),
    Timer(usize),
    Client(usize),
}

impl<'a> World<'a> {
    /// The world of a scenario, in which every node has just been started.
    ///
    /// # Errors
    /// A checker's finding, already.
    pub fn new(scenario: &'a Scenario) -> Result<World<'a>, Violation> {
        let Settings {
            seed, nodes, clients, ..
        } = scenario.settings;
        let members: Vec<NodeId> = (1..=nodes).map(NodeId).collect();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(WORLD_STREAM);
        let link = |place: u64| Link::new(LinkSettings::PERFECT, (seed ^ (place << 32)).wrapping_mul(SEED_STRIDE));
        let caller = |number: u16| Caller::new(number, seed.wrapping_add(u64::from(number)), members.clone());
        let mut world = World {
            scenario,
            now: Instant(0),
            seats: members.iter().map(|id| Seat::new(*id)).collect(),
            links: (0..u64::from(nodes) * u64::from(nodes)).map(link).collect(),
            latest_us: vec![0; usize::from(nodes) * usize::from(nodes)],
            callers: (0..clients).map(caller).collect(),
            coming: BinaryHeap::new(),
            sequence: 0,
            next_fault: 0,
            next_operation: 0,
            active: Vec::new(),
            healed: false,
            random,
            outbox: NodeOutbox::default(),
            facts: Vec::new(),
            touched: None,
            requests: Vec::new(),
            trace: Hash::new(),
            events: 0,
            answered: 0,
            faults: 0,
            checker: Checker::new(nodes),
            history: History::default(),
            coverage: Coverage::default(),
        };
        world.set_links();
        for place in 0..world.seats.len() {
            world.boot(place)?;
        }
        Ok(world)
    }

    /// The present instant.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The circumstances.
    pub fn settings(&self) -> &'a Settings {
        &self.scenario.settings
    }

    /// How many events there were: inputs of nodes, and what happened to clients and to the world itself.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// How many operations were answered.
    pub fn answered(&self) -> u64 {
        self.answered
    }

    /// How many faults began.
    pub fn faults(&self) -> u64 {
        self.faults
    }

    /// A hash of everything that happened: every input of every node with its time, and all that nodes wrote and sent.
    pub fn trace_hash(&self) -> u64 {
        self.trace.value()
    }

    /// A hash of what there is now: terms, votes, logs, queues.
    pub fn state_hash(&self) -> u64 {
        let mut hash = Hash::new();
        hash.word(self.checker.chain());
        for seat in &self.seats {
            let Some(node) = &seat.node else {
                hash.word(0);
                continue;
            };
            let view = node.view();
            for word in [
                view.term.0,
                view.voted_for.map_or(0, |vote| u64::from(vote.0)),
                view.log.len() as u64,
            ] {
                hash.word(word);
            }
            for word in [view.commit_index.0, view.last_applied.0, node.queues().digest()] {
                hash.word(word);
            }
        }
        hash.value()
    }

    /// The nodes that run, by rising id.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.seats.iter().filter_map(|seat| seat.node.as_ref())
    }

    /// The node that the last event happened to, if it happened to one.
    pub fn touched(&self) -> Option<NodeId> {
        self.touched
    }

    /// What has happened in the last event, in the words of the node that it happened to.
    pub fn facts(&self) -> &[(Instant, Fact)] {
        &self.facts
    }

    /// Whether no client has anything to do.
    pub fn is_idle(&self) -> bool {
        self.callers.iter().all(Caller::is_idle)
    }

    /// Whether every member that is not lost runs, all agree, and one of them leads.
    pub fn has_converged(&self) -> bool {
        let alive = || self.seats.iter().filter(|seat| !seat.lost);
        let mut shown = alive().map(|seat| {
            let view = seat.node.as_ref()?.view();
            let end = LogIndex(view.log.len() as u64);
            (view.commit_index == end && view.last_applied == end).then_some((view.term, view.leader, end))
        });
        let first = shown.next().flatten();
        first.is_some_and(|(_, leader, _)| leader.is_some()) && shown.all(|other| other == first)
    }

    /// Everything is mended: no fault lasts, none begins, and every member that is not lost runs.
    ///
    /// # Errors
    /// A checker's finding.
    pub fn heal(&mut self) -> Result<(), Violation> {
        self.healed = true;
        for caller in &mut self.callers {
            caller.forget_waiting();
        }
        for fault in std::mem::take(&mut self.active) {
            self.fault_ends(fault)?;
        }
        self.set_links();
        for place in 0..self.seats.len() {
            self.seats[place].doomed = None;
            if self.seats[place].node.is_none() && !self.seats[place].lost {
                self.boot(place)?;
            }
        }
        Ok(())
    }

    /// Has a client carry out an operation, when it has done what it has to do.
    pub(crate) fn ask(&mut self, client: u16, operation: ftqueue::Operation) {
        let place = usize::from(client) % self.callers.len();
        self.callers[place].enqueue(operation);
        self.client_works(place);
    }

    /// Lets time run to `until`, or until `done`. Says whether it is done.
    ///
    /// # Errors
    /// A checker's finding, at the event that showed it.
    pub fn run_until(&mut self, until: Instant, mut done: impl FnMut(&World<'a>) -> bool) -> Result<bool, Violation> {
        loop {
            if done(self) {
                return Ok(true);
            }
            if !self.step(until)? {
                self.now = self.now.max(until);
                return Ok(false);
            }
        }
    }

    /// The next event, if it comes no later than `until`. Says whether there was one.
    ///
    /// # Errors
    /// A checker's finding.
    pub fn step(&mut self, until: Instant) -> Result<bool, Violation> {
        let (at, next) = self.next();
        if at > until {
            return Ok(false);
        }
        self.now = self.now.max(at);
        self.events += 1;
        self.touched = None;
        match next {
            Next::Coming => {
                if let Some(Reverse(coming)) = self.coming.pop() {
                    self.happen(coming.event)?;
                }
            }
            Next::FaultBegins => {
                self.next_fault += 1;
                self.fault_begins(self.next_fault - 1)?;
            }
            Next::Operation => {
                let (_, client, operation) = self.scenario.operations[self.next_operation];
                self.next_operation += 1;
                self.ask(client, operation);
            }
            Next::Flushed(place) => self.flushed(place)?,
            Next::Timer(place) => self.input(place, NodeInput::Tick)?,
            Next::Client(place) => {
                self.callers[place].client.tick(self.now);
                self.client_works(place);
            }
        }
        Ok(true)
    }

    fn next(&self) -> (Instant, Next) {
        let mut first = (
            self.coming.peek().map_or(Instant::NEVER, |Reverse(coming)| coming.at),
            Next::Coming,
        );
        let mut offer = |at: Instant, next: Next| {
            if at < first.0 {
                first = (at, next);
            }
        };
        for (place, seat) in self.seats.iter().enumerate() {
            if let Some(node) = &seat.node {
                offer(seat.disk.next_done(), Next::Flushed(place));
                offer(node.deadline(), Next::Timer(place));
            }
        }
        for (place, caller) in self.callers.iter().enumerate() {
            offer(caller.client.deadline(), Next::Client(place));
        }
        if !self.healed {
            if let Some((at, ..)) = self.scenario.operations.get(self.next_operation) {
                offer(*at, Next::Operation);
            }
            if let Some(fault) = self.scenario.faults.get(self.next_fault) {
                offer(fault.at, Next::FaultBegins);
            }
        }
        first
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Frame {
                from,
                to,
                bytes,
                again,
                overtakes,
            } => {
                if self.seats[place(to)].node.is_none() {
                    return Ok(());
                }
                if again {
                    self.coverage.note(FaultKind::Duplicate);
                }
                if overtakes {
                    self.coverage.note(FaultKind::Reorder);
                }
                self.input(place(to), NodeInput::Arrive { from, bytes })
            }
            Event::Request { to, request, body } => self.input(place(to), NodeInput::Request { request, body }),
            Event::Reply { from, request, reply } => {
                let client = (request.0 >> 40) as usize % self.callers.len();
                self.callers[client].client.receive(self.now, from, request, reply);
                self.client_works(client);
                Ok(())
            }
            Event::Leading { node, term } => {
                for client in 0..self.callers.len() {
                    self.callers[client].client.leading(self.now, node, term);
                    self.client_works(client);
                }
                Ok(())
            }
            Event::Boot { node } => {
                let seat = &self.seats[place(node)];
                if seat.node.is_some() || seat.lost || self.is_held_down(node) {
                    return Ok(());
                }
                self.boot(place(node))
            }
            Event::FaultEnds { fault } => {
                if let Some(at) = self.active.iter().position(|active| *active == fault) {
                    self.active.swap_remove(at);
                    self.fault_ends(fault)?;
                }
                Ok(())
            }
            Event::Flap { fault } => {
                let Fault { at, lasts, what } = self.scenario.faults[fault];
                if let What::Flap { period_us, .. } = what
                    && self.active.contains(&fault)
                {
                    let next = self.now + Duration(period_us);
                    if next < at + lasts {
                        self.schedule(next, Event::Flap { fault });
                    }
                    self.set_links();
                }
                Ok(())
            }
        }
    }

    fn schedule(&mut self, at: Instant, event: Event) {
        self.sequence += 1;
        self.coming.push(Reverse(Coming {
            at,
            sequence: self.sequence,
            event,
        }));
    }
}

/// What goes wrong.
impl World<'_> {
    fn fault_begins(&mut self, fault: usize) -> Result<(), Violation> {
        let Fault { at, lasts, what } = self.scenario.faults[fault];
        self.faults += 1;
        self.active.push(fault);
        self.schedule(at + lasts, Event::FaultEnds { fault });
        match what {
            What::Crash { node, tail } => {
                if self.crash(place(node), tail) {
                    self.coverage.note(FaultKind::Crash);
                }
            }
            What::CrashInPersist { node, tail } => {
                if self.seats[place(node)].disk.unflushed() > 0 && self.crash(place(node), tail) {
                    self.coverage.note(FaultKind::CrashInPersist);
                } else {
                    self.seats[place(node)].doomed = Some(tail);
                }
            }
            What::RestartAll { tail } => {
                self.coverage.note(FaultKind::RestartAll);
                for place in 0..self.seats.len() {
                    self.crash(place, tail);
                }
            }
            What::Pause { node } => {
                self.input(place(node), NodeInput::SetPaused(true))?;
            }
            What::Skew { node, .. } => {
                self.input(place(node), NodeInput::SetTiming(self.timing(node)))?;
            }
            What::FlipAcknowledged { node, per_mille, bit } => {
                if self.may_lose(node) && self.seats[place(node)].disk.flip_acknowledged(per_mille, bit) {
                    self.crash(place(node), Tail::Kept);
                }
            }
            What::Wipe { node } => {
                if self.may_lose(node) {
                    self.crash(place(node), Tail::Kept);
                    let seat = &mut self.seats[place(node)];
                    seat.disk.wipe();
                    seat.lost = true;
                    self.coverage.note(FaultKind::Wipe);
                }
            }
            What::Abandon { client } => {
                let place = usize::from(client) % self.callers.len();
                if self.callers[place].client.is_busy() {
                    self.coverage.note(FaultKind::Abandon);
                    self.callers[place].client.cancel(self.now);
                    self.client_works(place);
                }
            }
            What::OldRequest { client, node, back } => {
                let place = usize::from(client) % self.callers.len();
                if let Some((request, body)) = self.callers[place].old_request(back) {
                    self.coverage.note(FaultKind::OldRequest);
                    self.schedule(
                        self.now,
                        Event::Request {
                            to: node,
                            request,
                            body,
                        },
                    );
                }
            }
            What::Flap { .. } => self.schedule(self.now, Event::Flap { fault }),
            What::Partition { .. }
            | What::OneWayCut { .. }
            | What::SlowLink { .. }
            | What::Delay { .. }
            | What::Drop { .. }
            | What::Duplicate { .. }
            | What::Reorder { .. } => self.set_links(),
            What::SlowFlush { .. } | What::LateFlush { .. } | What::DiskFull { .. } => {}
        }
        Ok(())
    }

    /// It has been taken from those that are active.
    fn fault_ends(&mut self, fault: usize) -> Result<(), Violation> {
        match self.scenario.faults[fault].what {
            What::Crash { node, .. } | What::DiskFull { node } | What::FlipAcknowledged { node, .. } => {
                self.schedule(self.now, Event::Boot { node });
            }
            What::CrashInPersist { node, .. } => {
                self.seats[place(node)].doomed = None;
                self.schedule(self.now, Event::Boot { node });
            }
            What::RestartAll { .. } => {
                for node in 1..=self.scenario.settings.nodes {
                    self.schedule(self.now, Event::Boot { node: NodeId(node) });
                }
            }
            What::Pause { node } if !self.is_paused(node) => self.input(place(node), NodeInput::SetPaused(false))?,
            What::Skew { node, .. } => self.input(place(node), NodeInput::SetTiming(self.timing(node)))?,
            _ => self.set_links(),
        }
        Ok(())
    }

    fn active(&self) -> impl Iterator<Item = &Fault> {
        self.active.iter().map(|fault| &self.scenario.faults[*fault])
    }

    /// Whether a fault that lasts keeps the node from starting.
    fn is_held_down(&self, id: NodeId) -> bool {
        self.active().any(|fault| match fault.what {
            What::Crash { node, .. } | What::FlipAcknowledged { node, .. } => node == id,
            What::RestartAll { .. } => true,
            _ => false,
        })
    }

    fn is_paused(&self, id: NodeId) -> bool {
        self.active()
            .any(|fault| matches!(fault.what, What::Pause { node } if node == id))
    }

    fn is_full(&self, id: NodeId) -> bool {
        self.active()
            .any(|fault| matches!(fault.what, What::DiskFull { node } if node == id))
    }

    /// Whether a majority remains without the node.
    fn may_lose(&self, id: NodeId) -> bool {
        let lost = self.seats.iter().filter(|seat| seat.lost).count();
        !self.seats[place(id)].lost && lost < usize::from(self.scenario.settings.losable())
    }

    /// How fast a node's timers run, by its own clock.
    fn timing(&self, id: NodeId) -> Timing {
        let skew = self.active().find_map(|fault| match fault.what {
            What::Skew { node, per_mille } if node == id => Some(u64::from(per_mille)),
            _ => None,
        });
        let Some(per_mille) = skew else {
            return self.scenario.settings.timing;
        };
        let scaled = |span: Duration| Duration((span.0 * 1000 / per_mille).max(1));
        let Timing {
            election_min,
            election_max,
            heartbeat,
        } = self.scenario.settings.timing;
        Timing {
            election_min: scaled(election_min),
            election_max: scaled(election_max),
            heartbeat: scaled(heartbeat),
        }
    }

    /// Makes every link behave as the faults that last say.
    fn set_links(&mut self) {
        let nodes = self.scenario.settings.nodes;
        for from in (1..=nodes).map(NodeId) {
            for to in (1..=nodes).map(NodeId) {
                let settings = self.link_settings(from, to);
                self.links[link_place(nodes, from, to)].set(settings);
            }
        }
    }

    fn link_settings(&self, from: NodeId, to: NodeId) -> LinkSettings {
        let Settings {
            delay_us, jitter_us, ..
        } = self.scenario.settings;
        let mut link = LinkSettings {
            delay_us,
            jitter_us,
            ..LinkSettings::PERFECT
        };
        for fault in self.active() {
            link.cut |= self.cuts(fault, from, to).is_some();
            match fault.what {
                What::Drop { per_mille } => link.loss = f64::from(per_mille) / 1000.0,
                What::Duplicate { per_mille } => link.duplicate = f64::from(per_mille) / 1000.0,
                What::Reorder { jitter_us } => {
                    link.reorder = true;
                    link.jitter_us = link.jitter_us.max(jitter_us);
                }
                What::Delay { delay_us, jitter_us } => {
                    link.delay_us += delay_us;
                    link.jitter_us += jitter_us;
                }
                What::SlowLink { one, other, delay_us } if joins(one, other, from, to) => link.delay_us += delay_us,
                _ => {}
            }
        }
        link
    }

    /// The kind of a fault that lets nothing pass on this link now.
    fn cuts(&self, fault: &Fault, from: NodeId, to: NodeId) -> Option<FaultKind> {
        match fault.what {
            What::Partition { side } => {
                ((side >> (from.0 - 1) & 1) != (side >> (to.0 - 1) & 1)).then_some(FaultKind::Partition)
            }
            What::OneWayCut {
                from: cut_from,
                to: cut_to,
            } => ((cut_from, cut_to) == (from, to)).then_some(FaultKind::OneWayCut),
            What::Flap { one, other, period_us } if joins(one, other, from, to) => {
                let turns = self.now.since(fault.at).0 / period_us.max(1);
                turns.is_multiple_of(2).then_some(FaultKind::Flap)
            }
            _ => None,
        }
    }

    /// Counts the faults that keep a frame from arriving, or make it late.
    fn count_on_link(&mut self, from: NodeId, to: NodeId, fate: Fate) {
        let kind = |fault: &Fault| match (fate, fault.what) {
            (Fate::Cut, _) => self.cuts(fault, from, to),
            (Fate::Lost, What::Drop { .. }) => Some(FaultKind::Drop),
            (Fate::Arrives { .. }, What::Delay { delay_us, jitter_us }) => {
                (delay_us + jitter_us > 0).then_some(FaultKind::Delay)
            }
            (Fate::Arrives { .. }, What::SlowLink { one, other, .. }) => {
                joins(one, other, from, to).then_some(FaultKind::SlowLink)
            }
            _ => None,
        };
        let kinds: FaultKinds = self.active().filter_map(kind).collect();
        self.coverage.note_all(kinds);
    }

    /// Counts the faults that last on a node to which something happens.
    fn count_on_node(&mut self, id: NodeId) {
        let kind = |fault: &Fault| match fault.what {
            What::Pause { node } if node == id => Some(FaultKind::Pause),
            What::Skew { node, .. } if node == id => Some(FaultKind::Skew),
            _ => None,
        };
        let kinds: FaultKinds = self.active().filter_map(kind).collect();
        self.coverage.note_all(kinds);
    }

    /// Crashes a node that runs. Says whether it did.
    fn crash(&mut self, place: usize, tail: Tail) -> bool {
        let seat = &mut self.seats[place];
        let Some(_) = seat.node.take() else { return false };
        seat.doomed = None;
        let id = seat.id;
        match seat.disk.crash(tail) {
            Harm::None => {}
            Harm::Lost => self.coverage.note(FaultKind::LostTail),
            Harm::Torn => self.coverage.note(FaultKind::TornWrite),
            Harm::Flipped => self.coverage.note(FaultKind::FlipUnacknowledged),
        }
        self.trace.word(u64::from(id.0) << 8 | 1);
        self.trace.word(self.now.0);
        if self.scenario.settings.clients_are_told {
            for client in 0..self.callers.len() {
                self.callers[client].client.node_down(self.now, id);
                self.client_works(client);
            }
        }
        true
    }
}

/// Nodes.
impl World<'_> {
    fn boot(&mut self, place: usize) -> Result<(), Violation> {
        let Settings { seed, nodes, rules, .. } = self.scenario.settings;
        let seat = &mut self.seats[place];
        seat.boot += 1;
        let (id, boot) = (seat.id, seat.boot);
        let raft = Config {
            id,
            members: (1..=nodes).map(NodeId).collect(),
            timing: self.timing(id),
            seed: (seed ^ (u64::from(id.0) << 32) ^ u64::from(boot)).wrapping_mul(SEED_STRIDE),
            rules,
        };
        let mut outbox = std::mem::take(&mut self.outbox);
        outbox.clear();
        let booted = Node::boot(
            NodeConfig {
                raft,
                boot,
                links: Vec::new(),
            },
            self.seats[place].disk.bytes(),
            self.now,
            &mut outbox,
        );
        self.trace.word(u64::from(id.0) << 8 | 2);
        self.trace.word(self.now.0);
        let mut node = match booted {
            Ok((node, _)) => node,
            Err(_) => {
                // It refuses to take part with a log that it cannot trust: a lost member.
                self.seats[place].lost = true;
                self.coverage.note(FaultKind::FlipAcknowledged);
                self.outbox = outbox;
                return Ok(());
            }
        };
        let disk = &mut self.seats[place].disk;
        if let Some(length) = outbox.truncate_disk_to {
            disk.truncate(length);
        }
        disk.append(&outbox.disk);
        disk.flush_now();
        self.facts.clear();
        node.take_facts(&mut self.facts);
        self.checker.booted(self.now, &node)?;
        self.seats[place].node = Some(node);
        let synced = outbox.sync.take();
        self.outbox = outbox;
        if self.scenario.settings.clients_are_told {
            for client in 0..self.callers.len() {
                self.callers[client].client.node_up(self.now, id);
                self.client_works(client);
            }
        }
        if let Some(write) = synced {
            self.input(place, NodeInput::Synced { write, wall_us: 0 })?;
        }
        if self.is_paused(id) {
            self.input(place, NodeInput::SetPaused(true))?;
        }
        Ok(())
    }

    fn flushed(&mut self, place: usize) -> Result<(), Violation> {
        let Some(flush) = self.seats[place].disk.take_done(self.now) else {
            return Ok(());
        };
        let seat = &self.seats[place];
        if seat.node.as_ref().is_some_and(|node| node.view().term > flush.term) {
            self.coverage.note(FaultKind::LateFlush);
        }
        self.checker.flushed(self.now, self.seats[place].id, flush.write)?;
        self.input(
            place,
            NodeInput::Synced {
                write: flush.write,
                wall_us: 0,
            },
        )
    }

    /// Gives a node an input, and carries out what it asks for. Nothing, if it does not run.
    fn input(&mut self, place: usize, input: NodeInput) -> Result<(), Violation> {
        // The beginning of a fault is not its effect.
        if self.seats[place].node.is_some() && !matches!(input, NodeInput::SetPaused(_) | NodeInput::SetTiming(_)) {
            self.count_on_node(self.seats[place].id);
        }
        let Some(node) = &mut self.seats[place].node else {
            return Ok(());
        };
        let mut outbox = std::mem::take(&mut self.outbox);
        outbox.clear();
        self.touched = Some(NodeId(place as u8 + 1));
        self.trace.word(self.now.0 << 8 | place as u64);
        node.step(self.now, input, &mut outbox);
        self.facts.clear();
        node.take_facts(&mut self.facts);
        self.checker.stepped(self.now, node, &self.facts, outbox.sync)?;
        self.carry_out(place, &mut outbox)?;
        self.outbox = outbox;
        Ok(())
    }

    fn carry_out(&mut self, place: usize, outbox: &mut NodeOutbox) -> Result<(), Violation> {
        let id = self.seats[place].id;
        if !outbox.disk.is_empty() {
            self.trace.bytes(&outbox.disk);
            if self.is_full(id) {
                self.coverage.note(FaultKind::DiskFull);
                // What this step would have sent is lost with it: the host fails before it posts anything.
                self.crash(place, Tail::Kept);
                return Ok(());
            }
            self.seats[place].disk.append(&outbox.disk);
        }
        for (to, bytes) in outbox.frames.drain(..) {
            self.trace.bytes(&bytes);
            self.send(id, to, bytes);
        }
        for (request, reply) in outbox.replies.drain(..) {
            self.trace.word(request.0);
            if let Some(at) = self.client_way() {
                self.schedule(
                    at,
                    Event::Reply {
                        from: id,
                        request,
                        reply,
                    },
                );
            }
        }
        if let Some(term) = outbox.leading
            && let Some(at) = self.client_way()
        {
            self.schedule(at, Event::Leading { node: id, term });
        }
        if let Some(write) = outbox.sync {
            let done_at = self.flush_time(id);
            let seat = &mut self.seats[place];
            let term = seat.node.as_ref().map_or(Term(0), |node| node.view().term);
            seat.disk.flush(write, done_at, term);
            if let Some(tail) = seat.doomed.take() {
                self.coverage.note(FaultKind::CrashInPersist);
                self.crash(place, tail);
                // It starts again a little later, or when the fault is over.
                self.schedule(self.now + Duration::from_millis(50), Event::Boot { node: id });
            }
        }
        Ok(())
    }

    fn flush_time(&mut self, id: NodeId) -> Instant {
        let (low, high) = self.scenario.settings.flush_us;
        let mut took = low + self.random.next_u64() % (high - low + 1);
        let mut not_before = self.now;
        for fault in self.active.iter().map(|fault| &self.scenario.faults[*fault]) {
            match fault.what {
                What::SlowFlush { node, us } if node == id => took += us,
                What::LateFlush { node } if node == id => not_before = fault.at + fault.lasts,
                _ => {}
            }
        }
        if took > high {
            self.coverage.note(FaultKind::SlowFlush);
        }
        not_before.max(self.now + Duration(took))
    }

    fn send(&mut self, from: NodeId, to: NodeId, bytes: Vec<u8>) {
        let link = link_place(self.scenario.settings.nodes, from, to);
        let fate = self.links[link].send(self.now.0);
        self.count_on_link(from, to, fate);
        match fate {
            Fate::Arrives { at_us, again_at_us } => {
                if let Some(again_us) = again_at_us {
                    let bytes = bytes.clone();
                    self.schedule(
                        Instant(again_us),
                        Event::Frame {
                            from,
                            to,
                            bytes,
                            again: true,
                            overtakes: false,
                        },
                    );
                }
                let overtakes = at_us < self.latest_us[link];
                self.latest_us[link] = self.latest_us[link].max(at_us);
                self.schedule(
                    Instant(at_us),
                    Event::Frame {
                        from,
                        to,
                        bytes,
                        again: false,
                        overtakes,
                    },
                );
            }
            Fate::Lost | Fate::Cut => {}
        }
    }
}

/// Clients.
impl World<'_> {
    fn client_works(&mut self, client: usize) {
        let mut requests = std::mem::take(&mut self.requests);
        self.answered += self.callers[client].work(self.now, &mut self.history, &mut requests);
        for (to, request, body) in requests.drain(..) {
            if let Some(at) = self.client_way() {
                self.schedule(at, Event::Request { to, request, body });
            }
        }
        self.requests = requests;
    }

    /// When something that a client and a node say to each other arrives, if it does.
    fn client_way(&mut self) -> Option<Instant> {
        let lost_per_mille = self.active().find_map(|fault| match fault.what {
            What::Drop { per_mille } => Some(u64::from(per_mille)),
            _ => None,
        });
        let (loss, delay) = (self.random.next_u64(), self.random.next_u64());
        if lost_per_mille.is_some_and(|per_mille| loss % 1000 < per_mille) {
            return None;
        }
        Some(self.now + Duration(delay % CLIENT_DELAY_US_MAX))
    }

    /// The queues, and how many items they hold, by the word of whoever has applied most.
    pub(crate) fn queue_sizes(&self) -> Vec<(QueueId, usize)> {
        let knows_most = self.nodes().max_by_key(|node| node.view().last_applied);
        knows_most.map_or(Vec::new(), |node| {
            node.queues()
                .queues()
                .map(|queue| (queue.qid, queue.items.len()))
                .collect()
        })
    }

    /// Who has not come to rest, in words.
    pub(crate) fn unsettled(&self) -> String {
        let node = |seat: &Seat| match &seat.node {
            None if seat.lost => format!("{} is lost", seat.id),
            None => format!("{} is down", seat.id),
            Some(node) => {
                let view = node.view();
                let role = match view.role {
                    Role::Leader => "leads",
                    Role::Candidate => "stands for election in",
                    Role::Follower => "follows in",
                };
                format!(
                    "{} {role} {}, committed {} of {}",
                    seat.id,
                    view.term,
                    view.commit_index,
                    view.log.len()
                )
            }
        };
        let nodes: Vec<String> = self.seats.iter().map(node).collect();
        let busy = self.callers.iter().filter(|caller| !caller.is_idle()).count();
        format!("long after the last fault, {busy} clients wait; {}", nodes.join("; "))
    }
}

impl Seat {
    fn new(id: NodeId) -> Seat {
        Seat {
            id,
            node: None,
            disk: Disk::default(),
            boot: 0,
            lost: false,
            doomed: None,
        }
    }
}

impl PartialEq for Coming {
    fn eq(&self, other: &Coming) -> bool {
        self.sequence == other.sequence
    }
}

impl Eq for Coming {}

impl PartialOrd for Coming {
    fn partial_cmp(&self, other: &Coming) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Coming {
    fn cmp(&self, other: &Coming) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

fn place(id: NodeId) -> usize {
    usize::from(id.0) - 1
}

/// Whether a link between these two is the one from here to there, or back.
fn joins(one: NodeId, other: NodeId, from: NodeId, to: NodeId) -> bool {
    (one, other) == (from, to) || (other, one) == (from, to)
}

fn link_place(nodes: u8, from: NodeId, to: NodeId) -> usize {
    place(from) * usize::from(nodes) + place(to)
}
