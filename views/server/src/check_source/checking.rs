//! The comparison itself: the source's rows, forward through the states that MySQL's snapshot may be, and MySQL's rows taken away from them.

use std::sync::Arc;

use futures::TryStreamExt;
use tidewater_delta::RowRef;
use tidewater_sql::{Changed, Error, Result};
use tokio::sync::watch;

use super::columns::Pair;
use super::compare::{Counts, Examples, Values, hash, tell};
use super::gtids::GtidSet;
use super::here::{Here, Place, place};
use super::mysql::{Between, Mysql};
use super::{Found, SoFar, Target};
use crate::coordinator::stopping;
use crate::handle::Handle;

/// Rows that are looked at before others get their turn.
const ROWS: usize = 1_024;

/// A comparison at work.
pub(super) struct Checking<'a> {
    here: Here,
    between: Between,
    pairs: Vec<Pair>,
    memory: usize,
    ticks: watch::Receiver<u64>,
    counts: Counts,
    of_mysql: Examples,
    /// Commits that the counts hold.
    applied: Vec<Arc<Changed>>,
    bytes: Vec<u8>,
    so_far: &'a SoFar,
}

/// The state that is most like MySQL's.
#[derive(Default)]
struct Best {
    unequal: Option<usize>,
    applied: usize,
}

impl<'a> Checking<'a> {
    pub(super) fn new(handle: &Handle, here: Here, between: Between, pairs: Vec<Pair>, so_far: &'a SoFar) -> Self {
        Checking {
            here,
            between,
            pairs,
            memory: handle.query_memory,
            ticks: handle.ticks.clone(),
            counts: Counts::default(),
            of_mysql: Examples::new(),
            applied: Vec::new(),
            bytes: Vec::new(),
            so_far,
        }
    }

    pub(super) async fn run(mut self, mut mysql: Mysql, target: &Target) -> Result<Found> {
        self.load().await?;
        self.read_mysql(&mut mysql, target).await?;
        // Its snapshot holds up ALTER TABLE, and is not needed any more.
        drop(mysql);
        let mut best = Best::default();
        loop {
            self.ticks.borrow_and_update();
            let whole = self.here.take(&self.between)?;
            let whole = self.go_on(&mut best) || whole;
            if best.unequal == Some(0) {
                return Ok(Found::Same(self.position(), self.counts.mysql));
            }
            let is_reached = self.between.before.is_reached(&self.here.reached);
            if (whole || is_reached || self.here.is_quiet()) && self.counts.unequal() == 0 {
                return Ok(Found::Same(self.position(), self.counts.mysql));
            }
            if whole {
                self.look(&mut best);
                return self.different(&best, target).await;
            }
            self.tell();
            self.here.wait(&mut self.ticks).await;
        }
    }

    /// Takes the commits that have come forward, as far as they may be of MySQL's snapshot, looking at each state that may be it. Whether
    /// one came that is not.
    fn go_on(&mut self, best: &mut Best) -> bool {
        while let Some(next) = self.here.commits.pop_front() {
            match self.place(&next) {
                Place::Within => {}
                Place::Between => self.look(best),
                Place::Beyond => {
                    self.look(best);
                    self.here.commits.push_front(next);
                    return true;
                }
            }
            if best.unequal == Some(0) {
                self.here.commits.push_front(next);
                return true;
            }
            self.apply(&next, 1);
            self.applied.push(next);
        }
        false
    }

    fn place(&self, changed: &Changed) -> Place {
        changed.positions.only().map_or(Place::Within, |reached| place(&self.between, reached))
    }

    fn look(&self, best: &mut Best) {
        let unequal = self.counts.unequal();
        if best.unequal.is_none_or(|least| unequal < least) {
            *best = Best { unequal: Some(unequal), applied: self.applied.len() };
        }
    }

    fn apply(&mut self, changed: &Changed, sign: i64) {
        for (row, weight) in &changed.rows {
            let values = self.values(row.as_ref());
            let hash = hash(&values, &mut self.bytes);
            self.counts.add_here(hash, weight * sign);
            if self.counts.of(hash) < 0 {
                // What went here and stays there matched before.
                self.of_mysql.keep(hash, &values);
            }
        }
    }

    fn values(&self, row: RowRef<'_>) -> Values {
        self.pairs.iter().map(|pair| pair.here(row)).collect()
    }

    fn within_memory(&self) -> Result<()> {
        match self.counts.bytes() > self.memory {
            true => {
                Err(Error::new(b"53200", "out of memory").detail("A check holds a hash of each row of the source."))
            }
            false => Ok(()),
        }
    }

