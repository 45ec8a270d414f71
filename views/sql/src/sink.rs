//! Sinks: what of a relation is written to Kafka, by which key, and what the writer says of itself.
//!
//! The database keeps the statement and checks what can be told without Kafka: that the relation keeps rows and that the key is one.
//! Whoever writes the topic takes [`Sink`] and reports to its [`SinkStatus`].

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidewater_functions::Session;
use tidewater_query::run::pack_row;
use tidewater_types::{Column, ColumnType, Datum, Type};

use crate::alter::quoted_key;
use crate::catalog::{Body, CatalogObject, Object};
use crate::change::unknown;
use crate::database::Database;
use crate::names;
use crate::parse::ast::{CreateSink, Format};
use crate::query::Rows;
use crate::{Error, Result};

/// What the writer of a sink is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SinkState {
    /// It has not begun.
    #[default]
    Starting,
    /// It finds out what the topic holds.
    Recovering,
    /// All that is committed reaches the topic.
    Running,
    /// Something is not there yet, or not any more; it is tried again by itself.
    Waiting,
    /// It has given up.
    Stalled,
}

impl SinkState {
    /// All of them.
    pub const ALL: [SinkState; 5] = [Self::Starting, Self::Recovering, Self::Running, Self::Waiting, Self::Stalled];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            SinkState::Starting => "starting",
            SinkState::Recovering => "recovering",
            SinkState::Running => "running",
            SinkState::Waiting => "waiting",
            SinkState::Stalled => "stalled",
        }
    }
}

/// How far the writer of a sink has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SinkStatus {
    /// What it is about.
    pub state: SinkState,
    /// Why it is not running; empty where it is.
    pub reason: String,
    /// The moment that the topic shows, and the positions of what is read at that moment; 0 before the first.
    pub moment: u64,
    /// See `moment`.
    pub position: String,
    /// Since when the oldest change waits that is not in the topic, in milliseconds; 0 if none does.
    pub lag_ms: u64,
    /// Records and transactions written by this process.
    pub records: u64,
    /// See `records`.
    pub transactions: u64,
}

/// A status that its writer changes while statements look at it.
#[derive(Debug, Clone, Default)]
pub struct SharedStatus(Arc<Mutex<SinkStatus>>);

impl SharedStatus {
    /// As it is now, to look at or to change.
    pub fn lock(&self) -> MutexGuard<'_, SinkStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the catalog keeps of a sink.
#[derive(Debug, Clone)]
pub(crate) struct SinkBody {
    pub(crate) from: String,
    statement: Arc<CreateSink>,
    /// Places of the key's columns.
    key: Vec<usize>,
    /// Whether the key is known to be one.
    unique: bool,
    columns: Arc<[Column]>,
    pub(crate) status: SharedStatus,
}

impl SinkBody {
    /// Its envelope and its format.
    pub(crate) fn written(&self) -> [&'static str; 2] {
        let format = match self.statement.format {
            Format::Avro(_) => "avro",
            Format::Json => "json",
            Format::Text => "text",
            Format::Bytes => "bytes",
        };
        [self.statement.envelope.word(), format]
    }
}

/// A sink, as its writer needs it.
#[derive(Debug, Clone)]
pub struct Sink {
    /// Its number; it has another when it is made anew.
    pub oid: u32,
    /// Its name.
    pub name: String,
    /// What it writes where.
    pub statement: Arc<CreateSink>,
    /// Where names without a schema are looked for in its statement.
    pub search_path: Vec<String>,
    /// The statement that follows its rows.
    pub follow: String,
    /// The relation's columns.
    pub columns: Arc<[Column]>,
    /// Places of the key's columns.
    pub key: Vec<usize>,
    /// Whether the key is known to be one; otherwise its writer has to look.
    pub unique: bool,
    /// How far it has come.
    pub status: SharedStatus,
}

impl Database {
    /// Keeps a sink. Gives the statement's tag.
    ///
    /// # Errors
    /// 42P07 for a name that is taken, 42P01 and 42809 for what keeps no rows, 42703 and 42P10 for what is no key.
    pub(crate) fn create_sink(&mut self, create: &CreateSink, text: &str, session: &Arc<Session>) -> Result<String> {
        let name = self.new_key(&create.name, session)?;
        if !(create.if_not_exists && self.exists(&name)) {
            self.free(&name)?;
            let body = self.sink_body(create, session)?;
            self.define(&name, text, Body::Sink(Box::new(body)), None);
        }
        Ok("CREATE SINK".into())
    }

    /// What is wrong with a sink that is to be made, as far as it can be told without Kafka.
    ///
    /// # Errors
    /// See [`Database::execute_statement`].
    pub fn check_sink(&self, create: &CreateSink, session: &Session) -> Result<()> {
        self.sink_body(create, session).map(drop)
    }

    fn sink_body(&self, create: &CreateSink, session: &Session) -> Result<SinkBody> {
        let from = self.resolved(&create.from, session)?;
        self.intact(&from)?;
        let object = self.objects.get(&from).ok_or_else(|| unknown(&from))?;
        let (Some(node), Some(relation)) = (object.node(), object.relation.clone()) else {
            let kind = object.kind().words().to_lowercase();
            let message = format!("sink \"{}\" cannot be made from the {kind} \"{}\"", create.name, create.from);
            let hint = "a sink writes rows that are kept: those of a source, table or materialized view";
            return Err(Error::new(b"42809", message).hint(hint));
        };
        let columns: Arc<[Column]> = relation.columns.iter().cloned().collect();
        let mut known: Vec<Vec<usize>> = relation.keys.to_vec();
        known.extend(self.circuit.key(node));
        if let Body::Table { constraints, .. } = &object.body {
            let uniques = constraints.uniques.iter().map(|unique| unique.columns.clone());
            known.extend(uniques.filter(|key| key.iter().all(|&at| columns[at].not_null)));
        }
        let key = key_of(create, &columns, &known)?;
        let unique = known.iter().any(|known| known.iter().all(|at| key.contains(at)));
        if !unique && !create.not_enforced {
            return Err(not_unique(create, &columns, &known));
        }
        let status = SharedStatus::default();
        Ok(SinkBody { from, statement: Arc::new(create.clone()), key, unique, columns, status })
    }

