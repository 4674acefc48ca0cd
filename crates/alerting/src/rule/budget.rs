//! Budgets: an amount per calendar day, week or month in a time zone.

use jiff::civil::Weekday;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::metric::{AlertMetric, MetricFormula};
use super::{NotificationPolicy, check_filter, check_group, check_name, check_zone};
use crate::delivery::notification::BudgetPeriod;
use crate::error::{AlertError, invalid};

const DEFAULT_MAX_GROUPS: u32 = 1000;
const MAX_STEPS: usize = 20;

/// First day of a week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WeekStart {
    /// Weeks start on Monday.
    #[default]
    Monday,
    /// Weeks start on Sunday.
    Sunday,
    /// Weeks start on Saturday.
    Saturday,
}

impl WeekStart {
    pub(crate) fn default_weekday(self) -> Weekday {
        match self {
            WeekStart::Monday => Weekday::Monday,
            WeekStart::Sunday => Weekday::Sunday,
            WeekStart::Saturday => Weekday::Saturday,
        }
    }
}

/// A budget: an amount that may be spent per day, week or month.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Name of 1 to 100 characters without `/`, unique within the project.
    pub name: String,
    /// False if the definition is disabled and never evaluated. Default: true.
    #[serde(default = "default_true")]
    pub enabled: bool,
    /// What is limited: `cost`, a number of tokens, or a count such as `calls`. Default: `cost`.
    #[serde(default = "default_metric")]
    pub measure: AlertMetric,
    /// Amount per period in US dollars, tokens or calls; more than 0.
    pub amount: f64,
    /// Period of the budget.
    pub period: BudgetPeriod,
    /// IANA time zone in which periods start, such as `Asia/Tokyo`.
    pub time_zone: String,
    /// First day of a week. Default: `monday`.
    #[serde(default)]
    pub week_starts: WeekStart,
    /// Filter for the spans of the budget, in the filter language. Default: all spans.
    #[serde(default)]
    pub filter: String,
    /// Property to group by, such as `user`, `model` or `tag:NAME`: each group has the full amount. Null for no groups.
    #[serde(default)]
    pub group_by: Option<String>,
    /// Maximum number of groups, from 1 to 10,000. Further groups are evaluated together as one group. Default: 1,000.
    #[serde(default = "default_max_groups", alias = "most_groups")]
    pub max_groups: u32,
    /// Percentages of the amount at which the budget fires, in ascending order: at most 20. Default: 50, 80 and 100.
    #[serde(default = "default_steps")]
    pub steps: Vec<f64>,
    /// Percentage of the amount from which incidents are critical. Default: 100.
    #[serde(default = "default_percent")]
    pub critical_from: f64,
    /// True to open an incident with the severity warning as soon as even the low estimate of the forecast exceeds the amount. Not allowed
    /// with groups. Default: false.
    #[serde(default, alias = "ring_on_forecast")]
    pub alert_on_forecast: bool,
    /// Person or team that is responsible for the budget; null for none.
    #[serde(default)]
    pub owner: Option<String>,
    /// Who is notified, and how often.
    #[serde(default)]
    pub notify: NotificationPolicy,
}

fn default_true() -> bool {
    true
}

fn default_metric() -> AlertMetric {
    AlertMetric::Cost
}

fn default_max_groups() -> u32 {
    DEFAULT_MAX_GROUPS
}

fn default_steps() -> Vec<f64> {
    vec![50.0, 80.0, 100.0]
}

fn default_percent() -> f64 {
    100.0
}

impl Budget {
    /// Checks that the budget is valid.
    ///
    /// # Errors
    ///
    /// Returns the field and the reason if the budget is not valid.
    pub fn check(&self) -> Result<(), AlertError> {
        check_name(&self.name)?;
        if self.name.contains('/') {
            return Err(invalid("name", "must not contain a slash"));
        }
        check_filter(&self.filter)?;
        let by = check_group(self.group_by.as_deref(), self.max_groups)?;
        check_zone(&self.time_zone)?;
        self.notify.check()?;
        if !matches!(self.measure.made(), MetricFormula::Sum(..)) {
            return Err(invalid("measure", format!("{} cannot be limited by a budget; use cost, tokens or calls", self.measure.name())));
        }
        if !(self.amount.is_finite() && self.amount > 0.0 && self.amount < 1e15) {
            return Err(invalid("amount", "must be a number above 0"));
        }
        let rising = self.steps.windows(2).all(|pair| pair[0] < pair[1]);
        let sane = self.steps.iter().all(|step| step.is_finite() && *step > 0.0 && *step <= 10_000.0);
        if !rising || !sane || self.steps.len() > MAX_STEPS {
            return Err(invalid("steps", format!("must be at most {MAX_STEPS} percentages in ascending order, such as [50, 80, 100]")));
        }
        if self.steps.is_empty() && !self.alert_on_forecast {
            return Err(invalid("steps", "must have at least one step unless alert_on_forecast is true"));
        }
        if !(self.critical_from.is_finite() && self.critical_from > 0.0) {
            return Err(invalid("critical_from", "must be a percentage above 0"));
        }
        if by.is_some() && self.alert_on_forecast {
            return Err(invalid("alert_on_forecast", "cannot be used with group_by, because groups have no forecast"));
        }
        Ok(())
    }
}
