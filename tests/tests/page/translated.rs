//! R5: browsers translate pages. They put other nodes in the place of texts, and whoever goes on writing to the old ones writes for nobody.

use tests::{Page, drive, eventually};

use crate::opening::recorder_is_there;
use crate::time::is_judged_safe;

/// Does what Chromium's translator does, now and whenever something changes: the text of each element that may be translated goes into an
/// element of its own, and the node that had it is gone.
const TRANSLATOR: &str = "
    window.errors = [];
    window.addEventListener('error', ({ message }) => window.errors.push(message));
    window.addEventListener('unhandledrejection', ({ reason }) => window.errors.push(String(reason)));
    window.translated = 0;
    const translate = () => {
      const walker = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
      const texts = [];
      while (walker.nextNode()) texts.push(walker.currentNode);
      for (const text of texts) {
        const parent = text.parentElement;
        if (!text.data.trim() || !parent.translate || parent.closest('script, style, font')) continue;
        const outer = document.createElement('font');
        const inner = document.createElement('font');
        inner.textContent = text.data.toUpperCase();
        outer.append(inner);
        text.replaceWith(outer);
        window.translated += 1;
      }
    };
    translate();
    new MutationObserver(translate).observe(document.documentElement, { childList: true, characterData: true, subtree: true });";

fn header_names(page: &Page, leader: u8) {
    eventually(10.0, "the header names the leader", || {
        let header = page.text("header").to_lowercase();
        let words: Vec<&str> = header.split_whitespace().collect();
        let is_named = words
            .windows(3)
            .any(|named| named == ["leader", "node", &leader.to_string()]);
        is_named.then_some(())
    });
}

#[test]
fn a_translated_page_goes_on_telling_what_is() {
    drive("?nodes=3", |page| {
        let leader = page.leader_within(10.0);
        recorder_is_there(page);
        header_names(page, leader);
        page.eval(TRANSLATOR);
        page.crash(leader);
        let next = page.other_leader_within(10.0, leader);
        header_names(page, next);
        page.restart(leader);
        // Lists that grow and shrink, dialogs, the past and a branch of it.
        page.value_of("create_queue 7");
        page.value_of("push 1 42");
        eventually(5.0, "the queue", || page.text(".queues").contains("42").then_some(()));
        page.value_of("pop 1");
        eventually(5.0, "it is empty", || {
            page.text(".queues").contains("empty").then_some(())
        });
        page.eval("await ftqueue.look((await ftqueue.status()).now_ms - 200)");
        eventually(10.0, "the past", || {
            (!page.eval("return await ftqueue.past()").is_null()).then_some(())
        });
        page.eval("document.querySelector('[data-node]').click()");
        eventually(10.0, "a branch", || {
            (page.eval("return (await ftqueue.past()).run").as_u64() > Some(0)).then_some(())
        });
        page.eval("await ftqueue.look()");
        page.crash(next);
        page.other_leader_within(10.0, next);
        is_judged_safe(page);
        assert_eq!(page.eval("return window.errors"), serde_json::json!([]));
        let may_be = page.eval(
            "const may = [...document.querySelectorAll('*')].filter((element) => element.translate);
             return may.map((element) => element.outerHTML.slice(0, 80))",
        );
        assert_eq!(may_be, serde_json::json!([]), "nothing is a translator's");
        assert_eq!(page.eval("return window.translated"), 0);
    });
}
