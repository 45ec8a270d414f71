//! Rows of one arrangement, each stored once and named by a [`RowId`].
//!
//! Rows lie in chunks of [`CHUNK_BYTES`]; a row id is the row's place, so finding a row is two loads. Before each row stand
//! its length, whether the running tick touched it, and its weight. A freed row keeps its place for the next row of the same size. Chunks are shared with snapshots and
//! copied on the first write after one was taken: readers never wait for a tick and a tick never waits for readers.

use std::sync::Arc;

use tidewater_delta::{RowRef, Weight};

/// Names a row of one arrangement as long as the row lives: chunk number and place in it, in units of 8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RowId(pub(crate) u32);

impl RowId {
    /// Stands for the missing row of a left join, and for a mark that is false.
    pub(crate) const MISSING: RowId = RowId(u32::MAX);
    /// Stands for a mark that is true.
    pub(crate) const TRUE: RowId = RowId(u32::MAX - 1);
    /// Stands for a mark that is unknown.
    pub(crate) const UNKNOWN: RowId = RowId(u32::MAX - 2);
    /// Stands for several rows where one was wanted.
    pub(crate) const SEVERAL: RowId = RowId(u32::MAX - 3);

    /// Whether it names a row.
    #[inline]
    pub(crate) fn is_row(self) -> bool {
        self.0 < RowId::SEVERAL.0
    }

    /// The number of the chunk that the row lies in.
    #[inline]
    pub(crate) fn chunk(self) -> usize {
        (self.0 >> UNITS_BITS) as usize
    }
}

/// Small enough that a write during a snapshot copies little, large enough that a snapshot clones few pointers.
const CHUNK_BYTES: usize = 1 << 16;
const UNITS_BITS: u32 = 13;
/// The top bit is free for indexes to mark a list of ids.
const CHUNKS_MAX: usize = 1 << (31 - UNITS_BITS);
const HEADER: usize = 8;

/// Of a row's first word: the running tick touched it.
const TOUCHED: u32 = 1 << 31;

type Chunk = Arc<[u8]>;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    chunks: Vec<Chunk>,
    /// Chunk that takes new rows, and its bytes in use.
    current: Option<(usize, usize)>,
    /// Freed places by size in units.
    free: Vec<Vec<RowId>>,
    rows: usize,
}

#[inline]
fn place(id: RowId) -> (usize, usize) {
    ((id.0 >> UNITS_BITS) as usize, (id.0 as usize & ((1 << UNITS_BITS) - 1)) * 8)
}

#[inline]
fn units(bytes: usize) -> usize {
    (HEADER + bytes).div_ceil(8)
}

#[inline]
fn read_u32(chunk: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&chunk[at..at + 4]);
    u32::from_le_bytes(word)
}

/// The length in a row's first word.
#[inline]
fn length(chunk: &[u8], at: usize) -> usize {
    (read_u32(chunk, at) & !TOUCHED) as usize
}

#[inline]
fn stored(weight: Weight) -> i32 {
    i32::try_from(weight).expect("a row repeats at most 2^31 times")
}

impl Arena {
    /// Stores a row with its weight, touched.
    ///
    /// # Panics
    /// If the arrangement has no more ids (16 GiB of rows), or see [`Arena::change_weight`].
    pub(crate) fn insert(&mut self, row: RowRef<'_>, weight: Weight) -> RowId {
        let bytes = row.bytes();
        let size = units(bytes.len());
        assert!(bytes.len() < TOUCHED as usize, "a row has less than 2 GiB");
        self.rows += 1;
        let id = match self.free.get_mut(size).and_then(Vec::pop) {
            Some(id) => id,
            None => self.allocate(size),
        };
        let (chunk, at) = place(id);
        let place = &mut Arc::make_mut(&mut self.chunks[chunk])[at..at + HEADER + bytes.len()];
        place[..4].copy_from_slice(&(bytes.len() as u32 | TOUCHED).to_le_bytes());
        place[4..8].copy_from_slice(&stored(weight).to_le_bytes());
        place[HEADER..].copy_from_slice(bytes);
        id
    }

