//! A file or a link that is being opened: its runs are made again a little at a time, so that whoever waits sees how far it is, and may let it be.

use raft_core::{Instant, NodeId};
use sim::Scenario;
use trace::lockstep::RunId;

use super::files::{differs, first_run, made_again};
use super::{Desk, RUNS_MAX, cut};
use crate::keep::{self, Head, KeepError, LINK_BYTES_MAX, Opened};
use crate::pace::{self, Pace, Task};
use crate::run::Run;

/// What is being opened.
pub(super) struct Opening {
    from: Source,
    /// The number of its first run, as long as no other has taken it.
    first: u32,
    task: Task<Result<Made, KeepError>>,
}

/// Where it comes from.
#[derive(Clone)]
enum Source {
    /// A file of this name.
    File(String),
    /// The page's address.
    Link,
}

impl Source {
    fn name(&self) -> &str {
        match self {
            Source::File(name) => name,
            Source::Link => "The link",
        }
    }
}

/// What a file held.
pub(super) struct Made {
    /// Its first run, and its branches behind that, numbered on from there.
    runs: Vec<Run>,
    /// The place among them of the one that is shown.
    shown: usize,
    at: Instant,
    /// Of a run that was kept: all that its head says, and the build that wrote it.
    kept: Option<(Head, String)>,
    /// Whether there is more than is opened.
    is_cut: bool,
}

impl Desk {
    /// Opens and makes files a little at a time from now on, in [`Desk::work`]; before, all at once.
    pub fn take_time(&mut self) {
        self.takes_time = true;
    }

    /// Whether anything is being opened or made for which somebody waits.
    pub fn is_busy(&self) -> bool {
        self.opening.is_some() || !self.making.is_empty()
    }

    /// Opens what a link holds.
    pub fn open_link(&mut self, link: &str) {
        if link.len() > LINK_BYTES_MAX {
            return self.end_opening(&Source::Link, self.next_run, Err(KeepError::LongLink));
        }
        let (first, room) = (self.next_run, self.room());
        let letters = link.to_owned();
        self.begin_opening(
            Source::Link,
            Task::new(|pace| async move {
                let mut why = KeepError::Damaged;
                for bytes in keep::from_letters(&letters) {
                    match keep::read_slowly(&bytes, &pace).await {
                        Ok(opened) => return made_of_kept(&opened, first, room, &pace).await,
                        // Only one of its readings is what was sent: that which begins like a run says most.
                        Err(KeepError::Foreign | KeepError::Damaged) => {}
                        Err(said) => why = said,
                    }
                }
                Err(why)
            }),
        );
    }

    pub(super) fn open_file(&mut self, name: &str, bytes: Vec<u8>) {
        if let Some(opening) = &self.opening {
            return self.say(format!(
                "{name} is not opened, for {} is being opened yet: wait until it is, or cancel that.",
                opening.from.name()
            ));
        }
        let (first, room, title) = (self.next_run, self.room(), name.to_owned());
        let task = Task::new(|pace| async move { made_of(bytes, &title, first, room, &pace).await });
        self.begin_opening(Source::File(name.to_owned()), task);
    }

    /// How many runs may be opened.
    fn room(&self) -> usize {
        RUNS_MAX - self.runs.len()
    }

    fn begin_opening(&mut self, from: Source, mut task: Task<Result<Made, KeepError>>) {
        let first = self.next_run;
        match task.begin(!self.takes_time) {
            Some(made) => self.end_opening(&from, first, made),
            None => self.opening = Some(Opening { from, first, task }),
        }
        self.panel_stale = true;
    }

    /// Opens a little more of what is being opened. Says whether there is more.
    pub(super) fn work_on_opening(&mut self) -> bool {
        let Some(opening) = &mut self.opening else { return false };
        let before = opening.task.percent();
        let made = opening.task.go_on();
        self.panel_stale |= opening.task.percent() != before;
        if let Some(made) = made
            && let Some(Opening { from, first, .. }) = self.opening.take()
        {
            self.end_opening(&from, first, made);
        }
        self.opening.is_some()
    }

    fn end_opening(&mut self, from: &Source, first: u32, made: Result<Made, KeepError>) {
        self.panel_stale = true;
        if let Err(why) = made.and_then(|made| self.take_made(from.name(), first, made)) {
            let stays = match from {
                Source::File(_) => "Everything is as it was",
                Source::Link => "The cluster of this page runs as if there were none",
            };
            self.say(format!("{} cannot be opened: {why}. {stays}.", from.name()));
        }
    }

