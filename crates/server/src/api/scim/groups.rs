//! Routes of groups.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hinomi_tables::metadata::{ProvisionedGroup, ProvisionedGroupDraft};
use serde_json::json;

use super::error::{ScimError, ScimErrorResponse};
use super::group_resource::{GROUP_ATTRIBUTES, group_draft, group_resource};
use super::list::{ScimAttributeParameters, ScimListParameters};
use super::{ScimCaller, read_body, resource_id, run, scim_response};
use crate::api::ApiState;

/// Lists groups.
///
/// `filter`, `startIndex` and `count` are those of RFC 7644.
#[utoipa::path(get, path = "/Groups", tag = "scim", params(ScimListParameters),
    responses((status = 200, description = "A list response of SCIM."), (status = 400, body = ScimErrorResponse)))]
pub(in crate::api) async fn list(
    State(api): State<Arc<ApiState>>,
    _: ScimCaller,
    Query(which): Query<ScimListParameters>,
) -> Result<Response, ScimError> {
    let groups = run(&api, |meta| meta.provisioned_groups()).await?;
    let page = which.page(groups.into_iter().map(|group| group_resource(group, &api.public_url)))?;
    Ok(scim_response(StatusCode::OK, page))
}

/// Returns a group.
#[utoipa::path(get, path = "/Groups/{group}", tag = "scim", params(("group" = String, Path, description = "ID of the group."), ScimAttributeParameters),
    responses((status = 200, description = "The group."), (status = 404, body = ScimErrorResponse)))]
pub(in crate::api) async fn get(
    State(api): State<Arc<ApiState>>,
    _: ScimCaller,
    Path(group): Path<String>,
    Query(attributes): Query<ScimAttributeParameters>,
) -> Result<Response, ScimError> {
    let id = resource_id(&group, "group")?;
    let group = run(&api, move |meta| meta.provisioned_group(id)).await?;
    Ok(scim_response(StatusCode::OK, attributes.select(group_resource(group, &api.public_url))))
}

/// Creates a group.
///
/// The setting `sign_in.group_roles` says which roles the members of a group have.
#[utoipa::path(post, path = "/Groups", tag = "scim", request_body(content = serde_json::Value, content_type = "application/scim+json", description = "A group of SCIM."),
    responses((status = 201, description = "The group."), (status = 400, body = ScimErrorResponse), (status = 409, body = ScimErrorResponse)))]
pub(in crate::api) async fn create(State(api): State<Arc<ApiState>>, caller: ScimCaller, body: Bytes) -> Result<Response, ScimError> {
    let body = read_body(&body)?;
    let draft = group_draft(body.as_object().unwrap_or(&serde_json::Map::new()))?;
    let group = run(&api, move |meta| meta.create_provisioned_group(&draft)).await?;
    let details = json!({ "name": group.name, "members": group.members.len() });
    caller.record(&api, "scim.groups.create", format!("group {}", group.id), details).await;
    caller.apply_group_roles(&api, ids_of(&group).collect()).await?;
    Ok(scim_response(StatusCode::CREATED, group_resource(group, &api.public_url).into()))
}

/// Replaces a group with its members.
#[utoipa::path(put, path = "/Groups/{group}", tag = "scim", params(("group" = String, Path, description = "ID of the group.")),
    request_body(content = serde_json::Value, content_type = "application/scim+json", description = "A group of SCIM."),
    responses((status = 200, description = "The group."), (status = 400, body = ScimErrorResponse), (status = 404, body = ScimErrorResponse), (status = 409, body = ScimErrorResponse)))]
pub(in crate::api) async fn replace(
    State(api): State<Arc<ApiState>>,
    caller: ScimCaller,
    Path(group): Path<String>,
    body: Bytes,
) -> Result<Response, ScimError> {
    let id = resource_id(&group, "group")?;
    let body = read_body(&body)?;
    run(&api, move |meta| meta.provisioned_group(id)).await?;
    let draft = group_draft(body.as_object().unwrap_or(&serde_json::Map::new()))?;
    let after = updated(&api, &caller, id, draft).await?;
    Ok(scim_response(StatusCode::OK, group_resource(after, &api.public_url).into()))
}

/// Changes a group with the operations of SCIM: `add`, `replace` and `remove`.
#[utoipa::path(patch, path = "/Groups/{group}", tag = "scim", params(("group" = String, Path, description = "ID of the group.")),
    request_body(content = serde_json::Value, content_type = "application/scim+json", description = "A patch of SCIM."),
    responses((status = 204, description = "The group was changed."), (status = 400, body = ScimErrorResponse), (status = 404, body = ScimErrorResponse), (status = 409, body = ScimErrorResponse)))]
pub(in crate::api) async fn update(
    State(api): State<Arc<ApiState>>,
    caller: ScimCaller,
    Path(group): Path<String>,
    body: Bytes,
) -> Result<Response, ScimError> {
    let id = resource_id(&group, "group")?;
    let before = run(&api, move |meta| meta.provisioned_group(id)).await?;
    let mut resource = group_resource(before, &api.public_url);
    GROUP_ATTRIBUTES.apply(&read_body(&body)?, &mut resource)?;
    updated(&api, &caller, id, group_draft(&resource)?).await?;
    // Without the members, which may be many.
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Deletes a group. Its members lose the roles that it gives.
#[utoipa::path(delete, path = "/Groups/{group}", tag = "scim", params(("group" = String, Path, description = "ID of the group.")),
    responses((status = 204, description = "The group was deleted."), (status = 404, body = ScimErrorResponse)))]
pub(in crate::api) async fn delete(
    State(api): State<Arc<ApiState>>,
    caller: ScimCaller,
    Path(group): Path<String>,
) -> Result<Response, ScimError> {
    let id = resource_id(&group, "group")?;
    let group = run(&api, move |meta| meta.delete_provisioned_group(id)).await?;
    caller.record(&api, "scim.groups.delete", format!("group {id}"), json!({ "name": group.name })).await;
    caller.apply_group_roles(&api, ids_of(&group).collect()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Changes a group, records the change, and gives its members of before and after their roles.
async fn updated(api: &Arc<ApiState>, caller: &ScimCaller, id: i64, draft: ProvisionedGroupDraft) -> Result<ProvisionedGroup, ScimError> {
    let (before, after) = run(api, move |meta| meta.replace_provisioned_group(id, &draft)).await?;
    let is_in = |group: &ProvisionedGroup, id: i64| ids_of(group).any(|member| member == id);
    let added: Vec<i64> = ids_of(&after).filter(|id| !is_in(&before, *id)).collect();
    let removed: Vec<i64> = ids_of(&before).filter(|id| !is_in(&after, *id)).collect();
    let details = json!({ "name": { "before": before.name, "after": after.name }, "added": added, "removed": removed });
    caller.record(api, "scim.groups.update", format!("group {id}"), details).await;
    caller.apply_group_roles(api, ids_of(&before).chain(added).collect()).await?;
    Ok(after)
}

fn ids_of(group: &ProvisionedGroup) -> impl Iterator<Item = i64> {
    group.members.iter().map(|(id, _)| *id)
}
