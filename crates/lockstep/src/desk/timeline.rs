//! The timeline: what a person does to it, what is said of what they chose, and its picture.

use cluster::host::Fact;
use picture::{Subject, Surface};
use raft_core::{Instant, NodeId};
use trace::What;
use trace::lockstep::{FromLockstep, Gesture, LIVE};

use super::Desk;
use crate::made;
use crate::timeline::Wish;

impl Desk {
    /// Something was done to the timeline.
    pub(super) fn gesture(&mut self, gesture: Gesture) {
        let Some(run) = self.runs.get(&self.shown) else { return };
        let end = self.end_of(run);
        let wishes = self.timeline.take(gesture, &run.record, end);
        self.grant(wishes);
    }

    pub(super) fn tool(&mut self, said: &str) {
        if let Some(run) = self.runs.get(&self.shown) {
            let end = self.end_of(run);
            if let Some(wishes) = self.timeline.tool(said, &run.record, end) {
                return self.grant(wishes);
            }
        }
        match said.split_once(' ').unwrap_or((said, "")) {
            ("trace", _) => self.trace(),
            ("past", _) => {
                let bytes = made::past(self.told_shown.as_ref());
                self.answer("past", bytes);
            }
            ("timings", _) => {
                let events = self.runs.get(&self.shown).map_or(0, |run| run.record.len());
                let bytes = self.runs.values().map(|run| run.chronicle.tape.bytes()).sum();
                let kept = self.runs.get(&self.shown).map(|run| made::Kept {
                    from_us: self.first_known(run).0,
                    let_go: self.let_go_of(run.id) > Instant(0),
                    bytes: self.bytes_of(run),
                    bytes_max: run.bytes_max(),
                    tape_bytes: run.chronicle.tape.bytes(),
                    timeline_bytes: run.record.bytes(),
                });
                let answer = made::timings(&self.took, events, bytes, kept.as_ref());
                self.took.clear();
                self.answer("timings", answer);
            }
            ("activity", node) => self.activity(node),
            ("state", node) => self.state(node),
            _ => {}
        }
    }

    pub(super) fn grant(&mut self, wishes: Vec<Wish>) {
        for wish in wishes {
            match wish {
                Wish::Look(at) => {
                    // What is not kept is shaded there: who drags into it comes to its end.
                    let first = self.runs.get(&self.shown).map(|run| self.first_known(run));
                    self.at = match (at, first) {
                        (Some(at), Some(first)) if self.not_kept(at).is_some() => Some(first),
                        _ => at,
                    };
                    self.stale = true;
                }
                Wish::Choose(subject) => self.choose(subject),
                Wish::ChooseNode(node) => self.out.push(FromLockstep::ChosenNode(node)),
                Wish::Tip(tip) => self.out.push(FromLockstep::Tip(tip)),
                Wish::NotFound(text) => self.speak(text),
            }
        }
    }

    /// Something on the timeline is chosen: told with its reasons, which are the nodes' own words.
    pub(super) fn choose(&mut self, subject: Option<Subject>) {
        let lines = subject.as_ref().map(|subject| {
            let mut lines = vec![subject.when()];
            lines.extend(subject.meaning());
            if let Some((node, at)) = subject.place() {
                lines.extend(self.reasons(node, at));
            }
            if let Subject::Mark(mark) = subject {
                let quorum = self.runs.get(&self.shown).map(|run| picture::quorum(&run.record, mark));
                let copies: Vec<String> = quorum
                    .into_iter()
                    .flatten()
                    .map(|copy| copy.id.from.to_string())
                    .collect();
                if !copies.is_empty() {
                    lines.push(format!("Its quorum: {} itself, and {}", mark.node, copies.join(", ")));
                }
            }
            if let Subject::Entry(index, _) = subject
                && let Some(run) = self.runs.get(&self.shown)
            {
                let life = picture::life(&run.record, *index);
                lines.extend(life.into_iter().map(|mark| {
                    let mark = Subject::Mark(mark);
                    format!("{}: {}", picture::seconds(mark.at()), mark.title())
                }));
            }
            (subject.title(), lines)
        });
        if let Some(Subject::Flight(flight)) = &subject {
            self.grabbed = Some((flight.to, flight.id));
        }
        self.timeline.scene.chosen = subject;
        self.timeline.stale = true;
        self.out.push(FromLockstep::Chosen(lines));
        self.stale = true;
    }

