//! What the session and the server say of themselves (<https://www.postgresql.org/docs/15/functions-info.html>): what needs no
//! catalog.

use tidewater_types::{ArrayRef, Datum, Result, SqlError};

use super::catalog::info;
use crate::call::{Call, invalid};
use crate::session::is_temp_schema;
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("System information");
    t.add("stable version() -> text -- The server's version.", |c| c.new_text(&c.env.session.version));
    t.add("stable current_database() -> name -- The database's name.", |c| c.new_text(&c.env.session.database));
    t.add("stable current_user() -> name -- The user's name.\nstable session_user() -> name -- The user's name.\nstable getpgusername() -> name", |c| {
        c.new_text(&c.env.session.user)
    });
    t.add("stable current_schema() -> name -- The first schema of the search path.", |c| {
        match c.env.session.named_schemas().next() {
            Some(schema) => c.new_text(schema),
            None => Ok(Datum::Null),
        }
    });
    t.add(
        "stable current_schemas(bool) -> name[] -- The search path's schemas, with the implicit ones if asked.",
        |c| {
            let path = &c.env.session.search_path;
            let all = c.bool(0)?;
            let implicit = all && !path.iter().any(|schema| schema == "pg_catalog");
            let temp = path.iter().filter(|schema| all && is_temp_schema(schema));
            let names = temp.map(String::as_str).chain(implicit.then_some("pg_catalog"));
            let names = names.chain(c.env.session.named_schemas().map(String::as_str));
            let names = names.map(|name| c.new_text(name)).collect::<Result<Vec<_>>>()?;
            Ok(Datum::Array(ArrayRef::vector(c.scratch, &names)?))
        },
    );
    t.add("stable current_setting(text) -> text -- A variable's value; NULL if there is none and the second is true.\nstable current_setting(text, bool) -> text", setting);
    t.add("volatile null set_config(text, text, bool) -> text -- Sets a variable, for the transaction only if the third is true.", set_config);
    t.add("stable pg_backend_pid() -> int4 -- The session's process number.", |c| {
        Ok(Datum::Int(c.env.session.backend_pid.into()))
    });
    t.add("stable getdatabaseencoding() -> name -- UTF8.", |_| Ok(Datum::from("UTF8")));
    t.add("stable pg_client_encoding() -> name -- UTF8.", |_| Ok(Datum::from("UTF8")));
    t.add("volatile pg_is_in_recovery() -> bool -- False.", |_| Ok(Datum::Bool(false)));
    t.add("stable null pg_typeof(any) -> regtype -- The argument's type.", |c| Ok(Datum::Int(c.ty(0).oid().into())));
    t.add("stable null format_type(oid, int4) -> text -- A type's name with its modifier.", format_type);
    names(t);
    t.add("pg_size_pretty(int8) -> text -- Bytes in a unit that people read.", |c| c.new_text(&size(c.int(0)?)));
    comments(t);
    t.add(
        "stable pg_my_temp_schema() -> oid -- The schema of the session's temporary objects, 0 if it has none.",
        |c| {
            let schema = &c.env.session.temp_schema;
            let has_it = c.env.session.search_path.contains(schema);
            let oid = info(c).filter(|_| has_it).and_then(|catalog| catalog.schema(schema));
            Ok(Datum::Int(oid.unwrap_or(0).into()))
        },
    );
    t.add(
        "stable pg_is_other_temp_schema(oid) -> bool -- Whether a schema is of another session's temporary objects.",
        |c| {
            let name = u32::try_from(c.int(0)?).ok().and_then(|oid| info(c)?.schema_name(oid));
            Ok(Datum::Bool(name.is_some_and(|name| c.env.session.is_other_temp(&name))))
        },
    );
    t.add("stable pg_postmaster_start_time() -> timestamptz -- When the server started.\nstable pg_conf_load_time() -> timestamptz", |c| {
        Ok(Datum::Int(c.env.session.server_started))
    });
    t.add("null pg_encoding_to_char(int4) -> name -- An encoding's name.", |c| match c.args[0] {
        Datum::Int(6) => Ok(Datum::from("UTF8")),
        Datum::Int(0) => Ok(Datum::from("SQL_ASCII")),
        Datum::Int(8) => Ok(Datum::from("LATIN1")),
        Datum::Null => Ok(Datum::Null),
        _ => Ok(Datum::from("")),
    });
}

fn setting<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    let name = c.text(0)?;
    let quiet = c.count() > 1 && c.bool(1)?;
    let lower = name.to_ascii_lowercase();
    let now = match &c.env.session.actions {
        Some(actions) => actions.variable(&lower),
        None => c.env.session.variables.get(&lower).cloned(),
    };
    match now {
        Some(value) => c.new_text(&value),
        None if quiet => Ok(Datum::Null),
        None => Err(SqlError::new(b"42704", format!("unrecognized configuration parameter \"{name}\""))),
    }
}

