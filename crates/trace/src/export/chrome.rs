//! Trace events, as Perfetto and `chrome://tracing` read them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use raft_core::Instant;
use serde::{Serialize, Serializer};

use super::tracks::{End, Group, LANES_MAX, MESSAGE_US, Track, TrackWriter};

/// Writes a JSON object with the key `traceEvents`, by the rules of those who read it:
///
/// - Slices are whole (`X`), last at least a microsecond, and are nested or apart on their thread: readers drop one that overlaps another
///   in part.
/// - An arrow's ends (`s`, `f`) stand at the very beginning of a slice that has that instant of its thread for itself, behind it in the
///   file. Their name is a number.
/// - No two threads have the same number, whatever process they belong to; none has that of a process.
#[derive(Debug)]
pub struct ChromeTrace<W> {
    out: W,
    written: u64,
    processes: BTreeSet<Group>,
    /// The slices that have begun.
    open: BTreeMap<Track, (String, Instant)>,
}

/// One of `traceEvents`. What a reader decides by stands before text of any kind.
#[derive(Serialize)]
struct TraceEvent<'a> {
    ph: &'static str,
    ts: u64,
    pid: u32,
    tid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bp: Option<&'static str>,
    cat: &'static str,
    #[serde(serialize_with = "in_one_line")]
    name: &'a str,
    args: Args<'a>,
}

/// More about an event, by name. Text, so that a reader that knows no whole numbers over 2^53 keeps every digit.
struct Args<'a>(&'a [(&'static str, &'a str)]);

impl Serialize for Args<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let notes = self.0.iter().filter(|(key, _)| !key.is_empty());
        serializer.collect_map(notes.map(|(key, note)| (key, printable(note))))
    }
}

impl<W: Write> ChromeTrace<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> ChromeTrace<W> {
        ChromeTrace {
            out,
            written: 0,
            processes: BTreeSet::new(),
            open: BTreeMap::new(),
        }
    }

    fn write(&mut self, event: &TraceEvent<'_>) -> io::Result<()> {
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
}

impl<W: Write> TrackWriter for ChromeTrace<W> {
    fn name(&mut self, track: Track) -> io::Result<()> {
        let group = track.group();
        let event = event("M", track, Instant(0), "process_name");
        if self.processes.insert(group) {
            self.write(&TraceEvent {
                args: Args(&[("name", group.name())]),
                ..event
            })?;
        }
        self.write(&TraceEvent {
            name: "thread_name",
            args: Args(&[("name", &track.name())]),
            ..event
        })
    }

    fn begin(&mut self, track: Track, at: Instant, name: &str) -> io::Result<()> {
        self.open.insert(track, (name.to_owned(), at));
        Ok(())
    }

    fn end(&mut self, track: Track, at: Instant, note: (&'static str, &str)) -> io::Result<()> {
        let Some((name, since)) = self.open.remove(&track) else {
            return Ok(());
        };
        self.write(&TraceEvent {
            dur: Some(at.since(since).0.max(1)),
            args: Args(&[note]),
            ..event("X", track, since, &name)
        })
    }

    fn mark(&mut self, track: Track, at: Instant, name: &str, note: (&'static str, &str)) -> io::Result<()> {
        self.write(&TraceEvent {
            s: Some("t"),
            args: Args(&[note]),
            ..event("i", track, at, name)
        })
    }

    fn mark_all(&mut self, at: Instant, name: &str) -> io::Result<()> {
        let track = Track::Fault { lane: 0 };
        self.write(&TraceEvent {
            s: Some("g"),
            ..event("i", track, at, name)
        })
    }

    fn message(&mut self, end: &End<'_>) -> io::Result<()> {
        let notes: Vec<(&'static str, &str)> = end.notes.iter().map(|(key, note)| (*key, note.as_str())).collect();
        self.write(&TraceEvent {
            dur: Some(MESSAGE_US),
            args: Args(&notes),
            ..event("X", end.track, end.at, end.name)
        })?;
        let arrow = |ph| TraceEvent {
            cat: "message",
            ..event(ph, end.track, end.at, "message")
        };
        for id in end.leaves {
            self.write(&TraceEvent {
                id: Some(*id),
                ..arrow("s")
            })?;
        }
        match end.ends {
            Some(id) => self.write(&TraceEvent {
                id: Some(id),
                bp: Some("e"),
                ..arrow("f")
            }),
            None => Ok(()),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.written == 0 {
            self.out.write_all(b"{\"traceEvents\":[")?;
        }
        self.out.write_all(b"\n]}\n")?;
        self.out.flush()
    }
}

fn event<'a>(ph: &'static str, track: Track, at: Instant, name: &'a str) -> TraceEvent<'a> {
    let (pid, tid) = place(track);
    TraceEvent {
        ph,
        ts: at.0,
        pid,
        tid,
        dur: None,
        s: None,
        id: None,
        bp: None,
        cat: track.category(),
        name,
        args: Args(&[]),
    }
}

/// The process and the thread that stand for a track, in the order in which viewers show them.
fn place(track: Track) -> (u32, u32) {
    match track {
        Track::Node(node) => (1, 10 + 3 * u32::from(node.0)),
        Track::Messages(node) => (1, 11 + 3 * u32::from(node.0)),
        Track::Missed(node) => (1, 12 + 3 * u32::from(node.0)),
        Track::Fault { lane } => (3, 1_000 + u32::from(lane)),
        Track::Client { client, lane } => (
            2,
            1_000_000 + u32::from(client) * u32::from(LANES_MAX) + u32::from(lane),
        ),
    }
}

/// Some readers refuse text with control characters, even where they are escaped.
fn printable(text: &str) -> String {
    text.replace(char::is_control, " ")
}

fn in_one_line<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    if text.contains(char::is_control) {
        serializer.serialize_str(&printable(text))
    } else {
        serializer.serialize_str(text)
    }
}
