//! How much clusters did for their clients while there were faults: a cluster that is dead most of the time tests little.

use std::fmt;

use crate::run::Outcome;

/// The fewest nodes of a cluster that can lose one and live: smaller ones are not counted.
const NODES_MIN: u8 = 3;

/// Of every run, which share of what was asked was acknowledged.
#[derive(Clone, Debug, Default)]
pub struct Service {
    /// In thousandths, with the seed.
    shares: Vec<(u64, u64)>,
}

impl Service {
    /// Takes a run into account, if there were enough nodes and anything was asked.
    pub fn add(&mut self, seed: u64, outcome: &Outcome) {
        if outcome.nodes >= NODES_MIN
            && let Some(share) = (outcome.acknowledged * 1000).checked_div(outcome.asked)
        {
            self.shares.push((share, seed));
        }
    }

    /// The share that half of the runs reach, in thousandths; none, if there was no run.
    pub fn median(&self) -> Option<u64> {
        let mut shares = self.shares.clone();
        shares.sort_unstable();
        shares.get(shares.len() / 2).map(|(share, _)| *share)
    }

    /// Whether the clusters lived while there were faults: the median run acknowledged at least half of what was asked, and the least
    /// a tenth.
    pub fn is_alive(&self) -> bool {
        self.median().is_none_or(|share| share >= 500) && self.least().is_none_or(|(share, _)| share >= 100)
    }

    /// The least share, in thousandths, and its seed.
    pub fn least(&self) -> Option<(u64, u64)> {
        self.shares.iter().min().copied()
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |share: u64| share as f64 / 10.0;
        match (self.median(), self.least()) {
            (Some(median), Some((least, seed))) => write!(
                f,
                "of what was asked, the median run of three nodes or more acknowledged {:.1} %, the least {:.1} % (seed {seed})",
                percent(median),
                percent(least)
            ),
            _ => f.write_str("no run of three nodes or more was asked for anything"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_that_are_dead_most_of_the_time_are_noticed() {
        let service = |shares: &[u64]| Service {
            shares: shares.iter().copied().zip(0..).collect(),
        };
        assert!(service(&[]).is_alive());
        assert!(service(&[100, 500, 900]).is_alive());
        assert!(!service(&[99, 500, 900]).is_alive(), "one was dead");
        assert!(!service(&[100, 499, 900]).is_alive(), "half of them were");
    }
}
