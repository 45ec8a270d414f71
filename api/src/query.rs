//! Queries from MySQL: lists by key, one object by id.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sqlx::mysql::{MySql, MySqlPool};
use sqlx::{QueryBuilder, query_as};

use crate::error::{Error, Result};
use crate::model::{Address, Item, Order, OrderWithItems, User};

/// A part of a list: rows whose key is greater than `after`, at most `limit` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The last key of the page before; the least number for the first page.
    pub after: i64,
    /// Rows at most.
    pub limit: u32,
}

/// Which orders a list has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderFilter {
    /// Only orders of this user.
    pub user_id: Option<i64>,
    /// Only orders of this status.
    pub status: Option<String>,
}

const USERS: &str = "SELECT id, name, email, phone, created_at FROM users";
const ADDRESSES: &str = "SELECT id, user_id, street, city, state, postal_code, country, created_at FROM addresses";
const ORDERS: &str = "SELECT id, user_id, address_id, total, order_date, order_status FROM orders";
const ITEMS: &str = "SELECT id, product_name, quantity, price FROM order_items";

type UserRow = (i64, String, String, Option<String>, DateTime<Utc>);
type AddressRow = (i64, i64, String, String, String, String, String, DateTime<Utc>);
type OrderRow = (i64, i64, i64, Decimal, DateTime<Utc>, String);
type ItemRow = (i64, String, i32, Decimal);

/// Users in key order.
pub async fn users(pool: &MySqlPool, page: Page) -> Result<Vec<User>> {
    let rows: Vec<UserRow> = ordered(paged_where(USERS, page), page).build_query_as().fetch_all(pool).await?;
    Ok(rows.into_iter().map(user_of).collect())
}

/// One user.
pub async fn user(pool: &MySqlPool, id: i64) -> Result<User> {
    let row: Option<UserRow> = by_id(USERS, id).build_query_as().fetch_optional(pool).await?;
    row.map(user_of).ok_or(Error::NotFound { what: "user", id })
}

/// Addresses in key order, of one user or of all.
pub async fn addresses(pool: &MySqlPool, user_id: Option<i64>, page: Page) -> Result<Vec<Address>> {
    let mut select = paged_where(ADDRESSES, page);
    if let Some(user_id) = user_id {
        select.push(" AND user_id = ").push_bind(user_id);
    }
    let rows: Vec<AddressRow> = ordered(select, page).build_query_as().fetch_all(pool).await?;
    Ok(rows.into_iter().map(address_of).collect())
}

/// One address.
pub async fn address(pool: &MySqlPool, id: i64) -> Result<Address> {
    let row: Option<AddressRow> = by_id(ADDRESSES, id).build_query_as().fetch_optional(pool).await?;
    row.map(address_of).ok_or(Error::NotFound { what: "address", id })
}

/// Orders in key order.
pub async fn orders(pool: &MySqlPool, filter: &OrderFilter, page: Page) -> Result<Vec<Order>> {
    let mut select = paged_where(ORDERS, page);
    if let Some(user_id) = filter.user_id {
        select.push(" AND user_id = ").push_bind(user_id);
    }
    if let Some(status) = &filter.status {
        select.push(" AND order_status = ").push_bind(status);
    }
    let rows: Vec<OrderRow> = ordered(select, page).build_query_as().fetch_all(pool).await?;
    Ok(rows.into_iter().map(order_of).collect())
}

/// One order with its items, both of the same moment.
pub async fn order(pool: &MySqlPool, id: i64) -> Result<OrderWithItems> {
    let mut snapshot = pool.begin().await?;
    let row: Option<OrderRow> = by_id(ORDERS, id).build_query_as().fetch_optional(&mut *snapshot).await?;
    let order = row.map(order_of).ok_or(Error::NotFound { what: "order", id })?;
    let mut select = QueryBuilder::new(ITEMS);
    select.push(" WHERE order_id = ").push_bind(id).push(" ORDER BY id");
    let rows: Vec<ItemRow> = select.build_query_as().fetch_all(&mut *snapshot).await?;
    snapshot.commit().await?;
    let items = rows.into_iter().map(|(item_id, product_name, quantity, price)| Item {
        item_id,
        product_name,
        quantity,
        price,
    });
    Ok(OrderWithItems { order, items: items.collect() })
}

/// Refuses an order that does not exist.
pub async fn order_exists(pool: &MySqlPool, id: i64) -> Result<()> {
    let row: Option<(i64,)> = query_as("SELECT id FROM orders WHERE id = ?").bind(id).fetch_optional(pool).await?;
    row.map(|_| ()).ok_or(Error::NotFound { what: "order", id })
}

/// True when MySQL answers and has the shop's tables.
pub async fn ready(pool: &MySqlPool) -> Result<()> {
    let _: Option<(i64,)> = query_as("SELECT id FROM orders LIMIT 1").fetch_optional(pool).await?;
    Ok(())
}

fn by_id(select: &'static str, id: i64) -> QueryBuilder<MySql> {
    let mut select = QueryBuilder::new(select);
    select.push(" WHERE id = ").push_bind(id);
    select
}

fn paged_where(select: &'static str, page: Page) -> QueryBuilder<MySql> {
    let mut select = QueryBuilder::new(select);
    select.push(" WHERE id > ").push_bind(page.after);
    select
}

fn ordered(mut select: QueryBuilder<MySql>, page: Page) -> QueryBuilder<MySql> {
    select.push(" ORDER BY id LIMIT ").push_bind(page.limit);
    select
}

fn user_of((user_id, name, email, phone, created_at): UserRow) -> User {
    User { user_id, name, email, phone, created_at }
}

fn address_of((address_id, user_id, street, city, state, postal_code, country, created_at): AddressRow) -> Address {
    Address { address_id, user_id, street, city, state, postal_code, country, created_at }
}

fn order_of((order_id, user_id, address_id, total, order_date, order_status): OrderRow) -> Order {
    Order { order_id, user_id, address_id, total, order_date, order_status, updated_date: None }
}
