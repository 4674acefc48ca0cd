//! Removal of deleted users and traces from the evaluator.

use std::collections::HashSet;

use super::{AlertInstanceKey, RuleEvaluator};
use crate::alert_store::IncidentChange;
use crate::delivery::notification;
use crate::evaluator::metric_series::AlertGroupKey;
use crate::evaluator::prepared_rule::AlertWatch;

/// Reason in the timeline of an incident whose user or trace was deleted.
const SUBJECT_DELETED_REASON: &str = "the affected user or trace was deleted";
/// Text in place of a deleted name.
const DELETED_NAME: &str = "(deleted)";

impl RuleEvaluator {
    /// Returns the changes that remove these names from all open incidents of a project. Incidents about one of these names are resolved.
    pub(crate) fn changes_without_names(&self, project: u64, names: &HashSet<String>) -> Vec<IncidentChange> {
        let open = self.open_incidents.iter().filter(|(_, incident)| incident.project == project);
        open.filter_map(|((_, group), incident)| {
            let mut incident = incident.clone();
            let before = incident.culprits.len();
            incident.culprits.retain(|culprit| culprit.key.as_ref().is_none_or(|key| !names.contains(key)));
            if is_group_named(group, names) {
                let mut change = self.resolve_change(&incident, Some(SUBJECT_DELETED_REASON), incident.value);
                for untold in &mut change.pending_notifications {
                    let name = incident.group.as_ref().map(|group| group.name.clone()).unwrap_or_default();
                    untold.notification.group = Some(notification::AlertGroup { name, value: Some(DELETED_NAME.to_owned()) });
                    untold.notification.links.traces = None;
                }
                return Some(change);
            }
            (incident.culprits.len() < before).then(|| IncidentChange { incident, entries: Vec::new(), pending_notifications: Vec::new() })
        })
        .collect()
    }

    /// Removes the series and history of groups with these names, so nothing deleted fires again.
    pub(crate) fn forget_names(&mut self, project: u64, names: &HashSet<String>) {
        for track in self.series.iter_mut().filter(|track| track.spec.project == project) {
            track.forget_groups(|group| is_group_named(group, names));
        }
        let watchers = &self.watches;
        let stays = |(id, group): &AlertInstanceKey| {
            !is_group_named(group, names) || watchers.get(id).is_some_and(|watcher| watcher.project() != project)
        };
        self.resolved_manually.retain(|place, _| stays(place));
        self.history.retain(|place, _| stays(place));
        self.fired_steps.retain(|(place, _), _| stays(place));
    }

    /// Removes a deleted project: its rules, open incidents and series.
    pub(crate) fn forget_project(&mut self, project: u64) {
        let gone: HashSet<i64> = self.watches.values().filter(|watcher| watcher.project() == project).map(AlertWatch::id).collect();
        let open: HashSet<i64> =
            self.open_incidents.values().filter(|incident| incident.project == project).map(|incident| incident.rule).collect();
        let stays = |id: &i64| !gone.contains(id) && !open.contains(id);
        self.watches.retain(|id, _| stays(id));
        self.open_incidents.retain(|(id, _), _| stays(id));
        self.resolved_manually.retain(|(id, _), _| stays(id));
        self.history.retain(|(id, _), _| stays(id));
        self.fired_steps.retain(|((id, _), _), _| stays(id));
        self.series.retain(|track| track.spec.project != project);
        self.index_series();
    }
}

fn is_group_named(group: &AlertGroupKey, names: &HashSet<String>) -> bool {
    matches!(group, AlertGroupKey::Value(Some(value)) if names.contains(&**value))
}
