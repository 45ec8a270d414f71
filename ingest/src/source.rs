//! What a source is: where its records are, how they are decoded, and what shape its rows have.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidewater_delta::TableId;
use tidewater_types::{Column, ColumnType, SqlError, TableSchema, Type};

use crate::error::{Error, Result};
use crate::event::MetaColumn;
use crate::kafka::Cluster;
use crate::registry::{Registry, RegistryConfig};
use crate::{avro, json};

/// How long CREATE SOURCE waits for a first record where only a record tells the columns.
const FIRST_RECORD: Duration = Duration::from_secs(10);

/// How records become changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Envelope {
    /// Debezium's change events.
    Debezium {
        /// The topic of transaction boundaries; `None` takes every event as a commit by itself.
        transaction_topic: Option<String>,
        /// What that topic calls the table, where it was declared; else the records' own `source.db` and `source.table` tell.
        collection: Option<String>,
    },
    /// A record replaces the row of its key; a record without a value deletes it.
    Upsert,
    /// Every record is a new row.
    None,
}

/// What becomes of a transaction of which a record is lost: it could not be decoded, or was deleted unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OnError {
    /// The timeline stands still at it and says why; readers go on reading the last whole state.
    Stall,
    /// It is released without the record, which is a dead letter; the source is marked and its readers get a notice.
    DeadLetter,
    /// It is released without the record, which is a dead letter.
    Skip,
}

/// How bytes become values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// Avro in Confluent's wire format, schemas in a registry.
    Avro(RegistryConfig),
    /// JSON.
    Json,
    /// The record's value as one column `text`.
    Text,
    /// The record's value as one column `data`.
    Bytes,
}

/// A source, all names resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceConfig {
    /// Name of the source, for messages.
    pub name: String,
    /// The Kafka cluster.
    pub cluster: Cluster,
    /// The topic.
    pub topic: String,
    /// How values are decoded.
    pub format: Format,
    /// How records become changes.
    pub envelope: Envelope,
    /// Declared columns and primary key, if any were declared.
    pub declared: Option<(Vec<Column>, Option<Vec<usize>>)>,
    /// Columns of `INCLUDE` and their names.
    pub include: Vec<(MetaColumn, String)>,
    /// What becomes of a transaction that misses a record.
    pub on_error: OnError,
}

/// What a source is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Nothing can be read yet: its topic is not there, Kafka or the registry do not answer.
    Waiting,
    /// Its first rows are coming.
    Hydrating,
    /// It follows its topic.
    Running,
    /// It shows the last whole state and cannot go on.
    Stalled,
    /// Its topic does not hold all of the table: no answer can be given.
    Incomplete,
}

/// A source's state and why it is so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// What it is about.
    pub state: State,
    /// One sentence that names the object (topic, partition, offset, transaction); empty where nothing is wrong.
    pub reason: String,
    /// What the user can do about it; may be empty.
    pub hint: String,
    /// Records lost since the source was read from its beginning.
    pub lost: u64,
    /// Records that Kafka holds and the source has not read yet, where known.
    pub lag: Option<u64>,
}

impl Health {
    /// Nothing is wrong.
    pub fn running() -> Self {
        Health { state: State::Running, reason: String::new(), hint: String::new(), lost: 0, lag: None }
    }

    /// It cannot read yet, because of `reason`.
    pub fn waiting(reason: impl Into<String>) -> Self {
        Health { state: State::Waiting, reason: reason.into(), ..Health::running() }
    }
}

/// What a reader tells the engine, in order.
#[derive(Debug)]
pub enum SourceEvent {
    /// Whole commits, in order.
    Commits(Vec<tidewater_delta::Commit>),
    /// Changes of a source that is not shown yet, in order. They need not be one change to anybody.
    Base {
        /// The source.
        table: TableId,
        /// Its changes.
        ops: Vec<tidewater_delta::Op>,
    },
    /// The commits so far hold all rows that the source had when it was created.
    Hydrated(TableId),
    /// Records of the source read so far and the number that there were when it was created.
    Progress {
        /// The source.
        table: TableId,
        /// Records read.
        read: u64,
        /// Records in all.
        of: u64,
    },
    /// A record that could not be decoded.
    DeadLetter(Box<DeadLetter>),
    /// A column has no value any more: MySQL dropped, renamed or retyped it. Rows have NULL there from now on.
    ColumnLost {
        /// The source.
        table: TableId,
        /// Its place in the source.
        column: usize,
        /// Why, naming the column, and what to do.
        reason: String,
    },
    /// A source's state has changed.
    Health {
        /// The source.
        table: TableId,
        /// Its state.
        health: Health,
    },
    /// The state of a timeline, exactly that after all of its events before this one. Its tables' rows are whole with it: rows of
    /// this moment and [`Readers::resume`](crate::Readers::resume) go on as if nothing had happened.
    State(Box<TimelineState>),
    /// All timelines have told their state, or have none to tell.
    StatesTold {
        /// Whether they have: if not, one is missing that may have rows, and there is no checkpoint to make.
        whole: bool,
    },
}

