//! A run from its beginning to its verdict: a phase with faults, then everything is mended and must work, then every queue is
//! drained and every item accounted for.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use cluster::slow_disks::SlowMajority;
use ftqueue::{Operation, QueueId, Write};
use raft_core::{Duration, Instant};
use trace::tape::Told;
use trace::{Happening, What};

use crate::check::{Property, Violation};
use crate::coverage::Coverage;
use crate::plan::Scenario;
use crate::settings::Settings;
use crate::world::World;

/// How long after the last fault a cluster may take to agree and to answer all that it was asked, at least.
const CONVERGES_WITHIN: Duration = Duration::from_millis(30_000);
/// So many elections may fail until then, and so many flushes come one after the other, however long they take.
const ELECTIONS_MAX: u64 = 20;
const FLUSHES_MAX: u64 = 20;
/// How long it may take to answer one more operation then, at least; there are as many bounds as operations.
const ANSWERS_WITHIN: Duration = Duration::from_millis(2_000);
/// So many flushes and round trips an answer may take, however long they take.
const TRIPS_MAX: u64 = 4;
/// How often progress is told, in virtual time.
const PROGRESS_EVERY: Duration = Duration::from_millis(1_000);

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The virtual time.
    pub now: Instant,
    /// How many events there were.
    pub events: u64,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How much virtual time passed.
    pub virtual_time: Duration,
    /// How many events there were.
    pub events: u64,
    /// How many terms had a leader.
    pub elections: u64,
    /// How many operations were answered.
    pub answered: u64,
    /// How many nodes there were.
    pub nodes: u8,
    /// How many operations clients were asked for while there were faults.
    pub asked: u64,
    /// How many of those were answered, with all that the cluster answered once everything was mended.
    pub acknowledged: u64,
    /// How many faults began.
    pub faults: u64,
    /// Which of them took effect.
    pub coverage: Coverage,
    /// The promise that was broken, if one was.
    pub violation: Option<Violation>,
    /// Whether what clients were answered can be explained; not known, where the run ended early or was not wholly judged.
    pub linearizable: Option<bool>,
    /// Why not all that clients were answered was judged, where it was not.
    pub unjudged: Option<String>,
    /// Whether the cluster agreed and answered after the last fault; not known, where the run ended early or that was not judged.
    pub converged: Option<bool>,
    /// Why it was not judged whether the cluster came to agree and to answer, where it did not and that is no fault of its.
    pub convergence_unjudged: Option<String>,
    /// Whether flushes outlasted the timers on so many nodes that the others were no majority, and for how long.
    pub slow_disks: Option<SlowMajority>,
    /// A hash of all that happened.
    pub trace_hash: u64,
    /// A hash of how it ended.
    pub state_hash: u64,
}

/// Carries out a scenario. `progress` is called once a second of virtual time, and ends the run early by returning false.
pub fn run(scenario: &Scenario, progress: impl FnMut(Progress) -> bool) -> Outcome {
    carry_out(&mut begun(World::new(scenario)), progress, |_| ())
}

/// The same, and tells what happens.
pub fn watch(scenario: &Scenario, progress: impl FnMut(Progress) -> bool, see: impl FnMut(Happening)) -> Outcome {
    carry_out(&mut begun(World::watched(scenario)), progress, see)
}

/// The same up to an instant, or to the run's end where that comes before: how the world is then, and what came of the run by then.
pub fn run_up_to(scenario: &Scenario, last: Instant, progress: impl FnMut(Progress) -> bool) -> (World<'_>, Outcome) {
    let mut world = begun(World::new(scenario));
    world.ends_at(last);
    let outcome = carry_out(&mut world, progress, |_| ());
    (world, outcome)
}

/// As [`watch`]; who looks may take time over each second.
pub async fn watch_slowly(
    scenario: &Scenario,
    mut progress: impl AsyncFnMut(Progress) -> bool,
    see: impl FnMut(Happening),
) -> Outcome {
    let mut world = begun(World::watched(scenario));
    let progress = async |world: &mut World<'_>| {
        let (now, events) = (world.now(), world.events());
        progress(Progress { now, events }).await
    };
    carry_out_in(&mut world, progress, see).await
}

/// Why a run was not carried out to its end.
enum Cut {
    Broken(Violation),
    /// Nobody wants to see more of it.
    Stopped,
}

