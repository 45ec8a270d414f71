//! Batches as the protocol's rows.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream};
use pgwire::api::portal::Format;
use pgwire::api::results::{CopyResponse, FieldFormat, FieldInfo, QueryResponse};
use pgwire::messages::copy::CopyData;
use pgwire::messages::data::DataRow;

use crate::encode::{pg_type, put_field, text, type_modifier, type_size};

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

fn data_row(batch: &RecordBatch, row: usize, binary: &[bool]) -> DataRow {
    let mut out = BytesMut::with_capacity(batch.num_columns() * 16);
    for (column, binary) in batch.columns().iter().zip(binary) {
        put_field(&mut out, column, row, *binary);
    }
    DataRow::new(out, batch.num_columns() as i16)
}

/// The rows of `batches`, encoded one by one as the socket takes them.
pub(super) fn response(fields: Vec<FieldInfo>, batches: Vec<RecordBatch>) -> QueryResponse {
    let binary: Arc<[bool]> = fields.iter().map(|field| field.format() == FieldFormat::Binary).collect();
    let rows = stream::iter(batches).flat_map(move |batch| {
        let binary = binary.clone();
        stream::iter((0..batch.num_rows()).map(move |row| Ok(data_row(&batch, row, &binary))))
    });
    QueryResponse::new(Arc::new(fields), rows)
}

/// The rows as COPY sends them.
pub(super) fn copy(schema: &SchemaRef, batches: Vec<RecordBatch>, csv: bool, header: bool) -> CopyResponse {
    let columns = schema.fields().len();
    let first = header.then(|| {
        let names: Vec<_> = schema.fields().iter().map(|field| quoted(field.name(), csv)).collect();
        line(&names, csv)
    });
    let lines = stream::iter(batches).flat_map(move |batch| {
        stream::iter((0..batch.num_rows()).map(move |row| {
            let value = |column| match text(column, row) {
                Some(value) => quoted(&value, csv),
                None => {
                    if csv {
                        String::new()
                    } else {
                        "\\N".to_owned()
                    }
                }
            };
            line(&batch.columns().iter().map(value).collect::<Vec<_>>(), csv)
        }))
    });
    let data = stream::iter(first).chain(lines).map(|line| Ok(CopyData::new(Bytes::from(line))));
    CopyResponse::new(0, columns, data)
}

fn line(values: &[String], csv: bool) -> String {
    let mut line = values.join(if csv { "," } else { "\t" });
    line.push('\n');
    line
}

fn quoted(value: &str, csv: bool) -> String {
    if !csv {
        let escaped = value.replace('\\', "\\\\").replace('\t', "\\t");
        return escaped.replace('\n', "\\n").replace('\r', "\\r");
    }
    // An empty text is quoted, so that it is not NULL.
    if value.is_empty() || value.contains(['"', ',', '\n', '\r']) {
        return format!("\"{}\"", value.replace('"', "\"\""));
    }
    value.to_owned()
}
