//! COPY in both directions: by psql, whose output is PostgreSQL's, and by a driver.

use std::io::Write;
use std::process::{Command, Stdio};

use futures::SinkExt;
use tokio_postgres::Client;

use crate::transactions::shown;
use crate::{RUNTIME, connect, server};

/// What psql says to a script.
pub(crate) async fn psql(place: &[&str], script: &str) -> String {
    let mut command = Command::new("psql");
    command.args(["-X", "-q", "-v", "VERBOSITY=terse"]).args(place);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let script = script.to_owned();
    let run = move || {
        let mut child = command.spawn().expect("psql is installed");
        child.stdin.take().expect("it is piped").write_all(script.as_bytes()).expect("it reads");
        child.wait_with_output().expect("it ends")
    };
    let output = tokio::task::spawn_blocking(run).await.expect("psql ran");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A script's output here and at PostgreSQL's.
pub(crate) async fn both(running: &tidewater::Running, script: &str) -> (String, String) {
    let port = running.pg_address.port().to_string();
    let ours = psql(&["-h", "127.0.0.1", "-p", &port, "-U", "materialize", "materialize"], script).await;
    let folder = tidewater_judge::server().folder().to_string_lossy().into_owned();
    let theirs = psql(&["-h", &folder, "-U", "judge", "postgres"], script).await;
    (ours, theirs)
}

const SCRIPT: &str = r#"
CREATE TABLE copied (a int PRIMARY KEY, b text DEFAULT 'd', c numeric(6,2), d varchar(3), CHECK (a < 1000));
COPY copied FROM STDIN;
1	one	1.005	xyz
2	\N	\N	\N
3	a\tb\\c\nd	-7	ü
\.
SELECT * FROM copied ORDER BY a;
COPY copied (c, a) FROM STDIN WITH (FORMAT csv, HEADER, DELIMITER ';', NULL 'nil');
c;a
nil;10
2.5;11
\.
SELECT * FROM copied WHERE a >= 10 ORDER BY a;
COPY copied (a, b) FROM STDIN CSV QUOTE '''' ESCAPE '\';
20,'it\'s, "so"'
21,
22,''
\.
SELECT a, b, b IS NULL FROM copied WHERE a >= 20 ORDER BY a;
\echo errors
COPY copied FROM STDIN;
30	x
\.
COPY copied FROM STDIN;
31	x	1	y	z
\.
COPY copied FROM STDIN;
32	x	one	y
\.
COPY copied (a) FROM STDIN;
33
1
\.
COPY copied (a) FROM STDIN;
34
1000
\.
COPY copied (a, d) FROM STDIN;
35	long
\.
COPY copied (b) FROM STDIN;
x
\.
COPY copied (a, b) FROM STDIN CSV;
36,"open
\.
COPY copied (a, nothing) FROM STDIN;
COPY copied (a) FROM STDIN (DELIMITER ',', QUOTE '"');
COPY copied (a) FROM STDIN (DELIMITER 'ab');
SELECT count(*) FROM copied;
\echo out
COPY (SELECT a, b, d FROM copied ORDER BY a) TO STDOUT;
COPY (SELECT b, a FROM copied ORDER BY a) TO STDOUT (FORMAT csv, HEADER, QUOTE '''', ESCAPE '"', DELIMITER '|');
\copy copied (a, b) from stdin
40	by psql
\.
\copy (select a, b from copied where a = 40) to stdout csv
BEGIN;
COPY copied (a) FROM STDIN;
50
\.
SELECT count(*) FROM copied WHERE a = 50;
ROLLBACK;
SELECT count(*) FROM copied WHERE a = 50;
DROP TABLE copied;
"#;

#[test]
fn psql_copies_as_from_postgresql() {
    RUNTIME.block_on(async {
        let running = server().await;
        let (ours, theirs) = both(&running, SCRIPT).await;
        assert_eq!(ours, theirs);
        running.stop().await;
    });
}

async fn copy(client: &Client, text: &str, lines: &[&'static str]) -> Result<u64, tokio_postgres::Error> {
    let sink = client.copy_in::<_, &'static [u8]>(text).await?;
    futures::pin_mut!(sink);
    for line in lines {
        sink.send(line.as_bytes()).await?;
    }
    sink.finish().await
}

#[test]
fn a_driver_copies_many_rows_as_one_change() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        client
            .batch_execute("CREATE TABLE t (a int, b text); CREATE MATERIALIZED VIEW v AS SELECT count(*) AS c FROM t")
            .await
            .expect("a table");
        // Lines need not be whole in a message.
        let lines = ["1\tx\n2", "\ty\n3\tz\n"];
        assert_eq!(copy(&client, "COPY t FROM STDIN", &lines).await.expect("rows"), 3);
        assert_eq!(shown(&client, "SELECT c FROM v").await, ["3"]);
        let error = copy(&client, "COPY t FROM STDIN", &["4\tx\nfive\ty\n"]).await.expect_err("no number");
        let error = error.as_db_error().expect("the server's");
        assert_eq!(error.code().code(), "22P02");
        assert_eq!(error.detail(), Some("COPY t, line 2, column a: \"five\""));
        assert_eq!(shown(&client, "SELECT c FROM v").await, ["3"], "nothing of it is done");
        client.batch_execute("BEGIN").await.expect("BEGIN");
        assert_eq!(copy(&client, "COPY t (a) FROM STDIN (FORMAT csv)", &["4\n5\n"]).await.expect("rows"), 2);
        assert_eq!(shown(&client, "SELECT count(*) FROM t").await, ["5"]);
        client.batch_execute("COMMIT").await.expect("COMMIT");
        assert_eq!(shown(&client, "SELECT c FROM v").await, ["5"]);
        // A client that gives up.
        let sink = client.copy_in::<_, &'static [u8]>("COPY t FROM STDIN").await.expect("it begins");
        drop(sink);
        assert_eq!(shown(&client, "SELECT c FROM v").await, ["5"]);
        for (text, code) in [
            ("COPY v FROM STDIN", "42809"),
            ("COPY t FROM STDIN; SELECT 1", "0A000"),
            ("COPY t FROM STDIN BINARY", "0A000"),
        ] {
            let error = client.batch_execute(text).await.expect_err("refused");
            assert_eq!(error.code().map(|code| code.code()), Some(code), "{text}");
        }
        running.stop().await;
    });
}
