//! What a step takes back, said before it is taken.

use std::collections::{BTreeMap, BTreeSet};

use ftqueue::{Command, Operation, Sequence, SessionId};
use raft_core::{Instant, Payload};
use trace::Asked;
use trace::lockstep::RunId;

use super::Desk;

impl Desk {
    /// A person wants the Workers to go on from the instant that is shown: says what that will do.
    pub(super) fn ask_go_live(&mut self) {
        let Some((run, at)) = self.place() else { return };
        let seconds = at.0 as f64 / 1e6;
        let text = if run.is_own {
            let since = self.parting(run.id, at);
            let stay = self.writes_in_logs(run.id, at);
            let count = self.written_since(since, |write| stay.contains(&write));
            format!(
                "What came after {seconds:.3} s is taken back on all nodes, running or not: {}.",
                taken_back(count)
            )
        } else {
            format!(
                "A cluster of {} begins beside your own from {seconds:.3} s of {}. Your own stays as it is, and the page can go back to it.",
                run.chronicle.tape.members().count(),
                run.name
            )
        };
        self.ask("go-live now", text);
    }

    /// A person wants to undo the last step: says what that takes back, if it takes anything.
    pub(super) fn ask_undo(&mut self) {
        let count = self.written_since(Instant(0), |_| false);
        if count == 0 {
            return self.undo();
        }
        let text = format!(
            "What was taken back stands again, and what came since is dropped: {}.",
            taken_back(count)
        );
        self.ask("undo now", text);
    }

    /// How many writes of the live run were acknowledged later than that, but for those that stay.
    fn written_since(&self, at: Instant, stays: impl Fn((SessionId, Sequence)) -> bool) -> usize {
        let mut under_way: BTreeMap<u16, Option<(SessionId, Sequence)>> = BTreeMap::new();
        let mut count = 0;
        for (when, client, asked) in &self.asked {
            match asked {
                Asked::Invoked(Operation::Write(_)) => drop(under_way.insert(*client, None)),
                Asked::Sent(session, sequence) => {
                    if let Some(sent) = under_way.get_mut(client) {
                        *sent = Some((*session, *sequence));
                    }
                }
                Asked::Returned(Ok(_)) => {
                    let write = under_way.remove(client).filter(|_| *when > at);
                    count += usize::from(write.is_some_and(|sent| !sent.is_some_and(&stays)));
                }
                _ => drop(under_way.remove(client)),
            }
        }
        count
    }

    /// The writes that stand in a member's log at an instant of a run: they may stay, though they were acknowledged later.
    fn writes_in_logs(&self, run: RunId, at: Instant) -> BTreeSet<(SessionId, Sequence)> {
        let Some(knows) = self.run_at(run, at) else {
            return BTreeSet::new();
        };
        let members = knows.chronicle.tape.moment(at).nodes.into_iter();
        let members = members.filter_map(|(id, node)| node.or_else(|| self.member_at(run, id, at)));
        let mut writes = BTreeSet::new();
        for node in members {
            writes.extend(node.view().log.iter().filter_map(|entry| match &entry.payload {
                Payload::Command(Command::Write { session, sequence, .. }) => Some((*session, *sequence)),
                _ => None,
            }));
        }
        writes
    }
}

/// What is lost, in words.
fn taken_back(writes: usize) -> String {
    match writes {
        0 => "nothing that was acknowledged is lost".to_owned(),
        1 => "1 operation acknowledged since is taken back with it".to_owned(),
        count => format!("{count} operations acknowledged since are taken back with it"),
    }
}
