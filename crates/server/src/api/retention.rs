//! What is kept longer, and what is deleted before its time.

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

/// Marks a trace: it stays, whatever its age. Only the disk budget and a deletion take it away.
#[utoipa::path(put, path = "/projects/{project}/traces/{trace}/pin", tag = "traces",
    params(("project" = u64, Path), ("trace" = String, Path)),
    responses((status = 204, description = "marked"), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn pin(
    State(api): State<Arc<ApiState>>,
    of: AuthorizedProject<Member>,
    Path((_project, trace)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let id = langfuse::trace_id(&trace);
    api.ask(of.project).trace(&id, None).await?.ok_or_else(|| ApiError::no_span("trace"))?;
    super::projects::change(&api, move |meta| meta.pin(of.project, id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes the mark away.
#[utoipa::path(delete, path = "/projects/{project}/traces/{trace}/pin", tag = "traces",
    params(("project" = u64, Path), ("trace" = String, Path)),
    responses((status = 204, description = "not marked any more")))]
pub(super) async fn unpin(
    State(api): State<Arc<ApiState>>,
    of: AuthorizedProject<Member>,
    Path((_project, trace)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let id = langfuse::trace_id(&trace);
    super::projects::change(&api, move |meta| meta.unpin(of.project, [id])).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes a trace with its errors, scores and lines of logs, from every file. What its programs send of it later is stored again. 404 when there is
/// nothing of it.
#[utoipa::path(delete, path = "/projects/{project}/traces/{trace}", tag = "deletion",
    params(("project" = u64, Path), ("trace" = String, Path)),
    responses((status = 200, body = DeletionReceipt), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn delete_trace(
    State(api): State<Arc<ApiState>>,
    of: AuthorizedProject<Admin>,
    Path((_project, trace)): Path<(String, String)>,
) -> Result<Json<DeletionReceipt>, ApiError> {
    let id = langfuse::trace_id(&trace);
    let looked_up = if id.to_string() == trace { String::new() } else { format!(", which stands for {id}") };
    erase(&api, of.project, DeletionSubject::Trace(id), format!("trace {trace:?}{looked_up}")).await
}

/// Deletes what a user did: the spans that name the user, those of the same traces that name nobody, and what belongs to these traces; from every
/// file. 404 when there is nothing of the user.
#[utoipa::path(delete, path = "/projects/{project}/users/{user}", tag = "deletion",
    params(("project" = u64, Path), ("user" = String, Path)),
    responses((status = 200, body = DeletionReceipt), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn delete_user(
    State(api): State<Arc<ApiState>>,
    of: AuthorizedProject<Admin>,
    Path((_project, user)): Path<(String, String)>,
) -> Result<Json<DeletionReceipt>, ApiError> {
    let named = format!("user {user:?}");
    erase(&api, of.project, DeletionSubject::User(user), named).await
}

/// Deletes a project with everything in it, from every file. Project 1 is emptied and stays.
#[utoipa::path(delete, path = "/projects/{project}", tag = "deletion", params(("project" = u64, Path)),
    responses((status = 200, body = DeletionReceipt), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn delete_project(
    State(api): State<Arc<ApiState>>,
    of: AuthorizedProject<Admin>,
) -> Result<Json<DeletionReceipt>, ApiError> {
    erase(&api, of.project, DeletionSubject::Project, "project".to_owned()).await
}

/// What deleting a trace would take away.
#[utoipa::path(get, path = "/projects/{project}/traces/{trace}/deletion", tag = "deletion",
    params(("project" = u64, Path), ("trace" = String, Path)), responses((status = 200, body = DeletionPreview)))]
pub(super) async fn of_trace(
    State(api): State<Arc<ApiState>>,
    of: AuthorizedProject<Admin>,
    Path((_project, trace)): Path<(String, String)>,
) -> Result<Json<DeletionPreview>, ApiError> {
    stored(&api, of.project, DeletionSubject::Trace(langfuse::trace_id(&trace))).await
}

/// What deleting a user would take away.
#[utoipa::path(get, path = "/projects/{project}/users/{user}/deletion", tag = "deletion",
    params(("project" = u64, Path), ("user" = String, Path)), responses((status = 200, body = DeletionPreview)))]
pub(super) async fn of_user(
    State(api): State<Arc<ApiState>>,
    of: AuthorizedProject<Admin>,
    Path((_project, user)): Path<(String, String)>,
) -> Result<Json<DeletionPreview>, ApiError> {
    stored(&api, of.project, DeletionSubject::User(user)).await
}

/// What deleting a project would take away.
#[utoipa::path(get, path = "/projects/{project}/deletion", tag = "deletion", params(("project" = u64, Path)),
    responses((status = 200, body = DeletionPreview)))]
pub(super) async fn of_project(State(api): State<Arc<ApiState>>, of: AuthorizedProject<Admin>) -> Result<Json<DeletionPreview>, ApiError> {
    stored(&api, of.project, DeletionSubject::Project).await
}

async fn stored(api: &Arc<ApiState>, project: u64, subject: DeletionSubject) -> Result<Json<DeletionPreview>, ApiError> {
    match retention::stored(&api.places(), project, subject).await {
        Ok(stored) => Ok(Json(stored)),
        Err(RetentionError::Meta(error)) => Err(error.into()),
        Err(RetentionError::Query(error)) => Err(error.into()),
        Err(error) => Err(ApiError::internal(error)),
    }
}

async fn erase(api: &Arc<ApiState>, project: u64, subject: DeletionSubject, named: String) -> Result<Json<DeletionReceipt>, ApiError> {
    // It goes on when the client goes away: half a deletion has no receipt.
    let places = api.places();
    let work = tokio::spawn(async move { retention::erase(&places, project, subject).await });
    match work.await? {
        Ok(receipt) => Ok(Json(receipt)),
        Err(RetentionError::Meta(error)) => Err(error.into()),
        Err(RetentionError::Nothing) => {
            Err(ApiError::not_found(&named)
                .hint("Nothing was deleted. An id is looked up as it is sent: compare it with what is shown of it."))
        }
        Err(error @ RetentionError::Store(StoreError::DiskFull { .. } | StoreError::Closed)) => {
            Err(ApiError::unavailable(error.to_string()))
        }
        Err(error) => Err(ApiError::internal(error)),
    }
}

/// Receipts.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeletionReceiptList {
    /// The newest first, at most 1000.
    deletions: Vec<DeletionReceipt>,
}

/// Which receipts.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DeletionReceiptParameters {
    /// Only those of this user, whom a receipt names by a hash alone.
    user: Option<String>,
}

