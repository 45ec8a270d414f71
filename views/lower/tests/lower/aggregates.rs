//! Aggregates of every way: totals, the first of an order, texts joined, whatever else is computed over the rows of a group; with
//! DISTINCT, FILTER and ORDER BY, whose orders leave nothing open here.

use tidewater_query::run::pack_row;
use tidewater_types::{Datum, Numeric, Type};

use crate::random::data::Chance;
use crate::world::{World, ty};

const AGGREGATES: &[&str] = &[
    "string_agg(c, ',' order by id)",
    "string_agg(c, ',' order by a desc, id)",
    "string_agg(distinct c, '-')",
    "string_agg(distinct c, '-' order by c desc)",
    "string_agg(c || a, ', ' order by id) filter (where a > 1)",
    "string_agg(c, b::text order by id)",
    "array_agg(a order by a nulls first, id)",
    "array_agg(distinct amount)",
    "array_agg(amount order by id)",
    "json_agg(a order by id)",
    "jsonb_agg(amount order by id desc)",
    "jsonb_object_agg(id, c)",
    "count(distinct a), count(distinct amount), count(a) filter (where b > 0)",
    "sum(distinct a), sum(a::int8), avg(a), avg(distinct a)",
    "sum(amount), avg(amount), sum(distinct amount)",
    "sum(amount * a) filter (where b <> 0), avg(amount / 4)",
    "min(amount), max(amount), min(c), max(c), min(a + b), max(a) filter (where b > 0)",
    "bool_and(a > 0), bool_or(b > 1), every(c is null)",
    "sum(f order by id), avg(f order by id)",
    "variance(a), stddev_pop(amount), covar_pop(a, b order by id)",
    "percentile_disc(0.5) within group (order by a), percentile_cont(0.25) within group (order by f)",
    "mode() within group (order by c)",
    "bit_or(a), bit_and(b)",
    "max(c) || count(*), sum(a) + sum(b)",
];

fn world() -> World {
    let mut world = World::new();
    let int = || ty(Type::Int4);
    let columns = [
        ("id", int()),
        ("a", int()),
        ("b", int()),
        ("c", ty(Type::Text)),
        ("amount", ty(Type::Numeric)),
        ("f", ty(Type::Float8)),
    ];
    world.table("t", &columns);
    world
}

fn change(world: &mut World, chance: &mut Chance) {
    let rows = world.rows(0);
    if rows > 0 && chance.once_in(3) {
        return world.remove(0, chance.below(rows));
    }
    let int = |chance: &mut Chance| if chance.once_in(5) { Datum::Null } else { Datum::Int(chance.below(4) as i64) };
    let id = Datum::Int(chance.below(12) as i64);
    let (a, b) = (int(chance), int(chance));
    let c = chance.pick(&[Datum::Null, Datum::Text(b"x"), Datum::Text(b"y"), Datum::Text(b"")]);
    let (mantissa, scale) = *chance.pick(&[(10, 1), (100, 2), (1, 0), (-250, 2), (i128::MAX, 3)]);
    let amount = if chance.once_in(6) { Datum::Null } else { Datum::Numeric(Numeric::Small(mantissa, scale)) };
    let f = *chance.pick(&[Datum::Null, Datum::Float(0.1), Datum::Float(1e10), Datum::Float(-0.7)]);
    world.insert(0, pack_row(&world.types(0), &[id, a, b, *c, amount, f]));
}

#[test]
fn over_groups_that_change() {
    for (seed, list) in AGGREGATES.iter().enumerate() {
        let mut chance = Chance::new(seed as u64);
        let mut world = world();
        let views: Vec<_> = [
            format!("select a, {list} from t group by a"),
            format!("select {list} from t"),
            format!("select b, {list} from t where a is not null group by b"),
        ]
        .iter()
        .map(|sql| (sql.clone(), world.built(sql)))
        .collect();
        for _ in 0..40 {
            (0..1 + chance.below(4)).for_each(|_| change(&mut world, &mut chance));
            world.tick();
            for (sql, (plan, node)) in &views {
                match (world.held(*node), world.answer(plan)) {
                    (Err(held), Err(answer)) => assert_eq!(held.sqlstate, answer.sqlstate, "{sql}"),
                    (held, answer) => {
                        let shown = |rows: tidewater_types::Result<_>| world.shown(&rows.expect(sql), plan);
                        assert_eq!(shown(held), shown(answer), "{sql}");
                    }
                }
            }
        }
        world.truncate();
        world.tick();
        for (sql, (plan, node)) in &views {
            assert_eq!(world.held(*node).expect(sql), world.answer(plan).expect(sql), "{sql}");
        }
    }
}
