//! Cursors: the rows of a query as they were when it was declared, of which a client takes some at a time, forwards and back; or the
//! rows of SUBSCRIBE, for clients that cannot read an answer that does not end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tidewater_delta::{Row, RowRef};
use tidewater_query::run::pack_row;
use tidewater_sql::parse::ast::Direction;
use tidewater_sql::{Error, Result, Rows};
use tidewater_types::{Column, ColumnType};
use tokio::sync::Mutex;

use crate::encode::Encoder;
use crate::runner::{Batch, Batches};

/// Bytes of rows of a subscription that are given at once, however many are asked for.
const AT_ONCE: usize = 8 << 20;

/// A cursor of a session.
#[derive(Debug)]
struct Cursor {
    shows: Shows,
    /// The row that it stands on, from 1; 0 before the first, one more than there are behind the last.
    at: i64,
    hold: bool,
    scroll: bool,
    /// Whether its transaction goes on.
    own: bool,
    /// How many savepoints its transaction had when it was declared.
    savepoints: usize,
}

/// What a cursor shows.
#[derive(Debug, Clone)]
pub(crate) enum Shows {
    /// The rows of a query.
    Rows(Arc<Rows>),
    /// The rows of SUBSCRIBE, as they come.
    Changes(Arc<Changes>),
}

impl Shows {
    fn columns(&self) -> &Arc<[Column]> {
        match self {
            Shows::Rows(rows) => &rows.columns,
            Shows::Changes(changes) => &changes.columns,
        }
    }
}

/// What FETCH gives.
pub(crate) enum Fetched {
    Rows(Rows),
    /// So many rows of what changes, once they come.
    Next(Arc<Changes>, usize),
}

/// The rows of a subscription, of which a client takes some at a time.
pub(crate) struct Changes {
    columns: Arc<[Column]>,
    coming: Mutex<Coming>,
}

/// What is on its way to a cursor.
struct Coming {
    batches: Batches,
    /// What is left of the last one.
    batch: Batch,
    /// The error that comes behind rows that were given.
    failed: Option<Error>,
}

impl std::fmt::Debug for Changes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Changes({} columns)", self.columns.len())
    }
}

impl Changes {
    /// Of rows that are packed as [`Changes::packing`] does.
    pub(crate) fn new(columns: Arc<[Column]>, batches: Batches) -> Self {
        Changes { columns, coming: Mutex::new(Coming { batches, batch: Batch::default(), failed: None }) }
    }

    /// What packs the rows of a subscription for a cursor.
    pub(crate) fn packing(columns: &[Column]) -> Encoder {
        let types: Vec<ColumnType> = columns.iter().map(|column| column.ty.clone()).collect();
        Box::new(move |values, out| {
            out.extend_from_slice(pack_row(&types, values).bytes());
            Ok(())
        })
    }

    /// Waits for the next row, for so long if it is said, and gives it with those that are there behind it, `count` at most. No rows
    /// say that nothing came in that time, or that nothing comes any more.
    ///
    /// # Errors
    /// Those of the subscription.
    pub(crate) async fn next(&self, count: usize, patience: Option<Duration>) -> Result<Rows> {
        let mut coming = self.coming.lock().await;
        let Coming { batches, batch, failed } = &mut *coming;
        if let Some(error) = failed.take() {
            return Err(error);
        }
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while rows.len() < count && bytes < AT_ONCE {
            if let Some(row) = batch.next() {
                bytes += row.len();
                rows.push(Row::from(RowRef::new(&row)));
                continue;
            }
            if !rows.is_empty() && batches.is_idle() {
                break;
            }
            let next = match patience {
                Some(patience) => tokio::time::timeout(patience, batches.next()).await.unwrap_or(None),
                None => batches.next().await,
            };
            match next {
                Some(Ok(next)) => *batch = next,
                Some(Err(error)) if rows.is_empty() => return Err(error),
                Some(Err(error)) => {
                    *failed = Some(error);
                    break;
                }
                None => break,
            }
        }
        Ok(Rows { columns: self.columns.clone(), rows })
    }
}

/// The cursors of a session.
#[derive(Debug, Default)]
pub(crate) struct Cursors(HashMap<String, Cursor>);

fn unknown(name: &str) -> Error {
    Error::new(b"34000", format!("cursor \"{name}\" does not exist"))
}

impl Cursors {
    /// Fails if the name is taken.
    ///
    /// # Errors
    /// 42P03.
    pub(crate) fn free(&self, name: &str) -> Result<()> {
        match self.0.contains_key(name) {
            true => Err(Error::new(b"42P03", format!("cursor \"{name}\" already exists"))),
            false => Ok(()),
        }
    }

    pub(crate) fn declare(&mut self, name: &str, shows: Shows, hold: bool, scroll: bool, savepoints: usize) {
        let cursor = Cursor { shows, at: 0, hold, scroll, own: true, savepoints };
        self.0.insert(name.to_owned(), cursor);
    }

    /// The columns of a cursor.
    pub(crate) fn columns(&self, name: &str) -> Option<Arc<[Column]>> {
        self.0.get(name).map(|cursor| cursor.shows.columns().clone())
    }

