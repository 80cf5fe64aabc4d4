//! Everything that is checked, in the order in which it is run.

use std::path::Path;
use std::process::Command;
use std::sync::mpsc;

use anyhow::{Context, Result, anyhow, bail};

use crate::build::Profile;
use crate::site::{self, Audience};
use crate::stage::{Stages, Tally, run_tests};
use crate::tools::{self, WASM_TARGET};
use crate::weight::{BUDGET_KB, Weight};
use crate::workspace::{Workspace, run};

/// A group of checks that can be asked for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Formatting, clippy for both targets, rustdoc: no warning is let through.
    Lint,
    /// The tests that run on this machine itself, doc tests included.
    Native,
    /// Whole clusters in virtual time, under every fault, by `ftq`.
    Simulation,
    /// The node's tests, in a Worker of a real browser.
    Wasm,
    /// The page, driven from outside in a real browser; before that the site is built and weighed.
    Browser,
}

/// How long the tests in a Worker may take; the runner's own limit is 20 s, which a busy machine exceeds.
const WORKER_TESTS_SECONDS_MAX: &str = "300";

/// The seeds that are run every time.
const FIXED_SEEDS: &str = "0..1000";
/// How many seeds are run that no one has run before.
const FRESH_SEEDS: u64 = 1_000;
/// How long each run's phase with faults is, in seconds of virtual time.
const RUN_SECONDS: &str = "60";
/// The longest that either range may take.
const FUZZ_MINUTES_MAX: &str = "5";

/// The package of the tests that drive the page.
const BROWSER_TESTS: &str = "tests";

/// Where those tests find the built site.
const SITE_VARIABLE: &str = "FTQUEUE_SITE";

/// Where one of them leaves the picture that the README shows.
const SCREENSHOT_VARIABLE: &str = "FTQUEUE_SCREENSHOT";
const README_SCREENSHOT: &str = "docs/screenshot.png";

/// Runs the groups, each whole, whatever comes of those before it.
pub fn run_groups(workspace: &Workspace, groups: &[Group], stages: &mut Stages) {
    let wants = |group: Group| groups.contains(&group);
    std::thread::scope(|scope| {
        // What is missing is fetched and built while the compiler is busy with the first stages.
        let (send_browser, browser) = mpsc::channel();
        let (send_tools, wasm_tools) = mpsc::channel();
        scope.spawn(move || {
            let _ = send_browser.send(if wants(Group::Wasm) || wants(Group::Browser) {
                tools::ensure_browser()
            } else {
                Ok(())
            });
            let _ = send_tools.send(if wants(Group::Wasm) {
                tools::ensure_wasm_tools(workspace)
            } else {
                Ok(Vec::new())
            });
        });
        if wants(Group::Lint) {
            lint(workspace, stages);
        }
        if wants(Group::Native) {
            stages.run("native tests", |tally| native_tests(workspace, tally));
        }
        if wants(Group::Simulation) {
            stages.run("simulation", |_| simulate(workspace));
        }
        if wants(Group::Browser) {
            stages.run("site and its weight", |_| weigh_site(workspace));
        }
        let browser = browser
            .recv()
            .unwrap_or_else(|_| Err(anyhow!("looking for a browser panicked")))
            .map_err(|error| format!("{error:#}"));
        let browser = || browser.clone().map_err(anyhow::Error::msg);
        if wants(Group::Wasm) {
            stages.run("tests in a Worker", |tally| {
                browser()?;
                let folders = wasm_tools.recv().context("building the tools panicked")??;
                worker_tests(workspace, &folders, tally)
            });
        }
        if wants(Group::Browser) {
            stages.run("tests of the page", |tally| {
                browser()?;
                page_tests(workspace, tally)
            });
        }
    });
}

/// Puts the picture that the tests of the page made where the README shows it.
pub fn keep_screenshot(workspace: &Workspace) -> Result<()> {
    let picture = screenshot(workspace);
    let shown = workspace.root.join(README_SCREENSHOT);
    std::fs::create_dir_all(shown.parent().unwrap_or(&workspace.root))?;
    std::fs::copy(&picture, &shown).with_context(|| format!("{} was not made by the tests", picture.display()))?;
    println!("{README_SCREENSHOT} is the tests' latest picture");
    Ok(())
}

