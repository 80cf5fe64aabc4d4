use proptest::prelude::*;

use super::*;

/// What the line is, or what is said of it.
fn read(line: &str) -> String {
    match line.parse::<Operation>() {
        Ok(operation) => operation.to_string(),
        Err(error) => format!("error: {error}"),
    }
}

fn check(line: &str, expected: &str) {
    assert_eq!(read(line), expected, "for {line:?}");
}

#[test]
fn a_person_need_not_be_tidy() {
    check("push 1 42", "push 1 42");
    check("  PuSh\t1   -42 ", "push 1 -42");
    check("push 1 +7", "push 1 7");
    check("CREATE_QUEUE 0007", "create_queue 7");
    check("create_queue 4294967295", "create_queue 4294967295");
    check(
        "push 18446744073709551615 -9223372036854775808",
        "push 18446744073709551615 -9223372036854775808",
    );
}

#[test]
fn every_example_is_one() {
    for help in Operation::HELP {
        let operation: Operation = help.example.parse().expect(help.example);
        assert_eq!(operation.help(), help);
        assert_eq!(operation.to_string(), help.example);
        assert_eq!(help.usage.split(' ').count(), help.arguments.len() + 1);
        assert!(help.usage.starts_with(help.name));
    }
}

#[test]
fn an_unknown_word_is_answered_with_what_was_meant() {
    check(
        "psuh 1 42",
        "error: there is no operation \"psuh\"; did you mean “push QID ITEM”?",
    );
    check(
        "create 7",
        "error: there is no operation \"create\"; did you mean “create_queue LABEL”?",
    );
    check(
        "createqueue 7",
        "error: there is no operation \"createqueue\"; did you mean “create_queue LABEL”?",
    );
    check(
        "CREATE-QUEUE 7",
        "error: there is no operation \"CREATE-QUEUE\"; did you mean “create_queue LABEL”?",
    );
    check(
        "size 1",
        "error: there is no operation \"size\"; did you mean “qsize QID”?",
    );
    check(
        "get 1",
        "error: there is no operation \"get\"; did you mean “get_qid LABEL”?",
    );
    check(
        "push(1, 42)",
        "error: there is no operation \"push(1,\"; did you mean “push QID ITEM”?",
    );
    check(
        "popp 1",
        "error: there is no operation \"popp\"; did you mean “pop QID”?",
    );
    let names = "there are create_queue, get_qid, push, pop, top and qsize";
    check("hello", &format!("error: there is no operation \"hello\"; {names}"));
    check("q", &format!("error: there is no operation \"q\"; {names}"));
    check("42", &format!("error: there is no operation \"42\"; {names}"));
    check(
        "\u{1b}[31m",
        &format!("error: there is no operation \"\\u{{1b}}[31m\"; {names}"),
    );
}

#[test]
fn too_few_and_too_many_words_are_answered_with_the_usage() {
    check("push", "error: QID is missing: push QID ITEM, for example “push 1 42”");
    check(
        "push 1",
        "error: ITEM is missing: push QID ITEM, for example “push 1 42”",
    );
    check(
        "create_queue",
        "error: LABEL is missing: create_queue LABEL, for example “create_queue 7”",
    );
    check(
        "pop 1 2",
        "error: \"2\" is one word too many: pop QID, for example “pop 1”",
    );
    check(
        "push 1 42 43 44",
        "error: \"43\" is one word too many: push QID ITEM, for example “push 1 42”",
    );
}

#[test]
fn numbers_that_are_none_or_out_of_range_are_told_apart() {
    check(
        "push 1 x",
        "error: ITEM must be a whole number, not \"x\": push QID ITEM, for example “push 1 42”",
    );
    check(
        "push 1 4.5",
        "error: ITEM must be a whole number, not \"4.5\": push QID ITEM, for example “push 1 42”",
    );
    check(
        "push one 4",
        "error: QID must be a whole number, not \"one\": push QID ITEM, for example “push 1 42”",
    );
    check(
        "pop -",
        "error: QID must be a whole number, not \"-\": pop QID, for example “pop 1”",
    );
    let items = "items go from -9223372036854775808 to 9223372036854775807";
    check(
        "push 1 9223372036854775808",
        &format!("error: 9223372036854775808 is out of range: {items}"),
    );
    check(
        "push 1 -9223372036854775809",
        &format!("error: -9223372036854775809 is out of range: {items}"),
    );
    check(
        "pop -1",
        "error: -1 is out of range: queue ids go from 1 to 18446744073709551615",
    );
    check(
        "get_qid 4294967296",
        "error: 4294967296 is out of range: labels go from 0 to 4294967295",
    );
    check(
        "create_queue -1",
        "error: -1 is out of range: labels go from 0 to 4294967295",
    );
    check(
        "create_queue 99999999999999999999",
        "error: 99999999999999999999 is out of range: labels go from 0 to 4294967295",
    );
}

