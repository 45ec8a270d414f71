//! `CHECK SOURCE` under traffic that never pauses: no difference where there is none, and exactly those rows that were changed while the binlog
//! was off.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sqlx::AssertSqlSafe;
use sqlx::mysql::MySqlPoolOptions;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::Result;
use crate::servers::mysql_rows;
use crate::sql::{describe, rows, wait_until};
use crate::stage::{Pair, Stage};

/// Sessions that write at the same time: their transactions are under way whenever a snapshot begins.
const WRITERS: u64 = 3;
/// Between two transactions of a session.
const PACE: Duration = Duration::from_millis(15);
/// How often each source is checked.
const CHECKS: usize = 20;

const KINDS: &str = "CREATE TABLE kinds (id BIGINT PRIMARY KEY, ti TINYINT, tu TINYINT UNSIGNED, flag TINYINT(1), si SMALLINT, \
     mi MEDIUMINT, i INT UNSIGNED, d DECIMAL(20,6), f FLOAT, r DOUBLE, b1 BIT(1), b9 BIT(9), c CHAR(5), v VARCHAR(40) CHARACTER SET latin1, \
     t TEXT, bi BINARY(4), vb VARBINARY(20), bl BLOB, da DATE, dt DATETIME, dt3 DATETIME(3), dt6 DATETIME(6), ts TIMESTAMP(6) NULL, \
     tm TIME(6), y YEAR, j JSON, e ENUM('a','b'), s SET('x','y','z'))";

/// Values for all columns but the key, made of a number.
fn kinds(n: u64) -> String {
    format!(
        "ti = {n} % 100 - 50, tu = {n} % 256, flag = {n} % 2, si = {n} % 1000 - 500, mi = -{n} % 8000000, i = 4000000000 + {n} % 1000, \
         d = {n} / 7 - 50, f = {n} / 7e0, r = {n} / 7e0, b1 = {n} % 2, b9 = {n} % 512, c = CONCAT('é', {n} % 100), v = CONCAT('ü', {n}), \
         t = IF({n} % 5 = 0, NULL, REPEAT('text ', {n} % 50)), bi = UNHEX('00FF0A01'), vb = UNHEX(LEFT(SHA2({n}, 256), 40)), bl = UNHEX(SHA2({n}, 256)), \
         da = DATE_ADD('2000-01-01', INTERVAL {n} % 9000 DAY), dt = DATE_ADD('2001-02-03 04:05:06', INTERVAL {n} SECOND), \
         dt3 = DATE_ADD('2001-02-03 04:05:06', INTERVAL {n} * 1000 MICROSECOND), dt6 = DATE_ADD('1999-12-31', INTERVAL {n} MICROSECOND), \
         ts = DATE_ADD('2001-02-03 04:05:06', INTERVAL {n} MICROSECOND), tm = DATE_ADD(TIME('-10:00:00.5'), INTERVAL {n} SECOND), \
         y = 1950 + {n} % 100, j = JSON_OBJECT('zz', {n}, 'a', {n} / 4e0, 'list', JSON_ARRAY(1, 'é', NULL, true)), \
         e = IF({n} % 2, 'a', 'b'), s = IF({n} % 3, 'x,z', '')"
    )
}

pub(super) async fn run(stage: &Stage) -> Result<()> {
    set_up(stage).await?;
    let (stop, written) = (AtomicBool::new(false), AtomicU64::new(0));
    let traffic = futures::future::try_join_all((0..WRITERS).map(|writer| traffic(stage, writer, &stop, &written)));
    let (traffic, checked) = tokio::join!(traffic, async {
        let checked = checks(stage, &written).await;
        stop.store(true, Ordering::Relaxed);
        checked
    });
    traffic?;
    checked
}

async fn set_up(stage: &Stage) -> Result<()> {
    stage
        .sql(&format!(
            "CREATE TABLE kv (id BIGINT PRIMARY KEY, v BIGINT NOT NULL, note VARCHAR(40)); CREATE TABLE loose (id BIGINT, v BIGINT); \
             {KINDS}; INSERT INTO kinds SET id = 1, {}; INSERT INTO kinds (id) VALUES (900); \
             INSERT INTO kv SELECT n, n, 'old' FROM (WITH RECURSIVE s AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 900) \
             SELECT n FROM s) s; INSERT INTO loose SELECT id % 50, 1 FROM kv",
            kinds(3)
        ))
        .await?;
    stage.connector("shop", "checked", &[]).await?;
    stage.connector("shop-json", "checkedj", &[]).await?;
    for table in ["kv", "loose", "kinds"] {
        stage.avro(table, &format!("checked.checked.{table}"), "").await?;
    }
    stage.avro("single", "checked.checked.kv", ", TRANSACTION TOPIC 'none'").await?;
    let columns = "id bigint, v bigint, note text, PRIMARY KEY (id) NOT ENFORCED";
    stage.json("json", columns, "checkedj.checked.kv", "").await?;
    let pair = |source, table, columns| Pair { source, table, columns };
    stage
        .judge(&[pair("kv", "kv", "id, v, note"), pair("loose", "loose", "id, v"), pair("json", "kv", "id, v, note")])
        .await
}

