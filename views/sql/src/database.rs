//! Tables, sources and views by name, on one circuit; statements in, tags and rows out. No I/O: sources are fed by commits.
//!
//! Readers take a [`Query`], which holds snapshots of what it reads, all of one moment, and run it while ticks go on.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow_schema::SchemaRef;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider,
};
use datafusion::common::TableReference;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::{TableProvider, ViewTable, provider_as_source};
use datafusion::execution::context::{SessionConfig, SessionContext};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::sql::parser::Statement as Parsed;
use delta::{Commit, Op, TableId, TableSchema};
use engine::{Circuit, NodeId, Snapshot};

use crate::error::{Error, Result};
use crate::lower::Lowering;
use crate::snapshot_table::SnapshotTable;

/// What a name stands for.
#[derive(Debug, Clone)]
pub(crate) enum Object {
    /// `CREATE TABLE`: rows come by INSERT, UPDATE, DELETE.
    Table(NodeId),
    /// Rows come by commits from outside.
    Source(NodeId),
    /// A query, expanded where it is used.
    View(Arc<ViewTable>),
    /// A query kept fresh.
    MaterializedView {
        /// The node that holds its rows.
        node: NodeId,
        /// Names it reads.
        reads: Vec<String>,
    },
}

impl Object {
    pub(crate) fn node(&self) -> Option<NodeId> {
        match self {
            Object::Table(node) | Object::Source(node) | Object::MaterializedView { node, .. } => Some(*node),
            Object::View(_) => None,
        }
    }
}

/// See the module.
pub struct Database {
    circuit: Circuit,
    pub(crate) objects: BTreeMap<String, Object>,
    nodes: HashMap<String, NodeId>,
    /// Columns of each object as it names them: views that share a node may name its columns differently.
    columns: HashMap<String, SchemaRef>,
    pub(crate) schemas: HashMap<NodeId, SchemaRef>,
    shared: HashMap<String, NodeId>,
    tables: Vec<NodeId>,
    state: SessionState,
}

impl Default for Database {
    fn default() -> Self {
        Self::new()
    }
}

impl Database {
    /// A database without objects.
    pub fn new() -> Self {
        let mut config = SessionConfig::new().with_target_partitions(1).with_information_schema(false);
        config.options_mut().sql_parser.dialect = datafusion::common::config::Dialect::PostgreSQL;
        let state = SessionStateBuilder::new().with_config(config).with_default_features().build();
        Database {
            circuit: Circuit::new(),
            objects: BTreeMap::new(),
            nodes: HashMap::new(),
            columns: HashMap::new(),
            schemas: HashMap::new(),
            shared: HashMap::new(),
            tables: Vec::new(),
            state,
        }
    }

    /// Adds a source whose rows come by [`Database::apply`].
    ///
    /// # Errors
    /// 42P07 if the name is taken.
    pub fn create_source(&mut self, name: &str, schema: &TableSchema) -> Result<TableId> {
        self.free(name)?;
        let node = self.circuit.add_input(schema.kinds.clone(), schema.key.as_deref());
        self.define(name, Object::Source(node), schema.schema.clone());
        self.tables.push(node);
        Ok(TableId(self.tables.len() as u32 - 1))
    }

    /// Takes whole commits through all views in one tick: readers see all of them or none.
    pub fn apply(&mut self, commits: impl IntoIterator<Item = Commit>) {
        let tables = &self.tables;
        let changes = commits.into_iter().flat_map(|commit| commit.changes);
        self.circuit.tick(changes.map(|change| (tables[change.table.0 as usize], change.op)));
    }

    /// Changes one local table.
    pub(crate) fn change(&mut self, node: NodeId, ops: impl IntoIterator<Item = Op>) {
        self.circuit.tick(ops.into_iter().map(|op| (node, op)));
    }

    pub(crate) fn free(&self, name: &str) -> Result<()> {
        match self.objects.contains_key(name) {
            true => Err(Error::new("42P07", format!("\"{name}\" already exists"))),
            false => Ok(()),
        }
    }

    pub(crate) fn define(&mut self, name: &str, object: Object, schema: SchemaRef) {
        if let Some(node) = object.node() {
            self.nodes.insert(name.to_owned(), node);
            self.schemas.entry(node).or_insert_with(|| schema.clone());
            self.columns.insert(name.to_owned(), schema);
        }
        self.objects.insert(name.to_owned(), object);
    }

    pub(crate) fn create_table(&mut self, name: &str, schema: &TableSchema) {
        let node = self.circuit.add_input(schema.kinds.clone(), None);
        self.define(name, Object::Table(node), schema.schema.clone());
    }

    /// Forgets a name. The nodes of a view stay: others may share them.
    pub(crate) fn forget(&mut self, name: &str) {
        self.objects.remove(name);
        self.nodes.remove(name);
        self.columns.remove(name);
    }

    /// The names that read `name` directly.
    pub(crate) fn readers(&self, name: &str) -> Vec<String> {
        let reads = |object: &Object| match object {
            Object::MaterializedView { reads, .. } => reads.iter().any(|read| read == name),
            Object::View(view) => names(view.logical_plan()).iter().any(|read| read == name),
            _ => false,
        };
        self.objects.iter().filter(|(_, object)| reads(object)).map(|(name, _)| name.clone()).collect()
    }

