//! SCIM 2.0 (RFC 7643 and 7644): an identity provider creates, changes and deactivates accounts, and states their groups.
//!
//! Requests have a token of their own kind, which has no access to the rest of the API, and bodies and errors in the form of SCIM. Users are
//! accounts of people; the setting `sign_in.group_roles` says which roles the members of a group have.

mod discovery;
mod error;
mod filter;
mod group_resource;
mod groups;
mod list;
mod patch;
mod user_resource;
mod users;

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hinomi_tables::audit_log::{AuditActor, AuditEvent};
use hinomi_tables::metadata::{ChangedRoles, MetadataError, MetadataStore};
use serde_json::{Map, Value, json};
use utoipa_axum::router::OpenApiRouter;

use super::auth::{ApiCaller, RequestOrigin, bearer};
use super::permission::{RequiredPermission, RoutePermission, permitted_routes};
use super::{ApiState, audit};
use crate::sign_in::roles_of_groups;
use error::ScimError;

/// Path of all routes.
pub(super) const SCIM_PREFIX: &str = "/scim/v2";

const SCIM_CONTENT_TYPE: &str = "application/scim+json";

/// Returns the routes.
pub(super) fn routes() -> OpenApiRouter<Arc<ApiState>> {
    permitted_routes!(OpenApiRouter::new();
        discovery::service_provider_config,
        discovery::resource_types,
        discovery::resource_type,
        discovery::schemas,
        discovery::schema,
        users::list,
        users::create,
        users::get,
        users::replace,
        users::update,
        users::delete,
        groups::list,
        groups::create,
        groups::get,
        groups::replace,
        groups::update,
        groups::delete,
    )
}

/// An identity provider with a valid SCIM token.
#[derive(Debug, Clone)]
pub(super) struct ScimCaller {
    actor: AuditActor,
}

impl FromRequestParts<Arc<ApiState>> for ScimCaller {
    type Rejection = ScimError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<ApiState>) -> Result<ScimCaller, ScimError> {
        let origin = RequestOrigin::of(parts);
        let found = bearer(&parts.headers).map(|secret| api.meta.scim_token(secret)).transpose()?.flatten();
        if let Some(token) = found {
            let name = format!("SCIM token {}", token.name);
            let credential = format!("token {}", token.token);
            return Ok(ScimCaller { actor: AuditActor { account_id: None, name, credential, address: origin.address() } });
        }
        let is_known = ApiCaller::from_request_parts(parts, api).await.is_ok();
        Err(if is_known { ScimError::forbidden() } else { ScimError::unauthorized() })
    }
}

impl RequiredPermission for ScimCaller {
    const PERMISSION: RoutePermission = RoutePermission::Provisioning;
}

impl ScimCaller {
    /// Records what the provider did.
    async fn record(&self, api: &Arc<ApiState>, action: &str, object: String, details: Value) {
        let details = details.as_object().cloned().unwrap_or_default().into_iter().collect();
        audit::record(api, AuditEvent { object, details, ..AuditEvent::new(self.actor.clone(), action) }).await;
    }

    /// Gives accounts the roles of their groups, if the configuration gives groups any, and records the changes.
    async fn apply_group_roles(&self, api: &Arc<ApiState>, accounts: Vec<i64>) -> Result<(), ScimError> {
        if api.group_roles.is_empty() || accounts.is_empty() {
            return Ok(());
        }
        let group_roles = api.group_roles.clone();
        let changed = run(api, move |meta| meta.apply_group_roles(&accounts, |groups| roles_of_groups(&group_roles, groups))).await?;
        for event in role_events(&self.actor, changed) {
            audit::record(api, event).await;
        }
        Ok(())
    }
}

/// Returns the entries of the audit log about changed roles.
pub(crate) fn role_events(actor: &AuditActor, changed: Vec<ChangedRoles>) -> Vec<AuditEvent> {
    let text = |access: &hinomi_tables::metadata::AccessGrant| {
        let projects: Map<String, Value> =
            access.projects.iter().map(|(project, role)| (project.to_string(), json!(role.name()))).collect();
        json!({ "role": access.server.map(|role| role.name()), "project_roles": projects })
    };
    let event = |change: ChangedRoles| {
        let object = format!("account {}", change.account);
        let changes = json!({ "before": text(&change.before), "after": text(&change.after) });
        AuditEvent { object, ..AuditEvent::new(actor.clone(), "accounts.role.update") }.detail("changes", changes)
    };
    changed.into_iter().map(event).collect()
}

/// Runs work on a thread that may block.
async fn run<T: Send + 'static>(
    api: &Arc<ApiState>,
    work: impl FnOnce(&MetadataStore) -> Result<T, MetadataError> + Send + 'static,
) -> Result<T, ScimError> {
    let meta = api.meta.clone();
    Ok(tokio::task::spawn_blocking(move || work(&meta)).await??)
}

/// Reads a body. Any content type is accepted: providers send `application/json` and `application/scim+json`.
fn read_body(body: &Bytes) -> Result<Value, ScimError> {
    let value: Value =
        serde_json::from_slice(body).map_err(|error| ScimError::invalid_syntax(format!("the body is not valid JSON: {error}")))?;
    if value.is_object() { Ok(value) } else { Err(ScimError::invalid_syntax("the body must be an object")) }
}

/// Returns a response of SCIM.
fn scim_response(status: StatusCode, body: Value) -> Response {
    let location = body.pointer("/meta/location").and_then(Value::as_str).and_then(|url| HeaderValue::from_str(url).ok());
    let mut response = (status, Json(body)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(SCIM_CONTENT_TYPE));
    if let Some(location) = location.filter(|_| status == StatusCode::CREATED) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Parses the ID of a resource. One that is not a number belongs to nothing.
fn resource_id(text: &str, what: &str) -> Result<i64, ScimError> {
    text.parse().map_err(|_| ScimError::not_found(what))
}
