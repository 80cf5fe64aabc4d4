//! The node's log files: in the Origin Private File System, or in memory where the page says so.
//!
//! A synchronous access handle is exclusive, and the browser releases the one of a terminated Worker a little after the
//! Worker is gone. So opening is tried again for a while. Whatever cannot be opened is an error and never a reason to
//! fall back to memory: a node that forgets what it promised breaks the cluster. That all of a cluster's logs are in memory is
//! decided by the page, before any node has promised anything.

use std::fmt;

use cluster::disk::{DiskError, RawFile, Refusal};
use cluster::host::Storage;
use js_sys::{Function, Promise, Reflect};
use raft_core::NodeId;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    DomException, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions,
    FileSystemGetFileOptions, FileSystemReadWriteOptions, FileSystemSyncAccessHandle,
};

use crate::scope;

/// How long to wait in all for a terminated Worker's handle to be released. Mostly it takes a few milliseconds; but
/// Chromium gives a Worker that is busy two seconds before it stops it by force.
pub const OPEN_WAIT_MS_MAX: u32 = 5_000;
/// The first wait between two tries to open; each one after is twice as long, up to [`OPEN_PAUSE_MS_MAX`].
const OPEN_PAUSE_MS_MIN: u32 = 4;
/// The longest wait between two tries to open.
const OPEN_PAUSE_MS_MAX: u32 = 128;

/// What Chromium has been seen to answer to a write on a full disk: the number of its error, also without its sign.
const NO_SPACE: [f64; 2] = [-8.0, 4_294_967_288.0];

/// Why the log file cannot be used, in words for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageError {
    /// The browser gives this page no files, or not this one.
    NotGiven(String),
    /// There is no room now, and there may be later.
    NoRoom(String),
    /// Anything else.
    Failed(String),
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (StorageError::NotGiven(why) | StorageError::NoRoom(why) | StorageError::Failed(why)) = self;
        f.write_str(why)
    }
}

impl From<DiskError> for StorageError {
    fn from(error: DiskError) -> StorageError {
        match error {
            DiskError::NoRoom { why } => StorageError::NoRoom(why),
            error => StorageError::Failed(error.to_string()),
        }
    }
}

/// A node's disk, wherever its files are.
pub type Disk = cluster::disk::Disk<Box<dyn RawFile>>;

/// Opens the disk of a node: two files in `directory`, made if they are missing; in memory, if it says why.
///
/// # Errors
/// A file cannot be opened, for instance because another tab holds it.
pub async fn open(directory: Result<&str, &str>, id: NodeId) -> Result<Opened, StorageError> {
    let [first, second] = file_names(id);
    let first = open_file(directory, &first).await?;
    let second = open_file(directory, &second).await?;
    Ok(Opened {
        disk: Disk::new([first.log, second.log])?,
        storage: first.storage,
        files_were_missing: first.was_missing && second.was_missing,
    })
}

/// A node's disk that was opened.
pub struct Opened {
    /// The disk.
    pub disk: Disk,
    /// Where it keeps what it is given.
    pub storage: Storage,
    /// Whether neither of its files was there before.
    pub files_were_missing: bool,
}

/// A file that was opened.
pub struct OpenedFile {
    /// The file.
    pub log: Box<dyn RawFile>,
    /// Where it keeps what it is given.
    pub storage: Storage,
    /// Whether it was not there before.
    pub was_missing: bool,
}

/// The names of a node's log files in its cluster's directory.
pub fn file_names(id: NodeId) -> [String; 2] {
    [format!("node-{}.wal", id.0), format!("node-{}.other.wal", id.0)]
}

/// Opens one file, `directory/name`. As [`open`].
///
/// # Errors
/// As [`open`].
pub async fn open_file(directory: Result<&str, &str>, name: &str) -> Result<OpenedFile, StorageError> {
    let directory = match directory {
        Ok(directory) => directory,
        Err(why) => {
            return Ok(OpenedFile {
                log: Box::new(MemoryLog::default()),
                storage: Storage::Memory { why: why.into() },
                was_missing: true,
            });
        }
    };
    let (file, was_missing) = file_handle(root().await?, directory, name).await?;
    if !Reflect::has(&file, &"createSyncAccessHandle".into()).unwrap_or(false) {
        let why = "this browser has no synchronous access to private files".into();
        return Err(StorageError::NotGiven(why));
    }
    let log = OpfsLog::new(access_handle(&file, &format!("{directory}/{name}")).await?);
    Ok(OpenedFile {
        log: Box::new(log),
        storage: Storage::Opfs,
        was_missing,
    })
}

/// A log in the Origin Private File System. The handle is released when this is dropped.
#[derive(Debug)]
pub struct OpfsLog {
    handle: FileSystemSyncAccessHandle,
    at: FileSystemReadWriteOptions,
}

impl OpfsLog {
    /// A log behind this handle.
    pub fn new(handle: FileSystemSyncAccessHandle) -> OpfsLog {
        OpfsLog {
            handle,
            at: FileSystemReadWriteOptions::new(),
        }
    }
}

impl RawFile for OpfsLog {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> Result<f64, Refusal> {
        self.at.set_at_f64(at as f64);
        let said = self
            .handle
            .write_with_u8_array_and_options(bytes, &self.at)
            .map_err(|error| refusal(&error))?;
        if NO_SPACE.contains(&said) {
            return Err(Refusal::NoRoom(format!("it answered {said} to a write")));
        }
        Ok(said)
    }

