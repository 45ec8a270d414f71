//! Functions of a PostgreSQL server that the crate does not have, or answers for another system.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::DataType;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::context::SessionContext;

use super::OWNER_NAME;
use super::server::setting;
use super::udf::function;
use crate::catalog::CatalogObject;

/// Adds the functions to a context.
pub(super) fn register(context: &SessionContext, objects: &[CatalogObject]) {
    definitions(context, objects);
    constants(context);
    context.register_udf(function("current_setting", DataType::Utf8, current_setting));
    context.register_udf(function("set_config", DataType::Utf8, set_config));
    context.register_udf(function("pg_size_pretty", DataType::Utf8, |args| {
        Ok(args.first().copied().flatten().and_then(|bytes| bytes.parse().ok()).map(size_pretty))
    }));
    context.register_udf(function("pg_encoding_to_char", DataType::Utf8, |args| {
        Ok((args == [Some("6")]).then(|| "UTF8".to_owned()))
    }));
}

fn definitions(context: &SessionContext, objects: &[CatalogObject]) {
    let by_number: Arc<HashMap<u32, CatalogObject>> =
        Arc::new(objects.iter().map(|object| (object.oid, object.clone())).collect());
    let by_name: HashMap<String, CatalogObject> =
        objects.iter().map(|object| (object.name.clone(), object.clone())).collect();
    let numbers = by_number.clone();
    let find = move |args: &[Option<&str>]| {
        let number = args.first().copied().flatten()?;
        numbers.get(&number.parse().ok()?).cloned()
    };
    let index = find.clone();
    context.register_udf(function("pg_get_viewdef", DataType::Utf8, move |args| {
        Ok(find(args).and_then(|object| query_of(&object.definition)))
    }));
    context.register_udf(function("pg_get_indexdef", DataType::Utf8, move |args| {
        let column = args.get(1).copied().flatten().and_then(|number| number.parse().ok()).unwrap_or(0);
        Ok(index(args).and_then(|object| index_definition(&object, &by_name, column)))
    }));
}

fn constants(context: &SessionContext) {
    let constant = |name, returns: DataType, text: Option<&'static str>| {
        context.register_udf(function(name, returns, move |_| Ok(text.map(str::to_owned))));
    };
    for name in ["pg_get_userbyid", "current_user", "session_user", "user", "current_role"] {
        constant(name, DataType::Utf8, Some(OWNER_NAME));
    }
    for name in [
        "pg_function_is_visible",
        "pg_type_is_visible",
        "pg_opclass_is_visible",
        "pg_collation_is_visible",
        "pg_operator_is_visible",
        "pg_conversion_is_visible",
        "pg_ts_config_is_visible",
        "pg_ts_dict_is_visible",
        "pg_ts_parser_is_visible",
        "pg_ts_template_is_visible",
        "has_table_privilege",
        "has_schema_privilege",
        "has_database_privilege",
        "has_column_privilege",
        "has_any_column_privilege",
        "has_sequence_privilege",
        "has_function_privilege",
        "pg_has_role",
    ] {
        constant(name, DataType::Boolean, Some("true"));
    }
    for name in ["pg_is_in_recovery", "pg_relation_is_publishable", "row_security_active"] {
        constant(name, DataType::Boolean, Some("false"));
    }
    for name in [
        "obj_description",
        "col_description",
        "shobj_description",
        "pg_get_ruledef",
        "pg_get_triggerdef",
        "pg_get_constraintdef",
        "pg_get_expr",
        "pg_get_serial_sequence",
        "pg_tablespace_location",
        "inet_server_addr",
    ] {
        constant(name, DataType::Utf8, None);
    }
    for name in ["pg_get_function_result", "pg_get_function_arguments", "pg_get_function_identity_arguments"] {
        constant(name, DataType::Utf8, Some(""));
    }
    // Objects have no files.
    for name in ["pg_table_size", "pg_indexes_size", "pg_relation_size", "pg_total_relation_size", "pg_database_size"] {
        constant(name, DataType::Int64, None);
    }
    // What pools ask of a connection that comes back; nobody can hold a lock here.
    constant("pg_advisory_unlock_all", DataType::Utf8, Some(""));
    constant("pg_char_to_encoding", DataType::Int32, Some("6"));
    constant("getdatabaseencoding", DataType::Utf8, Some("UTF8"));
    constant("pg_relation_is_updatable", DataType::Int32, Some("0"));
    constant("version", DataType::Utf8, Some(concat!("PostgreSQL 9.5.0 on tidewater ", env!("CARGO_PKG_VERSION"))));
}

