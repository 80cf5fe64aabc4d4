//! Going back in time, live: one step for the whole cluster, whatever happens in the middle of it.

use std::collections::BTreeSet;

use sim::{Scenario, Wanted, file};
use tests::{Page, Site, drive, drive_site, eventually};

use crate::time::{back_to_now, look, now_us, opens, past, presses};

/// What the recorder's Worker runs beside its own: stops it where a test wants it, in the middle of a step. Of the record, the first
/// writing prepares the step, the second makes it.
const INTERFERE: &str = "
let mode = '';
let records = 0;
const said = new BroadcastChannel('test');
said.onmessage = ({ data }) => { mode = data; records = 0; said.postMessage('heard'); };
const open = FileSystemFileHandle.prototype.createSyncAccessHandle;
FileSystemFileHandle.prototype.createSyncAccessHandle = async function () {
  const record = this.name === 'standing' && ++records === 2;
  if (mode === 'before the record' && record) {
    said.postMessage('there');
    return new Promise(() => {});
  }
  const handle = await open.call(this);
  if (mode === 'after the record' && record) {
    const close = handle.close;
    handle.close = function () { close.call(handle); said.postMessage('there'); };
    self.postMessage = () => {};
  }
  if ((mode === 'full' && this.name.endsWith('.wal')) || (mode === 'full at the record' && record)) {
    handle.write = () => { throw new DOMException('the disk is full', 'QuotaExceededError'); };
  }
  return handle;
};
";

fn epoch(page: &Page) -> u64 {
    page.eval("return (await ftqueue.status()).epoch").as_u64().unwrap()
}

/// Tells the recorder where to stop.
fn interferes(page: &Page, mode: &str) {
    page.eval(&format!(
        "window.test ??= new BroadcastChannel('test');
         const heard = new Promise((resolve) => {{ test.onmessage = ({{ data }}) => data === 'heard' && resolve(); }});
         test.postMessage('{mode}');
         await heard;
         window.there = false;
         test.onmessage = ({{ data }}) => {{ if (data === 'there') window.there = true; }};"
    ));
}

fn recorder_runs(page: &Page) {
    eventually(20.0, "the recorder", || {
        (!page.text(".time-panel").is_empty()).then_some(())
    });
}

/// Asks for the Workers to go on from an instant; does not wait for it.
fn asks_to_go_back(page: &Page, at_us: u64) {
    look(page, at_us);
    presses(page, "go-live");
    presses(page, "go-live now");
}

/// Has the Workers go on from an instant, and waits for a leader.
fn goes_back(page: &Page, at_us: u64) {
    let before = epoch(page);
    asks_to_go_back(page, at_us);
    eventually(20.0, "another epoch", || (epoch(page) > before).then_some(()));
    eventually(10.0, "the present", || past(page).is_null().then_some(()));
    page.leader_within(20.0);
}

/// An instant that lies so far behind that every node's clock is past it.
fn instant(page: &Page) -> u64 {
    let then = now_us(page);
    eventually(10.0, "a little time", || (now_us(page) > then + 200_000).then_some(()));
    then
}

/// Pushes these at once, and says which were acknowledged.
fn pushes(page: &Page, items: impl Iterator<Item = i64>) -> Vec<bool> {
    let items: Vec<i64> = items.collect();
    let outcomes = page.eval(&format!(
        "const all = await Promise.all({items:?}.map((item) => ftqueue.submit(`push 1 ${{item}}`)));
         return all.map((outcome) => outcome.ok);"
    ));
    serde_json::from_value(outcomes).unwrap()
}

/// R1. Clients begin anew with a new past: nothing of theirs is taken for a repeat of what another wrote in a history that is no more.
#[test]
fn two_pushes_at_once_after_going_back_are_two() {
    drive("?nodes=3", |page| {
        page.leader_within(10.0);
        page.value_of("create_queue 7");
        recorder_runs(page);
        let then = instant(page);
        assert_eq!(pushes(page, 1..=2), [true, true]);
        goes_back(page, then);
        page.value_of("push 1 10");
        assert_eq!(pushes(page, [20, 30].into_iter()), [true, true]);
        let popped = page.pop_all(1);
        assert_eq!(popped[0], 10);
        assert_eq!(popped.iter().copied().collect::<BTreeSet<_>>(), [10, 20, 30].into());
        assert_eq!(popped.len(), 3);
    });
}

