//! The practical limit: the view written by hand for this one query as a careful engineer would, on one thread. No general
//! engine should beat it; how near one comes is the measure.
//!
//! It keeps every column of every table (an engine must, to answer queries), the view by order_id, and the last tick's
//! output delta: at most one row that leaves and one that comes for each order, never both equal. What costs is spent once:
//! all that belongs to an order lies in one slot, texts that many rows show are shared, the details are written only after an
//! item changed, and an order is looked at again only where the change can be seen in its row.

mod row;

use row::Row;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::rc::Rc;
use tidewater_order_summary::engine::Engine;
use tidewater_order_summary::event::{Address, Event, Item, Op, Order, SummaryRow, Update, User};

/// The engine. Panics on a stream that is no history.
#[derive(Default)]
pub struct Typed {
    users: Owners<UserColumns>,
    addresses: Owners<AddressColumns>,
    slots: Vec<Slot>,
    slot_by_id: FxHashMap<i64, u32>,
    free: Vec<u32>,
    statuses: FxHashSet<Rc<str>>,
    delta: Vec<(Row, i64)>,
    /// Slots whose row this tick may have changed, each once.
    dirty: Vec<u32>,
    /// Where details are written before they get a place of their own.
    text: String,
}

/// All that belongs to one order; any part may come first.
#[derive(Default)]
struct Slot {
    id: i64,
    order: Option<Head>,
    /// By id; no room to spare, for there are many slots.
    items: Vec<Line>,
    /// By time; the last one counts. No room to spare.
    updates: Vec<State>,
    row: Option<Row>,
    is_dirty: bool,
    /// Whether the row's details are of other items.
    has_new_items: bool,
    /// Whether the row's phone or address may be another.
    has_new_owner: bool,
}

/// An order without its id.
struct Head {
    user: u32,
    address: u32,
    total: i64,
    created_at: i64,
}

/// An item without its order's id.
struct Line {
    id: i64,
    name: Box<str>,
    price: i64,
    quantity: i32,
}

/// An update without its order's id.
struct State {
    at: i64,
    status: Rc<str>,
}

struct UserColumns {
    #[expect(dead_code, reason = "an engine keeps all columns")]
    email: Box<str>,
    #[expect(dead_code, reason = "an engine keeps all columns")]
    name: Box<str>,
    phone: Rc<str>,
}

struct AddressColumns {
    #[expect(dead_code, reason = "an engine keeps all columns")]
    user_id: i64,
    full_address: Rc<str>,
}

/// Users or addresses.
struct Owners<C> {
    all: Vec<Owner<C>>,
    by_id: FxHashMap<i64, u32>,
}

/// A user or an address, and the slots of the orders that name it; either may come first.
struct Owner<C> {
    id: i64,
    columns: Option<C>,
    slots: Vec<u32>,
}

impl<C> Default for Owners<C> {
    fn default() -> Self {
        Self { all: Vec::new(), by_id: FxHashMap::default() }
    }
}

impl<C> Owners<C> {
    fn number(&mut self, id: i64) -> u32 {
        *self.by_id.entry(id).or_insert_with(|| {
            self.all.push(Owner { id, columns: None, slots: Vec::new() });
            self.all.len() as u32 - 1
        })
    }

    fn of(&self, number: u32) -> &Owner<C> {
        &self.all[number as usize]
    }

    /// Takes a change; gives the owners whose orders look different.
    fn change(&mut self, old: Option<i64>, new: Option<(i64, C)>) -> [Option<u32>; 2] {
        let new = new.map(|(id, columns)| (self.number(id), columns));
        let new_number = new.as_ref().map(|(number, _)| *number);
        let old_number = old.map(|id| self.number(id)).filter(|number| Some(*number) != new_number);
        if let Some(number) = old_number {
            self.all[number as usize].columns = None;
        }
        if let Some((number, columns)) = new {
            self.all[number as usize].columns = Some(columns);
        }
        [old_number, new_number]
    }

    fn disown(&mut self, number: u32, slot: u32) {
        let slots = &mut self.all[number as usize].slots;
        let place = slots.iter().position(|&other| other == slot).expect("an order's user and address know it");
        slots.swap_remove(place);
    }
}

impl Engine for Typed {
    fn tick(&mut self, events: &[Event]) {
        self.delta.clear();
        for event in events {
            match event {
                Event::User(op) => self.apply_user(op),
                Event::Address(op) => self.apply_address(op),
                Event::Order(op) => self.apply_order(op),
                Event::Item(op) => self.apply_item(op),
                Event::Update(op) => self.apply_update(op),
            }
        }
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.drain(..).for_each(|slot| self.refresh(slot));
        self.dirty = dirty;
    }

