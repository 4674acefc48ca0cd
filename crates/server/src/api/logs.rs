//! Log lines: of a trace, and of a project.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use hinomi_model::id::TraceId;
use hinomi_model::langfuse;
use hinomi_tables::error_events::ErrorPlace;
use hinomi_tables::log_lines::{LogLineResponse, LogListQuery, LogPage};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::AuthorizedProject;
use super::params::QueryParameters;
use super::permission::Viewer;
use super::{ApiError, ApiState};
use crate::query_parameters::{LogFilterParameters, LogLinePage, LogLineParameters, LogListParameters};

/// Maximum difference in microseconds between the times of a log line and of the error event that it reports.
const MAX_EVENT_DISTANCE_US: u64 = 1_000_000;

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

/// A log line in the list of a project.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ListedLogLine {
    #[serde(flatten)]
    line: LogLineResponse,
    /// Issue of the error event that the line reports. A line with the level `error` or `fatal` reports an event of the same trace and span
    /// within one second of the line. Null if there is no such event.
    #[schema(required)]
    issue_id: Option<i64>,
}

/// One page of the log lines of a project.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LogList {
    /// Log lines, ordered by time.
    logs: Vec<ListedLogLine>,
    /// Cursor of the next page; null on the last page. A page that has a cursor can have fewer lines than requested, or none: a request
    /// compares at most 50,000 lines with the filter.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Lists the log lines of a project, the newest first.
///
/// A filter can use the fields `level`, `trace`, `span`, `body`, `service`, `environment`, `release`, `user` and `attr.NAME`. Words search
/// the text of a line. Case is ignored.
#[utoipa::path(get, path = "/projects/{project}/logs", tag = "traces",
    params(("project" = u64, Path, description = "ID of the project."), LogFilterParameters, LogListParameters),
    responses((status = 200, body = LogList), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn project_logs(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    QueryParameters(range): QueryParameters<LogFilterParameters>,
    QueryParameters(wanted): QueryParameters<LogListParameters>,
) -> Result<Json<LogList>, ApiError> {
    let scope = range.scope()?;
    let (is_ascending, LogLinePage { limit, after }) = wanted.page()?;
    let query = LogListQuery {
        from_us: scope.from_us,
        to_us: scope.to_us,
        trace: scope.matcher.required_trace(),
        levels: scope.matcher.required_levels().map(<[_]>::to_vec),
        is_ascending,
        after,
        limit,
    };
    let matcher = scope.matcher;
    let page = api.logs.list(authorized.project, query, move |line| matcher.holds(line)).await.map_err(ApiError::internal)?;
    let events = api.errors.places_in_traces(authorized.project, traces_with_errors(&page.logs)).await?;
    let mut of_span: HashMap<(String, Option<String>), Vec<ErrorPlace>> = HashMap::new();
    for event in events {
        of_span.entry((event.trace_id.to_string(), event.span_id.map(|span| span.to_string()))).or_default().push(event);
    }
    let logs = page.logs.into_iter().map(|line| ListedLogLine { issue_id: reported_issue(&line, &of_span), line }).collect();
    Ok(Json(LogList { logs, next_cursor: page.next_cursor }))
}

fn reports_error(line: &LogLineResponse) -> bool {
    matches!(line.level.as_deref(), Some("error" | "fatal"))
}

/// Returns the traces of the lines that may report an error event, each once.
fn traces_with_errors(lines: &[LogLineResponse]) -> Vec<TraceId> {
    let mut traces: Vec<TraceId> =
        lines.iter().filter(|line| reports_error(line)).filter_map(|line| line.trace_id.as_deref()?.parse().ok()).collect();
    traces.sort_unstable();
    traces.dedup();
    traces
}

fn reported_issue(line: &LogLineResponse, events: &HashMap<(String, Option<String>), Vec<ErrorPlace>>) -> Option<i64> {
    if !reports_error(line) {
        return None;
    }
    let events = events.get(&(line.trace_id.clone()?, line.span_id.clone()))?;
    let at_us = hinomi_model::time::from_text(&line.time)?;
    let nearest = events.iter().min_by_key(|event| event.time_us.abs_diff(at_us))?;
    (nearest.time_us.abs_diff(at_us) <= MAX_EVENT_DISTANCE_US).then_some(nearest.issue_id)
}
