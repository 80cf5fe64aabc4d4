//! Which epoch of a cluster stands: one small record for all of its nodes.
//!
//! Going back in time writes the logs of a new [`Epoch`] for every member first, and then this record. Once the record names the
//! new epoch, the cluster is back, whole; until then it is not, at all. Whoever opens the cluster next reads the record and goes
//! on with the epoch that it names.
//!
//! The record is a file of two copies, each with a checksum, in different sectors. The first is written and flushed before the
//! second is touched, so a write that is torn leaves the other copy, and a bit that flips later leaves a copy that says the same.

use crate::Epoch;

/// Where the copies are in the file, in bytes from its beginning.
pub const COPIES_AT: [u64; 2] = [0, 4_096];
/// How long a copy is, in bytes.
pub const COPY_BYTES: usize = 44;

const MAGIC: &[u8; 8] = b"FTQSTAND";
/// Stands for no epoch.
const NONE: u64 = u64::MAX;

/// Which epoch of a cluster stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Counts what was written: of two copies that differ, the one with the greater number was written later.
    number: u64,
    /// The epoch that stands.
    pub present: Epoch,
    /// The one before it, as long as its files are kept, so that the step back can be undone.
    pub previous: Option<Epoch>,
    /// The latest epoch that ever stood. Numbers are never used twice, also where a step was undone.
    pub last: Epoch,
}

/// Both copies of the record are damaged: which epoch stands is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamagedStanding;

impl std::fmt::Display for DamagedStanding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("both copies of the record that says which epoch of the cluster stands are damaged")
    }
}

impl std::error::Error for DamagedStanding {}

impl Standing {
    /// What the file says. Nothing, if it was never written whole: then the cluster has never gone back, and epoch 0 stands.
    ///
    /// # Errors
    /// The file was written whole once, and neither copy can be read.
    pub fn read(file: &[u8]) -> Result<Option<Standing>, DamagedStanding> {
        let copies = COPIES_AT.map(|at| {
            let at = at as usize;
            file.get(at..at + COPY_BYTES)
        });
        let read = copies.map(|copy| copy.and_then(Standing::decode));
        let later = read.into_iter().flatten().max_by_key(|standing| standing.number);
        // The second copy is written when the first is whole: without it nothing has stood yet.
        let was_whole = copies[1].is_some_and(|copy| copy.iter().any(|byte| *byte != 0));
        match later {
            Some(standing) => Ok(Some(standing)),
            None if was_whole => Err(DamagedStanding),
            None => Ok(None),
        }
    }

    /// One copy of the record.
    pub fn encode(&self) -> [u8; COPY_BYTES] {
        let mut copy = [0; COPY_BYTES];
        copy[..8].copy_from_slice(MAGIC);
        let previous = self.previous.map_or(NONE, |epoch| epoch.0);
        for (place, word) in [self.number, self.present.0, previous, self.last.0]
            .into_iter()
            .enumerate()
        {
            copy[8 + 8 * place..16 + 8 * place].copy_from_slice(&word.to_le_bytes());
        }
        let sum = crc32fast::hash(&copy[..COPY_BYTES - 4]);
        copy[COPY_BYTES - 4..].copy_from_slice(&sum.to_le_bytes());
        copy
    }

    fn decode(copy: &[u8]) -> Option<Standing> {
        let (body, sum) = copy.split_last_chunk::<4>()?;
        let body = body.strip_prefix(MAGIC)?;
        if crc32fast::hash(&copy[..COPY_BYTES - 4]) != u32::from_le_bytes(*sum) {
            return None;
        }
        let (words, _) = body.as_chunks::<8>();
        let [number, present, previous, last] = words else {
            return None;
        };
        let previous = u64::from_le_bytes(*previous);
        Some(Standing {
            number: u64::from_le_bytes(*number),
            present: Epoch(u64::from_le_bytes(*present)),
            previous: (previous != NONE).then_some(Epoch(previous)),
            last: Epoch(u64::from_le_bytes(*last)),
        })
    }

    /// After a step back: a new epoch stands.
    #[must_use]
    pub fn went_back(self) -> Standing {
        let last = Epoch(self.last.0 + 1);
        Standing {
            number: self.number + 1,
            present: last,
            previous: Some(self.present),
            last,
        }
    }

