//! Long work that goes on in the server: how far it is, what came of it, and its early end.

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
use crate::jobs::{JobTask, RepriceProgress};
use crate::reprice::RepriceReport;

/// Jobs of an answer, where the caller does not say.
const ROWS: usize = 50;
/// Most jobs of an answer.
const MAX_ROWS: usize = 1000;

/// A job.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JobStatus {
    id: i64,
    project_id: u64,
    /// `reprice`: stored calls are priced again.
    kind: String,
    state: JobState,
    /// How many things have been worked on; of `reprice` calls.
    done: u64,
    /// How many there are, as far as is known: 0 before it begins.
    total: u64,
    /// Why it failed; null in every other state.
    reason: Option<String>,
    created_at: String,
    started_at: Option<String>,
    /// When it was done, failed or was cancelled.
    ended_at: Option<String>,
    /// What `reprice` works on: the start of the range; null where it is open.
    from: Option<String>,
    /// The end, not included; null where it is open.
    to: Option<String>,
    /// How far `reprice` is: calls that begin before have the prices of now, later ones may still have those of before. Null before it begins.
    reached: Option<String>,
    /// What has changed so far; of a job that has ended, all that has changed. Null before it begins.
    result: Option<RepriceReport>,
}

impl JobStatus {
    pub(super) fn of(record: JobRecord) -> JobStatus {
        let task = serde_json::from_str::<JobTask>(&record.task).ok();
        let progress = record.progress.as_deref().and_then(|text| serde_json::from_str::<RepriceProgress>(text).ok());
        let (from_us, to_us) = match task {
            Some(JobTask::Reprice { from_us, to_us }) => (from_us, to_us),
            None => (None, None),
        };
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
            from: from_us.map(rfc3339),
            to: to_us.map(rfc3339),
            reached: progress.as_ref().map(|progress| rfc3339(progress.reached_us)),
            result: progress.map(|progress| progress.so_far),
        }
    }

    /// What has changed.
    pub(super) fn result(self) -> Option<RepriceReport> {
        self.result
    }
}

/// Which jobs to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct JobListParameters {
    /// Only those of this project.
    project: Option<u64>,
    /// Only those of this kind.
    kind: Option<String>,
    /// At most so many; at most 1,000.
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A page of jobs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JobPage {
    jobs: Vec<JobStatus>,
    /// Null on the last page.
    next_cursor: Option<String>,
}

/// Lists jobs, the newest first: those that have not ended, and of each project and kind the last hundred that have.
#[utoipa::path(get, path = "/jobs", tag = "jobs", params(JobListParameters), responses((status = 200, body = JobPage), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn list(
    State(api): State<Arc<ApiState>>,
    AuthorizedCaller { caller, .. }: AuthorizedCaller<Viewer>,
    QueryParameters(which): QueryParameters<JobListParameters>,
) -> Result<Json<JobPage>, ApiError> {
    let limit = which.limit.unwrap_or(ROWS).clamp(1, MAX_ROWS);
    let before = which.cursor.map(|cursor| cursor.parse::<i64>()).transpose();
    let before = before.map_err(|_| ApiError::bad_request("bad_cursor", "the cursor is none of this list"))?;
    // Whoever sees one project alone is shown those of that one.
    let project = which.project.or(caller.rights().project);
    if project.is_some_and(|project| !caller.may_see(project)) {
        return Err(ApiError::not_found("project"));
    }
    let jobs = api.jobs.clone();
    let filter = JobFilter { project, kind: which.kind, before };
    let found = tokio::task::spawn_blocking(move || jobs.list(&filter, limit + 1)).await;
    let mut jobs: Vec<JobStatus> = found??.into_iter().map(JobStatus::of).collect();
    let has_more = jobs.len() > limit;
    jobs.truncate(limit);
    let next_cursor = jobs.last().filter(|_| has_more).map(|job| job.id.to_string());
    Ok(Json(JobPage { jobs, next_cursor }))
}

/// One job.
#[utoipa::path(get, path = "/jobs/{job}", tag = "jobs", params(("job" = i64, Path)),
    responses((status = 200, body = JobStatus), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn get(
    State(api): State<Arc<ApiState>>,
    AuthorizedCaller { caller, .. }: AuthorizedCaller<Viewer>,
    Path(job): Path<String>,
) -> Result<Json<JobStatus>, ApiError> {
    Ok(Json(JobStatus::of(seen(&api, caller, &job).await?)))
}

/// Ends a job that has not ended, and answers how it ended. What it has done stays done. For admins.
#[utoipa::path(delete, path = "/jobs/{job}", tag = "jobs", params(("job" = i64, Path)),
    responses((status = 200, body = JobStatus), (status = 403, body = super::error::ErrorResponse), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn cancel(
    State(api): State<Arc<ApiState>>,
    AuthorizedCaller { caller, .. }: AuthorizedCaller<Admin>,
    Path(job): Path<String>,
) -> Result<Json<JobStatus>, ApiError> {
    let record = seen(&api, caller, &job).await?;
    Ok(Json(JobStatus::of(api.jobs.cancel(record.id).await?)))
}

/// A job that the caller may see.
async fn seen(api: &Arc<ApiState>, caller: ApiCaller, job: &str) -> Result<JobRecord, ApiError> {
    let id: i64 = job.parse().map_err(|_| ApiError::not_found("job"))?;
    let jobs = api.jobs.clone();
    let found = tokio::task::spawn_blocking(move || jobs.get(id)).await?;
    let record = found?;
    if caller.may_see(record.project) { Ok(record) } else { Err(MetadataError::NoJob(id).into()) }
}
