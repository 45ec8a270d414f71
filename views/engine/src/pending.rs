//! The tuples of row ids that a join's walks find in one tick.

use std::hash::Hasher;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rustc_hash::FxHasher;
use tidewater_delta::Weight;

use crate::arena::RowId;

/// Bytes that a list keeps between ticks: to ask for so much memory anew in each costs more than what is done with it.
const KEPT: usize = 1 << 20;

/// Tuples with weights: flat ids, `width` a tuple.
#[derive(Debug, Default)]
pub(crate) struct Tuples {
    ids: Vec<RowId>,
    weights: Vec<Weight>,
}

fn hash(tuple: &[RowId]) -> u64 {
    let mut hasher = FxHasher::default();
    tuple.iter().for_each(|id| hasher.write_u32(id.0));
    hasher.finish()
}

impl Tuples {
    pub(crate) fn len(&self) -> usize {
        self.weights.len()
    }

    pub(crate) fn push(&mut self, ids: &[RowId], weight: Weight) {
        self.ids.extend_from_slice(ids);
        self.weights.push(weight);
    }

    pub(crate) fn get(&self, number: usize, width: usize) -> (&[RowId], Weight) {
        (&self.ids[number * width..(number + 1) * width], self.weights[number])
    }

    /// Says that a tuple is dealt with: its weight is zero from now on.
    pub(crate) fn done(&mut self, number: usize) {
        self.weights[number] = 0;
    }

    /// Adds up the weights of equal tuples; those of weight zero are dropped. The others stay in their order. False if a sum is beyond
    /// 64 bits.
    pub(crate) fn consolidate(&mut self, width: usize) -> bool {
        let mut fits = true;
        let mut table: HashTable<u32> = HashTable::with_capacity(self.len());
        self.compact(width, |ids, weights, kept, number| {
            let tuple = |number: usize| &ids[number * width..(number + 1) * width];
            let (same, known) =
                (|other: &u32| tuple(*other as usize) == tuple(number), |other: &u32| hash(tuple(*other as usize)));
            match table.entry(hash(tuple(number)), same, known) {
                Entry::Occupied(first) => {
                    let first = *first.get() as usize;
                    let sum = weights[first].checked_add(weights[number]);
                    fits &= sum.is_some();
                    weights[first] = sum.unwrap_or(0);
                    false
                }
                Entry::Vacant(place) => {
                    place.insert(kept as u32);
                    true
                }
            }
        });
        self.compact(width, |_, weights, _, number| weights[number] != 0);
        fits
    }

    /// Keeps the tuples for which `stays` says so, which is told the number that one would have, and moves them together.
    fn compact(&mut self, width: usize, mut stays: impl FnMut(&[RowId], &mut [Weight], usize, usize) -> bool) {
        let mut kept = 0;
        for number in 0..self.len() {
            if stays(&self.ids, &mut self.weights, kept, number) {
                if kept != number {
                    self.ids.copy_within(number * width..(number + 1) * width, kept * width);
                    self.weights[kept] = self.weights[number];
                }
                kept += 1;
            }
        }
        self.ids.truncate(kept * width);
        self.weights.truncate(kept);
    }

    pub(crate) fn iter(&self, width: usize) -> impl Iterator<Item = (&[RowId], Weight)> {
        self.ids.chunks_exact(width).zip(self.weights.iter().copied())
    }

    fn clear(&mut self) {
        clear(&mut self.ids);
        clear(&mut self.weights);
    }
}

/// Empties a list for the next tick.
pub(crate) fn clear<T>(list: &mut Vec<T>) {
    list.clear();
    list.shrink_to(KEPT / size_of::<T>());
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
    /// Room for the delta that is walked.
    pub(crate) delta: Vec<(RowId, Weight)>,
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
        self.tuples.len() + self.suspects.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0 && !self.overflows
    }

    /// Begins anew.
    pub(crate) fn clear(&mut self) {
        self.tuples.clear();
        self.suspects.clear();
        clear(&mut self.delta);
        (self.deltas, self.overflows) = (0, false);
    }
}
