//! Sinks, as statements make them.

use super::{Broker, Format, OptionValue};

/// `CREATE SINK … FROM … INTO KAFKA …`, in either grammar.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateSink {
    /// Name.
    pub name: String,
    /// Whether an existing one is kept.
    pub if_not_exists: bool,
    /// The relation whose rows are written.
    pub from: String,
    /// Where the brokers are.
    pub broker: Broker,
    /// The topic.
    pub topic: String,
    /// Columns of the records' keys, if any are named.
    pub key: Option<Vec<String>>,
    /// NOT ENFORCED: the statement answers for the key being unique.
    pub not_enforced: bool,
    /// How keys are encoded, where it is said (`KEY FORMAT`).
    pub key_format: Option<Format>,
    /// How values are encoded.
    pub format: Format,
    /// How changes become records.
    pub envelope: SinkEnvelope,
    /// Options of the topic or of WITH, names in lower case.
    pub options: Vec<(String, OptionValue)>,
}

/// How changes become records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SinkEnvelope {
    /// The row of a key, or nothing where it is gone.
    Upsert,
    /// The row of a key before and after.
    Debezium,
}

impl SinkEnvelope {
    /// Its word, lower case.
    pub fn word(self) -> &'static str {
        match self {
            SinkEnvelope::Upsert => "upsert",
            SinkEnvelope::Debezium => "debezium",
        }
    }
}
