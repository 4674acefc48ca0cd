//! Determination of the contributors to a change.

use std::time::Duration;

use hinomi_query::QueryError;
use hinomi_query::filter::Filter;

use super::EvaluationWorker;
use crate::alert_store::IncidentChange;
use crate::delivery::notification;
use crate::delivery::notification::{AlertContributor, AlertNotificationKind};
use crate::evaluator::metric_series::AlertGroupKey;
use crate::evaluator::prepared_rule::AlertWatch;
use crate::incident::contributors;
use crate::incident::contributors::{ContributorGoal, ContributorScope};
use crate::incident::links::{contributor_link, group_filter_text};
use crate::{AlertError, AlertService, Incident, lock};

/// Timeout for finding the contributors to a change before its notification is sent without them.
const NOTICE_TIMEOUT: Duration = Duration::from_millis(500);
/// Timeout for finding the contributors for the page only, when the thread is idle.
const PAGE_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum number of changes per pass whose notifications include contributors. Those of further changes are added to the incident later.
const MAX_EXPLAINED_CHANGES: usize = 3;

impl EvaluationWorker {
    /// Finds the contributors for notifications that are about to be sent.
    pub(super) fn explain_pending_notifications(&mut self) {
        let mut explained = 0;
        let mut untold = std::mem::take(&mut self.pending_notifications);
        for one in untold.iter_mut().filter(|one| {
            matches!(one.notification.kind, AlertNotificationKind::Opened | AlertNotificationKind::Worsened)
                && one.notification.culprits.is_empty()
        }) {
            let Some(incident) = one.notification.incident_id else { continue };
            if explained == MAX_EXPLAINED_CHANGES {
                self.unexplained_changes.push((one.notification.project, incident));
                continue;
            }
            explained += 1;
            match self.contributors_of(one.notification.project, incident, NOTICE_TIMEOUT) {
                Some(culprits) => one.notification.culprits = culprits,
                None => self.unexplained_changes.push((one.notification.project, incident)),
            }
        }
        self.pending_notifications = untold;
    }

    /// Finds the contributors to one change whose notification was sent without them.
    pub(super) fn explain_one_sent_notification(&mut self) {
        if let Some((project, incident)) = self.unexplained_changes.pop() {
            self.contributors_of(project, incident, PAGE_TIMEOUT);
        }
    }

    fn contributors_of(&self, project: u64, id: i64, timeout: Duration) -> Option<Vec<AlertContributor>> {
        let (filter, group, weight, goal, window, until_us, since_us) = {
            let bell = lock(&self.alerts.evaluator);
            let incident = bell.open_incident_by_id(id)?;
            let (measure, compare, goal) = match bell.watch(incident.rule)? {
                AlertWatch::Rule(watch) => {
                    (watch.record.definition.measure, watch.record.definition.compare, ContributorGoal::Change(incident.direction))
                }
                AlertWatch::Budget(watch) => (watch.record.definition.measure, None, ContributorGoal::Spending),
            };
            // The threshold of a comparison is relative, so it does not say which durations are slow.
            let threshold = compare.is_none().then_some(incident.threshold);
            let now_us = self.dependencies.clock.now_us();
            let window = (incident.window_from_us, incident.window_to_us.min(now_us).max(incident.window_from_us + 1));
            let (weight, filter) = (contributors::contribution_weight(measure, threshold)?, bell.watch(incident.rule)?.filter().to_owned());
            (filter, incident.group.clone(), weight, goal, window, incident.stepped_us, incident.culprits_since_us)
        };
        let filter = group_filter(&filter, group.as_ref())?;
        let view = self.dependencies.engine.project(self.dependencies.store.snapshot(), project);
        let scope = ContributorScope { window, until_us, since_us, group: group.as_ref().map(|group| group.name.as_str()) };
        let looking = contributors::find_contributors(&view, &filter, weight, goal, scope);
        let found: Result<Result<_, QueryError>, _> = self.runtime.block_on(async { tokio::time::timeout(timeout, looking).await });
        let mut culprits = match found {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                tracing::error!(%error, "alert.contributors.failed");
                return None;
            }
            Err(_) => return None,
        };
        for culprit in &mut culprits {
            culprit.link = Some(contributor_link(&self.dependencies.public_url, project, culprit, window));
        }
        let explained = |incident: &mut Incident| incident.culprits.clone_from(&culprits);
        if let Err(error) = self.alerts.change_open_incident(id, explained) {
            tracing::error!(%error, "alert.changes.write_failed");
        }
        Some(culprits)
    }
}

/// Returns the filter of a rule for one of its groups; `None` for the group of all others, which no filter can select.
fn group_filter(filter: &str, group: Option<&notification::AlertGroup>) -> Option<Filter> {
    if group.is_some() && AlertGroupKey::from_notification_group(group) == AlertGroupKey::Others {
        return None;
    }
    Filter::parse_stored(&group_filter_text(filter, group)).ok()
}

impl AlertService {
    /// Changes an open incident in its latest version, in memory and on disk.
    fn change_open_incident(&self, id: i64, change: impl FnOnce(&mut Incident)) -> Result<(), AlertError> {
        let mut bell = lock(&self.evaluator);
        let Some(mut incident) = bell.open_incident_by_id(id).cloned() else { return Ok(()) };
        change(&mut incident);
        let mut changes = vec![IncidentChange { incident, entries: Vec::new(), pending_notifications: Vec::new() }];
        self.store.write_changes(&mut changes)?;
        bell.apply_changes(changes);
        Ok(())
    }
}
