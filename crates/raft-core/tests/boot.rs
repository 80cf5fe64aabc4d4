//! What a node can be booted with, and what it refuses.

mod support;

use raft_core::{
    BootError, Config, Duration, Entry, HardState, Instant, MEMBERS_MAX, NodeId, Outbox, Payload, Raft, Recovered,
    Rules, TIMEOUT_MAX, Term, Timing,
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

fn timing(heartbeat: u64, min: u64, max: u64) -> Timing {
    Timing {
        heartbeat: Duration(heartbeat),
        election_min: Duration(min),
        election_max: Duration(max),
    }
}

/// Whom nobody can elect does not boot, and says what is wrong and what would be right.
#[test]
fn timers_with_which_nobody_is_elected_are_refused_in_a_sentence() {
    let with = |timing| boot(&[1, 2, 3], timing, 0, &[]);
    let day = TIMEOUT_MAX.0;
    for (heartbeat, min, max) in [(1, 2, 3), (50, 150, 300), (1, 2, day), (day - 2, day - 1, day)] {
        assert_eq!(with(timing(heartbeat, min, max)), None, "{heartbeat} {min} {max}");
    }
    let bad = [
        (timing(0, 2, 3), "the heartbeat interval is 0"),
        (timing(2_000, 2_000, 3_000), "a heartbeat comes every 2 ms"),
        (timing(3_000, 2_000, 4_000), "The heartbeat must be the shorter one"),
        (timing(0, 0, 0), "the heartbeat interval is 0"),
        (timing(1, 0, 3), "a heartbeat comes every 0.001 ms"),
        (timing(1_000, 3_000, 2_000), "2 ms, is shorter than the shortest, 3 ms"),
        (timing(50_000, 150_000, 150_000), "every election timeout is 150 ms"),
        (timing(1, 2, day + 1), "longer than 86400000 ms"),
        (timing(1, 2, u64::MAX), "longer than 86400000 ms"),
        (timing(u64::MAX, u64::MAX, u64::MAX), "give up on every leader"),
    ];
    for (timing, why) in bad {
        let error = with(timing).unwrap_or_else(|| panic!("{timing:?} boots"));
        assert_eq!(error, BootError::Timing(timing.check().unwrap_err()));
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn timers_that_are_short_for_their_network_are_warned_of() {
    let told = |timing: Timing, one_way_us| {
        let warning = timing.warning(Duration(one_way_us));
        warning.map(|warning| warning.to_string()).unwrap_or_default()
    };
    assert_eq!(told(Timing::default(), 12_000), "");
    assert!(told(Timing::default(), 75_000).starts_with("A round trip takes up to 150 ms"));
    assert!(told(timing(100_000, 150_000, 300_000), 50_000).starts_with("A heartbeat may take 150 ms"));
    assert!(told(timing(50_000, 150_000, 151_000), 12_000).contains("150 ms to 151 ms differ by less than the 12 ms"));
    assert!(told(Timing::default(), u64::MAX).starts_with("A round trip"));
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
