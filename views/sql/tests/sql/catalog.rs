//! What clients ask about the server itself: psql's commands, drivers, ORMs and dashboards.
//!
//! `psql_queries.sql` holds what psql 15 sends to a server of version 15 for each command, recorded, and
//! `psql_queries_95.sql` what it sends to one that announces 9.5, as ours does; `{oid}` and `{name}` stand for the
//! relation. psql itself runs against the server in the server's tests.

use sql::Database;
use sql::parse::ast::ObjectKind;

use super::{answer, try_answer};

const RECORDED: &str = include_str!("psql_queries.sql");
const RECORDED_95: &str = include_str!("psql_queries_95.sql");

/// A table, a view, a materialized view and an index.
fn database() -> Database {
    let mut database = Database::new();
    database
        .execute(
            "CREATE TABLE orders (id bigint NOT NULL, total numeric(10,2), placed timestamptz, note text);
             CREATE VIEW big AS SELECT id FROM orders WHERE total > 100;
             CREATE MATERIALIZED VIEW order_summary AS SELECT id, total FROM orders;
             CREATE INDEX order_summary_by_id ON order_summary (id)",
        )
        .expect("objects");
    database
}

fn oid(database: &Database, name: &str) -> u32 {
    database.catalog().into_iter().find(|object| object.name == name).expect("an object").oid
}

/// What psql sends for a command about a relation.
fn recorded(recording: &str, database: &Database, command: &str, name: &str) -> Vec<String> {
    let section = recording.split("##### ").find_map(|section| section.strip_prefix(&format!("{command}\n")));
    let text = section.unwrap_or_else(|| panic!("{command} is recorded"));
    let text = text.replace("{oid}", &oid(database, name).to_string()).replace("{name}", name);
    text.split(";\n").map(str::trim).filter(|query| !query.is_empty()).map(str::to_owned).collect()
}

/// The answers to what psql sends for a command, one list of rows a query.
fn psql(database: &mut Database, command: &str, name: &str) -> Vec<Vec<String>> {
    recorded(RECORDED, database, command, name).iter().map(|query| answer(database, query)).collect()
}

/// The same of a server that announces 9.5.
fn psql_95(database: &mut Database, command: &str, name: &str) -> Vec<Vec<String>> {
    recorded(RECORDED_95, database, command, name).iter().map(|query| answer(database, query)).collect()
}