impl From<Violation> for Cut {
    fn from(violation: Violation) -> Cut {
        Cut::Broken(violation)
    }
}

fn begun<'a>(world: Result<World<'a>, Violation>) -> World<'a> {
    world.unwrap_or_else(|violation| unreachable!("a cluster that has done nothing breaks no promise: {violation}"))
}

fn carry_out<'a>(
    world: &mut World<'a>,
    mut progress: impl FnMut(Progress) -> bool,
    see: impl FnMut(Happening),
) -> Outcome {
    let mut progress = |world: &mut World<'a>| {
        progress(Progress {
            now: world.now(),
            events: world.events(),
        })
    };
    at_once(carry_out_in(world, async |world: &mut World<'a>| progress(world), see))
}

/// What comes of a run over which nobody takes time.
fn at_once(run: impl Future<Output = Outcome>) -> Outcome {
    match pin!(run).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => unreachable!("nobody takes time"),
    }
}

async fn carry_out_in<'a>(
    world: &mut World<'a>,
    mut progress: impl AsyncFnMut(&mut World<'a>) -> bool,
    mut see: impl FnMut(Happening),
) -> Outcome {
    let mut outcome = Outcome {
        virtual_time: Duration(0),
        events: 0,
        elections: 0,
        answered: 0,
        nodes: world.settings().nodes,
        asked: 0,
        acknowledged: 0,
        faults: 0,
        coverage: Coverage::default(),
        violation: None,
        linearizable: None,
        unjudged: None,
        converged: None,
        convergence_unjudged: None,
        slow_disks: None,
        trace_hash: 0,
        state_hash: 0,
    };
    let ended = phases(world, &mut outcome, async |world: &mut World<'a>| {
        world.take_happenings().for_each(&mut see);
        progress(world).await
    })
    .await;
    if let Err(Cut::Broken(violation)) = ended {
        outcome.violation = Some(violation);
    }
    world.take_happenings().for_each(&mut see);
    if let Some(violation) = &outcome.violation {
        see(Happening {
            at: violation.at,
            what: What::Violated {
                text: violation.to_string(),
            },
        });
    }
    outcome.virtual_time = Duration(world.now().0);
    outcome.events = world.events();
    outcome.elections = world.checker.elections();
    outcome.answered = world.answered();
    outcome.asked = world.asked();
    if outcome.converged.is_none() && outcome.convergence_unjudged.is_none() {
        outcome.acknowledged = world.answered();
    }
    outcome.faults = world.faults();
    outcome.coverage = world.coverage;
    let settings = world.settings();
    let (members, shortest) = (usize::from(settings.nodes), settings.timing.election_min);
    outcome.slow_disks = world.slow_disks.seen(world.now(), members, shortest);
    outcome.trace_hash = world.trace_hash();
    outcome.state_hash = world.state_hash();
    outcome
}

async fn phases<'a>(
    world: &mut World<'a>,
    outcome: &mut Outcome,
    mut progress: impl AsyncFnMut(&mut World<'a>) -> bool,
) -> Result<(), Cut> {
    let end = Instant(world.settings().duration.0);
    while world.now() < end {
        let until = (world.now() + PROGRESS_EVERY).min(end);
        world.run_until(until, |_| false)?;
        world.audit.settle(world.now(), Instant::NEVER)?;
        if !progress(world).await || world.has_ended() {
            return Err(Cut::Stopped);
        }
    }
    world.heal()?;
    let agrees = settles_within(world, converges_within(world.settings()), &mut progress).await?;
    outcome.acknowledged = world.answered();
    outcome.converged = Some(agrees);
    if agrees && drain(world, &mut progress).await? {
        return Ok(finish(world, outcome)?);
    }
    outcome.convergence_unjudged = world.held_up();
    if outcome.convergence_unjudged.is_some() {
        outcome.converged = None;
        return Ok(judge(world, outcome)?);
    }
    outcome.converged = Some(false);
    Ok(fails(world, Property::Converges, world.unsettled())?)
}

/// How long the cluster of a run may take to agree: who is elected slowly, and writes slowly, takes longer.
fn converges_within(settings: &Settings) -> Duration {
    let elections = ELECTIONS_MAX.saturating_mul(settings.timing.election_max.0);
    let flushes = FLUSHES_MAX.saturating_mul(settings.flush_us.1);
    CONVERGES_WITHIN.max(Duration(elections.saturating_add(flushes)))
}

