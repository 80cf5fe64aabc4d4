//! `cargo xtask`: one command for everything that is done with this repository.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use xtask::bench::{self, Endurance};
use xtask::browser;
use xtask::build::Profile;
use xtask::checks::{self, Group};
use xtask::deep;
use xtask::engines::Engine;
use xtask::kept;
use xtask::server::Server;
use xtask::site::{self, Audience};
use xtask::speed;
use xtask::stage::Stages;
use xtask::weight::{BUDGET_KB, Weight};
use xtask::workspace::Workspace;

/// Builds, serves, packs and checks FTQueue. Rust is all it needs: the rest it installs, or says what to install.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    after_help = EXAMPLES
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

const EXAMPLES: &str = "Examples:
  cargo xtask serve               look at it: builds the page and opens it
  cargo xtask test                test everything, the page in a real browser included
  cargo xtask test --only native  test what needs no browser
  cargo xtask dist --out site     write a folder that any static host can serve
  cargo xtask ci                  what has to pass before a change goes in";

#[derive(Subcommand)]
enum Task {
    /// Build the page and serve it on this machine
    Serve(Serve),
    /// Write the site that a static host serves
    Dist(Dist),
    /// Build the page without serving it, as Trunk's hook does
    Build(Build),
    /// Run the tests: native ones, those of the Worker, and the page in a real browser
    Test(Test),
    /// Fuzz everything that decodes what comes from outside, guided by coverage, and keep what covers more
    Fuzz(Fuzz),
    /// Make the kept runs of tests and of the fuzzer anew, from scenarios and seeds: after a change of the core or of a format
    KeptRuns,
    /// Change the core and the queues in every small way, and say which changes no fast test notices. Takes hours
    Mutants(Mutants),
    /// Measure how fast the simulator is: beside an earlier commit, natively, and in a browser
    Speed,
    /// Measure in a browser what a push, the timeline and recording cost
    Bench,
    /// Let a cluster run in a browser for long: a thousand kills under load, or an hour
    Endure(Endure),
    /// Run what a change has to pass: formatting, clippy, rustdoc, and then every test
    Ci,
}

/// Builds the page and the node for WebAssembly, and serves them on http://127.0.0.1 until interrupted.
#[derive(Args)]
#[command(after_help = "After a change of the sources, interrupt it (Ctrl-C) and run it again: that takes seconds.")]
struct Serve {
    /// The port; the next free one is taken if it is in use
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Open a browser even where no desktop is found
    #[arg(long, overrides_with = "no_open")]
    open: bool,
    /// Do not open a browser
    #[arg(long)]
    no_open: bool,
    /// Build what visitors get: smaller and faster, and slower to compile
    #[arg(long)]
    release: bool,
    /// Serve this folder as it is, and build nothing
    #[arg(long, value_name = "FOLDER", conflicts_with = "release")]
    dir: Option<PathBuf>,
}

/// Writes a static site: it works from any path of any host, offline after the first visit, and asks no other host
/// for anything. Prints what each file weighs, and fails if the whole is over the budget.
#[derive(Args)]
struct Dist {
    /// The folder to write; an older site in it is replaced
    #[arg(long, default_value = "dist")]
    out: PathBuf,
}

/// Builds the page and the node and lays the site out, for another server to serve. `trunk serve` calls this.
#[derive(Args)]
struct Build {
    /// The folder to write into [default: Trunk's staging folder, or target/site/serve]
    #[arg(long)]
    out: Option<PathBuf>,
    /// Build what visitors get: smaller and faster, and slower to compile
    #[arg(long)]
    release: bool,
}

/// Runs the tests and ends with what came of each stage. A missing browser or tool is installed where that is
/// possible (Debian as root, and what cargo can build); otherwise one line says what to install.
#[derive(Args)]
#[command(
    after_help = "One test: `cargo test -p PACKAGE NAME`. One test of the page: set FTQUEUE_SITE to the folder of
`cargo xtask dist`, and run `cargo test -p tests NAME`."
)]
struct Test {
    /// Run only this group; may be given more than once
    #[arg(long, value_enum, value_name = "GROUP")]
    only: Vec<TestGroup>,
    /// Replace the README's picture by the one that the tests of the page make
    #[arg(long)]
    keep_screenshot: bool,
}

