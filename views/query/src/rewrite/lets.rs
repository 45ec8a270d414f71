//! Shared relations in place: one that is not used goes, one that is used once stands where it is used, and one that reads columns
//! from outside stands wherever it is used, because unnesting turns every use another way.

use std::collections::{BTreeSet, HashMap};

use super::Names;
use crate::plan::{Id, LetId, Rel, Scalar};

pub(super) fn in_place(mut rel: Rel, names: &mut Names<'_>) -> Rel {
    loop {
        let uses = rel.uses();
        let mut changed = false;
        rel.rewrite(&mut |rel| {
            let Rel::Let(binding) = rel else { return };
            let count = uses.get(&binding.id).copied().unwrap_or(0);
            if count > 1 && binding.value.free().is_empty() {
                return;
            }
            changed = true;
            let Rel::Let(binding) = std::mem::replace(rel, Rel::unit()) else { return };
            let mut body = binding.body;
            put(&mut body, binding.id, &binding.value, &binding.columns, count > 1, names);
            *rel = body;
        });
        if !changed {
            return rel;
        }
    }
}

/// Puts a relation where it is used.
fn put(body: &mut Rel, id: LetId, value: &Rel, columns: &[Id], often: bool, names: &mut Names<'_>) {
    body.rewrite(&mut |rel| {
        let Rel::Ref { id: used, columns: shown } = rel else { return };
        if *used != id {
            return;
        }
        let shown = std::mem::take(shown);
        let mut copy = value.clone();
        let own = if often { copy.renumber(names.columns) } else { HashMap::new() };
        let made: Vec<Id> = columns.iter().map(|id| own.get(id).copied().unwrap_or(*id)).collect();
        *rel = renamed(copy, &made, &shown, names);
    });
}

/// A relation whose columns `from` are called `to`.
fn renamed(mut rel: Rel, from: &[Id], to: &[Id], names: &Names<'_>) -> Rel {
    let unique: BTreeSet<Id> = from.iter().copied().collect();
    let free = rel.free();
    if unique.len() == from.len() && unique.is_disjoint(&free) {
        let new: HashMap<Id, Id> = from.iter().copied().zip(to.iter().copied()).collect();
        rel.for_each_id_mut(&mut |id| {
            if let Some(new) = new.get(id) {
                *id = *new;
            }
        });
        return rel;
    }
    let scalars = from.iter().zip(to).map(|(from, to)| (*to, Scalar::column(*from, names.columns))).collect();
    rel.map(scalars)
}
