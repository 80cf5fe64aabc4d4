//! The world: nodes, disks, links and clients under one clock, and what goes wrong among them.
//!
//! Nodes are told that their own links are perfect; the links of the world decide when a frame arrives, so that it may
//! arrive after its receiver has crashed and started again. A clock that runs fast or slow is a node whose timers do: nothing else
//! in a node depends on its clock.

mod back;
mod clients;
mod due;
mod faults;
mod held_up;
mod nodes;

use cluster::Epoch;
use cluster::host::{Fact, Reply, Request, RequestId};
use cluster::node::{Node, NodeInput, NodeOutbox};
use cluster::slow_disks::SlowDisks;
use netem::{Fate, Link, LinkSettings};
use raft_core::{Duration, Instant, NodeId, Rules, Term};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use trace::Happening;
use trace::tape::{Origin, Piece, Told};

use crate::agenda::Agenda;
use crate::check::{Audit, Checker, History, Violation};
use crate::clients::Caller;
use crate::coverage::Coverage;
use crate::disk::Disk;
use crate::hash::Hash;
use crate::plan::{Fault, Scenario, Tail, What};
use crate::settings::{FaultKind, Settings};

/// Sets the random numbers of disks and of the way to clients apart from those of the plan.
const WORLD_STREAM: u64 = 2;
/// What a seed is multiplied with, so that seeds that follow one another have nothing in common.
const SEED_STRIDE: u64 = 0x9e37_79b9_7f4a_7c15;

/// A cluster and all around it, at one instant.
#[derive(Debug)]
pub struct World<'a> {
    scenario: &'a Scenario,
    now: Instant,
    /// Nothing is carried out that is later.
    last: Instant,
    seats: Vec<Seat>,
    /// From each node to each other.
    links: Vec<Link>,
    /// When the latest of the messages on each link arrives, in microseconds.
    latest_us: Vec<u64>,
    /// Some messages of before.
    kept_frames: Vec<KeptFrame>,
    keeps_frames: bool,
    /// How many of a thousand messages are held, and for how many microseconds at least.
    heavy_tail: Option<(u16, u64)>,
    callers: Vec<Caller>,
    /// What is on its way.
    coming: Agenda<Event>,
    due: due::Due,
    next_fault: usize,
    next_operation: usize,
    /// Faults that have begun and are not over: their places in the scenario, and what they are, with whoever they met.
    active: Vec<(usize, Fault)>,
    /// No fault begins any more.
    healed: bool,
    /// Which history of the cluster this is.
    epoch: Epoch,
    /// The instant to which a fault that lasts will put everything back.
    mark: Option<Box<back::Mark>>,
    random: ChaCha8Rng,
    /// What a node asks for is put here; nothing while it is carried out.
    outbox: Option<Box<NodeOutbox>>,
    facts: Vec<(Instant, Fact)>,
    /// What became of the frames that the last node sent, in their order.
    fates: Vec<Fate>,
    /// What happened, for who watches.
    seen: Option<Vec<Happening>>,
    /// What went into the nodes, for who keeps it.
    told: Option<Vec<Told>>,
    /// The node that the last event happened to.
    touched: Option<NodeId>,
    requests: Vec<(NodeId, RequestId, Request)>,
    trace: Hash,
    events: u64,
    answered: u64,
    faults: u64,
    pub(crate) checker: Checker,
    pub(crate) audit: Audit,
    pub(crate) coverage: Coverage,
    pub(crate) slow_disks: SlowDisks,
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
    /// Its disk is of an epoch that was left. This takes its place, once the node has been refused.
    carried_over: Option<Disk>,
}

/// A message that was sent: from whom, to whom, what.
type KeptFrame = (NodeId, NodeId, Vec<u8>);

#[derive(Debug)]
enum Event {
    Frame {
        from: NodeId,
        to: NodeId,
        bytes: Vec<u8>,
        /// The fault without which it would not come, or not now.
        by: Option<FaultKind>,
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
        /// Which of the clients hear of it.
        heard_by: u64,
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
        World::begin(scenario, false)
    }

