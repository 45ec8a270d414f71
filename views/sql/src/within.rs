//! What a statement sees inside a transaction: the rows of one moment, and what the transaction itself changed.
//!
//! The moment is of all relations at once, whichever its first statement reads, so that later statements see others beside them. Its
//! snapshots share their chunks with the database: what is written meanwhile is copied, nothing else.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tidewater_delta::Row;
use tidewater_engine::{NodeId, Watched};
use tidewater_functions::Session;
use tidewater_query::Relation;

use crate::catalog::Body;
use crate::change::{Ahead, Changes};
use crate::database::Database;
use crate::names;
use crate::parse::ast::Statement;
use crate::timelines::{self, Timelines};
use crate::{After, Behind, Error, Positions, Result};

/// See the module. Outside of a transaction it is empty: a statement sees what there is.
#[derive(Debug, Clone, Default)]
pub struct Within {
    /// What the transaction changed, in its order.
    pub held: Vec<Arc<Changes>>,
    /// What it sees of everything else; `None` before its first read.
    pub moment: Option<Arc<TransactionMoment>>,
}

impl Within {
    /// What sees this moment, or the present where there is none, after these changes.
    pub fn new(held: Vec<Arc<Changes>>, moment: Option<Arc<TransactionMoment>>) -> Self {
        Within { held, moment }
    }
}

/// The rows of everything at one moment.
#[derive(Debug, Clone)]
pub struct TransactionMoment {
    /// Or why they could not be read at the moment. An object that is made anew has another node.
    nodes: HashMap<NodeId, Result<Watched>>,
    timelines: Timelines,
}

impl TransactionMoment {
    /// The rows of a relation.
    ///
    /// # Errors
    /// Why it could not be read at the moment; 40001 if it has been made, or made anew, since.
    pub(crate) fn rows(&self, relation: &Relation, node: NodeId) -> Result<&Watched> {
        match self.nodes.get(&node) {
            Some(rows) => rows.as_ref().map_err(Clone::clone),
            None => {
                let message = format!("\"{}\" was made after the moment that this transaction sees", relation.name);
                let hint = "COMMIT or ROLLBACK, and begin again: a transaction's first read fixes what it sees";
                Err(Error::new(b"40001", message).hint(hint))
            }
        }
    }

    /// The rows of `tidewater.timelines`.
    pub(crate) fn timelines(&self) -> Vec<Row> {
        timelines::rows(&self.timelines)
    }

    /// Positions of all timelines.
    pub fn positions(&self) -> Positions {
        self.timelines.positions()
    }
}

impl Database {
    /// This moment of everything.
    pub fn transaction_moment(&self) -> TransactionMoment {
        let nodes = self.nodes.iter().map(|(name, node)| (*node, self.rows_now(name, *node)));
        TransactionMoment { nodes: nodes.collect(), timelines: self.timelines.clone() }
    }

    fn rows_now(&self, name: &str, node: NodeId) -> Result<Watched> {
        if let Some(error) = self.circuit.error(node) {
            return Err(error.clone());
        }
        self.readable([name])?;
        if !self.hydrating([name]).is_empty() {
            let message = format!("\"{name}\" did not hold all of its rows at the moment that this transaction sees");
            return Err(Error::new(b"40001", message).hint("ROLLBACK, and begin again"));
        }
        Ok(self.circuit.watch(node))
    }

    /// Adds the table that a statement of the transaction itself has made.
    pub fn add_to_moment(&self, moment: &mut Arc<TransactionMoment>, statement: &Statement, session: &Session) {
        let (name, temporary) = match statement {
            Statement::CreateTable(table) => (names::key_of(&table.name).unwrap_or_default(), table.temporary),
            Statement::CreateTableAs(create) => (create.name.clone(), create.temporary),
            _ => return,
        };
        // The session may have had nothing temporary before, so that its search path lacks that.
        let name = match temporary {
            true => names::key(&session.temp_schema, names::split(&name).1),
            false => self.resolved(&name, session).unwrap_or_default(),
        };
        let Some(object) = self.objects.get(&name) else { return };
        if let Body::Table { node, .. } = &object.body {
            Arc::make_mut(moment).nodes.insert(*node, self.rows_now(&name, *node));
        }
    }

    /// The first of the positions that `names` did not include at a moment.
    ///
    /// # Errors
    /// See [`Database::behind`].
    pub fn behind_at<'a>(
        &self,
        moment: &TransactionMoment,
        names: impl IntoIterator<Item = &'a str>,
        after: &After,
    ) -> Result<Option<Behind>> {
        self.behind_in(&moment.timelines, names, after)
    }

    /// The numbers of those among what a statement names that hold rows.
    pub fn numbers_of(&self, names: impl IntoIterator<Item: AsRef<str>>) -> BTreeSet<u32> {
        let number =
            |name: &str| self.objects.get(name).filter(|object| object.node().is_some()).map(|object| object.oid);
        names.into_iter().filter_map(|name| number(name.as_ref())).collect()
    }

    /// The numbers of the tables that relations are made from.
    pub(crate) fn tables_under(&self, relations: &[Arc<Relation>]) -> BTreeSet<u32> {
        let mut open: Vec<String> =
            relations.iter().map(|relation| names::key(&relation.schema, &relation.name)).collect();
        let (mut seen, mut found) = (BTreeSet::new(), BTreeSet::new());
        while let Some(name) = open.pop() {
            let Some(object) = self.objects.get(&name).filter(|_| seen.insert(name.clone())) else { continue };
            match &object.body {
                Body::Table { .. } => drop(found.insert(object.oid)),
                Body::MaterializedView { reads, .. } | Body::View { reads, .. } => open.extend(reads.iter().cloned()),
                _ => {}
            }
        }
        found
    }

    /// Whether relations, by number, are as they were at a moment, and no change that is `ahead` is of one of them.
    pub fn is_unchanged(&self, moment: &TransactionMoment, oids: &BTreeSet<u32>, ahead: &Ahead) -> bool {
        let is_same = |oid: &u32| {
            let object = self.objects.values().find(|object| object.oid == *oid)?;
            let node = object.node()?;
            let rows = moment.nodes.get(&node)?.as_ref().ok()?;
            Some(!ahead.touches(*oid) && self.circuit.is_of(node, rows.rows()))
        };
        oids.iter().all(|oid| is_same(oid).unwrap_or(false))
    }
}