/// Fuzzes with libFuzzer, through cargo-fuzz (built if it is missing; it needs a C++ compiler). Starts from the corpus in
/// fuzz/corpus, and puts what covers more there.
#[derive(Args)]
struct Fuzz {
    /// Only this target; may be given more than once
    #[arg(long, value_parser = deep::FUZZ_TARGETS)]
    target: Vec<String>,
    /// How long each target is fuzzed
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// Runs cargo-mutants (built if it is missing) over raft-core and ftqueue with their own tests.
#[derive(Args)]
struct Mutants {
    /// What cargo-mutants is told besides, as in `cargo xtask mutants -- --shard 1/8`
    #[arg(last = true)]
    options: Vec<String>,
}

/// Runs five nodes in a browser under 100 operations a second, and says what came of it: whether anything that was acknowledged was
/// lost or came twice, the verdict, and how much memory the browser took.
#[derive(Args)]
#[command(after_help = "Examples:
  cargo xtask endure                                 kill Workers 1000 times in Chromium
  cargo xtask endure --engine firefox --kills 200    fewer, in Firefox
  cargo xtask endure --minutes 60                    kill none, for an hour
  cargo xtask endure --minutes 15 --hidden           the same in a page that nobody looks at")]
struct Endure {
    /// How many Workers are killed, never more than two at once
    #[arg(long, default_value_t = 1_000)]
    kills: u32,
    /// Run for so many minutes and kill none
    #[arg(long, conflicts_with = "kills")]
    minutes: Option<u32>,
    /// Meanwhile nobody looks at the page, and its browser spares it processor
    #[arg(long, requires = "minutes")]
    hidden: bool,
    /// The browser: chromium, firefox or webkit
    #[arg(long, default_value = "chromium", value_parser = ["chromium", "firefox", "webkit"])]
    engine: String,
    /// A folder that `cargo xtask dist` wrote, in place of a site that is built now
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum TestGroup {
    /// Formatting, clippy for both targets, rustdoc (not among the tests unless asked for)
    Lint,
    /// Tests that run on this machine itself, doc tests included
    Native,
    /// Whole clusters in virtual time: a fixed and a fresh range of seeds, and every rule switched off
    Simulation,
    /// The node's tests, in a Worker of a real browser
    Wasm,
    /// The site's weight, and the page driven in Chromium
    Browser,
    /// What of the page may differ in Firefox, driven there (where there is one, or one can be installed)
    Firefox,
    /// A visit from end to end in WebKitGTK (where there is one, or one can be installed)
    #[value(name = "webkit")]
    WebKit,
}

/// What `cargo xtask test` runs, unless it is asked for less.
const TESTS: &[Group] = &[
    Group::Native,
    Group::Simulation,
    Group::Wasm,
    Group::Browser,
    Group::Firefox,
    Group::WebKit,
];
/// Those of them that are left out where their browser is not to be had, unless they are asked for by name.
const WHERE_POSSIBLE: &[Group] = &[Group::Firefox, Group::WebKit];

fn main() -> ExitCode {
    let outcome = run_task(Arguments::parse().task);
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run_task(task: Task) -> Result<ExitCode> {
    match task {
        Task::Serve(task) => serve(&task),
        Task::Dist(task) => dist(&task),
        Task::Build(task) => build(&task),
        Task::Test(task) => test(&task),
        Task::Fuzz(task) => fuzz(&task),
        Task::KeptRuns => kept_runs(),
        Task::Mutants(task) => deep::mutants(&Workspace::find()?, &task.options).map(|()| ExitCode::SUCCESS),
        Task::Speed => speed::speed(&Workspace::find()?).map(|()| ExitCode::SUCCESS),
        Task::Bench => bench::bench(&Workspace::find()?).map(|()| ExitCode::SUCCESS),
        Task::Endure(task) => endure(&task),
        Task::Ci => check(&[&[Group::Lint], &possible_tests()[..]].concat(), false),
    }
}

/// How many ports are tried, from the wanted one on.
const PORTS_TRIED: u16 = 100;

fn serve(task: &Serve) -> Result<ExitCode> {
    let site = match &task.dir {
        Some(folder) => folder.clone(),
        None => {
            let started = Instant::now();
            let site = site::make(&Workspace::find()?, profile(task.release), Audience::Developer)?;
            eprintln!("built in {:.1} s", started.elapsed().as_secs_f64());
            site
        }
    };
    if !site.join("index.html").is_file() {
        bail!(
            "{} holds no index.html; `cargo xtask dist` writes a folder that does",
            site.display()
        );
    }
    let server = (task.port..task.port.saturating_add(PORTS_TRIED))
        .find_map(|port| Server::start(&site, "/", port).ok())
        .with_context(|| format!("no port from {} on is free; name another with --port", task.port))?;
    let address = format!("http://127.0.0.1:{}/", server.port());
    if server.port() != task.port && task.port != 0 {
        eprintln!("port {} is in use", task.port);
    }
    println!("{address}");
    eprintln!("Ctrl-C ends it");
    if task.open || (!task.no_open && browser::there_is_a_desktop()) {
        browser::open(&address);
    }
    server.wait();
    Ok(ExitCode::SUCCESS)
}

fn dist(task: &Dist) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    let site = site::make(&workspace, Profile::Release, Audience::Visitors)?;
    site::publish(&site, &task.out)?;
    let weight = Weight::of(&task.out)?;
    println!("{weight}\nwritten to {}", task.out.display());
    if weight.is_within_budget() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "error: the site is over its budget of {BUDGET_KB} kB by {} bytes",
        weight.brotli_bytes() - BUDGET_KB * 1000
    );
    Ok(ExitCode::FAILURE)
}

fn build(task: &Build) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    let is_trunks_release = env::var_os("TRUNK_PROFILE").is_some_and(|profile| profile == "release");
    let profile = profile(task.release || is_trunks_release);
    match task
        .out
        .clone()
        .or_else(|| env::var_os("TRUNK_STAGING_DIR").map(PathBuf::from))
    {
        Some(out) => site::lay_out(&workspace, profile, Audience::Developer, &out)?,
        None => println!(
            "written to {}",
            site::make(&workspace, profile, Audience::Developer)?.display()
        ),
    }
    Ok(ExitCode::SUCCESS)
}

