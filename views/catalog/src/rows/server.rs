//! The server as a whole: the database, schemas, roles, settings, connections, and what is as fixed as in PostgreSQL.

use tidewater_types::Datum;

use super::procs::INTERNAL;
use crate::catalog::{Catalog, DATABASE, OWNER, SYSTEM_SCHEMAS};
use crate::names::COLLATIONS;
use crate::out::{Done, Out, int, maybe, oid, text, yes};

/// PostgreSQL's number of UTF8.
const UTF8: i64 = 6;
/// PostgreSQL's number of the table space pg_default.
const DEFAULT_TABLESPACE: u32 = 1663;

/// Settings whose names have capitals.
const CAPITALS: [(&str, &str); 3] =
    [("datestyle", "DateStyle"), ("intervalstyle", "IntervalStyle"), ("timezone", "TimeZone")];

pub(super) fn pg_database(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns([
        "oid",
        "datname",
        "datdba",
        "encoding",
        "datlocprovider",
        "datallowconn",
        "datconnlimit",
        "dattablespace",
        "datcollate",
        "datctype",
    ])?;
    out.row(
        &at,
        [
            oid(DATABASE),
            text(&catalog.session.database),
            oid(OWNER),
            int(UTF8),
            text("c"),
            yes(true),
            int(-1),
            oid(DEFAULT_TABLESPACE),
            text("C"),
            text("C"),
        ],
    )
}

pub(super) fn pg_namespace(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["oid", "nspname", "nspowner"])?;
    for (number, name) in catalog.schemas() {
        out.row(&at, [oid(number), text(name), oid(OWNER)])?;
    }
    Ok(())
}

/// What stands where a password would.
const PASSWORD: &str = "********";

pub(super) fn pg_authid(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    roles(catalog, out, None)
}

pub(super) fn pg_roles(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    roles(catalog, out, Some(PASSWORD))
}

fn roles(catalog: &Catalog, out: &mut Out<'_, '_>, password: Option<&str>) -> Done {
    let at = out.columns([
        "oid",
        "rolname",
        "rolsuper",
        "rolinherit",
        "rolcreaterole",
        "rolcreatedb",
        "rolcanlogin",
        "rolreplication",
        "rolbypassrls",
        "rolconnlimit",
        "rolpassword",
    ])?;
    for (number, name) in catalog.roles() {
        let can = yes(true);
        let (limit, password) = (int(-1), maybe(password));
        out.row(&at, [oid(number), text(name), can, can, can, can, can, can, can, limit, password])?;
    }
    Ok(())
}

pub(super) fn pg_shadow(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    users(catalog, out, None)
}

pub(super) fn pg_user(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    users(catalog, out, Some(PASSWORD))
}

fn users(catalog: &Catalog, out: &mut Out<'_, '_>, password: Option<&str>) -> Done {
    let at = out.columns(["usename", "usesysid", "usecreatedb", "usesuper", "userepl", "usebypassrls", "passwd"])?;
    for (number, name) in catalog.roles() {
        out.row(&at, [text(name), oid(number), yes(true), yes(true), yes(true), yes(true), maybe(password)])?;
    }
    Ok(())
}

pub(super) fn pg_settings(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns([
        "name",
        "setting",
        "category",
        "short_desc",
        "context",
        "vartype",
        "source",
        "boot_val",
        "reset_val",
        "pending_restart",
    ])?;
    for (name, value) in catalog.session.variables.iter() {
        let name = CAPITALS.iter().find(|(lower, _)| lower == name).map_or(name.as_str(), |(_, shown)| shown);
        out.row(
            &at,
            [
                text(name),
                text(value),
                text("Session"),
                text(""),
                text("user"),
                text(if matches!(value.as_str(), "on" | "off") { "bool" } else { "string" }),
                text("session"),
                Datum::Null,
                Datum::Null,
                yes(false),
            ],
        )?;
    }
    Ok(())
}

pub(super) fn pg_am(_: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["oid", "amname", "amtype", "amcanorder"])?;
    out.row(&at, [oid(2), text("heap"), text("t"), yes(false)])?;
    out.row(&at, [oid(403), text("btree"), text("i"), yes(true)])
}

pub(super) fn pg_collation(_: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns([
        "oid",
        "collname",
        "collnamespace",
        "collowner",
        "collprovider",
        "collisdeterministic",
        "collencoding",
        "collcollate",
        "collctype",
    ])?;
    for (number, name) in COLLATIONS {
        let is_default = name == "default";
        // ucs_basic is the order of code points, which of UTF-8 is that of bytes.
        let order = match name {
            "default" => None,
            "ucs_basic" => Some("C"),
            name => Some(name),
        };
        out.row(
            &at,
            [
                oid(number),
                text(name),
                oid(SYSTEM_SCHEMAS[0].0),
                oid(OWNER),
                text(if is_default { "d" } else { "c" }),
                yes(true),
                int(if name == "ucs_basic" { UTF8 } else { -1 }),
                maybe(order),
                maybe(order),
            ],
        )?;
    }
    Ok(())
}

pub(super) fn pg_language(_: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["oid", "lanname", "lanowner"])?;
    out.row(&at, [oid(INTERNAL), text("internal"), oid(OWNER)])
}

pub(super) fn pg_tablespace(_: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["oid", "spcname", "spcowner"])?;
    out.row(&at, [oid(DEFAULT_TABLESPACE), text("pg_default"), oid(OWNER)])?;
    out.row(&at, [oid(DEFAULT_TABLESPACE + 1), text("pg_global"), oid(OWNER)])
}
