//! INSERT, UPDATE and DELETE: planned as queries, evaluated over snapshots without any lock, done as one commit.

mod apply;
mod evaluate;
mod kept;
mod keys;
mod plan;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tidewater_delta::Row;
use tidewater_functions::Session;
use tidewater_query::plan::Constant;
use tidewater_types::TableSchema;

use crate::catalog::Body;
use crate::constraint::Constraints;
use crate::database::Database;
use crate::names;
use crate::query::{Prepared, Work};
use crate::relations::{Moment, Reach};
use crate::within::Within;
use crate::{Error, Result};
pub use apply::{Ahead, Checked};
pub use evaluate::Evaluated;
pub use kept::KeptRows;
pub use keys::HeldKeys;
pub(crate) use plan::ChangePlan;

/// A change with the snapshots that it reads, not evaluated yet.
pub struct Change {
    table: String,
    oid: u32,
    plan: Arc<ChangePlan>,
    moment: Moment,
    session: Arc<Session>,
    parameters: Vec<Constant>,
    schema: TableSchema,
    constraints: Arc<Constraints>,
    /// Relations that it reads, those inside views included.
    pub reads: Vec<String>,
    /// The numbers of the relations whose rows it reads, and of the tables that they are made from.
    pub relations: BTreeSet<u32>,
    /// See `relations`.
    pub tables: BTreeSet<u32>,
}

impl Change {
    /// The same, looking rows up by the indexes of the database.
    #[must_use]
    pub fn through(mut self, reach: Reach) -> Self {
        self.moment.reach = Some(reach);
        self
    }
}

/// Rows to take out of a table and to put into it.
#[derive(Debug, Clone)]
pub struct Changes {
    table: String,
    oid: u32,
    /// Of which constraints of the table.
    made: u64,
    tag: String,
    /// The unique constraints of its ON CONFLICT: a row that came meanwhile is a reason to evaluate it again.
    arbiters: Vec<String>,
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
        let mut tables: BTreeMap<(String, u32, u64), Vec<Arc<Changes>>> = BTreeMap::new();
        for changes in all {
            tables.entry((changes.table.clone(), changes.oid, changes.made)).or_default().push(changes);
        }
        let net = |((table, oid, made), mut changes): ((String, u32, u64), Vec<Arc<Changes>>)| {
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
            let arbiters = changes.iter().flat_map(|changes| changes.arbiters.iter().cloned()).collect();
            Changes { table, oid, made, tag: String::new(), arbiters, removed: rows(-1), added: rows(1) }
        };
        tables.into_iter().map(net).collect()
    }

    /// Whether these do what others do, whatever the order of their rows.
    fn does_as(&self, other: &Changes) -> bool {
        self.table == other.table
            && self.oid == other.oid
            && is_permuted(&self.removed, &other.removed)
            && is_permuted(&self.added, &other.added)
    }

    /// Rows that go, with weight -1, and rows that come.
    pub fn rows(&self) -> impl Iterator<Item = (&Row, i64)> {
        let gone = self.removed.iter().map(|row| (row, -1));
        gone.chain(self.added.iter().map(|row| (row, 1)))
    }

    /// The command tag.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// The error of a second row of one key of the constraint `name`.
    fn refusal(&self, name: &str, error: Error) -> Error {
        match self.arbiters.iter().any(|arbiter| arbiter == name) {
            // Evaluated again, its ON CONFLICT would see the row.
            true => conflict(),
            false => {
                let (schema, table) = names::split(&self.table);
                error.of_table(schema, table)
            }
        }
    }
}

/// Whether two lists hold the same rows.
fn is_permuted(a: &[Row], b: &[Row]) -> bool {
    let sorted = |rows: &[Row]| {
        let mut rows: Vec<Row> = rows.to_vec();
        rows.sort_unstable_by(|a, b| a.bytes().cmp(b.bytes()));
        rows
    };
    a == b || (a.len() == b.len() && sorted(a) == sorted(b))
}

/// What a change is told whose rows others were faster to change.
fn conflict() -> Error {
    Error::new(b"40001", "could not serialize access due to concurrent update").hint("try again")
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
    /// A planned change with the rows that its transaction sees.
    ///
    /// # Errors
    /// What is wrong with it by now; 55000 where it reads what does not hold all of its rows.
    pub fn change_within(
        &self,
        within: &Within,
        prepared: &Prepared,
        parameters: &[Constant],
        session: &Arc<Session>,
    ) -> Result<Change> {
        let again = self.current(prepared, parameters, session)?;
        let Work::Change(plan) = &again.as_ref().unwrap_or(prepared).work else {
            return Err(Error::new(b"42601", "expected INSERT, UPDATE or DELETE"));
        };
        let reads = || plan.reads.iter().map(String::as_str);
        self.readable(reads())?;
        if within.moment.is_none()
            && let Some((name, _)) = self.hydrating(reads()).first()
        {
            let message = format!("\"{name}\" does not hold all of its initial rows yet");
            return Err(Error::new(b"55000", message)
                .hint("SHOW SOURCES and SHOW MATERIALIZED VIEWS tell how far it is; try again"));
        }
        let Some(object) = self.objects.get(&plan.table) else { return Err(unknown(&plan.table)) };
        let (Body::Table { constraints, .. }, Some(relation)) = (&object.body, &object.relation) else {
            return Err(unknown(&plan.table));
        };
        let session = self.informed(session);
        let update = plan.conflict.as_ref().and_then(|conflict| conflict.update.as_ref());
        let mut relations = Vec::new();
        if plan.conflict.is_some() || plan.joins {
            relations.push(relation.clone());
        }
        for planned in [Some(&plan.read), update, plan.returning.as_ref()].into_iter().flatten() {
            self.columns_readable(&planned.plan)?;
            relations.extend(planned.relations());
        }
        Ok(Change {
            table: plan.table.clone(),
            oid: object.oid,
            plan: plan.clone(),
            relations: self.numbers_of(relations.iter().map(|of| names::key(&of.schema, &of.name))),
            tables: self.tables_under(&relations),
            moment: self.moment(relations, &session, within)?,
            session,
            parameters: parameters.to_vec(),
            schema: TableSchema::new(relation.columns.clone(), None)?,
            constraints: Arc::new(constraints.declared()),
            reads: plan.reads.clone(),
        })
    }

    /// [`Database::change_within`] no transaction.
    ///
    /// # Errors
    /// The same.
    pub fn change(&self, prepared: &Prepared, parameters: &[Constant], session: &Arc<Session>) -> Result<Change> {
        self.change_within(&Within::default(), prepared, parameters, session)
    }
}

impl Database {
    /// Rows that come to a table.
    pub(crate) fn added(&self, table: &str, rows: Vec<Row>, tag: &str) -> Result<Changes> {
        let object = self.objects.get(table).ok_or_else(|| unknown(table))?;
        let Body::Table { constraints, .. } = &object.body else { return Err(unknown(table)) };
        let (oid, made) = (object.oid, constraints.made);
        let (table, tag) = (table.to_owned(), tag.to_owned());
        Ok(Changes { table, oid, made, tag, arbiters: Vec::new(), removed: Vec::new(), added: rows })
    }
}

pub(crate) fn unknown(name: &str) -> Error {
    Error::new(b"42P01", format!("unknown catalog item \"{name}\""))
}
