//! The edges of the rules: what random schedules and stories seldom meet. Most of these were found missing by a mutant.

mod support;

use raft_core::{
    APPEND_BYTES_MAX, AppendEntries, AppendEntriesReply, AppendOutcome, BootError, CommitHold, Config, Duration, Entry,
    Event, FollowReason, HardState, INFLIGHT_APPENDS_MAX, IgnoreReason, Input, InstallOutcome, InstallSnapshot,
    InstallSnapshotReply, Instant, LogIndex, Malformed, Message, NodeId, Outbox, Outcome, PENDING_REQUESTS_MAX,
    Payload, Raft, ReadRound, Recovered, RequestVote, RequestVoteReply, Role, Rule, Rules, SNAPSHOT_BYTES_MAX,
    SNAPSHOT_PART_BYTES_MAX, Term, Ticket, Timing, TimingError, VoteRefusal,
};
use support::world::{Core, Journal, Out};

/// Node 1 of some, driven by hand. Its disk does what it is told, if it is not held.
struct Node {
    core: Core,
    disk_held: bool,
    writes: Vec<raft_core::PersistId>,
}

impl Node {
    /// A node of so many, whose log has these terms, in the last of them.
    fn new(members: u8, terms: &[u64], rules: Rules) -> Node {
        let config = Config {
            id: NodeId(1),
            members: (1..=members).map(NodeId).collect(),
            timing: Timing::default(),
            seed: 3,
            rules,
            compact_after: u64::MAX,
        };
        let term = Term(terms.last().copied().unwrap_or(0));
        let recovered = Recovered {
            hard_state: HardState { term, voted_for: None },
            snapshot: None,
            log: terms.iter().map(|term| entry(*term, "x")).collect(),
        };
        let core = Raft::boot(
            config,
            recovered,
            Journal::default(),
            Instant(0),
            &mut Outbox::default(),
        );
        Node {
            core: core.expect("it boots"),
            disk_held: false,
            writes: Vec::new(),
        }
    }

    /// Gives it one input, and lets its disk do what it asks for.
    fn step(&mut self, input: Input<String>) -> Out {
        let mut out = Out::default();
        let now = match input {
            Input::Tick => self.core.deadline(),
            _ => Instant(0),
        };
        self.core.step(now, input, &mut out);
        let mut told = 0;
        loop {
            self.writes.extend(out.persist[told..].iter().map(|write| write.id));
            told = out.persist.len();
            if self.disk_held || self.writes.is_empty() {
                return out;
            }
            for write in std::mem::take(&mut self.writes) {
                self.core.step(now, Input::Persisted(write), &mut out);
            }
        }
    }

    fn hear(&mut self, from: u8, message: Message<String>) -> Out {
        self.step(Input::Receive {
            from: NodeId(from),
            message,
        })
    }

    /// Stands for election, and wins with the votes of all others.
    fn lead(&mut self, members: u8) -> Out {
        self.step(Input::Tick);
        let term = self.core.view().term;
        let mut out = Out::default();
        for voter in 2..=members {
            let vote = RequestVoteReply { term, granted: true };
            let heard = self.hear(voter, Message::RequestVoteReply(vote));
            out.events.extend(heard.events);
            out.messages.extend(heard.messages);
        }
        assert_eq!(self.core.view().role, Role::Leader);
        out
    }

    fn matched(&mut self, from: u8, match_index: u64) -> Out {
        let match_index = LogIndex(match_index);
        self.answer(from, AppendOutcome::Matched { match_index })
    }

    fn conflict(&mut self, from: u8, refused: u64, conflict_index: u64) -> Out {
        let outcome = AppendOutcome::Conflict {
            prev_log_index: LogIndex(refused),
            conflict_term: None,
            conflict_index: LogIndex(conflict_index),
        };
        self.answer(from, outcome)
    }

    fn answer(&mut self, from: u8, outcome: AppendOutcome) -> Out {
        let reply = AppendEntriesReply {
            term: self.core.view().term,
            outcome,
            read_round: ReadRound(0),
        };
        self.hear(from, Message::AppendEntriesReply(reply))
    }

    fn propose(&mut self, ticket: u64, command: &str) -> Out {
        self.step(Input::Propose {
            ticket: Ticket(ticket),
            command: command.into(),
        })
    }

    fn next_index(&self, follower: u8) -> u64 {
        let view = self.core.view();
        let known = view.progress.iter().find(|known| known.id == NodeId(follower));
        known.expect("a follower").next_index.0
    }
}

fn entry(term: u64, command: &str) -> Entry<String> {
    Entry {
        term: Term(term),
        payload: Payload::Command(command.into()),
    }
}

fn append(term: u64, prev: (u64, u64), entries: Vec<Entry<String>>, commit: u64) -> Message<String> {
    Message::AppendEntries(AppendEntries {
        term: Term(term),
        prev_log_index: LogIndex(prev.0),
        prev_log_term: Term(prev.1),
        entries,
        leader_commit: LogIndex(commit),
        read_round: ReadRound(0),
    })
}

