//! Disks that are too slow for the timers, on so many nodes that the cluster may stand still (§5.6).

use std::fmt;

use raft_core::{Duration, Instant, NodeId};

/// Which nodes' flushes outlast the shortest election timeout, and for how long so many did that the others are no majority.
#[derive(Debug, Default)]
pub struct SlowDisks {
    /// How long the last flush of each slow node took, in the nodes' order.
    slow: Vec<(NodeId, Duration)>,
    since: Option<Instant>,
    before: Duration,
    worst: Worst,
}

/// The most that was seen while the others were no majority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Worst {
    nodes: usize,
    took: Duration,
}

/// So many nodes are slow that the others are no majority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlowMajority {
    /// How many are slow, at most.
    pub nodes: usize,
    /// Of how many.
    pub members: usize,
    /// The longest of their flushes.
    pub took: Duration,
    /// How long this lasted, all in all.
    pub lasted: Duration,
    /// The election timeout that their flushes outlast.
    pub election_min: Duration,
}

impl SlowDisks {
    /// A node of `members` has flushed, or has been at it for so long: how long that took, if it was as long as the shortest election
    /// timeout or longer. None, too, where it runs no longer.
    pub fn set(&mut self, now: Instant, members: usize, node: NodeId, took: Option<Duration>) {
        let place = self.slow.binary_search_by_key(&node, |(id, _)| *id);
        match (place, took) {
            (Ok(place), Some(took)) => self.slow[place].1 = took,
            (Err(place), Some(took)) => self.slow.insert(place, (node, took)),
            (Ok(place), None) => drop(self.slow.remove(place)),
            (Err(_), None) => return,
        }
        let others = members.saturating_sub(self.slow.len());
        if others > members / 2 {
            self.before = self.lasted(now);
            self.since = None;
            return;
        }
        self.since.get_or_insert(now);
        self.worst.nodes = self.worst.nodes.max(self.slow.len());
        let longest = self.slow.iter().map(|(_, took)| *took).max().unwrap_or_default();
        self.worst.took = self.worst.took.max(longest);
    }

    /// Since when so many nodes are slow that the others are no majority.
    pub fn since(&self) -> Option<Instant> {
        self.since
    }

    /// The most that was seen until now, if the others ever were no majority.
    pub fn seen(&self, now: Instant, members: usize, election_min: Duration) -> Option<SlowMajority> {
        (self.worst.nodes > 0).then(|| SlowMajority {
            nodes: self.worst.nodes,
            members,
            took: self.worst.took,
            lasted: self.lasted(now),
            election_min,
        })
    }

    fn lasted(&self, now: Instant) -> Duration {
        let present = self.since.map_or(Duration(0), |since| now.since(since));
        Duration(self.before.0.saturating_add(present.0))
    }
}

impl fmt::Display for SlowMajority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = if self.nodes == self.members { "all" } else { "" };
        let some = format!("{} of {}", self.nodes, self.members);
        write!(
            f,
            "Disks are too slow for the timers: flushes of {} nodes take up to {:.0} ms, and the shortest election timeout is {} ms. \
             Without these nodes there is no majority: elections may not come to an end, and little or nothing may be committed. Longer \
             timers help (Raft §5.6).",
            if all.is_empty() { &some } else { all },
            self.took.as_millis_f64(),
            self.election_min.as_millis_f64(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Option<Duration> {
        Some(Duration::from_millis(ms))
    }

    const MIN: Duration = Duration::from_millis(150);

    #[test]
    fn a_slow_minority_is_no_matter_and_without_a_majority_of_quick_ones_all_stand() {
        for members in 1..=9 {
            let mut disks = SlowDisks::default();
            let majority = members / 2 + 1;
            for node in 1..=members {
                disks.set(Instant(node as u64), members, NodeId(node as u8), ms(200));
                let quick = members - node;
                assert_eq!(disks.since().is_some(), quick < majority, "{node} of {members}");
            }
        }
    }

    #[test]
    fn times_of_slowness_add_up_and_the_worst_is_told() {
        let mut disks = SlowDisks::default();
        let mut set = |at: u64, node, took| disks.set(Instant(at * 1_000_000), 3, NodeId(node), took);
        set(1, 1, ms(160));
        set(2, 3, ms(200));
        set(4, 1, None);
        set(4, 1, None);
        set(10, 2, ms(900));
        set(11, 2, ms(300));
        let seen = disks.seen(Instant(13_000_000), 3, MIN).expect("two were slow");
        assert_eq!(
            (seen.nodes, seen.took, seen.lasted),
            (2, Duration::from_millis(900), Duration::from_millis(5_000))
        );
        assert!(
            seen.to_string().contains("flushes of 2 of 3 nodes take up to 900 ms"),
            "{seen}"
        );
        disks.set(Instant(13_000_000), 3, NodeId(3), None);
        assert_eq!(disks.since(), None);
        let later = disks.seen(Instant(90_000_000), 3, MIN).map(|seen| seen.lasted);
        assert_eq!(later, Some(Duration::from_millis(5_000)));
    }

    #[test]
    fn who_has_always_been_quick_enough_is_not_told_of() {
        let mut disks = SlowDisks::default();
        disks.set(Instant(5), 5, NodeId(1), ms(160));
        disks.set(Instant(6), 5, NodeId(2), None);
        assert_eq!(disks.seen(Instant(1_000_000), 5, MIN), None);
    }
}