    fn state(&mut self) -> BTreeMap<i64, SummaryRow> {
        self.slots.iter().filter_map(|slot| slot.row.as_ref()).map(|row| (row.order_id, row.summary())).collect()
    }
}

impl Typed {
    /// The output delta of the last tick.
    pub fn delta(&self) -> impl Iterator<Item = (SummaryRow, i64)> {
        self.delta.iter().map(|(row, weight)| (row.summary(), *weight))
    }

    fn slot(&mut self, id: i64) -> u32 {
        *self.slot_by_id.entry(id).or_insert_with(|| {
            let new = Slot { id, ..Slot::default() };
            if let Some(number) = self.free.pop() {
                self.slots[number as usize] = new;
                return number;
            }
            self.slots.push(new);
            self.slots.len() as u32 - 1
        })
    }

    /// To be called where an order's row may have changed: one that is nowhere to be seen is not looked at.
    fn touch(&mut self, number: u32) {
        let slot = &mut self.slots[number as usize];
        let is_whole = slot.order.is_some() && !slot.items.is_empty() && !slot.updates.is_empty();
        if !slot.is_dirty && (is_whole || slot.row.is_some()) {
            slot.is_dirty = true;
            self.dirty.push(number);
        }
    }

    fn apply_user(&mut self, op: &Op<User>) {
        let columns = |row: &User| {
            let [email, name] = [&row.email, &row.name].map(|text| text.as_str().into());
            UserColumns { email, name, phone: row.phone.as_str().into() }
        };
        let (old, new) = op.old_and_new();
        let visible = !matches!(op, Op::Update { old, new } if old.id == new.id && old.phone == new.phone);
        let changed = self.users.change(old.map(|row| row.id), new.map(|row| (row.id, columns(row))));
        for owner in changed.into_iter().flatten().filter(|_| visible) {
            for place in 0..self.users.of(owner).slots.len() {
                self.touch_owner(self.users.of(owner).slots[place]);
            }
        }
    }

    fn apply_address(&mut self, op: &Op<Address>) {
        let columns =
            |row: &Address| AddressColumns { user_id: row.user_id, full_address: row.full_address.as_str().into() };
        let (old, new) = op.old_and_new();
        let visible =
            !matches!(op, Op::Update { old, new } if old.id == new.id && old.full_address == new.full_address);
        let changed = self.addresses.change(old.map(|row| row.id), new.map(|row| (row.id, columns(row))));
        for owner in changed.into_iter().flatten().filter(|_| visible) {
            for place in 0..self.addresses.of(owner).slots.len() {
                self.touch_owner(self.addresses.of(owner).slots[place]);
            }
        }
    }

    fn apply_order(&mut self, op: &Op<Order>) {
        match op {
            Op::Update { old, new }
                if (old.id, old.user_id, old.address_id) == (new.id, new.user_id, new.address_id) =>
            {
                let number = self.slot(new.id);
                let head = self.slots[number as usize].order.as_mut().expect("an order that changes is here");
                (head.total, head.created_at) = (new.total, new.created_at);
                self.touch(number);
            }
            _ => {
                let (old, new) = op.old_and_new();
                old.into_iter().for_each(|old| self.remove_order(old));
                new.into_iter().for_each(|new| self.insert_order(new));
            }
        }
    }

    fn insert_order(&mut self, order: &Order) {
        let number = self.slot(order.id);
        let (user, address) = (self.users.number(order.user_id), self.addresses.number(order.address_id));
        self.users.all[user as usize].slots.push(number);
        self.addresses.all[address as usize].slots.push(number);
        let head = Head { user, address, total: order.total, created_at: order.created_at };
        self.slots[number as usize].order = Some(head);
        self.touch_owner(number);
    }

    fn remove_order(&mut self, order: &Order) {
        let number = self.slot(order.id);
        let head = self.slots[number as usize].order.take().expect("an order that leaves is here");
        self.users.disown(head.user, number);
        self.addresses.disown(head.address, number);
        self.touch(number);
        self.release(number);
    }

