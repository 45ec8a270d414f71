//! GROUP BY, DISTINCT and DISTINCT ON.
//!
//! A grouping of stored rows by stored columns reads them in place; any other has what it reads stored first.

use std::collections::BTreeSet;

use tidewater_engine::{NodeId, OrderColumn, ReduceSpec};
use tidewater_query::plan::{Aggregate, Case, Constant, Id, Rel, Scalar, TopK};
use tidewater_query::run::evaluate;
use tidewater_types::{ColumnType, Datum, Expr, Result, Type};

use crate::columns::{Collected, Stored};
use crate::refuse::unsupported;
use crate::relation::{Relation, place, slot};
use crate::shared::{Call, Signature, Times, alone};
use crate::store::reads;
use crate::{Lowering, aggregate};

/// An aggregate over slots of the input, before it is known where its order is stored.
pub(crate) struct Draft {
    pub(crate) call: Call,
    pub(crate) order: Vec<(Stored, Sort)>,
}

/// How a column is ordered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sort {
    descending: bool,
    nulls_first: bool,
    packed: bool,
}

impl Sort {
    /// Least first, NULLs last.
    pub(crate) const VALUE: Sort = Sort { descending: false, nulls_first: false, packed: false };
    /// Least packed form first.
    pub(crate) const PACKED: Sort = Sort { packed: true, ..Sort::VALUE };
}

/// A grouping before its input is stored.
#[derive(Default)]
pub(crate) struct Grouping {
    /// What makes a group.
    pub(crate) keys: Vec<Stored>,
    pub(crate) drafts: Vec<Draft>,
    pub(crate) times: Option<Times>,
}

impl Grouping {
    /// Adds a key; the number of the output column that shows it: a key itself, or (after all keys) a value beside its key form.
    pub(crate) fn key(&mut self, scalar: &Scalar) -> Shown {
        if scalar.ty().key_is_packed() {
            self.keys.push(Stored::own(scalar));
            return Shown::Key(self.keys.len() - 1);
        }
        self.keys.push(Stored::key(scalar));
        self.drafts.push(first(scalar, vec![(Stored::own(scalar), Sort::PACKED)], None));
        Shown::Beside { key: self.keys.len() - 1, draft: self.drafts.len() - 1 }
    }
}

/// Where a key's value is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shown {
    Key(usize),
    Beside { key: usize, draft: usize },
}

/// The value of a scalar in the first row of an order.
pub(crate) fn first(scalar: &Scalar, order: Vec<(Stored, Sort)>, filter: Option<Scalar>) -> Draft {
    let call = Call {
        function: None,
        arguments: vec![scalar.clone()],
        result: scalar.ty(),
        filter,
        distinct: false,
        order: Vec::new(),
    };
    Draft { call, order }
}

