//! `cargo xtask`: one command for everything that is done with this repository.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use xtask::build::Profile;
use xtask::server::Server;
use xtask::site::{self, Audience};
use xtask::weight::{BUDGET_KB, Weight};
use xtask::workspace::Workspace;
use xtask::browser;

/// Builds, serves, packs and checks FTQueue. Rust is all it needs: the rest it installs, or says what to install.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = "Start with `cargo xtask serve`.")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the page and serve it on this machine
    Serve(Serve),
    /// Write the site that a static host serves
    Dist(Dist),
}

/// Builds the page and the node for WebAssembly, and serves them on http://127.0.0.1 until interrupted.
#[derive(Args)]
#[command(after_help = "After a change of the sources, interrupt it (Ctrl-C) and run it again: that takes seconds.")]
struct Serve {
    /// The port; the next free one is taken if it is in use
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Open a browser even where no desktop is found
    #[arg(long, overrides_with = "no_open")]
    open: bool,
    /// Do not open a browser
    #[arg(long)]
    no_open: bool,
    /// Build what visitors get: smaller and faster, and minutes to compile
    #[arg(long)]
    release: bool,
}

/// Writes a static site: it works from any path of any host, offline after the first visit, and asks no other host
/// for anything. Prints what each file weighs, and fails if the whole is over the budget.
#[derive(Args)]
struct Dist {
    /// The folder to write; an older site in it is replaced
    #[arg(long, default_value = "dist")]
    out: PathBuf,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Serve(task) => serve(&task),
        Task::Dist(task) => dist(&task),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// How many ports are tried, from the wanted one on.
const PORTS_TRIED: u16 = 100;

fn serve(task: &Serve) -> Result<ExitCode> {
    let started = Instant::now();
    let workspace = Workspace::find()?;
    let profile = if task.release { Profile::Release } else { Profile::Serve };
    let site = site::make(&workspace, profile, Audience::Developer)?;
    eprintln!("built in {:.1} s", started.elapsed().as_secs_f64());

    let server = (task.port..task.port.saturating_add(PORTS_TRIED))
        .find_map(|port| Server::start(&site, "/", port).ok())
        .with_context(|| format!("no port from {} on is free; name another with --port", task.port))?;
    let address = format!("http://127.0.0.1:{}/", server.port());
    println!("{address}");
    if task.open || (!task.no_open && browser::there_is_a_desktop()) {
        browser::open(&address);
    }
    server.wait();
    Ok(ExitCode::SUCCESS)
}

fn dist(task: &Dist) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    let site = site::make(&workspace, Profile::Release, Audience::Visitors)?;
    site::publish(&site, &task.out)?;
    let weight = Weight::of(&task.out)?;
    println!("{weight}\nwritten to {}", task.out.display());
    if weight.is_within_budget() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("error: the site is over its budget of {BUDGET_KB} kB by {} bytes", weight.brotli_bytes() - BUDGET_KB * 1000);
    Ok(ExitCode::FAILURE)
}
