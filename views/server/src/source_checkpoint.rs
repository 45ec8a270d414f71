//! Checkpoints of sources: what they hold is kept at some moment of each timeline, and at the next start they go on from there.
//!
//! A timeline tells its state through the channel of its commits. So when the loop takes the state up, the rows of the timeline's sources
//! are exactly those of all that it handed on before, and a snapshot of them costs a few pointers a chunk. All the rest is
//! done beside the loop. Timelines have nothing to do with each other, so each has its own moment.
//!
//! At a start sources are made in the first pass over the catalog, with the rows that they held. Nothing is read before that pass is over: then
//! each timeline goes on with all of its sources together.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tidewater_delta::TableId;
use tidewater_ingest::{ResumedSource, SourceConfig, TimelineState};
use tidewater_sql::{Error, Result};
use tidewater_storage::blocks::{Blocks, Written};
use tidewater_types::TableSchema;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::coordinator::Loop;
use crate::durable::{SourceMoment, SourcesMoment, TimelineMoment, made_as, refused};

/// A checkpoint begins no sooner than so many times what the last one took: writing takes a tenth of the time at most.
const PAUSE: u32 = 10;

type Answer = oneshot::Sender<Result<()>>;

/// A version that was written, or not; `None` tells of a panic.
pub(crate) type VersionWritten = Option<(Blocks, tidewater_storage::Result<Written>)>;

/// See the module.
pub(crate) struct SourceCheckpoints {
    /// Away while a version is being written.
    blocks: Option<Blocks>,
    /// What was found at the start, until all sources are made.
    found: SourcesMoment,
    /// Sources that were made and are not read yet.
    made: Vec<Made>,
    /// What each source that is read was made as.
    made_as: HashMap<TableId, Arc<str>>,
    /// The moments of timelines that have told theirs.
    taking: Option<SourcesMoment>,
    begun: Instant,
    /// How long the last one took.
    took: Duration,
    writing: Option<JoinHandle<(Blocks, tidewater_storage::Result<Written>)>>,
    /// Who waits for the checkpoint under way, and for the one behind it.
    asked: (Vec<Answer>, Vec<Answer>),
    /// Whether sources have changed since the last one began.
    pub(crate) changed: bool,
    interval: Option<Duration>,
}

/// A source that was made at the start.
struct Made {
    table: TableId,
    oid: Option<u32>,
    /// Whether it has the rows that were found.
    has_rows: bool,
    config: SourceConfig,
    schema: TableSchema,
}

impl SourceCheckpoints {
    /// Goes on from what was found.
    pub(crate) fn new(blocks: Blocks, found: SourcesMoment, interval: Option<Duration>) -> Self {
        SourceCheckpoints {
            blocks: Some(blocks),
            found,
            made: Vec::new(),
            made_as: HashMap::new(),
            taking: None,
            begun: Instant::now(),
            took: Duration::ZERO,
            writing: None,
            asked: (Vec::new(), Vec::new()),
            changed: false,
            interval,
        }
    }

    /// Whether one is under way or asked for.
    pub(crate) fn is_busy(&self) -> bool {
        self.taking.is_some() || self.writing.is_some() || !self.asked.1.is_empty()
    }

    /// When the next one is due.
    pub(crate) fn due(&self) -> Option<tokio::time::Instant> {
        let wanted = self.changed && !self.is_busy();
        let interval = self.interval.filter(|_| wanted)?;
        Some((self.begun + interval.max(self.took * PAUSE)).into())
    }

    /// What is written comes to an end; never if nothing is.
    pub(crate) async fn written(&mut self) -> VersionWritten {
        match &mut self.writing {
            Some(task) => task.await.ok(),
            None => std::future::pending().await,
        }
    }

    /// A source is read no more.
    pub(crate) fn forget(&mut self, table: TableId) {
        self.made_as.remove(&table);
        self.made.retain(|made| made.table != table);
    }
}

