//! Share links: an address with which somebody without an account reads one trace. This file has the routes with which members manage links;
//! `shared` has those that a link opens.

mod references;
pub(super) mod shared;
mod visits;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use hinomi_model::api_time::rfc3339;
use hinomi_model::langfuse;
use hinomi_tables::database::SqliteError;
use hinomi_tables::share_links::{MAX_LINKS_PER_PROJECT, ShareLinkDraft, ShareLinkRecord, ShareLinkStore, ShareTargetKind};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::{ApiCaller, AuthorizedProject};
use super::middleware::audit_trail::{AuditDetails, audit_details};
use super::params::QueryParameters;
use super::permission::Member;
use super::visibility::MessageVisibility;
use super::{ApiError, ApiState, traces};
use crate::query_parameters::parse_lifetime;
pub use visits::ShareVisits;

/// Lifetime of a link if none is given.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(7 * 86_400);
/// Maximum lifetime of a link in days.
const MAX_LIFETIME_DAYS: u64 = 90;

/// A share link. Its address is shown only when the link is created.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShareLinkView {
    /// ID of the link.
    id: i64,
    /// Kind of what the link leads to; null for one that this version does not know.
    #[schema(required)]
    target: Option<ShareTargetKind>,
    /// ID of what the link leads to; null if it was deleted.
    #[schema(required)]
    target_id: Option<String>,
    /// Whether the link shows messages. A project that begins to hide messages hides them from its links as well.
    messages: bool,
    /// Name of the account that created the link.
    created_by: String,
    /// Time of creation (RFC 3339).
    created_at: String,
    /// Time at which the link expires (RFC 3339).
    expires_at: String,
}

/// A new share link.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CreatedShareLink {
    /// ID of the link.
    id: i64,
    /// Address of the page that the link opens. It is shown only here.
    url: String,
    /// Whether the link shows messages.
    messages: bool,
    /// Time at which the link expires (RFC 3339).
    expires_at: String,
}

/// Share links of a project.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShareLinkList {
    /// Links that work, the newest first.
    shares: Vec<ShareLinkView>,
}

/// What to share, and for how long.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ShareLinkRequest {
    /// Kind of what to share.
    target: ShareTargetKind,
    /// ID of what to share.
    id: String,
    /// Whether the link shows messages. Default: true, or false if the project hides messages from somebody.
    messages: Option<bool>,
    /// Lifetime in hours, days or weeks such as `12h`, `7d` or `4w`, at most 90 days. Default: 7 days.
    expires_in: Option<String>,
}

/// Selects share links.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ShareLinkParameters {
    /// ID of a trace: only its links are returned.
    trace: Option<String>,
}

/// Lists the share links of a project that work.
#[utoipa::path(get, path = "/projects/{project}/shares", tag = "shares", params(("project" = u64, Path, description = "ID of the project."), ShareLinkParameters),
    responses((status = 200, body = ShareLinkList)))]
pub(super) async fn list(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Member>,
    QueryParameters(which): QueryParameters<ShareLinkParameters>,
) -> Result<Json<ShareLinkList>, ApiError> {
    let trace = which.trace.map(|trace| langfuse::trace_id(&trace));
    let found = run_on_links(&api, move |links| links.list(authorized.project, trace, now_us())).await?;
    Ok(Json(ShareLinkList { shares: found.into_iter().map(|link| link_view(&api, link)).collect() }))
}

