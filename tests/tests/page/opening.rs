//! Runs that are opened: from a file, by dropping it, by a link; of other clusters than the page's own; by others than who saved them.

use cluster::clock::{Clock, ClockSetting};
use lockstep::Desk;
use raft_core::{Instant, NodeId};
use serde_json::Value;
use sim::{Scenario, Wanted, World};
use tests::{Page, drive, eventually};
use trace::lockstep::{FromLockstep, ToLockstep};

/// What a page of so many nodes made of three seconds: a link or a file.
fn made(nodes: u8, what: &str) -> Vec<u8> {
    let wanted = Wanted {
        nodes: Some(nodes),
        seconds: Some(3),
        rate: Some(10),
        faults: Some([].into_iter().collect()),
        ..Wanted::default()
    };
    let scenario = Scenario::drawn(3, wanted);
    let mut world = World::new(&scenario).unwrap();
    world.tell_all();
    world.run_until(Instant(3_000_000), |_| false).unwrap();
    let mut desk = Desk::new(
        (1..=nodes).map(NodeId).collect(),
        Clock::new(ClockSetting::starting_at(0.0)),
    );
    for told in world.take_told() {
        desk.piece(told.node, told.boot, told.piece);
    }
    while desk.work(1 << 16) {}
    desk.hear(ToLockstep::Look(Some(Instant(2_500_000))));
    desk.take_out();
    desk.hear(ToLockstep::Do(format!("make {what}")));
    let said = desk.take_out();
    let made = said.into_iter().find_map(|said| match said {
        FromLockstep::Made { bytes, .. } => Some(bytes),
        _ => None,
    });
    made.unwrap()
}

/// What is shown, if it is not the present.
fn past(page: &Page) -> Value {
    page.eval("return await ftqueue.past()")
}

pub(crate) fn recorder_is_there(page: &Page) {
    page.leader_within(10.0);
    eventually(10.0, "the recorder", || {
        (!page.text(".time-panel").is_empty()).then_some(())
    });
}

/// Gives a file to the page: as a person who chooses it, or who drops it.
fn gives(page: &Page, name: &str, bytes: &[u8], drops: bool) {
    page.eval(&format!(
        "const transfer = new DataTransfer();
         transfer.items.add(new File([new Uint8Array({bytes:?})], '{name}'));
         if ({drops}) {{
           document.dispatchEvent(new DragEvent('drop', {{ dataTransfer: transfer, bubbles: true, cancelable: true }}));
         }} else {{
           const field = document.querySelector('#open-run');
           field.files = transfer.files;
           field.dispatchEvent(new Event('change', {{ bubbles: true }}));
         }}"
    ));
}

fn presses(page: &Page, does: &str) {
    eventually(5.0, does, || {
        let pressed = page.eval(&format!(
            "const button = document.querySelector('[data-do=\"{does}\"]'); button?.click(); return !!button;"
        ));
        (pressed == true).then_some(())
    });
}

/// How many nodes, links, and choices of queues the page shows.
fn shows(page: &Page) -> [usize; 3] {
    let count = |selector: &str| {
        let count = page.eval(&format!("return document.querySelectorAll(`{selector}`).length"));
        count.as_u64().unwrap() as usize
    };
    [
        count("[data-node]"),
        count(".link"),
        count("[aria-label='Whose queues'] option"),
    ]
}

fn of(nodes: usize) -> [usize; 3] {
    [nodes, nodes * (nodes - 1) / 2, nodes + 1]
}

/// The run of `nodes` nodes is shown on the page of `own`; one can act in it, compare it, and come back.
fn is_shown(page: &Page, nodes: usize, own: usize) {
    let shown = eventually(20.0, "the run", || Some(past(page)).filter(|past| !past.is_null()));
    assert_eq!(shown["nodes"].as_array().unwrap().len(), nodes);
    eventually(5.0, "the ring of the run", || (shows(page) == of(nodes)).then_some(()));
    let up = format!("{nodes} of {nodes}");
    eventually(5.0, "the header of the run", || {
        page.text("header").contains(&up).then_some(())
    });
    // It is compared with the run that it stands beside.
    presses(page, "compare 0");
    if nodes != own {
        eventually(5.0, "the comparison", || {
            page.text(".comparison").contains("membership").then_some(())
        });
    }
    // Every node of it can be crashed, in a branch.
    page.eval(&format!("document.querySelector('[data-node=\"{nodes}\"]').click()"));
    eventually(5.0, "a branch", || {
        let shown = past(page);
        (shown["run"] != 0 && shown["nodes"][nodes - 1]["up"] == false).then_some(())
    });
    // And back: the page's own cluster, which ran on.
    presses(page, "show 0");
    page.eval("await ftqueue.look()");
    eventually(5.0, "the present", || past(page).is_null().then_some(()));
    eventually(5.0, "the own ring", || (shows(page) == of(own)).then_some(()));
    let status = page.status();
    assert_eq!(status.nodes.len(), own);
    page.value_of("create_queue 7");
    // The page draws on: its clock goes.
    let now = page.status().now_ms;
    eventually(5.0, "time goes on", || (page.status().now_ms > now).then_some(()));
}

#[test]
fn a_run_of_three_opens_on_a_page_of_five() {
    let file = made(3, "file");
    drive("?nodes=5", |page| {
        recorder_is_there(page);
        gives(page, "three.ftqr", &file, false);
        is_shown(page, 3, 5);
    });
}

