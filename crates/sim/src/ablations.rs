//! Proof that the checks can fail: with any one of Raft's rules switched off, some seed breaks a promise.

use raft_core::{Duration, Rule};

use crate::check::Violation;
use crate::plan::Scenario;
use crate::run::run;
use crate::settings::{FaultKind, Settings, Wanted};

/// How long the runs of a hunt are, in seconds of virtual time.
const SECONDS: u32 = 20;

/// What a hunt for a rule came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunt {
    /// The rule that was off.
    pub rule: Rule,
    /// In the ordinary mixture, which is what `ftq fuzz` draws.
    pub ordinary: Search,
    /// In a mixture of those faults that can show the rule, where the ordinary one did not and there is such a mixture.
    pub special: Option<Search>,
}

/// Some seeds, from 0 on, until one broke a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// How many seeds were tried.
    pub seeds: u64,
    /// Whether there were more to try.
    pub cut_short: bool,
    /// The seed that showed it, and what broke.
    pub caught: Option<(u64, Violation)>,
}

impl Hunt {
    /// What showed that the rule was off: where, which seed, what broke.
    pub fn caught(&self) -> Option<&(u64, Violation)> {
        let special = self.special.as_ref().and_then(|search| search.caught.as_ref());
        self.ordinary.caught.as_ref().or(special)
    }

    /// Whether it ended before it had caught anything or tried everything.
    pub fn cut_short(&self) -> bool {
        self.ordinary.cut_short || self.special.as_ref().is_some_and(|search| search.cut_short)
    }
}

fn wanted(rule: Rule) -> Wanted {
    Wanted {
        seconds: Some(SECONDS),
        ablate: Some(rule),
        ..Wanted::default()
    }
}

/// The run in which a seed looks for a rule: what `ftq fuzz` draws.
pub fn ordinary(rule: Rule, seed: u64) -> Scenario {
    Scenario::drawn(seed, wanted(rule))
}

/// The run in which a seed looks for a rule among faults that can show it, for the rules that the ordinary mixture may miss.
pub fn special(rule: Rule, seed: u64) -> Option<Scenario> {
    use FaultKind::{LeaderCrash, LeaderCut, LostTail, OneWayCut, Partition, Pause, SlowFlush, UnheardLeaders};
    let among = |nodes: u8, rate: u32, faults: &[FaultKind]| Wanted {
        nodes: Some(nodes),
        rate: Some(rate),
        faults: Some(faults.iter().copied().collect()),
        every_fault: true,
        ..wanted(rule)
    };
    let mut settings = match rule {
        // Figure 8 on three nodes: leaders that fall in the middle of what they do, and flushes that take longer than messages, so
        // that a leader hears of others' copies of what it has not yet written itself; and no snapshots, which stand for nothing that is
        // not committed.
        Rule::CommitOwnTermOnly => {
            let faults = [LeaderCrash, LeaderCut, LostTail, SlowFlush, UnheardLeaders];
            Settings {
                delay_us: 1_000,
                jitter_us: 4_000,
                flush_us: (5_000, 150_000),
                compact_after: u64::MAX,
                ..Settings::drawn(seed, among(3, 20, &faults))
            }
        }
        Rule::ConfirmLeadershipBeforeRead | Rule::OwnReadTokens => {
            Settings::drawn(seed, among(5, 200, &[Partition, OneWayCut, Pause]))
        }
        _ => return None,
    };
    settings.fault_interval = Duration::from_millis(200);
    Some(Scenario::of(settings))
}

/// Switches a rule off and tries seeds from 0 on, until one breaks a promise; where the ordinary mixture shows nothing, the special
/// one is tried. `more` is asked before every seed and once a second of virtual time, and ends the hunt by returning false.
pub fn hunt(rule: Rule, seeds_max: u64, mut more: impl FnMut() -> bool) -> Hunt {
    let ordinary = search(seeds_max, &mut more, |seed| Some(ordinary(rule, seed)));
    let is_needed = ordinary.caught.is_none() && !ordinary.cut_short && special(rule, 0).is_some();
    let special = is_needed.then(|| search(seeds_max, &mut more, |seed| special(rule, seed)));
    Hunt {
        rule,
        ordinary,
        special,
    }
}

fn search(seeds_max: u64, more: &mut impl FnMut() -> bool, scenario: impl Fn(u64) -> Option<Scenario>) -> Search {
    let mut seeds = 0;
    while seeds < seeds_max {
        if !more() {
            return Search {
                seeds,
                cut_short: true,
                caught: None,
            };
        }
        let seed = seeds;
        let Some(scenario) = scenario(seed) else { break };
        let mut is_whole = true;
        let outcome = run(&scenario, |_| {
            is_whole = more();
            is_whole
        });
        if !is_whole && outcome.violation.is_none() {
            return Search {
                seeds,
                cut_short: true,
                caught: None,
            };
        }
        seeds += 1;
        if let Some(violation) = outcome.violation {
            return Search {
                seeds,
                cut_short: false,
                caught: Some((seed, violation)),
            };
        }
    }
    Search {
        seeds,
        cut_short: false,
        caught: None,
    }
}
