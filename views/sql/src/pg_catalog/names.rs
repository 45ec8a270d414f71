//! Names of numbers and numbers of names: relations, types, schemas, roles.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::DataType;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SessionContext;

use super::udf::function;
use super::{INFORMATION_SCHEMA, OWNER, PG_CATALOG, PUBLIC, TIDEWATER};
use crate::catalog::CatalogObject;

/// PostgreSQL's types: number, number of its array or 0, name in pg_type, name in SQL.
const TYPES: [(i32, i32, &str, &str); 22] = [
    (16, 1000, "bool", "boolean"),
    (17, 1001, "bytea", "bytea"),
    (18, 1002, "char", "\"char\""),
    (19, 1003, "name", "name"),
    (20, 1016, "int8", "bigint"),
    (21, 1005, "int2", "smallint"),
    (23, 1007, "int4", "integer"),
    (25, 1009, "text", "text"),
    (26, 1028, "oid", "oid"),
    (114, 199, "json", "json"),
    (700, 1021, "float4", "real"),
    (701, 1022, "float8", "double precision"),
    (1042, 1014, "bpchar", "character"),
    (1043, 1015, "varchar", "character varying"),
    (1082, 1182, "date", "date"),
    (1083, 1183, "time", "time without time zone"),
    (1114, 1115, "timestamp", "timestamp without time zone"),
    (1184, 1185, "timestamptz", "timestamp with time zone"),
    (1186, 1187, "interval", "interval"),
    (1700, 1231, "numeric", "numeric"),
    (2278, 0, "void", "void"),
    (2279, 0, "trigger", "trigger"),
];

/// Other names that PostgreSQL takes for types.
const ALIASES: [(&str, &str); 4] = [("int", "int4"), ("decimal", "numeric"), ("float", "float8"), ("string", "text")];

/// Relations of pg_catalog that clients name by `'…'::regclass`.
const SYSTEM_RELATIONS: [(&str, i32); 14] = [
    ("pg_type", 1247),
    ("pg_attribute", 1249),
    ("pg_proc", 1255),
    ("pg_class", 1259),
    ("pg_authid", 1260),
    ("pg_database", 1262),
    ("pg_trigger", 2620),
    ("pg_constraint", 2606),
    ("pg_attrdef", 2604),
    ("pg_index", 2610),
    ("pg_namespace", 2615),
    ("pg_rewrite", 2618),
    ("pg_extension", 3079),
    ("pg_tablespace", 1213),
];

const SCHEMAS: [(&str, i32); 4] = [
    ("pg_catalog", PG_CATALOG),
    ("public", PUBLIC),
    ("information_schema", INFORMATION_SCHEMA),
    ("tidewater", TIDEWATER),
];

/// The name in pg_type of a type's number.
pub(super) fn type_name_of(oid: i32) -> Option<String> {
    let array = TYPES.iter().find(|known| known.1 == oid && oid != 0).map(|known| format!("_{}", known.2));
    array.or_else(|| TYPES.iter().find(|known| known.0 == oid).map(|known| known.2.to_owned()))
}

fn type_oid_of(name: &str) -> Option<i32> {
    let name = bare(name, "pg_catalog");
    let (element, is_array) = match name.strip_suffix("[]").or_else(|| name.strip_prefix('_')) {
        Some(element) => (element.to_owned(), true),
        None => (name, false),
    };
    // `numeric(10,2)` is the type numeric.
    let element = element.split('(').next().unwrap_or_default().trim();
    let element = ALIASES.iter().find(|alias| alias.0 == element).map_or(element, |alias| alias.1);
    let known = TYPES.iter().find(|known| known.2 == element || known.3 == element)?;
    Some(if is_array { known.1 } else { known.0 })
}

/// A name as PostgreSQL folds it, without the schema if it is this one.
fn bare(name: &str, schema: &str) -> String {
    let fold = |part: &str| match part.strip_prefix('"').and_then(|part| part.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => part.to_lowercase(),
    };
    match name.split_once('.') {
        Some((first, rest)) if fold(first) == schema => fold(rest),
        _ => fold(name),
    }
}

/// Relations by name and by number.
struct Relations {
    by_name: HashMap<String, i32>,
    by_oid: HashMap<i32, String>,
}

