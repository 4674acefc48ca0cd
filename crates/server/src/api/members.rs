//! Members of a project: accounts with a role in it.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use hinomi_tables::metadata::{AccountDraft, AccountRole, MemberRecord, MetadataError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::accounts::{AccountReference, check_rank, invite};
use super::auth::AuthorizedProject;
use super::middleware::audit_trail::{AuditDetails, audit_details};
use super::permission::{Admin, Member};
use super::projects::run_change;
use super::{ApiError, ApiState};

/// A member of a project.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MemberView {
    /// The account.
    account: AccountReference,
    /// Role in the project. The role of the account on the server may be higher.
    role: AccountRole,
}

fn member_view(member: MemberRecord) -> MemberView {
    MemberView { account: AccountReference::of_record(member.account), role: member.role }
}

/// Members of a project.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MemberList {
    /// Members, the oldest account first. Accounts with a role on the server are not listed.
    members: Vec<MemberView>,
}

/// Lists the members of a project.
#[utoipa::path(get, path = "/projects/{project}/members", tag = "accounts", params(("project" = u64, Path, description = "ID of the project.")),
    responses((status = 200, body = MemberList), (status = 403, body = super::error::ErrorResponse)))]
pub(super) async fn list(State(api): State<Arc<ApiState>>, authorized: AuthorizedProject<Member>) -> Result<Json<MemberList>, ApiError> {
    let members = run_change(&api, move |meta| meta.members(authorized.project)).await?;
    Ok(Json(MemberList { members: members.into_iter().map(member_view).collect() }))
}

/// A new member of a project.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MemberAdditionRequest {
    /// E-mail address of the person. If there is no account with it, the person is invited.
    email: String,
    /// Role in the project.
    role: AccountRole,
}

/// A new member of a project, and the invitation.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AddedMember {
    /// ID of the account.
    account_id: i64,
    /// Link with which the person sets a password, once, within 7 days; null if the account existed. It is shown only here.
    #[schema(required)]
    invitation_url: Option<String>,
}

/// Adds a member to a project.
///
/// The role must not be higher than that of the caller. Requires admin permission in the project.
#[utoipa::path(post, path = "/projects/{project}/members", tag = "accounts", params(("project" = u64, Path, description = "ID of the project.")), request_body = MemberAdditionRequest,
    responses((status = 201, body = AddedMember), (status = 400, body = super::error::ErrorResponse), (status = 403, body = super::error::ErrorResponse)))]
pub(super) async fn add(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    body: Result<Json<MemberAdditionRequest>, JsonRejection>,
) -> Result<(StatusCode, Extension<AuditDetails>, Json<AddedMember>), ApiError> {
    let Json(MemberAdditionRequest { email, role }) = body?;
    check_rank(Some(authorized.role), Some(role))?;
    let project = authorized.project;
    let known = {
        let email = email.clone();
        run_change(&api, move |meta| meta.account_by_email(&email)).await?
    };
    let mut before = None;
    let added = match known {
        Some(account) => {
            before = check_member_rank(&api, authorized, account.id).await?;
            run_change(&api, move |meta| meta.set_member(project, account.id, role)).await?;
            AddedMember { account_id: account.id, invitation_url: None }
        }
        None => {
            let draft = AccountDraft { email: Some(email), name: String::new(), server_role: None, project_role: Some((project, role)) };
            let invited = invite(&api, draft).await?;
            AddedMember { account_id: invited.account.id, invitation_url: invited.invitation_url }
        }
    };
    let changes = role_change(before, Some(role));
    let details = audit_details([("account_id", added.account_id.into()), ("role", role.name().into()), ("changes", changes)]);
    Ok((StatusCode::CREATED, details, Json(added)))
}

/// A new role of a member.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MemberRoleRequest {
    /// Role in the project.
    role: AccountRole,
}

/// Changes the role of a member.
///
/// Neither the old nor the new role may be higher than that of the caller. Requires admin permission in the project.
#[utoipa::path(put, path = "/projects/{project}/members/{account}", tag = "accounts",
    params(("project" = u64, Path, description = "ID of the project."), ("account" = i64, Path, description = "ID of the account.")), request_body = MemberRoleRequest,
    responses((status = 200, body = MemberView), (status = 403, body = super::error::ErrorResponse), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn update(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    Path((_project, account)): Path<(String, String)>,
    body: Result<Json<MemberRoleRequest>, JsonRejection>,
) -> Result<(Extension<AuditDetails>, Json<MemberView>), ApiError> {
    let Json(MemberRoleRequest { role }) = body?;
    check_rank(Some(authorized.role), Some(role))?;
    let (account, before) = existing_member(&api, authorized, &account).await?;
    let member = run_change(&api, move |meta| meta.set_member(authorized.project, account, role)).await?;
    let details = [("role", role.name().into()), ("changes", role_change(Some(before), Some(role)))];
    Ok((audit_details(details), Json(member_view(member))))
}

/// Removes a member from a project.
///
/// The account keeps its roles in other projects. Its role must not be higher than that of the caller. Requires admin permission in the
/// project.
#[utoipa::path(delete, path = "/projects/{project}/members/{account}", tag = "accounts",
    params(("project" = u64, Path, description = "ID of the project."), ("account" = i64, Path, description = "ID of the account.")),
    responses((status = 204, description = "The account is no longer a member."), (status = 403, body = super::error::ErrorResponse), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn remove(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    Path((_project, account)): Path<(String, String)>,
) -> Result<(StatusCode, Extension<AuditDetails>), ApiError> {
    let (account, before) = existing_member(&api, authorized, &account).await?;
    run_change(&api, move |meta| meta.remove_member(authorized.project, account)).await?;
    Ok((StatusCode::NO_CONTENT, audit_details([("changes", role_change(Some(before), None))])))
}

/// Returns the roles before and after a change, for the details of an entry of the audit log.
fn role_change(before: Option<AccountRole>, after: Option<AccountRole>) -> Value {
    json!({ "role": { "before": before.map(AccountRole::name), "after": after.map(AccountRole::name) } })
}

/// Returns the ID and the role of a member whose role is not higher than the caller's.
async fn existing_member(api: &Arc<ApiState>, authorized: AuthorizedProject<Admin>, account: &str) -> Result<(i64, AccountRole), ApiError> {
    let account: i64 = account.parse().map_err(|_| ApiError::not_found("account"))?;
    let role = check_member_rank(api, authorized, account).await?;
    Ok((account, role.ok_or(MetadataError::NoAccount(account))?))
}

/// Checks that the role of an account in the project is not higher than the caller's. Returns the role; `None` if it is not a member.
async fn check_member_rank(
    api: &Arc<ApiState>,
    authorized: AuthorizedProject<Admin>,
    account: i64,
) -> Result<Option<AccountRole>, ApiError> {
    let members = run_change(api, move |meta| meta.members(authorized.project)).await?;
    let role = members.into_iter().find(|member| member.account.id == account).map(|member| member.role);
    check_rank(Some(authorized.role), role)?;
    Ok(role)
}
