//! Schemas from a registry that speaks Confluent's protocol, kept once fetched: a schema id never changes its meaning.
//!
//! Only an answer of the registry's own that there is no such schema is final, and that only if it stays so: a registry that was
//! just started, or a replica of it, may not know an id yet that a record names. All else may pass.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::blocking::{Client, RequestBuilder};
use reqwest::{Certificate, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::schema::Node;

/// A registry that does not answer in this time is down.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long an id that a record names may be unknown to the registry.
const GRACE: Duration = Duration::from_secs(30);
/// Versions of a subject that are looked at for the default that a column was added with.
const VERSIONS: usize = 100;

/// Where a registry is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RegistryConfig {
    /// Base URL, such as `http://localhost:8081/apis/ccompat/v7`.
    pub url: String,
    /// User and password for basic authentication.
    pub credentials: Option<(String, String)>,
    /// Certificates in PEM of who may have signed the registry's, beside those that the system trusts.
    pub ca: Option<String>,
}

/// A client. Blocking: it lives on the threads that read Kafka.
#[derive(Debug)]
pub struct Registry {
    config: RegistryConfig,
    client: Client,
    schemas: HashMap<u32, Arc<Node>>,
    /// Ids that the registry did not know, and since when.
    unknown: HashMap<u32, Instant>,
    grace: Duration,
}

/// What the registry says of a schema.
#[derive(Deserialize)]
struct Registered {
    schema: String,
    #[serde(rename = "schemaType")]
    kind: Option<String>,
    #[serde(default)]
    references: Vec<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    name: String,
}

/// How the registry refuses.
#[derive(Deserialize)]
struct Refusal {
    error_code: u32,
    message: String,
}

impl Registry {
    /// A client for `config`. Nothing is asked yet.
    ///
    /// # Errors
    /// If the certificates are none, or the HTTP client cannot be built.
    pub fn new(config: &RegistryConfig) -> Result<Self> {
        let wrong =
            |error: reqwest::Error| Error::Schema(format!("the schema registry {}: {}", config.url, causes(&error)));
        let mut builder = Client::builder().timeout(TIMEOUT);
        if let Some(ca) = &config.ca {
            let found = Certificate::from_pem_bundle(ca.as_bytes()).map_err(wrong)?;
            if found.is_empty() {
                return Err(Error::Schema(format!("the schema registry {}: no certificate in its CA", config.url)));
            }
            builder = found.into_iter().fold(builder, |builder, certificate| builder.add_root_certificate(certificate));
        }
        let client = builder.build().map_err(wrong)?;
        Ok(Registry { config: config.clone(), client, schemas: HashMap::new(), unknown: HashMap::new(), grace: GRACE })
    }

    /// The schema of `id`.
    ///
    /// # Errors
    /// [`Error::RegistryUnreachable`] where asking again may help, [`Error::Schema`] where it will not.
    pub fn by_id(&mut self, id: u32) -> Result<Arc<Node>> {
        if let Some(schema) = self.schemas.get(&id) {
            return Ok(schema.clone());
        }
        let Some(found) = self.get::<Registered>(&["schemas", "ids", &id.to_string()])? else {
            let url = &self.config.url;
            let since = *self.unknown.entry(id).or_insert_with(Instant::now);
            return Err(match since.elapsed() < self.grace {
                true => self.unreachable(format!("schema id {id} is not known there yet")),
                false => Error::Schema(format!("schema id {id} is not in the registry {url}")),
            });
        };
        self.unknown.remove(&id);
        let schema = Arc::new(parse(&found, &format!("schema id {id}"))?);
        self.schemas.insert(id, schema.clone());
        Ok(schema)
    }

    /// The newest schema of a topic's keys or values, or `None` if the registry has none.
    ///
    /// # Errors
    /// As [`Registry::by_id`].
    pub fn latest(&mut self, topic: &str, key: bool) -> Result<Option<Arc<Node>>> {
        let found: Option<Registered> = self.get(&["subjects", &subject(topic, key), "versions", "latest"])?;
        let parse = |found: Registered| parse(&found, &format!("the schema of topic \"{topic}\"")).map(Arc::new);
        found.map(parse).transpose()
    }

