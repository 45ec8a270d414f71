//! What no view does is refused by name, and leaves nothing behind.

use tidewater_types::Type;

use crate::world::{World, ty};

fn world() -> World {
    let mut world = World::new();
    world.table(
        "t",
        &[("id", ty(Type::Int4)), ("a", ty(Type::Int4)), ("c", ty(Type::Text)), ("at", ty(Type::TimestampTz))],
    );
    world
}

fn refusal(sql: &str) -> String {
    let mut world = world();
    let plan = world.plan(sql).expect(sql);
    let error = world.view(&plan).expect_err(sql);
    assert_eq!(error.sqlstate, *b"0A000", "{sql}");
    error.message
}

#[test]
fn by_name() {
    for (sql, what) in [
        ("select a from t order by a limit 2", "LIMIT"),
        ("select a from t order by a offset 1", "LIMIT"),
        ("select a, row_number() over (order by id) from t", "a window function"),
        ("select generate_series(1, a) from t", "a set-returning function"),
        ("select x from t, unnest(array[a]) as x", "a set-returning function"),
        (
            "with recursive r as (select 1 as i union all select i + 1 from r where i < 3) select * from r",
            "WITH RECURSIVE",
        ),
        ("select now(), a from t", "function now()"),
        ("select a from t where at > now() - interval '1 day'", "function now()"),
        ("select random() from t", "function random()"),
        ("select current_user, a from t", "function current_user()"),
        ("select age(at) from t", "function age()"),
        ("select c::regclass from t", "a cast from text to regclass"),
    ] {
        assert_eq!(refusal(sql), format!("{what} is not supported in a materialized view"), "{sql}");
    }
}

#[test]
fn a_time_zone_is_the_views_own() {
    let mut world = world();
    let view = world.built("select date_trunc('day', at), at::text from t");
    world.load("t", &[&["1", "1", "x", "2024-02-29 23:30:00+00"]]);
    world.tick();
    assert_eq!(world.text(&view), ["1 × 2024-02-29 00:00:00+00,2024-02-29 23:30:00+00"]);
}

#[test]
fn a_rows_error_is_the_views_as_long_as_the_row_is_there() {
    let mut world = world();
    let views: Vec<_> = [
        "select 1 / a from t",
        "select sum(1 / a) filter (where a is not null), count(*) from t",
        "select id from t where 1 / a > 0",
        "select (select t2.id from t t2 where t2.a <= t.a) from t",
    ]
    .iter()
    .map(|sql| world.built(sql))
    .collect();
    let guarded = world.built("select sum(1 / a) filter (where a <> 0) from t");
    world.load("t", &[&["1", "0", "x", "null"], &["2", "1", "x", "null"]]);
    world.tick();
    let codes = views.iter().map(|(_, node)| world.held(*node).expect_err("an error").sqlstate);
    assert_eq!(codes.collect::<Vec<_>>(), [*b"22012", *b"22012", *b"22012", *b"21000"]);
    assert_eq!(world.text(&guarded), ["1 × 1"]);
    world.remove(0, 0);
    world.tick();
    let rows: Vec<_> = views.iter().map(|view| world.text(view)).collect();
    assert_eq!(rows, [vec!["1 × 1"], vec!["1 × 1,1"], vec!["1 × 2"], vec!["1 × 2"]]);
}

#[test]
fn deep_expressions_over_deep_expressions_are_computed_in_steps() {
    let mut world = world();
    let sum =
        |of: &str, from: &str| format!("select id, a{} as a from {from} where a{} > 0", of.repeat(150), of.repeat(150));
    let inner = sum(" + 1", "t");
    let view = world.built(&sum(" - 1", &format!("({}) x", sum(" + 1", &format!("({inner}) y")))));
    world.load("t", &[&["1", "1", "x", "null"], &["2", "-400", "x", "null"]]);
    world.tick();
    assert_eq!(world.text(&view), ["1 × 1,151"]);
    assert!(world.circuit.explain(view.1).lines().count() > 2, "steps are nodes");
}
