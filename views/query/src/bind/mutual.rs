//! WITH MUTUALLY RECURSIVE (<https://materialize.com/docs/sql/select/recursive-ctes/>): queries that read each other, all evaluated
//! again and again, in their order, until none changes.
//!
//! It is one recursion over the rows of all of them, each with the number of its query. In a turn a query sees the turn's rows of those
//! before it, and of itself and those behind it the rows of the turn before.

use sqlparser::ast::{self, SelectItem, SetExpr};
use tidewater_types::{ColumnType, Datum, Result, SqlError, Type};

use super::assign::Target;
use super::cte::{Binding, CteScope, State, around};
use super::{Binder, names};
use crate::plan::{Constant, Id, LetId, Recursion, Rel, Scalar, TurnLimit};

/// The name of the query that stands before all others, for the words MUTUALLY RECURSIVE and their options.
pub(crate) const MUTUALLY_RECURSIVE: &str = "WITH MUTUALLY RECURSIVE";
/// What its only column is called, where it is a limit.
pub(crate) const LIMITS: [&str; 2] = ["RETURN AT RECURSION LIMIT", "ERROR AT RECURSION LIMIT"];

/// The rows of one of the queries, among those of all.
#[derive(Debug, Clone)]
pub(super) struct Part {
    all: LetId,
    /// The columns of all: the query's number, then each query's columns.
    columns: Vec<Id>,
    number: i64,
    /// Where its own columns begin, and their names.
    first: usize,
    names: Vec<String>,
}

/// A query's rows in a turn: their number, what they are, their columns.
type OfTurn = (LetId, Rel, Vec<(String, Id)>);

/// A query as it is declared.
struct Declared<'a> {
    name: String,
    query: &'a ast::Query,
    columns: Vec<(String, ColumnType)>,
}