    /// The same, watched: what happens is kept until [`World::take_happenings`].
    ///
    /// # Errors
    /// As [`World::new`].
    pub fn watched(scenario: &'a Scenario) -> Result<World<'a>, Violation> {
        World::begin(scenario, true)
    }

    fn begin(scenario: &'a Scenario, watched: bool) -> Result<World<'a>, Violation> {
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
            last: Instant::NEVER,
            seats: members
                .iter()
                .map(|id| Seat::new(*id, &scenario.settings.rules))
                .collect(),
            links: (0..u64::from(nodes) * u64::from(nodes)).map(link).collect(),
            latest_us: vec![0; usize::from(nodes) * usize::from(nodes)],
            kept_frames: Vec::new(),
            keeps_frames: scenario.settings.faults.has(FaultKind::OldMessages),
            heavy_tail: None,
            callers: (0..clients).map(caller).collect(),
            coming: Agenda::new(),
            due: due::Due::not_asked(),
            next_fault: 0,
            next_operation: 0,
            active: Vec::new(),
            healed: false,
            epoch: Epoch::default(),
            mark: None,
            random,
            outbox: None,
            facts: Vec::new(),
            fates: Vec::new(),
            seen: watched.then(Vec::new),
            told: None,
            touched: None,
            requests: Vec::new(),
            trace: Hash::new(),
            events: 0,
            answered: 0,
            faults: 0,
            checker: Checker::new(nodes),
            audit: Audit::default(),
            coverage: Coverage::default(),
            slow_disks: SlowDisks::default(),
        };
        world.audit.history.seen = watched.then(Vec::new);
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

    /// Carries out nothing that is later than this.
    pub(crate) fn ends_at(&mut self, last: Instant) {
        self.last = last;
    }

    /// Whether nothing more is carried out.
    pub(crate) fn has_ended(&self) -> bool {
        self.now >= self.last
    }

    /// The circumstances.
    pub fn settings(&self) -> &'a Settings {
        &self.scenario.settings
    }

    /// How many events there were: inputs of nodes, and what happened to clients and to the world itself.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// What clients asked and were answered, as far as it was not judged and let go.
    pub fn history(&self) -> &History {
        &self.audit.history
    }

    /// How many operations of the plan clients were asked for.
    pub fn asked(&self) -> u64 {
        self.next_operation as u64
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
                view.last_index().0,
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

    /// Keeps from now on what goes into the nodes, until [`World::take_told`]: to be called at once, before anything happens.
    pub fn tell_all(&mut self) {
        let mut told = Vec::new();
        for seat in &mut self.seats {
            if let Some(node) = &mut seat.node {
                let origin = Origin::State(node.save());
                node.record();
                told.push(Told {
                    node: seat.id,
                    boot: seat.boot,
                    piece: Piece::Began { origin, at: self.now },
                });
            }
        }
        self.told = Some(told);
    }

    /// What went into the nodes since the last time.
    pub fn take_told(&mut self) -> Vec<Told> {
        for place in 0..self.seats.len() {
            self.collect_steps(place);
        }
        self.told.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn collect_steps(&mut self, place: usize) {
        let seat = &mut self.seats[place];
        if let (Some(told), Some(node)) = (&mut self.told, &mut seat.node) {
            let steps = node.take_steps();
            if !steps.is_empty() {
                told.push(Told {
                    node: seat.id,
                    boot: seat.boot,
                    piece: Piece::Steps(steps),
                });
            }
        }
    }

    /// What has happened since the last time, if the world is watched.
    pub fn take_happenings(&mut self) -> impl Iterator<Item = Happening> {
        self.seen.iter_mut().flat_map(|seen| seen.drain(..))
    }

    fn see(&mut self, what: impl FnOnce() -> trace::What) {
        if let Some(seen) = &mut self.seen {
            seen.push(Happening {
                at: self.now,
                what: what(),
            });
        }
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
            let end = view.last_index();
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
        self.due.is_old = true;
        self.coverage.close();
        for caller in &mut self.callers {
            caller.forget_waiting();
        }
        for (fault, met) in std::mem::take(&mut self.active) {
            self.fault_ends(fault, met.what)?;
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
        self.has_met(due::Met::Caller(place));
    }

    /// Lets time run to `until`, or until `done`. Says whether it is done.
    ///
    /// # Errors
    /// A checker's finding, at the event that showed it.
    pub fn run_until(&mut self, until: Instant, mut done: impl FnMut(&World<'a>) -> bool) -> Result<bool, Violation> {
        let until = until.min(self.last);
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
                if let Some(event) = self.coming.take() {
                    let met = self.meets(&event);
                    self.happen(event)?;
                    self.has_met(met);
                }
            }
            Next::FaultBegins => {
                self.next_fault += 1;
                self.fault_begins(self.next_fault - 1)?;
                self.has_met(due::Met::Many);
            }
            Next::Operation => {
                let (_, client, operation) = self.scenario.operations[self.next_operation];
                self.next_operation += 1;
                let place = usize::from(client) % self.callers.len();
                if !self.callers[place].is_far_behind() {
                    self.ask(client, operation);
                }
            }
            Next::Flushed(place) => {
                self.flushed(place)?;
                self.has_met(due::Met::Seat(place));
            }
            Next::Timer(place) => {
                self.input(place, NodeInput::Tick)?;
                self.has_met(due::Met::Seat(place));
            }
            Next::Client(place) => {
                self.callers[place].client.tick(self.now);
                self.client_works(place);
                self.has_met(due::Met::Caller(place));
            }
        }
        Ok(true)
    }

    fn next(&mut self) -> (Instant, Next) {
        let mut first = (self.coming.next(), Next::Coming);
        let (due, of) = self.next_due();
        if let Some(next) = of.filter(|_| due < first.0) {
            first = (due, next);
        }
        if !self.healed {
            if let Some((at, ..)) = self.scenario.operations.get(self.next_operation)
                && *at < first.0
            {
                first = (*at, Next::Operation);
            }
            if let Some(fault) = self.scenario.faults.get(self.next_fault)
                && fault.at < first.0
            {
                first = (fault.at, Next::FaultBegins);
            }
        }
        first
    }

    /// The client who asked this.
    fn caller_of(&self, request: RequestId) -> usize {
        (request.0 >> 40) as usize % self.callers.len()
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Frame { from, to, bytes, by } => {
                if self.seats[place(to)].node.is_none() {
                    return Ok(());
                }
                if let Some(kind) = by {
                    self.coverage.note(kind);
                }
                self.input(place(to), NodeInput::Arrive { from, bytes })
            }
            Event::Request { to, request, body } => self.input(place(to), NodeInput::Request { request, body }),
            Event::Reply { from, request, reply } => {
                let client = self.caller_of(request);
                self.callers[client].client.receive(self.now, from, request, reply);
                self.client_works(client);
                Ok(())
            }
            Event::Leading { node, term, heard_by } => {
                for client in (0..self.callers.len()).filter(|client| heard_by >> (client % 64) & 1 == 1) {
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
                if let Some(at) = self.active.iter().position(|(active, _)| *active == fault) {
                    let (_, met) = self.active.swap_remove(at);
                    self.fault_ends(fault, met.what)?;
                }
                Ok(())
            }
            Event::Flap { fault } => {
                let Fault { at, lasts, what } = self.scenario.faults[fault];
                if let What::Flap { period_us, .. } = what
                    && self.active.iter().any(|(active, _)| *active == fault)
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
        self.coming.enter(at, event);
    }
}

impl Seat {
    fn new(id: NodeId, rules: &Rules) -> Seat {
        Seat {
            id,
            node: None,
            disk: Disk::new(rules),
            boot: 0,
            lost: false,
            doomed: None,
            carried_over: None,
        }
    }
}

fn place(id: NodeId) -> usize {
    usize::from(id.0) - 1
}

fn link_place(nodes: u8, from: NodeId, to: NodeId) -> usize {
    place(from) * usize::from(nodes) + place(to)
}
