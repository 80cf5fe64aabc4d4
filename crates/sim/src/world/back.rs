//! Going back: the whole cluster is put back, as one step, to what it was at an earlier instant, and goes on from there in a new
//! epoch. What happened in between never was, for nodes, checkers and history alike; what was on its way between nodes still
//! arrives, and must count for nothing.

use cluster::Epoch;
use cluster::node::{Node, NodeInput, NodeOutbox};
use raft_core::{Duration, NodeId};
use trace::What as Seen;
use trace::tape::{Origin, Piece, Told};

use super::{Event, SEED_STRIDE, World};
use crate::check::{Audit, Checker, Violation};
use crate::chronicle::as_found;
use crate::disk::Disk;
use crate::plan::{Tail, What};
use crate::settings::FaultKind;

/// How long a member that was left behind is down before it is brought over.
const BROUGHT_OVER_AFTER: Duration = Duration::from_millis(100);

/// What there was at the instant to which the cluster will be put back.
#[derive(Debug)]
pub(super) struct Mark {
    /// The fault that puts it back.
    fault: usize,
    seats: Vec<Marked>,
    checker: Checker,
    audit: Audit,
}

/// One member as it was.
#[derive(Debug)]
struct Marked {
    /// Its state, if it ran.
    state: Option<Vec<u8>>,
    disk: Disk,
    lost: bool,
}

