//! What outlives the process: definitions and the rows of tables, in the folder given by `--data-dir` (`tidewater-storage`).
//!
//! Definitions and rows stand in one log, in one order, so that after a crash they cannot disagree. A definition is named by its
//! number in the catalogs, and so are a table's rows.

mod compact;
mod entry;
mod sources;
mod table;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidewater_delta::Weight;
use tidewater_sql::{Checked, Database, Definition, Error, KeptRows, Result};
use tidewater_storage::blocks::{Blocks, Loaded};
use tidewater_storage::{Batch, Checkpoints, Folder, Log, Opened, State};

pub(crate) use sources::{SourceMoment, SourcesMoment, TimelineMoment, made_as};

/// Where versions before the log kept definitions, and what it is called once they are in the log.
const BEFORE: [&str; 2] = ["catalog.json", "catalog.json.taken-over"];
/// Room that a statement gets in the log before it is done, beside its text and the catalog.
const ROOM: usize = 64 << 10;

/// See the module.
#[derive(Debug)]
pub(crate) struct Durable {
    /// Away while a batch is being written.
    log: Option<Log>,
    /// Away while a checkpoint is being written.
    checkpoints: Option<Checkpoints>,
    /// Definitions as the log has them.
    kept: BTreeMap<u64, Vec<u8>>,
    /// Whether memory is ahead of them.
    behind: bool,
    /// Rows of tables that could not be made again yet.
    rows: State,
    /// Bytes of the newest checkpoint.
    checkpoint_bytes: u64,
    /// The log is compacted when it has so many bytes.
    longest: u64,
    /// A file of [`BEFORE`], until its definitions are in the log.
    before: Option<PathBuf>,
    folder: PathBuf,
    /// Locked for as long as this server runs: two of them would write over each other's statements.
    _lock: File,
}

impl Durable {
    /// What the folder holds, and its definitions in their order.
    pub(crate) fn open(folder: &Path) -> io::Result<(Self, Vec<Definition>)> {
        fs::create_dir_all(folder)?;
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(folder.join("lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::new(io::ErrorKind::ResourceBusy, "another tidewater uses it"),
            TryLockError::Error(error) => error,
        })?;
        let before = folder.join(BEFORE[0]);
        let taken_over = entry::before(&before)?;
        let first = || Ok(Batch::default());
        let opened = tidewater_storage::open(Arc::new(Folder::new(folder)), first).map_err(io::Error::other)?;
        let Opened { mut state, log, checkpoints, told } = opened;
        told.iter().for_each(|told| tracing::warn!(folder = %folder.display(), "{told}"));
        let kept = std::mem::take(&mut state.definitions);
        let damaged = |error: String| io::Error::new(io::ErrorKind::InvalidData, format!("a definition: {error}"));
        let definition = |(id, bytes): (&u64, &Vec<u8>)| {
            let oid = u32::try_from(*id).map_err(|_| damaged("its number is none".to_owned()))?;
            entry::definition(Some(oid), bytes).map_err(damaged)
        };
        let mut definitions = kept.iter().map(definition).collect::<io::Result<Vec<_>>>()?;
        let durable = Durable {
            log: Some(log),
            checkpoints: Some(checkpoints),
            kept,
            behind: false,
            rows: state,
            checkpoint_bytes: 0,
            longest: compact::LOG_BYTES,
            before: before.exists().then_some(before),
            folder: folder.to_owned(),
            _lock: lock,
        };
        if !taken_over.is_empty() && definitions.is_empty() {
            tracing::info!(
                definitions = taken_over.len(),
                "the definitions of catalog.json are taken over into the log"
            );
            definitions = taken_over;
        }
        Ok((durable, definitions))
    }

    /// What sources held at the newest checkpoint that can be read, and where the next ones are written.
    pub(crate) fn sources(&self) -> io::Result<(Blocks, SourcesMoment)> {
        let Loaded { blocks, parts, mut told } =
            Blocks::open(Arc::new(Folder::new(&self.folder))).map_err(io::Error::other)?;
        let (found, unused) = SourcesMoment::read(parts.unwrap_or_default());
        told.extend(unused);
        told.iter().for_each(|told| tracing::error!(folder = %self.folder.display(), "{told}"));
        Ok((blocks, found))
    }

    /// Makes sure that what a statement makes can be written, with so many bytes of rows, before it is done.
    ///
    /// # Errors
    /// 53100 if there is no room, 58030 if the log takes nothing.
    pub(crate) fn reserve(&mut self, text: &str, rows: usize) -> Result<()> {
        // A statement may make its readers anew.
        let catalog: usize = self.kept.values().map(Vec::len).sum();
        self.log()?.reserve(ROOM + 2 * (catalog + text.len()) + rows).map_err(|error| refused(&error))
    }

    /// Writes what of the definitions has changed. A table that is new, or is defined otherwise now, is written with all of its rows: the
    /// statement may have made them.
    ///
    /// # Errors
    /// 53100 or 58030. What is in memory is ahead of the log then, and nothing else may be written before this.
    pub(crate) fn write_definitions(&mut self, database: &Database) -> Result<()> {
        let mut now = BTreeMap::new();
        for definition in database.definitions() {
            // All objects have one.
            let Some(oid) = definition.oid else { continue };
            now.insert(u64::from(oid), entry::bytes(&definition));
        }
        let mut batch = Batch::default();
        let gone: Vec<u64> = self.kept.keys().filter(|id| !now.contains_key(id)).copied().collect();
        gone.iter().for_each(|id| batch.gone(*id));
        for (id, bytes) in now.iter().filter(|(id, bytes)| self.kept.get(id) != Some(bytes)) {
            if self.kept.contains_key(id) {
                batch.gone(*id);
            }
            batch.define(*id, bytes);
            let rows = u32::try_from(*id).ok().and_then(|oid| database.kept_rows_of(oid));
            let mut rows = rows.iter().flat_map(KeptRows::rows).peekable();
            if rows.peek().is_some() {
                batch.rows(*id);
            }
            rows.for_each(|(row, weight)| batch.row(weight, row));
        }
        if !batch.is_empty() {
            self.behind = true;
            self.log()?.append(batch).map_err(|error| refused(&error))?;
            self.taken_over();
        }
        self.behind = false;
        gone.iter().for_each(|id| drop(self.rows.take_table(*id)));
        self.kept = now;
        Ok(())
    }

