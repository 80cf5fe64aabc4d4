//! Raft's properties hold whatever happens to a small cluster; and once it stops happening, the cluster works.

mod support;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use raft_core::{Duration, Input, Outcome, Role, Rule, Rules};
use support::checker::Violation;
use support::schedule::{Action, actions, play};
use support::world::World;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Election Safety, Leader Append-Only, Log Matching, Leader Completeness, State Machine Safety and the rest of the
    /// checkers, after each event; then liveness.
    #[test]
    fn safe_always_and_live_when_healed(size in 1_u8..=5, seed in any::<u64>(), actions in actions(400)) {
        let (mut world, played) = play(size, Rules::default(), seed, &actions);
        played.and_then(|()| comes_to_life(&mut world)).map_err(|violation| TestCaseError::fail(violation.to_string()))?;
    }

    /// The same seed and the same inputs give the same outputs, to the bit.
    #[test]
    fn same_inputs_same_outputs(seed in any::<u64>(), actions in actions(200)) {
        let (first, _) = play(3, Rules::default(), seed, &actions);
        let (second, _) = play(3, Rules::default(), seed, &actions);
        prop_assert_eq!(format!("{first:?}"), format!("{second:?}"));
    }
}

/// With all nodes up and nothing lost, there is one leader within five seconds, and it commits on every node.
fn comes_to_life(world: &mut World) -> Result<(), Violation> {
    world.cuts.clear();
    for id in world.members() {
        if world.core(id).is_none() {
            world.start(id)?;
        }
    }
    world.run(Duration::from_millis(5000))?;
    let newest = world
        .leaders()
        .into_iter()
        .max_by_key(|&id| world.core(id).map(|core| core.view().term));
    let leader = newest.ok_or_else(|| not_live("no leader after five seconds"))?;
    let ticket = world.ticket("last");
    let out = world.step(
        leader,
        vec![Input::Propose {
            ticket,
            command: "last".into(),
        }],
    )?;
    if !matches!(out.outcomes[..], [(_, Outcome::Accepted { .. })]) {
        return Err(not_live("the leader does not take a command"));
    }
    world.run(Duration::from_millis(500))?;
    for id in world.members() {
        let view = world.core(id).expect("all are up").view();
        let last = view.machine.applied.last().map(|(_, command)| command.as_str());
        let role = if id == leader { Role::Leader } else { Role::Follower };
        if last != Some("last") || view.role != role || view.durable_index != view.commit_index {
            return Err(not_live(&format!("{id} did not get the last command")));
        }
    }
    Ok(())
}

fn not_live(detail: &str) -> Violation {
    Violation {
        property: "liveness",
        detail: detail.into(),
    }
}

/// Without the rule, the checkers find a violation in one of many random schedules. Says after how many, and which.
fn caught(rule: Rule, size: u8, schedules_max: usize) -> Option<(usize, Violation)> {
    let mut runner = TestRunner::deterministic();
    (1..=schedules_max).find_map(|count| {
        let schedule: Vec<Action> = actions(400).new_tree(&mut runner).expect("a schedule").current();
        let (_, played) = play(size, Rules::without(rule), count as u64, &schedule);
        played.err().map(|violation| (count, violation))
    })
}

/// These are noticed soon in random schedules. Golden scripts show the absence of others, which need a longer story.
#[test]
fn ablations_are_caught() {
    let soon = [
        (Rule::VoteOnce, 3),
        (Rule::VoteKeptInTerm, 3),
        (Rule::LeaderKeepsItsVote, 5),
        (Rule::PersistVote, 3),
        (Rule::CompareLogsBeforeVoting, 3),
        (Rule::CompareTermBeforeLength, 4),
        (Rule::FullMajority, 3),
        (Rule::NewerTermStepsDown, 3),
        (Rule::CheckPreviousEntry, 5),
        (Rule::CheckPreviousEntryOfHeartbeats, 3),
        (Rule::TruncateOnlyOnConflict, 5),
        (Rule::DropTailOnConflict, 5),
        (Rule::AcknowledgeOnlyWhatMatched, 5),
        (Rule::MatchIndexNeverFalls, 3),
        (Rule::CommitBoundedByMatch, 5),
        (Rule::WaitForFsync, 3),
        (Rule::CommitBeforeRead, 3),
    ];
    for (rule, size) in soon {
        assert!(
            caught(rule, size, 600).is_some(),
            "{} is off, and nobody notices",
            rule.name()
        );
    }
}

/// Prints which rule's absence is noticed, how soon and by what. `RULE=persist_vote` looks at one alone.
#[test]
#[ignore = "a survey that takes minutes; the ablations test keeps what it found"]
fn survey() {
    let only = std::env::var("RULE").ok();
    for &rule in Rule::ALL
        .iter()
        .filter(|rule| only.as_deref().is_none_or(|only| rule.name() == only))
    {
        for size in [3, 4, 5] {
            match caught(rule, size, 3000) {
                Some((count, violation)) => println!("{:34} n={size} {count:5} {violation}", rule.name()),
                None => println!("{:34} n={size}     – not caught", rule.name()),
            }
        }
    }
}
