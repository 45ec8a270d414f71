//! The order_summary workload: a deterministic stream of typed row events, without any idea of who will read it.
//!
//! Every value is a pure function of (seed, table, id), so the generator remembers only what the live phase changed and its
//! own memory stays small beside an engine's. The stream is a real history: an update carries the row it replaces, and a row
//! is only replaced or deleted while it exists. `updated_at` is unique in the whole stream, so the newest update of an order
//! is always one.

use crate::event::{Address, Event, Item, Op, Order, Update, User};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Rows at scale 1, as the workload is defined.
const USERS: i64 = 100_000;
const ADDRESSES: i64 = 100_000;
const ORDERS: i64 = 1_000_000;
const ITEMS: i64 = 3_000_000;
const UPDATES: i64 = 4_000_000;
/// Events of the live phase at scale 1.
const LIVE: u64 = 1_000_000;

/// 2024-01-01T00:00:00Z in microseconds.
const EPOCH_MICROS: i64 = 1_704_067_200_000_000;
/// Low bits of `updated_at` that hold the update's number and make it unique.
const SEQUENCE_BITS: u32 = 24;
/// Random bits above them: bulk updates span about 203 days, in no order.
const JITTER_BITS: u32 = 20;
/// Above it bulk updates would not fit [`SEQUENCE_BITS`].
pub const SCALE_MAX: f64 = 4.0;

/// How many rows and events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    users: i64,
    addresses: i64,
    orders: i64,
    items: i64,
    updates: i64,
    live: u64,
}

impl Sizes {
    /// The defined sizes times `scale`, each at least one; `None` if it is not within (0, [`SCALE_MAX`]].
    pub fn new(scale: f64) -> Option<Self> {
        let sized = |n: i64| ((n as f64 * scale) as i64).max(1);
        (scale > 0.0 && scale <= SCALE_MAX).then(|| Self {
            users: sized(USERS),
            addresses: sized(ADDRESSES),
            orders: sized(ORDERS),
            items: sized(ITEMS),
            updates: sized(UPDATES),
            live: sized(LIVE as i64) as u64,
        })
    }

    /// Events of the bulk phase.
    pub fn bulk(&self) -> u64 {
        (self.users + self.addresses + self.orders + self.items + self.updates) as u64
    }

    /// Events of the live phase, unless a run asks for fewer.
    pub fn live(&self) -> u64 {
        self.live
    }
}

/// The generator: first [`Workload::bulk`] until it is empty, then [`Workload::live`] as often as wanted.
#[derive(Clone, Debug)]
pub struct Workload {
    seed: u64,
    random: SplitMix64,
    sizes: Sizes,
    /// Bulk events made so far.
    made: i64,
    /// Rows now: live orders, items and updates take the next ids.
    orders: i64,
    items: i64,
    updates: i64,
    /// What the live phase changed, and in which order live items are.
    phones: FxHashMap<i64, u64>,
    quantities: FxHashMap<i64, i32>,
    totals: FxHashMap<i64, i64>,
    live_item_orders: Vec<i64>,
    /// Events of the last choice that did not fit into its tick.
    rest: VecDeque<Event>,
}

/// The part of a value's address that names what is asked for: two columns never share randomness.
#[derive(Clone, Copy)]
enum Of {
    User = 1,
    Address,
    OrderUser,
    OrderAddress,
    OrderTotal,
    Item,
    ItemOrder,
    Update,
    UpdateOrder,
}

const STATUSES: [&str; 6] = ["created", "paid", "packed", "shipped", "delivered", "returned"];
const GOODS: [&str; 8] = ["Walnut desk", "Oak chair", "Lamp", "Notebook", "Blue kettle", "Rug", "Wool blanket", "Mug"];
const STREETS: [&str; 6] = ["Mill Lane", "Harbour Street", "Station Road", "Church Hill", "Elm Avenue", "Quay"];

impl Workload {
    /// A stream that depends on nothing but its arguments.
    pub fn new(sizes: Sizes, seed: u64) -> Self {
        Self {
            seed,
            random: SplitMix64(seed),
            sizes,
            made: 0,
            orders: sizes.orders,
            items: sizes.items,
            updates: sizes.updates,
            phones: FxHashMap::default(),
            quantities: FxHashMap::default(),
            totals: FxHashMap::default(),
            live_item_orders: Vec::new(),
            rest: VecDeque::new(),
        }
    }

