//! Names of oids and oids of names, for regclass and its like (<https://www.postgresql.org/docs/15/datatype-oid.html>).

use tidewater_functions::{CatalogInfo, Function, quote_ident};
use tidewater_types::{ColumnType, Names, Result, SqlError, Type};

use crate::catalog::Catalog;
use crate::definition::qualified;
use crate::functions::{self, function_name, functions_named, operators_named, param_oid};
use crate::types::{io_functions, type_row, types};

/// Collations: number, name. There is only the order of bytes; its names are PostgreSQL's.
pub(crate) const COLLATIONS: [(u32, &str); 4] = [(100, "default"), (950, "C"), (951, "POSIX"), (12_340, "ucs_basic")];

/// The collation of this number.
pub(crate) fn collation(oid: u32) -> Option<&'static str> {
    COLLATIONS.iter().find(|(number, _)| *number == oid).map(|(_, name)| *name)
}

impl Names for Catalog {
    fn name(&self, ty: &Type, oid: u32) -> Option<String> {
        match ty {
            Type::RegClass => {
                let class = self.class(oid)?;
                Some(match self.is_visible(ty, oid) {
                    Some(true) => quote_ident(&class.name),
                    _ => qualified(class.schema, &class.name),
                })
            }
            Type::RegType => type_name(oid),
            Type::RegProc => function_name(oid).map(quote_ident),
            Type::RegProcedure => procedure_name(oid),
            Type::RegOper => functions::operator(oid).map(|operator| operator.name.to_owned()),
            Type::RegOperator => {
                functions::operator(oid).map(|operator| format!("{}({})", operator.name, operands(operator)))
            }
            Type::RegNamespace => self.schemas().find(|(schema, _)| *schema == oid).map(|(_, name)| quote_ident(name)),
            Type::RegRole => self.role(oid).map(|name| quote_ident(&name)),
            Type::RegCollation => collation(oid).map(quote_ident),
            _ => None,
        }
    }

    fn oid(&self, ty: &Type, name: &str) -> Result<u32> {
        match ty {
            Type::RegClass => self.relation_oid(name),
            Type::RegType => type_oid(name),
            Type::RegProc => one(functions_named(&in_catalog(name)?), &format!("function \"{name}\"")),
            Type::RegProcedure => procedure_oid(name),
            Type::RegOper => one(operators_named(operator_symbol(name)), &format!("operator {name}")),
            Type::RegOperator => operator_oid(name),
            Type::RegNamespace => {
                let schema = single(name)?;
                self.schema_oid(&schema).ok_or_else(|| missing(b"3F000", "schema", &schema))
            }
            Type::RegRole => {
                let role = single(name)?;
                let found = self.roles().find(|(_, known)| *known == role).map(|(oid, _)| oid);
                found.ok_or_else(|| missing(b"42704", "role", &role))
            }
            Type::RegCollation => {
                let bare = in_catalog(name)?;
                let found = COLLATIONS.iter().find(|(_, known)| *known == bare).map(|(oid, _)| *oid);
                let message = format!("collation \"{bare}\" for encoding \"UTF8\" does not exist");
                found.ok_or_else(|| SqlError::new(b"42704", message))
            }
            other => Err(SqlError::new(b"0A000", format!("names for type {other} are not supported"))),
        }
    }
}

impl Catalog {
    fn relation_oid(&self, name: &str) -> Result<u32> {
        let parts = identifiers(name)?;
        let found = match &parts[..] {
            [name] => {
                // The relations of mz_catalog are found by their names alone, too.
                let path = self.path().chain(["mz_catalog", "mz_internal"]);
                path.into_iter().find_map(|schema| self.class_named(schema, name))
            }
            [schema, name] => self.class_named(schema, name),
            [database, schema, name] if *database == self.session.database => self.class_named(schema, name),
            [_, _, _] => {
                let message = format!("cross-database references are not implemented: \"{name}\"");
                return Err(SqlError::new(b"0A000", message));
            }
            _ => {
                return Err(SqlError::new(b"42601", format!("improper relation name (too many dotted names): {name}")));
            }
        };
        if let Some(class) = found {
            return Ok(class.oid);
        }
        match &parts[..] {
            [.., schema, _] if self.schema_oid(schema).is_none() => Err(missing(b"3F000", "schema", schema)),
            _ => Err(missing(b"42P01", "relation", &parts.join("."))),
        }
    }
}

fn missing(state: &[u8; 5], what: &str, name: &str) -> SqlError {
    SqlError::new(state, format!("{what} \"{name}\" does not exist"))
}

/// The parts of a qualified name, folded.
fn identifiers(text: &str) -> Result<Vec<String>> {
    let invalid = || SqlError::new(b"42602", "invalid name syntax");
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut part = String::new();
            let mut left = quoted;
            loop {
                let end = left.find('"').ok_or_else(invalid)?;
                part.push_str(&left[..end]);
                left = &left[end + 1..];
                match left.strip_prefix('"') {
                    Some(after) => {
                        part.push('"');
                        left = after;
                    }
                    None => break,
                }
            }
            parts.push(part);
            rest = left.trim_start();
        } else {
            let end = rest.find(|c: char| c == '.' || c.is_whitespace()).unwrap_or(rest.len());
            parts.push(rest[..end].to_lowercase());
            rest = rest[end..].trim_start();
        }
        if parts.last().is_none_or(String::is_empty) {
            return Err(invalid());
        }
        match rest.strip_prefix('.') {
            Some(after) => rest = after.trim_start(),
            None if rest.is_empty() => return Ok(parts),
            None => return Err(invalid()),
        }
    }
}

