//! Definitions are never lost: catalogs that cannot be restored, columns that change upstream, sources that are altered.

use std::path::Path;
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};
use tidewater::config::Config;
use tidewater_query::run::pack_row;
use tidewater_types::{Datum, Type};
use tokio::sync::watch;
use tokio_postgres::Client;

use crate::http::{Answer, request};
use crate::sources::JSON;
use crate::{RUNTIME, config, connect, within};

/// What the registry answers for values: a schema, or a status without one; `None` keeps who asks waiting.
type Reply = watch::Sender<Option<Result<String, u16>>>;

/// A registry with one subject.
async fn registry(answer: &Reply) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let answer = answer.subscribe();
    let latest = move |uri: axum::http::Uri| {
        let mut answer = answer.clone();
        async move {
            if !uri.path().contains("-value/") {
                return (StatusCode::NOT_FOUND, json!({"error_code": 40401, "message": "no subject"}).to_string());
            }
            let now = answer.wait_for(Option::is_some).await.map(|now| now.clone());
            match now {
                Ok(Some(Ok(schema))) => {
                    let found = json!({"subject": "t-value", "version": 1, "id": 1, "schema": schema});
                    (StatusCode::OK, found.to_string())
                }
                Ok(Some(Err(status))) => {
                    let told = json!({"error_code": u32::from(status) * 100 + 1, "message": "no"});
                    (StatusCode::from_u16(status).expect("a status"), told.to_string())
                }
                Ok(None) | Err(_) => (StatusCode::GONE, String::new()),
            }
        }
    };
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(latest)).await });
    url
}

/// An Avro schema of these columns.
fn schema(columns: &[(&str, &str)]) -> String {
    let field = |(name, kind): &(&str, &str)| json!({"name": name, "type": ["null", kind]});
    json!({"type": "record", "name": "t", "fields": columns.iter().map(field).collect::<Value>()}).to_string()
}

/// The catalog as versions before the log kept it.
fn write_catalog(folder: &Path, statements: &[String]) {
    std::fs::create_dir_all(folder).expect("a folder");
    let entry = |statement: &String| json!({"statement": statement, "search_path": ["public"]});
    let file = json!({"version": 2, "definitions": statements.iter().map(entry).collect::<Value>()});
    std::fs::write(folder.join("catalog.json"), file.to_string()).expect("a file");
}

/// The statements that the folder holds.
fn catalog(folder: &Path) -> Vec<String> {
    tidewater::statements(folder).expect("what is kept can be read")
}

async fn code(client: &Client, statement: &str) -> (String, String) {
    let error = within(client.batch_execute(statement)).await.expect_err(statement);
    let told = error.as_db_error().unwrap_or_else(|| panic!("{statement}: {error}"));
    (told.code().code().to_owned(), told.message().to_owned())
}

async fn status(client: &Client, show: &str) -> String {
    client.query_one(show, &[]).await.expect("one object").get("status")
}

async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    let mut again = tokio::time::interval(Duration::from_millis(20));
    let comes = async {
        while !is().await {
            again.tick().await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(60), comes).await.is_ok(), "{what}");
}

fn old_catalog(url: &str) -> Vec<String> {
    let source = format!(
        "CREATE SOURCE IF NOT EXISTS orders FROM KAFKA BROKER 'nowhere:1' TOPIC 't'
         FORMAT AVRO USING CONFLUENT SCHEMA REGISTRY '{url}' ENVELOPE NONE"
    );
    let others = [
        "CREATE TABLE t (a int)",
        "CREATE MATERIALIZED VIEW order_summary AS SELECT count(*) AS n FROM orders",
        "CREATE INDEX ON order_summary (n)",
        "CREATE VIEW plain AS SELECT * FROM order_summary",
        "CREATE MATERIALIZED VIEW other AS SELECT a FROM t",
    ];
    [vec![source], others.map(str::to_owned).to_vec()].concat()
}

