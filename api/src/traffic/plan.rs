//! What live traffic does next: a pure function of a seed, of the data it starts from, and of the ids that MySQL gave.
//!
//! A plan owns a share of the users with everything that belongs to them, so that several plans run side by side
//! without touching each other's orders. It remembers the ids of its rows and never asks MySQL.

use super::fake::{self, Random};
use crate::command::{Applied, Command};
use crate::model::{AddressChange, ItemChange, NewOrder, UserChange};
use crate::updates::STAGES;

/// What traffic consists of, and how often out of [`WEIGHTS_SUM`] each comes: mostly orders and their updates, as in
/// a shop, and enough of everything else to meet every kind of change within seconds.
pub const MIX: [(Kind, u64); 9] = [
    (Kind::OrderUpdate, 35),
    (Kind::NewOrder, 20),
    (Kind::ItemChange, 12),
    (Kind::UserPhone, 8),
    (Kind::NewUser, 6),
    (Kind::AddressChange, 6),
    (Kind::ItemDelete, 5),
    (Kind::ItemMove, 4),
    (Kind::OrderDelete, 4),
];
const WEIGHTS_SUM: u64 = 100;

/// A kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The next status of an order, to Kafka.
    OrderUpdate,
    /// An order with items.
    NewOrder,
    /// Another quantity of an item; the order's total follows.
    ItemChange,
    /// Another telephone of a user, or none.
    UserPhone,
    /// A user with an address.
    NewUser,
    /// Another street.
    AddressChange,
    /// An item less; the order's total follows.
    ItemDelete,
    /// Another primary key of an item.
    ItemMove,
    /// An order less, with its items.
    OrderDelete,
}

impl Kind {
    /// For reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OrderUpdate => "order updates to kafka",
            Self::NewOrder => "new orders",
            Self::ItemChange => "item quantities",
            Self::UserPhone => "user phones",
            Self::NewUser => "new users",
            Self::AddressChange => "addresses",
            Self::ItemDelete => "item deletes",
            Self::ItemMove => "item key changes",
            Self::OrderDelete => "order deletes",
        }
    }
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A transaction in MySQL.
    Sql(Command),
    /// A message to Kafka: the order enters a stage.
    Update {
        /// Which order.
        order_id: i64,
        /// Position in [`STAGES`].
        stage: usize,
    },
}

/// An order that a plan knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownOrder {
    /// Its id.
    pub id: i64,
    /// The next stage to publish.
    pub stage: usize,
    /// Ids of its items.
    pub items: Vec<i64>,
}

/// The rows that a plan works on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Ids of users.
    pub users: Vec<i64>,
    /// Addresses as (id, user).
    pub addresses: Vec<(i64, i64)>,
    /// Orders.
    pub orders: Vec<KnownOrder>,
}

/// Decides what comes next.
#[derive(Clone, Debug)]
pub struct Plan {
    random: Random,
    known: Known,
    /// Item ids that deletes left: an item that changes its key gets one, since AUTO_INCREMENT never gives them again.
    free_items: Vec<i64>,
    /// Makes emails of new users unique among all runs over one database.
    tag: String,
    registered: u64,
}

impl Plan {
    /// A plan over these rows.
    #[must_use]
    pub fn new(seed: u64, known: Known, tag: String) -> Self {
        Self { random: Random::new(seed), known, free_items: Vec::new(), tag, registered: 0 }
    }

    /// The next step. What the rows do not allow yet becomes the step that makes it possible.
    pub fn next_step(&mut self) -> (Kind, Step) {
        let mut draw = self.random.below(WEIGHTS_SUM);
        let mut kind = Kind::OrderUpdate;
        for (candidate, weight) in MIX {
            kind = candidate;
            if draw < weight {
                break;
            }
            draw -= weight;
        }
        if self.known.users.is_empty() || self.known.addresses.is_empty() {
            return self.new_user();
        }
        match kind {
            Kind::NewUser => self.new_user(),
            Kind::UserPhone => self.user_phone(),
            Kind::AddressChange => self.address_change(),
            Kind::NewOrder => self.new_order(),
            _ if self.known.orders.is_empty() => self.new_order(),
            kind => self.order_step(kind),
        }
    }

    /// Learns what MySQL did with a step.
    pub fn applied(&mut self, step: &Step, applied: &Applied) {
        match step {
            Step::Sql(Command::Register(..)) => {
                self.known.users.push(applied.id);
                self.known.addresses.extend(applied.children.iter().map(|&address| (address, applied.id)));
            }
            Step::Sql(Command::CreateOrder(_)) => {
                self.known.orders.push(KnownOrder { id: applied.id, stage: 0, items: applied.children.clone() });
            }
            Step::Sql(Command::DeleteItem { order_id, item_id }) => {
                self.forget_item(*order_id, *item_id);
                self.free_items.push(*item_id);
            }
            Step::Sql(Command::MoveItem { order_id, item_id, new_id }) => {
                if let Some(item) = self.order_mut(*order_id).and_then(|o| o.items.iter_mut().find(|i| *i == item_id)) {
                    *item = *new_id;
                }
                self.free_items.push(*item_id);
            }
            Step::Sql(Command::DeleteOrder(id)) => {
                if let Some(order) = self.forget_order(*id) {
                    self.free_items.extend(order.items);
                }
            }
            Step::Update { order_id, .. } => {
                if let Some(order) = self.order_mut(*order_id) {
                    order.stage += 1;
                }
            }
            Step::Sql(_) => {}
        }
    }

