//! What would have come of it: a cluster that goes on from the states of one instant of a run.
//!
//! The nodes are the ones that there were, to the last random number; their links are their own. All that is new is drawn from a
//! seed, so the same acts at the same instants give the same future. It is told like a run of Workers: in
//! [`Piece`]s.

use cluster::host::{Reply, Request, RequestId};
use cluster::node::{Node, NodeInput, NodeOutbox, WriteId};
use cluster::record::Durability;
use netem::LinkSettings;
use raft_core::{Duration, Instant, NodeId, Term};
use trace::tape::{Origin, Piece, Tape, Told};
use trace::{Act, Faults, Happening, What};

use crate::agenda::Agenda;
use crate::check::History;
use crate::clients::Caller;

/// How long a flush takes: about what a disk of a Worker does.
const FLUSH: Duration = Duration(700);
/// How many clients carry out what is submitted.
const CLIENTS: u16 = 4;
/// Where the numbers of these clients begin: above those of any live one.
const CLIENTS_FROM: u16 = 4_096;
/// How many events happen at once, at most.
const EVENTS_AT_ONCE_MAX: u64 = 400_000;
/// Sets seeds of one boot apart from those of the next.
const SEED_STRIDE: u64 = 0x9e37_79b9_7f4a_7c15;

/// A cluster that goes on.
#[derive(Debug)]
pub struct Future {
    now: Instant,
    seed: u64,
    seats: Vec<Seat>,
    coming: Agenda<Event>,
    callers: Vec<Caller>,
    history: History,
    next_caller: usize,
    outbox: NodeOutbox,
    pieces: Vec<Told>,
    happenings: Vec<Happening>,
    faults: Faults,
    events: u64,
}

#[derive(Debug)]
struct Seat {
    id: NodeId,
    node: Option<Node>,
    boot: u32,
    /// Both files of its log, and which is in use.
    files: [Vec<u8>; 2],
    current: usize,
    /// How much of the one in use is flushed.
    flushed: usize,
    /// A node that was of this member, for who boots it again.
    last: Option<Box<Node>>,
    /// Whether its disk was emptied since its last boot.
    wiped: bool,
}

#[derive(Debug)]
enum Event {
    Frame {
        from: NodeId,
        to: NodeId,
        bytes: Vec<u8>,
    },
    Flushed {
        node: NodeId,
        boot: u32,
        write: WriteId,
        end: usize,
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
}

enum Next {
    Coming,
    Timer(usize),
    Client(usize),
}

impl Future {
    /// The future of a run from `at` on. A run whose nodes leave the network to the world has `links`, which its nodes get then.
    pub fn new(tape: &Tape, at: Instant, seed: u64, links: Option<LinkSettings>) -> Future {
        let moment = tape.moment(at);
        let members: Vec<NodeId> = tape.members().collect();
        let mut future = Future {
            now: moment.at,
            seed,
            seats: Vec::new(),
            coming: Agenda::new(),
            callers: (0..CLIENTS)
                .map(|number| {
                    let number = CLIENTS_FROM + number;
                    Caller::new(number, seed.wrapping_add(u64::from(number)), members.clone())
                })
                .collect(),
            history: History::watched(),
            next_caller: 0,
            outbox: NodeOutbox::default(),
            pieces: Vec::new(),
            happenings: Vec::new(),
            faults: Faults::from(FAULTS_FROM),
            events: 0,
        };
        let last_of = |(id, node): &(NodeId, Option<Node>)| {
            let mut last = tape.last_of(*id, moment.at).filter(|_| node.is_none())?;
            let cut = moment.cut_from(*id, Some(&last));
            let links: Vec<_> = last.links().collect();
            for (peer, link) in links {
                let cut = cut.contains(&peer);
                set_link(&mut last, moment.at, peer, LinkSettings { cut, ..link });
            }
            Some(last)
        };
        let lasts: Vec<Option<Node>> = moment.nodes.iter().map(last_of).collect();
        for ((id, node), last) in moment.nodes.into_iter().zip(lasts) {
            future.seat(id, node, last, links);
        }
        for (from, to, bytes) in tape.between_doors(moment.at) {
            future.coming.enter(moment.at, Event::Frame { from, to, bytes });
        }
        future
    }

