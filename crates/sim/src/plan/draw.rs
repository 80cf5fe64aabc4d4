//! What a seed draws: faults in storms, with calms between them in which the cluster is to come back, and operations.

use ftqueue::{Label, Operation, QueueId, Read, Write};
use raft_core::{Duration, Instant, NodeId};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use super::{Fault, Tail, What};
use crate::disk::Miscount;
use crate::settings::{FaultKind, Settings};

/// Sets the random numbers of the plan apart from those of the settings.
const PLAN_STREAM: u64 = 1;
/// Before this, no fault begins: the cluster finds its first leader undisturbed.
const FIRST_FAULT: Instant = Instant(1_000_000);
/// When the first operation is submitted.
const FIRST_OPERATION_US: u64 = 500_000;
/// A storm lasts from this long, in microseconds, …
const STORM_US_MIN: u64 = 1_000_000;
/// … to this long.
const STORM_US_MAX: u64 = 12_000_000;
/// A calm is at least this long, in microseconds: an election, and the time in which clients find the leader.
const CALM_US_MIN: u64 = 1_500_000;
/// A link that is cut or slow for long is so for up to this, in microseconds.
const LONG_US_MAX: u64 = 90_000_000;
/// A process that is stopped may stand for minutes.
const PAUSE_US_MAX: u64 = 150_000_000;

/// Between them there is time for what they disturb to begin.
const THEME_INTERVAL_MIN: Duration = Duration::from_millis(250);

/// Faults that do together what none does alone.
const THEMES: [&[FaultKind]; 3] = [
    // Leaders come and go, and what was said under one is heard under another.
    &[
        FaultKind::HeavyTail,
        FaultKind::OldMessages,
        FaultKind::LeaderCut,
        FaultKind::LeaderCrash,
    ],
    // Leaders fall in the middle of what they do (figure 8).
    &[
        FaultKind::UnheardLeaders,
        FaultKind::LeaderCrash,
        FaultKind::LeaderCut,
        FaultKind::SlowFlush,
    ],
    // Disks fail, and what was on them counts.
    &[
        FaultKind::FailedFlush,
        FaultKind::Miscount,
        FaultKind::NoRoom,
        FaultKind::CrashInPersist,
        FaultKind::RestartAll,
    ],
];

/// Draws a plan.
///
/// A fault that leaves nothing alive would hide all others. So what disables many ends with its storm, and what outlasts one
/// leaves a majority well: that many nodes are neither lost nor under a fault of their own in every calm.
pub(super) struct Draw<'a> {
    random: ChaCha8Rng,
    settings: &'a Settings,
    /// When each node is well again, by the faults that outlast their storm; never, if it is lost.
    unwell_until: Vec<Instant>,
}

/// A time in which faults begin.
struct Storm {
    ends: Instant,
    kinds: Vec<FaultKind>,
    interval: Duration,
}

impl<'a> Draw<'a> {
    pub(super) fn new(settings: &'a Settings) -> Draw<'a> {
        let mut random = ChaCha8Rng::seed_from_u64(settings.seed);
        random.set_stream(PLAN_STREAM);
        Draw {
            random,
            settings,
            unwell_until: vec![Instant(0); usize::from(settings.nodes)],
        }
    }

    fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.random.next_u64() % (high - low + 1)
    }

    /// A span: mostly short, sometimes long, never longer than `high_us`.
    fn span(&mut self, low_us: u64, high_us: u64) -> Duration {
        let long = self.between(low_us, high_us.max(low_us));
        Duration(if self.between(0, 2) == 0 {
            long
        } else {
            low_us + (long - low_us) / 8
        })
    }

    pub(super) fn faults(&mut self) -> Vec<Fault> {
        let kinds: Vec<FaultKind> = self.settings.faults.iter().filter(|kind| !kind.is_of_tail()).collect();
        let mut faults = Vec::new();
        if kinds.is_empty() {
            return faults;
        }
        let end = Instant(self.settings.duration.0);
        let mut at = FIRST_FAULT;
        let mut storm = self.storm(at, &kinds);
        loop {
            at = at + Duration(self.between(0, 2 * storm.interval.0));
            if at >= storm.ends {
                let calm = self.span(CALM_US_MIN, CALM_US_MIN + STORM_US_MAX);
                at = at.max(storm.ends) + calm;
                storm = self.storm(at, &kinds);
            }
            if at >= end {
                return faults;
            }
            let kind = storm.kinds[self.between(0, storm.kinds.len() as u64 - 1) as usize];
            if let Some(what) = self.what(kind, at) {
                let lasts = self.lasts(what, at, storm.ends);
                faults.push(Fault {
                    at,
                    lasts: lasts.min(end.since(at)),
                    what,
                });
            }
        }
    }

