//! What the benchmark is about: five tables, changes of their rows, and the row of the view that every engine keeps.
//!
//! The view is `order_summary`: one row for each order that has a user, an address, at least one item and one update. The
//! status is that of the update with the greatest `updated_at`; the details are
//! `string_agg(name || ' x' || quantity || ' @' || price, ', ' ORDER BY item id)`.

use serde::Serialize;

/// A customer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct User {
    /// Key.
    pub id: i64,
    /// Unique by construction.
    pub email: String,
    /// Full name.
    pub name: String,
    /// The one column that the live phase changes.
    pub phone: String,
}

/// A place that orders go to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// Key.
    pub id: i64,
    /// Whose it is.
    pub user_id: i64,
    /// One line of text.
    pub full_address: String,
}

/// An order's head.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    /// Key.
    pub id: i64,
    /// Who ordered.
    pub user_id: i64,
    /// Where it goes.
    pub address_id: i64,
    /// In cents.
    pub total: i64,
    /// Microseconds since 1970.
    pub created_at: i64,
}

/// One line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    /// Key; the details text is in its order.
    pub id: i64,
    /// Of which order.
    pub order_id: i64,
    /// What.
    pub name: String,
    /// In cents.
    pub price: i64,
    /// How many.
    pub quantity: i32,
}

/// One step of an order's way; rows are only ever added.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Update {
    /// Of which order.
    pub order_id: i64,
    /// The state reached.
    pub status: String,
    /// Microseconds since 1970, unique in the stream.
    pub updated_at: i64,
}

/// What happened to one row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op<R> {
    /// A new row.
    Insert(R),
    /// A row with the same key takes the place of another.
    Update {
        /// The row that leaves.
        old: R,
        /// The row that comes.
        new: R,
    },
    /// The row leaves.
    Delete(R),
}

impl<R> Op<R> {
    /// The row that leaves and the row that comes.
    pub fn old_and_new(&self) -> (Option<&R>, Option<&R>) {
        match self {
            Self::Insert(new) => (None, Some(new)),
            Self::Update { old, new } => (Some(old), Some(new)),
            Self::Delete(old) => (Some(old), None),
        }
    }
}

/// One change of one table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Of `users`.
    User(Op<User>),
    /// Of `addresses`.
    Address(Op<Address>),
    /// Of `orders`.
    Order(Op<Order>),
    /// Of `order_items`.
    Item(Op<Item>),
    /// Of `order_updates`.
    Update(Op<Update>),
}

/// One row of the view.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct SummaryRow {
    /// Key.
    pub order_id: i64,
    /// In cents.
    pub total: i64,
    /// When the order was made, microseconds since 1970.
    pub order_date: i64,
    /// Of the newest update.
    pub order_status: String,
    /// When that was, microseconds since 1970.
    pub last_order_update: i64,
    /// Who ordered.
    pub user_id: i64,
    /// Their phone.
    pub user_phone: String,
    /// Where it goes.
    pub full_address: String,
    /// Every item, in the order of ids.
    pub order_items_details: String,
}
