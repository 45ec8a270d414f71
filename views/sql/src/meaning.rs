//! PostgreSQL's meaning where DataFusion has another and it can be said in a plan: numbers become integers by rounding, a date and an
//! interval make a timestamp, `'\x…'::bytea` are the bytes. A comparison of intervals, which it makes field by field, is refused.
//!
//! Applied to plans as they were written, before types are coerced.

use std::sync::{Arc, LazyLock};

use arrow::array::{AsArray, Float64Array};
use arrow::datatypes::Float64Type;
use arrow_schema::{DataType, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ScalarValue, not_impl_err};
use datafusion::error::Result;
use datafusion::functions::math;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, Cast, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ScalarUDF, Volatility, create_udf,
};

/// The nearest integer, of two the even one, as PostgreSQL casts a double.
static NEAREST: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    let types = vec![DataType::Float64];
    let nearest = |args: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(args)?;
        let nearest: Float64Array = arrays[0].as_primitive::<Float64Type>().unary(f64::round_ties_even);
        Ok(ColumnarValue::Array(Arc::new(nearest)))
    };
    Arc::new(create_udf("nearest_integer", types, DataType::Float64, Volatility::Immutable, Arc::new(nearest)))
});

/// The plan with such expressions as PostgreSQL means them.
///
/// # Errors
/// 0A000 for a comparison of intervals.
pub(crate) fn with_meaning(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|plan| {
        let mut schema = merge_schema(&plan.inputs());
        if let LogicalPlan::TableScan(scan) = &plan {
            schema.merge(&DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?);
        }
        let names = NamePreserver::new(&plan);
        let rewritten = plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let rewritten = expr.transform_up(|expr| rewritten(expr, &schema))?;
            Ok(rewritten.update_data(|expr| name.restore(expr)))
        })?;
        if rewritten.transformed { rewritten.map_data(LogicalPlan::recompute_schema) } else { Ok(rewritten) }
    });
    Ok(rewritten?.data)
}

fn rewritten(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let of = |expr: &Expr| expr.get_type(schema).unwrap_or(DataType::Null);
    match expr {
        Expr::Cast(cast) if cast.field.data_type().is_signed_integer() => {
            let inner = match of(&cast.expr) {
                DataType::Decimal128(..) | DataType::Decimal256(..) => math::round().call(vec![*cast.expr]),
                DataType::Float64 | DataType::Float32 => NEAREST.call(vec![cast_to(*cast.expr, DataType::Float64)]),
                _ => return Ok(Transformed::no(Expr::Cast(cast))),
            };
            Ok(Transformed::yes(Expr::Cast(Cast { expr: Box::new(inner), ..cast })))
        }
        Expr::Cast(cast) if *cast.field.data_type() == DataType::Binary => match cast.expr.as_ref() {
            Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), metadata) => {
                match hex(text) {
                    Some(bytes) => {
                        Ok(Transformed::yes(Expr::Literal(ScalarValue::Binary(Some(bytes)), metadata.clone())))
                    }
                    None if text.contains('\\') => {
                        not_impl_err!("bytea in its escape form is not supported: write it as '\\x…'")
                    }
                    None => Ok(Transformed::no(Expr::Cast(cast))),
                }
            }
            _ => Ok(Transformed::no(Expr::Cast(cast))),
        },
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let types = (of(&left), of(&right));
            if compares(op) && (is_span(&types.0) || is_span(&types.1)) {
                return not_impl_err!("a comparison of intervals is not supported");
            }
            let adds = matches!(op, Operator::Plus | Operator::Minus);
            let timestamp = || DataType::Timestamp(TimeUnit::Microsecond, None);
            let (left, right, changed) = match types {
                (DataType::Date32, DataType::Interval(_)) if adds => (cast_to(*left, timestamp()), *right, true),
                (DataType::Interval(_), DataType::Date32) if adds => (*left, cast_to(*right, timestamp()), true),
                _ => (*left, *right, false),
            };
            let expr = Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)));
            Ok(if changed { Transformed::yes(expr) } else { Transformed::no(expr) })
        }
        Expr::Between(between) if is_span(&of(&between.expr)) => {
            not_impl_err!("a comparison of intervals is not supported")
        }
        other => Ok(Transformed::no(other)),
    }
}

fn is_span(of: &DataType) -> bool {
    matches!(of, DataType::Interval(_) | DataType::Duration(_))
}

fn compares(op: Operator) -> bool {
    use Operator as O;
    matches!(op, O::Eq | O::NotEq | O::Lt | O::LtEq | O::Gt | O::GtEq | O::IsDistinctFrom | O::IsNotDistinctFrom)
}

fn cast_to(expr: Expr, to: DataType) -> Expr {
    Expr::Cast(Cast::new(Box::new(expr), to))
}

/// The bytes of bytea's hex form; blanks between pairs are allowed.
fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: String = text.strip_prefix("\\x")?.split_ascii_whitespace().collect();
    if !digits.is_ascii() || digits.len() % 2 == 1 {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()).collect()
}
