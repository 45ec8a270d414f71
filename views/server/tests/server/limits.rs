//! Large results, long queries, odd clients: nothing is collected, nobody is held up, every refusal says why.

use bytes::{BufMut, BytesMut};
use futures::TryStreamExt;
use tidewater::Running;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::error::SqlState;

use crate::{RUNTIME, connect, queries_begun, server, started, until_begun, within};

/// A query that computes far longer than any test waits, without a pause.
const LONG: &str = "SELECT count(*) FROM big a, big b WHERE a.id + b.id = -1";

pub(crate) async fn big(running: &Running, rows: u32) -> tokio_postgres::Client {
    let client = connect(running).await;
    let fill = format!(
        "CREATE TABLE big (id bigint, s text);
         INSERT INTO big SELECT i, 'some text that makes the row a bit longer' FROM generate_series(1, {rows}) AS g(i)"
    );
    client.batch_execute(&fill).await.expect("rows");
    client
}

/// A socket on which a test writes messages by itself.
pub(crate) async fn raw(running: &Running) -> TcpStream {
    TcpStream::connect(running.pg_address).await.expect("a connection")
}

fn startup(parameters: &[u8]) -> Vec<u8> {
    let mut packet = BytesMut::new();
    packet.put_i32(parameters.len() as i32 + 8);
    packet.put_i32(196_608);
    packet.put_slice(parameters);
    packet.to_vec()
}

pub(crate) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = BytesMut::new();
    packet.put_u8(kind);
    packet.put_i32(body.len() as i32 + 4);
    packet.put_slice(body);
    packet.to_vec()
}

/// The next message: its kind and body.
async fn next(socket: &mut TcpStream) -> (u8, Vec<u8>) {
    let kind = socket.read_u8().await.expect("a message");
    let length = socket.read_i32().await.expect("its length") as usize;
    let mut body = vec![0; length - 4];
    socket.read_exact(&mut body).await.expect("its body");
    (kind, body)
}

/// Messages up to the first of a kind.
pub(crate) async fn until(socket: &mut TcpStream, kind: u8) -> Vec<(u8, Vec<u8>)> {
    let mut all = Vec::new();
    loop {
        all.push(next(socket).await);
        if all.last().is_some_and(|(found, _)| *found == kind) {
            return all;
        }
    }
}

/// A session that is ready.
pub(crate) async fn ready(running: &Running) -> TcpStream {
    let mut socket = raw(running).await;
    socket.write_all(&startup(b"user\0x\0\0")).await.expect("it is sent");
    until(&mut socket, b'Z').await;
    socket
}

fn parse_bind(sql: &str) -> Vec<u8> {
    let mut parse = vec![0];
    parse.extend(sql.as_bytes());
    parse.extend([0, 0, 0]);
    let mut all = message(b'P', &parse);
    all.extend(message(b'B', &[0, 0, 0, 0, 0, 0, 0, 0]));
    all
}

fn execute(rows: i32) -> Vec<u8> {
    let mut body = vec![0];
    body.extend(rows.to_be_bytes());
    message(b'E', &body)
}

fn kinds(messages: &[(u8, Vec<u8>)]) -> String {
    messages.iter().map(|(kind, _)| *kind as char).collect()
}

#[test]
fn a_portal_is_fetched_in_pieces() {
    RUNTIME.block_on(async {
        let running = server().await;
        let mut client = big(&running, 10).await;
        let block = client.transaction().await.expect("BEGIN");
        let portal = block.bind("SELECT id FROM big ORDER BY id", &[]).await.expect("a portal");
        let mut sizes = Vec::new();
        for _ in 0..4 {
            sizes.push(block.query_portal(&portal, 4).await.expect("rows").len());
        }
        assert_eq!(sizes, [4, 4, 2, 0]);
        block.commit().await.expect("COMMIT");
        let mut socket = ready(&running).await;
        let mut all = parse_bind("SELECT id FROM big ORDER BY id");
        for rows in [5, 5, 5, i32::MAX, -1] {
            all.extend(execute(rows));
        }
        all.extend(message(b'S', &[]));
        socket.write_all(&all).await.expect("it is sent");
        let messages = until(&mut socket, b'Z').await;
        assert_eq!(kinds(&messages), "12DDDDDsDDDDDsCCCZ");
        let tags: Vec<_> = messages.iter().filter(|(kind, _)| *kind == b'C').map(|(_, body)| &body[..]).collect();
        assert_eq!(tags, [&b"SELECT 0\0"[..]; 3]);
        // A portal of a statement without rows runs once.
        let mut all = parse_bind("SET application_name = 'x'");
        all.extend([execute(0), execute(0), message(b'S', &[])].concat());
        socket.write_all(&all).await.expect("it is sent");
        assert_eq!(kinds(&until(&mut socket, b'Z').await), "12SCEZ");
        running.stop().await;
    });
}

