//! The tuples of row ids that a join's walks find in one tick.

use std::hash::Hasher;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rustc_hash::FxHasher;
use tidewater_delta::Weight;

use crate::arena::RowId;

/// Tuples with weights: flat ids, `width` a tuple.
#[derive(Debug, Default)]
pub(crate) struct Tuples {
    ids: Vec<RowId>,
    weights: Vec<Weight>,
}

impl Tuples {
    pub(crate) fn push(&mut self, ids: &[RowId], weight: Weight) {
        self.ids.extend_from_slice(ids);
        self.weights.push(weight);
    }

    /// Adds up the weights of equal tuples; those of weight zero are dropped. The others stay in their order. False if a sum is beyond
    /// 64 bits.
    pub(crate) fn consolidate(&mut self, width: usize) -> bool {
        let mut fits = true;
        let hash = |tuple: &[RowId]| {
            let mut hasher = FxHasher::default();
            tuple.iter().for_each(|id| hasher.write_u32(id.0));
            hasher.finish()
        };
        let mut kept = Tuples::default();
        let mut table: HashTable<usize> = HashTable::with_capacity(self.weights.len());
        for (tuple, weight) in self.iter(width) {
            let known = |number: &usize| hash(&kept.ids[number * width..(number + 1) * width]);
            let entry =
                table.entry(hash(tuple), |number| kept.ids[number * width..(number + 1) * width] == *tuple, known);
            match entry {
                Entry::Occupied(number) => {
                    let sum = kept.weights[*number.get()].checked_add(weight);
                    fits &= sum.is_some();
                    kept.weights[*number.get()] = sum.unwrap_or(0);
                }
                Entry::Vacant(place) => {
                    place.insert(kept.weights.len());
                    kept.push(tuple, weight);
                }
            }
        }
        *self = Tuples::default();
        for (tuple, weight) in kept.iter(width).filter(|(_, weight)| *weight != 0) {
            self.push(tuple, weight);
        }
        fits
    }

    pub(crate) fn iter(&self, width: usize) -> impl Iterator<Item = (&[RowId], Weight)> {
        self.ids.chunks_exact(width).zip(self.weights.iter().copied())
    }
}

/// A join's output of the running tick, before it is made into rows.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    pub(crate) tuples: Tuples,
    /// Tuples for which a predicate failed; it is decided again, in one fixed order, when they are made into rows.
    pub(crate) suspects: Tuples,
    /// Number of deltas that went in: the tuples of one alone cannot cancel.
    pub(crate) deltas: usize,
    /// A tuple occurs more than 2^63 times.
    pub(crate) overflows: bool,
}

impl Pending {
    /// The product of how often rows occur.
    pub(crate) fn times(&mut self, one: Weight, other: Weight) -> Weight {
        one.checked_mul(other).unwrap_or_else(|| {
            self.overflows = true;
            0
        })
    }

    /// Tuples.
    pub(crate) fn len(&self) -> usize {
        self.tuples.weights.len() + self.suspects.weights.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0 && !self.overflows
    }
}
