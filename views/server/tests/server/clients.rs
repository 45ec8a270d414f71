//! What libraries ask of the catalog by themselves, in their own words.

use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::types::Type;

use crate::{RUNTIME, connect, server};

/// SQLAlchemy 2.1: the columns of a relation.
const SQLALCHEMY_COLUMNS: &str = r#"
SELECT pg_catalog.pg_attribute.attname AS name, pg_catalog.format_type(pg_catalog.pg_attribute.atttypid, pg_catalog.pg_attribute.atttypmod) AS format_type, CASE WHEN pg_catalog.pg_attribute.atthasdef THEN (SELECT pg_catalog.pg_get_expr(pg_catalog.pg_attrdef.adbin, pg_catalog.pg_attrdef.adrelid) AS pg_get_expr_1
FROM pg_catalog.pg_attrdef
WHERE pg_catalog.pg_attribute.atthasdef AND pg_catalog.pg_attrdef.adrelid = pg_catalog.pg_attribute.attrelid AND pg_catalog.pg_attrdef.adnum = pg_catalog.pg_attribute.attnum) ELSE NULL END AS "default", pg_catalog.pg_attribute.attnotnull AS not_null, NULL AS generated, NULL AS identity_options, CASE WHEN (pg_catalog.pg_attribute.attcollation != 0 AND (SELECT pg_catalog.pg_type.typcollation
FROM pg_catalog.pg_type
WHERE pg_catalog.pg_type.oid = pg_catalog.pg_attribute.atttypid) != pg_catalog.pg_attribute.attcollation) THEN (SELECT json_build_object('name', pg_catalog.pg_collation.collname, 'schema', CASE WHEN pg_catalog.pg_collation_is_visible(pg_catalog.pg_collation.oid) THEN NULL ELSE pg_catalog.pg_namespace.nspname END) AS json_build_object_1
FROM pg_catalog.pg_collation JOIN pg_catalog.pg_namespace ON pg_catalog.pg_namespace.oid = pg_catalog.pg_collation.collnamespace
WHERE pg_catalog.pg_collation.oid = pg_catalog.pg_attribute.attcollation) ELSE NULL END AS collation
FROM pg_catalog.pg_class LEFT OUTER JOIN pg_catalog.pg_attribute ON pg_catalog.pg_class.oid = pg_catalog.pg_attribute.attrelid AND pg_catalog.pg_attribute.attnum > 0 AND NOT pg_catalog.pg_attribute.attisdropped LEFT OUTER JOIN pg_catalog.pg_description ON pg_catalog.pg_description.objoid = pg_catalog.pg_attribute.attrelid AND pg_catalog.pg_description.objsubid = pg_catalog.pg_attribute.attnum JOIN pg_catalog.pg_namespace ON pg_catalog.pg_namespace.oid = pg_catalog.pg_class.relnamespace
WHERE pg_catalog.pg_class.relkind = ANY (ARRAY['r', 'p', 'f', 'v', 'm']) AND pg_catalog.pg_table_is_visible(pg_catalog.pg_class.oid) AND pg_catalog.pg_class.relname IN ('m') ORDER BY pg_catalog.pg_class.relname, pg_catalog.pg_attribute.attnum"#;

/// SQLAlchemy 2.1: the columns of indexes.
const SQLALCHEMY_INDEXES: &str = "
SELECT idx_attr.indexrelid AS indexrelid, array_agg(idx_attr.element ORDER BY idx_attr.ord) AS elements, array_agg(idx_attr.is_expr ORDER BY idx_attr.ord) AS elements_is_expr
FROM (SELECT idx.indexrelid AS indexrelid, idx.indrelid AS indrelid, idx.ord AS ord, CASE WHEN (idx.attnum = 0) THEN pg_catalog.pg_get_indexdef(idx.indexrelid, idx.ord + 1, true) ELSE CAST(pg_catalog.pg_attribute.attname AS TEXT) END AS element, idx.attnum = 0 AS is_expr, CAST(idx.att_opclass AS BIGINT) AS att_opclass
FROM (SELECT pg_catalog.pg_index.indexrelid AS indexrelid, pg_catalog.pg_index.indrelid AS indrelid, unnest(pg_catalog.pg_index.indkey) AS attnum, unnest(pg_catalog.pg_index.indclass) AS att_opclass, generate_subscripts(pg_catalog.pg_index.indkey, 1) AS ord
FROM pg_catalog.pg_index
WHERE NOT pg_catalog.pg_index.indisprimary) AS idx LEFT OUTER JOIN pg_catalog.pg_attribute ON pg_catalog.pg_attribute.attnum = idx.attnum AND pg_catalog.pg_attribute.attrelid = idx.indrelid) AS idx_attr GROUP BY idx_attr.indexrelid";

