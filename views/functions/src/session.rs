//! What of a session a function may depend on. Captured when an expression is compiled.

use std::collections::BTreeMap;

/// The state of a session that expressions see.
#[derive(Debug, Clone)]
pub struct Session {
    /// `TimeZone`, as it was set: a name of the tz database, or an offset.
    pub time_zone: String,
    /// When the transaction began, in microseconds since 1970-01-01 UTC: `now()`.
    pub now: i64,
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
    /// The server's process number of this session: `pg_backend_pid()`.
    pub backend_pid: i32,
    /// `version()`.
    pub version: String,
    /// Settings by lower-case name: `current_setting(name)`.
    pub settings: BTreeMap<String, String>,
}

impl Default for Session {
    /// A session as tests use it: UTC, at the first moment of 1970.
    fn default() -> Self {
        Session {
            time_zone: "UTC".to_owned(),
            now: 0,
            statement_now: 0,
            clock: || 0,
            random: || 0,
            user: "tidewater".to_owned(),
            database: "tidewater".to_owned(),
            search_path: vec!["public".to_owned()],
            backend_pid: 1,
            version: "PostgreSQL 15.0".to_owned(),
            settings: BTreeMap::new(),
        }
    }
}
