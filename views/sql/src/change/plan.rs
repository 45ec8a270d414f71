//! What a statement that changes a table reads, as queries: the old rows, the new values, what ON CONFLICT and RETURNING compute.

use std::sync::Arc;

use sqlparser::ast::{
    ConflictTarget, FromTable, Insert, ObjectName, OnConflict, OnConflictAction, OnInsert, TableFactor, TableObject,
    TableWithJoins,
};
use tidewater_catalog::Identity;
use tidewater_functions::Session;
use tidewater_query::{BoundChange, ChangeContext, Changed, Relation, bind_delete, bind_insert, bind_update};
use tidewater_types::ColumnType;

use super::unknown;
use crate::catalog::Body;
use crate::constraint::Constraints;
use crate::database::Database;
use crate::names::{fold, key_of};
use crate::parse::ast::{ChangeStatement, ChangeVerb};
use crate::query::Planned;
use crate::relations::Names;
use crate::sizes::Sizes;
use crate::{Error, Result};

/// A change of a table that was planned.
#[derive(Debug)]
pub(crate) struct ChangePlan {
    pub(super) table: String,
    pub(super) relation: Arc<Relation>,
    pub(super) verb: Verb,
    /// What it reads: the new values, or the old row, or both; then what RETURNING shows of other tables.
    pub(crate) read: Arc<Planned>,
    pub(super) conflict: Option<Conflict>,
    /// RETURNING, over the rows that it makes or takes out.
    pub(crate) returning: Option<Arc<Planned>>,
    /// Types of the columns that RETURNING shows of other tables.
    pub(super) others: Vec<ColumnType>,
    /// Whether a row may be read several times: it is joined with others.
    pub(super) joins: bool,
    /// Objects that it names, those inside views included.
    pub(crate) reads: Vec<String>,
}

impl ChangePlan {
    /// The table that it changes, as the catalog calls it.
    pub(crate) fn table_key(&self) -> &str {
        &self.table
    }
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

/// ON CONFLICT.
#[derive(Debug)]
pub(super) struct Conflict {
    /// The unique constraints that it is about, by number.
    pub(super) arbiters: Vec<usize>,
    /// DO UPDATE; otherwise nothing is done.
    pub(super) update: Option<Arc<Planned>>,
}

/// A table that statements may change.
pub(crate) struct Local<'a> {
    pub(crate) key: String,
    pub(crate) relation: Arc<Relation>,
    pub(crate) constraints: &'a Constraints,
    /// Identity columns, and whether only DEFAULT is a value of them.
    identities: Vec<(usize, bool)>,
}

impl Local<'_> {
    fn changed(&self) -> Changed<'_> {
        let defaults = self.constraints.defaults.iter().map(|default| default.as_ref().map(|default| &default.expr));
        let (relation, identities) = (self.relation.clone(), self.identities.clone());
        Changed { relation, defaults: defaults.collect(), identities }
    }

    /// The unique constraints that ON CONFLICT names; all where it names none.
    fn arbiters(&self, on: &OnConflict) -> Result<Vec<usize>> {
        let uniques = &self.constraints.uniques;
        let updates = matches!(on.action, OnConflictAction::DoUpdate(_));
        match &on.conflict_target {
            None if updates => {
                let message = "ON CONFLICT DO UPDATE requires inference specification or constraint name";
                Err(Error::new(b"42601", message).hint("For example, ON CONFLICT (column_name)."))
            }
            None => Ok((0..uniques.len()).collect()),
            Some(ConflictTarget::OnConstraint(name)) => {
                let name = key_of(name)?;
                let found = uniques.iter().position(|unique| unique.name == name);
                let table = &self.relation.name;
                let message = || format!("constraint \"{name}\" for table \"{table}\" does not exist");
                found.map(|at| vec![at]).ok_or_else(|| Error::new(b"42704", message()))
            }
            Some(ConflictTarget::Columns(columns)) => {
                let mut wanted = Vec::with_capacity(columns.len());
                for column in columns {
                    let name = fold(column);
                    let at = self.relation.columns.iter().position(|column| column.name == name);
                    let missing = || Error::new(b"42703", format!("column \"{name}\" does not exist"));
                    wanted.push(at.ok_or_else(missing)?);
                }
                let same = |columns: &[usize]| {
                    columns.iter().all(|at| wanted.contains(at)) && wanted.iter().all(|at| columns.contains(at))
                };
                let found: Vec<usize> = (0..uniques.len()).filter(|&at| same(&uniques[at].columns)).collect();
                if found.is_empty() {
                    let message = "there is no unique or exclusion constraint matching the ON CONFLICT specification";
                    return Err(Error::new(b"42P10", message));
                }
                Ok(found)
            }
        }
    }
}