    fn read_at(&mut self, at: u64, into: &mut [u8]) -> Result<f64, Refusal> {
        self.at.set_at_f64(at as f64);
        self.handle
            .read_with_u8_array_and_options(into, &self.at)
            .map_err(|error| refusal(&error))
    }

    fn size(&mut self) -> Result<f64, Refusal> {
        self.handle.get_size().map_err(|error| refusal(&error))
    }

    fn truncate(&mut self, bytes: u64) -> Result<(), Refusal> {
        self.handle
            .truncate_with_f64(bytes as f64)
            .map_err(|error| refusal(&error))
    }

    fn flush(&mut self, _end: u64) -> Result<(), Refusal> {
        self.handle.flush().map_err(|error| refusal(&error))
    }
}

impl Drop for OpfsLog {
    fn drop(&mut self) {
        self.handle.close();
    }
}

/// A log in memory: the twin of [`OpfsLog`] for pages that are given no private files.
#[derive(Clone, Debug, Default)]
pub struct MemoryLog {
    bytes: Vec<u8>,
}

impl RawFile for MemoryLog {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> Result<f64, Refusal> {
        let at = at as usize;
        let end = at + bytes.len();
        self.bytes.resize(self.bytes.len().max(end), 0);
        self.bytes[at..end].copy_from_slice(bytes);
        Ok(bytes.len() as f64)
    }

    fn read_at(&mut self, at: u64, into: &mut [u8]) -> Result<f64, Refusal> {
        let there = self.bytes.get(at as usize..).unwrap_or_default();
        let count = there.len().min(into.len());
        into[..count].copy_from_slice(&there[..count]);
        Ok(count as f64)
    }

    fn size(&mut self) -> Result<f64, Refusal> {
        Ok(self.bytes.len() as f64)
    }

    fn truncate(&mut self, bytes: u64) -> Result<(), Refusal> {
        self.bytes.resize(bytes as usize, 0);
        Ok(())
    }

    fn flush(&mut self, _end: u64) -> Result<(), Refusal> {
        Ok(())
    }
}

async fn root() -> Result<FileSystemDirectoryHandle, StorageError> {
    let storage = Reflect::get(&scope::global().navigator(), &"storage".into()).unwrap_or(JsValue::UNDEFINED);
    let get = Reflect::get(&storage, &"getDirectory".into())
        .ok()
        .and_then(|get| get.dyn_into::<Function>().ok());
    let Some(get) = get else {
        let why = "this browser has no private file system here".into();
        return Err(StorageError::NotGiven(why));
    };
    let opened = match get.call0(&storage) {
        Ok(promise) => JsFuture::from(Promise::from(promise)).await,
        Err(error) => Err(error),
    };
    opened
        .map(JsValue::unchecked_into)
        .map_err(|error| refused("open its private file system", &error))
}

/// The file, made if it is missing; and whether it was.
async fn file_handle(
    root: FileSystemDirectoryHandle,
    directory: &str,
    name: &str,
) -> Result<(FileSystemFileHandle, bool), StorageError> {
    let create = FileSystemGetDirectoryOptions::new();
    create.set_create(true);
    let mut here = root;
    for part in directory.split('/') {
        let next = JsFuture::from(here.get_directory_handle_with_options(part, &create)).await;
        here = next
            .map_err(|error| refused(&format!("open the directory {directory}"), &error))?
            .unchecked_into();
    }
    if let Ok(file) = JsFuture::from(here.get_file_handle(name)).await {
        return Ok((file.unchecked_into(), false));
    }
    let create = FileSystemGetFileOptions::new();
    create.set_create(true);
    let file = JsFuture::from(here.get_file_handle_with_options(name, &create)).await;
    file.map(|file| (file.unchecked_into(), true))
        .map_err(|error| refused(&format!("open the file {directory}/{name}"), &error))
}

async fn access_handle(file: &FileSystemFileHandle, path: &str) -> Result<FileSystemSyncAccessHandle, StorageError> {
    let mut waited = 0;
    let mut pause = OPEN_PAUSE_MS_MIN;
    loop {
        match JsFuture::from(file.create_sync_access_handle()).await {
            Ok(handle) => return Ok(handle.unchecked_into()),
            Err(error) if !is_taken(&error) => return Err(refused(&format!("open {path} for writing"), &error)),
            Err(_) if waited >= OPEN_WAIT_MS_MAX => {
                return Err(StorageError::Failed(format!(
                    "{path} is held by another Worker or tab, and was not released within {OPEN_WAIT_MS_MAX} ms"
                )));
            }
            Err(_) => {
                scope::sleep(pause).await;
                waited += pause;
                pause = (pause * 2).min(OPEN_PAUSE_MS_MAX);
            }
        }
    }
}

/// Whether another handle holds the file. Chromium and Firefox call it one name, WebKit the other.
fn is_taken(error: &JsValue) -> bool {
    ["NoModificationAllowedError", "InvalidStateError"].contains(&name(error).as_str())
}

fn name(error: &JsValue) -> String {
    let error = error.dyn_ref::<DomException>();
    error.map(DomException::name).unwrap_or_default()
}

fn lacks_room(error: &JsValue) -> bool {
    name(error) == "QuotaExceededError"
}

fn refusal(error: &JsValue) -> Refusal {
    let why = scope::describe(error);
    if lacks_room(error) {
        Refusal::NoRoom(why)
    } else {
        Refusal::Failed(why)
    }
}

fn refused(what: &str, error: &JsValue) -> StorageError {
    let why = format!("the browser refused to {what}: {}", scope::describe(error));
    if lacks_room(error) {
        StorageError::NoRoom(why)
    } else {
        StorageError::NotGiven(why)
    }
}
