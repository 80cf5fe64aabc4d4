//! The files of clusters in the Origin Private File System: what the desk orders, carried out.

use cluster::Epoch;
use cluster::standing::{COPIES_AT, COPY_BYTES, EPOCH_PREFIX, STANDING_FILE, Standing, directory_of};
use js_sys::{Function, Object, Promise, Reflect, Uint8Array};
use raft_core::NodeId;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    File, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions, FileSystemGetFileOptions,
    FileSystemReadWriteOptions, FileSystemRemoveOptions, FileSystemSyncAccessHandle,
};

use crate::beside::{BESIDE_PREFIX, Beside};
use crate::desk::carry_over;

/// The directory of all clusters.
const ROOT: &str = "ftqueue";
/// The file in which a cluster that was begun beside has its title.
const TITLE_FILE: &str = "title";
/// How many clusters there may be beside.
const BESIDE_MAX: u32 = 99;

/// Why something could not be done with files, in words.
pub(crate) type Failure = String;

/// The names of a node's two log files.
fn log_names(id: NodeId) -> [String; 2] {
    [format!("node-{}.wal", id.0), format!("node-{}.other.wal", id.0)]
}

/// Whether this browser has files that a Worker can flush: what the nodes ask, too, before they keep their logs in memory.
pub(crate) async fn are_possible() -> bool {
    let file = get(&js_sys::global(), "FileSystemFileHandle");
    let can_flush = get(&get(&file, "prototype"), "createSyncAccessHandle").is_function();
    can_flush && root().await.is_ok()
}

/// What stands of a cluster.
pub(crate) async fn standing(home: &str) -> Result<Standing, Failure> {
    let Some(file) = read(home, STANDING_FILE).await? else {
        return Ok(Standing::default());
    };
    let read = Standing::read(&file).map_err(|damage| damage.to_string())?;
    Ok(read.unwrap_or_default())
}

/// Writes the logs of an epoch that does not stand yet, each flushed. Gives those that were carried over.
pub(crate) async fn prepare(
    home: &str,
    standing: Standing,
    epoch: Epoch,
    logs: Vec<(NodeId, Option<Vec<u8>>)>,
) -> Result<Vec<(NodeId, Vec<u8>)>, Failure> {
    write_standing(home, standing).await?;
    tidy(home, standing).await;
    let (old, new) = (directory_of(home, standing.present), directory_of(home, epoch));
    let members: Vec<NodeId> = logs.iter().map(|(id, _)| *id).collect();
    let mut carried = Vec::new();
    for (id, log) in logs {
        let [first, second] = log_names(id);
        let log = match log {
            Some(log) => log,
            None => {
                let files = [read(&old, &first).await?, read(&old, &second).await?];
                let [one, two] = files.map(Option::unwrap_or_default);
                let log = carry_over(&members, id, [&one, &two], standing.present, epoch)?;
                carried.push((id, log.clone()));
                log
            }
        };
        write(&new, &first, &[(0, &log)], true).await?;
        write(&new, &second, &[], true).await?;
    }
    Ok(carried)
}

/// Makes a step: from here on `to` stands.
///
/// # Errors
/// It was not made, and what stood stands.
pub(crate) async fn commit(home: &str, from: Standing, to: Standing) -> Result<(), Failure> {
    let Err(why) = write_standing(home, to).await else {
        return Ok(());
    };
    // The first copy decides. If it cannot be said that it is as it was, then what it says now is what the next opening reads.
    let _ = write(home, STANDING_FILE, &[(COPIES_AT[0], &from.encode())], false).await;
    match standing(home).await {
        Ok(stands) if stands.present == to.present => Ok(()),
        _ => Err(why),
    }
}

/// Both copies of the record, each flushed before the next is touched.
async fn write_standing(home: &str, standing: Standing) -> Result<(), Failure> {
    let copy: [u8; COPY_BYTES] = standing.encode();
    let copies = COPIES_AT.map(|at| (at, &copy[..]));
    write(home, STANDING_FILE, &copies, false).await
}

