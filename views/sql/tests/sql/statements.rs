//! Statements that change the database, and the errors a user meets.

use std::ops::ControlFlow;
use std::sync::Arc;

use tidewater_functions::Session;
use tidewater_query::plan::Constant;
use tidewater_query::run::Limits;
use tidewater_sql::{Database, Error, Outcome, Prepared};
use tidewater_types::{ColumnType, Datum, Type};

use super::{answer, try_answer};

/// The tag of the last statement.
pub(crate) fn run(database: &mut Database, text: &str) -> String {
    match database.execute(text).unwrap_or_else(|error| panic!("{text}: {error}")).pop() {
        Some(Outcome::Tag(tag) | Outcome::Dropped(tag, _)) => tag,
        _ => panic!("{text} answers a tag"),
    }
}

pub(crate) fn fails(database: &mut Database, text: &str, sqlstate: &str, part: &str) {
    let error = database.execute(text).err().unwrap_or_else(|| panic!("{text} was accepted"));
    assert_eq!(error.code(), sqlstate, "{text}: {error}");
    assert!(error.message.contains(part), "{text}: {error}");
}

fn shop() -> Database {
    let mut database = Database::new();
    let tag = run(&mut database, "CREATE TABLE orders (id bigint, customer bigint, total numeric(10,2), note text)");
    assert_eq!(tag, "CREATE TABLE");
    database
}

#[test]
fn a_view_follows_insert_update_and_delete() {
    let mut db = shop();
    run(
        &mut db,
        "CREATE MATERIALIZED VIEW spent AS SELECT customer, sum(total) AS total FROM orders GROUP BY customer",
    );
    run(&mut db, "CREATE VIEW big AS SELECT customer FROM spent WHERE total > 20");
    run(&mut db, "CREATE MATERIALIZED VIEW names AS SELECT 'customer ' || customer AS name FROM big");
    assert_eq!(
        run(&mut db, "INSERT INTO orders VALUES (1, 7, 12.50, NULL), (2, 7, 1.00, 'x'), (3, 8, 5, 'y')"),
        "INSERT 0 3"
    );
    assert_eq!(answer(&mut db, "SELECT * FROM spent"), ["7|13.50", "8|5.00"]);
    assert_eq!(answer(&mut db, "SELECT name FROM names"), Vec::<String>::new());
    assert_eq!(run(&mut db, "UPDATE orders SET total = total + 7.5, note = upper(note) WHERE id < 3"), "UPDATE 2");
    assert_eq!(answer(&mut db, "SELECT * FROM spent"), ["7|28.50", "8|5.00"]);
    assert_eq!(answer(&mut db, "SELECT name FROM names"), ["customer 7"]);
    assert_eq!(answer(&mut db, "SELECT note FROM orders WHERE customer = 7"), ["NULL", "X"]);
    assert_eq!(
        run(&mut db, "INSERT INTO orders (customer, id) SELECT customer, id + 10 FROM orders WHERE id = 1"),
        "INSERT 0 1"
    );
    assert_eq!(run(&mut db, "DELETE FROM orders WHERE customer = 7"), "DELETE 3");
    assert_eq!(answer(&mut db, "SELECT * FROM spent"), ["8|5.00"]);
    run(&mut db, "DELETE FROM orders");
    assert!(db.is_empty());
}

#[test]
fn equal_rows_repeat() {
    let mut db = shop();
    run(&mut db, "INSERT INTO orders VALUES (1, 1, 1, 'a'), (1, 1, 1, 'a')");
    assert_eq!(answer(&mut db, "SELECT count(*) FROM orders"), ["2"]);
    assert_eq!(run(&mut db, "UPDATE orders SET note = 'b'"), "UPDATE 2");
    assert_eq!(answer(&mut db, "SELECT note FROM orders"), ["b", "b"]);
}

