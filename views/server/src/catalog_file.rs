//! The statements that made what exists, in one file, so that a restart makes it again.
//!
//! The file is replaced as a whole: written beside, synced, renamed. Secrets are in it, so only its owner may read it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// See the module.
#[derive(Debug)]
pub(crate) struct CatalogFile {
    folder: PathBuf,
    /// Locked for as long as this server runs: two of them would write over each other's statements.
    _lock: File,
}

impl CatalogFile {
    /// The file in `folder` and the statements it holds; none if there is no file yet.
    pub(crate) fn open(folder: &Path) -> io::Result<(Self, Vec<String>)> {
        fs::create_dir_all(folder)?;
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(folder.join("lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::new(io::ErrorKind::ResourceBusy, "another tidewater uses it"),
            TryLockError::Error(error) => error,
        })?;
        let file = CatalogFile { folder: folder.to_owned(), _lock: lock };
        let statements = match fs::read(file.path()) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                io::Error::new(io::ErrorKind::InvalidData, format!("{} is damaged: {error}", file.path().display()))
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok((file, statements))
    }

    fn path(&self) -> PathBuf {
        self.folder.join("catalog.json")
    }

    /// Replaces the statements.
    pub(crate) fn write(&self, statements: &[String]) -> io::Result<()> {
        let beside = self.folder.join("catalog.json.new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(&serde_json::to_vec_pretty(statements)?)?;
        file.sync_all()?;
        fs::rename(&beside, self.path())?;
        File::open(&self.folder)?.sync_all()
    }
}
