//! What psql sends for its commands, recorded: `psql_queries.sql` by psql 15 to a server of version 15, `psql_queries_95.sql` to one that
//! announces 9.5, as ours may; `{oid}` and `{name}` stand for the relation.

use crate::ask::{difference, ours};
use crate::sample::judge;

const RECORDED: &str = include_str!("psql_queries.sql");
const RECORDED_95: &str = include_str!("psql_queries_95.sql");

/// Commands whose answers differ, each with its reason.
const DIFFERENT: &[(&str, &str)] = &[
    ("\\dn", "the schemas of Materialize's catalogs are listed; PostgreSQL has none"),
    ("\\dn+", "the same"),
    ("\\l", "PostgreSQL has its template databases"),
    ("\\l+", "the same"),
    ("\\dx", "PostgreSQL has plpgsql"),
    ("\\dA", "PostgreSQL has more access methods"),
    ("\\dAc", "operators are not collected in classes and families"),
    ("\\dAf", "the same"),
    ("\\dAo", "the same"),
    ("\\dAp", "the same"),
    ("\\dC", "PostgreSQL has more types, ours are Materialize's, too"),
    ("\\dTS", "the same"),
    ("\\daS", "the same of functions"),
    ("\\dfS", "the same of functions"),
    ("\\doS", "the same of operators"),
    ("\\dF", "there is no text search"),
    ("\\dFd", "the same"),
    ("\\dFp", "the same"),
    ("\\dFt", "the same"),
    ("\\dconfig", "a server has settings of its own"),
];

/// Queries whose answers differ: part of the query, reason.
const DIFFERENT_QUERIES: &[(&str, &str)] = &[
    ("pg_catalog.pg_size_pretty(pg_catalog.pg_table_size", "objects have no files whose size could be told"),
    ("pg_catalog.pg_get_viewdef('{oid}'::pg_catalog.oid, true)", "a query is shown as it was written"),
    ("pg_get_viewdef(c.oid", "a query is shown as it was written"),
];

/// Commands and their queries.
fn sections(recording: &'static str) -> Vec<(&'static str, Vec<&'static str>)> {
    let sections = recording.split("##### ").filter_map(|section| section.split_once('\n'));
    sections
        .map(|(command, text)| (command, text.split(";\n").map(str::trim).filter(|query| !query.is_empty()).collect()))
        .collect()
}

/// Relations of the kind that a command is about.
fn relations(command: &str, queries: &[&str]) -> &'static [&'static str] {
    if !queries.iter().any(|query| query.contains("{oid}") || query.contains("{name}")) {
        &["orders"]
    } else if command.contains("INDEX") {
        &["order_summary_by_id", "orders_pkey"]
    } else if command.contains("VIEW") || command.contains("\\sv") {
        &["big", "order_summary"]
    } else {
        &["orders", "payments", "order_summary"]
    }
}

#[test]
fn what_psql_asks_is_answered_as_postgresql_answers_it() {
    let mut judge = judge();
    let mut wrong = Vec::new();
    let mut asked = 0;
    for (command, queries) in sections(RECORDED) {
        for name in relations(command, &queries) {
            for query in &queries {
                asked += 1;
                let difference = difference(&mut judge, query, name);
                let excused = DIFFERENT.iter().any(|(of, _)| *of == command)
                    || DIFFERENT_QUERIES.iter().any(|(part, _)| query.contains(part));
                match difference {
                    // What is excused must be answered all the same.
                    Some(difference) if !excused || difference.contains("ours: Err") => {
                        wrong.push(format!("{command} {name}: {difference}"));
                    }
                    _ => {}
                }
            }
        }
    }
    assert!(asked > 120, "{asked}");
    assert!(wrong.is_empty(), "{} of {asked} differ:\n{}", wrong.len(), wrong.join("\n\n"));
}

#[test]
fn what_psql_asks_an_older_server_is_answered() {
    let mut judge = judge();
    let mut failed = Vec::new();
    for (command, queries) in sections(RECORDED_95) {
        for name in relations(command, &queries) {
            let (oid, _) = crate::ask::oids(&mut judge, name);
            for query in &queries {
                let query = query.replace("{oid}", &oid).replace("{name}", name);
                failed.extend(ours(&query).err().map(|error| format!("{command} {name}: {error:?}\n{query}")));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
