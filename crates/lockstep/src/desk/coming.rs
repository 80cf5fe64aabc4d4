//! An instant that is looked at before the recorder has come there: the Workers' last words are on their way. What there is is shown, and shown
//! again as it comes; what a person asks for at that instant waits until it is known.

use raft_core::Instant;
use trace::lockstep::{LIVE, ToLockstep};

use super::Desk;
use crate::made;
use crate::panel::Request;

/// How long the recorder may stand still before what there is stands for the instant, in wall milliseconds: time may stand, or a node may be silent.
const PATIENCE_MS: f64 = 1_500.0;

/// What waits for the recorder to come to the instant that is shown.
#[derive(Debug, Default)]
pub(super) struct Coming {
    /// How far it had come when it was looked at last, and since when it is no further, in wall milliseconds.
    stands: Option<(Instant, f64)>,
    /// The instant for which it is not waited any longer.
    given_up: Option<Instant>,
    /// What was asked for meanwhile, in order.
    asked: Vec<ToLockstep>,
    /// Looks that are to be answered once they are shown; or why they are not.
    looks: Vec<Option<String>>,
}

impl Desk {
    /// Whether more may come of the instant that is shown.
    pub(super) fn is_coming(&self) -> bool {
        let Some(at) = self.at.filter(|at| self.coming.given_up != Some(*at)) else {
            return false;
        };
        // What was before a step back is on the tape of the run that was left.
        let knows = self.run_at(self.shown, at);
        knows.is_some_and(|knows| knows.id == LIVE && knows.chronicle.tape.covered() < at)
    }

    /// Shows an instant, as the page asked, and answers once that is done.
    pub(super) fn look_and_answer(&mut self, at: Option<Instant>) {
        // What was asked for was meant for the instant before.
        self.carry_out_what_waited();
        let refused = at.and_then(|at| self.not_kept(at));
        if refused.is_none() {
            self.look(at);
        }
        self.coming.looks.push(refused);
    }

    /// Whether the message is about the instant that is shown, and is to wait for it: then it is kept until then.
    pub(super) fn waits(&mut self, message: &ToLockstep) -> bool {
        let is_about_it = || match message {
            ToLockstep::Act(_) => true,
            ToLockstep::Do(said) => match Request::read(said) {
                Some(request) => request.is_about_the_instant(),
                None => said == "past",
            },
            _ => false,
        };
        let waits = self.is_coming() && is_about_it();
        if waits {
            self.coming.asked.push(message.clone());
        }
        waits
    }

    /// Before a frame: what is shown is shown again, if more of it may have come.
    pub(super) fn come(&mut self, wall_ms: f64) {
        if !self.is_coming() {
            self.stale |= self.coming.stands.take().is_some();
            return;
        }
        let covered = self.runs.get(&LIVE).map(|live| live.chronicle.tape.covered());
        let covered = covered.unwrap_or_default();
        match self.coming.stands {
            Some((before, since_ms)) if before == covered => {
                if wall_ms - since_ms >= PATIENCE_MS {
                    self.at = self.place().map(|(_, at)| at);
                    self.coming.given_up = self.at;
                    self.coming.stands = None;
                    self.stale = true;
                }
            }
            _ => {
                self.coming.stands = Some((covered, wall_ms));
                self.stale = true;
            }
        }
    }

    /// After it was told what is shown: if that is known to its end, does what waited for it.
    pub(super) fn has_come(&mut self) {
        if self.is_coming() {
            return;
        }
        self.carry_out_what_waited();
        for refused in std::mem::take(&mut self.coming.looks) {
            let answer = refused.map_or_else(|| b"null".to_vec(), |why| made::refused(&why));
            self.answer("look", answer);
        }
    }

    fn carry_out_what_waited(&mut self) {
        for message in std::mem::take(&mut self.coming.asked) {
            self.hear_now(message);
        }
    }
}