#[test]
fn a_row_without_a_value_is_an_error_of_its_view_alone_and_heals() {
    let mut db = shop();
    run(&mut db, "CREATE MATERIALIZED VIEW ratio AS SELECT id, 10 / customer AS r FROM orders");
    run(&mut db, "CREATE MATERIALIZED VIEW above AS SELECT id FROM ratio WHERE r > 1");
    run(&mut db, "CREATE MATERIALIZED VIEW fine AS SELECT id FROM orders");
    run(&mut db, "INSERT INTO orders VALUES (1, 0, 1, 'a'), (2, 5, 1, 'b')");
    for view in ["ratio", "above"] {
        let error = try_answer(&mut db, &format!("SELECT * FROM {view}")).expect_err("a division by zero");
        assert_eq!((error.code(), error.message.as_str()), ("22012", "division by zero"));
    }
    assert_eq!(answer(&mut db, "SELECT * FROM fine"), ["1", "2"]);
    run(&mut db, "UPDATE orders SET customer = 2 WHERE id = 1");
    assert_eq!(answer(&mut db, "SELECT * FROM ratio"), ["1|5", "2|2"]);
    assert_eq!(answer(&mut db, "SELECT * FROM above"), ["1", "2"]);
}

#[test]
fn an_integer_that_leaves_its_type_is_an_error() {
    let mut db = Database::new();
    run(&mut db, "CREATE TABLE t (a bigint, b bigint, c int)");
    for (number, expr) in ["a + b", "-3 - a", "a * b", "c * c"].into_iter().enumerate() {
        run(&mut db, &format!("CREATE MATERIALIZED VIEW v{number} AS SELECT {expr} AS x FROM t"));
    }
    run(&mut db, "INSERT INTO t VALUES (9223372036854775807, 2, 46341)");
    for number in [0, 1, 2, 3] {
        let error = try_answer(&mut db, &format!("SELECT * FROM v{number}")).expect_err("out of range");
        assert_eq!(error.code(), "22003", "v{number}: {error}");
    }
    run(&mut db, "UPDATE t SET a = 5, c = -7");
    let answers: Vec<_> = (0..4).flat_map(|number| answer(&mut db, &format!("SELECT * FROM v{number}"))).collect();
    assert_eq!(answers, ["7", "-8", "10", "49"]);
}

#[test]
fn a_query_fails_too_where_an_integer_leaves_its_type() {
    let mut db = Database::new();
    run(&mut db, "CREATE TABLE t (a bigint, b bigint, c int)");
    run(&mut db, "INSERT INTO t VALUES (9223372036854775807, 2, 46341), (1, 1, 1)");
    for text in [
        "SELECT a + b FROM t",
        "SELECT -3 - a FROM t",
        "SELECT a * b FROM t",
        "SELECT c * c FROM t",
        "SELECT abs(c * c) FROM t",
        "SELECT 9223372036854775807 + 1",
        "SELECT -(-9223372036854775807 - 1)",
        "SELECT b FROM t WHERE b < 5 AND a + b > 0",
        "SELECT count(*) FROM t GROUP BY CASE WHEN a + b > 0 THEN 1 END",
    ] {
        let error = try_answer(&mut db, text).expect_err(text);
        assert_eq!(error.code(), "22003", "{text}: {error}");
    }
    assert_eq!(answer(&mut db, "SELECT sum(b), sum(c) AS x, min(a) + 1 FROM t HAVING sum(b) > 2"), ["3|46342|2"]);
    assert_eq!(
        answer(&mut db, "SELECT b, sum(DISTINCT c) FILTER (WHERE c < 5) FROM t GROUP BY b ORDER BY 1"),
        ["1|1", "2|NULL"]
    );
    run(&mut db, "CREATE MATERIALIZED VIEW v AS SELECT abs(c * c) AS x, CASE WHEN c * c > 1 THEN 2 END AS y FROM t");
    assert_eq!(try_answer(&mut db, "SELECT * FROM v").expect_err("out of range").code(), "22003");
}

