//! Whole nodes in a dedicated Worker: their logs on a real Origin Private File System, their peers at real ports.

use std::cell::RefCell;
use std::rc::Rc;

use cluster::Epoch;
use cluster::codec::{self, Envelope};
use cluster::host::{Fact, FromNode, MessageId, Reply, Request, RequestId, Storage, ToNode};
use cluster::record::{Life, Origin, Piece};
use ftqueue::{Answer, Read, Write};
use js_sys::{Promise, Uint8Array};
use raft_core::{AppendEntries, Event, Instant, LogIndex, Message, NodeId, ReadRound, Term};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::{MessageChannel, MessageEvent, MessagePort};
use worker::{port, scope};

use crate::seat::{self, Seat, boot, fresh, join};

#[wasm_bindgen_test]
async fn a_cluster_of_one_leads_writes_and_recovers() {
    let directory = fresh("one");
    let node = Seat::boot(1, 1, Some(&directory));
    let (storage, recovery) = node.booted().await;
    assert_eq!(
        (storage, recovery.last_index, recovery.bytes),
        (Storage::Opfs, LogIndex(0), 0)
    );
    let term = node.leading().await;
    let session = node.open_session().await;
    let qid = node.create_queue(session, 1, 7).await;
    for item in 0..20 {
        assert_eq!(
            node.write(session, item as u64 + 2, Write::Push { qid, item }).await,
            Answer::Pushed
        );
    }
    drop(node);

    let node = Seat::boot(1, 1, Some(&directory));
    let (_, recovery) = node.booted().await;
    assert_eq!(recovery.hard_state.term, term);
    assert_eq!(
        recovery.last_index,
        LogIndex(1 + 1 + 1 + 20),
        "a no-op, the session, the queue, its items"
    );
    assert_eq!(recovery.dropped_bytes, 0);
    assert!(node.leading().await > term);
    let again = node.write(session, 21, Write::Push { qid, item: 19 }).await;
    assert_eq!(
        again,
        Answer::Pushed,
        "the last write is known by its sequence and not applied again"
    );
    for item in 0..20 {
        assert_eq!(
            node.write(session, item as u64 + 22, Write::Pop { qid }).await,
            Answer::Item(item)
        );
    }
    let asked = node.ask(Request::Read(Read::Qsize { qid }));
    assert_eq!(node.reply_to(asked).await, Reply::Answered(Ok(Answer::Size(0))));
}

#[wasm_bindgen_test]
async fn a_damaged_log_is_refused_with_the_place_of_the_damage() {
    let directory = fresh("damaged");
    let node = Seat::boot(1, 1, Some(&directory));
    node.leading().await;
    let session = node.open_session().await;
    let qid = node.create_queue(session, 1, 7).await;
    node.write(session, 2, Write::Push { qid, item: 1 }).await;
    drop(node);

    let mut log = seat::first_file(&directory, 1).await;
    let [mut bytes, _] = log.read_all().unwrap();
    bytes[cluster::wal::HEADER_BYTES + cluster::wal::RECORD_HEAD_BYTES] ^= 1;
    log.replace(&bytes).unwrap();
    drop(log);

    let node = Seat::boot(1, 1, Some(&directory));
    let why = node.refused().await;
    assert!(
        why.contains("damaged") && why.contains("record 1") && why.contains("byte 64"),
        "{why}"
    );
    scope::sleep(400).await;
    assert_eq!(node.forget().len(), 1, "a refused node says nothing more");
    let mut log = seat::first_file(&directory, 1).await;
    assert_eq!(log.read_all().unwrap()[0], bytes, "and leaves its log as it was");
}

