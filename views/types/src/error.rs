//! Why a statement or an expression has no answer, in PostgreSQL's words.

/// An error as a client reads it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
#[error("{message}")]
pub struct SqlError {
    /// SQLSTATE, e.g. `22012` for division by zero
    /// (<https://www.postgresql.org/docs/15/errcodes-appendix.html>).
    pub sqlstate: [u8; 5],
    /// The message: lower case, no full stop.
    pub message: String,
    /// More of it, where one line does not do.
    pub detail: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Where in the statement's text, in characters from 1.
    pub position: Option<u32>,
    /// Of a constraint that was violated: what it is of.
    pub named: Option<Box<Named>>,
}

/// What an error is about, by name, for clients that tell constraints apart. Empty where there is nothing of the kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Named {
    /// Schema of the table.
    pub schema: String,
    /// Table.
    pub table: String,
    /// Column, of NOT NULL.
    pub column: String,
    /// Constraint, of others.
    pub constraint: String,
}

/// A result whose error is a client's.
pub type Result<T, E = SqlError> = std::result::Result<T, E>;

impl SqlError {
    /// An error that has this SQLSTATE.
    pub fn new(sqlstate: &[u8; 5], message: impl Into<String>) -> Self {
        let (detail, hint, position, named) = (None, None, None, None);
        SqlError { sqlstate: *sqlstate, message: message.into(), detail, hint, position, named }
    }

    /// The SQLSTATE as text.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.sqlstate).unwrap_or("XX000")
    }

    /// The same error, with a detail.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The same error, with a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error, of this constraint.
    pub fn constraint(mut self, name: &str) -> Self {
        name.clone_into(&mut self.named.get_or_insert_default().constraint);
        self
    }

    /// The same error, of this column.
    pub fn column(mut self, name: &str) -> Self {
        name.clone_into(&mut self.named.get_or_insert_default().column);
        self
    }

    /// The same error, of this table, if it is of a column or constraint.
    pub fn of_table(mut self, schema: &str, table: &str) -> Self {
        if let Some(named) = &mut self.named {
            schema.clone_into(&mut named.schema);
            table.clone_into(&mut named.table);
        }
        self
    }

    /// The same error, at a position of the statement's text if it has none yet.
    pub fn at(mut self, position: u32) -> Self {
        self.position.get_or_insert(position);
        self
    }
}
