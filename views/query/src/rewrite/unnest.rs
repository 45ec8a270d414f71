//! Unnesting (Neumann and Kemper, "Unnesting Arbitrary Queries", BTW 2015).
//!
//! A dependent join is L joined, row by row, with an R that reads columns of L. Instead R is computed once, for all values at a time
//! that these columns have in L (the domain): the domain is pushed down through R until nothing below reads a column of L, and the
//! join then compares the domain's columns with L's. Where R only filters by L's columns, the filter becomes the join's condition and
//! no domain is needed.

use std::collections::{BTreeSet, HashMap};

use tidewater_types::{Result, Type};

use super::Names;
use crate::plan::{Constant, Id, Join, JoinKind, Let, LetId, LetRec, Rel, Scalar, Test};

/// Removes all dependent joins. `rel` itself reads nothing from outside.
pub(super) fn unnest(mut rel: Rel, names: &mut Names<'_>) -> Result<Rel> {
    if let Rel::Join(join) = rel {
        if is_dependent(&join) {
            return dependent(*join, names);
        }
        rel = Rel::Join(join);
    }
    for input in rel.inputs_mut() {
        let inner = std::mem::replace(input, Rel::unit());
        *input = unnest(inner, names)?;
    }
    Ok(rel)
}

fn is_dependent(join: &Join) -> bool {
    let left: BTreeSet<Id> = join.left.columns().into_iter().collect();
    !join.right.free().is_disjoint(&left)
}

fn dependent(mut join: Join, names: &mut Names<'_>) -> Result<Rel> {
    join.left = unnest(join.left, names)?;
    let left: BTreeSet<Id> = join.left.columns().into_iter().collect();
    if join.kind != JoinKind::Full {
        let (right, pulled) = pull_filters(join.right, &left);
        join.right = right;
        join.on.extend(pulled.into_iter().map(|predicate| match join.kind {
            JoinKind::Mark(_) => Scalar::Is(Test::True, Box::new(predicate)),
            _ => predicate,
        }));
    }
    if !is_dependent(&join) {
        join.right = unnest(join.right, names)?;
        if join.kind == JoinKind::Single && super::prune::meets_one(&join.on, &join.right) {
            join.kind = JoinKind::Left;
        }
        return Ok(Rel::Join(Box::new(join)));
    }
    if let Some(rel) = lateral_function(&mut join) {
        return Ok(rel);
    }
    match super::correlated::by_groups(join, &left, names) {
        Ok(rel) => unnest_right(rel, names),
        Err(join) => by_domain(*join, &left, names),
    }
}

/// What was grouped may have dependent joins of its own; the left side has none.
fn unnest_right(mut rel: Rel, names: &mut Names<'_>) -> Result<Rel> {
    match &mut rel {
        Rel::Map { input, .. } => {
            let inner = std::mem::replace(&mut **input, Rel::unit());
            **input = unnest_right(inner, names)?;
        }
        Rel::Join(join) => {
            let right = std::mem::replace(&mut join.right, Rel::unit());
            join.right = unnest(right, names)?;
        }
        _ => {}
    }
    Ok(rel)
}

/// `L, LATERAL f(L.x)`: the function is called for each row of L.
fn lateral_function(join: &mut Join) -> Option<Rel> {
    if join.kind != JoinKind::Inner {
        return None;
    }
    match &mut join.right {
        Rel::FlatMap { input, .. } if **input == Rel::unit() => {
            **input = std::mem::replace(&mut join.left, Rel::unit());
        }
        Rel::Map { input, .. } if **input == Rel::unit() => {
            **input = std::mem::replace(&mut join.left, Rel::unit());
        }
        _ => return None,
    }
    let right = std::mem::replace(&mut join.right, Rel::unit());
    Some(right.filter(std::mem::take(&mut join.on)))
}

