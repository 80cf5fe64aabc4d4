//! `ftq bench`: commits a second of our core beside those of raft-rs, in one run on one thread.
//!
//! Both clusters live in memory: messages are moved from node to node, logs are kept in vectors, nothing is logged. Both carry the
//! same proposals of 16 bytes, and both apply them to the same queues on every node; at the end all queues must be the same. What
//! differs is the consensus.

mod ours;
mod raft_rs;

use std::time::{Duration, Instant};

use ftqueue::{Command, FtQueue, QueueId, Sequence, SessionId, Write};
use serde_json::json;

use crate::args::Bench;
use crate::end::End;
use crate::out;
use crate::progress::Line;
use crate::signals::Signals;

/// The sizes of clusters.
const NODES: [u8; 2] = [3, 5];
/// How many proposals are made at once.
const BATCHES: [usize; 3] = [1, 64, 256];
/// The two take turns, so that a machine that slows down slows both.
const TURNS: u32 = 5;
/// How many operations one turn takes, for each proposal of a round.
const ROUNDS: usize = 20_000;
/// The most operations of a turn.
const OPERATIONS_MAX: usize = 400_000;

/// A proposal, as both carry it.
type Proposal = [u8; 16];

/// A cluster that commits what it is given.
trait Cluster {
    /// A cluster of so many that has a leader.
    fn of(nodes: u8) -> Self;
    /// Has the leader take the proposals, and runs until every node has applied them.
    fn commit(&mut self, proposals: &[Proposal]);
    /// How many messages were sent.
    fn messages(&self) -> u64;
    /// What each node holds.
    fn digests(&self) -> Vec<u64>;
}

/// What one of the two came to.
#[derive(Clone, Debug, Default)]
struct Sum {
    operations: u64,
    took: Duration,
    messages: u64,
    digests: Vec<u64>,
}

pub(crate) fn bench(asked: &Bench) -> Result<End, String> {
    let signals = Signals::heard()?;
    let mut line = Line::new();
    let mut cells = Vec::new();
    let mut slower = Vec::new();
    let mut text = format!(
        "{:<8}{:>6}{:>7}{:>14}{:>14}{:>8}{:>12}{:>12}\n",
        "target", "nodes", "batch", "ours/s", "raft-rs/s", "ratio", "ours msg/op", "theirs"
    );
    'all: for nodes in NODES {
        for batch in BATCHES {
            let (mut ours, mut theirs) = (Sum::default(), Sum::default());
            for turn in 1..=TURNS {
                line.say(|| format!("{nodes} nodes, {batch} at once, turn {turn} of {TURNS}"));
                turn_of::<ours::Cluster>(nodes, batch, &signals, &mut ours);
                turn_of::<raft_rs::Cluster>(nodes, batch, &signals, &mut theirs);
                if signals.came() {
                    // Half a measurement is none.
                    break 'all;
                }
            }
            let all_same = ours
                .digests
                .iter()
                .chain(&theirs.digests)
                .all(|digest| *digest == ours.digests[0]);
            if !all_same {
                return Err(format!(
                    "with {nodes} nodes and {batch} at once, the queues of the two are not the same"
                ));
            }
            let (ours_per_s, theirs_per_s) = (ours.per_second(), theirs.per_second());
            let ratio = ours_per_s / theirs_per_s;
            if ratio < 1.0 {
                slower.push(format!("{nodes} nodes, {batch} at once"));
            }
            cells.push(json!({
                "target": "native",
                "nodes": nodes,
                "batch": batch,
                "ours_per_s": ours_per_s,
                "raft_rs_per_s": theirs_per_s,
                "ratio": ratio,
                "ours_messages_per_op": ours.messages_per_operation(),
                "raft_rs_messages_per_op": theirs.messages_per_operation(),
                "state_hash": format!("{:016x}", ours.digests[0]),
            }));
            text.push_str(&format!(
                "{:<8}{nodes:>6}{batch:>7}{ours_per_s:>14.0}{theirs_per_s:>14.0}{ratio:>8.2}{:>12.3}{:>12.3}\n",
                "native",
                ours.messages_per_operation(),
                theirs.messages_per_operation()
            ));
        }
    }
    line.clear();
    if asked.json {
        out::object(json!({ "cells": cells, "interrupted": signals.came() }))?;
    } else {
        out::say(&text)?;
    }
    if !slower.is_empty() {
        out::warn(&format!("slower than raft-rs with {}", slower.join("; ")));
    }
    Ok(match signals.exit_code() {
        _ if !slower.is_empty() => End::Violation,
        Some(code) => End::Interrupted(code),
        None => End::Clean,
    })
}

fn turn_of<C: Cluster>(nodes: u8, batch: usize, signals: &Signals, sum: &mut Sum) {
    let operations = (batch * ROUNDS).min(OPERATIONS_MAX);
    let mut cluster = C::of(nodes);
    let before = cluster.messages();
    let mut proposals = Vec::with_capacity(batch);
    let mut number = 0;
    let started = Instant::now();
    while number < operations as u64 && !signals.came() {
        proposals.clear();
        for _ in 0..batch {
            number += 1;
            proposals.push(proposal(number));
        }
        cluster.commit(&proposals);
    }
    sum.took += started.elapsed();
    sum.operations += number;
    sum.messages += cluster.messages() - before;
    sum.digests = cluster.digests();
}

impl Sum {
    fn per_second(&self) -> f64 {
        self.operations as f64 / self.took.as_secs_f64()
    }

    fn messages_per_operation(&self) -> f64 {
        self.messages as f64 / self.operations as f64
    }
}

/// The queues of a node, with the session and the queue that the proposals are for.
#[derive(Debug)]
struct Queues(FtQueue);

/// The place at which the session was opened, and so its name.
const SESSION: SessionId = SessionId { index: 1, nonce: 0 };
const QUEUE: QueueId = QueueId(1);

impl Queues {
    fn new() -> Queues {
        let mut queues = FtQueue::default();
        queues.apply(SESSION.index, &Command::OpenSession { nonce: 0 });
        let write = Write::CreateQueue {
            label: ftqueue::Label(7),
        };
        queues.apply(
            2,
            &Command::Write {
                session: SESSION,
                sequence: Sequence(1),
                write,
            },
        );
        Queues(queues)
    }

    /// Applies a proposal; its place among the proposals stands for its place in the log, which differs between the two.
    fn apply(&mut self, proposal: &Proposal) {
        let number = u64::from_le_bytes(proposal[..8].try_into().unwrap_or_default());
        let item = i64::from_le_bytes(proposal[8..].try_into().unwrap_or_default());
        let write = if item < 0 {
            Write::Pop { qid: QUEUE }
        } else {
            Write::Push { qid: QUEUE, item }
        };
        self.0.apply(
            number + 2,
            &Command::Write {
                session: SESSION,
                sequence: Sequence(number + 1),
                write,
            },
        );
    }

    fn digest(&self) -> u64 {
        self.0.digest()
    }
}

/// The proposal of this number: the number, and what to push, or to pop where that is negative. Every third pops.
fn proposal(number: u64) -> Proposal {
    let item = if number.is_multiple_of(3) { -1 } else { number as i64 };
    let mut proposal = [0; 16];
    proposal[..8].copy_from_slice(&number.to_le_bytes());
    proposal[8..].copy_from_slice(&item.to_le_bytes());
    proposal
}