/// Transactions over all tables, one behind another, on rows below 900 only.
async fn traffic(stage: &Stage, writer: u64, stop: &AtomicBool, written: &AtomicU64) -> Result<()> {
    let url = format!("{}?ssl-mode=disabled", stage.servers.mysql_admin_url().replace("/mysql", "/checked"));
    let pool = MySqlPoolOptions::new().max_connections(1).connect(&url).await?;
    let mut number = writer;
    // No faster than Debezium reads on a machine that does much else.
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !stop.load(Ordering::Relaxed) {
        pace.tick().await;
        number += WRITERS;
        // Writers have keys of their own, so that they do not wait for each other.
        let (id, n) = (number / WRITERS % 250 * WRITERS + writer + 1, number);
        let change = match number / WRITERS % 4 {
            0 => format!("INSERT INTO loose VALUES ({id}, {n} % 3); INSERT INTO loose VALUES ({id}, {n} % 3)"),
            1 => format!("REPLACE INTO kinds SET id = {id}, {}", kinds(n)),
            2 => format!("DELETE FROM kv WHERE id = {id}; INSERT INTO kv VALUES ({id}, {n}, 'new')"),
            _ => format!("UPDATE kv SET v = v + 1 WHERE id = {id}; UPDATE kv SET note = NULL WHERE id = {id}"),
        };
        match sqlx::raw_sql(AssertSqlSafe(format!("BEGIN; {change}; COMMIT"))).execute(&pool).await {
            Ok(_) => drop(written.fetch_add(1, Ordering::Relaxed)),
            // REPLACE locks the gaps beside its rows; MySQL has rolled it back.
            Err(error) if error.to_string().contains("Deadlock") => {}
            Err(error) => return Err(format!("{change}: {error}").into()),
        }
    }
    pool.close().await;
    Ok(())
}

async fn checks(stage: &Stage, written: &AtomicU64) -> Result<()> {
    let client = stage.client().await?;
    client.batch_execute("SET statement_timeout = '60s'").await?;
    let url = stage.servers.mysql_admin_url();
    let before = written.load(Ordering::Relaxed);
    for number in 0..CHECKS {
        for (source, table) in [("kv", ""), ("loose", ""), ("json", " TABLE checked.kv"), ("kinds", "")] {
            let check = format!("CHECK SOURCE {source} AGAINST MYSQL '{url}'{table}");
            let found = rows(&client, &check).await.map_err(|error| format!("check {number} of {source}: {error}"))?;
            let [row] = found.as_slice() else { return Err(format!("{check}: {found:?}").into()) };
            if row[4].is_some() || row[3].as_deref() == Some("0") {
                return Err(format!("{check}: {row:?}").into());
            }
        }
    }
    client.batch_execute(&format!("CREATE SECRET mysql AS '{url}'")).await?;
    let all = rows(&client, "CHECK SOURCES AGAINST MYSQL SECRET mysql").await?;
    let written = written.load(Ordering::Relaxed) - before;
    eprintln!("checked: {written} transactions during {CHECKS} checks of each source");
    if all.len() != 4 || written < 300 {
        return Err(format!("{} sources, {written} transactions", all.len()).into());
    }
    differences(stage, &client, &url).await?;
    refusals(stage, &client, &url).await?;
    interrupted(stage, &client, &url).await
}

/// What the binlog does not tell is found, and nothing else.
async fn differences(stage: &Stage, client: &Client, url: &str) -> Result<()> {
    stage
        .sql(
            "SET SESSION sql_log_bin = 0; UPDATE kv SET note = 'forged' WHERE id = 850; DELETE FROM kv WHERE id = 851; \
             INSERT INTO kv VALUES (5000, 7, 'new'); INSERT INTO loose VALUES (7777, 1), (7777, 1); \
             UPDATE kinds SET d = 0.25 WHERE id = 900; SET SESSION sql_log_bin = 1",
        )
        .await?;
    let of_kv = [
        "3 rows differ: 1 have other values, 1 are missing here, 1 are not in MySQL",
        "id = 850: note is forged in MySQL and old here",
        "id = 851: not in MySQL; here it is (851, 851, old)",
        "id = 5000: not here; MySQL has (5000, 7, new)",
    ];
    let of_loose = ["2 rows of MySQL are not here, 0 rows here are not in MySQL", "2 more in MySQL of (7777, 1)"];
    let lines = |told: &str| told.matches("id = ").count() + told.matches(" more ").count();
    for (source, expected) in [("kv", &of_kv[..]), ("json", &of_kv), ("loose", &of_loose)] {
        let told = refused(
            client,
            &format!(
                "CHECK SOURCE {source} AGAINST MYSQL '{url}' TABLE checked.{}",
                if source == "loose" { "loose" } else { "kv" }
            ),
        )
        .await?;
        let all = expected.iter().all(|part| told.contains(part)) && lines(&told) == expected.len() - 1;
        if !told.starts_with("XX001") || !all {
            return Err(format!("{source}: {told}").into());
        }
    }
    let told = refused(client, &format!("CHECK SOURCES AGAINST MYSQL '{url}'")).await?;
    match told.contains("id = 900: d is 0.25 in MySQL and NULL here") && told.contains("source \"json\"") {
        true => Ok(()),
        false => Err(told.into()),
    }
}

