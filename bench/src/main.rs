//! Benchmarks: each compares with a baseline in the same run and prints ratios, CPU time beside wall time.
#![allow(clippy::print_stdout, reason = "the numbers are the output")]

mod after;
mod catch_up;
mod guest;
mod large_commit;
mod live;
mod order_summary;
mod restart;
mod tpch;

use clap::{Parser, Subcommand};

/// The server's; all engines have it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Benchmarks of Tidewater; see bench/README.md
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Engines that keep the view order_summary over one stream of changes
    OrderSummary(order_summary::Options),
    /// Full topics of a running Kafka to a view, in bulk and live
    CatchUp(catch_up::Options),
    /// MySQL commit to SELECT on a running stack
    Freshness(live::Options),
    /// A write through the shop, then its read with ?after, on a running stack
    After(after::Options),
    /// Lookups while a million rows are inserted by one statement on a running server
    LargeCommit(large_commit::Options),
    /// From a checkpoint of the tables of order_summary to the view's first answer
    Restart(restart::Options),
    /// The queries of TPC-H beside DataFusion and PostgreSQL
    Tpch(tpch::Options),
    /// Point lookups by prepared statement on a running server
    Lookups(live::LookupOptions),
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    match Cli::parse().command {
        Command::OrderSummary(options) => Ok(order_summary::run(&options)?),
        Command::Restart(options) => restart::run(&options),
        Command::Tpch(options) => tpch::run(&options),
        Command::CatchUp(options) => tokio::runtime::Runtime::new()?.block_on(catch_up::run(options)),
        Command::Freshness(options) => tokio::runtime::Runtime::new()?.block_on(live::freshness(options)),
        Command::After(options) => tokio::runtime::Runtime::new()?.block_on(after::run(options)),
        Command::LargeCommit(options) => tokio::runtime::Runtime::new()?.block_on(large_commit::run(options)),
        Command::Lookups(options) => tokio::runtime::Runtime::new()?.block_on(live::lookups(options)),
    }
}
