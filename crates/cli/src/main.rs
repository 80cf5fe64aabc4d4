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

use std::env;
use std::io::{Write, stdout};
use std::process::ExitCode;

use clap::Parser;
use serde_json::json;

use args::{Args, Command};
use end::End;

fn main() -> ExitCode {
    let in_json = args::ask_for_json(env::args_os());
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(words) => return help_or_refusal(&words, in_json),
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
        Ok(End::Interrupted(code)) => {
            out::warn("it was told to end: this is what there was by then");
            ExitCode::from(code)
        }
        Err(why) => refused(&why, in_json),
    }
}

/// Help that was asked for, on standard output, or what is wrong with what was typed.
fn help_or_refusal(words: &clap::Error, in_json: bool) -> ExitCode {
    if words.use_stderr() {
        // Nowhere is left to say that it was not said.
        let _ = words.print();
        if in_json {
            say_error(&first_paragraph(&words.to_string()));
        }
        return ExitCode::from(2);
    }
    let written = words.print().and_then(|()| stdout().flush());
    out::said(written).map_or_else(|why| refused(&why, false), |()| ExitCode::SUCCESS)
}

fn refused(why: &str, in_json: bool) -> ExitCode {
    out::warn(why);
    if in_json {
        say_error(why);
    }
    ExitCode::from(2)
}

/// Says on standard output, too, why there is nothing else there.
fn say_error(why: &str) {
    if !out::has_said_object() {
        // It is said on standard error in any case.
        let _ = out::object(json!({ "error": why }));
    }
}

/// What is wrong, without what can be typed instead, in one line.
fn first_paragraph(text: &str) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.is_empty())
        .collect();
    lines.join(" ")
}
