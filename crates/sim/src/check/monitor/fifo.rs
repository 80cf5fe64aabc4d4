//! One queue whose items are distinct, decided in the time that sorting takes. The ideas are those of Abdulla et al. (Efficient
//! Linearizability Monitoring, 2025) and Lee and Mathur (Efficient Decrease-and-Conquer Linearizability Monitoring, 2024).
//!
//! An item is pushed, then is in front for a while, in which it may be looked at, and leaves. Two items cannot be put in order
//! exactly if what was seen of them at the front contradicts the order of their pushes, or both were seen in front before
//! the other was. What found the queue empty needs a moment at which no item must be in it. Nothing else can go wrong.

use super::{Decision, Kind, NEVER, Op};

/// When a pop that had no answer ends: later than all that did, and sooner than what never left.
const LEFT_AT_LAST: i64 = NEVER - 1;
/// How many calls that together leave no moment empty are shown.
const COVER_SHOWN_MAX: usize = 8;

/// What is known of an item. Instants are places in the order of invocations and returns.
#[derive(Clone, Copy, Debug)]
struct Item {
    value: i64,
    /// Its push took effect between these.
    pushed_after: i64,
    pushed_before: i64,
    push: Option<usize>,
    /// The first that saw it in front had seen it by then; [`NEVER`] if nobody did.
    seen_by: i64,
    first: Option<usize>,
    /// Until then it is in the queue: the last that saw it, or its pop, began then; [`NEVER`] if it never left.
    left_after: i64,
    last: Option<usize>,
    /// When the last that only looked began, and which that is.
    top_after: i64,
    top: Option<usize>,
    has_left: bool,
    /// When its pop had returned; [`NEVER`] if there is none.
    popped_by: i64,
}

/// A pop or a top that found nothing, between these.
#[derive(Clone, Copy, Debug)]
struct Gap {
    from: i64,
    to: i64,
    call: Option<usize>,
}

/// Decides whether these calls about one queue have an order.
pub(super) fn decide(ops: &[Op]) -> Decision {
    let mut items = match items(ops) {
        Ok(items) => items,
        Err(decision) => return decision,
    };
    let gaps: Vec<Gap> = ops
        .iter()
        .filter(|op| op.kind == Kind::Empty)
        .map(|op| Gap {
            from: op.from,
            to: op.to,
            call: op.call,
        })
        .collect();
    let mut lost_pops: Vec<i64> = ops
        .iter()
        .filter(|op| op.kind == Kind::Pop(None))
        .map(|op| op.from)
        .collect();
    let Some(witness) = broken(&items, &gaps) else {
        return sizes(&items, ops, &lost_pops);
    };
    if lost_pops.is_empty() {
        return Decision::Broken(witness);
    }
    // A pop without an answer may have taken an item that else stays in the way.
    let left: Vec<Item> = items.iter().filter(|item| item.has_left).copied().collect();
    if let Some(witness) = broken(&left, &gaps) {
        return Decision::Broken(witness);
    }
    lost_pops.sort_unstable();
    if let Some(witness) = take_away(&mut items, &gaps, &lost_pops) {
        return Decision::Broken(witness);
    }
    if broken(&items, &gaps).is_some() {
        return Decision::Open("a pop without an answer may have taken any of several items");
    }
    sizes(&items, ops, &lost_pops)
}

