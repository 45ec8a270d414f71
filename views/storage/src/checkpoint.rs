//! Checkpoints: written beside, and the newest one from the moment that the manifest says so.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::files::{Files, Writing};
use crate::frame;
use crate::manifest::Manifest;
use crate::names;
use crate::record::Batch;

/// What lies in memory before it is written.
const BUFFER: usize = 1 << 20;

/// Writes checkpoints, one at a time.
#[derive(Debug)]
pub struct Checkpoints {
    files: Arc<dyn Files>,
    manifest: Manifest,
}

/// A checkpoint that is being written.
#[derive(Debug)]
pub struct Writer<'a> {
    checkpoints: &'a mut Checkpoints,
    number: u64,
    name: String,
    file: Box<dyn Writing>,
    buffer: Vec<u8>,
    at: u64,
    next: u64,
    whole: bool,
}

impl Checkpoints {
    pub(crate) fn new(files: &Arc<dyn Files>, manifest: Manifest) -> Self {
        Checkpoints { files: files.clone(), manifest }
    }

    /// The first checkpoint of an empty folder, made of these records.
    pub(crate) fn first(files: &Arc<dyn Files>, batch: Batch) -> Result<Self> {
        let mut checkpoints = Checkpoints::new(files, Manifest { checkpoint: 0, previous: None });
        let mut writer = checkpoints.begin(1)?;
        writer.add(batch)?;
        writer.finish()?;
        Ok(checkpoints)
    }

    /// The number of the newest whole checkpoint.
    pub fn newest(&self) -> u64 {
        self.manifest.checkpoint
    }

    /// Begins the checkpoint of what all logs before the one of this number hold.
    ///
    /// # Errors
    /// What the system says.
    pub fn begin(&mut self, number: u64) -> Result<Writer<'_>> {
        let name = names::checkpoint(number);
        let file = self.files.create(&name).map_err(Error::io("create", &name))?;
        let mut writer =
            Writer { checkpoints: self, number, name, file, buffer: Vec::new(), at: 0, next: 0, whole: false };
        writer.add(Batch::header(number))?;
        Ok(writer)
    }

    /// Removes what no start reads any more.
    fn remove_old(&self) -> Result<()> {
        let oldest = self.manifest.previous.unwrap_or(self.manifest.checkpoint);
        for name in self.files.names().map_err(Error::io("list", "."))? {
            let number = names::number(&name, "checkpoint").or_else(|| names::number(&name, "log"));
            if number.is_some_and(|number| number < oldest) {
                self.files.remove(&name).map_err(Error::io("remove", &name))?;
            }
        }
        Ok(())
    }
}

impl Writer<'_> {
    /// Adds records. Rows of one table should be in batches of some hundred kilobytes.
    ///
    /// # Errors
    /// What the system says.
    pub fn add(&mut self, batch: Batch) -> Result<()> {
        frame::write(self.next, &batch.finish(), &mut self.buffer)?;
        self.next += 1;
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.file.write_at(self.at, &self.buffer).map_err(Error::io("write", &self.name))?;
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Makes it whole and the newest one; gives its bytes.
    ///
    /// # Errors
    /// What the system says: the one before is the newest then.
    pub fn finish(mut self) -> Result<u64> {
        self.add(Batch::end())?;
        self.flush()?;
        self.file.sync().map_err(Error::io("write", &self.name))?;
        let (checkpoints, number) = (&mut *self.checkpoints, self.number);
        checkpoints.files.sync().map_err(Error::io("create", &self.name))?;
        let before = checkpoints.manifest.checkpoint;
        let manifest = Manifest { checkpoint: number, previous: (before > 0).then_some(before) };
        // The first log is there before anything says that it must be.
        if before > 0 {
            manifest.write(&*checkpoints.files)?;
        }
        checkpoints.manifest = manifest;
        self.whole = true;
        // What stays takes room and does no harm; the next checkpoint removes it.
        let _ = checkpoints.remove_old();
        Ok(self.at)
    }
}

impl Drop for Writer<'_> {
    /// Gives back the room of one that has not become whole.
    fn drop(&mut self) {
        if !self.whole {
            // It is written over by the next one of its number, and nobody reads it before.
            let _ = self.checkpoints.files.remove(&self.name);
        }
    }
}
