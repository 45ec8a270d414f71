//! Queries: planned once against the columns of what they name, run over snapshots of one moment.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow_schema::{DataType, SchemaRef};
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider,
};
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{ParamValues, ScalarValue, TableReference};
use datafusion::datasource::{MemTable, TableProvider, ViewTable, provider_as_source};
use datafusion::error::DataFusionError;
use datafusion::execution::context::SessionContext;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;
use datafusion::sql::parser::Statement as Planned;
use datafusion::sql::sqlparser::ast as sql;
use engine::Snapshot;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};

use crate::catalog::{Body, SYSTEM_SCHEMA, TIMELINES, object_name};
use crate::database::Database;
use crate::differs;
use crate::{Error, Result};
use crate::lookup::Lookup;
use crate::meaning::with_meaning;
use crate::output_names::{named, shown};
use crate::parse::ast::{Parsed, Statement};
use crate::pg_catalog;
use crate::rounding::with_digits;
use crate::snapshot_table::SnapshotTable;
use crate::source_status::Notice;

/// A statement that was understood, with the types of its parameters and of its answer.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The statement.
    pub parsed: Arc<Parsed>,
    /// Type of each parameter, `$1` first.
    pub parameters: Vec<DataType>,
    /// Columns of the answer; `None` where it is a tag.
    pub columns: Option<SchemaRef>,
    plan: Option<Arc<LogicalPlan>>,
    lookup: Option<Arc<Lookup>>,
    generation: u64,
}

/// A planned query with the snapshots that it reads.
pub struct Query {
    /// Columns of the result.
    pub schema: SchemaRef,
    /// Relations that it reads, those inside views included.
    pub reads: Vec<String>,
    /// What its reader is told beside the rows.
    pub notices: Vec<Notice>,
    body: QueryBody,
}

enum QueryBody {
    Plan(Box<LogicalPlan>, Box<SessionContext>),
    Rows(RecordBatch),
}

impl Query {
    /// A query whose rows are known.
    pub(crate) fn of(batch: RecordBatch) -> Self {
        Query { schema: batch.schema(), reads: Vec::new(), notices: Vec::new(), body: QueryBody::Rows(batch) }
    }

    /// The rows, if they are known without running anything.
    pub fn ready(self) -> Result<RecordBatch, Self> {
        match self.body {
            QueryBody::Rows(batch) => Ok(batch),
            body => Err(Query { body, ..self }),
        }
    }

    /// The rows, as they are computed. Needs a Tokio runtime.
    ///
    /// # Errors
    /// What goes wrong in planning it, with PostgreSQL's SQLSTATE; later errors come in the stream.
    pub async fn stream(self) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        match self.body {
            QueryBody::Plan(plan, context) => {
                let batches = context.execute_logical_plan(*plan).await?.execute_stream().await?;
                Ok(batches.map_err(Error::from).boxed())
            }
            QueryBody::Rows(batch) => Ok(futures::stream::iter([Ok(batch)]).boxed()),
        }
    }

    /// The rows. Needs a multi-threaded Tokio runtime.
    ///
    /// # Errors
    /// What goes wrong in evaluating it, with PostgreSQL's SQLSTATE.
    pub async fn run(self) -> Result<Vec<RecordBatch>> {
        match self.body {
            QueryBody::Plan(plan, context) => Ok(context.execute_logical_plan(*plan).await?.collect().await?),
            QueryBody::Rows(batch) => Ok(vec![batch]),
        }
    }

    /// The rows, computed while this thread waits. Needs a multi-threaded Tokio runtime.
    ///
    /// # Errors
    /// As [`Query::run`].
    pub(crate) fn wait(self) -> Result<Vec<RecordBatch>> {
        // A task's budget comes back only when the task returns to its runtime, which it does not meanwhile: operators that
        // wait for it would wait for ever.
        futures::executor::block_on(tokio::task::unconstrained(self.run()))
    }
}

/// A statement as DataFusion plans it.
fn planned(query: &sql::Query) -> Planned {
    Planned::Statement(Box::new(sql::Statement::Query(Box::new(query.clone()))))
}

