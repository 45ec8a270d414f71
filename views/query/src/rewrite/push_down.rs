//! Conditions go as far down as they mean the same, and turn outer joins that they make pointless into inner ones.
//!
//! A condition on a group's key may see another of several equal values than the group shows (numeric 1.0 and 1.00): it goes below a
//! grouping only where equal values are identical.

use std::collections::{BTreeSet, HashMap};

use crate::plan::{Id, Join, JoinKind, Rel, Scalar, TopK, rejects_null};
use crate::run::is_volatile;

pub(super) fn push_down(rel: Rel) -> Rel {
    push(rel, Vec::new())
}

/// `rel` where all of `predicates` are true.
fn push(rel: Rel, predicates: Vec<Scalar>) -> Rel {
    let (stay, mut go): (Vec<_>, Vec<_>) = predicates.into_iter().partition(is_volatile);
    let pushed = match rel {
        Rel::Filter { input, predicates } => {
            let (fixed, more): (Vec<_>, Vec<_>) = predicates.into_iter().partition(is_volatile);
            if fixed.is_empty() {
                go.extend(more);
                push(*input, go)
            } else {
                push(*input, more).filter(fixed).filter(go)
            }
        }
        Rel::Map { input, scalars } => {
            let made: HashMap<Id, Scalar> = scalars.iter().cloned().collect();
            let (below, above) =
                split(go, |predicate| predicate.free().iter().all(|id| made.get(id).is_none_or(is_plain)));
            let below = below.into_iter().map(|mut predicate| {
                predicate.substitute(&made);
                predicate
            });
            push(*input, below.collect()).map(scalars).filter(above)
        }
        Rel::Project { input, columns } => push(*input, go).project(columns),
        Rel::Join(join) => push_join(*join, go),
        Rel::Reduce { input, keys, aggregates } => {
            let own: BTreeSet<Id> = keys.iter().copied().collect();
            let (below, above) = split(go, |predicate| !keys.is_empty() && on_identical(predicate, &own));
            Rel::Reduce { input: Box::new(push(*input, below)), keys, aggregates }.filter(above)
        }
        Rel::TopK(top) => {
            let TopK { input, partition, order, limit, offset, ties } = *top;
            let own: BTreeSet<Id> = partition.iter().copied().collect();
            let all = limit.is_none() && offset.is_none();
            let (below, above) = split(go, |predicate| all || !own.is_empty() && on_identical(predicate, &own));
            let input = push(input, below);
            Rel::TopK(Box::new(TopK { input, partition, order, limit, offset, ties })).filter(above)
        }
        Rel::Window { input, partition, order, calls } => {
            let own: BTreeSet<Id> = partition.iter().copied().collect();
            let (below, above) = split(go, |predicate| !own.is_empty() && on_identical(predicate, &own));
            Rel::Window { input: Box::new(push(*input, below)), partition, order, calls }.filter(above)
        }
        Rel::FlatMap { input, calls, ordinality } => {
            let made: BTreeSet<Id> = calls.iter().flat_map(|(ids, _)| ids.iter().copied()).chain(ordinality).collect();
            let (below, above) = split(go, |predicate| predicate.free().is_disjoint(&made));
            Rel::FlatMap { input: Box::new(push(*input, below)), calls, ordinality }.filter(above)
        }
        Rel::Union { columns, inputs } => {
            let into = |(input, ids): (Rel, Vec<Id>)| {
                let types = go.iter().flat_map(columns_of).collect::<HashMap<_, _>>();
                let new: HashMap<Id, Scalar> = columns
                    .iter()
                    .zip(&ids)
                    .filter_map(|(column, id)| Some((*column, Scalar::Column(*id, types.get(column)?.clone()))))
                    .collect();
                let mut own = go.clone();
                own.iter_mut().for_each(|predicate| predicate.substitute(&new));
                (push(input, own), ids)
            };
            let inputs = inputs.into_iter().map(into).collect();
            Rel::Union { columns, inputs }
        }
        Rel::Let(mut binding) => {
            binding.value = push(binding.value, Vec::new());
            binding.body = push(binding.body, go);
            Rel::Let(binding)
        }
        Rel::LetRec(mut binding) => {
            binding.base.0 = push(binding.base.0, Vec::new());
            binding.step.0 = push(binding.step.0, Vec::new());
            binding.body = push(binding.body, go);
            Rel::LetRec(binding)
        }
        Rel::Count(mut count) => {
            count.left.0 = push(count.left.0, Vec::new());
            count.right.0 = push(count.right.0, Vec::new());
            Rel::Count(count).filter(go)
        }
        other => other.filter(go),
    };
    pushed.filter(stay)
}

