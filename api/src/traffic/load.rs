//! `shop load`: mixed live traffic at a rate, for demos, tests and benchmarks.
//!
//! Workers share the users among them and each follows its own [`Plan`]. The work of moment k is due at k / rate; a
//! worker that is late does not wait, so a short stall is caught up and a lasting one shows in the achieved rate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use sqlx::mysql::MySqlPool;
use sqlx::{query_as, query_scalar};

use super::plan::{Kind, Known, KnownOrder, MIX, Plan, Step};
use super::progress::Progress;
use crate::command::{Applied, apply};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::updates::{Publisher, stage_update};

/// Traffic works on the newest rows only, so that it starts quickly over any amount of data.
const KNOWN_ROWS_MAX: i64 = 100_000;
/// Workers beyond the pool's connections would only wait for one.
const WORKERS_MAX: u64 = 16;
/// Progress lines.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// How much traffic.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Transactions a second, order updates included
    #[arg(long, default_value_t = 100.0)]
    rate: f64,
    /// Seconds to run
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Equal seeds over equal data do the same; with one worker in the same order, too
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Transactions at the same time, 1 to 16
    #[arg(long, default_value_t = 8)]
    workers: u64,
}

/// What one worker did.
#[derive(Default)]
struct Tally {
    done: [u64; MIX.len()],
    skipped: u64,
    failed: u64,
    first_failure: Option<Error>,
    latency_us: Vec<u32>,
}

/// What the workers share.
struct Shared {
    pool: MySqlPool,
    publisher: Publisher,
    stop: AtomicBool,
    count: AtomicU64,
    start: Instant,
    interval: Duration,
    run_time: Duration,
    workers: u64,
}

/// Runs the traffic and reports what was done. Ends early at SIGINT; fails when transactions failed.
pub async fn run(config: &Config, options: &Options) -> Result<()> {
    let rate_ok = options.rate.is_finite() && options.rate >= 0.01 && options.rate <= 1e6;
    if !rate_ok || options.seconds == 0 || !(1..=WORKERS_MAX).contains(&options.workers) {
        return Err(Error::Config(format!(
            "--rate must be 0.01 to 1000000, --seconds at least 1, --workers 1 to {WORKERS_MAX}"
        )));
    }
    let pool = config.mysql()?;
    let publisher = Publisher::new(config)?;
    publisher.create_topic().await?;
    let (known, last_user) = read_known(&pool, options.workers).await?;
    let shared = Arc::new(Shared {
        pool,
        publisher,
        stop: AtomicBool::new(false),
        count: AtomicU64::new(0),
        start: Instant::now(),
        interval: Duration::from_secs_f64(1.0 / options.rate),
        run_time: Duration::from_secs(options.seconds),
        workers: options.workers,
    });
    let workers: Vec<_> = known
        .into_iter()
        .zip(0..)
        .map(|(known, number)| {
            let seed = options.seed.wrapping_mul(WORKERS_MAX).wrapping_add(number);
            let plan = Plan::new(seed, known, format!("{last_user}.{}.{number}", options.seed));
            tokio::spawn(work(Arc::clone(&shared), plan, number))
        })
        .collect();
    let total = (options.rate * options.seconds as f64) as u64;
    let watcher = tokio::spawn(watch(Arc::clone(&shared), total));
    let mut tally = Tally::default();
    for worker in workers {
        tally.add(worker.await.map_err(|e| Error::Traffic(format!("a worker stopped badly: {e}")))?);
    }
    let seconds = shared.start.elapsed().as_secs_f64();
    watcher.abort();
    shared.publisher.flush().await?;
    shared.pool.close().await;
    report(tally, seconds, options.rate)
}

async fn work(shared: Arc<Shared>, mut plan: Plan, number: u64) -> Tally {
    let mut tally = Tally::default();
    let mut turn = number;
    while !shared.stop.load(Ordering::Relaxed) {
        let due = shared.interval.mul_f64(turn as f64);
        if due >= shared.run_time || shared.start.elapsed() >= shared.run_time {
            break;
        }
        tokio::time::sleep_until((shared.start + due).into()).await;
        turn += shared.workers;
        let (kind, step) = plan.next_step();
        let begin = Instant::now();
        match execute(&shared, &step).await {
            Ok(applied) => {
                plan.applied(&step, &applied);
                tally.count(kind, begin.elapsed());
                shared.count.fetch_add(1, Ordering::Relaxed);
            }
            // Somebody else deleted the row, or runs the same plan: that is life in a shop, not a failure.
            Err(Error::NotFound { .. } | Error::Invalid(_) | Error::Conflict(_)) => {
                plan.vanished(&step);
                tally.skipped += 1;
            }
            Err(e) => {
                tally.failed += 1;
                tally.first_failure.get_or_insert(e);
            }
        }
    }
    tally
}

