//! DISTINCT goes where a key says that no row occurs twice: a key of the input among the columns that are grouped by.

use crate::plan::Rel;

pub(super) fn distinct(mut rel: Rel) -> Rel {
    rel.rewrite(&mut |rel| {
        let Rel::Reduce { input, keys, aggregates } = rel else { return };
        // Without columns it asks whether there is a row at all.
        if !aggregates.is_empty() || keys.is_empty() {
            return;
        }
        if input.keys().iter().any(|key| key.iter().all(|id| keys.contains(id))) {
            let input = std::mem::replace(&mut **input, Rel::unit());
            *rel = input.project(std::mem::take(keys));
        }
    });
    rel
}
