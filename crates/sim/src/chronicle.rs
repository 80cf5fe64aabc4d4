//! A run that is told piece by piece while it happens: kept on a tape, and judged as it comes.
//!
//! What Workers do and what a [`crate::future::Future`] does is told in the same words, so one chronicle serves for both. It gives
//! what happened as [`Happening`]s, for whoever draws or exports it.

use std::collections::{BTreeMap, BTreeSet};

use cluster::host::{Fact, Recovery};
use cluster::node::Node;
use raft_core::{HardState, Instant, LogIndex, NodeId, Role};
use trace::tape::{BeginError, Durability, Piece, Tape, Turn, TurnKind};
use trace::{Asked, Happening, What};

use crate::check::{Audit, CLOCKS_DIFFER, CallId, Checker, History, Property, Violation};

/// A run, as far as it has been told.
#[derive(Debug)]
pub struct Chronicle {
    /// What went into the nodes.
    pub tape: Tape,
    /// What clients did, and what came of it.
    pub audit: Audit,
    checker: Checker,
    /// Why the run cannot be judged, if it cannot, and since when.
    unjudged: Option<(Instant, String)>,
    has_opened: bool,
    /// Members that were seen to run.
    known: BTreeSet<NodeId>,
    /// Members whose disks were emptied since they ran last.
    wiped: BTreeSet<NodeId>,
    /// Members whose storage forgot what they had promised, and what they lack until they have it again.
    forgot: BTreeMap<NodeId, LogIndex>,
    /// How the last of them forgot.
    forgetting: Option<String>,
    /// What a node told since its last flush, for the checker.
    untold: BTreeMap<NodeId, Vec<(Instant, Fact)>>,
    facts: Vec<(Instant, Fact)>,
    calls: BTreeMap<u16, CallId>,
    violations: Vec<Violation>,
    /// Whether clients were judged to have been answered in some order of one queue.
    linearizable: bool,
    returned: u64,
    /// How many calls had returned, and how far the tape was, when they were judged last.
    judged: (u64, Instant),
}

/// What is known of a run's promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Why it cannot be judged, if it cannot.
    pub unjudged: Option<String>,
    /// The promises that were broken, oldest first. After the first that is not about clients nothing else is looked for.
    pub violations: Vec<Violation>,
    /// How many calls have returned.
    pub returned: u64,
    /// How many of them were judged: all that had returned up to `judged_upto`.
    pub judged: u64,
    /// When the last of them returned.
    pub judged_upto: Instant,
    /// Why later ones were not, if they should have been.
    pub calls_unjudged: Option<String>,
    /// How much is known to be committed.
    pub committed: LogIndex,
    /// How many terms had a leader.
    pub elections: u64,
}

/// How many broken promises are kept.
const VIOLATIONS_MAX: usize = 16;

impl Chronicle {
    /// A run of these members of which nothing is told yet.
    pub fn new(members: &[NodeId], bytes_max: usize) -> Chronicle {
        Chronicle::on(Tape::new(members, bytes_max))
    }

    /// The same for whoever wants to see once more what happened in a run: nothing is kept of it, and it is not judged.
    pub fn passing(members: &[NodeId]) -> Chronicle {
        let mut chronicle = Chronicle::on(Tape::passing(members));
        chronicle.is_judged_elsewhere();
        chronicle
    }

    fn on(tape: Tape) -> Chronicle {
        let last = tape.members().last().map_or(0, |last| last.0);
        Chronicle {
            tape,
            audit: Audit::watched(),
            checker: Checker::new(last),
            unjudged: None,
            has_opened: false,
            known: BTreeSet::new(),
            wiped: BTreeSet::new(),
            forgot: BTreeMap::new(),
            forgetting: None,
            untold: BTreeMap::new(),
            facts: Vec::new(),
            calls: BTreeMap::new(),
            violations: Vec::new(),
            linearizable: true,
            returned: 0,
            judged: (0, Instant(0)),
        }
    }

