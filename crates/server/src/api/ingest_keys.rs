//! Ingest keys of a project: their limits and their rotation.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use hinomi_model::api_time::rfc3339;
use hinomi_tables::metadata::{IngestKey, IngestKeyLimits, IngestKeyPatch};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::AuthorizedProject;
use super::middleware::audit_trail::{AuditDetails, audit_details};
use super::permission::{Admin, Viewer};
use super::projects::{deserialize_present, run_change};
use super::{ApiError, ApiState};
use crate::query_parameters::{parse_lifetime, parse_time};

/// An ingest key. Programs send data with it; it cannot read.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IngestKeyView {
    /// ID of the key.
    id: i64,
    /// The key as programs send it: 32 lower-case hexadecimal digits.
    public_key: String,
    /// Name of the key.
    name: String,
    /// True if the key was replaced and is no longer accepted.
    disabled: bool,
    /// Time until which the key is accepted (RFC 3339); null for no end.
    #[schema(required)]
    expires_at: Option<String>,
    /// Maximum number of items (spans, error events, log records, metric points and scores) per minute; null for no limit.
    #[schema(required)]
    items_per_minute: Option<u64>,
    /// Maximum number of bytes of request bodies, as they are sent, per day in UTC; null for no limit.
    #[schema(required)]
    bytes_per_day: Option<u64>,
    /// Origins of web pages that may send, such as `https://*.example.com`; empty for any. Programs outside of browsers name no origin.
    allowed_origins: Vec<String>,
    /// Bytes that were received with the key today in UTC.
    bytes_today: u64,
    /// Time at which the key was created (RFC 3339).
    created_at: String,
    /// Time of the last use (RFC 3339), accurate to about a minute; null if the key has never been used.
    #[schema(required)]
    last_used_at: Option<String>,
}

fn key_view(api: &ApiState, key: &IngestKey) -> IngestKeyView {
    let now_us = jiff::Timestamp::now().as_microsecond();
    let IngestKeyLimits { items_per_minute, bytes_per_day, allowed_origins } = key.limits.clone();
    IngestKeyView {
        id: key.id,
        public_key: key.public_key.clone(),
        name: key.name.clone(),
        disabled: key.is_expired(now_us),
        expires_at: key.expires_us.map(rfc3339),
        items_per_minute,
        bytes_per_day,
        allowed_origins,
        bytes_today: api.key_usage.bytes_today(key, now_us),
        created_at: rfc3339(key.created_us),
        last_used_at: key.last_used_us.map(rfc3339),
    }
}

/// Ingest keys of a project.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IngestKeyList {
    /// Ingest keys, the oldest first.
    keys: Vec<IngestKeyView>,
}

/// Lists the ingest keys of a project.
#[utoipa::path(get, path = "/projects/{project}/keys", tag = "projects", params(("project" = u64, Path, description = "ID of the project.")), responses((status = 200, body = IngestKeyList)))]
pub(super) async fn list(State(api): State<Arc<ApiState>>, authorized: AuthorizedProject<Viewer>) -> Json<IngestKeyList> {
    let directory = api.meta.directory();
    Json(IngestKeyList { keys: directory.keys_of(authorized.project).into_iter().map(|key| key_view(&api, key)).collect() })
}

/// A new ingest key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IngestKeyRequest {
    /// Name of 1 to 100 characters.
    name: String,
    /// Maximum number of items per minute; left out for no limit.
    items_per_minute: Option<u64>,
    /// Maximum number of bytes of request bodies per day in UTC; left out for no limit.
    bytes_per_day: Option<u64>,
    /// Origins of web pages that may send, such as `https://*.example.com`; left out for any.
    #[serde(default)]
    allowed_origins: Vec<String>,
}

/// Creates an ingest key.
#[utoipa::path(post, path = "/projects/{project}/keys", tag = "projects", params(("project" = u64, Path, description = "ID of the project.")), request_body = IngestKeyRequest,
    responses((status = 201, body = IngestKeyView), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn create(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    body: Result<Json<IngestKeyRequest>, JsonRejection>,
) -> Result<(StatusCode, Extension<AuditDetails>, Json<IngestKeyView>), ApiError> {
    let Json(IngestKeyRequest { name, items_per_minute, bytes_per_day, allowed_origins }) = body?;
    let limits = IngestKeyLimits { items_per_minute, bytes_per_day, allowed_origins };
    let key = run_change(&api, move |meta| meta.create_key(authorized.project, &name, &limits)).await?;
    let details = audit_details([("key_id", key.id.into()), ("name", key.name.clone().into())]);
    Ok((StatusCode::CREATED, details, Json(key_view(&api, &key))))
}

/// Changes to an ingest key. Fields that are left out keep their value.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IngestKeyUpdateRequest {
    /// Name of 1 to 100 characters.
    name: Option<String>,
    /// Maximum number of items per minute; null for no limit.
    #[serde(default, deserialize_with = "deserialize_present")]
    #[schema(value_type = Option<u64>)]
    items_per_minute: Option<Option<u64>>,
    /// Maximum number of bytes of request bodies per day in UTC; null for no limit.
    #[serde(default, deserialize_with = "deserialize_present")]
    #[schema(value_type = Option<u64>)]
    bytes_per_day: Option<Option<u64>>,
    /// Origins of web pages that may send; empty for any.
    allowed_origins: Option<Vec<String>>,
    /// Time until which the key is accepted: RFC 3339, or Unix seconds; null for no end.
    #[serde(default, deserialize_with = "deserialize_present")]
    #[schema(value_type = Option<String>)]
    expires_at: Option<Option<String>>,
}

