//! What a session sets changes what its statements mean, and the client is told.

use tokio::io::AsyncWriteExt;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::limits::{message, ready, until};
use crate::{RUNTIME, connect, server};

async fn one(client: &Client, text: &str) -> String {
    let messages = client.simple_query(text).await.unwrap_or_else(|error| panic!("{text}: {error:?}"));
    let value = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    value.unwrap_or_else(|| panic!("{text}: no row"))
}

#[test]
fn times_are_shown_in_the_session_s_zone_of_which_the_client_is_told() {
    RUNTIME.block_on(async {
        let running = server().await;
        let mut socket = ready(&running).await;
        let text = "SET TIME ZONE 'asia/tokyo'; SELECT '2024-01-01 00:00+00'::timestamptz; SET TimeZone = -3\0";
        socket.write_all(&message(b'Q', text.as_bytes())).await.expect("it is sent");
        let messages = until(&mut socket, b'Z').await;
        let told: Vec<_> = messages.iter().filter(|(kind, _)| *kind == b'S').map(|(_, body)| &body[..]).collect();
        assert_eq!(told, [&b"TimeZone\0Asia/Tokyo\0"[..], b"TimeZone\0<-03>+03\0"]);
        let row = messages.iter().find(|(kind, _)| *kind == b'D').map(|(_, body)| &body[6..]);
        assert_eq!(row, Some(&b"2024-01-01 09:00:00+09"[..]));
        let client = connect(&running).await;
        let winter = "SELECT '2024-01-15 12:00'::timestamptz AT TIME ZONE 'UTC'";
        client.batch_execute("SET TimeZone TO 'Europe/Berlin'").await.expect("a zone");
        assert_eq!(one(&client, winter).await, "2024-01-15 11:00:00");
        assert_eq!(one(&client, "SHOW TimeZone").await, "Europe/Berlin");
        // A prepared statement is of the session that runs it.
        let statement = client.prepare("SELECT $1::timestamptz::text").await.expect("it prepares");
        let noon = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(43_200);
        assert_eq!(
            client.query_one(&statement, &[&noon]).await.expect("a row").get::<_, &str>(0),
            "1970-01-01 13:00:00+01"
        );
        client.batch_execute("SET TIME ZONE DEFAULT").await.expect("a zone");
        assert_eq!(
            client.query_one(&statement, &[&noon]).await.expect("a row").get::<_, &str>(0),
            "1970-01-01 12:00:00+00"
        );
        running.stop().await;
    });
}

#[test]
fn dates_are_read_in_the_session_s_order() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        assert_eq!(one(&client, "SELECT '01/02/2024'::date").await, "2024-01-02");
        client.batch_execute("SET DateStyle = 'ISO, DMY'").await.expect("an order");
        assert_eq!(one(&client, "SELECT '01/02/2024'::date").await, "2024-02-01");
        client.batch_execute("SET DateStyle = mdy").await.expect("an order");
        assert_eq!(one(&client, "SHOW DateStyle").await, "ISO, MDY");
        for refused in ["SET DateStyle = German", "SET IntervalStyle = iso_8601", "SET extra_float_digits = 0"] {
            let error = client.batch_execute(refused).await.expect_err(refused);
            assert_eq!(error.code().map(|code| code.code()), Some("22023"), "{refused}");
        }
        running.stop().await;
    });
}

#[test]
fn names_are_looked_for_along_the_search_path() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        client
            .batch_execute(
                "CREATE SCHEMA s; CREATE TABLE t (a text); CREATE TABLE s.t (a text);
                 INSERT INTO t VALUES ('public'); INSERT INTO s.t VALUES ('s')",
            )
            .await
            .expect("tables");
        assert_eq!(one(&client, "SELECT a FROM t").await, "public");
        client.batch_execute("SET search_path = s, public").await.expect("a path");
        assert_eq!(one(&client, "SELECT a FROM t").await, "s");
        assert_eq!(one(&client, "SELECT current_schemas(false)::text").await, "{s,public}");
        assert_eq!(one(&client, "SELECT current_setting('search_path')").await, "s, public");
        client.batch_execute("CREATE TABLE made (a int); RESET search_path").await.expect("a table");
        assert_eq!(one(&client, "SELECT count(*) FROM s.made").await, "0");
        assert_eq!(one(&client, "SELECT a FROM t").await, "public");
        running.stop().await;
    });
}

#[test]
fn functions_know_the_session() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        assert_eq!(one(&client, "SELECT current_user || ' ' || current_database()").await, "anybody materialize");
        let pid = one(&client, "SELECT pg_backend_pid()").await;
        assert_ne!(pid, one(&connect(&running).await, "SELECT pg_backend_pid()").await);
        assert!(one(&client, "SELECT version()").await.contains("tidewater"));
        assert_eq!(one(&client, "SELECT count(DISTINCT random()) FROM generate_series(1, 100)").await, "100");
        assert_ne!(one(&client, "SELECT gen_random_uuid()").await, one(&client, "SELECT gen_random_uuid()").await);
        assert_eq!(one(&client, "SELECT now() > '2024-01-01' AND now() <= clock_timestamp()").await, "t");
        running.stop().await;
    });
}
