//! Where things are, and how cargo is called.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The repository's root, and the folder that cargo builds into.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// The folder of the workspace's `Cargo.toml`.
    pub root: PathBuf,
    /// Cargo's target folder, wherever the configuration has put it.
    pub target: PathBuf,
}

impl Workspace {
    /// Asks cargo where the workspace is that this program belongs to.
    pub fn find() -> Result<Workspace> {
        // A target folder may be shared by several clones, so the folder of the running cargo goes before the one
        // that this program was compiled in.
        let here = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let output = Command::new(cargo_program())
            .args(["metadata", "--format-version=1", "--no-deps"])
            .current_dir(&here)
            .output()
            .context("cargo cannot be started; run this as `cargo xtask …`")?;
        if !output.status.success() {
            bail!("`cargo metadata` failed:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        let metadata: serde_json::Value =
            serde_json::from_slice(&output.stdout).context("`cargo metadata` said no JSON")?;
        let folder = |key: &str| {
            metadata[key]
                .as_str()
                .map(PathBuf::from)
                .with_context(|| format!("`cargo metadata` gave no {key}"))
        };
        Ok(Workspace {
            root: folder("workspace_root")?,
            target: folder("target_directory")?,
        })
    }

    /// A cargo command that runs in the root.
    pub fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(cargo_program());
        command.args(arguments).current_dir(&self.root);
        command
    }

    /// A hash of everything that the page and the node are compiled from. Both carry it, and compare it when they
    /// meet, so that a page never talks to a node of another build.
    pub fn build_hash(&self) -> Result<String> {
        let mut hasher = blake3::Hasher::new();
        for name in ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml"] {
            hash_file(&mut hasher, &self.root, &self.root.join(name))?;
        }
        // These are in none of them, which would be compiled anew for nothing.
        let others = ["cli", "xtask"].map(|name| self.root.join("crates").join(name));
        for entry in walkdir::WalkDir::new(self.root.join("crates")).sort_by_file_name() {
            let entry = entry.context("the sources cannot be read")?;
            if entry.file_type().is_file() && !others.iter().any(|other| entry.path().starts_with(other)) {
                hash_file(&mut hasher, &self.root, entry.path())?;
            }
        }
        Ok(hasher.finalize().to_hex()[..16].to_string())
    }
}

/// Runs a command with its output going straight to the terminal.
pub fn run(command: &mut Command, what: &str) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("{what}: `{}` cannot be started", command.get_program().display()))?;
    if !status.success() {
        bail!("{what} failed ({status}); what it said is above");
    }
    Ok(())
}

fn cargo_program() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn hash_file(hasher: &mut blake3::Hasher, root: &Path, path: &Path) -> Result<()> {
    let bytes = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let name = path
        .strip_prefix(root)
        .unwrap_or(path)
        .to_string_lossy()
        .replace('\\', "/");
    for part in [name.as_bytes(), &bytes] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    Ok(())
}
