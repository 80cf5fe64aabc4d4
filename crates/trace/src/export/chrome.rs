//! Trace events, as Perfetto and `chrome://tracing` read them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use cluster::host::{Fact, MessageId};
use ftqueue::Operation;
use netem::Fate;
use raft_core::{Event, Instant, NodeId, Term};
use serde_json::{Value, json};

use super::Exporter;
use crate::{CallNumber, Happening, What};

/// Writes a JSON object with the key `traceEvents`: a track for each node, with its roles as slices, what it decided as instants and its
/// messages as arrows; a track for each client, with its operations as slices; a track for faults.
#[derive(Debug)]
pub struct ChromeTrace<W> {
    out: W,
    written: u64,
    /// The role of each node that runs, and since when.
    roles: BTreeMap<NodeId, (String, Instant)>,
    /// Tracks that have their names.
    named: BTreeSet<(u32, u64)>,
    calls: BTreeMap<CallNumber, (u16, Operation, Instant)>,
    faults: BTreeMap<usize, (String, Instant)>,
    last: Instant,
}

/// Tracks come in three groups.
const NODES: u32 = 1;
const CLIENTS: u32 = 2;
const FAULTS: u32 = 3;

impl<W: Write> ChromeTrace<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> ChromeTrace<W> {
        ChromeTrace {
            out,
            written: 0,
            roles: BTreeMap::new(),
            named: BTreeSet::new(),
            calls: BTreeMap::new(),
            faults: BTreeMap::new(),
            last: Instant(0),
        }
    }

    fn write(&mut self, event: &Value) -> io::Result<()> {
        let before = if self.written == 0 {
            "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n"
        } else {
            ",\n"
        };
        self.written += 1;
        self.out.write_all(before.as_bytes())?;
        serde_json::to_writer(&mut self.out, event)?;
        Ok(())
    }

    /// Names a track, the first time that it is used.
    fn name(&mut self, group: u32, track: u64, name: String) -> io::Result<()> {
        let is_first = !self.named.iter().any(|(other, _)| *other == group);
        if !self.named.insert((group, track)) {
            return Ok(());
        }
        if is_first {
            let group_name = ["nodes", "clients", "faults"][group as usize - 1];
            self.write(&json!({ "ph": "M", "name": "process_name", "pid": group, "tid": 0, "ts": 0, "args": { "name": group_name } }))?;
        }
        self.write(
            &json!({ "ph": "M", "name": "thread_name", "pid": group, "tid": track, "ts": 0, "args": { "name": name } }),
        )
    }

    fn slice(
        &mut self,
        group: u32,
        track: u64,
        name: &str,
        from: Instant,
        until: Instant,
        args: Value,
    ) -> io::Result<()> {
        let duration = until.since(from).0;
        self.write(&json!({
            "ph": "X", "name": name, "pid": group, "tid": track, "ts": from.0, "dur": duration, "args": args,
        }))
    }

    fn instant(&mut self, node: NodeId, at: Instant, name: String, paper: Option<&str>) -> io::Result<()> {
        let args = paper.map_or_else(|| json!({}), |paper| json!({ "paper": paper }));
        self.write(&json!({
            "ph": "i", "s": "t", "name": name, "pid": NODES, "tid": node.0, "ts": at.0, "args": args,
        }))
    }

    /// A node plays another role from now on, or none.
    fn role(&mut self, node: NodeId, at: Instant, role: Option<String>) -> io::Result<()> {
        self.name(NODES, node.0.into(), node.to_string())?;
        let before = match role {
            Some(role) => self.roles.insert(node, (role, at)),
            None => self.roles.remove(&node),
        };
        match before {
            Some((role, since)) => self.slice(NODES, node.0.into(), &role, since, at, json!({})),
            None => Ok(()),
        }
    }

    fn told(&mut self, at: Instant, node: NodeId, fact: &Fact) -> io::Result<()> {
        let role = |name: &str, term: Term| Some(format!("{name}, {term}"));
        match fact {
            Fact::Raft(event) => {
                match event {
                    Event::BecameFollower { term, .. } => self.role(node, at, role("follower", *term))?,
                    Event::BecameCandidate { term } => self.role(node, at, role("candidate", *term))?,
                    Event::BecameLeader { term, .. } => self.role(node, at, role("leader", *term))?,
                    _ => {}
                }
                self.instant(node, at, event.to_string(), Some(event.paper()))
            }
            Fact::Sent {
                message, summary, fate, ..
            } => {
                let name = summary.to_string();
                match fate {
                    Fate::Arrives { .. } => self.arrow("s", *message, node, at, &name),
                    Fate::Lost => self.instant(node, at, format!("lost on the way: {name}"), None),
                    Fate::Cut => self.instant(node, at, format!("kept back by a cut: {name}"), None),
                }
            }
            Fact::Received { message } => self.arrow("f", *message, node, at, "message"),
            fact => self.instant(node, at, fact.to_string(), None),
        }
    }

    /// One end of an arrow.
    fn arrow(&mut self, end: &str, message: MessageId, node: NodeId, at: Instant, name: &str) -> io::Result<()> {
        let id = format!("{}.{}.{}", message.from.0, message.boot, message.number);
        self.write(&json!({
            "ph": end, "bp": "e", "cat": "message", "name": "message", "id": id, "pid": NODES, "tid": node.0, "ts": at.0,
            "args": { "says": name },
        }))
    }

    /// An operation is over, or the run is.
    fn call(&mut self, call: CallNumber, until: Instant, answer: &str) -> io::Result<()> {
        let Some((client, operation, since)) = self.calls.remove(&call) else {
            return Ok(());
        };
        self.name(CLIENTS, client.into(), format!("client {client}"))?;
        let name = operation.to_string();
        self.slice(CLIENTS, client.into(), &name, since, until, json!({ "answer": answer }))
    }

    fn fault(&mut self, fault: usize, until: Instant) -> io::Result<()> {
        let Some((text, since)) = self.faults.remove(&fault) else {
            return Ok(());
        };
        // Faults overlap, and slices of one track must not: each has a track of its own.
        let track = fault as u64 + 1;
        self.name(FAULTS, track, text.clone())?;
        self.slice(FAULTS, track, &text, since, until, json!({}))
    }
}

