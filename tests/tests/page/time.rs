//! Time as a place: instants that are past, branches of them, links that open there.

use std::path::{Path, PathBuf};

use cluster::clock::{Clock, ClockSetting};
use cluster::host::{MessageId, MessageSummary, Surgery};
use lockstep::Desk;
use raft_core::{Instant, NodeId, Role};
use serde_json::Value;
use sim::{Scenario, Wanted, ablations, file};
use tests::{Page, Site, drive, drive_site, eventually};
use trace::Act;
use trace::lockstep::{FromLockstep, Shown, ShownNode, ToLockstep};

/// What is shown, if it is not the present.
pub(crate) fn past(page: &Page) -> Value {
    page.eval("return await ftqueue.past()")
}

/// Presses a button of the recorder.
pub(crate) fn presses(page: &Page, does: &str) {
    eventually(20.0, does, || {
        let pressed = page.eval(&format!(
            "const button = document.querySelector('[data-do=\"{does}\"]'); button?.click(); return !!button;"
        ));
        (pressed == true).then_some(())
    });
}

/// Types into a field of the recorder.
pub(crate) fn says(page: &Page, field: &str, text: &str) {
    page.eval(&format!(
        "const field = document.querySelector('[data-say=\"{field}\"]'); field.value = '{text}';
         field.dispatchEvent(new Event('change', {{ bubbles: true }}));"
    ));
}

/// Shows an instant, in virtual microseconds, and waits until it is shown.
pub(crate) fn look(page: &Page, at_us: u64) -> Value {
    page.eval(&format!("await ftqueue.look({})", at_us as f64 / 1000.0));
    eventually(20.0, "the instant", || {
        let shown = past(page);
        (shown["at_us"] == at_us).then_some(shown)
    })
}

pub(crate) fn back_to_now(page: &Page) {
    page.eval("await ftqueue.look()");
    eventually(5.0, "the present", || past(page).is_null().then_some(()));
}

pub(crate) fn now_us(page: &Page) -> u64 {
    (page.eval("return (await ftqueue.status()).now_ms").as_f64().unwrap() * 1000.0) as u64
}

fn leader_of(shown: &Value) -> Option<u64> {
    let nodes = shown["nodes"].as_array()?;
    let leads = nodes.iter().filter(|node| node["role"] == "leader");
    leads
        .max_by_key(|node| node["term"].as_u64())
        .and_then(|node| node["id"].as_u64())
}

