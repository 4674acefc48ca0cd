//! Accounts of people and programs.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use hinomi_model::api_time::rfc3339;
use hinomi_tables::metadata::{
    AccountDraft, AccountIdentity, AccountKind, AccountPatch, AccountRecord, AccountRole, AccountState, LinkPurpose, MetadataError,
    MetadataStore,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::audit::account_changes;
use super::auth::{ApiCaller, AuthorizedCaller};
use super::middleware::audit_trail::{AuditDetails, audit_details};
use super::permission::Admin;
use super::projects::{deserialize_present, run_change};
use super::{ApiError, ApiState};

/// An account, as others see it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AccountReference {
    /// ID of the account.
    id: i64,
    /// Name of the account.
    name: String,
    /// E-mail address of the account; null if it has none.
    #[schema(required)]
    email: Option<String>,
}

impl AccountReference {
    pub(super) fn of(account: AccountIdentity) -> AccountReference {
        let AccountIdentity { id, name, email } = account;
        AccountReference { id, name, email }
    }

    pub(super) fn of_record(account: AccountRecord) -> AccountReference {
        AccountReference { id: account.id, name: account.name, email: account.email }
    }
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AccountView {
    /// ID of the account.
    pub(super) id: i64,
    /// Kind of the account.
    kind: AccountKind,
    /// E-mail address by which a person signs in; null for programs, and for account 1 until it is set.
    #[schema(required)]
    email: Option<String>,
    /// Name of the account.
    name: String,
    /// State of the account.
    state: AccountState,
    /// Role on the server and in every project; null for roles in single projects only.
    #[schema(required)]
    role: Option<AccountRole>,
    /// True if the account can sign in with a password.
    has_password: bool,
    /// Time at which the account was created (RFC 3339).
    created_at: String,
    /// Time of the last sign-in (RFC 3339); null if there was none.
    #[schema(required)]
    last_sign_in_at: Option<String>,
}

pub(super) fn account_view(account: AccountRecord) -> AccountView {
    AccountView {
        id: account.id,
        kind: account.kind,
        email: account.email,
        name: account.name,
        state: account.state,
        role: account.server_role,
        has_password: account.has_password,
        created_at: rfc3339(account.created_us),
        last_sign_in_at: account.last_sign_in_us.map(rfc3339),
    }
}

/// All accounts.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AccountList {
    /// Accounts, the oldest first.
    accounts: Vec<AccountView>,
}

/// Lists all accounts.
///
/// Requires admin permission.
#[utoipa::path(get, path = "/accounts", tag = "accounts", responses((status = 200, body = AccountList), (status = 403, body = super::error::ErrorResponse)))]
pub(super) async fn list(State(api): State<Arc<ApiState>>, _: AuthorizedCaller<Admin>) -> Result<Json<AccountList>, ApiError> {
    let accounts = run_change(&api, MetadataStore::accounts).await?;
    Ok(Json(AccountList { accounts: accounts.into_iter().map(account_view).collect() }))
}

/// A new account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountCreationRequest {
    /// E-mail address of a person, who is invited; left out for a program, which only uses API tokens.
    email: Option<String>,
    /// Name of the account; left out for the e-mail address.
    #[serde(default)]
    name: String,
    /// Role of the account.
    role: AccountRole,
    /// ID of the only project in which the account has the role; left out for the whole server.
    project_id: Option<u64>,
}

/// A new account, and its invitation.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InvitedAccount {
    /// The account.
    pub(super) account: AccountView,
    /// Link with which the person sets a password, once, within 7 days; null if the account needs none, or passwords are turned off. It is
    /// shown only here.
    #[schema(required)]
    pub(super) invitation_url: Option<String>,
}

/// Creates an account.
///
/// The role must not be higher than that of the caller. Requires admin permission.
#[utoipa::path(post, path = "/accounts", tag = "accounts", request_body = AccountCreationRequest,
    responses((status = 201, body = InvitedAccount), (status = 400, body = super::error::ErrorResponse), (status = 403, body = super::error::ErrorResponse)))]
pub(super) async fn create(
    State(api): State<Arc<ApiState>>,
    AuthorizedCaller { caller, .. }: AuthorizedCaller<Admin>,
    body: Result<Json<AccountCreationRequest>, JsonRejection>,
) -> Result<(StatusCode, Extension<AuditDetails>, Json<InvitedAccount>), ApiError> {
    let Json(AccountCreationRequest { email, name, role, project_id }) = body?;
    check_rank(caller.access.server, Some(role))?;
    let draft = AccountDraft {
        email,
        name,
        server_role: project_id.is_none().then_some(role),
        project_role: project_id.map(|project| (project, role)),
    };
    let invited = invite(&api, draft).await?;
    let details =
        audit_details([("account_id", invited.account.id.into()), ("role", role.name().into()), ("project_id", project_id.into())]);
    Ok((StatusCode::CREATED, details, Json(invited)))
}

