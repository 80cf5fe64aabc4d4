//! One run: the live one, a branch, or one that was opened.

use std::collections::{BTreeMap, BTreeSet};

use ftqueue::{Answer, Operation, QueueError};
use netem::LinkSettings;
use picture::Record;
use raft_core::{Duration, Instant, MEMBERS_MAX, NodeId};
use serde::{Deserialize, Serialize};
use sim::chronicle::Chronicle;
use sim::future::Future;
use sim::{Outcome, Scenario};
use trace::lockstep::RunId;
use trace::tape::{Piece, TAPE_BYTES_MAX, Told};
use trace::{Act, Asked, CallNumber, Faults, Happening, What};

use crate::ledger::Ledger;
use crate::pace::{self, Pace};
use crate::story::{Again, Chapter, Source, Story};

/// How many events of a scenario are carried out: an hour of most.
const EVENTS_MAX: u64 = 6_000_000;
/// How much is kept of a scenario, in bytes, and how much of that for its timeline: the world in which it takes place wants room, too.
const SCENARIO_BYTES_MAX: usize = TAPE_BYTES_MAX / 4;
const SCENARIO_RECORD_BYTES_MAX: usize = SCENARIO_BYTES_MAX / 4;
/// How much each branch keeps, in bytes.
const BRANCH_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The part of what a run keeps that its tape may take in any case.
const TAPE_PART: usize = 4;
/// How many lives of an opened run may have begun without having come to their ends: some of each member.
const LIVES_UNDER_WAY_MAX: usize = 4 * MEMBERS_MAX;

/// A run, and what is known of it.
pub(crate) struct Run {
    pub(crate) id: RunId,
    pub(crate) name: String,
    /// Whether it is a part of the page's own cluster's history, or goes on from one; not so for what a file or a link holds.
    pub(crate) is_own: bool,
    /// The run it leaves, and where.
    pub(crate) leaves: Option<(RunId, Instant)>,
    pub(crate) chronicle: Chronicle,
    /// What happened, for the timeline.
    pub(crate) record: Record,
    /// What goes on, in a branch.
    pub(crate) branch: Option<Branch>,
    /// What nodes did not tell: what clients did, and faults. For those who export the run.
    margin: Ledger<Aside>,
    pub(crate) notes: BTreeMap<Instant, String>,
    /// What was judged where it takes place, if it is judged there: then it is not judged again.
    pub(crate) judged_elsewhere: Option<JudgedElsewhere>,
    /// What it was made from, if `ftq` made it.
    pub(crate) scenario: Option<Scenario>,
    faults: Faults,
    /// How many bytes are kept of it at most.
    bytes_max: usize,
}

/// What is not told by nodes.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Aside {
    Invoked(u16, u64, Operation),
    Returned(u16, u64, Result<Answer, QueueError>),
    GaveUp(u16, u64),
    FaultBegan(usize, String),
    FaultEnded(usize),
    Lost(NodeId),
    Violated(String),
}

impl Aside {
    /// None of what nodes tell, of which the tape knows.
    fn of(what: What) -> Option<Aside> {
        Some(match what {
            What::Invoked {
                client,
                call,
                operation,
            } => Aside::Invoked(client, call.0, operation),
            What::Returned { client, call, result } => Aside::Returned(client, call.0, result),
            What::GaveUp { client, call } => Aside::GaveUp(client, call.0),
            What::FaultBegan { fault, text } => Aside::FaultBegan(fault, text),
            What::FaultEnded { fault } => Aside::FaultEnded(fault),
            What::Lost { node } => Aside::Lost(node),
            What::Violated { text } => Aside::Violated(text),
            What::Told { .. } | What::Started { .. } | What::Crashed { .. } => return None,
        })
    }

    fn told(self) -> What {
        match self {
            Aside::Invoked(client, call, operation) => What::Invoked {
                client,
                call: CallNumber(call),
                operation,
            },
            Aside::Returned(client, call, result) => What::Returned {
                client,
                call: CallNumber(call),
                result,
            },
            Aside::GaveUp(client, call) => What::GaveUp {
                client,
                call: CallNumber(call),
            },
            Aside::FaultBegan(fault, text) => What::FaultBegan { fault, text },
            Aside::FaultEnded(fault) => What::FaultEnded { fault },
            Aside::Lost(node) => What::Lost { node },
            Aside::Violated(text) => What::Violated { text },
        }
    }
}

