//! If a query fails because of a damaged segment, retries the query without this segment.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;

use crate::api::ApiState;

/// Marks a response that failed in a way that damaged files can cause.
#[derive(Debug, Clone, Copy)]
pub(in crate::api) struct SuspectedSegmentDamage;

/// If a request failed in a way that damaged segments can cause, looks for damaged segments, and retries the request if it finds any.
pub(in crate::api) async fn retry_without_damaged(State(api): State<Arc<ApiState>>, request: Request, next: Next) -> Response {
    if request.method() != Method::GET {
        return next.run(request).await;
    }
    let (parts, _) = request.into_parts();
    let once = next.clone().run(Request::from_parts(parts.clone(), Body::empty())).await;
    if once.extensions().get::<SuspectedSegmentDamage>().is_none() {
        return once;
    }
    match api.store.quarantine_damaged().await {
        Ok(found) if found > 0 => next.run(Request::from_parts(parts, Body::empty())).await,
        _ => once,
    }
}
