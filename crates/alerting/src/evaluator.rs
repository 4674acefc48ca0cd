//! The bell itself: figures, what is open, and what a change of a figure means. It knows no clock, no thread and no disk: time and spans
//! are given to it, and it answers with changes that somebody else writes down. `budgets` judges budgets, `course` takes a place through one
//! round, `telling` says what is told of that, `forget` takes out what is deleted.

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

/// A rule's or budget's group.
pub(super) type AlertInstanceKey = (i64, AlertGroupKey);

/// Step of a budget that stands for its forecast.
const FORECAST_STEP: f64 = 0.0;

/// What is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EvaluationPass {
    /// What has just changed, so far as it is cheap.
    Arrived,
    /// Whatever time changes too.
    Clock,
}

/// What a round of judging comes to.
#[derive(Debug, Default)]
pub(super) struct EvaluationResult {
    pub(super) changes: Vec<IncidentChange>,
    /// What was ended by hand and is no longer beyond its threshold.
    lifted: Vec<AlertInstanceKey>,
}

/// What was told of a place.
#[derive(Debug, Clone, Copy)]
struct AlertInstanceHistory {
    /// End of the window of the last change; windows before that have been told of.
    until_us: i64,
    /// When the last incident opened.
    opened_us: i64,
}

/// All figures and all that rings.
#[derive(Debug)]
pub(super) struct RuleEvaluator {
    watchers: BTreeMap<i64, AlertWatch>,
    tracks: Vec<AlertSeries>,
    /// Places of tracks, by what tells them apart.
    places: HashMap<AlertSeriesSpec, usize>,
    /// Rules and budgets by track.
    lookers: Vec<Vec<i64>>,
    index: SeriesIndex,
    open: HashMap<AlertInstanceKey, Incident>,
    /// What was ended by hand and is still beyond its threshold: how bad.
    put_down: HashMap<AlertInstanceKey, AlertSeverity>,
    past: HashMap<AlertInstanceKey, AlertInstanceHistory>,
    /// The highest step of a budget that was told in the period with this start.
    rung: HashMap<(AlertInstanceKey, i64), f64>,
    /// Step of each track at which the clock last judged it.
    ticked: Vec<i64>,
    /// The latest time that it was told.
    now_us: i64,
    /// Since when nothing that came can have been missed.
    since_us: i64,
    /// What links are made from.
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

    /// What rang before: what is open, and what must not ring again.
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
                // What comes late for a budget's period before opens beside what is open of this one, and is over at once.
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

