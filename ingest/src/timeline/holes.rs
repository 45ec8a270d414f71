//! What Kafka's compaction took of a partition, as far as that is told: offsets at which no record lies.
//!
//! An END may be there to read before the events that it counts, which lie in other topics: that all was read which these held
//! when they were asked does not say that nothing more comes. Compaction takes a record only for a later one of its key, which
//! lies in the same partition. So what a transaction lacks was taken where offsets are missing at its place, with a record behind
//! them; or, where nothing tells its place, when every partition went on with later transactions.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Timeline;
use super::ends::Ends;

/// Holes that are kept a partition: those of a table that is not shown are hardly ever asked for.
const KEPT: usize = 4096;

/// Longer than an event is on its way whose END is there already, unless the connector stands still.
const ON_ITS_WAY_MS: i64 = 10_000;

/// The holes of a partition whose transactions are not all released.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Holes(VecDeque<Hole>);

#[derive(Debug, Serialize, Deserialize)]
struct Hole {
    /// Missing offsets that no released transaction lacked.
    size: u64,
    /// The transaction of the newest event before it.
    before: Option<Arc<str>>,
    /// That of the first event behind it, once one has come.
    behind: Option<Arc<str>>,
    /// Which reading of the topics' ends, asked since, tells before where all lies that replaced what lay there.
    replaced: Option<u64>,
}

impl Hole {
    /// Whether it lies behind all events of the oldest transaction. `waits` says whether a transaction is not released.
    fn is_later(&self, oldest: &Arc<str>, waits: impl Fn(&Arc<str>) -> bool) -> bool {
        self.before.as_ref().is_some_and(|before| before != oldest && waits(before))
    }

    /// Whether it lies before them.
    fn is_earlier(&self, oldest: &Arc<str>, waits: impl Fn(&Arc<str>) -> bool) -> bool {
        self.behind.as_ref().is_some_and(|behind| behind != oldest && !waits(behind))
    }
}

