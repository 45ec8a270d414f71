//! What SQL spells with a syntax of its own: COALESCE, EXTRACT, SUBSTRING, LIKE, CURRENT_DATE, …

use sqlparser::ast::{self, Expr, FunctionArguments};
use tidewater_functions::{CastContext, functions};
use tidewater_types::{ColumnType, Result, SqlError, Type};

use super::{Binder, literal, unsupported};
use crate::plan::Scalar;

/// What the parser's text makes of a subquery in an IN list that goes on after it: a call that has no other name.
pub(crate) const ONE_VALUE: &str = "one value";

/// What the dialect makes of `x BETWEEN SYMMETRIC low AND high`.
pub(crate) const BETWEEN_SYMMETRIC: &str = "between symmetric";

/// What the dialect makes of `text SIMILAR pattern ESCAPE sign`.
pub(crate) const SUBSTRING_SIMILAR: &str = "substring similar";

impl Binder<'_> {
    /// Expressions that are calls of functions of the table, but for their syntax.
    pub(super) fn special(&mut self, expr: &Expr) -> Result<Scalar> {
        match expr {
            Expr::Like { negated, any: false, expr, pattern, escape_char } => {
                self.like(expr, pattern, escape_char.as_ref(), if *negated { "!~~" } else { "~~" })
            }
            Expr::ILike { negated, any: false, expr, pattern, escape_char } => {
                self.like(expr, pattern, escape_char.as_ref(), if *negated { "!~~*" } else { "~~*" })
            }
            Expr::SimilarTo { negated, expr, pattern, escape_char } => {
                self.similar(expr, pattern, escape_char.as_ref(), *negated)
            }
            Expr::AtTimeZone { timestamp, time_zone } => {
                let args = vec![self.expr(time_zone)?, self.expr(timestamp)?];
                self.named_call("timezone", args)
            }
            Expr::Extract { field, expr, .. } => {
                let field = literal::text(field.to_string().to_lowercase().trim_matches('\''));
                let args = vec![field, self.expr(expr)?];
                self.named_call("extract", args)
            }
            Expr::Ceil { expr, .. } => self.one_argument("ceil", expr),
            Expr::Floor { expr, .. } => self.one_argument("floor", expr),
            Expr::Position { expr, r#in } => {
                let args = vec![self.expr(r#in)?, self.expr(expr)?];
                self.named_call("position", args)
            }
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                self.substring(expr, substring_from.as_deref(), substring_for.as_deref())
            }
            Expr::Trim { trim_where, trim_what, expr, trim_characters } => {
                self.trim(trim_where.as_ref(), trim_what.as_deref(), expr, trim_characters.as_deref())
            }
            Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                let mut args = vec![self.expr(expr)?, self.expr(overlay_what)?, self.expr(overlay_from)?];
                if let Some(length) = overlay_for {
                    args.push(self.expr(length)?);
                }
                self.named_call("overlay", args)
            }
            Expr::Collate { expr, collation } => {
                let name = collation.to_string().replace('"', "").to_lowercase();
                match name.rsplit('.').next() {
                    Some("c" | "posix" | "default" | "ucs_basic") => self.expr(expr),
                    _ => {
                        let message = format!("collation \"{name}\" for encoding \"UTF8\" does not exist");
                        Err(SqlError::new(b"42704", message))
                    }
                }
            }
            Expr::IsNormalized { expr, form, negated } => {
                let form = form.map_or_else(|| "nfc".to_owned(), |form| form.to_string().to_lowercase());
                let args = vec![self.expr(expr)?, literal::text(&form)];
                let call = self.named_call("is_normalized", args)?;
                Ok(if *negated { call.negate() } else { call })
            }
            Expr::Wildcard(_) | Expr::QualifiedWildcard(..) => {
                Err(SqlError::new(b"42601", "syntax error at or near \"*\""))
            }
            other => Err(unsupported(format!("the expression {other}"))),
        }
    }

    fn one_argument(&mut self, name: &str, expr: &Expr) -> Result<Scalar> {
        let arg = self.expr(expr)?;
        self.named_call(name, vec![arg])
    }

    fn like(
        &mut self,
        expr: &Expr,
        pattern: &Expr,
        escape: Option<&ast::ValueWithSpan>,
        operator: &str,
    ) -> Result<Scalar> {
        let text = self.expr(expr)?;
        let pattern = match pattern {
            Expr::AnyOp { .. } | Expr::AllOp { .. } => return Err(unsupported("LIKE ANY")),
            pattern => self.expr(pattern)?,
        };
        let pattern = match escape {
            None => pattern,
            Some(escape) => {
                let escape = self.value(escape)?;
                self.named_call("like_escape", vec![pattern, escape])?
            }
        };
        self.operator(operator, vec![text, pattern])
    }

    fn similar(
        &mut self,
        expr: &Expr,
        pattern: &Expr,
        escape: Option<&ast::ValueWithSpan>,
        negated: bool,
    ) -> Result<Scalar> {
        let mut args = vec![self.expr(pattern)?];
        if let Some(escape) = escape {
            args.push(self.value(escape)?);
        }
        let text = self.expr(expr)?;
        let pattern = self.named_call("similar_to_escape", args)?;
        self.operator(if negated { "!~" } else { "~" }, vec![text, pattern])
    }

    fn substring(&mut self, expr: &Expr, from: Option<&Expr>, length: Option<&Expr>) -> Result<Scalar> {
        if let (Expr::Function(function), None, None) = (expr, from, length)
            && function.name.0.len() == 1
            && function.name.0[0].as_ident().is_some_and(|name| name.value == SUBSTRING_SIMILAR)
        {
            return self.expr(expr);
        }
        let mut args = vec![self.expr(expr)?];
        match (from, length) {
            (Some(from), length) => {
                args.push(self.expr(from)?);
                if let Some(length) = length {
                    args.push(self.expr(length)?);
                }
            }
            (None, Some(length)) => {
                args.push(literal::integer(1, Type::Int4));
                args.push(self.expr(length)?);
            }
            (None, None) => {}
        }
        self.named_call("substring", args)
    }

    fn trim(
        &mut self,
        side: Option<&ast::TrimWhereField>,
        what: Option<&Expr>,
        expr: &Expr,
        characters: Option<&[Expr]>,
    ) -> Result<Scalar> {
        let name = match side {
            Some(ast::TrimWhereField::Leading) => "ltrim",
            Some(ast::TrimWhereField::Trailing) => "rtrim",
            _ => "btrim",
        };
        let mut args = vec![self.expr(expr)?];
        if let Some(what) = what {
            args.push(self.expr(what)?);
        }
        for expr in characters.unwrap_or_default() {
            args.push(self.expr(expr)?);
        }
        self.named_call(name, args)
    }

    /// Functions that are no functions of the table: their arguments are not evaluated like those of one, or their result type is not
    /// found like theirs.
    pub(super) fn special_function(&mut self, name: &str, function: &ast::Function) -> Result<Option<Scalar>> {
        if function.over.is_some() {
            return Ok(None);
        }
        let scalar = match name {
            "coalesce" | "greatest" | "least" => self.alternatives(name, function)?,
            "nullif" => self.null_if(function)?,
            ONE_VALUE => match &plain_arguments(function)?[..] {
                [value] => self.expr(value)?,
                _ => return Ok(None),
            },
            BETWEEN_SYMMETRIC => match &plain_arguments(function)?[..] {
                [value, low, high] => self.between_symmetric(value, low, high)?,
                _ => return Ok(None),
            },
            SUBSTRING_SIMILAR => {
                let args = self.exprs(&plain_arguments(function)?)?;
                self.named_call("substring", args)?
            }
            "pg_typeof" => match self.type_of_unknown(function)? {
                Some(scalar) => scalar,
                None => return Ok(None),
            },
            "row" => {
                let exprs = plain_arguments(function)?;
                self.row(&exprs)?
            }
            "array" if matches!(function.args, FunctionArguments::Subquery(_)) => {
                let FunctionArguments::Subquery(query) = &function.args else { return Ok(None) };
                self.array_subquery(query)?
            }
            "grouping" => self.grouping(function)?,
            "current_date" | "current_timestamp" | "current_time" | "localtime" | "localtimestamp" => {
                self.current(name, function)?
            }
            "current_catalog" => self.named_call("current_database", Vec::new())?,
            "current_role" | "user" if function.args == FunctionArguments::None => {
                self.named_call("current_user", Vec::new())?
            }
            _ => return Ok(None),
        };
        Ok(Some(scalar))
    }

    fn between_symmetric(&mut self, value: &Expr, low: &Expr, high: &Expr) -> Result<Scalar> {
        let one = self.between(value, low, high, false)?;
        let other = self.between(value, high, low, false)?;
        Ok(Scalar::Or(vec![one, other]))
    }

    /// The type of a literal that nothing gives a type to.
    fn type_of_unknown(&mut self, function: &ast::Function) -> Result<Option<Scalar>> {
        let [Expr::Value(value)] = &plain_arguments(function)?[..] else { return Ok(None) };
        if self.value(value)?.ty().ty != Type::Unknown {
            return Ok(None);
        }
        let oid = tidewater_types::Datum::Int(Type::Unknown.oid().into());
        Ok(Some(Scalar::Literal(crate::plan::Constant::new(&oid, Type::RegType))))
    }

    fn alternatives(&mut self, name: &str, function: &ast::Function) -> Result<Scalar> {
        let sets = self.level().sets.len();
        let exprs = plain_arguments(function)?;
        if exprs.is_empty() {
            return Err(SqlError::new(b"42601", "syntax error at or near \")\""));
        }
        let scalars = self.exprs(&exprs)?;
        let place = name.to_uppercase();
        self.no_sets_since(sets, &place)?;
        let (scalars, _) = self.unify(scalars, &place)?;
        Ok(match name {
            "coalesce" => Scalar::Coalesce(scalars),
            name => Scalar::Extreme(name == "greatest", scalars),
        })
    }

    fn null_if(&mut self, function: &ast::Function) -> Result<Scalar> {
        let exprs = plain_arguments(function)?;
        let scalars = self.exprs(&exprs)?;
        let [left, right] =
            <[Scalar; 2]>::try_from(scalars).map_err(|_| SqlError::new(b"42601", "NULLIF takes two arguments"))?;
        let test = self.operator("=", vec![left, right])?;
        let Scalar::Call(call) = &test else { return Err(unsupported("NULLIF of these values")) };
        let value = call.args[0].clone();
        Ok(Scalar::NullIf(Box::new(test), Box::new(value)))
    }

    /// `FROM current_date`.
    pub(super) fn bare_function(
        &mut self,
        name: &ast::ObjectName,
        alias: Option<&ast::TableAlias>,
    ) -> Result<(crate::plan::Rel, super::scope::Scope)> {
        let function = ast::Function {
            name: name.clone(),
            uses_odbc_syntax: false,
            parameters: FunctionArguments::None,
            args: FunctionArguments::None,
            filter: None,
            null_treatment: None,
            over: None,
            within_group: Vec::new(),
        };
        let scalar = self.function(&function)?;
        self.value_in_from(&name.to_string().to_lowercase(), scalar, alias)
    }

    /// CURRENT_DATE and its relatives: all are the transaction's start.
    fn current(&mut self, name: &str, function: &ast::Function) -> Result<Scalar> {
        if !functions(name).is_empty() && function.args == FunctionArguments::None {
            return self.named_call(name, Vec::new());
        }
        let ty = match name {
            "current_date" => Type::Date,
            "current_timestamp" => Type::TimestampTz,
            "current_time" => Type::TimeTz,
            "localtime" => Type::Time,
            _ => Type::Timestamp,
        };
        let modifiers: Vec<i64> = match &plain_arguments(function)?[..] {
            [] => Vec::new(),
            [Expr::Value(value)] => value.value.to_string().parse().ok().into_iter().collect(),
            _ => return Err(SqlError::new(b"42601", format!("syntax error at or near \"{name}\""))),
        };
        let ty = ColumnType::with_modifiers(ty, &modifiers)?;
        let now = self.named_call("now", Vec::new())?;
        self.coerce(now, &ty, CastContext::Explicit)
    }
}

/// Functions that are written without parentheses.
pub(super) fn is_bare_function(name: &str) -> bool {
    const NAMES: [&str; 10] = [
        "current_date",
        "current_timestamp",
        "current_time",
        "localtime",
        "localtimestamp",
        "current_user",
        "session_user",
        "current_role",
        "current_catalog",
        "current_schema",
    ];
    NAMES.contains(&name.to_lowercase().as_str())
}

/// The arguments of a call that may have no names, stars or clauses.
pub(super) fn plain_arguments(function: &ast::Function) -> Result<Vec<Expr>> {
    let FunctionArguments::List(list) = &function.args else { return Ok(Vec::new()) };
    let expr = |arg: &ast::FunctionArg| match arg {
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => Ok(expr.clone()),
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::QualifiedWildcard(name)) => {
            Ok(Expr::QualifiedWildcard(name.clone(), ast::helpers::attached_token::AttachedToken::empty()))
        }
        other => Err(SqlError::new(b"42601", format!("syntax error at or near \"{other}\""))),
    };
    list.args.iter().map(expr).collect()
}
