//! `ftq`: simulates, fuzzes and measures FTQueue from the command line.

mod ablations;
mod args;
mod bench;
mod export;
mod fuzz;
mod memory;
mod progress;
mod replay;
mod sim;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All is as it should be.
    Clean,
    /// A promise was broken, or a check did not do its work.
    Violation,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let ended = match args.command {
        Command::Sim(asked) => sim::sim(&asked),
        Command::Fuzz(asked) => fuzz::fuzz(&asked),
        Command::Ablations(asked) => ablations::ablations(&asked),
        Command::Bench(asked) => bench::bench(&asked),
        Command::Replay(asked) => replay::replay(&asked),
        Command::Export(asked) => export::export(&asked),
    };
    match ended {
        Ok(End::Clean) => ExitCode::SUCCESS,
        Ok(End::Violation) => ExitCode::from(1),
        Err(why) => {
            eprintln!("ftq: {why}");
            ExitCode::from(2)
        }
    }
}
