//! The judge: tables as plain maps and the view computed from them in one go, the way a reader would check it by hand.
//!
//! It shares no code with the engines, so that a mistake is not made twice.

use crate::event::{Address, Event, Item, Op, Order, SummaryRow, Update, User};
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// The five tables at one moment.
#[derive(Default)]
pub struct Tables {
    users: HashMap<i64, User>,
    addresses: HashMap<i64, Address>,
    orders: HashMap<i64, Order>,
    items: HashMap<i64, Item>,
    updates: HashMap<(i64, i64), Update>,
}

impl Tables {
    /// Changes the tables. Panics on a stream that is no history, such as a delete of a row that is not there.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::User(op) => change(&mut self.users, op, |row| row.id),
            Event::Address(op) => change(&mut self.addresses, op, |row| row.id),
            Event::Order(op) => change(&mut self.orders, op, |row| row.id),
            Event::Item(op) => change(&mut self.items, op, |row| row.id),
            Event::Update(op) => change(&mut self.updates, op, |row| (row.order_id, row.updated_at)),
        }
    }

    /// The view of these tables.
    pub fn order_summary(&self) -> BTreeMap<i64, SummaryRow> {
        let mut latest: HashMap<i64, &Update> = HashMap::new();
        for update in self.updates.values() {
            let best = latest.entry(update.order_id).or_insert(update);
            if update.updated_at > best.updated_at {
                *best = update;
            }
        }
        let mut items: HashMap<i64, BTreeMap<i64, String>> = HashMap::new();
        for item in self.items.values() {
            let text = format!("{} x{} @{}", item.name, item.quantity, item.price);
            items.entry(item.order_id).or_default().insert(item.id, text);
        }
        let mut view = BTreeMap::new();
        for (&order_id, order) in &self.orders {
            let (Some(user), Some(address)) = (self.users.get(&order.user_id), self.addresses.get(&order.address_id))
            else {
                continue;
            };
            let (Some(update), Some(items)) = (latest.get(&order_id), items.get(&order_id)) else { continue };
            let details: Vec<&str> = items.values().map(String::as_str).collect();
            let row = SummaryRow {
                order_id,
                total: order.total,
                order_date: order.created_at,
                order_status: update.status.clone(),
                last_order_update: update.updated_at,
                user_id: order.user_id,
                user_phone: user.phone.clone(),
                full_address: address.full_address.clone(),
                order_items_details: details.join(", "),
            };
            view.insert(order_id, row);
        }
        view
    }
}

fn change<K: Hash + Eq, R: Clone + PartialEq>(table: &mut HashMap<K, R>, op: &Op<R>, key: impl Fn(&R) -> K) {
    let (old, new) = op.old_and_new();
    if let Some(old) = old {
        assert!(table.remove(&key(old)).as_ref() == Some(old), "the stream replaces a row that is not there");
    }
    if let Some(new) = new {
        assert!(table.insert(key(new), new.clone()).is_none(), "the stream inserts a key twice");
    }
}
