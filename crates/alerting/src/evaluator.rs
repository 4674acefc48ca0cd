//! The rule evaluator: metric series, open incidents, and the changes of incidents that a changed metric causes. The evaluator does not use
//! a clock, a thread or the disk: it receives the time and the spans, and returns changes, which the caller stores. `budgets` evaluates
//! budgets, `transition` evaluates one alert instance in one pass, `notification_plan` decides who is notified, and `erasure` removes
//! deleted users and traces.

pub(crate) mod buckets;
mod budgets;
mod erasure;
pub(crate) mod forecast;
pub(crate) mod metric_series;
mod notification_plan;
pub(crate) mod prepared_rule;
pub(crate) mod series_index;
pub(crate) mod state;
pub(crate) mod thresholds;
mod transition;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use hinomi_model::span::Span;

pub(super) use self::budgets::BudgetPeriodSpend;
use self::transition::AlertInstanceEvaluation;
use super::alert_store::IncidentChange;
use super::evaluator::metric_series::{AlertGroupKey, AlertSeries, AlertSeriesSpec};
use super::evaluator::prepared_rule::{ARRIVAL_DELAY, AlertWatch, LATE_SPAN_PERIOD, RequiredSpanFields, RuleWatch, WindowValue};
use super::evaluator::series_index::SeriesIndex;
use super::incident::{AlertSource, Incident, IncidentState};
use super::rule::NoDataPolicy;
use super::rule::metric::SeriesAggregation;
use crate::delivery::notification::{AlertSeverity, ThresholdDirection};

/// One group of a rule or budget.
pub(super) type AlertInstanceKey = (i64, AlertGroupKey);

/// Value in place of a budget's step that stands for its forecast.
const FORECAST_STEP: f64 = 0.0;

/// Scope of an evaluation pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EvaluationPass {
    /// Series that changed, if they are cheap to evaluate.
    RowsArrived,
    /// All series, including changes that follow from the time alone.
    ClockTick,
}

/// Changes that an evaluation pass results in.
#[derive(Debug, Default)]
pub(super) struct EvaluationResult {
    pub(super) changes: Vec<IncidentChange>,
    /// Instances that were resolved manually and are now back to normal.
    back_to_normal: Vec<AlertInstanceKey>,
}

/// Past incidents of an alert instance.
#[derive(Debug, Clone, Copy)]
struct AlertInstanceHistory {
    /// End of the window of the last change; earlier windows are not evaluated again.
    until_us: i64,
    /// Time at which the last incident opened.
    opened_us: i64,
}

/// All metric series and the state of all alert instances.
#[derive(Debug)]
pub(super) struct RuleEvaluator {
    watches: BTreeMap<i64, AlertWatch>,
    series: Vec<AlertSeries>,
    /// Indexes of series by specification.
    series_by_spec: HashMap<AlertSeriesSpec, usize>,
    /// IDs of the rules and budgets that use each series.
    series_subscribers: Vec<Vec<i64>>,
    index: SeriesIndex,
    open_incidents: HashMap<AlertInstanceKey, Incident>,
    /// Instances that were resolved manually and are still beyond their threshold, with their severity.
    resolved_manually: HashMap<AlertInstanceKey, AlertSeverity>,
    history: HashMap<AlertInstanceKey, AlertInstanceHistory>,
    /// Highest step of a budget that fired in the period that begins at the given time.
    fired_steps: HashMap<(AlertInstanceKey, i64), f64>,
    /// Last time bucket of each series in which it was evaluated by the clock.
    ticked: Vec<i64>,
    /// Latest time that the evaluator received.
    now_us: i64,
    /// Time since which no spans can have been missed.
    complete_since_us: i64,
    /// Base URL of links.
    public_url: Arc<str>,
}

impl RuleEvaluator {
    pub(super) fn new(now_us: i64) -> RuleEvaluator {
        RuleEvaluator {
            watches: BTreeMap::new(),
            series: Vec::new(),
            series_by_spec: HashMap::new(),
            series_subscribers: Vec::new(),
            index: SeriesIndex::default(),
            open_incidents: HashMap::new(),
            resolved_manually: HashMap::new(),
            history: HashMap::new(),
            fired_steps: HashMap::new(),
            ticked: Vec::new(),
            now_us,
            complete_since_us: now_us,
            public_url: Arc::from(""),
        }
    }