impl Binder<'_> {
    /// The queries of WITH MUTUALLY RECURSIVE, each of which may be read from now on.
    pub(super) fn mutual(&mut self, with: &ast::With) -> Result<Vec<Binding>> {
        let Some((options, ctes)) = with.cte_tables.split_first() else { return Ok(Vec::new()) };
        let kind = Recursion::Fixpoint(limit(options)?);
        let declared = ctes.iter().map(|cte| self.declared(cte)).collect::<Result<Vec<_>>>()?;
        let all = self.next_let();
        let columns = self.columns_of_all(&declared);
        let (scopes, mut first, mut parts) = (self.ctes.len(), 1, Vec::with_capacity(declared.len()));
        for (number, query) in declared.iter().enumerate() {
            if parts.iter().any(|part: &(String, Part)| part.0 == query.name) {
                let message = format!("WITH query name \"{}\" specified more than once", query.name);
                return Err(SqlError::new(b"42712", message));
            }
            let names: Vec<String> = query.columns.iter().map(|(name, _)| name.clone()).collect();
            let width = names.len();
            let part = Part { all, columns: columns.clone(), number: number as i64, first, names };
            self.ctes.push(CteScope::new(&query.name, State::Part(part.clone())));
            parts.push((query.name.clone(), part));
            first += width;
        }
        let mut turn = Vec::with_capacity(declared.len());
        for (number, query) in declared.iter().enumerate() {
            let binding = self.of_turn(query)?;
            self.ctes[scopes + number] = CteScope::new(&query.name, State::Ready(binding.0, binding.2.clone()));
            turn.push(binding);
        }
        let step = self.step(&columns, turn);
        let base: Vec<Id> = columns.iter().map(|id| self.columns.copy(*id)).collect();
        let base = (Rel::empty(base.clone()), base);
        let mut bindings = vec![Binding::Recursive { id: all, columns, base, step, kind }];
        self.ctes.truncate(scopes);
        for (name, part) in parts {
            let (value, shown) = self.rows_of_part(&part)?;
            let id = self.next_let();
            let columns = shown.iter().map(|(_, id)| *id).collect();
            self.ctes.push(CteScope::new(&name, State::Ready(id, shown)));
            bindings.push(Binding::Plain { id, value, columns });
        }
        Ok(bindings)
    }

    fn declared<'a>(&mut self, cte: &'a ast::Cte) -> Result<Declared<'a>> {
        let name = names::fold(&cte.alias.name);
        let missing = || {
            let message = format!("WITH MUTUALLY RECURSIVE query \"{name}\" needs the names and types of its columns");
            SqlError::new(b"42601", message).hint(format!("write {name} (column type, …) AS (SELECT …)"))
        };
        let mut columns = Vec::with_capacity(cte.alias.columns.len());
        for column in &cte.alias.columns {
            let ty = self.data_type(column.data_type.as_ref().ok_or_else(missing)?)?;
            super::types::check_value_type(&ty)?;
            columns.push((names::fold(&column.name), ty));
        }
        if columns.is_empty() {
            return Err(missing());
        }
        Ok(Declared { name, query: &cte.query, columns })
    }

    /// The columns of the rows of all queries.
    fn columns_of_all(&mut self, declared: &[Declared<'_>]) -> Vec<Id> {
        let mut columns = vec![self.columns.add("query", Type::Int8)];
        for (name, ty) in declared.iter().flat_map(|query| &query.columns) {
            columns.push(self.columns.add(name.clone(), ty.clone()));
        }
        columns
    }

    /// A query's rows in a turn.
    fn of_turn(&mut self, query: &Declared<'_>) -> Result<OfTurn> {
        let bound = self.query(query.query, false)?;
        let (found, wanted) = (bound.output.len(), query.columns.len());
        if found != wanted {
            let message = format!(
                "WITH MUTUALLY RECURSIVE query \"{}\" is declared with {wanted} columns but has {found}",
                query.name
            );
            return Err(SqlError::new(b"42P10", message));
        }
        let targets: Vec<Target<'_>> =
            query.columns.iter().map(|(name, ty)| Target { name, ty: ty.clone(), default: None }).collect();
        let bound = self.assigned_query(bound, &targets)?;
        Ok((self.next_let(), bound.rel, bound.output))
    }

    /// A turn: the rows of all queries, each with its number and NULL in the others' columns.
    fn step(&mut self, columns: &[Id], turn: Vec<OfTurn>) -> (Rel, Vec<Id>) {
        let (mut inputs, mut bindings, mut first) = (Vec::new(), Vec::new(), 1);
        for (number, (id, value, shown)) in turn.into_iter().enumerate() {
            let made: Vec<Id> = shown.into_iter().map(|(_, id)| id).collect();
            let own: Vec<Id> = made.iter().map(|id| self.columns.copy(*id)).collect();
            let mut scalars = Vec::with_capacity(columns.len());
            let mut ids = Vec::with_capacity(columns.len());
            for (at, column) in columns.iter().enumerate() {
                if let Some(own) = at.checked_sub(first).and_then(|at| own.get(at)) {
                    ids.push(*own);
                    continue;
                }
                let filler = self.columns.copy(*column);
                let scalar = match at {
                    0 => number_of(number as i64),
                    _ => Scalar::null(self.columns.ty(*column).clone()),
                };
                scalars.push((filler, scalar));
                ids.push(filler);
            }
            first += own.len();
            inputs.push((Rel::Ref { id, columns: own }.map(scalars), ids));
            bindings.push(Binding::Plain { id, value, columns: made });
        }
        let columns: Vec<Id> = columns.iter().map(|id| self.columns.copy(*id)).collect();
        (around(Rel::Union { columns: columns.clone(), inputs }, bindings), columns)
    }

    /// The rows of one query among those of all.
    pub(super) fn rows_of_part(&mut self, part: &Part) -> Result<(Rel, Vec<(String, Id)>)> {
        let columns: Vec<Id> = part.columns.iter().map(|id| self.columns.copy(*id)).collect();
        let own: Vec<Id> = columns[part.first..part.first + part.names.len()].to_vec();
        let number = Scalar::column(columns[0], &self.columns);
        let is_own = self.operator("=", vec![number, number_of(part.number)])?;
        let rel = Rel::Ref { id: part.all, columns }.filter(vec![is_own]).project(own.clone());
        Ok((rel, part.names.iter().cloned().zip(own).collect()))
    }
}

fn number_of(number: i64) -> Scalar {
    Scalar::Literal(Constant::new(&Datum::Int(number), Type::Int8))
}

/// The limit that the options say.
fn limit(options: &ast::Cte) -> Result<Option<TurnLimit>> {
    let SetExpr::Select(select) = &*options.query.body else { return Ok(None) };
    let Some(SelectItem::ExprWithAlias { expr, alias }) = select.projection.first() else { return Ok(None) };
    let invalid = || SqlError::new(b"22023", format!("invalid RECURSION LIMIT: {expr}"));
    let turns: u64 = expr.to_string().parse().map_err(|_| invalid())?;
    if turns == 0 {
        return Err(invalid().hint("it is greater than zero"));
    }
    Ok(Some(TurnLimit { turns, is_error: alias.value == LIMITS[1] }))
}
