//! The log file against a real Origin Private File System, in a dedicated Worker.

use cluster::host::Storage;
use wasm_bindgen_test::wasm_bindgen_test;
use worker::scope;
use worker::storage::{self, LogFile, MemoryLog, OPEN_WAIT_MS_MAX};

use crate::seat::fresh;

async fn open(directory: &str, id: u8) -> Box<dyn LogFile> {
    let storage::OpenedFile { log, storage, .. } = storage::open_file(Some(directory), &format!("node-{id}.wal"))
        .await
        .expect("the log opens");
    assert_eq!(storage, Storage::Opfs, "this browser has private files");
    log
}

#[wasm_bindgen_test]
async fn what_was_flushed_is_there_when_reopened() {
    let directory = fresh("reopen");
    let mut log = open(&directory, 1).await;
    assert_eq!(log.read_all().unwrap(), b"");
    log.append(b"one ").unwrap();
    log.append(b"").unwrap();
    log.append(b"two").unwrap();
    log.flush().unwrap();
    assert_eq!(log.read_all().unwrap(), b"one two");
    drop(log);

    let mut log = open(&directory, 1).await;
    assert_eq!(log.read_all().unwrap(), b"one two");
    log.append(b" three").unwrap();
    log.flush().unwrap();
    drop(log);
    assert_eq!(open(&directory, 1).await.read_all().unwrap(), b"one two three");
}

#[wasm_bindgen_test]
async fn appends_go_to_the_end_after_truncation() {
    let directory = fresh("truncate");
    let mut log = open(&directory, 1).await;
    log.append(b"kept and dropped").unwrap();
    log.truncate(4).unwrap();
    log.append(b"!").unwrap();
    log.flush().unwrap();
    drop(log);
    assert_eq!(open(&directory, 1).await.read_all().unwrap(), b"kept!");
}

#[wasm_bindgen_test]
async fn a_large_log_is_read_whole() {
    let directory = fresh("large");
    let block: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    let mut log = open(&directory, 1).await;
    for _ in 0..8 {
        log.append(&block).unwrap();
    }
    log.flush().unwrap();
    let read = log.read_all().unwrap();
    assert_eq!(read.len(), 8 << 20);
    assert!(read.chunks(1 << 20).all(|chunk| chunk == block));
}

#[wasm_bindgen_test]
async fn each_node_has_a_file_of_its_own() {
    let directory = fresh("nodes");
    let mut first = open(&directory, 1).await;
    let mut second = open(&directory, 2).await;
    first.append(b"1").unwrap();
    second.append(b"2").unwrap();
    assert_eq!(first.read_all().unwrap(), b"1");
    assert_eq!(second.read_all().unwrap(), b"2");
}

#[wasm_bindgen_test]
async fn a_taken_file_is_opened_once_it_is_released() {
    let directory = fresh("released");
    let mut held = open(&directory, 1).await;
    held.append(b"mine").unwrap();
    held.flush().unwrap();
    wasm_bindgen_futures::spawn_local(async move {
        scope::sleep(200).await;
        drop(held);
    });
    let started = scope::wall_ms();
    assert_eq!(open(&directory, 1).await.read_all().unwrap(), b"mine");
    let waited = scope::wall_ms() - started;
    assert!((150.0..1_000.0).contains(&waited), "waited {waited} ms");
}

#[wasm_bindgen_test]
async fn a_file_that_stays_taken_is_an_error_and_not_a_reason_to_forget() {
    let directory = fresh("taken");
    let _held = open(&directory, 7).await;
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
    let storage::OpenedFile { mut log, storage, .. } = storage::open_file(None, "node-1.wal").await.unwrap();
    let Storage::Memory { why } = storage else {
        panic!("{storage:?}")
    };
    assert!(!why.is_empty());
    log.append(b"gone soon").unwrap();
    log.flush().unwrap();
    assert_eq!(log.read_all().unwrap(), b"gone soon");
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
    let mut log = MemoryLog::default();
    log.append(b"kept and dropped").unwrap();
    log.truncate(4).unwrap();
    log.append(b"!").unwrap();
    log.flush().unwrap();
    assert_eq!(log.read_all().unwrap(), b"kept!");
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
