//! What the page may do, and what it may not: the policy that the site is served with holds, and nothing that the page needs is against it.

use serde_json::{Value, json};
use tests::{Page, Site, drive, drive_site, eventually};

use crate::time::{back_to_now, look, makes_link, now_us, opens, past, presses, says};

/// What a document or a Worker of the site does that is against the policy goes to a list of the page's.
const HEARS: &str = "(() => {
    const hearer = new BroadcastChannel('tests-policy');
    if (self.document) {
        self.broken = [];
        hearer.onmessage = ({ data }) => self.broken.push(data);
    }
    (self.document ?? self).addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI, sample, lineNumber }) => {
        const what = `${self.name || 'page'}: ${effectiveDirective} ${blockedURI} ${sample} line ${lineNumber}`;
        if (self.document && !self.broken.includes(what)) self.broken.push(what);
        if (!self.document) hearer.postMessage(what);
    });
})();";

/// In every Worker: something against the policy, when the page asks for it.
const BREAKS: &str = "new BroadcastChannel('tests-break').onmessage = () => {
    try { self.setTimeout('1'); } catch {}
    try { self.eval('1'); } catch {}
};";

fn broken(page: &Page) -> Vec<String> {
    serde_json::from_value(page.eval("return window.broken")).expect("a list of texts")
}

/// A click on a node of the past begins one.
fn begins_a_branch(page: &Page) {
    page.eval("document.querySelector('[data-node]').click()");
    eventually(20.0, "a branch", || {
        Some(past(page)).filter(|shown| shown["run"].as_u64() > Some(0))
    });
}

#[test]
fn nothing_that_the_page_does_is_against_its_policy() {
    let in_workers = format!("{HEARS}\n{BREAKS}");
    let scripts = [
        ("start.js", HEARS),
        ("worker.js", &in_workers),
        ("lockstep-worker.js", &in_workers),
    ];
    drive_site(&Site::with_scripts("policy", &scripts), "?nodes=3", |page| {
        let leader = page.leader_within(20.0);
        page.value_of("create_queue 7");
        page.value_of("push 1 42");
        page.crash(leader);
        page.other_leader_within(20.0, leader);
        page.restart(leader);
        eventually(20.0, "the recorder", || {
            (!page.text(".time-panel").is_empty()).then_some(())
        });
        page.click_named("Help");
        page.click_text("#help-dialog button", "Close");
        page.click_text(".top button", "Settings");
        page.click_text("#settings-dialog button", "Close");
        page.choose(leader, "Isolate");
        page.eval("document.querySelector('[data-node]').focus()");
        eventually(5.0, "the inspector", || {
            (!page.text(".inspector .durable").is_empty()).then_some(())
        });
        look(page, now_us(page) - 300_000);
        says(page, "note", "here");
        begins_a_branch(page);
        makes_link(page);
        presses(page, "show 0");
        back_to_now(page);
        page.value_of("push 1 43");
        assert_eq!(broken(page), [""; 0]);
        // Who listens would have heard: in the page, in the nodes' Workers and in the recorder's.
        page.eval(
            "document.querySelector('#page').setAttribute('style', 'color: red');
             new BroadcastChannel('tests-break').postMessage('');",
        );
        eventually(10.0, "what is against the policy is told", || {
            let broken = broken(page);
            let by = |who: &str| broken.iter().any(|what| what.starts_with(who));
            (by("page: style-src") && by("Node 1: ") && by("lockstep: ")).then_some(())
        });
    });
}

/// Whatever brings a text into the page, it is no code there.
#[test]
fn a_script_that_is_put_into_the_page_does_not_run() {
    const MARKUP: &str = "<img src=x onerror=ran()><b>bold</b>";
    drive("?nodes=3", |page| {
        page.leader_within(20.0);
        eventually(20.0, "the recorder", || {
            (!page.text(".time-panel").is_empty()).then_some(())
        });
        let tried = page.eval(
            "window.runs = 0;
             window.ran = () => { window.runs += 1; };
             const tries = {
               script: () => {
                 const script = document.createElement('script');
                 script.append('ran()');
                 document.body.append(script);
               },
               handler: () => {
                 const image = document.createElement('img');
                 image.setAttribute('onerror', 'ran()');
                 image.src = 'no-such-image';
                 document.body.append(image);
                 return new Promise((done) => image.addEventListener('error', done));
               },
               address: () => {
                 const link = Object.assign(document.createElement('a'), { href: 'javascript:ran()' });
                 document.body.append(link);
                 link.click();
               },
               other: () => new Promise((done) => {
                 const script = document.createElement('script');
                 for (const end of ['load', 'error']) script.addEventListener(end, done);
                 script.src = 'data:text/javascript,ran()';
                 document.body.append(script);
               }),
             };
             const refused = [];
             for (const [name, attempt] of Object.entries(tries)) {
               try { await attempt(); } catch { refused.push(name); }
             }
             await new Promise((done) => setTimeout(done, 0));
             return window.runs;",
        );
        assert_eq!(tried, 0);
        // Names that a person gives.
        opens(page, MARKUP, b"hello, this is text");
        eventually(10.0, "what the file is called is said", || {
            page.text(".notices").contains(MARKUP).then_some(())
        });
        look(page, now_us(page) - 100_000);
        says(page, "note", MARKUP);
        eventually(10.0, "the note stands there", || {
            page.text(".notes").contains(MARKUP).then_some(())
        });
        begins_a_branch(page);
        says(page, "name", MARKUP);
        eventually(10.0, "the branch has the name", || {
            page.text(".runs").contains(MARKUP).then_some(())
        });
        let made = page
            .eval("return [document.querySelectorAll('#page img, .notes b, .runs b, .notices b').length, window.runs]");
        assert_eq!(made, json!([0, 0]));
    });
}

/// A document in which the script that starts the page is missing says so by itself: no script stands in it that could.
#[test]
fn a_page_whose_first_script_is_missing_says_so() {
    let site = Site::without("no-start", "start.js");
    drive_site(&Site::built(), "?nodes=3", |page| {
        page.leader_within(20.0);
        page.load(&site.address());
        let said = |page: &Page| page.text("#starting");
        assert!(said(page).contains("being started"), "{}", said(page));
        eventually(15.0, "advice", || said(page).contains("reload the page").then_some(()));
        assert_eq!(page.eval("return typeof ftqueue"), Value::from("undefined"));
    });
}