/// What is under way is answered: nobody waits for what was taken back.
#[test]
fn what_is_under_way_is_told_that_the_cluster_went_back() {
    drive("?nodes=3", |page| {
        page.leader_within(10.0);
        page.value_of("create_queue 7");
        recorder_runs(page);
        let then = instant(page);
        // Two of three are down: it is under way until there is a majority again.
        let leader = page.leader_within(5.0);
        for id in (1..=3).filter(|id| *id != leader) {
            page.crash(id);
        }
        page.eval("window.pushing = ftqueue.submit('push 1 5');");
        goes_back(page, then);
        let text = page.eval("return (await window.pushing).text");
        assert!(
            text.as_str().unwrap().contains("the cluster went back in time"),
            "{text}"
        );
        page.value_of("push 1 6");
        assert_eq!(page.pop_all(1), [6]);
    });
}

/// R2. A member that was down is taken back, too: no node of another time brings back what was taken away.
#[test]
fn a_member_that_was_down_is_of_the_same_time() {
    drive("", |page| {
        page.leader_within(10.0);
        page.value_of("create_queue 7");
        recorder_runs(page);
        page.crash(5);
        let crashed = now_us(page);
        // Past its own clock, which may be a little ahead; and it is started again while the recorder still waits for its last words.
        let then = eventually(10.0, "a moment", || {
            Some(now_us(page)).filter(|now| *now > crashed + 40_000)
        });
        page.restart(5);
        for _ in 0..2 {
            let leader = page.leader_within(10.0);
            page.crash(leader);
            page.other_leader_within(10.0, leader);
            page.restart(leader);
        }
        assert_eq!(pushes(page, 1_001..=1_005), [true; 5]);
        goes_back(page, then);
        assert_eq!(page.status().node(5).role, "crashed", "it is down, as it was");
        assert_eq!(pushes(page, 2_001..=2_004), [true; 4]);
        page.go("?start=none");
        let away = [page.status().nodes.len() as u8, 1, 2];
        for id in away {
            page.restart(id);
        }
        page.leader_within(20.0);
        let mut popped = page.pop_all(1);
        popped.sort_unstable();
        assert_eq!(popped, [2_001, 2_002, 2_003, 2_004]);
    });
}

/// A step to an instant at which nobody ran waits for nobody: time goes on, and who is started then elects.
#[test]
fn a_step_to_where_all_were_down_leaves_a_cluster_that_can_be_started() {
    drive("?nodes=3", |page| {
        page.leader_within(10.0);
        page.value_of("create_queue 7");
        recorder_runs(page);
        for id in 1..=3 {
            page.crash(id);
        }
        let crashed = now_us(page);
        let then = eventually(10.0, "a moment", || {
            Some(now_us(page)).filter(|now| *now > crashed + 500_000)
        });
        for id in 1..=3 {
            page.restart(id);
        }
        page.leader_within(10.0);
        page.value_of("push 1 42");
        let before = epoch(page);
        asks_to_go_back(page, then);
        eventually(20.0, "another epoch", || (epoch(page) > before).then_some(()));
        assert_eq!(page.status().up().count(), 0);
        for id in 1..=3 {
            page.restart(id);
        }
        page.leader_within(10.0);
        assert_eq!(page.value_of("qsize 1"), 0, "the push was taken back");
    });
}

/// What was before a step back that was undone is shown in the live run as it was, and it can be gone back to.
#[test]
fn what_was_before_an_undone_step_can_be_gone_back_to() {
    drive("?nodes=3", |page| {
        page.leader_within(10.0);
        page.value_of("create_queue 7");
        assert_eq!(pushes(page, 0..=3), [true; 4]);
        recorder_runs(page);
        let then = instant(page);
        let was = look(page, then);
        back_to_now(page);
        assert_eq!(pushes(page, 4..=5), [true; 2]);
        goes_back(page, then);
        let epoch_before = epoch(page);
        presses(page, "undo");
        eventually(20.0, "the epoch before", || (epoch(page) < epoch_before).then_some(()));
        page.leader_within(20.0);
        page.value_of("push 1 6");
        assert_eq!(look(page, then)["hash"], was["hash"]);
        back_to_now(page);
        goes_back(page, then);
        assert_eq!(page.pop_all(1), [0, 1, 2, 3]);
    });
}

