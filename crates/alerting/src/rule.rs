//! A rule: what is measured of which spans over which window, and when that is too much or too little.

pub(crate) mod budget;
pub(crate) mod calendar;
pub(crate) mod duration;
pub(crate) mod file;
pub(crate) mod metric;

use hinomi_query::filter::{Filter, FilterError};
use hinomi_query::{GroupBy, SpanMatcher};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::{AlertError, invalid};
use super::rule::duration::HumanDuration;
use super::rule::metric::AlertMetric;
use crate::delivery::notice::{AlertSeverity, ComparisonBaseline, MessageLanguage, ThresholdDirection};

/// Groups that a rule tells apart, where it does not say.
const GROUPS: u32 = 100;
/// And at most.
const MOST_GROUPS: u32 = 10_000;
const LONGEST_NAME: usize = 100;
const SHORTEST_WINDOW: HumanDuration = HumanDuration::minutes(1);
const LONGEST_WINDOW: HumanDuration = HumanDuration::days(30);

/// What a window without data means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoDataPolicy {
    /// Nothing changes.
    Keep,
    /// The rule fires.
    #[serde(alias = "ring")]
    Alert,
    /// An open incident is resolved.
    Resolve,
}

/// Whom to tell, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NotificationPolicy {
    /// Numbers of the targets that are told of each change.
    pub targets: Vec<i64>,
    /// Numbers of the targets that are told when a critical incident is not acknowledged.
    pub escalate_to: Vec<i64>,
    /// How long that may take, such as `30m`.
    #[schema(value_type = Option<String>)]
    pub escalate_after: Option<HumanDuration>,
    /// How often it is told again until somebody acknowledges, such as `1h`.
    #[schema(value_type = Option<String>)]
    pub repeat_every: Option<HumanDuration>,
    /// `en` or `ja`, for targets that have no language of their own.
    pub language: MessageLanguage,
}

/// A rule. Ratios and changes are parts of one: 0.02 is two per cent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertRule {
    /// 1 to 100 characters; tells rules of a project apart.
    pub name: String,
    /// A rule that is not enabled rings for nobody: a draft.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// What is measured.
    pub measure: AlertMetric,
    /// Which score, for the measure `score`.
    #[serde(default)]
    pub score: Option<String>,
    /// Which spans, in the language of search.
    #[serde(default)]
    pub filter: String,
    /// Each group rings for itself: `model user agent pipeline environment tag:NAME ...`
    #[serde(default)]
    pub group_by: Option<String>,
    /// Groups that are told apart at most; what comes later is watched together as one more group.
    #[serde(default = "groups", alias = "max_groups")]
    pub max_groups: u32,
    /// From `1m` to `30d`.
    #[schema(value_type = String)]
    pub window: HumanDuration,
    /// Whether the bell rings above or below the thresholds.
    #[serde(default = "above")]
    pub direction: ThresholdDirection,
    /// Beyond this it is a warning.
    #[serde(default)]
    pub warning: Option<f64>,
    /// Beyond this it is critical.
    #[serde(default)]
    pub critical: Option<f64>,
    /// Back at this, or on its other side, it is over; the nearer threshold where not given.
    #[serde(default)]
    pub resolve: Option<f64>,
    /// Thresholds are of the change against another period: 0.5 is half as much again.
    #[serde(default)]
    pub compare: Option<ComparisonBaseline>,
    /// A window with fewer calls (uses of tools, spans) is one without data.
    #[serde(default, alias = "min_samples")]
    pub min_samples: Option<u64>,
    /// What a window without data means. Left out: `keep`; for sums and counts nothing is 0, and `resolve` says so.
    #[serde(default)]
    pub no_data: Option<NoDataPolicy>,
    /// Who looks after it.
    #[serde(default)]
    pub owner: Option<String>,
    /// The IANA time zone of its messages.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// Whom to tell.
    #[serde(default)]
    pub notify: NotificationPolicy,
}

fn yes() -> bool {
    true
}

fn groups() -> u32 {
    GROUPS
}

fn above() -> ThresholdDirection {
    ThresholdDirection::Above
}

fn utc() -> String {
    "UTC".to_owned()
}

impl NotificationPolicy {
    pub(super) fn check(&self) -> Result<(), AlertError> {
        if self.escalate_to.is_empty() != self.escalate_after.is_none() {
            return Err(invalid(
                "notify.escalate_after",
                "escalation needs both: to whom (escalate_to) and after how long (escalate_after)",
            ));
        }
        for (field, length) in [("notify.escalate_after", self.escalate_after), ("notify.repeat_every", self.repeat_every)] {
            if length.is_some_and(|length| !(HumanDuration::minutes(1)..=HumanDuration::days(30)).contains(&length)) {
                return Err(invalid(field, "must lie between 1m and 30d"));
            }
        }
        Ok(())
    }
}

/// A name that people and files can use.
pub(super) fn check_name(name: &str) -> Result<(), AlertError> {
    let length = name.chars().count();
    if !(1..=LONGEST_NAME).contains(&length) || name.trim() != name || name.chars().any(char::is_control) {
        return Err(invalid("name", format!("must have 1 to {LONGEST_NAME} characters, no line ends, and no spaces at its ends")));
    }
    Ok(())
}

/// A filter that can be read and compares what can be compared.
pub(super) fn check_filter(text: &str) -> Result<SpanMatcher, AlertError> {
    matcher(Filter::parse(text))
}

