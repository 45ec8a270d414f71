//! Mixed traffic in MySQL and Kafka: inserts, updates, deletes, changes of primary keys, transactions over several tables.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use shop::updates::{OrderUpdate, Publisher};
use sqlx::mysql::{MySqlPool, MySqlPoolOptions};
use sqlx::{MySqlConnection, MySqlTransaction};

use crate::Result;
use crate::servers::Servers;

const USERS: i64 = 30;
const ORDERS: i64 = 150;
const ACCOUNTS: i64 = 10;
/// Of every account at the beginning.
pub(crate) const BALANCE: i64 = 1000;
const WORKERS: u64 = 4;
/// Between two transactions of a worker while servers are killed: what piles up then must be read within the run.
const PACE: Duration = Duration::from_millis(25);

/// What all balances come to, always.
pub(crate) const SUM: i64 = 2 * ACCOUNTS * BALANCE;

/// See the module.
pub(crate) struct Traffic {
    pool: MySqlPool,
    publisher: Publisher,
    transactions: AtomicU64,
    next_key: AtomicI64,
    /// Set while servers are killed: a worker whose transaction fails goes on with the next one, and nothing goes to Kafka directly.
    rough: AtomicBool,
    /// Of each order the time of its latest update and its status.
    updates: Mutex<BTreeMap<i64, (DateTime<Utc>, String)>>,
}

/// Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as i64
    }
}

impl Traffic {
    pub(crate) async fn new(servers: &Servers) -> Result<Self> {
        let pool = MySqlPoolOptions::new().max_connections(8).connect(&servers.mysql_url()).await?;
        let config = shop::Config {
            mysql_url: servers.mysql_url(),
            kafka_brokers: servers.kafka(),
            tidewater_url: String::new(),
            host: "127.0.0.1".into(),
            port: 0,
        };
        let publisher = Publisher::new(&config)?;
        publisher.create_topic().await?;
        let (transactions, next_key) = (AtomicU64::new(0), AtomicI64::new(-1));
        let rough = AtomicBool::new(false);
        Ok(Traffic { pool, publisher, transactions, next_key, rough, updates: Mutex::default() })
    }

    pub(crate) fn transactions(&self) -> u64 {
        self.transactions.load(Ordering::Relaxed)
    }

    /// Of each order that was updated its latest status.
    pub(crate) fn latest_updates(&self) -> BTreeMap<i64, String> {
        let updates = self.updates.lock().expect("no panic");
        updates.iter().map(|(id, (_, status))| (*id, status.clone())).collect()
    }

    pub(crate) async fn seed(&self) -> Result<()> {
        let mut random = Random(7);
        let mut tx = self.pool.begin().await?;
        for id in 1..=USERS {
            let phone = (id % 3 > 0).then(|| format!("+1-555-{id:04}"));
            sqlx::query("INSERT INTO users (id, name, email, phone) VALUES (?, ?, ?, ?)")
                .bind(id)
                .bind(format!("Zoë {id} 😀"))
                .bind(format!("u{id}@example.com"))
                .bind(phone)
                .execute(&mut *tx)
                .await?;
            sqlx::query("INSERT INTO addresses (id, user_id, street, city, state, postal_code, country) VALUES (?, ?, ?, 'Nealview', 'Louisiana', '11434', 'Rwanda')")
                .bind(id).bind(id).bind(format!("{id} Cordie Dam")).execute(&mut *tx).await?;
        }
        for id in 1..=ACCOUNTS {
            for table in ["INSERT INTO account_a VALUES (?, ?)", "INSERT INTO account_b VALUES (?, ?)"] {
                sqlx::query(table).bind(id).bind(BALANCE).execute(&mut *tx).await?;
            }
        }
        sqlx::query("INSERT INTO journal VALUES (1, 5), (1, 5), (2, 7)").execute(&mut *tx).await?;
        for _ in 0..ORDERS {
            place(&mut tx, &mut random).await?;
        }
        tx.commit().await?;
        self.mark().await?;
        Ok(())
    }

    /// A row that, once it is seen, tells that everything before it is.
    pub(crate) async fn mark(&self) -> Result<i64> {
        let done = sqlx::query("INSERT INTO marker () VALUES ()").execute(&self.pool).await?;
        Ok(done.last_insert_id() as i64)
    }

