//! Issues: groups of similar error events.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use hinomi_tables::error_events::{ErrorEventFilter, Issue, IssueDetail, IssueEvent, IssuePage};

use super::auth::AuthorizedProject;
use super::params::QueryParameters;
use super::permission::Viewer;
use super::{ApiError, ApiState};
use crate::query_parameters::{FilterParameters, ISSUE_SORT, PageParameters, PageQuery};

impl ApiState {
    /// Adds the cost of the traces with events of the issues.
    async fn add_costs(&self, project: u64, issues: &mut [Issue], within: ErrorEventFilter) -> Result<(), ApiError> {
        let ids = issues.iter().map(|issue| issue.issue_id).collect();
        let traces = self.errors.traces_of_issues(project, ids, within).await?;
        let mut all: Vec<_> = traces.values().flatten().copied().collect();
        all.sort_unstable();
        all.dedup();
        let costs = self.snapshot(project).trace_costs(&all).await?;
        for issue in issues {
            let known = traces.get(&issue.issue_id).into_iter().flatten().filter_map(|trace| costs.get(trace).copied().flatten());
            // Exact until here: the sum of what is known, and nothing where nothing is.
            issue.cost = known.reduce(|sum, cost| sum + cost).map(|cost| cost.dollars());
        }
        Ok(())
    }
}

/// Lists issues with events in the time range.
#[utoipa::path(get, path = "/projects/{project}/issues", tag = "issues", params(("project" = u64, Path, description = "ID of the project."), FilterParameters, PageParameters),
    responses((status = 200, body = IssuePage), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn issues(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    QueryParameters(range): QueryParameters<FilterParameters>,
    QueryParameters(rows): QueryParameters<PageParameters>,
) -> Result<Json<IssuePage>, ApiError> {
    let scope = range.scope()?;
    let PageQuery { sort, limit, cursor } = rows.query(ISSUE_SORT)?;
    let within = api.errors_within(authorized.project, &scope).await?;
    let mut page = api.errors.issues(authorized.project, within.clone(), sort, limit, cursor).await?;
    api.add_costs(authorized.project, &mut page.issues, within).await?;
    Ok(Json(page))
}

/// Returns an issue with its newest events.
#[utoipa::path(get, path = "/projects/{project}/issues/{issue}", tag = "issues",
    params(("project" = u64, Path, description = "ID of the project."), ("issue" = i64, Path, description = "ID of the issue."), FilterParameters),
    responses((status = 200, body = IssueDetail), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn issue(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    Path((_project, issue)): Path<(String, String)>,
    QueryParameters(range): QueryParameters<FilterParameters>,
) -> Result<Json<IssueDetail>, ApiError> {
    let id: i64 = issue.parse().map_err(|_| ApiError::not_found("issue"))?;
    let within = api.errors_within(authorized.project, &range.scope()?).await?;
    let mut found = api.errors.issue(authorized.project, id, within.clone()).await?.ok_or_else(|| ApiError::not_found("issue"))?;
    api.add_costs(authorized.project, std::slice::from_mut(&mut found.issue), within).await?;
    Ok(Json(found))
}

/// Returns an event of an issue, regardless of its time.
#[utoipa::path(get, path = "/projects/{project}/issues/{issue}/events/{event}", tag = "issues",
    params(("project" = u64, Path, description = "ID of the project."), ("issue" = i64, Path, description = "ID of the issue."), ("event" = String, Path, description = "ID of the event: 32 hexadecimal digits.")),
    responses((status = 200, body = IssueEvent), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn event(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    Path((_project, issue, event)): Path<(String, String, String)>,
) -> Result<Json<IssueEvent>, ApiError> {
    let id: i64 = issue.parse().map_err(|_| ApiError::not_found("issue"))?;
    let found = api.errors.event(authorized.project, id, event).await?;
    found.map(Json).ok_or_else(|| ApiError::not_found("event"))
}
