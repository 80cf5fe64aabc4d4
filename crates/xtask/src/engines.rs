//! The browsers that the page is tested in: found, installed where that can be done, or asked for in one line.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::tools::{self, find};
use crate::workspace::{Workspace, run};

/// A browser engine, with the browser that stands for it here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Chromium, by chromedriver.
    Chromium,
    /// Firefox (ESR), by geckodriver, which cargo builds.
    Firefox,
    /// WebKitGTK's MiniBrowser, by WebKitWebDriver, on a screen of Xvfb.
    WebKit,
}

/// The variable that says in which engine the tests of the page run.
pub const ENGINE_VARIABLE: &str = "FTQUEUE_ENGINE";

/// The three.
pub const ENGINES: [Engine; 3] = [Engine::Chromium, Engine::Firefox, Engine::WebKit];

impl Engine {
    /// As a person writes it, and as [`ENGINE_VARIABLE`] has it.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Chromium => "chromium",
            Engine::Firefox => "firefox",
            Engine::WebKit => "webkit",
        }
    }

    /// The one that the environment names; Chromium, if it names none.
    ///
    /// # Panics
    /// If it names one that there is not.
    pub fn of_environment() -> Engine {
        let Ok(name) = env::var(ENGINE_VARIABLE) else {
            return Engine::Chromium;
        };
        Engine::named(&name)
    }

    /// The one of this name.
    ///
    /// # Panics
    /// If there is none.
    pub fn named(name: &str) -> Engine {
        let known = ENGINES.into_iter().find(|engine| engine.name() == name);
        known.unwrap_or_else(|| panic!("an engine is chromium, firefox or webkit, not {name:?}"))
    }

    /// The program that is the browser, if it is on this machine.
    pub fn browser(self) -> Option<PathBuf> {
        let names: &[&str] = match self {
            Engine::Chromium => &[
                "chromium",
                "chromium-browser",
                "google-chrome",
                "google-chrome-stable",
                "chrome",
            ],
            Engine::Firefox => &["firefox-esr", "firefox"],
            // Debian puts it where no PATH leads.
            Engine::WebKit => &[
                "MiniBrowser",
                "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser",
                "/usr/lib/aarch64-linux-gnu/webkit2gtk-4.1/MiniBrowser",
            ],
        };
        names.iter().find_map(|name| find(name))
    }

    /// The program that speaks for the browser.
    pub fn driver(self) -> &'static str {
        match self {
            Engine::Chromium => "chromedriver",
            Engine::Firefox => "geckodriver",
            Engine::WebKit => "WebKitWebDriver",
        }
    }

    /// Sees to it that the browser and its driver can be started. Returns the folders that have to be put in front of the PATH.
    ///
    /// # Errors
    /// They are not there and cannot be installed; the message says what to do.
    pub fn ensure(self, workspace: &Workspace) -> Result<Vec<PathBuf>> {
        if !self.is_here() {
            if !can_install_packages() {
                bail!(
                    "no {} with its driver is on this machine; {}",
                    self.name(),
                    self.how_to_get_it()
                );
            }
            install(self.packages())?;
            if !self.is_here() {
                bail!(
                    "the packages {} are installed, yet not to be found; {}",
                    self.packages().join(" and "),
                    self.how_to_get_it()
                );
            }
        }
        match self {
            Engine::Firefox => tools::ensure_geckodriver(workspace),
            Engine::Chromium | Engine::WebKit => Ok(Vec::new()),
        }
    }

    /// Why the page cannot be tested in it on this machine, and what to do about it; none, if it is here or can be installed.
    pub fn why_not(self) -> Option<String> {
        let can_be_had = self.is_here() || can_install_packages();
        (!can_be_had).then(|| self.how_to_get_it())
    }

    fn is_here(self) -> bool {
        let has_driver = match self {
            // Built by cargo where it is missing.
            Engine::Firefox => true,
            Engine::Chromium => find(self.driver()).is_some(),
            Engine::WebKit => find(self.driver()).is_some() && find("Xvfb").is_some(),
        };
        has_driver && self.browser().is_some()
    }

    /// Debian's packages of it.
    fn packages(self) -> &'static [&'static str] {
        match self {
            Engine::Chromium => &["chromium", "chromium-driver"],
            Engine::Firefox => &["firefox-esr"],
            Engine::WebKit => &["webkit2gtk-driver", "xvfb"],
        }
    }

    fn how_to_get_it(self) -> String {
        if is_debian() {
            return format!("run `sudo apt-get install {}`", self.packages().join(" "));
        }
        let what = match self {
            Engine::Chromium if cfg!(target_os = "macos") => "run `brew install --cask google-chrome chromedriver`",
            Engine::Chromium => "install Chrome or Chromium, and the chromedriver of the same version",
            Engine::Firefox => "install Firefox",
            Engine::WebKit => "it is tested on Linux alone: install WebKitGTK's WebDriver, its MiniBrowser, and Xvfb",
        };
        what.to_owned()
    }
}

fn install(packages: &[&str]) -> Result<()> {
    eprintln!("installing {}", packages.join(" and "));
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        run(&mut command, "installing a browser")
    };
    apt(&["update", "--quiet"])?;
    apt(&[&["install", "--quiet", "--yes", "--no-install-recommends"], packages].concat())
}

fn is_debian() -> bool {
    Path::new("/etc/debian_version").exists()
}

/// Whether this is Debian or one of its kind, and we are root.
fn can_install_packages() -> bool {
    let is_root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    is_debian() && find("apt-get").is_some() && is_root
}
