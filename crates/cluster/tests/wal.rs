//! The write-ahead log under every cut and every flipped bit.
//!
//! The rule: what is read back is the state that was written, or a state that lacks only what was never acknowledged,
//! or the log is refused, and says which record it stumbled over.

mod strategies;

use cluster::Epoch;
use cluster::wal::{
    Damage, Flaw, HEADER_BYTES, Identity, RECORD_ENTRIES_MAX, RECORD_HEAD_BYTES, Recovered, WAL_VERSION, Writer,
};
use ftqueue::{Command, QueueId, Sequence, SessionId, Write};
use proptest::collection::vec;
use proptest::prelude::*;
use raft_core::{Entry, HardState, LogIndex, NodeId, Payload, Snapshot, Term};

const IDENTITY: Identity = Identity {
    node: NodeId(3),
    members: 5,
    epoch: Epoch(0),
};

/// Reads a log that has never been begun anew: the other file is empty.
fn recover(identity: Identity, file: &[u8]) -> Result<Recovered, Damage> {
    cluster::wal::recover(identity, [file, &[]])
}

/// A log as a node writes it, and what it held after each record.
struct History {
    writer: Writer,
    file: Vec<u8>,
    /// Where each record ends, and the state then; the empty file and the header first.
    states: Vec<(usize, State)>,
    /// How much of the file has been flushed and vouched for.
    acknowledged: usize,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct State {
    hard_state: HardState,
    log: Vec<Entry<Command>>,
}

impl History {
    fn new() -> History {
        let states = vec![(0, State::default())];
        History {
            writer: Writer::new(IDENTITY, 0, 0),
            file: Vec::new(),
            states,
            acknowledged: 0,
        }
    }

    fn batch(&mut self, hard_state: Option<HardState>, truncate_from: Option<u64>, append: Vec<Entry<Command>>) {
        if self.file.is_empty() {
            self.states.push((HEADER_BYTES, State::default()));
        }
        self.writer
            .batch(hard_state, truncate_from.map(LogIndex), &append, &mut self.file);
        let mut state = self.state().clone();
        state.hard_state = hard_state.unwrap_or(state.hard_state);
        state
            .log
            .truncate(truncate_from.map_or(state.log.len(), |from| from as usize - 1));
        state.log.extend(append);
        self.states.push((self.file.len(), state));
    }

    /// The flush came back: the node says so in the file, and to the world.
    fn flushed(&mut self) {
        self.acknowledged = self.file.len();
        self.writer.acknowledge(self.file.len() as u64, &mut self.file);
        self.states.push((self.file.len(), self.state().clone()));
    }

    fn state(&self) -> &State {
        &self.states.last().expect("a history begins with the empty state").1
    }

