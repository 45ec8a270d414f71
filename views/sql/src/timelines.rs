//! How far each timeline has come, and whether what a query reads includes a position: reading one's own writes.
//!
//! A timeline is a history in one order: a connector's transactions, or one topic. Its position moves in the tick that takes
//! its commits in, so under one lock it belongs to the rows. The clock is the caller's: [`Database::set_time`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use tidewater_delta::{Commit, Position, Reached, Row, TableId};
use tidewater_query::run::pack_row;
use tidewater_types::{Column, ColumnType, Datum, Type};

use crate::catalog::Body;
use crate::database::Database;
use crate::kept_sources::KeptTimeline;
use crate::{Error, Result};

/// What a timeline's positions are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimelineKind {
    /// MySQL's transactions, each as one commit.
    Transactions,
    /// Changes of one table of MySQL, each a commit by itself: a transaction is whole once a later one has begun.
    Changes,
    /// A topic's offsets.
    Offsets,
}

#[derive(Debug, Clone)]
struct Timeline {
    kind: TimelineKind,
    reached: Reached,
    commits: u64,
    /// When the newest commit was made upstream and when it was taken in; 0 where unknown.
    committed_ms: i64,
    applied_ms: i64,
}

impl Timeline {
    fn lag_ms(&self) -> Option<i64> {
        (self.committed_ms > 0 && self.applied_ms > 0).then(|| (self.applied_ms - self.committed_ms).max(0))
    }

    fn includes(&self, position: &Position) -> bool {
        match self.kind {
            TimelineKind::Changes => self.reached.has_passed(position),
            _ => self.reached.includes(position),
        }
    }
}

/// Those of all sources.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timelines {
    by_name: BTreeMap<Arc<str>, Timeline>,
    of_table: HashMap<TableId, Arc<str>>,
    now_ms: i64,
}

impl Timelines {
    pub(crate) fn take(&mut self, commit: &Commit) {
        // Of sources that were dropped meanwhile, and of statements here, nothing is kept.
        let Some(timeline) = self.by_name.get_mut(&commit.timeline) else { return };
        timeline.reached.advance(&commit.position);
        timeline.commits += 1;
        timeline.applied_ms = self.now_ms;
        timeline.committed_ms = timeline.committed_ms.max(commit.committed_ms);
    }

    /// How far the timeline of a source has come.
    pub(crate) fn keep(&self, table: TableId) -> Option<KeptTimeline> {
        let timeline = self.by_name.get(self.of_table.get(&table)?)?;
        let Timeline { reached, commits, committed_ms, .. } = timeline.clone();
        Some(KeptTimeline { reached, commits, committed_ms })
    }

    /// The timeline of a source goes on where it was, unless commits of it have come.
    pub(crate) fn restore(&mut self, table: TableId, kept: KeptTimeline) {
        let Some(timeline) = self.of_table.get(&table).and_then(|name| self.by_name.get_mut(name)) else { return };
        if timeline.commits == 0 {
            let KeptTimeline { reached, commits, committed_ms } = kept;
            *timeline = Timeline { reached, commits, committed_ms, ..timeline.clone() };
        }
    }

    /// A timeline that no source reads any more starts anew with the next one.
    pub(crate) fn drop_table(&mut self, table: TableId) {
        let Some(name) = self.of_table.remove(&table) else { return };
        if !self.of_table.values().any(|other| *other == name) {
            self.by_name.remove(&name);
        }
    }
}

/// The rows of `tidewater.timelines`.
pub(crate) fn rows(timelines: &Timelines) -> Vec<Row> {
    let types: Vec<ColumnType> = timeline_columns().into_iter().map(|column| column.ty).collect();
    let time = |ms: i64| if ms > 0 { Datum::Int(ms.saturating_mul(1_000)) } else { Datum::Null };
    let row = |(name, timeline): (&Arc<str>, &Timeline)| {
        let reached = timeline.reached.to_string();
        let values = [
            Datum::from(&**name),
            Datum::from(reached.as_str()),
            time(timeline.committed_ms),
            timeline.lag_ms().map_or(Datum::Null, Datum::Int),
            Datum::Int(timeline.commits as i64),
            time(timeline.applied_ms),
        ];
        pack_row(&types, &values)
    };
    timelines.by_name.iter().map(row).collect()
}

