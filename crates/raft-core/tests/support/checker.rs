//! Raft's properties (figure 3 of the paper), checked after every event. They look at what nodes show and send, and at the
//! disks, and share no logic with the core: no elections, no progress, no commit rule.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use raft_core::{Entry, LogIndex, Message, NodeId, Payload, Role, Term, Ticket, View};

use super::world::{Host, Journal};

/// A property that does not hold, and how it shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    pub property: &'static str,
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} violated: {}", self.property, self.detail)
    }
}

impl std::error::Error for Violation {}

/// What has been seen so far.
#[derive(Debug)]
pub struct Checker {
    size: usize,
    /// Who has led each term.
    leaders: BTreeMap<Term, NodeId>,
    /// To whom each node gave its vote in each term, as it told them.
    votes: BTreeMap<(NodeId, Term), NodeId>,
    /// The committed log, as far as any node has known it, each entry with the term in which that was first known.
    committed: Vec<(Entry<String>, Term)>,
    /// What each node showed last in this boot.
    last: BTreeMap<NodeId, Seen>,
    /// For reads under way, how much was committed anywhere when they came.
    reads: BTreeMap<Ticket, LogIndex>,
    /// Nodes whose disk was wiped by hand: they do not keep what they acknowledged.
    wiped: BTreeSet<NodeId>,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    term: Term,
    vote: Option<NodeId>,
    commit_index: LogIndex,
    last_applied: LogIndex,
    /// If it led, its log then.
    led: Option<Vec<Entry<String>>>,
    /// If it led, what it held of each follower.
    matched: BTreeMap<NodeId, LogIndex>,
    /// How many of the machine's commands have been compared.
    compared: usize,
}

fn violated<T>(property: &'static str, detail: String) -> Result<T, Violation> {
    Err(Violation { property, detail })
}

impl Checker {
    pub fn new(size: usize) -> Checker {
        Checker {
            size,
            leaders: BTreeMap::new(),
            votes: BTreeMap::new(),
            committed: Vec::new(),
            last: BTreeMap::new(),
            reads: BTreeMap::new(),
            wiped: BTreeSet::new(),
        }
    }

    /// How much is known to be committed.
    pub fn committed(&self) -> &[(Entry<String>, Term)] {
        &self.committed
    }

    /// What is committed up to `index`; as much of it as is known to be.
    pub fn committed_to(&self, index: LogIndex) -> Vec<Entry<String>> {
        let known = self.committed.iter().take(index.0 as usize);
        known.map(|(entry, _)| entry.clone()).collect()
    }

    /// The whole log of a node: what its snapshot stands for, and what it has behind it.
    fn log_of(&self, view: &View<'_, Journal>) -> Result<Vec<Entry<String>>, Violation> {
        let mut log = self.committed_to(view.snapshot_index());
        if (log.len() as u64) < view.snapshot_index().0 {
            let detail = format!("{} holds a snapshot of what is not committed", view.id);
            return violated("State Machine Safety", detail);
        }
        let last = log.last().map_or(Term(0), |entry| entry.term);
        if view
            .snapshot
            .is_some_and(|snapshot| snapshot.last_included_term != last)
        {
            let detail = format!("the snapshot of {} ends with another entry than was committed", view.id);
            return violated("State Machine Safety", detail);
        }
        log.extend_from_slice(view.log);
        Ok(log)
    }

    pub fn booted(&mut self, id: NodeId) {
        self.last.remove(&id);
    }

    pub fn wiped(&mut self, id: NodeId) {
        self.wiped.insert(id);
    }

    pub fn read_asked(&mut self, ticket: Ticket) {
        self.reads.insert(ticket, LogIndex(self.committed.len() as u64));
    }

    /// A read sees everything that was committed anywhere when it was asked.
    pub fn read_answered(&mut self, ticket: Ticket, applied: LogIndex) -> Result<(), Violation> {
        match self.reads.remove(&ticket) {
            Some(at_least) if applied < at_least => violated(
                "linearizable reads",
                format!("a read saw {applied} entries, {at_least} were committed before it"),
            ),
            _ => Ok(()),
        }
    }

    /// A node tells of one vote a term, across all its lives.
    pub fn sent(&mut self, from: NodeId, to: NodeId, message: &Message<String>) -> Result<(), Violation> {
        let (term, choice) = match message {
            Message::RequestVoteReply(reply) if reply.granted => (reply.term, to),
            Message::RequestVote(request) => (request.term, from),
            _ => return Ok(()),
        };
        match self.votes.insert((from, term), choice) {
            Some(earlier) if earlier != choice => violated(
                "one vote a term",
                format!("{from} voted for {earlier} and for {choice} in {term}"),
            ),
            _ => Ok(()),
        }
    }

