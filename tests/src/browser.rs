//! A browser with a fresh profile, and the driver that speaks for it.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use thirtyfour::{Capabilities, WebDriver};
use xtask::engines::Engine;

use crate::eventually;
use crate::site::UNTRUSTED_HOST;

/// How long a script in the page may take: a cluster without a majority keeps an operation waiting.
const SCRIPT_SECONDS_MAX: u64 = 90;

/// How big a window is at first.
const WINDOW: (u32, u32) = (1440, 900);

/// A running driver. It ends the browsers that it has started when it ends.
#[derive(Debug)]
pub(crate) struct Driver {
    engine: Engine,
    process: Child,
    /// What the browser draws on, where it needs one.
    screen: Option<Screen>,
    address: String,
}

impl Driver {
    pub(crate) fn start(engine: Engine) -> Driver {
        let screen = (engine == Engine::WebKit).then(Screen::start);
        let mut command = Command::new(engine.driver());
        if let Some(screen) = &screen {
            // It asks for a window of its own size, and for the accessibility bus, which nobody has started.
            command
                .env("DISPLAY", &screen.name)
                .env("GDK_BACKEND", "x11")
                .env("NO_AT_BRIDGE", "1")
                .env_remove("WAYLAND_DISPLAY");
        }
        let (port, process) = match engine {
            Engine::Chromium => says_its_port(command.arg("--port=0"), "successfully on port "),
            Engine::Firefox => says_its_port(command.args(["--port", "0"]), "Listening on 127.0.0.1:"),
            Engine::WebKit => {
                let port = free_port();
                let process = command.arg(format!("--port={port}")).stdout(Stdio::null()).spawn();
                (
                    port,
                    process.unwrap_or_else(|error| panic!("{error}: {}", missing(engine))),
                )
            }
        };
        eventually(10.0, "the driver listens", || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
        });
        Driver {
            engine,
            process,
            screen,
            address: format!("http://127.0.0.1:{port}"),
        }
    }

    pub(crate) fn engine(&self) -> Engine {
        self.engine
    }

    pub(crate) async fn browser(&self, manners: Manners) -> WebDriver {
        let browser = WebDriver::new(&self.address, capabilities(self.engine, manners))
            .await
            .unwrap_or_else(|error| panic!("{} starts no browser: {error}", self.engine.driver()));
        browser
            .set_script_timeout(Duration::from_secs(SCRIPT_SECONDS_MAX))
            .await
            .expect("a timeout can be set");
        if self.engine != Engine::Chromium {
            let (width, height) = WINDOW;
            browser
                .set_window_rect(0, 0, width, height)
                .await
                .expect("a window has a size");
        }
        browser
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        end(&mut self.process);
        if let Some(screen) = &mut self.screen {
            end(&mut screen.process);
        }
    }
}

/// A screen that nobody looks at.
#[derive(Debug)]
struct Screen {
    process: Child,
    name: String,
}

impl Screen {
    fn start() -> Screen {
        let (width, height) = WINDOW;
        let mut process = Command::new("Xvfb")
            .args(["-displayfd", "1", "-nolisten", "tcp", "-screen", "0"])
            .arg(format!("{width}x{height}x24"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{error}: {}", missing(Engine::WebKit)));
        let mut number = String::new();
        BufReader::new(process.stdout.take().expect("a pipe"))
            .read_line(&mut number)
            .expect("Xvfb says which screen it is");
        Screen {
            process,
            name: format!(":{}", number.trim()),
        }
    }
}

/// How a browser treats the sites that it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manners {
    /// As it does by itself.
    Usual,
    /// It keeps nothing: a person has blocked all site data.
    KeepsNothing,
    /// Chromium lets the timers of a page that is hidden run once a minute after some seconds, not after some minutes.
    Sparing,
}

fn capabilities(engine: Engine, manners: Manners) -> Capabilities {
    const BLOCKED: u8 = 2;
    const ALLOWED: u8 = 1;
    const FIREFOX_ALLOWED: u8 = 5;
    const SPARING: &str = "--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/5";
    let blocks = manners == Manners::KeepsNothing;
    let asked = match engine {
        Engine::Chromium => json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "args": [
                "--headless=new",
                // Chromium refuses its sandbox to root, and root is who runs it in a container.
                "--no-sandbox",
                "--disable-dev-shm-usage",
                format!("--window-size={},{}", WINDOW.0, WINDOW.1),
                format!("--host-resolver-rules=MAP {UNTRUSTED_HOST} 127.0.0.1"),
                if manners == Manners::Sparing { SPARING } else { "--no-first-run" },
            ],
            // Its driver has it spare no hidden page, which a person's does.
            "excludeSwitches": ["disable-background-timer-throttling", "disable-backgrounding-occluded-windows", "disable-renderer-backgrounding"],
            // Its own pages discard tabs only where that is allowed.
            "localState": { "internal_only_uis_enabled": true },
            "prefs": {
                "profile.default_content_setting_values.cookies": if blocks { BLOCKED } else { ALLOWED },
            } },
            "goog:loggingPrefs": { "browser": "ALL" },
        }),
        Engine::Firefox => json!({
            "browserName": "firefox",
            "moz:firefoxOptions": {
                "binary": engine.browser(),
                "args": ["-headless"],
                "prefs": {
                    "network.dns.localDomains": UNTRUSTED_HOST,
                    "network.cookie.cookieBehavior": if blocks { BLOCKED } else { FIREFOX_ALLOWED },
                },
            },
        }),
        Engine::WebKit => json!({
            "browserName": "MiniBrowser",
            "webkitgtk:browserOptions": { "binary": engine.browser(), "args": ["--automation"] },
        }),
    };
    let Value::Object(asked) = asked else {
        unreachable!("an object")
    };
    asked.into()
}

/// How often a driver is started at most. Chromium's finds a port that is free for IPv4, and ends if somebody has the same one for IPv6.
const DRIVER_STARTS_MAX: u32 = 10;

/// Starts a driver that finds a free port by itself, and reads which.
fn says_its_port(command: &mut Command, before_port: &str) -> (u16, Child) {
    let mut said = String::new();
    for _ in 0..DRIVER_STARTS_MAX {
        let mut process = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{error}: {} is on no PATH", command.get_program().display()));
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut lines = output.lines().map_while(Result::ok);
        for line in lines.by_ref() {
            let port = line.split(before_port).nth(1);
            if let Some(port) = port.and_then(|port| port.trim().trim_end_matches('.').parse().ok()) {
                // What it says later is read, too: a full pipe would hold it up.
                std::thread::spawn(move || lines.for_each(drop));
                return (port, process);
            }
            said.push_str(&line);
            said.push('\n');
        }
        end(&mut process);
    }
    panic!("the driver says no port: {said}");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}

fn missing(engine: Engine) -> String {
    format!(
        "`cargo xtask test --only {}` installs what is missing on Debian",
        engine.name()
    )
}

fn end(process: &mut Child) {
    let _ = process.kill();
    let _ = process.wait();
}