    fn allocate(&mut self, size: usize) -> RowId {
        let bytes = size * 8;
        if bytes > CHUNK_BYTES {
            // A row larger than a chunk has a chunk of its own.
            return self.push_chunk(bytes);
        }
        if let Some((chunk, used)) = self.current
            && used + bytes <= CHUNK_BYTES
        {
            self.current = Some((chunk, used + bytes));
            return RowId((chunk as u32) << UNITS_BITS | (used / 8) as u32);
        }
        let id = self.push_chunk(CHUNK_BYTES);
        self.current = Some((self.chunks.len() - 1, bytes));
        id
    }

    fn push_chunk(&mut self, bytes: usize) -> RowId {
        assert!(self.chunks.len() < CHUNKS_MAX, "an arrangement holds at most 16 GiB of rows");
        self.chunks.push(std::iter::repeat_n(0, bytes).collect());
        RowId(((self.chunks.len() - 1) as u32) << UNITS_BITS)
    }

    /// Writes a row over another of the same weight, if the place is of its size; tells whether it is.
    pub(crate) fn overwrite(&mut self, id: RowId, row: RowRef<'_>) -> bool {
        let bytes = row.bytes();
        let fits = units(bytes.len()) == units(self.row(id).bytes().len()) && bytes.len() < TOUCHED as usize;
        if fits {
            let (chunk, at) = place(id);
            let place = &mut Arc::make_mut(&mut self.chunks[chunk])[at..at + HEADER + bytes.len()];
            let touched = read_u32(place, 0) & TOUCHED;
            place[..4].copy_from_slice(&(bytes.len() as u32 | touched).to_le_bytes());
            place[HEADER..].copy_from_slice(bytes);
        }
        fits
    }

    /// Gives a row's place back; its weight is zero.
    pub(crate) fn remove(&mut self, id: RowId) {
        let size = units(self.row(id).bytes().len());
        self.rows -= 1;
        if self.free.len() <= size {
            self.free.resize_with(size + 1, Vec::new);
        }
        self.free[size].push(id);
    }

    #[inline]
    pub(crate) fn row(&self, id: RowId) -> RowRef<'_> {
        let (chunk, at) = place(id);
        let chunk = &self.chunks[chunk];
        RowRef::new(&chunk[at + HEADER..at + HEADER + length(chunk, at)])
    }

    #[inline]
    pub(crate) fn weight(&self, id: RowId) -> Weight {
        let (chunk, at) = place(id);
        Weight::from(read_u32(&self.chunks[chunk], at + 4) as i32)
    }

    /// Whether the running tick touched the row.
    #[inline]
    pub(crate) fn is_touched(&self, id: RowId) -> bool {
        let (chunk, at) = place(id);
        read_u32(&self.chunks[chunk], at) & TOUCHED != 0
    }

    /// Adds to a row's weight and touches the row; gives the weight it had if it was not touched yet.
    ///
    /// # Panics
    /// If the weight does not fit 32 bits: one row repeated two billion times.
    pub(crate) fn change_weight(&mut self, id: RowId, weight: Weight) -> Option<Weight> {
        let (chunk, at) = place(id);
        let header = &mut Arc::make_mut(&mut self.chunks[chunk])[at..at + HEADER];
        let (first, before) = (read_u32(header, 0), Weight::from(read_u32(header, 4) as i32));
        header[..4].copy_from_slice(&(first | TOUCHED).to_le_bytes());
        header[4..].copy_from_slice(&stored(before + weight).to_le_bytes());
        (first & TOUCHED == 0).then_some(before)
    }

    /// Ends the tick for a row; gives its weight.
    pub(crate) fn untouch(&mut self, id: RowId) -> Weight {
        let (chunk, at) = place(id);
        let header = &mut Arc::make_mut(&mut self.chunks[chunk])[at..at + HEADER];
        let first = read_u32(header, 0) & !TOUCHED;
        header[..4].copy_from_slice(&first.to_le_bytes());
        Weight::from(read_u32(header, 4) as i32)
    }

    /// Rows stored, those of weight zero included.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Number of chunks.
    pub(crate) fn chunks(&self) -> usize {
        self.chunks.len()
    }

    /// The rows of one chunk, with their weights.
    pub(crate) fn chunk_ids(&self, number: usize) -> impl Iterator<Item = (RowId, Weight)> {
        ids(&self.chunks, self.current, number).map(|(id, _, weight)| (id, weight))
    }

    /// Bytes of all chunks.
    pub(crate) fn bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.len()).sum()
    }

    /// The rows as they are now, for a reader on any thread.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot { chunks: self.chunks.clone(), current: self.current, rows: self.rows }
    }
}

