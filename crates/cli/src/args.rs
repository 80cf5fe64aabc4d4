//! What can be typed.

use std::ffi::OsString;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Parser, Subcommand};
use raft_core::{Duration, MEMBERS_MAX, Rule, Timing};
use sim::{FaultKinds, RATE_MAX, SECONDS_MAX, Wanted, file};
use trace::export::Format;

/// The most threads.
const JOBS_MAX: i64 = 256;
/// The longest flush, in milliseconds.
const FLUSH_MS_MAX: u64 = file::FLUSH_US_MAX / 1000;
/// The most minutes that are waited: a year.
const MINUTES_MAX: f64 = 525_600.0;
/// The latest instant that is shown, in seconds.
const INSTANT_MAX: f64 = 1e9;

/// Runs a whole FTQueue cluster in virtual time: the same nodes as in the browser, every fault, every check, from one seed.
///
/// One seed is one run, on any machine. What fails is told as one line to paste.
///
///   ftq sim --seed 7                    one run, with what it came to
///   ftq fuzz --seeds 0..1000            many runs, each with a mixture of faults of its own
///   ftq ablations                       each of Raft's rules off in turn: is it caught?
///   ftq replay failure.ftq              a kept run once more, as the nodes tell it
///   ftq export failure.ftq --to chrome  the same for Perfetto, ShiViz, Jepsen's checkers
///   ftq bench                           how fast the core commits, beside raft-rs
#[derive(Debug, Parser)]
#[command(name = "ftq", version, verbatim_doc_comment, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes:
  0    all is well
  1    a promise was broken, or a check did not do its work; what was found is told whatever ended the command
  2    it could not be done: what was typed, a file, a full disk
  129, 130, 143  a signal (SIGHUP, Ctrl-C, SIGTERM) ended it before anything was found; a second one ends it at once

With --json, standard output is one object, also of what is refused: then its key is \"error\". Seeds, and whole numbers over 2^53, are text.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// One run. Exit code 0: clean; 1: a promise was broken; 2: it could not be run
    Sim(Sim),
    /// Many runs. Exit code 0: all clean, and every kind of fault took effect; 1: not so; 2: it could not be run
    Fuzz(Fuzz),
    /// Switches off each of Raft's rules in turn and looks for a run that shows it. Exit code 1 if one is never caught
    Ablations(Ablations),
    /// Repeats a run that was kept in a file
    Replay(Replay),
    /// Writes what happened in a run that was kept in a file, for other programs
    Export(Export),
    /// Commits a second of our core beside those of raft-rs, on one thread. Exit code 1 if ours are fewer anywhere
    Bench(Bench),
}

/// Whether JSON is asked for, in words of which it is not known yet what they ask.
pub(crate) fn ask_for_json(mut words: impl Iterator<Item = OsString>) -> bool {
    words
        .by_ref()
        .take_while(|word| word != "--")
        .any(|word| word == "--json")
}

#[derive(Debug, clap::Args)]
pub(crate) struct Sim {
    /// The seed from which everything that is not given here is drawn
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    pub(crate) seed: u64,
    /// How many nodes, 1 to 9
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(u8).range(1..=MEMBERS_MAX as i64))]
    nodes: Option<u8>,
    /// How long the phase with faults lasts, in seconds of virtual time
    #[arg(long, default_value_t = 60, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=i64::from(SECONDS_MAX)))]
    seconds: u32,
    /// Which faults: all, none (alone), or a list like drop,crash,torn-write, read from the left; -NAME takes one out of those before it, as
    /// in all,-pause. Without it, the seed draws some
    #[arg(long, value_name = "all|none|LIST", value_parser = FaultKinds::parse)]
    faults: Option<FaultKinds>,
    /// How many operations clients submit in a second of virtual time
    #[arg(long, value_name = "OPS_PER_S", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(0..=i64::from(RATE_MAX)))]
    rate: Option<u32>,
    /// A rule that is switched off: `ftq ablations --help` lists them
    #[arg(long, value_name = "RULE", value_parser = rule)]
    ablate: Option<Rule>,
    /// The shortest election timeout, in milliseconds, at most 60000. Without any timer, the seed draws all three; where one is given, the
    /// others are the paper's: 150, 300 and a heartbeat of 50 ms
    #[arg(long, value_name = "MS", allow_negative_numbers = true)]
    election_min: Option<u64>,
    /// The longest election timeout, in milliseconds, at most 60000; see --election-min
    #[arg(long, value_name = "MS", allow_negative_numbers = true)]
    election_max: Option<u64>,
    /// How often a leader shows that it is alive, in milliseconds, at most 60000; see --election-min
    #[arg(long, value_name = "MS", allow_negative_numbers = true)]
    heartbeat: Option<u64>,
    /// How long every flush takes, in milliseconds
    #[arg(long, value_name = "MS", allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(0..=FLUSH_MS_MAX))]
    flush: Option<u64>,
    /// Keeps the run in a file, for `ftq replay`
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// One JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

