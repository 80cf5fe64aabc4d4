//! What happened, filed by time for the timeline: spans of role and term, messages, marks, faults, client operations.
//! Bounded: the oldest is dropped, and counted.

use std::collections::VecDeque;

use cluster::host::{DropReason, Fact, MessageId, MessageSummary};
use netem::Fate;
use raft_core::{Event, FollowReason, Instant, LogIndex, NodeId, Role, Term};

/// How many facts are kept for the activity logs and the inspector.
pub const FACTS_MAX: usize = 200_000;
/// How many messages are kept for the timeline.
pub const MESSAGES_MAX: usize = 100_000;
/// How many marks, spans, faults and operations are kept, each.
pub const MARKS_MAX: usize = 50_000;

/// How far back a message is looked for when its arrival is told: its sender told of it not long before.
const LOOK_BACK_MESSAGES: usize = 4_096;
/// How long a lost message seems to fly when none has arrived yet to compare it with.
const FLIGHT_US_DEFAULT: u64 = 10_000;

/// What happened.
#[derive(Debug, Default)]
pub struct History {
    /// Everything that nodes reported, in the order in which it came in.
    pub facts: VecDeque<Record>,
    /// Messages by the time they were sent. Heartbeats and their answers are in here too.
    pub messages: VecDeque<Flight>,
    /// Points in time.
    pub marks: VecDeque<Mark>,
    /// Stretches of one role and term on one node; the last of a running node is open.
    spans: Vec<(NodeId, VecDeque<Span>)>,
    /// What a person did to the cluster.
    pub faults: Vec<Fault>,
    /// Client operations.
    pub operations: VecDeque<ClientOperation>,
    /// What was dropped for want of room.
    pub dropped: Dropped,
    /// How long the longest flight took, in microseconds, so that a search by the time of sending misses none.
    flight_us_max: u64,
    /// What each node has acknowledged to each other one last, and in which term.
    acknowledged: Vec<Acknowledged>,
}

/// What was dropped for want of room.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dropped {
    /// How many facts, messages, marks, spans, faults and operations.
    pub count: u64,
    /// The time of the newest of them: from here on, everything is kept.
    pub until: Instant,
}

/// What one node acknowledged to another last.
#[derive(Debug)]
struct Acknowledged {
    from: NodeId,
    to: NodeId,
    term: Term,
    match_index: LogIndex,
}

/// One fact, with where and when.
#[derive(Clone, Debug)]
pub struct Record {
    /// When, in virtual time.
    pub at: Instant,
    /// On which node.
    pub node: NodeId,
    /// In which of its boots.
    pub boot: u32,
    /// What.
    pub fact: Fact,
}

/// A message on its way.
#[derive(Clone, Copy, Debug)]
pub struct Flight {
    /// Its name.
    pub id: MessageId,
    /// Whom it is for.
    pub to: NodeId,
    /// When it left.
    pub sent: Instant,
    /// When it arrives; for one that is lost, when it would have.
    pub ends: Instant,
    /// Whether it arrives.
    pub end: FlightEnd,
    /// What it says.
    pub summary: MessageSummary,
    /// Whether it says nothing new: a heartbeat, or the answer to one.
    pub routine: bool,
}

/// How a message ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlightEnd {
    /// It arrives, or has arrived.
    Arrives,
    /// It is lost on the way.
    Lost,
    /// The link is cut.
    Cut,
    /// Its receiver is down.
    Down,
}

/// A point in time on one node.
#[derive(Clone, Debug)]
pub struct Mark {
    /// When.
    pub at: Instant,
    /// Where.
    pub node: NodeId,
    /// What.
    pub kind: MarkKind,
}

/// What a mark stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkKind {
    /// It recovered and takes part.
    Booted {
        /// Where its log ended.
        last_index: LogIndex,
    },
    /// It was crashed, or died.
    Crashed,
    /// Its disk was emptied.
    Wiped,
    /// It stands for election.
    Candidate {
        /// In which term.
        term: Term,
    },
    /// It won.
    Elected {
        /// The term it leads.
        term: Term,
        /// How many voted for it.
        votes: u8,
    },
    /// It follows a leader of a newer term after it led itself.
    Deposed {
        /// The newer term.
        term: Term,
    },
    /// A leader committed up to here.
    Committed {
        /// The last entry of them.
        to: LogIndex,
    },
    /// Entries were dropped for a leader's.
    Truncated {
        /// The first entry of them.
        from: LogIndex,
    },
}

