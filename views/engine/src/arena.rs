//! Rows of one arrangement, each stored once and named by a [`RowId`].
//!
//! Rows lie in chunks of [`CHUNK_BYTES`]; a row id is the row's place, so finding a row is two loads. Before each row stand
//! its length, whether the running tick touched it, and its weight. Places have few different sizes ([`Size`]), so that the place of a row
//! that goes fits others, also where rows grow; chunks without rows are given back. Chunks are shared with snapshots and
//! copied on the first write after one was taken: readers never wait for a tick and a tick never waits for readers.

use std::hint::black_box;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use tidewater_delta::{RowRef, Weight};

use crate::image::{Image, NoImage};

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
/// With the counts before it, it fills one of the sizes that allocators have: 56 KiB.
const CHUNK_BYTES: usize = (56 << 10) - 16;
const UNITS_BITS: u32 = 13;
/// The top bit is free for indexes to mark a list of ids.
const CHUNKS_MAX: usize = 1 << (31 - UNITS_BITS);
const HEADER: usize = 8;
/// How far ahead of a reader memory is touched: some rows.
const AHEAD_BYTES: usize = 1024;
/// So few chunks without rows are not worth looking for their places.
const EMPTIED_MIN: usize = 16;

/// Of a row's first word: the running tick touched it.
const TOUCHED: u32 = 1 << 31;

/// In place of a weight that 32 bits do not hold; it stands in [`Heavy`].
const HEAVY: i32 = i32::MIN;

/// A row is shorter than this: a value may have as many bytes, and more than that no client takes.
pub(crate) const ROW_BYTES: usize = 1 << 30;

pub(crate) type Chunk = Arc<[u8]>;

/// Weights that 32 bits do not hold.
type Heavy = Arc<FxHashMap<RowId, Weight>>;

/// Why an arrangement cannot take a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// It has no more ids.
    Rows,
    /// The row has [`ROW_BYTES`] or more.
    Row,
    /// It would occur more than 2^63 times.
    Weight,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Arena {
    chunks: Vec<Chunk>,
    /// Rows of each chunk.
    live: Vec<u32>,
    /// Chunk that takes new rows, and its bytes in use.
    current: Option<(usize, usize)>,
    /// Freed places by number of their size.
    free: Vec<Vec<RowId>>,
    /// Numbers of chunks that were given back.
    given_back: Vec<u32>,
    /// Chunks without rows, but for the current one, that were not.
    emptied: usize,
    /// How often a chunk has taken the number of another.
    pub(crate) renumbered: u64,
    heavy: Heavy,
    rows: usize,
    bytes: usize,
    /// Chunks that there may be.
    pub(crate) chunks_max: usize,
    /// A moment is held, whose readers look for ids of later rows too: no chunk takes the number of another.
    pub(crate) is_held: bool,
}

impl Default for Arena {
    fn default() -> Self {
        Arena {
            chunks: Vec::new(),
            live: Vec::new(),
            current: None,
            free: Vec::new(),
            given_back: Vec::new(),
            emptied: 0,
            renumbered: 0,
            heavy: Heavy::default(),
            rows: 0,
            bytes: 0,
            chunks_max: CHUNKS_MAX,
            is_held: false,
        }
    }
}

#[inline]
fn place(id: RowId) -> (usize, usize) {
    ((id.0 >> UNITS_BITS) as usize, (id.0 as usize & ((1 << UNITS_BITS) - 1)) * 8)
}

/// The size of a place: every number of units up to 16, then eight sizes from one power of two to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    units: usize,
    number: usize,
}

