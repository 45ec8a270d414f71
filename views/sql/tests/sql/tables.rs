//! Keys, checks and defaults of tables; schemas.

use tidewater_sql::Database;

use super::answer;
use super::statements::{fails, run};

#[test]
fn a_key_is_unique_and_never_null() {
    let mut db = Database::new();
    run(&mut db, "CREATE TABLE t (id int PRIMARY KEY, code text UNIQUE, n numeric, UNIQUE (n, code))");
    run(&mut db, "INSERT INTO t VALUES (1, 'a', 1.0), (2, NULL, NULL), (3, NULL, 2)");
    fails(&mut db, "INSERT INTO t VALUES (4, 'x', 1), (1, 'b', 2)", "23505", "\"t_pkey\"");
    fails(&mut db, "INSERT INTO t VALUES (4, 'a', 9)", "23505", "\"t_code_key\"");
    fails(&mut db, "INSERT INTO t VALUES (NULL, 'c', 9)", "23502", "null value in column \"id\"");
    fails(&mut db, "UPDATE t SET id = 2 WHERE id = 1", "23505", "\"t_pkey\"");
    assert_eq!(answer(&mut db, "SELECT * FROM t"), ["1|a|1.0", "2|NULL|NULL", "3|NULL|2"], "nothing was half done");
    assert_eq!(run(&mut db, "UPDATE t SET id = 4 - id"), "UPDATE 3", "keys may be swapped in one statement");
    assert_eq!(answer(&mut db, "SELECT id, n FROM t"), ["1|2", "2|NULL", "3|1.0"]);
    run(&mut db, "DELETE FROM t WHERE id = 3");
    run(&mut db, "INSERT INTO t VALUES (3, 'a', 1.00)");
    assert_eq!(answer(&mut db, "SELECT code FROM t WHERE id = 3"), ["a"]);
    assert_eq!(answer(&mut db, "EXPLAIN SELECT code FROM t WHERE id = 3"), ["Lookup in t through an index"]);
}

#[test]
fn equal_keys_that_print_differently_are_one() {
    let mut db = Database::new();
    run(&mut db, "CREATE TABLE t (n numeric PRIMARY KEY, f float8 UNIQUE)");
    run(&mut db, "INSERT INTO t VALUES (1.0, 0)");
    fails(&mut db, "INSERT INTO t VALUES (1.00, 5)", "23505", "\"t_pkey\"");
    fails(&mut db, "INSERT INTO t VALUES (2, -0.0::float8)", "23505", "\"t_f_key\"");
}

#[test]
fn checks_and_defaults() {
    let mut db = Database::new();
    run(
        &mut db,
        "CREATE TABLE t (a int DEFAULT 1 + 1 CHECK (a > 0), b text NOT NULL DEFAULT 'x', c varchar(3),
           CONSTRAINT small CHECK (a < 10 OR b = 'big'))",
    );
    run(&mut db, "INSERT INTO t DEFAULT VALUES");
    run(&mut db, "INSERT INTO t (c) VALUES ('abc'); INSERT INTO t VALUES (DEFAULT, 'y'), (3, DEFAULT)");
    assert_eq!(answer(&mut db, "SELECT * FROM t"), ["2|x|NULL", "2|x|abc", "2|y|NULL", "3|x|NULL"]);
    fails(&mut db, "INSERT INTO t VALUES (0)", "23514", "\"t_a_check\"");
    fails(&mut db, "UPDATE t SET a = 10", "23514", "\"small\"");
    fails(&mut db, "UPDATE t SET b = NULL", "23502", "\"b\"");
    fails(&mut db, "INSERT INTO t (c) VALUES ('abcd')", "22001", "value too long");
    assert_eq!(run(&mut db, "UPDATE t SET a = 10, b = 'big' WHERE a = 3"), "UPDATE 1");
    assert_eq!(run(&mut db, "UPDATE t SET a = DEFAULT, b = DEFAULT WHERE a = 10"), "UPDATE 1");
    run(&mut db, "INSERT INTO t (a) VALUES (NULL)");
    assert_eq!(answer(&mut db, "SELECT count(*), count(a) FROM t"), ["5|4"], "NULL is no refusal");
    fails(&mut db, "CREATE TABLE u (a int REFERENCES t)", "0A000", "REFERENCES");
    fails(&mut db, "CREATE TABLE u (a int DEFAULT 'x')", "22P02", "invalid input syntax");
    fails(&mut db, "CREATE TABLE u (a int PRIMARY KEY, b int PRIMARY KEY)", "42P16", "multiple primary keys");
}

#[test]
fn a_view_follows_a_table_with_a_key() {
    let mut db = Database::new();
    run(&mut db, "CREATE TABLE t (id int PRIMARY KEY, n int)");
    run(&mut db, "CREATE MATERIALIZED VIEW v AS SELECT sum(n) AS s, count(*) AS c FROM t");
    run(&mut db, "INSERT INTO t VALUES (1, 5), (2, 7); UPDATE t SET n = n + 1; DELETE FROM t WHERE id = 1");
    assert_eq!(answer(&mut db, "SELECT * FROM v"), ["8|1"]);
}

#[test]
fn schemas_hold_objects_of_their_own() {
    let mut db = Database::new();
    run(&mut db, "CREATE TABLE x (a int); INSERT INTO x VALUES (1)");
    fails(&mut db, "CREATE TABLE dbt_test.x (a int)", "3F000", "\"dbt_test\"");
    run(&mut db, "CREATE SCHEMA dbt_test; CREATE SCHEMA IF NOT EXISTS dbt_test");
    fails(&mut db, "CREATE SCHEMA dbt_test", "42P06", "\"dbt_test\"");
    run(&mut db, "CREATE TABLE dbt_test.x (a int); INSERT INTO dbt_test.x VALUES (2), (3)");
    run(&mut db, "CREATE MATERIALIZED VIEW dbt_test.v AS SELECT sum(a) AS s FROM dbt_test.x");
    assert_eq!(answer(&mut db, "SELECT a FROM x"), ["1"]);
    assert_eq!(answer(&mut db, "SELECT x.a, s FROM dbt_test.x, dbt_test.v"), ["2|5", "3|5"]);
    fails(&mut db, "DROP TABLE nowhere.x", "3F000", "\"nowhere\"");
    run(&mut db, "DROP TABLE dbt_test.x CASCADE");
    assert_eq!(answer(&mut db, "SELECT a FROM public.x"), ["1"], "the other one stays");
    run(&mut db, "CREATE VIEW dbt_test.w AS SELECT 1 AS one");
    fails(&mut db, "DROP SCHEMA dbt_test", "2BP01", "\"dbt_test\"");
    run(&mut db, "DROP SCHEMA dbt_test CASCADE");
    fails(&mut db, "SELECT * FROM dbt_test.w", "42P01", "dbt_test.w");
    fails(&mut db, "DROP SCHEMA dbt_test", "3F000", "\"dbt_test\"");
}
