//! `/addresses`: postal addresses of customers, in MySQL.

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
use super::extract::{AddressQuery, Body, Path, Query};
use super::position::Position;
use super::problem::Problem;
use crate::command::{Command, apply_and_locate};
use crate::model::{Address, AddressChange, NewAddress};
use crate::query;

#[derive(Serialize, ToSchema)]
struct Addresses {
    addresses: Vec<Address>,
}

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(list_addresses, create_address)).routes(routes!(
        get_address,
        change_address,
        delete_address
    ))
}

/// Addresses in key order, of one user or of all
#[utoipa::path(get, path = "/addresses", tag = "addresses", params(AddressQuery),
    responses((status = 200, body = Addresses), (status = 422, body = Problem)))]
async fn list_addresses(
    State(app): State<Shared>,
    Query(list): Query<AddressQuery>,
) -> Result<Json<Addresses>, Problem> {
    Ok(Json(Addresses { addresses: query::addresses(&app.mysql, list.user_id, list.page()?).await? }))
}

/// One address
#[utoipa::path(get, path = "/addresses/{id}", tag = "addresses", params(("id" = i64, Path)),
    responses((status = 200, body = Address), (status = 404, body = Problem)))]
async fn get_address(State(app): State<Shared>, Path(id): Path<i64>) -> Result<Json<Address>, Problem> {
    Ok(Json(query::address(&app.mysql, id).await?))
}

/// Creates an address
#[utoipa::path(post, path = "/addresses", tag = "addresses", request_body = NewAddress,
    responses((status = 201, body = Address, headers(("Tidewater-Position" = String, description = "A position that includes the change, for `?after=`"))), (status = 422, body = Problem)))]
async fn create_address(
    State(app): State<Shared>,
    Body(address): Body<NewAddress>,
) -> Result<impl IntoResponse, Problem> {
    address.check()?;
    let (applied, position) = apply_and_locate(&app.mysql, &Command::CreateAddress(address)).await?;
    let id = applied.id;
    let location = [(header::LOCATION, format!("/addresses/{id}"))];
    Ok((StatusCode::CREATED, Position(position), location, Json(query::address(&app.mysql, id).await?)))
}

/// Changes an address; absent fields stay
#[utoipa::path(patch, path = "/addresses/{id}", tag = "addresses", params(("id" = i64, Path)), request_body = AddressChange,
    responses((status = 200, body = Address, headers(("Tidewater-Position" = String, description = "A position that includes the change, for `?after=`"))), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn change_address(
    State(app): State<Shared>,
    Path(id): Path<i64>,
    Body(change): Body<AddressChange>,
) -> Result<(Position, Json<Address>), Problem> {
    change.check()?;
    let (_, position) = apply_and_locate(&app.mysql, &Command::ChangeAddress(id, change)).await?;
    Ok((Position(position), Json(query::address(&app.mysql, id).await?)))
}

/// Deletes an address that no order uses
#[utoipa::path(delete, path = "/addresses/{id}", tag = "addresses", params(("id" = i64, Path)),
    responses((status = 204, headers(("Tidewater-Position" = String, description = "A position that includes the change, for `?after=`"))), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn delete_address(State(app): State<Shared>, Path(id): Path<i64>) -> Result<(StatusCode, Position), Problem> {
    let (_, position) = apply_and_locate(&app.mysql, &Command::DeleteAddress(id)).await?;
    Ok((StatusCode::NO_CONTENT, Position(position)))
}
