//! Projects.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::{Extension, Json};
use hinomi_model::api_time::rfc3339;
use hinomi_tables::metadata;
use hinomi_tables::metadata::{AccountRole, DisplayCurrency, MessageHiding, ProjectPatch, RetentionOverrides};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::auth::{ApiCaller, AuthorizedCaller, AuthorizedProject};
use super::middleware::audit_trail::{AuditDetails, audit_details};
use super::permission::{Admin, Viewer};
use super::{ApiError, ApiState};

/// A project.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProjectView {
    /// ID of the project.
    id: u64,
    /// Name of the project.
    name: String,
    /// True if `hinomi demo` created the project.
    demo: bool,
    /// DSN for Sentry SDKs, with the oldest ingest key; null if the project has no key.
    #[schema(required)]
    dsn: Option<String>,
    /// Days for which spans are stored: the setting of the project, or of the server if the project has none.
    retention_days: u32,
    /// Retention of classes of data that differs from `retention_days`.
    retention: RetentionOverridesView,
    /// Currency in which amounts are displayed in addition to US dollars; null for US dollars only.
    #[schema(required)]
    currency: Option<DisplayCurrency>,
    /// True if the cost that a client reports takes precedence over the computed cost.
    prefer_client_cost: bool,
    /// True if the tokens of calls without token usage are estimated from their messages where possible. Such calls are marked as
    /// estimated.
    estimate_usage: bool,
    /// Whom messages are hidden from: prompts, answers, tool arguments and results, attributes, error texts, local variables, log lines and
    /// media.
    hide_messages: MessageHiding,
    /// True if messages are hidden from the caller.
    messages_hidden: bool,
    /// True if the project rejects all incoming data.
    disabled: bool,
    /// Time at which the project was created (RFC 3339).
    created_at: String,
    /// Time at which the first span arrived (RFC 3339); null if none has arrived.
    #[schema(required)]
    first_span_at: Option<String>,
}

/// Retention of classes of data that differs from the default of a project.
#[derive(Debug, Serialize, ToSchema)]
struct RetentionOverridesView {
    /// Days for which the spans of an environment are stored, by environment.
    environments: BTreeMap<String, u32>,
    /// Days for which messages, attributes and log lines are stored; null for as long as their spans.
    #[schema(required)]
    message_days: Option<u32>,
    /// Minimum number of days for which traces with errors or scores are stored, including their messages; null for no minimum.
    #[schema(required)]
    flagged_days: Option<u32>,
}

impl RetentionOverridesView {
    fn of(overrides: &RetentionOverrides) -> RetentionOverridesView {
        let RetentionOverrides { environments, message_days, flagged_days } = overrides.clone();
        RetentionOverridesView { environments, message_days, flagged_days }
    }
}

/// Returns a project as a caller with a role sees it.
fn project_view(api: &ApiState, project: &metadata::ProjectRecord, role: AccountRole) -> ProjectView {
    ProjectView {
        id: project.id,
        name: project.name.clone(),
        demo: project.demo,
        dsn: api.dsn(project),
        retention_days: project.retention_days.unwrap_or(api.retention_days),
        retention: RetentionOverridesView::of(&project.retention_overrides),
        currency: project.currency.clone(),
        prefer_client_cost: project.prefer_client_cost,
        estimate_usage: project.estimate_usage,
        hide_messages: project.message_hiding,
        messages_hidden: project.message_hiding.hides_from(role),
        disabled: project.disabled,
        created_at: rfc3339(project.created_us),
        first_span_at: project.first_span_us.map(rfc3339),
    }
}

/// Returns the projects that a caller may see.
pub(super) fn visible_projects(api: &ApiState, caller: &ApiCaller) -> Vec<ProjectView> {
    let directory = api.meta.directory();
    let visible = directory.projects.values().filter_map(|project| Some((project, caller.access.role_in(project.id)?)));
    visible.map(|(project, role)| project_view(api, project, role)).collect()
}

/// Projects that the caller may see.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProjectList {
    /// Projects by ID.
    projects: Vec<ProjectView>,
}

/// Lists the projects that the caller may see.
#[utoipa::path(get, path = "/projects", tag = "projects", responses((status = 200, body = ProjectList)))]
pub(super) async fn list(State(api): State<Arc<ApiState>>, AuthorizedCaller { caller, .. }: AuthorizedCaller<Viewer>) -> Json<ProjectList> {
    Json(ProjectList { projects: visible_projects(&api, &caller) })
}

