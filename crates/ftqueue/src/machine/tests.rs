use proptest::prelude::*;

use super::*;
use crate::Sequence;

/// Small enough that a short run meets every limit.
const TIGHT: Limits = Limits {
    queues_max: 3,
    queue_items_max: 4,
    items_max: 7,
    sessions_max: 3,
};

/// The same machine told as plainly as possible: lists, searched from end to end, that forget nothing they may need.
struct Model {
    limits: Limits,
    queues: Vec<(i64, Vec<i64>)>,
    sessions: Vec<ModelSession>,
}

struct ModelSession {
    id: SessionId,
    last_used: u64,
    /// The answer of each of its writes, the first in front.
    answers: Vec<Result<Answer, QueueError>>,
}

impl Model {
    fn apply(&mut self, index: u64, command: &Command) -> Output {
        let (id, sequence, write) = match *command {
            Command::OpenSession { nonce } => return self.open(SessionId { index, nonce }),
            Command::Write {
                session,
                sequence,
                write,
            } => (session, sequence, write),
        };
        let Some(place) = self.sessions.iter().position(|session| session.id == id) else {
            return Output::SessionExpired;
        };
        self.sessions[place].last_used = index;
        let answered = self.sessions[place].answers.len() as u64;
        if sequence.0 == answered && answered > 0 {
            return Output::Answered(self.sessions[place].answers[answered as usize - 1]);
        }
        if sequence.0 != answered + 1 {
            return Output::OutOfSequence {
                next: Sequence(answered + 1),
            };
        }
        let answer = self.write(write);
        self.sessions[place].answers.push(answer);
        Output::Answered(answer)
    }

    fn open(&mut self, id: SessionId) -> Output {
        self.sessions.push(ModelSession {
            id,
            last_used: id.index,
            answers: Vec::new(),
        });
        if self.sessions.len() > self.limits.sessions_max {
            self.sessions.sort_by_key(|session| session.last_used);
            self.sessions.remove(0);
        }
        Output::SessionOpened(id)
    }

    fn write(&mut self, write: Write) -> Result<Answer, QueueError> {
        let held: usize = self.queues.iter().map(|(_, items)| items.len()).sum();
        match write {
            Write::CreateQueue { label: Label(label) } => {
                if !(0..=4_294_967_295).contains(&label) {
                    return Err(QueueError::LabelOutOfRange);
                }
                if let Some(place) = self.queues.iter().position(|(other, _)| *other == label) {
                    return Err(QueueError::LabelTaken {
                        qid: QueueId(place as u64 + 1),
                    });
                }
                if self.queues.len() == self.limits.queues_max {
                    return Err(QueueError::Full);
                }
                self.queues.push((label, Vec::new()));
                Ok(Answer::Qid(QueueId(self.queues.len() as u64)))
            }
            Write::Push { qid, item } => {
                let Limits {
                    queue_items_max,
                    items_max,
                    ..
                } = self.limits;
                let items = self.items(qid)?;
                if items.len() == queue_items_max || held == items_max {
                    return Err(QueueError::Full);
                }
                items.push(item);
                Ok(Answer::Pushed)
            }
            Write::Pop { qid } => {
                let items = self.items(qid)?;
                if items.is_empty() {
                    Err(QueueError::Empty)
                } else {
                    Ok(Answer::Item(items.remove(0)))
                }
            }
        }
    }

    fn read(&mut self, read: Read) -> Result<Answer, QueueError> {
        match read {
            Read::GetQid { label: Label(label) } if !(0..=4_294_967_295).contains(&label) => {
                Err(QueueError::LabelOutOfRange)
            }
            Read::GetQid { label: Label(label) } => match self.queues.iter().position(|(other, _)| *other == label) {
                Some(place) => Ok(Answer::Qid(QueueId(place as u64 + 1))),
                None => Err(QueueError::NoSuchLabel),
            },
            Read::Top { qid } => self
                .items(qid)?
                .first()
                .map(|item| Answer::Item(*item))
                .ok_or(QueueError::Empty),
            Read::Qsize { qid } => Ok(Answer::Size(self.items(qid)?.len() as u64)),
        }
    }

