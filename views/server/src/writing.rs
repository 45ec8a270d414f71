//! Rows of statements become durable and then visible: written ahead, in the background, all that wait together with one sync.
//!
//! While a batch is being written the loop goes on with sources; requests wait, because they may build on it. A batch that could
//! not be written is not done: its statements fail and readers never saw it.

use std::sync::atomic::Ordering;

use tidewater_sql::{Ahead, Changes, Checked, Error, Result};
use tidewater_storage::{Batch, Checkpoints, Log};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::coordinator::{Loop, Request};
use crate::durable::{batch_of, refused};
use crate::transaction::{RestsOn, outdated};

/// Bytes of a batch beyond which no more statements are taken into it.
const BATCH_BYTES: usize = 32 << 20;

type Answer = oneshot::Sender<Result<()>>;

/// Changes, and what must be as it was for them to be done.
type Wanted = (Vec<Changes>, Vec<RestsOn>);

/// What is being written.
#[derive(Default)]
pub(crate) struct Writing {
    changes: Option<Batched>,
    checkpoint: Option<JoinHandle<(Checkpoints, tidewater_storage::Result<u64>)>>,
    /// Who waits for the checkpoint under way, and for the one behind it.
    asked: (Vec<Answer>, Vec<Answer>),
}

/// Changes that were checked and wait for their batch.
struct Batched {
    task: JoinHandle<(Log, tidewater_storage::Result<()>)>,
    waiting: Waiting,
}

/// Who waits for a batch. What is refused because of one before it in the batch is told together with that one: tried again before,
/// it would find the rows as they were.
type Waiting = Vec<(Result<Checked>, Answer)>;

/// What has been written, or not.
pub(crate) enum Written {
    Changes(Option<(Log, tidewater_storage::Result<()>)>),
    Checkpoint(Option<(Checkpoints, tidewater_storage::Result<u64>)>),
}

impl Writing {
    /// Whether a batch of changes is under way.
    pub(crate) fn has_changes(&self) -> bool {
        self.changes.is_some()
    }

    /// Somebody waits for a checkpoint of what is there by now.
    pub(crate) fn want_checkpoint(&mut self, answer: Answer) {
        self.asked.1.push(answer);
    }

