//! What a table is about, for users.

use tidewater_delta::TableId;

use super::Timeline;
use super::hydrate::AGAIN;
use super::judge::place;
use crate::source::{Health, OnError, State};

/// What makes a log whole again.
const ANEW: &str = "DROP SOURCE and CREATE SOURCE again, which reads the topic from its beginning";

impl Timeline {
    /// What `table` is about. Records not read yet are for the reader to count.
    pub fn health(&self, id: TableId) -> Health {
        let Some(table) = self.tables.get(&id) else { return Health::running() };
        let of = |state, reason: &str, hint: &str| {
            let (reason, hint) = (reason.to_owned(), hint.to_owned());
            Health { state, reason, hint, lost: table.lost, lag: None }
        };
        if !table.shown {
            if table.was_shown || table.refused {
                let again = table.obstacle.as_ref().map_or("it is read again", |obstacle| &obstacle.reason);
                let hint = if table.log { ANEW } else { AGAIN };
                return of(State::Incomplete, table.incomplete.as_deref().unwrap_or(again), hint);
            }
            let Some(obstacle) = &table.obstacle else { return of(State::Hydrating, "", "") };
            let read = table.is_read() && table.snapshot.is_none();
            let state = match obstacle.definite {
                _ if table.incomplete.is_some() && read => State::Incomplete,
                // It has no state to show, and waiting for one is in vain.
                true if table.misses_records() => State::Incomplete,
                true => State::Stalled,
                false => State::Hydrating,
            };
            return of(state, &obstacle.reason, &obstacle.hint);
        }
        if let Some(blocked) = self.blocked.as_ref().filter(|blocked| blocked.definite || self.quiet) {
            return of(State::Stalled, &blocked.reason, &blocked.hint);
        }
        if let Some(lost) = table.losses.first().filter(|_| table.on_error == OnError::Stall) {
            return of(State::Stalled, &place(table, lost), AGAIN);
        }
        let waits = |id: &TableId| self.tables.get(id).filter(|table| self.quiet && table.incoming().is_some());
        let held = self.merging.iter().flat_map(|merging| merging.snapshots()).find_map(waits);
        if let Some(table) = waits(&id).or(held) {
            let text = format!("topic \"{}\" holds rows of a snapshot whose last row has not come", table.topic);
            return of(State::Running, &text, "");
        }
        if self.quiet
            && let Some(text) = self.unnamed()
        {
            return of(
                State::Stalled,
                &text,
                "check that the connector runs and that the transaction topic is the right one",
            );
        }
        if let Some(remade) = table.remade.as_ref() {
            return of(State::Running, remade, ANEW);
        }
        if table.log && table.lost > 0 {
            let text = format!(
                "{} records of topic \"{}\" were deleted by Kafka or could not be decoded",
                table.lost, table.topic
            );
            return of(State::Running, &text, "");
        }
        if table.untold {
            let text = "records carry no transaction: each table is in order, several tables together may be torn";
            return of(State::Running, text, "set provide.transaction.metadata=true in the connector");
        }
        if let Some((offset, reason)) = self.boundaries.lost.last() {
            let text = format!("offset {offset} of the transaction topic could not be decoded: {reason}");
            return of(State::Running, &text, "");
        }
        of(State::Running, "", "")
    }

    /// That a transaction has events of a shown table and the transaction topic does not name it.
    pub(super) fn unnamed(&self) -> Option<String> {
        let unnamed = self.pending.iter().filter(|(_, found)| !found.queued);
        let mut parts = unnamed.flat_map(|(name, found)| found.parts.iter().map(move |part| (name, part)));
        parts.find_map(|(name, part)| {
            let table = self.tables.get(&part.table).filter(|table| table.shown && !part.is_empty())?;
            Some(self.names_no(name, &table.topic))
        })
    }

    /// Transactions that are held.
    pub fn held(&self) -> usize {
        self.pending.len()
    }
}

#[cfg(test)]
mod tests {
    use tidewater_delta::Op;

    use super::*;
    use crate::timeline::{Bounds, MADE_AGAIN, Output, Place, TableSpec};

    const TABLE: TableId = TableId(3);

    /// A timeline of one table without rows, which is shown.
    fn shown(mut timeline: Timeline) -> Timeline {
        let partitions = vec![Bounds { partition: 0, low: 0, end: 0 }];
        let (topic, on_error) = ("shop.shop.t".into(), OnError::Stall);
        let spec = TableSpec { topic, keyed: true, on_error, collection: None, compacted: true, partitions };
        timeline.add_table(TABLE, spec);
        timeline.ends(&[(TABLE, 0, 0)]);
        let outputs = timeline.release();
        assert!(outputs.contains(&Output::Hydrated(TABLE)), "{outputs:?}");
        assert_eq!(timeline.health(TABLE), Health::running());
        timeline
    }

    fn transactions() -> Timeline {
        let mut timeline = Timeline::new("shop.transaction", true);
        timeline.begin_boundaries(0, 0);
        timeline
    }

    #[test]
    fn a_table_whose_deletions_may_be_lost_has_no_answer() {
        for (timeline, remedy) in [(transactions(), "snapshot"), (Timeline::of_log("t"), "DROP SOURCE")] {
            let mut timeline = shown(timeline);
            timeline.outdated(TABLE, "tombstones may be gone");
            for _ in 0..2 {
                timeline.record(TABLE, Place { partition: 0, offset: 7, timestamp_ms: 1 }, Op::Truncate);
                timeline.quiet();
                assert!(!timeline.release().contains(&Output::Hydrated(TABLE)));
                let health = timeline.health(TABLE);
                assert_eq!((health.state, &*health.reason), (State::Incomplete, "tombstones may be gone"));
                assert!(health.hint.contains(remedy), "{}", health.hint);
            }
        }
    }

    #[test]
    fn a_log_whose_topic_was_made_again_says_so() {
        let mut timeline = shown(Timeline::of_log("t"));
        timeline.anew(TABLE, Bounds { partition: 0, low: 0, end: 0 });
        timeline.release();
        let health = timeline.health(TABLE);
        assert_eq!(health.state, State::Running);
        assert!(health.reason.contains("was deleted and made again") && health.hint.contains("DROP SOURCE"));
    }

    #[test]
    fn without_its_boundaries_a_timeline_stands_still_at_once() {
        let mut timeline = shown(transactions());
        timeline.boundaries_gone(MADE_AGAIN);
        timeline.release();
        let health = timeline.health(TABLE);
        assert_eq!(health.state, State::Stalled);
        assert!(health.reason.contains("shop.transaction") && health.hint.contains("DROP SOURCE"));
    }
}