fn ask_vote(term: u64, last: (u64, u64)) -> Message<String> {
    Message::RequestVote(RequestVote {
        term: Term(term),
        last_log_index: LogIndex(last.0),
        last_log_term: Term(last.1),
    })
}

fn malformed(out: &Out) -> Option<Malformed> {
    out.events.iter().find_map(|event| match event {
        Event::Ignored {
            reason: IgnoreReason::Malformed { what },
            ..
        } => Some(*what),
        _ => None,
    })
}

fn is_outdated(out: &Out) -> bool {
    let outdated = |event: &Event| {
        matches!(
            event,
            Event::Ignored {
                reason: IgnoreReason::Outdated,
                ..
            }
        )
    };
    out.events.iter().any(outdated)
}

fn appends_to(out: &Out, follower: u8) -> Vec<&AppendEntries<String>> {
    let to = |(to, message): &'_ (NodeId, Message<String>)| {
        *to == NodeId(follower) && matches!(message, Message::AppendEntries(_))
    };
    let appends = out.messages.iter().filter(|sent| to(sent));
    appends
        .map(|(_, message)| match message {
            Message::AppendEntries(append) => append,
            _ => unreachable!("they were filtered"),
        })
        .collect()
}

#[test]
fn who_contradicts_what_is_committed_is_refused_for_that_only_in_its_own_term() {
    let mut node = Node::new(3, &[1, 1], Rules::default());
    node.hear(2, append(3, (2, 1), vec![], 2));
    assert_eq!(node.core.view().commit_index, LogIndex(2));
    let contradicts = node.hear(2, append(3, (1, 2), vec![entry(2, "y")], 2));
    let reason = IgnoreReason::ContradictsCommitted { index: LogIndex(1) };
    assert_eq!(
        contradicts.events,
        [Event::Ignored {
            from: NodeId(2),
            reason
        }]
    );
    let stale = node.hear(3, append(2, (1, 2), vec![entry(2, "y")], 2));
    let [(_, Message::AppendEntriesReply(reply))] = &stale.messages[..] else {
        panic!("{stale:?}")
    };
    assert_eq!((reply.term, reply.outcome), (Term(3), AppendOutcome::StaleTerm));
}

#[test]
fn a_leader_s_new_timing_is_that_of_its_heartbeats() {
    let mut node = Node::new(3, &[], Rules::default());
    node.lead(3);
    let timing = Timing {
        heartbeat: Duration(7_000),
        ..Timing::default()
    };
    node.step(Input::SetTiming(timing));
    assert_eq!(node.core.view().timeout, timing.heartbeat);
    let mut follower = Node::new(3, &[], Rules::default());
    follower.step(Input::SetTiming(timing));
    assert!(follower.core.view().timeout >= timing.election_min);
}

#[test]
fn a_candidate_of_an_older_term_is_told_so() {
    let mut node = Node::new(3, &[1, 4], Rules::default());
    let out = node.hear(2, ask_vote(3, (9, 3)));
    let reason = VoteRefusal::StaleTerm { ours: Term(4) };
    let (candidate, term) = (NodeId(2), Term(3));
    assert_eq!(
        out.events,
        [Event::VoteRefused {
            candidate,
            term,
            reason
        }]
    );
    assert!(matches!(
        node.hear(2, ask_vote(4, (9, 4))).events[0],
        Event::VoteGranted { term: Term(4), .. }
    ));
}

#[test]
fn without_terms_logs_are_compared_by_length() {
    for (length, granted) in [(1, false), (2, true), (3, true)] {
        let mut node = Node::new(3, &[1, 4], Rules::without(Rule::CompareTermBeforeLength));
        let out = node.hear(2, ask_vote(5, (length, 1)));
        let [(_, Message::RequestVoteReply(reply))] = &out.messages[..] else {
            panic!("{out:?}")
        };
        assert_eq!(reply.granted, granted, "a log of {length}");
    }
}

#[test]
fn a_vote_counts_once() {
    let mut node = Node::new(5, &[], Rules::default());
    node.step(Input::Tick);
    let vote = || {
        Message::RequestVoteReply(RequestVoteReply {
            term: Term(1),
            granted: true,
        })
    };
    assert!(!is_outdated(&node.hear(2, vote())));
    assert!(is_outdated(&node.hear(2, vote())));
    assert_eq!(node.core.view().votes, [NodeId(1), NodeId(2)]);
}

#[test]
fn without_the_check_of_heartbeats_other_appends_are_checked() {
    let rules = Rules::without(Rule::CheckPreviousEntryOfHeartbeats);
    let refuses = |message| {
        let out = Node::new(3, &[1, 1], rules).hear(2, message);
        out.events
            .iter()
            .any(|event| matches!(event, Event::AppendRefused { .. }))
    };
    assert!(refuses(append(1, (5, 1), vec![entry(1, "y")], 0)));
    assert!(!refuses(append(1, (5, 1), vec![], 0)));
    let refuses = |message| {
        let out = Node::new(3, &[1, 1], Rules::without(Rule::CheckPreviousEntry)).hear(2, message);
        out.events
            .iter()
            .any(|event| matches!(event, Event::AppendRefused { .. }))
    };
    assert!(!refuses(append(1, (5, 1), vec![entry(1, "y")], 0)));
    assert!(!refuses(append(1, (5, 1), vec![], 0)));
}

