//! Raft's safety properties, after every event, over the full logs. What did not change is not looked at again: of each log the
//! checker keeps a chain of hashes, in which each link stands for all entries up to it, so that two logs are compared at one
//! link.

use std::collections::{BTreeMap, VecDeque};

use cluster::host::{Fact, MessageSummary};
use cluster::node::{Node, WriteId};
use ftqueue::{Command, Write};
use raft_core::{Entry, Event, HardState, Instant, LogIndex, NodeId, Payload, Progress, Role, Term};

use super::{Property, Violation};
use crate::hash;

/// A whole log is compared with its chain after so many looks, or as many as it has entries, and not only what the node said
/// that it changed.
const LOOKS_BETWEEN_FULL: usize = 1024;

/// What has been seen so far.
#[derive(Debug)]
pub struct Checker {
    seats: Vec<Seat>,
    /// Who has led each term.
    leaders: BTreeMap<Term, NodeId>,
    /// To whom each node gave its vote in each term, as it told them.
    votes: BTreeMap<(NodeId, Term), NodeId>,
    /// Every entry that any node ever had, by its place: its term, and the chain up to it.
    entries: Vec<Vec<Link>>,
    committed: Vec<Committed>,
    /// What machines looked like after having applied so many entries, where any was seen so.
    digests: Vec<Option<u64>>,
    now: Instant,
}

/// An entry, and all before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Link {
    term: Term,
    chain: u64,
}

/// An entry that some node holds to be committed.
#[derive(Clone, Copy, Debug)]
struct Committed {
    link: Link,
    /// The term of the node that held it so first.
    known_in: Term,
    command: Option<Command>,
}

/// What is known of one node.
#[derive(Debug, Default)]
struct Seat {
    term: Term,
    vote: Option<NodeId>,
    leads: bool,
    /// What it holds of each follower, while it leads.
    matched: Vec<LogIndex>,
    commit_index: LogIndex,
    last_applied: LogIndex,
    log: Vec<Link>,
    /// How often it was looked at since the whole log was.
    looks: usize,
    /// The first place in which the log differs from what was last written.
    unwritten_from: usize,
    /// Writes that are not flushed.
    writes: VecDeque<PendingWrite>,
    disk: Disk,
}

/// What a disk must hold after a crash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Disk {
    hard_state: HardState,
    log: Vec<Link>,
}

/// What a write puts on the disk when it is flushed.
#[derive(Debug)]
struct PendingWrite {
    write: WriteId,
    hard_state: HardState,
    /// How much of the log before it stays.
    keep: usize,
    append: Vec<Link>,
}

impl Checker {
    /// A checker that has seen nothing of a cluster of so many.
    pub fn new(members: u8) -> Checker {
        Checker {
            seats: (0..members).map(|_| Seat::default()).collect(),
            leaders: BTreeMap::new(),
            votes: BTreeMap::new(),
            entries: Vec::new(),
            committed: Vec::new(),
            digests: Vec::new(),
            now: Instant(0),
        }
    }

    /// How much is known to be committed anywhere.
    pub fn committed_index(&self) -> LogIndex {
        LogIndex(self.committed.len() as u64)
    }

    /// The commands that were committed, each with its place in the log.
    pub fn commands(&self) -> impl Iterator<Item = (LogIndex, Command)> {
        let placed = self.committed.iter().zip(1..);
        placed.filter_map(|(committed, place)| committed.command.map(|command| (LogIndex(place), command)))
    }

    /// How many terms have had a leader.
    pub fn elections(&self) -> u64 {
        self.leaders.len() as u64
    }

    /// The chain of all that is committed.
    pub fn chain(&self) -> u64 {
        self.committed.last().map_or(0, |committed| committed.link.chain)
    }

    /// A node has recovered: it has what it had flushed, and perhaps some of the writes that were under way, in their order.
    ///
    /// # Errors
    /// It has not.
    pub fn booted(&mut self, at: Instant, node: &Node) -> Result<(), Violation> {
        self.now = at;
        let view = node.view();
        let log = chained(&[], view.log);
        let found = Disk {
            hard_state: HardState {
                term: view.term,
                voted_for: view.voted_for,
            },
            log,
        };
        let seat = &mut self.seats[place(view.id)];
        let mut disk = std::mem::take(&mut seat.disk);
        let mut writes = std::mem::take(&mut seat.writes).into_iter();
        while disk != found {
            let Some(write) = writes.next() else {
                let detail = format!(
                    "{} restarted in {} with vote {:?} and {} entries; it had flushed more, or something else",
                    view.id,
                    found.hard_state.term,
                    found.hard_state.voted_for,
                    found.log.len()
                );
                return self.violated(Property::RecoveredWhole, Some(view.id), detail);
            };
            disk.take(write);
        }
        *seat = Seat {
            term: view.term,
            vote: view.voted_for,
            unwritten_from: found.log.len(),
            log: found.log.clone(),
            disk: found,
            ..Seat::default()
        };
        self.look(node)
    }

