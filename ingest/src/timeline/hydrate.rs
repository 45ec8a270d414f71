//! When a table is shown for the first time.

use std::sync::Arc;

use tidewater_delta::{Position, TableId};

use super::judge::place;
use super::log::{Entry, EntryKind};
use super::partition::Partition;
use super::place::BinlogPlace;
use super::snapshot::shown;
use super::spec::Output;
use super::steps::{Step, StepKind};
use super::table::Table;
use super::{Blocked, Recent, Timeline};
use crate::source::OnError;

impl Timeline {
    /// Shows the tables that hold all that they held at the timeline's position. Returns whether one has come further.
    pub(super) fn hydrate(&mut self) -> bool {
        self.hide_all_halves();
        let mut hidden: Vec<_> = self.tables.iter().filter(|(_, table)| !table.shown).map(|(id, _)| *id).collect();
        // Tables of an earlier snapshot first: those of a later one wait for the timeline to come there.
        hidden.sort_by_key(|id| self.tables[id].last_snapshot.as_ref().map(|moment| (moment.ms, moment.pos)));
        let stand = |this: &Self, id: &TableId| {
            let table = &this.tables[id];
            (table.live, table.shown, table.snapshot.is_some(), table.late.is_empty())
        };
        let before: Vec<_> = hidden.iter().map(|id| stand(self, id)).collect();
        for &id in &hidden {
            let obstacle = self.bring_in(id).or_else(|| self.unshown());
            let Some(table) = self.tables.get_mut(&id) else { continue };
            (table.live, table.shown) = (table.live || obstacle.is_none(), obstacle.is_none());
            table.obstacle = obstacle;
            if !table.shown {
                continue;
            }
            table.was_shown = true;
            table.fence.renew();
            table.lost += table.losses.len() as u64;
            table.losses.clear();
            let moment = table.last_snapshot.clone();
            let topic = table.topic.clone();
            let offset = |(&partition, read): (&i32, &Partition)| Position::Offset {
                topic: topic.to_string(),
                partition,
                offset: read.next,
            };
            let offsets: Vec<_> = table.partitions.iter().filter(|_| table.log).map(offset).collect();
            self.hold(id);
            if let Some(table) = self.tables.get_mut(&id) {
                table.forgive();
                table.halves.keep(|transaction| self.pending.contains_key(transaction));
            }
            for position in offsets {
                self.commit(position, 0, Vec::new());
            }
            match (&self.reached, moment) {
                (Some((position, ms)), _) => self.commit(position.clone(), *ms, Vec::new()),
                (None, Some(moment)) => self.commit(moment.position(), moment.ms, Vec::new()),
                (None, None) => {}
            }
            self.out.push(Output::Hydrated(id));
        }
        hidden.iter().zip(before).any(|(id, before)| stand(self, id) != before)
    }

    /// What keeps every table from being shown: changes that are shown only together with what has not come yet.
    fn unshown(&self) -> Option<Blocked> {
        if let Some(gone) = self.without_boundaries() {
            return Some(gone);
        }
        self.merging.as_ref()?;
        let reason = "other tables wait for what makes them whole".to_owned();
        Some(Blocked { definite: false, reason, hint: String::new() })
    }

    /// Brings a table on. What is left keeps it from being shown.
    fn bring_in(&mut self, id: TableId) -> Option<Blocked> {
        let is_live = |this: &Self| this.tables.get(&id).is_some_and(|table| table.live);
        if !is_live(self) {
            self.settle_snapshot(id);
            self.drain(id);
            let obstacle = self.obstacle(id);
            if obstacle.is_some() || !self.tables.get(&id)?.is_split() {
                return obstacle;
            }
            self.follow(id);
        }
        match is_live(self) {
            true => self.drain_late(id).or_else(|| self.waits_early(id)).or_else(|| self.comes_elsewhere(id)),
            false => self.obstacle(id),
        }
    }

    /// That a TRUNCATE or rows of an incremental snapshot wait for their turn, in a table that is followed, that lay in the topic
    /// when the table was added: who was shown the table before has seen them.
    fn waits_early(&self, id: TableId) -> Option<Blocked> {
        let table = self.tables.get(&id)?;
        let early = |(number, offset): &(i32, i64)| {
            table.partitions.get(number).is_some_and(|partition| *offset < partition.horizon)
        };
        let waits = |step: &&Step| !matches!(step.kind, StepKind::Snapshot(_)) && step.at.iter().any(early);
        let step = table.steps.iter().find(waits)?;
        let (topic, what) =
            (&table.topic, if step.truncates() { "a TRUNCATE" } else { "rows of an incremental snapshot" });
        let reason = format!("topic \"{topic}\" holds {what} at {}, whose turn has not come", shown(&step.place));
        Some(Blocked { definite: false, reason, hint: String::new() })
    }

