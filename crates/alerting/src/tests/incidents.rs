//! Tests of when rules fire and what notifications say, with a simulated clock.

use hinomi_model::span::{Span, SpanType as SpanKind};
use serde_json::json;

use super::budget;
use super::windows::call;
use crate::alert_store::{AlertRecord, IncidentChange};
use crate::delivery::notification::{AlertNotification, AlertNotificationKind, AlertSeverity, ThresholdDirection};
use crate::evaluator::metric_series::AlertGroupKey;
use crate::evaluator::prepared_rule::AlertWatch;
use crate::evaluator::{EvaluationPass, RuleEvaluator};
use crate::incident::Incident;
use crate::rule::{AlertRule, NoDataPolicy};
use crate::{Budget, ComparisonBaseline, HumanDuration};

pub(super) const MINUTE_US: i64 = 60_000_000;
const HOUR_US: i64 = 60 * MINUTE_US;

/// Creates a rule with a window in minutes.
pub(super) fn rule(measure: &str, window: i64, warning: f64) -> AlertRule {
    let change = json!({ "measure": measure, "window": format!("{window}m"), "warning": warning, "critical": null });
    let mut said = json!({ "name": "r", "measure": measure, "window": "1m" });
    said.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    serde_json::from_value(said).unwrap()
}

/// An evaluator without thread and disk.
pub(super) struct Scene {
    bell: RuleEvaluator,
    now_us: i64,
    version: u64,
    incidents: i64,
    /// Notifications with their channels, the oldest first.
    pub(super) told: Vec<(AlertNotification, Vec<i64>)>,
    changes: Vec<IncidentChange>,
}

impl Scene {
    pub(super) fn at(now_us: i64) -> Scene {
        Scene { bell: RuleEvaluator::new(now_us), now_us, version: 0, incidents: 0, told: Vec::new(), changes: Vec::new() }
    }

    fn keep<T>(&self, index: usize, definition: T) -> AlertRecord<T> {
        AlertRecord { id: index as i64 + 1, project: 1, definition, muted_until_us: None, created_us: 0, updated_us: 0 }
    }

    pub(super) fn rules(&mut self, rules: Vec<AlertRule>) {
        let kept = rules.into_iter().enumerate().map(|(index, rule)| AlertWatch::rule(self.keep(index, rule))).collect();
        self.set(kept);
    }

    fn budget(&mut self, budget: Budget) {
        let kept = vec![AlertWatch::budget(self.keep(0, budget)).unwrap()];
        self.set(kept);
    }

    fn set(&mut self, watchers: Vec<AlertWatch>) {
        let missing = self.bell.set_watches(watchers);
        self.bell.add_series(missing.iter().map(|(spec, keep)| spec.new_series(*keep).unwrap()).collect());
    }

    /// Activates rules, and budgets after them, with IDs from 1.
    pub(super) fn watch(&mut self, rules: &[AlertRule], budgets: &[Budget]) {
        let watchers = self.watchers(rules, budgets);
        self.set(watchers);
    }

    fn watchers(&self, rules: &[AlertRule], budgets: &[Budget]) -> Vec<AlertWatch> {
        let of_rules = rules.iter().enumerate().map(|(index, rule)| AlertWatch::rule(self.keep(index, rule.clone())));
        let of_budgets = budgets.iter().enumerate();
        let of_budgets = of_budgets.map(|(index, budget)| AlertWatch::budget(self.keep(rules.len() + index, budget.clone())).unwrap());
        of_rules.chain(of_budgets).collect()
    }

    /// Simulates a crash and a restart with the stored spans.
    pub(super) fn kill(&mut self, now_us: i64, rules: &[AlertRule], budgets: &[Budget], stored: &[Span]) {
        self.now_us = now_us;
        let watchers = self.watchers(rules, budgets);
        self.restart(watchers, stored);
    }

    /// Simulates a suspend of the machine, as the evaluation thread detects it by its two clocks.
    pub(super) fn sleep_until(&mut self, now_us: i64) {
        self.now_us = now_us;
        self.bell.note_missed_spans(now_us);
    }

    /// Sets the wall clock back; it is right again in the next pass.
    pub(super) fn clock_back(&mut self, earlier_us: i64) {
        let changes = self.bell.evaluate(earlier_us, EvaluationPass::ClockTick);
        self.hold(changes);
    }

