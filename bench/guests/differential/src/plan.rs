//! The dataflow: inputs, joins, reduces.

use crate::text::Text;
use differential_dataflow::collection::concatenate;
use differential_dataflow::input::InputSession;
use differential_dataflow::operators::arrange::{Arranged, TraceAgent};
use differential_dataflow::trace::implementations::{ValBuilder, ValSpine};
use differential_dataflow::{AsCollection, ExchangeData, VecCollection};
use differential_dogs3::operators::half_join2 as half_join;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::fmt::Write;
use std::rc::Rc;
use tidewater_order_summary::event::SummaryRow;
use timely::dataflow::Scope;
use timely::dataflow::operators::probe;
use timely::dataflow::operators::vec::Map;

/// The view's changes as they come, not yet consolidated.
pub type Output = Rc<RefCell<Vec<(Found, isize)>>>;

type Input<V> = InputSession<u64, (i64, V), isize>;

/// id, name, price, quantity.
type Item = (i64, Text, i64, i32);

/// Where rows go in, each as (key, the columns that the view reads).
pub struct Inputs {
    /// id → phone.
    pub users: Input<Text>,
    /// id → full_address.
    pub addresses: Input<Text>,
    /// id → user_id, address_id, total, created_at.
    pub orders: Input<(i64, i64, i64, i64)>,
    /// order_id → id, name, price, quantity.
    pub items: Input<Item>,
    /// order_id → updated_at, status.
    pub updates: Input<(i64, Text)>,
}

impl Inputs {
    /// Inputs at time 0.
    pub fn new() -> Self {
        Self {
            users: Input::new(),
            addresses: Input::new(),
            orders: Input::new(),
            items: Input::new(),
            updates: Input::new(),
        }
    }

    /// Ends all times before `time`.
    pub fn advance_to(&mut self, time: u64) {
        fn advance<V: differential_dataflow::Data>(input: &mut Input<V>, time: u64) {
            input.advance_to(time);
            input.flush();
        }
        advance(&mut self.users, time);
        advance(&mut self.addresses, time);
        advance(&mut self.orders, time);
        advance(&mut self.items, time);
        advance(&mut self.updates, time);
    }
}

impl Default for Inputs {
    fn default() -> Self {
        Self::new()
    }
}

/// What a walk has found so far; columns of rows not visited yet are empty. At its end it is a row of the view.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Found {
    /// The view's key.
    pub order_id: i64,
    user_id: i64,
    address_id: i64,
    total: i64,
    created_at: i64,
    phone: Text,
    address: Text,
    updated_at: i64,
    status: Text,
    details: Text,
}

impl Found {
    /// The row of the view.
    pub fn summary(&self) -> SummaryRow {
        SummaryRow {
            order_id: self.order_id,
            total: self.total,
            order_date: self.created_at,
            order_status: self.status.to_string(),
            last_order_update: self.updated_at,
            user_id: self.user_id,
            user_phone: self.phone.to_string(),
            full_address: self.address.to_string(),
            order_items_details: self.details.to_string(),
        }
    }
}

type Index<V> = ValSpine<i64, V, u64, isize>;
type Arrangement<'s, V> = Arranged<'s, TraceAgent<Index<V>>>;
type Walk<'s> = VecCollection<'s, u64, (i64, Found, u64), isize>;
type Head = (i64, i64, i64, i64, i64);

/// Whether a walk sees what another input changes at the same time. Inputs are ordered: a walk sees the changes of inputs
/// before its own and not those of inputs after it, so every pair of changes meets in exactly one walk.
#[derive(Clone, Copy)]
enum Sees {
    New,
    Old,
}

/// The inputs as the join reads them, in the order that [`Sees`] speaks of.
struct Arrangements<'s> {
    orders: Arrangement<'s, Head>,
    users: Arrangement<'s, Text>,
    addresses: Arrangement<'s, Text>,
    latest: Arrangement<'s, (i64, Text)>,
    details: Arrangement<'s, Text>,
}

/// Builds the dataflow, a delta join; the probe tells when a time is done.
pub fn build(scope: Scope<'_, u64>, inputs: &mut Inputs, output: Output) -> probe::Handle<u64> {
    let heads =
        inputs.orders.to_collection(scope).map(|(id, (user, address, total, at))| (id, user, address, total, at));
    let by = |name, key: fn(&Head) -> i64| heads.clone().map(move |head| (key(&head), head)).arrange_by_key_named(name);
    let by_user = by("orders by user", |head| head.1);
    let by_address = by("orders by address", |head| head.2);
    let all = Arrangements {
        orders: by("orders", |head| head.0),
        users: inputs.users.to_collection(scope).arrange_by_key_named("users"),
        addresses: inputs.addresses.to_collection(scope).arrange_by_key_named("addresses"),
        latest: latest(inputs.updates.to_collection(scope)),
        details: details(inputs.items.to_collection(scope)),
    };
    let (probe, _) = concatenate(scope, walks(&all, &by_user, &by_address))
        .inspect(move |((_, found, _), _, weight)| output.borrow_mut().push((found.clone(), *weight)))
        .probe();
    probe
}

