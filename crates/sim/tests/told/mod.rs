//! What a page would tell of a world: what went into its nodes, and what its clients did.

use raft_core::Instant;
use sim::check::History;
use trace::Asked;

/// What clients asked and were answered, in the order in which it happened, as a page tells it.
pub(crate) fn asked(history: &History) -> Vec<(Instant, u16, Asked)> {
    let mut all: Vec<(u64, Instant, u16, Asked)> = Vec::new();
    for call in history.calls() {
        all.push((call.invoked, call.at, call.client, Asked::Invoked(call.operation)));
        if let Some((session, sequence)) = call.key {
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
    }
    // A name comes after its call: the sort keeps the order of what is equal.
    all.sort_by_key(|(order, ..)| *order);
    all.into_iter()
        .map(|(_, at, client, asked)| (at, client, asked))
        .collect()
}