    /// What a node decided at an instant, in its own words, each with its place in the paper.
    pub(super) fn reasons(&self, node: NodeId, at: Instant) -> Vec<String> {
        const SHOWN_MAX: usize = 12;
        let Some(run) = self.run_at(self.shown, at) else {
            return Vec::new();
        };
        let happened = run.happened_at(at);
        let decided = happened.iter().filter_map(|happening| match &happening.what {
            What::Told {
                node: who,
                fact: Fact::Raft(event),
            } if *who == node && happening.at == at => Some(format!("{node}: {event} (Raft {})", event.paper())),
            _ => None,
        });
        decided.take(SHOWN_MAX).collect()
    }

    /// Whether the timeline is to be painted again.
    pub fn wants_paint(&self) -> bool {
        self.timeline.stale || (self.shown == LIVE && self.rate > 0.0 && self.at.is_none())
    }

    /// The size of the timeline, in pixels, and how many dots a pixel is.
    pub fn size(&self) -> (f64, f64, f64) {
        self.timeline.size
    }

    /// Paints the timeline.
    pub fn paint(&mut self, surface: &mut impl Surface) {
        let Some(run) = self.runs.get(&self.shown) else { return };
        let end = self.end_of(run);
        let width = self.timeline.size.0;
        let palette = self.timeline.palette.clone();
        picture::paint(surface, &palette, &run.record, &mut self.timeline.scene, width, end);
        self.timeline.stale = false;
    }

    pub(super) fn speak(&mut self, text: String) {
        let Some(run) = self.runs.get(&self.shown) else { return };
        let end = self.end_of(run);
        self.spoken_at = self.now;
        self.out.push(FromLockstep::Spoken {
            first: run.record.first(),
            last: end,
            at: self.at.unwrap_or(end),
            text,
        });
    }

    pub(super) fn speak_view(&mut self) {
        let Some(run) = self.runs.get(&self.shown) else { return };
        let text = self.timeline.scene.spoken(&run.record, self.end_of(run));
        self.speak(text);
    }

    /// A node's state, for a person to keep.
    pub(super) fn state(&mut self, node: &str) {
        let (Some((run, at)), Ok(node)) = (self.place(), node.parse().map(NodeId)) else {
            return;
        };
        let Some(knows) = self.run_at(run.id, at) else { return };
        let moment = knows.chronicle.tape.moment(at);
        let found = moment
            .nodes
            .into_iter()
            .find(|(id, _)| *id == node)
            .and_then(|(_, node)| node);
        let Some(bytes) = found.map(|node| made::state(&node, moment.at)) else {
            return;
        };
        self.out.push(FromLockstep::Made {
            name: format!("node-{}-state.json", node.0),
            mime: "application/json".to_owned(),
            bytes,
        });
    }

    /// Shows the nearest instant, after or before the one that is shown, at which anything happened to a node.
    pub(super) fn step(&mut self, later: bool) {
        let Some((run, at)) = self.place() else { return };
        // Before what a branch leaves, the run that it leaves knows.
        let asked = if later { at } else { Instant(at.0.saturating_sub(1)) };
        let Some(knows) = self.run_at(run.id, asked) else {
            return;
        };
        // Behind all that happened there, the run itself goes on.
        let goes_on = run.leaves.map(|(_, left)| left).filter(|left| later && at < *left);
        if let Some(next) = knows.chronicle.tape.neighbour(at, later).or(goes_on) {
            self.look(Some(next.min(run.end())));
        }
    }
}
