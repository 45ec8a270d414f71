//! What ranges and multiranges compute (<https://www.postgresql.org/docs/15/functions-range.html>).

use std::cmp::Ordering;

use crate::{Bounds, Datum, MultirangeRef, RangeOf, RangeRef, Result, Scratch, SqlError, Type, compare, integer, time};

/// One end of a range.
#[derive(Debug, Clone, Copy)]
struct End<'a> {
    value: Option<Datum<'a>>,
    inclusive: bool,
    lower: bool,
}

fn lower<'a>(bounds: &Bounds<'a>) -> End<'a> {
    End { value: bounds.lower, inclusive: bounds.lower_inclusive && bounds.lower.is_some(), lower: true }
}

fn upper<'a>(bounds: &Bounds<'a>) -> End<'a> {
    End { value: bounds.upper, inclusive: bounds.upper_inclusive && bounds.upper.is_some(), lower: false }
}

/// Compares ends by where they lie.
fn order(of: RangeOf, a: &End<'_>, b: &End<'_>) -> Ordering {
    match (a.value, b.value) {
        (None, None) => b.lower.cmp(&a.lower),
        (None, Some(_)) => {
            if a.lower {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
        (Some(_), None) => {
            if b.lower {
                Ordering::Greater
            } else {
                Ordering::Less
            }
        }
        (Some(x), Some(y)) => compare(&of.bound(), &x, &y).then_with(|| place(a).cmp(&place(b))),
    }
}

/// Where an end lies beside its value: before, at or after it.
fn place(end: &End<'_>) -> i8 {
    match (end.inclusive, end.lower) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => -1,
    }
}

fn value_order(of: RangeOf, a: &End<'_>, b: &End<'_>) -> Option<Ordering> {
    Some(compare(&of.bound(), &a.value?, &b.value?))
}

/// The range of these bounds in canonical form; a NULL bound is no bound.
///
/// # Errors
/// 22000 if the lower bound is greater, 22003 and 22008 if a canonical bound is out of range.
pub fn make<'a>(of: RangeOf, bounds: Bounds<'_>, scratch: &'a Scratch) -> Result<RangeRef<'a>> {
    let known = |bound: Option<Datum<'_>>| bound.is_some_and(|datum| !datum.is_null());
    let mut bounds = Bounds {
        lower: bounds.lower.filter(|_| known(bounds.lower)),
        upper: bounds.upper.filter(|_| known(bounds.upper)),
        ..bounds
    };
    bounds.lower_inclusive &= bounds.lower.is_some();
    bounds.upper_inclusive &= bounds.upper.is_some();
    if is_empty(of, &bounds)? {
        return Ok(RangeRef::empty());
    }
    if of.is_discrete() {
        if let Some(value) = bounds.lower.filter(|_| !bounds.lower_inclusive) {
            (bounds.lower, bounds.lower_inclusive) = next(of, value)?.map_or((Some(value), false), |v| (Some(v), true));
        }
        if let Some(value) = bounds.upper.filter(|_| bounds.upper_inclusive) {
            (bounds.upper, bounds.upper_inclusive) = next(of, value)?.map_or((Some(value), true), |v| (Some(v), false));
        }
        if is_empty(of, &bounds)? {
            return Ok(RangeRef::empty());
        }
    }
    RangeRef::build(scratch, &bounds)
}

fn is_empty(of: RangeOf, bounds: &Bounds<'_>) -> Result<bool> {
    match value_order(of, &lower(bounds), &upper(bounds)) {
        Some(Ordering::Greater) => {
            Err(SqlError::new(b"22000", "range lower bound must be less than or equal to range upper bound"))
        }
        Some(Ordering::Equal) => Ok(!(bounds.lower_inclusive && bounds.upper_inclusive)),
        _ => Ok(false),
    }
}

/// The next value of a discrete type; `None` after an infinity.
fn next(of: RangeOf, value: Datum<'_>) -> Result<Option<Datum<'static>>> {
    let Some(value) = value.as_int() else { return Ok(None) };
    let more = i128::from(value) + 1;
    match of {
        RangeOf::Int4 => integer::in_range(more, &Type::Int4).map(|v| Some(Datum::Int(v))),
        RangeOf::Int8 => integer::in_range(more, &Type::Int8).map(|v| Some(Datum::Int(v))),
        RangeOf::Date if time::is_infinite(value) => Ok(None),
        RangeOf::Date => time::date(more).map(|v| Some(Datum::Int(v))),
        _ => Ok(None),
    }
}

/// The order of ranges: empty first, then by lower, then by upper bound.
pub fn compare_ranges(of: RangeOf, a: RangeRef<'_>, b: RangeRef<'_>) -> Ordering {
    match (a.bounds(), b.bounds()) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        (Some(a), Some(b)) => order(of, &lower(&a), &lower(&b)).then_with(|| order(of, &upper(&a), &upper(&b))),
    }
}

/// The order of multiranges: range by range.
pub fn compare_multiranges(of: RangeOf, a: MultirangeRef<'_>, b: MultirangeRef<'_>) -> Ordering {
    let differing = a.iter().zip(b.iter()).map(|(a, b)| compare_ranges(of, a, b)).find(|order| order.is_ne());
    differing.unwrap_or_else(|| a.len().cmp(&b.len()))
}

/// `range @> element`.
pub fn contains_element(of: RangeOf, range: RangeRef<'_>, element: &Datum<'_>) -> bool {
    let Some(bounds) = range.bounds() else { return false };
    let above = bounds.lower.is_none_or(|lower| match compare(&of.bound(), &lower, element) {
        Ordering::Less => true,
        Ordering::Equal => bounds.lower_inclusive,
        Ordering::Greater => false,
    });
    above
        && bounds.upper.is_none_or(|upper| match compare(&of.bound(), &upper, element) {
            Ordering::Greater => true,
            Ordering::Equal => bounds.upper_inclusive,
            Ordering::Less => false,
        })
}

/// `a @> b`.
pub fn contains(of: RangeOf, a: RangeRef<'_>, b: RangeRef<'_>) -> bool {
    match (a.bounds(), b.bounds()) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(a), Some(b)) => order(of, &lower(&a), &lower(&b)).is_le() && order(of, &upper(&a), &upper(&b)).is_ge(),
    }
}

