//! What the page's timeline costs, measured in a real browser: a site as visitors get it, driven by a program of the package `tests`.

use anyhow::Result;

use crate::build::Profile;
use crate::site::{self, Audience};
use crate::workspace::{Workspace, run};

/// Measures and prints it.
pub fn bench(workspace: &Workspace) -> Result<()> {
    let site = site::make(workspace, Profile::Release, Audience::Visitors)?;
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
        "bench::",
    ]);
    command.env("FTQUEUE_SITE", site);
    run(&mut command, "measuring the page")
}