impl Loop {
    /// Gives a source that is made at the start the rows that it held, if it is still what it was, and lets it wait for the others.
    pub(crate) fn make_from_checkpoint(&mut self, table: TableId, config: SourceConfig, schema: TableSchema) {
        self.describe_reading(table, &config);
        let mut database = self.database.write();
        let oid = database.source_oid(table);
        let found = oid.and_then(|oid| {
            let complete = self.checkpoints.found.complete().contains_key(&oid);
            self.checkpoints.found.sources.remove(&oid).filter(|_| complete)
        });
        let mut has_rows = false;
        if let Some(SourceMoment { made_as: then, kept }) = found {
            let restored = match then == made_as(&config, &schema) {
                true => database.restore_source(table, kept),
                false => Err(Error::new(b"55000", "it is defined otherwise than it was at the checkpoint")),
            };
            match restored {
                Ok(()) => has_rows = true,
                Err(error) => {
                    let reason = error.to_string();
                    tracing::warn!(
                        source = config.name,
                        reason,
                        "the source is read again from the beginning of its topic"
                    );
                }
            }
        }
        drop(database);
        self.checkpoints.made.push(Made { table, oid, has_rows, config, schema });
    }

    /// Views that were made lately take the rows that they had, if all of their sources have theirs.
    pub(crate) fn make_views_from_checkpoint(&mut self) {
        if let Err(error) = self.database.write().restore_nodes(&mut self.checkpoints.found.nodes) {
            tracing::warn!(reason = %error, "a view is computed again");
        }
    }

    /// All sources are made: timelines go on, and what has no checkpoint is read from its beginning.
    pub(crate) fn go_on_from_checkpoint(&mut self) {
        let found = std::mem::take(&mut self.checkpoints.found);
        self.database.write().end_restoring();
        let mut made = std::mem::take(&mut self.checkpoints.made);
        for timeline in found.timelines {
            let then: HashMap<u32, TableId> = timeline.tables.iter().map(|(table, oid)| (*oid, *table)).collect();
            let of = |made: &mut Made| made.has_rows && made.oid.is_some_and(|oid| then.contains_key(&oid));
            let resumed: Vec<ResumedSource> = made
                .extract_if(.., of)
                .map(|made| ResumedSource {
                    old: made.oid.and_then(|oid| then.get(&oid).copied()).unwrap_or(made.table),
                    id: made.table,
                    config: made.config,
                    schema: made.schema,
                })
                .collect();
            self.resume(&timeline, resumed);
        }
        for Made { table, config, schema, .. } in made {
            self.read_or_stall(table, config, schema);
        }
        self.checkpoints.changed = true;
    }

    /// Lets a timeline go on with the sources of it that are still there.
    fn resume(&mut self, timeline: &TimelineMoment, sources: Vec<ResumedSource>) {
        if sources.is_empty() {
            return;
        }
        tracing::info!(timeline = timeline.name, sources = sources.len(), "going on from the checkpoint");
        for source in &sources {
            self.note_reading(source.id, &source.config, &source.schema);
        }
        let Some(readers) = &mut self.readers else { return };
        let Err(error) = readers.resume(&timeline.state, sources.clone()) else { return };
        tracing::error!(%error, timeline = timeline.name, "the checkpoint cannot be gone on from; its sources are read again from the beginning");
        for ResumedSource { config, schema, .. } in sources {
            let name = config.name.clone();
            let text = self.database.read().definition(&name).map(|(_, text)| text.to_owned()).unwrap_or_default();
            if let Err(error) = self.replace_source(&name, &text, config, schema) {
                tracing::error!(source = name, reason = %error, "the source could not be made anew");
            }
        }
    }

    /// Takes note of what a source is read as.
    pub(crate) fn note_reading(&mut self, table: TableId, config: &SourceConfig, schema: &TableSchema) {
        self.checkpoints.made_as.insert(table, made_as(config, schema).into());
        self.checkpoints.changed = true;
    }

    /// Somebody waits for a checkpoint of what is there by now.
    pub(crate) fn want_source_checkpoint(&mut self, answer: Answer) {
        self.checkpoints.asked.1.push(answer);
    }

    /// Begins a checkpoint if one is asked for or due.
    pub(crate) fn take_source_checkpoint(&mut self) {
        let due = self.checkpoints.due().is_some_and(|due| due <= tokio::time::Instant::now());
        let checkpoints = &mut self.checkpoints;
        if checkpoints.taking.is_some() || checkpoints.writing.is_some() || checkpoints.asked.1.is_empty() && !due {
            return;
        }
        checkpoints.asked.0 = std::mem::take(&mut checkpoints.asked.1);
        checkpoints.begun = Instant::now();
        checkpoints.changed = false;
        match (&self.readers, checkpoints.blocks.is_some()) {
            (Some(readers), true) if *self.restored.borrow() => {
                checkpoints.taking = Some(SourcesMoment::default());
                readers.checkpoint();
            }
            // Nothing reads: there is nothing to keep but what was found.
            _ => self.end_source_checkpoint(&Ok(())),
        }
    }

