//! What a person has set, kept for the next visit.

use netem::LinkSettings;
use raft_core::{COMPACT_AFTER_ENTRIES, Duration, MEMBERS_MAX, Timing};
use web_sys::UrlSearchParams;

use super::wall;

/// The most entries after which a snapshot may be taken: a log of so many is still read in a moment.
const SNAPSHOT_ENTRIES_MAX: u64 = 1_000_000;
/// The shortest and the longest election timeout that can be set, in milliseconds.
const ELECTION_MIN_MS: u64 = 10;
const ELECTION_MAX_MS: u64 = 120_000;

/// What a person has set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Settings {
    /// How many nodes.
    pub(super) nodes: usize,
    /// Whether nodes start by themselves when the page opens.
    pub(super) start_all: bool,
    /// The shortest and the longest election timeout, in milliseconds.
    pub(super) election_ms: (u64, u64),
    /// The heartbeat interval, in milliseconds.
    pub(super) heartbeat_ms: u64,
    /// After how many applied entries a node takes a snapshot; said to it when it starts.
    pub(super) snapshot_entries: u64,
    /// The shortest time a message takes, in milliseconds.
    pub(super) delay_ms: f64,
    /// At most this much is added, in milliseconds.
    pub(super) jitter_ms: f64,
    /// The chance that a message is lost, in percent.
    pub(super) loss_percent: f64,
    /// Virtual seconds in a wall second.
    pub(super) rate: f64,
    /// Whether keys that type a single character do anything.
    pub(super) single_keys: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        let link = LinkSettings::default();
        Settings {
            nodes: 5,
            start_all: true,
            election_ms: (150, 300),
            heartbeat_ms: 50,
            snapshot_entries: COMPACT_AFTER_ENTRIES,
            delay_ms: link.delay_us as f64 / 1000.0,
            jitter_ms: link.jitter_us as f64 / 1000.0,
            loss_percent: 0.0,
            rate: 1.0,
            single_keys: true,
        }
    }
}

impl Settings {
    /// What was set at the last visit, with what the address says laid over it; and what had to be changed, in words.
    pub(super) fn load(key: &str) -> (Settings, Option<String>) {
        let stored = storage().and_then(|storage| storage.get_item(key).ok().flatten());
        let mut settings = Settings::default();
        for text in [stored, wall::window().location().search().ok()].into_iter().flatten() {
            if let Ok(fields) = UrlSearchParams::new_with_str(&text) {
                settings = settings.with(&fields);
            }
        }
        settings.taken()
    }

    /// Keeps them for the next visit; silently not, where the browser keeps nothing. They are kept as they could stand in the
    /// address.
    pub(super) fn store(&self, key: &str) {
        let text = format!(
            "nodes={}&start={}&election_min={}&election_max={}&heartbeat={}&snapshot={}&delay={}&jitter={}&loss={}&speed={}&keys={}",
            self.nodes,
            if self.start_all { "all" } else { "none" },
            self.election_ms.0,
            self.election_ms.1,
            self.heartbeat_ms,
            self.snapshot_entries,
            self.delay_ms,
            self.jitter_ms,
            self.loss_percent,
            self.rate,
            if self.single_keys { "on" } else { "off" },
        );
        if let Some(storage) = storage() {
            let _ = storage.set_item(key, &text);
        }
    }

    /// The same with what these fields say; a field that is missing or makes no sense changes nothing.
    fn with(self, fields: &UrlSearchParams) -> Settings {
        let number = |name: &str, otherwise: f64| {
            fields
                .get(name)
                .as_deref()
                .and_then(wall::number)
                .filter(|value| *value >= 0.0)
                .unwrap_or(otherwise)
        };
        Settings {
            nodes: number("nodes", self.nodes as f64) as usize,
            start_all: match fields.get("start").as_deref() {
                Some("none") => false,
                Some("all") => true,
                _ => self.start_all,
            },
            election_ms: (
                number("election_min", self.election_ms.0 as f64) as u64,
                number("election_max", self.election_ms.1 as f64) as u64,
            ),
            heartbeat_ms: number("heartbeat", self.heartbeat_ms as f64) as u64,
            snapshot_entries: number("snapshot", self.snapshot_entries as f64) as u64,
            delay_ms: number("delay", self.delay_ms),
            jitter_ms: number("jitter", self.jitter_ms),
            loss_percent: number("loss", self.loss_percent),
            rate: number("speed", self.rate),
            single_keys: match fields.get("keys").as_deref() {
                Some("off") => false,
                Some("on") => true,
                _ => self.single_keys,
            },
        }
    }

    /// The same within limits; and what had to be changed, in words, where nobody could have been elected.
    pub(super) fn taken(self) -> (Settings, Option<String>) {
        let finite = |value: f64, fallback: f64| if value.is_finite() { value } else { fallback };
        let (asked_min, asked_max) = self.election_ms;
        let min = asked_min.clamp(ELECTION_MIN_MS, ELECTION_MAX_MS / 2);
        // The paper's timeouts are up to twice the shortest. Whoever raises the shortest means the longest to go with it.
        let max = if asked_max > min {
            asked_max.min(ELECTION_MAX_MS)
        } else {
            2 * min
        };
        let taken = Settings {
            nodes: self.nodes.clamp(1, MEMBERS_MAX),
            election_ms: (min, max),
            heartbeat_ms: if (1..min).contains(&self.heartbeat_ms) {
                self.heartbeat_ms
            } else {
                (min / 3).max(1)
            },
            snapshot_entries: self.snapshot_entries.clamp(1, SNAPSHOT_ENTRIES_MAX),
            delay_ms: finite(self.delay_ms, 8.0).clamp(0.0, 10_000.0),
            jitter_ms: finite(self.jitter_ms, 4.0).clamp(0.0, 10_000.0),
            loss_percent: finite(self.loss_percent, 0.0).clamp(0.0, 100.0),
            rate: finite(self.rate, 1.0).clamp(cluster::clock::RATE_MIN, cluster::clock::RATE_MAX),
            ..self
        };
        let changed = (taken.timing() != self.timing()).then(|| {
            let why = match self.timing().check() {
                Err(error) => error.to_string(),
                Ok(()) => format!("Election timeouts may be {ELECTION_MIN_MS} to {ELECTION_MAX_MS} ms, the shortest at most half of that."),
            };
            let heartbeat = taken.heartbeat_ms;
            format!("{why} Taken in their place: {min} to {max} ms, and a heartbeat every {heartbeat} ms.")
        });
        (taken, changed)
    }

    /// How fast timers run.
    pub(super) fn timing(&self) -> Timing {
        Timing {
            election_min: Duration::from_millis(self.election_ms.0),
            election_max: Duration::from_millis(self.election_ms.1),
            heartbeat: Duration::from_millis(self.heartbeat_ms),
        }
    }

    /// What each direction of each link does, as long as it is not cut.
    pub(super) fn link(&self) -> LinkSettings {
        LinkSettings {
            delay_us: (self.delay_ms * 1000.0) as u64,
            jitter_us: (self.jitter_ms * 1000.0) as u64,
            loss: self.loss_percent / 100.0,
            ..LinkSettings::default()
        }
    }

    /// What is wrong with these together, in words, if anything is.
    pub(super) fn warning(&self) -> Option<String> {
        let one_way = Duration(((self.delay_ms + self.jitter_ms) * 1000.0) as u64);
        self.timing().warning(one_way).map(|warning| warning.to_string())
    }
}

/// The browser's store, if it has one that may be used.
pub(super) fn storage() -> Option<web_sys::Storage> {
    wall::window().local_storage().ok().flatten()
}
