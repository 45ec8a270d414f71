//! `/orders`: orders and items in MySQL, and their updates, which go to Kafka.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::extract::{Body, OrderQuery, Path, Query};
use super::position::Position;
use super::problem::Problem;
use crate::command::{Command, apply_and_locate};
use crate::model::{ItemChange, NewOrder, Order, OrderWithItems};
use crate::query;
use crate::updates::{NewUpdate, OrderUpdate};

#[derive(Serialize, ToSchema)]
struct Orders {
    orders: Vec<Order>,
}

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list_orders, create_order))
        .routes(routes!(get_order, delete_order))
        .routes(routes!(change_item, delete_item))
        .routes(routes!(publish_update))
}

/// Orders in key order, by user and status
///
/// The status is MySQL's; `/order_details_mv` has the latest one.
#[utoipa::path(get, path = "/orders", tag = "orders", params(OrderQuery),
    responses((status = 200, body = Orders), (status = 422, body = Problem)))]
async fn list_orders(State(app): State<Shared>, Query(list): Query<OrderQuery>) -> Result<Json<Orders>, Problem> {
    let (filter, page) = list.parts()?;
    Ok(Json(Orders { orders: query::orders(&app.mysql, &filter, page).await? }))
}

/// One order with its items
#[utoipa::path(get, path = "/orders/{id}", tag = "orders", params(("id" = i64, Path)),
    responses((status = 200, body = OrderWithItems), (status = 404, body = Problem)))]
async fn get_order(State(app): State<Shared>, Path(id): Path<i64>) -> Result<Json<OrderWithItems>, Problem> {
    Ok(Json(query::order(&app.mysql, id).await?))
}

/// Creates an order with its items; the server computes the total
#[utoipa::path(post, path = "/orders", tag = "orders", request_body = NewOrder,
    responses((status = 201, body = OrderWithItems, headers(("Tidewater-Position" = String, description = "A position that includes the change, for `?after=`"))), (status = 422, body = Problem)))]
async fn create_order(State(app): State<Shared>, Body(order): Body<NewOrder>) -> Result<impl IntoResponse, Problem> {
    order.check()?;
    let (applied, position) = apply_and_locate(&app.mysql, &Command::CreateOrder(order)).await?;
    let id = applied.id;
    let location = [(header::LOCATION, format!("/orders/{id}"))];
    Ok((StatusCode::CREATED, Position(position), location, Json(query::order(&app.mysql, id).await?)))
}

/// Deletes an order with its items
#[utoipa::path(delete, path = "/orders/{id}", tag = "orders", params(("id" = i64, Path)),
    responses((status = 204, headers(("Tidewater-Position" = String, description = "A position that includes the change, for `?after=`"))), (status = 404, body = Problem)))]
async fn delete_order(State(app): State<Shared>, Path(id): Path<i64>) -> Result<(StatusCode, Position), Problem> {
    let (_, position) = apply_and_locate(&app.mysql, &Command::DeleteOrder(id)).await?;
    Ok((StatusCode::NO_CONTENT, Position(position)))
}

/// Changes an item; the order's total follows in the same transaction
#[utoipa::path(patch, path = "/orders/{id}/items/{item}", tag = "orders", params(("id" = i64, Path), ("item" = i64, Path)),
    request_body = ItemChange,
    responses((status = 200, body = OrderWithItems, headers(("Tidewater-Position" = String, description = "A position that includes the change, for `?after=`"))), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn change_item(
    State(app): State<Shared>,
    Path((order_id, item_id)): Path<(i64, i64)>,
    Body(change): Body<ItemChange>,
) -> Result<(Position, Json<OrderWithItems>), Problem> {
    change.check()?;
    let (_, position) = apply_and_locate(&app.mysql, &Command::ChangeItem { order_id, item_id, change }).await?;
    Ok((Position(position), Json(query::order(&app.mysql, order_id).await?)))
}

/// Deletes an item; the order's total follows in the same transaction
#[utoipa::path(delete, path = "/orders/{id}/items/{item}", tag = "orders", params(("id" = i64, Path), ("item" = i64, Path)),
    responses((status = 204, headers(("Tidewater-Position" = String, description = "A position that includes the change, for `?after=`"))), (status = 404, body = Problem)))]
async fn delete_item(
    State(app): State<Shared>,
    Path((order_id, item_id)): Path<(i64, i64)>,
) -> Result<(StatusCode, Position), Problem> {
    let (_, position) = apply_and_locate(&app.mysql, &Command::DeleteItem { order_id, item_id }).await?;
    Ok((StatusCode::NO_CONTENT, Position(position)))
}

/// Publishes an update of an order to the topic `order_updates`
///
/// The answer is the message, sent once Kafka has it; MySQL is not changed.
#[utoipa::path(post, path = "/orders/{id}/updates", tag = "orders", params(("id" = i64, Path)), request_body = NewUpdate,
    responses((status = 202, body = OrderUpdate, headers(("Tidewater-Position" = String, description = "A position that includes the change, for `?after=`"))), (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
async fn publish_update(
    State(app): State<Shared>,
    Path(id): Path<i64>,
    Body(update): Body<NewUpdate>,
) -> Result<impl IntoResponse, Problem> {
    update.check()?;
    query::order_exists(&app.mysql, id).await?;
    let message = update.of_order(id);
    let position = app.publisher.send(&message).await?;
    Ok((StatusCode::ACCEPTED, Position(Some(position)), Json(message)))
}