/// What the world in which a run takes place says of its promises.
#[derive(Clone, Debug, Default)]
pub(crate) struct JudgedElsewhere {
    /// The promises that were broken: when, and how.
    pub(crate) violations: Vec<(Instant, String)>,
    /// Why not all of it was judged, if it was not.
    pub(crate) unjudged: Option<String>,
    /// How many calls of clients were answered in some order of plain queues, and up to when.
    pub(crate) calls: u64,
    pub(crate) upto: Instant,
    /// Why these were not judged, if they were not.
    pub(crate) calls_unjudged: Option<String>,
}

impl From<Outcome> for JudgedElsewhere {
    fn from(outcome: Outcome) -> JudgedElsewhere {
        let violations = outcome.violation.iter().map(|it| (it.at, it.to_string()));
        let is_over = outcome.linearizable.is_some() || outcome.unjudged.is_some();
        let was_cut_short = outcome.violation.is_none() && !is_over;
        let is_judged = outcome.linearizable == Some(true);
        JudgedElsewhere {
            violations: violations.collect(),
            unjudged: was_cut_short.then(|| {
                "only its beginning is carried out here, and a run is judged at its end: `ftq replay` judges all of it".to_owned()
            }),
            calls: if is_judged { outcome.answered } else { 0 },
            upto: Instant(outcome.virtual_time.0),
            calls_unjudged: outcome.unjudged,
        }
    }
}

/// What makes a branch.
pub(crate) struct Branch {
    pub(crate) seed: u64,
    pub(crate) acts: Vec<(Instant, Act)>,
    pub(crate) future: Future,
}

impl Run {
    pub(crate) fn live(members: &[NodeId], id: RunId, bytes_max: usize) -> Run {
        Run {
            is_own: true,
            ..Run::new(members, id, "Live".to_owned(), None, bytes_max)
        }
    }

    fn new(members: &[NodeId], id: RunId, name: String, leaves: Option<(RunId, Instant)>, bytes_max: usize) -> Run {
        // What the timeline has is let go with the tape.
        let mut record = Record::new(members.to_vec());
        record.limit(bytes_max);
        Run {
            id,
            name,
            is_own: false,
            leaves,
            chronicle: Chronicle::new(members, bytes_max),
            record,
            branch: None,
            margin: Ledger::default(),
            notes: BTreeMap::new(),
            judged_elsewhere: None,
            scenario: None,
            faults: Faults::from(1),
            bytes_max,
        }
    }

    /// A run that is made of what is told of another: see [`Run::take_next`].
    pub(crate) fn opened(members: &[NodeId], id: RunId, name: String) -> Run {
        Run::new(members, id, name, None, TAPE_BYTES_MAX)
    }

