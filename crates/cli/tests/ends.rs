//! Whatever ends the command, what it has found is told, and its exit code says what a script needs to know.
#![cfg(unix)]

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long a command may take to end once it is told to. Each says a second; a busy machine gets more.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

fn ftq(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ftq"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn output(arguments: &[&str]) -> Output {
    ftq(arguments).output().expect("the command was built")
}

/// Exit code and the one object on standard output.
#[track_caller]
fn json(output: &Output) -> (i32, Value) {
    let said = String::from_utf8_lossy(&output.stdout);
    let object = serde_json::from_str(&said).unwrap_or_else(|error| {
        panic!(
            "one object was to be said ({error}): {said}\n{}",
            String::from_utf8_lossy(&output.stderr)
        )
    });
    (output.status.code().expect("it ended by itself"), object)
}

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ends").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn start(arguments: &[&str]) -> Child {
    let mut command = ftq(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the command was built")
}

fn send(signal: &str, child: &Child) {
    let sent = Command::new("kill")
        .arg(format!("-{signal}"))
        .arg(child.id().to_string())
        .status();
    assert!(sent.unwrap().success());
}

/// Waits until there is this file.
fn appears(path: &Path) {
    let began = Instant::now();
    while !path.exists() && began.elapsed() < ENDS_WITHIN {
        thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until the command hears signals, and a little longer. Linux says when it does.
fn hears(child: &Child) {
    let began = Instant::now();
    let path = format!("/proc/{}/status", child.id());
    let is_heard = |status: &str| {
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let mask = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        // SIGTERM is the fifteenth.
        mask.is_some_and(|mask| mask >> 14 & 1 == 1)
    };
    while fs::read_to_string(&path).is_ok_and(|status| !is_heard(&status)) && began.elapsed() < ENDS_WITHIN {
        thread::sleep(Duration::from_millis(10));
    }
    thread::sleep(Duration::from_millis(200));
}

#[track_caller]
fn ends(child: Child) -> Output {
    let id = child.id();
    let (tell, told) = mpsc::channel();
    // What it says is read meanwhile: it may be more than a pipe holds.
    thread::spawn(move || tell.send(child.wait_with_output()));
    match told.recv_timeout(ENDS_WITHIN) {
        Ok(ended) => ended.unwrap(),
        Err(_) => {
            let _ = Command::new("kill").args(["-KILL", &id.to_string()]).status();
            panic!("it was told to end, and goes on");
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Fuzzing that finds something at once, with what is needed to repeat it.
fn finds<'a>(trace: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec![
        "fuzz",
        "--seeds",
        "0..200",
        "--seconds",
        "20",
        "--ablate",
        "persist_vote",
        "--trace",
        trace,
        "--json",
    ];
    arguments.extend(more);
    arguments
}

#[test]
fn what_is_told_is_what_the_kept_run_does() {
    let folder = folder("told");
    let (small, original) = (folder.join("my run.ftq"), folder.join("my run.original.ftq"));
    let (code, found) = json(&output(&finds(text(&small), &[])));
    assert_eq!(code, 1, "{found}");
    for (file, told) in [(&small, &found), (&original, &found["original"])] {
        let (code, replayed) = json(&output(&["replay", text(file), "--json"]));
        assert_eq!(code, 1);
        assert_eq!(
            (&replayed["violations"][0], &replayed["trace_hash"]),
            (&told["violation"], &told["trace_hash"])
        );
    }
    let (_, replayed) = json(&output(&["replay", text(&original), "--until", "violation", "--json"]));
    assert!(replayed["told"].as_array().unwrap().len() > 10, "{replayed}");
    // It is as long as it takes to break, and not only as its load.
    assert_eq!(found["shrunk"]["seconds"], found["violation"]["at"]);
    assert!(
        found["shrunk"]["load_seconds"].as_f64() <= found["shrunk"]["seconds"].as_f64(),
        "{found}"
    );
    let (told, first) = (&found["violation"], &found["original"]["violation"]);
    assert_eq!((&told["property"], &told["node"]), (&first["property"], &first["node"]));
    assert_eq!(found["notes"], serde_json::json!([]));
    // Both lines can be pasted into a shell.
    for line in [&found["repeat"], &found["original"]["repeat"]] {
        let line = line.as_str().unwrap().replacen("ftq", env!("CARGO_BIN_EXE_ftq"), 1);
        let pasted = Command::new("sh").args(["-c", &line]).output().unwrap();
        assert_eq!(pasted.status.code(), Some(1), "{line}");
    }
}

#[test]
fn the_same_command_tells_the_same_on_any_number_of_threads() {
    let folder = folder("threads");
    let trace = folder.join("x.ftq");
    let told = |jobs: &str| {
        let (code, mut found) = json(&output(&finds(text(&trace), &["--jobs", jobs])));
        assert_eq!(code, 1);
        found["wall_seconds"] = 0.into();
        found
    };
    let one = told("1");
    assert!(one["seed"].is_string(), "{one}");
    assert_eq!(one["shrunk"]["cut_short_by"], Value::Null, "{one}");
    assert_eq!(told("2"), one);
    assert_eq!(told("7"), one);
}

/// A time limit of CI's, a terminal that closes, Ctrl-C.
#[test]
fn a_signal_ends_it_with_what_there_is() {
    let folder = folder("signals");
    for (signal, code) in [("TERM", 143), ("HUP", 129), ("INT", 130)] {
        let trace = folder.join("nothing.ftq");
        let child = start(&[
            "fuzz",
            "--seeds",
            "0..1000000",
            "--seconds",
            "5",
            "--trace",
            text(&trace),
            "--json",
        ]);
        thread::sleep(Duration::from_millis(500));
        send(signal, &child);
        let (ended, figures) = json(&ends(child));
        assert_eq!(
            (ended, &figures["interrupted"]),
            (code, &true.into()),
            "{signal}: {figures}"
        );
        assert!(!trace.exists());
    }
    let child = start(&["sim", "--seconds", "80000", "--json"]);
    thread::sleep(Duration::from_millis(300));
    send("TERM", &child);
    let (ended, figures) = json(&ends(child));
    assert_eq!((ended, &figures["linearizable"]), (143, &Value::Null));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing is left behind");
}

/// Whatever it was at: it says that it did not come to its end, and takes what it had not done for no finding.
#[test]
fn a_signal_is_told_by_every_verb() {
    let folder = folder("verbs");
    let (long, table) = (folder.join("long.ftq"), folder.join("table.md"));
    let child = start(&[
        "sim",
        "--seconds",
        "10000",
        "--rate",
        "20",
        "--trace",
        text(&long),
        "--json",
    ]);
    appears(&long);
    fs::write(&table, "what was there").unwrap();
    let hunt = ["ablations", "--jobs", "1", "--rule", "commit_own_term_only", "--json"];
    let children = [
        child,
        start(&[&hunt[..], &["--table", text(&table)]].concat()),
        start(&["bench", "--json"]),
        start(&["replay", text(&long), "--json"]),
        start(&["replay", text(&long), "--at", "5999", "--json"]),
        start(&["replay", text(&long), "--until", "violation", "--json"]),
    ];
    for child in children {
        hears(&child);
        send("TERM", &child);
        let ended = ends(child);
        let (code, object) = json(&ended);
        assert_eq!((code, &object["interrupted"]), (143, &true.into()), "{object}");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(said.contains("it was told to end"), "{said}");
        assert!(!said.contains("nothing was seen to break"), "{said}");
        if let Some(hunt) = object["ablations"].get(0) {
            assert_eq!((&hunt["cut_short"], &hunt["property"]), (&true.into(), &Value::Null));
            assert!(said.contains("table.md was not written"), "{said}");
        }
    }
    assert_eq!(fs::read_to_string(&table).unwrap(), "what was there");
}

/// Of a device and of a pipe nobody knows how long they are.
#[test]
fn what_has_no_end_is_refused_within_little_memory() {
    let program = env!("CARGO_BIN_EXE_ftq");
    for line in [
        "replay /dev/zero",
        "replay /dev/zero --at 1",
        "export /dev/zero --to jsonl",
        "replay /dev/stdin < /dev/zero",
    ] {
        let began = Instant::now();
        let shell = format!("ulimit -v 200000; exec '{program}' {line}");
        let ended = Command::new("sh").args(["-c", &shell]).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{line}: {said}");
        assert!(
            said.contains("longer than a run") && said.lines().count() == 1,
            "{line}: {said}"
        );
        assert!(began.elapsed() < ENDS_WITHIN);
    }
}

/// What is found is kept before it is made small.
#[test]
fn a_signal_while_it_shrinks_loses_nothing() {
    let folder = folder("shrinking");
    let (trace, original) = (folder.join("x.ftq"), folder.join("x.original.ftq"));
    let child = start(&[
        "fuzz",
        "--seeds",
        "0..200",
        "--seconds",
        "300",
        "--ablate",
        "persist_vote",
        "--trace",
        text(&trace),
        "--json",
    ]);
    appears(&original);
    send("INT", &child);
    let (code, found) = json(&ends(child));
    assert_eq!(
        (code, &found["shrunk"]["cut_short_by"]),
        (1, &"a signal".into()),
        "{found}"
    );
    assert!(found["seed"].is_string() && found["file"] == text(&trace), "{found}");
    assert_eq!(output(&["replay", text(&trace)]).status.code(), Some(1));
}

#[test]
fn what_cannot_be_kept_is_refused_before_any_work() {
    let folder = folder("refused");
    for path in ["/nowhere/x.ftq", text(&folder)] {
        let began = Instant::now();
        let ended = output(&["fuzz", "--seeds", "0..100000", "--trace", path]);
        assert_eq!(ended.status.code(), Some(2));
        assert!(began.elapsed() < ENDS_WITHIN && ended.stdout.is_empty());
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(said.contains("cannot be written") && !said.contains(".ftq-"), "{said}");
    }
    let table = output(&["ablations", "--rule", "vote_once", "--table", "/nowhere/table.md"]);
    assert_eq!((table.status.code(), table.stdout.len()), (Some(2), 0));
}

/// The disk may fill up while it works.
#[test]
fn what_cannot_be_kept_after_all_is_told() {
    let (code, found) = json(&output(&finds("/dev/full", &[])));
    assert_eq!(code, 1);
    assert_eq!(
        (&found["file"], &found["violation"]),
        (&Value::Null, &found["original"]["violation"])
    );
    let repeat = found["repeat"].as_str().unwrap();
    assert!(repeat.starts_with("ftq sim --seed "), "{repeat}");
    let words: Vec<&str> = repeat.split(' ').skip(1).collect();
    assert_eq!(output(&words).status.code(), Some(1));
    assert!(
        found["notes"][0].as_str().unwrap().contains("was not written"),
        "{found}"
    );
}

#[test]
fn the_range_of_seeds_ends_where_numbers_do() {
    let folder = folder("range");
    let trace = folder.join("x.ftq");
    for (seeds, told, runs) in [
        (
            "18446744073709551614..18446744073709551615",
            "18446744073709551614..18446744073709551615",
            1,
        ),
        (
            "18446744073709551614..=18446744073709551615",
            "18446744073709551614..=18446744073709551615",
            2,
        ),
        ("3..=4", "3..5", 2),
    ] {
        let child = start(&[
            "fuzz",
            "--seeds",
            seeds,
            "--seconds",
            "1",
            "--trace",
            text(&trace),
            "--json",
        ]);
        let (_, figures) = json(&ends(child));
        assert_eq!((&figures["runs"], &figures["seeds"]), (&runs.into(), &told.into()));
    }
}

/// Every verb, with something to say.
fn verbs(kept: &str) -> Vec<Vec<&str>> {
    let mut verbs = vec![
        vec!["--help"],
        vec!["--version"],
        vec!["fuzz", "--help"],
        vec!["sim", "--seconds", "2"],
        vec!["sim", "--seconds", "2", "--json"],
        vec!["replay", kept],
        vec!["replay", kept, "--json"],
        vec!["replay", kept, "--until", "violation"],
        vec!["replay", kept, "--until", "violation", "--json"],
        vec!["replay", kept, "--at", "1"],
        vec!["replay", kept, "--at", "1", "--json"],
        vec!["ablations", "--rule", "vote_once"],
        vec!["ablations", "--rule", "vote_once", "--json"],
    ];
    verbs.extend(exports(kept));
    verbs
}

/// Every export of a run.
fn exports(kept: &str) -> Vec<Vec<&str>> {
    vec![
        vec!["export", kept, "--to", "jsonl"],
        vec!["export", kept, "--to", "shiviz"],
        vec!["export", kept, "--to", "chrome"],
        vec!["export", kept, "--to", "perfetto"],
        vec!["export", kept, "--to", "history"],
    ]
}

fn a_kept_run(folder: &Path) -> PathBuf {
    let kept = folder.join("kept.ftq");
    let made = output(&["sim", "--seconds", "3", "--nodes", "3", "--trace", text(&kept)]);
    assert_eq!(made.status.code(), Some(0));
    kept
}

#[test]
fn who_reads_may_stop_to() {
    let folder = folder("pipes");
    let kept = a_kept_run(&folder);
    let found = folder.join("found.ftq");
    let mut verbs = verbs(text(&kept));
    verbs.push(finds(text(&found), &[]));
    for arguments in verbs {
        let mut child = start(&arguments);
        drop(child.stdout.take());
        let code = child.wait().unwrap().code();
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(matches!(code, Some(0 | 1)), "{arguments:?}: {code:?}: {said}");
        assert!(!said.contains("panic"), "{arguments:?}: {said}");
    }
    // It says all the same whether a promise was broken.
    let broken = folder.join("broken.ftq");
    output(&[
        "sim",
        "--seed",
        "0",
        "--nodes",
        "5",
        "--ablate",
        "full_majority",
        "--trace",
        text(&broken),
    ]);
    for arguments in exports(text(&broken)) {
        let mut child = start(&arguments);
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(1), "{arguments:?}");
    }
    // And in the middle of it.
    let mut child = start(&["export", text(&kept), "--to", "jsonl"]);
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert!(line.starts_with('{'));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_full_disk_is_one_sentence() {
    let folder = folder("full");
    let kept = a_kept_run(&folder);
    for arguments in verbs(text(&kept)) {
        let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ended = ftq(&arguments).stdout(full()).output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(
            said.lines().count() == 1 && said.contains("No space left"),
            "{arguments:?}: {said}"
        );
        // Where not even that can be said, nothing panics.
        let silent = ftq(&arguments).stdout(full()).stderr(full()).status().unwrap();
        assert_eq!(silent.code(), Some(2), "{arguments:?}");
    }
    // What was found is told where it can be.
    let found = folder.join("found.ftq");
    let full: File = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ended = ftq(&finds(text(&found), &[])).stdout(full).output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(2));
    assert!(
        said.contains("violated at") && said.contains("repeat it: ftq replay"),
        "{said}"
    );
}

#[test]
fn json_is_one_object_and_seeds_are_text() {
    let folder = folder("objects");
    let kept = folder.join("kept.ftq");
    let seed = "9007199254740993";
    let (code, figures) = json(&output(&[
        "sim",
        "--seed",
        seed,
        "--seconds",
        "3",
        "--trace",
        text(&kept),
        "--json",
    ]));
    assert_eq!((code, &figures["seed"]), (0, &seed.into()));
    let (_, told) = json(&output(&["replay", text(&kept), "--until", "violation", "--json"]));
    assert_eq!(told["seed"], seed);
    let (_, shown) = json(&output(&["replay", text(&kept), "--at", "2", "--json"]));
    assert_eq!(
        shown["nodes"].as_array().map(Vec::len),
        figures["nodes"].as_u64().map(|nodes| nodes as usize)
    );
}

#[test]
fn an_export_never_goes_over_its_own_run() {
    let folder = folder("over");
    let kept = a_kept_run(&folder);
    let before = fs::read(&kept).unwrap();
    let (soft, hard) = (folder.join("soft.ftq"), folder.join("hard.ftq"));
    std::os::unix::fs::symlink(&kept, &soft).unwrap();
    fs::hard_link(&kept, &hard).unwrap();
    let other = folder.join("../over/./kept.ftq");
    for out in [&kept, &soft, &hard, &other] {
        let ended = output(&["export", text(&kept), "--to", "jsonl", "--out", text(out)]);
        assert_eq!(ended.status.code(), Some(2), "{out:?}");
        assert!(String::from_utf8_lossy(&ended.stderr).contains("is the run itself"));
        assert_eq!(fs::read(&kept).unwrap(), before);
    }
}

#[test]
fn a_file_appears_when_it_is_whole() {
    let folder = folder("whole");
    let kept = folder.join("long.ftq");
    output(&["sim", "--seconds", "1", "--trace", text(&kept)]);
    let long = folder.join("longer.ftq");
    let child = start(&["sim", "--seconds", "2000", "--trace", text(&long)]);
    appears(&long);
    send("INT", &child);
    ends(child);
    let out = folder.join("out.jsonl");
    fs::write(&out, "what was there").unwrap();
    let child = start(&["export", text(&long), "--to", "jsonl", "--out", text(&out)]);
    thread::sleep(Duration::from_millis(500));
    assert_eq!(fs::read_to_string(&out).unwrap(), "what was there");
    send("TERM", &child);
    assert_eq!(ends(child).status.code(), Some(143));
    assert_eq!(fs::read_to_string(&out).unwrap(), "what was there");
    assert_eq!(
        output(&["export", text(&kept), "--to", "jsonl", "--out", text(&out)])
            .status
            .code(),
        Some(0)
    );
    assert!(fs::read_to_string(&out).unwrap().starts_with('{'));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 3, "nothing else is left");
}
