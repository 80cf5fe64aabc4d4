//! `ftq ablations`: is every rule's absence noticed?

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use raft_core::Rule;
use serde_json::{Value, json};
use sim::ablations::{Hunt, Search, hunt};

use crate::args::Ablations;
use crate::end::End;
use crate::progress::Line;
use crate::seeds::processors;
use crate::signals::Signals;
use crate::{files, out};

/// How often the line of progress is looked at, in wall time.
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(crate) fn ablations(asked: &Ablations) -> Result<End, String> {
    if let Some(path) = &asked.table {
        files::try_it(path)?;
    }
    let signals = Signals::heard()?;
    let rules: Vec<Rule> = Rule::ALL
        .iter()
        .copied()
        .filter(|rule| asked.rule.is_none_or(|only| only == *rule))
        .collect();
    let mut hunts = carry_out(asked, &rules, &signals);
    hunts.sort_by_key(|hunt| hunt.rule);
    if asked.json {
        out::object(json!({ "ablations": hunts.iter().map(figures).collect::<Vec<_>>() }))?;
    } else {
        out::say(&table(&hunts))?;
    }
    if let Some(path) = &asked.table {
        let text = format!("{HEAD}\n{}", table(&hunts));
        files::write(path, text.as_bytes())?;
    }
    let missed: Vec<&str> = hunts
        .iter()
        .filter(|hunt| hunt.caught().is_none())
        .map(|hunt| hunt.rule.name())
        .collect();
    if !missed.is_empty() {
        out::warn(&format!(
            "without these rules nothing was seen to break: {}",
            missed.join(", ")
        ));
    }
    if let Some(code) = signals.exit_code() {
        return Ok(End::Interrupted(code));
    }
    Ok(if missed.is_empty() && hunts.len() == rules.len() {
        End::Clean
    } else {
        End::Violation
    })
}

fn carry_out(asked: &Ablations, rules: &[Rule], signals: &Signals) -> Vec<Hunt> {
    let next = AtomicUsize::new(0);
    let hunts = Mutex::new(Vec::new());
    let work = || {
        while let Some(rule) = rules.get(next.fetch_add(1, Ordering::Relaxed)) {
            let found = hunt(*rule, asked.seeds_max, || !signals.came());
            hunts
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .push(found);
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..processors(asked.jobs)).map(|_| scope.spawn(work)).collect();
        let mut line = Line::new();
        while threads.iter().any(|thread| !thread.is_finished()) {
            thread::sleep(LOOK_EVERY);
            let done = hunts.lock().map_or(0, |hunts| hunts.len());
            line.say(|| format!("{done} of {} rules", rules.len()));
        }
    });
    hunts.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// What stands above the table in its file.
const HEAD: &str = "# What each rule is for

Made by `ftq ablations --table ABLATIONS.md`. Each of Raft's rules was switched off, alone, and seeds were tried from 0 on until a
run broke a promise: in the ordinary mixture, which is what `ftq fuzz` draws, and where that showed nothing, in one of those faults that
can show the rule. Any row is repeated by `ftq ablations --rule RULE`.
";

fn table(hunts: &[Hunt]) -> String {
    let mut text = String::from(
        "| rule | broken without it | seeds needed | in a special mixture | Raft |\n|---|---|---:|---:|---|\n",
    );
    for hunt in hunts {
        let broken = hunt
            .caught()
            .map_or("nothing was seen", |(_, violation)| violation.property.name());
        text.push_str(&format!(
            "| `{}` | {broken} | {} | {} | {} |\n",
            hunt.rule.name(),
            needed(&hunt.ordinary),
            hunt.special.as_ref().map_or(String::new(), needed),
            hunt.rule.paper()
        ));
    }
    text
}

/// How many seeds it took.
fn needed(search: &Search) -> String {
    match search.caught {
        Some(_) => search.seeds.to_string(),
        None => format!("not in {}", search.seeds),
    }
}

fn figures(hunt: &Hunt) -> Value {
    json!({
        "rule": hunt.rule.name(),
        "property": hunt.caught().map(|(_, violation)| violation.property.name()),
        "detail": hunt.caught().map(|(_, violation)| violation.detail.clone()),
        "seed": hunt.caught().map(|(seed, _)| seed.to_string()),
        "seeds": hunt.ordinary.seeds,
        "is_ordinary": hunt.ordinary.caught.is_some(),
        "special_seeds": hunt.special.as_ref().map(|search| search.seeds),
        "paper": hunt.rule.paper(),
    })
}
