//! When a figure rings and when that is over: thresholds with a gap between, so that a figure at a threshold does not ring again and again.

use crate::delivery::notice::{AlertSeverity, ThresholdDirection};
use crate::rule::AlertRule;

/// The thresholds of a rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RuleThresholds {
    pub(crate) direction: ThresholdDirection,
    pub(crate) warning: Option<f64>,
    pub(crate) critical: Option<f64>,
    /// Not beyond this it is over.
    pub(crate) resolve: f64,
}

impl RuleThresholds {
    pub(crate) fn of(rule: &AlertRule) -> RuleThresholds {
        let resolve = rule.resolve.unwrap_or_else(|| rule.nearest());
        RuleThresholds { direction: rule.direction, warning: rule.warning, critical: rule.critical, resolve }
    }

    /// Whether a figure has passed a threshold.
    pub(crate) fn is_beyond(&self, value: f64, threshold: f64) -> bool {
        match self.direction {
            ThresholdDirection::Above => value > threshold,
            ThresholdDirection::Below => value < threshold,
        }
    }

    /// How bad a figure is by itself.
    pub(crate) fn level(&self, value: f64) -> Option<AlertSeverity> {
        let passed = |threshold: Option<f64>| threshold.is_some_and(|threshold| self.is_beyond(value, threshold));
        match (passed(self.critical), passed(self.warning)) {
            (true, _) => Some(AlertSeverity::Critical),
            (false, true) => Some(AlertSeverity::Warning),
            (false, false) => None,
        }
    }

    /// How bad it is after a figure, given how bad it was before.
    pub(crate) fn next(&self, before: Option<AlertSeverity>, value: f64) -> Option<AlertSeverity> {
        let level = self.level(value);
        let Some(before) = before else { return level };
        if level >= Some(before) {
            return level;
        }
        if !self.is_beyond(value, self.resolve) {
            return None;
        }
        match (before, self.warning, self.critical) {
            (AlertSeverity::Critical, Some(warning), Some(critical)) => {
                // The same gap as between warning and over.
                let bound = critical - (warning - self.resolve);
                if self.is_beyond(value, bound) { Some(AlertSeverity::Critical) } else { Some(AlertSeverity::Warning) }
            }
            _ => Some(before),
        }
    }

    /// The one of two figures that is further out.
    pub(crate) fn worse(&self, a: f64, b: f64) -> f64 {
        if self.is_beyond(b, a) { b } else { a }
    }
}