fn split(predicates: Vec<Scalar>, goes: impl Fn(&Scalar) -> bool) -> (Vec<Scalar>, Vec<Scalar>) {
    predicates.into_iter().partition(|predicate| goes(predicate))
}

fn is_plain(scalar: &Scalar) -> bool {
    match scalar {
        Scalar::Column(..) | Scalar::Literal(_) | Scalar::Parameter(..) => true,
        Scalar::Cast(cast) => is_plain(&cast.input),
        _ => false,
    }
}

fn columns_of(scalar: &Scalar) -> Vec<(Id, tidewater_types::ColumnType)> {
    let mut found = Vec::new();
    scalar.any(&mut |inner| {
        if let Scalar::Column(id, ty) = inner {
            found.push((*id, ty.clone()));
        }
        false
    });
    found
}

/// Whether a condition reads only these columns, all of types whose equal values are identical.
fn on_identical(predicate: &Scalar, ids: &BTreeSet<Id>) -> bool {
    columns_of(predicate).iter().all(|(id, ty)| ids.contains(id) && crate::run::is_identity(ty))
        && !predicate.free().is_empty()
}

fn push_join(join: Join, above: Vec<Scalar>) -> Rel {
    let Join { mut kind, left, right, on } = join;
    let left_ids: BTreeSet<Id> = left.columns().into_iter().collect();
    let right_ids: BTreeSet<Id> = right.columns().into_iter().collect();
    let rejected: BTreeSet<Id> = above.iter().flat_map(rejects_null).collect();
    let (no_left, no_right) = (!rejected.is_disjoint(&left_ids), !rejected.is_disjoint(&right_ids));
    // A row that has NULLs for want of a partner would be refused above.
    kind = match kind {
        JoinKind::Left if no_right => JoinKind::Inner,
        JoinKind::Full if no_left && no_right => JoinKind::Inner,
        JoinKind::Full if no_left => JoinKind::Left,
        JoinKind::Full if no_right => {
            return push_join(Join { kind: JoinKind::Left, left: right, right: left, on }, above);
        }
        other => other,
    };
    let only = |predicate: &Scalar, ids: &BTreeSet<Id>| {
        let free = predicate.free();
        !free.is_empty() && free.is_subset(ids)
    };
    let (mut to_left, mut to_right, mut stay, mut condition) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for predicate in above {
        match kind {
            JoinKind::Full => stay.push(predicate),
            _ if only(&predicate, &left_ids) => to_left.push(predicate),
            JoinKind::Inner if only(&predicate, &right_ids) => to_right.push(predicate),
            JoinKind::Inner => {
                to_left.extend(super::disjunction::implied(&predicate, &left_ids));
                to_right.extend(super::disjunction::implied(&predicate, &right_ids));
                condition.push(predicate);
            }
            _ => stay.push(predicate),
        }
    }
    for predicate in on {
        let volatile = is_volatile(&predicate);
        match kind {
            _ if volatile => condition.push(predicate),
            JoinKind::Inner | JoinKind::Semi if only(&predicate, &left_ids) => to_left.push(predicate),
            JoinKind::Full | JoinKind::Mark(_) => condition.push(predicate),
            JoinKind::Inner if !only(&predicate, &right_ids) => {
                to_left.extend(super::disjunction::implied(&predicate, &left_ids));
                to_right.extend(super::disjunction::implied(&predicate, &right_ids));
                condition.push(predicate);
            }
            _ if only(&predicate, &right_ids) => to_right.push(predicate),
            _ => condition.push(predicate),
        }
    }
    let (left, right) = (push(left, to_left), push(right, to_right));
    Rel::join(kind, left, right, condition).filter(stay)
}
