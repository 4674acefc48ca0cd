//! Chart of an incident: the metric around it, computed from stored spans, and the thresholds.

use hinomi_query::ProjectSnapshot;

use super::links::group_filter_text;
use super::{Incident, IncidentTimelineEntry};
use crate::HumanDuration;
use crate::alert_store::AlertRecord;
use crate::delivery::notification::AlertSeverity;
use crate::error::AlertError;
use crate::evaluator::metric_series::AlertGroupKey;
use crate::evaluator::prepared_rule::AlertWatch;
use crate::preview::{PreviewError, preview};
use crate::rule::AlertRule;
use crate::rule::budget::Budget;

/// Maximum time range of a chart. A longer incident shows its beginning.
const MAX_CHART_RANGE: HumanDuration = HumanDuration::days(35);
/// Minimum time that is shown before and after an incident.
const MIN_CHART_MARGIN: HumanDuration = HumanDuration::minutes(30);

/// Current definition of the rule or budget of an incident.
#[derive(Debug, Clone)]
pub enum IncidentDefinition {
    /// An alert rule.
    Rule(Box<AlertRule>),
    /// A budget.
    Budget(Box<AlertRecord<Budget>>),
    /// The rule or budget was deleted.
    Deleted,
}

/// A threshold in the chart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ThresholdLine {
    /// Severity of the threshold; `None` for the value at which the incident is resolved.
    pub severity: Option<AlertSeverity>,
    /// Value of the threshold, in the unit of the metric.
    pub value: f64,
}

/// Chart of an incident.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentChart {
    /// Start of the chart, in microseconds since the Unix epoch.
    pub from_us: i64,
    /// End of the chart, in microseconds since the Unix epoch.
    pub to_us: i64,
    /// Time in microseconds since the Unix epoch and value, in ascending order of time; `None` without data. For a budget, the spend
    /// since the start of its period.
    pub points: Vec<(i64, Option<f64>)>,
    /// Thresholds.
    pub thresholds: Vec<ThresholdLine>,
}

/// Returns the chart of an incident. The chart shows the values in the timeline if other values cannot be computed: because the rule was
/// deleted, does not measure spans, or the incident is about the group of all others.
///
/// # Errors
///
/// Returns an error if the query engine fails.
pub async fn incident_chart(
    view: &ProjectSnapshot,
    incident: &Incident,
    timeline: &[IncidentTimelineEntry],
    of: IncidentDefinition,
    now_us: i64,
) -> Result<IncidentChart, PreviewError> {
    let is_rest = AlertGroupKey::from_notification_group(incident.group.as_ref()) == AlertGroupKey::Others;
    let counted = match of {
        IncidentDefinition::Rule(rule) if !is_rest && rule.measure.is_computed_from_spans() => {
            Some(rule_chart(view, incident, *rule, now_us).await?)
        }
        IncidentDefinition::Budget(budget) if !is_rest => Some(budget_chart(view, incident, *budget, now_us).await?),
        _ => None,
    };
    Ok(counted.unwrap_or_else(|| timeline_chart(incident, timeline, now_us)))
}

async fn rule_chart(view: &ProjectSnapshot, incident: &Incident, rule: AlertRule, now_us: i64) -> Result<IncidentChart, PreviewError> {
    let beside = HumanDuration((2 * rule.window.0).max(MIN_CHART_MARGIN.0)).0;
    let from_us = incident.window_from_us.min(incident.opened_us).saturating_sub(beside);
    let end_us = incident.resolved_us.unwrap_or(now_us).saturating_add(beside).min(now_us);
    let to_us = end_us.min(from_us.saturating_add(MAX_CHART_RANGE.0)).max(from_us + 1);
    let levels = [(Some(AlertSeverity::Warning), rule.warning), (Some(AlertSeverity::Critical), rule.critical), (None, rule.resolve)];
    let thresholds = levels.into_iter().filter_map(|(severity, value)| Some(ThresholdLine { severity, value: value? })).collect();
    let filter = group_filter_text(&rule.filter, incident.group.as_ref());
    let alone = AlertRule { filter, group_by: None, ..rule };
    let points = preview(view, &alone, from_us, to_us).await?.points;
    Ok(IncidentChart { from_us, to_us, points, thresholds })
}

async fn budget_chart(
    view: &ProjectSnapshot,
    incident: &Incident,
    kept: AlertRecord<Budget>,
    now_us: i64,
) -> Result<IncidentChart, PreviewError> {
    let (from_us, end_us) = (incident.window_from_us, incident.window_to_us);
    let to_us = end_us.min(now_us).max(from_us + 1);
    let amount = kept.definition.amount;
    let critical_from = kept.definition.critical_from;
    let severity = |step: f64| if step >= critical_from { AlertSeverity::Critical } else { AlertSeverity::Warning };
    let thresholds =
        kept.definition.steps.iter().map(|step| ThresholdLine { severity: Some(severity(*step)), value: amount * step / 100.0 }).collect();
    let filter = group_filter_text(&kept.definition.filter, incident.group.as_ref());
    let alone = AlertRecord { definition: Budget { filter, group_by: None, alert_on_forecast: false, ..kept.definition }, ..kept };
    let watcher = AlertWatch::budget(alone)?;
    let (Some(spec), Some(quantity)) = (watcher.spec(), watcher.quantity()) else { return Err(AlertError::Unknown("measure").into()) };
    let mut track = spec.new_series(i64::MAX / spec.step_us / 2)?;
    let (columns, matcher) = (track.required_columns(), track.matcher.clone());
    view.each_span(from_us, to_us, &columns, |span| {
        if matcher.holds(&span) {
            track.add(&span, 1, to_us);
        }
    })
    .await?;
    let step = track.spec.step_us;
    let mut points = vec![(from_us, Some(0.0))];
    let mut sum = 0;
    for at in from_us.div_euclid(step)..=(to_us - 1).div_euclid(step) {
        sum += track.aggregate(&AlertGroupKey::AllSpans, at, at + 1, 0.0).quantity;
        points.push((((at + 1) * step).min(to_us), Some(quantity.to_api_value(sum))));
    }
    Ok(IncidentChart { from_us, to_us, points, thresholds })
}

fn timeline_chart(incident: &Incident, timeline: &[IncidentTimelineEntry], now_us: i64) -> IncidentChart {
    let end_us = incident.resolved_us.unwrap_or(now_us);
    let points: Vec<_> = timeline.iter().filter(|entry| entry.value.is_some()).map(|entry| (entry.at_us, entry.value)).collect();
    let thresholds = vec![ThresholdLine { severity: Some(incident.severity), value: incident.threshold }];
    IncidentChart { from_us: incident.opened_us, to_us: end_us.max(incident.opened_us + 1), points, thresholds }
}
