//! Nodes, links and time under a person's hands.

use tests::{Page, Site, drive, drive_site, eventually, throughout};

#[test]
fn names_that_others_rely_on() {
    drive("", |page| {
        let leader = page.leader_within(5.0);
        let term = page.status().term;
        eventually(5.0, "the leader's name", || {
            page.names("[data-node]")
                .contains(&format!("Node {leader}, leader, term {term}"))
                .then_some(())
        });
        assert_eq!(page.names("[data-node]").len(), 5);
        for (role, name) in [("textbox", "Command"), ("log", "Results"), ("slider", "Timeline")] {
            assert_eq!(page.role_of(name), role, "{name}");
        }
        let mut menus: Vec<String> = page.names("button[aria-haspopup=menu]");
        menus.sort();
        assert_eq!(
            menus,
            [
                "Menu of Node 1",
                "Menu of Node 2",
                "Menu of Node 3",
                "Menu of Node 4",
                "Menu of Node 5"
            ]
        );
        let links = page.names("button.link");
        assert_eq!(links.len(), 10);
        assert!(links.contains(&"Link Node 2 – Node 5, open".to_owned()), "{links:?}");
        let menu = page
            .eval("return [...document.querySelectorAll('#menu-3 [role=menuitem]')].map((e) => e.textContent.trim())");
        let items = serde_json::json!([
            "Crash",
            "Pause",
            "Isolate",
            "Wipe disk…",
            "Download state",
            "Download activity log"
        ]);
        assert_eq!(menu, items);
        let unnamed = page.eval(
            "return [...document.querySelectorAll('button, input, select')]
               .filter((e) => !e.closest('[hidden]') && !e.getAttribute('aria-label') && !e.labels?.length && !e.textContent.trim()).map((e) => e.outerHTML)",
        );
        assert_eq!(unnamed, serde_json::json!([]), "everything that can be used has a name");
    });
}

#[test]
fn a_click_crashes_and_another_restarts() {
    drive("", |page| {
        let leader = page.leader_within(5.0);
        let node = format!("[data-node=\"{leader}\"]");
        page.click(&node);
        eventually(2.0, "the node is crashed", || {
            (page.status().node(leader).role == "crashed").then_some(())
        });
        page.other_leader_within(5.0, leader);
        page.click(&node);
        eventually(5.0, "the node follows", || {
            (page.status().node(leader).role == "follower").then_some(())
        });
    });
}

#[test]
fn who_rejoins_does_not_reach_those_who_are_isolated() {
    drive("?nodes=3", |page| {
        page.leader_within(5.0);
        let becomes = |one: u8, other: u8, state: &str| {
            let name = format!("Link Node {one} – Node {other}, {state}");
            eventually(2.0, &name, || {
                (page.names(&format!("button.link[aria-label='{name}']")).len() == 1).then_some(())
            });
        };
        page.choose(1, "Isolate");
        page.choose(2, "Isolate");
        becomes(2, 3, "cut");
        page.choose(1, "Rejoin");
        becomes(1, 3, "open");
        becomes(1, 2, "cut");
        assert!(!page.status().node(1).isolated && page.status().node(2).isolated);
        page.choose(2, "Rejoin");
        becomes(1, 2, "open");
        assert!(!page.status().node(2).isolated);
    });
}

#[test]
fn time_stands_steps_and_runs_slowly() {
    drive("?speed=0.1", |page| {
        page.leader_within(20.0);
        page.click_named("Pause");
        let stood = eventually(2.0, "time stands", || {
            let (one, other) = (page.status().now_ms, page.status().now_ms);
            (one == other).then_some(one)
        });
        page.click_named("Step");
        let stepped = eventually(3.0, "a step", || {
            let now_ms = page.status().now_ms;
            (now_ms >= stood + 9.9).then_some(now_ms)
        });
        throughout(0.5, || {
            assert!(
                page.status().now_ms - stood < 10.1,
                "a step is 10 ms, not {}",
                stepped - stood
            )
        });
        page.click_named("Play");
        let (before, wall) = (page.status(), std::time::Instant::now());
        std::thread::sleep(std::time::Duration::from_secs(2));
        let rate = (page.status().now_ms - before.now_ms) / wall.elapsed().as_secs_f64() / 1000.0;
        assert!((0.08..0.12).contains(&rate), "a tenth of real time, not {rate:.3}");
        assert_eq!(
            page.status().term,
            before.term,
            "no election, since the nodes' time is as slow"
        );
    });
}

#[test]
fn a_leader_that_is_paused_is_replaced() {
    drive("", |page| {
        let leader = page.leader_within(5.0);
        page.choose(leader, "Pause");
        eventually(2.0, "the node is paused", || {
            page.status().node(leader).paused.then_some(())
        });
        let next = page.other_leader_within(5.0, leader);
        page.choose(leader, "Resume");
        eventually(5.0, "it follows the new leader", || {
            let status = page.status();
            (status.node(leader).role == "follower" && status.node(leader).term == status.node(next).term).then_some(())
        });
    });
}

