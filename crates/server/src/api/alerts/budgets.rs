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
use super::{MuteRequest, muted_until, parsed_body, run_blocking, sent_whole};
use crate::api::auth::AuthorizedProject;
use crate::api::params::QueryParameters;
use crate::api::permission::{Member, Viewer};
use crate::api::{ApiError, ApiState};

/// A budget and its current state.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BudgetShown)]
pub(in crate::api) struct BudgetView {
    /// ID of the budget.
    id: i64,
    /// ID of the project.
    project_id: u64,
    // A description of this field would wrap its fields once more.
    #[serde(flatten)]
    #[schema(schema_with = sent_whole::<Budget>)]
    budget: Budget,
    /// Time until which notifications are muted (RFC 3339), or `forever`; null if the budget is not muted.
    #[schema(required)]
    muted_until: Option<String>,
    /// Time at which the budget was created (RFC 3339).
    created_at: String,
    /// Time of the last change of the budget (RFC 3339).
    updated_at: String,
    /// State of the budget in the current period; null if it has not been evaluated yet or is not enabled.
    #[schema(required)]
    state: Option<BudgetStateView>,
}

/// State of a budget in the current period. Amounts are in US dollars, tokens or calls, according to the measure of the budget.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BudgetState)]
pub(in crate::api) struct BudgetStateView {
    /// Start of the current period (RFC 3339).
    period_start: String,
    /// End of the current period, exclusive (RFC 3339).
    period_end: String,
    /// Amount observed so far in the period; for a budget with groups, the sum of all groups.
    spent: f64,
    /// Estimated amount that includes traces that clients did not send because of sampling. It is extrapolated from the sample rates that
    /// the clients report. Null if no client samples. Alerts never use this estimate.
    #[schema(required)]
    estimated: Option<f64>,
    /// Amount that is left, negative if the budget is exceeded; null for a budget with groups.
    #[schema(required)]
    left: Option<f64>,
    /// True if nothing is left; for a budget with groups, true if nothing is left for at least one group.
    used_up: bool,
    /// Forecast for the end of the period; null if there is not enough data yet, and for a budget with groups.
    #[schema(required)]
    forecast: Option<BudgetForecast>,
    /// Groups that have spent the most, at most 100, in descending order; null for a budget without groups.
    #[schema(required)]
    groups: Option<Vec<BudgetGroupSpend>>,
}

/// Forecast of the amount at the end of a period, in the unit of the budget.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BudgetForecast)]
struct BudgetForecast {
    /// How the forecast was computed: `weekly` from the same hours of the same weekdays, `daily` from the same hours of other days,
    /// `linear` from the pace of the period so far.
    method: ForecastMethod,
    /// Number of earlier periods that the forecast is based on.
    samples: usize,
    /// Expected amount at the end of the period.
    expected: f64,
    /// Lower bound: nine of ten comparable periods exceeded this amount.
    low: f64,
    /// Upper bound: nine of ten comparable periods did not exceed this amount.
    high: f64,
    /// Amount at the end of the period if spending continues as in the last three hours.
    projected: f64,
    /// Amount that is usually spent by this time of the period; null without history.
    #[schema(required)]
    usual_by_now: Option<f64>,
    /// Time at which the budget is expected to be used up (RFC 3339); null if this is not expected within the period, or if the budget is
    /// already used up.
    #[schema(required)]
    runs_out_at: Option<String>,
    /// Time at which the budget is used up if spending follows the high estimate (RFC 3339); null if this time is not within the period, or
    /// if the budget is already used up.
    #[schema(required)]
    runs_out_earliest_at: Option<String>,
}

/// Amount that one group of a budget has spent in the current period.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BudgetGroup)]
struct BudgetGroupSpend {
    /// Value of the property that the budget groups by; null for spans without it.
    #[schema(required)]
    key: Option<String>,
    /// Amount observed so far, in US dollars, tokens or calls.
    spent: f64,
    /// Estimated amount that includes traces that clients did not send because of sampling; null if no client samples.
    #[schema(required)]
    estimated: Option<f64>,
    /// Amount that is left, negative if the group has exceeded the budget.
    left: f64,
}

