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
    let is_whole = hunts.len() == rules.len() && !hunts.iter().any(Hunt::cut_short);
    let written = match &asked.table {
        Some(path) if is_whole => files::write(path, format!("{HEAD}\n{}", table(&hunts)).as_bytes()).map(drop),
        Some(path) => {
            out::warn(&format!("{} was not written: the table is not whole", path.display()));
            Ok(())
        }
        None => Ok(()),
    };
    if asked.json {
        let mut object = json!({
            "ablations": hunts.iter().map(figures).collect::<Vec<_>>(),
            "interrupted": !is_whole,
        });
        if let Err(why) = &written {
            object["error"] = why.as_str().into();
        }
        out::object(object)?;
    } else {
        out::say(&table(&hunts))?;
    }
    written?;
    let missed: Vec<&str> = hunts
        .iter()
        .filter(|hunt| hunt.caught().is_none() && !hunt.cut_short())
        .map(|hunt| hunt.rule.name())
        .collect();
    if !missed.is_empty() {
        out::warn(&format!(
            "without these rules nothing was seen to break: {}",
            missed.join(", ")
        ));
    }
    Ok(match signals.exit_code() {
        _ if !missed.is_empty() => End::Violation,
        Some(code) if !is_whole => End::Interrupted(code),
        _ => End::Clean,
    })
}

fn carry_out(asked: &Ablations, rules: &[Rule], signals: &Signals) -> Vec<Hunt> {
    let next = AtomicUsize::new(0);
    let hunts = Mutex::new(Vec::new());
    let work = || {
        while let Some(rule) = rules.get(next.fetch_add(1, Ordering::Relaxed)) {
            if signals.came() {
                return;
            }
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
        let broken = match hunt.caught() {
            Some((_, violation)) => violation.property.name(),
            None if hunt.cut_short() => "not looked for to the end",
            None => "nothing was seen",
        };
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
        "cut_short": hunt.cut_short(),
        "special_seeds": hunt.special.as_ref().map(|search| search.seeds),
        "paper": hunt.rule.paper(),
    })
}
