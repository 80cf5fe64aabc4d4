//! What ends a command from outside: Ctrl-C, a terminal that closes, a time limit of whoever started it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

#[cfg(unix)]
const HEARD: &[i32] = &[SIGINT, SIGTERM, signal_hook::consts::SIGHUP];
#[cfg(not(unix))]
const HEARD: &[i32] = &[SIGINT, SIGTERM];

/// A shell tells of a program that a signal ended by this and the signal's number.
const EXIT_CODE_OF_SIGNALS: i32 = 128;

/// The signal that came, if one did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals {
    came: Arc<AtomicUsize>,
}

impl Signals {
    /// Hears signals from now on: the first is noted, and a second ends the program at once. What whoever started the program
    /// has it ignore, as `nohup` does, stays ignored.
    ///
    /// # Errors
    /// The system does not allow it.
    pub(crate) fn heard() -> Result<Signals, String> {
        let signals = Signals::default();
        let again = Arc::new(AtomicBool::new(false));
        for &signal in HEARD.iter().filter(|signal| !is_ignored(**signal)) {
            flag::register_conditional_shutdown(signal, EXIT_CODE_OF_SIGNALS + signal, again.clone())
                .and_then(|_| flag::register(signal, again.clone()))
                .and_then(|_| flag::register_usize(signal, signals.came.clone(), signal as usize))
                .map_err(|error| format!("signals cannot be heard: {error}"))?;
        }
        Ok(signals)
    }

    /// Whether it is time to end.
    pub(crate) fn came(&self) -> bool {
        self.came.load(Ordering::Relaxed) != 0
    }

    /// The exit code of who ends because of a signal, if one came.
    pub(crate) fn exit_code(&self) -> Option<u8> {
        let code = EXIT_CODE_OF_SIGNALS + self.came.load(Ordering::Relaxed) as i32;
        self.came().then(|| u8::try_from(code).unwrap_or(u8::MAX))
    }
}

/// Whether whoever started the program has it ignore this signal. Linux says it.
fn is_ignored(signal: i32) -> bool {
    let ignored = || {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    };
    ignored().is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
