//! What a `CREATE SOURCE` means for the readers of Kafka: names resolved, options as librdkafka calls them.

use sqlparser::ast::{ColumnDef, Ident};
use tidewater_functions::Session;
use tidewater_ingest::event::MetaColumn;
use tidewater_ingest::{Cluster, Envelope, Format, OnError, RegistryConfig, SourceConfig};
use tidewater_sql::parse::ast::{
    self, Broker, Connection, CreateSource, Metadata, ObjectKind, OptionValue, Registry, Statement,
};
use tidewater_sql::{Consistency, Database, Error, Result, TimelineKind};
use tidewater_types::Column;

/// Option of a source that names its topic of transaction boundaries; `none` takes every event as a commit by itself.
const TRANSACTION_TOPIC: &str = "transaction topic";

/// The configuration of a source that the catalog calls `key`; names in it are looked for as the session says.
///
/// # Errors
/// If it names a connection or secret that does not exist, or asks for what is not supported.
pub fn resolve(source: &CreateSource, key: &str, database: &Database, session: &Session) -> Result<SourceConfig> {
    let names = Lookup { database, session };
    let (brokers, options) = names.brokers(&source.broker)?;
    if let Some(key) = &source.key_format
        && *key != source.format
    {
        let message = format!("source \"{}\": a KEY FORMAT other than the VALUE FORMAT is not supported", source.name);
        return Err(Error::new(b"0A000", message));
    }
    let mut properties = Vec::new();
    let mut transaction_topic = None;
    for (name, value) in options.iter().chain(&source.options) {
        let value = names.plain(value)?;
        if name == TRANSACTION_TOPIC {
            transaction_topic = Some(value);
        } else if let Some(property) = property(name) {
            properties.push((property.to_owned(), value));
        } else if !IGNORED.contains(&name.as_str()) {
            let message = format!("source \"{}\": option {} is not supported", source.name, name.to_uppercase());
            return Err(Error::new(b"0A000", message));
        }
    }
    let format = match &source.format {
        ast::Format::Avro(registry) => Format::Avro(names.registry_config(registry)?),
        ast::Format::Json => Format::Json,
        ast::Format::Text => Format::Text,
        ast::Format::Bytes => Format::Bytes,
    };
    let include = source.include.iter().map(|include| {
        let (column, name) = match include.metadata {
            Metadata::Partition => (MetaColumn::Partition, "partition"),
            Metadata::Offset => (MetaColumn::Offset, "offset"),
            Metadata::Timestamp => (MetaColumn::Timestamp, "timestamp"),
            Metadata::Key | Metadata::Headers => {
                let message = format!("source \"{}\": INCLUDE KEY and HEADERS are not supported", source.name);
                return Err(Error::new(b"0A000", message));
            }
        };
        Ok((column, include.alias.clone().unwrap_or_else(|| name.to_owned())))
    });
    let include = include.collect::<Result<Vec<_>>>()?;
    let envelope = names.envelope(source, transaction_topic)?;
    let on_error = match (source.on_error, &envelope) {
        (Some(ast::OnError::Stall), _) => OnError::Stall,
        (Some(ast::OnError::DeadLetter), _) => OnError::DeadLetter,
        (Some(ast::OnError::Skip), _) => OnError::Skip,
        // A transaction without one of its records is no state of the database.
        (None, Envelope::Debezium { .. }) => OnError::Stall,
        // A record of a service is a change by itself.
        (None, Envelope::Upsert | Envelope::None) => OnError::DeadLetter,
    };
    if matches!(envelope, Envelope::Debezium { .. }) && !include.is_empty() {
        let message = format!("source \"{}\": INCLUDE with ENVELOPE DEBEZIUM is not supported", source.name);
        return Err(Error::new(b"0A000", message));
    }
    Ok(SourceConfig {
        name: key.to_owned(),
        cluster: Cluster { brokers: brokers.join(","), properties },
        topic: source.topic.clone(),
        format,
        envelope,
        declared: declared(source)?,
        include,
        on_error,
    })
}

/// The timeline that a source's commits name, and what its positions are.
pub fn timeline(config: &SourceConfig) -> (&str, TimelineKind) {
    match &config.envelope {
        Envelope::Debezium { transaction_topic: Some(topic), .. } => (topic, TimelineKind::Transactions),
        Envelope::Debezium { .. } => (&config.topic, TimelineKind::Changes),
        Envelope::Upsert | Envelope::None => (&config.topic, TimelineKind::Offsets),
    }
}

