//! The clients' history, as Jepsen writes it.

use std::collections::BTreeMap;
use std::io::{self, Write};

use ftqueue::{Answer, Operation, QueueError, Read, Write as QueueWrite};
use raft_core::Instant;

use super::Exporter;
use crate::{CallNumber, Happening, What};

/// Writes a map in EDN a line: `{:index 0, :time 12000, :type :invoke, :process 0, :f :push, :value [1 42]}`. Times are
/// nanoseconds.
///
/// A value is a pair: the label or queue, and what is pushed, or what the answer tells: `nil` until then, and where the queue is empty.
/// `:ok` was answered. `:fail` had no effect, and says why. `:info` may have happened or not, or may yet; a process that ends so is not
/// heard of again, and its client goes on as another, for each process does one thing at a time.
#[derive(Debug)]
pub struct ClientHistory<W> {
    out: W,
    lines: u64,
    /// The process that each client is at present, where it has nothing under way.
    idle: BTreeMap<u16, u64>,
    processes_begun: u64,
    /// What is under way.
    open: BTreeMap<CallNumber, Call>,
}

/// An operation under way.
#[derive(Clone, Copy, Debug)]
struct Call {
    client: u16,
    process: u64,
    operation: Operation,
}

impl<W: Write> ClientHistory<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> ClientHistory<W> {
        ClientHistory {
            out,
            lines: 0,
            idle: BTreeMap::new(),
            processes_begun: 0,
            open: BTreeMap::new(),
        }
    }

    fn invoked(&mut self, at: Instant, client: u16, number: CallNumber, operation: Operation) -> io::Result<()> {
        let process = self.idle.remove(&client).unwrap_or_else(|| {
            self.processes_begun += 1;
            self.processes_begun - 1
        });
        let call = Call {
            client,
            process,
            operation,
        };
        // Whatever had this name is not heard of again.
        self.open.insert(number, call);
        self.line(at, "invoke", call, "nil", None)
    }

    /// A call is over. Its process does the client's next, unless it has to wait for ever.
    fn ended(
        &mut self,
        at: Instant,
        kind: &str,
        number: CallNumber,
        answer: &str,
        error: Option<&str>,
    ) -> io::Result<()> {
        let Some(call) = self.open.remove(&number) else {
            return Ok(());
        };
        if kind != "info" {
            self.idle.insert(call.client, call.process);
        }
        self.line(at, kind, call, answer, error)
    }

    fn line(&mut self, at: Instant, kind: &str, call: Call, answer: &str, error: Option<&str>) -> io::Result<()> {
        let (index, time, process) = (self.lines, u128::from(at.0) * 1_000, call.process);
        self.lines += 1;
        let (function, of, item) = words(call.operation);
        let told = item.map_or_else(|| answer.to_owned(), |item| item.to_string());
        let error = error.map_or(String::new(), |error| format!(", :error :{error}"));
        writeln!(
            self.out,
            "{{:index {index}, :time {time}, :type :{kind}, :process {process}, :f :{function}, :value [{of} {told}]{error}}}"
        )
    }
}

impl<W: Write> Exporter for ClientHistory<W> {
    fn take(&mut self, happening: &Happening) -> io::Result<()> {
        let at = happening.at;
        match happening.what {
            What::Invoked {
                client,
                call,
                operation,
            } => self.invoked(at, client, call, operation),
            What::Returned { call, result, .. } => match result {
                Ok(Answer::Pushed) => self.ended(at, "ok", call, "nil", None),
                Ok(Answer::Qid(qid)) => self.ended(at, "ok", call, &qid.0.to_string(), None),
                Ok(Answer::Item(item)) => self.ended(at, "ok", call, &item.to_string(), None),
                Ok(Answer::Size(size)) => self.ended(at, "ok", call, &size.to_string(), None),
                Err(QueueError::Empty) => self.ended(at, "ok", call, "nil", None),
                Err(error) => self.ended(at, "fail", call, "nil", Some(keyword(error))),
            },
            What::GaveUp { call, .. } => self.ended(at, "info", call, "nil", Some("timeout")),
            _ => Ok(()),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// An operation's name, the label or queue that it is about, and what it pushes.
fn words(operation: Operation) -> (&'static str, String, Option<i64>) {
    match operation {
        Operation::Write(QueueWrite::CreateQueue { label }) => ("create_queue", label.0.to_string(), None),
        Operation::Write(QueueWrite::Push { qid, item }) => ("push", qid.0.to_string(), Some(item)),
        Operation::Write(QueueWrite::Pop { qid }) => ("pop", qid.0.to_string(), None),
        Operation::Read(Read::GetQid { label }) => ("get_qid", label.0.to_string(), None),
        Operation::Read(Read::Top { qid }) => ("top", qid.0.to_string(), None),
        Operation::Read(Read::Qsize { qid }) => ("qsize", qid.0.to_string(), None),
    }
}

fn keyword(error: QueueError) -> &'static str {
    match error {
        QueueError::LabelTaken { .. } => "label-taken",
        QueueError::LabelOutOfRange => "label-out-of-range",
        QueueError::NoSuchLabel => "no-such-label",
        QueueError::NoSuchQueue => "no-such-queue",
        QueueError::Empty => "empty",
        QueueError::Full => "full",
    }
}
