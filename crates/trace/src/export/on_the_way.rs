//! Messages on their way, each with what it carries for a format: a clock, or the ends of an arrow.

use std::collections::{BTreeMap, BTreeSet};

use cluster::host::{DropReason, Fact, MessageId, Surgery};
use netem::Fate;
use raft_core::{Instant, NodeId};

/// How many messages whose time has passed are remembered. More than that wait only for a node that is down or stands still for minutes.
const OVERDUE_MAX: usize = 100_000;

/// The messages that may still arrive. One is let go when its last copy has arrived, when its receiver crashes after its time, or, where
/// more than [`OVERDUE_MAX`] are overdue, when it is the one that is overdue for longest.
#[derive(Debug)]
pub(super) struct OnTheWay<T> {
    messages: BTreeMap<MessageId, Travelling<T>>,
    /// By the instant at which the last copy arrives; [`Instant::NEVER`] while somebody holds it.
    by_arrival: BTreeSet<(Instant, MessageId)>,
    overdue_max: usize,
}

#[derive(Debug)]
struct Travelling<T> {
    to: NodeId,
    arrives: Instant,
    copies: u32,
    carried: T,
}

/// A message that does not arrive any more.
#[derive(Debug)]
pub(super) struct Missed<T> {
    /// Its name.
    pub(super) message: MessageId,
    /// Where it went.
    pub(super) to: NodeId,
    /// When it should have arrived.
    pub(super) arrives: Instant,
    /// What it carried.
    pub(super) carried: T,
}

impl<T: Clone> OnTheWay<T> {
    pub(super) fn new() -> OnTheWay<T> {
        OnTheWay {
            messages: BTreeMap::new(),
            by_arrival: BTreeSet::new(),
            overdue_max: OVERDUE_MAX,
        }
    }

    /// A message is sent. One that its link loses is not on the way.
    pub(super) fn send(&mut self, message: MessageId, to: NodeId, fate: Fate, carried: T) {
        let Fate::Arrives { at_us, again_at_us } = fate else {
            return;
        };
        let arrives = Instant(again_at_us.unwrap_or(at_us).max(at_us));
        let travelling = Travelling {
            to,
            arrives,
            copies: 1 + u32::from(again_at_us.is_some()),
            carried,
        };
        self.by_arrival.insert((arrives, message));
        if let Some(before) = self.messages.insert(message, travelling)
            && before.arrives != arrives
        {
            self.by_arrival.remove(&(before.arrives, message));
        }
    }

    /// A copy of a message arrives. Gives what it carries, if it was seen to be sent.
    pub(super) fn arrive(&mut self, message: MessageId) -> Option<T> {
        let travelling = self.messages.get_mut(&message)?;
        if travelling.copies > 1 {
            travelling.copies -= 1;
            return Some(travelling.carried.clone());
        }
        self.forget(message).map(|missed| missed.carried)
    }

    /// What a message carries, to be changed.
    pub(super) fn carried(&mut self, message: MessageId) -> Option<&mut T> {
        self.messages
            .get_mut(&message)
            .map(|travelling| &mut travelling.carried)
    }

    /// Somebody laid hands on a message.
    pub(super) fn alter(&mut self, message: MessageId, surgery: Surgery, at: Instant) {
        let Some(travelling) = self.messages.get_mut(&message) else {
            return;
        };
        let before = travelling.arrives;
        match surgery {
            Surgery::Hold => travelling.arrives = Instant::NEVER,
            Surgery::Release if before == Instant::NEVER => travelling.arrives = at,
            Surgery::Duplicate => travelling.copies += 1,
            // What is dropped is told as such; what is released or delivered arrives at once.
            Surgery::Drop | Surgery::Deliver | Surgery::Release => {}
        }
        if travelling.arrives != before {
            let after = travelling.arrives;
            self.by_arrival.remove(&(before, message));
            self.by_arrival.insert((after, message));
        }
    }

    /// A node runs no longer: what waited at its door is gone, and what is held there. Gives it by the time of its arrival.
    pub(super) fn crash(&mut self, node: NodeId, at: Instant) -> Vec<Missed<T>> {
        // What arrives at this very instant may find the node started again.
        let overdue = self.by_arrival.range(..(at, MESSAGE_MIN));
        let held = self.by_arrival.range((Instant::NEVER, MESSAGE_MIN)..);
        let gone: Vec<MessageId> = overdue
            .chain(held)
            .map(|(_, message)| *message)
            .filter(|message| self.messages[message].to == node)
            .collect();
        gone.into_iter().filter_map(|message| self.forget(message)).collect()
    }