impl Size {
    /// The least size for a row of so many bytes.
    #[inline]
    fn of(bytes: usize) -> Size {
        let units = (HEADER + bytes).div_ceil(8);
        if units <= 16 {
            return Size { units, number: units };
        }
        let bits = (units - 1).ilog2() as usize - 3;
        let steps = units.div_ceil(1 << bits);
        Size { units: steps << bits, number: 8 * bits + steps }
    }
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

/// The weight before a row.
#[inline]
fn weight_at(chunk: &[u8], at: usize, id: RowId, heavy: &Heavy) -> Weight {
    match read_u32(chunk, at + 4) as i32 {
        HEAVY => heavy.get(&id).copied().unwrap_or(0),
        weight => Weight::from(weight),
    }
}

/// What is written before the row for a weight.
#[inline]
fn stored(weight: Weight) -> i32 {
    i32::try_from(weight).unwrap_or(HEAVY)
}

impl Arena {
    /// Stores a row with its weight, touched.
    ///
    /// # Errors
    /// If there is no room for it.
    pub(crate) fn insert(&mut self, row: RowRef<'_>, weight: Weight) -> Result<RowId, Limit> {
        let bytes = row.bytes();
        if bytes.len() >= ROW_BYTES {
            return Err(Limit::Row);
        }
        let size = Size::of(bytes.len());
        let id = match self.free.get_mut(size.number).and_then(Vec::pop) {
            Some(id) => {
                self.emptied -= usize::from(self.is_emptied(id.chunk()));
                id
            }
            None => self.allocate(size.units * 8)?,
        };
        self.rows += 1;
        let (chunk, at) = place(id);
        self.live[chunk] += 1;
        let place = &mut Arc::make_mut(&mut self.chunks[chunk])[at..at + HEADER + bytes.len()];
        place[..4].copy_from_slice(&(bytes.len() as u32 | TOUCHED).to_le_bytes());
        place[4..8].copy_from_slice(&stored(weight).to_le_bytes());
        place[HEADER..].copy_from_slice(bytes);
        if stored(weight) == HEAVY {
            Arc::make_mut(&mut self.heavy).insert(id, weight);
        }
        Ok(id)
    }

    fn allocate(&mut self, bytes: usize) -> Result<RowId, Limit> {
        if bytes > CHUNK_BYTES {
            // A row larger than a chunk has a chunk of its own.
            return self.add_chunk(bytes);
        }
        if let Some((chunk, used)) = self.current
            && used + bytes <= CHUNK_BYTES
        {
            self.current = Some((chunk, used + bytes));
            return Ok(RowId((chunk as u32) << UNITS_BITS | (used / 8) as u32));
        }
        let id = self.add_chunk(CHUNK_BYTES)?;
        if let Some((before, _)) = self.current.replace((id.chunk(), bytes)) {
            self.emptied += usize::from(self.is_emptied(before));
        }
        Ok(id)
    }

    fn add_chunk(&mut self, bytes: usize) -> Result<RowId, Limit> {
        let chunk = std::iter::repeat_n(0, bytes).collect();
        let number = match self.given_back.pop_if(|_| !self.is_held) {
            Some(number) => {
                self.chunks[number as usize] = chunk;
                self.renumbered += 1;
                number
            }
            None if self.chunks.len() == self.chunks_max => return Err(Limit::Rows),
            None => {
                self.chunks.push(chunk);
                self.live.push(0);
                self.chunks.len() as u32 - 1
            }
        };
        self.bytes += bytes;
        Ok(RowId(number << UNITS_BITS))
    }

    /// Whether a chunk of many rows has none and takes none but in freed places.
    fn is_emptied(&self, chunk: usize) -> bool {
        self.live[chunk] == 0 && self.chunks[chunk].len() == CHUNK_BYTES && !self.is_current(chunk)
    }

    fn is_current(&self, chunk: usize) -> bool {
        self.current.is_some_and(|(current, _)| current == chunk)
    }

    /// Writes a row over another of the same weight, if the place is of its size; tells whether it is.
    pub(crate) fn overwrite(&mut self, id: RowId, row: RowRef<'_>) -> bool {
        let bytes = row.bytes();
        let fits = bytes.len() < ROW_BYTES && Size::of(bytes.len()) == Size::of(self.row(id).bytes().len());
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
        let (size, chunk) = (Size::of(self.row(id).bytes().len()), id.chunk());
        self.rows -= 1;
        self.live[chunk] -= 1;
        if size.units * 8 > CHUNK_BYTES {
            self.give_back(chunk);
            return;
        }
        if self.free.len() <= size.number {
            self.free.resize_with(size.number + 1, Vec::new);
        }
        self.free[size.number].push(id);
        self.emptied += usize::from(self.is_emptied(chunk));
    }

    fn give_back(&mut self, chunk: usize) {
        self.bytes -= self.chunks[chunk].len();
        self.chunks[chunk] = Chunk::default();
        self.given_back.push(chunk as u32);
    }

    /// Gives chunks without rows back, once they are an eighth of all: their places are looked for in the lists of free ones.
    pub(crate) fn tidy(&mut self) {
        if self.emptied < EMPTIED_MIN || self.emptied * 8 < self.chunks.len() {
            return;
        }
        let mut free = std::mem::take(&mut self.free);
        for places in &mut free {
            places.retain(|id| !self.is_emptied(id.chunk()));
            places.shrink_to(2 * places.len());
        }
        self.free = free;
        for chunk in 0..self.chunks.len() {
            if self.is_emptied(chunk) {
                self.give_back(chunk);
            }
        }
        self.emptied = 0;
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
        weight_at(&self.chunks[chunk], at, id, &self.heavy)
    }

