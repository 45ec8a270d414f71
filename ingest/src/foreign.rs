//! Records of another kind than their source was told: says which, and what to write instead.

use crate::error::{Error, Result};

/// Debezium's envelope: an image, the operation, and where it came from.
fn is_envelope(has: impl Fn(&str) -> bool) -> bool {
    has("op") && has("source") && (has("after") || has("before"))
}

/// Why a record with these members is no change event of a table.
pub(crate) fn not_an_envelope<'n>(names: impl IntoIterator<Item = &'n str>) -> Error {
    let names: Vec<_> = names.into_iter().collect();
    let has = |name: &str| names.contains(&name);
    let text = if has("ddl") || has("tableChanges") {
        "this is a schema change of Debezium's, so the topic is that of the connector's DDL: name a table's topic, \
         PREFIX.DATABASE.TABLE"
    } else if has("status") && has("id") && has("event_count") {
        "this is a transaction's boundary, so the topic is that of the transactions: name a table's topic, and this one as \
         TRANSACTION TOPIC"
    } else if names.iter().all(|name| name.starts_with("ts_")) && has("ts_ms") {
        "this is a heartbeat of Debezium's: name a table's topic, PREFIX.DATABASE.TABLE"
    } else if has("after") || has("before") {
        "an envelope without \"op\""
    } else {
        "this is a row without Debezium's envelope, as the transform ExtractNewRecordState makes: take that transform out of the \
         connector, or use ENVELOPE UPSERT with the table's key"
    };
    Error::decode(text)
}

/// Refuses an envelope where rows are expected.
///
/// # Errors
/// If a record with these members is one.
pub(crate) fn no_envelope<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<()> {
    let names: Vec<_> = names.into_iter().collect();
    if is_envelope(|name| names.contains(&name)) {
        return Err(Error::decode("this is a change event in Debezium's envelope: use ENVELOPE DEBEZIUM"));
    }
    Ok(())
}
