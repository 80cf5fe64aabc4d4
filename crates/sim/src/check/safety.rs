//! Raft's safety properties, after every event, over the full logs. What did not change is not looked at again: of each log the
//! checker keeps a chain of hashes, in which each link stands for all entries up to it, so that two logs are compared at one
//! link.
//!
//! A snapshot stands for entries that are committed, so the checker knows them, and a log is whole to it however little of it
//! a node has left. What no node and no disk has any more, the checker lets go, too.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cluster::Replica;
use cluster::host::{Fact, MessageSummary};
use cluster::node::{Node, WriteId};
use ftqueue::{Command, Write};
use raft_core::{Entry, Event, HardState, Instant, LogIndex, NodeId, Payload, Progress, Role, Term, View};

use super::forgetting::Forgetting;
use super::window::Window;
use super::{Property, Violation};
use crate::hash;

/// A whole log is compared with its chain after so many looks, or as many as it has entries, and not only what the node said
/// that it changed.
const LOOKS_BETWEEN_FULL: usize = 1024;
/// What is not needed any more is let go after so many looks.
const LOOKS_BETWEEN_FORGETTING: usize = 1024;

/// What has been seen so far.
#[derive(Clone, Debug)]
pub struct Checker {
    seats: Vec<Seat>,
    /// Who has led each term.
    leaders: BTreeMap<Term, NodeId>,
    /// To whom each node gave its vote in each term, as it told them.
    votes: BTreeMap<(Term, NodeId), NodeId>,
    /// Who voted twice in which terms, having forgotten that it had.
    voted_twice: BTreeSet<(NodeId, Term)>,
    elections: u64,
    /// Every entry that any node ever had, by its place: its term, and the chain up to it.
    entries: Window<Vec<Link>>,
    committed: Window<Committed>,
    /// Committed commands that nobody has asked for.
    commands: Vec<(LogIndex, Command)>,
    /// What machines looked like after having applied so many entries, where any was seen so.
    digests: Window<Option<u64>>,
    /// What members had promised that have forgotten it.
    forgetting: Forgetting<Link>,
    looks: usize,
    now: Instant,
}

/// An entry, and all before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
}

/// What is known of one node.
#[derive(Clone, Debug, Default)]
struct Seat {
    term: Term,
    vote: Option<NodeId>,
    leads: bool,
    /// What it holds of each follower, while it leads.
    matched: Vec<LogIndex>,
    commit_index: LogIndex,
    last_applied: LogIndex,
    /// The whole log.
    log: Window<Link>,
    /// How much of it a snapshot stands for.
    base: usize,
    /// It will never run again.
    lost: bool,
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
    base: usize,
    log: Window<Link>,
}

/// What a write puts on the disk when it is flushed.
#[derive(Clone, Debug)]
struct PendingWrite {
    write: WriteId,
    hard_state: HardState,
    base: usize,
    /// How much of the log before it stays.
    keep: usize,
    /// Where what it appends begins: not there, if a snapshot stands for what is between.
    from: usize,
    append: Vec<Link>,
}

impl Checker {
    /// A checker that has seen nothing of a cluster of so many.
    pub fn new(members: u8) -> Checker {
        Checker {
            seats: (0..members).map(|_| Seat::default()).collect(),
            leaders: BTreeMap::new(),
            votes: BTreeMap::new(),
            voted_twice: BTreeSet::new(),
            elections: 0,
            entries: Window::default(),
            committed: Window::default(),
            commands: Vec::new(),
            digests: Window::default(),
            forgetting: Forgetting::default(),
            looks: 0,
            now: Instant(0),
        }
    }

    /// How much is known to be committed anywhere.
    pub fn committed_index(&self) -> LogIndex {
        LogIndex(self.committed.end() as u64)
    }

    /// The commands that were committed since the last time, each with its place in the log.
    pub fn take_commands(&mut self) -> impl Iterator<Item = (LogIndex, Command)> {
        self.commands.drain(..)
    }

    /// A member will never run again.
    pub fn lost(&mut self, id: NodeId) {
        self.seats[place(id)].lost = true;
    }

