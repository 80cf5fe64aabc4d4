//! Files and links that somebody made up to do harm: what refusing them costs, in time and memory. And what opening a large honest one
//! costs.

#![allow(unsafe_code, reason = "an allocator that counts is written no other way")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cluster::clock::{Clock, ClockSetting};
use lockstep::{Desk, Repeated};
use raft_core::NodeId;
use sim::{Scenario, Wanted, World};
use trace::lockstep::{FromLockstep, ToLockstep};

/// What a refusal may cost at most.
const MEMORY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long it may take: a second, of code as it is shipped; without optimization it takes many times as long.
const TIME_MAX: Duration = Duration::from_secs(if cfg!(debug_assertions) { 40 } else { 1 });

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
/// One test at a time: what another takes is not to be counted.
static ALONE: Mutex<()> = Mutex::new(());

struct Counting;

// SAFETY: everything is the system's; it is only counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// What was done, how long it took, and how much memory more than before at most.
fn measured<T>(act: impl FnOnce() -> T) -> (T, Duration, usize) {
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let started = Instant::now();
    let came = act();
    (came, started.elapsed(), PEAK.load(Ordering::Relaxed) - before)
}

fn desk(nodes: u8) -> Desk {
    Desk::new(
        (1..=nodes).map(NodeId).collect(),
        Clock::new(ClockSetting::starting_at(0.0)),
    )
}

fn open(desk: &mut Desk, bytes: Vec<u8>) -> Vec<String> {
    let name = "it.ftqr".to_owned();
    desk.hear(ToLockstep::OpenFile { name, bytes });
    let said = desk.take_out().into_iter();
    said.filter_map(|message| match message {
        FromLockstep::Notice(text) => Some(text),
        _ => None,
    })
    .collect()
}

/// A sound file of a small run, with a branch.
fn good() -> Vec<u8> {
    let wanted = Wanted {
        nodes: Some(3),
        seconds: Some(1),
        faults: Some([].into_iter().collect()),
        ..Wanted::default()
    };
    let scenario = Scenario::drawn(3, wanted);
    let mut world = World::new(&scenario).unwrap();
    world.tell_all();
    world.run_until(raft_core::Instant(700_000), |_| false).unwrap();
    let mut desk = desk(3);
    for told in world.take_told() {
        desk.piece(told.node, told.boot, told.piece);
    }
    while desk.work(1 << 16) {}
    desk.hear(ToLockstep::Look(Some(raft_core::Instant(600_000))));
    desk.hear(ToLockstep::Act(trace::Act::Crash(NodeId(1))));
    desk.take_out();
    desk.hear(ToLockstep::Do("make file".to_owned()));
    let said = desk.take_out();
    let file = said.into_iter().find_map(|message| match message {
        FromLockstep::Made { bytes, .. } => Some(bytes),
        _ => None,
    });
    file.unwrap()
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A piece of an unpacked file.
fn piece(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_le_bytes(), bytes].concat()
}

/// A head of three members, without a name or faults, that goes on so.
fn head(rest: &[u8]) -> Vec<u8> {
    piece(&[&[3, 0, 0], rest].concat())
}

/// A head with nothing wrong.
fn small_head(file: &[u8]) -> Vec<u8> {
    let body = lockstep::body_of(file).unwrap();
    let length = u32::from_le_bytes(body[..4].try_into().unwrap()) as usize;
    body[..4 + length].to_vec()
}