impl Database {
    /// Understands a statement: the types of its parameters and of its answer.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn prepare(&self, parsed: &Arc<Parsed>, parameter_types: &[Option<DataType>]) -> Result<Prepared> {
        let query = match &parsed.statement {
            Statement::Query(query) | Statement::CopyOut { query, .. } => query,
            statement => {
                return Ok(Prepared {
                    parsed: parsed.clone(),
                    parameters: self.statement_parameters(statement, parameter_types)?,
                    columns: self.answer_columns(statement)?,
                    plan: None,
                    lookup: None,
                    generation: self.generation,
                });
            }
        };
        let (cast, known) = self.known_parameters(query, parameter_types)?;
        let query = cast.as_ref().unwrap_or(query);
        let mut plan = self.uncoerced(query)?;
        let parameters = parameters(&plan, &known)?;
        let lookup = self.lookup_of(&plan).map(Arc::new);
        let columns = if parameters.is_empty() {
            plan = self.coerced(plan)?;
            plan.schema().inner().clone()
        } else {
            // The values may be of other types than the parameters, so the plan itself is coerced when it has them.
            let plan = self.coerced(plan.clone()).unwrap_or_else(|_| plan.clone());
            plan.schema().inner().clone()
        };
        Ok(Prepared {
            parsed: parsed.clone(),
            parameters,
            columns: Some(shown(columns)),
            plan: Some(Arc::new(plan)),
            lookup,
            generation: self.generation,
        })
    }

    /// A query over this moment's rows.
    ///
    /// # Errors
    /// What is wrong with it, or the error that a row of a view it reads has instead of a value.
    pub fn query(&self, prepared: &Prepared, parameters: &[ScalarValue]) -> Result<Query> {
        if parameters.len() < prepared.parameters.len() {
            let message = format!(
                "bind message supplies {} parameters, but the prepared statement requires {}",
                parameters.len(),
                prepared.parameters.len()
            );
            return Err(Error::new(b"08P01", message));
        }
        if prepared.generation != self.generation {
            let types: Vec<_> = prepared.parameters.iter().cloned().map(Some).collect();
            let again = self.prepare(&prepared.parsed, &types)?;
            if again.columns != prepared.columns {
                return Err(Error::new(b"0A000", "cached plan must not change result type"));
            }
            return self.run_prepared(&again, parameters);
        }
        self.run_prepared(prepared, parameters)
    }

    /// What a query reads, whatever the values of its parameters are.
    pub fn reads(&self, prepared: &Prepared) -> Vec<String> {
        match (&prepared.lookup, &prepared.plan) {
            (Some(lookup), _) => vec![lookup.name.clone()],
            (None, Some(plan)) => names(plan),
            (None, None) => Vec::new(),
        }
    }

    fn run_prepared(&self, prepared: &Prepared, parameters: &[ScalarValue]) -> Result<Query> {
        if let Some(lookup) = &prepared.lookup
            && !self.columns_lost
            && let Some(batch) = self.look_up(lookup, parameters)?
        {
            let reads = vec![lookup.name.clone()];
            self.readable([lookup.name.as_str()])?;
            let notices = self.notices([lookup.name.as_str()]);
            return Ok(Query { schema: shown(batch.schema()), reads, notices, body: QueryBody::Rows(batch) });
        }
        let Some(plan) = &prepared.plan else {
            return Err(Error::new(b"XX000", "a statement that answers no rows was run as a query"));
        };
        self.attached(plan.as_ref().clone(), parameters)
    }

    /// Plans a query against the columns of what it names; it holds no rows.
    pub(crate) fn plan(&self, query: &sql::Query) -> Result<LogicalPlan> {
        self.coerced(self.uncoerced(query)?)
    }

    /// A plan whose expressions stand as they were written.
    pub(crate) fn uncoerced(&self, query: &sql::Query) -> Result<LogicalPlan> {
        let context = self.context()?;
        let mut query = named(query.clone());
        differs::mend(&mut query);
        let references = self.state.resolve_table_references(&planned(&query))?;
        let system = pg_catalog::wanted(&references, |name| self.objects.contains_key(name));
        // What clients ask of the catalogs is in known shapes.
        let clients_own = system && !references.is_empty();
        if !clients_own {
            differs::refuse(&query)?;
        }
        for reference in references {
            let name = object_name(&reference);
            self.intact(&name)?;
            if let Some(provider) = self.provider(&name)
                && !context.table_exist(reference.clone())?
            {
                let own = TableReference::partial(SYSTEM_SCHEMA, reference.table());
                let bare = TableReference::bare(reference.table());
                let place = if reference.schema() == Some(SYSTEM_SCHEMA) { own } else { bare };
                if !context.table_exist(place.clone())? {
                    context.register_table(place, provider)?;
                }
            }
        }
        let statement = if system {
            pg_catalog::register(&context, &self.state.config_options().catalog.default_catalog, &self.catalog())?;
            let rewritten = pg_catalog::rewritten(&query);
            rewritten.map_or_else(|| planned(&query), |rewritten| Planned::Statement(Box::new(rewritten)))
        } else {
            planned(&query)
        };
        let plan = with_digits(futures::executor::block_on(context.state().statement_to_plan(statement))?)?;
        Ok(if clients_own { plan } else { with_meaning(plan)? })
    }

    /// The plan with its final types: the branches of a union, CASE or COALESCE have one type only once they are coerced.
    fn coerced(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        Ok(TypeCoercion::new().analyze(plan, self.state.config_options())?)
    }

    /// A context with a catalog of its own, named as clients know it. Clones of one state would share theirs.
    fn context(&self) -> Result<SessionContext> {
        let options = &self.state.config_options().catalog;
        let catalog = MemoryCatalogProvider::new();
        for schema in [options.default_schema.as_str(), SYSTEM_SCHEMA] {
            catalog.register_schema(schema, Arc::new(MemorySchemaProvider::new()))?;
        }
        let list = MemoryCatalogProviderList::new();
        list.register_catalog(options.default_catalog.clone(), Arc::new(catalog));
        let state = SessionStateBuilder::new_from_existing(self.state.clone()).with_catalog_list(Arc::new(list));
        Ok(SessionContext::new_with_state(state.build()))
    }

    /// An object's columns as DataFusion plans with them.
    fn provider(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        match &self.objects.get(name)?.body {
            Body::View { view, .. } => Some(view.clone()),
            Body::Secret(_) | Body::Connection(_) | Body::Index { .. } | Body::Broken(_) => None,
            _ => {
                let schema = self.columns.get(name)?.clone();
                Some(Arc::new(SnapshotTable { schema, snapshot: Snapshot::default() }))
            }
        }
    }

    /// The objects that a query names, views as views.
    pub(crate) fn references(&self, query: &sql::Query) -> Result<Vec<String>> {
        let references = self.state.resolve_table_references(&planned(query))?;
        let mut names: Vec<_> = references.iter().map(object_name).filter(|name| self.exists(name)).collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// A view's plan, to be expanded where it is used.
    pub(crate) fn view(&self, query: &sql::Query, columns: &[String]) -> Result<ViewTable> {
        let plan = renamed(self.plan(query)?, columns)?;
        Ok(ViewTable::new(plan, Some(query.to_string())))
    }

    /// The plan with this moment's rows and the parameters' values.
    pub(crate) fn attached(&self, plan: LogicalPlan, parameters: &[ScalarValue]) -> Result<Query> {
        let reads = names(&plan);
        self.readable(reads.iter().map(String::as_str))?;
        for name in &reads {
            if let Some(error) = self.nodes.get(name).and_then(|node| self.circuit.error(*node)) {
                return Err(error.clone().into());
            }
        }
        let schema = shown(plan.schema().inner().clone());
        let plan = match parameters {
            [] => plan,
            values => plan.replace_params_with_values(&ParamValues::from(values.to_vec()))?,
        };
        self.columns_readable(&plan)?;
        let mut snapshots: HashMap<String, Arc<SnapshotTable>> = HashMap::new();
        let attached = plan.transform_up_with_subqueries(|plan| {
            let LogicalPlan::TableScan(mut scan) = plan else { return Ok(Transformed::no(plan)) };
            let name = object_name(&scan.table_name);
            if name == TIMELINES {
                let rows = self.timelines.rows().map_err(|error| DataFusionError::External(Box::new(error)))?;
                let table = MemTable::try_new(rows.schema(), vec![vec![rows]])?;
                scan.source = provider_as_source(Arc::new(table));
            } else if let Some(node) = self.nodes.get(&name) {
                let schema = scan.source.schema();
                let table = snapshots
                    .entry(name)
                    .or_insert_with(|| Arc::new(SnapshotTable { schema, snapshot: self.circuit.snapshot(*node) }));
                scan.source = provider_as_source(table.clone());
            }
            Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
        })?;
        let context = Box::new(SessionContext::new_with_state(self.answering.clone()));
        let notices = self.notices(reads.iter().map(String::as_str));
        Ok(Query { schema, reads, notices, body: QueryBody::Plan(Box::new(attached.data), context) })
    }
}

