//! Transitions of one alert instance in one evaluation pass.

use super::{AlertInstanceKey, EvaluationResult, RuleEvaluator};
use crate::delivery::notice::{AlertNoticeKind, AlertSeverity, MeasureUnit};
use crate::evaluator::prepared_rule::RuleWatch;
use crate::incident::{AlertSource, Incident, IncidentEventKind, IncidentTimelineEntry};

/// Evaluation of one alert instance in one pass. Late spans may open, worsen and resolve an incident in the same pass.
pub(super) struct AlertInstanceEvaluation<'a> {
    bell: &'a RuleEvaluator,
    watch: &'a RuleWatch,
    place: &'a AlertInstanceKey,
    pub(super) severity: Option<AlertSeverity>,
    /// Whether the incident was resolved manually: nothing fires until the value is back to normal.
    is_put_down: bool,
    incident: Option<Incident>,
    /// Time at which the next incident opens.
    opens_us: i64,
    judged: EvaluationResult,
}

impl<'a> AlertInstanceEvaluation<'a> {
    pub(super) fn new(bell: &'a RuleEvaluator, watch: &'a RuleWatch, place: &'a AlertInstanceKey) -> AlertInstanceEvaluation<'a> {
        AlertInstanceEvaluation {
            bell,
            watch,
            place,
            severity: bell.before(place),
            is_put_down: bell.put_down.contains_key(place),
            incident: bell.open.get(place).cloned(),
            opens_us: bell.opening_us(place),
            judged: EvaluationResult::default(),
        }
    }

    pub(super) fn end(self, judged: &mut EvaluationResult) {
        judged.changes.extend(self.judged.changes);
        judged.lifted.extend(self.judged.lifted);
    }

    /// Moves the instance from its current severity to the next one.
    pub(super) fn go(&mut self, next: Option<AlertSeverity>, value: Option<f64>, (from_us, to_us): (i64, i64)) {
        let before = std::mem::replace(&mut self.severity, next);
        if self.is_put_down && next.is_none() {
            self.is_put_down = false;
            self.judged.lifted.push(self.place.clone());
            return;
        }
        if before == next || self.is_put_down {
            return;
        }
        let (bell, rule) = (self.bell, &self.watch.kept.what);
        let (kind, happened) = match (before, next) {
            (None, _) => (AlertNoticeKind::Opened, IncidentEventKind::Opened),
            (Some(before), Some(next)) if next > before => (AlertNoticeKind::Worsened, IncidentEventKind::Worsened),
            (Some(_), Some(_)) => (AlertNoticeKind::Improved, IncidentEventKind::Improved),
            (Some(_), None) => (AlertNoticeKind::Resolved, IncidentEventKind::Resolved),
        };
        let opens_us = self.opens_us;
        let mut incident = self.incident.take().unwrap_or_else(|| Incident {
            group: self.place.1.shown(rule.group_by.as_deref()),
            unit: if rule.compare.is_some() { MeasureUnit::Ratio } else { rule.measure.unit() },
            compare: rule.compare,
            direction: rule.direction,
            threshold: rule.nearest(),
            peak: value,
            ..Incident::opened(AlertSource::Rule, &self.watch.kept, &rule.name, rule.measure, opens_us)
        });
        self.opens_us = opens_us.max(incident.opened_us + 1);
        incident.value = value;
        incident.peak = match (incident.peak, value) {
            (Some(peak), Some(value)) => Some(self.watch.limits.worse(peak, value)),
            (peak, value) => peak.or(value),
        };
        (incident.window_from_us, incident.window_to_us) = (from_us, to_us);
        match next {
            Some(severity) => {
                if kind == AlertNoticeKind::Worsened {
                    // The severity is worse than the one that was acknowledged.
                    incident.acknowledged_us = None;
                    incident.acknowledged_by = None;
                }
                incident.severity = severity;
                incident.worst = severity.max(incident.worst);
                incident.threshold = rule.threshold(severity);
            }
            None => incident.resolved_us = Some(bell.now_us.max(incident.opened_us)),
        }
        let entry = IncidentTimelineEntry { value, severity: Some(incident.severity), ..IncidentTimelineEntry::new(bell.now_us, happened) };
        let change = bell.changed(incident, kind, entry);
        self.incident = Some(change.incident.clone()).filter(|incident| incident.resolved_us.is_none());
        self.judged.changes.push(change);
    }
}