    /// Restores the state of a stored incident, so that an open incident stays open and a resolved incident does not fire again.
    pub(super) fn restore_incident(&mut self, incident: Incident) {
        let instance = (incident.rule, AlertGroupKey::from_notification_group(incident.group.as_ref()));
        let past = self.history.entry(instance.clone()).or_insert(AlertInstanceHistory { until_us: i64::MIN, opened_us: i64::MIN });
        past.until_us = past.until_us.max(incident.window_to_us);
        past.opened_us = past.opened_us.max(incident.opened_us);
        if incident.source == AlertSource::Budget {
            let told = incident.steps.iter().copied().fold(FORECAST_STEP, f64::max);
            let rung = self.fired_steps.entry((instance.clone(), incident.window_from_us)).or_insert(told);
            *rung = told.max(*rung);
        }
        self.resolved_manually.remove(&instance);
        match incident.state() {
            IncidentState::Open | IncidentState::Acknowledged => {
                // A late incident of a budget's previous period opens while one of the current period is open, and is resolved
                // immediately.
                let is_of_before = |open: &Incident| open.id != incident.id && open.window_from_us > incident.window_from_us;
                if incident.source == AlertSource::Rule || !self.open_incidents.get(&instance).is_some_and(is_of_before) {
                    self.open_incidents.insert(instance, incident);
                }
            }
            IncidentState::Resolved => {
                if self.open_incidents.get(&instance).is_some_and(|open| open.id == incident.id) {
                    self.open_incidents.remove(&instance);
                }
                if incident.resolved_by.is_some() {
                    self.resolved_manually.insert(instance, incident.severity);
                }
            }
        }
    }

    /// Activates rules and budgets. Returns the series that are missing and the number of steps that they need;
    /// [`add_series`](RuleEvaluator::add_series) adds them.
    pub(super) fn set_watches(&mut self, watches: Vec<AlertWatch>) -> Vec<(AlertSeriesSpec, i64)> {
        let previous = std::mem::replace(&mut self.watches, watches.into_iter().map(|watch| (watch.id(), watch)).collect());
        for (id, watch) in &self.watches {
            if let (AlertWatch::Budget(now), Some(AlertWatch::Budget(old))) = (watch, previous.get(id))
                && (now.record.definition.amount != old.record.definition.amount || now.spec != old.spec)
            {
                // Another amount has other steps.
                self.fired_steps.retain(|((budget, _), _), _| budget != id);
            }
        }
        let mut wanted: HashMap<AlertSeriesSpec, i64> = HashMap::new();
        for watch in self.watches.values() {
            if let Some(spec) = watch.spec() {
                let keep = wanted.entry(spec.clone()).or_default();
                *keep = watch.kept_steps().max(*keep);
            }
        }
        self.series.retain(|track| wanted.contains_key(&track.spec));
        self.series.iter_mut().for_each(|track| track.kept_steps = wanted[&track.spec].min(track.kept_steps));
        self.index_series();
        let is_short = |spec: &AlertSeriesSpec, keep: i64| {
            self.series_by_spec.get(spec).is_none_or(|instance| self.series[*instance].kept_steps < keep)
        };
        wanted.into_iter().filter(|(spec, keep)| is_short(spec, *keep)).collect()
    }

    /// Adds series that were missing.
    pub(super) fn add_series(&mut self, tracks: Vec<AlertSeries>) {
        for track in tracks {
            self.series.retain(|known| known.spec != track.spec);
            self.series.push(track);
        }
        self.index_series();
    }

    fn index_series(&mut self) {
        self.series_by_spec = self.series.iter().enumerate().map(|(instance, track)| (track.spec.clone(), instance)).collect();
        self.series_subscribers = vec![Vec::new(); self.series.len()];
        self.ticked = vec![i64::MIN; self.series.len()];
        for watch in self.watches.values() {
            // A series that does not reach back far enough yet is not evaluated.
            let instance = watch
                .spec()
                .and_then(|spec| self.series_by_spec.get(spec))
                .filter(|instance| self.series[**instance].kept_steps >= watch.kept_steps());
            if let Some(instance) = instance {
                self.series_subscribers[*instance].push(watch.id());
            }
        }
        self.index = SeriesIndex::new(self.series.iter().enumerate());
    }

