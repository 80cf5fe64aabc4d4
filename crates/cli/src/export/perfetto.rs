//! Perfetto's own format: a protobuf of track events. Here, and not beside the other formats, so that no page carries it.

mod schema;

use std::collections::BTreeSet;
use std::io::{self, Write};

use prost::Message;
use raft_core::Instant;
use trace::export::tracks::{End, Group, LANES_MAX, MESSAGE_US, Track, TrackWriter};

use schema::{
    ChildTracksOrdering, DebugAnnotation, EventType, ProcessDescriptor, Trace, TracePacket, TrackDescriptor, TrackEvent,
};

/// Writes packets, each as soon as it is whole. All are of one sequence, whose clock counts nanoseconds of virtual time from the run's
/// beginning.
pub(crate) struct Perfetto<W> {
    out: W,
    packet: Vec<u8>,
    begun: bool,
    groups: BTreeSet<Group>,
    promises_are_named: bool,
}

/// All packets are of one writer.
const SEQUENCE: u32 = 1;
/// The clock of timestamps that need no other: that which runs while a machine sleeps.
const BOOTTIME: u32 = 6;
/// This packet asks for nothing that came before.
const INCREMENTAL_STATE_CLEARED: u32 = 1;
/// The track for what concerns all.
const PROMISES: u64 = 9;

impl<W: Write> Perfetto<W> {
    /// Writes to `out`.
    pub(crate) fn new(out: W) -> Perfetto<W> {
        Perfetto {
            out,
            packet: Vec::new(),
            begun: false,
            groups: BTreeSet::new(),
            promises_are_named: false,
        }
    }

    fn write(&mut self, packet: TracePacket) -> io::Result<()> {
        let is_first = !std::mem::replace(&mut self.begun, true);
        let packet = TracePacket {
            trusted_packet_sequence_id: Some(SEQUENCE),
            first_packet_on_sequence: is_first.then_some(true),
            sequence_flags: is_first.then_some(INCREMENTAL_STATE_CLEARED),
            ..packet
        };
        // A file is one message; messages that stand one behind the other are one.
        self.packet.clear();
        let whole = Trace { packet: vec![packet] };
        whole.encode(&mut self.packet).map_err(io::Error::other)?;
        self.out.write_all(&self.packet)
    }

    fn describe(&mut self, track_descriptor: TrackDescriptor) -> io::Result<()> {
        self.write(TracePacket {
            track_descriptor: Some(track_descriptor),
            ..TracePacket::default()
        })
    }

    fn event(&mut self, kind: EventType, track: u64, at: Instant, event: TrackEvent) -> io::Result<()> {
        self.write(TracePacket {
            timestamp: Some(at.0.saturating_mul(1_000)),
            timestamp_clock_id: Some(BOOTTIME),
            track_event: Some(TrackEvent {
                r#type: Some(kind as i32),
                track_uuid: Some(track),
                ..event
            }),
            ..TracePacket::default()
        })
    }
}

impl<W: Write> TrackWriter for Perfetto<W> {
    fn name(&mut self, track: Track) -> io::Result<()> {
        let group = track.group();
        if self.groups.insert(group) {
            self.describe(TrackDescriptor {
                uuid: Some(group_uuid(group)),
                process: Some(ProcessDescriptor {
                    pid: Some(group as i32 + 1),
                    process_name: Some(group.name().to_owned()),
                }),
                child_ordering: Some(ChildTracksOrdering::Explicit as i32),
                ..TrackDescriptor::default()
            })?;
        }
        self.describe(TrackDescriptor {
            uuid: Some(uuid(track)),
            parent_uuid: Some(group_uuid(group)),
            name: Some(track.name()),
            sibling_order_rank: i32::try_from(uuid(track) & u64::from(u32::MAX)).ok(),
            ..TrackDescriptor::default()
        })
    }

    fn begin(&mut self, track: Track, at: Instant, name: &str) -> io::Result<()> {
        self.event(EventType::SliceBegin, uuid(track), at, named(track, name, &[]))
    }

    fn end(&mut self, track: Track, at: Instant, note: (&'static str, &str)) -> io::Result<()> {
        let event = TrackEvent {
            debug_annotations: annotations(&[note]),
            ..TrackEvent::default()
        };
        self.event(EventType::SliceEnd, uuid(track), at, event)
    }

    fn mark(&mut self, track: Track, at: Instant, name: &str, note: (&'static str, &str)) -> io::Result<()> {
        self.event(EventType::Instant, uuid(track), at, named(track, name, &[note]))
    }

    fn mark_all(&mut self, at: Instant, name: &str) -> io::Result<()> {
        if !std::mem::replace(&mut self.promises_are_named, true) {
            self.describe(TrackDescriptor {
                uuid: Some(PROMISES),
                name: Some("Broken promises".to_owned()),
                ..TrackDescriptor::default()
            })?;
        }
        let event = TrackEvent {
            name: Some(name.to_owned()),
            categories: vec!["violation".to_owned()],
            ..TrackEvent::default()
        };
        self.event(EventType::Instant, PROMISES, at, event)
    }

    fn message(&mut self, end: &End<'_>) -> io::Result<()> {
        let notes: Vec<(&'static str, &str)> = end.notes.iter().map(|(key, note)| (*key, note.as_str())).collect();
        let event = TrackEvent {
            flow_ids: end.leaves.to_vec(),
            terminating_flow_ids: end.ends.into_iter().collect(),
            ..named(end.track, end.name, &notes)
        };
        let track = uuid(end.track);
        self.event(EventType::SliceBegin, track, end.at, event)?;
        let until = Instant(end.at.0 + MESSAGE_US);
        self.event(EventType::SliceEnd, track, until, TrackEvent::default())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn named(track: Track, name: &str, notes: &[(&'static str, &str)]) -> TrackEvent {
    TrackEvent {
        name: Some(name.to_owned()),
        categories: vec![track.category().to_owned()],
        debug_annotations: annotations(notes),
        ..TrackEvent::default()
    }
}

fn annotations(notes: &[(&'static str, &str)]) -> Vec<DebugAnnotation> {
    let said = notes.iter().filter(|(key, _)| !key.is_empty());
    said.map(|(key, note)| DebugAnnotation {
        name: Some((*key).to_owned()),
        string_value: Some((*note).to_owned()),
    })
    .collect()
}

fn group_uuid(group: Group) -> u64 {
    1 + group as u64
}

/// A number of a track's own; its lower half puts it in order among those of its group.
fn uuid(track: Track) -> u64 {
    match track {
        Track::Node(node) => (1 << 32) + 3 * u64::from(node.0),
        Track::Messages(node) => (1 << 32) + 3 * u64::from(node.0) + 1,
        Track::Missed(node) => (1 << 32) + 3 * u64::from(node.0) + 2,
        Track::Client { client, lane } => (2 << 32) + u64::from(client) * u64::from(LANES_MAX) + u64::from(lane),
        Track::Fault { lane } => (3 << 32) + u64::from(lane),
    }
}
