//! The log that is being written.
//!
//! A write that fails is cut off again, so that the statement fails and nothing of it is there after a restart. Where even that
//! fails nothing is known of what is durable, and the log takes nothing more.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::files::{Files, Writing};
use crate::frame;
use crate::names;
use crate::record::Batch;

/// Zeros written at once.
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

/// See the module.
#[derive(Debug)]
pub struct Log {
    files: Arc<dyn Files>,
    number: u64,
    name: String,
    file: Box<dyn Writing>,
    /// Where the next frame begins.
    end: u64,
    /// The next frame's number.
    next: u64,
    /// Up to where there are bytes that mean nothing: room that was reserved, or what a failed write left.
    dirty: u64,
    stopped: Option<String>,
}

impl Log {
    /// Begins the log of this number, which is empty and durable then.
    pub(crate) fn begin(files: &Arc<dyn Files>, number: u64) -> Result<Self> {
        let name = names::log(number);
        let mut bytes = Vec::new();
        frame::write(0, &Batch::header(number).finish(), &mut bytes)?;
        let mut file = files.create(&name).map_err(Error::io("create", &name))?;
        file.write_at(0, &bytes).map_err(Error::io("write", &name))?;
        file.sync().map_err(Error::io("write", &name))?;
        files.sync().map_err(Error::io("create", &name))?;
        let end = bytes.len() as u64;
        Ok(Log { files: files.clone(), number, name, file, end, next: 1, dirty: end, stopped: None })
    }

    /// Goes on with a log that was read to its end, and cuts off what lies behind.
    pub(crate) fn resume(files: &Arc<dyn Files>, number: u64, end: u64, next: u64) -> Result<Self> {
        let name = names::log(number);
        let mut file = files.writing(&name).map_err(Error::io("open", &name))?;
        file.cut(end).map_err(Error::io("write", &name))?;
        file.sync().map_err(Error::io("write", &name))?;
        Ok(Log { files: files.clone(), number, name, file, end, next, dirty: end, stopped: None })
    }

    /// Bytes of it.
    pub fn bytes(&self) -> u64 {
        self.end
    }

    /// Its number: that of the checkpoint which holds all that is before it.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Makes a batch durable.
    ///
    /// # Errors
    /// If it is not: then nothing of it will be there. [`Error::Stopped`], now and from then on, if not even that is certain.
    pub fn append(&mut self, batch: Batch) -> Result<()> {
        self.usable()?;
        let mut bytes = Vec::new();
        frame::write(self.next, &batch.finish(), &mut bytes)?;
        self.dirty = self.dirty.max(self.end + bytes.len() as u64);
        let written = self.file.write_at(self.end, &bytes).and_then(|()| self.file.sync());
        if let Err(error) = written {
            return Err(self.undo(Error::io("write", &self.name)(error)));
        }
        self.end += bytes.len() as u64;
        self.next += 1;
        Ok(())
    }

    /// Makes sure that a batch of so many bytes has room, before something is done that cannot be undone.
    ///
    /// # Errors
    /// If it has not.
    pub fn reserve(&mut self, bytes: usize) -> Result<()> {
        self.usable()?;
        let until = self.end + (frame::HEAD + bytes) as u64;
        while self.dirty < until {
            let more = ZEROS.len().min((until - self.dirty) as usize);
            let at = self.dirty;
            self.dirty += more as u64;
            if let Err(error) = self.file.write_at(at, &ZEROS[..more]) {
                return Err(self.undo(Error::io("extend", &self.name)(error)));
            }
        }
        Ok(())
    }

    /// Ends this log and goes on with the next one, whose number is given. What is in this one is what its checkpoint must hold.
    ///
    /// # Errors
    /// If the next one cannot be begun; this one goes on then.
    pub fn rotate(&mut self) -> Result<u64> {
        self.usable()?;
        self.cut()?;
        match Log::begin(&self.files, self.number + 1) {
            Ok(next) => *self = next,
            Err(error) => return Err(self.unmake(error)),
        }
        Ok(self.number)
    }

    /// Takes back the next log, which could not be begun: behind it this one must not go on.
    fn unmake(&mut self, error: Error) -> Error {
        let next = names::log(self.number + 1);
        let there = self.files.names().map(|names| names.contains(&next));
        let removed = there.and_then(|there| if there { self.files.remove(&next) } else { Ok(()) });
        match removed.and_then(|()| self.files.sync()) {
            Ok(()) => error,
            Err(again) => self.stop(format!("{error}; {again}")),
        }
    }

    fn usable(&self) -> Result<()> {
        match &self.stopped {
            None => Ok(()),
            Some(why) => Err(Error::Stopped { file: self.name.clone(), why: why.clone() }),
        }
    }

    fn cut(&mut self) -> Result<()> {
        if self.dirty > self.end {
            let cut = self.file.cut(self.end).and_then(|()| self.file.sync());
            cut.map_err(Error::io("write", &self.name))?;
            self.dirty = self.end;
        }
        Ok(())
    }

    /// Takes back what a failed write may have left.
    fn undo(&mut self, error: Error) -> Error {
        match self.cut() {
            Ok(()) => error,
            Err(again) => self.stop(format!("{error}; {again}")),
        }
    }

    fn stop(&mut self, why: String) -> Error {
        self.stopped = Some(why.clone());
        Error::Stopped { file: self.name.clone(), why }
    }
}
