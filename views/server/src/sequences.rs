//! Numbers of sequences, as a session's functions take them. What is written of a sequence lies ahead of what is given away
//! ([`tidewater_sql::Sequence`]); the loop writes it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use parking_lot::Mutex;
use tidewater_sql::{Error, Mark, Result};

use crate::coordinator::{Loop, Request, stopping};
use crate::handle::Handle;

/// What is to be written of a sequence.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Keeping {
    /// A block of numbers.
    Block,
    /// Where it goes on; `None` where it began.
    At(Option<Mark>),
}

/// The sequences as a session uses them; see [`tidewater_functions::Actions`].
pub(crate) struct Sequences {
    handle: Handle,
    /// Whether the statement may change nothing.
    pub(crate) read_only: AtomicBool,
    own: Mutex<Own>,
}

#[derive(Default)]
struct Own {
    values: HashMap<u32, i64>,
    last: Option<u32>,
}

impl Sequences {
    pub(crate) fn new(handle: Handle) -> Self {
        Sequences { handle, read_only: AtomicBool::new(false), own: Mutex::default() }
    }

    fn writable(&self, function: &str) -> Result<()> {
        match self.read_only.load(Ordering::Relaxed) {
            true => Err(Error::new(b"25006", format!("cannot execute {function}() in a read-only transaction"))),
            false => Ok(()),
        }
    }

    fn keep(&self, oid: u32, keeping: Keeping) -> Result<()> {
        let (answer, answered) = mpsc::sync_channel(1);
        // Functions run on threads that may wait.
        self.handle.requests.blocking_send(Request::Keep { oid, keeping, answer }).map_err(|_| stopping())?;
        answered.recv().map_err(|_| stopping())?
    }
}

impl Sequences {
    pub(crate) fn next_value(&self, oid: u32) -> Result<i64> {
        self.writable("nextval")?;
        let value = loop {
            let sequence = self.handle.database.read().sequence(oid)?.clone();
            match sequence.next()? {
                Some(value) => break value,
                // Others may take all of a block before it is seen here.
                None => self.keep(oid, Keeping::Block)?,
            }
        };
        let mut own = self.own.lock();
        own.values.insert(oid, value);
        own.last = Some(oid);
        Ok(value)
    }

    pub(crate) fn own_value(&self, oid: u32) -> Result<i64> {
        let sequence = self.handle.database.read().sequence(oid)?.clone();
        self.own.lock().values.get(&oid).copied().ok_or_else(|| {
            let message = format!("currval of sequence \"{}\" is not yet defined in this session", sequence.name());
            Error::new(b"55000", message)
        })
    }

    pub(crate) fn last_value(&self) -> Result<i64> {
        let own = self.own.lock();
        let last = own.last.and_then(|oid| own.values.get(&oid)).copied();
        last.ok_or_else(|| Error::new(b"55000", "lastval is not yet defined in this session"))
    }

    pub(crate) fn set_value(&self, oid: u32, value: i64, called: bool) -> Result<()> {
        self.writable("setval")?;
        self.handle.database.read().sequence(oid)?.contains(value)?;
        self.keep(oid, Keeping::At(Some(Mark { value, called })))?;
        if called {
            self.own.lock().values.insert(oid, value);
        }
        Ok(())
    }

    pub(crate) fn value_of(&self, oid: u32) -> Result<Option<i64>> {
        Ok(self.handle.database.read().sequence(oid)?.last())
    }
}

impl Loop {
    /// Writes what is to be kept of a sequence, and lets numbers go then.
    pub(crate) fn keep_sequence(&mut self, oid: u32, keeping: Keeping) -> Result<()> {
        let sequence = self.database.read().sequence(oid)?.clone();
        self.durable.reserve("", 0)?;
        match keeping {
            Keeping::Block => {
                let count = sequence.begin_block();
                self.write_catalog()?;
                sequence.end_block(count);
            }
            Keeping::At(mark) => {
                let (before, mark) = (sequence.kept(), mark.unwrap_or_else(|| sequence.beginning()));
                sequence.begin_set(mark);
                self.write_catalog().inspect_err(|_| sequence.begin_set(before))?;
                sequence.set(mark);
            }
        }
        Ok(())
    }
}
