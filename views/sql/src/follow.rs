//! Queries whose rows are followed: what every tick changes in them is told to whoever asked for it.
//!
//! A followed query is a node of the circuit, as a materialized view is, and shares it with views and other followers of equal structure.
//! The moments of ticks are milliseconds since 1970 that never repeat: a clock that stands still or goes back does not hold them up.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tidewater_delta::{Row, Weight};
use tidewater_engine::{NodeId, Snapshot};
use tidewater_functions::Session;
use tidewater_lower::lower;
use tidewater_query::Relation;
use tidewater_types::{Column, Type};

use crate::database::Database;
use crate::names::{self, shown};
use crate::parse::ast::{ChangeEnvelope, Subscribe};
use crate::query::{Planned, Prepared, Work, output_columns};
use crate::statement::kept_session;
use crate::timelines::Positions;
use crate::{Error, Result};

/// What one tick changed in the rows of a followed query: whole commits.
#[derive(Debug)]
pub struct Changed {
    /// Its moment.
    pub moment: u64,
    /// Rows with the difference of their counts, never zero.
    pub rows: Vec<(Row, Weight)>,
    /// Positions of the timelines that the query reads, as they are after it.
    pub positions: Positions,
}

/// Who is told. It is called while the database is locked: readers see the tick only afterwards.
pub trait Follower: Send + Sync {
    /// A tick has changed rows.
    fn changed(&mut self, changed: Changed);
    /// Nothing more comes.
    fn ended(&mut self, error: Error);
}

/// A followed query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FollowId(u64);

/// All that is followed.
#[derive(Default)]
pub(crate) struct Followed {
    queries: BTreeMap<FollowId, Query>,
    next: u64,
    moment: u64,
}

struct Query {
    node: NodeId,
    planned: Arc<Planned>,
    /// From when on changes are told, once the node holds all rows.
    since: Option<u64>,
    follower: Box<dyn Follower>,
}

impl Followed {
    /// The first moment is the first time that was told.
    pub(crate) fn begin(&mut self, now_ms: i64) {
        if self.moment == 0 {
            self.moment = u64::try_from(now_ms).unwrap_or(0);
        }
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.queries.values().map(|query| query.node)
    }
}

/// The columns of a subscription's answer: the moment, what became of the row, and the row.
pub(crate) fn subscribed_columns(subscribe: &Subscribe, columns: &[Column]) -> Result<Arc<[Column]>> {
    let mut shown = vec![Column::new("mz_timestamp", Type::Numeric).not_null()];
    if subscribe.progress {
        shown.push(Column::new("mz_progressed", Type::Bool).not_null());
    }
    let find = |name: &String| columns.iter().position(|column| column.name == *name).ok_or_else(|| no_column(name));
    let plain = || columns.iter().map(|column| Column::new(column.name.clone(), column.ty.clone()));
    let values = |prefix: &str, key: &[String]| {
        let others = columns.iter().filter(|column| !key.contains(&column.name));
        others.map(|column| Column::new(format!("{prefix}{}", column.name), column.ty.clone())).collect::<Vec<_>>()
    };
    match &subscribe.envelope {
        ChangeEnvelope::Diff(order) => {
            order.iter().try_for_each(|(name, ..)| find(name).map(drop))?;
            shown.push(Column::new("mz_diff", Type::Int8));
            shown.extend(plain());
        }
        ChangeEnvelope::Upsert(key) | ChangeEnvelope::Debezium(key) => {
            let places = key.iter().map(find).collect::<Result<Vec<_>>>()?;
            shown.push(Column::new("mz_state", Type::Text));
            shown.extend(places.iter().map(|&at| Column::new(columns[at].name.clone(), columns[at].ty.clone())));
            match &subscribe.envelope {
                ChangeEnvelope::Debezium(_) => {
                    shown.extend(values("before_", key));
                    shown.extend(values("after_", key));
                }
                _ => shown.extend(values("", key)),
            }
        }
    }
    Ok(shown.into())
}

fn no_column(name: &str) -> Error {
    Error::new(b"42703", format!("column \"{name}\" of the subscription does not exist"))
}

impl Database {
    /// Plans the query of a subscription; gives its plan and the columns of its answer.
    pub(crate) fn subscription(
        &self,
        subscribe: &Subscribe,
        text: &str,
        session: &Arc<Session>,
    ) -> Result<(Planned, Arc<[Column]>)> {
        let planned = self.planned(&subscribe.query, text, &[], &self.informed(&kept_session(session)))?;
        if !planned.plan.parameters.is_empty() {
            return Err(Error::new(b"42P02", "there is no parameter $1"));
        }
        let columns = subscribed_columns(subscribe, &output_columns(&planned.plan))?;
        Ok((planned, columns))
    }

