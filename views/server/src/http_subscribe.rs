//! `GET /api/subscribe`: a view, or a query, followed by Server-Sent Events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! `?view=name` or `?query=SELECT …`. First come events `snapshot`, of which the last has an id, then an event `change` for each tick that
//! changed anything: whole commits. The id is the tick's moment. A client that sends the last id that it saw, as browsers do when they
//! connect again (`Last-Event-ID`, or `?after_moment=`), gets everything since and no snapshot; status 410 says that this is not kept any
//! more. What ends the subscription comes as an event `error`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use serde::Deserialize;
use serde_json::json;
use tidewater_delta::{Row, RowRef, Weight};
use tidewater_functions::Session as Seen;
use tidewater_sql::parse::ast::Statement;
use tidewater_sql::{Changed, Error, FollowedRows, Prepared, Result};
use tidewater_types::{Column, Packing};
use tokio::sync::mpsc;

use crate::feeds::{Subscription, too_old};
use crate::handle::Handle;
use crate::http_rows::{cell, shown_error};
use crate::session::Session;

/// Rows of the snapshot in one event.
const SNAPSHOT_ROWS: usize = 1_000;
/// Events that wait for a client to take them.
const AHEAD: usize = 4;
/// A client, or a proxy before it, must see something now and then.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What the address says.
#[derive(Deserialize)]
pub(crate) struct Asked {
    view: Option<String>,
    query: Option<String>,
    after_moment: Option<u64>,
    timeout: Option<String>,
}

pub(crate) async fn subscribe(
    State(handle): State<Handle>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
    match begin(&handle, &asked, last.or(asked.after_moment)).await {
        Ok(events) => Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response(),
        Err((status, error)) => (status, Json(json!({ "error": shown_error(&error) }))).into_response(),
    }
}

type Refusal = (StatusCode, Error);

fn bad(error: Error) -> Refusal {
    let status = if error.sqlstate == *b"57014" { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::BAD_REQUEST };
    (status, error)
}

async fn begin(
    handle: &Handle,
    asked: &Asked,
    after: Option<u64>,
) -> std::result::Result<impl Stream<Item = std::result::Result<Event, Infallible>> + use<>, Refusal> {
    let mut session = Session::default();
    if let Some(timeout) = &asked.timeout {
        session.set("statement_timeout", Some(timeout)).map_err(bad)?;
    }
    let (seen, wait) = (session.statement(), session.wait());
    handle.restored(wait.limit).await.map_err(bad)?;
    let prepared = prepared(handle, asked, &seen).map_err(bad)?;
    let (subscription, rows) = handle.follow(&prepared, &seen, &wait).await.map_err(bad)?;
    if let Some(after) = after
        && (after < rows.since || subscription.feed.after(after).is_err())
    {
        return Err((StatusCode::GONE, too_old(after)));
    }
    let columns = prepared.query_columns();
    let seen = handle.naming(columns.iter().map(|column| &column.ty), &seen);
    let (sender, mut receiver) = mpsc::channel(AHEAD);
    let shown = Shown { packings: columns.iter().map(|column| Packing::of(&column.ty)).collect(), columns, seen };
    // It ends when its client is gone: sending fails, or nobody receives any more.
    tokio::spawn(follow(handle.clone(), subscription, rows, after, shown, sender));
    Ok(futures::stream::poll_fn(move |context| receiver.poll_recv(context)))
}

/// The subscription that an address asks for.
fn prepared(handle: &Handle, asked: &Asked, seen: &Arc<Seen>) -> Result<Prepared> {
    let text = match (&asked.view, &asked.query) {
        (Some(view), None) => format!("SUBSCRIBE TO {view}"),
        (None, Some(query)) => format!("SUBSCRIBE TO ({query})"),
        _ => return Err(Error::new(b"22023", "name what to follow: either ?view=name or ?query=SELECT …")),
    };
    let mut statements = tidewater_sql::parse(&text)?;
    match statements.pop() {
        Some(parsed) if statements.is_empty() && matches!(parsed.statement, Statement::Subscribe { .. }) => {
            handle.prepare(&Arc::new(parsed), &[], seen)
        }
        _ => Err(Error::new(b"42601", "one view or one query can be followed")),
    }
}