#[test]
fn columns_are_named_as_in_postgresql() {
    let mut db = shop();
    run(&mut db, "INSERT INTO orders VALUES (1, 7, 2.5, 'a'), (2, 7, 1.5, 'b')");
    let names = |db: &mut Database, text: &str| {
        let Some(Outcome::Rows(query)) = db.execute(text).unwrap_or_else(|e| panic!("{text}: {e}")).pop() else {
            panic!("{text} answers rows")
        };
        query.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(" ")
    };
    for (text, expected) in [
        ("SELECT count(*), count(*), max(total), id, id FROM orders GROUP BY id", "count count max id id"),
        ("SELECT 1, 1, 'x' || note, note::varchar FROM orders", "?column? ?column? ?column? note"),
        ("SELECT id % 2, count(*) FROM orders GROUP BY id % 2 ORDER BY count(*), id % 2", "?column? count"),
        ("SELECT DISTINCT lower(note), id + 1 FROM orders ORDER BY lower(note), id + 1", "lower ?column?"),
        ("SELECT count FROM (SELECT count(*), max(id) FROM orders) x WHERE max > 0", "count"),
        (
            "WITH w AS (SELECT customer, sum(total) FROM orders GROUP BY customer) SELECT sum, w.customer FROM w",
            "sum customer",
        ),
        ("SELECT o.*, u.id FROM orders o JOIN orders u ON u.id = o.id", "id customer total note id"),
        ("SELECT CAST(id AS text) FROM orders ORDER BY id", "id"),
        ("SELECT total::int, sum(id) FROM orders GROUP BY total ORDER BY sum(id) DESC", "total sum"),
        ("SELECT id AS a, id AS a FROM orders", "a a"),
    ] {
        assert_eq!(names(&mut db, text), expected, "{text}");
    }
    run(&mut db, "CREATE MATERIALIZED VIEW v AS SELECT customer, count(*), sum(total) FROM orders GROUP BY customer");
    assert_eq!(answer(&mut db, "SELECT count, sum FROM v WHERE customer = 7"), ["2|4.00"]);
    fails(
        &mut db,
        "CREATE MATERIALIZED VIEW w AS SELECT id, id FROM orders",
        "42701",
        "\"id\" specified more than once",
    );
    fails(&mut db, "CREATE VIEW w AS SELECT count(*), count(id) FROM orders", "42701", "\"count\"");
    run(&mut db, "CREATE VIEW w (a, b) AS SELECT id, id FROM orders");
    assert_eq!(answer(&mut db, "SELECT a, b FROM w"), ["1|1", "2|2"]);
}

#[test]
fn numbers_with_a_point_are_exact() {
    let mut db = shop();
    run(&mut db, "INSERT INTO orders VALUES (1, 7, 19.99, 'a')");
    run(
        &mut db,
        "CREATE MATERIALIZED VIEW v AS SELECT total * 1.1 AS gross, total * 2 AS twice FROM orders WHERE total > 19.98",
    );
    assert_eq!(answer(&mut db, "SELECT * FROM v"), ["21.989|39.98"]);
    assert_eq!(
        answer(&mut db, "SELECT 1.1 + 2.2, 12345678901234567890.123::numeric(38,3)"),
        ["3.3|12345678901234567890.123"]
    );
}

#[test]
fn aggregates_may_each_have_an_order() {
    let mut db = Database::new();
    run(&mut db, "CREATE TABLE t (g int, a text, b int)");
    run(
        &mut db,
        "CREATE MATERIALIZED VIEW v AS SELECT g, string_agg(a, ',' ORDER BY b) AS up, string_agg(a, ',' ORDER BY b DESC) AS down,
           min(b) AS least, max(b) FILTER (WHERE a <> 'z') AS most, count(*) AS n FROM t GROUP BY g",
    );
    run(&mut db, "INSERT INTO t VALUES (1, 'x', 2), (1, 'y', 1), (1, 'z', 3), (2, 'q', NULL)");
    let all = "SELECT * FROM v ORDER BY g";
    assert_eq!(answer(&mut db, all), ["1|y,x,z|z,x,y|1|2|3", "2|q|q|NULL|NULL|1"]);
    run(&mut db, "DELETE FROM t WHERE a = 'y' OR g = 2");
    assert_eq!(answer(&mut db, all), ["1|x,z|z,x|2|2|2"]);
}

#[test]
fn what_is_dropped_leaves_nothing() {
    let mut db = Database::new();
    run(&mut db, "CREATE TABLE t (a int, b int); INSERT INTO t VALUES (1, 2), (3, 4)");
    run(&mut db, "CREATE MATERIALIZED VIEW v AS SELECT a, sum(b) AS s FROM t GROUP BY a");
    run(&mut db, "CREATE MATERIALIZED VIEW w AS SELECT v.a, s, t.b FROM v JOIN t ON t.a = v.a");
    run(&mut db, "DROP MATERIALIZED VIEW w; INSERT INTO t VALUES (1, 5)");
    assert_eq!(answer(&mut db, "SELECT * FROM v ORDER BY a"), ["1|7", "3|4"]);
    run(&mut db, "CREATE MATERIALIZED VIEW w AS SELECT v.a, s, t.b FROM v JOIN t ON t.a = v.a");
    assert_eq!(answer(&mut db, "SELECT * FROM w ORDER BY b"), ["1|7|2", "1|7|5", "3|4|4"]);
    run(&mut db, "DROP TABLE t CASCADE");
    assert!(db.is_empty());
}

