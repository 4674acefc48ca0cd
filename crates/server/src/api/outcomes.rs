//! What became of everything that was sent.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::access::Of;
use super::ask::{Asked, Within};
use super::{Api, ApiError};

/// Outcomes by reason.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Outcomes {
    outcomes: Vec<crate::outcomes::Row>,
}

/// What was accepted, refused, dropped, sent twice, or never sent by the client, and why.
#[utoipa::path(get, path = "/projects/{project}/outcomes", tag = "queries", params(("project" = u64, Path), Within),
    responses((status = 200, body = Outcomes)))]
pub(super) async fn outcomes(State(api): State<Arc<Api>>, of: Of, Asked(within): Asked<Within>) -> Result<Json<Outcomes>, ApiError> {
    let (from_us, to_us) = within.range()?;
    let counted = api.outcomes.clone();
    let rows = tokio::task::spawn_blocking(move || counted.rows(of.project, from_us, to_us)).await?;
    Ok(Json(Outcomes { outcomes: rows.map_err(ApiError::internal)? }))
}