    /// The next `limit` events of the bulk phase, fewer at its end: users, addresses, orders, items, updates.
    pub fn bulk(&mut self, limit: usize) -> Vec<Event> {
        let left = self.sizes.bulk() as i64 - self.made;
        let take = left.min(i64::try_from(limit).unwrap_or(left));
        let events = (self.made..self.made + take).map(|n| self.bulk_event(n)).collect();
        self.made += take;
        events
    }

    /// The next `count` events of the live phase. The bulk phase must be over.
    pub fn live(&mut self, count: usize) -> Vec<Event> {
        assert_eq!(self.made as u64, self.sizes.bulk(), "the live phase changes rows of the bulk phase");
        let mut events = Vec::with_capacity(count);
        while events.len() < count {
            if self.rest.is_empty() {
                self.choose();
            }
            events.extend(self.rest.pop_front());
        }
        events
    }

    fn bulk_event(&self, n: i64) -> Event {
        let sizes = &self.sizes;
        let mut id = n + 1;
        if id <= sizes.users {
            return Event::User(Op::Insert(self.user(id)));
        }
        id -= sizes.users;
        if id <= sizes.addresses {
            return Event::Address(Op::Insert(self.address(id)));
        }
        id -= sizes.addresses;
        if id <= sizes.orders {
            return Event::Order(Op::Insert(self.order(id)));
        }
        id -= sizes.orders;
        if id <= sizes.items {
            return Event::Item(Op::Insert(self.item(id)));
        }
        Event::Update(Op::Insert(self.bulk_update(id - sizes.items)))
    }
}

/// The live phase: what happens to which row.
impl Workload {
    /// One choice: 45 % a new update of a random order, 15 % a new order with three items and one update, 10 % a user's new
    /// phone, 10 % an item's new quantity, 5 % an order's new total, the rest an item deleted and inserted again.
    fn choose(&mut self) {
        match self.random.below(100) {
            0..45 => {
                let order_id = self.random.id_to(self.orders);
                self.push_update(order_id);
            }
            45..60 => self.push_order(),
            60..70 => {
                let id = self.random.id_to(self.sizes.users);
                let old = self.user(id);
                self.phones.insert(id, self.random.next());
                let new = self.user(id);
                self.rest.push_back(Event::User(Op::Update { old, new }));
            }
            70..80 => {
                let id = self.random.id_to(self.items);
                let old = self.item(id);
                self.quantities.insert(id, 1 + self.random.below(9) as i32);
                let new = self.item(id);
                self.rest.push_back(Event::Item(Op::Update { old, new }));
            }
            80..85 => {
                let id = self.random.id_to(self.orders);
                let old = self.order(id);
                self.totals.insert(id, 100 + self.random.below(100_000) as i64);
                let new = self.order(id);
                self.rest.push_back(Event::Order(Op::Update { old, new }));
            }
            _ => {
                let id = self.random.id_to(self.items);
                self.rest.push_back(Event::Item(Op::Delete(self.item(id))));
                self.rest.push_back(Event::Item(Op::Insert(self.item(id))));
            }
        }
    }

    fn push_order(&mut self) {
        self.orders += 1;
        let order_id = self.orders;
        self.rest.push_back(Event::Order(Op::Insert(self.order(order_id))));
        for _ in 0..3 {
            self.items += 1;
            self.live_item_orders.push(order_id);
            self.rest.push_back(Event::Item(Op::Insert(self.item(self.items))));
        }
        self.push_update(order_id);
    }

    /// Newer than every other: later than all of the bulk phase, and live updates follow each other.
    fn push_update(&mut self, order_id: i64) {
        self.updates += 1;
        let bulk_end = EPOCH_MICROS + (1 << (SEQUENCE_BITS + JITTER_BITS));
        let status = pick(&STATUSES, self.hash(Of::Update, self.updates)).to_owned();
        let update = Update { order_id, status, updated_at: bulk_end + self.updates };
        self.rest.push_back(Event::Update(Op::Insert(update)));
    }
}

/// Rows by key, as they are now.
impl Workload {
    fn user(&self, id: i64) -> User {
        let random = self.hash(Of::User, id);
        let phone = self.phones.get(&id).copied().unwrap_or(random) % 10_000_000_000;
        User {
            id,
            email: format!("user{id}@example.com"),
            name: format!("Customer {}", random % 1_000_000),
            phone: format!("+1{phone:010}"),
        }
    }

