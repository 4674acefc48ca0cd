//! Scores from programs and people.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use hinomi_model::langfuse;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::auth::TelemetryWriter;
use super::{ApiError, ApiState};

/// Stored scores.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ScoreIdList {
    /// IDs of the scores, in the order in which they were sent.
    ids: Vec<String>,
}

/// Stores a score or a list of scores.
///
/// A score is `{"trace_id", "name", "value"}`, where the value is a number, a boolean or a string. `span_id`, `id`, `comment` and
/// `timestamp` are optional. A score with an existing ID replaces the stored score. Requires the role of a member, or an ingest key of the
/// project sent in the same way as for OTLP.
#[utoipa::path(post, path = "/projects/{project}/scores", tag = "traces", params(("project" = u64, Path, description = "ID of the project.")),
    request_body = Value, extensions(("x-ingest-key" = json!(true))),
    responses((status = 201, body = ScoreIdList), (status = 400, body = super::error::ErrorResponse), (status = 403, body = super::error::ErrorResponse)))]
pub(super) async fn create(
    State(api): State<Arc<ApiState>>,
    writer: TelemetryWriter,
    body: Bytes,
) -> Result<(StatusCode, Json<ScoreIdList>), ApiError> {
    let said: Value = serde_json::from_slice(&body).map_err(|error| ApiError::bad_request("bad_json", error.to_string()))?;
    let scores = langfuse::scores(&said, jiff::Timestamp::now().as_microsecond())
        .map_err(|reason| ApiError::bad_request("bad_score", format!("invalid score: {reason}")))?;
    let ids = scores.iter().map(|score| score.id.clone()).collect();
    let store = api.scores.clone();
    let stored = tokio::task::spawn_blocking(move || store.store_scores(writer.project, &scores)).await?;
    stored.map_err(ApiError::internal)?;
    Ok((StatusCode::CREATED, Json(ScoreIdList { ids })))
}
