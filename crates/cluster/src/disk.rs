//! The disk of a node: two log files, of which one is in use (see [`crate::wal`]), over files whose answers are not trusted.
//!
//! A browser has been seen to answer −8, read as 4,294,967,288, to a write on a full disk. So a count is believed only if it
//! can be true, and before anything is called flushed the file is as long as all that was written to it. A [`Disk`] that
//! answered with an error is not to be used any more: what it holds is unknown until it is opened and read again.
//!
//! One trouble is no error: that there is no room. All that is not flushed is kept in memory, so it can be written again from the
//! first byte of it, over whatever a write left that was cut short, and over what a failed flush may have dropped from a cache. Until
//! then nothing of it is flushed, and nobody promises anything on its strength.

use std::fmt;

use crate::node::OpenDisk;

/// The largest log file that is read, in bytes.
pub const LOG_BYTES_MAX: u64 = 1 << 30;
/// How often in a row a file may take none of the bytes that it is given.
const WRITES_IN_VAIN_MAX: u32 = 3;

/// Why a file did not do what it was to do: what the platform said, in words for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no room now, and there may be later.
    NoRoom(String),
    /// Anything else.
    Failed(String),
}

/// One file, as little of one as a log needs. Counts are what the platform gave, be they true or not.
pub trait RawFile {
    /// Writes some of the bytes at this place. Gives how many.
    ///
    /// # Errors
    /// The platform refused.
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> Result<f64, Refusal>;

    /// Reads some bytes from this place. Gives how many.
    ///
    /// # Errors
    /// The platform refused.
    fn read_at(&mut self, at: u64, into: &mut [u8]) -> Result<f64, Refusal>;

    /// How long the file is, in bytes.
    ///
    /// # Errors
    /// The platform refused.
    fn size(&mut self) -> Result<f64, Refusal>;

    /// Shortens the file to so many bytes.
    ///
    /// # Errors
    /// The platform refused.
    fn truncate(&mut self, bytes: u64) -> Result<(), Refusal>;

    /// Makes the file durable, at least up to `end` bytes.
    ///
    /// # Errors
    /// The platform refused. What is durable is unknown then.
    fn flush(&mut self, end: u64) -> Result<(), Refusal>;
}

impl<F: RawFile + ?Sized> RawFile for Box<F> {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> Result<f64, Refusal> {
        (**self).write_at(at, bytes)
    }

    fn read_at(&mut self, at: u64, into: &mut [u8]) -> Result<f64, Refusal> {
        (**self).read_at(at, into)
    }

    fn size(&mut self) -> Result<f64, Refusal> {
        (**self).size()
    }

    fn truncate(&mut self, bytes: u64) -> Result<(), Refusal> {
        (**self).truncate(bytes)
    }

    fn flush(&mut self, end: u64) -> Result<(), Refusal> {
        (**self).flush(end)
    }
}

/// Why a disk cannot be used any more.
#[derive(Clone, Debug, PartialEq)]
pub enum DiskError {
    /// The platform refused.
    Refused {
        /// What it was to do.
        what: &'static str,
        /// What it said.
        why: String,
    },
    /// There is no room for the log now. Given only where the caller can begin anew: all else waits ([`Disk::lacks_room`]).
    NoRoom {
        /// What the platform said.
        why: String,
    },
    /// It answered with a count that cannot be true.
    Implausible {
        /// What it was to do.
        what: &'static str,
        /// The most bytes that it could have been.
        bytes_max: u64,
        /// What it said.
        said: f64,
    },
    /// It took nothing, several times in a row.
    NothingWritten,
    /// It read nothing where there are bytes.
    NothingRead {
        /// From where on.
        at: u64,
    },
    /// The file is not as long as what was written to it.
    WrongSize {
        /// How long it is.
        found: u64,
        /// How long it should be.
        expected: u64,
    },
    /// The file is too long to be read.
    TooLong {
        /// How long it is.
        bytes: u64,
    },
}

