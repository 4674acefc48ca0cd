//! Thresholds with hysteresis: a value that hovers around a threshold does not fire repeatedly.

use crate::delivery::notification::{AlertSeverity, ThresholdDirection};
use crate::rule::AlertRule;

/// Thresholds of a rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RuleThresholds {
    pub(crate) direction: ThresholdDirection,
    pub(crate) warning: Option<f64>,
    pub(crate) critical: Option<f64>,
    /// Value at which the incident is resolved.
    pub(crate) resolve: f64,
}

impl RuleThresholds {
    pub(crate) fn of_rule(rule: &AlertRule) -> RuleThresholds {
        let resolve = rule.resolve.unwrap_or_else(|| rule.first_threshold());
        RuleThresholds { direction: rule.direction, warning: rule.warning, critical: rule.critical, resolve }
    }

    /// Returns whether a value is beyond a threshold.
    pub(crate) fn is_beyond(&self, value: f64, threshold: f64) -> bool {
        match self.direction {
            ThresholdDirection::Above => value > threshold,
            ThresholdDirection::Below => value < threshold,
        }
    }

    /// Returns the severity of a value, regardless of the state.
    pub(crate) fn severity_of(&self, value: f64) -> Option<AlertSeverity> {
        let passed = |threshold: Option<f64>| threshold.is_some_and(|threshold| self.is_beyond(value, threshold));
        match (passed(self.critical), passed(self.warning)) {
            (true, _) => Some(AlertSeverity::Critical),
            (false, true) => Some(AlertSeverity::Warning),
            (false, false) => None,
        }
    }

    /// Returns the severity after a value. The severity may depend on the severity before the value.
    pub(crate) fn next_severity(&self, before: Option<AlertSeverity>, value: f64) -> Option<AlertSeverity> {
        let level = self.severity_of(value);
        let Some(before) = before else { return level };
        if level >= Some(before) {
            return level;
        }
        if !self.is_beyond(value, self.resolve) {
            return None;
        }
        match (before, self.warning, self.critical) {
            (AlertSeverity::Critical, Some(warning), Some(critical)) => {
                // Use the same distance as between warning and resolution.
                let bound = critical - (warning - self.resolve);
                if self.is_beyond(value, bound) { Some(AlertSeverity::Critical) } else { Some(AlertSeverity::Warning) }
            }
            _ => Some(before),
        }
    }

    /// Returns the one of two values that is further beyond the thresholds.
    pub(crate) fn worse_value(&self, a: f64, b: f64) -> f64 {
        if self.is_beyond(b, a) { b } else { a }
    }
}
