//! A change is evaluated over its snapshots: which rows go, which come, what its client is shown.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use tidewater_delta::{Row, RowBuilder, RowRef};
use tidewater_query::Source;
use tidewater_query::plan::Rel;
use tidewater_query::run::{Limits, Sink, compile_over, run};
use tidewater_types::{Column, ColumnType, Datum, Expr, Packing, Scratch};

use super::plan::{Conflict, Verb};
use super::{Change, Changes, is_permuted};
use crate::constraint::{Default, RowChecks, Unique};
use crate::names::split;
use crate::query::{Planned, Rows, output_columns};
use crate::relations::WithMade;
use crate::{Error, Result};

/// The number of an arbiter and the key form of a row.
type Key = (usize, Box<[u8]>);

/// What a change comes to.
#[derive(Debug, Clone)]
pub struct Evaluated {
    /// What it does to its table.
    pub changes: Arc<Changes>,
    /// What RETURNING shows.
    pub rows: Option<Rows>,
}

impl Evaluated {
    /// Whether a statement came to the same when it was evaluated another time.
    pub fn is_as(&self, other: &Evaluated) -> bool {
        let rows = |of: &Evaluated| of.rows.as_ref().map(|rows| rows.rows.clone()).unwrap_or_default();
        self.changes.does_as(&other.changes) && is_permuted(&rows(self), &rows(other))
    }
}

/// A row of the table that goes, one that comes, and what RETURNING shows of other tables beside.
#[derive(Default)]
struct Step {
    old: Option<Row>,
    new: Option<Row>,
    others: Option<Row>,
}

impl Change {
    /// Evaluates it over its snapshots; nothing is changed.
    ///
    /// # Errors
    /// What a row's evaluation gives, 23502 and 23514 for rows that may not be in the table, 21000 where ON CONFLICT would change a
    /// row twice, 57014, 53200.
    pub fn evaluate(&self, limits: &Limits) -> Result<Evaluated> {
        self.evaluated(limits).map_err(|error| self.named(error))
    }

    /// An error of one of the table's constraints.
    fn named(&self, error: Error) -> Error {
        let (schema, table) = split(&self.table);
        error.of_table(schema, table)
    }

    fn evaluated(&self, limits: &Limits) -> Result<Evaluated> {
        let mut steps = self.steps(limits)?;
        let arbiters = match &self.plan.conflict {
            None => Vec::new(),
            Some(conflict) => {
                steps = self.resolved(conflict, steps, limits)?;
                conflict.arbiters.iter().map(|&at| self.constraints.uniques[at].name.clone()).collect()
            }
        };
        if self.plan.joins {
            self.once_each(&mut steps)?;
        }
        let verb = match self.plan.verb {
            Verb::Insert(_) => "INSERT 0",
            Verb::Update => "UPDATE",
            Verb::Delete => "DELETE",
        };
        let tag = format!("{verb} {}", steps.len());
        let rows = match &self.plan.returning {
            Some(returning) => Some(self.returned(returning, &steps, limits)?),
            None => None,
        };
        let (mut removed, mut added) = (Vec::new(), Vec::new());
        for step in steps {
            removed.extend(step.old);
            added.extend(step.new);
        }
        let changes = Changes {
            table: self.table.clone(),
            oid: self.oid,
            made: self.constraints.made,
            tag,
            arbiters,
            removed,
            added,
        };
        Ok(Evaluated { changes: Arc::new(changes), rows })
    }

    /// The table that it changes.
    pub fn table_name(&self) -> &str {
        split(&self.table).1
    }

    /// Of an INSERT the columns that its rows have.
    pub fn target_columns(&self) -> Vec<Column> {
        match &self.plan.verb {
            Verb::Insert(targets) => targets.iter().map(|&at| self.schema.columns[at].clone()).collect(),
            _ => Vec::new(),
        }
    }

