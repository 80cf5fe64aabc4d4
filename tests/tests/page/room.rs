//! What the browser keeps for the cluster, and what happens where it keeps nothing, has no room, or lets go of what it had.

use tests::{Page, Site, drive, drive_site, drive_without_site_data, eventually, throughout};
use xtask::engines::Engine;

use crate::time::is_judged_safe;

/// F12: locks, files and local storage are refused. The cluster was never started, and nothing said why.
#[test]
fn where_site_data_is_blocked_the_cluster_runs_in_memory_and_says_why() {
    drive_without_site_data("?nodes=3", |page| {
        let refused = page.try_eval("await navigator.locks.request('any', () => {})");
        assert!(refused.is_err(), "this browser keeps nothing: {refused:?}");
        let leader = page.leader_within(20.0);
        page.value_of("create_queue 7");
        page.value_of("push 1 42");
        is_in_memory(page, "refuses this page");
        page.crash(leader);
        page.other_leader_within(20.0, leader);
        page.restart(leader);
        page.value_of("push 1 43");
        is_judged_safe(page);
        assert_eq!(page.pop_all(1), [42, 43]);
        assert_eq!(page.text(".notices"), "");
    });
}

/// Opening a log is refused while there is a cache of this name.
const REFUSE_LATE: &str = "const open = FileSystemFileHandle.prototype.createSyncAccessHandle;
    FileSystemFileHandle.prototype.createSyncAccessHandle = async function () {
      if (await caches.has('refuse')) throw new DOMException('a private window', 'UnknownError');
      return open.call(this);
    };";

/// A node that is refused its log goes on in memory only with all the others, and only where none has a log.
#[test]
fn a_log_that_is_refused_late_is_in_memory_with_all_the_others_or_not_at_all() {
    let site = Site::with_worker_script("refusing", REFUSE_LATE);
    drive_site(&site, "?nodes=3", |page| {
        let refuses = |refuses: bool| {
            page.eval(if refuses {
                "await caches.open('refuse')"
            } else {
                "await caches.delete('refuse')"
            });
        };
        page.leader_within(20.0);
        page.value_of("create_queue 7");
        page.value_of("push 1 42");
        assert_eq!(page.status().storage, "opfs");

        // The others have theirs.
        refuses(true);
        page.crash(2);
        let why = page.try_eval("await ftqueue.restart(2)").unwrap_err();
        assert!(
            why.contains("a private window") && why.contains("would forget"),
            "{why}"
        );
        let status = page.status();
        assert_eq!((&status.storage[..], &status.node(2).role[..]), ("opfs", "crashed"));
        let notice = page.text(".notices");
        assert!(
            notice.contains("Node 2") && notice.contains("start it again"),
            "{notice}"
        );
        page.value_of("push 1 43");

        // Nobody has: but there are logs, and nobody begins without.
        page.reload();
        eventually(20.0, "all are refused", || {
            let status = page.status();
            let refused = |node: &tests::Node| node.error.as_ref().is_some_and(|why| why.contains("would forget"));
            status.nodes.iter().all(refused).then_some(())
        });
        refuses(false);
        page.click_text("button", "Start all");
        page.leader_within(20.0);
        assert_eq!(page.pop_all(1), [42, 43]);

        // Another cluster, which has none.
        refuses(true);
        page.go("?nodes=4");
        let leader = page.leader_within(20.0);
        is_in_memory(page, "a private window");
        page.value_of("create_queue 7");
        page.value_of("push 1 44");
        page.crash(leader);
        page.restart(leader);
        eventually(20.0, "it takes part", || {
            let status = page.status();
            (status.up().count() == 4 && status.node(leader).commit_index == status.commit_index).then_some(())
        });
        assert_eq!(page.pop_all(1), [44]);
        assert_eq!(page.text(".notices"), "");
    });
}

fn is_in_memory(page: &Page, why: &str) {
    assert_eq!(page.status().storage, "memory");
    let badge = page.text(".storage:not([hidden])");
    assert!(badge.contains("in memory"), "{badge:?}");
    let title = page.eval("return document.querySelector('.storage').title");
    assert!(title.as_str().is_some_and(|title| title.contains(why)), "{title}");
}

/// All Workers count what all have written. Beyond the quota, a write ends in its middle, a flush and a shortening not at all.
const QUOTA: &str = "const file = FileSystemSyncAccessHandle.prototype;
    const { write, flush, truncate } = file;
    const channel = new BroadcastChannel('quota');
    let quota = Infinity, used = 0;
    channel.onmessage = ({ data }) => {
      used += data.bytes ?? 0;
      quota = data.quota ?? quota;
    };
    const mayUse = (bytes) => {
      if (used + bytes <= quota) return;
      throw new DOMException('a test has used it up', 'QuotaExceededError');
    };
    file.write = function (bytes, options) {
      try {
        mayUse(bytes.length);
      } catch (full) {
        write.call(this, bytes.subarray(0, bytes.length >> 1), options);
        throw full;
      }
      used += bytes.length;
      channel.postMessage({ bytes: bytes.length });
      return write.call(this, bytes, options);
    };
    file.flush = function () { mayUse(0); return flush.call(this); };
    file.truncate = function (length) { mayUse(0); return truncate.call(this, length); };";

