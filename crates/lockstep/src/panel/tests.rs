//! The words of the verdict.

use super::*;

/// The pills of a verdict: their texts, one behind the other.
fn said(verdict: &Verdict) -> String {
    let panel = Panel {
        clusters: Clusters { beside: None, all: &[] },
        question: None,
        undoes: false,
        deleted: None,
        opening: None,
        making: None,
        runs: &[],
        at: None,
        verdict,
        comparison: None,
        on_the_way: &[],
        grabbed: None,
        changed: &[],
        members: &[],
    };
    let mut html = Html::default();
    panel.verdict(&mut html);
    html.0
}

fn green() -> Verdict {
    Verdict {
        judged: 31_177,
        upto: Instant(98_440_000),
        committed: 40_000,
        ..Verdict::default()
    }
}

#[test]
fn green_says_how_many_calls_were_judged_and_up_to_when() {
    let text = said(&green());
    assert!(
        text.contains("✓ safe · linearizable: 31,177 calls up to 98.4 s"),
        "{text}"
    );
    assert!(!text.contains("not judged") && !text.contains("alert"), "{text}");
}

/// Page 38: of no call, nothing is claimed.
#[test]
fn where_no_call_was_answered_nothing_is_said_of_calls() {
    let text = said(&Verdict { judged: 0, ..green() });
    assert!(text.contains("✓ safe · no call has been answered yet"), "{text}");
    let of_a_file = Verdict {
        judged: 0,
        calls_unjudged: Some("neither files nor links say what clients asked and were answered".to_owned()),
        ..green()
    };
    let text = said(&of_a_file);
    assert!(text.contains("✓ safe"), "{text}");
    assert!(
        text.contains("calls not judged: neither files nor links say what clients asked"),
        "{text}"
    );
    assert!(!text.contains("linearizable"), "{text}");
}

#[test]
fn red_says_what_was_broken_and_shows_when() {
    let text = said(&Verdict {
        violations: vec![(Instant(7), "Linearizable violated at 7 us: no order".to_owned())],
        ..green()
    });
    assert!(
        text.contains("✗ Linearizable violated") && text.contains("alert"),
        "{text}"
    );
    assert!(text.contains("at 7"), "{text}");
    assert!(!text.contains('✓'), "{text}");
}

/// Page 30 and 39: a member that forgets by design is no alarm, and no promise either.
#[test]
fn what_is_not_judged_is_neither_green_nor_red_and_says_why() {
    let why = "Node 4 has forgotten at 9 s what it had promised: it keeps its log in memory; so has a majority";
    let text = said(&Verdict {
        unjudged: Some(why.to_owned()),
        ..green()
    });
    assert!(
        text.contains("not judged: Node 4 has forgotten at 9 s what it had promised"),
        "{text}"
    );
    assert!(
        text.contains("it keeps its log in memory"),
        "the rest is in its title: {text}"
    );
    assert!(
        !text.contains('✓') && !text.contains('✗') && !text.contains("alert"),
        "{text}"
    );
}