#[wasm_bindgen_test]
async fn a_torn_end_is_dropped_and_said() {
    let directory = fresh("torn");
    let node = Seat::boot(1, 1, Some(&directory));
    node.leading().await;
    drop(node);
    let mut log = seat::first_file(&directory, 1).await;
    let [whole, _] = log.read_all().unwrap();
    log.append(b"\nrec and then the power went").unwrap();
    log.flush().unwrap();
    drop(log);

    let node = Seat::boot(1, 1, Some(&directory));
    let (_, recovery) = node.booted().await;
    assert_eq!(recovery.dropped_bytes, 28);
    node.leading().await;
    drop(node);
    let mut log = seat::first_file(&directory, 1).await;
    assert!(log.read_all().unwrap()[0].starts_with(&whole));
    drop(log);
    assert_eq!(Seat::boot(1, 1, Some(&directory)).booted().await.1.dropped_bytes, 0);
}

#[wasm_bindgen_test]
async fn two_nodes_at_a_channel_elect_a_leader_and_keep_one_log() {
    let directory = fresh("two");
    let nodes = [Seat::boot(1, 2, Some(&directory)), Seat::boot(2, 2, Some(&directory))];
    join(&nodes[0], &nodes[1]);
    let leader = first_to_lead(&nodes).await;
    let (leader, follower) = (&nodes[leader], &nodes[1 - leader]);
    let session = leader.open_session().await;
    let qid = leader.create_queue(session, 1, 7).await;
    for item in 1..=50 {
        leader.write(session, item as u64 + 1, Write::Push { qid, item }).await;
    }
    let asked = leader.ask(Request::Read(Read::Qsize { qid }));
    assert_eq!(leader.reply_to(asked).await, Reply::Answered(Ok(Answer::Size(50))));
    let items = follower
        .reports("queue of 50 items", |report| {
            report
                .queues
                .as_ref()?
                .queues
                .iter()
                .find(|queue| queue.size == 50)
                .map(|queue| queue.items.clone())
        })
        .await;
    assert_eq!(items, (1..=items.len() as i64).collect::<Vec<_>>());
    let asked = follower.ask(Request::Read(Read::Qsize { qid }));
    assert_eq!(
        follower.reply_to(asked).await,
        Reply::NotLeader {
            leader: Some(leader.id)
        }
    );
}

#[wasm_bindgen_test]
async fn a_stalled_worker_takes_the_heartbeats_in_its_queue_before_its_timer() {
    stall(900.0).await;
}

#[wasm_bindgen_test]
async fn a_worker_stalled_beyond_what_its_clock_counts_takes_the_heartbeats_first_as_well() {
    stall(3.0 * cluster::clock::LEAP_MS_MAX).await;
}

/// A leader speaks before and after a stall in which every election timeout passes. The node must not stand for election.
async fn stall(stall_ms: f64) {
    let epoch = scope::wall_ms();
    let node = Seat::boot(1, 2, None);
    node.booted().await;
    let channel = MessageChannel::new().unwrap();
    node.connect(NodeId(2), channel.port1());
    let started = scope::wall_ms();
    heartbeat(&channel.port2(), 1, epoch);
    node.reports("leader", |report| report.status.leader).await;
    node.forget();
    while scope::wall_ms() - started < stall_ms {}
    heartbeat(&channel.port2(), 2, epoch);
    scope::sleep(100).await;
    let said = node.forget();
    let timed_out = facts(&said)
        .iter()
        .any(|fact| matches!(fact, Fact::Raft(Event::ElectionTimedOut { .. })));
    assert!(!timed_out, "{said:?}");
    assert!(facts(&said).contains(&Fact::Received { message: name(2) }), "{said:?}");
}

#[wasm_bindgen_test]
async fn a_paused_node_stands_still_and_then_goes_on() {
    let node = Seat::boot(1, 1, None);
    node.leading().await;
    node.say(&ToNode::SetPaused(true));
    node.reports("pause", |report| report.status.paused.then_some(())).await;
    let asked = node.ask(Request::OpenSession { nonce: 1 });
    node.forget();
    scope::sleep(300).await;
    let said = node.forget();
    assert!(
        !said.iter().any(|message| matches!(message, FromNode::Reply { .. })),
        "{said:?}"
    );
    node.say(&ToNode::SetPaused(false));
    assert!(matches!(node.reply_to(asked).await, Reply::SessionOpened(_)));
}