/// A stretch of one role and term.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// From when.
    pub from: Instant,
    /// Until when; none while it lasts.
    pub until: Option<Instant>,
    /// The role.
    pub role: Role,
    /// The term.
    pub term: Term,
}

/// Something a person did to the cluster, for as long as it lasted.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Tells it from others, and finds it again when it ends.
    pub key: String,
    /// From when.
    pub from: Instant,
    /// Until when; none while it lasts.
    pub until: Option<Instant>,
    /// In words.
    pub text: String,
}

/// A client's operation from invocation to return.
#[derive(Clone, Debug)]
pub struct ClientOperation {
    /// Which lane it is drawn in.
    pub client: u16,
    /// When it was invoked.
    pub invoked: Instant,
    /// When it returned.
    pub returned: Instant,
    /// The operation and its answer, in words.
    pub text: String,
    /// Whether it was answered as asked.
    pub ok: bool,
    /// How often it was tried.
    pub tries: u32,
}

impl Flight {
    /// Whether it is a heartbeat, or answers one: folded on the timeline.
    pub fn is_heartbeat(&self) -> bool {
        self.routine
    }

    /// Whether it answers another message.
    pub fn is_reply(&self) -> bool {
        !matches!(
            self.summary,
            MessageSummary::RequestVote { .. }
                | MessageSummary::Heartbeat { .. }
                | MessageSummary::Append { .. }
                | MessageSummary::Snapshot { .. }
        )
    }

    /// Whether it refuses something.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self.summary,
            MessageSummary::Vote { granted: false, .. }
                | MessageSummary::Refused { .. }
                | MessageSummary::StaleTerm { .. }
        )
    }

    /// Its sender's term.
    pub fn term(&self) -> Term {
        match self.summary {
            MessageSummary::RequestVote { term, .. }
            | MessageSummary::Vote { term, .. }
            | MessageSummary::Heartbeat { term, .. }
            | MessageSummary::Append { term, .. }
            | MessageSummary::Matched { term, .. }
            | MessageSummary::Refused { term, .. }
            | MessageSummary::StaleTerm { term }
            | MessageSummary::Snapshot { term, .. }
            | MessageSummary::SnapshotReceived { term, .. } => term,
        }
    }

    /// A word or two for the picture.
    pub fn label(&self) -> String {
        match self.summary {
            MessageSummary::RequestVote { .. } => "RequestVote".into(),
            MessageSummary::Vote { granted: true, .. } => "granted".into(),
            MessageSummary::Vote { granted: false, .. } => "refused".into(),
            MessageSummary::Heartbeat { .. } => String::new(),
            MessageSummary::Append { first, last, .. } if first == last => format!("append {first}"),
            MessageSummary::Append { first, last, .. } => format!("append {first}–{last}"),
            MessageSummary::Matched { match_index, .. } => format!("has {match_index}"),
            MessageSummary::Refused { .. } => "refused".into(),
            MessageSummary::StaleTerm { .. } => "stale term".into(),
            MessageSummary::Snapshot {
                bytes: 0, done: false, ..
            } => "how far?".into(),
            MessageSummary::Snapshot { bytes, .. } => format!("snapshot, {bytes} B"),
            MessageSummary::SnapshotReceived { bytes, .. } => format!("has {bytes} B"),
        }
    }
}

