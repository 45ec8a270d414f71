//! Measurements of every request, and the limit on its time.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use sqlx::mysql::MySqlPool;

use super::problem::Problem;
use crate::error::{Error, Result};

/// Longer than any wait for a connection, a lock or Kafka within a request; whoever waits longer is told so.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(12);
/// From a lookup by key to a request that met its time limit.
const SECONDS_BUCKETS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 12.0];

/// The process-wide recorder. Tests start the services several times in one process; they share it.
pub(super) fn recorder() -> Result<PrometheusHandle> {
    static RECORDER: OnceLock<std::result::Result<PrometheusHandle, String>> = OnceLock::new();
    let made = RECORDER.get_or_init(|| {
        PrometheusBuilder::new()
            .set_buckets(&SECONDS_BUCKETS)
            .and_then(PrometheusBuilder::install_recorder)
            .map_err(|e| e.to_string())
    });
    made.clone().map_err(|e| Error::Config(format!("metrics recorder: {e}")))
}

/// Counts the request and its time by route, never by path, so that ids do not become labels.
pub(super) async fn measure(request: Request, next: Next) -> Response {
    let start = Instant::now();
    let method = request.method().as_str().to_owned();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    metrics::counter!("shop_http_requests_total", "method" => method.clone(), "route" => route.clone(), "status" => status)
        .increment(1);
    metrics::histogram!("shop_http_request_seconds", "method" => method, "route" => route)
        .record(start.elapsed().as_secs_f64());
    response
}

/// Answers for a request that takes too long; dropping it rolls its transaction back.
pub(super) async fn limit_time(request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await;
    answer.unwrap_or_else(|_| {
        let detail =
            format!("no answer within {} s; /ready tells which server does not answer", REQUEST_TIMEOUT.as_secs());
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response()
    })
}

/// Reads the pool's gauges at the moment of asking.
pub(super) fn sample_pool(pool: &MySqlPool) {
    metrics::gauge!("shop_mysql_connections").set(f64::from(pool.size()));
    metrics::gauge!("shop_mysql_connections_idle").set(pool.num_idle() as f64);
}
