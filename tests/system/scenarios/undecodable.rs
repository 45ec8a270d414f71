//! A transaction of which one record cannot be read. Debezium writes no such record, so these are made by hand in its shape:
//! a snapshot of two rows, then three transactions, the second of which has lost the record of table `b`.

use serde_json::json;
use tokio_postgres::Client;

use crate::sql::{Rows, rows, wait_until};
use crate::stage::Stage;
use crate::{Result, kafka};

const COLUMNS: &str = "id bigint, v bigint, PRIMARY KEY (id) NOT ENFORCED";

pub(super) async fn stall(stage: &Stage) -> Result<()> {
    write(stage, 0..2).await?;
    let client = sources(stage, "ON ERROR STALL").await?;
    shows(&client, 12, 8).await?;
    write(stage, 2..4).await?;
    // The first transaction is shown, the second never.
    let topic = format!("{}.db.b", stage.name);
    stage.status_names("b", &topic).await?;
    // What a source is about is told a few times a second.
    wait_until(async || {
        let states = rows(&client, "SELECT status FROM tidewater.sources WHERE name IN ('a', 'b')").await?;
        Ok(states.iter().flatten().all(|state| state.as_deref() == Some("stalled")))
    })
    .await
    .map_err(|error| format!("both sources stand at the transaction: {error}"))?;
    shows(&client, 12, 8).await?;
    // Read from its beginning, a source has no state to show that its siblings are in, and says so at once.
    source(stage, &client, "again", "b", "ON ERROR STALL").await?;
    let mut told = String::new();
    wait_until(async || match rows(&client, "SELECT * FROM again").await {
        Ok(found) => Err(format!("it shows {found:?} although a record of it is lost").into()),
        Err(error) => {
            told = error.to_string();
            Ok(told.contains("55000") && told.contains(&topic))
        }
    })
    .await
    .map_err(|error| format!("readers of a source that is read again are not told: {error}: {told}"))?;
    shows(&client, 12, 8).await
}

pub(super) async fn dead_letter(stage: &Stage) -> Result<()> {
    let client = begin(stage, "ON ERROR DEAD LETTER").await?;
    shows(&client, 15, 5).await?;
    let lost = rows(&client, "SELECT source, topic, \"offset\" FROM tidewater.dead_letters").await?;
    let expected = [Some("b".to_owned()), Some(format!("{}.db.b", stage.name)), Some("2".to_owned())];
    if lost != [expected] {
        return Err(format!("dead letters: {lost:?}").into());
    }
    // What a source is about is told a few times a second.
    wait_until(async || {
        let count = rows(&client, "SELECT lost FROM tidewater.sources WHERE name = 'b'").await?;
        Ok(count[0][0].as_deref() == Some("1"))
    })
    .await
    .map_err(|error| format!("tidewater.sources counts no loss: {error}"))?;
    // The record is not read again, and still told.
    client.batch_execute("CHECKPOINT").await?;
    let (brokers, topic) = (stage.servers.kafka(), format!("{}.db.b", stage.name));
    let (_, end) = kafka::watermarks(&brokers, &topic, 0)?;
    kafka::delete_records(&brokers, &topic, end).await?;
    stage.restart().await?;
    let client = stage.client().await?;
    shows(&client, 15, 5).await?;
    let kept = rows(&client, "SELECT source, topic, \"offset\" FROM tidewater.dead_letters").await?;
    if kept != lost {
        return Err(format!("dead letters after a restart: {kept:?}").into());
    }
    Ok(())
}

pub(super) async fn skip(stage: &Stage) -> Result<()> {
    let client = begin(stage, "ON ERROR SKIP").await?;
    shows(&client, 15, 5).await
}

/// Both tables at one moment.
async fn shows(client: &Client, a: i64, b: i64) -> Result<()> {
    let expected: Rows = vec![vec![Some(a.to_string()), Some(b.to_string())]];
    let mut told = String::new();
    wait_until(async || {
        told = match rows(client, "SELECT a.v, b.v FROM a JOIN b ON a.id = b.id").await {
            Ok(found) if found == expected => return Ok(true),
            Ok(found) => format!("{found:?}"),
            Err(error) => error.to_string(),
        };
        Ok(false)
    })
    .await
    .map_err(|error| format!("{expected:?} is not shown: {error}: {told}").into())
}

