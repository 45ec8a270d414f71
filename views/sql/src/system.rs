//! The database as the system catalogs tell of it.

use crate::database::Database;

/// What there is at this moment.
pub(crate) fn snapshot(_database: &Database) -> tidewater_catalog::Snapshot {
    tidewater_catalog::Snapshot::default()
}
