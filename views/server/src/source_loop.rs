//! What the coordinator's loop does for sources: they begin, are made anew, are mended, and tell how they are.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tidewater_delta::TableId;
use tidewater_ingest::{Health, SourceConfig};
use tidewater_sql::{Database, Notice, Outcome, Parsed, Progress, Result, SourceHealth};
use tidewater_types::TableSchema;

use crate::coordinator::{Loop, PUBLISH};
use crate::definitions::from_ingest;
use crate::{source_events, sources};

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

impl Loop {
    pub(crate) fn stop_reading(&mut self, tables: Vec<TableId>) {
        for table in tables {
            self.checkpoints.forget(table);
            if let Some(readers) = &mut self.readers {
                readers.remove(table);
            }
        }
    }

    pub(crate) fn create_source(
        &mut self,
        parsed: &Arc<Parsed>,
        search_path: Vec<String>,
        config: SourceConfig,
        schema: TableSchema,
    ) -> Result<Outcome> {
        let name = config.name.clone();
        self.durable.reserve(&parsed.text, 0)?;
        let table = {
            let mut database = self.database.write();
            database.set_search_path(search_path);
            database.create_source(&name, &schema, &parsed.text)?
        };
        self.describe_reading(table, &config);
        if let Err(error) = self.start_reading(table, config, schema) {
            self.database.write().drop_source(&name);
            return Err(error);
        }
        self.save(parsed)?;
        Ok(Outcome::Tag("CREATE SOURCE".into()))
    }

    pub(crate) fn replace_source(
        &mut self,
        name: &str,
        text: &str,
        config: SourceConfig,
        schema: TableSchema,
    ) -> Result<Outcome> {
        self.durable.reserve(text, 0)?;
        let (table, replaced) = self.database.write().replace_source(name, &schema, text)?;
        self.stop_reading(replaced.gone);
        self.building.get_or_insert_with(Instant::now);
        self.read_or_stall(table, config, schema);
        let again =
            format!("the rows of source \"{name}\" are read again from the beginning; its readers wait meanwhile");
        let mut notices = vec![Notice::new(again)];
        for (reader, error) in replaced.broken {
            tracing::error!(name = reader, reason = %error, "the object is broken: its source has other columns");
            let notice = Notice::new(format!("\"{reader}\" is broken: {error}"));
            notices.push(Notice { severity: "WARNING", sqlstate: "01000", ..notice });
        }
        self.hydrated.send_modify(|changes| *changes += 1);
        self.run_sinks();
        self.write_catalog()?;
        Ok(Outcome::Told("ALTER SOURCE".into(), notices))
    }

    pub(crate) fn mend(&mut self, name: &str, source: Option<Result<Box<(SourceConfig, TableSchema)>>>) -> Result<()> {
        match source {
            None => self.mend_by_statement(name)?,
            Some(asked) => {
                let text = self.database.read().definition(name).map(|(_, text)| text.to_owned()).unwrap_or_default();
                let mut made = None;
                let make = |database: &mut Database| {
                    let (config, schema) = *asked?;
                    let table = database.create_source(&config.name, &schema, &text)?;
                    made = Some((table, config, schema));
                    Ok(())
                };
                self.database.write().mend(name, make)?;
                match made {
                    Some((table, config, schema)) if !*self.restored.borrow() => {
                        self.make_from_checkpoint(table, config, schema);
                    }
                    Some((table, config, schema)) => self.read_or_stall(table, config, schema),
                    None => {}
                }
            }
        }
        if !*self.restored.borrow() {
            self.make_views_from_checkpoint();
        }
        self.building.get_or_insert_with(Instant::now);
        self.hydrated.send_modify(|changes| *changes += 1);
        if !*self.restored.borrow() {
            return Ok(());
        }
        self.run_sinks();
        self.write_catalog()
    }

    /// Makes what needs nothing from outside; a table with the rows that it had.
    fn mend_by_statement(&mut self, name: &str) -> Result<()> {
        let mut database = self.database.write();
        let oid = database.oid(name).unwrap_or_default();
        let rows = match self.durable.rows(oid) {
            Ok(rows) => rows,
            Err(error) => return database.mend(name, |_| Err(error)),
        };
        database.mend_with_rows(name, rows)?;
        self.durable.loaded(oid);
        Ok(())
    }

    /// Tells what is promised of a source that was made; its readers wait for its rows.
    pub(crate) fn describe_reading(&mut self, table: TableId, config: &SourceConfig) {
        let (on_error, consistency) = sources::promises(config);
        let mut database = self.database.write();
        database.set_hydrating(table, Progress::default());
        database.describe_source(table, on_error, consistency);
        let (timeline, kind) = sources::timeline(config);
        database.set_timeline(table, timeline, kind);
        drop(database);
        self.publish();
    }

    /// Begins to read a source that was made.
    fn start_reading(&mut self, table: TableId, config: SourceConfig, schema: TableSchema) -> Result<()> {
        self.note_reading(table, &config, &schema);
        match &mut self.readers {
            Some(readers) => readers.add(table, config, schema).map_err(|error| from_ingest(&error)),
            None => Ok(()),
        }
    }

    /// The same for a source that stays whatever happens.
    pub(crate) fn read_or_stall(&mut self, table: TableId, config: SourceConfig, schema: TableSchema) {
        self.describe_reading(table, &config);
        if let Err(error) = self.start_reading(table, config, schema) {
            self.health(
                table,
                Health { state: tidewater_ingest::State::Stalled, ..Health::waiting(error.to_string()) },
            );
        }
    }

    pub(crate) fn health(&mut self, table: TableId, health: Health) {
        let health = source_events::health_of(health);
        let mut database = self.database.write();
        let Some(name) = database.source_name(table).map(str::to_owned) else { return };
        let before = database.source_status(&name).map(|status| status.health);
        database.set_health(table, health.clone());
        drop(database);
        self.unpublished = true;
        let told = |health: &SourceHealth| (health.state, health.reason.clone());
        if before.as_ref().map(told) == Some(told(&health)) {
            return;
        }
        source_events::log(&name, &health);
        self.state_changed();
        // Who waits for its rows may wait in vain from now on.
        self.hydrated.send_modify(|changes| *changes += 1);
    }

    /// Takes note of since when; `tidewater.sources` shows it at once unless it changed a moment ago.
    pub(crate) fn state_changed(&mut self) {
        self.database.write().note_states(now_ms());
        self.unpublished = true;
        if self.published.elapsed() >= PUBLISH {
            self.publish();
        }
    }

    pub(crate) fn publish(&mut self) {
        self.database.write().publish_sources(now_ms());
        self.published = tokio::time::Instant::now();
        self.unpublished = false;
    }
}