    /// Adds or removes a span and evaluates it.
    pub(super) fn span(&mut self, now_us: i64, span: &Span, sign: i64) {
        self.now_us = now_us;
        self.version += 1;
        self.bell.advance_clock(now_us);
        self.bell.count_span(1, span, sign, self.version);
        let changes = self.bell.evaluate(now_us, EvaluationPass::RowsArrived);
        self.hold(changes);
    }

    pub(super) fn clock(&mut self, now_us: i64) {
        self.now_us = now_us;
        let changes = self.bell.evaluate(now_us, EvaluationPass::ClockTick);
        self.hold(changes);
    }

    /// Advances the clock to this time, minute by minute.
    fn until(&mut self, us: i64) {
        while self.now_us + MINUTE_US <= us {
            self.clock(self.now_us + MINUTE_US);
        }
        self.clock(us);
    }

    fn hold(&mut self, mut changes: Vec<IncidentChange>) {
        let mut opened = std::collections::HashMap::new();
        for change in &mut changes {
            if change.incident.id == 0 {
                change.incident.id = *opened.entry(change.incident.identity()).or_insert_with(|| {
                    self.incidents += 1;
                    self.incidents
                });
            }
            self.told.extend(change.pending_notifications.iter().map(|one| (one.notification.clone(), one.targets.clone())));
        }
        self.changes.extend(changes.iter().cloned());
        self.bell.apply_changes(changes);
    }

    /// Adds a span without evaluating it.
    pub(super) fn count(&mut self, span: &Span) {
        self.version += 1;
        self.bell.count_span(1, span, 1, self.version);
    }

    pub(super) fn wants(&self) -> std::collections::HashMap<u64, crate::evaluator::prepared_rule::RequiredSpanFields> {
        self.bell.required_fields()
    }

    pub(super) fn severity(&self, group: Option<&str>) -> Option<AlertSeverity> {
        let group = group.map_or(AlertGroupKey::AllSpans, |group| AlertGroupKey::Value(Some(group.into())));
        self.bell.open_incident(&(1, group)).map(|incident| incident.severity)
    }

    pub(super) fn severity_of(&self, id: i64, group: Option<&str>) -> Option<AlertSeverity> {
        let group = group.map_or(AlertGroupKey::AllSpans, |group| AlertGroupKey::Value(Some(group.into())));
        self.bell.open_incident(&(id, group)).map(|incident| incident.severity)
    }

    pub(super) fn opened(&self) -> usize {
        self.incidents as usize
    }

    pub(super) fn now_us(&self) -> i64 {
        self.now_us
    }

    fn kinds(&self) -> Vec<AlertNotificationKind> {
        self.told.iter().map(|(notification, _)| notification.kind).collect()
    }

    fn last(&self) -> &Incident {
        &self.changes.last().unwrap().incident
    }

    /// Restarts as after a crash: stored incidents are read again, and series are filled from the store.
    fn restart(&mut self, watchers: Vec<AlertWatch>, stored: &[Span]) {
        let mut latest: std::collections::BTreeMap<i64, Incident> = std::collections::BTreeMap::new();
        for change in &self.changes {
            latest.insert(change.incident.id, change.incident.clone());
        }
        self.bell = RuleEvaluator::new(self.now_us);
        latest.into_values().for_each(|incident| self.bell.restore_incident(incident));
        let missing = self.bell.set_watches(watchers);
        let mut tracks: Vec<_> = missing.iter().map(|(spec, keep)| spec.new_series(*keep).unwrap()).collect();
        for track in &mut tracks {
            stored.iter().for_each(|span| track.add(span, 1, self.now_us));
            track.version = self.version;
        }
        self.bell.add_series(tracks);
    }
}

fn dollars(at: i64, dollars: f64) -> Span {
    call(at, dollars, false, "u")
}

#[test]
fn incident_fires_worsens_and_resolves_with_distinct_keys() {
    let mut scene = Scene::at(100 * HOUR_US);
    let mut rule = rule("cost", 10, 5.0);
    (rule.critical, rule.resolve, rule.notify.targets) = (Some(10.0), Some(2.0), vec![7]);
    scene.rules(vec![rule]);
    let at = 100 * HOUR_US + 5;
    scene.span(at, &dollars(at, 4.0), 1);
    assert_eq!(scene.kinds(), []);
    scene.span(at + 1, &dollars(at, 2.0), 1);
    scene.span(at + 2, &dollars(at, 2.0), 1);
    scene.span(at + 3, &dollars(at, 3.0), 1);
    scene.until(at + 20 * MINUTE_US);
    assert_eq!(scene.kinds(), [AlertNotificationKind::Opened, AlertNotificationKind::Worsened, AlertNotificationKind::Resolved]);
    let keys: std::collections::BTreeSet<&str> = scene.told.iter().map(|(notification, _)| notification.idempotency_key.as_str()).collect();
    assert_eq!(keys.len(), 3);
    let opened = &scene.told[0];
    assert_eq!((opened.0.value, opened.0.threshold, opened.1.as_slice()), (Some(6.0), Some(5.0), &[7][..]));
    assert_eq!(scene.last().peak, Some(11.0));
}

