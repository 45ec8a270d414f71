//! From the values of key columns to the rows that hold them. An index stores row ids only, no copies of keys.
//!
//! The rows of one key are kept in the order that the index was made for, so that the first or last row of a group is at
//! hand. A row stays in every index until the end of the tick in which its weight became zero.

use std::cmp::Ordering;
use std::mem::take;

use smallvec::SmallVec;
use tidewater_delta::{KeyColumn, RowRef, hash_bytes, hash_key, same_key};
use tidewater_types::{Packing, Type, compare};

use crate::arena::{Arena, RowId};
use crate::paged::Paged;
use crate::shape::Shape;
use crate::table::Table;

/// One column of an ordering.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OrderColumn {
    /// The column.
    pub column: usize,
    /// Greatest first.
    pub descending: bool,
    /// NULLs before all values.
    pub nulls_first: bool,
    /// By packed bytes instead of by value: an order among values that are equal and print differently.
    pub packed: bool,
}

/// An entry is 8 bytes: half of the hash, so that growing the table reads no rows, and a row id or the number of a list.
#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u32,
    posting: u32,
}

/// Marks `Entry::posting` as the number of a list.
const LIST: u32 = 1 << 31;
/// Longer parts of a list are split, so that an insertion moves at most this many ids.
const SPLIT: usize = 512;
/// Lists of an index that are not worth being given back.
const SMALL: usize = 1 << 12;

/// The rows of one key in order, two or more: most keys have few, which lie in place.
#[derive(Debug)]
enum List {
    Few(SmallVec<[RowId; 6]>),
    /// Parts of at most [`SPLIT`] ids, none empty.
    Many(Vec<Vec<RowId>>),
}

/// Where an id belongs. Most rows come in the order of the list or against it, so both ends are looked at first.
fn place(ids: &[RowId], compare: impl Fn(RowId) -> Ordering) -> usize {
    match ids {
        [first, ..] if compare(*first).is_ge() => 0,
        [.., last] if compare(*last).is_lt() => ids.len(),
        _ => ids.partition_point(|&other| compare(other).is_lt()),
    }
}

impl List {
    fn first(&self) -> RowId {
        match self {
            List::Few(ids) => ids[0],
            List::Many(parts) => parts[0][0],
        }
    }

    /// The id for which `compare` says that it is equal.
    fn find(&self, compare: impl Fn(RowId) -> Ordering) -> Option<RowId> {
        let ids = match self {
            List::Few(ids) => ids.as_slice(),
            List::Many(parts) => &parts[parts.partition_point(|part| compare(part[0]).is_le()).saturating_sub(1)],
        };
        ids.get(place(ids, &compare)).copied().filter(|&id| compare(id).is_eq())
    }

    fn insert(&mut self, id: RowId, compare: impl Fn(RowId) -> Ordering) {
        match self {
            List::Few(ids) if ids.len() < SPLIT => ids.insert(place(ids, compare), id),
            List::Few(ids) => {
                *self = List::Many(vec![ids.to_vec()]);
                self.insert(id, compare);
            }
            List::Many(parts) => {
                let part = parts.partition_point(|part| compare(part[0]).is_le()).saturating_sub(1);
                let place = place(&parts[part], compare);
                parts[part].insert(place, id);
                if parts[part].len() > SPLIT {
                    let rest = parts[part].split_off(SPLIT / 2);
                    parts.insert(part + 1, rest);
                }
            }
        }
    }

    /// Takes out an id, which is there; gives the only one left, if it is.
    fn remove(&mut self, id: RowId, compare: impl Fn(RowId) -> Ordering) -> Option<RowId> {
        let only = |ids: &[RowId]| if let [only] = ids { Some(*only) } else { None };
        match self {
            List::Few(ids) => {
                // Looking for the id itself reads no row.
                ids.retain(|other| *other != id);
                only(ids)
            }
            List::Many(parts) => {
                let part = parts.partition_point(|part| compare(part[0]).is_le()).saturating_sub(1);
                let place = parts[part].partition_point(|&other| compare(other).is_lt());
                parts[part].remove(place);
                if parts[part].is_empty() {
                    parts.remove(part);
                }
                if let [last] = parts.as_slice() { only(last) } else { None }
            }
        }
    }

