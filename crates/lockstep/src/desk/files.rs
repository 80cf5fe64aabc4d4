//! Runs that are kept: in files, in links, in the formats of others.

use std::collections::BTreeSet;

use cluster::clock::Clock;
use picture::{Scene, Svg};
use raft_core::{Instant, NodeId};
use sim::Scenario;
use trace::export::Format;
use trace::lockstep::{FromLockstep, LIVE, RunId};
use trace::tape::{Piece, Told};
use trace::{Happening, What};

use super::{Desk, RUNS_MAX, cut};
use crate::keep::{self, Kept, KeptBranch, LINK_LETTERS_MAX, Root};
use crate::panel::Product;
use crate::run::Run;
use crate::timeline::Timeline;

/// How long a link's run is at most before the instant that it shows, in microseconds; shorter, where that does not fit.
const LINK_US: [u64; 5] = [60_000_000, 8_000_000, 3_000_000, 1_000_000, 250_000];

/// How many events of a branch that was kept are carried out, at most.
const BRANCH_EVENTS_MAX: u64 = 1_000_000;

impl Desk {
    /// Opens what a link holds.
    pub fn open_link(&mut self, letters: &str) {
        let opened = match keep::from_letters(letters) {
            Some(bytes) => keep::read(&bytes).map(|kept| self.open_kept(kept)),
            None => Err(keep::KeepError::Damaged),
        };
        if let Err(why) = opened {
            self.say(format!(
                "The link cannot be opened: {why}. The cluster of this page runs as if there were none."
            ));
        }
    }

    pub(super) fn open_file(&mut self, name: &str, bytes: &[u8]) {
        let opened = match keep::read(bytes) {
            Err(keep::KeepError::Foreign) => match sim::file::read(bytes) {
                Ok(scenario) => self.open_scenario(name, &scenario),
                Err(sim::file::FileError::Foreign) => Err(keep::KeepError::Foreign),
                Err(why) => Err(keep::KeepError::Scenario(why.to_string())),
            },
            Ok(kept) => {
                self.open_kept(kept);
                Ok(())
            }
            Err(why) => Err(why),
        };
        if let Err(why) = opened {
            self.say(format!("{name} cannot be opened: {why}. Everything is as it was."));
        }
    }

    /// Carries out a scenario, and shows where it fails.
    pub(super) fn open_scenario(&mut self, name: &str, scenario: &Scenario) -> Result<(), keep::KeepError> {
        if self.runs.len() >= RUNS_MAX {
            self.say(format!(
                "There are {RUNS_MAX} runs, which is the most: delete one first."
            ));
            return Ok(());
        }
        let members: Vec<NodeId> = (1..=scenario.settings.nodes).map(NodeId).collect();
        let id = RunId(self.next_run);
        self.next_run += 1;
        let run = Run::of_scenario(&members, id, cut(name), scenario.clone());
        let failed = run.judged_elsewhere.first().map(|(at, _)| *at);
        self.runs.insert(id, run);
        (self.shown, self.at) = (id, Some(failed.unwrap_or(Instant(0))));
        self.stale = true;
        Ok(())
    }

    pub(super) fn open_kept(&mut self, kept: Kept) {
        if self.runs.len() + 1 + kept.branches.len() > RUNS_MAX {
            return self.say(format!(
                "There are {RUNS_MAX} runs, which is the most: delete some first."
            ));
        }
        let first = RunId(self.next_run);
        self.next_run += 1;
        let mut run = match kept.root {
            Root::Told(told) => Run::opened(&kept.members, first, cut(&kept.name), told),
            Root::Scenario(bytes) => match sim::file::read(&bytes) {
                Ok(scenario) => Run::of_scenario(&kept.members, first, cut(&kept.name), scenario),
                Err(why) => return self.say(format!("The run cannot be opened: {why}. Everything is as it was.")),
            },
        };
        while run.work(1 << 16) {}
        for (at, client, asked) in kept.asked {
            run.asked(at, client, asked);
        }
        for (at, key, text) in kept.faults {
            run.fault(at, key, text);
        }
        run.judge();
        run.notes = kept.notes.into_iter().map(|(at, note)| (at, cut(&note))).collect();
        self.runs.insert(first, run);
        let mut names = vec![first];
        for branch in kept.branches {
            let Some(parent) = names.get(branch.leaves.0 as usize) else {
                self.say("One of its branches leaves a run that is not there; it was left out.".to_owned());
                break;
            };
            let Some(parent) = self.runs.get(parent) else { break };
            let id = RunId(self.next_run);
            self.next_run += 1;
            let mut run = Run::branch(parent, id, branch.at, branch.seed);
            for (at, act) in &branch.acts {
                if run.events() > BRANCH_EVENTS_MAX {
                    self.out.push(FromLockstep::Notice(
                        "More happens in its branches than is opened; what comes later is left out.".to_owned(),
                    ));
                    break;
                }
                run.extend(bounded(*at, branch.at));
                run.act(act);
            }
            run.extend(bounded(branch.end, branch.at));
            run.name = cut(&branch.name);
            run.notes = branch.notes.into_iter().map(|(at, note)| (at, cut(&note))).collect();
            self.runs.insert(id, run);
            names.push(id);
        }
        self.shown = names.get(kept.shown.0 as usize).copied().unwrap_or(first);
        self.at = Some(kept.at);
        self.stale = true;
        let end = self.runs.get(&self.shown).map_or(kept.at, Run::end);
        self.timeline.scene.set_look(kept.look, end);
    }

