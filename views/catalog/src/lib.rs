//! pg_catalog, information_schema, mz_catalog and mz_internal as ordinary relations, which the binder plans like any other.
//!
//! Their shapes are fixed ([`relation`]); their rows are made when they are asked for ([`rows`]), of a [`Catalog`]: a plain description
//! of what exists and of who asks. The same snapshot tells functions and text forms what oids mean ([`tidewater_types::Names`],
//! [`tidewater_functions::CatalogInfo`]). No value of a secret comes in here, so that none can go out.

mod catalog;
mod definition;
mod functions;
mod info;
mod names;
mod object;
mod out;
mod rows;
mod shape;
mod types;

pub use catalog::Catalog;
pub use object::{
    Constraint, ConstraintKind, FIRST_OID, Identity, Index, Kind, Object, On, Schema, SequenceInfo, Snapshot,
};
pub use rows::{estimate, rows};
pub use shape::{FIRST_ID, OLDER, SUBSTITUTES, column_type};

use std::sync::Arc;

use tidewater_functions::Session;
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

/// Schemas whose relations are all of this crate: nothing is made in them, and they cannot be dropped.
pub const SCHEMAS: [&str; 4] = ["information_schema", "mz_catalog", "mz_internal", "pg_catalog"];

/// Whether it is one of [`SCHEMAS`].
pub fn has_schema(name: &str) -> bool {
    SCHEMAS.contains(&name)
}

/// The session with the catalog, for functions and text forms.
pub fn informed(session: &Arc<Session>, snapshot: &Arc<Snapshot>) -> Arc<Session> {
    let catalog = Arc::new(Catalog { snapshot: snapshot.clone(), session: session.clone() });
    let mut informed = Session::clone(session);
    informed.settings.names = Some(catalog.clone());
    informed.catalog = Some(catalog);
    Arc::new(informed)
}

impl Catalog {
    /// What exists, as a session sees it.
    pub fn new(snapshot: &Arc<Snapshot>, session: &Arc<Session>) -> Catalog {
        Catalog { snapshot: snapshot.clone(), session: session.clone() }
    }
}