/// What the catalog shows of a source's promises.
pub(crate) fn promises(config: &SourceConfig) -> (ast::OnError, Consistency) {
    let on_error = match config.on_error {
        OnError::Stall => ast::OnError::Stall,
        OnError::DeadLetter => ast::OnError::DeadLetter,
        OnError::Skip => ast::OnError::Skip,
    };
    let consistency = match &config.envelope {
        Envelope::Debezium { transaction_topic: Some(_), .. } => Consistency::Transactions,
        Envelope::Debezium { transaction_topic: None, .. } => Consistency::Table,
        Envelope::Upsert | Envelope::None => Consistency::Record,
    };
    (on_error, consistency)
}

/// The statement of a source with another policy for errors.
pub(crate) fn with_on_error(text: &str, on_error: ast::OnError) -> String {
    let clause = |policy: ast::OnError| format!(" WITH (ON ERROR = '{}')", policy.words());
    let earlier = [ast::OnError::Stall, ast::OnError::DeadLetter, ast::OnError::Skip].map(clause);
    let text = earlier.iter().find_map(|clause| text.strip_suffix(clause.as_str())).unwrap_or(text);
    format!("{text}{}", clause(on_error))
}

/// What the names in a statement stand for.
pub(crate) struct Lookup<'a> {
    pub(crate) database: &'a Database,
    pub(crate) session: &'a Session,
}

/// Addresses, and the options of the connection that names them.
type Brokers = (Vec<String>, Vec<(String, OptionValue)>);

impl Lookup<'_> {
    fn key(&self, name: &str) -> Result<String> {
        self.database.resolved(name, self.session)
    }

    fn connection(&self, name: &str) -> Result<&Connection> {
        self.database.connection(&self.key(name)?)
    }

    /// Where a statement's brokers are.
    pub(crate) fn brokers(&self, broker: &Broker) -> Result<Brokers> {
        match broker {
            Broker::Inline(brokers) => Ok((brokers.clone(), Vec::new())),
            Broker::Connection(name) => match self.connection(name)? {
                Connection::Kafka { brokers, options } => Ok((brokers.clone(), options.clone())),
                Connection::SchemaRegistry { .. } => {
                    let message = format!("connection \"{name}\" is to a schema registry, not to Kafka");
                    Err(Error::new(b"42809", message))
                }
            },
        }
    }

    fn envelope(&self, source: &CreateSource, transaction_topic: Option<String>) -> Result<Envelope> {
        let (transaction_source, collection) = match &source.envelope {
            ast::Envelope::None => return Ok(Envelope::None),
            ast::Envelope::Upsert => return Ok(Envelope::Upsert),
            ast::Envelope::Debezium { transaction_source, collection } => (transaction_source, collection.clone()),
        };
        // Debezium names topics PREFIX.DATABASE.TABLE and that of transactions PREFIX.transaction.
        let mut parts = source.topic.rsplitn(3, '.');
        let derived = parts.nth(2).map(|prefix| format!("{prefix}.transaction"));
        let named = transaction_source.as_ref().map(|name| self.topic_of(source, name)).transpose()?;
        let transaction_topic = match (transaction_topic, named) {
            (Some(_), Some(_)) => {
                let message = format!("source \"{}\" names its transaction topic twice", source.name);
                return Err(Error::new(b"42601", message).hint("leave out TRANSACTION TOPIC or TRANSACTION METADATA"));
            }
            (Some(topic), None) if topic.eq_ignore_ascii_case("none") => None,
            (Some(topic), None) | (None, Some(topic)) => Some(topic),
            (None, None) => derived,
        };
        Ok(Envelope::Debezium { transaction_topic, collection })
    }

    /// The topic of the source that `TRANSACTION METADATA (SOURCE name)` names.
    fn topic_of(&self, source: &CreateSource, name: &str) -> Result<String> {
        let of = &source.name;
        let hint = "make a source of the connector's transaction topic, or name the topic: TRANSACTION TOPIC 'prefix.transaction'";
        let text = match self.database.definition(&self.key(name)?) {
            Some((ObjectKind::Source, text)) => text,
            Some((kind, _)) => {
                let message = format!(
                    "source \"{of}\": TRANSACTION METADATA names the {} \"{name}\"",
                    kind.words().to_lowercase()
                );
                return Err(Error::new(b"42809", message).hint(hint));
            }
            None => {
                let message =
                    format!("source \"{of}\": TRANSACTION METADATA names the source \"{name}\", which does not exist");
                return Err(Error::new(b"42P01", message).hint(hint));
            }
        };
        match tidewater_sql::parse(text)?.pop().map(|parsed| parsed.statement) {
            Some(Statement::CreateSource(transactions)) => Ok(transactions.topic),
            _ => Err(Error::new(b"XX000", format!("source \"{name}\" has no statement that makes it"))),
        }
    }

    pub(crate) fn registry_config(&self, registry: &Registry) -> Result<RegistryConfig> {
        let (url, options) = match registry {
            Registry::Inline { url, options } => (url, options),
            Registry::Connection(name) => match self.connection(name)? {
                Connection::SchemaRegistry { url, options } => (url, options),
                Connection::Kafka { .. } => {
                    let message = format!("connection \"{name}\" is to Kafka, not to a schema registry");
                    return Err(Error::new(b"42809", message));
                }
            },
        };
        if let Some((name, _)) = options.iter().find(|(name, _)| !REGISTRY.contains(&name.as_str())) {
            let message = format!("option {} of a schema registry is not supported", name.to_uppercase());
            return Err(Error::new(b"0A000", message).hint("USERNAME, PASSWORD and SSL CERTIFICATE AUTHORITY are"));
        }
        let option = |name: &str| options.iter().find(|(found, _)| found == name).map(|(_, value)| self.plain(value));
        let user = option("username").transpose()?;
        let password = option("password").transpose()?.unwrap_or_default();
        let ca = option("ssl certificate authority").transpose()?;
        Ok(RegistryConfig {
            url: url.trim_end_matches('/').to_owned(),
            credentials: user.map(|user| (user, password)),
            ca,
        })
    }

    pub(crate) fn plain(&self, value: &OptionValue) -> Result<String> {
        match value {
            OptionValue::Text(text) => Ok(text.clone()),
            OptionValue::Secret(name) => self.database.secret(&self.key(name)?).map(str::to_owned),
            OptionValue::List(items) => Ok(items.join(",")),
        }
    }
}