    /// Moves a cursor; gives the rows that it passes and stands on, or says what they come from.
    ///
    /// # Errors
    /// 34000 if there is none, 55000 if it goes forward only.
    pub(crate) fn fetch(&mut self, name: &str, direction: Direction) -> Result<Fetched> {
        let cursor = self.0.get_mut(name).ok_or_else(|| unknown(name))?;
        let only_forward = || Error::new(b"55000", "cursor can only scan forward");
        let rows = match (&cursor.shows, direction) {
            (Shows::Rows(rows), _) => rows,
            (Shows::Changes(changes), Direction::Forward(count @ 0..)) => {
                return Ok(Fetched::Next(changes.clone(), usize::try_from(count).unwrap_or(usize::MAX)));
            }
            (Shows::Changes(_), _) => return Err(only_forward().hint("a cursor FOR SUBSCRIBE gives what comes next")),
        };
        let (places, at) = places(direction, cursor.at, rows.rows.len() as i64);
        let back = at < cursor.at || places.first().is_some_and(|place| *place <= cursor.at);
        if back && !cursor.scroll {
            return Err(only_forward().hint("Declare it with SCROLL option to enable backward scan."));
        }
        cursor.at = at;
        let row = |place: i64| rows.rows.get(usize::try_from(place - 1).ok()?).cloned();
        Ok(Fetched::Rows(Rows { columns: rows.columns.clone(), rows: places.into_iter().filter_map(row).collect() }))
    }

    /// Forgets a cursor, or all.
    ///
    /// # Errors
    /// 34000 if there is none of this name.
    pub(crate) fn close(&mut self, name: Option<&str>) -> Result<()> {
        match name {
            Some(name) => self.0.remove(name).map(drop).ok_or_else(|| unknown(name)),
            None => {
                self.0.clear();
                Ok(())
            }
        }
    }

    /// The transaction ended well: those WITH HOLD stay.
    pub(crate) fn commit(&mut self) {
        self.0.retain(|_, cursor| cursor.hold);
        self.0.values_mut().for_each(|cursor| cursor.own = false);
    }

    /// The transaction is undone, and what it declared.
    pub(crate) fn roll_back(&mut self) {
        self.0.retain(|_, cursor| cursor.hold && !cursor.own);
    }

    /// What was declared since there were so many savepoints is undone.
    pub(crate) fn roll_back_to(&mut self, savepoints: usize) {
        self.0.retain(|_, cursor| !cursor.own || cursor.savepoints < savepoints);
    }
}

/// The rows that are fetched in their order, and where the cursor stands then.
fn places(direction: Direction, at: i64, count: i64) -> (Vec<i64>, i64) {
    let end = count + 1;
    match direction {
        Direction::Forward(0) => (Some(at).filter(|at| (1..end).contains(at)).into_iter().collect(), at),
        Direction::Forward(steps) if steps > 0 => {
            let to = at.saturating_add(steps);
            ((at + 1..=to.min(count)).collect(), to.min(end))
        }
        Direction::Forward(steps) => {
            let to = at.saturating_add(steps);
            ((to.max(1)..at.min(end)).rev().collect(), to.max(0))
        }
        Direction::Relative(0) => places(Direction::Forward(0), at, count),
        Direction::Relative(steps) => only(at.saturating_add(steps), end),
        Direction::Absolute(place) if place < 0 => only(end.saturating_add(place), end),
        Direction::Absolute(place) => only(place, end),
    }
}

/// One row, if there is one at this place.
fn only(place: i64, end: i64) -> (Vec<i64>, i64) {
    let there = (1..end).contains(&place);
    (there.then_some(place).into_iter().collect(), place.clamp(0, end))
}

#[cfg(test)]
mod tests {
    use tidewater_types::Datum;
    use tokio::sync::mpsc;

    use super::{Direction::*, *};

    #[tokio::test]
    async fn rows_come_before_the_error_behind_them() {
        let columns: Arc<[Column]> = [Column::new("n", tidewater_types::Type::Int8)].into();
        let mut bytes = Vec::new();
        Changes::packing(&columns)(&[Datum::Int(7)], &mut bytes).expect("a row");
        let (sender, receiver) = mpsc::channel(2);
        let length = bytes.len();
        sender.try_send(Ok(Batch::new(bytes, vec![length]))).expect("room");
        sender.try_send(Err(Error::new(b"55000", "it is gone"))).expect("room");
        let changes = Changes::new(columns, Batches::unending(receiver, tokio::spawn(async {})));
        let given = changes.next(9, None).await.expect("the row first");
        assert_eq!(given.rows.len(), 1);
        assert_eq!(changes.next(9, None).await.expect_err("then the error").sqlstate, *b"55000");
        assert_eq!(changes.next(9, None).await.expect("nothing more").rows.len(), 0);
    }

    #[test]
    fn a_cursor_moves_as_postgresqls() {
        for (direction, at, rows, then) in [
            (Forward(1), 0, &[1][..], 1),
            (Forward(2), 2, &[3], 4),
            (Forward(i64::MAX), 0, &[1, 2, 3], 4),
            (Forward(1), 4, &[], 4),
            (Forward(0), 2, &[2], 2),
            (Forward(0), 0, &[], 0),
            (Forward(-1), 4, &[3], 3),
            (Forward(-2), 2, &[1], 0),
            (Forward(i64::MIN), 4, &[3, 2, 1], 0),
            (Forward(-1), 1, &[], 0),
            (Absolute(2), 0, &[2], 2),
            (Absolute(-1), 0, &[3], 3),
            (Absolute(9), 0, &[], 4),
            (Absolute(0), 2, &[], 0),
            (Absolute(-9), 2, &[], 0),
            (Relative(2), 1, &[3], 3),
            (Relative(-1), 1, &[], 0),
            (Relative(0), 3, &[3], 3),
        ] {
            assert_eq!(places(direction, at, 3), (rows.to_vec(), then), "{direction:?} from {at}");
        }
    }
}
