//! `ftq`: simulates, fuzzes and measures FTQueue from the command line.

// Whoever reads may stop to, and disks are full at times: `out` says what becomes of that.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod ablations;
mod args;
mod bench;
mod end;
mod export;
mod files;
mod fuzz;
mod keeping;
mod memory;
mod out;
mod progress;
mod replay;
mod seeds;
mod signals;
mod sim;

use std::io::{Write, stdout};
use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};
use end::End;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(words) => return help_or_refusal(&words),
    };
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
        Ok(End::Interrupted(code)) => ExitCode::from(code),
        Err(why) => refused(&why),
    }
}

/// Help that was asked for, on standard output, or what is wrong with what was typed.
fn help_or_refusal(words: &clap::Error) -> ExitCode {
    if words.use_stderr() {
        // Nowhere is left to say that it was not said.
        let _ = words.print();
        return ExitCode::from(2);
    }
    let written = words.print().and_then(|()| stdout().flush());
    out::said(written).map_or_else(|why| refused(&why), |()| ExitCode::SUCCESS)
}

fn refused(why: &str) -> ExitCode {
    out::warn(why);
    ExitCode::from(2)
}
