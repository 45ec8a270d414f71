//! A timeline that goes on after a restart: where its topics are read on, and when what it shows is no older than what it has shown.
//!
//! Its tables hold the rows of the checkpoint, and who read later ones before the restart must not be taken back in time. So
//! they are said to be hydrating until all topics are read to where they ended at the start and what then waits has had its turn.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::mpsc::SyncSender;
use std::time::Instant;

use rdkafka::consumer::BaseConsumer;
use tidewater_delta::TableId;
use tokio::sync::mpsc;

use super::New;
use super::feed::{Batch, Content, Feed, From, Order, TableContent};
use super::group::{Group, Reading, Source};
use super::mark::Mark;
use super::state::{GroupState, KeptTable, Resume, Stand, Telling};
use crate::error::{Error, Result};
use crate::saved;
use crate::source::{SourceEvent, TimelineState};
use crate::timeline::{Bounds, Waiting};

/// What to do where topics are not those that the checkpoint was made from.
const AGAIN: &str = "DROP SOURCE and CREATE SOURCE again, for all sources of this connector: their topics are then read from the beginning";

/// For so long tombstones stay whatever the topic's settings say, or so many are not asked for: half a minute.
const SAFE_MS: i64 = 30_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct CatchingUp {
    /// When the state was taken, in milliseconds since 1970.
    taken_ms: i64,
    /// Whether all topics were found.
    begun: bool,
    /// Where they ended then, by feed and partition.
    ends: BTreeMap<(u32, i32), i64>,
    /// Partitions of which it is not known yet whether they are those of the state.
    unverified: BTreeSet<(u32, i32)>,
    /// What waited when all was read.
    waiting: Option<Waiting>,
}

impl CatchingUp {
    /// A partition is to be read to its end.
    pub(super) fn read_to(&mut self, feed: u32, partition: i32, end: i64) {
        self.ends.insert((feed, partition), end);
    }

    /// The partition is the one of the state, or nothing tells that it is not.
    pub(super) fn verified(&mut self, feed: u32, partition: i32) {
        self.unverified.remove(&(feed, partition));
    }

    fn is_read(&self, readings: &HashMap<u32, Reading>) -> bool {
        let read = |(&(feed, partition), &end): (&(u32, i32), &i64)| {
            let next = readings.get(&feed).and_then(|reading| reading.stand.next.get(&partition));
            next.is_none_or(|&next| next >= end)
        };
        let gone = |(feed, _): &(u32, i32)| !readings.contains_key(feed);
        self.begun && self.unverified.iter().all(gone) && self.ends.iter().all(read)
    }
}

/// Tables that were not shown when the others had caught up. They may have been before the restart, so what waits when they
/// come in must have had its turn, too.
#[derive(Debug, Default)]
pub(super) struct Joining {
    expected: BTreeSet<TableId>,
    waiting: BTreeMap<TableId, Waiting>,
}

/// What becomes of a partition whose state was kept.
#[derive(Debug, PartialEq, Eq)]
enum Going {
    /// It is read on, and first looked at whether it is the same.
    On,
    /// Records were deleted before they were read, up to here.
    Gap(i64),
    /// Its end lies before what was read of it: it was deleted and made again.
    Anew,
}

fn going(next: i64, bounds: &Bounds) -> Going {
    match next {
        next if next > bounds.end => Going::Anew,
        next if next < bounds.low => Going::Gap(bounds.low),
        _ => Going::On,
    }
}

impl Group {
    /// The group that goes on; none if nothing does.
    pub(super) fn resume(resume: Resume, batches: SyncSender<Batch>, out: mpsc::Sender<SourceEvent>) -> Option<Group> {
        let Resume { state, sources } = resume;
        let first = sources.values().next()?;
        let mut group = Group::new(&first.config, Some(state.cluster), batches, out);
        group.is_asked = false;
        group.timeline = state.timeline;
        group.catching_up = Some(CatchingUp { taken_ms: state.taken_ms, ..CatchingUp::default() });
        let mut tables = state.tables;
        for (id, new) in sources {
            let KeptTable { stand, bounds, learned, .. } = tables.remove(&id)?;
            let topic = new.config.topic.clone();
            let number = group.stand_at(Some(id), topic, stand);
            let mut source = Source::new(new);
            (source.feed, source.bounds) = (Some(number), bounds);
            source.learned = learned.of(&source.new.schema, source.new.own());
            group.sources.insert(id, source);
        }
        if let (Some(stand), Some(topic)) = (state.boundaries, group.transaction_topic.clone()) {
            // Sources that join wait until this is read to its end, which is looked for.
            group.boundaries_end = i64::MAX;
            group.boundaries = Some(group.stand_at(None, topic, stand));
        }
        Some(group)
    }

