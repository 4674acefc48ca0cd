//! Decides which notifications follow from a change, to which channels they are sent, and when they are repeated.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use super::{AlertInstanceKey, FORECAST_STEP, RuleEvaluator, instance_of};
use crate::HumanDuration;
use crate::alert_store::{IncidentChange, PendingNotification};
use crate::delivery::notification::{AlertNotification, AlertNotificationKind, AlertNotificationLinks, AlertSeverity, BudgetStep};
use crate::evaluator::metric_series::AlertGroupKey;
use crate::evaluator::prepared_rule::AlertWatch;
use crate::incident::links::{group_filter_text, traces_link};
use crate::incident::{AlertSource, Incident, IncidentEventKind, IncidentTimelineEntry};

/// Reason in the timeline of an incident whose rule was deleted or disabled.
const RULE_REMOVED_REASON: &str = "the rule was deleted or disabled";
/// Minimum time between two severity changes for which contributors are computed separately.
const MIN_STEP_INTERVAL: HumanDuration = HumanDuration::minutes(1);
pub(super) const PERIOD_ENDED_REASON: &str = "the period ended";

impl RuleEvaluator {
    /// Resolves open incidents of rules that are not active any more.
    pub(super) fn resolve_orphans(&self, changes: &mut Vec<IncidentChange>) {
        let is_off = |incident: &&Incident| match self.watches.get(&incident.rule) {
            None => true,
            Some(AlertWatch::Rule(watch)) => !watch.record.definition.enabled,
            Some(AlertWatch::Budget(watch)) => !watch.record.definition.enabled,
        };
        let orphans = self.open_incidents.values().filter(is_off);
        changes.extend(orphans.map(|incident| self.resolve_change(incident, Some(RULE_REMOVED_REASON), incident.value)));
    }

    /// Sends notifications that were held back while muted or snoozed, and reminders and escalations of unacknowledged critical incidents.
    pub(super) fn notify_again(&self, changes: &mut Vec<IncidentChange>) {
        let busy: HashSet<AlertInstanceKey> = changes.iter().map(|change| instance_of(&change.incident)).collect();
        for incident in self.open_incidents.iter().filter(|(instance, _)| !busy.contains(*instance)).map(|(_, incident)| incident) {
            let Some(watch) = self.watches.get(&incident.rule) else { continue };
            if self.is_silenced(watch, incident) {
                continue;
            }
            let telling = watch.notification_policy();
            let notified = |kind: AlertNotificationKind, targets: &[i64], happened: IncidentEventKind| {
                let mut incident = incident.clone();
                incident.told_us = Some(self.now_us);
                incident.told += 1;
                self.notify_change(
                    incident,
                    kind,
                    targets,
                    IncidentTimelineEntry { severity: Some(AlertSeverity::Critical), ..IncidentTimelineEntry::new(self.now_us, happened) },
                )
            };
            if incident.announced.is_none_or(|announced| announced < incident.severity) {
                let kind = if incident.announced.is_none() { AlertNotificationKind::Opened } else { AlertNotificationKind::Worsened };
                let mut incident = incident.clone();
                incident.announced = Some(incident.severity);
                let entry = IncidentTimelineEntry {
                    text: Some("notified after a mute or snooze ended".to_owned()),
                    ..IncidentTimelineEntry::new(self.now_us, IncidentEventKind::Reminded)
                };
                changes.push(self.notify_change(incident, kind, &telling.targets, entry));
                continue;
            }
            if incident.acknowledged_us.is_some() || incident.severity != AlertSeverity::Critical {
                continue;
            }
            let since = |us: i64, length: Option<HumanDuration>| length.is_some_and(|length| self.now_us - us >= length.0);
            match incident.told_us {
                None if since(incident.opened_us, telling.escalate_after) => {
                    changes.push(notified(AlertNotificationKind::Escalated, &telling.escalate_to, IncidentEventKind::Escalated));
                }
                last if since(last.unwrap_or(incident.opened_us), telling.repeat_every)
                    && (last.is_some() || telling.escalate_after.is_none()) =>
                {
                    let everyone: Vec<i64> = telling.targets.iter().chain(&telling.escalate_to).copied().collect();
                    changes.push(notified(AlertNotificationKind::Reminder, &everyone, IncidentEventKind::Reminded));
                }
                _ => {}
            }
        }
    }

    fn is_silenced(&self, watch: &AlertWatch, incident: &Incident) -> bool {
        watch.is_muted(self.now_us) || incident.snoozed_until_us.is_some_and(|until| self.now_us < until)
    }

    /// Returns the change that resolves an incident.
    pub(crate) fn resolve_change(&self, incident: &Incident, by: Option<&str>, value: Option<f64>) -> IncidentChange {
        let mut incident = incident.clone();
        incident.resolved_us = Some(self.now_us.max(incident.opened_us));
        incident.value = value;
        let text = by.map(str::to_owned);
        self.notified_change(
            incident,
            AlertNotificationKind::Resolved,
            IncidentTimelineEntry { value, text, ..IncidentTimelineEntry::new(self.now_us, IncidentEventKind::Resolved) },
        )
    }

