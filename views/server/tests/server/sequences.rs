//! Sequences over restarts and crashes, and many sessions at once: no number is given away twice.

use std::collections::BTreeSet;

use tokio_postgres::Client;

use crate::transactions::shown;
use crate::{RUNTIME, config, connect, server, started};

async fn number(client: &Client) -> i64 {
    shown(client, "SELECT nextval('s')").await[0].parse().expect("a number")
}

#[test]
fn numbers_are_never_given_away_twice() {
    RUNTIME.block_on(async {
        let config = config();
        let mut seen = BTreeSet::new();
        for round in 0..4 {
            let (running, client) = started(&config).await;
            if round == 0 {
                client
                    .batch_execute(
                        "CREATE SEQUENCE s; CREATE TABLE t (id bigserial PRIMARY KEY, a int); CREATE TABLE u (a int)",
                    )
                    .await
                    .expect("a sequence");
            }
            // More than the first blocks, with other things written in between.
            for count in 0..100 {
                assert!(seen.insert(number(&client).await), "{seen:?}");
                if count % 10 == 0 {
                    client.batch_execute("INSERT INTO u VALUES (1)").await.expect("a row");
                }
            }
            client.batch_execute("INSERT INTO t (a) SELECT g FROM generate_series(1, 500) g").await.expect("rows");
            running.stop().await;
        }
        let (running, client) = started(&config).await;
        assert_eq!(shown(&client, "SELECT count(DISTINCT id) FROM t").await, ["2000"]);
        client.batch_execute("SELECT setval('s', 5, false); ALTER TABLE t RENAME TO v").await.expect("it is set");
        running.stop().await;
        let (running, client) = started(&config).await;
        assert_eq!(number(&client).await, 5);
        client.batch_execute("INSERT INTO v (a) VALUES (1); DROP TABLE v; DROP SEQUENCE s").await.expect("all goes");
        assert_eq!(shown(&client, "SELECT count(*) FROM pg_class WHERE relkind = 'S'").await, ["0"]);
        running.stop().await;
        let _ = std::fs::remove_dir_all(&config.data_dir);
    });
}

#[test]
fn sessions_share_a_sequence() {
    RUNTIME.block_on(async {
        let running = server().await;
        let clients = futures::future::join_all((0..4).map(|_| connect(&running))).await;
        clients[0].batch_execute("CREATE SEQUENCE s").await.expect("a sequence");
        let some = async |client: &Client| {
            let mut some = Vec::new();
            for _ in 0..200 {
                some.push(number(client).await);
            }
            some
        };
        let all: Vec<i64> = futures::future::join_all(clients.iter().map(some)).await.concat();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 800);
        // All of them, without gaps.
        assert_eq!(all.iter().max(), Some(&800));
        running.stop().await;
    });
}
