//! Pricing stored calls again.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hinomi_tables::metadata::JobState;
use serde::Deserialize;
use utoipa::ToSchema;

use super::auth::AuthorizedProject;
use super::jobs::JobStatus;
use super::params::moment;
use super::permission::Admin;
use super::{ApiError, ApiState};
use crate::jobs::JobTask;
use crate::reprice::{PricingPolicy, RepriceControl, RepriceError, RepriceReport, reprice as price_again};

/// Which calls, and whether to wait for the end.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RepriceRequest {
    /// Start: a day, RFC 3339, unix seconds, or relative such as `-7d`. Left out: everything kept.
    from: Option<String>,
    /// End, not included: as `from`, or `now`.
    to: Option<String>,
    /// Change nothing, and say what would be changed.
    #[serde(default)]
    dry_run: bool,
    /// Answer when all is done, with what was changed. False: answer at once, with the job that does it. It goes on either way when the client
    /// goes away.
    #[serde(default = "yes")]
    wait: bool,
}

fn yes() -> bool {
    true
}

/// Gives the stored calls of a range the costs that they have by the prices of now: own ones and the table, each for its days. A job of the kind
/// `reprice` does it; one that is asked for while another of the project runs waits for that one.
#[utoipa::path(post, path = "/projects/{project}/reprice", tag = "prices", params(("project" = u64, Path)), request_body = RepriceRequest,
    responses((status = 200, body = RepriceReport, description = "what was changed, or would be"), (status = 202, body = JobStatus, description = "the job that does it"),
        (status = 400, body = super::error::ErrorResponse), (status = 409, body = super::error::ErrorResponse, description = "the job was cancelled")))]
pub(super) async fn reprice(
    State(api): State<Arc<ApiState>>,
    of: AuthorizedProject<Admin>,
    body: Result<Json<RepriceRequest>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(RepriceRequest { from, to, dry_run, wait }) = body?;
    let now_us = jiff::Timestamp::now().as_microsecond();
    let time = |name: &str, text: Option<String>| match text {
        None => Ok(None),
        Some(text) => moment(&text, now_us).map(Some).ok_or_else(|| {
            ApiError::bad_request(
                "bad_time",
                format!("{name}: {text:?} is not a day, an RFC 3339 time, unix seconds, now, or a span back such as -7d"),
            )
        }),
    };
    let (from_us, to_us) = (time("from", from)?, time("to", to)?);
    if dry_run {
        let project = api.meta.project(of.project)?;
        let pricing = PricingPolicy { book: api.prices.of(of.project), prefer_client: project.prefer_client_cost };
        let range = (from_us.unwrap_or(i64::MIN), to_us.unwrap_or(i64::MAX));
        let (repriced, ended) = price_again(&api.ask(of.project), of.project, &pricing, range, None, &RepriceControl::default()).await;
        ended?;
        return Ok(Json(repriced).into_response());
    }
    let jobs = api.jobs.clone();
    let submitted = tokio::task::spawn_blocking(move || jobs.submit(of.project, &JobTask::Reprice { from_us, to_us })).await;
    let record = submitted??;
    if !wait {
        return Ok((StatusCode::ACCEPTED, Json(JobStatus::of(record))).into_response());
    }
    let record = api.jobs.wait(record.id).await?;
    let (id, state, reason) = (record.id, record.state, record.reason.clone());
    match (state, JobStatus::of(record).result()) {
        (JobState::Done, result) => Ok(Json(result.unwrap_or_default()).into_response()),
        (JobState::Failed, _) => {
            Err(ApiError::unavailable(format!("job {id}, which prices calls again, failed: {}", reason.unwrap_or_default()))
                .hint("Some calls may have the prices of now and others those of before; do it again."))
        }
        (JobState::Cancelled, _) => Err(ApiError::conflict("cancelled", format!("job {id}, which prices calls again, was cancelled"))
            .hint("Some calls may have the prices of now and others those of before; do it again.")),
        _ => Err(ApiError::unavailable("the server stops").hint(format!("Job {id} goes on with its next start."))),
    }
}

impl From<RepriceError> for ApiError {
    fn from(error: RepriceError) -> ApiError {
        match error {
            RepriceError::Query(error) => error.into(),
            error @ (RepriceError::Store(_) | RepriceError::Stopped) => ApiError::internal(error),
        }
    }
}
