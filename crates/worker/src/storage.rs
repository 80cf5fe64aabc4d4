//! The node's log files: in the Origin Private File System where the browser has one, else in memory.
//!
//! A synchronous access handle is exclusive, and the browser releases the one of a terminated Worker a little after the
//! Worker is gone. So opening is tried again for a while. A file that stays taken is an error and never a reason to
//! fall back to memory: a node that forgets what it promised breaks the cluster.

use std::fmt;

use cluster::host::Storage;
use cluster::node::OpenDisk;
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
/// The largest log that is read into memory.
pub const LOG_BYTES_MAX: u64 = 1 << 30;

/// An append-only file, as much of one as a write-ahead log needs.
pub trait LogFile {
    /// Adds bytes at the end. They may be lost until the next [`LogFile::flush`].
    ///
    /// # Errors
    /// Says what the browser refused. How much was written is unknown then, and the file must not be used any more.
    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageError>;

    /// Makes all that was appended durable.
    ///
    /// # Errors
    /// Says what the browser refused. What is durable is unknown then, and the file must not be used any more.
    fn flush(&mut self) -> Result<(), StorageError>;

    /// Shortens the file to `bytes`.
    ///
    /// # Errors
    /// Says what the browser refused.
    fn truncate(&mut self, bytes: u64) -> Result<(), StorageError>;

    /// Everything in the file.
    ///
    /// # Errors
    /// Says what the browser refused, or that the file is too large to read.
    fn read_all(&mut self) -> Result<Vec<u8>, StorageError>;
}

/// Why the log file cannot be used, in words for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageError(pub String);

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The disk of a node: its two log files, of which one is in use (see [`cluster::wal`]).
pub struct Disk {
    files: [Box<dyn LogFile>; 2],
    current: usize,
    /// The other file is to be emptied once this one is flushed.
    other_is_stale: bool,
}

impl Disk {
    /// A disk of these two files.
    pub fn new(files: [Box<dyn LogFile>; 2]) -> Disk {
        Disk {
            files,
            current: 0,
            other_is_stale: false,
        }
    }

    /// Everything in both files.
    ///
    /// # Errors
    /// As [`LogFile::read_all`].
    pub fn read_all(&mut self) -> Result<[Vec<u8>; 2], StorageError> {
        let [first, second] = &mut self.files;
        Ok([first.read_all()?, second.read_all()?])
    }

    /// Puts this in the place of everything, in the first file, durably.
    ///
    /// # Errors
    /// As [`LogFile::append`].
    pub fn replace(&mut self, file: &[u8]) -> Result<(), StorageError> {
        for old in &mut self.files {
            old.truncate(0)?;
        }
        self.current = 0;
        self.append(file)?;
        self.flush()
    }

    /// Goes on where a node that boots wants to.
    ///
    /// # Errors
    /// As [`LogFile::truncate`].
    pub fn go_on(&mut self, open: OpenDisk) -> Result<(), StorageError> {
        self.current = open.file.min(1);
        self.other_is_stale = true;
        self.files[self.current].truncate(open.keep)
    }

    /// Goes on in the other file, from its beginning.
    ///
    /// # Errors
    /// As [`LogFile::truncate`].
    pub fn switch(&mut self) -> Result<(), StorageError> {
        self.current = 1 - self.current;
        self.other_is_stale = true;
        self.files[self.current].truncate(0)
    }

    /// Adds bytes to the file in use.
    ///
    /// # Errors
    /// As [`LogFile::append`].
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.files[self.current].append(bytes)
    }

    /// Makes the file in use durable, and empties the other if it has taken its place.
    ///
    /// # Errors
    /// As [`LogFile::flush`].
    pub fn flush(&mut self) -> Result<(), StorageError> {
        self.files[self.current].flush()?;
        if std::mem::take(&mut self.other_is_stale) {
            let other = &mut self.files[1 - self.current];
            other.truncate(0)?;
            other.flush()?;
        }
        Ok(())
    }
}

