//! What a person does to nodes, links and settings.

use std::rc::Rc;

use cluster::host::{Remedy, ToNode};
use js_sys::Promise;
use leptos::prelude::*;
use netem::LinkSettings;
use raft_core::{Instant, NodeId};
use trace::Act;
use trace::lockstep::ToLockstep;

use super::App;
use crate::model::settings::Settings;
use crate::web::fleet::no_such_node;
use crate::web::home::Home;
use crate::web::{announce, builds, home, settings, timepanel, wall};

impl App {
    /// Starts every node that does not run.
    pub(in crate::web) fn start_all(&self) {
        for id in self.members() {
            if !self.fleet.borrow().is_running(id) {
                self.report(self.start(id));
            }
        }
    }

    /// Every member, in rising order.
    pub(in crate::web) fn members(&self) -> Vec<NodeId> {
        self.fleet.borrow().members()
    }

    /// Starts a node that does not run.
    pub(in crate::web) fn start(&self, id: NodeId) -> Result<(), String> {
        self.is_settled()?;
        let boot = self.fleet.borrow_mut().start(id)?;
        self.model.borrow_mut().starting(id, boot);
        self.touch();
        Ok(())
    }

    /// The same, as a promise that settles when the node has booted, or cannot.
    pub(in crate::web) fn start_and_wait(&self, id: NodeId) -> Promise {
        match self.start(id) {
            Ok(()) => self.fleet.borrow_mut().booted(id),
            Err(why) => Promise::reject(&js_sys::Error::new(&why)),
        }
    }

    /// Crashes a node: its Worker is gone at once, and with it everything that it had not written down.
    pub(in crate::web) fn crash(&self, id: NodeId) -> Result<(), String> {
        if !self.members().contains(&id) {
            return Err(no_such_node(id, self.members().len()));
        }
        if !self.fleet.borrow_mut().terminate(id) {
            return Err(format!("{id} is not running; restart it first"));
        }
        self.gone(id, None);
        Ok(())
    }

    /// A Worker died by itself, or the node cannot take part. The person is told what may help.
    pub(in crate::web) fn node_died(&self, id: NodeId, boot: u32, why: String, remedy: Remedy) {
        if !self.fleet.borrow().is_current(id, boot) {
            return;
        }
        self.fleet.borrow_mut().terminate(id);
        let why = if why.contains("unreachable") {
            format!("the Worker trapped; it may have run out of memory ({why})")
        } else if why.is_empty() {
            "the Worker's script did not load".to_owned()
        } else {
            why
        };
        self.gone(id, Some((why, remedy)));
        // Code that did not come, or that does not fit, may be of another build.
        builds::look();
    }

    fn gone(&self, id: NodeId, failure: Option<(String, Remedy)>) {
        self.arrived(id);
        let now = self.now();
        let text = match &failure {
            None => format!("{id} crashed"),
            Some((why, _)) => format!("{id} failed: {why}"),
        };
        announce::say(&text);
        if let Some((_, remedy)) = &failure {
            let advice = match remedy {
                Remedy::Restart => "Click it to start it again.",
                Remedy::Wipe => "It takes no part until its disk is wiped: its menu does that.",
                Remedy::Reload => "Reload the page.",
            };
            self.notify(format!("{text}. {advice}"));
        }
        let failure = failure.map(|(why, _)| why);
        let why = failure
            .clone()
            .unwrap_or_else(|| format!("{id} was crashed before it had booted"));
        {
            let mut model = self.model.borrow_mut();
            model.stopped(id, now, failure);
        }
        let boot = self.fleet.borrow().boot_number(id);
        self.tell_recorder(&ToLockstep::Ended {
            node: id,
            boot,
            at: now,
        });
        self.begin_fault(now, crash_key(id), text);
        self.end_fault(now, pause_key(id));
        self.fleet.borrow_mut().settle(id, Err(&why));
        timepanel::node_gone(id);
        self.clients.borrow_mut().node_down(now, id);
        self.serve_clients();
        self.touch();
    }

    /// Whether a node runs, at the instant that is shown; in the present also while it boots.
    pub(in crate::web) fn runs(&self, id: NodeId) -> bool {
        match self.past.borrow().as_ref() {
            Some(past) => past.model.node(id).is_some_and(crate::model::Node::is_up),
            None => self.fleet.borrow().is_running(id),
        }
    }

