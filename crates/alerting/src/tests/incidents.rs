//! Tests of when rules fire and what notices say, with a simulated clock.

use hinomi_model::span::{Span, SpanType as SpanKind};
use serde_json::json;

use super::budget;
use super::windows::call;
use crate::alert_store::{AlertRecord, IncidentChange};
use crate::delivery::notice::{AlertNotice, AlertNoticeKind, AlertSeverity, ThresholdDirection};
use crate::evaluator::metric_series::AlertGroupKey;
use crate::evaluator::prepared_rule::AlertWatch;
use crate::evaluator::{EvaluationPass, RuleEvaluator};
use crate::incident::Incident;
use crate::rule::{AlertRule, NoDataPolicy};
use crate::{Budget, ComparisonBaseline, HumanDuration};

pub(super) const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;

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
    /// Notices with their targets, the oldest first.
    pub(super) told: Vec<(AlertNotice, Vec<i64>)>,
    changes: Vec<IncidentChange>,
}

impl Scene {
    pub(super) fn at(now_us: i64) -> Scene {
        Scene { bell: RuleEvaluator::new(now_us), now_us, version: 0, incidents: 0, told: Vec::new(), changes: Vec::new() }
    }

    fn keep<T>(&self, index: usize, what: T) -> AlertRecord<T> {
        AlertRecord { id: index as i64 + 1, project: 1, what, muted_until_us: None, created_us: 0, updated_us: 0 }
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
        let missing = self.bell.set(watchers);
        self.bell.fill(missing.iter().map(|(spec, keep)| spec.track(*keep).unwrap()).collect());
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
        self.bell.missed(now_us);
    }

    /// Sets the wall clock back; it is right again in the next pass.
    pub(super) fn clock_back(&mut self, earlier_us: i64) {
        let changes = self.bell.judge(earlier_us, EvaluationPass::Clock);
        self.hold(changes);
    }

    /// Adds or removes a span and evaluates it.
    pub(super) fn span(&mut self, now_us: i64, span: &Span, sign: i64) {
        self.now_us = now_us;
        self.version += 1;
        self.bell.pass(now_us);
        self.bell.count(1, span, sign, self.version);
        let changes = self.bell.judge(now_us, EvaluationPass::Arrived);
        self.hold(changes);
    }

    pub(super) fn clock(&mut self, now_us: i64) {
        self.now_us = now_us;
        let changes = self.bell.judge(now_us, EvaluationPass::Clock);
        self.hold(changes);
    }

    /// Advances the clock to this time, minute by minute.
    fn until(&mut self, us: i64) {
        while self.now_us + MINUTE <= us {
            self.clock(self.now_us + MINUTE);
        }
        self.clock(us);
    }

    fn hold(&mut self, mut changes: Vec<IncidentChange>) {
        let mut opened = std::collections::HashMap::new();
        for change in &mut changes {
            if change.incident.id == 0 {
                change.incident.id = *opened.entry(change.incident.which()).or_insert_with(|| {
                    self.incidents += 1;
                    self.incidents
                });
            }
            self.told.extend(change.untold.iter().map(|one| (one.notice.clone(), one.targets.clone())));
        }
        self.changes.extend(changes.iter().cloned());
        self.bell.settle(changes);
    }

    /// Adds a span without evaluating it.
    pub(super) fn count(&mut self, span: &Span) {
        self.version += 1;
        self.bell.count(1, span, 1, self.version);
    }

    pub(super) fn wants(&self) -> std::collections::HashMap<u64, crate::evaluator::prepared_rule::RequiredSpanFields> {
        self.bell.wants()
    }

    pub(super) fn severity(&self, group: Option<&str>) -> Option<AlertSeverity> {
        let group = group.map_or(AlertGroupKey::Whole, |group| AlertGroupKey::Of(Some(group.into())));
        self.bell.open_at(&(1, group)).map(|incident| incident.severity)
    }

