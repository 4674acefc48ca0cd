//! Alert rules: a metric of selected spans over a time window, and its thresholds.

pub(crate) mod budget;
pub(crate) mod calendar;
pub(crate) mod duration;
pub(crate) mod file;
pub(crate) mod metric;

use hinomi_query::filter::{Filter, FilterError, FilterTargets};
use hinomi_query::{GroupBy, SpanMatcher};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::{AlertError, invalid};
use super::rule::duration::HumanDuration;
use super::rule::metric::AlertMetric;
use crate::delivery::notification::{AlertSeverity, ComparisonBaseline, MessageLanguage, ThresholdDirection};

/// Default maximum number of groups of a rule.
const DEFAULT_MAX_GROUPS: u32 = 100;
/// Upper limit of the maximum number of groups.
const MAX_GROUPS_LIMIT: u32 = 10_000;
const MAX_NAME_LENGTH: usize = 100;
const MIN_WINDOW: HumanDuration = HumanDuration::minutes(1);
const MAX_WINDOW: HumanDuration = HumanDuration::days(30);

/// What a rule does if its window has no data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoDataPolicy {
    /// The state of the rule does not change.
    Keep,
    /// The rule fires.
    #[serde(alias = "ring")]
    Alert,
    /// An open incident is resolved.
    Resolve,
}

/// Who is notified, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NotificationPolicy {
    /// IDs of the notification channels for every change of an incident. Default: none.
    pub targets: Vec<i64>,
    /// IDs of the notification channels for critical incidents that nobody acknowledges. Default: none.
    pub escalate_to: Vec<i64>,
    /// Time without acknowledgement after which a critical incident is escalated, such as `30m`, from `1m` to `30d`. Required with
    /// `escalate_to`; null for no escalation.
    #[schema(value_type = Option<String>)]
    pub escalate_after: Option<HumanDuration>,
    /// Interval of reminders until the incident is acknowledged, such as `1h`, from `1m` to `30d`; null for no reminders.
    #[schema(value_type = Option<String>)]
    pub repeat_every: Option<HumanDuration>,
    /// Language of notifications to channels without a language setting. Default: `en`.
    pub language: MessageLanguage,
}

/// An alert rule: a measure over a time window, with thresholds. Ratios and relative changes are fractions: 0.02 is 2 percent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertRule {
    /// Name of 1 to 100 characters, unique within the project.
    pub name: String,
    /// False if the definition is disabled and never evaluated. Default: true.
    #[serde(default = "default_true")]
    pub enabled: bool,
    /// What the rule measures.
    pub measure: AlertMetric,
    /// Name of the score. Required for `score`, `score_bad_rate` and `score_count`, and not allowed for other measures.
    #[serde(default)]
    pub score: Option<String>,
    /// Filter for the spans that are measured, in the filter language. Default: all spans.
    #[serde(default)]
    pub filter: String,
    /// Property to group by, such as `model`, `user`, `agent`, `pipeline`, `environment` or `tag:NAME`: each group has incidents of its
    /// own. Null for no groups.
    #[serde(default)]
    pub group_by: Option<String>,
    /// Maximum number of groups, from 1 to 10,000. Further groups are evaluated together as one group. Default: 100.
    #[serde(default = "default_max_groups", alias = "most_groups")]
    pub max_groups: u32,
    /// Length of the time window, from `1m` to `30d`, in whole minutes, and in whole hours if it is longer than a day.
    #[schema(value_type = String)]
    pub window: HumanDuration,
    /// Whether the rule fires above or below the thresholds. Default: `above`.
    #[serde(default = "default_direction")]
    pub direction: ThresholdDirection,
    /// Threshold of a warning, in the unit of the measure; null for none. At least one of `warning` and `critical` is required.
    #[serde(default)]
    pub warning: Option<f64>,
    /// Threshold of a critical incident, in the unit of the measure; null for none.
    #[serde(default)]
    pub critical: Option<f64>,
    /// Value at which an incident is resolved. If omitted or null, the incident is resolved at the threshold that is crossed first.
    #[serde(default)]
    pub resolve: Option<f64>,
    /// Period to compare with: thresholds then apply to the relative change, where 0.5 is 50 percent more. Null to measure absolute
    /// values.
    #[serde(default)]
    pub compare: Option<ComparisonBaseline>,
    /// Minimum number of calls, tool calls or spans in the window. A window with a smaller number counts as a window without data. If
    /// omitted or null: no minimum.
    #[serde(default, alias = "at_least")]
    pub min_samples: Option<u64>,
    /// What happens if the window has no data. If a policy is set, every empty window counts as a window without data. If omitted or null:
    /// sums and counts are 0 in an empty window, and other measures act as with `keep`.
    #[serde(default)]
    pub no_data: Option<NoDataPolicy>,
    /// Person or team that is responsible for the rule; null for none.
    #[serde(default)]
    pub owner: Option<String>,
    /// IANA time zone of the times in notifications, such as `Asia/Tokyo`. Default: `UTC`.
    #[serde(default = "default_time_zone")]
    pub time_zone: String,
    /// Who is notified, and how often.
    #[serde(default)]
    pub notify: NotificationPolicy,
}

