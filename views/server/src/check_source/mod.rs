//! `CHECK SOURCE`: a source's rows compared with its table in MySQL, both at one and the same position, while both go on.
//!
//! The source is followed first ([`here`]); then MySQL begins a snapshot of which it is known between which two sets of transactions it lies
//! ([`mysql`]), mostly one and the same. The rows here are taken forward, commit by commit, to the states between the two; equal rows in one of
//! them are no difference, and where none of them is equal the difference is real, because one of them is MySQL's. Rows are compared by
//! hashes of their values ([`compare`]) in one form for both databases ([`columns`]).
//!
//! The rejected alternative, to compare at about the same time and look again at what differs, hides a difference that another one undoes, and
//! tells of differences that are none.

mod checking;
mod columns;
mod compare;
mod gtids;
mod here;
mod mysql;

use std::sync::Arc;

use parking_lot::Mutex;
use tidewater_functions::Session;
use tidewater_ingest::{Envelope, SourceConfig};
use tidewater_query::run::pack_row;
use tidewater_sql::parse::ast::{CheckSource, ObjectKind, Statement};
use tidewater_sql::{Error, Result, Rows, TimelineKind, source_columns};
use tidewater_types::{ColumnType, Datum, TableSchema};

use crate::handle::Handle;
use crate::sources::{self, Lookup};
use crate::waits::Wait;
use checking::Checking;
use columns::pairs;
use compare::Told;
use here::Here;
use mysql::Mysql;

/// A source and the table that it must show.
struct Target {
    key: String,
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
        if sources::timeline(&config).1 != TimelineKind::Transactions {
            let message = format!("CHECK SOURCE of \"{key}\" is not supported: it has TRANSACTION TOPIC 'none'");
            return if named { Err(Error::new(b"0A000", message)) } else { Ok(None) };
        }
        Ok(Some(Target { key: key.to_owned(), schema: schema.clone(), table }))
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
        let here = Here::follow(self, &target.key, session, wait).await?;
        let between = mysql.begin(&here.begun).await?;
        let checking = Checking::new(self, here, between, pairs, so_far);
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
