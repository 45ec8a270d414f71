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
}

/// A result whose error is a client's.
pub type Result<T, E = SqlError> = std::result::Result<T, E>;

impl SqlError {
    /// An error that has this SQLSTATE.
    pub fn new(sqlstate: &[u8; 5], message: impl Into<String>) -> Self {
        SqlError { sqlstate: *sqlstate, message: message.into(), detail: None, hint: None, position: None }
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

    /// The same error, at a position of the statement's text if it has none yet.
    pub fn at(mut self, position: u32) -> Self {
        self.position.get_or_insert(position);
        self
    }
}
