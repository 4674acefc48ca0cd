//! Budgets of a project.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State as State_};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Quiet, quiet_shown, read, with};
use crate::alert::{Alerts, Budget, BudgetState, GroupState, Kept, Method};
use crate::api::access::Of;
use crate::api::ask::Asked;
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
    /// How it stands; null while it is not counted yet, or not enabled.
    state: Option<State>,
}

/// How a budget stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BudgetState)]
pub(in crate::api) struct State {
    period_start: String,
    period_end: String,
    /// What is spent, as was observed: in dollars, tokens or calls. Of a budget with groups, by all of them.
    spent: f64,
    /// What is left; below zero when it is overdrawn. Null for a budget with groups.
    left: Option<f64>,
    /// Whether nothing is left; of a budget with groups, whether that is so for any of them.
    used_up: bool,
    /// Null while nothing can be said, and for groups.
    forecast: Option<Outlook>,
    /// The groups that have spent most, at most 100 of them; null where there are no groups.
    groups: Option<Vec<Spent>>,
}

/// What the period comes to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BudgetForecast)]
struct Outlook {
    /// `weekly`: from the same hours of the same weekdays; `daily`: of other days; `linear`: from the pace so far.
    method: Method,
    /// From how many earlier stretches it is made.
    samples: usize,
    /// The likely sum at the end of the period.
    expected: f64,
    /// Of ten such stretches nine brought more.
    low: f64,
    /// Of ten such stretches nine brought less.
    high: f64,
    /// The sum at the end if what runs now goes on as it does.
    if_goes_on: f64,
    /// What is usually spent by now; null without history.
    usual_by_now: Option<f64>,
    /// When it is likely to be used up; null if not in this period, or if it is.
    runs_out_at: Option<String>,
    /// The same at the high edge.
    runs_out_earliest_at: Option<String>,
}

/// What a group has spent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BudgetGroup)]
struct Spent {
    /// Null where the spans do not say.
    key: Option<String>,
    spent: f64,
    left: f64,
}

fn state_shown(state: &BudgetState) -> State {
    let groups = state.groups.as_ref();
    let largest = groups.map_or(state.spent, |groups| groups.first().map_or(0.0, |group| group.spent));
    State {
        period_start: rfc3339(state.from_us),
        period_end: rfc3339(state.to_us),
        spent: state.spent,
        left: groups.is_none().then_some(state.amount - state.spent),
        used_up: largest >= state.amount,
        forecast: state.forecast.as_ref().map(|forecast| Outlook {
            method: forecast.method,
            samples: forecast.samples,
            expected: forecast.expected,
            low: forecast.low,
            high: forecast.high,
            if_goes_on: forecast.if_goes_on,
            usual_by_now: forecast.usual_by_now,
            runs_out_at: forecast.runs_out_us.map(rfc3339),
            runs_out_earliest_at: forecast.runs_out_earliest_us.map(rfc3339),
        }),
        groups: groups.map(|groups| groups.iter().take(100).map(|group| spent(group, state.amount)).collect()),
    }
}

fn spent(group: &GroupState, amount: f64) -> Spent {
    Spent { key: group.key.clone(), spent: group.spent, left: amount - group.spent }
}

/// Whose budget.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct Whose {
    /// The group, for a budget that has groups.
    group: Option<String>,
}

/// Whether a budget is used up.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BudgetUse)]
pub(in crate::api) struct Use {
    used_up: bool,
    spent: f64,
    amount: f64,
    left: f64,
    period_start: String,
    period_end: String,
}

/// Whether a budget is used up, from memory: for gateways and programs that want to stop by themselves.
#[utoipa::path(get, path = "/projects/{project}/budgets/{name}/state", tag = "alerts",
    params(("project" = u64, Path), ("name" = String, Path, description = "The budget's name"), Whose),
    responses((status = 200, body = Use), (status = 404, body = crate::api::error::Body)))]
pub(in crate::api) async fn state(
    State_(api): State_<Arc<Api>>,
    of: Of,
    Path((_project, name)): Path<(String, String)>,
    Asked(whose): Asked<Whose>,
) -> Result<Json<Use>, ApiError> {
    let state = api.alerts.budget_state(of.project, &name).ok_or_else(|| ApiError::not_found("budget"))?;
    let spent = match (&state.groups, whose.group) {
        (None, None) => state.spent,
        (Some(groups), Some(wanted)) => groups.iter().find(|group| group.key.as_deref() == Some(&wanted)).map_or(0.0, |group| group.spent),
        (Some(_), None) => return Err(ApiError::bad_request("bad_parameter", "this budget has groups; say which: ?group=...")),
        (None, Some(_)) => return Err(ApiError::bad_request("bad_parameter", "this budget has no groups; leave out group")),
    };
    Ok(Json(Use {
        used_up: spent >= state.amount,
        spent,
        amount: state.amount,
        left: state.amount - spent,
        period_start: rfc3339(state.from_us),
        period_end: rfc3339(state.to_us),
    }))
}

