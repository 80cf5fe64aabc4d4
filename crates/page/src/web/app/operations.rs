//! Operations: from a line of text to an answer.

use std::rc::Rc;

use cluster::client::Failure;
use cluster::host::ToNode;
use ftqueue::{Answer, Operation, QueueError, Read, Write};
use raft_core::Instant;
use trace::Act;

use super::{App, app};
use crate::web::clients::Returned;
use crate::web::results::ResultOutcome;
use crate::web::wall::{self, wall_ms};

impl App {
    /// Carries out what a person typed. The line stands among the results at once, and its outcome follows.
    pub(in crate::web) fn enter(self: &Rc<Self>, line: &str, then: impl FnOnce(ResultOutcome) + 'static) {
        let line = line.trim().to_owned();
        let number = self.results.borrow_mut().begin(line.clone());
        let app = self.clone();
        let finish = move |outcome: ResultOutcome| {
            app.results.borrow_mut().end(number, outcome.clone());
            then(outcome);
        };
        match line.parse::<Operation>() {
            Ok(operation) if self.acts_in_past(|| Act::Submit(operation)) => {
                finish(ResultOutcome::at_once(
                    true,
                    "asked in a branch: see the timeline".to_owned(),
                ));
            }
            Ok(operation) => self.submit(operation, move |returned| {
                let mut outcome = outcome_of(&returned);
                if let Err(Failure::Queue(error)) = &returned.done.result {
                    outcome.text = super::app().explain(&operation, error).unwrap_or(outcome.text);
                }
                finish(outcome);
            }),
            Err(error) => finish(ResultOutcome::at_once(false, error.to_string())),
        }
    }

    /// Gives an operation to a client.
    pub(in crate::web) fn submit(self: &Rc<Self>, operation: Operation, then: impl FnOnce(Returned) + 'static) {
        if matches!(operation, Operation::Write(Write::Push { .. })) {
            self.ask_to_keep();
        }
        let now = self.now();
        let refused = self.clients.borrow_mut().submit(now, operation, Box::new(then));
        if let Some((answer, returned)) = refused {
            return answer(returned);
        }
        self.serve_clients_soon();
    }

    /// An error about a queue that is not there, with what there is instead.
    fn explain(&self, operation: &Operation, error: &QueueError) -> Option<String> {
        const NAMED_MAX: usize = 8;
        let model = self.model.borrow();
        let queues = &model.leader()?.queues;
        let (what, asked, there): (_, _, Vec<String>) = match (operation, error) {
            (
                Operation::Write(Write::Push { qid, .. } | Write::Pop { qid })
                | Operation::Read(Read::Top { qid } | Read::Qsize { qid }),
                QueueError::NoSuchQueue,
            ) => (
                "id",
                qid.to_string(),
                queues.queues.iter().map(|queue| queue.qid.to_string()).collect(),
            ),
            (Operation::Read(Read::GetQid { label }), QueueError::NoSuchLabel) => (
                "label",
                label.to_string(),
                queues.queues.iter().map(|queue| queue.label.to_string()).collect(),
            ),
            _ => return None,
        };
        let more = if queues.count as usize > NAMED_MAX { ", …" } else { "" };
        Some(match there.len() {
            0 => format!("no queue has {what} {asked}; there is none yet: create_queue makes one"),
            1 => format!("no queue has {what} {asked}; the only one has {}", there[0]),
            _ => format!(
                "no queue has {what} {asked}; {what}s are {}{more}",
                there[..there.len().min(NAMED_MAX)].join(", ")
            ),
        })
    }

    /// Gives up every operation that has no answer yet. What was sent may have been applied, or may be yet.
    pub(in crate::web) fn give_up(&self) {
        let now = self.now();
        let cancelled = self.clients.borrow_mut().cancel(now);
        let asked = self.clients.borrow_mut().take_asked();
        self.tell_asked(asked);
        for (answer, returned) in cancelled {
            answer(returned);
        }
        self.serve_clients();
        self.touch();
    }

    /// Serves the clients at the end of the task that runs now: what is asked in one go is posted in one go.
    fn serve_clients_soon(&self) {
        if !self.serving.replace(true) {
            wall::spawn(async {
                let app = app();
                app.serving.set(false);
                app.serve_clients();
            });
        }
    }

    /// Posts what clients have to say, and gives the answers they have got.
    pub(in crate::web) fn serve_clients(&self) {
        if self.is_settled().is_err() {
            // What is asked now is asked of the cluster as it will be then.
            return;
        }
        let now = self.now();
        let work = self.clients.borrow_mut().work(now);
        self.tell_asked(work.asked);
        {
            let fleet = self.fleet.borrow();
            for node in fleet.members() {
                let asked = work.requests.iter().filter(|(of, ..)| *of == node);
                let requests: Vec<ToNode> = asked
                    .map(|&(_, request, body)| ToNode::Request { request, body })
                    .collect();
                if !requests.is_empty() {
                    fleet.send_all(node, requests);
                }
            }
        }
        let answered = !work.answers.is_empty();
        for (answer, returned) in work.answers {
            answer(returned);
        }
        if answered {
            self.touch();
            // An answer may have let another operation out of the line.
            return self.serve_clients();
        }
        self.wake_clients();
    }

    pub(super) fn wake_clients(&self) {
        let deadline = self.clients.borrow().deadline();
        if deadline == Instant::NEVER {
            return;
        }
        if let Some(delay_ms) = self.clock.borrow().wall_delay_ms(deadline, wall_ms()) {
            self.clients_alarm.set(delay_ms, || app().serve_clients());
        }
    }
}

fn answer_text(result: &Result<Answer, Failure>) -> String {
    match result {
        Ok(answer) => answer.to_string(),
        Err(failure) => failure.to_string(),
    }
}

fn outcome_of(returned: &Returned) -> ResultOutcome {
    let done = &returned.done;
    let value = match &done.result {
        Ok(Answer::Qid(qid)) => Some(i128::from(qid.0)),
        Ok(Answer::Item(item)) => Some(i128::from(*item)),
        Ok(Answer::Size(size)) => Some(i128::from(*size)),
        Ok(Answer::Pushed) | Err(_) => None,
    };
    ResultOutcome {
        ok: done.result.is_ok(),
        text: match (&returned.went_back, &done.result) {
            _ if returned.overloaded.is_some() => {
                let in_line = returned.overloaded.unwrap_or_default();
                format!("Overloaded: {in_line} operations wait in line already, so this one was not sent")
            }
            (Some(to), Err(Failure::Cancelled)) => {
                format!("not sent: the cluster went back in time, to {to}, before it could have any effect")
            }
            (Some(to), _) => {
                format!("outcome unknown: the cluster went back in time, to {to}, while this was under way")
            }
            _ => answer_text(&done.result),
        },
        value,
        tries: done.tries,
        leaders: done.leaders.iter().map(|leader| leader.0).collect(),
        wall_ms: returned.wall_ms,
        virtual_ms: done.returned.since(done.invoked).as_millis_f64(),
    }
}