/// Takes the filters out of `rel` that read columns of `left`, where they may as well be conditions of the join above.
pub(super) fn pull_filters(rel: Rel, left: &BTreeSet<Id>) -> (Rel, Vec<Scalar>) {
    let reads_left = |scalar: &Scalar| !scalar.free().is_disjoint(left);
    match rel {
        Rel::Filter { input, predicates } => {
            let (with, without): (Vec<_>, Vec<_>) = predicates.into_iter().partition(reads_left);
            let (input, mut pulled) = pull_filters(*input, left);
            pulled.extend(with);
            (input.filter(without), pulled)
        }
        Rel::Map { input, scalars } => {
            let (input, pulled) = pull_filters(*input, left);
            (input.map(scalars), pulled)
        }
        // What a projection hides may be read by what is pulled; more columns harm nobody.
        Rel::Project { input, columns } => {
            let (input, pulled) = pull_filters(*input, left);
            if pulled.is_empty() { (input.project(columns), pulled) } else { (input, pulled) }
        }
        Rel::Join(mut join) if join.kind == JoinKind::Inner => {
            let (with, without): (Vec<_>, Vec<_>) = join.on.into_iter().partition(reads_left);
            join.on = without;
            let (inner_left, mut pulled) = pull_filters(join.left, left);
            let (inner_right, more) = pull_filters(join.right, left);
            (join.left, join.right) = (inner_left, inner_right);
            pulled.extend(more);
            pulled.extend(with);
            (Rel::Join(join), pulled)
        }
        Rel::Join(mut join) if matches!(join.kind, JoinKind::Semi | JoinKind::Anti | JoinKind::Left) => {
            let (inner, pulled) = pull_filters(join.left, left);
            join.left = inner;
            (Rel::Join(join), pulled)
        }
        other => (other, Vec::new()),
    }
}

fn by_domain(join: Join, left: &BTreeSet<Id>, names: &mut Names<'_>) -> Result<Rel> {
    let Join { kind, left: left_rel, right, mut on } = join;
    let outer: Vec<Id> = right.free().into_iter().filter(|id| left.contains(id)).collect();
    // The left side is used twice: as it is, and for the domain.
    let shown = left_rel.columns();
    let mut value = left_rel;
    let new = value.renumber(names.columns);
    let value_columns: Vec<Id> = shown.iter().map(|id| new.get(id).copied().unwrap_or(*id)).collect();
    let left_id = names.next_let();
    let again: Vec<Id> = shown.iter().map(|id| names.columns.copy(*id)).collect();
    let place: HashMap<Id, Id> = shown.iter().copied().zip(again.iter().copied()).collect();
    let keys: Vec<Id> = outer.iter().map(|id| place[id]).collect();
    let domain = Rel::Reduce {
        input: Box::new(Rel::Ref { id: left_id, columns: again }),
        keys: keys.clone(),
        aggregates: Vec::new(),
    };
    let domain_id = names.next_let();
    let mut push = Push { domain: domain_id, outer: outer.clone(), recursive: HashMap::new() };
    let (right, found) = push.push(right, names)?;
    let right = unnest(right, names)?;
    for (id, own) in outer.iter().zip(&found) {
        on.push(same(*id, *own, names));
    }
    let body = Rel::join(kind, Rel::Ref { id: left_id, columns: shown }, right, on);
    let body = Rel::Let(Box::new(Let { id: domain_id, value: domain, columns: keys, body }));
    Ok(Rel::Let(Box::new(Let { id: left_id, value, columns: value_columns, body })))
}

/// Whether two columns are equal, NULL being equal to NULL.
fn same(a: Id, b: Id, names: &Names<'_>) -> Scalar {
    let (a, b) = (Scalar::column(a, names.columns), Scalar::column(b, names.columns));
    Scalar::Not(Box::new(Scalar::Distinct(Box::new(a), Box::new(b))))
}

