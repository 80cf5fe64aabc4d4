//! Runs that are kept in files and links, and made again; pictures of them.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use cluster::clock::Clock;
use picture::{Pen, Scene, Surface};
use raft_core::{Instant, NodeId};
use trace::lockstep::{LIVE, RunId};
use trace::tape::TAPE_BYTES_MAX;

use super::{Desk, cut};
use crate::BUILD;
use crate::keep::{self, BRANCHES_MAX, CHECKING, Head, KeepError, Kept, KeptBranch, Opened, Part, Root};
use crate::pace::Pace;
use crate::run::Run;
use crate::timeline::Timeline;

/// How many events of a branch that was kept are carried out, at most.
const BRANCH_EVENTS_MAX: u64 = 1_000_000;
/// How much the tapes of its branches keep together, in bytes.
const BRANCHES_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How much the tapes of what was opened keep in all, in bytes: that of its first run, and those of its branches. While a piece is being
/// taken, each may be over by as much as that.
pub const OPENED_BYTES_MAX: usize = TAPE_BYTES_MAX + BRANCHES_BYTES_MAX + (BRANCHES_MAX + 1) * 1024 * 1024;

impl Desk {
    /// The hash of all nodes at the instant that is shown.
    pub(super) fn hash_shown(&self) -> Option<u64> {
        let (run, at) = self.place()?;
        self.hash_of(run, at)
    }

    fn hash_of(&self, run: &Run, at: Instant) -> Option<u64> {
        let knows = self.run_at(run.id, at)?;
        Some(knows.chronicle.tape.moment(at).hash())
    }

    /// What reopens the run that is shown, and all it hangs from, between two instants.
    pub(super) fn kept(&self, from: Instant, until: Instant) -> Option<Kept> {
        let (shown, at) = self.place()?;
        self.kept_of(shown, at, from, until)
    }

    /// The same of any run, at any instant of it.
    pub(super) fn kept_of(&self, shown: &Run, at: Instant, from: Instant, until: Instant) -> Option<Kept> {
        // A live run that left another is a root of its own: its nodes' states are on its tape. What was before is on the other's.
        let shown = if shown.branch.is_some() {
            shown
        } else {
            self.run_at(shown.id, at)?
        };
        let mut chain = vec![shown];
        while let Some((parent, left)) = chain
            .last()
            .filter(|run| run.branch.is_some())
            .and_then(|run| run.leaves)
        {
            chain.push(self.run_at(parent, left)?);
        }
        let root = chain.pop()?;
        let place = |id: RunId, chain: &[&Run]| -> u32 {
            let among = chain.iter().rev().position(|run| run.id == id);
            among.map_or(0, |place| place as u32 + 1)
        };
        let branches = chain.iter().rev().filter_map(|run| {
            let (parent, left) = run.leaves?;
            let branch = run.branch.as_ref()?;
            Some(KeptBranch {
                name: run.name.clone(),
                leaves: RunId(place(parent, &chain)),
                at: left,
                seed: branch.seed,
                acts: branch.acts.clone(),
                end: run.end(),
                notes: run.notes.iter().map(|(at, note)| (*at, note.clone())).collect(),
            })
        });
        let begins = root.leaves.map_or(from, |(_, left)| left.max(from));
        let inside = |at: Instant| (begins..=until).contains(&at);
        let is_live = root.id == LIVE;
        let scenario = root
            .scenario
            .as_ref()
            .and_then(|scenario| sim::file::write(scenario).ok());
        let faults = self.faults.iter().filter(|(at, ..)| is_live && inside(*at)).cloned();
        let asked = self.asked.iter().filter(|(at, _)| is_live && inside(*at));
        let asked = asked.map(|(at, (client, asked))| (at, client, asked));
        Some(Kept {
            head: Head {
                members: root.chronicle.tape.members().count() as u8,
                name: root.name.clone(),
                faults: faults.collect(),
                notes: root.notes.iter().map(|(at, note)| (*at, note.clone())).collect(),
                branches: branches.collect(),
                shown: RunId(place(shown.id, &chain)),
                at,
                hash: self.hash_of(shown, at)?,
                look: self.timeline.scene.look(),
            },
            root: scenario.map_or_else(|| Root::Told(root.chronicle.tape.telling(from, until)), Root::Scenario),
            asked: asked.collect(),
        })
    }

    /// The name under which a picture of the timeline is wanted, if one is.
    pub fn take_wanted_png(&mut self) -> Option<String> {
        self.wants_png.take()
    }