#[test]
fn a_refusal_says_where_the_logs_may_agree_or_is_malformed() {
    let what = |prev_log_index: u64, conflict_term: Option<u64>, conflict_index: u64| {
        let mut node = Node::new(3, &[1, 1, 2, 2], Rules::default());
        node.lead(3);
        let outcome = AppendOutcome::Conflict {
            prev_log_index: LogIndex(prev_log_index),
            conflict_term: conflict_term.map(Term),
            conflict_index: LogIndex(conflict_index),
        };
        malformed(&node.answer(2, outcome))
    };
    let place = Some(Malformed::PreviousEntry);
    assert_eq!(what(4, None, 3), None);
    assert_eq!(what(4, None, 4), None);
    assert_eq!(what(4, None, 0), place);
    assert_eq!(what(4, None, 5), place);
    assert_eq!(what(4, Some(1), 3), None);
    assert_eq!(what(4, Some(3), 3), None, "an entry of the term that the leader leads");
    assert_eq!(what(4, Some(4), 3), place);
    assert_eq!(what(4, Some(0), 3), place);
    assert_eq!(what(5, None, 3), None);
    assert_eq!(what(6, None, 3), Some(Malformed::NeverAsked));
}

#[test]
fn an_append_has_its_most_entries_and_bytes() {
    let what = |message| malformed(&Node::new(3, &[], Rules::default()).hear(2, message));
    let two = |bytes: usize| {
        let half = "x".repeat(APPEND_BYTES_MAX / 2);
        let rest = "y".repeat(bytes - half.len());
        append(1, (0, 0), vec![entry(1, &half), entry(1, &rest)], 0)
    };
    let one = append(1, (0, 0), vec![entry(1, &"x".repeat(APPEND_BYTES_MAX + 1))], 0);
    assert_eq!(what(two(APPEND_BYTES_MAX)), None);
    assert_eq!(what(two(APPEND_BYTES_MAX + 1)), Some(Malformed::TooLarge));
    assert_eq!(what(one), None, "a large command goes alone");
    let at_the_end = |entries| append(1, (u64::MAX - 1, 1), entries, 0);
    assert_eq!(what(at_the_end(vec![])), None);
    assert_eq!(what(at_the_end(vec![entry(1, "x")])), Some(Malformed::TooLarge));
    assert_eq!(
        what(append(1, (u64::MAX - 2, 1), vec![entry(1, "x")], 0)),
        None,
        "it is refused for the gap"
    );
}

#[test]
fn a_write_before_what_was_overwritten_still_counts() {
    let mut node = Node::new(3, &[], Rules::default());
    node.disk_held = true;
    node.hear(2, append(1, (0, 0), vec![entry(1, "a"), entry(1, "b")], 0));
    node.hear(2, append(1, (2, 1), vec![entry(1, "c")], 0));
    node.hear(3, append(2, (2, 1), vec![entry(2, "d")], 0));
    let mut done = |place: usize| {
        let id = node.writes[place];
        let out = node.step(Input::Persisted(id));
        out.events
            .into_iter()
            .find(|event| matches!(event, Event::PersistCompleted { .. } | Event::PersistStale { .. }))
    };
    let durable_index = LogIndex(2);
    assert_eq!(
        done(0),
        Some(Event::PersistCompleted {
            sequence: 1,
            durable_index
        })
    );
    assert_eq!(done(1), Some(Event::PersistStale { sequence: 2 }));
    let durable_index = LogIndex(3);
    assert_eq!(
        done(2),
        Some(Event::PersistCompleted {
            sequence: 3,
            durable_index
        })
    );
}

/// What a disk that stands still keeps from leaving does not pile up.
#[test]
fn replies_that_wait_make_way_for_the_same_again() {
    let replies = |messages: &[Message<String>]| {
        let mut node = Node::new(3, &[1, 2], Rules::default());
        node.disk_held = true;
        for message in messages {
            assert!(node.hear(2, message.clone()).messages.is_empty());
        }
        let id = *node.writes.last().expect("the term is new, and written");
        node.step(Input::Persisted(id)).messages.len()
    };
    let gap = || append(3, (9, 2), vec![], 0);
    let heartbeat = || append(3, (2, 2), vec![], 0);
    let refused = || ask_vote(3, (1, 1));
    let granted = || ask_vote(3, (2, 2));
    assert_eq!(replies(&[refused(), refused()]), 1);
    assert_eq!(replies(&[granted(), granted()]), 1);
    assert_eq!(replies(&[refused(), granted()]), 1, "a vote says more than its refusal");
    assert_eq!(replies(&[gap(), gap()]), 1);
    assert_eq!(replies(&[heartbeat(), heartbeat()]), 1);
    assert_eq!(replies(&[gap(), heartbeat()]), 2);
    assert_eq!(replies(&[granted(), heartbeat()]), 2);
    let stale = || append(2, (2, 2), vec![], 0);
    assert_eq!(replies(&[granted(), stale(), stale()]), 2);
}

