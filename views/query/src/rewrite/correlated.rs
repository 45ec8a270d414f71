//! A correlated aggregate, `(SELECT agg FROM R WHERE R.k = L.x)`, needs no domain: it is a left join to R grouped by k.
//!
//! Groups that R has not are those over which the aggregate sees no row: it is NULL then, as the join's missing row is, but for count.

use std::collections::BTreeSet;

use tidewater_types::{Datum, Type};

use super::Names;
use crate::plan::{Aggregate, Constant, Id, Join, JoinKind, Rel, Scalar, equality};

/// The parts of a right side that the rule is for.
struct Parts {
    /// Computed over the aggregates, the innermost first.
    maps: Vec<Vec<(Id, Scalar)>>,
    input: Rel,
    aggregates: Vec<(Id, Aggregate)>,
    /// Sides of equalities: inner, outer, and the whole.
    equal: Vec<(Scalar, Scalar, Scalar)>,
}

/// The join without dependence, or the join as it was.
pub(super) fn by_groups(join: Join, left: &BTreeSet<Id>, names: &mut Names<'_>) -> Result<Rel, Box<Join>> {
    if !matches!(join.kind, JoinKind::Single | JoinKind::Left | JoinKind::Inner) || !join.on.is_empty() {
        return Err(Box::new(join));
    }
    let Some(parts) = parts(join.right.clone(), left) else { return Err(Box::new(join)) };
    let mut keys = Vec::with_capacity(parts.equal.len());
    let mut made = Vec::new();
    let mut on = Vec::with_capacity(parts.equal.len());
    for (inner, _, whole) in &parts.equal {
        let id = match inner {
            Scalar::Column(id, _) => *id,
            inner => {
                let id = names.columns.add("key", inner.ty());
                made.push((id, inner.clone()));
                id
            }
        };
        let key = Scalar::column(id, names.columns);
        let mut condition = whole.clone();
        replace(&mut condition, inner, &key);
        on.push(condition);
        if !keys.contains(&id) {
            keys.push(id);
        }
    }
    let mut counts = Vec::new();
    let mut aggregates = parts.aggregates;
    for (id, aggregate) in &mut aggregates {
        if aggregate.call.function.0.name == "count" {
            let raw = names.columns.copy(*id);
            let none = Scalar::Literal(Constant::new(&Datum::Int(0), Type::Int8));
            counts.push((*id, Scalar::Coalesce(vec![Scalar::column(raw, names.columns), none])));
            *id = raw;
        }
    }
    let grouped = Rel::Reduce { input: Box::new(parts.input.map(made)), keys, aggregates };
    let mut rel = Rel::join(JoinKind::Left, join.left, grouped, on).map(counts);
    for scalars in parts.maps {
        rel = rel.map(scalars);
    }
    Ok(rel)
}

fn parts(mut rel: Rel, left: &BTreeSet<Id>) -> Option<Parts> {
    let mut maps = Vec::new();
    loop {
        match rel {
            Rel::Map { input, scalars } => {
                maps.push(scalars);
                rel = *input;
            }
            Rel::Project { input, .. } => rel = *input,
            Rel::Reduce { input, keys, aggregates } if keys.is_empty() => {
                maps.reverse();
                return reduced(*input, aggregates, maps, left);
            }
            _ => return None,
        }
    }
}

fn reduced(
    input: Rel,
    aggregates: Vec<(Id, Aggregate)>,
    maps: Vec<Vec<(Id, Scalar)>>,
    left: &BTreeSet<Id>,
) -> Option<Parts> {
    let null_of_nothing = |aggregate: &Aggregate| {
        aggregate.direct == 0 && !matches!(aggregate.call.function.0.name, "regr_count" | "approx_count_distinct")
    };
    if !aggregates.iter().all(|(_, aggregate)| null_of_nothing(aggregate)) {
        return None;
    }
    let (input, pulled) = super::unnest::pull_filters(input, left);
    if !input.free().is_disjoint(left) || pulled.is_empty() {
        return None;
    }
    let equal = pulled.into_iter().map(|whole| sides(whole, left)).collect::<Option<Vec<_>>>()?;
    let reads = Rel::Reduce { input: Box::new(Rel::unit()), keys: Vec::new(), aggregates: aggregates.clone() };
    let dependent = reads.scalars().into_iter().any(|scalar| !scalar.free().is_disjoint(left));
    // Grouping takes equal values for one: the comparison must be the type's own.
    let own = equal.iter().all(|(inner, outer, _)| inner.ty().ty == outer.ty().ty);
    if dependent || !own { None } else { Some(Parts { maps, input, aggregates, equal }) }
}

/// Inner and outer side of an equality.
fn sides(whole: Scalar, left: &BTreeSet<Id>) -> Option<(Scalar, Scalar, Scalar)> {
    let (a, b) = equality(&whole)?;
    let outer = |scalar: &Scalar| {
        let free = scalar.free();
        !free.is_empty() && free.is_subset(left)
    };
    let inner = |scalar: &Scalar| {
        let free = scalar.free();
        !free.is_empty() && free.is_disjoint(left) && !crate::run::is_volatile(scalar)
    };
    match (inner(a) && outer(b), inner(b) && outer(a)) {
        (true, _) => Some((a.clone(), b.clone(), whole)),
        (_, true) => Some((b.clone(), a.clone(), whole)),
        _ => None,
    }
}

fn replace(scalar: &mut Scalar, old: &Scalar, new: &Scalar) {
    if scalar == old {
        *scalar = new.clone();
        return;
    }
    scalar.for_each_child_mut(&mut |child| replace(child, old, new));
}