    /// The size of a picture of the timeline, in pixels, and how many dots a pixel is.
    pub fn picture_size(&self) -> (f64, f64, f64) {
        const USUAL: (f64, f64) = (1_200.0, 1.0);
        let (width, _, ratio) = self.timeline.size;
        let (width, ratio) = if width > 0.0 { (width, ratio) } else { USUAL };
        let members = self.runs.get(&self.shown).map_or(&[][..], |run| run.record.members());
        (width, Timeline::height(members), ratio)
    }

    /// Paints the timeline as it is looked at, on a background: for a file. What the page shows, and when, is not touched.
    pub fn paint_picture(&self, surface: &mut impl Surface) {
        let Some((run, at)) = self.place() else { return };
        let (width, height, _) = self.picture_size();
        let palette = &self.timeline.palette;
        let end = self.end_of(run);
        let mut scene = Scene::new();
        scene.set_look(self.timeline.scene.look(), end);
        let is_past = run.id != LIVE || self.at.is_some();
        (scene.playhead, scene.chosen) = (is_past.then_some(at), self.timeline.scene.chosen.clone());
        surface.rectangle(Pen::new(&palette.panel), [0.0, 0.0, width, height]);
        picture::paint(surface, palette, &run.record, &mut scene, width, end);
    }

    /// Whether a branch hangs from an instant that was let go: its own states are there, but nothing to make it from.
    pub(super) fn has_lost_its_root(&self, run: &Run) -> bool {
        let Some((parent, left)) = run.leaves.filter(|_| run.branch.is_some()) else {
            return false;
        };
        let knows = self.run_at(parent, left);
        knows.is_none_or(|knows| knows.first() > left || self.has_lost_its_root(knows))
    }

    /// The instant of the first run that an instant of one that hangs from it rests on.
    pub(super) fn root_at(&self, run: &Run, at: Instant) -> Instant {
        match run
            .leaves
            .and_then(|(parent, left)| Some((self.runs.get(&parent)?, left)))
        {
            Some((parent, left)) if run.branch.is_some() => self.root_at(parent, left.min(at)),
            _ => at,
        }
    }
}

/// The first run of a file, whole.
pub(super) async fn first_run(id: RunId, opened: &Opened<'_>, pace: &Pace) -> Result<Run, KeepError> {
    let head = &opened.head;
    let members: Vec<NodeId> = (1..=head.members).map(NodeId).collect();
    let mut run = Run::opened(&members, id, cut(&head.name));
    for (part, read) in opened.parts() {
        match part {
            Part::Scenario(bytes) => {
                let scenario = sim::file::read(&bytes).map_err(KeepError::Scenario)?;
                run = Run::of_scenario(&members, id, cut(&head.name), scenario, pace).await;
            }
            Part::Told(told) => run.take_next(told).map_err(KeepError::Wrong)?,
            Part::Asked(some) => {
                run.open();
                for (at, client, asked) in some {
                    run.asked(at, client, asked);
                }
            }
        }
        pace.pause(pace.done().max(CHECKING + (0.99 - CHECKING) * read)).await;
    }
    run.open();
    while run.work(1 << 16) {}
    for (at, key, text) in &head.faults {
        run.fault(*at, key.clone(), text.clone());
    }
    run.judge();
    run.notes = notes(&head.notes);
    Ok(run)
}

/// The branches of a file, made again behind its first run. Says whether there is more of them than is opened.
pub(super) async fn made_again(runs: &mut Vec<Run>, branches: &[KeptBranch], pace: &Pace) -> bool {
    let mut events_left = BRANCH_EVENTS_MAX;
    let mut is_cut = false;
    let first = runs.first().map_or(0, |run| run.id.0);
    for branch in branches {
        let Some(parent) = runs.get(branch.leaves.0 as usize) else {
            break;
        };
        let id = RunId(first + runs.len() as u32);
        let (run, is_whole) = branch_again(parent, id, branch, events_left, branches.len(), pace).await;
        events_left = events_left.saturating_sub(run.events());
        is_cut |= !is_whole;
        runs.push(run);
    }
    is_cut
}