/// `current_setting(name [, missing_ok])`: the defaults; what a session has set, SHOW tells.
fn current_setting(args: &[Option<&str>]) -> Result<Option<String>> {
    let Some(Some(name)) = args.first() else { return Ok(None) };
    let missing_ok = args.get(1).copied().flatten() == Some("true");
    match setting(name) {
        None if !missing_ok => {
            Err(DataFusionError::Plan(format!("unrecognized configuration parameter \"{name}\"; SHOW ALL lists them")))
        }
        found => Ok(found.map(str::to_owned)),
    }
}

/// `set_config(name, value, is_local)` where it changes nothing: drivers turn `jit` off, which there is not.
fn set_config(args: &[Option<&str>]) -> Result<Option<String>> {
    let [Some(name), value, ..] = args else { return Ok(None) };
    match setting(name) {
        Some(now) if *value == Some(now) => Ok(Some(now.to_owned())),
        _ => Err(DataFusionError::Plan(format!("set_config cannot change \"{name}\"; use SET"))),
    }
}

/// Bytes in the largest unit that leaves at least ten of it, as PostgreSQL does.
fn size_pretty(bytes: i64) -> String {
    let units = ["bytes", "kB", "MB", "GB", "TB"];
    let mut size = bytes;
    let mut unit = 0;
    while size.abs() >= 10 * 1024 && unit + 1 < units.len() {
        size = (size + 512 * size.signum()) / 1024;
        unit += 1;
    }
    format!("{size} {}", units[unit])
}

/// A view's query: what follows the first AS of its statement.
fn query_of(definition: &str) -> Option<String> {
    let mut quoted = false;
    let mut word = 0;
    for (at, char) in definition.char_indices() {
        quoted ^= char == '"';
        if quoted || !(char.is_whitespace() || matches!(char, '(' | ')')) {
            continue;
        }
        if definition[word..at].eq_ignore_ascii_case("as") {
            return Some(definition[at..].trim().to_owned());
        }
        word = at + char.len_utf8();
    }
    None
}

fn index_definition(index: &CatalogObject, names: &HashMap<String, CatalogObject>, column: usize) -> Option<String> {
    let on = names.get(index.on.as_ref()?)?;
    let columns = on.columns.as_ref()?;
    let key: Vec<_> = index.index_columns.iter().map(|&at| super::names::quoted(columns.field(at).name())).collect();
    if column > 0 {
        return key.get(column - 1).cloned();
    }
    let (index, on) = (super::names::quoted(&index.name), super::names::quoted(&on.name));
    Some(format!("CREATE INDEX {index} ON public.{on} USING btree ({})", key.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::{query_of, size_pretty};

    #[test]
    fn sizes_are_rounded() {
        let sizes = [(0, "0 bytes"), (10_239, "10239 bytes"), (10_240, "10 kB"), (52_428_800, "50 MB")];
        for (bytes, text) in sizes {
            assert_eq!(size_pretty(bytes), text);
        }
    }

    #[test]
    fn a_views_query_follows_its_first_as() {
        for definition in [
            "CREATE VIEW v AS SELECT a AS b FROM t",
            "CREATE VIEW v AS\nSELECT a AS b FROM t",
            "create materialized view \"x as y\" (b)\n  as\tSELECT a AS b FROM t",
            "CREATE VIEW v(b)AS SELECT a AS b FROM t",
            "CREATE VIEW v AS(SELECT a AS b FROM t)",
        ] {
            let query = query_of(definition).expect("a query");
            assert_eq!(query.trim_matches(['(', ')']), "SELECT a AS b FROM t", "{definition}");
        }
        assert_eq!(query_of("CREATE TABLE t (a bigint)"), None);
    }
}
