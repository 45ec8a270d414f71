//! The server: keeps the database fresh from Kafka and answers over PostgreSQL's protocol and HTTP.
//!
//! [`coordinator`] is the one loop that changes the database, reached by a [`handle`]; [`pgwire`] and [`http`] are its faces.

mod acting;
pub mod activity;
mod check_source;
mod commit_loop;
pub mod config;
pub mod coordinator;
mod copy_in;
mod copy_lines;
mod cursors;
mod definitions;
mod durable;
mod encode;
mod feeds;
pub mod handle;
pub mod http;
mod http_names;
mod http_rows;
mod http_subscribe;
mod inert;
mod metrics;
mod pace;
mod parameters;
pub mod pgwire;
mod runner;
mod sequences;
pub mod session;
mod sink;
mod source_checkpoint;
mod source_events;
mod source_loop;
pub mod sources;
mod subscribe;
mod topic_kind;
mod transaction;
mod variables;
pub mod waits;
mod writing;

use tidewater_ingest::SourceEvent;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use config::Config;
use coordinator::Coordinator;
pub use durable::statements;
use handle::Handle;

/// A server that runs.
pub struct Running {
    /// Where PostgreSQL's clients reach it.
    pub pg_address: std::net::SocketAddr,
    /// Where HTTP's clients reach it.
    pub http_address: std::net::SocketAddr,
    /// The database, without a socket between.
    pub handle: Handle,
    coordinator: Coordinator,
    stopping: watch::Sender<bool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

/// What keeps a server from starting.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A port that cannot be had.
    #[error("cannot listen on {address}: {source}; {fix}")]
    Listen {
        /// Host and port.
        address: String,
        /// What would help.
        fix: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The folder of the server's own data.
    #[error("cannot use the folder {folder}: {source}; choose another with --data-dir")]
    Data {
        /// The folder.
        folder: String,
        /// What the system says.
        source: std::io::Error,
    },
}

async fn listen(host: &str, port: u16, option: &'static str) -> Result<TcpListener, Error> {
    let listener = TcpListener::bind((host, port)).await;
    listener.map_err(|source| {
        use std::io::ErrorKind as K;
        let fix = match source.kind() {
            K::AddrInUse => format!("another program uses the port: stop it, or choose another port with {option}"),
            K::PermissionDenied => format!("choose a port above 1023 with {option}"),
            _ => "choose an address of this machine with --host".to_owned(),
        };
        Error::Listen { address: format!("{host}:{port}"), fix, source }
    })
}

/// Starts a server. It needs a multi-threaded Tokio runtime.
///
/// # Errors
/// If a port or the data folder cannot be had.
pub async fn start(config: &Config) -> Result<Running, Error> {
    Ok(start_server(config, true).await?.0)
}

/// Starts a server whose sources nobody reads: their events are what is sent to the sender. For tests of what users see of
/// sources that no Kafka can be made to be.
///
/// # Errors
/// As [`start`].
pub async fn start_without_kafka(config: &Config) -> Result<(Running, mpsc::Sender<SourceEvent>), Error> {
    start_server(config, false).await
}

async fn start_server(config: &Config, kafka: bool) -> Result<(Running, mpsc::Sender<SourceEvent>), Error> {
    let pg = listen(&config.host, config.pg_port, "--pg-port").await?;
    let web = listen(&config.host, config.http_port, "--http-port").await?;
    let data = |source| Error::Data { folder: config.data_dir.display().to_string(), source };
    let (coordinator, handle, events) = Coordinator::start(config, kafka).map_err(data)?;
    let (pg_address, http_address) = (pg.local_addr().map_err(data)?, web.local_addr().map_err(data)?);
    let (stopping, stop) = watch::channel(false);
    let web_handle = handle.clone();
    let web_stop = stop.clone();
    let names = http_names::Names::new(&config.host, &config.http_names);
    let tasks = vec![
        tokio::spawn(pgwire::serve(pg, handle.clone(), config.max_connections, stop)),
        tokio::spawn(async move {
            if let Err(error) = http::serve(web, web_handle, names, web_stop).await {
                tracing::error!(%error, "HTTP ended");
            }
        }),
    ];
    Ok((Running { pg_address, http_address, handle, coordinator, stopping, tasks }, events))
}

/// Requests that are open get this long to end.
const GRACE: std::time::Duration = std::time::Duration::from_secs(5);

impl Running {
    /// Returns when the server cannot go on.
    pub async fn failed(&mut self) {
        self.coordinator.ended().await;
    }

    /// Stops accepting, lets open requests end, ends the loop and the threads that read Kafka.
    pub async fn stop(self) {
        self.stopping.send_replace(true);
        let deadline = tokio::time::Instant::now() + GRACE;
        for mut task in self.tasks {
            if tokio::time::timeout_at(deadline, &mut task).await.is_err() {
                tracing::warn!("requests were still open at the end");
                task.abort();
            }
        }
        if tokio::time::timeout(GRACE, self.coordinator.stop()).await.is_err() {
            tracing::warn!("a statement that changes the database still ran at the end; the catalog does not hold it");
        }
    }
}
