//! Going back in time, live: the whole cluster as one step, or a cluster beside it.
//!
//! A step goes like this. A person asks for it and is told what it takes back. The logs of *all* members are written for the next
//! epoch, in a directory of their own, and flushed, while the Workers still run. The page ends them and answers its clients. Then
//! the cluster's record is written ([`cluster::standing`]): that makes it so. Then the Workers are started. Whatever fails before
//! the record leaves the epoch that stood.

use std::collections::BTreeMap;

use cluster::Epoch;
use cluster::clock::{Clock, ClockSetting};
use cluster::host::Resume;
use cluster::node::{Node, NodeConfig, NodeOutbox};
use cluster::standing::Standing;
use raft_core::{COMPACT_AFTER_ENTRIES, Config, Instant, NodeId, Rules, Timing};
use trace::lockstep::{FromLockstep, LIVE, Resumed, RunId};
use trace::{Asked, cut_from};

use super::{Desk, RUNS_MAX};
use crate::beside::{BESIDE_PREFIX, Beside};
use crate::ledger::Ledger;
use crate::run::Run;

/// What the desk asks its host to do with files. Each but [`Order::Tidy`] is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Write the logs of an epoch that does not stand yet. Answered by [`Desk::prepared`].
    Prepare {
        /// The cluster's directory.
        home: String,
        /// What stands meanwhile, and is written down first.
        standing: Standing,
        /// The epoch.
        epoch: Epoch,
        /// Every member's log; none where it is to be carried over from the epoch that stands.
        logs: Vec<(NodeId, Option<Vec<u8>>)>,
    },
    /// Write the record. Answered by [`Desk::committed`].
    Commit {
        /// The cluster's directory.
        home: String,
        /// What it says so far.
        from: Standing,
        /// What it is to say.
        to: Standing,
    },
    /// Begin another cluster. Answered by [`Desk::begun`].
    Begin {
        /// What a person calls it.
        title: String,
        /// What is to stand.
        standing: Standing,
        /// Every member's log.
        logs: Vec<(NodeId, Vec<u8>)>,
    },
    /// Delete a cluster that was begun beside. Answered by [`Desk::deleted`].
    Delete {
        /// Its name.
        cluster: String,
    },
    /// Remove the files of epochs that do not stand.
    Tidy {
        /// The cluster's directory.
        home: String,
        /// What stands.
        standing: Standing,
    },
}

/// What a person is asked before it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// What is done to say yes, in the words of a request.
    pub(super) yes: String,
    /// What will happen.
    pub(super) text: String,
}

/// What is known of the files of the page's cluster, and of a step that is under way.
#[derive(Debug, Default)]
pub(super) struct Back {
    /// The cluster's directory; none, if it is in memory.
    pub(super) home: Option<String>,
    pub(super) standing: Standing,
    /// Whether it was found out what stands.
    is_known: bool,
    pub(super) question: Option<Question>,
    step: Option<Step>,
    orders: Vec<Order>,
    pub(super) clusters: Vec<Beside>,
    /// The run that was taken back last, and the boots that are a part of it.
    taken_back: Option<(RunId, Vec<(NodeId, u32)>)>,
    /// The run whose epoch stood before the last step, to which an undo returns.
    stood: Option<RunId>,
    /// What was asked before the last step, and comes back with an undo.
    asked_before: Ledger<(u16, Asked)>,
    /// Who ran before the last step, who stood still, and which links were cut: to this an undo returns, as far as it is known.
    stood_as: Vec<Resumed>,
    /// Who is started after the last step, and has not been heard of yet.
    starting: Vec<NodeId>,
    /// Whether the clock still shows the time before the last step.
    clock_is_old: bool,
    /// The disks of members that had never run on this page when it first went back, each in the epoch of its log.
    untouched: BTreeMap<NodeId, (Epoch, Vec<u8>)>,
}

/// A step under way.
#[derive(Debug)]
struct Step {
    to: Standing,
    at: Instant,
    /// From where it goes, and what the run is called then; none to undo the last step.
    from: Option<(RunId, String)>,
    nodes: Vec<Resumed>,
}

impl Back {
    /// A node has been heard of. Says whether all that are started after a step have been: the others stay down, and the run begins without
    /// them.
    pub(super) fn was_last_to_start(&mut self, node: NodeId) -> bool {
        let awaited = self.starting.len();
        self.starting.retain(|id| *id != node);
        awaited > 0 && self.starting.is_empty()
    }
}

