//! Arrays (<https://www.postgresql.org/docs/15/functions-array.html>).

use tidewater_types::{ArrayRef, Datum, Dimension, Result, SqlError, Type, equal};

use super::comparison::check_order;
use crate::call::{Call, check_size};
use crate::rows::RowSource;
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("Arrays");
    t.operator("@>(anyarray, anyarray) -> bool -- Whether every element of the second is in the first.", |c| {
        contains(c, 0, 1)
    });
    t.operator("<@(anyarray, anyarray) -> bool -- Whether every element of the first is in the second.", |c| {
        contains(c, 1, 0)
    });
    t.operator("&&(anyarray, anyarray) -> bool -- Whether they have an element in common.", |c| {
        let element = element(c, 0)?;
        let (a, b) = (c.array(0)?, c.array(1)?);
        Ok(Datum::Bool(a.iter().any(|x| !x.is_null() && b.iter().any(|y| !y.is_null() && equal(&element, &x, &y)))))
    });
    sizes(t);
    super::arrays_make::register(t);
    t.family("Arrays");
    t.add(
        "
        null array_position(anycompatiblearray, anycompatible) -> int4 -- Subscript of the first such element, from one on.
        null array_position(anycompatiblearray, anycompatible, int4) -> int4
        ",
        |c| {
            if c.null(0) {
                return Ok(Datum::Null);
            }
            let found = positions(c)?;
            // Where no NULL can be found, the start does not matter.
            let array = c.array(0)?;
            if array.is_empty() || c.null(1) && !array.iter().any(|value| value.is_null()) {
                return Ok(Datum::Null);
            }
            let start = if c.count() > 2 { Some(if c.null(2) { return Err(null_start()) } else { c.int(2)? }) } else { None };
            let found = found.into_iter().find(|at| start.is_none_or(|start| *at >= start));
            Ok(found.map_or(Datum::Null, Datum::Int))
        },
    );
    t.add(
        "null array_positions(anycompatiblearray, anycompatible) -> int4[] -- Subscripts of all such elements.",
        |c| {
            if c.null(0) {
                return Ok(Datum::Null);
            }
            let found: Vec<Datum<'_>> = positions(c)?.into_iter().map(Datum::Int).collect();
            Ok(Datum::Array(ArrayRef::vector(c.scratch, &found)?))
        },
    );
    texts(t);
    sets(t);
}

fn texts(t: &mut Table) {
    t.add("stable array_to_string(anyarray, text) -> text -- Elements joined, NULLs left out or as the third.\nstable null array_to_string(anyarray, text, text) -> text", to_string);
    t.add("null string_to_array(text, text) -> text[] -- The parts between delimiters; NULL where one is the third.\nnull string_to_array(text, text, text) -> text[]", |c| {
        let Some(parts) = split(c)? else {
            return Ok(Datum::Null);
        };
        Ok(Datum::Array(ArrayRef::vector(c.scratch, &parts)?))
    });
    t.rows(
        "
        null string_to_table(text, text) -> setof text -- The parts between delimiters; NULL where one is the third.
        null string_to_table(text, text, text) -> setof text
        ",
        |c| Ok(RowSource::of(split(c)?.unwrap_or_default())),
    );
}

fn sets(t: &mut Table) {
    t.rows("unnest(anyarray) -> setof anyelement -- Its elements.", |c| Ok(RowSource::of(c.array(0)?.iter())));
    t.rows(
        "
        generate_subscripts(anyarray, int4) -> setof int4 -- The subscripts of a dimension.
        generate_subscripts(anyarray, int4, bool) -> setof int4
        ",
        |c| {
            let Some(dimension) = dimension(c)? else {
                return Ok(RowSource::empty());
            };
            let reverse = c.count() > 2 && c.bool(2)?;
            let (low, high) = (i64::from(dimension.lower), i64::from(dimension.lower) + i64::from(dimension.length));
            let mut subscripts = low..high;
            Ok(RowSource::new(move |row| {
                let next = if reverse { subscripts.next_back() } else { subscripts.next() };
                row.extend(next.map(Datum::Int));
                Ok(next.is_some())
            }))
        },
    );
}

fn null_start() -> SqlError {
    SqlError::new(b"22004", "initial position must not be null")
}

