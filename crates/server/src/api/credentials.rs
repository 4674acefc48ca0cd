//! API tokens and sessions: list and revoke.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use hinomi_model::api_time::rfc3339;
use hinomi_tables::metadata;
use hinomi_tables::metadata::AccountRole;
use serde::Serialize;
use utoipa::ToSchema;

use super::accounts::AccountReference;
use super::auth::AuthorizedCaller;
use super::permission::{Admin, Viewer};
use super::projects::run_change;
use super::{ApiError, ApiState};

/// An API token. Its secret is shown only once, when it is created.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApiTokenView {
    /// ID of the token.
    id: i64,
    /// Name of the token.
    name: String,
    /// Account that the token belongs to. The token never has more access than its account.
    account: AccountReference,
    /// ID of the only project that the token can access; null for all projects of its account.
    #[schema(required)]
    project_id: Option<u64>,
    /// Role of the token.
    role: AccountRole,
    /// Time at which the token was created (RFC 3339).
    created_at: String,
    /// Time at which the token expires (RFC 3339); null if it does not expire. Expired tokens are listed until they are revoked.
    #[schema(required)]
    expires_at: Option<String>,
    /// Time of the last use (RFC 3339), accurate to about a minute; null if the token has never been used.
    #[schema(required)]
    last_used_at: Option<String>,
}

/// All API tokens.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApiTokenList {
    /// API tokens, including expired ones, the oldest first.
    tokens: Vec<ApiTokenView>,
}

/// Lists all API tokens.
///
/// Requires admin permission.
#[utoipa::path(get, path = "/tokens", tag = "session", responses((status = 200, body = ApiTokenList), (status = 403, body = super::error::ErrorResponse)))]
pub(super) async fn tokens(State(api): State<Arc<ApiState>>, _: AuthorizedCaller<Admin>) -> Result<Json<ApiTokenList>, ApiError> {
    let tokens = run_change(&api, metadata::MetadataStore::tokens).await?;
    let shown = |record: metadata::ApiTokenRecord| ApiTokenView {
        id: record.id,
        name: record.name,
        account: AccountReference::of(record.account),
        project_id: record.project,
        role: record.role,
        created_at: rfc3339(record.created_us),
        expires_at: record.expires_us.map(rfc3339),
        last_used_at: record.last_used_us.map(rfc3339),
    };
    Ok(Json(ApiTokenList { tokens: tokens.into_iter().map(shown).collect() }))
}

/// Revokes an API token.
///
/// Later requests with the token are rejected. Requires admin permission.
#[utoipa::path(delete, path = "/tokens/{token}", tag = "session", params(("token" = i64, Path, description = "ID of the API token.")),
    responses((status = 204, description = "The token was revoked."), (status = 403, body = super::error::ErrorResponse), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn revoke_token(
    State(api): State<Arc<ApiState>>,
    _: AuthorizedCaller<Admin>,
    Path(token): Path<String>,
) -> Result<StatusCode, ApiError> {
    let token: i64 = token.parse().map_err(|_| ApiError::not_found("token"))?;
    run_change(&api, move |meta| meta.revoke_token(token)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A session of a browser or of a command.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionView {
    /// ID of the session.
    id: i64,
    /// The account that is signed in.
    account: AccountReference,
    /// User agent of the client; null if it is unknown.
    #[schema(required)]
    client: Option<String>,
    /// Address from which the client, or its last proxy, signed in; null if it is unknown.
    #[schema(required)]
    address: Option<String>,
    /// Time of the sign-in (RFC 3339).
    created_at: String,
    /// Time of the last use (RFC 3339), accurate to about a minute.
    last_used_at: String,
    /// Time at which the session expires if it is not used again (RFC 3339).
    expires_at: String,
    /// True for the session that made this request.
    current: bool,
}

/// Sessions that have not expired.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionList {
    /// Sessions that have not expired, the oldest first.
    sessions: Vec<SessionView>,
}

/// Lists the sessions that have not expired.
///
/// An admin of the server sees all sessions, other people see their own. An API token of another role sees none.
#[utoipa::path(get, path = "/sessions", tag = "session", responses((status = 200, body = SessionList), (status = 401, body = super::error::ErrorResponse)))]
pub(super) async fn sessions(
    State(api): State<Arc<ApiState>>,
    AuthorizedCaller { caller, .. }: AuthorizedCaller<Viewer>,
) -> Result<Json<SessionList>, ApiError> {
    let mut sessions = run_change(&api, metadata::MetadataStore::sessions).await?;
    sessions.retain(|session| caller.is_server_admin() || caller.session().is_some() && session.account.id == caller.account.id);
    let shown = |record: metadata::SessionRecord| SessionView {
        id: record.id,
        account: AccountReference::of(record.account),
        client: Some(record.client).filter(|client| !client.is_empty()),
        address: Some(record.address).filter(|address| !address.is_empty()),
        created_at: rfc3339(record.created_us),
        last_used_at: rfc3339(record.last_used_us),
        expires_at: rfc3339(record.expires_us),
        current: caller.session() == Some(record.id),
    };
    Ok(Json(SessionList { sessions: sessions.into_iter().map(shown).collect() }))
}

/// Ends a session.
///
/// An admin of the server can end all sessions, other people their own.
#[utoipa::path(delete, path = "/sessions/{session}", tag = "session", params(("session" = i64, Path, description = "ID of the session.")),
    responses((status = 204, description = "The session was ended."), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn revoke_session(
    State(api): State<Arc<ApiState>>,
    AuthorizedCaller { caller, .. }: AuthorizedCaller<Viewer>,
    Path(session): Path<String>,
) -> Result<StatusCode, ApiError> {
    let session: i64 = session.parse().map_err(|_| ApiError::not_found("session"))?;
    let account = match (caller.is_server_admin(), caller.session()) {
        (true, _) => None,
        (false, Some(_)) => Some(caller.account.id),
        (false, None) => return Err(ApiError::not_found("session")),
    };
    run_change(&api, move |meta| meta.revoke_session(session, account)).await?;
    Ok(StatusCode::NO_CONTENT)
}
