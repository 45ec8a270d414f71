//! The thread that writes a sink's topic.
//!
//! It begins as it goes on after any trouble. It opens the topic's writer, so that no other can commit any more. It reads how far the
//! topic is and what it holds. It takes the view's rows at a moment that is not before that, and writes the difference in one
//! transaction. From then on each transaction holds whole commits of the database, in their order. So at the end of every transaction
//! the topic folded by key is the view at some moment, and nothing is written that is there already, whatever was cut off where.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tidewater_functions::Session;
use tidewater_ingest::produce::{Fault, Writer};
use tidewater_sql::parse::ast::SinkEnvelope;
use tidewater_sql::{Changed, Error, FollowedRows, Positions, Prepared, Sink, SinkState};
use tokio::sync::watch;

use super::encode::Encoder;
use super::fold::{Folded, rows_of};
use super::foreign_records;
use super::progress::{Progress, Reached};
use super::records::{Counts, Difference, Record, of_changes};
use super::spec::{self, Spec};
use crate::definitions::from_ingest;
use crate::feeds::Subscription;
use crate::handle::Handle;
use crate::waits::Wait;

/// Pause before it is tried again.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How often whoever waits looks up.
const LOOK: Duration = Duration::from_secs(1);
/// Bytes after which a transaction takes no more commits.
const TRANSACTION_BYTES: usize = 4 << 20;

/// Why a writer does not go on as it did.
enum End {
    /// The sink is gone, or the server stops.
    Stopped,
    /// It cannot be tried again.
    Final(Error),
    Again(Error),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        End::Again(error)
    }
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::GivenUp => End::Stopped,
            Fault::Kafka(error) => End::Again(from_ingest(&error)),
        }
    }
}

type Done<T> = Result<T, End>;

/// Starts a writer; it ends when the sender of `ended` is gone.
///
/// # Errors
/// If there can be no more threads.
pub(super) fn start(handle: Handle, sink: Sink, own: String, ended: watch::Receiver<()>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Handle::current();
    let mut writer = SinkWriter {
        handle,
        runtime,
        sink,
        own,
        ended,
        known: None,
        oldest: Cell::new(0),
        committed_ms: Cell::new(0),
        pause: FIRST_PAUSE,
    };
    std::thread::Builder::new().name("sink".into()).spawn(move || writer.run()).map(drop)
}

struct SinkWriter {
    handle: Handle,
    runtime: tokio::runtime::Handle,
    sink: Sink,
    /// By what others know this server.
    own: String,
    ended: watch::Receiver<()>,
    /// Who wrote last when the topic was opened before; `None` before that.
    known: Option<Option<String>>,
    /// The moment of the oldest change that may lack in the topic; 0 if there is none.
    oldest: Cell<u64>,
    /// When this writer last committed; 0 before it has.
    committed_ms: Cell<u64>,
    pause: Duration,
}

/// An open topic and how far it is.
struct Topic {
    spec: Spec,
    encoder: Encoder,
    writer: Writer,
    partitions: i32,
    counts: Counts,
    /// The moment that it shows.
    moment: u64,
}

