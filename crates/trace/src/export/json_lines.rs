//! A JSON object a line.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

use super::Exporter;
use crate::Happening;

/// Writes each happening as an object of a line: when, which kind, who, what in fields, and what in words.
///
/// A whole number that a reader written in JavaScript would round, beyond ±(2^53 − 1), is written as text.
#[derive(Debug)]
pub struct JsonLines<W> {
    out: W,
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    happening: &'a Happening,
    text: String,
}

impl<W: Write> JsonLines<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> JsonLines<W> {
        JsonLines { out }
    }
}

impl<W: Write> Exporter for JsonLines<W> {
    fn take(&mut self, happening: &Happening) -> io::Result<()> {
        let text = happening.what.to_string();
        let mut serializer = Serializer::with_formatter(&mut self.out, ExactNumbers);
        Line { happening, text }.serialize(&mut serializer)?;
        self.out.write_all(b"\n")
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The greatest whole number that is exact in JavaScript, as are all below it.
const EXACT_MAX: u64 = (1 << 53) - 1;

/// Writes compact JSON in which no reader rounds a number.
struct ExactNumbers;

impl Formatter for ExactNumbers {
    fn write_u64<W: ?Sized + Write>(&mut self, writer: &mut W, value: u64) -> io::Result<()> {
        if value > EXACT_MAX {
            write!(writer, "\"{value}\"")
        } else {
            CompactFormatter.write_u64(writer, value)
        }
    }

    fn write_i64<W: ?Sized + Write>(&mut self, writer: &mut W, value: i64) -> io::Result<()> {
        if value.unsigned_abs() > EXACT_MAX {
            write!(writer, "\"{value}\"")
        } else {
            CompactFormatter.write_i64(writer, value)
        }
    }
}
