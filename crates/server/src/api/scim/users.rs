//! Routes of users.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hinomi_tables::metadata::ProvisionedUser;
use serde_json::json;

use super::error::{ScimError, ScimErrorResponse};
use super::list::{ScimAttributeParameters, ScimListParameters};
use super::user_resource::{USER_ATTRIBUTES, user_draft, user_resource};
use super::{ScimCaller, read_body, resource_id, run, scim_response};
use crate::api::ApiState;
use crate::api::audit::account_changes;

/// Lists users: the accounts of people with an e-mail address.
///
/// `filter`, `startIndex` and `count` are those of RFC 7644.
#[utoipa::path(get, path = "/Users", tag = "scim", params(ScimListParameters),
    responses((status = 200, description = "A list response of SCIM."), (status = 400, body = ScimErrorResponse)))]
pub(in crate::api) async fn list(
    State(api): State<Arc<ApiState>>,
    _: ScimCaller,
    Query(which): Query<ScimListParameters>,
) -> Result<Response, ScimError> {
    let users = run(&api, |meta| meta.provisioned_users()).await?;
    let page = which.page(users.into_iter().map(|user| user_resource(user, &api.public_url)))?;
    Ok(scim_response(StatusCode::OK, page))
}

/// Returns a user.
#[utoipa::path(get, path = "/Users/{user}", tag = "scim", params(("user" = String, Path, description = "ID of the user."), ScimAttributeParameters),
    responses((status = 200, description = "The user."), (status = 404, body = ScimErrorResponse)))]
pub(in crate::api) async fn get(
    State(api): State<Arc<ApiState>>,
    _: ScimCaller,
    Path(user): Path<String>,
    Query(attributes): Query<ScimAttributeParameters>,
) -> Result<Response, ScimError> {
    let id = resource_id(&user, "user")?;
    let user = run(&api, move |meta| meta.provisioned_user(id)).await?;
    Ok(scim_response(StatusCode::OK, attributes.select(user_resource(user, &api.public_url))))
}

/// Creates a user.
///
/// The account is invited until the person signs in. A user that was deleted before gets the same account again.
#[utoipa::path(post, path = "/Users", tag = "scim", request_body(content = serde_json::Value, content_type = "application/scim+json", description = "A user of SCIM."),
    responses((status = 201, description = "The user."), (status = 400, body = ScimErrorResponse), (status = 409, body = ScimErrorResponse)))]
pub(in crate::api) async fn create(State(api): State<Arc<ApiState>>, caller: ScimCaller, body: Bytes) -> Result<Response, ScimError> {
    let body = read_body(&body)?;
    let draft = user_draft(body.as_object().unwrap_or(&serde_json::Map::new()))?;
    let user = run(&api, move |meta| meta.create_provisioned_user(&draft)).await?;
    let details = json!({ "user_name": user.user_name, "state": user.account.state.name() });
    caller.record(&api, "scim.users.create", format!("account {}", user.account.id), details).await;
    Ok(scim_response(StatusCode::CREATED, user_resource(user, &api.public_url).into()))
}

/// Replaces a user.
///
/// `active: false` deactivates the account at once: its sessions and live streams end, and its API tokens are revoked.
#[utoipa::path(put, path = "/Users/{user}", tag = "scim", params(("user" = String, Path, description = "ID of the user.")),
    request_body(content = serde_json::Value, content_type = "application/scim+json", description = "A user of SCIM."),
    responses((status = 200, description = "The user."), (status = 400, body = ScimErrorResponse), (status = 404, body = ScimErrorResponse), (status = 409, body = ScimErrorResponse)))]
pub(in crate::api) async fn replace(
    State(api): State<Arc<ApiState>>,
    caller: ScimCaller,
    Path(user): Path<String>,
    body: Bytes,
) -> Result<Response, ScimError> {
    let id = resource_id(&user, "user")?;
    let before = run(&api, move |meta| meta.provisioned_user(id)).await?;
    let body = read_body(&body)?;
    let draft = user_draft(body.as_object().unwrap_or(&serde_json::Map::new()))?;
    let after = run(&api, move |meta| meta.replace_provisioned_user(id, &draft)).await?;
    updated(&api, &caller, before, after).await
}

/// Changes a user with the operations of SCIM: `add`, `replace` and `remove`.
///
/// Attributes that Hinomi does not store are ignored.
#[utoipa::path(patch, path = "/Users/{user}", tag = "scim", params(("user" = String, Path, description = "ID of the user.")),
    request_body(content = serde_json::Value, content_type = "application/scim+json", description = "A patch of SCIM."),
    responses((status = 200, description = "The user."), (status = 400, body = ScimErrorResponse), (status = 404, body = ScimErrorResponse), (status = 409, body = ScimErrorResponse)))]
pub(in crate::api) async fn update(
    State(api): State<Arc<ApiState>>,
    caller: ScimCaller,
    Path(user): Path<String>,
    body: Bytes,
) -> Result<Response, ScimError> {
    let id = resource_id(&user, "user")?;
    let before = run(&api, move |meta| meta.provisioned_user(id)).await?;
    let mut resource = user_resource(before.clone(), &api.public_url);
    USER_ATTRIBUTES.apply(&read_body(&body)?, &mut resource)?;
    let draft = user_draft(&resource)?;
    let after = run(&api, move |meta| meta.replace_provisioned_user(id, &draft)).await?;
    updated(&api, &caller, before, after).await
}

/// Records the change of a user and returns the response.
async fn updated(api: &Arc<ApiState>, caller: &ScimCaller, before: ProvisionedUser, after: ProvisionedUser) -> Result<Response, ScimError> {
    let changes = account_changes(&before.account, &after.account);
    let is_recorded = changes.as_object().is_some_and(|changes| !changes.is_empty());
    if is_recorded {
        caller.record(api, "scim.users.update", format!("account {}", after.account.id), json!({ "changes": changes })).await;
    }
    Ok(scim_response(StatusCode::OK, user_resource(after, &api.public_url).into()))
}

/// Deletes a user: deactivates the account at once, takes its roles away, and hides it from the provider.
#[utoipa::path(delete, path = "/Users/{user}", tag = "scim", params(("user" = String, Path, description = "ID of the user.")),
    responses((status = 204, description = "The account is deactivated."), (status = 400, body = ScimErrorResponse), (status = 404, body = ScimErrorResponse)))]
pub(in crate::api) async fn delete(
    State(api): State<Arc<ApiState>>,
    caller: ScimCaller,
    Path(user): Path<String>,
) -> Result<Response, ScimError> {
    let id = resource_id(&user, "user")?;
    let before = run(&api, move |meta| meta.remove_provisioned_user(id)).await?;
    let changes = json!({ "state": { "before": before.state.name(), "after": "deactivated" } });
    caller.record(&api, "scim.users.delete", format!("account {id}"), json!({ "changes": changes })).await;
    Ok(StatusCode::NO_CONTENT.into_response())
}
