//! What can be wrong with what users write of this language.

/// This crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the shared language.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Text that names no position.
    #[error(
        "\"{0}\" is no position; positions are GTIDs (3e11fa47-71ca-11e1-9e33-c80aa9429562:42, MariaDB's 0-1-42), places in the \
         binlog (binlog.000003:157) and offsets (topic/0@12)"
    )]
    Position(String),
}
