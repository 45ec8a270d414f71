//! Functions and operators of jsonpath.

use tidewater_types::json::path;
use tidewater_types::{Datum, Json, JsonbRef, Result, SqlError};

use crate::call::{Call, invalid};
use crate::jsonpath::{Fail, Walk};
use crate::rows::RowSource;
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("JSON");
    t.operator("@?(jsonb, jsonpath) -> bool -- Whether a path leads to an item.", |c| exists(c, true));
    t.operator("@@(jsonb, jsonpath) -> bool -- What the predicate that a path is says.", |c| matches(c, true));
    t.add("jsonb_path_exists(target jsonb, path jsonpath, vars jsonb = {}, silent bool = false) -> bool -- Whether a path leads to an item.", |c| {
        exists(c, c.bool(3)?)
    });
    t.add("stable jsonb_path_exists_tz(target jsonb, path jsonpath, vars jsonb = {}, silent bool = false) -> bool -- Whether a path leads to an item.", |c| {
        exists(c, c.bool(3)?)
    });
    t.add("jsonb_path_match(target jsonb, path jsonpath, vars jsonb = {}, silent bool = false) -> bool -- What the predicate that a path is says.", |c| {
        matches(c, c.bool(3)?)
    });
    t.add("stable jsonb_path_match_tz(target jsonb, path jsonpath, vars jsonb = {}, silent bool = false) -> bool -- What the predicate that a path is says.", |c| {
        matches(c, c.bool(3)?)
    });
    t.rows("jsonb_path_query(target jsonb, path jsonpath, vars jsonb = {}, silent bool = false) -> setof jsonb -- The items that a path leads to.", rows);
    t.rows("stable jsonb_path_query_tz(target jsonb, path jsonpath, vars jsonb = {}, silent bool = false) -> setof jsonb -- The items that a path leads to.", rows);
    t.add("jsonb_path_query_array(target jsonb, path jsonpath, vars jsonb = {}, silent bool = false) -> jsonb -- The items that a path leads to, as an array.", array);
    t.add("stable jsonb_path_query_array_tz(target jsonb, path jsonpath, vars jsonb = {}, silent bool = false) -> jsonb -- The items that a path leads to, as an array.", array);
    t.add("jsonb_path_query_first(target jsonb, path jsonpath, vars jsonb = {}, silent bool = false) -> jsonb -- The first item that a path leads to.", first);
    t.add("stable jsonb_path_query_first_tz(target jsonb, path jsonpath, vars jsonb = {}, silent bool = false) -> jsonb -- The first item that a path leads to.", first);
}

/// The items, and whether an error was kept quiet behind them: those before it count.
fn items<'a>(c: &Call<'a, '_>, silent: bool, one_is_enough: bool) -> Result<(Vec<JsonbRef<'a>>, bool)> {
    let text = c.text(1)?;
    let path = c.cached(&[text.as_bytes()], || path::parse(text))?;
    let variables = if c.count() > 2 { c.jsonb(2)? } else { JsonbRef::NULL };
    if c.count() > 2 && !matches!(variables.get(), Json::Object(_)) {
        let detail = "Jsonpath parameters should be encoded as key-value pairs of \"vars\" object.";
        return Err(invalid("\"vars\" argument is not an object").detail(detail));
    }
    let mut out = Vec::new();
    let walk = Walk { path: &path, root: c.jsonb(0)?, variables, scratch: c.scratch };
    match walk.run(&mut out) {
        Ok(()) => Ok((out, false)),
        // In lax mode nothing is looked at behind the first item.
        Err(Fail::Quiet(_)) if one_is_enough && !path.strict && !out.is_empty() => Ok((out, false)),
        Err(Fail::Quiet(_)) if silent => Ok((out, true)),
        Err(Fail::Quiet(error) | Fail::Loud(error)) => Err(error),
    }
}

fn exists<'a>(c: &Call<'a, '_>, silent: bool) -> Result<Datum<'a>> {
    let (found, failed) = items(c, silent, true)?;
    Ok(if failed { Datum::Null } else { Datum::Bool(!found.is_empty()) })
}

fn matches<'a>(c: &Call<'a, '_>, silent: bool) -> Result<Datum<'a>> {
    let (found, failed) = items(c, silent, false)?;
    if let ([value], false) = (&found[..], failed) {
        match value.get() {
            Json::Bool(value) => return Ok(Datum::Bool(value)),
            Json::Null => return Ok(Datum::Null),
            _ => {}
        }
    }
    if silent { Ok(Datum::Null) } else { Err(SqlError::new(b"22038", "single boolean result is expected")) }
}

fn rows<'a>(c: &Call<'a, '_>) -> Result<RowSource<'a>> {
    let (found, _) = items(c, c.bool(3)?, false)?;
    Ok(RowSource::of(found.into_iter().map(Datum::Jsonb)))
}

fn array<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    let (found, _) = items(c, c.bool(3)?, false)?;
    Ok(Datum::Jsonb(JsonbRef::array(c.scratch, &found)?))
}

fn first<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    let (found, _) = items(c, c.bool(3)?, false)?;
    Ok(found.first().map_or(Datum::Null, |value| Datum::Jsonb(*value)))
}