    pub(super) fn severity_of(&self, id: i64, group: Option<&str>) -> Option<AlertSeverity> {
        let group = group.map_or(AlertGroupKey::Whole, |group| AlertGroupKey::Of(Some(group.into())));
        self.bell.open_at(&(id, group)).map(|incident| incident.severity)
    }

    pub(super) fn opened(&self) -> usize {
        self.incidents as usize
    }

    pub(super) fn now_us(&self) -> i64 {
        self.now_us
    }

    fn kinds(&self) -> Vec<AlertNoticeKind> {
        self.told.iter().map(|(notice, _)| notice.kind).collect()
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
        latest.into_values().for_each(|incident| self.bell.remember(incident));
        let missing = self.bell.set(watchers);
        let mut tracks: Vec<_> = missing.iter().map(|(spec, keep)| spec.track(*keep).unwrap()).collect();
        for track in &mut tracks {
            stored.iter().for_each(|span| track.add(span, 1, self.now_us));
            track.version = self.version;
        }
        self.bell.fill(tracks);
    }
}

fn dollars(at: i64, dollars: f64) -> Span {
    call(at, dollars, false, "u")
}

#[test]
fn a_figure_rings_worsens_and_ends_and_each_change_has_its_own_key() {
    let mut scene = Scene::at(100 * HOUR);
    let mut rule = rule("cost", 10, 5.0);
    (rule.critical, rule.resolve, rule.notify.targets) = (Some(10.0), Some(2.0), vec![7]);
    scene.rules(vec![rule]);
    let at = 100 * HOUR + 5;
    scene.span(at, &dollars(at, 4.0), 1);
    assert_eq!(scene.kinds(), []);
    scene.span(at + 1, &dollars(at, 2.0), 1);
    scene.span(at + 2, &dollars(at, 2.0), 1);
    scene.span(at + 3, &dollars(at, 3.0), 1);
    scene.until(at + 20 * MINUTE);
    assert_eq!(scene.kinds(), [AlertNoticeKind::Opened, AlertNoticeKind::Worsened, AlertNoticeKind::Resolved]);
    let keys: std::collections::BTreeSet<&str> = scene.told.iter().map(|(notice, _)| notice.idempotency_key.as_str()).collect();
    assert_eq!(keys.len(), 3);
    let opened = &scene.told[0];
    assert_eq!((opened.0.value, opened.0.threshold, opened.1.as_slice()), (Some(6.0), Some(5.0), &[7][..]));
    assert_eq!(scene.last().peak, Some(11.0));
}

#[test]
fn what_rings_anew_while_a_clock_that_was_set_back_stands_is_told_anew() {
    let mut scene = Scene::at(100 * HOUR);
    scene.rules(vec![rule("cost", 60, 5.0)]);
    let at = 100 * HOUR;
    for sign in [1, -1, 1, -1] {
        scene.span(at, &dollars(at, 6.0), sign);
    }
    assert_eq!(scene.kinds(), [AlertNoticeKind::Opened, AlertNoticeKind::Resolved, AlertNoticeKind::Opened, AlertNoticeKind::Resolved]);
    let keys: std::collections::BTreeSet<&str> = scene.told.iter().map(|(notice, _)| notice.idempotency_key.as_str()).collect();
    assert_eq!(keys.len(), 4);
    assert!(scene.last().resolved_us >= Some(scene.last().opened_us));
}

#[test]
fn what_is_corrected_no_longer_counts() {
    let mut scene = Scene::at(100 * HOUR);
    scene.rules(vec![rule("cost", 60, 5.0)]);
    let at = 100 * HOUR;
    scene.span(at, &dollars(at, 4.0), 1);
    scene.span(at, &dollars(at, 4.0), 1);
    assert_eq!(scene.severity(None), Some(AlertSeverity::Warning));
    // It was the total of an agent: another span has its tokens.
    scene.span(at + 1, &dollars(at, 4.0), -1);
    scene.span(at + 1, &Span { counted: false, ..dollars(at, 4.0) }, 1);
    assert_eq!(scene.severity(None), None);
    assert_eq!(scene.kinds(), [AlertNoticeKind::Opened, AlertNoticeKind::Resolved]);
}

