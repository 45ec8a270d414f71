//! What queries see of the database: relations by name when they are bound, rows of one moment when they run.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use tidewater_delta::{Row, RowRef, Weight};
use tidewater_engine::{IndexId, NodeId, RowsFrom, Snapshot, Watched};
use tidewater_functions::Session;
use tidewater_query::catalog::{KeptRows, Rows};
use tidewater_query::{Catalog, MADE, Relation, Source, View};
use tidewater_types::Result;

use crate::catalog::{Body, Object, TIMELINES};
use crate::change::weights;
use crate::database::Database;
use crate::names;
use crate::within::Within;
use crate::{Error, temp, timelines};

/// Rows that a scan hands on at once.
const BATCH: usize = 1024;

/// Relations by name, for the binder.
pub(crate) struct Names<'a> {
    database: &'a Database,
    session: &'a Session,
    /// Why an object that has been named cannot be read.
    broken: RefCell<Option<Error>>,
    /// Views and relations that have been named, those inside views included.
    named: RefCell<BTreeSet<String>>,
}

impl<'a> Names<'a> {
    pub(crate) fn new(database: &'a Database, session: &'a Session) -> Self {
        Names { database, session, broken: RefCell::default(), named: RefCell::default() }
    }

    /// What binding gave; what is broken is no relation, which binding cannot tell.
    pub(crate) fn told<T>(&self, bound: Result<T>) -> Result<T> {
        bound.map_err(|error| self.broken.take().unwrap_or(error))
    }

    /// The objects that have been named.
    pub(crate) fn named(&self) -> Vec<String> {
        self.named.borrow().iter().cloned().collect()
    }
}

impl Catalog for Names<'_> {
    fn relation(&self, schema: Option<&str>, name: &str) -> Option<Arc<Relation>> {
        let own = || self.database.exists(&names::key(&self.session.temp_schema, name));
        let system = tidewater_catalog::relation(schema, name);
        if system.is_some() && !(schema.is_none() && own()) {
            return system;
        }
        let key = match schema {
            Some(schema) => match temp::written_key(&names::key(schema, name), self.session) {
                Ok(key) => key.unwrap_or_else(|| names::key(schema, name)),
                Err(error) => {
                    self.broken.replace(Some(error));
                    return None;
                }
            },
            None => self.database.found(name, &self.session.search_path)?,
        };
        if let Err(error) = self.database.intact(&key) {
            self.broken.replace(Some(error));
            return None;
        }
        let relation = self.database.objects.get(&key)?.relation.clone()?;
        self.named.borrow_mut().insert(key);
        Some(relation)
    }

    fn has_schema(&self, name: &str) -> bool {
        tidewater_catalog::has_schema(name) || self.database.has_schema(name)
    }

    fn view(&self, relation: &Relation) -> Option<Arc<View>> {
        match &self.database.object_of(relation)?.body {
            Body::View { view, .. } => Some(view.clone()),
            _ => None,
        }
    }
}

/// Lets somebody look at the database for a moment, between two ticks. Who holds its lock must not ask.
pub type Reach = Arc<dyn Fn(&mut dyn FnMut(&Database)) + Send + Sync>;

/// The rows of one relation, with the columns and numbers of the indexes that find them.
struct Kept {
    rows: Watched,
    indexes: Vec<(Vec<usize>, IndexId)>,
}

/// The rows that a plan reads, as they were at one moment.
pub(crate) struct Moment {
    snapshots: HashMap<u64, Kept>,
    /// By which indexes are asked; without, all rows are read.
    pub(crate) reach: Option<Reach>,
    /// Rows of the transaction's own: how often each comes to those of the snapshot, or goes from them.
    own: HashMap<u64, HashMap<Row, i64>>,
    /// Rows that are made when they are asked for.
    made: HashMap<u64, Vec<Row>>,
    /// What the catalogs tell of.
    catalog: Option<tidewater_catalog::Catalog>,
}

impl Source for Moment {
    fn scan(&self, relation: &Relation, rows: &mut Rows<'_>) -> Result<ControlFlow<()>> {
        if let Some(snapshot) = self.snapshot(relation) {
            return match self.own.get(&relation.id) {
                None => scan(snapshot, rows),
                Some(own) => scan_with(snapshot, own, rows),
            };
        }
        if let Some(made) = self.made.get(&relation.id) {
            return rows(&made.iter().map(Row::as_ref).collect::<Vec<_>>());
        }
        match &self.catalog {
            Some(catalog) => tidewater_catalog::rows(relation, catalog, rows),
            None => Err(Error::new(b"XX000", format!("relation \"{}\" has no rows to read", relation.name))),
        }
    }

