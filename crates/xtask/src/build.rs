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

/// The crate that becomes the module. It holds the page and, through the crate `worker`, the node: one module for both is
/// much smaller than two, and a Worker gets it from the page ready compiled.
const PACKAGE: &str = "page";

/// Compiles the module and writes `page.js` and `page_bg.wasm` into `out`.
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
        PACKAGE,
    ]);
    cargo.env("FTQUEUE_BUILD", workspace.build_hash()?);
    run(&mut cargo, "compiling the page and the node to WebAssembly")?;

    let compiled = workspace.target.join(tools::WASM_TARGET).join(profile.name());
    let input = compiled.join(PACKAGE).with_extension("wasm");
    Bindgen::new()
        .input_path(&input)
        .out_name(PACKAGE)
        .web(true)?
        .typescript(false)
        .omit_default_module_path(false)
        .remove_producers_section(true)
        .remove_name_section(profile == Profile::Release)
        .generate(out)
        .with_context(|| format!("wasm-bindgen cannot bind {}", input.display()))
}
