//! Determination of the contributors to a change.

use std::time::Duration;

use hinomi_query::QueryError;
use hinomi_query::filter::Filter;

use super::EvaluationWorker;
use crate::alert_store::IncidentChange;
use crate::delivery::notice;
use crate::delivery::notice::{AlertContributor, AlertNoticeKind};
use crate::evaluator::metric_series::AlertGroupKey;
use crate::evaluator::prepared_rule::AlertWatch;
use crate::incident::contributors;
use crate::incident::contributors::{ContributorGoal, ContributorScope};
use crate::incident::links::{link, narrowed_text};
use crate::{AlertError, AlertService, Incident, lock};

/// Timeout for finding the contributors to a change before its notice is sent without them.
const EXPLAIN: Duration = Duration::from_millis(500);
/// Timeout for finding the contributors for the page only, when the thread is idle.
const EXPLAIN_LATER: Duration = Duration::from_secs(2);
/// Maximum number of changes per pass whose notices include contributors. Those of further changes are added to the incident later.
const EXPLAINED: usize = 3;

impl EvaluationWorker {
    /// Finds the contributors for notices that are about to be sent.
    pub(super) fn explain_now(&mut self) {
        let mut explained = 0;
        let mut untold = std::mem::take(&mut self.untold);
        for one in untold
            .iter_mut()
            .filter(|one| matches!(one.notice.kind, AlertNoticeKind::Opened | AlertNoticeKind::Worsened) && one.notice.culprits.is_empty())
        {
            let Some(incident) = one.notice.incident_id else { continue };
            if explained == EXPLAINED {
                self.unexplained.push((one.notice.project, incident));
                continue;
            }
            explained += 1;
            match self.explain(one.notice.project, incident, EXPLAIN) {
                Some(culprits) => one.notice.culprits = culprits,
                None => self.unexplained.push((one.notice.project, incident)),
            }
        }
        self.untold = untold;
    }

    /// Finds the contributors to one change whose notice was sent without them.
    pub(super) fn explain_later(&mut self) {
        if let Some((project, incident)) = self.unexplained.pop() {
            self.explain(project, incident, EXPLAIN_LATER);
        }
    }

    fn explain(&self, project: u64, id: i64, patience: Duration) -> Option<Vec<AlertContributor>> {
        let (filter, group, weight, goal, window, until_us, since_us) = {
            let bell = lock(&self.alerts.bell);
            let incident = bell.open_with(id)?;
            let (measure, compare, goal) = match bell.watcher(incident.rule)? {
                AlertWatch::Rule(watch) => (watch.kept.what.measure, watch.kept.what.compare, ContributorGoal::Change(incident.direction)),
                AlertWatch::Budget(watch) => (watch.kept.what.measure, None, ContributorGoal::Spending),
            };
            // The threshold of a comparison is relative, so it does not say which durations are slow.
            let threshold = compare.is_none().then_some(incident.threshold);
            let now_us = self.around.clock.now_us();
            let window = (incident.window_from_us, incident.window_to_us.min(now_us).max(incident.window_from_us + 1));
            let (weight, filter) = (contributors::weight(measure, threshold)?, bell.watcher(incident.rule)?.filter().to_owned());
            (filter, incident.group.clone(), weight, goal, window, incident.stepped_us, incident.culprits_since_us)
        };
        let filter = narrowed(&filter, group.as_ref())?;
        let view = self.around.engine.project(self.around.store.snapshot(), project);
        let scope = ContributorScope { window, until_us, since_us, group: group.as_ref().map(|group| group.name.as_str()) };
        let looking = contributors::explain(&view, &filter, weight, goal, scope);
        let found: Result<Result<_, QueryError>, _> = self.runtime.block_on(async { tokio::time::timeout(patience, looking).await });
        let mut culprits = match found {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                tracing::error!(%error, "alert.contributors.failed");
                return None;
            }
            Err(_) => return None,
        };
        for culprit in &mut culprits {
            culprit.link = Some(link(&self.around.public_url, project, culprit, window));
        }
        let explained = |incident: &mut Incident| incident.culprits.clone_from(&culprits);
        if let Err(error) = self.alerts.change_open(id, explained) {
            tracing::error!(%error, "alert.changes.write_failed");
        }
        Some(culprits)
    }
}

/// Returns the filter of a rule for one of its groups; `None` for the group of all others, which no filter can select.
fn narrowed(filter: &str, group: Option<&notice::AlertGroup>) -> Option<Filter> {
    if group.is_some() && AlertGroupKey::read(group) == AlertGroupKey::Rest {
        return None;
    }
    Filter::parse_stored(&narrowed_text(filter, group)).ok()
}

impl AlertService {
    /// Changes an open incident in its latest version, in memory and on disk.
    fn change_open(&self, id: i64, change: impl FnOnce(&mut Incident)) -> Result<(), AlertError> {
        let mut bell = lock(&self.bell);
        let Some(mut incident) = bell.open_with(id).cloned() else { return Ok(()) };
        change(&mut incident);
        let mut changes = vec![IncidentChange { incident, entries: Vec::new(), untold: Vec::new() }];
        self.table.write(&mut changes)?;
        bell.settle(changes);
        Ok(())
    }
}