fn default_true() -> bool {
    true
}

fn default_max_groups() -> u32 {
    DEFAULT_MAX_GROUPS
}

fn default_direction() -> ThresholdDirection {
    ThresholdDirection::Above
}

fn default_time_zone() -> String {
    "UTC".to_owned()
}

impl NotificationPolicy {
    pub(super) fn check(&self) -> Result<(), AlertError> {
        if self.escalate_to.is_empty() != self.escalate_after.is_none() {
            return Err(invalid("notify.escalate_after", "escalation requires both escalate_to and escalate_after"));
        }
        for (field, length) in [("notify.escalate_after", self.escalate_after), ("notify.repeat_every", self.repeat_every)] {
            if length.is_some_and(|length| !(HumanDuration::minutes(1)..=HumanDuration::days(30)).contains(&length)) {
                return Err(invalid(field, "must be from 1m to 30d"));
            }
        }
        Ok(())
    }
}

/// Checks the name of a rule or budget.
pub(super) fn check_name(name: &str) -> Result<(), AlertError> {
    let length = name.chars().count();
    if !(1..=MAX_NAME_LENGTH).contains(&length) || name.trim() != name || name.chars().any(char::is_control) {
        return Err(invalid(
            "name",
            format!("must have 1 to {MAX_NAME_LENGTH} characters, without line breaks and without leading or trailing spaces"),
        ));
    }
    Ok(())
}

/// Parses a filter and prepares it for matching spans.
pub(super) fn check_filter(text: &str) -> Result<SpanMatcher, AlertError> {
    matcher(Filter::parse(text))
}

/// Checks a filter of traces, which may contain terms by findings and scores.
fn check_trace_filter(text: &str) -> Result<(), AlertError> {
    let wrong = |error: hinomi_query::QueryError| invalid("filter", error.to_string());
    let filter = Filter::parse(text).map_err(|error| invalid("filter", format!("{error}. {}", error.hint())))?;
    let count = filter.target_tests().map_err(wrong)?.len();
    SpanMatcher::new(&filter.resolve_targets(vec![FilterTargets::default(); count])).map(drop).map_err(wrong)
}

/// Parses the filter of a stored rule, which may exceed the limits if it was stored before filters had limits.
pub(super) fn stored_filter(text: &str) -> Result<SpanMatcher, AlertError> {
    matcher(Filter::parse_stored(text))
}

fn matcher(filter: Result<Filter, FilterError>) -> Result<SpanMatcher, AlertError> {
    let filter = filter.map_err(|error| invalid("filter", format!("{error}. {}", error.hint())))?;
    SpanMatcher::new(&filter).map_err(|error| invalid("filter", error.to_string()))
}

/// Parses the property to group by.
pub(super) fn check_group(by: Option<&str>, most: u32) -> Result<Option<GroupBy>, AlertError> {
    if !(1..=MAX_GROUPS_LIMIT).contains(&most) {
        return Err(invalid("max_groups", format!("must be from 1 to {MAX_GROUPS_LIMIT}")));
    }
    by.map(|by| GroupBy::parse(by).map_err(|error| invalid("group_by", error.to_string()))).transpose()
}

/// Parses the name of a time zone.
pub(super) fn check_zone(name: &str) -> Result<jiff::tz::TimeZone, AlertError> {
    let zone = jiff::tz::TimeZone::get(name);
    zone.map_err(|_| {
        invalid("time_zone", format!("{name:?} is not a valid time zone; use a name such as Asia/Tokyo, Europe/Berlin or UTC"))
    })
}

