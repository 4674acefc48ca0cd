//! Targets that the requests of a project are forwarded to.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use hinomi_alerting::delivery::ChannelError;
use hinomi_model::api_time::rfc3339;
use hinomi_tables::forwards::{ForwardDraft, ForwardQueueState, ForwardRecord, ForwardType, MAX_FORWARDS};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::AuthorizedProject;
use super::channels::allow_hint;
use super::permission::{Admin, Viewer};
use super::{ApiError, ApiState};
use crate::forward::{ForwardAddressError, TargetAddress};

/// A target of forwarded requests without its key.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ForwardView {
    /// ID of the target.
    id: i64,
    /// Kind of service.
    r#type: ForwardType,
    /// URL without the key.
    url: String,
    /// True if a key is stored. The key itself is never returned.
    has_key: bool,
    /// True if received requests are forwarded.
    enabled: bool,
    /// Number of waiting requests.
    queued: u64,
    /// Bytes of the waiting requests.
    queued_bytes: u64,
    /// Number of requests that the target accepted.
    delivered: u64,
    /// Number of requests that the target rejected, that were given up after seven days, or that did not fit into the queue.
    failed: u64,
    /// Reason why the last attempt failed; null if it succeeded.
    #[schema(required)]
    last_error: Option<String>,
    /// Time of the last failed attempt (RFC 3339); null if the last attempt succeeded.
    #[schema(required)]
    last_error_at: Option<String>,
    /// Time at which the target was created (RFC 3339).
    created_at: String,
}

/// Targets of a project.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ForwardList {
    /// Targets, the oldest first.
    forwards: Vec<ForwardView>,
}

/// A target to create or replace.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ForwardDraft)]
pub(super) struct ForwardRequest {
    /// Kind of service.
    r#type: ForwardType,
    /// Sentry: the DSN. OTLP: the base URL of the endpoint, such as `https://collector.example:4318`. Langfuse: the URL of the server, such
    /// as `https://cloud.langfuse.com`.
    url: String,
    /// Key of the service: for OTLP a bearer token, or headers as `NAME=VALUE` separated by commas; for Langfuse `PUBLIC_KEY:SECRET_KEY`. A
    /// DSN contains its key. If omitted, the stored key is kept, unless the target moves to another host.
    #[serde(default)]
    key: Option<String>,
    /// True if received requests are forwarded. Default: true.
    #[serde(default = "default_enabled")]
    enabled: bool,
}

fn default_enabled() -> bool {
    true
}

fn forward_view((record, state): (ForwardRecord, ForwardQueueState)) -> ForwardView {
    ForwardView {
        id: record.id,
        r#type: record.kind,
        has_key: !record.key.reveal().is_empty(),
        url: record.url,
        enabled: record.enabled,
        queued: state.queued,
        queued_bytes: state.queued_bytes,
        delivered: state.delivered,
        failed: state.failed,
        last_error: state.last_error,
        last_error_at: state.last_error_at,
        created_at: rfc3339(record.created_us),
    }
}

/// Lists the targets that requests of a project are forwarded to.
#[utoipa::path(get, path = "/projects/{project}/forwards", tag = "forwards", params(("project" = u64, Path, description = "ID of the project.")),
    responses((status = 200, body = ForwardList)))]
pub(super) async fn list(State(api): State<Arc<ApiState>>, authorized: AuthorizedProject<Viewer>) -> Result<Json<ForwardList>, ApiError> {
    let found = api.forwards.store().list(authorized.project).await?;
    Ok(Json(ForwardList { forwards: found.into_iter().map(forward_view).collect() }))
}

