//! Transitions of one alert instance in one evaluation pass.

use super::{AlertInstanceKey, EvaluationResult, RuleEvaluator};
use crate::delivery::notification::{AlertNotificationKind, AlertSeverity, MeasureUnit};
use crate::evaluator::prepared_rule::RuleWatch;
use crate::incident::{AlertSource, Incident, IncidentEventKind, IncidentTimelineEntry};

/// Evaluation of one alert instance in one pass. Because of late spans, one pass may open, worsen and resolve the same incident.
pub(super) struct AlertInstanceEvaluation<'a> {
    evaluator: &'a RuleEvaluator,
    watch: &'a RuleWatch,
    instance: &'a AlertInstanceKey,
    pub(super) severity: Option<AlertSeverity>,
    /// Whether the incident was resolved manually: nothing fires until the value is back to normal.
    is_resolved_manually: bool,
    incident: Option<Incident>,
    /// Time at which the next incident opens.
    opening_us: i64,
    result: EvaluationResult,
}

impl<'a> AlertInstanceEvaluation<'a> {
    pub(super) fn new(evaluator: &'a RuleEvaluator, watch: &'a RuleWatch, instance: &'a AlertInstanceKey) -> AlertInstanceEvaluation<'a> {
        AlertInstanceEvaluation {
            evaluator,
            watch,
            instance,
            severity: evaluator.last_severity(instance),
            is_resolved_manually: evaluator.resolved_manually.contains_key(instance),
            incident: evaluator.open_incidents.get(instance).cloned(),
            opening_us: evaluator.next_opening_us(instance),
            result: EvaluationResult::default(),
        }
    }

    pub(super) fn finish(self, result: &mut EvaluationResult) {
        result.changes.extend(self.result.changes);
        result.back_to_normal.extend(self.result.back_to_normal);
    }

    /// Moves the instance from its current severity to the next severity.
    pub(super) fn transition_to(&mut self, next: Option<AlertSeverity>, value: Option<f64>, (from_us, to_us): (i64, i64)) {
        let before = std::mem::replace(&mut self.severity, next);
        if self.is_resolved_manually && next.is_none() {
            self.is_resolved_manually = false;
            self.result.back_to_normal.push(self.instance.clone());
            return;
        }
        if before == next || self.is_resolved_manually {
            return;
        }
        let (evaluator, rule) = (self.evaluator, &self.watch.record.definition);
        let (kind, happened) = match (before, next) {
            (None, _) => (AlertNotificationKind::Opened, IncidentEventKind::Opened),
            (Some(before), Some(next)) if next > before => (AlertNotificationKind::Worsened, IncidentEventKind::Worsened),
            (Some(_), Some(_)) => (AlertNotificationKind::Improved, IncidentEventKind::Improved),
            (Some(_), None) => (AlertNotificationKind::Resolved, IncidentEventKind::Resolved),
        };
        let opens_us = self.opening_us;
        let mut incident = self.incident.take().unwrap_or_else(|| Incident {
            group: self.instance.1.to_notification_group(rule.group_by.as_deref()),
            unit: if rule.compare.is_some() { MeasureUnit::Ratio } else { rule.measure.unit() },
            compare: rule.compare,
            direction: rule.direction,
            threshold: rule.first_threshold(),
            peak: value,
            ..Incident::open(AlertSource::Rule, &self.watch.record, &rule.name, rule.measure, opens_us)
        });
        self.opening_us = opens_us.max(incident.opened_us + 1);
        incident.value = value;
        incident.peak = match (incident.peak, value) {
            (Some(peak), Some(value)) => Some(self.watch.thresholds.worse_value(peak, value)),
            (peak, value) => peak.or(value),
        };
        (incident.window_from_us, incident.window_to_us) = (from_us, to_us);
        match next {
            Some(severity) => {
                if kind == AlertNotificationKind::Worsened {
                    // The severity is worse than the one that was acknowledged.
                    incident.acknowledged_us = None;
                    incident.acknowledged_by = None;
                }
                incident.severity = severity;
                incident.worst = severity.max(incident.worst);
                incident.threshold = rule.threshold(severity);
            }
            None => incident.resolved_us = Some(evaluator.now_us.max(incident.opened_us)),
        }
        let entry =
            IncidentTimelineEntry { value, severity: Some(incident.severity), ..IncidentTimelineEntry::new(evaluator.now_us, happened) };
        let change = evaluator.notified_change(incident, kind, entry);
        self.incident = Some(change.incident.clone()).filter(|incident| incident.resolved_us.is_none());
        self.result.changes.push(change);
    }
}