#[test]
fn a_run_of_seven_that_is_dropped_on_a_page_of_three_opens() {
    let file = made(7, "file");
    drive("?nodes=3", |page| {
        recorder_is_there(page);
        gives(page, "seven.ftqr", &file, true);
        is_shown(page, 7, 3);
    });
}

#[test]
fn a_link_of_one_node_opens_on_a_page_of_nine_after_a_chat_had_it() {
    let link = String::from_utf8(made(1, "link")).unwrap();
    let (half, rest) = link.split_at(link.len() / 2);
    let link = format!("{half}%20{rest}).").replace('_', "%5F");
    // With a blank in front of it, too.
    drive(&format!("?nodes=9#%20run={link}"), |page| {
        page.leader_within(10.0);
        is_shown(page, 1, 9);
        assert_eq!(page.text(".notices"), "");
        page.go(&format!("?record=no#run={link}"));
        let said = page.text(".notices");
        assert!(said.contains("is not opened: with record=no"), "{said}");
    });
}

/// A file of 400 MB is not even read: one sentence, and nothing else is disturbed.
#[test]
fn a_file_larger_than_any_run_is_refused_unread() {
    drive("?nodes=3", |page| {
        recorder_is_there(page);
        page.eval(
            "window.read = 0;
             const whole = Blob.prototype.arrayBuffer;
             Blob.prototype.arrayBuffer = function () { window.read += 1; return whole.call(this); };
             const part = new Uint8Array(40e6);
             const transfer = new DataTransfer();
             transfer.items.add(new File(Array(10).fill(part), 'film.mp4'));
             const field = document.querySelector('#open-run');
             field.files = transfer.files;
             field.dispatchEvent(new Event('change', { bubbles: true }));",
        );
        let said = eventually(5.0, "a notice", || {
            Some(page.text(".notices")).filter(|text| text.contains("film.mp4"))
        });
        assert!(
            said.contains("382 MB") && said.contains("Everything is as it was"),
            "{said}"
        );
        assert_eq!(page.eval("return window.read"), 0);
        assert_eq!(past(page), Value::Null);
        page.value_of("create_queue 7");
    });
}

/// Page 20: in the present, in the past, in a branch, and while the page is hidden and nothing is drawn.
#[test]
fn a_png_has_a_background_in_any_mode() {
    drive("?nodes=3", |page| {
        recorder_is_there(page);
        // What is saved is looked at in the page itself: every corner, and whether there is anything but background.
        page.eval(
            "window.made = [];
             const make = URL.createObjectURL.bind(URL);
             URL.createObjectURL = (blob) => { if (blob.type === 'image/png') window.made.push(blob); return make(blob); };",
        );
        let mut count = 0;
        let mut png = |mode: &str| {
            presses(page, "make png");
            count += 1;
            eventually(10.0, mode, || {
                (page.eval("return window.made.length") == count).then_some(())
            });
            let seen = page.eval(
                "const picture = await createImageBitmap(window.made.at(-1));
                 const canvas = new OffscreenCanvas(picture.width, picture.height);
                 const context = canvas.getContext('2d');
                 context.drawImage(picture, 0, 0);
                 const { data } = context.getImageData(0, 0, picture.width, picture.height);
                 let clear = 0, colours = new Set();
                 for (let at = 0; at < data.length; at += 4) {
                   clear += data[at + 3] < 255;
                   colours.add(data[at] << 16 | data[at + 1] << 8 | data[at + 2]);
                 }
                 return { clear, colours: colours.size };",
            );
            assert_eq!(seen["clear"], 0, "{mode}: {seen}");
            assert!(seen["colours"].as_u64() > Some(3), "{mode}: {seen}");
        };
        png("the present");
        let then = page.status().now_ms - 300.0;
        page.eval(&format!("await ftqueue.look({then})"));
        eventually(5.0, "the past", || (!past(page).is_null()).then_some(()));
        png("the past");
        page.eval("document.querySelector('[data-node=\"1\"]').click()");
        eventually(5.0, "a branch", || (past(page)["run"].as_u64() > Some(0)).then_some(()));
        png("a branch");
    });
}

/// How many hundredths of a file are opened, while it is.
fn percent(page: &Page) -> Option<u64> {
    page.eval("return document.querySelector('.opening progress')?.value ?? null")
        .as_u64()
}

#[test]
fn an_hour_is_opened_before_ones_eyes_and_can_be_cancelled() {
    let wanted = Wanted {
        nodes: Some(3),
        seconds: Some(3_600),
        rate: Some(20),
        faults: Some([].into_iter().collect()),
        ..Wanted::default()
    };
    let hour = sim::file::write(&Scenario::drawn(3, wanted)).unwrap();
    drive("?nodes=3", |page| {
        recorder_is_there(page);
        gives(page, "hour.ftq", &hour, true);
        let first = eventually(20.0, "it is being opened", || percent(page));
        eventually(30.0, "it goes on", || percent(page).filter(|now| *now > first));
        assert!(
            page.text(".opening").contains("Opening hour.ftq"),
            "{}",
            page.text(".opening")
        );
        // The page answers meanwhile, and nothing is disturbed.
        assert!(past(page).is_null());
        assert!(page.submit("create_queue 7").ok);
        page.click("[data-do=cancel-opening]");
        eventually(5.0, "nothing is opened", || percent(page).is_none().then_some(()));
        let runs = page.text("[aria-label=Runs]");
        assert!(!runs.contains("hour"), "{runs}");
        // Another one is opened after it, whole.
        gives(page, "run.ftqr", &made(3, "file"), false);
        eventually(20.0, "the run", || (past(page)["at_us"] == 2_500_000).then_some(()));
        assert_eq!(percent(page), None);
    });
}