    /// All schemas that a topic's values have had, oldest first.
    ///
    /// # Errors
    /// As [`Registry::by_id`].
    pub fn versions(&mut self, topic: &str) -> Result<Vec<Arc<Node>>> {
        let subject = subject(topic, false);
        let numbers: Vec<u32> = self.get(&["subjects", &subject, "versions"])?.unwrap_or_default();
        let mut found = Vec::new();
        for number in &numbers[numbers.len().saturating_sub(VERSIONS)..] {
            let version: Option<Registered> = self.get(&["subjects", &subject, "versions", &number.to_string()])?;
            if let Some(version) = version {
                found.push(Arc::new(parse(&version, &format!("version {number} of \"{subject}\""))?));
            }
        }
        Ok(found)
    }

    /// Registers the Avro schema of a topic's keys or values; gives its id, which is the same if it was registered before.
    ///
    /// # Errors
    /// As [`Registry::by_id`]; a schema that is not compatible with the one before is refused.
    pub fn register(&self, topic: &str, key: bool, schema: &str) -> Result<u32> {
        #[derive(Deserialize)]
        struct Given {
            id: u32,
        }
        let subject = subject(topic, key);
        let body = serde_json::json!({ "schema": schema }).to_string();
        let url = self.url(&["subjects", &subject, "versions"])?;
        let request = self.client.post(url).header("Content-Type", "application/vnd.schemaregistry.v1+json").body(body);
        let given: Option<Given> = self.ask(request)?;
        given
            .map(|given| given.id)
            .ok_or_else(|| self.unreachable(format!("it does not take schemas of \"{subject}\"")))
    }

    /// What the registry has at a path; `None` if it says that there is nothing.
    fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<Option<T>> {
        self.ask(self.client.get(self.url(path)?))
    }

    fn url(&self, path: &[&str]) -> Result<Url> {
        let wrong = |what: &str| Error::Schema(format!("the schema registry's URL \"{}\" is {what}", self.config.url));
        let mut url = Url::parse(&self.config.url).map_err(|error| wrong(&format!("none: {error}")))?;
        url.path_segments_mut().map_err(|()| wrong("no base of paths"))?.pop_if_empty().extend(path);
        Ok(url)
    }

    fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<Option<T>> {
        let mut request = request.header("Accept", "application/vnd.schemaregistry.v1+json, application/json");
        if let Some((user, password)) = &self.config.credentials {
            request = request.basic_auth(user, Some(password));
        }
        let answer = request.send().map_err(|error| self.unreachable(causes(&error)))?;
        let status = answer.status();
        let body = answer.bytes().map_err(|error| self.unreachable(causes(&error)))?;
        if status.is_success() {
            // A proxy's page is no answer of the registry's.
            let found = serde_json::from_slice(&body);
            return found.map(Some).map_err(|error| self.unreachable(format!("its answer is none: {error}")));
        }
        match serde_json::from_slice::<Refusal>(&body) {
            Ok(refusal) if status == StatusCode::NOT_FOUND => {
                tracing::debug!(url = self.config.url, refusal.error_code, refusal.message, "not in the registry");
                Ok(None)
            }
            Ok(refusal) => Err(self.unreachable(format!("status {status}: {}", refusal.message))),
            Err(_) => Err(self.unreachable(format!("status {status}; is its URL right?"))),
        }
    }

    fn unreachable(&self, reason: String) -> Error {
        Error::RegistryUnreachable { url: self.config.url.clone(), reason }
    }
}

fn subject(topic: &str, key: bool) -> String {
    format!("{topic}-{}", if key { "key" } else { "value" })
}

/// An error and what caused it: the last cause says most.
fn causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(found) = cause {
        text = format!("{text}: {found}");
        cause = found.source();
    }
    text
}