/// A domain on its way down.
struct Push {
    domain: LetId,
    /// The columns from outside.
    outer: Vec<Id>,
    /// Recursions that carry the domain's columns, and where among theirs.
    recursive: HashMap<LetId, Vec<Id>>,
}

impl Push {
    fn depends(&self, rel: &Rel) -> bool {
        let free = rel.free();
        self.outer.iter().any(|id| free.contains(id))
            || !self.recursive.is_empty()
                && rel.any(&mut |rel| matches!(rel, Rel::Ref { id, .. } if self.recursive.contains_key(id)))
    }

    fn scalar_depends(&self, scalars: &[Scalar]) -> bool {
        scalars.iter().any(|scalar| scalar.free().iter().any(|id| self.outer.contains(id)))
    }

    /// A use of the domain, with columns of its own.
    fn read(&self, names: &mut Names<'_>) -> (Rel, Vec<Id>) {
        let columns: Vec<Id> = self.outer.iter().map(|id| names.columns.copy(*id)).collect();
        (Rel::Ref { id: self.domain, columns: columns.clone() }, columns)
    }

    fn inner(&self, found: &[Id], names: &Names<'_>) -> HashMap<Id, Scalar> {
        self.outer.iter().copied().zip(found.iter().map(|id| Scalar::column(*id, names.columns))).collect()
    }

    fn equal(&self, a: &[Id], b: &[Id], names: &Names<'_>) -> Vec<Scalar> {
        a.iter().zip(b).map(|(a, b)| same(*a, *b, names)).collect()
    }

    /// `rel` for every value of the domain at once, and which of its columns are the domain's.
    fn push(&mut self, rel: Rel, names: &mut Names<'_>) -> Result<(Rel, Vec<Id>)> {
        if !self.depends(&rel) {
            let (domain, found) = self.read(names);
            return Ok((Rel::join(JoinKind::Inner, domain, rel, Vec::new()), found));
        }
        match rel {
            Rel::Map { input, mut scalars } => {
                let (input, found) = self.push(*input, names)?;
                let inner = self.inner(&found, names);
                scalars.iter_mut().for_each(|(_, scalar)| scalar.substitute(&inner));
                Ok((input.map(scalars), found))
            }
            Rel::Filter { input, mut predicates } => {
                let (input, found) = self.push(*input, names)?;
                let inner = self.inner(&found, names);
                predicates.iter_mut().for_each(|scalar| scalar.substitute(&inner));
                Ok((input.filter(predicates), found))
            }
            Rel::Project { input, mut columns } => {
                let (input, found) = self.push(*input, names)?;
                columns.extend(&found);
                Ok((input.project(columns), found))
            }
            Rel::Join(join) => self.join(*join, names),
            Rel::Reduce { input, keys, aggregates } if keys.is_empty() => self.total(*input, aggregates, names),
            Rel::Reduce { input, mut keys, mut aggregates } => {
                let (input, found) = self.push(*input, names)?;
                let inner = self.inner(&found, names);
                for (_, aggregate) in &mut aggregates {
                    aggregate.for_each_scalar_mut(&mut |scalar| scalar.substitute(&inner));
                }
                keys.extend(&found);
                Ok((Rel::Reduce { input: Box::new(input), keys, aggregates }, found))
            }
            Rel::TopK(mut top) => {
                let (input, found) = self.push(top.input, names)?;
                let inner = self.inner(&found, names);
                top.input = input;
                top.limit.iter_mut().chain(&mut top.offset).for_each(|scalar| scalar.substitute(&inner));
                top.partition.extend(&found);
                Ok((Rel::TopK(top), found))
            }
            Rel::Window { input, mut partition, order, mut calls } => {
                let (input, found) = self.push(*input, names)?;
                let inner = self.inner(&found, names);
                for (_, call) in &mut calls {
                    call.for_each_scalar_mut(&mut |scalar| scalar.substitute(&inner));
                }
                partition.extend(&found);
                Ok((Rel::Window { input: Box::new(input), partition, order, calls }, found))
            }
            Rel::Union { mut columns, inputs } => {
                let mut pushed = Vec::with_capacity(inputs.len());
                for (input, mut ids) in inputs {
                    let (input, found) = self.push(input, names)?;
                    ids.extend(found);
                    pushed.push((input, ids));
                }
                let found: Vec<Id> = self.outer.iter().map(|id| names.columns.copy(*id)).collect();
                columns.extend(&found);
                Ok((Rel::Union { columns, inputs: pushed }, found))
            }
            Rel::Count(mut count) => {
                for side in [&mut count.left, &mut count.right] {
                    let input = std::mem::replace(&mut side.0, Rel::unit());
                    let (input, found) = self.push(input, names)?;
                    side.0 = input;
                    side.1.extend(found);
                }
                let found: Vec<Id> = self.outer.iter().map(|id| names.columns.copy(*id)).collect();
                count.columns.extend(&found);
                Ok((Rel::Count(count), found))
            }
            Rel::FlatMap { input, mut calls, ordinality } => {
                let (input, found) = self.push(*input, names)?;
                let inner = self.inner(&found, names);
                for (_, call) in &mut calls {
                    call.args.iter_mut().for_each(|scalar| scalar.substitute(&inner));
                }
                Ok((Rel::FlatMap { input: Box::new(input), calls, ordinality }, found))
            }
            Rel::Values { columns, rows } => self.values(columns, rows, names),
            Rel::Let(mut binding) => {
                let (body, found) = self.push(binding.body, names)?;
                binding.body = body;
                Ok((Rel::Let(binding), found))
            }
            Rel::LetRec(binding) => self.recursion(*binding, names),
            Rel::Ref { id, mut columns } => {
                let found: Vec<Id> = self.outer.iter().map(|id| names.columns.copy(*id)).collect();
                columns.extend(&found);
                Ok((Rel::Ref { id, columns }, found))
            }
            Rel::Get(_) => Err(crate::bind::unsupported("this correlated subquery")),
        }
    }