impl Holes {
    /// A record came `size` offsets behind the one before it.
    pub(crate) fn add(&mut self, size: u64, before: Option<Arc<str>>) {
        self.0.push_back(Hole { size, before, behind: None, replaced: None });
        // The oldest two become one, which may be of more transactions than they were.
        if self.0.len() > KEPT
            && let Some(first) = self.0.pop_front()
            && let Some(second) = self.0.front_mut()
        {
            (second.size, second.before) = (second.size + first.size, first.before);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An event of `transaction` came for the first time.
    pub(crate) fn close(&mut self, transaction: &Arc<str>) {
        for hole in self.0.iter_mut().rev().take_while(|hole| hole.behind.is_none()) {
            hole.behind = Some(transaction.clone());
        }
    }

    /// How many events of the oldest transaction may have been taken.
    pub(crate) fn of(&self, oldest: &Arc<str>, waits: impl Fn(&Arc<str>) -> bool) -> u64 {
        let near = self.0.iter().take_while(|hole| !hole.is_later(oldest, &waits));
        near.filter(|hole| !hole.is_earlier(oldest, &waits)).map(|hole| hole.size).sum()
    }

    /// Whether all was read that replaced what the oldest transaction lacks. One reading of the ends serves all holes.
    pub(crate) fn are_replaced(
        &mut self,
        oldest: &Arc<str>,
        waits: impl Fn(&Arc<str>) -> bool,
        ends: &mut Ends,
    ) -> bool {
        let near = self.0.iter().take_while(|hole| !hole.is_later(oldest, &waits));
        if near.clone().any(|hole| hole.replaced.is_none()) {
            for hole in &mut self.0 {
                ends.behind(&mut hole.replaced);
            }
            return false;
        }
        near.into_iter().filter_map(|hole| hole.replaced).all(|number| ends.is_behind(number))
    }

    /// The first hole that events of the oldest transaction may have been taken from.
    fn first(&mut self, oldest: &Arc<str>, waits: impl Fn(&Arc<str>) -> bool) -> Option<&mut Hole> {
        let mut near = self.0.iter_mut().take_while(|hole| !hole.is_later(oldest, &waits));
        near.find(|hole| hole.size > 0 && !hole.is_earlier(oldest, &waits))
    }

    /// Forgets what no transaction that follows can lack.
    fn forget(&mut self, oldest: &Arc<str>, waits: impl Fn(&Arc<str>) -> bool) {
        let is_over = |hole: &mut Hole| {
            hole.size == 0 || hole.behind.as_ref().is_some_and(|behind| behind == oldest || !waits(behind))
        };
        while self.0.pop_front_if(is_over).is_some() {}
    }
}

/// The oldest transaction is released, which lacks so many events of these partitions. They may be of several holes: first of those
/// that the fewest of the transactions that follow can lack something of. `turn` says when a transaction is released.
pub(crate) fn release(
    mut partitions: Vec<&mut Holes>,
    oldest: &Arc<str>,
    missing: u64,
    waits: impl Fn(&Arc<str>) -> bool,
    turn: impl Fn(&Arc<str>) -> usize,
) {
    let mut left = missing;
    while left > 0 {
        let until = |hole: &&mut Hole| hole.behind.as_ref().map_or(usize::MAX, &turn);
        let open = partitions.iter_mut().filter_map(|holes| holes.first(oldest, &waits));
        let Some(hole) = open.min_by_key(until) else { break };
        let taken = left.min(hole.size);
        (left, hole.size) = (left - taken, hole.size - taken);
    }
    partitions.into_iter().for_each(|holes| holes.forget(oldest, &waits));
}

impl Timeline {
    /// Whether nothing more comes of a released transaction which the database committed then, in a compacted topic that was
    /// read to its end: it is not one of the newest, or all rests.
    pub(super) fn is_long_past(&self, committed_ms: i64) -> bool {
        self.quiet || self.reached.as_ref().is_none_or(|(_, reached_ms)| committed_ms + ON_ITS_WAY_MS <= *reached_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(id: &Arc<str>) -> usize {
        usize::from(id.as_bytes()[2] - b'0')
    }

    #[test]
    fn of_two_partitions_the_hole_that_ends_first_is_taken_from_first() {
        let ids: Vec<Arc<str>> = (0..5).map(|number| format!("u:{number}").into()).collect();
        let mut all = [3, 2].map(|behind: usize| {
            let mut holes = Holes::default();
            holes.add(1, Some(ids[0].clone()));
            holes.close(&ids[behind]);
            holes
        });
        release(all.iter_mut().collect(), &ids[1], 1, |id| turn(id) > 1, turn);
        let left = all.map(|holes| holes.of(&ids[3], |id| turn(id) > 3));
        assert_eq!(left, [1, 0], "the other can only be of transactions 1 and 2");
    }

    #[test]
    fn a_hole_is_of_the_transactions_about_it() {
        let ids: Vec<Arc<str>> = (0..6).map(|number| format!("u:{number}").into()).collect();
        let mut holes = Holes::default();
        holes.add(3, Some(ids[1].clone()));
        holes.close(&ids[4]);
        holes.add(1, Some(ids[4].clone()));
        // 1 has its events before the hole and may have more in it; 5 lies behind what came.
        let waits = |from: usize| move |id: &Arc<str>| turn(id) >= from;
        assert_eq!(holes.of(&ids[0], waits(1)), 0, "it lies before transaction 1");
        assert_eq!(holes.of(&ids[1], waits(2)), 3);
        release(vec![&mut holes], &ids[1], 1, waits(2), turn);
        assert_eq!(holes.of(&ids[2], waits(3)), 2);
        release(vec![&mut holes], &ids[2], 3, waits(3), turn);
        assert_eq!(holes.of(&ids[3], waits(4)), 0, "two of three");
        release(vec![&mut holes], &ids[3], 0, waits(4), turn);
        assert_eq!(holes.of(&ids[4], waits(5)), 1, "behind its own events");
        holes.close(&ids[5]);
        release(vec![&mut holes], &ids[4], 0, waits(5), turn);
        assert_eq!(holes.of(&ids[5], waits(6)), 1);
        release(vec![&mut holes], &ids[5], 0, waits(6), turn);
        assert!(holes.0.is_empty());
    }
}
