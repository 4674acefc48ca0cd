//! A budget: what may be spent in a calendar day, week or month of a time zone.

use jiff::civil::Weekday;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::metric::{AlertMetric, MetricFormula};
use super::{NotificationPolicy, check_filter, check_group, check_name, check_zone};
use crate::delivery::notice::BudgetPeriod;
use crate::error::{AlertError, invalid};

const GROUPS: u32 = 1000;
const MOST_STEPS: usize = 20;

/// On which day a week begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WeekStart {
    /// As most of the world.
    #[default]
    Monday,
    /// As America and Japan.
    Sunday,
    /// As parts of the Arab world.
    Saturday,
}

impl WeekStart {
    pub(crate) fn weekday(self) -> Weekday {
        match self {
            WeekStart::Monday => Weekday::Monday,
            WeekStart::Sunday => Weekday::Sunday,
            WeekStart::Saturday => Weekday::Saturday,
        }
    }
}

/// A budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// 1 to 100 characters; tells budgets of a project apart.
    pub name: String,
    /// A budget that is not enabled rings for nobody.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// What is limited: `cost`, tokens or `calls`.
    #[serde(default = "cost")]
    pub measure: AlertMetric,
    /// How much, in dollars, tokens or calls.
    pub amount: f64,
    /// In which stretch of the calendar.
    pub period: BudgetPeriod,
    /// Whose calendar: an IANA time zone such as `Asia/Tokyo`.
    pub time_zone: String,
    /// On which day a week begins.
    #[serde(default)]
    pub week_starts: WeekStart,
    /// Which spans, in the language of search.
    #[serde(default)]
    pub filter: String,
    /// Each group has the amount for itself: `user`, `model`, `tag:NAME` ...
    #[serde(default)]
    pub group_by: Option<String>,
    /// Groups that are told apart at most; what comes later is watched together as one more group.
    #[serde(default = "groups", alias = "max_groups")]
    pub max_groups: u32,
    /// Per cent of the amount at which the bell rings, rising.
    #[serde(default = "steps")]
    pub steps: Vec<f64>,
    /// From this step on it is critical.
    #[serde(default = "hundred")]
    pub critical_from: f64,
    /// Rings a warning as soon as even the low edge of the forecast is above the amount. Not for groups.
    #[serde(default, alias = "alert_on_forecast")]
    pub alert_on_forecast: bool,
    /// Who looks after it.
    #[serde(default)]
    pub owner: Option<String>,
    /// Whom to tell.
    #[serde(default)]
    pub notify: NotificationPolicy,
}

fn yes() -> bool {
    true
}

fn cost() -> AlertMetric {
    AlertMetric::Cost
}

fn groups() -> u32 {
    GROUPS
}

fn steps() -> Vec<f64> {
    vec![50.0, 80.0, 100.0]
}

fn hundred() -> f64 {
    100.0
}

impl Budget {
    /// Whether it can be a budget at all.
    ///
    /// # Errors
    ///
    /// With the field and the reason, when it cannot.
    pub fn check(&self) -> Result<(), AlertError> {
        check_name(&self.name)?;
        if self.name.contains('/') {
            return Err(invalid("name", "stands in an address, and must not hold a slash"));
        }
        check_filter(&self.filter)?;
        let by = check_group(self.group_by.as_deref(), self.max_groups)?;
        check_zone(&self.time_zone)?;
        self.notify.check()?;
        if !matches!(self.measure.made(), MetricFormula::Sum(..)) {
            return Err(invalid("measure", format!("{} does not add up; choose cost, tokens or calls", self.measure.name())));
        }
        if !(self.amount.is_finite() && self.amount > 0.0 && self.amount < 1e15) {
            return Err(invalid("amount", "must be a number above 0"));
        }
        let rising = self.steps.windows(2).all(|pair| pair[0] < pair[1]);
        let sane = self.steps.iter().all(|step| step.is_finite() && *step > 0.0 && *step <= 10_000.0);
        if !rising || !sane || self.steps.len() > MOST_STEPS {
            return Err(invalid("steps", format!("must be up to {MOST_STEPS} rising numbers of per cent, such as [50, 80, 100]")));
        }
        if self.steps.is_empty() && !self.alert_on_forecast {
            return Err(invalid("steps", "give at least one step, or ring on the forecast"));
        }
        if !(self.critical_from.is_finite() && self.critical_from > 0.0) {
            return Err(invalid("critical_from", "must be a number of per cent above 0"));
        }
        if by.is_some() && self.alert_on_forecast {
            return Err(invalid(
                "alert_on_forecast",
                "the forecast is made of the whole, so that groups have none; leave out one of the two",
            ));
        }
        Ok(())
    }
}
