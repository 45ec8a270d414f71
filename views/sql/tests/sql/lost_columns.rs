//! A column that MySQL dropped: who reads it gets an error, everybody else goes on.

use tidewater_delta::{Change, Commit, Op, RowBuilder};
use tidewater_sql::Database;
use tidewater_types::{Column, TableSchema, Type};

use crate::answer;
use crate::statements::{fails, run};

#[test]
fn only_readers_of_a_lost_column_stop() {
    let mut db = Database::new();
    let columns = ["id", "kept", "gone"].map(|name| Column::new(name, Type::Int8)).to_vec();
    let schema = TableSchema::new(columns, Some(vec![0])).expect("a table");
    let table = db.create_source("t", &schema, "").expect("a source");
    let mut row = RowBuilder::new(schema.widths);
    (0..3).for_each(|column| row.set_slot(column, 1));
    db.apply([Commit::local(vec![Change { table, op: Op::Upsert(row.take()) }])]);
    run(&mut db, "CREATE MATERIALIZED VIEW stays AS SELECT id, kept FROM t");
    run(&mut db, "CREATE MATERIALIZED VIEW shows AS SELECT id, gone AS other FROM t");
    run(&mut db, "CREATE MATERIALIZED VIEW filters AS SELECT id FROM t WHERE gone > 0");
    run(&mut db, "CREATE MATERIALIZED VIEW above AS SELECT count(*) FROM filters");
    run(&mut db, "CREATE VIEW expanded AS SELECT id, kept, gone FROM t");
    let readers = [
        "SELECT * FROM t",
        "SELECT gone FROM t WHERE id = 1",
        "SELECT id FROM t WHERE gone = 1",
        "SELECT count(*) FROM t GROUP BY gone",
        "SELECT id FROM t ORDER BY (SELECT max(gone) FROM t)",
        "SELECT * FROM shows",
        "SELECT id FROM filters",
        "SELECT * FROM above",
        "SELECT gone FROM expanded",
    ];
    let others = [
        "SELECT id, kept FROM t",
        "SELECT kept FROM t WHERE id = 1",
        "SELECT count(*) FROM t",
        "SELECT * FROM stays",
        "SELECT kept FROM expanded",
    ];
    for query in readers.iter().chain(&others) {
        assert_eq!(answer(&mut db, query).len(), 1, "{query}");
    }
    assert!(db.lose_column(table, 2, "column \"gone\" is not in the record".into()));
    for query in readers {
        fails(&mut db, query, "55000", "\"gone\" of source \"t\"");
    }
    for query in others {
        assert_eq!(answer(&mut db, query).len(), 1, "{query}");
    }
    assert!(db.source_status("t").expect("a source").health.reason.contains("\"gone\" is not in the record"));
}
