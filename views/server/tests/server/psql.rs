//! psql itself: its commands that list and describe.

use std::process::Command;

use crate::{RUNTIME, connect, server};

#[test]
fn listings_and_descriptions() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        client
            .batch_execute(
                "CREATE TABLE t (id bigint NOT NULL, n numeric(10,2), z timestamptz);
                 CREATE VIEW v AS SELECT id FROM t;
                 CREATE MATERIALIZED VIEW m AS SELECT id, n FROM t;
                 CREATE INDEX m_by_id ON m (id)",
            )
            .await
            .expect("objects");
        let port = running.pg_address.port().to_string();
        let run_psql = async |tuples: &'static str, command: &'static str| {
            let port = port.clone();
            let run = move || {
                let arguments = [
                    "-X",
                    "-A",
                    tuples,
                    "-U",
                    "materialize",
                    "-h",
                    "127.0.0.1",
                    "-p",
                    &port,
                    "materialize",
                    "-c",
                    command,
                ];
                Command::new("psql").args(arguments).output().expect("psql is installed")
            };
            let output = tokio::task::spawn_blocking(run).await.expect("psql ran");
            let text =
                format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success() && !text.contains("ERROR"), "{command}: {text}");
            text
        };
        let psql = async |command: &'static str| run_psql("-t", command).await;
        assert_eq!(
            psql("\\d").await,
            "public|m|materialized view|materialize\npublic|t|table|materialize\npublic|v|view|materialize\n"
        );
        assert_eq!(psql("\\dt").await, "public|t|table|materialize\n");
        assert_eq!(psql("\\dv").await, "public|v|view|materialize\n");
        assert_eq!(psql("\\dm").await, "public|m|materialized view|materialize\n");
        assert_eq!(psql("\\di").await, "public|m_by_id|index|materialize|m\n");
        assert!(psql("\\dn").await.contains("public|materialize"));
        assert!(psql("\\l").await.contains("materialize|materialize"));
        let described = psql("\\d t").await;
        for line in ["id|bigint||not null|", "n|numeric(10,2)|||", "z|timestamp with time zone|||"] {
            assert!(described.contains(line), "{described}");
        }
        // Footers are shown without -t only.
        let described = run_psql("-q", "\\d m").await;
        assert!(described.contains("n|numeric(10,2)") && described.contains("m_by_id"), "{described}");
        assert!(psql("\\df now").await.contains("pg_catalog|now|"));
        assert!(psql("\\dT int8").await.contains("bigint"));
        for command in ["\\du", "\\dx", "\\ds", "\\df", "\\df+", "\\dT", "\\dT+", "\\dp", "\\db", "\\dt+", "\\l+"] {
            psql(command).await;
        }
        assert!(psql("SELECT version()").await.contains("tidewater"));
        running.stop().await;
    });
}
