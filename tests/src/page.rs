//! The page, as a person and as a script use it.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use thirtyfour::{By, WebDriver, WebElement, WindowHandle};
use tokio::runtime::Runtime;
use xtask::engines::Engine;

use crate::browser::{Driver, Manners};
use crate::eventually;
use crate::site::Site;

/// A page with its cluster. Every method waits until it is done, and panics where it cannot be.
#[derive(Debug)]
pub struct Page {
    runtime: Runtime,
    driver: Driver,
    browser: WebDriver,
    address: String,
}

/// A tab of the browser.
#[derive(Clone, Debug)]
pub struct Tab(WindowHandle);

/// What `ftqueue.status()` says.
#[derive(Clone, Debug, Deserialize)]
pub struct Status {
    /// The cluster's name.
    pub cluster: String,
    /// Virtual time.
    pub now_ms: f64,
    /// How fast it runs.
    pub rate: f64,
    /// Who leads.
    pub leader: Option<u8>,
    /// Its term.
    pub term: u64,
    /// The greatest commit index.
    pub commit_index: u64,
    /// `opfs` or `memory`.
    pub storage: String,
    /// The members, in rising order.
    pub nodes: Vec<Node>,
}

/// A node in [`Status`].
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the README says what each is")]
pub struct Node {
    pub id: u8,
    pub role: String,
    pub term: u64,
    pub commit_index: u64,
    pub snapshot_index: u64,
    pub last_index: u64,
    pub boot: u32,
    pub paused: bool,
    pub isolated: bool,
    pub error: Option<String>,
    pub lacks_room: Option<String>,
    pub queues: Vec<Queue>,
}

/// A queue as a node has applied it.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[expect(missing_docs, reason = "the README says what each is")]
pub struct Queue {
    pub label: i64,
    pub qid: u64,
    pub size: u64,
    #[serde(deserialize_with = "exact_integers")]
    pub items: Vec<i64>,
}

/// What `ftqueue.submit()` says.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the README says what each is")]
pub struct Outcome {
    pub ok: bool,
    pub text: String,
    pub value: Value,
    pub error: Option<String>,
    pub tries: u32,
    pub leaders: Vec<u8>,
}

impl Status {
    /// One node.
    #[track_caller]
    pub fn node(&self, id: u8) -> &Node {
        self.nodes
            .iter()
            .find(|node| node.id == id)
            .unwrap_or_else(|| panic!("there is no node {id} in {self:?}"))
    }

    /// Those that run.
    pub fn up(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.role != "crashed")
    }
}

/// Opening and closing.
impl Page {
    pub(crate) fn open(manners: Manners, site: &Site, query: &str) -> Page {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let driver = Driver::start(Engine::of_environment());
        let browser = runtime.block_on(driver.browser(manners));
        let page = Page {
            runtime,
            driver,
            browser,
            address: site.address(),
        };
        page.go(query);
        page
    }

    /// Goes to the page with this query, and waits until it can be used.
    pub fn go(&self, query: &str) {
        self.runtime
            .block_on(self.browser.goto(format!("{}{query}", self.address)))
            .expect("the page is served");
        self.wait_until_open();
    }

    /// Goes to any address, and waits for no cluster there.
    pub fn load(&self, address: &str) {
        self.runtime
            .block_on(self.browser.goto(address))
            .expect("the address is served");
    }

    /// Loads it again, as a person does.
    pub fn reload(&self) {
        if self.engine() == Engine::Firefox {
            // Its driver reloads as with Shift, past the service worker; a person does not.
            self.eval("window.leaves = true; setTimeout(() => location.reload(), 0);");
            eventually(20.0, "the page is left", || {
                let left = self.try_eval("return !window.leaves");
                left.ok().filter(|left| *left == true)
            });
        } else {
            self.runtime
                .block_on(self.browser.refresh())
                .expect("the page is served");
        }
        self.wait_until_open();
    }

    /// Goes back in the tab's history, as a person does, and waits for no cluster there.
    pub fn back(&self) {
        self.runtime
            .block_on(self.browser.back())
            .expect("there is a page before this one");
    }

    fn wait_until_open(&self) {
        eventually(20.0, "the page opens", || {
            let open = "return typeof window.ftqueue === 'object' && !!document.querySelector('[data-node]')";
            // A document that is just being left answers nothing.
            self.try_eval(open).ok()?.as_bool().filter(|open| *open)
        });
    }

    /// Where the page is, without a query.
    pub fn address(&self) -> &str {
        &self.address
    }

    fn engine(&self) -> Engine {
        self.driver.engine()
    }

