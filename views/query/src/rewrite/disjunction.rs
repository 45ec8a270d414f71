//! Disjunctions: what all branches of an OR ask for is asked once, beside it, where it may be the equality that a join needs.
//!
//! `a AND b OR a AND c` is `a AND (b OR c)`, in three-valued logic too. And where every branch asks something of one side of a join,
//! that side's rows can be asked before: one of these conditions has to be true.

use std::collections::BTreeSet;

use crate::plan::{Id, Rel, Scalar, conjuncts};
use crate::run::is_volatile;

pub(super) fn factor(mut rel: Rel) -> Rel {
    rel.rewrite(&mut |rel| {
        rel.for_each_scalar_mut(&mut |scalar| scalar.rewrite(&mut common));
        if let Rel::Filter { input, predicates } = rel {
            let input = std::mem::replace(&mut **input, Rel::unit());
            *rel = input.filter(std::mem::take(predicates));
        }
        if let Rel::Join(join) = rel {
            join.on = conjuncts(std::mem::take(&mut join.on));
        }
    });
    rel
}

/// Takes what all branches have in common out of a disjunction.
fn common(scalar: &mut Scalar) {
    let Scalar::Or(branches) = scalar else { return };
    if branches.len() < 2 || branches.iter().any(is_volatile) {
        return;
    }
    let parts: Vec<Vec<Scalar>> = branches.iter().map(|branch| conjuncts([branch.clone()])).collect();
    let shared: Vec<Scalar> =
        parts[0].iter().filter(|part| parts[1..].iter().all(|branch| branch.contains(part))).cloned().collect();
    if shared.is_empty() {
        return;
    }
    let rest = parts.into_iter().map(|mut branch| {
        branch.retain(|part| !shared.contains(part));
        branch
    });
    let rest: Vec<Vec<Scalar>> = rest.collect();
    let mut all = shared;
    // A branch that asks for nothing else makes the others superfluous.
    if rest.iter().all(|branch| !branch.is_empty()) {
        all.push(Scalar::Or(rest.into_iter().map(Scalar::and).collect()));
    }
    *scalar = Scalar::and(all);
}

/// What a disjunction asks of these columns alone, if every branch asks something that cannot fail.
pub(super) fn implied(predicate: &Scalar, columns: &BTreeSet<Id>) -> Option<Scalar> {
    let Scalar::Or(branches) = predicate else { return None };
    let asks = |branch: &Scalar| {
        let mut own = conjuncts([branch.clone()]);
        own.retain(|part| {
            let free = part.free();
            !free.is_empty() && free.is_subset(columns) && !part.any(&mut |inner| !is_safe(inner))
        });
        if own.is_empty() { None } else { Some(Scalar::and(own)) }
    };
    let mut asked: Vec<Scalar> = Vec::with_capacity(branches.len());
    for branch in branches {
        let own = asks(branch)?;
        if !asked.contains(&own) {
            asked.push(own);
        }
    }
    Some(if asked.len() == 1 { asked.remove(0) } else { Scalar::Or(asked) })
}

/// Whether a scalar gives a value for every row.
fn is_safe(scalar: &Scalar) -> bool {
    match scalar {
        Scalar::Column(..) | Scalar::Literal(_) | Scalar::Parameter(..) | Scalar::And(_) | Scalar::Or(_) => true,
        Scalar::Not(_) | Scalar::Is(..) | Scalar::Distinct(..) => true,
        Scalar::Call(call) => matches!(call.function.0.name, "=" | "<>" | "<" | "<=" | ">" | ">="),
        _ => false,
    }
}
