//! information_schema: constraints, and which columns and tables they and views are about.

use super::Make;
use crate::catalog::{Catalog, is_key};
use crate::object::{Constraint, ConstraintKind, Kind, Object};
use crate::out::{Done, Out, int, text};

pub(super) fn maker(name: &str) -> Option<Make> {
    Some(match name {
        "table_constraints" => table_constraints,
        "key_column_usage" => key_column_usage,
        "constraint_column_usage" => constraint_column_usage,
        "constraint_table_usage" => constraint_table_usage,
        "check_constraints" => check_constraints,
        "view_table_usage" => view_table_usage,
        _ => return None,
    })
}

fn constraints(catalog: &Catalog) -> impl Iterator<Item = (&Constraint, &Object)> {
    let all = catalog.constraints().filter(|(.., object)| object.kind == Kind::Table);
    all.map(|(_, constraint, object)| (constraint, object))
}

/// Columns that are never NULL, which are constraints here and have PostgreSQL's names for them.
fn not_nulls(catalog: &Catalog) -> impl Iterator<Item = (String, &str, &Object)> {
    let tables = catalog.snapshot.iter().filter(|object| object.kind == Kind::Table);
    tables.flat_map(|object| {
        let schema = catalog.schema_oid(&object.schema).unwrap_or(0);
        let columns = object.columns.iter().zip(1..).filter(|(column, _)| column.not_null);
        columns.map(move |(column, number): (_, usize)| {
            (format!("{schema}_{}_{number}_not_null", object.oid), column.name.as_str(), object)
        })
    })
}

fn table_constraints(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns([
        "constraint_catalog",
        "constraint_schema",
        "constraint_name",
        "table_catalog",
        "table_schema",
        "table_name",
        "constraint_type",
        "is_deferrable",
        "initially_deferred",
        "enforced",
        "nulls_distinct",
    ])?;
    let database = text(&catalog.session.database);
    let mut row = |name: &str, object: &Object, kind: &str| {
        let (schema, table) = (text(&object.schema), text(&object.name));
        let no = text("NO");
        let distinct = if kind == "UNIQUE" { text("YES") } else { tidewater_types::Datum::Null };
        out.row(&at, [database, schema, text(name), database, schema, table, text(kind), no, no, text("YES"), distinct])
    };
    for (constraint, object) in constraints(catalog) {
        let kind = match constraint.kind {
            ConstraintKind::PrimaryKey => "PRIMARY KEY",
            ConstraintKind::Unique => "UNIQUE",
            ConstraintKind::Check => "CHECK",
        };
        row(&constraint.name, object, kind)?;
    }
    for (name, _, object) in not_nulls(catalog) {
        row(&name, object, "CHECK")?;
    }
    Ok(())
}

fn key_column_usage(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns([
        "constraint_catalog",
        "constraint_schema",
        "constraint_name",
        "table_catalog",
        "table_schema",
        "table_name",
        "column_name",
        "ordinal_position",
    ])?;
    let database = text(&catalog.session.database);
    for (constraint, object) in constraints(catalog).filter(|(constraint, _)| is_key(constraint)) {
        for (number, place) in constraint.columns.iter().enumerate() {
            let Some(column) = object.columns.get(*place) else { continue };
            let (schema, table) = (text(&object.schema), text(&object.name));
            let name = text(&constraint.name);
            out.row(&at, [database, schema, name, database, schema, table, text(&column.name), int(number + 1)])?;
        }
    }
    Ok(())
}

fn constraint_column_usage(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns([
        "table_catalog",
        "table_schema",
        "table_name",
        "column_name",
        "constraint_catalog",
        "constraint_schema",
        "constraint_name",
    ])?;
    let database = text(&catalog.session.database);
    for (constraint, object) in constraints(catalog) {
        for place in &constraint.columns {
            let Some(column) = object.columns.get(*place) else { continue };
            let (schema, table) = (text(&object.schema), text(&object.name));
            let name = text(&constraint.name);
            out.row(&at, [database, schema, table, text(&column.name), database, schema, name])?;
        }
    }
    Ok(())
}

/// The referenced tables of foreign keys, of which there are none, and those of keys.
fn constraint_table_usage(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns([
        "table_catalog",
        "table_schema",
        "table_name",
        "constraint_catalog",
        "constraint_schema",
        "constraint_name",
    ])?;
    let database = text(&catalog.session.database);
    for (constraint, object) in constraints(catalog).filter(|(constraint, _)| is_key(constraint)) {
        let (schema, table) = (text(&object.schema), text(&object.name));
        out.row(&at, [database, schema, table, database, schema, text(&constraint.name)])?;
    }
    Ok(())
}

fn check_constraints(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["constraint_catalog", "constraint_schema", "constraint_name", "check_clause"])?;
    let database = text(&catalog.session.database);
    for (constraint, object) in constraints(catalog).filter(|(constraint, _)| !is_key(constraint)) {
        let clause = format!("({})", constraint.condition);
        out.row(&at, [database, text(&object.schema), text(&constraint.name), text(&clause)])?;
    }
    for (name, column, object) in not_nulls(catalog) {
        let clause = format!("{column} IS NOT NULL");
        out.row(&at, [database, text(&object.schema), text(&name), text(&clause)])?;
    }
    Ok(())
}

fn view_table_usage(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at =
        out.columns(["view_catalog", "view_schema", "view_name", "table_catalog", "table_schema", "table_name"])?;
    let database = text(&catalog.session.database);
    for view in catalog.snapshot.iter().filter(|object| object.kind == Kind::View) {
        for table in view.uses.iter().filter_map(|oid| catalog.snapshot.get(*oid)) {
            let (schema, name) = (text(&view.schema), text(&view.name));
            out.row(&at, [database, schema, name, database, text(&table.schema), text(&table.name)])?;
        }
    }
    Ok(())
}
