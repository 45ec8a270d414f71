//! From the values of key columns to the rows that hold them. An index stores row ids only, no copies of keys.
//!
//! The rows of one key are kept in the order that the index was made for, so that the first or last row of a group is at
//! hand. A row stays in every index until the end of the tick in which its weight became zero.

use std::cmp::Ordering;

use delta::{Datum, KeyColumn, Kind, RowRef, hash_bytes, hash_key, same_key};
use hashbrown::HashTable;

use crate::arena::{Arena, RowId};

/// One column of an ordering.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OrderColumn {
    /// The column.
    pub column: usize,
    /// Greatest first.
    pub descending: bool,
    /// NULLs before all values.
    pub nulls_first: bool,
}

/// An entry is 8 bytes: half of the hash, so that growing the table reads no rows, and a row id or the number of a list.
#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u32,
    posting: u32,
}

/// Marks `Entry::posting` as the number of a list.
const LIST: u32 = 1 << 31;
/// Lists longer than this are split, so that an insertion moves at most this many ids.
const SPLIT: usize = 512;

/// See the module.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) key: Vec<KeyColumn>,
    pub(crate) order: Vec<OrderColumn>,
    kinds: std::sync::Arc<[Kind]>,
    /// Whether the key is the whole row, hashed as bytes.
    whole_row: bool,
    table: HashTable<Entry>,
    lists: Vec<Vec<Vec<RowId>>>,
    free_lists: Vec<u32>,
}

/// Spreads the stored half of a hash over the bits that the table uses.
#[inline]
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[inline]
fn half(hash: u64) -> u32 {
    (hash ^ hash >> 32) as u32
}

/// A key to look up, whose values lie in rows of other arrangements.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probe<'a> {
    pub(crate) rows: &'a [RowRef<'a>],
    /// For each key column of the index, the input and column that hold its value.
    pub(crate) parts: &'a [(usize, KeyColumn)],
}

impl Probe<'_> {
    /// The hash that [`hash_key`] gives an indexed row, or `None` where a value is NULL, which equals nothing.
    fn hash(&self) -> Option<u64> {
        use std::hash::Hasher;
        let mut hasher = rustc_hash::FxHasher::default();
        for &(input, part) in self.parts {
            let row = self.rows[input];
            if row.is_null(part.column) {
                return None;
            }
            if part.tail { hasher.write(row.tail(part.column)) } else { hasher.write_u64(row.slot(part.column)) }
        }
        Some(hasher.finish())
    }

    fn matches(&self, row: RowRef<'_>, key: &[KeyColumn]) -> bool {
        key.iter().zip(self.parts).all(|(mine, (input, theirs))| {
            same_key(row, std::slice::from_ref(mine), self.rows[*input], std::slice::from_ref(theirs))
        })
    }
}

impl Index {
    pub(crate) fn new(key: Vec<KeyColumn>, order: Vec<OrderColumn>, kinds: std::sync::Arc<[Kind]>) -> Self {
        Index {
            key,
            order,
            kinds,
            whole_row: false,
            table: HashTable::new(),
            lists: Vec::new(),
            free_lists: Vec::new(),
        }
    }

    /// An index by whole rows, for arrangements without a key.
    pub(crate) fn whole_row(kinds: std::sync::Arc<[Kind]>) -> Self {
        Index { whole_row: true, ..Index::new(Vec::new(), Vec::new(), kinds) }
    }

    fn hash(&self, row: RowRef<'_>) -> u32 {
        half(if self.whole_row { hash_bytes(row.bytes()) } else { hash_key(row, &self.key).0 })
    }

    fn same(&self, a: RowRef<'_>, b: RowRef<'_>) -> bool {
        if self.whole_row { a == b } else { same_key(a, &self.key, b, &self.key) }
    }

    /// Some row of the entry; all its rows have the same key.
    fn sample(&self, posting: u32) -> RowId {
        if posting & LIST == 0 { RowId(posting) } else { self.lists[(posting & !LIST) as usize][0][0] }
    }

    fn find(&self, hash: u32, arena: &Arena, same: impl Fn(RowRef<'_>) -> bool) -> Option<u32> {
        self.table
            .find(spread(hash), |e| e.hash == hash && same(arena.row(self.sample(e.posting))))
            .map(|entry| entry.posting)
    }

    fn ids(&self, posting: Option<u32>) -> Ids<'_> {
        match posting {
            None => Ids { one: None, lists: &[], list: 0, at: 0 },
            Some(id) if id & LIST == 0 => Ids { one: Some(RowId(id)), lists: &[], list: 0, at: 0 },
            Some(list) => Ids { one: None, lists: &self.lists[(list & !LIST) as usize], list: 0, at: 0 },
        }
    }

