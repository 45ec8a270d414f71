//! Rows that an operator keeps.

use bumpalo::Bump;
use tidewater_delta::RowRef;
use tidewater_types::Result;

use super::memory::{Account, Held};
use super::node::Batch;

/// Tuples, one after the other, whose bytes lie in an arena.
pub(crate) struct Store<'a> {
    arena: &'a Bump,
    held: Held<'a>,
    pub(crate) rows: Vec<RowRef<'a>>,
    pub(crate) arity: usize,
}

impl<'a> Store<'a> {
    pub(crate) fn new(arena: &'a Bump, account: &'a Account, arity: usize) -> Store<'a> {
        Store { arena, held: Held::new(account), rows: Vec::new(), arity }
    }

    /// Copies a tuple.
    pub(crate) fn push(&mut self, tuple: &[RowRef<'_>]) -> Result<()> {
        for row in tuple {
            let bytes = row.bytes();
            self.held.reserve(bytes.len() + size_of::<RowRef<'_>>())?;
            self.rows.push(RowRef::new(self.arena.alloc_slice_copy(bytes)));
        }
        Ok(())
    }

    /// Keeps a row that stays where it is.
    pub(crate) fn refer(&mut self, row: RowRef<'a>) -> Result<()> {
        self.held.reserve(size_of::<RowRef<'_>>())?;
        self.rows.push(row);
        Ok(())
    }

    /// Copies all tuples of a batch.
    pub(crate) fn extend(&mut self, batch: &Batch<'_>) -> Result<()> {
        batch.tuples().try_for_each(|tuple| self.push(tuple))
    }

    /// Keeps bytes beside the rows.
    pub(crate) fn keep(&self, bytes: &[u8]) -> Result<&'a [u8]> {
        self.held.reserve(bytes.len() + size_of::<&[u8]>())?;
        Ok(self.arena.alloc_slice_copy(bytes))
    }

    /// Reserves memory for what lies elsewhere.
    pub(crate) fn reserve(&self, bytes: usize) -> Result<()> {
        self.held.reserve(bytes)
    }

    /// How many tuples there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len() / self.arity
    }

    /// Tuple `i`.
    pub(crate) fn tuple(&self, i: usize) -> &[RowRef<'a>] {
        &self.rows[i * self.arity..(i + 1) * self.arity]
    }
}
