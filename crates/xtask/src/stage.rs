//! A long run as a list of named stages: every one is timed, a failure does not keep the later ones from running, and
//! the end says what came of each.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// What the tests of a stage came to, read from what they print.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tests that passed.
    pub passed: usize,
    /// Tests that failed.
    pub failed: usize,
    /// The names of those that failed.
    pub failures: Vec<String>,
}

/// The stages run so far.
#[derive(Debug, Default)]
pub struct Stages {
    finished: Vec<Stage>,
}

#[derive(Debug)]
struct Stage {
    name: &'static str,
    took: Duration,
    tally: Tally,
    error: Option<String>,
}

impl Stages {
    /// Runs one stage, under a heading. The closure counts tests into the tally that it is given.
    pub fn run(&mut self, name: &'static str, stage: impl FnOnce(&mut Tally) -> Result<()>) {
        println!("\n=== {name}");
        let started = Instant::now();
        let mut tally = Tally::default();
        let error = stage(&mut tally).err().map(|error| format!("{error:#}"));
        if let Some(error) = &error {
            eprintln!("error: {error}");
        }
        self.finished.push(Stage {
            name,
            took: started.elapsed(),
            tally,
            error,
        });
    }

    /// Whether every stage so far came out well.
    pub fn are_all_well(&self) -> bool {
        self.finished.iter().all(|stage| stage.error.is_none())
    }
}

impl fmt::Display for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.finished.iter().map(|stage| stage.name.len()).max().unwrap_or(0);
        writeln!(f, "=== summary")?;
        for Stage {
            name,
            took,
            tally,
            error,
        } in &self.finished
        {
            let outcome = if error.is_none() { "ok" } else { "FAILED" };
            write!(f, "{name:<width$}  {outcome:<6}  {:>6.1} s", took.as_secs_f64())?;
            match (tally.passed, tally.failed) {
                (0, 0) => writeln!(f)?,
                (passed, failed) => writeln!(f, "  {passed} passed, {failed} failed")?,
            }
            for failure in &tally.failures {
                writeln!(f, "{:width$}  failed: {failure}", "")?;
            }
            if let Some(error) = error {
                writeln!(f, "{:width$}  {}", "", error.lines().next().unwrap_or_default())?;
            }
        }
        let took: Duration = self.finished.iter().map(|stage| stage.took).sum();
        write!(
            f,
            "{:<width$}  {:<6}  {:>6.1} s",
            "all",
            if self.are_all_well() { "ok" } else { "FAILED" },
            took.as_secs_f64()
        )
    }
}

/// Runs a command that runs tests: its output is shown as it comes, and counted.
pub fn run_tests(command: &mut Command, what: &str, tally: &mut Tally) -> Result<()> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{what}: `{}` cannot be started", command.get_program().display()))?;
    let output = child.stdout.take().context("a pipe that was asked for")?;
    for line in BufReader::new(output).split(b'\n') {
        let line = line.with_context(|| format!("{what}: its output cannot be read"))?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        tally.count(&line);
    }
    let status = child
        .wait()
        .with_context(|| format!("{what}: its end cannot be waited for"))?;
    if !status.success() {
        bail!("{what} failed ({status})");
    }
    Ok(())
}

impl Tally {
    /// Reads one line of what cargo's or wasm-bindgen's test runner prints.
    fn count(&mut self, line: &str) {
        let line = line.trim();
        if let Some(result) = line.strip_prefix("test result: ") {
            self.passed += number_before(result, " passed");
            self.failed += number_before(result, " failed");
        } else if let Some(name) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.split(" ... FAIL").next().filter(|name| *name != rest))
        {
            self.failures.push(name.trim().to_string());
        }
    }
}

fn number_before(text: &str, word: &str) -> usize {
    let before = text.split(word).next().unwrap_or_default();
    before
        .rsplit(|c: char| !c.is_ascii_digit())
        .next()
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_the_test_runners_print() {
        let mut tally = Tally::default();
        for line in [
            "test wal::tests::torn_tail ... ok",
            "test ring::tests::angles ... FAILED",
            "test result: FAILED. 41 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.31s",
            "test result: ok. 7 passed; 0 failed; 2 ignored; 0 filtered out; finished in 1.02s",
            "test log ... FAIL: it says why",
        ] {
            tally.count(line);
        }
        let failures = vec!["ring::tests::angles".to_string(), "log".to_string()];
        assert_eq!(
            tally,
            Tally {
                passed: 48,
                failed: 1,
                failures
            }
        );
    }
}
