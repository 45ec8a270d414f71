//! What a `CREATE SINK` means for its writer: names resolved, options as Kafka calls them.

use tidewater_functions::Session;
use tidewater_ingest::Cluster;
use tidewater_ingest::produce::NewTopic;
use tidewater_sql::parse::ast::{self, CreateSink, OptionValue, SinkEnvelope};
use tidewater_sql::{Database, Error, Result};

use super::encode::Format;
use crate::sources::{Lookup, property};

/// Where every sink writes how far it is, unless it says another topic.
const PROGRESS: &str = "tidewater-progress";
/// Options that say how Materialize writes, which here follows from what is written.
const IGNORED: [&str; 6] = [
    "acks",
    "legacy ids",
    "progress group id prefix",
    "transactional id prefix",
    "consistency_topic",
    "retain history for",
];

/// What a sink writes, and where.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spec {
    pub(crate) cluster: Cluster,
    /// The topic as it is made where it is not there.
    pub(crate) topic: NewTopic,
    pub(crate) progress: NewTopic,
    pub(crate) format: Format,
    pub(crate) envelope: SinkEnvelope,
    /// librdkafka's properties of the producer.
    pub(crate) properties: Vec<(String, String)>,
    /// What the topic holds is an earlier sink's.
    pub(crate) reuse: bool,
}

impl Spec {
    /// The id of whoever may write the topic: one writer at a time, whichever server it is of.
    pub(crate) fn transactional_id(&self) -> String {
        format!("tidewater-sink-{}", self.topic.name)
    }
}

/// The meaning of a sink's statement; names in it are looked for as the session says.
///
/// # Errors
/// If it names a connection or secret that does not exist, or asks for what is not supported.
pub(crate) fn resolve(sink: &CreateSink, database: &Database, session: &Session) -> Result<Spec> {
    let names = Lookup { database, session };
    let (brokers, options) = names.brokers(&sink.broker)?;
    if sink.key_format.as_ref().is_some_and(|format| *format != sink.format) {
        let message = format!("sink \"{}\": a KEY FORMAT other than the VALUE FORMAT is not supported", sink.name);
        return Err(Error::new(b"0A000", message));
    }
    let format = match &sink.format {
        ast::Format::Json => Format::Json,
        ast::Format::Avro(registry) => Format::Avro(names.registry_config(registry)?),
        ast::Format::Text | ast::Format::Bytes => {
            let message = format!("sink \"{}\": FORMAT TEXT and BYTES are not supported", sink.name);
            return Err(Error::new(b"0A000", message).hint("JSON and AVRO are"));
        }
    };
    let settings = match sink.envelope {
        // The newest record of a key is all that its readers need.
        SinkEnvelope::Upsert => vec![("cleanup.policy".to_owned(), "compact".to_owned())],
        // Readers that begin later need all of them.
        SinkEnvelope::Debezium => vec![("retention.ms".to_owned(), "-1".to_owned())],
    };
    let topic = NewTopic { name: sink.topic.clone(), partitions: None, replication: None, settings };
    let compacted = [("cleanup.policy", "compact"), ("segment.ms", "600000"), ("min.cleanable.dirty.ratio", "0.1")];
    let settings = compacted.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let progress = NewTopic { name: PROGRESS.into(), partitions: Some(1), replication: None, settings };
    let cluster = Cluster { brokers: brokers.join(","), properties: Vec::new() };
    let properties = Vec::new();
    let mut spec = Spec { cluster, topic, progress, format, envelope: sink.envelope, properties, reuse: false };
    for (name, value) in options.iter().chain(&sink.options) {
        if !option(&mut spec, name, value, &names.plain(value)?)? && !IGNORED.contains(&name.as_str()) {
            let message = format!("sink \"{}\": option {} is not supported", sink.name, name.to_uppercase());
            return Err(Error::new(b"0A000", message));
        }
    }
    Ok(spec)
}

/// Takes an option; false if there is none of this name.
fn option(spec: &mut Spec, name: &str, value: &OptionValue, plain: &str) -> Result<bool> {
    let number = || {
        let number = plain.parse::<i32>().ok().filter(|number| *number > 0);
        number.ok_or_else(|| wrong(name, plain, "a number above zero"))
    };
    let truth = || match plain.to_lowercase().as_str() {
        "true" | "on" | "1" => Ok(true),
        "false" | "off" | "0" => Ok(false),
        _ => Err(wrong(name, plain, "true or false")),
    };
    match name {
        "topic partition count" | "partition count" | "partition_count" => spec.topic.partitions = Some(number()?),
        "topic replication factor" | "replication factor" | "replication_factor" => {
            spec.topic.replication = Some(number()?);
        }
        "progress topic replication factor" => spec.progress.replication = Some(number()?),
        "progress topic" => plain.clone_into(&mut spec.progress.name),
        "reuse topic" | "reuse_topic" => spec.reuse = truth()?,
        "retention_ms" => set(spec, "retention.ms", plain),
        "retention_bytes" => set(spec, "retention.bytes", plain),
        "compression type" => spec.properties.push(("compression.type".into(), plain.to_lowercase())),
        "topic config" => {
            let OptionValue::List(pairs) = value else { return Err(wrong(name, plain, "MAP['name' => 'value']")) };
            for pair in pairs {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                set(spec, name, value);
            }
        }
        "snapshot" => {
            if !truth()? {
                let message = "a sink without a snapshot is not supported";
                let hint = "the topic always holds all rows, so that what it holds can be compared with the view";
                return Err(Error::new(b"0A000", message).hint(hint));
            }
        }
        _ => match property(name) {
            Some(property) => spec.cluster.properties.push((property.to_owned(), plain.to_owned())),
            None => return Ok(false),
        },
    }
    Ok(true)
}

fn set(spec: &mut Spec, name: &str, value: &str) {
    spec.topic.settings.retain(|(found, _)| found != name);
    spec.topic.settings.push((name.to_owned(), value.to_owned()));
}

fn wrong(name: &str, value: &str, wants: &str) -> Error {
    Error::new(b"22023", format!("option {} wants {wants}, not \"{value}\"", name.to_uppercase()))
}