    /// Follows the query of a subscription; an equal one that is followed already stays, and `follower` is not used then. It begins
    /// when its rows are computed.
    ///
    /// # Errors
    /// What is wrong with the query; 0A000 for what cannot be kept fresh.
    pub fn follow(
        &mut self,
        prepared: &Prepared,
        session: &Arc<Session>,
        follower: impl FnOnce() -> Box<dyn Follower>,
    ) -> Result<FollowId> {
        let again = self.current(prepared, &[], session)?;
        let Work::Query(planned) = again.map_or_else(|| prepared.work.clone(), |again| again.work) else {
            return Err(Error::new(b"XX000", "a statement that answers no rows was followed"));
        };
        self.followable(&planned)?;
        let node = self.followed_node(&planned, session)?;
        let same = |query: &&Query| query.node == node && query.planned.reads == planned.reads;
        if let Some((id, _)) = self.followed.queries.iter().find(|(_, query)| same(query)) {
            return Ok(*id);
        }
        let id = FollowId(self.followed.next);
        self.followed.next += 1;
        self.followed.queries.insert(id, Query { node, planned, since: None, follower: follower() });
        self.begin_followed();
        Ok(id)
    }

    fn followed_node(&mut self, planned: &Planned, session: &Arc<Session>) -> Result<NodeId> {
        let informed = self.informed(&kept_session(session));
        let (objects, circuit, shared) = (&self.objects, &mut self.circuit, &mut self.shared);
        let node_of = |relation: &Relation| objects.get(&names::key(&relation.schema, &relation.name))?.node();
        let node = lower(&planned.plan, circuit, shared, &node_of, &informed);
        // A refusal leaves nothing behind.
        node.inspect_err(|_| self.release_nodes())
    }

    /// Ends what [`Database::follow`] began.
    pub fn unfollow(&mut self, id: FollowId) {
        let Some(query) = self.followed.queries.remove(&id) else { return };
        if self.followed.nodes().all(|node| node != query.node) {
            self.circuit.unfollow(query.node);
        }
        self.release_nodes();
    }

    /// The rows of a followed query at this moment, with the moment, the positions of what it reads, and since when its changes are told;
    /// `None` while it has not begun.
    ///
    /// # Errors
    /// The error that its readers get instead of rows.
    pub fn followed_rows(&self, id: FollowId) -> Result<Option<FollowedRows>> {
        let gone = || Error::new(b"55000", "the subscription has ended");
        let query = self.followed.queries.get(&id).ok_or_else(gone)?;
        self.followable(&query.planned)?;
        let Some(since) = query.since else { return Ok(None) };
        if let Some(error) = self.circuit.error(query.node) {
            return Err(error.clone());
        }
        let positions = self.positions_of(query.planned.reads.iter().map(String::as_str));
        let snapshot = self.circuit.snapshot(query.node);
        let key = self.circuit.key(query.node);
        Ok(Some(FollowedRows { moment: self.followed.moment, since, positions, snapshot, key }))
    }

    /// The moment of the newest tick: what changed up to it has been told.
    pub fn newest_moment(&self) -> u64 {
        self.followed.moment
    }

    /// Begins to tell of queries whose rows are all computed now.
    pub(crate) fn begin_followed(&mut self) {
        let moment = self.followed.moment;
        for query in self.followed.queries.values_mut().filter(|query| query.since.is_none()) {
            if self.circuit.is_built(query.node) {
                self.circuit.follow(query.node);
                query.since = Some(moment);
            }
        }
    }

    /// Tells what the tick that has just been done changed.
    pub(crate) fn tell_followers(&mut self) {
        let now = u64::try_from(self.timelines.now_ms()).unwrap_or(0);
        self.followed.moment = now.max(self.followed.moment + 1);
        if self.followed.queries.is_empty() {
            return;
        }
        let changes: HashMap<NodeId, Vec<(Row, Weight)>> = self.circuit.changes().into_iter().collect();
        let mut queries = std::mem::take(&mut self.followed.queries);
        queries.retain(|_, query| query.since.is_none() || self.tell(query, changes.get(&query.node)));
        self.followed.queries = queries;
    }

    /// Tells of one query; whether it goes on.
    fn tell(&self, query: &mut Query, rows: Option<&Vec<(Row, Weight)>>) -> bool {
        let broken = self.followable(&query.planned).err();
        if let Some(error) = broken.or_else(|| self.circuit.error(query.node).cloned()) {
            query.follower.ended(error);
            return false;
        }
        if let Some(rows) = rows {
            let positions = self.positions_of(query.planned.reads.iter().map(String::as_str));
            query.follower.changed(Changed { moment: self.followed.moment, rows: rows.clone(), positions });
        }
        true
    }

    fn followable(&self, planned: &Planned) -> Result<()> {
        self.readable(planned.reads.iter().map(String::as_str))?;
        self.columns_readable(&planned.plan)
    }

    /// Ends what follows one of these objects, which are going.
    pub(crate) fn end_followers_of(&mut self, names: &[String]) {
        let reads = |query: &Query| names.iter().find(|name| query.planned.reads.contains(name)).cloned();
        let mut queries = std::mem::take(&mut self.followed.queries);
        queries.retain(|_, query| {
            let Some(gone) = reads(query) else { return true };
            let message = format!("subscription ended: \"{}\" was dropped or made anew", shown(&gone));
            query.follower.ended(Error::new(b"55000", message).hint("subscribe again to what is there now"));
            false
        });
        self.followed.queries = queries;
    }
}

/// See [`Database::followed_rows`].
pub struct FollowedRows {
    /// Their moment.
    pub moment: u64,
    /// Changes after this moment are told.
    pub since: u64,
    /// Positions of the timelines that the query reads.
    pub positions: Positions,
    /// The rows.
    pub snapshot: Snapshot,
    /// Columns that identify a row, if any are known to.
    pub key: Option<Vec<usize>>,
}