    /// A node does not start with what is on its disk, though nobody damaged it.
    ///
    /// # Errors
    /// Always: what it had promised is not there.
    pub fn refused_to_boot(&mut self, at: Instant, id: NodeId, why: &str) -> Result<(), Violation> {
        self.now = at;
        let detail = format!("{id} does not start, and nobody damaged what it had flushed: {why}");
        self.violated(Property::RecoveredWhole, Some(id), detail)
    }

    /// How many terms have had a leader.
    pub fn elections(&self) -> u64 {
        self.elections
    }

    /// The chain of all that is committed.
    pub fn chain(&self) -> u64 {
        self.committed.last().map_or(0, |committed| committed.link.chain)
    }

    /// These nodes are found as they are, in a run that began before anybody looked: what they show is taken for true, and from here on
    /// every promise is held against it.
    ///
    /// # Errors
    /// They cannot be judged: one of them has a log that nothing connects with what is known. Says why.
    pub fn found(&mut self, at: Instant, nodes: &[&Node]) -> Result<(), &'static str> {
        self.now = at;
        let mut nodes: Vec<&Node> = nodes.to_vec();
        nodes.sort_by_key(|node| node.view().snapshot_index());
        for node in &nodes {
            self.find(node)?;
        }
        // What any of them has applied is committed.
        let Some(first) = nodes.iter().max_by_key(|node| node.view().last_applied) else {
            return Ok(());
        };
        let view = first.view();
        let shown_by = |id: NodeId, index: usize| self.seats[place(id)].log.get(index);
        // What its snapshot stands for, another may still show.
        let link = |index: usize| {
            let others = nodes.iter().map(|node| node.view().id);
            std::iter::once(view.id)
                .chain(others)
                .find_map(|id| shown_by(id, index))
        };
        let newly = (self.committed.end()..view.last_applied.0 as usize).map_while(link);
        let committed: Vec<Committed> = newly
            .map(|link| Committed {
                link: *link,
                known_in: view.term,
            })
            .collect();
        self.committed.extend(committed);
        Ok(())
    }

    /// What members have forgotten of what they had promised is known from another, who looked before.
    pub fn knows_of(&mut self, before: &Checker) {
        self.forgetting = before.forgetting.clone();
        self.voted_twice.clone_from(&before.voted_twice);
    }

    fn find(&mut self, node: &Node) -> Result<(), &'static str> {
        const UNCONNECTED: &str =
            "a member began with a snapshot that stands for entries that no other member still shows";
        let view = node.view();
        let base = view.snapshot_index().0 as usize;
        let nothing_known = self.entries.end() == 0;
        let before = match view.snapshot {
            None if self.entries.first() > 0 => return Err(UNCONNECTED),
            None => Link::default(),
            Some(snapshot) => {
                let term = snapshot.last_included_term;
                let known = self.entries.get(base - 1);
                match known.and_then(|links| links.iter().find(|link| link.term == term)) {
                    Some(link) => *link,
                    None if nothing_known => {
                        let chain = hash::of_words(&[base as u64, term.0]);
                        let link = Link { term, chain };
                        self.entries = Window::starting_at(base - 1);
                        self.entries.push(vec![link]);
                        self.committed = Window::starting_at(base - 1);
                        self.committed.push(Committed { link, known_in: term });
                        link
                    }
                    None => return Err(UNCONNECTED),
                }
            }
        };
        let mut log = Window::starting_at(base.saturating_sub(1));
        if base > 0 {
            log.push(before);
        }
        log.extend(chained(before, view.log));
        for (index, link) in log.since(base) {
            if self.log_matching(view.id, *link, index).is_err() {
                return Err("the members began with logs that contradict one another");
            }
        }
        let hard_state = HardState {
            term: view.term,
            voted_for: view.voted_for,
        };
        if let Some(choice) = view.voted_for {
            self.votes.insert((view.term, view.id), choice);
        }
        if view.role == Role::Leader {
            self.leaders.insert(view.term, view.id);
        }
        self.seats[place(view.id)] = Seat {
            term: view.term,
            vote: view.voted_for,
            leads: view.role == Role::Leader,
            matched: view.progress.iter().map(|progress| progress.match_index).collect(),
            commit_index: view.commit_index.min(view.last_applied),
            last_applied: view.last_applied,
            base,
            unwritten_from: log.end(),
            disk: Disk {
                hard_state,
                base,
                log: log.clone(),
            },
            log,
            ..Seat::default()
        };
        Ok(())
    }

    /// A node goes on as it is on another disk, which holds all that it shows.
    pub fn moved(&mut self, id: NodeId) {
        let seat = &mut self.seats[place(id)];
        seat.writes.clear();
        seat.unwritten_from = seat.log.end();
        seat.disk = Disk {
            hard_state: HardState {
                term: seat.term,
                voted_for: seat.vote,
            },
            base: seat.base,
            log: seat.log.clone(),
        };
    }

    /// A member has forgotten what it had promised: its disk was emptied, or was none.
    pub fn forgets(&mut self, id: NodeId) {
        let seat = std::mem::take(&mut self.seats[place(id)]);
        self.forgetting.forgets(id, seat.disk.hard_state.term, seat.disk.log);
    }

    /// Why this broken promise may have come of members that forgot what they had promised, if it may: what a node does by itself,
    /// nobody else's memory explains, and the promises of all hold as long as a quorum remembers.
    pub fn excuse(&self, property: Property) -> Option<&str> {
        let is_of_all = matches!(
            property,
            Property::ElectionSafety
                | Property::LogMatching
                | Property::LeaderCompleteness
                | Property::StateMachineSafety
                | Property::CommittedIsDurable
                | Property::Linearizable
                | Property::ItemsAccounted
        );
        self.forgetting.excuse().filter(|_| is_of_all)
    }

    /// A node has recovered: it has what it had flushed, and perhaps some of the writes that were under way, in their order.
    ///
    /// # Errors
    /// It has not.
    pub fn booted(&mut self, at: Instant, node: &Node) -> Result<(), Violation> {
        self.now = at;
        let view = node.view();
        let hard_state = HardState {
            term: view.term,
            voted_for: view.voted_for,
        };
        let base = view.snapshot_index().0 as usize;
        let seat = &mut self.seats[place(view.id)];
        let mut disk = std::mem::take(&mut seat.disk);
        let mut writes = std::mem::take(&mut seat.writes).into_iter();
        while disk.hard_state != hard_state || disk.base != base || !disk.holds(view.log) {
            let Some(write) = writes.next() else {
                let detail = format!(
                    "{} restarted in {} with vote {:?} and entries up to {}; it had flushed more, or something else",
                    view.id,
                    hard_state.term,
                    hard_state.voted_for,
                    view.last_index()
                );
                return self.violated(Property::RecoveredWhole, Some(view.id), detail);
            };
            disk.take(write);
        }
        *seat = Seat {
            term: view.term,
            vote: view.voted_for,
            base,
            unwritten_from: disk.log.end(),
            log: disk.log.clone(),
            disk,
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
            let held = seat.disk.log.since(done.keep);
            let held = held.take_while(|(index, link)| self.committed.get(*index).is_some_and(|it| it.link == **link));
            let last = held.last().map(|(index, _)| index);
            let kept = |index: usize| {
                index.checked_sub(done.from).and_then(|at| done.append.get(at)) == seat.disk.log.get(index)
            };
            // Links stand for all before them, so the last tells of each.
            dropped = dropped.max(last.filter(|index| !kept(*index)));
            seat.disk.take(done);
        }
        let Some(index) = dropped else { return Ok(()) };
        let Some(link) = self.committed.get(index).map(|committed| committed.link) else {
            return Ok(());
        };
        let copies = self.copies(index, link);
        if self.copies_told(index, link) * 2 <= self.seats.len() {
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
        self.log_changed(&view, changed_from)?;
        if let Some(write) = wrote {
            let seat = &mut self.seats[place(view.id)];
            seat.writes.push_back(PendingWrite {
                write,
                hard_state: HardState {
                    term: view.term,
                    voted_for: view.voted_for,
                },
                base: seat.base,
                keep: seat.unwritten_from,
                from: seat.unwritten_from.max(seat.log.first()),
                append: seat.log.since(seat.unwritten_from).map(|(_, link)| *link).collect(),
            });
            seat.unwritten_from = seat.log.end();
        }
        for (_, fact) in facts {
            if let Fact::Sent { to, summary, .. } = fact {
                self.told(view.id, view.term, *to, summary)?;
            }
        }
        self.look(node)
    }

    /// Keeps the chain of a log in step with it. `changed_from` is the first place that the node says it has changed.
    fn log_changed(&mut self, view: &View<'_, Replica>, changed_from: usize) -> Result<(), Violation> {
        let (id, base) = (view.id, view.snapshot_index().0 as usize);
        let before = self.link_before(view)?;
        let seat = &mut self.seats[place(id)];
        seat.looks += 1;
        let ends_alike = seat.log.end() == view.last_index().0 as usize
            && seat.log.last().map_or(Term(0), |link| link.term)
                == view.log.last().map_or(before.term, |entry| entry.term);
        let moved = std::mem::replace(&mut seat.base, base) != base;
        let keep = if moved
            || (changed_from == usize::MAX && !ends_alike)
            || seat.looks > LOOKS_BETWEEN_FULL.max(view.log.len())
        {
            seat.looks = 0;
            self.agrees_to(id, before, view)
        } else if changed_from == usize::MAX {
            return Ok(());
        } else {
            changed_from
                .max(base)
                .min(seat.log.end())
                .min(view.last_index().0 as usize)
        };
        let seat = &self.seats[place(id)];
        if keep == seat.log.end() && keep == view.last_index().0 as usize {
            return Ok(());
        }
        if seat.leads && view.role == Role::Leader && seat.term == view.term && keep < seat.log.end() {
            return self.violated(
                Property::LeaderAppendOnly,
                Some(id),
                format!("{id} changed its own log at {} while it led {}", keep + 1, view.term),
            );
        }
        // Of what is before, nothing is known any more; the snapshot stands for it.
        let unwritten_from = keep;
        let known_from = self.committed.first().min(base);
        let keep = if keep < known_from {
            let log = &mut self.seats[place(id)].log;
            log.truncate(keep);
            log.skip_to(known_from);
            known_from
        } else {
            keep
        };
        let seat = &self.seats[place(id)];
        let last_kept = keep.checked_sub(1).and_then(|last| seat.log.get(last)).copied();
        // What a snapshot stands for, as far as the log was not the same; and what has changed behind it.
        let included = self.committed.since(keep).map(|(_, committed)| committed.link);
        let mut added: Vec<Link> = included.take(base.saturating_sub(keep)).collect();
        let behind = if keep > base {
            last_kept.unwrap_or(before)
        } else {
            before
        };
        added.extend(chained(behind, &view.log[keep.max(base) - base..]));
        for (link, index) in added.iter().zip(keep..) {
            self.log_matching(id, *link, index)?;
        }
        let mut terms = last_kept.iter().chain(&added).map(|link| link.term);
        if !terms.clone().is_sorted() || terms.next_back().is_some_and(|last| last > view.term) {
            return self.violated(
                Property::LogMatching,
                Some(id),
                format!("the terms in the log of {id} fall, or are of the future"),
            );
        }
        let seat = &mut self.seats[place(id)];
        seat.unwritten_from = seat.unwritten_from.min(unwritten_from);
        seat.log.truncate(keep);
        seat.log.extend(added);
        Ok(())
    }

    /// What a node's snapshot ends with: the link of an entry that is committed.
    fn link_before(&self, view: &View<'_, Replica>) -> Result<Link, Violation> {
        let Some(snapshot) = view.snapshot else {
            return Ok(Link::default());
        };
        let last = snapshot.last_included_index;
        match self.committed.get(last.0 as usize - 1) {
            Some(committed) if committed.link.term == snapshot.last_included_term => Ok(committed.link),
            _ => {
                let term = snapshot.last_included_term;
                let detail = format!(
                    "{} has a snapshot up to {last}, of {term}, where no such entry is committed",
                    view.id
                );
                self.violated(Property::StateMachineSafety, Some(view.id), detail)?;
                unreachable!("that was a violation")
            }
        }
    }

    /// How far the log that a node shows is the one that it showed.
    fn agrees_to(&self, id: NodeId, before: Link, view: &View<'_, Replica>) -> usize {
        let (seat, base) = (&self.seats[place(id)], view.snapshot_index().0 as usize);
        if base > 0 && seat.log.get(base - 1) != Some(&before) {
            // Somewhere in what the snapshot stands for. Links stand for all before them.
            let known = |last: &usize| {
                let committed = self.committed.get(*last).map(|committed| committed.link);
                committed.is_some() && committed.as_ref() == seat.log.get(*last)
            };
            let last = (seat.log.first()..seat.log.end().min(base)).rev().find(known);
            return last.map_or(seat.log.first(), |last| last + 1);
        }
        let shown = chained(before, view.log);
        let same = shown
            .iter()
            .zip(seat.log.since(base))
            .take_while(|(now, (_, before))| now == before);
        base + same.count()
    }

    fn log_matching(&mut self, id: NodeId, link: Link, index: usize) -> Result<(), Violation> {
        while self.entries.end() <= index {
            self.entries.push(Vec::new());
        }
        let Some(known) = self.entries.get_mut(index) else {
            return Ok(()); // Every node that runs has a snapshot in its place.
        };
        match known.iter().find(|known| known.term == link.term) {
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
                known.push(link);
                Ok(())
            }
        }
    }

    /// A node tells of one vote a term, across all its lives, and of nothing that it could forget.
    fn told(&mut self, from: NodeId, now_in: Term, to: NodeId, summary: &MessageSummary) -> Result<(), Violation> {
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
            MessageSummary::Matched { term, match_index } => {
                self.takes_part(from, term);
                if match_index == LogIndex::ZERO {
                    return Ok(());
                }
                let disk = &self.seats[place(from)].disk;
                let seat = &self.seats[place(from)];
                let last = match_index.0 as usize - 1;
                // An answer of a term that the node has left since is about the log that it had then.
                let is_of_before = term < now_in;
                let flushed = disk.log.get(last);
                if last < disk.log.first() {
                    return Ok(()); // A snapshot stands for it.
                }
                if flushed.is_some_and(|link| link.term <= term) && (is_of_before || flushed == seat.log.get(last)) {
                    return Ok(());
                }
                let detail =
                    format!("{from} told {to} that it has the entries up to {match_index}, before they were flushed");
                self.violated(Property::ToldIsDurable, Some(from), detail)
            }
            MessageSummary::SnapshotReceived { term, .. } => {
                self.takes_part(from, term);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn voted(&mut self, voter: NodeId, term: Term, choice: NodeId) -> Result<(), Violation> {
        self.takes_part(voter, term);
        match self.votes.insert((term, voter), choice) {
            Some(earlier) if earlier != choice && self.forgetting.term(voter).is_some_and(|until| term <= until) => {
                // No harm, as long as not both are elected.
                self.voted_twice.insert((voter, term));
                Ok(())
            }
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
        if view.commit_index > view.last_index() || view.last_applied > view.commit_index {
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
        for index in committed_before.max(view.snapshot_index()).0..view.commit_index.0 {
            if let Some(entry) = view.entry(LogIndex(index + 1)) {
                self.commits(id, view.term, index as usize, entry)?;
            }
        }
        if view.last_applied > applied_before {
            self.applied(id, view.last_applied, node.queues().digest())?;
        }
        self.looks += 1;
        if self.looks.is_multiple_of(LOOKS_BETWEEN_FORGETTING) {
            self.forget();
        }
        Ok(())
    }

    fn leads(&mut self, id: NodeId, term: Term) -> Result<(), Violation> {
        let led_before = self.leaders.get(&term) == Some(&id);
        let leader = *self.leaders.entry(term).or_insert_with(|| {
            self.elections += 1;
            id
        });
        if led_before && self.forgetting.term(id).is_some_and(|until| term <= until) {
            self.forgetting
                .excuses(|| format!("{id} leads {term} again, and has forgotten that it had led it"));
        }
        if leader != id {
            if let Some((voter, _)) = self.voted_twice.iter().find(|(_, of)| *of == term) {
                self.forgetting
                    .excuses(|| format!("{voter} voted twice in {term}, for it had forgotten that it had"));
            }
            return self.violated(
                Property::ElectionSafety,
                Some(id),
                format!("{leader} and {id} both lead {term}"),
            );
        }
        let earlier = self.committed.rposition(|committed| committed.known_in < term);
        let (log, committed) = (&self.seats[place(id)].log, &self.committed);
        match earlier.filter(|last| *last >= log.first()) {
            Some(last) if log.get(last) != committed.get(last).map(|committed| &committed.link) => {
                let lacks = |(index, known): &(usize, &Committed)| log.get(*index) != Some(&known.link);
                let first = committed.since(log.first()).find(lacks);
                if let Some((index, link)) = first.map(|(index, known)| (index, known.link)) {
                    self.lacks_what_was_forgotten(index, link);
                }
                let detail = format!(
                    "{id} leads {term} and lacks entry {}, which is committed, or one before it",
                    last + 1
                );
                self.violated(Property::LeaderCompleteness, Some(id), detail)
            }
            _ => Ok(()),
        }
    }

    /// A leader lacks a committed entry. Who forgot it is to blame if so many did that a majority without it could be found: those who
    /// have it give no vote to who lacks it.
    fn lacks_what_was_forgotten(&mut self, index: usize, link: Link) {
        let (copies, told) = (self.copies(index, link), self.copies_told(index, link));
        if !self.meets_every_majority(copies) && self.meets_every_majority(told) {
            self.forgetting.excuses(|| {
                format!(
                    "entry {} was acknowledged by {told} members, and {} of them have forgotten it",
                    index + 1,
                    told - copies
                )
            });
        }
    }

    /// Whether so many members have one in every majority.
    fn meets_every_majority(&self, count: usize) -> bool {
        count >= self.seats.len() - self.seats.len() / 2
    }

    /// A member that has forgotten takes part in this term. Before, it had promised to take part in no term before the last in which it
    /// was; where a quorum remembers a later one, nothing can come of it.
    fn takes_part(&mut self, id: NodeId, term: Term) {
        let Some(until) = self.forgetting.term(id).filter(|until| term < *until) else {
            return;
        };
        let later = Term(term.0 + 1);
        // What it did in a later term: it voted for another, or led.
        let voted = self.votes.range((later, NodeId(0))..=(until, NodeId(u8::MAX)));
        let counted = |((term, voter), choice): (&(Term, NodeId), &NodeId)| {
            *voter == id && (*choice != id || self.leaders.get(term) == Some(&id))
        };
        if !voted.into_iter().any(counted) {
            return;
        }
        let others = self.seats.iter().zip(1..).filter(|(_, other)| NodeId(*other) != id);
        let remember = others.filter(|(seat, _)| seat.disk.hard_state.term > term).count();
        if !self.meets_every_majority(remember) {
            self.forgetting.excuses(|| {
                format!(
                    "{id} takes part in {term}; it had taken part in a later one, up to {until}, and has forgotten that"
                )
            });
        }
    }

    fn commits(&mut self, id: NodeId, term: Term, index: usize, entry: &Entry<Command>) -> Result<(), Violation> {
        let Some(&link) = self.seats[place(id)].log.get(index) else {
            return Ok(());
        };
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
        // A leader counts what it was told; some who told it may have forgotten since.
        if self.copies_told(index, link) * 2 <= self.seats.len() {
            let copies = self.copies(index, link);
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
            self.lacks_what_was_forgotten(index, link);
            return self.violated(Property::LeaderCompleteness, Some(id), detail);
        }
        if let Payload::Command(command) = entry.payload {
            self.commands.push((LogIndex(index as u64 + 1), command));
        }
        self.committed.push(Committed { link, known_in: term });
        Ok(())
    }

    /// On how many disks an entry is, with all before it. What a disk held when it was lost counts: nobody can take it back.
    fn copies(&self, index: usize, link: Link) -> usize {
        self.seats
            .iter()
            .filter(|seat| seat.disk.log.get(index) == Some(&link))
            .count()
    }

    /// How many members told that they have an entry: those that hold it, and those that have forgotten that they did.
    fn copies_told(&self, index: usize, link: Link) -> usize {
        let held = |(seat, id): &(&Seat, u8)| {
            seat.disk.log.get(index) == Some(&link) || self.forgetting.held(NodeId(*id), index, &link)
        };
        self.seats.iter().zip(1..).filter(held).count()
    }

    fn applied(&mut self, id: NodeId, index: LogIndex, digest: u64) -> Result<(), Violation> {
        let applied = index.0 as usize;
        while self.digests.end() <= applied {
            self.digests.push(None);
        }
        let Some(known) = self.digests.get_mut(applied) else {
            return Ok(());
        };
        let known = *known.get_or_insert(digest);
        if known != digest {
            return self.violated(
                Property::StateMachineSafety,
                Some(id),
                format!("having applied the entries up to {index}, {id} holds something else than another did"),
            );
        }
        Ok(())
    }

    /// Lets go what no node shows any more, and no disk brings back.
    fn forget(&mut self) {
        let alive = || self.seats.iter().filter(|seat| !seat.lost);
        let bases = |seat: &Seat| {
            let writes = seat.writes.iter().map(|write| write.base);
            writes.chain([seat.base, seat.disk.base]).min()
        };
        let base = alive().filter_map(bases).min().unwrap_or(0);
        // The entry before is what a log is chained to.
        let first = base.saturating_sub(1);
        let term = alive().map(|seat| seat.disk.hard_state.term).min().unwrap_or_default();
        for seat in &mut self.seats {
            seat.log.forget_before(first);
            seat.disk.log.forget_before(first);
        }
        self.entries.forget_before(first);
        self.committed.forget_before(first);
        self.digests.forget_before(base);
        self.leaders = self.leaders.split_off(&term);
        self.votes = self.votes.split_off(&(term, NodeId(0)));
        self.voted_twice.retain(|(_, of)| *of >= term);
        // What was forgotten explains nothing where all others are in later terms, and what of it is committed is there again.
        let (seats, committed) = (&self.seats, &self.committed);
        self.forgetting.retain(first, |id, term, log| {
            let mut others = seats
                .iter()
                .zip(1..)
                .filter(|(seat, other)| NodeId(*other) != id && !seat.lost);
            let is_committed = |index: &usize| committed.get(*index).map(|known| &known.link) == log.get(*index);
            let last = (log.first()..log.end().min(committed.end())).rev().find(is_committed);
            let lacks = last.is_some_and(|last| seats[place(id)].disk.log.get(last) != log.get(last));
            lacks || others.any(|(seat, _)| seat.disk.hard_state.term <= term)
        });
    }

    fn violated(&self, property: Property, node: Option<NodeId>, detail: String) -> Result<(), Violation> {
        Err(Violation {
            property,
            at: self.now,
            since: None,
            node,
            detail,
        })
    }
}

impl Disk {
    /// Whether this is the log behind its snapshot.
    fn holds(&self, log: &[Entry<Command>]) -> bool {
        let before = self.base.checked_sub(1).and_then(|last| self.log.get(last));
        let last = chained(before.copied().unwrap_or_default(), log).last().copied();
        self.log.end() == self.base + log.len() && (last.is_none() || last.as_ref() == self.log.last())
    }

    fn take(&mut self, write: PendingWrite) {
        self.hard_state = write.hard_state;
        self.base = write.base;
        self.log.truncate(write.keep);
        self.log.skip_to(write.from);
        self.log.extend(write.append);
    }
}

fn place(id: NodeId) -> usize {
    usize::from(id.0) - 1
}

/// The links of entries that follow a log.
fn chained(before: Link, entries: &[Entry<Command>]) -> Vec<Link> {
    let mut chain = before.chain;
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
            hash::of_words(&[kind, session.index, session.nonce, sequence.0, first, second])
        }
    }
}
