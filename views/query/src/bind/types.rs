//! Type names as the parser gives them.

use sqlparser::ast::{DataType, ObjectName};
use tidewater_types::{ColumnType, Result, SqlError};

use super::Binder;

impl Binder<'_> {
    /// The type that a name means.
    pub(super) fn data_type(&self, data_type: &DataType) -> Result<ColumnType> {
        match ColumnType::parse(&spelling(data_type)) {
            Ok(ty) => Ok(ty),
            Err(error) => match data_type {
                DataType::Custom(name, modifiers) if modifiers.is_empty() => {
                    self.custom_type(name).ok_or_else(|| refusal(error, data_type))
                }
                _ => Err(refusal(error, data_type)),
            },
        }
    }

    fn custom_type(&self, name: &ObjectName) -> Option<ColumnType> {
        let parts = super::names::parts(name).ok()?;
        match &parts[..] {
            [name] => self.catalog.custom_type(None, name),
            [schema, name] => self.catalog.custom_type(Some(schema), name),
            _ => None,
        }
    }
}

/// Types that PostgreSQL has and this system has not.
const MISSING: [&str; 22] = [
    "bit",
    "varbit",
    "inet",
    "cidr",
    "macaddr",
    "macaddr8",
    "money",
    "xml",
    "point",
    "line",
    "lseg",
    "box",
    "path",
    "polygon",
    "circle",
    "tsvector",
    "tsquery",
    "pg_lsn",
    "pg_snapshot",
    "txid_snapshot",
    "tid",
    "xid8",
];

/// What is said of a type that is not known here.
fn refusal(error: SqlError, data_type: &DataType) -> SqlError {
    let text = spelling(data_type).to_lowercase();
    let text = text.strip_prefix("pg_catalog.").unwrap_or(&text);
    let name = text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    match error.sqlstate == *b"42704" && MISSING.contains(&name) {
        true => super::unsupported(format!("the type {text}")),
        false => error,
    }
}

/// The type's name as PostgreSQL writes it.
fn spelling(data_type: &DataType) -> String {
    match data_type {
        DataType::Int8(_) => "int8".to_owned(),
        DataType::Int4(_) => "int4".to_owned(),
        DataType::Int2(_) => "int2".to_owned(),
        DataType::Custom(name, modifiers) if modifiers.is_empty() => name.to_string(),
        DataType::Array(sqlparser::ast::ArrayElemTypeDef::SquareBracket(element, _)) => {
            format!("{}[]", spelling(element))
        }
        other => other.to_string(),
    }
}

/// Refuses a type that no column or value may have.
pub(super) fn check_value_type(ty: &ColumnType) -> Result<()> {
    use tidewater_types::Type;
    match ty.ty {
        Type::Void | Type::Unknown => Err(SqlError::new(b"42P16", format!("a value has pseudo-type {}", ty.ty))),
        _ => Ok(()),
    }
}

/// The type that a declaration names.
///
/// # Errors
/// 42704 for an unknown one, what is wrong with its modifier.
pub fn column_type(data_type: &DataType) -> Result<ColumnType> {
    let ty = ColumnType::parse(&spelling(data_type)).map_err(|error| refusal(error, data_type))?;
    check_value_type(&ty)?;
    Ok(ty)
}
