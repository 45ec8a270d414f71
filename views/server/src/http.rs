//! HTTP on 6876: health, metrics, and SQL as JSON.
//!
//! `POST /api/sql` takes and answers what Materialize's does: `{"query": "…; …"}` or
//! `{"queries": [{"query": "…", "params": ["…", null]}]}`. Statements stop at the first error. The rows of the last one are sent as
//! they are computed.
//!
//! `GET /api/subscribe` follows a view: `http_subscribe.rs`.
//!
//! The header `Tidewater-Position` tells the positions of the moment that the answer shows. `?after=position` lets queries
//! wait until what they read includes it, `&timeout=5s` for how long; a wait in vain is answered with status 504.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tidewater_sql::parse::ast::Statement;
use tidewater_sql::{Error, Outcome, Parsed, Positions};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::handle::Handle;
use crate::http_names::{self, Names};
use crate::http_rows::{Rows, json_rows, shown_error, shown_notices};
use crate::http_subscribe;
use crate::parameters;
use crate::runner::Batches;
use crate::session::{AFTER, Session};

/// Bytes of a request: an INSERT of many rows, and little enough that many such requests fit into memory.
const BODY: usize = 16 << 20;

/// Tells the positions of the moment that an answer shows; empty where it shows nothing of a source.
const POSITION_HEADER: &str = "tidewater-position";

