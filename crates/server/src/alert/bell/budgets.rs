//! Budgets: what is spent of them, and the steps that ring.

use super::telling::PERIOD_ENDED;
use super::{Bell, FORECAST_STEP};
use crate::alert::forecast::{self, Forecast};
use crate::alert::incident::{Entry, Happened, Incident, Source};
use crate::alert::measure::{Gathers, Quantity};
use crate::alert::state::GroupState;
use crate::alert::table::Change;
use crate::alert::track::{Group, Track};
use crate::alert::watcher::{BudgetWatch, Watcher};
use crate::notify::notice::{Kind, Outlook, Severity, Unit};

/// How a budget stands.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::alert) struct Standing {
    /// Start and end of the period, in microseconds since the Unix epoch.
    pub(in crate::alert) from_us: i64,
    pub(in crate::alert) to_us: i64,
    /// In the budget's unit.
    pub(in crate::alert) spent: f64,
    /// The same.
    pub(in crate::alert) unsent: f64,
    pub(in crate::alert) forecast: Option<Forecast>,
}

impl Bell {
    pub(super) fn judge_budget(
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
        let (sum, quantity) = (sum(track, group, period), quantity(watch));
        let spent = quantity.shown(sum);
        let told = self.rung.get(&(place.clone(), period.0)).copied();
        let is_now = self.now_us < period.1;
        let open = self.open.get(&place).filter(|incident| incident.window_from_us == period.0);
        let mut step = budget.steps.iter().copied().rfind(|step| sum >= quantity.summed(budget.amount * step / 100.0));
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
            group: group.shown(budget.group_by.as_deref()),
            severity,
            window_from_us: period.0,
            window_to_us: period.1,
            ..Incident::opened(Source::Budget, &watch.kept, &budget.name, budget.measure, self.opening_us(&(watch.kept.id, group.clone())))
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
    pub(in crate::alert) fn minute(&self) -> i64 {
        self.now_us.div_euclid(60_000_000)
    }

    /// How a budget stands for a group in the period that is now. The forecast, which takes longer, where it is wanted.
    pub(in crate::alert) fn standing(&self, id: i64, group: &Group, with_forecast: bool) -> Option<Standing> {
        let Some(Watcher::Budget(watch)) = self.watchers.get(&id) else { return None };
        let track = &self.tracks[*self.places.get(&watch.spec)?];
        let (from_us, to_us) = watch.calendar.around(self.now_us);
        let spent = spent(watch, track, group, (from_us, to_us));
        let forecast = if with_forecast { self.forecast(watch, track, group, (from_us, to_us), spent) } else { None };
        Some(Standing { from_us, to_us, spent, unsent: unsent(watch, track, group, (from_us, to_us)), forecast })
    }

    /// What a budget's groups have spent in the period that is now, the largest first.
    pub(in crate::alert) fn standings(&self, id: i64) -> Vec<GroupState> {
        let Some(Watcher::Budget(watch)) = self.watchers.get(&id) else { return Vec::new() };
        let Some(track) = self.places.get(&watch.spec).map(|place| &self.tracks[*place]) else { return Vec::new() };
        let period = watch.calendar.around(self.now_us);
        let state = |group: &Group| GroupState::new(group, spent(watch, track, group, period), unsent(watch, track, group, period));
        let mut groups: Vec<GroupState> = track.groups().map(state).collect();
        groups.retain(|group| group.spent != 0.0);
        groups.sort_by(|a, b| b.spent.total_cmp(&a.spent).then_with(|| a.key.cmp(&b.key)));
        groups
    }
}

fn quantity(watch: &BudgetWatch) -> Quantity {
    match watch.spec.gathers {
        Gathers::Sums(_, quantity) => quantity,
        Gathers::Sketches(_) => Quantity::One,
    }
}

fn spent(watch: &BudgetWatch, track: &Track, group: &Group, (from_us, to_us): (i64, i64)) -> f64 {
    quantity(watch).shown(sum(track, group, (from_us, to_us)))
}

fn sum(track: &Track, group: &Group, (from_us, to_us): (i64, i64)) -> i128 {
    track.figure(group, from_us.div_euclid(track.spec.step_us), to_us.div_euclid(track.spec.step_us), 0.0).quantity
}

/// What clients are likely not to have sent of a period, by the rates at which they say that they sample.
fn unsent(watch: &BudgetWatch, track: &Track, group: &Group, (from_us, to_us): (i64, i64)) -> f64 {
    let step = |us: i64| us.div_euclid(track.spec.step_us);
    quantity(watch).shown(track.unsent(group, step(from_us), step(to_us)))
}