#[wasm_bindgen_test]
async fn a_frame_that_does_not_decode_is_counted_and_reported() {
    let node = Seat::boot(1, 2, None);
    node.booted().await;
    let channel = MessageChannel::new().unwrap();
    node.connect(NodeId(2), channel.port1());
    channel
        .port2()
        .post_message(&Uint8Array::from(&b"\x01nonsense"[..]))
        .unwrap();
    channel.port2().post_message(&"not even bytes".into()).unwrap();
    node.reports("two bad frames", |report| (report.status.bad_frames == 2).then_some(()))
        .await;
}

#[wasm_bindgen_test]
async fn a_page_of_another_version_is_refused() {
    let node = Seat::vacant(1);
    let mut bytes = seat::bytes(&ToNode::Boot(Box::new(boot(1, 1, None))));
    bytes[0] += 1;
    node.post(&bytes, None);
    let why = node.refused().await;
    assert!(why.contains("version"), "{why}");
}

#[wasm_bindgen_test]
async fn a_wrong_configuration_is_refused() {
    let node = Seat::vacant(1);
    let mut wrong = boot(1, 3, None);
    wrong.members.reverse();
    node.say(&ToNode::Boot(Box::new(wrong)));
    assert!(!node.refused().await.is_empty());
}

#[wasm_bindgen_test]
async fn requests_that_come_together_are_written_and_reported_together() {
    let directory = fresh("group");
    let node = Seat::boot(1, 1, Some(&directory));
    node.leading().await;
    scope::sleep(100).await;
    node.forget();
    let started = scope::wall_ms();
    let asked: Vec<RequestId> = (0..500).map(|nonce| node.ask(Request::OpenSession { nonce })).collect();
    for request in asked {
        node.reply_to(request).await;
    }
    scope::sleep(100).await;
    let said = node.forget();
    let syncs = facts(&said)
        .iter()
        .filter(|fact| matches!(fact, Fact::Synced { .. }))
        .count();
    assert!((1..=4).contains(&syncs), "{syncs} flushes for 500 writes");
    let reports = said
        .iter()
        .filter(|message| matches!(message, FromNode::Report(_)))
        .count() as f64;
    let intervals = (scope::wall_ms() - started) / f64::from(cluster::host::REPORT_INTERVAL_MS);
    assert!(reports <= intervals + 1.0, "{reports} reports in {intervals} intervals");
}

#[wasm_bindgen_test]
async fn a_clock_that_stands_still_holds_an_election_and_one_that_goes_on_lets_it_be() {
    let node = Seat::vacant(1);
    let mut still = boot(1, 1, None);
    still.clock.rate = 0.0;
    node.say(&ToNode::Boot(Box::new(still)));
    node.booted().await;
    scope::sleep(500).await;
    assert!(
        !node
            .forget()
            .iter()
            .any(|message| matches!(message, FromNode::Leading { .. }))
    );
    node.say(&ToNode::SetClock(seat::clock()));
    node.leading().await;
}

