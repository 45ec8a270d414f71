//! What exists, by name.

use std::sync::Arc;

use sqlparser::ast::OnCommit;
use tidewater_delta::TableId;
use tidewater_engine::{IndexId, NodeId};
use tidewater_query::{Relation, View};
use tidewater_types::{Column, TableSchema};

use crate::broken::Broken;
use crate::comment::Comments;
use crate::constraint::Constraints;
use crate::lost_columns::ColumnsRead;
use crate::parse::ast::{Connection, ObjectKind};
use crate::sequence::{Owner, Sequence};
use crate::sink::SinkBody;
use crate::sizes::Sizes;

/// Records that could not be decoded.
pub(crate) const DEAD_LETTERS: &str = "tidewater.dead_letters";
/// How far each timeline has come; its rows are made when they are asked for.
pub(crate) const TIMELINES: &str = "tidewater.timelines";
/// What each source is about.
pub(crate) const SOURCES: &str = "tidewater.sources";

/// Whether a name is of a relation that this system keeps about itself.
pub(crate) fn is_system(name: &str) -> bool {
    [DEAD_LETTERS, SOURCES, TIMELINES].contains(&name)
}

/// What a name stands for.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    /// Number by which catalogs name it.
    pub(crate) oid: u32,
    /// The statement that made it.
    pub(crate) definition: String,
    /// Where names without a schema were looked for in its statement.
    pub(crate) search_path: Vec<String>,
    /// Connections, secrets and sources that its statement names.
    pub(crate) uses: Vec<String>,
    /// What COMMENT ON said of it.
    pub(crate) comments: Comments,
    /// Of a temporary table, what the end of each transaction does to it.
    pub(crate) on_commit: Option<OnCommit>,
    /// What queries name, if it has columns.
    pub(crate) relation: Option<Arc<Relation>>,
    pub(crate) body: Body,
}

/// What an object is.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    Schema,
    Secret(String),
    Connection(Connection),
    /// [`TIMELINES`].
    Timelines,
    /// `CREATE TABLE`: rows come by INSERT, UPDATE, DELETE.
    Table {
        node: NodeId,
        /// What its rows must be like.
        constraints: Arc<Constraints>,
    },
    /// Rows come by commits from outside.
    Source {
        node: NodeId,
        table: TableId,
        /// Its columns and what decoders must know of them.
        schema: TableSchema,
    },
    /// A relation that this system keeps about itself.
    System(NodeId),
    /// What cannot be made at the moment.
    Broken(Broken),
    /// A query, expanded where it is used, and the names it reads.
    View {
        view: Arc<View>,
        reads: Vec<String>,
    },
    /// A query kept fresh, and the names it reads.
    MaterializedView {
        node: NodeId,
        reads: Vec<String>,
        /// What it reads of them, views expanded.
        columns: ColumnsRead,
        /// Rows of relations that it was planned with.
        sizes: Sizes,
    },
    /// Numbers that nobody gets twice.
    Sequence {
        sequence: Arc<Sequence>,
        /// The column whose DEFAULT it is: it goes with the table.
        owner: Option<Owner>,
    },
    /// What is written to Kafka.
    Sink(Box<SinkBody>),
    /// An index of a node, by columns.
    Index {
        on: String,
        index: IndexId,
        columns: Vec<usize>,
    },
}

impl Object {
    pub(crate) fn node(&self) -> Option<NodeId> {
        match &self.body {
            Body::System(node)
            | Body::Table { node, .. }
            | Body::Source { node, .. }
            | Body::MaterializedView { node, .. } => Some(*node),
            _ => None,
        }
    }

    /// The statement that makes it, as users may see it: a secret's value is shown nowhere.
    pub(crate) fn shown_definition(&self, name: &str) -> String {
        match &self.body {
            Body::Secret(_) => format!("CREATE SECRET {name} AS '…'"),
            Body::Broken(broken) if broken.kind == ObjectKind::Secret => format!("CREATE SECRET {name} AS '…'"),
            _ => self.definition.clone(),
        }
    }

    pub(crate) fn kind(&self) -> ObjectKind {
        match &self.body {
            Body::Schema => ObjectKind::Schema,
            Body::Secret(_) => ObjectKind::Secret,
            Body::Connection(_) => ObjectKind::Connection,
            Body::Table { .. } | Body::Timelines | Body::System(_) => ObjectKind::Table,
            Body::Broken(broken) => broken.kind,
            Body::Source { .. } => ObjectKind::Source,
            Body::View { .. } => ObjectKind::View,
            Body::MaterializedView { .. } => ObjectKind::MaterializedView,
            Body::Index { .. } => ObjectKind::Index,
            Body::Sink(_) => ObjectKind::Sink,
            Body::Sequence { .. } => ObjectKind::Sequence,
        }
    }
}

impl ObjectKind {
    /// Its words, as statements name it.
    pub fn words(self) -> &'static str {
        match self {
            ObjectKind::Secret => "SECRET",
            ObjectKind::Connection => "CONNECTION",
            ObjectKind::Source => "SOURCE",
            ObjectKind::Table => "TABLE",
            ObjectKind::View => "VIEW",
            ObjectKind::MaterializedView => "MATERIALIZED VIEW",
            ObjectKind::Index => "INDEX",
            ObjectKind::Sequence => "SEQUENCE",
            ObjectKind::Sink => "SINK",
            ObjectKind::Schema => "SCHEMA",
            ObjectKind::Database => "DATABASE",
            ObjectKind::Cluster => "CLUSTER",
        }
    }
}

/// An object as catalogs show it.
#[derive(Debug, Clone)]
pub struct CatalogObject {
    /// Its number.
    pub oid: u32,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: ObjectKind,
    /// Columns, if it has any.
    pub columns: Option<Vec<Column>>,
    /// The statement that made it.
    pub definition: String,
    /// An index's object.
    pub on: Option<String>,
    /// An index's columns.
    pub index_columns: Vec<usize>,
}