    fn seat(&mut self, id: NodeId, node: Option<Node>, last: Option<Node>, links: Option<LinkSettings>) {
        let mut seat = Seat {
            id,
            node: None,
            boot: 0,
            files: Default::default(),
            current: 0,
            flushed: 0,
            wiped: false,
            last: None,
        };
        let ran = node.is_some();
        if let Some(mut node) = node.or(last) {
            seat.boot = node.boot_number();
            seat.files[0] = node.move_to_new_disk();
            seat.current = usize::from(seat.files[0].is_empty());
            seat.flushed = seat.files[0].len();
            if ran {
                let origin = Origin::State(node.save());
                self.pieces.push(Told {
                    node: id,
                    boot: seat.boot,
                    piece: Piece::Began { origin, at: self.now },
                });
                node.record();
                if let Some(write) = node.awaited() {
                    let flushed = Event::Flushed {
                        node: id,
                        boot: seat.boot,
                        write,
                        end: seat.flushed,
                    };
                    self.coming.enter(self.now + FLUSH, flushed);
                }
                seat.node = Some(node);
            } else {
                for caller in &mut self.callers {
                    caller.client.node_down(self.now, id);
                }
                seat.last = Some(Box::new(node));
            }
        }
        self.seats.push(seat);
        let Some(settings) = links.filter(|_| ran) else { return };
        let place = self.seats.len() - 1;
        let peers: Vec<NodeId> = self.callers.first().map(Caller::members).unwrap_or_default();
        for peer in peers.into_iter().filter(|peer| *peer != id) {
            self.input(place, NodeInput::SetLink { peer, settings });
        }
    }

    /// The faults of the run that it leaves are known, and which of them are not over there: what ends one of them in the future ends it.
    pub fn knows_of(&mut self, faults: &Faults, open: impl IntoIterator<Item = usize>) {
        self.faults = faults.going_on(open, FAULTS_FROM);
    }

    /// Its faults, with those of the run that it leaves.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The present instant.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// What has happened since the last time: what the nodes' hosts would have told, and what clients and hands did.
    pub fn take(&mut self) -> (Vec<Told>, Vec<Happening>) {
        self.collect_steps();
        self.happenings.append(&mut self.history.take_seen());
        (std::mem::take(&mut self.pieces), std::mem::take(&mut self.happenings))
    }

    /// What clients asked and were answered.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Does this now. What cannot be done (a node that does not run is crashed) has no effect.
    pub fn act(&mut self, act: &Act) {
        match *act {
            Act::Crash(id) => self.crash(id),
            Act::Start(id) => self.start(id),
            Act::Wipe(id) => {
                self.crash(id);
                if let Some(seat) = self.seat_mut(id) {
                    seat.files = Default::default();
                    (seat.current, seat.flushed, seat.wiped) = (0, 0, true);
                }
                self.see(What::Lost { node: id });
            }
            Act::SetPaused(id, paused) => {
                self.fault(format!("pause {}", id.0), paused.then(|| format!("{id} paused")));
                self.tell(id, NodeInput::SetPaused(paused));
            }
            Act::SetLink { from, to, settings } => {
                let text = settings.cut.then(|| format!("{from} → {to} cut"));
                self.fault(format!("link {} {}", from.0, to.0), text);
                self.tell(from, NodeInput::SetLink { peer: to, settings });
                // Who boots a member that is down gives it the links as they are by then.
                let now = self.now;
                let seat = self
                    .seats
                    .iter_mut()
                    .find(|seat| seat.id == from && seat.node.is_none());
                if let Some(last) = seat.and_then(|seat| seat.last.as_mut()) {
                    set_link(last, now, to, settings);
                }
                let cut = settings.cut;
                self.tell(to, NodeInput::SetInbound { peer: from, cut });
            }
            Act::SetTiming(timing) => {
                for place in 0..self.seats.len() {
                    self.input(place, NodeInput::SetTiming(timing));
                }
            }
            Act::Operate { to, message, surgery } => self.tell(to, NodeInput::Operate { message, surgery }),
            Act::FireTimer(id) => self.tell(id, NodeInput::FireTimer),
            Act::Submit(operation) => {
                let place = self.next_caller % self.callers.len();
                self.next_caller += 1;
                self.callers[place].enqueue(operation);
                self.client_works(place);
            }
        }
    }

