//! Files. Those that are written are tried before the work begins, and appear when they are whole; of those that are read, no more is
//! than there may be.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file on its way. Until it is finished, whatever was at its path is still there; if it never is, nothing is left of it.
#[derive(Debug)]
pub(crate) struct Output {
    /// Where it goes, with links followed.
    path: PathBuf,
    to: To,
}

#[derive(Debug)]
enum To {
    /// It takes the place of what is there when it is whole.
    Beside(NamedTempFile<File>),
    /// A pipe, a terminal, a device: it takes bytes as they come.
    Straight(File),
}

impl Output {
    /// Begins a file.
    ///
    /// # Errors
    /// It cannot be written, and why.
    pub(crate) fn begin(path: &Path) -> Result<Output, String> {
        begin(path).map_err(|error| format!("{} cannot be written: {error}", path.display()))
    }

    /// Whether what is written can be read again.
    pub(crate) fn is_kept(&self) -> bool {
        matches!(self.to, To::Beside(_))
    }

    /// Puts it where it goes.
    ///
    /// # Errors
    /// It cannot be written to its end.
    pub(crate) fn finish(self) -> Result<(), String> {
        let Output { path, to } = self;
        let finished = match to {
            To::Straight(mut file) => file.flush(),
            To::Beside(file) => file
                .as_file()
                .sync_all()
                .and_then(|()| file.persist(&path).map(drop).map_err(|error| error.error)),
        };
        finished.map_err(|error| format!("{} was not written: {error}", path.display()))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.to {
            To::Beside(file) => file.as_file_mut().write(bytes),
            To::Straight(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            To::Beside(file) => file.as_file_mut().flush(),
            To::Straight(file) => file.flush(),
        }
    }
}

/// Writes a whole file, and says whether it can be read again.
///
/// # Errors
/// It cannot be written, and why.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<bool, String> {
    let mut output = Output::begin(path)?;
    let is_kept = output.is_kept();
    output
        .write_all(bytes)
        .map_err(|error| format!("{} was not written: {error}", path.display()))?;
    output.finish()?;
    Ok(is_kept)
}

/// What is in a file: one byte more than `most`, if there is more. Of a device or a pipe nobody knows before how much that is.
///
/// # Errors
/// It cannot be read.
pub(crate) fn read(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Tries whether a file can be written, and leaves no trace of that.
///
/// # Errors
/// It cannot, and why.
pub(crate) fn try_it(path: &Path) -> Result<(), String> {
    Output::begin(path).map(drop)
}

/// The path of a file that belongs beside another: `x.ftq`, `original` gives `x.original.ftq`.
pub(crate) fn beside(path: &Path, word: &str) -> PathBuf {
    let mut name = OsString::from(path.file_stem().unwrap_or_default());
    name.push(".");
    name.push(word);
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

fn begin(path: &Path) -> io::Result<Output> {
    let there = match path.metadata() {
        Ok(there) => Some(there),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let path = match &there {
        Some(_) => path.canonicalize()?,
        None => path.to_owned(),
    };
    if let Some(there) = &there {
        // What may not be written is not replaced, either.
        let file = OpenOptions::new().write(true).open(&path)?;
        if !there.is_file() {
            let to = To::Straight(file);
            return Ok(Output { path, to });
        }
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // As any program's file: what may be read and written is for the system's mask to say. Where it cannot be made, the name that it has for
    // now is nobody's business.
    let file = tempfile::Builder::new()
        .prefix(".ftq-")
        .make_in(folder, |path| File::create_new(path))?;
    if let Some(there) = there {
        file.as_file().set_permissions(there.permissions())?;
    }
    let to = To::Beside(file);
    Ok(Output { path, to })
}
