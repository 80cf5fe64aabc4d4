//! What a person chooses for a run, and what the seed chooses for the rest. Whole numbers only, so that every machine draws
//! the same.

use std::fmt;

use raft_core::{Duration, MEMBERS_MAX, Rule, Rules, Timing};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// The most operations that clients submit in a second of virtual time.
pub const RATE_MAX: u32 = 10_000;
/// The most clients that are drawn.
const CLIENTS_MAX: u64 = 48;
/// The longest run, in seconds of virtual time.
pub const SECONDS_MAX: u32 = 24 * 60 * 60;

macro_rules! fault_kinds {
    ($( $(#[doc = $doc:literal])+ $kind:ident $name:literal, )+) => {
        /// What can go wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum FaultKind { $( $(#[doc = $doc])+ $kind, )+ }

        impl FaultKind {
            /// Every kind.
            pub const ALL: &'static [FaultKind] = &[ $( FaultKind::$kind, )+ ];

            /// How commands and reports spell it.
            pub fn name(self) -> &'static str {
                match self { $( FaultKind::$kind => $name, )+ }
            }
        }
    };
}

fault_kinds! {
    /// Messages are lost.
    Drop "drop",
    /// Messages arrive twice.
    Duplicate "duplicate",
    /// Messages overtake one another.
    Reorder "reorder",
    /// All messages take longer, and differ in how long.
    Delay "delay",
    /// The cluster falls into two parts that do not hear each other.
    Partition "partition",
    /// One direction of one link is cut.
    OneWayCut "one-way-cut",
    /// One link is slow.
    SlowLink "slow-link",
    /// One link is cut and mended again and again.
    Flap "flap",
    /// Some messages take very much longer, up to minutes, and outlive leaders and boots.
    HeavyTail "heavy-tail",
    /// Messages of before, of older boots and terms, are sent again.
    OldMessages "old-messages",
    /// Nothing reaches a node, while others hear it.
    Deaf "deaf",
    /// A node's links and flushes are slow.
    SlowNode "slow-node",
    /// A node crashes and restarts.
    Crash "crash",
    /// Whoever leads crashes, and restarts.
    LeaderCrash "leader-crash",
    /// Whoever leads is cut off, or hears nobody, or nobody hears it, and goes on leading.
    LeaderCut "leader-cut",
    /// What leaders send to their followers is lost, while candidates are heard: leaders come, write to their own logs, and go.
    UnheardLeaders "unheard-leaders",
    /// A node crashes while bytes that it wrote are not flushed.
    CrashInPersist "crash-in-persist",
    /// All nodes crash at once and restart.
    RestartAll "restart-all",
    /// A node stands still, up to minutes.
    Pause "pause",
    /// A node's clock runs up to ten times too fast or too slow.
    Skew "skew",
    /// Flushing takes long.
    SlowFlush "slow-flush",
    /// A flush completes when its node is in a newer term than when it asked.
    LateFlush "late-flush",
    /// Flushes on a node take longer than its timers, for a while.
    OutlastingFlush "outlasting-flush",
    /// A flush fails: the node ends, and what it had written is in the cache only, as if it were written out.
    FailedFlush "failed-flush",
    /// Writes say that they wrote what they did not.
    Miscount "miscount",
    /// A crash takes all bytes that were not flushed.
    LostTail "lost-tail",
    /// A crash leaves a part of the bytes that were not flushed.
    TornWrite "torn-write",
    /// A crash leaves the bytes that were not flushed with one bit wrong.
    FlipUnacknowledged "flip-unacknowledged",
    /// One bit of what was flushed is wrong: the node must refuse, and is a lost member.
    FlipAcknowledged "flip-acknowledged",
    /// A write fails for good, as a disk that is full may have it: the node fails, and starts again when there is room.
    DiskFull "disk-full",
    /// A disk loses everything: a lost member.
    Wipe "wipe",
    /// The whole cluster is put back, as one step, to what it was at an earlier instant, and goes on from there in a new epoch.
    GoBack "go-back",
    /// A client gives up an operation for ever.
    Abandon "abandon",
    /// An old request is sent once more.
    OldRequest "old-request",
    /// There is no room for writes: the node waits for some, takes part meanwhile, and promises nothing that it did not flush.
    NoRoom "no-room",
}

/// A set of kinds of faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultKinds(u64);

impl FaultKinds {
    /// Every kind.
    pub fn all() -> FaultKinds {
        FaultKind::ALL.iter().copied().collect()
    }

    /// All of these but one kind.
    pub fn without(self, kind: FaultKind) -> FaultKinds {
        FaultKinds(self.0 & !(1 << kind as u32))
    }

    /// Whether a kind is among them.
    pub fn has(self, kind: FaultKind) -> bool {
        self.0 & (1 << kind as u32) != 0
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that are in it, in the order of [`FaultKind::ALL`].
    pub fn iter(self) -> impl Iterator<Item = FaultKind> {
        FaultKind::ALL.iter().copied().filter(move |kind| self.has(*kind))
    }

    /// The kinds named in a list with commas, from left to right: `all`, a kind, or a kind with `-` before it, which takes it out of those
    /// before it. Or `none`, alone.
    ///
    /// # Errors
    /// Names the word that is no kind, and the kinds that there are; or the word that says nothing where it stands.
    pub fn parse(text: &str) -> Result<FaultKinds, String> {
        let kind = |name: &str| {
            let found = FaultKind::ALL.iter().copied().find(|kind| kind.name() == name);
            found.ok_or_else(|| {
                let names: Vec<&str> = FaultKind::ALL.iter().map(|kind| kind.name()).collect();
                format!(
                    "there is no fault {name:?}: use all, none, or a list of {}; all,-pause is all but one",
                    names.join(", ")
                )
            })
        };
        let mut kinds = FaultKinds::default();
        if text.trim() == "none" {
            return Ok(kinds);
        }
        for word in text.split(',').map(str::trim) {
            kinds = match word.strip_prefix('-') {
                Some(name) => match kind(name)? {
                    kind if kinds.has(kind) => kinds.without(kind),
                    _ => {
                        return Err(format!(
                            "-{name} takes out what is not there: name it behind others, as in all,-{name}"
                        ));
                    }
                },
                None if word == "all" => FaultKinds::all(),
                None if word == "none" => return Err("none stands alone: leave it out, or the others".to_owned()),
                None => FaultKinds(kinds.0 | 1 << kind(word)? as u32),
            };
        }
        Ok(kinds)
    }
}

/// As [`FaultKinds::parse`] reads it.
impl fmt::Display for FaultKinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        if *self == FaultKinds::all() {
            return f.write_str("all");
        }
        let names: Vec<&str> = self.iter().map(FaultKind::name).collect();
        f.write_str(&names.join(","))
    }
}

