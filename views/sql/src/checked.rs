//! Integers fail where a result leaves its type, as PostgreSQL's do; DataFusion's arithmetic and sums wrap around.
//!
//! Arithmetic becomes calls of functions on Arrow's checked kernels, in views (which have closures for most of it) and in queries;
//! sums are added up as decimals in queries, and checked by the reduces of views.

use std::sync::{Arc, LazyLock};

use arrow::compute::kernels::numeric;
use arrow_schema::{DataType, Field, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{AggregateFunction, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, Projection, ReturnFieldArgs,
    ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_expr_common::datum::apply;

/// Digits that hold every 64-bit integer.
const DIGITS: u8 = 20;

#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    op: Operator,
    signature: Signature,
}

static FUNCTIONS: LazyLock<Vec<(Operator, Arc<ScalarUDF>)>> = LazyLock::new(|| {
    let function = |op| {
        let signature = Signature::any(2, Volatility::Immutable);
        (op, Arc::new(ScalarUDF::new_from_impl(Checked { op, signature })))
    };
    [Operator::Plus, Operator::Minus, Operator::Multiply].map(function).into()
});

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        match self.op {
            Operator::Plus => "int_add",
            Operator::Minus => "int_subtract",
            _ => "int_multiply",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[0].clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), args.arg_fields[0].data_type().clone(), nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match self.op {
            Operator::Plus => apply(&args.args[0], &args.args[1], numeric::add),
            Operator::Minus => apply(&args.args[0], &args.args[1], numeric::sub),
            _ => apply(&args.args[0], &args.args[1], numeric::mul),
        }
    }
}

/// The operator and sides of an arithmetic that [`CheckedIntegers`] has rewritten.
pub(crate) fn operation(call: &ScalarFunction) -> Option<BinaryExpr> {
    let (op, _) = FUNCTIONS.iter().find(|(_, function)| *function == call.func)?;
    let [left, right] = call.args.as_slice() else { return None };
    Some(BinaryExpr::new(Box::new(left.clone()), *op, Box::new(right.clone())))
}

/// Rewrites arithmetic of integers. Runs after types are coerced.
#[derive(Debug)]
pub(crate) struct CheckedIntegers;

impl AnalyzerRule for CheckedIntegers {
    fn name(&self) -> &str {
        "checked_integers"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let rewritten = plan.transform_up_with_subqueries(|plan| {
            let mut schema = merge_schema(&plan.inputs());
            if let LogicalPlan::TableScan(scan) = &plan {
                let source = DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?;
                schema.merge(&source);
            }
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|expr| {
                let name = names.save(&expr);
                let rewritten = expr.transform_up(|expr| Ok(arithmetic(expr, &schema)))?;
                Ok(rewritten.update_data(|expr| name.restore(expr)))
            })?
            .map_data(LogicalPlan::recompute_schema)
        });
        Ok(rewritten?.data)
    }
}

fn arithmetic(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let is_integer = |expr: &Expr| expr.get_type(schema).is_ok_and(|of| of.is_integer());
    let (op, left, right) = match &expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_integer(left) && is_integer(right) => {
            (*op, left.as_ref().clone(), right.as_ref().clone())
        }
        Expr::Negative(inner) if is_integer(inner) => {
            let zero = inner.get_type(schema).and_then(|of| ScalarValue::new_zero(&of));
            let Ok(zero) = zero else { return Transformed::no(expr) };
            (Operator::Minus, Expr::Literal(zero, None), inner.as_ref().clone())
        }
        _ => return Transformed::no(expr),
    };
    match FUNCTIONS.iter().find(|(of, _)| *of == op) {
        Some((_, function)) => Transformed::yes(function.call(vec![left, right])),
        None => Transformed::no(expr),
    }
}

/// Adds up integers as decimals and turns the result back, an error where it does not fit. Runs after types are coerced.
#[derive(Debug)]
pub(crate) struct CheckedSums;

impl AnalyzerRule for CheckedSums {
    fn name(&self) -> &str {
        "checked_sums"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let rewritten = plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::Aggregate(aggregate) => sums(aggregate),
            plan => Ok(Transformed::no(plan)),
        });
        Ok(rewritten?.data)
    }
}

fn sums(aggregate: Aggregate) -> Result<Transformed<LogicalPlan>> {
    let schema = aggregate.schema.clone();
    let groups = schema.fields().len() - aggregate.aggr_expr.len();
    let decimals: Vec<_> = aggregate.aggr_expr.iter().map(|expr| as_decimal(expr, aggregate.input.schema())).collect();
    if decimals.iter().all(Option::is_none) {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
    }
    let changed: Vec<bool> = decimals.iter().map(Option::is_some).collect();
    let exprs = aggregate.aggr_expr.iter().zip(decimals).map(|(old, new)| new.unwrap_or_else(|| old.clone()));
    let inner = Aggregate::try_new(aggregate.input.clone(), aggregate.group_expr.clone(), exprs.collect())?;
    let columns = inner.schema.columns().into_iter().enumerate().map(|(number, column)| {
        let expr = Expr::Column(column);
        if number < groups || !changed[number - groups] {
            return Ok(expr);
        }
        let (table, field) = schema.qualified_field(number);
        Ok(expr.cast_to(field.data_type(), &inner.schema)?.alias_qualified(table.cloned(), field.name()))
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let projection = Projection::try_new_with_schema(columns, Arc::new(LogicalPlan::Aggregate(inner)), schema)?;
    Ok(Transformed::yes(LogicalPlan::Projection(projection)))
}

/// The same sum over decimals, if this is a sum of integers.
fn as_decimal(expr: &Expr, schema: &DFSchema) -> Option<Expr> {
    let call = match expr {
        Expr::Alias(alias) => return as_decimal(&alias.expr, schema),
        Expr::AggregateFunction(call) if call.func.name() == "sum" => call,
        _ => return None,
    };
    let [argument] = call.params.args.as_slice() else { return None };
    if !argument.get_type(schema).ok()?.is_integer() {
        return None;
    }
    let argument = argument.clone().cast_to(&DataType::Decimal128(DIGITS, 0), schema).ok()?;
    let mut params = call.params.clone();
    params.args = vec![argument];
    Some(Expr::AggregateFunction(AggregateFunction { func: call.func.clone(), params }))
}
