//! Pricing stored calls again.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use serde::Deserialize;
use utoipa::ToSchema;

use super::access::Of;
use super::ask::moment;
use super::{Api, ApiError};
use crate::reprice::{Pricing, RepriceError, Repriced, reprice as price_again};

/// Which calls.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Range {
    /// Start: a day, RFC 3339, unix seconds, or relative such as `-7d`. Left out: everything kept.
    from: Option<String>,
    /// End, not included: as `from`, or `now`.
    to: Option<String>,
    /// Change nothing, and say what would be changed.
    #[serde(default)]
    dry_run: bool,
}

/// Gives the stored calls of a range the costs that they have by the prices of now: own ones and the table, each for its days.
#[utoipa::path(post, path = "/projects/{project}/reprice", tag = "prices", params(("project" = u64, Path)), request_body = Range,
    responses((status = 200, body = Repriced), (status = 400, body = super::error::Body)))]
pub(super) async fn reprice(
    State(api): State<Arc<Api>>,
    of: Of,
    body: Result<Json<Range>, JsonRejection>,
) -> Result<Json<Repriced>, ApiError> {
    of.caller.check_admin()?;
    let Json(Range { from, to, dry_run }) = body?;
    let now_us = jiff::Timestamp::now().as_microsecond();
    let time = |name: &str, text: Option<String>, open: i64| match text {
        None => Ok(open),
        Some(text) => moment(&text, now_us).ok_or_else(|| {
            ApiError::bad_request(
                "bad_time",
                format!("{name}: {text:?} is not a day, an RFC 3339 time, unix seconds, now, or a span back such as -7d"),
            )
        }),
    };
    let (from_us, to_us) = (time("from", from, i64::MIN)?, time("to", to, i64::MAX)?);
    let project = api.meta.project(of.project)?;
    let pricing = Pricing { book: api.prices.of(of.project), prefer_client: project.prefer_client_cost };
    let store = (!dry_run).then_some(&*api.store);
    let repriced = price_again(&api.ask(of.project), of.project, &pricing, from_us, to_us, store).await;
    Ok(Json(repriced?))
}

impl From<RepriceError> for ApiError {
    fn from(error: RepriceError) -> ApiError {
        match error {
            RepriceError::Query(error) => error.into(),
            RepriceError::Store(error) => ApiError::internal(error),
        }
    }
}
