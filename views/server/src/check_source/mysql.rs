//! MySQL's side: one snapshot of which it is known what is in it, without a lock.
//!
//! A consistent snapshot does not say its position, and equal positions before and after it prove nothing: InnoDB shows a transaction some time
//! before `@@gtid_executed` names it. But a transaction that writes has its GTID in `@@gtid_owned` from before it can be seen until it
//! is in `@@gtid_executed`. So what is executed *before* the snapshot is in it, and what is in it is owned or executed *after* it, asked for in this
//! order. Where both are the same set, that is the position. It is tried for a while; under traffic that never pauses some transactions
//! stay of which it is open whether they are in it. They were seen in the order of the binlog (`binlog_order_commits`), so the snapshot is one of
//! the states that the source passes between the two sets.

use std::str::FromStr;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use futures::stream::BoxStream;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Row};
use tidewater_delta::Reached;
use tidewater_sql::{Error, Result};

use super::columns::{MysqlColumn, quoted};
use super::compare::Values;
use super::gtids::GtidSet;

/// How long it is tried to take a snapshot between transactions.
const TRIES: Duration = Duration::from_secs(2);

/// A connection, and the URL without what nobody may see.
pub(super) struct Mysql {
    connection: MySqlConnection,
    shown: String,
    in_order: bool,
}

/// What is known of the position of a snapshot.
#[derive(Debug, Clone)]
pub(super) struct Between {
    /// What is in it.
    pub(super) before: GtidSet,
    /// Nothing else is in it.
    pub(super) upto: GtidSet,
}

/// The URL, without user and password.
fn server(url: &str) -> Option<String> {
    let rest = url.strip_prefix("mysql://")?;
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    Some(host.split(['/', '?']).next()?.to_owned())
}

impl Mysql {
    /// # Errors
    /// 22023 for what is no URL, 08001 if the server does not answer, 0A000 for one without GTIDs.
    pub(super) async fn connect(url: &str) -> Result<Self> {
        let wrong = || {
            // The text may hold a password wherever it is wrong.
            Error::new(b"22023", "the address of MySQL is not of the form mysql://user:password@host:port/database")
        };
        let shown = server(url).ok_or_else(wrong)?;
        let options = MySqlConnectOptions::from_str(url).map_err(|_| wrong())?.disable_statement_logging();
        let connection = options.connect().await;
        let connection = connection
            .map_err(|error| Error::new(b"08001", format!("MySQL at {shown} cannot be reached: {}", plain(&error))))?;
        let mut mysql = Mysql { connection, shown, in_order: false };
        mysql
            .run(
                "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ; SET SESSION time_zone = '+00:00', \
                 net_write_timeout = 3600, max_execution_time = 0",
            )
            .await?;
        let settings = mysql.rows("SELECT @@gtid_mode, CAST(@@binlog_order_commits AS CHAR)").await;
        match settings.as_deref() {
            Ok([row]) if text(row, 0)? == "ON" => mysql.in_order = text(row, 1)? == "1",
            Err(error) if error.sqlstate == *b"08006" => return Err(error.clone()),
            // MariaDB has no such variable.
            _ => {
                let message =
                    format!("CHECK SOURCE against a server without MySQL's GTIDs is not supported: {}", mysql.shown);
                return Err(Error::new(b"0A000", message).hint("it needs gtid_mode = ON"));
            }
        }
        Ok(mysql)
    }

    fn told(&self, error: &sqlx::Error) -> Error {
        let state = match error {
            sqlx::Error::Database(of) => match of.try_downcast_ref::<MySqlDatabaseError>().map(|of| of.number()) {
                Some(1_142 | 1_143 | 1_044 | 1_227) => b"42501",
                _ => b"58030",
            },
            _ => b"08006",
        };
        Error::new(state, format!("MySQL at {}: {}", self.shown, plain(error)))
    }

