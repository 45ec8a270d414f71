//! The table beside PostgreSQL's own catalogs: what both have has the same result, strictness and volatility; what is missing is
//! counted, and listed in docs/functions.md, which this test writes when asked to (`TIDEWATER_WRITE_DOCS=1`) and else compares.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use tidewater_functions::{Function, Kind, Param, Volatility, all_functions, all_operators};
use tidewater_judge::{Connection, server};
use tidewater_types::Type;

use crate::evaluate::key;
use crate::exceptions::CATALOG_DIFFERENT;

/// What PostgreSQL says of a function.
struct Row {
    key: String,
    name: String,
    result: String,
    strict: bool,
    volatility: char,
    set: bool,
    kind: char,
}

/// Types that Tidewater has, as PostgreSQL names them, with the families.
const TYPES: &str = "bool,int2,int4,int8,float4,float8,numeric,text,varchar,bpchar,name,char,bytea,date,time,timetz,timestamp,timestamptz,
interval,uuid,json,jsonb,jsonpath,oid,regclass,regtype,regproc,regprocedure,regoper,regoperator,regnamespace,regrole,regcollation,int2vector,
oidvector,int4range,int8range,numrange,daterange,tsrange,tstzrange,int4multirange,int8multirange,nummultirange,datemultirange,tsmultirange,
tstzmultirange,anyelement,anyarray,anynonarray,anyrange,anymultirange,anycompatible,anycompatiblearray,anycompatiblenonarray,
anycompatiblerange,anycompatiblemultirange,record,any,void,unknown";

/// Functions that are documented, of types that Tidewater has: not those that implement operators, casts, types, indexes,
/// aggregates' steps, the server's administration.
fn functions(judge: &mut Connection) -> Vec<Row> {
    let types: Vec<String> = TYPES.split(',').map(|name| format!("'{}'", name.trim())).collect();
    let sql = format!(
        "WITH known AS (SELECT oid, typname FROM pg_type WHERE typnamespace = 11 AND (typname IN ({0}) OR ltrim(typname, '_') IN ({0}) AND typname LIKE '\\_%'))
         SELECT p.proname || '(' || array_to_string(ARRAY(SELECT typname FROM unnest(p.proargtypes) WITH ORDINALITY AS a(t, n)
             JOIN pg_type ON pg_type.oid = t ORDER BY n), ',') || ')', p.proname, (SELECT typname FROM pg_type WHERE oid = p.prorettype),
           p.proisstrict, p.provolatile, p.proretset, p.prokind
         FROM pg_proc p WHERE p.pronamespace = 11
           AND p.prorettype IN (SELECT oid FROM known) AND NOT EXISTS (SELECT FROM unnest(p.proargtypes) t WHERE t NOT IN (SELECT oid FROM known))
           AND coalesce(obj_description(p.oid, 'pg_proc'), '') NOT LIKE 'implementation of%'
           AND NOT EXISTS (SELECT FROM pg_amproc WHERE amproc = p.oid)
           AND NOT EXISTS (SELECT FROM pg_aggregate WHERE p.oid IN (aggtransfn, aggfinalfn, aggcombinefn, aggmtransfn, aggminvtransfn, aggmfinalfn))
           AND NOT EXISTS (SELECT FROM pg_cast WHERE castfunc = p.oid)
           AND NOT EXISTS (SELECT FROM pg_type WHERE p.oid IN (typinput, typoutput, typreceive, typsend, typmodin, typmodout))
           AND NOT EXISTS (SELECT FROM pg_operator WHERE p.oid IN (oprcode, oprrest, oprjoin))
           AND NOT EXISTS (SELECT FROM pg_range WHERE p.oid IN (rngcanonical, rngsubdiff))
           AND p.proname !~ '^(pg_|lo_|lo|binary_upgrade|ts_|brin_|gin_|xml|table_to|query_to|cursor_to|schema_to|database_to|has_|txid_|fmgr_|plpgsql_|row_security|hash|satisfies|postgresql_|currtid|amvalidate|inet_)'",
        types.join(",")
    );
    rows(judge, &sql)
}