async fn begin(
    config: &Config,
) -> (tidewater::Running, tokio::sync::mpsc::Sender<tidewater_ingest::SourceEvent>, Client) {
    let (running, events) = tidewater::start_without_kafka(config).await.expect("a server");
    let client = connect(&running).await;
    (running, events, client)
}

#[test]
fn a_definition_whose_registry_fails_at_restart_is_broken_and_comes_back() {
    RUNTIME.block_on(async {
        for status_code in [404, 500] {
            let answer = Reply::new(Some(Err(status_code)));
            let url = registry(&answer).await;
            let config = config();
            write_catalog(&config.data_dir, &old_catalog(&url));
            let (running, events, client) = begin(&config).await;
            client.batch_execute("INSERT INTO t VALUES (7); SELECT * FROM other").await.expect("what is whole answers");
            for reader in ["orders", "order_summary", "plain"] {
                let (sqlstate, message) = code(&client, &format!("SELECT * FROM {reader}")).await;
                assert_eq!(sqlstate, "55000", "{message}");
                assert!(message.contains("source \"orders\" is broken: "), "{message}");
            }
            assert!(status(&client, "SHOW SOURCES").await.starts_with("broken: "));
            assert!(status(&client, "SHOW MATERIALIZED VIEWS LIKE 'order_summary'").await.contains("\"orders\""));
            let Answer { status: ready, body: reasons, .. } = request(running.http_address, "GET /ready", "").await;
            assert_eq!(ready, 503);
            for name in ["orders", "order_summary", "plain", "order_summary_n_idx"] {
                assert!(reasons.contains(&format!("\"{name}\" is broken")), "{reasons}");
            }
            assert_eq!(code(&client, "CREATE TABLE orders (a int)").await.0, "42P07");
            assert_eq!(code(&client, "DROP SOURCE orders").await.0, "2BP01");
            // A change of the catalog keeps all of it.
            client.batch_execute("CREATE TABLE late (a int)").await.expect("a table");
            let expected = [old_catalog(&url), vec!["CREATE TABLE late (a int)".into()]].concat();
            assert_eq!(catalog(&config.data_dir), expected);
            answer.send_replace(Some(Ok(schema(&[("id", "long")]))));
            until("the source is back", async || running.handle.source_id("orders").is_some()).await;
            let orders = running.handle.source_id("orders").expect("a source");
            events.send(tidewater_ingest::SourceEvent::Hydrated(orders)).await.expect("the loop runs");
            until("all is back", async || running.handle.ready().is_ok()).await;
            assert_eq!(client.query_one("SELECT n FROM plain", &[]).await.expect("a row").get::<_, i64>(0), 0);
            assert_eq!(catalog(&config.data_dir), expected, "their order is the same");
            running.stop().await;
        }
    });
}

#[test]
fn statements_wait_until_the_catalog_is_back() {
    RUNTIME.block_on(async {
        let answer = Reply::default();
        let url = registry(&answer).await;
        let config = config();
        write_catalog(&config.data_dir, &old_catalog(&url));
        let (running, _events, client) = begin(&config).await;
        client.batch_execute("SET statement_timeout = '200ms'").await.expect("a session's own statement");
        for statement in ["SELECT * FROM other", "CREATE TABLE late (a int)", "SHOW SOURCES"] {
            assert_eq!(code(&client, statement).await.0, "57P03", "{statement}");
        }
        assert_eq!(running.handle.ready(), Err(vec!["the catalog is being restored".into()]));
        let Answer { body: text, .. } = request(
            running.http_address,
            "POST /api/sql",
            &json!({"query": "SET statement_timeout = 100; SELECT * FROM other"}).to_string(),
        )
        .await;
        assert!(text.contains("57P03"), "{text}");
        client.batch_execute("SET statement_timeout = '60s'").await.expect("SET");
        let (rows, ()) = tokio::join!(within(client.query("SELECT * FROM other", &[])), async {
            answer.send_replace(Some(Ok(schema(&[("id", "long")]))));
        });
        assert!(rows.expect("the view is there").is_empty());
        running.stop().await;
    });
}

