//! Results as JSON: rows as they are computed, so that a large answer is never in memory as a whole.
//!
//! An answer that fails after its first rows have been sent says so beside them: it has an `error` and no `tag`.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use futures::stream;
use serde_json::{Value, json};
use tidewater_functions::Session;
use tidewater_sql::{Error, Notice, Result};
use tidewater_types::{Column, ColumnType, Datum, Type, output};

use crate::encode::{Encoder, oid};
use crate::runner::{Batch, Batches};

/// Integers from here on are text: JSON's readers hold smaller ones exactly as they are.
const INEXACT: u64 = 1 << 53;

/// Writes each row as a list.
pub(crate) fn json_rows(columns: &[Column], session: Arc<Session>) -> Encoder {
    let types: Vec<ColumnType> = columns.iter().map(|column| column.ty.clone()).collect();
    let mut text = String::new();
    Box::new(move |values, out| {
        out.push(b'[');
        for (at, (value, ty)) in values.iter().zip(&types).enumerate() {
            if at > 0 {
                out.push(b',');
            }
            cell(value, ty, &session, &mut text, out)?;
        }
        out.push(b']');
        Ok(())
    })
}

/// Truth values and integers that JSON's readers hold exactly as they are, everything else as text.
pub(crate) fn cell(
    value: &Datum<'_>,
    ty: &ColumnType,
    session: &Session,
    text: &mut String,
    out: &mut Vec<u8>,
) -> Result<()> {
    let plain = match (value, &ty.ty) {
        (Datum::Null, _) => json!(null),
        (Datum::Bool(value), _) => json!(value),
        (Datum::Int(value), Type::Int2 | Type::Int4 | Type::Int8) if value.unsigned_abs() < INEXACT => json!(value),
        _ => {
            text.clear();
            output(value, ty, &session.settings, text);
            return serde_json::to_writer(out, text).map_err(|error| Error::new(b"XX000", error.to_string()));
        }
    };
    serde_json::to_writer(out, &plain).map_err(|error| Error::new(b"XX000", error.to_string()))
}

/// A result that has rows.
pub(crate) struct Rows {
    pub(crate) columns: Arc<[Column]>,
    pub(crate) batches: Batches,
    pub(crate) notices: Vec<Notice>,
}

/// What stands before the rows.
const HEAD: &str = "{\"rows\":[";

impl Rows {
    /// What stands behind so many rows.
    fn tail(&self, count: usize, error: Option<&Error>) -> String {
        let describe = |column: &Column| {
            let ty = &column.ty;
            json!({ "name": column.name, "type_oid": oid(ty), "type_len": ty.ty.length(), "type_mod": ty.modifier })
        };
        let columns: Vec<_> = self.columns.iter().map(describe).collect();
        let outcome = match error {
            None => format!("\"tag\":\"SELECT {count}\""),
            Some(error) => format!("\"error\":{}", shown_error(error)),
        };
        format!("],{outcome},\"desc\":{},\"notices\":{}}}", json!({ "columns": columns }), shown_notices(&self.notices))
    }

    /// The whole result as text, of at most so many bytes.
    ///
    /// # Errors
    /// What a row's evaluation gives; 53200 for more.
    pub(crate) async fn collected(mut self, most: usize) -> Result<String> {
        let (mut text, mut count) = (HEAD.as_bytes().to_vec(), 0);
        while let Some(batch) = self.batches.next().await {
            put(batch?, &mut count, &mut text);
            if text.len() > most {
                let detail = "Answers before the last of a request are held in memory.";
                return Err(Error::new(b"53200", "out of memory").detail(detail));
            }
        }
        text.extend_from_slice(self.tail(count, None).as_bytes());
        String::from_utf8(text).map_err(|error| Error::new(b"XX000", error.to_string()))
    }

    /// The body of a response whose last result this is, after `before`.
    ///
    /// # Errors
    /// What goes wrong before the first rows come.
    pub(crate) async fn body(mut self, before: &str, after: &'static str) -> Result<Body> {
        let mut first = format!("{before}{HEAD}").into_bytes();
        let mut count = 0;
        match self.batches.next().await {
            Some(batch) => put(batch?, &mut count, &mut first),
            None => {
                let whole = [&first, self.tail(0, None).as_bytes(), after.as_bytes()].concat();
                return Ok(Body::from(whole));
            }
        }
        let state = Some((self, count, Some(first)));
        let pieces = stream::unfold(state, move |state| async move {
            let (mut rows, mut count, first) = state?;
            if let Some(first) = first {
                return Some((piece(first), Some((rows, count, None))));
            }
            match rows.batches.next().await {
                Some(Ok(batch)) => {
                    let mut text = Vec::new();
                    put(batch, &mut count, &mut text);
                    Some((piece(text), Some((rows, count, None))))
                }
                last => {
                    let error = last.and_then(std::result::Result::err);
                    let text = format!("{}{after}", rows.tail(count, error.as_ref()));
                    Some((piece(text.into_bytes()), None))
                }
            }
        });
        Ok(Body::from_stream(pieces))
    }
}

fn piece(text: Vec<u8>) -> std::result::Result<Bytes, Infallible> {
    Ok(text.into())
}

/// Appends rows, of which `count` came before.
fn put(batch: Batch, count: &mut usize, out: &mut Vec<u8>) {
    for row in batch {
        if *count > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&row);
        *count += 1;
    }
}

/// What the reader of a result is told beside it.
pub(crate) fn shown_notices(notices: &[Notice]) -> Value {
    let shown = |notice: &Notice| {
        let mut shown =
            json!({ "message": notice.message, "severity": notice.severity.to_lowercase(), "code": notice.sqlstate });
        if !notice.hint.is_empty() {
            shown["hint"] = json!(notice.hint);
        }
        shown
    };
    notices.iter().map(shown).collect()
}

/// An error.
pub(crate) fn shown_error(error: &Error) -> Value {
    let mut shown = json!({ "message": error.message, "code": String::from_utf8_lossy(&error.sqlstate) });
    for (name, value) in [("detail", &error.detail), ("hint", &error.hint)] {
        if let Some(value) = value {
            shown[name] = json!(value);
        }
    }
    if let Some(position) = error.position {
        shown["position"] = json!(position);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_keep_what_json_can_hold() {
        let columns = [
            Column::new("b", Type::Bool),
            Column::new("small", Type::Int8),
            Column::new("large", Type::Int8),
            Column::new("day", Type::Date),
            Column::new("text", Type::Text),
            Column::new("none", Type::Int4),
        ];
        let mut out = Vec::new();
        let values = [
            Datum::Bool(true),
            Datum::Int(-7),
            Datum::Int(1 << 53),
            Datum::Int(0),
            Datum::from("a\"\u{1}é"),
            Datum::Null,
        ];
        json_rows(&columns, Arc::default())(&values, &mut out).expect("a row");
        let row: Value = serde_json::from_slice(&out).expect("JSON");
        assert_eq!(row, json!([true, -7, "9007199254740992", "1970-01-01", "a\"\u{1}é", null]));
    }
}
