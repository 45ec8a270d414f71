//! Kafka, Connect, MySQL, the registry and Tidewater are killed in random order under the shop's traffic, while readers watch.
//! At the end MySQL is the judge, row by row.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::proofs::Proofs;
use crate::servers::Servers;
use crate::shop::{compare, compare_loose, wait_for_marker};
use crate::shop_traffic::{Random, Traffic};
use crate::sql::wait_until;
use crate::tidewater::Tidewater;
use crate::{Result, connect, watch};

const PARTS: [&str; 5] = ["tidewater", "kafka", "connect", "mysql", "registry"];
/// Nothing is killed for up to so many transactions.
const CALM: i64 = 250;

/// How much of it.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) faults: usize,
    pub(crate) seed: u64,
    /// What is killed, by name.
    pub(crate) parts: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options { faults: 20, seed: 0, parts: PARTS.map(str::to_owned).to_vec() }
    }
}

/// See the module.
pub(crate) async fn prove(
    servers: &Arc<Servers>,
    proofs: &Proofs,
    traffic: &Arc<Traffic>,
    tidewater: &mut Tidewater,
    options: &Options,
) -> Result<()> {
    let Options { faults, seed, parts } = options;
    let parts = parts.join(",");
    eprintln!("chaos: {faults} faults; again with --only chaos --faults {faults} --seed {seed} --parts {parts}");
    let (begin, before) = (Instant::now(), traffic.transactions());
    let stop = Arc::new(AtomicBool::new(false));
    let watched = watch::start(tidewater).await?;
    let running = {
        let (traffic, stop) = (traffic.clone(), stop.clone());
        tokio::spawn(async move { traffic.run_rough(&stop).await })
    };
    let done = break_things(servers, traffic, tidewater, options).await;
    stop.store(true, Ordering::Relaxed);
    running.await??;
    let (seconds, committed) = (begin.elapsed().as_secs(), traffic.transactions() - before);
    proofs.take(&format!("{faults} servers are killed and started again"), done);

    let end = async {
        let marker = traffic.mark().await?;
        recover(servers, async || {
            wait_until(async || Ok(tidewater.ready().await)).await.map_err(|error| format!("/ready: {error}"))?;
            let client = tidewater.client().await?;
            wait_for_marker(&client, marker).await
        })
        .await
    };
    proofs.take("after the faults views catch up with MySQL", end.await);
    let seen = watched.stop().await?;
    eprintln!("watched for {seconds} s while {committed} transactions ran: {seen:?}");
    for (prefix, name) in [("avro", "Avro"), ("json", "JSON")] {
        proofs.take(
            &format!("{name}: through all faults every answer is a state of the database, and none goes back"),
            seen.true_where_answered(prefix),
        );
    }
    proofs.take("without the transaction topic no answer goes back in time", seen.forward("loose"));
    let client = tidewater.client().await?;
    proofs.take("after the faults the views are what MySQL holds", compare(servers, traffic, &client).await);
    proofs.take(
        "after the faults each table without the transaction topic is what MySQL holds",
        compare_loose(servers, traffic, &client).await,
    );
    Ok(())
}

/// Every part in turn, in an order of its own each time; now and then two at once.
async fn break_things(
    servers: &Arc<Servers>,
    traffic: &Traffic,
    tidewater: &mut Tidewater,
    options: &Options,
) -> Result<()> {
    let mut random = Random(options.seed);
    let mut order: Vec<&str> = Vec::new();
    let mut done = 0;
    while done < options.faults {
        if order.is_empty() {
            order = options.parts.iter().map(String::as_str).collect();
            for last in (1..order.len()).rev() {
                order.swap(last, random.below(last as i64 + 1) as usize);
            }
        }
        let together = if random.below(4) == 0 { 2 } else { 1 };
        let parts = order.split_off(order.len().saturating_sub(together.min(options.faults - done)));
        done += parts.len();
        let calm = random.below(CALM);
        eprintln!("  {done}: kill -9 {} after {calm} transactions", parts.join(" and "));
        let until = traffic.transactions() + u64::try_from(calm)?;
        wait_until(async || Ok(traffic.transactions() >= until)).await?;
        fault(servers, tidewater, &parts).await?;
        connect::mend(servers, &["shop", "shop-json"]).await;
    }
    Ok(())
}

async fn fault(servers: &Arc<Servers>, tidewater: &mut Tidewater, parts: &[&str]) -> Result<()> {
    let others: Vec<&str> = parts.iter().copied().filter(|part| *part != "tidewater").collect();
    if others.len() < parts.len() {
        tidewater.kill()?;
    }
    blocking(servers, &others, Servers::kill).await?;
    if others.len() < parts.len() {
        tidewater.up()?;
    }
    blocking(servers, &others, Servers::up).await
}

/// The scripts wait; readers and traffic go on meanwhile.
async fn blocking(servers: &Arc<Servers>, parts: &[&str], what: fn(&Servers, &[&str]) -> Result<()>) -> Result<()> {
    if parts.is_empty() {
        return Ok(());
    }
    let (servers, parts) = (servers.clone(), parts.iter().map(ToString::to_string).collect::<Vec<_>>());
    let parts = move || what(&servers, &parts.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(parts).await?
}

/// Does something while a watchdog starts connectors again that failed because a server was away.
async fn recover(servers: &Servers, something: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
    let watchdog = async {
        let mut again = tokio::time::interval(Duration::from_secs(2));
        loop {
            again.tick().await;
            connect::mend(servers, &["shop", "shop-json"]).await;
        }
    };
    // Whatever comes back first needs a moment; a killed connector's group takes up to a minute.
    tokio::select! {
        done = something() => done,
        () = watchdog => unreachable!("it goes on for ever"),
    }
}
