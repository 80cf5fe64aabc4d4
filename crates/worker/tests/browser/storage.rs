//! The log file against a real Origin Private File System, in a dedicated Worker.

use std::mem;

use cluster::disk::{DiskError, RawFile};
use cluster::host::Storage;
use cluster::node::OpenDisk;
use wasm_bindgen::JsCast;
use wasm_bindgen_test::wasm_bindgen_test;
use worker::scope;
use worker::storage::{self, Disk, MemoryLog, OPEN_WAIT_MS_MAX, OpfsLog, StorageError};

use crate::seat::{first_file, fresh};

fn disk(file: impl RawFile + 'static) -> Disk {
    Disk::new([Box::new(file), Box::new(MemoryLog::default())]).expect("a file knows how long it is")
}

/// What the first file holds.
fn read(disk: &mut Disk) -> Vec<u8> {
    let [first, _] = disk.read_all().expect("the log can be read");
    first
}

/// Keeps so many bytes of the first file.
fn keep(disk: &mut Disk, keep: u64) {
    let again = Vec::new();
    disk.go_on(&OpenDisk { file: 0, keep, again })
        .expect("the log can be shortened");
}

#[wasm_bindgen_test]
async fn what_was_flushed_is_there_when_reopened() {
    let directory = fresh("reopen");
    let mut log = first_file(&directory, 1).await;
    assert_eq!(read(&mut log), b"");
    log.append(b"one ").unwrap();
    log.append(b"").unwrap();
    log.append(b"two").unwrap();
    log.flush().unwrap();
    assert_eq!(read(&mut log), b"one two");
    drop(log);

    let mut log = first_file(&directory, 1).await;
    assert_eq!(read(&mut log), b"one two");
    log.append(b" three").unwrap();
    log.flush().unwrap();
    drop(log);
    assert_eq!(read(&mut first_file(&directory, 1).await), b"one two three");
}

#[wasm_bindgen_test]
async fn appends_go_to_the_end_after_truncation() {
    let directory = fresh("truncate");
    let mut log = first_file(&directory, 1).await;
    log.append(b"kept and dropped").unwrap();
    keep(&mut log, 4);
    log.append(b"!").unwrap();
    log.flush().unwrap();
    drop(log);
    assert_eq!(read(&mut first_file(&directory, 1).await), b"kept!");
}

#[wasm_bindgen_test]
async fn a_large_log_is_read_whole() {
    let directory = fresh("large");
    let block: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    let mut log = first_file(&directory, 1).await;
    for _ in 0..8 {
        log.append(&block).unwrap();
    }
    log.flush().unwrap();
    let read = read(&mut log);
    assert_eq!(read.len(), 8 << 20);
    assert!(read.chunks(1 << 20).all(|chunk| chunk == block));
}

#[wasm_bindgen_test]
async fn each_node_has_a_file_of_its_own() {
    let directory = fresh("nodes");
    let mut first = first_file(&directory, 1).await;
    let mut second = first_file(&directory, 2).await;
    first.append(b"1").unwrap();
    second.append(b"2").unwrap();
    assert_eq!(read(&mut first), b"1");
    assert_eq!(read(&mut second), b"2");
}

#[wasm_bindgen_test]
async fn a_taken_file_is_opened_once_it_is_released() {
    let directory = fresh("released");
    let mut held = first_file(&directory, 1).await;
    held.append(b"mine").unwrap();
    held.flush().unwrap();
    wasm_bindgen_futures::spawn_local(async move {
        scope::sleep(200).await;
        drop(held);
    });
    let started = scope::wall_ms();
    assert_eq!(read(&mut first_file(&directory, 1).await), b"mine");
    let waited = scope::wall_ms() - started;
    assert!((150.0..1_000.0).contains(&waited), "waited {waited} ms");
}

