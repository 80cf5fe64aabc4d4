//! Is what happened what Raft and a queue promise? Every check looks from outside: at what nodes show and send, at what
//! their disks hold, at what clients asked and were answered. None shares logic with the core: no elections, no progress, no rule
//! of commitment.

mod accounting;
mod audit;
mod explain;
mod forgetting;
mod history;
mod linearizability;
mod monitor;
mod safety;
mod window;

use std::fmt;

use raft_core::{Instant, NodeId};

pub use accounting::{Accounts, Items};
pub(crate) use audit::CLOCKS_DIFFER;
pub use audit::{Audit, Judged};
pub use history::{Call, CallId, History, Returned};
pub use linearizability::{Verdict, Window, judge};
pub use safety::Checker;

/// A promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Property {
    /// At most one leader a term (figure 3).
    ElectionSafety,
    /// A node gives one vote a term, across all its lives (§5.2).
    OneVoteATerm,
    /// A leader never changes its own log, but appends (figure 3).
    LeaderAppendOnly,
    /// Two logs that agree on the term of an entry agree on all before it (figure 3).
    LogMatching,
    /// A leader has every entry that was committed in earlier terms (figure 3).
    LeaderCompleteness,
    /// No two nodes commit or apply different entries at one place (figure 3).
    StateMachineSafety,
    /// What is committed is on the disks of a majority, and stays there.
    CommittedIsDurable,
    /// What a node tells, it has flushed before (figure 2).
    ToldIsDurable,
    /// A node that restarts has all that it flushed, or refuses to take part.
    RecoveredWhole,
    /// Term, commit index, applied index, and what a leader holds of a follower never fall; applied ≤ committed ≤ log.
    Monotonic,
    /// A write is applied once, however often it is sent (§8).
    AppliedOnce,
    /// What clients were answered could have been answered by one queue, one operation after the other (§8).
    Linearizable,
    /// Every item that was pushed comes out once, in its turn.
    ItemsAccounted,
    /// Without faults, a leader is found, nodes agree and clients are served.
    Converges,
}

/// A promise that was broken, and how that shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The promise.
    pub property: Property,
    /// When it showed, in virtual time.
    pub at: Instant,
    /// When what it tells of began, where that was long before: the first of the calls that cannot be explained.
    pub since: Option<Instant>,
    /// On which node, if on one.
    pub node: Option<NodeId>,
    /// How.
    pub detail: String,
}

/// What two broken promises have in common that are the same at the same kind of place, in runs of which one was made from the
/// other: more than the promise's name, less than times, terms and places in logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The promise.
    pub property: Property,
    /// On which node it showed, if on one.
    pub node: Option<NodeId>,
    /// In which way: the first clause of how it showed, with its numbers left out.
    pub kind: String,
}

impl Violation {
    /// What it has in common with the same violation in a smaller run.
    pub fn identity(&self) -> Identity {
        let clause = self.detail.split([':', ';']).next().unwrap_or_default();
        let mut kind = String::with_capacity(clause.len());
        for letter in clause.chars() {
            let letter = if letter.is_ascii_digit() { '#' } else { letter };
            if !(letter == '#' && kind.ends_with('#')) {
                kind.push(letter);
            }
        }
        Identity {
            property: self.property,
            node: self.node,
            kind,
        }
    }
}

impl Property {
    /// How commands and tables spell it.
    pub fn name(self) -> &'static str {
        match self {
            Property::ElectionSafety => "Election Safety",
            Property::OneVoteATerm => "One Vote a Term",
            Property::LeaderAppendOnly => "Leader Append-Only",
            Property::LogMatching => "Log Matching",
            Property::LeaderCompleteness => "Leader Completeness",
            Property::StateMachineSafety => "State Machine Safety",
            Property::CommittedIsDurable => "Committed is Durable",
            Property::ToldIsDurable => "Told is Durable",
            Property::RecoveredWhole => "Recovered Whole",
            Property::Monotonic => "Monotonic",
            Property::AppliedOnce => "Applied Once",
            Property::Linearizable => "Linearizable",
            Property::ItemsAccounted => "Items Accounted",
            Property::Converges => "Converges",
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} violated at {}: {}", self.property.name(), self.at, self.detail)
    }
}

impl std::error::Error for Violation {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_violation_at_another_time_is_the_same_and_another_way_is_not() {
        let told = |node: u8, at: u64, detail: &str| {
            let violation = Violation {
                property: Property::RecoveredWhole,
                at: Instant(at),
                since: None,
                node: Some(NodeId(node)),
                detail: detail.to_owned(),
            };
            violation.identity()
        };
        let one = told(
            3,
            7,
            "Node 3 restarted in term 1 with entries up to 30; it had flushed more",
        );
        assert_eq!(
            one,
            told(
                3,
                99,
                "Node 3 restarted in term 12 with entries up to 0; it had flushed more"
            )
        );
        assert_ne!(
            one,
            told(
                2,
                7,
                "Node 2 restarted in term 1 with entries up to 30; it had flushed more"
            )
        );
        assert_ne!(one, told(3, 7, "Node 3 lost entry 30"));
    }
}
