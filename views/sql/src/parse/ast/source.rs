//! Connections and sources, as statements make them.

use sqlparser::ast as sql;

/// What a connection connects to.
#[derive(Debug, Clone, PartialEq)]
pub enum Connection {
    /// `TO KAFKA (BROKER … | BROKERS (…), …)`.
    Kafka {
        /// `host:port` of each bootstrap broker.
        brokers: Vec<String>,
        /// Every other option, names in lower case with single spaces (`security protocol`).
        options: Vec<(String, OptionValue)>,
    },
    /// `TO CONFLUENT SCHEMA REGISTRY (URL …, …)`.
    SchemaRegistry {
        /// Base URL.
        url: String,
        /// Every other option.
        options: Vec<(String, OptionValue)>,
    },
}

/// Value of an option.
#[derive(Debug, Clone, PartialEq)]
pub enum OptionValue {
    /// A literal or a bare word, as text.
    Text(String),
    /// `SECRET name`.
    Secret(String),
    /// A list, in brackets or parentheses.
    List(Vec<String>),
}

/// `CREATE SOURCE … FROM KAFKA …`, in either grammar.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateSource {
    /// Name.
    pub name: String,
    /// Whether an existing one is kept.
    pub if_not_exists: bool,
    /// Declared columns: name and type. A column whose type is left out takes it from the schema.
    pub columns: Vec<(String, Option<sql::DataType>)>,
    /// `PRIMARY KEY (…) NOT ENFORCED`, or `PRIMARY KEY` of a column.
    pub primary_key: Option<Vec<String>>,
    /// Where the brokers are.
    pub broker: Broker,
    /// The topic.
    pub topic: String,
    /// Options of the topic or of WITH, names in lower case.
    pub options: Vec<(String, OptionValue)>,
    /// How keys are decoded, where it is said (`KEY FORMAT`).
    pub key_format: Option<Format>,
    /// How values are decoded.
    pub format: Format,
    /// Metadata columns: `INCLUDE …`.
    pub include: Vec<Include>,
    /// How records become changes.
    pub envelope: Envelope,
    /// What becomes of a transaction that misses a record, where it is said.
    pub on_error: Option<OnError>,
}

/// Where a source's brokers are.
#[derive(Debug, Clone, PartialEq)]
pub enum Broker {
    /// `FROM KAFKA CONNECTION name`.
    Connection(String),
    /// `FROM KAFKA BROKER 'host:port,…'`.
    Inline(Vec<String>),
}

/// How bytes become values.
#[derive(Debug, Clone, PartialEq)]
pub enum Format {
    /// `AVRO USING CONFLUENT SCHEMA REGISTRY …`.
    Avro(Registry),
    /// `JSON`.
    Json,
    /// `TEXT`.
    Text,
    /// `BYTES`.
    Bytes,
}

/// Where a source's schema registry is.
#[derive(Debug, Clone, PartialEq)]
pub enum Registry {
    /// `CONNECTION name`.
    Connection(String),
    /// `'http://…' [WITH (…)]`.
    Inline {
        /// Base URL.
        url: String,
        /// Options of WITH.
        options: Vec<(String, OptionValue)>,
    },
}

/// A metadata column of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    /// What it holds.
    pub metadata: Metadata,
    /// Its name, if one is given.
    pub alias: Option<String>,
}

/// What a metadata column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metadata {
    /// The record's key.
    Key,
    /// The record's partition.
    Partition,
    /// The record's offset.
    Offset,
    /// The record's time.
    Timestamp,
    /// The record's headers.
    Headers,
}

/// How records become changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Envelope {
    /// Every record is a new row.
    None,
    /// A record replaces the row of its key.
    Upsert,
    /// Debezium's change events.
    Debezium {
        /// `TRANSACTION METADATA (SOURCE name, …)`: the source of the transaction topic.
        transaction_source: Option<String>,
        /// `TRANSACTION METADATA (…, COLLECTION 'db.table')`: what that topic calls the table.
        collection: Option<String>,
    },
}

/// What becomes of a transaction of which a record is lost: `ON ERROR …`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// The source stands still at it.
    Stall,
    /// It goes on without the record; readers are told.
    DeadLetter,
    /// It goes on without the record.
    Skip,
}

impl OnError {
    /// Its words, as statements write it.
    pub fn words(self) -> &'static str {
        match self {
            OnError::Stall => "stall",
            OnError::DeadLetter => "dead letter",
            OnError::Skip => "skip",
        }
    }

    /// What words mean.
    pub fn of(words: &str) -> Option<Self> {
        let all = [OnError::Stall, OnError::DeadLetter, OnError::Skip];
        let words = words.to_lowercase().replace(['_', '-'], " ");
        all.into_iter().find(|policy| policy.words() == words)
    }
}

/// What ALTER SOURCE changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceChange {
    /// `REFRESH`: the columns are taken from the schema as it is now.
    Refresh,
    /// `SET (ON ERROR = …)`.
    OnError(OnError),
}
