//! `Tidewater-Position`: after a write, what `?after=` of the view's endpoints takes.

use std::convert::Infallible;

use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, IntoResponseParts, Response, ResponseParts};

const HEADER: HeaderName = HeaderName::from_static("tidewater-position");

/// A position that includes the write; none where MySQL has no GTIDs.
pub(crate) struct Position(pub(crate) Option<String>);

impl IntoResponseParts for Position {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        // Text of MySQL and Kafka that no header could hold does not come.
        if let Some(value) = self.0.and_then(|position| HeaderValue::try_from(position).ok()) {
            parts.headers_mut().insert(HEADER, value);
        }
        Ok(parts)
    }
}

impl IntoResponse for Position {
    fn into_response(self) -> Response {
        (self, ()).into_response()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn answers_tell_where_there_is_a_position() {
        let header = |position: Option<&str>| {
            let answer = (StatusCode::NO_CONTENT, Position(position.map(str::to_owned))).into_response();
            assert_eq!(answer.status(), StatusCode::NO_CONTENT);
            answer.headers().get(HEADER).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(header(Some("order_updates/0@12")).as_deref(), Some("order_updates/0@12"));
        assert_eq!(header(None), None);
    }
}