    /// Of an INSERT what rows come to that `feed` hands over instead of its query.
    ///
    /// # Errors
    /// As [`Change::evaluate`], and what `feed` gives.
    pub fn copied(
        &self,
        limits: &Limits,
        feed: impl FnOnce(&mut dyn FnMut(&[Datum<'_>]) -> Result<()>) -> Result<()>,
    ) -> Result<Evaluated> {
        let Verb::Insert(targets) = &self.plan.verb else {
            return Err(Error::new(b"XX000", "rows are copied into a table by an INSERT"));
        };
        let (checks, defaults) = (self.checks()?, self.defaults()?);
        let mut builder = RowBuilder::new(self.schema.widths.clone());
        let (mut kept, mut added) = (0, Vec::new());
        feed(&mut |values| {
            limits.check()?;
            let row = self.row(&mut builder, values, targets, &defaults)?;
            checks.check(&row).map_err(|error| self.named(error))?;
            kept += row.bytes().len() + size_of::<Row>();
            added.push(row);
            match kept > limits.memory {
                true => Err(Error::new(b"53200", "out of memory").detail("The rows of the statement do not fit.")),
                false => Ok(()),
            }
        })?;
        let (table, tag) = (self.table.clone(), format!("COPY {}", added.len()));
        let changes = Changes {
            table,
            oid: self.oid,
            made: self.constraints.made,
            tag,
            arbiters: Vec::new(),
            removed: Vec::new(),
            added,
        };
        Ok(Evaluated { changes: Arc::new(changes), rows: None })
    }

    /// What each row that it reads asks for.
    fn steps(&self, limits: &Limits) -> Result<Vec<Step>> {
        let checks = self.checks()?;
        let defaults = self.defaults()?;
        let mut builder = RowBuilder::new(self.schema.widths.clone());
        let mut other = RowBuilder::new(self.plan.others.iter().map(|ty| Packing::of(ty).width()).collect::<Vec<_>>());
        let width = self.schema.columns.len();
        let all: Vec<usize> = (0..width).collect();
        let (mut kept, mut steps) = (0, Vec::new());
        self.run(&self.plan.read, &[], limits, &mut |values| {
            let mut step = Step::default();
            match &self.plan.verb {
                Verb::Insert(targets) => step.new = Some(self.row(&mut builder, values, targets, &defaults)?),
                Verb::Update => {
                    step.old = Some(self.row(&mut builder, &values[..width], &all, &[])?);
                    step.new = Some(self.row(&mut builder, &values[width..2 * width], &all, &[])?);
                }
                Verb::Delete => step.old = Some(self.row(&mut builder, &values[..width], &all, &[])?),
            }
            if let Some(new) = &step.new {
                checks.check(new)?;
            }
            if !self.plan.others.is_empty() {
                let shown = &values[values.len() - self.plan.others.len()..];
                for (at, (value, ty)) in shown.iter().zip(&self.plan.others).enumerate() {
                    Packing::of(ty).set(&mut other, at, value);
                }
                step.others = Some(other.take());
            }
            let rows = [&step.old, &step.new, &step.others].into_iter().flatten();
            kept += rows.map(|row| row.bytes().len()).sum::<usize>() + size_of::<Step>();
            steps.push(step);
            match kept > limits.memory {
                true => Err(Error::new(b"53200", "out of memory").detail("The rows of the statement do not fit.")),
                false => Ok(ControlFlow::Continue(())),
            }
        })?;
        Ok(steps)
    }

    /// A row of the table that has these values in `targets`, and defaults elsewhere.
    fn row(
        &self,
        builder: &mut RowBuilder,
        values: &[Datum<'_>],
        targets: &[usize],
        defaults: &[(usize, Expr)],
    ) -> Result<Row> {
        for (value, &at) in values.iter().zip(targets) {
            self.schema.packings[at].set(builder, at, value);
        }
        let scratch = Scratch::new();
        for (at, default) in defaults.iter().filter(|(at, _)| !targets.contains(at)) {
            self.schema.packings[*at].set(builder, *at, &default.eval(&[], &scratch)?);
        }
        Ok(builder.take())
    }

    /// The values of columns of which an INSERT says nothing.
    fn defaults(&self) -> Result<Vec<(usize, Expr)>> {
        if !matches!(self.plan.verb, Verb::Insert(_)) {
            return Ok(Vec::new());
        }
        let defaults = self.constraints.defaults.iter().enumerate();
        let compiled = |(at, default): (usize, &Option<Default>)| {
            let default = default.as_ref()?;
            Some(compile_over(&default.scalar, &Rel::unit(), &self.session, &[]).map(|expr| (at, expr)))
        };
        defaults.filter_map(compiled).collect()
    }

    fn checks(&self) -> Result<RowChecks> {
        RowChecks::new(split(&self.table).1, &self.schema.columns, &self.constraints, &self.session)
    }

    fn run(&self, planned: &Planned, made: &[Row], limits: &Limits, sink: &mut Sink<'_>) -> Result<()> {
        let source = WithMade { moment: &self.moment, rows: made };
        run(&planned.plan, &source, &self.session, &self.parameters, limits, sink)
    }

    /// A row that was joined with several others changes once, as the first of them says.
    fn once_each(&self, steps: &mut Vec<Step>) -> Result<()> {
        let mut seen: HashMap<Row, usize> = HashMap::new();
        steps.iter().filter_map(|step| step.old.as_ref()).for_each(|old| *seen.entry(old.clone()).or_default() += 1);
        if seen.values().all(|count| *count == 1) {
            return Ok(());
        }
        // Of a table without a key there may be several equal rows, each of which changes.
        let mut left: HashMap<Row, usize> = HashMap::new();
        self.moment
            .scan(&self.plan.relation, &mut |rows| {
                for row in rows {
                    let row = Row::from(*row);
                    if seen.contains_key(&row) {
                        *left.entry(row).or_default() += 1;
                    }
                }
                Ok(ControlFlow::Continue(()))
            })
            .map(drop)?;
        steps.retain(|step| {
            let left = step.old.as_ref().and_then(|old| left.get_mut(old)).filter(|left| **left > 0);
            left.map(|left| *left -= 1).is_some()
        });
        Ok(())
    }

    /// ON CONFLICT: what becomes of each row that was to come, in their order.
    fn resolved(&self, conflict: &Conflict, steps: Vec<Step>, limits: &Limits) -> Result<Vec<Step>> {
        let arbiters: Vec<&Unique> = conflict.arbiters.iter().map(|&at| &self.constraints.uniques[at]).collect();
        let proposed: Vec<Row> = steps.into_iter().filter_map(|step| step.new).collect();
        let mut taken = self.taken(&arbiters, &proposed)?;
        let updated = match &conflict.update {
            Some(update) => self.updated(update, &arbiters, &taken, &proposed, limits)?,
            None => HashMap::new(),
        };
        let mut steps = Vec::new();
        for (number, row) in proposed.into_iter().enumerate() {
            let keys = self.keys(&arbiters, &row);
            let Some(there) = keys.iter().find_map(|key| taken.get(key)).cloned() else {
                taken.extend(keys.into_iter().map(|key| (key, None)));
                steps.push(Step { new: Some(row), ..Step::default() });
                continue;
            };
            if conflict.update.is_none() {
                continue;
            }
            let Some(old) = there else {
                let message = "ON CONFLICT DO UPDATE command cannot affect row a second time";
                let hint = "Ensure that no rows proposed for insertion within the same command have duplicate constrained values.";
                return Err(Error::new(b"21000", message).hint(hint));
            };
            if let Some(new) = updated.get(&number) {
                self.keys(&arbiters, &old).iter().for_each(|key| drop(taken.remove(key)));
                taken.extend(self.keys(&arbiters, new).into_iter().map(|key| (key, None)));
                steps.push(Step { old: Some(old), new: Some(new.clone()), others: None });
            }
        }
        self.moved(&arbiters, &steps)?;
        Ok(steps)
    }

    /// Fails where DO UPDATE gave a row the key of another one that stays.
    fn moved(&self, arbiters: &[&Unique], steps: &[Step]) -> Result<()> {
        let mut moved = Vec::new();
        for step in steps {
            if let (Some(old), Some(new)) = (&step.old, &step.new) {
                let before = self.keys(arbiters, old);
                if self.keys(arbiters, new).iter().any(|key| !before.contains(key)) {
                    moved.push(new);
                }
            }
        }
        let gone: HashSet<&Row> = steps.iter().filter_map(|step| step.old.as_ref()).collect();
        let there = self.holders(arbiters, &moved)?;
        match there.into_iter().find(|(_, row)| !gone.contains(row)) {
            None => Ok(()),
            Some(((at, _), row)) => Err(arbiters[at].violated(row.as_ref(), &self.schema.columns)),
        }
    }

    /// The keys of a row, each with the number of its constraint.
    fn keys(&self, arbiters: &[&Unique], row: &Row) -> Vec<Key> {
        let key = |(at, unique): (usize, &&Unique)| Some((at, unique.key(row.as_ref(), &self.schema.columns)?));
        arbiters.iter().enumerate().filter_map(key).collect()
    }

    /// The rows of the table that have a key of one of those that are to come.
    fn taken(&self, arbiters: &[&Unique], proposed: &[Row]) -> Result<HashMap<Key, Option<Row>>> {
        let proposed: Vec<&Row> = proposed.iter().collect();
        Ok(self.holders(arbiters, &proposed)?.into_iter().map(|(key, row)| (key, Some(row))).collect())
    }

    /// The rows of the table that have a key of one of these.
    fn holders(&self, arbiters: &[&Unique], others: &[&Row]) -> Result<HashMap<Key, Row>> {
        let mut found = HashMap::new();
        for (at, unique) in arbiters.iter().enumerate() {
            let key = |row: RowRef<'_>| unique.key(row, &self.schema.columns);
            let wanted: HashSet<Box<[u8]>> = others.iter().filter_map(|row| key(row.as_ref())).collect();
            if wanted.is_empty() {
                continue;
            }
            let mut look = |rows: &[RowRef<'_>]| {
                for row in rows {
                    if let Some(key) = key(*row).filter(|key| wanted.contains(key)) {
                        found.insert((at, key), Row::from(*row));
                    }
                }
                Ok(ControlFlow::Continue(()))
            };
            // An index of fewer columns would do, but a table has few of those beside its keys.
            let columns = self.moment.index(&self.plan.relation, &unique.columns);
            let _ = match columns.filter(|columns| columns.len() == unique.columns.len()) {
                None => self.moment.scan(&self.plan.relation, &mut look)?,
                Some(columns) => {
                    let keys: HashSet<Row> = others.iter().filter_map(|row| self.part(row, &columns)).collect();
                    let keys: Vec<RowRef<'_>> = keys.iter().map(Row::as_ref).collect();
                    self.moment.lookup(&self.plan.relation, &columns, &keys, &mut look)?
                }
            };
        }
        Ok(found)
    }

    /// Some columns of a row, if none of them is NULL.
    fn part(&self, row: &Row, columns: &[usize]) -> Option<Row> {
        if columns.iter().any(|&at| row.as_ref().is_null(at)) {
            return None;
        }
        let mut builder = RowBuilder::new(columns.iter().map(|&at| self.schema.widths[at]).collect::<Vec<_>>());
        for (to, &from) in columns.iter().enumerate() {
            builder.copy(to, row.as_ref(), from);
        }
        Some(builder.take())
    }

    /// DO UPDATE: the new row for each of those to come that meets one that is there, by its number.
    fn updated(
        &self,
        update: &Planned,
        arbiters: &[&Unique],
        taken: &HashMap<Key, Option<Row>>,
        proposed: &[Row],
        limits: &Limits,
    ) -> Result<HashMap<usize, Row>> {
        let types: Vec<ColumnType> = self.schema.columns.iter().map(|column| column.ty.clone()).collect();
        let number = ColumnType::from(tidewater_types::Type::Int8);
        let widths: Vec<_> =
            std::iter::once(&number).chain(&types).chain(&types).map(|ty| Packing::of(ty).width()).collect();
        let mut builder = RowBuilder::new(widths);
        let mut pairs = Vec::new();
        for (place, row) in proposed.iter().enumerate() {
            let Some(Some(old)) = self.keys(arbiters, row).iter().find_map(|key| taken.get(key)) else { continue };
            Packing::of(&number).set(&mut builder, 0, &Datum::Int(place as i64));
            for at in 0..types.len() {
                builder.copy(1 + at, old.as_ref(), at);
                builder.copy(1 + types.len() + at, row.as_ref(), at);
            }
            pairs.push(builder.take());
        }
        if pairs.is_empty() {
            return Ok(HashMap::new());
        }
        let checks = self.checks()?;
        let mut builder = RowBuilder::new(self.schema.widths.clone());
        let all: Vec<usize> = (0..types.len()).collect();
        let mut updated = HashMap::new();
        self.run(update, &pairs, limits, &mut |values| {
            let new = self.row(&mut builder, &values[1..], &all, &[])?;
            checks.check(&new)?;
            if let Datum::Int(place) = values[0] {
                updated.insert(usize::try_from(place).unwrap_or_default(), new);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(updated)
    }

    /// RETURNING.
    fn returned(&self, returning: &Planned, steps: &[Step], limits: &Limits) -> Result<Rows> {
        let types: Vec<&ColumnType> = self.schema.columns.iter().map(|column| &column.ty).collect();
        let widths: Vec<_> = types.iter().copied().chain(&self.plan.others).map(|ty| Packing::of(ty).width()).collect();
        let mut builder = RowBuilder::new(widths);
        let mut made = Vec::with_capacity(steps.len());
        for step in steps {
            let Some(row) = step.new.as_ref().or(step.old.as_ref()) else { continue };
            (0..types.len()).for_each(|at| builder.copy(at, row.as_ref(), at));
            if let Some(others) = &step.others {
                (0..self.plan.others.len()).for_each(|at| builder.copy(types.len() + at, others.as_ref(), at));
            }
            made.push(builder.take());
        }
        let columns = output_columns(&returning.plan);
        let widths: Vec<_> = columns.iter().map(|column| Packing::of(&column.ty).width()).collect();
        let mut builder = RowBuilder::new(widths);
        let (mut rows, mut kept) = (Vec::with_capacity(made.len()), 0);
        self.run(returning, &made, limits, &mut |values| {
            for (at, (value, column)) in values.iter().zip(columns.iter()).enumerate() {
                Packing::of(&column.ty).set(&mut builder, at, value);
            }
            let row = builder.take();
            kept += row.bytes().len() + size_of::<Row>();
            rows.push(row);
            match kept > limits.memory {
                true => Err(Error::new(b"53200", "out of memory").detail("The rows of RETURNING do not fit.")),
                false => Ok(ControlFlow::Continue(())),
            }
        })?;
        Ok(Rows { columns, rows })
    }
}
