//! Incidents: a rule or budget that fired for one group, from opening to resolution.

pub(crate) mod chart;
pub(crate) mod contributors;
pub(crate) mod links;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::alert_store::AlertRecord;
use super::rule::metric::AlertMetric;
use crate::delivery::notification::{
    AlertContributor, AlertGroup, AlertSeverity, ComparisonBaseline, CostProjection, MeasureUnit, ThresholdDirection,
};

/// What can fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertSource {
    /// An alert rule.
    Rule,
    /// A budget.
    Budget,
}

impl AlertSource {
    /// Returns the name in the database and in messages.
    pub fn name(self) -> &'static str {
        match self {
            AlertSource::Rule => "rule",
            AlertSource::Budget => "budget",
        }
    }
}

/// State of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// Nobody has acknowledged the incident.
    Open,
    /// Somebody has acknowledged the incident.
    Acknowledged,
    /// The incident is over.
    Resolved,
}

/// A rule or budget that fired for one group, and the values since then. Times are microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// ID of the incident; 0 until it is stored.
    #[serde(skip)]
    pub id: i64,
    /// ID of the project.
    pub project: u64,
    /// Whether a rule or a budget fired.
    pub source: AlertSource,
    /// ID of the rule or budget.
    pub rule: i64,
    /// Name of the rule or budget.
    pub rule_name: String,
    /// Group of the rule or budget; `None` if it has no groups.
    pub group: Option<AlertGroup>,
    /// Current severity, or the last one of a resolved incident.
    pub severity: AlertSeverity,
    /// Worst severity so far.
    pub worst: AlertSeverity,
    /// What is measured, such as `cost`.
    pub measure: String,
    /// Unit of the values.
    pub unit: MeasureUnit,
    /// Period that the values are relative to; `None` if they are absolute.
    #[serde(default)]
    pub compare: Option<ComparisonBaseline>,
    /// Whether the rule fires above or below the threshold.
    pub direction: ThresholdDirection,
    /// Threshold that was crossed last.
    pub threshold: f64,
    /// Value at the last change; `None` if there was none.
    pub value: Option<f64>,
    /// Value that was furthest beyond the threshold; `None` if there was none.
    pub peak: Option<f64>,
    /// Start of the window at the last change.
    pub window_from_us: i64,
    /// End of the window at the last change.
    pub window_to_us: i64,
    /// Time at which the rule or budget fired.
    pub opened_us: i64,
    /// Time at which the incident was acknowledged.
    pub acknowledged_us: Option<i64>,
    /// Name of the person who acknowledged the incident.
    pub acknowledged_by: Option<String>,
    /// Time at which the incident was resolved.
    pub resolved_us: Option<i64>,
    /// Name of the person who resolved the incident; `None` if the metric returned to normal.
    pub resolved_by: Option<String>,
    /// Time until which notifications are snoozed.
    pub snoozed_until_us: Option<i64>,
    /// Time of the last reminder.
    #[serde(default)]
    pub told_us: Option<i64>,
    /// Number of reminders.
    #[serde(default)]
    pub told: u32,
    /// Severity of the last notification; `None` if all were muted.
    #[serde(default)]
    pub announced: Option<AlertSeverity>,
    /// Main contributors to the change, the largest first.
    #[serde(default)]
    pub culprits: Vec<AlertContributor>,
    /// Time of the last crossing of a threshold in either direction.
    #[serde(default)]
    pub stepped_us: Option<i64>,
    /// Start of the time that `since` of the contributors covers; `None` if there was no earlier crossing, or if it was immediately before.
    #[serde(default)]
    pub culprits_since_us: Option<i64>,
    /// Projected cost at the end of the period.
    #[serde(default)]
    pub outlook: Option<CostProjection>,
    /// Steps of a budget that have been notified, in percent.
    #[serde(default)]
    pub steps: Vec<f64>,
    /// Number of changes so far, which makes the idempotency key of each notification unique.
    #[serde(default)]
    pub changes: u32,
}

impl Incident {
    /// Creates an incident that opens now. The caller sets its values.
    pub(super) fn open<T>(source: AlertSource, of: &AlertRecord<T>, name: &str, measure: AlertMetric, now_us: i64) -> Incident {
        Incident {
            id: 0,
            project: of.project,
            source,
            rule: of.id,
            rule_name: name.to_owned(),
            group: None,
            severity: AlertSeverity::Warning,
            worst: AlertSeverity::Warning,
            measure: measure.name().to_owned(),
            unit: measure.unit(),
            compare: None,
            direction: ThresholdDirection::Above,
            threshold: 0.0,
            value: None,
            peak: None,
            window_from_us: now_us,
            window_to_us: now_us,
            opened_us: now_us,
            acknowledged_us: None,
            acknowledged_by: None,
            resolved_us: None,
            resolved_by: None,
            snoozed_until_us: None,
            told_us: None,
            told: 0,
            announced: None,
            culprits: Vec::new(),
            stepped_us: None,
            culprits_since_us: None,
            outlook: None,
            steps: Vec::new(),
            changes: 0,
        }
    }

    /// Returns the properties that identify an incident before it has an ID: rule, group, opening time and, for a budget, the period. The
    /// period is needed because one evaluation may open incidents of two periods.
    pub(super) fn identity(&self) -> (i64, Option<AlertGroup>, i64, i64) {
        let period = if self.source == AlertSource::Budget { self.window_from_us } else { 0 };
        (self.rule, self.group.clone(), self.opened_us, period)
    }

    /// Returns the state.
    pub fn state(&self) -> IncidentState {
        match (self.resolved_us, self.acknowledged_us) {
            (Some(_), _) => IncidentState::Resolved,
            (None, Some(_)) => IncidentState::Acknowledged,
            (None, None) => IncidentState::Open,
        }
    }
}

/// What happened to an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IncidentEventKind {
    /// A threshold was crossed.
    Opened,
    /// A warning became critical, or the next step of a budget was reached.
    Worsened,
    /// A critical incident became a warning.
    Improved,
    /// Somebody acknowledged the incident.
    Acknowledged,
    /// The incident was resolved.
    Resolved,
    /// Notifications were snoozed.
    Snoozed,
    /// Somebody added a note.
    Note,
    /// A reminder was sent.
    Reminded,
    /// The incident was escalated to further channels.
    Escalated,
}

/// One entry in the timeline of an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IncidentTimelineEntry {
    /// Time of the event in microseconds since the Unix epoch.
    pub at_us: i64,
    /// What happened.
    pub happened: IncidentEventKind,
    /// Value of the measure at that time; `None` if there was none.
    pub value: Option<f64>,
    /// Severity at that time.
    pub severity: Option<AlertSeverity>,
    /// Name of the person who acted.
    pub by: Option<String>,
    /// Text of a note, or the reason for the event.
    pub text: Option<String>,
}

impl IncidentTimelineEntry {
    /// Creates an entry without a value.
    pub(super) fn new(at_us: i64, happened: IncidentEventKind) -> IncidentTimelineEntry {
        IncidentTimelineEntry { at_us, happened, value: None, severity: None, by: None, text: None }
    }
}