#[test]
fn a_query_keeps_the_moment_at_which_it_was_taken() {
    let mut db = shop();
    run(&mut db, "INSERT INTO orders VALUES (1, 1, 1, 'a')");
    let Some(Outcome::Rows(query)) = db.execute("SELECT id FROM orders").expect("a query").pop() else {
        panic!("rows")
    };
    run(&mut db, "DELETE FROM orders");
    let mut rows = 0;
    let mut count = |_: &[Datum<'_>]| {
        rows += 1;
        Ok(ControlFlow::Continue(()))
    };
    query.run(&Limits::default(), &mut count).expect("rows");
    assert_eq!(rows, 1);
}

#[test]
fn errors_name_the_object_and_the_fix() {
    let mut db = shop();
    run(&mut db, "CREATE MATERIALIZED VIEW v AS SELECT id FROM orders");
    run(&mut db, "CREATE VIEW w AS SELECT id FROM v");
    fails(&mut db, "CREATE TABLE v (a int)", "42P07", "\"v\" already exists");
    fails(&mut db, "SELECT * FROM nowhere", "42P01", "nowhere");
    fails(&mut db, "SELECT missing FROM orders", "42703", "missing");
    fails(&mut db, "INSERT INTO v VALUES (1)", "42809", "\"v\" is not a table");
    fails(&mut db, "SELEC 1", "42601", "SELEC");
    fails(&mut db, "INSERT INTO orders VALUES ('x')", "22P02", "x");
    fails(&mut db, "DROP TABLE orders", "2BP01", "\"v\"");
    fails(&mut db, "DROP VIEW nothing", "42P01", "\"nothing\"");
    assert_eq!(run(&mut db, "DROP VIEW IF EXISTS nothing"), "DROP VIEW");
    assert_eq!(run(&mut db, "DROP TABLE orders CASCADE"), "DROP TABLE");
    fails(&mut db, "SELECT * FROM w", "42P01", "w");
}

#[test]
fn types_keep_their_meaning() {
    let mut db = Database::new();
    run(&mut db, "CREATE TABLE t (z timestamptz, l timestamp, m timestamp(3), j jsonb, u uint8, n numeric(12,3))");
    let types = answer(&mut db, "SHOW COLUMNS FROM t");
    let wanted = [
        "j|t|jsonb",
        "l|t|timestamp without time zone",
        "m|t|timestamp(3) without time zone",
        "n|t|numeric(12,3)",
        "u|t|uint8",
        "z|t|timestamp with time zone",
    ];
    assert_eq!(types, wanted);
}