    /// Plans a query over snapshots of what it names.
    pub(crate) fn plan(&self, statement: Parsed) -> Result<(LogicalPlan, SessionContext)> {
        let context = self.fresh_context()?;
        let mut open: Vec<TableReference> = self.state.resolve_table_references(&statement)?;
        while let Some(reference) = open.pop() {
            let name = reference.table();
            if context.table_exist(name)? {
                continue;
            }
            let Some(object) = self.objects.get(name) else { continue };
            context.register_table(TableReference::bare(name), self.provider(name, object)?)?;
        }
        let plan = futures::executor::block_on(context.state().statement_to_plan(statement))?;
        Ok((plan, context))
    }

    /// A context with an empty catalog of its own: clones of one state would share theirs, and with it old snapshots.
    fn fresh_context(&self) -> Result<SessionContext> {
        let options = &self.state.config_options().catalog;
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema(&options.default_schema, Arc::new(MemorySchemaProvider::new()))?;
        let list = MemoryCatalogProviderList::new();
        list.register_catalog(options.default_catalog.clone(), Arc::new(catalog));
        let state = SessionStateBuilder::new_from_existing(self.state.clone()).with_catalog_list(Arc::new(list));
        Ok(SessionContext::new_with_state(state.build()))
    }

    fn provider(&self, name: &str, object: &Object) -> Result<Arc<dyn TableProvider>> {
        let node = match object {
            Object::View(view) => return Ok(view.clone()),
            other => other.node().ok_or_else(|| Error::new("XX000", "an object without rows"))?,
        };
        Ok(Arc::new(SnapshotTable { schema: self.columns[name].clone(), snapshot: self.circuit.snapshot(node) }))
    }

    /// A query over this moment's rows.
    ///
    /// # Errors
    /// What is wrong with the statement, or the error that a row of a view it reads has instead of a value.
    pub(crate) fn query(&self, statement: Parsed) -> Result<Query> {
        let (plan, context) = self.plan(statement)?;
        for name in names(&plan) {
            if let Some(error) = self.nodes.get(&name).and_then(|node| self.circuit.error(*node)) {
                return Err(error.clone().into());
            }
        }
        Ok(Query { schema: plan.schema().inner().clone(), plan, context })
    }

    /// A plan whose views hold no rows, to be expanded where the view is used.
    pub(crate) fn view(&self, statement: Parsed, text: &str) -> Result<ViewTable> {
        let (plan, _) = self.plan(statement)?;
        Ok(ViewTable::new(self.detach(plan)?, Some(text.to_owned())))
    }

    /// Replaces snapshots in a plan by empty ones: a stored view must not keep rows alive.
    fn detach(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let detached = plan.transform_up_with_subqueries(|plan| {
            use datafusion::common::tree_node::Transformed;
            let LogicalPlan::TableScan(mut scan) = plan else { return Ok(Transformed::no(plan)) };
            if self.nodes.contains_key(scan.table_name.table()) {
                let schema = scan.source.schema();
                scan.source = provider_as_source(Arc::new(SnapshotTable { schema, snapshot: Snapshot::default() }));
            }
            Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
        })?;
        Ok(detached.data)
    }

    /// Makes a query into nodes that are kept fresh, and computes its rows.
    pub(crate) fn materialize(&mut self, name: &str, statement: Parsed) -> Result<()> {
        let (plan, context) = self.plan(statement)?;
        refuse_unstable(&plan)?;
        let schema = plan.schema().inner().clone();
        let reads = names(&plan);
        let plan = context.state().optimize(&plan)?;
        let mut lowering = Lowering {
            circuit: &mut self.circuit,
            tables: &self.nodes,
            schemas: &mut self.schemas,
            shared: &mut self.shared,
        };
        let node = lowering.node(&plan)?;
        self.define(name, Object::MaterializedView { node, reads }, schema);
        Ok(())
    }

    /// Whether no node holds any row.
    pub fn is_empty(&self) -> bool {
        self.circuit.is_empty()
    }
}

/// The names that a plan scans, those inside views included.
fn names(plan: &LogicalPlan) -> Vec<String> {
    let mut names = Vec::new();
    let visited = plan.apply_with_subqueries(|plan| {
        if let LogicalPlan::TableScan(scan) = plan {
            names.push(scan.table_name.table().to_owned());
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

/// A function whose value changes by itself would be folded to its value at planning time.
fn refuse_unstable(plan: &LogicalPlan) -> Result<()> {
    let mut found = None;
    plan.apply_with_subqueries(|plan| {
        plan.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::ScalarFunction(call) = expr
                    && call.func.signature().volatility != Volatility::Immutable
                {
                    found = Some(call.func.name().to_owned());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    match found {
        Some(name) => Err(Error::unsupported(format_args!("function {name}(), whose value changes by itself,"))),
        None => Ok(()),
    }
}

/// A planned query with the snapshots that it reads.
pub struct Query {
    /// Columns of the result.
    pub schema: SchemaRef,
    plan: LogicalPlan,
    context: SessionContext,
}

impl Query {
    /// The rows.
    ///
    /// # Errors
    /// What goes wrong in evaluating it, with PostgreSQL's SQLSTATE.
    pub async fn run(self) -> Result<Vec<RecordBatch>> {
        Ok(self.context.execute_logical_plan(self.plan).await?.collect().await?)
    }
}
