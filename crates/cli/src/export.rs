//! `ftq export`: what happened in a kept run, for other programs.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use sim::watch;

use crate::End;
use crate::args::Export;
use crate::progress::Line;
use crate::replay::read;

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
