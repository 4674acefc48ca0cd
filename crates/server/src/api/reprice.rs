//! Recalculation of the cost of stored calls.

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
use super::permission::Admin;
use super::{ApiError, ApiState};
use crate::query_parameters::{QueryParameterError, parse_time};
use crate::reprice::{PricingPolicy, RepriceControl, RepriceError, RepriceJob, RepriceReport, RepriceTask, reprice as price_again};

/// Selects the calls whose cost is recalculated.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RepriceRequest {
    /// Start of the time range, inclusive: a day such as `2026-01-31` (UTC), an RFC 3339 time, Unix seconds, `now`, or an offset from now
    /// such as `-7d`. Default: all stored data.
    from: Option<String>,
    /// End of the time range, exclusive, in the same forms as `from`. Default: no end.
    to: Option<String>,
    /// True to return what would change without changing anything. Default: false.
    #[serde(default)]
    dry_run: bool,
    /// True to respond with the result when the job is done; false to respond with the job immediately. The job continues if the client
    /// disconnects. Default: true.
    #[serde(default = "default_true")]
    wait: bool,
}

fn default_true() -> bool {
    true
}

/// Recalculates the cost of stored calls with current prices.
///
/// Each call gets the price that is effective on its day, from custom prices and the price table. The work is done by a job of kind
/// `reprice`. The job waits if another job of the project is running.
#[utoipa::path(post, path = "/projects/{project}/reprice", tag = "prices", params(("project" = u64, Path, description = "ID of the project.")), request_body = RepriceRequest,
    responses((status = 200, body = RepriceReport, description = "What was changed, or would be changed with `dry_run`."), (status = 202, body = JobStatus, description = "The job that recalculates the cost, with `wait` set to false."),
        (status = 400, body = super::error::ErrorResponse), (status = 409, body = super::error::ErrorResponse, description = "The job was cancelled.")))]
pub(super) async fn reprice(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    body: Result<Json<RepriceRequest>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(RepriceRequest { from, to, dry_run, wait }) = body?;
    let now_us = jiff::Timestamp::now().as_microsecond();
    let time = |parameter, text: Option<String>| match text {
        None => Ok(None),
        Some(text) => {
            let forms = Some("a day, RFC 3339, Unix seconds, now, or an offset such as -7d");
            parse_time(&text, now_us).map(Some).ok_or(QueryParameterError::BadTime { parameter, text, forms })
        }
    };
    let (from_us, to_us) = (time("from", from)?, time("to", to)?);
    if dry_run {
        let project = api.meta.project(authorized.project)?;
        let pricing = PricingPolicy { book: api.prices.book_of(authorized.project), prefer_client: project.prefer_client_cost };
        let range = (from_us.unwrap_or(i64::MIN), to_us.unwrap_or(i64::MAX));
        let (repriced, ended) =
            price_again(&api.snapshot(authorized.project), authorized.project, &pricing, range, None, &RepriceControl::default()).await;
        ended?;
        return Ok(Json(repriced).into_response());
    }
    let jobs = api.jobs.clone();
    let submitted =
        tokio::task::spawn_blocking(move || jobs.submit_job::<RepriceJob>(authorized.project, &RepriceTask { from_us, to_us })).await;
    let record = submitted??;
    if !wait {
        return Ok((StatusCode::ACCEPTED, Json(JobStatus::from_record(record))).into_response());
    }
    let record = api.jobs.wait_for_job(record.id).await?;
    let (id, state, reason) = (record.id, record.state, record.reason.clone());
    match (state, JobStatus::from_record(record).result()) {
        (JobState::Done, result) => Ok(Json(result.unwrap_or_default()).into_response()),
        (JobState::Failed, _) => Err(ApiError::unavailable(format!("reprice job {id} failed: {}", reason.unwrap_or_default()))
            .hint("Some calls may still have their previous cost. Start the recalculation again to finish.")),
        (JobState::Cancelled, _) => Err(ApiError::conflict("cancelled", format!("reprice job {id} was cancelled"))
            .hint("Some calls may still have their previous cost. Start the recalculation again to finish.")),
        _ => Err(ApiError::unavailable("the server is shutting down").hint(format!("Job {id} continues when the server starts again."))),
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
