//! Ranges, `flags | bounds that there are`, and multiranges, a sequence of ranges that neither touch nor overlap.

use super::packed::{encode, put_seq};
use super::{Bytes, Datum, Seq, decode};
use crate::{Result, Scratch};

const EMPTY: u8 = 1;
const LOWER_INCLUSIVE: u8 = 2;
const UPPER_INCLUSIVE: u8 = 4;
const LOWER_INFINITE: u8 = 8;
const UPPER_INFINITE: u8 = 16;

/// A borrowed range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RangeRef<'a>(&'a [u8]);

/// A range, read: `None` is no bound, and never inclusive.
#[derive(Debug, Clone, Copy)]
pub struct Bounds<'a> {
    /// The lower bound.
    pub lower: Option<Datum<'a>>,
    /// Whether it belongs to the range.
    pub lower_inclusive: bool,
    /// The upper bound.
    pub upper: Option<Datum<'a>>,
    /// Whether it belongs to the range.
    pub upper_inclusive: bool,
}

impl<'a> RangeRef<'a> {
    /// The range that `bytes` hold.
    pub fn new(bytes: &'a [u8]) -> Self {
        RangeRef(bytes)
    }

    /// The packed bytes.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// The empty range.
    pub fn empty() -> RangeRef<'static> {
        RangeRef(&[EMPTY, 0, 0, 0, 0])
    }

    /// Whether no value lies in it.
    pub fn is_empty(self) -> bool {
        self.0[0] & EMPTY != 0
    }

    /// A range of these bounds as they are: neither checked nor made canonical.
    ///
    /// # Errors
    /// 54000 if it is too large.
    pub fn build(scratch: &'a Scratch, bounds: &Bounds<'_>) -> Result<RangeRef<'a>> {
        let flag = |on: bool, bit: u8| if on { bit } else { 0 };
        let flags = flag(bounds.lower_inclusive && bounds.lower.is_some(), LOWER_INCLUSIVE)
            | flag(bounds.upper_inclusive && bounds.upper.is_some(), UPPER_INCLUSIVE)
            | flag(bounds.lower.is_none(), LOWER_INFINITE)
            | flag(bounds.upper.is_none(), UPPER_INFINITE);
        let mut out = bumpalo::collections::Vec::new_in(scratch);
        out.put(&[flags]);
        let values: Vec<Datum<'_>> = [bounds.lower, bounds.upper].into_iter().flatten().collect();
        put_seq(&mut out, values.len(), |i, out| encode(&values[i], out))?;
        Ok(RangeRef(out.into_bump_slice()))
    }

    /// Its bounds; `None` if it is empty.
    pub fn bounds(self) -> Option<Bounds<'a>> {
        let flags = self.0[0];
        if flags & EMPTY != 0 {
            return None;
        }
        let seq = Seq::new(&self.0[1..]);
        let lower = (flags & LOWER_INFINITE == 0).then(|| decode(seq.get(0)));
        let upper = (flags & UPPER_INFINITE == 0).then(|| decode(seq.get(usize::from(lower.is_some()))));
        Some(Bounds {
            lower,
            lower_inclusive: flags & LOWER_INCLUSIVE != 0,
            upper,
            upper_inclusive: flags & UPPER_INCLUSIVE != 0,
        })
    }
}

/// A borrowed multirange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MultirangeRef<'a>(&'a [u8]);

impl<'a> MultirangeRef<'a> {
    /// The multirange that `bytes` hold.
    pub fn new(bytes: &'a [u8]) -> Self {
        MultirangeRef(bytes)
    }

    /// The packed bytes.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// A multirange of these ranges as they are: in order, apart from each other, none empty.
    ///
    /// # Errors
    /// 54000 if it is too large.
    pub fn build(scratch: &'a Scratch, ranges: &[RangeRef<'_>]) -> Result<MultirangeRef<'a>> {
        let mut out = bumpalo::collections::Vec::new_in(scratch);
        put_seq(&mut out, ranges.len(), |i, out| out.put(ranges[i].0))?;
        Ok(MultirangeRef(out.into_bump_slice()))
    }

    /// How many ranges it has.
    pub fn len(self) -> usize {
        Seq::new(self.0).len()
    }

    /// Whether no value lies in it.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Its ranges, in order.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = RangeRef<'a>> + ExactSizeIterator + Clone {
        Seq::new(self.0).iter().map(RangeRef)
    }
}