    /// For the log of a test that failed.
    pub(crate) fn say_what_is_there(&self) {
        let status = self.try_eval("return JSON.stringify(await ftqueue.status())");
        eprintln!("the page's status: {status:?}");
        let notices = self.try_eval("return document.querySelector('.notices, #starting')?.innerText");
        eprintln!("the page's notices: {notices:?}");
        let recorder = self.try_eval(
            "return [...document.querySelectorAll('.verdict')].map(pill => pill.innerText + ' — ' + (pill.title ?? '')).join('; ')",
        );
        eprintln!("the recorder's verdict: {recorder:?}");
        if let Ok(log) = self.runtime.block_on(self.browser.browser_log()) {
            for entry in log {
                eprintln!("console: {entry:?}");
            }
        }
        let picture = std::env::temp_dir().join(format!("ftqueue-failed-{}.png", std::process::id()));
        if self.runtime.block_on(self.browser.screenshot(&picture)).is_ok() {
            eprintln!("a picture of the page: {}", picture.display());
        }
    }

    pub(crate) fn close(self) {
        let Page {
            runtime,
            driver,
            browser,
            ..
        } = self;
        let _ = runtime.block_on(browser.quit());
        drop(driver);
    }
}

/// Scripts.
impl Page {
    /// Runs the body of an async function in the page and gives what it returns.
    #[track_caller]
    pub fn eval(&self, body: &str) -> Value {
        self.try_eval(body)
            .unwrap_or_else(|error| panic!("{error}\nin: {body}"))
    }

    /// The same; an exception is an error with its message.
    pub fn try_eval(&self, body: &str) -> Result<Value, String> {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             (async () => {{ {body} }})().then(
               (value) => done({{ value: value === undefined ? null : value }}),
               (error) => done({{ error: String((error && error.message) || error) }}));"
        );
        let answer = self
            .runtime
            .block_on(self.browser.execute_async(script, Vec::new()))
            .map_err(|error| error.to_string())?;
        match answer.json() {
            Value::Object(answer) if answer.contains_key("error") => {
                Err(answer["error"].as_str().unwrap_or_default().to_owned())
            }
            answer => Ok(answer["value"].clone()),
        }
    }

    /// What the page knows of the cluster.
    #[track_caller]
    pub fn status(&self) -> Status {
        let status = self.eval("return await ftqueue.status()");
        serde_json::from_value(status.clone()).unwrap_or_else(|error| panic!("{error} in {status}"))
    }

    /// Carries out a command.
    #[track_caller]
    pub fn submit(&self, command: &str) -> Outcome {
        let outcome = self.eval(&format!("return await ftqueue.submit({command:?})"));
        serde_json::from_value(outcome.clone()).unwrap_or_else(|error| panic!("{error} in {outcome}"))
    }

    /// Carries out a command that must succeed, and gives its value.
    #[track_caller]
    pub fn value_of(&self, command: &str) -> i64 {
        let outcome = self.submit(command);
        assert!(outcome.ok, "{command}: {outcome:?}");
        outcome.value.as_i64().unwrap_or_default()
    }

    /// Crashes a node.
    #[track_caller]
    pub fn crash(&self, id: u8) {
        self.eval(&format!("await ftqueue.crash({id})"));
    }

    /// Starts a node, and waits until it has booted.
    #[track_caller]
    pub fn restart(&self, id: u8) {
        self.eval(&format!("await ftqueue.restart({id})"));
    }

    /// Waits for a leader.
    #[track_caller]
    pub fn leader_within(&self, seconds_max: f64) -> u8 {
        eventually(seconds_max, "a leader", || self.status().leader)
    }

    /// A node that follows now.
    #[track_caller]
    pub fn follower(&self) -> u8 {
        let status = self.status();
        let follower = status.up().find(|node| node.role == "follower");
        follower.map_or_else(|| panic!("nobody follows in {status:?}"), |node| node.id)
    }

    /// Waits for another leader than this one.
    #[track_caller]
    pub fn other_leader_within(&self, seconds_max: f64, old: u8) -> u8 {
        eventually(seconds_max, "another leader", || {
            self.status().leader.filter(|&leader| leader != old)
        })
    }

    /// Takes everything out of a queue, first to last.
    #[track_caller]
    pub fn pop_all(&self, qid: i64) -> Vec<i64> {
        let popped = self.eval(&format!(
            "const items = [];
             for (;;) {{
               const outcome = await ftqueue.submit('pop {qid}');
               if (!outcome.ok) return {{ items, end: outcome.text }};
               items.push(outcome.value);
             }}"
        ));
        let end = popped["end"].as_str().unwrap_or_default().to_owned();
        assert!(end.contains("empty"), "the queue's end is an empty queue, not: {end}");
        serde_json::from_value(popped["items"].clone()).expect("items are numbers")
    }
}

