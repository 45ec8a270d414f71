//! The entries of the table, one file a family.

mod aggregates;
mod arrays;
mod arrays_make;
mod bytea;
mod catalog;
mod catalog_privileges;
mod comparison;
mod date_functions;
mod dates;
mod format;
mod identifiers;
mod integers;
mod json;
mod json_change;
mod json_path;
mod json_record;
mod json_text;
mod keywords;
mod like;
mod materialize;
mod math;
mod moments;
mod numeric;
mod random;
mod ranges;
mod regexp;
mod regexp_at;
mod sequences;
mod series;
mod sessions;
mod similar;
mod strings;
pub(crate) mod strings_more;
mod system;
mod to_char;
pub(crate) mod to_json;
mod trigonometry;
mod windows;

use crate::table::Table;

/// The heading under which stands what reads the catalog.
pub(crate) const CATALOG: &str = "System catalogs";

/// Puts every family's entries into the table.
pub(crate) fn register(table: &mut Table) {
    strings::register(table);
    strings_more::register(table);
    format::register(table);
    like::register(table);
    similar::register(table);
    regexp::register(table);
    identifiers::register(table);
    regexp_at::register(table);
    bytea::register(table);
    integers::register(table);
    math::register(table);
    numeric::register(table);
    trigonometry::register(table);
    random::register(table);
    to_char::register(table);
    comparison::register(table);
    moments::register(table);
    dates::register(table);
    date_functions::register(table);
    to_json::register(table);
    json::register(table);
    json_change::register(table);
    json_record::register(table);
    json_path::register(table);
    aggregates::register(table);
    arrays::register(table);
    ranges::register(table);
    series::register(table);
    sequences::register(table);
    sessions::register(table);
    windows::register(table);
    system::register(table);
    catalog::register(table);
    catalog_privileges::register(table);
    keywords::register(table);
    materialize::register(table);
}