    /// Counts the rows here at the moment at which they were first seen.
    async fn load(&mut self) -> Result<()> {
        self.scan(|checking, hash, _, weight| checking.counts.add_here(hash, weight)).await
    }

    /// Goes through the rows here at that moment, and takes what comes meanwhile.
    async fn scan(&mut self, mut look: impl FnMut(&mut Self, u128, &Values, i64)) -> Result<()> {
        let snapshot = self.here.rows.snapshot.clone();
        let mut from = Default::default();
        let mut number = 0;
        while let Some((row, weight)) = snapshot.next_row(&mut from) {
            let values = self.values(row);
            let hash = hash(&values, &mut self.bytes);
            look(self, hash, &values, weight);
            number += 1;
            if number % ROWS == 0 {
                self.within_memory()?;
                self.here.take(&self.between)?;
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// Counts MySQL's rows, and takes what comes here meanwhile.
    async fn read_mysql(&mut self, mysql: &mut Mysql, target: &Target) -> Result<()> {
        *self.so_far.lock() =
            format!("the rows of {}.{} in MySQL have not all been read", target.table.0, target.table.1);
        // What is in the snapshot for certain is taken forward first, so that few rows seem to differ. States that may be the snapshot wait
        // for its rows.
        while let Some(next) = self.here.commits.pop_front() {
            if self.place(&next) != Place::Within {
                self.here.commits.push_front(next);
                break;
            }
            self.apply(&next, 1);
            self.applied.push(next);
        }
        let expressions: Vec<String> = self.pairs.iter().map(|pair| pair.expression.clone()).collect();
        let expressions: Vec<&str> = expressions.iter().map(String::as_str).collect();
        let mut rows = mysql.stream(&target.table.0, &target.table.1, &expressions);
        let mut number = 0;
        loop {
            let row = tokio::select! {
                row = rows.try_next() => row?,
                changed = self.ticks.changed() => {
                    changed.map_err(|_| stopping())?;
                    self.here.take(&self.between)?;
                    continue;
                }
            };
            let Some(values) = row else { return Ok(()) };
            let values: Values =
                self.pairs.iter().zip(values).map(|(pair, value)| value.map(|value| pair.mysql(&value))).collect();
            let hash = hash(&values, &mut self.bytes);
            if self.counts.add_mysql(hash) {
                self.of_mysql.keep(hash, &values);
            }
            number += 1;
            if number % ROWS == 0 {
                self.within_memory()?;
                tokio::task::yield_now().await;
            }
        }
    }

    fn tell(&self) {
        let (here, mysql) = self.counts.differences();
        *self.so_far.lock() = format!(
            "source \"{}\" has reached {}, and MySQL's snapshot is at {}; so far {mysql} rows of MySQL are not here and {here} rows \
             here are not in MySQL, which commits under way may explain{}",
            self.here.source,
            self.here.reached,
            self.between.before,
            self.here.trouble()
        );
    }

    /// The position of the state that the counts hold.
    fn position(&self) -> String {
        let reached = self.applied.last().and_then(|last| last.positions.only());
        let set: GtidSet =
            reached.map_or_else(|| self.between.before.clone(), |reached| self.between.before.up_to(reached));
        set.to_string()
    }

    /// No state is MySQL's: tells how the one that is most like it differs.
    async fn different(mut self, best: &Best, target: &Target) -> Result<Found> {
        while self.applied.len() > best.applied {
            let Some(last) = self.applied.pop() else { break };
            self.apply(&last, -1);
        }
        let mut of_here = Examples::new();
        self.scan(|checking, hash, values, _| {
            if checking.counts.of(hash) > 0 {
                of_here.keep(hash, values);
            }
        })
        .await?;
        for (row, _) in self.applied.iter().flat_map(|changed| &changed.rows) {
            let values = self.values(row.as_ref());
            let hash = hash(&values, &mut self.bytes);
            if self.counts.of(hash) > 0 {
                of_here.keep(hash, &values);
            }
        }
        let place = |at: &usize| self.pairs.iter().position(|pair| pair.at == *at);
        // A key of which a part is not compared tells no rows apart.
        let key: Option<Vec<usize>> = target.schema.key.as_ref().and_then(|key| key.iter().map(place).collect());
        let names: Vec<String> = self.pairs.iter().map(|pair| pair.name.clone()).collect();
        let told = tell(&self.counts, &of_here, &self.of_mysql, &names, key.as_deref());
        let (here, mysql) = (self.counts.here, self.counts.mysql);
        Ok(Found::Different { position: self.position(), here, mysql, told })
    }
}
