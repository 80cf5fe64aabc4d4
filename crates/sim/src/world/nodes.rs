//! Nodes: how they boot, what they are given, and how what they ask for is carried out.

use cluster::Epoch;
use cluster::codec;
use cluster::host::Fact;
use cluster::node::{BootError, Node, NodeConfig, NodeInput, NodeOutbox};
use cluster::record::Durability;
use cluster::wal::{Damage, Flaw};
use netem::Fate;
use raft_core::{Config, Duration, Instant, Message, NodeId, Term};
use rand::Rng;
use trace::Happening;
use trace::tape::{Origin, Piece, Told};

use super::{Event, KeptFrame, SEED_STRIDE, World, link_place};
use crate::check::Violation;
use crate::plan::{TAIL_US_MAX, Tail, What};
use crate::settings::{FaultKind, Settings};

/// How many messages are kept, to be sent again some day.
const FRAMES_KEPT_MAX: usize = 256;
/// Once there are as many, one of so many takes the place of another.
const KEEPS_ONE_OF: u64 = 64;

impl World<'_> {
    pub(super) fn boot(&mut self, place: usize) -> Result<(), Violation> {
        let seed = self.scenario.settings.seed;
        let seat = &mut self.seats[place];
        seat.boot += 1;
        let (id, boot) = (seat.id, seat.boot);
        let config = self.config(id, boot, self.epoch);
        let mut outbox = self.outbox.take().unwrap_or_default();
        outbox.clear();
        let booted = Node::boot(config, self.seats[place].disk.files(), self.now, &mut outbox);
        self.trace.word(u64::from(id.0) << 8 | 2);
        self.trace.word(self.now.0);
        let (mut node, recovery) = match booted {
            Ok(booted) => booted,
            Err(error) => {
                let is_of_another_epoch = matches!(
                    &error,
                    BootError::Log(Damage {
                        what: Flaw::OtherEpoch { .. },
                        ..
                    })
                );
                if is_of_another_epoch && self.seats[place].carried_over.is_some() {
                    self.outbox = Some(outbox);
                    self.carry_over(place);
                    return Ok(());
                }
                if !self.seats[place].disk.is_damaged() {
                    return self.checker.refused_to_boot(self.now, id, &error.to_string());
                }
                // It refuses to take part with a log that it cannot trust: a lost member.
                self.seats[place].lost = true;
                self.checker.lost(id);
                self.see(|| trace::What::Lost { node: id });
                self.coverage.note(FaultKind::FlipAcknowledged);
                self.outbox = Some(outbox);
                return Ok(());
            }
        };
        let files = self
            .told
            .as_ref()
            .map(|_| self.seats[place].disk.files().map(<[u8]>::to_vec));
        let disk = &mut self.seats[place].disk;
        if disk.boot(outbox.open_disk.as_ref(), &outbox.disk).is_err() {
            // Its disk fails it at once. It starts when the fault is over.
            self.outbox = Some(outbox);
            return Ok(());
        }
        if let (Some(told), Some(files)) = (&mut self.told, files) {
            node.record();
            let origin = Origin::Disk {
                config: node.config_for(boot, node_seed(seed, id, boot)),
                files,
                // A wiped disk never boots again: it is a lost member.
                durability: Durability::Kept,
            };
            told.push(Told {
                node: id,
                boot,
                piece: Piece::Began { origin, at: self.now },
            });
        }
        self.see(|| trace::What::Started {
            node: id,
            boot,
            recovery,
            role: node.view().role,
        });
        self.facts.clear();
        node.take_facts(&mut self.facts);
        self.tell(id);
        self.checker.booted(self.now, &node)?;
        self.hear_commits();
        self.seats[place].node = Some(node);
        self.due.is_old = true;
        let synced = outbox.sync.take();
        self.outbox = Some(outbox);
        if self.scenario.settings.clients_are_told {
            for client in 0..self.callers.len() {
                self.callers[client].client.node_up(self.now, id);
                self.client_works(client);
            }
        }
        if let Some(write) = synced {
            self.input(place, NodeInput::Synced { write, wall_us: 0 })?;
        }
        if self.is_paused(id) {
            self.input(place, NodeInput::SetPaused(true))?;
        }
        Ok(())
    }

    /// What a boot of this member is told.
    pub(super) fn config(&self, id: NodeId, boot: u32, epoch: Epoch) -> NodeConfig {
        let Settings {
            seed,
            nodes,
            rules,
            compact_after,
            ..
        } = self.scenario.settings;
        let raft = Config {
            id,
            members: (1..=nodes).map(NodeId).collect(),
            timing: self.timing(id),
            seed: node_seed(seed, id, boot),
            rules,
            compact_after,
        };
        NodeConfig {
            raft,
            boot,
            epoch,
            links: Vec::new(),
        }
    }

    pub(super) fn flushed(&mut self, place: usize) -> Result<(), Violation> {
        let id = self.seats[place].id;
        if self.fails_to_flush(id) {
            self.coverage.note(FaultKind::FailedFlush);
            self.seats[place].disk.fail_flush();
            self.crash(place, Tail::Kept);
            return Ok(());
        }
        let flush = match self.seats[place].disk.take_done(self.now) {
            Ok(Some(flush)) => flush,
            Ok(None) => {
                if self.seats[place].disk.lacks_room() {
                    self.coverage.note(FaultKind::NoRoom);
                }
                return Ok(());
            }
            Err(_) => {
                self.disk_fails(place);
                return Ok(());
            }
        };
        let seat = &self.seats[place];
        if seat.node.as_ref().is_some_and(|node| node.view().term > flush.term) {
            self.coverage.note(FaultKind::LateFlush);
        }
        self.checker.flushed(self.now, self.seats[place].id, flush.write)?;
        self.input(
            place,
            NodeInput::Synced {
                write: flush.write,
                wall_us: 0,
            },
        )
    }

    /// Gives a node an input, and carries out what it asks for. Nothing, if it does not run.
    pub(super) fn input(&mut self, place: usize, input: NodeInput) -> Result<(), Violation> {
        // The beginning of a fault is not its effect.
        if self.seats[place].node.is_some() && !matches!(input, NodeInput::SetPaused(_) | NodeInput::SetTiming(_)) {
            self.count_on_node(self.seats[place].id);
        }
        let Some(node) = &mut self.seats[place].node else {
            return Ok(());
        };
        let mut outbox = self.outbox.take().unwrap_or_default();
        outbox.clear();
        self.touched = Some(NodeId(place as u8 + 1));
        self.trace.word(self.now.0 << 8 | place as u64);
        node.step(self.now, input, &mut outbox);
        self.facts.clear();
        node.take_facts(&mut self.facts);
        let stepped = self.checker.stepped(self.now, node, &self.facts, outbox.sync);
        if stepped.is_err() {
            self.tell(NodeId(place as u8 + 1)); // It comes to send nothing any more.
        }
        stepped?;
        self.note_slow_disk(place);
        self.hear_commits();
        self.carry_out(place, &mut outbox)?;
        self.outbox = Some(outbox);
        Ok(())
    }

    /// Notes whether the node's last flush, or the one that is under way, outlasts the shortest election timeout.
    fn note_slow_disk(&mut self, place: usize) {
        let Some(node) = &self.seats[place].node else { return };
        let (took, shortest) = (node.write_takes(self.now), self.scenario.settings.timing.election_min);
        let (id, members) = (self.seats[place].id, self.seats.len());
        self.slow_disks
            .set(self.now, members, id, (took >= shortest).then_some(took));
    }

    /// Passes on what a node told. It took its links for perfect: what became of its messages, the world has decided, and what it
    /// did not come to send is lost.
    fn tell(&mut self, node: NodeId) {
        let Some(seen) = &mut self.seen else {
            return self.fates.clear();
        };
        let mut fates = self.fates.drain(..);
        for (at, fact) in &mut self.facts {
            if let Fact::Sent { fate, .. } = fact {
                *fate = fates.next().unwrap_or(Fate::Lost);
            }
            seen.push(Happening {
                at: *at,
                what: trace::What::Told {
                    node,
                    fact: fact.clone(),
                },
            });
        }
    }

    fn hear_commits(&mut self) {
        for (index, command) in self.checker.take_commands() {
            self.audit.committed(index, &command);
            self.coverage.committed();
        }
    }

    pub(super) fn carry_out(&mut self, place: usize, outbox: &mut NodeOutbox) -> Result<(), Violation> {
        let id = self.seats[place].id;
        if !outbox.disk.is_empty() {
            self.trace.bytes(&outbox.disk);
            if self.is_full(id) {
                self.tell(id);
                self.coverage.note(FaultKind::DiskFull);
                // What this step would have sent is lost with it: the host fails before it posts anything.
                self.crash(place, Tail::Kept);
                return Ok(());
            }
            let disk = &mut self.seats[place].disk;
            let switched = if outbox.switch_disk { disk.switch() } else { Ok(()) };
            if switched.and_then(|()| disk.append(&outbox.disk)).is_err() {
                self.tell(id);
                self.disk_fails(place);
                return Ok(());
            }
        }
        for (to, bytes) in outbox.frames.drain(..) {
            self.trace.bytes(&bytes);
            let fate = self.send(id, to, bytes);
            self.fates.push(fate);
        }
        self.tell(id);
        for (request, reply) in outbox.replies.drain(..) {
            self.trace.word(request.0);
            if let Some(at) = self.client_way() {
                self.schedule(
                    at,
                    Event::Reply {
                        from: id,
                        request,
                        reply,
                    },
                );
            }
        }
        if let Some(term) = outbox.leading
            && let Some(at) = self.client_way()
        {
            // Who is not told has to find out by itself, and may go on asking who has led so far.
            let is_told = self.scenario.settings.clients_are_told;
            let heard_by = if is_told { u64::MAX } else { self.random.next_u64() };
            self.schedule(
                at,
                Event::Leading {
                    node: id,
                    term,
                    heard_by,
                },
            );
        }
        if let Some(write) = outbox.sync {
            let done_at = self.flush_time(id);
            let seat = &mut self.seats[place];
            let term = seat.node.as_ref().map_or(Term(0), |node| node.view().term);
            seat.disk.flush(write, self.now, done_at, term);
            if let Some(tail) = seat.doomed.take() {
                self.coverage.note(FaultKind::CrashInPersist);
                self.crash(place, tail);
                // It starts again a little later, or when the fault is over.
                self.schedule(self.now + Duration::from_millis(50), Event::Boot { node: id });
            }
        }
        Ok(())
    }

    /// What a node asked of its disk was not done: its host ends, and says nothing that rests on it.
    fn disk_fails(&mut self, place: usize) {
        self.coverage.note(FaultKind::Miscount);
        self.crash(place, Tail::Kept);
        // It may be noticed only after the fault is over.
        let node = self.seats[place].id;
        self.schedule(self.now + Duration::from_millis(50), Event::Boot { node });
    }

    pub(super) fn flush_time(&mut self, id: NodeId) -> Instant {
        let (low, high) = self.scenario.settings.flush_us;
        let mut took = low + self.random.next_u64() % (high - low + 1);
        let (mut not_before, mut is_slow, mut outlasts) = (self.now, false, false);
        for fault in self.active.iter().map(|(_, fault)| fault) {
            match fault.what {
                What::SlowFlush { node, us } if node == id => (took, is_slow) = (took + us, true),
                What::SlowNode { node, delay_us } if node == id => took += delay_us,
                What::OutlastingFlush { node, us } if node == id => (took, outlasts) = (took.max(us), true),
                What::LateFlush { node } if node == id => not_before = fault.at + fault.lasts,
                _ => {}
            }
        }
        if outlasts {
            self.coverage.note(FaultKind::OutlastingFlush);
        } else if is_slow {
            self.coverage.note(FaultKind::SlowFlush);
        }
        not_before.max(self.now + Duration(took))
    }

    pub(super) fn send(&mut self, from: NodeId, to: NodeId, bytes: Vec<u8>) -> Fate {
        let link = link_place(self.scenario.settings.nodes, from, to);
        let mut fate = self.links[link].send(self.now.0);
        self.count_on_link(from, to, fate);
        if matches!(fate, Fate::Arrives { .. }) && self.is_unheard(&bytes) {
            fate = Fate::Lost;
            self.coverage.note(FaultKind::UnheardLeaders);
        }
        if self.keeps_frames {
            self.keep_frame(from, to, &bytes);
        }
        match fate {
            Fate::Arrives { at_us, again_at_us } => {
                if let Some(again_us) = again_at_us {
                    let (bytes, by) = (bytes.clone(), Some(FaultKind::Duplicate));
                    self.schedule(Instant(again_us), Event::Frame { from, to, bytes, by });
                }
                let overtakes = at_us < self.latest_us[link];
                self.latest_us[link] = self.latest_us[link].max(at_us);
                let held_us = self.heavy_tail.map_or(0, |tail| self.held_us(tail));
                let by = match (held_us, overtakes) {
                    (0, false) => None,
                    (0, true) => Some(FaultKind::Reorder),
                    _ => Some(FaultKind::HeavyTail),
                };
                let at_us = at_us + held_us;
                self.schedule(Instant(at_us), Event::Frame { from, to, bytes, by });
                Fate::Arrives { at_us, again_at_us }
            }
            Fate::Lost | Fate::Cut => fate,
        }
    }
}