impl Relations {
    fn oid(&self, name: &str) -> Option<i32> {
        let system = bare(name, "pg_catalog");
        let own = self.by_name.get(&bare(name, "public")).copied();
        own.or_else(|| SYSTEM_RELATIONS.iter().find(|known| known.0 == system).map(|known| known.1))
    }

    fn name(&self, oid: i32) -> Option<String> {
        let system = SYSTEM_RELATIONS.iter().find(|known| known.1 == oid).map(|known| known.0.to_owned());
        self.by_oid.get(&oid).cloned().or(system)
    }
}

/// `orders` or `"Orders"`, as it must be written.
pub(super) fn quoted(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    match name.bytes().all(plain) && !name.starts_with(|first: char| first.is_ascii_digit()) {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// Adds the functions to a context.
pub(super) fn register(context: &SessionContext, objects: &[CatalogObject]) {
    let relations = Arc::new(Relations {
        by_name: objects.iter().map(|object| (object.name.clone(), super::oid(object))).collect(),
        by_oid: objects.iter().map(|object| (super::oid(object), quoted(&object.name))).collect(),
    });
    let names = relations.clone();
    named(context, "regclass", "relation", move |name| relations.oid(name), move |oid| names.name(oid));
    named(context, "regtype", "type", type_oid_of, type_name_of);
    let schema = |name: &str| SCHEMAS.iter().find(|schema| schema.0 == bare(name, "")).map(|schema| schema.1);
    let name = |oid| SCHEMAS.iter().find(|schema| schema.1 == oid).map(|schema| schema.0.to_owned());
    named(context, "regnamespace", "schema", schema, name);
    let role = |name: &str| (bare(name, "") == super::OWNER_NAME).then_some(OWNER);
    named(context, "regrole", "role", role, |oid| (oid == OWNER).then(|| super::OWNER_NAME.to_owned()));
}

/// `KIND_oid(name)`, an error where there is none; `to_KIND(name)`, null where there is none; `KIND_name(oid)`.
fn named(
    context: &SessionContext,
    kind: &'static str,
    what: &'static str,
    oid_of: impl Fn(&str) -> Option<i32> + Send + Sync + Clone + 'static,
    name_of: impl Fn(i32) -> Option<String> + Send + Sync + 'static,
) {
    let (strict, lenient, naming) = match kind {
        "regclass" => ("regclass_oid", "to_regclass", "regclass_name"),
        "regtype" => ("regtype_oid", "to_regtype", "regtype_name"),
        "regnamespace" => ("regnamespace_oid", "to_regnamespace", "regnamespace_name"),
        _ => ("regrole_oid", "to_regrole", "regrole_name"),
    };
    // Digits are the number itself.
    let find = move |name: &str| name.parse().ok().or_else(|| oid_of(name));
    let found = find.clone();
    context.register_udf(function(strict, DataType::Int32, move |args| {
        let Some(Some(name)) = args.first() else { return Ok(None) };
        let missing = || DataFusionError::Plan(format!("{what} \"{name}\" does not exist"));
        found(name).map(|oid| Some(oid.to_string())).ok_or_else(missing)
    }));
    context.register_udf(function(lenient, DataType::Int32, move |args| {
        Ok(args.first().copied().flatten().and_then(&find).map(|oid| oid.to_string()))
    }));
    context.register_udf(function(naming, DataType::Utf8, move |args| {
        let Some(Some(oid)) = args.first() else { return Ok(None) };
        Ok(Some(oid.parse().ok().and_then(&name_of).unwrap_or_else(|| (*oid).to_owned())))
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_found_by_each_of_their_names() {
        for (name, oid) in [
            ("bigint", Some(20)),
            ("int8", Some(20)),
            ("pg_catalog.int8", Some(20)),
            ("numeric(10,2)", Some(1700)),
            ("_text", Some(1009)),
            ("text[]", Some(1009)),
            ("Timestamp With Time Zone", Some(1184)),
            ("hstore", None),
        ] {
            assert_eq!(type_oid_of(name), oid, "{name}");
        }
        assert_eq!(type_name_of(1016).as_deref(), Some("_int8"));
    }

    #[test]
    fn names_fold_and_quote() {
        assert_eq!(bare("public.Orders", "public"), "orders");
        assert_eq!(bare("\"Order\"", "public"), "Order");
        assert_eq!(quoted("order_1"), "order_1");
        assert_eq!(quoted("Order"), "\"Order\"");
    }
}