    fn scan_kept<'r>(&'r self, relation: &Relation, rows: &mut KeptRows<'r, '_>) -> Result<bool> {
        match self.snapshot(relation) {
            Some(snapshot) if !self.own.contains_key(&relation.id) => scan(snapshot, rows).map(|_| true),
            _ => Ok(false),
        }
    }

    fn estimate(&self, relation: &Relation) -> Option<u64> {
        if tidewater_catalog::is_system(relation) {
            return Some(tidewater_catalog::estimate(relation));
        }
        self.snapshot(relation).map(|snapshot| snapshot.len() as u64)
    }

    fn index(&self, relation: &Relation, columns: &[usize]) -> Option<Vec<usize>> {
        self.reach.as_ref()?;
        let fits = |index: &&Vec<usize>| index.iter().all(|at| columns.contains(at));
        let indexes = self.snapshots.get(&relation.id)?.indexes.iter().map(|(columns, _)| columns);
        indexes.filter(fits).max_by_key(|columns| columns.len()).cloned()
    }

    fn lookup(
        &self,
        relation: &Relation,
        columns: &[usize],
        keys: &[RowRef<'_>],
        rows: &mut Rows<'_>,
    ) -> Result<ControlFlow<()>> {
        let kept = self.snapshots.get(&relation.id);
        let index = kept.and_then(|kept| kept.indexes.iter().find(|(known, _)| known == columns));
        let (Some(kept), Some((_, index)), Some(reach)) = (kept, index, &self.reach) else {
            return self.scan(relation, rows);
        };
        let mut trail = None;
        reach(&mut |database| trail = database.circuit.trail(&kept.rows, *index, keys));
        // The relation is gone by now, but for its snapshot.
        let Some(trail) = trail else { return self.scan(relation, rows) };
        let mut found = kept.rows.found(&trail, keys);
        if let Some(own) = self.own.get(&relation.id) {
            found.iter_mut().for_each(|(row, weight)| *weight += own.get(row.bytes()).copied().unwrap_or(0).min(0));
            let wanted = trail.wanted(keys);
            let own = own.iter().map(|(row, weight)| (row.as_ref(), *weight));
            found.extend(own.filter(|(row, weight)| *weight > 0 && wanted(*row)));
        }
        let found: Vec<RowRef<'_>> = found.into_iter().flat_map(copies).collect();
        for batch in found.chunks(BATCH) {
            if rows(batch)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// A row as often as it occurs.
fn copies<'r>((row, weight): (RowRef<'r>, Weight)) -> impl Iterator<Item = RowRef<'r>> {
    std::iter::repeat_n(row, usize::try_from(weight).unwrap_or(0))
}

impl Moment {
    fn snapshot(&self, relation: &Relation) -> Option<&Snapshot> {
        self.snapshots.get(&relation.id).map(|kept| kept.rows.rows())
    }
}

/// A moment with rows that a statement makes, the relation [`MADE`].
pub(crate) struct WithMade<'a> {
    pub(crate) moment: &'a Moment,
    pub(crate) rows: &'a [Row],
}

