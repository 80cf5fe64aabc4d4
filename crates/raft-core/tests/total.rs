//! A step is total: whatever arrives, from whomever, with whatever numbers, the core does not panic and keeps to its
//! invariants; with a rule off it may err, but still does not panic.

mod support;

use proptest::prelude::*;
use raft_core::{
    AppendEntries, AppendEntriesReply, AppendOutcome, Config, Duration, Entry, HardState, Input, InstallOutcome,
    InstallSnapshot, InstallSnapshotReply, Instant, LogIndex, Message, NodeId, Outbox, Payload, PersistId, Raft,
    ReadRound, Recovered, RequestVote, RequestVoteReply, Role, Rule, Rules, SNAPSHOT_PART_BYTES_MAX, Term, Ticket,
    Timing,
};
use support::world::{Core, Journal, Out};

/// Small numbers, where they collide with what the node has, and the ends of what a number can be.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0_u64..6, 1 => Just(u64::MAX), 1 => Just(u64::MAX - 1), 1 => any::<u64>()]
}

fn term() -> impl Strategy<Value = Term> {
    prop_oneof![20 => 0_u64..8, 1 => Just(u64::MAX), 1 => Just(u64::MAX - 1)].prop_map(Term)
}

fn index() -> impl Strategy<Value = LogIndex> {
    number().prop_map(LogIndex)
}

fn entries() -> impl Strategy<Value = Vec<Entry<String>>> {
    let payload = prop_oneof![
        Just(Payload::NoOp),
        (0_usize..200_000).prop_map(|bytes| Payload::Command("x".repeat(bytes % 90_000)))
    ];
    let entry = (term(), payload)
        .prop_map(|(term, payload)| Entry { term, payload })
        .boxed();
    prop_oneof![
        2 => Just(Vec::new()),
        4 => proptest::collection::vec(entry.clone(), 1..4),
        1 => (entry, 1000_usize..1100).prop_map(|(entry, count)| vec![Entry { payload: Payload::NoOp, ..entry }; count]),
    ]
}

/// Parts of snapshots, some of which hold a state.
fn part() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        2 => Just(Vec::new()),
        4 => (1_u64..6).prop_map(|index| format!("{index} a\n").into_bytes()),
        1 => Just(vec![0xff; 3]),
        1 => Just(vec![b'1'; SNAPSHOT_PART_BYTES_MAX + 1]),
    ]
}

fn install_outcome() -> impl Strategy<Value = InstallOutcome> {
    prop_oneof![
        2 => number().prop_map(|bytes| InstallOutcome::Received { bytes }),
        2 => Just(InstallOutcome::Installed),
        1 => Just(InstallOutcome::StaleTerm),
    ]
}

/// Boxed: so many kinds of values side by side are too much for a thread's stack.
fn message() -> BoxedStrategy<Message<String>> {
    let round = || number().prop_map(ReadRound);
    let outcome = prop_oneof![
        4 => index().prop_map(|match_index| AppendOutcome::Matched { match_index }),
        4 => (index(), proptest::option::of(term()), index()).prop_map(|(prev_log_index, conflict_term, conflict_index)| {
            AppendOutcome::Conflict { prev_log_index, conflict_term, conflict_index }
        }),
        1 => Just(AppendOutcome::StaleTerm),
    ];
    prop_oneof![
        (term(), index(), term()).prop_map(|(term, last_log_index, last_log_term)| {
            Message::RequestVote(RequestVote {
                term,
                last_log_index,
                last_log_term,
            })
        }),
        (term(), any::<bool>())
            .prop_map(|(term, granted)| Message::RequestVoteReply(RequestVoteReply { term, granted })),
        (term(), index(), term(), entries(), index(), round()).prop_map(
            |(term, prev_log_index, prev_log_term, entries, leader_commit, read_round)| {
                let append = AppendEntries {
                    term,
                    prev_log_index,
                    prev_log_term,
                    entries,
                    leader_commit,
                    read_round,
                };
                Message::AppendEntries(append)
            }
        ),
        (term(), outcome, round()).prop_map(|(term, outcome, read_round)| {
            Message::AppendEntriesReply(AppendEntriesReply {
                term,
                outcome,
                read_round,
            })
        }),
        (
            term(),
            index(),
            term(),
            number(),
            part(),
            any::<bool>(),
            number(),
            round()
        )
            .prop_map(
                |(term, last_included_index, last_included_term, offset, data, done, question, read_round)| {
                    Message::InstallSnapshot(InstallSnapshot {
                        term,
                        last_included_index,
                        last_included_term,
                        offset: if done { 0 } else { offset },
                        data,
                        done,
                        question,
                        read_round,
                    })
                }
            ),
        (term(), index(), number(), install_outcome(), round()).prop_map(
            |(term, last_included_index, question, outcome, read_round)| {
                Message::InstallSnapshotReply(InstallSnapshotReply {
                    term,
                    last_included_index,
                    question,
                    outcome,
                    read_round,
                })
            }
        ),
    ]
    .boxed()
}

