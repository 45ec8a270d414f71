//! Tables, sources and views by name, on one circuit; statements in, tags and rows out. No I/O: sources are fed by commits.
//!
//! Readers take a [`Query`], which holds snapshots of what it reads, all of one moment, and run it while ticks go on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::context::SessionConfig;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use delta::{Commit, Op, TableId, TableSchema};
use engine::{Circuit, IndexId, NodeId};

use crate::catalog::{Body, CatalogObject, DEAD_LETTERS, Object, SOURCES, TIMELINES, is_system};
use crate::checked::{CheckedIntegers, CheckedSums};
use crate::{Error, Result};
use crate::lost_columns::columns_read;
use crate::lower::Lowering;
use crate::parse::ast::{Connection, ObjectKind};
use crate::source_status::{Published, Source};
use crate::timelines::{Timelines, timeline_columns};
use crate::{broken, dead_letters, source_status};

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
    pub(crate) tables: Vec<NodeId>,
    /// Plans views.
    pub(crate) state: SessionState,
    /// Runs queries.
    pub(crate) answering: SessionState,
    /// Changes with every CREATE and DROP: a plan made before may not hold any more.
    pub(crate) generation: u64,
    pub(crate) next_oid: u32,
    pub(crate) sources: BTreeMap<TableId, Source>,
    /// Whether a source has a column without a value.
    pub(crate) columns_lost: bool,
    /// Whether readers may have to be told something of a source.
    pub(crate) troubled: bool,
    /// What `tidewater.sources` shows, by name.
    pub(crate) published: BTreeMap<String, Published>,
    pub(crate) sources_table: TableId,
    pub(crate) dead_letters: TableId,
    pub(crate) held: dead_letters::Held,
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
            sources: BTreeMap::new(),
            columns_lost: false,
            troubled: false,
            published: BTreeMap::new(),
            sources_table: TableId(0),
            dead_letters: TableId(0),
            held: dead_letters::Held::default(),
            timelines: Timelines::default(),
        };
        database.dead_letters = database.system_table(DEAD_LETTERS, dead_letters::columns(), &dead_letters::KEY);
        database.sources_table = database.system_table(SOURCES, source_status::columns(), &[0]);
        database.define(TIMELINES, "", Body::Timelines, Some(timeline_columns()));
        database
    }

    /// Adds a source whose rows come by [`Database::apply`].
    ///
    /// # Errors
    /// 42P07 if the name is taken.
    pub fn create_source(&mut self, name: &str, schema: &TableSchema, definition: &str) -> Result<TableId> {
        self.free(name)?;
        let (node, table) = self.input(schema);
        self.sources.insert(table, Source::default());
        // What a field says of itself beside its type is for decoders: plans do not take it along.
        let plain = |field: &arrow_schema::FieldRef| field.as_ref().clone().with_metadata(HashMap::new());
        let shown = Schema::new(schema.schema.fields().iter().map(plain).collect::<Vec<_>>());
        self.define(name, definition, Body::Source { node, table, schema: schema.clone() }, Some(shown.into()));
        Ok(table)
    }

    fn input(&mut self, schema: &TableSchema) -> (NodeId, TableId) {
        let node = self.circuit.add_input(schema.kinds.clone(), schema.key.as_deref());
        self.tables.push(node);
        (node, TableId(self.tables.len() as u32 - 1))
    }

    /// Adds a relation that this system keeps about itself.
    fn system_table(&mut self, name: &str, columns: SchemaRef, key: &[usize]) -> TableId {
        let schema = TableSchema::new(columns, Some(key.to_vec())).expect("rows hold these types");
        let (node, table) = self.input(&schema);
        self.define(name, "", Body::System(node), Some(schema.schema));
        table
    }

    /// Says that the rows of a source are still coming; its readers wait.
    pub fn set_hydrating(&mut self, table: TableId, progress: Progress) {
        if let Some(source) = self.sources.get_mut(&table) {
            source.progress = Some(progress);
        }
    }

    /// Says that all initial rows of a source have come.
    pub fn set_hydrated(&mut self, table: TableId) {
        if let Some(source) = self.sources.get_mut(&table) {
            source.progress = None;
        }
    }

    /// Whether rows of a source are still coming.
    pub fn is_hydrating(&self, table: TableId) -> bool {
        self.sources.get(&table).is_some_and(|source| source.progress.is_some())
    }

    /// Kinds of the columns of `tidewater.dead_letters`.
    pub fn dead_letter_kinds(&self) -> &Arc<[delta::Kind]> {
        self.circuit.kinds(self.tables[self.dead_letters.0 as usize])
    }

    /// Progress of those among what `names` read that do not hold all rows yet: sources whose initial rows have not all come
    /// and views that are being built.
    pub fn hydrating<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Vec<(String, Progress)> {
        if self.circuit.is_all_built() && self.sources.values().all(|source| source.progress.is_none()) {
            return Vec::new();
        }
        let mut open: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        while let Some(name) = open.pop() {
            let Some(object) = self.objects.get(&name).filter(|_| seen.insert(name.clone())) else { continue };
            match &object.body {
                Body::Source { table, .. } => {
                    found.extend(self.sources.get(table).and_then(|source| source.progress).map(|p| (name, p)));
                }
                Body::MaterializedView { reads, node, .. } => {
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
                Err(Error::new(b"42P07", format!("{kind} \"{name}\" already exists")))
            }
            None => Ok(()),
        }
    }

    /// Whether there is an object of this name.
    pub fn exists(&self, name: &str) -> bool {
        self.objects.contains_key(name)
    }

    pub(crate) fn define(&mut self, name: &str, definition: &str, body: Body, schema: Option<SchemaRef>) {
        let uses = match &body {
            Body::Connection(_) | Body::Source { .. } | Body::Broken(_) => {
                let parsed = crate::parse::parse(definition).unwrap_or_default();
                parsed.iter().flat_map(broken::uses).collect()
            }
            _ => Vec::new(),
        };
        let object = Object { oid: self.next_oid, definition: definition.to_owned(), uses, body };
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
                self.sources.remove(&table);
                self.timelines.drop_table(table);
                sources.push(table);
            }
        }
        self.look_at_sources();
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
        let uses = |(_, object): &(&String, &Object)| object.uses.iter().any(|used| used == name);
        let using = self.objects.iter().filter(uses).map(|(name, _)| name.clone());
        self.readers_of_rows(name).into_iter().chain(using).collect()
    }

    /// The names of views and indexes that read `name` directly.
    pub(crate) fn readers_of_rows(&self, name: &str) -> Vec<String> {
        let reads = |object: &Object| match &object.body {
            Body::MaterializedView { reads, .. } | Body::View { reads, .. } => reads.iter().any(|read| read == name),
            Body::Broken(broken) => broken.reads.iter().any(|read| read == name),
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
        let columns = columns_read(&plan);
        self.define(name, definition, Body::MaterializedView { node, reads, columns }, Some(schema));
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
            _ => Err(Error::new(b"42704", format!("unknown connection \"{name}\""))
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
            _ => Err(Error::new(b"42704", format!("unknown secret \"{name}\""))),
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

    pub(crate) fn user_objects(&self) -> impl Iterator<Item = (&String, &Object)> {
        self.objects.iter().filter(|(name, _)| !is_system(name))
    }

    /// Everything that users made, in the order of names.
    pub fn catalog(&self) -> Vec<CatalogObject> {
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
                definition: object.shown_definition(name),
                on,
                index_columns,
            }
        };
        self.user_objects().map(show).collect()
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
