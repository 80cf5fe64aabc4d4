//! What the page looks like: on a small screen, and in the README.

use std::path::PathBuf;

use tests::{drive, eventually};

#[test]
fn usable_at_380_pixels() {
    drive("", |page| {
        page.resize(380, 800);
        page.leader_within(5.0);
        let (wide, shown) = (
            page.eval("return document.documentElement.scrollWidth")
                .as_u64()
                .unwrap(),
            page.eval("return document.documentElement.clientWidth")
                .as_u64()
                .unwrap(),
        );
        assert!(wide <= shown, "nobody has to scroll sideways: {wide} px in {shown} px");
        page.click("[data-node=\"2\"]");
        eventually(2.0, "a node can be clicked", || {
            (page.status().node(2).role == "crashed").then_some(())
        });
        page.type_into("[aria-label=Command]", "create_queue 7\u{e007}");
        eventually(5.0, "a command can be typed", || {
            page.text("[aria-label=Results]").contains("queue 1").then_some(())
        });
    });
}

#[test]
fn the_command_line_is_always_in_sight() {
    for (query, width, height) in [("?nodes=9", 1440, 900), ("", 1280, 720)] {
        drive(query, |page| {
            page.resize(width, height);
            page.leader_within(5.0);
            for number in 0..12 {
                page.submit(&format!("push 99 {number}"));
            }
            page.click_text("summary", "Load");
            let hidden_px = page.eval(
                "const bottom = (name) => document.querySelector(name).getBoundingClientRect().bottom;
                 return Math.max(bottom('.commands .hint') - bottom('.commands'), bottom('.commands') - innerHeight);",
            );
            let hidden_px = hidden_px.as_f64().unwrap();
            assert!(hidden_px <= 0.5, "{hidden_px} px out of sight at {width} × {height}");
        });
    }
}

#[test]
fn results_follow_what_comes_unless_older_ones_are_read() {
    drive("", |page| {
        page.leader_within(5.0);
        let from_end_px = || {
            let px = page.eval(
                "const list = document.querySelector('.results');
                 return list.scrollHeight - list.scrollTop - list.clientHeight;",
            );
            px.as_f64().unwrap()
        };
        let ask = |count| {
            for label in 0..count {
                page.submit(&format!("get_qid {label}"));
            }
        };
        ask(30);
        eventually(2.0, "the newest is in sight", || (from_end_px() < 2.0).then_some(()));
        page.eval("document.querySelector('.results').scrollTop = 40");
        page.eval("await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))");
        ask(5);
        eventually(2.0, "five more lines below", || (from_end_px() > 100.0).then_some(()));
        assert_eq!(page.eval("return document.querySelector('.results').scrollTop"), 40);
        page.type_into("[aria-label=Command]", "get_qid 1\u{e007}");
        eventually(2.0, "back at the end", || (from_end_px() < 2.0).then_some(()));
    });
}

#[test]
fn picture_for_the_readme() {
    let Some(picture) = std::env::var_os("FTQUEUE_SCREENSHOT").map(PathBuf::from) else {
        return;
    };
    drive("?theme=dark", |page| {
        page.resize(1440, 1000);
        let first = page.leader_within(5.0);
        let qid = page.value_of("create_queue 7");
        for item in [42, 7, 19, 3] {
            page.value_of(&format!("push {qid} {item}"));
        }
        page.crash(first);
        page.other_leader_within(5.0, first);
        let other = page.value_of("create_queue 8");
        for item in [100, 200] {
            page.value_of(&format!("push {other} {item}"));
        }
        page.value_of(&format!("pop {qid}"));
        std::thread::sleep(std::time::Duration::from_millis(300));
        page.picture(&picture);
        let bytes = std::fs::metadata(&picture).expect("a picture").len();
        assert!(bytes > 20_000, "a picture of {bytes} bytes shows nothing");
    });
}
