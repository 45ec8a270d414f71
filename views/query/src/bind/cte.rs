//! WITH: common table expressions, and those that are defined by themselves
//! (<https://www.postgresql.org/docs/15/queries-with.html>).

use sqlparser::ast::{self, SetExpr, SetOperator, SetQuantifier};
use tidewater_types::{Result, SqlError};

use super::mutual::{MUTUALLY_RECURSIVE, Part};
use super::scope::ScopeColumn;
use super::{Binder, Bound, has_volatile, names, unsupported};
use crate::plan::{Id, JoinKind, Let, LetId, LetRec, Recursion, Rel};

/// Queries that the parser's text puts where a clause of WITH stands that is not done; each has its name.
pub(crate) const REFUSED_WITH: [&str; 2] = ["SEARCH of WITH", "CYCLE of WITH"];

/// A CTE that may be read.
#[derive(Debug, Clone)]
pub(crate) struct CteScope {
    name: String,
    state: State,
}

impl CteScope {
    pub(super) fn new(name: &str, state: State) -> CteScope {
        CteScope { name: name.to_owned(), state }
    }
}

#[derive(Debug, Clone)]
pub(super) enum State {
    /// By this number, with these columns.
    Ready(LetId, Vec<(String, Id)>),
    /// As a part of a recursion.
    Part(Part),
    /// Its own definition is being bound, where it may not be read; why.
    Forbidden(&'static str),
}

/// What stands around a query's body.
#[derive(Clone)]
pub(super) enum Binding {
    Plain { id: LetId, value: Rel, columns: Vec<Id> },
    Recursive { id: LetId, columns: Vec<Id>, base: (Rel, Vec<Id>), step: (Rel, Vec<Id>), kind: Recursion },
}

impl Binder<'_> {
    /// A query with all that may stand around it.
    pub(super) fn query(&mut self, query: &ast::Query, resolve: bool) -> Result<Bound> {
        self.deeper(|binder| {
            let before = binder.ctes.len();
            let bound = binder.query_with(query, resolve);
            binder.ctes.truncate(before);
            bound
        })
    }

    fn query_with(&mut self, query: &ast::Query, resolve: bool) -> Result<Bound> {
        let merged = without_parentheses(query)?;
        let query = merged.as_ref().unwrap_or(query);
        refuse(query)?;
        let bindings = match &query.with {
            Some(with) => self.bindings(with)?,
            None => Vec::new(),
        };
        let mut bound = self.query_body(query, resolve)?;
        bound.rel = around(bound.rel, bindings);
        Ok(bound)
    }

    /// The queries of WITH, each of which may be read from now on.
    pub(super) fn bindings(&mut self, with: &ast::With) -> Result<Vec<Binding>> {
        let (first, mut bindings) = (self.ctes.len(), Vec::with_capacity(with.cte_tables.len()));
        let named = with.cte_tables.iter().map(|cte| cte.alias.name.value.as_str());
        if let Some(refused) = named.into_iter().find(|name| REFUSED_WITH.contains(name)) {
            return Err(unsupported(refused));
        }
        if with.cte_tables.first().is_some_and(|cte| cte.alias.name.value == MUTUALLY_RECURSIVE) {
            return self.mutual(with);
        }
        for cte in in_order(with) {
            let name = names::fold(&cte.alias.name);
            if self.ctes[first..].iter().any(|known| known.name == name) {
                let message = format!("WITH query name \"{name}\" specified more than once");
                return Err(SqlError::new(b"42712", message));
            }
            bindings.push(self.define(&name, cte, with.recursive)?);
        }
        Ok(bindings)
    }