/// The two log files of a node.
#[derive(Clone, Debug)]
pub struct Disk<F> {
    files: [F; 2],
    /// How long each is, by what was written.
    ends: [u64; 2],
    current: usize,
    /// The other file is to be emptied once this one is flushed.
    other_is_stale: bool,
    /// To so many bytes the file in use is to be cut before anything is written to it, if it is.
    cut_to: Option<u64>,
    /// From here on the file in use is not known to be flushed, and this is what it is to hold there.
    unflushed_at: u64,
    unflushed: Vec<u8>,
    /// Why there was no room, if there was none when it was tried last.
    lacks_room: Option<String>,
    /// Whether any count is taken for true: only in a run that shows why not.
    is_credulous: bool,
}

/// A flush that has begun: of this file, up to here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flushing {
    file: usize,
    end: u64,
}

impl<F: RawFile> Disk<F> {
    /// A disk of these two files.
    ///
    /// # Errors
    /// A file does not say how long it is.
    pub fn new(files: [F; 2]) -> Result<Disk<F>, DiskError> {
        let mut disk = Disk {
            files,
            ends: [0; 2],
            current: 0,
            other_is_stale: false,
            cut_to: None,
            unflushed_at: 0,
            unflushed: Vec::new(),
            lacks_room: None,
            is_credulous: false,
        };
        disk.measure()?;
        Ok(disk)
    }

    /// Takes any count for true from now on: what no node that keeps the rules does.
    pub fn believe_everything(&mut self) {
        self.is_credulous = true;
    }

    /// The files.
    pub fn files(&self) -> &[F; 2] {
        &self.files
    }

    /// The files, for a host that does something to them. [`Disk::measure`] is to be called before the disk is used again.
    pub fn files_mut(&mut self) -> &mut [F; 2] {
        &mut self.files
    }

    /// Which file is in use.
    pub fn in_use(&self) -> usize {
        self.current
    }

    /// Takes the files as they are now: at a boot.
    ///
    /// # Errors
    /// A file does not say how long it is.
    pub fn measure(&mut self) -> Result<(), DiskError> {
        for file in 0..2 {
            self.ends[file] = self.size(file)?;
        }
        self.begin_at(self.ends[self.current], None, &[]);
        self.lacks_room = None;
        Ok(())
    }

    /// Why there was no room, if there was none when it was tried last. What is appended meanwhile waits in memory, and each
    /// [`Disk::flush`] tries again.
    pub fn lacks_room(&self) -> Option<&str> {
        self.lacks_room.as_deref()
    }

    /// Everything in both files.
    ///
    /// # Errors
    /// As [`DiskError`] says.
    pub fn read_all(&mut self) -> Result<[Vec<u8>; 2], DiskError> {
        Ok([self.read(0)?, self.read(1)?])
    }

    /// Puts this in the place of everything, in the first file, durably. May be called again if there was no room.
    ///
    /// # Errors
    /// As [`DiskError`] says.
    pub fn replace(&mut self, file: &[u8]) -> Result<(), DiskError> {
        for old in 0..2 {
            self.truncate(old, 0)?;
        }
        (self.current, self.other_is_stale, self.lacks_room) = (0, false, None);
        self.begin_at(0, None, &[]);
        self.append(file)?;
        if self.flush()? {
            return Ok(());
        }
        let why = self.lacks_room.clone().unwrap_or_default();
        Err(DiskError::NoRoom { why })
    }

    /// Goes on where a node that boots wants to.
    ///
    /// # Errors
    /// As [`DiskError`] says.
    pub fn go_on(&mut self, open: &OpenDisk) -> Result<(), DiskError> {
        self.current = open.file.min(1);
        self.other_is_stale = true;
        let from = open.keep.saturating_sub(open.again.len() as u64);
        self.begin_at(from, Some(open.keep), &open.again);
        self.write_unflushed_or_wait()
    }

    /// Goes on in the other file, from its beginning.
    ///
    /// # Errors
    /// As [`DiskError`] says.
    pub fn switch(&mut self) -> Result<(), DiskError> {
        self.current = 1 - self.current;
        self.other_is_stale = true;
        self.begin_at(0, Some(0), &[]);
        self.write_unflushed_or_wait()
    }

