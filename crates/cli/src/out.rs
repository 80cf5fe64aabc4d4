//! What is said: on standard output what was asked for, on standard error what else a person should know.
//!
//! The macros of the standard library panic where nobody reads or a disk is full; nothing here does.

use std::io::{self, ErrorKind, Write, stderr, stdout};
use std::sync::atomic::{AtomicBool, Ordering};

use raft_core::Duration;
use serde_json::{Number, Value};

/// The largest whole number that every reader of JSON keeps.
const EXACT_MAX: u64 = (1 << 53) - 1;

/// Whether an object was begun on standard output.
static HAS_SAID_OBJECT: AtomicBool = AtomicBool::new(false);

/// Writes to standard output. Whoever reads may stop to: that is no error, and the rest is said to nobody.
///
/// # Errors
/// It cannot be written, as on a full disk.
pub(crate) fn say(text: &str) -> Result<(), String> {
    let mut out = stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    said(written)
}

/// What became of writing to standard output.
///
/// # Errors
/// As [`say`].
pub(crate) fn said(written: io::Result<()>) -> Result<(), String> {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(format!("standard output: {error}")),
        _ => Ok(()),
    }
}

/// Writes one JSON object to standard output. Whole numbers that some readers would round become text.
///
/// # Errors
/// As [`say`].
pub(crate) fn object(mut value: Value) -> Result<(), String> {
    keep_digits(&mut value);
    HAS_SAID_OBJECT.store(true, Ordering::Relaxed);
    say(&format!("{value}\n"))
}

/// Whether an object was written to standard output, or some of one.
pub(crate) fn has_said_object() -> bool {
    HAS_SAID_OBJECT.load(Ordering::Relaxed)
}

/// So many of what is named, in words: `1 node`, `2 nodes`.
pub(crate) fn counted(count: impl Into<u64>, name: &str) -> String {
    match count.into() {
        1 => format!("1 {name}"),
        count => format!("{count} {name}s"),
    }
}

/// A span of virtual time, in words: in milliseconds, if it is less than a second.
pub(crate) fn span(span: Duration) -> String {
    if span.0 < 1_000_000 {
        format!("{:.0} ms", span.as_millis_f64())
    } else {
        format!("{:.1} s", span.0 as f64 / 1e6)
    }
}

/// Writes a line to standard error, if that can be.
pub(crate) fn warn(text: &str) {
    // Nowhere is left to say that it was not said.
    let _ = writeln!(stderr(), "ftq: {text}");
}

fn keep_digits(value: &mut Value) {
    match value {
        Value::Number(number) if is_rounded(number) => *value = Value::String(number.to_string()),
        Value::Array(values) => values.iter_mut().for_each(keep_digits),
        Value::Object(values) => values.values_mut().for_each(keep_digits),
        _ => {}
    }
}

fn is_rounded(number: &Number) -> bool {
    let far = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
    far.is_some_and(|far| far > EXACT_MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_is_one_and_little_is_told_in_milliseconds() {
        assert_eq!(
            [0_u64, 1, 2].map(|count| counted(count, "node")),
            ["0 nodes", "1 node", "2 nodes"]
        );
        assert_eq!(
            [31_000, 999_000, 1_000_000].map(|us| span(Duration(us))),
            ["31 ms", "999 ms", "1.0 s"]
        );
    }

    #[test]
    fn whole_numbers_that_would_be_rounded_are_text() {
        let mut value = json!({ "a": [u64::MAX, 1_u64 << 53, (1_u64 << 53) - 1], "b": { "c": i64::MIN }, "d": 0.5 });
        keep_digits(&mut value);
        assert_eq!(
            value.to_string(),
            r#"{"a":["18446744073709551615","9007199254740992",9007199254740991],"b":{"c":"-9223372036854775808"},"d":0.5}"#
        );
    }
}
