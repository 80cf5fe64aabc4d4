//! A scenario as a file: `.ftq`. What comes from outside is read once, with limits, and refused in one line.

use std::fmt;

use cluster::metered::{MeteredError, take_within};
use raft_core::{Instant, MEMBERS_MAX, NodeId, TimingError};

use crate::plan::{Scenario, TAIL_US_MAX, What};
use crate::settings::{RATE_MAX, SECONDS_MAX, skewed};

/// What a file begins with.
pub const MAGIC: [u8; 8] = *b"ftqrun\r\n";
/// The version of the format.
pub const VERSION: u8 = 3;
/// The longest file.
pub const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How much memory its operations and faults may take, in bytes: they are a few bytes each in the file and dozens in memory.
pub const MEMORY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The magic, the version and the checksum of the rest.
const HEAD_BYTES: usize = MAGIC.len() + 1 + 4;
/// The most clients of a run.
const CLIENTS_MAX: u16 = 1_000;
/// The longest flush, in microseconds.
pub const FLUSH_US_MAX: u64 = 60_000_000;
/// The longest election timeout and the longest time between heartbeats, in microseconds.
pub const ELECTION_US_MAX: u64 = 60_000_000;

/// Why a file is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileError {
    /// It is no such file.
    Foreign,
    /// Another version wrote it.
    Version(u8),
    /// It is cut off, or some of it is wrong.
    Damaged,
    /// It is longer than files are.
    TooLong,
    /// It asks for more than a file holds.
    TooMuch,
    /// It asks for what cannot be.
    Absurd(&'static str),
    /// With its timers no leader is elected.
    Timing(TimingError),
}

/// The bytes of a scenario.
///
/// # Errors
/// It is too long for a file.
pub fn write(scenario: &Scenario) -> Result<Vec<u8>, String> {
    let memory = size_of_val(&scenario.operations[..]) + size_of_val(&scenario.faults[..]);
    if memory > MEMORY_BYTES_MAX {
        return Err(format!(
            "the run has {} operations and faults, which is more than a file holds: make it shorter",
            scenario.operations.len() + scenario.faults.len()
        ));
    }
    let body = postcard::to_allocvec(scenario).map_err(|error| error.to_string())?;
    if body.len() + HEAD_BYTES > FILE_BYTES_MAX {
        return Err(format!(
            "the run takes {} bytes, and a file holds {FILE_BYTES_MAX}: make it shorter",
            body.len()
        ));
    }
    let mut bytes = MAGIC.to_vec();
    bytes.push(VERSION);
    bytes.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// The scenario that bytes hold.
///
/// # Errors
/// Says why they hold none.
pub fn read(bytes: &[u8]) -> Result<Scenario, FileError> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(FileError::TooLong);
    }
    let rest = bytes.strip_prefix(&MAGIC).ok_or(FileError::Foreign)?;
    let (version, rest) = rest.split_first().ok_or(FileError::Damaged)?;
    if *version != VERSION {
        return Err(FileError::Version(*version));
    }
    let (checksum, body) = rest.split_first_chunk::<4>().ok_or(FileError::Damaged)?;
    if crc32fast::hash(body).to_le_bytes() != *checksum {
        return Err(FileError::Damaged);
    }
    let (scenario, rest) = take_within::<Scenario>(body, MEMORY_BYTES_MAX).map_err(|why| match why {
        MeteredError::Spent => FileError::TooMuch,
        MeteredError::Malformed => FileError::Damaged,
    })?;
    if !rest.is_empty() {
        return Err(FileError::Damaged);
    }
    check(&scenario)?;
    Ok(scenario)
}

