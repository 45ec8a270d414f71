//! Tables, sources and views by name, on one circuit; statements in, tags and rows out. No I/O: sources are fed by commits.
//!
//! Readers take a [`Query`], which holds snapshots of what it reads, all of one moment, and run it while ticks go on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::context::SessionConfig;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use delta::{Change, Commit, Op, RowRef, TableId, TableSchema};
use engine::{Circuit, IndexId, NodeId};

use crate::catalog::{Body, CatalogObject, DEAD_LETTERS, Object, TIMELINES};
use crate::checked::{CheckedIntegers, CheckedSums};
use crate::error::{Error, Result};
use crate::lower::Lowering;
use crate::parse::ast::{Connection, ObjectKind};
use crate::timelines::{Timelines, timeline_columns};

/// The first number of an object of the user's, as in PostgreSQL.
const FIRST_OID: u32 = 16_384;

/// How much of its first rows a source has read or a view was computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Records or rows taken in.
    pub read: u64,
    /// Records or rows in all; 0 while unknown.
    pub of: u64,
}

/// See the module.
pub struct Database {
    pub(crate) circuit: Circuit,
    pub(crate) objects: BTreeMap<String, Object>,
    pub(crate) nodes: HashMap<String, NodeId>,
    /// Columns of each object as it names them: views that share a node may name its columns differently.
    pub(crate) columns: HashMap<String, SchemaRef>,
    pub(crate) schemas: HashMap<NodeId, SchemaRef>,
    shared: HashMap<String, NodeId>,
    /// Of nodes that have a key: its columns and its index.
    pub(crate) key_indexes: HashMap<NodeId, (Vec<usize>, IndexId)>,
    tables: Vec<NodeId>,
    /// Plans views.
    pub(crate) state: SessionState,
    /// Runs queries.
    pub(crate) answering: SessionState,
    /// Changes with every CREATE and DROP: a plan made before may not hold any more.
    pub(crate) generation: u64,
    next_oid: u32,
    /// Sources whose initial rows have not all come.
    hydrating: BTreeMap<TableId, Progress>,
    dead_letters: TableId,
    pub(crate) timelines: Timelines,
}

impl Default for Database {
    fn default() -> Self {
        Self::new()
    }
}

impl Database {
    /// A database without objects.
    pub fn new() -> Self {
        let mut config = SessionConfig::new()
            .with_default_catalog_and_schema("materialize", "public")
            .with_target_partitions(1)
            .with_information_schema(false);
        config.options_mut().execution.time_zone = Some("UTC".into());
        // DataFusion's plans and their physical form do not agree in all cases of CASE on whether a value may be NULL.
        config.options_mut().execution.skip_physical_aggregate_schema_check = true;
        // 1.1 is a numeric, as in PostgreSQL, not a double.
        config.options_mut().sql_parser.parse_float_as_decimal = true;
        config.options_mut().sql_parser.dialect = datafusion::common::config::Dialect::PostgreSQL;
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_default_features()
            .with_analyzer_rule(Arc::new(CheckedIntegers))
            .build();
        // The rule cannot take out a key that is the cast of another: it would give both one name.
        let rules = state.optimizers().iter().filter(|rule| rule.name() != "eliminate_group_by_constant").cloned();
        let rules = rules.collect();
        let state = SessionStateBuilder::new_from_existing(state).with_optimizer_rules(rules).build();
        let answering =
            SessionStateBuilder::new_from_existing(state.clone()).with_analyzer_rule(Arc::new(CheckedSums)).build();
        let mut database = Database {
            circuit: Circuit::new(),
            objects: BTreeMap::new(),
            nodes: HashMap::new(),
            columns: HashMap::new(),
            schemas: HashMap::new(),
            shared: HashMap::new(),
            key_indexes: HashMap::new(),
            tables: Vec::new(),
            state,
            answering,
            generation: 0,
            next_oid: FIRST_OID,
            hydrating: BTreeMap::new(),
            dead_letters: TableId(0),
            timelines: Timelines::default(),
        };
        let table = TableSchema::new(dead_letter_columns(), None).expect("rows hold these types");
        database.dead_letters = database.create_source(DEAD_LETTERS, &table, "").expect("the first object");
        database.define(TIMELINES, "", Body::Timelines, Some(timeline_columns()));
        database
    }

    /// Adds a source whose rows come by [`Database::apply`].
    ///
    /// # Errors
    /// 42P07 if the name is taken.
    pub fn create_source(&mut self, name: &str, schema: &TableSchema, definition: &str) -> Result<TableId> {
        self.free(name)?;
        let node = self.circuit.add_input(schema.kinds.clone(), schema.key.as_deref());
        let table = TableId(self.tables.len() as u32);
        self.tables.push(node);
        self.define(name, definition, Body::Source { node, table }, Some(schema.schema.clone()));
        Ok(table)
    }

    /// Says that the rows of a source are still coming; its readers wait.
    pub fn set_hydrating(&mut self, table: TableId, progress: Progress) {
        self.hydrating.insert(table, progress);
    }