    /// Columns that have had no value since before the state was taken, before any commit.
    pub(super) fn tell_lost_columns(&self) -> Option<()> {
        for (&table, source) in &self.sources {
            for (&column, reason) in &source.learned.lost {
                self.send(SourceEvent::ColumnLost { table, column, reason: reason.clone() })?;
            }
        }
        Some(())
    }

    fn stand_at(&mut self, table: Option<TableId>, topic: String, stand: Stand) -> u32 {
        self.feeds += 1;
        self.readings
            .insert(self.feeds, Reading { feed: None, gone: false, table, topic, stand, moved: Instant::now() });
        self.feeds
    }

    /// Hands on what is whole and tells the state behind it, if there is one to keep.
    pub(super) fn tell_state(&mut self, telling: &Telling) -> Option<()> {
        self.hand_on()?;
        let state = match self.state() {
            Ok(state) => state,
            Err(error) => {
                tracing::error!(%error, "a timeline cannot tell its state: no checkpoint is made");
                return Some(());
            }
        };
        if let Some(state) = state {
            self.send(SourceEvent::State(Box::new(state)))?;
        }
        telling.answer();
        Some(())
    }

    fn state(&self) -> Result<Option<TimelineState>> {
        self.timeline.is_handed_on()?;
        // Before the cluster's id is known nothing is read.
        let Some(cluster) = self.cluster_id.clone() else { return Ok(None) };
        let mut tables = BTreeMap::new();
        for id in self.timeline.tables() {
            let Some(source) = self.sources.get(&id) else { continue };
            let Some(reading) = source.feed.and_then(|feed| self.readings.get(&feed)) else { continue };
            let (config, schema) = (&source.new.config, &source.new.schema);
            let (stand, bounds, learned) = (reading.stand.clone(), source.bounds.clone(), source.learned.clone());
            tables.insert(id, KeptTable::new(config, schema, stand, bounds, learned));
        }
        if tables.is_empty() {
            return Ok(None);
        }
        let boundaries = self.boundaries.and_then(|feed| self.readings.get(&feed)).map(|read| read.stand.clone());
        let known = tables.keys().copied().collect();
        let transaction_topic = self.transaction_topic.clone();
        // Tombstones that were there then may be gone when it is gone on from: what they may have said is asked of this time.
        let taken_ms = self.catching_up.as_ref().map_or_else(now_ms, |catching_up| catching_up.taken_ms);
        let state = GroupState { cluster, taken_ms, transaction_topic, timeline: &self.timeline, boundaries, tables };
        let name = self.timeline.name().to_owned();
        Ok(Some(TimelineState { name, tables: known, bytes: saved::save(&state)? }))
    }

    /// Whether the cluster is the one whose topics were read; where nothing was read yet, it is.
    pub(super) fn is_known_cluster(&mut self) -> Result<bool> {
        if self.is_asked {
            return Ok(self.refused.is_none());
        }
        let found = self.cluster.id()?;
        self.is_asked = true;
        let known = self.cluster_id.get_or_insert_with(|| found.clone());
        if *known != found {
            let brokers = &self.cluster.brokers;
            let why = format!(
                "the Kafka cluster at {brokers} is another one ({found}) than that of the checkpoint ({known}), whose offsets mean nothing there"
            );
            tracing::error!(reason = why, "nothing is read");
            self.refused = Some((why, AGAIN.to_owned()));
        }
        Ok(self.refused.is_none())
    }

