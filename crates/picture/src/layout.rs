//! Which row of the timeline stands where.

use raft_core::NodeId;

/// Where names of rows end and time begins, in pixels.
pub const LEFT: f64 = 84.0;
/// What is left free on the right.
pub const RIGHT: f64 = 14.0;
/// How many rows client operations are packed into; what finds no place there is counted.
pub(crate) const CLIENT_ROWS: usize = 3;
/// How many rows faults are packed into.
pub(crate) const FAULT_ROWS: usize = 2;
/// The height of a client's row.
pub(crate) const CLIENT_ROW: f64 = 19.0;
/// The height of a fault's row.
pub(crate) const FAULT_ROW: f64 = 14.0;
/// The height of the overview.
pub const OVERVIEW: f64 = 24.0;

const AXIS: f64 = 22.0;
const TERM: f64 = 22.0;
const LANE: f64 = 26.0;
const HEARTBEATS: f64 = 20.0;
const VIOLATIONS: f64 = 16.0;

/// The rows, as distances from the top.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Where the lines of the axis begin.
    pub axis: f64,
    /// The band of terms.
    pub term: f64,
    /// The clients.
    pub clients: f64,
    /// The strip of heartbeats.
    pub heartbeats: f64,
    /// The rail of faults.
    pub faults: f64,
    /// The rail of broken promises.
    pub violations: f64,
    /// All of it.
    pub height: f64,
    members: Vec<NodeId>,
    first_lane: f64,
}

impl Layout {
    /// Rows for these members.
    pub fn new(members: &[NodeId]) -> Layout {
        let axis = OVERVIEW + AXIS;
        let term = axis + 4.0;
        let clients = term + TERM;
        let lanes = clients + CLIENT_ROWS as f64 * CLIENT_ROW + 4.0;
        let heartbeats = lanes + members.len() as f64 * LANE + 6.0;
        let faults = heartbeats + HEARTBEATS;
        let violations = faults + FAULT_ROWS as f64 * FAULT_ROW + 2.0;
        Layout {
            axis,
            term,
            clients,
            heartbeats,
            faults,
            violations,
            height: violations + VIOLATIONS + 4.0,
            members: members.to_vec(),
            first_lane: lanes + LANE / 2.0,
        }
    }

    /// The members, from the top.
    pub fn members(&self) -> &[NodeId] {
        &self.members
    }

    /// The node whose lane is at this height.
    pub fn node_at(&self, y: f64) -> Option<NodeId> {
        let near = |node: &NodeId| (self.lane(*node) - y).abs() <= LANE / 2.0;
        self.members.iter().copied().find(near)
    }

    /// The middle of a node's lane.
    pub fn lane(&self, node: NodeId) -> f64 {
        let row = self.members.iter().position(|&member| member == node).unwrap_or(0);
        self.first_lane + row as f64 * LANE
    }
}
