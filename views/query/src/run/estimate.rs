//! How many rows a relation has, about: enough to keep the smaller side of a join.

use crate::catalog::Source;
use crate::plan::{JoinKind, Rel, equality};

/// What is assumed of a relation that says nothing.
const UNKNOWN_ROWS: f64 = 1000.0;

pub(crate) fn rows(rel: &Rel, source: &dyn Source) -> f64 {
    match rel {
        Rel::Get(get) => source.estimate(&get.relation).map_or(UNKNOWN_ROWS, |rows| rows as f64),
        Rel::Values { rows, .. } => rows.len() as f64,
        Rel::Map { input, .. } | Rel::Project { input, .. } | Rel::Window { input, .. } => rows(input, source),
        Rel::Filter { input, predicates } => {
            let share = |predicate| if equality(predicate).is_some() { 0.05 } else { 0.4 };
            rows(input, source) * predicates.iter().map(share).product::<f64>()
        }
        Rel::Join(join) => {
            let (left, right) = (rows(&join.left, source), rows(&join.right, source));
            match join.kind {
                JoinKind::Semi | JoinKind::Anti => left * 0.5,
                JoinKind::Mark(_) | JoinKind::Single => left,
                _ if join.on.iter().any(|predicate| equality(predicate).is_some()) => left.max(right),
                _ => left * right,
            }
        }
        Rel::Reduce { keys, .. } if keys.is_empty() => 1.0,
        Rel::Reduce { input, .. } => rows(input, source) * 0.3,
        Rel::TopK(top) => rows(&top.input, source),
        Rel::Union { inputs, .. } => inputs.iter().map(|(input, _)| rows(input, source)).sum(),
        Rel::Count(count) => rows(&count.left.0, source),
        // Nobody knows: more than what is better kept.
        Rel::FlatMap { input, .. } => rows(input, source) * UNKNOWN_ROWS,
        Rel::Let(binding) => rows(&binding.body, source),
        Rel::LetRec(binding) => rows(&binding.body, source),
        Rel::Ref { .. } => UNKNOWN_ROWS,
    }
}
