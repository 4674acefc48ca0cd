//! Scores that programs and people give.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use hinomi_model::langfuse;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::access::Of;
use super::{Api, ApiError};

/// The scores that were stored.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Stored {
    /// Their ids, in the order in which they were sent.
    ids: Vec<String>,
}

/// Stores one score or a list of them: `{"trace_id", "name", "value"}`, where the value is a number, true, false or a class, and may be
/// given `span_id`, `id`, `comment` and `timestamp`. The same id again corrects the score.
#[utoipa::path(post, path = "/projects/{project}/scores", tag = "traces", params(("project" = u64, Path)),
    request_body = Value, responses((status = 201, body = Stored), (status = 400, body = super::error::Body)))]
pub(super) async fn create(State(api): State<Arc<Api>>, of: Of, body: Bytes) -> Result<(StatusCode, Json<Stored>), ApiError> {
    let said: Value = serde_json::from_slice(&body).map_err(|error| ApiError::bad_request("bad_json", error.to_string()))?;
    let scores = langfuse::scores(&said, jiff::Timestamp::now().as_microsecond())
        .map_err(|reason| ApiError::bad_request("bad_score", format!("the score cannot be read: {reason}")))?;
    let ids = scores.iter().map(|score| score.id.clone()).collect();
    let store = api.scores.clone();
    let stored = tokio::task::spawn_blocking(move || store.put(of.project, &scores)).await.map_err(ApiError::internal)?;
    stored.map_err(ApiError::internal)?;
    Ok((StatusCode::CREATED, Json(Stored { ids })))
}
