//! The bell itself: figures, what is open, and what a change of a figure means. It knows no clock, no thread and no disk: time and spans
//! are given to it, and it answers with changes that somebody else writes down.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use hinomi_model::span::Span;
use sha2::{Digest, Sha256};

use super::forecast::{self, Forecast};
use super::incident::{Entry, Happened, Incident, Source, State};
use super::index::Index;
use super::measure::{Gathers, Quantity};
use super::rule::NoData;
use super::table::{Change, Untold};
use super::track::{Group, Spec, Track};
use super::watcher::{BudgetWatch, GRACE, LATE, Reading, RuleWatch, Wants, Watcher};
use crate::notify::notice::{Direction, Kind, Links, Notice, Outlook, Severity, Unit};

/// A rule's or budget's group.
pub(super) type Place = (i64, Group);

/// Step of a budget that stands for its forecast.
const FORECAST_STEP: f64 = 0.0;
/// Why an incident is over that no figure ended.
const REMOVED: &str = "the rule was taken away or switched off";
const PERIOD_ENDED: &str = "the period ended";

/// What is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    /// What has just changed, so far as it is cheap.
    Arrived,
    /// Whatever time changes too.
    Clock,
}

/// How a budget stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Standing {
    /// Start and end of the period, in microseconds since the Unix epoch.
    pub(super) from_us: i64,
    pub(super) to_us: i64,
    /// In the budget's unit.
    pub(super) spent: f64,
    pub(super) forecast: Option<Forecast>,
}

/// What a round of judging comes to.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub(super) changes: Vec<Change>,
    /// What was ended by hand and is no longer beyond its threshold.
    lifted: Vec<Place>,
}

/// All figures and all that rings.
#[derive(Debug)]
pub(super) struct Bell {
    watchers: BTreeMap<i64, Watcher>,
    tracks: Vec<Track>,
    /// Places of tracks, by what tells them apart.
    places: HashMap<Spec, usize>,
    /// Rules and budgets by track.
    lookers: Vec<Vec<i64>>,
    index: Index,
    open: HashMap<Place, Incident>,
    /// What was ended by hand and is still beyond its threshold: how bad.
    put_down: HashMap<Place, Severity>,
    /// End of the window of the last change; windows before that have been told of.
    judged: HashMap<Place, i64>,
    /// The highest step of a budget that was told in the period with this start.
    rung: HashMap<(Place, i64), f64>,
    /// Step of each track at which the clock last judged it.
    ticked: Vec<i64>,
    /// The latest time that it was told.
    now_us: i64,
    /// Since when nothing that came can have been missed.
    since_us: i64,
    /// What links are made from.
    public_url: Arc<str>,
}

impl Bell {
    pub(super) fn new(now_us: i64) -> Bell {
        Bell {
            watchers: BTreeMap::new(),
            tracks: Vec::new(),
            places: HashMap::new(),
            lookers: Vec::new(),
            index: Index::default(),
            open: HashMap::new(),
            put_down: HashMap::new(),
            judged: HashMap::new(),
            rung: HashMap::new(),
            ticked: Vec::new(),
            now_us,
            since_us: now_us,
            public_url: Arc::from(""),
        }
    }

    /// What rang before: what is open, and what must not ring again.
    pub(super) fn remember(&mut self, incident: Incident) {
        let place = (incident.rule, Group::read(incident.group.as_ref()));
        let judged = self.judged.entry(place.clone()).or_insert(i64::MIN);
        *judged = incident.window_to_us.max(*judged);
        if incident.source == Source::Budget {
            let told = incident.steps.iter().copied().fold(FORECAST_STEP, f64::max);
            let rung = self.rung.entry((place.clone(), incident.window_from_us)).or_insert(told);
            *rung = told.max(*rung);
        }
        self.put_down.remove(&place);
        match incident.state() {
            State::Open | State::Acknowledged => {
                self.open.insert(place, incident);
            }
            State::Resolved => {
                self.open.remove(&place);
                if incident.resolved_by.is_some() {
                    self.put_down.insert(place, incident.severity);
                }
            }
        }
    }

