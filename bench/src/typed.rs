//! The practical limit: the view written by hand for this one query, with plain structs, hash maps and sorted vectors, on
//! one thread. No general engine should beat it; how near one comes is the measure.
//!
//! It keeps every column of every table (an engine must, to answer queries), the view by order_id, and the last tick's
//! output delta: at most one row that leaves and one that comes for each order, never both equal.

use crate::engine::Engine;
use crate::event::{Address, Event, Item, Op, Order, SummaryRow, Update, User};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The engine. Panics on a stream that is no history.
#[derive(Default)]
pub struct Typed {
    users: FxHashMap<i64, Owner<User>>,
    addresses: FxHashMap<i64, Owner<Address>>,
    orders: FxHashMap<i64, OrderState>,
    view: FxHashMap<i64, SummaryRow>,
    delta: Vec<(SummaryRow, i64)>,
    /// Orders that this tick may have changed, with repeats.
    touched: Vec<i64>,
}

/// A user or an address, and the orders that name it; either may come first.
struct Owner<R> {
    row: Option<R>,
    order_ids: Vec<i64>,
}

impl<R> Default for Owner<R> {
    fn default() -> Self {
        Self { row: None, order_ids: Vec::new() }
    }
}

/// All that belongs to one order; any part may come first.
#[derive(Default)]
struct OrderState {
    order: Option<Order>,
    /// By id.
    items: Vec<Item>,
    /// By updated_at; the last one counts.
    updates: Vec<Update>,
}

impl Engine for Typed {
    fn tick(&mut self, events: &[Event]) {
        self.delta.clear();
        for event in events {
            self.apply(event);
        }
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        for &order_id in &touched {
            self.refresh(order_id);
        }
        touched.clear();
        self.touched = touched;
    }

    fn state(&mut self) -> BTreeMap<i64, SummaryRow> {
        self.view.iter().map(|(&id, row)| (id, row.clone())).collect()
    }
}

impl Typed {
    /// The output delta of the last tick.
    pub fn delta(&self) -> &[(SummaryRow, i64)] {
        &self.delta
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::User(op) => {
                let (old, new) = op.old_and_new();
                own(&mut self.users, old.map(|row| row.id), new.map(|row| (row.id, row)), &mut self.touched);
            }
            Event::Address(op) => {
                let (old, new) = op.old_and_new();
                own(&mut self.addresses, old.map(|row| row.id), new.map(|row| (row.id, row)), &mut self.touched);
            }
            Event::Order(op) => self.apply_order(op),
            Event::Item(op) => self.apply_item(op),
            Event::Update(op) => self.apply_update(op),
        }
    }

    fn apply_order(&mut self, op: &Op<Order>) {
        let (old, new) = op.old_and_new();
        if let Some(old) = old {
            self.touched.push(old.id);
            self.orders.get_mut(&old.id).expect("an order that leaves is here").order = None;
        }
        if let Some(new) = new {
            self.touched.push(new.id);
            self.orders.entry(new.id).or_default().order = Some(new.clone());
        }
        let ends = |order: &Order| (order.id, order.user_id, order.address_id);
        if old.map(ends) == new.map(ends) {
            return;
        }
        if let Some(old) = old {
            disown(&mut self.users, old.user_id, old.id);
            disown(&mut self.addresses, old.address_id, old.id);
        }
        if let Some(new) = new {
            self.users.entry(new.user_id).or_default().order_ids.push(new.id);
            self.addresses.entry(new.address_id).or_default().order_ids.push(new.id);
        }
    }

    fn apply_item(&mut self, op: &Op<Item>) {
        let (old, new) = op.old_and_new();
        if let Some(old) = old {
            self.touched.push(old.order_id);
            let items = &mut self.orders.get_mut(&old.order_id).expect("the order of an item is here").items;
            let at = items.binary_search_by_key(&old.id, |item| item.id).expect("an item that leaves is here");
            items.remove(at);
        }
        if let Some(new) = new {
            self.touched.push(new.order_id);
            let items = &mut self.orders.entry(new.order_id).or_default().items;
            let at = items.partition_point(|item| item.id < new.id);
            items.insert(at, new.clone());
        }
    }

    fn apply_update(&mut self, op: &Op<Update>) {
        let (old, new) = op.old_and_new();
        if let Some(old) = old {
            self.touched.push(old.order_id);
            let updates = &mut self.orders.get_mut(&old.order_id).expect("the order of an update is here").updates;
            let at = updates.binary_search_by_key(&old.updated_at, |update| update.updated_at);
            updates.remove(at.expect("an update that leaves is here"));
        }
        if let Some(new) = new {
            self.touched.push(new.order_id);
            let updates = &mut self.orders.entry(new.order_id).or_default().updates;
            let at = updates.partition_point(|update| update.updated_at < new.updated_at);
            updates.insert(at, new.clone());
        }
    }

    /// Makes the order's row new and says what changed.
    fn refresh(&mut self, order_id: i64) {
        let new = self.row(order_id);
        let old = self.view.get(&order_id);
        if old == new.as_ref() {
            return;
        }
        let old = match new {
            None => self.view.remove(&order_id),
            Some(new) => {
                self.delta.push((new.clone(), 1));
                self.view.insert(order_id, new)
            }
        };
        self.delta.extend(old.map(|old| (old, -1)));
    }

    fn row(&self, order_id: i64) -> Option<SummaryRow> {
        let state = self.orders.get(&order_id)?;
        let order = state.order.as_ref()?;
        let update = state.updates.last()?;
        if state.items.is_empty() {
            return None;
        }
        let user = self.users.get(&order.user_id)?.row.as_ref()?;
        let address = self.addresses.get(&order.address_id)?.row.as_ref()?;
        Some(SummaryRow {
            order_id,
            total: order.total,
            order_date: order.created_at,
            order_status: update.status.clone(),
            last_order_update: update.updated_at,
            user_id: order.user_id,
            user_phone: user.phone.clone(),
            full_address: address.full_address.clone(),
            order_items_details: details(&state.items),
        })
    }
}

fn details(items: &[Item]) -> String {
    let mut text = String::new();
    for item in items {
        let comma = if text.is_empty() { "" } else { ", " };
        write!(text, "{comma}{} x{} @{}", item.name, item.quantity, item.price).expect("a String takes any text");
    }
    text
}

/// A changed user or address touches every order that names it.
fn own<R: Clone>(
    owners: &mut FxHashMap<i64, Owner<R>>,
    old: Option<i64>,
    new: Option<(i64, &R)>,
    touched: &mut Vec<i64>,
) {
    if let Some(id) = old {
        let owner = owners.get_mut(&id).expect("a row that leaves is here");
        owner.row = None;
        touched.extend(&owner.order_ids);
    }
    if let Some((id, row)) = new {
        let owner = owners.entry(id).or_default();
        owner.row = Some(row.clone());
        // An update of one row has touched them already.
        if old != Some(id) {
            touched.extend(&owner.order_ids);
        }
    }
}

fn disown<R>(owners: &mut FxHashMap<i64, Owner<R>>, id: i64, order_id: i64) {
    let owner = owners.get_mut(&id).expect("an order's user and address know it");
    owner.order_ids.retain(|&other| other != order_id);
}
