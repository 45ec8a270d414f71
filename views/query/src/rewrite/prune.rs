//! Pruning: what nobody reads is not computed, down to the columns that are read of a relation.

use std::collections::{BTreeSet, HashMap};

use crate::plan::{Id, JoinKind, LetId, Rel, Scalar};

/// Which columns of shared relations are read, by their places.
pub(super) type Reads = HashMap<LetId, BTreeSet<usize>>;

/// `rel`, of which only these columns are read.
pub(super) fn prune(rel: Rel, mut wanted: BTreeSet<Id>, reads: &mut Reads) -> Rel {
    match rel {
        Rel::Get(mut get) => {
            get.columns.retain(|(_, id)| wanted.contains(id));
            Rel::Get(get)
        }
        Rel::Map { input, scalars } => {
            let kept: Vec<_> = scalars.into_iter().filter(|(id, _)| wanted.contains(id)).collect();
            read(&mut wanted, kept.iter().map(|(_, scalar)| scalar));
            prune(*input, wanted, reads).map(kept)
        }
        Rel::Filter { input, predicates } => {
            read(&mut wanted, &predicates);
            prune(*input, wanted, reads).filter(predicates)
        }
        Rel::Project { input, columns } => {
            let columns: Vec<Id> = columns.into_iter().filter(|id| wanted.contains(id)).collect();
            prune(*input, wanted, reads).project(columns)
        }
        Rel::Join(mut join) => {
            let unread = join.right.columns().iter().all(|id| !wanted.contains(id));
            // A left join to at most one row, of which nothing is read, changes nothing.
            let idle = match join.kind {
                JoinKind::Mark(id) => !wanted.contains(&id),
                JoinKind::Left => unread && meets_one(&join.on, &join.right),
                _ => false,
            };
            if idle {
                return prune(join.left, wanted, reads);
            }
            read(&mut wanted, &join.on);
            join.left = prune(join.left, wanted.clone(), reads);
            join.right = prune(join.right, wanted, reads);
            Rel::Join(join)
        }
        Rel::Reduce { input, keys, aggregates } => {
            let kept: Vec<_> = aggregates.into_iter().filter(|(id, _)| wanted.contains(id)).collect();
            let rel = Rel::Reduce { input: Box::new(Rel::unit()), keys: keys.clone(), aggregates: kept };
            wanted.extend(keys);
            read(&mut wanted, rel.scalars());
            with_input(rel, prune(*input, wanted, reads))
        }
        Rel::TopK(mut top) => {
            wanted.extend(top.partition.iter().chain(top.order.iter().map(|order| &order.id)));
            read(&mut wanted, top.limit.iter().chain(&top.offset));
            top.input = prune(top.input, wanted, reads);
            Rel::TopK(top)
        }
        Rel::Window { input, partition, order, calls } => {
            let kept: Vec<_> = calls.into_iter().filter(|(id, _)| wanted.contains(id)).collect();
            if kept.is_empty() {
                return prune(*input, wanted, reads);
            }
            wanted.extend(partition.iter().chain(order.iter().map(|order| &order.id)));
            let rel = Rel::Window { input: Box::new(Rel::unit()), partition, order, calls: kept };
            read(&mut wanted, rel.scalars());
            with_input(rel, prune(*input, wanted, reads))
        }
        Rel::Union { columns, inputs } => {
            let kept: Vec<usize> = (0..columns.len()).filter(|i| wanted.contains(&columns[*i])).collect();
            let pick = |ids: &[Id]| kept.iter().map(|i| ids[*i]).collect::<Vec<Id>>();
            let inputs = inputs
                .into_iter()
                .map(|(input, ids)| {
                    let ids = pick(&ids);
                    (prune(input, ids.iter().copied().collect(), reads), ids)
                })
                .collect();
            Rel::Union { columns: pick(&columns), inputs }
        }
        Rel::Count(mut count) => {
            for side in [&mut count.left, &mut count.right] {
                let input = std::mem::replace(&mut side.0, Rel::unit());
                side.0 = prune(input, side.1.iter().copied().collect(), reads);
            }
            Rel::Count(count)
        }
        Rel::FlatMap { input, calls, ordinality } => {
            let rel = Rel::FlatMap { input: Box::new(Rel::unit()), calls, ordinality };
            read(&mut wanted, rel.scalars());
            with_input(rel, prune(*input, wanted, reads))
        }
        Rel::Let(mut binding) => {
            binding.body = prune(binding.body, wanted, reads);
            let kept = reads.remove(&binding.id).unwrap_or_default();
            keep_columns(&mut binding.columns, &kept);
            binding.body.rewrite(&mut |rel| {
                if let Rel::Ref { id, columns } = rel
                    && *id == binding.id
                {
                    keep_columns(columns, &kept);
                }
            });
            binding.value = prune(binding.value, binding.columns.iter().copied().collect(), reads);
            Rel::Let(binding)
        }
        Rel::LetRec(mut binding) => {
            binding.body = prune(binding.body, wanted, reads);
            for side in [&mut binding.base, &mut binding.step] {
                let input = std::mem::replace(&mut side.0, Rel::unit());
                side.0 = prune(input, side.1.iter().copied().collect(), reads);
            }
            Rel::LetRec(binding)
        }
        // Uses of one relation see the same columns: those that one of them reads.
        Rel::Ref { id, columns } => {
            let read = columns.iter().enumerate().filter(|(_, id)| wanted.contains(id)).map(|(i, _)| i);
            reads.entry(id).or_default().extend(read);
            Rel::Ref { id, columns }
        }
        Rel::Values { columns, rows } => {
            let kept: Vec<usize> = (0..columns.len()).filter(|i| wanted.contains(&columns[*i])).collect();
            let pick = |row: Vec<Scalar>| {
                row.into_iter().enumerate().filter(|(i, _)| kept.contains(i)).map(|(_, scalar)| scalar).collect()
            };
            let rows = rows.into_iter().map(pick).collect();
            Rel::Values { columns: kept.iter().map(|i| columns[*i]).collect(), rows }
        }
    }
}

fn keep_columns(columns: &mut Vec<Id>, kept: &BTreeSet<usize>) {
    *columns = kept.iter().filter_map(|i| columns.get(*i).copied()).collect();
}

fn read<'s>(wanted: &mut BTreeSet<Id>, scalars: impl IntoIterator<Item = &'s Scalar>) {
    scalars.into_iter().for_each(|scalar| wanted.extend(scalar.free()));
}

fn with_input(mut rel: Rel, new: Rel) -> Rel {
    if let Some(input) = rel.inputs_mut().pop() {
        *input = new;
    }
    rel
}

/// Whether the columns that are compared hold a key of the right side.
pub(super) fn meets_one(on: &[Scalar], right: &Rel) -> bool {
    let own: BTreeSet<Id> = right.columns().into_iter().collect();
    let mut fixed = BTreeSet::new();
    for (a, b) in on.iter().filter_map(crate::plan::equality) {
        for (column, other) in [(a, b), (b, a)] {
            if let Scalar::Column(id, _) = column
                && own.contains(id)
                && other.free().is_disjoint(&own)
            {
                fixed.insert(*id);
            }
        }
    }
    right.keys().iter().any(|key| key.is_subset(&fixed))
}
