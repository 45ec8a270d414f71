//! Indexed state: rows stored once, with indexes of row ids (SQL users see an *index*).
//!
//! Within a tick an arrangement remembers the weight that each touched row had before. So its delta is at hand, both versions
//! of it can be read, and rows that left stay readable by id until [`Arrangement::end_tick`].

use std::sync::OnceLock;

use rustc_hash::{FxHashMap, FxHashSet};
use tidewater_delta::{KeyColumn, RowRef, Weight, same_key};
use tidewater_types::SqlError;

use crate::arena::{Arena, Limit, ROW_BYTES, RowId, Snapshot};
use crate::index::{Ids, Index, OrderColumn, Probe, Slot};
use crate::shape::Shape;
use crate::warm::{Batch, warm, warm_rows};
use crate::watch::Left;

/// Which state of an arrangement to read during a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// Before this tick.
    Old,
    /// After this tick's changes, as far as they have been applied.
    New,
}

/// Touched rows for which the list keeps its room between ticks.
const TOUCHED_KEPT: usize = 1 << 16;

/// What an arrangement with a key holds for the key of some row.
struct There {
    slot: Slot,
    /// The very row with its weight, which may be zero.
    same: Option<(RowId, Weight)>,
    /// The row that is there now.
    current: Option<(RowId, Weight)>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Arrangement {
    pub(crate) shape: Shape,
    /// The columns that identify a row, if any do.
    pub(crate) key: Option<Vec<KeyColumn>>,
    /// The key's columns in a row that has no others.
    key_alone: Vec<KeyColumn>,
    pub(crate) arena: Arena,
    /// The first finds a row by its identity, by key or by all of its bytes, unless `identity` names another.
    pub(crate) indexes: Vec<Index>,
    /// The index by which a row's identity is found. Without a key it is the first that has an order: a row has one place in it. The
    /// index by all bytes is not kept then.
    identity: usize,
    /// Indexes that do not hold all rows yet: the number of each, and of the first chunk whose rows are not in it.
    pub(crate) unfilled: Vec<(usize, usize)>,
    /// Whether another node reads the delta; where none does, a row may be written over.
    pub(crate) is_read: bool,
    /// Weight before the tick of each row touched in it, in the order in which they were: a row that comes in another's place is
    /// right behind that one.
    touched: Vec<(RowId, Weight)>,
    /// The same by row, made when it is asked for first; most joins never read what was.
    before: OnceLock<FxHashMap<RowId, Weight>>,
    /// Rows that have no value but an error, with multiplicities. Every reader of the arrangement gets one of them instead.
    errors: FxHashMap<SqlError, Weight>,
    /// Why it holds nothing any more: its readers get this until it is made anew.
    failure: Option<SqlError>,
    /// What readers see while a moment is held ([`crate::held`]).
    pub(crate) held: Option<Box<Held>>,
    /// Rows of the held moment that have left since: they stay in the indexes, where its readers find them.
    pub(crate) leaving: FxHashSet<RowId>,
    /// Those of the moment that was let go, still to be taken out.
    pub(crate) sweeping: std::collections::hash_set::IntoIter<RowId>,
    /// Rows that left the indexes lately, for those who watch ([`crate::watch`]).
    pub(crate) left: Left,
}

/// An arrangement at the held moment.
#[derive(Debug)]
pub(crate) struct Held {
    /// Its rows, if somebody may read them.
    pub(crate) rows: Option<Snapshot>,
    pub(crate) error: Option<SqlError>,
}

impl Arrangement {
    pub(crate) fn new(shape: Shape, key: Option<&[usize]>) -> Self {
        let key: Option<Vec<_>> =
            key.map(|key| key.iter().map(|&column| KeyColumn::new(column, &shape.widths)).collect());
        let identity = match &key {
            Some(key) => Index::new(key.clone(), Vec::new(), shape.clone()),
            None => Index::whole_row(shape.clone()),
        };
        let alone = |(column, part): (usize, &KeyColumn)| KeyColumn { column, tail: part.tail };
        let key_alone = key.iter().flatten().enumerate().map(alone).collect();
        Arrangement {
            shape,
            key,
            key_alone,
            arena: Arena::default(),
            indexes: vec![identity],
            identity: 0,
            unfilled: Vec::new(),
            is_read: false,
            touched: Vec::new(),
            before: OnceLock::new(),
            errors: FxHashMap::default(),
            failure: None,
            held: None,
            leaving: FxHashSet::default(),
            sweeping: FxHashSet::default().into_iter(),
            left: Left::default(),
        }
    }