/// Hands and eyes.
impl Page {
    /// The element of this selector.
    #[track_caller]
    pub fn find(&self, selector: &str) -> WebElement {
        eventually(5.0, &format!("an element {selector}"), || {
            self.runtime.block_on(self.browser.find(By::Css(selector))).ok()
        })
    }

    /// Clicks what has this accessible name.
    #[track_caller]
    pub fn click_named(&self, name: &str) {
        self.click(&format!("[aria-label={name:?}]"));
    }

    /// Clicks the element of this selector.
    #[track_caller]
    pub fn click(&self, selector: &str) {
        eventually(5.0, &format!("a click on {selector}"), || {
            let element = self.find(selector);
            self.runtime.block_on(element.click()).ok()
        });
    }

    /// Clicks the element of this selector that shows this text.
    #[track_caller]
    pub fn click_text(&self, selector: &str, text: &str) {
        eventually(5.0, &format!("a click on {text:?}"), || {
            let found = self.runtime.block_on(self.browser.find_all(By::Css(selector))).ok()?;
            let shows = |element: &WebElement| self.runtime.block_on(element.text()).is_ok_and(|shown| shown == text);
            let wanted = found.into_iter().find(shows)?;
            self.runtime.block_on(wanted.click()).ok()
        });
    }

    /// Chooses from a node's menu.
    #[track_caller]
    pub fn choose(&self, node: u8, item: &str) {
        self.click_named(&format!("Menu of Node {node}"));
        self.click_text(&format!("#menu-{node} [role=menuitem]"), item);
    }

    /// Types into the element of this selector.
    #[track_caller]
    pub fn type_into(&self, selector: &str, keys: impl AsRef<str>) {
        let element = self.find(selector);
        self.runtime
            .block_on(element.send_keys(keys.as_ref()))
            .expect("keys can be typed");
    }

    /// Presses keys wherever the focus is.
    #[track_caller]
    pub fn press(&self, keys: impl AsRef<str>) {
        self.runtime
            .block_on(self.browser.action_chain().send_keys(keys.as_ref()).perform())
            .expect("keys can be pressed");
    }

