//! HTTP on 6876: health, metrics, and SQL as JSON.
//!
//! `POST /api/sql` takes and answers what Materialize's does: `{"query": "…; …"}` or
//! `{"queries": [{"query": "…", "params": ["…", null]}]}`. Statements stop at the first error.
//!
//! The header `Tidewater-Position` tells the positions of the moment that the answer shows. `?after=position` lets queries
//! wait until what they read includes it, `&timeout=5s` for how long; a wait in vain is answered with status 504.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Int16Type, Int32Type, Int64Type};
use arrow_schema::{DataType, SchemaRef};
use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use sql::parse::ast::Statement;
use sql::{Error, Notice, Outcome, Parsed, Positions};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::coordinator::Handle;
use crate::encode::{pg_type, text, type_modifier, type_size};
use crate::http_names::{self, Names};
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
    if let Err(error) = run_all(&handle, &mut session, queries, extended, &mut results, &mut shown).await {
        let mut failed = failure(&error);
        if error.sqlstate == "57014" && asked.after.is_some() {
            status = StatusCode::GATEWAY_TIMEOUT;
            shown = handle.positions();
            failed["error"]["reached"] = json!(shown.to_string());
        }
        results.push(failed);
    }
    (status, [(POSITION_HEADER, shown.to_string())], Json(json!({ "results": results }))).into_response()
}

/// Runs statements up to the first error; `shown` goes on to the positions of what they show.
async fn run_all(
    handle: &Handle,
    session: &mut Session,
    queries: Vec<Extended>,
    extended: bool,
    results: &mut Vec<Value>,
    shown: &mut Positions,
) -> Result<(), Error> {
    for Extended { query, params } in queries {
        let statements = sql::parse(&query)?;
        if extended && statements.len() != 1 {
            return Err(Error::new(b"42601", "each of the queries must contain exactly one statement"));
        }
        for parsed in statements {
            results.push(run(handle, session, &Arc::new(parsed), &params, shown).await?);
        }
    }
    Ok(())
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
) -> Result<Value, Error> {
    let done = |tag: &str| json!({ "ok": tag, "notices": [] });
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
        Statement::Nothing { tag } => return Ok(done(tag)),
        Statement::Set { name, value, .. } => {
            session.set(name, value.as_deref())?;
            return Ok(done("SET"));
        }
        Statement::ShowVariable { name } => {
            let value = session.show(name, || handle.positions())?;
            return Ok(answer(&value.schema(), &[value]));
        }
        Statement::CopyOut { .. } => return Err(Error::new(b"0A000", "COPY is not supported over HTTP")),
        _ => {}
    }
    handle.restored(session.statement_timeout()).await?;
    let prepared = handle.prepare(parsed, &[])?;
    let (given, wanted) = (params.len(), prepared.parameters.len());
    if given != wanted {
        let message = format!("request supplies {given} parameters, but the statement requires {wanted}");
        return Err(Error::new(b"08P01", message));
    }
    let mut values = Vec::new();
    for (number, data_type) in prepared.parameters.iter().enumerate() {
        let text = params.get(number).and_then(|value| value.as_deref());
        values.push(parameters::decode(number, text.map(str::as_bytes), false, data_type)?);
    }
    let query = match &parsed.statement {
        Statement::Query(_) => {
            let (query, positions) = handle.query_at(&prepared, &values, &session.wait()).await?;
            shown.extend(positions);
            query
        }
        _ => match handle.run(parsed, values).await? {
            Outcome::Tag(tag) | Outcome::Dropped(tag, _) => return Ok(done(&tag)),
            Outcome::Told(tag, notices) => return Ok(with_notices(done(&tag), session.news(notices))),
            Outcome::Rows(query) => *query,
        },
    };
    let (schema, notices) = (query.schema.clone(), session.news(query.notices.clone()));
    let rows = answer(&schema, &Batches::start(query, session.statement_timeout()).all().await?);
    Ok(with_notices(rows, notices))
}

/// A result and what its reader is told beside it.
fn with_notices(mut result: Value, notices: Vec<Notice>) -> Value {
    let shown = |notice: Notice| {
        let mut shown =
            json!({ "message": notice.message, "severity": notice.severity.to_lowercase(), "code": notice.sqlstate });
        if !notice.hint.is_empty() {
            shown["hint"] = json!(notice.hint);
        }
        shown
    };
    result["notices"] = notices.into_iter().map(shown).collect();
    result
}

fn failure(error: &Error) -> Value {
    let mut shown = json!({ "message": error.message, "code": error.sqlstate });
    if let Some(hint) = &error.hint {
        shown["hint"] = json!(hint);
    }
    if let Some(position) = error.position {
        shown["position"] = json!(position);
    }
    json!({ "error": shown, "notices": [] })
}

fn answer(schema: &SchemaRef, batches: &[RecordBatch]) -> Value {
    let row =
        |batch: &RecordBatch, row: usize| batch.columns().iter().map(|column| cell(column, row)).collect::<Value>();
    let rows: Vec<Value> =
        batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |number| row(batch, number))).collect();
    let columns: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| {
            let pg = pg_type(field.data_type());
            json!({
                "name": field.name(), "type_oid": pg.oid(), "type_len": type_size(&pg),
                "type_mod": type_modifier(field.data_type()),
            })
        })
        .collect();
    json!({ "tag": format!("SELECT {}", rows.len()), "rows": rows, "desc": { "columns": columns }, "notices": [] })
}

/// Truth values and integers that JSON's readers hold exactly as they are, everything else as text.
fn cell(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Boolean => json!(array.as_boolean().value(row)),
        DataType::Int16 => json!(array.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => json!(array.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 if array.as_primitive::<Int64Type>().value(row).unsigned_abs() < 1 << 53 => {
            json!(array.as_primitive::<Int64Type>().value(row))
        }
        _ => json!(text(array, row)),
    }
}
