//! What the page costs and endures, measured in a real browser: a site as visitors get it, driven by programs of the package `tests`.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::build::Profile;
use crate::engines::{ENGINE_VARIABLE, Engine};
use crate::site::{self, Audience};
use crate::workspace::{Workspace, run};

/// What a cluster is to endure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endurance {
    /// So many Workers are killed.
    Kills(u32),
    /// So many minutes pass.
    Minutes(u32),
    /// So many minutes pass while nobody looks at the page, and its browser spares it processor.
    Hidden(u32),
}

/// Measures and prints what a push, the timeline and recording cost, in the engine that the environment names.
pub fn bench(workspace: &Workspace) -> Result<()> {
    let engine = Engine::of_environment();
    let site = site::make(workspace, Profile::Release, Audience::Visitors)?;
    for measured in ["latency::", "bench::"] {
        measure(workspace, engine, &site, measured, &[])?;
    }
    Ok(())
}

/// Lets a cluster endure, and prints what came of it.
pub fn endure(workspace: &Workspace, engine: Engine, asked: Endurance, site: Option<&Path>) -> Result<()> {
    let site = match site {
        Some(folder) => folder.canonicalize()?,
        None => site::make(workspace, Profile::Release, Audience::Visitors)?,
    };
    match asked {
        Endurance::Kills(kills) => {
            let kills = ("FTQUEUE_KILLS", kills.to_string());
            measure(workspace, engine, &site, "endurance::kills", &[kills])
        }
        Endurance::Minutes(minutes) => {
            let minutes = ("FTQUEUE_MINUTES", minutes.to_string());
            measure(workspace, engine, &site, "endurance::minutes", &[minutes])
        }
        Endurance::Hidden(minutes) => {
            let minutes = ("FTQUEUE_MINUTES", minutes.to_string());
            measure(workspace, engine, &site, "endurance::hidden", &[minutes])
        }
    }
}

fn measure(
    workspace: &Workspace,
    engine: Engine,
    site: &Path,
    which: &str,
    variables: &[(&str, String)],
) -> Result<()> {
    let folders = engine.ensure(workspace)?;
    let mut command = workspace.cargo(&[
        "test",
        "--quiet",
        "--package",
        "tests",
        "--test",
        "page",
        "--",
        "--ignored",
        "--nocapture",
        "--test-threads=1",
        which,
    ]);
    let path = env::var_os("PATH").unwrap_or_default();
    let path: Vec<PathBuf> = folders.into_iter().chain(env::split_paths(&path)).collect();
    command
        .env("FTQUEUE_SITE", site)
        .env(ENGINE_VARIABLE, engine.name())
        .env("PATH", env::join_paths(path)?);
    for (name, value) in variables {
        command.env(name, value);
    }
    run(&mut command, "measuring the page")
}
