//! Feedback of end users, sent by browsers with the public ingest key.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::langfuse;
use hinomi_model::score::{Score, ScoreSource, ScoreTarget, ScoreValue};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::auth::TelemetryWriter;
use super::super::{ApiError, ApiState, error};
use super::run_on_scores;

/// Maximum number of characters of a comment.
const MAX_COMMENT_CHARACTERS: usize = 10_000;
/// Maximum number of characters of a name and a label.
const MAX_NAME_CHARACTERS: usize = 200;

/// Feedback of an end user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct FeedbackRequest {
    /// Name of the score. Default: `feedback`.
    #[serde(default)]
    name: Option<String>,
    /// ID of the trace that the user saw.
    trace_id: String,
    /// ID of the span whose answer the user rates; null for the whole trace.
    #[serde(default)]
    span_id: Option<String>,
    /// Number, or a boolean such as true for a thumb up.
    #[serde(default)]
    value: Option<FeedbackValue>,
    /// Category instead of a number.
    #[serde(default)]
    label: Option<String>,
    /// What the user wrote.
    #[serde(default)]
    comment: Option<String>,
    /// Reserved: must be null.
    #[serde(default)]
    token: Option<String>,
}

/// Value that an end user gave.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub(in crate::api) enum FeedbackValue {
    /// Yes or no.
    Boolean(bool),
    /// A number.
    Number(f64),
}

/// Stored feedback.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct StoredFeedback {
    /// ID of the score. Another feedback with the same name for the same target is a score of its own.
    id: String,
}

/// Stores the feedback of an end user as a score.
///
/// For browsers: any origin that the ingest key allows may send it. The trace must have arrived. If it has not, the answer is 404, and the
/// client can try again some seconds later.
#[utoipa::path(post, path = "/projects/{project}/feedback", tag = "scores", params(("project" = u64, Path, description = "ID of the project.")), request_body = FeedbackRequest,
    extensions(("x-ingest-key" = json!(true))),
    responses((status = 201, body = StoredFeedback), (status = 400, body = error::ErrorResponse), (status = 404, body = error::ErrorResponse), (status = 429, body = error::ErrorResponse)))]
pub(in crate::api) async fn create(
    State(api): State<Arc<ApiState>>,
    writer: TelemetryWriter,
    body: Bytes,
) -> Result<(StatusCode, Json<StoredFeedback>), ApiError> {
    // Before anything is read: the key is public.
    writer.count_request(&api, 1, body.len());
    let request = serde_json::from_slice(&body).map_err(|error| ApiError::bad_request("bad_json", error.to_string()))?;
    let score = score_of(request)?;
    let (trace, span) = (score.target.trace_id.unwrap_or(TraceId(0)), score.target.span_id);
    check_target(&api, writer.project, trace, span).await?;
    let stored = run_on_scores(&api, move |store| store.store_scores(writer.project, &[score])).await?;
    let id = stored.ids.into_iter().next().unwrap_or_default();
    Ok((StatusCode::CREATED, Json(StoredFeedback { id })))
}

async fn check_target(api: &ApiState, project: u64, trace: TraceId, span: Option<SpanId>) -> Result<(), ApiError> {
    let rows = api.snapshot(project).rows_of_trace(trace).await?;
    let is_known = match span {
        Some(span) => rows.iter().any(|row| row.span.span_id == span),
        None => !rows.is_empty(),
    };
    let hint = "Feedback is accepted when its trace has arrived. Send it again in some seconds.";
    if is_known { Ok(()) } else { Err(ApiError::span_not_found(if span.is_some() { "span" } else { "trace" }).hint(hint)) }
}

fn score_of(request: FeedbackRequest) -> Result<Score, ApiError> {
    let invalid = |message: &str| ApiError::bad_request("invalid_value", message);
    if request.token.is_some() {
        return Err(invalid("token: must be null"));
    }
    let is_too_long = |text: &Option<String>, max: usize| text.as_deref().is_some_and(|text| text.chars().count() > max);
    let name = request.name.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| "feedback".to_owned());
    if name.chars().count() > MAX_NAME_CHARACTERS || is_too_long(&request.label, MAX_NAME_CHARACTERS) {
        return Err(invalid("name and label: must have at most 200 characters"));
    }
    if is_too_long(&request.comment, MAX_COMMENT_CHARACTERS) {
        return Err(invalid("comment: must have at most 10,000 characters"));
    }
    let value = match (request.value, request.label, &request.comment) {
        (Some(FeedbackValue::Boolean(yes)), ..) => ScoreValue::Boolean(yes),
        (Some(FeedbackValue::Number(number)), ..) if number.is_finite() => ScoreValue::Number(number),
        (None, Some(label), _) if !label.trim().is_empty() => ScoreValue::Category(label),
        (None, None, Some(comment)) if !comment.trim().is_empty() => ScoreValue::Text(comment.clone()),
        _ => return Err(invalid("value, label or comment: one of them must be given")),
    };
    let span = request.span_id.as_deref().filter(|span| !span.is_empty()).map(langfuse::span_id);
    let target = ScoreTarget::trace(langfuse::trace_id(request.trace_id.trim()), span);
    let mut score = Score::new(target, name, value, jiff::Timestamp::now().as_microsecond());
    score.source = ScoreSource::UserFeedback;
    score.comment = score.comment.take().or(request.comment.filter(|comment| !comment.trim().is_empty()));
    Ok(score)
}
