//! Everything that is checked, in the order in which it is run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use anyhow::{Context, Result, bail};

use crate::build::Profile;
use crate::engines::{ENGINE_VARIABLE, Engine};
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
    /// The page, driven from outside in Chromium; before that the site is built and weighed.
    Browser,
    /// What of the page may differ in Firefox, driven there.
    Firefox,
    /// A visit from end to end in WebKitGTK.
    WebKit,
}

impl Group {
    /// The browser that it needs.
    pub fn engine(self) -> Option<Engine> {
        match self {
            Group::Lint | Group::Native | Group::Simulation => None,
            Group::Wasm | Group::Browser => Some(Engine::Chromium),
            Group::Firefox => Some(Engine::Firefox),
            Group::WebKit => Some(Engine::WebKit),
        }
    }
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

/// Of them, those that are about what may differ in Firefox: storage, Workers, messages, canvas, service worker, clocks, focus.
const IN_FIREFOX: &[&str] = &[
    "back::a_tab_that_closes_in_the_middle_leaves_one_epoch_or_the_other",
    "back::two_pushes_at_once_after_going_back_are_two",
    "causes::no_effect_stands_before_its_cause",
    "deleting::a_click_twice_deletes_no_branch_and_what_is_deleted_comes_back",
    "delivery::an_open_page_goes_on_with_its_own_build_after_a_deploy",
    "delivery::what_is_not_the_site_is_not_taken_for_it",
    "delivery::without_a_service_worker_a_deploy_is_told_and_the_cluster_goes_on",
    "elections::hidden_tab",
    "elections::kill_leaders",
    "engines::a_visit",
    "engines::the_timeline_is_painted_at_any_size",
    "engines::who_asks_a_hidden_page_is_answered",
    "keys::a_key_is_what_it_types_and_acts_once",
    "keys::a_tooltips_key_works_where_the_tooltip_is",
    "keys::digits_crash_nobody_from_elsewhere",
    "keys::enter_and_escape_that_end_a_composition_are_the_input_methods",
    "lifecycle::a_cluster_that_another_tab_has_taken_meanwhile_is_named",
    "lifecycle::clients_and_load_of_a_hidden_page_go_on",
    "lifecycle::nodes_do_not_stop_when_the_page_comes_to_itself",
    "lifecycle::the_page_before_in_the_same_tab_gives_its_cluster_up",
    "lifecycle::who_goes_away_and_comes_back_has_their_cluster_again",
    "opening::a_run_of_seven_that_is_dropped_on_a_page_of_three_opens",
    "opening::an_hour_is_opened_before_ones_eyes_and_can_be_cancelled",
    "promises::when_the_recorder_stops_who_asked_it_and_who_asks_is_told",
    "policy::nothing_that_the_page_does_is_against_its_policy",
    "site::a_sub_path_and_then_no_network",
    "site::a_worker_that_dies_by_itself_is_shown_and_restarts",
    "site::two_tabs_have_a_cluster_each",
    "site::without_private_files_the_logs_are_in_memory_and_the_page_says_so",
    "storage::a_damaged_log_is_refused_with_the_place_and_can_be_wiped",
    "storage::a_flush_that_fails_stops_one_node_until_it_is_restarted",
    "storage::over_plain_http_logs_are_in_memory_and_one_crash_loses_nothing",
    "storage::reload",
    "storage::restart_all",
    "storage::two_crashes_lose_nothing",
    "tabs::a_cluster_that_is_given_up_late_is_waited_for",
    "tabs::another_cluster_can_be_begun_instead_of_waiting",
    "tabs::tabs_that_are_loaded_again_under_load_come_back_to_their_own_clusters",
    "time::a_link_opens_on_the_same_instant_elsewhere",
    "time::any_instant_is_made_again",
    "time::the_timeline_is_a_slider",
    "translated::a_translated_page_goes_on_telling_what_is",
    "typing::a_number_is_typed_digit_by_digit_while_time_runs",
    "typing::a_number_that_is_refused_is_named_with_its_range",
    "typing::the_command_line_and_the_speed_are_left_to_who_is_in_them",
];

/// And those that are run in WebKitGTK.
const IN_WEBKIT: &[&str] = &["engines::a_visit"];

/// Where those tests find the built site.
const SITE_VARIABLE: &str = "FTQUEUE_SITE";

/// Where one of them leaves the picture that the README shows.
const SCREENSHOT_VARIABLE: &str = "FTQUEUE_SCREENSHOT";
const README_SCREENSHOT: &str = "docs/screenshot.png";

/// Runs the groups, each whole, whatever comes of those before it.
pub fn run_groups(workspace: &Workspace, groups: &[Group], stages: &mut Stages) {
    let wants = |group: Group| groups.contains(&group);
    let wants_engine = |engine: Engine| groups.iter().any(|group| group.engine() == Some(engine));
    let engine = |engine: Engine| move || provided(engine.ensure(workspace));
    let chromium = LazyLock::new(engine(Engine::Chromium));
    let wasm_tools = LazyLock::new(|| provided(tools::ensure_wasm_tools(workspace)));
    let firefox = LazyLock::new(engine(Engine::Firefox));
    let webkit = LazyLock::new(engine(Engine::WebKit));
    std::thread::scope(|scope| {
        // What is missing is fetched and built while the compiler is busy with the first stages, in the order in which it is needed.
        scope.spawn(|| {
            if wants_engine(Engine::Chromium) {
                LazyLock::force(&chromium);
            }
            if wants(Group::Wasm) {
                LazyLock::force(&wasm_tools);
            }
            if wants_engine(Engine::Firefox) {
                LazyLock::force(&firefox);
            }
            if wants_engine(Engine::WebKit) {
                LazyLock::force(&webkit);
            }
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
        if [Group::Browser, Group::Firefox, Group::WebKit].into_iter().any(wants) {
            stages.run("site and its weight", |_| weigh_site(workspace));
        }
        if wants(Group::Wasm) {
            stages.run("tests in a Worker", |tally| {
                folders(&chromium)?;
                worker_tests(workspace, &folders(&wasm_tools)?, tally)
            });
        }
        if wants(Group::Browser) {
            stages.run("page in Chromium", |tally| {
                page_tests(workspace, Engine::Chromium, &folders(&chromium)?, &[], tally)
            });
        }
        if wants(Group::Firefox) {
            stages.run("page in Firefox", |tally| {
                page_tests(workspace, Engine::Firefox, &folders(&firefox)?, IN_FIREFOX, tally)
            });
        }
        if wants(Group::WebKit) {
            stages.run("page in WebKitGTK", |tally| {
                page_tests(workspace, Engine::WebKit, &folders(&webkit)?, IN_WEBKIT, tally)
            });
        }
    });
}

/// What was found, installed or built: the folders that have to be put in front of the PATH, or why not.
type Provided = Result<Vec<PathBuf>, String>;

fn provided(outcome: Result<Vec<PathBuf>>) -> Provided {
    outcome.map_err(|error| format!("{error:#}"))
}

/// Waits for what is being provided, and gives its folders.
fn folders(provided: &Provided) -> Result<Vec<PathBuf>> {
    provided.clone().map_err(anyhow::Error::msg)
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

fn worker_tests(workspace: &Workspace, tools: &[PathBuf], tally: &mut Tally) -> Result<()> {
    run_tests(&mut wasm_pack_test(workspace, tools, &[])?, "wasm-pack test", tally)
}

/// The tests of the Worker, in a browser.
pub(crate) fn wasm_pack_test(workspace: &Workspace, tools: &[PathBuf], options: &[&str]) -> Result<Command> {
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

/// Runs these tests of the page, all of them if none is named, in a browser.
fn page_tests(
    workspace: &Workspace,
    engine: Engine,
    folders: &[PathBuf],
    names: &[&str],
    tally: &mut Tally,
) -> Result<()> {
    let site = site::folder(workspace, Audience::Visitors);
    if !site.join("index.html").is_file() {
        bail!("the site was not built, so there is nothing to test; see the stage before");
    }
    let mut command = workspace.cargo(&["test", "--package", BROWSER_TESTS, "--no-fail-fast"]);
    if !names.is_empty() {
        command.args(["--test", "page", "--", "--exact"]).args(names);
    }
    command
        .env(SITE_VARIABLE, site)
        .env(ENGINE_VARIABLE, engine.name())
        .env("PATH", tools::path_with(folders)?);
    if engine == Engine::Chromium {
        command.env(SCREENSHOT_VARIABLE, screenshot(workspace));
    }
    run_tests(&mut command, "the tests of the page", tally)?;
    if !names.is_empty() && tally.passed != names.len() {
        bail!(
            "{} tests are named, {} ran: one of the names is no test's",
            names.len(),
            tally.passed
        );
    }
    Ok(())
}

fn screenshot(workspace: &Workspace) -> PathBuf {
    workspace.target.join("site").join("screenshot.png")
}
