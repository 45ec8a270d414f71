//! Batches as the protocol's rows.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::{Bytes, BytesMut};
use futures::{Stream, stream};
use pgwire::api::portal::Format;
use pgwire::api::results::{FieldFormat, FieldInfo, QueryResponse};
use pgwire::error::PgWireResult;
use pgwire::messages::data::{DataRow, RowDescription};
use sql::parse::ast::CopyFormat;

use super::wire_error;
use crate::encode::{pg_type, put_field, text, type_modifier, type_size};
use crate::runner::Batches;

/// Descriptions of the columns, in the formats that the client asked for.
pub(super) fn fields(schema: &SchemaRef, format: &Format) -> Vec<FieldInfo> {
    let field = |(number, field): (usize, &Arc<arrow_schema::Field>)| {
        let pg = pg_type(field.data_type());
        let size = type_size(&pg);
        let format = match format {
            Format::Individual(formats) if number >= formats.len() => FieldFormat::Text,
            format => format.format_for(number),
        };
        FieldInfo::new(field.name().clone(), None, None, pg, format)
            .with_type_size(size)
            .with_type_modifier(type_modifier(field.data_type()))
    };
    schema.fields().iter().enumerate().map(field).collect()
}

/// The message that describes columns.
pub(super) fn description(fields: &[FieldInfo]) -> RowDescription {
    RowDescription::new(fields.iter().map(Into::into).collect())
}

/// One row as the protocol sends it.
pub(super) fn data_row(batch: &RecordBatch, row: usize, binary: &[bool]) -> DataRow {
    let mut out = BytesMut::with_capacity(batch.num_columns() * 16);
    for (column, binary) in batch.columns().iter().zip(binary) {
        put_field(&mut out, column, row, *binary);
    }
    DataRow::new(out, batch.num_columns() as i16)
}

/// Which columns are sent in binary.
pub(super) fn binary(fields: &[FieldInfo]) -> Vec<bool> {
    fields.iter().map(|field| field.format() == FieldFormat::Binary).collect()
}

/// The rows of a portal, encoded one by one as they are fetched.
pub(super) fn response(fields: Vec<FieldInfo>, batches: Batches, tag: &str) -> QueryResponse {
    let binary = binary(&fields);
    let mut response = QueryResponse::new(Arc::new(fields), rows(batches, binary));
    response.set_command_tag(tag);
    response
}

fn rows(batches: Batches, binary: Vec<bool>) -> impl Stream<Item = PgWireResult<DataRow>> + Send {
    let begin = (batches, None::<(RecordBatch, usize)>, binary);
    stream::unfold(begin, async |(mut batches, mut at, binary)| {
        loop {
            if let Some((batch, row)) = at.take_if(|(batch, row)| *row < batch.num_rows()) {
                let encoded = data_row(&batch, row, &binary);
                return Some((Ok(encoded), (batches, Some((batch, row + 1)), binary)));
            }
            match batches.next().await? {
                Ok(batch) => at = Some((batch, 0)),
                Err(error) => return Some((Err(wire_error(&error)), (batches, None, binary))),
            }
        }
    })
}

/// Lines of COPY.
pub(super) struct Lines<'a>(pub(super) &'a CopyFormat);

impl Lines<'_> {
    pub(super) fn header(&self, schema: &SchemaRef) -> Bytes {
        self.line(schema.fields().iter().map(|field| self.quoted(field.name())).collect())
    }

    pub(super) fn row(&self, batch: &RecordBatch, row: usize) -> Bytes {
        let value = |column| text(column, row).map_or_else(|| self.0.null.clone(), |value| self.quoted(&value));
        self.line(batch.columns().iter().map(value).collect())
    }

    fn line(&self, values: Vec<String>) -> Bytes {
        let mut line = values.join(self.0.delimiter.encode_utf8(&mut [0; 4]));
        line.push('\n');
        line.into()
    }

    fn quoted(&self, value: &str) -> String {
        if !self.0.csv {
            let mut escaped = String::with_capacity(value.len());
            for letter in value.chars() {
                match letter {
                    '\\' => escaped.push_str("\\\\"),
                    '\n' => escaped.push_str("\\n"),
                    '\r' => escaped.push_str("\\r"),
                    '\t' => escaped.push_str("\\t"),
                    '\u{8}' => escaped.push_str("\\b"),
                    '\u{b}' => escaped.push_str("\\v"),
                    '\u{c}' => escaped.push_str("\\f"),
                    letter if letter == self.0.delimiter => escaped.extend(['\\', letter]),
                    letter => escaped.push(letter),
                }
            }
            return escaped;
        }
        // What reads as NULL, or as the end of the data, is quoted so that it does not.
        let special = |letter| ['"', '\n', '\r', self.0.delimiter].contains(&letter);
        if value == self.0.null || value == "\\." || value.contains(special) {
            return format!("\"{}\"", value.replace('"', "\"\""));
        }
        value.to_owned()
    }
}
