//! Subqueries become joins whose right side may read columns of the left (dependent joins).
//!
//! As a condition of its own EXISTS and IN are semi joins, NOT EXISTS an anti join, NOT IN one that NULLs stop. Elsewhere EXISTS, IN
//! and ANY are a mark: a column with the three-valued answer. A scalar subquery is a left join that fails on a second row, unless a
//! key says that there is none.

use std::collections::HashMap;

use tidewater_types::{ArrayRef, Datum, Result, Scratch, Type};

use super::Names;
use crate::plan::{
    Aggregate, Call, Constant, Id, JoinKind, Rel, Scalar, SortKey, Subquery, SubqueryKind, Test, TopK, conjuncts,
};

pub(super) fn subqueries(rel: Rel, names: &mut Names<'_>) -> Result<Rel> {
    let mut rel = rel;
    for input in rel.inputs_mut() {
        let inner = std::mem::replace(input, Rel::unit());
        *input = subqueries(inner, names)?;
    }
    if !rel.scalars().into_iter().any(Scalar::has_subquery) {
        return Ok(rel);
    }
    match rel {
        Rel::Filter { input, predicates } => filter(*input, predicates, names),
        Rel::Join(mut join) => {
            let on = std::mem::take(&mut join.on);
            let (with, without): (Vec<_>, Vec<_>) = on.into_iter().partition(Scalar::has_subquery);
            join.on = without;
            match join.kind {
                JoinKind::Inner => filter(Rel::Join(join), with, names),
                JoinKind::Full | JoinKind::Mark(_) => {
                    Err(crate::bind::unsupported("a subquery in the condition of this join"))
                }
                // As a filter of the right side, which so may read the left.
                _ => {
                    join.right = filter(join.right, with, names)?;
                    Ok(Rel::Join(join))
                }
            }
        }
        Rel::Values { columns, rows } => values(columns, rows, names),
        mut other => {
            let Some(input) = only_input(&mut other) else { return Ok(other) };
            let mut extract = Extract { input: std::mem::replace(input, Rel::unit()), known: HashMap::new(), names };
            let mut failed = Ok(());
            other.for_each_scalar_mut(&mut |scalar| {
                if failed.is_ok() {
                    failed = extract.scalar(scalar);
                }
            });
            failed?;
            let made = extract.input;
            if let Some(input) = only_input(&mut other) {
                *input = made;
            }
            Ok(other)
        }
    }
}

/// Rows of VALUES as many relations of one row, whose subqueries are columns.
fn values(columns: Vec<Id>, rows: Vec<Vec<Scalar>>, names: &mut Names<'_>) -> Result<Rel> {
    let mut inputs = Vec::with_capacity(rows.len());
    for row in rows {
        let own: Vec<Id> = columns.iter().map(|id| names.columns.copy(*id)).collect();
        let one = Rel::unit().map(own.iter().copied().zip(row).collect());
        inputs.push((subqueries(one, names)?, own));
    }
    Ok(Rel::Union { columns, inputs })
}

fn only_input(rel: &mut Rel) -> Option<&mut Rel> {
    match rel {
        Rel::Map { input, .. } | Rel::Reduce { input, .. } => Some(input),
        Rel::Window { input, .. } | Rel::FlatMap { input, .. } => Some(input),
        Rel::TopK(top) => Some(&mut top.input),
        _ => None,
    }
}

fn filter(input: Rel, predicates: Vec<Scalar>, names: &mut Names<'_>) -> Result<Rel> {
    let mut extract = Extract { input, known: HashMap::new(), names };
    let mut rest = Vec::new();
    // Plain conditions first: they leave fewer rows for the joins.
    let (with, without): (Vec<_>, Vec<_>) = conjuncts(predicates).into_iter().partition(Scalar::has_subquery);
    extract.input = extract.input.filter(without);
    for predicate in with {
        match predicate {
            Scalar::Subquery(subquery) if is_test(&subquery) => extract.semi(*subquery, false)?,
            Scalar::Not(inner) => match *inner {
                Scalar::Subquery(subquery) if is_test(&subquery) => extract.semi(*subquery, true)?,
                mut inner => {
                    extract.scalar(&mut inner)?;
                    rest.push(Scalar::Not(Box::new(inner)));
                }
            },
            mut other => {
                extract.scalar(&mut other)?;
                rest.push(other);
            }
        }
    }
    Ok(extract.input.filter(rest))
}

fn is_test(subquery: &Subquery) -> bool {
    matches!(subquery.kind, SubqueryKind::Exists | SubqueryKind::Any(_))
}