#[test]
fn a_leader_takes_so_many_requests_and_no_more() {
    let mut node = Node::new(3, &[], Rules::default());
    node.lead(3);
    for ticket in 0..PENDING_REQUESTS_MAX as u64 {
        let out = if ticket % 4 == 0 {
            node.step(Input::Read { ticket: Ticket(ticket) })
        } else {
            node.propose(ticket, "x")
        };
        assert!(!out.outcomes.contains(&(Ticket(ticket), Outcome::Busy)), "{ticket}");
    }
    let more = Ticket(PENDING_REQUESTS_MAX as u64);
    assert_eq!(node.propose(more.0, "x").outcomes, [(more, Outcome::Busy)]);
    assert_eq!(
        node.step(Input::Read { ticket: more }).outcomes,
        [(more, Outcome::Busy)]
    );
}

#[test]
fn tokens_that_clients_choose_repeat() {
    let mut node = Node::new(3, &[], Rules::without(Rule::OwnReadTokens));
    node.lead(3);
    let mut round = |ticket: u64| {
        let out = node.step(Input::Read { ticket: Ticket(ticket) });
        out.events.into_iter().find_map(|event| match event {
            Event::ReadStarted { round, .. } => Some(round.0),
            _ => None,
        })
    };
    assert_eq!([2, 2, 33, 15].map(&mut round), [Some(1), Some(2), Some(1), Some(4)]);
}

#[test]
fn what_is_committed_is_not_said_to_be_held() {
    let held = |out: &Out| -> Vec<CommitHold> {
        let reason = |event: &Event| match event {
            Event::CommitHeld { reason, .. } => Some(*reason),
            _ => None,
        };
        out.events.iter().filter_map(reason).collect()
    };
    // All that there is was committed by the leader before.
    let mut node = Node::new(3, &[1, 1], Rules::without(Rule::NoOpOnElection));
    node.hear(2, append(1, (2, 1), vec![], 2));
    assert_eq!(held(&node.lead(3)), []);
    // Nothing was, and what a majority has is of an older term.
    let mut node = Node::new(3, &[1, 1], Rules::without(Rule::NoOpOnElection));
    assert_eq!(held(&node.lead(3)), [CommitHold::LacksCopies { copies: 1, needed: 2 }]);
    assert_eq!(held(&node.matched(2, 2)), [CommitHold::OlderTerm { term: Term(1) }]);
}

/// A leader of three whose followers hold its first entry.
fn leading() -> Node {
    let mut node = Node::new(3, &[], Rules::default());
    node.lead(3);
    node.matched(2, 1);
    node.matched(3, 1);
    node
}

#[test]
fn so_many_appends_are_on_the_way_to_one_follower() {
    let mut node = leading();
    let sent: usize = (0..INFLIGHT_APPENDS_MAX as u64 + 9)
        .map(|ticket| appends_to(&node.propose(ticket, "x"), 2).len())
        .sum();
    assert_eq!(sent, INFLIGHT_APPENDS_MAX);
    // One is answered, and there is room for what waited.
    let next = node.matched(2, 2);
    assert_eq!(
        appends_to(&next, 2)
            .iter()
            .map(|append| append.entries.len())
            .sum::<usize>(),
        9
    );
}

#[test]
fn an_append_is_filled_to_its_last_byte() {
    for (bytes, appends) in [(APPEND_BYTES_MAX / 2, 1), (APPEND_BYTES_MAX / 2 + 1, 2)] {
        let mut node = leading();
        let mut out = Out::default();
        for ticket in 1..=2 {
            let command = "x".repeat(if ticket == 1 { APPEND_BYTES_MAX / 2 } else { bytes });
            let ticket = Ticket(ticket);
            node.core.take(Instant(0), Input::Propose { ticket, command }, &mut out);
        }
        node.core.flush(&mut out);
        assert_eq!(appends_to(&out, 2).len(), appends, "with {bytes} bytes");
    }
}

#[test]
fn an_old_acknowledgement_ends_no_search() {
    let mut node = leading();
    for ticket in 1..=6 {
        node.propose(ticket, "x");
    }
    assert_eq!(node.next_index(2), 8);
    // The append of 3 was lost: the follower refuses the one of 4, and what it held before arrives late.
    let back = node.conflict(2, 5, 3);
    assert_eq!((node.next_index(2), appends_to(&back, 2).len()), (3, 1));
    assert!(is_outdated(&node.matched(2, 1)) || node.next_index(2) == 3);
    assert_eq!(
        appends_to(&node.propose(7, "x"), 2).len(),
        0,
        "it still waits for the answer"
    );
    node.matched(2, 7);
    assert_eq!(node.next_index(2), 9);
    assert_eq!(appends_to(&node.propose(8, "x"), 2).len(), 1);
}

#[test]
fn a_late_refusal_of_what_was_acknowledged_is_not_believed() {
    let mut node = leading();
    node.propose(1, "x");
    node.propose(2, "x");
    node.matched(2, 2);
    // The refused place is the one that matches, but the leader has gone on since.
    assert!(is_outdated(&node.conflict(2, 2, 1)));
    assert_eq!(node.next_index(2), 4);
    // Where the leader stands right now, it is believed: a disk was wiped.
    node.matched(2, 3);
    assert!(!is_outdated(&node.conflict(2, 3, 1)));
    assert_eq!(node.next_index(2), 1);
}

