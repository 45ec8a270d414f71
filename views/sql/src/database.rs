//! Tables, sources and views by name, on one circuit; statements in, tags and rows out. No I/O: sources are fed by commits.
//!
//! Readers take a [`Query`], which holds snapshots of what it reads, all of one moment, and run it while ticks go on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use tidewater_delta::{Commit, TableId};
use tidewater_engine::{Circuit, IndexId, NodeId};
use tidewater_functions::Session;
use tidewater_lower::{Shared, lower};
use tidewater_query::{Plan, Relation};
use tidewater_types::{Column, ColumnType, TableSchema};

use crate::catalog::{Body, CatalogObject, DEAD_LETTERS, Object, SOURCES, TIMELINES, is_system};
use crate::comment::Comments;
use crate::constraint::Constraints;
use crate::follow::Followed;
use crate::lost_columns::columns_read;
use crate::names::{self, PUBLIC};
use crate::parse::ast::{Connection, ObjectKind};
use crate::query::Planned;
use crate::sizes::Sizes;
use crate::source_status::{Published, Source};
use crate::timelines::{Timelines, timeline_columns};
use crate::{Error, Result, broken, dead_letters, source_status, temp};

/// The first number of an object of the user's, as in PostgreSQL. Numbers outlive the process.
const FIRST_OID: u32 = 16_384;
/// The first number of a relation that this system keeps about itself.
const FIRST_SYSTEM_OID: u32 = 15_900;

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
    /// Nodes by what they compute, so that equal subplans share one.
    pub(crate) shared: Shared,
    /// Of nodes that have keys: the columns of each and its index.
    pub(crate) key_indexes: HashMap<NodeId, Vec<(Vec<usize>, IndexId)>>,
    pub(crate) tables: Vec<NodeId>,
    /// What the catalogs tell, as of the last time that they were asked.
    pub(crate) told: OnceLock<Arc<tidewater_catalog::Snapshot>>,
    /// Where names without a schema are looked for in the statement that is being done.
    pub(crate) search_path: Vec<String>,
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
    pub(crate) followed: Followed,
    /// Sources that hold what they were restored with, until changes come.
    pub(crate) restored: Vec<TableId>,
    /// What views are planned with that are made again.
    pub(crate) sizes_then: BTreeMap<String, Sizes>,
}

impl Default for Database {
    fn default() -> Self {
        Self::new()
    }
}

impl Database {
    /// A database without objects.
    pub fn new() -> Self {
        let mut database = Database {
            circuit: Circuit::new(),
            objects: BTreeMap::new(),
            nodes: HashMap::new(),
            shared: Shared::default(),
            key_indexes: HashMap::new(),
            tables: Vec::new(),
            told: OnceLock::new(),
            search_path: vec![PUBLIC.to_owned()],
            generation: 0,
            next_oid: FIRST_SYSTEM_OID,
            sources: BTreeMap::new(),
            columns_lost: false,
            troubled: false,
            published: BTreeMap::new(),
            sources_table: TableId(0),
            dead_letters: TableId(0),
            held: dead_letters::Held::default(),
            timelines: Timelines::default(),
            followed: Followed::default(),
            restored: Vec::new(),
            sizes_then: BTreeMap::new(),
        };
        database.dead_letters = database.system_table(DEAD_LETTERS, dead_letters::columns(), &dead_letters::KEY);
        database.sources_table = database.system_table(SOURCES, source_status::columns(), &[0]);
        let shown = Shown { columns: timeline_columns(), key: None, has_primary_key: false };
        database.define(TIMELINES, "", Body::Timelines, Some(shown));
        database.next_oid = FIRST_OID;
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
        let shown = Shown { columns: schema.columns.to_vec(), key: schema.key.clone(), has_primary_key: false };
        self.define(name, definition, Body::Source { node, table, schema: schema.clone() }, Some(shown));
        Ok(table)
    }

