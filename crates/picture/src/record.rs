//! What happened, filed by time: messages, marks, spans of role and term, faults, operations of clients. Bounded: the oldest is let go, and the
//! record says from when on it is whole.

mod filed;
mod happened;
mod packed;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cluster::host::{DropReason, Fact, MessageId, MessageSummary, Surgery};
use netem::Fate;
use raft_core::{Instant, LogIndex, NodeId, Role, Term};
use trace::{CallNumber, Happening, What};

pub(crate) use filed::Filed;
pub use happened::{ClientOperation, Fault, Flight, FlightEnd, Mark, MarkKind, Outcome, Span};
use happened::{mark_of, role_of};

/// How much a record keeps unless it is told otherwise, in bytes.
const RECORD_BYTES_MAX: usize = 96 * 1024 * 1024;

/// How far back a message is looked for when its arrival is told: its sender told of it not long before.
const LOOK_BACK_MESSAGES: usize = 4_096;
/// How long a lost message seems to fly when none has arrived yet to compare it with.
const FLIGHT_US_DEFAULT: u64 = 10_000;

/// What happened.
#[derive(Clone, Debug)]
pub struct Record {
    members: Vec<NodeId>,
    /// Messages that say something, by the time they were sent.
    pub(crate) telling: Filed<Flight>,
    /// Heartbeats, and answers that say nothing new.
    pub(crate) routine: Filed<Flight>,
    /// What is seldom and never left out: elections, crashes, boots.
    pub(crate) rare: Filed<Mark>,
    /// Commits of leaders.
    pub(crate) commits: Filed<Mark>,
    /// Appends, flushes, and what followers learn to be committed.
    pub(crate) fine: Filed<Mark>,
    /// Stretches of one role and term, by node; the last of a running node is open.
    spans: BTreeMap<NodeId, VecDeque<Span>>,
    pub(crate) faults: Vec<Fault>,
    /// Operations that have returned, by the time they did.
    pub(crate) operations: Filed<ClientOperation>,
    /// Those that have not.
    pub(crate) waiting: BTreeMap<CallNumber, ClientOperation>,
    pub(crate) violations: Vec<(Instant, String)>,
    first: Option<Instant>,
    last: Instant,
    /// Before this, something was let go.
    kept_from: Instant,
    /// How many bytes are kept at most.
    bytes_max: usize,
    longest_us: u64,
    acknowledged: BTreeMap<(NodeId, NodeId), (Term, LogIndex)>,
    /// Nodes that are known to run no longer, and since when, while what they did last is still to be told.
    ending: BTreeMap<NodeId, Instant>,
}

impl Record {
    /// A run of which nothing is known.
    pub fn new(members: Vec<NodeId>) -> Record {
        Record {
            members,
            telling: Filed::new(),
            routine: Filed::new(),
            rare: Filed::new(),
            commits: Filed::new(),
            fine: Filed::new(),
            spans: BTreeMap::new(),
            faults: Vec::new(),
            operations: Filed::new(),
            waiting: BTreeMap::new(),
            violations: Vec::new(),
            first: None,
            last: Instant(0),
            kept_from: Instant(0),
            bytes_max: RECORD_BYTES_MAX,
            longest_us: 0,
            acknowledged: BTreeMap::new(),
            ending: BTreeMap::new(),
        }
    }

    /// A node runs no longer: its end will be told when all that it did before is.
    pub fn ends_soon(&mut self, node: NodeId, at: Instant) {
        self.ending.insert(node, at);
    }

    /// The members, in rising order.
    pub fn members(&self) -> &[NodeId] {
        &self.members
    }

    /// Files what happened. Roughly in the order of time: what comes late is put where it belongs.
    pub fn happen(&mut self, happening: &Happening) {
        let at = happening.at;
        self.reach(at);
        match &happening.what {
            What::Told { node, fact } => self.told(at, *node, fact),
            What::Started {
                node, recovery, role, ..
            } => {
                let last_index = recovery.last_index;
                self.ending.remove(node);
                self.mark(at, *node, MarkKind::Booted { last_index });
                self.span(*node, at, *role, recovery.hard_state.term);
            }
            What::Crashed { node } => self.ended(at, *node, MarkKind::Crashed),
            What::Lost { node } => self.ended(at, *node, MarkKind::Lost),
            What::FaultBegan { fault, text } => self.faults.push(Fault {
                number: *fault,
                from: at,
                until: None,
                text: text.clone(),
            }),
            What::FaultEnded { fault } => {
                let lasting = self.faults.iter_mut().rev().find(|known| known.number == *fault);
                if let Some(fault) = lasting.filter(|fault| fault.until.is_none()) {
                    fault.until = Some(at);
                }
            }
            What::Invoked {
                client,
                call,
                operation,
            } => {
                let operation = ClientOperation {
                    client: *client,
                    invoked: at,
                    returned: None,
                    operation: *operation,
                    outcome: Outcome::Waits,
                };
                self.waiting.insert(*call, operation);
            }
            What::Returned { call, result, .. } => self.returned(at, *call, Outcome::Answered(*result)),
            What::GaveUp { call, .. } => self.returned(at, *call, Outcome::GivenUp),
            What::Violated { text } => {
                let place = self.violations.partition_point(|(known, _)| *known <= at);
                self.violations.insert(place, (at, text.clone()));
            }
        }
        self.bound();
    }

