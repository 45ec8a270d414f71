//! Planned expressions to compiled ones.
//!
//! What has a closure is evaluated on packed rows directly; everything else by DataFusion over a batch of one row, so that
//! all of its scalar functions work.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator, Volatility};
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use delta::{Datum, Kind};
use engine::EvalError;

use crate::arrow_rows::{cell, from_scalar};
use crate::error::{Error, Result};

/// Where a column's value lies in a tuple.
#[derive(Debug, Clone)]
pub(crate) struct ColumnPlace {
    pub(crate) input: usize,
    pub(crate) column: usize,
    pub(crate) kind: Kind,
}

type Resolve<'a> = dyn Fn(&Column) -> Option<ColumnPlace> + 'a;

/// Compiles `expr` over `schema`; `resolve` says where each of its columns lies.
///
/// # Errors
/// 0A000 for a volatile function or a subquery.
pub(crate) fn compile(expr: &Expr, schema: &DFSchema, resolve: &Resolve<'_>) -> Result<engine::Expr> {
    refuse(expr)?;
    closure(expr, schema, resolve)
}

fn refuse(expr: &Expr) -> Result<()> {
    let mut found = None;
    expr.apply(|node| {
        found = match node {
            Expr::ScalarFunction(call) if call.func.signature().volatility == Volatility::Volatile => {
                Some(format!("the volatile function {}()", call.func.name()))
            }
            Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) => {
                Some("a subquery in an expression".to_owned())
            }
            Expr::OuterReferenceColumn(..) => Some("a correlated subquery".to_owned()),
            _ => return Ok(TreeNodeRecursion::Continue),
        };
        Ok(TreeNodeRecursion::Stop)
    })?;
    found.map_or(Ok(()), |construct| Err(Error::unsupported(construct)))
}

fn closure(expr: &Expr, schema: &DFSchema, resolve: &Resolve<'_>) -> Result<engine::Expr> {
    match expr {
        Expr::Alias(alias) => closure(&alias.expr, schema, resolve),
        Expr::Column(column) => {
            let place = resolve(column).ok_or_else(|| Error::new("XX000", format!("{column} has no place")))?;
            Ok(engine::Expr::new(move |tuple, _| Ok(tuple[place.input].get(place.column, &place.kind))))
        }
        Expr::Literal(value, _) => {
            let value = value.clone();
            Ok(engine::Expr::new(move |_, scratch| from_scalar(&value, scratch)))
        }
        Expr::Not(inner) => {
            let inner = closure(inner, schema, resolve)?;
            Ok(engine::Expr::new(move |tuple, scratch| {
                Ok(match inner.eval(tuple, scratch)? {
                    Datum::Bool(value) => Datum::Bool(!value),
                    _ => Datum::Null,
                })
            }))
        }
        Expr::IsNull(inner) => null_test(inner, true, schema, resolve),
        Expr::IsNotNull(inner) => null_test(inner, false, schema, resolve),
        Expr::BinaryExpr(binary) if is_comparison(binary.op) => comparison(binary, schema, resolve),
        Expr::BinaryExpr(binary) => match integer_range(expr, binary, schema)? {
            Some(range) => arithmetic(binary, range, schema, resolve),
            None => by_datafusion(expr, schema, resolve),
        },
        _ => by_datafusion(expr, schema, resolve),
    }
}

/// The values of the result's type, if this is arithmetic of signed integers of one type.
fn integer_range(expr: &Expr, binary: &BinaryExpr, schema: &DFSchema) -> Result<Option<(i64, i64)>> {
    use Operator as O;
    if !matches!(binary.op, O::Plus | O::Minus | O::Multiply | O::Divide | O::Modulo) {
        return Ok(None);
    }
    let result = expr.get_type(schema)?;
    if binary.left.get_type(schema)? != result || binary.right.get_type(schema)? != result {
        return Ok(None);
    }
    Ok(match result {
        DataType::Int8 => Some((i64::from(i8::MIN), i64::from(i8::MAX))),
        DataType::Int16 => Some((i64::from(i16::MIN), i64::from(i16::MAX))),
        DataType::Int32 => Some((i64::from(i32::MIN), i64::from(i32::MAX))),
        DataType::Int64 => Some((i64::MIN, i64::MAX)),
        _ => None,
    })
}

/// Arithmetic of signed integers as PostgreSQL has it: DataFusion's wraps where the result leaves its type.
fn arithmetic(
    binary: &BinaryExpr,
    (least, most): (i64, i64),
    schema: &DFSchema,
    resolve: &Resolve<'_>,
) -> Result<engine::Expr> {
    let (left, right) = (closure(&binary.left, schema, resolve)?, closure(&binary.right, schema, resolve)?);
    let op = binary.op;
    Ok(engine::Expr::new(move |tuple, scratch| {
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
        result.map(Datum::Int).ok_or_else(|| EvalError::new(b"22003", "integer out of range"))
    }))
}