    fn join(&mut self, join: Join, names: &mut Names<'_>) -> Result<(Rel, Vec<Id>)> {
        let Join { kind, left, right, mut on } = join;
        let left_columns: BTreeSet<Id> = left.columns().into_iter().collect();
        if !right.free().is_disjoint(&left_columns) {
            // A dependent join inside: once its left side has the domain, it depends on that side alone.
            let (left, found) = self.push(left, names)?;
            let inner = self.inner(&found, names);
            let mut right = right;
            right.substitute(&inner);
            on.iter_mut().for_each(|scalar| scalar.substitute(&inner));
            return Ok((Rel::join(kind, left, right, on), found));
        }
        let (on_left, on_right) = (self.depends(&left), self.depends(&right));
        let condition = self.scalar_depends(&on);
        if kind == JoinKind::Inner && on_right && !on_left {
            let (right, found) = self.push(right, names)?;
            let inner = self.inner(&found, names);
            on.iter_mut().for_each(|scalar| scalar.substitute(&inner));
            return Ok((Rel::join(kind, left, right, on), found));
        }
        let both = on_right || kind == JoinKind::Full;
        let (left, found) = if on_left || both || condition {
            self.push(left, names)?
        } else {
            return Err(crate::bind::unsupported("this correlated join"));
        };
        let inner = self.inner(&found, names);
        on.iter_mut().for_each(|scalar| scalar.substitute(&inner));
        if !both {
            return Ok((Rel::join(kind, left, right, on), found));
        }
        let (right, others) = self.push(right, names)?;
        on.extend(self.equal(&found, &others, names));
        let rel = Rel::join(kind, left, right, on);
        if kind != JoinKind::Full {
            return Ok((rel, found));
        }
        // Either side may be missing.
        let shown: Vec<Id> = self.outer.iter().map(|id| names.columns.copy(*id)).collect();
        let either = found
            .iter()
            .zip(&others)
            .map(|(a, b)| Scalar::Coalesce(vec![Scalar::column(*a, names.columns), Scalar::column(*b, names.columns)]));
        Ok((rel.map(shown.iter().copied().zip(either).collect()), shown))
    }

