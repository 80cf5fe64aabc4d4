//! What a visitor's first visit weighs, against the budget.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::site;

/// The most that everything fetched up to the first leader may weigh, in kB (1,000 bytes) of brotli.
pub const BUDGET_KB: usize = 340;

/// What the page fetches only when the cluster runs: its name begins with this.
const LATER: &str = "lockstep";

const BROTLI_QUALITY: u32 = 11;
const BROTLI_WINDOW_BITS: u32 = 22;
const BUFFER_BYTES: usize = 1 << 16;

/// The sizes of a site's files.
#[derive(Debug)]
pub struct Weight {
    files: Vec<File>,
}

#[derive(Debug)]
struct File {
    name: String,
    raw_bytes: usize,
    brotli_bytes: usize,
}

impl Weight {
    /// Compresses every file of the site, as a host would. All of them count but what is fetched when the cluster runs: a first
    /// visit fetches all but a few small ones, and a sum with one exception can be argued with once.
    pub fn of(site: &Path) -> Result<Weight> {
        let names = site::files(site)?;
        let weigh = |path: &Path| -> Result<File> {
            let bytes = fs::read(site.join(path)).with_context(|| format!("{} cannot be read", path.display()))?;
            Ok(File {
                name: path.file_name().unwrap_or_default().display().to_string(),
                raw_bytes: bytes.len(),
                brotli_bytes: brotli_bytes(&bytes)?,
            })
        };
        // The modules take seconds each, so every file has a thread.
        let files = std::thread::scope(|scope| {
            let threads: Vec<_> = names.iter().map(|path| scope.spawn(move || weigh(path))).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("compressing does not panic"))
                .collect::<Result<_>>()
        })?;
        Ok(Weight { files })
    }

    /// The sum of what is fetched up to the first leader, compressed.
    pub fn brotli_bytes(&self) -> usize {
        let first = self.files.iter().filter(|file| !file.name.starts_with(LATER));
        first.map(|file| file.brotli_bytes).sum()
    }

    /// The sum of what is fetched after that.
    fn later_bytes(&self) -> usize {
        let later = self.files.iter().filter(|file| file.name.starts_with(LATER));
        later.map(|file| file.brotli_bytes).sum()
    }

    /// Whether the sum is within the budget.
    pub fn is_within_budget(&self) -> bool {
        self.brotli_bytes() <= BUDGET_KB * 1000
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self
            .files
            .iter()
            .map(|file| file.name.len())
            .max()
            .unwrap_or(0)
            .max("file".len());
        writeln!(f, "{:<width$}  {:>9}  {:>9}", "file", "raw kB", "brotli kB")?;
        for file in &self.files {
            writeln!(
                f,
                "{:<width$}  {:>9}  {:>9}",
                file.name,
                kb(file.raw_bytes),
                kb(file.brotli_bytes)
            )?;
        }
        let (first, later) = (kb(self.brotli_bytes()), kb(self.later_bytes()));
        writeln!(
            f,
            "{:<width$}  {:>9}  {first:>9}  of {BUDGET_KB} kB",
            "up to the first leader", ""
        )?;
        write!(f, "{:<width$}  {:>9}  {later:>9}", "later", "")
    }
}

fn kb(bytes: usize) -> String {
    format!("{:.1}", bytes as f64 / 1000.0)
}

fn brotli_bytes(bytes: &[u8]) -> Result<usize> {
    let mut compressed = Vec::new();
    let mut writer = brotli::CompressorWriter::new(&mut compressed, BUFFER_BYTES, BROTLI_QUALITY, BROTLI_WINDOW_BITS);
    std::io::Write::write_all(&mut writer, bytes)?;
    drop(writer);
    Ok(compressed.len())
}