    /// Looks at the node that has just taken an input, against all others.
    pub fn look(&mut self, id: NodeId, hosts: &BTreeMap<NodeId, Host>) -> Result<(), Violation> {
        let Some(core) = &hosts[&id].core else { return Ok(()) };
        let view = core.view();
        let seen = self.last.remove(&id).unwrap_or_default();
        monotonic(id, &seen, &view)?;
        let log = &self.log_of(&view)?[..];
        terms_rise(&view, log)?;
        self.election_safety(id, view.role, view.term)?;
        self.leader_append_only(&seen, &view, log)?;
        self.log_matching(id, log, hosts)?;
        self.commits(&view, log, hosts)?;
        self.leader_completeness(&view, log)?;
        self.commits_last(hosts)?;
        let compared = self.state_machine_safety(id, &view, seen.compared)?;
        self.acknowledged_is_durable(&view, log, hosts)?;
        let led = (view.role == Role::Leader).then(|| log.to_vec());
        let matched = view
            .progress
            .iter()
            .map(|progress| (progress.id, progress.match_index))
            .collect();
        let seen = Seen {
            term: view.term,
            vote: view.voted_for,
            commit_index: view.commit_index,
            last_applied: view.last_applied,
            led,
            matched,
            compared,
        };
        self.last.insert(id, seen);
        Ok(())
    }

    fn election_safety(&mut self, id: NodeId, role: Role, term: Term) -> Result<(), Violation> {
        if role == Role::Leader {
            let leader = *self.leaders.entry(term).or_insert(id);
            if leader != id {
                return violated("Election Safety", format!("{leader} and {id} both lead {term}"));
            }
        }
        Ok(())
    }

    fn leader_append_only(
        &self,
        seen: &Seen,
        view: &View<'_, Journal>,
        log: &[Entry<String>],
    ) -> Result<(), Violation> {
        let id = view.id;
        let still_leads = view.role == Role::Leader && view.term == seen.term;
        let Some(before) = seen.led.as_ref().filter(|_| still_leads) else {
            return Ok(());
        };
        if !log.starts_with(before) {
            return violated(
                "Leader Append-Only",
                format!("{id} changed its own log while it led {}", view.term),
            );
        }
        for progress in view.progress {
            if progress.match_index < seen.matched[&progress.id] {
                let detail = format!("{id} took back what {} has, to {}", progress.id, progress.match_index);
                return violated("match index monotonic", detail);
            }
        }
        Ok(())
    }

    /// What a node holds to be committed is the same everywhere, and on the disks of a majority.
    fn commits(
        &mut self,
        view: &View<'_, Journal>,
        log: &[Entry<String>],
        hosts: &BTreeMap<NodeId, Host>,
    ) -> Result<(), Violation> {
        let id = view.id;
        if view.commit_index.0 > log.len() as u64 || view.last_applied > view.commit_index {
            return violated(
                "applied ≤ committed ≤ log",
                format!("{id} has committed {}", view.commit_index),
            );
        }
        for (place, entry) in log[..view.commit_index.0 as usize].iter().enumerate() {
            let index = place + 1;
            match self.committed.get(place) {
                Some((known, _)) if known != entry => {
                    let detail = format!(
                        "{id} commits an entry of {} at {index}, another was committed there",
                        entry.term
                    );
                    return violated("State Machine Safety", detail);
                }
                Some(_) => {}
                None => {
                    let holds = |host: &&Host| host.disk.log.get(place) == Some(entry);
                    let copies = hosts.values().filter(holds).count();
                    if copies * 2 <= self.size {
                        let detail = format!(
                            "entry {index} is committed with {copies} durable copies of {}",
                            self.size
                        );
                        return violated("committed entries are on a majority of disks", detail);
                    }
                    self.committed.push((entry.clone(), view.term));
                }
            }
        }
        Ok(())
    }

    /// What was committed stays on the disks of a majority.
    fn commits_last(&self, hosts: &BTreeMap<NodeId, Host>) -> Result<(), Violation> {
        if !self.wiped.is_empty() {
            return Ok(());
        }
        let copies = |place: usize, entry| {
            hosts
                .values()
                .filter(|host| host.disk.log.get(place) == Some(entry))
                .count()
        };
        let lost = self
            .committed
            .iter()
            .enumerate()
            .find(|(place, (entry, _))| copies(*place, entry) * 2 <= self.size);
        match lost {
            Some((place, _)) => violated(
                "committed entries are on a majority of disks",
                format!("entry {} was committed, and is not there any more", place + 1),
            ),
            None => Ok(()),
        }
    }

