//! Parameters of statements that change data: their types, and their values put into the statement.

use std::ops::ControlFlow;

use arrow::array::Array as _;
use arrow_schema::DataType;
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{
    Array, Assignment, AssignmentTarget, Delete, Expr, FromTable, Insert, ObjectName, SetExpr, TableObject, Update,
    Value, Visit, VisitMut, Visitor, VisitorMut,
};

use crate::database::Database;
use crate::error::{Error, Result};
use crate::parse::ast::Statement;
use crate::placeholders::placeholder;
use crate::query;
use crate::table_changes::{column_of, condition, name_of, table_of};

impl Database {
    /// Types of a statement's parameters: as the client says, else as the column that takes the value has it, else as the
    /// statement's expressions use them, else text.
    pub(crate) fn statement_parameters(
        &self,
        statement: &Statement,
        explicit: &[Option<DataType>],
    ) -> Result<Vec<DataType>> {
        let mut types = explicit.to_vec();
        types.resize(types.len().max(highest(statement)), None);
        if types.iter().all(Option::is_some) {
            return Ok(types.into_iter().flatten().collect());
        }
        let (columns, reads) = match statement {
            Statement::Insert(insert) => (self.inserted(insert)?, insert.source.as_ref().map(ToString::to_string)),
            Statement::Update(update) => (self.updated(update)?, Some(select(update)?)),
            Statement::Delete(delete) => (Vec::new(), source_of(delete)),
            _ => (Vec::new(), None),
        };
        for (number, data_type) in columns {
            if let Some(unknown @ None) = types.get_mut(number) {
                *unknown = Some(data_type);
            }
        }
        let parsed = reads.and_then(|text| crate::parse::parse(&text).ok()?.pop());
        if let Some(Statement::Query(read)) = parsed.map(|parsed| parsed.statement)
            // A list of bare parameters has no plan; its types are the columns'.
            && let Ok((cast, known)) = self.known_parameters(&read, &types)
        {
            types.clone_from(&known);
            if let Ok(plan) = self.uncoerced(cast.as_ref().unwrap_or(&read)) {
                return query::parameters(&plan, &known);
            }
        }
        Ok(types.into_iter().map(|known| known.unwrap_or(DataType::Utf8)).collect())
    }

    /// Parameters that stand for themselves in VALUES, with the types of their columns.
    fn inserted(&self, insert: &Insert) -> Result<Vec<(usize, DataType)>> {
        let TableObject::TableName(name) = &insert.table else { return Ok(Vec::new()) };
        let schema = self.local_table(&name_of(name)?)?.1;
        let column = |name: &ObjectName| column_of(&schema, &name_of(name)?);
        let columns: Vec<usize> = match insert.columns.as_slice() {
            [] => (0..schema.fields().len()).collect(),
            names => names.iter().map(column).collect::<Result<_>>()?,
        };
        let Some(SetExpr::Values(values)) = insert.source.as_ref().map(|source| source.body.as_ref()) else {
            return Ok(Vec::new());
        };
        let cells = values.rows.iter().flat_map(|row| row.iter().zip(&columns));
        let of =
            |(cell, column): (&Expr, &usize)| Some((placeholder(cell)?, schema.field(*column).data_type().clone()));
        Ok(cells.filter_map(of).collect())
    }

    /// Parameters that a column is set to.
    fn updated(&self, update: &Update) -> Result<Vec<(usize, DataType)>> {
        let schema = self.local_table(&table_of(&update.table)?)?.1;
        let mut found = Vec::new();
        for Assignment { target, value } in &update.assignments {
            if let (AssignmentTarget::ColumnName(column), Some(number)) = (target, placeholder(value)) {
                found.push((number, schema.field(column_of(&schema, &name_of(column)?)?).data_type().clone()));
            }
        }
        Ok(found)
    }
}

/// What an UPDATE reads.
fn select(update: &Update) -> Result<String> {
    let values: Vec<_> = update.assignments.iter().map(|assignment| assignment.value.to_string()).collect();
    let (table, condition) = (&update.table, condition(update.selection.as_ref()));
    Ok(format!("SELECT {} FROM {table}{condition}", values.join(", ")))
}

/// What a DELETE reads.
fn source_of(delete: &Delete) -> Option<String> {
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    from.first().map(|from| format!("SELECT * FROM {from}{}", condition(delete.selection.as_ref())))
}

/// How many parameters a statement names.
fn highest(statement: &Statement) -> usize {
    struct Highest(usize);
    impl Visitor for Highest {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            self.0 = self.0.max(placeholder(expr).map_or(0, |number| number + 1));
            ControlFlow::Continue(())
        }
    }
    let mut highest = Highest(0);
    let _ = match statement {
        Statement::Insert(insert) => insert.visit(&mut highest),
        Statement::Update(update) => update.visit(&mut highest),
        Statement::Delete(delete) => delete.visit(&mut highest),
        _ => ControlFlow::Continue(()),
    };
    highest.0
}

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
        match scalar {
            ScalarValue::List(list) if !scalar.is_null() => {
                let items = list.value(0);
                let item =
                    |row| ScalarValue::try_from_array(&items, row).map(|item| Expr::Value(literal(&item).into()));
                let items = (0..items.len()).map(item).collect::<Result<Vec<_>, _>>();
                match items {
                    Ok(elem) => *expr = Expr::Array(Array { elem, named: true }),
                    Err(error) => return ControlFlow::Break(error.into()),
                }
            }
            _ => value.value = literal(scalar),
        }
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
        // Not a number and the infinities are no literals.
        ScalarValue::Float32(Some(value)) if !value.is_finite() => Value::SingleQuotedString(value.to_string()),
        ScalarValue::Float64(Some(value)) if !value.is_finite() => Value::SingleQuotedString(value.to_string()),
        number if number.data_type().is_numeric() => Value::Number(number.to_string(), false),
        other => {
            let array = other.to_array().ok();
            let text = array.and_then(|array| arrow::util::display::array_value_to_string(&array, 0).ok());
            Value::SingleQuotedString(text.unwrap_or_else(|| other.to_string()))
        }
    }
}
