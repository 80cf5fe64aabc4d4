//! How fast the simulator is, natively and in a browser: one run, both ways.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::checks::wasm_pack_test;
use crate::tools;
use crate::workspace::Workspace;

/// The run that is measured; the Worker's test carries out the same.
const RUN: [&str; 12] = [
    "sim",
    "--seed",
    "3",
    "--nodes",
    "5",
    "--rate",
    "100",
    "--seconds",
    "600",
    "--faults",
    "all",
    "--json",
];
/// How many times it is carried out natively; the quickest counts.
const TIMES: usize = 3;

/// Measures and prints it.
pub fn speed(workspace: &Workspace) -> Result<()> {
    let native = native(workspace)?;
    println!("native  {native:>12.0} events a second");
    let wasm = wasm(workspace)?;
    println!("wasm    {wasm:>12.0} events a second");
    println!("ratio   {:>12.2}", wasm / native);
    Ok(())
}

fn native(workspace: &Workspace) -> Result<f64> {
    let mut best = 0.0_f64;
    for _ in 0..TIMES {
        let mut command = workspace.cargo(&["run", "--quiet", "--release", "--package", "cli", "--bin", "ftq", "--"]);
        let said = said(command.args(RUN))?;
        let figures: serde_json::Value = serde_json::from_str(&said).context("`ftq sim --json` said no JSON")?;
        let events = figures["events"].as_f64().context("no events")?;
        best = best.max(events / figures["wall_seconds"].as_f64().context("no wall_seconds")?);
    }
    Ok(best)
}

fn wasm(workspace: &Workspace) -> Result<f64> {
    let tools = tools::ensure_wasm_tools(workspace)?;
    let mut command = wasm_pack_test(workspace, &tools, &["--release"])?;
    command.args(["--", "--include-ignored", "--nocapture", "events_a_second"]);
    let said = said(&mut command)?;
    let figure = said
        .split_once("events_per_second=")
        .map(|(_, rest)| rest.split(|letter: char| !letter.is_ascii_digit()).next());
    let figure = figure.flatten().and_then(|figure| figure.parse().ok());
    figure.with_context(|| format!("the measurement in the browser said no figure:\n{said}"))
}

fn said(command: &mut Command) -> Result<String> {
    let output = command.output().context("a measurement cannot be started")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if !output.status.success() {
        bail!(
            "a measurement failed:\n{}{}",
            text(&output.stdout),
            text(&output.stderr)
        );
    }
    Ok(text(&output.stdout))
}
