//! What is shown: an instant of a run, the panel above the timeline, the verdict, a comparison.

use cluster::host::Arriving;
use raft_core::{Instant, NodeId};
use trace::Act;
use trace::lockstep::{FromLockstep, LIVE, RunId, Shown, ShownNode};

use super::Desk;
use crate::panel::{Clusters, Comparison, Panel, RunInfo, Verdict};
use crate::run::Run;
use crate::timeline::Timeline;
use crate::view;

impl Desk {
    pub(super) fn tell_tools(&mut self) {
        let Some(run) = self.runs.get(&self.shown) else { return };
        let tools = self.timeline.tools(&run.record);
        let height = Timeline::height(run.record.members());
        if tools != self.tools {
            self.tools.clone_from(&tools);
            self.out.push(FromLockstep::Layout { height, tools });
        }
    }

    pub(super) fn tell_panel(&mut self, now: Instant) {
        let beside = self.runs.len().saturating_sub(1) as u32;
        if std::mem::replace(&mut self.told_beside, beside) != beside {
            self.out.push(FromLockstep::Holds { runs: beside });
        }
        let runs: Vec<RunInfo> = self.runs.values().map(|run| self.info(run)).collect();
        let verdict = self.verdict(now);
        let on_the_way = self.on_the_way();
        let changed = self.changed();
        // The very instant of which the page was told.
        let at = self.told_shown.as_ref().map(|shown| (shown.at, shown.note.clone()));
        let question = self.back.question.as_ref();
        let deleted = self.deleted_last();
        let panel = Panel {
            clusters: Clusters {
                beside: self.is_beside(),
                all: &self.back.clusters,
            },
            question: question.map(|question| (question.yes.as_str(), question.text.as_str())),
            undoes: self.back.standing.previous.is_some(),
            deleted: deleted.as_deref(),
            opening: self.opening(),
            making: self.being_made(),
            runs: &runs,
            at,
            verdict: &verdict,
            comparison: self.comparison.as_ref(),
            on_the_way: &on_the_way,
            grabbed: self.grabbed.map(|(_, message)| message),
            changed: &changed,
            members: self.runs.get(&self.shown).map_or(&[], |run| run.record.members()),
        };
        let html = panel.html();
        if html != self.panel {
            self.panel.clone_from(&html);
            self.out.push(FromLockstep::Panel(html));
        }
    }

    /// The messages on their way at the instant that is shown; of the present, while time stands, for else nobody could grab one.
    pub(super) fn on_the_way(&self) -> Vec<(NodeId, Arriving)> {
        let mut shown: Vec<(NodeId, Arriving)> = match &self.told_shown {
            Some(shown) => {
                let nodes = shown.nodes.iter();
                nodes
                    .flat_map(|node| node.arriving.iter().map(|arriving| (node.id, *arriving)))
                    .collect()
            }
            None if self.rate == 0.0 => {
                let Some(live) = self.runs.get(&LIVE) else {
                    return Vec::new();
                };
                let nodes = self.members.iter().filter_map(|id| live.chronicle.tape.node(*id));
                nodes
                    .flat_map(|node| node.arriving().map(|arriving| (node.view().id, arriving)))
                    .collect()
            }
            None => Vec::new(),
        };
        // What says something comes first.
        shown.sort_by_key(|(_, arriving)| (arriving.summary.label().is_empty(), arriving.sent));
        shown
    }

    /// What has changed since the instant that was shown before.
    pub(super) fn changed(&self) -> Vec<String> {
        const TOLD_MAX: usize = 8;
        let Some(shown) = &self.told_shown else {
            return Vec::new();
        };
        let changes = shown
            .nodes
            .iter()
            .flat_map(|node| node.changed.iter().map(move |text| (node.id, text)));
        changes
            .take(TOLD_MAX)
            .map(|(node, text)| format!("{node} {text}"))
            .collect()
    }

