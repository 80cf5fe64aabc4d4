//! The clients' history, as Jepsen writes it.

use std::collections::BTreeMap;
use std::io::{self, Write};

use ftqueue::{Answer, Operation, QueueError, Read, Write as QueueWrite};
use raft_core::Instant;

use super::Exporter;
use crate::{CallNumber, Happening, What};

/// Writes a map in EDN a line: `{:process 0, :type :invoke, :f :push, :value [1 42], :time 12000, :index 0}`. Times are
/// nanoseconds.
///
/// `:ok` was answered; the answer stands behind the arguments, `nil` where the queue was empty. `:fail` had no effect, and says why. `:info`
/// may have happened or not; a process that ends so is not heard of again, for each does one thing at a time.
#[derive(Debug)]
pub struct ClientHistory<W> {
    out: W,
    lines: u64,
    /// The process that each client is at present.
    processes: BTreeMap<u16, u64>,
    processes_begun: u64,
    /// What is under way.
    open: BTreeMap<CallNumber, Operation>,
}

impl<W: Write> ClientHistory<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> ClientHistory<W> {
        ClientHistory {
            out,
            lines: 0,
            processes: BTreeMap::new(),
            processes_begun: 0,
            open: BTreeMap::new(),
        }
    }

    /// Writes a line. `answer` stands behind the arguments, `error` in a field of its own.
    fn line(
        &mut self,
        at: Instant,
        client: u16,
        kind: &str,
        operation: Operation,
        answer: Option<&str>,
        error: Option<&str>,
    ) -> io::Result<()> {
        let process = *self.processes.entry(client).or_insert_with(|| {
            self.processes_begun += 1;
            self.processes_begun - 1
        });
        let (function, mut value) = words(operation);
        value.extend(answer.map(str::to_owned));
        let value = value.join(" ");
        let error = error.map_or(String::new(), |error| format!(", :error :{error}"));
        let (time, index) = (u128::from(at.0) * 1_000, self.lines);
        self.lines += 1;
        writeln!(
            self.out,
            "{{:process {process}, :type :{kind}, :f :{function}, :value [{value}]{error}, :time {time}, :index {index}}}"
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
            } => {
                self.open.insert(call, operation);
                self.line(at, client, "invoke", operation, None, None)
            }
            What::Returned { client, call, result } => {
                let Some(operation) = self.open.remove(&call) else {
                    return Ok(());
                };
                match result {
                    Ok(Answer::Pushed) => self.line(at, client, "ok", operation, None, None),
                    Ok(Answer::Qid(qid)) => self.line(at, client, "ok", operation, Some(&qid.0.to_string()), None),
                    Ok(Answer::Item(item)) => self.line(at, client, "ok", operation, Some(&item.to_string()), None),
                    Ok(Answer::Size(size)) => self.line(at, client, "ok", operation, Some(&size.to_string()), None),
                    Err(QueueError::Empty) => self.line(at, client, "ok", operation, Some("nil"), None),
                    Err(error) => self.line(at, client, "fail", operation, None, Some(keyword(error))),
                }
            }
            What::GaveUp { client, call } => {
                let Some(operation) = self.open.remove(&call) else {
                    return Ok(());
                };
                self.line(at, client, "info", operation, None, Some("timeout"))?;
                self.processes.remove(&client);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// An operation's name and arguments.
fn words(operation: Operation) -> (&'static str, Vec<String>) {
    match operation {
        Operation::Write(QueueWrite::CreateQueue { label }) => ("create_queue", vec![label.0.to_string()]),
        Operation::Write(QueueWrite::Push { qid, item }) => ("push", vec![qid.0.to_string(), item.to_string()]),
        Operation::Write(QueueWrite::Pop { qid }) => ("pop", vec![qid.0.to_string()]),
        Operation::Read(Read::GetQid { label }) => ("get_qid", vec![label.0.to_string()]),
        Operation::Read(Read::Top { qid }) => ("top", vec![qid.0.to_string()]),
        Operation::Read(Read::Qsize { qid }) => ("qsize", vec![qid.0.to_string()]),
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
