//! What the fuzzer has found, kept as text: a file a target, an input a line, in hexadecimal. The fuzzer itself wants a folder of
//! files.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where the corpus of a target is kept.
pub fn path(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target)
        .with_extension("hex")
}

/// The inputs that are kept for a target.
///
/// # Errors
/// The file cannot be read, or a line in it is not hexadecimal.
pub fn read(target: &str) -> io::Result<Vec<Vec<u8>>> {
    let text = fs::read_to_string(path(target))?;
    text.lines()
        .map(|line| {
            bytes(line)
                .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("{line:?} is not hexadecimal")))
        })
        .collect()
}

/// Keeps inputs for a target, the shortest first, each once.
///
/// # Errors
/// The file cannot be written.
pub fn keep(target: &str, mut inputs: Vec<Vec<u8>>) -> io::Result<()> {
    inputs.sort_by(|one, other| (one.len(), one).cmp(&(other.len(), other)));
    inputs.dedup();
    let mut text = String::new();
    for input in inputs {
        for byte in input {
            let _ = write!(text, "{byte:02x}");
        }
        text.push('\n');
    }
    fs::write(path(target), text)
}

/// Writes the inputs of a target into a folder, a file each.
///
/// # Errors
/// Something cannot be read or written.
pub fn unpack(target: &str, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (number, input) in read(target)?.into_iter().enumerate() {
        fs::write(folder.join(format!("kept-{number}")), input)?;
    }
    Ok(())
}

/// Keeps what is in a folder for a target.
///
/// # Errors
/// Something cannot be read or written.
pub fn pack(target: &str, folder: &Path) -> io::Result<()> {
    let files = fs::read_dir(folder)?;
    keep(
        target,
        files.map(|file| fs::read(file?.path())).collect::<io::Result<_>>()?,
    )
}

fn bytes(line: &str) -> Option<Vec<u8>> {
    let digits = line.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits
        .len()
        .is_multiple_of(2)
        .then(|| digits.chunks(2).map(byte).collect())?
}
