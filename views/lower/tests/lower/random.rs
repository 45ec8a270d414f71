//! Random queries over random tables under random changes: after every tick the view is what the query answers.
//!
//! The queries are those that PostgreSQL judges the batch execution by. What no view does is refused by name and counted.

#[path = "../../../query/tests/query/random/data.rs"]
pub(crate) mod data;
#[path = "../../../query/tests/query/random/expr.rs"]
mod expr;
#[path = "../../../query/tests/query/random/query.rs"]
mod query;

use std::collections::BTreeMap;

use data::{Chance, TABLES, Ty};
use query::Maker;
use tidewater_query::Plan;
use tidewater_query::run::pack_row;
use tidewater_types::{ColumnType, Datum, Numeric, SqlError, Type};

use crate::world::{World, ty};

/// Queries of one run: few seconds. `LOWER_SEEDS=from..to` asks others.
const SEEDS: std::ops::Range<u64> = 0..600;
const TICKS: usize = 6;

fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("LOWER_SEEDS") else { return SEEDS };
    let (from, to) = text.split_once("..").expect("from..to");
    from.parse().expect("a number")..to.parse().expect("a number")
}

fn world() -> World {
    let mut world = World::new();
    for (name, columns) in TABLES {
        let column = |(name, of): &(&'static str, Ty)| {
            let of = match of {
                Ty::Int => Type::Int4,
                Ty::Text => Type::Text,
                Ty::Bool => Type::Bool,
                Ty::Float => Type::Float8,
                Ty::Num => Type::Numeric,
            };
            (*name, ty(of))
        };
        world.table(name, &columns.iter().map(column).collect::<Vec<_>>());
    }
    world
}

fn value(chance: &mut Chance, of: &ColumnType) -> Datum<'static> {
    if chance.once_in(6) {
        return Datum::Null;
    }
    match of.ty {
        Type::Int4 => Datum::Int(*chance.pick(&[0, 1, 2, 3, 10])),
        Type::Text => Datum::Text(chance.pick::<&[u8]>(&[b"x", b"y", b"", b"it"])),
        Type::Bool => Datum::Bool(chance.once_in(2)),
        Type::Float8 => Datum::Float(*chance.pick(&[0.0, -0.0, f64::NAN, 1.5])),
        _ => {
            let (mantissa, scale) = *chance.pick(&[(10, 1), (100, 2), (1, 0), (250, 2), (25, 1)]);
            Datum::Numeric(Numeric::Small(mantissa, scale))
        }
    }
}

/// A few changes of any tables.
fn change(world: &mut World, chance: &mut Chance) {
    for _ in 0..1 + chance.below(8) {
        let table = chance.below(world.count());
        let rows = world.rows(table);
        if rows > 0 && chance.once_in(3) || rows > 9 {
            world.remove(table, chance.below(rows));
            continue;
        }
        let types = world.types(table);
        let mut values: Vec<Datum<'_>> = types.iter().map(|ty| value(chance, ty)).collect();
        if TABLES[table].1[0].0 == "id" {
            values[0] = Datum::Int(chance.below(8) as i64);
        }
        world.insert(table, pack_row(&types, &values));
    }
}

/// Where the view differs from the query, if it does.
fn difference(world: &World, plan: &Plan, node: tidewater_engine::NodeId, when: &str) -> Option<String> {
    let open = ["distinct on", "limit 1", "fetch first 1"].iter().any(|words| when.contains(words));
    match (world.held(node), world.answer(plan)) {
        (Ok(held), Ok(answer)) if held == answer => None,
        // Which of several rows that are equal in the order comes first is the query's accident: 1.0 or 1.00.
        (Ok(held), Ok(answer)) if open && world.by_value(&held, plan) == world.by_value(&answer, plan) => None,
        (Ok(held), Ok(answer)) => {
            Some(format!("{when}\n  view:  {:?}\n  query: {:?}", world.shown(&held, plan), world.shown(&answer, plan)))
        }
        // Which pairs of rows meet an error before another condition drops them is each executor's own.
        (Err(held), Err(_)) if held.sqlstate != *b"XX000" => None,
        (Err(error), Ok(_)) => Some(format!("{when}\n  only the view fails: {error}")),
        (_, Err(error)) => Some(format!("{when}\n  only the query fails: {error}")),
    }
}

enum Outcome {
    Kept { any: bool },
    Refused(SqlError),
    Differs(String),
}

fn run(seed: u64) -> Outcome {
    let sql = Maker::new(seed).query();
    let mut chance = Chance::new(seed ^ 0x5eed);
    let mut world = world();
    let plan = match world.plan(&sql) {
        Ok(plan) => plan,
        Err(error) => return Outcome::Refused(error),
    };
    for _ in 0..chance.below(4) {
        change(&mut world, &mut chance);
        world.tick();
    }
    let node = match world.view(&plan) {
        Ok(node) => node,
        // Constants are evaluated when the view is made.
        Err(error) if error.sqlstate != *b"0A000" && error.sqlstate != *b"XX000" && world.answer(&plan).is_err() => {
            return Outcome::Refused(error);
        }
        Err(error) if error.sqlstate == *b"0A000" => return Outcome::Refused(error),
        Err(error) => return Outcome::Differs(format!("seed {seed}: {sql}\n  {error}")),
    };
    // Built while ticks go on.
    for _ in 0..chance.below(3) {
        world.circuit.build();
        change(&mut world, &mut chance);
        world.tick();
    }
    world.build();
    let mut any = false;
    for tick in 0..=TICKS {
        let when = format!("seed {seed}, tick {tick}: {sql}");
        if let Some(difference) = difference(&world, &plan, node, &when) {
            return Outcome::Differs(difference);
        }
        any |= world.held(node).is_ok_and(|rows| !rows.is_empty());
        if tick + 1 == TICKS {
            world.truncate();
        } else {
            (0..1 + chance.below(3)).for_each(|_| change(&mut world, &mut chance));
        }
        world.tick();
    }
    Outcome::Kept { any }
}

#[test]
fn random_views() {
    let (mut kept, mut some, mut refused) = (0, 0, BTreeMap::<String, usize>::new());
    let mut wrong = Vec::new();
    for seed in seeds() {
        if std::env::var_os("LOWER_TRACE").is_some() {
            println!("seed {seed}: {}", Maker::new(seed).query());
        }
        match run(seed) {
            Outcome::Kept { any } => {
                kept += 1;
                some += usize::from(any);
            }
            Outcome::Refused(error) => *refused.entry(error.message).or_default() += 1,
            Outcome::Differs(difference) => wrong.push(difference),
        }
    }
    let asked = (seeds().end - seeds().start) as usize;
    println!("{kept} of {asked} queries are kept as views, {some} of them have rows; refused: {refused:#?}");
    assert!(wrong.is_empty(), "{} of {asked} views differ:\n{}", wrong.len(), wrong.join("\n"));
    // Views that are refused or stay empty would prove nothing.
    assert!(kept * 3 > asked && some * 3 > kept, "only {kept} of {asked} queries are views, {some} have rows");
}
