//! What sources are about, as users see it: a state, since when, why, and what to do. Readers of a source that cannot answer
//! are told so; readers of one that stands still or lost records get its rows and a notice.
//!
//! `tidewater.sources` is an ordinary relation whose rows are these; SHOW SOURCES shows them as they are at the moment.

use std::collections::{BTreeMap, BTreeSet};

use tidewater_delta::{Change, Commit, Op, Row, TableId};
use tidewater_query::run::pack_row;
use tidewater_types::{Column, ColumnType, Datum, Type};

use crate::catalog::{Body, Object};
use crate::database::{Database, Progress};
use crate::parse::ast::{ObjectKind, OnError};
use crate::{Error, Result};

/// What a source is about, the worse the later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceState {
    /// It follows its topic.
    Running,
    /// Its first rows are coming.
    Hydrating,
    /// Nothing can be read yet.
    Waiting,
    /// It shows the last whole state and cannot go on.
    Stalled,
    /// Its topic does not hold all of the table: it has no answer.
    Incomplete,
    /// Its statement cannot be done now: it holds no rows.
    Broken,
}

impl SourceState {
    /// All of them.
    pub const ALL: [SourceState; 6] =
        [Self::Running, Self::Hydrating, Self::Waiting, Self::Stalled, Self::Incomplete, Self::Broken];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            SourceState::Waiting => "waiting",
            SourceState::Hydrating => "hydrating",
            SourceState::Running => "running",
            SourceState::Stalled => "stalled",
            SourceState::Incomplete => "incomplete",
            SourceState::Broken => "broken",
        }
    }
}

/// What changes together in a source's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    /// Whole transactions of the upstream database, across its tables.
    Transactions,
    /// Each table in the order of its own changes; across tables best effort.
    Table,
    /// Each record by itself: nothing upstream holds records together.
    Record,
}

impl Consistency {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Consistency::Transactions => "transactions",
            Consistency::Table => "table",
            Consistency::Record => "record",
        }
    }
}

/// How a source is, as whoever feeds it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceHealth {
    /// What it is about.
    pub state: SourceState,
    /// Why, in one sentence; empty where nothing is wrong.
    pub reason: String,
    /// What the user can do; may be empty.
    pub hint: String,
    /// Records lost since it was read from its beginning.
    pub lost: u64,
    /// Records not read yet, where known.
    pub lag: Option<u64>,
}

/// A source as users see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceStatus {
    /// Its name.
    pub name: String,
    /// How it is.
    pub health: SourceHealth,
    /// Since when its state is this one, in milliseconds since 1970; 0 before the first [`Database::publish_sources`].
    pub since_ms: i64,
    /// Records of its initial rows, while they come.
    pub progress: Option<Progress>,
    /// What becomes of a transaction that misses a record.
    pub on_error: OnError,
    /// What changes together.
    pub consistency: Consistency,
}

/// Something that a reader is told beside its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// NOTICE or WARNING.
    pub severity: &'static str,
    /// Five characters of PostgreSQL's error code table.
    pub sqlstate: &'static str,
    /// One sentence.
    pub message: String,
    /// What the user can do; may be empty.
    pub hint: String,
    /// Whether it says the same for as long as the session lives, so that once is enough.
    pub once: bool,
}

impl Notice {
    /// A NOTICE to be told each time.
    pub fn new(message: impl Into<String>) -> Self {
        let (message, hint) = (message.into(), String::new());
        Notice { severity: "NOTICE", sqlstate: "00000", message, hint, once: false }
    }
}

/// What the database keeps of a source beside its rows.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) progress: Option<Progress>,
    pub(crate) health: SourceHealth,
    pub(crate) on_error: OnError,
    pub(crate) consistency: Consistency,
    /// Columns that have no value any more, and why.
    pub(crate) lost_columns: BTreeMap<String, String>,
}

impl Default for Source {
    fn default() -> Self {
        let health = SourceHealth {
            state: SourceState::Running,
            reason: String::new(),
            hint: String::new(),
            lost: 0,
            lag: None,
        };
        Source {
            progress: None,
            health,
            on_error: OnError::Stall,
            consistency: Consistency::Record,
            lost_columns: BTreeMap::new(),
        }
    }
}

/// What readers were last shown of a source.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    state: SourceState,
    since_ms: i64,
    row: Option<Row>,
}

