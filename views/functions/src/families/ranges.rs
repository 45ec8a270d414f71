//! Ranges and multiranges (<https://www.postgresql.org/docs/15/functions-range.html>).

use tidewater_types::{Bounds, Datum, MultirangeRef, RangeOf, RangeRef, Result, SqlError, Type, range};

use crate::call::Call;
use crate::rows::RowSource;
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("Ranges");
    containment(t);
    sides(t);
    sets(t);
    bounds(t);
    makers(t);
    multirange_makers(t);
    t.rows("unnest(anymultirange) -> setof anyrange -- Its ranges.", |c| match c.args[0] {
        Datum::Multirange(ranges) => Ok(RowSource::of(ranges.iter().map(Datum::Range))),
        _ => Ok(RowSource::empty()),
    });
}

/// What the ranges are of, by the first argument that says it.
fn of(c: &Call<'_, '_>) -> RangeOf {
    let found = c.env.types.iter().chain([&c.env.result]).find_map(|column| match column.ty {
        Type::Range(of) | Type::Multirange(of) => Some(of),
        _ => None,
    });
    found.unwrap_or(RangeOf::Int4)
}

/// An argument's ranges, ascending: its own, or itself unless it is empty.
fn parts<'a>(c: &Call<'a, '_>, i: usize) -> Vec<RangeRef<'a>> {
    match c.args[i] {
        Datum::Range(range) if range.is_empty() => Vec::new(),
        Datum::Range(range) => vec![range],
        Datum::Multirange(ranges) => ranges.iter().collect(),
        _ => Vec::new(),
    }
}

/// The smallest range over an argument's ranges.
fn whole<'a>(c: &Call<'a, '_>, i: usize) -> Result<RangeRef<'a>> {
    let parts = parts(c, i);
    match (parts.first(), parts.last()) {
        (Some(first), Some(last)) => range::merge(of(c), *first, *last, c.scratch),
        _ => Ok(RangeRef::empty()),
    }
}

fn containment(t: &mut Table) {
    t.operator(
        "@>(anyrange, anyelement) -> bool -- Whether it contains a value.\n@>(anymultirange, anyelement) -> bool",
        |c| element_in(c, 1, 0),
    );
    t.operator(
        "<@(anyelement, anyrange) -> bool -- Whether a value is in it.\n<@(anyelement, anymultirange) -> bool",
        |c| element_in(c, 0, 1),
    );
    t.operator(
        "
        @>(anyrange, anyrange) -> bool -- Whether it contains the other.
        @>(anymultirange, anyrange) -> bool
        @>(anyrange, anymultirange) -> bool
        @>(anymultirange, anymultirange) -> bool
        ",
        |c| Ok(Datum::Bool(contains(c, 0, 1))),
    );
    t.operator(
        "
        <@(anyrange, anyrange) -> bool -- Whether it is in the other.
        <@(anymultirange, anyrange) -> bool
        <@(anyrange, anymultirange) -> bool
        <@(anymultirange, anymultirange) -> bool
        ",
        |c| Ok(Datum::Bool(contains(c, 1, 0))),
    );
    t.operator(
        "
        &&(anyrange, anyrange) -> bool -- Whether they have a value in common.
        &&(anymultirange, anyrange) -> bool
        &&(anyrange, anymultirange) -> bool
        &&(anymultirange, anymultirange) -> bool
        ",
        |c| {
            let of = of(c);
            let right = parts(c, 1);
            Ok(Datum::Bool(parts(c, 0).iter().any(|a| right.iter().any(|b| range::overlaps(of, *a, *b)))))
        },
    );
}

fn element_in<'a>(c: &Call<'a, '_>, value: usize, within: usize) -> Result<Datum<'a>> {
    let of = of(c);
    Ok(Datum::Bool(parts(c, within).iter().any(|part| range::contains_element(of, *part, &c.args[value]))))
}

/// Whether each range of one argument is in one of the other's.
fn contains(c: &Call<'_, '_>, whole: usize, part: usize) -> bool {
    let of = of(c);
    let whole = parts(c, whole);
    parts(c, part).iter().all(|part| whole.iter().any(|whole| range::contains(of, *whole, *part)))
}

macro_rules! all_pairs {
    ($name:literal, $doc:literal) => {
        crate::table::signatures!(
            $name,
            $doc,
            "(anyrange, anyrange) -> bool",
            "(anymultirange, anyrange) -> bool",
            "(anyrange, anymultirange) -> bool",
            "(anymultirange, anymultirange) -> bool"
        )
    };
}

