//! Trees before and after the rewrites: one file a rule, cases of a query, its tree as bound, its tree as it runs.
//!
//! `TREES=write` writes what there is now, to be read before it is committed.

use std::fmt::Write;
use std::path::Path;

use crate::ask::{bound, rewritten};

fn judge_trees(rule: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/query/trees").join(format!("{rule}.txt"));
    let text = std::fs::read_to_string(&path).expect("the rule's file");
    let mut now = String::new();
    let mut cases = 0;
    for case in text.split("\n\n").map(str::trim).filter(|case| !case.is_empty()) {
        let sql = case.lines().next().expect("a case has a query");
        let before = bound(sql).expect(sql);
        let after = rewritten(sql).expect(sql);
        writeln!(now, "{sql}\n{before}---\n{after}").expect("a string takes all");
        cases += 1;
    }
    assert!(cases > 0, "{rule} has no case");
    if std::env::var("TREES").is_ok_and(|mode| mode == "write") {
        return std::fs::write(&path, now.trim_end().to_owned() + "\n").expect("the rule's file can be written");
    }
    assert_eq!(text.trim(), now.trim(), "{rule}");
}

#[test]
fn apply() {
    judge_trees("apply");
}

#[test]
fn correlated() {
    judge_trees("correlated");
}

#[test]
fn unnest() {
    judge_trees("unnest");
}

#[test]
fn lets() {
    judge_trees("lets");
}

#[test]
fn constants() {
    judge_trees("constants");
}

#[test]
fn disjunction() {
    judge_trees("disjunction");
}

#[test]
fn keys() {
    judge_trees("keys");
}

#[test]
fn push_down() {
    judge_trees("push_down");
}

#[test]
fn outer_joins() {
    judge_trees("outer_joins");
}

#[test]
fn join_order() {
    judge_trees("join_order");
}

#[test]
fn prune() {
    judge_trees("prune");
}
