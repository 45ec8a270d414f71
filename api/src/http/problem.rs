//! Problem documents (RFC 9457): what a caller reads when a request fails.
//!
//! `type` is a path of these services; opening it explains the kind of problem. Reasons that are nobody's business
//! outside (an SQL text, an internal fault) are logged, not sent.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::Error;
use crate::validate::FieldError;

/// The kinds of problem: name in the `type`, title, explanation.
pub(crate) const KINDS: [(&str, &str, &str); 9] = [
    ("not-found", "Not found", "No object has the id, or no endpoint has the path."),
    ("conflict", "Conflict", "The request contradicts the present state, such as an email that is taken."),
    (
        "invalid",
        "Invalid values",
        "The request was understood, but values in it are not acceptable; `errors` lists each.",
    ),
    ("malformed", "Malformed request", "The body, the query or the path could not be read."),
    ("method-not-allowed", "Method not allowed", "The path exists, but not with this method."),
    ("unsupported-media-type", "Unsupported media type", "The body must be JSON: `content-type: application/json`."),
    ("too-large", "Body too large", "The body is larger than the services accept."),
    (
        "unavailable",
        "Service unavailable",
        "MySQL, Kafka or the view engine does not answer; /ready tells which. Try again later.",
    ),
    ("internal", "Internal error", "A fault of the services; their log has the reason."),
];

/// A problem document.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// The kind of problem, a path that explains it.
    #[serde(rename = "type")]
    #[schema(example = "/problems/invalid")]
    kind: String,
    /// The kind of problem in words.
    #[schema(example = "Invalid values")]
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 422)]
    status: u16,
    /// What is wrong with this request.
    detail: String,
    /// Every value that is not acceptable.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let name = match status {
            StatusCode::NOT_FOUND => "not-found",
            StatusCode::CONFLICT => "conflict",
            StatusCode::UNPROCESSABLE_ENTITY => "invalid",
            StatusCode::BAD_REQUEST => "malformed",
            StatusCode::METHOD_NOT_ALLOWED => "method-not-allowed",
            StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported-media-type",
            StatusCode::PAYLOAD_TOO_LARGE => "too-large",
            StatusCode::SERVICE_UNAVAILABLE => "unavailable",
            _ => "internal",
        };
        let title = KINDS.iter().find(|kind| kind.0 == name).map_or("Error", |kind| kind.1);
        Self {
            kind: format!("/problems/{name}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::NotFound { .. } => Self::new(StatusCode::NOT_FOUND, text),
            Error::Conflict(_) => Self::new(StatusCode::CONFLICT, text),
            Error::Invalid(errors) => Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, text) },
            // Nothing else that a caller says becomes a parameter of the engine.
            e if e.is_wrong_position() => Self::new(StatusCode::UNPROCESSABLE_ENTITY, text),
            e if e.is_lock_contention() => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "the rows are being changed by others; try again")
            }
            e if e.is_unavailable() => {
                tracing::warn!(error = %e, "a server does not answer");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, text)
            }
            e => {
                tracing::error!(error = %e, "request failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the request failed; the services' log has the reason")
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

pub(crate) async fn no_such_path(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is no {}; /openapi.json lists what there is", uri.path()))
}

pub(crate) async fn wrong_method(uri: Uri) -> Problem {
    let detail = format!("{} does not take this method; /openapi.json lists what it takes", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_become_documents() {
        let problem = Problem::from(Error::invalid("/email", "must be an email address"));
        assert_eq!(
            serde_json::to_value(&problem).unwrap(),
            serde_json::json!({
                "type": "/problems/invalid", "title": "Invalid values", "status": 422,
                "detail": "/email must be an email address",
                "errors": [{"pointer": "/email", "detail": "must be an email address"}],
            })
        );
        let response = Problem::from(Error::NotFound { what: "order", id: 7 }).into_response();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    }

    #[test]
    fn inner_reasons_stay_inside() {
        let problem = Problem::from(Error::MySql(sqlx::Error::Protocol("secret".into())));
        assert_eq!(problem.status, 500);
        assert!(!serde_json::to_string(&problem).unwrap().contains("secret"));
        assert_eq!(Problem::from(Error::MySql(sqlx::Error::PoolTimedOut)).status, 503);
    }

    #[test]
    fn every_status_has_a_kind_with_a_title() {
        for status in [400, 404, 405, 409, 413, 415, 422, 500, 503] {
            let problem = Problem::new(StatusCode::from_u16(status).unwrap(), "x");
            assert_ne!(problem.title, "Error", "{status}");
        }
    }
}