/// A name of one part.
fn single(text: &str) -> Result<String> {
    match <[String; 1]>::try_from(identifiers(text)?) {
        Ok([name]) => Ok(name),
        Err(_) => Err(SqlError::new(b"42602", "invalid name syntax")),
    }
}

/// A name that may have pg_catalog before it; another schema has nothing of the kind.
fn in_catalog(text: &str) -> Result<String> {
    match &identifiers(text)?[..] {
        [name] => Ok(name.clone()),
        [schema, name] if schema == "pg_catalog" || schema == "information_schema" => Ok(name.clone()),
        parts => Ok(parts.join(".")),
    }
}

/// The one of several; what there is none of, and what there are several of, are errors.
fn one(mut found: impl Iterator<Item = u32>, what: &str) -> Result<u32> {
    match (found.next(), found.next()) {
        (Some(oid), None) => Ok(oid),
        (None, _) => Err(SqlError::new(
            b"42883",
            match what.strip_prefix("operator ") {
                Some(symbol) => format!("operator does not exist: {symbol}"),
                None => format!("{what} does not exist"),
            },
        )),
        _ => Err(SqlError::new(b"42725", format!("more than one {}", what.replacen(' ', " named ", 1)))),
    }
}

/// A type as format_type prints it.
fn type_name(oid: u32) -> Option<String> {
    match Type::from_oid(oid) {
        Some(Type::Bpchar) => Some("character".to_owned()),
        Some(Type::Array(element)) if *element == Type::Bpchar => Some("character[]".to_owned()),
        Some(ty) => Some(ty.to_string()),
        None => type_row(oid).map(|row| match row.name.strip_prefix('_') {
            Some(element) => format!("{element}[]"),
            None if row.name == "any" => "\"any\"".to_owned(),
            None => row.name.clone(),
        }),
    }
}

fn type_oid(name: &str) -> Result<u32> {
    match ColumnType::parse(name) {
        Ok(ty) if ty.ty.oid() != 0 => Ok(ty.ty.oid()),
        Ok(_) => Err(missing(b"42704", "type", name)),
        Err(error) => {
            let bare = in_catalog(name)?;
            let pseudo = types().iter().find(|row| row.name == bare).map(|row| row.oid);
            pseudo.ok_or(error)
        }
    }
}

fn parameters(function: &Function) -> Vec<u32> {
    function.params.iter().map(param_oid).collect()
}

fn type_list(oids: &[u32]) -> String {
    let names: Vec<String> = oids.iter().map(|oid| type_name(*oid).unwrap_or_else(|| oid.to_string())).collect();
    names.join(",")
}

/// `NONE` stands for the left side of a prefix operator.
fn operands(operator: &Function) -> String {
    let types = type_list(&parameters(operator));
    if operator.params.len() == 1 { format!("NONE,{types}") } else { types }
}

fn procedure_name(oid: u32) -> Option<String> {
    let (name, parameters) = match functions::function(oid) {
        Some(function) => (function.name, parameters(function)),
        None => io_functions().iter().find(|io| io.oid == oid).map(|io| (io.name, io.arguments.clone()))?,
    };
    Some(format!("{}({})", quote_ident(name), type_list(&parameters)))
}

/// `name(type, …)` in its parts.
fn signature(text: &str) -> Result<(String, Vec<String>)> {
    let (name, rest) = text.split_once('(').ok_or_else(|| SqlError::new(b"22P02", "expected a left parenthesis"))?;
    let inside =
        rest.trim_end().strip_suffix(')').ok_or_else(|| SqlError::new(b"22P02", "expected a right parenthesis"))?;
    let types = split_types(inside);
    Ok((name.trim().to_owned(), types))
}

/// Types with commas between; those in parentheses are modifiers'.
fn split_types(text: &str) -> Vec<String> {
    let mut types = Vec::new();
    let mut depth = 0;
    let mut start = 0;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                types.push(text[start..at].trim().to_owned());
                start = at + 1;
            }
            _ => {}
        }
    }
    let last = text[start..].trim();
    if !last.is_empty() {
        types.push(last.to_owned());
    }
    types
}

fn procedure_oid(text: &str) -> Result<u32> {
    let (name, types) = signature(text)?;
    let name = in_catalog(&name)?;
    let wanted = types.iter().map(|ty| type_oid(ty)).collect::<Result<Vec<_>>>()?;
    let mut found = functions_named(&name).filter(|oid| match functions::function(*oid) {
        Some(function) => parameters(function) == wanted,
        None => io_functions().iter().any(|io| io.oid == *oid && io.arguments == wanted),
    });
    found.next().ok_or_else(|| SqlError::new(b"42883", format!("function \"{text}\" does not exist")))
}

fn operator_symbol(text: &str) -> &str {
    text.trim().strip_prefix("pg_catalog.").unwrap_or(text.trim())
}

fn operator_oid(text: &str) -> Result<u32> {
    let (name, types) = signature(text)?;
    let wanted = types
        .iter()
        .filter(|ty| !ty.eq_ignore_ascii_case("none"))
        .map(|ty| type_oid(ty))
        .collect::<Result<Vec<_>>>()?;
    let mut found = operators_named(operator_symbol(&name))
        .filter(|oid| functions::operator(*oid).is_some_and(|operator| parameters(operator) == wanted));
    found.next().ok_or_else(|| SqlError::new(b"42883", format!("operator does not exist: {text}")))
}
