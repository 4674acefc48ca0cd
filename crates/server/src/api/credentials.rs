//! API tokens and sessions: create, list and revoke.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use hinomi_model::api_time::rfc3339;
use hinomi_tables::metadata;
use hinomi_tables::metadata::{AccountRole, ApiTokenKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::accounts::{AccountReference, check_rank};
use super::auth::{ApiCaller, AuthorizedCaller};
use super::middleware::audit_trail::{AuditDetails, audit_details};
use super::permission::Viewer;
use super::projects::run_change;
use super::{ApiError, ApiState};
use crate::query_parameters::parse_lifetime;

/// An API token. The secret of the token is shown only once, when the token is created.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApiTokenView {
    /// ID of the token.
    id: i64,
    /// Kind of the token.
    kind: ApiTokenKind,
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

/// API tokens that the caller may see.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApiTokenList {
    /// API tokens, including expired ones, the oldest first.
    tokens: Vec<ApiTokenView>,
}

fn token_view(record: metadata::ApiTokenRecord) -> ApiTokenView {
    ApiTokenView {
        id: record.id,
        kind: record.kind,
        name: record.name,
        account: AccountReference::of(record.account),
        project_id: record.project,
        role: record.role,
        created_at: rfc3339(record.created_us),
        expires_at: record.expires_us.map(rfc3339),
        last_used_at: record.last_used_us.map(rfc3339),
    }
}

/// Returns the account whose credentials a caller may manage: `None` for all accounts, which an admin of the server may.
fn managed_credentials(caller: &ApiCaller) -> Option<ManagedCredentials> {
    match (caller.is_server_admin(), caller.session()) {
        (true, _) => Some(ManagedCredentials::All),
        (false, Some(_)) => Some(ManagedCredentials::Own(caller.account.id)),
        // A token that leaked must not be able to sign its owner out.
        (false, None) => None,
    }
}

/// Credentials that a caller may see and revoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ManagedCredentials {
    All,
    /// Credentials of the account with this ID.
    Own(i64),
}

impl ManagedCredentials {
    fn account(self) -> Option<i64> {
        match self {
            ManagedCredentials::All => None,
            ManagedCredentials::Own(account) => Some(account),
        }
    }
}

/// Lists API tokens.
///
/// An admin of the server sees all tokens; other people see only their own tokens. An API token that is not an admin of the server sees no
/// tokens.
#[utoipa::path(get, path = "/tokens", tag = "session", responses((status = 200, body = ApiTokenList), (status = 401, body = super::error::ErrorResponse)))]
pub(super) async fn tokens(
    State(api): State<Arc<ApiState>>,
    AuthorizedCaller { caller, .. }: AuthorizedCaller<Viewer>,
) -> Result<Json<ApiTokenList>, ApiError> {
    let mut tokens = run_change(&api, metadata::MetadataStore::tokens).await?;
    let managed = managed_credentials(&caller);
    tokens.retain(|token| managed.is_some_and(|managed| managed.account().is_none_or(|own| own == token.account.id)));
    Ok(Json(ApiTokenList { tokens: tokens.into_iter().map(token_view).collect() }))
}

/// A new API token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiTokenRequest {
    /// Name of 1 to 100 characters.
    name: String,
    /// Role of the token. It must not be higher than the role of the caller.
    role: AccountRole,
    /// ID of the only project that the token can access. If omitted, the token can access all projects of the caller.
    project_id: Option<u64>,
    /// Time until the token expires, such as `12h`, `30d` or `8w`. If omitted, the token does not expire.
    expires_in: Option<String>,
    /// Kind of the token; left out for `api`. Only owners create tokens of the kind `scim`, with the role `owner` and without a project.
    #[serde(default = "default_kind")]
    kind: ApiTokenKind,
}

fn default_kind() -> ApiTokenKind {
    ApiTokenKind::Api
}

/// A new API token with its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CreatedApiToken {
    /// The token. It is shown only here.
    token: String,
}

