//! What takes too long for every run: fuzzing with coverage for a guide, and mutants.

use std::path::Path;

use anyhow::{Context, Result};

use crate::tools;
use crate::workspace::{Workspace, run};

/// What can be fuzzed: the programs of the package `fuzz`.
pub const FUZZ_TARGETS: [&str; 5] = ["frame", "kept", "wal", "scenario", "command"];
/// The crates whose tests are tried by mutants.
const MUTATED: [&str; 2] = ["raft-core", "ftqueue"];
/// How long a mutant's tests may take, in seconds: one that loops for ever is caught, too.
const MUTANT_SECONDS_MAX: &str = "60";

/// How long one input may take, and how much memory the fuzzer with all that it keeps: what floods is a failure, too.
const SECONDS_AN_INPUT_MAX: &str = "-timeout=10";
const MEGABYTES_MAX: &str = "-rss_limit_mb=1024";

/// Makes anew, from scenarios and their seeds, the kept runs that tests open and the inputs that the fuzzer starts from.
pub fn kept_runs(workspace: &Workspace) -> Result<()> {
    let mut command = workspace.cargo(&["test", "--quiet", "--package", "fuzz", "--test", "corpus"]);
    command.args(["--", "--ignored", "--exact", "plant_seeds"]);
    run(&mut command, "writing what the fuzzer starts from (fuzz/corpus)")
}

/// Fuzzes each target for so many seconds, from what is kept, and keeps what is new and covers more.
pub fn fuzz(workspace: &Workspace, targets: &[&str], seconds: u32) -> Result<()> {
    let path = tools::path_with(&tools::ensure_cargo_fuzz(workspace)?)?;
    let package = workspace.root.join("fuzz");
    for target in targets {
        let folder = workspace.target.join("corpus").join(target);
        // What an earlier run left may not be kept any more.
        let _ = std::fs::remove_dir_all(&folder);
        corpus(workspace, "unpack", target, &folder)?;
        let fuzzer = |verb: &str, options: &[&str]| {
            let mut command = workspace.cargo(&[
                "fuzz",
                verb,
                "--sanitizer",
                "none",
                "--features",
                "libfuzzer",
                "--fuzz-dir",
            ]);
            command
                .arg(&package)
                .arg(target)
                .arg(&folder)
                .arg("--")
                .args(options)
                .env("PATH", &path);
            run(
                &mut command,
                &format!("fuzzing {target} (what it failed on is in fuzz/artifacts)"),
            )
        };
        let limits = [SECONDS_AN_INPUT_MAX, MEGABYTES_MAX];
        let time = format!("-max_total_time={seconds}");
        fuzzer("run", &[&limits[..], &[&time]].concat())?;
        // By edges alone: how often each was taken would keep ten times as much.
        fuzzer("cmin", &["-use_counters=0"])?;
        corpus(workspace, "pack", target, &folder)?;
    }
    Ok(())
}

/// Changes the core and the queues in every small way there is, and says which changes no fast test notices.
pub fn mutants(workspace: &Workspace, options: &[String]) -> Result<()> {
    let path = tools::path_with(&tools::ensure_cargo_mutants(workspace)?)?;
    let mut command = workspace.cargo(&["mutants", "--timeout", MUTANT_SECONDS_MAX, "--output"]);
    command.arg(&workspace.target).env("PATH", path);
    for package in MUTATED {
        command.args(["--package", package]);
    }
    run(
        command.args(options),
        "cargo mutants (what was missed is in mutants.out, in the target folder)",
    )
}

fn corpus(workspace: &Workspace, verb: &str, target: &str, folder: &Path) -> Result<()> {
    let mut command = workspace.cargo(&[
        "run",
        "--quiet",
        "--package",
        "fuzz",
        "--bin",
        "corpus",
        "--",
        verb,
        target,
    ]);
    run(command.arg(folder), "moving the corpus").with_context(|| format!("the corpus of {target}"))
}
