//! Keys: pg_index, pg_constraint.

use tidewater_types::{Datum, Scratch};

use crate::catalog::{Catalog, Key, is_key};
use crate::object::{ConstraintKind, Kind};
use crate::out::{Done, Out, array, int, oid, text, vector, yes};
use crate::types::type_row;

pub(super) fn pg_index(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns([
        "indexrelid",
        "indrelid",
        "indnatts",
        "indnkeyatts",
        "indisunique",
        "indisprimary",
        "indimmediate",
        "indisvalid",
        "indisready",
        "indislive",
        "indkey",
        "indcollation",
        "indclass",
        "indoption",
    ])?;
    let scratch = Scratch::new();
    for class in catalog.own_classes() {
        let Some(Key { on, places, primary, unique }) = class.key() else { continue };
        let collations = class.columns().into_iter().map(|column| match type_row(column.ty.ty.oid()) {
            Some(row) => row.collation.into(),
            None => 0,
        });
        let zeros = || places.iter().map(|_| 0);
        out.row(
            &at,
            [
                oid(class.oid),
                oid(on.oid),
                int(places.len()),
                int(places.len()),
                yes(unique),
                yes(primary),
                yes(true),
                yes(true),
                yes(true),
                yes(true),
                vector(&scratch, places.iter().map(|place| *place as i64 + 1))?,
                vector(&scratch, collations)?,
                vector(&scratch, zeros())?,
                vector(&scratch, zeros())?,
            ],
        )?;
    }
    Ok(())
}

pub(super) fn pg_constraint(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns([
        "oid",
        "conname",
        "connamespace",
        "contype",
        "convalidated",
        "conrelid",
        "conindid",
        "confupdtype",
        "confdeltype",
        "confmatchtype",
        "conislocal",
        "connoinherit",
        "conkey",
        "conbin",
        "consrc",
    ])?;
    let scratch = Scratch::new();
    for (number, constraint, object) in catalog.constraints().filter(|(.., object)| object.kind == Kind::Table) {
        let kind = match constraint.kind {
            ConstraintKind::PrimaryKey => "p",
            ConstraintKind::Unique => "u",
            ConstraintKind::Check => "c",
        };
        let condition = if is_key(constraint) { Datum::Null } else { text(&constraint.condition) };
        let columns: Vec<Datum<'_>> = constraint.columns.iter().map(|place| int(place + 1)).collect();
        out.row(
            &at,
            [
                oid(number),
                text(&constraint.name),
                oid(catalog.schema_oid(&object.schema).unwrap_or(0)),
                text(kind),
                yes(true),
                oid(object.oid),
                oid(if is_key(constraint) { number } else { 0 }),
                text(" "),
                text(" "),
                text(" "),
                yes(true),
                yes(is_key(constraint)),
                array(&scratch, &columns)?,
                condition,
                condition,
            ],
        )?;
    }
    Ok(())
}