/// The tab is closed in the middle: before the record nothing has happened, after it all has.
#[test]
fn a_tab_that_closes_in_the_middle_leaves_one_epoch_or_the_other() {
    let site = Site::with_recorder_script("closing", INTERFERE);
    drive_site(&site, "?nodes=3", |page| {
        page.leader_within(10.0);
        page.value_of("create_queue 7");
        for (mode, went) in [("before the record", false), ("after the record", true)] {
            recorder_runs(page);
            let (before, then) = (epoch(page), instant(page));
            page.value_of("push 1 5");
            interferes(page, mode);
            asks_to_go_back(page, then);
            eventually(10.0, mode, || (page.eval("return window.there") == true).then_some(()));
            page.reload();
            page.leader_within(20.0);
            assert_eq!(epoch(page), before + u64::from(went), "{mode}");
            assert_eq!(page.pop_all(1), if went { Vec::new() } else { vec![5] }, "{mode}");
        }
    });
}

/// A full disk: the cluster runs on in the epoch that stands, and it is said why.
#[test]
fn a_full_disk_in_the_middle_changes_nothing() {
    let site = Site::with_recorder_script("full", INTERFERE);
    drive_site(&site, "?nodes=3", |page| {
        page.leader_within(10.0);
        page.value_of("create_queue 7");
        recorder_runs(page);
        let then = instant(page);
        page.value_of("push 1 5");
        for mode in ["full", "full at the record"] {
            interferes(page, mode);
            asks_to_go_back(page, then);
            let said = eventually(20.0, mode, || {
                Some(page.text(".notices")).filter(|text| text.contains("did not go back"))
            });
            assert!(said.contains("the disk is full"), "{said}");
            page.click_named("Dismiss");
            back_to_now(page);
            page.leader_within(20.0);
            assert_eq!(epoch(page), 0);
            assert_eq!(page.value_of("top 1"), 5);
        }
        // And once there is room it goes.
        interferes(page, "");
        goes_back(page, then);
        assert_eq!(page.value_of("qsize 1"), 0);
        // Until it is undone.
        presses(page, "undo");
        eventually(20.0, "the epoch before", || (epoch(page) == 0).then_some(()));
        page.leader_within(20.0);
        assert_eq!(page.pop_all(1), [5]);
    });
}

/// The same where it is the browser that has no more room.
#[test]
fn without_room_for_another_epoch_the_one_that_stands_stays() {
    drive("?nodes=3", |page| {
        page.leader_within(10.0);
        page.value_of("create_queue 7");
        recorder_runs(page);
        let then = instant(page);
        page.value_of("push 1 5");
        page.limit_storage(Some(1));
        asks_to_go_back(page, then);
        let said = eventually(20.0, "it is said", || {
            Some(page.text(".notices")).filter(|text| text.contains("did not go back"))
        });
        page.limit_storage(None);
        assert!(said.contains("the browser refused to"), "{said}");
        back_to_now(page);
        assert_eq!(epoch(page), 0);
        assert_eq!(page.status().up().count(), 3, "no Worker was ended");
        page.value_of("push 1 6");
        assert_eq!(page.pop_all(1), [5, 6]);
    });
}

/// A node whose files are of another time takes no part, says why, and what helps.
#[test]
fn a_log_of_another_epoch_is_refused_by_name() {
    drive("?nodes=3", |page| {
        page.leader_within(10.0);
        page.value_of("create_queue 7");
        recorder_runs(page);
        let cluster = page.status().cluster;
        let then = instant(page);
        page.eval(&format!(
            "let place = await navigator.storage.getDirectory();
             for (const part of ['ftqueue', '{cluster}']) place = await place.getDirectoryHandle(part);
             window.cluster = place;
             window.old = await (await (await place.getFileHandle('node-2.wal')).getFile()).arrayBuffer();"
        ));
        goes_back(page, then);
        page.crash(2);
        eventually(10.0, "its file can be written", || {
            page.try_eval(
                "const place = await window.cluster.getDirectoryHandle('epoch-1');
                 const file = await (await place.getFileHandle('node-2.wal')).createWritable();
                 await file.write(window.old);
                 await file.close();",
            )
            .ok()
        });
        let why = page.try_eval("await ftqueue.restart(2)").unwrap_err();
        assert!(why.contains("epoch 0") && why.contains("epoch 1"), "{why}");
        assert!(page.text(".notices").contains("until its disk is wiped"));
        page.value_of("push 1 1");
    });
}