/// Creates an account and its invitation.
pub(super) async fn invite(api: &Arc<ApiState>, draft: AccountDraft) -> Result<InvitedAccount, ApiError> {
    let passwords = api.sign_in.passwords;
    let (account, secret) = run_change(api, move |meta| {
        let account = meta.create_account(&draft)?;
        // Without passwords, an invited person signs in with the provider at once.
        let is_invited = account.state == AccountState::Invited && passwords;
        let secret = is_invited.then(|| meta.create_link(account.id, LinkPurpose::Invitation)).transpose()?;
        Ok((account, secret))
    })
    .await?;
    let invitation_url = secret.map(|secret| password_url(&api.public_url, &secret));
    Ok(InvitedAccount { account: account_view(account), invitation_url })
}

/// Returns the address of the page that sets a password. A browser does not send the part after `#`, so neither the log of a proxy nor a
/// preview of the link contains the secret.
pub fn password_url(public_url: &str, secret: &str) -> String {
    format!("{public_url}/set-password#token={secret}")
}

/// Changes to an account. Fields that are left out keep their value.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountUpdateRequest {
    /// Name of 1 to 100 characters.
    name: Option<String>,
    /// E-mail address of a person.
    email: Option<String>,
    /// Role on the server and in every project; null removes it.
    #[serde(default, deserialize_with = "deserialize_present")]
    #[schema(value_type = Option<AccountRole>)]
    role: Option<Option<AccountRole>>,
    /// True deactivates the account and ends its sessions and API tokens; false activates it again.
    deactivated: Option<bool>,
}

/// Changes an account.
///
/// Neither the account nor its new role may have a higher role than the caller. Requires admin permission.
#[utoipa::path(patch, path = "/accounts/{account}", tag = "accounts", params(("account" = i64, Path, description = "ID of the account.")), request_body = AccountUpdateRequest,
    responses((status = 200, body = AccountView), (status = 400, body = super::error::ErrorResponse), (status = 403, body = super::error::ErrorResponse), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn update(
    State(api): State<Arc<ApiState>>,
    AuthorizedCaller { caller, .. }: AuthorizedCaller<Admin>,
    Path(account): Path<String>,
    body: Result<Json<AccountUpdateRequest>, JsonRejection>,
) -> Result<(Extension<AuditDetails>, Json<AccountView>), ApiError> {
    let Json(AccountUpdateRequest { name, email, role, deactivated }) = body?;
    check_rank(caller.access.server, role.flatten())?;
    let id = managed_account(&api, &caller, &account).await?;
    let patch = AccountPatch { name, email, server_role: role, deactivated };
    let (before, account) = run_change(&api, move |meta| {
        let before = meta.account(id)?;
        Ok((before, meta.update_account(id, &patch)?))
    })
    .await?;
    let role = account.server_role.map(AccountRole::name);
    let details = [("role", role.into()), ("state", account.state.name().into()), ("changes", account_changes(&before, &account))];
    Ok((audit_details(details), Json(account_view(account))))
}

/// A link that sets a password.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PasswordLink {
    /// The link. It works once, and is shown only here.
    url: String,
}

/// Creates a link with which the person sets a new password.
///
/// An invited person gets a new invitation, valid for 7 days; an active one a link that is valid for an hour. The link replaces earlier
/// ones. The account must not have a higher role than the caller. Requires admin permission.
#[utoipa::path(post, path = "/accounts/{account}/link", tag = "accounts", params(("account" = i64, Path, description = "ID of the account.")),
    responses((status = 201, body = PasswordLink), (status = 400, body = super::error::ErrorResponse), (status = 403, body = super::error::ErrorResponse), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn create_link(
    State(api): State<Arc<ApiState>>,
    AuthorizedCaller { caller, .. }: AuthorizedCaller<Admin>,
    Path(account): Path<String>,
) -> Result<(StatusCode, Json<PasswordLink>), ApiError> {
    let id = managed_account(&api, &caller, &account).await?;
    if !api.sign_in.passwords {
        return Err(ApiError::password_not_used("passwords are turned off on this server"));
    }
    let secret = run_change(&api, move |meta| create_password_link(meta, id)).await?;
    Ok((StatusCode::CREATED, Json(PasswordLink { url: password_url(&api.public_url, &secret) })))
}

/// Creates the secret of a link that sets a password: an invitation, or a reset link for an active account.
///
/// # Errors
///
/// When there is no such account, or it is deactivated or that of a program.
pub fn create_password_link(meta: &MetadataStore, account: i64) -> Result<String, MetadataError> {
    let is_invited = meta.account(account)?.state == AccountState::Invited;
    meta.create_link(account, if is_invited { LinkPurpose::Invitation } else { LinkPurpose::Reset })
}

/// Returns the ID of an account that the caller may manage: one whose roles are not higher than the caller's.
async fn managed_account(api: &Arc<ApiState>, caller: &ApiCaller, account: &str) -> Result<i64, ApiError> {
    let id: i64 = account.parse().map_err(|_| ApiError::not_found("account"))?;
    let access = run_change(api, move |meta| meta.account_access(id)).await?;
    check_rank(caller.access.server, access.highest_role())?;
    Ok(id)
}

/// Checks that a role is not higher than the caller's own.
pub(super) fn check_rank(own: Option<AccountRole>, role: Option<AccountRole>) -> Result<(), ApiError> {
    if own >= role {
        return Ok(());
    }
    let role = role.map_or("none", AccountRole::name);
    Err(ApiError::forbidden(&format!("the role {role} is higher than yours"), "Ask somebody who has this role."))
}