/// Begins a cluster beside the others, under a name that none has. Its record is written last: until then it is none.
pub(crate) async fn begin(title: &str, standing: Standing, logs: Vec<(NodeId, Vec<u8>)>) -> Result<String, Failure> {
    let names = names(ROOT).await?;
    let number_of = |name: &String| name.strip_prefix(BESIDE_PREFIX)?.split('-').next()?.parse::<u32>().ok();
    let last = names.iter().filter_map(number_of).max().unwrap_or(0);
    for number in last + 1..=BESIDE_MAX {
        let cluster = format!("{BESIDE_PREFIX}{number}-n{}", logs.len());
        // Another tab may begin one at the same time: one of the two takes the name.
        let Some(lock) = Lock::take(&cluster).await else {
            continue;
        };
        if self::names(ROOT).await?.contains(&cluster) {
            continue;
        }
        let home = format!("{ROOT}/{cluster}");
        let begun = fill(&home, title, standing, &logs).await;
        if begun.is_err() {
            let _ = remove(ROOT, &cluster).await;
        }
        drop(lock);
        return begun.map(|()| cluster);
    }
    Err(format!(
        "there are {BESIDE_MAX} clusters beside, which is the most: delete one first"
    ))
}

async fn fill(home: &str, title: &str, standing: Standing, logs: &[(NodeId, Vec<u8>)]) -> Result<(), Failure> {
    let directory = directory_of(home, standing.present);
    for (id, log) in logs {
        let [first, _] = log_names(*id);
        write(&directory, &first, &[(0, log)], true).await?;
    }
    write(home, TITLE_FILE, &[(0, title.as_bytes())], true).await?;
    write_standing(home, standing).await
}