fn state_view(state: &BudgetState) -> BudgetStateView {
    let groups = state.groups.as_ref();
    let largest = groups.map_or(state.spent, |groups| groups.first().map_or(0.0, |group| group.spent));
    BudgetStateView {
        period_start: rfc3339(state.from_us),
        period_end: rfc3339(state.to_us),
        spent: state.spent,
        estimated: estimated(state.spent, state.sampled_out),
        left: groups.is_none().then(|| remaining(state.amount, state.spent)),
        used_up: largest >= state.amount,
        forecast: state.forecast.as_ref().map(|forecast| BudgetForecast {
            method: forecast.method,
            samples: forecast.samples,
            expected: Usd::round_to_units(forecast.expected),
            low: Usd::round_to_units(forecast.low),
            high: Usd::round_to_units(forecast.high),
            projected: Usd::round_to_units(forecast.projected),
            usual_by_now: forecast.usual_by_now.map(Usd::round_to_units),
            runs_out_at: forecast.runs_out_us.map(rfc3339),
            runs_out_earliest_at: forecast.runs_out_earliest_us.map(rfc3339),
        }),
        groups: groups.map(|groups| groups.iter().take(100).map(|group| spent(group, state.amount)).collect()),
    }
}

fn spent(group: &BudgetGroupState, amount: f64) -> BudgetGroupSpend {
    let estimated = estimated(group.spent, group.sampled_out);
    BudgetGroupSpend { key: group.key.clone(), spent: group.spent, estimated, left: remaining(amount, group.spent) }
}

fn estimated(spent: f64, unsent: f64) -> Option<f64> {
    (unsent != 0.0).then(|| Usd::round_to_units(spent + unsent))
}

fn remaining(amount: f64, spent: f64) -> f64 {
    Usd::round_to_units(amount - spent)
}

/// Selects the group of a budget.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct BudgetUseParameters {
    /// Value of the property that the budget groups by, such as a user ID. Required for a budget with groups, not allowed for a budget
    /// without groups.
    group: Option<String>,
}

/// Use of a budget in the current period. Amounts are in US dollars, tokens or calls, according to the measure of the budget.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct BudgetUse {
    /// True if nothing is left.
    used_up: bool,
    /// Amount observed so far in the period.
    spent: f64,
    /// Estimated amount that includes traces that clients did not send because of sampling; null if no client samples.
    #[schema(required)]
    estimated: Option<f64>,
    /// Amount that may be spent in the period.
    amount: f64,
    /// Amount that is left, negative if the budget is exceeded.
    left: f64,
    /// Start of the current period (RFC 3339).
    period_start: String,
    /// End of the current period, exclusive (RFC 3339).
    period_end: String,
}

/// Returns whether a budget is used up.
///
/// The server responds from memory, so gateways and programs can check a budget before each call.
#[utoipa::path(get, path = "/projects/{project}/budgets/{name}/state", tag = "alerts",
    params(("project" = u64, Path, description = "ID of the project."), ("name" = String, Path, description = "Name of the budget."), BudgetUseParameters),
    responses((status = 200, body = BudgetUse), (status = 404, body = crate::api::error::ErrorResponse),
    (status = 503, description = "The budget has not been evaluated yet.", body = crate::api::error::ErrorResponse)))]
pub(in crate::api) async fn state(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    Path((_project, name)): Path<(String, String)>,
    QueryParameters(whose): QueryParameters<BudgetUseParameters>,
) -> Result<Json<BudgetUse>, ApiError> {
    let Some(state) = api.alerts.budget_state(authorized.project, &name) else {
        let budgets = run_blocking(&api, move |alerts| alerts.budgets(authorized.project)).await?;
        let is_there = budgets.iter().any(|budget| budget.definition.name == name);
        return Err(if is_there { ApiError::not_computed_yet("budget has not been evaluated yet") } else { ApiError::not_found("budget") });
    };
    let (spent, unsent) = match (&state.groups, whose.group) {
        (None, None) => (state.spent, state.sampled_out),
        (Some(groups), Some(wanted)) => {
            let found = groups.iter().find(|group| group.key.as_deref() == Some(&wanted));
            found.map_or((0.0, 0.0), |group| (group.spent, group.sampled_out))
        }
        (Some(_), None) => return Err(ApiError::bad_request("bad_parameter", "parameter \"group\" is required for a budget with groups")),
        (None, Some(_)) => {
            return Err(ApiError::bad_request("bad_parameter", "parameter \"group\" is not allowed for a budget without groups"));
        }
    };
    Ok(Json(BudgetUse {
        used_up: spent >= state.amount,
        spent,
        estimated: estimated(spent, unsent),
        amount: state.amount,
        left: remaining(state.amount, spent),
        period_start: rfc3339(state.from_us),
        period_end: rfc3339(state.to_us),
    }))
}

fn view_of(alerts: &AlertService, record: AlertRecord<Budget>) -> BudgetView {
    let state = alerts.budget_state(record.project, &record.definition.name).filter(|state| state.id == record.id);
    BudgetView {
        state: state.as_deref().map(state_view),
        id: record.id,
        project_id: record.project,
        budget: record.definition,
        muted_until: muted_until(record.muted_until_us),
        created_at: rfc3339(record.created_us),
        updated_at: rfc3339(record.updated_us),
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
