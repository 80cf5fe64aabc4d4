//! One life of a node on the tape.

use std::collections::VecDeque;
use std::rc::Rc;

use cluster::codec;
use cluster::host::{Fact, MessageId, Recovery};
use cluster::node::{Node, NodeInput, NodeOutbox, WriteId};
use cluster::record::{Durability, Step};
use raft_core::{Duration, Instant};

use super::store::{Kept, Store};
use super::telling::{Beginning, LifeTelling, Slice};
use super::{BeginError, Origin, TurnKind, synced};

/// How much virtual time lies between two states that are kept. More, in proportion, where a state is larger than
/// [`STATE_BYTES_USUAL`].
const BETWEEN_STATES: Duration = Duration::from_millis(1_000);
/// How many steps lie between two states at most, if the states are of usual size.
const STEPS_BETWEEN_STATES_MAX: usize = 2_048;
const STATE_BYTES_USUAL: usize = 256 * 1024;

#[derive(Debug)]
pub(super) struct Life {
    boot: u32,
    started: Instant,
    ended: Option<Instant>,
    /// The node as it is after [`Life::done`] steps; none once the life is over and carried out.
    head: Option<Node>,
    recovery: Option<Recovery>,
    durability: Durability,
    /// Whether its beginning, and its end, were carried out.
    has_begun: bool,
    has_ended: bool,
    done: usize,
    messages_sent: u64,
    /// Pieces that are carried out, in whole or in part, and then those that are not.
    pieces: VecDeque<TapedPiece>,
    /// What is to be carried out next, decoded.
    coming: VecDeque<Step>,
    coming_bytes: usize,
    /// States, by the number of steps before them. The first is the beginning of what is kept.
    states: VecDeque<State>,
    outbox: NodeOutbox,
}

/// Steps as their host sent them.
#[derive(Debug)]
struct TapedPiece {
    /// The number of its first step in the life, and how many there are.
    first: usize,
    count: usize,
    /// The first instant that they name, and whether a flush stands before it.
    from: Instant,
    flushes_first: bool,
    bytes: Rc<[u8]>,
}

#[derive(Debug)]
struct State {
    after: usize,
    at: Instant,
    kept: Kept,
}

impl Life {
    pub(super) fn begin(boot: u32, origin: Origin, at: Instant, store: &mut Store) -> Result<Life, BeginError> {
        let mut outbox = NodeOutbox::default();
        let (node, recovery, durability) = match origin {
            Origin::Disk {
                config,
                files,
                durability,
            } => {
                let files = [&files[0][..], &files[1]];
                let (node, recovery) = Node::boot(config, files, at, &mut outbox).map_err(BeginError::Boot)?;
                (node, Some(recovery), durability)
            }
            Origin::State(bytes) => {
                let node = Node::load(&bytes).map_err(BeginError::State)?;
                (node, None, Durability::Kept)
            }
        };
        let mut life = Life {
            boot,
            started: at,
            ended: None,
            messages_sent: node.messages_sent(),
            head: None,
            recovery,
            durability,
            has_begun: false,
            has_ended: false,
            done: 0,
            pieces: VecDeque::new(),
            coming: VecDeque::new(),
            coming_bytes: 0,
            states: VecDeque::new(),
            outbox,
        };
        if store.keeps() {
            life.keep_state(&node, at, store);
        }
        life.head = Some(node);
        Ok(life)
    }

    pub(super) fn boot(&self) -> u32 {
        self.boot
    }

    pub(super) fn started(&self) -> Instant {
        self.started
    }

    pub(super) fn ended(&self) -> Option<Instant> {
        self.ended
    }

    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    pub(super) fn done(&self) -> usize {
        self.done
    }

    pub(super) fn messages_sent(&self) -> u64 {
        self.messages_sent
    }

    /// Whether all of it was carried out, to its end.
    pub(super) fn is_over(&self) -> bool {
        self.has_ended
    }

    pub(super) fn waiting_bytes(&self) -> usize {
        self.coming_bytes
    }

    /// The node as it is now, while it runs.
    pub(super) fn head(&self) -> Option<&Node> {
        self.head.as_ref().filter(|_| self.has_begun)
    }

    /// It was told this. What comes after its end was carried out comes too late.
    pub(super) fn append(&mut self, steps: Vec<Step>, bytes: Vec<u8>, store: &mut Store) {
        if self.has_ended {
            return;
        }
        let Some(from) = steps.iter().find_map(Step::at).or(self.coming_at()) else {
            return;
        };
        self.coming_bytes += bytes.len();
        if store.keeps() {
            store.count(bytes.len());
            self.pieces.push_back(TapedPiece {
                first: self.done + self.coming.len(),
                count: steps.len(),
                from,
                flushes_first: steps.first() == Some(&Step::Flush),
                bytes: bytes.into(),
            });
        }
        self.coming.extend(steps);
    }