    /// The number of an index by `key` whose rows are in `order` (empty: any order). A new one is empty until
    /// [`Arrangement::fill_index`] has been through all chunks, unless there are no rows.
    pub(crate) fn index(&mut self, key: &[usize], order: &[OrderColumn]) -> usize {
        let key: Vec<_> = key.iter().map(|&column| KeyColumn::new(column, &self.shape.widths)).collect();
        let identity_fits = self.key.as_ref() == Some(&key);
        let fits = |(number, index): &(usize, &Index)| {
            index.key == key && (order.is_empty() || index.order == order) && (*number > 0 || identity_fits)
        };
        if let Some((number, _)) = self.indexes.iter().enumerate().find(fits) {
            return number;
        }
        self.indexes.push(Index::new(key, order.to_vec(), self.shape.clone()));
        let number = self.indexes.len() - 1;
        if self.arena.chunks() > 0 {
            self.unfilled.push((number, 0));
        }
        self.choose_identity();
        number
    }

    /// Does without the index by all bytes once another can tell rows apart.
    pub(crate) fn choose_identity(&mut self) {
        let tells = |&number: &usize| !self.indexes[number].order.is_empty() && self.is_filled(number);
        if self.key.is_none()
            && self.identity == 0
            && let Some(number) = (1..self.indexes.len()).find(tells)
        {
            self.identity = number;
            self.indexes[0].clear();
            self.unfilled.retain(|(index, _)| *index != 0);
        }
    }

    /// Whether an index is kept.
    pub(crate) fn is_kept(&self, index: usize) -> bool {
        index > 0 || self.identity == 0
    }

    /// Whether an index holds all rows.
    pub(crate) fn is_filled(&self, index: usize) -> bool {
        self.unfilled.iter().all(|(number, _)| *number != index)
    }

    /// Puts the rows of one more chunk into an index that does not hold all yet; false once there is none.
    pub(crate) fn fill_index(&mut self) -> bool {
        let Some((index, chunk)) = self.unfilled.first_mut() else { return false };
        for (id, _) in self.arena.chunk_ids(*chunk) {
            self.indexes[*index].insert(&self.arena, id);
        }
        *chunk += 1;
        if *chunk == self.arena.chunks() {
            self.unfilled.remove(0);
            self.choose_identity();
        }
        true
    }

    /// The indexes that hold the rows of a chunk, by number.
    fn indexes_of(&mut self, chunk: usize) -> impl Iterator<Item = (usize, &mut Index, &Arena)> {
        let (unfilled, arena, first) = (&self.unfilled, &self.arena, usize::from(self.identity > 0));
        let holds = move |number: usize| unfilled.iter().all(|&(index, filled)| index != number || chunk < filled);
        let kept = self.indexes.iter_mut().enumerate().skip(first);
        kept.filter(move |(number, _)| holds(*number)).map(move |(number, index)| (number, index, arena))
    }

    /// The place of a row's identity, and without a key the very row, if it is there.
    fn identify(&self, row: RowRef<'_>) -> (Slot, Option<RowId>) {
        let index = &self.indexes[self.identity];
        let slot = index.slot(&self.arena, row);
        let same = match self.identity {
            0 => index.slot_ids(slot).find(|&id| self.arena.row(id) == row),
            _ => index.find_equal(slot, &self.arena, row),
        };
        (slot, same)
    }

    /// Changes the weight of `row`, storing it if it is new.
    pub(crate) fn update(&mut self, row: RowRef<'_>, weight: Weight) {
        match self.identify(row) {
            (_, Some(id)) => self.add_weight(id, weight),
            (slot, None) => self.store(slot, row, weight),
        }
    }