/// A branch of a file, made again with no more events than that. Says whether it is whole.
async fn branch_again(
    parent: &Run,
    id: RunId,
    kept: &KeptBranch,
    events_max: u64,
    among: usize,
    pace: &Pace,
) -> (Run, bool) {
    let mut run = Run::branch(parent, id, kept.at, kept.seed);
    run.limit(BRANCHES_BYTES_MAX / among);
    let mut is_whole = true;
    for (at, act) in &kept.acts {
        is_whole = run.events() < events_max;
        if !is_whole {
            break;
        }
        run.extend(bounded(*at, kept.at));
        run.act(act);
        pace.pause(pace.done()).await;
    }
    if is_whole {
        run.extend(bounded(kept.end, kept.at));
    }
    run.name = cut(&kept.name);
    run.notes = notes(&kept.notes);
    (run, is_whole)
}

fn notes(kept: &[(Instant, String)]) -> BTreeMap<Instant, String> {
    kept.iter().map(|(at, note)| (*at, cut(note))).collect()
}

/// What to say where this build makes another state of a run than the one that was sent.
pub(super) fn differs(what: &str, build: &str) -> String {
    if build == BUILD {
        format!(
            "{what} opens on another state than the one that was sent, though this very build made it: what you see may differ from \
             what was sent."
        )
    } else {
        format!(
            "{what} was made by build {build}, which this is not (this is build {BUILD}), and another state comes out here: what you \
             see may differ from what was sent. Open it with that build to see the same."
        )
    }
}

/// A Rust test that repeats what a file holds, whenever that was saved: the instant and the hash are the file's own.
pub(super) fn test_of(file: &str) -> String {
    format!(
        "//! Repeats a run that was saved from the page. The file holds an instant and the hash of every node at it, as the build that\n\
         //! saved it made them.\n\
         //!\n\
         //! Save the run as `{file}` beside this file, in `crates/lockstep/tests`.\n\n\
         use lockstep::Repeated;\n\n\
         #[test]\n\
         fn the_run_is_the_same_again() {{\n\
         \x20   let run = Repeated::of(include_bytes!(\"{file}\")).unwrap();\n\
         \x20   assert_eq!(run.hash(), run.kept_hash(), \"{{}} µs, saved by build {{}}\", run.at_us(), run.build());\n\
         }}\n",
    )
}

/// An instant of a branch that somebody else wrote down: no earlier than where it leaves, and no later than a run lasts.
fn bounded(at: Instant, left: Instant) -> Instant {
    const BRANCH_US_MAX: u64 = 600_000_000;
    at.clamp(left, Instant(left.0.saturating_add(BRANCH_US_MAX)))
}

pub(super) fn file_name(name: &str) -> String {
    let safe = |letter: char| {
        if letter.is_ascii_alphanumeric() {
            letter.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let name: String = name.chars().map(safe).take(40).collect();
    format!("ftqueue-{}", name.trim_matches('-'))
}

/// A kept run, made again: what a test of it looks at.
pub struct Repeated {
    desk: Desk,
    head: Head,
    build: String,
}

impl Repeated {
    /// Makes the run of a file again.
    ///
    /// # Errors
    /// The file holds none.
    pub fn of(bytes: &[u8]) -> Result<Repeated, KeepError> {
        let opened = keep::read(bytes)?;
        let clock = Clock::new(cluster::clock::ClockSetting::starting_at(0.0));
        let members = (1..=opened.head.members).map(NodeId).collect();
        let mut desk = Desk::new(members, clock);
        desk.open_kept("The file", &opened)?;
        Ok(Repeated {
            desk,
            build: opened.build,
            head: opened.head,
        })
    }

    /// A fingerprint of every node at an instant, in microseconds, of the run that the file shows.
    pub fn hash_at(&self, at_us: u64) -> u64 {
        let at = Instant(at_us);
        let run = self.desk.run_at(self.desk.shown, at);
        run.map_or(0, |run| run.chronicle.tape.moment(at).hash())
    }

    /// The same at the instant that the file shows.
    pub fn hash(&self) -> u64 {
        self.hash_at(self.head.at.0)
    }

    /// The same as the build that wrote the file made it.
    pub fn kept_hash(&self) -> u64 {
        self.head.hash
    }

    /// The instant that the file shows, in virtual microseconds.
    pub fn at_us(&self) -> u64 {
        self.head.at.0
    }

    /// The build that wrote the file.
    pub fn build(&self) -> &str {
        &self.build
    }

    /// How much its tapes keep, in bytes.
    pub fn bytes(&self) -> usize {
        self.desk.runs.values().map(|run| run.chronicle.tape.bytes()).sum()
    }

    /// What it breaks, if it breaks a promise.
    pub fn violations(&self) -> Vec<String> {
        let verdict = self.desk.verdict(Instant(0));
        verdict.violations.into_iter().map(|(_, text)| text).collect()
    }
}