    /// That a snapshot waits for its turn, in a table that is followed, which is that of another table already.
    fn comes_elsewhere(&self, id: TableId) -> Option<Blocked> {
        let table = self.tables.get(&id)?;
        let moment = &table.incoming()?.moment;
        let there =
            |other: &Table| other.shown && other.last_snapshot.as_ref().is_some_and(|last| !last.is_older(moment));
        self.tables.values().any(there).then(|| {
            let reason = format!(
                "topic \"{}\" holds a snapshot at {}, where other tables are already",
                table.topic,
                shown(moment)
            );
            Blocked { definite: false, reason, hint: String::new() }
        })
    }

    /// A snapshot that other tables have rows of, where this one has none of it: its rows may still come, or, if it is no part of
    /// it, what the database did to it before.
    fn snapshot_elsewhere(&self, id: TableId) -> Option<BinlogPlace> {
        let own = self.tables.get(&id)?.last_snapshot.as_ref();
        let others = self.tables.iter().filter(|(other, _)| **other != id).map(|(_, table)| table);
        let moments =
            others.filter_map(|table| table.incoming().map(|found| &found.moment).or(table.last_snapshot.as_ref()));
        let newer = moments.filter(|moment| own.is_none_or(|own| own.is_older(moment)));
        newer.max_by_key(|moment| moment.ms).cloned()
    }

    /// Whether something shows that the snapshot is over: its last row, or what the database did after it.
    fn began_behind(&self, moment: &BinlogPlace) -> bool {
        // A connector that paused for it goes on with what lies before it.
        let ended = self.quiet && self.ended_snapshot.as_ref().is_some_and(|ended| !ended.is_older(moment));
        ended || self.is_behind(moment)
    }

    /// Whether all that the database did before the snapshot was released.
    fn is_behind(&self, moment: &BinlogPlace) -> bool {
        let reached = self.reached.as_ref().is_some_and(|(_, ms)| *ms >= moment.ms + 1_000);
        let front = self.queue.front().and_then(|front| self.pending.get(front));
        reached || front.is_some_and(|front| front.place.as_ref().is_some_and(|place| place.is_behind(moment)))
    }

    /// That the transaction topic does not name a transaction which `topic` has events of.
    pub(super) fn names_no(&self, transaction: &str, topic: &str) -> String {
        let (name, there) = (&self.name, if self.boundaries.found { "" } else { ", which does not exist" });
        format!(
            "transaction {transaction}, of which topic \"{topic}\" has events, is not in the transaction topic \"{name}\"{there}"
        )
    }

