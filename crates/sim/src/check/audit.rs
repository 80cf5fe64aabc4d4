//! What clients did, judged part by part: a long run needs no more memory for it than a short one.
//!
//! What is told of clients and what is told of the log come by different ways, and either may lag. A call that the log does not explain yet is
//! no fault: it waits until the log is known to have reached it. Only then is it decided, from the calls alone.

use std::collections::{BTreeMap, BTreeSet};

use ftqueue::{Answer, Command, FtQueue, Operation, QueueId, Write};
use raft_core::{Duration, Instant, LogIndex};

use super::accounting::Applied;
use super::explain::Explained;
use super::linearizability::judge_after;
use super::monitor::{ALWAYS, Before, Kind, NEVER, Op};
use super::{Accounts, Call, History, Items, Property, Verdict, Violation};

/// How many calls are kept before they are judged in the middle of a run. A run with fewer is judged whole.
const CALLS_MAX: usize = 32 * 1024;
/// How many calls may wait for what explains them. Beyond it the rest of the run is not judged.
const WAITING_MAX: usize = 8 * CALLS_MAX;
/// How many writes of the log are kept that no call has claimed: their callers may not have been heard of yet.
const UNCLAIMED_MAX: u64 = 64 * 1024;
/// How many pushes and pops that were given up are kept in mind; they may still happen.
const GIVEN_UP_MAX: usize = 10_000;

/// All that is known of what clients asked and were answered, and of what was committed for it.
#[derive(Clone, Debug)]
pub struct Audit {
    /// What clients do.
    pub history: History,
    accounts: Accounts,
    applied: LogIndex,
    /// How far the log explains what clients were answered.
    explained: Explained,
    /// What had been applied before anybody looked.
    began: LogIndex,
    past: Past,
    items: Items,
    /// How many calls there may be before they are judged again: more, where calls could not be settled.
    calls_max: usize,
    /// How many calls were judged and let go.
    settled: u64,
    /// When the last of these was over, and the last place in the log of a write that was let go though no call had claimed it.
    let_go: (Instant, LogIndex),
    judged: Judged,
    /// What was decided without the log, and of how many calls: it is asked again when there are many more.
    decided: Option<(usize, Judged)>,
    gave_up: Option<String>,
    keeps_all: bool,
}

/// What was judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// How many calls that had returned.
    pub calls: u64,
    /// The last of them returned then.
    pub upto: Instant,
    /// Why what came after was not, if it should have been.
    pub unjudged: Option<String>,
}

/// What is left of calls that were let go.
#[derive(Clone, Debug, Default)]
struct Past {
    /// Pushes of items that no call that was let go took out.
    pushes: BTreeMap<(QueueId, i64), Op>,
    /// Pops of items whose pushes are still waited for.
    early: BTreeMap<(QueueId, i64), Op>,
    /// Pops that were given up, and may happen yet.
    pops: Vec<(QueueId, Op)>,
    queues: u64,
    labels: BTreeMap<ftqueue::Label, QueueId>,
    since: u64,
    /// What is not known of it.
    has_gaps: bool,
}

impl Default for Audit {
    fn default() -> Audit {
        Audit {
            history: History::default(),
            accounts: Accounts::default(),
            applied: LogIndex::ZERO,
            explained: Explained::default(),
            began: LogIndex::ZERO,
            past: Past::default(),
            items: Items::default(),
            calls_max: CALLS_MAX,
            settled: 0,
            let_go: (Instant(0), LogIndex::ZERO),
            judged: Judged::default(),
            decided: None,
            gave_up: None,
            keeps_all: false,
        }
    }
}

impl Audit {
    /// Of a run whose clients' deeds are kept until they are taken.
    pub fn watched() -> Audit {
        Audit {
            history: History::watched(),
            ..Audit::default()
        }
    }

