//! Positions of timelines, and what waits for them.

use tidewater_delta::{Change, Commit, Op, Position, Row, RowBuilder, TableId};
use tidewater_sql::{After, Behind, Database, TimelineKind};
use tidewater_types::{Column, TableSchema, Type};

use crate::answer;
use crate::statements::{fails, run};

const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const OTHER: &str = "aaaaaaaa-71ca-11e1-9e33-c80aa9429562";

/// A view over a table of MySQL and a topic; two tables of another server; a topic without transactions.
fn database() -> (Database, Vec<TableId>) {
    let mut db = Database::new();
    let sources = [
        ("orders", "shop.transaction", TimelineKind::Transactions),
        ("users", "shop.transaction", TimelineKind::Transactions),
        ("updates", "order_updates", TimelineKind::Offsets),
        ("stock", "depot.transaction", TimelineKind::Transactions),
        ("loose", "loose.shop.t", TimelineKind::Changes),
    ];
    let mut tables = Vec::new();
    for (name, timeline, kind) in sources {
        let table = db.create_source(name, &schema(), "").expect("a source");
        db.set_timeline(table, timeline, kind);
        tables.push(table);
    }
    run(&mut db, "CREATE MATERIALIZED VIEW summary AS SELECT o.id FROM orders o JOIN updates u ON u.id = o.id");
    run(&mut db, "CREATE VIEW above AS SELECT id FROM summary; CREATE TABLE t (id bigint)");
    (db, tables)
}

fn schema() -> TableSchema {
    let columns = vec![Column::new("id", Type::Int8).not_null()];
    TableSchema::new(columns, Some(vec![0])).expect("a table")
}

fn row(id: i64) -> Row {
    let mut row = RowBuilder::new(schema().widths);
    row.set_slot(0, id as u64);
    row.finish().into()
}

fn commit(timeline: &str, position: &str, table: Option<(TableId, i64)>) -> Commit {
    let change = |(table, id)| Change { table, op: Op::Upsert(row(id)) };
    let position: Position = position.parse().expect("a position");
    Commit {
        timeline: timeline.into(),
        position,
        committed_ms: 1_000,
        changes: table.map(change).into_iter().collect(),
    }
}

fn behind(db: &Database, name: &str, after: &str) -> Result<Option<Behind>, String> {
    let after: After = after.parse().expect("positions");
    db.behind([name], &after).map_err(|error| format!("{}: {error}", error.code()))
}

/// The timeline that lacks a position.
fn waits(db: &Database, name: &str, after: &str) -> Option<String> {
    behind(db, name, after).expect("a position of these timelines").map(|behind| behind.timeline)
}

#[test]
fn a_position_is_waited_for_where_what_is_read_comes_from() {
    let (mut db, tables) = database();
    let gtid = |number: u64| format!("{UUID}:{number}");
    for name in ["orders", "users", "summary", "above"] {
        assert_eq!(waits(&db, name, &gtid(3)).as_deref(), Some("shop.transaction"), "{name}: nothing came yet");
    }
    db.apply([commit("shop.transaction", &gtid(2), Some((tables[0], 1)))]);
    let lacks = behind(&db, "above", &gtid(3)).expect("possible").expect("behind");
    assert_eq!((lacks.asked, lacks.reached, lacks.known), (gtid(3), gtid(2), true));
    // A transaction that changes nothing here moves the position, too.
    db.apply([commit("shop.transaction", &gtid(4), None)]);
    assert_eq!(behind(&db, "above", &gtid(3)), Ok(None));
    // Of a list, and of a set, every part.
    assert_eq!(waits(&db, "above", &format!("{},order_updates/0@7", gtid(3))).as_deref(), Some("order_updates"));
    db.apply([commit("order_updates", "order_updates/0@7", Some((tables[2], 1)))]);
    assert_eq!(behind(&db, "above", &format!("{},order_updates/0@7", gtid(3))), Ok(None));
    assert_eq!(db.positions_of(["above"]).to_string(), format!("order_updates/0@7,{}", gtid(4)));
    assert_eq!(db.positions_of(["orders"]).to_string(), gtid(4));
    // A part that the query does not read cannot change its answer.
    assert_eq!(behind(&db, "orders", &format!("{},order_updates/0@9", gtid(3))), Ok(None));
}

