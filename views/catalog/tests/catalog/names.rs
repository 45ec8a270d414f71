//! Names of oids and oids of names: regclass and its like, visibility, definitions.

use crate::ask::{answer, difference, ours};
use crate::sample::judge;

const QUERIES: &str = r#"
select 'orders'::regclass
select 'public.orders'::regclass
select 'other."Mixed Case"'::regclass
select '"Mixed Case"'::regclass
select 'Orders'::regclass
select '"Orders"'::regclass
select 'postgres.public.orders'::regclass
select 'elsewhere.public.orders'::regclass
select 'a.b.c.d'::regclass
select 'nowhere.orders'::regclass
select 'pg_class'::regclass, 'pg_class'::regclass::oid
select 'pg_catalog.pg_class'::regclass
select 'information_schema.tables'::regclass
select 'orders_pkey'::regclass
select to_regclass('nothing'), to_regclass('orders'), to_regclass('other."Mixed Case"')
select to_regclass('12')
select 1259::regclass, 0::regclass, 99999999::regclass
select 'int4'::regtype, 'integer'::regtype::oid, 'timestamp with time zone'::regtype, 'numeric(10,2)'::regtype, 'text[]'::regtype
select 'nothing'::regtype
select to_regtype('nothing'), to_regtype('_int8'), to_regtype('pg_catalog.int4')
select 1042::regtype, 1043::regtype, 18::regtype, 2276::regtype, 2283::regtype
select 'array_in'::regproc, 'pg_catalog.array_in'::regproc::oid, 'now'::regproc
select 'lower'::regproc
select 'nothing'::regproc
select 'nothing(integer)'::regprocedure
select 'length(text)'::regprocedure
select 'substr(text, integer, integer)'::regprocedure
select 'pg_catalog'::regnamespace, 'public'::regnamespace, 'other'::regnamespace, 'pg_catalog'::regnamespace::oid
select 'nothing'::regnamespace
select 11::regnamespace, 2200::regnamespace
select '%%%'::regoper
select '+'::regoper
select '+(integer,integer)'::regoperator, '-(none,integer)'::regoperator, '||/'::regoper
select '+(text,text)'::regoperator
select 'judge'::regrole, 10::regrole
select 'nobody'::regrole
select '"C"'::regcollation, 100::regcollation
select pg_table_is_visible('orders'::regclass), pg_table_is_visible('other."Mixed Case"'::regclass), pg_table_is_visible(1), pg_table_is_visible('pg_class'::regclass), pg_table_is_visible('information_schema.tables'::regclass)
select pg_type_is_visible(25), pg_type_is_visible(1)
select pg_get_userbyid(10), pg_get_userbyid(12345)
select pg_get_constraintdef(oid) from pg_constraint where conrelid = 'orders'::regclass and contype <> 'c' order by conname
select conname, contype, conkey, pg_get_constraintdef(oid, true) from pg_constraint where conrelid = 'orders'::regclass order by conname
select pg_get_indexdef('orders_pkey'::regclass), pg_get_indexdef('order_summary_by_id'::regclass)
select pg_get_indexdef('order_summary_by_id'::regclass, 1, true), pg_get_indexdef('order_summary_by_id'::regclass, 2, false), pg_get_indexdef('order_summary_by_id'::regclass, 3, false)
select pg_get_indexdef('orders'::regclass)
select pg_get_viewdef('big'::regclass), pg_get_viewdef('order_summary'), pg_get_viewdef('big')
select pg_get_viewdef('nothing')
select pg_get_expr(adbin, adrelid), adnum from pg_attrdef where adrelid = 'orders'::regclass
select has_table_privilege('orders', 'SELECT'), has_table_privilege('judge', 'orders', 'insert, update'), has_table_privilege('orders'::regclass, 'select')
select has_table_privilege('nothing', 'SELECT')
select has_table_privilege('orders', 'EAT')
select has_table_privilege('nobody', 'orders', 'SELECT')
select has_table_privilege(1, 'SELECT')
select has_schema_privilege('public', 'USAGE'), has_schema_privilege('other', 'create')
select has_schema_privilege('nothing', 'USAGE')
select has_column_privilege('orders', 'id', 'SELECT'), has_column_privilege('orders', 1::int2, 'SELECT')
select has_column_privilege('orders', 'nothing', 'SELECT')
select has_database_privilege('postgres', 'CONNECT'), pg_has_role('judge', 'USAGE'), has_any_column_privilege('orders', 'SELECT')
select pg_relation_is_updatable('orders'::regclass, false), pg_relation_is_updatable('order_summary'::regclass, true)
select current_schemas(true), current_schema()
select pg_get_function_arguments('substr(text,integer,integer)'::regprocedure), pg_get_function_result('substr(text,integer,integer)'::regprocedure)
select pg_get_function_result('generate_series(int4,int4)'::regprocedure), pg_get_function_identity_arguments('concat_ws(text,"any")'::regprocedure)
select (information_schema._pg_expandarray(array['a','b'])).n
select x, n from information_schema._pg_expandarray(array['a','b'])
select count(*) from pg_get_keywords()
select word from pg_get_keywords() where catcode = 'R' order by 1
select option_name, option_value from pg_options_to_table(array['a=1','b'])
select * from aclexplode(null)
select attname, attnum, attnotnull, atthasdef, atttypmod, attlen, attbyval, attalign, attstorage, attcollation, attndims from pg_attribute where attrelid = 'orders'::regclass and attnum > 0 order by attnum
select relname, relkind, relhasindex, relnatts, relchecks, relpersistence, relreplident, relispopulated, relhasrules, relam from pg_class where relnamespace in ('public'::regnamespace, 'other'::regnamespace) order by 1
select i.indexrelid::regclass, i.indrelid::regclass, indnatts, indnkeyatts, indisunique, indisprimary, indimmediate, indisvalid, indkey, indcollation, indoption from pg_index i join pg_class c on c.oid = i.indexrelid where c.relnamespace = 'public'::regnamespace order by 1::text
select schemaname, tablename, tableowner, hasindexes from pg_tables where schemaname in ('public', 'other') order by 1, 2
select schemaname, viewname, viewowner, definition from pg_views where schemaname = 'public'
select schemaname, matviewname, hasindexes, ispopulated, definition from pg_matviews
select schemaname, tablename, indexname, tablespace, indexdef from pg_indexes where schemaname = 'public' order by 3
select * from information_schema.table_constraints where table_schema = 'public' and constraint_name not like '%not_null' order by constraint_name
select * from information_schema.key_column_usage where table_schema = 'public' order by constraint_name
select * from information_schema.constraint_column_usage where table_schema = 'public' order by constraint_name
select constraint_name from information_schema.check_constraints where constraint_schema = 'public' and constraint_name not like '%not_null'
select check_clause from information_schema.check_constraints where constraint_schema = 'public' and constraint_name like '%not_null' order by 1
select column_name, ordinal_position, column_default, is_nullable, data_type, character_maximum_length, character_octet_length, numeric_precision, numeric_precision_radix, numeric_scale, datetime_precision, udt_catalog, udt_schema, udt_name, dtd_identifier, is_self_referencing, is_identity, identity_cycle, is_generated, is_updatable from information_schema.columns where table_name in ('orders', 'payments') and table_name = 'orders' order by 2
select column_name, data_type, numeric_precision, numeric_precision_radix, datetime_precision, udt_name from information_schema.columns where table_name = 'payments' order by ordinal_position
select table_catalog, table_schema, table_name, table_type, is_insertable_into, is_typed from information_schema.tables where table_name in ('orders', 'Mixed Case') order by 3
select * from information_schema.information_schema_catalog_name
select catalog_name, schema_name, schema_owner from information_schema.schemata where schema_name in ('other', 'pg_catalog') order by 2
select rolname, rolsuper, rolcanlogin, rolconnlimit, rolpassword from pg_roles where rolname !~ '^pg_'
select amname, amtype from pg_am where amname in ('heap', 'btree')
select collname, collprovider, collcollate from pg_collation where oid in (100, 950, 951)
"#;

#[test]
fn names_and_definitions_are_postgresqls() {
    let mut judge = judge();
    let queries: Vec<&str> = QUERIES.lines().filter(|line| !line.is_empty()).collect();
    let wrong: Vec<String> = queries.iter().filter_map(|query| difference(&mut judge, query, "orders")).collect();
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), queries.len(), wrong.join("\n"));
}

#[test]
fn a_function_of_several_kinds_has_no_single_name() {
    let error = ours("select 'abs'::regproc").expect_err("there are several");
    assert_eq!((error.sqlstate, error.message.as_str()), (*b"42725", "more than one function named \"abs\""));
}

#[test]
fn materializes_relations_are_found_by_their_names_alone() {
    assert_eq!(answer("select 'mz_tables'::regclass"), ["mz_catalog.mz_tables"]);
    assert_eq!(answer("select name from mz_materialized_views"), ["order_summary"]);
}
