//! Log lines of a trace.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use hinomi_model::langfuse;
use hinomi_tables::log_lines::LogPage;

use super::auth::AuthorizedProject;
use super::params::QueryParameters;
use super::permission::Viewer;
use super::{ApiError, ApiState};
use crate::query_parameters::{LogLinePage, LogLineParameters};

/// Lists the log lines of a trace in order of time.
///
/// Log lines are OpenTelemetry log records that do not describe a call, and logs of Sentry.
#[utoipa::path(get, path = "/projects/{project}/traces/{trace}/logs", tag = "traces",
    params(("project" = u64, Path, description = "ID of the project."), ("trace" = String, Path, description = "ID of the trace."), LogLineParameters),
    responses((status = 200, body = LogPage), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn logs(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    Path((_project, trace)): Path<(String, String)>,
    QueryParameters(wanted): QueryParameters<LogLineParameters>,
) -> Result<Json<LogPage>, ApiError> {
    let LogLinePage { limit, after } = wanted.page()?;
    let page = api.logs.lines_of_trace(authorized.project, langfuse::trace_id(&trace), after, limit).await.map_err(ApiError::internal)?;
    Ok(Json(page))
}