    /// Runs until told to stop, over whatever happens to MySQL. What committed is for MySQL to say.
    pub(crate) async fn run_rough(self: &Arc<Self>, stop: &AtomicBool) -> Result<()> {
        self.rough.store(true, Ordering::Relaxed);
        while !stop.load(Ordering::Relaxed) {
            self.run(Duration::from_secs(1)).await?;
        }
        self.rough.store(false, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) async fn run(self: &Arc<Self>, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        let seed = self.transactions();
        let workers = (0..WORKERS).map(|worker| {
            let traffic = self.clone();
            tokio::spawn(async move {
                let mut random = Random(seed * WORKERS + worker + 100);
                let mut pace = tokio::time::interval(PACE);
                while Instant::now() < until {
                    let rough = traffic.rough.load(Ordering::Relaxed);
                    if rough {
                        pace.tick().await;
                    }
                    match traffic.step(&mut random).await {
                        // Workers meet at rows; MySQL lets one of them try again.
                        Err(error) if !rough && !error.to_string().contains("1213") => return Err(error),
                        _ => {}
                    }
                }
                Ok(())
            })
        });
        for worker in workers.collect::<Vec<_>>() {
            worker.await??;
        }
        Ok(())
    }

    async fn step(&self, random: &mut Random) -> Result<()> {
        let what = random.below(100);
        if what < 10 {
            return if self.rough.load(Ordering::Relaxed) { Ok(()) } else { self.update(random).await };
        }
        let mut tx = self.pool.begin().await?;
        match what {
            10..30 => drop(place(&mut tx, random).await?),
            30..50 => change_items(&mut tx, random).await?,
            50..60 => delete_order(&mut tx, random).await?,
            // Debezium forgets the insert of a changed primary key if it is stopped right behind the delete (see ARCHITECTURE.md).
            60..66 if self.rough.load(Ordering::Relaxed) => {}
            60..66 => {
                // A primary key changes: Debezium sends a delete and an insert. Negative keys meet no others.
                let key = self.next_key.fetch_sub(1, Ordering::Relaxed);
                if let Some(item) =
                    some_id(&mut tx, "SELECT id FROM order_items ORDER BY RAND() LIMIT 1 FOR UPDATE").await?
                {
                    sqlx::query("UPDATE order_items SET id = ? WHERE id = ?")
                        .bind(key)
                        .bind(item)
                        .execute(&mut *tx)
                        .await?;
                }
            }
            66..72 => {
                sqlx::query("UPDATE users SET phone = ? WHERE id = ?")
                    .bind(format!("+2-{}", random.below(10_000)))
                    .bind(1 + random.below(USERS))
                    .execute(&mut *tx)
                    .await?;
                sqlx::query("UPDATE addresses SET street = ? WHERE id = ?")
                    .bind(format!("{} Other Street", random.below(100)))
                    .bind(1 + random.below(USERS))
                    .execute(&mut *tx)
                    .await?;
            }
            72..78 => journal(&mut tx, random).await?,
            _ => transfer(&mut tx, random).await?,
        }
        tx.commit().await?;
        self.transactions.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Updates come out of order: their time is not that of sending.
    async fn update(&self, random: &mut Random) -> Result<()> {
        let order_id = 1 + random.below(ORDERS);
        let updated_at = DateTime::UNIX_EPOCH + TimeDelta::seconds(1_700_000_000 + random.below(1_000_000));
        let status = format!("stage {}", random.below(1_000));
        self.send(order_id, updated_at, status).await
    }

    async fn send(&self, order_id: i64, updated_at: DateTime<Utc>, status: String) -> Result<()> {
        let service = "test".to_owned();
        self.publisher.send(&OrderUpdate { order_id, status: status.clone(), updated_at, service }).await?;
        let mut updates = self.updates.lock().expect("no panic");
        let latest = updates.entry(order_id).or_insert((updated_at, status.clone()));
        if latest.0 <= updated_at {
            *latest = (updated_at, status);
        }
        Ok(())
    }

    /// Gives an order that exists a status later than all; which order.
    pub(crate) async fn update_one(&self, status: &str) -> Result<i64> {
        let order: i64 = sqlx::query_scalar("SELECT max(id) FROM orders").fetch_one(&self.pool).await?;
        self.send(order, Utc::now(), status.to_owned()).await?;
        Ok(order)
    }
}

async fn some_id(connection: &mut MySqlConnection, query: &'static str) -> Result<Option<i64>> {
    Ok(sqlx::query_scalar(query).fetch_optional(connection).await?)
}

/// An order's total is the sum of its items, in every committed state.
async fn set_total(tx: &mut MySqlTransaction<'_>, order: i64) -> Result<()> {
    sqlx::query("UPDATE orders SET total = (SELECT COALESCE(SUM(quantity * price), 0) FROM order_items WHERE order_id = ?) WHERE id = ?")
        .bind(order).bind(order).execute(&mut **tx).await?;
    Ok(())
}

async fn add_item(tx: &mut MySqlTransaction<'_>, order: i64, random: &mut Random) -> Result<()> {
    sqlx::query("INSERT INTO order_items (order_id, product_name, quantity, price) VALUES (?, ?, ?, ? / 100)")
        .bind(order)
        .bind(format!("Lamp \"{}\", ö", random.below(50)))
        .bind(1 + random.below(9))
        .bind(random.below(20_000))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn place(tx: &mut MySqlTransaction<'_>, random: &mut Random) -> Result<i64> {
    let user = 1 + random.below(USERS);
    let order = sqlx::query("INSERT INTO orders (user_id, address_id, total) VALUES (?, ?, 0)")
        .bind(user)
        .bind(1 + random.below(USERS))
        .execute(&mut **tx)
        .await?;
    let order = order.last_insert_id() as i64;
    for _ in 0..random.below(4) {
        add_item(tx, order, random).await?;
    }
    set_total(tx, order).await?;
    Ok(order)
}

const SOME_ORDER: &str = "SELECT id FROM orders ORDER BY RAND() LIMIT 1 FOR UPDATE";

async fn change_items(tx: &mut MySqlTransaction<'_>, random: &mut Random) -> Result<()> {
    let Some(order) = some_id(tx, SOME_ORDER).await? else { return Ok(()) };
    if random.below(3) == 0 {
        sqlx::query("DELETE FROM order_items WHERE order_id = ? LIMIT 1").bind(order).execute(&mut **tx).await?;
    } else {
        sqlx::query("UPDATE order_items SET quantity = quantity + 1 WHERE order_id = ?")
            .bind(order)
            .execute(&mut **tx)
            .await?;
        add_item(tx, order, random).await?;
    }
    set_total(tx, order).await
}

async fn delete_order(tx: &mut MySqlTransaction<'_>, _random: &mut Random) -> Result<()> {
    let Some(order) = some_id(tx, SOME_ORDER).await? else { return Ok(()) };
    sqlx::query("DELETE FROM order_items WHERE order_id = ?").bind(order).execute(&mut **tx).await?;
    sqlx::query("DELETE FROM orders WHERE id = ?").bind(order).execute(&mut **tx).await?;
    Ok(())
}

async fn transfer(tx: &mut MySqlTransaction<'_>, random: &mut Random) -> Result<()> {
    let (from, to, amount) = (1 + random.below(ACCOUNTS), 1 + random.below(ACCOUNTS), 1 + random.below(50));
    sqlx::query("UPDATE account_a SET balance = balance - ? WHERE id = ?")
        .bind(amount)
        .bind(from)
        .execute(&mut **tx)
        .await?;
    sqlx::query("UPDATE account_b SET balance = balance + ? WHERE id = ?")
        .bind(amount)
        .bind(to)
        .execute(&mut **tx)
        .await?;
    // Its id tells readers whether time goes back.
    sqlx::query("INSERT INTO marker () VALUES ()").execute(&mut **tx).await?;
    Ok(())
}

/// A table without a key: rows repeat, and one of several equal rows goes.
async fn journal(tx: &mut MySqlTransaction<'_>, random: &mut Random) -> Result<()> {
    let (account, amount) = (random.below(4), random.below(3));
    match random.below(3) {
        0 => sqlx::query("DELETE FROM journal WHERE account = ? LIMIT 1").bind(account).execute(&mut **tx).await?,
        1 => {
            sqlx::query("UPDATE journal SET amount = amount + 1 WHERE account = ? LIMIT 1")
                .bind(account)
                .execute(&mut **tx)
                .await?
        }
        _ => {
            sqlx::query("INSERT INTO journal VALUES (?, ?), (?, ?)")
                .bind(account)
                .bind(amount)
                .bind(account)
                .bind(amount)
                .execute(&mut **tx)
                .await?
        }
    };
    Ok(())
}
