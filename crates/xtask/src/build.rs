//! Rust to WebAssembly: the crates `page` and `worker`, compiled and bound to JavaScript.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
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

/// A crate that becomes a WebAssembly module and the JavaScript that loads it.
struct Module {
    /// The crate.
    package: &'static str,
    /// The stem of the two files: `page` gives `page.js` and `page_bg.wasm`.
    stem: &'static str,
    /// Whether the JavaScript knows where its module lies. A node's is posted to it, ready compiled.
    fetches_itself: bool,
}

const MODULES: [Module; 2] = [
    Module {
        package: "page",
        stem: "page",
        fetches_itself: true,
    },
    Module {
        package: "worker",
        stem: "node",
        fetches_itself: false,
    },
];

/// Compiles both crates and writes `page.js`, `page_bg.wasm`, `node.js`, `node_bg.wasm` into `out`.
pub fn build(workspace: &Workspace, profile: Profile, out: &Path) -> Result<()> {
    tools::ensure_wasm_target(workspace)?;
    let mut cargo = workspace.cargo(&[
        "build",
        "--lib",
        "--target",
        tools::WASM_TARGET,
        "--profile",
        profile.name(),
    ]);
    for module in &MODULES {
        cargo.args(["--package", module.package]);
    }
    cargo.env("FTQUEUE_BUILD", workspace.build_hash()?);
    run(&mut cargo, "compiling the page and the node to WebAssembly")?;

    let compiled = workspace.target.join(tools::WASM_TARGET).join(profile.name());
    std::thread::scope(|scope| {
        let bindings: Vec<_> = MODULES
            .iter()
            .map(|module| scope.spawn(|| bind(module, profile, &compiled, out)))
            .collect();
        bindings.into_iter().try_for_each(|binding| {
            binding
                .join()
                .map_err(|_| anyhow!("wasm-bindgen panicked; what it said is above"))?
        })
    })
}

fn bind(module: &Module, profile: Profile, compiled: &Path, out: &Path) -> Result<()> {
    let input = compiled.join(module.package).with_extension("wasm");
    Bindgen::new()
        .input_path(&input)
        .out_name(module.stem)
        .web(true)?
        .typescript(false)
        .omit_default_module_path(!module.fetches_itself)
        .remove_producers_section(true)
        .remove_name_section(profile == Profile::Release)
        .generate(out)
        .with_context(|| format!("wasm-bindgen cannot bind {}", input.display()))
}
