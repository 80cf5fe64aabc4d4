//! What Jepsen asks for of a history.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use super::{Counts, Reader};

/// Jepsen's history, by its published rules: indices are 0, 1, 2, …; a process invokes and then completes, one thing at a time; one that
/// ends with `:info` is not heard of again; a completion names the invocation's function and, but for the answer, its value.
#[derive(Default)]
pub(crate) struct Processes {
    expression: Option<Regex>,
    lines: usize,
    time: u64,
    doing: BTreeMap<String, Option<(String, String, String)>>,
    gone: BTreeSet<String>,
    pub(crate) kinds: BTreeMap<String, u64>,
}

impl Reader for Processes {
    fn line(&mut self, line: &str) {
        let expression = self.expression.get_or_insert_with(|| {
            let pattern = concat!(
                r"^\{:index (?P<index>[0-9]+), :time (?P<time>[0-9]+), :type :(?P<type>invoke|ok|fail|info), :process (?P<process>[0-9]+), ",
                r":f :(?P<f>create_queue|get_qid|push|pop|top|qsize), :value \[(?P<of>-?[0-9]+) (?P<told>-?[0-9]+|nil)\]",
                r"(?:, :error :(?P<error>[a-z-]+))?\}$"
            );
            Regex::new(pattern).unwrap()
        });
        let found = expression.captures(line).unwrap_or_else(|| panic!("not read: {line}"));
        assert_eq!(found["index"].parse::<usize>().unwrap(), self.lines);
        let time: u64 = found["time"].parse().unwrap();
        assert!(time >= self.time, "{line}");
        (self.lines, self.time) = (self.lines + 1, time);

        let (process, kind) = (found["process"].to_owned(), &found["type"]);
        let (f, of, told) = (found["f"].to_owned(), found["of"].to_owned(), found["told"].to_owned());
        assert!(!self.gone.contains(&process), "{line}");
        let doing = self.doing.entry(process.clone()).or_default();
        assert_eq!(
            found.name("error").is_some(),
            kind == "fail" || kind == "info",
            "{line}"
        );
        match (kind, doing.take()) {
            ("invoke", None) => {
                assert_eq!(f == "push", told != "nil", "what is not answered yet is nil: {line}");
                *doing = Some((f, of, told));
            }
            ("ok", Some((asked, of_asked, pushed))) => {
                assert_eq!((&f, &of), (&asked, &of_asked), "{line}");
                let nothing = ["pop", "top"].contains(&f.as_str());
                assert!(
                    f == "push" && told == pushed || f != "push" && (told != "nil" || nothing),
                    "{line}"
                );
            }
            ("fail" | "info", Some(asked)) => {
                assert_eq!((f, of, told), asked, "{line}");
                if kind == "info" {
                    self.gone.insert(process);
                }
            }
            (_, doing) => panic!("{line} while doing {doing:?}"),
        }
        *self.kinds.entry(kind.to_owned()).or_default() += 1;
    }

    fn end(&self, counts: &Counts) {
        assert_eq!(self.kinds["invoke"], counts.invoked);
    }
}