/// Columns of `tidewater.sources`.
pub(crate) fn columns() -> Vec<Column> {
    let text = |name| Column::new(name, Type::Text).not_null();
    vec![
        text("name"),
        text("type"),
        text("status"),
        Column::new("since", Type::TimestampTz),
        text("reason"),
        text("hint"),
        Column::new("lost", Type::Int8).not_null(),
        Column::new("lag", Type::Int8),
        text("on_error"),
        text("consistency"),
    ]
}

impl Database {
    /// Says what a source promises: what becomes of its bad records and what changes together.
    pub fn describe_source(&mut self, table: TableId, on_error: OnError, consistency: Consistency) {
        if let Some(source) = self.sources.get_mut(&table) {
            (source.on_error, source.consistency) = (on_error, consistency);
        }
        self.look_at_sources();
    }

    /// Says how a source is; false if it was dropped meanwhile.
    pub fn set_health(&mut self, table: TableId, health: SourceHealth) -> bool {
        let Some(source) = self.sources.get_mut(&table) else { return false };
        source.health = health;
        self.look_at_sources();
        true
    }

    /// Takes note of what readers must be told of, so that they need not look where all is well.
    pub(crate) fn look_at_sources(&mut self) {
        let told = |source: &Source| {
            let health = &source.health;
            health.lost > 0 || matches!(health.state, SourceState::Stalled | SourceState::Incomplete)
        };
        let loose = self.sources.values().filter(|source| source.consistency == Consistency::Table).count();
        self.columns_lost = self.sources.values().any(|source| !source.lost_columns.is_empty());
        self.troubled = loose > 1 || self.sources.values().any(told);
    }

    /// All sources, in the order of their names.
    pub fn source_statuses(&self) -> Vec<SourceStatus> {
        let status = |(name, object): (&String, &Object)| self.status_of(name, object);
        self.objects.iter().filter_map(status).collect()
    }

    /// The status of a source by its name.
    pub fn source_status(&self, name: &str) -> Option<SourceStatus> {
        self.status_of(name, self.objects.get(name)?)
    }

    fn status_of(&self, name: &str, object: &Object) -> Option<SourceStatus> {
        let source = match &object.body {
            Body::Source { table, .. } => self.sources.get(table)?.clone(),
            Body::Broken(broken) if broken.kind == ObjectKind::Source => {
                let hint = broken.error.hint.clone().unwrap_or_default();
                let reason = broken.error.message.clone();
                let health = SourceHealth { state: SourceState::Broken, reason, hint, lost: 0, lag: None };
                Source { health, ..Source::default() }
            }
            _ => return None,
        };
        let mut health = source.health;
        if health.reason.is_empty() && !source.lost_columns.is_empty() {
            let reasons: Vec<&str> = source.lost_columns.values().map(String::as_str).collect();
            health.reason = format!("columns have no value any more, the others go on: {}", reasons.join("; "));
        }
        // Whoever reads Kafka may say that it runs before the first rows are all there.
        if source.progress.is_some() && health.state == SourceState::Running {
            health.state = SourceState::Hydrating;
        }
        if source.progress.is_none() && health.state == SourceState::Hydrating {
            health.state = SourceState::Running;
        }
        let published = self.published.get(name).filter(|published| published.state == health.state);
        Some(SourceStatus {
            name: name.to_owned(),
            health,
            since_ms: published.map_or(0, |published| published.since_ms),
            progress: source.progress,
            on_error: source.on_error,
            consistency: source.consistency,
        })
    }