/// A run of so many nodes, as somebody else may have kept it.
fn strangers_run(nodes: u8) -> Vec<u8> {
    let wanted = Wanted {
        nodes: Some(nodes),
        seconds: Some(4),
        rate: Some(20),
        faults: Some([].into_iter().collect()),
        ..Wanted::default()
    };
    file::write(&Scenario::drawn(11, wanted)).unwrap()
}

/// R3. Going on from somebody else's run begins a cluster beside one's own, of any size; one's own is as it was, and can be gone back to.
#[test]
fn a_strangers_run_goes_on_beside_ones_own_cluster() {
    drive("", |page| {
        page.leader_within(10.0);
        page.value_of("create_queue 7");
        page.value_of("push 1 42");
        let own = page.status().cluster;
        let mut begun = Vec::new();
        for nodes in [3, 7, 5] {
            recorder_runs(page);
            opens(page, "strange.ftq", &strangers_run(nodes));
            eventually(20.0, "the run", || {
                Some(past(page)).filter(|past| past["run"].as_u64() > Some(0))
            });
            look(page, 3_000_000);
            presses(page, "go-live");
            let said = eventually(5.0, "what will happen", || {
                Some(page.text(".question")).filter(|text| text.contains("beside"))
            });
            assert!(said.contains(&format!("A cluster of {nodes}")), "{said}");
            presses(page, "go-live now");
            let beside = eventually(20.0, "the cluster beside", || {
                let status = page.try_eval("return (await ftqueue.status()).cluster").ok()?;
                status
                    .as_str()
                    .filter(|name| name.starts_with("beside-"))
                    .map(str::to_owned)
            });
            page.wait();
            page.leader_within(20.0);
            assert_eq!(page.status().nodes.len(), usize::from(nodes));
            assert!(!begun.contains(&beside), "a name that no other has");
            page.value_of("create_queue 777");
            // A reload stays with it.
            page.reload();
            page.leader_within(20.0);
            assert_eq!(page.status().cluster, beside);
            page.value_of("get_qid 777");
            recorder_runs(page);
            presses(page, "cluster");
            eventually(20.0, "one's own", || {
                (page.try_eval("return (await ftqueue.status()).cluster").ok()? == own.as_str()).then_some(())
            });
            page.wait();
            page.leader_within(20.0);
            assert_eq!(page.status().nodes.len(), 5);
            assert_eq!(page.value_of("top 1"), 42);
            assert_eq!(epoch(page), 0, "nothing was taken back here");
            begun.push(beside);
        }
        recorder_runs(page);
        // One is chosen again, another deleted.
        presses(page, &format!("drop-cluster {}", begun[0]));
        presses(page, &format!("delete-cluster {}", begun[0]));
        eventually(10.0, "it is gone", || {
            let left = page.eval(
                "return [...document.querySelectorAll('.clusters [data-do^=\"cluster \"]')].map((it) => it.dataset.do)",
            );
            (left.as_array()?.len() == 2).then_some(())
        });
        presses(page, &format!("cluster {}", begun[1]));
        eventually(20.0, "the other", || {
            (page.try_eval("return (await ftqueue.status()).cluster").ok()? == begun[1].as_str()).then_some(())
        });
        page.wait();
        page.leader_within(20.0);
        page.value_of("get_qid 777");
    });
}

/// Back and forth under load, with crashes, reloads and closings in the middle: every push that was acknowledged in the history that
/// stands is there once, and nothing of the histories that do not. `FTQUEUE_STEPS_BACK=100` goes back a hundred times.
#[test]
fn back_and_forth_under_load() {
    let steps = std::env::var("FTQUEUE_STEPS_BACK").ok();
    let steps: u64 = steps.and_then(|text| text.parse().ok()).unwrap_or(6);
    let site = Site::with_recorder_script("rounds", INTERFERE);
    drive_site(&site, "?nodes=3", |page| {
        page.leader_within(10.0);
        page.value_of("create_queue 7");
        let mut ledger = Ledger::default();
        let mut rounds = 0;
        while ledger.went < steps {
            ledger.round(page, rounds);
            rounds += 1;
            assert!(
                rounds <= 6 + 2 * steps,
                "it went back {} times of {rounds}",
                ledger.went
            );
        }
        page.leader_within(20.0);
        let popped = pops_everything(page);
        let once: BTreeSet<i64> = popped.iter().copied().collect();
        assert_eq!(once.len(), popped.len(), "each is there once: {popped:?}");
        let missing: Vec<_> = ledger.must.difference(&once).collect();
        assert!(missing.is_empty(), "acknowledged and not there: {missing:?}");
        let strange: Vec<_> = once
            .iter()
            .filter(|item| !ledger.may.contains(item) && !ledger.must.contains(item))
            .collect();
        assert!(strange.is_empty(), "taken back and there: {strange:?}");
        println!(
            "{rounds} rounds, {} steps back, {} pushes acknowledged in the history that stands, {} unanswered",
            ledger.went,
            ledger.must.len(),
            ledger.may.len()
        );
    });
}