    fn items(&mut self, QueueId(qid): QueueId) -> Result<&mut Vec<i64>, QueueError> {
        let queue = if qid == 0 {
            None
        } else {
            self.queues.get_mut(qid as usize - 1)
        };
        queue.map(|(_, items)| items).ok_or(QueueError::NoSuchQueue)
    }
}

/// One command of a run, before it is known which sessions there will be.
#[derive(Clone, Debug)]
enum Step {
    Open,
    /// A write of the session that was opened as the `opened`th, open still or not.
    Write {
        opened: usize,
        sequence: Aim,
        write: Write,
    },
}

/// Which sequence a write has.
#[derive(Clone, Copy, Debug)]
enum Aim {
    Next,
    Again,
    Any(u64),
}

fn label() -> impl Strategy<Value = Label> {
    prop_oneof![6 => 0..5i64, 1 => Just(LABEL_MAX), 1 => Just(LABEL_MAX + 1), 1 => Just(-1), 1 => any::<i64>()]
        .prop_map(Label)
}

fn qid() -> impl Strategy<Value = QueueId> {
    prop_oneof![8 => 1..4u64, 1 => 0..6u64, 1 => any::<u64>()].prop_map(QueueId)
}

fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        2 => label().prop_map(|label| Write::CreateQueue { label }),
        4 => (qid(), any::<i64>()).prop_map(|(qid, item)| Write::Push { qid, item }),
        2 => qid().prop_map(|qid| Write::Pop { qid }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let aim = prop_oneof![
        8 => Just(Aim::Next),
        2 => Just(Aim::Again),
        1 => (0..5u64).prop_map(Aim::Any),
        1 => any::<u64>().prop_map(Aim::Any)
    ];
    prop_oneof![
        1 => Just(Step::Open),
        8 => (0..5usize, aim, write()).prop_map(|(opened, sequence, write)| Step::Write { opened, sequence, write }),
    ]
}

/// The queues with their labels, the number of items and that of sessions.
type Contents = (Vec<(i64, Vec<i64>)>, usize, usize);

/// The machine and its model under the same commands.
struct Both {
    machine: FtQueue,
    model: Model,
    index: u64,
    /// Every session that was ever opened, the latest in front.
    opened: Vec<SessionId>,
}

impl Both {
    fn new() -> Both {
        let model = Model {
            limits: TIGHT,
            queues: Vec::new(),
            sessions: Vec::new(),
        };
        Both {
            machine: FtQueue::with_limits(TIGHT),
            model,
            index: 0,
            opened: Vec::new(),
        }
    }

    fn command(&self, step: &Step) -> Command {
        let Step::Write {
            opened,
            sequence,
            write,
        } = *step
        else {
            return Command::OpenSession { nonce: self.index };
        };
        let session = self
            .opened
            .get(opened)
            .copied()
            .unwrap_or(SessionId { index: 0, nonce: 0 });
        let known = self.model.sessions.iter().find(|known| known.id == session);
        let answered = known.map_or(0, |known| known.answers.len() as u64);
        let sequence = Sequence(match sequence {
            Aim::Next => answered + 1,
            Aim::Again => answered,
            Aim::Any(sequence) => sequence,
        });
        Command::Write {
            session,
            sequence,
            write,
        }
    }

    fn apply(&mut self, gap: u64, command: &Command) -> (Output, Output) {
        self.index += gap;
        let outputs = (
            self.machine.apply(self.index, command),
            self.model.apply(self.index, command),
        );
        if let Output::SessionOpened(session) = outputs.0 {
            self.opened.insert(0, session);
        }
        outputs
    }

    /// What the machine and the model hold, as the accessors show it.
    fn contents(&self) -> [Contents; 2] {
        let queues = self
            .machine
            .queues()
            .map(|queue| (queue.label.0, queue.items.iter().copied().collect()))
            .collect();
        let held = self.model.queues.iter().map(|(_, items)| items.len()).sum();
        [
            (queues, self.machine.item_count(), self.machine.session_count()),
            (self.model.queues.clone(), held, self.model.sessions.len()),
        ]
    }
}

