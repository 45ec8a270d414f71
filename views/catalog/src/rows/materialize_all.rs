//! mz_catalog and mz_internal: lists of objects of all kinds, types, functions, and what depends on what.

use tidewater_functions::Param;
use tidewater_types::{Datum, Result, Scratch, Type};

use super::Make;
use super::materialize::{cluster_of, id, kind_name, owner, schema_id};
use crate::catalog::{Catalog, Class, DATABASE, Of};
use crate::functions::{functions, operators, param_oid};
use crate::object::Object;
use crate::out::{Done, Out, array, maybe, oid, text, yes};
use crate::types::types;

pub(super) fn maker(name: &str) -> Option<Make> {
    Some(match name {
        "mz_objects" => objects,
        "mz_relations" => relations,
        "mz_types" => all_types,
        "mz_base_types" => base_types,
        "mz_array_types" => array_types,
        "mz_functions" => all_functions,
        "mz_operators" => all_operators,
        "mz_object_dependencies" => dependencies,
        "mz_object_fully_qualified_names" => full_names,
        _ => return None,
    })
}

/// Types and functions are all there from the beginning.
fn system_id(oid: u32) -> String {
    format!("s{oid}")
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
    let mut row = |id: String, number: u32, schema: &str, name: &str, kind: &str| {
        let schema = schema_id(catalog, schema);
        let kind_text = text(kind);
        let owner = owner();
        out.row(&at, [text(&id), oid(number), text(&schema), text(name), kind_text, text(&owner), cluster_of(kind)])
    };
    // The indexes of constraints are no objects of Materialize's.
    for class in catalog.classes().filter(|class| !matches!(class.of, Of::Key(..))) {
        row(id(class.oid), class.oid, class.schema, &class.name, class_kind(&class))?;
    }
    for object in others(catalog) {
        row(id(object.oid), object.oid, &object.schema, &object.name, kind_name(object.kind))?;
    }
    for numbered in functions() {
        row(system_id(numbered.oid), numbered.oid, "pg_catalog", numbered.function.name, "function")?;
    }
    for ty in types() {
        row(system_id(ty.oid), ty.oid, "pg_catalog", &ty.name, "type")?;
    }
    Ok(())
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
        out.row(
            &at,
            [text(&system_id(ty.oid)), oid(ty.oid), text(&schema), text(&ty.name), text(category), text(&owner())],
        )?;
    }
    Ok(())
}

fn base_types(_: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["id"])?;
    for ty in types().iter().filter(|ty| ty.kind == "b" && ty.category != "A") {
        out.row(&at, [text(&system_id(ty.oid))])?;
    }
    Ok(())
}

fn array_types(_: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["id", "element_id"])?;
    for ty in types().iter().filter(|ty| ty.category == "A") {
        out.row(&at, [text(&system_id(ty.oid)), text(&system_id(ty.element))])?;
    }
    Ok(())
}

fn type_id(param: &Param) -> String {
    system_id(param_oid(param))
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
            Some(Param::Of(ty)) if function.variadic => Some(system_id(ty.element().map_or(0, Type::oid))),
            Some(last) if function.variadic => Some(type_id(last)),
            _ => None,
        };
        out.row(
            &at,
            [
                text(&system_id(numbered.oid)),
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
