//! A look at a topic's first record when its source is made: a topic that an envelope can make nothing of would give dead
//! letters only.

use std::time::Duration;

use serde_json::{Map, Value};
use tidewater_ingest::{Envelope, Format, SourceConfig};
use tidewater_sql::{Error, Result};

/// A first record that is there comes much sooner; an empty topic is waited for this long.
const WAIT: Duration = Duration::from_secs(2);

/// Refuses a source whose first record is of another kind than its envelope reads. A topic that is empty, is not there or does
/// not answer is no reason.
///
/// # Errors
/// 42809 with the envelope that fits.
pub(crate) async fn check(config: &SourceConfig) -> Result<()> {
    if config.format != Format::Json || config.envelope == Envelope::None {
        return Ok(());
    }
    let asked = config.clone();
    let first = tokio::task::spawn_blocking(move || {
        let consumer = asked.cluster.consumer().ok()?;
        if asked.cluster.partitions(&consumer, &asked.topic).ok()? == 0 {
            return None;
        }
        asked.cluster.first_record(&asked.topic, WAIT).ok().flatten().map(|(_, value)| value)
    });
    match first.await.ok().flatten().as_deref().and_then(|value| misfit(&config.envelope, value)) {
        None => Ok(()),
        Some((kind, hint)) => {
            let message = format!("source \"{}\": topic \"{}\" holds {kind}", config.name, config.topic);
            Err(Error::new(b"42809", message).hint(hint))
        }
    }
}

/// What a record is instead of what its envelope reads, and what to do.
fn misfit(envelope: &Envelope, value: &[u8]) -> Option<(&'static str, &'static str)> {
    let Ok(Value::Object(record)) = serde_json::from_slice(value) else { return None };
    let payload = match record.get("payload") {
        Some(Value::Object(payload)) => payload,
        _ => &record,
    };
    let has = |names: &[&str]| names.iter().all(|name| payload.contains_key(*name));
    let event = has(&["op"]) && (has(&["before"]) || has(&["after"]));
    match envelope {
        Envelope::Debezium { .. } if event => None,
        Envelope::Debezium { .. } => Some(kind(payload)),
        Envelope::Upsert if event && has(&["source"]) => {
            Some(("Debezium's change events, not rows", "read it with ENVELOPE DEBEZIUM"))
        }
        Envelope::Upsert | Envelope::None => None,
    }
}

fn kind(payload: &Map<String, Value>) -> (&'static str, &'static str) {
    let has = |names: &[&str]| names.iter().all(|name| payload.contains_key(*name));
    if has(&["ddl"]) || has(&["tableChanges"]) {
        return ("schema changes, not rows", "name the topic of a table: prefix.database.table");
    }
    if has(&["status", "id", "event_count"]) {
        return ("boundaries of transactions, not rows", "name the topic of a table: prefix.database.table");
    }
    if has(&["ts_ms"]) && payload.len() == 1 {
        return ("heartbeats, not rows", "name the topic of a table: prefix.database.table");
    }
    let hint = "read flattened records with ENVELOPE UPSERT, or take ExtractNewRecordState out of the connector";
    ("records without Debezium's envelope", hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_gives_dead_letters_only_is_told_by_its_first_record() {
        let debezium = Envelope::Debezium { transaction_topic: None, collection: None };
        let told = |envelope: &Envelope, value: &str| misfit(envelope, value.as_bytes()).map(|(kind, _)| kind);
        for (value, expected) in [
            (r#"{"ts_ms":1}"#, "heartbeats"),
            (r#"{"schema":{},"payload":{"ts_ms":1}}"#, "heartbeats"),
            (
                r#"{"source":{},"databaseName":"shop","ddl":"CREATE TABLE t (a int)","tableChanges":[]}"#,
                "schema changes",
            ),
            (r#"{"status":"BEGIN","id":"x","event_count":null}"#, "boundaries"),
            (r#"{"id":1,"name":"a"}"#, "without Debezium's envelope"),
        ] {
            let found = told(&debezium, value).unwrap_or_default();
            assert!(found.contains(expected), "{value}: {found}");
        }
        let event = r#"{"payload":{"op":"c","before":null,"after":{"id":1},"source":{}}}"#;
        assert_eq!(told(&debezium, event), None);
        assert_eq!(told(&debezium, "no JSON"), None);
        assert!(told(&Envelope::Upsert, event).is_some_and(|kind| kind.contains("change events")));
        assert_eq!(told(&Envelope::Upsert, r#"{"op":"x","id":1}"#), None);
    }
}
