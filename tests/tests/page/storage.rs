//! What was acknowledged is kept, whatever crashes.

use tests::{Page, Site, drive, drive_site, eventually};

use crate::time::is_judged_safe;

#[test]
fn two_crashes_lose_nothing() {
    const PUSHES: i64 = 200;
    drive("", |page| {
        page.leader_within(5.0);
        let qid = page.value_of("create_queue 7");
        page.eval(&format!(
            "window.acknowledged = [];
             window.pushing = (async () => {{
               for (let item = 0; item < {PUSHES}; item++) {{
                 const outcome = await ftqueue.submit(`push {qid} ${{item}}`);
                 if (!outcome.ok) throw new Error(`push ${{item}}: ${{outcome.text}}`);
                 window.acknowledged.push(item);
               }}
             }})();"
        ));
        let acknowledged = || page.eval("return window.acknowledged.length").as_i64().unwrap();
        let wait_for = |count: i64| eventually(30.0, "pushes go on", || (acknowledged() >= count).then_some(()));
        wait_for(20);
        let leader = page.leader_within(5.0);
        page.crash(leader);
        wait_for(60);
        let other = page.follower();
        page.crash(other);
        wait_for(110);
        page.restart(leader);
        page.restart(other);
        page.eval("await window.pushing");
        let expected: Vec<i64> = (0..PUSHES).collect();
        all_nodes_have(page, &expected);
        assert_eq!(page.value_of(&format!("qsize {qid}")), PUSHES);
        assert_eq!(page.pop_all(qid), expected, "every one, in order, once");
    });
}

#[test]
fn restart_all() {
    drive("", |page| {
        page.leader_within(5.0);
        let (first, second) = (page.value_of("create_queue 1"), page.value_of("create_queue 2"));
        for item in [10, -20, i64::MAX] {
            page.value_of(&format!("push {first} {item}"));
        }
        page.value_of(&format!("push {second} 5"));
        page.value_of(&format!("pop {first}"));
        for id in 1..=5 {
            page.crash(id);
        }
        assert_eq!(page.status().up().count(), 0);
        for id in 1..=5 {
            page.restart(id);
        }
        page.leader_within(5.0);
        assert_eq!(page.value_of("get_qid 2"), second);
        assert_eq!(page.value_of(&format!("pop {second}")), 5);
        assert_eq!(page.value_of(&format!("pop {first}")), -20);
        let greatest = page.submit(&format!("pop {first}"));
        assert_eq!(
            greatest.value,
            serde_json::json!(i64::MAX.to_string()),
            "beyond what a JavaScript number holds, it is text"
        );
        assert_eq!(page.value_of(&format!("qsize {first}")), 0);
    });
}

#[test]
fn reload() {
    drive("", |page| {
        page.leader_within(5.0);
        let cluster = page.status().cluster;
        let qid = page.value_of("create_queue 7");
        for item in 0..30 {
            page.value_of(&format!("push {qid} {item}"));
        }
        page.reload();
        page.leader_within(10.0);
        assert_eq!(page.status().cluster, cluster, "the page comes back to its own cluster");
        assert_eq!(page.value_of("get_qid 7"), qid);
        assert_eq!(page.pop_all(qid), (0..30).collect::<Vec<_>>());
    });
}

#[test]
fn who_lags_too_far_gets_a_snapshot() {
    drive("?snapshot=5", |page| {
        page.leader_within(5.0);
        let qid = page.value_of("create_queue 7");
        let away = page.follower();
        page.crash(away);
        let items: Vec<i64> = (0..40).collect();
        for item in &items {
            page.value_of(&format!("push {qid} {item}"));
        }
        let dropped = page.status().up().map(|node| node.snapshot_index).min().unwrap();
        assert!(dropped > 20, "the others have dropped {dropped} entries");
        page.restart(away);
        eventually(10.0, "it has the snapshot", || {
            (page.status().node(away).snapshot_index >= dropped).then_some(())
        });
        // Everything is on the disks as well.
        page.reload();
        page.leader_within(10.0);
        assert!(page.status().nodes.iter().all(|node| node.snapshot_index >= dropped));
        assert_eq!(page.pop_all(qid), items);
    });
}

