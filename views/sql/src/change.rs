//! INSERT, UPDATE and DELETE: planned as queries, evaluated over snapshots without any lock, done as one commit.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use delta::{Op, Row, RowBuilder};
use engine::NodeId;
use sqlparser::ast::{
    Assignment, AssignmentTarget, Delete, Expr, FromTable, Ident, Insert, ObjectName, Query, SelectItem, SetExpr,
    TableFactor, TableObject, TableWithJoins, Update, Value,
};
use tidewater_functions::Session;
use tidewater_query::plan::{Constant, Rel};
use tidewater_query::run::{Limits, compile_over};
use tidewater_query::{Relation, Target, bind, bind_assigned};
use tidewater_types::{Column, ColumnType, Packing, Scratch, TableSchema};

use crate::catalog::Body;
use crate::constraint::{Constraints, RowChecks};
use crate::database::Database;
use crate::names::{fold, key_of, split};
use crate::parse::ast::Statement;
use crate::query::{Planned, Prepared, Running, Work};
use crate::relations::Names;
use crate::{Error, Result};

/// A change of a table that was planned.
#[derive(Debug)]
pub(crate) struct ChangePlan {
    table: String,
    verb: Verb,
    /// What it reads: the new values, or the old row, or both.
    pub(crate) plan: Arc<Planned>,
}

#[derive(Debug)]
enum Verb {
    /// The columns that the rows have; the others are their defaults.
    Insert(Vec<usize>),
    /// The old row's columns, then the new one's.
    Update,
    /// The old row's columns.
    Delete,
}

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
        let columns = &self.schema.columns;
        let (_, name) = split(&self.table);
        let checks = RowChecks::new(name, columns, &self.constraints, &self.running.session)?;
        let defaults = self.defaults()?;
        let mut builder = RowBuilder::new(self.schema.widths.clone());
        let (width, mut kept) = (columns.len(), 0);
        self.running.run(limits, &mut |values| {
            let mut row = |pick: &mut dyn FnMut(&mut RowBuilder) -> Result<()>| -> Result<Row> {
                pick(&mut builder)?;
                let row = builder.take();
                kept += row.bytes().len() + size_of::<Row>();
                match kept > limits.memory {
                    true => Err(Error::new(b"53200", "out of memory").detail("The rows of the statement do not fit.")),
                    false => Ok(row),
                }
            };
            let mut some = |from: &[tidewater_types::Datum<'_>], to: &[usize]| {
                row(&mut |builder| {
                    for (value, &at) in from.iter().zip(to) {
                        self.schema.packings[at].set(builder, at, value);
                    }
                    let scratch = Scratch::new();
                    for (at, default) in defaults.iter().filter(|(at, _)| !to.contains(at)) {
                        self.schema.packings[*at].set(builder, *at, &default.eval(&[], &scratch)?);
                    }
                    Ok(())
                })
            };
            let all: Vec<usize> = (0..width).collect();
            match &self.plan.verb {
                Verb::Insert(targets) => changes.added.push(some(values, targets)?),
                Verb::Delete => changes.removed.push(some(values, &all)?),
                Verb::Update => {
                    changes.removed.push(some(&values[..width], &all)?);
                    changes.added.push(some(&values[width..], &all)?);
                }
            }
            changes.added.last().map_or(Ok(()), |row| checks.check(row))?;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(changes)
    }

    /// The values of columns of which an INSERT says nothing.
    fn defaults(&self) -> Result<Vec<(usize, tidewater_types::Expr)>> {
        if !matches!(self.plan.verb, Verb::Insert(_)) {
            return Ok(Vec::new());
        }
        let defaults = self.constraints.defaults.iter().enumerate();
        let compiled = |(at, default): (usize, &Option<crate::constraint::Default>)| {
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

/// A table that statements may change.
struct Local<'a> {
    key: String,
    relation: Arc<Relation>,
    constraints: &'a Constraints,
}

impl Local<'_> {
    fn column(&self, name: &str) -> Result<usize> {
        let at = self.relation.columns.iter().position(|column| column.name == name);
        let message = || format!("column \"{name}\" of relation \"{}\" does not exist", self.relation.name);
        at.ok_or_else(|| Error::new(b"42703", message()))
    }

    fn target(&self, at: usize) -> Target<'_> {
        let column = &self.relation.columns[at];
        let default = self.constraints.defaults[at].as_ref().map(|default| &default.expr);
        Target { name: &column.name, ty: column.ty.clone(), default }
    }
}

