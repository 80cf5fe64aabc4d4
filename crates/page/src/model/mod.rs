//! What the page knows of the cluster: what the nodes have reported, filed for the ring, the logs and the timeline.

mod flights;
pub mod keys;
pub mod lateness;
pub mod settings;
#[cfg(test)]
mod tests;

use cluster::host::{Fact, LogPatch, QueuesSummary, Recovery, Report, Status, Storage};
use cluster::slow_disks::{SlowDisks, SlowMajority};
use ftqueue::Command;
use raft_core::{CommitHold, Duration, Entry, Event, Instant, LogIndex, NodeId, Role, Term};

pub use flights::*;

/// How long disks are too slow for the timers before it is told: one hiccup is none.
const SLOW_FOR: Duration = Duration::from_millis(1_000);

/// Everything that is known.
#[derive(Debug, Default)]
pub struct Model {
    nodes: Vec<Node>,
    /// Messages on their way.
    pub flights: Flights,
    /// Which nodes' flushes outlast the timers.
    slow_disks: SlowDisks,
    /// Reports from before this instant say nothing of disks.
    slow_from: Instant,
}

/// One node as it last reported itself.
#[derive(Debug)]
pub struct Node {
    /// Which node.
    pub id: NodeId,
    /// Whether it runs.
    pub power: Power,
    /// Counts its boots in this tab.
    pub boot: u32,
    /// Where it keeps its log, since it has said so.
    pub storage: Option<Storage>,
    /// Why there is no room for what it writes, if there is none.
    pub lacks_room: Option<String>,
    /// What it found when it booted.
    pub recovery: Option<Recovery>,
    /// Its state at its last report; kept while it is down.
    pub status: Option<Status>,
    /// The last entry that its snapshot stands for.
    pub snapshot_index: LogIndex,
    /// Its log behind the snapshot, as of then.
    pub log: Vec<Entry<Command>>,
    /// Its queues as of then.
    pub queues: QueuesSummary,
    /// Why its last entry is not committed, as it said last.
    pub hold: Option<(LogIndex, CommitHold)>,
    /// The last append that it refused or learned to be refused, in words, with its place in the paper.
    pub refusal: Option<(Instant, String, &'static str)>,
}

/// Whether a node runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Power {
    /// It has not been started, or was crashed on purpose.
    Off,
    /// Its Worker is starting.
    Starting,
    /// It takes part.
    On,
    /// It died by itself, or cannot take part; says why.
    Failed(String),
}

impl Model {
    /// A cluster of which nothing is known.
    pub fn new(members: impl IntoIterator<Item = NodeId>) -> Model {
        Model {
            nodes: members.into_iter().map(Node::new).collect(),
            flights: Flights::default(),
            slow_disks: SlowDisks::default(),
            slow_from: Instant(0),
        }
    }

    /// The nodes, in rising order.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter()
    }

    /// One node.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }

    /// The running leader of the greatest term, if one is known.
    pub fn leader(&self) -> Option<&Node> {
        self.nodes()
            .filter(|node| node.role() == Some(Role::Leader))
            .max_by_key(|node| node.term())
    }

    /// The greatest term that any node has reported.
    pub fn term(&self) -> Term {
        self.nodes().map(Node::term).max().unwrap_or_default()
    }

    /// The greatest commit index that any node has reported.
    pub fn commit_index(&self) -> LogIndex {
        self.nodes()
            .filter_map(|node| node.status.as_ref())
            .map(|status| status.commit_index)
            .max()
            .unwrap_or_default()
    }

    /// A Worker is being started for a node.
    pub fn starting(&mut self, id: NodeId, boot: u32) {
        if let Some(node) = self.node_mut(id) {
            node.power = Power::Starting;
            node.boot = boot;
        }
    }

    /// A node has recovered and takes part.
    pub fn booted(&mut self, id: NodeId, storage: Storage, recovery: Recovery) {
        let Some(node) = self.nodes.iter_mut().find(|node| node.id == id) else {
            return;
        };
        node.power = Power::On;
        node.log.clear();
        node.snapshot_index = LogIndex::ZERO;
        node.hold = None;
        node.status = None;
        node.storage = Some(storage);
        node.lacks_room = None;
        node.recovery = Some(recovery);
    }

    /// A node runs no longer: crashed by hand, or failed by itself for a reason.
    pub fn stopped(&mut self, id: NodeId, at: Instant, failure: Option<String>) {
        let Some(node) = self.nodes.iter_mut().find(|node| node.id == id) else {
            return;
        };
        self.flights.stopped(id, at);
        node.power = failure.map_or(Power::Off, Power::Failed);
        node.lacks_room = None;
        self.slow_disks.set(at, self.nodes.len(), id, None);
    }

    /// What a node holds is another than it last said: nothing is known of it any more.
    pub fn forget(&mut self, id: NodeId) {
        if let Some(node) = self.node_mut(id) {
            *node = Node {
                boot: node.boot,
                ..Node::new(id)
            };
        }
    }

    /// A node reports.
    pub fn report(&mut self, id: NodeId, report: Report) {
        let up: Vec<NodeId> = self.nodes().filter(|node| node.is_up()).map(|node| node.id).collect();
        let Some(node) = self
            .nodes
            .iter_mut()
            .find(|node| node.id == id && node.power == Power::On)
        else {
            return;
        };
        node.change_log(report.log, report.status.snapshot_index);
        if let Some(queues) = report.queues {
            node.queues = queues;
        }
        let flushed = last_flush(&report.facts);
        for (at, fact) in report.facts {
            node.learn(at, &fact);
            self.flights.record(at, &fact, |node| up.contains(&node));
        }
        node.status = Some(report.status);
        if let Some(took) = flushed.filter(|_| report.now >= self.slow_from) {
            self.slow_disks.set(report.now, self.nodes.len(), id, took);
        }
    }

    /// With other timers or another speed the same disks may be quick enough: what was is forgotten. So is what nodes say that have not
    /// heard of the change yet, or said it before and are listened to only now.
    pub fn forget_slow_disks(&mut self, now: Instant) {
        self.slow_disks = SlowDisks::default();
        self.slow_from = now + SLOW_FOR;
    }

    /// Disks are too slow for the timers, and have been for as long as to be no accident.
    pub fn standstill(&self, now: Instant, election_min: Duration) -> Option<SlowMajority> {
        let since = self.slow_disks.since().filter(|since| now.since(*since) >= SLOW_FOR);
        since.and_then(|_| self.slow_disks.seen(now, self.nodes.len(), election_min))
    }

    /// Sets what is known of a node.
    pub fn set(&mut self, id: NodeId, set: impl FnOnce(&mut Node)) {
        if let Some(node) = self.node_mut(id) {
            set(node);
        }
    }

    fn node_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        self.nodes.iter_mut().find(|node| node.id == id)
    }
}

