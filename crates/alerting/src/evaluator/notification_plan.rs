//! Decides which notices a change results in, to which channels they go, and when they are repeated.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use super::{AlertInstanceKey, FORECAST_STEP, RuleEvaluator, place_of};
use crate::HumanDuration;
use crate::alert_store::{IncidentChange, PendingNotice};
use crate::delivery::notice::{AlertNotice, AlertNoticeKind, AlertNoticeLinks, AlertSeverity, BudgetStep};
use crate::evaluator::metric_series::AlertGroupKey;
use crate::evaluator::prepared_rule::AlertWatch;
use crate::incident::links::{narrowed_text, traces};
use crate::incident::{AlertSource, Incident, IncidentEventKind, IncidentTimelineEntry};

/// Reason in the timeline of an incident whose rule was deleted or disabled.
const REMOVED: &str = "the rule was deleted or disabled";
/// Minimum time between two severity changes for which contributors are computed separately.
const LEAST_STRETCH: HumanDuration = HumanDuration::minutes(1);
pub(super) const PERIOD_ENDED: &str = "the period ended";

impl RuleEvaluator {
    /// Resolves open incidents of rules that are not active any more.
    pub(super) fn end_orphans(&self, changes: &mut Vec<IncidentChange>) {
        let is_off = |incident: &&Incident| match self.watchers.get(&incident.rule) {
            None => true,
            Some(AlertWatch::Rule(watch)) => !watch.kept.what.enabled,
            Some(AlertWatch::Budget(watch)) => !watch.kept.what.enabled,
        };
        let orphans = self.open.values().filter(is_off);
        changes.extend(orphans.map(|incident| self.ended(incident, Some(REMOVED), incident.value)));
    }

    /// Sends notices that were held back while muted or snoozed, and reminders and escalations of unacknowledged critical incidents.
    pub(super) fn tell_again(&self, changes: &mut Vec<IncidentChange>) {
        let busy: HashSet<AlertInstanceKey> = changes.iter().map(|change| place_of(&change.incident)).collect();
        for incident in self.open.iter().filter(|(place, _)| !busy.contains(*place)).map(|(_, incident)| incident) {
            let Some(watcher) = self.watchers.get(&incident.rule) else { continue };
            if self.is_quiet(watcher, incident) {
                continue;
            }
            let telling = watcher.telling();
            let told = |kind: AlertNoticeKind, targets: &[i64], happened: IncidentEventKind| {
                let mut incident = incident.clone();
                incident.told_us = Some(self.now_us);
                incident.told += 1;
                self.told(
                    incident,
                    kind,
                    targets,
                    IncidentTimelineEntry { severity: Some(AlertSeverity::Critical), ..IncidentTimelineEntry::new(self.now_us, happened) },
                )
            };
            if incident.announced.is_none_or(|announced| announced < incident.severity) {
                let kind = if incident.announced.is_none() { AlertNoticeKind::Opened } else { AlertNoticeKind::Worsened };
                let mut incident = incident.clone();
                incident.announced = Some(incident.severity);
                let entry = IncidentTimelineEntry {
                    text: Some("notified after a mute or snooze ended".to_owned()),
                    ..IncidentTimelineEntry::new(self.now_us, IncidentEventKind::Reminded)
                };
                changes.push(self.told(incident, kind, &telling.targets, entry));
                continue;
            }
            if incident.acknowledged_us.is_some() || incident.severity != AlertSeverity::Critical {
                continue;
            }
            let since = |us: i64, length: Option<HumanDuration>| length.is_some_and(|length| self.now_us - us >= length.0);
            match incident.told_us {
                None if since(incident.opened_us, telling.escalate_after) => {
                    changes.push(told(AlertNoticeKind::Escalated, &telling.escalate_to, IncidentEventKind::Escalated));
                }
                last if since(last.unwrap_or(incident.opened_us), telling.repeat_every)
                    && (last.is_some() || telling.escalate_after.is_none()) =>
                {
                    let everyone: Vec<i64> = telling.targets.iter().chain(&telling.escalate_to).copied().collect();
                    changes.push(told(AlertNoticeKind::Reminder, &everyone, IncidentEventKind::Reminded));
                }
                _ => {}
            }
        }
    }

    fn is_quiet(&self, watcher: &AlertWatch, incident: &Incident) -> bool {
        watcher.is_muted(self.now_us) || incident.snoozed_until_us.is_some_and(|until| self.now_us < until)
    }

    /// Returns the change that resolves an incident.
    pub(crate) fn ended(&self, incident: &Incident, by: Option<&str>, value: Option<f64>) -> IncidentChange {
        let mut incident = incident.clone();
        incident.resolved_us = Some(self.now_us.max(incident.opened_us));
        incident.value = value;
        let text = by.map(str::to_owned);
        self.changed(
            incident,
            AlertNoticeKind::Resolved,
            IncidentTimelineEntry { value, text, ..IncidentTimelineEntry::new(self.now_us, IncidentEventKind::Resolved) },
        )
    }

