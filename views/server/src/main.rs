//! `tidewater serve`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tidewater::config::Config;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// SQL views of MySQL, kept fresh from Debezium's topics and served over PostgreSQL's protocol
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGINT or SIGTERM
    Serve(Config),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Command::Serve(config) = Cli::parse().command;
    let filter = EnvFilter::try_from_env("TIDEWATER_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(&config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: &Config) -> Result<(), Box<dyn std::error::Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut running = tidewater::start(config).await?;
    tracing::info!(postgresql = %running.pg_address, http = %running.http_address, "serving");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = running.failed() => return Err("the coordinator ended by a bug; the message above says where".into()),
    }
    tracing::info!("stopping");
    running.stop().await;
    Ok(())
}
