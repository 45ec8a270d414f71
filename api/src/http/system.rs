//! `/health`, `/ready`, `/metrics`, the OpenAPI document, the page to try it, and what problem types mean.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::Path;
use super::problem::{KINDS, Problem};
use super::{Shared, observe};
use crate::error::Result;
use crate::query;

/// The page reads `/openapi.json` and offers a form for each endpoint. It loads nothing from elsewhere.
const TRY_PAGE: &str = include_str!("try.html");
/// The text format of Prometheus.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Serialize, ToSchema)]
struct Ready {
    /// True when every server answers.
    ready: bool,
    /// `ok`, or what is wrong.
    mysql: String,
    /// `ok`, or what is wrong.
    kafka: String,
    /// `ok`, or what is wrong.
    view_engine: String,
}

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(health)).routes(routes!(ready)).routes(routes!(metrics))
}

/// Routes that the document leaves out: the document itself, and pages for people.
pub(super) fn pages(document: OpenApi) -> Router<Shared> {
    Router::new()
        .route("/", get(|| async { Html(TRY_PAGE) }))
        .route("/openapi.json", get(|| async { Json(document) }))
        .route("/problems/{kind}", get(explain))
}

/// The process runs
#[utoipa::path(get, path = "/health", tag = "system", responses((status = 200, body = String)))]
async fn health() -> &'static str {
    "ok\n"
}

/// Whether MySQL, Kafka and the view engine answer
#[utoipa::path(get, path = "/ready", tag = "system", responses((status = 200, body = Ready), (status = 503, body = Ready)))]
async fn ready(State(app): State<Shared>) -> impl IntoResponse {
    let (mysql, kafka, views) = tokio::join!(query::ready(&app.mysql), app.publisher.ready(), app.views.ready());
    let ready = mysql.is_ok() && kafka.is_ok() && views.is_ok();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Ready { ready, mysql: state(mysql), kafka: state(kafka), view_engine: state(views) }))
}

/// Measurements for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "system", responses((status = 200, body = String)))]
async fn metrics(State(app): State<Shared>) -> impl IntoResponse {
    observe::sample_pool(&app.mysql);
    app.metrics.run_upkeep();
    ([(header::CONTENT_TYPE, METRICS_TYPE)], app.metrics.render())
}

async fn explain(Path(name): Path<String>) -> Result<String, Problem> {
    let kind = KINDS.iter().find(|kind| kind.0 == name);
    let (_, title, text) =
        kind.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, format!("there is no problem type {name}")))?;
    Ok(format!("{title}\n\n{text}\n"))
}

fn state(result: Result<()>) -> String {
    result.map_or_else(|e| e.to_string(), |()| "ok".to_owned())
}
