//! The tests' kept runs: files of runs that tests open, made anew from what is written down about each. After a change of the core
//! a run is another, and its file and its hashes are made again by one command.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::workspace::{Workspace, run};

/// The folder of kept runs, from the root.
pub const FOLDER: &str = "tests/kept";
/// The file in it that says how each is made and which hashes it has.
pub const MANIFEST: &str = "manifest.json";

/// Makes every kept run anew, with its hashes, and says which are other than they were.
///
/// # Errors
/// A run cannot be made, or the manifest cannot be read or written.
pub fn make(workspace: &Workspace) -> Result<()> {
    run(
        &mut workspace.cargo(&["build", "--quiet", "--package", "cli", "--bin", "ftq"]),
        "compiling ftq",
    )?;
    let ftq = workspace.target.join("debug").join("ftq");
    let folder = workspace.root.join(FOLDER);
    let manifest = folder.join(MANIFEST);
    let text = fs::read_to_string(&manifest).with_context(|| format!("{} cannot be read", manifest.display()))?;
    let mut runs: Value = serde_json::from_str(&text).with_context(|| format!("{} is no JSON", manifest.display()))?;
    for kept in runs.as_array_mut().context("the manifest is no list")? {
        let name = kept["name"].as_str().context("a kept run has no name")?.to_owned();
        let hashes = make_one(&ftq, &folder.join(&name), kept).with_context(|| format!("making {name}"))?;
        let is_same = kept["hashes"] == hashes;
        println!("{name}: {}", if is_same { "as it was" } else { "made anew" });
        kept["hashes"] = hashes;
    }
    fs::write(&manifest, format!("{runs:#}\n")).with_context(|| format!("{} cannot be written", manifest.display()))
}

/// Makes one run's file as its `made_by` says, and gives the hashes of what it does.
fn make_one(ftq: &Path, file: &Path, kept: &Value) -> Result<Value> {
    let line = kept["made_by"].as_str().context("no made_by")?;
    // Nothing is taken for what was made that was there before.
    let _ = fs::remove_file(file);
    figures(
        Command::new(ftq)
            .args(line.split_whitespace().skip(1))
            .arg("--json")
            .arg("--trace")
            .arg(file),
    )?;
    // What a search found is kept small; as it was found it is of no use here.
    let original: PathBuf = file.with_extension("original.ftq");
    let _ = fs::remove_file(original);
    let figures = figures(Command::new(ftq).arg("replay").arg(file).arg("--json"))?;
    Ok(json!({ "trace": figures["trace_hash"], "state": figures["state_hash"] }))
}

/// The object that a command prints. A broken promise is no error here: some runs are kept for theirs.
fn figures(command: &mut Command) -> Result<Value> {
    let output = command.output().context("ftq cannot be started")?;
    if !matches!(output.status.code(), Some(0 | 1)) {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    serde_json::from_slice(&output.stdout).context("ftq said no JSON")
}