#[test]
fn rows_arrive_while_the_query_computes() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = big(&running, 30_000).await;
        // The last rows fail: whoever collects all of them first has none to send.
        let rows = client.query_raw("SELECT 1 / (id - 30000) FROM big", Vec::<String>::new()).await.expect("rows");
        futures::pin_mut!(rows);
        let mut came = 0;
        let failed = loop {
            match within(rows.try_next()).await {
                Ok(Some(_)) => came += 1,
                Ok(None) => panic!("the last row fails"),
                Err(error) => break error,
            }
        };
        assert_eq!(failed.code(), Some(&SqlState::DIVISION_BY_ZERO));
        assert!(came > 0, "rows came before the failure");
        running.stop().await;
    });
}

#[test]
fn long_queries_hold_nobody_up() {
    RUNTIME.block_on(async {
        let running = server().await;
        let (client, other) = (big(&running, 30_000).await, connect(&running).await);
        let before = queries_begun(&running);
        let long = client.query(LONG, &[]);
        let short = async {
            until_begun(&running, before).await;
            for _ in 0..20 {
                other.query("SELECT id FROM big WHERE id = 7", &[]).await.expect("a row");
            }
        };
        let short_first = within(async {
            tokio::select! {
                _ = long => false,
                () = short => true,
            }
        });
        assert!(short_first.await, "the short ones end while the long one computes");
        running.stop().await;
    });
}

#[test]
fn a_long_query_ends_at_its_timeout() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = big(&running, 30_000).await;
        client.batch_execute("SET statement_timeout = '1s'").await.expect("SET");
        let ended = within(client.query(LONG, &[])).await.map(drop).expect_err("a timeout");
        assert_eq!(ended.code(), Some(&SqlState::QUERY_CANCELED));
        assert_eq!(client.query("SELECT 1", &[]).await.expect("the session goes on").len(), 1);
        running.stop().await;
    });
}

#[test]
fn the_server_stops_while_clients_are_busy() {
    RUNTIME.block_on(async {
        let running = server().await;
        let (busy, mut idle) = (big(&running, 100_000).await, ready(&running).await);
        let before = queries_begun(&running);
        let long = tokio::spawn(async move { busy.query(LONG, &[]).await.map(drop) });
        until_begun(&running, before).await;
        within(running.stop()).await;
        let (kind, body) = next(&mut idle).await;
        assert!(kind == b'E' && String::from_utf8_lossy(&body).contains("57P01"), "an idle client is told");
        let told = long.await.expect("no panic").expect_err("it was cut off");
        assert_eq!(told.code(), Some(&SqlState::ADMIN_SHUTDOWN), "a busy client is told, too: {told:?}");
    });
}

#[test]
fn bytes_that_are_no_message_are_answered_by_an_error() {
    RUNTIME.block_on(async {
        let running = server().await;
        let answer = async |socket: &mut TcpStream, bytes: &[u8]| {
            // The server may be done with it before all is sent.
            let _ = socket.write_all(bytes).await;
            let mut answer = Vec::new();
            // A connection that is reset has ended, too.
            let _ = within(socket.read_to_end(&mut answer)).await;
            String::from_utf8_lossy(&answer).into_owned()
        };
        for bytes in [
            &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
            b"\0\0\0\x08\0\x02\0\0",
            b"\x7f\xff\xff\xff\0\x03\0\0",
            b"\xff\xff\xff\xff\0\x03\0\0",
            b"\0\0\0\0\0\0\0\0",
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        ] {
            let told = answer(&mut raw(&running).await, bytes).await;
            assert!(told.contains("PostgreSQL's protocol"), "{bytes:?}: {told}");
        }
        for bytes in [&b"?\0\0\0\x04"[..], b"Q\x7f\xff\xff\xff", b"B\0\0\0\x05\0", b"P\0\0\0\x02", b"E\0\0\0\x06\0\0"] {
            let told = answer(&mut ready(&running).await, bytes).await;
            assert!(told.contains("FATAL") && told.contains("08P01"), "{bytes:?}: {told}");
        }
        // After all of that, the server is well.
        connect(&running).await.batch_execute("SELECT 1").await.expect("an answer");
        running.stop().await;
    });
}

#[test]
fn encryption_is_declined_and_the_connection_goes_on() {
    RUNTIME.block_on(async {
        let running = server().await;
        for codes in [vec![80_877_103], vec![80_877_104], vec![80_877_104, 80_877_103], vec![80_877_103, 80_877_104]] {
            let mut socket = raw(&running).await;
            for code in codes {
                socket.write_all(&[&8_i32.to_be_bytes()[..], &i32::to_be_bytes(code)].concat()).await.expect("sent");
                assert_eq!(socket.read_u8().await.expect("an answer"), b'N');
            }
            socket.write_all(&startup(b"user\0x\0database\0anything\0\0")).await.expect("it is sent");
            until(&mut socket, b'Z').await;
        }
        running.stop().await;
    });
}

