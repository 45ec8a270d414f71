//! The order of inner joins: from the smallest relation on, next always one that an equality connects, pairs of everything last.

use std::collections::BTreeSet;

use super::Estimate;
use crate::plan::{Id, JoinKind, Rel, Scalar, equality};

/// What is assumed of a relation that says nothing.
const UNKNOWN_ROWS: f64 = 1000.0;

pub(super) fn order(mut rel: Rel, estimate: &Estimate<'_>) -> Rel {
    if matches!(&rel, Rel::Join(join) if join.kind == JoinKind::Inner) {
        let mut leaves = Vec::new();
        let mut predicates = Vec::new();
        flatten(rel, &mut leaves, &mut predicates);
        let leaves = leaves.into_iter().map(|leaf| order(leaf, estimate)).collect();
        return greedy(leaves, predicates, estimate);
    }
    for input in rel.inputs_mut() {
        let inner = std::mem::replace(input, Rel::unit());
        *input = order(inner, estimate);
    }
    rel
}

fn flatten(rel: Rel, leaves: &mut Vec<Rel>, predicates: &mut Vec<Scalar>) {
    match rel {
        Rel::Join(join) if join.kind == JoinKind::Inner => {
            flatten(join.left, leaves, predicates);
            flatten(join.right, leaves, predicates);
            predicates.extend(join.on);
        }
        leaf => leaves.push(leaf),
    }
}

struct Leaf {
    rel: Rel,
    columns: BTreeSet<Id>,
    rows: f64,
}

fn greedy(leaves: Vec<Rel>, mut predicates: Vec<Scalar>, estimate: &Estimate<'_>) -> Rel {
    let leaf = |rel: Rel| Leaf { columns: rel.columns().into_iter().collect(), rows: rows(&rel, estimate), rel };
    let mut leaves: Vec<Leaf> = leaves.into_iter().map(leaf).collect();
    // What nothing connects comes last.
    let has_partner = |leaf: &Leaf| {
        let others = || leaves.iter().filter(|other| other.columns != leaf.columns);
        predicates.iter().any(|predicate| others().any(|other| connects(predicate, &leaf.columns, &other.columns)))
    };
    let first = smallest(&leaves, has_partner).or_else(|| smallest(&leaves, |_| true)).unwrap_or(0);
    let Leaf { mut rel, columns: mut known, .. } = leaves.remove(first);
    while !leaves.is_empty() {
        let connected = |leaf: &Leaf| predicates.iter().any(|predicate| connects(predicate, &known, &leaf.columns));
        let next = smallest(&leaves, connected).or_else(|| smallest(&leaves, |_| true)).unwrap_or(0);
        let leaf = leaves.remove(next);
        known.extend(leaf.columns);
        let (on, rest): (Vec<_>, Vec<_>) =
            predicates.into_iter().partition(|predicate| predicate.free().is_subset(&known));
        predicates = rest;
        rel = Rel::join(JoinKind::Inner, rel, leaf.rel, on);
    }
    rel.filter(predicates)
}

fn smallest(leaves: &[Leaf], fits: impl Fn(&Leaf) -> bool) -> Option<usize> {
    let fitting = leaves.iter().enumerate().filter(|(_, leaf)| fits(leaf));
    fitting.min_by(|(_, a), (_, b)| a.rows.total_cmp(&b.rows)).map(|(at, _)| at)
}

/// Whether an equality has one side in each set of columns.
fn connects(predicate: &Scalar, a: &BTreeSet<Id>, b: &BTreeSet<Id>) -> bool {
    let sides = match predicate {
        Scalar::Not(inner) => match &**inner {
            Scalar::Distinct(x, y) => Some((&**x, &**y)),
            _ => None,
        },
        other => equality(other),
    };
    let Some((x, y)) = sides else { return false };
    let (x, y) = (x.free(), y.free());
    !x.is_empty() && !y.is_empty() && (x.is_subset(a) && y.is_subset(b) || x.is_subset(b) && y.is_subset(a))
}

/// How many rows a leaf has, about.
fn rows(rel: &Rel, estimate: &Estimate<'_>) -> f64 {
    match rel {
        Rel::Get(get) => estimate(&get.relation).map_or(UNKNOWN_ROWS, |rows| rows as f64),
        Rel::Values { rows, .. } => rows.len() as f64,
        Rel::Filter { input, predicates } => {
            let share = |predicate| if equality(predicate).is_some() { 0.05 } else { 0.4 };
            rows(input, estimate) * predicates.iter().map(share).product::<f64>()
        }
        Rel::Reduce { keys, .. } if keys.is_empty() => 1.0,
        Rel::Reduce { input, .. } => rows(input, estimate) * 0.3,
        Rel::Join(join) => rows(&join.left, estimate).max(rows(&join.right, estimate)),
        Rel::Ref { .. } => UNKNOWN_ROWS,
        other => other.inputs().into_iter().map(|input| rows(input, estimate)).fold(1.0, f64::max),
    }
}
