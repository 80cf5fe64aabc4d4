//! Rust to WebAssembly: the page and the node, compiled and bound to JavaScript.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
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
    // One name for both, whatever is edited meanwhile: parts of two names do not work together.
    let build = workspace.build_hash()?;
    for package in PACKAGES {
        compile(workspace, profile, package, &build)?;
    }
    let compiled = workspace.target.join(tools::WASM_TARGET).join(profile.name());
    let doors = workspace.root.join("www").join(DOORS_FILE);
    let doors = fs::read_to_string(&doors).with_context(|| format!("{} cannot be read", doors.display()))?;
    PACKAGES.iter().try_for_each(|name| {
        bind(&compiled.join(name).with_extension("wasm"), name, profile, out)?;
        let glue = out.join(name).with_extension("js");
        let text = fs::read_to_string(&glue).with_context(|| format!("{} cannot be read", glue.display()))?;
        fs::write(&glue, closed(&text, &doors)?).with_context(|| format!("{} cannot be written", glue.display()))
    })
}

/// What of a node's own code is made small where the page is: a visitor waits for it, and a node spends its time on its disk and on messages. The
/// recorder, which carries out what all nodes did again and again, has it fast.
const SMALL_IN_PAGE: [&str; 3] = ["cluster", "raft-core", "ftqueue"];

fn compile(workspace: &Workspace, profile: Profile, package: &str, build: &str) -> Result<()> {
    let mut cargo = workspace.cargo(&[
        "build",
        "--lib",
        "--target",
        tools::WASM_TARGET,
        "--profile",
        profile.name(),
        "--package",
        package,
    ]);
    if profile == Profile::Release && package == PACKAGES[0] {
        for small in SMALL_IN_PAGE {
            cargo.arg("--config");
            cargo.arg(format!("profile.release.package.{small}.opt-level=\"s\""));
        }
    }
    cargo.env("FTQUEUE_BUILD", build);
    run(&mut cargo, &format!("compiling {package} to WebAssembly"))
}

/// In `www`, what stands in front of glue that makes elements of text or starts scripts.
pub const DOORS_FILE: &str = "glue.js";

/// What the glue does with a text, and what is done in its place.
const DOORS: [(&str, &str); 2] = [
    (
        "arg0.innerHTML = getStringFromWasm0(arg1, arg2)",
        "fill(arg0, getStringFromWasm0(arg1, arg2))",
    ),
    (
        "new Worker(getStringFromWasm0(arg0, arg1)",
        "new Worker(ownScript(getStringFromWasm0(arg0, arg1))",
    ),
];

/// Ways by which a text becomes code. None may be left.
const OPEN_DOORS: [&str; 10] = [
    ".innerHTML",
    ".outerHTML",
    "insertAdjacentHTML",
    "document.write",
    "createContextualFragment",
    "DOMParser",
    "new Worker(getString",
    "new SharedWorker(",
    "new Function(",
    "eval(",
];

/// Glue in which no text can become code: the page's policy forbids it, and what needed it has its own way.
fn closed(glue: &str, doors: &str) -> Result<String> {
    let mut text = glue.to_owned();
    for (open, closed) in DOORS {
        text = text.replace(open, closed);
    }
    if let Some(left) = OPEN_DOORS.iter().find(|open| text.contains(**open)) {
        bail!(
            "the glue of wasm-bindgen has {left:?}, which the page's policy forbids; see DOORS in crates/xtask/src/build.rs"
        );
    }
    Ok(if text == glue { text } else { format!("{doors}\n{text}") })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_code_in_the_glue() {
        let glue = "arg0.innerHTML = getStringFromWasm0(arg1, arg2);\nconst ret = new Worker(getStringFromWasm0(arg0, arg1), arg2);\n";
        assert_eq!(
            closed(glue, "// doors").unwrap(),
            "// doors\nfill(arg0, getStringFromWasm0(arg1, arg2));\nconst ret = new Worker(ownScript(getStringFromWasm0(arg0, arg1)), arg2);\n"
        );
        assert_eq!(closed("const ret = 1;\n", "// doors").unwrap(), "const ret = 1;\n");
        for open in ["arg0.outerHTML = text;", "arg0.innerHTML = other;", "eval(text)"] {
            let error = closed(open, "").unwrap_err().to_string();
            assert!(error.contains("policy"), "{error}");
        }
    }
}
