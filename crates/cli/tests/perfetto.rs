//! What `ftq export --to perfetto` writes is what Perfetto's published schema reads, whole and in order.

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// The version of Perfetto's Python package, which carries the schema's classes.
const PERFETTO_VERSION: &str = "0.59.1";

/// Fifteen minutes without faults, of over 100,000 messages, and a minute with all of them.
#[test]
fn perfettos_own_classes_read_long_runs_with_both_ends_of_every_arrow() {
    let python = match python_with_perfetto() {
        Ok(python) => python,
        Err(why) => {
            // Past the test runner, which keeps to itself what tests that pass say.
            let said = writeln!(io::stderr(), "skipped: Perfetto's classes cannot be had here: {why}");
            return said.unwrap();
        }
    };
    let quiet = [
        "--seed",
        "5",
        "--nodes",
        "4",
        "--seconds",
        "900",
        "--faults",
        "none",
        "--rate",
        "1",
    ];
    let told = read_back(&python, "quiet", &quiet);
    assert!(told.taken > 100_000, "{told:?}");
    let busy = [
        "--seed",
        "5",
        "--nodes",
        "5",
        "--seconds",
        "60",
        "--faults",
        // What arrives once more long after it arrived has no second arrow.
        "all,-old-messages,-go-back",
        "--rate",
        "100",
    ];
    let told = read_back(&python, "busy", &busy);
    assert!(told.lost > 100 && told.taken > 1_000, "{told:?}");
}

/// What happened in a run, counted in the lines of another format.
#[derive(Debug, Default, PartialEq)]
struct Told {
    nodes: u64,
    /// Copies of messages that their links carry.
    arrivals: u64,
    taken: u64,
    lost: u64,
    /// Operations that clients asked for.
    asked: u64,
    /// Faults that began.
    faults: u64,
    /// Times that a node took a role.
    roles: u64,
}

impl Told {
    fn count(&mut self, line: &Value) {
        let fact = &line["fact"];
        match line["kind"].as_str() {
            Some("invoked") => self.asked += 1,
            Some("fault_began") => self.faults += 1,
            Some("started") => {
                self.nodes = self.nodes.max(line["node"].as_u64().unwrap());
                self.roles += 1;
            }
            _ => {}
        }
        if let Some(arrives) = fact["Sent"]["fate"].get("Arrives") {
            self.arrivals += 1 + u64::from(!arrives["again_at_us"].is_null());
        } else if fact["Sent"]["fate"].is_string() {
            self.lost += 1;
        }
        let is_dropped = fact["Dropped"]["message"].is_object();
        self.taken += u64::from(is_dropped || fact.get("Received").is_some());
        let became = ["BecameFollower", "BecameCandidate", "BecameLeader"];
        self.roles += u64::from(became.iter().any(|role| fact["Raft"].get(role).is_some()));
    }
}

/// Keeps a run, exports it, and compares what Perfetto's classes read of it with what JSON Lines say.
fn read_back(python: &Path, name: &str, settings: &[&str]) -> Told {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let kept = folder.join(format!("perfetto-{name}.ftq"));
    let packets = folder.join(format!("perfetto-{name}.pftrace"));
    let kept = kept.to_str().unwrap();
    let simulated = ftq()
        .arg("sim")
        .args(settings)
        .args(["--trace", kept])
        .output()
        .unwrap();
    assert!(simulated.status.success());
    let exported = ftq()
        .args(["export", kept, "--to", "perfetto", "--out"])
        .arg(&packets)
        .output()
        .unwrap();
    assert!(
        exported.status.success(),
        "{}",
        String::from_utf8_lossy(&exported.stderr)
    );

    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/perfetto_reader.py");
    let read = Command::new(python).arg(reader).arg(&packets).output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let read: Value = serde_json::from_slice(&read.stdout).unwrap();

    let told = told_in_lines(kept);
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let fates = &read["fates"];
    assert_eq!(read["nodes"].as_array().unwrap().len() as u64, told.nodes);
    assert_eq!(number(&read["flows"]), told.arrivals);
    assert_eq!(number(&fates["taken"]), told.taken, "{fates}");
    assert_eq!(number(&fates["lost"]) + number(&fates["cut"]), told.lost, "{fates}");
    assert_eq!(
        number(&fates["taken"]) + number(&fates["not taken"]),
        told.arrivals,
        "{fates}"
    );
    let slices = &read["slices"];
    assert_eq!(number(&slices["client"]), told.asked);
    assert_eq!(number(&slices["fault"]), told.faults);
    assert_eq!(number(&slices["node"]), told.roles);
    for file in [Path::new(kept), &packets] {
        std::fs::remove_file(file).unwrap();
    }
    told
}

fn told_in_lines(kept: &str) -> Told {
    let mut export = ftq()
        .args(["export", kept, "--to", "jsonl"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = Told::default();
    for line in BufReader::new(export.stdout.take().unwrap()).lines() {
        told.count(&serde_json::from_str(&line.unwrap()).unwrap());
    }
    assert!(export.wait().unwrap().success());
    told
}

fn ftq() -> Command {
    Command::new(env!("CARGO_BIN_EXE_ftq"))
}

/// A Python that has Perfetto's classes, in a folder of its own under `target`. Installs them the first time.
fn python_with_perfetto() -> Result<PathBuf, String> {
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("tools");
    let folder = tools.join(format!("perfetto-{PERFETTO_VERSION}"));
    let python = folder.join("bin/python");
    let has_it = |python: &Path| {
        let imports = "import perfetto.protos.perfetto.trace.perfetto_trace_pb2";
        runs(Command::new(python).args(["-c", imports]))
    };
    if has_it(&python).is_ok() {
        return Ok(python);
    }
    runs(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    let package = format!("perfetto=={PERFETTO_VERSION}");
    runs(Command::new(&python).args(["-m", "pip", "install", "--quiet", &package]))?;
    has_it(&python).map(|()| python)
}

fn runs(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {}", said.lines().last().unwrap_or_default()))
}