fn downloads(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("ftqueue-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn downloaded(folder: &Path, suffix: &str) -> Vec<u8> {
    eventually(20.0, suffix, || {
        let files = std::fs::read_dir(folder).ok()?.flatten();
        let found = files
            .map(|file| file.path())
            .find(|path| path.to_string_lossy().ends_with(suffix))?;
        std::fs::read(found).ok().filter(|bytes| !bytes.is_empty())
    })
}

/// Opens a file as a person does: by the field that the button opens.
pub(crate) fn opens(page: &Page, name: &str, bytes: &[u8]) {
    page.eval(&format!(
        "const transfer = new DataTransfer();
         transfer.items.add(new File([new Uint8Array({bytes:?})], '{name}'));
         const field = document.querySelector('#open-run');
         field.files = transfer.files;
         field.dispatchEvent(new Event('change', {{ bubbles: true }}));"
    ));
}

/// Minutes of load, crashes and restarts at four times the speed of time: again and again a node says which state it is in, and the tape
/// makes that very state again, to the last byte.
#[test]
fn any_instant_is_made_again() {
    drive("", |page| {
        page.leader_within(10.0);
        let qid = page.value_of("create_queue 7");
        page.eval(
            "const speed = document.querySelector('[aria-label=Speed]'); speed.value = Math.log10(4);
             speed.dispatchEvent(new Event('input', { bubbles: true }));",
        );
        let mut compared = 0;
        let mut turn = 0_u8;
        while now_us(page) < 120_000_000 {
            turn = (turn + 1) % 60;
            page.eval(&format!(
                "for (let item = 0; item < 15; item++) ftqueue.submit('push {qid} ' + item);"
            ));
            let id = turn % 5 + 1;
            match turn % 6 {
                2 => page.crash(id),
                4 => page.restart((turn - 2) % 5 + 1),
                _ => {}
            }
            for node in page.status().up().map(|node| node.id).collect::<Vec<_>>() {
                let Ok(states) = page.try_eval(&format!("return await ftqueue.reconstruct({node})")) else {
                    continue; // It crashed meanwhile.
                };
                assert_eq!(
                    states["said"], states["again"],
                    "node {node} after {} steps",
                    states["steps"]
                );
                compared += 1;
            }
        }
        assert!(compared > 60, "{compared} states were compared");
        is_judged_safe(page);
    });
}

/// Followers are crashed in the middle of what they write, again and again. Each finds on its disk at the next boot what the recorder knew
/// that it wrote, and no more.
#[test]
fn crashes_in_the_middle_of_writes_break_no_promise() {
    // A disk slow enough for a crash to come while it works.
    const SLOW_DISK: &str = "{
      const handle = FileSystemSyncAccessHandle.prototype, flush = handle.flush;
      handle.flush = function () {
        const until = performance.now() + 15;
        while (performance.now() < until);
        return flush.call(this);
      };
    }";
    drive_site(&Site::with_worker_script("slow-disk", SLOW_DISK), "", |page| {
        page.leader_within(10.0);
        let qid = page.value_of("create_queue 7");
        page.eval(&format!(
            "let item = 0; window.load = setInterval(() => ftqueue.submit('push {qid} ' + item++), 10);"
        ));
        for turn in 0..60 {
            page.eval(&format!(
                "const {{ leader }} = await ftqueue.status();
                 const id = leader === {turn} % 5 + 1 ? leader % 5 + 1 : {turn} % 5 + 1;
                 await new Promise((done) => setTimeout(done, 40 + {turn} % 12));
                 await ftqueue.crash(id);
                 await ftqueue.restart(id);"
            ));
        }
        page.eval("clearInterval(window.load)");
        is_judged_safe(page);
    });
}

/// What the Workers did broke no promise, as far as they have come by now.
pub(crate) fn is_judged_safe(page: &Page) {
    eventually(10.0, "the verdict", || {
        let verdict = page.text(".verdict");
        assert!(!verdict.contains('✗'), "{verdict}");
        verdict.contains("safe").then_some(())
    });
}

/// An election that one message decides, in a run that anybody can open.
struct Decided {
    /// The run, as a file.
    file: Vec<u8>,
    /// When its leader is crashed, in a branch.
    crash: Instant,
    /// That leader.
    leader: NodeId,
    /// Who stands then, and wins.
    winner: NodeId,
    /// When it begins to stand.
    stands: Instant,
    /// When the message is on its way.
    asked: Instant,
    /// Its receiver.
    to: NodeId,
    /// The message without which another leads in the end.
    message: MessageId,
}

/// What the recorder shows of an instant of the run that it has open.
fn shown_by(recorder: &mut Desk, at: Instant) -> Shown {
    recorder.hear(ToLockstep::Look(Some(at)));
    recorder.frame(1.0);
    let shown = recorder.take_out().into_iter().rev().find_map(|said| match said {
        FromLockstep::Shown(shown) => shown,
        _ => None,
    });
    *shown.expect("an instant is shown")
}

fn leads(shown: &Shown) -> Option<NodeId> {
    let nodes = shown
        .nodes
        .iter()
        .filter_map(|node| Some((node.id, node.status.as_ref()?)));
    let leaders = nodes.filter(|(_, status)| status.role == Role::Leader);
    leaders.max_by_key(|(_, status)| status.term).map(|(id, _)| id)
}

/// Looks for a run in which an election goes otherwise without one message. It asks the recorder itself, in this process: what it
/// finds is the same on the page, to the last bit, for both are the same code and the same run.
fn decided_by_one_message() -> Decided {
    let wanted = Wanted {
        nodes: Some(3),
        seconds: Some(3),
        rate: Some(5),
        faults: Some([].into_iter().collect()),
        ..Wanted::default()
    };
    let found = (0..100).find_map(|seed| decided_in(&Scenario::drawn(seed, wanted)));
    found.expect("some election is decided by one message")
}