/// A proposal at the very place with which a snapshot ends: whether it was this one that was applied is not known here.
#[test]
fn a_proposal_that_a_snapshot_stands_for_is_lost() {
    let mut node = Node::new(3, &[], Rules::default());
    node.lead(3);
    node.propose(7, "mine");
    node.hear(2, append(3, (0, 0), vec![], 0));
    let install = InstallSnapshot {
        term: Term(3),
        last_included_index: LogIndex(9),
        last_included_term: Term(3),
        offset: 0,
        data: b"2 mine\n".to_vec(),
        done: true,
        question: 0,
        read_round: ReadRound(0),
    };
    let out = node.hear(2, Message::InstallSnapshot(install));
    let leader = Some(NodeId(2));
    assert_eq!(out.outcomes, [(Ticket(7), Outcome::Lost { leader })]);
    assert_eq!(node.core.view().last_index(), LogIndex(9));
}

#[test]
fn everything_has_its_words_and_its_place_in_the_paper() {
    let mut node = Node::new(3, &[1], Rules::default());
    let mut events = node.lead(3).events;
    events.extend(node.matched(2, 2).events);
    events.push(Event::Truncated {
        from: LogIndex(2),
        last: LogIndex(3),
        our_term: Term(2),
        leader_term: Term(2),
    });
    events.push(Event::BecameFollower {
        term: Term(3),
        leader: None,
        reason: FollowReason::NewerTerm { from: NodeId(2) },
    });
    for event in &events {
        assert!(event.paper().starts_with(['§', 'f']), "{event}: {}", event.paper());
    }
    assert_eq!(
        events[events.len() - 2].to_string(),
        "Dropped entries 2 to 3 of term 2 without a conflict"
    );
    assert_eq!(events[events.len() - 1].paper(), "§5.1");
    assert_eq!(entry(1, "push").to_string(), "push");
    assert_eq!(
        Entry::<String> {
            term: Term(1),
            payload: Payload::NoOp
        }
        .to_string(),
        "no-op"
    );
    let errors = [
        BootError::Members,
        BootError::Timing(TimingError::NoHeartbeat),
        BootError::Log,
        BootError::Snapshot,
    ];
    for (error, word) in errors.iter().zip(["members", "timers", "log", "snapshot"]) {
        assert!(error.to_string().contains(word), "{error}");
    }
    assert_eq!(Instant(5_000_100).since(Instant(100)), Duration(5_000_000));
    assert_eq!(Instant(100).since(Instant(5_000_100)), Duration(0));
    assert_eq!(Instant(5_000_100).to_string(), "5.000100 s");
}

fn part(last: (u64, u64), offset: u64, data: &[u8], done: bool) -> InstallSnapshot {
    InstallSnapshot {
        term: Term(3),
        last_included_index: LogIndex(last.0),
        last_included_term: Term(last.1),
        offset,
        data: data.to_vec(),
        done,
        question: 0,
        read_round: ReadRound(0),
    }
}

fn install_outcome(out: &Out) -> Option<InstallOutcome> {
    out.messages.iter().find_map(|(_, message)| match message {
        Message::InstallSnapshotReply(reply) => Some(reply.outcome),
        _ => None,
    })
}

/// A follower of three that has a snapshot up to 5, of term 1, and an entry behind it.
fn behind_a_snapshot() -> Node {
    let mut node = Node::new(3, &[1], Rules::default());
    let whole = part((5, 1), 0, b"2 a\n", true);
    let out = node.hear(2, Message::InstallSnapshot(whole));
    assert_eq!(install_outcome(&out), Some(InstallOutcome::Installed));
    node.hear(2, append(3, (5, 1), vec![entry(3, "b")], 5));
    node
}

#[test]
fn an_append_that_begins_within_the_snapshot_is_taken_behind_it() {
    let mut node = behind_a_snapshot();
    let entries = vec![entry(1, "x"), entry(1, "x"), entry(3, "b"), entry(3, "c")];
    let out = node.hear(2, append(3, (3, 1), entries, 7));
    let [(_, Message::AppendEntriesReply(reply))] = &out.messages[..] else {
        panic!("{out:?}")
    };
    let match_index = LogIndex(7);
    assert_eq!(reply.outcome, AppendOutcome::Matched { match_index });
    let view = node.core.view();
    assert_eq!(view.log, [entry(3, "b"), entry(3, "c")]);
    assert_eq!((view.commit_index, view.last_index()), (LogIndex(7), LogIndex(7)));
    assert_eq!(view.entry(LogIndex(5)), None);
    assert_eq!(view.entry(LogIndex(6)), Some(&entry(3, "b")));
    assert_eq!(view.entry(LogIndex(8)), None);
    assert_eq!(
        format!("{:?}", view.snapshot),
        "Some(Snapshot up to 5 of term 1, 4 bytes)"
    );
}