/// Takes everything out of the queue, many at once: a long queue is not to take minutes.
fn pops_everything(page: &Page) -> Vec<i64> {
    let mut all = Vec::new();
    loop {
        let popped = page.eval(
            "const all = await Promise.all(Array.from({ length: 64 }, () => ftqueue.submit('pop 1')));
             const wrong = all.find((outcome) => !outcome.ok && !outcome.text.includes('empty'));
             if (wrong) throw new Error(wrong.text);
             return all.filter((outcome) => outcome.ok).map((outcome) => outcome.value);",
        );
        let popped: Vec<i64> = serde_json::from_value(popped).unwrap();
        if popped.is_empty() {
            return all;
        }
        all.extend(popped);
    }
}

/// What must be there at the end, and what may.
#[derive(Default)]
struct Ledger {
    must: BTreeSet<i64>,
    may: BTreeSet<i64>,
    next: i64,
    went: u64,
}

impl Ledger {
    fn items(&mut self, count: i64) -> std::ops::Range<i64> {
        self.next += count;
        self.next - count..self.next
    }

    fn round(&mut self, page: &Page, round: u64) {
        recorder_runs(page);
        // The page's own load goes on through all of it, on a queue of its own.
        page.eval(
            "const start = document.querySelector('.load button'); if (start.textContent !== 'Stop load') start.click();",
        );
        let kept = self.items(6);
        for (item, ok) in kept.clone().zip(pushes(page, kept)) {
            let of = if ok { &mut self.must } else { &mut self.may };
            of.insert(item);
        }
        let down = round % 4 == 1;
        let node = (round % 3 + 1) as u8;
        if down {
            page.crash(node);
        }
        let (before, then) = (epoch(page), instant(page));
        if down {
            page.restart(node);
        }
        // These are acknowledged after that instant, or under way when it is gone back to.
        let load = self.items(40);
        page.eval(&format!(
            "window.acknowledged = [];
             const all = [];
             for (let item = {}; item < {}; item++) {{
               all.push(ftqueue.submit(`push 1 ${{item}}`).then(async (outcome) => {{
                 if (outcome.ok) window.acknowledged.push([item, (await ftqueue.status()).epoch]);
               }}));
             }}
             window.pushing = Promise.all(all);",
            load.start, load.end
        ));
        let mode = match round % 6 {
            2 => "before the record",
            4 => "after the record",
            5 => "full at the record",
            _ => "",
        };
        interferes(page, mode);
        asks_to_go_back(page, then);
        let goes_on = match mode {
            "full at the record" => {
                eventually(20.0, mode, || {
                    page.text(".notices").contains("did not go back").then_some(())
                });
                page.click_named("Dismiss");
                back_to_now(page);
                true
            }
            "" if !round.is_multiple_of(6) => {
                eventually(20.0, "another epoch", || (epoch(page) > before).then_some(()));
                true
            }
            "" => false, // It is closed at any point.
            mode => {
                eventually(20.0, mode, || (page.eval("return window.there") == true).then_some(()));
                false
            }
        };
        if goes_on {
            page.leader_within(20.0);
            page.eval("await window.pushing");
        }
        let acknowledged = page.eval("return window.acknowledged");
        let acknowledged: Vec<(i64, u64)> = serde_json::from_value(acknowledged).unwrap();
        if !goes_on {
            page.reload();
        }
        page.leader_within(20.0);
        let stands = epoch(page);
        self.went += u64::from(stands > before);
        self.may.extend(load);
        for (item, of) in acknowledged {
            self.may.remove(&item);
            if of == stands {
                self.must.insert(item);
            }
        }
        if goes_on && down && stands > before {
            // It was down at that instant, so it is down.
            page.restart(node);
        }
    }
}