fn lint(workspace: &Workspace, stages: &mut Stages) {
    let cargo = |arguments: &[&str], what| run(&mut workspace.cargo(arguments), what);
    stages.run("formatting", |_| {
        cargo(
            &["fmt", "--all", "--check"],
            "`cargo fmt --check` (run `cargo fmt --all`)",
        )
    });
    stages.run("clippy", |_| {
        cargo(
            &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"],
            "clippy",
        )
    });
    stages.run("clippy for WebAssembly", |_| {
        tools::ensure_wasm_target(workspace)?;
        let clippy = |packages: &[&str]| {
            let arguments = [
                &["clippy", "--target", WASM_TARGET],
                packages,
                &["--", "--deny", "warnings"],
            ]
            .concat();
            cargo(&arguments, "clippy")
        };
        clippy(&["--package", "page", "--package", "worker", "--lib"])?;
        clippy(&["--package", "worker", "--tests"])
    });
    stages.run("rustdoc", |_| {
        let mut doc = workspace.cargo(&["doc", "--workspace", "--no-deps"]);
        run(doc.env("RUSTDOCFLAGS", "--deny warnings"), "rustdoc")
    });
}

fn native_tests(workspace: &Workspace, tally: &mut Tally) -> Result<()> {
    let arguments = ["test", "--workspace", "--exclude", BROWSER_TESTS, "--no-fail-fast"];
    run_tests(&mut workspace.cargo(&arguments), "cargo test", tally)
}

/// Fuzzes the fixed range of seeds and a fresh one, and switches every rule off in turn.
fn simulate(workspace: &Workspace) -> Result<()> {
    run(
        &mut workspace.cargo(&["build", "--release", "--package", "cli"]),
        "compiling ftq",
    )?;
    let seconds_now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let fresh = format!("{}..{}", seconds_now * FRESH_SEEDS, (seconds_now + 1) * FRESH_SEEDS);
    let failure = workspace.target.join("failure.ftq");
    let ftq = |arguments: &[&str], what: &str| {
        let mut command = std::process::Command::new(workspace.target.join("release").join("ftq"));
        println!("ftq {}", arguments.join(" "));
        run(command.args(arguments).current_dir(&workspace.root), what)
    };
    for seeds in [FIXED_SEEDS, &fresh] {
        let failure = failure.to_string_lossy();
        let mut arguments = vec![
            "fuzz",
            "--seeds",
            seeds,
            "--seconds",
            RUN_SECONDS,
            "--minutes",
            FUZZ_MINUTES_MAX,
            "--trace",
            &failure,
        ];
        // Of seeds that nobody has seen yet, one may be dead most of the time by bad luck.
        if seeds == FIXED_SEEDS {
            arguments.push("--must-serve");
        }
        ftq(
            &arguments,
            "`ftq fuzz` (it says above what failed, and how to repeat it)",
        )?;
    }
    ftq(&["ablations"], "`ftq ablations`")
}

fn weigh_site(workspace: &Workspace) -> Result<()> {
    let site = site::make(workspace, Profile::Release, Audience::Visitors)?;
    let weight = Weight::of(&site)?;
    println!("{weight}");
    if !weight.is_within_budget() {
        bail!(
            "the site weighs {} bytes; its budget is {BUDGET_KB} kB",
            weight.brotli_bytes()
        );
    }
    Ok(())
}

fn worker_tests(workspace: &Workspace, tools: &[std::path::PathBuf], tally: &mut Tally) -> Result<()> {
    run_tests(&mut wasm_pack_test(workspace, tools, &[])?, "wasm-pack test", tally)
}

/// The tests of the Worker, in a browser.
pub(crate) fn wasm_pack_test(workspace: &Workspace, tools: &[std::path::PathBuf], options: &[&str]) -> Result<Command> {
    let path = tools::path_with(tools)?;
    // Found by hand, because a program is looked up in the PATH of the parent on some systems.
    let program = tools
        .iter()
        .map(|folder| folder.join("wasm-pack"))
        .find(|program| program.is_file())
        .unwrap_or_else(|| "wasm-pack".into());
    let mut command = Command::new(program);
    command
        .args(["test", "--headless", "--chrome", "--mode", "no-install"])
        .args(options)
        .arg(Path::new("crates").join("worker"));
    command
        .current_dir(&workspace.root)
        .env("PATH", path)
        .env("WASM_BINDGEN_TEST_TIMEOUT", WORKER_TESTS_SECONDS_MAX);
    Ok(command)
}

fn page_tests(workspace: &Workspace, tally: &mut Tally) -> Result<()> {
    let site = site::folder(workspace, Audience::Visitors);
    if !site.join("index.html").is_file() {
        bail!("the site was not built, so there is nothing to test; see the stage before");
    }
    let mut command = workspace.cargo(&["test", "--package", BROWSER_TESTS, "--no-fail-fast"]);
    command
        .env(SITE_VARIABLE, site)
        .env(SCREENSHOT_VARIABLE, screenshot(workspace));
    run_tests(&mut command, "the tests of the page", tally)
}

fn screenshot(workspace: &Workspace) -> std::path::PathBuf {
    workspace.target.join("site").join("screenshot.png")
}
