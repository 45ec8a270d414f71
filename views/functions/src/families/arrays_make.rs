//! Arrays: functions that make arrays of others (<https://www.postgresql.org/docs/15/functions-array.html>).

use tidewater_types::{ArrayRef, Datum, Dimension, MAX_DIMENSIONS, MAX_VALUE, Result, SqlError, equal};

use super::arrays::{element, no_nulls, wrong_dimensions};
use crate::call::{Call, check_size};
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("Arrays");
    t.operator(
        "null ||(anycompatiblearray, anycompatiblearray) -> anycompatiblearray -- One after the other.",
        concatenate,
    );
    t.add(
        "null array_cat(anycompatiblearray, anycompatiblearray) -> anycompatiblearray -- One after the other.",
        concatenate,
    );
    t.operator("null ||(anycompatiblearray, anycompatible) -> anycompatiblearray", |c| push(c, 0, 1));
    t.add("null array_append(anycompatiblearray, anycompatible) -> anycompatiblearray -- With one more element at the end.", |c| push(c, 0, 1));
    t.operator("null ||(anycompatible, anycompatiblearray) -> anycompatiblearray", |c| push(c, 1, 0));
    t.add("null array_prepend(anycompatible, anycompatiblearray) -> anycompatiblearray -- With one more element at the front.", |c| push(c, 1, 0));
    t.operator(
        "stable ||(text, anynonarray) -> text -- A text and a value joined.\nstable ||(anynonarray, text) -> text",
        |c| {
            let joined = c.cast_text(0)? + &c.cast_text(1)?;
            c.new_text(&joined)
        },
    );
    t.add(
        "null array_remove(anycompatiblearray, anycompatible) -> anycompatiblearray -- Without such elements.",
        remove,
    );
    t.add("null array_replace(anycompatiblearray, anycompatible, anycompatible) -> anycompatiblearray -- Such elements replaced.", |c| {
        if c.null(0) {
            return Ok(Datum::Null);
        }
        let element = element(c, 0)?;
        let array = c.array(0)?;
        let values: Vec<Datum<'_>> = array.iter().map(|value| if equal(&element, &value, &c.args[1]) { c.args[2] } else { value }).collect();
        let dimensions: Vec<Dimension> = array.dimensions().collect();
        Ok(Datum::Array(ArrayRef::build(c.scratch, &dimensions, &values)?))
    });
    t.add("trim_array(anyarray, int4) -> anyarray -- Without its last elements.", trim);
    t.add("null array_fill(anyelement, int4[]) -> anyarray -- One value in every place; the third says the first subscripts.\nnull array_fill(anyelement, int4[], int4[]) -> anyarray", fill);
}

fn incompatible(detail: &str) -> SqlError {
    SqlError::new(b"2202E", "cannot concatenate incompatible arrays").detail(detail)
}

fn concatenate<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    if c.null(0) || c.null(1) {
        return Ok(if c.null(0) { c.args[1] } else { c.args[0] });
    }
    let (a, b) = (c.array(0)?, c.array(1)?);
    let (x, y): (Vec<Dimension>, Vec<Dimension>) = (a.dimensions().collect(), b.dimensions().collect());
    if x.is_empty() || y.is_empty() {
        return Ok(if x.is_empty() { c.args[1] } else { c.args[0] });
    }
    let inner = |a: &[Dimension], b: &[Dimension]| {
        let same = a.iter().zip(b).all(|(a, b)| a.length == b.length && a.lower == b.lower);
        if same {
            Ok(())
        } else {
            Err(incompatible("Arrays with differing dimensions are not compatible for concatenation."))
        }
    };
    let dimensions = match x.len() as i64 - y.len() as i64 {
        0 => {
            let element = "Arrays with differing element dimensions are not compatible for concatenation.";
            inner(&x[1..], &y[1..]).map_err(|error| error.detail(element))?;
            let mut dimensions = x.clone();
            dimensions[0].length += y[0].length;
            dimensions
        }
        // One is an element of the other.
        1 => {
            inner(&x[1..], &y)?;
            let mut dimensions = x.clone();
            dimensions[0].length += 1;
            dimensions
        }
        -1 => {
            inner(&x, &y[1..])?;
            let mut dimensions = y.clone();
            dimensions[0].length += 1;
            dimensions
        }
        _ => {
            let detail =
                format!("Arrays of {} and {} dimensions are not compatible for concatenation.", x.len(), y.len());
            return Err(incompatible(&detail));
        }
    };
    let values: Vec<Datum<'_>> = a.iter().chain(b.iter()).collect();
    Ok(Datum::Array(ArrayRef::build(c.scratch, &dimensions, &values)?))
}

