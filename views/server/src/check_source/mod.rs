//! `CHECK SOURCE`: a source's rows compared with its table in MySQL, both at one and the same position, while both go on.
//!
//! The source is followed first ([`here`]); then MySQL begins a snapshot of which it is known between which two sets of transactions it lies
//! ([`mysql`]), mostly one and the same. The rows here are taken forward, commit by commit, to the states between the two; equal rows in one of
//! them are no difference, and where none of them is equal the difference is real, because one of them is MySQL's. Rows are compared by
//! hashes of their values ([`compare`]) in one form for both databases ([`columns`]).
//!
//! The rejected alternative, to compare at about the same time and look again at what differs, hides a difference that another one undoes, and
//! tells of differences that are none.

mod columns;
mod compare;
mod gtids;
mod here;
mod mysql;

use std::sync::Arc;

use futures::TryStreamExt;
use parking_lot::Mutex;
use tidewater_functions::Session;
use tidewater_ingest::{Envelope, SourceConfig};
use tidewater_query::run::pack_row;
use tidewater_sql::parse::ast::{CheckSource, ObjectKind, Statement};
use tidewater_sql::{Changed, Error, Result, Rows, TimelineKind, source_columns};
use tidewater_types::{ColumnType, Datum, TableSchema};

use crate::coordinator::stopping;
use crate::handle::Handle;
use crate::sources::{self, Lookup};
use crate::waits::Wait;
use columns::{Pair, pairs};
use compare::{Counts, Examples, Told, Values, hash, tell};
use gtids::GtidSet;
use here::{Here, Place, place};
use mysql::{Between, Mysql};

/// Rows that are looked at before others get their turn.
const ROWS: usize = 1_024;

/// A source and the table that it must show.
struct Target {
    key: String,
    kind: TimelineKind,
    schema: TableSchema,
    table: (String, String),
}

/// What a check found.
enum Found {
    /// Position, rows.
    Same(String, i64),
    Different {
        position: String,
        here: i64,
        mysql: i64,
        told: Told,
    },
}

/// How far a check is, for whoever gave up on it.
type SoFar = Mutex<String>;

impl Handle {
    /// Compares a source, or each of ENVELOPE DEBEZIUM, with MySQL.
    ///
    /// # Errors
    /// XX001 for what differs; 08001, 08006 and 42501 if MySQL does not answer; 57014 after the limit.
    pub(crate) async fn check_source(&self, check: &CheckSource, session: &Arc<Session>, wait: &Wait) -> Result<Rows> {
        let so_far = SoFar::new("the rows of the source have not all come".to_owned());
        let checked = tokio::time::timeout(wait.limit, self.check_all(check, session, wait, &so_far)).await;
        checked.unwrap_or_else(|_| {
            let message = format!("statement timeout: {}", so_far.lock());
            Err(Error::new(b"57014", message).hint("SET statement_timeout waits longer"))
        })
    }

    async fn check_all(
        &self,
        check: &CheckSource,
        session: &Arc<Session>,
        wait: &Wait,
        so_far: &SoFar,
    ) -> Result<Rows> {
        let (url, targets) = {
            let database = self.read();
            let url = Lookup { database: &database, session }.plain(&check.server)?;
            let names: Vec<String> = match &check.name {
                Some(name) => vec![database.resolved(name, session)?],
                None => {
                    let all = database.catalog().into_iter().filter(|object| object.kind == ObjectKind::Source);
                    all.map(|object| object.name.to_string()).collect()
                }
            };
            drop(database);
            let targets: Result<Vec<_>> =
                names.iter().map(|name| self.target(name, check.name.is_some(), check.table.as_ref())).collect();
            (url, targets?.into_iter().flatten().collect::<Vec<_>>())
        };
        let types: Vec<ColumnType> = source_columns().iter().map(|column| column.ty.clone()).collect();
        let (mut rows, mut wrong) = (Vec::new(), Vec::new());
        for target in targets {
            let (found, others) = self.check_one(&target, &url, session, wait, so_far).await?;
            let table = format!("{}.{}", target.table.0, target.table.1);
            match found {
                Found::Same(position, count) => {
                    let others = others.join("; ");
                    let others = if others.is_empty() { Datum::Null } else { Datum::from(others.as_str()) };
                    let name = target.key.as_str();
                    let values = [
                        Datum::from(name),
                        Datum::from(table.as_str()),
                        Datum::from(position.as_str()),
                        Datum::Int(count),
                        others,
                    ];
                    rows.push(pack_row(&types, &values));
                }
                different => wrong.push(different_text(&target.key, &table, different, &others)),
            }
        }
        match wrong.is_empty() {
            true => Ok(Rows { columns: source_columns(), rows }),
            false => Err(differ(&wrong)),
        }
    }

    /// What a source is compared with; `None` for one that is not of Debezium where none was named.
    fn target(&self, key: &str, named: bool, table: Option<&(String, String)>) -> Result<Option<Target>> {
        let database = self.read();
        let unknown = || Error::new(b"42P01", format!("source \"{key}\" does not exist"));
        let (kind, text) = database.definition(key).ok_or_else(unknown)?;
        if kind != ObjectKind::Source {
            return Err(Error::new(b"42809", format!("\"{key}\" is not a source")));
        }
        let made = tidewater_sql::parse(text)?.pop().map(|parsed| parsed.statement);
        let Some(Statement::CreateSource(source)) = made else { return Err(unknown()) };
        let session = Session { search_path: database.search_path_of(key), ..Session::default() };
        let config = sources::resolve(&source, key, &database, &session)?;
        if !matches!(config.envelope, Envelope::Debezium { .. }) {
            let message = format!("CHECK SOURCE of \"{key}\" is not supported: it has no ENVELOPE DEBEZIUM");
            return if named { Err(Error::new(b"0A000", message)) } else { Ok(None) };
        }
        let broken = || Error::new(b"55000", format!("source \"{key}\" is broken"));
        let (_, schema) = database.source_table(key).ok_or_else(broken)?;
        let table = match table {
            Some(table) => table.clone(),
            None => table_of(&config)?,
        };
        let kind = sources::timeline(&config).1;
        Ok(Some(Target { key: key.to_owned(), kind, schema: schema.clone(), table }))
    }

