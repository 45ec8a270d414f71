//! The packed row: one layout from the decoder to the socket.
//!
//! ```text
//! u32 columns | u32 null bits of columns 0..32 | u64 null bits of 32..96 | …   then one 8-byte slot a column, then the tail
//! ```
//! All numbers are little endian. A null column's slot is zero. Tail values follow in column order without gaps, so two rows
//! of one schema hold equal values exactly if their bytes are equal: rows are compared and hashed as bytes.

use std::hash::Hasher;
use std::sync::Arc;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Width;

/// An owned packed row.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Row(Box<[u8]>);

impl Row {
    /// The row, borrowed.
    pub fn as_ref(&self) -> RowRef<'_> {
        RowRef(&self.0)
    }

    /// The packed bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Rows are found in maps by the bytes of a borrowed one.
impl std::borrow::Borrow<[u8]> for Row {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl From<RowRef<'_>> for Row {
    fn from(row: RowRef<'_>) -> Self {
        Row(row.0.into())
    }
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Row({} columns, {} bytes)", self.as_ref().columns(), self.0.len())
    }
}

/// As its bytes, in one go.
impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

/// Bytes that are too short for the columns that they say are refused: reading a column of such a row would panic.
impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Row;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the bytes of a packed row")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Row, E> {
                RowRef::checked(bytes).map(Row::from).ok_or_else(|| E::custom("bytes that are no packed row"))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

/// A borrowed packed row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowRef<'a>(&'a [u8]);

/// Bytes before the slots of a row that has `columns` columns.
#[inline]
const fn header(columns: usize) -> usize {
    if columns <= 32 { 8 } else { 8 + (columns - 32).div_ceil(64) * 8 }
}

#[inline]
fn word(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

impl<'a> RowRef<'a> {
    /// The row that `bytes` hold. They must come from a [`RowBuilder`].
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        RowRef(bytes)
    }

    /// The row that `bytes` hold, if they hold as much as they say. What their tail holds only their columns' types tell.
    pub fn checked(bytes: &'a [u8]) -> Option<Self> {
        let columns = u32::from_le_bytes(bytes.first_chunk().copied()?) as usize;
        let fixed = columns.checked_mul(8)?.checked_add(header(columns))?;
        (bytes.len() >= fixed).then_some(RowRef(bytes))
    }

    /// The packed bytes.
    #[inline]
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// Number of columns.
    #[inline]
    pub fn columns(self) -> usize {
        word(self.0, 0) as u32 as usize
    }

    /// Whether column `i` is NULL.
    #[inline]
    pub fn is_null(self, i: usize) -> bool {
        if i < 32 {
            word(self.0, 0) >> (32 + i) & 1 == 1
        } else {
            word(self.0, 8 + (i - 32) / 64 * 8) >> ((i - 32) % 64) & 1 == 1
        }
    }

    /// The slot of column `i`, as it lies there.
    #[inline]
    pub fn slot(self, i: usize) -> u64 {
        word(self.0, header(self.columns()) + i * 8)
    }

    /// The tail bytes of column `i`, which must be of variable width. Empty where it is NULL.
    #[inline]
    pub fn tail(self, i: usize) -> &'a [u8] {
        let slot = self.slot(i);
        let offset = slot as u32 as usize;
        &self.0[offset..offset + (slot >> 32) as usize]
    }
}

/// A column of a key, with the one fact that comparing and hashing needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyColumn {
    /// Index of the column.
    pub column: usize,
    /// Whether its values lie in the tail ([`Width::is_tail`]).
    pub tail: bool,
}

impl KeyColumn {
    /// The key column `column` of a row whose columns are of `widths`.
    pub fn new(column: usize, widths: &[Width]) -> Self {
        KeyColumn { column, tail: widths[column].is_tail() }
    }
}

/// Hash of bytes: fast, not keyed. Well mixed in the low bits as well as in the high.
#[inline]
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut hasher = rustc_hash::FxHasher::default();
    hasher.write(bytes);
    hasher.finish()
}