/// `a && b`.
pub fn overlaps(of: RangeOf, a: RangeRef<'_>, b: RangeRef<'_>) -> bool {
    match (a.bounds(), b.bounds()) {
        (Some(a), Some(b)) => order(of, &lower(&a), &upper(&b)).is_le() && order(of, &lower(&b), &upper(&a)).is_le(),
        _ => false,
    }
}

/// `a << b`.
pub fn before(of: RangeOf, a: RangeRef<'_>, b: RangeRef<'_>) -> bool {
    match (a.bounds(), b.bounds()) {
        (Some(a), Some(b)) => order(of, &upper(&a), &lower(&b)).is_lt(),
        _ => false,
    }
}

/// `a &< b`: does not extend to the right of it.
pub fn not_beyond(of: RangeOf, a: RangeRef<'_>, b: RangeRef<'_>) -> bool {
    match (a.bounds(), b.bounds()) {
        (Some(a), Some(b)) => order(of, &upper(&a), &upper(&b)).is_le(),
        _ => false,
    }
}

/// `a &> b`: does not extend to the left of it.
pub fn not_before(of: RangeOf, a: RangeRef<'_>, b: RangeRef<'_>) -> bool {
    match (a.bounds(), b.bounds()) {
        (Some(a), Some(b)) => order(of, &lower(&a), &lower(&b)).is_ge(),
        _ => false,
    }
}

/// Nothing lies between an upper end and a lower end, and nothing in both.
fn meet(of: RangeOf, upper: &End<'_>, lower: &End<'_>) -> bool {
    value_order(of, upper, lower) == Some(Ordering::Equal) && upper.inclusive != lower.inclusive
}

/// `a -|- b`.
pub fn adjacent(of: RangeOf, a: RangeRef<'_>, b: RangeRef<'_>) -> bool {
    match (a.bounds(), b.bounds()) {
        (Some(a), Some(b)) => meet(of, &upper(&a), &lower(&b)) || meet(of, &upper(&b), &lower(&a)),
        _ => false,
    }
}

fn from_ends<'a>(of: RangeOf, lower: End<'_>, upper: End<'_>, scratch: &'a Scratch) -> Result<RangeRef<'a>> {
    let bounds = Bounds {
        lower: lower.value,
        lower_inclusive: lower.inclusive,
        upper: upper.value,
        upper_inclusive: upper.inclusive,
    };
    make(of, bounds, scratch)
}

fn lesser<'a>(of: RangeOf, a: End<'a>, b: End<'a>) -> End<'a> {
    if order(of, &a, &b).is_le() { a } else { b }
}

fn greater<'a>(of: RangeOf, a: End<'a>, b: End<'a>) -> End<'a> {
    if order(of, &a, &b).is_ge() { a } else { b }
}

/// `a * b`.
///
/// # Errors
/// None that canonical ranges can reach.
pub fn intersect<'a>(of: RangeOf, a: RangeRef<'_>, b: RangeRef<'_>, scratch: &'a Scratch) -> Result<RangeRef<'a>> {
    match (a.bounds(), b.bounds()) {
        (Some(x), Some(y)) if overlaps(of, a, b) => {
            let (low, high) = (greater(of, lower(&x), lower(&y)), lesser(of, upper(&x), upper(&y)));
            from_ends(of, low, high, scratch)
        }
        _ => Ok(RangeRef::empty()),
    }
}

/// The smallest range that includes both: `range_merge`.
///
/// # Errors
/// None that canonical ranges can reach.
pub fn merge<'a>(of: RangeOf, a: RangeRef<'a>, b: RangeRef<'a>, scratch: &'a Scratch) -> Result<RangeRef<'a>> {
    match (a.bounds(), b.bounds()) {
        (None, _) => Ok(b),
        (_, None) => Ok(a),
        (Some(x), Some(y)) => {
            let (low, high) = (lesser(of, lower(&x), lower(&y)), greater(of, upper(&x), upper(&y)));
            from_ends(of, low, high, scratch)
        }
    }
}