    /// Crashes a node that runs; starts one that does not.
    pub(in crate::web) fn toggle(&self, id: NodeId) {
        let ran = self.runs(id);
        if self.acts_in_past(|| if ran { Act::Crash(id) } else { Act::Start(id) }) {
            return;
        }
        if self.fleet.borrow().is_running(id) {
            self.report(self.crash(id));
        } else {
            self.report(self.start(id));
        }
    }

    /// Makes a node stand still, or go on.
    pub(in crate::web) fn set_paused(&self, id: NodeId, paused: bool) {
        if self.acts_in_past(|| Act::SetPaused(id, paused)) {
            return;
        }
        self.fleet.borrow_mut().set_paused(id, paused);
        let now = self.now();
        if paused {
            self.begin_fault(now, pause_key(id), format!("{id} paused"));
        } else {
            self.end_fault(now, pause_key(id));
        }
        announce::say(&format!("{id} {}", if paused { "paused" } else { "resumed" }));
        self.touch();
    }

    /// Whether the node is cut off: by having been isolated, or by each of its links having been cut.
    pub(in crate::web) fn is_isolated(&self, id: NodeId) -> bool {
        let members = self.members_shown();
        let peers = || members.iter().copied().filter(|&peer| peer != id);
        let cut_by_hand = || {
            peers().all(|peer| self.is_cut(id, peer) && self.is_cut(peer, id))
                && !peers().any(|peer| self.was_isolated(peer))
        };
        self.was_isolated(id) || (members.len() > 1 && cut_by_hand())
    }

    /// Whether a person has isolated this node of the live cluster: of the past only its links are known.
    fn was_isolated(&self, id: NodeId) -> bool {
        self.past.borrow().is_none() && self.fleet.borrow().is_isolated(id)
    }

    /// Cuts every link of a node, or mends them all but those to a node that is isolated itself.
    pub(in crate::web) fn set_isolated(&self, id: NodeId, isolated: bool) {
        if self.past.borrow().is_none() {
            self.fleet.borrow_mut().set_isolated(id, isolated);
        }
        for peer in self.members_shown() {
            if peer != id && (isolated || !self.was_isolated(peer)) {
                self.cut(id, peer, isolated);
                self.cut(peer, id, isolated);
            }
        }
        announce::say(&format!("{id} {}", if isolated { "isolated" } else { "rejoined" }));
    }

    /// Whether a node stands still, at the instant that is shown.
    pub(in crate::web) fn is_paused(&self, id: NodeId) -> bool {
        if let Some(past) = self.past.borrow().as_ref() {
            let node = past.shown.nodes.iter().find(|node| node.id == id);
            return node
                .and_then(|node| node.status.as_ref())
                .is_some_and(|status| status.paused);
        }
        self.fleet.borrow().is_paused(id)
    }

