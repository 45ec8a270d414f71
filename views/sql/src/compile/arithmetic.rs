//! Arithmetic of integers as PostgreSQL has it (DataFusion's wraps where the result leaves its type), of decimals as Arrow has
//! it (<https://cwiki.apache.org/confluence/download/attachments/27362075/Hive_Decimal_Precision_Scale_Support.pdf>), of floats.

use arrow_schema::DataType;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use delta::Datum;
use engine::EvalError;

use super::{Compiler, int_range};
use crate::error::Result;

pub(super) fn out_of_range(what: &str) -> EvalError {
    EvalError::new(b"22003", format!("{what} out of range"))
}

/// 10 to the power of `exponent`.
pub(super) fn power_of_ten(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

impl Compiler<'_> {
    pub(super) fn arithmetic(&self, expr: &Expr, binary: &BinaryExpr) -> Result<Option<engine::Expr>> {
        let result = self.type_of(expr)?;
        let types = (self.type_of(&binary.left)?, self.type_of(&binary.right)?);
        let both = |of: &DataType| types.0 == *of && types.1 == *of;
        match (&result, &types) {
            (of, _) if both(of) && int_range(of).is_some() => self.integers(binary, of),
            (DataType::Float64, _) if both(&DataType::Float64) => self.floats(binary),
            (DataType::Decimal128(precision, scale), (DataType::Decimal128(_, a), DataType::Decimal128(_, b))) => {
                self.decimals(binary, (*precision, *scale), (*a, *b))
            }
            _ => Ok(None),
        }
    }

    fn integers(&self, binary: &BinaryExpr, of: &DataType) -> Result<Option<engine::Expr>> {
        let Some((least, most)) = int_range(of) else { return Ok(None) };
        let (left, right) = (self.closure(&binary.left)?, self.closure(&binary.right)?);
        let op = binary.op;
        Ok(Some(engine::Expr::new(move |tuple, scratch| {
            let (left, right) = (left.eval(tuple, scratch)?, right.eval(tuple, scratch)?);
            let (Some(left), Some(right)) = (left.as_int(), right.as_int()) else { return Ok(Datum::Null) };
            if right == 0 && matches!(op, Operator::Divide | Operator::Modulo) {
                return Err(EvalError::new(b"22012", "division by zero"));
            }
            let result = match op {
                Operator::Plus => left.checked_add(right),
                Operator::Minus => left.checked_sub(right),
                Operator::Multiply => left.checked_mul(right),
                Operator::Divide => left.checked_div(right),
                // The least integer modulo -1 is 0; only the processor's instruction overflows.
                _ => Some(left.wrapping_rem(right)),
            };
            let result = result.filter(|result| (least..=most).contains(result));
            result.map(Datum::Int).ok_or_else(|| out_of_range("integer"))
        })))
    }

    fn floats(&self, binary: &BinaryExpr) -> Result<Option<engine::Expr>> {
        let op = binary.op;
        if !matches!(op, Operator::Plus | Operator::Minus | Operator::Multiply) {
            return Ok(None);
        }
        let (left, right) = (self.closure(&binary.left)?, self.closure(&binary.right)?);
        Ok(Some(engine::Expr::new(move |tuple, scratch| {
            Ok(match (left.eval(tuple, scratch)?, right.eval(tuple, scratch)?) {
                (Datum::Float(left), Datum::Float(right)) => Datum::Float(match op {
                    Operator::Plus => left + right,
                    Operator::Minus => left - right,
                    _ => left * right,
                }),
                _ => Datum::Null,
            })
        })))
    }

    /// Sums have the greater scale of both sides, products the sum of them; anything else is DataFusion's.
    fn decimals(
        &self,
        binary: &BinaryExpr,
        (precision, scale): (u8, i8),
        (a, b): (i8, i8),
    ) -> Result<Option<engine::Expr>> {
        let op = binary.op;
        let factors = match op {
            Operator::Plus | Operator::Minus if scale == a.max(b) => {
                (power_of_ten((scale - a) as u32), power_of_ten((scale - b) as u32))
            }
            Operator::Multiply if i16::from(scale) == i16::from(a) + i16::from(b) => (Some(1), Some(1)),
            _ => return Ok(None),
        };
        let ((Some(a), Some(b)), Some(limit)) = (factors, power_of_ten(u32::from(precision))) else {
            return Ok(None);
        };
        let (left, right) = (self.closure(&binary.left)?, self.closure(&binary.right)?);
        Ok(Some(engine::Expr::new(move |tuple, scratch| {
            let values = (left.eval(tuple, scratch)?, right.eval(tuple, scratch)?);
            let (Datum::Decimal(left), Datum::Decimal(right)) = values else { return Ok(Datum::Null) };
            let (left, right) = (left.checked_mul(a), right.checked_mul(b));
            let result = left.zip(right).and_then(|(left, right)| match op {
                Operator::Plus => left.checked_add(right),
                Operator::Minus => left.checked_sub(right),
                _ => left.checked_mul(right),
            });
            let result = result.filter(|result| result.unsigned_abs() < limit.unsigned_abs());
            result.map(Datum::Decimal).ok_or_else(|| out_of_range("numeric"))
        })))
    }

    pub(super) fn negative(&self, expr: &Expr, inner: &Expr) -> Result<Option<engine::Expr>> {
        let of = self.type_of(expr)?;
        let range = int_range(&of);
        if range.is_none() && !matches!(of, DataType::Float64 | DataType::Decimal128(..)) {
            return Ok(None);
        }
        let (least, most) = range.unwrap_or((i64::MIN, i64::MAX));
        let inner = self.closure(inner)?;
        Ok(Some(engine::Expr::new(move |tuple, scratch| {
            Ok(match inner.eval(tuple, scratch)? {
                Datum::Int(value) => {
                    let negated = value.checked_neg().filter(|value| (least..=most).contains(value));
                    Datum::Int(negated.ok_or_else(|| out_of_range("integer"))?)
                }
                Datum::Float(value) => Datum::Float(-value),
                Datum::Decimal(value) => Datum::Decimal(-value),
                _ => Datum::Null,
            })
        })))
    }
}
