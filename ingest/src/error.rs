//! What can be wrong between a topic and a row.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::Snapshot;

/// This crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error as a user reads it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
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

    /// The same as an error of a schema.
    pub(crate) fn into_schema(self) -> Self {
        match self {
            Error::Decode(text) => Error::Schema(text),
            other => other,
        }
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

/// A record that is no event, and what could be read of it all the same: which transaction misses it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Undecodable {
    /// Why.
    pub error: Error,
    /// Debezium's id of the transaction that it is of, if the record could be read so far and is of one.
    pub transaction: Option<Arc<str>>,
    /// Its place in a snapshot, if the record could be read so far.
    pub snapshot: Option<Snapshot>,
    /// `database.table`, if the record could be read so far.
    pub collection: Option<Arc<str>>,
}

impl From<Error> for Undecodable {
    fn from(error: Error) -> Self {
        Undecodable { error, transaction: None, snapshot: None, collection: None }
    }
}