#[test]
fn incident_fires_again_after_the_clock_was_set_back() {
    let mut scene = Scene::at(100 * HOUR_US);
    scene.rules(vec![rule("cost", 60, 5.0)]);
    let at = 100 * HOUR_US;
    for sign in [1, -1, 1, -1] {
        scene.span(at, &dollars(at, 6.0), sign);
    }
    assert_eq!(
        scene.kinds(),
        [AlertNotificationKind::Opened, AlertNotificationKind::Resolved, AlertNotificationKind::Opened, AlertNotificationKind::Resolved]
    );
    let keys: std::collections::BTreeSet<&str> = scene.told.iter().map(|(notification, _)| notification.idempotency_key.as_str()).collect();
    assert_eq!(keys.len(), 4);
    assert!(scene.last().resolved_us >= Some(scene.last().opened_us));
}

#[test]
fn corrected_spans_are_removed_from_series() {
    let mut scene = Scene::at(100 * HOUR_US);
    scene.rules(vec![rule("cost", 60, 5.0)]);
    let at = 100 * HOUR_US;
    scene.span(at, &dollars(at, 4.0), 1);
    scene.span(at, &dollars(at, 4.0), 1);
    assert_eq!(scene.severity(None), Some(AlertSeverity::Warning));
    // It was the total of an agent: another span has its tokens.
    scene.span(at + 1, &dollars(at, 4.0), -1);
    scene.span(at + 1, &Span { counted: false, ..dollars(at, 4.0) }, 1);
    assert_eq!(scene.severity(None), None);
    assert_eq!(scene.kinds(), [AlertNotificationKind::Opened, AlertNotificationKind::Resolved]);
}

#[test]
fn late_peak_fires_and_resolves_at_once() {
    let mut scene = Scene::at(100 * HOUR_US);
    scene.rules(vec![rule("cost", 5, 5.0)]);
    let at = 100 * HOUR_US;
    scene.until(at + 40 * MINUTE_US);
    scene.span(at + 40 * MINUTE_US, &dollars(at + 10 * MINUTE_US, 9.0), 1);
    assert_eq!(scene.kinds(), [AlertNotificationKind::Opened, AlertNotificationKind::Resolved]);
    assert_eq!((scene.opened(), scene.told[0].0.window_to), (1, at + 11 * MINUTE_US));
    // The rest of the same peak does not fire again, and neither do calls older than an hour.
    scene.span(at + 41 * MINUTE_US, &dollars(at + 10 * MINUTE_US, 9.0), 1);
    scene.until(at + 100 * MINUTE_US);
    scene.span(at + 100 * MINUTE_US, &dollars(at + 5 * MINUTE_US, 9.0), 1);
    assert!(scene.opened() <= 2, "{:?}", scene.kinds());
}

#[test]
fn restart_within_a_window_loses_and_repeats_nothing() {
    let at = 100 * HOUR_US;
    let with = |scene: &Scene| vec![AlertWatch::rule(scene.keep(0, rule("cost", 60, 5.0)))];
    let mut scene = Scene::at(at);
    scene.rules(vec![rule("cost", 60, 5.0)]);
    let first = dollars(at, 3.0);
    scene.span(at, &first, 1);
    // Crash with 3 dollars evaluated, and 3 more acknowledged but not evaluated.
    let second = dollars(at + MINUTE_US, 3.0);
    let watchers = with(&scene);
    scene.restart(watchers, &[first.clone(), second.clone()]);
    scene.clock(at + 2 * MINUTE_US);
    assert_eq!(scene.kinds(), [AlertNotificationKind::Opened]);
    // Crash with an open incident: it stays open without another notification.
    let watchers = with(&scene);
    scene.restart(watchers, &[first.clone(), second.clone()]);
    scene.until(at + 3 * MINUTE_US);
    assert_eq!((scene.kinds(), scene.severity(None)), (vec![AlertNotificationKind::Opened], Some(AlertSeverity::Warning)));
    // The incident is resolved. A restart does not open it again, although the store still has the windows in which it fired.
    scene.until(at + 63 * MINUTE_US);
    assert_eq!(scene.kinds(), [AlertNotificationKind::Opened, AlertNotificationKind::Resolved]);
    let watchers = with(&scene);
    scene.restart(watchers, &[first, second]);
    scene.until(at + 70 * MINUTE_US);
    assert_eq!(scene.kinds(), [AlertNotificationKind::Opened, AlertNotificationKind::Resolved]);
}

