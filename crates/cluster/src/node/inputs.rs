//! What a node does with what it is told.

use raft_core::{Input, NodeId, PENDING_REQUESTS_MAX};

use super::{Node, NodeInput, NodeOutbox, WriteId};
use crate::codec;
use crate::host::{DropReason, Fact, MessageId, Reply, Request, RequestId, Surgery};

impl Node {
    pub(super) fn operate(&mut self, message: MessageId, surgery: Surgery) {
        if !self.arrivals.operate(self.now, message, surgery) {
            return;
        }
        let fact = match surgery {
            Surgery::Drop => Fact::Dropped {
                message: Some(message),
                from: message.from,
                why: DropReason::ByHand,
            },
            _ => Fact::Altered { message, surgery },
        };
        self.journal.tell(self.now, fact);
    }

    /// Takes the messages whose time has come, and then lets the core's timer run out: a host that was late must not
    /// make a node believe that nobody spoke.
    pub(super) fn catch_up(&mut self, out: &mut NodeOutbox) {
        while let Some(due) = self.arrivals.take_due(self.now) {
            if due.cut {
                self.drop_frame(Some(due.message), due.from, DropReason::Cut);
                continue;
            }
            self.journal.tell(self.now, Fact::Received { message: due.message });
            self.take_core(
                Input::Receive {
                    from: due.from,
                    message: due.frame,
                },
                out,
            );
        }
        if self.raft.deadline() <= self.now {
            self.take_core(Input::Tick, out);
        }
    }

    pub(super) fn arrive(&mut self, from: NodeId, bytes: &[u8], out: &mut NodeOutbox) {
        if from == self.id || !self.members.contains(&from) {
            return self.drop_frame(None, from, DropReason::NotAMember);
        }
        let envelope = match codec::decode_envelope(bytes) {
            Ok(envelope) => envelope,
            Err(error) => {
                self.bad_frames = self.bad_frames.saturating_add(1);
                return self.drop_frame(None, from, DropReason::BadFrame(error.to_string()));
            }
        };
        let message = envelope.message;
        if message.from != from {
            return self.drop_frame(Some(message), from, DropReason::WrongSender { claimed: message.from });
        }
        if envelope.epoch != self.epoch() && !self.takes_any_epoch {
            return self.drop_frame(Some(message), from, DropReason::OtherEpoch);
        }
        out.witnessed = out.witnessed.max(Some(envelope.sent_at));
        if let Err(reason) = self.arrivals.keep(envelope, bytes.len()) {
            self.drop_frame(Some(message), from, reason);
        }
    }

    pub(super) fn drop_frame(&mut self, message: Option<MessageId>, from: NodeId, why: DropReason) {
        self.journal.tell(self.now, Fact::Dropped { message, from, why });
    }

    pub(super) fn set_paused(&mut self, paused: bool, out: &mut NodeOutbox) {
        self.paused = paused;
        self.journal.changed();
        if !paused {
            for input in std::mem::take(&mut self.held) {
                self.input(self.now, input, out);
            }
        }
    }

    pub(super) fn hold_request(&mut self, request: RequestId, body: Request, out: &mut NodeOutbox) {
        if self.held.len() < PENDING_REQUESTS_MAX {
            self.held.push(NodeInput::Request { request, body });
        } else {
            self.reply(request, Reply::Busy, out);
        }
    }

    pub(super) fn request(&mut self, request: RequestId, body: Request, out: &mut NodeOutbox) {
        self.journal.tell(
            self.now,
            Fact::Requested {
                request,
                operation: body.operation(),
            },
        );
        let ticket = self.requests.open(request, body);
        let input = match body.command() {
            Some(command) => Input::Propose { ticket, command },
            None => Input::Read { ticket },
        };
        self.take_core(input, out);
    }

    pub(super) fn reply(&mut self, request: RequestId, reply: Reply, out: &mut NodeOutbox) {
        self.journal.tell(self.now, Fact::Replied { request, reply });
        out.replies.push((request, reply));
    }

    /// Tells the core of the last write that is durable now; it stands for those before it.
    pub(super) fn synced(&mut self, write: WriteId, wall_us: u64, out: &mut NodeOutbox) {
        let mut persisted = None;
        let mut end = self.synced_bytes;
        while let Some(done) = self.writes.pop_front_if(|pending| pending.id <= write) {
            persisted = done.persist.or(persisted);
            if done.generation == self.writer.generation() {
                end = done.end;
            }
        }
        if end > self.synced_bytes {
            self.journal.tell(
                self.now,
                Fact::Synced {
                    bytes: end - self.synced_bytes,
                    wall_us,
                },
            );
            self.synced_bytes = end;
            self.writer.acknowledge(end, &mut out.disk);
        }
        if let Some(id) = persisted {
            self.take_core(Input::Persisted(id), out);
        }
    }
}
