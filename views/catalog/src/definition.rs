//! Objects as the statements that would make them.

use std::fmt::Write;

use tidewater_functions::quote_ident;
use tidewater_types::Column;

use crate::catalog::{Class, Key};
use crate::object::{Constraint, ConstraintKind, Object};

/// `schema.name`, as it must be written.
pub(crate) fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quote_ident(schema), quote_ident(name))
}

/// Names of columns, as they must be written.
pub(crate) fn column_list(columns: &[&Column]) -> String {
    let names: Vec<String> = columns.iter().map(|column| quote_ident(&column.name)).collect();
    names.join(", ")
}

/// The statement that makes an index, with the table's schema or without.
pub(crate) fn index(class: &Class<'_>, with_schema: bool) -> Option<String> {
    let Key { on, unique, .. } = class.key()?;
    let table = if with_schema { qualified(&on.schema, &on.name) } else { quote_ident(&on.name) };
    let mut out = String::from(if unique { "CREATE UNIQUE INDEX " } else { "CREATE INDEX " });
    // Writing to a String cannot fail.
    let _ = write!(out, "{} ON {} USING btree (", quote_ident(&class.name), table);
    out += &column_list(&class.columns());
    out.push(')');
    Some(out)
}

/// A constraint as CREATE TABLE has it. PostgreSQL prints a condition in parentheses of its own, but not for people.
pub(crate) fn constraint(constraint: &Constraint, of: &Object, for_people: bool) -> String {
    let columns: Vec<&Column> = constraint.columns.iter().filter_map(|at| of.columns.get(*at)).collect();
    match constraint.kind {
        ConstraintKind::PrimaryKey => format!("PRIMARY KEY ({})", column_list(&columns)),
        ConstraintKind::Unique => format!("UNIQUE ({})", column_list(&columns)),
        ConstraintKind::Check if for_people => format!("CHECK ({})", constraint.condition),
        ConstraintKind::Check => format!("CHECK (({}))", constraint.condition),
    }
}
