//! Budgets of a project.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use hinomi_alerting::{AlertRecord, AlertService, Budget, BudgetGroupState, BudgetState, ForecastMethod};
use hinomi_model::api_time::rfc3339;
use hinomi_model::money::Usd;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::definitions::handlers;
use super::{MuteRequest, quiet_shown, read, with};
use crate::api::auth::AuthorizedProject;
use crate::api::params::QueryParameters;
use crate::api::permission::{Member, Viewer};
use crate::api::{ApiError, ApiState};

/// A budget and how it stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BudgetShown)]
pub(in crate::api) struct BudgetView {
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
    state: Option<BudgetStateView>,
}

/// How a budget stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BudgetState)]
pub(in crate::api) struct BudgetStateView {
    period_start: String,
    period_end: String,
    /// What is spent, as was observed: in dollars, tokens or calls. Of a budget with groups, by all of them.
    spent: f64,
    /// About how much it is with what clients left out by sampling, by the rates that they say: a call that came at a rate of 0.2 stands for
    /// five. Null where none samples. Nothing rings for it.
    estimated: Option<f64>,
    /// What is left; below zero when it is overdrawn. Null for a budget with groups.
    left: Option<f64>,
    /// Whether nothing is left; of a budget with groups, whether that is so for any of them.
    used_up: bool,
    /// Null while nothing can be said, and for groups.
    forecast: Option<BudgetForecast>,
    /// The groups that have spent most, at most 100 of them; null where there are no groups.
    groups: Option<Vec<BudgetGroupSpend>>,
}

/// What the period comes to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BudgetForecast)]
struct BudgetForecast {
    /// `weekly`: from the same hours of the same weekdays; `daily`: of other days; `linear`: from the pace so far.
    method: ForecastMethod,
    /// From how many earlier stretches it is made.
    samples: usize,
    /// The likely sum at the end of the period.
    expected: f64,
    /// Of ten such stretches nine brought more.
    low: f64,
    /// Of ten such stretches nine brought less.
    high: f64,
    /// Dollars at the end of the period if the current rate continues.
    projected: f64,
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
struct BudgetGroupSpend {
    /// Null where the spans do not say.
    key: Option<String>,
    spent: f64,
    /// As for the whole.
    estimated: Option<f64>,
    left: f64,
}

fn state_shown(state: &BudgetState) -> BudgetStateView {
    let groups = state.groups.as_ref();
    let largest = groups.map_or(state.spent, |groups| groups.first().map_or(0.0, |group| group.spent));
    BudgetStateView {
        period_start: rfc3339(state.from_us),
        period_end: rfc3339(state.to_us),
        spent: state.spent,
        estimated: estimated(state.spent, state.unsent),
        left: groups.is_none().then(|| left(state.amount, state.spent)),
        used_up: largest >= state.amount,
        forecast: state.forecast.as_ref().map(|forecast| BudgetForecast {
            method: forecast.method,
            samples: forecast.samples,
            expected: Usd::exactly(forecast.expected),
            low: Usd::exactly(forecast.low),
            high: Usd::exactly(forecast.high),
            projected: Usd::exactly(forecast.projected),
            usual_by_now: forecast.usual_by_now.map(Usd::exactly),
            runs_out_at: forecast.runs_out_us.map(rfc3339),
            runs_out_earliest_at: forecast.runs_out_earliest_us.map(rfc3339),
        }),
        groups: groups.map(|groups| groups.iter().take(100).map(|group| spent(group, state.amount)).collect()),
    }
}

fn spent(group: &BudgetGroupState, amount: f64) -> BudgetGroupSpend {
    let estimated = estimated(group.spent, group.unsent);
    BudgetGroupSpend { key: group.key.clone(), spent: group.spent, estimated, left: left(amount, group.spent) }
}

fn estimated(spent: f64, unsent: f64) -> Option<f64> {
    (unsent != 0.0).then(|| Usd::exactly(spent + unsent))
}

fn left(amount: f64, spent: f64) -> f64 {
    Usd::exactly(amount - spent)
}

/// Whose budget.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct BudgetUseParameters {
    /// The group, for a budget that has groups.
    group: Option<String>,
}

/// Whether a budget is used up.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct BudgetUse {
    used_up: bool,
    /// What was observed.
    spent: f64,
    /// About how much it is with what clients left out by sampling; null where none samples.
    estimated: Option<f64>,
    amount: f64,
    left: f64,
    period_start: String,
    period_end: String,
}

/// Whether a budget is used up, from memory: for gateways and programs that want to stop by themselves.
#[utoipa::path(get, path = "/projects/{project}/budgets/{name}/state", tag = "alerts",
    params(("project" = u64, Path), ("name" = String, Path, description = "The budget's name"), BudgetUseParameters),
    responses((status = 200, body = BudgetUse), (status = 404, body = crate::api::error::ErrorResponse),
    (status = 503, description = "it is there, and not counted yet", body = crate::api::error::ErrorResponse)))]
pub(in crate::api) async fn state(
    State(api): State<Arc<ApiState>>,
    of: AuthorizedProject<Viewer>,
    Path((_project, name)): Path<(String, String)>,
    QueryParameters(whose): QueryParameters<BudgetUseParameters>,
) -> Result<Json<BudgetUse>, ApiError> {
    let Some(state) = api.alerts.budget_state(of.project, &name) else {
        let budgets = with(&api, move |alerts| alerts.budgets(of.project)).await?;
        let is_there = budgets.iter().any(|budget| budget.what.name == name);
        return Err(if is_there { ApiError::not_yet("the budget is not counted yet") } else { ApiError::not_found("budget") });
    };
    let (spent, unsent) = match (&state.groups, whose.group) {
        (None, None) => (state.spent, state.unsent),
        (Some(groups), Some(wanted)) => {
            let found = groups.iter().find(|group| group.key.as_deref() == Some(&wanted));
            found.map_or((0.0, 0.0), |group| (group.spent, group.unsent))
        }
        (Some(_), None) => return Err(ApiError::bad_request("bad_parameter", "this budget has groups; say which: ?group=...")),
        (None, Some(_)) => return Err(ApiError::bad_request("bad_parameter", "this budget has no groups; leave out group")),
    };
    Ok(Json(BudgetUse {
        used_up: spent >= state.amount,
        spent,
        estimated: estimated(spent, unsent),
        amount: state.amount,
        left: left(state.amount, spent),
        period_start: rfc3339(state.from_us),
        period_end: rfc3339(state.to_us),
    }))
}

fn shown(alerts: &AlertService, kept: AlertRecord<Budget>) -> BudgetView {
    let state = alerts.budget_state(kept.project, &kept.what.name).filter(|state| state.id == kept.id);
    BudgetView {
        state: state.as_deref().map(state_shown),
        id: kept.id,
        project_id: kept.project,
        budget: kept.what,
        muted_until: quiet_shown(kept.muted_until_us),
        created_at: rfc3339(kept.created_us),
        updated_at: rfc3339(kept.updated_us),
    }
}

handlers!(
    "budget",
    Budget,
    BudgetView,
    Budgets,
    budgets,
    "/projects/{project}/alerts/budgets",
    "/projects/{project}/alerts/budgets/{id}",
    "/projects/{project}/alerts/budgets/{id}/mute",
    budgets,
    budget,
    create_budget,
    replace_budget,
    delete_budget,
    mute_budget
);
