//! INSERT, UPDATE and DELETE as queries over what they read; ON CONFLICT DO UPDATE and RETURNING as queries over the rows that
//! are made
//! (<https://www.postgresql.org/docs/15/sql-insert.html>, <https://www.postgresql.org/docs/15/sql-update.html>,
//! <https://www.postgresql.org/docs/15/sql-delete.html>).
//!
//! All queries of a statement see the same parameters and the same WITH. The rows that are made are a relation without a name,
//! [`MADE`], which whoever runs the queries provides.

use std::collections::BTreeSet;
use std::sync::Arc;

use sqlparser::ast::{
    self, Assignment, AssignmentTarget, Expr, FromTable, ObjectName, SelectItem, TableFactor, TableWithJoins,
    UpdateTableFromKind,
};
use tidewater_functions::Session;
use tidewater_types::{Column, ColumnType, Result, SqlError, Type};

use super::assign::is_default;
use super::cte::{Binding, around};
use super::scope::{Hidden, Scope, ScopeColumn, ScopeTable};
use super::{Binder, Bound, Clause, Level, Target, names, row, unsupported};
use crate::catalog::{Catalog, Relation};
use crate::plan::{Get, Id, JoinKind, Plan, Rel, Scalar};

/// The number of the relation of rows that are made.
pub const MADE: u64 = u64::MAX;

/// A table that a statement changes.
pub struct Changed<'a> {
    /// The table.
    pub relation: Arc<Relation>,
    /// Of each column, what DEFAULT means.
    pub defaults: Vec<Option<&'a Expr>>,
    /// Identity columns, and whether only DEFAULT is a value of them.
    pub identities: Vec<(usize, bool)>,
}

/// What OVERRIDING says of the values that an INSERT gives for identity columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Overriding {
    /// Nothing: GENERATED ALWAYS takes none.
    None,
    /// They are taken.
    System,
    /// They are passed over.
    User,
}

/// The names by which the parser hands on OVERRIDING.
pub(crate) const OVERRIDING: [&str; 2] = ["overriding system value", "overriding user value"];

/// What OVERRIDING says, and the alias of the table.
fn overriding(insert: &ast::Insert) -> Result<(Overriding, Option<&ast::Ident>)> {
    let said = |ident: &ast::Ident| match OVERRIDING.iter().position(|name| ident.value == *name) {
        Some(0) => Some(Overriding::System),
        Some(_) => Some(Overriding::User),
        None => None,
    };
    let alias = insert.table_alias.as_ref().map(|alias| &alias.alias);
    match (insert.partitioned.as_deref(), alias.and_then(said)) {
        (None, None) => Ok((Overriding::None, alias)),
        (None, Some(overriding)) => Ok((overriding, None)),
        (Some([Expr::Identifier(ident)]), None) if said(ident).is_some() => {
            Ok((said(ident).unwrap_or(Overriding::None), alias))
        }
        (Some(_), _) => Err(unsupported("INSERT with PARTITION")),
    }
}

/// What a statement that changes a table stands in.
pub struct ChangeContext<'a> {
    /// WITH.
    pub with: Option<&'a ast::With>,
    /// The table.
    pub table: &'a Changed<'a>,
    /// The whole text, for the places of errors.
    pub text: &'a str,
    /// What there is.
    pub catalog: &'a dyn Catalog,
    /// The session.
    pub session: &'a Arc<Session>,
    /// Types of parameters, as far as they are told.
    pub parameters: &'a [ColumnType],
}

impl<'a> ChangeContext<'a> {
    fn begin(&self) -> Result<(Binder<'a>, Vec<Binding>, &'a Changed<'a>)> {
        let mut binder = Binder::new(self.text, self.catalog, self.session, self.parameters);
        let bindings = binder.with(self.with)?;
        Ok((binder, bindings, self.table))
    }
}

/// What a statement that changes a table reads and computes.
pub struct BoundChange {
    /// INSERT: values of `targets`. UPDATE: the old row, the new one, and columns of FROM. DELETE: the old row and columns of USING.
    pub read: Plan,
    /// The columns that an INSERT says something of.
    pub targets: Vec<usize>,
    /// DO UPDATE, over rows of [`MADE`]: a number, the row that there is, the row that was to come. It gives the number and the new
    /// row of those that are to change.
    pub conflict: Option<Plan>,
    /// RETURNING, over rows of [`MADE`]: the new row, or the old one of DELETE, and the columns of FROM or USING.
    pub returning: Option<Plan>,
    /// The types of the columns of FROM or USING that RETURNING may show.
    pub others: Vec<ColumnType>,
}