impl Lowering<'_> {
    pub(crate) fn reduce(
        &mut self,
        input: &Rel,
        keys: &[Id],
        aggregates: &[(Id, Aggregate)],
        wanted: &BTreeSet<Id>,
    ) -> Result<Relation> {
        let kept: Vec<_> = aggregates.iter().filter(|(id, _)| wanted.contains(id)).collect();
        let mut needs: BTreeSet<Id> = keys.iter().copied().collect();
        for (_, aggregate) in &kept {
            let order = aggregate.order.iter().map(|key| &key.scalar);
            let read = aggregate.call.args.iter().chain(&aggregate.filter).chain(order);
            needs.extend(read.flat_map(Scalar::free));
        }
        let relation = self.relation(input, &needs)?;
        let mut grouping = Grouping::default();
        let shown: Vec<_> =
            keys.iter().map(|id| Ok((*id, grouping.key(relation.column(*id)?)))).collect::<Result<_>>()?;
        let before = grouping.drafts.len();
        let in_place = relation.is_table() && grouping.keys.iter().all(|key| relation.stored_at(key).is_some());
        for (_, aggregate) in &kept {
            grouping.drafts.push(draft(&relation, aggregate, in_place)?);
        }
        let width = grouping.keys.len();
        let node = self.grouped(relation, grouping)?;
        let mut ids: Vec<(Id, usize)> = Vec::new();
        let mut forms = Vec::new();
        for (id, shown) in shown {
            match shown {
                Shown::Key(key) => ids.push((id, key)),
                Shown::Beside { key, draft } => {
                    ids.push((id, width + draft));
                    forms.push((alone(width + draft), alone(key)));
                }
            }
        }
        ids.extend(kept.iter().enumerate().map(|(number, (id, _))| (*id, width + before + number)));
        let mut grouped = Relation::of_node(node, ids, self.circuit.types(node));
        grouped.keys.extend(forms);
        Ok(grouped)
    }

    /// DISTINCT ON, LIMIT 1: the first row of each partition. Without a limit an order means nothing to a view.
    pub(crate) fn top(&mut self, top: &TopK, wanted: &BTreeSet<Id>) -> Result<Relation> {
        if top.limit.is_none() && top.offset.is_none() {
            return self.relation(&top.input, wanted);
        }
        let one = match &top.limit {
            Some(limit) if limit.free().is_empty() => evaluate(limit, self.session, &[])?.datum().as_int() == Some(1),
            _ => false,
        };
        if top.offset.is_some() || top.ties || !one {
            return Err(unsupported("LIMIT"));
        }
        let ids: Vec<Id> = top.input.columns().into_iter().filter(|id| wanted.contains(id)).collect();
        let order = top.order.iter().map(|order| order.id);
        let needs = ids.iter().chain(&top.partition).copied().chain(order).collect();
        let relation = self.relation(&top.input, &needs)?;
        let mut order = Vec::new();
        for part in &top.order {
            let sort = Sort { descending: part.descending, nulls_first: part.nulls_first, packed: false };
            order.push((Stored::own(relation.column(part.id)?), sort));
        }
        let mut grouping = Grouping::default();
        let mut shown: Vec<(Id, usize)> = Vec::new();
        for id in &top.partition {
            let scalar = relation.column(*id)?;
            if scalar.ty().key_is_packed() {
                shown.push((*id, grouping.keys.len()));
                grouping.keys.push(Stored::own(scalar));
            } else {
                // Of equal values the first row's is shown.
                grouping.keys.push(Stored::key(scalar));
            }
        }
        if grouping.keys.is_empty() {
            // The group of all rows is there only if there are rows.
            let any = Scalar::Literal(Constant::bool(true));
            grouping.keys.push(Stored::own(&any));
        }
        let width = grouping.keys.len();
        for id in ids {
            if shown.iter().all(|(known, _)| *known != id) {
                shown.push((id, width + grouping.drafts.len()));
                grouping.drafts.push(first(relation.column(id)?, order.clone(), None));
            }
        }
        let node = self.grouped(relation, grouping)?;
        Ok(Relation::of_node(node, shown, self.circuit.types(node)))
    }

    /// The node of a grouping: its keys, then its aggregates.
    pub(crate) fn grouped(&mut self, relation: Relation, grouping: Grouping) -> Result<NodeId> {
        let order = |draft: &Draft| draft.order.iter().map(|(stored, _)| stored.clone()).collect::<Vec<_>>();
        let found = |stored: &Stored| relation.stored_at(stored);
        let read: Vec<Stored> = grouping.keys.iter().cloned().chain(grouping.drafts.iter().flat_map(order)).collect();
        if relation.is_table() && read.iter().all(|stored| found(stored).is_some()) {
            let column = |stored: &Stored| found(stored).unwrap_or_default();
            let key = grouping.keys.iter().map(column).collect();
            let calls = grouping.drafts.iter().map(|draft| draft.placed(column)).collect();
            return self.reduce_node(relation.sources[0].node, key, calls, grouping.times);
        }
        let mut stored = Collected::default();
        let key = grouping.keys.iter().map(|key| stored.number(key.clone())).collect();
        let mut calls = Vec::new();
        for draft in &grouping.drafts {
            let mut call = draft.placed(|order| stored.number(order.clone()));
            let mut argument = |scalar: &Scalar| {
                let number = stored.number(Stored::own(scalar));
                slot(alone(number), scalar.ty())
            };
            call.arguments = draft.guarded().map(|scalar| argument(&scalar)).collect();
            call.filter = draft.call.filter.as_ref().map(argument);
            calls.push(call);
        }
        let input = self.store(relation, stored.0)?;
        self.reduce_node(input, key, calls, grouping.times)
    }

    fn reduce_node(
        &mut self,
        input: NodeId,
        key: Vec<usize>,
        calls: Vec<Call>,
        times: Option<Times>,
    ) -> Result<NodeId> {
        let stored = self.circuit.types(input).clone();
        let keys = key.iter().map(|column| stored[*column].clone());
        let types: Vec<ColumnType> = keys.chain(calls.iter().map(|call| call.result.clone())).collect();
        let signature = Signature::Reduce {
            input,
            key: key.clone(),
            calls: calls.clone(),
            types: types.clone(),
            times,
            zone: self.zone(),
        };
        if let Some(node) = self.shared.0.get(&signature) {
            return Ok(*node);
        }
        let aggregates = calls.iter().map(|call| self.aggregate(input, call)).collect::<Result<_>>()?;
        let spec = ReduceSpec { input, key, aggregates, types: types.into(), times: times.map(occurrences) };
        let node = self.circuit.add_reduce(spec);
        self.shared.0.insert(signature, node);
        Ok(node)
    }

    fn aggregate(&self, input: NodeId, call: &Call) -> Result<tidewater_engine::Aggregate> {
        let compile = |scalar: &Scalar| self.compile_over(input, scalar);
        Ok(tidewater_engine::Aggregate {
            function: self.function(call)?,
            arguments: call.arguments.iter().map(compile).collect::<Result<_>>()?,
            types: call.arguments.iter().map(Scalar::ty).collect(),
            filter: call.filter.as_ref().map(compile).transpose()?,
            reads: call.arguments.iter().chain(&call.filter).flat_map(reads).map(|at| at.column).collect(),
            distinct: call.distinct,
            order: call.order.clone(),
        })
    }
}