    /// Whether the running tick touched the row.
    #[inline]
    pub(crate) fn is_touched(&self, id: RowId) -> bool {
        let (chunk, at) = place(id);
        read_u32(&self.chunks[chunk], at) & TOUCHED != 0
    }

    /// Adds to a row's weight and touches the row; gives the weight it had if it was not touched yet.
    ///
    /// # Errors
    /// If the weight does not fit 64 bits.
    pub(crate) fn change_weight(&mut self, id: RowId, weight: Weight) -> Result<Option<Weight>, Limit> {
        let (chunk, at) = place(id);
        let header = &mut Arc::make_mut(&mut self.chunks[chunk])[at..at + HEADER];
        let (first, before) = (read_u32(header, 0), weight_at(header, 0, id, &self.heavy));
        let after = before.checked_add(weight).ok_or(Limit::Weight)?;
        header[..4].copy_from_slice(&(first | TOUCHED).to_le_bytes());
        header[4..].copy_from_slice(&stored(after).to_le_bytes());
        if stored(after) == HEAVY {
            Arc::make_mut(&mut self.heavy).insert(id, after);
        } else if stored(before) == HEAVY {
            Arc::make_mut(&mut self.heavy).remove(&id);
        }
        Ok((first & TOUCHED == 0).then_some(before))
    }

    /// Ends the tick for a row; gives its weight.
    pub(crate) fn untouch(&mut self, id: RowId) -> Weight {
        let (chunk, at) = place(id);
        let header = &mut Arc::make_mut(&mut self.chunks[chunk])[at..at + HEADER];
        let first = read_u32(header, 0) & !TOUCHED;
        header[..4].copy_from_slice(&first.to_le_bytes());
        weight_at(header, 0, id, &self.heavy)
    }

    /// The arena that has these chunks. What else it knows is read from them.
    pub(crate) fn restore(
        chunks: Vec<Chunk>,
        current: Option<(usize, usize)>,
        heavy: FxHashMap<RowId, Weight>,
    ) -> Result<Self, NoImage> {
        let fits = |(chunk, used): (usize, usize)| {
            chunks.get(chunk).is_some_and(|chunk| chunk.len() == CHUNK_BYTES) && used <= CHUNK_BYTES && used % 8 == 0
        };
        if chunks.len() > CHUNKS_MAX || !current.is_none_or(fits) {
            return Err(NoImage("it has no such chunk"));
        }
        let mut arena = Arena { live: vec![0; chunks.len()], current, heavy: heavy.into(), ..Arena::default() };
        for (number, chunk) in chunks.iter().enumerate() {
            match chunk.len() {
                0 => arena.given_back.push(number as u32),
                length if length < CHUNK_BYTES => return Err(NoImage("a chunk has no size of a chunk")),
                _ => arena.read_places(number, chunk)?,
            }
            arena.bytes += chunk.len();
        }
        arena.chunks = chunks;
        arena.emptied = (0..arena.chunks.len()).filter(|&chunk| arena.is_emptied(chunk)).count();
        Ok(arena)
    }

    /// Takes note of the rows and of the free places of a chunk.
    fn read_places(&mut self, number: usize, chunk: &[u8]) -> Result<(), NoImage> {
        let end = match self.current {
            Some((current, used)) if current == number => used,
            _ => chunk.len(),
        };
        let mut at = 0;
        while at + HEADER <= end {
            let bytes = length(chunk, at);
            if bytes == 0 {
                break;
            }
            let size = Size::of(bytes);
            if bytes >= ROW_BYTES || at + size.units * 8 > end || (chunk.len() > CHUNK_BYTES && at > 0) {
                return Err(NoImage("a row reaches past its chunk"));
            }
            let id = RowId((number as u32) << UNITS_BITS | (at / 8) as u32);
            match weight_at(chunk, at, id, &self.heavy) {
                0 if chunk.len() > CHUNK_BYTES => return Err(NoImage("a large row is gone, and its chunk is there")),
                0 => {
                    if self.free.len() <= size.number {
                        self.free.resize_with(size.number + 1, Vec::new);
                    }
                    self.free[size.number].push(id);
                }
                weight if weight < 0 => return Err(NoImage("a row occurs less than never")),
                _ => {
                    self.live[number] += 1;
                    self.rows += 1;
                }
            }
            at += size.units * 8;
        }
        Ok(())
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
        ids(&self.chunks, self.current, &self.heavy, number).map(|(id, _, weight)| (id, weight))
    }