    /// All sinks that can be written.
    pub fn sinks(&self) -> Vec<Sink> {
        let sink = |(name, object): (&String, &Object)| {
            let Body::Sink(body) = &object.body else { return None };
            Some(Sink {
                oid: object.oid,
                name: name.clone(),
                statement: body.statement.clone(),
                search_path: object.search_path.clone(),
                follow: format!("SUBSCRIBE TO {}", quoted_key(&body.from)),
                columns: body.columns.clone(),
                key: body.key.clone(),
                unique: body.unique,
                status: body.status.clone(),
            })
        };
        self.objects.iter().filter_map(sink).collect()
    }

    /// SHOW SINKS.
    pub(crate) fn show_sinks<'a>(&self, shown: impl Iterator<Item = &'a CatalogObject>) -> Rows {
        let columns = shown_columns();
        let types: Vec<ColumnType> = columns.iter().map(|column| column.ty.clone()).collect();
        let row = |object: &CatalogObject| {
            let (topic, envelope, status) = match &self.objects.get(&object.name)?.body {
                Body::Sink(body) => {
                    let statement = &body.statement;
                    (statement.topic.clone(), statement.envelope.word(), body.status.lock().clone())
                }
                Body::Broken(broken) => {
                    (String::new(), "", SinkStatus { reason: broken.error.message.clone(), ..Default::default() })
                }
                _ => return None,
            };
            let broken = envelope.is_empty();
            let text = |text: &'static str| if broken { Datum::Null } else { Datum::from(text) };
            let topic = if broken { Datum::Null } else { Datum::from(topic.as_str()) };
            let moment = if status.moment > 0 { number(status.moment) } else { Datum::Null };
            Some(pack_row(
                &types,
                &[
                    Datum::from(names::split(&object.name).1),
                    Datum::from("kafka"),
                    Datum::from("default"),
                    topic,
                    text(envelope),
                    Datum::from(if broken { "broken" } else { status.state.word() }),
                    Datum::from(status.reason.as_str()),
                    moment,
                    Datum::from(status.position.as_str()),
                    number(status.lag_ms),
                    number(status.records),
                    number(status.transactions),
                ],
            ))
        };
        let rows = shown.filter_map(row).collect();
        Rows { columns: columns.into(), rows }
    }

    /// The state of a sink, in a word.
    pub(crate) fn sink_state(&self, name: &str) -> Option<String> {
        match &self.objects.get(name)?.body {
            Body::Sink(body) => Some(body.status.lock().state.word().to_owned()),
            _ => None,
        }
    }
}

fn number(number: u64) -> Datum<'static> {
    Datum::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn shown_columns() -> Vec<Column> {
    let text = |name: &str| Column::new(name, Type::Text);
    vec![
        text("name").not_null(),
        text("type").not_null(),
        text("cluster").not_null(),
        text("topic"),
        text("envelope"),
        text("status").not_null(),
        text("reason").not_null(),
        Column::new("moment", Type::Int8),
        text("position").not_null(),
        Column::new("lag_ms", Type::Int8).not_null(),
        Column::new("records", Type::Int8).not_null(),
        Column::new("transactions", Type::Int8).not_null(),
    ]
}

/// The places of the key's columns: those that are named, else of a key that is known.
fn key_of(create: &CreateSink, columns: &[Column], known: &[Vec<usize>]) -> Result<Vec<usize>> {
    let Some(names) = &create.key else {
        let first = known.iter().find(|key| !key.is_empty());
        return first.cloned().ok_or_else(|| {
            let message = format!("sink \"{}\": \"{}\" has no key that is known", create.name, create.from);
            Error::new(b"42P10", message).hint("name one: KEY (column, …) NOT ENFORCED")
        });
    };
    let place = |name: &String| {
        let at = columns.iter().position(|column| column.name == *name);
        at.ok_or_else(|| Error::new(b"42703", format!("column \"{name}\" named in the key does not exist")))
    };
    let key = names.iter().map(place).collect::<Result<Vec<_>>>()?;
    if key.iter().collect::<BTreeSet<_>>().len() < key.len() {
        return Err(Error::new(b"42701", format!("sink \"{}\" names a column of its key twice", create.name)));
    }
    Ok(key)
}

fn not_unique(create: &CreateSink, columns: &[Column], known: &[Vec<usize>]) -> Error {
    let names = |key: &Vec<usize>| {
        let names: Vec<&str> = key.iter().map(|&at| columns[at].name.as_str()).collect();
        format!("({})", names.join(", "))
    };
    let key = create.key.as_ref().map(|key| key.join(", ")).unwrap_or_default();
    let message = format!("sink \"{}\": ({key}) is not known to identify a row of \"{}\"", create.name, create.from);
    let hint = "KEY (…) NOT ENFORCED says that it does; the sink stalls if two rows have the same key";
    let error = Error::new(b"42P10", message).hint(hint);
    match known.is_empty() {
        true => error,
        false => error.detail(format!("Known keys: {}.", known.iter().map(names).collect::<Vec<_>>().join(", "))),
    }
}
