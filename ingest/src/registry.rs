//! Schemas from a registry that speaks Confluent's protocol, kept once fetched: a schema id never changes its meaning.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::schema::Node;
use schema_registry_converter::blocking::schema_registry::{SrSettings, get_schema_by_id, get_schema_by_subject};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{RegisteredSchema, SchemaType, SubjectNameStrategy};

use crate::error::{Error, Result};

/// A registry that does not answer in this time is down.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where a registry is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RegistryConfig {
    /// Base URL, such as `http://localhost:8081/apis/ccompat/v7`.
    pub url: String,
    /// User and password for basic authentication.
    pub credentials: Option<(String, String)>,
}

/// A client. Blocking: it lives on the threads that read Kafka.
#[derive(Debug)]
pub struct Registry {
    url: String,
    settings: SrSettings,
    schemas: HashMap<u32, Arc<Node>>,
}

impl Registry {
    /// A client for `config`. Nothing is asked yet.
    ///
    /// # Errors
    /// If the HTTP client cannot be built.
    pub fn new(config: &RegistryConfig) -> Result<Self> {
        let mut builder = SrSettings::new_builder(config.url.clone());
        builder.set_timeout(TIMEOUT);
        if let Some((user, password)) = &config.credentials {
            builder.set_basic_authorization(user, Some(password));
        }
        let settings = builder.build().map_err(|error| unreachable(&config.url, &error))?;
        Ok(Registry { url: config.url.clone(), settings, schemas: HashMap::new() })
    }

    /// The schema of `id`.
    ///
    /// # Errors
    /// [`Error::RegistryUnreachable`] where asking again may help, [`Error::Schema`] where it will not.
    pub fn by_id(&mut self, id: u32) -> Result<Arc<Node>> {
        if let Some(schema) = self.schemas.get(&id) {
            return Ok(schema.clone());
        }
        let found = get_schema_by_id(id, &self.settings).map_err(|error| match error.retriable {
            true => unreachable(&self.url, &error),
            false => Error::Schema(format!("schema id {id} is not in the registry {}: {}", self.url, cause(&error))),
        })?;
        let schema = Arc::new(parse(&found, &format!("schema id {id}"))?);
        self.schemas.insert(id, schema.clone());
        Ok(schema)
    }

    /// The newest schema of a topic's keys or values, or `None` if the registry has none.
    ///
    /// # Errors
    /// As [`Registry::by_id`].
    pub fn latest(&mut self, topic: &str, key: bool) -> Result<Option<Arc<Node>>> {
        let subject = SubjectNameStrategy::TopicNameStrategy(topic.to_owned(), key);
        match get_schema_by_subject(&self.settings, &subject) {
            Ok(found) => Ok(Some(Arc::new(parse(&found, &format!("the schema of topic \"{topic}\""))?))),
            Err(error) if error.retriable => Err(unreachable(&self.url, &error)),
            // 40401: no such subject.
            Err(error) if cause(&error).contains("404") => Ok(None),
            Err(error) => Err(Error::Schema(format!("registry {}: {}", self.url, cause(&error)))),
        }
    }
}

fn cause(error: &SRCError) -> String {
    match &error.cause {
        Some(cause) => format!("{}: {cause}", error.error),
        None => error.error.clone(),
    }
}

fn unreachable(url: &str, error: &SRCError) -> Error {
    Error::RegistryUnreachable { url: url.to_owned(), reason: cause(error) }
}

fn parse(found: &RegisteredSchema, what: &str) -> Result<Node> {
    if found.schema_type != SchemaType::Avro {
        return Err(Error::Schema(format!("{what} is not Avro")));
    }
    if let Some(reference) = found.references.first() {
        return Err(Error::Schema(format!(
            "{what} refers to another schema (\"{}\"), which is not supported",
            reference.name
        )));
    }
    Node::parse(&found.schema).map_err(|error| Error::Schema(format!("{what}: {error}")))
}
