//! A run written out as data: every fault and every operation, each with its time. What is data can be deleted line by line,
//! which is how a failure is made small.

use std::fmt;

use ftqueue::{Label, Operation, QueueId, Read, Write};
use raft_core::{Duration, Instant, NodeId};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::disk::Miscount;
use crate::settings::{FaultKind, Settings, Wanted};

/// Sets the random numbers of the plan apart from those of the settings.
const PLAN_STREAM: u64 = 1;
/// Before this, no fault begins: the cluster finds its first leader undisturbed.
const FIRST_FAULT: Instant = Instant(1_000_000);
/// When the first operation is submitted.
const FIRST_OPERATION_US: u64 = 500_000;

/// A run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenario {
    /// Its circumstances.
    pub settings: Settings,
    /// What goes wrong, by the time at which it begins.
    pub faults: Vec<Fault>,
    /// What clients ask, by time: when, which client, what.
    pub operations: Vec<(Instant, u16, Operation)>,
}

/// Something that goes wrong for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// When it begins.
    pub at: Instant,
    /// How long it lasts; what crashed starts again at its end.
    pub lasts: Duration,
    /// What.
    pub what: What,
}

/// What goes wrong.
#[allow(missing_docs, reason = "each variant says what its numbers are")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// So many of a thousand messages are lost.
    Drop { per_mille: u16 },
    /// So many of a thousand messages arrive twice.
    Duplicate { per_mille: u16 },
    /// Messages may overtake one another, by up to so many microseconds.
    Reorder { jitter_us: u64 },
    /// All messages take so much longer, and up to so much more.
    Delay { delay_us: u64, jitter_us: u64 },
    /// The nodes whose bits are set do not hear the others, nor the others them.
    Partition { side: u16 },
    /// Nothing passes in this direction.
    OneWayCut { from: NodeId, to: NodeId },
    /// This link takes so much longer, both ways.
    SlowLink { one: NodeId, other: NodeId, delay_us: u64 },
    /// This link is cut for so long, then mended for as long, and so on.
    Flap { one: NodeId, other: NodeId, period_us: u64 },
    /// A node crashes.
    Crash { node: NodeId, tail: Tail },
    /// A node crashes as soon as it has written bytes that are not flushed.
    CrashInPersist { node: NodeId, tail: Tail },
    /// All nodes crash.
    RestartAll { tail: Tail },
    /// A node stands still.
    Pause { node: NodeId },
    /// A node's clock runs at so many thousandths of the true rate.
    Skew { node: NodeId, per_mille: u32 },
    /// A flush on this node takes so much longer.
    SlowFlush { node: NodeId, us: u64 },
    /// No flush on this node completes until this is over.
    LateFlush { node: NodeId },
    /// A flush on this node takes so much, longer than its timers.
    OutlastingFlush { node: NodeId, us: u64 },
    /// The next flush on this node fails, and the node with it.
    FailedFlush { node: NodeId },
    /// Writes on this node count like this.
    Miscount { node: NodeId, count: Miscount },
    /// One bit of what this node has flushed turns, at so many thousandths of it. The node crashes.
    FlipAcknowledged { node: NodeId, per_mille: u16, bit: u8 },
    /// This node cannot write.
    DiskFull { node: NodeId },
    /// This node loses its disk, for good.
    Wipe { node: NodeId },
    /// A client gives up what it waits for.
    Abandon { client: u16 },
    /// A client's request of before is sent again, to this node.
    OldRequest { client: u16, node: NodeId, back: u8 },
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |us: u64| us as f64 / 1_000.0;
        match *self {
            What::Drop { per_mille } => write!(f, "{per_mille} ‰ of the messages are lost"),
            What::Duplicate { per_mille } => write!(f, "{per_mille} ‰ of the messages arrive twice"),
            What::Reorder { jitter_us } => write!(f, "messages overtake one another by up to {} ms", ms(jitter_us)),
            What::Delay { delay_us, .. } => write!(f, "messages take {} ms longer", ms(delay_us)),
            What::Partition { side } => {
                let nodes = (1..=16).filter(|node| side >> (node - 1) & 1 == 1);
                let names: Vec<String> = nodes.map(|node| node.to_string()).collect();
                write!(f, "a partition: {} on one side", names.join(", "))
            }
            What::OneWayCut { from, to } => write!(f, "nothing passes from {from} to {to}"),
            What::SlowLink { one, other, delay_us } => {
                write!(f, "the link of {one} and {other} takes {} ms longer", ms(delay_us))
            }
            What::Flap { one, other, period_us } => {
                write!(
                    f,
                    "the link of {one} and {other} is cut every other {} ms",
                    ms(period_us)
                )
            }
            What::Crash { node, .. } => write!(f, "{node} crashes"),
            What::CrashInPersist { node, .. } => write!(f, "{node} crashes in the middle of a write"),
            What::RestartAll { .. } => write!(f, "all nodes crash"),
            What::Pause { node } => write!(f, "{node} stands still"),
            What::Skew { node, per_mille } => {
                write!(
                    f,
                    "the clock of {node} runs at {} of its rate",
                    f64::from(per_mille) / 1_000.0
                )
            }
            What::SlowFlush { node, us } => write!(f, "flushes on {node} take {} ms longer", ms(us)),
            What::LateFlush { node } => write!(f, "no flush on {node} completes"),
            What::OutlastingFlush { node, us } => {
                write!(f, "flushes on {node} take {} ms, longer than its timers", ms(us))
            }
            What::FailedFlush { node } => write!(f, "a flush on {node} fails"),
            What::Miscount { node, count } => match count {
                Miscount::Minus8 => write!(f, "writes on {node} answer −8"),
                Miscount::Zero => write!(f, "writes on {node} write nothing"),
                Miscount::NotANumber => write!(f, "writes on {node} answer no number"),
                Miscount::HalfForAll => write!(f, "writes on {node} write a half and answer all"),
                Miscount::Half => write!(f, "writes on {node} write a half at a time"),
            },
            What::FlipAcknowledged { node, .. } => write!(f, "a bit on the disk of {node} turns"),
            What::DiskFull { node } => write!(f, "the disk of {node} is full"),
            What::Wipe { node } => write!(f, "{node} loses its disk"),
            What::Abandon { client } => write!(f, "client {client} gives up what it waits for"),
            What::OldRequest { client, node, .. } => {
                write!(f, "an old request of client {client} reaches {node} again")
            }
        }
    }
}

