//! What a timeline has reached: all of its history up to some place in the words of each of its writers.
//!
//! Commits of a timeline come in their order, so a transaction is included when its server's number, its place in the
//! binlog or its offset is at or below the newest that came. Numbers in between may be missing for good: statements on other
//! databases and DDL have some, too. (A replica that commits out of order breaks this: `replica_preserve_commit_order`.)

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Position;
use crate::position::{file_number, highest};

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// The highest number of each source of GTIDs, in the order in which they came.
    gtids: Vec<(String, u64)>,
    binlog: Option<(String, u64)>,
    /// The next offset of each topic's partitions.
    offsets: BTreeMap<String, BTreeMap<i32, i64>>,
}

impl Reached {
    /// Takes note of a commit's position. One that lies behind what was reached changes nothing.
    pub fn advance(&mut self, position: &Position) {
        match position {
            Position::Gtid(gtid) => self.advance_gtids(gtid),
            Position::Binlog { file, offset } => {
                // Files of another name are another server's: places are not compared with the old one's.
                let older = self.binlog_against(file, *offset).is_some_and(Ordering::is_gt);
                if !older {
                    self.binlog = Some((file.clone(), *offset));
                }
            }
            Position::Offset { topic, partition, offset } => {
                let next = self.offsets.entry(topic.clone()).or_default().entry(*partition).or_insert(*offset);
                *next = (*offset).max(*next);
            }
            Position::Local(_) => {}
        }
    }

    fn advance_gtids(&mut self, gtid: &str) {
        // Nearly always one more number of a known server: nothing is allocated then.
        for (source, top) in &mut self.gtids {
            let number = gtid.strip_prefix(source.as_str()).and_then(|rest| rest.strip_prefix(':')?.parse().ok());
            if let Some(number) = number {
                *top = u64::max(*top, number);
                return;
            }
        }
        for (source, number) in highest(gtid).unwrap_or_default() {
            match self.gtids.iter_mut().find(|(known, _)| *known == source) {
                Some((_, top)) => *top = number.max(*top),
                None => self.gtids.push((source, number)),
            }
        }
    }

    fn positions(&self) -> Vec<Position> {
        let gtids = self.gtids.iter().map(|(source, top)| Position::Gtid(gtid(source, *top)));
        let binlog = self.binlog.iter().map(|(file, offset)| Position::Binlog { file: file.clone(), offset: *offset });
        let offsets = self.offsets.iter().flat_map(|(topic, partitions)| {
            let of = |(&partition, &offset)| Position::Offset { topic: topic.clone(), partition, offset };
            partitions.iter().map(of)
        });
        gtids.chain(binlog).chain(offsets).collect()
    }

    /// Whether everything up to `position` is in; of a set of GTIDs each part.
    pub fn includes(&self, position: &Position) -> bool {
        self.compare(position, Ordering::is_ge)
    }

    /// Whether something later than `position` is in, of a set of GTIDs than each part. Where the changes of a transaction
    /// come one by one, this alone says that all of them are in.
    pub fn has_passed(&self, position: &Position) -> bool {
        self.compare(position, Ordering::is_gt)
    }

    fn compare(&self, position: &Position, enough: fn(Ordering) -> bool) -> bool {
        match position {
            Position::Gtid(gtid) => {
                let is_in =
                    |(source, number): &(String, u64)| self.top(source).is_some_and(|top| enough(top.cmp(number)));
                highest(gtid).is_some_and(|parts| parts.iter().all(is_in))
            }
            Position::Binlog { file, offset } => self.binlog_against(file, *offset).is_some_and(enough),
            Position::Offset { topic, partition, offset } => {
                let next = self.offsets.get(topic).and_then(|partitions| partitions.get(partition));
                // Before the first record of a partition there is nothing to wait for.
                enough(next.unwrap_or(&0).cmp(offset))
            }
            Position::Local(_) => true,
        }
    }

    /// Whether a GTID of one of these servers, or any other kind of position, has come.
    pub fn knows(&self, position: &Position) -> bool {
        match position {
            Position::Gtid(gtid) => {
                highest(gtid).is_some_and(|parts| parts.iter().any(|(source, _)| self.top(source).is_some()))
            }
            Position::Binlog { .. } => self.binlog.is_some(),
            Position::Offset { topic, .. } => self.offsets.contains_key(topic),
            Position::Local(_) => true,
        }
    }

    /// The highest number of each source of GTIDs: `uuid` or `uuid:tag`.
    pub fn gtids(&self) -> impl Iterator<Item = (&str, u64)> {
        self.gtids.iter().map(|(source, top)| (source.as_str(), *top))
    }

    /// Whether transactions are told by GTIDs.
    pub fn has_gtids(&self) -> bool {
        !self.gtids.is_empty()
    }

    fn top(&self, source: &str) -> Option<u64> {
        self.gtids.iter().find(|(known, _)| known == source).map(|(_, top)| *top)
    }

    /// How what was reached lies to a place in the binlog; `None` where they are not of one server.
    fn binlog_against(&self, file: &str, offset: u64) -> Option<Ordering> {
        let (reached, reached_offset) = self.binlog.as_ref()?;
        let ((reached_base, reached_number), (base, number)) = (file_number(reached)?, file_number(file)?);
        (reached_base == base).then(|| (reached_number, *reached_offset).cmp(&(number, offset)))
    }
}

/// As MySQL writes it; a MariaDB domain as a GTID of server 0, which no comparison looks at.
fn gtid(source: &str, top: u64) -> String {
    match source.bytes().all(|byte| byte.is_ascii_digit()) {
        true => format!("{source}-0-{top}"),
        false => format!("{source}:{top}"),
    }
}

/// Positions separated by commas, as [`Position`] reads each; a snapshot's place in the binlog is left out where there are GTIDs.
impl std::fmt::Display for Reached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |position: &Position| !(self.has_gtids() && matches!(position, Position::Binlog { .. }));
        for (number, position) in self.positions().iter().filter(|position| shown(position)).enumerate() {
            write!(f, "{}{position}", if number == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "reached_tests.rs"]
mod tests;
