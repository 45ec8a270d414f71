//! Every system relation of PostgreSQL is here, with its columns; nothing else is in its schemas.

use std::collections::BTreeMap;

use tidewater_catalog::{OLDER, column_type, relation, relations};
use tidewater_types::ColumnType;

use crate::ask::{answer, ours};
use crate::sample::judge;

/// Names and types of columns, as the shapes of this crate are written.
const SHAPES: &str = r#"
select n.nspname, c.relname, a.attname,
  case when t.typtype = 'd' then format_type(t.typbasetype, t.typtypmod) else format_type(t.oid, null) end, a.attnotnull
from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on c.oid = attrelid join pg_type t on t.oid = atttypid
where nspname in ('pg_catalog', 'information_schema') and relkind in ('r', 'v') and attnum > 0 order by 1, 2, a.attnum"#;

/// Columns: name, type, whether it is never NULL.
type Shape = Vec<(String, ColumnType, bool)>;

#[test]
fn shapes_are_postgresqls() {
    let theirs = judge().ask(SHAPES).expect("the judge's shapes");
    let mut expected: BTreeMap<(String, String), Shape> = BTreeMap::new();
    for row in theirs.rows {
        let text = |i: usize| row[i].clone().expect("no NULL");
        let columns = expected.entry((text(0), text(1))).or_default();
        columns.push((text(2), column_type(&text(3)), text(4) == "t"));
    }
    assert!(expected.len() > 200);
    let mut wrong = Vec::new();
    for ((schema, name), mut columns) in expected.clone() {
        let Some(ours) = relation(Some(&schema), &name) else {
            wrong.push(format!("{schema}.{name} is missing"));
            continue;
        };
        let own: Vec<_> =
            ours.columns.iter().map(|column| (column.name.clone(), column.ty.clone(), column.not_null)).collect();
        if let Some((_, older)) = OLDER.iter().find(|(of, _)| *of == name && schema == "pg_catalog") {
            let count = older.split(", ").count();
            columns.extend_from_slice(&own[own.len() - count..]);
        }
        if own != columns {
            wrong.push(format!("{schema}.{name}\n  ours:   {own:?}\n  theirs: {columns:?}"));
        }
    }
    let known = |schema: &str, name: &str| expected.contains_key(&(schema.to_owned(), name.to_owned()));
    for ours in relations().filter(|ours| !ours.schema.starts_with("mz_") && !known(&ours.schema, &ours.name)) {
        wrong.push(format!("{}.{} is not PostgreSQL's", ours.schema, ours.name));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_relation_is_read() {
    let mut read = 0;
    for relation in relations() {
        match ours(&format!("select * from {}.{}", relation.schema, relation.name)) {
            Ok(_) => read += 1,
            Err(error) => {
                assert_eq!(error.sqlstate, *b"0A000", "{error:?}");
                assert_eq!(error.message, format!("reading {}.{} is not supported", relation.schema, relation.name));
            }
        }
    }
    assert!(read > 200, "{read}");
}

#[test]
fn relations_and_columns_tell_of_themselves() {
    let count = relations().count().to_string();
    let query = "select count(*) from pg_class c join pg_namespace n on n.oid = relnamespace
        where nspname in ('pg_catalog', 'information_schema', 'mz_catalog', 'mz_internal')";
    assert_eq!(answer(query), [count]);
    assert_eq!(answer("select count(distinct oid) = count(*) from pg_class"), ["t"]);
    assert_eq!(answer("select count(*) from pg_attribute where attrelid = 'pg_catalog.pg_class'::regclass"), ["34"]);
    let orphans = "select count(*) from pg_attribute a left join pg_type t on t.oid = a.atttypid where t.oid is null";
    assert_eq!(answer(orphans), ["0"]);
    let orphans = "select proname from pg_proc p where not exists (select 1 from pg_type t where t.oid = p.prorettype)
        or exists (select 1 from unnest(p.proargtypes) a(oid) where a.oid not in (select oid from pg_type))";
    assert_eq!(answer(orphans), [""; 0]);
    assert_eq!(answer("select typname from pg_type where typinput = 0 and typname !~ 'uint|list|map'"), [""; 0]);
}

/// Types are PostgreSQL's, but for the numbers of functions.
#[test]
fn types_are_postgresqls() {
    let query =
        "select oid, typname, typlen, typbyval, typtype, typcategory, typispreferred, typdelim, typelem, typarray,
        typinput::text, typoutput::text, typreceive::text, typsend::text, typalign, typstorage, typcollation
        from pg_type where oid < 10000 order by oid";
    let ours = ours(query).expect("types");
    let theirs = judge().ask(query).expect("types");
    let theirs: BTreeMap<_, _> = theirs.rows.into_iter().map(|row| (row[0].clone(), row)).collect();
    assert!(ours.rows.len() > 100);
    for row in ours.rows {
        assert_eq!(Some(&row), theirs.get(&row[0]));
    }
    let ranges = "select rngtypid::regtype::text, rngsubtype::regtype::text, rngmultitypid::regtype::text from pg_range order by 1";
    assert_eq!(answer(ranges), crate::ask::lines(&judge().ask(ranges).expect("ranges")));
}