/// Both shapes of the report, and others of their kinds: each is refused within a second and 64 MB, and nothing else is disturbed.
#[test]
fn what_would_flood_is_refused_at_once() {
    let _alone = ALONE.lock();
    let file = good();
    let fine = small_head(&file);
    let flush_steps = |count: usize| {
        // Told: node 1, boot 1, steps; each of them a flush.
        let told = [&[1, 1, 1, 1], &varint(count as u64)[..], &vec![1; count]].concat();
        piece(&told)
    };
    let state = |bytes: &[u8]| {
        // Told: node 1, boot 1, begun with a state at 0.
        piece(&[&[1, 1, 1, 0, 1], &varint(bytes.len() as u64)[..], bytes, &[0]].concat())
    };
    let after_head = |rest: Vec<u8>| [fine.clone(), rest].concat();
    let hostile: Vec<(&str, Vec<u8>)> = vec![
        (
            "60 million empty notes",
            head(&[&varint(60_000_000)[..], &vec![0; 120_000_000]].concat()),
        ),
        (
            "as many as a head has room for",
            head(&[&varint(2_000_000)[..], &vec![0; 4_000_000]].concat()),
        ),
        ("a claim of notes", head(&varint(u64::MAX))),
        (
            "a claim of a long name",
            piece(&[&[3][..], &varint(u64::MAX >> 1)].concat()),
        ),
        ("a claim of a long part", after_head(u32::MAX.to_le_bytes().to_vec())),
        ("one of flushes", after_head(flush_steps(12_000_000))),
        (
            "many of flushes",
            after_head((0..40).flat_map(|_| flush_steps(250_000)).collect()),
        ),
        (
            "a claim of steps",
            after_head(piece(&[&[1, 1, 1, 1], &varint(u64::MAX)[..]].concat())),
        ),
        ("a state of nothing", after_head(state(&vec![0; 11_000_000]))),
        (
            "a state of claims",
            after_head(state(&[&[6][..], &[0xff; 10_000_000]].concat())),
        ),
        ("zeros", vec![0; 400_000_000]),
        ("ones", vec![0xff; 400_000_000]),
        ("ends of lives", after_head(piece(&[1, 1, 1, 2, 0]).repeat(8_000_000))),
        ("parts without anything", after_head(piece(&[2, 0]).repeat(10_000_000))),
    ];
    // What takes the longest only with the code as it is shipped: `cargo test --release -p lockstep --test hostile`.
    let many = hostile.len() - if cfg!(debug_assertions) { 2 } else { 0 };
    let mut reader = desk(3);
    for (what, body) in hostile.into_iter().take(many) {
        let bytes = lockstep::with_head(&body);
        drop(body);
        let size = bytes.len();
        let (said, took, memory) = measured(|| open(&mut reader, bytes));
        println!("{what}: {size} bytes, {took:?}, {} kB", memory / 1024);
        assert_eq!(said.len(), 1, "{what}: {said:?}");
        assert!(said[0].starts_with("it.ftqr cannot be opened: ") && said[0].ends_with("Everything is as it was."));
        assert!(took < TIME_MAX, "{what}: {took:?}");
        assert!(memory < MEMORY_BYTES_MAX, "{what}: {memory} bytes");
    }
    // A file that is larger than any; the page does not even read it.
    let (said, took, memory) = measured(|| open(&mut reader, vec![b'F'; 400_000_000]));
    assert!(
        said[0].contains("382 MB") && took < TIME_MAX && memory < 401_000_000,
        "{said:?} {memory}"
    );
    reader.frame(1.0);
    let shown = reader
        .take_out()
        .into_iter()
        .any(|said| matches!(said, FromLockstep::Shown(Some(_))));
    assert!(!shown, "the present is shown as before");
}

/// The same as a link: the report's had 155,562 letters.
#[test]
fn a_link_that_would_flood_is_refused_at_once() {
    let _alone = ALONE.lock();
    let mut reader = desk(3);
    for letters in [155_562, 119_000, 400_000_000] {
        let link = "RlRRUgI".to_owned() + &"A".repeat(letters);
        let (said, took, memory) = measured(|| {
            reader.open_link(&link);
            reader.take_out()
        });
        assert!(matches!(&said[..], [FromLockstep::Notice(_)]), "{said:?}");
        assert!(
            took < TIME_MAX && memory < MEMORY_BYTES_MAX,
            "{letters}: {took:?}, {memory} bytes"
        );
    }
}

/// Cut off anywhere, with any bit flipped: in the file, where its checksum tells, and in what it unpacks to, where nothing does.
#[test]
fn every_cut_and_every_flipped_bit_is_refused_or_opens_within_its_limits() {
    let _alone = ALONE.lock();
    let file = good();
    let body = lockstep::body_of(&file).unwrap();
    let mut tried = 0;
    let mut open = |bytes: Vec<u8>, what: &dyn std::fmt::Debug| {
        let (_, took, memory) = measured(|| Repeated::of(&bytes).map(|run| run.hash_at(600_000)).is_ok());
        assert!(
            took < TIME_MAX && memory < MEMORY_BYTES_MAX,
            "{what:?}: {took:?}, {memory} bytes"
        );
        tried += 1;
    };
    for end in 0..file.len() {
        open(file[..end].to_vec(), &("cut", end));
    }
    // Without optimization only some of them.
    let step = if cfg!(debug_assertions) { 61 } else { 1 };
    for bit in (0..file.len() * 8).step_by(step) {
        let mut flipped = file.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        open(flipped, &("flipped", bit));
    }
    // Each of these may be a run that has to be carried out.
    let step = step * 4 - 3;
    for end in (0..body.len()).step_by(step) {
        open(lockstep::with_head(&body[..end]), &("cut within", end));
    }
    for bit in (0..body.len() * 8).step_by(step) {
        let mut flipped = body.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        open(lockstep::with_head(&flipped), &("flipped within", bit));
    }
    println!("{} bytes, {} unpacked: {tried} tried", file.len(), body.len());
}

/// A scenario as long as any is opened within what a tape may hold, not in what it makes happen.
#[test]
fn a_long_scenario_takes_no_more_memory_than_a_tape() {
    let _alone = ALONE.lock();
    let seconds = if cfg!(debug_assertions) { 4 } else { 600 };
    let wanted = Wanted {
        nodes: Some(9),
        seconds: Some(seconds),
        rate: Some(300),
        faults: Some([].into_iter().collect()),
        ..Wanted::default()
    };
    let bytes = sim::file::write(&Scenario::drawn(1, wanted)).unwrap();
    let mut reader = desk(3);
    let (said, took, memory) = measured(|| open(&mut reader, bytes));
    println!("{seconds} s of nine nodes: {took:?}, {} MB", memory / 1024 / 1024);
    assert_eq!(said, Vec::<String>::new());
    // A quarter of it is the tape; beside it there is what the timeline keeps, and the world itself with its judge.
    assert!(memory < trace::tape::TAPE_BYTES_MAX, "{memory} bytes");
}
