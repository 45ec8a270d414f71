//! Views over tables that hold rows already are built while writers and readers go on.

use crate::{RUNTIME, connect, server};

const ROWS: i64 = 60_000;

#[test]
fn a_view_is_built_while_rows_come_and_other_views_are_read() {
    RUNTIME.block_on(async {
        let running = server().await;
        let (creator, writer) = (connect(&running).await, connect(&running).await);
        creator
            .batch_execute(&format!(
                "CREATE TABLE t (id bigint, g bigint, note text);
                 CREATE MATERIALIZED VIEW groups AS SELECT g, count(*) AS n, max(id) AS last FROM t GROUP BY g;
                 INSERT INTO t SELECT value, value % 1000, 'a note that takes some room in its chunk ' || value
                 FROM generate_series(1, {ROWS}) AS g(value)"
            ))
            .await
            .expect("rows");
        let create = "CREATE MATERIALIZED VIEW pairs AS SELECT t.id, t.g, n, last FROM t JOIN groups ON groups.g = t.g;
                      CREATE MATERIALIZED VIEW totals AS SELECT g, count(*) AS n, sum(id) AS ids, min(id) AS first,
                        string_agg(note, ',' ORDER BY id DESC) AS notes FROM pairs JOIN t USING (id, g) GROUP BY g;
                      CREATE INDEX ON pairs (g)";
        // What one connection writes and reads in turn while the other's views are built.
        let meanwhile = async {
            for id in 1..=40_i64 {
                let insert = format!("INSERT INTO t VALUES ({}, {id}, 'new'); DELETE FROM t WHERE id = {id}", ROWS + id);
                writer.batch_execute(&insert).await.expect("it is written");
                let text = format!("SELECT n, last FROM groups WHERE g = {id}");
                let row = writer.query_one(&text, &[]).await.expect("an older view answers");
                assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (ROWS / 1000, ROWS + id));
            }
        };
        let (created, ()) = tokio::join!(creator.batch_execute(create), meanwhile);
        created.expect("views");
        for (kept, fresh) in [
            ("SELECT count(*), sum(id)::bigint, sum(n)::bigint, sum(last)::bigint FROM pairs",
                "SELECT count(*), sum(t.id)::bigint, sum(n)::bigint, sum(last)::bigint FROM t JOIN groups USING (g)",
            ),
            (
                "SELECT count(*), sum(ids)::bigint, sum(first)::bigint, sum(n)::bigint FROM totals WHERE notes LIKE 'new,%' OR g = 0 OR g > 40",
                "SELECT count(*), sum(ids)::bigint, sum(first)::bigint, sum(n)::bigint
                 FROM (SELECT sum(id) AS ids, min(id) AS first, count(*) AS n FROM t GROUP BY g) AS fresh",
            ),
        ] {
            let kept = creator.query_one(kept, &[]).await.expect("the view answers once it is built");
            let fresh = creator.query_one(fresh, &[]).await.expect("an answer");
            for column in 0..4 {
                assert_eq!(kept.get::<_, i64>(column), fresh.get::<_, i64>(column), "column {column}");
            }
        }
        let looked_up = creator.query("SELECT id FROM pairs WHERE g = 7", &[]).await.expect("by the index");
        assert_eq!(looked_up.len() as i64, ROWS / 1000);
        let state = creator.query_one("SHOW MATERIALIZED VIEWS LIKE 'totals'", &[]).await.expect("its state");
        assert_eq!(state.get::<_, &str>("status"), "running");
        running.stop().await;
    });
}
