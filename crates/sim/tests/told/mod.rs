//! What a page would tell of a world: what went into its nodes, and what its clients did.

use raft_core::Instant;
use sim::check::{CallId, History};
use trace::Asked;

/// Tells of a history that grows, each thing once.
#[derive(Debug, Default)]
pub(crate) struct Teller {
    /// The invocation up to which all was told.
    invoked: u64,
    /// Calls whose names and answers were not told yet.
    open: Vec<(CallId, bool)>,
}

impl Teller {
    pub(crate) fn take(&mut self, history: &History) -> Vec<(Instant, u16, Asked)> {
        let calls = history.calls();
        let mut all: Vec<(u64, Instant, u16, Asked)> = Vec::new();
        let known = calls.partition_point(|call| call.invoked <= self.invoked);
        for call in &calls[known..] {
            all.push((call.invoked, call.at, call.client, Asked::Invoked(call.operation)));
            self.open.push((call.id, false));
            self.invoked = call.invoked;
        }
        let mut open = std::mem::take(&mut self.open);
        open.retain_mut(|(id, named)| {
            let Ok(place) = calls.binary_search_by_key(id, |call| call.id) else {
                return false;
            };
            let call = &calls[place];
            if let (false, Some((session, sequence))) = (*named, call.key) {
                *named = true;
                all.push((call.invoked, call.at, call.client, Asked::Sent(session, sequence)));
            }
            if let Some(returned) = call.returned {
                all.push((
                    returned.order,
                    returned.at,
                    call.client,
                    Asked::Returned(returned.result),
                ));
            }
            call.returned.is_none() && !call.given_up
        });
        self.open = open;
        all.sort_by_key(|(order, ..)| *order);
        all.into_iter()
            .map(|(_, at, client, asked)| (at, client, asked))
            .collect()
    }
}