fn sides(t: &mut Table) {
    t.operator(all_pairs!("<<", "Whether it ends before the other begins."), |c| both(c, range::before));
    t.operator(all_pairs!(">>", "Whether it begins after the other ends."), |c| {
        both(c, |of, a, b| range::before(of, b, a))
    });
    t.operator(all_pairs!("&<", "Whether it does not end after the other."), |c| both(c, range::not_beyond));
    t.operator(all_pairs!("&>", "Whether it does not begin before the other."), |c| both(c, range::not_before));
    t.operator(all_pairs!("-|-", "Whether one begins where the other ends."), |c| {
        let of = of(c);
        let (left, right) = (parts(c, 0), parts(c, 1));
        let (Some(a), Some(z), Some(b), Some(y)) = (left.first(), left.last(), right.first(), right.last()) else {
            return Ok(Datum::Bool(false));
        };
        let meets =
            |low: RangeRef<'_>, high: RangeRef<'_>| range::adjacent(of, low, high) && range::before(of, low, high);
        Ok(Datum::Bool(meets(*z, *b) || meets(*y, *a)))
    });
}

fn both<'a>(c: &Call<'a, '_>, holds: fn(RangeOf, RangeRef<'_>, RangeRef<'_>) -> bool) -> Result<Datum<'a>> {
    Ok(Datum::Bool(holds(of(c), whole(c, 0)?, whole(c, 1)?)))
}

fn sets(t: &mut Table) {
    t.operator("+(anyrange, anyrange) -> anyrange -- Both together, if nothing lies between.", |c| {
        let (a, b) = two(c)?;
        Ok(Datum::Range(range::union(of(c), a, b, c.scratch)?))
    });
    t.operator("*(anyrange, anyrange) -> anyrange -- What they have in common.", |c| {
        let (a, b) = two(c)?;
        Ok(Datum::Range(range::intersect(of(c), a, b, c.scratch)?))
    });
    t.operator("-(anyrange, anyrange) -> anyrange -- What the other does not have.", |c| {
        let (a, b) = two(c)?;
        Ok(Datum::Range(range::minus(of(c), a, b, c.scratch)?))
    });
    t.add("range_merge(anyrange, anyrange) -> anyrange -- The smallest range over both.", |c| {
        let (a, b) = two(c)?;
        Ok(Datum::Range(range::merge(of(c), a, b, c.scratch)?))
    });
    t.add("range_merge(anymultirange) -> anyrange", |c| Ok(Datum::Range(whole(c, 0)?)));
    t.operator("+(anymultirange, anymultirange) -> anymultirange -- Both together.", |c| {
        multi(c, range::multirange_union)
    });
    t.operator("*(anymultirange, anymultirange) -> anymultirange -- What they have in common.", |c| {
        multi(c, range::multirange_intersect)
    });
    t.operator("-(anymultirange, anymultirange) -> anymultirange -- What the other does not have.", |c| {
        multi(c, range::multirange_minus)
    });
}

type Combine = for<'a> fn(
    RangeOf,
    MultirangeRef<'a>,
    MultirangeRef<'a>,
    &'a tidewater_types::Scratch,
) -> Result<MultirangeRef<'a>>;

fn multi<'a>(c: &Call<'a, '_>, combine: Combine) -> Result<Datum<'a>> {
    match (c.args[0], c.args[1]) {
        (Datum::Multirange(a), Datum::Multirange(b)) => Ok(Datum::Multirange(combine(of(c), a, b, c.scratch)?)),
        _ => Ok(Datum::Null),
    }
}

fn two<'a>(c: &Call<'a, '_>) -> Result<(RangeRef<'a>, RangeRef<'a>)> {
    match (c.args[0], c.args[1]) {
        (Datum::Range(a), Datum::Range(b)) => Ok((a, b)),
        _ => Err(SqlError::new(b"XX000", "an operator of ranges with what is none")),
    }
}

