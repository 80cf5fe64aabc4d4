//! A flush that waits for room on the disk.

use cluster::host::FromNode;
use cluster::node::WriteId;

use crate::scope;
use crate::storage::{Disk, StorageError};

/// How long a disk without room is left alone, in wall milliseconds.
pub const ROOM_PAUSE_MS: u32 = 500;

/// What is to be flushed. A node goes on meanwhile: it hears and answers what does not rest on the flush, and writes that come later wait
/// with the first. The core asks for no more than it may have under way, so what waits is bounded.
#[derive(Debug, Default)]
pub struct Room {
    /// The last flush that the node waits for, and since when the first is due, in wall milliseconds.
    awaited: Option<(WriteId, f64)>,
    /// When to try again, if there was no room.
    again_wall_ms: Option<f64>,
}

impl Room {
    /// The node wants its disk flushed.
    pub fn ask(&mut self, write: WriteId) {
        let since = self.awaited.map_or_else(scope::wall_ms, |(_, since)| since);
        self.awaited = Some((write, since));
    }

    /// Flushes if that is wanted, or if there was no room and it is time to look again. Gives the flush that is done, and how long it
    /// took, in wall microseconds. Tells the page when room ends, and when there is some again.
    ///
    /// # Errors
    /// The disk failed.
    pub fn flush(&mut self, disk: &mut Disk, said: &mut Vec<FromNode>) -> Result<Option<(WriteId, u64)>, StorageError> {
        let is_due = match self.again_wall_ms {
            Some(again) => scope::wall_ms() >= again,
            None => self.awaited.is_some() || disk.lacks_room().is_some(),
        };
        if !is_due {
            return Ok(None);
        }
        if !disk.flush()? {
            if self.again_wall_ms.is_none() {
                let lacking = disk.lacks_room().map(String::from);
                said.push(FromNode::Room { lacking });
            }
            self.again_wall_ms = Some(scope::wall_ms() + f64::from(ROOM_PAUSE_MS));
            return Ok(None);
        }
        if self.again_wall_ms.take().is_some() {
            said.push(FromNode::Room { lacking: None });
        }
        let took_us = |since: f64| ((scope::wall_ms() - since) * 1000.0).max(0.0) as u64;
        Ok(self.awaited.take().map(|(write, since)| (write, took_us(since))))
    }

    /// When the loop is to run for it, in wall milliseconds, if it is.
    pub fn due(&self) -> Option<f64> {
        self.again_wall_ms
    }
}
