//! Readings of the topics' ends: proof that nothing more comes of what was written before.
//!
//! Records of one transaction become visible in several topics in any order. Where absence is to be concluded (a collection
//! is of no table of ours, nothing more comes of a transaction), the reader is asked for the present ends of all partitions,
//! and the conclusion is drawn when all are read up to there.

use serde::{Deserialize, Serialize};
use tidewater_delta::TableId;

use super::Timeline;
use super::partition::UNTOLD;

/// Which readings were asked for, and which are behind us. They are numbered from 1.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Ends {
    /// The newest one that something waits for.
    needed: u64,
    /// The newest one that was begun.
    begun: u64,
    /// The newest one that is behind us.
    passed: u64,
    /// Of the one under way: what is still to be read.
    open: Vec<(TableId, i32, i64)>,
}

impl Ends {
    /// Whether everything that was there when this was first asked with `slot` is read by now.
    pub(crate) fn behind(&mut self, slot: &mut Option<u64>) -> bool {
        let number = *slot.get_or_insert(self.begun + 1);
        self.needed = self.needed.max(number);
        self.passed >= number
    }
}

impl Ends {
    /// Gives tables other numbers; of those that have none nothing is waited for.
    pub(crate) fn renumber(&mut self, kept: impl Fn(&mut TableId) -> bool) {
        self.open.retain_mut(|(id, ..)| kept(id));
    }

    /// Whether the reading of this number is behind us.
    pub(crate) fn is_behind(&self, number: u64) -> bool {
        self.passed >= number
    }
}

/// The same for one table that is not shown, which may be far from its end: nobody else waits for it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Fence {
    wanted: bool,
    open: Option<Vec<(i32, i64)>>,
}

impl Fence {
    /// Whether the table was read to where it ended after this was first asked.
    pub(crate) fn is_behind(&mut self) -> bool {
        self.wanted = self.wanted || self.open.is_none();
        self.open.as_ref().is_some_and(Vec::is_empty)
    }

    fn is_open(&self) -> bool {
        self.wanted && self.open.as_ref().is_none_or(|open| !open.is_empty())
    }

    /// Something has come that asks for its end again.
    pub(crate) fn renew(&mut self) {
        *self = Fence::default();
    }
}

impl Timeline {
    fn wants_fences(&self) -> bool {
        let untold =
            |table: &super::table::Table| table.partitions.values().any(|partition| partition.horizon == UNTOLD);
        self.tables.values().any(|table| table.fence.wanted && table.fence.open.is_none() || untold(table))
    }

    /// Whether nothing waits for a reading of the ends, of all topics or of a table's.
    pub(super) fn awaits_no_ends(&self) -> bool {
        self.ends.needed <= self.ends.passed && !self.tables.values().any(|table| table.fence.is_open())
    }

    /// Whether the reader is to tell the present ends of all partitions of all tables.
    pub fn wants_ends(&self) -> bool {
        self.ends.needed > self.ends.begun && self.ends.begun == self.ends.passed || self.wants_fences()
    }

    /// The answer: table, partition and the offset behind its last record.
    pub fn ends(&mut self, ends: &[(TableId, i32, i64)]) {
        for (id, number, end) in ends {
            let partition = self.tables.get_mut(id).and_then(|table| table.partitions.get_mut(number));
            partition
                .filter(|partition| partition.horizon == UNTOLD)
                .into_iter()
                .for_each(|found| found.horizon = *end);
        }
        for (id, table) in self.tables.iter_mut().filter(|(_, table)| table.fence.wanted && table.fence.open.is_none())
        {
            let own = ends.iter().filter(|(of, ..)| of == id).map(|(_, partition, end)| (*partition, *end));
            let own: Vec<_> = own.collect();
            table.fence.open = Some(own);
        }
        if self.ends.needed > self.ends.begun && self.ends.begun == self.ends.passed {
            self.ends.begun += 1;
            self.ends.open = ends.to_vec();
        }
    }

    pub(super) fn check_ends(&mut self) {
        for table in self.tables.values_mut() {
            let partitions = &table.partitions;
            let unread = |(number, end): &(i32, i64)| partitions.get(number).is_some_and(|found| found.next < *end);
            if let Some(open) = &mut table.fence.open {
                open.retain(unread);
            }
        }
        if self.ends.begun == self.ends.passed {
            return;
        }
        let tables = &self.tables;
        self.ends.open.retain(|(id, partition, end)| {
            // Nothing of a table that is not shown holds others back.
            let partition = tables.get(id).filter(|table| table.live).and_then(|table| table.partitions.get(partition));
            partition.is_some_and(|partition| partition.next < *end)
        });
        if self.ends.open.is_empty() {
            self.ends.passed = self.ends.begun;
        }
    }
}