impl Draft {
    /// The call, its order in these columns.
    fn placed(&self, mut column: impl FnMut(&Stored) -> usize) -> Call {
        let order = self.order.iter().map(|(stored, sort)| OrderColumn {
            column: column(stored),
            descending: sort.descending,
            nulls_first: sort.nulls_first,
            packed: sort.packed,
        });
        Call { order: order.collect(), ..self.call.clone() }
    }

    /// The arguments as they may be stored: not computed for rows that the filter leaves out, where they might fail.
    fn guarded(&self) -> impl Iterator<Item = Scalar> {
        self.call.arguments.iter().map(|argument| guard(self.call.filter.as_ref(), argument))
    }
}

fn guard(filter: Option<&Scalar>, scalar: &Scalar) -> Scalar {
    match filter {
        Some(filter) if place(scalar).is_none() && !matches!(scalar, Scalar::Literal(_)) => {
            let case = Case {
                branches: vec![(filter.clone(), scalar.clone())],
                otherwise: Scalar::null(scalar.ty()),
                ty: scalar.ty(),
            };
            Scalar::Case(Box::new(case))
        }
        _ => scalar.clone(),
    }
}

/// An aggregate over the slots of its input; `in_place` says that the group's rows are read where they are, if the order allows it.
fn draft(relation: &Relation, aggregate: &Aggregate, in_place: bool) -> Result<Draft> {
    let call = &aggregate.call;
    let arguments = call.args.iter().map(|arg| relation.over_slots(arg)).collect::<Result<Vec<_>>>()?;
    let filter = aggregate.filter.as_ref().map(|filter| relation.over_slots(filter)).transpose()?;
    let guarded = |scalar: &Scalar| Stored::own(&guard(filter.as_ref(), scalar));
    let by_value = |scalar: &Scalar, descending: bool| {
        let mut order = vec![(guarded(scalar), Sort { descending, ..Sort::VALUE })];
        if !scalar.ty().key_is_packed() {
            order.push((guarded(scalar), Sort::PACKED));
        }
        order
    };
    let name = call.function.0.name;
    if let ("min" | "max", [argument]) = (name, &arguments[..]) {
        // The least value is the first in order, so that a change costs no walk through its group.
        let order = by_value(argument, name == "max");
        let first = first(argument, order, filter);
        return Ok(Draft { call: Call { result: call.ty.clone(), ..first.call }, ..first });
    }
    let types: Vec<ColumnType> = arguments.iter().map(Scalar::ty).collect();
    let mut order = Vec::new();
    if aggregate.distinct || aggregate::totals(name, &types).is_none() {
        for key in &aggregate.order {
            let scalar = relation.over_slots(&key.scalar)?;
            let sort = Sort { descending: key.descending, nulls_first: key.nulls_first, packed: false };
            order.push((guarded(&scalar), sort));
        }
        // What is left open is decided by the values, not by who came first; within a written order by the rows' bytes.
        let computed = arguments.iter().filter(|argument| !matches!(argument, Scalar::Literal(_)));
        let open = order.is_empty() && (!in_place || computed.clone().all(|argument| place(argument).is_some()));
        if aggregate.distinct || open {
            order.extend(computed.flat_map(|argument| by_value(argument, false)));
        } else if order.is_empty() {
            order.extend(
                relation
                    .columns
                    .values()
                    .find(|scalar| place(scalar).is_some())
                    .map(|scalar| (Stored::own(scalar), Sort::PACKED)),
            );
        }
    }
    let call = Call {
        function: Some(call.function),
        arguments,
        result: call.ty.clone(),
        filter,
        distinct: aggregate.distinct,
        order: Vec::new(),
    };
    Ok(Draft { call, order })
}

/// How often a row of a set operation occurs, by how often it does on either side.
fn occurrences(times: Times) -> Expr {
    let of = |row: tidewater_delta::RowRef<'_>, column: usize| row.slot(column) as i64;
    Expr::new(move |tuple, _| {
        let (left, right) = (of(tuple[0], times.left), of(tuple[0], times.right));
        Ok(Datum::Int(match (times.intersect, times.all) {
            (true, true) => left.min(right),
            (true, false) => i64::from(left > 0 && right > 0),
            (false, true) => left - right,
            (false, false) => i64::from(left > 0 && right == 0),
        }))
    })
}

/// Number of rows that a condition holds for.
pub(crate) fn count(filter: Scalar, function: tidewater_query::plan::FunctionRef) -> Draft {
    let call = Call {
        function: Some(function),
        arguments: Vec::new(),
        result: Type::Int8.into(),
        filter: Some(filter),
        distinct: false,
        order: Vec::new(),
    };
    Draft { call, order: Vec::new() }
}