    /// This run goes on from an instant of another, before which the members were these, running or not. What was promised and
    /// answered there up to then is held against what comes: the members must begin as they were.
    pub fn goes_on_from(&mut self, before: &Chronicle, at: Instant, members: &[&Node]) {
        let stands = |violation: &&Violation| violation.at <= at;
        self.violations = before.violations.iter().filter(stands).cloned().collect();
        self.linearizable = !self.violations.iter().any(|it| it.property == Property::Linearizable);
        let earlier = before.unjudged.as_ref().filter(|(since, _)| *since <= at);
        self.unjudged = earlier.cloned();
        (self.forgot, self.forgetting) = (before.forgot.clone(), before.forgetting.clone());
        self.checker.knows_of(&before.checker);
        if let Err(why) = self.checker.found(at, members) {
            self.unjudged.get_or_insert_with(|| (at, why.to_owned()));
        }
        self.known.extend(members.iter().map(|node| node.view().id));
        let Some(furthest) = members.iter().max_by_key(|node| node.view().last_applied) else {
            return;
        };
        let applied = furthest.view().last_applied;
        let mut audit = before.audit.clone();
        match audit.back_to(at, applied, furthest.queues()) {
            Ok(true) => {
                audit.history.seen = Some(Vec::new());
                self.audit = audit;
            }
            Ok(false) => self.audit.found(applied, furthest.queues()),
            Err(violation) => {
                self.audit.found(applied, furthest.queues());
                self.violated(violation, &mut |_| ());
            }
        }
        self.returned = self.audit.judged().calls;
    }

    /// This run goes on where another ended, with what its members had on their disks. Says whether it can: not, where not all that
    /// happened there has been told yet.
    pub fn goes_on_after(&mut self, before: &Chronicle) -> bool {
        if before.tape.lives_under_way() > 0 || !before.has_opened {
            return false;
        }
        self.audit = before.audit.clone();
        self.audit.all_give_up();
        self.audit.history.seen = Some(Vec::new());
        self.checker = before.checker.clone();
        self.unjudged.clone_from(&before.unjudged);
        self.known.clone_from(&before.known);
        (self.forgot, self.forgetting) = (before.forgot.clone(), before.forgetting.clone());
        (self.violations, self.linearizable) = (before.violations.clone(), before.linearizable);
        self.returned = before.returned;
        true
    }

    /// What a node's host said.
    ///
    /// # Errors
    /// The node cannot be made again; what it does is not kept.
    pub fn take(&mut self, id: NodeId, boot: u32, piece: Piece) -> Result<(), BeginError> {
        self.tape.take(id, boot, piece)
    }

    /// The same, as bytes.
    ///
    /// # Errors
    /// As [`Chronicle::take`]; or the bytes spell nothing that a host says.
    pub fn read(&mut self, id: NodeId, boot: u32, bytes: &[u8]) -> Result<(), BeginError> {
        self.tape.read(id, boot, bytes)
    }

    /// A member's disk was emptied.
    pub fn wiped(&mut self, id: NodeId) {
        self.wiped.insert(id);
    }

    /// What a client did.
    pub fn asked(&mut self, at: Instant, client: u16, asked: Asked) {
        let history = &mut self.audit.history;
        match asked {
            Asked::Invoked(operation) => {
                self.calls.insert(client, history.invoke(client, operation, at));
            }
            Asked::Sent(session, sequence) => {
                if let Some(call) = self.calls.get(&client) {
                    history.sent(*call, (session, sequence));
                }
            }
            Asked::Returned(result) => {
                if let Some(call) = self.calls.remove(&client) {
                    history.answer(call, result, at);
                    self.returned += 1;
                }
            }
            Asked::Cancelled => {
                if let Some(call) = self.calls.remove(&client) {
                    history.never_sent(call, at);
                }
            }
            Asked::GaveUp => {
                if let Some(call) = self.calls.remove(&client) {
                    history.give_up(call, at);
                }
            }
        }
    }

    /// Leaves judging to whoever makes the run: what it finds is told by itself, and not found here a second time.
    pub fn is_judged_elsewhere(&mut self) {
        self.unjudged = Some((Instant(0), "it is judged where it takes place".to_owned()));
    }

    /// Whether the run has begun: every member has been told of, or [`Chronicle::open`] was called.
    pub fn has_opened(&self) -> bool {
        self.has_opened
    }

