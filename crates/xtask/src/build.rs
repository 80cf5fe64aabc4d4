//! Rust to WebAssembly: the page and the node, compiled and bound to JavaScript.

use std::path::Path;

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

use crate::tools;
use crate::workspace::{Workspace, run};

/// How much time the compiler may take to make the code small and fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Compiled in seconds after a change, with names kept for readable panics.
    Serve,
    /// What visitors get.
    Release,
}

impl Profile {
    /// Cargo's name of the profile, which is also its folder's.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Serve => "serve",
            Profile::Release => "release",
        }
    }
}

/// The crates that become modules. `page` holds the page and, through the crate `worker`, the node: one module for both is
/// much smaller than two, and a Worker gets it from the page ready compiled. `lockstep` is fetched when the cluster runs.
pub const PACKAGES: [&str; 2] = ["page", "lockstep"];

/// Compiles the modules and writes a `.js` and a `_bg.wasm` of each into `out`.
pub fn build(workspace: &Workspace, profile: Profile, out: &Path) -> Result<()> {
    tools::ensure_wasm_target(workspace)?;
    let mut cargo = workspace.cargo(&[
        "build",
        "--lib",
        "--target",
        tools::WASM_TARGET,
        "--profile",
        profile.name(),
        "--package",
        PACKAGES[0],
        "--package",
        PACKAGES[1],
    ]);
    cargo.env("FTQUEUE_BUILD", workspace.build_hash()?);
    run(
        &mut cargo,
        "compiling the page, the node and the recorder to WebAssembly",
    )?;

    let compiled = workspace.target.join(tools::WASM_TARGET).join(profile.name());
    PACKAGES
        .iter()
        .try_for_each(|name| bind(&compiled.join(name).with_extension("wasm"), name, profile, out))
}

fn bind(input: &Path, name: &str, profile: Profile, out: &Path) -> Result<()> {
    Bindgen::new()
        .input_path(input)
        .out_name(name)
        .web(true)?
        .typescript(false)
        .omit_default_module_path(false)
        .remove_producers_section(true)
        .remove_name_section(profile == Profile::Release)
        .generate(out)
        .with_context(|| format!("wasm-bindgen cannot bind {}", input.display()))
}
