//! Proof that the checks can fail: with any one of Raft's rules switched off, some seed breaks a promise.

use raft_core::Rule;

use crate::check::Violation;
use crate::plan::Scenario;
use crate::run::run;
use crate::settings::Wanted;

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

/// The run in which a seed looks for a rule.
pub fn scenario(rule: Rule, seed: u64) -> Scenario {
    Scenario::drawn(
        seed,
        Wanted {
            seconds: Some(20),
            ablate: Some(rule),
            ..Wanted::default()
        },
    )
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