    fn define(&mut self, name: &str, cte: &ast::Cte, recursive: bool) -> Result<Binding> {
        let verb = match &*cte.query.body {
            SetExpr::Insert(_) => Some("INSERT"),
            SetExpr::Update(_) => Some("UPDATE"),
            SetExpr::Delete(_) => Some("DELETE"),
            _ => None,
        };
        if let Some(verb) = verb {
            return Err(unsupported(format!("{verb} in WITH")));
        }
        if let (true, SetExpr::SetOperation { op: SetOperator::Union, set_quantifier, left, right }) =
            (recursive, &*cte.query.body)
        {
            let plain = cte.query.with.is_none() && cte.query.order_by.is_none() && cte.query.limit_clause.is_none();
            if plain && mentions(right, name) {
                let distinct = !matches!(set_quantifier, SetQuantifier::All);
                return self.define_recursive(name, cte, left, right, distinct);
            }
        }
        if recursive {
            self.ctes.push(CteScope {
                name: name.to_owned(),
                state: State::Forbidden("does not have the form non-recursive-term UNION [ALL] recursive-term"),
            });
        }
        let bound = self.query(&cte.query, true);
        if recursive {
            self.ctes.pop();
        }
        let bound = bound?;
        let columns = renamed(name, bound.output, &cte.alias)?;
        let id = self.next_let();
        self.ctes.push(CteScope { name: name.to_owned(), state: State::Ready(id, columns.clone()) });
        Ok(Binding::Plain { id, value: bound.rel, columns: columns.into_iter().map(|(_, id)| id).collect() })
    }

    fn define_recursive(
        &mut self,
        name: &str,
        cte: &ast::Cte,
        left: &SetExpr,
        right: &SetExpr,
        distinct: bool,
    ) -> Result<Binding> {
        let own = |state| CteScope { name: name.to_owned(), state };
        self.ctes.push(own(State::Forbidden("must not appear within its non-recursive term")));
        let base = self.set_expr(left, true, None);
        self.ctes.pop();
        let mut base = base?;
        let shown = renamed(name, base.output.clone(), &cte.alias)?;
        // The relation's columns are not the base's: the base stands inside.
        let columns: Vec<(String, Id)> =
            shown.iter().map(|(name, id)| (name.clone(), self.columns.copy(*id))).collect();
        let id = self.next_let();
        self.ctes.push(own(State::Ready(id, columns.clone())));
        let mut step = self.set_expr(right, true, None)?;
        if step.output.len() != base.output.len() {
            return Err(SqlError::new(b"42601", "each UNION query must have the same number of columns"));
        }
        check_step(&step.rel, id, name)?;
        for i in 0..base.output.len() {
            let (from, to) = (base.output[i].1, step.output[i].1);
            let (a, b) = (self.columns.ty(from).clone(), self.columns.ty(to).clone());
            let common = super::coerce::common_column_type(&[a.clone(), b], "UNION")?;
            if common.ty != a.ty || common.modifier != a.modifier {
                let message = format!(
                    "recursive query \"{name}\" column {} has type {a} in non-recursive term but type {common} overall",
                    i + 1
                );
                let hint = "Cast the output of the non-recursive term to the correct type.";
                return Err(SqlError::new(b"42804", message).hint(hint));
            }
        }
        let types: Vec<_> = columns.iter().map(|(_, id)| self.columns.ty(*id).clone()).collect();
        self.convert_output(&mut base, &types)?;
        self.convert_output(&mut step, &types)?;
        let ids = |bound: &Bound| bound.output.iter().map(|(_, id)| *id).collect::<Vec<Id>>();
        let (base_ids, step_ids) = (ids(&base), ids(&step));
        Ok(Binding::Recursive {
            id,
            columns: columns.into_iter().map(|(_, id)| id).collect(),
            base: (base.rel, base_ids),
            step: (step.rel, step_ids),
            kind: if distinct { Recursion::Distinct } else { Recursion::All },
        })
    }

