//! The rule evaluator: metric series, open incidents, and the changes that follow from a change of a metric. It uses no clock, thread or
//! disk: it receives the time and spans, and returns changes for the caller to store. `budgets` evaluates budgets, `transition` evaluates
//! one alert instance in one pass, `notification_plan` decides who is notified, and `erasure` removes deleted users and traces.

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
use super::evaluator::prepared_rule::{AlertWatch, GRACE, LATE, RequiredSpanFields, RuleWatch, WindowValue};
use super::evaluator::series_index::SeriesIndex;
use super::incident::{AlertSource, Incident, IncidentState};
use super::rule::NoDataPolicy;
use super::rule::metric::{AlertMetric, SeriesAggregation};
use crate::delivery::notice::{AlertSeverity, ThresholdDirection};

/// One group of a rule or budget.
pub(super) type AlertInstanceKey = (i64, AlertGroupKey);

/// Value in place of a budget's step that stands for its forecast.
const FORECAST_STEP: f64 = 0.0;

/// Scope of an evaluation pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EvaluationPass {
    /// Series that changed, if they are cheap to evaluate.
    Arrived,
    /// All series, including changes that follow from the time alone.
    Clock,
}

/// Changes that an evaluation pass results in.
#[derive(Debug, Default)]
pub(super) struct EvaluationResult {
    pub(super) changes: Vec<IncidentChange>,
    /// Instances that were resolved manually and are now back to normal.
    lifted: Vec<AlertInstanceKey>,
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
    watchers: BTreeMap<i64, AlertWatch>,
    tracks: Vec<AlertSeries>,
    /// Indexes of series by specification.
    places: HashMap<AlertSeriesSpec, usize>,
    /// IDs of the rules and budgets that use each series.
    lookers: Vec<Vec<i64>>,
    index: SeriesIndex,
    open: HashMap<AlertInstanceKey, Incident>,
    /// Instances that were resolved manually and are still beyond their threshold, with their severity.
    put_down: HashMap<AlertInstanceKey, AlertSeverity>,
    past: HashMap<AlertInstanceKey, AlertInstanceHistory>,
    /// Highest step of a budget that fired in the period that begins at the given time.
    rung: HashMap<(AlertInstanceKey, i64), f64>,
    /// Last time bucket of each series in which it was evaluated by the clock.
    ticked: Vec<i64>,
    /// Latest time that the evaluator received.
    now_us: i64,
    /// Time since which no spans can have been missed.
    since_us: i64,
    /// Base URL of links.
    public_url: Arc<str>,
}

impl RuleEvaluator {
    pub(super) fn new(now_us: i64) -> RuleEvaluator {
        RuleEvaluator {
            watchers: BTreeMap::new(),
            tracks: Vec::new(),
            places: HashMap::new(),
            lookers: Vec::new(),
            index: SeriesIndex::default(),
            open: HashMap::new(),
            put_down: HashMap::new(),
            past: HashMap::new(),
            rung: HashMap::new(),
            ticked: Vec::new(),
            now_us,
            since_us: now_us,
            public_url: Arc::from(""),
        }
    }

    /// Restores the state of a stored incident: what is open, and what must not fire again.
    pub(super) fn remember(&mut self, incident: Incident) {
        let place = (incident.rule, AlertGroupKey::read(incident.group.as_ref()));
        let past = self.past.entry(place.clone()).or_insert(AlertInstanceHistory { until_us: i64::MIN, opened_us: i64::MIN });
        past.until_us = past.until_us.max(incident.window_to_us);
        past.opened_us = past.opened_us.max(incident.opened_us);
        if incident.source == AlertSource::Budget {
            let told = incident.steps.iter().copied().fold(FORECAST_STEP, f64::max);
            let rung = self.rung.entry((place.clone(), incident.window_from_us)).or_insert(told);
            *rung = told.max(*rung);
        }
        self.put_down.remove(&place);
        match incident.state() {
            IncidentState::Open | IncidentState::Acknowledged => {
                // A late incident of a budget's previous period opens while one of the current period is open, and is resolved
                // immediately.
                let is_of_before = |open: &Incident| open.id != incident.id && open.window_from_us > incident.window_from_us;
                if incident.source == AlertSource::Rule || !self.open.get(&place).is_some_and(is_of_before) {
                    self.open.insert(place, incident);
                }
            }
            IncidentState::Resolved => {
                if self.open.get(&place).is_some_and(|open| open.id == incident.id) {
                    self.open.remove(&place);
                }
                if incident.resolved_by.is_some() {
                    self.put_down.insert(place, incident.severity);
                }
            }
        }
    }

