//! The crate's relations and functions, made once: reading its sixty relations for each query would cost more than the query.

use std::sync::{Arc, OnceLock};

use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::error::Result;
use datafusion::execution::context::{SessionConfig, SessionContext};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, col, lit};
use datafusion_pg_catalog::pg_catalog::context::PgCatalogContextProvider;
use datafusion_pg_catalog::pg_catalog::oid_type_planner::PgOidTypePlanner;
use datafusion_pg_catalog::pg_catalog::setup_pg_catalog;

/// Relations of objects and roles are ours, so the crate is told of none.
#[derive(Debug, Clone)]
struct Nothing;

impl PgCatalogContextProvider for Nothing {}

/// Adds the crate's functions and types to a context; its relations are returned.
pub(super) fn install(context: &SessionContext, catalog_name: &str) -> Result<Option<Arc<dyn SchemaProvider>>> {
    let template = template(catalog_name)?;
    let state = context.state_ref();
    let planning = SessionStateBuilder::new_from_existing(state.read().clone());
    let planning = planning.with_type_planner(Arc::new(PgOidTypePlanner)).build();
    *state.write() = planning;
    let from = template.state();
    let known = context.state();
    for (name, function) in from.scalar_functions() {
        if !known.scalar_functions().contains_key(name) {
            context.register_udf(function.as_ref().clone());
        }
    }
    for (name, function) in from.table_functions() {
        // Those of DataFusion too: the crate's take smaller integers.
        context.register_udtf(name, function.function().clone());
    }
    Ok(template.catalog(catalog_name).and_then(|catalog| catalog.schema("pg_catalog")))
}

/// pg_proc with the columns that told kinds of functions before PostgreSQL 11, which clients ask of so old a server.
pub(super) fn with_old_columns(functions: Arc<dyn TableProvider>) -> Result<Arc<dyn TableProvider>> {
    let scan = LogicalPlanBuilder::scan("pg_proc", provider_as_source(functions), None)?;
    let mut columns: Vec<_> = scan.schema().columns().into_iter().map(Expr::Column).collect();
    columns.push(col("prokind").eq(lit("a")).alias("proisagg"));
    columns.push(col("prokind").eq(lit("w")).alias("proiswindow"));
    Ok(Arc::new(ViewTable::new(scan.project(columns)?.build()?, None)))
}

/// A context of the crate's. Every database has the same one name, so the first caller's serves all.
fn template(catalog_name: &str) -> Result<&'static SessionContext> {
    static TEMPLATE: OnceLock<SessionContext> = OnceLock::new();
    if let Some(template) = TEMPLATE.get() {
        return Ok(template);
    }
    let config = SessionConfig::new().with_default_catalog_and_schema(catalog_name, "public");
    let made = SessionContext::new_with_config(config);
    setup_pg_catalog(&made, catalog_name, Nothing).map_err(|error| *error)?;
    Ok(TEMPLATE.get_or_init(|| made))
}