impl World<'_> {
    /// Remembers everything as it is now.
    pub(super) fn mark(&mut self, fault: usize) {
        let seats = self.seats.iter().map(|seat| Marked {
            state: seat.node.as_ref().map(Node::save),
            disk: seat.carried_over.as_ref().unwrap_or(&seat.disk).clone(),
            lost: seat.lost,
        });
        self.mark = Some(Box::new(Mark {
            fault,
            seats: seats.collect(),
            checker: self.checker.clone(),
            audit: self.audit.clone(),
        }));
    }

    /// Puts everything back to what was remembered for this fault.
    ///
    /// # Errors
    /// A checker's finding, at what the nodes do with that.
    pub(super) fn go_back(&mut self, fault: usize, what: What) -> Result<(), Violation> {
        let Some(mark) = self.mark.take_if(|mark| mark.fault == fault) else {
            return Ok(());
        };
        let What::GoBack {
            boots,
            stays_behind,
            clients_go_on,
        } = what
        else {
            return Ok(());
        };
        for place in 0..self.seats.len() {
            self.crash(place, Tail::Kept);
        }
        let left = self.epoch;
        self.epoch = left.next();
        self.trace.word(self.epoch.0);
        self.coverage.note(FaultKind::GoBack);
        let Mark {
            seats, checker, audit, ..
        } = *mark;
        self.checker = checker;
        let mut taken_back = std::mem::replace(&mut self.audit, audit);
        self.audit.history.stands_again_after(&mut taken_back.history);
        // What a client and a node say to each other, they say on a line that is closed with the epoch.
        let is_of_clients = |event: &Event| {
            matches!(
                event,
                Event::Request { .. } | Event::Reply { .. } | Event::Leading { .. }
            )
        };
        self.coming.retain(|event| !is_of_clients(event));
        // Clients first: a node that starts, or fails at once, has them act.
        self.clients_go_back(clients_go_on);
        for (place, marked) in seats.into_iter().enumerate() {
            self.seat_goes_back(place, marked, left, boots, stays_behind)?;
        }
        // The disks are others: there is no more room than there was.
        self.set_full();
        Ok(())
    }

    fn seat_goes_back(
        &mut self,
        place: usize,
        marked: Marked,
        left: Epoch,
        boots: bool,
        stays_behind: Option<NodeId>,
    ) -> Result<(), Violation> {
        let seat = &mut self.seats[place];
        let id = seat.id;
        (seat.lost, seat.doomed, seat.carried_over) = (marked.lost, None, None);
        let mut disk = marked.disk;
        match marked.state {
            _ if marked.lost => seat.disk = disk,
            Some(state) if !boots && stays_behind != Some(id) => return self.goes_on(place, &state),
            _ => {
                disk.crash(Tail::Kept);
                let disk = self.in_present_epoch(id, disk, left);
                let seat = &mut self.seats[place];
                if stays_behind == Some(id) && !seat.disk.is_empty() {
                    // What it has is of the old epoch, and of what was taken back: it is to be refused.
                    seat.carried_over = Some(disk);
                } else {
                    seat.disk = disk;
                }
                self.schedule(self.now, Event::Boot { node: id });
            }
        }
        Ok(())
    }

    /// A node goes on from a state of before, on a new disk.
    fn goes_on(&mut self, place: usize, state: &[u8]) -> Result<(), Violation> {
        let Ok(mut node) = Node::load(state) else {
            unreachable!("a node that was saved is loaded again");
        };
        let seat = &mut self.seats[place];
        seat.boot += 1;
        let (id, boot) = (seat.id, seat.boot);
        node.begin_epoch(self.epoch);
        node.begin_boot(boot);
        seat.disk = Disk::holding(node.move_to_new_disk(), &self.scenario.settings.rules);
        self.checker.moved(id);
        let awaited = node.awaited();
        if let Some(told) = &mut self.told {
            node.record();
            let origin = Origin::State(node.save());
            told.push(Told {
                node: id,
                boot,
                piece: Piece::Began { origin, at: self.now },
            });
        }
        let recovery = as_found(&node);
        self.see(|| Seen::Started {
            node: id,
            boot,
            recovery,
            role: node.view().role,
        });
        self.seats[place].node = Some(node);
        if self.scenario.settings.clients_are_told {
            for client in 0..self.callers.len() {
                self.callers[client].client.node_up(self.now, id);
            }
        }
        // What it had asked to flush is on the new disk.
        if let Some(write) = awaited {
            self.input(place, NodeInput::Synced { write, wall_us: 0 })?;
        }
        self.input(place, NodeInput::SetTiming(self.timing(id)))?;
        self.input(place, NodeInput::SetPaused(self.is_paused(id)))
    }

    /// The same log on a disk of the present epoch.
    fn in_present_epoch(&self, id: NodeId, disk: Disk, epoch: Epoch) -> Disk {
        let mut outbox = NodeOutbox::default();
        match Node::boot(self.config(id, 0, epoch), disk.files(), self.now, &mut outbox) {
            Ok((mut node, _)) => {
                node.begin_epoch(self.epoch);
                Disk::holding(node.move_to_new_disk(), &self.scenario.settings.rules)
            }
            Err(_) => disk, // It is damaged, and refused in any epoch.
        }
    }

    /// A member that was left behind in another epoch has been refused. Its host brings it over, and starts it again.
    pub(super) fn carry_over(&mut self, place: usize) {
        let seat = &mut self.seats[place];
        if let Some(disk) = seat.carried_over.take() {
            let node = seat.id;
            seat.disk = disk;
            self.schedule(self.now + BROUGHT_OVER_AFTER, Event::Boot { node });
        }
    }

    /// Some clients go on as if nothing had happened; the others begin anew. What nobody waits for any more is given up.
    fn clients_go_back(&mut self, go_on: u16) {
        let seed = (self.scenario.settings.seed ^ self.epoch.0 << 48).wrapping_mul(SEED_STRIDE);
        for (place, caller) in self.callers.iter_mut().enumerate() {
            if go_on >> (place % 16) & 1 == 1 {
                caller.go_on(self.now, &mut self.audit.history);
            } else {
                caller.begin_anew(seed.wrapping_add(place as u64));
            }
        }
        let waits = |call| self.callers.iter().any(|caller| caller.call() == Some(call));
        let given_up: Vec<_> = self.audit.history.awaited().filter(|call| !waits(*call)).collect();
        for call in given_up {
            self.audit.history.give_up(call, self.now);
        }
        for client in 0..self.callers.len() {
            if self.scenario.settings.clients_are_told {
                for seat in self.seats.iter().filter(|seat| seat.node.is_none()) {
                    self.callers[client].client.node_down(self.now, seat.id);
                }
            }
            self.client_works(client);
        }
    }
}

#[cfg(test)]
mod tests;
