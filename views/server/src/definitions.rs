//! Sources are made, altered and restored here: what Kafka and the registry must be asked for is asked before the loop takes
//! the change, so that the loop never waits for them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tidewater_functions::Session;
use tidewater_ingest::SourceConfig;
use tidewater_sql::parse::ast::{CreateSource, ObjectKind, SourceChange, Statement};
use tidewater_sql::{BrokenObject, Error, Notice, Outcome, Parsed, Result};
use tidewater_types::TableSchema;

use crate::coordinator::{Request, stopping};
use crate::handle::Handle;
use crate::sources;
use crate::topic_kind;

/// Pause before what is broken is tried again: Kafka or the registry may still be starting.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest such pause: soon enough after a repair, seldom enough for a registry that is down for hours.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Mends what is broken, at the start the whole catalog, for as long as the server runs.
pub(crate) async fn restore(handle: Handle) {
    let mut told = HashMap::new();
    // An object may read one that was made after it: a view that was replaced keeps its readers' place.
    let mut left = mend_all(&handle, handle.broken(), &mut told).await;
    loop {
        let views = handle.broken().into_iter().filter(|object| object.kind != ObjectKind::Source).collect();
        let still = mend_all(&handle, views, &mut told).await;
        if still >= left {
            break;
        }
        left = still;
    }
    handle.set_restored().await;
    let mut pause = FIRST_PAUSE;
    while !handle.is_stopping() {
        tokio::time::sleep(pause).await;
        let broken = handle.broken();
        let before = broken.len();
        let left = mend_all(&handle, broken, &mut told).await;
        pause = if left < before || left == 0 { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
    }
}

/// Tries to make what is broken, in its order; the number of those that still are. A reason is logged once.
async fn mend_all(handle: &Handle, broken: Vec<BrokenObject>, told: &mut HashMap<String, String>) -> usize {
    let mut left = 0;
    for object in broken {
        let name = object.name.clone();
        match handle.mend(object).await {
            Ok(()) => {
                if told.remove(&name).is_some() {
                    tracing::info!(name, "the object is whole again");
                }
            }
            // Dropped meanwhile.
            Err(_) if !handle.exists(&name) => {}
            Err(error) => {
                left += 1;
                let reason = error.to_string();
                if told.get(&name) != Some(&reason) {
                    tracing::error!(name, reason, "the object is broken; it stays in the catalog and is tried again");
                    told.insert(name, reason);
                }
            }
        }
    }
    left
}

impl Handle {
    fn broken(&self) -> Vec<BrokenObject> {
        self.read().broken()
    }

    async fn mend(&self, object: BrokenObject) -> Result<()> {
        let mut source = None;
        if object.kind == ObjectKind::Source {
            let asked = self.asked(&object).await;
            source = Some(asked.map(Box::new));
        }
        self.ask(|answer| Request::Mend { name: object.name, source, answer }).await
    }

    /// What a source reads and its columns: those that the catalog holds, else as they are now.
    async fn asked(&self, object: &BrokenObject) -> Result<(SourceConfig, TableSchema)> {
        let source = source_of(&object.definition.text)?;
        let session = Session { search_path: object.definition.search_path.clone(), ..Session::default() };
        let config = sources::resolve(&source, &object.name, &self.read(), &session)?;
        let schema = match &object.definition.table {
            Some(table) => table.clone(),
            None => self.columns_now(&config).await?,
        };
        Ok((config, schema))
    }

    /// The columns of a source as Kafka or the registry tell them now.
    async fn columns_now(&self, config: &SourceConfig) -> Result<TableSchema> {
        let asked = config.clone();
        let schema = tokio::task::spawn_blocking(move || asked.table_schema()).await;
        let schema = schema.map_err(|_| Error::new(b"XX000", "reading the source's schema failed"))?;
        schema.map_err(|error| from_ingest(&error))
    }

    pub(crate) async fn create_source(
        &self,
        parsed: &Arc<Parsed>,
        source: &CreateSource,
        session: &Arc<Session>,
    ) -> Result<Outcome> {
        let config = {
            let database = self.read();
            let key = database.new_key(&source.name, session)?;
            if source.if_not_exists && database.exists(&key) {
                return Ok(Outcome::Tag("CREATE SOURCE".into()));
            }
            database.free(&key)?;
            sources::resolve(source, &key, &database, session)?
        };
        let schema = self.columns_now(&config).await?;
        if self.kafka {
            topic_kind::check(&config).await?;
        }
        let (config, search_path) = (Box::new(config), session.search_path.clone());
        self.ask(|answer| Request::CreateSource { parsed: parsed.clone(), search_path, config, schema, answer }).await
    }

    /// Makes a source anew with other columns or another policy; its rows are read again from the beginning.
    pub(crate) async fn alter_source(
        &self,
        name: &str,
        change: SourceChange,
        session: &Arc<Session>,
    ) -> Result<Outcome> {
        let unknown = || Error::new(b"42P01", format!("source \"{name}\" does not exist"));
        let (key, text, known, config) = {
            let database = self.read();
            let key = database.resolved(name, session)?;
            let (kind, text) = database.definition(&key).ok_or_else(unknown)?;
            if kind != ObjectKind::Source {
                return Err(Error::new(b"42809", format!("\"{name}\" is not a source")));
            }
            let text = match change {
                SourceChange::Refresh => text.to_owned(),
                SourceChange::OnError(policy) => sources::with_on_error(text, policy),
            };
            let known = database.source_table(&key).map(|(_, schema)| schema.clone());
            let source = source_of(&text)?;
            let session = Session { search_path: database.search_path_of(&key), ..Session::default() };
            let config = sources::resolve(&source, &key, &database, &session)?;
            (key, text, known, config)
        };
        let schema = match (change, &known) {
            (SourceChange::OnError(_), Some(known)) => known.clone(),
            _ => self.columns_now(&config).await?,
        };
        if change == SourceChange::Refresh && known.as_ref() == Some(&schema) {
            let notice = Notice::new(format!("the columns of source \"{name}\" have not changed"));
            return Ok(Outcome::Told("ALTER SOURCE".into(), vec![notice]));
        }
        let config = Box::new(config);
        self.ask(|answer| Request::ReplaceSource { name: key, text, config, schema, answer }).await
    }
}

/// The CREATE SOURCE that a text is.
fn source_of(text: &str) -> Result<Box<CreateSource>> {
    match tidewater_sql::parse(text)?.pop().map(|parsed| parsed.statement) {
        Some(Statement::CreateSource(source)) => Ok(source),
        _ => Err(Error::new(b"XX000", "the catalog holds no statement that makes the source")),
    }
}

/// Errors of Kafka and the registry are connection errors; everything else is the statement's.
pub(crate) fn from_ingest(error: &tidewater_ingest::Error) -> Error {
    let sqlstate = match error {
        tidewater_ingest::Error::Kafka { .. } | tidewater_ingest::Error::RegistryUnreachable { .. } => b"08001",
        tidewater_ingest::Error::Schema(_) => b"42704",
        tidewater_ingest::Error::Decode(_) => b"22000",
    };
    Error::new(sqlstate, error.to_string())
}

/// What a statement is told while the catalog is not back in time.
pub(crate) fn restoring() -> Error {
    Error::new(b"57P03", "the database system is starting up: its catalog is being restored")
        .hint("GET /ready tells when; SET statement_timeout waits longer")
}

impl Handle {
    /// Sends a request and waits for its answer.
    async fn ask<T>(&self, request: impl FnOnce(tokio::sync::oneshot::Sender<Result<T>>) -> Request) -> Result<T> {
        let (answer, answered) = tokio::sync::oneshot::channel();
        self.send(request(answer)).await?;
        answered.await.unwrap_or_else(|_| Err(stopping()))
    }
}
