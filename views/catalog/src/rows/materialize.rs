//! mz_catalog and mz_internal: the same objects as Materialize lists them (<https://materialize.com/docs/sql/system-catalog/>). An id is
//! the object's oid behind a letter: `u` for what users make, `s` for what is there from the beginning.

use tidewater_types::{ColumnType, Datum};

use super::Make;
use crate::catalog::{Catalog, DATABASE, SYSTEM_SCHEMAS};
use crate::object::{FIRST_OID, Kind, Object};
use crate::out::{Done, Out, int, maybe, oid, text, yes};

/// The one cluster, as Materialize calls its first one.
const CLUSTER: &str = "quickstart";
const CLUSTER_ID: &str = "u1";

pub(super) fn maker(name: &str) -> Option<Make> {
    Some(match name {
        "mz_databases" => databases,
        "mz_schemas" => schemas,
        "mz_tables" => tables,
        "mz_views" => views,
        "mz_materialized_views" => materialized_views,
        "mz_sources" => sources,
        "mz_sinks" => sinks,
        "mz_indexes" => indexes,
        "mz_index_columns" => index_columns,
        "mz_columns" => columns,
        "mz_connections" => connections,
        "mz_secrets" => secrets,
        "mz_clusters" => clusters,
        "mz_cluster_replicas" => cluster_replicas,
        "mz_roles" => roles,
        _ => return None,
    })
}

pub(super) fn id(oid: u32) -> String {
    format!("{}{oid}", if oid >= FIRST_OID { 'u' } else { 's' })
}

fn role_id(oid: u32) -> String {
    format!("u{oid}")
}

pub(super) fn owner() -> String {
    role_id(crate::catalog::OWNER)
}

pub(super) fn schema_id(catalog: &Catalog, name: &str) -> String {
    let oid = catalog.schema_oid(name).unwrap_or(0);
    format!("{}{oid}", if SYSTEM_SCHEMAS.iter().any(|(known, _)| *known == oid) { 's' } else { 'u' })
}

fn of_kind(catalog: &Catalog, kind: Kind) -> impl Iterator<Item = &Object> {
    catalog.snapshot.iter().filter(move |object| object.kind == kind)
}

/// An object's kind in Materialize's words.
pub(super) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Table | Kind::System => "table",
        Kind::View => "view",
        Kind::MaterializedView => "materialized-view",
        Kind::Source => "source",
        Kind::Index => "index",
        Kind::Connection => "connection",
        Kind::Secret => "secret",
        Kind::Sink => "sink",
        Kind::Sequence => "sequence",
    }
}

fn databases(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["id", "oid", "name", "owner_id"])?;
    out.row(&at, [text(&format!("u{DATABASE}")), oid(DATABASE), text(&catalog.session.database), text(&owner())])
}

fn schemas(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["id", "oid", "database_id", "name", "owner_id"])?;
    let database = format!("u{DATABASE}");
    for (number, name) in catalog.schemas() {
        // The system's schemas are in no database.
        let is_system = SYSTEM_SCHEMAS.iter().any(|(known, _)| *known == number);
        let database = if is_system { Datum::Null } else { text(&database) };
        out.row(&at, [text(&schema_id(catalog, name)), oid(number), database, text(name), text(&owner())])?;
    }
    Ok(())
}

fn tables(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["id", "oid", "schema_id", "name", "owner_id", "create_sql", "redacted_create_sql"])?;
    for object in catalog.snapshot.iter().filter(|object| matches!(object.kind, Kind::Table | Kind::System)) {
        let sql = maybe(object.shown_statement());
        let schema = schema_id(catalog, &object.schema);
        out.row(
            &at,
            [text(&id(object.oid)), oid(object.oid), text(&schema), text(&object.name), text(&owner()), sql, sql],
        )?;
    }
    Ok(())
}

fn views(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    created(catalog, out, Kind::View, "definition", |object| &object.query)
}

/// Objects that have one column besides what every created object has.
fn created(
    catalog: &Catalog,
    out: &mut Out<'_, '_>,
    kind: Kind,
    column: &'static str,
    own: fn(&Object) -> &str,
) -> Done {
    let at =
        out.columns(["id", "oid", "schema_id", "name", column, "owner_id", "create_sql", "redacted_create_sql"])?;
    for object in of_kind(catalog, kind) {
        let sql = maybe(object.shown_statement());
        let (id, schema) = (id(object.oid), schema_id(catalog, &object.schema));
        let own = text(own(object));
        out.row(&at, [text(&id), oid(object.oid), text(&schema), text(&object.name), own, text(&owner()), sql, sql])?;
    }
    Ok(())
}

fn materialized_views(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns([
        "id",
        "oid",
        "schema_id",
        "name",
        "cluster_id",
        "definition",
        "owner_id",
        "create_sql",
        "redacted_create_sql",
    ])?;
    for object in of_kind(catalog, Kind::MaterializedView) {
        let sql = maybe(object.shown_statement());
        let schema = schema_id(catalog, &object.schema);
        out.row(
            &at,
            [
                text(&id(object.oid)),
                oid(object.oid),
                text(&schema),
                text(&object.name),
                text(CLUSTER_ID),
                text(&object.query),
                text(&owner()),
                sql,
                sql,
            ],
        )?;
    }
    Ok(())
}

