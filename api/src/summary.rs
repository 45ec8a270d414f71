//! Queries from the view engine: the view `order_summary` through an ordinary PostgreSQL driver and pool.
//!
//! The lookup by key is a prepared statement of exactly the shape that the engine answers from its index.

use std::time::Duration;

use chrono::{DateTime, Utc};
use deadpool_postgres::{Client, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use futures::future::join3;
use rust_decimal::Decimal;
use serde::Serialize;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{NoTls, Row};
use utoipa::ToSchema;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::model;
use crate::money;
use crate::query::{OrderFilter, Page};

/// Queries take well under a millisecond; more connections than this would only queue in the engine.
const CONNECTIONS_MAX: usize = 16;
/// A request that waits longer for a connection is better refused than queued.
const WAIT_TIMEOUT: Duration = Duration::from_secs(3);

/// A position is waited for as long; shorter than a request may take.
const AFTER_TIMEOUT: &str = "10s";
const RESET_AFTER: &str = "RESET tidewater.after; RESET statement_timeout";

const SELECT: &str = "SELECT order_id, total, order_date, order_status, last_order_update, user_id, user_phone, \
                      full_address, order_items_details FROM order_summary";

/// An order with everything a page needs, joined from four tables and the latest update.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct OrderDetails {
    /// Key.
    pub order_id: i64,
    /// Sum of the items.
    #[schema(value_type = String, example = "693.99")]
    pub total: Decimal,
    /// When it was ordered.
    #[serde(serialize_with = "model::iso")]
    pub order_date: DateTime<Utc>,
    /// Status of the latest update, or the order's own while there is none.
    #[schema(example = "delivered")]
    pub order_status: String,
    /// Time of the latest update.
    #[serde(serialize_with = "model::iso_option")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub last_order_update: Option<DateTime<Utc>>,
    /// Who ordered.
    pub user_id: i64,
    /// Telephone of the user.
    pub user_phone: Option<String>,
    /// The address in one line.
    #[schema(example = "560 Cordie Dam, Nealview, Louisiana, 11434-1806, Rwanda")]
    pub full_address: String,
    /// The items in one line, in item order; null for an order without items.
    #[schema(example = "Modern Cotton Hat (Qty: 9, Price: 77.11, Total: 693.99)")]
    pub order_items_details: Option<String>,
}

/// A pool of connections to the view engine.
#[derive(Clone)]
pub struct Views {
    pool: Pool,
}

impl Views {
    /// Makes the pool; it connects when first used, so the engine may still be starting.
    pub fn new(config: &Config) -> Result<Self> {
        let settings: tokio_postgres::Config = config.tidewater_url.parse().map_err(|e| {
            Error::Config(format!(
                "TIDEWATER_URL is not an address ({e}); expected postgres://user@host:6875/materialize"
            ))
        })?;
        // Fast: a connection is judged by its socket, so no query is added to each request.
        let manager = Manager::from_config(settings, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let timeouts = Timeouts { wait: Some(WAIT_TIMEOUT), create: Some(WAIT_TIMEOUT), recycle: Some(WAIT_TIMEOUT) };
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS_MAX)
            .runtime(Runtime::Tokio1)
            .timeouts(timeouts)
            .build()
            .map_err(|e| Error::Config(format!("connection pool: {e}")))?;
        Ok(Self { pool })
    }

    /// One order; after a position, if one is given.
    pub async fn order(&self, id: i64, after: Option<&str>) -> Result<OrderDetails> {
        let rows = self.select(&format!("{SELECT} WHERE order_id = $1"), &[Type::INT8], &[&id], after).await?;
        rows.first().map(details_of).transpose()?.ok_or(Error::NotFound { what: "order", id })
    }

    /// Orders in key order; after a position, if one is given.
    pub async fn orders(&self, filter: &OrderFilter, page: Page, after: Option<&str>) -> Result<Vec<OrderDetails>> {
        let limit = i64::from(page.limit);
        let mut sql = format!("{SELECT} WHERE order_id > $1");
        let mut types = vec![Type::INT8, Type::INT8];
        let mut values: Vec<&(dyn ToSql + Sync)> = vec![&page.after, &limit];
        if let Some(user_id) = &filter.user_id {
            types.push(Type::INT8);
            values.push(user_id);
            sql.push_str(&format!(" AND user_id = ${}", values.len()));
        }
        if let Some(status) = &filter.status {
            types.push(Type::TEXT);
            values.push(status);
            sql.push_str(&format!(" AND order_status = ${}", values.len()));
        }
        sql.push_str(" ORDER BY order_id LIMIT $2");
        self.select(&sql, &types, &values, after).await?.iter().map(details_of).collect()
    }

    /// True when the engine answers and the view exists.
    pub async fn ready(&self) -> Result<()> {
        self.select("SELECT order_id FROM order_summary WHERE order_id = $1", &[Type::INT8], &[&0_i64], None).await?;
        Ok(())
    }

    /// Runs a prepared statement, once more on a fresh connection when the pooled one turned out to be dead: reads
    /// are safe to repeat, and a restarted engine leaves dead connections in the pool.
    async fn select(
        &self,
        sql: &str,
        types: &[Type],
        values: &[&(dyn ToSql + Sync)],
        after: Option<&str>,
    ) -> Result<Vec<Row>> {
        let mut client = self.pool.get().await?;
        match run(&client, sql, types, values, after).await {
            Err(e) if e.is_closed() => {
                self.pool.retain(|client, _| !client.is_closed());
                client = self.pool.get().await?;
                Ok(run(&client, sql, types, values, after).await?)
            }
            result => Ok(result?),
        }
    }
}

async fn run(
    client: &Client,
    sql: &str,
    types: &[Type],
    values: &[&(dyn ToSql + Sync)],
    after: Option<&str>,
) -> Result<Vec<Row>, tokio_postgres::Error> {
    let statement = client.prepare_typed_cached(sql, types).await?;
    let query = client.query(&statement, values);
    let result = match after {
        None => query.await,
        // In one go, all sent when they are first polled: a caller who gives up leaves no setting behind on the connection.
        Some(after) => {
            match join3(client.batch_execute(&set_after(after)), query, client.batch_execute(RESET_AFTER)).await {
                (Ok(()), result, Ok(())) => result,
                (Err(e), _, _) | (_, _, Err(e)) => Err(e),
            }
        }
    };
    if result.is_err() {
        // The view may have been dropped and made again: the next request prepares afresh.
        client.statement_cache.remove(sql, types);
    }
    result
}

/// The engine waits until what is read includes the position, and tells how far it is if that takes too long.
fn set_after(position: &str) -> String {
    format!("SET tidewater.after = '{}'; SET statement_timeout = '{AFTER_TIMEOUT}'", position.replace('\'', "''"))
}

fn details_of(row: &Row) -> Result<OrderDetails> {
    Ok(OrderDetails {
        order_id: row.try_get(0)?,
        total: money::scaled(row.try_get(1)?),
        order_date: row.try_get(2)?,
        order_status: row.try_get(3)?,
        last_order_update: row.try_get(4)?,
        user_id: row.try_get(5)?,
        user_phone: row.try_get(6)?,
        full_address: row.try_get(7)?,
        order_items_details: row.try_get(8)?,
    })
}