/// Columns of `tidewater.timelines`.
pub(crate) fn timeline_columns() -> Vec<Column> {
    vec![
        Column::new("timeline", Type::Text).not_null(),
        Column::new("position", Type::Text).not_null(),
        Column::new("committed_at", Type::TimestampTz),
        Column::new("lag_ms", Type::Int8),
        Column::new("commits", Type::Int8).not_null(),
        Column::new("updated_at", Type::TimestampTz),
    ]
}

/// Positions of one moment, by timeline. As text they are what [`After`] reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions(BTreeMap<Arc<str>, Reached>);

impl Positions {
    /// Goes on to a later moment.
    pub fn extend(&mut self, later: Positions) {
        self.0.extend(later.0);
    }

    /// What the timeline has reached, where there is one only.
    pub fn only(&self) -> Option<&Reached> {
        let mut all = self.0.values();
        all.next().filter(|_| all.next().is_none())
    }

    /// The names of the timelines and what each has reached, as text.
    pub fn by_timeline(&self) -> impl Iterator<Item = (&str, String)> {
        self.0.iter().map(|(name, reached)| (&**name, reached.to_string()))
    }

    /// The first of these positions, as [`Positions::by_timeline`] gave them, that its timeline has not come to. One that is of no
    /// timeline here tells nothing.
    ///
    /// # Errors
    /// 22023 for what is no position.
    pub fn lacks<'a>(&self, of: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Option<String>> {
        for (name, positions) in of {
            let Some(reached) = self.0.get(name) else { continue };
            if positions.is_empty() {
                continue;
            }
            if let Some(lacking) = positions.parse::<After>()?.0.iter().find(|position| !reached.includes(position)) {
                return Ok(Some(format!("{lacking} of {name}")));
            }
        }
        Ok(None)
    }
}

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = self.0.values().map(Reached::to_string).filter(|text| !text.is_empty());
        f.write_str(&texts.collect::<Vec<_>>().join(","))
    }
}

/// Positions that an answer must include, separated by commas: a GTID set is several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct After(Vec<Position>);

impl FromStr for After {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = text.split(',').map(str::parse).collect::<Result<_, tidewater_delta::Error>>();
        parsed.map(After).map_err(|error| Error::new(b"22023", error.to_string()))
    }
}

/// A position that what a query reads does not include yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// The position asked for.
    pub asked: String,
    /// The timeline that must reach it.
    pub timeline: String,
    /// What it has reached; empty if no commit has come.
    pub reached: String,
    /// Whether it has heard of the position's server at all.
    pub known: bool,
    /// When its newest commit was made upstream and taken in, in milliseconds since 1970; 0 where unknown.
    pub committed_ms: i64,
    /// See `committed_ms`.
    pub applied_ms: i64,
}

impl Timelines {
    /// What time it is, in milliseconds since 1970, as it was told last.
    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Positions of all.
    pub(crate) fn positions(&self) -> Positions {
        Positions(self.by_name.iter().map(|(name, of)| (name.clone(), of.reached.clone())).collect())
    }
}

impl Database {
    /// Says what time it is, in milliseconds since 1970, before [`Database::apply`] and before anything else.
    pub fn set_time(&mut self, now_ms: i64) {
        self.timelines.now_ms = now_ms;
        self.followed.begin(now_ms);
    }

    /// Says which timeline a source's commits name.
    pub fn set_timeline(&mut self, table: TableId, name: &str, kind: TimelineKind) {
        let new = || Timeline { kind, reached: Reached::default(), commits: 0, committed_ms: 0, applied_ms: 0 };
        let name: Arc<str> = name.into();
        self.timelines.by_name.entry(name.clone()).or_insert_with(new);
        self.timelines.of_table.insert(table, name);
    }

    /// Positions of all timelines.
    pub fn positions(&self) -> Positions {
        self.timelines.positions()
    }