#[test]
fn missing_data_fires_only_without_gaps_in_reception() {
    let at = 100 * HOUR_US;
    let mut scene = Scene::at(at);
    let mut silent = rule("spans", 10, 1.0);
    silent.direction = ThresholdDirection::Below;
    scene.rules(vec![silent]);
    // The server has just started: it does not know whether spans were missed.
    scene.until(at + 9 * MINUTE_US);
    assert_eq!(scene.kinds(), []);
    scene.until(at + 30 * MINUTE_US);
    assert_eq!(scene.kinds(), [AlertNotificationKind::Opened]);
    scene.span(at + 30 * MINUTE_US, &Span { kind: SpanKind::Db, ..dollars(at + 30 * MINUTE_US, 0.0) }, 1);
    assert_eq!(scene.kinds(), [AlertNotificationKind::Opened, AlertNotificationKind::Resolved]);
    // The machine was suspended for ten hours.
    scene.bell.note_missed_spans(at + 10 * HOUR_US);
    scene.until(at + 10 * HOUR_US + 8 * MINUTE_US);
    assert_eq!(scene.kinds().len(), 2);
    // A clock that is set back has no effect.
    scene.clock(at + HOUR_US);
    assert_eq!(scene.kinds().len(), 2);
}

#[test]
fn missing_data_follows_the_policy_of_the_rule() {
    let at = 100 * HOUR_US;
    for (policy, expected) in [
        (NoDataPolicy::Keep, vec![AlertNotificationKind::Opened]),
        (NoDataPolicy::Resolve, vec![AlertNotificationKind::Opened, AlertNotificationKind::Resolved]),
        (NoDataPolicy::Alert, vec![AlertNotificationKind::Opened, AlertNotificationKind::Worsened]),
    ] {
        let mut scene = Scene::at(at);
        let mut rule = rule("error_rate", 10, 0.5);
        (rule.critical, rule.no_data, rule.min_samples) = (Some(0.9), Some(policy), Some(4));
        scene.rules(vec![rule]);
        for failed in [true, true, true, false] {
            scene.span(at, &call(at, 0.0, failed, "u"), 1);
        }
        scene.until(at + 40 * MINUTE_US);
        assert_eq!(scene.kinds(), expected, "{policy:?}");
    }
}

#[test]
fn muted_incident_notifies_after_muting_and_resolved_one_stays_resolved() {
    let at = 100 * HOUR_US;
    let mut scene = Scene::at(at);
    let mut kept = scene.keep(0, rule("cost", 60, 5.0));
    kept.muted_until_us = Some(at + 10 * MINUTE_US);
    scene.set(vec![AlertWatch::rule(kept)]);
    scene.span(at, &dollars(at, 6.0), 1);
    scene.until(at + 9 * MINUTE_US);
    assert_eq!((scene.kinds(), scene.severity(None)), (vec![], Some(AlertSeverity::Warning)));
    scene.until(at + 11 * MINUTE_US);
    assert_eq!(scene.kinds(), [AlertNotificationKind::Opened]);

    // Somebody resolves the incident. The rule fires again only after the value was back to normal.
    let mut incident = scene.bell.open_incident(&(1, AlertGroupKey::AllSpans)).unwrap().clone();
    incident.resolved_by = Some("somebody".to_owned());
    let change = scene.bell.resolve_change(&incident, None, incident.value);
    scene.hold(vec![change]);
    scene.span(at + 12 * MINUTE_US, &dollars(at + 12 * MINUTE_US, 3.0), 1);
    assert_eq!(scene.kinds(), [AlertNotificationKind::Opened, AlertNotificationKind::Resolved]);
    scene.until(at + 80 * MINUTE_US);
    scene.span(at + 80 * MINUTE_US, &dollars(at + 80 * MINUTE_US, 6.0), 1);
    assert_eq!(scene.kinds(), [AlertNotificationKind::Opened, AlertNotificationKind::Resolved, AlertNotificationKind::Opened]);
}

