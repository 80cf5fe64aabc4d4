//! Happenings of every odd kind, in each format.

use cluster::host::{DropReason, Fact, MessageId, MessageSummary, Reply, RequestId};
use ftqueue::{Answer, Label, Operation, QueueError, QueueId, Read, SessionId, Write};
use netem::Fate;
use raft_core::{Instant, LogIndex, NodeId, Term};
use serde_json::Value;
use trace::export::Format;
use trace::{CallNumber, Happening, What};

fn exported(format: Format, happenings: &[(u64, What)]) -> String {
    let mut out = Vec::new();
    let mut exporter = format.exporter(&mut out);
    for (at, what) in happenings {
        let happening = Happening {
            at: Instant(*at),
            what: what.clone(),
        };
        exporter.take(&happening).unwrap();
    }
    exporter.finish().unwrap();
    drop(exporter);
    String::from_utf8(out).unwrap()
}

fn told(node: u8, fact: Fact) -> What {
    What::Told {
        node: NodeId(node),
        fact,
    }
}

fn message(number: u64) -> MessageId {
    MessageId {
        from: NodeId(1),
        boot: 1,
        number,
    }
}

fn sent(number: u64, to: u8, fate: Fate) -> What {
    let summary = MessageSummary::Heartbeat {
        term: Term(1),
        prev_log_index: LogIndex(1),
        leader_commit: LogIndex(1),
    };
    told(
        1,
        Fact::Sent {
            message: message(number),
            to: NodeId(to),
            summary,
            fate,
        },
    )
}

fn arrives(at_us: u64) -> Fate {
    Fate::Arrives {
        at_us,
        again_at_us: None,
    }
}

fn received(node: u8, number: u64) -> What {
    told(
        node,
        Fact::Received {
            message: message(number),
        },
    )
}

fn invoked(client: u16, call: u64, operation: Operation) -> What {
    What::Invoked {
        client,
        call: CallNumber(call),
        operation,
    }
}

fn returned(client: u16, call: u64, result: Result<Answer, QueueError>) -> What {
    What::Returned {
        client,
        call: CallNumber(call),
        result,
    }
}

const ODD: &str =
    "quoted \"so\", back\\slash,\nnext line\r, next\u{2028}one, \u{7}\u{1b}[31m, </script>, {\"Node9\": 9}, ü→🦀";

#[test]
fn odd_text_is_kept_in_one_line_by_all() {
    let odd = [
        (
            1,
            What::FaultBegan {
                fault: 1,
                text: ODD.to_owned(),
            },
        ),
        (
            2,
            told(
                1,
                Fact::Dropped {
                    message: None,
                    from: NodeId(2),
                    why: DropReason::BadFrame(ODD.to_owned()),
                },
            ),
        ),
        (3, What::FaultEnded { fault: 1 }),
        (4, What::Violated { text: ODD.to_owned() }),
    ];
    let lines = exported(Format::JsonLines, &odd);
    assert_eq!(lines.lines().count(), 4);
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!(last["text"], ODD);

    let shiviz = exported(Format::Shiviz, &odd);
    assert!(
        shiviz.starts_with("Node1 {\"Node1\": 1}\nDropped a message"),
        "{shiviz}"
    );
    assert_eq!(
        shiviz.split(['\n', '\r', '\u{2028}', '\u{2029}']).count(),
        3,
        "{shiviz}"
    );

    let chrome: Value = serde_json::from_str(&exported(Format::Chrome, &odd)).unwrap();
    let names = chrome["traceEvents"].as_array().unwrap().iter();
    let names: Vec<&str> = names.map(|event| event["name"].as_str().unwrap()).collect();
    assert_eq!(
        names.iter().filter(|name| name.contains("ü→🦀")).count(),
        3,
        "{names:?}"
    );
    assert!(!names.iter().any(|name| name.contains(char::is_control)), "{names:?}");
}

#[test]
fn every_digit_of_great_numbers_is_kept() {
    let push = Operation::Write(Write::Push {
        qid: QueueId(1),
        item: i64::MIN,
    });
    let great = [
        (1, invoked(0, 1, push)),
        (2, returned(0, 1, Ok(Answer::Pushed))),
        (3, invoked(0, 2, Operation::Read(Read::Top { qid: QueueId(1) }))),
        (4, returned(0, 2, Ok(Answer::Item(i64::MIN)))),
        (
            5,
            told(
                1,
                Fact::Replied {
                    request: RequestId((1 << 53) - 1),
                    reply: Reply::SessionOpened(SessionId {
                        index: 1,
                        nonce: u64::MAX,
                    }),
                },
            ),
        ),
        (
            6,
            told(
                1,
                Fact::Requested {
                    request: RequestId(1 << 53),
                    operation: None,
                },
            ),
        ),
    ];
    let lines = exported(Format::JsonLines, &great);
    for exact in [
        "{\"Item\":\"-9223372036854775808\"}",
        "{\"SessionOpened\":{\"index\":1,\"nonce\":\"18446744073709551615\"}}",
        "\"request\":9007199254740991,",
        "\"request\":\"9007199254740992\",",
    ] {
        assert!(lines.contains(exact), "{exact} is not in {lines}");
    }
    let history = exported(Format::History, &great);
    assert!(history.contains(":value [1 -9223372036854775808]}"), "{history}");
}