    /// Positions of the timelines that objects are made from.
    pub fn positions_of<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Positions {
        let read = self.timelines_of(&self.timelines, names);
        Positions(read.into_iter().map(|(name, timeline)| (name.clone(), timeline.reached.clone())).collect())
    }

    fn timelines_of<'a, 't>(
        &self,
        all: &'t Timelines,
        names: impl IntoIterator<Item = &'a str>,
    ) -> BTreeMap<&'t Arc<str>, &'t Timeline> {
        let mut found = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let mut open: Vec<&str> = names.into_iter().collect();
        while let Some(name) = open.pop() {
            let Some((name, object)) = self.objects.get_key_value(name) else { continue };
            if !seen.insert(name) {
                continue;
            }
            match &object.body {
                Body::Source { table, .. } => {
                    let timeline = all.of_table.get(table);
                    found.extend(timeline.and_then(|name| all.by_name.get_key_value(name)));
                }
                Body::MaterializedView { reads, .. } | Body::View { reads, .. } => {
                    open.extend(reads.iter().map(String::as_str));
                }
                _ => {}
            }
        }
        found
    }

    /// The first of the positions that what `names` are made from does not include yet. What is made from no source
    /// has nothing to wait for.
    ///
    /// # Errors
    /// 22023 if no timeline that they are made from could include it.
    pub fn behind<'a>(&self, names: impl IntoIterator<Item = &'a str>, after: &After) -> Result<Option<Behind>> {
        self.behind_in(&self.timelines, names, after)
    }

    pub(crate) fn behind_in<'a>(
        &self,
        all: &Timelines,
        names: impl IntoIterator<Item = &'a str>,
        after: &After,
    ) -> Result<Option<Behind>> {
        let read = self.timelines_of(all, names);
        if read.is_empty() {
            return Ok(None);
        }
        let mut applies = false;
        for position in &after.0 {
            let able: Vec<_> = read.iter().filter(|(name, of)| could_include(name, of, position)).collect();
            let elsewhere = || all.by_name.iter().any(|(name, of)| could_include(name, of, position));
            if able.is_empty() && !elsewhere() {
                return Err(foreign(position, &read));
            }
            applies |= !able.is_empty();
            // Where some have heard of the server, the others are of other servers.
            let known = able.iter().any(|(_, timeline)| timeline.reached.knows(position));
            let concerned = able.iter().filter(|(_, timeline)| !known || timeline.reached.knows(position));
            if let Some((name, timeline)) = concerned.into_iter().find(|(_, timeline)| !timeline.includes(position)) {
                return Ok(Some(Behind {
                    asked: position.to_string(),
                    timeline: name.to_string(),
                    reached: timeline.reached.to_string(),
                    known,
                    committed_ms: timeline.committed_ms,
                    applied_ms: timeline.applied_ms,
                }));
            }
        }
        match after.0.first() {
            Some(position) if !applies => Err(foreign(position, &read)),
            _ => Ok(None),
        }
    }
}

/// Whether a position is one that a timeline may come to. A server that it has not heard of may be the next to write.
fn could_include(name: &str, timeline: &Timeline, position: &Position) -> bool {
    match (position, timeline.kind) {
        (Position::Offset { topic, .. }, TimelineKind::Offsets) => topic == name,
        (Position::Offset { .. }, _) | (_, TimelineKind::Offsets) => false,
        // A server that has GTIDs tells no places in the binlog but those of its snapshots.
        (Position::Binlog { .. }, _) => !timeline.reached.has_gtids() || timeline.includes(position),
        _ => true,
    }
}

fn foreign(position: &Position, read: &BTreeMap<&Arc<str>, &Timeline>) -> Error {
    let names: Vec<_> = read.iter().map(|(name, timeline)| format!("\"{name}\" ({})", timeline.reached)).collect();
    let message = format!("position {position} is of no timeline that the query reads: {}", names.join(", "));
    Error::new(b"22023", message)
        .hint("SELECT * FROM tidewater.timelines shows all of them and the form of their positions")
}
