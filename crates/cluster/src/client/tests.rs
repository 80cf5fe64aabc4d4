use ftqueue::{Command, FtQueue, Output, QueueId, Read, Write};
use proptest::prelude::*;

use super::*;

const MS: u64 = 1_000;
const PUSH: Operation = Operation::Write(Write::Push {
    qid: QueueId(1),
    item: 42,
});
const TOP: Operation = Operation::Read(Read::Top { qid: QueueId(1) });

fn members(count: u8) -> Vec<NodeId> {
    (1..=count).map(NodeId).collect()
}

fn at_ms(ms: u64) -> Instant {
    Instant(ms * MS)
}

/// A client of three nodes, and the time.
struct Script {
    client: Client,
    now: Instant,
}

impl Script {
    fn new() -> Script {
        Script {
            client: Client::new(2, 77, members(3)),
            now: Instant(0),
        }
    }

    /// A client that has a session with Node 1, and an operation that was just sent there.
    fn with_session(operation: Operation) -> Script {
        let mut script = Script::new();
        script.client.leading(script.now, NodeId(1), Term(1));
        script.submit(PUSH);
        script.reply(Reply::SessionOpened(session(5)));
        script.reply(Reply::Answered(Ok(Answer::Pushed)));
        assert!(script.client.take_done().is_some());
        script.submit(operation);
        script
    }

    fn submit(&mut self, operation: Operation) {
        self.client.submit(self.now, operation).expect("the client is idle");
    }

    /// The only request that the client wants to send.
    fn sent(&mut self) -> (NodeId, RequestId, Request) {
        let requests = self.client.take_requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests[0]
    }

    /// Answers the only request.
    fn reply(&mut self, reply: Reply) {
        let (node, request, _) = self.sent();
        self.client.receive(self.now, node, request, reply);
    }

    fn sleep(&mut self) {
        self.now = self.client.deadline();
        self.client.tick(self.now);
    }

    fn result(&mut self) -> Result<Answer, Failure> {
        assert_eq!(self.client.take_requests(), []);
        self.client.take_done().expect("the operation is done").result
    }
}

fn session(index: u64) -> SessionId {
    SessionId { index, nonce: 3 }
}

fn push_of(session: u64, sequence: u64) -> Request {
    let write = Write::Push {
        qid: QueueId(1),
        item: 42,
    };
    Request::Write {
        session: self::session(session),
        sequence: Sequence(sequence),
        write,
    }
}