/// How many rows a prepared query has for this parameter.
fn count(db: &Database, prepared: &Prepared, parameters: &[Constant]) -> Result<usize, Error> {
    let (session, mut rows) = (Arc::new(Session::default()), 0);
    db.query(prepared, parameters, &session)?.run(&Limits::default(), &mut |_| {
        rows += 1;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(rows)
}

fn prepared(db: &Database, text: &str) -> Prepared {
    let parsed = Arc::new(tidewater_sql::parse(text).expect("a query").remove(0));
    db.prepare(&parsed, &[], &Arc::new(Session::default())).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn prepared_queries_and_lookups() {
    let mut db = shop();
    run(&mut db, "INSERT INTO orders VALUES (1, 7, 12.50, NULL), (2, 7, 1.00, 'x'), (3, 8, 5, 'y')");
    run(&mut db, "CREATE MATERIALIZED VIEW v AS SELECT id, customer, total FROM orders");
    let text = "SELECT total, id FROM v WHERE id = $1";
    let scanned = prepared(&db, text);
    run(&mut db, "CREATE INDEX v_id ON v (id)");
    let looked_up = prepared(&db, text);
    assert_eq!(looked_up.parameters, [ColumnType::from(Type::Int8)]);
    for (value, rows) in [(Datum::Int(2), 1), (Datum::Int(9), 0), (Datum::Null, 0)] {
        let value = Constant::new(&value, Type::Int8);
        for prepared in [&scanned, &looked_up] {
            assert_eq!(count(&db, prepared, std::slice::from_ref(&value)), Ok(rows));
        }
    }
    // A value that is no whole number equals no id.
    assert_eq!(count(&db, &prepared(&db, "SELECT id FROM v WHERE id = 1.5"), &[]), Ok(0));
    assert_eq!(count(&db, &looked_up, &[]).map_err(|error| error.sqlstate), Err(*b"08P01"));
    assert_eq!(answer(&mut db, "EXPLAIN SELECT total FROM v WHERE id = 1"), ["Lookup in v through an index"]);
    run(&mut db, "DROP MATERIALIZED VIEW v");
    let one = Constant::new(&Datum::Int(1), Type::Int8);
    assert_eq!(count(&db, &looked_up, &[one]).map_err(|error| error.sqlstate), Err(*b"42P01"));
}

#[test]
fn views_name_their_columns_and_are_replaced() {
    let mut db = shop();
    run(&mut db, "CREATE MATERIALIZED VIEW v (a, b) AS SELECT id, customer FROM orders");
    run(&mut db, "CREATE VIEW w AS SELECT a FROM v");
    run(&mut db, "INSERT INTO orders VALUES (1, 7, 1, NULL)");
    assert_eq!(answer(&mut db, "SELECT a, b FROM v"), ["1|7"]);
    assert_eq!(answer(&mut db, "SELECT a FROM w"), ["1"]);
    run(&mut db, "CREATE OR REPLACE VIEW w AS SELECT b FROM v");
    assert_eq!(answer(&mut db, "SELECT b FROM w"), ["7"]);
    assert_eq!(answer(&mut db, "SHOW VIEWS"), ["w|running"]);
    assert_eq!(answer(&mut db, "SHOW MATERIALIZED VIEWS LIKE 'v%'"), ["v|default|running"]);
    assert_eq!(answer(&mut db, "SELECT count(*) FROM tidewater.dead_letters"), ["0"]);
    fails(&mut db, "SELECT * FROM dead_letters", "42P01", "dead_letters");
    fails(&mut db, "CREATE SINK s FROM v INTO AVRO OCF 'f'", "0A000", "CREATE SINK INTO AVRO");
    fails(&mut db, "DROP TABLE v", "42809", "not a table");
}

#[test]
fn branches_of_a_case_have_one_type() {
    let mut db = shop();
    run(&mut db, "INSERT INTO orders VALUES (1, 7, 12.50, NULL), (2, 7, 1, NULL)");
    let text = "SELECT CASE id WHEN 1 THEN total ELSE CAST(total AS numeric(20,4)) END AS x FROM orders";
    run(&mut db, &format!("CREATE MATERIALIZED VIEW v AS {text}"));
    assert_eq!(answer(&mut db, "SHOW COLUMNS FROM v"), ["x|t|numeric"]);
    assert_eq!(answer(&mut db, "SELECT * FROM v"), ["1.0000", "12.50"]);
    let columns = prepared(&db, &text.replace("CASE id", "CASE $1::int")).columns.expect("rows");
    assert_eq!(columns[0].ty.ty, Type::Numeric);
}

#[test]
fn branches_of_a_union_have_one_type() {
    let mut db = shop();
    run(&mut db, "INSERT INTO orders VALUES (1, 7, 12.50, NULL)");
    let text = "SELECT id AS x FROM orders UNION ALL SELECT 0.5 FROM orders UNION ALL SELECT total FROM orders";
    run(&mut db, &format!("CREATE MATERIALIZED VIEW v AS {text}"));
    run(&mut db, &format!("CREATE VIEW w AS {text}"));
    let types = answer(&mut db, "SHOW COLUMNS FROM v");
    assert_eq!(types, ["x|t|numeric"]);
    assert_eq!(answer(&mut db, "SHOW COLUMNS FROM w"), types);
    let rows = answer(&mut db, text);
    assert_eq!(rows, ["0.5", "1", "12.50"]);
    for name in ["v", "w"] {
        assert_eq!(answer(&mut db, &format!("SELECT * FROM {name}")), rows, "{name}");
        assert_eq!(answer(&mut db, &format!("SELECT x FROM {name} WHERE x < 1")), ["0.5"], "{name}");
    }
}

#[test]
fn a_key_may_be_a_cast_of_another() {
    let mut db = shop();
    let text = "SELECT id, CAST(id AS text) AS t, CAST(total AS bigint) AS b, total, count(*) AS n FROM orders GROUP BY 1, 2, 3, 4";
    run(&mut db, &format!("CREATE MATERIALIZED VIEW v (a, b, c, d, e) AS {text}"));
    run(&mut db, "INSERT INTO orders VALUES (1, 7, 12.50, NULL), (1, 8, 12.50, NULL), (2, 8, NULL, NULL)");
    assert_eq!(answer(&mut db, text), ["1|1|13|12.50|2", "2|2|NULL|NULL|1"], "rounded, as in PostgreSQL");
    assert_eq!(answer(&mut db, "SELECT * FROM v"), answer(&mut db, text));
}

#[test]
fn a_function_keeps_the_scale_of_its_constants() {
    let mut db = shop();
    run(&mut db, "INSERT INTO orders VALUES (1, 7, 12.50, NULL), (2, 7, 1.25, NULL)");
    let text = "SELECT round(total, 1) AS r, round(total, 1) + total AS s, round(total) || 'x' AS t FROM orders";
    run(&mut db, &format!("CREATE MATERIALIZED VIEW v AS {text}"));
    let rows = answer(&mut db, text);
    assert_eq!(rows, ["1.3|2.55|1x", "12.5|25.00|13x"]);
    assert_eq!(answer(&mut db, "SELECT * FROM v"), rows);
    assert_eq!(answer(&mut db, "SELECT r FROM v WHERE r > 2"), ["12.5"]);
    assert_eq!(answer(&mut db, "SHOW COLUMNS FROM v")[0], "r|t|numeric");
    assert_eq!(answer(&mut db, "SELECT id FROM orders WHERE total = round(total, 1)"), ["1"]);
    let grouped = "SELECT round(total, -1) AS t, sum(round(total, 1)) FROM orders GROUP BY round(total, -1) ORDER BY 1";
    assert_eq!(answer(&mut db, grouped), ["0|1.3", "10|12.5"]);
}

#[test]
fn columns_of_one_object_have_names_of_their_own() {
    let mut db = shop();
    let select = "SELECT a.id, b.id FROM orders a JOIN orders b ON a.id = b.customer";
    for text in [
        format!("CREATE MATERIALIZED VIEW v AS {select}"),
        format!("CREATE VIEW v AS {select}"),
        "CREATE TABLE v (id int, note text, id int)".into(),
    ] {
        fails(&mut db, &text, "42701", "column \"id\" specified more than once");
    }
    run(&mut db, &format!("CREATE MATERIALIZED VIEW v (a, b) AS {select}"));
    assert_eq!(answer(&mut db, "SELECT a, b FROM v"), Vec::<String>::new());
}

#[test]
fn a_condition_above_an_outer_join_is_kept() {
    let mut db = shop();
    run(&mut db, "CREATE TABLE notes (id bigint)");
    run(&mut db, "INSERT INTO notes VALUES (0)");
    run(&mut db, "INSERT INTO orders VALUES (0, 0, 1, 'a')");
    let text = "SELECT n.id FROM notes n RIGHT JOIN orders o ON n.id = o.customer AND o.id <> 0 WHERE n.id = n.id";
    run(&mut db, &format!("CREATE MATERIALIZED VIEW v AS {text}"));
    assert_eq!(answer(&mut db, text), Vec::<String>::new());
    assert_eq!(answer(&mut db, "SELECT * FROM v"), Vec::<String>::new());
}

#[test]
fn an_aggregate_of_a_case_is_answered() {
    let mut db = Database::new();
    run(&mut db, "CREATE TABLE users (id bigint NOT NULL, name text, active boolean, rank smallint)");
    run(&mut db, "INSERT INTO users VALUES (0, 'a', false, 0), (1, NULL, NULL, NULL), (1, 'b', true, 1)");
    let text = "SELECT id, bool_and(CASE WHEN NOT (active IS TRUE) THEN true ELSE active END)
           FILTER (WHERE concat(name, name, 'z') <> CASE WHEN id BETWEEN id AND 1 AND id = rank
             THEN trim(name || ' ') ELSE (1.25 || '-' || name) END) AS b FROM users GROUP BY id";
    run(&mut db, &format!("CREATE MATERIALIZED VIEW v AS {text}"));
    let rows = answer(&mut db, text);
    assert_eq!(rows, ["0|t", "1|t"]);
    assert_eq!(answer(&mut db, "SELECT * FROM v"), rows);
}