impl Sim {
    /// What is wanted of the run.
    ///
    /// # Errors
    /// With these timers nobody is elected, or they are longer than a run may have them.
    pub(crate) fn wanted(&self) -> Result<Wanted, String> {
        Ok(Wanted {
            nodes: self.nodes,
            seconds: Some(self.seconds),
            faults: self.faults,
            every_fault: self.faults.is_some(),
            rate: self.rate,
            ablate: self.ablate,
            timing: self.timing()?,
            flush: self.flush.map(Duration::from_millis),
        })
    }

    fn timing(&self) -> Result<Option<Timing>, String> {
        if (self.election_min, self.election_max, self.heartbeat) == (None, None, None) {
            return Ok(None);
        }
        let most = file::ELECTION_US_MAX / 1000;
        for (option, given) in [
            ("--election-min", self.election_min),
            ("--election-max", self.election_max),
            ("--heartbeat", self.heartbeat),
        ] {
            if let Some(ms) = given.filter(|ms| *ms > most) {
                return Err(format!("{option} {ms}: the timers of a run may take {most} ms at most"));
            }
        }
        let paper = Timing::default();
        let given = |ms: Option<u64>, otherwise| ms.map_or(otherwise, Duration::from_millis);
        let timing = Timing {
            election_min: given(self.election_min, paper.election_min),
            election_max: given(self.election_max, paper.election_max),
            heartbeat: given(self.heartbeat, paper.heartbeat),
        };
        timing.check().map_err(|error| error.to_string())?;
        Ok(Some(timing))
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Fuzz {
    /// The seeds: A..B is without B, A..=B with it. The least that fails is told, on any number of threads
    #[arg(long, value_name = "A..B|A..=B")]
    pub(crate) seeds: Seeds,
    /// How long the phase with faults of each run lasts, in seconds of virtual time
    #[arg(long, default_value_t = 60, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=i64::from(SECONDS_MAX)))]
    pub(crate) seconds: u32,
    /// Which faults, in every run: all, none (alone), or a list like drop,crash, read from the left; -NAME takes one out of those before it,
    /// as in all,-pause. Without it, each seed draws some
    #[arg(long, value_name = "all|none|LIST", value_parser = FaultKinds::parse)]
    pub(crate) faults: Option<FaultKinds>,
    /// How many runs at once; as many as there are processors, if not given
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(u16).range(1..=JOBS_MAX))]
    pub(crate) jobs: Option<u16>,
    /// Begins no further run after so many minutes
    #[arg(long, allow_negative_numbers = true, value_parser = minutes)]
    pub(crate) minutes: Option<f64>,
    /// Fails, too, if clusters of three nodes or more were dead for most of the time: if the median run acknowledged less than half of
    /// what was asked, or any less than a tenth
    #[arg(long)]
    pub(crate) must_serve: bool,
    /// A rule that is switched off in every run
    #[arg(long, value_name = "RULE", value_parser = rule)]
    pub(crate) ablate: Option<Rule>,
    /// Where a run that fails is kept, made as small as it gets; as it was found, it is kept beside that (failure.original.ftq)
    #[arg(long, value_name = "FILE", default_value = "failure.ftq")]
    pub(crate) trace: PathBuf,
    /// One JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = rules_help())]
pub(crate) struct Ablations {
    /// Only this rule
    #[arg(long, value_name = "RULE", value_parser = rule)]
    pub(crate) rule: Option<Rule>,
    /// Gives up on a rule after so many seeds
    #[arg(long, default_value_t = 2_000, allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seeds_max: u64,
    /// How many rules at once; as many as there are processors, if not given
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(u16).range(1..=JOBS_MAX))]
    pub(crate) jobs: Option<u16>,
    /// Writes the table to this file, as Markdown
    #[arg(long, value_name = "FILE")]
    pub(crate) table: Option<PathBuf>,
    /// One JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Replay {
    /// The file, as `ftq sim --trace` or `ftq fuzz` wrote it
    pub(crate) file: PathBuf,
    /// Stops at this time and shows every node, in seconds of virtual time. It must come before the run is over, with what follows the phase
    /// with faults: everything is mended, and queues are emptied
    #[arg(long, value_name = "TIME", allow_negative_numbers = true, value_parser = instant, conflicts_with = "until")]
    pub(crate) at: Option<f64>,
    /// Ends at the violation, and tells only what happened in the second before it, and the calls that it is about. Where nothing is broken,
    /// there is nothing to tell
    #[arg(long, value_name = "violation", value_parser = ["violation"])]
    pub(crate) until: Option<String>,
    /// One JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = FORMATS)]