    /// A storm that begins now. A third of them are of all kinds; the others of a few, which come the closer together: drawn from
    /// all, or such as belong together.
    fn storm(&mut self, at: Instant, kinds: &[FaultKind]) -> Storm {
        let ends = at + self.span(STORM_US_MIN, STORM_US_MAX);
        let interval = self.settings.fault_interval;
        let mut closer = Duration(interval.0.div_ceil(3));
        let few = match self.between(0, 2) {
            0 => Vec::new(),
            1 => {
                let count = self.between(2, 4);
                let pick = |_| kinds[self.between(0, kinds.len() as u64 - 1) as usize];
                (0..count).map(pick).collect()
            }
            _ => {
                closer = closer.max(THEME_INTERVAL_MIN);
                let theme = THEMES[self.between(0, THEMES.len() as u64 - 1) as usize];
                theme.iter().copied().filter(|kind| kinds.contains(kind)).collect()
            }
        };
        if few.is_empty() {
            let kinds = kinds.to_vec();
            return Storm { ends, kinds, interval };
        }
        Storm {
            ends,
            kinds: few,
            interval: closer,
        }
    }

    /// How long a fault lasts: to the end of its storm at most, unless it may outlast it.
    fn lasts(&mut self, what: What, at: Instant, storm_ends: Instant) -> Duration {
        let short = match what {
            What::RestartAll { .. } | What::FailedFlush { .. } => self.span(10_000, 1_000_000),
            What::OutlastingFlush { .. } => self.span(1_000_000, 10_000_000),
            What::LeaderCrash { .. } => self.span(20_000, 1_500_000),
            // Long enough for another to be elected and to commit.
            What::LeaderCut { .. } => self.span(800_000, 6_000_000),
            // Long enough for one or several to be elected.
            What::UnheardLeaders { .. } => self.span(300_000, 3_000_000),
            What::Deaf { .. } | What::OldMessages { .. } => self.span(200_000, 10_000_000),
            What::HeavyTail { .. } => self.span(1_000_000, 20_000_000),
            _ => self.span(20_000, 4_000_000),
        };
        let long_us_max = match what {
            What::Pause { .. } => PAUSE_US_MAX,
            What::Crash { .. } | What::OneWayCut { .. } | What::SlowLink { .. } | What::SlowNode { .. } => LONG_US_MAX,
            _ => 0,
        };
        if long_us_max > 0 && self.between(0, 3) == 0 {
            let long = self.span(1_000_000, long_us_max);
            let is_unwell = |node: &NodeId| self.unwell_until[usize::from(node.0) - 1] > at;
            let disabled = what.disables();
            // A link that fails is put down to one end, and rather to one that is not well anyway.
            let node = disabled.iter().find(|node| is_unwell(node)).or(disabled.first());
            if let Some(node) = node.copied().filter(|node| self.may_be_unwell(*node, at)) {
                let until = &mut self.unwell_until[usize::from(node.0) - 1];
                *until = (*until).max(at + long);
                return long;
            }
        }
        let left = storm_ends.since(at);
        if what.is_harmless_to_service() {
            short
        } else {
            short.min(left)
        }
    }

    /// Whether a majority is well if this node is not, whatever the storm does besides.
    fn may_be_unwell(&self, node: NodeId, at: Instant) -> bool {
        let place = usize::from(node.0) - 1;
        let others = self.unwell_until.iter().enumerate();
        let unwell = others.filter(|(other, until)| *other != place && **until > at).count();
        unwell < usize::from(self.settings.losable())
    }