    async fn check_one(
        &self,
        target: &Target,
        url: &str,
        session: &Arc<Session>,
        wait: &Wait,
        so_far: &SoFar,
    ) -> Result<(Found, Vec<String>)> {
        let mut mysql = Mysql::connect(url).await?;
        let (pairs, others) = pairs(&target.schema.columns, &mysql.columns(&target.table.0, &target.table.1).await?);
        if pairs.is_empty() {
            let message = format!("nothing of source \"{}\" can be compared", target.key);
            return Err(Error::new(b"0A000", message).detail(others.join("; ")));
        }
        let here = Here::follow(self, &target.key, target.kind, session, wait).await?;
        let between = mysql.begin(&here.begun).await?;
        let checking = Checking {
            name: &target.key,
            here,
            between,
            pairs,
            memory: self.query_memory,
            ticks: self.ticks.clone(),
            counts: Counts::default(),
            of_mysql: Examples::new(),
            applied: Vec::new(),
            bytes: Vec::new(),
            so_far,
        };
        Ok((checking.run(mysql, target).await?, others))
    }
}

/// The table that a source is of, as its topic is called: Debezium's are PREFIX.DATABASE.TABLE.
fn table_of(config: &SourceConfig) -> Result<(String, String)> {
    let collection = match &config.envelope {
        Envelope::Debezium { collection: Some(collection), .. } => collection.as_str(),
        _ => config.topic.as_str(),
    };
    let mut parts = collection.rsplit('.');
    match (parts.next(), parts.next()) {
        (Some(table), Some(database)) => Ok((database.to_owned(), table.to_owned())),
        _ => {
            let message =
                format!("the topic \"{}\" does not tell the table of source \"{}\"", config.topic, config.name);
            Err(Error::new(b"55000", message).hint("name it: CHECK SOURCE … AGAINST MYSQL … TABLE database.table"))
        }
    }
}

/// A comparison at work.
struct Checking<'a> {
    name: &'a str,
    here: Here,
    between: Between,
    pairs: Vec<Pair>,
    memory: usize,
    ticks: tokio::sync::watch::Receiver<u64>,
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

impl Checking<'_> {
    async fn run(mut self, mut mysql: Mysql, target: &Target) -> Result<Found> {
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
            let reached = next.positions.only().cloned().unwrap_or_default();
            match place(&self.between, &reached) {
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
        }
    }

    fn values(&self, row: tidewater_delta::RowRef<'_>) -> Values {
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
        let mut from = Default::default();
        let mut number = 0;
        while let Some((row, weight)) = self.here.rows.snapshot.next_row(&mut from) {
            let values: Values = self.pairs.iter().map(|pair| pair.here(row)).collect();
            let hash = hash(&values, &mut self.bytes);
            self.counts.add_here(hash, weight);
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
        // Most of what is behind is taken forward first, so that few rows seem to differ.
        self.go_on(&mut Best::default());
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
            self.name,
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
        let mut from = Default::default();
        let mut number = 0;
        while let Some((row, _)) = self.here.rows.snapshot.next_row(&mut from) {
            let values: Values = self.pairs.iter().map(|pair| pair.here(row)).collect();
            let hash = hash(&values, &mut self.bytes);
            if self.counts.of(hash) > 0 {
                of_here.keep(hash, &values);
            }
            number += 1;
            if number % ROWS == 0 {
                tokio::task::yield_now().await;
            }
        }
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

/// What is said of a source that differs, and its examples.
fn different_text(name: &str, table: &str, found: Found, others: &[String]) -> (String, Vec<String>) {
    let Found::Different { position, here, mysql, told } = found else { return Default::default() };
    let mut examples = told.examples;
    if !others.is_empty() {
        examples.push(format!("not compared: {}", others.join("; ")));
    }
    let text = format!(
        "source \"{name}\" differs from {table} in MySQL at {position}: {}; MySQL has {mysql} rows, the source {here}",
        told.count
    );
    (text, examples)
}

fn differ(wrong: &[(String, Vec<String>)]) -> Error {
    let texts: Vec<&str> = wrong.iter().map(|(text, _)| text.as_str()).collect();
    let examples: Vec<&str> = wrong.iter().flat_map(|(_, examples)| examples).map(String::as_str).collect();
    Error::new(b"XX001", texts.join("; ")).detail(examples.join("\n")).hint(
        "changes that MySQL's binlog does not hold (sql_log_bin = 0, a restored table) come by a new snapshot of Debezium's",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_names_position_rows_and_examples() {
        let told = Told { count: "1 rows differ".into(), examples: vec!["id = 1: v is 1 in MySQL and 2 here".into()] };
        let found = Found::Different { position: "u:1-5".into(), here: 3, mysql: 4, told };
        let error = differ(&[different_text("t", "d.t", found, &["g: point with text".to_owned()])]);
        let expected = "source \"t\" differs from d.t in MySQL at u:1-5: 1 rows differ; MySQL has 4 rows, the source 3";
        assert_eq!((error.sqlstate, error.message.as_str()), (*b"XX001", expected));
        assert_eq!(
            error.detail.as_deref(),
            Some("id = 1: v is 1 in MySQL and 2 here\nnot compared: g: point with text")
        );
    }
}
