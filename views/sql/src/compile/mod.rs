//! Planned expressions to compiled ones.
//!
//! What has a closure is evaluated on packed rows directly; everything else by DataFusion over a batch of one row, so that
//! all of its scalar functions work.

mod arithmetic;
mod cast;
mod fallback;
mod logic;
mod text;

use arrow_schema::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator, Volatility};
use delta::{Datum, Kind};

use crate::arrow_rows::from_scalar;
use crate::checked;
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
    Compiler { schema, resolve }.closure(expr)
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

/// What the parts of an expression are compiled over.
struct Compiler<'a> {
    schema: &'a DFSchema,
    resolve: &'a Resolve<'a>,
}

impl Compiler<'_> {
    fn type_of(&self, expr: &Expr) -> Result<DataType> {
        Ok(expr.get_type(self.schema)?)
    }

    fn closure(&self, expr: &Expr) -> Result<engine::Expr> {
        let compiled = match expr {
            Expr::Alias(alias) => return self.closure(&alias.expr),
            Expr::Column(column) => Some(self.column(column)?),
            Expr::Literal(value, _) => {
                let value = value.clone();
                Some(engine::Expr::new(move |_, scratch| from_scalar(&value, scratch)))
            }
            Expr::Not(inner) => Some(self.not(inner)?),
            Expr::IsNull(inner) => Some(self.null_test(inner, true)?),
            Expr::IsNotNull(inner) => Some(self.null_test(inner, false)?),
            Expr::Negative(inner) => self.negative(expr, inner)?,
            Expr::Case(case) => self.case(case)?,
            Expr::InList(list) => self.in_list(list)?,
            Expr::Cast(cast) => self.cast(&cast.expr, cast.field.data_type())?,
            Expr::ScalarFunction(call) if let Some(binary) = checked::operation(call) => {
                self.arithmetic(expr, &binary)?
            }
            Expr::ScalarFunction(call) => match (call.func.name(), call.args.as_slice()) {
                ("coalesce", args) => Some(self.coalesce(args)?),
                ("nullif", [a, b]) => self.null_if(a, b)?,
                _ => None,
            },
            Expr::BinaryExpr(binary) => self.binary(expr, binary)?,
            _ => None,
        };
        compiled.map_or_else(|| fallback::by_datafusion(expr, self), Ok)
    }

    fn binary(&self, expr: &Expr, binary: &BinaryExpr) -> Result<Option<engine::Expr>> {
        use Operator as O;
        match binary.op {
            O::And | O::Or => Ok(Some(self.connective(binary)?)),
            O::Eq | O::NotEq | O::Lt | O::LtEq | O::Gt | O::GtEq => {
                self.comparison(&binary.left, binary.op, &binary.right)
            }
            O::Plus | O::Minus | O::Multiply | O::Divide | O::Modulo => self.arithmetic(expr, binary),
            O::StringConcat => self.concatenation(expr),
            _ => Ok(None),
        }
    }

    fn column(&self, column: &Column) -> Result<engine::Expr> {
        let place = (self.resolve)(column).ok_or_else(|| Error::new("XX000", format!("{column} has no place")))?;
        Ok(engine::Expr::new(move |tuple, _| Ok(tuple[place.input].get(place.column, &place.kind))))
    }

    fn null_test(&self, inner: &Expr, wanted: bool) -> Result<engine::Expr> {
        let inner = self.closure(inner)?;
        Ok(engine::Expr::new(move |tuple, scratch| Ok(Datum::Bool(inner.eval(tuple, scratch)?.is_null() == wanted))))
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// The values of a signed integer type.
fn int_range(data_type: &DataType) -> Option<(i64, i64)> {
    match data_type {
        DataType::Int8 => Some((i64::from(i8::MIN), i64::from(i8::MAX))),
        DataType::Int16 => Some((i64::from(i16::MIN), i64::from(i16::MAX))),
        DataType::Int32 => Some((i64::from(i32::MIN), i64::from(i32::MAX))),
        DataType::Int64 => Some((i64::MIN, i64::MAX)),
        _ => None,
    }
}
