//! Timelines that go on after a restart, on a cluster that librdkafka plays.

use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::time::{Duration, Instant};

use rdkafka::Timestamp;
use rdkafka::message::OwnedMessage;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use tidewater_delta::Op;
use tidewater_types::{Column, Type};

use super::feed::{Content, Feed, From, Item, Order, TableContent};
use super::mark::Mark;
use super::state::{GroupState, Stand};
use super::*;
use crate::saved;
use crate::source::{OnError, State, TimelineState};
use crate::timeline::Timeline;

const TOPIC: &str = "p.shop.t";
const TRANSACTIONS: &str = "p.transaction";
/// What must come comes by then.
const PATIENCE: Duration = Duration::from_secs(60);

/// MySQL, Debezium and Kafka in one: a table of two columns.
struct World {
    cluster: MockCluster<'static, DefaultProducerContext>,
    producer: BaseProducer,
    transactions: u64,
}

impl World {
    fn new() -> Self {
        let cluster = MockCluster::new(1).expect("a cluster");
        for topic in [TOPIC, TRANSACTIONS] {
            cluster.create_topic(topic, 1, 1).expect("a topic");
        }
        let mut config = rdkafka::ClientConfig::new();
        let producer = config.set("bootstrap.servers", cluster.bootstrap_servers()).create().expect("a producer");
        World { cluster, producer, transactions: 0 }
    }

    fn put(&self, topic: &str, key: &str, value: &str) {
        self.producer.send(BaseRecord::to(topic).key(key).payload(value).partition(0)).expect("room");
        self.producer.flush(PATIENCE).expect("an answer");
    }