impl Database {
    fn local(&self, name: &ObjectName, session: &Session) -> Result<Local<'_>> {
        let key = self.resolved(&key_of(name)?, session)?;
        self.intact(&key)?;
        let Some(object) = self.objects.get(&key) else { return Err(unknown(&key)) };
        match (&object.body, &object.relation) {
            (Body::Table { constraints, .. }, Some(relation)) => {
                Ok(Local { key, relation: relation.clone(), constraints })
            }
            _ => Err(Error::new(b"42809", format!("\"{key}\" is not a table: its rows come from elsewhere"))),
        }
    }

    /// Plans a statement that changes a table.
    pub(crate) fn change_plan(
        &self,
        statement: &Statement,
        text: &str,
        types: &[ColumnType],
        session: &Arc<Session>,
    ) -> Result<ChangePlan> {
        let (local, verb, query, targets) = match statement {
            Statement::Insert(insert) => self.insert(insert, text, types, session)?,
            Statement::Update(update) => self.update(update, session)?,
            Statement::Delete(delete) => self.delete(delete, session)?,
            _ => return Err(Error::new(b"42601", "expected INSERT, UPDATE or DELETE")),
        };
        let targets: Vec<Target<'_>> = targets.into_iter().map(|at| local.target(at)).collect();
        let names = Names::new(self, session);
        let plan = names.told(bind_assigned(&query, text, &names, session, types, &targets))?;
        let plan = Arc::new(self.rewritten(plan, names)?);
        Ok(ChangePlan { table: local.key, verb, plan })
    }

    fn insert(
        &self,
        insert: &Insert,
        text: &str,
        types: &[ColumnType],
        session: &Arc<Session>,
    ) -> Result<Planning<'_>> {
        let TableObject::TableName(name) = &insert.table else {
            return Err(Error::new(b"0A000", "INSERT into a function is not supported"));
        };
        refuse(
            "INSERT",
            [
                (insert.returning.is_some(), "RETURNING"),
                (insert.on.is_some(), "ON CONFLICT"),
                (insert.overwrite, "OVERWRITE"),
                (insert.or.is_some() || insert.replace_into || insert.ignore, "OR"),
            ],
        )?;
        let local = self.local(name, session)?;
        let all = || (0..local.relation.columns.len()).collect::<Vec<_>>();
        let Some(source) = &insert.source else {
            // DEFAULT VALUES.
            let query = select(Vec::new(), &[], None)?;
            return Ok((local, Verb::Insert(Vec::new()), query, Vec::new()));
        };
        let mut columns = all();
        if !insert.columns.is_empty() {
            columns = insert.columns.iter().map(|name| local.column(&key_of(name)?)).collect::<Result<_>>()?;
            crate::table::distinct_names(columns.iter().map(|&at| local.relation.columns[at].name.as_str()))?;
        } else {
            // Fewer values than columns: the rest is what it is by default.
            let width = match source.body.as_ref() {
                SetExpr::Values(values) => values.rows.first().map_or(0, |row| row.content.len()),
                _ => {
                    let names = Names::new(self, session);
                    names.told(bind(source, text, &names, session, types))?.output.len()
                }
            };
            columns.truncate(width);
        }
        Ok((local, Verb::Insert(columns.clone()), source.clone(), columns))
    }

    fn delete(&self, delete: &Delete, session: &Arc<Session>) -> Result<Planning<'_>> {
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        let [from] = from.as_slice() else { return Err(Error::new(b"0A000", "DELETE from several tables")) };
        refuse(
            "DELETE",
            [
                (delete.returning.is_some(), "RETURNING"),
                (delete.using.is_some(), "USING"),
                (!delete.order_by.is_empty(), "ORDER BY"),
                (delete.limit.is_some(), "LIMIT"),
            ],
        )?;
        let local = self.local(table_of(from)?, session)?;
        let all: Vec<usize> = (0..local.relation.columns.len()).collect();
        let old = old_columns(from, &local.relation.columns)?;
        let query = select(old, std::slice::from_ref(from), delete.selection.as_ref())?;
        Ok((local, Verb::Delete, query, all))
    }

    fn update(&self, update: &Update, session: &Arc<Session>) -> Result<Planning<'_>> {
        refuse(
            "UPDATE",
            [
                (update.returning.is_some(), "RETURNING"),
                (update.from.is_some(), "FROM"),
                (!update.order_by.is_empty(), "ORDER BY"),
                (update.limit.is_some(), "LIMIT"),
            ],
        )?;
        let local = self.local(table_of(&update.table)?, session)?;
        let width = local.relation.columns.len();
        let old = old_columns(&update.table, &local.relation.columns)?;
        let mut new = old.clone();
        let mut set = std::collections::BTreeSet::new();
        for Assignment { target, value } in &update.assignments {
            let AssignmentTarget::ColumnName(column) = target else {
                return Err(Error::new(b"0A000", "UPDATE of several columns by one value is not supported"));
            };
            let at = local.column(&key_of(column)?)?;
            if !set.insert(at) {
                let name = &local.relation.columns[at].name;
                return Err(Error::new(b"42601", format!("multiple assignments to same column \"{name}\"")));
            }
            new[at] = match is_default(value) {
                false => value.clone(),
                true => match &local.constraints.defaults[at] {
                    Some(default) => default.expr.clone(),
                    None => Expr::Value(Value::Null.into()),
                },
            };
        }
        let query = select(
            old.into_iter().chain(new).collect(),
            std::slice::from_ref(&update.table),
            update.selection.as_ref(),
        )?;
        Ok((local, Verb::Update, query, (0..width).chain(0..width).collect()))
    }

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

    /// Does changes as one commit: readers see all of them or none.
    ///
    /// # Errors
    /// 40001 if a table, or a row that goes, is not there any more; 23505 for a second row of one key. Nothing has changed then.
    pub fn apply_changes(&mut self, all: Vec<Changes>) -> Result<()> {
        for changes in &all {
            self.still_there(changes)?;
        }
        for (done, changes) in all.iter().enumerate() {
            if let Err(error) = self.take_keys(changes) {
                all[..done].iter().rev().for_each(|changes| self.give_keys_back(changes, changes.added.len()));
                return Err(error);
            }
        }
        let mut ops = Vec::new();
        for Changes { table, removed, added, .. } in all {
            let Some(node) = self.nodes.get(&table).copied() else { continue };
            let key = self.circuit.key(node);
            let widths = self.widths(node);
            let gone = |row: Row| match &key {
                None => Op::Remove(row),
                Some(key) => Op::Delete(key_row(&row, key, &widths)),
            };
            ops.extend(removed.into_iter().map(|row| (node, gone(row))));
            let keyed = key.is_some();
            ops.extend(added.into_iter().map(|row| (node, if keyed { Op::Upsert(row) } else { Op::Insert(row) })));
        }
        self.circuit.tick(ops);
        Ok(())
    }

    fn still_there(&self, changes: &Changes) -> Result<()> {
        let table = &changes.table;
        let Some(node) = self.objects.get(table).filter(|object| object.oid == changes.oid).and_then(|o| o.node())
        else {
            let message = format!("table \"{table}\" was dropped or made anew since its change was evaluated");
            return Err(Error::new(b"40001", message));
        };
        let mut wanted = HashMap::<&[u8], i64>::new();
        changes.removed.iter().for_each(|row| *wanted.entry(row.bytes()).or_default() += 1);
        let gone = wanted.iter().any(|(row, count)| self.circuit.weight(node, delta::RowRef::new(row)) < *count);
        match gone {
            false => Ok(()),
            true => Err(Error::new(b"40001", "could not serialize access due to concurrent update").hint("try again")),
        }
    }

    /// Takes note of the rows of changes in the table's unique constraints; all or nothing.
    fn take_keys(&mut self, changes: &Changes) -> Result<()> {
        let Some((columns, constraints)) = self.constraints_of(&changes.table) else { return Ok(()) };
        if constraints.uniques.is_empty() {
            return Ok(());
        }
        for unique in &mut constraints.uniques {
            changes.removed.iter().for_each(|row| unique.remove(row.as_ref(), &columns));
        }
        let mut failed = None;
        'rows: for (done, row) in changes.added.iter().enumerate() {
            for (number, unique) in constraints.uniques.iter_mut().enumerate() {
                if let Err(error) = unique.add(row.as_ref(), &columns) {
                    constraints.uniques[..number].iter_mut().for_each(|unique| unique.remove(row.as_ref(), &columns));
                    failed = Some((done, error));
                    break 'rows;
                }
            }
        }
        match failed {
            None => Ok(()),
            Some((done, error)) => {
                self.give_keys_back(changes, done);
                Err(error)
            }
        }
    }

    /// Undoes [`Database::take_keys`] of which the first `done` rows were added.
    fn give_keys_back(&mut self, changes: &Changes, done: usize) {
        let Some((columns, constraints)) = self.constraints_of(&changes.table) else { return };
        for unique in &mut constraints.uniques {
            changes.added[..done].iter().for_each(|row| unique.remove(row.as_ref(), &columns));
            // They were there before, so that they are no second ones.
            changes.removed.iter().for_each(|row| drop(unique.add(row.as_ref(), &columns)));
        }
    }

    fn constraints_of(&mut self, table: &str) -> Option<(Vec<Column>, &mut Constraints)> {
        let object = self.objects.get_mut(table)?;
        let columns = object.relation.as_ref()?.columns.clone();
        match &mut object.body {
            Body::Table { constraints, .. } => Some((columns, constraints)),
            _ => None,
        }
    }

    fn widths(&self, node: NodeId) -> Vec<delta::Width> {
        self.circuit.types(node).iter().map(|ty| Packing::of(ty).width()).collect()
    }
}

