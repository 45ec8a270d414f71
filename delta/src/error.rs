//! What can be wrong with a row or a schema.

/// This crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the shared language: a type that rows cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An Arrow type that has no packed representation.
    #[error("column \"{column}\" has type {data_type}, which rows cannot hold")]
    UnsupportedType {
        /// Name of the column.
        column: String,
        /// Arrow's name of the type.
        data_type: String,
    },
    /// A key names a column that the schema lacks.
    #[error("key column \"{0}\" is not a column of the table")]
    UnknownKeyColumn(String),
}
