//! How much memory a run takes, where the system tells.

use sim::Progress;

/// What this process holds, at two instants of a run: enough to see whether it grows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// After a tenth of the time, in bytes.
    pub(crate) early: Option<u64>,
    /// When it was looked at last, in bytes.
    pub(crate) late: Option<u64>,
}

impl Memory {
    /// Looks, after so much of a run that lasts `duration_us`.
    pub(crate) fn look(&mut self, progress: Progress, duration_us: u64) {
        if self.early.is_none() && progress.now.0 >= duration_us / 10 {
            self.early = resident_bytes();
        }
        if progress.now.0 >= duration_us {
            self.late = resident_bytes();
        }
    }
}

/// What is in memory of this process. Linux says it.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