    /// Starts on topics whose state was kept, once they are found.
    pub(super) fn go_on(&mut self, asker: &BaseConsumer) -> Result<()> {
        let waiting = self.readings.iter().filter(|(_, reading)| reading.feed.is_none());
        for number in waiting.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.go_on_with(asker, number)?;
        }
        // A table's topic that is gone holds nobody else back: nothing comes of it.
        if let Some(catching_up) = &mut self.catching_up {
            catching_up.begun = true;
        }
        Ok(())
    }

    fn go_on_with(&mut self, asker: &BaseConsumer, number: u32) -> Result<()> {
        let Some(reading) = self.readings.get(&number) else { return Ok(()) };
        let (topic, table) = (reading.topic.clone(), reading.table);
        let bounds = self.cluster.bounds(asker, &topic)?;
        let Some(reading) = self.readings.get_mut(&number) else { return Ok(()) };
        reading.gone = bounds.is_empty();
        if bounds.is_empty() {
            let why = format!("topic \"{topic}\" does not exist any more");
            return match table.and_then(|id| self.sources.get_mut(&id)) {
                Some(source) => {
                    source.trouble = Some(why);
                    Ok(())
                }
                None => Err(Error::Schema(why)),
            };
        }
        let content = match table.and_then(|id| self.sources.get(&id)) {
            Some(source) => {
                let New { config, schema, .. } = &*source.new;
                let (config, schema, learned) = (config.clone(), schema.clone(), source.learned.clone());
                let deleted = |(partition, mark): (&i32, &Mark)| Some((*partition, mark.deleted.clone()?));
                let deleted = reading.stand.newest.iter().filter_map(deleted).collect();
                Content::Table(Box::new(TableContent { config, schema, learned, deleted }))
            }
            None => Content::Boundaries(self.registry.clone()),
        };
        self.look_for_lost_deletions(&topic, number, table, &bounds);
        let marks = self.place(number, table, &bounds);
        let (cluster, out) = (self.cluster.clone(), self.batches.clone());
        let feed = Feed::start(number, cluster, topic.clone(), content, marks, out);
        let feed = feed.map_err(|error| Error::Kafka {
            brokers: self.cluster.brokers.clone(),
            reason: format!("no thread for topic \"{topic}\": {error}"),
        })?;
        let Some(reading) = self.readings.get_mut(&number) else { return Ok(()) };
        let from = bounds.iter().map(|bounds| From {
            partition: bounds.partition,
            next: reading.stand.next.get(&bounds.partition).copied().unwrap_or(bounds.low),
            end: bounds.end,
        });
        // A thread that has ended says so by its silence, which is looked for.
        let _ = feed.orders.send(Order::Assign(from.collect()));
        reading.feed = Some(feed);
        reading.moved = Instant::now();
        match table.and_then(|id| self.sources.get_mut(&id)) {
            Some(source) => source.trouble = None,
            None => self.boundaries_end = bounds[0].end,
        }
        Ok(())
    }

    /// Of a compacted topic Kafka takes tombstones away after a time: what was deleted since the state was taken may have left no
    /// trace, and its rows would stay.
    fn look_for_lost_deletions(&mut self, topic: &str, number: u32, table: Option<TableId>, bounds: &[Bounds]) {
        let (Some(id), Some(catching_up)) = (table, &self.catching_up) else { return };
        let stand = self.readings.get(&number).map(|reading| &reading.stand);
        let more = |bounds: &Bounds| {
            stand.and_then(|stand| stand.next.get(&bounds.partition)).is_none_or(|next| *next < bounds.end)
        };
        let since_ms = now_ms() - catching_up.taken_ms;
        // A topic whose end is where it was has lost none.
        if since_ms < SAFE_MS || !bounds.iter().any(more) {
            return;
        }
        if self.cluster.tombstones_last_ms(topic).is_some_and(|last_ms| since_ms >= last_ms) {
            let hours = since_ms / 3_600_000;
            self.timeline.outdated(
                id,
                &format!(
                    "topic \"{topic}\" is compacted, and in the {hours} hours since the checkpoint was made Kafka may have taken tombstones away (delete.retention.ms): rows that were deleted since would stay"
                ),
            );
        }
    }

    /// Where each partition of a topic is read on, and the records by which it is known again.
    fn place(&mut self, number: u32, table: Option<TableId>, bounds: &[Bounds]) -> BTreeMap<i32, Mark> {
        let stand = self.readings.get(&number).map(|reading| reading.stand.clone()).unwrap_or_default();
        let mut marks = BTreeMap::new();
        for bounds in bounds {
            let partition = bounds.partition;
            match (stand.next.get(&partition).map(|next| (*next, going(*next, bounds))), table) {
                (Some((_, Going::On)), _) => {
                    marks.extend(stand.newest.get(&partition).map(|mark| (partition, mark.clone())));
                }
                (Some((_, Going::Anew)), _) => self.begin_anew(number, table, *bounds),
                (Some((next, Going::Gap(low))), Some(id)) => self.timeline.gap(id, partition, next, low),
                (Some((next, Going::Gap(low))), None) => {
                    let last = low - 1;
                    let why = format!("its records at offsets {next} to {last} were deleted unread");
                    self.timeline.boundaries_gone(&why);
                }
                (None, Some(id)) => self.timeline.add_partition(id, *bounds),
                (None, None) => {}
            }
            let Some(reading) = self.readings.get_mut(&number) else { continue };
            let next = reading.stand.next.entry(partition).or_insert(bounds.low);
            *next = (*next).max(bounds.low);
            if let Some(catching_up) = &mut self.catching_up {
                catching_up.read_to(number, partition, bounds.end);
            }
        }
        marks.retain(|partition, mark| {
            bounds.iter().any(|found| found.partition == *partition && mark.offset >= found.low)
        });
        if let Some(catching_up) = &mut self.catching_up {
            catching_up.unverified.extend(marks.keys().map(|partition| (number, *partition)));
        }
        self.leave(number, table, &stand, bounds);
        self.measure(number, table, &stand, bounds);
        marks
    }

    /// Partitions that are not there any more: Kafka never takes one away, so the topic was made again with fewer.
    fn leave(&mut self, number: u32, table: Option<TableId>, stand: &Stand, bounds: &[Bounds]) {
        for &partition in stand.next.keys().filter(|&&known| bounds.iter().all(|found| found.partition != known)) {
            self.begin_anew(number, table, Bounds { partition, low: 0, end: 0 });
            if let Some(reading) = self.readings.get_mut(&number) {
                reading.stand.next.remove(&partition);
            }
        }
    }

    /// How much there is to read of a table, of whose rows all were there: what came since.
    fn measure(&mut self, number: u32, table: Option<TableId>, stand: &Stand, bounds: &[Bounds]) {
        let shown = table.is_some_and(|id| self.timeline.is_shown(id));
        let Some(source) = table.and_then(|id| self.sources.get_mut(&id)).filter(|_| shown) else { return };
        debug_assert_eq!(source.feed, Some(number));
        let since = |bounds: &Bounds| {
            let low =
                stand.next.get(&bounds.partition).map_or(bounds.low, |next| (*next).clamp(bounds.low, bounds.end));
            (bounds.partition, Bounds { low, ..*bounds })
        };
        source.bounds = bounds.iter().map(since).collect();
    }

    /// Whether a table that the timeline shows from now on is told later, with all others or once it has caught up itself.
    pub(super) fn is_held(&mut self, id: TableId) -> bool {
        if let Some(catching_up) = &mut self.catching_up {
            // What waits is another thing now.
            catching_up.waiting = None;
            return true;
        }
        let held = self.joining.expected.remove(&id);
        if held {
            self.joining.waiting.insert(id, self.timeline.waiting());
        }
        held
    }

    /// Shows the tables once all is read and has had its turn.
    pub(super) fn catch_up(&mut self) -> Option<()> {
        self.join()?;
        let Some(catching_up) = self.catching_up.as_mut().filter(|found| found.is_read(&self.readings)) else {
            return Some(());
        };
        let waiting = catching_up.waiting.get_or_insert_with(|| self.timeline.waiting());
        if !self.timeline.has_settled(waiting) {
            return Some(());
        }
        self.catching_up = None;
        let (shown, others): (BTreeSet<_>, _) = self.sources.keys().partition(|id| self.timeline.is_shown(**id));
        self.joining.expected = others;
        shown.into_iter().try_for_each(|id| self.tell_hydrated(id))
    }

    /// The same for those that came in later.
    fn join(&mut self) -> Option<()> {
        for (id, waiting) in std::mem::take(&mut self.joining.waiting) {
            match self.timeline.is_shown(id) {
                // It comes in again.
                false => drop(self.joining.expected.insert(id)),
                true if self.timeline.has_settled(&waiting) => self.tell_hydrated(id)?,
                true => drop(self.joining.waiting.insert(id, waiting)),
            }
        }
        Some(())
    }

    fn tell_hydrated(&mut self, id: TableId) -> Option<()> {
        let Some(source) = self.sources.get_mut(&id).filter(|source| !source.hydrated) else { return Some(()) };
        source.hydrated = true;
        self.send(SourceEvent::Hydrated(id))
    }
}

/// The time, in milliseconds since 1970.
fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retention_takes_what_was_read_and_nothing_else() {
        let of = |low, end| Bounds { partition: 0, low, end };
        assert_eq!(going(7, &of(0, 7)), Going::On, "nothing has come");
        assert_eq!(going(7, &of(7, 9)), Going::On, "all that was read is gone");
        assert_eq!(going(7, &of(8, 9)), Going::Gap(8));
        assert_eq!(going(7, &of(0, 6)), Going::Anew);
        assert_eq!(going(0, &of(0, 0)), Going::On, "empty as before");
    }
}