/// F18: all nodes share one quota, and died together when it was used up.
#[test]
fn without_room_all_live_on_and_what_was_asked_is_done_when_there_is_some() {
    let site = Site::with_worker_script("quota", QUOTA);
    drive_site(&site, "?snapshot=100", |page| {
        page.leader_within(20.0);
        page.value_of("create_queue 7");
        let quota = |bytes: &str| {
            page.eval(&format!(
                "const channel = new BroadcastChannel('quota'); channel.postMessage({{ quota: {bytes} }}); channel.close();"
            ));
        };
        page.eval(
            "window.acknowledged = [];
             window.asked = 0;
             window.pushing = true;
             const push = async () => {
               while (window.pushing) {
                 const item = window.asked++;
                 const outcome = await ftqueue.submit(`push 1 ${item}`);
                 if (!outcome.ok) throw new Error(`push ${item}: ${outcome.text}`);
                 window.acknowledged.push(item);
               }
             };
             window.pushers = Promise.all(Array.from({ length: 8 }, push));",
        );
        let acknowledged = || page.eval("return window.acknowledged.length").as_u64().unwrap();
        eventually(20.0, "pushes go on", || (acknowledged() > 20).then_some(()));
        quota("60_000");
        eventually(60.0, "no majority has room", || {
            let status = page.status();
            let full = status.nodes.iter().filter(|node| node.lacks_room.is_some());
            (full.count() >= 3).then_some(())
        });
        let (before, status) = (acknowledged(), page.status());
        eventually(5.0, "it is said", || {
            let notices = page.text(".notices");
            (notices.contains("There is no room: Node") && notices.contains("a test has used it up")).then_some(())
        });
        let at_most = before + 8;
        throughout(2.0, || {
            let notices = page.eval(
                "return [...document.querySelectorAll('.notices > :not([hidden])')].map((notice) => notice.innerText)",
            );
            assert_eq!(notices.as_array().map(Vec::len), Some(1), "one for all: {notices}");
            let now = page.status();
            for (was, is) in status.nodes.iter().zip(&now.nodes) {
                assert!(
                    is.role != "crashed" && is.boot == was.boot && is.error.is_none(),
                    "{is:?}"
                );
            }
            assert_eq!((now.leader, now.term), (status.leader, status.term), "heartbeats go on");
            assert!(acknowledged() <= at_most, "nothing new is promised");
        });
        quota("Infinity");
        eventually(20.0, "pushes go on by themselves", || {
            (acknowledged() > at_most + 20).then_some(())
        });
        eventually(5.0, "and nothing is said any more", || {
            let shown = page.eval("return document.querySelectorAll('.notices > :not([hidden])').length");
            (shown == 0).then_some(())
        });
        page.eval("window.pushing = false; await window.pushers");
        is_judged_safe(page);

        for id in 1..=5 {
            page.crash(id);
        }
        for id in 1..=5 {
            page.restart(id);
        }
        page.leader_within(20.0);
        let mut items = page.pop_all(1);
        items.sort_unstable();
        let pushed = i64::try_from(acknowledged()).unwrap();
        assert_eq!(items, (0..pushed).collect::<Vec<_>>(), "every one, once");
    });
}

