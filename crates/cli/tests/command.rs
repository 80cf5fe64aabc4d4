//! The command as scripts use it: exit codes, keys of the JSON, what is said where something is wrong.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

fn ftq(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_ftq");
    Command::new(program)
        .args(arguments)
        .output()
        .expect("the command was built")
}

fn json(arguments: &[&str]) -> (i32, Value) {
    let output = ftq(arguments);
    let object = serde_json::from_slice(&output.stdout).expect("one object on standard output");
    (output.status.code().expect("it ended by itself"), object)
}

/// Exit code 2, nothing on standard output, and what is said on standard error.
#[track_caller]
fn refused(arguments: &[&str]) -> String {
    let output = ftq(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    String::from_utf8(output.stderr).expect("words")
}

fn temporary(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

#[test]
fn sim_tells_its_figures_and_repeats_itself() {
    let arguments = ["sim", "--seed", "7", "--nodes", "3", "--seconds", "5", "--json"];
    let (code, figures) = json(&arguments);
    assert_eq!(code, 0);
    let keys = [
        "seed",
        "nodes",
        "virtual_seconds",
        "wall_seconds",
        "speedup",
        "events",
        "elections",
        "ops_acked",
        "faults",
        "violations",
        "linearizable",
        "converged",
        "trace_hash",
        "state_hash",
    ];
    for key in keys {
        assert!(figures.get(key).is_some(), "{key} is missing in {figures}");
    }
    assert_eq!((&figures["seed"], &figures["nodes"]), (&"7".into(), &3.into()));
    let (_, again) = json(&arguments);
    assert_eq!(
        (&figures["trace_hash"], &figures["state_hash"]),
        (&again["trace_hash"], &again["state_hash"])
    );
}

#[test]
fn a_broken_promise_is_exit_code_1_and_can_be_replayed() {
    let file = temporary("failing.ftq");
    let path = file.to_str().unwrap();
    let sim = [
        "sim",
        "--seed",
        "3",
        "--seconds",
        "20",
        "--ablate",
        "check_previous_entry",
        "--trace",
        path,
        "--json",
    ];
    let (code, figures) = json(&sim);
    assert_eq!(code, 1, "{figures}");
    assert_eq!(figures["violations"].as_array().unwrap().len(), 1);
    let (code, replayed) = json(&["replay", path, "--json"]);
    assert_eq!((code, &replayed["trace_hash"]), (1, &figures["trace_hash"]));
    let told = ftq(&["replay", path, "--until", "violation"]);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("Node 1") && told.contains("violated at"), "{told}");
    let shown = ftq(&["replay", path, "--at", "1.5"]);
    assert!(String::from_utf8(shown.stdout).unwrap().contains("\"commit_index\""));
    // And read by other programs; the broken promise is told there, too.
    for format in ["jsonl", "shiviz", "chrome", "perfetto", "history"] {
        let exported = ftq(&["export", path, "--to", format]);
        assert_eq!(exported.status.code(), Some(1), "{format}");
        assert!(exported.stdout.len() > 1_000, "{format}");
    }
    let out = temporary("failing.jsonl");
    let written = ftq(&["export", path, "--to", "jsonl", "--out", out.to_str().unwrap()]);
    assert!(written.stdout.is_empty());
    assert!(std::fs::read_to_string(out).unwrap().contains("\"kind\":\"violated\""));
}

#[test]
fn fuzz_finds_shrinks_keeps_and_says_how_to_repeat() {
    let file = temporary("found.ftq");
    let path = file.to_str().unwrap();
    let arguments = [
        "fuzz",
        "--seeds",
        "0..20",
        "--seconds",
        "10",
        "--ablate",
        "persist_vote",
        "--trace",
        path,
        "--json",
    ];
    let (code, found) = json(&arguments);
    assert_eq!(code, 1);
    for key in [
        "runs",
        "events",
        "virtual_seconds",
        "violations",
        "coverage",
        "uncovered",
    ] {
        assert!(found.get(key).is_some(), "{key} is missing in {found}");
    }
    assert!(found["repeat"].as_str().unwrap().contains("ftq replay"), "{found}");
    assert_eq!(ftq(&["replay", path]).status.code(), Some(1));
}

#[test]
fn fuzz_fails_where_a_fault_never_happened() {
    let (code, found) = json(&["fuzz", "--seeds", "0..1", "--seconds", "2", "--json"]);
    assert_eq!((code, found["violations"].as_array().unwrap().len()), (1, 0));
    assert!(!found["uncovered"].as_array().unwrap().is_empty());
}

#[test]
fn an_ablation_is_told_with_its_property_and_section() {
    let (code, found) = json(&["ablations", "--rule", "vote_once", "--json"]);
    assert_eq!(code, 0);
    let only = &found["ablations"][0];
    assert_eq!(
        (&only["rule"], &only["property"], &only["paper"]),
        (&"vote_once".into(), &"One Vote a Term".into(), &"§5.2".into())
    );
}

#[test]
fn what_is_wrong_is_said_in_a_line_with_what_to_do() {
    for (arguments, said) in [
        (&["sim", "--nodes", "12"][..], "1..=9"),
        (&["sim", "--faults", "crsh"], "use all, none, or a list of drop,"),
        (&["sim", "--ablate", "nothing"], "use one of vote_once"),
        (&["fuzz", "--seeds", "7"], "write it like 0..1000"),
        (&["fuzz", "--seeds", "9..3"], "the first must be less than the last"),
        (&["fuzz", "--seeds", "9..=8"], "the first may not be more than the last"),
        (&["sim", "--faults", "none,crash"], "none stands alone"),
        (&["sim", "--faults=-pause"], "as in all,-pause"),
        (&["sim", "--seconds", "0"], "1..=86400"),
        (&["sim", "--seed", "-1"], "invalid"),
        (&["sim", "--rate", "4000000"], "0..="),
        (&["fuzz", "--seeds", "0..1", "--seconds", "nan"], "invalid"),
        (&["fuzz", "--seeds", "0..1", "--jobs", "200000"], "1..=256"),
        (&["fuzz", "--seeds", "0..1", "--jobs", "0"], "1..=256"),
        (&["fuzz", "--seeds", "0..1", "--jobs", "-1"], "1..=256"),
        (
            &["fuzz", "--seeds", "0..1", "--minutes", "nan"],
            "more than 0 and at most 525600",
        ),
        (
            &["fuzz", "--seeds", "0..1", "--minutes", "-1"],
            "more than 0 and at most 525600",
        ),
        (
            &["fuzz", "--seeds", "0..1", "--minutes", "inf"],
            "more than 0 and at most 525600",
        ),
        (&["fuzz", "--seeds", "0..18446744073709551616"], "write it like 0..1000"),
        (&["ablations", "--jobs", "200000"], "1..=256"),
        (&["ablations", "--seeds-max", "0"], "1.."),
        (&["replay", "x.ftq", "--at", "nan"], "give seconds, 0 to"),
        (&["replay", "x.ftq", "--at", "-1"], "give seconds, 0 to"),
        (
            &["replay", "x.ftq", "--at", "1", "--until", "violation"],
            "cannot be used with",
        ),
        (&["replay", "/nowhere/at-all.ftq"], "No such file"),
        (&["export", "/nowhere/at-all.ftq", "--to", "chrome"], "No such file"),
        (&["export", "x.ftq", "--to", "pdf"], "use one of jsonl, shiviz"),
        (&["frobnicate"], "unrecognized subcommand"),
    ] {
        let words = refused(arguments);
        assert!(words.contains(said), "{arguments:?}: {words}");
    }
    let file = temporary("foreign.ftq");
    std::fs::write(&file, "hello").unwrap();
    assert!(refused(&["replay", file.to_str().unwrap()]).contains("this is no run of FTQueue"));
}

#[test]
fn help_teaches() {
    for arguments in [
        &["--help"][..],
        &["sim", "--help"],
        &["fuzz", "--help"],
        &["ablations", "--help"],
        &["replay", "--help"],
        &["export", "--help"],
        &["bench", "--help"],
    ] {
        let output = ftq(arguments);
        assert!(output.status.success() && !output.stdout.is_empty(), "{arguments:?}");
    }
    let rules = String::from_utf8(ftq(&["ablations", "--help"]).stdout).unwrap();
    assert!(
        rules.contains("commit_own_term_only") && rules.contains("§5.4.2"),
        "{rules}"
    );
}

/// Flushes that outlast the timers on every node are said in a line and in the object; ordinary ones are not.
#[test]
fn disks_that_are_too_slow_for_the_timers_are_told_of() {
    let run = |flush: &str| {
        let arguments = [
            "sim",
            "--nodes",
            "3",
            "--seconds",
            "5",
            "--faults",
            "none",
            "--election-min",
            "150",
        ];
        let mut arguments = arguments.to_vec();
        arguments.extend(["--flush", flush]);
        let text = String::from_utf8(ftq(&arguments).stdout).unwrap();
        arguments.push("--json");
        (text, json(&arguments).1)
    };
    let (text, object) = run("160");
    assert!(
        text.contains("flushes of all nodes take up to 160 ms, and the shortest election timeout is 150 ms"),
        "{text}"
    );
    assert_eq!(object["slow_disks"]["nodes"], 3);
    assert_eq!(object["slow_disks"]["longest_flush_ms"], 160.0);
    // What was seen is said beside what is feared.
    let answered = &object["ops_acked"];
    assert!(answered.as_u64() > Some(1), "{object}");
    assert!(
        text.contains("may not come to an end") && text.contains(&format!("and {answered} answers came all the same")),
        "{text}"
    );
    let (text, object) = run("5");
    assert!(!text.contains("too slow"), "{text}");
    assert_eq!(object["slow_disks"], Value::Null);
}

#[test]
fn timers_with_which_nobody_is_elected_are_refused_in_a_line() {
    for (timers, why) in [
        (
            ["--election-min", "150", "--election-max", "150"],
            "every election timeout is 150 ms",
        ),
        (
            ["--heartbeat", "150", "--election-max", "300"],
            "The heartbeat must be the shorter one",
        ),
        (
            ["--heartbeat", "0", "--election-max", "300"],
            "the heartbeat interval is 0",
        ),
        (
            ["--election-min", "300", "--election-max", "200"],
            "is shorter than the shortest",
        ),
        (
            ["--election-min", "150", "--election-max", "18446744073709551615"],
            "--election-max 18446744073709551615: the timers of a run may take 60000 ms at most",
        ),
        (
            ["--election-min", "150", "--election-max", "70000"],
            "--election-max 70000: the timers of a run may take 60000 ms at most",
        ),
        (
            ["--heartbeat", "18446744073709551615", "--election-max", "300"],
            "--heartbeat 18446744073709551615: the timers of a run may take 60000 ms at most",
        ),
    ] {
        let output = ftq(&[&["sim", "--seconds", "1"][..], &timers].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(why) && said.trim_end().lines().count() == 1, "{said}");
    }
}

/// A history with answers that were taken back is told as that: another checker does not know of it.
#[test]
fn the_history_of_a_run_that_goes_back_comes_with_a_warning() {
    for (faults, is_warned) in [("go-back", true), ("crash", false)] {
        let file = temporary(&format!("history-{faults}.ftq"));
        let path = file.to_str().unwrap();
        let run = [
            "sim",
            "--nodes",
            "3",
            "--seconds",
            "20",
            "--faults",
            faults,
            "--trace",
            path,
        ];
        assert_eq!(ftq(&run).status.code(), Some(0), "{faults}");
        let exported = ftq(&["export", path, "--to", "history"]);
        let said = String::from_utf8(exported.stderr).unwrap();
        assert_eq!(said.contains("goes back in time"), is_warned, "{faults}: {said}");
    }
}

/// Slow disks are no fault of the cluster's: who does not agree with them is not judged.
#[test]
fn a_cluster_whose_disks_are_too_slow_is_not_judged_by_whether_it_agrees() {
    let run = ["sim", "--flush", "10000", "--seconds", "5"];
    let (code, object) = json(&[&run[..], &["--json"]].concat());
    assert_eq!(
        (code, &object["violations"]),
        (0, &Value::Array(Vec::new())),
        "{object}"
    );
    assert_eq!(object["converged"], Value::Null);
    let why = object["convergence_unjudged"].as_str().unwrap();
    assert!(why.contains("slower than the timers"), "{why}");
    let text = String::from_utf8(ftq(&run).stdout).unwrap();
    assert!(text.contains(&format!("converged: not judged: {why}")), "{text}");
}

/// Flushes that are slow for a moment, in which nobody could have stood for election, are not worth a word.
#[test]
fn a_moment_of_slow_disks_is_not_told_of() {
    let run = ["sim", "--seed", "43", "--seconds", "20"];
    let (_, object) = json(&[&run[..], &["--json"]].concat());
    let seconds = object["slow_disks"]["seconds"].as_f64();
    assert!(
        seconds.is_some_and(|seconds| seconds < 0.15),
        "the seed draws other faults than it did; take one whose disks are slow for a moment: {object}"
    );
    let text = String::from_utf8(ftq(&run).stdout).unwrap();
    assert!(!text.contains("too slow"), "{text}");
}

#[test]
fn one_is_one() {
    let run = [
        "sim",
        "--nodes",
        "1",
        "--seconds",
        "1",
        "--rate",
        "1",
        "--faults",
        "none",
    ];
    let text = String::from_utf8(ftq(&run).stdout).unwrap();
    assert!(
        text.starts_with("seed 0: 1 node\n") && text.contains("\n1 election, "),
        "{text}"
    );
}

/// An instant behind the end of the run is none of its instants; one between the faults and the end is as it was in the run.
#[test]
fn a_run_is_shown_up_to_its_end() {
    let file = temporary("shown.ftq");
    let path = file.to_str().unwrap();
    let (_, run) = json(&["sim", "--seconds", "2", "--nodes", "3", "--trace", path, "--json"]);
    let end = run["virtual_seconds"].as_f64().unwrap();
    assert!(end > 2.0);
    let shown = |at: f64| json(&["replay", path, "--at", &at.to_string(), "--json"]);
    // Instants are whole microseconds.
    let just_before = (end * 1e6 - 1.0).round() / 1e6;
    for at in [0.0, 1.0, 2.0, just_before, end] {
        let (code, shown) = shown(at);
        assert_eq!((code, &shown["at"]), (0, &at.into()), "{shown}");
    }
    for at in [end + 0.000_001, 1e9] {
        let (code, refused) = shown(at);
        let why = refused["error"].as_str().unwrap();
        assert!(
            code == 2 && why.contains(&format!("the run ends at {end:.6} s")),
            "{refused}"
        );
    }
}

#[test]
fn what_breaks_nothing_has_nothing_to_tell() {
    let file = temporary("clean.ftq");
    let path = file.to_str().unwrap();
    ftq(&["sim", "--seconds", "2", "--nodes", "3", "--trace", path]);
    let told = ftq(&["replay", path, "--until", "violation"]);
    assert!(
        told.status.success() && told.stdout.len() < 1_000,
        "{}",
        told.stdout.len()
    );
    assert!(String::from_utf8(told.stderr).unwrap().contains("no promise is broken"));
    let (_, told) = json(&["replay", path, "--until", "violation", "--json"]);
    assert_eq!(told["told"], Value::Array(Vec::new()));
}

/// Who reads JSON reads why there is none, too.
#[test]
fn what_is_refused_is_one_object_too() {
    for (arguments, why) in [
        (&["sim", "--nodes", "10"][..], "10 is not in 1..=9"),
        (&["sim", "--election-min", "70000"], "60000 ms at most"),
        (
            &["sim", "--seconds", "1", "--trace", "/nowhere/x.ftq"],
            "cannot be written",
        ),
        (&["replay", "/nowhere/at-all.ftq"], "No such file"),
        (&["replay", "x.ftq", "--at", "-1"], "give seconds, 0 to"),
        (&["fuzz", "--seeds", "7"], "write it like 0..1000"),
        (&["fuzz"], "required arguments were not provided: --seeds"),
        (
            &["fuzz", "--seeds", "0..9", "--trace", "/nowhere/x.ftq"],
            "cannot be written",
        ),
        (&["ablations", "--rule", "nothing"], "use one of vote_once"),
        (&["ablations", "--table", "/nowhere/table.md"], "cannot be written"),
        (&["bench", "--nodes", "3"], "unexpected argument"),
        (&["frobnicate"], "unrecognized subcommand"),
    ] {
        let arguments = [arguments, &["--json"]].concat();
        let (code, refused) = json(&arguments);
        let told = refused["error"]
            .as_str()
            .unwrap_or_else(|| panic!("{arguments:?}: {refused}"));
        assert!(code == 2 && told.contains(why), "{arguments:?}: {refused}");
        assert_eq!(refused.as_object().map(|object| object.len()), Some(1));
        let said = String::from_utf8(ftq(&arguments).stderr).unwrap();
        assert!(!said.is_empty(), "it is said to people, too");
    }
}