    /// The text that a person sees there.
    #[track_caller]
    pub fn text(&self, selector: &str) -> String {
        let text = self.eval(&format!("return document.querySelector({selector:?})?.innerText ?? ''"));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// The accessible names of all elements of this selector.
    #[track_caller]
    pub fn names(&self, selector: &str) -> Vec<String> {
        let names = self.eval(&format!(
            "return [...document.querySelectorAll({selector:?})].map((e) => e.getAttribute('aria-label'))"
        ));
        serde_json::from_value(names).expect("every one has a name")
    }

    /// The role that assistive technology sees for what has this name.
    #[track_caller]
    pub fn role_of(&self, name: &str) -> String {
        let tree = self.command("Accessibility.getFullAXTree", serde_json::json!({}));
        let nodes = tree["nodes"].as_array().expect("the accessibility tree has nodes");
        let found = nodes
            .iter()
            .find(|node| node["name"]["value"] == name && node["ignored"] != true);
        let role = found.unwrap_or_else(|| panic!("nothing is named {name}"))["role"]["value"].as_str();
        role.unwrap_or_default().to_owned()
    }

    /// Opens a second tab of the same browser at the page, does something there, and comes back.
    pub fn in_another_tab(&self, address: &str, act: impl FnOnce()) {
        let first = self.runtime.block_on(self.browser.window()).expect("a window");
        let second = self.runtime.block_on(self.browser.new_tab()).expect("a tab");
        self.runtime
            .block_on(self.browser.switch_to_window(second))
            .expect("a tab can be looked at");
        self.runtime
            .block_on(self.browser.goto(address))
            .expect("the page is served");
        act();
        self.runtime
            .block_on(self.browser.close_window())
            .expect("a tab can be closed");
        self.runtime
            .block_on(self.browser.switch_to_window(first))
            .expect("the first tab is there");
    }

    /// The tab that is looked at.
    pub fn tab(&self) -> Tab {
        Tab(self.runtime.block_on(self.browser.window()).expect("a window"))
    }

    /// Opens another tab at this address and looks at it. It stays open.
    pub fn open_tab(&self, address: &str) -> Tab {
        let tab = Tab(self.runtime.block_on(self.browser.new_tab()).expect("a tab"));
        self.look_at(&tab);
        self.load(address);
        tab
    }

    /// Looks at a tab.
    pub fn look_at(&self, tab: &Tab) {
        self.runtime
            .block_on(self.browser.switch_to_window(tab.0.clone()))
            .expect("a tab can be looked at");
    }

    /// Closes the tab that is looked at, and looks at another.
    pub fn close_tab(&self, next: &Tab) {
        self.runtime
            .block_on(self.browser.close_window())
            .expect("a tab can be closed");
        self.look_at(next);
    }

    /// Has a document of the site open the page in another tab, which the script knows as `opened`, and do this with it. Then Chromium discards
    /// that tab, as it does where memory is short, and loads it again, and it is looked at.
    pub fn discard(&self, query: &str, script: &str) {
        // Whoever is driven is not discarded: so the driver knows of the tab only when it is loaded again.
        self.load(&format!("{}icons/icon.svg", self.address));
        self.eval(&format!(
            "const opened = open({:?});
             while (!opened.ftqueue || !opened.document.querySelector('[data-node]')) await new Promise((next) => setTimeout(next, 50));
             {script}",
            format!("{}{query}", self.address),
        ));
        let first = self.tab();
        self.command("Page.bringToFront", serde_json::json!({}));
        self.load("chrome://discards");
        // A link that can be used, in the tab's row.
        let link = |name: &str, then: &str| {
            let link = format!(
                "const rows = document.querySelector('discards-main').shadowRoot.querySelector('discards-tab').shadowRoot.querySelectorAll('tbody tr');
                 const row = [...rows].find((row) => row.querySelector('.tab-url-cell').innerText.includes({:?}));
                 const link = [...row.querySelectorAll('[is=action-link]')].find((link) => link.textContent.trim() === {name:?});
                 if (link.hasAttribute('disabled')) return false;
                 {then}
                 return true;",
                self.address
            );
            eventually(10.0, name, || self.try_eval(&link).ok().filter(|found| *found == true));
        };
        link("[Urgent Discard]", "link.click();");
        link("[Load]", "link.click();");
        self.look_at_other_than(&first);
    }

    /// Looks at the tab beside this one.
    fn look_at_other_than(&self, tab: &Tab) {
        let other = eventually(10.0, "another tab", || {
            let tabs = self.runtime.block_on(self.browser.windows()).ok()?;
            tabs.into_iter().find(|other| *other != tab.0)
        });
        self.look_at(&Tab(other));
    }

    /// Has Chromium freeze the page as it does with one that was long in the background, or go on with it.
    pub fn set_frozen(&self, frozen: bool) {
        let state = if frozen { "frozen" } else { "active" };
        self.command("Page.setWebLifecycleState", serde_json::json!({ "state": state }));
    }

    /// Waits until the page in this tab can be used.
    pub fn wait(&self) {
        self.wait_until_open();
    }

    /// Makes the window so wide and high, however small that is. Only Chromium makes one that is narrower than its own bars.
    pub fn resize(&self, width: u32, height: u32) {
        if self.engine() != Engine::Chromium {
            self.runtime
                .block_on(self.browser.set_window_rect(0, 0, width, height))
                .expect("a window can be resized");
            return;
        }
        let metrics = serde_json::json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.command("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// How many bytes the browser lets the page keep from now on; as many as it always does, without a number.
    pub fn limit_storage(&self, bytes: Option<u64>) {
        let mut limit = serde_json::json!({ "origin": self.address.trim_end_matches('/') });
        if let Some(bytes) = bytes {
            limit["quotaSize"] = bytes.into();
        }
        self.command("Storage.overrideQuotaForOrigin", limit);
    }

    /// Has the browser forget all that it keeps for the page, as a person can while the page is open.
    pub fn clear_site_data(&self) {
        let all = serde_json::json!({ "origin": self.address.trim_end_matches('/'), "storageTypes": "all" });
        self.command("Storage.clearDataForOrigin", all);
    }

    /// Where downloads go from now on.
    pub fn download_to(&self, folder: &Path) {
        let way = serde_json::json!({ "behavior": "allow", "downloadPath": folder });
        self.command("Browser.setDownloadBehavior", way);
    }

    /// Makes a picture of the page.
    pub fn picture(&self, path: &Path) {
        self.runtime
            .block_on(self.browser.screenshot(path))
            .expect("a picture can be written");
    }

    fn command(&self, name: &str, parameters: Value) -> Value {
        assert_eq!(self.engine(), Engine::Chromium, "{name} is a command of Chromium's");
        self.runtime
            .block_on(self.browser.cdp().send_raw(name, parameters))
            .expect("Chromium knows the command")
    }
}

/// Items as the console gives them: numbers, or text where a JavaScript number would not hold them exactly.
fn exact_integers<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<i64>, D::Error> {
    let items: Vec<Value> = serde::Deserialize::deserialize(deserializer)?;
    let exact = |item: &Value| item.as_i64().or_else(|| item.as_str()?.parse().ok());
    let wrong = || serde::de::Error::custom("an item is no integer");
    items.iter().map(|item| exact(item).ok_or_else(wrong)).collect()
}