    /// The life is over at `at`, or when what it was told is: a node's clock may be a little ahead.
    pub(super) fn end(&mut self, at: Instant) {
        if self.ended.is_none() {
            self.ended = Some(at.max(self.started));
        }
    }

    /// When what is to be carried out next happened; none if nothing is.
    pub(super) fn next_at(&self) -> Option<Instant> {
        if !self.has_begun {
            return Some(self.started);
        }
        if !self.coming.is_empty() {
            return self.coming_at();
        }
        self.ended.filter(|_| !self.has_ended)
    }

    /// Nothing that is still to be carried out happened before this; none if nothing is. A flush has the instant of what came before it.
    pub(super) fn not_before(&self) -> Option<Instant> {
        match (self.coming.front(), self.head()) {
            (Some(Step::Flush), Some(node)) => Some(node.now()),
            _ => self.next_at(),
        }
    }

    fn coming_at(&self) -> Option<Instant> {
        let named = self.coming.iter().find_map(Step::at);
        named.or(self.head.as_ref().map(Node::now))
    }

    /// The message that it takes next, if it is one.
    pub(super) fn next_message(&self) -> Option<MessageId> {
        match self.coming.front() {
            Some(Step::Take(_, NodeInput::Arrive { bytes, .. })) if self.has_begun => codec::message_of(bytes),
            _ => None,
        }
    }

    /// Carries out what comes next: up to a flush, or to what must be looked at before it.
    pub(super) fn turn(&mut self, store: &mut Store, facts: &mut Vec<(Instant, Fact)>) -> TurnKind {
        let Some(node) = &mut self.head else {
            return TurnKind::Ended;
        };
        if !self.has_begun {
            self.has_begun = true;
            node.take_facts(facts);
            return TurnKind::Began {
                boot: self.boot,
                recovery: self.recovery.take(),
                durability: self.durability,
            };
        }
        let Some(step) = self.coming.pop_front() else {
            self.has_ended = true;
            self.ended = Some(self.ended.unwrap_or_default().max(node.now()));
            self.head = None;
            return TurnKind::Ended;
        };
        if self.coming.is_empty() {
            self.coming_bytes = 0;
        }
        self.outbox.clear();
        let flushed = step == Step::Flush;
        let write = self.carry_out(step);
        self.done += 1;
        let Some(node) = self.head.as_mut() else {
            return TurnKind::Ended;
        };
        node.take_facts(facts);
        self.messages_sent = node.messages_sent();
        let at = node.now();
        if self.is_time_for_a_state(at, store)
            && let Some(node) = self.head.take()
        {
            self.keep_state(&node, at, store);
            self.head = Some(node);
        }
        let wrote = self.outbox.sync;
        write.map_or(TurnKind::Stepped { flushed, wrote }, TurnKind::Synced)
    }

    /// Gives the node one step. Says which write it tells the node to be done, if it does.
    fn carry_out(&mut self, step: Step) -> Option<WriteId> {
        let node = self.head.as_mut()?;
        let write = match &step {
            Step::Take(_, input) => synced(input),
            Step::Flush => None,
        };
        apply(node, step, &mut self.outbox);
        write
    }

    fn is_time_for_a_state(&self, at: Instant, store: &Store) -> bool {
        if !store.keeps() {
            return false;
        }
        let Some(last) = self.states.back() else { return true };
        let steps = self.done - last.after;
        let size = 1 + last.kept.len() / STATE_BYTES_USUAL;
        let waited = at.since(last.at) >= Duration(BETWEEN_STATES.0 * size as u64);
        steps > 0 && (waited || steps >= STEPS_BETWEEN_STATES_MAX * size)
    }

    fn keep_state(&mut self, node: &Node, at: Instant, store: &mut Store) {
        self.states.push_back(State {
            after: self.done,
            at,
            kept: store.keep(&node.save()),
        });
    }

    /// The node as it was at an instant, if it ran then.
    pub(super) fn node_at(&self, at: Instant) -> Option<Node> {
        if self.ended.is_some_and(|ended| self.has_ended && ended <= at) || self.started > at {
            return None;
        }
        self.node_after(self.steps_until(at))
    }

    /// How many steps there were up to `at`, those at that very instant included.
    fn steps_until(&self, at: Instant) -> usize {
        // Pieces begin in rising order, so the last that begins by then holds the border.
        let place = self.pieces.partition_point(|piece| piece.from <= at);
        let Some(piece) = place.checked_sub(1).and_then(|place| self.pieces.get(place)) else {
            return self.states.front().map_or(0, |state| state.after);
        };
        let steps = piece.steps();
        let later = steps
            .iter()
            .position(|step| step.at().is_some_and(|instant| instant > at));
        (piece.first + later.unwrap_or(piece.count)).min(self.done)
    }