type Planning<'a> = (Local<'a>, Verb, Box<Query>, Vec<usize>);

/// The key's columns of a row.
fn key_row(row: &Row, key: &[usize], widths: &[delta::Width]) -> Row {
    let mut builder = RowBuilder::new(key.iter().map(|&at| widths[at]).collect::<Vec<_>>());
    for (to, &from) in key.iter().enumerate() {
        builder.copy(to, row.as_ref(), from);
    }
    builder.take()
}

fn refuse<const N: usize>(verb: &str, clauses: [(bool, &str); N]) -> Result<()> {
    match clauses.into_iter().find(|(given, _)| *given) {
        Some((_, clause)) => Err(Error::new(b"0A000", format!("{verb} with {clause} is not supported"))),
        None => Ok(()),
    }
}

pub(crate) fn unknown(name: &str) -> Error {
    Error::new(b"42P01", format!("unknown catalog item \"{name}\""))
}

fn table_of(table: &TableWithJoins) -> Result<&ObjectName> {
    match &table.relation {
        TableFactor::Table { name, .. } if table.joins.is_empty() => Ok(name),
        other => Err(Error::new(b"0A000", format!("{other} cannot be changed"))),
    }
}

fn is_default(value: &Expr) -> bool {
    matches!(value, Expr::Identifier(ident) if ident.quote_style.is_none() && fold(ident) == "default")
}

/// The columns of a table by its name or alias.
fn old_columns(table: &TableWithJoins, columns: &[Column]) -> Result<Vec<Expr>> {
    let name = match &table.relation {
        TableFactor::Table { alias: Some(alias), .. } => fold(&alias.name),
        _ => split(&key_of(table_of(table)?)?).1.to_owned(),
    };
    let quoted = |name: &str| Ident::with_quote('"', name);
    let column = |column: &Column| Expr::CompoundIdentifier(vec![quoted(&name), quoted(&column.name)]);
    Ok(columns.iter().map(column).collect())
}

/// `SELECT columns FROM tables WHERE selection`.
fn select(columns: Vec<Expr>, from: &[TableWithJoins], selection: Option<&Expr>) -> Result<Box<Query>> {
    let mut parsed = crate::parse::parse("SELECT 1")?;
    let Some(Statement::Query(mut query)) = parsed.pop().map(|parsed| parsed.statement) else {
        return Err(Error::new(b"XX000", "SELECT is no query"));
    };
    if let SetExpr::Select(body) = query.body.as_mut() {
        body.projection = columns.into_iter().map(SelectItem::UnnamedExpr).collect();
        body.from = from.to_vec();
        body.selection = selection.cloned();
    }
    Ok(query)
}
