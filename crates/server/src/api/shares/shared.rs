//! What a share link opens: one trace with its spans, log lines and media, and nothing else. These routes need no account; the token in
//! their address is the permission. A response names no other project, trace, issue or user.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use hinomi_model::api_time::rfc3339;
use hinomi_model::id::TraceId;
use hinomi_model::langfuse;
use hinomi_query::{SpanDetail, SpanSummary, TraceSummary};
use hinomi_tables::audit_log::{AuditActor, AuditEvent};
use hinomi_tables::error_events::ErrorEventSummary;
use hinomi_tables::log_lines::LogPage;
use hinomi_tables::metadata::{AccountRole, AccountState, MessageHiding};
use hinomi_tables::share_links::{ShareEnd, ShareLinkRecord, ShareTargetKind};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::references::remove_references;
use super::{now_us, run_on_links};
use crate::api::auth::{PublicAccess, RequestOrigin};
use crate::api::params::QueryParameters;
use crate::api::traces::{TraceResponse, read_span, read_trace};
use crate::api::visibility::MessageVisibility;
use crate::api::{ApiError, ApiState, audit, media};
use crate::query_parameters::{LogLinePage, LogLineParameters};

/// A trace that a share link opens.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct SharedTrace {
    /// Kind of what the link leads to.
    target: ShareTargetKind,
    /// Time at which the link expires (RFC 3339).
    expires_at: String,
    /// Whether the link shows messages.
    messages: bool,
    /// Totals of the trace. IDs of users and conversations are null.
    trace: TraceSummary,
    /// Spans without messages and attributes, by start time.
    spans: Vec<SpanSummary>,
    /// Error events of the trace.
    errors: Vec<ErrorEventSummary>,
    /// Number of log lines of the trace.
    log_count: u64,
}

/// An open link, and what it shows.
struct OpenLink {
    link: ShareLinkRecord,
    trace: TraceId,
    messages: MessageVisibility,
}

/// Returns the trace of a share link.
#[utoipa::path(get, path = "/share/{token}", tag = "shares", params(("token" = String, Path, description = "Token of the link.")), security(()),
    responses((status = 200, body = SharedTrace), (status = 404, body = crate::api::error::ErrorResponse), (status = 410, body = crate::api::error::ErrorResponse)))]
pub(in crate::api) async fn trace(
    State(api): State<Arc<ApiState>>,
    _: PublicAccess,
    origin: RequestOrigin,
    Path(token): Path<String>,
) -> Result<Response, ApiError> {
    let OpenLink { link, trace, messages } = open_link(&api, &origin, &token).await?;
    let found = read_trace(&api, link.project, messages, trace, None).await.map_err(trace_gone)?;
    let TraceResponse { trace: summary, mut spans, errors, log_count, .. } = found;
    // Scores name people, and are not part of what was shared.
    spans.iter_mut().for_each(|span| span.scores.clear());
    let shared = SharedTrace {
        target: ShareTargetKind::Trace,
        expires_at: rfc3339(link.expires_us),
        messages: !messages.is_hidden(),
        trace: summary,
        spans,
        errors,
        log_count,
    };
    answer(&shared, messages)
}

/// Returns a span of the trace of a share link.
#[utoipa::path(get, path = "/share/{token}/spans/{span}", tag = "shares",
    params(("token" = String, Path, description = "Token of the link."), ("span" = String, Path, description = "ID of the span.")), security(()),
    responses((status = 200, body = SpanDetail), (status = 404, body = crate::api::error::ErrorResponse), (status = 410, body = crate::api::error::ErrorResponse)))]
pub(in crate::api) async fn span(
    State(api): State<Arc<ApiState>>,
    _: PublicAccess,
    origin: RequestOrigin,
    Path((token, span)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let OpenLink { link, trace, messages } = open_link(&api, &origin, &token).await?;
    let found = read_span(&api, link.project, &trace, &langfuse::span_id(&span), None).await?;
    answer(&found, messages)
}

/// Returns the log lines of the trace of a share link.
#[utoipa::path(get, path = "/share/{token}/logs", tag = "shares", params(("token" = String, Path, description = "Token of the link."), LogLineParameters), security(()),
    responses((status = 200, body = LogPage), (status = 404, body = crate::api::error::ErrorResponse), (status = 410, body = crate::api::error::ErrorResponse)))]
pub(in crate::api) async fn logs(
    State(api): State<Arc<ApiState>>,
    _: PublicAccess,
    origin: RequestOrigin,
    Path(token): Path<String>,
    QueryParameters(wanted): QueryParameters<LogLineParameters>,
) -> Result<Response, ApiError> {
    let LogLinePage { limit, after } = wanted.page()?;
    let OpenLink { link, trace, messages } = open_link(&api, &origin, &token).await?;
    let page = api.logs.lines_of_trace(link.project, trace, after, limit).await.map_err(ApiError::internal)?;
    answer(&page, messages)
}