    /// Goes on from the queues and sessions as a machine has them, all commands up to `index` applied.
    pub fn found(&mut self, index: LogIndex, queues: &FtQueue) {
        self.accounts = Accounts::found(queues);
        (self.applied, self.began) = (index, index);
        self.explained = Explained::after(index);
        let mut past = Past {
            labels: self.accounts.labels().collect(),
            ..Past::default()
        };
        for (queue, qid) in self.accounts.items().zip((1..).map(QueueId)) {
            past.queues = qid.0;
            // One after the other, long before anything else.
            for (item, at) in queue.zip(ALWAYS + 1..) {
                past.push(qid, *item, at, at);
            }
        }
        self.past = past;
    }

    /// Goes on from an instant of before, at which the members had applied so much: what was asked and answered up to then stands, and is
    /// judged with what comes. Says whether it can: not, where what followed was judged and let go long ago.
    ///
    /// # Errors
    /// The members held something else than the log comes to.
    pub fn back_to(&mut self, at: Instant, index: LogIndex, queues: &FtQueue) -> Result<bool, Violation> {
        if self.gave_up.is_some() || self.applied < index || self.let_go.0 > at || self.let_go.1 > index {
            return Ok(false);
        }
        let surely = Instant(at.0.saturating_sub(CLOCKS_DIFFER.0));
        let applied = |call: &Call| Some(self.accounts.answers.get(&call.key?)?.index);
        self.history.back_to(at, |call, returned| match applied(call) {
            // Its answer may carry an earlier time than the node's that gave it.
            Some(applied) => applied <= index && returned.at <= at,
            None => returned.at <= surely,
        });
        self.accounts
            .back_to(index, queues)
            .map_err(|detail| violated(Property::AppliedOnce, at, detail))?;
        (self.applied, self.keeps_all, self.decided) = (index, false, None);
        self.explained.back_to(self.history.calls(), &self.accounts, at, index);
        self.judged = Judged {
            calls: self.settled + self.explained.calls as u64,
            upto: self.judged.upto.min(at),
            unjudged: None,
        };
        Ok(true)
    }

    /// Nobody waits for an answer any more: another epoch begins.
    pub(crate) fn all_give_up(&mut self) {
        self.history.all_give_up();
    }

    /// Judges all calls of a history that somebody else keeps, from here on: nothing is let go.
    pub fn set_history(&mut self, history: &History) {
        self.keeps_all = true;
        self.history = history.clone();
        self.explained = Explained::after(self.began);
    }

    /// A command was committed at this place.
    pub fn committed(&mut self, index: LogIndex, command: &Command) {
        self.accounts.apply(index, command);
        self.applied = index;
    }

    /// Judges what there is, if it is much, and lets go of it. Everything up to `covered` is known: of what was asked, and of the log.
    ///
    /// # Errors
    /// What clients were answered cannot be explained.
    pub fn settle(&mut self, at: Instant, covered: Instant) -> Result<(), Violation> {
        if self.history.calls().len() < self.calls_max {
            return Ok(());
        }
        self.judge(at, covered)?;
        self.let_go()
            .map_err(|detail| violated(Property::ItemsAccounted, at, detail))
    }

    /// Lets go of what was explained.
    fn let_go(&mut self) -> Result<(), String> {
        if self.keeps_all || self.gave_up.is_some() {
            return Ok(());
        }
        let calls = self.history.calls_mut();
        self.explained.go_on(calls, &self.accounts);
        let end = self.explained.end();
        let is_over = |call: &mut Call| match call.returned {
            Some(returned) => returned.order < end,
            None => call.given_up && call.invoked < end,
        };
        let over: Vec<Call> = calls.extract_if(.., is_over).collect();
        self.settled += over.iter().filter(|call| call.returned.is_some()).count() as u64;
        self.calls_max = calls.len() + CALLS_MAX;
        let low = calls.iter().filter_map(|call| call.not_before).min();
        let done = self.explained.done;
        self.past.take(&over, &self.accounts);
        (self.past.queues, self.past.labels) = (self.accounts.items().count() as u64, self.accounts.labels().collect());
        let gone: BTreeSet<_> = over.iter().filter_map(|call| call.key).collect();
        let claimed: BTreeSet<_> = calls.iter().filter_map(|call| call.key).collect();
        let oldest = LogIndex(self.applied.0.saturating_sub(UNCLAIMED_MAX));
        let low = low.unwrap_or(done).min(done);
        let mut unclaimed = Vec::new();
        self.accounts.forget(low, |key, applied| {
            let is_needed = claimed.contains(key) || (applied.index > oldest && !gone.contains(key));
            if !is_needed && !gone.contains(key) {
                unclaimed.push(*applied);
            }
            is_needed
        });
        let ends = over
            .iter()
            .map(|call| call.returned.map_or(call.at, |returned| returned.at));
        let indexes = unclaimed.iter().map(|applied| applied.index);
        self.let_go = (
            ends.fold(self.let_go.0, Instant::max),
            indexes.fold(self.let_go.1, LogIndex::max),
        );
        self.past.take_unclaimed(unclaimed);
        self.explained.let_go(&over, &self.accounts);
        self.decided = None;
        self.items.settle(&over)
    }

