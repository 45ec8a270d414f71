//! What can be wrong between a topic and a row.

/// This crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error as a user reads it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Bytes that are not what their schema or format says.
    #[error("{0}")]
    Decode(String),
    /// A schema that does not fit the table, or that is not there.
    #[error("{0}")]
    Schema(String),
    /// The registry does not answer; asking again may help.
    #[error("the schema registry {url} does not answer: {reason}")]
    RegistryUnreachable {
        /// Its URL.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// Kafka does not answer or refuses.
    #[error("Kafka at {brokers}: {reason}")]
    Kafka {
        /// The bootstrap brokers.
        brokers: String,
        /// What went wrong.
        reason: String,
    },
}

impl Error {
    /// A [`Error::Decode`] of this text.
    pub fn decode(text: impl Into<String>) -> Self {
        Error::Decode(text.into())
    }
    /// The same error with the place where it happened, unless it names a column, which says more.
    #[cold]
    pub(crate) fn at(self, place: impl std::fmt::Display) -> Self {
        match self {
            Error::Decode(text) if !text.starts_with("column ") => Error::Decode(format!("{place}: {text}")),
            other => other,
        }
    }
}
