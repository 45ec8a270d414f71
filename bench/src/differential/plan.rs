//! The dataflow: inputs, joins, reduces.

use crate::event::SummaryRow;
use differential_dataflow::input::InputSession;
use differential_dataflow::trace::implementations::{ValBuilder, ValSpine};
use std::cell::RefCell;
use std::fmt::Write;
use std::rc::Rc;
use timely::dataflow::Scope;
use timely::dataflow::operators::probe;

/// The view's changes as they come, not yet consolidated.
pub type Output = Rc<RefCell<Vec<(SummaryRow, isize)>>>;

type Input<V> = InputSession<u64, (i64, V), isize>;

/// Where rows go in, each as (key, the columns that the view reads).
pub struct Inputs {
    /// id → phone.
    pub users: Input<String>,
    /// id → full_address.
    pub addresses: Input<String>,
    /// id → user_id, address_id, total, created_at.
    pub orders: Input<(i64, i64, i64, i64)>,
    /// order_id → id, name, price, quantity.
    pub items: Input<(i64, String, i64, i32)>,
    /// order_id → updated_at, status.
    pub updates: Input<(i64, String)>,
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

/// Builds the dataflow; the probe tells when a time is done.
pub fn build(scope: Scope<'_, u64>, inputs: &mut Inputs, output: Output) -> probe::Handle<u64> {
    let users = inputs.users.to_collection(scope).arrange_by_key_named("users");
    let addresses = inputs.addresses.to_collection(scope).arrange_by_key_named("addresses");
    let latest = inputs
        .updates
        .to_collection(scope)
        .arrange_by_key_named("updates")
        .reduce_abelian::<_, ValBuilder<_, _, _, _>, ValSpine<i64, (i64, String), _, isize>, _, _>(
            "latest",
            // Values come in order, the greatest updated_at last.
            |_, updates, out| out.extend(updates.last().map(|(update, _)| ((*update).clone(), 1))),
            |vec, key, updates| {
                vec.clear();
                vec.extend(updates.drain(..).map(|(v, t, r)| ((*key, v), t, r)));
            },
        );
    let details = inputs
        .items
        .to_collection(scope)
        .arrange_by_key_named("items")
        .reduce_abelian::<_, ValBuilder<_, _, _, _>, ValSpine<i64, String, _, isize>, _, _>(
            "details",
            |_, items, out| out.push((details(items), 1)),
            |vec, key, updates| {
                vec.clear();
                vec.extend(updates.drain(..).map(|(v, t, r)| ((*key, v), t, r)));
            },
        );
    let heads = inputs
        .orders
        .to_collection(scope)
        .map(|(id, (user_id, address_id, total, created_at))| (user_id, (id, address_id, total, created_at)))
        .arrange_by_key_named("orders by user")
        .join_core(users, |&user_id, &(id, address_id, total, created_at), phone| {
            Some((address_id, (id, user_id, total, created_at, phone.clone())))
        })
        .arrange_by_key_named("orders by address")
        .join_core(addresses, |_, (id, user_id, total, created_at, phone), address| {
            Some((*id, (*user_id, *total, *created_at, phone.clone(), address.clone())))
        })
        .arrange_by_key_named("heads");
    let (probe, _) = heads
        .join_core(latest, |&id, head, update| Some((id, (head.clone(), update.clone()))))
        .arrange_by_key_named("heads with status")
        .join_core(details, |&order_id, ((user_id, total, order_date, phone, address), (at, status)), details| {
            Some(SummaryRow {
                order_id,
                total: *total,
                order_date: *order_date,
                order_status: status.clone(),
                last_order_update: *at,
                user_id: *user_id,
                user_phone: phone.clone(),
                full_address: address.clone(),
                order_items_details: details.clone(),
            })
        })
        .inspect(move |(row, _, weight)| output.borrow_mut().push((row.clone(), *weight)))
        .probe();
    probe
}

fn details(items: &[(&(i64, String, i64, i32), isize)]) -> String {
    let mut text = String::new();
    for ((_, name, price, quantity), _) in items {
        let comma = if text.is_empty() { "" } else { ", " };
        write!(text, "{comma}{name} x{quantity} @{price}").expect("a String takes any text");
    }
    text
}