    /// Takes what a timeline's sources hold, which is what the state says.
    pub(crate) fn timeline_state(&mut self, state: TimelineState) {
        let Some(taking) = &mut self.checkpoints.taking else { return };
        let database = self.database.read();
        let mut tables = Vec::new();
        for table in state.tables {
            let known = database.source_oid(table).zip(self.checkpoints.made_as.get(&table));
            // What was dropped meanwhile, or has no answer, is not of the checkpoint: at the next start it is read from its beginning.
            let answers = !database.is_incomplete(table);
            let Some(((oid, made_as), kept)) = known.zip(database.keep_source(table)).filter(|_| answers) else {
                continue;
            };
            taking.sources.insert(oid, SourceMoment { made_as: made_as.to_string(), kept });
            tables.push((table, oid));
        }
        taking.nodes.extend(database.keep_nodes(&tables.iter().map(|(table, _)| *table).collect::<Vec<_>>()));
        taking.timelines.push(TimelineMoment { name: state.name, tables, state: state.bytes });
    }

    /// All timelines have told their states: what they hold is written, beside everything else.
    pub(crate) fn states_told(&mut self, whole: bool) {
        let Some(mut moment) = self.checkpoints.taking.take() else { return };
        if !whole {
            let error =
                Error::new(b"55000", "a thread that reads Kafka has not told how far it is: no checkpoint was taken")
                    .hint("the messages before this one tell why; the checkpoint before is kept");
            tracing::warn!(reason = %error, "no checkpoint");
            self.checkpoints.changed = true;
            return self.end_source_checkpoint(&Err(error));
        }
        let empty = self.checkpoints.blocks.as_ref().is_none_or(Blocks::is_empty);
        if moment.timelines.is_empty() && empty {
            return self.end_source_checkpoint(&Ok(()));
        }
        let Some(mut blocks) = self.checkpoints.blocks.take() else { return };
        let database = self.database.read();
        (moment.dead_letters, moment.sizes) = (database.keep_dead_letter_rows(), database.planned_sizes());
        drop(database);
        let kept: HashSet<u32> = moment.sources.keys().copied().collect();
        tracing::debug!(
            sources = kept.len(),
            millis = self.checkpoints.begun.elapsed().as_millis(),
            "a checkpoint begins"
        );
        self.checkpoints.writing = Some(tokio::task::spawn_blocking(move || {
            let mut writer = blocks.begin();
            let written = moment.write(&mut writer).and_then(|()| writer.finish());
            (blocks, written)
        }));
    }

    /// Takes note of a checkpoint that was written, or not: then the one before is there.
    pub(crate) fn source_checkpoint_written(&mut self, written: VersionWritten) {
        self.checkpoints.writing = None;
        let told = match written {
            Some((blocks, written)) => {
                self.checkpoints.blocks = Some(blocks);
                written.map_err(|error| refused(&error))
            }
            None => Err(Error::new(
                b"XX000",
                "the checkpoint ended by a bug: no more are taken until the server is restarted",
            )),
        };
        match &told {
            Ok(Written { number, bytes, new }) => {
                self.checkpoints.took = self.checkpoints.begun.elapsed();
                let seconds = self.checkpoints.took.as_secs_f64();
                tracing::debug!(number, bytes, new, seconds, "a checkpoint of the sources was written");
                let metrics = &self.metrics;
                metrics.source_checkpoint_bytes.store(*bytes, Ordering::Relaxed);
                metrics.source_checkpoint_written.fetch_add(*new, Ordering::Relaxed);
                metrics.source_checkpoints.fetch_add(1, Ordering::Relaxed);
                let now = u64::try_from(chrono::Utc::now().timestamp_millis()).unwrap_or_default();
                metrics.source_checkpoint_ms.store(now, Ordering::Relaxed);
            }
            Err(error) => {
                self.checkpoints.changed = true;
                tracing::error!(reason = %error, "no checkpoint of the sources could be written; the one before is kept");
            }
        }
        self.end_source_checkpoint(&told.map(drop));
    }

    /// The log is compacted for those who asked and still wait.
    fn end_source_checkpoint(&mut self, told: &Result<()>) {
        for answer in std::mem::take(&mut self.checkpoints.asked.0).into_iter().filter(|answer| !answer.is_closed()) {
            match told {
                Ok(()) => self.writing.want_checkpoint(answer),
                Err(error) => drop(answer.send(Err(error.clone()))),
            }
        }
    }
}