impl Source for WithMade<'_> {
    fn scan(&self, relation: &Relation, rows: &mut Rows<'_>) -> Result<ControlFlow<()>> {
        if relation.id != MADE {
            return self.moment.scan(relation, rows);
        }
        for batch in self.rows.chunks(BATCH) {
            if rows(&batch.iter().map(Row::as_ref).collect::<Vec<_>>())?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn estimate(&self, relation: &Relation) -> Option<u64> {
        if relation.id == MADE { Some(self.rows.len() as u64) } else { self.moment.estimate(relation) }
    }

    fn index(&self, relation: &Relation, columns: &[usize]) -> Option<Vec<usize>> {
        self.moment.index(relation, columns)
    }

    fn lookup(
        &self,
        relation: &Relation,
        columns: &[usize],
        keys: &[RowRef<'_>],
        rows: &mut Rows<'_>,
    ) -> Result<ControlFlow<()>> {
        self.moment.lookup(relation, columns, keys, rows)
    }
}

fn scan<'r>(snapshot: &'r Snapshot, rows: &mut KeptRows<'r, '_>) -> Result<ControlFlow<()>> {
    let (mut from, mut batch) = (RowsFrom::default(), Vec::<RowRef<'_>>::with_capacity(BATCH));
    while let Some((row, weight)) = snapshot.next_row(&mut from) {
        for _ in 0..weight {
            batch.push(row);
            if batch.len() == BATCH {
                if rows(&batch)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                batch.clear();
            }
        }
    }
    if batch.is_empty() { Ok(ControlFlow::Continue(())) } else { rows(&batch) }
}

/// [`scan`] of a table that the transaction itself has changed.
fn scan_with(snapshot: &Snapshot, own: &HashMap<Row, i64>, rows: &mut Rows<'_>) -> Result<ControlFlow<()>> {
    let gone = |row: RowRef<'_>| own.get(row.bytes()).map_or(0, |weight| (-weight).max(0));
    let mut from = RowsFrom::default();
    while let Some((row, weight)) = snapshot.next_row(&mut from) {
        for _ in gone(row)..weight {
            if rows(&[row])?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }
    for (row, weight) in own {
        for _ in 0..*weight {
            if rows(&[row.as_ref()])?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }
    Ok(ControlFlow::Continue(()))
}

impl Database {
    /// Whether one of these relations is a materialized view that keeps rows of one of these tables.
    pub fn keep_rows_of<'a>(&self, names: impl IntoIterator<Item = &'a str>, tables: &[&str]) -> bool {
        let kept = |name: &&str| {
            matches!(self.objects.get(*name).map(|object| &object.body), Some(Body::MaterializedView { .. }))
        };
        let mut open: Vec<&str> = names.into_iter().filter(kept).collect();
        let mut seen = BTreeSet::new();
        while let Some(name) = open.pop() {
            if tables.contains(&name) {
                return true;
            }
            if !seen.insert(name) {
                continue;
            }
            if let Some(Body::MaterializedView { reads, .. } | Body::View { reads, .. }) =
                self.objects.get(name).map(|object| &object.body)
            {
                open.extend(reads.iter().map(String::as_str));
            }
        }
        false
    }

    /// The object that `name` without a schema is.
    pub(crate) fn found(&self, name: &str, search_path: &[String]) -> Option<String> {
        let keys = search_path.iter().map(|schema| names::key(schema, name));
        keys.into_iter().find(|key| self.objects.contains_key(key))
    }

    /// The object whose relation this is.
    pub(crate) fn object_of(&self, relation: &Relation) -> Option<&Object> {
        self.objects.get(&names::key(&relation.schema, &relation.name))
    }

    /// How many rows a relation has, about.
    pub(crate) fn estimate(&self, relation: &Relation) -> Option<u64> {
        if tidewater_catalog::is_system(relation) {
            return Some(tidewater_catalog::estimate(relation));
        }
        let node = self.object_of(relation)?.node()?;
        Some(self.circuit.size(node).0 as u64)
    }

    /// The rows of relations, of this moment or of the transaction's.
    ///
    /// # Errors
    /// The error that a row of a view has instead of a value.
    pub(crate) fn moment(
        &self,
        relations: impl IntoIterator<Item = Arc<Relation>>,
        session: &Arc<Session>,
        within: &Within,
    ) -> Result<Moment> {
        let mut moment =
            Moment { snapshots: HashMap::new(), reach: None, own: HashMap::new(), made: HashMap::new(), catalog: None };
        for relation in relations {
            let object = self.object_of(&relation);
            match object.map(|object| (&object.body, object.node())) {
                Some((_, Some(node))) => {
                    let rows = match &within.moment {
                        Some(seen) => seen.rows(&relation, node)?.clone(),
                        None => match self.circuit.error(node) {
                            Some(error) => return Err(error.clone()),
                            None => self.circuit.watch(node),
                        },
                    };
                    let oid = object.map_or(0, |object| object.oid);
                    let own = within.held.iter().map(Arc::as_ref).filter(|changes| changes.oid() == oid);
                    let own = weights(own);
                    if !own.is_empty() {
                        moment.own.insert(relation.id, own);
                    }
                    let indexes = self.indexes_that_find(&relation, node);
                    moment.snapshots.insert(relation.id, Kept { rows, indexes });
                }
                Some((Body::Timelines, _)) => {
                    debug_assert_eq!(names::key(&relation.schema, &relation.name), TIMELINES);
                    let rows = within.moment.as_ref().map(|seen| seen.timelines());
                    moment.made.insert(relation.id, rows.unwrap_or_else(|| timelines::rows(&self.timelines)));
                }
                Some((Body::Sequence { sequence, .. }, _)) => {
                    moment.made.insert(relation.id, vec![sequence.row()]);
                }
                // Whoever runs the plan has its rows.
                _ if relation.id == MADE => {}
                _ => moment.catalog = Some(tidewater_catalog::Catalog::new(&self.catalog_snapshot(), session)),
            }
        }
        Ok(moment)
    }

    /// The indexes that find a relation's rows, with their columns.
    fn indexes_that_find(&self, relation: &Relation, node: NodeId) -> Vec<(Vec<usize>, IndexId)> {
        let name = names::key(&relation.schema, &relation.name);
        let made = self.objects.values().filter_map(|object| match &object.body {
            Body::Index { on, index, columns } if *on == name => Some((columns.clone(), *index)),
            _ => None,
        });
        let keys = self.key_indexes.get(&node).into_iter().flatten().cloned();
        keys.chain(made).filter(|(_, index)| self.circuit.is_filled(*index)).collect()
    }
}
