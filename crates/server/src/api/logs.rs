//! Log lines of a trace.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use hinomi_model::langfuse;
use hinomi_tables::log_lines::{LogCursor, LogPage};
use serde::Deserialize;
use utoipa::IntoParams;

use super::auth::AuthorizedProject;
use super::params::QueryParameters;
use super::permission::Viewer;
use super::{ApiError, ApiState};

/// Default number of log lines in a response.
const ROWS: usize = 200;
/// Maximum number of log lines in a response.
const MOST_ROWS: usize = 2_000;

/// Selects log lines.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LogLineParameters {
    /// Maximum number of log lines, from 1 to 2,000. Default: 200.
    limit: Option<usize>,
    /// Cursor: `next_cursor` of the previous page.
    cursor: Option<String>,
}

/// Lists the log lines of a trace in order of time.
///
/// Log lines are OpenTelemetry log records that do not describe a call, and logs of Sentry.
#[utoipa::path(get, path = "/projects/{project}/traces/{trace}/logs", tag = "traces",
    params(("project" = u64, Path, description = "ID of the project."), ("trace" = String, Path, description = "ID of the trace."), LogLineParameters),
    responses((status = 200, body = LogPage), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn logs(
    State(api): State<Arc<ApiState>>,
    of: AuthorizedProject<Viewer>,
    Path((_project, trace)): Path<(String, String)>,
    QueryParameters(wanted): QueryParameters<LogLineParameters>,
) -> Result<Json<LogPage>, ApiError> {
    let limit = wanted.limit.unwrap_or(ROWS);
    if !(1..=MOST_ROWS).contains(&limit) {
        return Err(ApiError::bad_request("bad_parameter", format!("limit: must be from 1 to {MOST_ROWS}")));
    }
    let after: Option<LogCursor> = match wanted.cursor.as_deref().filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => {
            let bad = |()| ApiError::bad_request("bad_query", "cursor does not belong to this list; start again without a cursor");
            Some(text.parse().map_err(bad)?)
        }
    };
    let page = api.logs.of_trace(of.project, langfuse::trace_id(&trace), after, limit).await.map_err(ApiError::internal)?;
    Ok(Json(page))
}
