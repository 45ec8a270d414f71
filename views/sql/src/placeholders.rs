//! Parameters whose type the planner does not find by itself: `$1::bigint[]`, `x = ANY($1)`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow_schema::{DataType, Field, TimeUnit};
use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, BinaryOperator, CastKind, ColumnDef, DataType as SqlType, ExactNumberInfo, Expr, Ident, Query,
    TimezoneInfo, Value, Visit, VisitMut, Visitor, VisitorMut,
};

use crate::database::Database;
use crate::error::Result;
use crate::types::declared_schema;

/// The number of the parameter that an expression is, from 0.
pub(crate) fn placeholder(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Placeholder(name) => name.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1),
            _ => None,
        },
        Expr::Nested(inner) => placeholder(inner),
        _ => None,
    }
}

/// Parameters that are cast, with the type, and those that ANY or ALL takes as they are.
#[derive(Default)]
struct Found {
    casts: BTreeMap<usize, SqlType>,
    lists: BTreeSet<usize>,
}

impl Visitor for Found {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Cast { expr, data_type, .. } => {
                if let Some(number) = placeholder(expr) {
                    self.casts.entry(number).or_insert_with(|| data_type.clone());
                }
            }
            Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } => self.lists.extend(placeholder(right)),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Compares with the parameter of ANY or ALL itself, which gives it the type of one element.
struct AsElement;

impl VisitorMut for AsElement {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::AnyOp { left, right, .. } | Expr::AllOp { left, right, .. } = expr
            && placeholder(right).is_some()
        {
            *expr = Expr::BinaryOp { left: left.clone(), op: BinaryOperator::Eq, right: right.clone() };
        }
        ControlFlow::Continue(())
    }
}

/// Casts the parameters of ANY and ALL to their lists.
struct AsList<'a>(&'a [Option<DataType>]);

impl VisitorMut for AsList<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } = expr
            && let Some(number) = placeholder(right)
            && let Some(Some(DataType::List(item))) = self.0.get(number)
            && let Some(item) = sql_type(item.data_type())
        {
            let data_type = SqlType::Array(ArrayElemTypeDef::SquareBracket(Box::new(item), None));
            let expr = right.clone();
            **right = Expr::Cast { kind: CastKind::DoubleColon, expr, data_type, array: false, format: None };
        }
        ControlFlow::Continue(())
    }
}

fn sql_type(data_type: &DataType) -> Option<SqlType> {
    Some(match data_type {
        DataType::Boolean => SqlType::Boolean,
        DataType::Int16 => SqlType::SmallInt(None),
        DataType::Int32 => SqlType::Int(None),
        DataType::Int64 => SqlType::BigInt(None),
        DataType::Float32 => SqlType::Real,
        DataType::Float64 => SqlType::DoublePrecision,
        DataType::Utf8 => SqlType::Text,
        DataType::Date32 => SqlType::Date,
        DataType::Decimal128(precision, scale) => {
            SqlType::Numeric(ExactNumberInfo::PrecisionAndScale(u64::from(*precision), i64::from(*scale)))
        }
        DataType::Timestamp(TimeUnit::Microsecond, None) => SqlType::Timestamp(None, TimezoneInfo::None),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => SqlType::Timestamp(None, TimezoneInfo::Tz),
        _ => return None,
    })
}

/// The Arrow type of a declared one.
fn arrow_type(declared: SqlType) -> Option<DataType> {
    // The only lists of unsigned numbers are PostgreSQL's numbers of types and relations.
    if matches!(&declared, SqlType::Array(_)) && declared.to_string().eq_ignore_ascii_case("oid[]") {
        return Some(DataType::List(Arc::new(Field::new_list_field(DataType::UInt32, true))));
    }
    let column = ColumnDef { name: Ident::new("x"), data_type: declared, options: Vec::new() };
    declared_schema(&[column]).ok().map(|schema| schema.field(0).data_type().clone())
}

impl Database {
    /// The query with its lists cast, if it has any, and what is known of its parameters' types: as the client says, else
    /// as they are cast, else, for lists, as what they are compared with.
    ///
    /// # Errors
    /// What is wrong with the query.
    pub(crate) fn known_parameters(
        &self,
        query: &Query,
        explicit: &[Option<DataType>],
    ) -> Result<(Option<Query>, Vec<Option<DataType>>)> {
        let mut known = explicit.to_vec();
        let mut found = Found::default();
        let _ = Visit::visit(query, &mut found);
        let last = found.casts.keys().chain(&found.lists).max();
        known.resize(known.len().max(last.map_or(0, |last| last + 1)), None);
        for (number, declared) in found.casts {
            if known[number].is_none() {
                known[number] = arrow_type(declared);
            }
        }
        if found.lists.is_empty() {
            return Ok((None, known));
        }
        if found.lists.iter().any(|number| known[*number].is_none()) {
            let mut elements = query.clone();
            let _ = VisitMut::visit(&mut elements, &mut AsElement);
            let plan = self.uncoerced(&elements)?;
            let types = plan.get_parameter_types()?;
            for number in &found.lists {
                let element = types.get(&format!("${}", number + 1)).cloned().flatten().unwrap_or(DataType::Utf8);
                let list = || DataType::List(Arc::new(Field::new_list_field(element, true)));
                known[*number].get_or_insert_with(list);
            }
        }
        let mut query = query.clone();
        let _ = VisitMut::visit(&mut query, &mut AsList(&known));
        Ok((Some(query), known))
    }
}
