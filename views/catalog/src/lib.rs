//! pg_catalog, information_schema, mz_catalog and mz_internal as relations.

use std::ops::ControlFlow;
use std::sync::Arc;

use tidewater_functions::Session;
use tidewater_query::Relation;
use tidewater_query::catalog::Rows;
use tidewater_types::Result;

/// Schemas.
pub const SCHEMAS: [&str; 0] = [];

/// What exists.
#[derive(Debug, Default)]
pub struct Snapshot {}

/// The relation of this name.
pub fn relation(_schema: Option<&str>, _name: &str) -> Option<Arc<Relation>> {
    None
}

/// Whether it is a schema.
pub fn has_schema(_name: &str) -> bool {
    false
}

/// Its rows.
///
/// # Errors
/// What `rows` says.
pub fn rows(_relation: &Relation, _snapshot: &Snapshot, _rows: &mut Rows<'_>) -> Result<ControlFlow<()>> {
    Ok(ControlFlow::Continue(()))
}

/// The session with the catalog.
pub fn informed(session: &Arc<Session>, _snapshot: &Arc<Snapshot>) -> Arc<Session> {
    session.clone()
}