    /// Says that all initial rows of a source have come.
    pub fn set_hydrated(&mut self, table: TableId) {
        self.hydrating.remove(&table);
    }

    /// Whether rows of a source are still coming.
    pub fn is_hydrating(&self, table: TableId) -> bool {
        self.hydrating.contains_key(&table)
    }

    /// Kinds of the columns of `tidewater.dead_letters`.
    pub fn dead_letter_kinds(&self) -> &Arc<[delta::Kind]> {
        self.circuit.kinds(self.tables[self.dead_letters.0 as usize])
    }

    /// Progress of those among what `names` read that do not hold all rows yet: sources whose initial rows have not all come
    /// and views that are being built.
    pub fn hydrating<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Vec<(String, Progress)> {
        if self.hydrating.is_empty() && self.circuit.is_all_built() {
            return Vec::new();
        }
        let mut open: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        while let Some(name) = open.pop() {
            let Some(object) = self.objects.get(&name).filter(|_| seen.insert(name.clone())) else { continue };
            match &object.body {
                Body::Source { table, .. } => found.extend(self.hydrating.get(table).map(|&progress| (name, progress))),
                Body::MaterializedView { reads, node } => {
                    open.extend(reads.iter().cloned());
                    if !self.circuit.is_built(*node) {
                        let (read, of) = self.circuit.progress(*node);
                        found.push((name, Progress { read: read as u64, of: of as u64 }));
                    }
                }
                Body::View { reads, .. } => open.extend(reads.iter().cloned()),
                _ => {}
            }
        }
        found
    }

    /// Takes whole commits through all views in one tick: readers see all of them or none, and their timelines' positions
    /// with them. Changes of sources that were dropped meanwhile are passed over.
    pub fn apply(&mut self, commits: impl IntoIterator<Item = Commit>) {
        let (tables, timelines) = (&self.tables, &mut self.timelines);
        let changes = commits.into_iter().flat_map(|commit| {
            timelines.take(&commit);
            commit.changes
        });
        let circuit = &mut self.circuit;
        circuit.tick(changes.map(|change| (tables[change.table.0 as usize], change.op)));
    }

    /// Keeps a record that could not be decoded: a row of `tidewater.dead_letters`.
    pub fn add_dead_letter(&mut self, row: RowRef<'_>) {
        let change = Change { table: self.dead_letters, op: Op::Insert(row.into()) };
        self.apply([Commit::local(vec![change])]);
    }

    /// Changes one local table.
    pub(crate) fn change(&mut self, node: NodeId, ops: impl IntoIterator<Item = Op>) {
        self.circuit.tick(ops.into_iter().map(|op| (node, op)));
    }

    /// Fails if `name` is taken.
    ///
    /// # Errors
    /// 42P07.
    pub fn free(&self, name: &str) -> Result<()> {
        match self.objects.get(name) {
            Some(object) => {
                let kind = object.kind().words().to_lowercase();
                Err(Error::new("42P07", format!("{kind} \"{name}\" already exists")))
            }
            None => Ok(()),
        }
    }

    /// Whether there is an object of this name.
    pub fn exists(&self, name: &str) -> bool {
        self.objects.contains_key(name)
    }

    pub(crate) fn define(&mut self, name: &str, definition: &str, body: Body, schema: Option<SchemaRef>) {
        let object = Object { oid: self.next_oid, definition: definition.to_owned(), body };
        self.next_oid += 1;
        self.generation += 1;
        if let Some(node) = object.node() {
            self.nodes.insert(name.to_owned(), node);
            if let Some(key) = self.circuit.key(node).filter(|key| !key.is_empty()) {
                let index = self.circuit.add_index(node, &key);
                self.key_indexes.insert(node, (key, index));
            }
            if let Some(schema) = &schema {
                self.schemas.entry(node).or_insert_with(|| schema.clone());
            }
        }
        if let Some(schema) = schema {
            self.columns.insert(name.to_owned(), schema);
        }
        self.objects.insert(name.to_owned(), object);
    }

    pub(crate) fn create_table(&mut self, name: &str, schema: &TableSchema, definition: &str) {
        let node = self.circuit.add_input(schema.kinds.clone(), None);
        self.define(name, definition, Body::Table(node), Some(schema.schema.clone()));
    }

    /// Forgets names; gives the sources among them. Rows that no other object is made from go.
    pub(crate) fn forget(&mut self, names: &[String]) -> Vec<TableId> {
        let mut sources = Vec::new();
        for name in names {
            let Some(object) = self.objects.remove(name) else { continue };
            self.nodes.remove(name);
            self.columns.remove(name);
            if let Body::Source { table, .. } = object.body {
                self.hydrating.remove(&table);
                self.timelines.drop_table(table);
                sources.push(table);
            }
        }
        self.generation += 1;
        let gone = self.circuit.retain(self.nodes.values().copied());
        self.shared.retain(|_, node| !gone.contains(node));
        for node in gone {
            self.schemas.remove(&node);
            self.key_indexes.remove(&node);
        }
        sources
    }

    /// Computes a slice of what views and indexes that were made lately still lack; false once they lack nothing.
    pub fn build(&mut self) -> bool {
        self.circuit.build()
    }