    /// Lets go of what is too much, now.
    pub(super) fn trim(&mut self, now: Instant) -> Option<Missed<T>> {
        if self.messages.len() <= self.overdue_max {
            return None;
        }
        let (arrives, message) = *self.by_arrival.first()?;
        // What is on the way is kept, however much it is: links have bounds of their own.
        if arrives >= now {
            return None;
        }
        self.forget(message)
    }

    /// All that is left, by the time of its arrival.
    pub(super) fn drain(&mut self) -> Vec<Missed<T>> {
        let left: Vec<MessageId> = self.by_arrival.iter().map(|(_, message)| *message).collect();
        left.into_iter().filter_map(|message| self.forget(message)).collect()
    }

    fn forget(&mut self, message: MessageId) -> Option<Missed<T>> {
        let Travelling {
            to, arrives, carried, ..
        } = self.messages.remove(&message)?;
        self.by_arrival.remove(&(arrives, message));
        Some(Missed {
            message,
            to,
            arrives,
            carried,
        })
    }
}

const MESSAGE_MIN: MessageId = MessageId {
    from: NodeId(0),
    boot: 0,
    number: 0,
};

/// The message that this tells to have come as far as its receiver's door.
pub(super) fn arrived(fact: &Fact) -> Option<MessageId> {
    match fact {
        Fact::Received { message } => Some(*message),
        // Under a name that is not its own, another came.
        Fact::Dropped {
            why: DropReason::WrongSender { .. },
            ..
        } => None,
        Fact::Dropped { message, .. } => *message,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId(2);

    fn message(number: u64) -> MessageId {
        MessageId {
            from: NodeId(1),
            boot: 1,
            number,
        }
    }

    fn arrives(at_us: u64) -> Fate {
        Fate::Arrives {
            at_us,
            again_at_us: None,
        }
    }

    #[test]
    fn what_has_arrived_is_not_on_the_way() {
        let mut way = OnTheWay::new();
        for number in 0..1_000_000 {
            way.send(message(number), NODE, arrives(number + 5), number);
            if number >= 3 {
                assert_eq!(way.arrive(message(number - 3)), Some(number - 3));
            }
        }
        assert_eq!((way.messages.len(), way.by_arrival.len()), (3, 3));
    }

    #[test]
    fn a_message_that_arrives_twice_is_known_twice() {
        let mut way = OnTheWay::new();
        let twice = Fate::Arrives {
            at_us: 5,
            again_at_us: Some(9),
        };
        way.send(message(1), NODE, twice, 'a');
        way.send(message(2), NODE, arrives(5), 'b');
        way.alter(message(2), Surgery::Duplicate, Instant(1));
        for number in [1, 2] {
            assert!(way.arrive(message(number)).is_some() && way.arrive(message(number)).is_some());
            assert_eq!(way.arrive(message(number)), None);
        }
    }

    #[test]
    fn what_its_link_loses_never_was_on_the_way() {
        let mut way = OnTheWay::new();
        way.send(message(1), NODE, Fate::Lost, ());
        way.send(message(2), NODE, Fate::Cut, ());
        assert_eq!(way.messages.len(), 0);
    }

    #[test]
    fn a_crash_takes_what_waits_at_the_door_and_not_what_comes_later() {
        let mut way = OnTheWay::new();
        way.send(message(1), NODE, arrives(10), ());
        way.send(message(2), NodeId(3), arrives(10), ());
        way.send(message(3), NODE, arrives(100), ());
        way.send(message(4), NODE, arrives(20), ());
        way.alter(message(4), Surgery::Hold, Instant(5));
        let gone: Vec<u64> = way
            .crash(NODE, Instant(50))
            .iter()
            .map(|missed| missed.message.number)
            .collect();
        assert_eq!(gone, [1, 4]);
        assert!(way.arrive(message(2)).is_some() && way.arrive(message(3)).is_some());
    }

    #[test]
    fn too_much_lets_go_of_what_is_overdue_for_longest_and_of_nothing_that_may_arrive_in_time() {
        let mut way = OnTheWay::new();
        way.overdue_max = 2;
        // The least name is the last to arrive.
        way.send(message(1), NODE, arrives(1_000), ());
        way.send(message(2), NODE, arrives(30), ());
        way.send(message(3), NODE, arrives(20), ());
        assert_eq!(way.trim(Instant(100)).map(|missed| missed.message), Some(message(3)));
        assert!(way.trim(Instant(100)).is_none());
        way.send(message(4), NODE, arrives(1_000), ());
        way.send(message(5), NODE, arrives(1_000), ());
        assert_eq!(way.trim(Instant(100)).map(|missed| missed.message), Some(message(2)));
        assert!(way.trim(Instant(100)).is_none(), "all that is left is still to come");
    }
}
