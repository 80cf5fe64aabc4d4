//! What goes wrong: how faults begin and end, what they do to links and timers, and when they count as having taken effect.

use cluster::node::{Node, NodeInput};
use netem::{Fate, LinkSettings};
use raft_core::{NodeId, Role, Timing};
use trace::What as Seen;
use trace::tape::{Piece, Told};

use super::{Event, World, link_place, place};
use crate::check::Violation;
use crate::disk::{Disk, Harm};
use crate::plan::{Fault, Tail, What};
use crate::settings::{FaultKind, FaultKinds, Settings, skewed};

impl World<'_> {
    pub(super) fn fault_begins(&mut self, fault: usize) -> Result<(), Violation> {
        let Fault { at, lasts, what } = self.scenario.faults[fault];
        let Some(what) = self.met(what) else {
            return Ok(()); // Nobody leads; or the cluster is going to be put back already.
        };
        self.faults += 1;
        self.see(|| Seen::FaultBegan {
            fault,
            text: what.to_string(),
        });
        self.active.push((fault, Fault { at, lasts, what }));
        self.schedule(at + lasts, Event::FaultEnds { fault });
        match what {
            What::Crash { node, tail } => {
                let is_aimed = matches!(self.scenario.faults[fault].what, What::LeaderCrash { .. });
                if self.crash(place(node), tail) {
                    self.coverage.note(if is_aimed {
                        FaultKind::LeaderCrash
                    } else {
                        FaultKind::Crash
                    });
                }
            }
            What::CrashInPersist { node, tail } => {
                if self.seats[place(node)].disk.unflushed() > 0 && self.crash(place(node), tail) {
                    self.coverage.note(FaultKind::CrashInPersist);
                } else {
                    self.seats[place(node)].doomed = Some(tail);
                }
            }
            What::RestartAll { tail } => {
                self.coverage.note(FaultKind::RestartAll);
                for place in 0..self.seats.len() {
                    self.crash(place, tail);
                }
            }
            What::Pause { node } => {
                self.input(place(node), NodeInput::SetPaused(true))?;
            }
            What::Skew { node, .. } => {
                self.input(place(node), NodeInput::SetTiming(self.timing(node)))?;
            }
            What::FlipAcknowledged { node, per_mille, bit } => {
                if self.may_lose(node) && self.seats[place(node)].disk.flip_acknowledged(per_mille, bit) {
                    self.crash(place(node), Tail::Kept);
                }
            }
            What::Wipe { node } => {
                if self.may_lose(node) {
                    self.crash(place(node), Tail::Kept);
                    let rules = self.scenario.settings.rules;
                    let seat = &mut self.seats[place(node)];
                    seat.disk = Disk::new(&rules);
                    seat.lost = true;
                    self.checker.lost(node);
                    self.see(|| Seen::Lost { node });
                    self.coverage.note(FaultKind::Wipe);
                }
            }
            What::Abandon { client } => {
                let place = usize::from(client) % self.callers.len();
                if self.callers[place].client.is_busy() {
                    self.coverage.note(FaultKind::Abandon);
                    self.callers[place].client.cancel(self.now);
                    self.client_works(place);
                }
            }
            What::OldRequest { client, node, back } => {
                let place = usize::from(client) % self.callers.len();
                if let Some((request, body)) = self.callers[place].old_request(back) {
                    self.coverage.note(FaultKind::OldRequest);
                    self.schedule(
                        self.now,
                        Event::Request {
                            to: node,
                            request,
                            body,
                        },
                    );
                }
            }
            What::GoBack { .. } => self.mark(fault),
            What::Flap { .. } => self.schedule(self.now, Event::Flap { fault }),
            What::Partition { .. }
            | What::OneWayCut { .. }
            | What::SlowLink { .. }
            | What::Delay { .. }
            | What::Drop { .. }
            | What::Duplicate { .. }
            | What::Reorder { .. }
            | What::HeavyTail { .. }
            | What::Deaf { .. }
            | What::Isolated { .. }
            | What::SlowNode { .. } => self.set_links(),
            What::OldMessages { count } => self.send_again(count, lasts),
            What::Miscount { node, .. } => self.set_miscount(node),
            What::NoRoom { .. } => self.set_full(),
            // Never met as such: they are about somebody.
            What::LeaderCrash { .. } | What::LeaderCut { .. } => {}
            What::UnheardLeaders { .. }
            | What::SlowFlush { .. }
            | What::LateFlush { .. }
            | What::OutlastingFlush { .. }
            | What::FailedFlush { .. }
            | What::DiskFull { .. } => {}
        }
        Ok(())
    }

    /// The node that leads the latest term, if one does.
    pub(super) fn leader(&self) -> Option<NodeId> {
        let leaders = self.nodes().map(Node::view).filter(|view| view.role == Role::Leader);
        leaders.max_by_key(|view| view.term).map(|view| view.id)
    }

    /// What a fault is about, now that it begins: one that is aimed at the leader meets the node that leads the latest term.
    fn met(&self, what: What) -> Option<What> {
        match what {
            What::GoBack { .. } if self.mark.is_some() => None,
            What::LeaderCrash { tail } => self.leader().map(|node| What::Crash { node, tail }),
            What::LeaderCut { hears, is_heard } => self.leader().map(|node| What::Isolated { node, hears, is_heard }),
            _ => Some(what),
        }
    }

    /// It has been taken from those that are active.
    pub(super) fn fault_ends(&mut self, fault: usize, what: What) -> Result<(), Violation> {
        self.see(|| Seen::FaultEnded { fault });
        match what {
            What::Miscount { node, .. } => {
                self.set_miscount(node);
                self.schedule(self.now, Event::Boot { node });
            }
            What::NoRoom { .. } => {
                self.set_full();
                for node in 1..=self.scenario.settings.nodes {
                    self.schedule(self.now, Event::Boot { node: NodeId(node) });
                }
            }
            What::Crash { node, .. }
            | What::DiskFull { node }
            | What::FailedFlush { node }
            | What::FlipAcknowledged { node, .. } => {
                self.schedule(self.now, Event::Boot { node });
            }
            What::CrashInPersist { node, .. } => {
                self.seats[place(node)].doomed = None;
                self.schedule(self.now, Event::Boot { node });
            }
            What::RestartAll { .. } => {
                for node in 1..=self.scenario.settings.nodes {
                    self.schedule(self.now, Event::Boot { node: NodeId(node) });
                }
            }
            What::Pause { node } if !self.is_paused(node) => self.input(place(node), NodeInput::SetPaused(false))?,
            What::Skew { node, .. } => self.input(place(node), NodeInput::SetTiming(self.timing(node)))?,
            What::GoBack { .. } => self.go_back(fault, what)?,
            _ => self.set_links(),
        }
        Ok(())
    }

    pub(super) fn active(&self) -> impl Iterator<Item = &Fault> {
        self.active.iter().map(|(_, fault)| fault)
    }

    /// Whether a fault that lasts keeps the node from starting.
    pub(super) fn is_held_down(&self, id: NodeId) -> bool {
        self.active().any(|fault| match fault.what {
            What::Crash { node, .. }
            | What::FlipAcknowledged { node, .. }
            | What::FailedFlush { node }
            | What::Miscount { node, .. } => node == id,
            What::RestartAll { .. } => true,
            _ => false,
        }) || self.lacks_room(id)
    }

    pub(super) fn is_paused(&self, id: NodeId) -> bool {
        self.active()
            .any(|fault| matches!(fault.what, What::Pause { node } if node == id))
    }

    /// Whether there is no room for what the node writes, for a while.
    fn lacks_room(&self, id: NodeId) -> bool {
        self.active()
            .any(|fault| matches!(fault.what, What::NoRoom { node } if node.is_none_or(|node| node == id)))
    }

    /// Has each disk be full or not, as the faults that last say.
    pub(super) fn set_full(&mut self) {
        for place in 0..self.seats.len() {
            let is_full = self.lacks_room(self.seats[place].id);
            self.seats[place].disk.set_full(is_full, self.now);
        }
        self.due.is_old = true;
    }

    /// Has a node's disk count as the faults that last say.
    fn set_miscount(&mut self, id: NodeId) {
        let count = self.active().find_map(|fault| match fault.what {
            What::Miscount { node, count } if node == id => Some(count),
            _ => None,
        });
        self.seats[place(id)].disk.set_miscount(count);
    }

    /// Whether the next flush of the node fails.
    pub(super) fn fails_to_flush(&self, id: NodeId) -> bool {
        self.active()
            .any(|fault| matches!(fault.what, What::FailedFlush { node } if node == id))
    }

    pub(super) fn is_full(&self, id: NodeId) -> bool {
        self.active()
            .any(|fault| matches!(fault.what, What::DiskFull { node } if node == id))
    }

    /// Whether a majority remains without the node.
    pub(super) fn may_lose(&self, id: NodeId) -> bool {
        let lost = self.seats.iter().filter(|seat| seat.lost).count();
        !self.seats[place(id)].lost && lost < usize::from(self.scenario.settings.losable())
    }

    /// How fast a node's timers run, by its own clock.
    pub(super) fn timing(&self, id: NodeId) -> Timing {
        let skew = self.active().find_map(|fault| match fault.what {
            What::Skew { node, per_mille } if node == id => Some(per_mille),
            _ => None,
        });
        let timing = self.scenario.settings.timing;
        skew.map_or(timing, |per_mille| skewed(timing, per_mille))
    }

    /// Makes every link behave as the faults that last say.
    pub(super) fn set_links(&mut self) {
        let nodes = self.scenario.settings.nodes;
        let heavy_tail = self.active().find_map(|fault| match fault.what {
            What::HeavyTail { per_mille, least_us } => Some((per_mille, least_us)),
            _ => None,
        });
        self.heavy_tail = heavy_tail;
        for from in (1..=nodes).map(NodeId) {
            for to in (1..=nodes).map(NodeId) {
                let settings = self.link_settings(from, to);
                self.links[link_place(nodes, from, to)].set(settings);
            }
        }
    }

    pub(super) fn link_settings(&self, from: NodeId, to: NodeId) -> LinkSettings {
        let Settings {
            delay_us, jitter_us, ..
        } = self.scenario.settings;
        let mut link = LinkSettings {
            delay_us,
            jitter_us,
            ..LinkSettings::PERFECT
        };
        for fault in self.active() {
            link.cut |= self.cuts(fault, from, to).is_some();
            match fault.what {
                What::Drop { per_mille } => link.loss = f64::from(per_mille) / 1000.0,
                What::Duplicate { per_mille } => link.duplicate = f64::from(per_mille) / 1000.0,
                What::Reorder { jitter_us } => {
                    link.reorder = true;
                    link.jitter_us = link.jitter_us.max(jitter_us);
                }
                What::Delay { delay_us, jitter_us } => {
                    link.delay_us += delay_us;
                    link.jitter_us += jitter_us;
                }
                What::SlowLink { one, other, delay_us } if joins(one, other, from, to) => link.delay_us += delay_us,
                What::SlowNode { node, delay_us } if node == from || node == to => link.delay_us += delay_us,
                _ => {}
            }
        }
        link
    }

    /// The kind of a fault that lets nothing pass on this link now.
    pub(super) fn cuts(&self, fault: &Fault, from: NodeId, to: NodeId) -> Option<FaultKind> {
        match fault.what {
            What::Partition { side } => {
                ((side >> (from.0 - 1) & 1) != (side >> (to.0 - 1) & 1)).then_some(FaultKind::Partition)
            }
            What::OneWayCut {
                from: cut_from,
                to: cut_to,
            } => ((cut_from, cut_to) == (from, to)).then_some(FaultKind::OneWayCut),
            What::Isolated { node, hears, is_heard } => {
                let is_cut = (node == to && !hears) || (node == from && !is_heard);
                is_cut.then_some(FaultKind::LeaderCut)
            }
            What::Deaf { node } => (node == to).then_some(FaultKind::Deaf),
            What::Flap { one, other, period_us } if joins(one, other, from, to) => {
                let turns = self.now.since(fault.at).0 / period_us.max(1);
                turns.is_multiple_of(2).then_some(FaultKind::Flap)
            }
            _ => None,
        }
    }

    /// Counts the faults that keep a frame from arriving, or make it late.
    pub(super) fn count_on_link(&mut self, from: NodeId, to: NodeId, fate: Fate) {
        let kind = |fault: &Fault| match (fate, fault.what) {
            (Fate::Cut, _) => self.cuts(fault, from, to),
            (Fate::Lost, What::Drop { .. }) => Some(FaultKind::Drop),
            (Fate::Arrives { .. }, What::Delay { delay_us, jitter_us }) => {
                (delay_us + jitter_us > 0).then_some(FaultKind::Delay)
            }
            (Fate::Arrives { .. }, What::SlowLink { one, other, .. }) => {
                joins(one, other, from, to).then_some(FaultKind::SlowLink)
            }
            (Fate::Arrives { .. }, What::SlowNode { node, .. }) => {
                (node == from || node == to).then_some(FaultKind::SlowNode)
            }
            _ => None,
        };
        let kinds: FaultKinds = self.active().filter_map(kind).collect();
        self.coverage.note_all(kinds);
    }

    /// Counts the faults that last on a node to which something happens.
    pub(super) fn count_on_node(&mut self, id: NodeId) {
        let kind = |fault: &Fault| match fault.what {
            What::Pause { node } if node == id => Some(FaultKind::Pause),
            What::Skew { node, .. } if node == id => Some(FaultKind::Skew),
            _ => None,
        };
        let kinds: FaultKinds = self.active().filter_map(kind).collect();
        self.coverage.note_all(kinds);
    }

    /// Crashes a node that runs. Says whether it did.
    pub(super) fn crash(&mut self, place: usize, tail: Tail) -> bool {
        self.collect_steps(place);
        let seat = &mut self.seats[place];
        let Some(_) = seat.node.take() else { return false };
        self.due.is_old = true;
        if let Some(told) = &mut self.told {
            told.push(Told {
                node: seat.id,
                boot: seat.boot,
                piece: Piece::Ended { at: self.now },
            });
        }
        seat.doomed = None;
        let id = seat.id;
        let members = usize::from(self.scenario.settings.nodes);
        self.slow_disks.set(self.now, members, id, None);
        match seat.disk.crash(tail) {
            Harm::None => {}
            Harm::Lost => self.coverage.note(FaultKind::LostTail),
            Harm::Torn => self.coverage.note(FaultKind::TornWrite),
            Harm::Flipped => self.coverage.note(FaultKind::FlipUnacknowledged),
        }
        self.trace.word(u64::from(id.0) << 8 | 1);
        self.trace.word(self.now.0);
        self.see(|| Seen::Crashed { node: id });
        if self.scenario.settings.clients_are_told {
            for client in 0..self.callers.len() {
                self.callers[client].client.node_down(self.now, id);
                self.client_works(client);
            }
        }
        true
    }
}

/// Whether a link between these two is the one from here to there, or back.
fn joins(one: NodeId, other: NodeId, from: NodeId, to: NodeId) -> bool {
    (one, other) == (from, to) || (other, one) == (from, to)
}
