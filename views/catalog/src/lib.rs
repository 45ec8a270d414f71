//! pg_catalog, information_schema, mz_catalog and mz_internal as ordinary relations, which the binder plans like any other.
//!
//! Their shapes are fixed ([`relation`]); their rows are made when they are asked for ([`rows`]), of a [`Snapshot`]: a plain description
//! of what exists and of who asks. The same snapshot tells functions and text forms what oids mean ([`tidewater_types::Names`],
//! [`tidewater_functions::CatalogInfo`]). No value of a secret comes in here, so that none can go out.

mod definition;
mod functions;
mod info;
mod names;
mod object;
mod out;
mod rows;
mod shape;
mod snapshot;
mod types;

pub use object::{Constraint, ConstraintKind, FIRST_OID, Index, Kind, Object, Objects, Schema};
pub use rows::{estimate, rows};
pub use shape::{FIRST_ID, OLDER, SUBSTITUTES, column_type};
pub use snapshot::{Activity, Snapshot};

use std::sync::Arc;

use tidewater_query::Relation;

/// The system relation called `name`; without a schema those of pg_catalog, mz_catalog and mz_internal are meant, in this order.
pub fn relation(schema: Option<&str>, name: &str) -> Option<Arc<Relation>> {
    let in_schema = |schema: &str| shape::shapes().named(name).find(|shape| shape.relation.schema == schema);
    let found = match schema {
        Some(schema) => in_schema(schema),
        None => ["pg_catalog", "mz_catalog", "mz_internal"].into_iter().find_map(in_schema),
    };
    found.map(|shape| shape.relation.clone())
}

/// All system relations.
pub fn relations() -> impl Iterator<Item = &'static Arc<Relation>> {
    shape::shapes().all.iter().map(|shape| &shape.relation)
}

/// Whether a relation's rows are made here.
pub fn is_system(relation: &Relation) -> bool {
    relation.id >= FIRST_ID
}

/// Whether a schema holds relations of this crate only: nothing is made in it, and it cannot be dropped.
pub fn is_system_schema(name: &str) -> bool {
    snapshot::SYSTEM_SCHEMAS.iter().any(|(_, schema)| *schema == name)
}
