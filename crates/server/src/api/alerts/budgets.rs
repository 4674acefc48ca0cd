//! Budgets of a project.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Quiet, quiet_shown, read, with};
use crate::alert::{Budget, Kept};
use crate::api::access::Of;
use crate::api::{Api, ApiError};
use crate::time::rfc3339;

/// A budget and how it stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BudgetShown)]
pub(in crate::api) struct Shown {
    id: i64,
    project_id: u64,
    #[serde(flatten)]
    #[schema(inline)]
    budget: Budget,
    /// Until when nobody is told; null while somebody is, `forever` without an end.
    muted_until: Option<String>,
    created_at: String,
    updated_at: String,
}

fn shown(kept: Kept<Budget>) -> Shown {
    Shown {
        id: kept.id,
        project_id: kept.project,
        budget: kept.what,
        muted_until: quiet_shown(kept.muted_until_us),
        created_at: rfc3339(kept.created_us),
        updated_at: rfc3339(kept.updated_us),
    }
}

/// All of them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Budgets)]
pub(in crate::api) struct List {
    budgets: Vec<Shown>,
}

fn number(text: &str) -> Result<i64, ApiError> {
    text.parse().map_err(|_| ApiError::not_found("budget"))
}

/// Lists budgets.
#[utoipa::path(get, path = "/projects/{project}/alerts/budgets", tag = "alerts", params(("project" = u64, Path)),
    responses((status = 200, body = List)))]
pub(in crate::api) async fn list(State(api): State<Arc<Api>>, of: Of) -> Result<Json<List>, ApiError> {
    let kept = with(&api, move |alerts| alerts.budgets(of.project)).await?;
    Ok(Json(List { budgets: kept.into_iter().map(shown).collect() }))
}

/// Makes a budget.
#[utoipa::path(post, path = "/projects/{project}/alerts/budgets", tag = "alerts", params(("project" = u64, Path)), request_body = Budget,
    responses((status = 201, body = Shown), (status = 400, body = crate::api::error::Body)))]
pub(in crate::api) async fn create(
    State(api): State<Arc<Api>>,
    of: Of,
    body: Result<Json<Budget>, JsonRejection>,
) -> Result<(StatusCode, Json<Shown>), ApiError> {
    of.caller.check_admin()?;
    let budget = read(body)?;
    let kept = with(&api, move |alerts| alerts.create_budget(of.project, &budget)).await?;
    Ok((StatusCode::CREATED, Json(shown(kept))))
}

/// One budget.
#[utoipa::path(get, path = "/projects/{project}/alerts/budgets/{budget}", tag = "alerts", params(("project" = u64, Path), ("budget" = i64, Path)),
    responses((status = 200, body = Shown), (status = 404, body = crate::api::error::Body)))]
pub(in crate::api) async fn get(
    State(api): State<Arc<Api>>,
    of: Of,
    Path((_project, id)): Path<(String, String)>,
) -> Result<Json<Shown>, ApiError> {
    let id = number(&id)?;
    Ok(Json(shown(with(&api, move |alerts| alerts.budget(of.project, id)).await?)))
}

/// Puts another budget in its place. What is left out is at its default, as in a new one; its incidents stay.
#[utoipa::path(put, path = "/projects/{project}/alerts/budgets/{budget}", tag = "alerts", params(("project" = u64, Path), ("budget" = i64, Path)),
    request_body = Budget, responses((status = 200, body = Shown), (status = 400, body = crate::api::error::Body), (status = 404, body = crate::api::error::Body)))]
pub(in crate::api) async fn replace(
    State(api): State<Arc<Api>>,
    of: Of,
    Path((_project, id)): Path<(String, String)>,
    body: Result<Json<Budget>, JsonRejection>,
) -> Result<Json<Shown>, ApiError> {
    of.caller.check_admin()?;
    let (id, budget) = (number(&id)?, read(body)?);
    Ok(Json(shown(with(&api, move |alerts| alerts.replace_budget(of.project, id, &budget)).await?)))
}

/// Takes a budget away. What it rang for stays, and is resolved.
#[utoipa::path(delete, path = "/projects/{project}/alerts/budgets/{budget}", tag = "alerts", params(("project" = u64, Path), ("budget" = i64, Path)),
    responses((status = 204, description = "taken away"), (status = 404, body = crate::api::error::Body)))]
pub(in crate::api) async fn delete(
    State(api): State<Arc<Api>>,
    of: Of,
    Path((_project, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    of.caller.check_admin()?;
    let id = number(&id)?;
    with(&api, move |alerts| alerts.delete_budget(of.project, id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Nobody is told of the budget for a while. It goes on measuring, and its incidents are kept.
#[utoipa::path(post, path = "/projects/{project}/alerts/budgets/{budget}/mute", tag = "alerts", params(("project" = u64, Path), ("budget" = i64, Path)),
    request_body = Quiet, responses((status = 200, body = Shown), (status = 404, body = crate::api::error::Body)))]
pub(in crate::api) async fn mute(
    State(api): State<Arc<Api>>,
    of: Of,
    Path((_project, id)): Path<(String, String)>,
    body: Result<Json<Quiet>, JsonRejection>,
) -> Result<Json<Shown>, ApiError> {
    of.caller.check_admin()?;
    let (id, until_us) = (number(&id)?, read(body)?.until_us()?);
    Ok(Json(shown(with(&api, move |alerts| alerts.mute_budget(of.project, id, Some(until_us))).await?)))
}

/// People are told of the budget again. What is still open and was kept quiet is told at once.
#[utoipa::path(delete, path = "/projects/{project}/alerts/budgets/{budget}/mute", tag = "alerts", params(("project" = u64, Path), ("budget" = i64, Path)),
    responses((status = 200, body = Shown), (status = 404, body = crate::api::error::Body)))]
pub(in crate::api) async fn unmute(
    State(api): State<Arc<Api>>,
    of: Of,
    Path((_project, id)): Path<(String, String)>,
) -> Result<Json<Shown>, ApiError> {
    of.caller.check_admin()?;
    let id = number(&id)?;
    Ok(Json(shown(with(&api, move |alerts| alerts.mute_budget(of.project, id, None)).await?)))
}
