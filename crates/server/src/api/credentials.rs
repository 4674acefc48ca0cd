//! API tokens and sessions: which there are, and their end.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use hinomi_model::api_time::rfc3339;
use hinomi_tables::metadata;
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::AuthorizedCaller;
use super::permission::Admin;
use super::projects::change;
use super::{ApiError, ApiState};

/// An API token. Its secret is shown only when it is made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApiTokenView {
    id: i64,
    name: String,
    /// The one project that it may read; null for all.
    project_id: Option<u64>,
    /// May change things too.
    admin: bool,
    created_at: String,
    /// Null where it does not end. One that has expired is listed until it is revoked.
    expires_at: Option<String>,
    /// To the minute or so; null while it was never used.
    last_used_at: Option<String>,
}

/// API tokens.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApiTokenList {
    tokens: Vec<ApiTokenView>,
}

/// Lists API tokens. For admins.
#[utoipa::path(get, path = "/tokens", tag = "session", responses((status = 200, body = ApiTokenList), (status = 403, body = super::error::ErrorResponse)))]
pub(super) async fn tokens(State(api): State<Arc<ApiState>>, _: AuthorizedCaller<Admin>) -> Result<Json<ApiTokenList>, ApiError> {
    let tokens = change(&api, metadata::MetadataStore::tokens).await?;
    let shown = |record: metadata::ApiTokenRecord| ApiTokenView {
        id: record.id,
        name: record.name,
        project_id: record.token.project,
        admin: record.token.admin,
        created_at: rfc3339(record.created_us),
        expires_at: record.expires_us.map(rfc3339),
        last_used_at: record.last_used_us.map(rfc3339),
    };
    Ok(Json(ApiTokenList { tokens: tokens.into_iter().map(shown).collect() }))
}

/// Revokes an API token: it is refused from now on.
#[utoipa::path(delete, path = "/tokens/{token}", tag = "session", params(("token" = i64, Path)),
    responses((status = 204, description = "revoked"), (status = 403, body = super::error::ErrorResponse), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn revoke_token(
    State(api): State<Arc<ApiState>>,
    _: AuthorizedCaller<Admin>,
    Path(token): Path<String>,
) -> Result<StatusCode, ApiError> {
    let token: i64 = token.parse().map_err(|_| ApiError::not_found("token"))?;
    change(&api, move |meta| meta.revoke_token(token)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A session: a browser, or a command that works.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionView {
    id: i64,
    /// What the client calls itself; null where that is not known.
    client: Option<String>,
    created_at: String,
    /// To the minute or so.
    last_used_at: String,
    /// When it ends, if it is not used before.
    expires_at: String,
    /// The one that asks.
    current: bool,
}

/// Sessions.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionList {
    sessions: Vec<SessionView>,
}

/// Lists who is signed in. For admins.
#[utoipa::path(get, path = "/sessions", tag = "session", responses((status = 200, body = SessionList), (status = 403, body = super::error::ErrorResponse)))]
pub(super) async fn sessions(
    State(api): State<Arc<ApiState>>,
    AuthorizedCaller { caller, .. }: AuthorizedCaller<Admin>,
) -> Result<Json<SessionList>, ApiError> {
    let sessions = change(&api, metadata::MetadataStore::sessions).await?;
    let shown = |record: metadata::SessionRecord| SessionView {
        id: record.id,
        client: Some(record.client).filter(|client| !client.is_empty()),
        created_at: rfc3339(record.created_us),
        last_used_at: rfc3339(record.last_used_us),
        expires_at: rfc3339(record.expires_us),
        current: caller.session == Some(record.id),
    };
    Ok(Json(SessionList { sessions: sessions.into_iter().map(shown).collect() }))
}

/// Ends a session.
#[utoipa::path(delete, path = "/sessions/{session}", tag = "session", params(("session" = i64, Path)),
    responses((status = 204, description = "ended"), (status = 403, body = super::error::ErrorResponse), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn revoke_session(
    State(api): State<Arc<ApiState>>,
    _: AuthorizedCaller<Admin>,
    Path(session): Path<String>,
) -> Result<StatusCode, ApiError> {
    let session: i64 = session.parse().map_err(|_| ApiError::not_found("session"))?;
    change(&api, move |meta| meta.revoke_session(session)).await?;
    Ok(StatusCode::NO_CONTENT)
}
