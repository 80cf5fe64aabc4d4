//! What is said: on standard output what was asked for, on standard error what else a person should know.
//!
//! The macros of the standard library panic where nobody reads or a disk is full; nothing here does.

use std::io::{self, ErrorKind, Write, stderr, stdout};

use serde_json::{Number, Value};

/// The largest whole number that every reader of JSON keeps.
const EXACT_MAX: u64 = (1 << 53) - 1;

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
    say(&format!("{value}\n"))
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
    fn whole_numbers_that_would_be_rounded_are_text() {
        let mut value = json!({ "a": [u64::MAX, 1_u64 << 53, (1_u64 << 53) - 1], "b": { "c": i64::MIN }, "d": 0.5 });
        keep_digits(&mut value);
        assert_eq!(
            value.to_string(),
            r#"{"a":["18446744073709551615","9007199254740992",9007199254740991],"b":{"c":"-9223372036854775808"},"d":0.5}"#
        );
    }
}