/// An element at an end of an array of one dimension; a NULL array has none.
fn push<'a>(c: &Call<'a, '_>, array: usize, value: usize) -> Result<Datum<'a>> {
    let mut values: Vec<Datum<'_>> = Vec::new();
    let mut lower = 1;
    if !c.null(array) {
        let array = c.array(array)?;
        if array.dimension_count() > 1 {
            return Err(SqlError::new(b"22000", "argument must be empty or one-dimensional array"));
        }
        lower = array.dimensions().next().map_or(1, |dimension| dimension.lower);
        values.extend(array.iter());
    }
    if array < value {
        // The next subscript must be a number of its type.
        if i64::from(lower) + values.len() as i64 > i32::MAX.into() {
            return Err(SqlError::new(b"22003", "integer out of range"));
        }
        values.push(c.args[value]);
    } else {
        values.insert(0, c.args[value]);
    }
    let dimension = Dimension { length: values.len() as i32, lower };
    Ok(Datum::Array(ArrayRef::build(c.scratch, &[dimension], &values)?))
}

fn remove<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    if c.null(0) {
        return Ok(Datum::Null);
    }
    let element = element(c, 0)?;
    let array = c.array(0)?;
    if array.dimension_count() > 1 {
        return Err(SqlError::new(b"0A000", "removing elements from multidimensional arrays is not supported"));
    }
    let values: Vec<Datum<'_>> = array.iter().filter(|value| !equal(&element, value, &c.args[1])).collect();
    if values.len() == array.len() {
        return Ok(c.args[0]);
    }
    let lower = array.dimensions().next().map_or(1, |dimension| dimension.lower);
    let dimension = Dimension { length: values.len() as i32, lower };
    Ok(Datum::Array(ArrayRef::build(c.scratch, &[dimension], &values)?))
}

fn trim<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    let (array, n) = (c.array(0)?, c.int(1)?);
    let mut dimensions: Vec<Dimension> = array.dimensions().collect();
    let length = dimensions.first().map_or(0, |dimension| dimension.length);
    if n < 0 || n > length.into() {
        return Err(SqlError::new(b"2202E", format!("number of elements to trim must be between 0 and {length}")));
    }
    let Some(first) = dimensions.first_mut() else {
        return Ok(c.args[0]);
    };
    first.length -= n as i32;
    // What is left is counted from one.
    dimensions.iter_mut().for_each(|dimension| dimension.lower = 1);
    let count = dimensions.iter().map(|dimension| dimension.length as usize).product();
    let values: Vec<Datum<'_>> = array.iter().take(count).collect();
    Ok(Datum::Array(ArrayRef::build(c.scratch, if values.is_empty() { &[] } else { &dimensions }, &values)?))
}

fn fill<'a>(c: &Call<'a, '_>) -> Result<Datum<'a>> {
    if c.null(1) || c.count() > 2 && c.null(2) {
        return Err(SqlError::new(b"22004", "dimension array or low bound array cannot be null"));
    }
    let one_dimension = |array: ArrayRef<'_>| {
        let fine = array.dimension_count() <= 1;
        if fine {
            Ok(())
        } else {
            Err(wrong_dimensions("wrong number of array subscripts").detail("Dimension array must be one dimensional."))
        }
    };
    let lengths = c.array(1)?;
    one_dimension(lengths)?;
    if lengths.len() > MAX_DIMENSIONS {
        let message =
            format!("number of array dimensions ({}) exceeds the maximum allowed ({MAX_DIMENSIONS})", lengths.len());
        return Err(SqlError::new(b"54000", message));
    }
    let lengths = no_nulls(lengths)?;
    let lowers = if c.count() > 2 {
        let lowers = c.array(2)?;
        one_dimension(lowers)?;
        let lowers = no_nulls(lowers)?;
        if lowers.len() != lengths.len() {
            return Err(wrong_dimensions("wrong number of array subscripts")
                .detail("Low bound array has different size than dimensions array."));
        }
        lowers
    } else {
        vec![1; lengths.len()]
    };
    let too_large = || SqlError::new(b"54000", format!("array size exceeds the maximum allowed ({})", MAX_VALUE / 8));
    let mut count = 1_i64;
    for length in &lengths {
        if *length < 0 {
            return Err(too_large());
        }
        count = count.checked_mul(*length).filter(|count| *count <= (MAX_VALUE / 8) as i64).ok_or_else(too_large)?;
    }
    check_size((count as usize).saturating_mul(size_of::<Datum<'_>>()))?;
    if lengths.is_empty() || count == 0 {
        return Ok(Datum::Array(ArrayRef::build(c.scratch, &[], &[])?));
    }
    let dimensions: Vec<Dimension> = lengths
        .iter()
        .zip(&lowers)
        .map(|(length, lower)| Dimension { length: *length as i32, lower: *lower as i32 })
        .collect();
    Ok(Datum::Array(ArrayRef::build(c.scratch, &dimensions, &vec![c.args[0]; count as usize])?))
}