fn test(task: &Test) -> Result<ExitCode> {
    let asked: Vec<Group> = task.only.iter().map(|group| Group::from(*group)).collect();
    let groups = if asked.is_empty() { possible_tests() } else { asked };
    check(&groups, task.keep_screenshot)
}

/// [`TESTS`], without those whose browser is not to be had on this machine: said, with what to do about it.
fn possible_tests() -> Vec<Group> {
    let is_possible = |group: &Group| {
        let engine = group.engine().filter(|_| WHERE_POSSIBLE.contains(group));
        let why_not = engine.and_then(|engine| Some((engine, engine.why_not()?)));
        if let Some((engine, how_to_get_it)) = &why_not {
            println!(
                "the page is not tested in {}: to have it, {how_to_get_it}",
                engine.name()
            );
        }
        why_not.is_none()
    };
    TESTS.iter().copied().filter(is_possible).collect()
}

fn fuzz(task: &Fuzz) -> Result<ExitCode> {
    let asked: Vec<&str> = task.target.iter().map(String::as_str).collect();
    let targets = if asked.is_empty() {
        &deep::FUZZ_TARGETS
    } else {
        &asked[..]
    };
    deep::fuzz(&Workspace::find()?, targets, task.seconds)?;
    Ok(ExitCode::SUCCESS)
}

fn endure(task: &Endure) -> Result<ExitCode> {
    let asked = match task.minutes {
        Some(minutes) if task.hidden => Endurance::Hidden(minutes),
        Some(minutes) => Endurance::Minutes(minutes),
        None => Endurance::Kills(task.kills),
    };
    bench::endure(
        &Workspace::find()?,
        Engine::named(&task.engine),
        asked,
        task.dir.as_deref(),
    )?;
    Ok(ExitCode::SUCCESS)
}

fn kept_runs() -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    kept::make(&workspace)?;
    deep::kept_runs(&workspace)?;
    Ok(ExitCode::SUCCESS)
}

fn check(groups: &[Group], keep_screenshot: bool) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    let mut stages = Stages::default();
    checks::run_groups(&workspace, groups, &mut stages);
    println!("\n{stages}");
    if keep_screenshot {
        checks::keep_screenshot(&workspace)?;
    }
    Ok(if stages.are_all_well() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn profile(release: bool) -> Profile {
    if release { Profile::Release } else { Profile::Serve }
}

impl From<TestGroup> for Group {
    fn from(group: TestGroup) -> Group {
        match group {
            TestGroup::Lint => Group::Lint,
            TestGroup::Native => Group::Native,
            TestGroup::Simulation => Group::Simulation,
            TestGroup::Wasm => Group::Wasm,
            TestGroup::Browser => Group::Browser,
            TestGroup::Firefox => Group::Firefox,
            TestGroup::WebKit => Group::WebKit,
        }
    }
}