    /// Takes what comes next of what was told, by time, and carries it out, so that no more waits than has to.
    ///
    /// # Errors
    /// More of its nodes' lives have begun and do not come to their ends than there could be.
    pub(crate) fn take_next(&mut self, told: Told) -> Result<(), &'static str> {
        let Told { node, boot, piece } = told;
        if !self.chronicle.has_opened() && !matches!(piece, Piece::Began { .. }) {
            self.open();
        }
        // What cannot be made again is left out, and the instants at which it ran show nobody there.
        let _ = self.chronicle.take(node, boot, piece);
        while self.work(1 << 16) {}
        if self.chronicle.tape.lives_under_way() > LIVES_UNDER_WAY_MAX {
            return Err("nodes start and start, and what they wait for never comes");
        }
        Ok(())
    }

    /// Begins with those members that were told of.
    pub(crate) fn open(&mut self) {
        if !self.chronicle.has_opened() {
            // Nodes of a branch go on: they do not start. And of a world, the world tells what happens.
            let (record, is_told) = (
                &mut self.record,
                self.branch.is_none() && self.judged_elsewhere.is_none(),
            );
            self.chronicle.open(&mut |happening| {
                if is_told {
                    record.happen(&happening);
                }
            });
        }
    }

    /// The run of a scenario, with the judgement of the world in which it takes place.
    pub(crate) async fn of_scenario(
        members: &[NodeId],
        id: RunId,
        name: String,
        scenario: Scenario,
        pace: &Pace,
    ) -> Run {
        // What comes after the faults may be as long as they are, and is mostly short.
        let whole = scenario.settings.duration.0.max(1) as f64;
        let mut record = Record::new(members.to_vec());
        record.limit(SCENARIO_RECORD_BYTES_MAX);
        let mut run = Run::new(members, id, name, None, SCENARIO_BYTES_MAX);
        run.judged_elsewhere = Some(JudgedElsewhere::default());
        run.chronicle.is_judged_elsewhere();
        let outcome = sim::tell_slowly(
            &scenario,
            EVENTS_MAX,
            |happening| record.happen(&happening),
            async |told, progress| {
                run.take_all(told);
                while run.work(1 << 16) {}
                let events = progress.events as f64 / EVENTS_MAX as f64;
                pace.pause((progress.now.0 as f64 / whole).max(events).min(0.99)).await;
            },
        )
        .await;
        run.judged_elsewhere = Some(outcome.into());
        run.scenario = Some(scenario);
        // What became of messages, the world has decided; its nodes take their links for perfect.
        run.record = record;
        run
    }

    /// The future of a run from `at` on.
    pub(crate) fn branch(parent: &Run, id: RunId, at: Instant, seed: u64) -> Run {
        let tape = &parent.chronicle.tape;
        let members: Vec<NodeId> = tape.members().collect();
        let name = format!("Branch {}", id.0);
        let mut run = Run::new(&members, id, name, Some((parent.id, at)), BRANCH_BYTES_MAX);
        run.is_own = parent.is_own;
        run.record = parent.record.until(at);
        run.record.limit(BRANCH_BYTES_MAX);
        run.record.forget_before(Instant(at.0.saturating_sub(REMEMBERED_US)));
        let mut future = Future::new(tape, at, seed, parent.links());
        future.knows_of(parent.faults(), run.record.open_faults());
        run.branch = Some(Branch {
            seed,
            acts: Vec::new(),
            future,
        });
        run
    }

    /// What happened in another run until then happened before what happens in this one: it goes on from there.
    pub(crate) fn goes_on_from(&mut self, before: &Run, at: Instant) {
        self.record = before.record.until(at);
        self.record.limit(self.bytes_max);
        self.faults = before.faults().going_on(self.record.open_faults(), 0);
    }

    fn faults(&self) -> &Faults {
        self.branch
            .as_ref()
            .map_or(&self.faults, |branch| branch.future.faults())
    }

    /// Takes what was told, whole.
    pub(crate) fn take_all(&mut self, told: Vec<Told>) {
        for Told { node, boot, piece } in told {
            // What cannot be made again is left out, and the instants at which it ran show nobody there.
            let _ = self.chronicle.take(node, boot, piece);
        }
        self.open();
    }

    /// Carries out what has been told, up to so many steps. Says whether there is more.
    pub(crate) fn work(&mut self, steps_max: usize) -> bool {
        let record = &mut self.record;
        let is_judged_elsewhere = self.judged_elsewhere.is_some();
        for _ in 0..steps_max {
            let more = self.chronicle.turn(&mut |happening| {
                // Of a world, the world tells what happens, and has judged it.
                if !is_judged_elsewhere {
                    record.happen(&happening);
                }
            });
            if !more {
                self.bound(0);
                return false;
            }
        }
        self.bound(0);
        true
    }

    /// Keeps no more than so many bytes from now on.
    pub(crate) fn limit(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
        self.bound(0);
    }

    /// How many bytes are kept of it at most.
    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// How many bytes are kept: the tape, the timeline, and what nodes did not tell.
    pub(crate) fn bytes(&self) -> usize {
        self.chronicle.tape.bytes() + self.record.bytes() + self.margin.bytes()
    }

    /// Lets the oldest go where more is kept than may be, what is kept of it elsewhere included: of the tape, for that knows from when on an
    /// instant can be looked at, and with it of all else.
    pub(crate) fn bound(&mut self, elsewhere: usize) {
        let tape = &mut self.chronicle.tape;
        let others = self.record.bytes() + self.margin.bytes() + elsewhere;
        let left = self.bytes_max.saturating_sub(others);
        let before = tape.kept_from();
        tape.limit(left.max(self.bytes_max / TAPE_PART));
        let kept_from = tape.kept_from();
        if kept_from > before || kept_from > self.record.kept_from() {
            self.record.forget_before(kept_from);
            self.margin.forget_before(kept_from, lasting);
            let known: BTreeSet<usize> = self.record.faults().collect();
            self.faults.forget_all_but(|fault| known.contains(&fault));
        }
    }

    /// Does this in a branch, at its end.
    pub(crate) fn act(&mut self, act: &Act) {
        if let Some(branch) = &mut self.branch {
            branch.future.act(act);
            branch.acts.push((branch.future.now(), act.clone()));
        }
    }

    /// Lets a branch go on, and carries out all of it.
    pub(crate) fn extend(&mut self, until: Instant) {
        let Some(branch) = &mut self.branch else { return };
        branch.future.run_until(until);
        let (told, happened) = branch.future.take();
        let history = branch.future.history().clone();
        self.take_all(told);
        while self.work(1 << 16) {}
        for happening in happened {
            self.keep_margin(happening);
        }
        self.record.reach(until);
        self.chronicle.set_history(&history);
        self.judge();
    }

    /// What clients did is told at once.
    pub(crate) fn asked(&mut self, at: Instant, client: u16, asked: Asked) {
        self.chronicle.asked(at, client, asked);
        for happening in self.chronicle.audit.history.take_seen() {
            self.keep_margin(happening);
        }
    }

    /// Judges what clients were answered.
    pub(crate) fn judge(&mut self) {
        let mut seen = Vec::new();
        self.chronicle.judge(&mut |happening| seen.push(happening));
        for happening in seen {
            self.keep_margin(happening);
        }
    }

    /// Why nothing is said of what clients were answered, where that is not known: a file or a link keeps what went into nodes, not what
    /// clients asked; of a scenario, it was judged when the run was made.
    pub(crate) fn lacks_calls(&self) -> Option<String> {
        let is_opened = self.id != trace::lockstep::LIVE && self.branch.is_none();
        let why = "neither files nor links say what clients asked and were answered";
        (is_opened && self.judged_elsewhere.is_none()).then(|| why.to_owned())
    }

    /// A fault of this name begins, in these words, or is over.
    pub(crate) fn fault(&mut self, at: Instant, key: String, text: Option<String>) {
        for what in self.faults.tell(key, text) {
            self.keep_margin(Happening { at, what });
        }
    }

    fn keep_margin(&mut self, happening: Happening) {
        self.record.happen(&happening);
        if let Some(aside) = Aside::of(happening.what) {
            self.margin.push(happening.at, aside);
        }
    }

    /// How the links are that the world gives its nodes, if it does: nodes know only of their own.
    fn links(&self) -> Option<LinkSettings> {
        let settings = &self.scenario.as_ref()?.settings;
        Some(LinkSettings {
            delay_us: settings.delay_us,
            jitter_us: settings.jitter_us,
            ..LinkSettings::PERFECT
        })
    }

    /// How many events a branch has had.
    pub(crate) fn events(&self) -> u64 {
        self.branch.as_ref().map_or(0, |branch| branch.future.events())
    }

    /// The first instant that can be looked at.
    pub(crate) fn first(&self) -> Instant {
        self.chronicle.tape.kept_from().max(self.left())
    }

    /// Where it leaves another run, if it does.
    fn left(&self) -> Instant {
        self.leaves.map_or(Instant(0), |(_, at)| at)
    }

    /// The last.
    pub(crate) fn end(&self) -> Instant {
        // A promise may be broken while no node does anything.
        let broken = self.judged_elsewhere.iter().flat_map(|judged| &judged.violations);
        let reached = self.chronicle.tape.reached().max(self.left());
        let reached = broken.fold(reached, |end, (at, _)| end.max(*at));
        self.branch.as_ref().map_or(reached, |branch| branch.future.now())
    }

    /// Everything that happened between two instants, to be told in order.
    pub(crate) fn chapter(&self, from: Instant, until: Instant) -> Chapter {
        let of = match &self.scenario {
            Some(scenario) => Source::World(scenario.clone()),
            None => self.again(from, until),
        };
        let ends = match &self.scenario {
            // What is carried out here may be its beginning only.
            Some(scenario) => Instant(scenario.settings.duration.0),
            None => self.end(),
        };
        Chapter {
            from,
            until,
            ends: until.min(ends),
            of,
        }
    }

    /// What its nodes did between two instants, made again from the tape.
    fn again(&self, from: Instant, until: Instant) -> Source {
        let members: Vec<NodeId> = self.chronicle.tape.members().collect();
        let asides = self.margin.iter().filter(|(at, _)| (from..=until).contains(at));
        let mut margin: Vec<Happening> = asides.map(|(at, aside)| Happening { at, what: aside.told() }).collect();
        let judged = self.judged_elsewhere.iter().flat_map(|judged| &judged.violations);
        margin.extend(judged.map(|(at, text)| Happening {
            at: *at,
            what: What::Violated { text: text.clone() },
        }));
        let telling = self.chronicle.tape.telling(from, until);
        Source::Tape(Box::new(Again::new(&members, telling, margin)))
    }

    /// What nodes did at an instant: what the tape knows of it, which is quickly told.
    pub(crate) fn happened_at(&self, at: Instant) -> Vec<Happening> {
        let from = Instant(at.0.saturating_sub(1));
        let of = self.again(from, at);
        let story = Story::of(vec![Chapter {
            from: at,
            until: at,
            ends: at,
            of,
        }]);
        let (mut all, pace) = (Vec::new(), Pace::default());
        // Who hears it has no objection.
        let _ = pace::at_once(story.tell(&pace, |happening| {
            all.push(happening.clone());
            Ok(())
        }));
        all
    }
}