fn shown(alerts: &Alerts, kept: Kept<Budget>) -> Shown {
    let state = alerts.budget_state(kept.project, &kept.what.name).filter(|state| state.id == kept.id);
    Shown {
        state: state.as_deref().map(state_shown),
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
pub(in crate::api) async fn list(State_(api): State_<Arc<Api>>, of: Of) -> Result<Json<List>, ApiError> {
    let kept = with(&api, move |alerts| alerts.budgets(of.project)).await?;
    Ok(Json(List { budgets: kept.into_iter().map(|kept| shown(&api.alerts, kept)).collect() }))
}

/// Makes a budget.
#[utoipa::path(post, path = "/projects/{project}/alerts/budgets", tag = "alerts", params(("project" = u64, Path)), request_body = Budget,
    responses((status = 201, body = Shown), (status = 400, body = crate::api::error::Body)))]
pub(in crate::api) async fn create(
    State_(api): State_<Arc<Api>>,
    of: Of,
    body: Result<Json<Budget>, JsonRejection>,
) -> Result<(StatusCode, Json<Shown>), ApiError> {
    of.caller.check_admin()?;
    let budget = read(body)?;
    let kept = with(&api, move |alerts| alerts.create_budget(of.project, &budget)).await?;
    Ok((StatusCode::CREATED, Json(shown(&api.alerts, kept))))
}

/// One budget.
#[utoipa::path(get, path = "/projects/{project}/alerts/budgets/{budget}", tag = "alerts", params(("project" = u64, Path), ("budget" = i64, Path)),
    responses((status = 200, body = Shown), (status = 404, body = crate::api::error::Body)))]
pub(in crate::api) async fn get(
    State_(api): State_<Arc<Api>>,
    of: Of,
    Path((_project, id)): Path<(String, String)>,
) -> Result<Json<Shown>, ApiError> {
    let id = number(&id)?;
    Ok(Json(shown(&api.alerts, with(&api, move |alerts| alerts.budget(of.project, id)).await?)))
}

/// Puts another budget in its place. What is left out is at its default, as in a new one; its incidents stay.
#[utoipa::path(put, path = "/projects/{project}/alerts/budgets/{budget}", tag = "alerts", params(("project" = u64, Path), ("budget" = i64, Path)),
    request_body = Budget, responses((status = 200, body = Shown), (status = 400, body = crate::api::error::Body), (status = 404, body = crate::api::error::Body)))]
pub(in crate::api) async fn replace(
    State_(api): State_<Arc<Api>>,
    of: Of,
    Path((_project, id)): Path<(String, String)>,
    body: Result<Json<Budget>, JsonRejection>,
) -> Result<Json<Shown>, ApiError> {
    of.caller.check_admin()?;
    let (id, budget) = (number(&id)?, read(body)?);
    Ok(Json(shown(&api.alerts, with(&api, move |alerts| alerts.replace_budget(of.project, id, &budget)).await?)))
}

/// Takes a budget away. What it rang for stays, and is resolved.
#[utoipa::path(delete, path = "/projects/{project}/alerts/budgets/{budget}", tag = "alerts", params(("project" = u64, Path), ("budget" = i64, Path)),
    responses((status = 204, description = "taken away"), (status = 404, body = crate::api::error::Body)))]
pub(in crate::api) async fn delete(
    State_(api): State_<Arc<Api>>,
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
    State_(api): State_<Arc<Api>>,
    of: Of,
    Path((_project, id)): Path<(String, String)>,
    body: Result<Json<Quiet>, JsonRejection>,
) -> Result<Json<Shown>, ApiError> {
    of.caller.check_admin()?;
    let (id, until_us) = (number(&id)?, read(body)?.until_us()?);
    Ok(Json(shown(&api.alerts, with(&api, move |alerts| alerts.mute_budget(of.project, id, Some(until_us))).await?)))
}

/// People are told of the budget again. What is still open and was kept quiet is told at once.
#[utoipa::path(delete, path = "/projects/{project}/alerts/budgets/{budget}/mute", tag = "alerts", params(("project" = u64, Path), ("budget" = i64, Path)),
    responses((status = 200, body = Shown), (status = 404, body = crate::api::error::Body)))]
pub(in crate::api) async fn unmute(
    State_(api): State_<Arc<Api>>,
    of: Of,
    Path((_project, id)): Path<(String, String)>,
) -> Result<Json<Shown>, ApiError> {
    of.caller.check_admin()?;
    let id = number(&id)?;
    Ok(Json(shown(&api.alerts, with(&api, move |alerts| alerts.mute_budget(of.project, id, None)).await?)))
}