fn bounds(t: &mut Table) {
    t.add("isempty(anyrange) -> bool -- Whether nothing is in it.\nisempty(anymultirange) -> bool", |c| {
        Ok(Datum::Bool(parts(c, 0).is_empty()))
    });
    t.add("lower(anyrange) -> anyelement -- The lower bound.\nlower(anymultirange) -> anyelement", |c| {
        Ok(first(c).and_then(|bounds| bounds.lower).unwrap_or(Datum::Null))
    });
    t.add("upper(anyrange) -> anyelement -- The upper bound.\nupper(anymultirange) -> anyelement", |c| {
        Ok(last(c).and_then(|bounds| bounds.upper).unwrap_or(Datum::Null))
    });
    t.add("lower_inc(anyrange) -> bool -- Whether the lower bound is in it.\nlower_inc(anymultirange) -> bool", |c| {
        Ok(Datum::Bool(first(c).is_some_and(|bounds| bounds.lower.is_some() && bounds.lower_inclusive)))
    });
    t.add("upper_inc(anyrange) -> bool -- Whether the upper bound is in it.\nupper_inc(anymultirange) -> bool", |c| {
        Ok(Datum::Bool(last(c).is_some_and(|bounds| bounds.upper.is_some() && bounds.upper_inclusive)))
    });
    t.add("lower_inf(anyrange) -> bool -- Whether it has no lower bound.\nlower_inf(anymultirange) -> bool", |c| {
        Ok(Datum::Bool(first(c).is_some_and(|bounds| bounds.lower.is_none())))
    });
    t.add("upper_inf(anyrange) -> bool -- Whether it has no upper bound.\nupper_inf(anymultirange) -> bool", |c| {
        Ok(Datum::Bool(last(c).is_some_and(|bounds| bounds.upper.is_none())))
    });
}

fn first<'a>(c: &Call<'a, '_>) -> Option<Bounds<'a>> {
    parts(c, 0).first().and_then(|part| part.bounds())
}

fn last<'a>(c: &Call<'a, '_>) -> Option<Bounds<'a>> {
    parts(c, 0).last().and_then(|part| part.bounds())
}

fn makers(t: &mut Table) {
    t.add(
        "
        null int4range(int4, int4) -> int4range -- Of its bounds; the third says which are in it: [], [), (], ().
        null int4range(int4, int4, text) -> int4range
        null int8range(int8, int8) -> int8range
        null int8range(int8, int8, text) -> int8range
        null numrange(numeric, numeric) -> numrange
        null numrange(numeric, numeric, text) -> numrange
        null daterange(date, date) -> daterange
        null daterange(date, date, text) -> daterange
        null tsrange(timestamp, timestamp) -> tsrange
        null tsrange(timestamp, timestamp, text) -> tsrange
        null tstzrange(timestamptz, timestamptz) -> tstzrange
        null tstzrange(timestamptz, timestamptz, text) -> tstzrange
        ",
        |c| {
            let flags = match c.args.get(2) {
                None => "[)",
                Some(Datum::Null) => {
                    return Err(SqlError::new(b"22000", "range constructor flags argument must not be null"));
                }
                Some(_) => c.text(2)?,
            };
            let (lower_inclusive, upper_inclusive) = match flags {
                "[]" => (true, true),
                "[)" => (true, false),
                "(]" => (false, true),
                "()" => (false, false),
                _ => {
                    let error = SqlError::new(b"42601", "invalid range bound flags");
                    return Err(error.hint("Valid values are \"[]\", \"[)\", \"(]\", and \"()\"."));
                }
            };
            let bound = |i: usize| Some(c.args[i]).filter(|value| !value.is_null());
            let bounds = Bounds { lower: bound(0), lower_inclusive, upper: bound(1), upper_inclusive };
            Ok(Datum::Range(range::make(of(c), bounds, c.scratch)?))
        },
    );
}

fn multirange_makers(t: &mut Table) {
    t.add(
        "
        int4multirange(variadic int4range[]) -> int4multirange -- Of ranges.
        int4multirange(int4range) -> int4multirange
        int4multirange() -> int4multirange
        int8multirange(variadic int8range[]) -> int8multirange
        int8multirange(int8range) -> int8multirange
        int8multirange() -> int8multirange
        nummultirange(variadic numrange[]) -> nummultirange
        nummultirange(numrange) -> nummultirange
        nummultirange() -> nummultirange
        datemultirange(variadic daterange[]) -> datemultirange
        datemultirange(daterange) -> datemultirange
        datemultirange() -> datemultirange
        tsmultirange(variadic tsrange[]) -> tsmultirange
        tsmultirange(tsrange) -> tsmultirange
        tsmultirange() -> tsmultirange
        tstzmultirange(variadic tstzrange[]) -> tstzmultirange
        tstzmultirange(tstzrange) -> tstzmultirange
        tstzmultirange() -> tstzmultirange
        multirange(anyrange) -> anymultirange -- Of one range.
        ",
        |c| {
            let mut ranges = Vec::new();
            for value in c.args {
                match value {
                    Datum::Range(range) => ranges.push(*range),
                    Datum::Array(array) => {
                        for value in array.iter() {
                            match value {
                                Datum::Range(range) => ranges.push(range),
                                _ => {
                                    return Err(SqlError::new(
                                        b"22004",
                                        "multirange values cannot contain null members",
                                    ));
                                }
                            }
                        }
                    }
                    _ => {}
                }
            }
            Ok(Datum::Multirange(range::multirange(of(c), &ranges, c.scratch)?))
        },
    );
}