    /// A use of the CTE called `name`, with columns of its own.
    pub(super) fn cte(&mut self, name: &str) -> Result<Option<(Rel, Vec<ScopeColumn>)>> {
        let Some(found) = self.ctes.iter().rev().find(|cte| cte.name == name).cloned() else { return Ok(None) };
        match found.state {
            State::Forbidden(why) if why.starts_with("must") => {
                Err(SqlError::new(b"42P19", format!("recursive reference to query \"{name}\" {why}")))
            }
            State::Forbidden(why) => Err(SqlError::new(b"42P19", format!("recursive query \"{name}\" {why}"))),
            State::Ready(id, columns) => {
                let own: Vec<ScopeColumn> =
                    columns.into_iter().map(|(name, id)| ScopeColumn { name, id: self.columns.copy(id) }).collect();
                let ids = own.iter().map(|column| column.id).collect();
                Ok(Some((Rel::Ref { id, columns: ids }, own)))
            }
            State::Part(part) => {
                let (rel, own) = self.rows_of_part(&part)?;
                Ok(Some((rel, own.into_iter().map(|(name, id)| ScopeColumn { name, id }).collect())))
            }
        }
    }
}

/// A query's body with what stands around it.
pub(super) fn around(body: Rel, bindings: Vec<Binding>) -> Rel {
    bindings.into_iter().rev().fold(body, |body, binding| match binding {
        Binding::Plain { id, value, columns } => Rel::Let(Box::new(Let { id, value, columns, body })),
        Binding::Recursive { id, columns, base, step, kind } => {
            Rel::LetRec(Box::new(LetRec { id, columns, base, step, kind, body }))
        }
    })
}

impl Binding {
    /// Whether it may be another whenever it is evaluated.
    pub(super) fn is_volatile(&self) -> bool {
        match self {
            Binding::Plain { value, .. } => has_volatile(value),
            Binding::Recursive { base, step, .. } => has_volatile(&base.0) || has_volatile(&step.0),
        }
    }
}

/// `(SELECT …) ORDER BY …` is one query, whose clauses stand on one side or the other.
fn without_parentheses(query: &ast::Query) -> Result<Option<ast::Query>> {
    let SetExpr::Query(inner) = &*query.body else { return Ok(None) };
    let twice = |what: &str| SqlError::new(b"42601", format!("multiple {what} clauses not allowed"));
    if query.with.is_some() && inner.with.is_some() {
        return Err(twice("WITH"));
    }
    if query.order_by.is_some() && inner.order_by.is_some() {
        return Err(twice("ORDER BY"));
    }
    let (limit, offset) = limits(query)?;
    let (inner_limit, inner_offset) = limits(inner)?;
    if offset.is_some() && inner_offset.is_some() {
        return Err(twice("OFFSET"));
    }
    let has_limit = |limit: &Option<ast::Expr>, query: &ast::Query| limit.is_some() || query.fetch.is_some();
    if has_limit(&limit, query) && has_limit(&inner_limit, inner) {
        return Err(twice("LIMIT"));
    }
    let mut merged = (**inner).clone();
    merged.with = query.with.clone().or(merged.with);
    merged.order_by = query.order_by.clone().or(merged.order_by);
    merged.fetch = query.fetch.clone().or(merged.fetch);
    merged.locks.extend(query.locks.iter().cloned());
    merged.limit_clause = match (limit.or(inner_limit), offset.or(inner_offset)) {
        (None, None) => None,
        (limit, offset) => Some(ast::LimitClause::LimitOffset { limit, offset, limit_by: Vec::new() }),
    };
    refuse(query)?;
    match without_parentheses(&merged)? {
        Some(deeper) => Ok(Some(deeper)),
        None => Ok(Some(merged)),
    }
}

fn limits(query: &ast::Query) -> Result<(Option<ast::Expr>, Option<ast::Offset>)> {
    match &query.limit_clause {
        None => Ok((None, None)),
        Some(ast::LimitClause::LimitOffset { limit, offset, limit_by }) if limit_by.is_empty() => {
            Ok((limit.clone(), offset.clone()))
        }
        Some(other) => Err(unsupported(other)),
    }
}

