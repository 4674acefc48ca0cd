//! Evaluation of stored data.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::auth::AuthorizedProject;
use super::super::jobs::JobStatus;
use super::super::permission::Admin;
use super::super::{ApiError, ApiState, error};
use super::{evaluator_id, run_on_evaluators};
use crate::evaluation::{EvaluationBackfillJob, EvaluationBackfillTask};
use crate::query_parameters::TimeRangeParameters;

/// Selects the stored data that is evaluated.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct EvaluationBackfillRequest {
    /// Start of the time range, inclusive: a day such as `2026-01-31` (UTC), an RFC 3339 time, Unix seconds, `now`, or an offset from now
    /// such as `-7d`. Default: all stored data.
    from: Option<String>,
    /// End of the time range, exclusive, in the same forms as `from`. Default: no end.
    to: Option<String>,
}

/// Evaluates stored data with an evaluator, which may be disabled.
///
/// The work is done by a job of kind `evaluate`. It selects the same targets as the preview. Targets that have been evaluated by this version
/// of the evaluator keep their score.
#[utoipa::path(post, path = "/projects/{project}/evaluators/{evaluator}/backfill", tag = "evaluators", params(("project" = u64, Path, description = "ID of the project."), ("evaluator" = i64, Path, description = "ID of the evaluator.")), request_body = EvaluationBackfillRequest,
    responses((status = 202, body = JobStatus, description = "The job that evaluates the data."), (status = 400, body = error::ErrorResponse), (status = 404, body = error::ErrorResponse)))]
pub(in crate::api) async fn start(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    Path((_project, evaluator)): Path<(String, String)>,
    body: Result<Json<EvaluationBackfillRequest>, JsonRejection>,
) -> Result<(StatusCode, Json<JobStatus>), ApiError> {
    let Json(EvaluationBackfillRequest { from, to }) = body?;
    let (from_us, to_us) = TimeRangeParameters { from, to }.range()?;
    let (project, id) = (authorized.project, evaluator_id(&evaluator)?);
    let found = run_on_evaluators(&api, move |store| store.evaluator(project, id)).await?;
    found.ok_or_else(|| ApiError::not_found("evaluator"))?;
    let task = EvaluationBackfillTask {
        evaluator: id,
        from_us: Some(from_us).filter(|us| *us != i64::MIN),
        to_us: Some(to_us).filter(|us| *us != i64::MAX),
    };
    let jobs = api.jobs.clone();
    let record = tokio::task::spawn_blocking(move || jobs.submit_job::<EvaluationBackfillJob>(project, &task)).await??;
    Ok((StatusCode::ACCEPTED, Json(JobStatus::from_record(record))))
}