/// The state of a timeline.
#[derive(Clone, PartialEq, Eq)]
pub struct TimelineState {
    /// The timeline's name, as in its commits.
    pub name: String,
    /// The tables that it knows, whether they are shown or not. A source that it does not know has no rows.
    pub tables: Vec<TableId>,
    /// The state, with a version and a checksum of its own.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for TimelineState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TimelineState({}, {:?}, {} bytes)", self.name, self.tables, self.bytes.len())
    }
}

/// A record that could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The source.
    pub source: String,
    /// Where the record lies.
    pub topic: String,
    /// Where the record lies.
    pub partition: i32,
    /// Where the record lies.
    pub offset: i64,
    /// Its time, in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Its raw key.
    pub key: Option<Vec<u8>>,
    /// Its raw value.
    pub value: Option<Vec<u8>>,
    /// Why it could not be decoded.
    pub reason: String,
}

impl MetaColumn {
    fn column_type(self) -> ColumnType {
        match self {
            MetaColumn::Partition => Type::Int4.into(),
            MetaColumn::Offset => Type::Int8.into(),
            MetaColumn::Timestamp => Type::TimestampTz.into(),
        }
    }
}

impl SourceConfig {
    /// The shape of the source's rows: declared, or as the registry or the first record tells. Blocking.
    ///
    /// # Errors
    /// If the registry or the cluster does not answer, or neither a declaration nor a schema tells the columns.
    pub fn table_schema(&self) -> Result<TableSchema> {
        let table = match (&self.declared, &self.format) {
            (Some((columns, key)), _) => TableSchema::new(columns.clone(), key.clone())?,
            (None, Format::Avro(registry)) => self.registered(&mut Registry::new(registry)?)?,
            (None, Format::Json) if matches!(self.envelope, Envelope::Debezium { .. }) => {
                self.described_by_first_record()?
            }
            (None, Format::Json | Format::Text) => self.one_column("data", Type::Text)?,
            (None, Format::Bytes) => self.one_column("data", Type::Bytea)?,
        };
        if self.envelope == Envelope::Upsert && table.key.is_none() {
            return Err(self.wrong("ENVELOPE UPSERT needs a key: declare PRIMARY KEY (…) NOT ENFORCED"));
        }
        if self.include.is_empty() {
            return Ok(table);
        }
        let mut columns = table.columns.to_vec();
        columns.extend(self.include.iter().map(|(column, name)| Column::new(name, column.column_type())));
        Ok(TableSchema::new(columns, table.key)?)
    }

    fn wrong(&self, text: &str) -> Error {
        Error::Schema(format!("source \"{}\": {text}", self.name))
    }

    fn one_column(&self, name: &str, ty: Type) -> Result<TableSchema> {
        let name = if self.format == Format::Text { "text" } else { name };
        Ok(TableSchema::new([Column::new(name, ty)], None)?)
    }

    fn registered(&self, registry: &mut Registry) -> Result<TableSchema> {
        let Some(value) = registry.latest(&self.topic, false)? else {
            let text = format!(
                "the registry has no schema \"{}-value\": the connector writes it with the table's first row; check that it runs",
                self.topic
            );
            return Err(self.wrong(&text));
        };
        let key = registry.latest(&self.topic, true)?;
        match self.envelope {
            Envelope::Debezium { .. } => {
                let table = avro::debezium_table(key.as_deref(), &value)?;
                avro::with_first_defaults(&table, &registry.versions(&self.topic)?)
            }
            Envelope::Upsert => avro::plain_table(key.as_deref(), &value),
            Envelope::None => avro::plain_table(None, &value),
        }
    }

    fn described_by_first_record(&self) -> Result<TableSchema> {
        let first = self.cluster.first_record(&self.topic, FIRST_RECORD)?;
        let table =
            first.and_then(|(key, value)| json::debezium_table(&value, key.as_deref()).transpose()).transpose()?;
        table.ok_or_else(|| {
            let text = "its JSON carries no schema that would tell the columns: declare them, as in \
                        CREATE SOURCE name (id bigint, …, PRIMARY KEY (id) NOT ENFORCED) FROM KAFKA …";
            self.wrong(text)
        })
    }
}

impl From<SqlError> for Error {
    fn from(error: SqlError) -> Self {
        Error::Schema(error.to_string())
    }
}
