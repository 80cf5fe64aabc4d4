//! What happened in a run and in those that it goes on from, told in order and little by little. It is made again from the bytes of their
//! tapes, which a story holds by itself: the runs go on meanwhile.

use std::collections::{BTreeSet, VecDeque};
use std::io;

use raft_core::{Instant, NodeId};
use sim::Scenario;
use sim::chronicle::Chronicle;
use trace::tape::{Piece, Telling, Told};
use trace::{Happening, What};

use crate::pace::Pace;

/// How many steps of nodes are made again between two pauses, about: a millisecond's work or two.
const STEPS_A_PAUSE: usize = 500;

/// What happened, chapter by chapter.
pub(crate) struct Story {
    chapters: Vec<Chapter>,
}

/// What happened in one run.
pub(crate) struct Chapter {
    pub(crate) from: Instant,
    pub(crate) until: Instant,
    /// When the last of it happened, about.
    pub(crate) ends: Instant,
    pub(crate) of: Source,
}

/// From what it is made again.
pub(crate) enum Source {
    /// A scenario, whose world tells all.
    World(Scenario),
    /// What nodes were told, and what they do not tell: what clients did, faults, broken promises.
    Tape(Box<Again>),
}

impl Story {
    /// These, in order.
    pub(crate) fn of(chapters: Vec<Chapter>) -> Story {
        Story { chapters }
    }

    /// Tells all of it, as long as who hears it has no objection.
    ///
    /// # Errors
    /// Theirs.
    pub(crate) async fn tell(self, pace: &Pace, mut hear: impl FnMut(&Happening) -> io::Result<()>) -> io::Result<()> {
        let first = self.chapters.first().map_or(0, |chapter| chapter.from.0);
        let last = self.chapters.last().map_or(0, |chapter| chapter.ends.0);
        let whole = last.saturating_sub(first).max(1);
        let done = |at: Instant| (at.0.saturating_sub(first) as f64 / whole as f64).min(1.0);
        // Who goes on in a later chapter has started before.
        let mut started: BTreeSet<(NodeId, u32)> = BTreeSet::new();
        for Chapter { from, until, of, .. } in self.chapters {
            let mut starts = BTreeSet::new();
            let mut tell = |happening: &Happening| {
                if !(from..=until).contains(&happening.at) {
                    return Ok(());
                }
                if let What::Started { node, boot, .. } = happening.what {
                    if started.contains(&(node, boot)) {
                        return Ok(());
                    }
                    starts.insert((node, boot));
                }
                hear(happening)
            };
            match of {
                Source::World(scenario) => {
                    let mut told = Ok(());
                    let go_on = async |progress: sim::Progress| {
                        pace.pause(done(progress.now)).await;
                        progress.now <= until
                    };
                    sim::watch_slowly(&scenario, go_on, |happening| {
                        if told.is_ok() {
                            told = tell(&happening);
                        }
                    })
                    .await;
                    told?;
                }
                Source::Tape(mut again) => {
                    let mut told = Vec::new();
                    while again.go_on(&mut told) {
                        for happening in told.drain(..) {
                            tell(&happening)?;
                        }
                        pace.pause(done(again.reached())).await;
                    }
                }
            }
            started.append(&mut starts);
        }
        Ok(())
    }
}

/// What nodes did, made again.
pub(crate) struct Again {
    chronicle: Chronicle,
    telling: Telling,
    /// What was made again, while something that comes may have happened before it.
    held: Vec<Happening>,
    /// What the nodes do not tell, by time.
    margin: VecDeque<Happening>,
    is_over: bool,
}

impl Again {
    /// Of these members, told this, and beside it that.
    pub(crate) fn new(members: &[NodeId], telling: Telling, mut margin: Vec<Happening>) -> Again {
        margin.sort_by_key(|happening| happening.at);
        Again {
            chronicle: Chronicle::passing(members),
            telling,
            held: Vec::new(),
            margin: margin.into(),
            is_over: false,
        }
    }

    /// How far it is.
    fn reached(&self) -> Instant {
        self.telling.earliest().unwrap_or_else(|| self.chronicle.tape.reached())
    }

    /// Makes a little more again, and puts what happened behind `told`, in order. Says whether there is anything at all to tell.
    fn go_on(&mut self, told: &mut Vec<Happening>) -> bool {
        if self.is_over {
            return false;
        }
        let (held, mut steps) = (&mut self.held, 0);
        let mut see = |happening: Happening| {
            if !matches!(happening.what, What::Violated { .. }) {
                held.push(happening);
            }
        };
        while steps < STEPS_A_PAUSE
            && let Some(Told { node, boot, piece }) = self.telling.next()
        {
            if let Piece::Steps(some) = &piece {
                steps += some.len();
            }
            // What cannot be made again is left out.
            let _ = self.chronicle.take(node, boot, piece);
            // The members that are there at the beginning begin together.
            if !self.chronicle.has_opened() && !self.telling.begins() {
                self.chronicle.open(&mut see);
            }
        }
        if !self.chronicle.has_opened() {
            self.chronicle.open(&mut see);
        }
        while self.chronicle.turn(&mut see) {}
        let to_tell = self.telling.earliest();
        self.is_over = to_tell.is_none();
        let waiting = self.chronicle.tape.not_before().filter(|_| !self.is_over);
        let border = to_tell.into_iter().chain(waiting).min();
        let is_before = |happening: &Happening| border.is_none_or(|border| happening.at < border);
        // What has one instant stays in the order in which it was made.
        self.held.sort_by_key(|happening| happening.at);
        let place = self.held.partition_point(is_before);
        told.extend(self.held.drain(..place));
        let place = self.margin.partition_point(is_before);
        told.extend(self.margin.drain(..place));
        told.sort_by_key(|happening| happening.at);
        true
    }
}