    /// Begins with the members that were told of: they are found as they are.
    pub fn open(&mut self, see: &mut impl FnMut(Happening)) {
        self.has_opened = true;
        let mut facts = Vec::new();
        let turns = self.tape.open(&mut facts);
        for turn in &turns {
            self.tell_begin(turn, see);
        }
        let found: Vec<NodeId> = turns.iter().map(|turn| turn.node).collect();
        let is_new = |id: &NodeId| !self.known.contains(id);
        let new: Vec<NodeId> = found.iter().copied().filter(is_new).collect();
        for turn in turns.iter().filter(|turn| !new.contains(&turn.node)) {
            self.held_against(turn, &mut facts, see);
        }
        if !new.is_empty() || self.known.is_empty() {
            self.find(&new);
        }
        self.facts = facts;
    }

    /// Holds what happened against the promises.
    fn held_against(&mut self, turn: &Turn, facts: &mut Vec<(Instant, Fact)>, see: &mut impl FnMut(Happening)) {
        let is_of_clients = |known: &Violation| known.property == Property::Linearizable;
        if self.unjudged.is_some() || !self.violations.iter().all(is_of_clients) {
            return;
        }
        if let Err(violation) = self.check(turn, facts) {
            self.violated(violation, see);
        }
        for (index, command) in self.checker.take_commands() {
            self.audit.committed(index, &command);
        }
    }

    fn find(&mut self, members: &[NodeId]) {
        let nodes: Vec<_> = members.iter().filter_map(|id| self.tape.node(*id)).collect();
        let at = self.tape.reached();
        if let Err(why) = self.checker.found(at, &nodes) {
            self.unjudged = Some((at, why.to_owned()));
        }
        if let Some(furthest) = nodes.iter().max_by_key(|node| node.view().last_applied) {
            let applied = furthest.view().last_applied;
            if self.known.is_empty() && applied > LogIndex::ZERO {
                self.audit.found(applied, furthest.queues());
            }
        }
        self.known.extend(members);
    }

    /// Carries out what comes next, if it is there. Says whether it was.
    pub fn turn(&mut self, see: &mut impl FnMut(Happening)) -> bool {
        if !self.has_opened {
            if !self.tape.is_complete() {
                return false;
            }
            self.open(see);
            return true;
        }
        let mut facts = std::mem::take(&mut self.facts);
        let turn = self.tape.turn(&mut facts);
        let Some(turn) = turn else {
            self.facts = facts;
            return false;
        };
        if let TurnKind::Began { .. } = turn.what {
            self.tell_begin(&turn, see);
        }
        for (at, fact) in &facts {
            see(Happening {
                at: *at,
                what: What::Told {
                    node: turn.node,
                    fact: fact.clone(),
                },
            });
        }
        if let TurnKind::Ended = turn.what {
            self.untold.remove(&turn.node);
            see(Happening {
                at: turn.at,
                what: What::Crashed { node: turn.node },
            });
        }
        self.held_against(&turn, &mut facts, see);
        self.facts = facts;
        true
    }

    fn check(&mut self, turn: &Turn, facts: &mut Vec<(Instant, Fact)>) -> Result<(), Violation> {
        let id = turn.node;
        match turn.what {
            TurnKind::Began { durability, .. } => {
                let Some(node) = self.tape.node(id) else { return Ok(()) };
                let begins_with_nothing = node.view().last_index() == LogIndex::ZERO;
                let how = match durability {
                    _ if self.wiped.remove(&id) => Some("its disk was emptied"),
                    // One in memory that goes on from the past is given its log.
                    Durability::Memory if begins_with_nothing => Some("it keeps its log in memory"),
                    Durability::Kept | Durability::Memory => None,
                    Durability::Cleared => Some("its files were cleared away"),
                };
                if let Some(how) = how.filter(|_| self.known.contains(&id)) {
                    self.forgets(turn.at, id, how);
                }
                let Some(node) = self.tape.node(id) else { return Ok(()) };
                if self.known.contains(&id) || begins_with_nothing {
                    self.known.insert(id);
                    return self.checker.booted(turn.at, node);
                }
                self.find(&[id]);
            }
            TurnKind::Synced(write) => {
                self.checker.flushed(turn.at, id, write)?;
                self.untold.entry(id).or_default().append(facts);
            }
            TurnKind::Stepped { flushed: false, .. } => self.untold.entry(id).or_default().append(facts),
            TurnKind::Stepped { flushed: true, wrote } => {
                let untold = self.untold.entry(id).or_default();
                untold.append(facts);
                if let Some(node) = self.tape.node(id) {
                    self.checker.stepped(turn.at, node, untold, wrote)?;
                }
                untold.clear();
            }
            TurnKind::Ended => {}
        }
        Ok(())
    }