/// A walk from each input's changes through the other inputs, those first that are likely to end it.
fn walks<'s>(
    all: &Arrangements<'s>,
    by_user: &Arrangement<'s, Head>,
    by_address: &Arrangement<'s, Head>,
) -> [Walk<'s>; 5] {
    use Sees::{New, Old};
    let order_id: Key = |found| found.order_id;
    let user_id: Key = |found| found.user_id;
    let address_id: Key = |found| found.address_id;

    let walk = start(&all.orders, head);
    let walk = step(walk, &all.latest, Old, status, order_id);
    let walk = step(walk, &all.details, Old, items, user_id);
    let walk = step(walk, &all.users, Old, phone, address_id);
    let orders = step(walk, &all.addresses, Old, address, order_id);

    let walk = start(&all.users, phone);
    let walk = step(walk, by_user, New, head, order_id);
    let walk = step(walk, &all.latest, Old, status, order_id);
    let walk = step(walk, &all.details, Old, items, address_id);
    let users = step(walk, &all.addresses, Old, address, order_id);

    let walk = start(&all.addresses, address);
    let walk = step(walk, by_address, New, head, order_id);
    let walk = step(walk, &all.latest, Old, status, order_id);
    let walk = step(walk, &all.details, Old, items, user_id);
    let addresses = step(walk, &all.users, New, phone, order_id);

    let walk = start(&all.latest, status);
    let walk = step(walk, &all.orders, New, head, order_id);
    let walk = step(walk, &all.details, Old, items, user_id);
    let walk = step(walk, &all.users, New, phone, address_id);
    let latest = step(walk, &all.addresses, New, address, order_id);

    let walk = start(&all.details, items);
    let walk = step(walk, &all.orders, New, head, order_id);
    let walk = step(walk, &all.latest, New, status, user_id);
    let walk = step(walk, &all.users, New, phone, address_id);
    let details = step(walk, &all.addresses, New, address, order_id);

    [orders, users, addresses, latest, details]
}

type Key = fn(&Found) -> i64;

/// Begins a walk at each change of an arrangement; it looks for the arrangement's key next.
fn start<'s, V: ExchangeData>(changes: &Arrangement<'s, V>, fill: fn(&mut Found, &V)) -> Walk<'s> {
    let changes = changes.clone().as_collection(|key, value| (*key, value.clone()));
    let found = |fill: fn(&mut Found, &V), value: &V| {
        let mut found = Found::default();
        fill(&mut found, value);
        found
    };
    changes
        .inner
        .map(move |((key, value), time, weight)| ((key, found(fill, &value), time), time, weight))
        .as_collection()
}

/// Visits the rows of an arrangement with the key that the walk looks for.
fn step<'s, V: ExchangeData>(
    walk: Walk<'s>,
    arrangement: &Arrangement<'s, V>,
    sees: Sees,
    fill: fn(&mut Found, &V),
    next: Key,
) -> Walk<'s> {
    half_join(
        walk,
        arrangement.clone(),
        // One time back, so that compaction never hides that a change is of the same time as the walk.
        |time, frontier| _ = frontier.insert(time.saturating_sub(1)),
        move |theirs, ours| match sees {
            Sees::New => theirs <= ours,
            Sees::Old => theirs < ours,
        },
        move |_, found, value| {
            let mut found = found.clone();
            fill(&mut found, value);
            (next(&found), found)
        },
    )
    .map(|((key, found), time)| (key, found, time))
}

fn head(found: &mut Found, head: &Head) {
    (found.order_id, found.user_id, found.address_id, found.total, found.created_at) = *head;
}

fn phone(found: &mut Found, phone: &Text) {
    found.phone.clone_from(phone);
}

fn address(found: &mut Found, address: &Text) {
    found.address.clone_from(address);
}

fn status(found: &mut Found, (updated_at, status): &(i64, Text)) {
    found.updated_at = *updated_at;
    found.status.clone_from(status);
}

fn items(found: &mut Found, details: &Text) {
    found.details.clone_from(details);
}

/// The newest update of each order.
fn latest<'s>(updates: VecCollection<'s, u64, (i64, (i64, Text)), isize>) -> Arrangement<'s, (i64, Text)> {
    updates.arrange_by_key_named("updates").reduce_abelian::<_, ValBuilder<_, _, _, _>, Index<_>, _, _>(
        "latest",
        // Values come in order, the greatest updated_at last.
        |_, updates, out| out.extend(updates.last().map(|(update, _)| ((*update).clone(), 1))),
        output_of,
    )
}

/// The details of each order.
fn details<'s>(items: VecCollection<'s, u64, (i64, Item), isize>) -> Arrangement<'s, Text> {
    items.arrange_by_key_named("items").reduce_abelian::<_, ValBuilder<_, _, _, _>, Index<_>, _, _>(
        "details",
        // Values come in order, so by item id.
        |_, items, out| out.push((details_text(items), 1)),
        output_of,
    )
}

/// One key's changes of a reduce, as its output's builder takes them.
fn output_of<V>(into: &mut Vec<((i64, V), u64, isize)>, key: &i64, changes: &mut Vec<(V, u64, isize)>) {
    into.clear();
    into.extend(changes.drain(..).map(|(value, time, weight)| ((*key, value), time, weight)));
}

fn details_text(items: &[(&Item, isize)]) -> Text {
    let mut text = String::new();
    for ((_, name, price, quantity), _) in items {
        let comma = if text.is_empty() { "" } else { ", " };
        write!(text, "{comma}{name} x{quantity} @{price}").expect("a String takes any text");
    }
    text.as_str().into()
}