#[test]
fn unacknowledged_incident_escalates_and_repeats() {
    let at = 100 * HOUR_US;
    let mut scene = Scene::at(at);
    let mut rule = rule("cost", 600, 5.0);
    rule.critical = Some(6.0);
    rule.notify.targets = vec![1];
    rule.notify.escalate_to = vec![2];
    rule.notify.escalate_after = Some(HumanDuration::minutes(30));
    rule.notify.repeat_every = Some(HumanDuration::hours(1));
    scene.rules(vec![rule]);
    scene.span(at, &dollars(at, 9.0), 1);
    scene.until(at + 29 * MINUTE_US);
    assert_eq!(scene.kinds(), [AlertNotificationKind::Opened]);
    scene.until(at + 95 * MINUTE_US);
    assert_eq!(scene.kinds(), [AlertNotificationKind::Opened, AlertNotificationKind::Escalated, AlertNotificationKind::Reminder]);
    assert_eq!((scene.told[1].1.as_slice(), scene.told[2].1.as_slice()), (&[2][..], &[1, 2][..]));
    let mut incident = scene.bell.open_incident(&(1, AlertGroupKey::AllSpans)).unwrap().clone();
    incident.acknowledged_us = Some(scene.now_us);
    scene.hold(vec![IncidentChange { incident, entries: Vec::new(), pending_notifications: Vec::new() }]);
    scene.until(at + 5 * HOUR_US);
    assert_eq!(scene.told.len(), 3);
}

#[test]
fn groups_fire_separately_up_to_the_maximum() {
    let at = 100 * HOUR_US;
    let mut scene = Scene::at(at);
    let mut rule = rule("cost", 60, 5.0);
    (rule.group_by, rule.max_groups) = (Some("user".to_owned()), 2);
    scene.rules(vec![rule]);
    for user in ["a", "b", "c", "d"] {
        scene.span(at, &call(at, 3.0, false, user), 1);
    }
    let groups: Vec<_> = scene.told.iter().map(|(notification, _)| notification.group.clone().unwrap().value.unwrap()).collect();
    assert_eq!(groups, [crate::evaluator::metric_series::OTHER_GROUPS], "c and d together");
    scene.span(at, &call(at, 3.0, false, "a"), 1);
    assert_eq!((scene.severity(Some("a")), scene.severity(Some("b"))), (Some(AlertSeverity::Warning), None));
}

#[test]
fn change_against_last_week_fires() {
    let at = 1000 * HOUR_US;
    let mut scene = Scene::at(at);
    let mut rule = rule("calls", 60, 0.5);
    rule.compare = Some(ComparisonBaseline::LastWeek);
    scene.rules(vec![rule]);
    for minute in 0..10 {
        let then = at - 7 * 24 * HOUR_US - 30 * MINUTE_US + minute * MINUTE_US;
        scene.span(at, &dollars(then, 0.0), 1);
    }
    for minute in 0..15 {
        scene.span(at, &dollars(at - 20 * MINUTE_US + minute * MINUTE_US, 0.0), 1);
        assert_eq!(scene.opened(), 0);
    }
    scene.span(at, &dollars(at, 0.0), 1);
    assert_eq!((scene.opened(), scene.last().value), (1, Some(0.6)));
}

#[test]
fn low_mean_fires_at_once_and_low_sum_after_a_complete_window() {
    let at = 100 * HOUR_US;
    for (measure, expected) in [("score", 1), ("refusals", 0)] {
        let mut scene = Scene::at(at);
        let mut low = rule(measure, 60, 0.5);
        (low.direction, low.score) = (ThresholdDirection::Below, (measure == "score").then(|| "quality".to_owned()));
        scene.rules(vec![low]);
        let changes = scene.bell.evaluate_polled(1, Some(0.2), at - HOUR_US, at);
        scene.hold(changes);
        assert_eq!(scene.opened(), expected, "{measure}");
        scene.bell.advance_clock(at + 2 * HOUR_US);
        let changes = scene.bell.evaluate_polled(1, Some(0.2), at + HOUR_US, at + 2 * HOUR_US);
        scene.hold(changes);
        assert_eq!(scene.opened(), 1, "{measure}");
        let changes = scene.bell.evaluate_polled(1, Some(0.9), at + HOUR_US, at + 2 * HOUR_US);
        scene.hold(changes);
        assert_eq!(scene.kinds().last(), Some(&AlertNotificationKind::Resolved));
    }
}

fn day(change: serde_json::Value) -> Budget {
    let mut change = change;
    change["time_zone"] = json!("Europe/Berlin");
    budget(change).unwrap()
}

