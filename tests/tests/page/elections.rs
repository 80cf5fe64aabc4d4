//! Who leads, and when nobody may.

use tests::{Page, Site, drive, drive_site, eventually, throughout};

/// How long an election may take. At 1 × a timeout is 150 to 300 ms, so this bears several split votes.
const ELECTION_SECONDS_MAX: f64 = 5.0;

#[test]
fn staged_start() {
    drive("?nodes=5&start=none", |page| {
        assert_eq!(page.status().up().count(), 0);
        page.restart(1);
        candidates_but_no_leader(page);
        page.restart(2);
        candidates_but_no_leader(page);
        page.restart(3);
        let leader = page.leader_within(ELECTION_SECONDS_MAX);
        let term = page.status().term;
        for late in [4, 5] {
            page.restart(late);
            eventually(5.0, "the late one follows", || {
                let status = page.status();
                let node = status.node(late);
                (node.role == "follower" && node.term == status.term && node.commit_index == status.commit_index)
                    .then_some(())
            });
        }
        throughout(1.0, || {
            let status = page.status();
            assert_eq!((status.leader, status.term), (Some(leader), term), "the leader stays");
        });
    });
}

#[test]
fn kill_leaders() {
    drive("", |page| {
        let first = page.leader_within(ELECTION_SECONDS_MAX);
        let term = page.status().term;
        page.crash(first);
        let second = page.other_leader_within(ELECTION_SECONDS_MAX, first);
        assert!(page.status().term > term);
        page.crash(second);
        let third = page.other_leader_within(ELECTION_SECONDS_MAX, second);
        assert!(![first, second].contains(&third), "who has crashed does not lead");
        page.crash(third);
        candidates_but_no_leader(page);
        page.restart(first);
        page.leader_within(ELECTION_SECONDS_MAX);
    });
}

/// A browser slows a hidden page down, not its Workers: no node misses a heartbeat for it. A busy computer may have an election by itself, but
/// not each time.
#[test]
fn hidden_tab() {
    const TRIES_MAX: usize = 4;
    drive("", |page| {
        page.leader_within(ELECTION_SECONDS_MAX);
        page.eval(
            "window.hidden = 0;
             let since = 0;
             document.addEventListener('visibilitychange', () => {
               if (document.hidden) since = performance.now(); else window.hidden += performance.now() - since;
             });",
        );
        let is_undisturbed = (0..TRIES_MAX).any(|_| {
            page.eval("window.hidden = 0");
            let before = page.status();
            page.in_another_tab("about:blank", || std::thread::sleep(std::time::Duration::from_secs(10)));
            let hidden_ms = eventually(5.0, "the tab is shown again", || {
                page.eval("return window.hidden")
                    .as_f64()
                    .filter(|&hidden_ms| hidden_ms > 0.0)
            });
            assert!(hidden_ms > 9_000.0, "the tab was hidden for {hidden_ms:.0} ms only");
            let after = page.status();
            assert!(after.now_ms - before.now_ms > 9_000.0, "time went on");
            (after.leader, after.term) == (before.leader, before.term)
                && page.nodes_terms().iter().all(|&term| term == before.term)
        });
        assert!(is_undisturbed, "an election each time");
    });
}

#[test]
fn isolated_leader_serves_no_stale_read() {
    drive("", |page| {
        let old = page.leader_within(ELECTION_SECONDS_MAX);
        let qid = page.value_of("create_queue 7");
        page.value_of(&format!("push {qid} 1"));
        page.choose(old, "Isolate");
        // Asked at once, while the old leader does not know yet and the others have not elected: it may answer late, and
        // it may answer what a later push has made true, but it may not answer from the old leader's copy alone.
        page.eval(&format!(
            "window.early = ftqueue.submit('qsize {qid}'); window.early.then((o) => window.earlyDone = o)"
        ));
        let new = page.other_leader_within(ELECTION_SECONDS_MAX, old);
        assert_eq!(
            page.status().node(old).role,
            "leader",
            "the old leader does not know that it has been deposed"
        );
        assert!(page.status().node(old).isolated);
        page.value_of(&format!("push {qid} 2"));
        for _ in 0..5 {
            let sizes = page.eval(&format!(
                "const reads = Array.from({{ length: 8 }}, () => ftqueue.submit('qsize {qid}'));
                 return (await Promise.all(reads)).map((read) => read.ok && read.value)"
            ));
            assert_eq!(
                sizes,
                serde_json::json!([2, 2, 2, 2, 2, 2, 2, 2]),
                "every read sees the second push"
            );
        }
        assert_eq!(page.value_of(&format!("top {qid}")), 1);
        let early = page.eval("return await window.early");
        assert!(
            early["ok"] == true
                && !early["leaders"]
                    .as_array()
                    .unwrap()
                    .last()
                    .is_some_and(|last| *last == old),
            "{early}"
        );
        let stale = page
            .status()
            .node(old)
            .queues
            .iter()
            .map(|queue| queue.size)
            .sum::<u64>();
        assert_eq!(
            stale, 1,
            "the old leader's copy is stale, so a read from it would have shown"
        );

        page.choose(old, "Rejoin");
        eventually(ELECTION_SECONDS_MAX, "the old leader follows the new one", || {
            let status = page.status();
            (status.node(old).role == "follower" && status.node(old).queues == status.node(new).queues).then_some(())
        });
    });
}

/// For two seconds nobody leads, though somebody tries.
#[track_caller]
fn candidates_but_no_leader(page: &Page) {
    let mut tries = 0;
    throughout(2.0, || {
        let status = page.status();
        assert_eq!(status.leader, None, "a minority has no leader: {status:?}");
        tries += status.up().filter(|node| node.role.contains("candidate")).count();
    });
    assert!(tries > 0, "a node without a leader stands for election");
}

trait Terms {
    fn nodes_terms(&self) -> Vec<u64>;
}

impl Terms for Page {
    fn nodes_terms(&self) -> Vec<u64> {
        self.status().nodes.iter().map(|node| node.term).collect()
    }
}

/// Timers that run late again and again make elections that nobody wants: that is said, with what helps, until it is over.
#[test]
fn a_computer_that_is_too_busy_for_the_timers_is_told_of() {
    let script = "const wait = self.setTimeout;
        self.setTimeout = (run, ms, ...more) => wait.call(self, run, ms + 120, ...more);";
    let site = Site::with_worker_script("late-timers", script);
    drive_site(&site, "?nodes=3", |page| {
        let told = || page.text("header .busy");
        let said = eventually(20.0, "it is told", || Some(told()).filter(|said| !said.is_empty()));
        assert!(said.contains("too busy for timers of 150–300 ms"), "{said}");
        page.click("header .busy button");
        let rate = page.status().rate;
        assert!((0.05..0.5).contains(&rate), "{rate}");
        // So slow, it does no harm.
        throughout(12.0, || assert_eq!(told(), ""));
        page.leader_within(30.0);
    });
}
