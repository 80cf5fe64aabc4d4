//! How much is kept, and what is let go for it.

use std::collections::BTreeMap;

use raft_core::Instant;
use trace::Asked;
use trace::lockstep::{LIVE, RunId};

use super::Desk;
use crate::run::Run;

/// How many faults are written down for who keeps the live run.
const FAULTS_MAX: usize = 10_000;

impl Desk {
    /// Lets the oldest go where more is kept than may be: of the live run, and of all others together, each of which may keep as much as any other.
    pub(super) fn bound(&mut self) {
        let others = self.runs.len().saturating_sub(1).max(1);
        let elsewhere = self.asked.bytes();
        for run in self.runs.values_mut() {
            if run.id == LIVE {
                run.bound(elsewhere);
            } else if run.bytes_max() > self.bytes_max / others {
                run.limit(self.bytes_max / others);
            }
        }
        let live = self.runs.get(&LIVE);
        let kept_from = live.map_or(Instant(0), |live| live.chronicle.tape.kept_from());
        if std::mem::replace(&mut self.let_go_before, kept_from) < kept_from {
            self.asked.forget_before(kept_from, under_way);
            let past = self.faults.partition_point(|(at, ..)| *at < kept_from);
            self.faults = lasting(std::mem::take(&mut self.faults), past);
            self.panel_stale = true;
        }
        if self.faults.len() > FAULTS_MAX {
            let past = self.faults.len() / 2;
            self.faults = lasting(std::mem::take(&mut self.faults), past);
        }
        self.hold_on();
    }

    /// How much is kept of a run, in bytes.
    pub(super) fn bytes_of(&self, run: &Run) -> usize {
        run.bytes() + if run.id == LIVE { self.asked.bytes() } else { 0 }
    }

    /// Where the instant that is shown was let go, shows the first that is kept, and says so.
    fn hold_on(&mut self) {
        let Some(at) = self.at else { return };
        if self.not_kept(at).is_some() {
            let first = self.runs.get(&self.shown).map(|run| self.first_known(run));
            self.look(first);
            // In the same words each time: who stays at the beginning is told once.
            self.say(
                "The instant that was shown is not kept any more: the first that is kept is shown in its place."
                    .to_owned(),
            );
        }
    }

    /// Why an instant of the run that is shown cannot be: it was let go.
    pub(super) fn not_kept(&self, at: Instant) -> Option<String> {
        let run = self.runs.get(&self.shown)?;
        let first = self.first_known(run);
        // A run that begins later, for it was opened so, has let nothing go.
        let has_let_go = self.let_go_of(run.id) > Instant(0);
        (at < first && has_let_go).then(|| {
            let (at, first) = (at.0 as f64 / 1e6, first.0 as f64 / 1e6);
            format!(
                "{at:.3} s is not kept any more: what was before {first:.3} s was let go, to keep within the limit of memory. \
                 The first instant that can be shown is {first:.3} s."
            )
        })
    }

    /// From when on a run, with those it goes on from, is kept; 0, if nothing of them was let go.
    pub(super) fn let_go_of(&self, run: RunId) -> Instant {
        let Some(run) = self.runs.get(&run) else {
            return Instant(0);
        };
        match run.leaves.filter(|(_, left)| run.first() <= *left) {
            Some((parent, left)) => self.let_go_of(parent).min(left),
            None => run.first(),
        }
    }
}

/// What a client did, and when.
type Deed = (Instant, (u16, Asked));

/// Of what clients did, the calls that are under way at its end.
fn under_way(gone: Vec<Deed>) -> Vec<Deed> {
    let mut open: BTreeMap<u16, Vec<Deed>> = BTreeMap::new();
    for (at, (client, asked)) in gone {
        match asked {
            Asked::Invoked(_) => drop(open.insert(client, vec![(at, (client, asked))])),
            Asked::Sent(..) => {
                // Of one that was sent again, the last name counts.
                if let Some(call) = open.get_mut(&client) {
                    call.truncate(1);
                    call.push((at, (client, asked)));
                }
            }
            Asked::Returned(_) | Asked::Cancelled | Asked::GaveUp => drop(open.remove(&client)),
        }
    }
    let mut open: Vec<_> = open.into_values().flatten().collect();
    open.sort_by_key(|(at, _)| *at);
    open
}

type Fault = (Instant, String, Option<String>);

/// What of the first faults lasts, and all that came later.
fn lasting(faults: Vec<Fault>, past: usize) -> Vec<Fault> {
    let mut last: BTreeMap<String, usize> = BTreeMap::new();
    for (place, (_, key, _)) in faults.iter().enumerate().take(past) {
        last.insert(key.clone(), place);
    }
    let stays =
        |place: usize, (_, key, text): &Fault| place >= past || (text.is_some() && last.get(key) == Some(&place));
    let numbered = faults.into_iter().enumerate();
    numbered
        .filter(|(place, fault)| stays(*place, fault))
        .map(|(_, fault)| fault)
        .collect()
}

#[cfg(test)]
mod tests {
    use ftqueue::{Answer, Sequence, SessionId};

    use super::*;

    #[test]
    fn a_call_that_is_under_way_stays() {
        let asked = |text: &str| Asked::Invoked(text.parse().unwrap());
        let sent = |sequence| Asked::Sent(SessionId { index: 1, nonce: 2 }, Sequence(sequence));
        let done = Asked::Returned(Ok(Answer::Pushed));
        let gone = vec![
            (Instant(1), (1, asked("push 1 1"))),
            (Instant(2), (2, asked("push 1 2"))),
            (Instant(3), (1, sent(1))),
            (Instant(4), (2, sent(1))),
            (Instant(5), (1, done)),
            (Instant(6), (2, sent(7))),
            (Instant(7), (3, done)),
        ];
        let stays = vec![gone[1], gone[5]];
        assert_eq!(under_way(gone), stays);
    }

    #[test]
    fn a_fault_that_lasts_stays() {
        let fault = |at, key: &str, text: Option<&str>| (Instant(at), key.to_owned(), text.map(str::to_owned));
        let faults = vec![
            fault(1, "a", Some("cut")),
            fault(2, "b", Some("slow")),
            fault(3, "a", None),
            fault(4, "c", Some("late")),
        ];
        let stay = vec![faults[1].clone(), faults[3].clone()];
        assert_eq!(lasting(faults, 3), stay);
    }
}