    /// A flush on this node is done, and those before it.
    ///
    /// # Errors
    /// It took a committed entry from one disk too many. A single disk may lose one: to a leader that did not know of it, because it
    /// was not committed yet, while the bytes were under way.
    pub fn flushed(&mut self, at: Instant, id: NodeId, write: WriteId) -> Result<(), Violation> {
        self.now = at;
        let seat = &mut self.seats[place(id)];
        let mut dropped = None;
        while let Some(done) = seat.writes.pop_front_if(|pending| pending.write <= write) {
            let held = seat.disk.log.iter().zip(&self.committed).skip(done.keep);
            let held = held.take_while(|(link, committed)| **link == committed.link).count();
            if held > 0 && !done.append.starts_with(&seat.disk.log[done.keep..done.keep + held]) {
                dropped = dropped.max(Some(done.keep + held - 1));
            }
            seat.disk.take(done);
        }
        let Some(index) = dropped else { return Ok(()) };
        let copies = self.copies(index, self.committed[index].link);
        if copies * 2 <= self.seats.len() {
            let detail = format!(
                "{id} dropped entry {} from its disk; it is committed, and {copies} copies are left",
                index + 1
            );
            return self.violated(Property::CommittedIsDurable, Some(id), detail);
        }
        Ok(())
    }

    /// A node has taken an input: what it shows, what it told and what it wrote.
    ///
    /// # Errors
    /// A property does not hold any more.
    pub fn stepped(
        &mut self,
        at: Instant,
        node: &Node,
        facts: &[(Instant, Fact)],
        wrote: Option<WriteId>,
    ) -> Result<(), Violation> {
        self.now = at;
        let view = node.view();
        let mut changed_from = usize::MAX;
        for (_, fact) in facts {
            if let Fact::Raft(Event::Appended { first: from, .. } | Event::Truncated { from, .. }) = fact {
                changed_from = changed_from.min(from.0 as usize - 1);
            }
        }
        self.log_changed(view.id, view.role, view.term, view.log, changed_from)?;
        if let Some(write) = wrote {
            let seat = &mut self.seats[place(view.id)];
            seat.writes.push_back(PendingWrite {
                write,
                hard_state: HardState {
                    term: view.term,
                    voted_for: view.voted_for,
                },
                keep: seat.unwritten_from,
                append: seat.log[seat.unwritten_from..].to_vec(),
            });
            seat.unwritten_from = seat.log.len();
        }
        for (_, fact) in facts {
            if let Fact::Sent { to, summary, .. } = fact {
                self.told(view.id, *to, summary)?;
            }
        }
        self.look(node)
    }

    /// Keeps the chain of a log in step with it.
    fn log_changed(
        &mut self,
        id: NodeId,
        role: Role,
        term: Term,
        log: &[Entry<Command>],
        mut changed_from: usize,
    ) -> Result<(), Violation> {
        let seat = &mut self.seats[place(id)];
        seat.looks += 1;
        let same_end =
            seat.log.len() == log.len() && seat.log.last().map(|link| link.term) == log.last().map(|entry| entry.term);
        if changed_from == usize::MAX && (!same_end || seat.looks > LOOKS_BETWEEN_FULL.max(log.len())) {
            seat.looks = 0;
            let links = chained(&[], log);
            let same = links
                .iter()
                .zip(&seat.log)
                .take_while(|(now, before)| now == before)
                .count();
            if same < links.len() || same < seat.log.len() {
                changed_from = same;
            }
        }
        if changed_from == usize::MAX {
            return Ok(());
        }
        let keep = changed_from.min(seat.log.len()).min(log.len());
        if seat.leads && role == Role::Leader && seat.term == term && keep < seat.log.len() {
            return self.violated(
                Property::LeaderAppendOnly,
                Some(id),
                format!("{id} changed its own log at {} while it led {term}", keep + 1),
            );
        }
        let added = chained(&self.seats[place(id)].log[..keep], &log[keep..]);
        for (link, index) in added.iter().zip(keep..) {
            self.log_matching(id, *link, index)?;
        }
        let before = keep.checked_sub(1).map(|last| self.seats[place(id)].log[last].term);
        let terms = before.into_iter().chain(added.iter().map(|link| link.term));
        if !terms.clone().is_sorted() || terms.last().is_some_and(|last| last > term) {
            return self.violated(
                Property::LogMatching,
                Some(id),
                format!("the terms in the log of {id} fall, or are of the future"),
            );
        }
        let seat = &mut self.seats[place(id)];
        seat.unwritten_from = seat.unwritten_from.min(keep);
        seat.log.truncate(keep);
        seat.log.extend(added);
        Ok(())
    }

