//! Sinks under traffic while Tidewater and Kafka are killed. Money moves between accounts, so whatever transaction of a topic is the
//! last that a reader of what is committed has seen, the sum is the same. Records tell what their keys had before, so nothing is there
//! twice and nothing is missing. At the end every topic folded by key is what MySQL holds.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::Result;
use crate::kafka::{self, Record};
use crate::shop_traffic::Random;
use crate::sql::{Rows, equal, rows, wait_for};
use crate::stage::{PULSE, Pair, Stage};

const ACCOUNTS: i64 = 40;
const BALANCE: i64 = 1_000;
/// Transactions of MySQL between kills.
const CALM: u64 = 1_000;
/// How long a topic may take to hold what MySQL does.
const CATCH_UP: Duration = Duration::from_secs(120);

pub(super) async fn run(stage: &Stage) -> Result<()> {
    set_up(stage).await?;
    let (stop, moved) = (AtomicBool::new(false), AtomicU64::new(0));
    let (traffic, killed) = tokio::join!(traffic(stage, &stop, &moved), async {
        let killed = kill(stage, &moved).await;
        stop.store(true, Ordering::Relaxed);
        killed
    });
    traffic?;
    killed?;
    ends(stage).await?;
    let transfers = transfers(stage)?;
    let envelopes = envelopes(stage)?;
    let moved = moved.load(Ordering::Relaxed);
    eprintln!("sinks: {moved} transactions of MySQL, {transfers} of Kafka, {envelopes} records with before and after");
    match moved > 100 && transfers > 10 && envelopes > 100 {
        true => Ok(()),
        false => Err("too little came to pass to prove anything".into()),
    }
}

async fn set_up(stage: &Stage) -> Result<()> {
    let accounts: Vec<String> = (0..ACCOUNTS).map(|id| format!("({id}, {BALANCE})")).collect();
    let tables = format!(
        "{PULSE}; CREATE TABLE accounts (id BIGINT PRIMARY KEY, balance BIGINT NOT NULL); \
         CREATE TABLE orders (id BIGINT PRIMARY KEY, total DECIMAL(12,2) NOT NULL, note VARCHAR(40)); \
         CREATE TABLE items (id BIGINT PRIMARY KEY AUTO_INCREMENT, order_id BIGINT NOT NULL, amount DECIMAL(12,2) NOT NULL); \
         INSERT INTO accounts VALUES {}; INSERT INTO orders VALUES (0, 7.50, NULL); INSERT INTO items VALUES (1, 0, 7.50)",
        accounts.join(", ")
    );
    stage.sql(&tables).await?;
    stage.connector("shop", "sinks", &[]).await?;
    for table in ["accounts", "orders", "items"] {
        stage.avro(table, &format!("sinks.sinks.{table}"), "").await?;
    }
    let client = stage.client().await?;
    for statement in [
        "CREATE MATERIALIZED VIEW checked AS SELECT o.id, o.total, o.note, sum(i.amount) AS items \
         FROM orders o JOIN items i ON i.order_id = o.id GROUP BY o.id, o.total, o.note",
        "CREATE SINK accounts_out FROM accounts INTO KAFKA CONNECTION kafka (TOPIC 'out.accounts', \
         TOPIC PARTITION COUNT 1, TOPIC REPLICATION FACTOR 1) KEY (id) FORMAT JSON ENVELOPE UPSERT",
        "CREATE SINK checked_out FROM checked INTO KAFKA CONNECTION kafka (TOPIC 'out.checked', TOPIC PARTITION COUNT 3) \
         KEY (id) NOT ENFORCED FORMAT JSON ENVELOPE DEBEZIUM",
        "CREATE SINK orders_out FROM orders INTO KAFKA CONNECTION kafka (TOPIC 'out.orders') \
         FORMAT AVRO USING CONFLUENT SCHEMA REGISTRY CONNECTION registry ENVELOPE UPSERT",
    ] {
        client
            .batch_execute(statement)
            .await
            .map_err(|error| format!("{statement}: {}", crate::sql::describe(&error)))?;
    }
    // Whoever points a sink at others' records by mistake would have them deleted.
    let mistake = "CREATE SINK mistake FROM orders INTO KAFKA CONNECTION kafka (TOPIC 'sinks.sinks.items') \
                   FORMAT JSON ENVELOPE UPSERT";
    match client.batch_execute(mistake).await {
        Err(error) if crate::sql::describe(&error).contains("REUSE TOPIC") => Ok(()),
        other => Err(format!("a sink into a connector's topic: {other:?}").into()),
    }
}

