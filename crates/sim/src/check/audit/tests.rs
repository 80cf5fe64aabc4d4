//! What the log explains it must explain in full. R1: a session that is given out twice, because history was taken back, has the machine take
//! one client's write for a repeat of another's.

use ftqueue::{QueueError, Sequence, SessionId};

use super::*;
use crate::check::CallId;

/// What clients are told, and what the log holds for it.
#[derive(Default)]
struct Story {
    audit: Audit,
    now: Instant,
    index: LogIndex,
}

const SESSION: SessionId = SessionId { index: 1, nonce: 7 };

impl Story {
    /// The first queue is there, made in this session.
    fn new() -> Story {
        let mut story = Story::default();
        story.logged(&Command::OpenSession { nonce: SESSION.nonce });
        let made = story.asks(0, "create_queue 7", 1);
        story.stands("create_queue 7", 1);
        story.is_told(made, Ok(Answer::Qid(QueueId(1))));
        story
    }

    fn logged(&mut self, command: &Command) {
        self.index = self.index.next();
        self.audit.committed(self.index, command);
    }

    /// A client asks, in the session that others use, too.
    fn asks(&mut self, client: u16, operation: &str, sequence: u64) -> CallId {
        self.now = self.now + Duration(1_000);
        let operation: Operation = operation.parse().unwrap();
        let call = self.audit.history.invoke(client, operation, self.now);
        if let Operation::Write(_) = operation {
            self.audit.history.sent(call, (SESSION, Sequence(sequence)));
        }
        call
    }

    /// The write stands in the log.
    fn stands(&mut self, operation: &str, sequence: u64) {
        let Operation::Write(write) = operation.parse().unwrap() else {
            panic!("{operation} is no write")
        };
        self.logged(&Command::Write {
            session: SESSION,
            sequence: Sequence(sequence),
            write,
        });
    }

    fn is_told(&mut self, call: CallId, result: Result<Answer, QueueError>) {
        self.now = self.now + Duration(1_000);
        self.audit.history.answer(call, result, self.now);
    }

    /// Asks, has it stand in the log, and is told this.
    fn does(&mut self, operation: &str, sequence: u64, result: Result<Answer, QueueError>) {
        let call = self.asks(1, operation, sequence);
        self.stands(operation, sequence);
        self.is_told(call, result);
    }

    fn verdict(&mut self) -> Option<Property> {
        let said = self.audit.judge(self.now, Instant::NEVER);
        assert_eq!(self.audit.judged().unjudged, None);
        said.err().map(|violation| violation.property)
    }
}

/// Two clients push under one name. The machine applies the first and takes the second for its repeat: both are told ok.
fn one_of_two_pushes_is_lost() -> Story {
    let mut story = Story::new();
    let pushes = [story.asks(1, "push 1 10", 2), story.asks(2, "push 1 20", 2)];
    story.stands("push 1 10", 2);
    story.stands("push 1 20", 2);
    for push in pushes {
        story.is_told(push, Ok(Answer::Pushed));
    }
    story
}

#[test]
fn a_push_that_was_taken_for_the_repeat_of_another_is_missed_by_the_pops() {
    let mut story = one_of_two_pushes_is_lost();
    story.does("pop 1", 3, Ok(Answer::Item(10)));
    story.does("pop 1", 4, Err(QueueError::Empty));
    assert_eq!(story.verdict(), Some(Property::Linearizable));
}

#[test]
fn a_push_that_was_taken_for_the_repeat_of_another_is_missed_by_a_look() {
    let mut story = one_of_two_pushes_is_lost();
    let look = story.asks(2, "qsize 1", 0);
    story.is_told(look, Ok(Answer::Size(1)));
    assert_eq!(story.verdict(), Some(Property::Linearizable));
}

#[test]
fn a_pop_that_was_taken_for_the_repeat_of_another_gives_an_item_twice() {
    let mut story = Story::new();
    story.does("push 1 10", 2, Ok(Answer::Pushed));
    story.does("push 1 20", 3, Ok(Answer::Pushed));
    let pops = [story.asks(1, "pop 1", 4), story.asks(2, "pop 1", 4)];
    story.stands("pop 1", 4);
    story.stands("pop 1", 4);
    for pop in pops {
        story.is_told(pop, Ok(Answer::Item(10)));
    }
    assert_eq!(story.verdict(), Some(Property::Linearizable));
}

/// The log may hold a write twice, and a client may be told once, or late, or never: that is right.
#[test]
fn a_write_that_was_sent_again_explains_its_one_call() {
    let mut story = Story::new();
    let push = story.asks(1, "push 1 10", 2);
    story.stands("push 1 10", 2);
    story.stands("push 1 10", 2);
    story.is_told(push, Ok(Answer::Pushed));
    story.does("pop 1", 3, Ok(Answer::Item(10)));
    story.does("pop 1", 4, Err(QueueError::Empty));
    assert_eq!(story.verdict(), None);
    assert_eq!(story.audit.judged().calls, 4);
}

/// A write stands in the log before what had returned when it was asked: it was not asked yet.
#[test]
fn a_write_that_was_applied_before_it_was_asked_is_not_explained() {
    let mut story = Story::new();
    story.stands("push 1 10", 2);
    let look = story.asks(2, "top 1", 0);
    story.is_told(look, Ok(Answer::Item(10)));
    let push = story.asks(1, "push 1 10", 2);
    story.is_told(push, Ok(Answer::Pushed));
    assert_eq!(story.verdict(), Some(Property::Linearizable));
}

/// Judged second by second, as by a page, or at once: the same.
#[test]
fn what_is_explained_stays_explained() {
    let mut story = Story::new();
    for turn in 0..50 {
        let item = 100 + turn;
        let push = story.asks(1, &format!("push 1 {item}"), 2 + 2 * turn);
        assert_eq!(story.audit.judge(story.now, Instant(0)), Ok(()));
        story.stands(&format!("push 1 {item}"), 2 + 2 * turn);
        story.is_told(push, Ok(Answer::Pushed));
        let pop = story.asks(2, "pop 1", 3 + 2 * turn);
        story.is_told(pop, Ok(Answer::Item(item as i64)));
        // The log lags: it does not explain the pop yet, and that is no fault.
        assert_eq!(story.audit.judge(story.now, Instant(0)), Ok(()));
        assert_eq!(story.audit.judged().calls, 2 + 2 * turn);
        story.stands("pop 1", 3 + 2 * turn);
    }
    assert_eq!(story.verdict(), None);
    assert_eq!(story.audit.judged().calls, 101);
}
