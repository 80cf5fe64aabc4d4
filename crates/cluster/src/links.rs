//! The directions of the network that lead away from a node.

use std::collections::BTreeMap;

use netem::{Fate, Link, LinkSettings};
use raft_core::{Instant, NodeId};
use serde::{Deserialize, Serialize};

/// One link a peer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Links {
    links: BTreeMap<NodeId, Link>,
}

/// Sets the links' seeds apart from one another and from the core's.
const SEED_STRIDE: u64 = 0x9E37_79B9_7F4A_7C15;

const PERFECT: LinkSettings = LinkSettings {
    delay_us: 0,
    jitter_us: 0,
    loss: 0.0,
    duplicate: 0.0,
    reorder: false,
    cut: false,
};

impl Links {
    /// Links from `id` to every other member. Those without settings are perfect.
    pub(crate) fn new(id: NodeId, members: &[NodeId], settings: &[(NodeId, LinkSettings)], seed: u64) -> Links {
        let peers = members.iter().copied().filter(|member| *member != id);
        let link = |peer: NodeId| {
            let settings = settings
                .iter()
                .rfind(|(to, _)| *to == peer)
                .map_or(PERFECT, |(_, settings)| *settings);
            Link::new(
                settings,
                seed.wrapping_add(SEED_STRIDE.wrapping_mul(u64::from(peer.0) + 1)),
            )
        };
        Links {
            links: peers.map(|peer| (peer, link(peer))).collect(),
        }
    }

    /// Changes how the direction to a member behaves.
    pub(crate) fn set(&mut self, peer: NodeId, settings: LinkSettings) {
        if let Some(link) = self.links.get_mut(&peer) {
            link.set(settings);
        }
    }

    /// How each direction behaves.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (NodeId, LinkSettings)> {
        self.links.iter().map(|(peer, link)| (*peer, link.settings()))
    }

    /// What becomes of a message that is sent now. There is no way to strangers.
    pub(crate) fn send(&mut self, to: NodeId, now: Instant) -> Fate {
        self.links.get_mut(&to).map_or(Fate::Cut, |link| link.send(now.0))
    }
}