/// A source's columns, as SHOW tells.
async fn columns(client: &Client, name: &str) -> Vec<String> {
    let rows = client.query(&format!("SHOW COLUMNS FROM {name}"), &[]).await.expect("columns");
    rows.iter().map(|row| format!("{} {}", row.get::<_, &str>("name"), row.get::<_, &str>("type"))).collect()
}

#[test]
fn columns_are_those_of_the_source_s_beginning_until_it_is_refreshed() {
    RUNTIME.block_on(async {
        let answer = Reply::new(Some(Ok(schema(&[("id", "long"), ("a", "string"), ("gone", "int")]))));
        let url = registry(&answer).await;
        let config = config();
        let (running, _events, client) = begin(&config).await;
        client
            .batch_execute(&format!(
                "CREATE SOURCE s FROM KAFKA BROKER 'nowhere:1' TOPIC 't'
                   FORMAT AVRO USING CONFLUENT SCHEMA REGISTRY '{url}' ENVELOPE NONE;
                 CREATE MATERIALIZED VIEW ids AS SELECT id FROM s;
                 CREATE INDEX ids_by_id ON ids (id);
                 CREATE MATERIALIZED VIEW reads_gone AS SELECT sum(gone) AS n FROM s;
                 CREATE VIEW on_top AS SELECT n FROM reads_gone;
                 CREATE TABLE aside (a int)"
            ))
            .await
            .expect("objects");
        running.stop().await;
        // Upstream a column comes, one goes; then the registry is away: neither matters to a restart.
        answer.send_replace(Some(Err(500)));
        let (running, _events, client) = begin(&config).await;
        assert_eq!(columns(&client, "s").await, ["id bigint", "a text", "gone integer"]);
        within(client.batch_execute("ALTER SOURCE s REFRESH")).await.expect_err("the registry is away");
        assert_eq!(columns(&client, "s").await, ["id bigint", "a text", "gone integer"]);
        answer.send_replace(Some(Ok(schema(&[("id", "long"), ("a", "string"), ("new", "long")]))));
        running.stop().await;
        let (running, events, client) = begin(&config).await;
        assert_eq!(columns(&client, "s").await, ["id bigint", "a text", "gone integer"]);
        let before = running.handle.source_id("s").expect("a source");
        client.batch_execute("ALTER SOURCE s REFRESH SCHEMA").await.expect("it is altered");
        assert_eq!(columns(&client, "s").await, ["id bigint", "a text", "new bigint"]);
        let after = running.handle.source_id("s").expect("a source");
        assert_ne!(before, after, "the rows come anew");
        // What readers of the old columns still send is passed over.
        let row = |id| {
            let values = [Datum::Int(id), Datum::Null, Datum::Null];
            tidewater_delta::Op::Insert(pack_row(&[Type::Int8.into(), Type::Text.into(), Type::Int8.into()], &values))
        };
        let old = tidewater_delta::Change { table: before, op: row(1) };
        let new = tidewater_delta::Change { table: after, op: row(2) };
        for change in [old, new] {
            let commit = tidewater_delta::Commit::local(vec![change]);
            events.send(tidewater_ingest::SourceEvent::Commits(vec![commit])).await.expect("the loop runs");
        }
        events.send(tidewater_ingest::SourceEvent::Hydrated(after)).await.expect("the loop runs");
        assert_eq!(
            within(client.query_one("SELECT id FROM ids WHERE id > 0", &[])).await.expect("one row").get::<_, i64>(0),
            2
        );
        for reader in ["reads_gone", "on_top"] {
            let (sqlstate, message) = code(&client, &format!("SELECT * FROM {reader}")).await;
            assert!(sqlstate == "55000" && message.contains("gone"), "{message}");
        }
        let ready = running.handle.ready().expect_err("two are broken");
        assert_eq!(ready.len(), 2, "{ready:?}");
        assert_eq!(catalog(&config.data_dir).len(), 6);
        client.batch_execute("ALTER SOURCE s REFRESH").await.expect("nothing has changed");
        assert_eq!(running.handle.source_id("s"), Some(after), "so nothing is read again");
        client
            .batch_execute("CREATE OR REPLACE MATERIALIZED VIEW late AS SELECT new FROM s")
            .await
            .expect("the new column");
        client.batch_execute("DROP MATERIALIZED VIEW reads_gone CASCADE").await.expect("it is given up");
        until("nothing is missing", async || running.handle.ready().is_ok()).await;
        running.stop().await;
    });
}