/// What was deleted before its time, with a receipt for each. For those who may see all projects.
#[utoipa::path(get, path = "/deletions", tag = "deletion", params(DeletionReceiptParameters), responses((status = 200, body = DeletionReceiptList)))]
pub(super) async fn list(
    State(api): State<Arc<ApiState>>,
    _: AuthorizedCaller<Admin>,
    QueryParameters(which): QueryParameters<DeletionReceiptParameters>,
) -> Result<Json<DeletionReceiptList>, ApiError> {
    if let Some(user) = which.user {
        let deletions = super::projects::change(&api, move |meta| retention::receipts_of_user(meta, &user)).await?;
        return Ok(Json(DeletionReceiptList { deletions }));
    }
    let texts = super::projects::change(&api, |meta| meta.receipts()).await?;
    let deletions = texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
    Ok(Json(DeletionReceiptList { deletions }))
}

/// Lets what waits be deleted: what settings that keep less than before, or a clock that has jumped, would take away at once. `GET /system` says what
/// waits. For those who may see all projects.
#[utoipa::path(post, path = "/retention/confirm", tag = "deletion",
    responses((status = 204, description = "it is deleted within seconds"), (status = 404, description = "nothing waits", body = super::error::ErrorResponse)))]
pub(super) async fn confirm(State(api): State<Arc<ApiState>>, _: AuthorizedCaller<Admin>) -> Result<StatusCode, ApiError> {
    let confirmed = super::projects::change(&api, retention::confirm).await?;
    confirmed.map(|_| StatusCode::NO_CONTENT).ok_or_else(|| ApiError::not_found("deletion that waits"))
}