    async fn run(&mut self, statements: &str) -> Result<()> {
        let done = sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut self.connection).await;
        done.map(drop).map_err(|error| self.told(&error))
    }

    async fn rows(&mut self, statements: &str) -> Result<Vec<MySqlRow>> {
        let found = sqlx::raw_sql(AssertSqlSafe(statements)).fetch_all(&mut self.connection).await;
        found.map_err(|error| self.told(&error))
    }

    /// The columns of a table.
    ///
    /// # Errors
    /// 42P01 if there is none that this user may read.
    pub(super) async fn columns(&mut self, database: &str, table: &str) -> Result<Vec<MysqlColumn>> {
        let literal = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
        let query = format!(
            "SELECT column_name, data_type, CAST(column_type AS CHAR) FROM information_schema.columns \
             WHERE table_schema = {} AND table_name = {} ORDER BY ordinal_position",
            literal(database),
            literal(table)
        );
        let rows = self.rows(&query).await?;
        if rows.is_empty() {
            let message = format!("MySQL at {} has no table {database}.{table} that this user may read", self.shown);
            return Err(
                Error::new(b"42P01", message).hint("CHECK SOURCE … AGAINST MYSQL … TABLE database.table names another")
            );
        }
        let column = |row: &MySqlRow| {
            Ok(MysqlColumn { name: text(row, 0)?, data_type: text(row, 1)?.to_lowercase(), column_type: text(row, 2)? })
        };
        rows.iter().map(column).collect()
    }

    /// Begins a snapshot that is not before what was reached here.
    ///
    /// # Errors
    /// 55000 if that is no state of this server, or if the snapshot's place stays open.
    pub(super) async fn begin(&mut self, reached: &Reached) -> Result<Between> {
        let begun = Instant::now();
        loop {
            let between = self.snapshot().await?;
            let is_over = begun.elapsed() > TRIES;
            if !between.before.holds(reached) {
                if is_over {
                    let message = format!("the source shows {reached}, which MySQL at {} has not executed", self.shown);
                    return Err(Error::new(b"55000", message)
                        .hint("is it the server that Debezium reads, or a replica that is behind?"));
                }
            } else if between.before == between.upto || is_over && self.in_order {
                return Ok(between);
            } else if is_over {
                let message =
                    format!("MySQL at {} was never between two transactions for {} s", self.shown, TRIES.as_secs());
                return Err(Error::new(b"55000", message).hint("with binlog_order_commits = ON it needs not be"));
            }
        }
    }

    async fn snapshot(&mut self) -> Result<Between> {
        let rows = self
            .rows(
                "ROLLBACK; SET @before = @@GLOBAL.gtid_executed; START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY; \
                 SET @owned = @@GLOBAL.gtid_owned; SET @after = @@GLOBAL.gtid_executed; SELECT @before, @owned, @after",
            )
            .await?;
        let sets = rows.first().map(|row| (0..3).map(|at| text(row, at)).collect::<Result<Vec<_>>>()).transpose()?;
        let sets = sets.unwrap_or_default().iter().map(|text| GtidSet::parse(text)).collect::<Option<Vec<_>>>();
        let Some([before, owned, after]) = sets.and_then(|sets| <[GtidSet; 3]>::try_from(sets).ok()) else {
            return Err(Error::new(b"58030", format!("the GTIDs of MySQL at {} cannot be read", self.shown)));
        };
        if before.is_empty() {
            return Err(Error::new(b"55000", format!("MySQL at {} has executed no transaction", self.shown)));
        }
        Ok(Between { before, upto: after.union(&owned) })
    }

    /// The rows of a table in the snapshot, as they come.
    pub(super) fn stream<'a>(
        &'a mut self,
        database: &str,
        table: &str,
        expressions: &[&str],
    ) -> BoxStream<'a, Result<Values>> {
        let columns = if expressions.is_empty() { "1".to_owned() } else { expressions.join(", ") };
        let query = format!("SELECT {columns} FROM {}.{}", quoted(database), quoted(table));
        let shown = self.shown.clone();
        let found = sqlx::raw_sql(AssertSqlSafe(query)).fetch(&mut self.connection);
        let failed = move |error: sqlx::Error| {
            let number =
                |of: &sqlx::Error| Some(of.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>()?.number());
            let (state, hint) = match number(&error) {
                Some(1_142 | 1_143 | 1_044 | 1_227) => (b"42501", "the user needs SELECT on the table"),
                Some(1_412) => (b"40001", "the table was altered meanwhile: check again"),
                Some(_) => (b"58030", "check again"),
                None => (b"08006", "the connection ended while the table was read: check again"),
            };
            Error::new(state, format!("MySQL at {shown}: {}", plain(&error))).hint(hint)
        };
        let count = expressions.len();
        let values = move |row: MySqlRow| {
            let value = |at| row.try_get_unchecked::<Option<&[u8]>, _>(at).map(|value| value.map(<[u8]>::to_vec));
            (0..count).map(value).collect::<std::result::Result<Vec<_>, _>>()
        };
        Box::pin(found.and_then(move |row| std::future::ready(values(row))).map_err(failed))
    }
}

fn text(row: &MySqlRow, at: usize) -> Result<String> {
    let value = row.try_get_unchecked::<Option<String>, _>(at);
    value.map(Option::unwrap_or_default).map_err(|error| Error::new(b"58030", format!("MySQL's answer: {error}")))
}

/// What a client of MySQL is told, without the words of the library around it.
fn plain(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(of) => of.message().to_owned(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_shown_without_its_password() {
        let shown = |url: &str| server(url).unwrap_or_default();
        assert_eq!(shown("mysql://shop:p@ss@127.0.0.1:3306/shop?a=b"), "127.0.0.1:3306");
        assert_eq!(shown("mysql://host"), "host");
        assert_eq!(server("postgres://u:p@host/"), None);
    }

    #[tokio::test]
    async fn an_error_does_not_tell_the_url() {
        for url in ["mysql://me:geheim@host:port/shop", "geheim", "mysql://me:geheim@127.0.0.1:1/shop"] {
            let error = Mysql::connect(url).await.err().expect("an error");
            assert!(!format!("{error:?}").contains("geheim"), "{error:?}");
        }
    }
}
