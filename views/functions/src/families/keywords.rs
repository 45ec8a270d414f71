//! `pg_get_keywords()`: PostgreSQL 15's words, which drivers quote by. Ours are the same where they matter: a reserved one must be quoted.

use tidewater_types::Datum;

use crate::rows::RowSource;
use crate::table::Table;

/// word, category's letter, whether it may be a label without AS, both in words.
const KEYWORDS: &str = include_str!("keywords.tsv");

pub(super) fn register(t: &mut Table) {
    t.family(super::CATALOG);
    t.rows(
        "stable pg_get_keywords() -> setof (word text, catcode char, barelabel bool, catdesc text, baredesc text) -- The words that SQL gives a meaning.",
        |_| {
            let mut lines = KEYWORDS.lines();
            Ok(RowSource::new(move |row| {
                let Some(line) = lines.next() else { return Ok(false) };
                row.extend(line.split('\t').enumerate().map(|(i, field)| match i {
                    2 => Datum::Bool(field == "t"),
                    _ => Datum::from(field),
                }));
                Ok(true)
            }))
        },
    );
}