    /// A member begins anew that had promised something. It is as good as any other once it has again what was committed by then. Raft promises
    /// nothing to a cluster of which more than a minority has forgotten.
    fn forgets(&mut self, at: Instant, id: NodeId, how: &str) {
        self.checker.forgets(id);
        let tape = &self.tape;
        self.forgot.retain(|id, lacks| {
            let view = tape.node(*id).map(|node| node.view());
            view.is_none_or(|view| view.last_index() < *lacks)
        });
        self.forgot.insert(id, self.checker.committed_index());
        self.forgetting = Some(format!("{id} has forgotten at {at} what it had promised: {how}"));
        if self.forgot.len() * 2 > self.tape.members().count() {
            self.unjudged = self.forgetting.as_ref().map(|forgetting| {
                let why = "so has a majority, and of a cluster of which a majority forgets Raft promises nothing";
                (at, format!("{forgetting}; {why}"))
            });
        }
    }

    fn tell_begin(&mut self, turn: &Turn, see: &mut impl FnMut(Happening)) {
        let TurnKind::Began { boot, recovery, .. } = &turn.what else {
            return;
        };
        let node = self.tape.node(turn.node);
        let recovery = recovery.clone().or_else(|| Some(as_found(node?)));
        if let Some(recovery) = recovery {
            see(Happening {
                at: turn.at,
                what: What::Started {
                    node: turn.node,
                    boot: *boot,
                    recovery,
                    role: node.map_or(Role::Follower, |node| node.view().role),
                },
            });
        }
    }

    /// Judges what clients were answered, as far as the tape has come. It may lag behind what was told of clients: what the log does not
    /// explain yet waits, until all that had happened by then was carried out.
    pub fn judge(&mut self, see: &mut impl FnMut(Happening)) {
        for happening in self.audit.history.take_seen() {
            see(happening);
        }
        let (at, covered) = (self.tape.reached(), self.tape.covered());
        if self.judged == (self.returned, at) || self.unjudged.is_some() || !self.linearizable {
            return;
        }
        self.judged = (self.returned, at);
        let covered = Instant(covered.0.saturating_sub(CLOCKS_DIFFER.0));
        let judged = self.audit.judge(at, covered);
        if let Err(violation) = judged.and_then(|()| self.audit.settle(at, covered)) {
            self.linearizable = false;
            self.violated(violation, see);
        }
    }

    /// Replaces what clients did by what this history says: that of a future, which keeps its own.
    pub fn set_history(&mut self, history: &History) {
        let returned = history.calls().iter().filter(|call| call.returned.is_some()).count();
        self.audit.set_history(history);
        self.returned = returned as u64;
    }

    /// What is known of the run's promises.
    pub fn judgement(&self) -> Judgement {
        Judgement {
            unjudged: self.unjudged.as_ref().map(|(_, why)| why.clone()),
            violations: self.violations.clone(),
            returned: self.returned,
            judged: self.audit.judged().calls,
            judged_upto: self.audit.judged().upto,
            calls_unjudged: self.audit.judged().unjudged.clone(),
            committed: self.checker.committed_index(),
            elections: self.checker.elections(),
        }
    }

    /// A promise is broken. Where it comes of what a member forgot, nobody is to blame.
    fn violated(&mut self, violation: Violation, see: &mut impl FnMut(Happening)) {
        if let (Some(forgetting), Some(excuse)) = (&self.forgetting, self.checker.excuse(violation.property)) {
            let why = format!("{forgetting}; {excuse}; so something was lost: {violation}");
            self.unjudged.get_or_insert((violation.at, why));
            return;
        }
        see(Happening {
            at: violation.at,
            what: What::Violated {
                text: violation.to_string(),
            },
        });
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(violation);
        }
    }
}

/// What a node that goes on from a state has, as if it had found it.
pub(crate) fn as_found(node: &Node) -> Recovery {
    let view = node.view();
    Recovery {
        hard_state: HardState {
            term: view.term,
            voted_for: view.voted_for,
        },
        snapshot_index: view.snapshot_index(),
        last_index: view.last_index(),
        bytes: 0,
        dropped_bytes: 0,
        wall_ms: 0.0,
    }
}