#[test]
fn an_empty_line_and_an_endless_one_are_refused() {
    let names = "create_queue, get_qid, push, pop, top or qsize";
    check("", &format!("error: the line is empty: type one of {names}"));
    check(" \t ", &format!("error: the line is empty: type one of {names}"));
    let longest = format!("{:1$}", "pop 1", COMMAND_BYTES_MAX);
    check(&longest, "pop 1");
    check(
        &(longest + " "),
        "error: the line has 257 bytes; a command has at most 256",
    );
}

fn operation() -> impl Strategy<Value = Operation> {
    let label = || prop_oneof![0..10i64, LABEL_MIN..=LABEL_MAX].prop_map(Label);
    let qid = || prop_oneof![0..10u64, any::<u64>()].prop_map(QueueId);
    prop_oneof![
        label().prop_map(|label| Operation::Write(Write::CreateQueue { label })),
        (qid(), any::<i64>()).prop_map(|(qid, item)| Operation::Write(Write::Push { qid, item })),
        qid().prop_map(|qid| Operation::Write(Write::Pop { qid })),
        label().prop_map(|label| Operation::Read(Read::GetQid { label })),
        qid().prop_map(|qid| Operation::Read(Read::Top { qid })),
        qid().prop_map(|qid| Operation::Read(Read::Qsize { qid })),
    ]
}

proptest! {
    #[test]
    fn what_is_shown_can_be_typed(operation in operation()) {
        prop_assert_eq!(operation.to_string().parse(), Ok(operation));
        prop_assert_eq!(operation.to_string().to_uppercase().replace(' ', " \t ").parse(), Ok(operation));
    }

    #[test]
    fn any_line_is_an_operation_or_an_error_that_says_something(line: String) {
        if let Err(error) = line.parse::<Operation>() {
            prop_assert!(error.to_string().len() > 10);
        }
    }

    #[test]
    fn so_is_any_line_that_looks_like_one(
        line in "(?i:push|pop|top|qsize|get_qid|create_queue|psh|-)?( [0-9a-z+-]{0,22}){0,4}",
    ) {
        match line.parse::<Operation>() {
            Ok(operation) => prop_assert_eq!(operation.to_string().parse(), Ok(operation)),
            Err(error) => prop_assert!(error.to_string().len() > 10),
        }
    }
}

#[test]
fn edits_are_counted() {
    for (from, to, count) in [
        ("push", "push", 0),
        ("psh", "push", 1),
        ("pussh", "push", 1),
        ("pash", "push", 1),
        ("psuh", "push", 1),
        ("upsh", "push", 1),
        ("puhs", "push", 1),
        ("", "pop", 3),
        ("pop", "", 3),
        ("ab", "ba", 1),
        ("abc", "cab", 2),
        ("abcd", "badc", 2),
        ("aab", "aba", 1),
        ("abab", "baba", 2),
        ("xaby", "xbay", 1),
        ("xab", "bax", 2),
        ("ca", "abc", 3),
        ("top", "pot", 2),
        ("qsize", "quiz", 2),
        ("kitten", "sitting", 3),
    ] {
        assert_eq!(edits(from, to), count, "{from:?} to {to:?}");
        assert_eq!(edits(to, from), count, "{to:?} to {from:?}");
    }
}

#[test]
fn what_may_have_been_meant() {
    let nearest = |word| OperationHelp::nearest(word).map(|operation| operation.name);
    for (word, name) in [
        ("pu", Some("push")),
        ("queue", Some("create_queue")),
        ("pushing", Some("push")),
        ("size", Some("qsize")),
        ("GET-QID", Some("get_qid")),
        ("push(1", Some("push")),
        ("qsizr", Some("qsize")),
        ("p", None),
        ("xyzzyxyzzy", None),
    ] {
        assert_eq!(nearest(word), name, "{word:?}");
    }
}
