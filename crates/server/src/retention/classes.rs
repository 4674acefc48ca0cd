//! Retention classes of spans: how long each class is stored.

use std::collections::{BTreeMap, HashSet};

use hinomi_model::id::TraceId;
use hinomi_store::{RetentionCandidate, RetentionDecision};
use hinomi_tables::metadata::ProjectRecord;
use hinomi_tables::retained_rows::ExpiryCutoffs;

const DAY_US: i64 = 86_400_000_000;

/// Retention rules of one project at one moment. Times are in microseconds since the Unix epoch: what starts before them is deleted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RetentionRules {
    before_us: i64,
    environments: BTreeMap<String, i64>,
    message_cutoff_us: Option<i64>,
    /// Traces with errors or scores; they are stored at least until `notable_trace_cutoff_us`.
    flagged: HashSet<TraceId>,
    flagged_before_us: i64,
    /// Pinned traces, which do not expire.
    pinned: HashSet<TraceId>,
}

impl RetentionRules {
    /// Returns the rules of a project at a moment. `days` is the default for projects without their own setting.
    pub fn of_project(project: &ProjectRecord, days: u32, now_us: i64) -> RetentionRules {
        let before = |days: u32| now_us.saturating_sub(i64::from(days) * DAY_US);
        let overrides = &project.retention_overrides;
        let days = project.retention_days.unwrap_or(days);
        RetentionRules {
            before_us: before(days),
            environments: overrides.environments.iter().map(|(name, days)| (name.clone(), before(*days))).collect(),
            message_cutoff_us: overrides.message_days.map(before),
            flagged: HashSet::new(),
            flagged_before_us: before(overrides.flagged_days.unwrap_or(days).max(days)),
            pinned: HashSet::new(),
        }
    }

    /// Returns whether some traces are stored longer than others.
    pub fn stores_some_traces_longer(&self) -> bool {
        self.flagged_before_us < self.before_us || self.message_cutoff_us.is_some()
    }

    /// Sets the traces with errors or scores, and the pinned ones.
    pub fn set_kept_traces(&mut self, flagged: HashSet<TraceId>, pinned: HashSet<TraceId>) {
        (self.flagged, self.pinned) = (flagged, pinned);
    }

    /// Returns the time before which spans may have to be deleted or stripped.
    pub fn latest_expiry_us(&self) -> i64 {
        let environments = self.environments.values().copied();
        environments.chain([self.before_us]).chain(self.message_cutoff_us).max().unwrap_or(i64::MIN)
    }

    /// Decides what happens to a span.
    pub fn decide(&self, seen: &RetentionCandidate) -> RetentionDecision {
        if self.pinned.contains(&seen.trace) {
            return RetentionDecision::Keep;
        }
        let usual = seen.environment.and_then(|name| self.environments.get(name)).copied().unwrap_or(self.before_us);
        let is_notable = self.flagged.contains(&seen.trace);
        let before = if is_notable { usual.min(self.flagged_before_us) } else { usual };
        if seen.start_us < before {
            return RetentionDecision::Delete;
        }
        if !is_notable && self.message_cutoff_us.is_some_and(|texts| seen.start_us < texts) {
            return RetentionDecision::DeleteMessages;
        }
        RetentionDecision::Keep
    }

    /// Returns the pinned traces.
    pub fn pinned_traces(&self) -> HashSet<TraceId> {
        self.pinned.clone()
    }

    /// Returns the traces with errors or scores.
    pub fn flagged_traces(&self) -> &HashSet<TraceId> {
        &self.flagged
    }

    /// Returns whether a span expires even if its trace has errors or scores. Pinned traces do not expire.
    pub fn is_expired_in_all_classes(&self, seen: &RetentionCandidate) -> bool {
        self.decide(seen) == RetentionDecision::Delete && seen.start_us < self.flagged_before_us
    }

    /// Returns the cutoffs of rows in tables.
    pub fn cutoffs(&self) -> ExpiryCutoffs {
        ExpiryCutoffs {
            before_us: self.before_us,
            notable_trace_cutoff_us: self.before_us.min(self.flagged_before_us),
            log_line_cutoff_us: self.message_cutoff_us.map_or(self.before_us, |texts| texts.max(self.before_us)),
            pinned: self.pinned.clone(),
            notable: self.flagged.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hinomi_tables::metadata::RetentionOverrides;

    #[test]
    fn each_retention_class_has_its_days() {
        let environments = [("dev".to_owned(), 3), ("audit".to_owned(), 400)].into();
        let retention_overrides = RetentionOverrides { environments, message_days: Some(10), flagged_days: Some(90) };
        let project = ProjectRecord { retention_days: None, retention_overrides, ..ProjectRecord::default() };
        let mut rules = RetentionRules::of_project(&project, 30, 1000 * DAY_US);
        rules.set_kept_traces(HashSet::from([TraceId(7)]), HashSet::from([TraceId(8)]));
        let fate = |trace, days_ago: i64, environment| {
            rules.decide(&RetentionCandidate {
                project: 1,
                trace: TraceId(trace),
                start_us: (1000 - days_ago) * DAY_US,
                environment,
                user: None,
            })
        };
        use RetentionDecision::{Delete, DeleteMessages, Keep};
        let of_usual = [2, 11, 31].map(|days| fate(1, days, None));
        assert_eq!(of_usual, [Keep, DeleteMessages, Delete]);
        let of_dev = [2, 4].map(|days| fate(1, days, Some("dev")));
        assert_eq!(of_dev, [Keep, Delete]);
        assert_eq!([31, 401].map(|days| fate(1, days, Some("audit"))), [DeleteMessages, Delete]);
        assert_eq!([31, 89, 91].map(|days| fate(7, days, Some("dev"))), [Keep, Keep, Delete]);
        assert_eq!(fate(8, 999, None), Keep);
        assert_eq!(rules.latest_expiry_us(), 997 * DAY_US);
    }
}
