//! Functions in FROM: columns and their names, WITH ORDINALITY, ROWS FROM, unnest of several arrays.

use std::sync::Arc;

use sqlparser::ast::{self, Expr, FunctionArg, FunctionArgExpr, TableAlias};
use tidewater_functions::{Function, Kind, Param, Resolved, functions};
use tidewater_types::{ColumnType, Record, Result, SqlError, Type};

use super::call::{Args, function_name};
use super::scope::{Scope, ScopeColumn, ScopeTable};
use super::{Binder, names, unsupported};
use crate::plan::{Call, Id, Rel, Scalar};

/// What the parser's text makes of ROWS FROM (…): a function of functions, whose name no other has.
pub(crate) const ROWS_FROM: &str = "rows from";

/// One function of an item: a call with its columns, or a plain value.
struct Part {
    columns: Vec<(String, Id)>,
    is_record: bool,
    call: Result<Call, Scalar>,
}

impl Binder<'_> {
    pub(super) fn table_function(
        &mut self,
        name: &ast::ObjectName,
        args: &[FunctionArg],
        alias: Option<&TableAlias>,
        ordinality: bool,
    ) -> Result<(Rel, Scope)> {
        let function = function_name(self, name)?;
        let mut parts = Vec::new();
        if function == ROWS_FROM {
            for arg in args {
                let FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Function(function))) = arg else {
                    return Err(unsupported(format!("{arg} in ROWS FROM")));
                };
                let ast::FunctionArguments::List(list) = &function.args else {
                    return Err(unsupported(format!("{function} in ROWS FROM")));
                };
                let name = function_name(self, &function.name)?;
                parts.extend(self.parts(&name, &list.args, None)?);
            }
        } else {
            parts = self.parts(&function, args, alias)?;
        }
        self.functions_in_from(parts, &function, alias, ordinality)
    }

    pub(super) fn unnest(
        &mut self,
        arrays: &[Expr],
        alias: Option<&TableAlias>,
        ordinality: bool,
    ) -> Result<(Rel, Scope)> {
        let args: Vec<FunctionArg> =
            arrays.iter().map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr.clone()))).collect();
        let parts = self.parts("unnest", &args, alias)?;
        self.functions_in_from(parts, "unnest", alias, ordinality)
    }

    /// The calls of one written function: unnest of several arrays is several.
    fn parts(&mut self, name: &str, args: &[FunctionArg], alias: Option<&TableAlias>) -> Result<Vec<Part>> {
        if name == "unnest" && args.len() > 1 {
            let each = args.iter().map(|arg| self.part(name, std::slice::from_ref(arg), None));
            return each.collect();
        }
        Ok(vec![self.part(name, args, alias)?])
    }

    fn part(&mut self, name: &str, args: &[FunctionArg], alias: Option<&TableAlias>) -> Result<Part> {
        let candidates: Vec<&'static Function> = functions(name).iter().collect();
        let mut args = self.argument_list(args)?;
        if candidates.iter().any(|function| function.kind == Kind::Aggregate) {
            return Err(SqlError::new(b"42803", "aggregate functions are not allowed in functions in FROM"));
        }
        let chosen = match self.choose_function(name, &candidates, &mut args) {
            Ok(chosen) => chosen,
            Err(error) => return self.value_part(name, args, error),
        };
        match chosen.kind {
            Kind::Set => self.set_part(name, chosen, args, alias),
            Kind::Scalar => {
                let scalar = self.call(chosen, args.scalars, args.packed)?;
                Ok(self.one_value(name, scalar))
            }
            Kind::Window | Kind::Aggregate => Err(SqlError::new(b"42809", format!("{name} is not allowed in FROM"))),
        }
    }

    /// CURRENT_DATE and casts that look like functions.
    fn value_part(&mut self, name: &str, args: Args, error: SqlError) -> Result<Part> {
        if args.scalars.len() == 1 && Type::from_name(name).is_some() {
            let scalar = self.named_call(name, args.scalars)?;
            return Ok(self.one_value(name, scalar));
        }
        Err(error)
    }

    /// One value as an item of FROM.
    pub(super) fn value_in_from(
        &mut self,
        name: &str,
        scalar: Scalar,
        alias: Option<&TableAlias>,
    ) -> Result<(Rel, Scope)> {
        let part = self.one_value(name, scalar);
        self.functions_in_from(vec![part], name, alias, false)
    }

    fn one_value(&mut self, name: &str, scalar: Scalar) -> Part {
        let id = self.columns.add(name, scalar.ty());
        Part { columns: vec![(String::new(), id)], is_record: false, call: Err(scalar) }
    }

    fn set_part(
        &mut self,
        name: &str,
        function: &'static Function,
        args: Args,
        alias: Option<&TableAlias>,
    ) -> Result<Part> {
        let (mut call, resolved) = self.make_call(function, args.scalars, args.packed)?;
        let defined = alias.map(|alias| self.definitions(alias)).transpose()?.unwrap_or_default();
        let is_open =
            matches!(function.result, Param::AnyRecord) && function.columns.iter().all(|(name, _)| name.is_empty());
        if !defined.is_empty() {
            if !is_open {
                let message = "a column definition list is only allowed for functions returning \"record\"";
                return Err(SqlError::new(b"42601", message));
            }
            call.ty = Type::Record(Arc::new(Record { fields: defined.clone() })).into();
            let columns = defined.into_iter().map(|(name, ty)| (name.clone(), self.columns.add(name, ty))).collect();
            return Ok(Part { columns, is_record: true, call: Ok(call) });
        }
        let known = matches!(&call.ty.ty, Type::Record(record) if !record.fields.is_empty());
        if is_open && !known {
            let message = "a column definition list is required for functions returning \"record\"";
            return Err(SqlError::new(b"42601", message));
        }
        let ids = self.set_columns(function, &call, &resolved, name);
        // One column with a name of its own is no row, but the value.
        let is_record = matches!(call.ty.ty, Type::Record(_)) && function.columns.len() != 1;
        let names = ids.iter().enumerate().map(|(i, id)| match &call.ty.ty {
            Type::Record(record) if ids.len() == record.fields.len() => (record.fields[i].0.clone(), *id),
            _ => (function.columns.get(i).map_or("", |(name, _)| *name).to_owned(), *id),
        });
        Ok(Part { columns: names.collect(), is_record, call: Ok(call) })
    }

    /// `AS t(a int, b text)`.
    fn definitions(&mut self, alias: &TableAlias) -> Result<Vec<(String, ColumnType)>> {
        let mut defined = Vec::new();
        for column in &alias.columns {
            if let Some(data_type) = &column.data_type {
                defined.push((names::fold(&column.name), self.data_type(data_type)?));
            }
        }
        Ok(defined)
    }

    /// New columns for what a set-returning function gives.
    pub(super) fn set_columns(&mut self, function: &Function, call: &Call, resolved: &Resolved, name: &str) -> Vec<Id> {
        if let Type::Record(record) = &call.ty.ty
            && (function.columns.len() <= 1 || resolved.columns.len() != record.fields.len())
        {
            return record.fields.iter().map(|(name, ty)| self.columns.add(name.clone(), ty.clone())).collect();
        }
        let named = |own: &str| if own.is_empty() { name.to_owned() } else { own.to_owned() };
        let columns = function.columns.iter().zip(&resolved.columns);
        columns.map(|((own, _), ty)| self.columns.add(named(own), ty.clone())).collect()
    }

    fn functions_in_from(
        &mut self,
        parts: Vec<Part>,
        name: &str,
        alias: Option<&TableAlias>,
        ordinality: bool,
    ) -> Result<(Rel, Scope)> {
        let single = parts.len() == 1;
        let is_value = single && !parts[0].is_record && parts[0].columns.len() == 1 && !ordinality;
        let mut columns = Vec::new();
        let mut calls = Vec::new();
        let mut values = Vec::new();
        for part in parts {
            for (own, id) in &part.columns {
                // A column without a name of its own has the alias's, of one function alone, else the function's.
                let shown = match (own.is_empty(), alias) {
                    (false, _) => own.clone(),
                    (true, Some(alias)) if single => names::fold(&alias.name),
                    _ => self.columns[*id].name.clone(),
                };
                columns.push(ScopeColumn { name: shown, id: *id });
            }
            match part.call {
                Ok(call) => calls.push((part.columns.iter().map(|(_, id)| *id).collect(), call)),
                Err(scalar) => values.push((part.columns[0].1, scalar)),
            }
        }
        if !values.is_empty() && !calls.is_empty() {
            return Err(unsupported("ROWS FROM of functions that return one value"));
        }
        let ordinal = ordinality.then(|| self.columns.add("ordinality", Type::Int8));
        columns.extend(ordinal.map(|id| ScopeColumn { name: "ordinality".to_owned(), id }));
        let rel = if calls.is_empty() {
            let one = ordinal.map(|id| (id, super::literal::integer(1, Type::Int8)));
            values.extend(one);
            Rel::unit().map(values)
        } else {
            Rel::FlatMap { input: Box::new(Rel::unit()), calls, ordinality: ordinal }
        };
        let table = self.alias(columns, alias, None, name)?;
        Ok((rel, Scope::table(ScopeTable { is_value, ..table })))
    }
}