    /// Forgets a row that somebody else deleted.
    pub fn vanished(&mut self, step: &Step) {
        match step {
            Step::Sql(
                Command::ChangeItem { order_id, .. }
                | Command::DeleteItem { order_id, .. }
                | Command::MoveItem { order_id, .. },
            ) => {
                self.forget_order(*order_id);
            }
            Step::Sql(Command::DeleteOrder(id)) => {
                self.forget_order(*id);
            }
            Step::Sql(Command::ChangeUser(id, _)) => {
                self.known.users.retain(|user| user != id);
                self.known.addresses.retain(|(_, user)| user != id);
            }
            Step::Sql(Command::ChangeAddress(id, _)) => self.known.addresses.retain(|(address, _)| address != id),
            Step::Sql(Command::CreateOrder(order)) => {
                self.known.addresses.retain(|(address, _)| *address != order.address_id)
            }
            Step::Sql(_) | Step::Update { .. } => {}
        }
    }

    fn new_user(&mut self) -> (Kind, Step) {
        self.registered += 1;
        let user = fake::user(&mut self.random, &format!("{}.{}", self.tag, self.registered));
        let address = fake::address(&mut self.random, 0);
        (Kind::NewUser, Step::Sql(Command::Register(user, address)))
    }

    fn user_phone(&mut self) -> (Kind, Step) {
        let id = self.known.users[self.random.index(self.known.users.len())];
        let phone = (self.random.below(20) > 0).then(|| fake::phone(&mut self.random));
        let change = UserChange { phone: Some(phone), ..UserChange::default() };
        (Kind::UserPhone, Step::Sql(Command::ChangeUser(id, change)))
    }

    fn address_change(&mut self) -> (Kind, Step) {
        let (id, _) = self.known.addresses[self.random.index(self.known.addresses.len())];
        let change = AddressChange { street: Some(fake::street(&mut self.random)), ..AddressChange::default() };
        (Kind::AddressChange, Step::Sql(Command::ChangeAddress(id, change)))
    }

    fn new_order(&mut self) -> (Kind, Step) {
        let (address_id, user_id) = self.known.addresses[self.random.index(self.known.addresses.len())];
        let order = NewOrder { user_id, address_id, items: fake::items(&mut self.random) };
        (Kind::NewOrder, Step::Sql(Command::CreateOrder(order)))
    }

    /// A step on an order that exists. An order keeps at least one item: the last one goes with its order.
    fn order_step(&mut self, kind: Kind) -> (Kind, Step) {
        let order = &self.known.orders[self.random.index(self.known.orders.len())];
        let order_id = order.id;
        let update = Step::Update { order_id, stage: order.stage % STAGES.len() };
        if kind == Kind::OrderUpdate || order.items.is_empty() {
            return (Kind::OrderUpdate, update);
        }
        let item_id = order.items[self.random.index(order.items.len())];
        let single = order.items.len() == 1;
        match kind {
            Kind::ItemChange => {
                let change = ItemChange { quantity: Some(fake::quantity(&mut self.random)), price: None };
                (kind, Step::Sql(Command::ChangeItem { order_id, item_id, change }))
            }
            Kind::ItemDelete if !single => (kind, Step::Sql(Command::DeleteItem { order_id, item_id })),
            Kind::ItemDelete | Kind::OrderDelete => (Kind::OrderDelete, Step::Sql(Command::DeleteOrder(order_id))),
            Kind::ItemMove => match self.free_items.pop() {
                Some(new_id) => (kind, Step::Sql(Command::MoveItem { order_id, item_id, new_id })),
                None => (Kind::OrderUpdate, update),
            },
            _ => (Kind::OrderUpdate, update),
        }
    }

    fn order_mut(&mut self, id: i64) -> Option<&mut KnownOrder> {
        self.known.orders.iter_mut().find(|order| order.id == id)
    }

    fn forget_order(&mut self, id: i64) -> Option<KnownOrder> {
        let position = self.known.orders.iter().position(|order| order.id == id)?;
        Some(self.known.orders.swap_remove(position))
    }

    fn forget_item(&mut self, order_id: i64, item_id: i64) {
        if let Some(order) = self.order_mut(order_id) {
            order.items.retain(|item| *item != item_id);
        }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