#[test]
fn a_late_report_of_a_peak_that_is_over_is_told_and_over_at_once() {
    let mut scene = Scene::at(100 * HOUR);
    scene.rules(vec![rule("cost", 5, 5.0)]);
    let at = 100 * HOUR;
    scene.until(at + 40 * MINUTE);
    scene.span(at + 40 * MINUTE, &dollars(at + 10 * MINUTE, 9.0), 1);
    assert_eq!(scene.kinds(), [AlertNoticeKind::Opened, AlertNoticeKind::Resolved]);
    assert_eq!((scene.opened(), scene.told[0].0.window_to), (1, at + 11 * MINUTE));
    // The rest of the same peak does not fire again, and neither do calls older than an hour.
    scene.span(at + 41 * MINUTE, &dollars(at + 10 * MINUTE, 9.0), 1);
    scene.until(at + 100 * MINUTE);
    scene.span(at + 100 * MINUTE, &dollars(at + 5 * MINUTE, 9.0), 1);
    assert!(scene.opened() <= 2, "{:?}", scene.kinds());
}

#[test]
fn a_restart_within_a_window_loses_and_doubles_nothing() {
    let at = 100 * HOUR;
    let with = |scene: &Scene| vec![AlertWatch::rule(scene.keep(0, rule("cost", 60, 5.0)))];
    let mut scene = Scene::at(at);
    scene.rules(vec![rule("cost", 60, 5.0)]);
    let first = dollars(at, 3.0);
    scene.span(at, &first, 1);
    // Crash with 3 dollars evaluated, and 3 more acknowledged but not evaluated.
    let second = dollars(at + MINUTE, 3.0);
    let watchers = with(&scene);
    scene.restart(watchers, &[first.clone(), second.clone()]);
    scene.clock(at + 2 * MINUTE);
    assert_eq!(scene.kinds(), [AlertNoticeKind::Opened]);
    // Crash with an open incident: it stays open without another notice.
    let watchers = with(&scene);
    scene.restart(watchers, &[first.clone(), second.clone()]);
    scene.until(at + 3 * MINUTE);
    assert_eq!((scene.kinds(), scene.severity(None)), (vec![AlertNoticeKind::Opened], Some(AlertSeverity::Warning)));
    // The incident is resolved. A restart does not open it again, although the store still has the windows in which it fired.
    scene.until(at + 63 * MINUTE);
    assert_eq!(scene.kinds(), [AlertNoticeKind::Opened, AlertNoticeKind::Resolved]);
    let watchers = with(&scene);
    scene.restart(watchers, &[first, second]);
    scene.until(at + 70 * MINUTE);
    assert_eq!(scene.kinds(), [AlertNoticeKind::Opened, AlertNoticeKind::Resolved]);
}

#[test]
fn silence_rings_when_it_is_real() {
    let at = 100 * HOUR;
    let mut scene = Scene::at(at);
    let mut silent = rule("spans", 10, 1.0);
    silent.direction = ThresholdDirection::Below;
    scene.rules(vec![silent]);
    // The server has just started: it does not know whether spans were missed.
    scene.until(at + 9 * MINUTE);
    assert_eq!(scene.kinds(), []);
    scene.until(at + 30 * MINUTE);
    assert_eq!(scene.kinds(), [AlertNoticeKind::Opened]);
    scene.span(at + 30 * MINUTE, &Span { kind: SpanKind::Db, ..dollars(at + 30 * MINUTE, 0.0) }, 1);
    assert_eq!(scene.kinds(), [AlertNoticeKind::Opened, AlertNoticeKind::Resolved]);
    // The machine was suspended for ten hours.
    scene.bell.missed(at + 10 * HOUR);
    scene.until(at + 10 * HOUR + 8 * MINUTE);
    assert_eq!(scene.kinds().len(), 2);
    // A clock that is set back has no effect.
    scene.clock(at + HOUR);
    assert_eq!(scene.kinds().len(), 2);
}