/// Creates an API token of the caller.
///
/// The token never has more access than its account has when it is used. Requires a session.
#[utoipa::path(post, path = "/tokens", tag = "session", request_body = ApiTokenRequest,
    responses((status = 201, body = CreatedApiToken), (status = 400, body = super::error::ErrorResponse), (status = 403, body = super::error::ErrorResponse), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn create_token(
    State(api): State<Arc<ApiState>>,
    AuthorizedCaller { caller, .. }: AuthorizedCaller<Viewer>,
    body: Result<Json<ApiTokenRequest>, JsonRejection>,
) -> Result<(StatusCode, Extension<AuditDetails>, Json<CreatedApiToken>), ApiError> {
    let Json(ApiTokenRequest { name, role, project_id, expires_in, kind }) = body?;
    // Otherwise a token could outlive its own expiry.
    caller.session().ok_or_else(|| ApiError::bad_request("needs_session", "an API token cannot create tokens; sign in"))?;
    let own = match project_id {
        Some(project) => Some(caller.access.role_in(project).ok_or_else(|| ApiError::not_found("project"))?),
        None => caller.access.highest_role(),
    };
    check_rank(own, Some(role))?;
    let lifetime = expires_in.map(|text| parse_lifetime(&text)).transpose();
    let lifetime = lifetime.map_err(|hint| ApiError::bad_request("invalid_value", format!("expires_in: {hint}")))?;
    let details = audit_details([
        ("name", name.as_str().into()),
        ("role", role.name().into()),
        ("project_id", project_id.into()),
        ("kind", kind.name().into()),
    ]);
    let draft = metadata::ApiTokenDraft { name, account: caller.account.id, role, project: project_id, lifetime };
    if kind == ApiTokenKind::Scim {
        check_rank(caller.access.server, Some(AccountRole::Owner))?;
        if role != AccountRole::Owner || project_id.is_some() {
            return Err(ApiError::bad_request("invalid_value", "a token of the kind scim has the role owner, and no project"));
        }
    }
    let token = run_change(&api, move |meta| match kind {
        ApiTokenKind::Api => meta.create_token(&draft),
        ApiTokenKind::Scim => meta.create_scim_token(&draft.name, draft.account, draft.lifetime),
    })
    .await?;
    Ok((StatusCode::CREATED, details, Json(CreatedApiToken { token })))
}

/// Revokes an API token.
///
/// Later requests with the token are rejected. An admin of the server can revoke all tokens; other people can revoke only their own tokens.
#[utoipa::path(delete, path = "/tokens/{token}", tag = "session", params(("token" = i64, Path, description = "ID of the API token.")),
    responses((status = 204, description = "The token was revoked."), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn revoke_token(
    State(api): State<Arc<ApiState>>,
    AuthorizedCaller { caller, .. }: AuthorizedCaller<Viewer>,
    Path(token): Path<String>,
) -> Result<StatusCode, ApiError> {
    let managed = managed_credentials(&caller).ok_or_else(|| ApiError::not_found("token"))?;
    let token: i64 = token.parse().map_err(|_| ApiError::not_found("token"))?;
    run_change(&api, move |meta| meta.revoke_token(token, managed.account())).await?;
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
/// An admin of the server sees all sessions; other people see only their own sessions. An API token that is not an admin of the server sees
/// no sessions.
#[utoipa::path(get, path = "/sessions", tag = "session", responses((status = 200, body = SessionList), (status = 401, body = super::error::ErrorResponse)))]
pub(super) async fn sessions(
    State(api): State<Arc<ApiState>>,
    AuthorizedCaller { caller, .. }: AuthorizedCaller<Viewer>,
) -> Result<Json<SessionList>, ApiError> {
    let mut sessions = run_change(&api, metadata::MetadataStore::sessions).await?;
    let managed = managed_credentials(&caller);
    sessions.retain(|session| managed.is_some_and(|managed| managed.account().is_none_or(|own| own == session.account.id)));
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
/// An admin of the server can end all sessions; other people can end only their own sessions.
#[utoipa::path(delete, path = "/sessions/{session}", tag = "session", params(("session" = i64, Path, description = "ID of the session.")),
    responses((status = 204, description = "The session was ended."), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn revoke_session(
    State(api): State<Arc<ApiState>>,
    AuthorizedCaller { caller, .. }: AuthorizedCaller<Viewer>,
    Path(session): Path<String>,
) -> Result<StatusCode, ApiError> {
    let session: i64 = session.parse().map_err(|_| ApiError::not_found("session"))?;
    let managed = managed_credentials(&caller).ok_or_else(|| ApiError::not_found("session"))?;
    run_change(&api, move |meta| meta.revoke_session(session, managed.account())).await?;
    Ok(StatusCode::NO_CONTENT)
}
