//! The shop in Tidewater: its sources in both formats and without the transaction topic, its views, and MySQL's word on them.

use std::time::Duration;

use tokio_postgres::Client;

use crate::Result;
use crate::servers::Servers;
use crate::shop_traffic::Traffic;
use crate::sql::{describe, rows, same, wait_for, wait_until};

/// Tables and those of their columns whose text is the same in both databases.
const TABLES: [(&str, &str); 7] = [
    ("users", "id, name, email, phone"),
    ("addresses", "id, user_id, street, city"),
    ("orders", "id, user_id, address_id, total"),
    ("order_items", "id, order_id, product_name, quantity, price"),
    ("account_a", "id, balance"),
    ("account_b", "id, balance"),
    ("journal", "account, amount"),
];

/// Sources over both connectors, and again over the first without its transaction topic; the same views on each.
pub(crate) async fn define(servers: &Servers, client: &Client) -> Result<()> {
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

/// A server that was killed last reads all of its topics again.
const CATCH_UP: Duration = Duration::from_secs(240);

pub(crate) async fn wait_for_marker(client: &Client, marker: i64) -> Result<()> {
    for prefix in ["avro", "json", "loose"] {
        wait_for(CATCH_UP, async || {
            let found = rows(client, &format!("SELECT count(*) FROM {prefix}_marker WHERE id = {marker}")).await?;
            Ok(found[0][0].as_deref() == Some("1"))
        })
        .await
        .map_err(|error| format!("{prefix}: marker {marker}: {error}"))?;
    }
    Ok(())
}

/// Of sources without a transaction topic each table by itself is what MySQL holds.
pub(crate) async fn compare_loose(servers: &Servers, traffic: &Traffic, client: &Client) -> Result<()> {
    let marker = traffic.mark().await?;
    wait_for_marker(client, marker).await?;
    for (table, columns) in TABLES {
        let cast: Vec<String> = columns.split(", ").map(|column| format!("CAST({column} AS CHAR)")).collect();
        let mut expected = servers.query(&format!("SELECT {} FROM {table}", cast.join(", "))).await?;
        expected.sort();
        let mut told = String::new();
        wait_until(async || {
            let mut found = rows(client, &format!("SELECT {columns} FROM loose_{table}")).await?;
            found.sort();
            told = same(table, &found, &expected).err().map(|error| error.to_string()).unwrap_or_default();
            Ok(told.is_empty())
        })
        .await
        .map_err(|error| format!("loose_{table}: {error}: {told}"))?;
    }
    Ok(())
}

/// Base tables and `order_summary` in both formats against the same SELECT in MySQL.
pub(crate) async fn compare(servers: &Servers, traffic: &Traffic, client: &Client) -> Result<()> {
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
