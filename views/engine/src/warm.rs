//! Brings what is needed next into the processor's cache, for many rows at once.
//!
//! A probe waits for memory two or three times, one after another; probes of different rows wait for nothing of each other. So before
//! a batch is worked on in order, its probes are made once for nothing: first all buckets, then all rows that they lead to. The
//! processor makes many of these loads at the same time. No answer depends on any of it.

use std::hint::black_box;

use smallvec::SmallVec;
use tidewater_delta::RowRef;

use crate::arena::{Arena, RowId};
use crate::index::Index;

/// Rows looked up ahead: enough to overlap their loads, few enough that all stay in the nearest cache until they are used.
pub(crate) const BATCH: usize = 32;

/// Whether so few rows wait for memory long enough to be looked up twice.
pub(crate) fn is_worth_it(rows: usize) -> bool {
    rows >= 4
}

/// Values of one batch.
pub(crate) type Batch<T> = SmallVec<[T; BATCH]>;

/// Loads the bucket of each hash and the first row that it leads to; gives those rows' ids, `None` where there is none.
pub(crate) fn warm(index: &Index, arena: &Arena, hashes: impl Iterator<Item = Option<u32>>) -> Batch<Option<RowId>> {
    let postings: Batch<_> = hashes.map(|hash| hash.and_then(|hash| index.likely(hash))).collect();
    let ids: Batch<_> = postings.into_iter().map(|posting| posting.map(|posting| index.sample(posting))).collect();
    ids.iter().flatten().for_each(|id| _ = black_box(arena.weight(*id)));
    ids
}

/// [`warm`] for rows that are indexed or will be.
pub(crate) fn warm_rows<'a>(index: &Index, arena: &Arena, rows: impl Iterator<Item = RowRef<'a>>) {
    warm(index, arena, rows.map(|row| Some(index.hash(row))));
}
