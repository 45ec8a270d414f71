//! HTTP: health, metrics, SQL as JSON.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{RUNTIME, server};

/// Status and body of one request.
async fn request(address: std::net::SocketAddr, head: &str, body: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    let length = body.len();
    let request = format!(
        "{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    socket.write_all(request.as_bytes()).await.expect("it is sent");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("an answer");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

#[test]
fn sql_as_json() {
    RUNTIME.block_on(async {
        let running = server().await;
        let sql = async |body: Value| {
            let (status, text) = request(running.http_address, "POST /api/sql", &body.to_string()).await;
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
        let (status, _) = request(running.http_address, "POST /api/sql", "{").await;
        assert_eq!(status, 400);
        running.stop().await;
    });
}

#[test]
fn health_readiness_and_metrics() {
    RUNTIME.block_on(async {
        let running = server().await;
        assert_eq!(request(running.http_address, "GET /health", "").await, (200, "ok\n".into()));
        assert_eq!(request(running.http_address, "GET /ready", "").await, (200, "ready\n".into()));
        let (status, text) = request(running.http_address, "GET /metrics", "").await;
        assert!(status == 200 && text.contains("tidewater_ticks_total 0"), "{text}");
        running.stop().await;
    });
}
