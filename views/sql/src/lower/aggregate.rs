//! GROUP BY and DISTINCT, from DataFusion's plan to the engine's reduces.

use arrow_schema::{DataType, Field};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::{AggregateFunction, NullTreatment};
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, LogicalPlan, SortExpr};
use delta::Kind;
use engine::{ColumnAt, Function, OrderColumn, ReduceSpec};

use super::Lowering;
use super::relation::{Relation, place, slot};
use crate::error::{Error, Result};

/// One aggregate, with its parts as numbers of columns of the stored input.
struct Call {
    function: Function,
    argument: Option<usize>,
    filter: Option<usize>,
    distinct: bool,
    order: Vec<(usize, SortExpr)>,
}

/// The columns of a grouping's input, collected while the calls are read.
struct Columns<'a> {
    relation: &'a Relation,
    schema: &'a DFSchema,
    exprs: Vec<Expr>,
    fields: Vec<DataType>,
}

impl Columns<'_> {
    /// The number of the column that holds `expr`; equal ones are one.
    fn number(&mut self, expr: &Expr) -> Result<usize> {
        let data_type = expr.get_type(self.schema)?;
        let expr = self.relation.rewrite(expr, self.schema)?.unalias();
        if let Some(number) = self.exprs.iter().position(|other| *other == expr) {
            return Ok(number);
        }
        self.exprs.push(expr);
        self.fields.push(data_type);
        Ok(self.exprs.len() - 1)
    }
}

impl Lowering<'_> {
    pub(super) fn aggregate(&mut self, aggregate: &Aggregate) -> Result<Relation> {
        if aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_))) {
            return Err(Error::unsupported("GROUPING SETS, CUBE or ROLLUP"));
        }
        self.group(&aggregate.input, &aggregate.group_expr, &aggregate.aggr_expr, &aggregate.schema)
    }

    /// Groups a plan's rows; the output's columns are the keys and then the aggregates.
    pub(super) fn group(
        &mut self,
        input: &LogicalPlan,
        keys: &[Expr],
        aggregates: &[Expr],
        schema: &DFSchema,
    ) -> Result<Relation> {
        let relation = self.relation(input)?;
        let mut columns = Columns { relation: &relation, schema: input.schema(), exprs: vec![], fields: vec![] };
        let keys = keys.iter().map(|key| columns.number(key)).collect::<Result<Vec<_>>>()?;
        let calls = aggregates.iter().map(|call| read_call(call, &mut columns)).collect::<Result<Vec<_>>>()?;
        let Columns { exprs, fields, .. } = columns;
        // A grouping of stored rows by stored columns reads them in place; any other has its input stored first.
        let direct = relation.sources.len() == 1
            && relation.filters.is_empty()
            && keys
                .iter()
                .chain(calls.iter().flat_map(|c| c.order.iter().map(|(n, _)| n)))
                .all(|&n| place(&exprs[n]).is_some());
        let relation = if direct {
            Relation { columns: exprs, ..relation }
        } else {
            let field = |(number, data_type): (usize, &DataType)| {
                (None, Field::new(format!("#{number}"), data_type.clone(), true).into())
            };
            let stored =
                DFSchema::new_with_metadata(fields.iter().enumerate().map(field).collect(), Default::default())?;
            let width = exprs.len();
            let node = self.arrange(Relation { columns: exprs, ..relation }, &stored)?;
            let columns = (0..width).map(|column| slot(ColumnAt { input: 0, column })).collect();
            Relation { columns, ..Relation::of_node(node, Vec::new()) }
        };
        self.add_reduce(&relation, &keys, &calls, schema)
    }

    fn add_reduce(&mut self, input: &Relation, keys: &[usize], calls: &[Call], schema: &DFSchema) -> Result<Relation> {
        let column = |number: usize| place(&input.columns[number]).map(|at| at.column);
        let key: Vec<usize> = keys.iter().filter_map(|&number| column(number)).collect();
        let slots = self.slot_schema(input)?;
        let mut aggregates = Vec::new();
        for call in calls {
            let part = |number: Option<usize>| {
                number.map(|number| self.compile(input, &slots, &input.columns[number])).transpose()
            };
            let kind = match call.argument {
                Some(number) => kind_of(&input.columns[number].get_type(&slots)?)?,
                None => Kind::Bool,
            };
            aggregates.push(engine::Aggregate {
                function: call.function.clone(),
                argument: part(call.argument)?,
                kind,
                filter: part(call.filter)?,
                distinct: call.distinct,
                order: order_columns(call, column),
            });
        }
        let kinds = schema.fields().iter().map(|field| kind_of(field.data_type())).collect::<Result<Vec<_>>>()?;
        let describe: Vec<_> = calls
            .iter()
            .map(|c| {
                let part = |number: Option<usize>| number.map(|number| &input.columns[number]);
                (&c.function, part(c.argument), part(c.filter), c.distinct, order_columns(c, column))
            })
            .collect();
        let source = input.sources[0].node;
        let signature = format!("reduce {source:?} {key:?} {describe:?} {kinds:?}");
        let width = kinds.len();
        let node = match self.shared.get(&signature) {
            Some(node) => *node,
            None => self.circuit.add_reduce(ReduceSpec { input: source, key, aggregates, kinds: kinds.into() }),
        };
        self.remember(node, signature, schema);
        Ok(Relation::of_node(node, (0..width).collect()))
    }
}

