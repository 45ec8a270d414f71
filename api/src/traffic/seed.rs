//! `shop seed`: fills MySQL with realistic data, the same for the same seed and first id.
//!
//! Rows go in with explicit ids, in multi-row inserts, a thousand users or orders a transaction; an order and its items
//! are of one transaction, so the total equals the items at every moment.

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use sqlx::mysql::{MySqlConnection, MySqlPool};
use sqlx::{AssertSqlSafe, QueryBuilder, query, query_as};

use super::fake::{self, Random};
use super::progress::Progress;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::model::{FIRST_STATUS, NewItem};
use crate::money;

/// Rows a statement; 5 items at most an order keep the statement below MySQL's 65,535 parameters.
const CHUNK: u64 = 1000;
/// Deleted rows a transaction: a bounded undo log, and a bounded commit for who reads the binlog.
const DELETE_CHUNK: u64 = 5000;
/// Every seventh user has a second address.
const SECOND_ADDRESS_EVERY: u64 = 7;

/// How much data, and what to do with data that exists.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Users
    #[arg(long, default_value_t = 1000)]
    users: u64,
    /// Orders, with about three items each
    #[arg(long, default_value_t = 10_000)]
    orders: u64,
    /// Equal seeds give equal data
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Delete what there is first
    #[arg(long, conflicts_with = "append")]
    force: bool,
    /// Add to what there is
    #[arg(long)]
    append: bool,
}

/// The last id of each table.
#[derive(Clone, Copy, Default)]
struct LastIds {
    users: u64,
    addresses: u64,
    orders: u64,
    items: u64,
}

/// Seeds, unless there is data already and neither `--force` nor `--append` says what to do with it.
pub async fn run(config: &Config, options: &Options) -> Result<()> {
    if options.users == 0 && options.orders > 0 {
        return Err(Error::Config("orders need users; give --users 1 or more".to_owned()));
    }
    let pool = config.mysql()?;
    let mut last = last_ids(&pool).await?;
    if last.users > 0 && options.force {
        delete_all(&pool).await?;
        last = LastIds::default();
    } else if last.users > 0 && !options.append {
        eprintln!(
            "seed: the shop has users up to {} and orders up to {} already; nothing done (--append adds, --force starts anew)",
            last.users, last.orders
        );
        return Ok(());
    }
    let owners = seed_users(&pool, options, last).await?;
    seed_orders(&pool, options, last, &owners).await?;
    pool.close().await;
    Ok(())
}

async fn last_ids(pool: &MySqlPool) -> Result<LastIds> {
    let (users, addresses, orders, items): (i64, i64, i64, i64) = query_as(
        "SELECT (SELECT COALESCE(MAX(id), 0) FROM users), (SELECT COALESCE(MAX(id), 0) FROM addresses), \
         (SELECT COALESCE(MAX(id), 0) FROM orders), (SELECT COALESCE(MAX(id), 0) FROM order_items)",
    )
    .fetch_one(pool)
    .await?;
    let id = |value: i64| value.max(0).unsigned_abs();
    Ok(LastIds { users: id(users), addresses: id(addresses), orders: id(orders), items: id(items) })
}

/// Deletes children first. Not TRUNCATE: it needs more rights, and consumers see no row go.
async fn delete_all(pool: &MySqlPool) -> Result<()> {
    for table in ["order_items", "orders", "addresses", "users"] {
        let mut progress = Progress::new("rows deleted", 0);
        let mut deleted = 0;
        loop {
            let sql = format!("DELETE FROM {table} ORDER BY id LIMIT {DELETE_CHUNK}");
            let rows = query(AssertSqlSafe(sql)).execute(pool).await?.rows_affected();
            deleted += rows;
            progress.at(deleted);
            if rows == 0 {
                break;
            }
        }
        eprintln!("seed: {deleted} rows deleted from {table}");
    }
    Ok(())
}

/// Inserts users and addresses; returns the addresses as (id, owner), from which orders pick.
async fn seed_users(pool: &MySqlPool, options: &Options, last: LastIds) -> Result<Vec<(u64, u64)>> {
    let mut owners = Vec::new();
    let mut progress = Progress::new("users", options.users);
    let mut address_id = last.addresses;
    for chunk in chunks(options.users) {
        let ids: Vec<u64> = chunk.map(|i| last.users + 1 + i).collect();
        let mut transaction = pool.begin().await?;
        let mut users = QueryBuilder::new("INSERT INTO users (id, name, email, phone, created_at) ");
        users.push_values(&ids, |mut row, &id| {
            let user = fake::user(&mut Random::of(options.seed, id), &id.to_string());
            row.push_bind(id).push_bind(user.name).push_bind(user.email).push_bind(user.phone).push_bind(moment(id));
        });
        users.build().execute(&mut *transaction).await?;
        let first = owners.len();
        for &id in &ids {
            let count = if id % SECOND_ADDRESS_EVERY == 0 { 2 } else { 1 };
            owners.extend((0..count).map(|k| (address_id + 1 + k, id)));
            address_id += count;
        }
        insert_addresses(&mut transaction, options.seed, &owners[first..]).await?;
        transaction.commit().await?;
        progress.at(ids.last().map_or(0, |id| id - last.users));
    }
    progress.print(options.users);
    Ok(owners)
}

