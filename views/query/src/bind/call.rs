//! Calls of functions by name.

use std::collections::HashMap;
use std::sync::Arc;

use sqlparser::ast::{self, FunctionArg, FunctionArgExpr, FunctionArguments};
use tidewater_functions::{CastContext, Function, Kind, Param, Resolved, cast, functions, resolve};
use tidewater_types::{ColumnType, Record, Result, SqlError, Type};

use super::overload::{Choice, choose};
use super::{Binder, Clause, names, unsupported};
use crate::constant;
use crate::plan::{Call, FunctionRef, Scalar};

/// The name under which the parser's text hands on an argument that is written VARIADIC.
pub(crate) const VARIADIC: &str = "variadic argument";

/// A call's arguments, bound but not yet converted.
#[derive(Default)]
pub(super) struct Args {
    pub(super) scalars: Vec<Scalar>,
    /// Names of the last ones, for `f(name => value)`.
    pub(super) names: Vec<String>,
    /// The last is written VARIADIC.
    pub(super) packed: bool,
    /// `f(*)`.
    pub(super) star: bool,
}

impl Binder<'_> {
    pub(super) fn function(&mut self, function: &ast::Function) -> Result<Scalar> {
        let name = function_name(self, &function.name)?;
        if function.uses_odbc_syntax || function.parameters != FunctionArguments::None {
            return Err(unsupported(format!("the call {function}")));
        }
        if let Some(scalar) = self.special_function(&name, function)? {
            return Ok(scalar);
        }
        let candidates: Vec<&'static Function> = functions(&name).iter().collect();
        let is_aggregate = candidates.iter().any(|function| function.kind == Kind::Aggregate);
        if !function.within_group.is_empty() && super::hypothetical::is_hypothetical(&name) {
            return self.hypothetical(&name, function);
        }
        if function.over.is_some() {
            return self.window_call(&name, function, &candidates);
        }
        if is_aggregate {
            return self.aggregate(&name, function, &candidates);
        }
        self.refuse_aggregate_syntax(&name, function)?;
        let args = self.arguments(&function.args)?;
        if args.star {
            let message = format!("{name}(*) specified, but {name} is not an aggregate function");
            return Err(SqlError::new(b"42809", message));
        }
        self.resolved_call(&name, &candidates, args)
    }

    /// The function of the table called `name`, for what the parser knows by a syntax of its own.
    pub(super) fn named_call(&mut self, name: &str, scalars: Vec<Scalar>) -> Result<Scalar> {
        let candidates: Vec<&'static Function> = functions(name).iter().collect();
        self.resolved_call(name, &candidates, Args { scalars, ..Args::default() })
    }

    fn resolved_call(&mut self, name: &str, candidates: &[&'static Function], mut args: Args) -> Result<Scalar> {
        let types: Vec<Type> = args.scalars.iter().map(|arg| arg.ty().ty).collect();
        if let Some(scalar) = self.cast_call(name, candidates, &types, &args)? {
            return Ok(scalar);
        }
        let function = self.choose_function(name, candidates, &mut args)?;
        match function.kind {
            Kind::Scalar => self.call(function, args.scalars, args.packed),
            Kind::Set => self.set_call(function, args),
            Kind::Window => Err(SqlError::new(b"42809", format!("window function {name} requires an OVER clause"))),
            Kind::Aggregate => Err(unsupported(format!("the aggregate {name} here"))),
        }
    }

    /// The one that a call means; its arguments in the order of its parameters.
    pub(super) fn choose_function(
        &mut self,
        name: &str,
        candidates: &[&'static Function],
        args: &mut Args,
    ) -> Result<&'static Function> {
        // Drivers send such a one for each value that a call gives back (`{? = call f(?)}`).
        args.scalars.retain(|arg| !matches!(arg, Scalar::Parameter(_, ty) if ty.ty == Type::Void));
        if !args.names.is_empty() {
            return self.choose_by_names(name, candidates, args);
        }
        let types: Vec<Type> = args.scalars.iter().map(|arg| arg.ty().ty).collect();
        match choose(candidates, &types, args.packed) {
            Choice::One(function) => Ok(function),
            Choice::Nothing => Err(no_function(name, &types)),
            Choice::Several => {
                let hint = "Could not choose a best candidate function. You might need to add explicit type casts.";
                Err(SqlError::new(b"42725", format!("function {} is not unique", spelled(name, &types))).hint(hint))
            }
        }
    }

    fn choose_by_names(
        &mut self,
        name: &str,
        candidates: &[&'static Function],
        args: &mut Args,
    ) -> Result<&'static Function> {
        let types: Vec<Type> = args.scalars.iter().map(|arg| arg.ty().ty).collect();
        let plain = args.scalars.len() - args.names.len();
        for function in candidates {
            let Some(places) = places(function, plain, &args.names) else { continue };
            let mut filled: Vec<Option<Scalar>> = vec![None; function.params.len()];
            for (scalar, place) in args.scalars.iter().zip(&places) {
                filled[*place] = Some(scalar.clone());
            }
            let mut scalars = Vec::with_capacity(filled.len());
            for (i, scalar) in filled.into_iter().enumerate() {
                scalars.push(match scalar {
                    Some(scalar) => scalar,
                    None => match self.default(function, i)? {
                        Some(scalar) => scalar,
                        None => return Err(no_function(name, &types)),
                    },
                });
            }
            let full: Vec<Type> = scalars.iter().map(|scalar| scalar.ty().ty).collect();
            if let Choice::One(found) = choose(&[*function], &full, args.packed) {
                args.scalars = scalars;
                return Ok(found);
            }
        }
        Err(no_function(name, &types))
    }

    /// The value of parameter `i` where a call leaves it out.
    fn default(&mut self, function: &'static Function, i: usize) -> Result<Option<Scalar>> {
        let first = function.params.len() - function.defaults.len();
        let Some(text) = i.checked_sub(first).and_then(|at| function.defaults.get(at)) else { return Ok(None) };
        let Param::Of(ty) = &function.params[i] else { return Ok(None) };
        let ty: ColumnType = ty.clone().into();
        if text.eq_ignore_ascii_case("null") {
            return Ok(Some(Scalar::null(ty)));
        }
        Ok(Some(Scalar::Literal(constant::from_text(text, &ty, false, self.session)?)))
    }

    /// A call of a function that is chosen: arguments become what it takes, missing ones their defaults.
    pub(super) fn call(&mut self, function: &'static Function, args: Vec<Scalar>, packed: bool) -> Result<Scalar> {
        Ok(Scalar::Call(self.make_call(function, args, packed)?.0))
    }

    pub(super) fn make_call(
        &mut self,
        function: &'static Function,
        mut args: Vec<Scalar>,
        packed: bool,
    ) -> Result<(Call, Resolved)> {
        let least = if function.variadic { function.params.len() - 1 } else { function.params.len() };
        while args.len() < least {
            let Some(default) = self.default(function, args.len())? else { break };
            args.push(default);
        }
        let types: Vec<Type> = args.iter().map(|arg| arg.ty().ty).collect();
        let resolved = resolve_types(function, &types, packed)?;
        let mut converted = Vec::with_capacity(args.len());
        for (arg, ty) in args.into_iter().zip(&resolved.args) {
            let own = arg.ty();
            // A value of the type itself keeps its modifier; a literal that may stay without a type is text.
            let ty = if *ty == Type::Unknown { Type::Text } else { ty.clone() };
            let target = if own.ty == ty { own } else { ty.into() };
            converted.push(self.coerce(arg, &target, CastContext::Implicit)?);
        }
        let ty = row_type(function, &resolved).into();
        Ok((Call { function: FunctionRef(function), args: converted, ty, array: packed }, resolved))
    }

    /// A set-returning function in a select list: its rows multiply the row.
    fn set_call(&mut self, function: &'static Function, args: Args) -> Result<Scalar> {
        let place = match self.level().clause {
            Clause::Select | Clause::OrderBy | Clause::GroupBy | Clause::DistinctOn => None,
            Clause::Where => Some("WHERE"),
            Clause::Having => Some("HAVING"),
            Clause::JoinOn => Some("JOIN conditions"),
            Clause::Limit => Some("LIMIT"),
            Clause::Offset => Some("OFFSET"),
            Clause::Values => Some("VALUES"),
            Clause::Filter => Some("FILTER"),
            Clause::Window => Some("window definitions"),
            Clause::Update => Some("UPDATE"),
            Clause::Returning => Some("RETURNING"),
            Clause::From => {
                return Err(SqlError::new(b"0A000", "set-returning functions must appear at top level of FROM"));
            }
        };
        if let Some(place) = place {
            return Err(SqlError::new(b"0A000", format!("set-returning functions are not allowed in {place}")));
        }
        let (call, resolved) = self.make_call(function, args.scalars, args.packed)?;
        let ids = self.set_columns(function, &call, &resolved, function.name);
        self.level().sets.push((ids.clone(), call.clone()));
        if let [id] = ids[..] {
            return Ok(self.column(id));
        }
        let scalars = ids.iter().map(|id| self.column(*id)).collect();
        Ok(Scalar::Row(scalars, call.ty))
    }

    /// `int4(x)`: a cast, where no function takes the argument as it is.
    fn cast_call(
        &mut self,
        name: &str,
        candidates: &[&'static Function],
        types: &[Type],
        args: &Args,
    ) -> Result<Option<Scalar>> {
        let ([from], true) = (types, args.names.is_empty()) else { return Ok(None) };
        let exact = candidates.iter().any(|function| function.is_for(types));
        let Some(to) = Type::from_name(name).filter(|ty| ty.internal_name() == name) else { return Ok(None) };
        if exact || cast(from, &to).is_none() {
            return Ok(None);
        }
        let scalar = args.scalars[0].clone();
        self.coerce(scalar, &to.into(), CastContext::Explicit).map(Some)
    }

    pub(super) fn arguments(&mut self, arguments: &FunctionArguments) -> Result<Args> {
        let list = match arguments {
            FunctionArguments::None => return Ok(Args::default()),
            FunctionArguments::List(list) => list,
            FunctionArguments::Subquery(query) => {
                let scalar = self.scalar_subquery(query)?;
                return Ok(Args { scalars: vec![scalar], ..Args::default() });
            }
        };
        self.argument_list(&list.args)
    }

    pub(super) fn argument_list(&mut self, list: &[FunctionArg]) -> Result<Args> {
        let mut args = Args::default();
        for arg in list {
            let value = match arg {
                FunctionArg::Unnamed(value) if args.names.is_empty() => value,
                FunctionArg::Unnamed(_) => {
                    return Err(SqlError::new(b"42601", "positional argument cannot follow named argument"));
                }
                FunctionArg::Named { name, arg, .. } if name.value == VARIADIC => {
                    args.packed = true;
                    arg
                }
                FunctionArg::Named { name, arg, .. } => {
                    let name = names::fold(name);
                    if args.names.contains(&name) {
                        let message = format!("argument name \"{name}\" used more than once");
                        return Err(SqlError::new(b"42601", message));
                    }
                    args.names.push(name);
                    arg
                }
                FunctionArg::ExprNamed { name: ast::Expr::Identifier(name), arg, .. } => {
                    args.names.push(names::fold(name));
                    arg
                }
                other => return Err(unsupported(format!("the argument {other}"))),
            };
            match value {
                FunctionArgExpr::Expr(expr) => {
                    let scalar = self.expr(expr)?;
                    args.scalars.push(scalar);
                }
                FunctionArgExpr::Wildcard => args.star = true,
                FunctionArgExpr::QualifiedWildcard(name) => {
                    let table = self.table_named(name)?;
                    let scalar = self.whole_row(&table);
                    args.scalars.push(scalar);
                }
                other => return Err(unsupported(format!("the argument {other}"))),
            }
        }
        Ok(args)
    }

    /// What only aggregates take.
    fn refuse_aggregate_syntax(&self, name: &str, function: &ast::Function) -> Result<()> {
        let refuse = |what: &str| {
            Err(SqlError::new(b"42809", format!("{what} specified, but {name} is not an aggregate function")))
        };
        if let FunctionArguments::List(list) = &function.args {
            if list.duplicate_treatment == Some(ast::DuplicateTreatment::Distinct) {
                return refuse("DISTINCT");
            }
            match list.clauses.first() {
                None => {}
                Some(ast::FunctionArgumentClause::OrderBy(_)) => return refuse("ORDER BY"),
                Some(other) => return Err(unsupported(format!("{other} in a call"))),
            }
        }
        if function.filter.is_some() {
            return refuse("FILTER");
        }
        if !function.within_group.is_empty() {
            return refuse("WITHIN GROUP");
        }
        if function.null_treatment.is_some() {
            return Err(unsupported("IGNORE NULLS"));
        }
        Ok(())
    }
}

/// The name that the table knows a function by.
pub(super) fn function_name(binder: &Binder<'_>, name: &ast::ObjectName) -> Result<String> {
    let parts = names::parts(name)?;
    match &parts[..] {
        [name] => Ok(name.clone()),
        [schema, name] | [_, schema, name] => match schema.as_str() {
            "pg_catalog" | "mz_catalog" | "mz_internal" | "information_schema" => Ok(name.clone()),
            _ if !binder.catalog.has_schema(schema) => {
                Err(SqlError::new(b"3F000", format!("schema \"{schema}\" does not exist")))
            }
            _ => Err(SqlError::new(b"42883", format!("function {schema}.{name} does not exist"))),
        },
        _ => Err(SqlError::new(b"42601", "improper qualified name (too many dotted names)")),
    }
}

/// The type of a call's value: a row whose columns depend on the arguments has their names and types.
fn row_type(function: &Function, resolved: &Resolved) -> Type {
    if !matches!(function.result, Param::AnyRecord) || function.columns.len() < 2 {
        return resolved.result.clone();
    }
    let names = function.columns.iter().map(|(name, _)| (*name).to_owned());
    let fields = names.zip(resolved.columns.iter().cloned().map(ColumnType::from)).collect();
    Type::Record(Arc::new(Record { fields }))
}

/// The types of a call, families among the parameters resolved.
pub(super) fn resolve_types(function: &Function, types: &[Type], packed: bool) -> Result<Resolved> {
    let mut common = |types: &[Type]| super::coerce::common_type(types, "ARRAY");
    resolve(function, types, packed, &mut common)
}

/// The parameter of each argument, if the names are the function's.
fn places(function: &Function, plain: usize, names: &[String]) -> Option<Vec<usize>> {
    let known: HashMap<&str, usize> = function.names.iter().enumerate().map(|(i, name)| (*name, i)).collect();
    let mut places: Vec<usize> = (0..plain).collect();
    for name in names {
        let place = *known.get(name.as_str())?;
        if places.contains(&place) {
            return None;
        }
        places.push(place);
    }
    Some(places)
}

pub(super) fn no_function(name: &str, types: &[Type]) -> SqlError {
    let hint = "No function matches the given name and argument types. You might need to add explicit type casts.";
    SqlError::new(b"42883", format!("function {} does not exist", spelled(name, types))).hint(hint)
}

fn spelled(name: &str, types: &[Type]) -> String {
    let types: Vec<String> = types.iter().map(ToString::to_string).collect();
    format!("{name}({})", types.join(", "))
}