    /// Activates rules and budgets. Returns the series that are missing and the number of steps that they need;
    /// [`fill`](RuleEvaluator::fill) adds them.
    pub(super) fn set(&mut self, watchers: Vec<AlertWatch>) -> Vec<(AlertSeriesSpec, i64)> {
        let before = std::mem::replace(&mut self.watchers, watchers.into_iter().map(|watcher| (watcher.id(), watcher)).collect());
        for (id, watcher) in &self.watchers {
            if let (AlertWatch::Budget(now), Some(AlertWatch::Budget(old))) = (watcher, before.get(id))
                && (now.kept.what.amount != old.kept.what.amount || now.spec != old.spec)
            {
                // Another amount has other steps.
                self.rung.retain(|((budget, _), _), _| budget != id);
            }
        }
        let mut wanted: HashMap<AlertSeriesSpec, i64> = HashMap::new();
        for watcher in self.watchers.values() {
            if let Some(spec) = watcher.spec() {
                let keep = wanted.entry(spec.clone()).or_default();
                *keep = watcher.keep().max(*keep);
            }
        }
        self.tracks.retain(|track| wanted.contains_key(&track.spec));
        self.tracks.iter_mut().for_each(|track| track.keep = wanted[&track.spec].min(track.keep));
        self.arrange();
        let is_short = |spec: &AlertSeriesSpec, keep: i64| self.places.get(spec).is_none_or(|place| self.tracks[*place].keep < keep);
        wanted.into_iter().filter(|(spec, keep)| is_short(spec, *keep)).collect()
    }

    /// Adds series that were missing.
    pub(super) fn fill(&mut self, tracks: Vec<AlertSeries>) {
        for track in tracks {
            self.tracks.retain(|known| known.spec != track.spec);
            self.tracks.push(track);
        }
        self.arrange();
    }

    fn arrange(&mut self) {
        self.places = self.tracks.iter().enumerate().map(|(place, track)| (track.spec.clone(), place)).collect();
        self.lookers = vec![Vec::new(); self.tracks.len()];
        self.ticked = vec![i64::MIN; self.tracks.len()];
        for watcher in self.watchers.values() {
            // A series that does not reach back far enough yet is not evaluated.
            let place = watcher.spec().and_then(|spec| self.places.get(spec)).filter(|place| self.tracks[**place].keep >= watcher.keep());
            if let Some(place) = place {
                self.lookers[*place].push(watcher.id());
            }
        }
        self.index = SeriesIndex::new(self.tracks.iter().enumerate());
    }

    /// Returns the span fields that the series of each project need.
    pub(super) fn wants(&self) -> HashMap<u64, RequiredSpanFields> {
        let mut wants: HashMap<u64, RequiredSpanFields> = HashMap::new();
        for track in &self.tracks {
            wants.entry(track.spec.project).or_default().add(track);
        }
        wants
    }

    /// Adds (1) or removes (-1) a span that the store added or removed in this version.
    pub(super) fn count(&mut self, project: u64, span: &Span, sign: i64, version: u64) {
        let RuleEvaluator { index, tracks, now_us, .. } = self;
        index.each(project, span, |place| {
            let track = &mut tracks[place];
            if version > track.version {
                track.add(span, sign, *now_us);
            }
        });
    }

