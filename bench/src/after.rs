//! Reading one's own writes on a running stack: through the shop, then from the view with `?after=`.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// Where the stack is, and how hard it is driven meanwhile.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The shop, host:port
    #[arg(long, default_value = "127.0.0.1:8001")]
    shop: String,
    /// MySQL, for the load
    #[arg(long, default_value = "mysql://shop:shop@127.0.0.1:3306/shop")]
    mysql: String,
    /// Writes, each followed by its read
    #[arg(long, default_value_t = 1_000)]
    reads: u64,
    /// Transactions a second of others meanwhile
    #[arg(long, default_value_t = 100)]
    rate: u64,
}

/// An answer of the shop.
struct Answer {
    status: u16,
    position: Option<String>,
    body: String,
}

/// One request on a connection that stays open.
async fn request(socket: &mut TcpStream, line: &str, body: &str) -> Result<Answer> {
    let text = format!(
        "{line} HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(text.as_bytes()).await?;
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if socket.read_buf(&mut bytes).await? == 0 {
            return Err("the shop closed the connection".into());
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
    let header = |name: &str| text.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()));
    let length: usize = header("content-length:").map_or(Ok(0), |length| length.parse())?;
    let mut body = bytes.split_off(head + 4);
    while body.len() < length {
        if socket.read_buf(&mut body).await? == 0 {
            return Err("the shop closed the connection".into());
        }
    }
    let status = text.split(' ').nth(1).ok_or("no status")?.parse()?;
    Ok(Answer { status, position: header("tidewater-position:"), body: String::from_utf8(body)? })
}

/// Changes other users all the time, so that there is always something newer on its way.
async fn load(pool: sqlx::MySqlPool, rate: u64, first: i64) -> Result<(), sqlx::Error> {
    let mut tick = tokio::time::interval(Duration::from_micros(1_000_000 / rate.max(1)));
    for number in 0_i64.. {
        tick.tick().await;
        let change = "UPDATE users SET phone = ? WHERE id = ?";
        sqlx::query(change).bind(number.to_string()).bind(first + 1 + number % 50).execute(&pool).await?;
    }
    Ok(())
}

/// Writes through the shop and reads the view after the write's position; every read must show its write.
pub(crate) async fn run(options: Options) -> Result<()> {
    let pool = sqlx::mysql::MySqlPoolOptions::new().max_connections(2).connect(&options.mysql).await?;
    let (order, user): (i64, i64) =
        sqlx::query_as("SELECT id, user_id FROM orders ORDER BY user_id, id LIMIT 1").fetch_one(&pool).await?;
    let others = (options.rate > 0).then(|| tokio::spawn(load(pool.clone(), options.rate, user)));
    let mut socket = TcpStream::connect(&options.shop).await?;
    socket.set_nodelay(true)?;
    let (mut whole, mut waits) = (Vec::new(), Vec::new());
    for number in 0..options.reads {
        let phone = format!("+{number}");
        let begun = Instant::now();
        let body = serde_json::json!({ "phone": phone }).to_string();
        let written = request(&mut socket, &format!("PATCH /users/{user}"), &body).await?;
        let position = written.position.filter(|_| written.status == 200);
        let position =
            position.ok_or_else(|| format!("write {number}: status {} without a position", written.status))?;
        let wrote = Instant::now();
        let read = request(&mut socket, &format!("GET /order_details_mv/{order}?after={position}"), "").await?;
        let seen = serde_json::from_str::<serde_json::Value>(&read.body)?["user_phone"].clone();
        if read.status != 200 || seen != phone.as_str() {
            return Err(format!("after {position} the read shows {seen}, not {phone}: {}", read.body).into());
        }
        waits.push(wrote.elapsed().as_secs_f64() * 1e3);
        whole.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    if let Some(others) = others {
        others.abort();
    }
    println!("{} of {} reads show their write, beside {} transactions/s", waits.len(), options.reads, options.rate);
    print("read with ?after", waits);
    print("write and read", whole);
    Ok(())
}

fn print(what: &str, mut millis: Vec<f64>) {
    millis.sort_by(f64::total_cmp);
    let at =
        |part: f64| millis.get((millis.len() as f64 * part) as usize).or(millis.last()).copied().unwrap_or(f64::NAN);
    println!("{what}: p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, max {:.1} ms", at(0.5), at(0.9), at(0.99), at(1.0));
}