    /// Time has come so far.
    pub fn reach(&mut self, now: Instant) {
        self.first.get_or_insert(now);
        self.last = self.last.max(now);
    }

    /// Keeps no more than so many bytes from now on; what is not packed yet, which is little, is kept in any case.
    pub fn limit(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
        self.bound();
    }

    /// How many bytes are kept.
    pub fn bytes(&self) -> usize {
        let spans: usize = self.spans.values().map(VecDeque::len).sum();
        let faults = self.faults.iter().map(|fault| size_of::<Fault>() + fault.text.len());
        let violations = self.violations.iter().map(|(at, text)| size_of_val(at) + text.len());
        self.filed_bytes() + spans * size_of::<Span>() + faults.chain(violations).sum::<usize>()
    }

    /// Lets go what was before `at`.
    pub fn forget_before(&mut self, at: Instant) {
        self.telling.forget_before(at);
        self.routine.forget_before(at);
        for marks in [&mut self.rare, &mut self.commits, &mut self.fine] {
            marks.forget_before(at);
        }
        for spans in self.spans.values_mut() {
            let gone = spans.partition_point(|span| span.until.is_some_and(|until| until < at));
            spans.drain(..gone);
        }
        self.faults.retain(|fault| fault.until.is_none_or(|until| until >= at));
        self.operations.forget_before(at);
        self.kept_from = self.kept_from.max(at);
        self.first = self.first.map(|first| first.max(at));
    }

    /// The numbers of the faults that are kept.
    pub fn faults(&self) -> impl Iterator<Item = usize> {
        self.faults.iter().map(|fault| fault.number)
    }

    /// The numbers of the faults that are not over.
    pub fn open_faults(&self) -> impl Iterator<Item = usize> {
        let open = self.faults.iter().filter(|fault| fault.until.is_none());
        open.map(|fault| fault.number)
    }

    /// The same run up to `at`: what was on its way then still is, and what lasted still does.
    pub fn until(&self, at: Instant) -> Record {
        let mut same = self.clone();
        // Whether its receiver crashed later, nobody knows yet.
        let unsure = |flight: &Flight| {
            let is_unsure = flight.ends > at && flight.end == FlightEnd::Down;
            is_unsure.then_some(Flight {
                end: FlightEnd::Arrives,
                ..*flight
            })
        };
        for flights in [&mut same.telling, &mut same.routine] {
            flights.truncate(flights.until(at));
            let on_the_way = flights.before(Instant(at.0.saturating_sub(self.longest_us)));
            flights.change(on_the_way..flights.len(), unsure);
        }
        for marks in [&mut same.rare, &mut same.commits, &mut same.fine] {
            marks.truncate(marks.until(at));
        }
        for spans in same.spans.values_mut() {
            let kept = spans.partition_point(|span| span.from <= at);
            spans.truncate(kept);
            if let Some(last) = spans.back_mut() {
                last.until = last.until.filter(|until| *until <= at);
            }
        }
        same.faults.retain(|fault| fault.from <= at);
        for fault in &mut same.faults {
            fault.until = fault.until.filter(|until| *until <= at);
        }
        let answered = same.operations.until(at);
        let later = same.operations.from(answered);
        let begun: Vec<ClientOperation> = later.filter(|operation| operation.invoked <= at).collect();
        same.operations.truncate(answered);
        same.waiting.retain(|_, operation| operation.invoked <= at);
        for (operation, number) in begun.into_iter().zip(0..) {
            // Under names that no call has: their answers are not of this future.
            let unanswered = ClientOperation {
                returned: None,
                outcome: Outcome::Unknown,
                ..operation
            };
            same.waiting.insert(CallNumber(u64::MAX - number), unanswered);
        }
        same.violations.retain(|(broken, _)| *broken <= at);
        same.last = at;
        same
    }

