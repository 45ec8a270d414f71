//! Strings (<https://www.postgresql.org/docs/15/functions-string.html>).

use tidewater_types::Datum;

use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("Strings");
    t.add("lower(text) -> text -- In lower case.", |c| c.new_text(&c.text(0)?.to_ascii_lowercase()));
    t.add("upper(text) -> text -- In upper case.", |c| c.new_text(&c.text(0)?.to_ascii_uppercase()));
    t.add(
        "
        length(text) -> int4 -- Number of characters.
        char_length(text) -> int4 -- Number of characters.
        character_length(text) -> int4 -- Number of characters.
        ",
        |c| Ok(Datum::Int(c.text(0)?.chars().count() as i64)),
    );
    t.operator("||(text, text) -> text -- Joined.", |c| {
        let (a, b) = (c.text(0)?, c.text(1)?);
        crate::call::check_size(a.len() + b.len())?;
        c.new_text(&[a, b].concat())
    });
}
