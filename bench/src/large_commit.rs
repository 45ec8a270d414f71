//! What readers notice of a large commit: a statement inserts many rows at once into a table of a running server, while others look rows up
//! by key in that table's view and in a table that has nothing to do with it.

use std::time::{Duration, Instant};

use tokio_postgres::types::Type;
use tokio_postgres::{Client, NoTls};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Which server, and how many rows.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Tidewater
    #[arg(long, default_value = "postgres://materialize@127.0.0.1:6875/materialize")]
    tidewater: String,
    /// Rows of the commit
    #[arg(long, default_value_t = 1_000_000)]
    rows: i64,
}

async fn connect(address: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(address, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// The longest of the lookups that `text` does until `done`, and how many there were.
async fn look_up(address: &str, text: &str, done: tokio::sync::watch::Receiver<bool>) -> Result<(Duration, u64)> {
    let client = connect(address).await?;
    let select = client.prepare_typed(text, &[Type::INT4]).await?;
    let (mut longest, mut lookups) = (Duration::ZERO, 0_u64);
    while !*done.borrow() {
        let begun = Instant::now();
        client.query(&select, &[&((lookups % 1_000) as i32)]).await?;
        longest = longest.max(begun.elapsed());
        lookups += 1;
    }
    Ok((longest, lookups))
}

pub(crate) async fn run(options: Options) -> Result<()> {
    let writer = connect(&options.tidewater).await?;
    writer
        .batch_execute(
            "DROP TABLE IF EXISTS large CASCADE; DROP TABLE IF EXISTS other CASCADE;
             CREATE TABLE large (id int PRIMARY KEY, part int, n int); CREATE TABLE other (id int PRIMARY KEY, n int);
             CREATE MATERIALIZED VIEW large_parts AS SELECT part, count(*) AS c, sum(n) AS s FROM large GROUP BY part;
             CREATE MATERIALIZED VIEW large_joined AS SELECT a.id, b.n FROM large a JOIN large b ON b.id = a.n;
             INSERT INTO other SELECT i, i FROM generate_series(0, 999) AS i;
             INSERT INTO large SELECT i, i % 1000, i / 2 FROM generate_series(0, 99999) AS i",
        )
        .await?;
    let (ended, done) = tokio::sync::watch::channel(false);
    let reads = [
        "SELECT c, s FROM large_parts WHERE part = $1",
        "SELECT n FROM large_joined WHERE id = $1",
        "SELECT n FROM other WHERE id = $1",
    ];
    let tasks = reads.map(|text| {
        let (address, done) = (options.tidewater.clone(), done.clone());
        tokio::spawn(async move { look_up(&address, text, done).await.map_err(|error| error.to_string()) })
    });
    let begun = Instant::now();
    let last = 100_000 + options.rows - 1;
    let insert = format!("INSERT INTO large SELECT i, i % 1000, i / 2 FROM generate_series(100000, {last}) AS i");
    let inserted = writer.execute(&insert, &[]).await?;
    let took = begun.elapsed().as_secs_f64();
    ended.send_replace(true);
    println!("{inserted} rows in one commit, two views fresh: {took:.1} s");
    for (text, task) in reads.iter().zip(tasks) {
        let (longest, lookups) = task.await??;
        println!("{lookups} lookups meanwhile, the longest {:.1} ms: {text}", longest.as_secs_f64() * 1e3);
    }
    writer.batch_execute("DROP TABLE large CASCADE; DROP TABLE other CASCADE").await?;
    Ok(())
}
