//! Values of parameters put into statements that change data.

use std::ops::ControlFlow;

use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{Expr, Value, VisitMut, VisitorMut};

use crate::error::{Error, Result};
use crate::parse::ast::Statement;

/// The statement with its parameters replaced by literals.
///
/// # Errors
/// 42P02 if it names a parameter that has no value; 0A000 if such a statement takes none.
pub(crate) fn bound(statement: &Statement, values: &[ScalarValue]) -> Result<Statement> {
    let mut statement = statement.clone();
    let mut binder = Binder { values };
    let flow = match &mut statement {
        Statement::Insert(insert) => insert.visit(&mut binder),
        Statement::Update(update) => update.visit(&mut binder),
        Statement::Delete(delete) => delete.visit(&mut binder),
        Statement::Query(query) | Statement::CopyOut { query, .. } => query.visit(&mut binder),
        _ => return Err(Error::new("0A000", "this statement takes no parameters")),
    };
    match flow {
        ControlFlow::Continue(()) => Ok(statement),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Binder<'a> {
    values: &'a [ScalarValue],
}

impl VisitorMut for Binder<'_> {
    type Break = Error;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        let Expr::Value(value) = expr else { return ControlFlow::Continue(()) };
        let Value::Placeholder(name) = &value.value else { return ControlFlow::Continue(()) };
        let number = name.strip_prefix('$').and_then(|number| number.parse::<usize>().ok());
        let Some(scalar) = number.and_then(|number| self.values.get(number.checked_sub(1)?)) else {
            return ControlFlow::Break(Error::new("42P02", format!("there is no parameter {name}")));
        };
        value.value = literal(scalar);
        ControlFlow::Continue(())
    }
}

/// Numbers as numbers, everything else as text, which takes the type of its column.
fn literal(scalar: &ScalarValue) -> Value {
    if scalar.is_null() {
        return Value::Null;
    }
    match scalar {
        ScalarValue::Boolean(Some(value)) => Value::Boolean(*value),
        ScalarValue::Utf8(Some(text)) => Value::SingleQuotedString(text.clone()),
        ScalarValue::Binary(Some(bytes)) => {
            Value::HexStringLiteral(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
        }
        number if number.data_type().is_numeric() => Value::Number(number.to_string(), false),
        other => {
            let array = other.to_array().ok();
            let text = array.and_then(|array| arrow::util::display::array_value_to_string(&array, 0).ok());
            Value::SingleQuotedString(text.unwrap_or_else(|| other.to_string()))
        }
    }
}
