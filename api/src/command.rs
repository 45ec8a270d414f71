//! The command side: every change of MySQL is one [`Command`], applied in one transaction.
//!
//! Endpoints and generated traffic use the same commands, so that what a test or a benchmark drives is what the
//! services do. Promises: `orders.total` equals the sum of the order's items at every commit; children are deleted
//! by statements of their own, never by a foreign key's cascade, because older servers, MySQL 8.4 among them, do not write cascades to
//! the binlog, where Debezium would miss them.

use sqlx::mysql::{MySqlConnection, MySqlPool};
use sqlx::{Connection, QueryBuilder, query, query_as, query_scalar};

use crate::error::{Error, Result};
use crate::model::{AddressChange, FIRST_STATUS, ItemChange, NewAddress, NewItem, NewOrder, NewUser, UserChange};
use crate::{money, position};

/// Deadlocks are part of InnoDB's life; a transaction that loses this often meets a hot row, which the caller must know.
const ATTEMPTS_MAX: u32 = 5;

/// One change, as one transaction.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Inserts a user.
    CreateUser(NewUser),
    /// Inserts a user and the first address; the address's `user_id` is ignored.
    Register(NewUser, NewAddress),
    /// Changes a user.
    ChangeUser(i64, UserChange),
    /// Deletes a user without orders, with the addresses.
    DeleteUser(i64),
    /// Inserts an address.
    CreateAddress(NewAddress),
    /// Changes an address.
    ChangeAddress(i64, AddressChange),
    /// Deletes an address that no order uses.
    DeleteAddress(i64),
    /// Inserts an order with its items.
    CreateOrder(NewOrder),
    /// Changes an item and the order's total.
    ChangeItem {
        /// The order.
        order_id: i64,
        /// Its item.
        item_id: i64,
        /// The new values.
        change: ItemChange,
    },
    /// Deletes an item and lowers the order's total.
    DeleteItem {
        /// The order.
        order_id: i64,
        /// Its item.
        item_id: i64,
    },
    /// Gives an item another primary key.
    MoveItem {
        /// The order.
        order_id: i64,
        /// Its item.
        item_id: i64,
        /// The free id that it gets.
        new_id: i64,
    },
    /// Deletes an order with its items.
    DeleteOrder(i64),
}

/// What a command made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Id of the object that was created or changed.
    pub id: i64,
    /// Ids of rows created with it: items of an order, the address of a registered user.
    pub children: Vec<i64>,
}

/// Runs the command in a transaction of its own; again when InnoDB chose it as a deadlock's victim.
pub async fn apply(pool: &MySqlPool, command: &Command) -> Result<Applied> {
    commit(&mut *pool.acquire().await?, command).await
}

/// As [`apply`], and a position that includes the transaction; `None` where the server has no GTIDs.
pub async fn apply_and_locate(pool: &MySqlPool, command: &Command) -> Result<(Applied, Option<String>)> {
    let mut connection = pool.acquire().await?;
    let applied = commit(&mut connection, command).await?;
    Ok((applied, position::newest(&mut connection).await?))
}

async fn commit(connection: &mut MySqlConnection, command: &Command) -> Result<Applied> {
    let mut attempt = 1;
    loop {
        let mut transaction = connection.begin().await?;
        match run(&mut transaction, command).await {
            Ok(applied) => {
                transaction.commit().await?;
                return Ok(applied);
            }
            Err(e) => {
                transaction.rollback().await?;
                if !e.is_lock_contention() || attempt == ATTEMPTS_MAX {
                    return Err(e);
                }
                attempt += 1;
            }
        }
    }
}

