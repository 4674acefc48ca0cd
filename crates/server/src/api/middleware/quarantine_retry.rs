//! A question that met a damaged segment is asked again without it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;

use crate::api::ApiState;

/// Marks an answer that failed in a way in which damaged files make it fail.
#[derive(Debug, Clone, Copy)]
pub(in crate::api) struct SuspectedSegmentDamage;

/// Has the store look for damaged segments when an answer failed as they make it fail, and asks again when it found some.
pub(in crate::api) async fn without_damaged(State(api): State<Arc<ApiState>>, request: Request, next: Next) -> Response {
    if request.method() != Method::GET {
        return next.run(request).await;
    }
    let (parts, _) = request.into_parts();
    let once = next.clone().run(Request::from_parts(parts.clone(), Body::empty())).await;
    if once.extensions().get::<SuspectedSegmentDamage>().is_none() {
        return once;
    }
    match api.store.set_damaged_aside().await {
        Ok(found) if found > 0 => next.run(Request::from_parts(parts, Body::empty())).await,
        _ => once,
    }
}