async fn insert_addresses(db: &mut MySqlConnection, seed: u64, owners: &[(u64, u64)]) -> Result<()> {
    let mut insert = QueryBuilder::new(
        "INSERT INTO addresses (id, user_id, street, city, state, postal_code, country, created_at) ",
    );
    insert.push_values(owners, |mut row, &(id, user_id)| {
        let address = fake::address(&mut Random::of(!seed, id), user_id as i64);
        row.push_bind(id).push_bind(user_id).push_bind(address.street).push_bind(address.city).push_bind(address.state);
        row.push_bind(address.postal_code).push_bind(address.country).push_bind(moment(user_id));
    });
    insert.build().execute(db).await?;
    Ok(())
}

async fn seed_orders(pool: &MySqlPool, options: &Options, last: LastIds, owners: &[(u64, u64)]) -> Result<()> {
    let mut progress = Progress::new("orders", options.orders);
    let mut item_id = last.items;
    for chunk in chunks(options.orders) {
        let orders: Vec<SeedOrder> = chunk.map(|i| SeedOrder::new(options.seed, last.orders + 1 + i, owners)).collect();
        let mut transaction = pool.begin().await?;
        let mut insert =
            QueryBuilder::new("INSERT INTO orders (id, user_id, address_id, total, order_date, order_status) ");
        insert.push_values(&orders, |mut row, order| {
            row.push_bind(order.id).push_bind(order.user_id).push_bind(order.address_id);
            // The generator's prices cannot reach the column's limit.
            row.push_bind(money::total(&order.items).unwrap_or_default())
                .push_bind(moment(order.id))
                .push_bind(FIRST_STATUS);
        });
        insert.build().execute(&mut *transaction).await?;
        let mut insert = QueryBuilder::new("INSERT INTO order_items (id, order_id, product_name, quantity, price) ");
        let items = orders.iter().flat_map(|order| order.items.iter().map(|item| (order.id, item)));
        insert.push_values(items, |mut row, (order_id, item)| {
            item_id += 1;
            row.push_bind(item_id).push_bind(order_id).push_bind(&item.product_name);
            row.push_bind(item.quantity).push_bind(item.price);
        });
        insert.build().execute(&mut *transaction).await?;
        transaction.commit().await?;
        progress.at(orders.last().map_or(0, |order| order.id - last.orders));
    }
    progress.print(options.orders);
    eprintln!("seed: {} order items", item_id - last.items);
    Ok(())
}

/// An order before it has row ids for its items.
#[derive(Debug, PartialEq)]
struct SeedOrder {
    id: u64,
    user_id: u64,
    address_id: u64,
    items: Vec<NewItem>,
}

impl SeedOrder {
    fn new(seed: u64, id: u64, owners: &[(u64, u64)]) -> Self {
        // A sequence apart from that of users, which have the same ids.
        let mut random = Random::of(seed.rotate_left(32) ^ 0x6F72_6465, id);
        let (address_id, user_id) = owners[random.index(owners.len())];
        Self { id, user_id, address_id, items: fake::items(&mut random) }
    }
}

/// A fixed time for every id, half a minute and a bit apart, from a fixed day on: data does not depend on the clock.
fn moment(id: u64) -> DateTime<Utc> {
    /// 2024-09-02T00:00:00Z.
    const START_SECONDS: i64 = 1_725_235_200;
    /// Two years: dates stay in the past, whatever the number of rows.
    const SPAN_MS: u64 = 730 * 86_400_000;
    let offset_ms = id.wrapping_mul(31_017) % SPAN_MS;
    DateTime::UNIX_EPOCH + TimeDelta::seconds(START_SECONDS) + TimeDelta::milliseconds(offset_ms as i64)
}

fn chunks(count: u64) -> impl Iterator<Item = std::ops::Range<u64>> {
    (0..count).step_by(CHUNK as usize).map(move |start| start..count.min(start + CHUNK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_depends_on_seed_and_id_only() {
        let owners: Vec<_> = (1..50).map(|id| (id, id)).collect();
        assert_eq!(SeedOrder::new(1, 9, &owners), SeedOrder::new(1, 9, &owners));
        assert_ne!(SeedOrder::new(1, 9, &owners).items, SeedOrder::new(2, 9, &owners).items);
        assert_ne!(SeedOrder::new(1, 9, &owners).items, SeedOrder::new(1, 10, &owners).items);
    }

    #[test]
    fn chunks_cover_everything_once() {
        let all: Vec<u64> = chunks(2 * CHUNK + 3).flatten().collect();
        assert_eq!(all, (0..2 * CHUNK + 3).collect::<Vec<_>>());
        assert_eq!(chunks(0).count(), 0);
    }

    #[test]
    fn dates_are_fixed_and_have_milliseconds() {
        assert_eq!(moment(0).to_rfc3339(), "2024-09-02T00:00:00+00:00");
        assert_eq!(moment(1) - moment(0), TimeDelta::milliseconds(31_017));
    }
}
