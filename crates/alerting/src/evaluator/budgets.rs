//! Evaluation of budgets: spend and crossed steps.

use super::notification_plan::PERIOD_ENDED;
use super::{FORECAST_STEP, RuleEvaluator};
use crate::alert_store::IncidentChange;
use crate::delivery::notice::{AlertNoticeKind, AlertSeverity, CostProjection, MeasureUnit};
use crate::evaluator::forecast;
use crate::evaluator::forecast::SpendForecast;
use crate::evaluator::metric_series::{AlertGroupKey, AlertSeries};
use crate::evaluator::prepared_rule::{AlertWatch, BudgetWatch};
use crate::evaluator::state::BudgetGroupState;
use crate::incident::{AlertSource, Incident, IncidentEventKind, IncidentTimelineEntry};
use crate::rule::metric::{SeriesAggregation, SpanQuantity};

/// Spend of a budget in a period.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BudgetPeriodSpend {
    /// Start and end of the period, in microseconds since the Unix epoch.
    pub(crate) from_us: i64,
    pub(crate) to_us: i64,
    /// Spend in the unit of the budget.
    pub(crate) spent: f64,
    /// Spend that clients probably left out by sampling, in the unit of the budget.
    pub(crate) unsent: f64,
    pub(crate) forecast: Option<SpendForecast>,
}

