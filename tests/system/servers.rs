//! The real servers of one run: started by the scripts of `stack/` on free ports, killed and started again one by one, and
//! stopped and wiped at the end.

use std::collections::HashMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use sqlx::mysql::{MySqlPool, MySqlPoolOptions};
use sqlx::{AssertSqlSafe, Row};

use crate::Result;

/// See the module.
pub(crate) struct Servers {
    root: PathBuf,
    folder: PathBuf,
    environment: Mutex<HashMap<&'static str, String>>,
    next_server_id: AtomicU32,
    keep: AtomicBool,
}

const PORTS: [&str; 7] = [
    "MYSQL_PORT",
    "KAFKA_PORT",
    "KAFKA_CONTROLLER_PORT",
    "KAFKA_SSL_PORT",
    "CONNECT_PORT",
    "REGISTRY_PORT",
    "REGISTRY_SSL_PORT",
];

/// What the tests need of the broker beyond the stack's own settings: the log cleaner looks more often than every 15 s.
const KAFKA_EXTRA: &str = "log.cleaner.backoff.ms=500\nlog.retention.check.interval.ms=1000\nlog.cleaner.threads=1";

impl Servers {
    pub(crate) fn start() -> Result<Self> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
        // Short: MySQL's socket lies in it, and sockets' names may not be long.
        let folder = std::env::temp_dir().join(format!("tidewater-{}", std::process::id()));
        let mut environment =
            HashMap::from([("TIDEWATER_DATA", folder.display().to_string()), ("KAFKA_EXTRA", KAFKA_EXTRA.to_owned())]);
        for (name, port) in PORTS.iter().zip(free_ports::<{ PORTS.len() }>()?) {
            environment.insert(name, port.to_string());
        }
        let servers = Servers {
            root,
            folder,
            environment: Mutex::new(environment),
            next_server_id: AtomicU32::new(184_200),
            keep: AtomicBool::new(false),
        };
        servers.run("stack/install.sh", &[])?;
        servers.run("stack/up.sh", &[])?;
        servers.run("stack/schema.sh", &[])?;
        servers.run("bash", &["-c", ". stack/lib.sh && mysql_root < tests/system/tables.sql"])?;
        Ok(servers)
    }

    /// Runs a script of the project and shows what it said.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Result<()> {
        let script = self.root.join(program);
        let program = if script.exists() { script } else { PathBuf::from(program) };
        let environment = self.environment.lock().expect("no panic").clone();
        let output = Command::new(&program).args(arguments).envs(&environment).current_dir(&self.root).output()?;
        let shown = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        eprint!("{shown}");
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("{} {arguments:?}: {}\n{shown}", program.display(), output.status).into()),
        }
    }

    /// A setting of `stack/` from now on: a server takes it when it is started again.
    pub(crate) fn set(&self, name: &'static str, value: &str) {
        self.environment.lock().expect("no panic").insert(name, value.to_owned());
    }

    /// Ends servers as a power cut would: SIGKILL, at once.
    pub(crate) fn kill(&self, parts: &[&str]) -> Result<()> {
        self.run("stack/down.sh", &[&["--kill"], parts].concat())
    }

    /// Starts servers and returns when they answer.
    pub(crate) fn up(&self, parts: &[&str]) -> Result<()> {
        self.run("stack/up.sh", parts)
    }

    pub(crate) fn register(&self, connector: &str) -> Result<()> {
        self.run("connectors/register.sh", &[connector])
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps the logs when all is over.
    pub(crate) fn keep_logs(&self) {
        self.keep.store(true, Ordering::Relaxed);
    }

    /// Each connector reads the binlog as a replica of its own.
    pub(crate) fn server_id(&self) -> u32 {
        self.next_server_id.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn port(&self, name: &str) -> u16 {
        self.environment.lock().expect("no panic")[name].parse().expect("a port was put there")
    }

    pub(crate) fn kafka(&self) -> String {
        format!("127.0.0.1:{}", self.port("KAFKA_PORT"))
    }

    pub(crate) fn registry_root(&self) -> String {
        format!("http://127.0.0.1:{}", self.port("REGISTRY_PORT"))
    }

    pub(crate) fn registry(&self) -> String {
        format!("{}/apis/ccompat/v7", self.registry_root())
    }

    pub(crate) fn mysql_url(&self) -> String {
        format!("mysql://shop:shop@127.0.0.1:{}/shop", self.port("MYSQL_PORT"))
    }

    /// Of the user who may do everything.
    pub(crate) fn mysql_admin_url(&self) -> String {
        format!("mysql://test:test@127.0.0.1:{}/mysql", self.port("MYSQL_PORT"))
    }

    /// Rows of a query in the shop's database, as text.
    pub(crate) async fn query(&self, query: &str) -> Result<Vec<Vec<Option<String>>>> {
        let pool: MySqlPool = MySqlPoolOptions::new().max_connections(1).connect(&self.mysql_url()).await?;
        sqlx::query("SET SESSION group_concat_max_len = 10000000, time_zone = '+00:00'").execute(&pool).await?;
        let rows = mysql_rows(&pool, query).await;
        pool.close().await;
        rows
    }

    /// What `order_summary` must hold, without the columns that come from Kafka alone.
    pub(crate) async fn summary(&self) -> Result<Vec<Vec<Option<String>>>> {
        self.query(
            "SELECT CAST(o.id AS CHAR), CAST(o.total AS CHAR), \
             TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM DATE_FORMAT(o.order_date, '%Y-%m-%d %H:%i:%s.%f'))), \
             CAST(u.id AS CHAR), u.phone, \
             CONCAT(a.street, ', ', a.city, ', ', a.state, ', ', a.postal_code, ', ', a.country), \
             (SELECT GROUP_CONCAT(CONCAT(i.product_name, ' (Qty: ', i.quantity, ', Price: ', i.price, ', Total: ', \
                i.quantity * i.price, ')') ORDER BY i.id SEPARATOR ', ') FROM order_items i WHERE i.order_id = o.id) \
             FROM orders o JOIN users u ON u.id = o.user_id LEFT JOIN addresses a ON a.id = o.address_id ORDER BY o.id",
        )
        .await
    }
}

/// Rows of a query whose columns are all text.
pub(crate) async fn mysql_rows(pool: &MySqlPool, query: &str) -> Result<Vec<Vec<Option<String>>>> {
    let found = sqlx::query(AssertSqlSafe(query)).fetch_all(pool).await.map_err(|error| format!("{query}: {error}"))?;
    let text = |row: &sqlx::mysql::MySqlRow, column: usize| row.try_get_unchecked::<Option<String>, _>(column);
    let rows = found.iter().map(|row| (0..row.len()).map(|column| text(row, column)).collect());
    let rows: Result<Vec<Vec<_>>, sqlx::Error> = rows.collect();
    Ok(rows?)
}

/// All at once, so that they differ.
pub(crate) fn free_ports<const N: usize>() -> Result<Vec<u16>> {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0"));
    listeners.into_iter().map(|listener| Ok(listener?.local_addr()?.port())).collect()
}

impl Drop for Servers {
    fn drop(&mut self) {
        let keep = self.keep.load(Ordering::Relaxed);
        if let Err(error) = self.run("stack/down.sh", if keep { &[] } else { &["--wipe"] }) {
            eprintln!("{error}");
        }
        match keep {
            true => {
                let _ = std::fs::remove_dir_all(self.folder.join("data"));
                eprintln!("logs are kept in {}/logs", self.folder.display());
            }
            false => drop(std::fs::remove_dir_all(&self.folder)),
        }
    }
}
