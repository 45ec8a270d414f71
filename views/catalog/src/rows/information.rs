//! information_schema: schemata, tables, views, columns, functions
//! (<https://www.postgresql.org/docs/15/information-schema.html>). Materialized views stand among the tables, which PostgreSQL leaves
//! out: they are what dashboards are to list here.

use tidewater_functions::Kind as FunctionKind;
use tidewater_types::{Column, ColumnType, Datum, Type};

use super::Make;
use super::lists::is_insertable;
use crate::catalog::{Catalog, Class};
use crate::functions::{functions, param_oid};
use crate::object::{Identity, Kind};
use crate::out::{Done, Out, int, maybe, text, yes_or_no};
use crate::types::type_row;

/// The greatest size of a text, as PostgreSQL tells it here.
const TEXT_OCTETS: i64 = 1_073_741_824;

pub(super) fn maker(name: &str) -> Option<Make> {
    Some(match name {
        "information_schema_catalog_name" => catalog_name,
        "applicable_roles" => applicable_roles,
        "enabled_roles" => enabled_roles,
        "schemata" => schemata,
        "tables" => tables,
        "views" => views,
        "columns" => columns,
        "table_privileges" | "role_table_grants" => table_privileges,
        "sequences" => sequences,
        "routines" => routines,
        "parameters" => parameters,
        "character_sets" => character_sets,
        "collations" => collations,
        _ => return None,
    })
}

fn catalog_name(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["catalog_name"])?;
    out.row(&at, [text(&catalog.session.database)])
}

fn applicable_roles(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["grantee", "role_name", "is_grantable"])?;
    if catalog.session.user == catalog.snapshot.owner {
        return Ok(());
    }
    out.row(&at, [text(&catalog.session.user), text(&catalog.snapshot.owner), text("NO")])
}

fn enabled_roles(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["role_name"])?;
    for (_, role) in catalog.roles() {
        out.row(&at, [text(role)])?;
    }
    Ok(())
}

fn schemata(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["catalog_name", "schema_name", "schema_owner"])?;
    for (_, name) in catalog.schemas() {
        out.row(&at, [text(&catalog.session.database), text(name), text(&catalog.snapshot.owner)])?;
    }
    Ok(())
}

/// Relations that information_schema has: all but indexes and sequences.
pub(super) fn listed(catalog: &Catalog) -> impl Iterator<Item = Class<'_>> {
    catalog.classes().filter(|class| !class.is_index() && class.kind != 'S')
}

fn tables(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at =
        out.columns(["table_catalog", "table_schema", "table_name", "table_type", "is_insertable_into", "is_typed"])?;
    for class in listed(catalog) {
        let kind = match class.kind {
            'v' => "VIEW",
            'm' => "MATERIALIZED VIEW",
            _ if tidewater_functions::is_temp_schema(class.schema) => "LOCAL TEMPORARY",
            _ => "BASE TABLE",
        };
        let insertable = yes_or_no(is_insertable(&class));
        let (database, schema) = (text(&catalog.session.database), text(class.schema));
        out.row(&at, [database, schema, text(&class.name), text(kind), insertable, text("NO")])?;
    }
    Ok(())
}

fn views(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns([
        "table_catalog",
        "table_schema",
        "table_name",
        "view_definition",
        "check_option",
        "is_updatable",
        "is_insertable_into",
        "is_trigger_updatable",
        "is_trigger_deletable",
        "is_trigger_insertable_into",
    ])?;
    for class in catalog.classes().filter(|class| class.kind == 'v') {
        let query = maybe(class.object().map(|object| object.query.as_str()));
        let (database, schema, name) = (text(&catalog.session.database), text(class.schema), text(&class.name));
        let no = text("NO");
        out.row(&at, [database, schema, name, query, text("NONE"), no, no, no, no, no])?;
    }
    Ok(())
}

/// What information_schema says of a type beside its name.
#[derive(Default)]
struct Measures {
    characters: Option<i64>,
    octets: Option<i64>,
    precision: Option<i64>,
    radix: Option<i64>,
    scale: Option<i64>,
    fraction: Option<i64>,
}

fn measures(ty: &ColumnType) -> Measures {
    let none = Measures::default();
    let number = |precision, radix, scale| Measures {
        precision: Some(precision),
        radix: Some(radix),
        scale,
        ..Measures::default()
    };
    // A length is kept with four more.
    let length = (ty.modifier >= 4).then(|| i64::from(ty.modifier) - 4);
    match ty.ty {
        Type::Int2 | Type::UInt2 => number(16, 2, Some(0)),
        Type::Int4 | Type::UInt4 => number(32, 2, Some(0)),
        Type::Int8 | Type::UInt8 => number(64, 2, Some(0)),
        Type::Float4 => number(24, 2, None),
        Type::Float8 => number(53, 2, None),
        Type::Numeric => match ty.numeric_modifier() {
            Some(modifier) => number(modifier.precision.into(), 10, Some(modifier.scale.into())),
            None => Measures { radix: Some(10), ..none },
        },
        Type::Text => Measures { octets: Some(TEXT_OCTETS), ..none },
        Type::Varchar | Type::Bpchar => {
            // Four bytes a character of UTF-8 at most.
            Measures { characters: length, octets: Some(length.map_or(TEXT_OCTETS, |length| length * 4)), ..none }
        }
        Type::Date => Measures { fraction: Some(0), ..none },
        Type::Time | Type::TimeTz | Type::Timestamp | Type::TimestampTz | Type::Interval => {
            Measures { fraction: Some(ty.fraction_digits().map_or(6, i64::from)), ..none }
        }
        _ => none,
    }
}

