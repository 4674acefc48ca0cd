//! Notifications: one for each change of an incident, for people and programs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One change of an incident as data. Messages are rendered from it for each channel in its language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AlertNotification {
    /// Key of the change, the same for every delivery attempt. Receivers can use it to ignore repeated deliveries.
    pub idempotency_key: String,
    /// ID of the project.
    pub project: u64,
    /// ID of the rule or budget.
    pub rule_id: i64,
    /// Name of the rule or budget.
    pub rule_name: String,
    /// ID of the incident; null for a test and for a digest.
    #[schema(required)]
    pub incident_id: Option<i64>,
    /// What happened.
    pub kind: AlertNotificationKind,
    /// Severity of the incident.
    pub severity: AlertSeverity,
    /// What is measured, such as `cost` or `duration_p95`.
    pub measure: String,
    /// Unit of the values.
    pub unit: MeasureUnit,
    /// Period that the values are compared with. The values are then relative changes, where 0.62 is 62 percent more. Null if the values
    /// are absolute, in `unit`.
    #[serde(default)]
    #[schema(required)]
    pub compare: Option<ComparisonBaseline>,
    /// Current value; null without data.
    #[schema(required)]
    pub value: Option<f64>,
    /// Threshold that was crossed, in the same unit as the value; null for a test.
    #[schema(required)]
    pub threshold: Option<f64>,
    /// Whether the rule fires above or below the threshold.
    pub direction: ThresholdDirection,
    /// Group of the rule or budget; null if it has no groups.
    #[schema(required)]
    pub group: Option<AlertGroup>,
    /// Start of the window in microseconds since the Unix epoch.
    pub window_from: i64,
    /// End of the window in microseconds since the Unix epoch.
    pub window_to: i64,
    /// Time of the change in microseconds since the Unix epoch.
    pub at: i64,
    /// IANA time zone of the times in messages, such as `Asia/Tokyo`.
    pub time_zone: String,
    /// Main contributors to the change, the largest first.
    pub culprits: Vec<AlertContributor>,
    /// Time of the previous crossing of a threshold, in microseconds since the Unix epoch. The field `since` of a contributor covers the
    /// time from then on. Null if there was no previous crossing, or if it was less than a minute before.
    #[serde(default)]
    #[schema(required)]
    pub culprits_since: Option<i64>,
    /// Budget that the value is spent from; null for rules.
    #[serde(default)]
    #[schema(required)]
    pub budget: Option<BudgetStep>,
    /// Projected cost at the end of the period; null if it is unknown.
    #[schema(required)]
    pub outlook: Option<CostProjection>,
    /// Links to the page.
    pub links: AlertNotificationLinks,
    /// Language of the rule, for channels without a language of their own.
    pub language: MessageLanguage,
    /// Changes that a digest combines; empty for all other kinds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    pub gathered: Vec<AlertNotification>,
}

/// What happened to an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertNotificationKind {
    /// A threshold was crossed.
    Opened,
    /// A warning became critical.
    Worsened,
    /// A critical incident became a warning.
    Improved,
    /// The incident was resolved.
    Resolved,
    /// Nobody has acknowledged the incident: a reminder to the same channels.
    Reminder,
    /// Nobody has acknowledged the incident: a notification to further channels.
    Escalated,
    /// Several changes in one message.
    Digest,
    /// A test message that somebody requested.
    Test,
}

/// Severity of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertSeverity {
    /// The incident needs attention soon.
    Warning,
    /// The incident needs attention immediately.
    Critical,
}

/// Unit of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MeasureUnit {
    /// US dollars.
    Usd,
    /// Tokens.
    Tokens,
    /// Milliseconds.
    Ms,
    /// A fraction: 0.02 is 2 percent.
    Ratio,
    /// A number of items, such as calls.
    #[default]
    Count,
    /// A score on a scale of its own.
    Score,
}

/// Period that a rule compares with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ComparisonBaseline {
    /// The window immediately before.
    Previous,
    /// The same window one week earlier.
    LastWeek,
}

/// Side of the threshold on which a rule fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdDirection {
    /// The rule fires above the threshold.
    Above,
    /// The rule fires below the threshold.
    Below,
}

/// Language of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MessageLanguage {
    /// English.
    #[default]
    En,
    /// Japanese.
    Ja,
}

/// One group of a rule or budget.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub struct AlertGroup {
    /// Grouping property, such as `user`.
    pub name: String,
    /// Value of the property; null for spans without it.
    #[schema(required)]
    pub value: Option<String>,
}

/// Period of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BudgetPeriod {
    /// A calendar day in the time zone of the budget, which can have 23 or 25 hours.
    Day,
    /// Seven calendar days.
    Week,
    /// A calendar month.
    Month,
}

/// A budget and the step that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BudgetStep {
    /// Amount per period, in the unit of the value.
    pub amount: f64,
    /// Period of the budget.
    pub period: BudgetPeriod,
    /// Highest step that was reached, in percent of the amount; 0 if only the forecast exceeds the amount.
    pub step: f64,
}

/// What the share of a contributor refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShareOf {
    /// The sum of all changes in the same direction compared with usual values.
    #[default]
    Change,
    /// The total of the window, or of the period of a budget.
    Total,
}

/// A contributor: a user, model, trace or other group that caused part of a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AlertContributor {
    /// Property whose value is the contributor: `trace`, `user`, `model`, `pipeline`, `prompt`, `release` and others.
    pub dimension: String,
    /// Value of the property; null for spans without it.
    #[schema(required)]
    pub key: Option<String>,
    /// Unit of the values. For sums, this is the unit of the measure. For percentiles and ratios, the values are numbers of slow or failed
    /// items.
    #[serde(default)]
    #[schema(required)]
    pub unit: MeasureUnit,
    /// Contribution in the window, or in the period of a budget so far.
    pub contribution: f64,
    /// Usual contribution in a window of this length; null without history, and for traces.
    #[schema(required)]
    pub usual: Option<f64>,
    /// Share of the quantity that `share_of` names, from 0 to 1; null if it is unknown. The shares of one dimension add up to at most 1.
    #[schema(required)]
    pub share: Option<f64>,
    /// What the share refers to.
    #[serde(default)]
    #[schema(required)]
    pub share_of: ShareOf,
    /// Part of the contribution since the previous crossing of a threshold; null if there was no previous crossing, or if it was less than
    /// a minute before.
    #[serde(default)]
    #[schema(required)]
    pub since: Option<f64>,
    /// Link to the spans of the contributor on the page; null if there is none.
    #[schema(required)]
    pub link: Option<String>,
}

/// Projected cost at the end of a period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CostProjection {
    /// Cost in US dollars at the end of the period if spending continues at the current rate.
    #[serde(alias = "if_goes_on_usd")]
    pub projected_usd: f64,
    /// End of the period in microseconds since the Unix epoch.
    pub until: i64,
}

/// Links to the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AlertNotificationLinks {
    /// Link to the incident, or to the list of alerts if there is no incident.
    pub incident: String,
    /// Link to the traces of the incident; null if there is none.
    #[schema(required)]
    pub traces: Option<String>,
}