impl History {
    /// Files a fact.
    pub fn record(&mut self, at: Instant, node: NodeId, boot: u32, fact: Fact) {
        match &fact {
            Fact::Sent {
                message,
                to,
                summary,
                fate,
            } => self.fly(at, *message, *to, *summary, *fate),
            Fact::Dropped {
                message: Some(message),
                why: DropReason::Cut,
                ..
            } => self.arrived(*message, at, FlightEnd::Cut),
            Fact::Received { message } => self.arrived(*message, at, FlightEnd::Arrives),
            Fact::Raft(event) => {
                if let Some(kind) = mark_of(event, self.leads(node)) {
                    self.mark(at, node, kind);
                }
                if let Some((role, term)) = role_of(event) {
                    self.span(node, at, role, term);
                }
            }
            _ => {}
        }
        push_bounded(
            &mut self.facts,
            Record { at, node, boot, fact },
            FACTS_MAX,
            &mut self.dropped,
            |record| record.at,
        );
    }

    /// A point in time.
    pub fn mark(&mut self, at: Instant, node: NodeId, kind: MarkKind) {
        let place = place_by_time(&self.marks, at, |mark| mark.at);
        self.marks.insert(place, Mark { at, node, kind });
        drop_oldest(&mut self.marks, MARKS_MAX, &mut self.dropped, |mark| mark.at);
    }

    /// From `at` on, the node plays this role in this term.
    pub fn span(&mut self, node: NodeId, at: Instant, role: Role, term: Term) {
        let place = match self.spans.iter().position(|(id, _)| *id == node) {
            Some(place) => place,
            None => {
                self.spans.push((node, VecDeque::new()));
                self.spans.len() - 1
            }
        };
        let spans = &mut self.spans[place].1;
        match spans.back_mut() {
            Some(last) if last.until.is_none() && (last.role, last.term) == (role, term) => return,
            Some(last) if last.until.is_none() => last.until = Some(at.max(last.from)),
            _ => {}
        }
        push_bounded(
            spans,
            Span {
                from: at,
                until: None,
                role,
                term,
            },
            MARKS_MAX,
            &mut self.dropped,
            |span| span.from,
        );
    }

    /// The node runs no longer.
    pub fn end_span(&mut self, node: NodeId, at: Instant) {
        if let Some(last) = self.spans_of(node).and_then(VecDeque::back_mut)
            && last.until.is_none()
        {
            last.until = Some(at.max(last.from));
        }
        let unheard = |flight: &&mut Flight| flight.to == node && flight.ends > at && flight.end == FlightEnd::Arrives;
        for flight in self.messages.iter_mut().rev().take(LOOK_BACK_MESSAGES).filter(unheard) {
            flight.end = FlightEnd::Down;
        }
    }

    /// A fault begins. One of the same key that lasts is ended first.
    pub fn begin_fault(&mut self, key: &str, at: Instant, text: String) {
        self.end_fault(key, at);
        self.faults.push(Fault {
            key: key.to_owned(),
            from: at,
            until: None,
            text,
        });
        if self.faults.len() > MARKS_MAX {
            let oldest = self.faults.remove(0);
            self.dropped.note(oldest.from);
        }
    }

    /// A fault is over.
    pub fn end_fault(&mut self, key: &str, at: Instant) {
        if let Some(fault) = self
            .faults
            .iter_mut()
            .rev()
            .find(|fault| fault.key == key && fault.until.is_none())
        {
            fault.until = Some(at);
        }
    }

    /// A client's operation has returned.
    pub fn operation(&mut self, operation: ClientOperation) {
        push_bounded(
            &mut self.operations,
            operation,
            MARKS_MAX,
            &mut self.dropped,
            |operation| operation.returned,
        );
    }

    /// The messages that were on their way at some time between `from` and `until`, oldest first.
    pub fn flights(&self, from: Instant, until: Instant) -> impl Iterator<Item = &Flight> {
        let earliest = from.0.saturating_sub(self.flight_us_max);
        let first = self.messages.partition_point(|flight| flight.sent.0 < earliest);
        self.messages
            .range(first..)
            .take_while(move |flight| flight.sent <= until)
            .filter(move |flight| flight.ends >= from)
    }

    /// The marks between two instants, both included.
    pub fn marks_between(&self, from: Instant, until: Instant) -> impl Iterator<Item = &Mark> {
        let first = self.marks.partition_point(|mark| mark.at < from);
        self.marks.range(first..).take_while(move |mark| mark.at <= until)
    }