/// `a + b`.
///
/// # Errors
/// 22000 if something lies between them.
pub fn union<'a>(of: RangeOf, a: RangeRef<'a>, b: RangeRef<'a>, scratch: &'a Scratch) -> Result<RangeRef<'a>> {
    if !a.is_empty() && !b.is_empty() && !overlaps(of, a, b) && !adjacent(of, a, b) {
        return Err(SqlError::new(b"22000", "result of range union would not be contiguous"));
    }
    merge(of, a, b, scratch)
}

/// `a - b`.
///
/// # Errors
/// 22000 if two ranges are left.
pub fn minus<'a>(of: RangeOf, a: RangeRef<'a>, b: RangeRef<'a>, scratch: &'a Scratch) -> Result<RangeRef<'a>> {
    match cut(of, a, b, scratch)?.as_slice() {
        [] => Ok(RangeRef::empty()),
        [only] => Ok(*only),
        _ => Err(SqlError::new(b"22000", "result of range difference would not be contiguous")),
    }
}

/// What is left of `a` without `b`: at most two ranges.
fn cut<'a>(of: RangeOf, a: RangeRef<'a>, b: RangeRef<'a>, scratch: &'a Scratch) -> Result<Vec<RangeRef<'a>>> {
    let (Some(x), Some(y)) = (a.bounds(), b.bounds()) else {
        return Ok(if a.is_empty() { vec![] } else { vec![a] });
    };
    if !overlaps(of, a, b) {
        return Ok(vec![a]);
    }
    let mut left = Vec::new();
    if order(of, &lower(&x), &lower(&y)).is_lt() {
        let end = End { value: y.lower, inclusive: !y.lower_inclusive, lower: false };
        left.push(from_ends(of, lower(&x), end, scratch)?);
    }
    if order(of, &upper(&x), &upper(&y)).is_gt() {
        let end = End { value: y.upper, inclusive: !y.upper_inclusive, lower: true };
        left.push(from_ends(of, end, upper(&x), scratch)?);
    }
    left.retain(|range| !range.is_empty());
    Ok(left)
}

/// The multirange of these ranges: in order, those that overlap or touch made one, without empty ones.
///
/// # Errors
/// 54000 if it is too large.
pub fn multirange<'a>(of: RangeOf, ranges: &[RangeRef<'_>], scratch: &'a Scratch) -> Result<MultirangeRef<'a>> {
    let mut sorted: Vec<RangeRef<'_>> = ranges.iter().copied().filter(|range| !range.is_empty()).collect();
    sorted.sort_by(|a, b| compare_ranges(of, *a, *b));
    let mut merged: Vec<RangeRef<'_>> = Vec::new();
    for range in sorted {
        match merged.last_mut() {
            Some(last) if overlaps(of, *last, range) || adjacent(of, *last, range) => {
                *last = merge(of, *last, range, scratch)?;
            }
            _ => merged.push(range),
        }
    }
    MultirangeRef::build(scratch, &merged)
}

/// `a + b` of multiranges.
///
/// # Errors
/// 54000 if it is too large.
pub fn multirange_union<'a>(
    of: RangeOf,
    a: MultirangeRef<'_>,
    b: MultirangeRef<'_>,
    scratch: &'a Scratch,
) -> Result<MultirangeRef<'a>> {
    let all: Vec<RangeRef<'_>> = a.iter().chain(b.iter()).collect();
    multirange(of, &all, scratch)
}

/// `a - b` of multiranges.
///
/// # Errors
/// 54000 if it is too large.
pub fn multirange_minus<'a>(
    of: RangeOf,
    a: MultirangeRef<'a>,
    b: MultirangeRef<'a>,
    scratch: &'a Scratch,
) -> Result<MultirangeRef<'a>> {
    let mut left: Vec<RangeRef<'a>> = a.iter().collect();
    for range in b.iter() {
        let mut next = Vec::new();
        for part in left {
            next.extend(cut(of, part, range, scratch)?);
        }
        left = next;
    }
    multirange(of, &left, scratch)
}

/// `a * b` of multiranges.
///
/// # Errors
/// 54000 if it is too large.
pub fn multirange_intersect<'a>(
    of: RangeOf,
    a: MultirangeRef<'_>,
    b: MultirangeRef<'_>,
    scratch: &'a Scratch,
) -> Result<MultirangeRef<'a>> {
    let mut parts = Vec::new();
    for x in a.iter() {
        for y in b.iter() {
            parts.push(intersect(of, x, y, scratch)?);
        }
    }
    multirange(of, &parts, scratch)
}

/// Whether a multirange contains every value of a range.
pub fn multirange_contains(of: RangeOf, a: MultirangeRef<'_>, b: RangeRef<'_>) -> bool {
    b.is_empty() || a.iter().any(|range| contains(of, range, b))
}
