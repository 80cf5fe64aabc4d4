//! Which directions of links are cut, as far as nodes know.

use cluster::node::Node;
use raft_core::NodeId;

/// To whom the direction of the link from member `id` is cut. `runs` gives the nodes that run. Of a member that is down, nobody told its
/// node what became of its links since; those who would hear it know. `last` is what it was when it ran: all that is known of its link to
/// another that is down.
pub fn cut_from<'a>(
    id: NodeId,
    members: impl IntoIterator<Item = NodeId>,
    runs: impl Fn(NodeId) -> Option<&'a Node>,
    last: Option<&Node>,
) -> Vec<NodeId> {
    let is_cut = |peer: &NodeId| match (runs(id), runs(*peer)) {
        (Some(node), _) => node.cut_off().contains(peer),
        (None, Some(peer)) => peer.deaf_to().any(|from| from == id),
        (None, None) => last.is_some_and(|last| last.cut_off().contains(peer)),
    };
    members.into_iter().filter(|peer| *peer != id).filter(is_cut).collect()
}
