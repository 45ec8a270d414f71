//! What of a session a function may depend on. Captured when an expression is compiled.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidewater_types::Settings;

use crate::actions::Actions;
use crate::catalog_info::CatalogInfo;

/// The state of a session that expressions see.
#[derive(Debug, Clone)]
pub struct Session {
    /// What text forms depend on: the time zone, when the transaction began (`now()`), names of the catalog.
    pub settings: Settings,
    /// When the statement began: `statement_timestamp()`.
    pub statement_now: i64,
    /// The clock, in the same unit: `clock_timestamp()`. Handed in, because expressions read no clock of their own.
    pub clock: fn() -> i64,
    /// Random bits: `random()`, `gen_random_uuid()`. Handed in for the same reason.
    pub random: fn() -> u64,
    /// `current_user`, and `session_user`.
    pub user: String,
    /// `current_database()`.
    pub database: String,
    /// Schemas in which names are looked up: `current_schemas(true)` without the implicit ones.
    pub search_path: Vec<String>,
    /// The schema of its temporary objects; empty where there can be none. It stands first in the search path once it has any.
    pub temp_schema: String,
    /// When the server started: `pg_postmaster_start_time()`.
    pub server_started: i64,
    /// The server's process number of this session: `pg_backend_pid()`.
    pub backend_pid: i32,
    /// `version()`.
    pub version: String,
    /// Variables by lower-case name: `current_setting(name)`.
    pub variables: Arc<BTreeMap<String, String>>,
    /// The catalog, for the functions that tell of it; without one they know no object.
    pub catalog: Option<Arc<dyn CatalogInfo>>,
    /// The sequences; without them no number is taken.
    pub actions: Option<Arc<dyn Actions>>,
}

impl Session {
    /// The schemas of the search path that stand there by their names.
    pub fn named_schemas(&self) -> impl Iterator<Item = &String> {
        self.search_path.iter().filter(|schema| !is_temp_schema(schema))
    }

    /// Whether it is a schema of temporary objects of another session.
    pub fn is_other_temp(&self, schema: &str) -> bool {
        is_temp_schema(schema) && schema != self.temp_schema
    }
}

/// What schemas of temporary objects are called before the number of their session.
pub const TEMP_SCHEMA: &str = "pg_temp_";

/// Whether a schema is of a session's temporary objects.
pub fn is_temp_schema(schema: &str) -> bool {
    schema.starts_with(TEMP_SCHEMA)
}

impl Default for Session {
    /// A session as tests use it: UTC, at the first moment of 1970.
    fn default() -> Self {
        Session {
            settings: Settings::default(),
            statement_now: 0,
            clock: || 0,
            random: || 0,
            user: "tidewater".to_owned(),
            database: "tidewater".to_owned(),
            search_path: vec!["public".to_owned()],
            temp_schema: String::new(),
            server_started: 0,
            backend_pid: 1,
            version: "PostgreSQL 15.0".to_owned(),
            variables: Arc::default(),
            catalog: None,
            actions: None,
        }
    }
}
