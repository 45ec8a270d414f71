//! A query's memory: what operators keep is reserved before it is kept.

use std::cell::Cell;

use tidewater_types::{Result, SqlError};

/// How much a query keeps, and may keep.
pub(crate) struct Account {
    used: Cell<usize>,
    limit: usize,
}

impl Account {
    pub(crate) fn new(limit: usize) -> Account {
        Account { used: Cell::new(0), limit }
    }
}

/// What one operator keeps; given back when it is dropped.
pub(crate) struct Held<'a> {
    account: &'a Account,
    bytes: Cell<usize>,
}

impl<'a> Held<'a> {
    pub(crate) fn new(account: &'a Account) -> Held<'a> {
        Held { account, bytes: Cell::new(0) }
    }

    /// Keeps so many bytes more.
    pub(crate) fn reserve(&self, bytes: usize) -> Result<()> {
        let used = self.account.used.get().saturating_add(bytes);
        if used > self.account.limit {
            let detail = format!("The query needs more than {} bytes.", self.account.limit);
            return Err(SqlError::new(b"53200", "out of memory").detail(detail));
        }
        self.account.used.set(used);
        self.bytes.set(self.bytes.get() + bytes);
        Ok(())
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.account.used.set(self.account.used.get() - self.bytes.get());
    }
}
