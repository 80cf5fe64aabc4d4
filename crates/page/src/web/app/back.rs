//! Going back in time, live: the page ends the Workers when the recorder has written what the step takes, and starts them when it
//! is made, or was not.

use cluster::Epoch;
use raft_core::{Instant, NodeId};
use trace::lockstep::{Resumed, ToLockstep};

use super::App;
use crate::web::{load, wall};

impl App {
    /// Nothing is under way that ends all Workers.
    ///
    /// # Errors
    /// The cluster goes back in time; says so.
    pub(super) fn is_settled(&self) -> Result<(), String> {
        match *self.going_back.borrow() {
            None => Ok(()),
            Some(_) => Err("the cluster goes back in time; wait until it has".to_owned()),
        }
    }

    /// Ends every Worker and gives every client its answer: from here on nothing more is acknowledged in this epoch.
    pub(in crate::web) fn stop_to_go_back(&self, to: Instant) {
        let now = self.now();
        let members = self.members();
        let ran: Vec<NodeId> = members
            .iter()
            .copied()
            .filter(|id| self.fleet.borrow().is_running(*id))
            .collect();
        let work = self.clients.borrow_mut().renew(now, to);
        *self.going_back.borrow_mut() = Some(ran.clone());
        self.tell_asked(work.asked);
        self.tell_asked_now();
        for id in ran {
            self.report(self.crash(id));
        }
        let boots = members.iter().map(|&id| (id, self.fleet.borrow().boot_number(id)));
        let boots = boots.collect();
        self.tell_recorder(&ToLockstep::Stopped { boots });
        for (answer, returned) in work.answers {
            answer(returned);
        }
        load::went_back();
        self.touch();
    }

    /// The step is made: the Workers start from there. Those that did not run then stay down.
    pub(in crate::web) fn resume(&self, at: Instant, epoch: Epoch, nodes: Vec<Resumed>) {
        *self.past.borrow_mut() = None;
        *self.going_back.borrow_mut() = None;
        self.resumes.borrow_mut().clear();
        self.awaited.borrow_mut().clear();
        self.home.epoch.set(epoch);
        self.set_time(at);
        {
            // Links are as they were, too.
            let mut fleet = self.fleet.borrow_mut();
            for id in fleet.members() {
                fleet.set_isolated(id, false);
            }
            for node in &nodes {
                for to in fleet.members() {
                    fleet.set_cut(node.id, to, node.cut.contains(&to));
                }
            }
        }
        for Resumed {
            id, runs, paused, from, ..
        } in nodes
        {
            if let Some(from) = from.filter(|from| runs || from.file.is_some()) {
                self.resumes.borrow_mut().push((id, from));
            }
            if runs {
                self.awaited.borrow_mut().push(id);
                self.report(self.start(id));
                if paused {
                    self.fleet.borrow_mut().set_paused(id, true);
                }
            } else {
                // What it said last was taken back.
                self.model.borrow_mut().forget(id);
            }
        }
        self.run_unless_awaiting();
        self.serve_clients();
        self.touch();
    }

    /// The step was not made: those that ran are started again, from their disks.
    pub(in crate::web) fn stay(&self, why: String) {
        self.notify(why);
        for id in self.going_back.take().unwrap_or_default() {
            self.report(self.start(id));
        }
        self.serve_clients();
        self.touch();
    }

    /// The recorder has stopped in the middle of a step. Its record says whether the step was made.
    pub(in crate::web) fn stay_or_go(&self) {
        if self.is_settled().is_ok() {
            return;
        }
        wall::spawn(async {
            let app = super::app();
            match app.home.find_epoch(app.members().len()).await {
                Ok(()) => app.stay(format!("The cluster goes on in {}.", app.home.epoch.get())),
                Err(why) => app.notify(format!("No node is started: {why}.")),
            }
        });
    }

    /// Opens the page anew on another of the browser's clusters; on its own, without a name.
    pub(in crate::web) fn open_cluster(&self, cluster: &str, down: &[NodeId]) {
        let location = wall::window().location();
        let moved = location.search().and_then(|search| {
            let query = web_sys::UrlSearchParams::new_with_str(&search)?;
            for name in ["cluster", "start", DOWN] {
                query.delete(name);
            }
            if !cluster.is_empty() {
                query.set("cluster", cluster);
            }
            if !down.is_empty() {
                let down: Vec<String> = down.iter().map(|id| id.0.to_string()).collect();
                query.set(DOWN, &down.join(" "));
            }
            // Without what stands behind the `#`, which would open a run again.
            let path = location.pathname()?;
            location.assign(&format!("{path}?{}", query.to_string().as_string().unwrap_or_default()))
        });
        self.report(moved.map_err(|error| format!("the page could not be opened anew: {}", wall::words(&error))));
    }

    /// Starts every node but those that the address says are down: so the page is opened on a cluster that was begun from an
    /// instant at which they were. Said once: the next reload starts them.
    pub(super) fn start_those_not_down(&self) {
        let window = wall::window();
        let down = window.location().search().ok().and_then(|search| {
            let query = web_sys::UrlSearchParams::new_with_str(&search).ok()?;
            let down = query.get(DOWN)?;
            query.delete(DOWN);
            let address = format!("?{}", query.to_string().as_string()?);
            let history = window.history().ok()?;
            let _ = history.replace_state_with_url(&wasm_bindgen::JsValue::NULL, "", Some(&address));
            Some(down)
        });
        let down = down.unwrap_or_default();
        for id in self.members() {
            let name = id.0.to_string();
            if !down.split(' ').any(|it| it == name) && !self.fleet.borrow().is_running(id) {
                self.report(self.start(id));
            }
        }
    }
}

/// The field of the address that names members which are not to be started.
const DOWN: &str = "down";
