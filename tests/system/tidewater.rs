//! Tidewater as a process of its own, which can be killed: this test program, started again with [`ARGUMENT`], is
//! `tidewater serve` without its command line.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tokio_postgres::Client;

use crate::servers::free_ports;
use crate::sql::{connect, wait_until};
use crate::{Result, http};

/// Followed by the data folder and the two ports.
pub(crate) const ARGUMENT: &str = "serve-tidewater";

/// See the module.
pub(crate) struct Tidewater {
    data_dir: PathBuf,
    log: PathBuf,
    pg_port: u16,
    http_port: u16,
    process: Option<Child>,
}

impl Tidewater {
    /// Starts one whose data folder and log are named after `name`; returns when it takes connections.
    pub(crate) async fn start(folder: &Path, name: &str) -> Result<Self> {
        let ports = free_ports::<2>()?;
        let (data_dir, log) = (folder.join("tw").join(name), folder.join("logs").join(format!("tidewater-{name}.log")));
        let mut tidewater = Tidewater { data_dir, log, pg_port: ports[0], http_port: ports[1], process: None };
        tidewater.up()?;
        tidewater.client().await?;
        Ok(tidewater)
    }

    /// Starts the process; it need not answer yet.
    pub(crate) fn up(&mut self) -> Result<()> {
        std::fs::create_dir_all(&self.data_dir)?;
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args([ARGUMENT, &self.data_dir.display().to_string()]);
        command.args([self.pg_port.to_string(), self.http_port.to_string()]);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.process = Some(command.spawn()?);
        Ok(())
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill()?;
            process.wait()?;
        }
        Ok(())
    }

    /// A connection, as soon as it takes any.
    pub(crate) async fn client(&self) -> Result<Client> {
        let mut client = None;
        wait_until(async || {
            client = connect(self.pg_port).await.ok();
            Ok(client.is_some())
        })
        .await
        .map_err(|error| format!("tidewater takes no connections: {error}; see {}", self.log.display()))?;
        client.ok_or_else(|| "no connection".into())
    }

    /// Whether `/ready` says so.
    pub(crate) async fn ready(&self) -> bool {
        http::request(self.http_port, "GET", "/ready", "").await.is_ok_and(|(status, _)| status == 200)
    }

    pub(crate) fn pg_port(&self) -> u16 {
        self.pg_port
    }

    pub(crate) fn http_port(&self) -> u16 {
        self.http_port
    }
}

impl Drop for Tidewater {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("tidewater could not be ended: {error}");
        }
    }
}

/// What the process does. Returns when it is to end.
pub(crate) fn serve(arguments: &[String]) -> Result<()> {
    let [data_dir, pg_port, http_port] = arguments else { return Err("a data folder and two ports are needed".into()) };
    let config = tidewater::config::Config {
        host: "127.0.0.1".into(),
        pg_port: pg_port.parse()?,
        http_port: http_port.parse()?,
        http_names: Vec::new(),
        max_connections: tidewater::config::MAX_CONNECTIONS,
        query_memory_mib: tidewater::config::QUERY_MEMORY_MIB,
        subscribe_memory_mib: tidewater::config::SUBSCRIBE_MEMORY_MIB,
        // Whatever is killed goes on from a moment that is little older.
        checkpoint_seconds: 1,
        dead_letters: 1_000,
        data_dir: data_dir.into(),
    };
    tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr).init();
    tokio::runtime::Runtime::new()?.block_on(async {
        let mut running = tidewater::start(&config).await?;
        running.failed().await;
        Err("the coordinator ended by a bug".into())
    })
}
