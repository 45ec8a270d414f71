//! What exists, as plain data: whoever owns the objects describes them here, anew whenever something is made or dropped.

use std::collections::HashMap;
use std::sync::Arc;

use tidewater_types::Column;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Rows come by INSERT, UPDATE, DELETE.
    Table,
    /// A query with a name.
    View,
    /// A query that is kept fresh.
    MaterializedView,
    /// Rows come from outside.
    Source,
    /// An index of another object.
    Index,
    /// Where sources come from.
    Connection,
    /// A value that nobody sees.
    Secret,
    /// Where rows go to.
    Sink,
    /// Numbers that nobody gets twice.
    Sequence,
    /// A relation that the system keeps about itself and that is no relation of this crate.
    System,
}

/// An object.
#[derive(Debug, Clone)]
pub struct Object {
    /// Its number, from [`FIRST_OID`] on, the same as long as it exists.
    pub oid: u32,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Columns, of a relation.
    pub columns: Arc<[Column]>,
    /// Constraints but NOT NULL, which is the columns'.
    pub constraints: Vec<Constraint>,
    /// DEFAULTs: the column's place, the expression as text.
    pub defaults: Vec<(usize, String)>,
    /// Of an index: what it is of.
    pub index: Option<Index>,
    /// Of a sequence: what it is like.
    pub sequence: Option<SequenceInfo>,
    /// Of a view: its query.
    pub query: String,
    /// The statement that made it, without the values of secrets; a secret's is not shown at all.
    pub statement: String,
    /// Of a source, sink or connection: which kind of it ("kafka").
    pub flavour: String,
    /// Of a sink: its envelope and its format, lower case.
    pub written: Option<[&'static str; 2]>,
    /// Oids of the objects that it is made from.
    pub uses: Vec<u32>,
}

/// The first number of objects that users make, as in PostgreSQL.
pub const FIRST_OID: u32 = 16_384;

/// What an index is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The oid of the relation.
    pub on: u32,
    /// Places of its columns.
    pub columns: Vec<usize>,
    /// Whether it forbids equal keys.
    pub unique: bool,
}

/// A sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequenceInfo {
    /// The number of its type.
    pub ty: u32,
    /// Its first number.
    pub start: i64,
    /// How far it goes at a time.
    pub increment: i64,
    /// Its ends.
    pub min: i64,
    /// See `min`.
    pub max: i64,
    /// Whether it begins again behind them.
    pub cycle: bool,
    /// The relation and the column, by name, that it belongs to.
    pub owner: Option<(u32, String)>,
}

/// Which constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConstraintKind {
    /// PRIMARY KEY.
    PrimaryKey,
    /// UNIQUE.
    Unique,
    /// CHECK.
    Check,
}

/// A constraint of a table.
#[derive(Debug, Clone)]
pub struct Constraint {
    /// Its name.
    pub name: String,
    /// Which.
    pub kind: ConstraintKind,
    /// Places of its columns.
    pub columns: Vec<usize>,
    /// Of a CHECK: the condition as text.
    pub condition: String,
}

impl Object {
    /// An object that has only this; the rest is empty.
    pub fn new(oid: u32, schema: impl Into<String>, name: impl Into<String>, kind: Kind) -> Object {
        Object {
            oid,
            schema: schema.into(),
            name: name.into(),
            kind,
            columns: Arc::from([]),
            constraints: Vec::new(),
            defaults: Vec::new(),
            index: None,
            sequence: None,
            query: String::new(),
            statement: String::new(),
            flavour: String::new(),
            written: None,
            uses: Vec::new(),
        }
    }

    /// Whether it is what PostgreSQL calls a relation.
    pub(crate) fn is_relation(&self) -> bool {
        !matches!(self.kind, Kind::Connection | Kind::Secret | Kind::Sink)
    }

    /// The statement as catalogs show it.
    pub(crate) fn shown_statement(&self) -> Option<&str> {
        let shown = self.kind != Kind::Secret && !self.statement.is_empty();
        shown.then_some(self.statement.as_str())
    }
}

/// A schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// Its number.
    pub oid: u32,
    /// Its name.
    pub name: String,
}

/// All that exists, found by oid and by name.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Name of the role that owns everything.
    pub owner: String,
    all: Vec<Object>,
    schemas: Vec<Schema>,
    by_oid: HashMap<u32, usize>,
    by_name: HashMap<String, Vec<usize>>,
}

impl Snapshot {
    /// These objects, in these schemas: those that users may use, `public` among them, and that of [`Kind::System`].
    pub fn new(owner: impl Into<String>, all: Vec<Object>, schemas: Vec<Schema>) -> Snapshot {
        let by_oid = all.iter().enumerate().map(|(at, object)| (object.oid, at)).collect();
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, object) in all.iter().enumerate() {
            by_name.entry(object.name.clone()).or_default().push(at);
        }
        Snapshot { owner: owner.into(), all, schemas, by_oid, by_name }
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Object> + Clone {
        self.all.iter()
    }

    /// Schemas but this crate's own.
    pub(crate) fn schemas(&self) -> &[Schema] {
        &self.schemas
    }

    /// The one that has this number.
    pub(crate) fn get(&self, oid: u32) -> Option<&Object> {
        self.by_oid.get(&oid).map(|at| &self.all[*at])
    }

    /// Those that have this name, whatever their schema.
    pub(crate) fn named<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Object> + use<'a> {
        self.by_name.get(name).map_or(&[][..], Vec::as_slice).iter().map(|at| &self.all[*at])
    }
}