    /// The first instant of which anything is kept.
    pub fn first(&self) -> Instant {
        self.first.unwrap_or_default()
    }

    /// The last instant that has come.
    pub fn last(&self) -> Instant {
        self.last
    }

    /// Before this, something was let go.
    pub fn kept_from(&self) -> Instant {
        self.kept_from
    }

    /// How many events are kept.
    pub fn len(&self) -> usize {
        self.telling.len() + self.routine.len() + self.rare.len() + self.commits.len() + self.fine.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The clients whose operations are among the last.
    pub fn clients(&self) -> BTreeSet<u16> {
        const LOOKED_AT_MAX: usize = 500;
        let recent = self.operations.iter().rev().take(LOOKED_AT_MAX);
        recent
            .chain(self.waiting.values().copied())
            .map(|operation| operation.client)
            .collect()
    }

    /// The stretches of a node that lie, in part at least, between two instants.
    pub fn spans(&self, node: NodeId, from: Instant, until: Instant) -> impl Iterator<Item = Span> {
        let spans = self.spans.get(&node).into_iter();
        let ending = self.ending.get(&node).copied();
        let inside = spans.flat_map(move |spans| {
            let first = spans.partition_point(|span| span.until.is_some_and(|end| end < from));
            spans.range(first..).take_while(move |span| span.from <= until)
        });
        inside.map(move |span| Span {
            until: span.until.or(ending.map(|end| end.max(span.from))),
            ..*span
        })
    }

    /// Whether the node runs at an instant.
    pub fn is_up(&self, node: NodeId, at: Instant) -> bool {
        self.spans(node, at, at)
            .any(|span| span.from <= at && span.until.is_none_or(|until| until > at))
    }

    /// Who leads at an instant, in the greatest term, and which that is.
    pub fn leader(&self, at: Instant) -> Option<(Term, NodeId)> {
        let led = self.members.iter().flat_map(|&node| {
            let leads = |span: &Span| span.role == Role::Leader && span.until.is_none_or(|until| until > at);
            self.spans(node, at, at)
                .filter(leads)
                .map(move |span| (span.term, node))
        });
        led.max()
    }

    /// Where in `flights` those begin that were on their way at `from` or after, and where those that were sent by `until` end.
    pub(crate) fn window(&self, flights: &Filed<Flight>, from: Instant, until: Instant) -> std::ops::Range<usize> {
        let earliest = from.0.saturating_sub(self.longest_us);
        flights.before(Instant(earliest))..flights.until(until)
    }

    /// A message by its name, if it was sent about then.
    pub fn flight(&self, id: MessageId, sent: Instant) -> Option<Flight> {
        [&self.telling, &self.routine].into_iter().find_map(|flights| {
            let mut then = flights.range(flights.before(sent)..flights.until(sent));
            then.find(|flight| flight.id == id)
        })
    }

    fn told(&mut self, at: Instant, node: NodeId, fact: &Fact) {
        match fact {
            Fact::Sent {
                message,
                to,
                summary,
                fate,
            } => self.fly(at, *message, *to, *summary, *fate),
            Fact::Received { message } => self.arrived(*message, at, FlightEnd::Arrives),
            Fact::Dropped {
                message: Some(message),
                why,
                ..
            } => {
                let end = match why {
                    DropReason::Cut => FlightEnd::Cut,
                    _ => FlightEnd::Lost,
                };
                self.arrived(*message, at, end);
            }
            Fact::Altered { message, surgery } => match surgery {
                Surgery::Hold => self.arrived(*message, at, FlightEnd::Held),
                Surgery::Release | Surgery::Deliver => self.arrived(*message, at, FlightEnd::Arrives),
                Surgery::Drop | Surgery::Duplicate => {}
            },
            Fact::Synced { bytes, .. } => self.mark(at, node, MarkKind::Synced { bytes: *bytes }),
            Fact::Raft(event) => {
                let leads = self.spans.get(&node).and_then(VecDeque::back);
                let leads = leads.is_some_and(|span| span.until.is_none() && span.role == Role::Leader);
                if let Some(kind) = mark_of(event, leads) {
                    self.mark(at, node, kind);
                }
                if let Some((role, term)) = role_of(event) {
                    self.span(node, at, role, term);
                }
            }
            _ => {}
        }
    }

    fn fly(&mut self, sent: Instant, id: MessageId, to: NodeId, summary: MessageSummary, fate: Fate) {
        let usual_us = self
            .telling
            .last()
            .map_or(FLIGHT_US_DEFAULT, |last| last.ends.since(last.sent).0);
        let nominal = Instant(sent.0.saturating_add(usual_us));
        let (ends, again, end) = match fate {
            Fate::Arrives { at_us, again_at_us } => {
                let end = if self.runs(to) {
                    FlightEnd::Arrives
                } else {
                    FlightEnd::Down
                };
                (Instant(at_us), again_at_us.map(Instant), end)
            }
            Fate::Lost => (nominal, None, FlightEnd::Lost),
            Fate::Cut => (nominal, None, FlightEnd::Cut),
        };
        let flight = Flight {
            id,
            to,
            sent,
            ends,
            again,
            end,
            summary,
        };
        self.longest_us = self.longest_us.max(again.unwrap_or(ends).since(sent).0);
        let list = if self.says_nothing_new(id.from, to, &summary) {
            &mut self.routine
        } else {
            &mut self.telling
        };
        list.file(flight);
    }

    fn runs(&self, node: NodeId) -> bool {
        let last = self.spans.get(&node).and_then(VecDeque::back);
        last.is_some_and(|span| span.until.is_none())
    }

    /// Notes what a follower acknowledges; says whether it had acknowledged as much before.
    fn says_nothing_new(&mut self, from: NodeId, to: NodeId, summary: &MessageSummary) -> bool {
        match *summary {
            MessageSummary::Heartbeat { .. } => true,
            MessageSummary::Matched { term, match_index } => {
                let before = self.acknowledged.insert((from, to), (term, match_index));
                before.is_some_and(|(known, index)| known == term && index >= match_index)
            }
            _ => false,
        }
    }

    fn arrived(&mut self, id: MessageId, at: Instant, end: FlightEnd) {
        for list in [&mut self.telling, &mut self.routine] {
            if let Some(flight) = list.recent_mut().find(|flight| flight.id == id) {
                // The link has said when it arrives; a duplicate, or a receiver that stood still, takes it later.
                if flight.end != end {
                    flight.end = end;
                    flight.ends = at.max(flight.sent);
                    self.longest_us = self.longest_us.max(flight.ends.since(flight.sent).0);
                }
                return;
            }
        }
    }

    fn mark(&mut self, at: Instant, node: NodeId, kind: MarkKind) {
        let list = match kind {
            MarkKind::Committed { .. } => &mut self.commits,
            MarkKind::Learned { .. } | MarkKind::Appended { .. } | MarkKind::Synced { .. } => &mut self.fine,
            _ => &mut self.rare,
        };
        list.file(Mark { at, node, kind });
    }

    fn span(&mut self, node: NodeId, at: Instant, role: Role, term: Term) {
        let spans = self.spans.entry(node).or_default();
        match spans.back_mut() {
            Some(last) if last.until.is_none() && (last.role, last.term) == (role, term) => return,
            Some(last) if last.until.is_none() => last.until = Some(at.max(last.from)),
            _ => {}
        }
        spans.push_back(Span {
            from: at,
            until: None,
            role,
            term,
        });
    }

    fn ended(&mut self, at: Instant, node: NodeId, kind: MarkKind) {
        self.mark(at, node, kind);
        if let Some(last) = self.spans.get_mut(&node).and_then(VecDeque::back_mut)
            && last.until.is_none()
        {
            last.until = Some(at.max(last.from));
        }
        let unheard = |flight: &&mut Flight| flight.to == node && flight.ends > at && flight.end == FlightEnd::Arrives;
        for list in [&mut self.telling, &mut self.routine] {
            let unheard = list.recent_mut().filter(unheard);
            unheard.for_each(|flight| flight.end = FlightEnd::Down);
        }
    }

    fn returned(&mut self, at: Instant, call: CallNumber, outcome: Outcome) {
        if let Some(operation) = self.waiting.remove(&call) {
            self.operations.file(ClientOperation {
                returned: Some(at),
                outcome,
                ..operation
            });
        }
    }

    /// How many bytes are kept of what there is much of.
    fn filed_bytes(&self) -> usize {
        let marks = self.rare.bytes() + self.commits.bytes() + self.fine.bytes();
        self.telling.bytes() + self.routine.bytes() + marks + self.operations.bytes()
    }

    /// Lets the oldest go where there is too much.
    fn bound(&mut self) {
        /// How much goes at once.
        const PART: u64 = 16;
        if self.filed_bytes() <= self.bytes_max {
            return;
        }
        let kept = self.last.since(self.first()).0;
        self.forget_before(Instant(self.first().0 + (kept / PART).max(1)));
    }
}