/// Creates a share link.
///
/// Whoever has its address can read the trace until the link expires or is revoked, or the trace is deleted. A link ends as well when its
/// creator loses the role of a member.
#[utoipa::path(post, path = "/projects/{project}/shares", tag = "shares", params(("project" = u64, Path, description = "ID of the project.")), request_body = ShareLinkRequest,
    responses((status = 201, body = CreatedShareLink), (status = 400, body = super::error::ErrorResponse), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn create(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Member>,
    caller: ApiCaller,
    body: Result<Json<ShareLinkRequest>, JsonRejection>,
) -> Result<(StatusCode, Extension<AuditDetails>, Json<CreatedShareLink>), ApiError> {
    let Json(request) = body?;
    let lifetime = lifetime_of(request.expires_in.as_deref())?;
    let ShareTargetKind::Trace = request.target;
    let messages = request.messages.unwrap_or(authorized.messages == MessageVisibility::Open);
    if messages && authorized.messages.is_hidden() {
        return Err(ApiError::messages_hidden());
    }
    let trace = langfuse::trace_id(&request.id);
    // One that does not exist cannot be shared.
    traces::read_trace(&api, authorized.project, authorized.messages, trace, None).await?;
    let draft = ShareLinkDraft {
        project: authorized.project,
        trace,
        messages,
        despite_hiding: messages && authorized.messages != MessageVisibility::Open,
        account: caller.account.id,
        lifetime_us: i64::try_from(lifetime.as_micros()).unwrap_or(i64::MAX),
    };
    let created = run_on_links(&api, move |links| links.create(&draft, now_us())).await?;
    let (link, token) = created.ok_or_else(|| {
        let message = format!("the project already has {MAX_LINKS_PER_PROJECT} share links");
        ApiError::conflict("too_many_shares", message).hint("Revoke links that are not needed any more.")
    })?;
    let expires_at = rfc3339(link.expires_us);
    let details = audit_details([
        ("share", link.id.into()),
        ("trace", trace.to_string().into()),
        ("messages", messages.into()),
        ("expires_at", expires_at.clone().into()),
    ]);
    let url = format!("{}/share/{token}", api.public_url);
    Ok((StatusCode::CREATED, details, Json(CreatedShareLink { id: link.id, url, messages, expires_at })))
}

/// Returns a share link that works.
#[utoipa::path(get, path = "/projects/{project}/shares/{share}", tag = "shares", params(("project" = u64, Path, description = "ID of the project."), ("share" = i64, Path, description = "ID of the link.")),
    responses((status = 200, body = ShareLinkView), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn get(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Member>,
    Path((_project, share)): Path<(String, String)>,
) -> Result<Json<ShareLinkView>, ApiError> {
    let id = share_number(&share)?;
    let found = run_on_links(&api, move |links| links.get(authorized.project, id)).await?;
    let link = found.filter(|link| link.end.is_none() && link.expires_us > now_us()).ok_or_else(|| ApiError::not_found("share link"))?;
    Ok(Json(link_view(&api, link)))
}

/// Revokes a share link. Its address stops working at once.
#[utoipa::path(delete, path = "/projects/{project}/shares/{share}", tag = "shares", params(("project" = u64, Path, description = "ID of the project."), ("share" = i64, Path, description = "ID of the link.")),
    responses((status = 204, description = "The link was revoked."), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn revoke(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Member>,
    Path((_project, share)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let id = share_number(&share)?;
    let is_revoked = run_on_links(&api, move |links| links.revoke(authorized.project, id, now_us())).await?;
    if is_revoked { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::not_found("share link")) }
}

fn link_view(api: &ApiState, link: ShareLinkRecord) -> ShareLinkView {
    ShareLinkView {
        id: link.id,
        target: link.target_kind,
        target_id: link.trace.map(|trace| trace.to_string()),
        messages: link.messages,
        created_by: api.meta.account(link.account).map_or_else(|_| String::new(), |account| account.name),
        created_at: rfc3339(link.created_us),
        expires_at: rfc3339(link.expires_us),
    }
}

fn lifetime_of(text: Option<&str>) -> Result<Duration, ApiError> {
    let Some(text) = text else { return Ok(DEFAULT_LIFETIME) };
    let lifetime = parse_lifetime(text).map_err(|hint| ApiError::bad_request("invalid_value", format!("expires_in: {hint}")))?;
    if lifetime > Duration::from_secs(MAX_LIFETIME_DAYS * 86_400) {
        return Err(ApiError::bad_request("invalid_value", format!("expires_in: must be at most {MAX_LIFETIME_DAYS} days")));
    }
    Ok(lifetime)
}

fn share_number(text: &str) -> Result<i64, ApiError> {
    text.parse().map_err(|_| ApiError::not_found("share link"))
}

fn now_us() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

/// Works with the links on a thread that may block, because it waits for the disk.
async fn run_on_links<T: Send + 'static>(
    api: &ApiState,
    work: impl FnOnce(&ShareLinkStore) -> Result<T, SqliteError> + Send + 'static,
) -> Result<T, ApiError> {
    let links = api.share_links.clone();
    tokio::task::spawn_blocking(move || work(&links)).await?.map_err(ApiError::internal)
}
