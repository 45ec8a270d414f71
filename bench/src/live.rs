//! A running stack, as its users see it.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio_postgres::types::Type;
use tokio_postgres::{Client, NoTls};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Where the stack is, and how hard it is driven.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// MySQL
    #[arg(long, default_value = "mysql://shop:shop@127.0.0.1:3306/shop")]
    mysql: String,
    /// Tidewater
    #[arg(long, default_value = "postgres://materialize@127.0.0.1:6875/materialize")]
    tidewater: String,
    /// Transactions a second
    #[arg(long, default_value_t = 100)]
    rate: u64,
    /// Seconds
    #[arg(long, default_value_t = 30)]
    seconds: u64,
}

/// Which lookups.
#[derive(Debug, clap::Args)]
pub(crate) struct LookupOptions {
    /// Tidewater
    #[arg(long, default_value = "postgres://materialize@127.0.0.1:6875/materialize")]
    tidewater: String,
    /// Connections
    #[arg(long, default_value_t = 4)]
    connections: u64,
    /// Lookups under way on each connection
    #[arg(long, default_value_t = 16)]
    pipeline: u64,
    /// Seconds
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Process id of the server, whose CPU time is then told
    #[arg(long)]
    pid: Option<u32>,
    /// Orders that exist
    #[arg(long, default_value_t = 10_000)]
    orders: i64,
}

async fn connect(address: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(address, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// MySQL's commit to the first SELECT that sees it: a user's phone number counts up, a reader reads it all the time
/// through order_summary, five inputs away.
pub(crate) async fn freshness(options: Options) -> Result<()> {
    let pool = sqlx::mysql::MySqlPoolOptions::new().max_connections(1).connect(&options.mysql).await?;
    let client = connect(&options.tidewater).await?;
    let (order, user): (i64, i64) =
        sqlx::query_as("SELECT id, user_id FROM orders ORDER BY id LIMIT 1").fetch_one(&pool).await?;
    let select =
        client.prepare_typed("SELECT user_phone FROM order_summary WHERE order_id = $1", &[Type::INT8]).await?;
    let committed: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let writes = options.rate * options.seconds;
    let times = committed.clone();
    let writer = tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_micros(1_000_000 / options.rate));
        for number in 0..writes {
            tick.tick().await;
            sqlx::query("UPDATE users SET phone = ? WHERE id = ?")
                .bind(number.to_string())
                .bind(user)
                .execute(&pool)
                .await?;
            times.lock().expect("no panic").push(Instant::now());
        }
        Ok::<_, sqlx::Error>(())
    });
    let mut seen = Vec::new();
    let (begun, mut reads) = (Instant::now(), 0_u64);
    let limit = Duration::from_secs(options.seconds + 30);
    while (seen.len() as u64) < writes && begun.elapsed() < limit {
        let row = client.query_one(&select, &[&order]).await?;
        reads += 1;
        let now = Instant::now();
        if let Some(number) = row.get::<_, Option<&str>>(0).and_then(|phone| phone.parse::<usize>().ok()) {
            // The old phone number may be a number, too.
            while seen.len() <= number && seen.len() < committed.lock().expect("no panic").len() {
                seen.push(now);
            }
        }
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    writer.await??;
    let committed = committed.lock().expect("no panic");
    let mut delays: Vec<f64> = seen
        .iter()
        .zip(committed.iter())
        .map(|(seen, done)| seen.saturating_duration_since(*done).as_secs_f64() * 1e3)
        .collect();
    delays.sort_by(f64::total_cmp);
    let at = |part: f64| {
        delays
            .get(((delays.len() as f64 * part) as usize).min(delays.len().saturating_sub(1)))
            .copied()
            .unwrap_or(f64::NAN)
    };
    println!("{} of {writes} commits seen in {reads} reads at {} transactions/s", delays.len(), options.rate);
    println!(
        "MySQL commit -> SELECT: p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0)
    );
    Ok(())
}

/// User and system CPU seconds of a process (proc(5), fields 14 and 15 in ticks of 1/100 s).
fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

/// Rows of order_summary by key.
pub(crate) async fn lookups(options: LookupOptions) -> Result<()> {
    let before = options.pid.and_then(cpu_seconds);
    let begun = Instant::now();
    let until = begun + Duration::from_secs(options.seconds);
    let mut tasks = Vec::new();
    for number in 0..options.connections {
        let client = Arc::new(connect(&options.tidewater).await?);
        let text = "SELECT order_id, total, order_status, user_phone FROM order_summary WHERE order_id = $1";
        let select = client.prepare_typed(text, &[Type::INT8]).await?;
        for lane in 0..options.pipeline {
            let (client, select, orders) = (client.clone(), select.clone(), options.orders);
            tasks.push(tokio::spawn(async move {
                let mut done = 0_u64;
                let mut id = (number * 1_009 + lane * 101) as i64;
                while Instant::now() < until {
                    id = (id * 31 + 17) % orders;
                    client.query(&select, &[&(id + 1)]).await?;
                    done += 1;
                }
                Ok::<_, tokio_postgres::Error>(done)
            }));
        }
    }
    let mut done = 0;
    for task in tasks {
        done += task.await??;
    }
    let wall = begun.elapsed().as_secs_f64();
    println!("{done} lookups in {wall:.1} s: {:.0}/s", done as f64 / wall);
    if let (Some(before), Some(after)) = (before, options.pid.and_then(cpu_seconds)) {
        println!(
            "the server took {:.1} CPU s: {:.0} lookups a CPU second",
            after - before,
            done as f64 / (after - before)
        );
    }
    Ok(())
}