fn number(value: Option<i64>) -> Datum<'static> {
    value.map_or(Datum::Null, Datum::Int)
}

/// A type without its modifier; an array of whatever is an ARRAY.
fn data_type(ty: &Type) -> String {
    match ty {
        Type::Array(_) | Type::Int2Vector | Type::OidVector => "ARRAY".to_owned(),
        Type::Bpchar => "character".to_owned(),
        ty => ty.to_string(),
    }
}

fn columns(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns([
        "table_catalog",
        "table_schema",
        "table_name",
        "column_name",
        "ordinal_position",
        "column_default",
        "is_nullable",
        "data_type",
        "character_maximum_length",
        "character_octet_length",
        "numeric_precision",
        "numeric_precision_radix",
        "numeric_scale",
        "datetime_precision",
        "udt_catalog",
        "udt_schema",
        "udt_name",
        "dtd_identifier",
        "is_self_referencing",
        "is_identity",
        "identity_generation",
        "identity_start",
        "identity_increment",
        "identity_maximum",
        "identity_minimum",
        "identity_cycle",
        "is_generated",
        "is_updatable",
    ])?;
    for class in listed(catalog) {
        let updatable = yes_or_no(is_insertable(&class));
        for (place, column) in class.columns().into_iter().enumerate() {
            let measures = measures(&column.ty);
            let (number_text, data_type) = ((place + 1).to_string(), data_type(&column.ty.ty));
            let identity = IdentityShown::of(catalog, &class, place);
            out.row(
                &at,
                [
                    text(&catalog.session.database),
                    text(class.schema),
                    text(&class.name),
                    text(&column.name),
                    int(place + 1),
                    default(&class, place),
                    yes_or_no(!column.not_null),
                    text(&data_type),
                    number(measures.characters),
                    number(measures.octets),
                    number(measures.precision),
                    number(measures.radix),
                    number(measures.scale),
                    number(measures.fraction),
                    text(&catalog.session.database),
                    text("pg_catalog"),
                    text(&type_name(column)),
                    text(&number_text),
                    text("NO"),
                    yes_or_no(identity.is_some()),
                    maybe(identity.as_ref().map(|identity| identity.generation)),
                    maybe(identity.as_ref().map(|identity| identity.numbers[0].as_str())),
                    maybe(identity.as_ref().map(|identity| identity.numbers[1].as_str())),
                    maybe(identity.as_ref().map(|identity| identity.numbers[2].as_str())),
                    maybe(identity.as_ref().map(|identity| identity.numbers[3].as_str())),
                    yes_or_no(identity.as_ref().is_some_and(|identity| identity.cycles)),
                    text("NEVER"),
                    updatable,
                ],
            )?;
        }
    }
    Ok(())
}

/// What is shown of an identity column.
struct IdentityShown {
    generation: &'static str,
    /// Start, increment, maximum, minimum.
    numbers: [String; 4],
    cycles: bool,
}

impl IdentityShown {
    fn of(catalog: &Catalog, class: &Class<'_>, place: usize) -> Option<IdentityShown> {
        let object = class.object()?;
        let (_, identity) = object.identities.iter().find(|(at, _)| *at == place)?;
        let sequence = catalog.sequence_of(object.oid, &object.columns.get(place)?.name)?.sequence.as_ref()?;
        let numbers = [sequence.start, sequence.increment, sequence.max, sequence.min];
        Some(IdentityShown {
            generation: if *identity == Identity::Always { "ALWAYS" } else { "BY DEFAULT" },
            numbers: numbers.map(|number| number.to_string()),
            cycles: sequence.cycle,
        })
    }
}

/// Sequences but those of identity columns.
fn sequences(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns([
        "sequence_catalog",
        "sequence_schema",
        "sequence_name",
        "data_type",
        "numeric_precision",
        "numeric_precision_radix",
        "numeric_scale",
        "start_value",
        "minimum_value",
        "maximum_value",
        "increment",
        "cycle_option",
    ])?;
    for object in catalog.snapshot.iter() {
        let Some(sequence) = object.sequence.as_ref().filter(|_| !catalog.is_of_identity(object)) else { continue };
        let ty = Type::from_oid(sequence.ty).unwrap_or(Type::Int8);
        let (name, measures) = (data_type(&ty), measures(&ty.clone().into()));
        let numbers = [sequence.start, sequence.min, sequence.max, sequence.increment].map(|number| number.to_string());
        let row = [
            text(&catalog.session.database),
            text(&object.schema),
            text(&object.name),
            text(&name),
            number(measures.precision),
            number(measures.radix),
            number(measures.scale),
            text(&numbers[0]),
            text(&numbers[1]),
            text(&numbers[2]),
            text(&numbers[3]),
            yes_or_no(sequence.cycle),
        ];
        out.row(&at, row)?;
    }
    Ok(())
}

