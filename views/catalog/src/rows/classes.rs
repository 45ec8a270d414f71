//! Relations and their columns: pg_class, pg_attribute, pg_attrdef.

use tidewater_types::{Column, Datum, Type};

use crate::catalog::{Catalog, Class, OWNER, Of, default_oid};
use crate::object::{ConstraintKind, Identity, Kind, Object};
use crate::out::{Done, Out, int, oid, text, yes};
use crate::types::type_row;

/// PostgreSQL's access methods of tables and of indexes, as which ours show themselves.
const HEAP: u32 = 2;
pub(super) const BTREE: u32 = 403;

pub(super) fn pg_class(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns([
        "oid",
        "relname",
        "relnamespace",
        "relowner",
        "relam",
        "reltuples",
        "relhasindex",
        "relpersistence",
        "relkind",
        "relnatts",
        "relchecks",
        "relispopulated",
        "relreplident",
        "relhasrules",
    ])?;
    let indexed: Vec<u32> = catalog.snapshot.iter().filter_map(|object| object.index.as_ref()).map(|i| i.on).collect();
    for class in catalog.classes() {
        let (keys, checks) = constraints(&class);
        let kind = class.kind.to_string();
        let access = match class.kind {
            'r' | 'm' => HEAP,
            'i' => BTREE,
            _ => 0,
        };
        out.row(
            &at,
            [
                oid(class.oid),
                text(&class.name),
                oid(catalog.schema_oid(class.schema).unwrap_or(0)),
                oid(OWNER),
                oid(access),
                // Nobody has counted.
                Datum::Float(-1.0),
                yes(keys || indexed.contains(&class.oid)),
                text(if tidewater_functions::is_temp_schema(class.schema) { "t" } else { "p" }),
                text(&kind),
                int(class.columns().len()),
                int(checks),
                yes(true),
                text(if matches!(class.of, Of::System(_)) || matches!(class.kind, 'v' | 'i') { "n" } else { "d" }),
                yes(matches!(class.kind, 'v' | 'm')),
            ],
        )?;
    }
    Ok(())
}

/// Whether one of them has an index, and how many are checks.
fn constraints(class: &Class<'_>) -> (bool, usize) {
    let Of::Object(object) = class.of else { return (false, 0) };
    let checks = object.constraints.iter().filter(|constraint| constraint.kind == ConstraintKind::Check).count();
    (object.constraints.len() > checks, checks)
}

/// How many dimensions a column is declared with: arrays say nothing of it but that it is one.
fn dimensions(column: &Column) -> i64 {
    i64::from(matches!(column.ty.ty, Type::Array(_)))
}

pub(super) fn pg_attribute(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns([
        "attrelid",
        "attname",
        "atttypid",
        "attstattarget",
        "attlen",
        "attnum",
        "attndims",
        "attcacheoff",
        "atttypmod",
        "attbyval",
        "attalign",
        "attstorage",
        "attnotnull",
        "atthasdef",
        "attidentity",
        "attislocal",
        "attcollation",
    ])?;
    for class in catalog.classes() {
        let object = match class.of {
            Of::Object(object) => Some(object),
            _ => None,
        };
        for (place, column) in class.columns().into_iter().enumerate() {
            let row = type_row(column.ty.ty.oid());
            let has_default = object.is_some_and(|object| object.defaults.iter().any(|(of, _)| *of == place));
            out.row(
                &at,
                [
                    oid(class.oid),
                    text(&column.name),
                    oid(column.ty.ty.oid()),
                    int(-1),
                    row.map_or(int(-1), |row| int(row.length)),
                    int(place + 1),
                    int(dimensions(column)),
                    int(-1),
                    int(column.ty.modifier),
                    yes(row.is_some_and(|row| row.by_value)),
                    text(row.map_or("i", |row| &row.align)),
                    text(row.map_or("x", |row| &row.storage)),
                    yes(column.not_null && !class.is_index()),
                    yes(has_default),
                    text(identity(object, place)),
                    yes(true),
                    oid(row.map_or(0, |row| row.collation)),
                ],
            )?;
        }
    }
    Ok(())
}

/// What pg_attribute says of an identity column.
fn identity(object: Option<&Object>, place: usize) -> &'static str {
    let found = object.and_then(|object| object.identities.iter().find(|(at, _)| *at == place));
    match found {
        Some((_, Identity::Always)) => "a",
        Some((_, Identity::ByDefault)) => "d",
        None => "",
    }
}

pub(super) fn pg_attrdef(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["oid", "adrelid", "adnum", "adbin", "adsrc"])?;
    for object in catalog.snapshot.iter().filter(|object| object.kind == Kind::Table) {
        for (place, default) in &object.defaults {
            let number = oid(default_oid(object, *place));
            out.row(&at, [number, oid(object.oid), int(place + 1), text(default), text(default)])?;
        }
    }
    Ok(())
}
