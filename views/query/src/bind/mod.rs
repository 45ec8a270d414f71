//! From a parsed query to the algebra, by PostgreSQL's rules
//! (<https://www.postgresql.org/docs/15/typeconv.html>, <https://www.postgresql.org/docs/15/sql-select.html>).
//!
//! One file a family of rules. The binder walks a query once; what it finds wrong has PostgreSQL's SQLSTATE, words and position.

mod aggregate;
mod array;
mod assign;
mod call;
mod change;
mod coerce;
mod cte;
mod expr;
mod from;
mod group;
mod hypothetical;
mod join;
mod literal;
mod mutual;
mod names;
mod operator;
mod order;
mod output;
mod overload;
mod row;
mod scope;
mod select;
mod set_operation;
mod special;
mod subquery;
mod table_function;
mod target;
mod types;
mod values;
mod window;

use std::collections::BTreeSet;
use std::sync::Arc;

use sqlparser::ast;
use sqlparser::tokenizer::Location;
use tidewater_functions::Session;
use tidewater_types::{ColumnType, Result, SqlError, Type};

use crate::catalog::Catalog;
use crate::plan::{Aggregate, Call, Columns, Id, Order, Plan, Rel, Scalar, WindowCall};
use assign::Target;
pub(crate) use call::VARIADIC;
pub(crate) use change::OVERRIDING;
pub use change::{BoundChange, ChangeContext, Changed, MADE, bind_delete, bind_insert, bind_update};
use cte::CteScope;
pub(crate) use cte::REFUSED_WITH;
pub(crate) use group::DISTINCT_SETS;
pub(crate) use join::MERGED_ALIAS;
pub(crate) use mutual::{LIMITS, MUTUALLY_RECURSIVE};
use scope::Scope;
pub(crate) use special::{BETWEEN_SYMMETRIC, ONE_VALUE, SUBSTRING_SIMILAR};
pub(crate) use table_function::ROWS_FROM;
pub(crate) use target::ALL_FIELDS;
pub use types::column_type;
pub(crate) use window::EXCLUDES;

/// How deep expressions and queries may be nested: the stack grows, but not for ever.
const DEPTH_MAX: usize = 300;

/// Binds a query.
///
/// `text` is the statement, for the positions of errors. `parameters` are types that the client gave for `$1`…; [`Type::Unknown`]
/// and missing ones are inferred.
///
/// # Errors
/// What is wrong with the query.
pub fn bind(
    query: &ast::Query,
    text: &str,
    catalog: &dyn Catalog,
    session: &Arc<Session>,
    parameters: &[ColumnType],
) -> Result<Plan> {
    let mut binder = Binder::new(text, catalog, session, parameters);
    let bound = binder.query(query, true)?;
    binder.finish(bound)
}

/// Binds an expression that sees the columns of `relation`, in the order of its columns, or nothing.
///
/// For DEFAULT, CHECK, and values of DML. With `ty` the value is converted as an assignment to a column of that type.
///
/// # Errors
/// What is wrong with the expression.
pub fn bind_scalar(
    expr: &ast::Expr,
    text: &str,
    catalog: &dyn Catalog,
    session: &Arc<Session>,
    relation: Option<&Arc<crate::catalog::Relation>>,
    ty: Option<&ColumnType>,
) -> Result<(Scalar, Rel, Columns)> {
    let mut binder = Binder::new(text, catalog, session, &[]);
    let (rel, scope) = match relation {
        Some(relation) => binder.get(relation.clone(), None),
        None => (Rel::unit(), Scope::default()),
    };
    binder.levels.push(Level { scope, clause: Clause::Select, ..Level::default() });
    let scalar = binder.expr(expr)?;
    let scalar = match ty {
        Some(ty) => binder.assign(scalar, ty, "?column?")?,
        None => binder.known(scalar)?,
    };
    let level = binder.level();
    if !level.aggregates.is_empty() || !level.groupings.is_empty() {
        return Err(SqlError::new(b"42803", "aggregate functions are not allowed here"));
    }
    if !level.window_calls.is_empty() {
        return Err(SqlError::new(b"42P20", "window functions are not allowed here"));
    }
    if !level.sets.is_empty() {
        return Err(SqlError::new(b"0A000", "set-returning functions are not allowed here"));
    }
    if scalar.has_subquery() {
        return Err(SqlError::new(b"0A000", "cannot use subquery here"));
    }
    Ok((scalar, rel, binder.columns))
}

/// What a query is bound to.
pub(crate) struct Bound {
    pub(crate) rel: Rel,
    pub(crate) output: Vec<(String, Id)>,
    /// The order that its rows come in, where it says one.
    pub(crate) order: Vec<Order>,
}

/// Where in a query an expression stands: decides what may be called there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Clause {
    /// A select list.
    #[default]
    Select,
    /// A FROM item's arguments.
    From,
    /// JOIN … ON.
    JoinOn,
    /// WHERE.
    Where,
    /// GROUP BY.
    GroupBy,
    /// HAVING.
    Having,
    /// ORDER BY.
    OrderBy,
    /// DISTINCT ON.
    DistinctOn,
    /// LIMIT.
    Limit,
    /// OFFSET.
    Offset,
    /// VALUES.
    Values,
    /// FILTER.
    Filter,
    /// UPDATE … SET.
    Update,
    /// RETURNING.
    Returning,
    /// A window's PARTITION BY, ORDER BY or frame.
    Window,
}

