//! What the catalogs tell of the database's own objects. What clients ask of them is tested where the catalogs are.

use tidewater_sql::Database;
use tidewater_sql::parse::ast::ObjectKind;

use super::statements::fails;
use super::{answer, try_answer};

/// A table, a view, a materialized view and an index.
fn database() -> Database {
    let mut database = Database::new();
    let made = database.execute(
        "CREATE TABLE orders (id bigint PRIMARY KEY, total numeric(10,2) CHECK (total > 0), placed timestamptz, note text DEFAULT 'n');
         CREATE VIEW big AS SELECT id FROM orders WHERE total > 100;
         CREATE MATERIALIZED VIEW order_summary AS SELECT id, total FROM orders;
         CREATE INDEX order_summary_by_id ON order_summary (id);
         CREATE SCHEMA other; CREATE TABLE other.orders (id int); CREATE SECRET s AS 'hush'",
    );
    made.expect("objects");
    database
}

#[test]
fn relations_are_told_with_their_columns_and_keys() {
    let db = &mut database();
    let tables =
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema IN ('public', 'other')";
    assert_eq!(answer(db, tables), ["other|orders", "public|big", "public|order_summary", "public|orders"]);
    let columns = "SELECT column_name, data_type, is_nullable, udt_name, column_default FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name = 'orders'";
    let expected = [
        "id|bigint|NO|int8|NULL",
        "note|text|YES|text|'n'",
        "placed|timestamp with time zone|YES|timestamptz|NULL",
        "total|numeric|YES|numeric|NULL",
    ];
    assert_eq!(answer(db, columns), expected);
    let constraints = "SELECT conname, contype, conkey, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'orders'::regclass";
    let expected = ["orders_pkey|p|{1}|PRIMARY KEY (id)", "orders_total_check|c|{2}|CHECK ((total > 0))"];
    assert_eq!(answer(db, constraints), expected);
    let indexes = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'order_summary'";
    let index = "CREATE INDEX order_summary_by_id ON public.order_summary USING btree (id)";
    assert_eq!(answer(db, indexes), [format!("order_summary_by_id|{index}")]);
    assert_eq!(
        answer(db, "SELECT definition FROM pg_views WHERE viewname = 'big'"),
        ["SELECT id FROM orders WHERE total > 100"]
    );
    fails(db, "SELECT 'nothing'::regclass", "42P01", "nothing");
}

#[test]
fn what_is_made_and_dropped_is_told_at_once() {
    let db = &mut database();
    let names = "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'other'";
    assert_eq!(answer(db, names), ["orders"]);
    db.execute("CREATE VIEW other.v AS SELECT 1 AS one").expect("a view");
    assert_eq!(answer(db, names), ["orders", "v"]);
    db.execute("DROP SCHEMA other CASCADE").expect("a schema");
    assert_eq!(answer(db, names), Vec::<String>::new());
}

#[test]
fn a_user_table_may_be_named_like_a_system_one() {
    let mut db = database();
    db.execute("CREATE TABLE pg_mine (a bigint); INSERT INTO pg_mine VALUES (7)").expect("a table");
    assert_eq!(answer(&mut db, "SELECT a FROM pg_mine"), ["7"]);
    let kinds = db.catalog().into_iter().filter(|object| object.kind == ObjectKind::Table);
    assert_eq!(kinds.count(), 3);
}

#[test]
fn no_relation_shows_a_secret() {
    let db = &mut database();
    db.execute("CREATE CONNECTION k TO KAFKA (BROKER 'kafka:9092', SASL USERNAME = 'u', SASL PASSWORD = SECRET s)")
        .expect("a connection");
    let mut read = 0;
    for relation in tidewater_catalog::relations() {
        let Ok(rows) = try_answer(db, &format!("SELECT * FROM {}.{}", relation.schema, relation.name)) else {
            continue;
        };
        read += rows.len();
        assert!(!rows.iter().any(|row| row.contains("hush")), "{}.{}", relation.schema, relation.name);
    }
    assert!(read > 5000, "{read}");
    assert_eq!(
        answer(db, "SELECT name, type FROM mz_objects WHERE type IN ('secret', 'connection')"),
        ["k|connection", "s|secret"]
    );
    let uses = "SELECT o.name, r.name FROM mz_internal.mz_object_dependencies d JOIN mz_objects o ON o.id = object_id
         JOIN mz_objects r ON r.id = referenced_object_id";
    assert!(answer(db, uses).contains(&"k|s".to_owned()), "{:?}", answer(db, uses));
}
