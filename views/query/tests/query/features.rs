//! One file of queries a feature; each line is asked on both sides.

use crate::ask::judge_lines;

#[test]
fn select() {
    judge_lines(include_str!("features/select.sql"));
}

#[test]
fn joins() {
    judge_lines(include_str!("features/joins.sql"));
}

#[test]
fn groups() {
    judge_lines(include_str!("features/groups.sql"));
}

#[test]
fn subqueries() {
    judge_lines(include_str!("features/subqueries.sql"));
}

#[test]
fn set_operations() {
    judge_lines(include_str!("features/set_operations.sql"));
}

#[test]
fn order() {
    judge_lines(include_str!("features/order.sql"));
}

#[test]
fn ctes() {
    judge_lines(include_str!("features/ctes.sql"));
}

#[test]
fn windows() {
    judge_lines(include_str!("features/windows.sql"));
}

#[test]
fn functions_in_from() {
    judge_lines(include_str!("features/functions_in_from.sql"));
}

#[test]
fn errors() {
    judge_lines(include_str!("features/errors.sql"));
}

#[test]
fn shapes() {
    judge_lines(include_str!("features/shapes.sql"));
}

#[test]
fn issue_8() {
    judge_lines(include_str!("features/issue_8.sql"));
}

#[test]
fn positions_of_errors() {
    crate::world::world();
    let mut judge = tidewater_judge::server().connect();
    for line in include_str!("features/positions.sql").lines() {
        let (ours, theirs) = crate::ask::positions(&mut judge, line).expect("both refuse it");
        assert!(theirs.is_some(), "{line}");
        assert_eq!(ours, theirs, "{line}");
    }
}

#[test]
fn quick_ways() {
    judge_lines(include_str!("features/quick.sql"));
}

#[test]
fn indexes() {
    judge_lines(include_str!("features/indexes.sql"));
}
