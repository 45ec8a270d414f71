//! What readers of Kafka tell, in the words of the database.

use tidewater_delta::Row;
use tidewater_ingest::{DeadLetter, Health, State};
use tidewater_query::run::pack_row;
use tidewater_sql::{Database, Error, Prepared, SourceHealth, SourceState};
use tidewater_types::{ColumnType, Datum};

pub(crate) fn health_of(health: Health) -> SourceHealth {
    let Health { state, reason, hint, lost, lag } = health;
    let state = match state {
        State::Waiting => SourceState::Waiting,
        State::Hydrating => SourceState::Hydrating,
        State::Running => SourceState::Running,
        State::Stalled => SourceState::Stalled,
        State::Incomplete => SourceState::Incomplete,
    };
    SourceHealth { state, reason, hint, lost, lag }
}

/// Logs what a source is about.
pub(crate) fn log(source: &str, health: &SourceHealth) {
    let SourceHealth { state, reason, hint, .. } = health;
    match state {
        SourceState::Running | SourceState::Hydrating => tracing::info!(source, state = state.word(), "reading"),
        SourceState::Waiting => tracing::warn!(source, reason, hint, "waiting"),
        SourceState::Stalled | SourceState::Incomplete | SourceState::Broken => {
            tracing::error!(source, reason, hint, state = state.word(), "no progress");
        }
    }
}

/// A row of `tidewater.dead_letters`, whose columns have these types.
pub(crate) fn row_of(letter: &DeadLetter, types: &[ColumnType]) -> Row {
    let DeadLetter { source, topic, partition, offset, timestamp_ms, key, value, reason } = letter;
    tracing::warn!(source, topic, partition, offset, reason, "a record could not be decoded");
    let values = [
        Datum::from(source.as_str()),
        Datum::from(topic.as_str()),
        Datum::Int(i64::from(*partition)),
        Datum::Int(*offset),
        Datum::Int(timestamp_ms.saturating_mul(1_000)),
        bytes(key.as_deref()),
        bytes(value.as_deref()),
        Datum::from(reason.as_str()),
    ];
    pack_row(types, &values)
}

fn bytes(bytes: Option<&[u8]>) -> Datum<'_> {
    bytes.map_or(Datum::Null, Datum::Bytes)
}

/// What keeps a query waiting, source by source.
pub(crate) fn still_hydrating(database: &Database, prepared: &Prepared) -> Error {
    let reads = database.reads(prepared);
    let (mut shown, mut hints) = (Vec::new(), Vec::new());
    for (name, progress) in database.hydrating(reads.iter().map(String::as_str)) {
        let status = database.source_status(&name);
        let why = status
            .as_ref()
            .filter(|status| !status.health.reason.is_empty())
            .map_or(String::new(), |status| format!(", {}: {}", status.health.state.word(), status.health.reason));
        shown.push(format!("\"{name}\" ({} of {}{why})", progress.read, progress.of));
        hints.extend(status.map(|status| status.health.hint).filter(|hint| !hint.is_empty()));
    }
    hints.push("SHOW SOURCES and SHOW MATERIALIZED VIEWS tell how far they are".into());
    hints.push("SET statement_timeout waits longer".into());
    Error::new(b"57014", format!("statement timeout: the initial rows of {} have not all come", shown.join(", ")))
        .hint(hints.join("; "))
}

/// A metric: its labels and value.
type Values = Vec<(String, f64)>;

/// Sources for Prometheus: their states, lags and losses.
pub(crate) fn metrics(
    database: &Database,
    escaped: impl Fn(&str) -> String,
) -> [(&'static str, &'static str, &'static str, Values); 3] {
    let (mut states, mut lags, mut losses) = (Vec::new(), Vec::new(), Vec::new());
    for status in database.source_statuses() {
        let name = escaped(&status.name);
        for state in SourceState::ALL {
            let labels = format!("{{source=\"{name}\",state=\"{}\"}}", state.word());
            states.push((labels, f64::from(u8::from(state == status.health.state))));
        }
        if let Some(lag) = status.health.lag {
            lags.push((format!("{{source=\"{name}\"}}"), lag as f64));
        }
        losses.push((format!("{{source=\"{name}\"}}"), status.health.lost as f64));
    }
    [
        ("source_state", "gauge", "1 at the state that a source is in.", states),
        ("source_lag_records", "gauge", "Records that Kafka holds and a source has not read.", lags),
        ("source_lost_total", "counter", "Records lost since a source was read from its beginning.", losses),
    ]
}
