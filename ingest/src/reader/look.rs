//! What has to be looked after now and then: topics and partitions that appear, ends that the timeline wants to know, readers that
//! stand still.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::BaseConsumer;
use tidewater_delta::TableId;

use super::feed::{Content, Feed, From, Order, TableContent};
use super::group::{Group, LOOK, Reading};
use super::state::Stand;
use crate::error::Result;
use crate::source::{Envelope, SourceEvent};
use crate::timeline::{Bounds, TableSpec, Timeline};

/// How often partitions, lag and readers that stand still are looked for.
const INSPECT: Duration = Duration::from_secs(5);
/// After so long without a record nothing more comes of what was under way.
const QUIET: Duration = Duration::from_millis(1_000);
/// A reader that has records to read and hands none on for so long stands still.
const STUCK: Duration = Duration::from_secs(30);

impl Group {
    /// What need not be done at every round.
    pub(super) fn look(&mut self) -> Result<()> {
        let asker = match self.asker.take() {
            Some(asker) => asker,
            None => self.cluster.consumer()?,
        };
        let looked = self.look_with(&asker);
        self.asker = Some(asker);
        looked
    }

    fn look_with(&mut self, asker: &BaseConsumer) -> Result<()> {
        if !self.is_known_cluster()? {
            return Ok(());
        }
        self.go_on(asker)?;
        self.find_boundaries(asker)?;
        if self.boundaries.is_none() || self.timeline.boundaries_next() >= self.boundaries_end {
            let waiting = self.sources.iter().filter(|(_, source)| source.feed.is_none());
            for id in waiting.map(|(id, _)| *id).collect::<Vec<_>>() {
                self.find_table(asker, id)?;
            }
        }
        if self.moved.elapsed() >= QUIET && self.timeline.is_waiting() && self.is_read(asker)? {
            self.timeline.quiet();
        }
        if self.inspected.elapsed() >= INSPECT {
            self.inspected = Instant::now();
            self.inspect(asker)?;
        }
        Ok(())
    }

    /// Starts on the transaction topic once it exists; Debezium makes it with the first transaction.
    fn find_boundaries(&mut self, asker: &BaseConsumer) -> Result<()> {
        let Some(topic) = self.transaction_topic.clone().filter(|_| self.boundaries.is_none()) else { return Ok(()) };
        let bounds = self.cluster.bounds(asker, &topic)?;
        match &bounds[..] {
            [] => Ok(()),
            [Bounds { low, end, .. }] => {
                let (low, end) = (*low, *end);
                let content = Content::Boundaries(self.registry.clone());
                let number = self.read(topic, None, content, &bounds)?;
                self.timeline.begin_boundaries(low, end);
                self.boundaries_end = if end > low { end } else { 0 };
                self.boundaries = Some(number);
                // It is new since the state was taken.
                if let Some(catching_up) = &mut self.catching_up {
                    catching_up.read_to(number, 0, end);
                }
                Ok(())
            }
            many => Err(crate::Error::Schema(format!(
                "the transaction topic \"{topic}\" has {} partitions and so no order: it must have 1",
                many.len()
            ))),
        }
    }

    /// Starts on a table's topic once it exists.
    fn find_table(&mut self, asker: &BaseConsumer, id: TableId) -> Result<()> {
        let Some(source) = self.sources.get_mut(&id) else { return Ok(()) };
        let config = &source.new.config;
        let topic = config.topic.clone();
        let bounds = self.cluster.bounds(asker, &topic)?;
        let log = !matches!(config.envelope, Envelope::Debezium { .. });
        if bounds.is_empty() {
            let why = match log {
                true => format!("topic \"{topic}\" does not exist yet"),
                false => format!(
                    "topic \"{topic}\" does not exist yet: check its name and that the connector runs; it makes the topic with the table's first row"
                ),
            };
            source.trouble = Some(why);
            // A topic that nobody has written to yet holds no rows; of a table of MySQL it may be the name that is wrong.
            if log && !std::mem::replace(&mut source.hydrated, true) {
                // The receiver is gone only when the process ends.
                let _ = self.out.blocking_send(SourceEvent::Hydrated(id));
            }
            return Ok(());
        }
        let compacted = self.cluster.tombstones_last_ms(&topic).is_some();
        let Some(source) = self.sources.get(&id) else { return Ok(()) };
        let (config, schema) = (&source.new.config, &source.new.schema);
        let declared = match &config.envelope {
            Envelope::Debezium { collection: Some(declared), .. } => Some(declared.as_str().into()),
            _ => None,
        };
        let spec = TableSpec {
            topic: topic.as_str().into(),
            keyed: schema.key.is_some(),
            on_error: config.on_error,
            collection: declared,
            compacted,
            partitions: bounds.clone(),
        };
        let content = Content::Table(Box::new(TableContent::new(config.clone(), schema.clone())));
        let feed = self.read(topic, Some(id), content, &bounds)?;
        self.timeline.add_table(id, spec);
        if let Some(source) = self.sources.get_mut(&id) {
            source.feed = Some(feed);
            source.trouble = None;
            source.bounds = bounds.iter().map(|bounds| (bounds.partition, *bounds)).collect();
        }
        Ok(())
    }

