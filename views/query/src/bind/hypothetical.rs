//! Hypothetical-set aggregates: which rank a row would have among those of the group
//! (<https://www.postgresql.org/docs/15/functions-aggregate.html#FUNCTIONS-HYPOTHETICAL-TABLE>).
//!
//! Each is arithmetic over counts: of the rows that come before the given one, or are its equals, or are there at all.

use sqlparser::ast;
use tidewater_functions::CastContext;
use tidewater_types::{Result, SqlError, Type};

use super::{Binder, Clause, literal};
use crate::plan::{Aggregate, Scalar, SortKey, Test};

/// Whether a call with WITHIN GROUP is one of them.
pub(super) fn is_hypothetical(name: &str) -> bool {
    matches!(name, "rank" | "dense_rank" | "percent_rank" | "cume_dist")
}

impl Binder<'_> {
    pub(super) fn hypothetical(&mut self, name: &str, function: &ast::Function) -> Result<Scalar> {
        let args = self.arguments(&function.args)?;
        let (_, order) = self.aggregate_clauses(function)?;
        if function.over.is_some() {
            return Err(SqlError::new(
                b"0A000",
                format!("OVER is not supported for hypothetical-set aggregate {name}"),
            ));
        }
        if args.star || args.packed || !args.names.is_empty() || args.scalars.len() != order.len() {
            let types = args.scalars.iter().chain(order.iter().map(|key| &key.scalar)).map(|scalar| scalar.ty().ty);
            let hint = format!(
                "To use the hypothetical-set aggregate {name}, the number of hypothetical direct arguments (here {}) must \
                 match the number of ordering columns (here {}).",
                args.scalars.len(),
                order.len()
            );
            return Err(super::call::no_function(name, &types.collect::<Vec<_>>()).hint(hint));
        }
        let filter = match &function.filter {
            None => None,
            Some(filter) => Some(self.within(Clause::Filter, |binder| {
                let scalar = binder.expr(filter)?;
                binder.boolean(scalar, "FILTER")
            })?),
        };
        let keys = self.hypothetical_keys(args.scalars, order)?;
        let count = |binder: &mut Self, test: Option<Scalar>| {
            let tests: Vec<Scalar> = filter.clone().into_iter().chain(test).collect();
            let filter = if tests.is_empty() { None } else { Some(Scalar::And(tests)) };
            binder.count_of(Vec::new(), filter, false)
        };
        let one = literal::integer(1, Type::Int8);
        match name {
            "rank" => {
                let before = self.precedes(&keys, false)?;
                let before = count(self, Some(before))?;
                self.operator("+", vec![before, one])
            }
            "dense_rank" => {
                let before = self.precedes(&keys, false)?;
                let tests = filter.clone().into_iter().chain([before]).collect();
                let values = keys.iter().map(|(_, key)| key.scalar.clone()).collect();
                let row = self.row_of(values);
                let distinct = self.count_of(vec![row], Some(Scalar::And(tests)), true)?;
                self.operator("+", vec![distinct, one])
            }
            "percent_rank" => {
                let before = self.precedes(&keys, false)?;
                let (before, all) = (count(self, Some(before))?, count(self, None)?);
                // Of no rows the share is 0.
                let most = Scalar::Extreme(true, vec![all, one]);
                self.share(before, most)
            }
            _ => {
                let up_to = self.precedes(&keys, true)?;
                let (up_to, all) = (count(self, Some(up_to))?, count(self, None)?);
                let up_to = self.operator("+", vec![up_to, one.clone()])?;
                let all = self.operator("+", vec![all, one])?;
                self.share(up_to, all)
            }
        }
    }

    /// Each argument with the key that it is compared with, of one type.
    fn hypothetical_keys(&mut self, args: Vec<Scalar>, order: Vec<SortKey>) -> Result<Vec<(Scalar, SortKey)>> {
        let own = self.level().scope.ids();
        let made: Vec<_> = self.level().aggregates.iter().map(|(id, _)| *id).collect();
        let mut keys = Vec::with_capacity(order.len());
        for (arg, key) in args.into_iter().zip(order) {
            let free = arg.free();
            if made.iter().any(|id| free.contains(id)) {
                return Err(SqlError::new(b"42803", "aggregate function calls cannot be nested"));
            }
            if free.iter().any(|id| own.contains(id)) {
                return Err(super::unsupported("a column among the direct arguments of a hypothetical-set aggregate"));
            }
            // The key's type leads.
            let (mut both, _) = self.unify(vec![key.scalar, arg], "WITHIN GROUP")?;
            let arg = both.pop();
            let scalar = both.pop();
            if let (Some(arg), Some(scalar)) = (arg, scalar) {
                keys.push((arg, SortKey { scalar, ..key }));
            }
        }
        Ok(keys)
    }

    /// Whether a row comes before the given one; with `or_equal` also whether it is its equal.
    fn precedes(&mut self, keys: &[(Scalar, SortKey)], or_equal: bool) -> Result<Scalar> {
        let mut result = Scalar::Literal(crate::plan::Constant::bool(or_equal));
        for (given, key) in keys.iter().rev() {
            let is = |test, scalar: &Scalar| Scalar::Is(test, Box::new(scalar.clone()));
            let (nulls, others) = if key.nulls_first { (&key.scalar, given) } else { (given, &key.scalar) };
            let by_null = Scalar::And(vec![is(Test::Null, nulls), is(Test::NotNull, others)]);
            let sign = if key.descending { ">" } else { "<" };
            let less = self.operator(sign, vec![key.scalar.clone(), given.clone()])?;
            let before = Scalar::Or(vec![by_null, is(Test::True, &less)]);
            let same = self.distinct(key.scalar.clone(), given.clone())?.negate();
            result = Scalar::Or(vec![before, Scalar::And(vec![same, result])]);
        }
        Ok(result)
    }

    fn count_of(&mut self, args: Vec<Scalar>, filter: Option<Scalar>, distinct: bool) -> Result<Scalar> {
        let types: Vec<Type> = args.iter().map(|arg| arg.ty().ty).collect();
        let counts = tidewater_functions::functions("count").iter();
        let missing = || super::call::no_function("count", &types);
        let chosen = counts.into_iter().find(|function| function.params.len() == args.len()).ok_or_else(missing)?;
        let (call, _) = self.make_call(chosen, args, false)?;
        self.aggregate_column("count", Aggregate { call, distinct, filter, order: Vec::new(), direct: 0 })
    }

    fn share(&mut self, part: Scalar, whole: Scalar) -> Result<Scalar> {
        let part = self.coerce(part, &Type::Float8.into(), CastContext::Explicit)?;
        let whole = self.coerce(whole, &Type::Float8.into(), CastContext::Explicit)?;
        self.operator("/", vec![part, whole])
    }
}