    /// The sources that `names` read, through views too.
    pub(crate) fn sources_of<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
        let mut open: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let (mut seen, mut found) = (BTreeSet::new(), BTreeSet::new());
        while let Some(name) = open.pop() {
            let Some(object) = self.objects.get(&name).filter(|_| seen.insert(name.clone())) else { continue };
            match &object.body {
                Body::Source { .. } => drop(found.insert(name)),
                Body::MaterializedView { reads, .. } | Body::View { reads, .. } => open.extend(reads.iter().cloned()),
                _ => {}
            }
        }
        found
    }

    /// Fails where a source that `names` read cannot answer, and will not by waiting.
    ///
    /// # Errors
    /// 55000 (object not in prerequisite state): the statement is right, so no 42; trying again does not help, so no 08 or 57.
    pub fn readable<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
        if !self.troubled {
            return Ok(());
        }
        for name in self.sources_of(names) {
            let Some(status) = self.source_status(&name) else { continue };
            if status.health.state == SourceState::Incomplete {
                let message = format!("source \"{name}\" does not hold all of its table: {}", status.health.reason);
                return Err(Error::new(b"55000", message).hint(status.health.hint));
            }
        }
        Ok(())
    }

    /// What readers of `names` are told beside their rows.
    pub fn notices<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Vec<Notice> {
        let (mut notices, mut loose) = (Vec::new(), Vec::new());
        if !self.troubled {
            return notices;
        }
        for name in self.sources_of(names) {
            let Some(status) = self.source_status(&name) else { continue };
            let SourceHealth { state, reason, hint, lost, .. } = status.health;
            if state == SourceState::Stalled {
                let message = format!("source \"{name}\" stands still, this is the last whole state: {reason}");
                notices.push(Notice { severity: "WARNING", sqlstate: "01000", hint, ..Notice::new(message) });
            }
            if lost > 0 && status.on_error == OnError::DeadLetter {
                let message = format!("source \"{name}\" lost {lost} records: its rows are not all that it was sent");
                let hint = "SELECT * FROM tidewater.dead_letters tells which and why".to_owned();
                notices.push(Notice { sqlstate: "01000", hint, ..Notice::new(message) });
            }
            if status.consistency == Consistency::Table {
                loose.push(format!("\"{name}\""));
            }
        }
        if loose.len() > 1 {
            let message = format!(
                "{} have no transaction metadata: each table in order, best effort across tables",
                loose.join(", ")
            );
            let hint = "run the connector with provide.transaction.metadata=true for whole transactions".to_owned();
            notices.push(Notice { hint, once: true, ..Notice::new(message) });
        }
        notices
    }

    /// Brings the rows of `tidewater.sources` up to date, and since when each state is.
    pub fn publish_sources(&mut self, now_ms: i64) {
        self.note_states(now_ms);
        let mut changes = Vec::new();
        for status in self.source_statuses() {
            let row = row_of(&status);
            let Some(published) = self.published.get_mut(&status.name) else { continue };
            if published.row.as_ref() != Some(&row) {
                published.row = Some(row.clone());
                changes.push(Change { table: self.sources_table, op: Op::Upsert(row) });
            }
        }
        let gone = self.published.extract_if(.., |name, _| !self.objects.contains_key(name));
        for (name, published) in gone.collect::<BTreeMap<_, _>>() {
            if published.row.is_some() {
                let key = pack_row(&[ColumnType::from(Type::Text)], &[Datum::from(name.as_str())]);
                changes.push(Change { table: self.sources_table, op: Op::Delete(key) });
            }
        }
        if !changes.is_empty() {
            self.apply([Commit::local(changes)]);
        }
    }

    /// Takes note of the moment at which states changed.
    pub fn note_states(&mut self, now_ms: i64) {
        for SourceStatus { name, health, .. } in self.source_statuses() {
            let state = health.state;
            let entry = self.published.entry(name).or_insert(Published { state, since_ms: now_ms, row: None });
            if entry.state != state {
                (entry.state, entry.since_ms) = (state, now_ms);
            }
        }
    }
}

impl SourceStatus {
    /// Why it is as it is; how far the initial rows have come where nothing is wrong.
    pub fn shown_reason(&self) -> String {
        match self.progress {
            Some(Progress { read, of }) if self.health.reason.is_empty() && of > 0 => {
                format!("{read} of {of} records read")
            }
            _ => self.health.reason.clone(),
        }
    }
}

/// The row of `tidewater.sources`.
fn row_of(status: &SourceStatus) -> Row {
    let types: Vec<ColumnType> = columns().into_iter().map(|column| column.ty).collect();
    pack_row(&types, &values(status, status.health.state.word(), &status.shown_reason()))
}

/// What a source is about, as `tidewater.sources` has it and SHOW SOURCES.
pub(crate) fn values<'a>(status: &'a SourceStatus, state: &'a str, reason: &'a str) -> [Datum<'a>; 10] {
    let health = &status.health;
    let count = |count: u64| Datum::Int(i64::try_from(count).unwrap_or(i64::MAX));
    [
        Datum::from(status.name.as_str()),
        Datum::from("kafka"),
        Datum::from(state),
        if status.since_ms > 0 { Datum::Int(status.since_ms.saturating_mul(1_000)) } else { Datum::Null },
        Datum::from(reason),
        Datum::from(health.hint.as_str()),
        count(health.lost),
        health.lag.map_or(Datum::Null, count),
        Datum::from(status.on_error.words()),
        Datum::from(status.consistency.word()),
    ]
}
