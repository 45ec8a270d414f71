//! Commits that are too large for one tick: between their parts readers see the moment before, and at the end all at once.

use tidewater_delta::{Change, Commit, Op, Position, Row, RowBuilder, TableId};
use tidewater_sql::{Database, TimelineKind};
use tidewater_types::{Column, TableSchema, Type};

use super::answer;

const ROWS: u64 = 400;

const VIEWS: &[&str] = &[
    "CREATE MATERIALIZED VIEW per_group AS SELECT grp, count(*) AS c, sum(n) AS s, max(n) AS m FROM items GROUP BY grp",
    "CREATE MATERIALIZED VIEW lists AS SELECT grp, string_agg(n::text, ',' ORDER BY id) AS l FROM items GROUP BY grp",
    "CREATE MATERIALIZED VIEW pairs AS SELECT a.id, b.n FROM items a LEFT JOIN items b ON b.id = a.n",
    // Fails for one of the rows that come.
    "CREATE MATERIALIZED VIEW failing AS SELECT id, 1 / (n - 999) AS f FROM items",
    "CREATE INDEX by_n ON pairs (n)",
];

/// By scans, through keys and through an index.
const READS: &[&str] = &[
    "SELECT * FROM items",
    "SELECT * FROM per_group",
    "SELECT * FROM lists",
    "SELECT * FROM pairs",
    "SELECT * FROM items WHERE id = 7",
    "SELECT * FROM per_group WHERE grp = 3",
    "SELECT * FROM lists WHERE grp = 2",
    "SELECT * FROM pairs WHERE n = 11",
    "SELECT position, commits FROM tidewater.timelines",
];

fn read(database: &mut Database) -> Vec<Vec<String>> {
    READS.iter().map(|text| answer(database, text)).collect()
}

fn row(schema: &TableSchema, cells: [u64; 3]) -> Row {
    let mut builder = RowBuilder::new(schema.widths.clone());
    cells.into_iter().enumerate().for_each(|(column, cell)| builder.set_slot(column, cell));
    builder.take()
}

fn commit(table: TableId, offset: i64, ops: impl Iterator<Item = Op>) -> Commit {
    let position = Position::Offset { topic: "items".into(), partition: 0, offset };
    Commit {
        timeline: "items".into(),
        position,
        committed_ms: 0,
        changes: ops.map(|op| Change { table, op }).collect(),
    }
}

/// Does a commit in parts; `between` looks before each of them and gives whether it must be as before.
fn in_parts(database: &mut Database, commit: Commit, limit: usize) -> Vec<Vec<String>> {
    let before = read(database);
    let mut applying = database.begin([commit]);
    let (mut parts, mut after) = (0, None);
    loop {
        let more = database.advance(&mut applying, limit);
        let seen = read(database);
        match &after {
            None if seen == before => {}
            None => after = Some(seen),
            // Nothing changes any more once it has.
            Some(after) => assert_eq!(&seen, after),
        }
        parts += 1;
        if !more {
            assert!(parts > 10, "it was done in parts");
            assert_eq!(applying.left(), 0);
            return after.expect("what is done is seen");
        }
    }
}

#[test]
fn readers_of_a_large_commit_see_the_moment_before_and_then_all_of_it() {
    let mut database = Database::new();
    let columns = ["id", "grp", "n"].map(|name| Column::new(name, Type::Int8).not_null());
    let schema = TableSchema::new(columns.to_vec(), Some(vec![0])).expect("a key");
    let table = database.create_source("items", &schema, "").expect("a free name");
    database.set_timeline(table, "items", TimelineKind::Offsets);
    VIEWS.iter().for_each(|text| drop(database.execute(text).expect("it is made")));
    while database.build() {}
    let upserts = |from: u64, seed: u64| {
        let schema = &schema;
        (from..ROWS).map(move |id| Op::Upsert(row(schema, [id, (id * seed) % 7, (id * seed) % 97])))
    };
    let first = commit(table, 1, upserts(0, 5));
    in_parts(&mut database, first.clone(), 13);
    // Half of the rows change, some leave for good and some come back.
    let key = |id: u64| {
        let mut key = RowBuilder::new(schema.widths[..1].to_vec());
        key.set_slot(0, id);
        Op::Delete(key.take())
    };
    let fails = Op::Upsert(row(&schema, [3, 3, 999]));
    let second =
        commit(table, 2, upserts(ROWS / 2, 3).chain((0..99).map(key)).chain(upserts(ROWS - 9, 5)).chain([fails]));
    let seen = in_parts(&mut database, second.clone(), 7);
    let error = super::try_answer(&mut database, "SELECT * FROM failing").expect_err("a row fails");
    assert_eq!(&error.sqlstate, b"22012");
    // The same at once.
    let mut other = Database::new();
    assert_eq!(other.create_source("items", &schema, "").expect("a free name"), table);
    other.set_timeline(table, "items", TimelineKind::Offsets);
    VIEWS.iter().for_each(|text| drop(other.execute(text).expect("it is made")));
    while other.build() {}
    other.apply([first, second]);
    assert_eq!(seen, read(&mut other));
    // Emptied in parts, too, with rows before and behind.
    let emptied = upserts(ROWS - 3, 11).chain([Op::Truncate]).chain(upserts(ROWS - 20, 7));
    let seen = in_parts(&mut database, commit(table, 3, emptied), 13);
    assert_eq!(seen[0].len(), 20);
    in_parts(&mut database, commit(table, 4, [Op::Truncate].into_iter()), 1);
    assert!(database.is_empty());
}