    fn log_matching(&mut self, id: NodeId, link: Link, index: usize) -> Result<(), Violation> {
        if self.entries.len() <= index {
            self.entries.resize(index + 1, Vec::new());
        }
        match self.entries[index].iter().find(|known| known.term == link.term) {
            Some(known) if *known != link => {
                let detail = format!(
                    "the log of {id} up to entry {} of {} is not the one that another node had",
                    index + 1,
                    link.term
                );
                self.violated(Property::LogMatching, Some(id), detail)
            }
            Some(_) => Ok(()),
            None => {
                self.entries[index].push(link);
                Ok(())
            }
        }
    }

    /// A node tells of one vote a term, across all its lives, and of nothing that it could forget.
    fn told(&mut self, from: NodeId, to: NodeId, summary: &MessageSummary) -> Result<(), Violation> {
        let disk = &self.seats[place(from)].disk;
        match *summary {
            MessageSummary::Vote { term, granted: true } => {
                let kept = HardState {
                    term,
                    voted_for: Some(to),
                };
                if disk.hard_state != kept && disk.hard_state.term <= term {
                    return self.violated(
                        Property::ToldIsDurable,
                        Some(from),
                        format!("{from} told {to} of its vote in {term} before it was flushed"),
                    );
                }
                self.voted(from, term, to)
            }
            MessageSummary::RequestVote { term, .. } => self.voted(from, term, from),
            MessageSummary::Matched { term, match_index } if match_index > LogIndex::ZERO => {
                let seat = &self.seats[place(from)];
                let last = match_index.0 as usize - 1;
                let flushed = disk.log.get(last);
                if flushed.is_some() && (term < seat.term || flushed == seat.log.get(last)) {
                    return Ok(());
                }
                let detail = format!("{from} told {to} that it has {match_index} entries, before they were flushed");
                self.violated(Property::ToldIsDurable, Some(from), detail)
            }
            _ => Ok(()),
        }
    }

    fn voted(&mut self, voter: NodeId, term: Term, choice: NodeId) -> Result<(), Violation> {
        match self.votes.insert((voter, term), choice) {
            Some(earlier) if earlier != choice => self.violated(
                Property::OneVoteATerm,
                Some(voter),
                format!("{voter} voted for {earlier} and for {choice} in {term}"),
            ),
            _ => Ok(()),
        }
    }

    /// Looks at what a node shows, against what it and others showed before.
    fn look(&mut self, node: &Node) -> Result<(), Violation> {
        let view = node.view();
        let id = view.id;
        let seat = &self.seats[place(id)];
        let began_to_lead = view.role == Role::Leader && !(seat.leads && seat.term == view.term);
        let (committed_before, applied_before) = (seat.commit_index, seat.last_applied);
        if view.term < seat.term || view.commit_index < committed_before || view.last_applied < applied_before {
            return self.violated(
                Property::Monotonic,
                Some(id),
                format!("the term, commit index or applied index of {id} fell"),
            );
        }
        if view.term == seat.term && seat.vote.is_some() && view.voted_for != seat.vote {
            return self.violated(
                Property::OneVoteATerm,
                Some(id),
                format!("{id} took back its vote in {}", view.term),
            );
        }
        if view.commit_index.0 > view.log.len() as u64 || view.last_applied > view.commit_index {
            return self.violated(
                Property::Monotonic,
                Some(id),
                format!("{id} has committed or applied what it has not"),
            );
        }
        let fell = |(progress, before): (&Progress, &LogIndex)| progress.match_index < *before;
        if !began_to_lead && view.progress.iter().zip(&seat.matched).any(fell) {
            let detail = format!("{id}, who leads {}, took back what it held of a follower", view.term);
            return self.violated(Property::Monotonic, Some(id), detail);
        }
        let seat = &mut self.seats[place(id)];
        seat.matched.clear();
        seat.matched
            .extend(view.progress.iter().map(|progress| progress.match_index));
        (seat.term, seat.vote, seat.leads) = (view.term, view.voted_for, view.role == Role::Leader);
        (seat.commit_index, seat.last_applied) = (view.commit_index, view.last_applied);
        if began_to_lead {
            self.leads(id, view.term)?;
        }
        for index in committed_before.0..view.commit_index.0 {
            self.commits(id, view.term, index as usize, &view.log[index as usize])?;
        }
        if view.last_applied > applied_before {
            self.applied(id, view.last_applied, node.queues().digest())?;
        }
        Ok(())
    }