fn type_name(column: &Column) -> String {
    type_row(column.ty.ty.oid()).map_or_else(|| column.ty.ty.internal_name(), |row| row.name.clone())
}

fn default<'a>(class: &Class<'a>, place: usize) -> Datum<'a> {
    let object = class.object().filter(|object| object.kind == Kind::Table);
    maybe(object.and_then(|object| object.defaults.iter().find(|(of, _)| *of == place)).map(|(_, text)| text.as_str()))
}

fn table_privileges(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns([
        "grantor",
        "grantee",
        "table_catalog",
        "table_schema",
        "table_name",
        "privilege_type",
        "is_grantable",
        "with_hierarchy",
    ])?;
    for class in catalog.own_classes().filter(|class| !class.is_index()) {
        let privileges: &[&str] =
            if is_insertable(&class) { &["INSERT", "SELECT", "UPDATE", "DELETE"] } else { &["SELECT"] };
        for privilege in privileges {
            out.row(
                &at,
                [
                    text(&catalog.snapshot.owner),
                    text(&catalog.session.user),
                    text(&catalog.session.database),
                    text(class.schema),
                    text(&class.name),
                    text(privilege),
                    text("YES"),
                    yes_or_no(*privilege == "SELECT"),
                ],
            )?;
        }
    }
    Ok(())
}

fn specific_name(name: &str, oid: u32) -> String {
    format!("{name}_{oid}")
}

fn routines(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns([
        "specific_catalog",
        "specific_schema",
        "specific_name",
        "routine_catalog",
        "routine_schema",
        "routine_name",
        "routine_type",
        "data_type",
        "type_udt_name",
        "routine_body",
        "external_language",
        "is_deterministic",
        "is_null_call",
    ])?;
    let database = text(&catalog.session.database);
    for numbered in functions() {
        let function = numbered.function;
        let name = specific_name(function.name, numbered.oid);
        let result = type_row(param_oid(&function.result));
        let is_function = matches!(function.kind, FunctionKind::Scalar | FunctionKind::Set);
        let shown = result.and_then(|row| Type::from_oid(row.oid)).map(|ty| data_type(&ty));
        let kind = if is_function { text("FUNCTION") } else { Datum::Null };
        out.row(
            &at,
            [
                database,
                text("pg_catalog"),
                text(&name),
                database,
                text("pg_catalog"),
                text(function.name),
                kind,
                maybe(shown.as_deref().or(result.map(|row| row.name.as_str()))),
                maybe(result.map(|row| row.name.as_str())),
                text("EXTERNAL"),
                text("INTERNAL"),
                yes_or_no(function.volatility == tidewater_functions::Volatility::Immutable),
                yes_or_no(function.strict),
            ],
        )?;
    }
    Ok(())
}

fn parameters(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns([
        "specific_catalog",
        "specific_schema",
        "specific_name",
        "ordinal_position",
        "parameter_mode",
        "is_result",
        "parameter_name",
        "data_type",
        "udt_name",
        "dtd_identifier",
    ])?;
    for numbered in functions() {
        let function = numbered.function;
        let name = specific_name(function.name, numbered.oid);
        for (place, param) in function.params.iter().enumerate() {
            let row = type_row(param_oid(param));
            let shown = row.and_then(|row| Type::from_oid(row.oid)).map(|ty| data_type(&ty));
            let number = (place + 1).to_string();
            let named = Some(function.names[place]).filter(|name| !name.is_empty());
            out.row(
                &at,
                [
                    text(&catalog.session.database),
                    text("pg_catalog"),
                    text(&name),
                    int(place + 1),
                    text("IN"),
                    text("NO"),
                    maybe(named),
                    maybe(shown.as_deref().or(row.map(|row| row.name.as_str()))),
                    maybe(row.map(|row| row.name.as_str())),
                    text(&number),
                ],
            )?;
        }
    }
    Ok(())
}

fn character_sets(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["character_set_name", "character_repertoire", "form_of_use", "default_collate_catalog"])?;
    out.row(&at, [text("UTF8"), text("UCS"), text("UTF8"), text(&catalog.session.database)])
}

fn collations(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["collation_catalog", "collation_schema", "collation_name", "pad_attribute"])?;
    for (_, name) in crate::names::COLLATIONS {
        out.row(&at, [text(&catalog.session.database), text("pg_catalog"), text(name), text("NO PAD")])?;
    }
    Ok(())
}