fn parse(found: &Registered, what: &str) -> Result<Node> {
    if found.kind.as_deref().is_some_and(|kind| kind != "AVRO") {
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

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use super::*;

    /// A registry that gives these answers, one after another, and the paths that it was asked for.
    fn registry(answers: Vec<(&'static str, &'static str)>) -> (Registry, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/apis/ccompat/v7/", listener.local_addr().expect("an address"));
        let server = std::thread::spawn(move || {
            let mut paths = Vec::new();
            for (status, body) in answers {
                let (mut stream, _) = listener.accept().expect("a connection");
                let lines = BufReader::new(stream.try_clone().expect("a stream")).lines();
                let head: Vec<_> =
                    lines.map(|line| line.expect("a line")).take_while(|line| !line.is_empty()).collect();
                paths.push(head[0].split(' ').nth(1).unwrap_or_default().to_owned());
                let length = body.len();
                let answer =
                    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
                stream.write_all(answer.as_bytes()).expect("an answer");
            }
            paths
        });
        (Registry::new(&RegistryConfig { url, credentials: None, ca: None }).expect("a client"), server)
    }

    const SCHEMA: &str = r#"{"schema":"\"string\""}"#;

    /// Issue 7, finding 9: only the registry's own answer that it has no such schema makes a record a bad one.
    #[test]
    fn finding_9_a_registrys_fault_passes() {
        let refusal = r#"{"error_code":50001,"message":"store"}"#;
        let (mut registry, server) = registry(vec![
            ("500 Internal Server Error", refusal),
            ("504 Gateway Timeout", "<html>"),
            ("429 Too Many Requests", refusal),
            ("401 Unauthorized", refusal),
            ("404 Not Found", "<html>no such page</html>"),
            ("200 OK", "<html>maintenance</html>"),
            ("404 Not Found", r#"{"error_code":40403,"message":"Schema not found"}"#),
            ("200 OK", SCHEMA),
        ]);
        for _ in 0..7 {
            let error = registry.by_id(7).expect_err("a fault");
            assert!(matches!(error, Error::RegistryUnreachable { .. }), "{error}");
        }
        registry.by_id(7).expect("a schema");
        registry.by_id(7).expect("kept");
        let paths = server.join().expect("answers");
        assert_eq!(paths, vec!["/apis/ccompat/v7/schemas/ids/7"; 8]);
        assert!(matches!(registry.by_id(8), Err(Error::RegistryUnreachable { .. })), "nobody listens any more");
    }

    #[test]
    fn finding_9_an_id_that_stays_unknown_is_an_error() {
        let missing = r#"{"error_code":40403,"message":"Schema not found"}"#;
        let (mut registry, server) = registry(vec![("404 Not Found", missing)]);
        registry.grace = Duration::ZERO;
        let error = registry.by_id(7).expect_err("no schema");
        assert!(matches!(&error, Error::Schema(text) if text.contains("schema id 7")), "{error}");
        server.join().expect("answers");
    }

    #[test]
    fn subjects_are_asked_by_name() {
        let missing = r#"{"error_code":40401,"message":"Subject not found"}"#;
        let (mut registry, server) =
            registry(vec![("404 Not Found", missing), ("200 OK", "[1,3]"), ("200 OK", SCHEMA), ("200 OK", SCHEMA)]);
        assert_eq!(registry.latest("a b/c", true), Ok(None));
        assert_eq!(registry.versions("t").expect("versions").len(), 2);
        let paths = server.join().expect("answers");
        let expected =
            ["/a%20b%2Fc-key/versions/latest", "/t-value/versions", "/t-value/versions/1", "/t-value/versions/3"];
        assert_eq!(paths, expected.map(|path| format!("/apis/ccompat/v7/subjects{path}")));
    }

    #[test]
    fn schemas_are_registered_by_subject() {
        let refusal = r#"{"error_code":409,"message":"incompatible"}"#;
        let (registry, server) = registry(vec![("200 OK", r#"{"id":41}"#), ("409 Conflict", refusal)]);
        assert_eq!(registry.register("orders out", true, "\"string\""), Ok(41));
        let error = registry.register("orders out", false, "\"long\"").expect_err("refused");
        assert!(error.to_string().contains("incompatible"), "{error}");
        let paths = server.join().expect("answers");
        assert_eq!(paths, ["key", "value"].map(|of| format!("/apis/ccompat/v7/subjects/orders%20out-{of}/versions")));
    }

    #[test]
    fn a_ca_that_is_none_is_told_at_once() {
        let config = |ca: &str| RegistryConfig { url: "https://r".into(), credentials: None, ca: Some(ca.to_owned()) };
        for ca in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(matches!(Registry::new(&config(ca)), Err(Error::Schema(_))), "{ca:?}");
        }
    }
}