fn check(scenario: &Scenario) -> Result<(), FileError> {
    let settings = &scenario.settings;
    let timing = settings.timing;
    let sound = |fits: bool, what: &'static str| if fits { Ok(()) } else { Err(FileError::Absurd(what)) };
    sound(
        (1..=MEMBERS_MAX as u8).contains(&settings.nodes),
        "a cluster of so many nodes",
    )?;
    sound((1..=CLIENTS_MAX).contains(&settings.clients), "so many clients")?;
    sound(settings.queues > 0 && settings.rate <= RATE_MAX, "so many operations")?;
    sound(
        (1..=u64::from(SECONDS_MAX) * 1_000_000).contains(&settings.duration.0),
        "so long a run",
    )?;
    sound(
        settings.flush_us.0 <= settings.flush_us.1 && settings.flush_us.1 <= FLUSH_US_MAX,
        "such flushes",
    )?;
    sound(
        settings.delay_us.max(settings.jitter_us) <= netem::DELAY_US_MAX,
        "such links",
    )?;
    let longest = timing.heartbeat.max(timing.election_min).max(timing.election_max);
    sound(longest.0 <= ELECTION_US_MAX, "such timers")?;
    timing.check().map_err(FileError::Timing)?;
    for fault in &scenario.faults {
        if let What::Skew { per_mille, .. } = fault.what {
            sound((1..=1_000_000).contains(&per_mille), "such a clock")?;
            skewed(timing, per_mille).check().map_err(FileError::Timing)?;
        }
    }
    let end = Instant(settings.duration.0);
    let is_member = |node: NodeId| (1..=settings.nodes).contains(&node.0);
    let possible = |what: What| match what {
        What::OneWayCut { from, to } => is_member(from) && is_member(to),
        What::SlowLink { one, other, delay_us } => {
            is_member(one) && is_member(other) && delay_us <= netem::DELAY_US_MAX
        }
        What::Flap { one, other, period_us } => is_member(one) && is_member(other) && period_us > 0,
        What::Delay { delay_us, jitter_us } => delay_us.max(jitter_us) <= netem::DELAY_US_MAX,
        What::Reorder { jitter_us } => jitter_us <= netem::DELAY_US_MAX,
        What::SlowFlush { node, us } | What::OutlastingFlush { node, us } => is_member(node) && us <= FLUSH_US_MAX,
        What::Skew { node, .. } => is_member(node),
        What::SlowNode { node, delay_us } => is_member(node) && delay_us <= netem::DELAY_US_MAX,
        What::GoBack { stays_behind: node, .. } | What::NoRoom { node } => node.is_none_or(is_member),
        What::HeavyTail { least_us, .. } => least_us <= TAIL_US_MAX,
        What::Deaf { node }
        | What::Isolated { node, .. }
        | What::Crash { node, .. }
        | What::CrashInPersist { node, .. }
        | What::Pause { node }
        | What::LateFlush { node }
        | What::FailedFlush { node }
        | What::Miscount { node, .. }
        | What::FlipAcknowledged { node, .. }
        | What::DiskFull { node }
        | What::Wipe { node }
        | What::OldRequest { node, .. } => is_member(node),
        What::Drop { .. }
        | What::Duplicate { .. }
        | What::Partition { .. }
        | What::OldMessages { .. }
        | What::LeaderCrash { .. }
        | What::LeaderCut { .. }
        | What::UnheardLeaders { .. }
        | What::RestartAll { .. }
        | What::Abandon { .. } => true,
    };
    let in_time = scenario
        .faults
        .iter()
        .all(|fault| fault.at <= end && fault.lasts <= settings.duration);
    sound(
        in_time && scenario.faults.is_sorted_by_key(|fault| fault.at),
        "faults out of time",
    )?;
    sound(
        scenario.faults.iter().all(|fault| possible(fault.what)),
        "faults of what is not there",
    )?;
    sound(
        scenario.operations.is_sorted_by_key(|(at, ..)| *at),
        "operations out of time",
    )
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileError::Foreign => write!(
                f,
                "this is no run of FTQueue: give a file that `ftq sim --trace` or `ftq fuzz` wrote"
            ),
            FileError::Version(found) => write!(
                f,
                "it was written in version {found} of the format, and this program reads version {VERSION}: repeat it with the `ftq` \
                 that wrote it, or write it anew, from its seed"
            ),
            FileError::Damaged => write!(f, "it is damaged or cut off: write it anew, from its seed"),
            FileError::TooLong => write!(
                f,
                "it is longer than a run, which has at most {FILE_BYTES_MAX} bytes: if it is one, write a shorter one"
            ),
            FileError::TooMuch => write!(
                f,
                "it asks for more operations and faults than a run holds that is kept: write a shorter one, from its seed"
            ),
            FileError::Absurd(what) => write!(
                f,
                "it asks for {what}, which cannot be carried out: write it anew, from its seed"
            ),
            FileError::Timing(error) => write!(f, "nobody could be elected in it. {error}"),
        }
    }
}

