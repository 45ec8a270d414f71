//! INSERT, UPDATE and DELETE: planned as queries, evaluated over snapshots without any lock, done as one commit.

mod apply;
mod kept;
mod plan;

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use tidewater_delta::{Row, RowBuilder};
use tidewater_functions::Session;
use tidewater_query::plan::{Constant, Rel};
use tidewater_query::run::{Limits, compile_over};
use tidewater_types::{Datum, Expr, Scratch, TableSchema};

use crate::catalog::Body;
use crate::constraint::{Constraints, Default, RowChecks};
use crate::database::Database;
use crate::names::split;
use crate::query::{Prepared, Running, Work};
use crate::{Error, Result};
pub use apply::{Ahead, Checked};
pub use kept::KeptRows;
pub(crate) use plan::ChangePlan;
use plan::Verb;

/// A change with the snapshots that it reads, not evaluated yet.
pub struct Change {
    table: String,
    oid: u32,
    plan: Arc<ChangePlan>,
    running: Running,
    schema: TableSchema,
    constraints: Arc<Constraints>,
    /// Relations that it reads, those inside views included.
    pub reads: Vec<String>,
}

/// Rows to take out of a table and to put into it.
#[derive(Debug, Clone)]
pub struct Changes {
    table: String,
    oid: u32,
    verb: &'static str,
    removed: Vec<Row>,
    added: Vec<Row>,
}

impl Changes {
    /// The table that they are of.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Of which making of the table.
    pub(crate) fn oid(&self) -> u32 {
        self.oid
    }

    /// What several changes do one after another, table by table: a row that one adds and a later one removes is in none.
    pub fn net(all: Vec<Arc<Changes>>) -> Vec<Changes> {
        let mut tables: BTreeMap<(String, u32), Vec<Arc<Changes>>> = BTreeMap::new();
        for changes in all {
            tables.entry((changes.table.clone(), changes.oid)).or_default().push(changes);
        }
        let net = |((table, oid), mut changes): ((String, u32), Vec<Arc<Changes>>)| {
            if changes.len() == 1
                && let Some(only) = changes.pop()
            {
                return Arc::unwrap_or_clone(only);
            }
            let weights = weights(changes.iter().map(Arc::as_ref));
            let rows = |sign: i64| {
                let some = weights.iter().map(move |(row, weight)| (row, (sign * weight).max(0) as usize));
                some.flat_map(|(row, count)| std::iter::repeat_n(row.clone(), count)).collect()
            };
            Changes { table, oid, verb: "", removed: rows(-1), added: rows(1) }
        };
        tables.into_iter().map(net).collect()
    }

    /// The command tag.
    pub fn tag(&self) -> String {
        let count = self.removed.len().max(self.added.len());
        format!("{}{count}", self.verb)
    }
}

impl Change {
    /// Evaluates it over its snapshots; nothing is changed.
    ///
    /// # Errors
    /// What a row's evaluation gives, 23502 and 23514 for rows that may not be in the table, 57014, 53200.
    pub fn evaluate(&self, limits: &Limits) -> Result<Changes> {
        let verb = match self.plan.verb {
            Verb::Insert(_) => "INSERT 0 ",
            Verb::Update => "UPDATE ",
            Verb::Delete => "DELETE ",
        };
        let mut changes =
            Changes { table: self.table.clone(), oid: self.oid, verb, removed: Vec::new(), added: Vec::new() };
        let (_, name) = split(&self.table);
        let checks = RowChecks::new(name, &self.schema.columns, &self.constraints, &self.running.session)?;
        let defaults = self.defaults()?;
        let mut builder = RowBuilder::new(self.schema.widths.clone());
        let all: Vec<usize> = (0..self.schema.columns.len()).collect();
        let (targets, width) = match &self.plan.verb {
            Verb::Insert(targets) => (targets, 0),
            Verb::Update | Verb::Delete => (&all, all.len()),
        };
        let mut kept = 0;
        self.running.run(limits, &mut |values| {
            let (old, new) = values.split_at(width);
            if width > 0 {
                changes.removed.push(self.row(&mut builder, old, &all, &[])?);
            }
            if !matches!(self.plan.verb, Verb::Delete) {
                let row = self.row(&mut builder, new, targets, &defaults)?;
                checks.check(&row)?;
                changes.added.push(row);
            }
            let last = [changes.removed.last(), changes.added.last()].into_iter().flatten();
            kept += last.map(|row| row.bytes().len() + size_of::<Row>()).sum::<usize>();
            match kept > limits.memory {
                true => Err(Error::new(b"53200", "out of memory").detail("The rows of the statement do not fit.")),
                false => Ok(ControlFlow::Continue(())),
            }
        })?;
        Ok(changes)
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
            Some(compile_over(&default.scalar, &Rel::unit(), &self.running.session, &[]).map(|expr| (at, expr)))
        };
        defaults.filter_map(compiled).collect()
    }
}

/// How often each row comes (positive) or goes.
pub(crate) fn weights<'a>(all: impl Iterator<Item = &'a Changes>) -> HashMap<Row, i64> {
    let mut weights = HashMap::new();
    for Changes { removed, added, .. } in all {
        for (rows, sign) in [(removed, -1), (added, 1)] {
            rows.iter().for_each(|row| *weights.entry(row.clone()).or_default() += sign);
        }
    }
    weights.retain(|_, weight| *weight != 0);
    weights
}

impl Database {
    /// A planned change with this moment's rows, as they are after what its transaction changed before (`held`).
    ///
    /// # Errors
    /// What is wrong with it by now; 55000 where it reads what does not hold all of its rows.
    pub fn change_after(
        &self,
        held: &[Arc<Changes>],
        prepared: &Prepared,
        parameters: &[Constant],
        session: &Arc<Session>,
    ) -> Result<Change> {
        let again = self.current(prepared, parameters, session)?;
        let Work::Change(plan) = &again.as_ref().unwrap_or(prepared).work else {
            return Err(Error::new(b"42601", "expected INSERT, UPDATE or DELETE"));
        };
        let reads = || plan.plan.reads.iter().map(String::as_str);
        self.readable(reads())?;
        if let Some((name, _)) = self.hydrating(reads()).first() {
            let message = format!("\"{name}\" does not hold all of its initial rows yet");
            return Err(Error::new(b"55000", message)
                .hint("SHOW SOURCES and SHOW MATERIALIZED VIEWS tell how far it is; try again"));
        }
        let Some(object) = self.objects.get(&plan.table) else { return Err(unknown(&plan.table)) };
        let (Body::Table { constraints, .. }, Some(relation)) = (&object.body, &object.relation) else {
            return Err(unknown(&plan.table));
        };
        let running = self.running(&plan.plan, parameters, &self.informed(session), held)?;
        Ok(Change {
            table: plan.table.clone(),
            oid: object.oid,
            plan: plan.clone(),
            running,
            schema: TableSchema::new(relation.columns.clone(), None)?,
            constraints: Arc::new(constraints.declared()),
            reads: plan.plan.reads.clone(),
        })
    }

    /// [`Database::change_after`] nothing.
    ///
    /// # Errors
    /// The same.
    pub fn change(&self, prepared: &Prepared, parameters: &[Constant], session: &Arc<Session>) -> Result<Change> {
        self.change_after(&[], prepared, parameters, session)
    }
}

pub(crate) fn unknown(name: &str) -> Error {
    Error::new(b"42P01", format!("unknown catalog item \"{name}\""))
}