#[test]
fn no_data_is_kept_rings_or_ends_as_the_rule_says() {
    let at = 100 * HOUR;
    for (policy, expected) in [
        (NoDataPolicy::Keep, vec![AlertNoticeKind::Opened]),
        (NoDataPolicy::Resolve, vec![AlertNoticeKind::Opened, AlertNoticeKind::Resolved]),
        (NoDataPolicy::Alert, vec![AlertNoticeKind::Opened, AlertNoticeKind::Worsened]),
    ] {
        let mut scene = Scene::at(at);
        let mut rule = rule("error_rate", 10, 0.5);
        (rule.critical, rule.no_data, rule.min_samples) = (Some(0.9), Some(policy), Some(4));
        scene.rules(vec![rule]);
        for failed in [true, true, true, false] {
            scene.span(at, &call(at, 0.0, failed, "u"), 1);
        }
        scene.until(at + 40 * MINUTE);
        assert_eq!(scene.kinds(), expected, "{policy:?}");
    }
}

#[test]
fn what_is_muted_is_told_when_that_ends_and_what_is_put_down_stays_down() {
    let at = 100 * HOUR;
    let mut scene = Scene::at(at);
    let mut kept = scene.keep(0, rule("cost", 60, 5.0));
    kept.muted_until_us = Some(at + 10 * MINUTE);
    scene.set(vec![AlertWatch::rule(kept)]);
    scene.span(at, &dollars(at, 6.0), 1);
    scene.until(at + 9 * MINUTE);
    assert_eq!((scene.kinds(), scene.severity(None)), (vec![], Some(AlertSeverity::Warning)));
    scene.until(at + 11 * MINUTE);
    assert_eq!(scene.kinds(), [AlertNoticeKind::Opened]);

    // Somebody resolves the incident. The rule fires again only after the value was back to normal.
    let mut incident = scene.bell.open_at(&(1, AlertGroupKey::Whole)).unwrap().clone();
    incident.resolved_by = Some("somebody".to_owned());
    let change = scene.bell.ended(&incident, None, incident.value);
    scene.hold(vec![change]);
    scene.span(at + 12 * MINUTE, &dollars(at + 12 * MINUTE, 3.0), 1);
    assert_eq!(scene.kinds(), [AlertNoticeKind::Opened, AlertNoticeKind::Resolved]);
    scene.until(at + 80 * MINUTE);
    scene.span(at + 80 * MINUTE, &dollars(at + 80 * MINUTE, 6.0), 1);
    assert_eq!(scene.kinds(), [AlertNoticeKind::Opened, AlertNoticeKind::Resolved, AlertNoticeKind::Opened]);
}

#[test]
fn what_nobody_acknowledges_is_told_to_the_second_target_and_repeated() {
    let at = 100 * HOUR;
    let mut scene = Scene::at(at);
    let mut rule = rule("cost", 600, 5.0);
    rule.critical = Some(6.0);
    rule.notify.targets = vec![1];
    rule.notify.escalate_to = vec![2];
    rule.notify.escalate_after = Some(HumanDuration::minutes(30));
    rule.notify.repeat_every = Some(HumanDuration::hours(1));
    scene.rules(vec![rule]);
    scene.span(at, &dollars(at, 9.0), 1);
    scene.until(at + 29 * MINUTE);
    assert_eq!(scene.kinds(), [AlertNoticeKind::Opened]);
    scene.until(at + 95 * MINUTE);
    assert_eq!(scene.kinds(), [AlertNoticeKind::Opened, AlertNoticeKind::Escalated, AlertNoticeKind::Reminder]);
    assert_eq!((scene.told[1].1.as_slice(), scene.told[2].1.as_slice()), (&[2][..], &[1, 2][..]));
    let mut incident = scene.bell.open_at(&(1, AlertGroupKey::Whole)).unwrap().clone();
    incident.acknowledged_us = Some(scene.now_us);
    scene.hold(vec![IncidentChange { incident, entries: Vec::new(), untold: Vec::new() }]);
    scene.until(at + 5 * HOUR);
    assert_eq!(scene.told.len(), 3);
}