/// What a host may do, and what it may not.
#[derive(Clone, Debug)]
enum Deed {
    Give(Input<String>),
    /// Report the write asked for last, or one before it.
    Complete(usize),
    /// A majority of the others answers as the node would wish.
    Support,
}

fn deed() -> impl Strategy<Value = Deed> {
    let id = (number(), term(), index(), term()).prop_map(|(sequence, term, last_index, last_term)| PersistId {
        sequence,
        term,
        last_index,
        last_term,
    });
    let span = || prop_oneof![0_u64..300_000, Just(u64::MAX)].prop_map(Duration);
    let timing = (span(), span(), span()).prop_map(|(election_min, election_max, heartbeat)| Timing {
        election_min,
        election_max,
        heartbeat,
    });
    prop_oneof![
        20 => (0_u8..5, message()).prop_map(|(from, message)| Deed::Give(Input::Receive { from: NodeId(from), message })),
        4 => Just(Deed::Give(Input::Tick)),
        3 => (0_u64..9).prop_map(|n| Deed::Give(Input::Propose { ticket: Ticket(n), command: "p".into() })),
        2 => (0_u64..9).prop_map(|n| Deed::Give(Input::Read { ticket: Ticket(n) })),
        2 => id.prop_map(|id| Deed::Give(Input::Persisted(id))),
        1 => timing.prop_map(|timing| Deed::Give(Input::SetTiming(timing))),
        8 => (0_usize..3).prop_map(Deed::Complete),
        6 => Just(Deed::Support),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_input_in_any_state(
        deeds in proptest::collection::vec((number(), deed()), 0..120),
        size in 1_u8..=3,
        compact_after in prop_oneof![Just(0_u64), Just(2), Just(u64::MAX)],
        first_term in prop_oneof![Just(0_u64), Just(3), Just(u64::MAX - 2), Just(u64::MAX)],
        rule in proptest::option::of(proptest::sample::select(Rule::ALL.to_vec())),
    ) {
        let rules = rule.map_or(Rules::default(), Rules::without);
        play(rules, size, compact_after, Term(first_term), deeds)?;
    }
}

fn play(rules: Rules, size: u8, compact_after: u64, term: Term, deeds: Vec<(u64, Deed)>) -> Result<(), TestCaseError> {
    let config = Config {
        id: NodeId(1),
        members: (1..=size).map(NodeId).collect(),
        timing: Timing::default(),
        seed: 1,
        rules,
        compact_after,
    };
    let hard_state = HardState { term, voted_for: None };
    let mut out: Out = Outbox::default();
    let recovered = Recovered {
        hard_state,
        snapshot: None,
        log: Vec::new(),
    };
    let mut core = Raft::boot(config, recovered, Journal::default(), Instant(0), &mut out).expect("it boots");
    let mut writes = Vec::new();
    for (time, deed) in deeds {
        // Mostly time passes as far as the next deadline; sometimes it leaps, or is told to go back.
        let now = if time < 6 { core.deadline() } else { Instant(time) };
        let before = Shape::of(&core);
        out.clear();
        for input in inputs(&core, &writes, deed) {
            core.step(now, input, &mut out);
        }
        writes.extend(out.persist.iter().map(|write| write.id));
        for event in &out.events {
            prop_assert!(!event.to_string().is_empty() && !event.paper().is_empty());
        }
        out.messages
            .iter()
            .for_each(|(_, message)| assert!(!message.to_string().is_empty()));
        if rules == Rules::default() {
            before.grown_to(&Shape::of(&core))?;
        }
    }
    Ok(())
}

fn inputs(core: &Core, writes: &[PersistId], deed: Deed) -> Vec<Input<String>> {
    let term = core.view().term;
    let from_others = |message: Message<String>| {
        (2..=3)
            .map(move |id| Input::Receive {
                from: NodeId(id),
                message: message.clone(),
            })
            .collect()
    };
    match deed {
        Deed::Give(input) => vec![input],
        Deed::Complete(back) => writes
            .iter()
            .rev()
            .nth(back)
            .map(|id| Input::Persisted(*id))
            .into_iter()
            .collect(),
        Deed::Support if core.view().role == Role::Leader => {
            let match_index = core.view().last_index();
            let outcome = AppendOutcome::Matched { match_index };
            from_others(Message::AppendEntriesReply(AppendEntriesReply {
                term,
                outcome,
                read_round: ReadRound(0),
            }))
        }
        Deed::Support => from_others(Message::RequestVoteReply(RequestVoteReply { term, granted: true })),
    }
}

/// What must not go back.
struct Shape {
    hard_state: HardState,
    commit_index: LogIndex,
    last_applied: LogIndex,
    snapshot_index: LogIndex,
    committed: Vec<(LogIndex, Entry<String>)>,
    terms_rise: bool,
}

impl Shape {
    fn of(core: &Core) -> Shape {
        let view = core.view();
        assert!(view.last_applied <= view.commit_index && view.commit_index <= view.last_index());
        assert!(view.durable_index <= view.last_index());
        let after = view.snapshot_index();
        let placed = view.log.iter().cloned().zip(after.0 + 1..);
        Shape {
            hard_state: HardState {
                term: view.term,
                voted_for: view.voted_for,
            },
            commit_index: view.commit_index,
            last_applied: view.last_applied,
            snapshot_index: after,
            committed: placed
                .map(|(entry, index)| (LogIndex(index), entry))
                .take_while(|(index, _)| *index <= view.commit_index)
                .collect(),
            terms_rise: view.log.windows(2).all(|pair| pair[0].term <= pair[1].term),
        }
    }

    fn grown_to(&self, later: &Shape) -> Result<(), TestCaseError> {
        prop_assert!(self.hard_state.term <= later.hard_state.term);
        let vote_kept = self.hard_state.voted_for.is_none() || self.hard_state.voted_for == later.hard_state.voted_for;
        prop_assert!(self.hard_state.term < later.hard_state.term || vote_kept);
        prop_assert!(self.commit_index <= later.commit_index && self.last_applied <= later.last_applied);
        prop_assert!(later.terms_rise);
        prop_assert!(self.snapshot_index <= later.snapshot_index);
        let mut kept = self.committed.iter().filter(|(index, _)| *index > later.snapshot_index);
        prop_assert!(kept.all(|entry| later.committed.contains(entry)));
        Ok(())
    }
}

/// A refused message leaves the node as it was, to the bit.
#[test]
fn refused_messages_change_nothing() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let config = Config {
        id: NodeId(1),
        members: vec![NodeId(1), NodeId(2), NodeId(3)],
        timing: Timing::default(),
        seed: 1,
        rules: Rules::default(),
        compact_after: u64::MAX,
    };
    let log = vec![
        Entry {
            term: Term(1),
            payload: Payload::NoOp,
        },
        Entry {
            term: Term(2),
            payload: Payload::NoOp,
        },
    ];
    let recovered = Recovered {
        hard_state: HardState {
            term: Term(2),
            voted_for: None,
        },
        snapshot: None,
        log,
    };
    let mut out: Out = Outbox::default();
    let mut core = Raft::boot(config, recovered, Journal::default(), Instant(0), &mut out).expect("it boots");
    let mut refused = 0;
    for _ in 0..20_000 {
        let message = proptest::strategy::ValueTree::current(&message().new_tree(&mut runner).expect("a message"));
        let before = format!("{core:?}");
        out.clear();
        core.step(
            Instant(0),
            Input::Receive {
                from: NodeId(2),
                message,
            },
            &mut out,
        );
        if let [
            raft_core::Event::Ignored {
                reason: raft_core::IgnoreReason::Malformed { .. },
                ..
            },
        ] = out.events[..]
        {
            refused += 1;
            assert_eq!(before, format!("{core:?}"));
            assert!(out.messages.is_empty() && out.persist.is_empty() && out.outcomes.is_empty());
        }
    }
    assert!(refused > 5_000, "{refused} of the messages were malformed");
}
