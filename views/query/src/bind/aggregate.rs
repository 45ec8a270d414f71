//! Calls of aggregates: which query they belong to, DISTINCT, FILTER, ORDER BY, WITHIN GROUP.

use sqlparser::ast::{self, FunctionArgumentClause, FunctionArguments};
use tidewater_functions::{CastContext, Function, Kind};
use tidewater_types::{Result, SqlError};

use super::call::Args;
use super::{Binder, Clause, unsupported};
use crate::plan::{Aggregate, Scalar, SortKey};

impl Binder<'_> {
    /// A call of an aggregate is a column of the query whose groups it is over.
    pub(super) fn aggregate(
        &mut self,
        name: &str,
        function: &ast::Function,
        candidates: &[&'static Function],
    ) -> Result<Scalar> {
        match self.aggregate_call(name, function, candidates)? {
            Ok(aggregate) => self.aggregate_column(name, aggregate),
            Err(scalar) => Ok(scalar),
        }
    }

    /// The column of the query that an aggregate belongs to.
    pub(super) fn aggregate_column(&mut self, name: &str, aggregate: Aggregate) -> Result<Scalar> {
        let at = self.owner(&aggregate);
        self.check_place(at)?;
        self.check_nesting(&aggregate)?;
        let known = self.levels[at].aggregates.iter().find(|(_, same)| *same == aggregate);
        if let Some((id, _)) = known {
            return Ok(self.column(*id));
        }
        let id = self.columns.add(name, aggregate.call.ty.clone());
        self.levels[at].aggregates.push((id, aggregate));
        Ok(self.column(id))
    }

    /// The call; or what it is instead, if the arguments choose a plain function of the same name.
    fn aggregate_call(
        &mut self,
        name: &str,
        function: &ast::Function,
        candidates: &[&'static Function],
    ) -> Result<Result<Aggregate, Scalar>> {
        let mut args = self.arguments(&function.args)?;
        let (distinct, order) = self.aggregate_clauses(function)?;
        let filter = match &function.filter {
            Some(filter) => Some(self.within(Clause::Filter, |binder| {
                let scalar = binder.expr(filter)?;
                binder.boolean(scalar, "FILTER")
            })?),
            None => None,
        };
        if args.star && (!args.scalars.is_empty() || name != "count") {
            return Err(super::call::no_function(name, &[]));
        }
        if !args.star && args.scalars.is_empty() && name == "count" {
            let message = "count(*) must be used to call a parameterless aggregate function";
            return Err(SqlError::new(b"42809", message));
        }
        if !function.within_group.is_empty() {
            return self.ordered_set(name, candidates, args, order, filter).map(Ok);
        }
        let chosen = self.choose_function(name, candidates, &mut args)?;
        if chosen.kind != Kind::Aggregate {
            return Ok(Err(self.call(chosen, args.scalars, args.packed)?));
        }
        if chosen.direct.is_some() {
            let message = format!("WITHIN GROUP is required for ordered-set aggregate {name}");
            return Err(SqlError::new(b"42809", message));
        }
        let (call, _) = self.make_call(chosen, args.scalars, args.packed)?;
        let order = self.known_keys(order, &call.args)?;
        if distinct && order.iter().any(|key| !call.args.contains(&key.scalar)) {
            let message = "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list";
            return Err(SqlError::new(b"42P10", message));
        }
        Ok(Ok(Aggregate { call, distinct, filter, order, direct: 0 }))
    }

    pub(super) fn aggregate_clauses(&mut self, function: &ast::Function) -> Result<(bool, Vec<SortKey>)> {
        let mut order = Vec::new();
        let mut distinct = false;
        if let FunctionArguments::List(list) = &function.args {
            distinct = list.duplicate_treatment == Some(ast::DuplicateTreatment::Distinct);
            for clause in &list.clauses {
                match clause {
                    FunctionArgumentClause::OrderBy(keys) => order = self.sort_keys(keys)?,
                    other => return Err(unsupported(format!("{other} in a call"))),
                }
            }
        }
        if function.null_treatment.is_some() {
            return Err(unsupported("IGNORE NULLS"));
        }
        if !function.within_group.is_empty() {
            if distinct {
                return Err(SqlError::new(b"42601", "cannot use DISTINCT with WITHIN GROUP"));
            }
            if !order.is_empty() {
                return Err(SqlError::new(b"42601", "cannot use multiple ORDER BY clauses with WITHIN GROUP"));
            }
            order = self.sort_keys(&function.within_group)?;
        }
        Ok((distinct, order))
    }

    /// `f(direct) WITHIN GROUP (ORDER BY …)`.
    fn ordered_set(
        &mut self,
        name: &str,
        candidates: &[&'static Function],
        args: Args,
        mut order: Vec<SortKey>,
        filter: Option<Scalar>,
    ) -> Result<Aggregate> {
        let direct = args.scalars.len();
        let candidates: Vec<&'static Function> =
            candidates.iter().copied().filter(|function| function.direct.is_some()).collect();
        if candidates.is_empty() {
            let message = format!("{name} is not an ordered-set aggregate, so it cannot have WITHIN GROUP");
            return Err(SqlError::new(b"42809", message));
        }
        let mut all = args;
        all.scalars.extend(order.iter().map(|key| key.scalar.clone()));
        let chosen = self.choose_function(name, &candidates, &mut all)?;
        let (call, _) = self.make_call(chosen, all.scalars, all.packed)?;
        for (key, scalar) in order.iter_mut().zip(&call.args[direct..]) {
            key.scalar = scalar.clone();
        }
        Ok(Aggregate { call, distinct: false, filter, order, direct })
    }

    /// ORDER BY keys: expressions, never names or numbers of output columns.
    pub(super) fn sort_keys(&mut self, keys: &[ast::OrderByExpr]) -> Result<Vec<SortKey>> {
        let key = |key: &ast::OrderByExpr| {
            let scalar = self.expr(&key.expr)?;
            let (descending, nulls_first) = super::order::direction(&key.options);
            Ok(SortKey { scalar, descending, nulls_first })
        };
        keys.iter().map(key).collect()
    }

    /// Keys of known types; where one is an argument, as the call converted it.
    fn known_keys(&mut self, keys: Vec<SortKey>, args: &[Scalar]) -> Result<Vec<SortKey>> {
        let mut known = Vec::with_capacity(keys.len());
        for key in keys {
            let converted = args.iter().find(|arg| match arg {
                Scalar::Cast(cast) => !cast.explicit && cast.input == key.scalar,
                _ => false,
            });
            let scalar = match converted {
                Some(arg) => arg.clone(),
                None => self.known(key.scalar)?,
            };
            known.push(SortKey { scalar, ..key });
        }
        Ok(known)
    }

    /// The query that an aggregate belongs to: the innermost whose columns its arguments have.
    fn owner(&self, aggregate: &Aggregate) -> usize {
        let mut free = std::collections::BTreeSet::new();
        for scalar in aggregate.call.args.iter().chain(&aggregate.filter) {
            free.extend(scalar.free());
        }
        for key in &aggregate.order {
            free.extend(key.scalar.free());
        }
        let top = self.levels.len() - 1;
        if free.is_empty() {
            return top;
        }
        let owns = |at: &usize| {
            let level = &self.levels[*at];
            let made = level.aggregates.iter().map(|(id, _)| *id);
            let ids: std::collections::BTreeSet<_> = level.scope.ids().into_iter().chain(made).collect();
            free.iter().any(|id| ids.contains(id))
        };
        (0..=top).rev().find(owns).unwrap_or(top)
    }

    fn check_place(&self, at: usize) -> Result<()> {
        let place = match self.levels[at].clause {
            Clause::Select | Clause::Having | Clause::OrderBy | Clause::DistinctOn | Clause::Window => return Ok(()),
            Clause::From if at + 1 < self.levels.len() => "FROM clause of their own query level",
            Clause::From => "functions in FROM",
            Clause::JoinOn => "JOIN conditions",
            Clause::Where => "WHERE",
            Clause::GroupBy => "GROUP BY",
            Clause::Limit => "LIMIT",
            Clause::Offset => "OFFSET",
            Clause::Values => "VALUES",
            Clause::Filter => "FILTER",
        };
        Err(SqlError::new(b"42803", format!("aggregate functions are not allowed in {place}")))
    }

    fn check_nesting(&self, aggregate: &Aggregate) -> Result<()> {
        let level = &self.levels[self.levels.len() - 1];
        let mut free = std::collections::BTreeSet::new();
        let keys = aggregate.order.iter().map(|key| &key.scalar);
        for scalar in aggregate.call.args.iter().chain(&aggregate.filter).chain(keys) {
            free.extend(scalar.free());
        }
        let error =
            |code: &[u8; 5], what: &str| Err(SqlError::new(code, format!("aggregate function calls cannot {what}")));
        if level.aggregates.iter().any(|(id, _)| free.contains(id)) {
            return error(b"42803", "be nested");
        }
        if level.window_calls.iter().any(|(id, _)| free.contains(id)) {
            return error(b"42803", "contain window function calls");
        }
        if level.sets.iter().flat_map(|(ids, _)| ids).any(|id| free.contains(id)) {
            return error(b"0A000", "contain set-returning function calls");
        }
        Ok(())
    }

    /// An aggregate of one argument, over the rows of a relation that has no query of its own.
    pub(super) fn plain_aggregate(&mut self, name: &str, arg: Scalar, order: Vec<SortKey>) -> Result<Aggregate> {
        let candidates: Vec<&'static Function> = tidewater_functions::functions(name).iter().collect();
        let mut args = Args { scalars: vec![arg], ..Args::default() };
        let chosen = self.choose_function(name, &candidates, &mut args)?;
        let (call, _) = self.make_call(chosen, args.scalars, false)?;
        Ok(Aggregate { call, distinct: false, filter: None, order, direct: 0 })
    }

    /// The number of LIMIT and OFFSET.
    pub(super) fn bigint(&mut self, scalar: Scalar, place: &str) -> Result<Scalar> {
        let ty = scalar.ty().ty;
        self.coerce(scalar, &tidewater_types::Type::Int8.into(), CastContext::Assignment).map_err(|error| match &error
            .sqlstate
        {
            b"42846" => SqlError::new(b"42804", format!("argument of {place} must be type bigint, not type {ty}")),
            _ => error,
        })
    }
}
