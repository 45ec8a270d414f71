//! Options of the command line and the environment.

use std::path::PathBuf;
use std::time::Duration;

/// Enough to see what is wrong with a topic.
pub const DEAD_LETTERS: usize = 10_000;

/// What a start after a crash reads again takes less than a second of each, and so does writing what has changed.
pub const CHECKPOINT_SECONDS: u64 = 30;

/// A connection costs some hundred kilobytes and, while its query runs, a thread.
pub const MAX_CONNECTIONS: usize = 500;

/// Some of a machine's memory: several queries may need as much at once.
pub const QUERY_MEMORY_MIB: usize = 1_024;

/// Some seconds of a busy view, minutes of a usual one.
pub const SUBSCRIBE_MEMORY_MIB: usize = 64;

/// Where the server listens and keeps its data.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// Address to listen on
    #[arg(long, env = "TIDEWATER_HOST", default_value = "127.0.0.1")]
    pub host: String,
    /// Port of PostgreSQL's protocol
    #[arg(long, env = "TIDEWATER_PG_PORT", default_value_t = 6875)]
    pub pg_port: u16,
    /// Port of HTTP: /health, /ready, /metrics, /api/sql
    #[arg(long, env = "TIDEWATER_HTTP_PORT", default_value_t = 6876)]
    pub http_port: u16,
    /// A name by which browsers and proxies may address HTTP, beside addresses, localhost and --host; may be given several times
    #[arg(long = "http-name", env = "TIDEWATER_HTTP_NAMES", value_delimiter = ',')]
    pub http_names: Vec<String>,
    /// Connections of PostgreSQL's protocol at the same time
    #[arg(long, env = "TIDEWATER_MAX_CONNECTIONS", default_value_t = MAX_CONNECTIONS)]
    pub max_connections: usize,
    /// Folder of the server's own data: the statements that made what exists
    #[arg(long, env = "TIDEWATER_DATA_DIR", default_value = "tidewater-data")]
    pub data_dir: PathBuf,
    /// Seconds between checkpoints of what sources hold, from which a start goes on; 0 takes them by CHECKPOINT and at the end only
    #[arg(long = "checkpoint-interval", env = "TIDEWATER_CHECKPOINT_INTERVAL", value_name = "SECONDS", default_value_t = CHECKPOINT_SECONDS)]
    pub checkpoint_seconds: u64,
    /// Records that could not be decoded and are kept in tidewater.dead_letters; older ones go
    #[arg(long, env = "TIDEWATER_DEAD_LETTERS", default_value_t = DEAD_LETTERS)]
    pub dead_letters: usize,
    /// MiB of memory that a statement may use; 0 is no limit
    #[arg(long = "query-memory", env = "TIDEWATER_QUERY_MEMORY", value_name = "MIB", default_value_t = QUERY_MEMORY_MIB)]
    pub query_memory_mib: usize,
    /// MiB of changes of each followed query that are kept for subscribers that fall behind or come back
    #[arg(long = "subscribe-memory", env = "TIDEWATER_SUBSCRIBE_MEMORY", value_name = "MIB", default_value_t = SUBSCRIBE_MEMORY_MIB)]
    pub subscribe_memory_mib: usize,
}

impl Config {
    /// The same in bytes.
    pub(crate) fn query_memory(&self) -> usize {
        match self.query_memory_mib {
            0 => usize::MAX,
            mib => mib.saturating_mul(1 << 20),
        }
    }

    /// None if none are taken by themselves.
    pub(crate) fn checkpoint_interval(&self) -> Option<Duration> {
        (self.checkpoint_seconds > 0).then(|| Duration::from_secs(self.checkpoint_seconds))
    }

    /// The same in bytes.
    pub(crate) fn subscribe_memory(&self) -> usize {
        self.subscribe_memory_mib.saturating_mul(1 << 20)
    }
}
