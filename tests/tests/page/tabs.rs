//! Tabs: each has a cluster and comes back to it, however busy it was when it was left.

use tests::{Page, Tab, drive, eventually};

/// Operations from here on, as many as the page takes at once, until it is left.
fn begin_load(page: &Page) {
    page.eval(
        "for (let client = 0; client < 64; client += 1) (async () => {
           for (;;) await ftqueue.submit('push 1 1');
         })();",
    );
    let pushed = page.status().commit_index;
    eventually(10.0, "the load commits", || {
        (page.status().commit_index > pushed + 100).then_some(())
    });
}

/// A document of the same site that is no page. It waits for the first cluster's lock, and keeps it for so long.
fn takes_the_lock_for(page: &Page, ms: u32) -> Tab {
    let first = page.tab();
    let other = page.open_tab(&format!("{}icons/icon.svg", page.address()));
    page.eval(&format!(
        "navigator.locks.request('ftqueue-cluster-0', () => new Promise((done) => setTimeout(done, {ms})));"
    ));
    page.look_at(&first);
    other
}

#[test]
fn tabs_that_are_loaded_again_under_load_come_back_to_their_own_clusters() {
    drive("?nodes=3", |page| {
        page.leader_within(10.0);
        page.value_of("create_queue 7");
        let tabs = [page.tab(), page.open_tab(&format!("{}?nodes=3", page.address()))];
        page.wait();
        page.leader_within(10.0);
        page.value_of("create_queue 8");
        for round in 0..3 {
            for (tab, cluster, label) in [(&tabs[0], "cluster-0-n3", 7), (&tabs[1], "cluster-1-n3", 8)] {
                page.look_at(tab);
                begin_load(page);
                page.reload();
                page.leader_within(20.0);
                assert_eq!(page.status().cluster, cluster, "round {round}");
                page.value_of(&format!("get_qid {label}"));
            }
        }
    });
}

/// The page before may take long to give the cluster up. It is waited for, and said.
#[test]
fn a_cluster_that_is_given_up_late_is_waited_for() {
    drive("?nodes=3", |page| {
        page.leader_within(10.0);
        let qid = page.value_of("create_queue 7");
        takes_the_lock_for(page, 4_000);
        page.eval("setTimeout(() => location.reload(), 0)");
        eventually(10.0, "what is waited for is said", || {
            let said = page.try_eval("return document.querySelector('#start-message')?.innerText ?? ''");
            said.ok()?.as_str()?.contains("as soon as it is free").then_some(())
        });
        page.wait();
        page.leader_within(10.0);
        assert_eq!(page.status().cluster, "cluster-0-n3");
        assert_eq!(page.value_of("get_qid 7"), qid);
    });
}

/// Who does not want to wait gets another cluster, and the first one later.
#[test]
fn another_cluster_can_be_begun_instead_of_waiting() {
    drive("?nodes=3", |page| {
        page.leader_within(10.0);
        takes_the_lock_for(page, 3_600_000);
        page.eval("setTimeout(() => location.reload(), 0)");
        eventually(10.0, "the choice", || {
            page.try_eval(
                "const button = [...document.querySelectorAll('#starting button')].find((button) => button.innerText.includes('another cluster'));
                 button?.click();
                 return !!button;",
            )
            .ok()
            .filter(|clicked| *clicked == true)
        });
        page.wait();
        page.leader_within(10.0);
        assert_eq!(page.status().cluster, "cluster-1-n3");
        // From now on that is this tab's.
        page.reload();
        page.leader_within(10.0);
        assert_eq!(page.status().cluster, "cluster-1-n3");
    });
}

/// A page that was frozen, as browsers do with tabs that nobody looks at, goes on where it was.
#[test]
fn a_page_that_was_frozen_goes_on() {
    drive("?nodes=3", |page| {
        page.leader_within(10.0);
        let qid = page.value_of("create_queue 7");
        page.eval(
            "window.frozen = 0;
             document.addEventListener('freeze', () => { window.frozen += 1; });",
        );
        page.set_frozen(true);
        page.set_frozen(false);
        assert_eq!(page.eval("return window.frozen"), 1);
        page.leader_within(10.0);
        page.value_of(&format!("push {qid} 42"));
        assert_eq!(page.pop_all(qid), [42]);
        assert_eq!(page.text(".notices"), "");
    });
}