/// Opens the disk of a node: two files in `directory`, made if they are missing. In memory if there is no directory to keep
/// them in or the browser has no place for them.
///
/// # Errors
/// The place exists but a file cannot be opened, for instance because another tab holds it.
pub async fn open(directory: Option<&str>, id: NodeId) -> Result<Opened, StorageError> {
    let [first, second] = file_names(id);
    let first = open_file(directory, &first).await?;
    let second = open_file(directory, &second).await?;
    Ok(Opened {
        disk: Disk::new([first.log, second.log]),
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
    pub log: Box<dyn LogFile>,
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
pub async fn open_file(directory: Option<&str>, name: &str) -> Result<OpenedFile, StorageError> {
    let memory = |why: String| OpenedFile {
        log: Box::new(MemoryLog::default()),
        storage: Storage::Memory { why },
        was_missing: true,
    };
    let Some(directory) = directory else {
        return Ok(memory("this cluster was asked to keep nothing".into()));
    };
    let root = match root().await {
        Ok(root) => root,
        Err(why) => return Ok(memory(why.0)),
    };
    let (file, was_missing) = file_handle(root, directory, name).await?;
    if !Reflect::has(&file, &"createSyncAccessHandle".into()).unwrap_or(false) {
        return Ok(memory("this browser has no synchronous access to private files".into()));
    }
    let log = OpfsLog::open(&file, &format!("{directory}/{name}")).await?;
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
    end: u64,
}

impl OpfsLog {
    async fn open(file: &FileSystemFileHandle, path: &str) -> Result<OpfsLog, StorageError> {
        let handle = access_handle(file, path).await?;
        let end = handle
            .get_size()
            .map_err(|error| refused(&format!("find the size of {path}"), &error))?;
        Ok(OpfsLog {
            handle,
            at: FileSystemReadWriteOptions::new(),
            end: end as u64,
        })
    }
}

impl LogFile for OpfsLog {
    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            self.at.set_at_f64(self.end as f64);
            let written = self
                .handle
                .write_with_u8_array_and_options(rest, &self.at)
                .map_err(|error| refused("write to the log", &error))? as usize;
            if written == 0 {
                return Err(StorageError(
                    "the browser wrote nothing to the log; its storage may be full".into(),
                ));
            }
            rest = &rest[written.min(rest.len())..];
            self.end += written as u64;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        self.handle.flush().map_err(|error| refused("flush the log", &error))
    }

    fn truncate(&mut self, bytes: u64) -> Result<(), StorageError> {
        self.handle
            .truncate_with_f64(bytes as f64)
            .map_err(|error| refused("shorten the log", &error))?;
        self.end = bytes;
        Ok(())
    }

    fn read_all(&mut self) -> Result<Vec<u8>, StorageError> {
        if self.end > LOG_BYTES_MAX {
            return Err(StorageError(format!(
                "the log has {} bytes, and {LOG_BYTES_MAX} are the most",
                self.end
            )));
        }
        let mut bytes = vec![0; self.end as usize];
        let mut read = 0;
        while read < bytes.len() {
            self.at.set_at_f64(read as f64);
            let count = self
                .handle
                .read_with_u8_array_and_options(&mut bytes[read..], &self.at)
                .map_err(|error| refused("read the log", &error))? as usize;
            if count == 0 {
                return Err(StorageError(format!(
                    "the log has {} bytes, but only {read} can be read",
                    self.end
                )));
            }
            read += count;
        }
        Ok(bytes)
    }
}

impl Drop for OpfsLog {
    fn drop(&mut self) {
        self.handle.close();
    }
}

/// A log in memory: the twin of [`OpfsLog`] for browsers without a private file system.
#[derive(Clone, Debug, Default)]
pub struct MemoryLog {
    bytes: Vec<u8>,
}

impl LogFile for MemoryLog {
    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        Ok(())
    }

    fn truncate(&mut self, bytes: u64) -> Result<(), StorageError> {
        self.bytes.resize(bytes as usize, 0);
        Ok(())
    }

    fn read_all(&mut self) -> Result<Vec<u8>, StorageError> {
        Ok(self.bytes.clone())
    }
}

async fn root() -> Result<FileSystemDirectoryHandle, StorageError> {
    let storage = Reflect::get(&scope::global().navigator(), &"storage".into()).unwrap_or(JsValue::UNDEFINED);
    let get = Reflect::get(&storage, &"getDirectory".into())
        .ok()
        .and_then(|get| get.dyn_into::<Function>().ok());
    let Some(get) = get else {
        return Err(StorageError("this browser has no private file system here".into()));
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
                return Err(StorageError(format!(
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
    error.dyn_ref::<DomException>().is_some_and(|error| {
        matches!(
            error.name().as_str(),
            "NoModificationAllowedError" | "InvalidStateError"
        )
    })
}

fn refused(what: &str, error: &JsValue) -> StorageError {
    StorageError(format!("the browser refused to {what}: {}", scope::describe(error)))
}