fn decided_in(scenario: &Scenario) -> Option<Decided> {
    /// When the leader is crashed.
    const CRASH: Instant = Instant(2_000_000);
    let file = file::write(scenario).unwrap();
    let crashes = |leader: NodeId| {
        let members = (1..=scenario.settings.nodes).map(NodeId).collect();
        let mut recorder = Desk::new(members, Clock::new(ClockSetting::starting_at(0.0)));
        let (name, bytes) = ("election.ftq".to_owned(), file.clone());
        recorder.hear(ToLockstep::OpenFile { name, bytes });
        shown_by(&mut recorder, CRASH);
        recorder.hear(ToLockstep::Act(Act::Crash(leader)));
        recorder
    };
    let leader = leads(&shown_by(&mut crashes(NodeId(1)), CRASH))?;
    let mut recorder = crashes(leader);
    let end = shown_by(&mut recorder, CRASH).end;
    let winner = leads(&shown_by(&mut recorder, end))?;
    let stands = (CRASH.0..end.0).step_by(2_000).map(Instant).find(|at| {
        let shown = shown_by(&mut recorder, *at);
        let role = |node: &ShownNode| node.status.as_ref().map(|status| (node.id, status.role));
        shown
            .nodes
            .iter()
            .filter_map(role)
            .any(|it| it == (winner, Role::Candidate))
    })?;
    let mut tried = Vec::new();
    for asked in (stands.0..stands.0 + 30_000).step_by(2_000).map(Instant) {
        let shown = shown_by(&mut recorder, asked);
        let at_the_door = |node: &ShownNode| {
            let to = node.id;
            node.arriving.clone().into_iter().map(move |message| (to, message))
        };
        for (to, arriving) in shown.nodes.iter().flat_map(at_the_door) {
            let (summary, message) = (arriving.summary, arriving.message);
            let is_of_vote = matches!(
                summary,
                MessageSummary::RequestVote { .. } | MessageSummary::Vote { .. }
            );
            if !is_of_vote || tried.contains(&message) {
                continue;
            }
            tried.push(message);
            let mut recorder = crashes(leader);
            shown_by(&mut recorder, asked);
            let surgery = Surgery::Drop;
            recorder.hear(ToLockstep::Act(Act::Operate { to, message, surgery }));
            let end = shown_by(&mut recorder, asked).end;
            if leads(&shown_by(&mut recorder, end)).is_some_and(|other| other != winner && other != leader) {
                return Some(Decided {
                    file,
                    crash: CRASH,
                    leader,
                    winner,
                    stands,
                    asked,
                    to,
                    message,
                });
            }
        }
    }
    None
}

/// Rewind to an election, and see the candidate; drop one message there, and another wins; both histories are kept.
#[test]
fn an_election_goes_otherwise_with_one_message_dropped() {
    let decided = decided_by_one_message();
    let Decided { winner, asked, .. } = decided;
    drive("?nodes=3", |page| {
        page.leader_within(5.0);
        eventually(10.0, "the recorder", || {
            (!page.text(".time-panel").is_empty()).then_some(())
        });
        let run_is = |than: u64| {
            eventually(30.0, "another run", || {
                let run = past(page)["run"].as_u64();
                run.filter(|run| *run > than)
            })
        };
        opens(page, "election.ftq", &decided.file);
        let opened = run_is(0);
        look(page, decided.crash.0);
        let leader = decided.leader.0;
        page.eval(&format!("document.querySelector('[data-node=\"{leader}\"]').click()"));
        let run = run_is(opened);
        // `E` shows who stands, when it begins to.
        look(page, decided.crash.0 + 1_000);
        page.eval("document.querySelector('[role=slider][aria-label=Timeline]').focus()");
        page.press("e");
        let shown = eventually(5.0, "the election", || {
            Some(past(page)).filter(|shown| shown["at_us"].as_u64() > Some(decided.crash.0 + 1_000))
        });
        let nodes = shown["nodes"].as_array().unwrap();
        assert!(nodes.iter().any(|node| node["role"] == "candidate"), "{shown}");
        let shown = look(page, decided.stands.0);
        assert_eq!(
            shown["nodes"][usize::from(winner.0) - 1]["role"],
            "candidate",
            "{shown}"
        );
        let kept = look(page, asked.0)["hash"].clone();
        let (to, message) = (decided.to.0, decided.message);
        presses(
            page,
            &format!("grab {to} {} {} {}", message.from.0, message.boot, message.number),
        );
        presses(page, "operate drop");
        let branch = run_is(run);
        let end_us = past(page)["end_us"].as_u64().unwrap();
        assert!(end_us >= asked.0 + 1_500_000, "it goes on by itself");
        let there = leader_of(&look(page, end_us));
        assert!(there.is_some() && there != Some(u64::from(winner.0)), "{there:?} leads");
        // The old one is kept, as it was.
        presses(page, &format!("show {run}"));
        assert_eq!(look(page, asked.0)["hash"], kept);
        presses(page, &format!("show {branch}"));
        look(page, end_us);
        // Side by side.
        presses(page, &format!("compare {run}"));
        let table = eventually(5.0, "the comparison", || {
            Some(page.text(".comparison")).filter(|text| text.contains("role"))
        });
        assert!(table.contains("leader"), "{table}");
        says(page, "name", "One vote lost");
        eventually(5.0, "its name", || {
            page.text(".runs").contains("One vote lost").then_some(())
        });
        presses(page, &format!("delete {branch}"));
        eventually(5.0, "it is gone", || {
            (!page.text(".runs").contains("One vote")).then_some(())
        });
    });
}