/// Takes subqueries out of scalars over one input.
struct Extract<'n, 'a> {
    input: Rel,
    /// What stands for subqueries that were taken out: a copy of one is the same.
    known: HashMap<Subquery, Scalar>,
    names: &'n mut Names<'a>,
}

impl Extract<'_, '_> {
    /// Replaces all subqueries in a scalar by columns.
    fn scalar(&mut self, scalar: &mut Scalar) -> Result<()> {
        if let Scalar::Subquery(subquery) = scalar
            && let Some(known) = self.known.get(subquery)
        {
            *scalar = known.clone();
            return Ok(());
        }
        let original = scalar.clone();
        let mut failed = Ok(());
        scalar.for_each_child_mut(&mut |child| {
            if failed.is_ok() {
                failed = self.scalar(child);
            }
        });
        failed?;
        if let Scalar::Subquery(_) = scalar {
            let Scalar::Subquery(subquery) = std::mem::replace(scalar, Scalar::And(Vec::new())) else { return Ok(()) };
            let made = self.subquery(*subquery)?;
            if let Scalar::Subquery(original) = original {
                self.known.insert(*original, made.clone());
            }
            *scalar = made;
        }
        Ok(())
    }

    fn join(&mut self, kind: JoinKind, right: Rel, on: Vec<Scalar>) {
        let left = std::mem::replace(&mut self.input, Rel::unit());
        self.input = Rel::join(kind, left, right, on);
    }

    /// A semi or anti join in place of a condition.
    fn semi(&mut self, subquery: Subquery, negated: bool) -> Result<()> {
        let right = subqueries(subquery.rel, self.names)?;
        let mut on = match subquery.kind {
            SubqueryKind::Any(mut test) => {
                self.scalar(&mut test)?;
                conjuncts([*test])
            }
            _ => Vec::new(),
        };
        if negated {
            // NOT IN is true if no row is equal, nor perhaps equal.
            on = on.into_iter().map(|test| Scalar::Is(Test::NotFalse, Box::new(test))).collect();
        }
        self.join(if negated { JoinKind::Anti } else { JoinKind::Semi }, right, on);
        Ok(())
    }

    fn subquery(&mut self, subquery: Subquery) -> Result<Scalar> {
        let right = subqueries(subquery.rel, self.names)?;
        match subquery.kind {
            SubqueryKind::Exists => {
                let mark = self.names.columns.add("mark", Type::Bool);
                self.join(JoinKind::Mark(mark), right, Vec::new());
                Ok(Scalar::column(mark, self.names.columns))
            }
            SubqueryKind::Any(test) => {
                let mark = self.names.columns.add("mark", Type::Bool);
                self.join(JoinKind::Mark(mark), right, conjuncts([*test]));
                Ok(Scalar::column(mark, self.names.columns))
            }
            SubqueryKind::Value(_) => {
                let id = subquery.columns[0];
                self.single(right);
                Ok(Scalar::column(id, self.names.columns))
            }
            SubqueryKind::Array(ty, function) => {
                let arg = Scalar::column(subquery.columns[0], self.names.columns);
                let order = self.order_of(&right);
                let call = Call { function, args: vec![arg], ty: ty.clone(), array: false };
                let aggregate = Aggregate { call, distinct: false, filter: None, order, direct: 0 };
                let id = self.names.columns.add("array", ty.clone());
                let reduced =
                    Rel::Reduce { input: Box::new(right), keys: Vec::new(), aggregates: vec![(id, aggregate)] };
                self.single(reduced);
                let scratch = Scratch::new();
                let empty = Datum::Array(ArrayRef::vector(&scratch, &[])?);
                let empty = Scalar::Literal(Constant::new(&empty, ty));
                Ok(Scalar::Coalesce(vec![Scalar::column(id, self.names.columns), empty]))
            }
        }
    }

    /// A join to at most one row.
    fn single(&mut self, right: Rel) {
        let kind = if right.is_single() { JoinKind::Left } else { JoinKind::Single };
        self.join(kind, right, Vec::new());
    }

    /// The order that a subquery's rows come in.
    fn order_of(&self, rel: &Rel) -> Vec<SortKey> {
        let order = match rel {
            Rel::TopK(top) => {
                let TopK { order, .. } = &**top;
                order
            }
            Rel::Let(binding) => return self.order_of(&binding.body),
            Rel::LetRec(binding) => return self.order_of(&binding.body),
            Rel::Project { input, .. } => return self.order_of(input),
            _ => return Vec::new(),
        };
        let key = |order: &crate::plan::Order| SortKey {
            scalar: Scalar::column(order.id, self.names.columns),
            descending: order.descending,
            nulls_first: order.nulls_first,
        };
        order.iter().map(key).collect()
    }
}