#[test]
fn a_source_s_policy_is_altered_and_kept() {
    RUNTIME.block_on(async {
        let config = config();
        let (running, _events, client) = begin(&config).await;
        client
            .batch_execute(&format!(
                "CREATE SOURCE s {JSON} 'm.s.t' FORMAT JSON ENVELOPE DEBEZIUM;
                 CREATE SOURCE u {JSON} 'u' FORMAT JSON ENVELOPE UPSERT"
            ))
            .await
            .expect("sources");
        let policies = async |client: &Client| {
            let rows = client.query("SELECT on_error FROM tidewater.sources ORDER BY name", &[]).await.expect("rows");
            rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>()
        };
        assert_eq!(policies(&client).await, ["stall", "dead letter"]);
        client
            .batch_execute("ALTER SOURCE s SET (ON ERROR = 'dead letter'); ALTER SOURCE s SET (ON ERROR = skip)")
            .await
            .expect("altered");
        assert_eq!(policies(&client).await, ["skip", "dead letter"]);
        let shown: String = client.query_one("SHOW CREATE SOURCE s", &[]).await.expect("a row").get(1);
        assert!(shown.ends_with("ENVELOPE DEBEZIUM WITH (ON ERROR = 'skip')"), "{shown}");
        running.stop().await;
        let (running, _events, client) = begin(&config).await;
        assert_eq!(policies(&client).await, ["skip", "dead letter"]);
        assert_eq!(code(&client, "ALTER SOURCE nothing REFRESH").await.0, "42P01");
        running.stop().await;
    });
}

#[test]
fn what_a_source_needs_is_not_dropped_under_it() {
    RUNTIME.block_on(async {
        let (running, _events, client) = begin(&config()).await;
        client
            .batch_execute(
                "CREATE SECRET p AS 'x';
                 CREATE CONNECTION k TO KAFKA (BROKER 'nowhere:1', SASL USERNAME = 'u', SASL PASSWORD = SECRET p);
                 CREATE SOURCE tx FROM KAFKA CONNECTION k (TOPIC 'm.transaction') FORMAT JSON;
                 CREATE SOURCE s (id bigint) FROM KAFKA CONNECTION k (TOPIC 'm.s.t') FORMAT JSON
                   ENVELOPE DEBEZIUM (TRANSACTION METADATA (SOURCE tx, COLLECTION 's.t'))",
            )
            .await
            .expect("objects");
        for statement in ["DROP SECRET p", "DROP CONNECTION k", "DROP SOURCE tx"] {
            assert_eq!(code(&client, statement).await.0, "2BP01", "{statement}");
        }
        let other = "CREATE SOURCE o (id bigint) FROM KAFKA CONNECTION k (TOPIC 'm.s.o') FORMAT JSON ENVELOPE DEBEZIUM";
        for (clause, expected) in [
            ("(TRANSACTION METADATA (SOURCE nothing))", "42P01"),
            ("(TRANSACTION METADATA (SOURCE k))", "42809"),
            ("(TRANSACTION METADATA (SOURCE tx)) WITH (TRANSACTION TOPIC = 'x')", "42601"),
        ] {
            assert_eq!(code(&client, &format!("{other} {clause}")).await.0, expected, "{clause}");
        }
        let formats = other.replace("FORMAT JSON", "KEY FORMAT TEXT VALUE FORMAT JSON");
        assert_eq!(code(&client, &formats).await.0, "0A000");
        let registry = "FORMAT AVRO USING CONFLUENT SCHEMA REGISTRY 'http://127.0.0.1:1' WITH (ssl_key = 'x')";
        let (sqlstate, message) = code(&client, &other.replace("FORMAT JSON", registry)).await;
        assert!(sqlstate == "0A000" && message.contains("SSL_KEY"), "{message}");
        client.batch_execute("DROP SECRET p CASCADE").await.expect("all of it");
        assert!(client.query("SHOW OBJECTS", &[]).await.expect("rows").is_empty());
        running.stop().await;
    });
}