    /// Returns a change with the notice that it results in, if any.
    pub(super) fn changed(&self, mut incident: Incident, kind: AlertNoticeKind, entry: IncidentTimelineEntry) -> IncidentChange {
        incident.changes += 1;
        if kind == AlertNoticeKind::Worsened {
            // The cause of the worsening may differ from that of the opening. A step of seconds shows nothing: it belongs to the time
            // before.
            incident.culprits.clear();
            let stretch = incident.stepped_us.filter(|us| self.now_us - us >= LEAST_STRETCH.0);
            incident.culprits_since_us = stretch.or(incident.culprits_since_us).filter(|us| *us > incident.window_from_us);
        }
        if matches!(kind, AlertNoticeKind::Opened | AlertNoticeKind::Worsened | AlertNoticeKind::Improved) {
            incident.stepped_us = Some(self.now_us);
        }
        let watcher = self.watchers.get(&incident.rule);
        let is_quiet = watcher.is_none_or(|watcher| self.is_quiet(watcher, &incident));
        let was_announced = incident.announced.is_some();
        let tells = match kind {
            AlertNoticeKind::Resolved | AlertNoticeKind::Improved => {
                was_announced && watcher.is_none_or(|watcher| !watcher.is_muted(self.now_us))
            }
            _ => !is_quiet,
        };
        if !tells {
            return IncidentChange { incident, entries: vec![entry], untold: Vec::new() };
        }
        incident.announced = Some(incident.severity);
        let targets = watcher.map(|watcher| watcher.telling().targets.clone()).unwrap_or_default();
        let untold = vec![PendingNotice { id: 0, notice: self.notice(&incident, kind), targets }];
        IncidentChange { incident, entries: vec![entry], untold }
    }

    fn told(&self, mut incident: Incident, kind: AlertNoticeKind, targets: &[i64], entry: IncidentTimelineEntry) -> IncidentChange {
        incident.changes += 1;
        let notice = self.notice(&incident, kind);
        IncidentChange { incident, entries: vec![entry], untold: vec![PendingNotice { id: 0, notice, targets: targets.to_vec() }] }
    }

    fn notice(&self, incident: &Incident, kind: AlertNoticeKind) -> AlertNotice {
        let watcher = self.watchers.get(&incident.rule);
        let group = incident.group.as_ref().map(|group| format!("{}={}", group.name, group.value.as_deref().unwrap_or_default()));
        // The key contains a hash of the group. Users choose names, so the hash must be collision-resistant: a group with the same hash
        // would suppress the notice of this one.
        let of = hex::encode(&Sha256::digest(group.as_deref().unwrap_or_default())[..16]);
        // Two periods of a budget may fire at the same time.
        let period = if incident.source == AlertSource::Budget { format!("-{}", incident.window_from_us) } else { String::new() };
        let (project, public_url) = (incident.project, &self.public_url);
        AlertNotice {
            // The same change always has the same key: where and when the incident opened, and the number of the change.
            idempotency_key: format!("{project}-{}-{of}-{}{period}-{}", incident.rule, incident.opened_us, incident.changes),
            project,
            rule_id: incident.rule,
            rule_name: incident.rule_name.clone(),
            incident_id: Some(incident.id).filter(|id| *id != 0),
            kind,
            severity: incident.severity,
            measure: incident.measure.clone(),
            unit: incident.unit,
            compare: incident.compare,
            value: incident.value,
            threshold: Some(incident.threshold),
            direction: incident.direction,
            group: incident.group.clone(),
            window_from: incident.window_from_us,
            window_to: incident.window_to_us.min(self.now_us.max(incident.window_from_us)),
            at: self.now_us,
            time_zone: watcher.map_or("UTC", AlertWatch::time_zone).to_owned(),
            culprits: incident.culprits.clone(),
            culprits_since: incident.culprits_since_us,
            budget: watcher.and_then(|watcher| step_of(watcher, incident)),
            outlook: incident.outlook.clone(),
            links: AlertNoticeLinks {
                incident: format!("{public_url}/p/{project}/alerts/incidents/"),
                traces: watcher.map(|watcher| self.traces(watcher, incident)),
            },
            language: watcher.map(|watcher| watcher.telling().language).unwrap_or_default(),
            gathered: Vec::new(),
        }
    }

    /// Returns the link to the traces in an incident's window.
    fn traces(&self, watcher: &AlertWatch, incident: &Incident) -> String {
        let group = incident.group.as_ref().filter(|_| AlertGroupKey::read(incident.group.as_ref()) != AlertGroupKey::Rest);
        let q = narrowed_text(watcher.filter(), group);
        let until_us = incident.window_to_us.min(self.now_us.max(incident.window_from_us));
        traces(&self.public_url, incident.project, (incident.window_from_us, until_us), &q)
    }
}

/// Returns the step that a budget has reached; `None` for a rule.
fn step_of(watcher: &AlertWatch, incident: &Incident) -> Option<BudgetStep> {
    let AlertWatch::Budget(watch) = watcher else { return None };
    let budget = &watch.kept.what;
    Some(BudgetStep { amount: budget.amount, period: budget.period, step: incident.steps.iter().copied().fold(FORECAST_STEP, f64::max) })
}
