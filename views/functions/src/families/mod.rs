//! The entries of the table, one file a family.

mod comparison;
mod counting;
mod integers;
mod moments;
mod series;
mod strings;
mod windows;

use crate::table::Table;

/// Puts every family's entries into the table.
pub(crate) fn register(table: &mut Table) {
    integers::register(table);
    comparison::register(table);
    moments::register(table);
    counting::register(table);
    series::register(table);
    windows::register(table);
    strings::register(table);
}
