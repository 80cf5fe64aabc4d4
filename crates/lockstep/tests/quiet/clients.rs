//! What clients of a simulated world do, as a page tells it.

use std::collections::BTreeMap;

use raft_core::Instant;
use sim::World;
use trace::Asked;

/// Who looks at a world's clients again and again.
#[derive(Default)]
pub(crate) struct Watcher {
    /// Calls that are under way, and whether it was told that they were sent.
    under_way: BTreeMap<usize, bool>,
    next: usize,
}

impl Watcher {
    /// What they have done since it looked last.
    pub(crate) fn asked(&mut self, world: &World<'_>) -> Vec<(Instant, u16, Asked)> {
        let mut asked = Vec::new();
        let calls = world.history().calls();
        let first = self.under_way.keys().next().copied().unwrap_or(self.next);
        for call in &calls[calls.partition_point(|call| call.id.0 < first)..] {
            if call.id.0 >= self.next {
                self.next = call.id.0 + 1;
                asked.push((call.at, call.client, Asked::Invoked(call.operation)));
                self.under_way.insert(call.id.0, false);
            }
            let Some(is_sent) = self.under_way.get_mut(&call.id.0) else {
                continue;
            };
            if let Some((session, sequence)) = call.key.filter(|_| !*is_sent) {
                *is_sent = true;
                asked.push((call.at, call.client, Asked::Sent(session, sequence)));
            }
            let over = match call.returned {
                Some(returned) => Some((returned.at, Asked::Returned(returned.result))),
                None => call.given_up.then_some((call.at, Asked::GaveUp)),
            };
            if let Some((at, over)) = over {
                asked.push((at, call.client, over));
                self.under_way.remove(&call.id.0);
            }
        }
        // Of two clients, who was first is told first.
        asked.sort_by_key(|(at, ..)| *at);
        asked
    }
}