/// asyncpg's question about types, whose numbers are a parameter.
fn asyncpg_types() -> String {
    let all = include_str!("../../../catalog/tests/catalog/drivers.sql");
    let (_, behind) = all.split_once("##### asyncpg types\n").expect("the question");
    behind.split("#####").next().unwrap_or_default().replace("'{1009,3906}'::oid[]", "$1::oid[]")
}

#[test]
fn libraries_find_what_there_is() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        client
            .batch_execute(
                "CREATE TABLE t (id bigint NOT NULL, n numeric(10,2), s text);
                 CREATE MATERIALIZED VIEW m AS SELECT id, n, s FROM t; CREATE INDEX i ON m (s, id)",
            )
            .await
            .expect("objects");
        let rows = async |text: &str| {
            let answer = client.simple_query(text).await.unwrap_or_else(|error| panic!("{text}: {error:?}"));
            let shown = |message: SimpleQueryMessage| match message {
                SimpleQueryMessage::Row(row) => {
                    Some((0..row.len()).map(|at| row.get(at).unwrap_or("").to_owned()).collect::<Vec<_>>().join("|"))
                }
                _ => None,
            };
            answer.into_iter().filter_map(shown).collect::<Vec<_>>()
        };
        assert_eq!(rows(SQLALCHEMY_COLUMNS).await, ["id|bigint||t|||", "n|numeric(10,2)||f|||", "s|text||f|||"]);
        let indexes = rows(SQLALCHEMY_INDEXES).await;
        assert!(indexes.len() == 1 && indexes[0].ends_with("|{s,id}|{f,f}"), "{indexes:?}");
        let schemas =
            "SELECT nspname FROM pg_catalog.pg_namespace WHERE (nspname NOT LIKE 'pg/_' || '%' ESCAPE '/') ORDER BY 1";
        assert_eq!(rows(schemas).await, ["information_schema", "mz_catalog", "mz_internal", "public", "tidewater"]);
        // asyncpg's pool, when a connection comes back.
        rows("SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL").await;
        let types = client.prepare(&asyncpg_types()).await.expect("it prepares");
        assert_eq!(types.params(), [Type::OID_ARRAY]);
        let found = client.query(&types, &[&vec![1009_u32]]).await.expect("types");
        let found: Vec<_> = found.iter().map(|row| (row.get::<_, u32>("oid"), row.get::<_, String>("name"))).collect();
        assert_eq!(found, [(25, "text".to_owned()), (1009, "_text".to_owned())]);
        running.stop().await;
    });
}

#[test]
fn errors_of_constraints_name_them_in_fields_of_their_own() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        client
            .batch_execute(
                "CREATE SCHEMA s; CREATE TABLE s.t (a int CONSTRAINT one UNIQUE, b int NOT NULL, CONSTRAINT above CHECK (b > 0));
                 INSERT INTO s.t VALUES (1, 1)",
            )
            .await
            .expect("a table");
        for (text, constraint, column) in [
            ("INSERT INTO s.t VALUES (1, 2)", Some("one"), None),
            ("BEGIN; INSERT INTO s.t VALUES (2, 2); INSERT INTO s.t VALUES (2, 2)", Some("one"), None),
            ("ROLLBACK; UPDATE s.t SET b = 0", Some("above"), None),
            ("INSERT INTO s.t VALUES (3, NULL)", None, Some("b")),
        ] {
            let error = client.batch_execute(text).await.expect_err(text);
            let error = error.as_db_error().expect("of the server");
            let named = (error.schema(), error.table(), error.constraint(), error.column());
            assert_eq!(named, (Some("s"), Some("t"), constraint, column), "{text}");
        }
        running.stop().await;
    });
}

/// pgjdbc's getIndexInfo and getImportedKeys, and a call with a result (`{? = call abs(?)}`), whose place has no type.
#[test]
fn what_jdbc_asks_of_an_older_server_is_there() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        let row = client.query_one("SELECT amcanorder FROM pg_am WHERE amname = 'btree'", &[]).await.expect("a row");
        assert!(row.get::<_, bool>(0));
        let keys = "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'max_index_keys'";
        assert_eq!(client.query_one(keys, &[]).await.expect("a row").get::<_, &str>(0), "32");
        for (shown, name) in [("timezone", "TimeZone"), ("DATESTYLE", "DateStyle"), ("Search_Path", "search_path")] {
            let statement = client.prepare(&format!("SHOW {shown}")).await.expect("it prepares");
            assert_eq!(statement.columns()[0].name(), name);
        }
        let call = client.prepare_typed("SELECT * FROM abs($1, $2) AS result", &[Type::VOID, Type::INT4]).await;
        assert_eq!(call.expect("it prepares").columns()[0].type_(), &Type::INT4);
        running.stop().await;
    });
}
