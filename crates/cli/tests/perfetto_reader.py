"""Reads a file of Perfetto's own format with its published classes, holds its rules against it, and says in JSON what is in it.

usage: python perfetto_reader.py FILE
"""

import collections
import json
import sys

from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import TracePacket, TrackDescriptor, TrackEvent

BOOTTIME = 6


def packets(data):
    """The packets of a file: it is one message, of which they are the first field."""

    def number(at):
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value, at

    at = 0
    while at < len(data):
        key, at = number(at)
        assert key == (1 << 3 | 2), f"a file has packets, and not the field {key >> 3}"
        size, at = number(at)
        packet = TracePacket.FromString(data[at : at + size])
        packet.DiscardUnknownFields()
        assert packet.ByteSize() == size, f"the schema does not know all of {packet}"
        yield packet
        at += size


def main(path):
    tracks = {}
    events = []
    sequences = set()
    for place, packet in enumerate(packets(open(path, "rb").read())):
        sequences.add(packet.trusted_packet_sequence_id)
        assert packet.first_packet_on_sequence == (place == 0)
        if packet.HasField("track_descriptor"):
            track = packet.track_descriptor
            assert track.uuid not in tracks, f"{track} is described twice"
            assert not track.parent_uuid or track.parent_uuid in tracks, f"{track} has no parent"
            tracks[track.uuid] = track
            continue
        event = packet.track_event
        assert packet.timestamp_clock_id == BOOTTIME and event.track_uuid in tracks, packet
        events.append((packet.timestamp, event))
    assert len(sequences) == 1 and 0 not in sequences, sequences

    # As Perfetto does: by time, and those of one time as they stand in the file.
    events.sort(key=lambda event: event[0])
    inside = collections.defaultdict(list)
    begun, ended = {}, {}
    slices = collections.Counter()
    marks = collections.Counter()
    fates = collections.Counter()
    for at, event in events:
        name = tracks[event.track_uuid].name
        stack = inside[event.track_uuid]
        if event.type == TrackEvent.TYPE_SLICE_END:
            assert stack, f"nothing ends on {name} at {at}"
            since, category = stack.pop()
            slices[category] += 1
            assert category != "message" or at > since, "a message has a width"
            continue
        assert event.name and len(event.categories) == 1, event
        if event.type == TrackEvent.TYPE_INSTANT:
            marks[event.categories[0]] += 1
            continue
        assert event.type == TrackEvent.TYPE_SLICE_BEGIN, event
        assert not stack, f"{name} does one thing at a time, at {at}"
        stack.append((at, event.categories[0]))
        notes = {note.name: note.string_value for note in event.debug_annotations}
        for flow in event.flow_ids:
            assert begun.setdefault(flow, (at, event.track_uuid, notes["message"])) == (at, event.track_uuid, notes["message"])
        for flow in event.terminating_flow_ids:
            assert flow not in ended, f"arrow {flow} ends twice"
            since, track, message = begun[flow]
            assert since < at and track != event.track_uuid and message == notes["message"], event
            ended[flow] = at
        if "message" in notes and not event.flow_ids:
            fates[notes.get("fate", "taken" if "from" in notes else "?")] += 1
    assert not any(inside.values()), "every slice ends"
    assert begun.keys() == ended.keys(), f"{len(begun)} arrows begin, {len(ended)} end"

    processes = {uuid: track.process.process_name for uuid, track in tracks.items() if track.HasField("process")}
    for track in tracks.values():
        assert track.HasField("process") or track.parent_uuid in processes or track.name == "Broken promises", track
        assert not track.HasField("process") or track.child_ordering == TrackDescriptor.EXPLICIT
    names = [track.name for track in tracks.values()]
    print(
        json.dumps(
            {
                "processes": sorted(processes.values()),
                "nodes": sorted(name for name in names if name.startswith("Node ") and "," not in name),
                "flows": len(begun),
                "fates": fates,
                "slices": slices,
                "marks": marks,
            }
        )
    )


main(sys.argv[1])