    /// Bytes outside of the list itself.
    fn bytes(&self) -> usize {
        match self {
            List::Few(ids) if ids.spilled() => ids.capacity() * 4,
            List::Few(_) => 0,
            // Each of its parts has room for so many, about; they are not walked for it.
            List::Many(parts) => parts.len() * (SPLIT * 4 + 24),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) key: Vec<KeyColumn>,
    pub(crate) order: Vec<OrderColumn>,
    shape: Shape,
    /// Whether the key is the whole row, hashed as bytes.
    whole_row: bool,
    table: Table<Entry>,
    lists: Paged<List>,
    free_lists: Vec<u32>,
    /// Bytes of the lists outside of themselves.
    list_bytes: usize,
}

/// Spreads the stored half of a hash over the bits that the table uses.
#[inline]
pub(crate) fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// The half of a hash that is stored.
#[inline]
pub(crate) fn half(hash: u64) -> u32 {
    (hash ^ hash >> 32) as u32
}

/// A key to look up, whose values lie in rows of other arrangements.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probe<'a> {
    pub(crate) rows: &'a [RowRef<'a>],
    /// For each key column of the index, where its value is.
    pub(crate) parts: &'a [Part],
}

/// Where the value of a key column is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub(crate) input: usize,
    pub(crate) column: KeyColumn,
    /// Whether NULL finds NULL.
    pub(crate) nulls_equal: bool,
}

impl Probe<'_> {
    /// The hash that [`hash_key`] gives an indexed row, or `None` where a value is a NULL that equals nothing.
    pub(crate) fn hash(&self) -> Option<u64> {
        use std::hash::Hasher;
        let mut hasher = rustc_hash::FxHasher::default();
        for part in self.parts {
            let (row, column) = (self.rows[part.input], part.column.column);
            if row.is_null(column) && !part.nulls_equal {
                return None;
            }
            if part.column.tail { hasher.write(row.tail(column)) } else { hasher.write_u64(row.slot(column)) }
        }
        Some(hasher.finish())
    }

    pub(crate) fn matches(&self, row: RowRef<'_>, key: &[KeyColumn]) -> bool {
        key.iter().zip(self.parts).all(|(mine, theirs)| {
            same_key(row, std::slice::from_ref(mine), self.rows[theirs.input], std::slice::from_ref(&theirs.column))
        })
    }
}

impl Index {
    pub(crate) fn new(key: Vec<KeyColumn>, order: Vec<OrderColumn>, shape: Shape) -> Self {
        Index {
            key,
            order,
            shape,
            whole_row: false,
            table: Table::default(),
            lists: Paged::default(),
            free_lists: Vec::new(),
            list_bytes: 0,
        }
    }

    /// An index by whole rows, for arrangements without a key.
    pub(crate) fn whole_row(shape: Shape) -> Self {
        Index { whole_row: true, ..Index::new(Vec::new(), Vec::new(), shape) }
    }

    pub(crate) fn hash(&self, row: RowRef<'_>) -> u32 {
        half(if self.whole_row { hash_bytes(row.bytes()) } else { hash_key(row, &self.key).0 })
    }

    fn same(&self, a: RowRef<'_>, b: RowRef<'_>) -> bool {
        if self.whole_row { a == b } else { same_key(a, &self.key, b, &self.key) }
    }

    /// Some row of the entry; all its rows have the same key.
    pub(crate) fn sample(&self, posting: u32) -> RowId {
        if posting & LIST == 0 { RowId(posting) } else { self.lists[(posting & !LIST) as usize].first() }
    }

    /// The rows that probably have a key of this hash; reads no row.
    pub(crate) fn likely(&self, hash: u32) -> Option<u32> {
        self.table.find(spread(hash), |e| e.hash == hash).map(|entry| entry.posting)
    }