    /// Returns the span fields that the series of each project need.
    pub(super) fn required_fields(&self) -> HashMap<u64, RequiredSpanFields> {
        let mut required: HashMap<u64, RequiredSpanFields> = HashMap::new();
        for track in &self.series {
            required.entry(track.spec.project).or_default().add_fields_of(track);
        }
        required
    }

    /// Adds (1) or removes (-1) a span that the store added or removed in this version.
    pub(super) fn count_span(&mut self, project: u64, span: &Span, sign: i64, version: u64) {
        let RuleEvaluator { index, series, now_us, .. } = self;
        index.each_series_of(project, span, |instance| {
            let track = &mut series[instance];
            if version > track.version {
                track.add(span, sign, *now_us);
            }
        });
    }

    /// Records that spans may have been missed: the series are complete, but low values and missing data are not evaluated for a while.
    pub(super) fn note_missed_spans(&mut self, now_us: i64) {
        self.complete_since_us = now_us;
    }

    /// Evaluates the series at a time, which never decreases, and returns the changes. The changes take effect when they are passed to
    /// [`apply_changes`](RuleEvaluator::apply_changes).
    pub(super) fn evaluate(&mut self, now_us: i64, pass: EvaluationPass) -> Vec<IncidentChange> {
        self.advance_clock(now_us);
        let mut result = EvaluationResult::default();
        for instance in 0..self.series.len() {
            let track = &mut self.series[instance];
            let is_cheap = matches!(track.spec.aggregation, SeriesAggregation::Sums(..));
            if pass == EvaluationPass::RowsArrived && !(is_cheap && track.is_changed()) {
                continue;
            }
            let step = track.step_of(self.now_us);
            let ticked = pass == EvaluationPass::ClockTick && self.ticked[instance] < step;
            let mut changed: HashMap<AlertGroupKey, Option<i64>> =
                track.take_changed().into_iter().map(|(group, step)| (group, Some(step))).collect();
            if ticked {
                track.forget_old_steps(self.now_us);
                self.ticked[instance] = step;
                for group in self.series[instance].groups() {
                    changed.entry(group.clone()).or_insert(None);
                }
            }
            for id in self.series_subscribers[instance].clone() {
                let mut groups = changed.clone();
                if ticked {
                    groups.extend(self.groups_without_data(id, &changed).map(|group| (group, None)));
                }
                for (group, oldest) in groups {
                    self.evaluate_group(instance, id, &group, oldest, ticked, &mut result);
                }
            }
        }
        if pass == EvaluationPass::ClockTick {
            self.resolve_orphans(&mut result.changes);
            self.notify_again(&mut result.changes);
        }
        self.apply_lifted(result)
    }

    fn apply_lifted(&mut self, result: EvaluationResult) -> Vec<IncidentChange> {
        for instance in &result.back_to_normal {
            self.resolved_manually.remove(instance);
        }
        result.changes
    }

