//! The order of inner joins: from one relation on, next always the one that an equality connects and that leaves the fewest rows,
//! pairs of everything last. A semi or anti join whose conditions read one of the relations goes to that one, if it has fewer rows than
//! all of them joined. Each relation is tried as the first; of equal orders the one that begins with the smallest is taken.

use std::collections::BTreeSet;

use super::equalities::{Equal, implied};
use crate::plan::{Id, Join, JoinKind, Rel, Scalar, equality};
use crate::run::is_volatile;
use crate::sizes::{Estimate, pairs, rows};

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
    match rel {
        Rel::Join(join) if matches!(join.kind, JoinKind::Semi | JoinKind::Anti) => sink(*join, estimate),
        rel => rel,
    }
}

/// A semi or anti join, on the one of the joined relations that its conditions read.
fn sink(join: Join, estimate: &Estimate<'_>) -> Rel {
    let all = rows(&join.left, estimate);
    let free: BTreeSet<Id> = join.on.iter().flat_map(Scalar::free).collect();
    let right: BTreeSet<Id> = join.right.columns().into_iter().collect();
    let read: BTreeSet<Id> = free.difference(&right).copied().collect();
    let is_inner = matches!(&join.left, Rel::Join(left) if left.kind == JoinKind::Inner);
    if !is_inner || read.is_empty() || join.on.iter().any(is_volatile) {
        return Rel::Join(Box::new(join));
    }
    let (mut leaves, mut predicates) = (Vec::new(), Vec::new());
    flatten(join.left.clone(), &mut leaves, &mut predicates);
    let reads = |leaf: &Rel| read.is_subset(&leaf.columns().into_iter().collect());
    let Some(at) = leaves.iter().position(|leaf| reads(leaf) && rows(leaf, estimate) < all) else {
        return Rel::Join(Box::new(join));
    };
    let leaf = std::mem::replace(&mut leaves[at], Rel::unit());
    leaves[at] = sink(Join { left: leaf, ..join }, estimate);
    greedy(leaves, predicates, estimate)
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

/// With more relations than this only the smallest is tried as the first.
const STARTS_MAX: usize = 12;

fn greedy(leaves: Vec<Rel>, mut predicates: Vec<Scalar>, estimate: &Estimate<'_>) -> Rel {
    let leaf = |rel: Rel| Leaf { columns: rel.columns().into_iter().collect(), rows: rows(&rel, estimate), rel };
    let leaves: Vec<Leaf> = leaves.into_iter().map(leaf).collect();
    predicates.extend(implied(&predicates, |id| leaves.iter().position(|leaf| leaf.columns.contains(&id))));
    let mut starts: Vec<usize> = (0..leaves.len()).collect();
    starts.sort_by(|a, b| leaves[*a].rows.total_cmp(&leaves[*b].rows));
    // What nothing connects comes last.
    let has_partner = |at: usize| {
        let others = || leaves.iter().filter(|other| other.columns != leaves[at].columns);
        predicates
            .iter()
            .any(|predicate| others().any(|other| connects(predicate, &leaves[at].columns, &other.columns)))
    };
    let connected: Vec<usize> = starts.iter().copied().filter(|at| has_partner(*at)).collect();
    if !connected.is_empty() {
        starts = connected;
    }
    starts.truncate(if leaves.len() > STARTS_MAX { 1 } else { STARTS_MAX });
    let tried = starts.into_iter().map(|first| from(first, &leaves, &predicates, estimate));
    let Some((_, order)) = tried.reduce(|best, next| if next.0 < best.0 { next } else { best }) else {
        return Rel::unit().filter(predicates);
    };
    let mut leaves: Vec<Option<Leaf>> = leaves.into_iter().map(Some).collect();
    let mut ordered = order.into_iter().filter_map(|at| leaves[at].take());
    let Some(Leaf { mut rel, columns: mut known, .. }) = ordered.next() else { return Rel::unit().filter(predicates) };
    let mut equal = Equal::default();
    for leaf in ordered {
        known.extend(leaf.columns);
        let (mut on, rest): (Vec<_>, Vec<_>) =
            predicates.into_iter().partition(|predicate| predicate.free().is_subset(&known));
        predicates = rest;
        on.retain(|predicate| equal.learns(predicate));
        rel = Rel::join(JoinKind::Inner, rel, leaf.rel, on);
    }
    rel.filter(predicates)
}

/// The order that begins with `first` and goes on with what makes the fewest rows; and what it costs: rows that are made and kept.
fn from(first: usize, leaves: &[Leaf], predicates: &[Scalar], estimate: &Estimate<'_>) -> (f64, Vec<usize>) {
    let mut order = vec![first];
    let mut known = leaves[first].columns.clone();
    let (mut rows, mut cost) = (leaves[first].rows, 0.0);
    while order.len() < leaves.len() {
        let step = |at: usize| {
            let leaf = &leaves[at];
            let connected = predicates.iter().any(|predicate| connects(predicate, &known, &leaf.columns));
            let together = |predicate: &&Scalar| {
                let free = predicate.free();
                !free.is_subset(&known)
                    && !free.is_subset(&leaf.columns)
                    && free.iter().all(|id| known.contains(id) || leaf.columns.contains(id))
            };
            let on: Vec<Scalar> = predicates.iter().filter(together).cloned().collect();
            // Of what is joined so far only the relations count that the conditions read: their keys tell how many rows meet.
            let made = order
                .iter()
                .filter(|other| on.iter().any(|predicate| !predicate.free().is_disjoint(&leaves[**other].columns)))
                .map(|other| pairs((&leaves[*other].rel, rows), (&leaf.rel, leaf.rows), &on, estimate))
                .fold(f64::INFINITY, f64::min);
            (at, !connected, if made.is_finite() { made } else { rows * leaf.rows })
        };
        let open = (0..leaves.len()).filter(|at| !order.contains(at)).map(step);
        let better = |a: &(usize, bool, f64), b: &(usize, bool, f64)| {
            (a.1.cmp(&b.1)).then(a.2.total_cmp(&b.2)).then(leaves[a.0].rows.total_cmp(&leaves[b.0].rows))
        };
        let Some((next, _, made)) = open.min_by(better) else { break };
        cost += made + rows.min(leaves[next].rows);
        rows = made;
        known.extend(leaves[next].columns.iter().copied());
        order.push(next);
    }
    (cost, order)
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
