//! Why something cannot be opened: what is wrong, what that means, and what to do.

use std::fmt;

use raft_core::TimingError;
use sim::file::FileError;

use super::{FILE_BYTES_MAX, RUN_BYTES_MAX, STEPS_MAX, VERSION};
use crate::BUILD;

/// Why something cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeepError {
    /// It is something else.
    Foreign,
    /// An earlier build made it, whose nodes differ.
    Older {
        /// The version of the format.
        version: u8,
    },
    /// A later build made it.
    Newer {
        /// The version of the format.
        version: u8,
        /// That build.
        build: String,
    },
    /// Another build made it, and this one cannot make its nodes again.
    OtherBuild {
        /// That build.
        build: String,
    },
    /// It is damaged, or its end is missing.
    Damaged,
    /// It is longer than any file that is opened.
    TooLong {
        /// Its length, in bytes.
        bytes: u64,
    },
    /// It is longer than any link that is made.
    LongLink,
    /// There are as many runs as there can be.
    NoRoom {
        /// How many.
        runs_max: usize,
    },
    /// It holds more than is opened.
    TooLarge,
    /// It was written as a run is and holds what no run holds. Says what.
    Wrong(&'static str),
    /// In a branch somebody sets timers with which no leader is elected.
    Timing(TimingError),
    /// It is a run of `ftq` that cannot be read. Says why.
    Scenario(FileError),
}

impl fmt::Display for KeepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MEGABYTE: usize = 1024 * 1024;
        match self {
            KeepError::Foreign => write!(
                f,
                "it is no run of FTQueue. The page saves runs as .ftqr (Share), `ftq sim --trace` and `ftq fuzz --trace` as .ftq"
            ),
            KeepError::Older { version } => write!(
                f,
                "another version of FTQueue made it, one of before runs named their build (format {version}; this one reads {VERSION}), \
                 and its nodes differ from those of this build. Open it with a build of 26 November 2026 or before"
            ),
            KeepError::Newer { version, build } => write!(
                f,
                "another version of FTQueue made it, build {build} (format {version}; this one, build {BUILD}, reads {VERSION}). Open it \
                 with that build, or reload this page to get a newer one"
            ),
            KeepError::OtherBuild { build } => write!(
                f,
                "it was made by build {build}, which this is not (this is build {BUILD}), and its nodes cannot be made again here. Open it \
                 with that build"
            ),
            KeepError::Damaged => write!(
                f,
                "it is damaged, or its end is missing. Copy it again, all of it, or have it sent as a file"
            ),
            KeepError::TooLong { bytes } => write!(
                f,
                "it has {} MB, and no run that is opened has more than {}. If it is a run, save a shorter one",
                bytes.div_ceil(MEGABYTE as u64),
                FILE_BYTES_MAX / MEGABYTE
            ),
            KeepError::LongLink => write!(
                f,
                "it is longer than any link that FTQueue makes. Have the run sent as a file"
            ),
            KeepError::NoRoom { runs_max } => write!(
                f,
                "there may be {runs_max} runs, and with it there would be more. Delete some first"
            ),
            KeepError::TooLarge => write!(
                f,
                "it holds more than is opened: at most {} MB unpacked and {} million steps. Save a shorter run",
                RUN_BYTES_MAX / MEGABYTE,
                STEPS_MAX / 1_000_000
            ),
            KeepError::Wrong(what) => write!(
                f,
                "it holds what no run holds: {what}. No build of FTQueue writes that; ask whoever sent it to save it again"
            ),
            KeepError::Timing(error) => {
                write!(
                    f,
                    "in one of its branches nobody could be elected. {error} Ask whoever sent it to save it without that branch"
                )
            }
            KeepError::Scenario(why) => write!(f, "{why}"),
        }
    }
}

impl std::error::Error for KeepError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each says what to do, and none in the words of the crates that it is read with.
    #[test]
    fn errors_are_in_the_products_words() {
        let build = || "c0ffee".to_owned();
        let all = [
            (KeepError::Foreign, "no run of FTQueue", ".ftqr"),
            (
                KeepError::Older { version: 1 },
                "another version",
                "Open it with a build of",
            ),
            (
                KeepError::Newer {
                    version: 9,
                    build: build(),
                },
                "build c0ffee",
                "Open it with that build",
            ),
            (
                KeepError::OtherBuild { build: build() },
                "build c0ffee, which this is not",
                "Open it with that build",
            ),
            (KeepError::Damaged, "damaged", "Copy it again"),
            (
                KeepError::TooLong { bytes: 400_000_000 },
                "382 MB",
                "save a shorter one",
            ),
            (KeepError::LongLink, "longer than any link", "as a file"),
            (KeepError::NoRoom { runs_max: 32 }, "32 runs", "Delete some"),
            (KeepError::TooLarge, "more than is opened", "Save a shorter run"),
            (
                KeepError::Wrong("its end is missing"),
                "its end is missing",
                "save it again",
            ),
            (
                KeepError::Timing(TimingError::NoHeartbeat),
                "heartbeat interval is 0",
                "without that branch",
            ),
            (
                KeepError::Scenario(FileError::Timing(TimingError::NoHeartbeat)),
                "nobody could be elected",
                "It must be more",
            ),
            (
                KeepError::Scenario(FileError::Foreign),
                "no run of FTQueue",
                "`ftq sim --trace`",
            ),
            (
                KeepError::Scenario(FileError::Version(1)),
                "version 1",
                "this program reads version",
            ),
            (KeepError::Scenario(FileError::Damaged), "damaged", "write it anew"),
            (KeepError::Scenario(FileError::TooLong), "at most", "shorter"),
            (KeepError::Scenario(FileError::TooMuch), "more operations", "shorter"),
            (
                KeepError::Scenario(FileError::Absurd("so many clients")),
                "so many clients",
                "write it anew",
            ),
        ];
        for (error, what, remedy) in all {
            let said = error.to_string();
            assert!(said.contains(what) && said.contains(remedy), "{said}");
            for foreign in ["serde", "postcard", "varint", "deserializ", "usize", "inflate", "utf-8"] {
                assert!(!said.to_lowercase().contains(foreign), "{said}");
            }
        }
    }
}
