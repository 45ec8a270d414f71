//! `/users`: customers, in MySQL.

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
use super::extract::{Body, PageQuery, Path, Query};
use super::position::Position;
use super::problem::Problem;
use crate::command::{Command, apply_and_locate};
use crate::model::{NewUser, User, UserChange};
use crate::query;

#[derive(Serialize, ToSchema)]
struct Users {
    users: Vec<User>,
}

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(list_users, create_user)).routes(routes!(get_user, change_user, delete_user))
}

/// Users in key order
#[utoipa::path(get, path = "/users", tag = "users", params(PageQuery),
    responses((status = 200, body = Users), (status = 422, body = Problem)))]
async fn list_users(State(app): State<Shared>, Query(list): Query<PageQuery>) -> Result<Json<Users>, Problem> {
    Ok(Json(Users { users: query::users(&app.mysql, list.page()?).await? }))
}

/// One user
#[utoipa::path(get, path = "/users/{id}", tag = "users", params(("id" = i64, Path)),
    responses((status = 200, body = User), (status = 404, body = Problem)))]
async fn get_user(State(app): State<Shared>, Path(id): Path<i64>) -> Result<Json<User>, Problem> {
    Ok(Json(query::user(&app.mysql, id).await?))
}

/// Creates a user
#[utoipa::path(post, path = "/users", tag = "users", request_body = NewUser,
    responses((status = 201, body = User, headers(("Tidewater-Position" = String, description = "A position that includes the change, for `?after=`"))), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn create_user(State(app): State<Shared>, Body(user): Body<NewUser>) -> Result<impl IntoResponse, Problem> {
    user.check()?;
    let (applied, position) = apply_and_locate(&app.mysql, &Command::CreateUser(user)).await?;
    let id = applied.id;
    let location = [(header::LOCATION, format!("/users/{id}"))];
    Ok((StatusCode::CREATED, Position(position), location, Json(query::user(&app.mysql, id).await?)))
}

/// Changes a user; absent fields stay
#[utoipa::path(patch, path = "/users/{id}", tag = "users", params(("id" = i64, Path)), request_body = UserChange,
    responses((status = 200, body = User, headers(("Tidewater-Position" = String, description = "A position that includes the change, for `?after=`"))), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn change_user(
    State(app): State<Shared>,
    Path(id): Path<i64>,
    Body(change): Body<UserChange>,
) -> Result<(Position, Json<User>), Problem> {
    change.check()?;
    let (_, position) = apply_and_locate(&app.mysql, &Command::ChangeUser(id, change)).await?;
    Ok((Position(position), Json(query::user(&app.mysql, id).await?)))
}

/// Deletes a user who has no orders, with the addresses
#[utoipa::path(delete, path = "/users/{id}", tag = "users", params(("id" = i64, Path)),
    responses((status = 204, headers(("Tidewater-Position" = String, description = "A position that includes the change, for `?after=`"))), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn delete_user(State(app): State<Shared>, Path(id): Path<i64>) -> Result<(StatusCode, Position), Problem> {
    let (_, position) = apply_and_locate(&app.mysql, &Command::DeleteUser(id)).await?;
    Ok((StatusCode::NO_CONTENT, Position(position)))
}