/// What cannot be done says why, and nobody is told the password.
async fn refusals(stage: &Stage, client: &Client, url: &str) -> Result<()> {
    stage.sql("CREATE USER stranger IDENTIFIED BY 'hush'; GRANT SELECT (id) ON checked.kv TO stranger").await?;
    let port = stage.servers.port("MYSQL_PORT");
    for (rest, code) in [
        ("'nonsense hush'".to_owned(), "22023"),
        ("'mysql://test:hush@127.0.0.1:1/shop'".to_owned(), "08001"),
        (format!("'mysql://test:hush@127.0.0.1:{port}/shop'"), "08001"),
        (format!("'{url}' TABLE checked.nothing"), "42P01"),
        (format!("'{url}' TABLE nothing"), "42602"),
        ("SECRET nobody".to_owned(), "42704"),
        (format!("'mysql://stranger:hush@127.0.0.1:{port}/checked' TABLE checked.loose"), "42P01"),
    ] {
        let told = refused(client, &format!("CHECK SOURCE kv AGAINST MYSQL {rest}")).await?;
        if !told.starts_with(code) || told.contains("hush") {
            return Err(format!("{rest}: {told}").into());
        }
    }
    let told = refused(client, &format!("CHECK SOURCE single AGAINST MYSQL '{url}'")).await?;
    if !told.starts_with("0A000") {
        return Err(told.into());
    }
    let activity = "SELECT query FROM pg_stat_activity WHERE query LIKE 'CHECK SOURCE%'";
    let watcher = stage.client().await?;
    let shown = rows(&watcher, activity).await?;
    let is_hidden = shown.iter().flatten().flatten().all(|text| text.contains("****") && !text.contains("hush"));
    match is_hidden && !shown.is_empty() {
        true => Ok(()),
        false => Err(format!("pg_stat_activity: {shown:?}").into()),
    }
}

/// A check whose connection MySQL ends, and one that is cancelled, end at once, and nothing of them stays in MySQL.
async fn interrupted(stage: &Stage, client: &Client, url: &str) -> Result<()> {
    let lock = MySqlPoolOptions::new().max_connections(1).connect(url).await?;
    sqlx::raw_sql("LOCK TABLES checked.kv WRITE").execute(&lock).await?;
    let check = format!("CHECK SOURCE kv AGAINST MYSQL '{url}'");
    let kill = async {
        let id = waiting_check(stage).await?;
        stage.sql(&format!("KILL {id}")).await
    };
    let (told, killed) = tokio::join!(refused(client, &check), kill);
    killed?;
    let told = told?;
    if !["08006", "58030"].iter().any(|code| told.starts_with(code)) {
        return Err(format!("MySQL ended the connection: {told}").into());
    }
    let cancel = async {
        waiting_check(stage).await?;
        client.cancel_token().cancel_query(tokio_postgres::NoTls).await?;
        Result::Ok(())
    };
    let (told, cancelled): (_, Result<()>) = tokio::join!(refused(client, &check), cancel);
    cancelled?;
    let told = told?;
    if !told.starts_with("57014") {
        return Err(format!("a check that was cancelled: {told}").into());
    }
    // A connection that waits for a lock MySQL looks at again when it has it.
    lock.close().await;
    wait_until(async || Ok(mysql_rows(&stage.mysql, READING).await?.is_empty()))
        .await
        .map_err(|error| format!("a check that was cancelled still reads: {error}").into())
}

/// Connections of checks that read a table.
const READING: &str = "SELECT CAST(id AS CHAR) FROM information_schema.processlist \
     WHERE id <> CONNECTION_ID() AND info LIKE 'SELECT%FROM `checked`.`kv`%'";

/// The connection of a check, once it reads a table, which another has locked.
async fn waiting_check(stage: &Stage) -> Result<String> {
    let mut found = Vec::new();
    wait_until(async || {
        found = mysql_rows(&stage.mysql, READING).await?;
        Ok(!found.is_empty())
    })
    .await
    .map_err(|error| format!("no check reads the table: {error}"))?;
    Ok(found.into_iter().flatten().flatten().next().unwrap_or_default())
}

/// The error of a statement.
async fn refused(client: &Client, statement: &str) -> Result<String> {
    match client.simple_query(statement).await {
        Err(error) => Ok(describe(&error)),
        Ok(messages) => {
            let rows = messages.iter().filter(|message| matches!(message, SimpleQueryMessage::Row(_))).count();
            Err(format!("{statement}: no error but {rows} rows").into())
        }
    }
}