async fn run(db: &mut MySqlConnection, command: &Command) -> Result<Applied> {
    let id = match command {
        Command::CreateUser(user) => insert_user(db, user).await?,
        Command::Register(user, address) => {
            let id = insert_user(db, user).await?;
            let address_id = insert_address(db, id, address).await?;
            return Ok(Applied { id, children: vec![address_id] });
        }
        Command::ChangeUser(id, change) => change_user(db, *id, change).await?,
        Command::DeleteUser(id) => delete_user(db, *id).await?,
        Command::CreateAddress(address) => insert_address(db, address.user_id, address).await?,
        Command::ChangeAddress(id, change) => change_address(db, *id, change).await?,
        Command::DeleteAddress(id) => delete_address(db, *id).await?,
        Command::CreateOrder(order) => return insert_order(db, order).await,
        Command::ChangeItem { order_id, item_id, change } => {
            lock_order(db, *order_id).await?;
            let done = query("UPDATE order_items SET quantity = COALESCE(?, quantity), price = COALESCE(?, price) WHERE id = ? AND order_id = ?")
                .bind(change.quantity)
                .bind(change.price)
                .bind(item_id)
                .bind(order_id)
                .execute(&mut *db)
                .await?;
            found(done.rows_affected(), "order item", *item_id)?;
            update_total(db, *order_id).await?;
            *item_id
        }
        Command::DeleteItem { order_id, item_id } => {
            lock_order(db, *order_id).await?;
            let done = query("DELETE FROM order_items WHERE id = ? AND order_id = ?")
                .bind(item_id)
                .bind(order_id)
                .execute(&mut *db)
                .await?;
            found(done.rows_affected(), "order item", *item_id)?;
            update_total(db, *order_id).await?;
            *item_id
        }
        Command::MoveItem { order_id, item_id, new_id } => {
            let done = query("UPDATE order_items SET id = ? WHERE id = ? AND order_id = ?")
                .bind(new_id)
                .bind(item_id)
                .bind(order_id)
                .execute(&mut *db)
                .await?;
            found(done.rows_affected(), "order item", *item_id)?;
            *new_id
        }
        Command::DeleteOrder(id) => {
            lock_order(db, *id).await?;
            query("DELETE FROM order_items WHERE order_id = ?").bind(id).execute(&mut *db).await?;
            query("DELETE FROM orders WHERE id = ?").bind(id).execute(&mut *db).await?;
            *id
        }
    };
    Ok(Applied { id, children: Vec::new() })
}

async fn insert_user(db: &mut MySqlConnection, user: &NewUser) -> Result<i64> {
    let done = query("INSERT INTO users (name, email, phone) VALUES (?, ?, ?)")
        .bind(&user.name)
        .bind(&user.email)
        .bind(&user.phone)
        .execute(db)
        .await
        .map_err(|e| email_taken(e, &user.email))?;
    row_id(done.last_insert_id())
}

async fn change_user(db: &mut MySqlConnection, id: i64, change: &UserChange) -> Result<i64> {
    let done = query(
        "UPDATE users SET name = COALESCE(?, name), email = COALESCE(?, email), phone = IF(?, ?, phone) WHERE id = ?",
    )
    .bind(&change.name)
    .bind(&change.email)
    .bind(change.phone.is_some())
    .bind(change.phone.as_ref().and_then(Option::as_ref))
    .bind(id)
    .execute(db)
    .await
    .map_err(|e| email_taken(e, change.email.as_deref().unwrap_or_default()))?;
    found(done.rows_affected(), "user", id)
}

async fn delete_user(db: &mut MySqlConnection, id: i64) -> Result<i64> {
    // The lock keeps new orders and addresses of this user out: they need a shared lock on the same row.
    let user: Option<i64> =
        query_scalar("SELECT id FROM users WHERE id = ? FOR UPDATE").bind(id).fetch_optional(&mut *db).await?;
    found(user.iter().count() as u64, "user", id)?;
    let order: Option<i64> =
        query_scalar("SELECT id FROM orders WHERE user_id = ? LIMIT 1").bind(id).fetch_optional(&mut *db).await?;
    if let Some(order) = order {
        return Err(Error::Conflict(format!("user {id} has orders, such as {order}; delete them first")));
    }
    query("DELETE FROM addresses WHERE user_id = ?").bind(id).execute(&mut *db).await?;
    query("DELETE FROM users WHERE id = ?").bind(id).execute(&mut *db).await?;
    Ok(id)
}

async fn insert_address(db: &mut MySqlConnection, user_id: i64, address: &NewAddress) -> Result<i64> {
    let done =
        query("INSERT INTO addresses (user_id, street, city, state, postal_code, country) VALUES (?, ?, ?, ?, ?, ?)")
            .bind(user_id)
            .bind(&address.street)
            .bind(&address.city)
            .bind(&address.state)
            .bind(&address.postal_code)
            .bind(&address.country)
            .execute(db)
            .await
            .map_err(|e| no_parent(e, "/user_id", format!("user {user_id} does not exist")))?;
    row_id(done.last_insert_id())
}

async fn change_address(db: &mut MySqlConnection, id: i64, change: &AddressChange) -> Result<i64> {
    let done = query(
        "UPDATE addresses SET street = COALESCE(?, street), city = COALESCE(?, city), state = COALESCE(?, state), \
         postal_code = COALESCE(?, postal_code), country = COALESCE(?, country) WHERE id = ?",
    )
    .bind(&change.street)
    .bind(&change.city)
    .bind(&change.state)
    .bind(&change.postal_code)
    .bind(&change.country)
    .bind(id)
    .execute(db)
    .await?;
    found(done.rows_affected(), "address", id)
}

