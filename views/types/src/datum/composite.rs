//! Rows, and Materialize's lists and maps.

use super::packed::values_in;
use super::{Datum, Seq, decode};
use crate::{Result, Scratch};

/// A borrowed row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordRef<'a>(&'a [u8]);

/// A borrowed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListRef<'a>(&'a [u8]);

/// A borrowed map: key and value in turns, in order of the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapRef<'a>(&'a [u8]);

macro_rules! sequence {
    ($name:ident, $what:literal) => {
        impl<'a> $name<'a> {
            #[doc = concat!("The ", $what, " that `bytes` hold.")]
            pub fn new(bytes: &'a [u8]) -> Self {
                $name(bytes)
            }

            /// The packed bytes.
            pub fn bytes(self) -> &'a [u8] {
                self.0
            }

            /// How many values it has.
            pub fn len(self) -> usize {
                Seq::new(self.0).len()
            }

            /// Whether it has none.
            pub fn is_empty(self) -> bool {
                self.len() == 0
            }

            /// Value number `i` from 0.
            pub fn get(self, i: usize) -> Datum<'a> {
                decode(Seq::new(self.0).get(i))
            }

            /// All values.
            pub fn iter(self) -> impl DoubleEndedIterator<Item = Datum<'a>> + ExactSizeIterator + Clone {
                Seq::new(self.0).iter().map(decode)
            }

            #[doc = concat!("A ", $what, " of these values.")]
            ///
            /// # Errors
            /// 54000 if it is too large.
            pub fn build(scratch: &'a Scratch, values: &[Datum<'_>]) -> Result<Self> {
                values_in(scratch, &[], values).map($name)
            }
        }
    };
}

sequence!(RecordRef, "row");
sequence!(ListRef, "list");

impl<'a> MapRef<'a> {
    /// The map that `bytes` hold.
    pub fn new(bytes: &'a [u8]) -> Self {
        MapRef(bytes)
    }

    /// The packed bytes.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// A map of these entries; of entries with the same key the last stays.
    ///
    /// # Errors
    /// 54000 if it is too large.
    pub fn build(scratch: &'a Scratch, entries: &[(&str, Datum<'_>)]) -> Result<Self> {
        let mut sorted: Vec<_> = entries.to_vec();
        // Stable: among equal keys the order of entries remains.
        sorted.sort_by_key(|(key, _)| *key);
        let mut values: Vec<Datum<'_>> = Vec::with_capacity(sorted.len() * 2);
        for (i, (key, value)) in sorted.iter().enumerate() {
            if sorted.get(i + 1).is_none_or(|(next, _)| next != key) {
                values.extend([Datum::from(*key), *value]);
            }
        }
        values_in(scratch, &[], &values).map(MapRef)
    }

    /// How many entries it has.
    pub fn len(self) -> usize {
        Seq::new(self.0).len() / 2
    }

    /// Whether it has none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// All entries, in order of the keys' bytes.
    pub fn iter(self) -> impl ExactSizeIterator<Item = (&'a [u8], Datum<'a>)> + Clone {
        let seq = Seq::new(self.0);
        // A key's first byte is its tag.
        (0..self.len()).map(move |i| (&seq.get(i * 2)[1..], decode(seq.get(i * 2 + 1))))
    }

    /// The value of `key`.
    pub fn get(self, key: &[u8]) -> Option<Datum<'a>> {
        let seq = Seq::new(self.0);
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = (low + high) / 2;
            match seq.get(middle * 2)[1..].cmp(key) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(decode(seq.get(middle * 2 + 1))),
            }
        }
        None
    }
}