/// Declared columns, and the key if one was declared.
type Declared = (Vec<Column>, Option<Vec<usize>>);

fn declared(source: &CreateSource) -> Result<Option<Declared>> {
    if source.columns.is_empty() {
        return Ok(None);
    }
    let column = |(name, data_type): &(String, Option<_>)| match data_type {
        Some(data_type) => {
            let name = Ident::with_quote('"', name);
            Ok(ColumnDef { name, data_type: Clone::clone(data_type), options: Vec::new() })
        }
        None => {
            let message = format!("source \"{}\": column \"{name}\" needs a type", source.name);
            Err(Error::new(b"42601", message)
                .hint("an Avro source takes its columns from the registry: leave them out"))
        }
    };
    let columns = source.columns.iter().map(column).collect::<Result<Vec<_>>>()?;
    let columns = tidewater_sql::declared_columns(&columns)?;
    let key = source.primary_key.as_ref().map(|names| {
        let find = |name: &String| {
            let at = columns.iter().position(|column| column.name == *name);
            at.ok_or_else(|| Error::new(b"42703", format!("column \"{name}\" does not exist")))
        };
        names.iter().map(find).collect::<Result<Vec<_>>>()
    });
    let key = key.transpose()?;
    Ok(Some((columns, key)))
}

/// Options of a registry beside its URL.
const REGISTRY: [&str; 3] = ["username", "password", "ssl certificate authority"];

/// Options that say how Materialize reads, which here follows from what is read.
const IGNORED: [&str; 9] = [
    "group_id_prefix",
    "group id prefix",
    "timestamp_frequency_ms",
    "enable_auto_commit",
    "ignore_source_keys",
    "progress topic",
    "progress topic replication factor",
    "retain history for",
    "isolation_level",
];

/// librdkafka's property of an option.
pub(crate) fn property(option: &str) -> Option<&'static str> {
    Some(match option {
        "security protocol" | "security_protocol" => "security.protocol",
        "sasl mechanisms" | "sasl_mechanisms" => "sasl.mechanisms",
        "sasl username" | "sasl_username" => "sasl.username",
        "sasl password" | "sasl_password" => "sasl.password",
        "ssl ca location" | "ssl_ca_location" => "ssl.ca.location",
        "ssl certificate authority" => "ssl.ca.pem",
        "ssl certificate" => "ssl.certificate.pem",
        "ssl key" => "ssl.key.pem",
        _ => return None,
    })
}