#[test]
fn a_position_that_nothing_read_could_include_is_an_error() {
    let (mut db, _) = database();
    for (name, after) in [
        ("updates", format!("{UUID}:1")),
        ("orders", "order_updates/0@1".to_owned()),
        ("summary", "elsewhere/0@1".to_owned()),
        ("summary", format!("{UUID}:1,elsewhere/0@1")),
        ("updates", "binlog.000001:4".to_owned()),
    ] {
        let error = match behind(&db, name, &after) {
            Err(error) => error,
            // The first of a list may be waited for before the second is looked at.
            Ok(_) => {
                db.apply([commit("shop.transaction", &format!("{UUID}:1"), None)]);
                behind(&db, name, &after).expect_err(&after)
            }
        };
        assert!(
            error.starts_with("22023: position ") && error.contains("is of no timeline that the query reads"),
            "{error}"
        );
    }
    // With GTIDs, places in the binlog tell nothing.
    assert!(behind(&db, "orders", "binlog.000001:4").is_err());
    // What is made from no source has nothing to wait for.
    assert_eq!(behind(&db, "t", &format!("{UUID}:1")), Ok(None));
    for wrong in ["", "x", "uuid:42", &format!("{UUID}:1,")] {
        assert_eq!(wrong.parse::<After>().map_err(|error| error.sqlstate), Err(*b"22023"), "{wrong}");
    }
}

#[test]
fn of_two_servers_the_one_that_wrote_is_waited_for() {
    let (mut db, tables) = database();
    run(&mut db, "CREATE VIEW both_servers AS SELECT s.id FROM stock s JOIN orders o ON o.id = s.id");
    db.apply([commit("depot.transaction", &format!("{OTHER}:9"), Some((tables[3], 1)))]);
    assert_eq!(waits(&db, "both_servers", &format!("{UUID}:1")).as_deref(), Some("depot.transaction"), "either may");
    let lacks = behind(&db, "orders", &format!("{OTHER}:9")).expect("it may come").expect("behind");
    assert_eq!((lacks.known, lacks.reached.as_str()), (false, ""));
    db.apply([commit("shop.transaction", &format!("{UUID}:1"), None)]);
    assert_eq!(behind(&db, "both_servers", &format!("{UUID}:1,{OTHER}:9")), Ok(None));
    assert_eq!(waits(&db, "both_servers", &format!("{UUID}:2")).as_deref(), Some("shop.transaction"));
}

#[test]
fn without_transactions_a_later_change_tells_that_one_is_whole() {
    let (mut db, tables) = database();
    let gtid = |number: u64| format!("{UUID}:{number}");
    // Two rows of one transaction come one by one.
    db.apply([commit("loose.shop.t", &gtid(7), Some((tables[4], 1)))]);
    assert!(waits(&db, "loose", &gtid(7)).is_some(), "the second row is not there yet");
    assert_eq!(waits(&db, "loose", &gtid(6)), None);
    db.apply([commit("loose.shop.t", &gtid(7), Some((tables[4], 2)))]);
    db.apply([commit("loose.shop.t", &gtid(8), Some((tables[4], 3)))]);
    assert_eq!(waits(&db, "loose", &gtid(7)), None);
}

#[test]
fn timelines_are_a_table() {
    let (mut db, tables) = database();
    db.set_time(1_250);
    db.apply([
        commit("shop.transaction", &format!("{UUID}:2"), Some((tables[0], 1))),
        commit("shop.transaction", &format!("{UUID}:3"), None),
    ]);
    let shown =
        answer(&mut db, "SELECT timeline, position, lag_ms, commits FROM tidewater.timelines WHERE commits > 0");
    assert_eq!(shown, [format!("shop.transaction|{UUID}:3|250|2")]);
    let times = "SELECT committed_at = '1970-01-01 00:00:01Z', updated_at = '1970-01-01 00:00:01.25Z' FROM tidewater.timelines WHERE commits > 0";
    assert_eq!(answer(&mut db, times), ["t|t"]);
    assert_eq!(answer(&mut db, "SELECT count(*), count(committed_at) FROM tidewater.timelines"), ["4|1"]);
    run(&mut db, "CREATE VIEW late AS SELECT timeline FROM tidewater.timelines WHERE lag_ms > 100");
    assert_eq!(answer(&mut db, "SELECT timeline FROM late"), ["shop.transaction"]);
    fails(&mut db, "CREATE MATERIALIZED VIEW m AS SELECT * FROM tidewater.timelines", "0A000", "timelines");
    fails(&mut db, "DROP TABLE tidewater.timelines", "42501", "timelines");
    fails(&mut db, "INSERT INTO tidewater.timelines VALUES ('x')", "42809", "timelines");
    // A timeline ends with its last source, and begins anew with the next.
    run(&mut db, "DROP SOURCE users");
    assert_eq!(answer(&mut db, "SELECT commits FROM tidewater.timelines WHERE timeline LIKE 'shop%'"), ["2"]);
    run(&mut db, "DROP SOURCE orders CASCADE");
    assert_eq!(answer(&mut db, "SELECT count(*) FROM tidewater.timelines WHERE timeline LIKE 'shop%'"), ["0"]);
    db.apply([commit("shop.transaction", &format!("{UUID}:4"), None)]);
    assert!(!db.positions().to_string().contains(UUID), "of a source that is gone");
}