/// All names that a query reads, whether they exist or not.
pub(crate) fn named_in(state: &SessionState, query: &sql::Query) -> Vec<String> {
    let references = state.resolve_table_references(&planned(query)).unwrap_or_default();
    references.iter().map(object_name).collect()
}

/// A plan whose columns have these names; as they are where there are none.
pub(crate) fn renamed(plan: LogicalPlan, columns: &[String]) -> Result<LogicalPlan> {
    use datafusion::logical_expr::{LogicalPlanBuilder, col};
    if columns.is_empty() {
        return Ok(plan);
    }
    let width = plan.schema().fields().len();
    if columns.len() != width {
        let message = format!("the view names {} columns, but its query has {width}", columns.len());
        return Err(Error::new(b"42601", message));
    }
    let old: Vec<_> = plan.schema().columns();
    let exprs: Vec<_> = old.into_iter().zip(columns).map(|(column, name)| col(column).alias(name)).collect();
    Ok(LogicalPlanBuilder::from(plan).project(exprs)?.build()?)
}

/// Types of `$1`, `$2`, …: as the client says, else as the statement uses them, else text.
pub(crate) fn parameters(plan: &LogicalPlan, explicit: &[Option<DataType>]) -> Result<Vec<DataType>> {
    let mut inferred: HashMap<usize, Option<DataType>> = HashMap::new();
    for (name, data_type) in plan.get_parameter_types()? {
        let number = name.strip_prefix('$').and_then(|number| number.parse::<usize>().ok()).filter(|&n| n > 0);
        let number = number.ok_or_else(|| Error::new(b"42P02", format!("there is no parameter {name}")))?;
        inferred.insert(number - 1, data_type);
    }
    let count = inferred.keys().map(|number| number + 1).max().unwrap_or(0).max(explicit.len());
    let limits = limit_parameters(plan);
    let of = |number: usize| {
        let given = explicit.get(number).cloned().flatten();
        let limit = limits.contains(&number).then_some(DataType::Int64);
        given.or_else(|| inferred.get(&number).cloned().flatten()).or(limit).unwrap_or(DataType::Utf8)
    };
    Ok((0..count).map(of).collect())
}

/// Parameters of LIMIT and OFFSET, which no operator gives a type.
fn limit_parameters(plan: &LogicalPlan) -> Vec<usize> {
    let mut found = Vec::new();
    let visited = plan.apply_with_subqueries(|plan| {
        if let LogicalPlan::Limit(limit) = plan {
            for expr in [&limit.fetch, &limit.skip].into_iter().flatten() {
                let text = expr.to_string();
                found.extend(text.strip_prefix('$').and_then(|n| n.parse::<usize>().ok()).map(|n| n - 1));
            }
        }
        Ok(TreeNodeRecursion::Continue)
    });
    visited.expect("collecting parameters cannot fail");
    found
}

/// The names that a plan scans, those inside views included.
pub(crate) fn names(plan: &LogicalPlan) -> Vec<String> {
    let mut names = Vec::new();
    let visited = plan.apply_with_subqueries(|plan| {
        if let LogicalPlan::TableScan(scan) = plan {
            names.push(object_name(&scan.table_name));
            if let Some(view) = scan.source.get_logical_plan() {
                names.extend(self::names(&view));
            }
        }
        Ok(TreeNodeRecursion::Continue)
    });
    visited.expect("collecting names cannot fail");
    names.sort();
    names.dedup();
    names
}
