//! Formats in which other programs read what happened. Each is written as it happens: a long run takes no memory.

mod chrome;
mod history;
mod json_lines;
mod on_the_way;
mod shiviz;
pub mod tracks;

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

pub use chrome::ChromeTrace;
pub use history::ClientHistory;
pub use json_lines::JsonLines;
pub use shiviz::Shiviz;

use tracks::Tracks;

use crate::Happening;

/// Something that writes happenings down.
pub trait Exporter {
    /// Writes one. They come in the order of their instants.
    ///
    /// # Errors
    /// The output's.
    fn take(&mut self, happening: &Happening) -> io::Result<()>;

    /// Writes what is still owed, and flushes.
    ///
    /// # Errors
    /// The output's.
    fn finish(&mut self) -> io::Result<()>;
}

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A JSON object a line, with everything there is.
    JsonLines,
    /// Vector clocks, for [ShiViz](https://bestchai.bitbucket.io/shiviz/).
    Shiviz,
    /// Trace events, for Perfetto and `chrome://tracing`.
    Chrome,
    /// Invocations and returns of clients in EDN, as Jepsen writes and checkers of linearizability read them.
    History,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 4] = [Format::JsonLines, Format::Shiviz, Format::Chrome, Format::History];

    /// How commands spell it.
    pub fn name(self) -> &'static str {
        match self {
            Format::JsonLines => "jsonl",
            Format::Shiviz => "shiviz",
            Format::Chrome => "chrome",
            Format::History => "history",
        }
    }

    /// Something that writes this format to `out`.
    pub fn exporter<'a, W: Write + 'a>(self, out: W) -> Box<dyn Exporter + 'a> {
        match self {
            Format::JsonLines => Box::new(JsonLines::new(out)),
            Format::Shiviz => Box::new(Shiviz::new(out)),
            Format::Chrome => Box::new(Tracks::new(ChromeTrace::new(out))),
            Format::History => Box::new(ClientHistory::new(out)),
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Format, String> {
        let named = Format::ALL.into_iter().find(|format| format.name() == text);
        named.ok_or_else(|| {
            let names = Format::ALL.map(Format::name);
            format!("there is no format {text:?}: use one of {}", names.join(", "))
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
