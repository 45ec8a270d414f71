//! The server through its sockets: SQL logic tests, drivers, psql, HTTP.

mod build;
mod clients;
mod http;
mod limits;
mod protocol;
mod psql;
mod slt;
mod transactions;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tidewater::Running;
use tidewater::config::Config;
use tokio_postgres::Client;

static RUNTIME: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Runtime::new().expect("threads for a runtime"));

/// A server of its own for a test, on free ports, with an empty catalog.
async fn server() -> Running {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let data_dir = std::env::temp_dir().join(format!("tidewater-server-{}-{number}", std::process::id()));
    let _ = std::fs::remove_dir_all(&data_dir);
    let config = Config { host: "127.0.0.1".into(), pg_port: 0, http_port: 0, data_dir };
    tidewater::start(&config).await.expect("free ports and a temporary folder")
}

async fn connect(running: &Running) -> Client {
    let config = format!("host=127.0.0.1 port={} user=anybody dbname=materialize", running.pg_address.port());
    let (client, connection) = tokio_postgres::connect(&config, tokio_postgres::NoTls).await.expect("a connection");
    tokio::spawn(connection);
    client
}