#[test]
fn a_leader_takes_nothing_from_another_whatever_its_term() {
    let mut node = Node::new(3, &[2], Rules::without(Rule::RefuseStaleAppend));
    node.lead(3);
    let out = node.hear(2, append(2, (1, 2), vec![entry(2, "old")], 0));
    let reason = IgnoreReason::SecondLeader { leader: NodeId(1) };
    assert_eq!(
        out.events,
        [Event::Ignored {
            from: NodeId(2),
            reason
        }]
    );
}

#[test]
fn a_part_of_a_snapshot_is_sound_or_malformed() {
    let what =
        |part: InstallSnapshot| malformed(&Node::new(3, &[], Rules::default()).hear(2, Message::InstallSnapshot(part)));
    let too_large = Some(Malformed::TooLarge);
    let last_offset = (SNAPSHOT_BYTES_MAX - SNAPSHOT_PART_BYTES_MAX) as u64;
    let longest = vec![b'x'; SNAPSHOT_PART_BYTES_MAX];
    assert_eq!(what(part((9, 1), 0, b"", false)), None);
    assert_eq!(what(part((9, 1), last_offset, &longest, false)), None);
    assert_eq!(what(part((9, 1), last_offset + 1, &longest, false)), too_large);
    assert_eq!(what(part((9, 1), 0, &[&longest[..], b"x"].concat(), false)), too_large);
    assert_eq!(what(part((u64::MAX / 2, 1), 0, b"", false)), None);
    assert_eq!(what(part((u64::MAX / 2 + 1, 1), 0, b"", false)), too_large);
    assert_eq!(what(part((0, 0), 0, b"", false)), Some(Malformed::PreviousEntry));
    assert_eq!(what(part((9, 0), 0, b"", false)), Some(Malformed::PreviousEntry));
    assert_eq!(
        what(part((9, 4), 0, b"", false)),
        Some(Malformed::PreviousEntry),
        "of a term to come"
    );
}

#[test]
fn an_answer_to_a_snapshot_was_asked_for_or_is_malformed() {
    // It leads, and its snapshot goes up to 5.
    let mut node = behind_a_snapshot();
    node.lead(3);
    let term = node.core.view().term;
    let mut what = |term: Term, index: u64, question: u64, outcome, round: u64| {
        let reply = InstallSnapshotReply {
            term,
            last_included_index: LogIndex(index),
            question,
            outcome,
            read_round: ReadRound(round),
        };
        malformed(&node.hear(2, Message::InstallSnapshotReply(reply)))
    };
    let received = InstallOutcome::Received { bytes: 3 };
    let never = Some(Malformed::NeverAsked);
    assert_eq!(what(term, 5, 0, received, 0), None);
    assert_eq!(what(term, 4, 0, received, 0), None, "of a snapshot before this");
    assert_eq!(what(term, 6, 0, received, 0), never);
    assert_eq!(what(term, 5, 0, received, 1), never);
    assert_eq!(what(term, 5, 1, received, 0), never, "nothing was sent");
    assert_eq!(
        what(term, 5, 1, InstallOutcome::StaleTerm, 1),
        None,
        "it answers an earlier term"
    );
    assert_eq!(what(Term(term.0 - 1), 6, 0, received, 9), None, "it is not looked at");
    assert_eq!(what(term.next(), 5, 0, received, 0), never);
    assert_eq!(what(term.next(), 5, 0, InstallOutcome::Installed, 0), never);
    assert_eq!(what(term.next(), 5, 0, InstallOutcome::StaleTerm, 0), None);
}

#[test]
fn parts_of_two_snapshots_are_not_put_together() {
    let halves = [&b"2 a\n"[..], b"3 b\n"];
    let second_of = |last, leader: u8| {
        let mut node = Node::new(3, &[], Rules::default());
        let first = node.hear(2, Message::InstallSnapshot(part((5, 1), 0, halves[0], false)));
        let received = InstallOutcome::Received { bytes: 4 };
        assert_eq!(install_outcome(&first), Some(received));
        let mut second = part(last, 4, halves[1], true);
        second.term = Term(if leader == 2 { 3 } else { 4 });
        install_outcome(&node.hear(leader, Message::InstallSnapshot(second)))
    };
    let nothing = Some(InstallOutcome::Received { bytes: 0 });
    assert_eq!(second_of((5, 1), 2), Some(InstallOutcome::Installed));
    assert_eq!(second_of((6, 1), 2), nothing);
    assert_eq!(second_of((5, 2), 2), nothing);
    assert_eq!(second_of((5, 1), 3), nothing);
}

#[test]
fn answers_to_snapshots_that_wait_make_way_for_those_that_say_more() {
    let replies = |parts: [InstallSnapshot; 2]| -> Vec<InstallOutcome> {
        let mut node = Node::new(3, &[1, 1], Rules::default());
        node.hear(2, append(2, (2, 1), vec![], 2));
        node.disk_held = true;
        for part in parts {
            assert!(node.hear(2, Message::InstallSnapshot(part)).messages.is_empty());
        }
        let id = *node.writes.last().expect("the term is new, and written");
        let out = node.step(Input::Persisted(id));
        let outcomes = out.messages.iter().filter_map(|(_, message)| match message {
            Message::InstallSnapshotReply(reply) => Some(reply.outcome),
            _ => None,
        });
        outcomes.collect()
    };
    let new = |offset| part((9, 1), offset, b"x", false);
    let old = || part((2, 1), 0, b"", true);
    let received = |bytes| InstallOutcome::Received { bytes };
    assert_eq!(replies([new(0), new(1)]), [received(2)]);
    assert_eq!(replies([new(0), old()]), [InstallOutcome::Installed]);
    assert_eq!(replies([old(), old()]), [InstallOutcome::Installed]);
    assert_eq!(replies([old(), new(0)]), [InstallOutcome::Installed, received(1)]);
}

