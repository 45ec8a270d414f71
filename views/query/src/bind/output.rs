//! From a select list over rows or groups to output columns: windows, set-returning functions, DISTINCT, order.

use std::collections::BTreeSet;

use tidewater_types::Result;

use super::order::Limits;
use super::target::Target;
use super::{Binder, Bound};
use crate::plan::{Call, Id, Order, Rel, Scalar, SortKey, TopK, WindowCall};

/// The clauses of a SELECT that see its rows or groups.
#[derive(Default)]
pub(super) struct Query {
    pub(super) targets: Vec<Target>,
    pub(super) having: Option<Scalar>,
    pub(super) order: Vec<SortKey>,
    pub(super) distinct: bool,
    pub(super) distinct_on: Vec<Scalar>,
    pub(super) limits: Limits,
}

impl Binder<'_> {
    pub(super) fn output(&mut self, mut rel: Rel, query: Query) -> Result<Bound> {
        let windows = std::mem::take(&mut self.level().window_calls);
        rel = self.windows(rel, windows);
        let sets = std::mem::take(&mut self.level().sets);
        rel = self.flat_map(rel, sets);
        // All that is shown or sorted by becomes a column.
        let mut scalars: Vec<(String, Scalar)> =
            query.targets.iter().map(|target| (target.name.clone(), target.scalar.clone())).collect();
        scalars.extend(query.order.iter().map(|key| ("order".to_owned(), key.scalar.clone())));
        scalars.extend(query.distinct_on.iter().map(|scalar| ("distinct".to_owned(), scalar.clone())));
        let (mut rel, mut ids) = self.columns_of(rel, scalars.clone());
        let shown = query.targets.len();
        // What is sorted by is what is shown, even if it is another at every evaluation.
        for at in shown..ids.len() {
            if let Some(same) = scalars[..shown].iter().position(|(_, scalar)| *scalar == scalars[at].1) {
                ids[at] = ids[same];
            }
        }
        let sorted = shown + query.order.len();
        let order: Vec<Order> = query
            .order
            .iter()
            .zip(&ids[shown..sorted])
            .map(|(key, id)| Order { id: *id, descending: key.descending, nulls_first: key.nulls_first })
            .collect();
        if query.distinct {
            let mut keys: Vec<Id> = Vec::new();
            for id in &ids[..shown] {
                if !keys.contains(id) {
                    keys.push(*id);
                }
            }
            rel = Rel::Reduce { input: Box::new(rel), keys, aggregates: Vec::new() };
        }
        if !query.distinct_on.is_empty() {
            rel = Rel::TopK(Box::new(TopK {
                input: rel,
                partition: ids[sorted..].to_vec(),
                order: order.clone(),
                limit: Some(super::literal::integer(1, tidewater_types::Type::Int8)),
                offset: None,
                ties: false,
            }));
        }
        let targets: Vec<(Target, Id)> = query.targets.into_iter().zip(ids).collect();
        Ok(self.finish_order(rel, &targets, order, query.limits))
    }

    /// Window calls, those of one window in one node.
    fn windows(&mut self, mut rel: Rel, mut calls: Vec<(Id, WindowCall)>) -> Rel {
        while !calls.is_empty() {
            let (partition, order) = (calls[0].1.partition.clone(), calls[0].1.order.clone());
            let (same, rest): (Vec<_>, Vec<_>) =
                calls.into_iter().partition(|(_, call)| call.partition == partition && call.order == order);
            calls = rest;
            let named = |scalar: &Scalar| ("window".to_owned(), scalar.clone());
            let scalars = partition.iter().map(named).chain(order.iter().map(|key| named(&key.scalar))).collect();
            let (input, ids) = self.columns_of(rel, scalars);
            let order = order
                .iter()
                .zip(&ids[partition.len()..])
                .map(|(key, id)| Order { id: *id, descending: key.descending, nulls_first: key.nulls_first })
                .collect();
            let bare = |(id, call)| (id, WindowCall { partition: Vec::new(), order: Vec::new(), ..call });
            rel = Rel::Window {
                input: Box::new(input),
                partition: ids[..partition.len()].to_vec(),
                order,
                calls: same.into_iter().map(bare).collect(),
            };
        }
        rel
    }

    /// Set-returning functions in lockstep; those that take what others give come after them.
    pub(super) fn flat_map(&mut self, mut rel: Rel, mut sets: Vec<(Vec<Id>, Call)>) -> Rel {
        while !sets.is_empty() {
            let made: BTreeSet<Id> = sets.iter().flat_map(|(ids, _)| ids.iter().copied()).collect();
            let waits = |call: &Call| call.args.iter().any(|arg| arg.free().iter().any(|id| made.contains(id)));
            let (later, now): (Vec<_>, Vec<_>) = sets.into_iter().partition(|(_, call)| waits(call));
            if now.is_empty() {
                return rel;
            }
            rel = Rel::FlatMap { input: Box::new(rel), calls: now, ordinality: None };
            sets = later;
        }
        rel
    }
}
