//! The services over HTTP: state, routes, start and graceful stop.
//!
//! Promise: every answer that is not a success is an RFC 9457 problem document, also for unknown paths, wrong methods
//! and bodies that do not parse. Requests are bounded in size and time.

mod addresses;
mod details;
mod extract;
mod observe;
mod orders;
mod position;
mod problem;
mod system;
mod users;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use metrics_exporter_prometheus::PrometheusHandle;
use sqlx::mysql::MySqlPool;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::summary::Views;
use crate::updates::Publisher;

/// An order of 100 items is about 10 kB.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Between attempts to create the topic while Kafka is not there.
const TOPIC_RETRY: Duration = Duration::from_secs(2);
/// Requests under way at shutdown get this long; every request is shorter than it.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(15);

/// What handlers share.
pub(crate) struct App {
    mysql: MySqlPool,
    publisher: Publisher,
    views: Views,
    metrics: PrometheusHandle,
}

type Shared = Arc<App>;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Shop",
        description = "Commands are MySQL transactions, order updates go to Kafka, order details come from the view engine. \
                       Decimals are strings, times are ISO 8601 in UTC. Errors are RFC 9457 problem documents."
    ),
    tags(
        (name = "users", description = "Customers, in MySQL"),
        (name = "addresses", description = "Their addresses, in MySQL"),
        (name = "orders", description = "Orders and items, in MySQL; their updates, in Kafka"),
        (name = "order details", description = "The joined view, from the view engine"),
        (name = "system", description = "Health and measurements")
    )
)]
struct Document;

/// Services that run until [`Running::stop`].
pub struct Running {
    /// Where they listen.
    pub address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<()>>,
}

impl Running {
    /// Lets requests under way finish, then stops.
    pub async fn stop(self) -> Result<()> {
        // A receiver that is gone means that the services have stopped already.
        let _ = self.stop.send(());
        self.task.await.map_err(|e| Error::Config(format!("the services stopped badly: {e}")))?
    }
}

/// Runs the services until SIGINT or SIGTERM.
pub async fn serve(config: Config) -> Result<()> {
    let signals = stop_signal()?;
    let running = start(config).await?;
    tracing::info!(address = %running.address, "shop is ready: open / to try it, /openapi.json describes it");
    signals.await;
    tracing::info!("stopping: requests under way may finish");
    running.stop().await
}

/// Starts the services and returns once they listen. MySQL, Kafka and the view engine may come later: `/ready` tells.
pub async fn start(config: Config) -> Result<Running> {
    let app = Arc::new(App {
        mysql: config.mysql()?,
        publisher: Publisher::new(&config)?,
        views: Views::new(&config)?,
        metrics: observe::recorder()?,
    });
    let listener = TcpListener::bind((config.host.as_str(), config.port)).await.map_err(|source| Error::Io {
        what: format!(
            "cannot listen on {}:{} (choose others with SHOP_HOST and SHOP_PORT, or --host and --port)",
            config.host, config.port
        ),
        source,
    })?;
    let address = listener.local_addr().map_err(|source| Error::Io { what: "socket address".to_owned(), source })?;
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(run(listener, app, stopped));
    Ok(Running { address, stop, task })
}

async fn run(listener: TcpListener, app: Shared, stopped: oneshot::Receiver<()>) -> Result<()> {
    let topic = tokio::spawn(create_topic(app.publisher.clone()));
    let (draining, drain) = oneshot::channel();
    let serving = axum::serve(listener, router(Arc::clone(&app))).with_graceful_shutdown(async move {
        // An error means that `Running` was dropped, which also ends the services.
        let _ = stopped.await;
        let _ = draining.send(());
    });
    let deadline = async move {
        let _ = drain.await;
        tokio::time::sleep(DRAIN_TIMEOUT).await;
    };
    tokio::select! {
        result = serving => result.map_err(|source| Error::Io { what: "serving stopped".to_owned(), source })?,
        () = deadline => tracing::warn!("some requests did not finish in time and were cut off"),
    }
    topic.abort();
    app.publisher.flush().await?;
    app.mysql.close().await;
    Ok(())
}

/// Keeps trying, so that the services and Kafka may be started in any order.
async fn create_topic(publisher: Publisher) {
    while let Err(e) = publisher.create_topic().await {
        tracing::warn!(error = %e, topic = crate::updates::TOPIC, "the topic could not be created yet; trying again");
        tokio::time::sleep(TOPIC_RETRY).await;
    }
}

fn router(app: Shared) -> Router {
    let (router, document) = documented().split_for_parts();
    router
        .merge(system::pages(document))
        .fallback(problem::no_such_path)
        .method_not_allowed_fallback(problem::wrong_method)
        .layer(middleware::from_fn(observe::limit_time))
        .layer(middleware::from_fn(observe::measure))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(app)
}

/// The endpoints that the OpenAPI document describes.
fn documented() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(users::routes())
        .merge(addresses::routes())
        .merge(orders::routes())
        .merge(details::routes())
        .merge(system::routes())
}

/// Listens from now on, so that a signal during the start is not lost.
fn stop_signal() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen =
        |kind| signal(kind).map_err(|source| Error::Io { what: "cannot listen to signals".to_owned(), source });
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_describes_every_endpoint() {
        let document = serde_json::to_value(documented().into_openapi()).unwrap();
        let operations =
            document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
        let ids: Vec<_> = operations.map(|operation| operation["operationId"].as_str().unwrap()).collect();
        assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len(), "ids are unique: {ids:?}");
        for (path, method) in [
            ("/users/{id}", "patch"),
            ("/orders", "post"),
            ("/orders/{id}/items/{item}", "patch"),
            ("/orders/{id}/updates", "post"),
            ("/order_details_mv/{order_id}", "get"),
        ] {
            assert!(document["paths"][path][method].is_object(), "{method} {path}");
        }
    }
}