#[wasm_bindgen_test]
async fn a_file_that_stays_taken_is_an_error_and_not_a_reason_to_forget() {
    let directory = fresh("taken");
    let _held = first_file(&directory, 7).await;
    let started = scope::wall_ms();
    let error = storage::open_file(Ok(&directory), "node-7.wal")
        .await
        .err()
        .expect("the file is taken");
    let waited = scope::wall_ms() - started;
    let StorageError::Failed(why) = error else {
        panic!("{error:?}")
    };
    assert!(why.contains(&directory) && why.contains("node-7.wal"), "{why}");
    assert!(why.contains("held by another"), "{why}");
    assert!(
        waited >= f64::from(OPEN_WAIT_MS_MAX) && waited < 2.0 * f64::from(OPEN_WAIT_MS_MAX),
        "waited {waited} ms"
    );
}

#[wasm_bindgen_test]
async fn a_name_that_is_no_directory_is_an_error() {
    let error = storage::open_file(Ok("ftqueue-test/.."), "node-1.wal")
        .await
        .err()
        .expect("the name is refused");
    assert!(error.to_string().contains("ftqueue-test/.."), "{error}");
}

#[wasm_bindgen_test]
async fn without_a_directory_the_log_is_in_memory_and_says_why() {
    let opened = storage::open_file(Err("nobody wants it kept"), "node-1.wal").await;
    let storage::OpenedFile { log, storage, .. } = opened.expect("there is memory");
    let why = "nobody wants it kept".into();
    assert_eq!(storage, Storage::Memory { why });
    let mut log = Disk::new([log, Box::new(MemoryLog::default())]).unwrap();
    log.append(b"gone soon").unwrap();
    log.flush().unwrap();
    assert_eq!(read(&mut log), b"gone soon");
}

/// One node of a cluster must not forget what the others keep. So a Worker that is given no files says so and decides nothing.
#[wasm_bindgen_test]
async fn a_browser_that_gives_no_files_is_no_reason_to_forget() {
    let refused = "async () => { throw new DOMException('a private window', 'SecurityError'); }";
    let places = [
        ("undefined", "this browser has no private file system here"),
        (
            refused,
            "the browser refused to open its private file system: SecurityError: a private window",
        ),
    ];
    for (instead, why) in places {
        let _browser = Replaced::by("StorageManager", "getDirectory", instead);
        let error = storage::open_file(Ok("anywhere"), "node-1.wal").await.err();
        assert_eq!(error, Some(StorageError::NotGiven(why.into())));
    }
    let access = [
        (
            "async () => { throw new DOMException('a private window', 'UnknownError'); }",
            StorageError::NotGiven("for writing: UnknownError: a private window".into()),
        ),
        (
            "async () => { throw new DOMException('full', 'QuotaExceededError'); }",
            StorageError::NoRoom("for writing: QuotaExceededError: full".into()),
        ),
    ];
    let directory = fresh("refused");
    for (instead, expected) in access {
        let _browser = Replaced::by("FileSystemFileHandle", "createSyncAccessHandle", instead);
        let error = storage::open_file(Ok(&directory), "node-1.wal")
            .await
            .err()
            .expect("the file is refused");
        assert_eq!(mem::discriminant(&error), mem::discriminant(&expected), "{error:?}");
        assert!(error.to_string().ends_with(&expected.to_string()), "{error}");
    }
}

#[wasm_bindgen_test]
fn the_log_in_memory_is_a_twin_of_the_file() {
    let mut log = disk(MemoryLog::default());
    log.append(b"kept and dropped").unwrap();
    keep(&mut log, 4);
    log.append(b"!").unwrap();
    log.flush().unwrap();
    assert_eq!(read(&mut log), b"kept!");
}

/// A file of the browser's, of which `instead` is one method.
fn lying(instead: &str) -> OpfsLog {
    let made = js_sys::Function::new_no_args(&format!(
        "const bytes = []; const honest = {{
            write: (from, {{ at }}) => {{ for (let i = 0; i < from.length; i++) bytes[at + i] = from[i]; return from.length; }},
            read: (into, {{ at }}) => {{ const part = bytes.slice(at, at + into.length); into.set(part); return part.length; }},
            getSize: () => bytes.length,
            truncate: (length) => {{ bytes.length = length; }},
            flush: () => {{}},
            close: () => {{}},
        }};
        return {{ ...honest, ...{instead} }};"
    ));
    OpfsLog::new(
        made.call0(&wasm_bindgen::JsValue::NULL)
            .expect("the script runs")
            .unchecked_into(),
    )
}

