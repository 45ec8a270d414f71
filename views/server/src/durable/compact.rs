//! Compaction: when the log has become long, what it came to is written as a checkpoint, beside everything else.

use tidewater_sql::{Database, KeptRows, Result};
use tidewater_storage::{Batch, Checkpoints, Log, State};

use super::{Durable, away, refused};

/// The log is compacted when it has more bytes than this and than the checkpoint before it: each byte is written about twice.
pub(super) const LOG_BYTES: u64 = 16 << 20;
/// Bytes of rows in one frame of a checkpoint.
const FRAME: usize = 256 << 10;

/// A checkpoint to be written: all of one moment, readable without a lock.
pub(crate) struct Compaction {
    checkpoints: Checkpoints,
    number: u64,
    definitions: Vec<(u64, Vec<u8>)>,
    tables: Vec<KeptRows>,
    /// Rows of tables that could not be made again yet.
    unmade: State,
}

impl Durable {
    /// Whether the log has become long.
    pub(crate) fn is_long(&self) -> bool {
        self.log.as_ref().is_some_and(|log| log.bytes() >= self.longest)
    }

    /// Bytes of the log and of the newest checkpoint.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.log.as_ref().map_or(0, Log::bytes), self.checkpoint_bytes)
    }

    /// Begins the next log and gives what to write as a checkpoint.
    ///
    /// # Errors
    /// 53100 or 58030: the log goes on as it is, and is left alone until it is twice as long.
    pub(crate) fn compact(&mut self, database: &Database) -> Result<Compaction> {
        let (Some(log), Some(checkpoints)) = (self.log.as_mut(), self.checkpoints.take()) else { return Err(away()) };
        match log.rotate() {
            Ok(number) => {
                let definitions = self.kept.iter().map(|(id, bytes)| (*id, bytes.clone())).collect();
                let (tables, unmade) = (database.kept_rows(), self.rows.clone());
                Ok(Compaction { checkpoints, number, definitions, tables, unmade })
            }
            Err(error) => {
                tracing::warn!(%error, "the log could not be compacted; it goes on as it is");
                self.longest = log.bytes().saturating_mul(2).max(LOG_BYTES);
                self.checkpoints = Some(checkpoints);
                Err(refused(&error))
            }
        }
    }

    /// Takes note of a checkpoint that was written, or not: then the logs since the one before are kept.
    ///
    /// # Errors
    /// Why it was not.
    pub(crate) fn compacted(
        &mut self,
        checkpoints: Checkpoints,
        written: tidewater_storage::Result<u64>,
    ) -> Result<()> {
        let told = match written {
            Ok(bytes) => {
                tracing::debug!(bytes, number = checkpoints.newest(), "a checkpoint was written");
                self.checkpoint_bytes = bytes;
                self.longest = bytes.max(LOG_BYTES);
                Ok(())
            }
            Err(error) => {
                tracing::warn!(%error, "no checkpoint could be written; the log goes on");
                Err(refused(&error))
            }
        };
        self.checkpoints = Some(checkpoints);
        told
    }
}

impl Compaction {
    /// Writes it.
    pub(crate) fn run(self) -> (Checkpoints, tidewater_storage::Result<u64>) {
        let Compaction { mut checkpoints, number, definitions, tables, unmade } = self;
        let written = write(&mut checkpoints, number, &definitions, &tables, &unmade);
        (checkpoints, written)
    }
}

fn write(
    checkpoints: &mut Checkpoints,
    number: u64,
    definitions: &[(u64, Vec<u8>)],
    tables: &[KeptRows],
    unmade: &State,
) -> tidewater_storage::Result<u64> {
    let mut writer = checkpoints.begin(number)?;
    let mut first = Batch::default();
    definitions.iter().for_each(|(id, bytes)| first.define(*id, bytes));
    writer.add(first)?;
    for table in tables {
        let id = u64::from(table.oid);
        let mut rows = Frames::new(id);
        for (row, weight) in table.rows() {
            if let Some(full) = rows.add(row, weight) {
                writer.add(full)?;
            }
        }
        rows.end().into_iter().try_for_each(|batch| writer.add(batch))?;
    }
    for id in unmade.tables() {
        let (mut rows, mut added) = (Frames::new(id), Ok(()));
        let Some(table) = unmade.table(id) else { continue };
        table.each(id, |row, weight| {
            if let (Some(full), Ok(())) = (rows.add(row, weight), &added) {
                added = writer.add(full);
            }
        })?;
        added?;
        rows.end().into_iter().try_for_each(|batch| writer.add(batch))?;
    }
    writer.finish()
}

/// Rows of one table, some of them a frame.
struct Frames {
    id: u64,
    batch: Batch,
}

impl Frames {
    fn new(id: u64) -> Self {
        Frames { id, batch: Batch::default() }
    }

    /// Adds a row; gives what is full.
    fn add(&mut self, row: &[u8], weight: i64) -> Option<Batch> {
        if self.batch.is_empty() {
            self.batch.rows(self.id);
        }
        self.batch.row(weight, row);
        (self.batch.len() >= FRAME).then(|| std::mem::take(&mut self.batch))
    }

    fn end(self) -> Option<Batch> {
        (!self.batch.is_empty()).then_some(self.batch)
    }
}