    /// Adds bytes to the file in use. They may be lost until the next flush.
    ///
    /// # Errors
    /// As [`DiskError`] says.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        let waits = self.lacks_room.is_some();
        if !waits && !self.unflushed.is_empty() {
            // What an earlier write claimed to have added is there. After a flush that is known.
            self.check_size(self.current)?;
        }
        let at = self.ends[self.current];
        self.ends[self.current] += bytes.len() as u64;
        self.unflushed.extend_from_slice(bytes);
        if waits {
            return Ok(());
        }
        let written = self.write(at, bytes);
        self.or_wait(written).map(drop)
    }

    /// Makes the file in use durable, and empties the other if this has taken its place. Says whether that is done: not, if there
    /// is no room. What is durable is then what was before.
    ///
    /// # Errors
    /// As [`DiskError`] says. What is durable is unknown then.
    pub fn flush(&mut self) -> Result<bool, DiskError> {
        let flushing = self.begin_flush();
        self.finish_flush(flushing)
    }

    /// The first half of [`Disk::flush`], for a host whose flushes take their time: what is written after this is not part of it.
    pub fn begin_flush(&self) -> Flushing {
        Flushing {
            file: self.current,
            end: self.ends[self.current],
        }
    }

    /// The second half.
    ///
    /// # Errors
    /// As [`DiskError`] says. What is durable is unknown then.
    pub fn finish_flush(&mut self, flushing: Flushing) -> Result<bool, DiskError> {
        let flushed = self.try_to_flush(flushing);
        self.or_wait(flushed)
    }

    fn try_to_flush(&mut self, Flushing { file, end }: Flushing) -> Result<(), DiskError> {
        if self.lacks_room.is_some() {
            self.write_unflushed()?;
        }
        self.files[file].flush(end).map_err(refused("flush the log"))?;
        self.check_size(file)?;
        if file != self.current {
            return Ok(());
        }
        let done = end.saturating_sub(self.unflushed_at) as usize;
        self.unflushed.drain(..done.min(self.unflushed.len()));
        self.unflushed_at = end;
        if self.other_is_stale {
            let other = 1 - file;
            self.truncate(other, 0)?;
            self.files[other].flush(0).map_err(refused("flush the log"))?;
            self.other_is_stale = false;
        }
        Ok(())
    }

    /// From here on the file in use is to hold this, after it was cut, if it is to be.
    fn begin_at(&mut self, at: u64, cut_to: Option<u64>, bytes: &[u8]) {
        self.unflushed_at = at;
        self.unflushed.clear();
        self.unflushed.extend_from_slice(bytes);
        self.cut_to = cut_to;
        self.ends[self.current] = at + bytes.len() as u64;
    }

    /// Writes all that is not known to be flushed, in its place. It is not cut off first: what stands there at a boot may have been
    /// acknowledged.
    fn write_unflushed(&mut self) -> Result<(), DiskError> {
        if let Some(bytes) = self.cut_to {
            let end = self.ends[self.current];
            self.truncate(self.current, bytes)?;
            (self.ends[self.current], self.cut_to) = (end, None);
        }
        let bytes = std::mem::take(&mut self.unflushed);
        let written = self.write(self.unflushed_at, &bytes);
        self.unflushed = bytes;
        written
    }

    fn write_unflushed_or_wait(&mut self) -> Result<(), DiskError> {
        if self.lacks_room.is_some() {
            return Ok(());
        }
        let written = self.write_unflushed();
        self.or_wait(written).map(drop)
    }

    /// Whether it was done; not, if there was no room.
    fn or_wait(&mut self, done: Result<(), DiskError>) -> Result<bool, DiskError> {
        self.lacks_room = match done {
            Ok(()) => None,
            Err(DiskError::NoRoom { why }) => Some(why),
            Err(error) => return Err(error),
        };
        Ok(self.lacks_room.is_none())
    }

    fn write(&mut self, mut at: u64, mut rest: &[u8]) -> Result<(), DiskError> {
        let mut in_vain = 0;
        while !rest.is_empty() {
            let said = self.files[self.current]
                .write_at(at, rest)
                .map_err(refused("write to the log"))?;
            let written = self.count("write to the log", said, rest.len())?;
            in_vain = if written == 0 { in_vain + 1 } else { 0 };
            if in_vain == WRITES_IN_VAIN_MAX {
                return Err(DiskError::NothingWritten);
            }
            at += written as u64;
            rest = &rest[written..];
        }
        Ok(())
    }

    fn read(&mut self, file: usize) -> Result<Vec<u8>, DiskError> {
        let bytes = self.ends[file];
        if bytes > LOG_BYTES_MAX {
            return Err(DiskError::TooLong { bytes });
        }
        let mut all = vec![0; bytes as usize];
        let mut read = 0;
        while read < all.len() {
            let rest = &mut all[read..];
            let bytes_max = rest.len();
            let said = self.files[file]
                .read_at(read as u64, rest)
                .map_err(refused("read the log"))?;
            match self.count("read the log", said, bytes_max)? {
                0 => return Err(DiskError::NothingRead { at: read as u64 }),
                count => read += count,
            }
        }
        Ok(all)
    }

    fn truncate(&mut self, file: usize, bytes: u64) -> Result<(), DiskError> {
        self.files[file].truncate(bytes).map_err(refused("shorten the log"))?;
        self.ends[file] = bytes;
        Ok(())
    }

    fn size(&mut self, file: usize) -> Result<u64, DiskError> {
        let what = "find the size of the log";
        let said = self.files[file].size().map_err(refused(what))?;
        // More than can be counted exactly is no file's size.
        plausible(said, 1 << 53).ok_or(DiskError::Implausible {
            what,
            bytes_max: 1 << 53,
            said,
        })
    }

    /// A file that is shorter than what was written to it has lost some; one that is longer is not the one that was written.
    fn check_size(&mut self, file: usize) -> Result<(), DiskError> {
        if self.is_credulous {
            return Ok(());
        }
        let (found, expected) = (self.size(file)?, self.ends[file]);
        if found == expected {
            Ok(())
        } else {
            Err(DiskError::WrongSize { found, expected })
        }
    }

    /// How many bytes the platform took or gave, if what it said can be true.
    fn count(&self, what: &'static str, said: f64, bytes_max: usize) -> Result<usize, DiskError> {
        if self.is_credulous {
            return Ok((said as usize).min(bytes_max));
        }
        match plausible(said, bytes_max as u64) {
            Some(count) => Ok(count as usize),
            None => Err(DiskError::Implausible {
                what,
                bytes_max: bytes_max as u64,
                said,
            }),
        }
    }
}