/// The clusters that were begun beside.
pub(crate) async fn beside() -> Vec<Beside> {
    let mut found = Vec::new();
    for name in names(ROOT).await.unwrap_or_default() {
        let home = format!("{ROOT}/{name}");
        if !name.starts_with(BESIDE_PREFIX) || !matches!(read(&home, STANDING_FILE).await, Ok(Some(_))) {
            continue;
        }
        let title = read(&home, TITLE_FILE).await.ok().flatten().unwrap_or_default();
        let title = String::from_utf8_lossy(&title).into_owned();
        found.push(Beside { name, title });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// Deletes a cluster that was begun beside, unless a tab has it open.
pub(crate) async fn delete(cluster: &str) -> Result<(), Failure> {
    let Some(_lock) = Lock::take(cluster).await else {
        return Err("it is open in another tab; close that first".to_owned());
    };
    remove(ROOT, cluster).await
}

/// The clusters that no tab has open, with the bytes in their files. `own` is the one that asks.
pub(crate) async fn unused(own: &str) -> Vec<(String, f64)> {
    let mut found = Vec::new();
    for name in names(ROOT).await.unwrap_or_default() {
        if let Some(_lock) = lock_unused(own, &name).await {
            let bytes = bytes_in(&format!("{ROOT}/{name}")).await;
            found.push((name, bytes));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// Deletes those of these that no tab has opened since [`unused`] told of them.
pub(crate) async fn delete_unused(own: &str, doomed: &[&str]) -> Result<(), Failure> {
    for name in names(ROOT).await? {
        if doomed.contains(&name.as_str())
            && let Some(_lock) = lock_unused(own, &name).await
        {
            remove(ROOT, &name).await?;
        }
    }
    Ok(())
}

/// The lock of a cluster that no tab has open, if this is one. A tab holds the lock of its place, which has a cluster for each number of
/// nodes: of those only one is open.
async fn lock_unused(own: &str, name: &str) -> Option<Option<Lock>> {
    let place = |name: &str| match name.strip_prefix("cluster-") {
        Some(rest) => format!("cluster-{}", rest.split('-').next().unwrap_or_default()),
        None => name.to_owned(),
    };
    let is_cluster = name.starts_with("cluster-") || name.starts_with(BESIDE_PREFIX);
    if name == own || !is_cluster {
        return None;
    }
    if place(name) == place(own) {
        return Some(None);
    }
    Lock::take(&place(name)).await.map(Some)
}

/// How many bytes the files of a directory and of those in it have. What cannot be read counts nothing.
async fn bytes_in(directory: &str) -> f64 {
    let mut bytes = 0.0;
    for name in names(directory).await.unwrap_or_default() {
        bytes += match size(directory, &name).await {
            Some(size) => size,
            None => Box::pin(bytes_in(&format!("{directory}/{name}"))).await,
        };
    }
    bytes
}

async fn size(directory: &str, name: &str) -> Option<f64> {
    let place = open(directory, false).await.ok()??;
    let handle = JsFuture::from(place.get_file_handle(name)).await.ok()?;
    let handle: FileSystemFileHandle = handle.unchecked_into();
    let file: File = JsFuture::from(handle.get_file()).await.ok()?.unchecked_into();
    Some(file.size())
}

/// Removes the files of epochs that do not stand. What is still held by a Worker that ends is removed the next time.
pub(crate) async fn tidy(home: &str, standing: Standing) {
    for name in names(home).await.unwrap_or_default() {
        let number = name.strip_prefix(EPOCH_PREFIX).map(str::parse);
        let goes = match number {
            Some(Ok(number)) => !standing.keeps(Epoch(number)),
            _ => name.ends_with(".wal") && !standing.keeps(Epoch(0)),
        };
        if goes {
            let _ = remove(home, &name).await;
        }
    }
}

/// Writes these parts of a file at their places, and flushes after each.
async fn write(directory: &str, name: &str, parts: &[(u64, &[u8])], anew: bool) -> Result<(), Failure> {
    let refused =
        |what: &str, error: &JsValue| format!("the browser refused to {what} {directory}/{name}: {}", words(error));
    let place = open(directory, true).await?.ok_or("the directory is gone")?;
    let create = FileSystemGetFileOptions::new();
    create.set_create(true);
    let file = JsFuture::from(place.get_file_handle_with_options(name, &create))
        .await
        .map_err(|error| refused("make", &error))?;
    let file: FileSystemFileHandle = file.unchecked_into();
    let handle = JsFuture::from(file.create_sync_access_handle())
        .await
        .map_err(|error| refused("open", &error))?;
    let handle = Handle(handle.unchecked_into());
    if anew {
        handle
            .0
            .truncate_with_u32(0)
            .map_err(|error| refused("empty", &error))?;
        handle.0.flush().map_err(|error| refused("flush", &error))?;
    }
    for (at, bytes) in parts {
        handle.write(*at, bytes).map_err(|error| refused("write", &error))?;
        handle.0.flush().map_err(|error| refused("flush", &error))?;
    }
    Ok(())
}

/// A file that is open for writing; closed when it is dropped.
struct Handle(FileSystemSyncAccessHandle);

impl Handle {
    /// Writes all of it, and looks whether it is there: counts that are told are not believed beyond what is possible.
    fn write(&self, at: u64, bytes: &[u8]) -> Result<(), JsValue> {
        let options = FileSystemReadWriteOptions::new();
        let mut written = 0;
        while written < bytes.len() {
            options.set_at_f64((at + written as u64) as f64);
            let rest = &bytes[written..];
            let count = self.0.write_with_u8_array_and_options(rest, &options)?;
            if !(count >= 1.0 && count <= rest.len() as f64) {
                return Err(format!(
                    "it says that it wrote {count} of {} bytes; its storage may be full",
                    rest.len()
                )
                .into());
            }
            written += count as usize;
        }
        let end = (at + bytes.len() as u64) as f64;
        if self.0.get_size()? < end {
            return Err(format!("the file is shorter than the {end} bytes that were written").into());
        }
        Ok(())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What a file holds; none, if it is not there.
async fn read(directory: &str, name: &str) -> Result<Option<Vec<u8>>, Failure> {
    let Some(place) = open(directory, false).await? else {
        return Ok(None);
    };
    let refused = |error: &JsValue| format!("the browser refused to read {directory}/{name}: {}", words(error));
    let handle = match JsFuture::from(place.get_file_handle(name)).await {
        Ok(handle) => handle.unchecked_into::<FileSystemFileHandle>(),
        Err(error) if is_missing(&error) => return Ok(None),
        Err(error) => return Err(refused(&error)),
    };
    let file: File = JsFuture::from(handle.get_file())
        .await
        .map_err(|error| refused(&error))?
        .unchecked_into();
    let bytes = JsFuture::from(file.array_buffer())
        .await
        .map_err(|error| refused(&error))?;
    Ok(Some(Uint8Array::new(&bytes).to_vec()))
}

/// The names in a directory; none, if it is not there.
async fn names(directory: &str) -> Result<Vec<String>, Failure> {
    let Some(place) = open(directory, false).await? else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    let keys = place.keys();
    loop {
        let next = keys.next().map_err(|error| words(&error))?;
        let next = JsFuture::from(next).await.map_err(|error| words(&error))?;
        if get(&next, "done").is_truthy() {
            return Ok(names);
        }
        names.extend(get(&next, "value").as_string());
    }
}

async fn remove(directory: &str, name: &str) -> Result<(), Failure> {
    let Some(place) = open(directory, false).await? else {
        return Ok(());
    };
    let whole = FileSystemRemoveOptions::new();
    whole.set_recursive(true);
    let removed = JsFuture::from(place.remove_entry_with_options(name, &whole)).await;
    removed
        .map(|_| ())
        .map_err(|error| format!("the browser refused to remove {directory}/{name}: {}", words(&error)))
}

/// A directory, made if it is to be; none, if it is not there.
async fn open(directory: &str, create: bool) -> Result<Option<FileSystemDirectoryHandle>, Failure> {
    let refused = |error: JsValue| format!("the browser refused to open {directory}: {}", words(&error));
    let mut here = root().await.map_err(refused)?;
    let options = FileSystemGetDirectoryOptions::new();
    options.set_create(create);
    for part in directory.split('/') {
        here = match JsFuture::from(here.get_directory_handle_with_options(part, &options)).await {
            Ok(next) => next.unchecked_into(),
            Err(error) if !create && is_missing(&error) => return Ok(None),
            Err(error) => return Err(refused(error)),
        };
    }
    Ok(Some(here))
}

async fn root() -> Result<FileSystemDirectoryHandle, JsValue> {
    let storage = get(&get(&js_sys::global(), "navigator"), "storage");
    let get_directory = get(&storage, "getDirectory").dyn_into::<Function>()?;
    let root = JsFuture::from(Promise::from(get_directory.call0(&storage)?)).await?;
    Ok(root.unchecked_into())
}

/// A cluster's Web Lock: the tab that has it open holds it.
struct Lock(Function);

impl Lock {
    async fn take(cluster: &str) -> Option<Lock> {
        let locks = get(&get(&js_sys::global(), "navigator"), "locks");
        let request = get(&locks, "request").dyn_into::<Function>().ok()?;
        let options = Object::new();
        let _ = Reflect::set(&options, &"ifAvailable".into(), &JsValue::TRUE);
        let granted = Promise::new(&mut |granted, refused| {
            let callback = Closure::once_into_js(move |lock: JsValue| -> JsValue {
                if lock.is_null() {
                    let _ = granted.call0(&JsValue::NULL);
                    return JsValue::UNDEFINED;
                }
                // It is held until this promise settles.
                let held = Promise::new(&mut |release, _| {
                    let _ = granted.call1(&JsValue::NULL, &release);
                });
                held.into()
            });
            // Where a site's data is blocked locks are refused, at once or later. Nobody is to wait for one that never comes.
            match request.call3(&locks, &format!("{ROOT}-{cluster}").into(), &options, &callback) {
                Ok(asked) => {
                    let then = get(&asked, "then").dyn_into::<Function>();
                    drop(then.map(|then| then.call2(&asked, &JsValue::UNDEFINED, &refused)));
                }
                Err(error) => drop(refused.call1(&JsValue::NULL, &error)),
            }
        });
        let release = JsFuture::from(granted).await.ok()?;
        release.dyn_into::<Function>().ok().map(Lock)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.0.call0(&JsValue::NULL);
    }
}

fn get(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

fn is_missing(error: &JsValue) -> bool {
    get(error, "name").as_string().as_deref() == Some("NotFoundError")
}

/// What a thrown value says.
fn words(error: &JsValue) -> String {
    let message = get(error, "message").as_string();
    message
        .or_else(|| error.as_string())
        .unwrap_or_else(|| format!("{error:?}"))
}