#[test]
fn every_recorded_query_runs() {
    let db = &mut database();
    let mut failures = Vec::new();
    for recording in [RECORDED, RECORDED_95] {
        let commands: Vec<_> = recording.split("##### ").filter_map(|section| section.split_once('\n')).collect();
        assert!(commands.len() > 25, "the recording is read");
        for (command, _) in commands {
            let name = if command.contains("INDEX") { "order_summary_by_id" } else { "order_summary" };
            for query in recorded(recording, db, command, name) {
                failures.extend(try_answer(db, &query).err().map(|error| format!("{command}: {error}\n{query}")));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn psql_lists_relations_of_each_kind() {
    let db = &mut database();
    let summary = "public|order_summary|materialized view|materialize";
    let (orders, big) = ("public|orders|table|materialize", "public|big|view|materialize");
    assert_eq!(psql(db, "\\d", "orders"), [[big, summary, orders]]);
    assert_eq!(psql(db, "\\dt", "orders"), [[orders]]);
    assert_eq!(psql(db, "\\dv", "orders"), [[big]]);
    assert_eq!(psql(db, "\\dm", "orders"), [[summary]]);
    assert_eq!(psql(db, "\\di", "orders"), [["public|order_summary_by_id|index|materialize|order_summary"]]);
    assert_eq!(psql(db, "\\ds", "orders"), [[""; 0]]);
    let privileges = ["public|big|view", "public|order_summary|materialized view", "public|orders|table"];
    assert_eq!(psql(db, "\\dp", "orders"), [privileges.map(|row| format!("{row}|NULL||"))]);
}

#[test]
fn psql_lists_what_is_not_a_relation() {
    let db = &mut database();
    assert_eq!(psql(db, "\\dn", "orders"), [["public|materialize", "tidewater|materialize"]]);
    assert_eq!(psql(db, "\\l", "orders"), [["materialize|materialize|UTF8|C|C|NULL|libc|NULL"]]);
    let role = "materialize|true|true|true|true|true|-1|NULL|[]|true|true";
    assert_eq!(psql(db, "\\du", "orders"), [[role]]);
    for command in ["\\df", "\\dT", "\\dx"] {
        assert_eq!(psql(db, command, "orders"), [[""; 0]], "{command}");
    }
}

#[test]
fn psql_describes_a_table() {
    let db = &mut database();
    let answers = psql(db, "\\d NAME", "orders");
    assert_eq!(answers[0], [format!("{}|public|orders", oid(db, "orders"))]);
    assert_eq!(answers[1], ["0|r|false|false|false|false|false|false|false||0||p|d|NULL"]);
    assert_eq!(
        answers[2],
        [
            "id|bigint|NULL|true|NULL||",
            "note|text|NULL|false|NULL||",
            "placed|timestamp with time zone|NULL|false|NULL||",
            "total|numeric(10,2)|NULL|false|NULL||",
        ]
    );
    // Indexes, policies, statistics, publications, parents, children: there are none.
    assert_eq!(answers[3..], vec![Vec::<String>::new(); 6]);
}

#[test]
fn psql_describes_a_materialized_view_and_its_index() {
    let db = &mut database();
    let answers = psql(db, "\\d NAME", "order_summary");
    assert_eq!(answers[1], ["0|m|true|false|false|false|false|false|false||0||p|d|NULL"]);
    assert_eq!(answers[2], ["id|bigint|NULL|true|NULL||", "total|numeric(10,2)|NULL|false|NULL||"]);
    let definition = "CREATE INDEX order_summary_by_id ON public.order_summary USING btree (id)";
    assert_eq!(
        answers[3],
        [format!("order_summary_by_id|false|false|false|true|{definition}|NULL|NULL|NULL|NULL|false|0")]
    );
}

#[test]
fn psql_describes_an_index() {
    let db = &mut database();
    for answers in [psql(db, "\\d INDEX", "order_summary_by_id"), psql_95(db, "\\d INDEX", "order_summary_by_id")] {
        assert!(answers[1][0].contains("|i|"), "{answers:?}");
        assert!(answers[2][0].starts_with("id|bigint|"), "{answers:?}");
        assert!(answers[2][0].contains("|id"), "{answers:?}");
        assert_eq!(answers[3], ["false|false|false|true|false|false|false|false|btree|order_summary|NULL"]);
    }
}

#[test]
fn psql_describes_to_an_old_server() {
    let db = &mut database();
    let answers = psql_95(db, "\\d NAME", "order_summary");
    assert_eq!(answers[0], [format!("{}|public|order_summary", oid(db, "order_summary"))]);
    assert_eq!(answers[1], ["0|m|true|false|false|false|false|false|false||0||p|d"]);
    assert_eq!(answers[2], ["id|bigint|NULL|true|NULL||", "total|numeric(10,2)|NULL|false|NULL||"]);
    assert!(answers[3][0].starts_with("order_summary_by_id|false|false|false|true|CREATE INDEX"), "{answers:?}");
    assert_eq!(answers[4..], vec![Vec::<String>::new(); 3]);
    let answers = psql_95(db, "\\d+ VIEW", "big");
    assert_eq!(answers[3], ["SELECT id FROM orders WHERE total > 100"]);
    assert_eq!(psql_95(db, "\\dt", "orders"), [["public|orders|table|materialize"]]);
    assert_eq!(psql_95(db, "\\l", "orders"), [["materialize|materialize|UTF8|C|C|NULL|libc|NULL"]]);
    assert_eq!(psql_95(db, "\\du", "orders"), [["materialize|true|true|true|true|true|-1|NULL|[]|true|true"]]);
}

#[test]
fn psql_shows_what_a_view_selects() {
    let db = &mut database();
    for (name, kind, query) in [
        ("big", "v", "SELECT id FROM orders WHERE total > 100"),
        ("order_summary", "m", "SELECT id, total FROM orders"),
    ] {
        let answers = psql(db, "\\d+ NAME", name);
        assert_eq!(answers[2][0], "id|bigint|NULL|true|NULL|||p||NULL|NULL");
        assert_eq!(answers[6], [query], "{name}");
        let answers = psql(db, "\\sv NAME", name);
        assert_eq!(answers[0], [oid(db, name).to_string()]);
        assert_eq!(answers[1], [format!("public|{name}|{kind}|{query}||NULL")]);
    }
}

#[test]
fn a_relation_that_does_not_exist_is_not_described() {
    let db = &mut database();
    let query = recorded(RECORDED, db, "\\d NAME", "orders")[0].replace("orders", "nothing");
    assert_eq!(answer(db, &query), [""; 0]);
    assert_eq!(answer(db, "SELECT to_regclass('nothing')"), ["NULL"]);
    assert_eq!(try_answer(db, "SELECT 'nothing'::regclass").expect_err("no relation").code(), "42P01");
}

#[test]
fn drivers_look_up_types() {
    let db = &mut database();
    let lookup = |oid: u32| {
        format!(
            "SELECT t.typname, t.typtype, t.typelem, r.rngsubtype, t.typbasetype, n.nspname, t.typrelid
             FROM pg_catalog.pg_type t LEFT OUTER JOIN pg_catalog.pg_range r ON r.rngtypid = t.oid
             INNER JOIN pg_catalog.pg_namespace n ON t.typnamespace = n.oid WHERE t.oid = {oid}"
        )
    };
    assert_eq!(answer(db, &lookup(1700)), ["numeric|b|0|NULL|0|pg_catalog|0"]);
    assert_eq!(answer(db, &lookup(1016)), ["_int8|b|20|NULL|0|pg_catalog|0"]);
    let hstore = "SELECT t.typname AS name, t.oid AS oid, t.typarray AS array_oid, t.oid::regtype::text AS regtype,
                  t.typdelim AS delimiter FROM pg_type t WHERE t.oid = to_regtype('hstore') ORDER BY t.oid";
    assert_eq!(answer(db, hstore), [""; 0]);
    let text = hstore.replace("hstore", "text");
    assert_eq!(answer(db, &text), ["text|25|1009|text|,"]);
}

#[test]
fn clients_ask_who_and_where_they_are() {
    let db = &mut database();
    assert!(answer(db, "select pg_catalog.version()")[0].starts_with("PostgreSQL "));
    for (query, expected) in [
        ("select current_schema()", "public"),
        ("select current_database()", "materialize"),
        ("select current_catalog", "materialize"),
        ("select current_user", "materialize"),
        ("select session_user", "materialize"),
        ("select pg_catalog.quote_ident('Order')", "\"Order\""),
        ("select current_setting('search_path')", "public"),
        ("select current_setting('jit')", "off"),
        ("select has_table_privilege('orders', 'SELECT')", "true"),
        ("select has_schema_privilege('public', 'USAGE')", "true"),
        ("select pg_is_in_recovery()", "false"),
        ("select format_type(1700, 655366)", "numeric(10,2)"),
        ("select obj_description(1, 'pg_class')", "NULL"),
        ("select CAST(current_setting('server_version_num') AS INT) / 100 AS version", "905"),
        ("select 'orders'::regclass::text", "orders"),
        ("select 20::regtype::text", "bigint"),
    ] {
        assert_eq!(answer(db, query), [expected], "{query}");
    }
}

#[test]
fn dashboards_list_tables_and_columns() {
    let db = &mut database();
    assert_eq!(
        answer(
            db,
            "select quote_ident(table_name) as \"table\" from information_schema.tables
             where quote_ident(table_schema) not in ('information_schema', 'pg_catalog') order by table_name"
        ),
        ["big", "order_summary", "orders"]
    );
    assert_eq!(
        answer(
            db,
            "SELECT column_name, data_type, is_nullable, udt_name FROM information_schema.columns
             WHERE table_schema = 'public' AND table_name = 'orders' ORDER BY ordinal_position"
        ),
        [
            "id|bigint|NO|int8",
            "note|text|YES|text",
            "placed|timestamp with time zone|YES|timestamptz",
            "total|numeric|YES|numeric",
        ]
    );
    assert_eq!(answer(db, "SELECT setting FROM pg_catalog.pg_settings WHERE name='max_index_keys'"), ["32"]);
    let enums = "SELECT DISTINCT t.typname FROM pg_enum e LEFT JOIN pg_type t ON t.oid = e.enumtypid";
    assert_eq!(answer(db, enums), [""; 0]);
    assert_eq!(answer(db, "SELECT TRUE AS \"_\" FROM \"public\".\"orders\" WHERE 1 <> 1 LIMIT 0"), [""; 0]);
    let databases = "SELECT db.datname FROM pg_catalog.pg_database db WHERE datallowconn AND NOT datistemplate";
    assert_eq!(answer(db, databases), ["materialize"]);
}

#[test]
fn a_subquery_becomes_an_array() {
    let db = &mut database();
    for (query, expected) in [
        ("SELECT ARRAY(SELECT relname FROM pg_class WHERE relkind = 'i')", "[order_summary_by_id]"),
        (
            "SELECT ARRAY(SELECT nspname FROM pg_namespace WHERE nspname LIKE 'p%' ORDER BY 1 DESC)",
            "[public, pg_catalog]",
        ),
        ("SELECT ARRAY(SELECT nspname FROM pg_namespace ORDER BY nspname LIMIT 1)", "[information_schema]"),
        ("SELECT ARRAY(SELECT relname FROM pg_class WHERE relkind = 'x')", "[]"),
    ] {
        assert_eq!(answer(db, query), [expected], "{query}");
    }
    let per_table = "SELECT relname, ARRAY(SELECT attname FROM pg_attribute a WHERE a.attrelid = c.oid ORDER BY attnum)
                     FROM pg_class c WHERE relkind IN ('v', 'm')";
    assert_eq!(answer(db, per_table), ["big|[id]", "order_summary|[id, total]"]);
}

#[test]
fn a_user_table_may_be_named_like_a_system_one() {
    let mut db = database();
    db.execute("CREATE TABLE pg_mine (a bigint); INSERT INTO pg_mine VALUES (7)").expect("a table");
    assert_eq!(answer(&mut db, "SELECT a FROM pg_mine"), ["7"]);
    let kinds = db.catalog().into_iter().filter(|object| object.kind == ObjectKind::Table);
    assert_eq!(kinds.count(), 2);
}