async fn begin(stage: &Stage, policy: &str) -> Result<Client> {
    write(stage, 0..4).await?;
    sources(stage, policy).await
}

/// Writes some of the transactions, of which number 0 is the snapshot.
async fn write(stage: &Stage, transactions: std::ops::Range<i64>) -> Result<()> {
    let (brokers, prefix) = (stage.servers.kafka(), stage.name);
    let first = transactions.start == 0;
    let event = |table: &str, transaction: Option<i64>, order: i64, v: i64| {
        let before = transaction.map(|_| json!({"id": 1, "v": 0}));
        let part =
            transaction.map(|n| json!({"id": format!("u:{n}"), "total_order": order, "data_collection_order": 1}));
        let snapshot = if transaction.is_none() { if table == "a" { "first" } else { "last" } } else { "false" };
        json!({
            "before": before, "after": {"id": 1, "v": v}, "op": if transaction.is_none() { "r" } else { "u" }, "ts_ms": 1000,
            "source": {"version": "3.6.1.Final", "connector": "mysql", "name": prefix, "ts_ms": 1000, "snapshot": snapshot, "db": "db",
                "table": table, "server_id": 1, "gtid": transaction.map(|n| format!("u:{n}")), "file": "binlog.000001",
                "pos": 100 + transaction.unwrap_or(0) * 100 + order, "row": 0},
            "transaction": part,
        })
        .to_string()
    };
    let boundary = |n: i64, status: &str| {
        let counts =
            json!([{"data_collection": "db.a", "event_count": 1}, {"data_collection": "db.b", "event_count": 1}]);
        let end = status == "END";
        json!({"status": status, "id": format!("u:{n}"), "event_count": end.then_some(2), "ts_ms": 1000, "data_collections": end.then_some(counts)})
            .to_string()
    };
    let key = Some(r#"{"id":1}"#);
    let records = |lost: Option<i64>, table: &str, values: [i64; 4]| {
        let events = values.into_iter().zip(0..).filter(|(_, n)| transactions.contains(n));
        let events = events.map(|(v, n)| {
            if lost == Some(n) { "{\"before\": no".to_owned() } else { event(table, (n > 0).then_some(n), 1, v) }
        });
        events.collect::<Vec<_>>()
    };
    for (table, lost, values) in [("a", None, [10, 12, 14, 15]), ("b", Some(2), [10, 8, 6, 5])] {
        let topic = format!("{prefix}.db.{table}");
        if first {
            kafka::create_topic(&brokers, &topic, 1, &[]).await?;
        }
        let records = records(lost, table, values);
        let records: Vec<(Option<&str>, &[u8])> = records.iter().map(|record| (key, record.as_bytes())).collect();
        kafka::produce(&brokers, &topic, &records)?;
    }
    let named = transactions.clone().filter(|n| *n > 0);
    let boundaries: Vec<String> = named.flat_map(|n| [boundary(n, "BEGIN"), boundary(n, "END")]).collect();
    let boundaries: Vec<(Option<&str>, &[u8])> = boundaries.iter().map(|record| (key, record.as_bytes())).collect();
    if first {
        kafka::create_topic(&brokers, &format!("{prefix}.transaction"), 1, &[]).await?;
    }
    kafka::produce(&brokers, &format!("{prefix}.transaction"), &boundaries)
}

async fn sources(stage: &Stage, policy: &str) -> Result<Client> {
    let client = stage.client().await?;
    for table in ["a", "b"] {
        source(stage, &client, table, table, policy).await?;
    }
    Ok(client)
}

async fn source(stage: &Stage, client: &Client, name: &str, table: &str, policy: &str) -> Result<()> {
    let prefix = stage.name;
    let statement = format!(
        "CREATE SOURCE {name} ({COLUMNS}) FROM KAFKA CONNECTION kafka (TOPIC '{prefix}.db.{table}') FORMAT JSON ENVELOPE DEBEZIUM {policy}"
    );
    let made = client.batch_execute(&statement).await;
    made.map_err(|error| format!("{statement}: {}", crate::sql::describe(&error)).into())
}
