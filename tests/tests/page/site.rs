//! The site itself: where it works, what it fetches, and how soon.

use tests::{Site, drive, drive_site, eventually};

#[test]
fn nothing_comes_from_another_origin() {
    drive("", |page| {
        page.leader_within(5.0);
        let elsewhere = page.eval(
            "return performance.getEntriesByType('resource').map((entry) => entry.name)
               .filter((name) => !name.startsWith(location.origin + '/') && !name.startsWith('data:') && !name.startsWith('blob:'))",
        );
        assert_eq!(elsewhere, serde_json::json!([]));
    });
}

#[test]
fn a_sub_path_and_then_no_network() {
    let site = Site::under("/some/where/");
    drive_site(&site, "", |page| {
        page.leader_within(5.0);
        let qid = page.value_of("create_queue 7");
        page.value_of(&format!("push {qid} 42"));
        page.eval("await navigator.serviceWorker.ready");
        let scope = page.eval("return (await navigator.serviceWorker.getRegistration()).scope");
        assert_eq!(scope, page.address());
        site.go_offline();
        page.reload();
        page.leader_within(10.0);
        assert_eq!(page.value_of("get_qid 7"), qid);
        assert_eq!(page.pop_all(qid), [42]);
        // Another query is the same page.
        page.go("?nodes=3");
        page.leader_within(10.0);
    });
}

#[test]
fn first_leader_within_two_seconds() {
    drive("?start=none", |page| {
        // The page was opened once to warm Chromium up; what the page keeps is thrown away.
        page.eval(
            "const registration = await navigator.serviceWorker.getRegistration();
             await registration?.unregister();
             for (const name of await caches.keys()) await caches.delete(name);",
        );
        page.go("?start=all&nodes=5");
        let took_ms = eventually(10.0, "a leader", || {
            page.eval(
                "for (;;) {
                   if ((await ftqueue.status()).leader !== null) return performance.now();
                   await new Promise((resolve) => setTimeout(resolve, 5));
                 }",
            )
            .as_f64()
        });
        println!("first leader {took_ms:.0} ms after navigation");
        assert!(
            took_ms < 2_000.0,
            "the first leader came {took_ms:.0} ms after navigation"
        );
    });
}

#[test]
fn two_tabs_have_a_cluster_each() {
    drive("?nodes=3", |page| {
        page.leader_within(5.0);
        let first = page.status().cluster;
        let qid = page.value_of("create_queue 7");
        let address = format!("{}?nodes=3", page.address());
        page.in_another_tab(&address, || {
            page.wait();
            page.leader_within(5.0);
            assert_ne!(page.status().cluster, first);
            assert!(!page.submit("get_qid 7").ok, "the second tab has queues of its own");
            let other = page.value_of("create_queue 8");
            page.value_of(&format!("push {other} 1"));
        });
        assert!(!page.submit("get_qid 8").ok);
        assert_eq!(page.value_of("get_qid 7"), qid);
    });
}

#[test]
fn a_worker_that_dies_by_itself_is_shown_and_restarts() {
    let script = "new BroadcastChannel('tests').onmessage = ({ data }) => {
        if (data === self.name) throw new Error('killed by a test');
    };";
    drive_site(&Site::with_worker_script("dying", script), "", |page| {
        let leader = page.leader_within(5.0);
        let qid = page.value_of("create_queue 7");
        page.eval(&format!("new BroadcastChannel('tests').postMessage('Node {leader}')"));
        let why = eventually(5.0, "the node is shown as crashed", || {
            let status = page.status();
            let node = status.node(leader);
            (node.role == "crashed").then(|| node.error.clone().unwrap_or_default())
        });
        assert!(why.contains("killed by a test"), "{why}");
        let notice = page.text(".notices");
        assert!(notice.contains("killed by a test"), "a person reads it too: {notice:?}");
        page.other_leader_within(5.0, leader);
        page.value_of(&format!("push {qid} 1"));
        page.restart(leader);
        eventually(5.0, "it is a follower like any other", || {
            let status = page.status();
            let node = status.node(leader);
            (node.role == "follower" && node.error.is_none()).then_some(())
        });
    });
}

#[test]
fn without_private_files_the_logs_are_in_memory_and_the_page_says_so() {
    let script =
        "StorageManager.prototype.getDirectory = () => Promise.reject(new DOMException('not here', 'SecurityError'));";
    drive_site(&Site::with_worker_script("memory", script), "?nodes=3", |page| {
        page.leader_within(5.0);
        assert_eq!(page.status().storage, "memory");
        let badge = page.text(".storage:not([hidden])");
        assert!(badge.contains("memory"), "{badge:?}");
        let qid = page.value_of("create_queue 7");
        page.value_of(&format!("push {qid} 1"));
    });
}
