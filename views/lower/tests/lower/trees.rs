//! What each shape of a query becomes: the circuit's nodes, inputs indented below.
//!
//! `TREES=write` writes what there is now, to be read before it is committed.

use std::fmt::Write;
use std::path::Path;

use tidewater_types::{ColumnType, Type};

use crate::world::{World, ty};

fn world() -> World {
    let mut world = World::new();
    let int = || ty(Type::Int4);
    world.table("t", &[("id", int()), ("a", int()), ("b", int()), ("c", ty(Type::Text))]);
    world.table("u", &[("id", int()), ("t_id", int()), ("x", ty(Type::Int8)), ("y", ty(Type::Text))]);
    world.table("n", &[("k", int()), ("v", int())]);
    world.table("d", &[("g", int()), ("amount", ty(Type::Numeric))]);
    world.table("p", &[("g", int()), ("price", ColumnType { ty: Type::Numeric, modifier: (10 << 16 | 2) + 4 })]);
    world
}

#[test]
fn trees() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lower/trees.txt");
    let text = std::fs::read_to_string(&path).expect("the trees");
    let mut now = String::new();
    let mut cases = 0;
    for case in text.split("\n\n").map(str::trim).filter(|case| !case.is_empty()) {
        let sql = case.lines().next().expect("a case has a query");
        let mut world = world();
        let (_, node) = world.built(sql);
        writeln!(now, "{sql}").expect("a string takes all");
        for line in world.circuit.explain(node).lines() {
            let shape = line.split(" [").next().unwrap_or(line);
            let key = if line.starts_with(' ') { None } else { world.circuit.key(node) };
            let key = key.map_or(String::new(), |key| format!(" with key {key:?}"));
            writeln!(now, "{shape}{key}").expect("a string takes all");
        }
        now.push('\n');
        cases += 1;
    }
    assert!(cases > 0, "no case");
    if std::env::var("TREES").is_ok_and(|mode| mode == "write") {
        return std::fs::write(&path, now.trim_end().to_owned() + "\n").expect("the trees can be written");
    }
    assert_eq!(text.trim(), now.trim());
}
