//! A Chromium with a fresh profile, and the driver that speaks for it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use thirtyfour::{CapabilitiesHelper, ChromiumLikeCapabilities, DesiredCapabilities, WebDriver};

use crate::site::UNTRUSTED_HOST;

/// How long a script in the page may take: a cluster without a majority keeps an operation waiting.
const SCRIPT_SECONDS_MAX: u64 = 90;

/// A running chromedriver. It ends the browsers that it has started when it ends.
#[derive(Debug)]
pub(crate) struct Driver {
    process: Child,
    address: String,
}

impl Driver {
    pub(crate) fn start() -> Driver {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is on the PATH; `cargo xtask test` installs it on Debian");
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        let port: u16 = output
            .lines()
            .map_while(Result::ok)
            .find_map(|line| {
                line.split("successfully on port ")
                    .nth(1)?
                    .trim_end_matches('.')
                    .parse()
                    .ok()
            })
            .expect("chromedriver says its port");
        Driver {
            process,
            address: format!("http://127.0.0.1:{port}"),
        }
    }

    pub(crate) async fn browser(&self) -> WebDriver {
        let mut capabilities = DesiredCapabilities::chrome();
        let untrusted = format!("--host-resolver-rules=MAP {UNTRUSTED_HOST} 127.0.0.1");
        for argument in [
            "--headless=new",
            // Chromium refuses its sandbox to root, and root is who runs it in a container.
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--window-size=1440,900",
            &untrusted,
        ] {
            capabilities.add_arg(argument).expect("arguments are text");
        }
        let log = serde_json::json!({ "browser": "ALL" });
        capabilities
            .set("goog:loggingPrefs", log)
            .expect("a capability is JSON");
        let browser = WebDriver::new(&self.address, capabilities)
            .await
            .expect("chromedriver starts a Chromium");
        browser
            .set_script_timeout(Duration::from_secs(SCRIPT_SECONDS_MAX))
            .await
            .expect("a timeout can be set");
        browser
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
