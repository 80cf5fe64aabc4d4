//! Which row of the timeline stands where.

use raft_core::NodeId;

/// Where names of rows end and time begins.
pub(super) const LEFT: f64 = 84.0;
/// What is left free on the right.
pub(super) const RIGHT: f64 = 14.0;
/// How many rows client operations are packed into; what finds no place there is counted.
pub(super) const CLIENT_ROWS: usize = 3;
/// How many rows faults are packed into.
pub(super) const FAULT_ROWS: usize = 3;
/// The height of a client's row.
pub(super) const CLIENT_ROW: f64 = 19.0;
/// The height of a fault's row.
pub(super) const FAULT_ROW: f64 = 14.0;

const AXIS: f64 = 22.0;
const TERM: f64 = 22.0;
const LANE: f64 = 25.0;
const HEARTBEATS: f64 = 20.0;

/// The rows, as distances from the top.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// Where the lines of the axis begin.
    pub(super) axis: f64,
    pub(super) term: f64,
    pub(super) clients: f64,
    pub(super) heartbeats: f64,
    pub(super) faults: f64,
    pub(super) height: f64,
    members: Vec<NodeId>,
    first_lane: f64,
}

impl Layout {
    /// Rows for these members.
    pub(super) fn new(members: Vec<NodeId>) -> Layout {
        let term = AXIS + 4.0;
        let clients = term + TERM;
        let lanes = clients + CLIENT_ROWS as f64 * CLIENT_ROW + 4.0;
        let heartbeats = lanes + members.len() as f64 * LANE + 6.0;
        let faults = heartbeats + HEARTBEATS;
        let height = faults + FAULT_ROWS as f64 * FAULT_ROW + 8.0;
        Layout {
            axis: AXIS,
            term,
            clients,
            heartbeats,
            faults,
            height,
            members,
            first_lane: lanes + LANE / 2.0,
        }
    }

    /// The members, from the top.
    pub(super) fn members(&self) -> &[NodeId] {
        &self.members
    }

    /// The node whose lane is at this height.
    pub(super) fn node_at(&self, y: f64) -> Option<NodeId> {
        self.members
            .iter()
            .copied()
            .find(|&node| (self.lane(node) - y).abs() <= LANE / 2.0)
    }

    /// The middle of a node's lane.
    pub(super) fn lane(&self, node: NodeId) -> f64 {
        let row = self.members.iter().position(|&member| member == node).unwrap_or(0);
        self.first_lane + row as f64 * LANE
    }
}
