//! State of rules and budgets, from memory.

use std::sync::Arc;

use super::BudgetPeriodSpend;
use super::forecast::SpendForecast;
use super::metric_series::AlertGroupKey;
use super::prepared_rule::BudgetWatch;
use crate::delivery::notification::{AlertSeverity, BudgetPeriod};
use crate::rule::budget::Budget;
use crate::rule::metric::AlertMetric;

/// State of a rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RuleState {
    /// Current value; for a rule with groups, the value that is furthest beyond the threshold. `None` without data.
    pub value: Option<f64>,
    /// Number of open incidents.
    pub open_incidents: usize,
    /// Worst severity of the open incidents.
    pub severity: Option<AlertSeverity>,
}

/// State of a budget in the current period.
#[derive(Debug, Clone, PartialEq)]
pub struct BudgetState {
    /// ID of the budget.
    pub id: i64,
    /// Length of the period.
    pub period: BudgetPeriod,
    /// Metric that is limited.
    pub measure: AlertMetric,
    /// Amount, for the whole budget or for each group.
    pub amount: f64,
    /// Start of the period, in microseconds since the Unix epoch.
    pub from_us: i64,
    /// End of the period, in microseconds since the Unix epoch.
    pub to_us: i64,
    /// Spend so far; for a budget with groups, the sum of all groups.
    pub spent: f64,
    /// Estimated amount that clients did not send because of sampling, according to their sample rates. It is not included in `spent`.
    pub sampled_out: f64,
    /// Forecast of the period; `None` without data, and for groups.
    pub forecast: Option<SpendForecast>,
    /// Minute in which the forecast was computed, and the spend at that time.
    pub(crate) forecast_basis: (i64, f64),
    /// State of each group, the largest spend first; `None` without groups.
    pub groups: Option<Arc<Vec<BudgetGroupState>>>,
}

/// State of a group of a budget.
#[derive(Debug, Clone, PartialEq)]
pub struct BudgetGroupState {
    /// Value of the group; `None` for spans without a value.
    pub key: Option<String>,
    /// Spend of the group.
    pub spent: f64,
    /// Estimated amount that clients did not send because of sampling.
    pub sampled_out: f64,
}

impl BudgetGroupState {
    pub(crate) fn new(group: &AlertGroupKey, spent: f64, sampled_out: f64) -> BudgetGroupState {
        BudgetGroupState { key: group.to_notification_group(Some("")).and_then(|group| group.value), spent, sampled_out }
    }
}

impl BudgetState {
    pub(crate) fn new(
        watch: &BudgetWatch,
        &BudgetPeriodSpend { from_us, to_us, spent, sampled_out, .. }: &BudgetPeriodSpend,
        (forecast, forecast_basis): (Option<SpendForecast>, (i64, f64)),
        groups: Option<Arc<Vec<BudgetGroupState>>>,
    ) -> BudgetState {
        let Budget { period, measure, amount, .. } = watch.record.definition;
        let spent = groups.as_ref().map_or(spent, |groups| groups.iter().map(|group| group.spent).sum());
        let sampled_out = groups.as_ref().map_or(sampled_out, |groups| groups.iter().map(|group| group.sampled_out).sum());
        BudgetState { id: watch.record.id, period, measure, amount, from_us, to_us, spent, sampled_out, forecast, forecast_basis, groups }
    }
}