    /// What reopens the run that is shown, and all it hangs from, between two instants.
    pub(super) fn kept(&self, from: Instant, until: Instant) -> Option<Kept> {
        let (shown, at) = self.place()?;
        let mut chain = vec![shown];
        while let Some(parent) = chain.last()?.leaves.and_then(|(parent, _)| self.runs.get(&parent)) {
            chain.push(parent);
        }
        let root = chain.pop()?;
        // A live run that left another is a root of its own: its nodes' states are on its tape.
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
        let inside = |at: Instant| (from..=until).contains(&at);
        let is_live = root.id == LIVE;
        Some(Kept {
            members: root.chronicle.tape.members().collect(),
            name: root.name.clone(),
            root: match root
                .scenario
                .as_ref()
                .and_then(|scenario| sim::file::write(scenario).ok())
            {
                Some(bytes) => Root::Scenario(bytes),
                None => Root::Told(root.chronicle.tape.told(from, until)),
            },
            asked: self
                .asked
                .iter()
                .filter(|(at, ..)| is_live && inside(*at))
                .copied()
                .collect(),
            faults: self
                .faults
                .iter()
                .filter(|(at, ..)| is_live && inside(*at))
                .cloned()
                .collect(),
            notes: root.notes.iter().map(|(at, note)| (*at, note.clone())).collect(),
            branches: branches.collect(),
            shown: RunId(place(shown.id, &chain)),
            at,
            look: self.timeline.scene.look(),
        })
    }

    pub(super) fn make(&mut self, product: Product) {
        match self.made(product) {
            Ok((name, mime, bytes)) => self.out.push(FromLockstep::Made {
                name,
                mime: mime.to_owned(),
                bytes,
            }),
            Err(why) if why.is_empty() => {
                self.wants_png = Some(self.place().map_or(String::new(), |(run, _)| file_name(&run.name)))
            }
            Err(why) => self.say(why),
        }
    }

    /// The name under which a picture of the canvas is wanted, if one is.
    pub fn take_wanted_png(&mut self) -> Option<String> {
        self.wants_png.take()
    }

    pub(super) fn made(&self, product: Product) -> Result<(String, &'static str, Vec<u8>), String> {
        let (run, at) = self.place().ok_or("Nothing is shown.")?;
        let (first, end) = (Instant(0), Instant::NEVER);
        let end_of_view = self.end_of(run);
        let name = file_name(&run.name);
        let exported = |format: Format, suffix: &str, mime: &'static str| {
            let mut bytes = Vec::new();
            let mut exporter = format.exporter(&mut bytes);
            for happening in self.happenings(run) {
                exporter.take(&happening).map_err(|error| error.to_string())?;
            }
            exporter.finish().map_err(|error| error.to_string())?;
            drop(exporter);
            Ok((format!("{name}.{suffix}"), mime, bytes))
        };
        match product {
            Product::Link => {
                // The root's tape from a while before the instant; up to where the first branch leaves it, or a moment after.
                let root_at = self.root_at(run, at);
                let until = Instant(root_at.0.saturating_add(500_000));
                let letters = LINK_US.iter().find_map(|us| {
                    let kept = self.kept(Instant(root_at.0.saturating_sub(*us)), until)?;
                    let letters = keep::to_letters(&keep::write(&kept));
                    (letters.len() <= LINK_LETTERS_MAX).then_some(letters)
                });
                let letters = letters
                    .ok_or("The logs at this instant are too long for a link. Save the run as a file and send that.")?;
                Ok((String::new(), "text/plain", letters.into_bytes()))
            }
            Product::File => {
                let kept = self.kept(first, end).ok_or("Nothing is shown.")?;
                Ok((format!("{name}.ftqr"), "application/octet-stream", keep::write(&kept)))
            }
            Product::JsonLines => exported(Format::JsonLines, "jsonl", "application/jsonl"),
            Product::Shiviz => exported(Format::Shiviz, "shiviz.txt", "text/plain"),
            Product::Chrome => exported(Format::Chrome, "chrome.json", "application/json"),
            Product::History => exported(Format::History, "edn", "application/edn"),
            Product::Test => {
                let kept = self.kept(first, end).ok_or("Nothing is shown.")?;
                let file = format!("{name}.ftqr");
                let knows = self.run_at(run.id, at).ok_or("Nothing is shown.")?;
                let hash = knows.chronicle.tape.moment(at).hash();
                let test = test_of(&file, &kept, at, hash);
                Ok((format!("{name}.rs"), "text/rust", test.into_bytes()))
            }
            Product::Svg => {
                let (width, _, _) = self.timeline.size;
                let members = run.record.members();
                let mut svg = Svg::new(width, Timeline::height(members), &self.timeline.palette.panel);
                let mut scene = Scene::new();
                scene.set_look(self.timeline.scene.look(), end_of_view);
                (scene.playhead, scene.chosen) = (self.timeline.scene.playhead, self.timeline.scene.chosen.clone());
                picture::paint(
                    &mut svg,
                    &self.timeline.palette,
                    &run.record,
                    &mut scene,
                    width,
                    end_of_view,
                );
                Ok((format!("{name}.svg"), "image/svg+xml", svg.finish().into_bytes()))
            }
            // The host has the canvas.
            Product::Png => Err(String::new()),
        }
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