impl SinkWriter {
    fn run(&mut self) {
        loop {
            let error = match self.attempt() {
                End::Stopped => return,
                End::Final(error) => {
                    tracing::error!(sink = self.sink.name, reason = error.message, "the sink has given up");
                    self.tell(SinkState::Stalled, &error);
                    return;
                }
                End::Again(error) => error,
            };
            if self.sink.status.lock().reason != text(&error) {
                tracing::warn!(sink = self.sink.name, reason = error.message, "the sink waits");
            }
            self.tell(SinkState::Waiting, &error);
            self.wait(self.pause);
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn attempt(&mut self) -> End {
        let done = self.open().and_then(|(mut topic, subscription)| self.follow(&mut topic, &subscription));
        match done {
            _ if self.is_over() => End::Stopped,
            Ok(never) => never,
            Err(end) => end,
        }
    }

    /// Opens the topic and makes it the view at one moment.
    fn open(&mut self) -> Done<(Topic, Subscription)> {
        let session = Session { search_path: self.sink.search_path.clone(), ..Session::default() };
        let spec = spec::resolve(&self.sink.statement, &self.handle.read(), &session)?;
        let subscription = self.subscribe(&Arc::new(session))?;
        self.sink.status.lock().state = SinkState::Recovering;
        // What came since the last commit may lack.
        self.oldest.set(self.committed_ms.get());
        let partitions = spec.cluster.make_topic(&spec.topic).map_err(|error| from_ingest(&error))?;
        spec.cluster.make_topic(&spec.progress).map_err(|error| from_ingest(&error))?;
        let Sink { columns, key, unique, .. } = &self.sink;
        let encoder = Encoder::new(&spec.format, spec.envelope, &spec.topic.name, columns, key)?;
        let counts = Counts::new(*unique);
        // A writer that another one has taken the place of does not take it back.
        if self.known.is_some() {
            self.still_ours(Progress::read(&spec)?.as_ref())?;
        }
        let writer = spec.cluster.writer(&spec.transactional_id(), &spec.properties, &mut self.go_on())?;
        writer.end_left_open(&spec.topic.name)?;
        let progress = Progress::read(&spec)?;
        self.still_ours(progress.as_ref())?;
        self.known = Some(progress.as_ref().map(|progress| progress.writer.clone()));
        let own = progress.filter(|progress| progress.sink == self.sink.name);
        let mut topic = Topic { spec, encoder, writer, partitions, counts, moment: 0 };
        let folded = self.folded(&topic, own.as_ref())?;
        let rows = self.rows_after(&subscription, &own.map(|own| own.positions).unwrap_or_default())?;
        self.write_difference(&mut topic, &folded, rows)?;
        self.known = Some(Some(self.own.clone()));
        self.pause = FIRST_PAUSE;
        tracing::info!(sink = self.sink.name, moment = topic.moment, "the topic holds what the view does");
        Ok((topic, subscription))
    }

    /// Follows the rows, once they are all there.
    fn subscribe(&mut self, session: &Arc<Session>) -> Done<Subscription> {
        let parsed = tidewater_sql::parse(&self.sink.follow)?.pop();
        let parsed = parsed.ok_or_else(|| Error::new(b"XX000", "nothing to follow"))?;
        let prepared: Prepared = self.handle.prepare(&Arc::new(parsed), &[], session)?;
        let wait = Wait { limit: LOOK, after: None };
        loop {
            match self.runtime.block_on(self.handle.follow(&prepared, session, &wait)) {
                Ok((subscription, _)) => return Ok(subscription),
                Err(error) if error.sqlstate == *b"57014" && !self.is_over() => self.tell(SinkState::Waiting, &error),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether nobody else has written since this server did.
    fn still_ours(&self, progress: Option<&Progress>) -> Done<()> {
        let writer = progress.map(|progress| &progress.writer);
        match &self.known {
            Some(known) if writer != known.as_ref() && writer != Some(&self.own) => {
                let topic = &self.sink.statement.topic;
                let message = format!("sink \"{}\": another server writes topic \"{topic}\" now", self.sink.name);
                Err(End::Final(Error::new(b"55000", message).hint("drop the sink here, or there and make it anew")))
            }
            _ => Ok(()),
        }
    }

    /// What the topic holds, if the sink may write it.
    fn folded(&self, Topic { spec, encoder, partitions, .. }: &Topic, own: Option<&Progress>) -> Done<Folded> {
        let topic = &spec.topic.name;
        if let Some(before) = own.map(|own| own.partitions).filter(|before| before != partitions) {
            let message =
                format!("topic \"{topic}\" has {partitions} partitions, and had {before} when it was written");
            let hint = "a key's records lie in two of them, in no order: make a sink with a new topic";
            return Err(Error::new(b"55000", message).hint(hint).into());
        }
        let folded = Folded::read(&spec.cluster, topic, encoder, &mut || !self.is_over())?;
        if own.is_none() && !spec.reuse && folded.records > 0 {
            return Err(foreign_records(&self.sink.name, topic).into());
        }
        if folded.keyless > 0 {
            let message = format!("topic \"{topic}\" holds {} records without a key", folded.keyless);
            return Err(Error::new(b"55000", message).hint("a sink needs a topic of its own").into());
        }
        Ok(folded)
    }

    /// The rows at a moment that is not before these positions: the topic never goes back in time.
    fn rows_after(&self, subscription: &Subscription, reached: &Reached) -> Done<FollowedRows> {
        let mut ticks = self.handle.ticks.clone();
        loop {
            ticks.borrow_and_update();
            let gone = || Error::new(b"55000", "the rows are not all there any more");
            let rows = self.handle.read().followed_rows(subscription.id)?.ok_or_else(gone)?;
            let texts = reached.iter().map(|(name, position)| (name.as_str(), position.as_str()));
            let Some(lacking) = rows.positions.lacks(texts)? else { return Ok(rows) };
            drop(rows);
            let message = format!("the topic shows the view after {lacking}, where its sources have not come yet");
            let hint = "if that history is gone for good, drop the sink and make it under another name WITH (REUSE TOPIC = true)";
            self.tell(SinkState::Waiting, &Error::new(b"55000", message).hint(hint));
            let mut ended = self.ended.clone();
            self.runtime.block_on(async {
                tokio::select! {
                    _ = ticks.changed() => {}
                    _ = ended.changed() => {}
                }
            });
            if self.is_over() {
                return Err(End::Stopped);
            }
        }
    }

    /// Writes what the topic lacks of the rows, in one transaction.
    fn write_difference(&self, topic: &mut Topic, folded: &Folded, rows: FollowedRows) -> Done<()> {
        let Topic { spec, encoder, writer, counts, .. } = &mut *topic;
        let difference = Difference::new(encoder, folded, rows.snapshot.rows())?;
        let before = match spec.envelope {
            SinkEnvelope::Upsert => Default::default(),
            SinkEnvelope::Debezium => {
                let keys = difference.stale.union(&difference.gone).cloned().collect();
                rows_of(&spec.cluster, &spec.topic.name, encoder, &keys, &mut || !self.is_over())?
            }
        };
        writer.begin()?;
        let mut records = 0;
        for (row, weight) in rows.snapshot.rows() {
            if let Some(record) = difference.of_row(row, weight, counts, &before)? {
                self.send(writer, spec, &record)?;
                records += 1;
            }
        }
        for record in difference.of_gone(&before) {
            self.send(writer, spec, &record)?;
            records += 1;
        }
        let FollowedRows { moment, positions, .. } = rows;
        self.commit(topic, moment, &positions, records)
    }

    /// Writes what ticks change, for as long as it goes well.
    fn follow(&self, topic: &mut Topic, subscription: &Subscription) -> Done<End> {
        let (mut told, mut ended) = (subscription.feed.told(), self.ended.clone());
        loop {
            told.borrow_and_update();
            let changes = subscription.feed.after(topic.moment)?;
            if changes.is_empty() {
                self.sink.status.lock().lag_ms = 0;
                self.runtime.block_on(async {
                    tokio::select! {
                        _ = told.changed() => {}
                        _ = ended.changed() => {}
                    }
                });
            }
            let mut changes = &changes[..];
            while !changes.is_empty() {
                changes = self.write_changes(topic, changes)?;
            }
            if self.is_over() {
                return Ok(End::Stopped);
            }
        }
    }

    /// Writes whole commits in one transaction; gives those that are left.
    fn write_changes<'c>(&self, topic: &mut Topic, changes: &'c [Arc<Changed>]) -> Done<&'c [Arc<Changed>]> {
        let (mut records, mut bytes, mut taken): (Vec<Record>, usize, usize) = (Vec::new(), 0, 0);
        while taken < changes.len() && bytes < TRANSACTION_BYTES {
            let of_commit = of_changes(&topic.encoder, &mut topic.counts, &changes[taken])?;
            bytes += of_commit.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum::<usize>();
            records.extend(of_commit);
            taken += 1;
        }
        let (now, left) = changes.split_at(taken);
        let (Some(first), Some(last)) = (now.first(), now.last()) else { return Ok(left) };
        self.oldest.set(first.moment);
        self.sink.status.lock().lag_ms = since(first.moment);
        if records.is_empty() {
            topic.moment = last.moment;
            return Ok(left);
        }
        topic.writer.begin()?;
        for record in &records {
            self.send(&topic.writer, &topic.spec, record)?;
        }
        self.commit(topic, last.moment, &last.positions, records.len() as u64)?;
        Ok(left)
    }

    fn send(&self, writer: &Writer, spec: &Spec, (key, value): &Record) -> Done<()> {
        Ok(writer.send(&spec.topic.name, key, value.as_deref(), &mut self.go_on())?)
    }

    fn commit(&self, topic: &mut Topic, moment: u64, positions: &Positions, records: u64) -> Done<()> {
        let reached: BTreeMap<_, _> = positions.by_timeline().map(|(name, text)| (name.to_owned(), text)).collect();
        let progress = Progress {
            sink: self.sink.name.clone(),
            writer: self.own.clone(),
            moment,
            positions: reached,
            partitions: topic.partitions,
            records,
        };
        let value = serde_json::to_vec(&progress).map_err(|error| Error::new(b"XX000", error.to_string()))?;
        let Topic { spec, writer, .. } = &*topic;
        writer.send(&spec.progress.name, spec.topic.name.as_bytes(), Some(&value), &mut self.go_on())?;
        writer.commit(&mut self.go_on())?;
        topic.moment = moment;
        self.oldest.set(0);
        self.committed_ms.set(now_ms());
        let mut status = self.sink.status.lock();
        status.state = SinkState::Running;
        status.reason.clear();
        status.lag_ms = 0;
        status.moment = moment;
        status.position = positions.to_string();
        status.records += records;
        status.transactions += 1;
        Ok(())
    }

    /// Asked while Kafka is waited for.
    fn go_on(&self) -> impl FnMut(&str) -> bool {
        |reason| {
            self.tell(SinkState::Waiting, &Error::new(b"08001", reason));
            !self.is_over()
        }
    }

    fn is_over(&self) -> bool {
        self.ended.has_changed().is_err()
    }

    fn tell(&self, state: SinkState, error: &Error) {
        let mut status = self.sink.status.lock();
        status.state = state;
        status.reason = text(error);
        status.lag_ms = since(self.oldest.get());
    }

    fn wait(&self, time: Duration) {
        let mut ended = self.ended.clone();
        // Either way it is looked at next.
        let _ = self.runtime.block_on(async { tokio::time::timeout(time, ended.changed()).await });
    }
}

/// An error as the status shows it.
fn text(error: &Error) -> String {
    match &error.hint {
        Some(hint) => format!("{}; {hint}", error.message),
        None => error.message.clone(),
    }
}

/// Milliseconds since a moment; none since no moment.
fn since(moment: u64) -> u64 {
    if moment == 0 { 0 } else { now_ms().saturating_sub(moment) }
}

fn now_ms() -> u64 {
    u64::try_from(chrono::Utc::now().timestamp_millis()).unwrap_or(0)
}