    pub(super) fn verdict(&self, now: Instant) -> Verdict {
        let Some(run) = self.runs.get(&self.shown) else {
            return Verdict::default();
        };
        if let Some(judged) = &run.judged_elsewhere {
            let nodes = run
                .chronicle
                .tape
                .members()
                .filter_map(|id| run.chronicle.tape.node(id));
            return Verdict {
                unjudged: judged.unjudged.clone(),
                violations: judged.violations.clone(),
                judged: judged.calls,
                upto: judged.upto,
                calls_unjudged: judged.calls_unjudged.clone(),
                committed: nodes.map(|node| node.view().commit_index.0).max().unwrap_or_default(),
                behind_us: 0,
            };
        }
        let judgement = run.chronicle.judgement();
        let violations: Vec<(Instant, String)> = judgement
            .violations
            .iter()
            .map(|violation| (violation.at, violation.to_string()))
            .collect();
        Verdict {
            unjudged: judgement.unjudged,
            calls_unjudged: judgement.calls_unjudged.or_else(|| run.lacks_calls()),
            upto: judgement.judged_upto,
            violations,
            judged: judgement.judged,
            committed: judgement.committed.0,
            // Before anything was told of a live run, there is nothing to be behind.
            behind_us: if run.id == LIVE && run.chronicle.has_opened() {
                now.since(run.chronicle.tape.reached()).0
            } else {
                0
            },
        }
    }

    pub(super) fn info(&self, run: &Run) -> RunInfo {
        let acts = run.branch.as_ref().map(|branch| {
            let said = |(at, act): &(Instant, Act)| format!("{at}: {act}");
            branch.acts.iter().map(said).collect()
        });
        RunInfo {
            id: run.id,
            name: run.name.clone(),
            leaves: run.leaves,
            acts: acts.unwrap_or_default(),
            first: self.first_known(run),
            end: run.end(),
            has_let_go: self.let_go_of(run.id) > Instant(0),
            bytes: self.bytes_of(run) as u64,
            bytes_max: run.bytes_max() as u64,
            notes: run.notes.iter().map(|(at, note)| (*at, note.clone())).collect(),
            shown: run.id == self.shown,
        }
    }

    pub(super) fn tell_shown(&mut self) {
        let end = self.runs.get(&self.shown).map_or(Instant(0), |run| self.end_of(run));
        if self.shown == LIVE && self.at.is_none() {
            self.timeline.show(None, end);
            (self.before, self.comparison, self.told_shown) = (None, None, None);
            self.out.push(FromLockstep::Shown(None));
            return;
        }
        let Some((run, at)) = self.place() else { return };
        let (id, name, end) = (run.id, run.name.clone(), run.end());
        let note = run.notes.get(&at).cloned().unwrap_or_default();
        let of_run = self.end_of(run);
        self.timeline.show(Some(at), of_run);
        let Some(run) = self.runs.get(&id) else { return };
        let _ = run;
        let Some(knows) = self.run_at(id, at) else { return };
        let moment = knows.chronicle.tape.moment(at);
        let before = self.before.as_ref().filter(|(of, _)| *of == id);
        let nodes = view::nodes(&moment, before.map(|(_, nodes)| nodes.as_slice()));
        // An instant of which more comes is shown again: it is not the one before.
        if !self.is_coming() {
            self.before = Some((id, nodes.clone()));
        }
        self.comparison = self.compared.and_then(|other| self.comparison(other, at, &nodes));
        let shown = Shown {
            run: id,
            name,
            at: moment.at,
            end,
            nodes,
            hash: moment.hash(),
            note,
        };
        self.told_shown = Some(shown.clone());
        self.out.push(FromLockstep::Shown(Some(Box::new(shown))));
    }

    pub(super) fn comparison(&self, other: RunId, at: Instant, nodes: &[ShownNode]) -> Option<Comparison> {
        // Nothing is held against an instant that was let go.
        let run = self.run_at(other, at).filter(|run| run.first() <= at)?;
        let moment = run.chronicle.tape.moment(at.min(run.end()));
        let others = view::nodes(&moment, None);
        let rows = nodes.iter().flat_map(|here| {
            let there = others.iter().find(|there| there.id == here.id);
            let differ = there.map(|there| view::differences(here, there));
            let rows = differ.unwrap_or_else(|| vec![view::only_one_has("is a member", "is none")]);
            rows.into_iter()
                .map(|(what, here_is, there_is)| (here.id, what, here_is, there_is))
        });
        let only_there = others
            .iter()
            .filter(|there| nodes.iter().all(|here| here.id != there.id));
        let rows = rows.chain(only_there.map(|there| {
            let (what, here_is, there_is) = view::only_one_has("is none", "is a member");
            (there.id, what, here_is, there_is)
        }));
        Some(Comparison {
            run: other,
            name: self.runs.get(&other)?.name.clone(),
            at,
            rows: rows.collect(),
        })
    }
}