/// The name of a new project.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProjectName {
    /// Name of 1 to 100 characters.
    name: String,
}

/// Creates a project with its first ingest key.
#[utoipa::path(post, path = "/projects", tag = "projects", request_body = ProjectName,
    responses((status = 201, body = ProjectView), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn create(
    State(api): State<Arc<ApiState>>,
    AuthorizedCaller { caller, .. }: AuthorizedCaller<Admin>,
    body: Result<Json<ProjectName>, JsonRejection>,
) -> Result<(StatusCode, Json<ProjectView>), ApiError> {
    let Json(named) = body?;
    let project = run_change(&api, move |meta| meta.create_project(&named.name, false)).await?;
    let role = caller.access.role_in(project.id).unwrap_or(AccountRole::Viewer);
    Ok((StatusCode::CREATED, Json(project_view(&api, &project, role))))
}

/// Returns a project.
#[utoipa::path(get, path = "/projects/{project}", tag = "projects", params(("project" = u64, Path, description = "ID of the project.")), responses((status = 200, body = ProjectView)))]
pub(super) async fn get(State(api): State<Arc<ApiState>>, authorized: AuthorizedProject<Viewer>) -> Result<Json<ProjectView>, ApiError> {
    Ok(Json(project_view(&api, &api.meta.project(authorized.project)?, authorized.role)))
}

/// Changes to a project. Omitted fields keep their value.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProjectUpdateRequest {
    /// Name of 1 to 100 characters.
    name: Option<String>,
    /// Days for which spans are stored, from 1 to 3650.
    retention_days: Option<u32>,
    /// Retention of classes of data that differs from `retention_days`. The new value replaces all classes: a class that is omitted falls
    /// back to `retention_days`.
    retention: Option<RetentionOverrides>,
    /// Currency in which amounts are displayed in addition to US dollars; null removes it.
    #[serde(default, deserialize_with = "deserialize_present")]
    #[schema(value_type = Option<DisplayCurrency>)]
    currency: Option<Option<DisplayCurrency>>,
    /// Whether the cost that a client reports takes precedence over the computed cost.
    prefer_client_cost: Option<bool>,
    /// Whether the tokens of calls without token usage are estimated from their messages where possible.
    estimate_usage: Option<bool>,
    /// Whom messages are hidden from.
    hide_messages: Option<MessageHiding>,
    /// Whether the project rejects all incoming data.
    disabled: Option<bool>,
}

/// Distinguishes null from a field that is omitted.
pub(super) fn deserialize_present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Changes the settings of a project.
#[utoipa::path(patch, path = "/projects/{project}", tag = "projects", params(("project" = u64, Path, description = "ID of the project.")), request_body = ProjectUpdateRequest,
    responses((status = 200, body = ProjectView), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn update(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    body: Result<Json<ProjectUpdateRequest>, JsonRejection>,
) -> Result<(Option<Extension<AuditDetails>>, Json<ProjectView>), ApiError> {
    let Json(changes) = body?;
    let patch = ProjectPatch {
        name: changes.name,
        retention_days: changes.retention_days,
        retention_overrides: changes.retention,
        currency: changes.currency,
        prefer_client_cost: changes.prefer_client_cost,
        estimate_usage: changes.estimate_usage,
        message_hiding: changes.hide_messages,
        disabled: changes.disabled,
    };
    let details = patch.message_hiding.map(|hiding| audit_details([("hide_messages", hiding.name().into())]));
    let project = run_change(&api, move |meta| meta.update_project(authorized.project, &patch)).await?;
    Ok((details, Json(project_view(&api, &project, authorized.role))))
}

/// Runs a change on a thread that may block, because it waits for the disk.
pub(super) async fn run_change<T: Send + 'static>(
    api: &Arc<ApiState>,
    work: impl FnOnce(&metadata::MetadataStore) -> Result<T, metadata::MetadataError> + Send + 'static,
) -> Result<T, ApiError> {
    let meta = api.meta.clone();
    let done = tokio::task::spawn_blocking(move || work(&meta)).await;
    Ok(done??)
}
