//! How objects are called: `name` in schema public, `schema.name` elsewhere.

use sqlparser::ast::{Ident, ObjectName};

use crate::{Error, Result};

/// The schema of objects whose statement names none.
pub(crate) const PUBLIC: &str = "public";

/// An identifier as PostgreSQL folds it.
pub(crate) fn fold(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// What the object `name` of `schema` is called in the catalog. A name that has a dot keeps its schema, so that it is not read as one.
pub(crate) fn key(schema: &str, name: &str) -> String {
    if schema == PUBLIC && !name.contains('.') { name.to_owned() } else { format!("{schema}.{name}") }
}

/// Schema and name of what the catalog calls `key`.
pub(crate) fn split(key: &str) -> (&str, &str) {
    key.split_once('.').unwrap_or((PUBLIC, key))
}

/// What a written name is called in the catalog; the database before a schema means nothing here.
pub(crate) fn key_of(name: &ObjectName) -> Result<String> {
    let parts: Option<Vec<String>> = name.0.iter().map(|part| part.as_ident().map(fold)).collect();
    match parts.as_deref() {
        Some([name]) if name.contains('.') => Ok(key(PUBLIC, name)),
        Some([name]) => Ok(name.clone()),
        Some([schema, name] | [_, schema, name]) if !schema.contains('.') => Ok(key(schema, name)),
        _ => Err(Error::new(b"42602", format!("{name} is not a name"))),
    }
}

/// What a schema itself is called: the object without a name in it.
pub(crate) fn schema_key(schema: &str) -> String {
    format!("{schema}.")
}

/// The schema that a key is of.
pub(crate) fn schema_of(key: &str) -> Option<&str> {
    key.strip_suffix('.')
}

/// Whether an object is a session's own, gone with it.
pub(crate) fn is_temp(key: &str) -> bool {
    tidewater_functions::is_temp_schema(split(key).0)
}

/// A name as users write it.
pub(crate) fn shown(key: &str) -> &str {
    schema_of(key).unwrap_or(key)
}