pub(crate) struct Export {
    /// The file, as `ftq sim --trace` or `ftq fuzz` wrote it
    pub(crate) file: PathBuf,
    /// The format
    #[arg(long, value_name = "jsonl|shiviz|chrome|perfetto|history")]
    pub(crate) to: To,
    /// Where to write it, when it is whole; to standard output, if not given
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// What a run can be written as: what the page writes, too, or Perfetto's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    Text(Format),
    Perfetto,
}

impl FromStr for To {
    type Err = String;

    fn from_str(text: &str) -> Result<To, String> {
        match text {
            "perfetto" => Ok(To::Perfetto),
            text => text
                .parse()
                .map(To::Text)
                .map_err(|why: String| format!("{why}, perfetto")),
        }
    }
}

const FORMATS: &str = "Formats:
  jsonl     a JSON object a line: all that nodes, clients and the world told; numbers over 2^53 are text
  shiviz    vector clocks, for https://bestchai.bitbucket.io/shiviz/
  chrome    trace events, for https://ui.perfetto.dev and chrome://tracing
  perfetto  the same as Perfetto's own protobuf, for https://ui.perfetto.dev: a third smaller
  history   what clients asked and were answered, in EDN as Jepsen writes it, for checkers of linearizability

Exit code 0: written; 1: written, and a promise was broken in the run; 2: it could not be written";

#[derive(Debug, clap::Args)]
pub(crate) struct Bench {
    /// One JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// A number of minutes in wall time.
fn minutes(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(minutes) if minutes > 0.0 && minutes <= MINUTES_MAX => Ok(minutes),
        _ => Err(format!(
            "{text:?} is no time: give minutes, more than 0 and at most {MINUTES_MAX}"
        )),
    }
}

/// An instant in a run, in seconds of virtual time.
fn instant(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=INSTANT_MAX).contains(&seconds) => Ok(seconds),
        _ => Err(format!(
            "{text:?} is no time of a run: give seconds, 0 to {INSTANT_MAX}"
        )),
    }
}

fn rule(text: &str) -> Result<Rule, String> {
    let named = Rule::ALL.iter().copied().find(|rule| rule.name() == text);
    named.ok_or_else(|| {
        let names: Vec<&str> = Rule::ALL.iter().map(|rule| rule.name()).collect();
        format!("there is no rule {text:?}: use one of {}", names.join(", "))
    })
}

fn rules_help() -> String {
    let lines = Rule::ALL
        .iter()
        .map(|rule| format!("  {:<36} {}", rule.name(), rule.paper()));
    format!(
        "Rules, with their places in the Raft paper:\n{}",
        lines.collect::<Vec<_>>().join("\n")
    )
}

/// Seeds, from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seeds {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Seeds {
    pub(crate) fn iter(self) -> RangeInclusive<u64> {
        self.first..=self.last
    }

    /// How many: more than fit into 64 bits, if it is all of them.
    pub(crate) fn count(self) -> u128 {
        u128::from(self.last - self.first) + 1
    }
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Seeds, String> {
        let wrong = || format!("{text:?} is no range of seeds: write it like 0..1000, or 0..=999");
        let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
        let (first, until) = text.split_once("..").ok_or_else(wrong)?;
        let first = number(first)?;
        if let Some(last) = until.strip_prefix('=') {
            let last = number(last)?;
            let holds_one = first <= last;
            return holds_one
                .then_some(Seeds { first, last })
                .ok_or_else(|| format!("{text:?} holds no seed: the first may not be more than the last"));
        }
        let until = number(until)?;
        let last = until.checked_sub(1).filter(|last| first <= *last);
        last.map(|last| Seeds { first, last })
            .ok_or_else(|| format!("{text:?} holds no seed: the first must be less than the last"))
    }
}

/// As it is read.
impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.last.checked_add(1) {
            Some(until) => write!(f, "{}..{until}", self.first),
            None => write!(f, "{}..={}", self.first, self.last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_seeds_is_told_as_it_is_read() {
        let read = |text: &str| text.parse::<Seeds>();
        assert_eq!(read("3..7"), Ok(Seeds { first: 3, last: 6 }));
        assert_eq!(read("3..=7"), Ok(Seeds { first: 3, last: 7 }));
        assert_eq!(read("7..=7").map(Seeds::count), Ok(1));
        for text in ["0..1", "7..9", "18446744073709551615..=18446744073709551615"] {
            assert_eq!(read(text).unwrap().to_string(), text);
        }
        assert_eq!(read("0..=18446744073709551615").map(Seeds::count), Ok(1 << 64));
        for wrong in [
            "",
            "7",
            "3..3",
            "0..0",
            "4..=3",
            "0..==3",
            "..",
            "..=3",
            "0..18446744073709551616",
        ] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