    /// An aggregate without groups has a row even where it sees none: the domain's rows are joined again, and what they miss is left
    /// out by FILTER.
    fn total(
        &mut self,
        input: Rel,
        mut aggregates: Vec<(Id, crate::plan::Aggregate)>,
        names: &mut Names<'_>,
    ) -> Result<(Rel, Vec<Id>)> {
        let (input, found) = self.push(input, names)?;
        let inner = self.inner(&found, names);
        let present = names.columns.add("present", Type::Bool);
        let input = input.map(vec![(present, Scalar::Literal(Constant::bool(true)))]);
        let (domain, keys) = self.read(names);
        let on = self.equal(&keys, &found, names);
        let joined = Rel::join(JoinKind::Left, domain, input, on);
        let exists = Scalar::Is(Test::NotNull, Box::new(Scalar::column(present, names.columns)));
        for (_, aggregate) in &mut aggregates {
            aggregate.for_each_scalar_mut(&mut |scalar| scalar.substitute(&inner));
            let mut filter = vec![exists.clone()];
            filter.extend(aggregate.filter.take());
            aggregate.filter = Some(Scalar::and(filter));
        }
        Ok((Rel::Reduce { input: Box::new(joined), keys: keys.clone(), aggregates }, keys))
    }

    /// Written rows that read from outside: each is computed over the domain.
    fn values(&mut self, columns: Vec<Id>, rows: Vec<Vec<Scalar>>, names: &mut Names<'_>) -> Result<(Rel, Vec<Id>)> {
        let mut inputs = Vec::with_capacity(rows.len());
        for row in rows {
            let (domain, found) = self.read(names);
            let inner = self.inner(&found, names);
            let mut ids: Vec<Id> = columns.iter().map(|id| names.columns.copy(*id)).collect();
            let mut scalars: Vec<(Id, Scalar)> = ids.iter().copied().zip(row).collect();
            scalars.iter_mut().for_each(|(_, scalar)| scalar.substitute(&inner));
            ids.extend(found);
            inputs.push((domain.map(scalars), ids));
        }
        let found: Vec<Id> = self.outer.iter().map(|id| names.columns.copy(*id)).collect();
        let mut columns = columns;
        columns.extend(&found);
        Ok((Rel::Union { columns, inputs }, found))
    }

    /// A recursion carries the domain's columns from its base on.
    fn recursion(&mut self, binding: LetRec, names: &mut Names<'_>) -> Result<(Rel, Vec<Id>)> {
        let LetRec { id, mut columns, base, step, kind, body } = binding;
        let inside = base.0.free().into_iter().chain(step.0.free()).any(|id| self.outer.contains(&id));
        if !inside {
            let (body, found) = self.push(body, names)?;
            let binding = LetRec { id, columns, base, step, kind, body };
            return Ok((Rel::LetRec(Box::new(binding)), found));
        }
        let (base_rel, base_found) = self.push(base.0, names)?;
        let mut base_ids = base.1;
        base_ids.extend(base_found);
        self.recursive.insert(id, self.outer.clone());
        let (step_rel, step_found) = self.push(step.0, names)?;
        let mut step_ids = step.1;
        step_ids.extend(step_found);
        let (body, found) = self.push(body, names)?;
        self.recursive.remove(&id);
        columns.extend(self.outer.iter().map(|id| names.columns.copy(*id)).collect::<Vec<_>>());
        let binding = LetRec { id, columns, base: (base_rel, base_ids), step: (step_rel, step_ids), kind, body };
        Ok((Rel::LetRec(Box::new(binding)), found))
    }
}
