//! The log file against a real Origin Private File System, in a dedicated Worker.

use cluster::disk::{DiskError, RawFile};
use cluster::host::Storage;
use cluster::node::OpenDisk;
use wasm_bindgen::JsCast;
use wasm_bindgen_test::wasm_bindgen_test;
use worker::scope;
use worker::storage::{self, Disk, MemoryLog, OPEN_WAIT_MS_MAX, OpfsLog};

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
    let error = storage::open_file(Some(&directory), "node-7.wal")
        .await
        .err()
        .expect("the file is taken");
    let waited = scope::wall_ms() - started;
    assert!(
        error.0.contains(&directory) && error.0.contains("node-7.wal"),
        "{error}"
    );
    assert!(error.0.contains("held by another"), "{error}");
    assert!(
        waited >= f64::from(OPEN_WAIT_MS_MAX) && waited < 2.0 * f64::from(OPEN_WAIT_MS_MAX),
        "waited {waited} ms"
    );
}

#[wasm_bindgen_test]
async fn a_name_that_is_no_directory_is_an_error() {
    let error = storage::open_file(Some("ftqueue-test/.."), "node-1.wal")
        .await
        .err()
        .expect("the name is refused");
    assert!(error.0.contains("ftqueue-test/.."), "{error}");
}

#[wasm_bindgen_test]
async fn without_a_directory_the_log_is_in_memory_and_says_why() {
    let storage::OpenedFile { log, storage, .. } = storage::open_file(None, "node-1.wal").await.unwrap();
    let Storage::Memory { why } = storage else {
        panic!("{storage:?}")
    };
    assert!(!why.is_empty());
    let mut log = Disk::new([log, Box::new(MemoryLog::default())]).unwrap();
    log.append(b"gone soon").unwrap();
    log.flush().unwrap();
    assert_eq!(read(&mut log), b"gone soon");
}

#[wasm_bindgen_test]
async fn a_browser_without_private_files_keeps_the_log_in_memory() {
    let _browser = Without::given("undefined");
    let storage = storage::open_file(Some("anywhere"), "node-1.wal")
        .await
        .unwrap()
        .storage;
    let why = "this browser has no private file system here".into();
    assert_eq!(storage, Storage::Memory { why });
}

#[wasm_bindgen_test]
async fn a_window_that_is_refused_private_files_keeps_the_log_in_memory_and_says_why() {
    let _browser = Without::given("async () => { throw new DOMException('a private window', 'SecurityError'); }");
    let storage = storage::open_file(Some("anywhere"), "node-1.wal")
        .await
        .unwrap()
        .storage;
    let why = "the browser refused to open its private file system: SecurityError: a private window".into();
    assert_eq!(storage, Storage::Memory { why });
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
        "const bytes = []; return Object.assign({{
            write: (from, {{ at }}) => {{ for (let i = 0; i < from.length; i++) bytes[at + i] = from[i]; return from.length; }},
            read: (into, {{ at }}) => {{ const part = bytes.slice(at, at + into.length); into.set(part); return part.length; }},
            getSize: () => bytes.length,
            truncate: (length) => {{ bytes.length = length; }},
            flush: () => {{}},
            close: () => {{}},
        }}, {instead})"
    ));
    OpfsLog::new(
        made.call0(&wasm_bindgen::JsValue::NULL)
            .expect("the script runs")
            .unchecked_into(),
    )
}

/// F2: a Chromium answered −8, as an unsigned number, to a write on a full disk, and the write was acknowledged.
#[wasm_bindgen_test]
fn a_write_is_believed_only_if_its_count_can_be_true() {
    let told = |instead: &str| {
        let mut log = disk(lying(instead));
        log.append(b"promised").and_then(|()| log.flush()).unwrap_err()
    };
    for said in ["4294967288", "-8", "9", "NaN", "Infinity", "2.5"] {
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

/// While this lives, `navigator.storage.getDirectory` is something else, as in another browser.
struct Without;

impl Without {
    fn given(instead: &str) -> Without {
        run(&format!(
            "const at = StorageManager.prototype; at.kept = at.getDirectory; at.getDirectory = {instead};"
        ));
        Without
    }
}

impl Drop for Without {
    fn drop(&mut self) {
        run("const at = StorageManager.prototype; at.getDirectory = at.kept;");
    }
}

fn run(script: &str) {
    js_sys::Function::new_no_args(script)
        .call0(&wasm_bindgen::JsValue::NULL)
        .expect("the script runs");
}