    /// The rows of the probed key, in the index's order.
    pub(crate) fn probe(&self, arena: &Arena, probe: Probe<'_>) -> Ids<'_> {
        let posting = probe.hash().and_then(|hash| self.find(half(hash), arena, |row| probe.matches(row, &self.key)));
        self.ids(posting)
    }

    /// The rows that have `row`'s key (NULLs count as equal), in the index's order.
    pub(crate) fn same_key_as(&self, arena: &Arena, row: RowRef<'_>) -> Ids<'_> {
        self.ids(self.find(self.hash(row), arena, |other| self.same(other, row)))
    }

    /// The rows whose key equals the columns `columns` of `row` (NULLs count as equal), in the index's order.
    pub(crate) fn with_key(&self, arena: &Arena, row: RowRef<'_>, columns: &[KeyColumn]) -> Ids<'_> {
        let hash = half(hash_key(row, columns).0);
        self.ids(self.find(hash, arena, |other| same_key(other, &self.key, row, columns)))
    }

    fn compare(&self, arena: &Arena, a: RowId, b: RowId) -> Ordering {
        if self.order.is_empty() {
            return a.cmp(&b);
        }
        let (x, y) = (arena.row(a), arena.row(b));
        compare_rows(x, y, &self.order, &self.kinds).then_with(|| x.bytes().cmp(y.bytes())).then_with(|| a.cmp(&b))
    }

    pub(crate) fn insert(&mut self, arena: &Arena, id: RowId) {
        let row = arena.row(id);
        let hash = self.hash(row);
        let Some(posting) = self.find(hash, arena, |other| self.same(other, row)) else {
            self.table.insert_unique(spread(hash), Entry { hash, posting: id.0 }, |e| spread(e.hash));
            return;
        };
        if posting & LIST != 0 {
            self.insert_into_list((posting & !LIST) as usize, arena, id);
            return;
        }
        let first = RowId(posting);
        let pair = if self.compare(arena, first, id).is_lt() { vec![first, id] } else { vec![id, first] };
        let list = match self.free_lists.pop() {
            Some(list) => list,
            None => {
                self.lists.push(Vec::new());
                self.lists.len() as u32 - 1
            }
        };
        self.lists[list as usize] = vec![pair];
        self.replace(hash, posting, Some(list | LIST));
    }

    fn replace(&mut self, hash: u32, from: u32, to: Option<u32>) {
        let found = self.table.find_entry(spread(hash), |e| e.hash == hash && e.posting == from);
        if let Ok(mut entry) = found {
            match to {
                Some(to) => entry.get_mut().posting = to,
                None => drop(entry.remove()),
            }
        }
    }

    /// Where `id` is, or belongs: number of the part, and place in it.
    fn locate(&self, list: usize, arena: &Arena, id: RowId) -> (usize, Result<usize, usize>) {
        let parts = &self.lists[list];
        let after = parts.partition_point(|part| self.compare(arena, part[0], id).is_le());
        let part = after.saturating_sub(1);
        (part, parts[part].binary_search_by(|&other| self.compare(arena, other, id)))
    }

    fn insert_into_list(&mut self, list: usize, arena: &Arena, id: RowId) {
        let (part, place) = self.locate(list, arena, id);
        let (Ok(place) | Err(place)) = place;
        let parts = &mut self.lists[list];
        parts[part].insert(place, id);
        if parts[part].len() > SPLIT {
            let rest = parts[part].split_off(SPLIT / 2);
            parts.insert(part + 1, rest);
        }
    }

    /// Takes out a row; it must be in the index and its bytes still in the arena.
    pub(crate) fn remove(&mut self, arena: &Arena, id: RowId) {
        let row = arena.row(id);
        let hash = self.hash(row);
        let posting = self.find(hash, arena, |other| self.same(other, row));
        let posting = posting.expect("a stored row is in every index of its arrangement");
        if posting & LIST == 0 {
            self.replace(hash, posting, None);
            return;
        }
        let list = (posting & !LIST) as usize;
        let (part, place) = self.locate(list, arena, id);
        let place = place.expect("a stored row is in its key's list");
        let parts = &mut self.lists[list];
        parts[part].remove(place);
        if parts[part].is_empty() {
            parts.remove(part);
        }
        if let [only] = parts.as_slice()
            && let [last] = only.as_slice()
        {
            let last = last.0;
            self.lists[list] = Vec::new();
            self.free_lists.push(list as u32);
            self.replace(hash, posting, Some(last));
        }
    }

    /// Number of distinct keys.
    pub(crate) fn keys(&self) -> usize {
        self.table.len()
    }

    /// Bytes of the table and the lists, approximately.
    pub(crate) fn bytes(&self) -> usize {
        let ids: usize = self.lists.iter().flatten().map(|part| part.capacity() * 4 + 24).sum();
        self.table.capacity() * 9 + self.lists.capacity() * 24 + ids
    }
}

/// ORDER BY `order` among rows of `kinds`.
pub(crate) fn compare_rows(a: RowRef<'_>, b: RowRef<'_>, order: &[OrderColumn], kinds: &[Kind]) -> Ordering {
    for column in order {
        let kind = &kinds[column.column];
        let (x, y) = (a.get(column.column, kind), b.get(column.column, kind));
        let ordering = match (&x, &y) {
            (Datum::Null, Datum::Null) => Ordering::Equal,
            (Datum::Null, _) if column.nulls_first => Ordering::Less,
            (Datum::Null, _) => Ordering::Greater,
            (_, Datum::Null) if column.nulls_first => Ordering::Greater,
            (_, Datum::Null) => Ordering::Less,
            _ if column.descending => y.compare(&x, kind),
            _ => x.compare(&y, kind),
        };
        if ordering.is_ne() {
            return ordering;
        }
    }
    Ordering::Equal
}

/// The ids of one key, in the index's order.
#[derive(Debug, Clone)]
pub(crate) struct Ids<'a> {
    one: Option<RowId>,
    lists: &'a [Vec<RowId>],
    list: usize,
    at: usize,
}

impl Iterator for Ids<'_> {
    type Item = RowId;

    #[inline]
    fn next(&mut self) -> Option<RowId> {
        if let Some(id) = self.one.take() {
            return Some(id);
        }
        let part = self.lists.get(self.list)?;
        let id = part[self.at];
        self.at += 1;
        if self.at == part.len() {
            (self.list, self.at) = (self.list + 1, 0);
        }
        Some(id)
    }
}