/// Returns one target.
#[utoipa::path(get, path = "/projects/{project}/forwards/{forward}", tag = "forwards",
    params(("project" = u64, Path, description = "ID of the project."), ("forward" = i64, Path, description = "ID of the target.")),
    responses((status = 200, body = ForwardView), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn get(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    path: Path<(u64, i64)>,
) -> Result<Json<ForwardView>, ApiError> {
    view_of(&api, authorized.project, path.0.1).await.map(Json)
}

/// Creates a target.
///
/// From now on, the server forwards each received request that is in the protocol of the service. It forwards a request after the client
/// has received the response.
#[utoipa::path(post, path = "/projects/{project}/forwards", tag = "forwards", params(("project" = u64, Path, description = "ID of the project.")), request_body = ForwardRequest,
    responses((status = 201, body = ForwardView), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn create(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    body: Result<Json<ForwardRequest>, JsonRejection>,
) -> Result<(StatusCode, Json<ForwardView>), ApiError> {
    let draft = checked_draft(&api, authorized.project, body?.0)?;
    if draft.key.is_none() && draft.kind != ForwardType::Otlp {
        return Err(ApiError::bad_request("invalid_value", "`key` is missing: the service requires a key"));
    }
    let created = api.forwards.store().create(authorized.project, draft, jiff::Timestamp::now().as_microsecond()).await?;
    let id =
        created.ok_or_else(|| ApiError::bad_request("too_many", format!("a project has at most {MAX_FORWARDS} targets; delete one")))?;
    Ok((StatusCode::CREATED, Json(view_of(&api, authorized.project, id).await?)))
}

/// Replaces a target.
///
/// Waiting requests are sent to the new address immediately.
#[utoipa::path(put, path = "/projects/{project}/forwards/{forward}", tag = "forwards",
    params(("project" = u64, Path, description = "ID of the project."), ("forward" = i64, Path, description = "ID of the target.")), request_body = ForwardRequest,
    responses((status = 200, body = ForwardView), (status = 400, body = super::error::ErrorResponse), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn update(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    path: Path<(u64, i64)>,
    body: Result<Json<ForwardRequest>, JsonRejection>,
) -> Result<Json<ForwardView>, ApiError> {
    let (project, id) = (authorized.project, path.0.1);
    let draft = checked_draft(&api, project, body?.0)?;
    let stored = api.forwards.store().find(project, id).await?.ok_or_else(no_such_target)?;
    // Otherwise whoever may change the URL could read the key.
    let moved = stored.kind != draft.kind || host(&stored.url) != host(&draft.url);
    if moved && draft.key.is_none() && !stored.key.reveal().is_empty() {
        return Err(ApiError::bad_request(
            "invalid_value",
            "`key` is missing: enter the key again, because the target moves to another host",
        ));
    }
    api.forwards.store().update(project, id, draft).await?;
    view_of(&api, project, id).await.map(Json)
}

/// Deletes a target.
///
/// Waiting requests for this target are no longer sent.
#[utoipa::path(delete, path = "/projects/{project}/forwards/{forward}", tag = "forwards",
    params(("project" = u64, Path, description = "ID of the project."), ("forward" = i64, Path, description = "ID of the target.")),
    responses((status = 204, description = "The target was deleted."), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn delete(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    path: Path<(u64, i64)>,
) -> Result<StatusCode, ApiError> {
    let deleted = api.forwards.store().delete(authorized.project, path.0.1).await?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(no_such_target()) }
}

async fn view_of(api: &ApiState, project: u64, id: i64) -> Result<ForwardView, ApiError> {
    let found = api.forwards.store().list(project).await?;
    found.into_iter().find(|(record, _)| record.id == id).map(forward_view).ok_or_else(no_such_target)
}

fn no_such_target() -> ApiError {
    ApiError::not_found("target")
}

fn host(url: &str) -> Option<&str> {
    url.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or(rest))
}

/// Checks a request to create or replace a target.
fn checked_draft(api: &ApiState, project: u64, request: ForwardRequest) -> Result<ForwardDraft, ApiError> {
    let TargetAddress { url, key } =
        TargetAddress::parse(request.r#type, &request.url, request.key.as_deref(), api.forwards.allowed_networks())?;
    // The random keys of this server are not those of another one.
    let is_own = |key: &str| api.meta.key(key).is_some_and(|known| known.project == project);
    if key.as_ref().is_some_and(|key| key.reveal().split([':', '=', ' ', ',']).any(is_own)) {
        return Err(ApiError::bad_request(
            "forward_loop",
            "the key belongs to this project, so the project would forward requests to itself",
        ));
    }
    Ok(ForwardDraft { kind: request.r#type, url, key, enabled: request.enabled })
}

impl From<ForwardAddressError> for ApiError {
    fn from(error: ForwardAddressError) -> ApiError {
        match error {
            ForwardAddressError::Url(ref not_allowed @ ChannelError::NotAllowed { address, .. }) => {
                ApiError::bad_request("target_not_allowed", not_allowed.to_string()).hint(allow_hint(address))
            }
            other => ApiError::bad_request("invalid_value", other.to_string()),
        }
    }
}