/// Transfers between accounts, and orders with their items, each a transaction.
async fn traffic(stage: &Stage, stop: &AtomicBool, moved: &AtomicU64) -> Result<()> {
    let mut random = Random(4_711);
    let mut next = 1;
    while !stop.load(Ordering::Relaxed) {
        let (from, to, amount) = (random.below(ACCOUNTS), random.below(ACCOUNTS), random.below(90) + 1);
        let order = random.below(next);
        let statements = match random.below(6) {
            0..=2 => format!(
                "UPDATE accounts SET balance = balance - {amount} WHERE id = {from}; \
                 UPDATE accounts SET balance = balance + {amount} WHERE id = {to}"
            ),
            3 => {
                next += 1;
                format!(
                    "INSERT INTO orders VALUES ({}, {amount}.25, 'order é {amount}'); \
                     INSERT INTO items (order_id, amount) VALUES ({}, {amount}), ({}, 0.25)",
                    next - 1,
                    next - 1,
                    next - 1
                )
            }
            4 => format!(
                "UPDATE orders SET total = total + {amount} WHERE id = {order}; \
                 INSERT INTO items (order_id, amount) SELECT id, {amount} FROM orders WHERE id = {order}"
            ),
            _ => format!("DELETE FROM items WHERE order_id = {order}; DELETE FROM orders WHERE id = {order}"),
        };
        stage.sql(&format!("BEGIN; {statements}; COMMIT")).await?;
        moved.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

async fn kill(stage: &Stage, moved: &AtomicU64) -> Result<()> {
    // Now and then a server is killed that has not come back from the time before.
    for (what, calm) in
        [("tidewater", true), ("kafka", true), ("tidewater", false), ("both", true), ("tidewater", true)]
    {
        if calm {
            writing(stage).await?;
        }
        let until = moved.load(Ordering::Relaxed) + CALM;
        wait_for(CATCH_UP, async || Ok(moved.load(Ordering::Relaxed) >= until)).await?;
        eprintln!("  sinks: kill -9 {what}");
        if what != "tidewater" {
            let servers = stage.servers.clone();
            tokio::task::spawn_blocking(move || servers.kill(&["kafka"])).await??;
        }
        if what != "kafka" {
            stage.restart().await?;
        }
        if what != "tidewater" {
            let servers = stage.servers.clone();
            tokio::task::spawn_blocking(move || servers.up(&["kafka"])).await??;
            crate::connect::mend(&stage.servers, &["sinks"]).await;
        }
    }
    Ok(())
}

/// Returns when every sink writes.
async fn writing(stage: &Stage) -> Result<()> {
    let mut told = Vec::new();
    wait_for(CATCH_UP, async || {
        let client = stage.client().await?;
        crate::connect::mend(&stage.servers, &["sinks"]).await;
        told = rows(&client, "SHOW SINKS").await?;
        let running = |row: &Vec<Option<String>>| row[5].as_deref() == Some("running");
        let written = |row: &Vec<Option<String>>| row[11].as_ref().is_some_and(|n| n.parse().is_ok_and(|n: u64| n > 2));
        Ok(told.len() == 3 && told.iter().all(|row| running(row) && written(row)))
    })
    .await
    .map_err(|error| format!("{error}: SHOW SINKS: {told:?}").into())
}

/// Every topic folded is what MySQL holds.
async fn ends(stage: &Stage) -> Result<()> {
    let brokers = stage.servers.kafka();
    let queries = [
        ("out.accounts", "SELECT CAST(id AS CHAR), CAST(balance AS CHAR) FROM sinks.accounts"),
        (
            "out.checked",
            "SELECT CAST(o.id AS CHAR), CAST(o.total AS CHAR), o.note, CAST(sum(i.amount) AS CHAR) \
             FROM sinks.orders o JOIN sinks.items i ON i.order_id = o.id GROUP BY o.id",
        ),
    ];
    for (topic, query) in queries {
        let expected = truth(stage, query).await?;
        let mut told = String::new();
        let waited = wait_for(CATCH_UP, async || {
            crate::connect::mend(&stage.servers, &["sinks"]).await;
            let found = folded(&kafka::committed(&brokers, topic)?)?;
            told = equal(topic, &found, &expected).err().map(|error| error.to_string()).unwrap_or_default();
            Ok(told.is_empty())
        });
        if let Err(error) = waited.await {
            let client = stage.client().await?;
            let sinks = rows(&client, "SHOW SINKS").await?;
            return Err(format!("{topic}: {error}: {told}; SHOW SINKS: {sinks:?}").into());
        }
    }
    // Avro comes back as what it was.
    let back = "CREATE SOURCE back FROM KAFKA CONNECTION kafka (TOPIC 'out.orders') \
                FORMAT AVRO USING CONFLUENT SCHEMA REGISTRY CONNECTION registry ENVELOPE UPSERT";
    stage.source(back).await?;
    stage.judge(&[Pair { source: "back", table: "orders", columns: "id, total, note" }]).await
}

/// What MySQL answers, as text.
async fn truth(stage: &Stage, query: &str) -> Result<Rows> {
    let mut found = crate::servers::mysql_rows(&stage.mysql, query).await?;
    found.sort();
    Ok(found)
}

/// The rows of a topic by its newest records, as text.
fn folded(records: &[Record]) -> Result<Rows> {
    let mut keys: HashMap<&[u8], Option<Value>> = HashMap::new();
    for record in records {
        keys.insert(&record.key, row_of(record)?);
    }
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        value => Some(value.to_string()),
    };
    let order = ["id", "balance", "total", "note", "items"];
    let row = |row: &Value| order.iter().filter_map(|name| row.get(name)).map(text).collect::<Vec<_>>();
    let mut found: Rows = keys.values().flatten().map(row).collect();
    found.sort();
    Ok(found)
}

/// The row that a record says its key has.
fn row_of(record: &Record) -> Result<Option<Value>> {
    let Some(value) = &record.value else { return Ok(None) };
    let value: Value = serde_json::from_slice(value)?;
    Ok(match value.get("after") {
        Some(after) => Some(after.clone()).filter(|after| !after.is_null()),
        None => Some(value),
    })
}

/// At the end of each transaction of Kafka no money is lost; no record repeats what its key has. Gives the number of transactions.
fn transfers(stage: &Stage) -> Result<usize> {
    let records = kafka::committed(&stage.servers.kafka(), "out.accounts")?;
    let mut balances: HashMap<Vec<u8>, i64> = HashMap::new();
    let mut transactions = 0;
    for (number, record) in records.iter().enumerate() {
        let row = row_of(record)?.ok_or("an account is gone")?;
        let balance = row["balance"].as_i64().ok_or("an account without a balance")?;
        if balances.insert(record.key.clone(), balance) == Some(balance) {
            return Err(format!("offset {}: the account has {balance} already", record.offset).into());
        }
        // Where a transaction ends, its mark takes an offset.
        if records.get(number + 1).is_none_or(|next| next.offset > record.offset + 1) {
            transactions += 1;
            let sum: i64 = balances.values().sum();
            if sum != ACCOUNTS * BALANCE {
                return Err(format!("the accounts hold {sum} at offset {}", record.offset).into());
            }
        }
    }
    Ok(transactions)
}

/// Every record begins with what its key had, and every order is the sum of its items. Gives the number of records.
fn envelopes(stage: &Stage) -> Result<usize> {
    let records = kafka::committed(&stage.servers.kafka(), "out.checked")?;
    let mut rows: HashMap<Vec<u8>, (i32, Value)> = HashMap::new();
    for Record { partition, offset, key, value } in &records {
        let value: Value = serde_json::from_slice(value.as_deref().unwrap_or_default())?;
        let had = rows.get(key).map_or(Value::Null, |(_, row)| row.clone());
        if value["before"] != had || value["after"] == had {
            return Err(format!("{partition}/{offset}: the key had {had}, the record is {value}").into());
        }
        if value["after"]["total"] != value["after"]["items"] {
            return Err(format!("{partition}/{offset}: an order is not the sum of its items: {value}").into());
        }
        if let Some((other, _)) = rows.insert(key.clone(), (*partition, value["after"].clone()))
            && other != *partition
        {
            return Err(format!("the key of {partition}/{offset} lies in partition {other}, too").into());
        }
    }
    Ok(records.len())
}