    /// The stretches of a node that lie, in part at least, between two instants.
    pub fn spans_between(&self, node: NodeId, from: Instant, until: Instant) -> impl Iterator<Item = &Span> {
        self.spans
            .iter()
            .filter(move |(id, _)| *id == node)
            .flat_map(move |(_, spans)| {
                let first = spans.partition_point(|span| span.until.is_some_and(|end| end < from));
                spans.range(first..).take_while(move |span| span.from <= until)
            })
    }

    /// The operations that were under way at some time between two instants, by the time they returned. One that took
    /// longer than a minute is not found by an instant before its last minute.
    pub fn operations_between(&self, from: Instant, until: Instant) -> impl Iterator<Item = &ClientOperation> {
        const LONGEST_US: u64 = 60_000_000;
        let first = self.operations.partition_point(|operation| operation.returned < from);
        self.operations
            .range(first..)
            .take_while(move |operation| operation.returned.0 <= until.0.saturating_add(LONGEST_US))
            .filter(move |operation| operation.invoked <= until)
    }

    /// The first instant of which anything is kept.
    pub fn first(&self) -> Instant {
        let message = self.messages.front().map(|flight| flight.sent);
        let mark = self.marks.front().map(|mark| mark.at);
        [message, mark].into_iter().flatten().min().unwrap_or_default()
    }

    /// The event that a mark stands for, as the node told it.
    pub fn event_of(&self, mark: &Mark) -> Option<&Event> {
        self.facts
            .iter()
            .rev()
            .filter(|record| record.node == mark.node && record.at == mark.at)
            .find_map(|record| match &record.fact {
                Fact::Raft(event) if mark_of(event, true) == Some(mark.kind) => Some(event),
                _ => None,
            })
    }

    /// What the receiver of a message decided upon it.
    pub fn consequences(&self, message: MessageId, receiver: NodeId) -> Vec<&Event> {
        let of_receiver = |record: &&Record| record.node == receiver;
        let is_it =
            |record: &&Record| matches!(record.fact, Fact::Received { message: received } if received == message);
        let Some(place) = self.facts.iter().rposition(|record| is_it(&record)) else {
            return Vec::new();
        };
        self.facts
            .range(place + 1..)
            .filter(of_receiver)
            .take_while(|record| !matches!(record.fact, Fact::Received { .. }) && record.at == self.facts[place].at)
            .filter_map(|record| match &record.fact {
                Fact::Raft(event) => Some(event),
                _ => None,
            })
            .collect()
    }

    fn fly(&mut self, sent: Instant, id: MessageId, to: NodeId, summary: MessageSummary, fate: Fate) {
        let usual_us = self
            .messages
            .back()
            .map_or(FLIGHT_US_DEFAULT, |last| last.ends.since(last.sent).0);
        let nominal = Instant(sent.0.saturating_add(usual_us));
        let (ends, end) = match fate {
            Fate::Arrives { at_us, .. } if self.is_down(to, Instant(at_us)) => (Instant(at_us), FlightEnd::Down),
            Fate::Arrives { at_us, .. } => (Instant(at_us), FlightEnd::Arrives),
            Fate::Lost => (nominal, FlightEnd::Lost),
            Fate::Cut => (nominal, FlightEnd::Cut),
        };
        let routine = self.says_nothing_new(id.from, to, &summary);
        self.flight_us_max = self.flight_us_max.max(ends.since(sent).0);
        let place = place_by_time(&self.messages, sent, |flight| flight.sent);
        self.messages.insert(
            place,
            Flight {
                id,
                to,
                sent,
                ends,
                end,
                summary,
                routine,
            },
        );
        drop_oldest(&mut self.messages, MESSAGES_MAX, &mut self.dropped, |flight| {
            flight.sent
        });
    }