    /// Whether a statement was done that could not be written.
    pub(crate) fn is_behind(&self) -> bool {
        self.behind
    }

    /// The definitions of an older version are in the log.
    fn taken_over(&mut self) {
        if let Some(before) = self.before.take() {
            let moved = fs::rename(&before, before.with_file_name(BEFORE[1]));
            moved.unwrap_or_else(
                |error| tracing::error!(%error, "move {} away: it would be read again", before.display()),
            );
        }
    }

    /// The rows of a table that has not been made again yet.
    pub(crate) fn rows(&self, oid: u32) -> Result<Vec<(Box<[u8]>, Weight)>> {
        let Some(table) = self.rows.table(oid.into()) else { return Ok(Vec::new()) };
        let mut rows = Vec::new();
        table.each(oid.into(), |row, weight| rows.push((row.into(), weight))).map_err(|error| refused(&error))?;
        Ok(rows)
    }

    /// The table has its rows.
    pub(crate) fn loaded(&mut self, oid: u32) {
        drop(self.rows.take_table(oid.into()));
    }

    /// Takes the log to write a batch with.
    pub(crate) fn take_log(&mut self) -> Result<Log> {
        self.log.take().ok_or_else(away)
    }

    /// Gives it back.
    pub(crate) fn give_log(&mut self, log: Log) {
        self.log = Some(log);
    }

    fn log(&mut self) -> Result<&mut Log> {
        self.log.as_mut().ok_or_else(away)
    }
}

/// What changes write.
pub(crate) fn batch_of(checked: &Checked) -> Batch {
    let mut batch = Batch::default();
    for (oid, rows) in checked.tables() {
        let mut rows = rows.peekable();
        if rows.peek().is_some() {
            batch.rows(oid.into());
        }
        rows.for_each(|(weight, row)| batch.row(weight, row.bytes()));
    }
    batch
}

/// A failure of the log, as statements are told.
pub(crate) fn refused(error: &tidewater_storage::Error) -> Error {
    use tidewater_storage::Error as E;
    let (sqlstate, hint) = match error {
        error if error.is_full() => (b"53100", "make room in the folder given by --data-dir; reads go on"),
        E::TooLarge { .. } => (b"54000", "change fewer rows at a time"),
        E::Stopped { .. } => (
            b"58030",
            "mend the disk and restart; reads go on. Whether the statement at which it began is there tells the restart",
        ),
        _ => (b"58030", "mend the folder given by --data-dir; reads go on"),
    };
    Error::new(sqlstate, error.to_string()).hint(hint)
}

fn away() -> Error {
    Error::new(b"58030", "the log is lost by a bug; the message above says where").hint("restart; reads go on")
}

/// The definitions that a folder holds, as text in their order, for those who only look.
///
/// # Errors
/// If they cannot be read.
pub fn statements(folder: &Path) -> io::Result<Vec<String>> {
    let state = tidewater_storage::read(Arc::new(Folder::new(folder))).map_err(io::Error::other)?;
    let definitions = state.map(|state| state.definitions).unwrap_or_default();
    let text = |bytes: &Vec<u8>| entry::definition(None, bytes).map(|definition| definition.text);
    definitions.values().map(|bytes| text(bytes).map_err(io::Error::other)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a folder holds: statements, and the number of rows of each table.
    fn held(folder: &Path) -> (Vec<String>, Vec<usize>) {
        let (durable, definitions) = Durable::open(folder).expect("a folder");
        let oids = definitions.iter().filter_map(|definition| definition.oid);
        let rows = oids.map(|oid| durable.rows(oid).expect("rows").iter().map(|(_, weight)| *weight as usize).sum());
        let rows = rows.collect();
        (definitions.into_iter().map(|definition| definition.text).collect(), rows)
    }

    #[test]
    fn a_table_that_is_new_is_written_with_the_rows_that_its_statement_made() {
        let folder = std::env::temp_dir().join(format!("tidewater-durable-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let mut database = Database::new();
        let (mut durable, none) = Durable::open(&folder).expect("a folder");
        assert!(none.is_empty());
        database.execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1), (1), (2)").expect("rows");
        durable.write_definitions(&database).expect("it is written");
        // From now on its rows are written by whoever changes them.
        database.execute("INSERT INTO t VALUES (3); CREATE VIEW v AS SELECT a FROM t").expect("a view");
        durable.write_definitions(&database).expect("it is written");
        drop(durable);
        assert_eq!(
            held(&folder),
            (vec!["CREATE TABLE t (a int)".into(), "CREATE VIEW v AS SELECT a FROM t".into()], vec![3, 0])
        );
        let (mut durable, _) = Durable::open(&folder).expect("a folder");
        database.execute("DROP TABLE t CASCADE; CREATE TABLE t (b text); INSERT INTO t VALUES ('x')").expect("another");
        durable.write_definitions(&database).expect("it is written");
        drop(durable);
        assert_eq!(held(&folder), (vec!["CREATE TABLE t (b text)".into()], vec![1]));
        let _ = fs::remove_dir_all(&folder);
    }
}