impl Node {
    /// A node of which nothing is known: it counts as one that does not run.
    pub fn new(id: NodeId) -> Node {
        Node {
            id,
            power: Power::Off,
            boot: 0,
            storage: None,
            lacks_room: None,
            recovery: None,
            status: None,
            snapshot_index: LogIndex::ZERO,
            log: Vec::new(),
            queues: QueuesSummary::default(),
            hold: None,
            refusal: None,
        }
    }

    /// Whether it takes part.
    pub fn is_up(&self) -> bool {
        self.power == Power::On
    }

    /// The role it plays, while it runs.
    pub fn role(&self) -> Option<Role> {
        self.status.as_ref().filter(|_| self.is_up()).map(|status| status.role)
    }

    /// Its latest term.
    pub fn term(&self) -> Term {
        self.status
            .as_ref()
            .map(|status| status.term)
            .or(self.recovery.as_ref().map(|found| found.hard_state.term))
            .unwrap_or_default()
    }

    /// Its role as people and screen readers are told it.
    pub fn role_name(&self) -> &'static str {
        match (&self.power, self.role()) {
            (Power::On, Some(Role::Leader)) => "leader",
            (Power::On, Some(Role::Candidate)) => "candidate",
            (Power::On | Power::Starting, _) => "follower",
            (Power::Off | Power::Failed(_), _) => "crashed",
        }
    }

    /// Its name as screen readers and tests know it.
    pub fn label(&self) -> String {
        format!("{}, {}, {}", self.id, self.role_name(), self.term())
    }

    /// The entry at `index`, if it has one.
    pub fn entry(&self, index: LogIndex) -> Option<&Entry<Command>> {
        let place = index.0.checked_sub(self.snapshot_index.0 + 1)?;
        self.log.get(usize::try_from(place).ok()?)
    }

    /// Where its log ends.
    pub fn last_index(&self) -> LogIndex {
        LogIndex(self.snapshot_index.0 + self.log.len() as u64)
    }

    /// Takes a change of the log, and drops what the snapshot stands for by now.
    fn change_log(&mut self, patch: Option<LogPatch>, snapshot_index: LogIndex) {
        if let Some(LogPatch { from, entries }) = patch {
            if from <= self.snapshot_index || from > self.last_index().next() {
                // Another log altogether: one that came with a snapshot.
                self.log.clear();
                self.snapshot_index = from.prev();
            }
            self.log.truncate((from.0 - self.snapshot_index.0 - 1) as usize);
            self.log.extend(entries);
        }
        let gone = snapshot_index.0.saturating_sub(self.snapshot_index.0) as usize;
        self.log.drain(..gone.min(self.log.len()));
        self.snapshot_index = snapshot_index;
    }

    fn learn(&mut self, at: Instant, fact: &Fact) {
        let Fact::Raft(event) = fact else { return };
        match event {
            Event::CommitHeld { index, reason } => self.hold = Some((*index, *reason)),
            Event::BecameFollower { .. } => self.hold = None,
            Event::AppendRefused { .. } | Event::Backtracked { .. } => {
                self.refusal = event.refusal().map(|text| (at, text, event.paper()));
            }
            _ => {}
        }
    }
}

/// How long the last flush of these took, if there was one; none, if it was short enough for the timers.
fn last_flush(facts: &[(Instant, Fact)]) -> Option<Option<Duration>> {
    facts.iter().rev().find_map(|(_, fact)| match fact {
        Fact::Raft(Event::WriteOutlastedTimeout { took, .. }) => Some(Some(*took)),
        Fact::Raft(Event::PersistCompleted { .. } | Event::PersistStale { .. }) => Some(None),
        _ => None,
    })
}
