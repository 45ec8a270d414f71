//! `round(x, 1)`: the constant decides the scale of the result.
//!
//! DataFusion takes it for one once the literal is of the type that the function wants. It comes to be so only when plans are
//! optimised: until then the result has the scale of `x`, and a comparison with it fails.

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan};

/// The plan with such literals as the function wants them.
pub(crate) fn with_digits(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|plan| {
        let names = NamePreserver::new(&plan);
        let rewritten = plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let rewritten = expr.transform_up(|expr| Ok(round(expr)))?;
            Ok(rewritten.update_data(|expr| name.restore(expr)))
        })?;
        if rewritten.transformed { rewritten.map_data(LogicalPlan::recompute_schema) } else { Ok(rewritten) }
    });
    Ok(rewritten?.data)
}

fn round(mut expr: Expr) -> Transformed<Expr> {
    if let Expr::ScalarFunction(call) = &mut expr
        && call.func.name() == "round"
        && let Some(Expr::Literal(value, _)) = call.args.get_mut(1)
        && let ScalarValue::Int64(Some(digits)) = value
        && let Ok(digits) = i32::try_from(*digits)
    {
        *value = ScalarValue::Int32(Some(digits));
        return Transformed::yes(expr);
    }
    Transformed::no(expr)
}