    /// The last state whose record ends within `bytes`.
    fn state_within(&self, bytes: usize) -> &State {
        let (_, state) = self
            .states
            .iter()
            .rfind(|(end, _)| *end <= bytes)
            .expect("the empty file is within any");
        state
    }
}

fn state(recovered: Recovered) -> State {
    State {
        hard_state: recovered.hard_state,
        log: recovered.log,
    }
}

fn voted(term: u64, vote: u8) -> Option<HardState> {
    Some(HardState {
        term: Term(term),
        voted_for: Some(NodeId(vote)),
    })
}

fn push(term: u64, item: i64) -> Entry<Command> {
    let write = Write::Push { qid: QueueId(1), item };
    let command = Command::Write {
        session: SessionId { index: 2, nonce: 3 },
        sequence: Sequence(item as u64),
        write,
    };
    Entry {
        term: Term(term),
        payload: Payload::Command(command),
    }
}

/// Two terms, a conflict, three flushes, and a last batch that nobody was told of.
fn history() -> History {
    let mut history = History::new();
    history.batch(voted(1, 3), None, vec![]);
    history.flushed();
    history.batch(None, None, vec![push(1, 1), push(1, 2)]);
    history.batch(None, None, vec![push(1, 3)]);
    history.flushed();
    history.batch(voted(2, 5), Some(3), vec![push(2, 30), push(2, 40)]);
    history.flushed();
    history.batch(None, None, vec![push(2, 50)]);
    history
}

#[test]
fn what_was_written_is_read() {
    let history = history();
    let recovered = recover(IDENTITY, &history.file).unwrap();
    assert_eq!(recovered.valid_bytes, history.file.len() as u64);
    assert_eq!(recovered.dropped_bytes, 0);
    assert_eq!(recovered.records, 8);
    assert_eq!(
        recovered.hard_state,
        HardState {
            term: Term(2),
            voted_for: Some(NodeId(5))
        }
    );
    assert_eq!(
        recovered.log,
        [push(1, 1), push(1, 2), push(2, 30), push(2, 40), push(2, 50)]
    );
}

#[test]
fn an_empty_file_is_a_new_node() {
    assert_eq!(recover(IDENTITY, &[]), Ok(Recovered::default()));
}

/// What the file ends with after a crash is a prefix of what was written, and no shorter than what was flushed.
#[test]
fn cut_at_every_byte() {
    let history = history();
    for cut in 0..=history.file.len() {
        let recovered =
            recover(IDENTITY, &history.file[..cut]).unwrap_or_else(|damage| panic!("cut at {cut}: {damage}"));
        assert_eq!(
            recovered.valid_bytes + recovered.dropped_bytes,
            cut as u64,
            "cut at {cut}"
        );
        let found = state(recovered);
        assert_eq!(&found, history.state_within(cut), "cut at {cut}");
        if cut >= history.acknowledged {
            let acknowledged = history.state_within(history.acknowledged);
            assert!(found.hard_state.term >= acknowledged.hard_state.term, "cut at {cut}");
            assert!(found.log.starts_with(&acknowledged.log), "cut at {cut}");
        }
    }
}

/// The same, and the node goes on writing after it has cut off the torn end.
#[test]
fn a_node_goes_on_after_every_cut() {
    let history = history();
    for cut in 0..=history.file.len() {
        let recovered = recover(IDENTITY, &history.file[..cut]).unwrap();
        let mut file = history.file[..recovered.valid_bytes as usize].to_vec();
        let mut writer = Writer::new(IDENTITY, 0, recovered.valid_bytes);
        writer.acknowledge(file.len() as u64, &mut file);
        writer.batch(voted(9, 1), None, &[push(9, 99)], &mut file);
        let again = recover(IDENTITY, &file).unwrap_or_else(|damage| panic!("cut at {cut}: {damage}"));
        assert_eq!(again.dropped_bytes, 0, "cut at {cut}");
        assert_eq!(again.hard_state.term, Term(9), "cut at {cut}");
        assert_eq!(again.log.len(), recovered.log.len() + 1, "cut at {cut}");
    }
}

#[test]
fn every_single_bit_flipped() {
    let history = history();
    let whole = history.state();
    let (mut same, mut shortened, mut refused) = (0, 0, 0);
    for bit in 0..history.file.len() * 8 {
        match flip_and_recover(&history, bit) {
            Ok(found) if found == *whole => same += 1,
            Ok(_) => shortened += 1,
            Err(_) => refused += 1,
        }
    }
    // The last marker may go without loss; the last batch was never acknowledged; of the header there are two; all between is
    // refused.
    let unacknowledged = history.file.len() - history.acknowledged;
    assert_eq!(same + shortened, (HEADER_BYTES + unacknowledged) * 8);
    assert_eq!(refused, (history.acknowledged - HEADER_BYTES) * 8);
}

/// Flips one bit and checks what [`recover`] makes of it against the rule.
fn flip_and_recover(history: &History, bit: usize) -> Result<State, Damage> {
    let mut file = history.file.clone();
    file[bit / 8] ^= 1 << (bit % 8);
    let begin = history
        .states
        .iter()
        .map(|(end, _)| *end)
        .rfind(|end| *end <= bit / 8)
        .unwrap();
    let outcome = recover(IDENTITY, &file).map(state);
    match &outcome {
        Ok(found) if bit / 8 < HEADER_BYTES => assert_eq!(found, history.state(), "bit {bit}"),
        Ok(found) => {
            assert!(
                begin >= history.acknowledged,
                "byte {} was acknowledged, and its damage accepted",
                bit / 8
            );
            assert_eq!(found, history.state_within(begin), "bit {bit}");
        }
        Err(damage) => {
            assert_eq!(damage.offset, begin as u64, "bit {bit}: {damage}");
            let record = history
                .states
                .iter()
                .filter(|(end, _)| *end <= begin && *end > 0)
                .count();
            assert_eq!(damage.record, record as u64, "bit {bit}: {damage}");
        }
    }
    outcome
}

#[test]
fn a_damaged_acknowledged_record_is_named() {
    let history = history();
    let mut file = history.file.clone();
    let third = history.states[4].0;
    file[third + RECORD_HEAD_BYTES + 2] ^= 0x10;
    let damage = recover(IDENTITY, &file).unwrap_err();
    assert_eq!(
        damage,
        Damage {
            file: 0,
            record: 4,
            offset: third as u64,
            what: Flaw::Checksum
        }
    );
    let told = format!(
        "the write-ahead log is damaged: record 4, at byte {third}, was acknowledged, but its checksum is wrong"
    );
    assert_eq!(damage.to_string(), told);
}

/// A length that was damaged must not hide the records behind it, which vouch for the one it belongs to.
#[test]
fn a_damaged_length_hides_nothing() {
    let mut file = history().file;
    file[HEADER_BYTES + 6] ^= 0x01;
    let damage = recover(IDENTITY, &file).unwrap_err();
    assert_eq!((damage.record, damage.offset), (1, HEADER_BYTES as u64));
}

/// Pages of one unflushed write may reach the disk in any order: a hole in it is no damage.
#[test]
fn a_hole_in_an_unflushed_write_is_dropped() {
    let mut history = history();
    history.flushed();
    let flushed = history.file.len();
    history.batch(None, None, vec![push(2, 60)]);
    let hole_end = history.file.len();
    history.batch(None, None, vec![push(2, 70)]);
    history.file[flushed..hole_end].fill(0);
    let recovered = recover(IDENTITY, &history.file).unwrap();
    assert_eq!(recovered.valid_bytes, flushed as u64);
    assert_eq!(recovered.log.last(), Some(&push(2, 50)));
}

/// Blocks of a disk may turn up where they do not belong.
#[test]
fn a_copy_of_a_record_elsewhere_is_no_record() {
    let history = history();
    let (begin, end) = (history.states[history.states.len() - 2].0, history.file.len());
    let mut file = history.file.clone();
    file.extend_from_within(begin..end);
    let recovered = recover(IDENTITY, &file).unwrap();
    assert_eq!(
        (recovered.valid_bytes, recovered.dropped_bytes),
        (end as u64, (end - begin) as u64)
    );
    assert_eq!(&state(recovered), history.state());
}

#[test]
fn a_foreign_log_is_refused() {
    let file = history().file;
    let told = |identity, file: &[u8]| recover(identity, file).unwrap_err().to_string();
    assert_eq!(
        told(
            Identity {
                node: NodeId(4),
                ..IDENTITY
            },
            &file
        ),
        "the write-ahead log cannot be used: it belongs to Node 3, and this is Node 4"
    );
    assert_eq!(
        told(Identity { members: 3, ..IDENTITY }, &file),
        "the write-ahead log cannot be used: it belongs to a cluster of 5, and this is a cluster of 3"
    );
    assert_eq!(
        told(IDENTITY, b"a letter to somebody else"),
        "the write-ahead log cannot be used: the file does not begin as a log of FTQueue does"
    );
}

#[test]
fn a_log_of_another_epoch_is_refused() {
    let epoch = Epoch(1);
    let refused = recover(Identity { epoch, ..IDENTITY }, &history().file).unwrap_err();
    let (found, ours) = (Epoch(0), epoch);
    assert_eq!(
        (refused.record, refused.what.clone()),
        (0, Flaw::OtherEpoch { found, ours })
    );
    assert_eq!(
        refused.to_string(),
        "the write-ahead log cannot be used: it belongs to epoch 0 of the cluster, and this is epoch 1"
    );
}

/// Until version 2 the header was shorter.
#[test]
fn an_older_log_is_refused_by_its_version() {
    let mut file = b"ftqueue\n\x01\x03\x05\x00".to_vec();
    file.extend(crc32fast::hash(&file).to_le_bytes());
    file.extend([7; 80]);
    assert_eq!(recover(IDENTITY, &file).unwrap_err().what, Flaw::Version { found: 1 });
}

#[test]
fn a_newer_log_is_refused() {
    let mut file = history().file;
    file[8] = WAL_VERSION + 1;
    let (copy, checksum_at) = (HEADER_BYTES / 2, HEADER_BYTES / 2 - 4);
    let checksum = crc32fast::hash(&file[..checksum_at]);
    file[checksum_at..copy].copy_from_slice(&checksum.to_le_bytes());
    assert_eq!(
        recover(IDENTITY, &file).unwrap_err().to_string(),
        format!(
            "the write-ahead log cannot be used: version {} of FTQueue wrote it, and this one reads version {WAL_VERSION}",
            WAL_VERSION + 1
        )
    );
}

#[test]
fn a_batch_that_is_too_long_for_a_record_takes_several() {
    let mut history = History::new();
    let entries: Vec<_> = (0..RECORD_ENTRIES_MAX as i64 * 2 + 1)
        .map(|item| push(1, i64::MIN + item))
        .collect();
    history.batch(voted(1, 3), None, entries.clone());
    let recovered = recover(IDENTITY, &history.file).unwrap();
    assert_eq!(recovered.records, 3);
    assert_eq!(recovered.log, entries);
}

/// One thing a node does to its log. Numbers are reduced to what the log allows.
#[derive(Clone, Debug)]
enum Deed {
    Batch {
        hard_state: Option<HardState>,
        truncate: Option<u64>,
        append: Vec<Entry<Command>>,
    },
    Flushed,
}

fn deed() -> impl Strategy<Value = Deed> {
    let batch = (
        proptest::option::of(strategies::hard_state()),
        proptest::option::weighted(0.3, any::<u64>()),
        vec(strategies::entry(), 0..4),
    );
    prop_oneof![
        3 => batch.prop_map(|(hard_state, truncate, append)| Deed::Batch { hard_state, truncate, append }),
        2 => Just(Deed::Flushed),
    ]
}

fn live(deeds: Vec<Deed>) -> History {
    let mut history = History::new();
    for deed in deeds {
        match deed {
            Deed::Batch {
                hard_state,
                truncate,
                append,
            } => {
                let last = history.state().log.len() as u64;
                history.batch(hard_state, truncate.map(|from| from % (last + 1) + 1), append);
            }
            Deed::Flushed if history.acknowledged < history.file.len() => history.flushed(),
            Deed::Flushed => {}
        }
    }
    history
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_history_survives_any_cut(deeds in vec(deed(), 0..12)) {
        let history = live(deeds);
        for cut in 0..=history.file.len() {
            let found = recover(IDENTITY, &history.file[..cut]).map(state);
            prop_assert_eq!(found.as_ref(), Ok(history.state_within(cut)), "cut at {}", cut);
        }
    }

    #[test]
    fn any_history_survives_any_flipped_bit(deeds in vec(deed(), 1..10), bits in vec(any::<prop::sample::Index>(), 64)) {
        let history = live(deeds);
        prop_assume!(history.file.len() > HEADER_BYTES);
        for bit in bits {
            let _ = flip_and_recover(&history, bit.index(history.file.len() * 8));
        }
    }

    #[test]
    fn noise_never_panics(noise in vec(any::<u8>(), 0..400), behind_a_log: bool) {
        let mut file = if behind_a_log { history().file } else { Vec::new() };
        file.extend(noise);
        let _ = recover(IDENTITY, &file);
    }
}

/// A log that was begun anew: the first file as it was, and the second with a snapshot and what came behind it.
struct Rewritten {
    first: History,
    second: Vec<u8>,
    /// Where the seal ends.
    sealed: usize,
    writer: Writer,
}

fn snapshot() -> Snapshot {
    Snapshot {
        last_included_index: LogIndex(2),
        last_included_term: Term(1),
        data: (0..1_200_000_u32).map(|byte| byte as u8).collect(),
    }
}

fn rewritten(snapshot: &Snapshot) -> Rewritten {
    let first = history();
    let State { hard_state, log } = first.state().clone();
    let mut second = Vec::new();
    let mut writer = first.writer.clone();
    writer.begin_anew(snapshot, hard_state, &log[2..], &mut second);
    Rewritten {
        first,
        sealed: second.len(),
        second,
        writer,
    }
}

#[test]
fn a_snapshot_takes_the_place_of_what_it_stands_for() {
    let snapshot = snapshot();
    let Rewritten {
        first,
        mut second,
        mut writer,
        ..
    } = rewritten(&snapshot);
    writer.acknowledge(writer.written(), &mut second);
    writer.batch(None, Some(LogIndex(5)), &[push(2, 60), push(2, 70)], &mut second);
    // Whether the first file is emptied already or not, and wherever each lies.
    for files in [
        [&first.file[..], &second[..]],
        [&[], &second],
        [&second, &first.file],
        [&second, &[]],
    ] {
        let found = cluster::wal::recover(IDENTITY, files).unwrap();
        assert_eq!(files[found.file], second);
        assert_eq!(
            (found.generation, found.valid_bytes),
            (writer.generation(), writer.written())
        );
        assert_eq!((found.dropped_bytes, found.snapshot_index()), (0, LogIndex(2)));
        assert_eq!(found.hard_state, first.state().hard_state);
        assert_eq!(found.log, [push(2, 30), push(2, 40), push(2, 60), push(2, 70)]);
        assert_eq!(found.snapshot.as_ref(), Some(&snapshot));
    }
}

#[test]
fn what_is_not_sealed_counts_for_nothing() {
    let small = Snapshot {
        data: vec![7; 300],
        ..snapshot()
    };
    let Rewritten {
        first, second, sealed, ..
    } = rewritten(&small);
    for cut in 0..=sealed {
        let found = cluster::wal::recover(IDENTITY, [&first.file, &second[..cut]]).unwrap();
        if cut == sealed {
            assert_eq!((found.file, found.snapshot_index()), (1, LogIndex(2)));
        } else {
            assert_eq!((found.file, found.dropped_bytes), (0, cut as u64), "cut at {cut}");
            assert_eq!(state(found), *first.state(), "cut at {cut}");
        }
    }
    // The first file is gone, and something had been acknowledged in it: it was emptied because the second was whole.
    let damage = cluster::wal::recover(IDENTITY, [&[], &second[..sealed - 1]]).unwrap_err();
    assert_eq!((damage.file, damage.what), (1, Flaw::NoSeal));
    // Nothing of the first file had been flushed, and it is gone: there is nothing.
    let (mut writer, mut second) = (Writer::new(IDENTITY, 0, 0), Vec::new());
    writer.batch(voted(1, 3), None, &[], &mut second);
    second.clear();
    writer.begin_anew(&small, HardState::default(), &[], &mut second);
    let found = cluster::wal::recover(IDENTITY, [&[], &second[..second.len() - 1]]).unwrap();
    assert_eq!((found.file, found.valid_bytes, found.generation), (0, 0, 0));
    assert_eq!(state(found), State::default());
}

#[test]
fn a_flipped_bit_in_a_new_file_is_noticed() {
    let small = Snapshot {
        data: vec![7; 60],
        ..snapshot()
    };
    let Rewritten {
        first,
        mut second,
        sealed,
        mut writer,
    } = rewritten(&small);
    for bit in 0..sealed * 8 {
        let mut flipped = second.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        // While it was being written, the first file is whole.
        let found = cluster::wal::recover(IDENTITY, [&first.file, &flipped]);
        let found = found.unwrap_or_else(|damage| panic!("bit {bit}: {damage}"));
        let expected = if bit < HEADER_BYTES * 8 { 1 } else { 0 };
        assert_eq!(found.file, expected, "bit {bit}");
        if expected == 0 {
            assert_eq!(state(found), *first.state(), "bit {bit}");
        }
    }
    // Once it is acknowledged, the first is emptied, and damage is damage.
    writer.acknowledge(writer.written(), &mut second);
    for bit in HEADER_BYTES * 8..sealed * 8 {
        let mut flipped = second.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let damage = cluster::wal::recover(IDENTITY, [&[], &flipped]).unwrap_err();
        assert_eq!(damage.file, 1);
    }
}

#[test]
fn generations_go_round() {
    let small = Snapshot {
        data: vec![7],
        ..snapshot()
    };
    let mut files = [history().file, Vec::new()];
    let mut writer = Writer::new(IDENTITY, 0, files[0].len() as u64);
    for turn in 1..600 {
        let next = turn % 2;
        files[next].clear();
        writer.begin_anew(&small, HardState::default(), &[push(1, turn as i64)], &mut files[next]);
        assert_ne!(writer.generation(), 0, "only a first file needs no seal");
        let found = cluster::wal::recover(IDENTITY, [&files[0], &files[1]]).unwrap();
        assert_eq!((found.file, &found.log[..]), (next, &[push(1, turn as i64)][..]));
    }
}

#[test]
fn a_snapshot_stands_only_where_a_file_begins() {
    let Rewritten { second, sealed, .. } = rewritten(&Snapshot {
        data: vec![7; 60],
        ..snapshot()
    });
    // The same records under the header of a first file.
    let mut first = History::new();
    first.batch(voted(1, 3), None, vec![]);
    let forged = [&first.file[..HEADER_BYTES], &second[HEADER_BYTES..sealed]].concat();
    let damage = recover(IDENTITY, &forged).unwrap_err();
    assert_eq!((damage.record, damage.what), (1, Flaw::MisplacedSnapshot));
}

/// Two files as a node leaves them, and what it had acknowledged by then.
struct Stage {
    name: String,
    files: [Vec<u8>; 2],
    acknowledged: Held,
    /// What else the files hold, unflushed or beyond: what a sound reader may give as well.
    latest: Held,
}

/// What a node holds, its snapshot included.
#[derive(Clone, Debug, Default, PartialEq)]
struct Held {
    hard_state: HardState,
    snapshot: Option<Snapshot>,
    log: Vec<Entry<Command>>,
}

impl Held {
    fn of(found: &Recovered) -> Held {
        Held {
            hard_state: found.hard_state,
            snapshot: found.snapshot.clone(),
            log: found.log.clone(),
        }
    }
}

/// Every state that the two files pass through while a snapshot takes the place of the log's beginning.
fn stages() -> Vec<Stage> {
    let small = Snapshot {
        data: vec![7; 40],
        ..snapshot()
    };
    let mut first = history();
    first.flushed();
    let before = Held {
        hard_state: first.state().hard_state,
        snapshot: None,
        log: first.state().log.clone(),
    };
    let mut writer = first.writer.clone();
    let mut second = Vec::new();
    writer.begin_anew(&small, before.hard_state, &before.log[2..], &mut second);
    let sealed = second.len();
    let mut after = Held {
        snapshot: Some(small.clone()),
        log: before.log[2..].to_vec(),
        ..before.clone()
    };
    let stage = |name: String, files: [&[u8]; 2], acknowledged: &Held, latest: &Held| Stage {
        name,
        files: files.map(<[u8]>::to_vec),
        acknowledged: acknowledged.clone(),
        latest: latest.clone(),
    };
    let mut stages = vec![stage("one in use".into(), [&first.file, &[]], &before, &before)];
    for begun in 1..=sealed {
        let name = format!("the other begun with {begun} bytes of {sealed}");
        let latest = if begun == sealed { &after } else { &before };
        stages.push(stage(name, [&first.file, &second[..begun]], &before, latest));
    }
    writer.acknowledge(writer.written(), &mut second);
    stages.push(stage("the first emptied".into(), [&[], &second], &after, &after));
    writer.batch(voted(3, 1), None, &[push(3, 60)], &mut second);
    writer.acknowledge(writer.written(), &mut second);
    after.hard_state = voted(3, 1).unwrap_or_default();
    after.log.push(push(3, 60));
    stages.push(stage("going on".into(), [&[], &second], &after, &after));
    let mut third = Vec::new();
    writer.begin_anew(&small, after.hard_state, &after.log, &mut third);
    stages.push(stage(
        "the first begun again".into(),
        [&third[..third.len() - 3], &second],
        &after,
        &after,
    ));
    writer.acknowledge(writer.written(), &mut third);
    stages.push(stage("the second emptied".into(), [&third, &[]], &after, &after));
    stages
}

fn recover_both(files: &[Vec<u8>; 2]) -> Result<Recovered, Damage> {
    cluster::wal::recover(IDENTITY, [&files[0], &files[1]])
}

/// F3: a bit in a header made a node begin as new that had acknowledged a term, and another brought the older file back.
#[test]
fn no_flipped_bit_in_either_file_makes_a_node_forget() {
    let (mut read, mut refused) = (0, 0);
    for stage in stages() {
        let Stage {
            name,
            files,
            acknowledged,
            latest,
        } = stage;
        assert_eq!(Held::of(&recover_both(&files).unwrap()), latest, "{name}");
        for file in 0..2 {
            for bit in 0..files[file].len() * 8 {
                let mut flipped = files.clone();
                flipped[file][bit / 8] ^= 1 << (bit % 8);
                match recover_both(&flipped) {
                    Ok(found) => {
                        let held = Held::of(&found);
                        assert!(
                            held == latest || held == acknowledged,
                            "{name}: bit {bit} of file {file} gives {held:?}"
                        );
                        read += 1;
                    }
                    Err(damage) => {
                        assert!(bit / 8 >= HEADER_BYTES, "{name}: bit {bit} of file {file}: {damage}");
                        refused += 1;
                    }
                }
            }
        }
    }
    assert!(read > 10_000 && refused > 10_000, "{read} read, {refused} refused");
}

/// With both copies of a header damaged the file is refused by name, for something was promised on its strength.
#[test]
fn a_file_that_has_lost_both_headers_is_refused_by_name() {
    for stage in stages() {
        let in_use = recover_both(&stage.files).unwrap().file;
        let mut files = stage.files.clone();
        files[in_use][9] ^= 1;
        files[in_use][HEADER_BYTES / 2 + 11] ^= 4;
        match recover_both(&files) {
            Ok(found) => {
                // It was sealed a moment ago, and the older holds all that was acknowledged.
                assert_ne!(found.file, in_use, "{}", stage.name);
                assert_eq!(Held::of(&found), stage.acknowledged, "{}", stage.name);
            }
            Err(damage) => assert_eq!(
                (damage.file, damage.record, damage.what),
                (in_use, 0, Flaw::HeaderChecksum),
                "{}",
                stage.name
            ),
        }
    }
}

/// The other side of F3: what a crash leaves of a first write that was never flushed is no reason to refuse for good.
#[test]
fn zeros_in_place_of_a_first_write_are_an_empty_file() {
    let mut history = History::new();
    history.batch(voted(1, 3), None, vec![push(1, 1)]);
    let whole = history.file;
    for written in 0..HEADER_BYTES {
        for zeros in [0, 1, HEADER_BYTES - written, whole.len(), 5_000] {
            let mut file = whole[..written].to_vec();
            file.resize(written + zeros, 0);
            let found = recover(IDENTITY, &file).unwrap_or_else(|damage| panic!("{written} and {zeros}: {damage}"));
            // A copy of the header may be whole; what comes after is none.
            assert_eq!(found.dropped_bytes + found.valid_bytes, file.len() as u64);
            assert_eq!(
                (found.records, state(found)),
                (0, State::default()),
                "{written} and {zeros}"
            );
        }
    }
}

/// Zeros of every length in place of what was not flushed: the acknowledged part is there, and nothing else.
#[test]
fn zeros_in_place_of_an_unflushed_end_are_dropped() {
    let mut history = history();
    history.flushed();
    let flushed = history.file.len();
    let state_then = history.state().clone();
    history.batch(None, None, vec![push(2, 60), push(2, 70)]);
    for begin in flushed..history.file.len() {
        for zeros in [1, history.file.len() - begin, 4096] {
            let mut file = history.file[..begin].to_vec();
            file.resize(begin + zeros, 0);
            let found = recover(IDENTITY, &file).unwrap();
            assert_eq!(state(found), state_then, "zeros from {begin}");
        }
    }
    // The same for a file that was being begun: the one before it counts.
    for Stage {
        name,
        files,
        acknowledged,
        ..
    } in stages()
    {
        let (begun, whole) = (&files[1], &files[0]);
        if !name.starts_with("the other begun") {
            continue;
        }
        for kept in [0, 1, begun.len() / 2, begun.len().saturating_sub(1)] {
            let mut torn = begun[..kept].to_vec();
            torn.resize(begun.len(), 0);
            let found = cluster::wal::recover(IDENTITY, [whole, &torn]).unwrap();
            assert_eq!(Held::of(&found), acknowledged, "{name}, {kept} kept");
        }
    }
}