    /// The node after so many steps.
    pub(super) fn node_after(&self, steps: usize) -> Option<Node> {
        let steps = steps.min(self.done);
        let place = self
            .states
            .partition_point(|state| state.after <= steps)
            .checked_sub(1)?;
        let state = &self.states[place];
        let mut done = state.after;
        let mut node = Node::load(&state.kept.bytes()).ok()?;
        let mut outbox = NodeOutbox::default();
        let mut facts = Vec::new();
        let first = self.pieces.partition_point(|piece| piece.first + piece.count <= done);
        for piece in self.pieces.range(first..) {
            if piece.first >= steps {
                break;
            }
            for step in piece.steps().into_iter().skip(done - piece.first) {
                if done == steps {
                    break;
                }
                apply(&mut node, step, &mut outbox);
                outbox.clear();
                node.take_facts(&mut facts);
                facts.clear();
                done += 1;
            }
        }
        Some(node)
    }

    /// What there is between two instants: nothing, if the life lies outside.
    pub(super) fn telling(&self, from: Instant, until: Instant) -> Option<LifeTelling> {
        let over_before = self.has_ended && self.ended.is_some_and(|ended| ended <= from);
        if self.started > until || over_before {
            return None;
        }
        let (first, state) = if self.started >= from {
            let state = self.states.front()?;
            (state.after, Beginning::Kept(state.kept.clone()))
        } else {
            let first = self.steps_until(from);
            (first, Beginning::Origin(Origin::State(self.node_after(first)?.save())))
        };
        let last = self.steps_until(until);
        let at = from.max(self.started);
        let mut coming = VecDeque::from([Slice::Began { at, state }]);
        let inside = |piece: &&TapedPiece| piece.first + piece.count > first && piece.first < last;
        coming.extend(self.pieces.iter().filter(inside).map(|piece| {
            let skipped = first.saturating_sub(piece.first);
            Slice::Steps {
                from: piece.from,
                flushes_first: piece.flushes_first || skipped > 0,
                bytes: Rc::clone(&piece.bytes),
                skipped,
                count: piece.count.min(last - piece.first) - skipped,
            }
        }));
        if let Some(at) = self.ended.filter(|ended| self.has_ended && *ended <= until) {
            coming.push_back(Slice::Ended { at });
        }
        Some(LifeTelling {
            boot: self.boot,
            coming,
        })
    }

    /// Calls `seen` with each frame that reached this node's door after `at`, as far as it may have left its sender before: a frame
    /// lies between two doors for no longer than a moment.
    pub(super) fn arriving_after(&self, at: Instant, mut seen: impl FnMut(raft_core::NodeId, &[u8])) {
        const A_MOMENT: Duration = Duration::from_millis(1_000);
        let first = self.steps_until(at);
        let place = self.pieces.partition_point(|piece| piece.first + piece.count <= first);
        for piece in self.pieces.range(place..) {
            if piece.from > at + A_MOMENT {
                return;
            }
            for step in piece.steps().iter().skip(first.saturating_sub(piece.first)) {
                if let Step::Take(_, NodeInput::Arrive { from, bytes }) = step {
                    seen(*from, bytes);
                }
            }
        }
    }

    /// The nearest instant after `at`, or before it, at which anything happened.
    pub(super) fn neighbour(&self, at: Instant, later: bool) -> Option<Instant> {
        let edges = [Some(self.started), self.ended.filter(|_| self.has_ended)]
            .into_iter()
            .flatten();
        let place = self.pieces.partition_point(|piece| piece.from <= at);
        let near = self
            .pieces
            .range(place.saturating_sub(2)..(place + 2).min(self.pieces.len()));
        let steps = near.flat_map(|piece| piece.steps().iter().filter_map(Step::at).collect::<Vec<_>>());
        let all = edges.chain(steps);
        if later {
            all.filter(|instant| *instant > at).min()
        } else {
            all.filter(|instant| *instant < at).max()
        }
    }

    /// Lets go what is not needed to look at `at` and after. Says from when on everything is there.
    pub(super) fn forget_before(&mut self, at: Instant, store: &mut Store) -> Instant {
        let keep = self.states.partition_point(|state| state.at <= at).saturating_sub(1);
        for state in self.states.drain(..keep) {
            store.let_go(state.kept);
        }
        let first = self.states.front().map_or(0, |state| state.after);
        while let Some(piece) = self.pieces.pop_front_if(|piece| piece.first + piece.count <= first) {
            store.discount(piece.bytes.len());
        }
        self.states.front().map_or(self.started, |state| state.at).min(at)
    }

    /// Lets go of everything.
    pub(super) fn let_go(self, store: &mut Store) {
        for state in self.states {
            store.let_go(state.kept);
        }
        for piece in self.pieces {
            store.discount(piece.bytes.len());
        }
    }
}

impl TapedPiece {
    fn steps(&self) -> Vec<Step> {
        codec::decode(&self.bytes).unwrap_or_default()
    }
}

fn apply(node: &mut Node, step: Step, outbox: &mut NodeOutbox) {
    match step {
        Step::Take(at, input) => node.take(at, input, outbox),
        Step::Flush => node.flush(outbox),
    }
}