impl<W: Write> Exporter for ChromeTrace<W> {
    fn take(&mut self, happening: &Happening) -> io::Result<()> {
        let at = happening.at;
        self.last = self.last.max(at);
        match &happening.what {
            What::Told { node, fact } => self.told(at, *node, fact),
            What::Started { node, .. } => self.instant(*node, at, happening.what.to_string(), None),
            What::Crashed { node } | What::Lost { node } => {
                self.role(*node, at, None)?;
                self.instant(*node, at, happening.what.to_string(), None)
            }
            What::FaultBegan { fault, text } => {
                self.faults.insert(*fault, (text.clone(), at));
                Ok(())
            }
            What::FaultEnded { fault } => self.fault(*fault, at),
            What::Invoked {
                client,
                call,
                operation,
            } => {
                self.calls.insert(*call, (*client, *operation, at));
                Ok(())
            }
            What::Returned { call, result, .. } => {
                let answer = match result {
                    Ok(answer) => answer.to_string(),
                    Err(error) => error.to_string(),
                };
                self.call(*call, at, &answer)
            }
            What::GaveUp { call, .. } => self.call(*call, at, "none: it may have happened, or may yet"),
            What::Violated { text } => self.write(&json!({
                "ph": "i", "s": "g", "name": text, "pid": NODES, "tid": 0, "ts": at.0, "args": {},
            })),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        let end = self.last;
        for node in self.roles.keys().copied().collect::<Vec<_>>() {
            self.role(node, end, None)?;
        }
        for call in self.calls.keys().copied().collect::<Vec<_>>() {
            self.call(call, end, "none yet")?;
        }
        for fault in self.faults.keys().copied().collect::<Vec<_>>() {
            self.fault(fault, end)?;
        }
        if self.written == 0 {
            self.out.write_all(b"{\"traceEvents\":[")?;
        }
        self.out.write_all(b"\n]}\n")?;
        self.out.flush()
    }
}