/// Makes a link to what is shown, and gives the part of the address that holds it.
pub(crate) fn makes_link(page: &Page) -> String {
    presses(page, "make link");
    eventually(10.0, "the link", || {
        let hash = page.eval("return location.hash").as_str()?.to_owned();
        (hash.len() > 100).then_some(hash)
    })
}

/// Waits until a page that was opened by a link shows the instant at which it was made.
pub(crate) fn shows_instant_of(page: &Page, shown: &Value) -> Value {
    eventually(20.0, "the instant of the link", || {
        Some(past(page)).filter(|past| past["at_us"] == shown["at_us"])
    })
}

/// A link holds the run, the branch, the instant: opened elsewhere, it shows the same, to the last byte of every node.
#[test]
fn a_link_opens_on_the_same_instant_elsewhere() {
    let mut link = String::new();
    let mut shown = Value::Null;
    drive("?nodes=3", |page| {
        let leader = page.leader_within(5.0);
        page.value_of("create_queue 7");
        page.value_of("push 1 42");
        look(page, now_us(page) - 300_000);
        says(page, "note", "before the crash");
        page.eval(&format!(
            "document.querySelector('[aria-label^=\"Node {leader},\"]').click()"
        ));
        let branch = eventually(5.0, "a branch", || {
            Some(past(page)).filter(|shown| shown["run"].as_u64() > Some(0))
        });
        shown = look(page, branch["end_us"].as_u64().unwrap() - 300_000);
        assert_ne!(leader_of(&shown), Some(u64::from(leader)), "in the branch it crashed");
        link = makes_link(page);
    });
    drive(&format!("?nodes=5{link}"), |page| {
        let again = shows_instant_of(page, &shown);
        assert_eq!(again["hash"], shown["hash"]);
        assert_eq!(leader_of(&again), leader_of(&shown));
        assert_eq!(again["nodes"].as_array().unwrap().len(), 3);
        assert!(page.text(".runs").contains("Branch"), "{}", page.text(".runs"));
        // The cluster of the page runs all the same.
        page.leader_within(5.0);
        assert_eq!(page.status().nodes.len(), 5);
    });
}

/// A link or a file that is no run says what is wrong, and nothing else is disturbed.
#[test]
fn what_is_no_run_is_refused() {
    drive("?nodes=3#run=AAAA-not-a-run", |page| {
        page.leader_within(5.0);
        let said = eventually(10.0, "a notice", || {
            Some(page.text(".notices")).filter(|text| text.contains("link cannot be opened"))
        });
        assert!(said.contains("runs as if there were none"), "{said}");
        page.value_of("create_queue 7");
        for (name, bytes, says) in [
            ("notes.txt", &b"hello, this is text"[..], "it is no run"),
            ("half.ftqr", b"FTQR\x02\x00\x00\x00\x00\x00\x01\x02", "damaged"),
            ("older.ftqr", b"FTQR\x01\x00\x00\x00\x00\x01\x02", "another version"),
            ("newer.ftqr", b"FTQR\x09\x06c0ffee\x00", "build c0ffee"),
            ("half.ftq", b"ftqrun\r\n\x02\x00\x00\x00\x00\x01", "cannot be opened"),
        ] {
            opens(page, name, bytes);
            let said = eventually(10.0, name, || {
                Some(page.text(".notices")).filter(|text| text.contains(name))
            });
            assert!(said.contains(says), "{said}");
        }
        assert_eq!(past(page), Value::Null);
        assert_eq!(page.value_of("qsize 1"), 0, "the cluster runs on");
    });
}

