//! What DataFusion answers otherwise than PostgreSQL, or reads and ignores: refused by name, for a refusal can be worked around and
//! a wrong answer cannot.
//!
//! Queries of the system's catalogs are let through: their few shapes are known.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, ExactNumberInfo, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    JoinConstraint, JoinOperator, ObjectNamePart, Query, SetExpr, SetOperator, SetQuantifier, TableFactor,
    TableWithJoins, Value, Visit, VisitMut, Visitor, VisitorMut,
};

use crate::error::{Error, Result};

/// Functions that have PostgreSQL's name and read another language of patterns.
const PATTERNS: [&str; 5] = ["to_char", "to_date", "to_number", "to_time", "to_unixtime"];

/// Functions that make a text as long as their second argument says.
const LONG: [&str; 3] = ["repeat", "lpad", "rpad"];
/// How long.
const LONGEST: u64 = 10_000_000;

/// Gives `FLOAT` its eight bytes; only `FLOAT(1)` to `FLOAT(24)` have four.
pub(crate) fn mend(query: &mut Query) {
    struct Types;
    impl VisitorMut for Types {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if let Expr::Cast { data_type, .. } = expr {
                mend_type(data_type);
            }
            ControlFlow::Continue(())
        }
    }
    // It never breaks off.
    let _ = query.visit(&mut Types);
}

/// The same for one type.
pub(crate) fn mend_type(data_type: &mut DataType) {
    if let DataType::Float(digits) = data_type {
        *data_type = match digits {
            ExactNumberInfo::Precision(1..=24) => DataType::Real,
            _ => DataType::DoublePrecision,
        };
    }
}

/// Refuses what would be answered otherwise than PostgreSQL does.
///
/// # Errors
/// 0A000 with the construct's name.
pub(crate) fn refuse(query: &Query) -> Result<()> {
    match query.visit(&mut Refusal) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(construct) => {
            Err(Error::new("0A000", format!("{construct} is not supported: the answer would not be PostgreSQL's")))
        }
    }
}

struct Refusal;

impl Visitor for Refusal {
    type Break = &'static str;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        if !query.locks.is_empty() {
            return ControlFlow::Break("FOR UPDATE or FOR SHARE");
        }
        if query.fetch.as_ref().is_some_and(|fetch| fetch.with_ties || fetch.percent) {
            return ControlFlow::Break("FETCH FIRST … WITH TIES or PERCENT");
        }
        body(&query.body)
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Self::Break> {
        match factor {
            TableFactor::Table { sample: Some(_), .. } => ControlFlow::Break("TABLESAMPLE"),
            TableFactor::NestedJoin { table_with_joins, .. } => joins(table_with_joins),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        match expr {
            Expr::SimilarTo { .. } => ControlFlow::Break("SIMILAR TO"),
            Expr::AtTimeZone { .. } => ControlFlow::Break("AT TIME ZONE"),
            Expr::InList { expr, .. } | Expr::InSubquery { expr, .. } if is_row(expr) => {
                ControlFlow::Break("IN with a row on its left")
            }
            Expr::BinaryOp { left, op, right } if compares(op) && (is_row(left) || is_row(right)) => {
                ControlFlow::Break("a comparison of rows")
            }
            Expr::Exists { subquery, .. } | Expr::InSubquery { subquery, .. } if has_outer_join(subquery) => {
                ControlFlow::Break("an outer join in the subquery of EXISTS or IN")
            }
            Expr::Function(call) => function(call),
            _ => ControlFlow::Continue(()),
        }
    }
}

fn function(call: &Function) -> ControlFlow<&'static str> {
    let Some(ObjectNamePart::Identifier(name)) = call.name.0.last() else { return ControlFlow::Continue(()) };
    let name = name.value.to_lowercase();
    if let Some(known) = PATTERNS.iter().find(|known| **known == name) {
        return ControlFlow::Break(known);
    }
    let FunctionArguments::List(list) = &call.args else { return ControlFlow::Continue(()) };
    if name == "to_timestamp" && list.args.len() > 1 {
        return ControlFlow::Break("to_timestamp with a pattern");
    }
    let number = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value))) => match &value.value {
            Value::Number(digits, _) => digits.to_string().parse::<u64>().ok(),
            _ => None,
        },
        _ => None,
    };
    if LONG.contains(&name.as_str()) && list.args.get(1).and_then(number).is_some_and(|length| length > LONGEST) {
        return ControlFlow::Break("a text that is repeated or padded to more than 10000000");
    }
    ControlFlow::Continue(())
}

fn body(body: &SetExpr) -> ControlFlow<&'static str> {
    match body {
        SetExpr::Select(select) => {
            if select.qualify.is_some() {
                return ControlFlow::Break("QUALIFY");
            }
            select.from.iter().try_for_each(joins)
        }
        SetExpr::SetOperation { op, set_quantifier, left, right } => {
            let all = matches!(set_quantifier, SetQuantifier::All | SetQuantifier::AllByName);
            match op {
                SetOperator::Except | SetOperator::Minus if all => return ControlFlow::Break("EXCEPT ALL"),
                SetOperator::Intersect if all => return ControlFlow::Break("INTERSECT ALL"),
                _ => {}
            }
            self::body(left)?;
            self::body(right)
        }
        _ => ControlFlow::Continue(()),
    }
}

/// The merged column of a RIGHT or FULL join is the other side's where one side has no row.
fn joins(tables: &TableWithJoins) -> ControlFlow<&'static str> {
    for join in &tables.joins {
        let (JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)) = &join.join_operator
        else {
            continue;
        };
        if matches!(constraint, JoinConstraint::Using(_) | JoinConstraint::Natural) {
            return ControlFlow::Break("USING or NATURAL in a RIGHT or FULL JOIN");
        }
    }
    ControlFlow::Continue(())
}

fn is_row(expr: &Expr) -> bool {
    match expr {
        Expr::Tuple(_) => true,
        Expr::Nested(inner) => is_row(inner),
        _ => false,
    }
}

fn compares(op: &BinaryOperator) -> bool {
    use BinaryOperator as O;
    matches!(op, O::Eq | O::NotEq | O::Lt | O::LtEq | O::Gt | O::GtEq)
}

fn has_outer_join(query: &Query) -> bool {
    struct Outer;
    impl Visitor for Outer {
        type Break = ();

        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            match has_outer(&query.body) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        }
    }
    query.visit(&mut Outer).is_break()
}

fn has_outer(body: &SetExpr) -> bool {
    use JoinOperator as J;
    match body {
        SetExpr::Select(select) => select.from.iter().flat_map(|tables| &tables.joins).any(|join| {
            let of = &join.join_operator;
            matches!(of, J::Left(_) | J::LeftOuter(_) | J::Right(_) | J::RightOuter(_) | J::FullOuter(_))
        }),
        SetExpr::SetOperation { left, right, .. } => has_outer(left) || has_outer(right),
        _ => false,
    }
}
