//! Proof that the checks can fail: with any one of Raft's rules switched off, some seed breaks a promise.

use raft_core::{Duration, Rule};

use crate::check::Violation;
use crate::plan::Scenario;
use crate::run::run;
use crate::settings::{FaultKind, Settings, Wanted};

/// What a hunt for a rule came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunt {
    /// The rule that was off.
    pub rule: Rule,
    /// How many seeds were tried.
    pub seeds: u64,
    /// The seed that showed it, and what broke.
    pub caught: Option<(u64, Violation)>,
}

/// The golden script of raft-core that shows what a rule is for, where no fault of the simulator reaches it yet: an answer that
/// outlives two leaderships wants delays with heavy tails.
pub fn shown_by_script(rule: Rule) -> Option<&'static str> {
    (rule == Rule::OnlyAcceptanceConfirms).then_some("ablated_only_acceptance_confirms")
}

/// The run in which a seed looks for a rule. Most are found by the common swarm; where it would take long, the swarm is one of
/// those faults that can show the rule.
pub fn scenario(rule: Rule, seed: u64) -> Scenario {
    use FaultKind::{Crash, Delay, Drop, LateFlush, LostTail, OneWayCut, Partition, Pause};
    let wanted = Wanted {
        seconds: Some(20),
        ablate: Some(rule),
        ..Wanted::default()
    };
    let among = |nodes: u8, rate: u32, faults: &[FaultKind]| Wanted {
        nodes: Some(nodes),
        rate: Some(rate),
        faults: Some(faults.iter().copied().collect()),
        every_fault: true,
        ..wanted
    };
    let mut settings = match rule {
        // Figure 8 on three nodes: long ways and slow disks, so that much is half done when a leader falls; and no snapshots,
        // which stand for nothing that is not committed.
        Rule::CommitOwnTermOnly => {
            let faults = [Crash, Drop, LostTail, Partition, OneWayCut, LateFlush];
            Settings {
                delay_us: 30_000,
                jitter_us: 20_000,
                flush_us: (1_000, 5_000),
                compact_after: u64::MAX,
                ..Settings::drawn(seed, among(3, 50, &faults))
            }
        }
        Rule::RefuseStaleAppend => Settings::drawn(seed, among(5, 50, &[Delay, Drop, Partition, OneWayCut, Pause])),
        Rule::ConfirmLeadershipBeforeRead | Rule::OwnReadTokens => {
            Settings::drawn(seed, among(5, 200, &[Partition, OneWayCut, Pause]))
        }
        _ => return Scenario::drawn(seed, wanted),
    };
    settings.fault_interval = Duration::from_millis(200);
    Scenario::of(settings)
}

/// Switches a rule off and tries seeds from 0 on, until one breaks a promise. `more` is asked before every seed, and ends the
/// hunt by returning false.
pub fn hunt(rule: Rule, seeds_max: u64, mut more: impl FnMut() -> bool) -> Hunt {
    let mut seeds = 0;
    while seeds < seeds_max && more() {
        let seed = seeds;
        seeds += 1;
        if let Some(violation) = run(&scenario(rule, seed), |_| true).violation {
            return Hunt {
                rule,
                seeds,
                caught: Some((seed, violation)),
            };
        }
    }
    Hunt {
        rule,
        seeds,
        caught: None,
    }
}
