//! From DataFusion's optimised plan to nodes of the circuit.
//!
//! A plan is folded from its leaves into a [`Relation`]: a join of any number of nodes with filters and output expressions,
//! which costs no state. Only where an operator needs its input stored (grouping, the right side of a left join that is more
//! than a table, a union) does a relation become a node. Equal relations become one node, across views, too. What is not
//! supported is refused by name, never computed wrongly.

mod aggregate;
mod relation;

use std::collections::HashMap;

use arrow_schema::SchemaRef;
use datafusion::common::{Column, DFSchema, JoinType, NullEquality};
use datafusion::logical_expr::{Expr, Join, LogicalPlan, Union, utils::split_conjunction_owned};
use delta::Kind;
use engine::{Circuit, ColumnAt, NodeId};

use crate::error::{Error, Result};
use relation::{Predicate, Relation, Source};

/// The nodes that a plan was made into, beside those that were there.
pub(crate) struct Lowering<'a> {
    pub(crate) circuit: &'a mut Circuit,
    /// Node of each table, source or materialized view, by name.
    pub(crate) tables: &'a HashMap<String, NodeId>,
    /// Arrow schema of each node.
    pub(crate) schemas: &'a mut HashMap<NodeId, SchemaRef>,
    /// Nodes by what they compute, so that equal subplans share one.
    pub(crate) shared: &'a mut HashMap<String, NodeId>,
}