/// The connection that a source or sink is made from.
fn connection_of(catalog: &Catalog, object: &Object) -> Option<String> {
    let uses = object.uses.iter().filter_map(|oid| catalog.snapshot.get(*oid));
    uses.into_iter().find(|used| used.kind == Kind::Connection).map(|used| id(used.oid))
}

fn sources(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    from_outside(catalog, out, Kind::Source)
}

fn sinks(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    from_outside(catalog, out, Kind::Sink)
}

fn from_outside(catalog: &Catalog, out: &mut Out<'_, '_>, kind: Kind) -> Done {
    let at = out.columns([
        "id",
        "oid",
        "schema_id",
        "name",
        "type",
        "connection_id",
        "cluster_id",
        "owner_id",
        "create_sql",
        "redacted_create_sql",
        "envelope_type",
        "value_format",
    ])?;
    for object in of_kind(catalog, kind) {
        let sql = maybe(object.shown_statement());
        let schema = schema_id(catalog, &object.schema);
        let connection = connection_of(catalog, object);
        let [envelope, format] = object.written.map_or([None; 2], |written| written.map(Some));
        out.row(
            &at,
            [
                text(&id(object.oid)),
                oid(object.oid),
                text(&schema),
                text(&object.name),
                text(&object.flavour),
                maybe(connection.as_deref()),
                text(CLUSTER_ID),
                text(&owner()),
                sql,
                sql,
                maybe(envelope),
                maybe(format),
            ],
        )?;
    }
    Ok(())
}

fn indexes(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at =
        out.columns(["id", "oid", "name", "on_id", "cluster_id", "owner_id", "create_sql", "redacted_create_sql"])?;
    for object in of_kind(catalog, Kind::Index) {
        let Some(index) = &object.index else { continue };
        let sql = maybe(object.shown_statement());
        out.row(
            &at,
            [
                text(&id(object.oid)),
                oid(object.oid),
                text(&object.name),
                text(&id(index.on)),
                text(CLUSTER_ID),
                text(&owner()),
                sql,
                sql,
            ],
        )?;
    }
    Ok(())
}

fn index_columns(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["index_id", "index_position", "on_position", "nullable"])?;
    for object in of_kind(catalog, Kind::Index) {
        let Some(index) = &object.index else { continue };
        let on = catalog.snapshot.get(index.on);
        for (number, place) in index.columns.iter().enumerate() {
            let column = on.and_then(|on| on.columns.get(*place));
            let nullable = column.is_none_or(|column| !column.not_null);
            out.row(&at, [text(&id(object.oid)), int(number + 1), int(place + 1), yes(nullable)])?;
        }
    }
    Ok(())
}

fn columns(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["id", "name", "position", "nullable", "type", "default", "type_oid", "type_mod"])?;
    for class in catalog.classes().filter(|class| !class.is_index()) {
        let defaults = class.object().map_or(&[][..], |object| &object.defaults);
        for (place, column) in class.columns().into_iter().enumerate() {
            let default = defaults.iter().find(|(of, _)| *of == place).map(|(_, text)| text.as_str());
            out.row(
                &at,
                [
                    text(&id(class.oid)),
                    text(&column.name),
                    int(place + 1),
                    yes(!column.not_null),
                    text(&ColumnType::from(column.ty.ty.clone()).to_string()),
                    maybe(default),
                    oid(column.ty.ty.oid()),
                    int(column.ty.modifier),
                ],
            )?;
        }
    }
    Ok(())
}

pub(super) fn cluster_of(kind: &str) -> Datum<'static> {
    match kind {
        "materialized-view" | "index" | "source" | "sink" => text(CLUSTER_ID),
        _ => Datum::Null,
    }
}

fn connections(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    created(catalog, out, Kind::Connection, "type", |object| &object.flavour)
}

fn secrets(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["id", "oid", "schema_id", "name", "owner_id"])?;
    for object in of_kind(catalog, Kind::Secret) {
        let schema = schema_id(catalog, &object.schema);
        out.row(&at, [text(&id(object.oid)), oid(object.oid), text(&schema), text(&object.name), text(&owner())])?;
    }
    Ok(())
}

fn clusters(_: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at =
        out.columns(["id", "name", "owner_id", "managed", "replication_factor", "disk", "introspection_debugging"])?;
    out.row(&at, [text(CLUSTER_ID), text(CLUSTER), text(&owner()), yes(true), int(1), yes(false), yes(false)])
}

fn cluster_replicas(_: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["id", "name", "cluster_id", "owner_id", "disk"])?;
    out.row(&at, [text("u1"), text("r1"), text(CLUSTER_ID), text(&owner()), yes(false)])
}

fn roles(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["id", "oid", "name", "inherit", "rolcanlogin", "rolsuper"])?;
    for (number, name) in catalog.roles() {
        out.row(&at, [text(&role_id(number)), oid(number), text(name), yes(true), yes(true), yes(true)])?;
    }
    Ok(())
}
