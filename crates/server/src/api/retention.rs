//! Pinned traces, deletions and their receipts.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use hinomi_model::langfuse;
use hinomi_store::StoreError;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::{AuthorizedCaller, AuthorizedProject};
use super::params::QueryParameters;
use super::permission::{Admin, Member};
use super::{ApiError, ApiState};
use crate::retention;
use crate::retention::{DeletionPreview, DeletionReceipt, DeletionSubject, RetentionError};

/// Pins a trace so that it does not expire.
///
/// Only the disk budget and a manual deletion remove a pinned trace.
#[utoipa::path(put, path = "/projects/{project}/traces/{trace}/pin", tag = "traces",
    params(("project" = u64, Path, description = "ID of the project."), ("trace" = String, Path, description = "ID of the trace.")),
    responses((status = 204, description = "The trace is pinned."), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn pin(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Member>,
    Path((_project, trace)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let id = langfuse::trace_id(&trace);
    api.snapshot(authorized.project).trace(&id, None).await?.ok_or_else(|| ApiError::span_not_found("trace"))?;
    super::projects::run_change(&api, move |meta| meta.pin(authorized.project, id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Unpins a trace.
#[utoipa::path(delete, path = "/projects/{project}/traces/{trace}/pin", tag = "traces",
    params(("project" = u64, Path, description = "ID of the project."), ("trace" = String, Path, description = "ID of the trace.")),
    responses((status = 204, description = "The trace is not pinned.")))]
pub(super) async fn unpin(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Member>,
    Path((_project, trace)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let id = langfuse::trace_id(&trace);
    super::projects::run_change(&api, move |meta| meta.unpin(authorized.project, [id])).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes a trace with its error events, scores and log lines.
///
/// The data is removed from every file. Spans of the trace that arrive later are stored again. Responds with 404 if no data of the trace is
/// stored.
#[utoipa::path(delete, path = "/projects/{project}/traces/{trace}", tag = "deletion",
    params(("project" = u64, Path, description = "ID of the project."), ("trace" = String, Path, description = "ID of the trace.")),
    responses((status = 200, body = DeletionReceipt), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn delete_trace(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    Path((_project, trace)): Path<(String, String)>,
) -> Result<Json<DeletionReceipt>, ApiError> {
    let id = langfuse::trace_id(&trace);
    let looked_up = if id.to_string() == trace { String::new() } else { format!(" (ID {id})") };
    erase(&api, authorized.project, DeletionSubject::Trace(id), format!("trace {trace:?}{looked_up}")).await
}

/// Deletes the data of a user.
///
/// Deletes the spans with the user's ID, spans without a user ID in the same traces, and the error events, scores and log lines of these
/// traces. The data is removed from every file. Responds with 404 if no data of the user is stored.
#[utoipa::path(delete, path = "/projects/{project}/users/{user}", tag = "deletion",
    params(("project" = u64, Path, description = "ID of the project."), ("user" = String, Path, description = "ID of the user.")),
    responses((status = 200, body = DeletionReceipt), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn delete_user(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    Path((_project, user)): Path<(String, String)>,
) -> Result<Json<DeletionReceipt>, ApiError> {
    let named = format!("user {user:?}");
    erase(&api, authorized.project, DeletionSubject::User(user), named).await
}

/// Deletes a project with all its data.
///
/// The data is removed from every file. Project 1 itself is kept, without its data.
#[utoipa::path(delete, path = "/projects/{project}", tag = "deletion", params(("project" = u64, Path, description = "ID of the project.")),
    responses((status = 200, body = DeletionReceipt), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn delete_project(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
) -> Result<Json<DeletionReceipt>, ApiError> {
    erase(&api, authorized.project, DeletionSubject::Project, "project".to_owned()).await
}

/// Returns how much data the deletion of a trace would remove.
#[utoipa::path(get, path = "/projects/{project}/traces/{trace}/deletion", tag = "deletion",
    params(("project" = u64, Path, description = "ID of the project."), ("trace" = String, Path, description = "ID of the trace.")), responses((status = 200, body = DeletionPreview)))]
pub(super) async fn of_trace(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    Path((_project, trace)): Path<(String, String)>,
) -> Result<Json<DeletionPreview>, ApiError> {
    stored(&api, authorized.project, DeletionSubject::Trace(langfuse::trace_id(&trace))).await
}

/// Returns how much data a deletion of the user's data would remove.
#[utoipa::path(get, path = "/projects/{project}/users/{user}/deletion", tag = "deletion",
    params(("project" = u64, Path, description = "ID of the project."), ("user" = String, Path, description = "ID of the user.")), responses((status = 200, body = DeletionPreview)))]
pub(super) async fn of_user(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    Path((_project, user)): Path<(String, String)>,
) -> Result<Json<DeletionPreview>, ApiError> {
    stored(&api, authorized.project, DeletionSubject::User(user)).await
}

/// Returns how much data the deletion of a project would remove.
#[utoipa::path(get, path = "/projects/{project}/deletion", tag = "deletion", params(("project" = u64, Path, description = "ID of the project.")),
    responses((status = 200, body = DeletionPreview)))]
pub(super) async fn of_project(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
) -> Result<Json<DeletionPreview>, ApiError> {
    stored(&api, authorized.project, DeletionSubject::Project).await
}

async fn stored(api: &Arc<ApiState>, project: u64, subject: DeletionSubject) -> Result<Json<DeletionPreview>, ApiError> {
    match retention::count_stored(&api.retention_resources(), project, subject).await {
        Ok(stored) => Ok(Json(stored)),
        Err(RetentionError::Meta(error)) => Err(error.into()),
        Err(RetentionError::Query(error)) => Err(error.into()),
        Err(error) => Err(ApiError::internal(error)),
    }
}

async fn erase(api: &Arc<ApiState>, project: u64, subject: DeletionSubject, named: String) -> Result<Json<DeletionReceipt>, ApiError> {
    // It goes on when the client goes away: half a deletion has no receipt.
    let places = api.retention_resources();
    let work = tokio::spawn(async move { retention::erase_subject(&places, project, subject).await });
    match work.await? {
        Ok(receipt) => Ok(Json(receipt)),
        Err(RetentionError::Meta(error)) => Err(error.into()),
        Err(RetentionError::NotFound) => {
            Err(ApiError::not_found(&named).hint("Nothing was deleted. Compare the ID with the ID on the page."))
        }
        Err(error @ RetentionError::Store(StoreError::DiskFull { .. } | StoreError::Closed)) => {
            Err(ApiError::unavailable(error.to_string()))
        }
        Err(error) => Err(ApiError::internal(error)),
    }
}

/// Receipts of deletions.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeletionReceiptList {
    /// Receipts, the newest first, at most 1,000.
    deletions: Vec<DeletionReceipt>,
}

/// Selects deletion receipts.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DeletionReceiptParameters {
    /// User ID: only the receipts of deletions of this user are returned. Receipts hold a hash instead of the ID.
    user: Option<String>,
}