fn set_config<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    if c.null(0) {
        return Err(SqlError::new(b"22004", "SET requires parameter name"));
    }
    let value = if c.null(1) { None } else { Some(c.text(1)?) };
    let local = !c.null(2) && c.bool(2)?;
    let name = c.text(0)?.to_ascii_lowercase();
    let Some(actions) = c.env.session.actions.as_deref() else {
        // Where nothing can be set, what is so already is: drivers turn `jit` off, which is off.
        return match c.env.session.variables.get(&name) {
            Some(now) if Some(now.as_str()) == value => c.new_text(now),
            _ => Err(SqlError::new(b"0A000", "set_config is not supported here").hint("Use SET.")),
        };
    };
    c.new_text(&actions.set_variable(&name, value, local)?)
}

/// What COMMENT ON said.
fn comments(t: &mut Table) {
    t.add(
        "
        stable obj_description(oid, name) -> text -- The comment of an object of a catalog.
        stable obj_description(oid) -> text
        ",
        |c| comment(c, if c.count() > 1 { c.text(1)? } else { "" }, 0),
    );
    t.add("stable col_description(oid, int4) -> text -- The comment of a relation's column.", |c| {
        let column = i32::try_from(c.int(1)?).unwrap_or_default();
        if column == 0 { Ok(Datum::Null) } else { comment(c, "pg_class", column) }
    });
    t.add("stable shobj_description(oid, name) -> text -- NULL: no database or role has a comment.", |_| {
        Ok(Datum::Null)
    });
}

fn comment<'a>(c: &Call<'a, '_>, catalog: &str, column: i32) -> Result<Datum<'a>> {
    let found = u32::try_from(c.int(0)?).ok().and_then(|oid| info(c)?.comment(catalog, oid, column));
    found.map_or(Ok(Datum::Null), |comment| c.new_text(&comment))
}

fn format_type<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    let Datum::Int(oid) = c.args[0] else {
        return Ok(Datum::Null);
    };
    if oid == 0 {
        return Ok(Datum::from("-"));
    }
    let ty = u32::try_from(oid).ok().and_then(tidewater_types::Type::from_oid);
    let Some(ty) = ty else {
        return Ok(Datum::from("???"));
    };
    let modifier = match c.args[1] {
        Datum::Int(modifier) => i32::try_from(modifier).map_err(|_| invalid("a modifier that is no integer"))?,
        _ => -1,
    };
    c.new_text(&tidewater_types::ColumnType { ty, modifier }.to_string())
}

/// Bytes as kB, MB …, halves rounded away from zero.
fn size(bytes: i64) -> String {
    const UNITS: [(&str, u64, bool, u32); 6] = [
        ("bytes", 10 * 1024, false, 0),
        ("kB", 20 * 1024 - 1, true, 10),
        ("MB", 20 * 1024 - 1, true, 20),
        ("GB", 20 * 1024 - 1, true, 30),
        ("TB", 20 * 1024 - 1, true, 40),
        ("PB", u64::MAX, true, 50),
    ];
    let mut value = bytes;
    for (i, (name, limit, rounds, bits)) in UNITS.iter().enumerate() {
        if value.unsigned_abs() < *limit {
            let shown = if *rounds { (value + if value < 0 { -1 } else { 1 }) / 2 } else { value };
            return format!("{shown} {name}");
        }
        // A unit that rounds has twice its value before it does.
        if let Some((_, _, next_rounds, next_bits)) = UNITS.get(i + 1) {
            value /= 1 << (next_bits - bits - u32::from(*next_rounds) + u32::from(*rounds));
        }
    }
    format!("{value} PB")
}

fn names(t: &mut Table) {
    t.add(
        "
        stable to_regclass(text) -> regclass -- The relation of this name, NULL if there is none.
        stable to_regtype(text) -> regtype -- The type of this name, NULL if there is none.
        stable to_regproc(text) -> regproc -- The function of this name, NULL if there is none.
        stable to_regprocedure(text) -> regprocedure -- The function of this name and parameters, NULL if there is none.
        stable to_regoper(text) -> regoper -- The operator of this name, NULL if there is none.
        stable to_regoperator(text) -> regoperator -- The operator of this name and parameters, NULL if there is none.
        stable to_regnamespace(text) -> regnamespace -- The schema of this name, NULL if there is none.
        stable to_regrole(text) -> regrole -- The role of this name, NULL if there is none.
        stable to_regcollation(text) -> regcollation -- The collation of this name, NULL if there is none.
        ",
        |c| {
            let text = c.text(0)?;
            // A number is a name here, of nothing.
            if text.parse::<u32>().is_ok() {
                return Ok(Datum::Null);
            }
            match tidewater_types::input(text, &c.env.result, &c.env.session.settings, c.scratch) {
                Err(error) if error.sqlstate == *b"42602" => Err(error),
                Err(_) => Ok(Datum::Null),
                found => found,
            }
        },
    );
}