    fn input(&mut self, schema: &TableSchema) -> (NodeId, TableId) {
        let node = self.circuit.add_input(schema.types(), schema.key.as_deref());
        self.tables.push(node);
        (node, TableId(self.tables.len() as u32 - 1))
    }

    /// Adds a relation that this system keeps about itself.
    fn system_table(&mut self, name: &str, columns: Vec<Column>, key: &[usize]) -> TableId {
        let schema = TableSchema::new(columns, Some(key.to_vec())).expect("the key is one of its columns");
        let (node, table) = self.input(&schema);
        let shown = Shown { columns: schema.columns.to_vec(), key: schema.key, has_primary_key: false };
        self.define(name, "", Body::System(node), Some(shown));
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

    /// Types of the columns of `tidewater.dead_letters`.
    pub fn dead_letter_types(&self) -> &Arc<[ColumnType]> {
        self.circuit.types(self.tables[self.dead_letters.0 as usize])
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
        self.tell_followers();
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

    pub(crate) fn define(&mut self, name: &str, definition: &str, body: Body, shown: Option<Shown>) {
        let uses = match &body {
            Body::Connection(_) | Body::Source { .. } | Body::Sink(_) | Body::Broken(_) => {
                let parsed = crate::parse::parse(definition).unwrap_or_default();
                parsed.iter().flat_map(broken::uses).collect()
            }
            _ => Vec::new(),
        };
        // What ON CONFLICT looks for.
        let uniques: Vec<Vec<usize>> = match (&body, &shown) {
            (Body::Table { constraints, .. }, Some(shown)) => {
                let found = constraints.uniques.iter().map(|unique| unique.columns.clone());
                found.filter(|key| key.iter().all(|&at| shown.columns[at].ty.key_is_packed())).collect()
            }
            _ => Vec::new(),
        };
        let oid = self.next_oid;
        let relation = shown.map(|shown| Arc::new(shown.relation(oid, name)));
        let object = Object {
            oid,
            definition: definition.to_owned(),
            search_path: temp::path_of(name, &self.search_path),
            uses,
            comments: Comments::new(),
            on_commit: None,
            relation,
            body,
        };
        self.next_oid += 1;
        self.changed();
        if let Some(node) = object.node() {
            self.nodes.insert(name.to_owned(), node);
            let mut keys: Vec<Vec<usize>> = self.circuit.key(node).filter(|key| !key.is_empty()).into_iter().collect();
            keys.extend(uniques);
            keys.dedup();
            let circuit = &mut self.circuit;
            let indexes = keys.into_iter().map(|key| (key.clone(), circuit.add_index(node, &key)));
            self.key_indexes.insert(node, indexes.collect());
        }
        self.objects.insert(name.to_owned(), object);
    }

    /// Where what is made from now on looks for names without a schema.
    pub fn set_search_path(&mut self, search_path: Vec<String>) {
        self.search_path = search_path;
    }

    /// What was planned or told before may not hold any more.
    pub(crate) fn changed(&mut self) {
        self.generation += 1;
        self.told = OnceLock::new();
    }

    pub(crate) fn create_table(&mut self, name: &str, schema: &TableSchema, text: &str, mut constraints: Constraints) {
        constraints.made = self.generation;
        let node = self.circuit.add_input(schema.types(), schema.key.as_deref());
        let primary = constraints.uniques.iter().find(|unique| unique.primary);
        let shown = Shown {
            columns: schema.columns.to_vec(),
            key: primary.map(|unique| unique.columns.clone()),
            has_primary_key: primary.is_some(),
        };
        self.define(name, text, Body::Table { node, constraints: Arc::new(constraints) }, Some(shown));
    }

    /// Forgets names; gives the sources among them. Rows that no other object is made from go.
    pub(crate) fn forget(&mut self, names: &[String]) -> Vec<TableId> {
        let mut sources = Vec::new();
        for name in names {
            let Some(object) = self.objects.remove(name) else { continue };
            self.nodes.remove(name);
            if let Body::Source { table, .. } = object.body {
                self.sources.remove(&table);
                self.timelines.drop_table(table);
                sources.push(table);
            }
        }
        self.end_followers_of(names);
        self.look_at_sources();
        self.changed();
        self.release_nodes();
        sources
    }

    /// Rows that no object is made from, and that nobody follows, go.
    pub(crate) fn release_nodes(&mut self) {
        let kept: Vec<_> = self.nodes.values().copied().chain(self.followed.nodes()).collect();
        let gone = self.circuit.retain(kept);
        self.shared.forget(&gone);
        for node in gone {
            self.key_indexes.remove(&node);
        }
    }

    /// Computes a slice of what views and indexes that were made lately still lack; false once they lack nothing.
    pub fn build(&mut self) -> bool {
        let more = self.circuit.build();
        if !more {
            self.begin_followed();
        }
        more
    }

    /// The names that depend on `name` directly.
    pub(crate) fn readers(&self, name: &str) -> Vec<String> {
        let uses = |(_, object): &(&String, &Object)| object.uses.iter().any(|used| used == name);
        let using = self.objects.iter().filter(uses).map(|(name, _)| name.clone());
        self.readers_of_rows(name).into_iter().chain(using).collect()
    }

    /// The names of views and indexes that read `name` directly.
    pub(crate) fn readers_of_rows(&self, name: &str) -> Vec<String> {
        let within =
            |key: &String| names::schema_of(name).is_some_and(|schema| names::split(key).0 == schema && key != name);
        let reads = |object: &Object| match &object.body {
            Body::MaterializedView { reads, .. } | Body::View { reads, .. } => reads.iter().any(|read| read == name),
            Body::Broken(broken) => broken.reads.iter().any(|read| read == name),
            Body::Index { on, .. } => on == name,
            Body::Sink(sink) => sink.from == name,
            Body::Sequence { owner, .. } => owner.as_ref().is_some_and(|owner| owner.table == name),
            Body::Table { constraints, .. } => constraints.takes_numbers_of(name),
            _ => false,
        };
        let found = self.objects.iter().filter(|(key, object)| reads(object) || within(key));
        found.map(|(name, _)| name.clone()).collect()
    }

    /// Makes a planned query into nodes that are kept fresh.
    pub(crate) fn materialize(
        &mut self,
        name: &str,
        definition: &str,
        planned: &Planned,
        columns: Vec<Column>,
        session: &Arc<Session>,
    ) -> Result<()> {
        let plan = &planned.plan;
        let (objects, circuit, shared) = (&self.objects, &mut self.circuit, &mut self.shared);
        let node_of = |relation: &Relation| objects.get(&names::key(&relation.schema, &relation.name))?.node();
        let node = match lower(plan, circuit, shared, &node_of, session) {
            Ok(node) => node,
            Err(error) => {
                // A refusal leaves nothing behind.
                self.release_nodes();
                return Err(error);
            }
        };
        let key = self.circuit.key(node).filter(|key| key.iter().all(|&at| columns[at].not_null));
        let shown = Shown { columns, key, has_primary_key: false };
        let (reads, sizes) = (planned.reads.clone(), planned.sizes.clone());
        let body = Body::MaterializedView { node, reads, columns: columns_read(plan), sizes };
        self.define(name, definition, body, Some(shown));
        Ok(())
    }

    /// The name under which an object is made: in the first schema of the search path, unless it says another.
    ///
    /// # Errors
    /// 3F000 if there is no such schema, 42501 for one of the system's.
    pub fn new_key(&self, written: &str, session: &Session) -> Result<String> {
        if let Some(key) = temp::written_key(written, session)? {
            return Ok(key);
        }
        let schemas = || session.named_schemas().find(|schema| self.has_schema(schema));
        let key = match written.contains('.') {
            true => written.to_owned(),
            false => names::key(schemas().map_or(PUBLIC, String::as_str), written),
        };
        let (schema, name) = names::split(&key);
        if self.has_schema(schema) {
            return Ok(key);
        }
        if tidewater_catalog::has_schema(schema) || is_system_schema(schema) {
            let message = format!("permission denied to create \"{schema}.{name}\"");
            return Err(Error::new(b"42501", message).detail("System catalog modifications are not allowed."));
        }
        Err(Error::new(b"3F000", format!("schema \"{schema}\" does not exist")).hint("CREATE SCHEMA makes it"))
    }

    /// What the catalog calls an object that a statement names; the name as it would be made if there is none.
    ///
    /// # Errors
    /// 3F000 if it names a schema that does not exist.
    pub fn resolved(&self, written: &str, session: &Session) -> Result<String> {
        if !written.contains('.') {
            let found = self.found(written, &session.search_path);
            return Ok(found.unwrap_or_else(|| written.to_owned()));
        }
        if let Some(key) = temp::written_key(written, session)? {
            return Ok(key);
        }
        let (schema, _) = names::split(written);
        if self.has_schema(schema) || tidewater_catalog::has_schema(schema) || is_system_schema(schema) {
            return Ok(written.to_owned());
        }
        Err(Error::new(b"3F000", format!("schema \"{schema}\" does not exist")))
    }

    /// Whether users' objects may be in a schema.
    pub(crate) fn has_schema(&self, name: &str) -> bool {
        name == PUBLIC || self.objects.contains_key(&names::schema_key(name))
    }

    /// What the catalogs tell of this moment.
    pub(crate) fn catalog_snapshot(&self) -> Arc<tidewater_catalog::Snapshot> {
        self.told.get_or_init(|| Arc::new(crate::system::snapshot(self))).clone()
    }

    /// The session with what its functions may ask of the catalog.
    pub fn informed(&self, session: &Arc<Session>) -> Arc<Session> {
        tidewater_catalog::informed(session, &self.catalog_snapshot())
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
                columns: object.relation.as_ref().map(|relation| relation.columns.clone()),
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

/// What queries see of an object that has columns.
pub(crate) struct Shown {
    pub(crate) columns: Vec<Column>,
    /// Columns that identify a row.
    pub(crate) key: Option<Vec<usize>>,
    /// Whether the key is a PRIMARY KEY of a local table.
    pub(crate) has_primary_key: bool,
}

impl Shown {
    fn relation(self, oid: u32, key: &str) -> Relation {
        let (schema, name) = names::split(key);
        // What a decoder remembers of a column is no business of queries.
        let columns = self.columns.into_iter().map(|column| Column { notes: BTreeMap::new(), ..column });
        Relation {
            id: oid.into(),
            schema: schema.to_owned(),
            name: name.to_owned(),
            columns: columns.collect(),
            keys: self.key.into_iter().filter(|key| !key.is_empty()).collect(),
            has_primary_key: self.has_primary_key,
        }
    }
}

/// Whether it is the schema of relations that this system keeps about itself.
pub(crate) fn is_system_schema(name: &str) -> bool {
    name == names::split(SOURCES).0
}

/// The columns of a view: those of its query, under the names that the view gives them.
///
/// # Errors
/// 42601 for another number of names, 42701 for one that is there twice.
pub(crate) fn view_columns(plan: &Plan, names: &[String]) -> Result<Vec<Column>> {
    let not_null = plan.rel.not_null();
    let of = |(name, id): &(String, tidewater_query::plan::Id)| Column {
        not_null: not_null.contains(id),
        ..Column::new(name.clone(), plan.columns.ty(*id).clone())
    };
    let mut columns: Vec<Column> = plan.output.iter().map(of).collect();
    if names.len() > columns.len() {
        let message = format!("the view names {} columns, but its query has {}", names.len(), columns.len());
        return Err(Error::new(b"42601", message));
    }
    columns.iter_mut().zip(names).for_each(|(column, name)| column.name.clone_from(name));
    crate::table::distinct_names(columns.iter().map(|column| column.name.as_str()))?;
    Ok(columns)
}