impl FromIterator<FaultKind> for FaultKinds {
    fn from_iter<I: IntoIterator<Item = FaultKind>>(kinds: I) -> FaultKinds {
        FaultKinds(kinds.into_iter().fold(0, |set, kind| set | 1 << kind as u32))
    }
}

/// What a person asks for; the seed draws the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// How many nodes, 1 to 9.
    pub nodes: Option<u8>,
    /// How long the phase with faults lasts, in seconds of virtual time.
    pub seconds: Option<u32>,
    /// Which faults there may be; the seed draws which of them there are, unless `every_fault`.
    pub faults: Option<FaultKinds>,
    /// Whether all of `faults` are on, and not only those that the seed draws.
    pub every_fault: bool,
    /// How many operations clients submit in a second.
    pub rate: Option<u32>,
    /// The rule that is switched off.
    pub ablate: Option<Rule>,
    /// How fast timers run.
    pub timing: Option<Timing>,
    /// How long every flush takes.
    pub flush: Option<Duration>,
}

/// The circumstances of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Seeds the nodes, the links and the disks.
    pub seed: u64,
    /// How many nodes.
    pub nodes: u8,
    /// How fast their timers run.
    pub timing: Timing,
    /// The shortest time that a message takes between nodes, in microseconds.
    pub delay_us: u64,
    /// How much longer it may take.
    pub jitter_us: u64,
    /// The shortest and the longest time that a flush takes, in microseconds.
    pub flush_us: (u64, u64),
    /// How many clients there are.
    pub clients: u16,
    /// Whether clients are told at once that a node crashed, as those of the page are, or have to find out.
    pub clients_are_told: bool,
    /// How many queues they use.
    pub queues: u16,
    /// How many operations they submit in a second.
    pub rate: u32,
    /// How long the phase with faults lasts.
    pub duration: Duration,
    /// Which faults there are.
    pub faults: FaultKinds,
    /// How long it is from one fault to the next, on average.
    pub fault_interval: Duration,
    /// Which rules hold.
    pub rules: Rules,
    /// After how many applied entries nodes take snapshots.
    pub compact_after: u64,
}