/// The items, by the order of their values.
fn items(ops: &[Op]) -> Result<Vec<Item>, Decision> {
    let mut items: Vec<Item> = Vec::new();
    for op in ops {
        if let Kind::Push(value) = op.kind {
            items.push(Item {
                value,
                pushed_after: op.from,
                pushed_before: op.to,
                push: op.call,
                seen_by: NEVER,
                first: None,
                left_after: NEVER,
                last: None,
                top_after: i64::MIN,
                top: None,
                has_left: false,
                popped_by: NEVER,
            });
        }
    }
    items.sort_unstable_by_key(|item| item.value);
    if items.windows(2).any(|two| two[0].value == two[1].value) {
        return Err(Decision::Open("an item was pushed to one queue twice"));
    }
    for op in ops {
        let (Kind::Pop(Some(value)) | Kind::Top(value)) = op.kind else {
            continue;
        };
        let Ok(place) = items.binary_search_by_key(&value, |item| item.value) else {
            return Err(Decision::Broken(op.call.into_iter().collect()));
        };
        let item = &mut items[place];
        if op.to < item.seen_by || item.first.is_none() {
            (item.seen_by, item.first) = (op.to, op.call);
        }
        if op.kind == Kind::Top(value) {
            if op.from > item.top_after {
                (item.top_after, item.top) = (op.from, op.call);
            }
        } else if item.has_left {
            return Err(Decision::Broken([item.last, op.call].into_iter().flatten().collect()));
        } else {
            (item.has_left, item.left_after, item.last) = (true, op.from, op.call);
            item.popped_by = op.to;
        }
    }
    // A push without an answer whose item nobody saw may as well never have been.
    items.retain(|item| item.pushed_before != NEVER || item.first.is_some() || item.seen_by != NEVER);
    if let Some(item) = items.iter().find(|item| item.popped_by < item.top_after) {
        return Err(Decision::Broken([item.last, item.top].into_iter().flatten().collect()));
    }
    for item in &mut items {
        if item.seen_by < item.pushed_after {
            return Err(Decision::Broken(
                [item.first, item.push].into_iter().flatten().collect(),
            ));
        }
        item.pushed_before = item.pushed_before.min(item.seen_by);
        item.top_after = item.top_after.max(item.pushed_after);
        if item.has_left {
            item.left_after = item.left_after.max(item.top_after);
        }
    }
    Ok(items)
}

/// Calls that cannot be put in order, if there are any.
fn broken(items: &[Item], gaps: &[Gap]) -> Option<Vec<usize>> {
    out_of_turn(items)
        .or_else(|| both_in_front(items))
        .or_else(|| never_empty(items, gaps))
}

fn calls_of(items: &[Item]) -> Vec<usize> {
    let mut calls: Vec<usize> = items
        .iter()
        .flat_map(|item| [item.push, item.first, item.last, item.top])
        .flatten()
        .collect();
    calls.sort_unstable();
    calls.dedup();
    calls
}

/// An item that was seen in front before one left that had been pushed before it; of several the first that was seen.
fn out_of_turn(items: &[Item]) -> Option<Vec<usize>> {
    let mut by_end: Vec<&Item> = items.iter().collect();
    by_end.sort_unstable_by_key(|item| item.pushed_before);
    let mut by_begin: Vec<&Item> = items.iter().collect();
    by_begin.sort_unstable_by_key(|item| item.pushed_after);
    let mut earlier = by_end.into_iter().peekable();
    let mut stays: Option<&Item> = None;
    let mut first: Option<[&Item; 2]> = None;
    for item in by_begin {
        while let Some(pushed) = earlier.next_if(|earlier| earlier.pushed_before < item.pushed_after) {
            stays = stays
                .filter(|stays| stays.left_after >= pushed.left_after)
                .or(Some(pushed));
        }
        if let Some(stays) = stays
            && item.seen_by < stays.left_after
            && first.is_none_or(|[_, first]| item.seen_by < first.seen_by)
        {
            first = Some([stays, item]);
        }
    }
    first.map(|[stays, item]| calls_of(&[*stays, *item]))
}

/// Two items of which each was seen in front before the other was, or left.
fn both_in_front(items: &[Item]) -> Option<Vec<usize>> {
    let mut by_sight: Vec<&Item> = items.iter().filter(|item| item.seen_by != NEVER).collect();
    by_sight.sort_unstable_by_key(|item| item.seen_by);
    // Of each beginning of the list, the two that leave last.
    let mut latest: Vec<[usize; 2]> = Vec::with_capacity(by_sight.len());
    let mut two = [usize::MAX; 2];
    let leaves = |place: usize| by_sight.get(place).map_or(i64::MIN, |item| item.left_after);
    for place in 0..by_sight.len() {
        if leaves(place) > leaves(two[0]) {
            two = [place, two[0]];
        } else if leaves(place) > leaves(two[1]) {
            two[1] = place;
        }
        latest.push(two);
    }
    for (place, item) in by_sight.iter().enumerate() {
        if item.seen_by >= item.left_after {
            continue;
        }
        let seen = by_sight.partition_point(|other| other.seen_by < item.left_after);
        let Some(two) = latest.get(seen.wrapping_sub(1)) else {
            continue;
        };
        let other = if two[0] == place { two[1] } else { two[0] };
        if leaves(other) > item.seen_by {
            return Some(calls_of(&[**item, *by_sight[other]]));
        }
    }
    None
}

