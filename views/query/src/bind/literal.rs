//! Literals: numbers, strings, typed strings, intervals.

use sqlparser::ast::{self, Value, ValueWithSpan};
use tidewater_functions::CastContext;
use tidewater_types::{ColumnType, Result, SqlError, Type};

use super::{Binder, unsupported};
use crate::constant;
use crate::plan::{Constant, Scalar};

impl Binder<'_> {
    pub(super) fn value(&mut self, value: &ValueWithSpan) -> Result<Scalar> {
        let position = self.position(value.span.start).unwrap_or(0);
        match &value.value {
            Value::Number(text, _) => self.number(text),
            Value::SingleQuotedString(text)
            | Value::EscapedStringLiteral(text)
            | Value::UnicodeStringLiteral(text)
            | Value::NationalStringLiteral(text) => string(text, position),
            Value::DollarQuotedString(text) => string(&text.value, position),
            Value::Boolean(value) => Ok(Scalar::Literal(Constant::bool(*value))),
            Value::Null => Ok(Scalar::null(Type::Unknown)),
            Value::Placeholder(name) => self.parameter(name),
            other => Err(unsupported(format!("the literal {other}"))),
        }
    }

    /// A number: integer, bigint if it does not fit, numeric if that does not either.
    pub(super) fn number(&mut self, text: &str) -> Result<Scalar> {
        let whole = text.strip_prefix('-').unwrap_or(text).bytes().all(|byte| byte.is_ascii_digit());
        let ty = match text.parse::<i64>() {
            Ok(value) if whole && i32::try_from(value).is_ok() => Type::Int4,
            Ok(_) if whole => Type::Int8,
            _ => Type::Numeric,
        };
        Ok(Scalar::Literal(constant::from_text(text, &ty.into(), false, self.session)?))
    }

    fn parameter(&mut self, name: &str) -> Result<Scalar> {
        let number = name.strip_prefix('$').and_then(|digits| digits.parse::<u32>().ok()).filter(|number| *number > 0);
        let Some(number) = number else {
            return Err(SqlError::new(b"42P02", format!("there is no parameter {name}")));
        };
        // As many as the protocol can give.
        if number > 65_535 {
            return Err(SqlError::new(b"42P02", format!("there is no parameter {name}")));
        }
        let slots = (number as usize).max(self.parameters.len());
        self.parameters.resize(slots, Type::Unknown.into());
        Ok(Scalar::Parameter(number, self.parameters[number as usize - 1].clone()))
    }

    /// `date '2020-01-01'`.
    pub(super) fn typed_string(&mut self, typed: &ast::TypedString) -> Result<Scalar> {
        let ty = self.data_type(&typed.data_type)?;
        let value = self.value(&typed.value)?;
        self.coerce(value, &ty, CastContext::Explicit)
    }

    /// `interval '1' day`.
    pub(super) fn interval(&mut self, interval: &ast::Interval) -> Result<Scalar> {
        let fields = match (&interval.leading_field, &interval.last_field) {
            (None, _) => None,
            (Some(first), None) => Some(first.to_string().to_lowercase()),
            (Some(first), Some(last)) => Some(format!("{first} to {last}").to_lowercase()),
        };
        let fields = fields.map(|fields| fields.replace("years", "year").replace("days", "day"));
        let precision = interval.fractional_seconds_precision.or(interval.leading_precision);
        let ty = ColumnType::interval(fields.as_deref(), precision.map(|digits| digits as i64))?;
        let value = self.expr(&interval.value)?;
        self.coerce(value, &ty, CastContext::Explicit)
    }
}

fn string(text: &str, position: u32) -> Result<Scalar> {
    Ok(Scalar::Unknown(text.into(), position))
}

/// A text as a known value.
pub(super) fn text(value: &str) -> Scalar {
    Scalar::Literal(Constant::new(&tidewater_types::Datum::Text(value.as_bytes()), Type::Text))
}

/// An integer as a known value.
pub(super) fn integer(value: i64, ty: Type) -> Scalar {
    Scalar::Literal(Constant::new(&tidewater_types::Datum::Int(value), ty))
}