/// Of what goes from the margin, what is not over yet: calls that have not returned, and faults that last; and broken promises, whenever they were.
fn lasting(gone: Vec<(Instant, Aside)>) -> Vec<(Instant, Aside)> {
    let (mut calls, mut faults) = (BTreeSet::new(), BTreeSet::new());
    for (_, aside) in &gone {
        match aside {
            Aside::Invoked(_, call, _) => drop(calls.insert(*call)),
            Aside::Returned(_, call, _) | Aside::GaveUp(_, call) => drop(calls.remove(call)),
            Aside::FaultBegan(fault, _) => drop(faults.insert(*fault)),
            Aside::FaultEnded(fault) => drop(faults.remove(fault)),
            Aside::Lost(_) | Aside::Violated(_) => {}
        }
    }
    let lasts = |(_, aside): &(Instant, Aside)| match aside {
        Aside::Invoked(_, call, _) => calls.contains(call),
        Aside::FaultBegan(fault, _) => faults.contains(fault),
        Aside::Violated(_) => true,
        _ => false,
    };
    gone.into_iter().filter(lasts).collect()
}

/// How much of what was before it a branch's timeline shows, in microseconds.
const REMEMBERED_US: u64 = 120_000_000;

/// How long a branch goes on by itself when something is done in it.
pub(crate) const GOES_ON: Duration = Duration::from_millis(2_000);

#[cfg(test)]
mod tests {
    use raft_core::Duration;
    use sim::Wanted;

    use super::*;

    /// Whether it came to agree is not judged where its disks are too slow for that; all else is.
    #[test]
    fn a_run_that_could_not_come_to_agree_was_carried_out_to_its_end() {
        let wanted = Wanted {
            seconds: Some(2),
            flush: Some(Duration::from_millis(10_000)),
            ..Wanted::default()
        };
        let outcome = sim::run(&Scenario::drawn(0, wanted), |_| true);
        assert!(outcome.convergence_unjudged.is_some());
        let judged = JudgedElsewhere::from(outcome);
        assert_eq!((judged.unjudged, judged.calls_unjudged), (None, None));
        let cut = sim::run(&Scenario::drawn(0, wanted), |_| false);
        assert!(JudgedElsewhere::from(cut).unjudged.is_some());
    }
}
