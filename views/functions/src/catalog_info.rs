//! What functions may ask of the catalog: definitions as text, visibility, names. Names of oids, and oids of names, are
//! [`Names`](tidewater_types::Names).

use tidewater_types::Type;

use crate::function::Function;

/// The catalog at one moment, as one session sees it.
pub trait CatalogInfo: Send + Sync {
    /// Whether there is an object of this kind (`regclass`, `regtype`, `regproc`, `regnamespace`, `regrole` …) with this oid.
    fn exists(&self, kind: &Type, oid: u32) -> bool;

    /// Whether its name alone finds it: its schema is in the search path, and no earlier one has the name. `None` if it does not exist.
    fn is_visible(&self, kind: &Type, oid: u32) -> Option<bool>;

    /// A view's query.
    fn view_query(&self, relation: u32) -> Option<String>;

    /// The statement that would make an index; with a number from 1, what that column is of. For people, names have no schema where
    /// they need none.
    fn index_definition(&self, index: u32, column: u32, for_people: bool) -> Option<String>;

    /// A constraint as CREATE TABLE has it. For people, a condition has no more parentheses than it needs.
    fn constraint_definition(&self, constraint: u32, for_people: bool) -> Option<String>;

    /// The function of this oid.
    fn function(&self, oid: u32) -> Option<&'static Function>;

    /// The comment of an object of a catalog (`pg_class`; empty for whichever has it), or of a relation's column.
    fn comment(&self, catalog: &str, oid: u32, column: i32) -> Option<String>;

    /// A schema's number.
    fn schema(&self, name: &str) -> Option<u32>;

    /// A schema's name.
    fn schema_name(&self, oid: u32) -> Option<String>;

    /// A role's name.
    fn role(&self, oid: u32) -> Option<String>;

    /// The number from 1 of a relation's column.
    fn column(&self, relation: u32, name: &str) -> Option<u32>;

    /// The sequence that belongs to a relation's column, with its schema, in quotes where it needs them.
    fn serial_sequence(&self, relation: u32, column: &str) -> Option<String>;

    /// Whether INSERT, UPDATE and DELETE change the relation.
    fn is_updatable(&self, relation: u32) -> bool;
}

impl std::fmt::Debug for dyn CatalogInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CatalogInfo")
    }
}
