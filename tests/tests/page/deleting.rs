//! Runs that are deleted, and what stands under the pointer then.

use tests::{Page, drive, eventually};

use crate::time::{look, now_us, past};

/// What the runs are called.
fn runs(page: &Page) -> String {
    page.text("[aria-label=Runs]")
}

/// What a click at the middle of this button would press, before and after `act`.
fn stays_under_the_pointer(page: &Page, button: &str, act: impl FnOnce()) {
    let at = page.eval(&format!(
        "const box = document.querySelector({button:?}).getBoundingClientRect();
         return [box.left + box.width / 2, box.top + box.height / 2];"
    ));
    act();
    let pressed = page.eval(&format!(
        "return document.elementFromPoint(...{at})?.closest('button')?.dataset.do ?? null"
    ));
    let does = page.eval(&format!(
        "return document.querySelector({button:?})?.dataset.do ?? null"
    ));
    assert_eq!(pressed, does, "another button stands where {button} stood");
}

#[test]
fn a_click_twice_deletes_no_branch_and_what_is_deleted_comes_back() {
    drive("?nodes=3", |page| {
        page.leader_within(5.0);
        page.value_of("create_queue 7");
        let then = now_us(page);
        look(page, then);
        page.choose(1, "Crash");
        eventually(10.0, "a branch", || runs(page).contains("Branch 1").then_some(()));
        let shown = past(page);
        stays_under_the_pointer(page, "[data-do='compare 0']", || {
            page.click("[data-do='compare 0']");
            eventually(10.0, "a comparison", || {
                (!page.text(".comparison").is_empty()).then_some(())
            });
        });
        page.click("[data-do='compare 0']");
        assert!(runs(page).contains("Branch 1"));

        page.click("[data-do='delete 1']");
        let said = eventually(10.0, "it is said", || {
            Some(page.text(".time-panel")).filter(|said| said.contains("Deleted: the branch from"))
        });
        assert!(!runs(page).contains("Branch 1"), "{said}");
        page.click("[data-do=undelete]");
        eventually(10.0, "the branch", || runs(page).contains("Branch 1").then_some(()));
        let again = eventually(10.0, "its instant", || Some(past(page)).filter(|past| !past.is_null()));
        assert_eq!((&again["hash"], &again["run"]), (&shown["hash"], &shown["run"]));
    });
}