    /// Returns groups that a rule must evaluate although they have no data left: those with an open incident, and the single group of a
    /// rule without groups.
    fn groups_without_data<'a>(
        &'a self,
        id: i64,
        known: &'a HashMap<AlertGroupKey, Option<i64>>,
    ) -> impl Iterator<Item = AlertGroupKey> + use<'a> {
        let is_whole = self.watches.get(&id).is_some_and(|watch| watch.group_by().is_none());
        let rings =
            self.open_incidents.keys().chain(self.resolved_manually.keys()).filter(move |(rule, _)| *rule == id).map(|(_, group)| group);
        let whole = is_whole.then_some(&AlertGroupKey::AllSpans);
        rings.chain(whole).filter(|group| !known.contains_key(*group)).cloned().collect::<HashSet<AlertGroupKey>>().into_iter()
    }

    fn evaluate_group(
        &self,
        instance: usize,
        id: i64,
        group: &AlertGroupKey,
        oldest: Option<i64>,
        ticked: bool,
        result: &mut EvaluationResult,
    ) {
        match self.watches.get(&id) {
            Some(AlertWatch::Rule(watch)) if watch.record.definition.enabled => {
                self.evaluate_rule(watch, &self.series[instance], group, oldest, ticked, result);
            }
            Some(AlertWatch::Budget(watch)) if watch.record.definition.enabled => {
                self.evaluate_budget(watch, &self.series[instance], group, oldest, ticked, &mut result.changes);
            }
            _ => {}
        }
    }

    /// Returns the last severity of an instance.
    fn last_severity(&self, instance: &AlertInstanceKey) -> Option<AlertSeverity> {
        self.open_incidents.get(instance).map(|incident| incident.severity).or_else(|| self.resolved_manually.get(instance).copied())
    }

    fn evaluate_rule(
        &self,
        watch: &RuleWatch,
        track: &AlertSeries,
        group: &AlertGroupKey,
        oldest: Option<i64>,
        ticked: bool,
        result: &mut EvaluationResult,
    ) {
        let (rule, limits, step_us) = (&watch.record.definition, &watch.thresholds, track.spec.step_us);
        let (steps, current) = (watch.steps_in_window(step_us), track.step_of(self.now_us));
        let instance = (watch.record.id, group.clone());
        let window = |last: i64| ((last - steps + 1) * step_us, ((last + 1) * step_us).min(self.now_us));
        let mut at = AlertInstanceEvaluation::new(self, watch, &instance);

        // High values are evaluated in windows that ended recently, too: a call belongs to the time of its start, but arrives after its
        // end.
        let late = match (rule.direction, oldest) {
            (ThresholdDirection::Above, Some(oldest)) => oldest.max(current - LATE_SPAN_PERIOD.0 / step_us).min(current),
            _ => current,
        };
        let told_us = self.history.get(&instance).map_or(i64::MIN, |past| past.until_us).max(watch.record.updated_us);
        for last in (late..current).filter(|last| (last + 1) * step_us > told_us) {
            if let WindowValue::Value(value) = watch.window_value(track, group, last)
                && limits.next_severity(at.severity, value) > at.severity
            {
                at.transition_to(limits.next_severity(at.severity, value), Some(value), window(last));
            }
        }
        let now = watch.window_value(track, group, current);
        if let WindowValue::Value(value) = now {
            let next = limits.next_severity(at.severity, value);
            // A low value may rise until the window ends; reaching the threshold is final.
            if rule.direction == ThresholdDirection::Above || next < at.severity {
                at.transition_to(next, Some(value), window(current));
            }
        }
        if ticked && (rule.direction == ThresholdDirection::Below || rule.no_data.is_some()) && self.has_complete_window(watch) {
            let complete = track.step_of(self.now_us - ARRIVAL_DELAY.0) - 1;
            match watch.window_value(track, group, complete) {
                WindowValue::Value(value) if rule.direction == ThresholdDirection::Below => {
                    let now_is_over = matches!(now, WindowValue::Value(now) if limits.next_severity(at.severity, now).is_none());
                    if !now_is_over {
                        at.transition_to(limits.next_severity(at.severity, value), Some(value), window(complete));
                    }
                }
                WindowValue::Nothing if now == WindowValue::Nothing => match rule.no_data() {
                    NoDataPolicy::Keep => {}
                    NoDataPolicy::Alert => {
                        let worst = if rule.critical.is_some() { AlertSeverity::Critical } else { AlertSeverity::Warning };
                        at.transition_to(at.severity.max(Some(worst)), None, window(complete));
                    }
                    NoDataPolicy::Resolve => at.transition_to(None, None, window(complete)),
                },
                _ => {}
            }
        }
        at.finish(result);
    }

    /// Returns whether spans were received without a gap for long enough to trust an empty window.
    fn has_complete_window(&self, watch: &RuleWatch) -> bool {
        self.now_us - self.complete_since_us >= watch.record.definition.window.0.min(LATE_SPAN_PERIOD.0) + ARRIVAL_DELAY.0
    }

    /// Evaluates a rule whose value is queried elsewhere. `value` is `None` if there is no data.
    pub(super) fn evaluate_polled(&mut self, id: i64, value: Option<f64>, from_us: i64, to_us: i64) -> Vec<IncidentChange> {
        let Some(AlertWatch::Rule(watch)) = self.watches.get(&id).filter(|watcher| watcher.spec().is_none()) else { return Vec::new() };
        let instance = (id, AlertGroupKey::AllSpans);
        let mut at = AlertInstanceEvaluation::new(self, watch, &instance);
        let rule = &watch.record.definition;
        match value {
            Some(value) => {
                let next = watch.thresholds.next_severity(at.severity, value);
                // A sum may be low because its window has not ended; a mean is final.
                let is_mean = rule.measure.is_mean();
                if rule.direction == ThresholdDirection::Above || is_mean || next < at.severity || self.has_complete_window(watch) {
                    at.transition_to(next, Some(value), (from_us, to_us));
                }
            }
            None => match rule.no_data() {
                NoDataPolicy::Alert if self.has_complete_window(watch) => {
                    let worst = if rule.critical.is_some() { AlertSeverity::Critical } else { AlertSeverity::Warning };
                    at.transition_to(at.severity.max(Some(worst)), None, (from_us, to_us));
                }
                NoDataPolicy::Resolve => at.transition_to(None, None, (from_us, to_us)),
                NoDataPolicy::Keep | NoDataPolicy::Alert => {}
            },
        }
        let mut result = EvaluationResult::default();
        at.finish(&mut result);
        self.apply_lifted(result)
    }

    /// Returns the rules whose values are queried elsewhere.
    pub(super) fn polled_rules(&self) -> Vec<RuleWatch> {
        let rules = self.watches.values().filter_map(|watcher| match watcher {
            AlertWatch::Rule(watch) if watch.spec.is_none() && watch.record.definition.enabled => Some(watch.as_ref().clone()),
            _ => None,
        });
        rules.collect()
    }

    /// Returns the current value of a rule; for a rule with groups, the value that is furthest beyond the threshold. `None` without data.
    pub(super) fn current_value(&self, id: i64) -> Option<f64> {
        let Some(AlertWatch::Rule(watch)) = self.watches.get(&id) else { return None };
        let track = &self.series[*self.series_by_spec.get(watch.spec.as_ref()?)?];
        let current = track.step_of(self.now_us);
        let whole = AlertGroupKey::AllSpans;
        let groups: Vec<&AlertGroupKey> = if watch.record.definition.group_by.is_some() { track.groups().collect() } else { vec![&whole] };
        let values = groups.into_iter().filter_map(|group| match watch.window_value(track, group, current) {
            WindowValue::Value(value) => Some(value),
            WindowValue::Nothing => None,
        });
        values.reduce(|a, b| watch.thresholds.worse_value(a, b))
    }

    /// Returns the number of open incidents of a rule or budget, and the worst severity.
    pub(super) fn open_severity(&self, id: i64) -> (usize, Option<AlertSeverity>) {
        let open = || self.open_incidents.iter().filter(|((rule, _), _)| *rule == id).map(|(_, incident)| incident.severity);
        (open().count(), open().max())
    }

    /// Returns the open incident of an instance.
    #[cfg(test)]
    pub(super) fn open_incident(&self, instance: &AlertInstanceKey) -> Option<&Incident> {
        self.open_incidents.get(instance)
    }

    /// Returns the open incident with an ID.
    pub(super) fn open_incident_by_id(&self, id: i64) -> Option<&Incident> {
        self.open_incidents.values().find(|incident| incident.id == id)
    }

    /// Advances the time. It never decreases.
    pub(super) fn advance_clock(&mut self, now_us: i64) {
        self.now_us = now_us.max(self.now_us);
    }

    /// Returns the opening time of a new incident of an instance. Two incidents never open at the same time, since their notifications
    /// would have the same key. The time is later than now only after the clock was set back.
    fn next_opening_us(&self, instance: &AlertInstanceKey) -> i64 {
        self.history.get(instance).map_or(self.now_us, |past| self.now_us.max(past.opened_us + 1))
    }

    /// Sets the base URL of links.
    pub(super) fn set_public_url(&mut self, public_url: &str) {
        self.public_url = Arc::from(public_url);
    }

    /// Returns the rule or budget with an ID.
    pub(super) fn watch(&self, id: i64) -> Option<&AlertWatch> {
        self.watches.get(&id)
    }

    pub(super) fn watches(&self) -> impl Iterator<Item = &AlertWatch> {
        self.watches.values()
    }

    /// Applies changes after they have been stored.
    pub(super) fn apply_changes(&mut self, changes: Vec<IncidentChange>) {
        changes.into_iter().for_each(|change| self.restore_incident(change.incident));
    }

    /// Marks everything for evaluation, after changes could not be stored.
    pub(super) fn mark_all_changed(&mut self) {
        self.ticked.fill(i64::MIN);
    }
}

/// Returns the alert instance of an incident.
pub(super) fn instance_of(incident: &Incident) -> AlertInstanceKey {
    (incident.rule, AlertGroupKey::from_notification_group(incident.group.as_ref()))
}
