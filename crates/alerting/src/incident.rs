//! An incident: that a rule or budget rang, for one group, from opening to end.

pub(crate) mod chart;
pub(crate) mod contributors;
pub(crate) mod links;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::alert_store::AlertRecord;
use super::rule::metric::AlertMetric;
use crate::delivery::notice::{
    AlertContributor, AlertGroup, AlertSeverity, ComparisonBaseline, CostProjection, MeasureUnit, ThresholdDirection,
};

/// What may ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertSource {
    /// A rule.
    Rule,
    /// A budget.
    Budget,
}

impl AlertSource {
    /// Its name in the database and in messages.
    pub fn name(self) -> &'static str {
        match self {
            AlertSource::Rule => "rule",
            AlertSource::Budget => "budget",
        }
    }
}

/// Where an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// Nobody has said that they look at it.
    Open,
    /// Somebody has.
    Acknowledged,
    /// It is over.
    Resolved,
}

/// What rang, and how the figure stands. Times are microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its number; 0 while it is not stored.
    #[serde(skip)]
    pub id: i64,
    /// The project.
    pub project: u64,
    /// What rang.
    pub source: AlertSource,
    /// The rule or budget.
    pub rule: i64,
    /// What its owner calls it.
    pub rule_name: String,
    /// The group; `None` where there are none.
    pub group: Option<AlertGroup>,
    /// How bad it is, or was at the end.
    pub severity: AlertSeverity,
    /// The worst that it was.
    pub worst: AlertSeverity,
    /// What is measured.
    pub measure: String,
    /// What the figures are in.
    pub unit: MeasureUnit,
    /// What the figures are compared with; `None` where they are what was measured itself.
    #[serde(default)]
    pub compare: Option<ComparisonBaseline>,
    /// On which side of the threshold the bell rings.
    pub direction: ThresholdDirection,
    /// The threshold that was passed last.
    pub threshold: f64,
    /// The figure at the last change; `None` where there was none.
    pub value: Option<f64>,
    /// The figure that is furthest beyond the threshold.
    pub peak: Option<f64>,
    /// Start of the window of the last change.
    pub window_from_us: i64,
    /// Its end.
    pub window_to_us: i64,
    /// When the bell rang.
    pub opened_us: i64,
    /// When somebody said that they look at it.
    pub acknowledged_us: Option<i64>,
    /// Who, where that was said.
    pub acknowledged_by: Option<String>,
    /// When it was over.
    pub resolved_us: Option<i64>,
    /// Who said so; `None` where the figure did.
    pub resolved_by: Option<String>,
    /// Until when nobody is told of it.
    pub snoozed_until_us: Option<i64>,
    /// When it was last told again because nobody acknowledged.
    #[serde(default)]
    pub told_us: Option<i64>,
    /// How often it was told again.
    #[serde(default)]
    pub told: u32,
    /// How bad people were told that it is; `None` while it was kept quiet by a mute.
    #[serde(default)]
    pub announced: Option<AlertSeverity>,
    /// What moved the figure, the most important first.
    #[serde(default)]
    pub culprits: Vec<AlertContributor>,
    /// When the figure last passed a threshold, upwards or downwards.
    #[serde(default)]
    pub stepped_us: Option<i64>,
    /// From when on what each culprit did since the step before is counted; `None` where there was none, or only just before.
    #[serde(default)]
    pub culprits_since_us: Option<i64>,
    /// What the bill will be.
    #[serde(default)]
    pub outlook: Option<CostProjection>,
    /// Steps of a budget that have been told, in per cent.
    #[serde(default)]
    pub steps: Vec<f64>,
    /// Changes so far: what keeps one change from being told twice.
    #[serde(default)]
    pub changes: u32,
}

impl Incident {
    /// One that rings from now on; its figures are still to be said.
    pub(super) fn opened<T>(source: AlertSource, of: &AlertRecord<T>, name: &str, measure: AlertMetric, now_us: i64) -> Incident {
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

    /// What tells incidents of a rule apart before they have numbers: group, moment of opening, and of budgets the period, since one call to
    /// judge may open two.
    pub(super) fn which(&self) -> (i64, Option<AlertGroup>, i64, i64) {
        let period = if self.source == AlertSource::Budget { self.window_from_us } else { 0 };
        (self.rule, self.group.clone(), self.opened_us, period)
    }

    /// Where it stands.
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
    /// A threshold was passed.
    Opened,
    /// A warning became critical, or the next step of a budget was passed.
    Worsened,
    /// What was critical is a warning.
    Improved,
    /// Somebody looks at it.
    Acknowledged,
    /// It is over.
    Resolved,
    /// Nobody is told for a while.
    Snoozed,
    /// Somebody wrote something down.
    Note,
    /// It was told again.
    Reminded,
    /// It was told to the second target.
    Escalated,
}

/// One line of an incident's story.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IncidentTimelineEntry {
    /// When, microseconds since the Unix epoch.
    pub at_us: i64,
    /// What.
    pub happened: IncidentEventKind,
    /// The figure then.
    pub value: Option<f64>,
    /// How bad it was.
    pub severity: Option<AlertSeverity>,
    /// Who did it, where that was said.
    pub by: Option<String>,
    /// A note's words, and why something happened.
    pub text: Option<String>,
}

impl IncidentTimelineEntry {
    /// A line without a figure.
    pub(super) fn new(at_us: i64, happened: IncidentEventKind) -> IncidentTimelineEntry {
        IncidentTimelineEntry { at_us, happened, value: None, severity: None, by: None, text: None }
    }
}
