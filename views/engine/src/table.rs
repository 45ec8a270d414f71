//! A hash table that grows in parts: a tick that finds it full moves the entries of one part, not of all.
//!
//! A small table is one part. One that has [`SPLIT`] entries is split once, by bits of the hash that the parts do not use themselves; after
//! that each part grows alone, when it is full.

use hashbrown::HashTable;
use hashbrown::hash_table::OccupiedEntry;

/// Entries of a table that is split: few enough that nobody waits for it.
const SPLIT: usize = 1 << 14;
/// Bits that tell the part. The parts use low bits for the place and the seven highest to tell entries apart.
const BITS: u32 = 8;
const SHIFT: u32 = 48;
/// Entries of a part that is not worth being made smaller.
const SMALL: usize = 1 << 6;

/// See the module. Whoever calls gives hashes, well mixed in all bits.
#[derive(Debug)]
pub(crate) struct Table<T> {
    parts: Vec<HashTable<T>>,
    len: usize,
    /// Entries that there is room for.
    capacity: usize,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table { parts: vec![HashTable::new()], len: 0, capacity: 0 }
    }
}

impl<T> Table<T> {
    #[inline]
    fn part(&self, hash: u64) -> usize {
        if self.parts.len() == 1 { 0 } else { (hash >> SHIFT) as usize & ((1 << BITS) - 1) }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Bytes, approximately.
    pub(crate) fn bytes(&self) -> usize {
        self.capacity * (size_of::<T>() + 1) * 8 / 7
    }

    #[inline]
    pub(crate) fn find(&self, hash: u64, same: impl FnMut(&T) -> bool) -> Option<&T> {
        self.parts[self.part(hash)].find(hash, same)
    }

    #[inline]
    pub(crate) fn find_mut(&mut self, hash: u64, same: impl FnMut(&T) -> bool) -> Option<&mut T> {
        let part = self.part(hash);
        self.parts[part].find_mut(hash, same)
    }

    /// Takes out the entry, if it is there.
    #[inline]
    pub(crate) fn remove(&mut self, hash: u64, same: impl FnMut(&T) -> bool) -> Option<T> {
        let part = self.part(hash);
        let removed = self.parts[part].find_entry(hash, same).map(|entry| OccupiedEntry::remove(entry).0).ok();
        self.len -= usize::from(removed.is_some());
        removed
    }

    /// Puts in an entry that is not there.
    #[inline]
    pub(crate) fn insert(&mut self, hash: u64, entry: T, rehash: impl Fn(&T) -> u64) {
        if self.len == SPLIT && self.parts.len() == 1 {
            self.split(&rehash);
        }
        self.len += 1;
        let part = self.part(hash);
        let part = &mut self.parts[part];
        let before = part.capacity();
        if part.len() == before {
            part.reserve(1, &rehash);
            self.capacity += part.capacity() - before;
        }
        part.insert_unique(hash, entry, rehash);
    }

    #[cold]
    fn split(&mut self, rehash: &impl Fn(&T) -> u64) {
        let all = std::mem::take(&mut self.parts[0]);
        self.parts = (0..1 << BITS).map(|_| HashTable::with_capacity(SPLIT >> BITS)).collect();
        for entry in all {
            let hash = rehash(&entry);
            let part = self.part(hash);
            self.parts[part].insert_unique(hash, entry, rehash);
        }
        self.capacity = self.parts.iter().map(HashTable::capacity).sum();
    }

    /// Gives memory back where few entries are left of many.
    pub(crate) fn tidy(&mut self, rehash: impl Fn(&T) -> u64) {
        if self.len * 8 >= self.capacity {
            return;
        }
        for part in &mut self.parts {
            if part.capacity() > SMALL && part.len() * 8 < part.capacity() {
                part.shrink_to(part.len() * 2, &rehash);
            }
        }
        self.capacity = self.parts.iter().map(HashTable::capacity).sum();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    use super::*;

    fn hash(key: u32) -> u64 {
        // Two keys of each hash.
        u64::from(key / 2).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]

        #[test]
        fn it_holds_what_a_map_holds(ops in prop::collection::vec((0..60_000_u32, any::<bool>()), 0..60_000)) {
            let (mut table, mut map) = (Table::<(u32, usize)>::default(), BTreeMap::new());
            let rehash = |entry: &(u32, usize)| hash(entry.0);
            for (number, (key, comes)) in ops.into_iter().enumerate() {
                if !comes {
                    let removed = table.remove(hash(key), |entry| entry.0 == key);
                    prop_assert_eq!(removed.map(|entry| entry.1), map.remove(&key));
                } else if let Some(entry) = table.find_mut(hash(key), |entry| entry.0 == key) {
                    entry.1 = number;
                    prop_assert!(map.insert(key, number).is_some());
                } else {
                    table.insert(hash(key), (key, number), rehash);
                    prop_assert!(map.insert(key, number).is_none());
                }
            }
            prop_assert_eq!(table.len(), map.len());
            for (key, number) in &map {
                prop_assert_eq!(table.find(hash(*key), |entry| entry.0 == *key), Some(&(*key, *number)));
            }
            for key in map.keys() {
                table.remove(hash(*key), |entry| entry.0 == *key);
            }
            table.tidy(rehash);
            prop_assert_eq!(table.len(), 0);
            prop_assert!(table.bytes() <= (1 << BITS) * (SMALL * 2) * (size_of::<(u32, usize)>() + 1));
        }
    }
}