    /// Records that spans may have been missed: the series are complete, but low values and missing data are not evaluated for a while.
    pub(super) fn missed(&mut self, now_us: i64) {
        self.since_us = now_us;
    }

    /// Evaluates the series at a time, which never decreases, and returns the changes. They take effect when they are passed to
    /// [`settle`](RuleEvaluator::settle).
    pub(super) fn judge(&mut self, now_us: i64, round: EvaluationPass) -> Vec<IncidentChange> {
        self.pass(now_us);
        let mut judged = EvaluationResult::default();
        for place in 0..self.tracks.len() {
            let track = &mut self.tracks[place];
            let is_cheap = matches!(track.spec.gathers, SeriesAggregation::Sums(..));
            if round == EvaluationPass::Arrived && !(is_cheap && track.is_changed()) {
                continue;
            }
            let step = track.step_of(self.now_us);
            let ticked = round == EvaluationPass::Clock && self.ticked[place] < step;
            let mut changed: HashMap<AlertGroupKey, Option<i64>> =
                track.take_changed().into_iter().map(|(group, step)| (group, Some(step))).collect();
            if ticked {
                track.forget(self.now_us);
                self.ticked[place] = step;
                for group in self.tracks[place].groups() {
                    changed.entry(group.clone()).or_insert(None);
                }
            }
            for id in self.lookers[place].clone() {
                let mut groups = changed.clone();
                if ticked {
                    groups.extend(self.beside(id, &changed).map(|group| (group, None)));
                }
                for (group, oldest) in groups {
                    self.judge_group(place, id, &group, oldest, ticked, &mut judged);
                }
            }
        }
        if round == EvaluationPass::Clock {
            self.end_orphans(&mut judged.changes);
            self.tell_again(&mut judged.changes);
        }
        self.lift(judged)
    }

    fn lift(&mut self, judged: EvaluationResult) -> Vec<IncidentChange> {
        for place in &judged.lifted {
            self.put_down.remove(place);
        }
        judged.changes
    }

    /// Returns groups that a rule must evaluate although they have no data left: those with an open incident, and the single group of a
    /// rule without groups.
    fn beside<'a>(&'a self, id: i64, known: &'a HashMap<AlertGroupKey, Option<i64>>) -> impl Iterator<Item = AlertGroupKey> + use<'a> {
        let is_whole = self.watchers.get(&id).is_some_and(|watcher| watcher.group_by().is_none());
        let rings = self.open.keys().chain(self.put_down.keys()).filter(move |(rule, _)| *rule == id).map(|(_, group)| group);
        let whole = is_whole.then_some(&AlertGroupKey::Whole);
        rings.chain(whole).filter(|group| !known.contains_key(*group)).cloned().collect::<HashSet<AlertGroupKey>>().into_iter()
    }

    fn judge_group(&self, place: usize, id: i64, group: &AlertGroupKey, oldest: Option<i64>, ticked: bool, judged: &mut EvaluationResult) {
        match self.watchers.get(&id) {
            Some(AlertWatch::Rule(watch)) if watch.kept.what.enabled => {
                self.judge_rule(watch, &self.tracks[place], group, oldest, ticked, judged);
            }
            Some(AlertWatch::Budget(watch)) if watch.kept.what.enabled => {
                self.judge_budget(watch, &self.tracks[place], group, oldest, ticked, &mut judged.changes);
            }
            _ => {}
        }
    }

    /// Returns the last severity of an instance.
    fn before(&self, place: &AlertInstanceKey) -> Option<AlertSeverity> {
        self.open.get(place).map(|incident| incident.severity).or_else(|| self.put_down.get(place).copied())
    }