    /// Makes `row`, with this weight, the only one that has its key, whichever it was before.
    pub(crate) fn replace(&mut self, row: RowRef<'_>, weight: Weight) {
        let there = self.find_same(row);
        self.put(there, row, weight);
    }

    /// [`Arrangement::replace`] where a row has the key now; false, and nothing is done, where none has.
    pub(crate) fn exchange(&mut self, row: RowRef<'_>, weight: Weight) -> bool {
        let there = self.find_same(row);
        let exists = there.current.is_some();
        if exists {
            self.put(there, row, weight);
        }
        exists
    }

    fn find_same(&self, row: RowRef<'_>) -> There {
        let slot = self.indexes[0].slot(&self.arena, row);
        let mut there = There { slot, same: None, current: None };
        for id in self.indexes[0].slot_ids(slot) {
            let weight = self.arena.weight(id);
            if weight > 0 {
                there.current = Some((id, weight));
            }
            if self.arena.row(id) == row {
                there.same = Some((id, weight));
            }
        }
        there
    }

    fn put(&mut self, there: There, row: RowRef<'_>, weight: Weight) {
        if let (Some((id, before)), None) = (there.current, there.same)
            && before == weight
            && !self.is_read
            && self.takes_place_of(row, id)
            && self.arena.overwrite(id, row)
        {
            return;
        }
        // The row that leaves goes first.
        if let Some((id, before)) = there.current
            && there.same.is_none_or(|(same, _)| same != id)
        {
            self.add_weight(id, -before);
        }
        match there.same {
            Some((id, before)) if before != weight => self.add_weight(id, weight - before),
            None if weight != 0 => self.store(there.slot, row, weight),
            _ => {}
        }
    }

    /// Whether every index finds `row` where it finds the stored one.
    fn takes_place_of(&self, row: RowRef<'_>, id: RowId) -> bool {
        let old = self.arena.row(id);
        self.indexes[1..].iter().all(|index| index.order.is_empty() && same_key(old, &index.key, row, &index.key))
    }

    /// Stores a row that is not there. The slot is that of its identity.
    fn store(&mut self, slot: Slot, row: RowRef<'_>, weight: Weight) {
        let id = match self.arena.insert(row, weight) {
            Ok(id) => id,
            Err(limit) => return self.fail(limit_error(limit, row.bytes().len())),
        };
        self.remember(id, 0);
        let identity = self.identity;
        for (number, index, arena) in self.indexes_of(id.chunk()) {
            let slot = if number == identity { slot } else { index.slot(arena, row) };
            index.insert_at(slot, arena, id);
        }
    }

    /// Changes the weight of a stored row.
    pub(crate) fn add_weight(&mut self, id: RowId, weight: Weight) {
        match self.arena.change_weight(id, weight) {
            Ok(Some(before)) => self.remember(id, before),
            Ok(None) => {}
            Err(limit) => self.fail(limit_error(limit, 0)),
        }
    }

    /// Gives up: from the end of the tick on it holds no rows, and all who read it, through other nodes too, get this error. Others go on.
    pub(crate) fn fail(&mut self, error: SqlError) {
        self.failure.get_or_insert(error);
    }

    /// [`Arrangement::fail`] where weights are beyond 64 bits.
    pub(crate) fn fail_by_weight(&mut self) {
        self.fail(limit_error(Limit::Weight, 0));
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    fn remember(&mut self, id: RowId, before: Weight) {
        self.before.take();
        self.touched.push((id, before));
    }

    /// See [`warm`]: for rows that are about to be put in.
    pub(crate) fn warm_rows<'a>(&self, rows: impl Iterator<Item = RowRef<'a>> + Clone) {
        let kept = self.indexes.iter().skip(usize::from(!self.is_kept(0)));
        kept.for_each(|index| warm_rows(index, &self.arena, rows.clone()));
    }

    /// See [`warm`]: for keys of an index.
    pub(crate) fn warm(&self, index: usize, hashes: impl Iterator<Item = Option<u32>>) -> Batch<Option<RowId>> {
        warm(&self.indexes[index], &self.arena, hashes)
    }