    /// Puts rules and budgets in force. Answers what of figures is missing: [`fill`](Bell::fill) brings it.
    pub(super) fn set(&mut self, watchers: Vec<Watcher>) -> Vec<Spec> {
        let before = std::mem::replace(&mut self.watchers, watchers.into_iter().map(|watcher| (watcher.id(), watcher)).collect());
        for (id, watcher) in &self.watchers {
            if let (Watcher::Budget(now), Some(Watcher::Budget(old))) = (watcher, before.get(id))
                && (now.kept.what.amount != old.kept.what.amount || now.spec != old.spec)
            {
                // Another amount: its steps are others.
                self.rung.retain(|((budget, _), _), _| budget != id);
            }
        }
        let wanted: HashSet<Spec> = self.watchers.values().filter_map(Watcher::spec).cloned().collect();
        self.tracks.retain(|track| wanted.contains(&track.spec));
        self.arrange();
        wanted.into_iter().filter(|spec| !self.places.contains_key(spec)).collect()
    }

    /// Adds figures that were missing.
    pub(super) fn fill(&mut self, tracks: Vec<Track>) {
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
            if let Some(place) = watcher.spec().and_then(|spec| self.places.get(spec)) {
                self.lookers[*place].push(watcher.id());
            }
        }
        self.index = Index::new(self.tracks.iter().enumerate());
    }

    /// What of spans the figures of a project need; `None` for nothing.
    pub(super) fn wants(&self) -> HashMap<u64, Wants> {
        let mut wants: HashMap<u64, Wants> = HashMap::new();
        for track in &self.tracks {
            wants.entry(track.spec.project).or_default().add(track);
        }
        wants
    }

    /// A span came (1) or went (-1), in a step of the store with this version.
    pub(super) fn count(&mut self, project: u64, span: &Span, sign: i64, version: u64) {
        let Bell { index, tracks, now_us, .. } = self;
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

    /// Judges figures at a time, which never goes back. The changes hold once they are [`settle`](Bell::settle)d.
    pub(super) fn judge(&mut self, now_us: i64, round: Round) -> Vec<Change> {
        self.pass(now_us);
        let mut judged = Judged::default();
        for place in 0..self.tracks.len() {
            let track = &mut self.tracks[place];
            let is_cheap = matches!(track.spec.gathers, Gathers::Sums(..));
            if round == Round::Arrived && !(is_cheap && track.is_changed()) {
                continue;
            }
            let step = track.step_of(self.now_us);
            let ticked = round == Round::Clock && self.ticked[place] < step;
            let mut changed: HashMap<Group, Option<i64>> =
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
        if round == Round::Clock {
            self.end_orphans(&mut judged.changes);
            self.tell_again(&mut judged.changes);
        }
        self.lift(judged)
    }

    fn lift(&mut self, judged: Judged) -> Vec<Change> {
        for place in &judged.lifted {
            self.put_down.remove(place);
        }
        judged.changes
    }

    /// Groups that a rule must judge though nothing is left of them: what is open, and a whole of which nothing came at all.
    fn beside<'a>(&'a self, id: i64, known: &'a HashMap<Group, Option<i64>>) -> impl Iterator<Item = Group> + use<'a> {
        let is_whole = self.watchers.get(&id).is_some_and(|watcher| watcher.group_by().is_none());
        let rings = self.open.keys().chain(self.put_down.keys()).filter(move |(rule, _)| *rule == id).map(|(_, group)| group);
        let whole = is_whole.then_some(&Group::Whole);
        rings.chain(whole).filter(|group| !known.contains_key(*group)).cloned().collect::<HashSet<Group>>().into_iter()
    }

    fn judge_group(&self, place: usize, id: i64, group: &Group, oldest: Option<i64>, ticked: bool, judged: &mut Judged) {
        match self.watchers.get(&id) {
            Some(Watcher::Rule(watch)) if watch.kept.what.enabled => {
                self.judge_rule(watch, &self.tracks[place], group, oldest, ticked, judged);
            }
            Some(Watcher::Budget(watch)) if watch.kept.what.enabled => {
                self.judge_budget(watch, &self.tracks[place], group, oldest, ticked, &mut judged.changes);
            }
            _ => {}
        }
    }

    /// How bad a place was taken for last.
    fn before(&self, place: &Place) -> Option<Severity> {
        self.open.get(place).map(|incident| incident.severity).or_else(|| self.put_down.get(place).copied())
    }

    fn judge_rule(&self, watch: &RuleWatch, track: &Track, group: &Group, oldest: Option<i64>, ticked: bool, judged: &mut Judged) {
        let (rule, limits, step_us) = (&watch.kept.what, &watch.limits, track.spec.step_us);
        let (steps, current) = (watch.steps(step_us), track.step_of(self.now_us));
        let place = (watch.kept.id, group.clone());
        let window = |last: i64| ((last - steps + 1) * step_us, ((last + 1) * step_us).min(self.now_us));
        let mut at = Course::new(self, watch, &place);

        // Too much is told at once, of windows that have just ended too: a call is counted when it began, and told of when it ended.
        let late = match (rule.direction, oldest) {
            (Direction::Above, Some(oldest)) => oldest.max(current - LATE.0 / step_us).min(current),
            _ => current,
        };
        let told_us = self.judged.get(&place).copied().unwrap_or(i64::MIN).max(watch.kept.updated_us);
        for last in (late..current).filter(|last| (last + 1) * step_us > told_us) {
            if let Reading::Value(value) = watch.read(track, group, last)
                && limits.next(at.severity, value) > at.severity
            {
                at.go(limits.next(at.severity, value), Some(value), window(last));
            }
        }
        let now = watch.read(track, group, current);
        if let Reading::Value(value) = now {
            let next = limits.next(at.severity, value);
            // Too little may be because the window is not over yet; enough is enough.
            if rule.direction == Direction::Above || next < at.severity {
                at.go(next, Some(value), window(current));
            }
        }
        if ticked && (rule.direction == Direction::Below || rule.no_data.is_some()) && self.has_watched(watch) {
            let complete = track.step_of(self.now_us - GRACE.0) - 1;
            match watch.read(track, group, complete) {
                Reading::Value(value) if rule.direction == Direction::Below => {
                    let now_is_over = matches!(now, Reading::Value(now) if limits.next(at.severity, now).is_none());
                    if !now_is_over {
                        at.go(limits.next(at.severity, value), Some(value), window(complete));
                    }
                }
                Reading::Nothing if now == Reading::Nothing => match rule.no_data() {
                    NoData::Keep => {}
                    NoData::Ring => {
                        let worst = if rule.critical.is_some() { Severity::Critical } else { Severity::Warning };
                        at.go(at.severity.max(Some(worst)), None, window(complete));
                    }
                    NoData::Resolve => at.go(None, None, window(complete)),
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
    pub(super) fn judge_asked(&mut self, id: i64, value: Option<f64>, from_us: i64, to_us: i64) -> Vec<Change> {
        let Some(Watcher::Rule(watch)) = self.watchers.get(&id).filter(|watcher| watcher.spec().is_none()) else { return Vec::new() };
        let place = (id, Group::Whole);
        let mut at = Course::new(self, watch, &place);
        let rule = &watch.kept.what;
        match value {
            Some(value) => {
                let next = watch.limits.next(at.severity, value);
                if rule.direction == Direction::Above || next < at.severity || self.has_watched(watch) {
                    at.go(next, Some(value), (from_us, to_us));
                }
            }
            None => match rule.no_data() {
                NoData::Ring if self.has_watched(watch) => {
                    let worst = if rule.critical.is_some() { Severity::Critical } else { Severity::Warning };
                    at.go(at.severity.max(Some(worst)), None, (from_us, to_us));
                }
                NoData::Resolve => at.go(None, None, (from_us, to_us)),
                NoData::Keep | NoData::Ring => {}
            },
        }
        let mut judged = Judged::default();
        at.end(&mut judged);
        self.lift(judged)
    }

    /// Rules whose figures are asked elsewhere.
    pub(super) fn asked(&self) -> Vec<RuleWatch> {
        let rules = self.watchers.values().filter_map(|watcher| match watcher {
            Watcher::Rule(watch) if watch.spec.is_none() && watch.kept.what.enabled => Some(watch.as_ref().clone()),
            _ => None,
        });
        rules.collect()
    }

    fn judge_budget(
        &self,
        watch: &BudgetWatch,
        track: &Track,
        group: &Group,
        oldest: Option<i64>,
        ticked: bool,
        changes: &mut Vec<Change>,
    ) {
        let place = (watch.kept.id, group.clone());
        let (from_us, to_us) = watch.calendar.around(self.now_us);
        if let Some(incident) = self.open.get(&place)
            && incident.window_to_us <= self.now_us
            && incident.window_from_us != from_us
        {
            changes.push(self.ended(incident, Some(PERIOD_ENDED), incident.value));
        }
        // What came late for the period before is still told, once.
        if let Some(oldest) = oldest
            && oldest * track.spec.step_us < from_us
        {
            let before = watch.calendar.around(from_us - 1);
            if before.0 >= watch.kept.updated_us || self.rung.contains_key(&(place, before.0)) {
                changes.extend(self.judge_period(watch, track, group, before, false));
            }
        }
        changes.extend(self.judge_period(watch, track, group, (from_us, to_us), ticked));
    }

    fn judge_period(&self, watch: &BudgetWatch, track: &Track, group: &Group, period: (i64, i64), ticked: bool) -> Vec<Change> {
        let budget = &watch.kept.what;
        let place = (watch.kept.id, group.clone());
        let spent = spent(watch, track, group, period);
        let percent = 100.0 * spent / budget.amount;
        let told = self.rung.get(&(place.clone(), period.0)).copied();
        let is_now = self.now_us < period.1;
        let open = self.open.get(&place).filter(|incident| incident.window_from_us == period.0);
        let mut step = budget.steps.iter().copied().rfind(|step| percent >= *step);
        let mut forecast = None;
        if budget.ring_on_forecast && step.is_none_or(|step| step < 100.0) && told.is_none_or(|told| told < 100.0) && ticked {
            forecast = self.forecast(watch, track, group, period, spent).filter(|forecast| forecast.low > budget.amount);
            if forecast.is_some() && step.is_none() {
                step = Some(FORECAST_STEP);
            }
        }
        let Some(step) = step else {
            // Spending does not fall by itself: spans were corrected, or prices.
            let over = open.filter(|_| told.is_some_and(|told| told > FORECAST_STEP));
            return over.map(|incident| self.ended(incident, None, Some(spent))).into_iter().collect();
        };
        if told.is_some_and(|told| step <= told) {
            return Vec::new();
        }
        let severity = if step >= budget.critical_from { Severity::Critical } else { Severity::Warning };
        let threshold = if step == FORECAST_STEP { budget.amount } else { budget.amount * step / 100.0 };
        let (kind, happened) = if open.is_some() { (Kind::Worsened, Happened::Worsened) } else { (Kind::Opened, Happened::Opened) };
        let mut incident = open.cloned().unwrap_or_else(|| Incident {
            id: 0,
            project: watch.kept.project,
            source: Source::Budget,
            rule: watch.kept.id,
            rule_name: budget.name.clone(),
            group: group.shown(budget.group_by.as_deref()),
            severity,
            worst: severity,
            measure: budget.measure.name().to_owned(),
            unit: budget.measure.unit(),
            direction: Direction::Above,
            threshold,
            value: None,
            peak: None,
            window_from_us: period.0,
            window_to_us: period.1,
            opened_us: self.now_us,
            acknowledged_us: None,
            acknowledged_by: None,
            resolved_us: None,
            resolved_by: None,
            snoozed_until_us: None,
            told_us: None,
            told: 0,
            announced: None,
            culprits: Vec::new(),
            outlook: None,
            steps: Vec::new(),
            changes: 0,
        });
        if incident.severity < severity {
            // Worse than what somebody said that they look at.
            incident.acknowledged_us = None;
            incident.acknowledged_by = None;
        }
        incident.severity = severity.max(incident.severity);
        incident.worst = incident.severity;
        incident.threshold = threshold;
        incident.value = Some(spent);
        incident.peak = Some(incident.peak.unwrap_or(spent).max(spent));
        incident.steps.extend(budget.steps.iter().copied().filter(|one| *one <= step && told.is_none_or(|told| *one > told)));
        if step == FORECAST_STEP {
            incident.steps.push(FORECAST_STEP);
        }
        if is_now && group == &Group::Whole && budget.measure.unit() == Unit::Usd {
            let forecast = forecast.or_else(|| self.forecast(watch, track, group, period, spent));
            incident.outlook = forecast.map(|forecast| Outlook { if_goes_on_usd: forecast.if_goes_on, until: period.1 });
        }
        let text = if step == FORECAST_STEP { "forecast".to_owned() } else { format!("{step} %") };
        let entry = Entry { value: Some(spent), severity: Some(severity), text: Some(text), ..Entry::new(self.now_us, happened) };
        let mut changes = vec![self.changed(incident, kind, entry)];
        if !is_now && let Some(change) = changes.first() {
            // It was over before it was known.
            let over = self.ended(&change.incident, Some(PERIOD_ENDED), Some(spent));
            changes.push(over);
        }
        changes
    }

    /// What the spending of a budget comes to; only of the whole.
    fn forecast(&self, watch: &BudgetWatch, track: &Track, group: &Group, period: (i64, i64), spent: f64) -> Option<Forecast> {
        let quantity = quantity(watch);
        let sums = track.sums(group)?;
        let amount = watch.kept.what.amount;
        forecast::forecast(sums, track.spec.step_us, period, self.now_us, spent, amount, |sum| quantity.shown(sum))
    }

    /// The minute that is now.
    pub(super) fn minute(&self) -> i64 {
        self.now_us.div_euclid(60_000_000)
    }

    /// How a budget stands for a group in the period that is now. The forecast, which takes longer, where it is wanted.
    pub(super) fn standing(&self, id: i64, group: &Group, with_forecast: bool) -> Option<Standing> {
        let Some(Watcher::Budget(watch)) = self.watchers.get(&id) else { return None };
        let track = &self.tracks[*self.places.get(&watch.spec)?];
        let (from_us, to_us) = watch.calendar.around(self.now_us);
        let spent = spent(watch, track, group, (from_us, to_us));
        let forecast = if with_forecast { self.forecast(watch, track, group, (from_us, to_us), spent) } else { None };
        Some(Standing { from_us, to_us, spent, forecast })
    }

    /// What a budget's groups have spent in the period that is now, the largest first.
    pub(super) fn standings(&self, id: i64) -> Vec<(Group, f64)> {
        let Some(Watcher::Budget(watch)) = self.watchers.get(&id) else { return Vec::new() };
        let Some(track) = self.places.get(&watch.spec).map(|place| &self.tracks[*place]) else { return Vec::new() };
        let period = watch.calendar.around(self.now_us);
        let mut groups: Vec<(Group, f64)> = track.groups().map(|group| (group.clone(), spent(watch, track, group, period))).collect();
        groups.retain(|(_, spent)| *spent != 0.0);
        groups.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        groups
    }

    /// The figure of a rule now: that of the group that is furthest out. `None` while there is none.
    pub(super) fn figure(&self, id: i64) -> Option<f64> {
        let Some(Watcher::Rule(watch)) = self.watchers.get(&id) else { return None };
        let track = &self.tracks[*self.places.get(watch.spec.as_ref()?)?];
        let current = track.step_of(self.now_us);
        let whole = Group::Whole;
        let groups: Vec<&Group> = if watch.kept.what.group_by.is_some() { track.groups().collect() } else { vec![&whole] };
        let values = groups.into_iter().filter_map(|group| match watch.read(track, group, current) {
            Reading::Value(value) => Some(value),
            Reading::Nothing => None,
        });
        values.reduce(|a, b| watch.limits.worse(a, b))
    }

    /// How many incidents of a rule or budget are open, and how bad the worst is.
    pub(super) fn open_of(&self, id: i64) -> (usize, Option<Severity>) {
        let open = || self.open.iter().filter(|((rule, _), _)| *rule == id).map(|(_, incident)| incident.severity);
        (open().count(), open().max())
    }

    /// What is open at a place.
    #[cfg(test)]
    pub(super) fn open_at(&self, place: &Place) -> Option<&Incident> {
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

    /// Says what links are made from.
    pub(super) fn link_to(&mut self, public_url: &str) {
        self.public_url = Arc::from(public_url);
    }

    /// The rule or budget with a number.
    pub(super) fn watcher(&self, id: i64) -> Option<&Watcher> {
        self.watchers.get(&id)
    }

    pub(super) fn watchers(&self) -> impl Iterator<Item = &Watcher> {
        self.watchers.values()
    }

    /// Ends what is open of rules that are in force no longer.
    fn end_orphans(&self, changes: &mut Vec<Change>) {
        let is_off = |incident: &&Incident| match self.watchers.get(&incident.rule) {
            None => true,
            Some(Watcher::Rule(watch)) => !watch.kept.what.enabled,
            Some(Watcher::Budget(watch)) => !watch.kept.what.enabled,
        };
        let orphans = self.open.values().filter(is_off);
        changes.extend(orphans.map(|incident| self.ended(incident, Some(REMOVED), incident.value)));
    }

    /// Tells what was kept quiet, and again what is critical and nobody has acknowledged.
    fn tell_again(&self, changes: &mut Vec<Change>) {
        let busy: HashSet<Place> = changes.iter().map(|change| place_of(&change.incident)).collect();
        for incident in self.open.iter().filter(|(place, _)| !busy.contains(*place)).map(|(_, incident)| incident) {
            let Some(watcher) = self.watchers.get(&incident.rule) else { continue };
            if self.is_quiet(watcher, incident) {
                continue;
            }
            let telling = watcher.telling();
            let told = |kind: Kind, targets: &[i64], happened: Happened| {
                let mut incident = incident.clone();
                incident.told_us = Some(self.now_us);
                incident.told += 1;
                self.told(incident, kind, targets, Entry { severity: Some(Severity::Critical), ..Entry::new(self.now_us, happened) })
            };
            if incident.announced.is_none_or(|announced| announced < incident.severity) {
                let kind = if incident.announced.is_none() { Kind::Opened } else { Kind::Worsened };
                let mut incident = incident.clone();
                incident.announced = Some(incident.severity);
                let entry = Entry { text: Some("told after it was kept quiet".to_owned()), ..Entry::new(self.now_us, Happened::Reminded) };
                changes.push(self.told(incident, kind, &telling.targets, entry));
                continue;
            }
            if incident.acknowledged_us.is_some() || incident.severity != Severity::Critical {
                continue;
            }
            let since = |us: i64, length: Option<super::Length>| length.is_some_and(|length| self.now_us - us >= length.0);
            match incident.told_us {
                None if since(incident.opened_us, telling.escalate_after) => {
                    changes.push(told(Kind::Escalated, &telling.escalate_to, Happened::Escalated));
                }
                last if since(last.unwrap_or(incident.opened_us), telling.repeat_every)
                    && (last.is_some() || telling.escalate_after.is_none()) =>
                {
                    let everyone: Vec<i64> = telling.targets.iter().chain(&telling.escalate_to).copied().collect();
                    changes.push(told(Kind::Reminder, &everyone, Happened::Reminded));
                }
                _ => {}
            }
        }
    }

    fn is_quiet(&self, watcher: &Watcher, incident: &Incident) -> bool {
        watcher.is_muted(self.now_us) || incident.snoozed_until_us.is_some_and(|until| self.now_us < until)
    }

    /// That an incident is over.
    pub(super) fn ended(&self, incident: &Incident, by: Option<&str>, value: Option<f64>) -> Change {
        let mut incident = incident.clone();
        incident.resolved_us = Some(self.now_us);
        incident.value = value;
        let text = by.map(str::to_owned);
        self.changed(incident, Kind::Resolved, Entry { value, text, ..Entry::new(self.now_us, Happened::Resolved) })
    }

    /// A change with what is told of it.
    fn changed(&self, mut incident: Incident, kind: Kind, entry: Entry) -> Change {
        incident.changes += 1;
        let watcher = self.watchers.get(&incident.rule);
        let is_quiet = watcher.is_none_or(|watcher| self.is_quiet(watcher, &incident));
        let was_announced = incident.announced.is_some();
        let tells = match kind {
            Kind::Resolved | Kind::Improved => was_announced && watcher.is_none_or(|watcher| !watcher.is_muted(self.now_us)),
            _ => !is_quiet,
        };
        if !tells {
            return Change { incident, entries: vec![entry], untold: Vec::new() };
        }
        incident.announced = Some(incident.severity);
        let targets = watcher.map(|watcher| watcher.telling().targets.clone()).unwrap_or_default();
        let untold = vec![Untold { id: 0, notice: self.notice(&incident, kind), targets }];
        Change { incident, entries: vec![entry], untold }
    }

    fn told(&self, mut incident: Incident, kind: Kind, targets: &[i64], entry: Entry) -> Change {
        incident.changes += 1;
        let notice = self.notice(&incident, kind);
        Change { incident, entries: vec![entry], untold: vec![Untold { id: 0, notice, targets: targets.to_vec() }] }
    }

    fn notice(&self, incident: &Incident, kind: Kind) -> Notice {
        let watcher = self.watchers.get(&incident.rule);
        let group = incident.group.as_ref().map(|group| format!("{}={}", group.name, group.value.as_deref().unwrap_or_default()));
        let of = hex::encode(&Sha256::digest(group.as_deref().unwrap_or_default())[..6]);
        let (project, public_url) = (incident.project, &self.public_url);
        Notice {
            // The same change has the same key, whenever it is told: where and when the incident opened, and which of its changes it is.
            idempotency_key: format!("{project}-{}-{of}-{}-{}", incident.rule, incident.opened_us, incident.changes),
            project,
            rule_id: incident.rule,
            rule_name: incident.rule_name.clone(),
            incident_id: Some(incident.id).filter(|id| *id != 0),
            kind,
            severity: incident.severity,
            measure: incident.measure.clone(),
            unit: incident.unit,
            value: incident.value,
            threshold: Some(incident.threshold),
            direction: incident.direction,
            group: incident.group.clone(),
            window_from: incident.window_from_us,
            window_to: incident.window_to_us.min(self.now_us.max(incident.window_from_us)),
            at: self.now_us,
            time_zone: watcher.map_or("UTC", Watcher::time_zone).to_owned(),
            culprits: incident.culprits.clone(),
            outlook: incident.outlook.clone(),
            links: Links {
                incident: format!("{public_url}/p/{project}/alerts/incidents/"),
                traces: watcher.map(|watcher| self.traces(watcher, incident)),
            },
            language: watcher.map(|watcher| watcher.telling().language).unwrap_or_default(),
            gathered: Vec::new(),
        }
    }

    /// Where the traces of an incident's window are.
    fn traces(&self, watcher: &Watcher, incident: &Incident) -> String {
        let group = incident.group.as_ref().filter(|_| Group::read(incident.group.as_ref()) != Group::Rest);
        let group = group.map(|group| format!(" {}", super::ring::term(&group.name, group.value.as_deref()))).unwrap_or_default();
        let q = format!("{}{group}", watcher.filter());
        let until_us = incident.window_to_us.min(self.now_us.max(incident.window_from_us));
        super::ring::traces(&self.public_url, incident.project, (incident.window_from_us, until_us), q.trim())
    }

    /// Changes have been written down: they hold.
    pub(super) fn settle(&mut self, changes: Vec<Change>) {
        changes.into_iter().for_each(|change| self.remember(change.incident));
    }

    /// Changes could not be written down: what they are about is judged again.
    pub(super) fn judge_again(&mut self) {
        self.ticked.fill(i64::MIN);
    }
}

/// The place of an incident.
pub(super) fn place_of(incident: &Incident) -> Place {
    (incident.rule, Group::read(incident.group.as_ref()))
}

fn quantity(watch: &BudgetWatch) -> Quantity {
    match watch.spec.gathers {
        Gathers::Sums(_, quantity) => quantity,
        Gathers::Sketches(_) => Quantity::One,
    }
}

fn spent(watch: &BudgetWatch, track: &Track, group: &Group, (from_us, to_us): (i64, i64)) -> f64 {
    let figure = track.figure(group, from_us.div_euclid(track.spec.step_us), to_us.div_euclid(track.spec.step_us), 0.0);
    quantity(watch).shown(figure.quantity)
}

/// What one round of judging does to one place: it may open, worsen and end in one go, where news came late.
struct Course<'a> {
    bell: &'a Bell,
    watch: &'a RuleWatch,
    place: &'a Place,
    severity: Option<Severity>,
    /// Ended by hand: nothing rings until the figure was back.
    is_put_down: bool,
    incident: Option<Incident>,
    judged: Judged,
}

impl<'a> Course<'a> {
    fn new(bell: &'a Bell, watch: &'a RuleWatch, place: &'a Place) -> Course<'a> {
        Course {
            bell,
            watch,
            place,
            severity: bell.before(place),
            is_put_down: bell.put_down.contains_key(place),
            incident: bell.open.get(place).cloned(),
            judged: Judged::default(),
        }
    }

    fn end(self, judged: &mut Judged) {
        judged.changes.extend(self.judged.changes);
        judged.lifted.extend(self.judged.lifted);
    }

    /// Takes the place from where it stands to how bad it is now.
    fn go(&mut self, next: Option<Severity>, value: Option<f64>, (from_us, to_us): (i64, i64)) {
        let before = std::mem::replace(&mut self.severity, next);
        if self.is_put_down && next.is_none() {
            self.is_put_down = false;
            self.judged.lifted.push(self.place.clone());
            return;
        }
        if before == next || self.is_put_down {
            return;
        }
        let (bell, rule) = (self.bell, &self.watch.kept.what);
        let (kind, happened) = match (before, next) {
            (None, _) => (Kind::Opened, Happened::Opened),
            (Some(before), Some(next)) if next > before => (Kind::Worsened, Happened::Worsened),
            (Some(_), Some(_)) => (Kind::Improved, Happened::Improved),
            (Some(_), None) => (Kind::Resolved, Happened::Resolved),
        };
        let mut incident = self.incident.take().unwrap_or_else(|| Incident {
            id: 0,
            project: self.watch.kept.project,
            source: Source::Rule,
            rule: self.watch.kept.id,
            rule_name: rule.name.clone(),
            group: self.place.1.shown(rule.group_by.as_deref()),
            severity: Severity::Warning,
            worst: Severity::Warning,
            measure: rule.measure.name().to_owned(),
            unit: if rule.compare.is_some() { Unit::Ratio } else { rule.measure.unit() },
            direction: rule.direction,
            threshold: rule.nearest(),
            value,
            peak: value,
            window_from_us: from_us,
            window_to_us: to_us,
            opened_us: bell.now_us,
            acknowledged_us: None,
            acknowledged_by: None,
            resolved_us: None,
            resolved_by: None,
            snoozed_until_us: None,
            told_us: None,
            told: 0,
            announced: None,
            culprits: Vec::new(),
            outlook: None,
            steps: Vec::new(),
            changes: 0,
        });
        incident.value = value;
        incident.peak = match (incident.peak, value) {
            (Some(peak), Some(value)) => Some(self.watch.limits.worse(peak, value)),
            (peak, value) => peak.or(value),
        };
        (incident.window_from_us, incident.window_to_us) = (from_us, to_us);
        match next {
            Some(severity) => {
                if kind == Kind::Worsened {
                    // Worse than what somebody said that they look at.
                    incident.acknowledged_us = None;
                    incident.acknowledged_by = None;
                }
                incident.severity = severity;
                incident.worst = severity.max(incident.worst);
                incident.threshold = rule.threshold(severity);
            }
            None => incident.resolved_us = Some(bell.now_us),
        }
        let entry = Entry { value, severity: Some(incident.severity), ..Entry::new(bell.now_us, happened) };
        let change = bell.changed(incident, kind, entry);
        self.incident = Some(change.incident.clone()).filter(|incident| incident.resolved_us.is_none());
        self.judged.changes.push(change);
    }
}
