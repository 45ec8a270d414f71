//! What keeps state from being written or read back; each names its file.

use std::io;

/// This crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("could not {what} \"{file}\": {source}")]
    Io {
        /// What was to be done: "write", "read".
        what: &'static str,
        /// The file.
        file: String,
        /// What the system says.
        source: io::Error,
    },
    /// Bytes that are not what was written.
    #[error("\"{file}\" is damaged at byte {offset}: {what}")]
    Damaged {
        /// The file.
        file: String,
        /// Where the first damaged frame begins.
        offset: u64,
        /// What is wrong with it.
        what: String,
    },
    /// A file of a later version, or of none.
    #[error("\"{file}\" is of version {found}, and this version reads {known}")]
    Version {
        /// The file.
        file: String,
        /// The version that it says.
        found: u32,
        /// The version that is understood.
        known: u32,
    },
    /// A file that must be there is not.
    #[error("\"{file}\" is missing, although {why}")]
    Missing {
        /// The file.
        file: String,
        /// What tells that it was there.
        why: String,
    },
    /// An earlier write failed and could not be undone.
    #[error("\"{file}\" takes nothing any more, because an earlier write to it failed and could not be undone: {why}")]
    Stopped {
        /// The file.
        file: String,
        /// That failure.
        why: String,
    },
    /// More than a frame holds.
    #[error("{bytes} bytes are more than one change may have")]
    TooLarge {
        /// What it would take.
        bytes: usize,
    },
}

impl Error {
    pub(crate) fn io(what: &'static str, file: &str) -> impl FnOnce(io::Error) -> Error {
        let file = file.to_owned();
        move |source| Error::Io { what, file, source }
    }

    pub(crate) fn damaged(file: &str, offset: u64, what: impl Into<String>) -> Error {
        Error::Damaged { file: file.to_owned(), offset, what: what.into() }
    }

    /// Whether there was no room.
    pub fn is_full(&self) -> bool {
        use io::ErrorKind as K;
        matches!(self, Error::Io { source, .. } if matches!(source.kind(), K::StorageFull | K::QuotaExceeded | K::FileTooLarge))
    }

    /// Whether what is there cannot be trusted, so that an older checkpoint may help.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(self, Error::Damaged { .. } | Error::Missing { .. })
    }
}