fn kind_of(data_type: &DataType) -> Result<Kind> {
    Kind::of(data_type).ok_or_else(|| Error::unsupported(format_args!("type {data_type}")))
}

/// The order in which an aggregate takes the rows of a group.
fn order_columns(call: &Call, column: impl Fn(usize) -> Option<usize>) -> Vec<OrderColumn> {
    let order = call.order.iter().filter_map(|(number, sort)| {
        Some(OrderColumn { column: column(*number)?, descending: !sort.asc, nulls_first: sort.nulls_first })
    });
    order.collect()
}

fn read_call(expr: &Expr, columns: &mut Columns<'_>) -> Result<Call> {
    let call = match expr {
        Expr::Alias(alias) => return read_call(&alias.expr, columns),
        Expr::AggregateFunction(call) => call,
        other => return Err(Error::unsupported(format_args!("{other} as an aggregate"))),
    };
    let params = &call.params;
    if params.null_treatment == Some(NullTreatment::IgnoreNulls) {
        return Err(Error::unsupported("IGNORE NULLS"));
    }
    let data_type = params.args.first().map(|arg| arg.get_type(columns.schema)).transpose()?;
    let result = expr.get_type(columns.schema)?;
    let function = function(call, data_type.as_ref(), &result)?;
    let reversed = call.func.name() == "last_value";
    let mut order = Vec::new();
    for sort in &params.order_by {
        let mut sort = sort.clone();
        if reversed {
            (sort.asc, sort.nulls_first) = (!sort.asc, !sort.nulls_first);
        }
        order.push((columns.number(&sort.expr)?, sort));
    }
    let extreme = matches!(call.func.name(), "min" | "max");
    if let (true, [argument]) = (extreme, params.args.as_slice()) {
        // The least value is the first in order, so that a change costs no walk through its group.
        let sort = SortExpr::new(argument.clone(), call.func.name() == "min", false);
        order = vec![(columns.number(argument)?, sort)];
    }
    Ok(Call {
        argument: params.args.first().map(|arg| columns.number(arg)).transpose()?,
        filter: params.filter.as_ref().map(|filter| columns.number(filter)).transpose()?,
        // Repeated values change neither the least nor the greatest.
        distinct: params.distinct && !extreme,
        function,
        order,
    })
}

fn function(call: &AggregateFunction, argument: Option<&DataType>, result: &DataType) -> Result<Function> {
    use DataType as T;
    let name = call.func.name();
    Ok(match (name, argument) {
        ("count", _) if call.params.args.len() == 1 => Function::Count,
        ("sum", Some(T::Int64)) => Function::SumInt,
        ("sum", Some(T::UInt64)) => Function::SumUInt,
        ("sum", Some(T::Float64)) => Function::SumFloat,
        ("sum", Some(T::Decimal128(..))) => match result {
            T::Decimal128(precision, _) => Function::SumDecimal { precision: *precision },
            other => return Err(Error::unsupported(format_args!("sum as {other}"))),
        },
        ("avg", Some(T::Float64)) => Function::AvgFloat,
        ("avg", Some(T::Decimal128(_, from))) => match result {
            T::Decimal128(_, to) if to >= from => Function::AvgDecimal { scale_up: (to - from) as u32 },
            other => return Err(Error::unsupported(format_args!("avg as {other}"))),
        },
        ("bool_and", Some(_)) => Function::BoolAnd,
        ("bool_or", Some(_)) => Function::BoolOr,
        ("first_value" | "last_value" | "min" | "max", Some(_)) => Function::First,
        ("array_agg", Some(_)) => Function::ArrayAgg,
        ("string_agg", Some(_)) => Function::StringAgg(delimiter(call)?),
        _ => return Err(Error::unsupported(format_args!("aggregate {name}"))),
    })
}

fn delimiter(call: &AggregateFunction) -> Result<String> {
    match call.params.args.get(1) {
        Some(Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), _)) => Ok(text.clone()),
        Some(Expr::Literal(ScalarValue::LargeUtf8(Some(text)), _)) => Ok(text.clone()),
        _ => Err(Error::unsupported("string_agg with a delimiter that is not a constant text")),
    }
}