/// A query that is being bound; the queries around it lie below on the stack.
#[derive(Default)]
pub(crate) struct Level {
    scope: Scope,
    clause: Clause,
    /// The aggregates that it calls, in whatever clause, and those of its subqueries whose variables are its own.
    aggregates: Vec<(Id, Aggregate)>,
    /// The window functions that it calls.
    window_calls: Vec<(Id, WindowCall)>,
    /// The set-returning functions that its select list calls, each with its columns.
    sets: Vec<(Vec<Id>, Call)>,
    /// The calls of GROUPING: the columns that stand for them, and what they ask of.
    groupings: Vec<(Id, Vec<Scalar>)>,
    /// WINDOW.
    windows: Vec<ast::NamedWindowDefinition>,
}

pub(crate) struct Binder<'a> {
    /// The statement, or the view's query that is being bound.
    text: Arc<str>,
    catalog: &'a dyn Catalog,
    session: &'a Arc<Session>,
    columns: Columns,
    lets: u32,
    parameters: Vec<ColumnType>,
    levels: Vec<Level>,
    ctes: Vec<CteScope>,
    depth: usize,
}

impl<'a> Binder<'a> {
    fn new(text: &str, catalog: &'a dyn Catalog, session: &'a Arc<Session>, parameters: &[ColumnType]) -> Self {
        Binder {
            text: text.into(),
            catalog,
            session,
            columns: Columns::default(),
            lets: 0,
            parameters: parameters.to_vec(),
            levels: Vec::new(),
            ctes: Vec::new(),
            depth: 0,
        }
    }

    fn finish(self, bound: Bound) -> Result<Plan> {
        self.known_parameters()?;
        crate::stack::enough(bound.rel.depth(), || Ok(self.finished(bound)))
    }

    fn known_parameters(&self) -> Result<()> {
        match self.parameters.iter().position(|ty| ty.ty == Type::Unknown) {
            None => Ok(()),
            Some(i) => Err(SqlError::new(b"42P18", format!("could not determine data type of parameter ${}", i + 1))),
        }
    }

    /// The plan of what was bound; a statement may have several, of the same parameters.
    fn finished(&self, bound: Bound) -> Plan {
        let mut rel = bound.rel;
        // A parameter whose type was found after its first use.
        rel.rewrite_scalars(&mut |scalar| {
            if let Scalar::Parameter(number, ty) = scalar
                && ty.ty == Type::Unknown
            {
                *ty = self.parameters[*number as usize - 1].clone();
            }
        });
        let (columns, parameters) = (self.columns.clone(), self.parameters.clone());
        Plan { rel, output: bound.output, columns, parameters, lets: self.lets }
    }

    /// The query that is being bound.
    fn level(&mut self) -> &mut Level {
        if self.levels.is_empty() {
            self.levels.push(Level::default());
        }
        let last = self.levels.len() - 1;
        &mut self.levels[last]
    }

    /// What `bind` gives while expressions stand in `clause`.
    fn within<T>(&mut self, clause: Clause, bind: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let before = std::mem::replace(&mut self.level().clause, clause);
        let bound = bind(self);
        self.level().clause = before;
        bound
    }

    /// What `bind` gives one level deeper, unless that is too deep.
    fn deeper<T>(&mut self, bind: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= DEPTH_MAX {
            let hint = "an expression or query is nested too deeply";
            // Position 1: nobody need look for the place, level by level.
            return Err(SqlError::new(b"54001", "stack depth limit exceeded").hint(hint).at(1));
        }
        self.depth += 1;
        let bound = crate::stack::grown(|| bind(self));
        self.depth -= 1;
        bound
    }

    /// Position in the statement's text, in characters from 1.
    fn position(&self, at: Location) -> Option<u32> {
        if at.line == 0 {
            return None;
        }
        let before = self.text.split_inclusive('\n').take(at.line as usize - 1).map(|line| line.chars().count());
        Some((before.sum::<usize>() + at.column as usize) as u32)
    }

    /// The error, at a place of the statement's text.
    fn at(&self, error: SqlError, at: Location) -> SqlError {
        match self.position(at) {
            Some(position) => error.at(position),
            None => error,
        }
    }

    /// A fresh number for a relation that is used several times.
    fn next_let(&mut self) -> crate::plan::LetId {
        self.lets += 1;
        crate::plan::LetId(self.lets - 1)
    }

    /// The columns of `scalars` as columns of `rel`: those that it has stay, the others are computed.
    fn columns_of(&mut self, mut rel: Rel, scalars: Vec<(String, Scalar)>) -> (Rel, Vec<Id>) {
        let known: BTreeSet<Id> = rel.columns().into_iter().collect();
        let mut made: Vec<(Id, Scalar)> = Vec::new();
        let mut ids = Vec::with_capacity(scalars.len());
        for (name, scalar) in scalars {
            let id = match &scalar {
                Scalar::Column(id, _) if known.contains(id) => *id,
                scalar => match made.iter().find(|(_, same)| same == scalar) {
                    Some((id, _)) if !is_volatile(scalar) => *id,
                    _ => {
                        let id = self.columns.add(name, scalar.ty());
                        made.push((id, scalar.clone()));
                        id
                    }
                },
            };
            ids.push(id);
        }
        rel = rel.map(made);
        (rel, ids)
    }
}

/// Whether two evaluations may differ.
pub(crate) fn is_volatile(scalar: &Scalar) -> bool {
    scalar.any(&mut |scalar| match scalar {
        Scalar::Call(call) => call.function.0.volatility == tidewater_functions::Volatility::Volatile,
        Scalar::Subquery(subquery) => has_volatile(&subquery.rel),
        _ => false,
    })
}

pub(crate) fn has_volatile(rel: &Rel) -> bool {
    rel.any(&mut |rel| rel.scalars().into_iter().any(is_volatile))
}

/// "… is not supported".
pub(crate) fn unsupported(what: impl std::fmt::Display) -> SqlError {
    SqlError::new(b"0A000", format!("{what} is not supported"))
}
