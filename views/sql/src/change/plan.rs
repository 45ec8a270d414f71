//! What a statement that changes a table reads, as a query: the new values, or the old rows, or both.

use std::sync::Arc;

use sqlparser::ast::{
    Assignment, AssignmentTarget, Delete, Expr, FromTable, Ident, Insert, ObjectName, Query, SelectItem, SetExpr,
    TableFactor, TableObject, TableWithJoins, Update, Value,
};
use tidewater_functions::Session;
use tidewater_query::{Relation, Target, bind, bind_assigned};
use tidewater_types::{Column, ColumnType};

use super::unknown;
use crate::catalog::Body;
use crate::constraint::Constraints;
use crate::database::Database;
use crate::names::{fold, key_of, split};
use crate::parse::ast::Statement;
use crate::query::Planned;
use crate::relations::Names;
use crate::{Error, Result};

/// A change of a table that was planned.
#[derive(Debug)]
pub(crate) struct ChangePlan {
    pub(super) table: String,
    pub(super) verb: Verb,
    /// What it reads: the new values, or the old row, or both.
    pub(crate) plan: Arc<Planned>,
}

/// What becomes of the rows that it reads.
#[derive(Debug)]
pub(super) enum Verb {
    /// The columns that the rows have; the others are their defaults.
    Insert(Vec<usize>),
    /// The old row's columns, then the new one's.
    Update,
    /// The old row's columns.
    Delete,
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
}

type Planning<'a> = (Local<'a>, Verb, Box<Query>, Vec<usize>);

fn refuse<const N: usize>(verb: &str, clauses: [(bool, &str); N]) -> Result<()> {
    match clauses.into_iter().find(|(given, _)| *given) {
        Some((_, clause)) => Err(Error::new(b"0A000", format!("{verb} with {clause} is not supported"))),
        None => Ok(()),
    }
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
