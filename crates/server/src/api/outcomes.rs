//! Outcomes of received items.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::AuthorizedProject;
use super::params::QueryParameters;
use super::permission::Viewer;
use super::{ApiError, ApiState};
use crate::query_parameters::TimeRangeParameters;

/// Outcomes of received items.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OutcomeList {
    /// Number of items by outcome, reason, category, ingest key and SDK.
    outcomes: Vec<hinomi_tables::outcomes::OutcomeRow>,
}

/// Returns what happened to received items, and why.
///
/// An item was accepted, rejected or dropped, is a duplicate, or was dropped by the client before sending.
#[utoipa::path(get, path = "/projects/{project}/outcomes", tag = "queries", params(("project" = u64, Path, description = "ID of the project."), TimeRangeParameters),
    responses((status = 200, body = OutcomeList)))]
pub(super) async fn outcomes(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    QueryParameters(within): QueryParameters<TimeRangeParameters>,
) -> Result<Json<OutcomeList>, ApiError> {
    let (from_us, to_us) = within.range()?;
    let counted = api.outcomes.clone();
    let rows = tokio::task::spawn_blocking(move || counted.rows(authorized.project, from_us, to_us)).await?;
    Ok(Json(OutcomeList { outcomes: rows.map_err(ApiError::internal)? }))
}