/// Every node has applied one queue with these items, if it tells them all.
fn all_nodes_have(page: &Page, items: &[i64]) {
    eventually(10.0, "every node has applied every push", || {
        let status = page.status();
        let has = |node: &tests::Node| {
            let [queue] = &node.queues[..] else { return false };
            queue.size == items.len() as u64 && items.starts_with(&queue.items)
        };
        (status.up().count() == 5 && status.nodes.iter().all(has)).then_some(())
    });
}

#[test]
fn a_damaged_log_is_refused_with_the_place_and_can_be_wiped() {
    drive("?nodes=3", |page| {
        page.leader_within(5.0);
        let qid = page.value_of("create_queue 7");
        for item in 0..20 {
            page.value_of(&format!("push {qid} {item}"));
        }
        let follower = page.follower();
        page.crash(follower);
        let cluster = page.status().cluster;
        page.eval(&format!(
            "let place = await navigator.storage.getDirectory();
             for (const part of ['ftqueue', '{cluster}']) place = await place.getDirectoryHandle(part);
             const handle = await place.getFileHandle('node-{follower}.wal');
             const bytes = new Uint8Array(await (await handle.getFile()).arrayBuffer());
             bytes[bytes.length >> 1] ^= 1;
             for (let tries = 0; ; tries++) {{
               try {{
                 const file = await handle.createWritable();
                 await file.write(bytes);
                 await file.close();
                 break;
               }} catch (error) {{
                 if (tries > 50) throw error;
                 await new Promise((resolve) => setTimeout(resolve, 100));
               }}
             }}"
        ));
        let why = page
            .try_eval(&format!("await ftqueue.restart({follower})"))
            .unwrap_err();
        assert!(
            why.contains("byte") && why.contains("record"),
            "what is damaged, and where: {why}"
        );
        let status = page.status();
        assert_eq!(status.node(follower).role, "crashed");
        assert_eq!(status.node(follower).error.as_deref(), Some(why.as_str()));
        let notice = page.text(".notices");
        assert!(notice.contains("until its disk is wiped"), "what helps: {notice}");
        page.value_of(&format!("push {qid} 20"));

        page.choose(follower, "Wipe disk…");
        let warning = page.text("dialog[open]");
        assert!(warning.contains("stable storage"), "{warning}");
        page.click_text("dialog[open] button", "Wipe disk");
        eventually(10.0, "the wiped node starts and catches up", || {
            if page.status().node(follower).role == "crashed" {
                // Refused while its disk is still being wiped.
                let _ = page.try_eval(&format!("await ftqueue.restart({follower})"));
            }
            let status = page.status();
            (status.node(follower).commit_index == status.commit_index).then_some(())
        });
        assert_eq!(page.pop_all(qid), (0..=20).collect::<Vec<_>>());
    });
}

/// Browsers keep no files for a page that came over plain http: a node that crashes forgets everything, and the others have it still.
#[test]
fn over_plain_http_logs_are_in_memory_and_one_crash_loses_nothing() {
    drive_site(&Site::over_plain_http(), "?nodes=3", |page| {
        assert_eq!(page.eval("return window.isSecureContext"), false);
        assert_eq!(page.eval("return navigator.storage?.getDirectory === undefined"), true);
        let first = page.leader_within(5.0);
        assert_eq!(page.status().storage, "memory");
        let badge = page.text(".storage:not([hidden])");
        assert!(badge.contains("in memory"), "{badge:?}");
        let why = page.eval("return document.querySelector('.storage').title");
        assert!(why.as_str().unwrap().contains("plain http"), "{why}");

        let qid = page.value_of("create_queue 7");
        let push = |items: std::ops::Range<i64>| {
            for item in items {
                page.value_of(&format!("push {qid} {item}"));
            }
        };
        push(0..20);
        page.crash(first);
        let second = page.other_leader_within(5.0, first);
        // With these, both nodes that are left have everything.
        push(20..30);
        page.restart(first);
        eventually(10.0, "what it had forgotten is there again", || {
            let status = page.status();
            let (back, leader) = (status.node(first), status.node(second));
            (back.commit_index == leader.commit_index && back.queues == leader.queues).then_some(())
        });
        is_judged_safe(page);
        // And it counts: without the one that had it all along, it is half of the majority.
        page.crash(second);
        page.other_leader_within(10.0, second);
        push(30..40);
        assert_eq!(page.value_of("get_qid 7"), qid);
        assert_eq!(page.pop_all(qid), (0..40).collect::<Vec<_>>());
        is_judged_safe(page);
    });
}

