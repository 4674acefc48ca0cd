//! Mapping rules: how a project reads the attributes of its own instrumentation.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::mapping::{MAPPABLE_FIELDS, MappableField, MappedValueType, MappedValueUnit, MappingRuleSet, MappingTrial};
use hinomi_tables::metadata::ProjectRecord;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::AuthorizedProject;
use super::permission::{Admin, Viewer};
use super::projects::run_change;
use super::{ApiError, ApiState};

/// Mapping rules of a project.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MappingView {
    /// Text of the rule file (TOML); empty if there are no rules.
    text: String,
    /// Number of rules.
    rules: usize,
    /// Fields that a rule can map.
    fields: Vec<MappableFieldView>,
}

/// A field that a rule can map.
#[derive(Debug, Serialize, ToSchema)]
struct MappableFieldView {
    /// Name of the field in the rule file.
    name: &'static str,
    /// Type of the value.
    value_type: MappedValueType,
    /// Units in which the client can send the value; the first unit is the default.
    units: Vec<MappedValueUnit>,
}

fn field_view(field: &MappableField) -> MappableFieldView {
    MappableFieldView { name: field.name, value_type: field.value_type, units: field.value_type.units().to_vec() }
}

fn mapping_view(project: &ProjectRecord) -> Json<MappingView> {
    let mapping = &project.mapping;
    Json(MappingView { text: mapping.text.clone(), rules: mapping.rules.len(), fields: MAPPABLE_FIELDS.iter().map(field_view).collect() })
}

/// Returns the mapping rules of a project, and the fields that a rule can map.
#[utoipa::path(get, path = "/projects/{project}/mapping", tag = "mapping", params(("project" = u64, Path, description = "ID of the project.")),
    responses((status = 200, body = MappingView)))]
pub(super) async fn get(State(api): State<Arc<ApiState>>, authorized: AuthorizedProject<Viewer>) -> Result<Json<MappingView>, ApiError> {
    Ok(mapping_view(&api.meta.project(authorized.project)?))
}

/// Rules that replace the rules of a project.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MappingRequest {
    /// Text of the rule file (TOML), at most 64 KiB; empty for no rules.
    text: String,
}

/// Replaces the mapping rules of a project.
///
/// The rules apply to spans of OpenTelemetry and Sentry that arrive from now on. Stored spans keep their fields.
#[utoipa::path(put, path = "/projects/{project}/mapping", tag = "mapping", params(("project" = u64, Path, description = "ID of the project.")), request_body = MappingRequest,
    responses((status = 200, body = MappingView), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn replace(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    body: Result<Json<MappingRequest>, JsonRejection>,
) -> Result<Json<MappingView>, ApiError> {
    let Json(MappingRequest { text }) = body?;
    let project = run_change(&api, move |meta| meta.set_mapping(authorized.project, &text)).await?;
    Ok(mapping_view(&project))
}

/// Rules to apply to a stored span.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MappingPreviewRequest {
    /// Text of the rule file (TOML).
    text: String,
    /// ID of the trace of the span: 32 hexadecimal digits.
    trace_id: String,
    /// ID of the span: 16 hexadecimal digits.
    span_id: String,
}

/// Previews the effect of mapping rules on a stored span.
///
/// Changes nothing. The response also contains the rules, the span and the result as a fixture for the tests of Hinomi. The fixture
/// contains the attributes of the span, which may be confidential.
#[utoipa::path(post, path = "/projects/{project}/mapping/preview", tag = "mapping", params(("project" = u64, Path, description = "ID of the project.")), request_body = MappingPreviewRequest,
    responses((status = 200, body = MappingTrial), (status = 400, body = super::error::ErrorResponse), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn preview(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    body: Result<Json<MappingPreviewRequest>, JsonRejection>,
) -> Result<Json<MappingTrial>, ApiError> {
    let Json(MappingPreviewRequest { text, trace_id, span_id }) = body?;
    // A file with many patterns takes a while to compile.
    let (rules, text) = tokio::task::spawn_blocking(move || (MappingRuleSet::from_text(&text), text)).await?;
    let rules = rules.map_err(|error| ApiError::bad_request("invalid_value", error.to_string()))?;
    let trace: TraceId = trace_id.parse().map_err(|_| ApiError::bad_request("invalid_value", "trace_id: must be 32 hexadecimal digits"))?;
    let span: SpanId = span_id.parse().map_err(|_| ApiError::bad_request("invalid_value", "span_id: must be 16 hexadecimal digits"))?;
    let stored = api.snapshot(authorized.project).stored_span(trace, span).await?.ok_or_else(|| ApiError::not_found("span"))?;
    let book = api.prices.book_of(authorized.project);
    Ok(Json(MappingTrial::of_stored_span(&text, &rules, &stored, &book)))
}
