//! Reading requests: as axum does, but what cannot be read is answered with a problem document.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::problem::Problem;
use crate::error::Result;
use crate::query::{OrderFilter, Page};
use crate::validate::Faults;

/// Rows a page has when the caller does not say.
const LIMIT_DEFAULT: u32 = 100;
/// Larger pages would hold a connection and memory for one caller.
const LIMIT_MAX: u32 = 1000;

#[derive(FromRequest)]
#[from_request(via(axum::Json), rejection(Problem))]
pub(crate) struct Body<T>(pub(crate) T);

#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Problem))]
pub(crate) struct Path<T>(pub(crate) T);

#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
pub(crate) struct Query<T>(pub(crate) T);

/// Which part of a list, and whose.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// Only rows with a greater key: the last key of the page before.
    after: Option<i64>,
    /// Rows at most, 1 to 1000; 100 if absent.
    limit: Option<u32>,
}

/// As [`PageQuery`], of one user.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AddressQuery {
    /// Only rows with a greater key: the last key of the page before.
    after: Option<i64>,
    /// Rows at most, 1 to 1000; 100 if absent.
    limit: Option<u32>,
    /// Only addresses of this user.
    pub(crate) user_id: Option<i64>,
}

/// As [`PageQuery`], of one user or of one status.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OrderQuery {
    /// Only rows with a greater key: the last key of the page before.
    after: Option<i64>,
    /// Rows at most, 1 to 1000; 100 if absent.
    limit: Option<u32>,
    /// Only orders of this user.
    user_id: Option<i64>,
    /// Only orders of this status.
    status: Option<String>,
}

/// As [`OrderQuery`], from the view engine.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DetailsQuery {
    /// Only rows with a greater key: the last key of the page before.
    after: Option<i64>,
    /// Rows at most, 1 to 1000; 100 if absent.
    limit: Option<u32>,
    /// Only orders of this user.
    user_id: Option<i64>,
    /// Only orders of this status.
    status: Option<String>,
    /// Waits until the view includes this position, as a write answered it in `Tidewater-Position`.
    after_position: Option<String>,
}

/// What a view must include.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AfterQuery {
    /// Waits until the view includes this position, as a write answered it in `Tidewater-Position`.
    pub(crate) after: Option<String>,
}

impl PageQuery {
    pub(crate) fn page(&self) -> Result<Page> {
        page(self.after, self.limit)
    }
}

impl AddressQuery {
    pub(crate) fn page(&self) -> Result<Page> {
        page(self.after, self.limit)
    }
}

impl OrderQuery {
    pub(crate) fn parts(self) -> Result<(OrderFilter, Page)> {
        let page = page(self.after, self.limit)?;
        Ok((OrderFilter { user_id: self.user_id, status: self.status }, page))
    }
}

impl DetailsQuery {
    pub(crate) fn parts(self) -> Result<(OrderFilter, Page, Option<String>)> {
        let page = page(self.after, self.limit)?;
        Ok((OrderFilter { user_id: self.user_id, status: self.status }, page, self.after_position))
    }
}

fn page(after: Option<i64>, limit: Option<u32>) -> Result<Page> {
    let page = Page { after: after.unwrap_or(i64::MIN), limit: limit.unwrap_or(LIMIT_DEFAULT) };
    let mut faults = Faults::default();
    faults.require((1..=LIMIT_MAX).contains(&page.limit), "?limit", format!("must be 1 to {LIMIT_MAX}"));
    faults.finish()?;
    Ok(page)
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        // A body that is JSON but not of the right shape counts as malformed: values are judged later, all at once.
        let status = match rejection.status() {
            StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
            status => status,
        };
        Self::new(status, rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_bounded() {
        assert_eq!(page(None, None).unwrap(), Page { after: i64::MIN, limit: LIMIT_DEFAULT });
        assert_eq!(page(Some(7), Some(1000)).unwrap(), Page { after: 7, limit: 1000 });
        assert!(page(None, Some(0)).is_err() && page(None, Some(1001)).is_err());
    }
}