    fn judge_rule(
        &self,
        watch: &RuleWatch,
        track: &AlertSeries,
        group: &AlertGroupKey,
        oldest: Option<i64>,
        ticked: bool,
        judged: &mut EvaluationResult,
    ) {
        let (rule, limits, step_us) = (&watch.kept.what, &watch.limits, track.spec.step_us);
        let (steps, current) = (watch.steps(step_us), track.step_of(self.now_us));
        let place = (watch.kept.id, group.clone());
        let window = |last: i64| ((last - steps + 1) * step_us, ((last + 1) * step_us).min(self.now_us));
        let mut at = AlertInstanceEvaluation::new(self, watch, &place);

        // High values are evaluated in windows that ended recently, too: a call belongs to the time of its start, but arrives after its
        // end.
        let late = match (rule.direction, oldest) {
            (ThresholdDirection::Above, Some(oldest)) => oldest.max(current - LATE.0 / step_us).min(current),
            _ => current,
        };
        let told_us = self.past.get(&place).map_or(i64::MIN, |past| past.until_us).max(watch.kept.updated_us);
        for last in (late..current).filter(|last| (last + 1) * step_us > told_us) {
            if let WindowValue::Value(value) = watch.read(track, group, last)
                && limits.next(at.severity, value) > at.severity
            {
                at.go(limits.next(at.severity, value), Some(value), window(last));
            }
        }
        let now = watch.read(track, group, current);
        if let WindowValue::Value(value) = now {
            let next = limits.next(at.severity, value);
            // A low value may rise until the window ends; reaching the threshold is final.
            if rule.direction == ThresholdDirection::Above || next < at.severity {
                at.go(next, Some(value), window(current));
            }
        }
        if ticked && (rule.direction == ThresholdDirection::Below || rule.no_data.is_some()) && self.has_watched(watch) {
            let complete = track.step_of(self.now_us - GRACE.0) - 1;
            match watch.read(track, group, complete) {
                WindowValue::Value(value) if rule.direction == ThresholdDirection::Below => {
                    let now_is_over = matches!(now, WindowValue::Value(now) if limits.next(at.severity, now).is_none());
                    if !now_is_over {
                        at.go(limits.next(at.severity, value), Some(value), window(complete));
                    }
                }
                WindowValue::Nothing if now == WindowValue::Nothing => match rule.no_data() {
                    NoDataPolicy::Keep => {}
                    NoDataPolicy::Alert => {
                        let worst = if rule.critical.is_some() { AlertSeverity::Critical } else { AlertSeverity::Warning };
                        at.go(at.severity.max(Some(worst)), None, window(complete));
                    }
                    NoDataPolicy::Resolve => at.go(None, None, window(complete)),
                },
                _ => {}
            }
        }
        at.end(judged);
    }

    /// Returns whether spans were received without a gap for long enough to trust an empty window.
    fn has_watched(&self, watch: &RuleWatch) -> bool {
        self.now_us - self.since_us >= watch.kept.what.window.0.min(LATE.0) + GRACE.0
    }

    /// Evaluates a rule whose value is queried elsewhere. `value` is `None` if there is no data.
    pub(super) fn judge_asked(&mut self, id: i64, value: Option<f64>, from_us: i64, to_us: i64) -> Vec<IncidentChange> {
        let Some(AlertWatch::Rule(watch)) = self.watchers.get(&id).filter(|watcher| watcher.spec().is_none()) else { return Vec::new() };
        let place = (id, AlertGroupKey::Whole);
        let mut at = AlertInstanceEvaluation::new(self, watch, &place);
        let rule = &watch.kept.what;
        match value {
            Some(value) => {
                let next = watch.limits.next(at.severity, value);
                // A sum may be low because its window has not ended; a mean is final.
                let is_mean = rule.measure == AlertMetric::Score;
                if rule.direction == ThresholdDirection::Above || is_mean || next < at.severity || self.has_watched(watch) {
                    at.go(next, Some(value), (from_us, to_us));
                }
            }
            None => match rule.no_data() {
                NoDataPolicy::Alert if self.has_watched(watch) => {
                    let worst = if rule.critical.is_some() { AlertSeverity::Critical } else { AlertSeverity::Warning };
                    at.go(at.severity.max(Some(worst)), None, (from_us, to_us));
                }
                NoDataPolicy::Resolve => at.go(None, None, (from_us, to_us)),
                NoDataPolicy::Keep | NoDataPolicy::Alert => {}
            },
        }
        let mut judged = EvaluationResult::default();
        at.end(&mut judged);
        self.lift(judged)
    }