/// A call that found nothing although at every moment some item was there.
fn never_empty(items: &[Item], gaps: &[Gap]) -> Option<Vec<usize>> {
    if gaps.is_empty() {
        return None;
    }
    let mut there: Vec<&Item> = items
        .iter()
        .filter(|item| item.pushed_before < item.left_after)
        .collect();
    there.sort_unstable_by_key(|item| item.pushed_before);
    let mut full: Vec<(i64, i64)> = Vec::new();
    for item in &there {
        match full.last_mut() {
            Some((_, until)) if item.pushed_before <= *until => *until = (*until).max(item.left_after),
            _ => full.push((item.pushed_before, item.left_after)),
        }
    }
    for gap in gaps {
        let place = full.partition_point(|(from, _)| *from <= gap.from);
        if place > 0 && full[place - 1].1 >= gap.to {
            let mut calls: Vec<usize> = gap.call.into_iter().collect();
            // One item after the other, each the one that stays longest.
            let (mut at, mut next, mut best) = (gap.from, 0, None::<&Item>);
            while at < gap.to && calls.len() < 3 * COVER_SHOWN_MAX {
                while next < there.len() && there[next].pushed_before <= at {
                    best = best
                        .filter(|best| best.left_after >= there[next].left_after)
                        .or(Some(there[next]));
                    next += 1;
                }
                let Some(item) = best.filter(|best| best.left_after > at) else {
                    break;
                };
                calls.extend(calls_of(&[*item]));
                at = item.left_after;
            }
            calls.sort_unstable();
            calls.dedup();
            return Some(calls);
        }
    }
    None
}

/// Lets pops without an answer, which began at these instants, take away what must have left; or says which item none of them can
/// have taken in time.
fn take_away(items: &mut [Item], gaps: &[Gap], lost_pops: &[i64]) -> Option<Vec<usize>> {
    let must = deadlines(items, gaps);
    // Certain are the deadlines that what was answered sets. The earliest pops have the least to wait for.
    for (pop, (deadline, ..)) in must.iter().enumerate() {
        if lost_pops.get(pop).is_none_or(|from| from >= deadline) {
            // So many must have left by then, and fewer pops had begun.
            let all = must[..=pop].iter();
            let mut calls: Vec<usize> = all
                .flat_map(|(_, place, by)| [items[*place].push, items[*place].first, *by])
                .flatten()
                .collect();
            calls.sort_unstable();
            calls.dedup();
            return Some(calls);
        }
    }
    let mut pops = lost_pops.iter();
    for ((_, place, _), from) in must.iter().zip(&mut pops) {
        leave(&mut items[*place], *from);
    }
    // Of those that were seen in front and are still there, all but the last must have left, too.
    let mut seen: Vec<usize> = (0..items.len())
        .filter(|place| !items[*place].has_left && items[*place].seen_by != NEVER)
        .filter(|place| items[*place].left_after == NEVER)
        .collect();
    seen.sort_unstable_by_key(|place| items[*place].seen_by);
    seen.pop();
    for (place, from) in seen.into_iter().zip(pops) {
        leave(&mut items[place], *from);
    }
    None
}

fn leave(item: &mut Item, from: i64) {
    item.left_after = from.max(item.top_after);
    item.seen_by = item.seen_by.min(LEFT_AT_LAST);
}

