//! Expressions without a closure: DataFusion over a batch of one row.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use engine::EvalError;

use super::{ColumnPlace, Compiler, is_text};
use crate::arrow_rows::{cell, from_scalar};
use crate::error::{Error, Result};

/// A column that a batch of one row is made from.
#[derive(Debug)]
struct Argument {
    place: ColumnPlace,
    data_type: DataType,
}

/// Evaluates over a batch of just the columns that the expression reads.
pub(super) fn by_datafusion(expr: &Expr, compiler: &Compiler<'_>) -> Result<engine::Expr> {
    let columns: BTreeSet<Column> = expr.column_refs().into_iter().cloned().collect();
    let mut arguments = Vec::new();
    let mut fields = Vec::new();
    for column in &columns {
        let place = (compiler.resolve)(column).ok_or_else(|| Error::new("XX000", format!("{column} has no place")))?;
        let data_type = compiler.schema.field(compiler.schema.index_of_column(column)?).data_type().clone();
        fields.push(Field::new(&column.name, data_type.clone(), true));
        arguments.push(Argument { place, data_type });
    }
    let batch_schema: SchemaRef = Arc::new(Schema::new(fields));
    let narrow = DFSchema::try_from(batch_schema.clone())?;
    let physical = create_physical_expr(expr, &narrow, &ExecutionProps::new(), &PhysicalPlanningContext::default())?;
    let planned = compiler.type_of(expr)?;
    Ok(engine::Expr::new(move |tuple, scratch| {
        let array = evaluate(physical.as_ref(), &arguments, &batch_schema, tuple)?;
        let array = of_type(array, &planned)?;
        from_scalar(&ScalarValue::try_from_array(&array, 0).map_err(failure)?, scratch)
    }))
}

/// The value as one of the planned type. A function may answer another, such as a decimal of another scale, and rows hold no
/// types that would tell.
fn of_type(array: ArrayRef, planned: &DataType) -> Result<ArrayRef, EvalError> {
    let have = array.data_type();
    if have == planned || (is_text(have) && is_text(planned)) {
        return Ok(array);
    }
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(&array, planned, &strict).map_err(|error| failure(error.into()))
}

fn evaluate(
    physical: &dyn PhysicalExpr,
    arguments: &[Argument],
    schema: &SchemaRef,
    tuple: engine::Tuple<'_>,
) -> Result<ArrayRef, EvalError> {
    let array = |argument: &Argument| -> Result<ArrayRef, EvalError> {
        let scalar = cell(tuple[argument.place.input], argument.place.column, &argument.data_type)?;
        scalar.to_array().map_err(failure)
    };
    let arrays = arguments.iter().map(array).collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let batch =
        RecordBatch::try_new_with_options(schema.clone(), arrays, &options).map_err(|error| failure(error.into()))?;
    let value = physical.evaluate(&batch).map_err(failure)?;
    value.into_array(1).map_err(failure)
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