    /// Lets be what is being opened.
    pub(super) fn cancel_opening(&mut self) {
        self.opening = None;
        self.panel_stale = true;
    }

    /// What is being opened, and how many hundredths of it are.
    pub(super) fn opening(&self) -> Option<(&str, u32)> {
        let opening = self.opening.as_ref()?;
        let name = match &opening.from {
            Source::File(name) => name,
            Source::Link => "the link",
        };
        Some((name, opening.task.percent()))
    }

    /// Makes a run again, and its branches, at once.
    pub(super) fn open_kept(&mut self, what: &str, opened: &Opened<'_>) -> Result<(), KeepError> {
        let (first, room) = (self.next_run, self.room());
        let made = pace::at_once(made_of_kept(opened, first, room, &Pace::default()))?;
        self.take_made(what, first, made)
    }

    /// Takes the runs of a file among all others, and shows the instant that was shown. Compares what comes of it with what was sent.
    fn take_made(&mut self, what: &str, first: u32, made: Made) -> Result<(), KeepError> {
        if self.runs.len() + made.runs.len() > RUNS_MAX {
            return Err(KeepError::NoRoom { runs_max: RUNS_MAX });
        }
        // Others may have taken their numbers meanwhile.
        let later = self.next_run - first;
        let count = made.runs.len() as u32;
        let shown = made.runs.get(made.shown).or(made.runs.first()).map(|run| run.id);
        for mut run in made.runs {
            run.id.0 += later;
            if let Some((parent, _)) = &mut run.leaves {
                parent.0 += later;
            }
            self.runs.insert(run.id, run);
        }
        self.next_run += count;
        (self.shown, self.at) = (RunId(shown.map_or(first, |id| id.0) + later), Some(made.at));
        self.compared = None;
        self.stale = true;
        if made.is_cut {
            self.say("More happens in its branches than is opened; what comes later is left out.".to_owned());
        }
        if let Some((head, build)) = made.kept {
            let end = self.runs.get(&self.shown).map_or(head.at, Run::end);
            self.timeline.scene.set_look(head.look, end);
            if self.hash_shown() != Some(head.hash) {
                self.say(differs(what, &build));
            }
        }
        Ok(())
    }
}

/// What any file holds.
async fn made_of(bytes: Vec<u8>, name: &str, first: u32, room: usize, pace: &Pace) -> Result<Made, KeepError> {
    match keep::read_slowly(&bytes, pace).await {
        Err(KeepError::Foreign) => match sim::file::read(&bytes) {
            Ok(scenario) => made_of_scenario(name, scenario, first, room, pace).await,
            Err(sim::file::FileError::Foreign) => Err(KeepError::Foreign),
            Err(why) => Err(KeepError::Scenario(why)),
        },
        Ok(opened) => made_of_kept(&opened, first, room, pace).await,
        Err(why) => Err(why),
    }
}

/// Carries out a scenario; what is shown is where it fails.
async fn made_of_scenario(
    name: &str,
    scenario: Scenario,
    first: u32,
    room: usize,
    pace: &Pace,
) -> Result<Made, KeepError> {
    check_room(1, room)?;
    let members: Vec<NodeId> = (1..=scenario.settings.nodes).map(NodeId).collect();
    let run = Run::of_scenario(&members, RunId(first), cut(name), scenario, pace).await;
    let broken = run.judged_elsewhere.as_ref().map(|judged| judged.violations.as_slice());
    let failed = broken.unwrap_or_default().first().map(|(at, _)| *at);
    Ok(Made {
        at: failed.unwrap_or(Instant(0)),
        runs: vec![run],
        shown: 0,
        kept: None,
        is_cut: false,
    })
}

async fn made_of_kept(opened: &Opened<'_>, first: u32, room: usize, pace: &Pace) -> Result<Made, KeepError> {
    let head = &opened.head;
    check_room(1 + head.branches.len(), room)?;
    let mut runs = vec![first_run(RunId(first), opened, pace).await?];
    let is_cut = made_again(&mut runs, &head.branches, pace).await;
    Ok(Made {
        runs,
        shown: head.shown.0 as usize,
        at: head.at,
        kept: Some((head.clone(), opened.build.clone())),
        is_cut,
    })
}

fn check_room(runs: usize, room: usize) -> Result<(), KeepError> {
    if runs > room {
        return Err(KeepError::NoRoom { runs_max: RUNS_MAX });
    }
    Ok(())
}