#[test]
fn a_link_is_cut_one_way() {
    drive("?nodes=3", |page| {
        let leader = page.leader_within(5.0);
        let others: Vec<u8> = (1..=3).filter(|&id| id != leader).collect();
        let (low, high) = (leader.min(others[0]), leader.max(others[0]));
        let name = |state: &str| format!("Link Node {low} – Node {high}, {state}");
        page.click_named(&name("open"));
        page.click_named(&name("cut"));
        page.click_named(&name(&format!("cut from Node {low} to Node {high}")));
        page.click_named(&name(&format!("cut from Node {high} to Node {low}")));
        eventually(2.0, "the link is open again", || {
            page.names("button.link").contains(&name("open")).then_some(())
        });

        // A leader that is not heard by one node is still heard by the other: writes go on.
        page.click_named(&name("open"));
        page.click_named(&name("cut"));
        let qid = page.value_of("create_queue 7");
        page.value_of(&format!("push {qid} 1"));
    });
}

#[test]
fn load_is_served_and_stopped() {
    drive("", |page| {
        page.leader_within(5.0);
        page.click("details.load summary");
        page.click_text("button", "Start load");
        let committed = page.status().commit_index;
        eventually(10.0, "the load is committed", || {
            (page.status().commit_index > committed + 100).then_some(())
        });
        page.click_text("button", "Stop load");
        std::thread::sleep(std::time::Duration::from_millis(1_500));
        let stopped = page.status().commit_index;
        throughout(1.0, || {
            assert_eq!(page.status().commit_index, stopped, "a stopped load is stopped")
        });
        assert!(page.status().nodes.iter().all(|node| node.error.is_none()));
    });
}

#[test]
fn settings_warn_when_a_round_trip_outlives_the_timer() {
    drive("", |page| {
        page.leader_within(5.0);
        page.click_text("button", "Settings");
        assert_eq!(page.text(".settings-warning"), "");
        set(page, "Delay", 200);
        let warning = eventually(2.0, "a warning", || {
            Some(page.text(".settings-warning")).filter(|text| !text.is_empty())
        });
        assert!(warning.contains("round trip"), "{warning}");
        set(page, "Delay", 8);
        eventually(2.0, "the warning goes", || {
            page.text(".settings-warning").is_empty().then_some(())
        });
    });
}

/// Timers with which nobody is ever elected are not taken, from the address as little as from the dialog, and what is taken is said.
#[test]
fn timers_that_never_elect_are_changed_and_the_page_says_so() {
    drive("?election_min=150&election_max=150", |page| {
        let notice = page.text(".notices");
        assert!(notice.contains("every election timeout is 150 ms"), "{notice}");
        assert!(notice.contains("150 to 300 ms"), "{notice}");
        page.leader_within(5.0);
        page.click_text("button", "Settings");
        set(page, "Heartbeat", 400);
        let warning = eventually(2.0, "a warning", || {
            Some(page.text(".settings-warning")).filter(|text| !text.is_empty())
        });
        assert!(warning.contains("a heartbeat comes every 400 ms"), "{warning}");
        assert!(warning.contains("a heartbeat every 50 ms"), "{warning}");
        set(page, "Longest election timeout", 151);
        let warning = eventually(2.0, "another warning", || {
            Some(page.text(".settings-warning")).filter(|text| text.contains("151 ms"))
        });
        assert!(warning.contains("split the votes"), "{warning}");
    });
}

/// At ten times the speed a flush of a millisecond is longer than the shortest timer that can be set.
#[test]
fn disks_that_are_too_slow_for_the_timers_are_told_of_in_a_notice() {
    drive(
        "?speed=10&election_min=10&election_max=12&heartbeat=1&delay=0&jitter=0",
        |page| {
            let notice = eventually(20.0, "a notice", || {
                Some(page.text(".notices")).filter(|text| text.contains("Disks are too slow for the timers"))
            });
            assert!(notice.contains("the shortest election timeout is 10 ms"), "{notice}");
        },
    );
}

