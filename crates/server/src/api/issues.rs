//! Issues: groups of similar error events.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use hinomi_tables::error_events::{ErrorEventFilter, Issue, IssueDetail, IssueEvent, IssueGroupList, IssuePage, IssueTagList};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::AuthorizedProject;
use super::params::QueryParameters;
use super::permission::{Member, Viewer};
use super::{ApiError, ApiState};
use crate::query_parameters::{ErrorFilterParameters, ISSUE_SORT, PageParameters, PageQuery};

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
#[utoipa::path(get, path = "/projects/{project}/issues", tag = "issues", params(("project" = u64, Path, description = "ID of the project."), ErrorFilterParameters, PageParameters),
    responses((status = 200, body = IssuePage), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn issues(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    QueryParameters(range): QueryParameters<ErrorFilterParameters>,
    QueryParameters(rows): QueryParameters<PageParameters>,
) -> Result<Json<IssuePage>, ApiError> {
    let scope = range.scope()?;
    let PageQuery { sort, limit, cursor } = rows.query(ISSUE_SORT)?;
    let within = api.errors_of_scope(authorized.project, &scope).await?;
    let mut page = api.errors.issues(authorized.project, within.clone(), sort, limit, cursor).await?;
    api.add_costs(authorized.project, &mut page.issues, within).await?;
    Ok(Json(page))
}

/// Maximum number of issues or groups in one change.
const MAX_CHANGED: usize = 100;

/// Returns an issue with its newest events.
///
/// If the issue was merged into another issue, the response contains the other issue, with the number of the other issue.
#[utoipa::path(get, path = "/projects/{project}/issues/{issue}", tag = "issues",
    params(("project" = u64, Path, description = "ID of the project."), ("issue" = i64, Path, description = "ID of the issue."), ErrorFilterParameters),
    responses((status = 200, body = IssueDetail), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn issue(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    Path((_project, issue)): Path<(String, String)>,
    QueryParameters(range): QueryParameters<ErrorFilterParameters>,
) -> Result<Json<IssueDetail>, ApiError> {
    let id = issue_number(&issue)?;
    let within = api.errors_of_scope(authorized.project, &range.scope()?).await?;
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
    let id = issue_number(&issue)?;
    let found = api.errors.event(authorized.project, id, event).await?;
    found.map(Json).ok_or_else(|| ApiError::not_found("event"))
}

fn issue_number(text: &str) -> Result<i64, ApiError> {
    text.parse().map_err(|_| ApiError::not_found("issue"))
}

/// Returns the number of the issue to which the events of an issue belong.
async fn merged_issue(api: &ApiState, project: u64, text: &str) -> Result<i64, ApiError> {
    let found = api.errors.merged_issue(project, issue_number(text)?).await?;
    found.ok_or_else(|| ApiError::not_found("issue"))
}

/// Returns the tags of the events of an issue with the frequency of their values.
#[utoipa::path(get, path = "/projects/{project}/issues/{issue}/tags", tag = "issues",
    params(("project" = u64, Path, description = "ID of the project."), ("issue" = i64, Path, description = "ID of the issue."), ErrorFilterParameters),
    responses((status = 200, body = IssueTagList), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn tags(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    Path((_project, issue)): Path<(String, String)>,
    QueryParameters(range): QueryParameters<ErrorFilterParameters>,
) -> Result<Json<IssueTagList>, ApiError> {
    let id = merged_issue(&api, authorized.project, &issue).await?;
    let within = api.errors_of_scope(authorized.project, &range.scope()?).await?;
    let mut found = api.errors.issue_tags(authorized.project, id, within).await?;
    if authorized.messages.is_hidden() {
        // The address of a request contains what its client sent.
        found.tags.retain(|tag| tag.key != "url");
    }
    Ok(Json(found))
}

/// Returns the groups of events in an issue.
///
/// An issue begins with one group: the events that the grouping algorithm considers the same error. An issue gets further groups when other
/// issues are merged into it, and when a new version of the algorithm divides its events.
#[utoipa::path(get, path = "/projects/{project}/issues/{issue}/groups", tag = "issues",
    params(("project" = u64, Path, description = "ID of the project."), ("issue" = i64, Path, description = "ID of the issue.")),
    responses((status = 200, body = IssueGroupList), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn groups(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    Path((_project, issue)): Path<(String, String)>,
) -> Result<Json<IssueGroupList>, ApiError> {
    let id = merged_issue(&api, authorized.project, &issue).await?;
    Ok(Json(api.errors.issue_groups(authorized.project, id).await?))
}

/// Issues that are merged into another issue.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IssueMergeRequest {
    /// IDs of the issues, at most 100.
    issues: Vec<i64>,
}

/// The issue that others were merged into.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IssueMergeResponse {
    /// ID of the issue.
    issue_id: i64,
}

/// Merges issues into another issue.
///
/// The events of the merged issues then belong to the other issue, including events that arrive later. Links to the merged issues show the
/// other issue. `/split` undoes it.
#[utoipa::path(post, path = "/projects/{project}/issues/{issue}/merge", tag = "issues", request_body = IssueMergeRequest,
    params(("project" = u64, Path, description = "ID of the project."), ("issue" = i64, Path, description = "ID of the issue that remains.")),
    responses((status = 200, body = IssueMergeResponse), (status = 400, body = super::error::ErrorResponse), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn merge(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Member>,
    Path((_project, issue)): Path<(String, String)>,
    body: Result<Json<IssueMergeRequest>, JsonRejection>,
) -> Result<Json<IssueMergeResponse>, ApiError> {
    let (issue_id, Json(request)) = (issue_number(&issue)?, body?);
    check_length("issues", request.issues.len())?;
    api.errors.merge_issues(authorized.project, issue_id, request.issues).await?;
    Ok(Json(IssueMergeResponse { issue_id }))
}

/// Groups to be split off from an issue.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IssueSplitRequest {
    /// IDs of the groups, at most 100.
    groups: Vec<String>,
}

/// The issues that were split off.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IssueSplitResponse {
    /// IDs of the issues.
    issue_ids: Vec<i64>,
}

/// Splits groups of events off from an issue.
///
/// Each group becomes an issue of its own. An issue that was merged gets its former number and all of its groups back.
#[utoipa::path(post, path = "/projects/{project}/issues/{issue}/split", tag = "issues", request_body = IssueSplitRequest,
    params(("project" = u64, Path, description = "ID of the project."), ("issue" = i64, Path, description = "ID of the issue.")),
    responses((status = 200, body = IssueSplitResponse), (status = 400, body = super::error::ErrorResponse), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn split(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Member>,
    Path((_project, issue)): Path<(String, String)>,
    body: Result<Json<IssueSplitRequest>, JsonRejection>,
) -> Result<Json<IssueSplitResponse>, ApiError> {
    let Json(request) = body?;
    check_length("groups", request.groups.len())?;
    let issue_ids = api.errors.split_issue(authorized.project, issue_number(&issue)?, request.groups).await?;
    Ok(Json(IssueSplitResponse { issue_ids }))
}

fn check_length(field: &str, length: usize) -> Result<(), ApiError> {
    if (1..=MAX_CHANGED).contains(&length) {
        return Ok(());
    }
    Err(ApiError::bad_request("invalid_value", format!("{field}: must have from 1 to {MAX_CHANGED} items")))
}