/// The nonce of the session that the client asks for now.
fn nonce_of(script: &mut Script) -> u64 {
    match script.sent().2 {
        Request::OpenSession { nonce } => nonce,
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_two_sessions_and_no_two_beginnings_of_a_client_have_the_same_name() {
    let mut script = Script::new();
    script.submit(PUSH);
    let mut nonces = vec![nonce_of(&mut script)];
    // No answer: the second try may open a session beside the first.
    script.sleep();
    nonces.push(nonce_of(&mut script));
    script.client.cancel(script.now);
    assert_eq!(script.result(), Err(Failure::Cancelled));
    script.submit(PUSH);
    nonces.push(nonce_of(&mut script));
    let first_request = |seed| {
        let mut client = Client::new(2, seed, members(3));
        client.submit(Instant(0), PUSH).expect("idle");
        let (_, request, body) = client.take_requests()[0];
        (request, body)
    };
    let (anew, again) = (first_request(78), first_request(77));
    assert_ne!(
        anew.0, again.0,
        "a reply to the one before is none to the one that begins anew"
    );
    assert_eq!(again.1, Request::OpenSession { nonce: nonces[0] }, "the seed decides");
    nonces.extend(match anew.1 {
        Request::OpenSession { nonce } => Some(nonce),
        _ => None,
    });
    nonces.sort_unstable();
    nonces.dedup();
    assert_eq!(nonces.len(), 4, "{nonces:?}");
}

#[test]
fn the_first_write_opens_a_session_that_is_not_counted_as_a_try() {
    let mut script = Script::new();
    script.now = at_ms(10);
    script.submit(PUSH);
    assert_eq!(script.client.submit(script.now, PUSH), Err(Busy));
    let (node, request, body) = script.sent();
    assert!(matches!((node, body), (NodeId(1), Request::OpenSession { .. })));
    script
        .client
        .receive(at_ms(12), node, request, Reply::SessionOpened(session(5)));
    let (node, request, body) = script.sent();
    assert_eq!((node, body), (NodeId(1), push_of(5, 1)));
    script
        .client
        .receive(at_ms(14), node, request, Reply::Answered(Ok(Answer::Pushed)));
    let done = Done {
        operation: PUSH,
        result: Ok(Answer::Pushed),
        tries: 1,
        leaders: vec![NodeId(1)],
        invoked: at_ms(10),
        returned: at_ms(14),
    };
    assert_eq!(script.client.take_done(), Some(done));
    assert_eq!(
        (script.client.take_done(), script.client.deadline()),
        (None, Instant::NEVER)
    );
    script.submit(PUSH);
    assert_eq!(script.sent().2, push_of(5, 2));
}

#[test]
fn a_read_needs_no_session() {
    let mut script = Script::new();
    script.submit(TOP);
    script.reply(Reply::Answered(Err(QueueError::Empty)));
    assert_eq!(script.result(), Err(Failure::Queue(QueueError::Empty)));
}

#[test]
fn a_hint_is_followed_at_once() {
    let mut script = Script::new();
    script.submit(TOP);
    script.reply(Reply::NotLeader {
        leader: Some(NodeId(3)),
    });
    script.reply(Reply::Lost {
        leader: Some(NodeId(2)),
    });
    assert_eq!(script.client.leader(), Some(NodeId(2)));
    script.reply(Reply::Answered(Ok(Answer::Item(1))));
    let done = script.client.take_done().expect("done");
    assert_eq!((done.tries, done.leaders), (3, vec![NodeId(1), NodeId(3), NodeId(2)]));
}

#[test]
fn without_a_hint_the_next_live_node_is_asked_after_a_pause() {
    let mut script = Script::new();
    script.client.node_down(script.now, NodeId(2));
    script.submit(TOP);
    script.reply(Reply::NotLeader { leader: None });
    assert_eq!(script.client.deadline(), Instant(0) + SEARCH_PAUSE_MIN);
    script.client.tick(Instant(1));
    assert_eq!(script.client.take_requests(), []);
    script.sleep();
    assert_eq!(script.sent().0, NodeId(3));
}

#[test]
fn nodes_that_take_each_other_for_the_leader_do_not_keep_a_client_running() {
    let mut script = Script::new();
    script.submit(TOP);
    let mut asked = 0;
    while let Some((node, request, _)) = script.client.take_requests().pop() {
        asked += 1;
        assert!(asked < 10, "asked {asked} times in no time");
        let leader = Some(NodeId(if node == NodeId(1) { 2 } else { 1 }));
        script
            .client
            .receive(script.now, node, request, Reply::NotLeader { leader });
    }
    assert!(script.client.deadline() > script.now);
}

#[test]
fn hints_that_lead_nowhere_are_no_hints() {
    for leader in [Some(NodeId(1)), Some(NodeId(9)), Some(NodeId(3))] {
        let mut script = Script::new();
        script.client.node_down(script.now, NodeId(3));
        script.submit(TOP);
        script.reply(Reply::NotLeader { leader });
        assert_eq!(script.client.take_requests(), []);
    }
}

#[test]
fn no_answer_sends_the_same_write_elsewhere_and_waits_longer() {
    let mut script = Script::with_session(PUSH);
    let first = script.sent();
    assert_eq!((first.0, first.2), (NodeId(1), push_of(5, 2)));
    let mut before = script.now;
    for (node, timeout_ms) in [(2, 400), (3, 800), (1, 1_600), (2, 3_200), (3, 6_400), (1, 6_400)] {
        script.sleep();
        assert_eq!(script.now.since(before), Duration::from_millis(timeout_ms));
        let (asked, _, body) = script.sent();
        assert_eq!((asked, body), (NodeId(node), push_of(5, 2)));
        before = script.now;
    }
}

#[test]
fn a_reply_that_comes_late_or_from_elsewhere_is_ignored() {
    let mut script = Script::with_session(PUSH);
    let (node, request, _) = script.sent();
    script
        .client
        .receive(script.now, NodeId(3), request, Reply::Answered(Ok(Answer::Pushed)));
    script.sleep();
    script
        .client
        .receive(script.now, node, request, Reply::Answered(Ok(Answer::Pushed)));
    assert_eq!(script.client.take_done(), None);
    script.reply(Reply::Answered(Err(QueueError::Full)));
    assert_eq!(script.result(), Err(Failure::Queue(QueueError::Full)));
}

#[test]
fn a_busy_node_is_left_alone_for_longer_and_longer() {
    let mut script = Script::with_session(PUSH);
    for pause_ms in [50, 100, 200, 400, 800, 800] {
        script.reply(Reply::Busy);
        assert_eq!(
            script.client.deadline().since(script.now),
            Duration::from_millis(pause_ms)
        );
        script.sleep();
    }
    assert_eq!(script.sent().0, NodeId(1));
}

#[test]
fn a_crash_sends_the_write_on_at_once() {
    let mut script = Script::with_session(PUSH);
    script.sent();
    script.client.node_down(script.now, NodeId(1));
    let (node, _, body) = script.sent();
    assert_eq!((node, body), (NodeId(2), push_of(5, 2)));
}

#[test]
fn with_every_node_down_it_waits_for_one() {
    let mut script = Script::new();
    members(3)
        .into_iter()
        .for_each(|node| script.client.node_down(script.now, node));
    script.submit(TOP);
    assert_eq!(
        (script.client.take_requests(), script.client.deadline()),
        (vec![], Instant::NEVER)
    );
    script.client.node_up(at_ms(9), NodeId(3));
    assert_eq!(script.sent().0, NodeId(3));
}

#[test]
fn a_new_leader_is_asked_at_once_and_an_old_one_is_not() {
    let mut script = Script::with_session(PUSH);
    script.sent();
    script.client.leading(script.now, NodeId(3), Term(4));
    assert_eq!(script.sent().0, NodeId(3));
    script.client.leading(script.now, NodeId(2), Term(3));
    script.client.leading(script.now, NodeId(3), Term(4));
    script.client.leading(script.now, NodeId(8), Term(5));
    assert_eq!(script.client.take_requests(), []);
    assert_eq!(script.client.leader(), Some(NodeId(3)));
}

#[test]
fn an_expired_session_is_replaced_if_nothing_can_have_been_applied() {
    let mut script = Script::with_session(PUSH);
    script.reply(Reply::NotLeader {
        leader: Some(NodeId(2)),
    });
    script.reply(Reply::SessionExpired);
    assert!(matches!(script.sent().2, Request::OpenSession { .. }));
}

#[test]
fn an_expired_session_leaves_the_outcome_unknown_if_something_may_have_been_applied() {
    let may_be_applied: [fn(&mut Script); 4] = [
        |script| {
            script.reply(Reply::Lost {
                leader: Some(NodeId(2)),
            })
        },
        |script| {
            script.sent();
            script.sleep();
        },
        |script| {
            script.sent();
            script.client.node_down(script.now, NodeId(1));
        },
        |script| {
            script.sent();
            script.client.leading(script.now, NodeId(2), Term(2));
        },
    ];
    for (case, happens) in may_be_applied.into_iter().enumerate() {
        for reply in [Reply::SessionExpired, Reply::OutOfSequence { next: Sequence(9) }] {
            let mut script = Script::with_session(PUSH);
            happens(&mut script);
            script.reply(reply);
            assert_eq!(script.result(), Err(Failure::OutcomeUnknown), "case {case}");
            script.submit(PUSH);
            assert!(matches!(script.sent().2, Request::OpenSession { .. }));
        }
    }
}

#[test]
fn a_write_given_up_once_it_was_sent_takes_its_session_along() {
    let mut script = Script::with_session(PUSH);
    script.sent();
    script.client.cancel(script.now);
    assert_eq!(script.result(), Err(Failure::OutcomeUnknown));
    script.submit(PUSH);
    assert!(matches!(script.sent().2, Request::OpenSession { .. }));
}

#[test]
fn what_is_given_up_before_it_can_have_an_effect_is_just_cancelled() {
    let mut refused = Script::with_session(PUSH);
    refused.reply(Reply::NotLeader { leader: None });
    refused.client.cancel(refused.now);
    assert_eq!(refused.result(), Err(Failure::Cancelled));
    refused.submit(PUSH);
    assert_eq!(refused.sent().2, push_of(5, 2));

    let mut read = Script::with_session(TOP);
    read.sent();
    read.client.cancel(read.now);
    assert_eq!(read.result(), Err(Failure::Cancelled));

    let mut idle = Script::new();
    idle.client.cancel(idle.now);
    assert_eq!(idle.client.take_done(), None);
}

#[test]
fn replies_that_no_node_gives_are_ignored() {
    let mut script = Script::with_session(PUSH);
    let (node, request, _) = script.sent();
    script
        .client
        .receive(script.now, node, request, Reply::SessionOpened(session(6)));
    assert_eq!(
        (script.client.take_done(), script.client.take_requests()),
        (None, vec![])
    );
    script
        .client
        .receive(script.now, node, request, Reply::Answered(Ok(Answer::Pushed)));
    assert_eq!(script.result(), Ok(Answer::Pushed));
}

#[test]
fn clients_with_different_numbers_never_use_the_same_request_id() {
    let first = |number| {
        let mut client = Client::new(number, 0, members(1));
        client.submit(Instant(0), TOP).expect("idle");
        client.take_requests()[0].1
    };
    assert_eq!(
        first(0).0 ^ first(1).0,
        1 << REQUEST_NUMBER_BITS,
        "of one seed, they differ in their numbers"
    );
    let last = RequestId((8 << REQUEST_NUMBER_BITS) | ((1 << REQUEST_NUMBER_BITS) - 1));
    assert_eq!(after(last), RequestId(8 << REQUEST_NUMBER_BITS), "nor after very many");
    assert_eq!(first(u16::MAX).0 >> REQUEST_NUMBER_BITS, u64::from(u16::MAX));
}

/// A stand-in for a cluster, as unkind as a cluster may be: whatever a leader has taken may be committed now, later, after
/// the leader's crash, or never; requests and replies are lost, late or repeated; nodes know an old leader.
struct Cluster {
    machine: FtQueue,
    last_index: u64,
    leader: Option<NodeId>,
    down: BTreeSet<NodeId>,
    requests: Vec<(NodeId, RequestId, Request)>,
    taken: Vec<(NodeId, RequestId, Command)>,
    replies: Vec<(NodeId, RequestId, Reply)>,
}

#[derive(Clone, Debug)]
enum Event {
    Deliver {
        request: usize,
        hint: Option<u8>,
        busy: bool,
    },
    LoseRequest(usize),
    Commit {
        taken: usize,
        reply: bool,
    },
    Overwrite {
        taken: usize,
        reply: bool,
    },
    Reply {
        reply: usize,
        again: bool,
    },
    LoseReply(usize),
    Crash(u8),
    Restart(u8),
    Elect {
        leader: u8,
        announced: bool,
    },
    Sleep,
    ExpireSessions,
    Cancel,
}

fn event() -> impl Strategy<Value = Event> {
    let place = 0..12usize;
    let node = 1..=5u8;
    prop_oneof![
        9 => (place.clone(), prop::option::of(node.clone()), prop::bool::weighted(0.1))
            .prop_map(|(request, hint, busy)| Event::Deliver { request, hint, busy }),
        1 => place.clone().prop_map(Event::LoseRequest),
        9 => (place.clone(), any::<bool>()).prop_map(|(taken, reply)| Event::Commit { taken, reply }),
        1 => (place.clone(), any::<bool>()).prop_map(|(taken, reply)| Event::Overwrite { taken, reply }),
        9 => (place.clone(), prop::bool::weighted(0.1)).prop_map(|(reply, again)| Event::Reply { reply, again }),
        1 => place.prop_map(Event::LoseReply),
        1 => node.clone().prop_map(Event::Crash),
        2 => node.clone().prop_map(Event::Restart),
        3 => (node, prop::bool::weighted(0.8)).prop_map(|(leader, announced)| Event::Elect { leader, announced }),
        3 => Just(Event::Sleep),
        2 => Just(Event::ExpireSessions),
        2 => Just(Event::Cancel),
    ]
}

impl Cluster {
    fn new() -> Cluster {
        let mut cluster = Cluster {
            machine: FtQueue::default(),
            last_index: 0,
            leader: None,
            down: BTreeSet::new(),
            requests: Vec::new(),
            taken: Vec::new(),
            replies: Vec::new(),
        };
        cluster.apply(&Command::OpenSession { nonce: 0 });
        let (session, sequence) = (SessionId { index: 1, nonce: 0 }, Sequence(1));
        cluster.apply(&Command::Write {
            session,
            sequence,
            write: Write::CreateQueue {
                label: ftqueue::Label(1),
            },
        });
        cluster
    }

    fn apply(&mut self, command: &Command) -> Output {
        self.last_index += 1;
        self.machine.apply(self.last_index, command)
    }

    fn deliver(&mut self, request: usize, hint: Option<NodeId>, busy: bool) {
        let Some((node, id, body)) = take(&mut self.requests, request) else {
            return;
        };
        if self.down.contains(&node) {
            return;
        }
        if self.leader != Some(node) {
            return self.replies.push((node, id, Reply::NotLeader { leader: hint }));
        }
        if busy {
            return self.replies.push((node, id, Reply::Busy));
        }
        match body {
            Request::OpenSession { nonce } => self.taken.push((node, id, Command::OpenSession { nonce })),
            Request::Write {
                session,
                sequence,
                write,
            } => {
                self.taken.push((
                    node,
                    id,
                    Command::Write {
                        session,
                        sequence,
                        write,
                    },
                ));
            }
            Request::Read(read) => self.replies.push((node, id, Reply::Answered(self.machine.read(&read)))),
        }
    }

    fn commit(&mut self, taken: usize, reply: bool) {
        let Some((node, id, command)) = take(&mut self.taken, taken) else {
            return;
        };
        let output = self.apply(&command);
        let body = match output {
            Output::SessionOpened(session) => Reply::SessionOpened(session),
            Output::Answered(answer) => Reply::Answered(answer),
            Output::SessionExpired => Reply::SessionExpired,
            Output::OutOfSequence { next } => Reply::OutOfSequence { next },
        };
        if reply && !self.down.contains(&node) {
            self.replies.push((node, id, body));
        }
    }

    fn expire_sessions(&mut self) {
        for _ in 0..ftqueue::SESSIONS_MAX {
            self.apply(&Command::OpenSession { nonce: 0 });
        }
    }
}

/// Takes some message off a list, wherever it stands.
fn take<T>(list: &mut Vec<T>, place: usize) -> Option<T> {
    let place = place.checked_rem(list.len())?;
    Some(list.remove(place))
}

/// The cluster, its one client, and what came of each operation.
struct World {
    cluster: Cluster,
    client: Client,
    now: Instant,
    terms: u64,
    to_do: Vec<Operation>,
    done: Vec<Done>,
}

impl World {
    fn new(operations: &[Operation]) -> World {
        World {
            cluster: Cluster::new(),
            client: Client::new(1, 1, members(5)),
            now: Instant(0),
            terms: 0,
            to_do: operations.iter().rev().copied().collect(),
            done: Vec::new(),
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Deliver { request, hint, busy } => self.cluster.deliver(request, hint.map(NodeId), busy),
            Event::LoseRequest(request) => {
                take(&mut self.cluster.requests, request);
            }
            Event::Commit { taken, reply } => self.cluster.commit(taken, reply),
            Event::Overwrite { taken, reply } => {
                if let Some((node, id, _)) = take(&mut self.cluster.taken, taken)
                    && reply
                {
                    self.cluster.replies.push((
                        node,
                        id,
                        Reply::Lost {
                            leader: self.cluster.leader,
                        },
                    ));
                }
            }
            Event::Reply { reply, again } => {
                if let Some((node, id, body)) = take(&mut self.cluster.replies, reply) {
                    self.cluster.replies.extend(again.then_some((node, id, body)));
                    self.client.receive(self.now, node, id, body);
                }
            }
            Event::LoseReply(reply) => {
                take(&mut self.cluster.replies, reply);
            }
            Event::Crash(node) => {
                self.cluster.down.insert(NodeId(node));
                self.cluster.leader = self.cluster.leader.filter(|leader| leader.0 != node);
                self.client.node_down(self.now, NodeId(node));
            }
            Event::Restart(node) => {
                self.cluster.down.remove(&NodeId(node));
                self.client.node_up(self.now, NodeId(node));
            }
            Event::Elect { leader, announced } if !self.cluster.down.contains(&NodeId(leader)) => {
                self.terms += 1;
                self.cluster.leader = Some(NodeId(leader));
                if announced {
                    self.client.leading(self.now, NodeId(leader), Term(self.terms));
                }
            }
            Event::Sleep if self.client.deadline() != Instant::NEVER => {
                self.now = self.now.max(self.client.deadline());
                self.client.tick(self.now);
            }
            Event::ExpireSessions => self.cluster.expire_sessions(),
            Event::Cancel => self.client.cancel(self.now),
            _ => {}
        }
        self.carry();
    }

    /// Carries out what the client asks for, and gives it the next operation.
    fn carry(&mut self) {
        self.done.extend(self.client.take_done());
        if !self.client.is_busy()
            && let Some(operation) = self.to_do.pop()
        {
            self.client.submit(self.now, operation).expect("the client is idle");
        }
        self.cluster.requests.extend(self.client.take_requests());
    }

    /// From here on nothing fails. Everything that is still on its way arrives, late.
    fn heal(&mut self) {
        (1..=5).for_each(|node| self.happen(Event::Restart(node)));
        self.happen(Event::Elect {
            leader: 4,
            announced: false,
        });
        for _ in 0..10_000 {
            if !self.client.is_busy() {
                break;
            }
            if !self.cluster.replies.is_empty() {
                self.happen(Event::Reply { reply: 0, again: false });
            } else if !self.cluster.taken.is_empty() {
                self.happen(Event::Commit { taken: 0, reply: true });
            } else if !self.cluster.requests.is_empty() {
                self.happen(Event::Deliver {
                    request: 0,
                    hint: Some(4),
                    busy: false,
                });
            } else {
                self.happen(Event::Sleep);
            }
        }
        while !self.cluster.taken.is_empty() {
            self.cluster.commit(0, false);
        }
    }

    /// The items that are in the queue now.
    fn items(&self) -> Vec<i64> {
        self.cluster
            .machine
            .queues()
            .flat_map(|queue| queue.items.iter().copied())
            .collect()
    }
}

/// Pushes of different items, with some pops and reads among them.
fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let kinds = prop::collection::vec(0..6u8, 1..12);
    kinds.prop_map(|kinds| {
        let operation = |(place, kind)| match kind {
            0 => TOP,
            1 | 2 => Operation::Write(Write::Pop { qid: QueueId(1) }),
            _ => Operation::Write(Write::Push {
                qid: QueueId(1),
                item: place as i64,
            }),
        };
        kinds.into_iter().enumerate().map(operation).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn every_operation_returns_once_and_is_applied_once(
        operations in operations(),
        events in prop::collection::vec(event(), 0..150),
    ) {
        let mut world = World::new(&operations);
        world.carry();
        events.into_iter().for_each(|event| world.happen(event));
        world.heal();

        let returned: Vec<Operation> = world.done.iter().map(|done| done.operation).collect();
        prop_assert_eq!(returned, operations, "each in its turn, once");
        let mut popped = Vec::new();
        let mut pops_unknown = 0;
        for done in &world.done {
            prop_assert!(done.returned >= done.invoked);
            match (done.operation, done.result) {
                (Operation::Write(Write::Pop { .. }), Ok(Answer::Item(item))) => popped.push(item),
                (Operation::Write(Write::Pop { .. }), Err(Failure::OutcomeUnknown)) => pops_unknown += 1,
                (_, Ok(_)) => prop_assert!(done.tries >= 1 && !done.leaders.is_empty()),
                _ => {}
            }
        }
        let mut missing = 0;
        for done in &world.done {
            let Operation::Write(Write::Push { item, .. }) = done.operation else { continue };
            let found = world.items().iter().chain(&popped).filter(|other| **other == item).count();
            match done.result {
                Ok(answer) => {
                    prop_assert_eq!(answer, Answer::Pushed);
                    prop_assert!(found <= 1, "{} is there {} times", item, found);
                    missing += 1 - found;
                }
                Err(Failure::OutcomeUnknown) => prop_assert!(found <= 1),
                Err(_) => prop_assert_eq!(found, 0),
            }
        }
        prop_assert!(missing <= pops_unknown, "{} acknowledged items are gone", missing);
    }
}