    /// Starts a feed from the beginning of a topic.
    fn read(&mut self, topic: String, table: Option<TableId>, content: Content, bounds: &[Bounds]) -> Result<u32> {
        self.feeds += 1;
        let failed = |error: std::io::Error| crate::Error::Kafka {
            brokers: self.cluster.brokers.clone(),
            reason: format!("no thread for topic \"{topic}\": {error}"),
        };
        let (cluster, out) = (self.cluster.clone(), self.batches.clone());
        let feed = Feed::start(self.feeds, cluster, topic.clone(), content, BTreeMap::new(), out);
        let feed = feed.map_err(failed)?;
        let from = bounds.iter().map(|bounds| From { partition: bounds.partition, next: bounds.low, end: bounds.end });
        // A thread that has ended says so by its silence, which is looked for.
        let _ = feed.orders.send(Order::Assign(from.collect()));
        let next = bounds.iter().map(|bounds| (bounds.partition, bounds.low)).collect();
        let stand = Stand { next, newest: BTreeMap::new() };
        self.readings
            .insert(self.feeds, Reading { feed: Some(feed), gone: false, table, topic, stand, moved: Instant::now() });
        Ok(self.feeds)
    }

    /// The present ends of all partitions of all tables. What a topic has got since is read from now on, and counts: what came
    /// before may lie there.
    pub(super) fn ends(&mut self, asker: &BaseConsumer) -> Result<Vec<(TableId, i32, i64)>> {
        let mut ends = Vec::new();
        for reading in self.readings.values_mut().filter(|reading| !reading.gone) {
            let Some(id) = reading.table else { continue };
            let found = self.cluster.bounds(asker, &reading.topic)?;
            if found.is_empty() {
                return Err(crate::Error::Schema(format!("topic \"{}\" does not exist any more", reading.topic)));
            }
            for bounds in found {
                let next = reading.next_of(&bounds, &mut self.timeline);
                reading.nudge(bounds.partition, next, bounds.end);
                ends.push((id, bounds.partition, bounds.end));
            }
        }
        Ok(ends)
    }

    /// Whether everything that is there is read.
    fn is_read(&self, asker: &BaseConsumer) -> Result<bool> {
        for reading in self.readings.values().filter(|reading| !reading.gone) {
            for (&partition, &next) in &reading.stand.next {
                let (_, end) = self.cluster.watermarks(asker, &reading.topic, partition)?;
                if next < end {
                    reading.nudge(partition, next, end);
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Looks for new partitions, for lag, and for feeds that stand still.
    fn inspect(&mut self, asker: &BaseConsumer) -> Result<()> {
        for reading in self.readings.values_mut().filter(|reading| reading.feed.is_some()) {
            let found = self.cluster.bounds(asker, &reading.topic)?;
            let source = reading.table.and_then(|id| self.sources.get_mut(&id));
            if found.is_empty() {
                if let Some(source) = source {
                    source.trouble = Some(format!("topic \"{}\" does not exist any more", reading.topic));
                }
                continue;
            }
            let mut lag = 0;
            for bounds in &found {
                lag += (bounds.end - reading.next_of(bounds, &mut self.timeline)).max(0) as u64;
            }
            if let Some(source) = source {
                source.lag = Some(lag);
            }
            if lag > 0 && reading.moved.elapsed() >= STUCK {
                let from = found.iter().map(|bounds| From {
                    partition: bounds.partition,
                    next: reading.stand.next.get(&bounds.partition).copied().unwrap_or(bounds.low),
                    end: bounds.end,
                });
                let order = Order::Restart(from.collect());
                reading.order(order);
                reading.moved = Instant::now();
            }
        }
        Ok(())
    }
}

impl Reading {
    /// Makes the feed say that it stands at the end, where only records that it does not see lie before it.
    fn nudge(&self, partition: i32, next: i64, end: i64) {
        if next < end && self.moved.elapsed() >= LOOK {
            self.order(Order::Seek(From { partition, next, end }));
        }
    }

    /// The next offset of a partition. One that the topic has got since is read from now on.
    fn next_of(&mut self, bounds: &Bounds, timeline: &mut Timeline) -> i64 {
        let Bounds { partition, low, end } = *bounds;
        if let Some(&next) = self.stand.next.get(&partition) {
            return next;
        }
        // Before a feed is there, who starts it finds them.
        if let (Some(id), Some(_)) = (self.table, &self.feed) {
            timeline.add_partition(id, *bounds);
            self.stand.next.insert(partition, low);
            self.order(Order::Assign(vec![From { partition, next: low, end }]));
        }
        low
    }

    /// Tells the feed. One that has ended says so by its silence, which is looked for.
    fn order(&self, order: Order) {
        if let Some(feed) = &self.feed {
            let _ = feed.orders.send(order);
        }
    }
}
