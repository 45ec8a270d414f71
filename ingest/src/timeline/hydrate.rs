//! When a table is shown for the first time.

use delta::TableId;

use super::release::place;
use super::snapshot::shown;
use super::spec::Output;
use super::table::Table;
use super::{Blocked, Timeline};
use crate::source::OnError;

impl Timeline {
    /// Shows the tables that hold all that they held at the timeline's position.
    pub(super) fn hydrate(&mut self) {
        let hidden: Vec<_> = self.tables.iter().filter(|(_, table)| !table.live).map(|(id, _)| *id).collect();
        for id in hidden {
            self.settle_snapshot(id);
            self.release_unnamed(id);
            let obstacle = self.obstacle(id);
            let Some(table) = self.tables.get_mut(&id) else { continue };
            table.live = obstacle.is_none();
            table.obstacle = obstacle;
            if !table.live {
                continue;
            }
            table.owed.clear();
            table.lost += table.losses.len() as u64;
            table.losses.clear();
            let moment = table.last_snapshot.clone();
            match (&self.reached, moment) {
                (Some((position, ms)), _) => self.commit(position.clone(), *ms, Vec::new()),
                (None, Some(moment)) => self.commit(moment.position(), moment.ms, Vec::new()),
                (None, None) => {}
            }
            self.out.push(Output::Hydrated(id));
        }
    }

    /// Of transactions that the topic does not name: those that are older than all that it names.
    fn release_unnamed(&mut self, id: TableId) {
        if !self.tables.get(&id).is_some_and(Table::is_read) || self.boundaries.next < self.boundaries.horizon {
            return;
        }
        let older = |(name, found): &(&std::sync::Arc<str>, &super::Transaction)| {
            !found.queued && found.part_of(id).is_some() && self.released.is_older_than_all(name)
        };
        let mut older: Vec<_> = self.pending.iter().filter(older).map(|(name, _)| name.clone()).collect();
        older.sort_by_key(|name| self.pending[name].part_of(id).map(|part| part.spans[0].1));
        for name in older {
            self.take_base(id, &name);
        }
    }

    /// What keeps a table from being shown.
    fn obstacle(&mut self, id: TableId) -> Option<Blocked> {
        let table = self.tables.get(&id)?;
        let topic = &table.topic;
        let waits = |reason: String| Some(Blocked { definite: false, reason, hint: String::new() });
        let stalls = |reason: String| Some(Blocked { definite: true, reason, hint: AGAIN.into() });
        if let Some(incoming) = &table.snapshot {
            if let Some(lost) = incoming.lost.first().filter(|_| table.on_error == OnError::Stall) {
                return stalls(format!("a row of its snapshot is missing: {}", place(table, lost)));
            }
            let text = format!(
                "topic \"{topic}\" holds {} rows of a snapshot at {} whose last row has not come",
                incoming.rows,
                shown(&incoming.moment)
            );
            return waits(text);
        }
        if !table.is_read() {
            return waits(format!("topic \"{topic}\" is being read"));
        }
        if let Some(incomplete) = &table.incomplete {
            return stalls(incomplete.clone());
        }
        if let Some(lost) = table.losses.first().filter(|_| table.on_error == OnError::Stall) {
            return stalls(place(table, lost));
        }
        if !self.whole {
            return None;
        }
        if self.boundaries.next < table.boundaries {
            return waits("the transaction topic is being read".into());
        }
        let front = self.queue.front().and_then(|front| self.pending.get(front).map(|found| (front, found)));
        if let Some((name, found)) = front
            && found.end.as_ref().is_some_and(|end| end.offset < table.boundaries)
        {
            let held = format!("transaction {name} is not complete");
            return waits(self.blocked.as_ref().map_or(held, |blocked| blocked.reason.clone()));
        }
        for (name, found) in &self.pending {
            let spans = found.part_of(id).map_or(&[][..], |part| &part.spans);
            let early = spans.iter().any(|(partition, first, _)| {
                table.partitions.get(partition).is_some_and(|partition| *first < partition.horizon)
            });
            if early && !found.queued {
                let text = format!(
                    "transaction {name}, of which topic \"{topic}\" has events, is not in the transaction topic"
                );
                return Some(Blocked { definite: self.quiet, reason: text, hint: METADATA.into() });
            }
            if early && table.compacted {
                return waits(format!("topic \"{topic}\" is compacted, and transaction {name} is not complete"));
            }
        }
        let owed = |table: &Table| {
            let of = |name| table.collections.contains(name);
            let open =
                table.owed.iter().filter(|(_, owed)| owed.counts.iter().any(|(name, count)| *count > 0 && of(name)));
            open.map(|(id, _)| id.clone()).min()
        };
        let table = self.tables.get_mut(&id)?;
        if let Some(name) = owed(table) {
            let mut fence = table.owed_fence;
            let behind = self.ends.behind(&mut fence);
            table.owed_fence = fence;
            let text = format!("topic \"{}\" lacks events of transaction {name}", table.topic);
            match (behind, table.compacted, table.on_error) {
                (true, true, _) => {}
                (true, false, OnError::DeadLetter | OnError::Skip) if self.quiet => table.lost += 1,
                (true, false, OnError::Stall) if self.quiet => return stalls(text),
                _ => return waits(text),
            }
        }
        None
    }
}

/// What makes a table whole again.
pub(super) const AGAIN: &str = "take a new snapshot with Debezium's signal execute-snapshot, type blocking: \
                                the source then becomes whole by itself";
/// What is wrong where events name transactions that their topic does not.
const METADATA: &str = "check the name of the transaction topic (option TRANSACTION TOPIC) and that the connector has \
                        provide.transaction.metadata=true; TRANSACTION TOPIC 'none' does without";
