//! What a node can be booted with, and what it refuses.

mod support;

use raft_core::{
    BootError, Config, Duration, Entry, HardState, Instant, MEMBERS_MAX, NodeId, Outbox, Payload, Raft, Recovered,
    Rules, Term, Timing,
};
use support::world::Journal;

fn boot(members: &[u8], timing: Timing, term: u64, log: &[u64]) -> Option<BootError> {
    let config = Config {
        id: NodeId(1),
        members: members.iter().copied().map(NodeId).collect(),
        timing,
        seed: 7,
        rules: Rules::default(),
        compact_after: u64::MAX,
    };
    let entry = |term: &u64| Entry {
        term: Term(*term),
        payload: Payload::NoOp,
    };
    let recovered = Recovered {
        hard_state: HardState {
            term: Term(term),
            voted_for: None,
        },
        snapshot: None,
        log: log.iter().map(entry).collect(),
    };
    Raft::boot(
        config,
        recovered,
        Journal::default(),
        Instant(0),
        &mut Outbox::default(),
    )
    .err()
}

#[test]
fn members_are_one_to_nine_in_rising_order_with_the_node_among_them() {
    let with = |members: &[u8]| boot(members, Timing::default(), 0, &[]);
    let many: Vec<u8> = (1..=MEMBERS_MAX as u8 + 1).collect();
    for members in [&[1][..], &[1, 2], &[1, 5, 9], &many[..MEMBERS_MAX]] {
        assert_eq!(with(members), None, "{members:?}");
    }
    for members in [&[][..], &[2, 3], &[2, 1], &[1, 1], &[1, 2, 2], &many] {
        assert_eq!(with(members), Some(BootError::Members), "{members:?}");
    }
}

#[test]
fn a_heartbeat_is_shorter_than_any_election_timeout() {
    let with = |heartbeat: u64, min: u64, max: u64| {
        let timing = Timing {
            heartbeat: Duration(heartbeat),
            election_min: Duration(min),
            election_max: Duration(max),
        };
        boot(&[1, 2, 3], timing, 0, &[])
    };
    for (heartbeat, min, max) in [(1, 2, 2), (1, 2, 3), (50, 150, 300)] {
        assert_eq!(with(heartbeat, min, max), None, "{heartbeat} {min} {max}");
    }
    for (heartbeat, min, max) in [(0, 2, 3), (2, 2, 3), (3, 2, 3), (1, 3, 2)] {
        assert_eq!(
            with(heartbeat, min, max),
            Some(BootError::Timing),
            "{heartbeat} {min} {max}"
        );
    }
}

#[test]
fn the_terms_of_a_log_rise_from_1_to_the_node_s_own_at_most() {
    let with = |term: u64, log: &[u64]| boot(&[1, 2, 3], Timing::default(), term, log);
    for (term, log) in [(0, &[][..]), (1, &[1]), (3, &[1, 1, 2]), (2, &[1, 2, 2])] {
        assert_eq!(with(term, log), None, "{term} {log:?}");
    }
    for (term, log) in [(0, &[1][..]), (1, &[0]), (1, &[0, 1]), (3, &[2, 1]), (2, &[1, 3])] {
        assert_eq!(with(term, log), Some(BootError::Log), "{term} {log:?}");
    }
}
