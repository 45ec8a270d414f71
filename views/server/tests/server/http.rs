//! HTTP: health, metrics, SQL as JSON.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{RUNTIME, server};

/// An answer; its head in lower case.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// One request and its answer.
pub(crate) async fn request(address: std::net::SocketAddr, head: &str, body: &str) -> Answer {
    request_of(address, "localhost", head, body).await
}

/// The same under another name of the server's.
async fn request_of(address: std::net::SocketAddr, host: &str, head: &str, body: &str) -> Answer {
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    let length = body.len();
    let request = format!(
        "{head} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    // A server that refuses a request may have closed the connection before all of it is sent.
    let _ = socket.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).expect("UTF-8");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let head = head.to_lowercase();
    let body = if head.contains("transfer-encoding: chunked") { joined(body) } else { body.to_owned() };
    Answer { status, head, body }
}

/// A body that came in chunks, each with its length in hexadecimal before it.
fn joined(mut chunks: &str) -> String {
    let mut body = String::new();
    loop {
        let (length, rest) = chunks.split_once("\r\n").expect("a length");
        let length = usize::from_str_radix(length, 16).expect("a length");
        if length == 0 {
            return body;
        }
        body.push_str(&rest[..length]);
        chunks = &rest[length + 2..];
    }
}

/// Status and body of one request.
async fn ask(address: std::net::SocketAddr, head: &str, body: &str) -> (u16, String) {
    let answer = request(address, head, body).await;
    (answer.status, answer.body)
}

/// A page whose name points here reads nothing (DNS rebinding).
#[test]
fn requests_under_another_s_name_are_refused() {
    RUNTIME.block_on(async {
        let running = server().await;
        let body = json!({"query": "SELECT 1 AS one"}).to_string();
        let ask = async |host: &str, head: &str| request_of(running.http_address, host, head, &body).await;
        let answer = ask("evil.example:6876", "POST /api/sql").await;
        assert!(answer.status == 403 && answer.body.contains("--http-name evil.example"), "{}", answer.body);
        assert_eq!(ask("127.0.0.1:6876", "POST /api/sql").await.status, 200);
        assert_eq!(ask("evil.example", "GET /health").await.status, 200, "machines call a server by any name");
        running.stop().await;
    });
}

#[test]
fn sql_as_json() {
    RUNTIME.block_on(async {
        let running = server().await;
        let sql = async |body: Value| {
            let (status, text) = ask(running.http_address, "POST /api/sql", &body.to_string()).await;
            assert_eq!(status, 200, "{text}");
            serde_json::from_str::<Value>(&text).expect("JSON")["results"].clone()
        };
        let results = sql(json!({"query": "CREATE TABLE t (a int, n numeric(5,2)); INSERT INTO t VALUES (1, 2.5), (2, NULL); SELECT * FROM t ORDER BY a"})).await;
        assert_eq!(results[0]["ok"], "CREATE TABLE");
        assert_eq!(results[1]["ok"], "INSERT 0 2");
        assert_eq!(results[2]["rows"], json!([[1, "2.50"], [2, null]]));
        assert_eq!(results[2]["desc"]["columns"][1]["type_oid"], 1700);
        let results = sql(json!({"queries": [{"query": "SELECT n FROM t WHERE a = $1", "params": ["1"]}]})).await;
        assert_eq!(results[0]["rows"], json!([["2.50"]]));
        let results = sql(json!({"query": "SELECT 1; SELECT * FROM nowhere; SELECT 2"})).await;
        assert_eq!(results.as_array().map(Vec::len), Some(2), "it stops at the first error");
        assert_eq!(results[1]["error"]["code"], "42P01");
        let (status, _) = ask(running.http_address, "POST /api/sql", "{").await;
        assert_eq!(status, 400);
        running.stop().await;
    });
}

#[test]
fn health_readiness_and_metrics() {
    RUNTIME.block_on(async {
        let running = server().await;
        assert_eq!(ask(running.http_address, "GET /health", "").await, (200, "ok\n".into()));
        assert_eq!(ask(running.http_address, "GET /ready", "").await, (200, "ready\n".into()));
        let (status, text) = ask(running.http_address, "GET /metrics", "").await;
        assert!(status == 200 && text.contains("tidewater_ticks_total 0"), "{text}");
        running.stop().await;
    });
}

#[test]
fn requests_that_cannot_be_done_say_why() {
    RUNTIME.block_on(async {
        let running = server().await;
        for (body, expected) in
            [("{}", "expected {\"query\""), ("{\"query\": 1}", "expected {\"query\""), ("[", "expected {\"query\"")]
        {
            let (status, text) = ask(running.http_address, "POST /api/sql", body).await;
            assert!(status == 400 && text.contains(expected), "{body}: {status} {text}");
        }
        let large = json!({"query": format!("SELECT '{}'", "x".repeat(17 << 20))}).to_string();
        assert_eq!(ask(running.http_address, "POST /api/sql", &large).await.0, 413);
        let large = json!({"query": format!("SELECT length('{}') AS n", "x".repeat(3 << 20))}).to_string();
        assert!(ask(running.http_address, "POST /api/sql", &large).await.1.contains("3145728"));
        let error = async |body: Value| {
            let (_, text) = ask(running.http_address, "POST /api/sql", &body.to_string()).await;
            let results = serde_json::from_str::<Value>(&text).expect("JSON")["results"].clone();
            results.as_array().and_then(|all| all.last()).expect("a result")["error"]["code"].clone()
        };
        assert_eq!(error(json!({"queries": [{"query": "SELECT $1::int", "params": []}]})).await, "08P01");
        assert_eq!(error(json!({"queries": [{"query": "SELECT $1::int", "params": ["1", "2"]}]})).await, "08P01");
        assert_eq!(error(json!({"queries": [{"query": "SELECT 1; SELECT 2"}]})).await, "42601");
        assert_eq!(
            error(json!({"query": "CREATE TABLE t (a int); BEGIN; INSERT INTO t VALUES (1); ROLLBACK"})).await,
            "0A000"
        );
        assert_eq!(error(json!({"query": "SELECT * FROM t"})).await, Value::Null);
        let long =
            "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b WHERE a.a + b.b = -1";
        assert_eq!(error(json!({"query": format!("SET statement_timeout = 300; {long}")})).await, "57014");
        running.stop().await;
    });
}