impl RuleEvaluator {
    pub(super) fn judge_budget(
        &self,
        watch: &BudgetWatch,
        track: &AlertSeries,
        group: &AlertGroupKey,
        oldest: Option<i64>,
        ticked: bool,
        changes: &mut Vec<IncidentChange>,
    ) {
        let place = (watch.kept.id, group.clone());
        let (from_us, to_us) = watch.calendar.around(self.now_us);
        if let Some(incident) = self.open.get(&place)
            && incident.window_to_us <= self.now_us
            && incident.window_from_us != from_us
        {
            changes.push(self.ended(incident, Some(PERIOD_ENDED), incident.value));
        }
        // Late spend of the previous period still fires, once.
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

    fn judge_period(
        &self,
        watch: &BudgetWatch,
        track: &AlertSeries,
        group: &AlertGroupKey,
        period: (i64, i64),
        ticked: bool,
    ) -> Vec<IncidentChange> {
        let budget = &watch.kept.what;
        let place = (watch.kept.id, group.clone());
        let (sum, quantity) = (sum(track, group, period), quantity(watch));
        let spent = quantity.shown(sum);
        let told = self.rung.get(&(place.clone(), period.0)).copied();
        let is_now = self.now_us < period.1;
        let open = self.open.get(&place).filter(|incident| incident.window_from_us == period.0);
        let mut step = budget.steps.iter().copied().rfind(|step| sum >= quantity.summed(budget.amount * step / 100.0));
        let mut forecast = None;
        if budget.alert_on_forecast && step.is_none_or(|step| step < 100.0) && told.is_none_or(|told| told < 100.0) && ticked {
            forecast = self.forecast(watch, track, group, period, spent).filter(|forecast| forecast.low > budget.amount);
            if forecast.is_some() && step.is_none() {
                step = Some(FORECAST_STEP);
            }
        }
        let Some(step) = step else {
            // Spend falls only if spans or prices were corrected.
            let over = open.filter(|_| told.is_some_and(|told| told > FORECAST_STEP));
            return over.map(|incident| self.ended(incident, None, Some(spent))).into_iter().collect();
        };
        if told.is_some_and(|told| step <= told) {
            return Vec::new();
        }
        let severity = if step >= budget.critical_from { AlertSeverity::Critical } else { AlertSeverity::Warning };
        let threshold = if step == FORECAST_STEP { budget.amount } else { budget.amount * step / 100.0 };
        let (kind, happened) = if open.is_some() {
            (AlertNoticeKind::Worsened, IncidentEventKind::Worsened)
        } else {
            (AlertNoticeKind::Opened, IncidentEventKind::Opened)
        };
        let mut incident = open.cloned().unwrap_or_else(|| self.budget_incident(watch, group, period, severity));
        if incident.severity < severity {
            // The severity is worse than the one that was acknowledged.
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
        if is_now && group == &AlertGroupKey::Whole && budget.measure.unit() == MeasureUnit::Usd {
            let forecast = forecast.or_else(|| self.forecast(watch, track, group, period, spent));
            incident.outlook = forecast.map(|forecast| CostProjection { projected_usd: forecast.projected, until: period.1 });
        }
        let text = if step == FORECAST_STEP { "forecast".to_owned() } else { format!("{step} %") };
        let entry = IncidentTimelineEntry {
            value: Some(spent),
            severity: Some(severity),
            text: Some(text),
            ..IncidentTimelineEntry::new(self.now_us, happened)
        };
        let mut changes = vec![self.changed(incident, kind, entry)];
        if !is_now && let Some(change) = changes.first() {
            // The period ended before the step was known to be crossed.
            let over = self.ended(&change.incident, Some(PERIOD_ENDED), Some(spent));
            changes.push(over);
        }
        changes
    }

    /// Returns a new incident of a budget.
    fn budget_incident(&self, watch: &BudgetWatch, group: &AlertGroupKey, period: (i64, i64), severity: AlertSeverity) -> Incident {
        let budget = &watch.kept.what;
        let opening_us = self.opening_us(&(watch.kept.id, group.clone()));
        Incident {
            group: group.shown(budget.group_by.as_deref()),
            severity,
            window_from_us: period.0,
            window_to_us: period.1,
            ..Incident::opened(AlertSource::Budget, &watch.kept, &budget.name, budget.measure, opening_us)
        }
    }

    /// Returns the forecast of a budget, for the whole budget only.
    fn forecast(
        &self,
        watch: &BudgetWatch,
        track: &AlertSeries,
        group: &AlertGroupKey,
        period: (i64, i64),
        spent: f64,
    ) -> Option<SpendForecast> {
        let quantity = quantity(watch);
        let sums = track.sums(group)?;
        let amount = watch.kept.what.amount;
        forecast::forecast(sums, track.spec.step_us, period, self.now_us, spent, amount, |sum| quantity.shown(sum))
    }

    /// Returns the current minute since the Unix epoch.
    pub(crate) fn minute(&self) -> i64 {
        self.now_us.div_euclid(60_000_000)
    }

    /// Returns the spend of a group in the current period. Computes the forecast only on request, since it takes longer.
    pub(crate) fn standing(&self, id: i64, group: &AlertGroupKey, with_forecast: bool) -> Option<BudgetPeriodSpend> {
        let Some(AlertWatch::Budget(watch)) = self.watchers.get(&id) else { return None };
        let track = &self.tracks[*self.places.get(&watch.spec)?];
        let (from_us, to_us) = watch.calendar.around(self.now_us);
        let spent = spent(watch, track, group, (from_us, to_us));
        let forecast = if with_forecast { self.forecast(watch, track, group, (from_us, to_us), spent) } else { None };
        Some(BudgetPeriodSpend { from_us, to_us, spent, unsent: unsent(watch, track, group, (from_us, to_us)), forecast })
    }

    /// Returns the spend of all groups of a budget in the current period, the largest first.
    pub(crate) fn standings(&self, id: i64) -> Vec<BudgetGroupState> {
        let Some(AlertWatch::Budget(watch)) = self.watchers.get(&id) else { return Vec::new() };
        let Some(track) = self.places.get(&watch.spec).map(|place| &self.tracks[*place]) else { return Vec::new() };
        let period = watch.calendar.around(self.now_us);
        let state =
            |group: &AlertGroupKey| BudgetGroupState::new(group, spent(watch, track, group, period), unsent(watch, track, group, period));
        let mut groups: Vec<BudgetGroupState> = track.groups().map(state).collect();
        groups.retain(|group| group.spent != 0.0);
        groups.sort_by(|a, b| b.spent.total_cmp(&a.spent).then_with(|| a.key.cmp(&b.key)));
        groups
    }
}

fn quantity(watch: &BudgetWatch) -> SpanQuantity {
    match watch.spec.gathers {
        SeriesAggregation::Sums(_, quantity) => quantity,
        SeriesAggregation::Sketches(_) => SpanQuantity::One,
    }
}

fn spent(watch: &BudgetWatch, track: &AlertSeries, group: &AlertGroupKey, (from_us, to_us): (i64, i64)) -> f64 {
    quantity(watch).shown(sum(track, group, (from_us, to_us)))
}

fn sum(track: &AlertSeries, group: &AlertGroupKey, (from_us, to_us): (i64, i64)) -> i128 {
    track.figure(group, from_us.div_euclid(track.spec.step_us), to_us.div_euclid(track.spec.step_us), 0.0).quantity
}

/// Returns the spend of a period that clients probably left out by sampling, according to their sample rates.
fn unsent(watch: &BudgetWatch, track: &AlertSeries, group: &AlertGroupKey, (from_us, to_us): (i64, i64)) -> f64 {
    let step = |us: i64| us.div_euclid(track.spec.step_us);
    quantity(watch).shown(track.unsent(group, step(from_us), step(to_us)))
}