    /// What each queue holds, by rising id, as a plain queue would.
    pub fn queues(&self) -> impl Iterator<Item = impl Iterator<Item = &i64>> {
        self.accounts.items()
    }

    /// What was judged.
    pub fn judged(&self) -> &Judged {
        &self.judged
    }

    /// Whether what clients were answered can be explained. Everything up to `covered` is known: of what was asked, and of the log. What
    /// is not judged is said by [`Audit::judged`].
    ///
    /// # Errors
    /// It cannot, and these calls prove it.
    pub fn judge(&mut self, at: Instant, covered: Instant) -> Result<(), Violation> {
        if self.gave_up.is_some() {
            let waits = |call: &Call| call.returned.is_none() && !call.given_up;
            self.history.calls_mut().retain(waits);
            return Ok(());
        }
        self.explained.go_on(self.history.calls_mut(), &self.accounts);
        let upto = self.explained.upto.max(self.judged.upto);
        self.judged = Judged {
            calls: self.settled + self.explained.calls as u64,
            upto,
            unjudged: None,
        };
        match self.explained.stuck {
            Some((_, when)) if when <= covered => self.decide(covered, at)?,
            _ => {}
        }
        if self.history.calls().len() > WAITING_MAX {
            let why = format!("the log does not explain what was answered after {upto}");
            self.gave_up = Some(why.clone());
            self.judged.unjudged = Some(why);
        }
        Ok(())
    }

    /// Decides without the log about what had returned by `covered`; not again, before there is much more to decide.
    fn decide(&mut self, covered: Instant, at: Instant) -> Result<(), Violation> {
        let known = |call: &&Call| call.at <= covered;
        let calls: Vec<Call> = self
            .history
            .calls()
            .iter()
            .filter(known)
            .map(|call| Call {
                returned: call.returned.filter(|returned| returned.at <= covered),
                ..call.clone()
            })
            .collect();
        let returns = || calls.iter().filter_map(|call| call.returned);
        let returned = returns().count();
        if let Some((upto, judged)) = &self.decided
            && returned - (*upto).min(returned) <= upto / 8
            && self.explained.calls <= *upto
        {
            self.judged = judged.clone();
            return Ok(());
        }
        match judge_after(&calls, &self.before(&calls)) {
            Verdict::Linearizable => {
                self.judged.calls = self.settled + returned as u64;
                let upto = returns().map(|returned| returned.at).max();
                self.judged.upto = upto.unwrap_or(self.judged.upto);
            }
            Verdict::Not(window) => {
                return Err(Violation {
                    since: Some(window.from),
                    ..violated(Property::Linearizable, at, window.to_string())
                });
            }
            Verdict::Unknown(why) => self.judged.unjudged = Some(why),
        }
        self.decided = Some((returned, self.judged.clone()));
        Ok(())
    }