    /// After the step back was undone: the epoch before it stands again. None, if its files are not kept.
    #[must_use]
    pub fn undone(self) -> Option<Standing> {
        Some(Standing {
            number: self.number + 1,
            present: self.previous?,
            previous: None,
            last: self.last,
        })
    }

    /// The step back is not to be undone any more.
    #[must_use]
    pub fn settled(self) -> Standing {
        Standing {
            number: self.number + 1,
            previous: None,
            ..self
        }
    }

    /// Whether the files of this epoch are to be kept.
    pub fn keeps(&self, epoch: Epoch) -> bool {
        self.present == epoch || self.previous == Some(epoch)
    }
}

/// The directory of an epoch's logs in that of the cluster: epoch 0 has them in the cluster's own.
pub fn directory_of(cluster: &str, epoch: Epoch) -> String {
    match epoch {
        Epoch(0) => cluster.to_owned(),
        Epoch(number) => format!("{cluster}/{EPOCH_PREFIX}{number}"),
    }
}

/// What the name of an epoch's directory begins with; its number follows.
pub const EPOCH_PREFIX: &str = "epoch-";
/// The file of the record in the cluster's directory.
pub const STANDING_FILE: &str = "standing";

#[cfg(test)]
mod tests {
    use super::*;

    /// The file after both copies were written.
    fn file(standing: Standing) -> Vec<u8> {
        let mut file = vec![0; COPIES_AT[1] as usize + COPY_BYTES];
        for at in COPIES_AT {
            put(&mut file, at, &standing.encode());
        }
        file
    }

    fn put(file: &mut [u8], at: u64, bytes: &[u8]) {
        file[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
    }

    #[test]
    fn what_was_written_is_read() {
        let first = Standing::default();
        let back = first.went_back();
        let again = back.undone().unwrap().went_back();
        assert_eq!(
            (again.present, again.last),
            (Epoch(2), Epoch(2)),
            "a number is used once"
        );
        assert_eq!(again.previous, Some(Epoch(0)));
        assert!(back.settled().undone().is_none());
        for standing in [first, back, again, again.settled()] {
            assert_eq!(Standing::read(&file(standing)), Ok(Some(standing)));
        }
    }

    #[test]
    fn one_flipped_bit_changes_nothing() {
        let standing = Standing::default().went_back().went_back();
        let whole = file(standing);
        for at in 0..whole.len() * 8 {
            let mut damaged = whole.clone();
            damaged[at / 8] ^= 1 << (at % 8);
            assert_eq!(Standing::read(&damaged), Ok(Some(standing)), "bit {at}");
        }
    }

    /// Wherever a write stops, the epoch before stands or the new one, and the new one only if its first copy is whole.
    #[test]
    fn a_torn_write_leaves_one_of_the_two() {
        let (old, new) = (
            Standing::default().went_back(),
            Standing::default().went_back().went_back(),
        );
        let copy = new.encode();
        let differs = (0..COPY_BYTES).rev().find(|at| copy[*at] != old.encode()[*at]).unwrap();
        for written in 0..=COPY_BYTES {
            let mut first = file(old);
            put(&mut first, COPIES_AT[0], &copy[..written]);
            let stands = if written > differs { new } else { old };
            assert_eq!(
                Standing::read(&first),
                Ok(Some(stands)),
                "{written} bytes of the first copy"
            );
            let mut second = file(old);
            put(&mut second, COPIES_AT[0], &copy);
            put(&mut second, COPIES_AT[1], &copy[..written]);
            assert_eq!(
                Standing::read(&second),
                Ok(Some(new)),
                "{written} bytes of the second copy"
            );
        }
    }

    #[test]
    fn a_record_that_was_never_whole_is_none() {
        let copy = Standing::default().encode();
        for written in 0..COPY_BYTES {
            assert_eq!(Standing::read(&copy[..written]), Ok(None));
            let mut with_hole = vec![0; COPIES_AT[1] as usize + COPY_BYTES];
            put(&mut with_hole, 0, &copy[..written]);
            assert_eq!(Standing::read(&with_hole), Ok(None), "{written} bytes, then zeros");
        }
    }

    #[test]
    fn two_damaged_copies_are_said() {
        let mut damaged = file(Standing::default().went_back());
        for at in COPIES_AT {
            damaged[at as usize + 9] ^= 4;
        }
        assert_eq!(Standing::read(&damaged), Err(DamagedStanding));
    }
}