#[test]
fn a_view_that_cannot_be_replaced_stays_as_it_was() {
    RUNTIME.block_on(async {
        let config = config();
        let (running, _events, client) = begin(&config).await;
        client
            .batch_execute(
                "CREATE TABLE t (a int); INSERT INTO t VALUES (7); CREATE MATERIALIZED VIEW v AS SELECT a FROM t;
                 CREATE INDEX i ON v (a)",
            )
            .await
            .expect("objects");
        for query in ["SELECT nothing FROM t", "SELECT row_number() OVER (ORDER BY a) AS n FROM t"] {
            within(client.batch_execute(&format!("CREATE OR REPLACE MATERIALIZED VIEW v AS {query}")))
                .await
                .expect_err(query);
            assert_eq!(client.query_one("SELECT a FROM v WHERE a = 7", &[]).await.expect("a row").get::<_, i32>(0), 7);
        }
        client
            .batch_execute("CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT a, -a AS b FROM t")
            .await
            .expect("replaced");
        assert_eq!(client.query_one("SELECT b FROM v WHERE a = 7", &[]).await.expect("a row").get::<_, i32>(0), -7);
        assert_eq!(catalog(&config.data_dir).len(), 3, "its index is there still");
        running.stop().await;
    });
}

/// A secret's value is nowhere that a client can look.
#[test]
fn a_secret_is_shown_nowhere() {
    const VALUE: &str = "correct-horse-battery";
    RUNTIME.block_on(async {
        let running = tidewater::start(&config()).await.expect("a server");
        let client = connect(&running).await;
        client
            .batch_execute(&format!(
                "CREATE SECRET p AS '{VALUE}';
                 CREATE CONNECTION k TO KAFKA (BROKER 'nowhere:1', SASL USERNAME = 'u', SASL PASSWORD = SECRET p)"
            ))
            .await
            .expect("objects");
        let rows = client
            .query("SELECT table_schema, table_name FROM information_schema.tables", &[])
            .await
            .expect("the relations");
        let named = rows.iter().map(|row| format!("{}.{}", row.get::<_, &str>(0), row.get::<_, &str>(1)));
        let own = ["pg_catalog.pg_class", "pg_catalog.pg_views", "pg_catalog.pg_matviews", "pg_catalog.pg_description"];
        let mut looks: Vec<String> =
            named.chain(own.map(str::to_owned)).map(|relation| format!("SELECT * FROM {relation}")).collect();
        looks.extend(
            ["SHOW SECRETS", "SHOW OBJECTS", "SHOW CREATE SECRET p", "SHOW CREATE CONNECTION k"].map(str::to_owned),
        );
        looks.push("SELECT pg_get_viewdef(oid), pg_get_viewdef(oid, true) FROM pg_catalog.pg_class".to_owned());
        looks.push("SELECT pg_get_viewdef(oid) FROM mz_catalog.mz_objects".to_owned());
        looks.extend((16_384..16_450).map(|oid| format!("SELECT pg_get_viewdef({oid}), pg_get_indexdef({oid})")));
        let mut answered = 0;
        for look in &looks {
            let shown = match client.simple_query(look).await {
                Ok(messages) => {
                    answered += 1;
                    format!("{messages:?}")
                }
                Err(error) => format!("{error:?}"),
            };
            assert!(!shown.contains(VALUE), "{look}: {shown}");
        }
        assert!(answered > 60, "{answered} of {} were answered", looks.len());
        running.stop().await;
    });
}