/// What no query may have here.
fn refuse(query: &ast::Query) -> Result<()> {
    if let Some(lock) = query.locks.first() {
        return Err(unsupported(lock));
    }
    let strange = query.for_clause.is_some()
        || query.settings.is_some()
        || query.format_clause.is_some()
        || !query.pipe_operators.is_empty();
    if strange { Err(unsupported("this clause of a query")) } else { Ok(()) }
}

/// The queries of WITH in the order in which they may be bound: with RECURSIVE one may read those that stand after it. Where they
/// read each other the written order stays.
fn in_order(with: &ast::With) -> Vec<&ast::Cte> {
    let written: Vec<&ast::Cte> = with.cte_tables.iter().collect();
    if !with.recursive || written.len() < 2 {
        return written;
    }
    let names: Vec<String> = written.iter().map(|cte| names::fold(&cte.alias.name)).collect();
    let reads: Vec<Vec<bool>> = written
        .iter()
        .enumerate()
        .map(|(i, cte)| names.iter().enumerate().map(|(j, name)| i != j && mentions(&cte.query.body, name)).collect())
        .collect();
    let mut order: Vec<usize> = Vec::with_capacity(written.len());
    while order.len() < written.len() {
        let is_ready =
            |i: &usize| !order.contains(i) && (0..written.len()).all(|j| !reads[*i][j] || order.contains(&j));
        match (0..written.len()).find(is_ready) {
            Some(next) => order.push(next),
            None => return written,
        }
    }
    order.into_iter().map(|i| written[i]).collect()
}

fn renamed(name: &str, output: Vec<(String, Id)>, alias: &ast::TableAlias) -> Result<Vec<(String, Id)>> {
    if alias.columns.len() > output.len() {
        let (has, given) = (output.len(), alias.columns.len());
        let message = format!("WITH query \"{name}\" has {has} columns available but {given} columns specified");
        return Err(SqlError::new(b"42P10", message));
    }
    let mut new = alias.columns.iter().map(|column| names::fold(&column.name));
    Ok(output.into_iter().map(|(name, id)| (new.next().unwrap_or(name), id)).collect())
}

/// Whether the text of a query has this name somewhere: then it may be a recursive use.
fn mentions(body: &SetExpr, name: &str) -> bool {
    let text = body.to_string().to_lowercase();
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// Where PostgreSQL allows the recursive use: once, not in a subquery of an expression, not on the outer side of a join.
fn check_step(step: &Rel, id: LetId, name: &str) -> Result<()> {
    let refuse = |why: &str| {
        Err(SqlError::new(b"42P19", format!("recursive reference to query \"{name}\" must not appear {why}")))
    };
    let count = |rel: &Rel| {
        let mut copy = rel.clone();
        copy.uses().get(&id).copied().unwrap_or(0)
    };
    if count(step) > 1 {
        return refuse("more than once");
    }
    let mut found = None;
    step.any(&mut |rel| {
        if rel.scalars().into_iter().any(|scalar| {
            scalar
                .any(&mut |inner| matches!(inner, crate::plan::Scalar::Subquery(subquery) if count(&subquery.rel) > 0))
        }) {
            found = Some("within a subquery");
        }
        if let Rel::Join(join) = rel {
            let outer = match join.kind {
                JoinKind::Left => count(&join.right) > 0,
                JoinKind::Full => count(&join.left) + count(&join.right) > 0,
                _ => false,
            };
            if outer {
                found = Some("within an outer join");
            }
        }
        if let Rel::Count(except) = rel
            && except.kind == crate::plan::CountKind::Except
            && count(&except.right.0) > 0
        {
            found = Some("within EXCEPT");
        }
        if let Rel::Reduce { aggregates, input, .. } = rel
            && !aggregates.is_empty()
            && count(input) > 0
        {
            found = Some("aggregate");
        }
        found.is_some()
    });
    match found {
        None => Ok(()),
        Some("aggregate") => {
            let message = "aggregate functions are not allowed in a recursive query's recursive term";
            Err(SqlError::new(b"42P19", message))
        }
        Some(why) => refuse(why),
    }
}