#[test]
fn groups_ring_for_themselves_up_to_a_cap() {
    let at = 100 * HOUR;
    let mut scene = Scene::at(at);
    let mut rule = rule("cost", 60, 5.0);
    (rule.group_by, rule.max_groups) = (Some("user".to_owned()), 2);
    scene.rules(vec![rule]);
    for user in ["a", "b", "c", "d"] {
        scene.span(at, &call(at, 3.0, false, user), 1);
    }
    let groups: Vec<_> = scene.told.iter().map(|(notice, _)| notice.group.clone().unwrap().value.unwrap()).collect();
    assert_eq!(groups, [crate::evaluator::metric_series::REST], "c and d together");
    scene.span(at, &call(at, 3.0, false, "a"), 1);
    assert_eq!((scene.severity(Some("a")), scene.severity(Some("b"))), (Some(AlertSeverity::Warning), None));
}

#[test]
fn a_change_against_last_week() {
    let at = 1000 * HOUR;
    let mut scene = Scene::at(at);
    let mut rule = rule("calls", 60, 0.5);
    rule.compare = Some(ComparisonBaseline::LastWeek);
    scene.rules(vec![rule]);
    for minute in 0..10 {
        let then = at - 7 * 24 * HOUR - 30 * MINUTE + minute * MINUTE;
        scene.span(at, &dollars(then, 0.0), 1);
    }
    for minute in 0..15 {
        scene.span(at, &dollars(at - 20 * MINUTE + minute * MINUTE, 0.0), 1);
        assert_eq!(scene.opened(), 0);
    }
    scene.span(at, &dollars(at, 0.0), 1);
    assert_eq!((scene.opened(), scene.last().value), (1, Some(0.6)));
}

#[test]
fn a_mean_that_is_too_low_is_told_at_once_and_a_sum_when_it_was_watched() {
    let at = 100 * HOUR;
    for (measure, expected) in [("score", 1), ("refusals", 0)] {
        let mut scene = Scene::at(at);
        let mut low = rule(measure, 60, 0.5);
        (low.direction, low.score) = (ThresholdDirection::Below, (measure == "score").then(|| "quality".to_owned()));
        scene.rules(vec![low]);
        let changes = scene.bell.judge_asked(1, Some(0.2), at - HOUR, at);
        scene.hold(changes);
        assert_eq!(scene.opened(), expected, "{measure}");
        scene.bell.pass(at + 2 * HOUR);
        let changes = scene.bell.judge_asked(1, Some(0.2), at + HOUR, at + 2 * HOUR);
        scene.hold(changes);
        assert_eq!(scene.opened(), 1, "{measure}");
        let changes = scene.bell.judge_asked(1, Some(0.9), at + HOUR, at + 2 * HOUR);
        scene.hold(changes);
        assert_eq!(scene.kinds().last(), Some(&AlertNoticeKind::Resolved));
    }
}

fn day(change: serde_json::Value) -> Budget {
    let mut change = change;
    change["time_zone"] = json!("Europe/Berlin");
    budget(change).unwrap()
}