/// The machine after a way through bytes.
fn through_bytes(machine: &FtQueue) -> FtQueue {
    let bytes = postcard::to_allocvec(machine).expect("a machine can be written");
    let restored: FtQueue = postcard::from_bytes(&bytes).expect("what was written can be read");
    FtQueue {
        limits: machine.limits,
        ..restored
    }
}

proptest! {
    #[test]
    fn the_machine_does_what_the_model_does(steps in prop::collection::vec((step(), 1..3u64), 0..120)) {
        let mut both = Both::new();
        for (step, gap) in steps {
            let command = both.command(&step);
            let (output, expected) = both.apply(gap, &command);
            prop_assert_eq!(output, expected, "{}", command);
            let [contents, expected] = both.contents();
            prop_assert_eq!(contents, expected, "after {}", command);
        }
        prop_assert_eq!(through_bytes(&both.machine), both.machine);
    }

    #[test]
    fn reads_see_what_was_written(
        steps in prop::collection::vec(step(), 0..60),
        reads in prop::collection::vec((label(), qid()), 10),
    ) {
        let mut both = Both::new();
        for step in steps {
            let command = both.command(&step);
            both.apply(1, &command);
        }
        for (label, qid) in reads {
            for read in [Read::GetQid { label }, Read::Top { qid }, Read::Qsize { qid }] {
                prop_assert_eq!(both.machine.read(&read), both.model.read(read), "{}", read);
            }
        }
    }

    #[test]
    fn a_digest_changes_when_the_machine_does_and_only_then(steps in prop::collection::vec(step(), 0..60)) {
        let mut both = Both::new();
        for step in steps {
            let before = both.machine.clone();
            let command = both.command(&step);
            both.apply(1, &command);
            prop_assert_eq!(before.digest() == both.machine.digest(), before == both.machine, "{}", command);
            prop_assert_eq!(through_bytes(&both.machine).digest(), both.machine.digest());
        }
    }

    #[test]
    fn bytes_from_anywhere_give_a_sound_machine_or_none(bytes: Vec<u8>) {
        if let Ok(machine) = postcard::from_bytes::<FtQueue>(&bytes) {
            prop_assert_eq!(through_bytes(&machine), machine);
        }
    }
}

/// A machine with one session, and that session's next write.
struct Writer {
    machine: FtQueue,
    session: SessionId,
    index: u64,
}

impl Writer {
    fn new() -> Writer {
        let mut machine = FtQueue::default();
        machine.apply(1, &Command::OpenSession { nonce: 0 });
        Writer {
            machine,
            session: SessionId { index: 1, nonce: 0 },
            index: 1,
        }
    }

    fn write(&mut self, sequence: u64, write: Write) -> Output {
        self.index += 1;
        let command = Command::Write {
            session: self.session,
            sequence: Sequence(sequence),
            write,
        };
        self.machine.apply(self.index, &command)
    }
}

const CREATE: Write = Write::CreateQueue { label: Label(7) };
const PUSH: Write = Write::Push {
    qid: QueueId(1),
    item: 42,
};

#[test]
fn a_write_that_comes_again_is_answered_again_and_not_applied() {
    let mut writer = Writer::new();
    let created = Output::Answered(Ok(Answer::Qid(QueueId(1))));
    assert_eq!(writer.write(1, CREATE), created);
    assert_eq!(writer.write(1, CREATE), created);
    assert_eq!(writer.write(2, PUSH), Output::Answered(Ok(Answer::Pushed)));
    assert_eq!(writer.write(2, PUSH), Output::Answered(Ok(Answer::Pushed)));
    assert_eq!(writer.machine.item_count(), 1);
    assert_eq!(writer.write(1, CREATE), Output::OutOfSequence { next: Sequence(3) });
    assert_eq!(writer.write(4, PUSH), Output::OutOfSequence { next: Sequence(3) });
    assert_eq!(writer.machine.item_count(), 1);
}

