//! Readings of the topics' ends: proof that nothing more comes of what was written before.
//!
//! Records of one transaction become visible in several topics in any order. Where absence is to be concluded (a collection
//! is of no table of ours, nothing more comes of a transaction), the reader is asked for the present ends of all partitions,
//! and the conclusion is drawn when all are read up to there.

use delta::TableId;

use super::Timeline;

/// Which readings were asked for, and which are behind us. They are numbered from 1.
#[derive(Debug, Default)]
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

impl Timeline {
    /// Whether the reader is to tell the present ends of all partitions of all tables.
    pub fn wants_ends(&self) -> bool {
        self.ends.needed > self.ends.begun && self.ends.begun == self.ends.passed
    }

    /// The answer: table, partition and the offset behind its last record.
    pub fn ends(&mut self, ends: &[(TableId, i32, i64)]) {
        if self.wants_ends() {
            self.ends.begun += 1;
            self.ends.open = ends.to_vec();
        }
    }

    pub(super) fn check_ends(&mut self) {
        if self.ends.begun == self.ends.passed {
            return;
        }
        let tables = &self.tables;
        self.ends.open.retain(|(id, partition, end)| {
            let partition = tables.get(id).and_then(|table| table.partitions.get(partition));
            partition.is_some_and(|partition| partition.next < *end)
        });
        if self.ends.open.is_empty() {
            self.ends.passed = self.ends.begun;
        }
    }
}