/// A run that `ftq fuzz` kept opens on its failure.
#[test]
fn a_kept_run_opens_on_its_failure() {
    let (scenario, violation) = failing();
    let bytes = file::write(&scenario).unwrap();
    drive("?nodes=3", |page| {
        page.leader_within(5.0);
        eventually(10.0, "the recorder", || {
            (!page.text(".time-panel").is_empty()).then_some(())
        });
        opens(page, "failure.ftq", &bytes);
        let shown = eventually(30.0, "the failure", || {
            Some(past(page)).filter(|past| past["run"].as_u64() > Some(0))
        });
        assert_eq!(shown["at_us"], violation.at.0);
        let verdict = eventually(5.0, "the verdict", || {
            Some(page.text(".verdict.bad")).filter(|text| !text.is_empty())
        });
        assert!(verdict.contains(violation.property.name()), "{verdict}");
        // And it can be gone on from there, and come back from.
        presses(page, "show 0");
        back_to_now(page);
        eventually(5.0, "the present", || past(page).is_null().then_some(()));
    });
}

fn failing() -> (Scenario, sim::check::Violation) {
    let found = (0..50).find_map(|seed| {
        let scenario = ablations::ordinary(raft_core::Rule::FullMajority, seed);
        let violation = sim::run(&scenario, |_| true).violation?;
        Some((scenario, violation))
    });
    found.expect("without full majorities some seed fails")
}

/// The Workers go on from an instant that is past, with the states that they had.
#[test]
fn the_workers_go_on_from_the_past() {
    drive("?nodes=3", |page| {
        page.leader_within(5.0);
        page.value_of("create_queue 7");
        page.value_of("push 1 42");
        let then = now_us(page);
        eventually(5.0, "a little time", || (now_us(page) > then + 300_000).then_some(()));
        let shown = look(page, then);
        back_to_now(page);
        page.value_of("push 1 43");
        page.value_of("push 1 44");
        assert_eq!(page.value_of("qsize 1"), 3);
        look(page, shown["at_us"].as_u64().unwrap());
        presses(page, "go-live");
        presses(page, "go-live now");
        eventually(10.0, "the present", || past(page).is_null().then_some(()));
        let leader = page.leader_within(5.0);
        assert_eq!(
            Some(u64::from(leader)),
            leader_of(&shown),
            "it goes on leading, in its term"
        );
        assert_eq!(page.value_of("qsize 1"), 1, "what came later never was");
        assert_eq!(page.value_of("pop 1"), 42);
        for node in 1..=3 {
            let states = page.eval(&format!("return await ftqueue.reconstruct({node})"));
            assert_eq!(states["said"], states["again"]);
        }
        is_judged_safe(page);
        assert!(page.text(".runs").contains("Live, before"));
        // What they go on with is on their disks.
        page.crash(leader);
        page.other_leader_within(5.0, leader);
        page.restart(leader);
        assert_eq!(page.value_of("qsize 1"), 0);
    });
}