/// How long it may take to answer one operation.
fn answers_within(settings: &Settings) -> Duration {
    let round_trip = 2 * (settings.delay_us + settings.jitter_us);
    ANSWERS_WITHIN.max(Duration(TRIPS_MAX * (settings.flush_us.1 + round_trip)))
}

/// Runs until nothing is under way and all agree, in that time at most. Says whether they do. Who looks is told on the way: an end may be
/// as long as the run.
async fn settles_within<'a>(
    world: &mut World<'a>,
    bound: Duration,
    progress: &mut impl AsyncFnMut(&mut World<'a>) -> bool,
) -> Result<bool, Cut> {
    let end = world.now() + bound;
    loop {
        let until = (world.now() + PROGRESS_EVERY).min(end);
        let has_settled = world.run_until(until, |world| world.is_idle() && world.has_converged())?;
        let goes_on = progress(world).await;
        if has_settled || until == end {
            return Ok(has_settled);
        }
        if !goes_on || world.has_ended() {
            return Err(Cut::Stopped);
        }
    }
}

/// Pops every queue until it is empty. Says whether all that was answered in time.
async fn drain<'a>(world: &mut World<'a>, progress: &mut impl AsyncFnMut(&mut World<'a>) -> bool) -> Result<bool, Cut> {
    let sizes: Vec<(QueueId, usize)> = world.queue_sizes();
    let mut asked = 0;
    for (qid, size) in sizes {
        // Pops that were given up may still arrive; there is one more for the answer that there is nothing left.
        for _ in 0..=size {
            world.ask(asked, Operation::Write(Write::Pop { qid }));
            asked = asked.wrapping_add(1);
        }
    }
    let bound = Duration(answers_within(world.settings()).0 * (1 + u64::from(asked)));
    settles_within(world, bound, progress).await
}

/// What can be said only at the end.
fn finish(world: &mut World<'_>, outcome: &mut Outcome) -> Result<(), Violation> {
    for node in world.nodes() {
        let same = world.audit.queues().map(|items| items.copied().collect::<Vec<i64>>());
        let held = node
            .queues()
            .queues()
            .map(|queue| queue.items.iter().copied().collect::<Vec<i64>>());
        if !same.eq(held) {
            let id = node.view().id;
            return fails(
                world,
                Property::AppliedOnce,
                format!("{id} holds other items than its log makes of plain queues"),
            );
        }
    }
    judge(world, outcome)?;
    world.audit.account(world.now())
}

/// Judges what clients were answered.
fn judge(world: &mut World<'_>, outcome: &mut Outcome) -> Result<(), Violation> {
    let judged = world.audit.judge(world.now(), Instant::NEVER);
    outcome.unjudged = world.audit.judged().unjudged.clone();
    outcome.linearizable = outcome.unjudged.is_none().then_some(judged.is_ok());
    judged
}

fn fails(world: &World<'_>, property: Property, detail: String) -> Result<(), Violation> {
    Err(Violation {
        property,
        at: world.now(),
        since: None,
        node: None,
        detail,
    })
}

/// Carries out a scenario, tells what happens, and gives, second by second, what went into its nodes, from which any instant is made
/// again. Says which promise it broke, if it broke one.
///
/// It ends early where more than `events_max` events happen.
pub fn tell(
    scenario: &Scenario,
    events_max: u64,
    see: impl FnMut(Happening),
    mut keep: impl FnMut(Vec<Told>),
) -> Outcome {
    at_once(tell_slowly(scenario, events_max, see, async |told, _| keep(told)))
}

/// The same; who keeps what is told may take time over each second.
pub async fn tell_slowly(
    scenario: &Scenario,
    events_max: u64,
    see: impl FnMut(Happening),
    mut keep: impl AsyncFnMut(Vec<Told>, Progress),
) -> Outcome {
    let mut world = begun(World::watched(scenario));
    world.tell_all();
    let outcome = carry_out_in(
        &mut world,
        async |world: &mut World<'_>| {
            let (now, events) = (world.now(), world.events());
            keep(world.take_told(), Progress { now, events }).await;
            events < events_max
        },
        see,
    )
    .await;
    let (now, events) = (world.now(), world.events());
    keep(world.take_told(), Progress { now, events }).await;
    outcome
}