/// Of each item that never left and must have: by when, its place, and the call that says so; earliest first.
fn deadlines(items: &[Item], gaps: &[Gap]) -> Vec<(i64, usize, Option<usize>)> {
    let mut seen: Vec<&Item> = items.iter().filter(|item| item.seen_by != NEVER).collect();
    seen.sort_unstable_by_key(|item| item.pushed_after);
    let first_seen_from = suffix_first(&seen, |item| (item.seen_by, item.first));
    let mut gaps: Vec<&Gap> = gaps.iter().collect();
    gaps.sort_unstable_by_key(|gap| gap.from);
    let first_gap_from = suffix_first(&gaps, |gap| (gap.to, gap.call));
    let mut must: Vec<(i64, usize, Option<usize>)> = Vec::new();
    for (place, item) in items.iter().enumerate().filter(|(_, item)| !item.has_left) {
        let later = seen.partition_point(|other| other.pushed_after <= item.pushed_before);
        let empty = gaps.partition_point(|gap| gap.from < item.pushed_before);
        let first = first_seen_from[later].min(first_gap_from[empty]);
        if first.0 < NEVER {
            must.push((first.0, place, first.1));
        }
    }
    must.sort_unstable();
    must
}

/// Of each end of a list, the least.
fn suffix_first<T>(list: &[T], of: impl Fn(&T) -> (i64, Option<usize>)) -> Vec<(i64, Option<usize>)> {
    let mut first = vec![(NEVER, None); list.len() + 1];
    for place in (0..list.len()).rev() {
        first[place] = first[place + 1].min(of(&list[place]));
    }
    first
}

/// What must hold of answers that tell a size: at some moment there can be so many items. It is not all that must hold.
fn sizes(items: &[Item], ops: &[Op], lost_pops: &[i64]) -> Decision {
    let mut asked = ops.iter().filter(|op| matches!(op.kind, Kind::Size(_))).peekable();
    if asked.peek().is_none() {
        return Decision::Fits;
    }
    // How many can be there, and how many must, from each moment on.
    let mut changes: Vec<(i64, i64, i64)> = Vec::new();
    for item in items {
        changes.push((item.pushed_after, 1, 0));
        changes.push((item.popped_by, -1, 0));
        if item.pushed_before < item.left_after {
            changes.push((item.pushed_before, 0, 1));
            changes.push((item.left_after, 0, -1));
        }
    }
    let unseen = ops
        .iter()
        .filter(|op| matches!(op.kind, Kind::Push(_)) && op.to == NEVER);
    changes.extend(unseen.map(|op| (op.from, 1, 0)));
    changes.extend(lost_pops.iter().map(|from| (*from, 0, -1)));
    changes.sort_unstable();
    let mut moments: Vec<(i64, i64, i64)> = vec![(i64::MIN, 0, 0)];
    for (at, can, must) in changes {
        let (last, cans, musts) = moments[moments.len() - 1];
        if at == last {
            let place = moments.len() - 1;
            moments[place] = (at, cans + can, musts + must);
        } else {
            moments.push((at, cans + can, musts + must));
        }
    }
    let most = Tree::new(moments.iter().map(|(_, can, _)| *can).collect());
    let least = Tree::new(moments.iter().map(|(_, _, must)| -*must).collect());
    for op in asked {
        let Kind::Size(size) = op.kind else { continue };
        let first = moments.partition_point(|(at, ..)| *at <= op.from) - 1;
        let end = moments.partition_point(|(at, ..)| *at < op.to);
        let size = i64::try_from(size).unwrap_or(NEVER);
        if size > most.max(first, end) || size < -least.max(first, end) {
            return Decision::Broken(op.call.into_iter().collect());
        }
    }
    Decision::Open("sizes were asked for, and the search for an order gave up")
}

/// The greatest of any stretch of a list, in few steps.
struct Tree {
    leaves: usize,
    values: Vec<i64>,
}

impl Tree {
    fn new(list: Vec<i64>) -> Tree {
        let leaves = list.len();
        let mut values = vec![i64::MIN; leaves];
        values.extend(list);
        for place in (1..leaves).rev() {
            values[place] = values[2 * place].max(values[2 * place + 1]);
        }
        Tree { leaves, values }
    }

    /// Of the places from `first` to before `end`.
    fn max(&self, first: usize, end: usize) -> i64 {
        let (mut low, mut high) = (first + self.leaves, end + self.leaves);
        let mut max = i64::MIN;
        while low < high {
            if low % 2 == 1 {
                max = max.max(self.values[low]);
                low += 1;
            }
            if high % 2 == 1 {
                high -= 1;
                max = max.max(self.values[high]);
            }
            low /= 2;
            high /= 2;
        }
        max
    }
}