    /// The names that depend on `name` directly.
    pub(crate) fn readers(&self, name: &str) -> Vec<String> {
        let reads = |object: &Object| match &object.body {
            Body::MaterializedView { reads, .. } | Body::View { reads, .. } => reads.iter().any(|read| read == name),
            Body::Index { on, .. } => on == name,
            _ => false,
        };
        self.objects.iter().filter(|(_, object)| reads(object)).map(|(name, _)| name.clone()).collect()
    }

    /// Makes a planned query into nodes that are kept fresh, and computes its rows.
    pub(crate) fn materialize(
        &mut self,
        name: &str,
        definition: &str,
        plan: &LogicalPlan,
        schema: SchemaRef,
        reads: Vec<String>,
    ) -> Result<()> {
        refuse_unstable(plan)?;
        let plan = self.optimized(plan)?;
        let mut lowering = Lowering {
            circuit: &mut self.circuit,
            tables: &self.nodes,
            schemas: &mut self.schemas,
            shared: &mut self.shared,
        };
        let node = lowering.node(&plan)?;
        // Constants that are folded may give a function another type: `round(x, 1)` a scale of one.
        let fields = schema.fields().iter().zip(plan.schema().fields());
        let fields = fields.map(|(field, of)| field.as_ref().clone().with_data_type(of.data_type().clone()));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        self.define(name, definition, Body::MaterializedView { node, reads }, Some(schema));
        Ok(())
    }

    /// The plan to keep: optimised without the rule that makes a join into a semi join where only one side is shown, for
    /// joins are kept and semi joins are not.
    fn optimized(&self, plan: &LogicalPlan) -> Result<LogicalPlan> {
        let rules = self.state.optimizers().iter().filter(|rule| rule.name() != "eliminate_join").cloned().collect();
        let state = SessionStateBuilder::new_from_existing(self.state.clone()).with_optimizer_rules(rules).build();
        Ok(state.optimize(plan)?)
    }

    /// The connection of this name.
    ///
    /// # Errors
    /// 42704 if there is none.
    pub fn connection(&self, name: &str) -> Result<&Connection> {
        match self.objects.get(name).map(|object| &object.body) {
            Some(Body::Connection(connection)) => Ok(connection),
            _ => Err(Error::new("42704", format!("unknown connection \"{name}\""))
                .hint("CREATE CONNECTION makes one, SHOW CONNECTIONS shows what there is")),
        }
    }

    /// The value of the secret of this name.
    ///
    /// # Errors
    /// 42704 if there is none.
    pub fn secret(&self, name: &str) -> Result<&str> {
        match self.objects.get(name).map(|object| &object.body) {
            Some(Body::Secret(value)) => Ok(value),
            _ => Err(Error::new("42704", format!("unknown secret \"{name}\""))),
        }
    }

    /// The source that a table id stands for.
    pub fn source_name(&self, table: TableId) -> Option<&str> {
        let is = |object: &Object| matches!(object.body, Body::Source { table: found, .. } if found == table);
        self.objects.iter().find(|(_, object)| is(object)).map(|(name, _)| name.as_str())
    }

    /// The table id of a source.
    pub fn source(&self, name: &str) -> Option<TableId> {
        match self.objects.get(name)?.body {
            Body::Source { table, .. } => Some(table),
            _ => None,
        }
    }

    /// Everything that users made, in the order of names.
    pub fn catalog(&self) -> Vec<CatalogObject> {
        let visible = self.objects.iter().filter(|(name, _)| ![DEAD_LETTERS, TIMELINES].contains(&name.as_str()));
        let show = |(name, object): (&String, &Object)| {
            let (on, index_columns) = match &object.body {
                Body::Index { on, columns, .. } => (Some(on.clone()), columns.clone()),
                _ => (None, Vec::new()),
            };
            CatalogObject {
                oid: object.oid,
                name: name.clone(),
                kind: object.kind(),
                columns: self.columns.get(name).cloned(),
                definition: object.definition.clone(),
                on,
                index_columns,
            }
        };
        visible.map(show).collect()
    }

    /// Rows and bytes of each object that holds rows.
    pub fn sizes(&self) -> Vec<(String, ObjectKind, usize, usize)> {
        let sized = self.objects.iter().filter_map(|(name, object)| {
            let (rows, bytes) = self.circuit.size(object.node()?);
            Some((name.clone(), object.kind(), rows, bytes))
        });
        sized.collect()
    }

    /// Whether no node holds any row.
    pub fn is_empty(&self) -> bool {
        self.circuit.is_empty()
    }
}

/// Columns of `tidewater.dead_letters`.
fn dead_letter_columns() -> SchemaRef {
    let text = |name| Field::new(name, DataType::Utf8, false);
    let bytes = |name| Field::new(name, DataType::Binary, true);
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        text("source"),
        text("topic"),
        Field::new("partition", DataType::Int32, false),
        Field::new("offset", DataType::Int64, false),
        Field::new("recorded_at", time, false),
        bytes("key"),
        bytes("value"),
        text("reason"),
    ]))
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
