//! What is computed twice is one node, as long as somebody reads it.

use tidewater_types::Type;

use crate::world::{World, ty};

fn world() -> World {
    let mut world = World::new();
    world.table("t", &[("id", ty(Type::Int4)), ("a", ty(Type::Int4)), ("b", ty(Type::Int4))]);
    world.table("u", &[("id", ty(Type::Int4)), ("t_id", ty(Type::Int4)), ("amount", ty(Type::Numeric))]);
    world
}

#[test]
fn equal_plans_are_one_node() {
    let mut world = world();
    let (_, one) = world.built("select t.a, sum(u.amount) from t join u on u.t_id = t.id where t.b > 1 group by t.a");
    let (_, again) =
        world.built("select x.a, sum(y.amount) from t x join u y on y.t_id = x.id where x.b > 1 group by x.a");
    assert_eq!(one, again);
    let (_, other) = world.built("select t.a, sum(u.amount) from t join u on u.t_id = t.id where t.b > 2 group by t.a");
    assert_ne!(one, other);
}

#[test]
fn another_literal_or_another_type_is_another_node() {
    let mut world = world();
    let views =
        ["a + 1", "a + 2", "a::int8 + 1", "a - 1", "case when b > 0 then a end", "coalesce(a, b)", "coalesce(b, a)"];
    let nodes: Vec<_> = views.iter().map(|list| world.built(&format!("select {list} from t")).1).collect();
    for (i, node) in nodes.iter().enumerate() {
        assert!(!nodes[..i].contains(node), "{}", views[i]);
    }
}

#[test]
fn a_table_as_it_is_costs_nothing() {
    let mut world = world();
    let (_, table) = world.built("select * from t");
    let (_, sorted) = world.built("select id, a, b from t order by a");
    assert_eq!(table, sorted);
    assert!(world.circuit.explain(table).starts_with("Table"));
}

#[test]
fn what_is_gone_is_made_again() {
    let mut world = world();
    let sql = "select a, count(*) from t where b > 1 group by a";
    let (_, first) = world.built(sql);
    let (_, kept) = world.built("select a from t where b > 1");
    let tables = ["t", "u"].map(|table| world.built(&format!("select * from {table}")).1);
    let gone = world.circuit.retain(tables.into_iter().chain([kept]));
    assert!(gone.contains(&first) && !gone.contains(&kept));
    world.shared.forget(&gone);
    let (_, again) = world.built(sql);
    assert!(!gone.contains(&again));
    world.load("t", &[&["1", "5", "2"], &["2", "5", "0"]]);
    world.tick();
    assert_eq!(world.circuit.snapshot(again).len(), 1);
}
