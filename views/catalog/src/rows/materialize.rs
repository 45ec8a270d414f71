//! mz_catalog and mz_internal: the same objects as Materialize lists them (<https://materialize.com/docs/sql/system-catalog/>). An id is
//! the object's oid behind a letter: `u` for what users make, `s` for what is there from the beginning.

use tidewater_functions::Param;
use tidewater_types::{ColumnType, Datum, Result, Scratch, Type};

use super::Make;
use crate::catalog::{Catalog, Class, DATABASE, Of, SYSTEM_SCHEMAS};
use crate::functions::{functions, operators, param_oid};
use crate::object::{FIRST_OID, Kind, Object};
use crate::out::{Done, Out, array, int, maybe, oid, text, yes};
use crate::types::types;

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
        "mz_objects" => objects,
        "mz_relations" => relations,
        "mz_connections" => connections,
        "mz_secrets" => secrets,
        "mz_clusters" => clusters,
        "mz_cluster_replicas" => cluster_replicas,
        "mz_types" => all_types,
        "mz_base_types" => base_types,
        "mz_array_types" => array_types,
        "mz_functions" => all_functions,
        "mz_operators" => all_operators,
        "mz_roles" => roles,
        "mz_object_dependencies" => dependencies,
        "mz_object_fully_qualified_names" => full_names,
        _ => return None,
    })
}

fn id(oid: u32) -> String {
    format!("{}{oid}", if oid >= FIRST_OID { 'u' } else { 's' })
}

fn role_id(oid: u32) -> String {
    format!("u{oid}")
}

fn owner() -> String {
    role_id(crate::catalog::OWNER)
}

fn schema_id(catalog: &Catalog, name: &str) -> String {
    let oid = catalog.schema_oid(name).unwrap_or(0);
    format!("{}{oid}", if SYSTEM_SCHEMAS.iter().any(|(known, _)| *known == oid) { 's' } else { 'u' })
}

fn of_kind(catalog: &Catalog, kind: Kind) -> impl Iterator<Item = &Object> {
    catalog.snapshot.iter().filter(move |object| object.kind == kind)
}

/// An object's kind in Materialize's words.
fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Table | Kind::System => "table",
        Kind::View => "view",
        Kind::MaterializedView => "materialized-view",
        Kind::Source => "source",
        Kind::Index => "index",
        Kind::Connection => "connection",
        Kind::Secret => "secret",
        Kind::Sink => "sink",
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
    let at =
        out.columns(["id", "oid", "schema_id", "name", "definition", "owner_id", "create_sql", "redacted_create_sql"])?;
    for object in of_kind(catalog, Kind::View) {
        let sql = maybe(object.shown_statement());
        let schema = schema_id(catalog, &object.schema);
        out.row(
            &at,
            [
                text(&id(object.oid)),
                oid(object.oid),
                text(&schema),
                text(&object.name),
                text(&object.query),
                text(&owner()),
                sql,
                sql,
            ],
        )?;
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
    ])?;
    for object in of_kind(catalog, kind) {
        let sql = maybe(object.shown_statement());
        let schema = schema_id(catalog, &object.schema);
        let connection = connection_of(catalog, object);
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

/// A relation's kind in Materialize's words.
fn class_kind(class: &Class<'_>) -> &'static str {
    match class.of {
        Of::Object(object) | Of::Index(object, ..) => kind_name(object.kind),
        Of::Key(..) => "index",
        Of::System(shape) if shape.kind == 'r' => "table",
        Of::System(_) => "view",
    }
}

fn cluster_of(kind: &str) -> Datum<'static> {
    match kind {
        "materialized-view" | "index" | "source" | "sink" => text(CLUSTER_ID),
        _ => Datum::Null,
    }
}

fn relations(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["id", "oid", "schema_id", "name", "type", "owner_id", "cluster_id"])?;
    for class in catalog.classes().filter(|class| !class.is_index()) {
        let kind = class_kind(&class);
        let schema = schema_id(catalog, class.schema);
        out.row(
            &at,
            [
                text(&id(class.oid)),
                oid(class.oid),
                text(&schema),
                text(&class.name),
                text(kind),
                text(&owner()),
                cluster_of(kind),
            ],
        )?;
    }
    Ok(())
}

/// Objects but relations: connections, secrets, sinks.
fn others(catalog: &Catalog) -> impl Iterator<Item = &Object> {
    catalog.snapshot.iter().filter(|object| !object.is_relation())
}

fn objects(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["id", "oid", "schema_id", "name", "type", "owner_id", "cluster_id"])?;
    let mut row = |number: u32, schema: &str, name: &str, kind: &str| {
        let schema = schema_id(catalog, schema);
        let kind_text = text(kind);
        let owner = owner();
        out.row(
            &at,
            [text(&id(number)), oid(number), text(&schema), text(name), kind_text, text(&owner), cluster_of(kind)],
        )
    };
    // The indexes of constraints are no objects of Materialize's.
    for class in catalog.classes().filter(|class| !matches!(class.of, Of::Key(..))) {
        row(class.oid, class.schema, &class.name, class_kind(&class))?;
    }
    for object in others(catalog) {
        row(object.oid, &object.schema, &object.name, kind_name(object.kind))?;
    }
    for numbered in functions() {
        row(numbered.oid, "pg_catalog", numbered.function.name, "function")?;
    }
    for ty in types() {
        row(ty.oid, "pg_catalog", &ty.name, "type")?;
    }
    Ok(())
}