    fn leads(&mut self, id: NodeId, term: Term) -> Result<(), Violation> {
        let leader = *self.leaders.entry(term).or_insert(id);
        if leader != id {
            return self.violated(
                Property::ElectionSafety,
                Some(id),
                format!("{leader} and {id} both lead {term}"),
            );
        }
        let earlier = self.committed.iter().rposition(|committed| committed.known_in < term);
        match earlier {
            Some(last) if self.seats[place(id)].log.get(last) != Some(&self.committed[last].link) => self.violated(
                Property::LeaderCompleteness,
                Some(id),
                format!(
                    "{id} leads {term} and lacks entry {}, which is committed, or one before it",
                    last + 1
                ),
            ),
            _ => Ok(()),
        }
    }

    fn commits(&mut self, id: NodeId, term: Term, index: usize, entry: &Entry<Command>) -> Result<(), Violation> {
        let link = self.seats[place(id)].log[index];
        if let Some(known) = self.committed.get(index) {
            if known.link != link {
                let detail = format!(
                    "{id} commits an entry of {} at {}, where one of {} was committed",
                    link.term,
                    index + 1,
                    known.link.term
                );
                return self.violated(Property::StateMachineSafety, Some(id), detail);
            }
            return Ok(());
        }
        let copies = self.copies(index, link);
        if copies * 2 <= self.seats.len() {
            let detail = format!(
                "{id} commits entry {} with {copies} copies of it flushed, of {} members",
                index + 1,
                self.seats.len()
            );
            return self.violated(Property::CommittedIsDurable, Some(id), detail);
        }
        let later = (self.seats.iter().zip(1..))
            .find(|(seat, _)| seat.leads && seat.term > term && seat.log.get(index) != Some(&link));
        if let Some((seat, other)) = later {
            let detail = format!(
                "{id} commits entry {} in {term}, which Node {other}, who leads {}, lacks",
                index + 1,
                seat.term
            );
            return self.violated(Property::LeaderCompleteness, Some(id), detail);
        }
        let command = match entry.payload {
            Payload::NoOp => None,
            Payload::Command(command) => Some(command),
        };
        self.committed.push(Committed {
            link,
            known_in: term,
            command,
        });
        Ok(())
    }

    /// On how many disks an entry is, with all before it. What a disk held when it was lost counts: nobody can take it back.
    fn copies(&self, index: usize, link: Link) -> usize {
        self.seats
            .iter()
            .filter(|seat| seat.disk.log.get(index) == Some(&link))
            .count()
    }

    fn applied(&mut self, id: NodeId, index: LogIndex, digest: u64) -> Result<(), Violation> {
        let place = index.0 as usize;
        if self.digests.len() <= place {
            self.digests.resize(place + 1, None);
        }
        let known = *self.digests[place].get_or_insert(digest);
        if known != digest {
            return self.violated(
                Property::StateMachineSafety,
                Some(id),
                format!("having applied {index} entries, {id} holds something else than another did"),
            );
        }
        Ok(())
    }

    fn violated(&self, property: Property, node: Option<NodeId>, detail: String) -> Result<(), Violation> {
        Err(Violation {
            property,
            at: self.now,
            node,
            detail,
        })
    }
}

impl Disk {
    fn take(&mut self, write: PendingWrite) {
        self.hard_state = write.hard_state;
        self.log.truncate(write.keep);
        self.log.extend(write.append);
    }
}

fn place(id: NodeId) -> usize {
    usize::from(id.0) - 1
}

/// The links of entries that follow a log.
fn chained(before: &[Link], entries: &[Entry<Command>]) -> Vec<Link> {
    let mut chain = before.last().map_or(0, |last| last.chain);
    let link = |entry: &Entry<Command>| {
        chain = hash::of_words(&[chain, entry.term.0, payload_hash(&entry.payload)]);
        Link {
            term: entry.term,
            chain,
        }
    };
    entries.iter().map(link).collect()
}

fn payload_hash(payload: &Payload<Command>) -> u64 {
    match *payload {
        Payload::NoOp => 0,
        Payload::Command(Command::OpenSession { nonce }) => hash::of_words(&[1, nonce]),
        Payload::Command(Command::Write {
            session,
            sequence,
            write,
        }) => {
            let (kind, first, second) = match write {
                Write::CreateQueue { label } => (2, label.0 as u64, 0),
                Write::Push { qid, item } => (3, qid.0, item as u64),
                Write::Pop { qid } => (4, qid.0, 0),
            };
            hash::of_words(&[kind, session.0, sequence.0, first, second])
        }
    }
}