async fn execute(shared: &Shared, step: &Step) -> Result<Applied> {
    match step {
        Step::Sql(command) => apply(&shared.pool, command).await,
        Step::Update { order_id, stage } => {
            shared.publisher.send(&stage_update(*order_id, *stage)).await?;
            Ok(Applied::default())
        }
    }
}

/// Prints progress, and stops the workers at SIGINT.
async fn watch(shared: Arc<Shared>, total: u64) {
    let progress = Progress::new("load", total);
    let mut ticks = tokio::time::interval_at((shared.start + REPORT_INTERVAL).into(), REPORT_INTERVAL);
    loop {
        tokio::select! {
            _ = ticks.tick() => progress.print(shared.count.load(Ordering::Relaxed)),
            _ = tokio::signal::ctrl_c() => {
                eprintln!("load: stopping");
                shared.stop.store(true, Ordering::Relaxed);
            }
        }
    }
}

impl Tally {
    fn count(&mut self, kind: Kind, latency: Duration) {
        if let Some(position) = MIX.iter().position(|(k, _)| *k == kind) {
            self.done[position] += 1;
        }
        self.latency_us.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
    }

    fn add(&mut self, other: Self) {
        for (sum, done) in self.done.iter_mut().zip(other.done) {
            *sum += done;
        }
        self.skipped += other.skipped;
        self.failed += other.failed;
        self.latency_us.extend(other.latency_us);
        if let Some(failure) = other.first_failure {
            self.first_failure.get_or_insert(failure);
        }
    }
}

fn report(mut tally: Tally, seconds: f64, rate: f64) -> Result<()> {
    let done: u64 = tally.done.iter().sum();
    for ((kind, _), count) in MIX.iter().zip(tally.done) {
        eprintln!("{count:>9} {}", kind.name());
    }
    eprintln!("{:>9} skipped (other traffic was first), {} failed", tally.skipped, tally.failed);
    tally.latency_us.sort_unstable();
    let percentile = |p: usize| {
        tally.latency_us.get((tally.latency_us.len() * p / 100).min(tally.latency_us.len().saturating_sub(1)))
    };
    let ms = |p| percentile(p).map_or(0.0, |&us| f64::from(us) / 1000.0);
    eprintln!(
        "load: {done} transactions in {seconds:.1} s: {:.1}/s of {rate:.1}/s asked; a transaction took p50 {:.1} ms, p99 {:.1} ms",
        done as f64 / seconds.max(0.001),
        ms(50),
        ms(99)
    );
    match tally.first_failure {
        None => Ok(()),
        Some(e) => Err(Error::Traffic(format!("{} transactions failed; the first: {e}", tally.failed))),
    }
}

/// The newest rows, dealt to the workers by user, and the last user id.
async fn read_known(pool: &MySqlPool, workers: u64) -> Result<(Vec<Known>, i64)> {
    let share = |user: i64| (user.unsigned_abs() % workers) as usize;
    let mut known = vec![Known::default(); workers as usize];
    let mut users: Vec<i64> =
        query_scalar("SELECT id FROM users ORDER BY id DESC LIMIT ?").bind(KNOWN_ROWS_MAX).fetch_all(pool).await?;
    users.reverse();
    for &user in &users {
        known[share(user)].users.push(user);
    }
    let first_user = users.first().copied().unwrap_or(0);
    let addresses: Vec<(i64, i64)> = query_as("SELECT id, user_id FROM addresses WHERE user_id >= ? ORDER BY id")
        .bind(first_user)
        .fetch_all(pool)
        .await?;
    for (address, user) in addresses {
        known[share(user)].addresses.push((address, user));
    }
    let mut orders: Vec<(i64, i64)> = query_as("SELECT id, user_id FROM orders ORDER BY id DESC LIMIT ?")
        .bind(KNOWN_ROWS_MAX)
        .fetch_all(pool)
        .await?;
    orders.reverse();
    let first_order = orders.first().map_or(0, |order| order.0);
    let items: Vec<(i64, i64)> =
        query_as("SELECT order_id, id FROM order_items WHERE order_id >= ? ORDER BY order_id, id")
            .bind(first_order)
            .fetch_all(pool)
            .await?;
    let mut items = items.into_iter().peekable();
    for (id, user) in orders {
        let mut own = Vec::new();
        while let Some((order, item)) = items.next_if(|item| item.0 <= id) {
            // An order between two known ones that came after the orders were read is left out.
            if order == id {
                own.push(item);
            }
        }
        known[share(user)].orders.push(KnownOrder { id, stage: 0, items: own });
    }
    Ok((known, users.last().copied().unwrap_or(0)))
}
