//! What has to be on the machine besides Rust: found, installed where that can be done, or asked for in one line.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;

/// What the page and the node are compiled for.
pub const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// The version of wasm-bindgen's programs, which must be the crate's own (see the workspace's `Cargo.toml`).
const WASM_BINDGEN_VERSION: &str = "0.2.130";
const WASM_PACK_VERSION: &str = "0.15.1";

const GECKODRIVER_VERSION: &str = "0.37.1";
const CARGO_FUZZ_VERSION: &str = "0.13.2";
const CARGO_MUTANTS_VERSION: &str = "27.1.0";

/// Adds the WebAssembly target to the toolchain, if it is not there.
pub fn ensure_wasm_target(workspace: &Workspace) -> Result<()> {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", WASM_TARGET])
        .current_dir(&workspace.root)
        .output()
        .context("rustc cannot be started; install Rust from https://rustup.rs")?;
    let folder = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && Path::new(folder.trim()).is_dir() {
        return Ok(());
    }
    eprintln!("adding the target {WASM_TARGET} to the toolchain");
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", WASM_TARGET]).current_dir(&workspace.root);
    if rustup.status().is_ok_and(|status| status.success()) {
        return Ok(());
    }
    bail!(
        "the standard library for {WASM_TARGET} is missing; run `rustup target add {WASM_TARGET}`, or install your \
         distribution's package of it"
    )
}

/// Sees to it that `wasm-pack test` can run without fetching anything. Returns the folders that have to be put in
/// front of the PATH. The programs are built into the target folder, so that nobody's own ones are replaced.
pub fn ensure_wasm_tools(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let tools = Tools::of(workspace);
    tools.ensure("wasm-pack", "wasm-pack", WASM_PACK_VERSION)?;
    tools.ensure("wasm-bindgen-test-runner", "wasm-bindgen-cli", WASM_BINDGEN_VERSION)?;
    Ok(vec![tools.folder.join("bin")])
}

/// Sees to it that there is a geckodriver. Returns the folders that have to be put in front of the PATH.
pub fn ensure_geckodriver(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let tools = Tools::of(workspace);
    tools.ensure("geckodriver", "geckodriver", GECKODRIVER_VERSION)?;
    Ok(vec![tools.folder.join("bin")])
}

/// Sees to it that `cargo fuzz` can run. Returns the folders that have to be put in front of the PATH.
pub fn ensure_cargo_fuzz(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let tools = Tools::of(workspace);
    tools.ensure("cargo-fuzz", "cargo-fuzz", CARGO_FUZZ_VERSION)?;
    Ok(vec![tools.folder.join("bin")])
}

/// The same for `cargo mutants`.
pub fn ensure_cargo_mutants(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let tools = Tools::of(workspace);
    tools.ensure("cargo-mutants", "cargo-mutants", CARGO_MUTANTS_VERSION)?;
    Ok(vec![tools.folder.join("bin")])
}

/// The PATH with these folders in front.
pub fn path_with(folders: &[PathBuf]) -> Result<std::ffi::OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::join_paths(folders.iter().cloned().chain(env::split_paths(&path))).context("the PATH cannot be extended")
}

/// Programs that cargo builds from crates.io, in a folder of their own.
struct Tools {
    folder: PathBuf,
}

impl Tools {
    fn of(workspace: &Workspace) -> Tools {
        Tools {
            folder: workspace.target.join("tools"),
        }
    }

    /// Finds the program in this very version, on the PATH or in our folder, or builds it.
    fn ensure(&self, program: &str, package: &str, version: &str) -> Result<()> {
        let own = self
            .folder
            .join("bin")
            .join(program)
            .with_extension(env::consts::EXE_EXTENSION);
        let found = [Some(own), find(program)]
            .into_iter()
            .flatten()
            .any(|path| says_version(&path, version));
        if found {
            return Ok(());
        }
        self.install(package, version)
    }

    fn install(&self, package: &str, version: &str) -> Result<()> {
        eprintln!("building {package} {version} (once; beside everything else)");
        fs::create_dir_all(&self.folder)?;
        let log = self.folder.join(package).with_extension("log");
        let file = File::create(&log).with_context(|| format!("{} cannot be written", log.display()))?;
        // Without the package's own lock file: it may name versions that a mirror of the registry has not got yet.
        let status = Command::new("cargo")
            .args(["install", package, "--version", version, "--root"])
            .arg(&self.folder)
            .env("CARGO_TARGET_DIR", self.folder.join("target"))
            // They run for seconds: the time to build them is what counts.
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .status()
            .context("cargo cannot be started")?;
        if !status.success() {
            bail!(
                "{package} {version} cannot be built, see {}; or install it yourself: `cargo install {package} --version {version}`",
                log.display()
            );
        }
        Ok(())
    }
}

fn says_version(program: &Path, version: &str) -> bool {
    let output = Command::new(program).arg("--version").output();
    output.is_ok_and(|output| {
        String::from_utf8_lossy(&output.stdout)
            .split_whitespace()
            .any(|word| word == version)
    })
}

/// The program of this name in the PATH, or at this absolute path, if there is one.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(program).with_extension(env::consts::EXE_EXTENSION))
        .find(|path| path.is_file())
}