/// Everything that goes into a node is posted to the port that came with its boot, and is enough to make the very same node again.
#[wasm_bindgen_test]
async fn what_goes_into_a_node_is_recorded() {
    let channel = MessageChannel::new().unwrap();
    let pieces: Rc<RefCell<Vec<Piece>>> = Rc::default();
    let heard = Rc::clone(&pieces);
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        let bytes = event.data().unchecked_into::<Uint8Array>().to_vec();
        heard.borrow_mut().push(codec::decode(&bytes).unwrap());
    });
    channel.port2().set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    let node = Seat::vacant(1);
    node.post(
        &seat::bytes(&ToNode::Boot(Box::new(boot(1, 1, None)))),
        Some(channel.port1()),
    );
    node.leading().await;
    for nonce in 0..20 {
        let (request, body) = (RequestId(nonce), Request::OpenSession { nonce });
        node.say(&ToNode::Request { request, body });
    }
    node.say(&ToNode::Describe { request: RequestId(77) });
    let recorded = node
        .hears("Recorded", |message| match message {
            FromNode::Recorded {
                request: RequestId(77),
                recorded,
            } => Some(*recorded),
            _ => None,
        })
        .await;
    let again = || {
        let pieces = pieces.borrow();
        let Some(Piece::Began {
            origin: Origin::Disk { config, files, .. },
            at,
        }) = pieces.first().cloned()
        else {
            return None;
        };
        let mut life = Life::new(config, files, at);
        for piece in pieces.iter() {
            if let Piece::Steps(steps) = piece {
                life.steps.extend(steps.iter().cloned());
            }
        }
        (life.steps.len() as u64 >= recorded.steps).then(|| life.replay(recorded.steps as usize).unwrap())
    };
    // What it did last is on its way.
    while again().is_none() {
        scope::sleep(10).await;
    }
    assert_eq!(again().unwrap().fingerprint(), recorded.fingerprint);
    assert!(recorded.steps > 20);
    channel.port2().set_onmessage(None);
}

#[wasm_bindgen_test]
async fn what_is_said_survives_a_port_unchanged() {
    let channel = MessageChannel::new().unwrap();
    let said = ToNode::Boot(Box::new(boot(3, 5, Some("ftqueue/cluster-0-n5"))));
    channel
        .port1()
        .post_message(&port::parcel(&codec::encode(&said)))
        .unwrap();
    let (bytes, port) = port::unpack(&next_at(&channel.port2()).await.data()).expect("a parcel");
    assert_eq!(codec::decode::<ToNode>(&bytes).unwrap(), said);
    assert!(port.is_none());
    assert!(port::unpack(&"no parcel".into()).is_none());
}

/// Which of the nodes leads first.
async fn first_to_lead(nodes: &[Seat]) -> usize {
    let leads = |message: &FromNode| matches!(message, FromNode::Leading { .. }).then_some(());
    for _ in 0..2_500 {
        for (index, node) in nodes.iter().enumerate() {
            if node.has_heard(leads) {
                return index;
            }
        }
        scope::sleep(2).await;
    }
    panic!("nobody leads");
}

/// Speaks as Node 2, the leader of term 1, over a link without delay: nothing new, I am alive.
fn heartbeat(port: &MessagePort, number: u64, epoch_wall_ms: f64) {
    let append = AppendEntries {
        term: Term(1),
        prev_log_index: LogIndex(0),
        prev_log_term: Term(0),
        entries: Vec::new(),
        leader_commit: LogIndex(0),
        read_round: ReadRound(0),
    };
    let now = Instant(((scope::wall_ms() - epoch_wall_ms) * 1_000.0) as u64);
    let frame = Message::AppendEntries(append);
    let envelope = Envelope {
        message: name(number),
        epoch: Epoch::default(),
        sent_at: now,
        deliver_at: now,
        frame,
    };
    port.post_message(&Uint8Array::from(codec::encode(&envelope).as_slice()))
        .unwrap();
}

fn name(number: u64) -> MessageId {
    MessageId {
        from: NodeId(2),
        boot: 1,
        number,
    }
}

fn facts(said: &[FromNode]) -> Vec<Fact> {
    let reports = said.iter().filter_map(|message| match message {
        FromNode::Report(report) => Some(report),
        _ => None,
    });
    reports
        .flat_map(|report| report.facts.iter().map(|(_, fact)| fact.clone()))
        .collect()
}

async fn next_at(port: &MessagePort) -> MessageEvent {
    let arrival = Promise::new(&mut |resolve, _| port.set_onmessage(Some(&resolve)));
    JsFuture::from(arrival).await.unwrap().unchecked_into()
}