/// Binds an INSERT.
///
/// # Errors
/// What is wrong with it.
pub fn bind_insert(insert: &ast::Insert, context: &ChangeContext<'_>) -> Result<BoundChange> {
    let (mut binder, bindings, table) = context.begin()?;
    let listed = !insert.columns.is_empty();
    let mut targets: Vec<usize> = match listed {
        true => insert.columns.iter().map(|name| binder.column_of(table, name)).collect::<Result<_>>()?,
        false => (0..table.relation.columns.len()).collect(),
    };
    twice(table, &targets)?;
    let (overriding, name) = overriding(insert)?;
    let mut read = match &insert.source {
        Some(source) => {
            let targets: Vec<Target<'_>> = targets.iter().map(|&at| table.target(at)).collect();
            binder.assigned(source, &targets, listed)?
        }
        // DEFAULT VALUES.
        None => Bound { rel: Rel::unit(), output: Vec::new(), order: Vec::new() },
    };
    targets.truncate(read.output.len());
    if let (Overriding::None, Some(source)) = (overriding, &insert.source) {
        table.takes_defaults(source, &targets)?;
    }
    if overriding == Overriding::User {
        let is_passed = |at: &usize| table.identities.iter().any(|(identity, _)| identity == at);
        let mut passed = targets.iter().map(is_passed).collect::<Vec<_>>().into_iter();
        read.output.retain(|_| !passed.next().unwrap_or(false));
        targets.retain(|at| !is_passed(at));
    }
    let conflict = match &insert.on {
        Some(ast::OnInsert::OnConflict(ast::OnConflict {
            action: ast::OnConflictAction::DoUpdate(update), ..
        })) => Some(binder.do_update(update, table, name)?),
        _ => None,
    };
    let returning = binder.returning(insert.returning.as_deref(), table, name, &Scope::default(), &[])?;
    binder.changes(bindings, targets, read, conflict, returning, &[])
}

/// Binds an UPDATE.
///
/// # Errors
/// What is wrong with it.
pub fn bind_update(update: &ast::Update, context: &ChangeContext<'_>) -> Result<BoundChange> {
    let (mut binder, bindings, table) = context.begin()?;
    let from = match &update.from {
        None => &[][..],
        Some(UpdateTableFromKind::AfterSet(from) | UpdateTableFromKind::BeforeSet(from)) => from,
    };
    let name = alias(&update.table)?;
    let (rel, from, old) = binder.joined(table, name, from, update.selection.as_ref())?;
    let (rel, new) = binder.set(rel, &old, table, &update.assignments)?;
    binder.levels.pop();
    let others = if update.returning.is_some() { shown(&from) } else { Vec::new() };
    let output = old.iter().chain(&new).chain(&others).map(|id| (String::new(), *id)).collect();
    let read = Bound { rel, output, order: Vec::new() };
    let returning = binder.returning(update.returning.as_deref(), table, name, &from, &others)?;
    binder.changes(bindings, Vec::new(), read, None, returning, &others)
}

/// Binds a DELETE.
///
/// # Errors
/// What is wrong with it.
pub fn bind_delete(delete: &ast::Delete, context: &ChangeContext<'_>) -> Result<BoundChange> {
    let (mut binder, bindings, table) = context.begin()?;
    let (FromTable::WithFromKeyword(of) | FromTable::WithoutKeyword(of)) = &delete.from;
    let [of] = of.as_slice() else { return Err(unsupported("DELETE from several tables")) };
    let using = delete.using.as_deref().unwrap_or_default();
    let name = alias(of)?;
    let (rel, from, old) = binder.joined(table, name, using, delete.selection.as_ref())?;
    binder.levels.pop();
    let others = if delete.returning.is_some() { shown(&from) } else { Vec::new() };
    let output = old.iter().chain(&others).map(|id| (String::new(), *id)).collect();
    let read = Bound { rel, output, order: Vec::new() };
    let returning = binder.returning(delete.returning.as_deref(), table, name, &from, &others)?;
    binder.changes(bindings, Vec::new(), read, None, returning, &others)
}

