//! `ftq export`: what happened in a kept run, for other programs.

mod perfetto;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::str::FromStr;

use sim::watch;
use trace::export::tracks::Tracks;
use trace::export::{Exporter, Format};

use perfetto::Perfetto;

use crate::End;
use crate::args::Export;
use crate::progress::Line;
use crate::replay::read;

/// What a run can be written as: what the page writes, too, or Perfetto's own.
#[derive(Clone, Copy, Debug)]
pub(crate) enum To {
    Text(Format),
    Perfetto,
}

impl To {
    fn exporter<'a>(self, out: impl Write + 'a) -> Box<dyn Exporter + 'a> {
        match self {
            To::Text(format) => format.exporter(out),
            To::Perfetto => Box::new(Tracks::new(Perfetto::new(out))),
        }
    }
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

pub(crate) fn export(asked: &Export) -> Result<End, String> {
    let scenario = read(&asked.file)?;
    let out: Box<dyn Write> = match &asked.out {
        Some(path) => Box::new(File::create(path).map_err(|error| format!("{}: {error}", path.display()))?),
        None => Box::new(io::stdout().lock()),
    };
    let mut exporter = asked.to.exporter(BufWriter::new(out));
    let mut written = Ok(());
    let mut count = 0_u64;
    let mut line = Line::new();
    let outcome = watch(
        &scenario,
        |progress| {
            line.say(|| format!("{} of virtual time", progress.now));
            true
        },
        |happening| {
            if written.is_ok() {
                count += 1;
                written = exporter.take(&happening);
            }
        },
    );
    line.clear();
    match written.and_then(|()| exporter.finish()) {
        // Whoever reads has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(End::Clean),
        written => written.map_err(|error| format!("the export was not written: {error}"))?,
    }
    if let Some(path) = &asked.out {
        eprintln!("{count} happenings written to {}", path.display());
    }
    Ok(if outcome.violation.is_some() {
        End::Violation
    } else {
        End::Clean
    })
}