#[test]
fn budget_fires_each_step_once_per_period() {
    let midnight = "2026-10-24T22:00:00Z".parse::<jiff::Timestamp>().unwrap().as_microsecond();
    let mut scene = Scene::at(midnight + HOUR_US);
    scene.budget(day(json!({ "amount": 10 })));
    let spend = |scene: &mut Scene, at: i64, amount: f64| scene.span(at, &dollars(at, amount), 1);
    spend(&mut scene, midnight + HOUR_US, 4.9);
    assert_eq!(scene.opened(), 0);
    spend(&mut scene, midnight + HOUR_US, 0.1);
    spend(&mut scene, midnight + 2 * HOUR_US, 2.0);
    spend(&mut scene, midnight + 3 * HOUR_US, 4.0);
    assert_eq!(scene.kinds(), [AlertNotificationKind::Opened, AlertNotificationKind::Worsened]);
    assert_eq!((scene.last().severity, scene.last().value, scene.last().threshold), (AlertSeverity::Critical, Some(11.0), 10.0));
    assert_eq!(scene.last().steps, [50.0, 80.0, 100.0]);
    // A correction lowers the spend, which then rises again: no step fires twice.
    scene.span(midnight + 4 * HOUR_US, &dollars(midnight + 3 * HOUR_US, 4.0), -1);
    spend(&mut scene, midnight + 5 * HOUR_US, 4.0);
    assert_eq!(scene.told.len(), 2);
    // The day has 25 hours.
    scene.until(midnight + 25 * HOUR_US - MINUTE_US);
    assert_eq!(scene.told.len(), 2);
    scene.until(midnight + 25 * HOUR_US + MINUTE_US);
    assert_eq!(scene.kinds().last(), Some(&AlertNotificationKind::Resolved));
    spend(&mut scene, midnight + 26 * HOUR_US, 6.0);
    assert_eq!((scene.kinds().last(), scene.opened()), (Some(&AlertNotificationKind::Opened), 2));
    // The previous day receives more spend: its steps have fired already.
    scene.span(midnight + 27 * HOUR_US, &dollars(midnight + 20 * HOUR_US, 50.0), 1);
    assert_eq!(scene.opened(), 2);
}

#[test]
fn recent_contributors_need_a_minute_between_steps() {
    let midnight = "2026-11-10T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_microsecond();
    let mut scene = Scene::at(midnight + HOUR_US);
    scene.budget(day(json!({ "amount": 10, "steps": [10, 20, 50, 80, 100] })));
    let since = |scene: &Scene| (scene.last().culprits_since_us, scene.told.last().map(|(notification, _)| notification.culprits_since));
    let second = 1_000_000;
    let mut spend = |at: i64, amount: f64| {
        scene.span(at, &dollars(at, amount), 1);
        since(&scene)
    };
    let (noon, later) = (midnight + 12 * HOUR_US, midnight + 15 * HOUR_US);
    // A step of seconds belongs to the time before, and the first step has no earlier one.
    assert_eq!(spend(noon, 1.0), (None, Some(None)));
    assert_eq!(spend(noon + second, 1.0), (None, Some(None)));
    assert_eq!(spend(later, 3.0), (Some(noon + second), Some(Some(noon + second))));
    assert_eq!(spend(later + second, 3.0), (Some(noon + second), Some(Some(noon + second))));
    assert_eq!(spend(later + 2 * MINUTE_US, 3.0), (Some(later + second), Some(Some(later + second))));
    let budget = scene.told.last().unwrap().0.budget.unwrap();
    assert_eq!((budget.amount, budget.step), (10.0, 100.0));
}

#[test]
fn budget_amount_applies_per_user() {
    let at = "2026-11-10T12:00:00Z".parse::<jiff::Timestamp>().unwrap().as_microsecond();
    let mut scene = Scene::at(at);
    scene.budget(day(json!({ "amount": 10, "period": "month", "group_by": "user", "steps": [100] })));
    for (user, amount) in [("a", 9.0), ("b", 9.0), ("a", 2.0)] {
        scene.span(at, &call(at, amount, false, user), 1);
    }
    assert_eq!((scene.severity(Some("a")), scene.severity(Some("b"))), (Some(AlertSeverity::Critical), None));
    let standings = scene.bell.group_spends(1);
    assert_eq!((standings[0].key.as_deref(), standings[0].spent, standings[0].sampled_out), (Some("a"), 11.0, 0.0));
}
