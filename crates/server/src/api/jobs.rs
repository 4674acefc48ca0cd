//! Background jobs: progress, result and cancellation.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use hinomi_model::api_time::rfc3339;
use hinomi_tables::metadata::{JobFilter, JobRecord, JobState, MetadataError};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::{ApiCaller, AuthorizedCaller};
use super::params::QueryParameters;
use super::permission::{Admin, Viewer};
use super::{ApiError, ApiState};
use crate::reprice::RepriceReport;

/// Default number of jobs in a response.
const DEFAULT_JOBS: usize = 50;
/// Maximum number of jobs in a response.
const MAX_JOBS: usize = 1000;

/// A background job.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JobStatus {
    /// ID of the job.
    id: i64,
    /// ID of the project that the job works on.
    project_id: u64,
    /// Kind of work. `reprice` recalculates the cost of stored calls, `evaluate` evaluates stored data.
    kind: String,
    /// State of the job.
    state: JobState,
    /// Number of items that have been processed. The items of `reprice` are calls, those of `evaluate` are targets.
    done: u64,
    /// Number of known items to process; 0 before the job starts.
    total: u64,
    /// Reason for the failure; null unless the state is `failed`.
    #[schema(required)]
    reason: Option<String>,
    /// Time at which the job was requested (RFC 3339).
    created_at: String,
    /// Time at which the job first started (RFC 3339); null if it has not started.
    #[schema(required)]
    started_at: Option<String>,
    /// Time at which the job was done, failed or was cancelled (RFC 3339); null while it has not ended.
    #[schema(required)]
    ended_at: Option<String>,
    /// Start of the time range that the job works on (RFC 3339); null for no start.
    #[schema(required)]
    from: Option<String>,
    /// End of the time range that the job works on, exclusive (RFC 3339); null for no end.
    #[schema(required)]
    to: Option<String>,
    /// Progress (RFC 3339): calls or targets that start before this time have been processed. Null before the job starts.
    #[schema(required)]
    reached: Option<String>,
    /// Changes that `reprice` made so far, or in total once it has ended; null before the job starts, and for other kinds.
    #[schema(required)]
    result: Option<RepriceReport>,
    /// ID of the evaluator of a job of kind `evaluate`; null for other kinds.
    #[schema(required)]
    evaluator_id: Option<i64>,
    /// Number of evaluations of a job of kind `evaluate` by outcome, such as `scored`; empty for other kinds.
    outcomes: BTreeMap<String, u64>,
}

/// Parts of the stored tasks of all kinds.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct JobTaskFacts {
    from_us: Option<i64>,
    to_us: Option<i64>,
    evaluator: Option<i64>,
}

/// Parts of the stored progress of all kinds.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct JobProgressFacts {
    reached_us: Option<i64>,
    so_far: Option<RepriceReport>,
    outcomes: BTreeMap<String, u64>,
}

impl JobStatus {
    pub(super) fn from_record(record: JobRecord) -> JobStatus {
        let task = serde_json::from_str::<JobTaskFacts>(&record.task).unwrap_or_default();
        let progress = record.progress.as_deref().map(serde_json::from_str::<JobProgressFacts>);
        let progress = progress.and_then(Result::ok).unwrap_or_default();
        JobStatus {
            id: record.id,
            project_id: record.project,
            kind: record.kind,
            state: record.state,
            done: record.done,
            total: record.total,
            reason: record.reason,
            created_at: rfc3339(record.created_us),
            started_at: record.started_us.map(rfc3339),
            ended_at: record.ended_us.map(rfc3339),
            from: task.from_us.map(rfc3339),
            to: task.to_us.map(rfc3339),
            reached: progress.reached_us.map(rfc3339),
            result: progress.so_far,
            evaluator_id: task.evaluator,
            outcomes: progress.outcomes,
        }
    }

    /// Returns the changes that the job made.
    pub(super) fn result(self) -> Option<RepriceReport> {
        self.result
    }
}

