//! From a rewritten plan to nodes of the circuit.

use std::sync::Arc;

use engine::{Circuit, NodeId};
use tidewater_functions::Session;
use tidewater_query::{Plan, Relation};
use tidewater_types::{Result, SqlError};

/// Nodes by what they compute.
#[derive(Debug, Default)]
pub struct Shared {}

impl Shared {
    /// Forgets nodes.
    pub fn forget(&mut self, _gone: &[NodeId]) {}
}

/// The node of a plan.
///
/// # Errors
/// 0A000.
pub fn lower(
    _plan: &Plan,
    _circuit: &mut Circuit,
    _shared: &mut Shared,
    _node_of: &dyn Fn(&Relation) -> Option<NodeId>,
    _session: &Arc<Session>,
) -> Result<NodeId> {
    Err(SqlError::new(b"0A000", "views are not supported yet"))
}
