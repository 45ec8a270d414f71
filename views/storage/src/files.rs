//! The few things that are asked of a file system. What was written is durable after [`Writing::sync`], a name after [`Files::sync`].

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

/// A flat folder.
pub trait Files: Send + Sync + Debug {
    /// The names of all files.
    ///
    /// # Errors
    /// What the system says; so everywhere here.
    fn names(&self) -> io::Result<Vec<String>>;
    /// Opens a file to read. What was opened stays readable when the file is removed. `None` if there is none.
    ///
    /// # Errors
    /// See [`Files::names`].
    fn reading(&self, name: &str) -> io::Result<Option<Box<dyn Reading>>>;
    /// Makes an empty file; one of this name goes.
    ///
    /// # Errors
    /// See [`Files::names`].
    fn create(&self, name: &str) -> io::Result<Box<dyn Writing>>;
    /// Opens a file that is there to write on.
    ///
    /// # Errors
    /// See [`Files::names`].
    fn writing(&self, name: &str) -> io::Result<Box<dyn Writing>>;
    /// Gives a file another name, of which there may be one already, at once.
    ///
    /// # Errors
    /// See [`Files::names`].
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// See [`Files::names`].
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes names durable: of files that were made, renamed and removed.
    ///
    /// # Errors
    /// See [`Files::names`].
    fn sync(&self) -> io::Result<()>;
}

/// A file that is read.
pub trait Reading: Send + Sync + Debug {
    /// Reads from a place on; fewer bytes only at the file's end.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize>;
}

/// A file that is written.
pub trait Writing: Send + Debug {
    /// Writes at a place, over what is there.
    ///
    /// # Errors
    /// What the system says; a part may have been written.
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// Cuts off what lies behind `length`.
    ///
    /// # Errors
    /// What the system says.
    fn cut(&mut self, length: u64) -> io::Result<()>;
    /// Makes everything durable that was written and cut.
    ///
    /// # Errors
    /// What the system says; nothing is known then of what is durable.
    fn sync(&mut self) -> io::Result<()>;
}

/// A folder of the machine. Its files are for their owner only: definitions hold secrets.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder at `path`, which is there.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Folder { path: path.into() }
    }
}

impl Files for Folder {
    fn names(&self) -> io::Result<Vec<String>> {
        let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
        fs::read_dir(&self.path)?.map(name).collect()
    }

    fn reading(&self, name: &str) -> io::Result<Option<Box<dyn Reading>>> {
        match File::open(self.path.join(name)) {
            Ok(file) => Ok(Some(Box::new(file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Writing>> {
        let options = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(self.path.join(name));
        Ok(Box::new(options?))
    }

    fn writing(&self, name: &str) -> io::Result<Box<dyn Writing>> {
        Ok(Box::new(OpenOptions::new().write(true).open(self.path.join(name))?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

impl Reading for File {
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut read = 0;
        while read < into.len() {
            match FileExt::read_at(self, &mut into[read..], at + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }
}

impl Writing for File {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}
