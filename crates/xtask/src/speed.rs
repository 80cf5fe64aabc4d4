//! How fast the simulator is: beside an earlier commit on the same scenarios, and natively beside a browser.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::checks::wasm_pack_test;
use crate::tools;
use crate::workspace::{Workspace, run};

/// The commit that this one is measured beside: the last before the simulator got its later faults.
const BASELINE: &str = "d8a9f80";

/// What both commits carry out: runs without faults, by their seed and number of nodes.
const WITHOUT_FAULTS: [(&str, &str); 4] = [("3", "3"), ("3", "5"), ("11", "5"), ("3", "9")];
/// How often each is carried out by each commit, in turn: a machine whose speed drifts decides nothing.
const ROUNDS: usize = 7;

/// The run that is measured natively and in a browser; the Worker's test carries out the same.
const WITH_FAULTS: (&str, &str) = ("3", "5");
/// How many times it is carried out natively; the quickest counts.
const TIMES: usize = 3;

/// Measures and prints it.
pub fn speed(workspace: &Workspace) -> Result<()> {
    let here = built(workspace, workspace.root.clone(), workspace.target.clone())?;
    match baseline(workspace) {
        Ok(earlier) => beside(&earlier, &here)?,
        Err(why) => println!("not measured beside {BASELINE}: {why:#}"),
    }
    let native = (0..TIMES)
        .map(|_| Ok(measured(&here, WITH_FAULTS, "all")?.events_a_second()))
        .collect::<Result<Vec<f64>>>()?;
    let native = native.into_iter().fold(0.0, f64::max);
    println!("\nwith all faults, seed {}, {} nodes:", WITH_FAULTS.0, WITH_FAULTS.1);
    println!("native  {native:>12.0} events a second");
    let wasm = wasm(workspace)?;
    println!("wasm    {wasm:>12.0} events a second");
    println!("ratio   {:>12.2}", wasm / native);
    Ok(())
}

/// Measures this commit beside the earlier one. The median of the ratios of neighbouring runs is what counts.
fn beside(earlier: &PathBuf, here: &PathBuf) -> Result<()> {
    println!("without faults, 600 s, median of {ROUNDS} pairs, events a second:");
    println!("seed  nodes  {BASELINE:>12}  {:>12}  ratio  events in all", "here");
    let mut all = Vec::new();
    for scenario in WITHOUT_FAULTS {
        let (mut before, mut now, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        let mut events = (0.0, 0.0);
        for _ in 0..ROUNDS {
            let (earlier, here) = (measured(earlier, scenario, "none")?, measured(here, scenario, "none")?);
            before.push(earlier.events_a_second());
            now.push(here.events_a_second());
            ratios.push(here.events_a_second() / earlier.events_a_second());
            events = (earlier.events, here.events);
        }
        let ratio = median(&mut ratios);
        all.push(ratio);
        let same = if events.0 == events.1 {
            format!("{:.0}", events.0)
        } else {
            format!("{:.0} and {:.0}", events.0, events.1)
        };
        let (seed, nodes) = scenario;
        println!(
            "{seed:>4}  {nodes:>5}  {:>12.0}  {:>12.0}  {ratio:>5.2}  {same}",
            median(&mut before),
            median(&mut now)
        );
    }
    let mean = all.iter().map(|ratio| ratio.ln()).sum::<f64>() / all.len() as f64;
    println!("geometric mean of the ratios: {:.2}", mean.exp());
    Ok(())
}

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// One run's figures.
struct Figures {
    events: f64,
    wall_seconds: f64,
}

impl Figures {
    fn events_a_second(&self) -> f64 {
        self.events / self.wall_seconds
    }
}

fn measured(ftq: &PathBuf, (seed, nodes): (&str, &str), faults: &str) -> Result<Figures> {
    let mut command = Command::new(ftq);
    command.args(["sim", "--seed", seed, "--nodes", nodes, "--faults", faults]);
    let said = said(command.args(["--rate", "100", "--seconds", "600", "--json"]))?;
    let figures: serde_json::Value = serde_json::from_str(&said).context("`ftq sim --json` said no JSON")?;
    let figure = |name: &str| figures[name].as_f64().with_context(|| format!("no {name}"));
    Ok(Figures {
        events: figure("events")?,
        wall_seconds: figure("wall_seconds")?,
    })
}

/// The earlier commit's `ftq`, built in a work tree of its own under the target folder. Built once.
fn baseline(workspace: &Workspace) -> Result<PathBuf> {
    let tree = workspace.target.join("speed").join(BASELINE);
    if !tree.join("Cargo.toml").is_file() {
        let mut git = Command::new("git");
        git.current_dir(&workspace.root);
        git.args(["worktree", "add", "--force", "--detach", "--quiet"]);
        let made = git.arg(&tree).arg(BASELINE).output().context("git cannot be started")?;
        if !made.status.success() {
            bail!(
                "this clone has no commit {BASELINE}, or git can make no work tree of it: {}",
                String::from_utf8_lossy(&made.stderr).trim()
            );
        }
    }
    built(workspace, tree, workspace.target.join("speed").join("target"))
}

fn built(workspace: &Workspace, tree: PathBuf, target: PathBuf) -> Result<PathBuf> {
    let mut cargo = workspace.cargo(&["build", "--quiet", "--release", "--package", "cli", "--bin", "ftq"]);
    run(
        cargo.current_dir(tree).env("CARGO_TARGET_DIR", &target),
        "compiling ftq",
    )?;
    Ok(target.join("release").join("ftq"))
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