#[test]
fn a_budget_tells_each_step_once_a_period() {
    let midnight = "2026-10-24T22:00:00Z".parse::<jiff::Timestamp>().unwrap().as_microsecond();
    let mut scene = Scene::at(midnight + HOUR);
    scene.budget(day(json!({ "amount": 10 })));
    let spend = |scene: &mut Scene, at: i64, amount: f64| scene.span(at, &dollars(at, amount), 1);
    spend(&mut scene, midnight + HOUR, 4.9);
    assert_eq!(scene.opened(), 0);
    spend(&mut scene, midnight + HOUR, 0.1);
    spend(&mut scene, midnight + 2 * HOUR, 2.0);
    spend(&mut scene, midnight + 3 * HOUR, 4.0);
    assert_eq!(scene.kinds(), [AlertNoticeKind::Opened, AlertNoticeKind::Worsened]);
    assert_eq!((scene.last().severity, scene.last().value, scene.last().threshold), (AlertSeverity::Critical, Some(11.0), 10.0));
    assert_eq!(scene.last().steps, [50.0, 80.0, 100.0]);
    // A correction lowers the spend, which then rises again: no step fires twice.
    scene.span(midnight + 4 * HOUR, &dollars(midnight + 3 * HOUR, 4.0), -1);
    spend(&mut scene, midnight + 5 * HOUR, 4.0);
    assert_eq!(scene.told.len(), 2);
    // The day has 25 hours.
    scene.until(midnight + 25 * HOUR - MINUTE);
    assert_eq!(scene.told.len(), 2);
    scene.until(midnight + 25 * HOUR + MINUTE);
    assert_eq!(scene.kinds().last(), Some(&AlertNoticeKind::Resolved));
    spend(&mut scene, midnight + 26 * HOUR, 6.0);
    assert_eq!((scene.kinds().last(), scene.opened()), (Some(&AlertNoticeKind::Opened), 2));
    // The previous day receives more spend: its steps have fired already.
    scene.span(midnight + 27 * HOUR, &dollars(midnight + 20 * HOUR, 50.0), 1);
    assert_eq!(scene.opened(), 2);
}

#[test]
fn what_came_since_the_step_before_is_told_of_stretches_of_a_minute_or_more() {
    let midnight = "2026-11-10T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_microsecond();
    let mut scene = Scene::at(midnight + HOUR);
    scene.budget(day(json!({ "amount": 10, "steps": [10, 20, 50, 80, 100] })));
    let since = |scene: &Scene| (scene.last().culprits_since_us, scene.told.last().map(|(notice, _)| notice.culprits_since));
    let second = 1_000_000;
    let mut spend = |at: i64, amount: f64| {
        scene.span(at, &dollars(at, amount), 1);
        since(&scene)
    };
    let (noon, later) = (midnight + 12 * HOUR, midnight + 15 * HOUR);
    // A step of seconds belongs to the time before, and the first step has no earlier one.
    assert_eq!(spend(noon, 1.0), (None, Some(None)));
    assert_eq!(spend(noon + second, 1.0), (None, Some(None)));
    assert_eq!(spend(later, 3.0), (Some(noon + second), Some(Some(noon + second))));
    assert_eq!(spend(later + second, 3.0), (Some(noon + second), Some(Some(noon + second))));
    assert_eq!(spend(later + 2 * MINUTE, 3.0), (Some(later + second), Some(Some(later + second))));
    let budget = scene.told.last().unwrap().0.budget.unwrap();
    assert_eq!((budget.amount, budget.step), (10.0, 100.0));
}

#[test]
fn each_user_has_the_amount() {
    let at = "2026-11-10T12:00:00Z".parse::<jiff::Timestamp>().unwrap().as_microsecond();
    let mut scene = Scene::at(at);
    scene.budget(day(json!({ "amount": 10, "period": "month", "group_by": "user", "steps": [100] })));
    for (user, amount) in [("a", 9.0), ("b", 9.0), ("a", 2.0)] {
        scene.span(at, &call(at, amount, false, user), 1);
    }
    assert_eq!((scene.severity(Some("a")), scene.severity(Some("b"))), (Some(AlertSeverity::Critical), None));
    let standings = scene.bell.standings(1);
    assert_eq!((standings[0].key.as_deref(), standings[0].spent, standings[0].unsent), (Some("a"), 11.0, 0.0));
}