    /// The row that has the key of `row`, which has the key columns in their places, if there is one now; without a key the very row.
    pub(crate) fn current(&self, row: RowRef<'_>) -> Option<RowId> {
        let is_there = |id: &RowId| self.arena.weight(*id) > 0;
        match self.key {
            Some(_) => self.indexes[0].same_key_as(&self.arena, row).find(is_there),
            None => self.identify(row).1.filter(is_there),
        }
    }

    /// The row that has this key, a row of the key's columns only, if there is one now.
    pub(crate) fn by_key(&self, key: RowRef<'_>) -> Option<RowId> {
        self.indexes[0].with_key(&self.arena, key, &self.key_alone).find(|&id| self.arena.weight(id) > 0)
    }

    /// Weight of a row in a version.
    #[inline]
    pub(crate) fn weight(&self, id: RowId, version: Version) -> Weight {
        match version {
            Version::New => self.arena.weight(id),
            Version::Old if self.arena.is_touched(id) => {
                let before = self.before.get_or_init(|| self.touched.iter().copied().collect());
                before.get(&id).copied().unwrap_or(0)
            }
            Version::Old => self.arena.weight(id),
        }
    }

    #[inline]
    pub(crate) fn probe(&self, index: usize, probe: Probe<'_>) -> Ids<'_> {
        self.indexes[index].probe(&self.arena, probe)
    }

    /// Whether a probe of an index finds `row`.
    pub(crate) fn has_key(&self, index: usize, row: RowRef<'_>, probe: Probe<'_>) -> bool {
        probe.hash().is_some() && probe.matches(row, &self.indexes[index].key)
    }

    /// The rows whose key in an index is `row`, which has the key's columns only.
    pub(crate) fn lookup(&self, index: usize, row: RowRef<'_>) -> Ids<'_> {
        self.find(index, row, &self.key_columns(index).1)
    }

    /// The columns of an index in a row of the node, and in a row that has no others.
    pub(crate) fn key_columns(&self, index: usize) -> (Vec<KeyColumn>, Vec<KeyColumn>) {
        let alone = |(column, part): (usize, &KeyColumn)| KeyColumn { column, tail: part.tail };
        let key = &self.indexes[index].key;
        (key.clone(), key.iter().enumerate().map(alone).collect())
    }

    /// Whether the rows are those of an earlier moment. They may be where this says that they are not.
    pub(crate) fn is_of(&self, moment: &Snapshot) -> bool {
        self.held.is_none() && moment.is_of(&self.arena)
    }

    pub(crate) fn find(&self, index: usize, row: RowRef<'_>, columns: &[KeyColumn]) -> Ids<'_> {
        self.indexes[index].with_key(&self.arena, row, columns)
    }

    /// What this tick changed so far: rows with the difference of their weights, never zero.
    pub(crate) fn delta(&self) -> impl Iterator<Item = (RowId, Weight)> {
        // Neither is negative but where one left that never came, which ends in an error.
        let difference = |&(id, before): &(RowId, Weight)| (id, self.arena.weight(id).saturating_sub(before));
        self.touched.iter().map(difference).filter(|(_, weight)| *weight != 0)
    }

    pub(crate) fn is_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    pub(crate) fn add_error(&mut self, error: SqlError, weight: Weight) {
        let entry = self.errors.entry(error);
        match entry {
            std::collections::hash_map::Entry::Occupied(mut entry) => {
                *entry.get_mut() += weight;
                if *entry.get() == 0 {
                    entry.remove();
                }
            }
            std::collections::hash_map::Entry::Vacant(entry) => drop(entry.insert(weight)),
        }
    }

    /// The least error of the rows without a value, so that every reader sees the same one.
    pub(crate) fn error(&self) -> Option<&SqlError> {
        match &self.held {
            Some(held) => held.error.as_ref(),
            None => self.failure.as_ref().or_else(|| self.errors.keys().min()),
        }
    }

    /// Whether [`Arrangement::error`] may tell one.
    pub(crate) fn has_error(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.error.is_some()) || self.failure.is_some() || !self.errors.is_empty()
    }

    /// Forgets the tick: rows of weight zero leave.
    pub(crate) fn end_tick(&mut self) {
        if self.touched.is_empty() && self.failure.is_none() {
            return;
        }
        self.before.take();
        let mut touched = std::mem::take(&mut self.touched);
        let (mut gone, mut negative) = (false, false);
        for (id, _) in touched.drain(..) {
            let weight = self.arena.untouch(id);
            negative |= weight < 0;
            if weight != 0 {
                continue;
            }
            if self.held_rows().is_some_and(|rows| rows.get(id).is_some()) {
                self.leaving.insert(id);
            } else {
                self.take_out(id);
                gone = true;
            }
        }
        // A list for the next tick, but not for ever one as long as the longest.
        if touched.capacity() <= TOUCHED_KEPT {
            self.touched = touched;
        }
        if negative {
            let message = "a row of this view left more often than it came, which is a bug";
            self.fail(SqlError::new(b"XX000", message).hint("make the view anew, and report it"));
        }
        if self.failure.is_some() {
            self.give_up();
        } else if gone {
            self.tidy();
        }
    }

    /// Lets go of all rows.
    fn give_up(&mut self) {
        let is_held = self.arena.is_held;
        self.arena = Arena::default();
        self.arena.is_held = is_held;
        self.indexes.iter_mut().for_each(Index::clear);
        self.unfilled.clear();
        self.errors.clear();
        self.leaving.clear();
        self.sweeping = FxHashSet::default().into_iter();
        self.left.lose();
    }

    /// Gives memory back after a large deletion.
    pub(crate) fn tidy(&mut self) {
        self.arena.tidy();
        self.indexes.iter_mut().for_each(Index::tidy);
    }

    /// Removes a row of weight zero from all indexes; its place is free then.
    pub(crate) fn take_out(&mut self, id: RowId) {
        self.indexes_of(id.chunk()).for_each(|(_, index, arena)| index.remove(arena, id));
        self.arena.remove(id);
        self.left.note(id);
    }

    fn held_rows(&self) -> Option<&Snapshot> {
        self.held.as_ref()?.rows.as_ref()
    }

    /// The rows that readers see.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.held_rows().cloned().unwrap_or_else(|| self.arena.snapshot())
    }

    /// A row that an index led to, with its weight, if readers see it.
    pub(crate) fn shown(&self, id: RowId) -> Option<(RowRef<'_>, Weight)> {
        match self.held_rows() {
            Some(rows) => rows.get(id),
            None => Some((self.arena.row(id), self.arena.weight(id))).filter(|(_, weight)| *weight > 0),
        }
    }

    /// Distinct rows stored, those of weight zero included.
    pub(crate) fn rows(&self) -> usize {
        self.arena.rows()
    }

    /// Distinct rows that readers see, approximately.
    pub(crate) fn rows_shown(&self) -> usize {
        self.held_rows().map_or_else(|| self.rows(), Snapshot::len)
    }

    /// Bytes of rows and indexes, approximately.
    pub(crate) fn bytes(&self) -> usize {
        self.arena.bytes() + self.indexes.iter().map(Index::bytes).sum::<usize>()
    }

    /// Whether nothing is left: no row, no key in any index, no error.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows() == 0 && self.errors.is_empty() && self.indexes.iter().all(|index| index.keys() == 0)
    }
}

fn limit_error(limit: Limit, bytes: usize) -> SqlError {
    match limit {
        Limit::Rows => SqlError::new(b"53100", "too many rows: a table or view holds at most 16 GiB")
            .hint("drop it, or make it anew with fewer rows or columns"),
        Limit::Row => row_too_big(bytes),
        Limit::Weight => SqlError::new(b"54000", "a row occurs more than 2^63 times"),
    }
}

/// The error that a computed row is too long.
pub(crate) fn row_too_big(bytes: usize) -> SqlError {
    SqlError::new(b"54000", format!("row is too big: size {bytes}, maximum size {}", ROW_BYTES - 1))
}