    /// How many events there were.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Lets time run to `until`; less far, where more happens than anybody would wait for.
    pub fn run_until(&mut self, until: Instant) {
        let events_max = self.events + EVENTS_AT_ONCE_MAX;
        while self.events < events_max {
            self.events += 1;
            let (at, next) = self.next();
            if at > until {
                self.now = self.now.max(until);
                return;
            }
            self.now = self.now.max(at);
            match next {
                Next::Coming => {
                    if let Some(event) = self.coming.take() {
                        self.happen(event);
                    }
                }
                Next::Timer(place) => self.input(place, NodeInput::Tick),
                Next::Client(place) => {
                    self.callers[place].client.tick(self.now);
                    self.client_works(place);
                }
            }
        }
    }

    fn next(&self) -> (Instant, Next) {
        let mut first = (self.coming.next(), Next::Coming);
        let mut offer = |at: Instant, next: Next| {
            if at < first.0 {
                first = (at, next);
            }
        };
        for (place, seat) in self.seats.iter().enumerate() {
            if let Some(node) = &seat.node {
                offer(node.deadline(), Next::Timer(place));
            }
        }
        for (place, caller) in self.callers.iter().enumerate() {
            offer(caller.client.deadline(), Next::Client(place));
        }
        first
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Frame { from, to, bytes } => self.tell(to, NodeInput::Arrive { from, bytes }),
            Event::Flushed { node, boot, write, end } => {
                let Some(seat) = self
                    .seat_mut(node)
                    .filter(|seat| seat.boot == boot && seat.node.is_some())
                else {
                    return;
                };
                seat.flushed = seat.flushed.max(end.min(seat.files[seat.current].len()));
                let wall_us = FLUSH.0;
                self.tell(node, NodeInput::Synced { write, wall_us });
            }
            Event::Request { to, request, body } => self.tell(to, NodeInput::Request { request, body }),
            Event::Reply { from, request, reply } => {
                for place in 0..self.callers.len() {
                    self.callers[place].client.receive(self.now, from, request, reply);
                    self.client_works(place);
                }
            }
            Event::Leading { node, term } => {
                for place in 0..self.callers.len() {
                    self.callers[place].client.leading(self.now, node, term);
                    self.client_works(place);
                }
            }
        }
    }

    fn seat_mut(&mut self, id: NodeId) -> Option<&mut Seat> {
        self.seats.iter_mut().find(|seat| seat.id == id)
    }

    fn tell(&mut self, id: NodeId, input: NodeInput) {
        if let Some(place) = self.seats.iter().position(|seat| seat.id == id) {
            self.input(place, input);
        }
    }

    fn input(&mut self, place: usize, input: NodeInput) {
        let Some(node) = &mut self.seats[place].node else {
            return;
        };
        let mut outbox = std::mem::take(&mut self.outbox);
        outbox.clear();
        node.step(self.now, input, &mut outbox);
        self.carry_out(place, &mut outbox);
        self.outbox = outbox;
    }

    fn carry_out(&mut self, place: usize, outbox: &mut NodeOutbox) {
        let now = self.now;
        let seat = &mut self.seats[place];
        let id = seat.id;
        if outbox.switch_disk {
            seat.current = 1 - seat.current;
            seat.files[seat.current].clear();
            seat.flushed = 0;
        }
        seat.files[seat.current].extend_from_slice(&outbox.disk);
        if let Some(write) = outbox.sync.take() {
            let flushed = Event::Flushed {
                node: id,
                boot: seat.boot,
                write,
                end: seat.files[seat.current].len(),
            };
            self.coming.enter(now + FLUSH, flushed);
        }
        for (to, bytes) in outbox.frames.drain(..) {
            self.coming.enter(now, Event::Frame { from: id, to, bytes });
        }
        for (request, reply) in outbox.replies.drain(..) {
            self.coming.enter(
                now,
                Event::Reply {
                    from: id,
                    request,
                    reply,
                },
            );
        }
        if let Some(term) = outbox.leading {
            self.coming.enter(now, Event::Leading { node: id, term });
        }
    }