    /// Up to `limit` rows of one chunk from a place on, with their weights, and the place to go on from: behind the last of them, or the
    /// next chunk's first.
    pub(crate) fn some_ids(&self, from: RowId, limit: usize) -> (Vec<(RowId, Weight)>, RowId) {
        let (number, mut at) = place(from);
        let mut rows = Vec::new();
        while let Some((id, _, weight)) = next(&self.chunks, self.current, &self.heavy, number, &mut at) {
            rows.push((id, weight));
            if rows.len() == limit && at < CHUNK_BYTES {
                return (rows, RowId((number as u32) << UNITS_BITS | (at / 8) as u32));
            }
        }
        (rows, RowId((number as u32 + 1) << UNITS_BITS))
    }

    /// Up to `limit` rows of one chunk, with their weights, and where to go on, if there is another.
    pub(crate) fn some_rows(&self, from: RowsFrom, limit: usize) -> (Vec<(RowId, Weight)>, Option<RowsFrom>) {
        if from.chunk >= self.chunks.len() {
            return (Vec::new(), None);
        }
        let start = RowId((from.chunk as u32) << UNITS_BITS | (from.at / 8) as u32);
        let (rows, next) = self.some_ids(start, limit);
        let (chunk, at) = place(next);
        (rows, (chunk < self.chunks.len()).then_some(RowsFrom { chunk, at }))
    }

    /// Bytes of all chunks.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The rows as they are now, for a reader on any thread.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot { chunks: self.chunks.clone(), current: self.current, heavy: self.heavy.clone(), rows: self.rows }
    }
}

/// The rows of an arrangement at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    chunks: Vec<Chunk>,
    current: Option<(usize, usize)>,
    heavy: Heavy,
    rows: usize,
}

/// Where a reader of a [`Snapshot`] goes on.
#[derive(Debug, Clone, Copy, Default)]
pub struct RowsFrom {
    chunk: usize,
    at: usize,
}

impl Snapshot {
    /// It as bytes.
    pub(crate) fn image(&self) -> Image {
        let current = self.current.map(|(chunk, used)| (chunk as u32, used as u32));
        let mut heavy: Vec<_> = self.heavy.iter().map(|(id, weight)| (id.0, *weight)).collect();
        heavy.sort_unstable();
        Image { chunks: self.chunks.clone(), current, heavy }
    }

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
            // Where a row begins its length tells the next one's place, so that a reader would wait for memory once a row.
            let ahead = self.chunks[from.chunk].get(from.at + AHEAD_BYTES);
            black_box(ahead.copied());
            match next(&self.chunks, self.current, &self.heavy, from.chunk, &mut from.at) {
                Some((_, row, weight)) => return Some((row, weight)),
                None => *from = RowsFrom { chunk: from.chunk + 1, at: 0 },
            }
        }
    }

    /// The row of this id, with its weight, if the snapshot has it.
    pub(crate) fn get(&self, id: RowId) -> Option<(RowRef<'_>, Weight)> {
        let (number, mut at) = place(id);
        let start = at;
        self.chunks.get(number)?;
        // The row at or after a place is the row of that place only if it begins there.
        let (found, row, weight) = next(&self.chunks, self.current, &self.heavy, number, &mut at)?;
        (place(found).1 == start).then_some((row, weight))
    }

    /// Whether the arena is as it was: nothing was written into any chunk since.
    pub(crate) fn is_of(&self, arena: &Arena) -> bool {
        let same = |(then, now): (&Chunk, &Chunk)| Arc::ptr_eq(then, now);
        self.chunks.len() == arena.chunks.len() && self.chunks.iter().zip(&arena.chunks).all(same)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = (RowId, RowRef<'_>, Weight)> {
        (0..self.chunks.len()).flat_map(|number| ids(&self.chunks, self.current, &self.heavy, number))
    }
}

/// The rows of positive weight in chunk `number`, in storage order.
fn ids<'a>(
    chunks: &'a [Chunk],
    current: Option<(usize, usize)>,
    heavy: &'a Heavy,
    number: usize,
) -> impl Iterator<Item = (RowId, RowRef<'a>, Weight)> {
    let mut at = 0;
    std::iter::from_fn(move || next(chunks, current, heavy, number, &mut at))
}

/// The first row of positive weight at or after byte `at` of chunk `number`.
fn next<'a>(
    chunks: &'a [Chunk],
    current: Option<(usize, usize)>,
    heavy: &Heavy,
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
        *at += Size::of(length).units * 8;
        let id = RowId((number as u32) << UNITS_BITS | (start / 8) as u32);
        let weight = weight_at(chunk, start, id, heavy);
        if weight > 0 {
            return Some((id, RowRef::new(&chunk[start + HEADER..start + HEADER + length]), weight));
        }
    }
    None
}

#[cfg(test)]
mod tests;