/// What a crash leaves of the bytes that were written and not flushed.
#[allow(missing_docs, reason = "each variant says what its numbers are")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tail {
    /// All of them.
    Kept,
    /// None of them.
    Lost,
    /// So many thousandths of them.
    Torn { per_mille: u16 },
    /// All of them, but one bit at so many thousandths of them is wrong.
    Flipped { per_mille: u16, bit: u8 },
}

impl Scenario {
    /// The run of a seed, with what is wanted.
    pub fn drawn(seed: u64, wanted: Wanted) -> Scenario {
        Scenario::of(Settings::drawn(seed, wanted))
    }

    /// The run that the seed in the settings draws under them.
    pub fn of(settings: Settings) -> Scenario {
        let mut random = ChaCha8Rng::seed_from_u64(settings.seed);
        random.set_stream(PLAN_STREAM);
        let mut draw = Draw {
            random,
            settings: &settings,
            lost: 0,
        };
        let faults = draw.faults();
        let operations = draw.operations();
        Scenario {
            settings,
            faults,
            operations,
        }
    }
}

struct Draw<'a> {
    random: ChaCha8Rng,
    settings: &'a Settings,
    /// How many members have been lost for good.
    lost: u8,
}

impl Draw<'_> {
    fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.random.next_u64() % (high - low + 1)
    }

    /// A span: mostly short, sometimes long, never longer than `high_us`.
    fn span(&mut self, low_us: u64, high_us: u64) -> Duration {
        let long = self.between(low_us, high_us);
        Duration(if self.between(0, 2) == 0 {
            long
        } else {
            low_us + (long - low_us) / 8
        })
    }

    fn faults(&mut self) -> Vec<Fault> {
        let kinds: Vec<FaultKind> = self.settings.faults.iter().filter(|kind| !kind.is_of_tail()).collect();
        let mut faults = Vec::new();
        if kinds.is_empty() {
            return faults;
        }
        let mut at = FIRST_FAULT;
        loop {
            at = at + Duration(self.between(0, 2 * self.settings.fault_interval.0));
            if at.0 >= self.settings.duration.0 {
                return faults;
            }
            let kind = kinds[self.between(0, kinds.len() as u64 - 1) as usize];
            if let Some((what, lasts)) = self.fault(kind) {
                let left = Duration(self.settings.duration.0 - at.0);
                faults.push(Fault {
                    at,
                    lasts: lasts.min(left),
                    what,
                });
            }
        }
    }

    fn fault(&mut self, kind: FaultKind) -> Option<(What, Duration)> {
        let nodes = self.settings.nodes;
        let node = self.node();
        let pair = |draw: &mut Self| {
            (nodes > 1).then(|| {
                (
                    node,
                    NodeId(1 + (node.0 - 1 + draw.between(1, u64::from(nodes) - 1) as u8) % nodes),
                )
            })
        };
        let what = match kind {
            FaultKind::Drop => What::Drop {
                per_mille: [20, 100, 300, 600][self.between(0, 3) as usize],
            },
            FaultKind::Duplicate => What::Duplicate {
                per_mille: [100, 500, 1000][self.between(0, 2) as usize],
            },
            FaultKind::Reorder => What::Reorder {
                jitter_us: self.between(5_000, 100_000),
            },
            FaultKind::Delay => What::Delay {
                delay_us: self.between(0, 200_000),
                jitter_us: self.between(0, 200_000),
            },
            FaultKind::Partition if nodes > 1 => What::Partition {
                side: self.between(1, (1 << nodes) - 2) as u16,
            },
            FaultKind::OneWayCut => pair(self).map(|(from, to)| What::OneWayCut { from, to })?,
            FaultKind::SlowLink => {
                let delay_us = self.between(50_000, 1_000_000);
                pair(self).map(|(one, other)| What::SlowLink { one, other, delay_us })?
            }
            FaultKind::Flap => {
                let period_us = self.between(20_000, 400_000);
                pair(self).map(|(one, other)| What::Flap { one, other, period_us })?
            }
            FaultKind::Crash => What::Crash {
                node,
                tail: self.tail(),
            },
            FaultKind::CrashInPersist => What::CrashInPersist {
                node,
                tail: self.tail(),
            },
            FaultKind::RestartAll => What::RestartAll { tail: self.tail() },
            FaultKind::Pause => What::Pause { node },
            FaultKind::Skew => What::Skew {
                node,
                per_mille: [100, 250, 500, 2_000, 5_000, 10_000][self.between(0, 5) as usize],
            },
            FaultKind::SlowFlush => What::SlowFlush {
                node,
                us: self.between(10_000, 400_000),
            },
            FaultKind::LateFlush => What::LateFlush { node },
            FaultKind::OutlastingFlush => What::OutlastingFlush {
                node,
                us: {
                    let timeout_us = self.settings.timing.election_max.0;
                    self.between(timeout_us, 4 * timeout_us)
                },
            },
            FaultKind::FailedFlush => What::FailedFlush { node },
            FaultKind::Miscount => What::Miscount {
                node,
                count: Miscount::ALL[self.between(0, Miscount::ALL.len() as u64 - 1) as usize],
            },
            FaultKind::FlipAcknowledged | FaultKind::Wipe => {
                if self.lost >= self.settings.losable() || self.between(0, 7) > 0 {
                    return None;
                }
                self.lost += 1;
                let (per_mille, bit) = (self.between(0, 999) as u16, self.between(0, 7) as u8);
                if kind == FaultKind::Wipe {
                    What::Wipe { node }
                } else {
                    What::FlipAcknowledged { node, per_mille, bit }
                }
            }
            FaultKind::DiskFull => What::DiskFull { node },
            FaultKind::Abandon => What::Abandon { client: self.client() },
            FaultKind::OldRequest => What::OldRequest {
                client: self.client(),
                node,
                back: self.between(1, 8) as u8,
            },
            FaultKind::Partition | FaultKind::LostTail | FaultKind::TornWrite | FaultKind::FlipUnacknowledged => {
                return None;
            }
        };
        let lasts = match kind {
            // A process that is stopped may stand for minutes.
            FaultKind::Pause => self.span(50_000, 150_000_000.min(self.settings.duration.0)),
            FaultKind::RestartAll | FaultKind::FailedFlush => self.span(10_000, 1_000_000),
            FaultKind::OutlastingFlush => self.span(1_000_000, 20_000_000.min(self.settings.duration.0.max(1_000_000))),
            _ => self.span(20_000, 4_000_000),
        };
        Some((what, lasts))
    }

    fn tail(&mut self) -> Tail {
        let (per_mille, bit) = (self.between(0, 999) as u16, self.between(0, 7) as u8);
        let may = |kind| self.settings.faults.has(kind);
        let tails: Vec<Tail> = [
            Some(Tail::Kept),
            may(FaultKind::LostTail).then_some(Tail::Lost),
            may(FaultKind::TornWrite).then_some(Tail::Torn { per_mille }),
            may(FaultKind::FlipUnacknowledged).then_some(Tail::Flipped { per_mille, bit }),
        ]
        .into_iter()
        .flatten()
        .collect();
        tails[self.between(0, tails.len() as u64 - 1) as usize]
    }

    fn operations(&mut self) -> Vec<(Instant, u16, Operation)> {
        let Settings {
            rate, queues, duration, ..
        } = *self.settings;
        let queues = u64::from(queues);
        let mut operations = Vec::new();
        let mut at_us = FIRST_OPERATION_US;
        let mut item = 0;
        while rate > 0 && at_us < duration.0 {
            let label = Label(self.between(1, queues) as i64);
            // One more than there are queues: some ask for one that is not there.
            let stranger = u64::from(self.between(0, 19) == 0);
            let qid = QueueId(self.between(1, queues + stranger));
            let operation = if (operations.len() as u64) < queues {
                Operation::Write(Write::CreateQueue {
                    label: Label(operations.len() as i64 + 1),
                })
            } else {
                match self.between(0, 99) {
                    0..=1 => Operation::Write(Write::CreateQueue { label }),
                    2..=4 => Operation::Read(Read::GetQid { label }),
                    5..=44 => {
                        item += 1;
                        Operation::Write(Write::Push { qid, item })
                    }
                    45..=79 => Operation::Write(Write::Pop { qid }),
                    80..=89 => Operation::Read(Read::Top { qid }),
                    _ => Operation::Read(Read::Qsize { qid }),
                }
            };
            operations.push((Instant(at_us), self.client(), operation));
            at_us += self.between(0, 2_000_000 / u64::from(rate));
        }
        operations
    }

    fn node(&mut self) -> NodeId {
        NodeId(self.between(1, u64::from(self.settings.nodes)) as u8)
    }

    fn client(&mut self) -> u16 {
        self.between(0, u64::from(self.settings.clients) - 1) as u16
    }
}

impl FaultKind {
    /// Whether it is not a fault by itself, but what a crash does to what was not flushed.
    fn is_of_tail(self) -> bool {
        matches!(
            self,
            FaultKind::LostTail | FaultKind::TornWrite | FaultKind::FlipUnacknowledged
        )
    }
}