    /// Whether the shown tables stand where the snapshot `moment` of `table` stands, or there are none.
    fn stands_at(&self, id: TableId, moment: &BinlogPlace) -> bool {
        let mut shown =
            self.tables.iter().filter(|(other, table)| **other != id && table.shown).map(|(_, table)| table).peekable();
        let alike = |table: &Table| {
            let coming = table.incoming().is_some_and(|incoming| incoming.moment == *moment);
            !coming && table.last_snapshot.as_ref().is_some_and(|last| !last.is_older(moment))
        };
        let alone = shown.peek().is_none();
        let same = shown.all(alike);
        let past = self.reached.as_ref().is_some_and(|(_, ms)| *ms >= moment.ms + 1_000);
        let coming = self
            .tables
            .values()
            .any(|table| table.shown && table.incoming().is_some_and(|found| found.moment == *moment));
        let front = self.queue.front().and_then(|front| self.pending.get(front));
        let behind = front.is_some_and(|front| front.place.as_ref().is_some_and(|place| place.is_behind(moment)));
        alone || same || past || !coming && (behind || front.is_none() && self.quiet)
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
        if let Some(blocked) = self.lacks_insertion(id) {
            return Some(blocked);
        }
        let table = self.tables.get(&id)?;
        let topic = &table.topic;
        if !self.whole && (!table.is_split() || table.log) {
            return None;
        }
        if !self.whole {
            let text = format!("topic \"{topic}\" is being read");
            let behind = self.tables.get_mut(&id).is_some_and(|table| table.fence.is_behind());
            return if behind { None } else { waits(text) };
        }
        if self.boundaries.next < table.boundaries {
            return waits(format!("the transaction topic \"{}\" is being read", self.name));
        }
        let front = self.queue.front().and_then(|front| self.pending.get(front).map(|found| (front, found)));
        if let Some((name, found)) = front
            && found.end.as_ref().map_or(self.queue.len() > 1, |end| end.offset < table.boundaries)
        {
            let held = format!("transaction {name} is not complete");
            return waits(self.blocked.as_ref().map_or(held, |blocked| blocked.reason.clone()));
        }
        let early =
            |entry: &&Entry| table.partitions.get(&entry.at.0).is_some_and(|partition| entry.at.1 < partition.horizon);
        if table.is_split()
            && let Some(name) = self.is_unnamed(id)
        {
            let text = self.names_no(&name, topic);
            return Some(Blocked { definite: self.quiet, reason: text, hint: METADATA.into() });
        }
        let waiting = table.partitions.values().filter(|_| !table.is_split()).flat_map(|partition| &partition.log);
        for entry in waiting.filter(early) {
            let name = &entry.transaction;
            // What was passed waits for what came before it, which is looked for below, and all that follows waits for it.
            if self.has_passed(entry) {
                break;
            }
            if entry.kind == EntryKind::Ghost {
                continue;
            }
            if entry.kind.is_step() {
                return waits(format!(
                    "topic \"{topic}\" holds rows of an incremental snapshot at transaction {name}, which has not come"
                ));
            }
            if !self.names(name, entry.origin.ts_ms) {
                let text = self.names_no(name, topic);
                return Some(Blocked { definite: self.quiet, reason: text, hint: METADATA.into() });
            }
            if table.compacted {
                return waits(format!("topic \"{topic}\" is compacted, and transaction {name} is not complete"));
            }
        }
        // What compaction took of a snapshot may be told by what it holds and the connector has not written yet.
        if let Some(moment) = table.last_snapshot.as_ref().filter(|_| table.refilled)
            && !self.quiet
            && !self.is_behind(moment)
        {
            let at = shown(moment);
            return waits(format!(
                "topic \"{topic}\" is compacted, and not all that its snapshot at {at} holds has come"
            ));
        }
        let unread = |other: &Table| !other.is_read() && other.incomplete.is_none();
        let fresh = table.last_snapshot.as_ref().map_or(self.reached.is_none(), |moment| !self.is_behind(moment));
        if fresh && self.tables.values().any(unread) && !self.tables.values().any(|table| table.shown) {
            return waits("the topics of other tables are being read".to_owned());
        }
        // On its way in the reader knows of no snapshot that other tables have.
        if let Some(moment) = self.snapshot_elsewhere(id) {
            let held = table.partitions.values().flat_map(|partition| &partition.log);
            let of_it = |entry: &&Entry| {
                entry.kind == EntryKind::Event
                    && !self.has_passed(entry)
                    && BinlogPlace::of(&entry.origin).is_before(&moment)
            };
            if let Some(entry) = held.into_iter().find(of_it) {
                let (name, at) = (&entry.transaction, shown(&moment));
                return waits(format!(
                    "topic \"{topic}\" has events of transaction {name}, which the snapshot at {at} holds"
                ));
            }
            let text =
                format!("topic \"{topic}\" has no row of the snapshot at {} yet, which is under way", shown(&moment));
            if !self.began_behind(&moment) || !self.tables.get_mut(&id)?.fence.is_behind() {
                return Some(Blocked { definite: false, reason: text, hint: String::new() });
            }
        }
        let table = self.tables.get(&id)?;
        let topic = &table.topic;
        if let Some(moment) = &table.last_snapshot
            && !self.stands_at(id, moment)
        {
            return waits(format!(
                "topic \"{topic}\" holds a snapshot at {}, where other tables are not yet",
                shown(moment)
            ));
        }
        if table.is_split() {
            let text = format!("topic \"{topic}\" is being read");
            let behind = self.tables.get_mut(&id).is_some_and(|table| table.fence.is_behind());
            return if behind { None } else { waits(text) };
        }
        let of_nobody = |name: &Arc<str>| !self.owners.contains_key(name);
        let lacks =
            |owed: &Recent, of: &dyn Fn(&Arc<str>) -> bool| owed.counts.iter().any(|(name, n)| *n > 0 && of(name));
        let is_own = |name: &Arc<str>| table.collections.contains(name);
        let open = table.owed.iter().filter(|(_, owed)| lacks(owed, &|name| is_own(name) || of_nobody(name)));
        let (name, ambiguous) = (open.map(|((id, _), _)| id.clone()).min(), !table.owed.is_empty());
        let mut own = table.owed.values().filter(|owed| lacks(owed, &is_own)).peekable();
        let is_short = own.peek().is_some();
        let never = own.all(|owed| self.is_long_past(owed.committed_ms));
        let table = self.tables.get_mut(&id)?;
        if name.is_none() && !ambiguous {
            return None;
        }
        let behind = table.fence.is_behind();
        let text =
            format!("topic \"{}\" lacks events of transaction {}", table.topic, name.as_deref().unwrap_or_default());
        match (behind, is_short, table.compacted, table.on_error) {
            (false, ..) => return waits(text),
            (true, false, ..) => {}
            (true, true, true, _) if never => {}
            (true, true, false, OnError::DeadLetter | OnError::Skip) if self.quiet => {
                table.lost += 1;
                table.forgive();
                self.drain(id);
            }
            (true, true, false, OnError::Stall) if self.quiet => return stalls(text),
            _ => return waits(text),
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
