//! How rules and budgets stand, from memory.

use std::sync::Arc;

use super::BudgetPeriodSpend;
use super::forecast::SpendForecast;
use super::metric_series::AlertGroupKey;
use super::prepared_rule::BudgetWatch;
use crate::delivery::notice::{AlertSeverity, BudgetPeriod};
use crate::rule::budget::Budget;
use crate::rule::metric::AlertMetric;

/// How a rule stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RuleState {
    /// Its figure now; of groups the one that is furthest out. `None` while there is none.
    pub value: Option<f64>,
    /// Incidents that are open.
    pub open: usize,
    /// How bad the worst of them is.
    pub severity: Option<AlertSeverity>,
}

/// How a budget stands.
#[derive(Debug, Clone, PartialEq)]
pub struct BudgetState {
    /// Its number.
    pub id: i64,
    /// What it says.
    pub period: BudgetPeriod,
    /// What is limited.
    pub measure: AlertMetric,
    /// How much, for the whole or for each group.
    pub amount: f64,
    /// Start of the period, microseconds since the Unix epoch.
    pub from_us: i64,
    /// Its end.
    pub to_us: i64,
    /// What is spent so far; of a budget with groups, by all of them.
    pub spent: f64,
    /// What clients are likely to have left out by sampling, by the rates that they say; in no sum above.
    pub unsent: f64,
    /// What the period comes to; `None` while nothing can be said, and for groups.
    pub forecast: Option<SpendForecast>,
    /// The minute in which it was made, and what was spent then.
    pub(crate) forecast_of: (i64, f64),
    /// Each group, the largest first; `None` where there are no groups.
    pub groups: Option<Arc<Vec<BudgetGroupState>>>,
}

/// How a group of a budget stands.
#[derive(Debug, Clone, PartialEq)]
pub struct BudgetGroupState {
    /// Which one; `None` where the spans do not say.
    pub key: Option<String>,
    /// What it has spent.
    pub spent: f64,
    /// What clients are likely to have left out by sampling.
    pub unsent: f64,
}

impl BudgetGroupState {
    pub(crate) fn new(group: &AlertGroupKey, spent: f64, unsent: f64) -> BudgetGroupState {
        BudgetGroupState { key: group.shown(Some("")).and_then(|group| group.value), spent, unsent }
    }
}

impl BudgetState {
    pub(crate) fn new(
        watch: &BudgetWatch,
        &BudgetPeriodSpend { from_us, to_us, spent, unsent, .. }: &BudgetPeriodSpend,
        (forecast, forecast_of): (Option<SpendForecast>, (i64, f64)),
        groups: Option<Arc<Vec<BudgetGroupState>>>,
    ) -> BudgetState {
        let Budget { period, measure, amount, .. } = watch.kept.what;
        let spent = groups.as_ref().map_or(spent, |groups| groups.iter().map(|group| group.spent).sum());
        let unsent = groups.as_ref().map_or(unsent, |groups| groups.iter().map(|group| group.unsent).sum());
        BudgetState { id: watch.kept.id, period, measure, amount, from_us, to_us, spent, unsent, forecast, forecast_of, groups }
    }
}