#[test]
fn startup_parameters_that_cannot_be_met() {
    RUNTIME.block_on(async {
        let running = server().await;
        let mut socket = raw(&running).await;
        socket.write_all(&startup(b"user\0x\0client_encoding\0LATIN1\0\0")).await.expect("it is sent");
        let (kind, body) = next(&mut socket).await;
        let text = String::from_utf8_lossy(&body);
        assert!(kind == b'E' && text.contains("FATAL") && text.contains("22023"), "{text}");
        // A zone is not worth a refusal: the client is told which one it has.
        for (zone, told) in [("Europe/Berlin", "Europe/Berlin"), ("europe/london", "Europe/London"), ("Moon", "UTC")] {
            let mut socket = raw(&running).await;
            let parameters = format!("user\0x\0TimeZone\0{zone}\0options\0-c statement_timeout=5s\0\0");
            socket.write_all(&startup(parameters.as_bytes())).await.expect("it is sent");
            let messages = until(&mut socket, b'Z').await;
            let expected = format!("TimeZone\0{told}\0");
            assert!(messages.iter().any(|(kind, body)| *kind == b'S' && body == expected.as_bytes()), "{zone}");
        }
        running.stop().await;
    });
}

#[test]
fn many_idle_clients_and_some_that_vanish() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = big(&running, 30_000).await;
        let mut idle = Vec::new();
        for _ in 0..200 {
            idle.push(ready(&running).await);
        }
        for _ in 0..2 {
            // Gone in the middle of a result, and in the middle of a computation.
            for text in ["SELECT a.s FROM big a, big b", LONG] {
                let mut socket = ready(&running).await;
                let text = [text.as_bytes(), b"\0"].concat();
                socket.write_all(&message(b'Q', &text)).await.expect("it is sent");
            }
        }
        within(client.query("SELECT id FROM big WHERE id = 7", &[])).await.expect("a row");
        idle.clear();
        running.stop().await;
    });
}

#[test]
fn a_server_that_cannot_start_says_why_in_one_sentence() {
    RUNTIME.block_on(async {
        let running = server().await;
        let folder = crate::config().data_dir;
        let config = |pg_port, http_port, data_dir: &std::path::Path| tidewater::config::Config {
            pg_port,
            http_port,
            ..crate::config_in(data_dir.to_owned())
        };
        let why = async |config: &tidewater::config::Config| match tidewater::start(config).await {
            Ok(_) => panic!("it started"),
            Err(error) => error.to_string(),
        };
        let told = why(&config(running.pg_address.port(), 0, &folder)).await;
        assert!(told.contains("another program uses the port") && told.contains("--pg-port"), "{told}");
        let told = why(&config(0, running.http_address.port(), &folder)).await;
        assert!(told.contains("another program uses the port") && told.contains("--http-port"), "{told}");
        let told = why(&config(0, 0, std::path::Path::new("/proc/nothing"))).await;
        assert!(told.contains("/proc/nothing") && told.contains("--data-dir"), "{told}");
        let other = tidewater::start(&config(0, 0, &folder)).await.expect("a server");
        let told = why(&config(0, 0, &folder)).await;
        assert!(told.contains("another tidewater uses it") && told.contains("--data-dir"), "{told}");
        other.stop().await;
        tidewater::start(&config(0, 0, &folder)).await.expect("the folder is free again").stop().await;
        running.stop().await;
    });
}

#[test]
fn clients_beyond_the_limit_are_told_and_room_comes_back() {
    RUNTIME.block_on(async {
        let config = tidewater::config::Config { max_connections: 2, ..crate::config() };
        let (running, first) = started(&config).await;
        let second = connect(&running).await;
        let address = format!("host=127.0.0.1 port={} user=anybody dbname=materialize", running.pg_address.port());
        let third = async || tokio_postgres::connect(&address, tokio_postgres::NoTls).await;
        let refused = third().await.err().expect("no room");
        assert_eq!(refused.code(), Some(&SqlState::TOO_MANY_CONNECTIONS), "{refused}");
        for client in [&first, &second] {
            client.batch_execute("SELECT 1").await.expect("those that are there go on");
        }
        drop(first);
        let mut again = tokio::time::interval(std::time::Duration::from_millis(20));
        within(async {
            while third().await.is_err() {
                again.tick().await;
            }
        })
        .await;
        running.stop().await;
    });
}
