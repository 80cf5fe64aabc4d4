//! What has to be on the machine besides Rust: found, installed where that can be done, or asked for in one line.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;

/// What the page and the node are compiled for.
pub const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// Adds the WebAssembly target to the toolchain, if it is not there.
pub fn ensure_wasm_target(workspace: &Workspace) -> Result<()> {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", WASM_TARGET])
        .current_dir(&workspace.root)
        .output()
        .context("rustc cannot be started; install Rust from https://rustup.rs")?;
    let folder = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && std::path::Path::new(folder.trim()).is_dir() {
        return Ok(());
    }
    eprintln!("adding the target {WASM_TARGET} to the toolchain");
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", WASM_TARGET]).current_dir(&workspace.root);
    if rustup.status().is_ok_and(|status| status.success()) {
        return Ok(());
    }
    bail!("the standard library for {WASM_TARGET} is missing; run `rustup target add {WASM_TARGET}`, or install your distribution's package for it")
}
