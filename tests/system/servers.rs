//! The real servers of one run: started by the scripts of `stack/` on free ports, stopped and wiped at the end.

use std::collections::HashMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use sqlx::mysql::{MySqlPool, MySqlPoolOptions};
use sqlx::{AssertSqlSafe, Row};

use crate::Result;

/// See the module.
pub(crate) struct Servers {
    root: PathBuf,
    folder: PathBuf,
    environment: HashMap<&'static str, String>,
}

const PORTS: [&str; 5] = ["MYSQL_PORT", "KAFKA_PORT", "KAFKA_CONTROLLER_PORT", "CONNECT_PORT", "REGISTRY_PORT"];

impl Servers {
    pub(crate) fn start() -> Result<Self> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
        // Short: MySQL's socket lies in it, and sockets' names may not be long.
        let folder = std::env::temp_dir().join(format!("tidewater-{}", std::process::id()));
        let mut environment = HashMap::from([("TIDEWATER_DATA", folder.display().to_string())]);
        // All at once, so that they differ.
        let listeners = PORTS.map(|_| TcpListener::bind("127.0.0.1:0"));
        for (name, listener) in PORTS.iter().zip(listeners) {
            environment.insert(name, listener?.local_addr()?.port().to_string());
        }
        let servers = Servers { root, folder, environment };
        servers.run("stack/install.sh", &[])?;
        servers.run("stack/up.sh", &[])?;
        servers.run("stack/schema.sh", &[])?;
        servers.run("bash", &["-c", ". stack/lib.sh && mysql_root < tests/system/tables.sql"])?;
        Ok(servers)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<()> {
        let script = self.root.join(program);
        let program = if script.exists() { script } else { PathBuf::from(program) };
        let output = Command::new(&program).args(arguments).envs(&self.environment).current_dir(&self.root).output()?;
        let shown = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        eprint!("{shown}");
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("{} {arguments:?}: {}\n{shown}", program.display(), output.status).into()),
        }
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

    pub(crate) fn kafka(&self) -> String {
        format!("127.0.0.1:{}", self.environment["KAFKA_PORT"])
    }

    pub(crate) fn registry(&self) -> String {
        format!("http://127.0.0.1:{}/apis/ccompat/v7", self.environment["REGISTRY_PORT"])
    }

    pub(crate) fn mysql_url(&self) -> String {
        format!("mysql://shop:shop@127.0.0.1:{}/shop", self.environment["MYSQL_PORT"])
    }

    /// Rows of a query in MySQL, as text.
    pub(crate) async fn query(&self, query: &str) -> Result<Vec<Vec<Option<String>>>> {
        let pool: MySqlPool = MySqlPoolOptions::new().max_connections(1).connect(&self.mysql_url()).await?;
        sqlx::query("SET SESSION group_concat_max_len = 10000000, time_zone = '+00:00'").execute(&pool).await?;
        let found = sqlx::query(AssertSqlSafe(query)).fetch_all(&pool).await?;
        let text = |row: &sqlx::mysql::MySqlRow, column: usize| row.try_get_unchecked::<Option<String>, _>(column);
        let rows = found.iter().map(|row| (0..row.len()).map(|column| text(row, column)).collect());
        let rows: std::result::Result<Vec<Vec<_>>, sqlx::Error> = rows.collect();
        pool.close().await;
        Ok(rows?)
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

    /// Sends one record to Kafka.
    pub(crate) fn produce(&self, topic: &str, value: &[u8]) -> Result<()> {
        let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", self.kafka()).create()?;
        let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).payload(value);
        producer.send(record).map_err(|(error, _)| error)?;
        Ok(producer.flush(Duration::from_secs(10))?)
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        if let Err(error) = self.run("stack/down.sh", &["--wipe"]) {
            eprintln!("{error}");
        }
        // Logs are kept where the run failed; the system clears its temporary folder.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
