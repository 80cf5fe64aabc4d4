//! What a step takes back, said before it is taken.

use std::collections::BTreeMap;
use std::fmt;

use cluster::node::Node;
use ftqueue::{Command, Operation, Sequence, SessionId};
use raft_core::{Instant, Payload};
use trace::Asked;
use trace::lockstep::{LIVE, RunId};

use super::Desk;

impl Desk {
    /// A person wants the Workers to go on from the instant that is shown: says what that will do.
    pub(super) fn ask_go_live(&mut self) {
        let Some((run, at)) = self.place() else { return };
        let seconds = at.0 as f64 / 1e6;
        let text = if run.is_own {
            let since = self.parting(run.id, at);
            let logs = self.writes_in_logs(run.id, at);
            let lost = self.written_since(since, |write| logs.get(&write).copied());
            format!("What came after {seconds:.3} s is taken back on all nodes, running or not: {lost}.")
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
        let stepped = self.runs.get(&LIVE).and_then(|live| live.leaves);
        let lost = self.written_since(stepped.map_or(Instant(0), |(_, at)| at), |_| None);
        if lost == Lost::default() {
            return self.undo();
        }
        self.ask(
            "undo now",
            format!("What was taken back stands again, and what came since is dropped: {lost}."),
        );
    }

    /// Clients were answered while a person is asked: what they are told of that is true still.
    pub(super) fn ask_again(&mut self) {
        match self.back.question.as_ref().map(|question| question.yes.as_str()) {
            Some("go-live now") => self.ask_go_live(),
            Some("undo now") => self.ask_undo(),
            _ => {}
        }
    }

    /// What becomes of the writes of the live run that were acknowledged later than that. `found` says of one that stands in a log whether it
    /// is committed there.
    fn written_since(&self, at: Instant, found: impl Fn((SessionId, Sequence)) -> Option<bool>) -> Lost {
        let mut under_way: BTreeMap<u16, Option<(SessionId, Sequence)>> = BTreeMap::new();
        let mut lost = Lost::default();
        for (when, (client, asked)) in self.asked.iter() {
            match asked {
                Asked::Invoked(Operation::Write(_)) => drop(under_way.insert(client, None)),
                Asked::Sent(session, sequence) => {
                    if let Some(sent) = under_way.get_mut(&client) {
                        *sent = Some((session, sequence));
                    }
                }
                Asked::Returned(Ok(_)) => {
                    let Some(sent) = under_way.remove(&client).filter(|_| when > at) else {
                        continue;
                    };
                    match sent.and_then(&found) {
                        None => lost.surely += 1,
                        Some(false) => lost.maybe += 1,
                        Some(true) => {}
                    }
                }
                _ => drop(under_way.remove(&client)),
            }
        }
        lost
    }

    /// The writes that stand in a member's log at an instant of a run, and whether it is known there that they are committed.
    fn writes_in_logs(&self, run: RunId, at: Instant) -> BTreeMap<(SessionId, Sequence), bool> {
        let mut writes = BTreeMap::new();
        let Some(knows) = self.run_at(run, at) else {
            return writes;
        };
        let nodes = knows.chronicle.tape.moment(at).nodes.into_iter();
        let members: Vec<Node> = nodes
            .filter_map(|(id, node)| node.or_else(|| self.member_at(run, id, at)))
            .collect();
        for view in members.iter().map(Node::view) {
            for (entry, index) in view.log.iter().zip(view.snapshot_index().0 + 1..) {
                if let Payload::Command(Command::Write { session, sequence, .. }) = &entry.payload {
                    *writes.entry((*session, *sequence)).or_insert(false) |= index <= view.commit_index.0;
                }
            }
        }
        writes
    }
}

/// How many acknowledged writes a step takes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Lost {
    surely: usize,
    /// They stand in a log, and are not known there to be committed: Raft may let them stand, or not.
    maybe: usize,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Lost { surely, maybe } = *self;
        match surely {
            0 if maybe == 0 => return f.write_str("nothing that was acknowledged is lost"),
            0 => {}
            1 => f.write_str("1 operation acknowledged since is taken back with it")?,
            count => write!(f, "{count} operations acknowledged since are taken back with it")?,
        }
        if surely > 0 && maybe > 0 {
            f.write_str("; ")?;
        }
        match maybe {
            0 => Ok(()),
            1 => f.write_str("1 operation acknowledged since was under way then, and may be lost"),
            count => write!(
                f,
                "{count} operations acknowledged since were under way then, and may be lost"
            ),
        }
    }
}