/// Messages that take very long, and those that come once more.
impl World<'_> {
    /// How long a message is held back by a heavy tail, in microseconds: mostly not at all. Half of those that are held are held
    /// for twice the least, a thousandth of them for a thousand times as long.
    fn held_us(&mut self, (per_mille, least_us): (u16, u64)) -> u64 {
        let draw = self.random.next_u64();
        if draw % 1000 >= u64::from(per_mille) {
            return 0;
        }
        let one_in = (1 << 32) / (1 + (draw >> 32));
        least_us.saturating_mul(one_in).min(TAIL_US_MAX)
    }

    /// Whether this is lost because leaders are not heard.
    fn is_unheard(&mut self, bytes: &[u8]) -> bool {
        let per_mille = self.active().find_map(|fault| match fault.what {
            What::UnheardLeaders { per_mille } => Some(per_mille),
            _ => None,
        });
        per_mille.is_some_and(|per_mille| {
            let is_of_leader = |frame| matches!(frame, Message::AppendEntries(_) | Message::InstallSnapshot(_));
            self.random.next_u64() % 1000 < u64::from(per_mille)
                && codec::decode_envelope(bytes).is_ok_and(|envelope| is_of_leader(envelope.frame))
        })
    }

    /// Keeps some of the messages, old ones as well as new ones.
    fn keep_frame(&mut self, from: NodeId, to: NodeId, bytes: &[u8]) {
        let draw = self.random.next_u64();
        if self.kept_frames.len() < FRAMES_KEPT_MAX {
            self.kept_frames.push((from, to, bytes.to_vec()));
        } else if draw.is_multiple_of(KEEPS_ONE_OF) {
            let place = (draw >> 32) as usize % FRAMES_KEPT_MAX;
            self.kept_frames[place] = (from, to, bytes.to_vec());
        }
    }

    /// Sends messages of before again, at any time while this lasts: half of them such as the present leader sent when it led
    /// before, if there are any.
    pub(super) fn send_again(&mut self, count: u16, lasts: Duration) {
        let leader = self.nodes().map(Node::view).find(|view| Some(view.id) == self.leader());
        let leads = leader.map(|view| (view.id, view.term));
        let is_of_earlier_lead = |(from, _, bytes): &&KeptFrame| {
            leads.is_some_and(|(leader, term)| *from == leader && led_before(bytes, term))
        };
        let leaders: Vec<KeptFrame> = self.kept_frames.iter().filter(is_of_earlier_lead).cloned().collect();
        for number in 0..count {
            let (which, when) = (self.random.next_u64(), self.random.next_u64());
            let among = if number % 2 == 0 && !leaders.is_empty() {
                &leaders
            } else {
                &self.kept_frames
            };
            let Some(place) = which.checked_rem(among.len() as u64) else {
                return;
            };
            let (from, to, bytes) = among[place as usize].clone();
            let by = Some(FaultKind::OldMessages);
            self.schedule(
                self.now + Duration(when % (1 + lasts.0)),
                Event::Frame { from, to, bytes, by },
            );
        }
    }
}

/// Whether these bytes are what a leader of an earlier term than this says to its followers.
fn led_before(bytes: &[u8], term: Term) -> bool {
    codec::decode_envelope(bytes)
        .is_ok_and(|envelope| matches!(&envelope.frame, Message::AppendEntries(append) if append.term < term))
}

/// What a boot of a member draws its random numbers from.
fn node_seed(seed: u64, id: NodeId, boot: u32) -> u64 {
    (seed ^ (u64::from(id.0) << 32) ^ u64::from(boot)).wrapping_mul(SEED_STRIDE)
}
