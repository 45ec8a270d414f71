//! Where the servers are. Read from the environment or from flags; nothing else in the crate reads the environment.

use std::time::Duration;

use clap::Args;
use sqlx::mysql::{MySqlPool, MySqlPoolOptions};

use crate::error::{Error, Result};

/// More connections would only wait for each other's row locks; MySQL's default limit is 151 for everybody.
const MYSQL_CONNECTIONS_MAX: u32 = 16;
/// A request that waits longer for a connection is better refused than queued.
const MYSQL_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Addresses of the servers that the services use.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Servers")]
pub struct Config {
    /// MySQL, the system of record
    #[arg(
        long,
        global = true,
        env = "MYSQL_URL",
        default_value = "mysql://shop:shop@127.0.0.1:3306/shop",
        hide_env_values = true
    )]
    pub mysql_url: String,
    /// Kafka brokers, host:port separated by commas
    #[arg(long, global = true, env = "KAFKA_BROKERS", default_value = "127.0.0.1:9092")]
    pub kafka_brokers: String,
    /// The view engine, by the PostgreSQL protocol
    #[arg(
        long,
        global = true,
        env = "TIDEWATER_URL",
        default_value = "postgres://materialize@127.0.0.1:6875/materialize",
        hide_env_values = true
    )]
    pub tidewater_url: String,
    /// Address that the services listen on; nobody has to say who they are, so other machines reach them only if it is said here
    #[arg(long, global = true, env = "SHOP_HOST", default_value = "127.0.0.1")]
    pub host: String,
    /// Port of the services; 0 picks a free one
    #[arg(long, global = true, env = "SHOP_PORT", default_value_t = 8001)]
    pub port: u16,
}

impl Config {
    /// A pool that connects when it is first used, so that the services start while MySQL is still starting.
    pub fn mysql(&self) -> Result<MySqlPool> {
        MySqlPoolOptions::new()
            .max_connections(MYSQL_CONNECTIONS_MAX)
            .acquire_timeout(MYSQL_ACQUIRE_TIMEOUT)
            .connect_lazy(&self.mysql_url)
            .map_err(|e| {
                Error::Config(format!(
                    "MYSQL_URL is not a MySQL address ({e}); expected mysql://user:password@host:3306/shop"
                ))
            })
    }
}