impl Database {
    /// The table that a statement changes.
    pub(crate) fn local(&self, name: &ObjectName, session: &Session) -> Result<Local<'_>> {
        let key = self.resolved(&key_of(name)?, session)?;
        self.intact(&key)?;
        let Some(object) = self.objects.get(&key) else { return Err(unknown(&key)) };
        match (&object.body, &object.relation) {
            (Body::Table { constraints, .. }, Some(relation)) => {
                let at = |name: &str| relation.columns.iter().position(|column| column.name == name);
                let identities = self.identities(&key).into_iter();
                let identities = identities.filter_map(|(name, kind)| Some((at(name)?, kind == Identity::Always)));
                let identities = identities.collect();
                Ok(Local { key, relation: relation.clone(), constraints, identities })
            }
            _ => Err(Error::new(b"42809", format!("\"{key}\" is not a table: its rows come from elsewhere"))),
        }
    }

    /// Plans a statement that changes a table.
    pub(crate) fn change_plan(
        &self,
        statement: &ChangeStatement,
        text: &str,
        types: &[ColumnType],
        session: &Arc<Session>,
    ) -> Result<ChangePlan> {
        let with = statement.with.as_ref();
        let names = Names::new(self, session);
        let local = self.local(target(&statement.verb)?, session)?;
        let changed = local.changed();
        let mut arbiters = None;
        let context = ChangeContext { with, table: &changed, text, catalog: &names, session, parameters: types };
        let (bound, joins) = match &statement.verb {
            ChangeVerb::Insert(insert) => {
                arbiters = on_conflict(insert)?.map(|on| local.arbiters(on)).transpose()?;
                (bind_insert(insert, &context), false)
            }
            ChangeVerb::Update(update) => {
                let strange = [(!update.order_by.is_empty(), "ORDER BY"), (update.limit.is_some(), "LIMIT")];
                refuse("UPDATE", strange)?;
                (bind_update(update, &context), update.from.is_some())
            }
            ChangeVerb::Delete(delete) => {
                let strange = [(!delete.order_by.is_empty(), "ORDER BY"), (delete.limit.is_some(), "LIMIT")];
                refuse("DELETE", strange)?;
                (bind_delete(delete, &context), delete.using.is_some())
            }
        };
        let BoundChange { read, targets, conflict, returning, others } = names.told(bound)?;
        let verb = match &statement.verb {
            ChangeVerb::Insert(_) => Verb::Insert(targets),
            ChangeVerb::Update(_) => Verb::Update,
            ChangeVerb::Delete(_) => Verb::Delete,
        };
        let planned = |plan| self.rewritten(plan, &names, &Sizes::new()).map(Arc::new);
        let update = conflict.map(planned).transpose()?;
        Ok(ChangePlan {
            read: planned(read)?,
            conflict: arbiters.map(|arbiters| Conflict { arbiters, update }),
            returning: returning.map(planned).transpose()?,
            reads: names.named(),
            table: local.key,
            relation: local.relation,
            verb,
            others,
            joins,
        })
    }
}

/// The table that a statement names.
fn target(verb: &ChangeVerb) -> Result<&ObjectName> {
    match verb {
        ChangeVerb::Insert(insert) => match &insert.table {
            TableObject::TableName(name) => Ok(name),
            _ => Err(Error::new(b"0A000", "INSERT into a function is not supported")),
        },
        ChangeVerb::Update(update) => table_of(&update.table),
        ChangeVerb::Delete(delete) => {
            let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
            match from.as_slice() {
                [from] => table_of(from),
                _ => Err(Error::new(b"42601", "DELETE is from one table; others stand behind USING")),
            }
        }
    }
}

fn on_conflict(insert: &Insert) -> Result<Option<&OnConflict>> {
    refuse(
        "INSERT",
        [
            (insert.overwrite, "OVERWRITE"),
            (insert.or.is_some() || insert.replace_into || insert.ignore, "OR"),
            (!insert.assignments.is_empty(), "SET"),
        ],
    )?;
    match &insert.on {
        None => Ok(None),
        Some(OnInsert::OnConflict(on)) => Ok(Some(on)),
        Some(_) => Err(Error::new(b"0A000", "INSERT with ON DUPLICATE KEY is not supported")
            .hint("ON CONFLICT (column) DO UPDATE does it")),
    }
}

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
