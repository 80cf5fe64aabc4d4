//! Why a cluster does not come to agree where that is no fault of its: what it was given is too slow.

use cluster::client::ANSWER_TIMEOUT_MAX;
use raft_core::Duration;

use super::{Seat, World};
use crate::settings::Settings;

impl World<'_> {
    /// Why nobody can ask of the cluster that it agrees, though no fault lasts: its timers are too short for its disks or its links
    /// (§5.6), or its clients have no patience with its disks.
    pub(crate) fn held_up(&self) -> Option<String> {
        let settings = self.settings();
        let one_way = Duration(settings.delay_us + settings.jitter_us);
        if let Some(why) = self.held_up_by_disks() {
            return Some(why);
        }
        if let Some(warning) = settings.timing.warning(one_way) {
            return Some(format!("the timers are too short for the links. {warning}"));
        }
        let flush = Duration(settings.flush_us.0);
        let takes = Duration(flush.0 + 2 * one_way.0);
        if takes >= ANSWER_TIMEOUT_MAX {
            return Some(format!(
                "the disks are slower than clients wait: every flush takes {:.0} ms or more, and after {} ms without an answer they ask again",
                flush.as_millis_f64(),
                ANSWER_TIMEOUT_MAX.as_millis_f64()
            ));
        }
        // Who votes, and who appends, flushes before it answers.
        let warning = settings.timing.warning(Duration(one_way.0 + settings.flush_us.1));
        warning.map(|warning| {
            format!("the timers are too short for the links and the disks, where each message comes after a flush. {warning}")
        })
    }

    /// Disks are slower than the timers on so many nodes that the others are no majority. Not, where they only were: every flush takes so
    /// long, or one that does is still under way.
    fn held_up_by_disks(&self) -> Option<String> {
        let Settings { timing, flush_us, .. } = &self.scenario.settings;
        let shortest = timing.election_min;
        let all_are_slow = flush_us.0 >= shortest.0;
        let takes = |seat: &Seat| {
            let under_way = seat.disk.longest_under_way();
            if all_are_slow {
                under_way.max(Duration(flush_us.1))
            } else {
                under_way
            }
        };
        let alive = || self.seats.iter().filter(|seat| !seat.lost);
        let slow = alive().filter(|seat| takes(seat) >= shortest).count();
        let longest = alive().map(takes).max().unwrap_or_default();
        let (members, quick) = (self.seats.len(), alive().count() - slow);
        let some = if slow == members {
            "all".to_owned()
        } else {
            format!("{slow} of {members}")
        };
        (slow > 0 && quick <= members / 2).then(|| {
            format!(
                "the disks of {some} nodes are slower than the timers: a flush takes up to {:.0} ms, and the shortest election \
                 timeout is {} ms",
                longest.as_millis_f64(),
                shortest.as_millis_f64()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use raft_core::{Instant, NodeId};

    use super::*;
    use crate::plan::{Fault, Scenario, What};
    use crate::settings::{FaultKinds, Wanted};

    /// Disks that were slow excuse nothing that comes after.
    #[test]
    fn only_disks_that_are_slow_now_hold_up() {
        let wanted = Wanted {
            nodes: Some(3),
            seconds: Some(5),
            faults: Some(FaultKinds::default()),
            ..Wanted::default()
        };
        let mut scenario = Scenario::drawn(1, wanted);
        let slow = |node| Fault {
            at: Instant(1_000_000),
            lasts: Duration::from_millis(1_000),
            what: What::OutlastingFlush {
                node: NodeId(node),
                us: 900_000,
            },
        };
        for nodes in [1, 2] {
            scenario.faults = (1..=nodes).map(slow).collect();
            let mut world = World::new(&scenario).unwrap();
            world.run_until(Instant(900_000), |_| false).unwrap();
            assert_eq!(world.held_up(), None);
            world.run_until(Instant(1_500_000), |_| false).unwrap();
            assert_eq!(world.held_up().is_some(), nodes == 2, "{nodes} of 3");
            world.run_until(Instant(5_000_000), |_| false).unwrap();
            let seen = world
                .slow_disks
                .seen(world.now, 3, scenario.settings.timing.election_min);
            assert_eq!(seen.is_some(), nodes == 2);
            assert_eq!(world.held_up(), None);
        }
    }
}