    /// Whether one direction of a link is cut.
    pub(in crate::web) fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        if let Some(past) = self.past.borrow().as_ref() {
            return past
                .shown
                .nodes
                .iter()
                .any(|node| node.id == from && node.cut.contains(&to));
        }
        self.fleet.borrow().link(from, to).is_some_and(|link| link.cut)
    }

    /// Cuts one direction of a link, or mends it. With a link mended, neither end is isolated any more.
    pub(in crate::web) fn set_cut(&self, from: NodeId, to: NodeId, cut: bool) {
        if !cut && self.past.borrow().is_none() {
            let mut fleet = self.fleet.borrow_mut();
            fleet.set_isolated(from, false);
            fleet.set_isolated(to, false);
        }
        self.cut(from, to, cut);
    }

    fn cut(&self, from: NodeId, to: NodeId, cut: bool) {
        let settings = LinkSettings {
            cut,
            ..self.settings.get_untracked().link()
        };
        if self.acts_in_past(|| Act::SetLink { from, to, settings }) {
            return;
        }
        self.fleet.borrow_mut().set_cut(from, to, cut);
        let now = self.now();
        let (low, high) = (from.min(to), from.max(to));
        let key = format!("link {} {}", low.0, high.0);
        let text = match (self.is_cut(low, high), self.is_cut(high, low)) {
            (false, false) => None,
            (true, true) => Some(format!("link {} – {} cut", low.0, high.0)),
            (true, false) => Some(format!("link {} → {} cut", low.0, high.0)),
            (false, true) => Some(format!("link {} → {} cut", high.0, low.0)),
        };
        match text {
            Some(text) => self.begin_fault(now, key, text),
            None => self.end_fault(now, key),
        }
        self.touch();
    }

    fn begin_fault(&self, at: Instant, key: String, text: String) {
        let text = Some(text);
        self.tell_recorder(&ToLockstep::Fault { at, key, text });
    }

    pub(super) fn end_fault(&self, at: Instant, key: String) {
        let text = None;
        self.tell_recorder(&ToLockstep::Fault { at, key, text });
    }

    /// Crashes a node and empties its disk. It then starts as if it had never been a member, and may break what it promised.
    pub(in crate::web) fn wipe(self: &Rc<Self>, id: NodeId) {
        if self.acts_in_past(|| Act::Wipe(id)) {
            return;
        }
        if self.fleet.borrow().is_running(id) {
            self.report(self.crash(id));
        }
        if let Err(why) = self.is_settled() {
            return self.notify(why);
        }
        let directory = self.home.directory(self.members().len());
        let app = self.clone();
        wall::spawn(async move {
            let wiped = match directory {
                Some(directory) => home::wipe(&directory, id.0).await,
                None => Ok(()),
            };
            if wiped.is_ok() {
                let now = app.now();
                app.model.borrow_mut().forget(id);
                app.tell_recorder(&ToLockstep::Wiped { node: id, at: now });
                announce::say(&format!("the disk of {id} is empty"));
            }
            app.report(wiped);
            app.touch();
        });
    }

    /// Offers a node's state as JSON.
    pub(in crate::web) fn download_state(&self, id: NodeId) {
        if !self.scene().node(id).is_some_and(crate::model::Node::is_up) {
            return self.notify(format!(
                "{id} is not running, so it cannot say its state. Start it first."
            ));
        }
        self.download(format!("state {}", id.0));
    }

    /// Offers what a node has done as text, one line an event.
    pub(in crate::web) fn download_activity(&self, id: NodeId) {
        self.download(format!("activity {}", id.0));
    }

    fn download(&self, what: String) {
        let asked = self.ask_recorder(&ToLockstep::Do(what));
        self.report(asked.map_err(|why| format!("There is nothing to download: {why}")));
    }

    /// Opens the page anew with another number of nodes. That is another cluster, with logs of its own; this one's are kept.
    pub(in crate::web) fn change_members(&self, nodes: usize) {
        let (settings, _) = Settings {
            nodes,
            ..self.settings.get_untracked()
        }
        .taken();
        settings::store(&settings, &Home::own_settings_key(self.home.slot));
        // The address may name a number too, and would have the last word.
        let location = wall::window().location();
        let search = location.search().unwrap_or_default();
        let moved = match web_sys::UrlSearchParams::new_with_str(&search) {
            Ok(query) if query.has("nodes") || query.has("cluster") => {
                query.delete("nodes");
                query.delete("cluster");
                location.set_search(&query.to_string().as_string().unwrap_or_default())
            }
            _ => location.reload(),
        };
        self.report(moved.map_err(|error| format!("the page could not be opened anew: {}", wall::words(&error))));
    }

    /// What was known of slow disks is true no longer.
    pub(in crate::web) fn forget_slow_disks(&self) {
        let now = self.now();
        self.model.borrow_mut().forget_slow_disks(now);
        self.slow_disks_told.set(false);
    }

    /// Changes what is set, tells the nodes, and keeps it.
    pub(in crate::web) fn change_settings(&self, change: impl FnOnce(&mut Settings)) {
        let before = self.settings.get_untracked();
        let mut settings = before;
        change(&mut settings);
        let (settings, changed) = settings.taken();
        self.corrected.set(changed);
        if settings == before {
            return;
        }
        self.settings.set(settings);
        self.forget_slow_disks();
        self.lateness.borrow_mut().forget();
        settings::store(&settings, &self.home.settings_key());
        if settings.timing() != before.timing() {
            self.fleet.borrow().broadcast(&ToNode::SetTiming(settings.timing()));
        }
        if settings.link() != before.link() {
            self.fleet.borrow_mut().set_links(settings.link());
        }
        self.touch();
    }
}

pub(super) fn crash_key(id: NodeId) -> String {
    format!("crash {}", id.0)
}

fn pause_key(id: NodeId) -> String {
    format!("pause {}", id.0)
}
