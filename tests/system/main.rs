//! The whole pipeline on real servers: MySQL, Kafka, Kafka Connect with Debezium, the schema registry, all started for this
//! run on free ports and stopped after it. MySQL itself says what the views must hold.
//!
//! `TIDEWATER_TESTS=unit` leaves it out, which the test command's `unit` mode sets; otherwise a missing server is a failure.

mod servers;
mod shop_traffic;
mod watch;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use servers::Servers;
use tokio_postgres::{Client, SimpleQueryMessage};

/// How long the live traffic runs.
const TRAFFIC: Duration = Duration::from_secs(15);
/// Nothing here takes so long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(120);

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Result<T, E = Failure> = std::result::Result<T, E>;

/// Counts what was proven, as libtest does.
#[derive(Default)]
struct Proofs {
    passed: usize,
    failed: usize,
}

impl Proofs {
    fn take(&mut self, name: &str, result: Result<()>) {
        match result {
            Ok(()) => {
                self.passed += 1;
                eprintln!("test {name} ... ok");
            }
            Err(error) => {
                self.failed += 1;
                eprintln!("test {name} ... FAILED\n    {error}");
            }
        }
    }
}

fn main() -> ExitCode {
    if std::env::var("TIDEWATER_TESTS").is_ok_and(|tests| tests == "unit") {
        eprintln!("system tests left out: TIDEWATER_TESTS=unit");
        return ExitCode::SUCCESS;
    }
    let mut proofs = Proofs::default();
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    match Servers::start() {
        Ok(servers) => {
            let outcome = runtime.block_on(prove(&servers, &mut proofs));
            proofs.take("the pipeline ran to its end", outcome);
        }
        Err(error) => proofs.take("the servers start", Err(error)),
    }
    // libtest's line, which the test command counts.
    let status = if proofs.failed == 0 { "ok" } else { "FAILED" };
    let Proofs { passed, failed } = proofs;
    eprintln!("\ntest result: {status}. {passed} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn prove(servers: &Servers, proofs: &mut Proofs) -> Result<()> {
    let traffic = Arc::new(shop_traffic::Traffic::new(servers).await?);
    traffic.seed().await?;
    servers.register("shop")?;
    servers.register("shop-json")?;
    let data_dir = servers.folder().join("tidewater");
    let config =
        tidewater::config::Config { host: "127.0.0.1".into(), pg_port: 0, http_port: 0, data_dir, dead_letters: 1_000 };
    let running = tidewater::start(&config).await?;
    let client = connect(running.pg_address.port()).await?;
    define(servers, &client).await?;
    proofs.take("the snapshot is what MySQL holds", compare(servers, &traffic, &client).await);

    let watched = watch::start(running.pg_address.port()).await?;
    traffic.run(TRAFFIC).await?;
    let marker = traffic.mark().await?;
    let caught_up = wait_for_marker(&client, marker).await;
    proofs.take("views catch up with MySQL", caught_up);
    let seen = watched.stop().await?;
    eprintln!("watched while {} transactions ran: {seen:?}", traffic.transactions());
    proofs.take("Avro: every answer is a state of the database", seen.whole("avro"));
    proofs.take("JSON: every answer is a state of the database", seen.whole("json"));
    proofs.take("without the transaction topic the watch finds torn transactions", seen.torn("loose"));
    proofs.take("after the traffic the views are what MySQL holds", compare(servers, &traffic, &client).await);
    proofs.take("order status follows the latest update", statuses(&traffic, &client).await);
    proofs.take(
        "a record that is no JSON is a dead letter and stops nothing",
        dead_letter(servers, &traffic, &client).await,
    );
    drop(client);
    running.stop().await;

    // The catalog comes back, and with it everything from Kafka.
    let running = tidewater::start(&config).await?;
    let client = connect(running.pg_address.port()).await?;
    let again = async {
        wait_until(async || Ok(running.handle.ready().is_ok())).await?;
        compare(servers, &traffic, &client).await
    };
    proofs.take("a restart brings everything back", again.await);
    running.stop().await;
    Ok(())
}

async fn connect(port: u16) -> Result<Client> {
    let config = format!("host=127.0.0.1 port={port} user=materialize dbname=materialize");
    let (client, connection) = tokio_postgres::connect(&config, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Sources over both connectors, and again over the first without its transaction topic; the same views on each.
async fn define(servers: &Servers, client: &Client) -> Result<()> {
    let (kafka, registry) = (servers.kafka(), servers.registry());
    client.batch_execute(&format!("CREATE CONNECTION kafka TO KAFKA (BROKER '{kafka}')")).await?;
    client
        .batch_execute(&format!("CREATE CONNECTION registry TO CONFLUENT SCHEMA REGISTRY (URL '{registry}')"))
        .await?;
    let columns = [
        (
            "users",
            "id bigint, name text, email text, phone text, created_at timestamptz, PRIMARY KEY (id) NOT ENFORCED",
        ),
        (
            "addresses",
            "id bigint, user_id bigint, street text, city text, state text, postal_code text, country text, created_at timestamptz, PRIMARY KEY (id) NOT ENFORCED",
        ),
        (
            "orders",
            "id bigint, user_id bigint, address_id bigint, total numeric(10,2), order_date timestamptz, order_status text, PRIMARY KEY (id) NOT ENFORCED",
        ),
        (
            "order_items",
            "id bigint, order_id bigint, product_name text, quantity int, price numeric(10,2), PRIMARY KEY (id) NOT ENFORCED",
        ),
        ("account_a", "id bigint, balance bigint, PRIMARY KEY (id) NOT ENFORCED"),
        ("account_b", "id bigint, balance bigint, PRIMARY KEY (id) NOT ENFORCED"),
        ("journal", "account bigint, amount bigint"),
        ("marker", "id bigint, PRIMARY KEY (id) NOT ENFORCED"),
    ];
    for (table, declared) in columns {
        let avro = "FORMAT AVRO USING CONFLUENT SCHEMA REGISTRY CONNECTION registry ENVELOPE DEBEZIUM";
        for (prefix, topic, columns, format, options) in [
            ("avro_", "mysql", "", avro, ""),
            ("json_", "mysqljson", declared, "FORMAT JSON ENVELOPE DEBEZIUM", ""),
            ("loose_", "mysql", "", avro, ", TRANSACTION TOPIC 'none'"),
        ] {
            let columns = if columns.is_empty() { String::new() } else { format!("({columns})") };
            let statement = format!(
                "CREATE SOURCE {prefix}{table} {columns} FROM KAFKA CONNECTION kafka (TOPIC '{topic}.shop.{table}'{options}) {format}"
            );
            // The schema comes with the snapshot's first row.
            let mut told = String::new();
            wait_until(async || {
                let created = client.batch_execute(&statement).await;
                told = created.as_ref().err().map(describe).unwrap_or_default();
                Ok(created.is_ok())
            })
            .await
            .map_err(|error| format!("{statement}: {error}: {told}"))?;
        }
    }
    client
        .batch_execute(
            "CREATE SOURCE order_updates (order_id bigint, status text, updated_at timestamptz, service text) \
             FROM KAFKA CONNECTION kafka (TOPIC 'order_updates') FORMAT JSON INCLUDE OFFSET AS update_offset ENVELOPE NONE",
        )
        .await?;
    let views = std::fs::read_to_string(servers.root().join("sql/views.sql"))?;
    let summary = views.split_once(";\n").map_or(views.as_str(), |(first, _)| first);
    for prefix in ["avro", "json", "loose"] {
        let mut text = summary.replace("order_summary", &format!("{prefix}_order_summary"));
        for table in ["orders o", "users u", "addresses a", "order_items\n"] {
            text = text.replace(&format!(" {table}"), &format!(" {prefix}_{table}"));
        }
        let wrong = format!(
            "CREATE MATERIALIZED VIEW {prefix}_wrong_orders AS SELECT o.id FROM {prefix}_orders o \
             LEFT JOIN (SELECT order_id, sum(quantity * price) AS total FROM {prefix}_order_items GROUP BY order_id) i \
             ON i.order_id = o.id WHERE o.total <> coalesce(i.total, 0)"
        );
        let balance = format!(
            "CREATE MATERIALIZED VIEW {prefix}_balance AS SELECT 'a' AS account, balance FROM {prefix}_account_a \
             UNION ALL SELECT 'b', balance FROM {prefix}_account_b"
        );
        for statement in [text, wrong, balance] {
            client.batch_execute(&statement).await.map_err(|error| format!("{statement}: {}", describe(&error)))?;
        }
    }
    Ok(())
}

fn describe(error: &tokio_postgres::Error) -> String {
    error
        .as_db_error()
        .map_or_else(|| error.to_string(), |error| format!("{} {}", error.code().code(), error.message()))
}

/// Rows of a query as text.
async fn rows(client: &Client, query: &str) -> Result<Vec<Vec<Option<String>>>> {
    let messages = client.simple_query(query).await.map_err(|error| format!("{query}: {}", describe(&error)))?;
    let row = |message| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect()),
        _ => None,
    };
    Ok(messages.into_iter().filter_map(row).collect())
}

/// Asks again and again until it is so.
async fn wait_until(mut done: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let mut again = tokio::time::interval(Duration::from_millis(50));
    let asked = tokio::time::timeout(PATIENCE, async {
        while !done().await? {
            again.tick().await;
        }
        Ok(())
    });
    asked.await.unwrap_or_else(|_| Err("it did not come to pass in time".into()))
}

async fn wait_for_marker(client: &Client, marker: i64) -> Result<()> {
    for prefix in ["avro", "json", "loose"] {
        wait_until(async || {
            let found = rows(client, &format!("SELECT count(*) FROM {prefix}_marker WHERE id = {marker}")).await?;
            Ok(found[0][0].as_deref() == Some("1"))
        })
        .await
        .map_err(|error| format!("{prefix}: marker {marker}: {error}"))?;
    }
    Ok(())
}

/// Base tables and `order_summary` in both formats against the same SELECT in MySQL.
async fn compare(servers: &Servers, traffic: &shop_traffic::Traffic, client: &Client) -> Result<()> {
    let marker = traffic.mark().await?;
    wait_for_marker(client, marker).await?;
    let expected = servers.summary().await?;
    let journal =
        servers.query("SELECT CAST(account AS CHAR), CAST(amount AS CHAR), CAST(count(*) AS CHAR) FROM journal GROUP BY account, amount ORDER BY account, amount").await?;
    for prefix in ["avro", "json"] {
        let query = format!(
            "SELECT order_id, total, order_date, user_id, user_phone, full_address, order_items_details \
             FROM {prefix}_order_summary ORDER BY order_id"
        );
        let mut found = rows(client, &query).await?;
        // MySQL writes no zone.
        for row in &mut found {
            row[2] = row[2].take().map(|time| time.trim_end_matches("+00").to_owned());
        }
        same(prefix, &found, &expected)?;
        let query =
            format!("SELECT account, amount, count(*) FROM {prefix}_journal GROUP BY account, amount ORDER BY 1, 2");
        same(&format!("{prefix} journal (a table without a key)"), &rows(client, &query).await?, &journal)?;
    }
    Ok(())
}

fn same(what: &str, found: &[Vec<Option<String>>], expected: &[Vec<Option<String>>]) -> Result<()> {
    if expected.is_empty() {
        return Err(format!("{what}: MySQL holds nothing to compare with").into());
    }
    if let Some((found, expected)) = found.iter().zip(expected).find(|(found, expected)| found != expected) {
        return Err(format!("{what}: found {found:?}, MySQL has {expected:?}").into());
    }
    match found.len() == expected.len() {
        true => Ok(()),
        false => Err(format!("{what}: {} rows, MySQL has {}", found.len(), expected.len()).into()),
    }
}

async fn statuses(traffic: &shop_traffic::Traffic, client: &Client) -> Result<()> {
    let updates = traffic.latest_updates();
    if updates.is_empty() {
        return Err("no update was sent".into());
    }
    wait_until(async || {
        let found = rows(client, "SELECT order_id, order_status FROM avro_order_summary").await?;
        let shown = |id: i64| found.iter().find(|row| row[0] == Some(id.to_string())).map(|row| row[1].clone());
        // Orders that were deleted meanwhile are not shown.
        Ok(updates.iter().all(|(id, status)| shown(*id).is_none_or(|shown| shown.as_ref() == Some(status))))
    })
    .await
}

async fn dead_letter(servers: &Servers, traffic: &shop_traffic::Traffic, client: &Client) -> Result<()> {
    servers.produce("order_updates", b"{\"order_id\": \"no")?;
    wait_until(async || {
        let found = rows(client, "SELECT source, topic, reason FROM tidewater.dead_letters").await?;
        Ok(found.len() == 1 && found[0][0].as_deref() == Some("order_updates"))
    })
    .await?;
    let order = traffic.update_one("after the dead letter").await?;
    wait_until(async || {
        let query = format!("SELECT order_status FROM avro_order_summary WHERE order_id = {order}");
        Ok(rows(client, &query).await?.first().is_some_and(|row| row[0].as_deref() == Some("after the dead letter")))
    })
    .await
}