fn operators(judge: &mut Connection) -> Vec<Row> {
    let types: Vec<String> = TYPES.split(',').map(|name| format!("'{}'", name.trim())).collect();
    let sql = format!(
        "WITH known AS (SELECT oid, typname FROM pg_type WHERE typnamespace = 11 AND (typname IN ({0}) OR ltrim(typname, '_') IN ({0}) AND typname LIKE '\\_%'))
         SELECT o.oprname || '(' || concat_ws(',', (SELECT typname FROM pg_type WHERE oid = oprleft), (SELECT typname FROM pg_type WHERE oid = oprright)) || ')',
           o.oprname, (SELECT typname FROM pg_type WHERE oid = o.oprresult), p.proisstrict, p.provolatile, p.proretset, p.prokind
         FROM pg_operator o JOIN pg_proc p ON p.oid = o.oprcode
         WHERE (o.oprleft = 0 OR o.oprleft IN (SELECT oid FROM known)) AND o.oprright IN (SELECT oid FROM known)",
        types.join(",")
    );
    rows(judge, &sql)
}

fn rows(judge: &mut Connection, sql: &str) -> Vec<Row> {
    let answer = judge.ask(sql).expect("the catalog answers");
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    answer
        .rows
        .iter()
        .map(|row| Row {
            key: text(&row[0]),
            name: text(&row[1]),
            result: text(&row[2]),
            strict: text(&row[3]) == "t",
            volatility: text(&row[4]).chars().next().unwrap_or('i'),
            set: text(&row[5]) == "t",
            kind: text(&row[6]).chars().next().unwrap_or('f'),
        })
        .collect()
}

fn name(param: &Param) -> String {
    match param {
        Param::Of(Type::Record(_)) => "record".to_owned(),
        Param::Of(ty) => ty.internal_name(),
        family => family.to_string(),
    }
}

/// What differs between an entry and PostgreSQL's.
fn difference(function: &Function, row: &Row) -> Option<String> {
    let volatility = match function.volatility {
        Volatility::Immutable => 'i',
        Volatility::Stable => 's',
        Volatility::Volatile => 'v',
    };
    let result = if function.kind == Kind::Set && function.columns.len() == 1 {
        name(&function.columns[0].1)
    } else {
        name(&function.result)
    };
    if result != row.result {
        return Some(format!("{}: gives {result}, there {}", row.key, row.result));
    }
    // Aggregates and window functions are never called strictly there.
    if row.kind == 'f' && function.strict != row.strict {
        return Some(format!("{}: strict {}, there {}", row.key, function.strict, row.strict));
    }
    if volatility != row.volatility {
        return Some(format!("{}: volatility {volatility}, there {}", row.key, row.volatility));
    }
    if (function.kind == Kind::Set) != row.set {
        return Some(format!("{}: a set {}, there {}", row.key, function.kind == Kind::Set, row.set));
    }
    None
}

fn compare(ours: &BTreeMap<String, &'static Function>, theirs: &[Row]) -> (Vec<String>, BTreeSet<String>, usize) {
    let mut different = Vec::new();
    let mut missing = BTreeSet::new();
    let mut found = 0;
    for row in theirs {
        match ours.get(&row.key) {
            None => {
                missing.insert(row.key.clone());
            }
            Some(function) => {
                found += 1;
                let known = CATALOG_DIFFERENT.iter().any(|(key, _)| *key == row.key);
                different.extend(difference(function, row).filter(|_| !known));
            }
        }
    }
    (different, missing, found)
}

