//! What is told to people and programs: one notice for each change of an incident.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One change of an incident, in figures. Words are made of it for each target in its own language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AlertNotice {
    /// One for each change of state, the same whenever that change is told again: it is what keeps a change from being told twice.
    pub idempotency_key: String,
    /// The project.
    pub project: u64,
    /// The rule or budget.
    pub rule_id: i64,
    /// What its owner calls it.
    pub rule_name: String,
    /// The incident; null for a test and for a digest.
    pub incident_id: Option<i64>,
    /// What has happened.
    pub kind: AlertNoticeKind,
    /// How bad it is.
    pub severity: AlertSeverity,
    /// What is measured, such as `cost` or `duration_p95`.
    pub measure: String,
    /// What the figures are in.
    pub unit: MeasureUnit,
    /// The figures are changes against another period: 0.62 is 62 per cent more. Null where they are what was measured itself.
    #[serde(default)]
    pub compare: Option<ComparisonBaseline>,
    /// The figure now; null where there is none (no data).
    pub value: Option<f64>,
    /// The threshold that it has passed, in the same unit; null for a test.
    pub threshold: Option<f64>,
    /// Whether the bell rings when the figure is above or below the threshold.
    pub direction: ThresholdDirection,
    /// Which group it is about; null where the rule has none.
    pub group: Option<AlertGroup>,
    /// Start of the window, microseconds since the Unix epoch.
    pub window_from: i64,
    /// End of the window, microseconds since the Unix epoch.
    pub window_to: i64,
    /// When it happened, microseconds since the Unix epoch.
    pub at: i64,
    /// The IANA time zone in which times are written, such as `Asia/Tokyo`.
    pub time_zone: String,
    /// What contributes most, the most important first.
    pub culprits: Vec<AlertContributor>,
    /// The moment from which `since` of the contributors counts, microseconds since the Unix epoch: when the figure passed the threshold
    /// before. Null where it passed none before, or did so within the last minute.
    #[serde(default)]
    pub culprits_since: Option<i64>,
    /// The budget that the figure is spent of; null for rules.
    #[serde(default)]
    pub budget: Option<BudgetStep>,
    /// What the bill will be; null where nothing can be said.
    pub outlook: Option<CostProjection>,
    /// Where to look.
    pub links: AlertNoticeLinks,
    /// The language of the rule, for targets that have none of their own.
    pub language: MessageLanguage,
    /// What a digest gathers; empty for all others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    pub gathered: Vec<AlertNotice>,
}

/// What has happened to an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertNoticeKind {
    /// A threshold was passed.
    Opened,
    /// A warning became critical.
    Worsened,
    /// What was critical is a warning now.
    Improved,
    /// It is over.
    Resolved,
    /// Nobody acknowledged it; told again.
    Reminder,
    /// Nobody acknowledged it; told to someone else.
    Escalated,
    /// Many changes in one message.
    Digest,
    /// Somebody pressed "Test".
    Test,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertSeverity {
    /// Look at it soon.
    Warning,
    /// Look at it now.
    Critical,
}

/// What figures are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MeasureUnit {
    /// US dollars.
    Usd,
    /// Tokens.
    Tokens,
    /// Milliseconds.
    Ms,
    /// A share of one: 0.02 is two per cent.
    Ratio,
    /// So many.
    #[default]
    Count,
    /// A score, whatever its scale.
    Score,
}

/// What another figure a rule compares with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ComparisonBaseline {
    /// The window just before.
    Previous,
    /// The same window a week ago.
    LastWeek,
}

/// On which side of the threshold the bell rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdDirection {
    /// Too much.
    Above,
    /// Too little.
    Below,
}

/// A language of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MessageLanguage {
    /// English.
    #[default]
    En,
    /// Japanese.
    Ja,
}

/// One group of a grouped rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub struct AlertGroup {
    /// What is grouped by, such as `user`.
    pub name: String,
    /// Which one it is; null where the spans do not say.
    pub value: Option<String>,
}

/// A stretch of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BudgetPeriod {
    /// From midnight to midnight, which may be 23 or 25 hours.
    Day,
    /// Seven of them.
    Week,
    /// From the first to the first.
    Month,
}

/// A budget, and how far it is spent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BudgetStep {
    /// How much may be spent, in the unit of the figure.
    pub amount: f64,
    /// In which stretch of the calendar.
    pub period: BudgetPeriod,
    /// The highest step that was passed, in per cent of the amount; 0 where the forecast alone is above the amount.
    pub step: f64,
}

/// What a contributor's share is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShareOf {
    /// Of all that moved the same way against the usual.
    #[default]
    Change,
    /// Of all that the window, or the period of a budget, holds.
    Total,
}

/// What moved the figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AlertContributor {
    /// `trace`, `user`, `model`, `pipeline`, `prompt`, `release` and so on.
    pub dimension: String,
    /// Which one; null where the spans do not say.
    pub key: Option<String>,
    /// What its figures are in. Sums are made of parts like themselves; to a percentile or a share a part adds so many slow or failed ones.
    #[serde(default)]
    pub unit: MeasureUnit,
    /// What it contributes in the window; of a budget in its period so far.
    pub contribution: f64,
    /// What it usually contributes in such a window; null where there is no history, and for traces, of which each is new.
    pub usual: Option<f64>,
    /// Its share of what `share_of` says, from 0 to 1; null where that cannot be said. The shares of one dimension add up to 1 at most.
    pub share: Option<f64>,
    /// What the share is of.
    #[serde(default)]
    pub share_of: ShareOf,
    /// What of the contribution was received since the step before; null where there was none, or it was less than a minute ago.
    #[serde(default)]
    pub since: Option<f64>,
    /// Where to see it, an address of the page.
    pub link: Option<String>,
}

/// What the bill will be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CostProjection {
    /// Dollars at the end of the period if the current rate continues.
    #[serde(alias = "projected_usd")]
    pub projected_usd: f64,
    /// End of the period, microseconds since the Unix epoch.
    pub until: i64,
}

/// Where to look; addresses of the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AlertNoticeLinks {
    /// The incident, or the alerts where there is none.
    pub incident: String,
    /// The traces behind it.
    pub traces: Option<String>,
}
