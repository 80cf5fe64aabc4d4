//! The tests' kept runs do what they did when they were kept, natively as on the page.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// What to do where one does otherwise.
const ANEW: &str =
    "the core does otherwise than when this run was kept. If that is as it should be: `cargo xtask kept-runs`";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/kept")
}

fn ftq(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_ftq");
    Command::new(program)
        .args(arguments)
        .output()
        .expect("the command was built")
}

fn kept_runs() -> Vec<Value> {
    let manifest = std::fs::read(folder().join("manifest.json")).unwrap();
    serde_json::from_slice(&manifest).unwrap()
}

#[test]
fn kept_runs_do_what_they_did() {
    let runs = kept_runs();
    assert!(!runs.is_empty());
    for kept in runs {
        let file = folder().join(kept["name"].as_str().unwrap());
        let replayed = ftq(&["replay", file.to_str().unwrap(), "--json"]);
        let figures: Value = serde_json::from_slice(&replayed.stdout).unwrap_or_else(|_| {
            panic!(
                "{}: {}\n{ANEW}",
                kept["name"],
                String::from_utf8_lossy(&replayed.stderr)
            )
        });
        let hashes = (&figures["trace_hash"], &figures["state_hash"]);
        assert_eq!(
            hashes,
            (&kept["hashes"]["trace"], &kept["hashes"]["state"]),
            "{}: {ANEW}",
            kept["name"]
        );
    }
}

/// A file whose seed would draw another run today is of no build that anybody can make again.
#[test]
fn a_kept_run_is_what_its_seed_draws() {
    for kept in kept_runs() {
        let words: Vec<&str> = kept["made_by"].as_str().unwrap().split_whitespace().skip(1).collect();
        if words[0] != "sim" {
            continue;
        }
        let name = kept["name"].as_str().unwrap();
        let again = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("again-{name}"));
        let made = ftq(&[&words[..], &["--trace", again.to_str().unwrap()]].concat());
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let (kept, again) = (
            std::fs::read(folder().join(name)).unwrap(),
            std::fs::read(again).unwrap(),
        );
        assert!(kept == again, "{name}: {ANEW}");
    }
}