    fn address(&self, id: i64) -> Address {
        let random = self.hash(Of::Address, id);
        let street = pick(&STREETS, random);
        let full_address = format!("{} {street}, {:05} Tidewater", 1 + random % 200, (random >> 20) % 100_000);
        Address { id, user_id: (id - 1) % self.sizes.users + 1, full_address }
    }

    fn order(&self, id: i64) -> Order {
        let random = self.hash(Of::OrderTotal, id);
        Order {
            id,
            user_id: id_of(self.hash(Of::OrderUser, id), self.sizes.users),
            address_id: id_of(self.hash(Of::OrderAddress, id), self.sizes.addresses),
            total: self.totals.get(&id).copied().unwrap_or(100 + (random % 100_000) as i64),
            created_at: EPOCH_MICROS + id * 1_000_000,
        }
    }

    fn item(&self, id: i64) -> Item {
        let random = self.hash(Of::Item, id);
        let order_id = match id - self.sizes.items {
            // Random orders: some get no item, and so no row in the view.
            ..=0 => id_of(self.hash(Of::ItemOrder, id), self.sizes.orders),
            live => self.live_item_orders[live as usize - 1],
        };
        Item {
            id,
            order_id,
            name: pick(&GOODS, random).to_owned(),
            price: 100 + ((random >> 8) % 20_000) as i64,
            quantity: self.quantities.get(&id).copied().unwrap_or(1 + ((random >> 32) % 5) as i32),
        }
    }

    fn bulk_update(&self, id: i64) -> Update {
        let random = self.hash(Of::Update, id);
        let jitter = (random >> (u64::BITS - JITTER_BITS)) as i64;
        Update {
            order_id: id_of(self.hash(Of::UpdateOrder, id), self.sizes.orders),
            status: pick(&STATUSES, random).to_owned(),
            updated_at: EPOCH_MICROS + (jitter << SEQUENCE_BITS) + id,
        }
    }

    fn hash(&self, of: Of, id: i64) -> u64 {
        SplitMix64(self.seed ^ ((of as u64) << 56) ^ (id as u64)).next()
    }
}

fn pick<'a>(of: &[&'a str], random: u64) -> &'a str {
    of[(random % of.len() as u64) as usize]
}

/// An id of `1..=count`.
fn id_of(random: u64, count: i64) -> i64 {
    (random % count as u64) as i64 + 1
}

/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014), with the constants of Vigna's
/// `splitmix64.c`. Modulo bias is harmless here.
#[derive(Clone, Debug)]
pub struct SplitMix64(
    /// The seed, then the state.
    pub u64,
);

impl SplitMix64 {
    /// The next 64 bits.
    #[expect(clippy::should_implement_trait, reason = "it never ends, so an Option would be noise")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn id_to(&mut self, count: i64) -> i64 {
        id_of(self.next(), count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(seed: u64, ticks: &[usize]) -> Vec<Event> {
        let sizes = Sizes::new(0.0005).unwrap();
        let mut workload = Workload::new(sizes, seed);
        let mut events = workload.bulk(usize::MAX);
        assert_eq!(events.len() as u64, sizes.bulk());
        for &tick in ticks {
            let live = workload.live(tick);
            assert_eq!(live.len(), tick);
            events.extend(live);
        }
        events
    }

    /// The published first outputs for seed 1234567.
    #[test]
    fn splitmix64_is_the_published_one() {
        let mut random = SplitMix64(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| random.next()).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn the_stream_depends_on_the_seed_alone() {
        assert_eq!(stream(7, &[1000]), stream(7, &[1, 99, 400, 500]), "where ticks end does not matter");
        assert_ne!(stream(7, &[1000]), stream(8, &[1000]));
    }

    #[test]
    fn updated_at_is_unique() {
        let events = stream(1, &[2000]);
        let times: Vec<i64> = events
            .iter()
            .filter_map(|event| match event {
                Event::Update(Op::Insert(update)) => Some(update.updated_at),
                _ => None,
            })
            .collect();
        let distinct: std::collections::BTreeSet<_> = times.iter().collect();
        assert_eq!(times.len(), distinct.len());
    }

    #[test]
    fn sizes_outside_the_limits_are_refused() {
        for scale in [0.0, -1.0, 4.1, f64::NAN] {
            assert_eq!(Sizes::new(scale), None, "{scale}");
        }
    }
}
