//! The server through its sockets: SQL logic tests, drivers, psql, HTTP.

mod after;
mod altered;
mod build;
mod changes;
mod clients;
mod copy;
mod definitions;
mod durable;
mod http;
mod limits;
mod moments;
mod protocol;
mod psql;
mod sequences;
mod sessions;
mod sinks;
mod slt;
mod sources;
mod subscribe;
mod temporary;
mod transactions;
mod types;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tidewater::Running;
use tidewater::config::Config;
use tokio_postgres::Client;

static RUNTIME: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Runtime::new().expect("threads for a runtime"));

/// A server of its own for a test, on free ports, with an empty catalog.
async fn server() -> Running {
    tidewater::start(&config()).await.expect("free ports and a temporary folder")
}

/// What the folders of tests are called before the process and a number.
const FOLDER: &str = "tidewater-server-";

/// Removes what tests before have left behind.
fn sweep() {
    let processes = std::path::Path::new("/proc");
    if !processes.join("self").exists() {
        return;
    }
    for folder in std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = folder.file_name().into_string().unwrap_or_default();
        let process = name.strip_prefix(FOLDER).and_then(|rest| rest.split('-').next());
        if process.is_some_and(|id| !processes.join(id).exists()) {
            let _ = std::fs::remove_dir_all(folder.path());
        }
    }
}

/// Free ports and an empty folder.
fn config() -> Config {
    static SWEPT: LazyLock<()> = LazyLock::new(sweep);
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    LazyLock::force(&SWEPT);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let data_dir = std::env::temp_dir().join(format!("{FOLDER}{}-{number}", std::process::id()));
    let _ = std::fs::remove_dir_all(&data_dir);
    config_in(data_dir)
}

fn config_in(data_dir: std::path::PathBuf) -> Config {
    let dead_letters = tidewater::config::DEAD_LETTERS;
    let checkpoint_seconds = tidewater::config::CHECKPOINT_SECONDS;
    let max_connections = tidewater::config::MAX_CONNECTIONS;
    let query_memory_mib = tidewater::config::QUERY_MEMORY_MIB;
    let subscribe_memory_mib = tidewater::config::SUBSCRIBE_MEMORY_MIB;
    let (host, http_names) = ("127.0.0.1".into(), Vec::new());
    Config {
        host,
        pg_port: 0,
        http_port: 0,
        http_names,
        max_connections,
        data_dir,
        checkpoint_seconds,
        dead_letters,
        query_memory_mib,
        subscribe_memory_mib,
    }
}

async fn connect(running: &Running) -> Client {
    let config = format!("host=127.0.0.1 port={} user=anybody dbname=materialize", running.pg_address.port());
    let (client, connection) = tokio_postgres::connect(&config, tokio_postgres::NoTls).await.expect("a connection");
    tokio::spawn(connection);
    client
}

/// A server and a client of it.
async fn started(config: &Config) -> (Running, Client) {
    let running = tidewater::start(config).await.expect("a server");
    let client = connect(&running).await;
    (running, client)
}

/// Far longer than anything here takes: it ends a test that would wait for ever.
const PATIENCE: Duration = Duration::from_secs(100);

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it comes to pass")
}

/// What the server has counted under a name so far.
fn counted(running: &Running, name: &str) -> u64 {
    let metrics = running.handle.metrics();
    let count = metrics.lines().find_map(|line| line.strip_prefix(name));
    count.and_then(|count| count.parse().ok()).expect("a count")
}

/// Waits until the server has counted more than `before`.
async fn until_counted(running: &Running, name: &str, before: u64) {
    let mut again = tokio::time::interval(Duration::from_millis(5));
    within(async {
        while counted(running, name) <= before {
            again.tick().await;
        }
    })
    .await;
}

const QUERIES: &str = "tidewater_queries_total ";

/// Queries that the server has begun so far.
fn queries_begun(running: &Running) -> u64 {
    counted(running, QUERIES)
}

/// Waits until the server has begun a query more than `before`.
async fn until_begun(running: &Running, before: u64) {
    until_counted(running, QUERIES, before).await;
}
