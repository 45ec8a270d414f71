//! `shop`: the example services and their traffic, from the command line. Progress goes to stderr.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use shop::traffic::{load, push, seed};
use shop::{Config, Result};
use tracing_subscriber::EnvFilter;

/// Example services of Tidewater: commands in MySQL, order updates in Kafka, order details from the view engine.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    config: Config,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the services until SIGINT or SIGTERM
    Serve,
    /// Fill MySQL with realistic data, the same for the same seed
    Seed(seed::Options),
    /// Publish the stages of orders FROM to TO: Created, confirmed, preparing, out for delivery, delivered
    PushUpdates(push::Options),
    /// Run mixed live traffic in MySQL and Kafka
    Load(load::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let cli = Cli::parse();
    match run(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("shop: {e}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Serve => shop::serve(cli.config).await,
        Command::Seed(options) => seed::run(&cli.config, &options).await,
        Command::PushUpdates(options) => push::run(&cli.config, &options).await,
        Command::Load(options) => load::run(&cli.config, &options).await,
    }
}
