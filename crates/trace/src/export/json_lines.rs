//! A JSON object a line.

use std::io::{self, Write};

use serde::Serialize;

use super::Exporter;
use crate::Happening;

/// Writes each happening as an object of a line: when, which kind, who, what in fields, and what in words.
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
        serde_json::to_writer(&mut self.out, &Line { happening, text })?;
        self.out.write_all(b"\n")
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