impl AlertRule {
    /// Checks that the rule is valid.
    ///
    /// # Errors
    ///
    /// Returns the field and the reason if the rule is not valid.
    pub fn check(&self) -> Result<(), AlertError> {
        check_name(&self.name)?;
        if self.measure == AlertMetric::Findings {
            check_trace_filter(&self.filter)?
        } else {
            check_filter(&self.filter).map(drop)?
        }
        let by = check_group(self.group_by.as_deref(), self.max_groups)?;
        check_zone(&self.time_zone)?;
        self.notify.check()?;
        if !(MIN_WINDOW..=MAX_WINDOW).contains(&self.window) || self.window.0 % MIN_WINDOW.0 != 0 {
            return Err(invalid("window", format!("{} must be whole minutes from 1m to 30d", self.window)));
        }
        let name = self.measure.name();
        if self.measure.is_of_scores() && self.score.as_deref().unwrap_or_default().is_empty() {
            return Err(invalid("score", format!("is required for the measure {name}")));
        }
        if !self.measure.is_of_scores() && self.score.is_some() {
            return Err(invalid("score", format!("is only valid for measures of scores, not for {name}")));
        }
        if !self.measure.is_computed_from_spans() {
            if !self.measure.has_filter() && !self.filter.trim().is_empty() {
                return Err(invalid("filter", format!("cannot be used with {name}, which are not spans")));
            }
            if by.is_some() {
                return Err(invalid("group_by", format!("cannot be used with {name}, which are not spans")));
            }
            if self.compare.is_some() {
                return Err(invalid("compare", format!("{name} cannot be compared with another period")));
            }
        }
        let (hour, day) = (HumanDuration::hours(1), HumanDuration::days(1));
        if self.window > day && self.window.0 % hour.0 != 0 {
            return Err(invalid("window", format!("{} is longer than a day and must be whole hours", self.window)));
        }
        self.check_thresholds()
    }

    fn check_thresholds(&self) -> Result<(), AlertError> {
        if self.warning.is_none() && self.critical.is_none() {
            return Err(invalid("warning", "at least one of warning and critical is required"));
        }
        for (field, value) in [("warning", self.warning), ("critical", self.critical), ("resolve", self.resolve)] {
            let Some(value) = value else { continue };
            if !value.is_finite() {
                return Err(invalid(field, "must be a number"));
            }
            if self.compare.is_none() && self.measure != AlertMetric::Score && value < 0.0 {
                return Err(invalid(field, format!("{} is never below 0", self.measure.name())));
            }
            if self.compare.is_some() && value < -1.0 {
                return Err(invalid(field, "must be at least -1, because a value cannot fall by more than 100 percent"));
            }
            let is_share = self.measure.unit() == crate::delivery::notification::MeasureUnit::Ratio && self.compare.is_none();
            if is_share && value > 1.0 {
                return Err(invalid(field, format!("is a fraction; use {} for {value} percent", value / 100.0)));
            }
        }
        let beyond = |a: f64, b: f64| if self.direction == ThresholdDirection::Above { a > b } else { a < b };
        let side = if self.direction == ThresholdDirection::Above { "above" } else { "below" };
        if let (Some(warning), Some(critical)) = (self.warning, self.critical)
            && !beyond(critical, warning)
        {
            return Err(invalid("critical", format!("must be {side} the warning threshold {warning}")));
        }
        if let Some(resolve) = self.resolve
            && beyond(resolve, self.first_threshold())
        {
            return Err(invalid("resolve", format!("must not be {side} the threshold {}", self.first_threshold())));
        }
        if self.direction == ThresholdDirection::Above
            && self.measure.unit() == crate::delivery::notification::MeasureUnit::Ratio
            && self.compare.is_none()
        {
            let highest = self.critical.or(self.warning).unwrap_or_default();
            if highest >= 1.0 {
                return Err(invalid("critical", "must be below 1, because a ratio never exceeds 1"));
            }
        }
        if self.direction == ThresholdDirection::Below
            && self.compare.is_none()
            && self.measure != AlertMetric::Score
            && self.first_threshold() <= 0.0
        {
            return Err(invalid("warning", format!("{} never falls below 0; use a threshold above 0", self.measure.name())));
        }
        Ok(())
    }

    /// Returns the threshold that is crossed first.
    pub(super) fn first_threshold(&self) -> f64 {
        self.warning.or(self.critical).unwrap_or_default()
    }

    /// Returns the threshold of a severity. If the severity has no threshold, returns the threshold of the other severity.
    pub(super) fn threshold(&self, severity: AlertSeverity) -> f64 {
        match severity {
            AlertSeverity::Warning => self.first_threshold(),
            AlertSeverity::Critical => self.critical.unwrap_or_else(|| self.first_threshold()),
        }
    }

    pub(super) fn no_data(&self) -> NoDataPolicy {
        self.no_data.unwrap_or(NoDataPolicy::Keep)
    }
}