#[test]
fn entries_agree_with_the_catalogs() {
    let mut judge = server().connect();
    let (their_functions, their_operators) = (functions(&mut judge), operators(&mut judge));
    // A window function of the name of a hypothetical-set aggregate has other parameters.
    let ours: BTreeMap<String, &'static Function> = all_functions().map(|f| (key(f), f)).collect();
    let (mut different, missing_functions, found) = compare(&ours, &their_functions);
    let ours: BTreeMap<String, &'static Function> = all_operators().map(|f| (key(f), f)).collect();
    let (more, missing_operators, operators_found) = compare(&ours, &their_operators);
    different.extend(more);
    println!(
        "functions: {found} of {}, operators: {operators_found} of {}",
        their_functions.len(),
        their_operators.len()
    );
    println!("missing functions: {missing_functions:?}\nmissing operators: {missing_operators:?}");
    assert!(different.is_empty(), "{} entries differ:\n{}", different.len(), different.join("\n"));
    let names: BTreeSet<String> = their_functions.iter().map(|row| row.name.clone()).collect();
    let operator_names: BTreeSet<String> = their_operators.iter().map(|row| row.name.clone()).collect();
    let text = document(&missing_functions, &missing_operators, &names, &operator_names);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/functions.md");
    if std::env::var_os("TIDEWATER_WRITE_DOCS").is_some() {
        std::fs::write(path, &text).expect("docs/functions.md is written");
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == text, "docs/functions.md is not what the table says: run this test with TIDEWATER_WRITE_DOCS=1");
}

/// docs/functions.md.
fn document(
    missing: &BTreeSet<String>,
    missing_operators: &BTreeSet<String>,
    names: &BTreeSet<String>,
    operator_names: &BTreeSet<String>,
) -> String {
    let mut out = String::from(
        "# Functions and operators\n\n\
         What statements may call; the statements themselves are in \
         [sql.md](sql.md).\n\n\
         Generated from the table of functions by a test (`TIDEWATER_WRITE_DOCS=1 cargo test -p tidewater-functions`). Each entry was \
         compared with PostgreSQL 15: result type, strictness and volatility with its catalogs, and results and SQLSTATEs on values at \
         the edges of the parameters' types.\n\n\
         Text is compared, sorted and changed in case as in PostgreSQL's collation C: letters have case in ASCII.\n",
    );
    let mut families: BTreeMap<&str, BTreeMap<&str, Vec<&'static Function>>> = BTreeMap::new();
    for function in all_functions().chain(all_operators()) {
        families.entry(function.family).or_default().entry(function.name).or_default().push(function);
    }
    for (family, entries) in &families {
        let _ = write!(out, "\n## {family}\n\n| name | signatures | |\n| --- | --- | --- |\n");
        for (name, mut functions) in entries.iter().map(|(name, functions)| (*name, functions.clone())) {
            functions.sort_by_key(|function| function.signature());
            let doc = functions.iter().map(|function| function.doc).find(|doc| !doc.is_empty()).unwrap_or("");
            let ours_only = if names.contains(name) || operator_names.contains(name) {
                ""
            } else {
                " *(Tidewater's own, or Materialize's)*"
            };
            let signatures: Vec<String> = if functions.len() > 6 {
                let mut shown: Vec<String> = functions.iter().take(3).map(|f| code(&f.signature())).collect();
                shown.push(format!("… {} in all", functions.len()));
                shown
            } else {
                functions.iter().map(|f| code(&f.signature())).collect()
            };
            let _ = writeln!(
                out,
                "| {} | {} | {}{ours_only} |",
                code(name),
                signatures.join("<br>"),
                doc.replace('|', "\\|")
            );
        }
    }
    out.push_str("\n## What differs\n\n| where | why |\n| --- | --- |\n");
    for (part, reason) in crate::exceptions::DOCUMENTED {
        let _ = writeln!(out, "| {} | {reason} |", part.replace('|', "\\|"));
    }
    out.push_str("\n## Missing\n\nFunctions of PostgreSQL 15 over types that Tidewater has; administration and text search are left out.\n\n");
    let list = |keys: &BTreeSet<String>| keys.iter().map(|key| code(key)).collect::<Vec<_>>().join(", ");
    let _ = writeln!(out, "{}\n\nOperators: {}", list(missing), list(missing_operators));
    out
}

fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}