    fn crash(&mut self, id: NodeId) {
        let now = self.now;
        let Some(place) = self.seats.iter().position(|seat| seat.id == id) else {
            return;
        };
        self.collect_steps();
        let seat = &mut self.seats[place];
        let Some(node) = seat.node.take() else { return };
        // What was not flushed is lost.
        let flushed = seat.flushed;
        seat.files[seat.current].truncate(flushed);
        seat.last = Some(Box::new(node));
        let boot = seat.boot;
        self.pieces.push(Told {
            node: id,
            boot,
            piece: Piece::Ended { at: now },
        });
        self.fault(format!("pause {}", id.0), None);
        self.fault(format!("crash {}", id.0), Some(format!("{id} crashed")));
        for caller in 0..self.callers.len() {
            self.callers[caller].client.node_down(now, id);
            self.client_works(caller);
        }
    }

    fn start(&mut self, id: NodeId) {
        let (now, seed) = (self.now, self.seed);
        let Some(place) = self.seats.iter().position(|seat| seat.id == id && seat.node.is_none()) else {
            return;
        };
        let seat = &mut self.seats[place];
        let Some(last) = &seat.last else { return };
        let boot = seat.boot + 1;
        let seed = (seed ^ (u64::from(id.0) << 32) ^ u64::from(boot)).wrapping_mul(SEED_STRIDE);
        let config = last.config_for(boot, seed);
        let origin = Origin::Disk {
            config: config.clone(),
            files: seat.files.clone(),
            durability: if std::mem::take(&mut seat.wiped) {
                Durability::Cleared
            } else {
                Durability::Kept
            },
        };
        let mut outbox = NodeOutbox::default();
        let Ok((mut node, _)) = Node::boot(config, [&seat.files[0], &seat.files[1]], now, &mut outbox) else {
            return;
        };
        node.record();
        seat.boot = boot;
        if let Some(open) = &outbox.open_disk {
            seat.current = open.file;
            seat.files[open.file].truncate(open.keep as usize);
            seat.flushed = open.keep as usize;
        }
        seat.node = Some(node);
        self.pieces.push(Told {
            node: id,
            boot,
            piece: Piece::Began { origin, at: now },
        });
        self.carry_out(place, &mut outbox);
        self.fault(format!("crash {}", id.0), None);
        for caller in 0..self.callers.len() {
            self.callers[caller].client.node_up(now, id);
            self.client_works(caller);
        }
    }

    fn fault(&mut self, about: String, text: Option<String>) {
        for what in self.faults.tell(about, text) {
            self.see(what);
        }
    }

    fn see(&mut self, what: What) {
        self.happenings.push(Happening { at: self.now, what });
    }

    fn client_works(&mut self, place: usize) {
        let mut requests = Vec::new();
        self.callers[place].work(self.now, &mut self.history, &mut requests);
        for (to, request, body) in requests {
            self.coming.enter(self.now, Event::Request { to, request, body });
        }
    }

    fn collect_steps(&mut self) {
        for seat in &mut self.seats {
            let Some(node) = &mut seat.node else { continue };
            let steps = node.take_steps();
            if !steps.is_empty() {
                self.pieces.push(Told {
                    node: seat.id,
                    boot: seat.boot,
                    piece: Piece::Steps(steps),
                });
            }
        }
    }
}

/// Faults of a future are numbered from here, above those of the run that it leaves.
const FAULTS_FROM: usize = 1 << 24;

fn set_link(node: &mut Node, now: Instant, peer: NodeId, settings: LinkSettings) {
    node.take(now, NodeInput::SetLink { peer, settings }, &mut NodeOutbox::default());
}