/// The same where it is the browser that has no more room, for a node that boots; and what can be deleted.
#[test]
fn a_node_that_finds_no_room_waits_for_it_and_other_clusters_can_be_deleted() {
    if Engine::of_environment() != Engine::Chromium {
        return;
    }
    drive("?nodes=4", |page| {
        page.leader_within(20.0);
        page.go("?nodes=3");
        page.leader_within(20.0);
        page.value_of("create_queue 7");
        page.value_of("push 1 42");
        page.crash(2);
        // The logs of a node that has none yet need room.
        page.eval(
            "let place = await navigator.storage.getDirectory();
             for (const part of ['ftqueue', 'cluster-0-n3']) place = await place.getDirectoryHandle(part);
             window.place = place;",
        );
        eventually(10.0, "its files can be removed", || {
            let removed = "for (const name of ['node-2.wal', 'node-2.other.wal']) await place.removeEntry(name).catch((error) => {
                if (error.name !== 'NotFoundError') throw error; })";
            page.try_eval(removed).ok()
        });
        page.limit_storage(Some(1));
        page.eval("window.restarted = ftqueue.restart(2)");
        let said = eventually(20.0, "it waits, and it is said that other clusters take room", || {
            Some(page.text(".notices")).filter(|text| text.contains("cluster-0-n4"))
        });
        assert!(
            said.contains("There is no room: Node 2") && said.contains("lets this site keep"),
            "{said}"
        );
        assert!(page.status().node(2).lacks_room.is_some());
        page.value_of("push 1 43");
        let clusters = || {
            page.eval(
                "const names = [];
                 const all = await (await navigator.storage.getDirectory()).getDirectoryHandle('ftqueue');
                 for await (const name of all.keys()) names.push(name);
                 return names.sort();",
            )
        };
        assert_eq!(clusters(), serde_json::json!(["cluster-0-n3", "cluster-0-n4"]));
        // Nothing is deleted before a person has said so, and to let it be is what is offered first.
        page.click(".storage-notice button");
        let asked = page.text("#delete-dialog[open]");
        assert!(
            asked.contains("Delete 1 cluster and free ") && asked.contains(" MB?") && asked.contains("cluster-0-n4"),
            "{asked}"
        );
        let focus = |page: &Page| page.eval("return document.activeElement.textContent.trim()");
        assert_eq!(focus(page), "Cancel");
        page.press("\u{E007}");
        eventually(5.0, "the dialog is closed", || {
            page.eval("return document.querySelector('dialog[open]')")
                .is_null()
                .then_some(())
        });
        assert!(
            focus(page)
                .as_str()
                .is_some_and(|text| text.starts_with("Delete 1 cluster")),
            "the focus returns: {}",
            focus(page)
        );
        // Whoever deletes comes after who was told not to: the recorder takes one after the other.
        page.eval("await ftqueue.past()");
        assert_eq!(clusters(), serde_json::json!(["cluster-0-n3", "cluster-0-n4"]));
        page.press("\u{E007}");
        page.click_text("#delete-dialog[open] button", "Delete");
        eventually(10.0, "the other cluster is gone", || {
            (clusters() == serde_json::json!(["cluster-0-n3"])).then_some(())
        });
        page.limit_storage(None);
        page.eval("await window.restarted");
        eventually(20.0, "it has what the others have", || {
            let status = page.status();
            (status.node(2).commit_index == status.commit_index).then_some(())
        });
        eventually(5.0, "what was said of room is gone", || {
            (!page.text(".notices").contains("no room")).then_some(())
        });
        assert_eq!(page.pop_all(1), [42, 43]);
    });
}

/// Page 39: nobody was told, and the verdict blamed the cluster.
#[test]
fn site_data_that_is_cleared_while_the_cluster_runs_is_missed() {
    if Engine::of_environment() != Engine::Chromium {
        return;
    }
    drive("?nodes=3", |page| {
        page.leader_within(20.0);
        page.value_of("create_queue 7");
        page.value_of("push 1 42");
        page.clear_site_data();
        let said = eventually(20.0, "it is said", || {
            Some(page.text(".notices")).filter(|text| text.contains("cleared while the cluster ran"))
        });
        assert!(said.contains("Node 1, Node 2 and Node 3"), "{said}");
        page.value_of("push 1 43");
        for id in 1..=3 {
            page.crash(id);
            page.restart(id);
            eventually(20.0, "it has what the others have", || {
                let status = page.status();
                let same = |node: &tests::Node| node.commit_index == status.commit_index && status.leader.is_some();
                status.nodes.iter().all(same).then_some(())
            });
            let forgot = format!("Node {id} had files and finds none");
            assert!(page.text(".notices").contains(&forgot), "{forgot}");
            is_not_blamed(page);
        }
        eventually(20.0, "all have files again", || {
            (!page.text(".notices").contains("cleared while the cluster ran")).then_some(())
        });
        // And they are good for what files are for.
        page.reload();
        page.leader_within(20.0);
        assert_eq!(page.pop_all(1), [42, 43]);
    });
}

fn is_not_blamed(page: &Page) {
    let verdict = page.text(".verdict");
    assert!(!verdict.contains('✗'), "{verdict}");
}

/// Whoever pushes has something to lose. Firefox would ask them with every visit, and is left alone.
#[test]
fn the_first_push_has_the_browser_asked_to_keep_the_data() {
    drive("?nodes=1", |page| {
        page.leader_within(20.0);
        page.eval(
            "window.asked = 0; StorageManager.prototype.persist = async () => { window.asked += 1; return false; };",
        );
        page.value_of("create_queue 7");
        assert_eq!(page.eval("return window.asked"), 0);
        for item in 0..3 {
            page.value_of(&format!("push 1 {item}"));
        }
        let expected = u32::from(Engine::of_environment() != Engine::Firefox);
        assert_eq!(page.eval("return window.asked"), expected);
    });
}
