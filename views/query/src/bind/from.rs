//! FROM: relations, CTEs, subqueries, LATERAL.

use std::sync::Arc;

use sqlparser::ast::{self, TableAlias, TableFactor, TableWithJoins};
use tidewater_types::{ColumnType, Datum, Result, SqlError, Type};

use super::scope::{Hidden, Scope, ScopeColumn, ScopeTable};
use super::{Binder, Clause, names, unsupported};
use crate::catalog::{Relation, View};
use crate::plan::{Constant, Get, JoinKind, Rel, Scalar};

impl Binder<'_> {
    /// All items, side by side.
    pub(super) fn from(&mut self, items: &[TableWithJoins]) -> Result<(Rel, Scope)> {
        let mut all: Option<Rel> = None;
        let mut scope = Scope::default();
        for item in items {
            let (rel, own) = self.table_with_joins(item, &scope)?;
            scope = scope.with(own)?;
            all = Some(match all {
                None => rel,
                Some(left) => Rel::join(JoinKind::Inner, left, rel, Vec::new()),
            });
        }
        Ok((all.unwrap_or_else(Rel::unit), scope))
    }

    /// What `bind` gives while the query's names are those of `scope`.
    pub(super) fn with_scope<T>(
        &mut self,
        scope: Scope,
        clause: Clause,
        bind: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let before = std::mem::replace(&mut self.level().scope, scope);
        let bound = self.within(clause, bind);
        self.level().scope = before;
        bound
    }

    /// One item; `visible` is what stands to the left of it.
    pub(super) fn table_factor(&mut self, factor: &TableFactor, visible: &Scope) -> Result<(Rel, Scope)> {
        match factor {
            TableFactor::Table { sample: Some(_), .. } => Err(unsupported("TABLESAMPLE")),
            TableFactor::Table { name, alias, args: Some(args), with_ordinality, .. } => {
                let name = name.clone();
                self.with_scope(visible.clone(), Clause::From, |binder| {
                    binder.table_function(&name, &args.args, alias.as_ref(), *with_ordinality)
                })
            }
            TableFactor::Table { with_ordinality: true, name, .. } => {
                Err(SqlError::new(b"42601", format!("{name} WITH ORDINALITY is not a function")))
            }
            TableFactor::Table { name, alias, .. } if super::special::is_bare_function(&name.to_string()) => {
                self.with_scope(visible.clone(), Clause::From, |binder| binder.bare_function(name, alias.as_ref()))
            }
            TableFactor::Table { name, alias, .. } => {
                self.relation(name, alias.as_ref()).map_err(|error| self.at(error, ast::Spanned::span(name).start))
            }
            TableFactor::Function { name, args, alias, with_ordinality, .. } => {
                self.with_scope(visible.clone(), Clause::From, |binder| {
                    binder.table_function(name, args, alias.as_ref(), *with_ordinality)
                })
            }
            TableFactor::UNNEST { alias, array_exprs, with_offset: false, with_ordinality, .. } => {
                self.with_scope(visible.clone(), Clause::From, |binder| {
                    binder.unnest(array_exprs, alias.as_ref(), *with_ordinality)
                })
            }
            TableFactor::Derived { sample: Some(_), .. } => Err(unsupported("TABLESAMPLE")),
            TableFactor::Derived { lateral, subquery, alias, .. } => {
                self.derived(*lateral, subquery, alias.as_ref(), visible)
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                let (rel, scope) = self.table_with_joins(table_with_joins, visible)?;
                match alias {
                    None => Ok((rel, scope)),
                    Some(alias) => {
                        let table = self.alias(scope.columns, Some(alias), None, "join")?;
                        Ok((rel, Scope::table(table)))
                    }
                }
            }
            other => Err(unsupported(format!("the FROM item {other}"))),
        }
    }

    fn derived(
        &mut self,
        lateral: bool,
        query: &ast::Query,
        alias: Option<&TableAlias>,
        visible: &Scope,
    ) -> Result<(Rel, Scope)> {
        if alias.is_none() {
            let hint = "For example, FROM (SELECT ...) [AS] foo.";
            let what = if matches!(*query.body, ast::SetExpr::Values(_)) { "VALUES" } else { "subquery" };
            return Err(SqlError::new(b"42601", format!("{what} in FROM must have an alias")).hint(hint));
        }
        let scope = if lateral { visible.clone() } else { visible.hidden(Hidden::Elsewhere) };
        let bound = self.with_scope(scope, Clause::From, |binder| binder.query(query, true))?;
        let columns = bound.output.into_iter().map(|(name, id)| ScopeColumn { name, id }).collect();
        let table = self.alias(columns, alias, None, "")?;
        Ok((bound.rel, Scope::table(table)))
    }

    /// A table, view or CTE by name.
    fn relation(&mut self, name: &ast::ObjectName, alias: Option<&TableAlias>) -> Result<(Rel, Scope)> {
        let parts = names::parts(name)?;
        let (schema, table) = match &parts[..] {
            [table] => (None, table),
            [schema, table] | [_, schema, table] => (Some(schema.as_str()), table),
            _ => return Err(SqlError::new(b"42601", "improper qualified name (too many dotted names)")),
        };
        if schema.is_none()
            && let Some((rel, columns)) = self.cte(table)?
        {
            let table = self.alias(columns, alias, None, table)?;
            return Ok((rel, Scope::table(table)));
        }
        let Some(relation) = self.catalog.relation(schema, table) else {
            let full = parts.join(".");
            return Err(SqlError::new(b"42P01", format!("relation \"{full}\" does not exist")));
        };
        if let Some(view) = self.catalog.view(&relation) {
            return self.view(&relation, &view, alias);
        }
        let oid = relation.id as u32;
        let (mut rel, mut scope) = self.get(relation, alias);
        let renamed = self.alias(scope.columns.clone(), alias, scope.tables[0].relation.clone(), table)?;
        let mut table_oid = None;
        // Nobody else pays for it. EXPLAIN has no text.
        if self.text.is_empty() || self.text.to_ascii_lowercase().contains("tableoid") {
            let ty = ColumnType::from(Type::Oid);
            let id = self.columns.add("tableoid", ty.clone());
            let number = Constant::new(&Datum::Int(oid.into()), ty);
            rel = rel.map(vec![(id, Scalar::Literal(number))]);
            table_oid = Some(id);
        }
        scope = Scope::table(ScopeTable { schema: scope.tables[0].schema.clone(), table_oid, ..renamed });
        Ok((rel, scope))
    }

    /// A view's query in the place of its name. It sees nothing of the query around it.
    fn view(&mut self, relation: &Relation, view: &View, alias: Option<&TableAlias>) -> Result<(Rel, Scope)> {
        let text = std::mem::replace(&mut self.text, view.text.clone());
        let (levels, ctes) = (std::mem::take(&mut self.levels), std::mem::take(&mut self.ctes));
        let bound = self.deeper(|binder| binder.query(&view.query, true));
        (self.text, self.levels, self.ctes) = (text, levels, ctes);
        // A place in the view's text is none in the statement's.
        let bound = bound.map_err(|error| SqlError { position: None, ..error })?;
        let names = relation.columns.iter().map(|column| column.name.clone());
        let columns = bound.output.iter().zip(names).map(|((_, id), name)| ScopeColumn { name, id: *id }).collect();
        let mut table = self.alias(columns, alias, None, &relation.name)?;
        table.schema = if alias.is_none() { Some(relation.schema.clone()) } else { None };
        Ok((bound.rel, Scope::table(table)))
    }

    /// All columns of a relation.
    pub(super) fn get(&mut self, relation: Arc<Relation>, alias: Option<&TableAlias>) -> (Rel, Scope) {
        let columns: Vec<ScopeColumn> = relation
            .columns
            .iter()
            .map(|column| ScopeColumn {
                name: column.name.clone(),
                id: self.columns.add(column.name.clone(), column.ty.clone()),
            })
            .collect();
        let read = columns.iter().enumerate().map(|(i, column)| (i, column.id)).collect();
        let table = ScopeTable {
            schema: if alias.is_none() { Some(relation.schema.clone()) } else { None },
            name: relation.name.clone(),
            columns,
            relation: Some(relation.clone()),
            is_value: false,
            present: None,
            table_oid: None,
            hidden: Hidden::No,
        };
        (Rel::Get(Get { relation, columns: read }), Scope::table(table))
    }

    /// Columns under an alias, which may rename the first ones.
    pub(super) fn alias(
        &mut self,
        mut columns: Vec<ScopeColumn>,
        alias: Option<&TableAlias>,
        relation: Option<Arc<Relation>>,
        name: &str,
    ) -> Result<ScopeTable> {
        let mut name = name.to_owned();
        if let Some(alias) = alias {
            name = names::fold(&alias.name);
            if alias.columns.len() > columns.len() {
                let (has, given) = (columns.len(), alias.columns.len());
                let message = format!("table \"{name}\" has {has} columns available but {given} columns specified");
                return Err(SqlError::new(b"42P10", message));
            }
            for (column, new) in columns.iter_mut().zip(&alias.columns) {
                column.name = names::fold(&new.name);
            }
        }
        Ok(ScopeTable {
            schema: None,
            name,
            columns,
            relation,
            is_value: false,
            present: None,
            table_oid: None,
            hidden: Hidden::No,
        })
    }
}
