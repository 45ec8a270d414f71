//! Who may do what (<https://www.postgresql.org/docs/15/functions-info.html#FUNCTIONS-INFO-ACCESS>): every user everything. What is
//! asked about must exist all the same: an unknown name is an error, an unknown oid NULL.

use tidewater_types::{Datum, Result, SqlError, Type};

use super::catalog::{info, oid_of};
use crate::call::{Call, invalid};
use crate::table::Table;

/// The signatures of one function: of a name or an oid, with or without a user before it.
macro_rules! asked {
    ($name:literal, $doc:literal) => {
        concat!(
            "stable ",
            $name,
            "(text, text) -> bool -- ",
            $doc,
            "\n",
            "stable ",
            $name,
            "(oid, text) -> bool\n",
            "stable ",
            $name,
            "(name, text, text) -> bool\n",
            "stable ",
            $name,
            "(name, oid, text) -> bool\n",
            "stable ",
            $name,
            "(oid, text, text) -> bool\n",
            "stable ",
            $name,
            "(oid, oid, text) -> bool",
        )
    };
}

const OF_TABLES: &[&str] = &["select", "insert", "update", "delete", "truncate", "references", "trigger"];
const OF_COLUMNS: &[&str] = &["select", "insert", "update", "references"];
const OF_DATABASES: &[&str] = &["create", "connect", "temporary", "temp"];
const OF_SEQUENCES: &[&str] = &["usage", "select", "update"];

pub(super) fn register(t: &mut Table) {
    t.family(super::CATALOG);
    t.add(asked!("has_table_privilege", "Whether a user may use a relation: true."), |c| {
        granted(c, &Type::RegClass, OF_TABLES)
    });
    t.add(asked!("has_any_column_privilege", "Whether a user may use a column: true."), |c| {
        granted(c, &Type::RegClass, OF_COLUMNS)
    });
    t.add(asked!("has_sequence_privilege", "Whether a user may use a sequence: true."), |c| {
        granted(c, &Type::RegClass, OF_SEQUENCES)
    });
    t.add(asked!("has_schema_privilege", "Whether a user may use a schema: true."), |c| {
        granted(c, &Type::RegNamespace, &["create", "usage"])
    });
    t.add(asked!("has_function_privilege", "Whether a user may call a function: true."), |c| {
        granted(c, &Type::RegProcedure, &["execute"])
    });
    t.add(asked!("has_type_privilege", "Whether a user may use a type: true."), |c| {
        granted(c, &Type::RegType, &["usage"])
    });
    t.add(asked!("has_database_privilege", "Whether a user may use the database: true."), |c| {
        check_named(c, b"3D000", "database", &[&c.env.session.database])?;
        granted(c, &Type::Oid, OF_DATABASES)
    });
    t.add(asked!("has_language_privilege", "Whether a user may use a language: true."), |c| {
        check_named(c, b"42704", "language", &["internal"])?;
        granted(c, &Type::Oid, &["usage"])
    });
    t.add(asked!("has_tablespace_privilege", "Whether a user may use a tablespace: true."), |c| {
        check_named(c, b"42704", "tablespace", &["pg_default", "pg_global"])?;
        granted(c, &Type::Oid, &["create"])
    });
    t.add(asked!("pg_has_role", "Whether a user has a role: true."), |c| {
        granted(c, &Type::RegRole, &["usage", "member"])
    });
    t.add(
        "
        stable has_column_privilege(text, text, text) -> bool -- Whether a user may use a column: true.
        stable has_column_privilege(text, int2, text) -> bool
        stable has_column_privilege(oid, text, text) -> bool
        stable has_column_privilege(oid, int2, text) -> bool
        stable has_column_privilege(name, text, text, text) -> bool
        stable has_column_privilege(name, text, int2, text) -> bool
        stable has_column_privilege(name, oid, text, text) -> bool
        stable has_column_privilege(name, oid, int2, text) -> bool
        stable has_column_privilege(oid, text, text, text) -> bool
        stable has_column_privilege(oid, text, int2, text) -> bool
        stable has_column_privilege(oid, oid, text, text) -> bool
        stable has_column_privilege(oid, oid, int2, text) -> bool
        ",
        column,
    );
}

/// Of what the argument before the last names, and who the one before that does.
fn granted<'a>(c: &Call<'a, '_>, kind: &Type, privileges: &[&str]) -> Result<Datum<'a>> {
    let last = c.count() - 1;
    if last == 2 {
        check_user(c)?;
    }
    let found = object(c, last - 1, kind)?;
    check_privilege(c, last, privileges)?;
    Ok(if found { Datum::Bool(true) } else { Datum::Null })
}

fn column<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    let last = c.count() - 1;
    if last == 3 {
        check_user(c)?;
    }
    let relation = match c.args[last - 2] {
        Datum::Int(oid) => oid as u32,
        _ => oid_of(c, last - 2, &Type::RegClass)?,
    };
    check_privilege(c, last, OF_COLUMNS)?;
    let Some(catalog) = info(c).filter(|catalog| catalog.exists(&Type::RegClass, relation)) else {
        return Ok(Datum::Null);
    };
    if matches!(c.args[last - 1], Datum::Text(_)) {
        let name = c.text(last - 1)?;
        if catalog.column(relation, name).is_none() {
            let relation = c.show_of(&Datum::Int(relation.into()), &Type::RegClass.into())?;
            let message = format!("column \"{name}\" of relation \"{relation}\" does not exist");
            return Err(SqlError::new(b"42703", message));
        }
    }
    Ok(Datum::Bool(true))
}

/// Whether there is what argument `i` means.
fn object(c: &Call<'_, '_>, i: usize, kind: &Type) -> Result<bool> {
    // Databases, languages and tablespaces have no type of oid: names of them are checked before.
    if *kind == Type::Oid {
        return Ok(true);
    }
    match c.args[i] {
        Datum::Int(oid) => Ok(info(c).is_some_and(|catalog| catalog.exists(kind, oid as u32))),
        _ => oid_of(c, i, kind).map(|_| true),
    }
}

/// Refuses a name of what there are only these of.
fn check_named(c: &Call<'_, '_>, state: &[u8; 5], what: &str, known: &[&str]) -> Result<()> {
    match c.args[c.count() - 2] {
        Datum::Text(name) if !known.iter().any(|known| known.as_bytes() == name) => {
            let name = String::from_utf8_lossy(name);
            Err(SqlError::new(state, format!("{what} \"{name}\" does not exist")))
        }
        _ => Ok(()),
    }
}

fn check_user(c: &Call<'_, '_>) -> Result<()> {
    match c.args[0] {
        Datum::Int(_) => Ok(()),
        _ if c.text(0)? == "public" => Ok(()),
        // The name as it is: it is no text that would be folded.
        _ => {
            let quoted = super::strings_more::quote_ident(c.text(0)?);
            let settings = &c.env.session.settings;
            tidewater_types::input(&quoted, &Type::RegRole.into(), settings, c.scratch).map(|_| ())
        }
    }
}

/// Several privileges stand in a list; each may be asked for with the right to give it on.
fn check_privilege(c: &Call<'_, '_>, i: usize, privileges: &[&str]) -> Result<()> {
    for part in c.text(i)?.split(',') {
        let asked = part.trim().to_ascii_lowercase();
        let bare = asked.strip_suffix(" with grant option").or_else(|| asked.strip_suffix(" with admin option"));
        if !privileges.contains(&bare.unwrap_or(&asked)) {
            return Err(invalid(format!("unrecognized privilege type: \"{}\"", part.trim())));
        }
    }
    Ok(())
}