/// Drag to scrub, keys to move, a spoken value; and back to the present.
#[test]
fn the_timeline_is_a_slider() {
    drive("?nodes=3", |page| {
        page.leader_within(5.0);
        page.value_of("create_queue 7");
        eventually(10.0, "the timeline", || {
            (!page.text(".timeline-tools").is_empty()).then_some(())
        });
        let slider = "[role=slider][aria-label=Timeline]";
        let value = |name: &str| {
            page.eval(&format!(
                "return document.querySelector('{slider}').getAttribute('{name}')"
            ))
        };
        let drag = |from: f64, to: f64| {
            page.eval(&format!(
                "const canvas = document.querySelector('.timeline-view canvas');
                 const box = canvas.getBoundingClientRect();
                 const send = (type, part) => canvas.dispatchEvent(new PointerEvent(type, {{ bubbles: true, pointerId: 1, button: type == 'pointermove' ? -1 : 0,
                   clientX: box.left + box.width * part, clientY: box.top + 120 }}));
                 canvas.setPointerCapture = () => {{}};
                 send('pointerdown', {from}); send('pointermove', ({from} + {to}) / 2); send('pointermove', {to}); send('pointerup', {to});"
            ));
        };
        // What is dragged to must lie after the election: more than a seventh of what is in sight.
        let led_us = now_us(page);
        eventually(20.0, "some time under a leader", || {
            (now_us(page) > led_us + 6_000_000).then_some(())
        });
        drag(0.95, 0.85);
        let shown = eventually(5.0, "an instant", || Some(past(page)).filter(|past| !past.is_null()));
        let said = eventually(5.0, "a spoken value", || {
            let text = value("aria-valuetext");
            Some(text).filter(|text| text.as_str().is_some_and(|text| text.contains("leads")))
        });
        assert!(said.as_str().unwrap().contains("term"), "{said}");
        page.eval(&format!("document.querySelector('{slider}').focus()"));
        // One key at a time: what the second is to change must be there before it is pressed.
        let mut earlier = shown;
        for _ in 0..2 {
            page.press(",");
            earlier = eventually(5.0, "the mark before", || {
                Some(past(page)).filter(|past| past["at_us"].as_u64() < earlier["at_us"].as_u64())
            });
        }
        page.press(".");
        eventually(5.0, "the mark after", || {
            Some(past(page)).filter(|past| past["at_us"].as_u64() > earlier["at_us"].as_u64())
        });
        assert!(!page.text(".inspector").is_empty(), "what was chosen is explained");
        // Votes may have been split, so the first leader's term need not be 1.
        let leads = format!("leads term {}", page.status().term);
        says(page, "search", &leads);
        page.eval(&format!("document.querySelector('{slider}').focus()"));
        page.press("n");
        eventually(5.0, "what was searched for", || {
            page.text(".inspector").contains(&leads).then_some(())
        });
        page.eval("const axis = document.querySelector('[data-say=axis]'); axis.value = 'warped'; axis.dispatchEvent(new Event('change', { bubbles: true }));");
        eventually(5.0, "warped time", || {
            (page.eval("return document.querySelector('[data-say=axis]').value") == "warped").then_some(())
        });
        page.eval(&format!("document.querySelector('{slider}').focus()"));
        page.press("\u{e010}"); // End
        eventually(5.0, "the present", || past(page).is_null().then_some(()));
    });
}

/// Every export is made, of a run and of its picture.
#[test]
fn runs_are_saved_opened_and_exported() {
    let (mut kept, mut shown) = (Vec::new(), Value::Null);
    drive("?nodes=3", |page| {
        let leader = page.leader_within(5.0);
        page.value_of("create_queue 7");
        page.value_of("push 1 42");
        page.crash(leader);
        page.other_leader_within(5.0, leader);
        let folder = downloads("exports");
        page.download_to(&folder);
        for (does, suffix, begins) in [
            ("make jsonl", ".jsonl", "{"),
            ("make shiviz", ".shiviz.txt", ""),
            ("make chrome", ".chrome.json", ""),
            ("make history", ".edn", "{"),
            ("make svg", ".svg", "<svg"),
            ("make test", ".rs", "//!"),
        ] {
            presses(page, does);
            let text = String::from_utf8(downloaded(&folder, suffix)).unwrap();
            assert!(text.starts_with(begins) && text.len() > 200, "{does}: {text:.200}");
        }
        presses(page, "make png");
        assert!(downloaded(&folder, ".png").starts_with(b"\x89PNG"));
        shown = look(page, now_us(page) - 300_000);
        presses(page, "make file");
        kept = downloaded(&folder, ".ftqr");
        let _ = std::fs::remove_dir_all(&folder);
    });
    // The run that was saved is the run that is opened, by another page.
    drive("?nodes=1", |page| {
        page.leader_within(5.0);
        eventually(10.0, "the recorder", || {
            (!page.text(".time-panel").is_empty()).then_some(())
        });
        opens(page, "run.ftqr", &kept);
        let again = eventually(20.0, "the run", || {
            Some(past(page)).filter(|past| past["at_us"] == shown["at_us"])
        });
        assert_eq!(again["hash"], shown["hash"]);
    });
}