/// How rows are shown.
struct Shown {
    columns: Arc<[Column]>,
    packings: Vec<Packing>,
    seen: Arc<Seen>,
}

impl Shown {
    fn row(&self, row: RowRef<'_>, weight: Weight, out: &mut Vec<u8>) -> Result<()> {
        let broken = |error: serde_json::Error| Error::new(b"XX000", error.to_string());
        out.extend_from_slice(format!("{{\"diff\":{weight},\"row\":{{").as_bytes());
        let mut text = String::new();
        for (at, (column, packing)) in self.columns.iter().zip(&self.packings).enumerate() {
            if at > 0 {
                out.push(b',');
            }
            serde_json::to_writer(&mut *out, &column.name).map_err(broken)?;
            out.push(b':');
            cell(&packing.get(row, at), &column.ty, &self.seen, &mut text, out)?;
        }
        out.extend_from_slice(b"}}");
        Ok(())
    }

    fn event(&self, kind: &str, moment: u64, position: &str, rows: &[(Row, Weight)]) -> Result<Event> {
        let mut data = format!("{{\"moment\":{moment},\"position\":{},\"rows\":[", json!(position)).into_bytes();
        for (number, (row, weight)) in rows.iter().enumerate() {
            if number > 0 {
                data.push(b',');
            }
            self.row(row.as_ref(), *weight, &mut data)?;
        }
        data.extend_from_slice(b"]}");
        let data = String::from_utf8(data).map_err(|error| Error::new(b"XX000", error.to_string()))?;
        Ok(Event::default().event(kind).data(data))
    }

    fn change(&self, changed: &Changed) -> Result<Event> {
        let event = self.event("change", changed.moment, &changed.positions.to_string(), &changed.rows)?;
        Ok(event.id(changed.moment.to_string()))
    }
}

type Sent = std::result::Result<Event, Infallible>;

async fn follow(
    handle: Handle,
    subscription: Subscription,
    rows: FollowedRows,
    after: Option<u64>,
    shown: Shown,
    sender: mpsc::Sender<Sent>,
) {
    if let Err(Some(error)) = send(handle, subscription, rows, after, &shown, &sender).await {
        let event = Event::default().event("error").data(json!({ "error": shown_error(&error) }).to_string());
        // Nobody to tell if the client is gone.
        let _ = sender.send(Ok(event)).await;
    }
}

/// Sends events until the subscription ends (its error) or the client is gone (`None`).
async fn send(
    handle: Handle,
    subscription: Subscription,
    rows: FollowedRows,
    after: Option<u64>,
    shown: &Shown,
    sender: &mpsc::Sender<Sent>,
) -> std::result::Result<(), Option<Error>> {
    let mut told = subscription.feed.told();
    let mut moment = after.unwrap_or(rows.moment);
    if after.is_none() {
        let position = rows.positions.to_string();
        let mut from = Default::default();
        loop {
            let mut some = Vec::with_capacity(SNAPSHOT_ROWS);
            while some.len() < SNAPSHOT_ROWS
                && let Some((row, weight)) = rows.snapshot.next_row(&mut from)
            {
                some.push((Row::from(row), weight));
            }
            let last = some.len() < SNAPSHOT_ROWS;
            let event = shown.event("snapshot", moment, &position, &some)?;
            let event = if last { event.id(moment.to_string()) } else { event };
            sender.send(Ok(event)).await.map_err(|_| None)?;
            if last {
                break;
            }
        }
    }
    drop(rows);
    loop {
        told.borrow_and_update();
        // First: what comes after it is not told of yet.
        let newest = handle.read().newest_moment();
        for changed in subscription.feed.after(moment)? {
            sender.send(Ok(shown.change(&changed)?)).await.map_err(|_| None)?;
            moment = changed.moment;
        }
        moment = moment.max(newest);
        tokio::select! {
            changed = told.changed() => changed.map_err(|_| None)?,
            () = sender.closed() => return Err(None),
        }
    }
}
