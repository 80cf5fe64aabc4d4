//! How what the core asks for becomes bytes, frames and replies.

use ftqueue::Command;
use netem::Fate;
use raft_core::{Event, HardState, Input, Instant, Message, NodeId, Persist, PersistId, Snapshot};

use super::{Node, NodeOutbox, PendingWrite, WriteId};
use crate::codec::{self, Envelope};
use crate::host::{Fact, MessageId, MessageSummary};

impl Node {
    pub(super) fn take_core(&mut self, input: Input<Command>, out: &mut NodeOutbox) {
        self.raft.take(self.now, input, &mut self.core_outbox);
        self.carry_out(out);
    }

    /// Turns what the core asks for into bytes, frames and replies.
    pub(super) fn carry_out(&mut self, out: &mut NodeOutbox) {
        if self.core_outbox.is_empty() {
            return;
        }
        for event in self.core_outbox.events.drain(..) {
            if let Event::BecameLeader { term, .. } = event {
                out.leading = Some(term);
            }
            self.journal.tell(self.now, Fact::Raft(event));
        }
        let mut persists = std::mem::take(&mut self.core_outbox.persist);
        for persist in persists.drain(..) {
            if let Some(snapshot) = &persist.snapshot {
                self.begin_anew(snapshot, &persist, out);
                continue;
            }
            if let (true, Some(hard_state)) = (self.splits_hard_state, persist.hard_state) {
                let term = self.raft.view().durable_hard_state.term;
                let vote_alone = HardState { term, ..hard_state };
                self.writer.batch(Some(vote_alone), None, &[], &mut out.disk);
            }
            self.writer.batch(
                persist.hard_state,
                persist.truncate_from,
                &persist.append,
                &mut out.disk,
            );
            self.ask_for_sync(Some(persist.id), out);
        }
        self.core_outbox.persist = persists;
        let mut messages = std::mem::take(&mut self.core_outbox.messages);
        for (to, message) in messages.drain(..) {
            self.send(to, message, out);
        }
        self.core_outbox.messages = messages;
        let mut outcomes = std::mem::take(&mut self.core_outbox.outcomes);
        for (ticket, outcome) in outcomes.drain(..) {
            if let Some((request, reply)) = self.requests.settle(ticket, outcome, self.raft.view().machine.queues()) {
                self.reply(request, reply, out);
            }
        }
        self.core_outbox.outcomes = outcomes;
    }

    /// Writes a snapshot, and all that is to be kept behind it, to the other file. What this outbox had for the first is not
    /// needed any more: the core has asked for all of it again.
    pub(super) fn begin_anew(&mut self, snapshot: &Snapshot, persist: &Persist<Command>, out: &mut NodeOutbox) {
        out.disk.clear();
        // One switch twice over is none.
        debug_assert!(
            !out.switch_disk,
            "the core waits until a snapshot is written before it asks for another"
        );
        out.switch_disk = true;
        let hard_state = persist.hard_state.unwrap_or_default();
        self.writer
            .begin_anew(snapshot, hard_state, &persist.append, &mut out.disk);
        self.synced_bytes = 0;
        self.ask_for_sync(Some(persist.id), out);
    }

    pub(super) fn ask_for_sync(&mut self, persist: Option<PersistId>, out: &mut NodeOutbox) {
        out.sync = Some(self.queue_write(persist));
    }

    pub(super) fn queue_write(&mut self, persist: Option<PersistId>) -> WriteId {
        self.writes_asked += 1;
        let id = WriteId(self.writes_asked);
        self.writes.push_back(PendingWrite {
            id,
            persist,
            generation: self.writer.generation(),
            end: self.writer.written(),
        });
        id
    }

    pub(super) fn send(&mut self, to: NodeId, frame: Message<Command>, out: &mut NodeOutbox) {
        self.messages_sent += 1;
        let message = MessageId {
            from: self.id,
            boot: self.boot,
            number: self.messages_sent,
        };
        let fate = self.links.send(to, self.now);
        let summary = MessageSummary::from(&frame);
        self.journal.tell(
            self.now,
            Fact::Sent {
                message,
                to,
                summary,
                fate,
            },
        );
        let Fate::Arrives { at_us, again_at_us } = fate else {
            return;
        };
        let mut envelope = Envelope {
            message,
            epoch: self.epoch(),
            sent_at: self.now,
            deliver_at: Instant(at_us),
            frame,
        };
        out.frames.push((to, codec::encode(&envelope)));
        if let Some(again_us) = again_at_us {
            envelope.deliver_at = Instant(again_us);
            out.frames.push((to, codec::encode(&envelope)));
        }
    }
}