#[test]
fn a_part_of_an_older_term_is_told_so() {
    let mut node = Node::new(3, &[4], Rules::default());
    let out = node.hear(2, Message::InstallSnapshot(part((5, 1), 0, b"2 a\n", true)));
    assert_eq!(install_outcome(&out), Some(InstallOutcome::StaleTerm));
    assert_eq!(node.core.view().snapshot_index(), LogIndex(0));
    assert_eq!(node.core.view().term, Term(4));
}

/// A leader of three with a snapshot of three parts, which node 2 needs.
fn leader_with_three_parts() -> (Node, Vec<u64>) {
    let mut node = Node::new(3, &[1], Rules::default());
    let state = format!("2 {}\n", "x".repeat(SNAPSHOT_PART_BYTES_MAX * 2)).into_bytes();
    let mut offset = 0;
    for data in state.chunks(SNAPSHOT_PART_BYTES_MAX) {
        let done = offset + data.len() == state.len();
        node.hear(2, Message::InstallSnapshot(part((5, 1), offset as u64, data, done)));
        offset += data.len();
    }
    node.lead(3);
    let out = node.conflict(2, 5, 1);
    (node, parts_sent(&out))
}

/// Where the parts begin that are sent, without questions.
fn parts_sent(out: &Out) -> Vec<u64> {
    let offsets = out.messages.iter().filter_map(|(_, message)| match message {
        Message::InstallSnapshot(part) if !part.data.is_empty() => Some(part.offset),
        _ => None,
    });
    offsets.collect()
}

/// Node 2 has so many bytes, it says in answer to this question, or to a part sent behind it. Which parts are sent then?
fn parts_after(node: &mut Node, question: u64, bytes: usize) -> Vec<u64> {
    let reply = InstallSnapshotReply {
        term: node.core.view().term,
        last_included_index: LogIndex(5),
        question,
        outcome: InstallOutcome::Received { bytes: bytes as u64 },
        read_round: ReadRound(0),
    };
    parts_sent(&node.hear(2, Message::InstallSnapshotReply(reply)))
}

/// A heartbeat with which the leader asks, and sends nothing. Returns the number of the question.
fn ask(node: &mut Node) -> u64 {
    let out = node.step(Input::Tick);
    assert_eq!(parts_sent(&out), [0_u64; 0], "time loses nothing: it asks");
    let asked = out.messages.iter().find_map(|(_, message)| match message {
        Message::InstallSnapshot(question) => Some(question.question),
        _ => None,
    });
    asked.expect("a question")
}

#[test]
fn a_part_is_sent_again_when_what_was_asked_after_it_was_answered_without_it() {
    const PART: usize = SNAPSHOT_PART_BYTES_MAX;
    let nothing = [0_u64; 0];
    let (mut node, sent) = leader_with_three_parts();
    assert_eq!(
        sent,
        [0, PART as u64, 2 * PART as u64],
        "all of them are on the way at once"
    );
    assert_eq!(parts_after(&mut node, 0, PART), nothing);
    assert_eq!(parts_after(&mut node, 0, PART), nothing, "the same answer again");
    for question in 1..=4 {
        assert_eq!(ask(&mut node), question);
    }
    assert_eq!(
        parts_after(&mut node, 2, PART),
        nothing,
        "it may have overtaken the part"
    );
    assert_eq!(
        parts_after(&mut node, 3, PART),
        [PART as u64],
        "so many without it: it was lost"
    );
    assert_eq!(
        parts_after(&mut node, 4, PART),
        nothing,
        "asked before it was sent again"
    );
    assert_eq!((ask(&mut node), ask(&mut node), ask(&mut node)), (5, 6, 7));
    assert_eq!(parts_after(&mut node, 6, PART), nothing);
    assert_eq!(parts_after(&mut node, 7, PART), [PART as u64], "lost once more");
    assert_eq!(
        parts_after(&mut node, 7, 3 * PART),
        nothing,
        "and the third had been there"
    );
}

#[test]
fn a_follower_that_has_forgotten_its_parts_is_sent_them_again() {
    const PART: usize = SNAPSHOT_PART_BYTES_MAX;
    let (mut node, sent) = leader_with_three_parts();
    assert_eq!((ask(&mut node), ask(&mut node)), (1, 2));
    assert_eq!(parts_after(&mut node, 0, 2 * PART), [0_u64; 0]);
    assert_eq!(parts_after(&mut node, 2, PART), [0_u64; 0], "an answer from before");
    assert_eq!(ask(&mut node), 3);
    assert_eq!(
        parts_after(&mut node, 3, 0),
        sent,
        "what was asked since it had two of them says that it has none"
    );
}

