//! Score definitions of a project.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use hinomi_model::score::ScoreDataType;
use hinomi_tables::scores::{DefinitionChange, ScoreCategory, ScoreDefinition, ScoreDefinitionDraft, ScoreDirection};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::audit_trail::{AuditDetails, audit_details};
use super::super::auth::AuthorizedProject;
use super::super::permission::{Admin, Viewer};
use super::super::{ApiError, ApiState, error};
use super::run_on_scores;

/// Score definitions of a project.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ScoreDefinitionList {
    /// Definitions by name.
    definitions: Vec<ScoreDefinitionView>,
}

/// A score definition.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ScoreDefinition)]
pub(in crate::api) struct ScoreDefinitionView {
    /// ID of the definition.
    id: String,
    /// Name of the scores.
    name: String,
    /// Type of their values.
    data_type: ScoreDataType,
    /// Smallest value of a numeric score; null for no limit.
    #[schema(required)]
    min: Option<f64>,
    /// Largest value of a numeric score; null for no limit.
    #[schema(required)]
    max: Option<f64>,
    /// Categories of a categorical score.
    categories: Vec<ScoreCategory>,
    /// Which end of the scale is good; null if neither is.
    #[schema(required)]
    better: Option<ScoreDirection>,
    /// Value from which a score is bad, away from the good end; null if no value is bad.
    #[schema(required)]
    bad_from: Option<f64>,
    /// Categories that are bad.
    bad_labels: Vec<String>,
    /// What the score means, for people who give it.
    description: String,
}

fn view(ScoreDefinition { id, draft }: ScoreDefinition) -> ScoreDefinitionView {
    let ScoreDefinitionDraft { name, data_type, min, max, categories, better, bad_from, bad_labels, description } = draft;
    ScoreDefinitionView { id, name, data_type, min, max, categories, better, bad_from, bad_labels, description }
}

/// Lists the score definitions of a project.
#[utoipa::path(get, path = "/projects/{project}/score-definitions", tag = "scores", params(("project" = u64, Path, description = "ID of the project.")),
    responses((status = 200, body = ScoreDefinitionList)))]
pub(in crate::api) async fn list(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
) -> Result<Json<ScoreDefinitionList>, ApiError> {
    let definitions = run_on_scores(&api, move |store| store.definitions(authorized.project)).await?;
    Ok(Json(ScoreDefinitionList { definitions: definitions.into_iter().map(view).collect() }))
}

/// Creates a score definition: type, range or categories of the scores with a name, which end is good, and which scores are bad.
#[utoipa::path(post, path = "/projects/{project}/score-definitions", tag = "scores", params(("project" = u64, Path, description = "ID of the project.")), request_body = ScoreDefinitionDraft,
    responses((status = 201, body = ScoreDefinitionView), (status = 400, body = error::ErrorResponse), (status = 409, body = error::ErrorResponse)))]
pub(in crate::api) async fn create(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    body: Result<Json<ScoreDefinitionDraft>, JsonRejection>,
) -> Result<(StatusCode, Extension<AuditDetails>, Json<ScoreDefinitionView>), ApiError> {
    let Json(draft) = body?;
    let (details, stored) = store(&api, authorized.project, None, draft).await?;
    Ok((StatusCode::CREATED, details, stored))
}

/// Replaces a score definition. Stored scores stay; their figures follow the new definition.
#[utoipa::path(put, path = "/projects/{project}/score-definitions/{definition}", tag = "scores", params(("project" = u64, Path, description = "ID of the project."), ("definition" = String, Path, description = "ID of the definition.")), request_body = ScoreDefinitionDraft,
    responses((status = 200, body = ScoreDefinitionView), (status = 400, body = error::ErrorResponse), (status = 404, body = error::ErrorResponse), (status = 409, body = error::ErrorResponse)))]
pub(in crate::api) async fn replace(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    Path((_project, definition)): Path<(String, String)>,
    body: Result<Json<ScoreDefinitionDraft>, JsonRejection>,
) -> Result<(Extension<AuditDetails>, Json<ScoreDefinitionView>), ApiError> {
    let Json(draft) = body?;
    store(&api, authorized.project, Some(definition), draft).await
}

async fn store(
    api: &ApiState,
    project: u64,
    id: Option<String>,
    draft: ScoreDefinitionDraft,
) -> Result<(Extension<AuditDetails>, Json<ScoreDefinitionView>), ApiError> {
    draft.check().map_err(|error| ApiError::bad_request("invalid_value", error.to_string()))?;
    match run_on_scores(api, move |store| store.store_definition(project, id.as_deref(), &draft)).await? {
        DefinitionChange::Stored(stored) => {
            let details = audit_details([("definition", stored.id.clone().into()), ("name", stored.draft.name.clone().into())]);
            Ok((details, Json(view(stored))))
        }
        DefinitionChange::NameTaken => Err(ApiError::conflict("name_taken", "another score definition of the project has this name")),
        DefinitionChange::TooMany => Err(ApiError::conflict("too_many_definitions", "the project already has 500 score definitions")),
        DefinitionChange::NotFound => Err(ApiError::not_found("score definition")),
    }
}

/// Deletes a score definition. Its scores stay.
#[utoipa::path(delete, path = "/projects/{project}/score-definitions/{definition}", tag = "scores", params(("project" = u64, Path, description = "ID of the project."), ("definition" = String, Path, description = "ID of the definition.")),
    responses((status = 204, description = "The definition was deleted."), (status = 404, body = error::ErrorResponse)))]
pub(in crate::api) async fn delete(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    Path((_project, definition)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let is_deleted = run_on_scores(&api, move |store| store.delete_definition(authorized.project, &definition)).await?;
    if is_deleted { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::not_found("score definition")) }
}