    /// Puts rules and budgets in force. Answers what of figures is missing, and how many steps back: [`fill`](RuleEvaluator::fill) brings it.
    pub(super) fn set(&mut self, watchers: Vec<AlertWatch>) -> Vec<(AlertSeriesSpec, i64)> {
        let before = std::mem::replace(&mut self.watchers, watchers.into_iter().map(|watcher| (watcher.id(), watcher)).collect());
        for (id, watcher) in &self.watchers {
            if let (AlertWatch::Budget(now), Some(AlertWatch::Budget(old))) = (watcher, before.get(id))
                && (now.kept.what.amount != old.kept.what.amount || now.spec != old.spec)
            {
                // Another amount: its steps are others.
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

    /// Adds figures that were missing.
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
            // What does not reach back far enough yet is not judged by.
            let place = watcher.spec().and_then(|spec| self.places.get(spec)).filter(|place| self.tracks[**place].keep >= watcher.keep());
            if let Some(place) = place {
                self.lookers[*place].push(watcher.id());
            }
        }
        self.index = SeriesIndex::new(self.tracks.iter().enumerate());
    }

    /// What of spans the figures of a project need; `None` for nothing.
    pub(super) fn wants(&self) -> HashMap<u64, RequiredSpanFields> {
        let mut wants: HashMap<u64, RequiredSpanFields> = HashMap::new();
        for track in &self.tracks {
            wants.entry(track.spec.project).or_default().add(track);
        }
        wants
    }

    /// A span came (1) or went (-1), in a step of the store with this version.
    pub(super) fn count(&mut self, project: u64, span: &Span, sign: i64, version: u64) {
        let RuleEvaluator { index, tracks, now_us, .. } = self;
        index.each(project, span, |place| {
            let track = &mut tracks[place];
            if version > track.version {
                track.add(span, sign, *now_us);
            }
        });
    }

    /// What was counted while this was not known: figures are right, but nothing is said of too little for a while.
    pub(super) fn missed(&mut self, now_us: i64) {
        self.since_us = now_us;
    }

    /// Judges figures at a time, which never goes back. The changes hold once they are [`settle`](RuleEvaluator::settle)d.
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

    /// Groups that a rule must judge though nothing is left of them: what is open, and a whole of which nothing came at all.
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

    /// How bad a place was taken for last.
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

        // Too much is told at once, of windows that have just ended too: a call is counted when it began, and told of when it ended.
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
            // Too little may be because the window is not over yet; enough is enough.
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

    /// Whether so much time has passed without a gap that "nothing came" is true.
    fn has_watched(&self, watch: &RuleWatch) -> bool {
        self.now_us - self.since_us >= watch.kept.what.window.0.min(LATE.0) + GRACE.0
    }

    /// A figure that was asked elsewhere. `None` where there is nothing.
    pub(super) fn judge_asked(&mut self, id: i64, value: Option<f64>, from_us: i64, to_us: i64) -> Vec<IncidentChange> {
        let Some(AlertWatch::Rule(watch)) = self.watchers.get(&id).filter(|watcher| watcher.spec().is_none()) else { return Vec::new() };
        let place = (id, AlertGroupKey::Whole);
        let mut at = AlertInstanceEvaluation::new(self, watch, &place);
        let rule = &watch.kept.what;
        match value {
            Some(value) => {
                let next = watch.limits.next(at.severity, value);
                // A sum may be too little because it is not over yet; a mean is what it is.
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

    /// Rules whose figures are asked elsewhere.
    pub(super) fn asked(&self) -> Vec<RuleWatch> {
        let rules = self.watchers.values().filter_map(|watcher| match watcher {
            AlertWatch::Rule(watch) if watch.spec.is_none() && watch.kept.what.enabled => Some(watch.as_ref().clone()),
            _ => None,
        });
        rules.collect()
    }

    /// The figure of a rule now: that of the group that is furthest out. `None` while there is none.
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

    /// How many incidents of a rule or budget are open, and how bad the worst is.
    pub(super) fn open_of(&self, id: i64) -> (usize, Option<AlertSeverity>) {
        let open = || self.open.iter().filter(|((rule, _), _)| *rule == id).map(|(_, incident)| incident.severity);
        (open().count(), open().max())
    }

    /// What is open at a place.
    #[cfg(test)]
    pub(super) fn open_at(&self, place: &AlertInstanceKey) -> Option<&Incident> {
        self.open.get(place)
    }

    /// The open incident with a number.
    pub(super) fn open_with(&self, id: i64) -> Option<&Incident> {
        self.open.values().find(|incident| incident.id == id)
    }

    /// Time goes on; it never goes back.
    pub(super) fn pass(&mut self, now_us: i64) {
        self.now_us = now_us.max(self.now_us);
    }

    /// When an incident opens at a place now. No two do so at the same moment, which would be told as one: while a clock is waited for that
    /// was set back, it is always now.
    fn opening_us(&self, place: &AlertInstanceKey) -> i64 {
        self.past.get(place).map_or(self.now_us, |past| self.now_us.max(past.opened_us + 1))
    }

    /// Says what links are made from.
    pub(super) fn link_to(&mut self, public_url: &str) {
        self.public_url = Arc::from(public_url);
    }

    /// The rule or budget with a number.
    pub(super) fn watcher(&self, id: i64) -> Option<&AlertWatch> {
        self.watchers.get(&id)
    }

    pub(super) fn watchers(&self) -> impl Iterator<Item = &AlertWatch> {
        self.watchers.values()
    }

    /// Changes have been written down: they hold.
    pub(super) fn settle(&mut self, changes: Vec<IncidentChange>) {
        changes.into_iter().for_each(|change| self.remember(change.incident));
    }

    /// Changes could not be written down: what they are about is judged again.
    pub(super) fn judge_again(&mut self) {
        self.ticked.fill(i64::MIN);
    }
}

/// The place of an incident.
pub(super) fn place_of(incident: &Incident) -> AlertInstanceKey {
    (incident.rule, AlertGroupKey::read(incident.group.as_ref()))
}