fn sizes(t: &mut Table) {
    t.add("array_ndims(anyarray) -> int4 -- Number of dimensions.", |c| match c.array(0)?.dimension_count() {
        0 => Ok(Datum::Null),
        count => Ok(Datum::Int(count as i64)),
    });
    t.add("array_dims(anyarray) -> text -- Its dimensions: [1:2][1:3].", |c| {
        let array = c.array(0)?;
        if array.dimension_count() == 0 {
            return Ok(Datum::Null);
        }
        let shown: String = array
            .dimensions()
            .map(|d| format!("[{}:{}]", d.lower, i64::from(d.lower) + i64::from(d.length) - 1))
            .collect();
        c.new_text(&shown)
    });
    t.add("array_length(anyarray, int4) -> int4 -- Length of a dimension.", |c| {
        Ok(dimension(c)?.map_or(Datum::Null, |dimension| Datum::Int(dimension.length.into())))
    });
    t.add("array_lower(anyarray, int4) -> int4 -- First subscript of a dimension.", |c| {
        Ok(dimension(c)?.map_or(Datum::Null, |dimension| Datum::Int(dimension.lower.into())))
    });
    t.add("array_upper(anyarray, int4) -> int4 -- Last subscript of a dimension.", |c| {
        let upper = |d: Dimension| i64::from(d.lower) + i64::from(d.length) - 1;
        Ok(dimension(c)?.map_or(Datum::Null, |dimension| Datum::Int(upper(dimension))))
    });
    t.add("cardinality(anyarray) -> int4 -- Number of elements.", |c| Ok(Datum::Int(c.array(0)?.len() as i64)));
}

/// The dimension that argument 1 counts, if there is one.
fn dimension(c: &Call<'_, '_>) -> Result<Option<Dimension>> {
    let at = usize::try_from(c.int(1)?).ok().and_then(|at| at.checked_sub(1));
    Ok(at.and_then(|at| c.array(0).ok()?.dimensions().nth(at)))
}

/// The type of an array argument's elements, which must have an equality.
pub(super) fn element(c: &Call<'_, '_>, i: usize) -> Result<Type> {
    let element = c.ty(i).element().cloned().unwrap_or(Type::Text);
    check_order(&element)
        .map_err(|_| SqlError::new(b"42883", "could not identify an equality operator for type json"))?;
    Ok(element)
}

fn contains<'a>(c: &Call<'a, '_>, whole: usize, part: usize) -> Result<Datum<'a>> {
    let element = element(c, whole)?;
    let (whole, part) = (c.array(whole)?, c.array(part)?);
    // A NULL is in no array.
    let all = part.iter().all(|x| !x.is_null() && whole.iter().any(|y| !y.is_null() && equal(&element, &x, &y)));
    Ok(Datum::Bool(all))
}

/// Subscripts of the elements that are not distinct from argument 1.
fn positions(c: &Call<'_, '_>) -> Result<Vec<i64>> {
    let element = element(c, 0)?;
    let array = c.array(0)?;
    if array.dimension_count() > 1 {
        return Err(SqlError::new(b"0A000", "searching for elements in multidimensional arrays is not supported"));
    }
    let lower = array.dimensions().next().map_or(1, |dimension| i64::from(dimension.lower));
    let found = array.iter().enumerate().filter(|(_, value)| equal(&element, value, &c.args[1]));
    Ok(found.map(|(i, _)| lower + i as i64).collect())
}

fn to_string<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    if c.null(0) || c.null(1) {
        return Ok(Datum::Null);
    }
    let (array, delimiter) = (c.array(0)?, c.text(1)?);
    let null = if c.count() > 2 && !c.null(2) { Some(c.text(2)?) } else { None };
    let element = c.env.types[0].element().unwrap_or(Type::Text.into());
    let mut out = String::new();
    let mut first = true;
    for value in array.iter() {
        if value.is_null() && null.is_none() {
            continue;
        }
        if !first {
            out.push_str(delimiter);
        }
        first = false;
        match null {
            Some(null) if value.is_null() => out.push_str(null),
            _ => c.show_into(&value, &element, &mut out)?,
        }
        check_size(out.len())?;
    }
    c.new_text(&out)
}

/// The parts of a text; nothing for a NULL.
fn split<'a>(c: &Call<'a, '_>) -> Result<Option<Vec<Datum<'a>>>> {
    if c.null(0) {
        return Ok(None);
    }
    let text = c.text(0)?;
    let null = if c.count() > 2 && !c.null(2) { Some(c.text(2)?) } else { None };
    // Counted before the parts are made.
    let count = match c.args[1] {
        Datum::Null => text.len(),
        _ => text.matches(c.text(1)?).count() + 1,
    };
    check_size(count.saturating_mul(size_of::<Datum<'_>>()))?;
    let part = |part: &'a str| if Some(part) == null { Datum::Null } else { Datum::from(part) };
    if text.is_empty() {
        return Ok(Some(Vec::new()));
    }
    Ok(Some(if c.null(1) {
        // Without a delimiter, characters.
        text.char_indices().map(|(at, char)| part(&text[at..at + char.len_utf8()])).collect()
    } else if c.text(1)?.is_empty() {
        vec![part(text)]
    } else {
        text.split(c.text(1)?).map(part).collect()
    }))
}

/// Refuses a NULL where subscripts are meant.
pub(super) fn no_nulls(array: ArrayRef<'_>) -> Result<Vec<i64>> {
    array
        .iter()
        .map(|value| value.as_int().ok_or_else(|| SqlError::new(b"22004", "dimension values cannot be null")))
        .collect()
}

/// That an array has the wrong number of dimensions for a function.
pub(super) fn wrong_dimensions(message: &str) -> SqlError {
    SqlError::new(b"2202E", message)
}