    /// Returns a change with the notification that follows from it, if there is one.
    pub(super) fn notified_change(
        &self,
        mut incident: Incident,
        kind: AlertNotificationKind,
        entry: IncidentTimelineEntry,
    ) -> IncidentChange {
        incident.changes += 1;
        if kind == AlertNotificationKind::Worsened {
            // The cause of the worsening may differ from that of the opening. A step of seconds shows nothing: it belongs to the time
            // before.
            incident.culprits.clear();
            let stretch = incident.stepped_us.filter(|us| self.now_us - us >= MIN_STEP_INTERVAL.0);
            incident.culprits_since_us = stretch.or(incident.culprits_since_us).filter(|us| *us > incident.window_from_us);
        }
        if matches!(kind, AlertNotificationKind::Opened | AlertNotificationKind::Worsened | AlertNotificationKind::Improved) {
            incident.stepped_us = Some(self.now_us);
        }
        let watch = self.watches.get(&incident.rule);
        let is_quiet = watch.is_none_or(|watch| self.is_silenced(watch, &incident));
        let was_announced = incident.announced.is_some();
        let tells = match kind {
            AlertNotificationKind::Resolved | AlertNotificationKind::Improved => {
                was_announced && watch.is_none_or(|watch| !watch.is_muted(self.now_us))
            }
            _ => !is_quiet,
        };
        if !tells {
            return IncidentChange { incident, entries: vec![entry], pending_notifications: Vec::new() };
        }
        incident.announced = Some(incident.severity);
        let targets = watch.map(|watch| watch.notification_policy().targets.clone()).unwrap_or_default();
        let pending_notifications = vec![PendingNotification { id: 0, notification: self.new_notification(&incident, kind), targets }];
        IncidentChange { incident, entries: vec![entry], pending_notifications }
    }

    fn notify_change(
        &self,
        mut incident: Incident,
        kind: AlertNotificationKind,
        targets: &[i64],
        entry: IncidentTimelineEntry,
    ) -> IncidentChange {
        incident.changes += 1;
        let notification = self.new_notification(&incident, kind);
        IncidentChange {
            incident,
            entries: vec![entry],
            pending_notifications: vec![PendingNotification { id: 0, notification, targets: targets.to_vec() }],
        }
    }

    fn new_notification(&self, incident: &Incident, kind: AlertNotificationKind) -> AlertNotification {
        let watch = self.watches.get(&incident.rule);
        let group = incident.group.as_ref().map(|group| format!("{}={}", group.name, group.value.as_deref().unwrap_or_default()));
        // The key contains a hash of the group. Users choose names, so the hash must be collision-resistant: a group with the same hash
        // would suppress the notification of this one.
        let of = hex::encode(&Sha256::digest(group.as_deref().unwrap_or_default())[..16]);
        // Two periods of a budget may fire at the same time.
        let period = if incident.source == AlertSource::Budget { format!("-{}", incident.window_from_us) } else { String::new() };
        let (project, public_url) = (incident.project, &self.public_url);
        AlertNotification {
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
            time_zone: watch.map_or("UTC", AlertWatch::time_zone).to_owned(),
            culprits: incident.culprits.clone(),
            culprits_since: incident.culprits_since_us,
            budget: watch.and_then(|watch| budget_step(watch, incident)),
            outlook: incident.outlook.clone(),
            links: AlertNotificationLinks {
                incident: format!("{public_url}/p/{project}/alerts/incidents/"),
                traces: watch.map(|watch| self.traces_link(watch, incident)),
            },
            language: watch.map(|watch| watch.notification_policy().language).unwrap_or_default(),
            gathered: Vec::new(),
        }
    }

    /// Returns the link to the traces in an incident's window.
    fn traces_link(&self, watch: &AlertWatch, incident: &Incident) -> String {
        let group =
            incident.group.as_ref().filter(|_| AlertGroupKey::from_notification_group(incident.group.as_ref()) != AlertGroupKey::Others);
        let q = group_filter_text(watch.filter(), group);
        let until_us = incident.window_to_us.min(self.now_us.max(incident.window_from_us));
        traces_link(&self.public_url, incident.project, (incident.window_from_us, until_us), &q)
    }
}

/// Returns the step that a budget has reached; `None` for a rule.
fn budget_step(watcher: &AlertWatch, incident: &Incident) -> Option<BudgetStep> {
    let AlertWatch::Budget(watch) = watcher else { return None };
    let budget = &watch.record.definition;
    Some(BudgetStep { amount: budget.amount, period: budget.period, step: incident.steps.iter().copied().fold(FORECAST_STEP, f64::max) })
}