/// F2, F18: a Chromium answered −8, as an unsigned number, to a write on a full disk, and the write was acknowledged. Others say in words
/// that there is no room. Either way nothing is flushed, and all of it is when there is room.
#[wasm_bindgen_test]
fn a_write_that_finds_no_room_is_written_again() {
    let quota = "throw new DOMException('full', 'QuotaExceededError');";
    let full = [
        ("write", "return 4294967288;"),
        ("write", "return -8;"),
        (
            "write",
            "for (let i = 0; i < 3; i++) bytes[args[1].at + i] = 99; throw new DOMException('full', 'QuotaExceededError');",
        ),
        ("write", quota),
        ("flush", quota),
    ];
    for (call, refuses) in full {
        let mut log = disk(lying(&format!(
            "{{ left: 2, {call}(...args) {{ if (this.left-- > 0) {{ {refuses} }} return honest.{call}(...args); }} }}"
        )));
        log.append(b"promised").expect("it waits");
        assert_eq!(log.flush(), Ok(false), "{call}: {refuses}");
        let flushed = (0..2).any(|_| log.flush().expect("it is only full"));
        assert!(flushed && log.lacks_room().is_none(), "{call}: {refuses}");
        assert_eq!(read(&mut log), b"promised", "{call}: {refuses}");
    }
}

/// Any other count that cannot be true is an error.
#[wasm_bindgen_test]
fn a_write_is_believed_only_if_its_count_can_be_true() {
    let told = |instead: &str| {
        let mut log = disk(lying(instead));
        log.append(b"promised")
            .and_then(|()| log.flush().map(drop))
            .unwrap_err()
    };
    for said in ["4294967287", "-9", "9", "NaN", "Infinity", "2.5"] {
        match told(&format!("{{ write: () => {said} }}")) {
            DiskError::Implausible { bytes_max: 8, .. } => {}
            other => panic!("{said} gives {other}"),
        }
    }
    assert_eq!(told("{ write: () => 0 }"), DiskError::NothingWritten);
    // It says that it wrote all, and the file is shorter: by the first write, or after a flush.
    let (found, expected) = (0, 8);
    assert_eq!(
        told("{ write: (from) => from.length }"),
        DiskError::WrongSize { found, expected }
    );
    let expected_found = DiskError::WrongSize { found: 5, expected };
    assert_eq!(told("{ flush: () => { bytes.length = 5; } }"), expected_found);
}

/// What an honest file may do: write a part at a time, and nothing now and then.
#[wasm_bindgen_test]
fn a_write_in_parts_is_a_write() {
    let mut log = disk(lying(
        "{ calls: 0, write(from, { at }) {
            if (this.calls++ % 2) return 0;
            for (let i = 0; i < Math.min(3, from.length); i++) bytes[at + i] = from[i];
            return Math.min(3, from.length);
        } }",
    ));
    log.append(b"promised").unwrap();
    log.flush().unwrap();
    assert_eq!(read(&mut log), b"promised");
}

/// While this lives, a method of a class of the browser's is something else.
struct Replaced {
    class: &'static str,
    method: &'static str,
}

impl Replaced {
    fn by(class: &'static str, method: &'static str, instead: &str) -> Replaced {
        run(&format!(
            "const at = {class}.prototype; at.kept = at.{method}; at.{method} = {instead};"
        ));
        Replaced { class, method }
    }
}

impl Drop for Replaced {
    fn drop(&mut self) {
        run(&format!(
            "const at = {}.prototype; at.{} = at.kept;",
            self.class, self.method
        ));
    }
}

fn run(script: &str) {
    js_sys::Function::new_no_args(script)
        .call0(&wasm_bindgen::JsValue::NULL)
        .expect("the script runs");
}