/// A client may begin again under names that were used before, as it does in a branch of a run.
#[test]
fn a_call_whose_name_comes_again_keeps_its_process_for_ever() {
    let create = |label| Operation::Write(Write::CreateQueue { label: Label(label) });
    let history = exported(
        Format::History,
        &[
            (1, invoked(0, 1, create(-1))),
            (2, invoked(0, 1, create(2))),
            (3, returned(0, 1, Err(QueueError::LabelOutOfRange))),
            (4, invoked(0, 2, create(3))),
            (
                5,
                What::GaveUp {
                    client: 0,
                    call: CallNumber(2),
                },
            ),
            (6, invoked(0, 3, create(4))),
        ],
    );
    let expected = "\
        {:index 0, :time 1000, :type :invoke, :process 0, :f :create_queue, :value [-1 nil]}\n\
        {:index 1, :time 2000, :type :invoke, :process 1, :f :create_queue, :value [2 nil]}\n\
        {:index 2, :time 3000, :type :fail, :process 1, :f :create_queue, :value [2 nil], :error :label-out-of-range}\n\
        {:index 3, :time 4000, :type :invoke, :process 1, :f :create_queue, :value [3 nil]}\n\
        {:index 4, :time 5000, :type :info, :process 1, :f :create_queue, :value [3 nil], :error :timeout}\n\
        {:index 5, :time 6000, :type :invoke, :process 2, :f :create_queue, :value [4 nil]}\n";
    assert_eq!(history, expected);
}

/// The slices of a thread, by their beginnings and ends.
fn slices(chrome: &str, thread: &str) -> Vec<(u64, u64, String)> {
    let trace: Value = serde_json::from_str(chrome).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let named = events
        .iter()
        .find(|event| event["name"] == "thread_name" && event["args"]["name"] == thread);
    let thread = &named.unwrap_or_else(|| panic!("no {thread}"))["tid"];
    let slices = events
        .iter()
        .filter(|event| event["ph"] == "X" && event["tid"] == *thread);
    let slice = |event: &Value| {
        let (from, lasts) = (event["ts"].as_u64().unwrap(), event["dur"].as_u64().unwrap());
        (from, from + lasts, event["name"].as_str().unwrap().to_owned())
    };
    slices.map(slice).collect()
}

#[test]
fn what_happens_at_one_instant_stands_side_by_side() {
    let mut many: Vec<(u64, What)> = (1..=500).map(|number| (10, sent(number, 2, arrives(10)))).collect();
    many.extend((1..=500).map(|number| (10, received(2, number))));
    let chrome = exported(Format::Chrome, &many);
    for (thread, first) in [("Node 1, messages", 10), ("Node 2, messages", 11)] {
        let slices = slices(&chrome, thread);
        assert_eq!((slices.len(), slices[0].0), (500, first));
        assert!(slices.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{thread}");
    }
    // An arrow never points back in time, for it would be drawn the other way round.
    let (sent, taken) = (slices(&chrome, "Node 1, messages"), slices(&chrome, "Node 2, messages"));
    assert!(sent.iter().zip(&taken).all(|(sent, taken)| sent.1 <= taken.0));
}

#[test]
fn what_nobody_takes_ends_beside_its_receiver() {
    let chrome = exported(
        Format::Chrome,
        &[
            (10, sent(1, 2, arrives(20))),
            (11, sent(2, 2, Fate::Lost)),
            (12, sent(3, 2, arrives(90))),
            (13, sent(4, 2, arrives(30))),
            (30, received(2, 4)),
            (40, What::Crashed { node: NodeId(2) }),
            (50, told(1, Fact::Omitted { count: 1 })),
        ],
    );
    let ends = |thread| {
        let slices = slices(&chrome, thread);
        slices.into_iter().map(|(from, _, name)| (from, name))
    };
    let heartbeat = MessageSummary::Heartbeat {
        term: Term(1),
        prev_log_index: LogIndex(1),
        leader_commit: LogIndex(1),
    };
    let not_taken = format!("not taken: {heartbeat}");
    // One waited when the node crashed; one was still to come when the run ended.
    assert!(ends("Node 2, messages not taken").eq([(20, not_taken.clone()), (50, not_taken)]));
    assert!(ends("Node 2, messages").eq([(30, heartbeat.to_string())]));
    assert_eq!(
        ends("Node 1, messages").nth(1),
        Some((11, format!("lost on the way: {heartbeat}")))
    );
    let marks = |ph: &str| chrome.matches(&format!("\"ph\":\"{ph}\"")).count();
    assert_eq!((marks("s"), marks("f")), (3, 3));
}

/// Faults and calls that overlap, and those whose name comes again, have lanes; a lane that is free again is used again.
#[test]
fn what_overlaps_has_lanes_of_its_own() {
    let began = |fault, text: &str| What::FaultBegan {
        fault,
        text: text.to_owned(),
    };
    let top = Operation::Read(Read::Top { qid: QueueId(1) });
    let chrome = exported(
        Format::Chrome,
        &[
            (1, began(1, "a")),
            (2, began(2, "b")),
            (2, invoked(7, 1, top)),
            (3, What::FaultEnded { fault: 1 }),
            (3, invoked(7, 2, top)),
            (4, began(3, "c")),
            (5, began(2, "b again")),
            (5, returned(7, 1, Ok(Answer::Item(1)))),
            (6, invoked(7, 3, top)),
        ],
    );
    let slice = |from: u64, until: u64, name: &str| (from, until, name.to_owned());
    assert_eq!(slices(&chrome, "Faults 1"), [slice(1, 3, "a"), slice(4, 6, "c")]);
    assert_eq!(slices(&chrome, "Faults 2"), [slice(2, 5, "b"), slice(5, 6, "b again")]);
    let top = top.to_string();
    // What begins in the run's last microsecond is as wide as one.
    assert_eq!(slices(&chrome, "Client 7"), [slice(2, 5, &top), slice(6, 7, &top)]);
    assert_eq!(slices(&chrome, "Client 7 (2)"), [slice(3, 6, &top)]);
}
