//! Arbitrary commands, entries and messages.

#![allow(dead_code, reason = "each test takes what it needs")]

use cluster::Epoch;
use cluster::codec::Envelope;
use cluster::host::MessageId;
use ftqueue::{Command, Label, QueueId, Sequence, SessionId, Write};
use proptest::collection::vec;
use proptest::prelude::*;
use raft_core::{
    AppendEntries, AppendEntriesReply, AppendOutcome, Entry, HardState, Instant, LogIndex, Message, NodeId, Payload,
    ReadRound, RequestVote, RequestVoteReply, Term,
};

pub(crate) fn command() -> impl Strategy<Value = Command> {
    let write = prop_oneof![
        any::<i64>().prop_map(|label| Write::CreateQueue { label: Label(label) }),
        (any::<u64>(), any::<i64>()).prop_map(|(qid, item)| Write::Push {
            qid: QueueId(qid),
            item
        }),
        any::<u64>().prop_map(|qid| Write::Pop { qid: QueueId(qid) }),
    ];
    prop_oneof![
        any::<u64>().prop_map(|nonce| Command::OpenSession { nonce }),
        (any::<[u64; 3]>(), write).prop_map(|([index, nonce, sequence], write)| Command::Write {
            session: SessionId { index, nonce },
            sequence: Sequence(sequence),
            write
        }),
    ]
}

pub(crate) fn entry() -> impl Strategy<Value = Entry<Command>> {
    let payload = prop_oneof![1 => Just(Payload::NoOp), 4 => command().prop_map(Payload::Command)];
    (any::<u64>(), payload).prop_map(|(term, payload)| Entry {
        term: Term(term),
        payload,
    })
}

pub(crate) fn hard_state() -> impl Strategy<Value = HardState> {
    (any::<u64>(), proptest::option::of(1..=9_u8)).prop_map(|(term, vote)| HardState {
        term: Term(term),
        voted_for: vote.map(NodeId),
    })
}

pub(crate) fn message() -> impl Strategy<Value = Message<Command>> {
    let term = || any::<u64>().prop_map(Term);
    let index = || any::<u64>().prop_map(LogIndex);
    let round = || any::<u64>().prop_map(ReadRound);
    let outcome = prop_oneof![
        index().prop_map(|match_index| AppendOutcome::Matched { match_index }),
        (index(), proptest::option::of(term()), index()).prop_map(|(prev_log_index, conflict_term, conflict_index)| {
            AppendOutcome::Conflict {
                prev_log_index,
                conflict_term,
                conflict_index,
            }
        }),
        Just(AppendOutcome::StaleTerm),
    ];
    prop_oneof![
        (term(), index(), term()).prop_map(
            |(term, last_log_index, last_log_term)| Message::RequestVote(RequestVote {
                term,
                last_log_index,
                last_log_term
            })
        ),
        (term(), any::<bool>())
            .prop_map(|(term, granted)| Message::RequestVoteReply(RequestVoteReply { term, granted })),
        (term(), index(), term(), vec(entry(), 0..5), index(), round()).prop_map(
            |(term, prev_log_index, prev_log_term, entries, leader_commit, read_round)| {
                Message::AppendEntries(AppendEntries {
                    term,
                    prev_log_index,
                    prev_log_term,
                    entries,
                    leader_commit,
                    read_round,
                })
            }
        ),
        (term(), outcome, round()).prop_map(|(term, outcome, read_round)| {
            Message::AppendEntriesReply(AppendEntriesReply {
                term,
                outcome,
                read_round,
            })
        }),
    ]
}

pub(crate) fn envelope() -> impl Strategy<Value = Envelope> {
    (
        1..=9_u8,
        any::<u32>(),
        any::<u64>(),
        any::<u64>(),
        any::<u64>(),
        message(),
    )
        .prop_map(|(from, boot, number, sent_us, deliver_us, frame)| Envelope {
            message: MessageId {
                from: NodeId(from),
                boot,
                number,
            },
            epoch: Epoch(number % 3),
            sent_at: Instant(sent_us),
            deliver_at: Instant(deliver_us),
            frame,
        })
}