/// Hash of a row's key columns, or `None` if one of them is NULL (NULL equals nothing in a join).
#[inline]
pub fn hash_key(row: RowRef<'_>, key: &[KeyColumn]) -> (u64, bool) {
    let mut hasher = rustc_hash::FxHasher::default();
    let mut null = false;
    for part in key {
        null |= row.is_null(part.column);
        if part.tail {
            hasher.write(row.tail(part.column));
        } else {
            hasher.write_u64(row.slot(part.column));
        }
    }
    (hasher.finish(), null)
}

/// Whether two rows hold the same key; NULLs count as the same here (as in GROUP BY).
#[inline]
pub fn same_key(a: RowRef<'_>, a_key: &[KeyColumn], b: RowRef<'_>, b_key: &[KeyColumn]) -> bool {
    a_key.iter().zip(b_key).all(|(x, y)| {
        a.is_null(x.column) == b.is_null(y.column)
            && if x.tail { a.tail(x.column) == b.tail(y.column) } else { a.slot(x.column) == b.slot(y.column) }
    })
}

/// Builds rows of one list of widths, one after another, in one buffer.
///
/// Columns may be set in any order; a column not set is NULL.
#[derive(Debug, Clone)]
pub struct RowBuilder {
    widths: Arc<[Width]>,
    /// Header and slots of a row whose columns are all NULL.
    empty: Box<[u8]>,
    buffer: Vec<u8>,
    last_tail: Option<usize>,
    unordered: bool,
}

impl RowBuilder {
    /// A builder for rows whose columns are of `widths`.
    pub fn new(widths: impl Into<Arc<[Width]>>) -> Self {
        let widths = widths.into();
        let columns = widths.len();
        let mut buffer = vec![0; header(columns) + columns * 8];
        buffer[..4].copy_from_slice(&(columns as u32).to_le_bytes());
        let mut builder = RowBuilder { widths, empty: Box::default(), buffer, last_tail: None, unordered: false };
        for i in 0..columns {
            builder.set_null_bit(i, true);
        }
        builder.empty = builder.buffer.as_slice().into();
        builder
    }

    /// The widths of the columns.
    pub fn widths(&self) -> &Arc<[Width]> {
        &self.widths
    }

    /// Starts the next row: all columns NULL.
    #[inline]
    pub fn reset(&mut self) {
        self.buffer.clear();
        self.buffer.extend_from_slice(&self.empty);
        self.last_tail = None;
        self.unordered = false;
    }

    #[inline]
    fn set_null_bit(&mut self, i: usize, null: bool) {
        let (byte, bit) = if i < 32 { (4 + i / 8, i % 8) } else { (8 + (i - 32) / 8, (i - 32) % 8) };
        if null {
            self.buffer[byte] |= 1 << bit;
        } else {
            self.buffer[byte] &= !(1 << bit);
        }
    }

