//! `shop push-updates`: takes orders through their stages, for a view to follow.

use std::time::Duration;

use clap::Args;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::progress::Progress;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::updates::{Publisher, STAGES, stage_update};

/// Messages on their way at once: enough to fill a batch, few enough for the producer's queue.
const IN_FLIGHT_MAX: usize = 500;

/// Which orders, and how fast.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// First order id
    from: i64,
    /// Last order id
    to: i64,
    /// Pause between two stages, in milliseconds
    #[arg(long, default_value_t = 2000)]
    pause_ms: u64,
}

/// Publishes each stage for all the orders, with a pause between stages.
pub async fn run(config: &Config, options: &Options) -> Result<()> {
    if options.from < 1 || options.to < options.from {
        return Err(Error::Config(format!(
            "orders {} to {} are no range; FROM must be 1 or more and at most TO",
            options.from, options.to
        )));
    }
    let publisher = Publisher::new(config)?;
    publisher.create_topic().await?;
    let orders = options.to.abs_diff(options.from) + 1;
    let mut progress = Progress::new("updates", orders * STAGES.len() as u64);
    for (stage, (status, service)) in STAGES.iter().enumerate() {
        if stage > 0 {
            tokio::time::sleep(Duration::from_millis(options.pause_ms)).await;
        }
        eprintln!("orders {} to {}: {status} (service {service})", options.from, options.to);
        let before = stage as u64 * orders;
        stream::iter(options.from..=options.to)
            .map(|order_id| {
                let update = stage_update(order_id, stage);
                let publisher = &publisher;
                async move { publisher.send(&update).await }
            })
            .buffered(IN_FLIGHT_MAX)
            .try_fold(before, |done, _| {
                progress.at(done + 1);
                std::future::ready(Ok(done + 1))
            })
            .await?;
    }
    publisher.flush().await?;
    progress.print(orders * STAGES.len() as u64);
    Ok(())
}