/// Returns the bytes of an image, audio, video or file of the trace of a share link.
#[utoipa::path(get, path = "/share/{token}/media/{media_id}", tag = "shares",
    params(("token" = String, Path, description = "Token of the link."), ("media_id" = String, Path, description = "ID of the media.")), security(()),
    responses((status = 200, description = "The bytes."), (status = 206, description = "The requested range of the bytes."), (status = 404, body = crate::api::error::ErrorResponse), (status = 410, body = crate::api::error::ErrorResponse)))]
pub(in crate::api) async fn media(
    State(api): State<Arc<ApiState>>,
    _: PublicAccess,
    origin: RequestOrigin,
    Path((token, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let OpenLink { link, trace, messages } = open_link(&api, &origin, &token).await?;
    if messages.is_hidden() {
        return Err(ApiError::messages_hidden());
    }
    let missing = || ApiError::not_found("media");
    if !api.media.is_used_by(link.project, &id, trace).await? {
        return Err(missing());
    }
    let found = api.media.find(link.project, &id).await?.ok_or_else(missing)?;
    Ok((Extension(messages), media::media_response(found, &id, &headers)).into_response())
}

/// Returns a response without references to anything else, for the layer that hides messages.
fn answer(body: &impl Serialize, messages: MessageVisibility) -> Result<Response, ApiError> {
    let mut value: Value = serde_json::to_value(body).map_err(ApiError::internal)?;
    remove_references(&mut value);
    Ok((Extension(messages), Json(value)).into_response())
}

/// Checks the token of a link, and records who opens it.
async fn open_link(api: &Arc<ApiState>, origin: &RequestOrigin, token: &str) -> Result<OpenLink, ApiError> {
    let now_us = now_us();
    if let Some(wait) = api.share_visits.wait_before(origin.address(), now_us) {
        return Err(ApiError::too_many_unknown_links(wait));
    }
    let sought = token.to_owned();
    let Some(link) = run_on_links(api, move |links| links.find(&sought)).await? else {
        api.share_visits.note_unknown_token(origin.address(), now_us);
        return Err(ApiError::not_found("share link").hint("Check that the address is complete."));
    };
    let trace = match (link.end, link.trace) {
        (Some(ShareEnd::Revoked), _) => return Err(ApiError::gone("share_revoked", "this link has been revoked")),
        (Some(ShareEnd::Deleted), _) | (None, None) => return Err(ApiError::gone("share_deleted", "the shared trace was deleted")),
        (None, Some(_)) if link.expires_us <= now_us => return Err(ApiError::gone("share_expired", "this link has expired")),
        (None, Some(trace)) => trace,
    };
    if link.target_kind != Some(ShareTargetKind::Trace) {
        return Err(ApiError::not_found("share link"));
    }
    let hiding = creator_access(api, &link)?;
    let messages = match hiding {
        MessageHiding::Nobody if link.messages => MessageVisibility::Open,
        MessageHiding::Viewer if link.messages && link.despite_hiding => MessageVisibility::Open,
        _ => MessageVisibility::Hidden,
    };
    if api.share_visits.is_first(link.id, origin.address(), now_us) {
        let actor = AuditActor {
            account_id: None,
            name: "share link".to_owned(),
            credential: format!("share {}", link.id),
            address: origin.address(),
        };
        let object = format!("share {}", link.id);
        audit::record(api, AuditEvent { object, project: Some(link.project), ..AuditEvent::new(actor, "shares.use") }).await;
    }
    Ok(OpenLink { link, trace, messages })
}

/// Checks that the creator of a link could still create it. Returns whom the project hides messages from.
fn creator_access(api: &ApiState, link: &ShareLinkRecord) -> Result<MessageHiding, ApiError> {
    let revoked = || ApiError::gone("share_revoked", "this link has been revoked");
    let project = api.meta.project(link.project).map_err(|_| revoked())?;
    let account = api.meta.account(link.account).map_err(|_| revoked())?;
    let access = api.meta.account_access(link.account).map_err(|_| revoked())?;
    let may_share = account.state == AccountState::Active && access.role_in(link.project) >= Some(AccountRole::Member);
    if may_share { Ok(project.message_hiding) } else { Err(revoked()) }
}

/// Says that a trace has expired; other errors stay.
fn trace_gone(error: ApiError) -> ApiError {
    if error.is_not_found() { ApiError::gone("share_deleted", "the shared trace is no longer stored") } else { error }
}