async fn delete_address(db: &mut MySqlConnection, id: i64) -> Result<i64> {
    let address: Option<i64> =
        query_scalar("SELECT id FROM addresses WHERE id = ? FOR UPDATE").bind(id).fetch_optional(&mut *db).await?;
    found(address.iter().count() as u64, "address", id)?;
    let order: Option<i64> =
        query_scalar("SELECT id FROM orders WHERE address_id = ? LIMIT 1").bind(id).fetch_optional(&mut *db).await?;
    if let Some(order) = order {
        return Err(Error::Conflict(format!("address {id} is used by orders, such as {order}; delete them first")));
    }
    query("DELETE FROM addresses WHERE id = ?").bind(id).execute(&mut *db).await?;
    Ok(id)
}

async fn insert_order(db: &mut MySqlConnection, order: &NewOrder) -> Result<Applied> {
    let owner: Option<(i64,)> = query_as("SELECT user_id FROM addresses WHERE id = ? FOR SHARE")
        .bind(order.address_id)
        .fetch_optional(&mut *db)
        .await?;
    let Some((owner,)) = owner else {
        return Err(Error::invalid("/address_id", format!("address {} does not exist", order.address_id)));
    };
    if owner != order.user_id {
        let detail = format!("address {} is not an address of user {}", order.address_id, order.user_id);
        return Err(Error::invalid("/address_id", detail));
    }
    let total =
        money::total(&order.items).ok_or_else(|| Error::invalid("/items", "must sum to at most 99999999.99"))?;
    let done =
        query("INSERT INTO orders (user_id, address_id, total, order_date, order_status) VALUES (?, ?, ?, NOW(3), ?)")
            .bind(order.user_id)
            .bind(order.address_id)
            .bind(total)
            .bind(FIRST_STATUS)
            .execute(&mut *db)
            .await
            .map_err(|e| no_parent(e, "/user_id", format!("user {} does not exist", order.user_id)))?;
    let id = row_id(done.last_insert_id())?;
    insert_items(db, id, &order.items).await?;
    let children =
        query_scalar("SELECT id FROM order_items WHERE order_id = ? ORDER BY id").bind(id).fetch_all(&mut *db).await?;
    Ok(Applied { id, children })
}

async fn insert_items(db: &mut MySqlConnection, order_id: i64, items: &[NewItem]) -> Result<()> {
    let mut insert = QueryBuilder::new("INSERT INTO order_items (order_id, product_name, quantity, price) ");
    insert.push_values(items, |mut row, item| {
        row.push_bind(order_id).push_bind(&item.product_name).push_bind(item.quantity).push_bind(item.price);
    });
    insert.build().execute(db).await?;
    Ok(())
}

/// Two changes of one order's items wait for each other, so that neither computes a total without the other's rows.
async fn lock_order(db: &mut MySqlConnection, id: i64) -> Result<()> {
    let order: Option<i64> =
        query_scalar("SELECT id FROM orders WHERE id = ? FOR UPDATE").bind(id).fetch_optional(db).await?;
    found(order.iter().count() as u64, "order", id).map(|_| ())
}

async fn update_total(db: &mut MySqlConnection, order_id: i64) -> Result<()> {
    query("UPDATE orders SET total = (SELECT COALESCE(SUM(quantity * price), 0) FROM order_items WHERE order_id = ?) WHERE id = ?")
        .bind(order_id)
        .bind(order_id)
        .execute(db)
        .await
        .map_err(|e| match Error::from(e) {
        e if e.is_out_of_range() => Error::invalid("/quantity", "makes the order's total exceed 99999999.99"),
        e => e,
    })?;
    Ok(())
}

fn found(rows: u64, what: &'static str, id: i64) -> Result<i64> {
    if rows == 0 { Err(Error::NotFound { what, id }) } else { Ok(id) }
}

fn row_id(id: u64) -> Result<i64> {
    i64::try_from(id).map_err(|_| Error::Conflict(format!("mysql gave the id {id}, which a BIGINT cannot hold")))
}

fn email_taken(error: sqlx::Error, email: &str) -> Error {
    let error = Error::from(error);
    if error.is_duplicate() { Error::Conflict(format!("email {email} belongs to another user")) } else { error }
}

fn no_parent(error: sqlx::Error, pointer: &str, detail: String) -> Error {
    let error = Error::from(error);
    if error.has_no_parent() { Error::invalid(pointer, detail) } else { error }
}
