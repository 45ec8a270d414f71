//! Equal is not identical: values that are equal and print differently are joined, grouped and counted as equal, and what is shown
//! of them does not depend on the order in which they came.

use tidewater_query::Plan;
use tidewater_types::{ColumnType, Type};

use crate::world::{World, ty};

/// A type with values: two that are equal and print differently (the first is shown of a group), and another.
struct Case {
    ty: ColumnType,
    same: [&'static str; 2],
    other: &'static str,
}

fn cases() -> Vec<Case> {
    let array = ty(Type::Numeric.array());
    vec![
        Case { ty: ty(Type::Numeric), same: ["1.0", "1.00"], other: "2" },
        Case { ty: ty(Type::Float8), same: ["0", "-0"], other: "NaN" },
        Case { ty: ty(Type::Float4), same: ["0", "-0"], other: "1.5" },
        Case { ty: ty(Type::Interval), same: ["30 days", "1 mon"], other: "1 day" },
        Case { ty: ty(Type::Bpchar), same: ["a", "a "], other: "b" },
        Case { ty: ty(Type::Jsonb), same: ["1.0", "1.00"], other: "2" },
        Case { ty: array, same: ["{1.0}", "{1.00}"], other: "{1.0,2}" },
    ]
}

fn world(case: &Case) -> World {
    let mut world = World::new();
    world.table("a", &[("v", case.ty.clone()), ("n", ty(Type::Int4))]);
    world.table("b", &[("v", case.ty.clone()), ("n", ty(Type::Int4))]);
    world
}

fn check(world: &World, views: &[(Plan, tidewater_engine::NodeId)], when: &str) {
    for (plan, node) in views {
        let (held, answer) = (world.held(*node).expect("rows"), world.answer(plan).expect("an answer"));
        assert_eq!(world.shown(&held, plan), world.shown(&answer, plan), "{when}: {}", world.circuit.explain(*node));
    }
}

const QUERIES: &[&str] = &[
    "select v, count(*), sum(n) from a group by v",
    "select distinct v from a",
    "select a.v, b.v, a.n, b.n from a join b on a.v = b.v",
    "select a.v, b.n from a left join b on a.v = b.v",
    "select a.v, b.v from a full join b on a.v = b.v",
    "select v from a union select v from b",
    "select v from a intersect select v from b",
    "select v from a intersect all select v from b",
    "select v from a except select v from b",
    "select v from a except all select v from b",
    "select n from a where v in (select v from b)",
    "select n from a where v not in (select v from b where v is not null)",
    "select n, exists (select from b where b.v = a.v) from a",
    "select n, (select count(*) from b where b.v = a.v) from a",
    "select a.n, count(distinct b.v), min(b.v) is null from a left join b on a.n = b.n group by a.n",
    "select g.v, b.n from (select v, count(*) as c from a group by v) g join b on b.v = g.v",
];

#[test]
fn equal_values_are_one_key() {
    for case in cases() {
        let mut world = world(&case);
        // jsonb has no least value in PostgreSQL's table of aggregates.
        let queries = QUERIES.iter().filter(|sql| case.ty.ty != Type::Jsonb || !sql.contains("min("));
        let views: Vec<_> = queries.map(|sql| world.built(sql)).collect();
        let [first, second] = case.same;
        let steps: &[(&str, &[&[&str]])] = &[
            ("a", &[&[second, "1"], &[case.other, "1"], &["null", "1"]]),
            ("b", &[&[first, "2"], &["null", "2"]]),
            ("a", &[&[first, "3"], &[first, "3"]]),
            ("b", &[&[second, "1"], &[case.other, "1"]]),
        ];
        for (table, rows) in steps {
            world.load(table, rows);
            world.tick();
            check(&world, &views, &format!("{:?}", case.ty));
        }
        for table in ["b", "a"] {
            world.unload(table);
            world.tick();
            check(&world, &views, &format!("{:?} without {table}", case.ty));
        }
    }
}

#[test]
fn what_a_group_shows_does_not_depend_on_who_came_first() {
    for case in cases() {
        let shown = [[0, 1], [1, 0]].map(|order| {
            let mut world = world(&case);
            let view = world.built("select v, count(*) from a group by v");
            for number in order {
                world.load("a", &[&[case.same[number], "1"]]);
                world.tick();
            }
            world.text(&view)
        });
        assert_eq!(shown[0], shown[1]);
        assert_eq!(shown[0].len(), 1, "{shown:?}");
        assert!(shown[0][0].ends_with(",2"), "{shown:?}");
    }
}

/// Types that one operator compares, each with a value: the first two are equal, the third is not.
fn mixed() -> Vec<[(ColumnType, &'static str); 3]> {
    let with = |of: Type, modifier: i32| ColumnType { ty: of, modifier };
    let numeric = |precision: i32, scale: i32| with(Type::Numeric, (precision << 16 | scale) + 4);
    vec![
        [(ty(Type::Int2), "7"), (ty(Type::Int8), "7"), (ty(Type::Int4), "8")],
        [(ty(Type::Int8), "7"), (ty(Type::Numeric), "7.0"), (ty(Type::Float8), "7.5")],
        [(numeric(10, 2), "1.50"), (numeric(12, 4), "1.5"), (numeric(30, 1), "1.4")],
        [(numeric(10, 2), "1.50"), (ty(Type::Numeric), "1.5000"), (ty(Type::Int4), "1")],
        [(ty(Type::Float4), "0.5"), (ty(Type::Float8), "0.5"), (ty(Type::Float8), "0.25")],
        [(ty(Type::Text), "x"), (with(Type::Varchar, 9), "x"), (ty(Type::Text), "x ")],
        [(with(Type::Bpchar, 5), "x"), (with(Type::Bpchar, 9), "x"), (with(Type::Bpchar, 9), "y")],
        [(with(Type::Bpchar, 5), "x"), (ty(Type::Text), "x"), (ty(Type::Text), "x    ")],
        [(ty(Type::Name), "x"), (ty(Type::Text), "x"), (ty(Type::Text), "y")],
        [(ty(Type::Date), "2024-02-29"), (ty(Type::Timestamp), "2024-02-29"), (ty(Type::Timestamp), "1970-01-20")],
        [
            (ty(Type::Timestamp), "2024-02-29"),
            (ty(Type::TimestampTz), "2024-02-29"),
            (ty(Type::TimestampTz), "2024-03-01"),
        ],
    ]
}

#[test]
fn values_of_different_types_are_joined_as_they_are_compared() {
    const PAIRS: &[(&str, &str)] = &[("x", "y"), ("y", "z"), ("x", "z")];
    for case in mixed() {
        let mut world = World::new();
        let columns = ["x", "y", "z"].map(|name| name.to_owned());
        let columns: Vec<(&str, ColumnType)> =
            columns.iter().map(String::as_str).zip(case.iter().map(|(of, _)| of.clone())).collect();
        world.table("l", &columns);
        world.table("r", &columns);
        let mut views = Vec::new();
        for (a, b) in PAIRS {
            for join in ["join", "left join", "full join"] {
                views.push(world.built(&format!("select l.{a}, r.{b} from l {join} r on l.{a} = r.{b}")));
            }
            views.push(world.built(&format!("select x from l where {a} in (select {b} from r)")));
            views.push(
                world.built(&format!(
                    "select x, {a} in (select {b} from r) from l where {a} not in (select {b} from r)"
                )),
            );
            views.push(world.built(&format!("select {a} from l union select {b} from r")));
            views.push(world.built(&format!("select {a} from l except all select {b} from r")));
        }
        let row: Vec<&str> = case.iter().map(|(_, text)| *text).collect();
        let [x, y, z] = row[..] else { panic!("three columns") };
        for (table, row) in [("r", [x, y, z]), ("l", [x, y, z]), ("l", ["null", y, "null"]), ("r", ["null", "null", z])]
        {
            world.load(table, &[&row]);
            world.tick();
            check(&world, &views, &format!("{:?}", case[0].0.ty));
        }
        let equal = world.built("select count(*) from l join r on l.x = r.y");
        assert_eq!(world.text(&equal), ["1 × 1"], "{case:?}");
        world.unload("l");
        world.tick();
        check(&world, &views, &format!("{:?} without l", case[0].0.ty));
    }
}