/// Changes the name, the limits or the end of an ingest key.
///
/// Limits apply to the next request. A request over a limit gets status 429 with `Retry-After`, and is counted as an outcome.
#[utoipa::path(patch, path = "/projects/{project}/keys/{key}", tag = "projects", params(("project" = u64, Path, description = "ID of the project."), ("key" = i64, Path, description = "ID of the ingest key.")), request_body = IngestKeyUpdateRequest,
    responses((status = 200, body = IngestKeyView), (status = 400, body = super::error::ErrorResponse), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn update(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    Path((_project, key)): Path<(String, String)>,
    body: Result<Json<IngestKeyUpdateRequest>, JsonRejection>,
) -> Result<(Extension<AuditDetails>, Json<IngestKeyView>), ApiError> {
    let Json(IngestKeyUpdateRequest { name, items_per_minute, bytes_per_day, allowed_origins, expires_at }) = body?;
    let id = key_id(&key)?;
    let expires_us = expires_at.map(|time| time.map(|text| time_of("expires_at", &text)).transpose()).transpose()?;
    let key = run_change(&api, move |meta| {
        let mut limits = meta.project_key(authorized.project, id)?.limits;
        limits.items_per_minute = items_per_minute.unwrap_or(limits.items_per_minute);
        limits.bytes_per_day = bytes_per_day.unwrap_or(limits.bytes_per_day);
        limits.allowed_origins = allowed_origins.unwrap_or(limits.allowed_origins);
        meta.update_key(authorized.project, id, &IngestKeyPatch { name, limits: Some(limits), expires_us })
    })
    .await?;
    let limits = &key.limits;
    let details = audit_details([
        ("items_per_minute", limits.items_per_minute.into()),
        ("bytes_per_day", limits.bytes_per_day.into()),
        ("allowed_origins", limits.allowed_origins.clone().into()),
    ]);
    Ok((details, Json(key_view(&api, &key))))
}

/// How long a replaced ingest key is still accepted: one of the two fields.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IngestKeyRotationRequest {
    /// Time until which the old key is accepted: RFC 3339, or Unix seconds.
    old_key_expires_at: Option<String>,
    /// Time for which the old key is accepted, such as `12h`, `7d` or `4w`.
    old_key_expires_in: Option<String>,
}

/// A replaced ingest key, and the new one.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RotatedIngestKey {
    /// The new key.
    key: IngestKeyView,
    /// The old key, which is accepted until `expires_at`.
    old_key: IngestKeyView,
}

/// Replaces an ingest key.
///
/// The new key has the name and the limits of the old one, each key for itself. The DSN of the project has the new key at once.
#[utoipa::path(post, path = "/projects/{project}/keys/{key}/rotate", tag = "projects", params(("project" = u64, Path, description = "ID of the project."), ("key" = i64, Path, description = "ID of the ingest key.")), request_body = IngestKeyRotationRequest,
    responses((status = 201, body = RotatedIngestKey), (status = 400, body = super::error::ErrorResponse), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn rotate(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    Path((_project, key)): Path<(String, String)>,
    body: Result<Json<IngestKeyRotationRequest>, JsonRejection>,
) -> Result<(StatusCode, Extension<AuditDetails>, Json<RotatedIngestKey>), ApiError> {
    let Json(IngestKeyRotationRequest { old_key_expires_at, old_key_expires_in }) = body?;
    let id = key_id(&key)?;
    let expires_us = match (old_key_expires_at, old_key_expires_in) {
        (Some(text), None) => time_of("old_key_expires_at", &text)?,
        (None, Some(text)) => {
            let lifetime = parse_lifetime(&text);
            let lifetime = lifetime.map_err(|hint| ApiError::bad_request("invalid_value", format!("old_key_expires_in: {hint}")))?;
            jiff::Timestamp::now().as_microsecond().saturating_add(i64::try_from(lifetime.as_micros()).unwrap_or(i64::MAX))
        }
        _ => return Err(ApiError::bad_request("invalid_body", "send either `old_key_expires_at` or `old_key_expires_in`")),
    };
    let (key, old_key) = run_change(&api, move |meta| meta.rotate_key(authorized.project, id, expires_us)).await?;
    let details = audit_details([("key_id", key.id.into()), ("old_key_expires_at", rfc3339(expires_us).into())]);
    Ok((StatusCode::CREATED, details, Json(RotatedIngestKey { key: key_view(&api, &key), old_key: key_view(&api, &old_key) })))
}

/// Deletes an ingest key.
///
/// Data that is sent with the key is rejected from then on.
#[utoipa::path(delete, path = "/projects/{project}/keys/{key}", tag = "projects", params(("project" = u64, Path, description = "ID of the project."), ("key" = i64, Path, description = "ID of the ingest key.")),
    responses((status = 204, description = "The key was deleted."), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn delete(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    Path((_project, key)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let key = key_id(&key)?;
    run_change(&api, move |meta| meta.delete_key(authorized.project, key)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn key_id(text: &str) -> Result<i64, ApiError> {
    text.parse().map_err(|_| ApiError::not_found("key"))
}

fn time_of(name: &str, text: &str) -> Result<i64, ApiError> {
    let time = parse_time(text, jiff::Timestamp::now().as_microsecond());
    time.ok_or_else(|| ApiError::bad_request("invalid_value", format!("{name}: \"{text}\" is not a time")))
}