    fn what(&mut self, kind: FaultKind, at: Instant) -> Option<What> {
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
        Some(match kind {
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
            FaultKind::LeaderCrash => What::LeaderCrash { tail: self.tail() },
            FaultKind::LeaderCut if nodes > 1 => {
                let how = self.between(0, 3);
                What::LeaderCut {
                    hears: how == 0,
                    is_heard: how == 1,
                }
            }
            FaultKind::UnheardLeaders if nodes > 1 => What::UnheardLeaders {
                per_mille: [500, 900, 1000][self.between(0, 2) as usize],
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
            FaultKind::OutlastingFlush => {
                let timeout_us = self.settings.timing.election_max.0;
                What::OutlastingFlush {
                    node,
                    us: self.between(timeout_us, 4 * timeout_us),
                }
            }
            FaultKind::FailedFlush => What::FailedFlush { node },
            FaultKind::Miscount => What::Miscount {
                node,
                count: Miscount::ALL[self.between(0, Miscount::ALL.len() as u64 - 1) as usize],
            },
            FaultKind::FlipAcknowledged | FaultKind::Wipe => {
                if !self.may_be_unwell(node, at) || self.between(0, 7) > 0 {
                    return None;
                }
                self.unwell_until[usize::from(node.0) - 1] = Instant::NEVER;
                let (per_mille, bit) = (self.between(0, 999) as u16, self.between(0, 7) as u8);
                if kind == FaultKind::Wipe {
                    What::Wipe { node }
                } else {
                    What::FlipAcknowledged { node, per_mille, bit }
                }
            }
            FaultKind::HeavyTail => What::HeavyTail {
                per_mille: [20, 100, 200, 400][self.between(0, 3) as usize],
                least_us: [50_000, 400_000, 1_600_000][self.between(0, 2) as usize],
            },
            FaultKind::OldMessages => What::OldMessages {
                count: self.between(1, 200) as u16,
            },
            FaultKind::Deaf if nodes > 1 => What::Deaf { node },
            FaultKind::SlowNode if nodes > 1 => What::SlowNode {
                node,
                delay_us: self.between(20_000, 600_000),
            },
            FaultKind::DiskFull => What::DiskFull { node },
            FaultKind::NoRoom => What::NoRoom {
                node: (self.between(0, 1) == 0).then_some(node),
            },
            FaultKind::GoBack => What::GoBack {
                boots: self.between(0, 2) == 0,
                stays_behind: (nodes > 2 && self.between(0, 1) == 0).then_some(node),
                clients_go_on: [0, self.between(0, 0xffff), 0xffff][self.between(0, 2) as usize] as u16,
            },
            FaultKind::Abandon => What::Abandon { client: self.client() },
            FaultKind::OldRequest => What::OldRequest {
                client: self.client(),
                node,
                back: self.between(1, 8) as u8,
            },
            FaultKind::Partition
            | FaultKind::Deaf
            | FaultKind::LeaderCut
            | FaultKind::UnheardLeaders
            | FaultKind::SlowNode
            | FaultKind::LostTail
            | FaultKind::TornWrite
            | FaultKind::FlipUnacknowledged => return None,
        })
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

    pub(super) fn operations(&mut self) -> Vec<(Instant, u16, Operation)> {
        let Settings {
            rate, queues, duration, ..
        } = *self.settings;
        let queues = u64::from(queues);
        let mut operations = Vec::new();
        let mut at_us = FIRST_OPERATION_US;
        let mut item = 0;
        // Some clients mostly write, some mostly read: of a hundred operations, so many push.
        let pushes = [40, 20][self.between(0, 1) as usize];
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
                    drawn if drawn < 5 + pushes => {
                        item += 1;
                        Operation::Write(Write::Push { qid, item })
                    }
                    drawn if drawn < 2 * pushes => Operation::Write(Write::Pop { qid }),
                    drawn if drawn.is_multiple_of(2) => Operation::Read(Read::Top { qid }),
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

impl What {
    /// The nodes without any one of which the rest of the cluster is well while this lasts.
    fn disables(self) -> Vec<NodeId> {
        match self {
            What::Pause { node } | What::Crash { node, .. } | What::SlowNode { node, .. } => vec![node],
            What::OneWayCut { from, to } => vec![from, to],
            What::SlowLink { one, other, .. } => vec![one, other],
            _ => Vec::new(),
        }
    }

    /// Whether a cluster serves its clients as if it were not there, or nearly so.
    fn is_harmless_to_service(self) -> bool {
        matches!(
            self,
            What::HeavyTail { .. } | What::OldMessages { .. } | What::Duplicate { .. } | What::GoBack { .. }
        )
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
