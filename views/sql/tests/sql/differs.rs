//! Where DataFusion's meaning is not PostgreSQL's: PostgreSQL's answer, or a refusal that names the construct.

use sql::Database;

use crate::answer;
use crate::statements::{fails, run};

#[test]
fn what_would_be_answered_otherwise_is_refused_by_name() {
    let mut db = Database::new();
    run(&mut db, "CREATE TABLE a (x int, y int); CREATE TABLE b (x int, z text)");
    for (query, construct) in [
        ("SELECT x FROM a EXCEPT ALL SELECT x FROM b", "EXCEPT ALL"),
        ("SELECT x FROM a UNION SELECT x FROM (SELECT x FROM a INTERSECT ALL SELECT x FROM b) AS i", "INTERSECT ALL"),
        ("SELECT x FROM a RIGHT JOIN b USING (x)", "USING"),
        ("SELECT x FROM (a NATURAL FULL JOIN b)", "NATURAL"),
        ("SELECT 'abc' SIMILAR TO 'ab%'", "SIMILAR TO"),
        ("SELECT TIMESTAMPTZ '2026-01-01 00:00:00Z' AT TIME ZONE 'Europe/Berlin'", "AT TIME ZONE"),
        ("SELECT to_char(TIMESTAMP '2026-01-01 00:00:00', 'YYYY-MM')", "to_char"),
        ("SELECT to_timestamp('2026', 'YYYY')", "to_timestamp"),
        ("SELECT x FROM a WHERE (x, y) IN ((44, 1), (NULL, 2))", "row"),
        ("SELECT (x, y) < (1, 2) FROM a", "rows"),
        ("SELECT x FROM a WHERE EXISTS (SELECT 1 FROM b LEFT JOIN a AS c ON c.x = b.x WHERE b.x = a.x)", "outer join"),
        ("SELECT x FROM a FOR UPDATE", "FOR UPDATE"),
        ("SELECT x FROM a TABLESAMPLE BERNOULLI (10)", "TABLESAMPLE"),
        ("SELECT repeat('a', 2147483647)", "10000000"),
        ("SELECT INTERVAL '1 month' = INTERVAL '30 days'", "intervals"),
        ("SELECT TIMESTAMP '2026-01-09 00:00:00' - TIMESTAMP '2026-01-01 00:00:00' > INTERVAL '7 days'", "intervals"),
    ] {
        fails(&mut db, query, "0A000", construct);
        fails(&mut db, &format!("CREATE VIEW v AS {query}"), "0A000", construct);
    }
}

#[test]
fn casts_and_dates_mean_what_they_mean_in_postgresql() {
    let mut db = Database::new();
    run(&mut db, "CREATE TABLE t (id int, n numeric(10,2), d double, f float, day date)");
    run(&mut db, "INSERT INTO t VALUES (1, 1.5, 2.5, 1.1, DATE '2026-01-31'), (2, -1.5, -2.5, 1.1, DATE '2026-02-28')");
    run(&mut db, "CREATE MATERIALIZED VIEW v AS SELECT id, n::int AS n, d::bigint AS d FROM t");
    for (query, expected) in [
        ("SELECT 1.5::int, 2.5::int, -1.5::int, 0.4::bigint", &["2|3|-2|0"][..]),
        ("SELECT 2.5::double precision::int, 3.5::double precision::int, -0.5::real::int", &["2|4|0"]),
        ("SELECT id, n, d FROM v", &["1|2|2", "2|-2|-2"]),
        ("SELECT f = 1.1::double precision FROM t", &["true", "true"]),
        ("SELECT (1.1::float) = 1.1::double precision", &["true"]),
        ("SELECT (day + INTERVAL '4 hours')::text LIKE '2026-0%04:00:00' FROM t", &["true", "true"]),
        ("SELECT encode('\\xDEADBEEF'::bytea, 'hex')", &["deadbeef"]),
    ] {
        assert_eq!(answer(&mut db, query), expected, "{query}");
    }
}