    /// Returns the rules whose values are queried elsewhere.
    pub(super) fn asked(&self) -> Vec<RuleWatch> {
        let rules = self.watchers.values().filter_map(|watcher| match watcher {
            AlertWatch::Rule(watch) if watch.spec.is_none() && watch.kept.what.enabled => Some(watch.as_ref().clone()),
            _ => None,
        });
        rules.collect()
    }

    /// Returns the current value of a rule; with groups, the one furthest beyond the threshold. `None` without data.
    pub(super) fn figure(&self, id: i64) -> Option<f64> {
        let Some(AlertWatch::Rule(watch)) = self.watchers.get(&id) else { return None };
        let track = &self.tracks[*self.places.get(watch.spec.as_ref()?)?];
        let current = track.step_of(self.now_us);
        let whole = AlertGroupKey::Whole;
        let groups: Vec<&AlertGroupKey> = if watch.kept.what.group_by.is_some() { track.groups().collect() } else { vec![&whole] };
        let values = groups.into_iter().filter_map(|group| match watch.read(track, group, current) {
            WindowValue::Value(value) => Some(value),
            WindowValue::Nothing => None,
        });
        values.reduce(|a, b| watch.limits.worse(a, b))
    }

    /// Returns the number of open incidents of a rule or budget, and the worst severity.
    pub(super) fn open_of(&self, id: i64) -> (usize, Option<AlertSeverity>) {
        let open = || self.open.iter().filter(|((rule, _), _)| *rule == id).map(|(_, incident)| incident.severity);
        (open().count(), open().max())
    }

    /// Returns the open incident of an instance.
    #[cfg(test)]
    pub(super) fn open_at(&self, place: &AlertInstanceKey) -> Option<&Incident> {
        self.open.get(place)
    }

    /// Returns the open incident with an ID.
    pub(super) fn open_with(&self, id: i64) -> Option<&Incident> {
        self.open.values().find(|incident| incident.id == id)
    }

    /// Advances the time. It never decreases.
    pub(super) fn pass(&mut self, now_us: i64) {
        self.now_us = now_us.max(self.now_us);
    }

    /// Returns the opening time of a new incident of an instance. Two incidents never open at the same time, since their notices would
    /// have the same key. The time is later than now only after the clock was set back.
    fn opening_us(&self, place: &AlertInstanceKey) -> i64 {
        self.past.get(place).map_or(self.now_us, |past| self.now_us.max(past.opened_us + 1))
    }

    /// Sets the base URL of links.
    pub(super) fn link_to(&mut self, public_url: &str) {
        self.public_url = Arc::from(public_url);
    }

    /// Returns the rule or budget with an ID.
    pub(super) fn watcher(&self, id: i64) -> Option<&AlertWatch> {
        self.watchers.get(&id)
    }

    pub(super) fn watchers(&self) -> impl Iterator<Item = &AlertWatch> {
        self.watchers.values()
    }

    /// Applies changes after they have been stored.
    pub(super) fn settle(&mut self, changes: Vec<IncidentChange>) {
        changes.into_iter().for_each(|change| self.remember(change.incident));
    }

    /// Marks everything for evaluation, after changes could not be stored.
    pub(super) fn judge_again(&mut self) {
        self.ticked.fill(i64::MIN);
    }
}

/// Returns the alert instance of an incident.
pub(super) fn place_of(incident: &Incident) -> AlertInstanceKey {
    (incident.rule, AlertGroupKey::read(incident.group.as_ref()))
}
