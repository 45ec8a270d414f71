//! PostgreSQL 15 as the judge of tests: started once a test program, asked over its own protocol, gone with the program.
//!
//! For tests only: what goes wrong between the test and the server is a panic with the reason. The client is a hundred lines of
//! its own because no driver gives rows as text together with the columns' type oids, or lets a thousand statements fly at once.

mod connection;
mod server;
pub mod tpch;
mod wire;

pub use connection::{Connection, Description};
pub use server::server;

/// A column of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The oid of its type.
    pub type_oid: u32,
    /// The type's modifier.
    pub modifier: i32,
}

/// What a statement answered. Of several statements in one text, the last's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The columns; none for a statement that gives no rows.
    pub columns: Vec<Column>,
    /// Rows in the server's order, values in text form, `None` for NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

/// Why a statement has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refusal {
    /// SQLSTATE.
    pub sqlstate: String,
    /// The message.
    pub message: String,
    /// Its detail.
    pub detail: Option<String>,
    /// Its hint.
    pub hint: Option<String>,
    /// Where in the statement, in characters from 1.
    pub position: Option<u32>,
}

impl Answer {
    /// The only value, in text form.
    pub fn value(&self) -> Option<&str> {
        match self.rows.as_slice() {
            [row] => row.first()?.as_deref(),
            _ => None,
        }
    }
}