    /// Sets the slot of a column of fixed width.
    #[inline]
    pub fn set_slot(&mut self, i: usize, value: u64) {
        self.set_null_bit(i, false);
        let at = header(self.widths.len()) + i * 8;
        self.buffer[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }

    /// Sets the bytes of a column of variable width.
    #[inline]
    pub fn set_tail(&mut self, i: usize, bytes: &[u8]) {
        let start = self.begin_tail();
        self.buffer.extend_from_slice(bytes);
        self.end_tail(i, start);
    }

    /// Where the next tail value begins; [`RowBuilder::tail_buffer`] takes its bytes, [`RowBuilder::end_tail`] ends it.
    #[inline]
    pub fn begin_tail(&mut self) -> usize {
        self.buffer.len()
    }

    /// The buffer that grows by a tail value's bytes between `begin_tail` and `end_tail`. Append only.
    #[inline]
    pub fn tail_buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Makes the bytes appended since `start` the value of column `i`.
    #[inline]
    pub fn end_tail(&mut self, i: usize, start: usize) {
        let length = self.buffer.len() - start;
        self.unordered |= self.last_tail.is_some_and(|last| last >= i);
        self.last_tail = Some(i);
        self.set_slot(i, start as u64 | (length as u64) << 32);
    }

    /// Makes column `i` NULL. Not after a value of variable width was set there: that is [`RowBuilder::unset`].
    #[inline]
    pub fn set_null(&mut self, i: usize) {
        self.set_slot(i, 0);
        self.set_null_bit(i, true);
    }

    /// Makes column `i` NULL, whatever was begun there.
    pub fn unset(&mut self, i: usize) {
        self.set_null(i);
        // Bytes that no column owns any more may lie in the tail.
        self.unordered = true;
    }

    /// Sets column `i` to what column `from` of `row` holds; both are of one type.
    #[inline]
    pub fn copy(&mut self, i: usize, row: RowRef<'_>, from: usize) {
        if row.is_null(from) {
            self.set_null(i);
        } else if self.widths[i].is_tail() {
            self.set_tail(i, row.tail(from));
        } else {
            self.set_slot(i, row.slot(from));
        }
    }

    /// The row as built so far; the next row starts with [`RowBuilder::reset`].
    pub fn finish(&mut self) -> RowRef<'_> {
        if self.unordered {
            self.order_tail();
        }
        RowRef(&self.buffer)
    }

    /// [`RowBuilder::finish`] as an owned row, and reset for the next.
    pub fn take(&mut self) -> Row {
        let row = Row::from(self.finish());
        self.reset();
        row
    }

    /// Rewrites the tail in column order, so that equal rows have equal bytes.
    fn order_tail(&mut self) {
        let old = std::mem::take(&mut self.buffer);
        let row = RowRef(&old);
        self.reset();
        for i in 0..self.widths.len() {
            if row.is_null(i) {
                continue;
            }
            if self.widths[i].is_tail() {
                self.set_tail(i, row.tail(i));
            } else {
                self.set_slot(i, row.slot(i));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back() {
        let mut builder = RowBuilder::new(vec![Width::Fixed, Width::Variable, Width::Fixed]);
        builder.set_slot(0, 7);
        builder.set_tail(1, "é😀".as_bytes());
        let row = builder.take();
        assert_eq!(row.as_ref().slot(0), 7);
        assert_eq!(row.as_ref().tail(1), "é😀".as_bytes());
        assert!(row.as_ref().is_null(2));
        assert!(builder.finish().is_null(0), "take starts the next row");
        builder.copy(2, row.as_ref(), 0);
        builder.copy(1, row.as_ref(), 1);
        builder.copy(0, row.as_ref(), 2);
        let copied = builder.take();
        assert!(copied.as_ref().is_null(0));
        assert_eq!((copied.as_ref().slot(2), copied.as_ref().tail(1)), (7, "é😀".as_bytes()));
    }

    #[test]
    fn bytes_are_equal_whatever_the_order_of_setting() {
        let mut forward = RowBuilder::new(vec![Width::Variable; 40]);
        let mut backward = RowBuilder::new(vec![Width::Variable; 40]);
        for i in 0..40 {
            forward.set_tail(i, i.to_string().as_bytes());
            backward.set_tail(39 - i, (39 - i).to_string().as_bytes());
        }
        assert_eq!(forward.take(), backward.take());
    }

    #[test]
    fn what_is_unset_leaves_no_bytes() {
        let mut builder = RowBuilder::new(vec![Width::Variable; 2]);
        let empty = builder.take();
        builder.set_tail(1, b"gone");
        builder.unset(1);
        assert_eq!(builder.take(), empty);
    }

    #[test]
    fn nulls_beyond_the_first_word() {
        let mut builder = RowBuilder::new(vec![Width::Fixed; 200]);
        builder.set_slot(31, 1);
        builder.set_slot(32, 2);
        builder.set_slot(199, 3);
        let row = builder.take();
        let set: Vec<_> = (0..200).filter(|&i| !row.as_ref().is_null(i)).collect();
        assert_eq!(set, [31, 32, 199]);
        assert_eq!(row.as_ref().slot(199), 3);
    }
}