#[test]
fn an_error_is_an_answer_too() {
    let mut writer = Writer::new();
    assert_eq!(writer.write(1, PUSH), Output::Answered(Err(QueueError::NoSuchQueue)));
    assert_eq!(writer.write(2, CREATE), Output::Answered(Ok(Answer::Qid(QueueId(1)))));
    assert_eq!(writer.write(2, CREATE), Output::Answered(Ok(Answer::Qid(QueueId(1)))));
    assert_eq!(
        writer.write(3, CREATE),
        Output::Answered(Err(QueueError::LabelTaken { qid: QueueId(1) }))
    );
}

/// The log was taken back behind the command that opened a session, and its place went to somebody else's.
#[test]
fn a_session_of_a_past_that_was_taken_back_is_not_taken_for_the_one_in_its_place() {
    let push = |nonce, sequence, item| Command::Write {
        session: SessionId { index: 2, nonce },
        sequence: Sequence(sequence),
        write: Write::Push { qid: QueueId(1), item },
    };
    let mut writer = Writer::new();
    writer.write(1, CREATE);
    let mut machine = writer.machine;
    let (old, new) = (0xaaaa, 0xbbbb);
    let opened = machine.apply(2, &Command::OpenSession { nonce: new });
    assert_eq!(opened, Output::SessionOpened(SessionId { index: 2, nonce: new }));
    let digest = machine.digest();
    assert_eq!(machine.apply(3, &push(old, 1, 20)), Output::SessionExpired);
    assert_eq!(machine.digest(), digest, "nor does it count as use of the other's");
    assert_eq!(
        machine.apply(4, &push(new, 1, 10)),
        Output::Answered(Ok(Answer::Pushed))
    );
    assert_eq!(
        machine.apply(5, &push(old, 1, 20)),
        Output::SessionExpired,
        "nor for a repeat of its write"
    );
    assert_eq!(machine.read(&Read::Qsize { qid: QueueId(1) }), Ok(Answer::Size(1)));
}

#[test]
fn the_session_that_was_used_least_recently_makes_way() {
    let mut machine = FtQueue::default();
    let max = SESSIONS_MAX as u64;
    for index in 1..=max {
        assert_eq!(
            machine.apply(index, &Command::OpenSession { nonce: 9 }),
            Output::SessionOpened(SessionId { index, nonce: 9 })
        );
    }
    let write = |session, sequence| Command::Write {
        session: SessionId {
            index: session,
            nonce: 9,
        },
        sequence: Sequence(sequence),
        write: Write::Pop { qid: QueueId(1) },
    };
    let answered = Output::Answered(Err(QueueError::NoSuchQueue));
    assert_eq!(machine.apply(max + 1, &write(1, 1)), answered);
    machine.apply(max + 2, &Command::OpenSession { nonce: 9 });
    assert_eq!(machine.session_count(), SESSIONS_MAX);
    assert_eq!(machine.apply(max + 3, &write(1, 1)), answered, "it was used");
    assert_eq!(
        machine.apply(max + 4, &write(2, 1)),
        Output::SessionExpired,
        "it was not"
    );
    assert_eq!(
        machine.apply(max + 5, &write(u64::MAX, 1)),
        Output::SessionExpired,
        "it never was"
    );
}

#[test]
fn there_is_room_for_as_many_queues_and_items_as_promised_and_no_more() {
    let mut machine = FtQueue::default();
    for label in 0..QUEUES_MAX {
        assert_eq!(
            machine.create(Label(label as i64)),
            Ok(Answer::Qid(QueueId(label as u64 + 1)))
        );
    }
    assert_eq!(machine.create(Label(QUEUES_MAX as i64)), Err(QueueError::Full));
    for item in 0..QUEUE_ITEMS_MAX {
        assert_eq!(machine.push(QueueId(1), item as i64), Ok(Answer::Pushed));
    }
    assert_eq!(machine.push(QueueId(1), 0), Err(QueueError::Full));
    for item in 0..ITEMS_MAX - QUEUE_ITEMS_MAX {
        let qid = QueueId((2 + item / QUEUE_ITEMS_MAX) as u64);
        assert_eq!(machine.push(qid, item as i64), Ok(Answer::Pushed));
    }
    assert_eq!(machine.push(QueueId(QUEUES_MAX as u64), 0), Err(QueueError::Full));
    assert_eq!(machine.pop(QueueId(1)), Ok(Answer::Item(0)));
    assert_eq!(machine.push(QueueId(QUEUES_MAX as u64), 0), Ok(Answer::Pushed));
    assert_eq!(machine.item_count(), ITEMS_MAX);
}