    fn row(&self, id: i64, n: i64, snapshot: &str, transaction: u64) {
        let at = transaction * 100 + 4;
        let ts_ms = 1_700_000_000_000 + transaction * 1_000;
        let (op, member, gtid) = match transaction {
            0 => ("r", "null".to_owned(), "null".to_owned()),
            number => {
                let id = format!("\"aaaa:{number}\"");
                ("c", format!(r#"{{"id":{id},"total_order":1,"data_collection_order":1}}"#), id)
            }
        };
        let source = format!(
            r#"{{"snapshot":"{snapshot}","db":"shop","table":"t","server_id":1,"file":"b.000001","pos":{at},"row":0,"gtid":{gtid},"ts_ms":{ts_ms}}}"#
        );
        let value = format!(
            r#"{{"before":null,"after":{{"id":{id},"n":{n}}},"source":{source},"op":"{op}","ts_ms":{ts_ms},"transaction":{member}}}"#
        );
        self.put(TOPIC, &format!(r#"{{"id":{id}}}"#), &value);
    }

    fn boundary(&self, transaction: u64, ends: bool) {
        let ts_ms = 1_700_000_000_000 + transaction * 1_000;
        let (status, counts) = match ends {
            true => ("END", r#"1,"data_collections":[{"data_collection":"shop.t","event_count":1}]"#),
            false => ("BEGIN", r#"null,"data_collections":null"#),
        };
        let id = format!("aaaa:{transaction}");
        let value = format!(r#"{{"status":"{status}","id":"{id}","event_count":{counts},"ts_ms":{ts_ms}}}"#);
        self.put(TRANSACTIONS, &id, &value);
    }

    /// A transaction that inserts a row, but for its END.
    fn begin(&mut self, id: i64, n: i64) -> u64 {
        self.transactions += 1;
        self.boundary(self.transactions, false);
        self.row(id, n, "false", self.transactions);
        self.transactions
    }

    fn commit(&mut self, id: i64, n: i64) {
        let number = self.begin(id, n);
        self.boundary(number, true);
    }

    fn source(&self) -> (SourceConfig, TableSchema) {
        let columns = ["id", "n"].map(|name| Column::new(name, Type::Int8)).to_vec();
        let config = SourceConfig {
            name: "t".into(),
            cluster: Cluster { brokers: self.cluster.bootstrap_servers(), properties: Vec::new() },
            topic: TOPIC.into(),
            format: Format::Json,
            envelope: Envelope::Debezium { transaction_topic: Some(TRANSACTIONS.into()), collection: None },
            declared: Some((columns, Some(vec![0]))),
            include: Vec::new(),
            on_error: OnError::Stall,
        };
        let schema = config.table_schema().expect("a table");
        (config, schema)
    }
}

/// Readers and what they tell.
struct Reading {
    readers: Readers,
    events: Receiver<SourceEvent>,
}

impl Reading {
    fn new() -> Self {
        let (out, mut inbox) = mpsc::channel(16);
        let (told, events) = channel();
        std::thread::spawn(move || {
            while let Some(event) = inbox.blocking_recv() {
                let _ = told.send(event);
            }
        });
        Reading { readers: Readers::new(out), events }
    }

    /// Everything up to the event.
    fn until(&self, what: impl Fn(&SourceEvent) -> bool) -> Vec<SourceEvent> {
        let deadline = Instant::now() + PATIENCE;
        let mut all = Vec::new();
        while let Ok(event) = self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            all.push(event);
            if all.last().is_some_and(&what) {
                return all;
            }
        }
        panic!("it has not come, but {all:#?}")
    }

    /// The states of all timelines, and the rows of commits that came before.
    fn checkpoint(&self) -> (Vec<TimelineState>, Vec<(i64, i64)>) {
        self.readers.checkpoint();
        let mut states = Vec::new();
        let events = self.until(|event| matches!(event, SourceEvent::StatesTold { whole: true }));
        let rows = rows(&events);
        for event in events {
            if let SourceEvent::State(state) = event {
                states.push(*state);
            }
        }
        (states, rows)
    }

    fn health(&self, state: State) -> (String, String) {
        let is = |event: &SourceEvent| matches!(event, SourceEvent::Health { health, .. } if health.state == state);
        match self.until(is).pop() {
            Some(SourceEvent::Health { health, .. }) => (health.reason, health.hint),
            other => panic!("{other:?}"),
        }
    }
}

/// Rows that came, in order.
fn rows(events: &[SourceEvent]) -> Vec<(i64, i64)> {
    let commits = |event: &SourceEvent| match event {
        SourceEvent::Commits(commits) => {
            commits.iter().flat_map(|commit| commit.changes.iter().map(|change| change.op.clone())).collect()
        }
        SourceEvent::Base { ops, .. } => ops.clone(),
        _ => Vec::new(),
    };
    let row = |op: Op| match op {
        Op::Upsert(row) => (row.as_ref().slot(0) as i64, row.as_ref().slot(1) as i64),
        other => panic!("{other:?}"),
    };
    events.iter().flat_map(commits).map(row).collect()
}

const OLD: TableId = TableId(1);
const NEW: TableId = TableId(7);

/// A table of two rows, and the state of its timeline while a third one waits for its END.
fn waiting(world: &mut World) -> TimelineState {
    let (config, schema) = world.source();
    world.row(1, 10, "last", 0);
    let mut reading = Reading::new();
    reading.readers.add(OLD, config, schema).expect("threads");
    reading.until(|event| matches!(event, SourceEvent::Hydrated(OLD)));
    world.commit(2, 20);
    reading.until(|event| rows(std::slice::from_ref(event)) == [(2, 20)]);
    let (before, _) = reading.checkpoint();
    world.begin(3, 30);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (mut states, came) = reading.checkpoint();
        assert!(came.is_empty(), "no END has come");
        assert_eq!((states.len(), &states[0].tables[..]), (1, &[OLD][..]));
        // The row and its transaction are in it.
        if states[0].bytes.len() > before[0].bytes.len() + 32 {
            reading.readers.shutdown();
            return states.remove(0);
        }
        assert!(Instant::now() < deadline, "the row has not come");
    }
}

fn resumed(world: &World) -> Vec<ResumedSource> {
    let (config, schema) = world.source();
    vec![ResumedSource { old: OLD, id: NEW, config, schema }]
}

#[test]
fn a_timeline_goes_on_where_its_state_says() {
    let mut world = World::new();
    let state = waiting(&mut world);
    world.boundary(world.transactions, true);
    world.commit(4, 40);
    let mut reading = Reading::new();
    reading.readers.resume(&state.bytes, resumed(&world)).expect("a state");
    let events = reading.until(|event| matches!(event, SourceEvent::Hydrated(_)));
    assert!(matches!(events.last(), Some(SourceEvent::Hydrated(NEW))), "{events:?}");
    assert!(!events.iter().any(|event| matches!(event, SourceEvent::Base { .. })), "no row is read again: {events:?}");
    assert_eq!(rows(&events), [(3, 30), (4, 40)]);
    // And once more, where nothing has come, from a state that was taken before the first restart was over.
    world.commit(5, 50);
    reading.until(|event| rows(std::slice::from_ref(event)) == [(5, 50)]);
    let (mut states, _) = reading.checkpoint();
    reading.readers.shutdown();
    let mut reading = Reading::new();
    let resumed: Vec<_> = resumed(&world).into_iter().map(|source| ResumedSource { old: NEW, ..source }).collect();
    reading.readers.resume(&states.remove(0).bytes, resumed).expect("a state");
    let (_, came) = reading.checkpoint();
    assert!(came.is_empty());
    let events = reading.until(|event| matches!(event, SourceEvent::Hydrated(NEW)));
    assert!(rows(&events).is_empty(), "{events:?}");
    world.commit(6, 60);
    reading.until(|event| rows(std::slice::from_ref(event)) == [(6, 60)]);
    reading.readers.shutdown();
}

/// The state, changed.
fn changed(state: &TimelineState, change: impl Fn(&mut GroupState<Timeline>)) -> Vec<u8> {
    let mut state: GroupState<Timeline> = saved::load(&state.bytes).expect("a state");
    change(&mut state);
    saved::save(&state).expect("bytes")
}

/// The mark of another record at that offset.
fn another(mark: &Mark) -> Mark {
    let time = Timestamp::CreateTime(1);
    Mark::of(&OwnedMessage::new(Some(b"another".to_vec()), None, TOPIC.into(), time, 0, mark.offset, None))
}

#[test]
fn a_topic_that_was_made_again_is_told_from_the_one_that_was_read() {
    let mut world = World::new();
    let state = waiting(&mut world);
    let of = |state: &mut GroupState<Timeline>, change: &dyn Fn(&mut Stand)| {
        state.tables.values_mut().for_each(|table| change(&mut table.stand));
    };
    let replaced = |stand: &mut Stand| stand.newest.values_mut().for_each(|mark| *mark = another(mark));
    let shorter = |stand: &mut Stand| stand.next.values_mut().for_each(|next| *next += 100);
    let narrower = |stand: &mut Stand| stand.next.extend([(3, 0)]);
    let changes: [&dyn Fn(&mut Stand); 3] = [&replaced, &shorter, &narrower];
    for change in changes {
        let bytes = changed(&state, |state| of(state, change));
        let mut reading = Reading::new();
        reading.readers.resume(&bytes, resumed(&world)).expect("a state");
        let (reason, hint) = reading.health(State::Incomplete);
        assert!(reason.contains(TOPIC) && reason.contains("was deleted and made again"), "{reason}");
        assert!(!hint.is_empty());
        reading.readers.shutdown();
    }
    for change in &changes[..2] {
        let bytes = changed(&state, |state| state.boundaries.iter_mut().for_each(change));
        let mut reading = Reading::new();
        reading.readers.resume(&bytes, resumed(&world)).expect("a state");
        let (reason, hint) = reading.health(State::Stalled);
        assert!(reason.contains(TRANSACTIONS) && reason.contains("was deleted and made again"), "{reason}");
        assert!(hint.contains("DROP SOURCE"), "{hint}");
        reading.readers.shutdown();
    }
}

#[test]
fn another_cluster_is_not_gone_on_with() {
    let mut world = World::new();
    let state = waiting(&mut world);
    let other = World::new();
    other.row(1, 10, "last", 0);
    let mut reading = Reading::new();
    reading.readers.resume(&state.bytes, resumed(&other)).expect("a state");
    let (reason, hint) = reading.health(State::Stalled);
    assert!(reason.contains("another one") && hint.contains("DROP SOURCE"), "{reason}; {hint}");
    // The state is not lost: the next checkpoint has it again.
    let (states, came) = reading.checkpoint();
    assert_eq!((states.len(), &states[0].tables[..]), (1, &[NEW][..]));
    assert!(came.is_empty());
    reading.readers.shutdown();
}

#[test]
fn a_state_that_is_not_of_the_source_is_refused() {
    let mut world = World::new();
    let state = waiting(&mut world);
    let mut reading = Reading::new();
    let mut damaged = state.bytes.clone();
    damaged[40] ^= 1;
    let error = reading.readers.resume(&damaged, resumed(&world)).expect_err("damaged").to_string();
    assert!(error.contains("is damaged"), "{error}");
    let differs = |change: &dyn Fn(&mut ResumedSource)| {
        let mut sources = resumed(&world);
        sources.iter_mut().for_each(change);
        sources
    };
    let changes: [&dyn Fn(&mut ResumedSource); 4] = [
        &|source| source.old = NEW,
        &|source| source.config.topic = "p.shop.u".into(),
        &|source| source.config.on_error = OnError::Skip,
        &|source| source.schema.key = None,
    ];
    for change in changes {
        let error = reading.readers.resume(&state.bytes, differs(change)).expect_err("another source").to_string();
        assert!(error.contains("is not as it was when the state was taken"), "{error}");
    }
    let (states, _) = reading.checkpoint();
    assert!(states.is_empty(), "nothing is read");
    reading.readers.shutdown();
}

/// A seek that was asked for before the newest records came does not take back how far the topic was read.
#[test]
fn a_late_order_tells_no_earlier_end() {
    let world = World::new();
    world.row(1, 10, "first", 0);
    world.row(2, 20, "last", 0);
    let (config, schema) = world.source();
    let content = Content::Table(Box::new(TableContent::new(config.clone(), schema)));
    let (out, batches) = sync_channel(16);
    let feed = Feed::start(1, config.cluster, TOPIC.into(), content, BTreeMap::new(), out).expect("a thread");
    let read = || loop {
        let batch = batches.recv_timeout(PATIENCE).expect("a batch");
        if let Some(next) = batch.items.iter().find_map(|item| match item {
            Item::Read(0, next) => Some(*next),
            _ => None,
        }) {
            return next;
        }
    };
    feed.orders.send(Order::Assign(vec![From { partition: 0, next: 0, end: 2 }])).expect("a feed");
    assert_eq!(read(), 2);
    feed.orders.send(Order::Seek(From { partition: 0, next: 0, end: 1 })).expect("a feed");
    assert_eq!(read(), 2);
}