impl Changed<'_> {
    fn target(&self, at: usize) -> Target<'_> {
        let column = &self.relation.columns[at];
        Target { name: &column.name, ty: column.ty.clone(), default: self.defaults[at] }
    }

    fn is_always(&self, at: usize) -> bool {
        self.identities.contains(&(at, true))
    }

    fn generated(&self, at: usize) -> String {
        let name = &self.relation.columns[at].name;
        format!("Column \"{name}\" is an identity column defined as GENERATED ALWAYS.")
    }

    /// Fails if an INSERT gives a value for a column that takes DEFAULT only.
    fn takes_defaults(&self, source: &ast::Query, targets: &[usize]) -> Result<()> {
        let rows = match source.body.as_ref() {
            ast::SetExpr::Values(values) => Some(&values.rows),
            _ => None,
        };
        for (place, &at) in targets.iter().enumerate().filter(|(_, at)| self.is_always(**at)) {
            let given = |row: &ast::Parens<Vec<Expr>>| row.content.get(place).is_some_and(|value| !is_default(value));
            if rows.is_none_or(|rows| rows.iter().any(given)) {
                let name = &self.relation.columns[at].name;
                let message = format!("cannot insert a non-DEFAULT value into column \"{name}\"");
                let hint = "Use OVERRIDING SYSTEM VALUE to override.";
                return Err(SqlError::new(b"428C9", message).detail(self.generated(at)).hint(hint));
            }
        }
        Ok(())
    }

    /// Fails if SET gives a value for a column that takes DEFAULT only.
    fn sets_default(&self, at: usize, value: &Expr) -> Result<()> {
        if !self.is_always(at) || is_default(value) {
            return Ok(());
        }
        let message = format!("column \"{}\" can only be updated to DEFAULT", self.relation.columns[at].name);
        Err(SqlError::new(b"428C9", message).detail(self.generated(at)))
    }
}