impl Desk {
    /// The page's cluster has its files there; none, if it is in memory.
    pub fn live_at(&mut self, home: Option<String>) {
        self.back.is_known = home.is_none();
        self.back.home = home;
    }

    /// What stands of the page's cluster, as its record says, or why that cannot be known; and which clusters there are beside.
    pub fn found(&mut self, standing: Result<Standing, String>, clusters: Vec<Beside>) {
        self.back.clusters = clusters;
        self.panel_stale = true;
        match standing {
            Ok(standing) => {
                self.back.standing = standing;
                self.back.is_known = true;
                self.tidy();
            }
            Err(why) => self.say(format!("Going back live is not possible here: {why}.")),
        }
    }

    /// What is to be done with files.
    pub fn take_orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.back.orders)
    }

    fn tidy(&mut self) {
        if let Some(home) = self.back.home.clone() {
            let standing = self.back.standing;
            self.back.orders.push(Order::Tidy { home, standing });
        }
    }

    pub(super) fn ask(&mut self, yes: &str, text: String) {
        let yes = yes.to_owned();
        self.back.question = Some(Question { yes, text });
        self.panel_stale = true;
    }

    /// Where the live run and an instant of another part: what the live run did later is taken back.
    pub(super) fn parting(&self, mut id: RunId, mut at: Instant) -> Instant {
        while id != LIVE {
            let Some((parent, left)) = self.runs.get(&id).and_then(|run| run.leaves) else {
                return Instant(0);
            };
            (id, at) = (parent, at.min(left));
        }
        at
    }

    /// A member at an instant of a run, and whether it ran. None, if it never ran, as far as that is known here.
    pub(super) fn member_at(&self, run: RunId, id: NodeId, at: Instant) -> Option<Node> {
        let run = self.run_at(run, at)?;
        if let Some(node) = run.chronicle.tape.last_of(id, at) {
            return Some(node);
        }
        let (parent, left) = run.leaves?;
        self.member_at(parent, id, left)
    }

    /// Does what was asked for: writes all that the step takes.
    pub(super) fn go_live(&mut self) {
        self.back.question = None;
        self.panel_stale = true;
        let Some((run, at)) = self.place() else { return };
        let (id, name, is_own) = (run.id, run.name.clone(), run.is_own);
        if let Err(why) = self.may_step() {
            return self.say(why);
        }
        let to = if is_own {
            self.back.standing.went_back()
        } else {
            Standing::default().went_back().settled()
        };
        let Some(knows) = self.run_at(id, at) else { return };
        let moment = knows.chronicle.tape.moment(at);
        let last = |(member, node): &(NodeId, Option<Node>)| match node {
            Some(_) => None,
            None => self.member_at(id, *member, at),
        };
        let lasts: Vec<Option<Node>> = moment.nodes.iter().map(last).collect();
        let cuts: Vec<Vec<NodeId>> = (moment.nodes.iter().zip(&lasts))
            .map(|((member, _), last)| moment.cut_from(*member, last.as_ref()))
            .collect();
        let mut logs = Vec::new();
        let mut nodes = Vec::new();
        for (((member, node), last), cut) in moment.nodes.into_iter().zip(lasts).zip(cuts) {
            let runs = node.is_some();
            let mut node = node.or(last);
            let log = match &mut node {
                Some(node) => {
                    node.begin_epoch(to.present);
                    Some(node.move_to_new_disk())
                }
                None => self.untouched(member, to.present),
            };
            logs.push((member, log));
            let state = node.as_ref().filter(|_| runs).map(Node::save);
            nodes.push(Resumed {
                id: member,
                runs,
                paused: node.as_ref().is_some_and(|node| runs && node.is_paused()),
                cut,
                from: Some(Resume { file: None, state }),
            });
        }
        let from = Some((id, name.clone()));
        self.back.step = Some(Step { to, at, from, nodes });
        if is_own {
            self.prepare(to, logs);
        } else {
            self.begin_beside(&name, to, logs);
        }
    }

    fn may_step(&self) -> Result<(), String> {
        if self.back.step.is_some() {
            Err("The cluster is going back already: wait until it has.".to_owned())
        } else if !self.back.is_known {
            Err("It is not known yet which epoch of the cluster stands: try again in a moment.".to_owned())
        } else if self.runs.len() >= RUNS_MAX {
            Err(format!(
                "There are {RUNS_MAX} runs, which is the most: delete one first."
            ))
        } else {
            Ok(())
        }
    }

    /// The disk of a member that never ran on this page, if it was carried over before, for another epoch.
    fn untouched(&self, id: NodeId, epoch: Epoch) -> Option<Vec<u8>> {
        let (of, log) = self.back.untouched.get(&id)?;
        carry_over(&self.members, id, [log, &[]], *of, epoch).ok()
    }

    fn prepare(&mut self, to: Standing, logs: Vec<(NodeId, Option<Vec<u8>>)>) {
        match self.back.home.clone() {
            Some(home) => {
                // The step before is final now: there is room for the files of one epoch beside those that stand.
                if self.back.standing.previous.is_some() {
                    self.back.standing = self.back.standing.settled();
                }
                self.back.orders.push(Order::Prepare {
                    home,
                    standing: self.back.standing,
                    epoch: to.present,
                    logs,
                });
            }
            None => {
                // In memory, each Worker is given its log when it starts.
                if let Some(step) = &mut self.back.step {
                    for (resumed, (_, log)) in step.nodes.iter_mut().zip(logs) {
                        if let Some(from) = &mut resumed.from {
                            from.file = Some(log.unwrap_or_default());
                        }
                    }
                }
                self.prepared(Ok(Vec::new()));
            }
        }
    }

    fn begin_beside(&mut self, title: &str, standing: Standing, logs: Vec<(NodeId, Option<Vec<u8>>)>) {
        if self.back.home.is_none() {
            self.back.step = None;
            return self.say(
                "A cluster beside your own needs files, and this browser keeps none for this page. Nothing was changed.".to_owned(),
            );
        }
        self.back.orders.push(Order::Begin {
            title: title.to_owned(),
            standing,
            logs: logs
                .into_iter()
                .map(|(id, log)| (id, log.unwrap_or_default()))
                .collect(),
        });
    }

    /// The logs of the new epoch are on the disk, or cannot be. With them come those that were carried over, in that epoch.
    pub fn prepared(&mut self, outcome: Result<Vec<(NodeId, Vec<u8>)>, String>) {
        let Some(step) = &self.back.step else { return };
        match outcome {
            Ok(carried) => {
                let (epoch, to) = (step.to.present, step.at);
                for (id, log) in carried {
                    self.back.untouched.entry(id).or_insert((epoch, log));
                }
                self.out.push(FromLockstep::Stop { to });
            }
            Err(why) => {
                self.back.step = None;
                self.say(format!("The cluster did not go back, and runs on as it was: {why}."));
                self.tidy();
            }
        }
    }

    /// The Workers are ended: the step can be made.
    pub(super) fn stopped(&mut self, boots: Vec<(NodeId, u32)>) {
        let Some(step) = &self.back.step else { return };
        if step.from.is_some() {
            self.back.stood_as = self.stands_as();
        }
        let Some(step) = &mut self.back.step else { return };
        // Before it, the record was written once more.
        if step.from.is_some() {
            step.to = self.back.standing.went_back();
        }
        let (from, to) = (self.back.standing, step.to);
        self.back.taken_back = Some((LIVE, boots));
        match self.back.home.clone() {
            Some(home) => self.back.orders.push(Order::Commit { home, from, to }),
            None => self.committed(Ok(())),
        }
    }

    /// Who runs, who stands still, and which links are cut, as far as the live run knows.
    fn stands_as(&self) -> Vec<Resumed> {
        let tape = self.runs.get(&LIVE).map(|live| &live.chronicle.tape);
        let runs = |id: NodeId| tape.and_then(|tape| tape.node(id));
        let stands = |&id: &NodeId| {
            let node = runs(id);
            let last = node
                .is_none()
                .then(|| self.member_at(LIVE, id, Instant::NEVER))
                .flatten();
            Resumed {
                id,
                runs: node.is_some(),
                paused: node.is_some_and(Node::is_paused),
                cut: cut_from(id, self.members.iter().copied(), runs, last.as_ref()),
                from: None,
            }
        };
        self.members.iter().map(stands).collect()
    }

    /// The record names the new epoch; or it names the old one still, and why.
    pub fn committed(&mut self, outcome: Result<(), String>) {
        let Some(step) = self.back.step.take() else { return };
        if let Err(why) = outcome {
            self.back.taken_back = None;
            let why = format!("The cluster did not go back, and goes on as it was: {why}.");
            self.out.push(FromLockstep::Stays { why });
            return self.tidy();
        }
        self.back.standing = step.to;
        self.begin_live_anew(step.from, step.at);
        let starting = step.nodes.iter().filter(|node| node.runs).map(|node| node.id);
        self.back.starting = starting.collect();
        if self.back.starting.is_empty() {
            self.open();
        }
        self.out.push(FromLockstep::Resume {
            at: step.at,
            epoch: step.to.present,
            nodes: step.nodes,
        });
        self.tidy();
    }

    /// What the Workers did so far is kept as a run of its own, and the live run begins anew.
    fn begin_live_anew(&mut self, from: Option<(RunId, String)>, at: Instant) {
        let knows = from.as_ref().and_then(|(id, _)| self.run_at(*id, at));
        let mut live = Run::live(&self.members, LIVE, self.bytes_max);
        if let (Some(knows), Some((id, _))) = (knows, &from) {
            let moment = knows.chronicle.tape.moment(at);
            let members = moment.nodes.into_iter();
            let members: Vec<Node> = members
                .filter_map(|(member, node)| node.or_else(|| self.member_at(*id, member, at)))
                .collect();
            let members: Vec<&Node> = members.iter().collect();
            live.chronicle.goes_on_from(&knows.chronicle, at, &members);
            live.goes_on_from(knows, at);
            // What was answered later is taken back.
            let parting = self.parting(*id, at);
            self.back.asked_before.clone_from(&self.asked);
            self.asked.until(parting);
        } else if let Some(stands) = self.back.stood.take().and_then(|id| self.runs.get(&id)) {
            // What was before the step is before it again.
            live.leaves = Some((stands.id, at));
            live.goes_on_from(stands, at);
            live.chronicle.goes_on_after(&stands.chronicle);
            self.asked = std::mem::take(&mut self.back.asked_before);
        } else {
            self.asked = Ledger::default();
        }
        let before = RunId(self.next_run);
        self.next_run += 1;
        if let Some(mut live) = self.runs.remove(&LIVE) {
            live.id = before;
            "Live, before".clone_into(&mut live.name);
            let deleted = self.deleted.iter_mut().flat_map(|deleted| &mut deleted.runs);
            for run in self.runs.values_mut().chain(deleted) {
                if let Some((parent, _)) = run.leaves.as_mut().filter(|(parent, _)| *parent == LIVE) {
                    *parent = before;
                }
            }
            self.runs.insert(before, live);
        }
        if let Some((run, _)) = &mut self.back.taken_back {
            *run = before;
        }
        self.back.stood = from.is_some().then_some(before);
        if let Some((id, name)) = from {
            live.leaves = Some((if id == LIVE { before } else { id }, at));
            live.name = format!("Live, from {name}");
        }
        self.runs.insert(LIVE, live);
        (self.shown, self.at, self.compared) = (LIVE, None, None);
        self.faults.clear();
        self.refuse_checks("the cluster has gone back in time meanwhile", |_| true);
        self.judged = 0;
        self.back.clock_is_old = true;
        self.stale = true;
    }

    /// A member's disk was emptied: what it held before is not carried over any more.
    pub(super) fn forget_disk(&mut self, id: NodeId) {
        self.back.untouched.remove(&id);
    }

    /// What is told of a boot that was ended before the live run began belongs to the run that was taken back.
    pub(super) fn run_of(&mut self, node: NodeId, boot: u32) -> Option<&mut Run> {
        let of = match &self.back.taken_back {
            Some((run, boots)) if boots.iter().any(|(id, last)| *id == node && boot <= *last) => *run,
            _ => LIVE,
        };
        self.runs.get_mut(&of)
    }

    /// Carries out what is still told of the run that was taken back. Says whether there is more.
    pub(super) fn work_on_last_words(&mut self, steps_max: usize) -> bool {
        let run = self.back.taken_back.as_ref().map(|(run, _)| *run);
        let run = run.filter(|run| *run != LIVE);
        run.and_then(|run| self.runs.get_mut(&run))
            .is_some_and(|run| run.work(steps_max))
    }

    /// The page says how time runs. After a step back it begins anew, at an instant that is past.
    pub(super) fn set_clock(&mut self, setting: ClockSetting) {
        if std::mem::take(&mut self.back.clock_is_old) {
            self.clock = Clock::new(setting);
        } else {
            self.clock.set(setting);
        }
    }

    /// Takes the last step back: what it took away stands again.
    pub(super) fn undo(&mut self) {
        self.back.question = None;
        self.panel_stale = true;
        let Some(to) = self.back.standing.undone() else { return };
        if let Err(why) = self.may_step() {
            return self.say(why);
        }
        let mut nodes = self.back.stood_as.clone();
        if nodes.is_empty() {
            // The step was made before the page was opened.
            let all = self.members.iter().map(|&id| Resumed {
                id,
                runs: true,
                paused: false,
                cut: Vec::new(),
                from: None,
            });
            nodes = all.collect();
        }
        // Time does not go back in the history that stands again.
        let stood = self.back.stood.and_then(|id| self.runs.get(&id));
        let at = stood.map_or(self.now, |stood| stood.end().max(self.now));
        self.back.step = Some(Step {
            to,
            at,
            from: None,
            nodes,
        });
        self.out.push(FromLockstep::Stop { to: at });
    }

    /// Another cluster is there, under this name; or why not.
    pub fn begun(&mut self, outcome: Result<String, String>) {
        let Some(step) = self.back.step.take() else { return };
        match outcome {
            Ok(cluster) => {
                let down = step.nodes.iter().filter(|node| !node.runs).map(|node| node.id);
                self.out.push(FromLockstep::Open {
                    cluster,
                    down: down.collect(),
                });
            }
            Err(why) => self.say(format!(
                "No cluster was begun beside your own, and nothing else was changed: {why}."
            )),
        }
    }

    /// Opens the page on another cluster; on its own, without a name.
    pub(super) fn open_cluster(&mut self, cluster: &str) {
        self.out.push(FromLockstep::Open {
            cluster: cluster.to_owned(),
            down: Vec::new(),
        });
    }

    pub(super) fn ask_delete(&mut self, cluster: &str) {
        let Some(beside) = self.back.clusters.iter().find(|beside| beside.name == cluster) else {
            return;
        };
        let text = format!(
            "The cluster “{}” and all that its nodes hold is deleted for good.",
            beside.title
        );
        self.ask(&format!("delete-cluster {cluster}"), text);
    }

    pub(super) fn delete_cluster(&mut self, cluster: &str) {
        self.back.question = None;
        let cluster = cluster.to_owned();
        self.back.orders.push(Order::Delete { cluster });
        self.panel_stale = true;
    }

    /// A cluster is deleted, or why not; and which there are.
    pub fn deleted(&mut self, outcome: Result<(), String>, clusters: Vec<Beside>) {
        self.back.clusters = clusters;
        self.panel_stale = true;
        if let Err(why) = outcome {
            self.say(format!("The cluster was not deleted: {why}."));
        }
    }

    /// The name of the page's cluster, if it is one that was begun beside.
    pub(super) fn is_beside(&self) -> Option<&str> {
        let name = self.back.home.as_deref()?.rsplit('/').next()?;
        name.starts_with(BESIDE_PREFIX).then_some(name)
    }
}

/// The log of a member that does not run, moved from one epoch into another: one file in place of its two.
///
/// # Errors
/// The log is damaged, or of another cluster or epoch.
pub fn carry_over(
    members: &[NodeId],
    id: NodeId,
    files: [&[u8]; 2],
    from: Epoch,
    to: Epoch,
) -> Result<Vec<u8>, String> {
    let config = NodeConfig {
        raft: Config {
            id,
            members: members.to_vec(),
            timing: Timing::default(),
            seed: 0,
            rules: Rules::default(),
            compact_after: COMPACT_AFTER_ENTRIES,
        },
        epoch: from,
        boot: 0,
        links: Vec::new(),
    };
    let booted = Node::boot(config, files, Instant(0), &mut NodeOutbox::default());
    let (mut node, _) = booted.map_err(|error| format!("the log of {id} cannot be read: {error}"))?;
    node.begin_epoch(to);
    Ok(node.move_to_new_disk())
}