/// Lists the receipts of deletions.
///
/// Requires admin permission.
#[utoipa::path(get, path = "/deletions", tag = "deletion", params(DeletionReceiptParameters), responses((status = 200, body = DeletionReceiptList)))]
pub(super) async fn list(
    State(api): State<Arc<ApiState>>,
    _: AuthorizedCaller<Admin>,
    QueryParameters(which): QueryParameters<DeletionReceiptParameters>,
) -> Result<Json<DeletionReceiptList>, ApiError> {
    if let Some(user) = which.user {
        let deletions = super::projects::run_change(&api, move |meta| retention::receipts_of_user(meta, &user)).await?;
        return Ok(Json(DeletionReceiptList { deletions }));
    }
    let texts = super::projects::run_change(&api, |meta| meta.receipts()).await?;
    let deletions = texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
    Ok(Json(DeletionReceiptList { deletions }))
}

/// Confirms a pending deletion.
///
/// If unusually much data would expire at once, because retention was shortened or the clock jumped, the deletion is pending. The data is
/// deleted after this request, or after a grace period of seven days. `GET /system` describes the pending deletion. Requires admin
/// permission.
#[utoipa::path(post, path = "/retention/confirm", tag = "deletion",
    responses((status = 204, description = "The data is deleted within seconds."), (status = 404, description = "No deletion is pending.", body = super::error::ErrorResponse)))]
pub(super) async fn confirm(State(api): State<Arc<ApiState>>, _: AuthorizedCaller<Admin>) -> Result<StatusCode, ApiError> {
    let confirmed = super::projects::run_change(&api, retention::confirm_hold).await?;
    confirmed.map(|_| StatusCode::NO_CONTENT).ok_or_else(|| ApiError::not_found("pending deletion"))
}