/// The same for a rule that is stored: one from before filters had a limit goes on.
pub(super) fn stored_filter(text: &str) -> Result<SpanMatcher, AlertError> {
    matcher(Filter::parse_stored(text))
}

fn matcher(filter: Result<Filter, FilterError>) -> Result<SpanMatcher, AlertError> {
    let filter = filter.map_err(|error| invalid("filter", format!("{error}. {}", error.hint())))?;
    SpanMatcher::new(&filter).map_err(|error| invalid("filter", error.to_string()))
}

/// What a group is of.
pub(super) fn check_group(by: Option<&str>, most: u32) -> Result<Option<GroupBy>, AlertError> {
    if !(1..=MOST_GROUPS).contains(&most) {
        return Err(invalid("max_groups", format!("must lie between 1 and {MOST_GROUPS}")));
    }
    by.map(|by| GroupBy::parse(by).map_err(|error| invalid("group_by", error.to_string()))).transpose()
}

/// A time zone that is known.
pub(super) fn check_zone(name: &str) -> Result<jiff::tz::TimeZone, AlertError> {
    let zone = jiff::tz::TimeZone::get(name);
    zone.map_err(|_| invalid("time_zone", format!("{name:?} is not a time zone; write one such as Asia/Tokyo, Europe/Berlin or UTC")))
}

impl AlertRule {
    /// Whether it can be a rule at all.
    ///
    /// # Errors
    ///
    /// With the field and the reason, when it cannot.
    pub fn check(&self) -> Result<(), AlertError> {
        check_name(&self.name)?;
        check_filter(&self.filter)?;
        let by = check_group(self.group_by.as_deref(), self.max_groups)?;
        check_zone(&self.time_zone)?;
        self.notify.check()?;
        if !(SHORTEST_WINDOW..=LONGEST_WINDOW).contains(&self.window) || self.window.0 % SHORTEST_WINDOW.0 != 0 {
            return Err(invalid("window", format!("{} must be whole minutes from 1m to 30d", self.window)));
        }
        if self.measure == AlertMetric::Score && self.score.as_deref().unwrap_or_default().is_empty() {
            return Err(invalid("score", "say which score is measured"));
        }
        if self.measure != AlertMetric::Score && self.score.is_some() {
            return Err(invalid("score", format!("belongs to the measure score, not to {}", self.measure.name())));
        }
        if !self.measure.is_of_spans() {
            let name = self.measure.name();
            if !self.filter.trim().is_empty() {
                return Err(invalid("filter", format!("{name} are not spans, so that no filter can be applied")));
            }
            if by.is_some() {
                return Err(invalid("group_by", format!("{name} are not spans, so that they have no groups")));
            }
            if self.compare.is_some() {
                return Err(invalid("compare", format!("{name} cannot be compared with another period")));
            }
        }
        let (hour, day) = (HumanDuration::hours(1), HumanDuration::days(1));
        if self.window > day && self.window.0 % hour.0 != 0 {
            return Err(invalid("window", format!("{} is longer than a day, and must be whole hours then", self.window)));
        }
        self.check_thresholds()
    }

    fn check_thresholds(&self) -> Result<(), AlertError> {
        if self.warning.is_none() && self.critical.is_none() {
            return Err(invalid("warning", "give at least one threshold, warning or critical"));
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
                return Err(invalid(field, "is a change, and nothing falls by more than all of it: -1"));
            }
            let is_share = self.measure.unit() == crate::delivery::notice::MeasureUnit::Ratio && self.compare.is_none();
            if is_share && value > 1.0 {
                return Err(invalid(field, format!("is a part of one: write {} for {value} %", value / 100.0)));
            }
        }
        let beyond = |a: f64, b: f64| if self.direction == ThresholdDirection::Above { a > b } else { a < b };
        let side = if self.direction == ThresholdDirection::Above { "above" } else { "below" };
        if let (Some(warning), Some(critical)) = (self.warning, self.critical)
            && !beyond(critical, warning)
        {
            return Err(invalid("critical", format!("must lie {side} the warning threshold {warning}")));
        }
        if let Some(resolve) = self.resolve
            && beyond(resolve, self.nearest())
        {
            return Err(invalid("resolve", format!("must not lie {side} the threshold {}", self.nearest())));
        }
        if self.direction == ThresholdDirection::Above
            && self.measure.unit() == crate::delivery::notice::MeasureUnit::Ratio
            && self.compare.is_none()
        {
            let highest = self.critical.or(self.warning).unwrap_or_default();
            if highest >= 1.0 {
                return Err(invalid("critical", "a share never passes 1; choose a threshold below it"));
            }
        }
        if self.direction == ThresholdDirection::Below
            && self.compare.is_none()
            && self.measure != AlertMetric::Score
            && self.nearest() <= 0.0
        {
            return Err(invalid("warning", format!("{} never falls below 0; choose a threshold above it", self.measure.name())));
        }
        Ok(())
    }

    /// The threshold that is passed first.
    pub(super) fn nearest(&self) -> f64 {
        self.warning.or(self.critical).unwrap_or_default()
    }

    /// The threshold of a severity; that of the other one where it has none.
    pub(super) fn threshold(&self, severity: AlertSeverity) -> f64 {
        match severity {
            AlertSeverity::Warning => self.nearest(),
            AlertSeverity::Critical => self.critical.unwrap_or_else(|| self.nearest()),
        }
    }

    pub(super) fn no_data(&self) -> NoDataPolicy {
        self.no_data.unwrap_or(NoDataPolicy::Keep)
    }
}