/// Selects jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct JobListParameters {
    /// ID of a project: only its jobs are returned. Default: all projects that the caller may see.
    project: Option<u64>,
    /// Kind of work, such as `reprice`: only jobs of this kind are returned. Default: all kinds.
    kind: Option<String>,
    /// Maximum number of jobs, from 1 to 1,000. Default: 50.
    limit: Option<usize>,
    /// Cursor: `next_cursor` of the previous page.
    cursor: Option<String>,
}

/// One page of jobs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JobPage {
    /// Jobs, the newest first.
    jobs: Vec<JobStatus>,
    /// Cursor of the next page; null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Lists background jobs, the newest first.
///
/// The list holds all jobs that have not ended, and the last 100 ended jobs of each project and kind.
#[utoipa::path(get, path = "/jobs", tag = "jobs", params(JobListParameters), responses((status = 200, body = JobPage), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn list(
    State(api): State<Arc<ApiState>>,
    AuthorizedCaller { caller, .. }: AuthorizedCaller<Viewer>,
    QueryParameters(which): QueryParameters<JobListParameters>,
) -> Result<Json<JobPage>, ApiError> {
    let limit = which.limit.unwrap_or(DEFAULT_JOBS).clamp(1, MAX_JOBS);
    let before = which.cursor.map(|cursor| cursor.parse::<i64>()).transpose();
    let before =
        before.map_err(|_| ApiError::bad_request("bad_cursor", "cursor does not belong to this list; start again without a cursor"))?;
    if which.project.is_some_and(|project| !caller.can_see(project)) {
        return Err(ApiError::not_found("project"));
    }
    let projects = which.project.map(|project| vec![project]).or(caller.visible_projects());
    let jobs = api.jobs.clone();
    let filter = JobFilter { projects, kind: which.kind, before };
    let found = tokio::task::spawn_blocking(move || jobs.list(&filter, limit + 1)).await;
    let mut jobs: Vec<JobStatus> = found??.into_iter().map(JobStatus::from_record).collect();
    let has_more = jobs.len() > limit;
    jobs.truncate(limit);
    let next_cursor = jobs.last().filter(|_| has_more).map(|job| job.id.to_string());
    Ok(Json(JobPage { jobs, next_cursor }))
}

/// Returns a background job.
#[utoipa::path(get, path = "/jobs/{job}", tag = "jobs", params(("job" = i64, Path, description = "ID of the job.")),
    responses((status = 200, body = JobStatus), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn get(
    State(api): State<Arc<ApiState>>,
    AuthorizedCaller { caller, .. }: AuthorizedCaller<Viewer>,
    Path(job): Path<String>,
) -> Result<Json<JobStatus>, ApiError> {
    Ok(Json(JobStatus::from_record(visible_job(&api, &caller, &job).await?)))
}

/// Cancels a background job that has not ended.
///
/// Changes that the job has already made are kept. Returns the job in its final state. Requires admin permission.
#[utoipa::path(delete, path = "/jobs/{job}", tag = "jobs", params(("job" = i64, Path, description = "ID of the job.")),
    responses((status = 200, body = JobStatus), (status = 403, body = super::error::ErrorResponse), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn cancel(
    State(api): State<Arc<ApiState>>,
    AuthorizedCaller { caller, .. }: AuthorizedCaller<Admin>,
    Path(job): Path<String>,
) -> Result<Json<JobStatus>, ApiError> {
    let record = visible_job(&api, &caller, &job).await?;
    Ok(Json(JobStatus::from_record(api.jobs.cancel(record.id).await?)))
}

/// Returns a job that the caller may see.
async fn visible_job(api: &Arc<ApiState>, caller: &ApiCaller, job: &str) -> Result<JobRecord, ApiError> {
    let id: i64 = job.parse().map_err(|_| ApiError::not_found("job"))?;
    let jobs = api.jobs.clone();
    let found = tokio::task::spawn_blocking(move || jobs.get(id)).await?;
    let record = found?;
    if caller.can_see(record.project) { Ok(record) } else { Err(MetadataError::NoJob(id).into()) }
}