impl Binder<'_> {
    fn with(&mut self, with: Option<&ast::With>) -> Result<Vec<Binding>> {
        with.map_or_else(|| Ok(Vec::new()), |with| self.bindings(with))
    }

    /// The column of the table that a list of columns names.
    fn column_of(&self, table: &Changed<'_>, name: &ObjectName) -> Result<usize> {
        let at = ast::Spanned::span(name).start;
        let parts = names::parts(name)?;
        let [column] = &parts[..] else { return Err(unsupported(format!("a change of the field {name}"))) };
        let found = table.relation.columns.iter().position(|known| known.name == *column);
        let message = || format!("column \"{column}\" of relation \"{}\" does not exist", table.relation.name);
        found.ok_or_else(|| self.at(SqlError::new(b"42703", message()), at))
    }

    /// The table and the items of FROM side by side, filtered; the level of the statement stays open. Gives the scope of FROM alone
    /// and the columns of the table.
    fn joined(
        &mut self,
        table: &Changed<'_>,
        name: Option<&ast::Ident>,
        from: &[TableWithJoins],
        selection: Option<&Expr>,
    ) -> Result<(Rel, Scope, Vec<Id>)> {
        self.levels.push(Level::default());
        let (mut rel, scope) = self.get(table.relation.clone(), None);
        let old: Vec<Id> = scope.columns.iter().map(|column| column.id).collect();
        let (items, others) = self.within(Clause::From, |binder| binder.from(from))?;
        if !from.is_empty() {
            rel = Rel::join(JoinKind::Inner, rel, items, Vec::new());
        }
        self.level().scope = Scope::table(named(table, name, &old)).with(others.clone())?;
        if let Some(selection) = selection {
            let predicate = self.condition(selection, Clause::Where, "WHERE")?;
            rel = rel.filter(vec![predicate]);
        }
        Ok((rel, others, old))
    }

    /// The columns of the new row, which are those of the old one but for what SET says.
    fn set(&mut self, rel: Rel, old: &[Id], table: &Changed<'_>, assignments: &[Assignment]) -> Result<(Rel, Vec<Id>)> {
        let (mut new, mut made, mut set) = (old.to_vec(), Vec::new(), Vec::new());
        for Assignment { target, value } in assignments {
            let (columns, scalars) = self.within(Clause::Update, |binder| binder.assignment(table, target, value))?;
            for (at, scalar) in columns.into_iter().zip(scalars) {
                let column = &table.relation.columns[at];
                let id = self.columns.add(column.name.clone(), column.ty.clone());
                made.push((id, scalar));
                new[at] = id;
                set.push(at);
            }
        }
        let mut seen = BTreeSet::new();
        if let Some(&at) = set.iter().find(|at| !seen.insert(**at)) {
            let name = &table.relation.columns[at].name;
            return Err(SqlError::new(b"42601", format!("multiple assignments to same column \"{name}\"")));
        }
        Ok((rel.map(made), new))
    }

    /// `column = value` or `(column, …) = row or subquery`.
    fn assignment(
        &mut self,
        table: &Changed<'_>,
        target: &AssignmentTarget,
        value: &Expr,
    ) -> Result<(Vec<usize>, Vec<Scalar>)> {
        let names = match target {
            AssignmentTarget::ColumnName(name) => {
                let at = self.column_of(table, name)?;
                table.sets_default(at, value)?;
                return Ok((vec![at], vec![self.assigned_value(value, &table.target(at))?]));
            }
            AssignmentTarget::Tuple(names) => names,
        };
        let columns = names.iter().map(|name| self.column_of(table, name)).collect::<Result<Vec<_>>>()?;
        let width = |found: usize| match found == columns.len() {
            true => Ok(()),
            false => Err(SqlError::new(b"42601", "number of columns does not match number of values")),
        };
        let mut scalars = Vec::with_capacity(columns.len());
        match value {
            Expr::Subquery(query) => {
                columns.iter().try_for_each(|&at| table.sets_default(at, value))?;
                let fields = row::fields(self.row_subquery(query)?);
                width(fields.len())?;
                for (field, &at) in fields.into_iter().zip(&columns) {
                    let target = table.target(at);
                    scalars.push(self.assign(field, &target.ty, target.name)?);
                }
            }
            value => {
                let Some(values) = row_values(value) else {
                    let what = "source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression";
                    return Err(SqlError::new(b"0A000", what));
                };
                width(values.len())?;
                for (value, &at) in values.into_iter().zip(&columns) {
                    table.sets_default(at, value)?;
                    scalars.push(self.assigned_value(value, &table.target(at))?);
                }
            }
        }
        Ok((columns, scalars))
    }

    /// DO UPDATE: over the row that there is, by the table's name, and the row that was to come, by the name `excluded`.
    fn do_update(&mut self, update: &ast::DoUpdate, table: &Changed<'_>, name: Option<&ast::Ident>) -> Result<Bound> {
        let mut columns = vec![Column::new("number", Type::Int8).not_null()];
        columns.extend(table.relation.columns.iter().cloned());
        columns.extend(table.relation.columns.iter().cloned());
        let (mut rel, ids) = self.made(columns);
        let (old, excluded) = ids[1..].split_at(table.relation.columns.len());
        let excluded = ScopeTable { schema: None, name: "excluded".to_owned(), ..named(table, None, excluded) };
        let scope = Scope::table(named(table, name, old)).with(Scope::table(excluded))?;
        self.levels.push(Level { scope, ..Level::default() });
        if let Some(selection) = &update.selection {
            let predicate = self.condition(selection, Clause::Where, "WHERE")?;
            rel = rel.filter(vec![predicate]);
        }
        let (rel, new) = self.set(rel, old, table, &update.assignments)?;
        self.levels.pop();
        let output = ids[..1].iter().chain(&new).map(|id| (String::new(), *id)).collect();
        Ok(Bound { rel, output, order: Vec::new() })
    }

    /// RETURNING, over the rows of the table with the columns `others` of `from` behind them.
    fn returning(
        &mut self,
        items: Option<&[SelectItem]>,
        table: &Changed<'_>,
        name: Option<&ast::Ident>,
        from: &Scope,
        others: &[Id],
    ) -> Result<Option<Bound>> {
        let Some(items) = items else { return Ok(None) };
        let mut columns = table.relation.columns.clone();
        columns.extend(others.iter().map(|id| Column::new("", self.columns.ty(*id).clone())));
        let (rel, ids) = self.made(columns);
        let (own, moved) = ids.split_at(table.relation.columns.len());
        let mut from = from.clone();
        let columns = from.tables.iter_mut().flat_map(|table| &mut table.columns).chain(&mut from.columns);
        for column in columns {
            if let Some(at) = others.iter().position(|id| *id == column.id) {
                column.id = moved[at];
            }
        }
        let scope = Scope::table(named(table, name, own)).with(from)?;
        self.levels.push(Level { scope, ..Level::default() });
        let targets = self.within(Clause::Returning, |binder| binder.targets(items))?;
        self.levels.pop();
        let mut scalars = Vec::with_capacity(targets.len());
        for target in targets {
            scalars.push((target.name, self.known(target.scalar)?));
        }
        let names: Vec<String> = scalars.iter().map(|(name, _)| name.clone()).collect();
        let (rel, ids) = self.columns_of(rel, scalars);
        Ok(Some(Bound { rel, output: names.into_iter().zip(ids).collect(), order: Vec::new() }))
    }

    /// The relation of rows that are made, and its columns.
    fn made(&mut self, columns: Vec<Column>) -> (Rel, Vec<Id>) {
        let ids: Vec<Id> =
            columns.iter().map(|column| self.columns.add(column.name.clone(), column.ty.clone())).collect();
        let (schema, name, keys) = (String::new(), String::new(), Vec::new());
        let relation = Arc::new(Relation { id: MADE, schema, name, columns, keys, has_primary_key: false });
        (Rel::Get(Get { relation, columns: ids.iter().copied().enumerate().collect() }), ids)
    }

    fn changes(
        self,
        bindings: Vec<Binding>,
        targets: Vec<usize>,
        read: Bound,
        conflict: Option<Bound>,
        returning: Option<Bound>,
        others: &[Id],
    ) -> Result<BoundChange> {
        self.known_parameters()?;
        let again = |bound: &Option<Bound>| bound.as_ref().is_some_and(|bound| uses_any(&bound.rel));
        if bindings.iter().any(Binding::is_volatile) && (again(&conflict) || again(&returning)) {
            return Err(unsupported("WITH of a volatile function, read by ON CONFLICT or RETURNING,"));
        }
        let others = others.iter().map(|id| self.columns.ty(*id).clone()).collect();
        let plan = |bound: Bound| {
            let bound = Bound { rel: around(bound.rel, bindings.clone()), ..bound };
            crate::stack::enough(bound.rel.depth(), || self.finished(bound))
        };
        Ok(BoundChange {
            read: plan(read),
            targets,
            conflict: conflict.map(plan),
            returning: returning.map(plan),
            others,
        })
    }
}

