//! Constants: AND, OR, NOT and CASE of known truth values. Nothing that may fail is evaluated: a division by zero that no row reaches
//! is no error.

use crate::plan::{Constant, JoinKind, Rel, Scalar};

pub(super) fn fold(mut rel: Rel) -> Rel {
    rel.rewrite(&mut |rel| {
        rel.for_each_scalar_mut(&mut |scalar| scalar.rewrite(&mut simplify));
        let found = std::mem::replace(rel, Rel::unit());
        *rel = node(found);
    });
    rel
}

fn node(rel: Rel) -> Rel {
    match rel {
        Rel::Filter { input, mut predicates } => {
            predicates.retain(|predicate| truth(predicate) != Some(true));
            if predicates.iter().any(|predicate| truth(predicate) == Some(false) || is_null(predicate)) {
                return Rel::empty(input.columns());
            }
            input.filter(predicates)
        }
        Rel::Join(mut join) => {
            if !matches!(join.kind, JoinKind::Mark(_)) {
                join.on.retain(|predicate| truth(predicate) != Some(true));
            }
            Rel::Join(join)
        }
        other => other,
    }
}

fn simplify(scalar: &mut Scalar) {
    match scalar {
        Scalar::And(parts) => {
            if parts.iter().any(|part| truth(part) == Some(false)) {
                *scalar = Scalar::Literal(Constant::bool(false));
                return;
            }
            parts.retain(|part| truth(part) != Some(true));
            match parts.len() {
                0 => *scalar = Scalar::Literal(Constant::bool(true)),
                1 => *scalar = parts.remove(0),
                _ => {}
            }
        }
        Scalar::Or(parts) => {
            if parts.iter().any(|part| truth(part) == Some(true)) {
                *scalar = Scalar::Literal(Constant::bool(true));
                return;
            }
            parts.retain(|part| truth(part) != Some(false));
            match parts.len() {
                0 => *scalar = Scalar::Literal(Constant::bool(false)),
                1 => *scalar = parts.remove(0),
                _ => {}
            }
        }
        Scalar::Not(inner) => {
            if let Some(value) = truth(inner) {
                *scalar = Scalar::Literal(Constant::bool(!value));
            }
        }
        _ => {}
    }
}

/// The known truth value of a scalar.
pub(super) fn truth(scalar: &Scalar) -> Option<bool> {
    match scalar {
        Scalar::Literal(constant) => crate::constant::bool(constant),
        Scalar::And(parts) if parts.is_empty() => Some(true),
        _ => None,
    }
}

fn is_null(scalar: &Scalar) -> bool {
    matches!(scalar, Scalar::Literal(constant) if constant.value.is_none())
}