/// A whole number, none below 0 and none above what there was to count.
fn plausible(said: f64, bytes_max: u64) -> Option<u64> {
    (said.fract() == 0.0 && said >= 0.0 && said <= bytes_max as f64).then_some(said as u64)
}

fn refused(what: &'static str) -> impl Fn(Refusal) -> DiskError {
    move |refusal| match refusal {
        Refusal::NoRoom(why) => DiskError::NoRoom { why },
        Refusal::Failed(why) => DiskError::Refused { what, why },
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DiskError::Refused { what, why } => write!(f, "the browser refused to {what}: {why}"),
            DiskError::NoRoom { why } => write!(f, "the browser has no room for the log: {why}"),
            DiskError::Implausible { what, bytes_max, said } => {
                write!(
                    f,
                    "the browser was to {what}, {bytes_max} bytes at most, and says that it was {said}; \
                     its storage may be full"
                )
            }
            DiskError::NothingWritten => write!(f, "the browser wrote nothing to the log; its storage may be full"),
            DiskError::NothingRead { at } => write!(f, "the log cannot be read from byte {at} on"),
            DiskError::WrongSize { found, expected } => {
                write!(
                    f,
                    "the log has {found} bytes, and {expected} were written; its storage may be full"
                )
            }
            DiskError::TooLong { bytes } => write!(f, "the log has {bytes} bytes, and {LOG_BYTES_MAX} are the most"),
        }
    }
}

impl std::error::Error for DiskError {}
