//! What clients could do better.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::access::Of;
use super::ask::{Asked, Within};
use super::{Api, ApiError};
use crate::outcomes::HintRow;

/// Where the caller does not say: what was not seen for a week is over.
const RECENT_US: i64 = 7 * 86_400_000_000;

/// Hints, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Hints {
    hints: Vec<HintRow>,
}

/// What the clients of a project could do better, by SDK. Those that were seen since `from`, or in the last seven days.
#[utoipa::path(get, path = "/projects/{project}/hints", tag = "queries", params(("project" = u64, Path), Within),
    responses((status = 200, body = Hints)))]
pub(super) async fn hints(State(api): State<Arc<Api>>, of: Of, Asked(within): Asked<Within>) -> Result<Json<Hints>, ApiError> {
    let (from_us, _) = within.range()?;
    let recent_us = jiff::Timestamp::now().as_microsecond() - RECENT_US;
    let since_us = if from_us == i64::MIN { recent_us } else { from_us };
    Ok(Json(Hints { hints: api.outcomes.hints(of.project, since_us) }))
}