/// Nobody knows what a disk holds whose flush has failed. The node stops before it promises anything, and the others go on without it; a
/// restart reads what is there, and it takes part again.
#[test]
fn a_flush_that_fails_stops_one_node_until_it_is_restarted() {
    let script = "const flush = FileSystemSyncAccessHandle.prototype.flush;
        let fails = false;
        const tests = new BroadcastChannel('tests');
        tests.onmessage = ({ data }) => {
          if (data !== self.name) return;
          fails = true;
          tests.postMessage('understood');
        };
        FileSystemSyncAccessHandle.prototype.flush = function () {
          if (fails) {
            fails = false;
            throw new DOMException('refused by a test', 'InvalidStateError');
          }
          return flush.call(this);
        };";
    drive_site(&Site::with_worker_script("flushless", script), "?nodes=3", |page| {
        let first = page.leader_within(5.0);
        let qid = page.value_of("create_queue 7");
        let mut pushed = 0;
        let mut push = |count: i64| {
            for _ in 0..count {
                page.value_of(&format!("push {qid} {pushed}"));
                pushed += 1;
            }
            pushed
        };
        push(10);
        // Whose next flush fails, once it has understood; and what is seen of it then.
        let next_flush_fails = |id: u8| {
            page.eval(&format!(
                "const tests = new BroadcastChannel('tests');
                 const understood = new Promise((resolve) => (tests.onmessage = resolve));
                 tests.postMessage('Node {id}');
                 await understood;
                 tests.close();"
            ));
        };
        let stopped = |id: u8| {
            let why = eventually(5.0, "the node stops", || {
                let status = page.status();
                let node = status.node(id);
                (node.role == "crashed").then(|| node.error.clone().unwrap_or_default())
            });
            assert!(
                why.contains("disk failed") && why.contains("refused by a test"),
                "why: {why}"
            );
            let notice = page.text(".notices");
            assert!(
                notice.contains(&format!("Node {id} failed: {why}")),
                "who, and why: {notice}"
            );
            assert!(notice.contains("start it again"), "what helps: {notice}");
            let status = page.status();
            let others = status.nodes.iter().filter(|node| node.id != id);
            for other in others {
                assert!(other.role != "crashed" && other.error.is_none(), "{other:?}");
            }
        };
        let takes_part_again = |id: u8| {
            eventually(10.0, "it has what the others have", || {
                let status = page.status();
                let node = status.node(id);
                let same = |other: &tests::Node| other.commit_index == node.commit_index && other.queues == node.queues;
                let is_well = node.role != "crashed" && node.error.is_none();
                (is_well && status.nodes.iter().all(same)).then_some(())
            });
        };

        let follower = page.status().nodes.iter().find(|node| node.id != first).unwrap().id;
        next_flush_fails(follower);
        push(1);
        stopped(follower);
        push(5);
        page.choose(follower, "Restart");
        takes_part_again(follower);

        // A leader, in the middle of a push. Without the node that has just come back there is no majority.
        let leader = page.leader_within(5.0);
        next_flush_fails(leader);
        push(1);
        stopped(leader);
        page.other_leader_within(5.0, leader);
        push(5);
        page.restart(leader);
        takes_part_again(leader);

        // What was acknowledged is on both: they are all that is left.
        page.crash((1..=3).find(|id| ![follower, leader].contains(id)).unwrap());
        page.leader_within(10.0);
        let pushed = push(5);
        assert_eq!(page.value_of("get_qid 7"), qid);
        assert_eq!(
            page.pop_all(qid),
            (0..pushed).collect::<Vec<_>>(),
            "every one, in order, once"
        );
        is_judged_safe(page);
    });
}