    /// All that happened in a run: in a branch, what happened before in the run that it leaves, too.
    pub(super) fn happenings(&self, run: &Run) -> Vec<Happening> {
        match run
            .leaves
            .and_then(|(parent, left)| Some((self.runs.get(&parent)?, left)))
        {
            Some((parent, left)) => {
                let mut all = self.happenings(parent);
                all.retain(|happening| happening.at <= left);
                // Who goes on in the branch has started before.
                let started = |happening: &Happening| match happening.what {
                    What::Started { node, boot, .. } => Some((node, boot)),
                    _ => None,
                };
                let before: BTreeSet<_> = all.iter().filter_map(started).collect();
                let after = run.happenings(left, Instant::NEVER).into_iter();
                all.extend(after.filter(|happening| started(happening).is_none_or(|boot| !before.contains(&boot))));
                all
            }
            None => run.happenings(Instant(0), Instant::NEVER),
        }
    }
}

/// A Rust test that repeats what a file holds.
fn test_of(file: &str, kept: &Kept, at: Instant, hash: u64) -> String {
    let steps: usize = match &kept.root {
        Root::Told(told) => told.iter().map(steps_of).sum(),
        Root::Scenario(_) => 0,
    };
    format!(
        "//! Repeats a run that was kept from the page: {} nodes, {steps} steps, {} branches.\n\
         //! Save the run as `{file}` beside this file, in `crates/lockstep/tests`.\n\n\
         use lockstep::Repeated;\n\n\
         #[test]\n\
         fn the_run_is_the_same_again() {{\n\
         \x20   let run = Repeated::of(include_bytes!(\"{file}\")).unwrap();\n\
         \x20   assert_eq!(run.hash_at({}), {hash:#018x});\n\
         }}\n",
        kept.members.len(),
        kept.branches.len(),
        at.0,
    )
}

fn steps_of(told: &Told) -> usize {
    match &told.piece {
        Piece::Steps(steps) => steps.len(),
        _ => 0,
    }
}

/// An instant of a branch that somebody else wrote down: no earlier than where it leaves, and no later than a run lasts.
fn bounded(at: Instant, left: Instant) -> Instant {
    const BRANCH_US_MAX: u64 = 600_000_000;
    at.clamp(left, Instant(left.0.saturating_add(BRANCH_US_MAX)))
}

fn file_name(name: &str) -> String {
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
}

impl Repeated {
    /// Makes the run of a file again.
    ///
    /// # Errors
    /// The file holds none.
    pub fn of(bytes: &[u8]) -> Result<Repeated, keep::KeepError> {
        let kept = keep::read(bytes)?;
        let clock = Clock::new(cluster::clock::ClockSetting::starting_at(0.0));
        let mut desk = Desk::new(kept.members.clone(), clock);
        desk.open_kept(kept);
        Ok(Repeated { desk })
    }

    /// A fingerprint of every node at an instant, in microseconds, of the run that the file shows.
    pub fn hash_at(&self, at_us: u64) -> u64 {
        let at = Instant(at_us);
        let run = self.desk.run_at(self.desk.shown, at);
        run.map_or(0, |run| run.chronicle.tape.moment(at).hash())
    }

    /// What it breaks, if it breaks a promise.
    pub fn violations(&self) -> Vec<String> {
        let verdict = self.desk.verdict(Instant(0));
        verdict.violations.into_iter().map(|(_, text)| text).collect()
    }
}
