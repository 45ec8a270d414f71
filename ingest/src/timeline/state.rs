//! A timeline that survives its process: all of its state as bytes, and back.
//!
//! A state can be taken at any moment at which everything whole was handed on. There is no offset to go back to and nothing is
//! read twice: whoever goes on from a state with the records that follow hands on what the first timeline would have handed on.
//! Nothing of the process is in it: no clock, no hash of the process's own.

use std::collections::BTreeMap;

use tidewater_delta::TableId;

use super::names::Owner;
use super::{Timeline, Transaction};
use crate::error::{Error, Result};
use crate::saved;

impl Timeline {
    /// Its state.
    ///
    /// # Errors
    /// If changes wait to be handed on: they would be lost.
    pub fn state(&self) -> Result<Vec<u8>> {
        self.is_handed_on()?;
        saved::save(self)
    }

    /// The timeline of a state. Tables have the numbers that `tables` gives for their old ones; those that it does not give are
    /// forgotten.
    ///
    /// # Errors
    /// If the bytes are of another version or damaged.
    pub fn restore(state: &[u8], tables: &BTreeMap<TableId, TableId>) -> Result<Timeline> {
        let mut timeline: Timeline = saved::load(state)?;
        timeline.renumber(tables);
        Ok(timeline)
    }

    /// Its name, as in its commits.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tables that it knows.
    pub fn tables(&self) -> Vec<TableId> {
        self.tables.keys().copied().collect()
    }

    /// Whether the table is shown.
    pub fn is_shown(&self, id: TableId) -> bool {
        self.tables.get(&id).is_some_and(|table| table.shown)
    }

    /// That nothing waits to be handed on.
    pub(crate) fn is_handed_on(&self) -> Result<()> {
        match self.out.is_empty() {
            true => Ok(()),
            false => Err(Error::decode("the timeline has changes that were not handed on")),
        }
    }

    /// Gives the tables other numbers, all at once, and forgets those that have none.
    pub(crate) fn renumber(&mut self, tables: &BTreeMap<TableId, TableId>) {
        for id in self.tables() {
            if !tables.contains_key(&id) {
                self.remove_table(id);
            }
        }
        let new = |id: TableId| tables.get(&id).copied();
        let kept = |id: &mut TableId| new(*id).map(|new| *id = new).is_some();
        self.tables = std::mem::take(&mut self.tables).into_iter().filter_map(|(id, t)| Some((new(id)?, t))).collect();
        for owner in self.owners.values_mut() {
            if let Owner::Tables(tables) = owner {
                tables.retain_mut(kept);
            }
        }
        let held = self.pending.values_mut().chain(self.later.values_mut());
        held.for_each(|transaction| transaction.renumber(kept));
        for table in self.tables.values_mut() {
            table.late.retain_mut(|late| late.renumber(kept));
        }
        self.ends.renumber(kept);
        self.alone.retain_mut(|change| kept(&mut change.table));
        if let Some(merging) = &mut self.merging {
            merging.changes.retain_mut(|change| kept(&mut change.table));
            merging.until.retain_mut(|(id, ..)| kept(id));
            merging.snapshots.retain_mut(kept);
        }
    }
}

impl Transaction {
    fn renumber(&mut self, kept: impl Fn(&mut TableId) -> bool) {
        self.parts.retain_mut(|part| kept(&mut part.table));
    }
}

#[cfg(test)]
mod tests {
    use tidewater_delta::{Op, RowBuilder, Width};

    use super::*;
    use crate::event::{Boundary, Event, Operation, Origin, Snapshot, TransactionRef};
    use crate::source::OnError;
    use crate::timeline::{Bounds, Place, TableSpec};

    const TABLES: [TableId; 2] = [TableId(1), TableId(2)];

    /// A transaction of both tables waits for its END; one table has one partition and is shown, the other has two and is not.
    fn timeline() -> Timeline {
        let mut timeline = Timeline::new("shop.transaction", true);
        timeline.begin_boundaries(0, 0);
        for (at, id) in TABLES.into_iter().enumerate() {
            let partitions =
                (0..=at as i32).map(|partition| Bounds { partition, low: 0, end: at as i64 * 9 }).collect();
            let topic = format!("shop.shop.t{at}").into();
            let (keyed, on_error) = (at == 0, OnError::Stall);
            let spec = TableSpec { topic, keyed, on_error, collection: None, compacted: false, partitions };
            timeline.add_table(id, spec);
            timeline.ends(&[(id, 0, at as i64 * 9)]);
            timeline.release();
        }
        let id: std::sync::Arc<str> = "aaaa:1".into();
        timeline.boundary(0, 1, Boundary::Begin { id: id.clone(), ts_ms: 1 });
        let mut builder = RowBuilder::new(vec![Width::Fixed, Width::Variable]);
        for (at, table) in TABLES.into_iter().enumerate() {
            builder.set_slot(0, at as u64);
            builder.set_tail(1, b"a row");
            let row = builder.take();
            let order = at as u64 + 1;
            let transaction = TransactionRef { id: id.clone(), total_order: order, data_collection_order: 1 };
            let origin = Origin {
                snapshot: Snapshot::No,
                collection: format!("shop.t{at}").into(),
                server_id: 1,
                file: "binlog.000001".into(),
                pos: 4 + order,
                row: 0,
                gtid: Some(id.clone()),
                ts_ms: 1,
                transaction: Some(transaction),
            };
            let op = if at == 0 { Op::Upsert(row) } else { Op::Insert(row) };
            let place = Place { partition: 0, offset: 0, timestamp_ms: 1 };
            timeline.event(
                table,
                place,
                Event { operation: Operation::Create, ops: smallvec::smallvec![op], origin, key_change: None },
            );
        }
        timeline.release();
        timeline
    }

    #[test]
    fn a_state_with_changes_that_wait_to_be_handed_on_is_none() {
        let mut timeline = timeline();
        timeline.state().expect("all was handed on");
        timeline.base(TABLES[1], vec![Op::Truncate]);
        timeline.state().expect_err("a TRUNCATE waits");
    }

    #[test]
    fn tables_may_take_each_others_numbers() {
        let state = timeline().state().expect("bytes");
        let [first, second] = TABLES;
        let there = Timeline::restore(&state, &BTreeMap::from([(first, second), (second, first)])).expect("a state");
        assert!(there.is_shown(second) && !there.is_shown(first));
        let back = there.state().expect("bytes");
        let back = Timeline::restore(&back, &BTreeMap::from([(first, second), (second, first)])).expect("a state");
        assert!(back.is_shown(first) && !back.is_shown(second));
        let alone = Timeline::restore(&state, &BTreeMap::from([(second, first)])).expect("a state");
        assert_eq!(alone.tables(), [first]);
        assert!(!alone.pending.values().any(|found| found.part_of(first).is_some() && found.part_of(second).is_some()));
    }

    /// Bytes that a checksum was made for are read as they are, whoever wrote them.
    #[test]
    fn no_bytes_make_it_panic_or_allocate_what_they_do_not_hold() {
        let state = timeline().state().expect("bytes");
        let same = BTreeMap::from(TABLES.map(|id| (id, id)));
        for at in 8..state.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff, state[at] ^ 1] {
                let mut other = state.clone();
                other[at] = value;
                let sum = crc32fast::hash(&other[8..]);
                other[4..8].copy_from_slice(&sum.to_le_bytes());
                let _ = Timeline::restore(&other, &same);
            }
        }
    }
}