impl Settings {
    /// The settings of a seed, with what is wanted: a *swarm*, in which each seed has a mixture of its own.
    pub fn drawn(seed: u64, wanted: Wanted) -> Settings {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = |low: u64, high: u64| low + random.next_u64() % (high - low + 1);
        let nodes = [1, 2, 3, 3, 3, 4, 5, 5, 5, 5, 5, 6, 7, 7, 8, 9][draw(0, 15) as usize];
        let (delay_us, jitter_us) = match draw(0, 5) {
            0 => (draw(0, 200), draw(0, 200)),
            1 => (draw(10_000, 30_000), draw(0, 20_000)),
            _ => (draw(500, 8_000), draw(0, 8_000)),
        };
        let flush_min_us = draw(20, 2_000);
        let flush_us = (flush_min_us, flush_min_us + draw(0, 6_000));
        let flush_us = wanted.flush.map_or(flush_us, |flush| (flush.0, flush.0));
        let few_clients = draw(1, 8);
        let clients_are_told = draw(0, 2) == 0;
        let queues = draw(1, 4) as u16;
        let rate = [5, 20, 50, 100, 100, 200][draw(0, 5) as usize];
        let rate = wanted.rate.unwrap_or(rate).min(RATE_MAX);
        // A client does one thing after the other. So many of them do what they are asked in less than half of the time, and
        // catch up after a storm.
        let operation_us = 2 * (delay_us + jitter_us) + 2 * flush_us.1 + 4_000;
        let clients = (2 * u64::from(rate) * operation_us / 1_000_000).clamp(few_clients, CLIENTS_MAX) as u16;
        let wide = draw(0, 3) == 0;
        let election_min = Duration::from_millis(if wide { draw(150, 400) } else { 150 });
        let timing = Timing {
            election_min,
            election_max: Duration(election_min.0 + 1_000 * draw(100, 200)),
            heartbeat: Duration::from_millis(draw(20, 60)),
        };
        let fault_interval = Duration::from_millis([150, 400, 1_000, 3_000][draw(0, 3) as usize]);
        let allowed = wanted.faults.unwrap_or_else(FaultKinds::all);
        // Each kind is there with a chance of its own, so that no fault hides behind the others for ever.
        let odds = draw(1, 4);
        let drawn: FaultKinds = FaultKind::ALL.iter().copied().filter(|_| draw(0, 4) < odds).collect();
        let faults = allowed
            .iter()
            .filter(|kind| wanted.every_fault || drawn.has(*kind))
            .collect();
        let compact_after = [4, 16, 64, 256, 1024, 4096][draw(0, 5) as usize];
        Settings {
            seed,
            nodes: wanted.nodes.unwrap_or(nodes).clamp(1, MEMBERS_MAX as u8),
            timing: wanted.timing.unwrap_or(timing),
            delay_us,
            jitter_us,
            flush_us,
            clients,
            clients_are_told,
            queues,
            rate,
            duration: Duration(u64::from(wanted.seconds.unwrap_or(60).clamp(1, SECONDS_MAX)) * 1_000_000),
            faults,
            fault_interval,
            rules: wanted.ablate.map_or_else(Rules::default, Rules::without),
            compact_after,
        }
    }

    /// How many members may be lost for good: a majority remains.
    pub fn losable(&self) -> u8 {
        (self.nodes - 1) / 2
    }
}

/// Timers as they are by a clock that runs at so many thousandths of the true speed.
pub(crate) fn skewed(timing: Timing, per_mille: u32) -> Timing {
    let scaled = |span: Duration| Duration((span.0.saturating_mul(1000) / u64::from(per_mille)).max(1));
    Timing {
        election_min: scaled(timing.election_min),
        election_max: scaled(timing.election_max),
        heartbeat: scaled(timing.heartbeat),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_faults_adds_and_takes_out() {
        let parsed = |text| FaultKinds::parse(text).unwrap();
        assert_eq!(parsed("none"), FaultKinds::default());
        assert_eq!(parsed("crash, pause").iter().count(), 2);
        assert_eq!(parsed("crash,pause,-crash"), parsed("pause"));
        assert_eq!(parsed("all,-pause"), FaultKinds::all().without(FaultKind::Pause));
        assert_eq!(parsed("all").iter().count(), FaultKind::ALL.len());
        for text in ["all", "none", "crash,pause"] {
            assert_eq!(parsed(text).to_string(), text);
        }
        for wrong in [
            "",
            "all,",
            "-",
            "all,-",
            "pauses",
            "-all",
            "--pause",
            "-pause",
            "crash,-pause",
            "none,crash",
            "crash,none",
        ] {
            assert!(FaultKinds::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