/// Answers requests until `stopping` says so, and those that are open then.
///
/// # Errors
/// If the listener fails.
pub(crate) async fn serve(
    listener: TcpListener,
    handle: Handle,
    names: Names,
    mut stopping: watch::Receiver<bool>,
) -> std::io::Result<()> {
    // What machines ask for holds no rows, and they use any name.
    let rows = Router::new()
        .route("/api/sql", post(api_sql).layer(DefaultBodyLimit::max(BODY)))
        .route("/api/subscribe", get(http_subscribe::subscribe))
        .layer(from_fn_with_state(names, http_names::check));
    let router = Router::new()
        .route("/health", get(|| async { "ok\n" }))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .merge(rows)
        .with_state(handle);
    let stopped = async move {
        // The sender lives as long as the process.
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    axum::serve(listener, router).with_graceful_shutdown(stopped).await
}

async fn ready(State(handle): State<Handle>) -> Response {
    match handle.ready() {
        Ok(()) => "ready\n".into_response(),
        Err(reasons) => (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", reasons.join("\n"))).into_response(),
    }
}

async fn metrics(State(handle): State<Handle>) -> String {
    handle.metrics()
}

#[derive(Deserialize)]
struct Extended {
    query: String,
    #[serde(default)]
    params: Vec<Option<String>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Request {
    Simple { query: String },
    Extended { queries: Vec<Extended> },
}

/// What the address says beside the path.
#[derive(Deserialize)]
struct Asked {
    after: Option<String>,
    timeout: Option<String>,
}

impl Asked {
    fn session(&self) -> Result<Session, Error> {
        let mut session = Session::default();
        for (name, value) in [(AFTER, &self.after), ("statement_timeout", &self.timeout)] {
            if let Some(value) = value {
                session.set(name, Some(value))?;
            }
        }
        Ok(session)
    }
}

async fn api_sql(
    State(handle): State<Handle>,
    Query(asked): Query<Asked>,
    request: Result<Json<Request>, JsonRejection>,
) -> Response {
    let request = match request {
        Ok(Json(request)) => request,
        Err(rejection) => return refused(&rejection),
    };
    let (queries, extended) = match request {
        Request::Simple { query } => (vec![Extended { query, params: Vec::new() }], false),
        Request::Extended { queries } => (queries, true),
    };
    let mut session = match asked.session() {
        Ok(session) => session,
        Err(error) => return (StatusCode::BAD_REQUEST, Json(json!({ "results": [failure(&error)] }))).into_response(),
    };
    let mut results = Vec::new();
    let mut shown = Positions::default();
    let mut status = StatusCode::OK;
    let body = match run_all(&handle, &mut session, queries, extended, &mut results, &mut shown).await {
        Ok(Some(body)) => body,
        Ok(None) => Body::from(format!("{{\"results\":[{}]}}", results.join(","))),
        Err(error) => {
            let mut failed = failure(&error);
            if error.sqlstate == *b"57014" && asked.after.is_some() {
                status = StatusCode::GATEWAY_TIMEOUT;
                shown = handle.positions();
                failed["error"]["reached"] = json!(shown.to_string());
            }
            results.push(failed.to_string());
            Body::from(format!("{{\"results\":[{}]}}", results.join(",")))
        }
    };
    let kind = (header::CONTENT_TYPE.as_str(), "application/json".to_owned());
    (status, [kind, (POSITION_HEADER, shown.to_string())], body).into_response()
}

/// What a statement answers.
enum Answer {
    Done(Value),
    Rows(Rows),
}

/// Runs statements up to the first error; `shown` goes on to the positions of what they show. Gives the body of the response if
/// the last result's rows are still to come.
async fn run_all(
    handle: &Handle,
    session: &mut Session,
    queries: Vec<Extended>,
    extended: bool,
    results: &mut Vec<String>,
    shown: &mut Positions,
) -> Result<Option<Body>, Error> {
    let texts = queries.len();
    for (text, Extended { query, params }) in queries.into_iter().enumerate() {
        let statements = tidewater_sql::parse(&query)?;
        if extended && statements.len() != 1 {
            return Err(Error::new(b"42601", "each of the queries must contain exactly one statement"));
        }
        let count = statements.len();
        for (number, parsed) in statements.into_iter().enumerate() {
            match run(handle, session, &Arc::new(parsed), &params, shown).await? {
                Answer::Done(done) => results.push(done.to_string()),
                Answer::Rows(rows) if text + 1 == texts && number + 1 == count => {
                    let comma = if results.is_empty() { "" } else { "," };
                    let before = format!("{{\"results\":[{}{comma}", results.join(","));
                    return rows.body(&before, "]}").await.map(Some);
                }
                Answer::Rows(rows) => results.push(rows.collected(handle.query_memory).await?),
            }
        }
    }
    Ok(None)
}

fn refused(rejection: &JsonRejection) -> Response {
    let shape = r#"expected {"query": "…; …"} or {"queries": [{"query": "…", "params": ["…", null]}]}"#;
    let (status, text) = match rejection {
        JsonRejection::JsonDataError(_) => (StatusCode::BAD_REQUEST, shape.to_owned()),
        JsonRejection::JsonSyntaxError(error) => (StatusCode::BAD_REQUEST, format!("{}; {shape}", error.body_text())),
        JsonRejection::MissingJsonContentType(_) => {
            (rejection.status(), "the request needs the header Content-Type: application/json".to_owned())
        }
        _ if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            (rejection.status(), format!("a request takes {} MiB at most", BODY >> 20))
        }
        _ => (rejection.status(), rejection.body_text()),
    };
    (status, format!("{text}\n")).into_response()
}

async fn run(
    handle: &Handle,
    session: &mut Session,
    parsed: &Arc<Parsed>,
    params: &[Option<String>],
    shown: &mut Positions,
) -> Result<Answer, Error> {
    let done = |tag: &str| Ok(Answer::Done(json!({ "ok": tag, "notices": [] })));
    let seen = session.statement();
    match &parsed.statement {
        Statement::Begin { .. }
        | Statement::Commit
        | Statement::Rollback
        | Statement::Savepoint { .. }
        | Statement::Release { .. }
        | Statement::RollbackTo { .. } => {
            return Err(Error::new(b"0A000", "transaction blocks are not supported over HTTP")
                .hint("every statement takes effect by itself; use PostgreSQL's protocol for blocks"));
        }
        Statement::Nothing { tag } => return done(tag),
        Statement::Set { name, value, .. } => {
            session.set(name, value.as_deref())?;
            return done("SET");
        }
        Statement::ShowVariable { name } => {
            let rows = session.show(name, || handle.positions())?;
            let batches = Batches::of(&rows, json_rows(&rows.columns, seen))?;
            return Ok(Answer::Rows(Rows { columns: rows.columns, batches, notices: Vec::new() }));
        }
        Statement::CopyOut { .. } | Statement::CopyIn { .. } => {
            return Err(Error::new(b"0A000", "COPY is not supported over HTTP"));
        }
        Statement::CreateTableAs(_) => {
            return Err(Error::new(b"0A000", "CREATE TABLE AS is not supported over HTTP")
                .hint("CREATE TABLE, then INSERT … SELECT"));
        }
        Statement::Subscribe { .. } => {
            return Err(Error::new(b"0A000", "SUBSCRIBE is not supported in /api/sql")
                .hint("GET /api/subscribe?view=name follows a view by Server-Sent Events"));
        }
        _ => {}
    }
    let wait = session.wait();
    handle.restored(wait.limit).await?;
    let prepared = handle.prepare(parsed, &[], &seen)?;
    let (given, wanted) = (params.len(), prepared.parameters.len());
    if given != wanted {
        let message = format!("request supplies {given} parameters, but the statement requires {wanted}");
        return Err(Error::new(b"08P01", message));
    }
    let named = handle.naming(prepared.parameters.iter(), &seen);
    let mut values = Vec::new();
    for (number, ty) in prepared.parameters.iter().enumerate() {
        let text = params.get(number).and_then(|value| value.as_deref());
        values.push(parameters::decode(number, text.map(str::as_bytes), false, ty, &named.settings)?);
    }
    let query = match &parsed.statement {
        Statement::Query(_) | Statement::CheckView { .. } => {
            let (query, positions) = handle.query_at(&prepared, &values, &seen, &wait).await?;
            shown.extend(positions);
            query
        }
        Statement::CheckSource(check) => {
            let rows = handle.check_source(check, &seen, &wait).await?;
            let batches = Batches::of(&rows, json_rows(&rows.columns, seen))?;
            return Ok(Answer::Rows(Rows { columns: rows.columns, batches, notices: Vec::new() }));
        }
        Statement::Truncate { tables, restart } => {
            let tables = tables.iter().map(|table| handle.prepare(table, &[], &seen)).collect::<Result<Vec<_>, _>>()?;
            handle.truncate(&tables, *restart, &seen, &wait).await?;
            return done("TRUNCATE TABLE");
        }
        Statement::Change(_) => {
            let (tag, rows) = handle.evaluate_and_apply(&prepared, &values, &seen, &wait).await?;
            let Some(rows) = rows else { return done(&tag) };
            let columns = rows.columns.clone();
            let encoder = json_rows(&columns, handle.naming(columns.iter().map(|column| &column.ty), &seen));
            let batches = Batches::of(&rows, encoder)?;
            return Ok(Answer::Rows(Rows { columns, batches, notices: Vec::new() }));
        }
        _ => match handle.run(parsed, values, &seen).await? {
            Outcome::Tag(tag) | Outcome::Dropped(tag, _) => return done(&tag),
            Outcome::Told(tag, notices) => {
                let notices = shown_notices(&session.news(notices));
                return Ok(Answer::Done(json!({ "ok": tag, "notices": notices })));
            }
            Outcome::Rows(query) => *query,
        },
    };
    let (columns, notices) = (query.columns.clone(), session.news(query.notices.clone()));
    let encoder = json_rows(&columns, handle.naming(columns.iter().map(|column| &column.ty), &seen));
    let batches = Batches::start(query, encoder, handle.allowance(wait.limit))?;
    Ok(Answer::Rows(Rows { columns, batches, notices }))
}

fn failure(error: &Error) -> Value {
    json!({ "error": shown_error(error), "notices": [] })
}