#[test]
fn what_no_machine_could_hold_is_not_read() {
    let read = |queues: &[(i64, &[i64])], sessions: &[u64]| {
        let queues = queues
            .iter()
            .map(|(label, items)| (Label(*label), items.to_vec()))
            .collect::<Vec<_>>();
        let session = Session {
            last_used: 1,
            last: None,
        };
        let sessions = sessions
            .iter()
            .map(|id| (SessionId { index: *id, nonce: 5 }, session))
            .collect::<Vec<_>>();
        let bytes = postcard::to_allocvec(&(queues, sessions)).expect("plain data");
        postcard::from_bytes::<FtQueue>(&bytes).is_ok()
    };
    let too_many: Vec<u64> = (0..=SESSIONS_MAX as u64).collect();
    assert!(read(&[(1, &[5, 6]), (0, &[])], &[1, 3]));
    assert!(!read(&[(1, &[]), (1, &[])], &[]), "one label twice");
    assert!(!read(&[(-1, &[])], &[]), "a label out of range");
    assert!(!read(&[(1, &vec![0; QUEUE_ITEMS_MAX + 1])], &[]), "a queue too full");
    assert!(
        !read(&[], &[3, 3]) && !read(&[], &[3, 1]),
        "sessions twice or out of order"
    );
    assert!(read(&[], &too_many[1..]) && !read(&[], &too_many), "too many sessions");
}

#[test]
fn queues_are_numbered_from_1_in_the_order_in_which_they_were_made() {
    let mut machine = FtQueue::default();
    machine.apply(1, &Command::OpenSession { nonce: 0 });
    for (sequence, label) in [(1, 30), (2, 10), (3, 20)] {
        let write = Write::CreateQueue { label: Label(label) };
        let command = Command::Write {
            session: SessionId { index: 1, nonce: 0 },
            sequence: Sequence(sequence),
            write,
        };
        machine.apply(sequence + 1, &command);
    }
    let queues: Vec<_> = machine.queues().map(|queue| (queue.qid.0, queue.label.0)).collect();
    assert_eq!(queues, [(1, 30), (2, 10), (3, 20)]);
}

/// Two builds that disagree on digests could not compare their copies: the numbers are part of the machine.
#[test]
fn digests_are_the_same_in_every_build() {
    let mut machine = FtQueue::default();
    let mut digests = vec![machine.digest()];
    let mut sequence = 0;
    let mut write = |machine: &mut FtQueue, write| {
        sequence += 1;
        let command = Command::Write {
            session: SessionId { index: 1, nonce: 9 },
            sequence: Sequence(sequence),
            write,
        };
        machine.apply(sequence + 1, &command);
        machine.digest()
    };
    machine.apply(1, &Command::OpenSession { nonce: 9 });
    digests.push(machine.digest());
    digests.push(write(&mut machine, Write::CreateQueue { label: Label(7) }));
    let qid = QueueId(1);
    digests.push(write(&mut machine, Write::Push { qid, item: i64::MIN }));
    digests.push(write(&mut machine, Write::Push { qid, item: 42 }));
    digests.push(write(&mut machine, Write::Pop { qid }));
    let expected = [
        0x2083_34a5_6f6f_81a1,
        0xf3f0_09ee_793f_68a7,
        0x68ca_4f99_3fdc_9876,
        0x23a5_c028_8ea5_5538,
        0x619c_a243_5c91_7cb1,
        0x178b_88b6_2db6_157b,
    ];
    assert_eq!(digests, expected, "they are {digests:#x?} now");
}
