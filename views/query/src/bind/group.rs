//! GROUP BY, HAVING and aggregates: what stands for a group, and what may not be read of it.

use std::collections::{BTreeSet, HashMap};

use sqlparser::ast::{self, Expr, GroupByExpr, GroupByWithModifier};
use tidewater_types::{Result, SqlError, Type};

use super::target::{Target, position};
use super::{Binder, Clause, literal, names, unsupported};
use crate::plan::{Aggregate, Id, Let, Rel, Scalar};

/// GROUP BY: expressions, and which of them each grouping set has.
#[derive(Default)]
pub(super) struct Groups {
    pub(super) exprs: Vec<Scalar>,
    pub(super) sets: Vec<Vec<usize>>,
}

/// What stands for the group expressions above the groups.
pub(super) struct Grouped {
    replace: Vec<(Scalar, Scalar)>,
    /// Columns that may be read of a group.
    allowed: BTreeSet<Id>,
}

/// What the parser's text makes of the word in GROUP BY DISTINCT: an item that has no other name.
pub(crate) const DISTINCT_SETS: &str = "distinct sets";

/// As many as PostgreSQL takes.
const SETS_MAX: usize = 4096;

impl Binder<'_> {
    pub(super) fn group_by(&mut self, clause: &GroupByExpr, targets: &[Target]) -> Result<Groups> {
        let GroupByExpr::Expressions(items, modifiers) = clause else {
            return Err(unsupported("GROUP BY ALL"));
        };
        let mut groups = Groups { exprs: Vec::new(), sets: vec![Vec::new()] };
        let distinct = matches!(items.first(), Some(Expr::Identifier(first)) if first.value == DISTINCT_SETS);
        let items = &items[usize::from(distinct)..];
        for item in items {
            let sets = self.grouping_item(item, targets, &mut groups.exprs)?;
            groups.multiply(sets)?;
        }
        for modifier in modifiers {
            let GroupByWithModifier::GroupingSets(item) = modifier else {
                return Err(unsupported(format!("GROUP BY … {modifier}")));
            };
            let sets = self.grouping_item(item, targets, &mut groups.exprs)?;
            groups.multiply(sets)?;
        }
        if items.is_empty() && modifiers.is_empty() {
            groups.sets.clear();
        }
        if distinct {
            groups.drop_repeated();
        }
        Ok(groups)
    }

    /// The grouping sets of one item.
    fn grouping_item(&mut self, item: &Expr, targets: &[Target], exprs: &mut Vec<Scalar>) -> Result<Vec<Vec<usize>>> {
        let inner = nested_sets(item);
        match inner.as_ref().unwrap_or(item) {
            Expr::Tuple(parts) => {
                let set = parts.iter().map(|part| self.group_expr(part, targets, exprs)).collect::<Result<_>>()?;
                Ok(vec![set])
            }
            Expr::Rollup(parts) => {
                let parts = self.grouping_parts(parts, targets, exprs)?;
                Ok((0..=parts.len()).rev().map(|count| parts[..count].concat()).collect())
            }
            Expr::Cube(parts) => {
                let parts = self.grouping_parts(parts, targets, exprs)?;
                if parts.len() > 12 {
                    return Err(SqlError::new(b"54011", "CUBE is limited to 12 elements"));
                }
                let subset = |mask: usize| {
                    let chosen = parts.iter().enumerate().filter(|(i, _)| mask >> (parts.len() - 1 - i) & 1 == 1);
                    chosen.flat_map(|(_, part)| part.iter().copied()).collect()
                };
                Ok((0..1_usize << parts.len()).rev().map(subset).collect())
            }
            Expr::GroupingSets(sets) => {
                let mut all = Vec::new();
                for set in sets {
                    match &set[..] {
                        [one @ (Expr::Rollup(_) | Expr::Cube(_) | Expr::GroupingSets(_))] => {
                            all.extend(self.grouping_item(one, targets, exprs)?);
                        }
                        [one] if nested_sets(one).is_some() => all.extend(self.grouping_item(one, targets, exprs)?),
                        [Expr::Tuple(parts)] => all.push(self.grouping_set(parts, targets, exprs)?),
                        parts => all.push(self.grouping_set(parts, targets, exprs)?),
                    }
                }
                Ok(all)
            }
            item => Ok(vec![vec![self.group_expr(item, targets, exprs)?]]),
        }
    }

    fn grouping_parts(
        &mut self,
        parts: &[Vec<Expr>],
        targets: &[Target],
        exprs: &mut Vec<Scalar>,
    ) -> Result<Vec<Vec<usize>>> {
        parts.iter().map(|part| self.grouping_set(part, targets, exprs)).collect()
    }

    fn grouping_set(&mut self, set: &[Expr], targets: &[Target], exprs: &mut Vec<Scalar>) -> Result<Vec<usize>> {
        set.iter().map(|expr| self.group_expr(expr, targets, exprs)).collect()
    }

    /// A group expression's place among all: a column of the input, else an output name or number, else an expression.
    fn group_expr(&mut self, expr: &Expr, targets: &[Target], exprs: &mut Vec<Scalar>) -> Result<usize> {
        let scalar = self.group_scalar(expr, targets).map_err(|error| self.at(error, super::expr::start(expr)))?;
        let free = scalar.free();
        let level = self.level();
        if level.aggregates.iter().any(|(id, _)| free.contains(id)) {
            return Err(SqlError::new(b"42803", "aggregate functions are not allowed in GROUP BY"));
        }
        if level.window_calls.iter().any(|(id, _)| free.contains(id)) {
            return Err(SqlError::new(b"42P20", "window functions are not allowed in GROUP BY"));
        }
        if let Some(known) = exprs.iter().position(|known| *known == scalar) {
            return Ok(known);
        }
        exprs.push(scalar);
        Ok(exprs.len() - 1)
    }

    fn group_scalar(&mut self, expr: &Expr, targets: &[Target]) -> Result<Scalar> {
        match position(expr) {
            Some(Ok(at)) => {
                return super::order::output_at(at, targets.len(), "GROUP BY").map(|at| targets[at].scalar.clone());
            }
            Some(Err(())) => return Err(SqlError::new(b"42601", "non-integer constant in GROUP BY")),
            None => {}
        }
        if let Expr::Identifier(ident) = expr {
            let name = names::fold(ident);
            if self.level().scope.column(&name)?.is_none() {
                let mut found = targets.iter().filter(|target| target.name == name);
                if let Some(first) = found.next() {
                    if found.any(|other| other.scalar != first.scalar) {
                        return Err(SqlError::new(b"42702", format!("GROUP BY \"{name}\" is ambiguous")));
                    }
                    return Ok(first.scalar.clone());
                }
            }
        }
        self.within(Clause::GroupBy, |binder| {
            let scalar = binder.expr(expr)?;
            binder.known(scalar)
        })
    }

    /// GROUPING(…): a column of its own until the groups are made.
    pub(super) fn grouping(&mut self, function: &ast::Function) -> Result<Scalar> {
        let exprs = super::special::plain_arguments(function)?;
        if exprs.len() > 31 {
            return Err(SqlError::new(b"54023", "GROUPING must have fewer than 32 arguments"));
        }
        let scalars = self.exprs(&exprs)?;
        let id = self.columns.add("grouping", Type::Int4);
        self.level().groupings.push((id, scalars));
        Ok(self.column(id))
    }

    /// Makes the groups of `rel`.
    pub(super) fn grouped(&mut self, rel: Rel, groups: Groups) -> Result<(Rel, Grouped)> {
        let aggregates = std::mem::take(&mut self.level().aggregates);
        let groupings = std::mem::take(&mut self.level().groupings);
        let named = groups.exprs.iter().map(|scalar| (self.name_of(scalar), scalar.clone())).collect();
        let (rel, keys) = self.columns_of(rel, named);
        let own = self.level().scope.ids();
        let mut grouped = Grouped { replace: Vec::new(), allowed: BTreeSet::new() };
        grouped.allowed.extend(aggregates.iter().map(|(id, _)| *id));
        grouped.allowed.extend(groupings.iter().map(|(id, _)| *id));
        if groups.sets.len() <= 1 {
            let set = groups.sets.into_iter().next().unwrap_or_default();
            let mut all: Vec<Id> = Vec::new();
            for at in &set {
                if !all.contains(&keys[*at]) {
                    all.push(keys[*at]);
                }
                grouped.replace.push((groups.exprs[*at].clone(), self.column(keys[*at])));
            }
            self.add_dependent(&mut all);
            grouped.allowed.extend(all.iter().copied());
            let levels = self.grouping_values(&groupings, &groups.exprs, &set)?;
            let rel = Rel::Reduce { input: Box::new(rel), keys: all, aggregates }.map(levels);
            return Ok((rel, grouped));
        }
        let shown: Vec<Id> = keys.iter().map(|id| self.columns.copy(*id)).collect();
        for (expr, id) in groups.exprs.iter().zip(&shown) {
            grouped.replace.push((expr.clone(), self.column(*id)));
        }
        grouped.allowed.extend(shown.iter().copied());
        grouped.allowed = &grouped.allowed - &(&own - &grouped.allowed);
        let rel = self.grouping_sets(rel, &groups, &keys, &shown, aggregates, &groupings)?;
        Ok((rel, grouped))
    }

    /// A union of groups over one relation.
    fn grouping_sets(
        &mut self,
        rel: Rel,
        groups: &Groups,
        keys: &[Id],
        shown: &[Id],
        aggregates: Vec<(Id, Aggregate)>,
        groupings: &[(Id, Vec<Scalar>)],
    ) -> Result<Rel> {
        let shared = self.next_let();
        let all = rel.columns();
        let mut inputs = Vec::with_capacity(groups.sets.len());
        for set in &groups.sets {
            let own: HashMap<Id, Id> = all.iter().map(|id| (*id, self.columns.copy(*id))).collect();
            let read = Rel::Ref { id: shared, columns: all.iter().map(|id| own[id]).collect() };
            let renamed: HashMap<Id, Scalar> = own.iter().map(|(old, new)| (*old, self.column(*new))).collect();
            let mut calls = Vec::with_capacity(aggregates.len());
            for (id, aggregate) in &aggregates {
                let mut copy = aggregate.clone();
                copy.for_each_scalar_mut(&mut |scalar| scalar.substitute(&renamed));
                calls.push((self.columns.copy(*id), copy));
            }
            let mut set_keys: Vec<Id> = Vec::new();
            for at in set {
                if !set_keys.contains(&own[&keys[*at]]) {
                    set_keys.push(own[&keys[*at]]);
                }
            }
            let mut made = Vec::new();
            let mut output = Vec::new();
            for (at, key) in keys.iter().enumerate() {
                // A column that is grouped by under another number is the same column.
                if set.iter().any(|other| keys[*other] == *key) {
                    output.push(own[key]);
                } else {
                    let id = self.columns.copy(keys[at]);
                    made.push((id, Scalar::null(self.columns.ty(*key).clone())));
                    output.push(id);
                }
            }
            output.extend(calls.iter().map(|(id, _)| *id));
            for (id, value) in self.grouping_values(groupings, &groups.exprs, set)? {
                let id = self.columns.copy(id);
                made.push((id, value));
                output.push(id);
            }
            let reduced = Rel::Reduce { input: Box::new(read), keys: set_keys, aggregates: calls };
            inputs.push((reduced.map(made), output));
        }
        let mut columns = shown.to_vec();
        columns.extend(aggregates.iter().map(|(id, _)| *id));
        columns.extend(groupings.iter().map(|(id, _)| *id));
        let body = Rel::Union { columns, inputs };
        Ok(Rel::Let(Box::new(Let { id: shared, value: rel, columns: all, body })))
    }

    /// What each GROUPING is in a grouping set: a bit an argument, set where the set has it not.
    fn grouping_values(
        &mut self,
        groupings: &[(Id, Vec<Scalar>)],
        exprs: &[Scalar],
        set: &[usize],
    ) -> Result<Vec<(Id, Scalar)>> {
        let mut values = Vec::with_capacity(groupings.len());
        for (id, args) in groupings {
            let mut bits = 0;
            for arg in args {
                let Some(at) = exprs.iter().position(|expr| expr == arg) else {
                    let message = "arguments to GROUPING must be grouping expressions of the associated query level";
                    return Err(SqlError::new(b"42803", message));
                };
                bits = bits << 1 | i64::from(!set.contains(&at));
            }
            values.push((*id, literal::integer(bits, Type::Int4)));
        }
        Ok(values)
    }

    /// Grouped by a table's primary key, all its columns are the group's.
    fn add_dependent(&mut self, keys: &mut Vec<Id>) {
        let tables = self.level().scope.tables.clone();
        for table in tables {
            let Some(relation) = &table.relation else { continue };
            let Some(primary) = relation.keys.first().filter(|_| relation.has_primary_key) else { continue };
            if primary.iter().all(|at| keys.contains(&table.columns[*at].id)) {
                for column in &table.columns {
                    if !keys.contains(&column.id) {
                        keys.push(column.id);
                    }
                }
            }
        }
    }

    /// `scalar` over groups instead of rows.
    pub(super) fn over_groups(&mut self, scalar: &mut Scalar, grouped: &Grouped) -> Result<()> {
        grouped.put_keys(scalar);
        let own = self.level().scope.ids();
        let bad = |id: &Id| own.contains(id) && !grouped.allowed.contains(id);
        let Some(id) = scalar.free().into_iter().find(bad) else { return Ok(()) };
        let name = self.qualified_name(id);
        let direct = scalar.any(&mut |inner| matches!(inner, Scalar::Column(column, _) if *column == id));
        Err(SqlError::new(
            b"42803",
            if direct {
                format!("column \"{name}\" must appear in the GROUP BY clause or be used in an aggregate function")
            } else {
                format!("subquery uses ungrouped column \"{name}\" from outer query")
            },
        ))
    }

    fn qualified_name(&mut self, id: Id) -> String {
        let name = self.columns[id].name.clone();
        let has = |table: &&super::scope::ScopeTable| table.columns.iter().any(|column| column.id == id);
        match self.level().scope.tables.iter().find(has) {
            Some(table) => {
                let column = table.columns.iter().find(|column| column.id == id);
                format!("{}.{}", table.name, column.map_or(name, |column| column.name.clone()))
            }
            None => name,
        }
    }

    fn name_of(&self, scalar: &Scalar) -> String {
        match scalar {
            Scalar::Column(id, _) => self.columns[*id].name.clone(),
            _ => "group".to_owned(),
        }
    }
}

