//! How many rows a relation has, about: enough to join in a good order and to keep the smaller side.
//!
//! Nobody counts values. What is known is how many rows tables have and which columns are keys: an equality with a key meets one row
//! of that table, and of those that a filter leaves its share.

use std::collections::BTreeSet;

use crate::catalog::Relation;
use crate::plan::{Id, Join, JoinKind, Rel, Scalar, conjuncts, equality};

/// How many rows a relation of the catalog has, if it says.
pub type Estimate<'e> = dyn Fn(&Relation) -> Option<u64> + 'e;

/// What is assumed of a relation that says nothing.
const UNKNOWN_ROWS: f64 = 1000.0;

/// About how many rows `rel` has.
pub(crate) fn rows(rel: &Rel, estimate: &Estimate<'_>) -> f64 {
    match rel {
        Rel::Get(get) => estimate(&get.relation).map_or(UNKNOWN_ROWS, |rows| rows as f64),
        Rel::Values { rows, .. } => rows.len() as f64,
        Rel::Map { input, .. } | Rel::Project { input, .. } | Rel::Window { input, .. } => rows(input, estimate),
        Rel::Filter { input, predicates } => {
            let all = rows(input, estimate);
            let share: f64 = predicates.iter().map(share).product();
            if is_fixed(input, predicates) { all.min(1.0) } else { all * share }
        }
        Rel::Join(join) => joined(join, estimate),
        Rel::Reduce { keys, .. } if keys.is_empty() => 1.0,
        Rel::Reduce { input, .. } => rows(input, estimate) * 0.3,
        Rel::TopK(top) => rows(&top.input, estimate),
        Rel::Union { inputs, .. } => inputs.iter().map(|(input, _)| rows(input, estimate)).sum(),
        Rel::Count(count) => rows(&count.left.0, estimate),
        // Nobody knows: more than what is better kept.
        Rel::FlatMap { input, .. } => rows(input, estimate) * UNKNOWN_ROWS,
        Rel::Let(binding) => rows(&binding.body, estimate),
        Rel::LetRec(binding) => rows(&binding.body, estimate),
        Rel::Ref { .. } => UNKNOWN_ROWS,
    }
}

/// Which part of the rows a condition leaves.
fn share(predicate: &Scalar) -> f64 {
    match predicate {
        Scalar::Call(call) => match call.function.0.name {
            "=" => 0.05,
            "<>" | "!~~" | "!~~*" => 0.9,
            "~~" | "~~*" => 0.1,
            _ => 0.4,
        },
        Scalar::Or(parts) => parts.iter().map(share).sum::<f64>().min(1.0),
        Scalar::And(parts) => parts.iter().map(share).product(),
        Scalar::Not(inner) => (1.0 - share(inner)).max(0.05),
        _ => 0.4,
    }
}

/// Whether conditions leave at most one row.
fn is_fixed(input: &Rel, predicates: &[Scalar]) -> bool {
    // Only of a table, which costs nothing to ask.
    if !matches!(input, Rel::Get(_)) || predicates.iter().all(|predicate| equality(predicate).is_none()) {
        return false;
    }
    let filter = Rel::Filter { input: Box::new(input.clone()), predicates: predicates.to_vec() };
    filter.is_single()
}

fn joined(join: &Join, estimate: &Estimate<'_>) -> f64 {
    let (left, right) = (rows(&join.left, estimate), rows(&join.right, estimate));
    match join.kind {
        JoinKind::Semi | JoinKind::Anti => left * 0.5,
        JoinKind::Mark(_) | JoinKind::Single => left,
        kind => {
            let pairs = pairs((&join.left, left), (&join.right, right), &join.on, estimate);
            if kind == JoinKind::Inner { pairs } else { pairs.max(left) }
        }
    }
}

/// About how many pairs of two relations' rows fulfil conditions.
pub(crate) fn pairs(
    (left, left_rows): (&Rel, f64),
    (right, right_rows): (&Rel, f64),
    on: &[Scalar],
    estimate: &Estimate<'_>,
) -> f64 {
    let (own, other) = (ids(left), ids(right));
    let (mut left_fixed, mut right_fixed) = (BTreeSet::new(), BTreeSet::new());
    let mut rest = 1.0;
    for predicate in conjuncts(on.iter().cloned()) {
        let sides =
            equality(&predicate).and_then(|(a, b)| sides(a, b, &own, &other).or_else(|| sides(b, a, &own, &other)));
        match sides {
            Some((a, b)) => {
                left_fixed.extend(a);
                right_fixed.extend(b);
            }
            // An equality with a third relation.
            None if equality(&predicate).is_some() => {}
            None => rest *= share(&predicate),
        }
    }
    let all = left_rows * right_rows * rest;
    if left_fixed.is_empty() && right_fixed.is_empty() {
        return all;
    }
    let of_key = |rel: &Rel, fixed: &BTreeSet<Id>| {
        rel.keys().iter().any(|key| key.is_subset(fixed)).then(|| unfiltered(rel, estimate))
    };
    let values = match (of_key(left, &left_fixed), of_key(right, &right_fixed)) {
        (Some(a), Some(b)) => a.max(b),
        (Some(a), None) | (None, Some(a)) => a,
        (None, None) => unfiltered(left, estimate).max(unfiltered(right, estimate)).sqrt(),
    };
    all / values.max(1.0)
}

fn ids(rel: &Rel) -> BTreeSet<Id> {
    rel.columns().into_iter().collect()
}

/// The columns that the sides of an equality read, if one is of each relation.
fn sides(a: &Scalar, b: &Scalar, left: &BTreeSet<Id>, right: &BTreeSet<Id>) -> Option<(BTreeSet<Id>, BTreeSet<Id>)> {
    let (a, b) = (a.free(), b.free());
    let fits = !a.is_empty() && !b.is_empty() && a.is_subset(left) && b.is_subset(right);
    fits.then_some((a, b))
}

/// How many rows a relation had if nothing were left out of it.
fn unfiltered(rel: &Rel, estimate: &Estimate<'_>) -> f64 {
    match rel {
        Rel::Filter { input, .. } | Rel::Map { input, .. } | Rel::Project { input, .. } => unfiltered(input, estimate),
        Rel::Join(join) if matches!(join.kind, JoinKind::Semi | JoinKind::Anti | JoinKind::Mark(_)) => {
            unfiltered(&join.left, estimate)
        }
        Rel::Reduce { keys, .. } if keys.is_empty() => 1.0,
        Rel::Reduce { input, .. } => unfiltered(input, estimate) * 0.3,
        other => rows(other, estimate),
    }
}