#[test]
fn parts_behind_a_gap_are_kept_as_many_as_may_be_on_the_way() {
    let mut node = Node::new(3, &[], Rules::default());
    let mut hear = |offset: u64, data: &[u8], done: bool| {
        let out = node.hear(2, Message::InstallSnapshot(part((5, 1), offset, data, done)));
        install_outcome(&out).expect("an answer")
    };
    let received = |bytes| InstallOutcome::Received { bytes };
    assert_eq!(hear(8, b"4 c\n", true), received(0));
    assert_eq!(hear(4, b"3 b\n", false), received(0));
    assert_eq!(hear(4, b"3 b\n", false), received(0), "twice");
    assert_eq!(hear(0, b"", false), received(0), "a question");
    assert_eq!(hear(0, b"2 a\n", false), InstallOutcome::Installed);
    let view = node.core.view();
    assert_eq!(view.machine.applied.len(), 3);

    let mut node = Node::new(3, &[], Rules::default());
    let mut hear = |offset: u64, data: &[u8]| {
        let out = node.hear(2, Message::InstallSnapshot(part((5, 1), offset, data, false)));
        install_outcome(&out).expect("an answer")
    };
    let ahead = raft_core::SNAPSHOT_PARTS_INFLIGHT_MAX as u64;
    for offset in (1..=ahead + 1).rev() {
        assert_eq!(hear(offset, b"x"), received(0));
    }
    // The first of those behind the gap came last, and there was no room for it.
    assert_eq!(hear(0, b"x"), received(1));
    assert_eq!(hear(1, b"x"), received(ahead + 2));
}

#[test]
fn limits_are_what_they_are() {
    assert_eq!((APPEND_BYTES_MAX, SNAPSHOT_PART_BYTES_MAX), (65_536, 65_536));
    assert_eq!(SNAPSHOT_BYTES_MAX, 67_108_864);
}

#[test]
fn a_snapshot_that_contradicts_what_is_committed_is_refused_for_that_only_in_its_own_term() {
    let mut node = behind_a_snapshot();
    node.hear(2, append(3, (6, 3), vec![], 6));
    let other = |term: u64| InstallSnapshot {
        term: Term(term),
        ..part((6, 2), 0, b"2 z\n", true)
    };
    let contradicts = node.hear(2, Message::InstallSnapshot(other(3)));
    let reason = IgnoreReason::ContradictsCommitted { index: LogIndex(6) };
    assert_eq!(
        contradicts.events,
        [Event::Ignored {
            from: NodeId(2),
            reason
        }]
    );
    let stale = node.hear(3, Message::InstallSnapshot(other(2)));
    assert_eq!(install_outcome(&stale), Some(InstallOutcome::StaleTerm));
}

/// Writes that a disk has not done yet: there is a bound to them, and a snapshot waits for the one before it, which still needs
/// what it takes the place of.
#[test]
fn a_disk_that_stands_still_is_asked_for_so_much() {
    const WRITES_MAX: usize = 64;
    let mut node = Node::new(3, &[], Rules::default());
    node.disk_held = true;
    for index in 0..WRITES_MAX as u64 + 9 {
        node.hear(2, append(1, (index, u64::from(index > 0)), vec![entry(1, "x")], 0));
    }
    assert_eq!(node.writes.len(), WRITES_MAX);

    let mut node = Node::new(3, &[], Rules::default());
    node.disk_held = true;
    for last in [5, 9] {
        node.hear(2, Message::InstallSnapshot(part((last, 1), 0, b"2 a\n", true)));
    }
    assert_eq!(node.core.view().snapshot_index(), LogIndex(9));
    assert_eq!(node.writes.len(), 1, "the second waits");
    let id = node.writes[0];
    let out = node.step(Input::Persisted(id));
    let snapshot = out.persist[0].snapshot.as_ref();
    assert_eq!(snapshot.map(|snapshot| snapshot.last_included_index), Some(LogIndex(9)));
}

/// A state that is too large stays what the log makes of it.
#[test]
fn a_snapshot_has_its_most_bytes() {
    let taken = |bytes: usize| {
        let config = Config {
            id: NodeId(1),
            members: vec![NodeId(1)],
            timing: Timing::default(),
            seed: 3,
            rules: Rules::default(),
            compact_after: 2,
        };
        let nothing = Recovered {
            hard_state: HardState::default(),
            snapshot: None,
            log: Vec::new(),
        };
        let mut node = Node {
            core: Raft::boot(config, nothing, Journal::default(), Instant(0), &mut Out::default()).unwrap(),
            disk_held: false,
            writes: Vec::new(),
        };
        node.lead(1);
        // The journal writes its place before it, and ends the line.
        let out = node.propose(1, &"x".repeat(bytes - "2 \n".len()));
        out.events
            .iter()
            .any(|event| matches!(event, Event::SnapshotTaken { .. }))
    };
    assert!(taken(SNAPSHOT_BYTES_MAX));
    assert!(!taken(SNAPSHOT_BYTES_MAX + 1));
    assert!(!taken(SNAPSHOT_BYTES_MAX + 2));
}