/// The table by its name or alias, with these columns.
fn named(table: &Changed<'_>, name: Option<&ast::Ident>, ids: &[Id]) -> ScopeTable {
    let relation = &table.relation;
    let column = |(column, id): (&Column, &Id)| ScopeColumn { name: column.name.clone(), id: *id };
    ScopeTable {
        schema: if name.is_none() { Some(relation.schema.clone()) } else { None },
        name: name.map_or_else(|| relation.name.clone(), names::fold),
        columns: relation.columns.iter().zip(ids).map(column).collect(),
        relation: Some(relation.clone()),
        is_value: false,
        present: None,
        table_oid: None,
        hidden: Hidden::No,
    }
}

/// Every column that a scope names, in the order of `*`.
fn shown(scope: &Scope) -> Vec<Id> {
    let mut ids: Vec<Id> = scope.columns.iter().map(|column| column.id).collect();
    ids.extend(scope.ids());
    let mut seen = BTreeSet::new();
    ids.retain(|id| seen.insert(*id));
    ids
}

/// The alias of the table that a statement changes.
fn alias(table: &TableWithJoins) -> Result<Option<&ast::Ident>> {
    match &table.relation {
        TableFactor::Table { alias: Some(alias), .. } if alias.columns.is_empty() => Ok(Some(&alias.name)),
        TableFactor::Table { alias: None, .. } => Ok(None),
        other => Err(SqlError::new(b"42601", format!("{other} cannot be changed"))),
    }
}

/// The values of a row that is written out.
fn row_values<'a>(value: &'a Expr) -> Option<Vec<&'a Expr>> {
    match value {
        Expr::Tuple(values) => Some(values.iter().collect()),
        // One value in parentheses.
        Expr::Nested(value) => Some(vec![value]),
        Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("row") => {
            let ast::FunctionArguments::List(list) = &function.args else { return None };
            let value = |arg: &'a ast::FunctionArg| match arg {
                ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(value)) => Some(value),
                _ => None,
            };
            list.args.iter().map(value).collect()
        }
        _ => None,
    }
}

fn twice(table: &Changed<'_>, columns: &[usize]) -> Result<()> {
    let mut seen = BTreeSet::new();
    match columns.iter().find(|at| !seen.insert(**at)) {
        None => Ok(()),
        Some(&at) => {
            let name = &table.relation.columns[at].name;
            Err(SqlError::new(b"42701", format!("column \"{name}\" specified more than once")))
        }
    }
}

/// Whether a query reads what stands in a WITH around it.
fn uses_any(rel: &Rel) -> bool {
    let mut copy = rel.clone();
    !copy.uses().is_empty()
}
