//! A search for an order of calls about one queue: depth first, never into a state that was seen with the same calls placed (the
//! algorithm of Wing and Gong, with Lowe's memory). It is complete, and may take for ever, so it has a limit.

use std::collections::{BTreeSet, VecDeque};

use super::{Kind, NEVER, Op};

/// How many calls are searched at most.
const CALLS_MAX: usize = 20_000;
/// How many states are looked at.
const STATES_MAX: usize = 200_000;
/// How much they may take, in bytes.
const BYTES_MAX: usize = 48 << 20;
/// How many calls before the one that cannot be explained are shown.
const SHOWN_BEFORE: usize = 6;

type State = VecDeque<i64>;

/// Changes a queue as this call does, if it can have been answered so. Without an answer it may have done whatever it does.
fn after(state: &State, kind: Kind) -> Option<State> {
    let mut next = state.clone();
    let fits = match kind {
        Kind::Push(item) => {
            next.push_back(item);
            true
        }
        Kind::Pop(None) => {
            next.pop_front();
            true
        }
        Kind::Pop(Some(item)) => next.pop_front() == Some(item),
        Kind::Top(item) => next.front() == Some(&item),
        Kind::Empty => next.is_empty(),
        Kind::Size(size) => next.len() as u64 == size,
    };
    fits.then_some(next)
}

/// Whether there is an order; none if the search gave up.
pub(super) fn has_order(ops: &[Op]) -> Option<bool> {
    if ops.len() > CALLS_MAX {
        return None;
    }
    let mut happenings = Happenings::new(ops);
    let end = happenings.what.len();
    let mut missing = ops.iter().filter(|op| op.to != NEVER).count();
    let mut placed = vec![0_u64; ops.len().div_ceil(64)];
    let mut seen: BTreeSet<(Vec<u64>, State)> = BTreeSet::new();
    let mut bytes = 0;
    let mut state = State::new();
    let mut taken: Vec<(usize, State)> = Vec::new();
    let mut at = happenings.next[0];
    while missing > 0 {
        let stuck = at == end || {
            let (op, returns) = happenings.what[at];
            // A call without an answer may wait for ever; any other must have its place by now.
            returns && ops[op].to != NEVER
        };
        if stuck {
            let Some((op, before)) = taken.pop() else {
                return Some(false);
            };
            state = before;
            placed[op / 64] &= !(1 << (op % 64));
            missing += usize::from(ops[op].to != NEVER);
            happenings.put_back(op);
            at = happenings.next[happenings.places[op].0];
            continue;
        }
        let (op, returns) = happenings.what[at];
        if !returns && let Some(next) = after(&state, ops[op].kind) {
            placed[op / 64] |= 1 << (op % 64);
            if seen.insert((placed.clone(), next.clone())) {
                bytes += 8 * (placed.len() + next.len()) + 64;
                if seen.len() > STATES_MAX || bytes > BYTES_MAX {
                    return None;
                }
                taken.push((op, std::mem::replace(&mut state, next)));
                missing -= usize::from(ops[op].to != NEVER);
                happenings.take(op);
                at = happenings.next[0];
                continue;
            }
            placed[op / 64] &= !(1 << (op % 64));
        }
        at = happenings.next[at];
    }
    Some(true)
}

/// Of calls without an order the shortest beginning without one: the call that ends it, what ran beside it, and a few before.
pub(super) fn smallest(ops: &[Op]) -> Vec<usize> {
    let until = |order: i64| -> Vec<Op> {
        let begun = ops.iter().filter(|op| op.from <= order);
        begun
            .filter_map(|op| match op.kind {
                _ if op.to <= order => Some(*op),
                Kind::Push(_) | Kind::Pop(_) => Some(Op {
                    to: NEVER,
                    kind: match op.kind {
                        Kind::Pop(_) => Kind::Pop(None),
                        kind => kind,
                    },
                    ..*op
                }),
                // A pop that found nothing, or a look, did nothing.
                _ => None,
            })
            .collect()
    };
    let mut returns: Vec<i64> = ops.iter().map(|op| op.to).filter(|to| *to != NEVER).collect();
    returns.sort_unstable();
    let fails = |order: i64| has_order(&until(order)) == Some(false);
    let last = returns
        .partition_point(|order| !fails(*order))
        .min(returns.len().saturating_sub(1));
    let order = returns.get(last).copied().unwrap_or(0);
    let since = ops.iter().find(|op| op.to == order).map_or(0, |op| op.from);
    let begun: Vec<Op> = ops.iter().filter(|op| op.from <= order).copied().collect();
    let earlier = begun.iter().filter(|op| op.to < since).count();
    let mut skip = earlier.saturating_sub(SHOWN_BEFORE);
    let mut shown = Vec::new();
    for op in begun {
        if op.to < since && skip > 0 {
            skip -= 1;
        } else {
            shown.extend(op.call);
        }
    }
    shown
}

/// What happens in a history, in a list from which calls are taken as they find their places.
struct Happenings {
    /// Of each: the call, and whether it is its return.
    what: Vec<(usize, bool)>,
    next: Vec<usize>,
    before: Vec<usize>,
    /// Where each call's invocation and return stand.
    places: Vec<(usize, usize)>,
}

impl Happenings {
    /// Place 0 is the list's head.
    fn new(ops: &[Op]) -> Happenings {
        let mut ordered: Vec<(i64, bool, usize)> = Vec::new();
        for (place, op) in ops.iter().enumerate() {
            ordered.push((op.from, false, place));
            ordered.push((op.to, true, place));
        }
        ordered.sort_unstable();
        let mut places = vec![(0, 0); ops.len()];
        for (place, (_, returns, op)) in (1..).zip(&ordered) {
            if *returns {
                places[*op].1 = place;
            } else {
                places[*op].0 = place;
            }
        }
        let count = ordered.len() + 1;
        let what = std::iter::once((usize::MAX, false)).chain(ordered.iter().map(|(_, returns, op)| (*op, *returns)));
        Happenings {
            what: what.collect(),
            next: (1..=count).collect(),
            before: (0..count)
                .map(|place| place.saturating_sub(1))
                .chain([count - 1])
                .collect(),
            places,
        }
    }

    fn take(&mut self, op: usize) {
        let (invoked, returned) = self.places[op];
        for place in [invoked, returned] {
            let (before, next) = (self.before[place], self.next[place]);
            self.next[before] = next;
            self.before[next] = before;
        }
    }

    fn put_back(&mut self, op: usize) {
        let (invoked, returned) = self.places[op];
        for place in [returned, invoked] {
            let (before, next) = (self.before[place], self.next[place]);
            self.next[before] = place;
            self.before[next] = place;
        }
    }
}