fn null_test(inner: &Expr, wanted: bool, schema: &DFSchema, resolve: &Resolve<'_>) -> Result<engine::Expr> {
    let inner = closure(inner, schema, resolve)?;
    Ok(engine::Expr::new(move |tuple, scratch| Ok(Datum::Bool(inner.eval(tuple, scratch)?.is_null() == wanted))))
}

fn is_comparison(op: Operator) -> bool {
    use Operator as O;
    matches!(op, O::Eq | O::NotEq | O::Lt | O::LtEq | O::Gt | O::GtEq)
}

fn comparison(binary: &BinaryExpr, schema: &DFSchema, resolve: &Resolve<'_>) -> Result<engine::Expr> {
    let (left_type, right_type) = (binary.left.get_type(schema)?, binary.right.get_type(schema)?);
    let kind = Kind::of(&left_type).filter(|_| left_type == right_type);
    // Nested values and intervals have DataFusion's own meaning of equality.
    let Some(kind) = kind.filter(|k| !matches!(k, Kind::List(_) | Kind::Struct(_) | Kind::Interval)) else {
        return by_datafusion(&Expr::BinaryExpr(binary.clone()), schema, resolve);
    };
    let (left, right) = (closure(&binary.left, schema, resolve)?, closure(&binary.right, schema, resolve)?);
    let op = binary.op;
    Ok(engine::Expr::new(move |tuple, scratch| {
        let (left, right) = (left.eval(tuple, scratch)?, right.eval(tuple, scratch)?);
        if left.is_null() || right.is_null() {
            return Ok(Datum::Null);
        }
        let ordering = left.compare(&right, &kind);
        Ok(Datum::Bool(match op {
            Operator::Eq => ordering.is_eq(),
            Operator::NotEq => ordering.is_ne(),
            Operator::Lt => ordering.is_lt(),
            Operator::LtEq => ordering.is_le(),
            Operator::Gt => ordering.is_gt(),
            _ => ordering.is_ge(),
        }))
    }))
}

/// A column that a batch of one row is made from.
#[derive(Debug)]
struct Argument {
    place: ColumnPlace,
    data_type: DataType,
}

/// Evaluates by DataFusion over a batch of one row of just the columns that the expression reads.
fn by_datafusion(expr: &Expr, schema: &DFSchema, resolve: &Resolve<'_>) -> Result<engine::Expr> {
    let columns: BTreeSet<Column> = expr.column_refs().into_iter().cloned().collect();
    let mut arguments = Vec::new();
    let mut fields = Vec::new();
    for column in &columns {
        let place = resolve(column).ok_or_else(|| Error::new("XX000", format!("{column} has no place")))?;
        let data_type = schema.field(schema.index_of_column(column)?).data_type().clone();
        fields.push(Field::new(&column.name, data_type.clone(), true));
        arguments.push(Argument { place, data_type });
    }
    let batch_schema: SchemaRef = Arc::new(Schema::new(fields));
    let narrow = DFSchema::try_from(batch_schema.clone())?;
    let physical = create_physical_expr(expr, &narrow, &ExecutionProps::new(), &PhysicalPlanningContext::default())?;
    Ok(engine::Expr::new(move |tuple, scratch| {
        let scalar = evaluate(physical.as_ref(), &arguments, &batch_schema, tuple)?;
        from_scalar(&scalar, scratch)
    }))
}

fn evaluate(
    physical: &dyn PhysicalExpr,
    arguments: &[Argument],
    schema: &SchemaRef,
    tuple: engine::Tuple<'_>,
) -> Result<ScalarValue, EvalError> {
    let array = |argument: &Argument| -> Result<ArrayRef, EvalError> {
        let scalar = cell(tuple[argument.place.input], argument.place.column, &argument.data_type)?;
        scalar.to_array().map_err(failure)
    };
    let arrays = arguments.iter().map(array).collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let batch =
        RecordBatch::try_new_with_options(schema.clone(), arrays, &options).map_err(|error| failure(error.into()))?;
    let value = physical.evaluate(&batch).map_err(failure)?;
    let array = value.into_array(1).map_err(failure)?;
    ScalarValue::try_from_array(&array, 0).map_err(failure)
}

/// An error of evaluation, with PostgreSQL's code where there is one.
fn failure(error: DataFusionError) -> EvalError {
    use arrow::error::ArrowError as A;
    if let DataFusionError::ArrowError(arrow, _) = error.find_root() {
        match arrow.as_ref() {
            A::DivideByZero => return EvalError::new(b"22012", "division by zero"),
            A::ArithmeticOverflow(message) => return EvalError::new(b"22003", message.to_lowercase()),
            A::CastError(message) | A::ParseError(message) => return EvalError::new(b"22P02", message.clone()),
            _ => {}
        }
    }
    EvalError::new(b"22000", error.strip_backtrace())
}
