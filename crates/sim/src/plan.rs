//! A run written out as data: every fault and every operation, each with its time. What is data can be deleted line by line,
//! which is how a failure is made small.

mod draw;

use std::fmt;

use ftqueue::Operation;
use raft_core::{Duration, Instant, NodeId};
use serde::{Deserialize, Serialize};

use crate::disk::Miscount;
use crate::settings::{Settings, Wanted};

/// The longest that a message is held by a heavy tail, in microseconds.
pub(crate) const TAIL_US_MAX: u64 = 180_000_000;

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
    /// So many of a thousand messages take longer by a time that has no bound but three minutes: at least so many
    /// microseconds, twice that with half the chance, and so on. Those behind them overtake them.
    HeavyTail { per_mille: u16, least_us: u64 },
    /// So many of the messages of before are sent again, whatever has become of their senders since.
    OldMessages { count: u16 },
    /// Nothing reaches this node, while others hear it.
    Deaf { node: NodeId },
    /// All links of this node, both ways, and its flushes take so much longer.
    SlowNode { node: NodeId, delay_us: u64 },
    /// A node crashes.
    Crash { node: NodeId, tail: Tail },
    /// The node that leads now crashes.
    LeaderCrash { tail: Tail },
    /// The node that leads now does not hear the others, or is not heard by them, or both.
    LeaderCut { hears: bool, is_heard: bool },
    /// So many of a thousand of the messages that leaders send to their followers are lost. Others pass.
    UnheardLeaders { per_mille: u16 },
    /// A node does not hear the others, or is not heard by them, or both.
    Isolated { node: NodeId, hears: bool, is_heard: bool },
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
    /// When this is over, the whole cluster is put back to what it was when it began: nodes boot from the disks of that instant,
    /// or go on from their states; the disk of one may stay behind in the old epoch; the clients whose bits are set go on, the
    /// others begin anew.
    GoBack {
        boots: bool,
        stays_behind: Option<NodeId>,
        clients_go_on: u16,
    },
    /// A client gives up what it waits for.
    Abandon { client: u16 },
    /// A client's request of before is sent again, to this node.
    OldRequest { client: u16, node: NodeId, back: u8 },
    /// Until this is over there is no room for what this node writes; without one, for what any writes: they share what there is.
    NoRoom { node: Option<NodeId> },
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
            What::HeavyTail { per_mille, least_us } => {
                write!(
                    f,
                    "{per_mille} ‰ of the messages are held for {} ms or much longer",
                    ms(least_us)
                )
            }
            What::OldMessages { count } => write!(f, "{count} old messages are sent again"),
            What::Deaf { node } => write!(f, "nothing reaches {node}"),
            What::SlowNode { node, delay_us } => {
                write!(f, "all links of {node} and its flushes take {} ms longer", ms(delay_us))
            }
            What::Crash { node, .. } => write!(f, "{node} crashes"),
            What::LeaderCrash { .. } => write!(f, "whoever leads crashes"),
            What::LeaderCut { hears, is_heard } => write!(f, "whoever leads {}", cut_off(hears, is_heard)),
            What::UnheardLeaders { per_mille } => write!(f, "{per_mille} ‰ of what leaders send to followers is lost"),
            What::Isolated { node, hears, is_heard } => write!(f, "{node} {}", cut_off(hears, is_heard)),
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
            What::NoRoom { node: Some(node) } => write!(f, "the disk of {node} has no room for a while"),
            What::NoRoom { node: None } => write!(f, "no disk has room for a while"),
            What::Wipe { node } => write!(f, "{node} loses its disk"),
            What::GoBack { .. } => write!(f, "what happens from here on is taken back at the end"),
            What::Abandon { client } => write!(f, "client {client} gives up what it waits for"),
            What::OldRequest { client, node, .. } => {
                write!(f, "an old request of client {client} reaches {node} again")
            }
        }
    }
}

fn cut_off(hears: bool, is_heard: bool) -> &'static str {
    match (hears, is_heard) {
        (false, false) => "is cut off",
        (false, true) => "hears nobody",
        (true, _) => "is heard by nobody",
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
        let mut draw = draw::Draw::new(&settings);
        let faults = draw.faults();
        let operations = draw.operations();
        Scenario {
            settings,
            faults,
            operations,
        }
    }
}