    /// Whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.changes.is_none() && self.checkpoint.is_none()
    }

    /// What comes to an end next; never if nothing is under way. `None` in it tells of a panic.
    pub(crate) async fn next(&mut self) -> Written {
        let changes = async {
            match &mut self.changes {
                Some(batched) => (&mut batched.task).await.ok(),
                None => std::future::pending().await,
            }
        };
        let checkpoint = async {
            match &mut self.checkpoint {
                Some(task) => task.await.ok(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            done = changes => Written::Changes(done),
            done = checkpoint => Written::Checkpoint(done),
        }
    }
}

impl Loop {
    /// Begins a batch with these changes and all that wait behind them.
    pub(crate) fn begin_changes(&mut self, changes: Wanted, answer: Answer) {
        // Rows are not written before the table that they are of.
        if self.durable.is_behind()
            && let Err(error) = self.write_catalog()
        {
            drop(answer.send(Err(error)));
            return;
        }
        let mut ahead = Ahead::default();
        let (mut batch, mut waiting) = (Batch::default(), Vec::new());
        let mut next = Some((changes, answer));
        while let Some((changes, answer)) = next {
            match self.check(changes, &mut ahead) {
                Ok((checked, written)) => {
                    batch.extend(written);
                    waiting.push((Ok(checked), answer));
                }
                Err(error) => waiting.push((Err(error), answer)),
            }
            next = if batch.len() < BATCH_BYTES { self.next_changes() } else { None };
        }
        if batch.is_empty() {
            return self.end_changes(waiting, Ok(()));
        }
        match self.durable.take_log() {
            Ok(mut log) => {
                let task = tokio::task::spawn_blocking(move || {
                    let written = log.append(batch);
                    (log, written)
                });
                self.writing.changes = Some(Batched { task, waiting });
            }
            Err(error) => self.end_changes(waiting, Err(error)),
        }
    }

    /// The changes that are asked for next, if it is changes.
    fn next_changes(&mut self) -> Option<(Wanted, Answer)> {
        match self.queue.pop_front()? {
            Request::Apply { changes, rests_on, answer } => Some(((changes, rests_on), answer)),
            other => {
                self.queue.push_front(other);
                None
            }
        }
    }

    fn check(&self, (changes, rests_on): Wanted, ahead: &mut Ahead) -> Result<(Checked, Batch)> {
        // Nobody else writes, so nothing changes in between, and readers need not wait for the checks.
        let database = self.database.read();
        if !rests_on.iter().all(|on| database.is_unchanged(&on.moment, &on.relations, ahead)) {
            return Err(outdated());
        }
        let checked = database.check_changes(changes, ahead)?;
        let batch = batch_of(&checked);
        if batch.len() > Batch::BYTES_MAX {
            let error = refused(&tidewater_storage::Error::TooLarge { bytes: batch.len() });
            database.give_up(vec![checked]);
            return Err(error);
        }
        Ok((checked, batch))
    }

    /// Does what was written, or tells why not.
    pub(crate) fn written(&mut self, written: Written) {
        match written {
            Written::Changes(done) => {
                let Some(Batched { waiting, .. }) = self.writing.changes.take() else { return };
                let written = match done {
                    Some((log, written)) => {
                        self.durable.give_log(log);
                        self.metrics.log_syncs.fetch_add(1, Ordering::Relaxed);
                        self.tell_storage();
                        written.map_err(|error| refused(&error))
                    }
                    // From now on nothing is taken.
                    None => self.durable.take_log().map(drop),
                };
                self.end_changes(waiting, written);
            }
            Written::Checkpoint(done) => {
                self.writing.checkpoint = None;
                let asked = std::mem::take(&mut self.writing.asked.0);
                let written = match done {
                    Some((checkpoints, written)) => self.durable.compacted(checkpoints, written),
                    None => Err(Error::new(b"XX000", "the checkpoint ended by a bug; the log goes on")),
                };
                asked.into_iter().for_each(|answer| drop(answer.send(written.clone())));
                self.tell_storage();
            }
        }
    }

    /// What `/metrics` tells of the log.
    fn tell_storage(&self) {
        let (log, checkpoint) = self.durable.bytes();
        self.metrics.log_bytes.store(log, Ordering::Relaxed);
        self.metrics.checkpoint_bytes.store(checkpoint, Ordering::Relaxed);
    }

    fn end_changes(&mut self, waiting: Waiting, written: Result<()>) {
        let (mut checked, mut answers) = (Vec::new(), Vec::new());
        for (found, answer) in waiting {
            // What was refused because of what could not be written fails like that.
            answers.push((answer, written.clone().and(found.as_ref().map(drop).map_err(Clone::clone))));
            checked.extend(found);
        }
        match &written {
            Ok(()) => {
                let applying = self.database.read().begin_checked(checked);
                self.do_all(applying);
            }
            Err(_) => self.database.read().give_up(checked),
        }
        answers.into_iter().for_each(|(answer, told)| drop(answer.send(told)));
    }

    /// Writes a checkpoint in the background if the log has become long or somebody asks for one.
    pub(crate) fn compact(&mut self) {
        let wanted = self.durable.is_long() || !self.writing.asked.1.is_empty();
        if !wanted || !self.writing.is_idle() {
            return;
        }
        let asked = std::mem::take(&mut self.writing.asked.1);
        match self.durable.compact(&self.database.read()) {
            Ok(compaction) => {
                self.writing.checkpoint = Some(tokio::task::spawn_blocking(move || compaction.run()));
                self.writing.asked.0 = asked;
            }
            Err(error) => asked.into_iter().for_each(|answer| drop(answer.send(Err(error.clone())))),
        }
    }
}