impl std::error::Error for FileError {}

#[cfg(test)]
mod tests {
    use raft_core::{Duration, Timing};

    use super::*;
    use crate::plan::Fault;
    use crate::settings::{FaultKinds, Wanted};

    #[test]
    fn what_was_written_is_read() {
        for seed in 0..50 {
            let scenario = Scenario::drawn(
                seed,
                Wanted {
                    seconds: Some(20),
                    ..Wanted::default()
                },
            );
            assert_eq!(read(&write(&scenario).unwrap()), Ok(scenario));
        }
    }

    #[test]
    fn what_is_wrong_is_refused_with_its_reason() {
        let scenario = Scenario::drawn(
            3,
            Wanted {
                seconds: Some(2),
                ..Wanted::default()
            },
        );
        let bytes = write(&scenario).unwrap();
        assert_eq!(read(b"hello"), Err(FileError::Foreign));
        for cut in MAGIC.len()..bytes.len() {
            assert_eq!(read(&bytes[..cut]), Err(FileError::Damaged));
        }
        let mut newer = bytes.clone();
        newer[MAGIC.len()] = VERSION + 1;
        assert_eq!(read(&newer), Err(FileError::Version(VERSION + 1)));
        for place in MAGIC.len() + 1..bytes.len() {
            let mut wrong = bytes.clone();
            wrong[place] ^= 4;
            assert_eq!(read(&wrong), Err(FileError::Damaged));
        }
        let mut absurd = scenario;
        absurd.settings.nodes = 200;
        assert_eq!(
            read(&write(&absurd).unwrap()),
            Err(FileError::Absurd("a cluster of so many nodes"))
        );
    }

    /// Timers that a clock which runs too fast or too slow brings together are as bad as those that are.
    #[test]
    fn a_run_in_which_nobody_can_be_elected_is_refused_in_a_sentence() {
        let wanted = Wanted {
            nodes: Some(3),
            seconds: Some(2),
            faults: Some(FaultKinds::default()),
            ..Wanted::default()
        };
        let mut scenario = Scenario::drawn(3, wanted);
        let sound = scenario.settings.timing;
        let told = |scenario: &Scenario| read(&write(scenario).unwrap()).map_err(|error| error.to_string());
        scenario.settings.timing.election_max = sound.election_min;
        assert!(told(&scenario).unwrap_err().contains("every election timeout is"));
        scenario.settings.timing = Timing {
            heartbeat: sound.election_min,
            ..sound
        };
        assert!(told(&scenario).unwrap_err().contains("give up on every leader"));
        scenario.settings.timing = Timing {
            heartbeat: Duration(1),
            election_min: Duration(1_000),
            election_max: Duration(1_900),
        };
        assert_eq!(told(&scenario), Ok(scenario.clone()));
        let skew = |per_mille| Fault {
            at: Instant(0),
            lasts: Duration(1),
            what: What::Skew {
                node: NodeId(1),
                per_mille,
            },
        };
        scenario.faults = vec![skew(1_000_000)];
        let why = told(&scenario).unwrap_err();
        assert!(why.contains("The timers cannot work"), "{why}");
        scenario.faults = vec![skew(0)];
        assert_eq!(read(&write(&scenario).unwrap()), Err(FileError::Absurd("such a clock")));
    }
}