/// ROLLUP and CUBE within GROUPING SETS, which the parser takes for calls.
fn nested_sets(item: &Expr) -> Option<Expr> {
    let Expr::Function(function) = item else { return None };
    let [ast::ObjectNamePart::Identifier(name)] = &function.name.0[..] else { return None };
    if name.quote_style.is_some() {
        return None;
    }
    let parts = super::special::plain_arguments(function).ok()?;
    let parts = parts.into_iter().map(|part| match part {
        Expr::Tuple(exprs) => exprs,
        expr => vec![expr],
    });
    match name.value.to_lowercase().as_str() {
        "rollup" => Some(Expr::Rollup(parts.collect())),
        "cube" => Some(Expr::Cube(parts.collect())),
        _ => None,
    }
}

impl Groups {
    /// Each set once, whatever the order of its columns.
    fn drop_repeated(&mut self) {
        let mut seen = BTreeSet::new();
        self.sets.retain(|set| seen.insert(set.iter().copied().collect::<BTreeSet<usize>>()));
    }

    /// Every set so far with every set of one more item.
    fn multiply(&mut self, sets: Vec<Vec<usize>>) -> Result<()> {
        if self.sets.len() * sets.len() > SETS_MAX {
            let message = format!("too many grouping sets present (maximum {SETS_MAX})");
            return Err(SqlError::new(b"54001", message));
        }
        let joined = |set: &Vec<usize>| sets.iter().map(|other| [&set[..], other].concat()).collect::<Vec<_>>();
        self.sets = self.sets.iter().flat_map(joined).collect();
        Ok(())
    }
}

impl Grouped {
    /// Group expressions become the groups' columns, the outermost first.
    fn put_keys(&self, scalar: &mut Scalar) {
        if let Some((_, key)) = self.replace.iter().find(|(expr, _)| expr == scalar) {
            *scalar = key.clone();
            return;
        }
        scalar.for_each_child_mut(&mut |child| self.put_keys(child));
        if let Scalar::Subquery(subquery) = scalar {
            self.put_keys_in(&mut subquery.rel);
        }
    }

    fn put_keys_in(&self, rel: &mut Rel) {
        rel.for_each_scalar_mut(&mut |scalar| self.put_keys(scalar));
        for input in rel.inputs_mut() {
            self.put_keys_in(input);
        }
    }
}