    fn apply_item(&mut self, op: &Op<Item>) {
        let (old, new) = op.old_and_new();
        if let Some(old) = old {
            let number = self.slot(old.order_id);
            let items = &mut self.slots[number as usize].items;
            let at = items.binary_search_by_key(&old.id, |item| item.id).expect("an item that leaves is here");
            if let Some(new) = new.filter(|new| (new.id, new.order_id) == (old.id, old.order_id)) {
                let line = &mut items[at];
                (line.price, line.quantity) = (new.price, new.quantity);
                if *line.name != *new.name {
                    line.name = new.name.as_str().into();
                }
                return self.touch_items(number);
            }
            items.remove(at);
            self.touch_items(number);
            self.release(number);
        }
        if let Some(new) = new {
            let number = self.slot(new.order_id);
            let items = &mut self.slots[number as usize].items;
            let at = items.partition_point(|item| item.id < new.id);
            items.reserve_exact(1);
            let line = Line { id: new.id, name: new.name.as_str().into(), price: new.price, quantity: new.quantity };
            items.insert(at, line);
            self.touch_items(number);
        }
    }

    fn touch_items(&mut self, number: u32) {
        self.slots[number as usize].has_new_items = true;
        self.touch(number);
    }

    fn touch_owner(&mut self, number: u32) {
        self.slots[number as usize].has_new_owner = true;
        self.touch(number);
    }

    fn apply_update(&mut self, op: &Op<Update>) {
        let (old, new) = op.old_and_new();
        if let Some(old) = old {
            let number = self.slot(old.order_id);
            let updates = &mut self.slots[number as usize].updates;
            let at = updates.binary_search_by_key(&old.updated_at, |update| update.at);
            let at = at.expect("an update that leaves is here");
            updates.remove(at);
            if at == updates.len() {
                self.touch(number);
            }
            self.release(number);
        }
        if let Some(new) = new {
            let status = self.status(&new.status);
            let number = self.slot(new.order_id);
            let updates = &mut self.slots[number as usize].updates;
            let at = updates.partition_point(|update| update.at < new.updated_at);
            updates.reserve_exact(1);
            updates.insert(at, State { at: new.updated_at, status });
            if at + 1 == updates.len() {
                self.touch(number);
            }
        }
    }

    /// The one copy of a status.
    fn status(&mut self, text: &str) -> Rc<str> {
        if let Some(known) = self.statuses.get(text) {
            return known.clone();
        }
        let new: Rc<str> = text.into();
        self.statuses.insert(new.clone());
        new
    }

    /// Gives a slot back that holds nothing any more; one with a row waits for the end of the tick.
    fn release(&mut self, number: u32) {
        let slot = &self.slots[number as usize];
        let is_empty = slot.order.is_none() && slot.items.is_empty() && slot.updates.is_empty();
        if is_empty && slot.row.is_none() && !slot.is_dirty {
            self.slot_by_id.remove(&slot.id);
            self.free.push(number);
        }
    }

    /// Makes an order's row new and says what changed.
    fn refresh(&mut self, number: u32) {
        let slot = &mut self.slots[number as usize];
        slot.is_dirty = false;
        let new = row(slot, &self.users, &self.addresses, &mut self.text);
        if slot.row == new {
            return self.release(number);
        }
        let old = std::mem::replace(&mut slot.row, new.clone());
        self.delta.extend(old.map(|old| (old, -1)));
        self.delta.extend(new.map(|new| (new, 1)));
        self.release(number);
    }
}

fn row(
    slot: &mut Slot,
    users: &Owners<UserColumns>,
    addresses: &Owners<AddressColumns>,
    text: &mut String,
) -> Option<Row> {
    let (head, update) = (slot.order.as_ref()?, slot.updates.last()?);
    if slot.items.is_empty() {
        return None;
    }
    let known = slot.row.as_ref();
    let (user_id, phone, full_address) = match known {
        Some(row) if !slot.has_new_owner => (row.user_id, row.phone.clone(), row.full_address.clone()),
        _ => {
            let (user, address) = (users.of(head.user), addresses.of(head.address));
            (user.id, user.columns.as_ref()?.phone.clone(), address.columns.as_ref()?.full_address.clone())
        }
    };
    let details = match known.map(|row| &row.details) {
        Some(details) if !slot.has_new_items => details.clone(),
        known => {
            write_details(&slot.items, text);
            known.filter(|known| ***known == **text).cloned().unwrap_or_else(|| text.as_str().into())
        }
    };
    (slot.has_new_items, slot.has_new_owner) = (false, false);
    Some(Row {
        order_id: slot.id,
        total: head.total,
        date: head.created_at,
        status: update.status.clone(),
        last_update: update.at,
        user_id,
        phone,
        full_address,
        details,
    })
}

fn write_details(items: &[Line], text: &mut String) {
    text.clear();
    for item in items {
        let comma = if text.is_empty() { "" } else { ", " };
        write!(text, "{comma}{} x{} @{}", item.name, item.quantity, item.price).expect("a String takes any text");
    }
}