    fn leader_completeness(&self, view: &View<'_, Journal>, log: &[Entry<String>]) -> Result<(), Violation> {
        let id = view.id;
        if view.role != Role::Leader {
            return Ok(());
        }
        let lacking = self
            .committed
            .iter()
            .enumerate()
            .find(|(place, (entry, known_in))| *known_in < view.term && log.get(*place) != Some(entry));
        match lacking {
            Some((place, _)) => violated(
                "Leader Completeness",
                format!("{id} leads {} without committed entry {}", view.term, place + 1),
            ),
            None => Ok(()),
        }
    }

    /// Every machine applies the committed commands, in order, each once.
    fn state_machine_safety(&self, id: NodeId, view: &View<'_, Journal>, compared: usize) -> Result<usize, Violation> {
        let applied = &view.machine.applied;
        let mut after = if compared == 0 {
            LogIndex::ZERO
        } else {
            applied[compared - 1].0
        };
        for (index, command) in &applied[compared..] {
            let expected = self
                .committed
                .get(index.0 as usize - 1)
                .map(|(entry, _)| &entry.payload);
            let skipped = (after.0..index.0 - 1)
                .any(|place| !matches!(self.committed.get(place as usize), Some((entry, _)) if entry.payload == Payload::NoOp));
            if expected != Some(&Payload::Command(command.clone())) || *index <= after || skipped {
                return violated("State Machine Safety", format!("{id} applied {command} at {index}"));
            }
            after = *index;
        }
        Ok(applied.len())
    }

    /// What a leader holds for replicated is on the follower's disk, as long as both are in the same term.
    fn acknowledged_is_durable(
        &self,
        view: &View<'_, Journal>,
        log: &[Entry<String>],
        hosts: &BTreeMap<NodeId, Host>,
    ) -> Result<(), Violation> {
        let id = view.id;
        for progress in view
            .progress
            .iter()
            .filter(|progress| !self.wiped.contains(&progress.id))
        {
            let host = &hosts[&progress.id];
            let Some(core) = &host.core else { continue };
            let same_term = core.view().term == view.term;
            let count = progress.match_index.0 as usize;
            if same_term && (host.disk.log.len() < count || log.len() < count || host.disk.log[..count] != log[..count])
            {
                let detail = format!("{id} believes that {} has {count} entries durably", progress.id);
                return violated("acknowledged entries are durable", detail);
            }
        }
        Ok(())
    }

    /// If two logs hold an entry of the same term in the same place, they are equal up to it.
    fn log_matching(&self, id: NodeId, log: &[Entry<String>], hosts: &BTreeMap<NodeId, Host>) -> Result<(), Violation> {
        for (other, host) in hosts.iter().filter(|(other, _)| **other != id) {
            let theirs = match &host.core {
                Some(core) => self.log_of(&core.view())?,
                None => host.disk.log.clone(),
            };
            let shared = log.iter().zip(&theirs).rposition(|(a, b)| a.term == b.term);
            if let Some(place) = shared
                && log[..=place] != theirs[..=place]
            {
                return violated(
                    "Log Matching",
                    format!("{id} and {other} agree on the term at {}, not before", place + 1),
                );
            }
        }
        Ok(())
    }
}

/// The terms in a log never fall, and none is of the future.
fn terms_rise(view: &View<'_, Journal>, log: &[Entry<String>]) -> Result<(), Violation> {
    let id = view.id;
    let rising = log.windows(2).all(|pair| pair[0].term <= pair[1].term);
    match log.last() {
        Some(last) if !rising || last.term > view.term => {
            violated("terms in a log never fall", format!("they do on {id}"))
        }
        _ => Ok(()),
    }
}

fn monotonic(id: NodeId, seen: &Seen, view: &View<'_, Journal>) -> Result<(), Violation> {
    if view.term < seen.term || view.commit_index < seen.commit_index || view.last_applied < seen.last_applied {
        return violated("term, commit and applied are monotonic", format!("{id} went back"));
    }
    if view.term == seen.term && seen.vote.is_some() && view.voted_for != seen.vote {
        return violated("one vote a term", format!("{id} took back its vote in {}", view.term));
    }
    Ok(())
}
