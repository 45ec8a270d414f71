//! What the binder knows of relations, and where the executor finds their rows.

use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast;
use tidewater_delta::RowRef;
use tidewater_types::{Column, ColumnType, Result};

/// Relations by name.
pub trait Catalog {
    /// The relation called `name`, in `schema` or in the first schema of the search path that has it.
    fn relation(&self, schema: Option<&str>, name: &str) -> Option<Arc<Relation>>;

    /// Whether there is a schema of this name.
    fn has_schema(&self, name: &str) -> bool;

    /// The query that `relation` stands for, if it is a view that keeps no rows.
    fn view(&self, _relation: &Relation) -> Option<Arc<View>> {
        None
    }

    /// The type called `name` that is not one of PostgreSQL's own.
    fn custom_type(&self, _schema: Option<&str>, _name: &str) -> Option<ColumnType> {
        None
    }
}

/// A table, view, source or catalog relation.
#[derive(Debug)]
pub struct Relation {
    /// What the executor's [`Source`] knows it by; unique in the catalog.
    pub id: u64,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its columns, in the order of its rows.
    pub columns: Vec<Column>,
    /// Sets of columns that are unique and not NULL; the primary key first.
    pub keys: Vec<Vec<usize>>,
    /// Whether the first key is a PRIMARY KEY, on which columns of a grouped query may depend.
    pub has_primary_key: bool,
}

/// Two are the same if they are the same entry of the catalog.
impl PartialEq for Relation {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Relation {}

impl std::hash::Hash for Relation {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

/// A view's query, which is bound in the place of its name; its output columns are the relation's, in their order.
#[derive(Debug, Clone)]
pub struct View {
    /// The query.
    pub query: Box<ast::Query>,
    /// The text that it stands in.
    pub text: Arc<str>,
}

/// Takes rows of a relation, batch by batch; says whether it wants more.
pub type Rows<'s> = dyn FnMut(&[RowRef<'_>]) -> Result<ControlFlow<()>> + 's;

/// Takes rows that stay where they are, batch by batch; says whether it wants more.
pub type KeptRows<'r, 's> = dyn FnMut(&[RowRef<'r>]) -> Result<ControlFlow<()>> + 's;

/// The rows of relations at one moment.
pub trait Source {
    /// Hands all rows of `relation` to `rows`, until it wants no more.
    ///
    /// # Errors
    /// What `rows` says, and why the relation can't be read.
    fn scan(&self, relation: &Relation, rows: &mut Rows<'_>) -> Result<ControlFlow<()>>;

    /// [`Source::scan`], if the rows stay where they are as long as the source does; `false` if they do not, and none was handed on.
    ///
    /// # Errors
    /// As there.
    fn scan_kept<'r>(&'r self, _relation: &Relation, _rows: &mut KeptRows<'r, '_>) -> Result<bool> {
        Ok(false)
    }

    /// How many rows there are, about.
    fn estimate(&self, _relation: &Relation) -> Option<u64> {
        None
    }

    /// The index by which [`Source::lookup`] finds rows best if these columns are known: its columns, all of them among these.
    fn index(&self, _relation: &Relation, _columns: &[usize]) -> Option<Vec<usize>> {
        None
    }

    /// Hands the rows whose `columns`, those of an index, equal those of one of `keys` (different rows of only those values, none of them
    /// NULL) to `rows`.
    ///
    /// # Errors
    /// What `rows` says, and why the relation can't be read.
    fn lookup(
        &self,
        relation: &Relation,
        _columns: &[usize],
        _keys: &[RowRef<'_>],
        rows: &mut Rows<'_>,
    ) -> Result<ControlFlow<()>> {
        self.scan(relation, rows)
    }
}
