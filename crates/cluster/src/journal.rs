//! What has happened in a node and has not been reported yet.

use raft_core::{Event, Instant, LogIndex};

use crate::host::Fact;

/// How many facts are kept between two reports. Later ones are counted and not kept: whoever watches a node is to see
/// what it does, and never to slow it down.
pub const FACTS_BETWEEN_REPORTS_MAX: usize = 16 * 1024;

/// Collects facts, and notes which parts of the state they change.
#[derive(Debug)]
pub(crate) struct Journal {
    news: News,
    omitted: u64,
    changed: bool,
}

impl Default for Journal {
    /// The journal of a node that nobody knows yet: all of it is news.
    fn default() -> Journal {
        Journal::after_boot(LogIndex(1))
    }
}

/// What a report is made from.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) facts: Vec<(Instant, Fact)>,
    pub(crate) log_changed_from: Option<LogIndex>,
    pub(crate) queues_changed: bool,
}

impl Journal {
    /// The journal of a node that has just recovered a log up to `last_index`: all of it is news, and what its snapshot holds.
    pub(crate) fn after_boot(last_index: LogIndex) -> Journal {
        let log_changed_from = (last_index > LogIndex::ZERO).then_some(LogIndex(1));
        Journal {
            news: News {
                log_changed_from,
                queues_changed: log_changed_from.is_some(),
                ..News::default()
            },
            omitted: 0,
            changed: true,
        }
    }

    /// Notes a fact.
    pub(crate) fn tell(&mut self, at: Instant, fact: Fact) {
        match fact {
            Fact::Raft(Event::Appended { first, .. }) => self.log_changed(first),
            Fact::Raft(Event::Truncated { from, .. }) => self.log_changed(from),
            Fact::Raft(Event::SnapshotInstalled { .. }) => {
                self.log_changed(LogIndex(1));
                self.news.queues_changed = true;
            }
            Fact::Raft(Event::Applied { .. }) => self.news.queues_changed = true,
            _ => {}
        }
        self.changed = true;
        if self.news.facts.len() < FACTS_BETWEEN_REPORTS_MAX {
            self.news.facts.push((at, fact));
        } else {
            self.omitted = self.omitted.saturating_add(1);
        }
    }

    /// Notes that the status changed without a fact.
    pub(crate) fn changed(&mut self) {
        self.changed = true;
    }

    pub(crate) fn has_news(&self) -> bool {
        self.changed
    }

    /// Everything since the last time.
    pub(crate) fn take(&mut self) -> News {
        let mut news = std::mem::take(&mut self.news);
        if let (1.., Some((at, _))) = (self.omitted, news.facts.last()) {
            news.facts.push((*at, Fact::Omitted { count: self.omitted }));
        }
        self.omitted = 0;
        self.changed = false;
        news
    }

    /// Only the facts since the last time, put after those that are there.
    pub(crate) fn take_facts(&mut self, facts: &mut Vec<(Instant, Fact)>) {
        if facts.is_empty() {
            std::mem::swap(facts, &mut self.news.facts);
        } else {
            facts.append(&mut self.news.facts);
        }
        self.news.log_changed_from = None;
        self.news.queues_changed = false;
        self.omitted = 0;
        self.changed = false;
    }

    fn log_changed(&mut self, from: LogIndex) {
        let earliest = self.news.log_changed_from.map_or(from, |earliest| earliest.min(from));
        self.news.log_changed_from = Some(earliest);
    }
}
