//! What a statement answers, and how it is sent.

use std::borrow::Cow;
use std::sync::Arc;

use futures::{Sink, SinkExt, Stream, stream};
use pgwire::api::portal::Format;
use pgwire::api::results::{FieldFormat, QueryResponse, Tag};
use pgwire::api::{ClientInfo, PgWireConnectionState};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::copy::{CopyData, CopyDone, CopyInResponse, CopyOutResponse};
use pgwire::messages::data::DataRow;
use pgwire::messages::response::TransactionStatus;
use tidewater_sql::Error;
use tidewater_sql::parse::ast::CopyFormat;
use tidewater_types::Column;

use super::wire_error;
use crate::copy_lines;
use crate::encode::description;
use crate::runner::{Batch, Batches};

/// What a statement answers.
pub(super) enum Answer {
    Tag(String),
    /// A tag, after which the transaction has this status.
    Transaction(&'static str, TransactionStatus),
    Rows {
        columns: Arc<[Column]>,
        /// Which columns are sent in binary.
        binary: Vec<bool>,
        batches: Batches,
        tag: Cow<'static, str>,
    },
    /// The client is to send the lines of a COPY of so many columns.
    CopyIn(usize),
    Copy {
        columns: Arc<[Column]>,
        batches: Batches,
        format: CopyFormat,
    },
}

/// Which of so many columns a client wants in binary.
pub(super) fn binary(columns: usize, format: &Format) -> Vec<bool> {
    let wanted = |column| match format {
        Format::Individual(formats) => formats.get(column).is_some_and(|code| *code == 1),
        format => format.format_for(column) == FieldFormat::Binary,
    };
    (0..columns).map(wanted).collect()
}

/// `SELECT 3`, `SHOW`, `INSERT 0 3`.
pub(super) fn row_tag(tag: &str, rows: usize) -> Tag {
    if tag == "SELECT" { Tag::new(tag).with_rows(rows) } else { Tag::new(tag) }
}

/// Says that a statement is done.
pub(super) async fn complete<C>(client: &mut C, tag: Tag) -> PgWireResult<()>
where
    C: Sink<PgWireBackendMessage> + Unpin,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    client.feed(PgWireBackendMessage::CommandComplete(tag.into())).await?;
    Ok(())
}

/// Asks the client for the lines of a COPY.
pub(super) async fn begin_copy<C>(client: &mut C, columns: usize, is_extended: bool) -> PgWireResult<()>
where
    C: ClientInfo + Sink<PgWireBackendMessage> + Unpin,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    let begin = CopyInResponse::new(0, columns as i16, vec![0; columns]);
    client.set_state(PgWireConnectionState::CopyInProgress(is_extended));
    client.send(PgWireBackendMessage::CopyInResponse(begin)).await?;
    Ok(())
}

/// Sends an answer, rows with their description, up to the tag that says that it is complete.
pub(super) async fn send<C>(client: &mut C, answer: Answer) -> PgWireResult<Tag>
where
    C: ClientInfo + Sink<PgWireBackendMessage> + Unpin,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    match answer {
        // `INSERT 0 3` is sent as it is.
        Answer::Tag(tag) => Ok(Tag::new(&tag)),
        // Whoever runs statements begins it, where it can be begun.
        Answer::CopyIn(_) => {
            let message = "COPY FROM STDIN is not supported among other statements of one text";
            Err(wire_error(&Error::new(b"0A000", message)))
        }
        Answer::Transaction(tag, status) => {
            client.set_transaction_status(status);
            Ok(Tag::new(tag))
        }
        Answer::Rows { columns, binary, mut batches, tag } => {
            client.feed(PgWireBackendMessage::RowDescription(description(&columns, &binary))).await?;
            let mut count = 0;
            while let Some(batch) = next(client, &mut batches).await? {
                for row in batch.map_err(|error| wire_error(&error))? {
                    count += 1;
                    let row = DataRow::new(row, columns.len() as i16);
                    client.feed(PgWireBackendMessage::DataRow(row)).await?;
                }
            }
            Ok(row_tag(&tag, count))
        }
        Answer::Copy { columns, mut batches, format } => {
            let begin = CopyOutResponse::new(0, columns.len() as i16, vec![0; columns.len()]);
            client.feed(PgWireBackendMessage::CopyOutResponse(begin)).await?;
            if format.header {
                let header = CopyData::new(copy_lines::header(&columns, &format).into());
                client.feed(PgWireBackendMessage::CopyData(header)).await?;
            }
            let mut count = 0;
            while let Some(batch) = next(client, &mut batches).await? {
                for line in batch.map_err(|error| wire_error(&error))? {
                    count += 1;
                    client.feed(PgWireBackendMessage::CopyData(CopyData::new(line.freeze()))).await?;
                }
            }
            client.feed(PgWireBackendMessage::CopyDone(CopyDone::new())).await?;
            Ok(Tag::new("COPY").with_rows(count))
        }
    }
}

/// The next rows. What was written before goes to the client first if they have to be waited for.
async fn next<C>(client: &mut C, batches: &mut Batches) -> PgWireResult<Option<Result<Batch, Error>>>
where
    C: Sink<PgWireBackendMessage> + Unpin,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    if batches.is_idle() {
        client.flush().await?;
    }
    Ok(batches.next().await)
}

/// The rows of a portal, as they are fetched.
pub(super) fn response(columns: usize, batches: Batches, tag: &str) -> QueryResponse {
    // Its columns were described already.
    let mut response = QueryResponse::new(Arc::default(), rows(batches, columns as i16));
    response.set_command_tag(tag);
    response
}

fn rows(batches: Batches, columns: i16) -> impl Stream<Item = PgWireResult<DataRow>> + Send {
    stream::unfold((batches, Batch::default()), move |(mut batches, mut batch)| async move {
        loop {
            if let Some(row) = batch.next() {
                return Some((Ok(DataRow::new(row, columns)), (batches, batch)));
            }
            match batches.next().await? {
                Ok(next) => batch = next,
                Err(error) => return Some((Err(wire_error(&error)), (batches, batch))),
            }
        }
    })
}
