//! What nodes say.

use cluster::host::{Boot, Fact, FromNode, Recovery, Remedy, Report, Resume, Storage};
use leptos::prelude::*;
use raft_core::{Event, Instant, NodeId, Rules};
use trace::lockstep::ToLockstep;
use wasm_bindgen::JsValue;

use super::App;
use crate::model::lateness::TooBusy;
use crate::web::wall::{self, wall_ms};
use crate::web::{announce, fleet, timepanel};

impl App {
    /// A Worker has said something.
    pub(in crate::web) fn hear(&self, id: NodeId, boot: u32, data: &JsValue) {
        if !self.fleet.borrow().is_current(id, boot) {
            return;
        }
        match fleet::read(data) {
            Ok(batch) => {
                self.clock.borrow_mut().witness(wall_ms(), batch.sent_at);
                let answers = |message: &FromNode| matches!(message, FromNode::Reply { .. } | FromNode::Leading { .. });
                let serves = batch.messages.iter().any(answers);
                for message in batch.messages {
                    self.take(id, boot, message);
                }
                if serves {
                    self.serve_clients();
                }
            }
            Err(why) => self.node_died(
                id,
                boot,
                format!("its Worker said something that does not decode: {why}"),
                Remedy::Reload,
            ),
        }
        wall::catch_up();
    }

    fn take(&self, id: NodeId, boot: u32, message: FromNode) {
        match message {
            FromNode::Ready {
                build,
                wall_ms: of_worker_ms,
            } => {
                let mut booting = self.boot_message(id);
                booting.ahead_ms_least = of_worker_ms - booting.clock.wall_ms;
                booting.resume = self.take_resume(id);
                let told = self.fleet.borrow_mut().boot(id, &build, booting);
                let told = told.map(|tape| {
                    if let Some(port) = tape {
                        self.attach_recorder(id, boot, &port);
                    }
                });
                if let Err(why) = told {
                    self.node_died(id, boot, why, Remedy::Reload);
                }
            }
            FromNode::Booted { storage, recovery } => self.node_booted(id, storage, recovery),
            FromNode::Refused { why, remedy } => self.node_died(id, boot, why, remedy),
            FromNode::Died { message } => self.node_died(id, boot, message, Remedy::Restart),
            FromNode::Report(report) => self.node_reports(id, *report),
            FromNode::Reply { request, reply } => {
                let now = self.now();
                self.clients.borrow_mut().receive(now, id, request, reply);
            }
            FromNode::Recorded { request, recorded } => {
                timepanel::has_spoken(&timepanel::check_name(request.0));
                self.tell_recorder(&ToLockstep::Check {
                    node: id,
                    recorded,
                    request: request.0,
                });
            }
            FromNode::Late { wall_us } => {
                let settings = self.settings.get_untracked();
                let mut lateness = self.lateness.borrow_mut();
                lateness.add(wall_ms(), wall_us as f64 / 1000.0, &settings);
            }
            FromNode::Room { lacking } => self.room_changed(id, lacking),
            FromNode::NoFiles { why } => self.no_files(id, boot, why),
            FromNode::Leading { term } => {
                let now = self.now();
                self.start_recorder();
                self.clients.borrow_mut().leading(now, id, term);
            }
        }
    }

    /// From where the node goes on, if not from its disk.
    fn take_resume(&self, id: NodeId) -> Option<Resume> {
        let mut resumes = self.resumes.borrow_mut();
        let place = resumes.iter().position(|(of, _)| *of == id)?;
        Some(resumes.swap_remove(place).1)
    }

    fn boot_message(&self, id: NodeId) -> Boot {
        let settings = self.settings.get_untracked();
        Boot {
            id,
            members: Vec::new(),
            timing: settings.timing(),
            rules: Rules::default(),
            compact_after: settings.snapshot_entries,
            boot: 0,
            epoch: self.home.epoch.get(),
            seed: wall::seed(),
            clock: self.clock.borrow_mut().setting(wall_ms()),
            ahead_ms_least: 0.0,
            directory: match self.home.in_memory() {
                Some(why) => Err(why),
                None => Ok(self.home.directory(settings.nodes).unwrap_or_default()),
            },
            links: Vec::new(),
            resume: None,
        }
    }

    fn node_booted(&self, id: NodeId, storage: Storage, recovery: Recovery) {
        let now = self.now();
        let had_files = |model: &crate::model::Model| {
            let before = model.node(id).and_then(|node| node.status.as_ref());
            before.is_some_and(|status| status.disk_bytes > 0)
        };
        if storage == Storage::Opfs && recovery.bytes == 0 && had_files(&self.model.borrow()) {
            self.notify(format!(
                "{id} had files and finds none: the site's data was cleared. It has forgotten its term, its vote and its log, begins with nothing, and gets the log from the others. What they agreed on with its word may be lost if as many forget as make a majority."
            ));
        }
        self.model.borrow_mut().booted(id, storage, recovery);
        self.fleet.borrow_mut().settle(id, Ok(()));
        self.clients.borrow_mut().node_up(now, id);
        self.serve_clients();
        self.arrived(id);
        // It was down until now, however long it took to read its disk.
        self.end_fault(now, super::acts::crash_key(id));
        announce::say(&format!("{id} started"));
        self.touch();
    }

    /// That the computer is too busy for the timers, as long as it is.
    pub(in crate::web) fn too_busy(&self) -> Option<TooBusy> {
        let settings = self.settings.get_untracked();
        self.lateness.borrow_mut().too_busy(wall_ms(), &settings)
    }

    /// Says that disks are too slow for the timers: once, until somebody changes something about it.
    fn warn_of_slow_disks(&self, now: Instant) {
        let shortest = self.settings.with_untracked(|settings| settings.timing().election_min);
        if !self.slow_disks_told.get()
            && let Some(slow) = self.model.borrow().standstill(now, shortest)
        {
            self.slow_disks_told.set(true);
            self.notify(format!("{slow} So does slower time."));
        }
    }

    fn node_reports(&self, id: NodeId, report: Report) {
        for (_, fact) in &report.facts {
            if let Fact::Raft(event) = fact {
                match event {
                    Event::BecameLeader { term, .. } => announce::say(&format!("{id} leads {term}")),
                    Event::CommitAdvanced { to, copies, .. } if !copies.is_empty() => announce::committed(*to),
                    _ => {}
                }
            }
        }
        let now = report.now;
        self.model.borrow_mut().report(id, report);
        self.warn_of_slow_disks(now);
        self.touch();
    }
}