impl Lowering<'_> {
    /// The node whose rows are the plan's.
    ///
    /// # Errors
    /// 0A000 with the construct's name for what is not kept incrementally.
    pub(crate) fn node(&mut self, plan: &LogicalPlan) -> Result<NodeId> {
        let relation = self.relation(plan)?;
        self.arrange(relation, plan.schema())
    }

    fn relation(&mut self, plan: &LogicalPlan) -> Result<Relation> {
        match plan {
            LogicalPlan::TableScan(scan) => {
                let name = scan.table_name.table();
                let node = *self
                    .tables
                    .get(name)
                    .ok_or_else(|| Error::unsupported(format_args!("reading system relation \"{name}\"")))?;
                let columns = match &scan.projection {
                    Some(projection) => projection.clone(),
                    None => (0..plan.schema().fields().len()).collect(),
                };
                let mut relation = Relation::of_node(node, columns);
                for filter in &scan.filters {
                    let predicate = relation.rewrite(filter, plan.schema())?;
                    relation.filters.push(Predicate { expr: predicate, on: None });
                }
                Ok(relation)
            }
            LogicalPlan::Projection(projection) => {
                let mut relation = self.relation(&projection.input)?;
                let schema = projection.input.schema();
                relation.columns =
                    projection.expr.iter().map(|expr| relation.rewrite(expr, schema)).collect::<Result<_>>()?;
                Ok(relation)
            }
            LogicalPlan::Filter(filter) => {
                let mut relation = self.relation(&filter.input)?;
                for part in split_conjunction_owned(filter.predicate.clone()) {
                    let expr = relation.rewrite(&part, filter.input.schema())?;
                    relation.filters.push(Predicate { expr, on: None });
                }
                Ok(relation)
            }
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::SubqueryAlias(alias) => self.relation(&alias.input),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Distinct(datafusion::logical_expr::Distinct::All(input)) => self.distinct(input),
            LogicalPlan::Union(union) => self.union(union, plan.schema()),
            // The order of a view's rows means nothing without a limit.
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => self.relation(&sort.input),
            LogicalPlan::Sort(_) | LogicalPlan::Limit(_) => Err(Error::unsupported("LIMIT")),
            LogicalPlan::Window(_) => Err(Error::unsupported("a window function")),
            // What a condition that never holds leaves of a plan.
            LogicalPlan::EmptyRelation(empty) if !empty.produce_one_row => self.empty(plan.schema()),
            LogicalPlan::Values(_) | LogicalPlan::EmptyRelation(_) => {
                Err(Error::unsupported("a SELECT without a table"))
            }
            LogicalPlan::RecursiveQuery(_) => Err(Error::unsupported("WITH RECURSIVE")),
            LogicalPlan::Unnest(_) => Err(Error::unsupported("UNNEST")),
            other => Err(Error::unsupported(other.display())),
        }
    }

    fn union(&mut self, union: &Union, schema: &DFSchema) -> Result<Relation> {
        let mut nodes = Vec::new();
        for input in &union.inputs {
            let relation = self.relation(input)?;
            nodes.push(self.arrange(relation, schema)?);
        }
        let signature = format!("union {nodes:?}");
        let node = match self.shared.get(&signature) {
            Some(node) => *node,
            None => self.circuit.add_union(nodes),
        };
        self.remember(node, signature, schema);
        Ok(Relation::of_node(node, (0..schema.fields().len()).collect()))
    }

    /// No rows, ever: a table that nothing feeds.
    fn empty(&mut self, schema: &DFSchema) -> Result<Relation> {
        let types: Vec<_> = schema.fields().iter().map(|field| field.data_type().clone()).collect();
        let kind = |data_type| Kind::of(data_type).ok_or_else(|| Error::unsupported(format_args!("type {data_type}")));
        let kinds = types.iter().map(kind).collect::<Result<Vec<_>>>()?;
        let signature = format!("empty {types:?}");
        let node = match self.shared.get(&signature) {
            Some(node) => *node,
            None => self.circuit.add_input(kinds.into(), None),
        };
        self.remember(node, signature, schema);
        Ok(Relation::of_node(node, (0..types.len()).collect()))
    }

    fn join(&mut self, join: &Join) -> Result<Relation> {
        if join.null_equality == NullEquality::NullEqualsNull {
            return Err(Error::unsupported("a join on IS NOT DISTINCT FROM"));
        }
        let outer = match join.join_type {
            JoinType::Inner => false,
            JoinType::Left | JoinType::Right => true,
            JoinType::Full => return Err(Error::unsupported("FULL JOIN")),
            JoinType::LeftSemi | JoinType::RightSemi => return Err(Error::unsupported("EXISTS or IN (subquery)")),
            JoinType::LeftAnti | JoinType::RightAnti => {
                return Err(Error::unsupported("NOT EXISTS or NOT IN (subquery)"));
            }
            JoinType::LeftMark | JoinType::RightMark => return Err(Error::unsupported("a subquery in an expression")),
        };
        if join.on.is_empty() {
            return Err(Error::unsupported("a join without an equality (cross join)"));
        }
        // The side whose rows all stay comes first.
        let swap = join.join_type == JoinType::Right;
        let (first, second) = if swap { (&join.right, &join.left) } else { (&join.left, &join.right) };
        let keys: Vec<_> = join.on.iter().map(|(l, r)| if swap { (r, l) } else { (l, r) }).collect();
        let left_keys: Vec<_> = keys.iter().map(|(key, _)| (*key).clone()).collect();
        let right_keys: Vec<_> = keys.iter().map(|(_, key)| (*key).clone()).collect();
        let (mut left, left_keys) = self.side(first, &left_keys, outer, false)?;
        let (right, right_keys) = self.side(second, &right_keys, outer, outer)?;
        let (first_width, shift) = (left.columns.len(), left.sources.len());
        left.append(right, outer);
        for (a, b) in left_keys.into_iter().zip(right_keys) {
            left.equalities.push((a, ColumnAt { input: b.input + shift, column: b.column }));
        }
        if swap {
            left.columns.rotate_left(first_width);
        }
        for part in join.filter.iter().cloned().flat_map(split_conjunction_owned) {
            let expr = left.rewrite(&part, &join.schema)?;
            left.filters.push(Predicate { expr, on: outer.then_some(shift) });
        }
        Ok(left)
    }

    /// One side of a join and where its key columns are. It is stored where the walk could not go through it: a key that is
    /// computed or may be missing, or the inner side of a left join that is more than one node.
    fn side(
        &mut self,
        plan: &LogicalPlan,
        keys: &[Expr],
        left_join: bool,
        optional: bool,
    ) -> Result<(Relation, Vec<ColumnAt>)> {
        let mut relation = self.relation(plan)?;
        let mut exprs = keys.iter().map(|key| relation.rewrite(key, plan.schema())).collect::<Result<Vec<_>>>()?;
        let found = |relation: &Relation, exprs: &[Expr]| -> Option<Vec<ColumnAt>> {
            let places = exprs.iter().map(relation::place).collect::<Option<Vec<_>>>()?;
            let may_be_missing = |at: &ColumnAt| relation.sources[at.input].outer;
            // The kept side of a left join may look up through an outer input; an inner join may not.
            (!places.iter().any(may_be_missing) || (left_join && !optional)).then_some(places)
        };
        let simple = |relation: &Relation| relation.sources.len() == 1 && relation.is_plain();
        if let Some(places) = found(&relation, &exprs)
            && (!optional || simple(&relation))
        {
            return Ok((relation, places));
        }
        let width = relation.columns.len();
        let mut fields: Vec<_> = plan.schema().iter().map(|(table, field)| (table.cloned(), field.clone())).collect();
        for (number, key) in keys.iter().enumerate() {
            let field = arrow_schema::Field::new(format!("#key{number}"), self.type_of(key, plan.schema())?, true);
            fields.push((None, field.into()));
        }
        relation.columns.append(&mut exprs);
        let schema = DFSchema::new_with_metadata(fields, HashMap::new())?;
        let node = self.arrange(relation, &schema)?;
        let places = (0..keys.len()).map(|number| ColumnAt { input: 0, column: width + number }).collect();
        Ok((Relation::of_node(node, (0..width).collect()), places))
    }

    fn type_of(&self, expr: &Expr, schema: &DFSchema) -> Result<arrow_schema::DataType> {
        use datafusion::logical_expr::ExprSchemable;
        Ok(expr.get_type(schema)?)
    }

    fn distinct(&mut self, input: &LogicalPlan) -> Result<Relation> {
        let keys: Vec<Expr> = input
            .schema()
            .iter()
            .map(|(table, field)| Expr::Column(Column::new(table.cloned(), field.name())))
            .collect();
        self.group(input, &keys, &[], input.schema())
    }
}

/// A source of a relation at its beginning.
impl Relation {
    fn of_node(node: NodeId, columns: Vec<usize>) -> Relation {
        Relation {
            sources: vec![Source { node, outer: false }],
            equalities: Vec::new(),
            filters: Vec::new(),
            columns: columns.into_iter().map(|column| relation::slot(ColumnAt { input: 0, column })).collect(),
        }
    }
}
