//! Equalities that follow from others: where a = b and b = c, a = c may join first what the others would join late. Only one of those
//! that say the same is a condition in the end.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::plan::{Id, Scalar, equality};

/// A class of more columns gets no further equalities: there would be one for each pair.
const MEMBERS_MAX: usize = 12;

/// Columns that are equal to each other.
#[derive(Default)]
pub(super) struct Equal(HashMap<Id, Id>);

impl Equal {
    fn root(&self, mut id: Id) -> Id {
        while let Some(next) = self.0.get(&id) {
            id = *next;
        }
        id
    }

    fn join(&mut self, a: Id, b: Id) -> bool {
        let (a, b) = (self.root(a), self.root(b));
        if a != b {
            self.0.insert(a, b);
        }
        a != b
    }

    /// Whether a condition says what was not known; from now on it is.
    pub(super) fn learns(&mut self, predicate: &Scalar) -> bool {
        columns(predicate).is_none_or(|(a, b)| self.join(a, b))
    }
}

/// The equalities of columns of different relations that follow from `predicates` and are not among them; `of` gives a column's relation.
pub(super) fn implied(predicates: &[Scalar], of: impl Fn(Id) -> Option<usize>) -> Vec<Scalar> {
    let mut equal = Equal::default();
    let mut known = BTreeSet::new();
    for (a, b) in predicates.iter().filter_map(columns) {
        equal.join(a, b);
        known.extend([(a, b), (b, a)]);
    }
    let mut classes: BTreeMap<Id, BTreeMap<Id, &Scalar>> = BTreeMap::new();
    for predicate in predicates {
        if let Some((a, b)) = columns(predicate) {
            classes.entry(equal.root(a)).or_default().extend([(a, predicate), (b, predicate)]);
        }
    }
    let mut found = Vec::new();
    for members in classes.values().filter(|members| members.len() <= MEMBERS_MAX) {
        for (a, predicate) in members {
            for b in members.keys().filter(|b| *b > a && of(**b) != of(*a) && !known.contains(&(*a, **b))) {
                found.extend(between(predicate, *a, *b));
            }
        }
    }
    found
}

/// The equality of `a`, which `predicate` reads, and `b`.
fn between(predicate: &Scalar, a: Id, b: Id) -> Option<Scalar> {
    let (left, right) = columns(predicate)?;
    let ty = equality(predicate)?.0.ty();
    let other = if left == a { right } else { left };
    let mut made = predicate.clone();
    made.substitute(&HashMap::from([(other, Scalar::Column(b, ty))]));
    Some(made)
}

/// The two columns that a condition says are equal, if they are of one type.
fn columns(predicate: &Scalar) -> Option<(Id, Id)> {
    match equality(predicate)? {
        (Scalar::Column(a, x), Scalar::Column(b, y)) if x.ty == y.ty && a != b => Some((*a, *b)),
        _ => None,
    }
}