/// At ten times the speed the shortest timers run out again and again while a disk works. The nodes hear the page all the same: back in
/// real time they run as slowly as it does, go on reporting, and elect a leader as soon as the links let them.
#[test]
fn the_shortest_timers_at_the_highest_speed_leave_every_node_able_to_hear() {
    /// How fast time is seen to run, in virtual seconds a second. A node that ran faster would carry the page along: a clock never stays behind
    /// what it is told.
    fn rate(page: &Page) -> f64 {
        let rate = page.eval(
            "const look = async () => [(await ftqueue.status()).now_ms, performance.now()];
             const [from, began] = await look();
             for (;;) {
               await new Promise((resolve) => requestAnimationFrame(resolve));
               const [to, ended] = await look();
               if (ended - began > 1000) return (to - from) / (ended - began);
             }",
        );
        rate.as_f64().unwrap()
    }
    // At ten times the speed these are twenty milliseconds, longer than any timer here; in real time, far shorter.
    let script = "const flush = FileSystemSyncAccessHandle.prototype.flush;
        FileSystemSyncAccessHandle.prototype.flush = function () {
          const began = performance.now();
          const flushed = flush.call(this);
          while (performance.now() - began < 2);
          return flushed;
        };";
    let site = Site::with_worker_script("two-ms", script);
    let query = "?speed=10&election_min=10&election_max=12&heartbeat=1";
    drive_site(&site, query, |page| {
        let report = |seconds_max: f64, page: &Page| {
            let before = page.status();
            eventually(seconds_max, "every node reports another term", || {
                let status = page.status();
                let is_later = |node: &tests::Node| node.term > before.node(node.id).term;
                status.nodes.iter().all(is_later).then_some(())
            });
        };
        report(20.0, page);
        let fast = rate(page);
        assert!(fast > 3.0, "{fast:.2} times real time");
        let header = page.text("header");
        assert!(
            header.contains("timers too short"),
            "a round trip outlives them: {header}"
        );

        page.click(".speed-value");
        assert_eq!(page.status().rate, 1.0);
        throughout(1.0, || {
            let notices = page.text(".notices");
            let told = notices.matches("Disks are too slow").count();
            assert_eq!(told, 1, "nobody is told again that slower time helps: {notices}");
        });
        eventually(20.0, "every node has heard of it", || (rate(page) < 1.5).then_some(()));
        for _ in 0..3 {
            report(5.0, page);
            let real = rate(page);
            assert!((0.5..1.5).contains(&real), "{real:.2} times real time");
        }

        page.click_text("button", "Settings");
        set(page, "Delay", 0);
        set(page, "Jitter", 0);
        page.leader_within(20.0);
        let qid = page.value_of("create_queue 7");
        page.value_of(&format!("push {qid} 42"));
        assert_eq!(page.value_of(&format!("pop {qid}")), 42);
        let status = page.status();
        assert!(status.nodes.iter().all(|node| node.error.is_none()), "{status:?}");
    });
}

#[test]
fn another_number_of_nodes_is_another_cluster() {
    drive("?nodes=3", |page| {
        page.leader_within(5.0);
        let first = page.status().cluster;
        let qid = page.value_of("create_queue 7");
        page.value_of(&format!("push {qid} 1"));
        page.go("?nodes=1");
        page.leader_within(5.0);
        assert_ne!(page.status().cluster, first);
        assert!(!page.submit("get_qid 7").ok);
        page.go("?nodes=3");
        page.leader_within(5.0);
        assert_eq!(page.value_of("get_qid 7"), qid, "nothing was lost");
        page.go("?nodes=9");
        page.leader_within(10.0);
        assert_eq!(page.status().nodes.len(), 9);
    });
}

#[test]
fn a_node_tells_its_state_and_what_it_did() {
    drive("?nodes=3", |page| {
        let leader = page.leader_within(5.0);
        let qid = page.value_of("create_queue 7");
        page.value_of(&format!("push {qid} 42"));
        let folder = std::env::temp_dir().join(format!("ftqueue-downloads-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        page.download_to(&folder);
        let downloaded = |name: String| {
            let path = folder.join(name);
            eventually(10.0, "a download", || {
                std::fs::read_to_string(&path).ok().filter(|text| !text.is_empty())
            })
        };
        page.choose(leader, "Download state");
        let state: serde_json::Value =
            serde_json::from_str(&downloaded(format!("node-{leader}-state.json"))).expect("JSON");
        let text = state.to_string();
        for word in ["log", "term", "commit_index", "queues", "42"] {
            assert!(text.contains(word), "no {word} in {text}");
        }
        page.choose(leader, "Download activity log");
        let activity = downloaded(format!("node-{leader}-activity.txt"));
        assert!(activity.lines().count() > 5, "{activity}");
        assert!(
            activity.lines().all(|line| line.contains(&format!("Node {leader}"))),
            "{activity}"
        );
        let _ = std::fs::remove_dir_all(&folder);
    });
}

#[test]
fn the_trace_says_what_happened() {
    drive("?nodes=3", |page| {
        page.leader_within(5.0);
        page.value_of("create_queue 7");
        // The recorder is fetched when there is a leader, and then reads what was before.
        let trace = eventually(10.0, "facts of every kind", || {
            let trace = page.eval("return await ftqueue.trace()");
            let facts = trace["facts"].as_array()?;
            let has = |kind: &&str| facts.iter().any(|fact| fact["kind"] == *kind);
            ["raft", "sent", "received", "synced"].iter().all(has).then_some(trace)
        });
        assert_eq!(trace["version"], 1);
        assert_eq!(trace["kept_from_us"], 0);
        let facts = trace["facts"].as_array().expect("facts");
        assert!(
            facts
                .iter()
                .all(|fact| fact["text"].as_str().is_some_and(|text| !text.is_empty()))
        );
    });
}

/// Types a number into a field of the settings.
fn set(page: &Page, name: &str, value: u32) {
    page.eval(&format!(
        "const field = document.querySelector('dialog[open] [aria-label=\"{name}\"]');
         field.value = '{value}';
         field.dispatchEvent(new Event('change', {{ bubbles: true }}));"
    ));
}
