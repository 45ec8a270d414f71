//! Arrays: `u32 dimensions | (i32 length, i32 lower bound) each | elements`, the last dimension running fastest.

use super::packed::{half, values_in};
use super::{Datum, Seq, decode};
use crate::{MAX_VALUE, Result, Scratch, SqlError};

/// The most dimensions of an array.
pub const MAX_DIMENSIONS: usize = 6;

/// One dimension of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dimension {
    /// How many elements it has.
    pub length: i32,
    /// The subscript of the first.
    pub lower: i32,
}

/// A borrowed array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArrayRef<'a>(&'a [u8]);

impl<'a> ArrayRef<'a> {
    /// The array that `bytes` hold.
    pub fn new(bytes: &'a [u8]) -> Self {
        ArrayRef(bytes)
    }

    /// The packed bytes.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// An array of these dimensions; without elements it has none.
    ///
    /// # Errors
    /// 54000 if it is too large.
    pub fn build(scratch: &'a Scratch, dimensions: &[Dimension], elements: &[Datum<'_>]) -> Result<ArrayRef<'a>> {
        if dimensions.len() > MAX_DIMENSIONS {
            let message = format!(
                "number of array dimensions ({}) exceeds the maximum allowed ({MAX_DIMENSIONS})",
                dimensions.len()
            );
            return Err(SqlError::new(b"54000", message));
        }
        debug_assert!(
            elements.is_empty() || dimensions.iter().map(|d| d.length as usize).product::<usize>() == elements.len()
        );
        let dimensions = if elements.is_empty() { &[] } else { dimensions };
        if elements.len() > MAX_VALUE / 8 {
            let message = format!("array size exceeds the maximum allowed ({})", MAX_VALUE / 8);
            return Err(SqlError::new(b"54000", message));
        }
        let mut head = [0; 4 + MAX_DIMENSIONS * 8];
        head[..4].copy_from_slice(&(dimensions.len() as u32).to_le_bytes());
        for (i, dimension) in dimensions.iter().enumerate() {
            head[4 + i * 8..8 + i * 8].copy_from_slice(&dimension.length.to_le_bytes());
            head[8 + i * 8..12 + i * 8].copy_from_slice(&dimension.lower.to_le_bytes());
        }
        values_in(scratch, &head[..4 + dimensions.len() * 8], elements).map(ArrayRef)
    }

    /// An array of one dimension from subscript 1.
    ///
    /// # Errors
    /// 54000 if it is too large.
    pub fn vector(scratch: &'a Scratch, elements: &[Datum<'_>]) -> Result<ArrayRef<'a>> {
        ArrayRef::build(scratch, &[Dimension { length: elements.len() as i32, lower: 1 }], elements)
    }

    /// How many dimensions it has; an empty array has none.
    pub fn dimension_count(self) -> usize {
        half(self.0, 0) as usize
    }

    /// Its dimensions.
    pub fn dimensions(self) -> impl ExactSizeIterator<Item = Dimension> + Clone + use<'a> {
        (0..self.dimension_count())
            .map(move |i| Dimension { length: half(self.0, 4 + i * 8) as i32, lower: half(self.0, 8 + i * 8) as i32 })
    }

    fn seq(self) -> Seq<'a> {
        Seq::new(&self.0[4 + self.dimension_count() * 8..])
    }

    /// How many elements it has, over all dimensions.
    pub fn len(self) -> usize {
        self.seq().len()
    }

    /// Whether it has no elements.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Element number `i` from 0, over all dimensions.
    pub fn get(self, i: usize) -> Datum<'a> {
        decode(self.seq().get(i))
    }

    /// The element at these subscripts; `None` outside the array or with another number of subscripts.
    pub fn at(self, subscripts: &[i64]) -> Option<Datum<'a>> {
        if subscripts.len() != self.dimension_count() || subscripts.is_empty() {
            return None;
        }
        let mut number = 0;
        for (dimension, subscript) in self.dimensions().zip(subscripts) {
            let offset = subscript.checked_sub(i64::from(dimension.lower))?;
            if !(0..i64::from(dimension.length)).contains(&offset) {
                return None;
            }
            number = number * dimension.length as usize + offset as usize;
        }
        Some(self.get(number))
    }

    /// All elements.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = Datum<'a>> + ExactSizeIterator + Clone {
        self.seq().iter().map(decode)
    }
}
