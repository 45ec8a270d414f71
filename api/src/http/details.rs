//! `/order_details_mv`: the joined view, from the view engine. It follows the writes within moments; who must see his own
//! write asks for its position.

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::extract::{AfterQuery, DetailsQuery, Path, Query};
use super::problem::Problem;
use crate::summary::OrderDetails;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(list_order_details)).routes(routes!(get_order_details))
}

/// Orders with everything about them, in key order, by user and latest status
#[utoipa::path(get, path = "/order_details_mv", tag = "order details", params(DetailsQuery),
    responses((status = 200, body = [OrderDetails]), (status = 422, body = Problem), (status = 503, body = Problem)))]
async fn list_order_details(
    State(app): State<Shared>,
    Query(list): Query<DetailsQuery>,
) -> Result<Json<Vec<OrderDetails>>, Problem> {
    let (filter, page, after) = list.parts()?;
    Ok(Json(app.views.orders(&filter, page, after.as_deref()).await?))
}

/// One order with everything about it
#[utoipa::path(get, path = "/order_details_mv/{order_id}", tag = "order details", params(("order_id" = i64, Path), AfterQuery),
    responses((status = 200, body = OrderDetails), (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
async fn get_order_details(
    State(app): State<Shared>,
    Path(order_id): Path<i64>,
    Query(asked): Query<AfterQuery>,
) -> Result<Json<OrderDetails>, Problem> {
    Ok(Json(app.views.order(order_id, asked.after.as_deref()).await?))
}
