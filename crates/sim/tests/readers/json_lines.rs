//! What JavaScript makes of numbers.

use super::{Counts, Reader};

/// A reader in JavaScript: it takes every number for a double.
#[derive(Default)]
pub(crate) struct JsonLines {
    lines: u64,
}

impl Reader for JsonLines {
    fn line(&mut self, line: &str) {
        self.lines += 1;
        let (mut in_text, mut escaped, mut number) = (false, false, 0_u64);
        for byte in line.bytes() {
            match byte {
                b'"' if !escaped => in_text = !in_text,
                b'0'..=b'9' if !in_text => number = number.saturating_mul(10) + u64::from(byte - b'0'),
                _ => number = 0,
            }
            escaped = in_text && byte == b'\\' && !escaped;
            assert!(number < 1 << 53, "a number is rounded: {line}");
        }
        assert!(!in_text && line.starts_with('{') && line.ends_with('}'), "{line}");
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(object.to_string().len(), line.len(), "a key stands there twice: {line}");
    }

    fn end(&self, counts: &Counts) {
        assert_eq!(self.lines, counts.happenings);
    }
}
