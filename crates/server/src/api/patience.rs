//! A question that takes too long is given up. So is one whose client has gone: its work ends when nobody waits for the answer.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{Api, ApiError};

/// Gives up what is only read. A change goes on to its end.
pub(super) async fn limited(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    // The databases of a backup take as long as they are large.
    if request.method() != Method::GET || path == "/api/v1/backup" {
        return next.run(request).await;
    }
    match tokio::time::timeout(api.query_timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            tracing::warn!(path, limit_ms = api.query_timeout.as_millis() as u64, "api.timeout");
            ApiError::timeout(api.query_timeout).into_response()
        }
    }
}