    /// What was before the calls, and writes of which only the log tells.
    fn before(&self, calls: &[Call]) -> Before {
        let kept = self.past.pushes.iter().chain(&self.past.early);
        let mut ops: Vec<(QueueId, Op)> = kept.map(|((qid, _), op)| (*qid, *op)).collect();
        ops.extend(self.past.pops.iter().copied());
        let claimed: BTreeSet<_> = calls.iter().filter_map(|call| call.key).collect();
        let mut whole = !self.past.has_gaps;
        for (key, applied) in &self.accounts.answers {
            let op = |kind: Kind| Op {
                from: ALWAYS,
                to: NEVER,
                kind,
                call: None,
            };
            match applied.write {
                _ if claimed.contains(key) || applied.answer.is_err() => {}
                Write::Push { qid, item } => ops.push((qid, op(Kind::Push(item)))),
                Write::Pop { qid } => ops.push((qid, op(Kind::Pop(None)))),
                Write::CreateQueue { .. } => whole = false,
            }
        }
        Before {
            ops,
            queues: self.past.queues,
            labels: self.past.labels.clone(),
            since: self.past.since,
            whole,
        }
    }

    /// Accounts for every item, when all queues are drained.
    ///
    /// # Errors
    /// An item is missing, or came out more often than it was pushed.
    pub fn account(&mut self, at: Instant) -> Result<(), Violation> {
        self.items
            .settle(self.history.calls())
            .and_then(|()| self.items.account())
            .map_err(|detail| violated(Property::ItemsAccounted, at, detail))
    }
}

impl Past {
    fn push(&mut self, qid: QueueId, item: i64, from: i64, to: i64) {
        if self.early.remove(&(qid, item)).is_some() {
            return;
        }
        let op = Op {
            from,
            to,
            kind: Kind::Push(item),
            call: None,
        };
        // Of items that are not distinct it is not known which is which.
        self.has_gaps |= self.pushes.insert((qid, item), op).is_some();
    }

    fn pop(&mut self, qid: QueueId, item: i64, from: i64, to: i64) {
        if self.pushes.remove(&(qid, item)).is_none() {
            let op = Op {
                from,
                to,
                kind: Kind::Pop(Some(item)),
                call: None,
            };
            self.has_gaps |= self.early.insert((qid, item), op).is_some();
        }
    }

    /// Keeps what later calls may follow from.
    fn take(&mut self, over: &[Call], accounts: &Accounts) {
        let returned = |call: &Call| call.returned.map_or(NEVER, |returned| returned.order as i64);
        for call in over {
            if let Operation::Write(Write::Push { qid, item }) = call.operation
                && call.returned.is_none_or(|returned| returned.result.is_ok())
            {
                self.push(qid, item, call.invoked as i64, returned(call));
            }
            self.since = self
                .since
                .max(call.returned.map_or(call.invoked, |returned| returned.order));
        }
        for call in over {
            let Operation::Write(Write::Pop { qid }) = call.operation else {
                continue;
            };
            let from = call.invoked as i64;
            let applied = || Some(accounts.answers.get(&call.key?)?.answer);
            match call.returned.map(|returned| returned.result).or_else(applied) {
                Some(Ok(Answer::Item(item))) => self.pop(qid, item, from, returned(call)),
                Some(_) => {}
                None if self.pops.len() < GIVEN_UP_MAX => {
                    let op = Op {
                        from,
                        to: NEVER,
                        kind: Kind::Pop(None),
                        call: None,
                    };
                    self.pops.push((qid, op));
                }
                None => self.has_gaps = true,
            }
        }
    }

    /// Keeps what is known of writes that nobody claimed for long: of before the run, or of calls that were given up.
    fn take_unclaimed(&mut self, mut unclaimed: Vec<Applied>) {
        unclaimed.sort_unstable_by_key(|applied| applied.index);
        for applied in unclaimed {
            match (applied.write, applied.answer) {
                (Write::Push { qid, item }, Ok(_)) if !self.pushes.contains_key(&(qid, item)) => {
                    self.push(qid, item, ALWAYS, NEVER);
                }
                (Write::Pop { qid }, Ok(Answer::Item(item))) if self.pushes.remove(&(qid, item)).is_none() => {
                    self.has_gaps = true;
                }
                _ => {}
            }
        }
    }
}

/// How far behind what was carried out of the nodes the answers are that are held against it: the clocks of Workers differ a little.
pub(crate) const CLOCKS_DIFFER: Duration = Duration::from_millis(500);

fn violated(property: Property, at: Instant, detail: String) -> Violation {
    Violation {
        property,
        at,
        since: None,
        node: None,
        detail,
    }
}

#[cfg(test)]
mod tests;
