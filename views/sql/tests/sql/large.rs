//! Groups of thousands of rows: views over them equal the same SELECTs computed anew, built before and while rows come.

use std::sync::Arc;

use tidewater_delta::{Change, Commit, Op, Row, RowBuilder, TableId};
use tidewater_functions::Session;
use tidewater_sql::Database;
use tidewater_types::{Column, TableSchema, Type};

use super::answer;

/// Views over items(id, grp, n, label). Where rows are in an order, it decides what is shown.
const VIEWS: &[&str] = &[
    "SELECT grp, count(*) AS c, sum(n) AS s, min(n) AS least, max(label) AS most FROM items GROUP BY grp",
    "SELECT grp, string_agg(label, ',' ORDER BY n DESC, label) AS l, min(id) AS i FROM items GROUP BY grp",
    "SELECT grp, array_agg(n ORDER BY n, label NULLS FIRST) FILTER (WHERE n % 7 = 0) AS l FROM items GROUP BY grp",
    "SELECT grp, count(DISTINCT n) AS c, max(n) FILTER (WHERE label < 'b') AS n FROM items GROUP BY grp",
    "SELECT DISTINCT ON (label) label, n, id FROM items ORDER BY label, n DESC, id",
    "SELECT label, (array_agg(id ORDER BY n, id))[1] AS a, (array_agg(id ORDER BY n DESC, id DESC))[1] AS z FROM items GROUP BY label",
    "SELECT DISTINCT grp, label FROM items",
    "SELECT a.id, b.n FROM items a LEFT JOIN items b ON b.id = a.n WHERE a.n < 300",
];

/// Rows that are there at most: enough for several chunks and for lists that are split.
const ROWS: u64 = 6_000;

const TICKS: u64 = 8;

const CHANGES: u64 = 1_500;

/// A number that looks random, the same in each run.
fn mixed(number: u64) -> u64 {
    let number = (number ^ number >> 31).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (number ^ number >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 32
}

fn row(schema: &TableSchema, id: u64, seed: u64) -> Row {
    let mut builder = RowBuilder::new(schema.widths.clone());
    builder.set_slot(0, id);
    if !seed.is_multiple_of(11) {
        builder.set_slot(1, seed % 3);
    }
    if !seed.is_multiple_of(13) {
        builder.set_slot(2, seed / 7 % 900);
    }
    if !seed.is_multiple_of(17) {
        builder.set_tail(3, ["a", "b", "ab", "é", "c", ""][(seed / 5 % 6) as usize].as_bytes());
    }
    builder.take()
}

/// One tick of upserts and deletions; in the last ticks most are deletions.
fn tick(table: TableId, schema: &TableSchema, number: u64) -> Commit {
    let change = |n: u64| {
        let seed = mixed(number * CHANGES + n);
        let id = mixed(seed) % ROWS;
        if seed % TICKS < number {
            let mut key = RowBuilder::new(schema.widths[..1].to_vec());
            key.set_slot(0, id);
            Change { table, op: Op::Delete(key.take()) }
        } else {
            Change { table, op: Op::Upsert(row(schema, id, seed)) }
        }
    };
    Commit::local((0..CHANGES).map(change).collect())
}

fn create_views(database: &mut Database) {
    for (number, text) in VIEWS.iter().enumerate() {
        let text = format!("CREATE MATERIALIZED VIEW v{number} AS {text}");
        let parsed = tidewater_sql::parse(&text).expect("a statement").remove(0);
        let session = Arc::new(Session::default());
        database.execute_statement(&Arc::new(parsed), &[], &session).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

fn check(database: &mut Database, tick: u64) {
    for (view, text) in VIEWS.iter().enumerate() {
        let kept = answer(database, &format!("SELECT * FROM v{view}"));
        // The rows are too long to be shown.
        assert!(kept == answer(database, text), "after tick {tick}: {text}");
    }
}

/// Runs all ticks; the views are made before one of them and built by so many slices a tick, until the last.
fn run(made_before: u64, slices: usize) {
    let mut database = Database::new();
    let columns = vec![
        Column::new("id", Type::Int8).not_null(),
        Column::new("grp", Type::Int8),
        Column::new("n", Type::Int8),
        Column::new("label", Type::Text),
    ];
    let schema = TableSchema::new(columns, Some(vec![0])).expect("a key");
    let table = database.create_source("items", &schema, "").expect("a free name");
    for number in 0..TICKS {
        if number == made_before {
            create_views(&mut database);
        }
        let _built = (0..slices).any(|_| !database.build());
        database.apply([tick(table, &schema, number)]);
        if made_before == 0 {
            check(&mut database, number);
        }
    }
    while database.build() {}
    check(&mut database, TICKS);
    let truncate = vec![Change { table, op: Op::Truncate }];
    database.apply([Commit::local(truncate)]);
    assert!(database.is_empty());
}

#[test]
fn views_over_large_groups_equal_batch() {
    run(0, usize::MAX);
}

#[test]
fn views_over_large_groups_that_are_built_while_rows_come_equal_batch() {
    run(TICKS / 2, 4);
}
