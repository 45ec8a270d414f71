//! Columns: every column that a plan makes has a number of its own.
//!
//! Numbers instead of positions: a rewrite moves a node without renumbering what stands above it, and a column that a subquery
//! takes from outside is simply one that nothing inside makes.

use tidewater_types::ColumnType;

/// The number of a column, unique in its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(pub u32);

/// What is known of a column wherever it appears. Whether it may be NULL depends on the place
/// ([`Rel::not_null`](super::Rel::not_null)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// As a client sees it; several columns may have the same.
    pub name: String,
    /// Its type.
    pub ty: ColumnType,
}

/// All columns of a plan, by [`Id`].
#[derive(Debug, Clone, Default)]
pub struct Columns(Vec<Column>);

impl Columns {
    /// A new column.
    pub fn add(&mut self, name: impl Into<String>, ty: impl Into<ColumnType>) -> Id {
        self.0.push(Column { name: name.into(), ty: ty.into() });
        Id((self.0.len() - 1) as u32)
    }

    /// A new column that is like `id`.
    pub fn copy(&mut self, id: Id) -> Id {
        let column = self[id].clone();
        self.0.push(column);
        Id((self.0.len() - 1) as u32)
    }

    /// Its type.
    pub fn ty(&self, id: Id) -> &ColumnType {
        &self[id].ty
    }
}

impl std::ops::Index<Id> for Columns {
    type Output = Column;

    fn index(&self, id: Id) -> &Column {
        &self.0[id.0 as usize]
    }
}