fn connections(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at =
        out.columns(["id", "oid", "schema_id", "name", "type", "owner_id", "create_sql", "redacted_create_sql"])?;
    for object in of_kind(catalog, Kind::Connection) {
        let sql = maybe(object.shown_statement());
        let schema = schema_id(catalog, &object.schema);
        out.row(
            &at,
            [
                text(&id(object.oid)),
                oid(object.oid),
                text(&schema),
                text(&object.name),
                text(&object.flavour),
                text(&owner()),
                sql,
                sql,
            ],
        )?;
    }
    Ok(())
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

fn all_types(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["id", "oid", "schema_id", "name", "category", "owner_id"])?;
    let schema = schema_id(catalog, "pg_catalog");
    for ty in types() {
        let category = match ty.category.as_str() {
            "A" => "array",
            "B" => "boolean",
            "D" => "date-time",
            "N" => "numeric",
            "P" => "pseudo",
            "S" => "string",
            "T" => "timespan",
            "R" => "range",
            _ => "user-defined",
        };
        out.row(&at, [text(&id(ty.oid)), oid(ty.oid), text(&schema), text(&ty.name), text(category), text(&owner())])?;
    }
    Ok(())
}

fn base_types(_: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["id"])?;
    for ty in types().iter().filter(|ty| ty.kind == "b" && ty.category != "A") {
        out.row(&at, [text(&id(ty.oid))])?;
    }
    Ok(())
}

fn array_types(_: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["id", "element_id"])?;
    for ty in types().iter().filter(|ty| ty.category == "A") {
        out.row(&at, [text(&id(ty.oid)), text(&id(ty.element))])?;
    }
    Ok(())
}

fn type_id(param: &Param) -> String {
    id(param_oid(param))
}

fn type_ids<'a>(params: &[Param], scratch: &'a Scratch) -> Result<Datum<'a>> {
    let ids: Vec<String> = params.iter().map(type_id).collect();
    let ids: Vec<Datum<'_>> = ids.iter().map(|id| text(id)).collect();
    array(scratch, &ids)
}

fn all_functions(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns([
        "id",
        "oid",
        "schema_id",
        "name",
        "argument_type_ids",
        "variadic_argument_type_id",
        "return_type_id",
        "returns_set",
        "owner_id",
    ])?;
    let scratch = Scratch::new();
    let schema = schema_id(catalog, "pg_catalog");
    for numbered in functions() {
        let function = numbered.function;
        let variadic = match function.params.last() {
            Some(Param::Of(ty)) if function.variadic => Some(id(ty.element().map_or(0, Type::oid))),
            Some(last) if function.variadic => Some(type_id(last)),
            _ => None,
        };
        out.row(
            &at,
            [
                text(&id(numbered.oid)),
                oid(numbered.oid),
                text(&schema),
                text(function.name),
                type_ids(&function.params, &scratch)?,
                maybe(variadic.as_deref()),
                text(&type_id(&function.result)),
                yes(function.kind == tidewater_functions::Kind::Set),
                text(&owner()),
            ],
        )?;
    }
    Ok(())
}

fn all_operators(_: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["oid", "name", "argument_type_ids", "return_type_id"])?;
    let scratch = Scratch::new();
    for numbered in operators() {
        let operator = numbered.function;
        out.row(
            &at,
            [
                oid(numbered.oid),
                text(operator.name),
                type_ids(&operator.params, &scratch)?,
                text(&type_id(&operator.result)),
            ],
        )?;
    }
    Ok(())
}

fn roles(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["id", "oid", "name", "inherit", "rolcanlogin", "rolsuper"])?;
    for (number, name) in catalog.roles() {
        out.row(&at, [text(&role_id(number)), oid(number), text(name), yes(true), yes(true), yes(true)])?;
    }
    Ok(())
}

fn dependencies(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["object_id", "referenced_object_id"])?;
    for object in catalog.snapshot.iter() {
        for used in &object.uses {
            out.row(&at, [text(&id(object.oid)), text(&id(*used))])?;
        }
    }
    Ok(())
}

fn full_names(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns([
        "id",
        "name",
        "object_type",
        "schema_id",
        "schema_name",
        "database_id",
        "database_name",
        "cluster_id",
    ])?;
    let database_id = format!("u{DATABASE}");
    let mut row = |number: u32, schema: &str, name: &str, kind: &str| {
        let is_system = crate::has_schema(schema);
        let in_database = |name| if is_system { Datum::Null } else { text(name) };
        let (database_id, database) = (in_database(&database_id), in_database(&catalog.session.database));
        let schema_id = schema_id(catalog, schema);
        out.row(
            &at,
            [
                text(&id(number)),
                text(name),
                text(kind),
                text(&schema_id),
                text(schema),
                database_id,
                database,
                cluster_of(kind),
            ],
        )
    };
    for class in catalog.classes().filter(|class| !matches!(class.of, Of::Key(..))) {
        row(class.oid, class.schema, &class.name, class_kind(&class))?;
    }
    for object in others(catalog) {
        row(object.oid, &object.schema, &object.name, kind_name(object.kind))?;
    }
    Ok(())
}
