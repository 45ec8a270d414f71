//! A plan is run against a database of hash maps: every step must be one that MySQL would accept.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// The tables as far as a plan can break them.
#[derive(Default)]
struct Tables {
    last_id: i64,
    emails: BTreeSet<String>,
    addresses: BTreeMap<i64, i64>,
    orders: BTreeMap<i64, BTreeSet<i64>>,
}

impl Tables {
    fn id(&mut self) -> i64 {
        self.last_id += 1;
        self.last_id
    }

    fn run(&mut self, command: &Command) -> Applied {
        match command {
            Command::Register(user, _) => {
                assert!(self.emails.insert(user.email.clone()), "{} twice", user.email);
                let (id, address) = (self.id(), self.id());
                self.addresses.insert(address, id);
                Applied { id, children: vec![address] }
            }
            Command::CreateOrder(order) => {
                order.check().unwrap();
                assert_eq!(self.addresses[&order.address_id], order.user_id);
                let id = self.id();
                let children: Vec<_> = order.items.iter().map(|_| self.id()).collect();
                self.orders.insert(id, children.iter().copied().collect());
                Applied { id, children }
            }
            Command::ChangeItem { order_id, item_id, .. } => {
                assert!(self.orders[order_id].contains(item_id));
                Applied { id: *item_id, children: vec![] }
            }
            Command::DeleteItem { order_id, item_id } => {
                assert!(self.orders.get_mut(order_id).unwrap().remove(item_id));
                assert!(!self.orders[order_id].is_empty(), "an order keeps an item");
                Applied::default()
            }
            Command::MoveItem { order_id, item_id, new_id } => {
                assert!(!self.orders.values().any(|items| items.contains(new_id)), "item {new_id} exists");
                let items = self.orders.get_mut(order_id).unwrap();
                assert!(items.remove(item_id) && items.insert(*new_id));
                Applied { id: *new_id, children: vec![] }
            }
            Command::DeleteOrder(id) => {
                assert!(self.orders.remove(id).is_some());
                Applied::default()
            }
            Command::ChangeUser(_, change) => change.check().map(|()| Applied::default()).unwrap(),
            Command::ChangeAddress(id, change) => {
                assert!(self.addresses.contains_key(id));
                change.check().map(|()| Applied::default()).unwrap()
            }
            other => panic!("a plan does not do {other:?}"),
        }
    }
}

fn steps(seed: u64, count: usize) -> Vec<(Kind, Step)> {
    let mut tables = Tables::default();
    let mut plan = Plan::new(seed, Known::default(), "0.0".into());
    let mut done = Vec::new();
    for _ in 0..count {
        let (kind, step) = plan.next_step();
        let applied = match &step {
            Step::Sql(command) => tables.run(command),
            Step::Update { order_id, stage } => {
                assert!(tables.orders.contains_key(order_id) && *stage < STAGES.len());
                Applied::default()
            }
        };
        plan.applied(&step, &applied);
        done.push((kind, step));
    }
    let known: BTreeMap<_, BTreeSet<_>> =
        plan.known.orders.iter().map(|o| (o.id, o.items.iter().copied().collect())).collect();
    assert_eq!(known, tables.orders, "the plan's memory equals the tables");
    done
}

#[test]
fn every_step_is_acceptable_and_every_kind_comes() {
    for seed in 0..5 {
        let done = steps(seed, 5000);
        for (kind, _) in MIX {
            assert!(done.iter().filter(|(k, _)| *k == kind).count() > 50, "seed {seed}: too few {}", kind.name());
        }
    }
}

#[test]
fn equal_seeds_do_the_same() {
    assert_eq!(steps(7, 1000), steps(7, 1000));
    assert_ne!(steps(7, 1000), steps(8, 1000));
}

#[test]
fn weights_sum_up() {
    assert_eq!(MIX.iter().map(|(_, weight)| weight).sum::<u64>(), WEIGHTS_SUM);
}

#[test]
fn a_row_that_vanished_is_not_used_again() {
    let known =
        Known { users: vec![1], addresses: vec![(1, 1)], orders: vec![KnownOrder { id: 5, stage: 0, items: vec![9] }] };
    let mut plan = Plan::new(1, known, "0.0".into());
    plan.vanished(&Step::Sql(Command::DeleteOrder(5)));
    plan.vanished(&Step::Sql(Command::ChangeUser(1, UserChange::default())));
    assert_eq!(plan.known, Known::default());
    assert_eq!(plan.next_step().0, Kind::NewUser);
}