    /// Notes what a follower acknowledges; says whether it had acknowledged as much before.
    fn says_nothing_new(&mut self, from: NodeId, to: NodeId, summary: &MessageSummary) -> bool {
        match *summary {
            MessageSummary::Heartbeat { .. } => true,
            MessageSummary::Matched { term, match_index } => {
                let said = Acknowledged {
                    from,
                    to,
                    term,
                    match_index,
                };
                let known = self
                    .acknowledged
                    .iter_mut()
                    .find(|known| (known.from, known.to) == (from, to));
                let Some(known) = known else {
                    self.acknowledged.push(said);
                    return false;
                };
                let before = std::mem::replace(known, said);
                before.term == term && before.match_index >= match_index
            }
            _ => false,
        }
    }

    fn spans_of(&mut self, node: NodeId) -> Option<&mut VecDeque<Span>> {
        self.spans
            .iter_mut()
            .find(|(id, _)| *id == node)
            .map(|(_, spans)| spans)
    }

    fn leads(&self, node: NodeId) -> bool {
        self.last_span(node)
            .is_some_and(|span| span.until.is_none() && span.role == Role::Leader)
    }

    fn last_span(&self, node: NodeId) -> Option<&Span> {
        self.spans
            .iter()
            .find(|(id, _)| *id == node)
            .and_then(|(_, spans)| spans.back())
    }

    /// Whether the node ran no more at `at`, as far as is known.
    fn is_down(&self, node: NodeId, at: Instant) -> bool {
        let last = self.last_span(node);
        last.is_none_or(|span| span.until.is_some_and(|end| end <= at))
    }

    fn arrived(&mut self, id: MessageId, at: Instant, end: FlightEnd) {
        let known = self
            .messages
            .iter_mut()
            .rev()
            .take(LOOK_BACK_MESSAGES)
            .find(|flight| flight.id == id);
        // The link has said when it arrives; a duplicate, or a receiver that stood still, takes it later.
        if let Some(flight) = known.filter(|flight| flight.end != end) {
            flight.end = end;
            flight.ends = at.max(flight.sent);
        }
    }
}

/// The mark that an event of a node leaves, if any; it depends on whether the node led.
fn mark_of(event: &Event, led: bool) -> Option<MarkKind> {
    Some(match event {
        Event::BecameCandidate { term } => MarkKind::Candidate { term: *term },
        Event::BecameLeader { term, votes } => MarkKind::Elected {
            term: *term,
            votes: votes.len() as u8,
        },
        Event::BecameFollower {
            term,
            reason: FollowReason::NewerTerm { .. },
            ..
        } if led => MarkKind::Deposed { term: *term },
        Event::CommitAdvanced { to, copies, .. } if !copies.is_empty() => MarkKind::Committed { to: *to },
        Event::Truncated { from, .. } => MarkKind::Truncated { from: *from },
        _ => return None,
    })
}

/// The role and term that an event shows.
fn role_of(event: &Event) -> Option<(Role, Term)> {
    match event {
        Event::BecameFollower { term, .. } => Some((Role::Follower, *term)),
        Event::BecameCandidate { term } => Some((Role::Candidate, *term)),
        Event::BecameLeader { term, .. } => Some((Role::Leader, *term)),
        _ => None,
    }
}

fn push_bounded<T>(items: &mut VecDeque<T>, item: T, max: usize, dropped: &mut Dropped, at: impl Fn(&T) -> Instant) {
    items.push_back(item);
    drop_oldest(items, max, dropped, at);
}

fn drop_oldest<T>(items: &mut VecDeque<T>, max: usize, dropped: &mut Dropped, at: impl Fn(&T) -> Instant) {
    while items.len() > max {
        if let Some(oldest) = items.pop_front() {
            dropped.note(at(&oldest));
        }
    }
}

/// Where something of this time belongs. Reports of different nodes interleave, each only slightly late, so that the
/// place is near the end.
fn place_by_time<T>(items: &VecDeque<T>, at: Instant, time: impl Fn(&T) -> Instant) -> usize {
    items
        .iter()
        .rposition(|earlier| time(earlier) <= at)
        .map_or(0, |place| place + 1)
}

impl Dropped {
    fn note(&mut self, at: Instant) {
        self.count += 1;
        self.until = self.until.max(at);
    }
}