/// The rows of an arrangement at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    chunks: Vec<Chunk>,
    current: Option<(usize, usize)>,
    rows: usize,
}

/// Where a reader of a [`Snapshot`] goes on.
#[derive(Debug, Clone, Copy, Default)]
pub struct RowsFrom {
    chunk: usize,
    at: usize,
}

impl Snapshot {
    /// Number of distinct rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The rows in storage order, each with its weight, which is positive.
    pub fn rows(&self) -> impl Iterator<Item = (RowRef<'_>, Weight)> {
        self.ids().map(|(_, row, weight)| (row, weight))
    }

    /// The next row, for readers that cannot keep an iterator.
    pub fn next_row(&self, from: &mut RowsFrom) -> Option<(RowRef<'_>, Weight)> {
        loop {
            if from.chunk >= self.chunks.len() {
                return None;
            }
            match next(&self.chunks, self.current, from.chunk, &mut from.at) {
                Some((_, row, weight)) => return Some((row, weight)),
                None => *from = RowsFrom { chunk: from.chunk + 1, at: 0 },
            }
        }
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = (RowId, RowRef<'_>, Weight)> {
        (0..self.chunks.len()).flat_map(|number| ids(&self.chunks, self.current, number))
    }
}

/// The rows of positive weight in chunk `number`, in storage order.
fn ids(
    chunks: &[Chunk],
    current: Option<(usize, usize)>,
    number: usize,
) -> impl Iterator<Item = (RowId, RowRef<'_>, Weight)> {
    let mut at = 0;
    std::iter::from_fn(move || next(chunks, current, number, &mut at))
}

/// The first row of positive weight at or after byte `at` of chunk `number`.
fn next<'a>(
    chunks: &'a [Chunk],
    current: Option<(usize, usize)>,
    number: usize,
    at: &mut usize,
) -> Option<(RowId, RowRef<'a>, Weight)> {
    let chunk = &chunks[number];
    let end = match current {
        Some((current, used)) if current == number => used,
        _ => chunk.len(),
    };
    while *at + HEADER <= end {
        let start = *at;
        let length = length(chunk, start);
        if length == 0 {
            // The unused end of a chunk that had no room for the next row.
            return None;
        }
        *at += units(length) * 8;
        let weight = read_u32(chunk, start + 4) as i32;
        if weight > 0 {
            let id = RowId((number as u32) << UNITS_BITS | (start / 8) as u32);
            let row = RowRef::new(&chunk[start + HEADER..start + HEADER + length]);
            return Some((id, row, Weight::from(weight)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use tidewater_delta::{RowBuilder, Width};

    use super::*;

    #[test]
    fn a_snapshot_keeps_its_moment_and_places_are_reused() {
        let mut builder = RowBuilder::new(vec![Width::Variable]);
        let mut row = |text: &str| {
            builder.set_tail(0, text.as_bytes());
            builder.take()
        };
        let mut arena = Arena::default();
        let big = "x".repeat(3 * CHUNK_BYTES);
        let ids: Vec<_> = (0..5000)
            .map(|i| if i == 77 { row(&big) } else { row(&format!("row {i:05}")) })
            .map(|row| arena.insert(row.as_ref(), 1))
            .collect();
        let before = arena.snapshot();
        assert_eq!((arena.change_weight(ids[4], -1), arena.untouch(ids[4])), (None, 0), "it was new in this tick");
        arena.remove(ids[4]);
        let again = arena.insert(row("row again").as_ref(), 2);
        assert_eq!(again, ids[4], "a place of the same size is reused");
        assert_eq!(before.rows().count(), 5000);
        assert!(before.rows().all(|(_, weight)| weight == 1));
        assert_eq!(arena.snapshot().rows().map(|(_, weight)| weight).sum::<i64>(), 5001);
        assert_eq!(arena.row(ids[77]).tail(0).len(), big.len());
    }
}