    fn find(&self, hash: u32, arena: &Arena, same: impl Fn(RowRef<'_>) -> bool) -> Option<u32> {
        self.table
            .find(spread(hash), |e| e.hash == hash && same(arena.row(self.sample(e.posting))))
            .map(|entry| entry.posting)
    }

    fn ids(&self, posting: Option<u32>) -> Ids<'_> {
        let none = Ids { one: None, ids: [].iter(), parts: [].iter() };
        match posting {
            None => none,
            Some(id) if id & LIST == 0 => Ids { one: Some(RowId(id)), ..none },
            Some(list) => match &self.lists[(list & !LIST) as usize] {
                List::Few(ids) => Ids { ids: ids.iter(), ..none },
                List::Many(parts) => Ids { parts: parts.iter(), ..none },
            },
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

    /// Where `row`'s key is or belongs; holds until the index changes.
    pub(crate) fn slot(&self, arena: &Arena, row: RowRef<'_>) -> Slot {
        let hash = self.hash(row);
        Slot { hash, posting: self.find(hash, arena, |other| self.same(other, row)) }
    }

    /// The rows of a slot, in the index's order.
    pub(crate) fn slot_ids(&self, slot: Slot) -> Ids<'_> {
        self.ids(slot.posting)
    }

    /// The row that has the bytes of `row`, whose key has this slot; only where the rows of a key are in an order.
    pub(crate) fn find_equal(&self, slot: Slot, arena: &Arena, row: RowRef<'_>) -> Option<RowId> {
        let compare = |id: RowId| compare_bytes(&self.order, &self.shape, arena.row(id), row);
        match slot.posting? {
            id if id & LIST == 0 => Some(RowId(id)).filter(|&id| arena.row(id) == row),
            list => self.lists[(list & !LIST) as usize].find(compare),
        }
    }

    pub(crate) fn insert(&mut self, arena: &Arena, id: RowId) {
        let slot = self.slot(arena, arena.row(id));
        self.insert_at(slot, arena, id);
    }

    /// Inserts a row whose key has this slot.
    pub(crate) fn insert_at(&mut self, Slot { hash, posting }: Slot, arena: &Arena, id: RowId) {
        let Some(posting) = posting else {
            self.table.insert(spread(hash), Entry { hash, posting: id.0 }, |e| spread(e.hash));
            return;
        };
        if posting & LIST != 0 {
            let (order, shape) = (&self.order, &self.shape);
            let list = &mut self.lists[(posting & !LIST) as usize];
            self.list_bytes -= list.bytes();
            list.insert(id, |other| compare_ids(order, shape, arena, other, id));
            self.list_bytes += list.bytes();
            return;
        }
        let first = RowId(posting);
        let in_order = compare_ids(&self.order, &self.shape, arena, first, id).is_lt();
        let pair = List::Few(SmallVec::from_slice(&if in_order { [first, id] } else { [id, first] }));
        let list = match self.free_lists.pop() {
            Some(list) => {
                self.lists[list as usize] = pair;
                list
            }
            None => self.lists.push(pair) as u32,
        };
        self.replace(hash, posting, list | LIST);
    }

    fn replace(&mut self, hash: u32, from: u32, to: u32) {
        if let Some(entry) = self.table.find_mut(spread(hash), |e| e.posting == from) {
            entry.posting = to;
        }
    }

    /// Takes out a row; it must be in the index and its bytes still in the arena.
    pub(crate) fn remove(&mut self, arena: &Arena, id: RowId) {
        let row = arena.row(id);
        let hash = self.hash(row);
        // Most keys have one row, and that one is known by its id alone.
        if self.table.remove(spread(hash), |e| e.posting == id.0).is_some() {
            return;
        }
        let posting = self.find(hash, arena, |other| self.same(other, row));
        let posting = posting.expect("a stored row is in every index of its arrangement");
        let number = (posting & !LIST) as usize;
        let (order, shape) = (&self.order, &self.shape);
        let list = &mut self.lists[number];
        self.list_bytes -= list.bytes();
        let left = list.remove(id, |other| compare_ids(order, shape, arena, other, id));
        self.list_bytes += if left.is_some() { 0 } else { list.bytes() };
        if let Some(last) = left {
            self.lists[number] = List::Few(SmallVec::new());
            self.free_lists.push(number as u32);
            self.replace(hash, posting, last.0);
        }
    }

    /// Number of distinct keys.
    pub(crate) fn keys(&self) -> usize {
        self.table.len()
    }

    /// Bytes of the table and the lists, approximately.
    pub(crate) fn bytes(&self) -> usize {
        self.table.bytes() + self.lists.capacity() * size_of::<List>() + self.list_bytes
    }

    /// Gives memory back where few keys are left of many.
    pub(crate) fn tidy(&mut self) {
        self.table.tidy(|entry| spread(entry.hash));
        if self.lists.len() > SMALL && self.free_lists.len() == self.lists.len() {
            (self.lists, self.free_lists) = (Paged::default(), Vec::new());
        }
    }

    /// Forgets all rows.
    pub(crate) fn clear(&mut self) {
        *self = Index {
            whole_row: self.whole_row,
            ..Index::new(take(&mut self.key), take(&mut self.order), self.shape.clone())
        };
    }
}

/// The order of two rows in an index.
fn compare_ids(order: &[OrderColumn], shape: &Shape, arena: &Arena, a: RowId, b: RowId) -> Ordering {
    if order.is_empty() {
        return a.cmp(&b);
    }
    compare_bytes(order, shape, arena.row(a), arena.row(b)).then_with(|| a.cmp(&b))
}

/// The order of two rows in an index that has one: those that are equal in it come by their bytes.
fn compare_bytes(order: &[OrderColumn], shape: &Shape, a: RowRef<'_>, b: RowRef<'_>) -> Ordering {
    compare_rows(a, b, order, shape).then_with(|| a.bytes().cmp(b.bytes()))
}

/// ORDER BY `order` among rows of `shape`.
fn compare_rows(a: RowRef<'_>, b: RowRef<'_>, order: &[OrderColumn], shape: &Shape) -> Ordering {
    for column in order {
        let ordering = match (a.is_null(column.column), b.is_null(column.column)) {
            (true, true) => Ordering::Equal,
            (true, false) if column.nulls_first => Ordering::Less,
            (true, false) => Ordering::Greater,
            (false, true) if column.nulls_first => Ordering::Greater,
            (false, true) => Ordering::Less,
            _ if column.descending => compare_values(b, a, column, shape),
            _ => compare_values(a, b, column, shape),
        };
        if ordering.is_ne() {
            return ordering;
        }
    }
    Ordering::Equal
}

/// The order of two values that are not NULL.
fn compare_values(a: RowRef<'_>, b: RowRef<'_>, order: &OrderColumn, shape: &Shape) -> Ordering {
    let (i, ty) = (order.column, &shape.types[order.column].ty);
    match shape.packings[i] {
        packing if order.packed && packing.is_tail() => a.tail(i).cmp(b.tail(i)),
        _ if order.packed => a.slot(i).cmp(&b.slot(i)),
        Packing::Bool | Packing::Int => (a.slot(i) as i64).cmp(&(b.slot(i) as i64)),
        Packing::Text if *ty != Type::Bpchar => a.tail(i).cmp(b.tail(i)),
        packing => compare(ty, &packing.get(a, i), &packing.get(b, i)),
    }
}

/// Where the rows of one key are in an index.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    hash: u32,
    posting: Option<u32>,
}

/// The ids of one key, in the index's order.
#[derive(Debug, Clone)]
pub(crate) struct Ids<'a> {
    one: Option<RowId>,
    ids: std::slice::Iter<'a, RowId>,
    parts: std::slice::Iter<'a, Vec<RowId>>,
}

impl Iterator for Ids<'_> {
    type Item = RowId;

    #[inline]
    fn next(&mut self) -> Option<RowId> {
        if let Some(id) = self.one.take() {
            return Some(id);
        }
        loop {
            if let Some(id) = self.ids.next() {
                return Some(*id);
            }
            self.ids = self.parts.next()?.iter();
        }
    }
}
